"""Draws of shaking for a grid: standardised residuals at the nodes around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import random_streams
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance, silent
from shakeslide.geo import grid as grids
from shakeslide.rapid.model_choice import MeasureName
from shakeslide.rapid.response import Draws, Float, interpolation_gain
from shakeslide.rapid.tiles import Limited, Nodes, among
from shakeslide.shaking import fields
from shakeslide.shaking.completion import LARGEST
from shakeslide.shaking.ground_motion import GroundMotion, Measure

MARGIN = 2
"""Nodes kept around the grid."""


@dataclass(frozen=True, kw_only=True)
class EventTerm:
    """The event term: what one earthquake adds to the logit of all cells.

    Attributes
    ----------
    offset : float
        What is added at the median shaking, where there is one map instead of draws.
    mean, sd : float
        Of what the draws add.
    """

    offset: float = 0.0
    mean: float = 0.0
    sd: float = 0.0


def nodes_around(motion: GroundMotion, grid: GeoBox) -> tuple[slice, slice]:
    """Return rows and columns of the nodes that a grid needs.

    Raises
    ------
    InputError
        The ground motion does not reach the grid.
    """
    rows, cols = grids.shape_of(grid)
    # Of some rows of cells: nodes are kilometres apart, and a margin is added.
    places = [
        among(motion.grid, grid, grids.Tile((0, 0), r, r + 1, 0, cols))
        for r in sorted({*range(0, rows, max(rows // 50, 1)), rows - 1})
    ]
    row, col = (np.concatenate([p[k] for p in places]) for k in (0, 1))
    most = motion.grid.shape
    top, bottom = int(np.floor(row.min())) - MARGIN, int(np.ceil(row.max())) + MARGIN + 1
    left, right = int(np.floor(col.min())) - MARGIN, int(np.ceil(col.max())) + MARGIN + 1
    inner = (slice(max(top, 0), min(bottom, most[0])), slice(max(left, 0), min(right, most[1])))
    if any(s.stop - s.start < 2 for s in inner):
        raise InputError(f"{motion.source}: does not reach the grid; give the DEM of its area")
    return inner


def drawn(
    motion: GroundMotion,
    grid: GeoBox,
    measures: Sequence[MeasureName],
    *,
    count: int,
    seed: int,
    between: fields.Between,
    event: EventTerm,
    advance: Advance = silent,
) -> Nodes:
    """Return draws of shaking for a grid.

    Parameters
    ----------
    motion : GroundMotion
        Medians and standard deviations at nodes.
    grid : GeoBox
        Whose surroundings are kept.
    measures : sequence of {"PGA", "PGV"}
        Which vary.
    count : int
        Number of draws.
    seed : int
        Of the study.
    between : {"full", "scaled", "none"}
        See `fields.Draws`.
    event : EventTerm
        The earthquake's own.
    advance : callable
        Called with 1 per draw.
    """
    part = nodes_around(motion, grid)
    chosen = [motion.pga if m == "PGA" else motion.pgv for m in measures]
    kept = [_cropped(m, part) for m in chosen]
    source = fields.Draws(motion, seed, between)
    values = np.empty((len(kept), *kept[0].median.shape, count), np.float32)
    cut = np.zeros(kept[0].median.shape, np.int64)
    for number in range((count + 1) // 2):
        for k, draw in enumerate(source.pair(number)):
            if 2 * number + k < count:
                for i, (name, measure) in enumerate(zip(measures, kept, strict=True)):
                    ln = draw.ln_pga if name == "PGA" else draw.ln_pgv
                    z = (ln[part] - np.log(measure.median)) / measure.total
                    values[i, ..., 2 * number + k] = np.nan_to_num(z)
                    # Draws end exactly there.
                    cut += ln[part] >= np.float32(np.log(LARGEST[name]))
                advance(1)
    terms = random_streams.generator(seed, "level of the earthquake").normal(
        event.mean, event.sd, count
    )
    return Nodes(
        grid=motion.grid[part],
        sd=np.stack([np.nan_to_num(m.total) for m in kept]).astype(np.float32),
        draws=Draws(values, terms.astype(np.float32)),
        cut=Limited(int((cut > 0).sum()), float(cut.sum() / values.size)),
        gain=_Gain(tuple(_shared(m, between) for m in kept), tuple(measures), motion.spacing),
    )


def _cropped(measure: Measure, part: tuple[slice, slice]) -> Measure:
    return replace(
        measure,
        median=measure.median[part],
        total=measure.total[part],
        between=measure.between[part],
        within=measure.within[part],
    )


def _shared(measure: Measure, between: fields.Between) -> float:
    """Return the share of the variance that all nodes have in common."""
    if between == "none":
        return 0.0
    inter, intra = measure.between**2, measure.within**2
    share = inter / (inter + intra)
    if between == "full":
        share = np.minimum(inter / measure.total**2, 1.0)
    return float(np.nanmean(share))


@dataclass(frozen=True)
class _Gain:
    """See `Nodes.gain`."""

    shared: tuple[float, ...]
    measures: tuple[MeasureName, ...]
    spacing: tuple[float, float]

    def __call__(self, row: Float, col: Float) -> Float:
        gains = [
            interpolation_gain(row, col, self._correlation(i), self.spacing)
            for i in range(len(self.measures))
        ]
        return np.stack(gains)

    def _correlation(self, i: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Return the correlation of a measure's residuals at distances in km."""
        shared, k = self.shared[i], 0 if self.measures[i] == "PGA" else 1

        def correlation(km: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(shared + (1 - shared) * fields.correlation(km)[k, k])

        return correlation
