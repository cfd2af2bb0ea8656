"""Uncertainty of the maps: spread of an ensemble, area outside the training conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.io import raster
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts, MapFiles

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
    threshold : float
        Its limit.
    outside : float
        Share of the mapped cells beyond it.
    """

    threshold: float
    outside: float


def spreads(run: Artefacts) -> list[Spread]:
    """Return the spread of each model that has an ensemble."""
    threshold = run.evaluation.threshold
    return [_spread(files, threshold) for files in run.maps if files.spread is not None]


def _spread(files: MapFiles, threshold: float) -> Spread:
    paths = [p for p in (files.spread, files.mean) if p is not None]
    counts, near = np.zeros(BINS, np.int64), 0
    for bands in _strips(paths):
        # Mean and spread are compared cell by cell: both must be known.
        known = np.isfinite(bands).all(axis=0)
        sd = bands[0][known]
        # Counted in bins, for a map may be larger than memory.
        counts += np.histogram(np.minimum(sd, 1.0), BINS, (0.0, 1.0))[0]
        if len(bands) > 1:
            near += int((np.abs(bands[1][known] - threshold) <= SURE * sd).sum())
    total = int(counts.sum())
    low, high = (_quantile(counts, q) for q in (0.5, 0.95))
    # The threshold is one of probabilities at the balance of the samples.
    told = files.mean is not None and files.balanced and total > 0
    return Spread(files.model, low, high, near / total if told else None)


def _quantile(counts: NDArray[np.int64], share: float) -> float:
    """Return the upper edge of the bin that holds a quantile, NaN without counts."""
    if not counts.sum():
        return float("nan")
    # The upper edge, so that at least this share lies below.
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()) + 1) / len(counts)


def means(run: Artefacts) -> dict[str, float]:
    """Return the mean of each map that shows the probability at the area's share of sources."""
    return {f.model: mean_of(f.probability) for f in run.maps if f.shows == "probability"}


def means_text(told: Mapping[str, float]) -> str:
    """Return the means of the maps in a few words: "1.2 % (RF) and 0.9 % (SAE)"."""
    return words.joined([f"{words.share(mean)} ({model.upper()})" for model, mean in told.items()])


def mean_of(path: Path) -> float:
    """Return the mean of a map over the cells that have a value, NaN where none has."""
    total, cells = 0.0, 0
    for (values,) in _strips([path]):
        known = np.isfinite(values)
        # In double precision: a map has millions of cells.
        total += float(values[known].sum(dtype=np.float64))
        cells += int(known.sum())
    return total / cells if cells else float("nan")


def applicability(run: Artefacts) -> Applicability | None:
    """Return how much of the area lies outside the training conditions, None if not known.

    Raises
    ------
    InputError
        The map does not state its limit.
    """
    path = run.applicability
    if path is None:
        return None
    threshold = _threshold(path)
    cells, beyond = 0, 0
    for (index,) in _strips([path]):
        cells += int(np.isfinite(index).sum())
        # NaN is not greater than anything: cells without a value do not count.
        beyond += int((index > threshold).sum())
    return Applicability(threshold, beyond / cells if cells else 0.0)


def _threshold(path: Path) -> float:
    try:
        threshold = float(raster.info(path).tags.get("threshold", "nan"))
    except ValueError:
        threshold = math.nan
    if not (math.isfinite(threshold) and threshold > 0):
        raise InputError(
            f"{path}: has no tag `threshold`, the limit of the area of applicability; run "
            "`shakeslide map` again"
        )
    return threshold


def _strips(paths: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Yield the values (files, rows, cols) of strips of whole blocks."""
    with raster.result(paths[0]) as first:
        # Strips of whole blocks: each is read and unpacked once.
        step, height, width = first.block_shapes[0][0], first.height, first.width
        for top in range(0, height, step):
            window = ((top, min(top + step, height)), (0, width))
            bands = [first.read(1, window=window)]
            for path in paths[1:]:
                with raster.result(path) as other:
                    bands.append(other.read(1, window=window))
            yield np.stack(bands)
