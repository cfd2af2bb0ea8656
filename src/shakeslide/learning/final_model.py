"""The model that is mapped: fitted on all samples once the validation is done, and never scored.

Its calibration comes from predictions of landslides that were held out. On the map the model also
meets the landslides that it was fitted on, and is surer of them than of any others. With the
calibration as fitted, the map would therefore expect more landslide area than was mapped. The
level of the calibration is set so that both areas agree; its slope stays as it was fitted.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation.calibration import Calibration, correct_prior
from shakeslide.learning import training
from shakeslide.learning.training import CALIBRATION_FOLDS, Fit, Recipe
from shakeslide.sampling.sampling import Samples

FARTHEST = 10.0
"""Log-odds by which a calibration is moved at most."""


def fit(recipe: Recipe, samples: Samples, seed: int, advance: Advance = silent) -> Fit:
    """Fit a model on all samples.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        All samples.
    seed : int
        Of the study.
    advance : callable
        Called with the number of fits done, in fractions: 1 in all.
    """
    rows = [np.arange(len(samples.table))]
    seeds = [training.seed_of(seed, recipe.name, "all", 0, 0)]
    if recipe.calibration == "none":
        return training.fit(recipe, samples, rows, seeds, advance=advance)[0]
    start = time.perf_counter()
    training.require_enough(recipe, samples, rows)
    share = CALIBRATION_FOLDS / (CALIBRATION_FOLDS + 1)
    ((order, held_out),) = training.held_out(
        recipe, samples, rows, seeds, [samples.class_areas], training.part_of(advance, share)
    )
    label = samples.label[order]
    fitted = training.calibrated(recipe, label, held_out)
    model = training.fit(
        recipe,
        samples,
        rows,
        seeds,
        advance=training.part_of(advance, 1 - share),
        calibrations=[fitted],
    )[0].model
    # Sources are all known to the model; of the clear ground it has seen a sample.
    sources = replace(model, calibration=None).predict(samples.raw[samples.label == 1])
    level = levelled(
        fitted, sources, held_out[label == 0], float(samples.label.mean()), samples.prevalence
    )
    return Fit(replace(model, calibration=level), time.perf_counter() - start)


def levelled(
    calibration: Calibration,
    sources: NDArray[np.float32],
    clear: NDArray[np.float32],
    sample_share: float,
    prevalence: float,
) -> Calibration:
    """Shift a calibration so that a map expects as much landslide area as there is.

    Parameters
    ----------
    calibration : Calibration
        Fitted on the balance of the sample.
    sources, clear : arrays, float32
        Probabilities before calibration: of source cells by the model that is mapped, and of clear
        cells by a model that was not trained on them, as it meets them on the map.
    sample_share, prevalence : float
        Share of sources in the sample and in the area.
    """

    def excess(log_odds: float) -> float:
        moved = calibration.shifted(log_odds)
        mean = [
            float(correct_prior(moved.apply(p.astype(np.float64)), sample_share, prevalence).mean())
            for p in (sources, clear)
        ]
        return prevalence * mean[0] + (1 - prevalence) * mean[1] - prevalence

    low, high = -FARTHEST, FARTHEST
    if excess(low) >= 0 or excess(high) <= 0:
        return calibration
    return calibration.shifted(float(brentq(excess, low, high, xtol=1e-6)))
