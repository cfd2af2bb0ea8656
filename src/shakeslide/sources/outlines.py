"""Cells back to polygons: the parts of an outline that belong to some cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from shakeslide.sources import kernels
from shakeslide.sources.landslide import Cells

Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Region:
    """Cells of a window: `cells[0, 0]` is the cell (row0, col0) of the grid."""

    cells: Cells
    row0: int
    col0: int


def polygons(regions: Sequence[Region], affine: Affine) -> Shapes:
    """Return the polygon around the cells of each region, in the grid's CRS.

    Parameters
    ----------
    regions : sequence of Region
    affine : Affine
        From (col, row) to the grid's coordinates.

    Returns
    -------
    array, (regions,) of shapely geometries
        Multipolygons: cells that share but a corner are apart; empty where no cell is.
    """
    points, ring_of, part_of, region_of = [], [], [], []
    rings = parts = 0
    for k, region in enumerate(regions):
        xy, start, owner = _rings(region.cells)
        if len(owner) == 0:
            continue
        points.append(xy + np.array([region.col0, region.row0]))
        ring_of.append(np.repeat(np.arange(rings, rings + len(owner)), np.diff(start)))
        part_of.append(parts + owner)
        count = int(owner.max()) + 1
        region_of.append(np.full(count, k))
        rings, parts = rings + len(owner), parts + count
    out: Shapes = np.full(len(regions), shapely.MultiPolygon(), object)
    if not points:
        return out
    col, row = np.concatenate(points).T
    xy = np.column_stack([affine.c + col * affine.a, affine.f + row * affine.e])
    lines = shapely.linearrings(xy, indices=np.concatenate(ring_of))
    part = np.concatenate(part_of)
    by_part = np.argsort(part, kind="stable")
    shapes = shapely.polygons(lines[by_part], indices=part[by_part])
    # `out`: regions without a cell stay empty.
    shapely.multipolygons(shapes, indices=np.concatenate(region_of), out=out)
    return out


def _rings(
    cells: Cells,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """Return the corners, the beginnings and the parts of the rings around cells."""
    n = int(np.count_nonzero(cells))
    # A ring turns at the four corners of a cell at most, and repeats its first.
    points = np.empty((5 * n + 1, 2), np.int32)
    start, owner = np.empty(n + 2, np.int64), np.empty(n + 1, np.int32)
    found = kernels.rings(cells, points, start, owner)
    return points[: start[found]], start[: found + 1], owner[:found]


def polygonal(shapes: Shapes) -> Shapes:
    """Keep the polygons of geometries, (n,); the result is (n,) too.

    Where edges only touch, overlays leave lines and points.
    """
    out: Shapes = np.asarray(shapes, object).copy()
    kinds = shapely.get_type_id(out)
    for k in np.flatnonzero((kinds != 3) & (kinds != 6)):
        parts = shapely.get_parts(out[k])
        out[k] = shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])
    return out
