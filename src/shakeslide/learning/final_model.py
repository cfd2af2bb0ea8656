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
from shakeslide.learning.recipe import Recipe
from shakeslide.learning.training import Fit
from shakeslide.sampling.sample_table import Samples

CLEAR_CELLS = 200_000
"""Clear cells on which the level of a calibration is set; fewer where there are fewer."""
SOURCE_CELLS = 2_000_000
"""Source cells on which it is set: all of them on all but the largest maps."""
FARTHEST = 10.0
"""Log-odds by which a calibration is moved at most."""


def fit(
    recipe: Recipe,
    samples: Samples,
    seed: int,
    ground: Samples | None = None,
    advance: Advance = silent,
) -> Fit:
    """Fit a model on all samples.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        All samples.
    seed : int
        Of the study.
    ground : Samples, optional
        Source cells and clear cells of the area, many of each. The level of a calibration is set
        on them; without them it stays as it was fitted.
    advance : callable
        Called with the number of fits done, in fractions: 1 in all.
    """
    rows = [np.arange(len(samples.table))]
    seeds = [training.seed_of(seed, recipe.name, "all", 0, 0)]
    (fitted,) = training.fit(recipe, samples, rows, seeds, advance=advance)
    model = fitted.model
    if model.calibration is None or ground is None:
        return fitted
    start = time.perf_counter()
    plain = replace(model, calibration=None).predict(model.rows_of(ground))
    level = levelled(
        model.calibration,
        plain[ground.label == 1],
        plain[_unseen(ground, samples)],
        model.about.sample_share,
        ground.prevalence,
    )
    seconds = fitted.seconds + time.perf_counter() - start
    return Fit(replace(model, calibration=level), seconds)


def _unseen(ground: Samples, samples: Samples) -> NDArray[np.bool_]:
    """Tell which clear cells of the ground are no samples: those stand for nearly all of it."""
    # One number per cell, so that cells are compared and not rows and columns.
    there, drawn = (row << 32 | col for row, col in (ground.cells, samples.cells))
    clear = np.asarray(ground.label == 0)
    unseen = clear & ~np.isin(there, drawn)
    return unseen if unseen.any() else clear


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
    sources, clear : arrays, (cells,) float32
        Probabilities of the area's source cells and clear cells by the model, before calibration.
    sample_share, prevalence : float
        Share of sources in the sample and in the area.

    Returns
    -------
    Calibration
        The same one where no shift within `FARTHEST` does it.
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
