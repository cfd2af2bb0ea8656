"""Uncertainty of the maps: spread of an ensemble, area outside the training conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.io import map_tags, raster

BINS = 2000
"""Of standard deviations from 0 to 1, for their quantiles."""
SURE = 2.0
"""Standard deviations that the mean must lie from the threshold for a cell's class to be sure."""


@dataclass(frozen=True)
class Spread:
    """Spread of a model's ensemble over the area.

    Attributes
    ----------
    model : str
        Its name.
    median, high : float
        Median and 95th percentile of the standard deviation.
    undecided : float or None
        Share of the area where the threshold lies within two standard deviations of the mean; None
        where the map does not show what the threshold applies to.
    """

    model: str
    median: float
    high: float
    undecided: float | None


@dataclass(frozen=True)
class Applicability:
    """The area of applicability.

    Attributes
    ----------
    path : Path
        Map of the dissimilarity to the training data.
    threshold : float
        Its limit.
    outside : float
        Share of the mapped cells beyond it.
    """

    path: Path
    threshold: float
    outside: float


def spread(model: str, deviation: Path, mean: Path | None, threshold: float) -> Spread:
    """Return the spread of a model from the map of its standard deviation.

    `mean` is the map of the ensemble's mean that the threshold applies to, None without one.
    """
    counts, near = np.zeros(BINS, np.int64), 0
    for bands in _blocks(deviation, *([mean] if mean is not None else [])):
        # Mean and spread are compared cell by cell: both must be known.
        known = np.isfinite(bands).all(axis=0)
        sd = bands[0][known]
        # Counted in bins, for a map may be larger than memory.
        counts += np.histogram(np.minimum(sd, 1.0), BINS, (0.0, 1.0))[0]
        near += int((np.abs(bands[-1][known] - threshold) <= SURE * sd).sum())
    total = int(counts.sum())
    if not total:
        return Spread(model, math.nan, math.nan, None)
    # The upper edges of the bins that hold the quantiles, so that at least these shares lie below.
    found = (np.searchsorted(np.cumsum(counts), np.multiply((0.5, 0.95), total)) + 1) / BINS
    return Spread(model, float(found[0]), float(found[1]), near / total if mean else None)


def mean_of(path: Path) -> float:
    """Return the mean of a map over the cells that have a value, NaN where none has."""
    total, cells = 0.0, 0
    for (values,) in _blocks(path):
        known = np.isfinite(values)
        # In double precision: a map has millions of cells.
        total += float(values[known].sum(dtype=np.float64))
        cells += int(known.sum())
    return total / cells if cells else math.nan


def applicability(path: Path) -> Applicability:
    """Return how much of the area lies outside the training conditions.

    Raises
    ------
    InputError
        The map does not state its limit.
    """
    threshold, cells, beyond = _threshold(path), 0, 0
    for (index,) in _blocks(path):
        cells += int(np.isfinite(index).sum())
        # NaN is not greater than anything: cells without a value do not count.
        beyond += int((index > threshold).sum())
    return Applicability(path, threshold, beyond / cells if cells else 0.0)


def _threshold(path: Path) -> float:
    try:
        threshold = float(map_tags.read(path).threshold or "nan")
    except ValueError:
        threshold = math.nan
    if not (math.isfinite(threshold) and threshold > 0):
        raise InputError(
            f"{path}: has no tag `threshold`, the limit of the area of applicability; run "
            "`shakeslide map` again"
        )
    return threshold


def _blocks(*paths: Path) -> Iterator[NDArray[np.float32]]:
    """Yield the values (files, rows, cols) of the blocks of maps on one grid."""
    with ExitStack() as stack:
        files = [stack.enter_context(raster.result(path)) for path in paths]
        for _, window in files[0].block_windows(1):
            yield np.stack([file.read(1, window=window) for file in files])
