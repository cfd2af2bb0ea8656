"""Cells of several past earthquakes as one table, each row with the ground it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shakeslide.core import random_streams
from shakeslide.core import sample_columns as columns
from shakeslide.hazard.strong_shaking import STRONG
from shakeslide.layers.positives import Positive
from shakeslide.learning.several.common_factors import SLOPE, CommonFactors
from shakeslide.learning.several.past_runs import PastRun
from shakeslide.sampling import events
from shakeslide.sampling.sample_table import Samples

Array = NDArray[np.float64]

MOST = 20_000
"""Rows of each class and earthquake that are used."""
STEEP = 5.0
"""Slope in degrees from which on ground is judged."""


@dataclass(frozen=True)
class Ground:
    """Rows of several earthquakes.

    Attributes
    ----------
    names : tuple of str
        The earthquakes.
    samples : Samples
        All rows, with the factors that the bundle takes; `event` is the place in `names`.
    own : tuple of Samples
        The same by earthquake.
    weight : array, (rows,) float64
        Cells that each row stands for: with them, sums over rows are sums over the ground.
    pga : array, (rows,) float64
        Peak ground acceleration in g, NaN where a run does not have it.
    shaking : str
        Code of the measure of shaking.
    cell : float
        Side of the cells in metres.
    """

    names: tuple[str, ...]
    samples: Samples
    own: tuple[Samples, ...]
    weight: Array
    pga: Array
    shaking: str
    cell: float

    @property
    def codes(self) -> list[str]:
        """Codes of the factors, in order."""
        return [f.code for f in self.samples.factors]

    def column(self, code: str) -> Array:
        """Return a factor's raw values, (rows,) float64."""
        return self.samples.table[code].to_numpy(np.float64)

    def rows_of(self, event: int) -> NDArray[np.int64]:
        """Return the numbers of the rows of an earthquake, (n,) int64."""
        return np.flatnonzero(self.samples.event == event)

    @property
    def rule(self) -> Array:
        """Rank by tan(slope) times shaking, from 0 to 1, (rows,) float64."""
        steep = np.tan(np.radians(np.clip(self.column(SLOPE), 0.0, 89.0)))
        x = steep * np.maximum(self.column(self.shaking), 0.0)
        return x / (1.0 + x)

    @property
    def strong(self) -> NDArray[np.bool_]:
        """Whether a row was shaken strongly, (rows,) bool."""
        return np.where(
            np.isnan(self.pga),
            self.column(self.shaking) >= STRONG[self.shaking],
            self.pga >= STRONG["PGA"],
        )

    @property
    def framed(self) -> NDArray[np.bool_]:
        """Whether a row is steep and was shaken strongly, (rows,) bool."""
        return self.strong & (self.column(SLOPE) >= STEEP)

    def has_area(self, event: int) -> bool:
        """Whether the positive cells of an earthquake add up to the area of its landslides."""
        return self.own[event].positives is not Positive.POINTS

    def odds(self, event: int) -> float:
        """Return source cells over clear cells in the area of an earthquake."""
        return self.own[event].counts.odds


def join(runs: Sequence[PastRun], common: CommonFactors, seed: int) -> Ground:
    """Return the rows of several runs, of each class `MOST` at most, chosen at random."""
    parts, pga = [], []
    for k, run in enumerate(runs):
        rows = _some_rows(run.samples, seed, k)
        known = "PGA" in run.samples.table
        pga.append(
            run.samples.table["PGA"].to_numpy(np.float64)[rows] if known
            else np.full(len(rows), np.nan)
        )  # fmt: skip
        parts.append(_with_factors(run.samples, common.codes, rows))
    joined = events.join(parts, [r.name for r in runs])
    return Ground(
        names=joined.names,
        samples=joined.samples,
        own=joined.own,
        weight=np.concatenate([_weights(p) for p in joined.own]),
        pga=np.concatenate(pga),
        shaking=common.shaking,
        cell=float(np.median([r.cell for r in runs])),
    )


def _some_rows(samples: Samples, seed: int, event: int) -> NDArray[np.int64]:
    rng = random_streams.generator(seed, "rows of past earthquakes", event)
    kept = []
    for label in (0, 1):
        rows = np.flatnonzero(samples.label == label)
        kept.append(rng.permutation(rows)[:MOST] if rows.size > MOST else rows)
    return np.sort(np.concatenate(kept))


def _with_factors(samples: Samples, codes: Sequence[str], rows: NDArray[np.int64]) -> Samples:
    """Return some rows with some factors, in this order."""
    others = [f.code for f in samples.factors if f.code not in codes]
    known = {f.code: f for f in samples.factors}
    return replace(
        samples,
        table=samples.table.iloc[rows].drop(columns=others).reset_index(drop=True),
        factors=tuple(known[c] for c in codes),
        areas=samples.areas[samples.areas[columns.FACTOR].isin(codes)].reset_index(drop=True),
    )


def _weights(samples: Samples) -> Array:
    """Return the cells that each row of one earthquake stands for, (rows,) float64."""
    label, counts = samples.label, samples.counts
    each = [
        cells / max(int((label == k).sum()), 1)
        for k, cells in enumerate((counts.clear_cells, counts.source_cells))
    ]
    return np.asarray(np.where(label == 1, each[1], each[0]), np.float64)
