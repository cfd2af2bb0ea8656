"""The weights of a blend, chosen on predictions of ground that its members were not fitted on.

Everything here lies within the training rows of one fit. They are cut as the protocol cuts that the
blend is made for: into cells, landslides or blocks of land. Members are fitted on some of these and
predict the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shakeslide.core import random_streams
from shakeslide.core.errors import InputError
from shakeslide.evaluation import blocks, splits
from shakeslide.evaluation.calibration import Calibration, fit_isotonic, fit_platt
from shakeslide.evaluation.splits import Split
from shakeslide.learning.recipe import HeldOut, Method
from shakeslide.models.blend import CLIP, log_odds
from shakeslide.sampling.sample_table import Samples

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

FOLDS = 3
"""Parts of the training rows, each predicted by members that were fitted on the others."""
FEWEST_SOURCES = 100
"""Source cells among the training rows from which on weights are chosen."""
FEWEST_BLOCKS = 12
"""Blocks with source cells from which on the parts are made of blocks."""
MARGIN = 0.1
"""Gap between a part's blocks and the rows that are fitted on, in sides of a block."""
RIDGE = 0.3
"""Penalty on the distance from equal weights. With 60 groups, a member gets all the weight of three
where its log loss is lower by about 0.01."""
LEAST_WEIGHT = 0.05
"""Members below this weight are left out: they cost time and change little."""


@dataclass(frozen=True)
class Weights:
    """What makes a blend of its members.

    Attributes
    ----------
    weight : tuple of float
        Share of each member; they sum to 1.
    slope, intercept : tuple of float
        Calibration of each member's log-odds.
    calibration : Calibration or None
        Of the blend.
    chosen : bool
        Whether the weights were chosen; else the training rows were too few for it, or no member
        was better than chance.
    """

    weight: tuple[float, ...]
    slope: tuple[float, ...]
    intercept: tuple[float, ...]
    calibration: Calibration | None
    chosen: bool


def equal(members: int) -> Weights:
    """Return equal weights, without calibration."""
    return Weights((1 / members,) * members, (1.0,) * members, (0.0,) * members, None, False)


@dataclass(frozen=True)
class Parts:
    """Training rows cut into parts.

    Attributes
    ----------
    splits : tuple of Split
        Each part and the rows to fit on, as places among the training rows; empty where these are
        too few.
    groups : int
        Blocks or landslides with source cells: what stays together.
    """

    splits: tuple[Split, ...] = ()
    groups: int = 0


def parts(samples: Samples, rows: Rows, seed: int, held_out: HeldOut) -> Parts:
    """Cut training rows into parts.

    Parameters
    ----------
    samples : Samples
        All samples; none but those of `rows` is looked at.
    rows : array, (n,) int64
        Numbers of the training rows.
    seed : int
        Of the fit.
    held_out : {"pixel", "landslide", "block"}
        What stays together; landslides where there are too few blocks.
    """
    y = samples.label[rows]
    if y.sum() < FEWEST_SOURCES:
        return Parts()
    for cut in _WAYS[held_out]:
        with suppress(InputError):
            return cut(samples, rows, y, seed)
    return Parts()


def _by_cells(samples: Samples, rows: Rows, y: Rows, seed: int) -> Parts:
    rng = random_streams.generator(seed, "cells of a blend")
    fold = splits.balanced_folds(y, np.arange(y.size), FOLDS, rng, "cells")
    cut = [Split("pixel", 0, k, *map(np.flatnonzero, (fold != k, fold == k))) for k in range(FOLDS)]
    return Parts(tuple(cut), _landslides(samples, rows[y == 1]))


def _by_blocks(samples: Samples, rows: Rows, y: Rows, seed: int) -> Parts:
    x, north = (coordinate[rows] for coordinate in samples.places)
    event = samples.event[rows]
    # Twice the least side that is suggested: a hundred blocks in all.
    side = 2 * blocks.limits(x, north, event)[0]
    of_block = blocks.block_groups(blocks.lay(x, north, side, None, event))
    count = np.unique(of_block[y == 1]).size
    if count < FEWEST_BLOCKS:
        raise InputError("too few blocks with source cells")
    cut = splits.block(y, x, north, side, buffer=MARGIN * side, folds=FOLDS, seed=seed, event=event)
    return Parts(tuple(cut), count)


def _by_landslides(samples: Samples, rows: Rows, y: Rows, seed: int) -> Parts:
    number, event = samples.landslide[rows], samples.event[rows]
    x, north = (coordinate[rows] for coordinate in samples.places)
    cut = splits.landslide(y, number, x, north, repeats=1, seed=seed, folds=FOLDS, event=event)
    return Parts(tuple(cut), _landslides(samples, rows[y == 1]))


def _landslides(samples: Samples, sources: Rows) -> int:
    return int(np.unique(samples.landslide_groups(sources)).size)


_Way = Callable[[Samples, Rows, Rows, int], Parts]
_WAYS: Mapping[HeldOut, tuple[_Way, ...]] = {
    "pixel": (_by_cells,),
    "landslide": (_by_landslides,),
    "block": (_by_blocks, _by_landslides),
}


def weigh(
    y: Rows, predicted: Sequence[NDArray[np.float32]], groups: int, method: Method = "platt"
) -> Weights:
    """Choose weights on predictions of held-out rows.

    Parameters
    ----------
    y : array, (n,) int64
        Labels.
    predicted : sequence of arrays, (n,) float32 each
        Probabilities by each member, which was not fitted on these rows.
    groups : int
        Blocks or landslides with source cells: the fewer, the nearer to equal the weights.
    method : {"platt", "isotonic"}
        How the blend is calibrated.

    Returns
    -------
    Weights
        Members that are no better than chance have none. Equal ones where all are no better.
    """
    clipped = [np.clip(p.astype(np.float64), CLIP, 1 - CLIP) for p in predicted]
    fitted = [fit_platt(y, p) for p in clipped]
    better = [k for k, f in enumerate(fitted) if f.slope > 0]
    if not better:
        return equal(len(predicted))
    logits = np.stack(
        [fitted[k].slope * log_odds(clipped[k]) + fitted[k].intercept for k in better]
    )
    found = best_weights(y, logits, groups)
    weight = np.zeros(len(predicted))
    weight[better] = found
    blended = 1 / (1 + np.exp(-(found @ logits)))
    calibration = (fit_isotonic if method == "isotonic" else fit_platt)(y, blended)
    return Weights(
        tuple(map(float, weight)),
        # Of members without weight nothing is used; a slope below 0 would not be read back.
        tuple(f.slope if w > 0 else 1.0 for f, w in zip(fitted, weight, strict=True)),
        tuple(f.intercept if w > 0 else 0.0 for f, w in zip(fitted, weight, strict=True)),
        calibration,
        True,
    )


def best_weights(y: Rows, logits: Array, groups: int) -> Array:
    """Return weights from 0 to 1 that sum to 1, with the least penalised log loss.

    Parameters
    ----------
    y : array, (n,) int64
        Labels.
    logits : array, (members, n) float64
        Calibrated log-odds of each member.
    groups : int
        As for `weigh`.

    Returns
    -------
    array, (members,) float64
        In thousandths, so that they do not depend on the last bits of a sum.
    """
    n = len(logits)
    even, penalty = np.full(n, 1 / n), RIDGE * n / max(groups, 1)

    def loss(w: Array) -> tuple[float, Array]:
        z = w @ logits
        value = float(np.mean(np.logaddexp(0.0, z) - y * z)) + penalty * np.sum((w - even) ** 2)
        gap = (1 / (1 + np.exp(-z)) - y) / y.size
        return value, logits @ gap + 2 * penalty * (w - even)

    whole = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(n)}
    found = minimize(
        loss, even, jac=True, method="SLSQP", bounds=[(0, 1)] * n, constraints=[whole]
    ).x
    return _thousandths(found)


def _thousandths(weight: Array) -> Array:
    """Leave out members with next to no weight; round the others so that they sum to 1."""
    kept = np.where(weight < LEAST_WEIGHT, 0.0, weight)
    rounded = np.round(1000 * kept / kept.sum())
    rounded[np.argmax(rounded)] += 1000 - rounded.sum()
    return np.asarray(rounded / 1000, np.float64)
