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

Places = NDArray[np.int64]


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
    """Return polygons where low <= z < high on a grid of nodes.

    Parameters
    ----------
    x, y : array, (cols,) and (rows,)
        Coordinates of the nodes.
    z : array, (rows, cols)
        Values at them.
    low, high : float
        Limits of the values; `high` may be infinite.
    """
    generator = contour_generator(x, y, z, fill_type=FillType.OuterOffset)
    found: Any = generator.filled(low, high)
    out = []
    for ring, cuts in zip(*found, strict=True):
        rings = np.split(ring, cuts[1:-1])
        # Contours may touch themselves.
        out.append(shapely.make_valid(shapely.Polygon(rings[0], rings[1:])))
    return out


@dataclass(frozen=True)
class Extent:
    """A mapped extent, decided at the nodes of a coarse grid.

    Attributes
    ----------
    outline : shapely geometry
        Metres from the map's middle.
    rows, cols : array
        Rows and columns of the map that are nodes.
    within : array (rows, cols), bool
        Nodes within the extent; a cell is within where its nearest node is.
    """

    outline: shapely.Geometry
    rows: Places
    cols: Places
    within: NDArray[np.bool_]

    def on(self, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """Return which cells of a window of the map are within, (rows, cols) bool."""
        nearest = (
            np.rint(np.interp(np.arange(at.start, at.stop), nodes, np.arange(nodes.size)))
            for at, nodes in ((rows, self.rows), (cols, self.cols))
        )
        return self.within[np.ix_(*(n.astype(int) for n in nearest))]


def extent_nodes(shape: tuple[int, int]) -> tuple[Places, Places]:
    """Return rows, (m,), and columns, (n,), of a map that are nodes of its extent.

    They are int64, ascending, about 400 on the longer side.
    """
    step = max(1, max(shape) // 400)
    rows, cols = (np.unique(np.r_[np.arange(0, size, step), size - 1]) for size in shape)
    return rows, cols


def make_extent(
    seed: int, x: Axis, y: Axis, pga: Floats, nodes: tuple[Places, Places], share: float
) -> Extent:
    """The most shaken part of the map, roughly outlined.

    Parameters
    ----------
    seed : int
    x, y : array (cols,), (rows,)
        Coordinates of the nodes (m).
    pga : array (rows, cols)
        Median PGA at the nodes (g).
    nodes : (array, array)
        Rows and columns of the map that are nodes.
    share : float
        Share of the map within the extent.
    """
    wide = float(np.ptp(x))
    chance = gaussian_field((seed, 80), x, y, [0.15 * wide, 0.05 * wide])
    shaken = np.log(pga)
    # A map may be shaken alike everywhere.
    score = (shaken - shaken.mean()) / max(float(shaken.std()), 1e-6) + chance
    level = float(np.quantile(score, 1.0 - share))
    outline = shapely.union_all(filled(x, y, score, level, np.inf))
    return Extent(outline, *nodes, np.asarray(score >= level))


def found_by_size(seed: int, area: NDArray[Any], smallest: float) -> NDArray[np.bool_]:
    """Return which landslides, (n,) bool, of given areas (m2), (n,), are found.

    Of those of the area `smallest` half are found, of smaller ones fewer; all if it is 0.
    """
    if smallest <= 0.0:
        return np.ones(area.size, bool)
    share = 1.0 / (1.0 + (smallest / area) ** 2)
    return np.asarray(np.random.default_rng([seed, 81]).random(area.size) < share)


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
    cells = np.bincount(slides.whole.ravel(), minlength=slides.count + 1)[1:]
    mapped = found_by_size(seed, cells * surface.cell**2, smallest)
    if share >= 1.0:
        return Mapping(mapped, None)
    rows, cols = extent_nodes(slides.whole.shape)
    pga = surface.pga[np.ix_(rows, cols)]
    extent = make_extent(seed, surface.x[cols], surface.y[rows], pga, (rows, cols), share)
    inside = extent.on(slice(0, surface.y.size), slice(0, surface.x.size))
    within = np.bincount(slides.whole[inside], minlength=slides.count + 1)[1:]
    return Mapping(mapped & (2 * within > cells), extent.outline)


def void_field(seed: int, x: Axis, y: Axis) -> Floats:
    """Return a field, (rows, cols): where elevation is missing, it goes first where this is high.

    `x`, (cols,), and `y`, (rows,), are metres from the map's middle.
    """
    return gaussian_field((seed, 82), x, y, [300.0, 80.0], [0.7, 0.3])


def voids(seed: int, x: Axis, y: Axis, share: float) -> NDArray[np.bool_]:
    """Return the cells without elevation, (rows, cols) bool: a `share` of the map, in patches.

    The patches are some hundred metres wide; `x`, (cols,), and `y`, (rows,), are metres from the
    map's middle.
    """
    field = void_field(seed, x, y)
    return np.asarray(field > np.quantile(field, 1.0 - share))
