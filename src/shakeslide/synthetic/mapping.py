"""What mappers saw of the landslides: a mapped extent, missed small ones, voids in elevation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from shakeslide.synthetic.noise import Axis, Floats, gaussian_field
from shakeslide.synthetic.runout import Landslides
from shakeslide.synthetic.stability import Surface


@dataclass(frozen=True)
class Mapping:
    """The inventory among all landslides.

    Attributes
    ----------
    mapped : array (count,), bool
        Whether landslide k + 1 is in the inventory.
    extent : shapely geometry or None
        Mapped extent (m from the map's middle); None where all was mapped.
    """

    mapped: NDArray[np.bool_]
    extent: shapely.Geometry | None


def filled(x: Axis, y: Axis, z: Floats, low: float, high: float) -> list[shapely.Geometry]:
    """Polygons where low <= z < high on a grid of nodes."""
    generator = contour_generator(x, y, z, fill_type=FillType.OuterOffset)
    found: Any = generator.filled(low, high)
    out = []
    for ring, cuts in zip(*found, strict=True):
        rings = np.split(ring, cuts[1:-1])
        out.append(shapely.make_valid(shapely.Polygon(rings[0], rings[1:])))
    return out


def _extent(
    seed: int, surface: Surface, share: float
) -> tuple[shapely.Geometry, NDArray[np.bool_]]:
    """The most shaken part of the map, roughly outlined; also as cells."""
    x, y = surface.x, surface.y
    step = max(1, max(x.size, y.size) // 400)
    across, down = _nodes(x.size, step), _nodes(y.size, step)
    wide = float(np.ptp(x))
    chance = gaussian_field((seed, 80), x[across], y[down], [0.15 * wide, 0.05 * wide])
    shaken = np.log(surface.pga[np.ix_(down, across)])
    score = (shaken - shaken.mean()) / max(float(shaken.std()), 1e-6) + chance
    level = float(np.quantile(score, 1.0 - share))
    polygon = shapely.union_all(filled(x[across], y[down], score, level, np.inf))
    row, col = np.arange(y.size), np.arange(x.size)
    rows, cols = (
        np.interp(row, down, np.arange(down.size)),
        np.interp(col, across, np.arange(across.size)),
    )
    nearest = np.ix_(np.rint(rows).astype(int), np.rint(cols).astype(int))
    return polygon, np.asarray(score[nearest] >= level)


def _nodes(size: int, step: int) -> NDArray[np.int64]:
    return np.unique(np.r_[np.arange(0, size, step), size - 1])


def map_landslides(
    seed: int, slides: Landslides, surface: Surface, share: float, smallest: float
) -> Mapping:
    """Choose the landslides of the inventory.

    Parameters
    ----------
    seed : int
    slides : Landslides
    surface : Surface
    share : float
        Share of the map that is mapped; landslides that are mostly beyond it are missed.
    smallest : float
        Area (m2) of which half the landslides are found: 1 / (1 + (smallest / area)^2) of any area.
    """
    mapped = np.ones(slides.count, bool)
    cells = np.bincount(slides.whole.ravel(), minlength=slides.count + 1)[1:]
    if smallest > 0.0:
        found = 1.0 / (1.0 + (smallest / (cells * surface.cell**2)) ** 2)
        mapped &= np.random.default_rng([seed, 81]).random(slides.count) < found
    if share >= 1.0:
        return Mapping(mapped, None)
    polygon, inside = _extent(seed, surface, share)
    within = np.bincount(slides.whole[inside], minlength=slides.count + 1)[1:]
    return Mapping(mapped & (2 * within > cells), polygon)


def voids(seed: int, x: Axis, y: Axis, share: float) -> NDArray[np.bool_]:
    """Cells without elevation: patches of some hundred metres, a share of the map."""
    field = gaussian_field((seed, 82), x, y, [300.0, 80.0], [0.7, 0.3])
    return np.asarray(field > np.quantile(field, 1.0 - share))
