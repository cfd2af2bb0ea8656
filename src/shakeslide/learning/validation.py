"""Trials: a model is fitted on one side of each split of a protocol and tested on the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import blocks, curves
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.evaluation.scores import COUNTS, MEASURES, scores
from shakeslide.evaluation.splits import Split
from shakeslide.evaluation.variogram import FEWEST_POINTS
from shakeslide.learning import training
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.judgement import (
    Confusion,
    Curve,
    Judgement,
    RateCurves,
    Record,
    ReliabilityCurve,
    RocCurve,
)
from shakeslide.learning.plans import Plan
from shakeslide.learning.recipe import HeldOut, Recipe
from shakeslide.sampling.events import Events
from shakeslide.sampling.sample_table import AREA_SQUARE, Samples

MOST_RESIDUALS = 20_000
"""Errors from which the side of the blocks is suggested."""
ROC_POINTS = 201
RELIABILITY_BINS = 10
RATE_GRID = np.concatenate([np.linspace(0, 0.1, 21), np.linspace(0.11, 1, 90)])
"""Shares of the area at which success-rate and prediction-rate curves are told."""
SHARES = (0.05, 0.10, 0.20)
"""Shares of the area for which the captured share of the landslides is told."""


HELD_OUT: Mapping[str, HeldOut] = {"pixel": "pixel", "landslide": "landslide"}
"""What is held out of training rows to choose a blend's weights, by protocol; else blocks."""


def block_size(samples: Samples, seed: int) -> blocks.BlockSize:
    """Suggest the side of the blocks from the errors of a logistic regression.

    The errors are those of rows that the regression was not fitted on (five random parts).

    Raises
    ------
    InputError
        The samples are too few for it, or lie in too few places.
    """
    if len(samples.table) < FEWEST_POINTS:
        raise InputError(f"{len(samples.table)} samples are too few; it needs {FEWEST_POINTS}")
    recipe = Recipe("lr", "sincos", {})
    probability = np.full(len(samples.table), np.nan)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    parts = rng.integers(0, 5, len(probability))
    for part in range(5):
        test = np.nonzero(parts == part)[0]
        rows = np.nonzero(parts != part)[0]
        # A regression needs both classes.
        if np.ptp(samples.label[rows]) == 0:
            raise InputError("too few source cells")
        fit = training.fit(recipe, samples, [rows], [seed])[0]
        probability[test] = fit.model.predict(samples.raw[test])
    some = rng.permutation(len(probability))[:MOST_RESIDUALS]
    x, y = samples.places
    residual = (samples.label - probability)[some]
    return blocks.suggest_size(x[some], y[some], residual, seed, samples.event[some])


def training_areas(samples: Samples, split: Split, plan: Plan) -> dict[str, dict[int, int]]:
    """Return the class areas of the region that a split trains on.

    For blocks that is the land outside the test blocks and their buffer; the other protocols train
    on all of it.
    """
    if split.protocol != "block":
        return samples.class_areas
    x, y, event = (samples.areas[c].to_numpy() for c in ("x", "y", "event"))
    test, near = np.zeros(len(samples.table), bool), np.zeros(len(x), bool)
    test[split.test] = True
    for laid in _laid(samples, plan):
        here = event == samples.event[laid.rows[0]]
        tested = np.unique(laid.block[test[laid.rows]])
        # Squares are known by their centres, half a side from their edges.
        reach = plan.buffer + AREA_SQUARE / 2
        near[here] = _near_blocks(x[here], y[here], tested, plan.block_size, laid.origin, reach)
    return samples.class_areas_of(~near)


def _laid(samples: Samples, plan: Plan) -> list[blocks.Laid]:
    """Return the blocks of the plan over the samples."""
    return blocks.lay(*samples.places, plan.block_size, plan.origin, samples.event)


def _near_blocks(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    tested: NDArray[np.int64],
    size: float,
    origin: tuple[float, float],
    reach: float,
) -> NDArray[np.bool_]:
    """Tell which points lie within `reach` of one of the blocks, along the axes."""
    near = np.zeros(len(x), bool)
    # As close as a block is wide: none of the tested ones lies between two steps.
    count = math.ceil(reach / size)
    steps = np.linspace(-reach, reach, 2 * count + 1) if count else [0.0]
    for dx in steps:
        for dy in steps:
            # Points beyond the corner belong to no block.
            east, south = np.maximum(x + dx, origin[0]), np.minimum(y + dy, origin[1])
            near |= np.isin(blocks.block_id(east, south, size, origin), tested)
    return near


def groups(samples: Samples, protocol: str, plan: Plan) -> NDArray[np.int64]:
    """Return the number of what each sample is drawn with in bootstraps, (samples,) int64.

    A sample is drawn with its whole block, or with its landslide.
    """
    if protocol == "block":
        return blocks.block_groups(_laid(samples, plan))
    return samples.landslide_groups()


def judge(
    model: FittedModel, seconds: float, samples: Samples, split: Split, threshold: float
) -> tuple[Judgement, NDArray[np.float32]]:
    """Judge a fitted model on the test rows of a split.

    Returns
    -------
    Judgement
        Scores at the balance of the samples and at the area's, confusion and curves.
    array, (test rows,) float32
        The probabilities.
    """
    y = samples.label[split.test]
    p = model.predict(model.rows_of(samples, split.test))
    share, known = model.about.sample_share, model.about.prevalence
    if known != samples.prevalence:
        # Of another event: its probabilities are corrected to the share that was known in training
        share = float(correct_prior(share, known, samples.prevalence))
    weights = curves.class_weights(y, samples.prevalence)
    fpr, tpr = curves.roc_on_grid(y, p, ROC_POINTS)
    reliability = curves.reliability(y, p, RELIABILITY_BINS)
    captured = curves.captured(y, p, SHARES, weights)
    records, confusion = _measured(
        samples,
        split,
        p,
        model=model.name,
        seconds=seconds,
        sample_share=share,
        threshold=threshold,
    )
    judgement = Judgement(
        model=model.name,
        fit_s=seconds,
        sample_share=share,
        roc=RocCurve(_numbers(fpr), _numbers(tpr)),
        reliability=ReliabilityCurve(
            _numbers(reliability.predicted), _numbers(reliability.observed)
        ),
        captured=dict(zip(map(str, SHARES), map(float, captured), strict=True)),
        rates=RateCurves(
            area=_numbers(RATE_GRID),
            prediction=_numbers(curves.captured(y, p, RATE_GRID, weights)),
            success=_success(model, samples, split),
        ),
        threshold=threshold,
        records=records,
        confusion=confusion,
    )
    return judgement, p


def at_threshold(
    judgement: Judgement,
    p: NDArray[np.float32],
    samples: Samples,
    split: Split,
    threshold: float,
) -> Judgement:
    """Return the judgement with the measures that depend on the threshold at another one.

    Parameters
    ----------
    judgement : Judgement
        As `judge` returns it.
    p : array, (test rows,) float32
        Probabilities of the split's test rows, as `judge` returns them: shape (n,).
    samples : Samples
        All samples.
    split : Split
        The split that was judged.
    threshold : float
        Probability from which a cell counts as a landslide.
    """
    told = judgement
    records, confusion = _measured(
        samples,
        split,
        p,
        model=told.model,
        seconds=told.fit_s,
        sample_share=told.sample_share,
        threshold=threshold,
    )
    return replace(told, threshold=threshold, records=records, confusion=confusion)


def _measured(
    samples: Samples,
    split: Split,
    p: NDArray[np.float32],
    *,
    model: str,
    seconds: float,
    sample_share: float,
    threshold: float,
) -> tuple[tuple[Record, Record], Confusion]:
    """Measure at the balance of the samples, and at the area's."""
    y = samples.label[split.test]
    measured = scores(y, p, threshold)
    area = scores(y, p, threshold, prevalence=samples.prevalence, sample_share=sample_share)

    def record(prevalence: float, values: Mapping[str, float]) -> Record:
        return Record(
            protocol=split.protocol,
            model=model,
            repeat=split.repeat,
            fold=split.fold,
            prevalence=prevalence,
            n_train=len(split.train),
            n_test=len(split.test),
            fit_s=seconds,
            **{m: float(values[m]) for m in MEASURES},
        )

    both = record(float(y.mean()), measured), record(samples.prevalence, area)
    return both, Confusion(**{k: measured[k] for k in COUNTS})


def _numbers(values: NDArray[Any]) -> Curve:
    return tuple(values.tolist())


def _success(model: FittedModel, samples: Samples, split: Split) -> Curve:
    """Return the success-rate curve: of the rows that the model was trained on."""
    y = samples.label[split.train]
    weights = curves.class_weights(y, samples.prevalence)
    p = model.predict(model.rows_of(samples, split.train))
    return _numbers(curves.captured(y, p, RATE_GRID, weights))


def fit(
    recipe: Recipe,
    samples: Samples,
    chosen: Sequence[Split],
    plan: Plan,
    advance: Advance = silent,
    together: Events | None = None,
) -> list[training.Fit]:
    """Fit a model on the training rows of several splits, each with the seed of its split.

    Parameters
    ----------
    recipe, samples, chosen, plan, advance
        What to fit, on which rows, and how to tell.
    together : Events, optional
        Of the protocol `event`: whose samples these are.
    """
    # Not by its place among the fits, so that a fit made alone has the same seed.
    seeds = [training.seed_of(plan.seed, recipe.name, s.protocol, s.repeat, s.fold) for s in chosen]
    if together is None:
        areas = [training_areas(samples, s, plan) for s in chosen]
    else:
        areas = [together.regions(s) for s in chosen]
    # All splits are of one protocol. A blend's weights are chosen as they are judged.
    protocol = chosen[0].protocol if chosen else ""
    if protocol in HELD_OUT:
        recipe = replace(recipe, held_out=HELD_OUT[protocol])
    fits = training.fit(recipe, samples, [s.train for s in chosen], seeds, areas, advance)
    if together is None:
        return fits
    return [_known_from(f, together.prevalence(s)) for f, s in zip(fits, chosen, strict=True)]


def _known_from(fit: training.Fit, prevalence: float) -> training.Fit:
    """Let a model know the share of sources of the events that it was trained on, and no other."""
    about = replace(fit.model.about, prevalence=prevalence)
    # A formula never saw a balance of samples, so nothing is corrected for it.
    if about.static:
        about = replace(about, sample_share=prevalence)
    return replace(fit, model=replace(fit.model, about=about))
