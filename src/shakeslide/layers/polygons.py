"""Polygons rasterised by cell centre, exactly and independently of the tiles.

A cell belongs to the polygon that holds its centre; a centre on an edge belongs to the polygon on
its east, or on its south, so that polygons which share edges leave neither gaps nor overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.compiled import kernel
from shakeslide.geo.grid import Tile
from shakeslide.study.factor_settings import Overlap

PREVIEW = 1_000_000
"""Cells of the grid on which overlaps are looked for at most."""
TOGETHER = 50_000
"""Polygons that are taken apart at once."""


@dataclass(frozen=True)
class Overlaps:
    """Where polygons of different values lie on one another.

    Attributes
    ----------
    share : float
        Of the ground that polygons cover: where they differ.
    hidden : mapping of float to float
        Share of each value's ground on which another value counts, where there is any.
    """

    share: float = 0.0
    hidden: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Polygons:
    """Polygons with a value each, held in the grid's cell coordinates (x = column, y = row).

    Where polygons overlap, the later one wins.

    Attributes
    ----------
    points : array, (points, 2) float64
        x and y of the vertices, ring by ring, holes included, polygon by polygon. Two successive
        ones are an edge, unless the first of them is the last of its ring.
    last : array, (points,) bool
        Whether a vertex is the last of its ring, which is its first one again.
    start : array, (polygons + 1,) int64
        Where each polygon's vertices begin.
    values : array, (polygons,) float64
        What is burnt.
    boxes : array, (polygons, 4) float64
        Least x, y and greatest x, y.
    """

    points: NDArray[np.float64]
    last: NDArray[np.bool_]
    start: NDArray[np.int64]
    values: NDArray[np.float64]
    boxes: NDArray[np.float64]

    @classmethod
    def on_grid(
        cls, geometry: NDArray[np.object_], values: NDArray[np.float64], grid: GeoBox
    ) -> Polygons:
        """Hold polygons with a value each; where they overlap, the later one counts.

        Parameters
        ----------
        geometry : array of geometries, (n,)
            Polygons or multipolygons in the grid's CRS.
        values : array, (n,) float64
            The value of each.
        grid : GeoBox
            The grid.
        """
        most = int(shapely.get_num_coordinates(geometry).sum())
        points, last = np.empty((most, 2)), np.empty(most, bool)
        start = np.zeros(len(geometry) + 1, np.int64)
        for first in range(0, len(geometry), TOGETHER):
            rings, ring_of = _rings(geometry[first : first + TOGETHER])
            counts = shapely.get_num_coordinates(rings)
            begin, ends = start[first], start[first] + np.cumsum(counts)
            upto = slice(first + 1, first + TOGETHER + 1)
            start[upto] = np.bincount(ring_of, counts, minlength=len(start[upto]))
            start[upto] = begin + np.cumsum(start[upto])
            own = slice(begin, start[upto][-1])
            points[own], last[own] = _in_cells(shapely.get_coordinates(rings), grid), False
            last[ends[counts > 0] - 1] = True
        count = start[-1]
        return cls(
            points[:count], last[:count], start, np.asarray(values, np.float64),
            _boxes(points[:count], start),
        )  # fmt: skip

    def some(self, which: Sequence[int] | NDArray[np.int64]) -> Polygons:
        """Return some of the polygons, in the order of their places `which`, (n,)."""
        own = [slice(self.start[k], self.start[k + 1]) for k in which]
        start = np.cumsum([0, *(s.stop - s.start for s in own)])
        points, last = (np.concatenate([a[s] for s in own]) for a in (self.points, self.last))
        at = np.asarray(which, np.int64)
        return Polygons(points, last, start, self.values[at], self.boxes[at])

    @property
    def _shapes(self) -> _Shapes:
        return _Shapes(self.points, self.last, self.start, self.boxes)

    @classmethod
    def valued(
        cls,
        geometry: NDArray[np.object_],
        values: NDArray[np.float64],
        grid: GeoBox,
        overlap: Overlap,
    ) -> Polygons:
        """Hold polygons so that the one that `overlap` names wins; such without value are none.

        Parameters
        ----------
        geometry : array of geometries, (n,)
            Polygons or multipolygons in the grid's CRS.
        values : array, (n,) float64
            The value of each; polygons of NaN are left out.
        grid : GeoBox
            The grid.
        overlap : {"last", "first", "highest", "lowest"}
            Which value counts where polygons overlap; of equal values the later polygon.
        """
        known = np.nonzero(np.isfinite(values))[0]
        if overlap == "first":
            known = known[::-1]
        elif overlap != "last":
            rising = values[known] if overlap == "highest" else -values[known]
            known = known[np.argsort(rising, kind="stable")]
        return cls.on_grid(geometry[known], values[known], grid)

    def overlaps(self, shape: tuple[int, int]) -> Overlaps:
        """Return where polygons of different values overlap, from at most `PREVIEW` cells.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the grid.
        """
        if len(self.values) == 0:
            return Overlaps()
        scale = max(1.0, (shape[0] * shape[1] / PREVIEW) ** 0.5)
        rows, cols = (max(1, round(n / scale)) for n in shape)
        each = np.array([cols / shape[1], rows / shape[0]])
        values, class_of = np.unique(self.values, return_inverse=True)
        top = np.full((rows, cols), -1, np.int64)
        mixed = np.zeros((rows, cols), np.bool_)
        by_class = np.argsort(class_of, kind="stable")
        covered = np.zeros(len(values), np.int64)
        shapes = _Shapes(self.points * each, self.last, self.start, self.boxes * np.tile(each, 2))
        _pile(shapes, class_of, np.arange(len(class_of)), top, mixed, covered)
        visible = np.bincount(top[top >= 0], minlength=len(values))
        if not mixed.any():
            return Overlaps()
        covered[:] = 0
        again = np.full((rows, cols), -1, np.int64)
        # Class by class, a cell is counted once for each of its classes.
        _pile(shapes, class_of, by_class, again, np.zeros_like(mixed), covered)
        hidden = {
            float(v): 1.0 - seen / all_of
            for v, seen, all_of in zip(values, visible, covered, strict=True)
            if all_of > seen
        }
        return Overlaps(float(mixed.sum() / (top >= 0).sum()), hidden)

    def burn(self, tile: Tile, fill: float = np.nan) -> NDArray[np.float64]:
        """Return the value of the polygon that holds each cell's centre, else `fill`.

        Returns
        -------
        array, (rows, cols) float64
        """
        b = self.boxes
        near = (
            (b[:, 0] < tile.col1)
            & (b[:, 2] > tile.col0)
            & (b[:, 1] < tile.row1)
            & (b[:, 3] > tile.row0)
        )
        out = np.full(tile.shape, fill)
        chosen = np.nonzero(near)[0]
        if len(chosen):
            _burn(self._shapes, self.values, chosen, tile.row0, tile.col0, out)
        return out

    def centres(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Return how many cell centres of a grid of `shape` each polygon holds.

        Returns
        -------
        array, (polygons,) int64
        """
        out = np.zeros(len(self.values), np.int64)
        _count(self._shapes, shape[0], shape[1], out)
        return out


def _rings(geometry: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the rings of polygons, and the polygon that each belongs to."""
    parts, part_of = shapely.get_parts(geometry, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    return rings, np.asarray(part_of[ring_of], np.int64)


def _in_cells(xy: NDArray[np.float64], grid: GeoBox) -> NDArray[np.float64]:
    """Return coordinates, (points, 2), as columns and rows; the array itself is changed."""
    a = grid.affine
    for axis, (origin, side) in enumerate(((a.c, a.a), (a.f, a.e))):
        xy[:, axis] -= origin
        xy[:, axis] /= side
    return xy


def _boxes(points: NDArray[np.float64], start: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return least and greatest x and y of polygons, (polygons, 4); endless where there is none."""
    boxes = np.repeat([[np.inf, np.inf, -np.inf, -np.inf]], len(start) - 1, axis=0)
    known = start[1:] > start[:-1]
    if known.any():
        at = start[:-1][known]
        boxes[known, :2] = np.minimum.reduceat(points, at, axis=0)
        boxes[known, 2:] = np.maximum.reduceat(points, at, axis=0)
    return boxes


class _Shapes(NamedTuple):
    """Vertices, where rings and polygons end, and boxes, as in `Polygons`."""

    points: Any
    last: Any
    start: Any
    boxes: Any


@kernel
def _burn(shapes: _Shapes, values: Any, chosen: Any, row0: int, col0: int, out: Any) -> None:
    """Burn the chosen polygons, in their order."""
    start, boxes = shapes.start, shapes.boxes
    count = np.zeros(out.shape[0] + 1, np.int64)
    for k in chosen:
        # Only the rows that it may reach: there may be a thousand polygons for each row.
        first = max(0, int(np.floor(boxes[k, 1])) - row0)
        last = min(out.shape[0], int(np.ceil(boxes[k, 3])) - row0)
        some = count[: last - first + 1]
        begin, end = start[k], start[k + 1]
        crossings = _crossings(shapes, begin, end, row0 + first, last - first, some)
        _fill(crossings, some, values[k], col0, out[first:last])


@kernel
def _crossings(shapes: _Shapes, begin: int, end: int, row0: int, rows: int, count: Any) -> Any:
    """Columns where edges cross the centre lines of rows; row r's are count[r] to count[r + 1]."""
    points, last = shapes.points, shapes.last
    # Counted first, so that one array holds the crossings of all rows.
    count[:] = 0
    for e in range(begin, end):
        if last[e]:
            continue
        first, stop = _rows_crossed(points[e, 1], points[e + 1, 1], row0, rows)
        for r in range(first, stop):
            count[r + 1] += 1
    for r in range(rows):
        count[r + 1] += count[r]
    crossings = np.empty(count[rows])
    at = count[:rows].copy()
    for e in range(begin, end):
        if last[e]:
            continue
        x0, y0, x1, y1 = points[e, 0], points[e, 1], points[e + 1, 0], points[e + 1, 1]
        if y0 > y1:
            # One direction for both neighbours of an edge: the same bits on both sides.
            x0, y0, x1, y1 = x1, y1, x0, y0
        first, stop = _rows_crossed(y0, y1, row0, rows)
        for r in range(first, stop):
            y = row0 + r + 0.5
            crossings[at[r]] = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            at[r] += 1
    return crossings


@kernel
def _count(shapes: _Shapes, rows: int, cols: int, out: Any) -> None:
    """Count the centres that each polygon holds, whatever lies over it."""
    start, boxes = shapes.start, shapes.boxes
    for k in range(out.size):
        if not (boxes[k, 3] > 0 and boxes[k, 1] < rows and boxes[k, 2] > 0 and boxes[k, 0] < cols):
            continue
        row0 = max(0, int(np.floor(boxes[k, 1])))
        height = min(rows, int(np.ceil(boxes[k, 3]))) - row0
        count = np.zeros(height + 1, np.int64)
        crossings = _crossings(shapes, start[k], start[k + 1], row0, height, count)
        for r in range(height):
            xs = np.sort(crossings[count[r] : count[r + 1]])
            for i in range(0, xs.size - 1, 2):
                first = max(0, int(np.ceil(xs[i] - 0.5)))
                out[k] += max(0, min(cols, int(np.ceil(xs[i + 1] - 0.5))) - first)


@kernel
def _pile(shapes: _Shapes, class_of: Any, order: Any, top: Any, mixed: Any, laid: Any) -> None:
    """Lay polygons on one another in an order: the class on top, and where classes differ.

    `laid` counts how often a polygon of each class was laid on another class or on bare ground.
    """
    start, boxes = shapes.start, shapes.boxes
    rows, cols = top.shape
    for k in order:
        if not (boxes[k, 3] > 0 and boxes[k, 1] < rows and boxes[k, 2] > 0 and boxes[k, 0] < cols):
            continue
        row0 = max(0, int(np.floor(boxes[k, 1])))
        height = min(rows, int(np.ceil(boxes[k, 3]))) - row0
        count = np.zeros(height + 1, np.int64)
        crossings = _crossings(shapes, start[k], start[k + 1], row0, height, count)
        own = class_of[k]
        for r in range(height):
            xs = np.sort(crossings[count[r] : count[r + 1]])
            for i in range(0, xs.size - 1, 2):
                first = max(0, int(np.ceil(xs[i] - 0.5)))
                for c in range(first, min(cols, int(np.ceil(xs[i + 1] - 0.5)))):
                    under = top[row0 + r, c]
                    if under != own:
                        laid[own] += 1
                        mixed[row0 + r, c] = mixed[row0 + r, c] or under >= 0
                        top[row0 + r, c] = own


@kernel
def _rows_crossed(y0: float, y1: float, row0: int, rows: int) -> tuple[int, int]:
    """Rows of the tile whose centre line an edge crosses, half open: low < y <= high."""
    low, high = min(y0, y1), max(y0, y1)
    # Half open, so that a corner on a centre line leaves the number of crossings even.
    first = max(0, int(np.floor(low - 0.5)) + 1 - row0)
    last = min(rows, int(np.floor(high - 0.5)) + 1 - row0)
    return first, max(first, last)


@kernel
def _fill(crossings: Any, count: Any, value: float, col0: int, out: Any) -> None:
    """Fill between pairs of crossings: centres with left <= x < right."""
    rows, cols = out.shape
    for r in range(rows):
        n = count[r + 1] - count[r]
        if n < 2:
            continue
        xs = np.sort(crossings[count[r] : count[r + 1]])
        # A closed ring crosses a line an even number of times: each pair bounds a part within.
        for i in range(0, n - 1, 2):
            # The first centre that is not left of the crossing.
            first = max(0, int(np.ceil(xs[i] - 0.5)) - col0)
            last = min(cols, int(np.ceil(xs[i + 1] - 0.5)) - col0)
            for c in range(first, last):
                out[r, c] = value
