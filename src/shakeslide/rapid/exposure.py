"""What lies in the landslides' way: people, buildings and roads on the grid's cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector
from shakeslide.layers import readers
from shakeslide.rapid.response import Float
from shakeslide.study.layer_settings import Layer
from shakeslide.study.rapid_settings import Exposure, People, Roads

MOST_PEOPLE = 1e10
"""In one cell."""
STEPS = 4
"""Points along a road in the length of a cell."""
TILE = 1024
"""Cells along a tile's side in which people are shared out."""


class Weighed(Protocol):
    """Things that lie on cells."""

    def on(self, tile: Tile, columns: int) -> Float:
        """Return how much lies on a tile's cells, (rows, cols), of a grid of so many columns."""


@dataclass(frozen=True, eq=False)
class Counted:
    """Things counted by cell.

    Attributes
    ----------
    cell : array, (n,) int64
        Numbers of the cells, row by row over the whole grid, rising.
    weight : array, (n,) float64
        How much lies in each.
    """

    cell: NDArray[np.int64]
    weight: NDArray[np.float64]

    def on(self, tile: Tile, columns: int) -> Float:
        """Return the weights of a tile's cells, (rows, cols), of a grid with so many columns."""
        out = np.zeros(tile.shape, np.float64)
        first, last = np.searchsorted(self.cell, [tile.row0 * columns, tile.row1 * columns])
        row, col = np.divmod(self.cell[first:last], columns)
        inside = (col >= tile.col0) & (col < tile.col1)
        at = (row[inside] - tile.row0, col[inside] - tile.col0)
        np.add.at(out, at, self.weight[first:last][inside])
        return out.astype(np.float32)


@dataclass(frozen=True, eq=False)
class SharedOut:
    """A raster's counts, shared evenly among the grid's cells that have their middles in each cell.

    Attributes
    ----------
    own, grid : GeoBox
        The raster's and the grid.
    share : array, (raster's cells,) float64
        What each cell that has its middle there gets.
    alone : Counted
        What raster's cells without such a middle hold, on the cell under their own.
    """

    own: GeoBox
    grid: GeoBox
    share: NDArray[np.float64]
    alone: Counted

    def on(self, tile: Tile, columns: int) -> Float:
        """Return the weights of a tile's cells, (rows, cols), of a grid with so many columns."""
        number = _numbers(self.own, self.grid, tile)
        out = np.where(number < 0, 0.0, self.share[number]).reshape(tile.shape)
        return np.asarray(out + self.alone.on(tile, columns), np.float32)


@dataclass(frozen=True, eq=False)
class RoadCells:
    """The cells of each road.

    Attributes
    ----------
    counted : Counted
        Kilometres in each entry's cell.
    segment : array, (n,) int64
        Number of the road of each entry.
    names : tuple of str
        Of the roads.
    lines : array, (roads,) of LineString
        In the grid's CRS.
    """

    counted: Counted
    segment: NDArray[np.int64]
    names: tuple[str, ...]
    lines: NDArray[np.object_]

    def on(self, tile: Tile, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the cells in a tile (numbered in the tile) and the roads there, (n,) each.

        A road counts once in each of its cells.
        """
        cell = self.counted.cell
        first, last = np.searchsorted(cell, [tile.row0 * columns, tile.row1 * columns])
        row, col = np.divmod(cell[first:last], columns)
        inside = (col >= tile.col0) & (col < tile.col1)
        place = (row[inside] - tile.row0) * tile.shape[1] + (col[inside] - tile.col0)
        both = np.unique(np.stack([self.segment[first:last][inside], place]), axis=1)
        return both[1], both[0]


def _entries(cell: NDArray[np.int64], weight: NDArray[np.float64]) -> Counted:
    order = np.argsort(cell, kind="stable")
    return Counted(cell[order], weight[order])


def people(settings: People, grid: GeoBox) -> tuple[SharedOut, list[str]]:
    """Return the people on each cell, nobody created or lost, and what there is to say.

    A cell of the raster counts where its middle lies in the grid. Its people are shared evenly
    among the grid's cells that have their middles in it, or all belong to the cell under its
    middle.

    Raises
    ------
    InputError
        Negative counts, no data on the grid, or what looks like a density.
    """
    name = "exposure.people"
    info = readers.raster_info(settings, name)
    source = readers.raster_source(settings, name=name).nearest()
    own = _window(info.grid, grid, f"{settings.path} ({name})")
    values = source.read(own).astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        raise InputError(f"{settings.path} ({name}): has no values on the grid")
    if values[known].min() < 0:
        raise InputError(
            f"{settings.path} ({name}): has negative counts (down to {values[known].min():g}); "
            f"if they mean no data, set nodata = {values[known].min():g}"
        )
    if values[known].max() > MOST_PEOPLE:
        raise InputError(
            f"{settings.path} ({name}): has up to {values[known].max():g} in a cell, more than "
            f"there are people; if that means no data, set nodata = {values[known].max():.9g}"
        )
    values[~known] = 0.0
    if settings.unit == "per_km2":
        values *= _areas(own)
    notes = _doubts(settings, info.unit, values)
    found = _shared_out(values, own, grid)
    if found is None:
        raise InputError(
            f"{settings.path} ({name}): none of its cells has its middle on the grid: they are too "
            "large for it; give a finer raster"
        )
    return found, notes


def _doubts(settings: People, unit: str, values: NDArray[np.float64]) -> list[str]:
    """Return what makes counts look like densities."""
    text = f"{unit} {settings.path.stem}".lower()
    dense = any(w in text for w in ("dens", "/km", "per_km", "per km", "km-2", "sqkm"))
    if settings.unit == "count" and dense:
        return [
            f"{settings.path}: its name or unit speaks of a density; if so set [exposure.people] "
            'unit = "per_km2"'
        ]
    return []


def _window(own: GeoBox, grid: GeoBox, whose: str) -> GeoBox:
    """Return the part of a raster's own cells around the grid."""
    if own.crs is None:
        raise InputError(f'{whose}: has no CRS; give it with `crs = "EPSG:..."`')
    box = grid.extent.to_crs(own.crs).boundingbox
    inverse = ~own.affine
    places = [inverse * p for p in ((box.left, box.top), (box.right, box.bottom))]
    (c0, r0), (c1, r1) = places
    shape = grids.shape_of(own)
    rows = slice(max(int(min(r0, r1)) - 1, 0), min(int(max(r0, r1)) + 2, shape[0]))
    cols = slice(max(int(min(c0, c1)) - 1, 0), min(int(max(c0, c1)) + 2, shape[1]))
    if rows.stop <= rows.start or cols.stop <= cols.start:
        raise InputError(f"{whose}: does not reach the grid")
    return own[rows, cols]


def _areas(own: GeoBox) -> NDArray[np.float64]:
    """Return the area on the ground of a raster's cells, (rows, cols) km², in whatever CRS."""
    rows, cols = grids.shape_of(own)
    a = own.affine
    to_degrees = pyproj.Transformer.from_crs(grids.crs_of(own).proj, "EPSG:4326", always_xy=True)
    middle = to_degrees.transform(*(a * (cols / 2, rows / 2)))[0]
    equal = pyproj.Proj(proj="cea", ellps="WGS84", lon_0=middle if np.isfinite(middle) else 0)
    col, row = np.meshgrid(np.arange(cols + 1), np.arange(rows + 1))
    lon, lat = to_degrees.transform(a.c + a.a * col + a.b * row, a.f + a.d * col + a.e * row)
    x, y = (np.asarray(v) for v in equal(lon, lat))
    # Half of the cross product of the diagonals.
    down = x[1:, 1:] - x[:-1, :-1], y[1:, 1:] - y[:-1, :-1]
    up = x[:-1, 1:] - x[1:, :-1], y[:-1, 1:] - y[1:, :-1]
    area = np.abs(down[0] * up[1] - down[1] * up[0]) / 2e6
    # Corners beyond the projection.
    return np.asarray(np.where(np.isfinite(area), area, 0.0))


def _numbers(own: GeoBox, grid: GeoBox, tile: Tile) -> NDArray[np.int64]:
    """Return the number of the raster's cell that holds each of a tile's cells, -1 outside."""
    turn = pyproj.Transformer.from_crs(
        grids.crs_of(grid).proj, grids.crs_of(own).proj, always_xy=True
    )
    x, y = grids.cell_centres(grid, tile)
    xx, yy = turn.transform(*(v.ravel() for v in np.meshgrid(x, y)))
    col, row = ~own.affine * (np.asarray(xx), np.asarray(yy))
    r, c = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    inside = (r >= 0) & (r < own.shape[0]) & (c >= 0) & (c < own.shape[1])
    return np.where(inside, r * own.shape[1] + c, -1)


def _shared_out(values: NDArray[np.float64], own: GeoBox, grid: GeoBox) -> SharedOut | None:
    """Return the people on the grid's cells, None where no cell of the raster counts."""
    # Tile by tile, here and where it is asked for: a number for each cell takes much memory.
    held = np.zeros(values.size + 1, np.int64)
    for tile in grids.tiles(grid, TILE):
        held += np.bincount(_numbers(own, grid, tile) + 1, minlength=held.size)
    held = held[1:]
    rows, cols = grids.shape_of(grid)
    # The raster's cells whose middle lies in the grid, and the cell under it.
    middles = np.meshgrid(np.arange(own.shape[1]) + 0.5, np.arange(own.shape[0]) + 0.5)
    a = own.affine
    x, y = a.c + a.a * middles[0] + a.b * middles[1], a.f + a.d * middles[0] + a.e * middles[1]
    turn = pyproj.Transformer.from_crs(
        grids.crs_of(own).proj, grids.crs_of(grid).proj, always_xy=True
    )
    xx, yy = turn.transform(np.ravel(x), np.ravel(y))
    col, row = ~grid.affine * (np.asarray(xx), np.asarray(yy))
    r, c = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < cols)
    if not inside.any():
        return None
    flat = values.ravel()
    share = np.where(inside, flat / np.maximum(held, 1), 0.0)
    alone = inside & (held == 0) & (flat > 0)
    return SharedOut(own, grid, share, _entries(r[alone] * cols + c[alone], flat[alone]))


def buildings(settings: Layer, grid: GeoBox) -> Counted:
    """Return the buildings on each cell, by their middles."""
    name = "exposure.buildings"
    source = readers.vector_source(settings, name)
    features = vector.read(source, grids.crs_of(grid), ("polygon", "point"))
    middle = shapely.centroid(features.geometry)
    return _counted_at(shapely.get_coordinates(middle), grid, f"{settings.path} ({name})")


def _counted_at(xy: NDArray[np.float64], grid: GeoBox, whose: str) -> Counted:
    cell, inside = _cells(xy, grid)
    if not inside.any():
        raise InputError(f"{whose}: nothing of it lies on the grid")
    return _entries(cell[inside], np.ones(int(inside.sum())))


def _cells(xy: NDArray[np.float64], grid: GeoBox) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rows, cols = grids.shape_of(grid)
    col, row = ~grid.affine * (xy[:, 0], xy[:, 1])
    r, c = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < cols)
    return r * cols + c, inside


def roads(settings: Roads, grid: GeoBox) -> RoadCells:
    """Return the cells of roads and the kilometres in each."""
    name = "exposure.roads"
    source = readers.vector_source(settings, name)
    wanted = [settings.name] if settings.name else []
    features = vector.read(source, grids.crs_of(grid), "line", wanted)
    if settings.name:
        vector.require_column(features, settings.name, f"[{name}]")
    parts, row = shapely.get_parts(features.geometry, return_index=True)
    length = shapely.length(parts)
    parts, row = parts[length > 0], row[length > 0]
    # The roads of a whole country are many times those on the grid.
    here, road = shapely.get_parts(
        shapely.clip_by_rect(parts, *grids.bounds(grid)), return_index=True
    )
    length = shapely.length(here)
    here, road, length = here[length > 0], road[length > 0], length[length > 0]
    step = min(grids.cell_size(grid)) / STEPS
    count = np.maximum(np.ceil(length / step), 1).astype(np.int64)
    piece = np.repeat(np.arange(len(here)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    along = (np.arange(piece.size) - first + 0.5) * np.repeat(length / count, count)
    xy = shapely.get_coordinates(shapely.line_interpolate_point(here[piece], along))
    cell, inside = _cells(xy, grid)
    if not inside.any():
        raise InputError(f"{settings.path} ({name}): no road lies on the grid")
    weight = np.repeat(length / count / 1000.0, count)[inside]
    order = np.argsort(cell[inside], kind="stable")
    return RoadCells(
        Counted(cell[inside][order], weight[order]),
        road[piece][inside][order],
        _road_names(features, settings.name, row),
        parts,
    )


def _road_names(
    features: vector.Features, column: str | None, row: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return the names of roads that lie in these rows; the number of the row where one lacks."""
    numbered = [f"road {n + 1}" for n in row]
    if column is None:
        return tuple(numbered)
    given = features.table[column].iloc[row]
    said = [str(g).strip() if known else "" for g, known in zip(given, given.notna(), strict=True)]
    return tuple(s or n for s, n in zip(said, numbered, strict=True))


@dataclass(frozen=True)
class Exposed:
    """All that lies in the landslides' way; None where no layer was given."""

    people: SharedOut | None = None
    buildings: Counted | None = None
    roads: RoadCells | None = None
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, Weighed]:
        """What is summed up by cell, by name."""
        given: dict[str, Weighed | None] = {
            "people": self.people,
            "buildings": self.buildings,
            "road_km": None if self.roads is None else self.roads.counted,
        }
        return {name: weighed for name, weighed in given.items() if weighed is not None}


def exposed(settings: Exposure, grid: GeoBox) -> Exposed:
    """Read all layers of [exposure]."""
    who, notes = (None, []) if settings.people is None else people(settings.people, grid)
    return Exposed(
        people=who,
        buildings=None if settings.buildings is None else buildings(settings.buildings, grid),
        roads=None if settings.roads is None else roads(settings.roads, grid),
        notes=tuple(notes),
    )
