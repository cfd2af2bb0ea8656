"""Polygons from rasters of ids: landslide outlines with cut corners, maps of classes."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

Place = tuple[float, float, float]
"""West edge, north edge and cell size of a raster (m)."""
CUT = 0.3
"""Length cut off corners (cells): below half a cell no cell's centre changes sides."""


def _raw_polygons(
    raster: NDArray[np.int32], mask: NDArray[np.bool_] | None, place: Place
) -> tuple[NDArray[np.int64], list[list[list[tuple[float, float]]]]]:
    west, north, cell = place
    transform = Affine(cell, 0.0, west, 0.0, -cell, north)
    ids, rings = [], []
    # Cells that share a corner only make polygons apart, whose rings are valid.
    for geometry, value in shapes(raster, mask=mask, connectivity=4, transform=transform):
        ids.append(int(value))
        rings.append(geometry["coordinates"])
    return np.array(ids, np.int64), rings


def _cut_corners(
    points: NDArray[np.float64], ring: NDArray[np.int64], length: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Replace each corner of closed rings (last point repeated) by two points on its sides."""
    last = np.r_[ring[1:] != ring[:-1], True]
    step = np.roll(points, -1, axis=0) - points
    step, ring = step[~last], ring[~last]
    start = points[~last]
    side = np.hypot(step[:, 0], step[:, 1])
    cut = (np.minimum(length, side / 2) / side)[:, None]
    pairs = np.stack([start + cut * step, start + (1.0 - cut) * step], axis=1)
    return pairs.reshape(-1, 2), np.repeat(ring, 2)


def outlines(
    raster: NDArray[np.int32], place: Place
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """One polygon (or multi-polygon) per id, its corners cut; 0 is background.

    Rasterising the polygons by cell centres gives the raster back.

    Returns
    -------
    ids : array (n,), ascending
    polygons : array (n,) of shapely geometries
    """
    ids, polygons = _raw_polygons(raster, raster > 0, place)
    if ids.size == 0:
        return ids, np.empty(0, object)
    rings = [ring for polygon in polygons for ring in polygon]
    owner = np.repeat(np.arange(ids.size), [len(polygon) for polygon in polygons])
    sizes = np.array([len(ring) for ring in rings])
    points = np.concatenate([np.asarray(ring) for ring in rings])
    index = np.repeat(np.arange(sizes.size), sizes)
    points, index = _cut_corners(points, index, CUT * place[2])
    pieces = shapely.polygons(shapely.linearrings(points, indices=index), indices=owner)
    order = np.argsort(ids, kind="stable")
    unique, first, counts = np.unique(ids[order], return_index=True, return_counts=True)
    merged = pieces[order][first]
    for k in np.flatnonzero(counts > 1):
        merged[k] = shapely.multipolygons(pieces[order][first[k] : first[k] + counts[k]])
    return unique, merged


def patches(
    codes: NDArray[np.uint8], place: Place, *, keep_edge: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return polygons of a map of classes, with straightened steps and no gaps between neighbours.

    Parameters
    ----------
    codes : array, (rows, cols) uint8
        Class of each cell.
    place : (float, float, float)
        West edge, north edge and side of a cell, in metres.
    keep_edge : bool
        Leave the map's edge as it is, so that tiles of a larger map fit together.

    Returns
    -------
    codes : array, (n,) int64
        Class of each polygon; a class may have several.
    polygons : array, (n,) of shapely geometries
    """
    values, polygons = _raw_polygons(codes.astype(np.int32), None, place)
    parts = np.array([shapely.Polygon(p[0], p[1:]) for p in polygons], object)
    simple = shapely.coverage_simplify(parts, 1.2 * place[2], simplify_boundary=not keep_edge)
    return values, simple
