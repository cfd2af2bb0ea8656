"""What lies in the landslides' way: people, buildings and roads on the grid's cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.checks import symptoms
from shakeslide.core.errors import InputError, counted
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector
from shakeslide.io.summary import Summary, full_byte, untagged_nodata
from shakeslide.layers import readers
from shakeslide.rapid import settlements
from shakeslide.rapid.response import Float
from shakeslide.rapid.settlements import Located, vector_names
from shakeslide.study.layer_settings import Layer
from shakeslide.study.rapid_settings import Exposure, People, Roads

MOST_PEOPLE = 1e10
"""In one cell."""
CITY, CROWDED = 25.0, 5_000.0
"""Area in km², and people per km² over all of it, from which on counts are doubted."""
COVERED = 0.95
"""Share of the grid below which it is reported that people are known on a part only."""
LITTLE = 0.001
"""Share of a layer outside the grid that is not worth a line."""
STEPS = 4
"""Points along a road in the length of a cell."""
AT_HOME = "people_at_home"
"""Name of the weight that the USGS's aggregates count, where others count run-out."""
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


def entries(cell: NDArray[np.int64], weight: NDArray[np.float64]) -> Counted:
    """Return things in cells, (n,) each, in the order of the cells."""
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
    where = f"{settings.path} ({name})"
    info = readers.raster_info(settings, name)
    source = readers.raster_source(settings, name=name).nearest()
    own = _window(info.grid, grid, where)
    stored = source.read_stored(own)
    seen = Summary.of(stored)
    _require_counts(seen, where)
    known = np.isfinite(stored)
    values = np.where(known, stored, 0.0).astype(np.float64)
    area = _areas(own)
    if settings.unit == "per_km2":
        values *= area
    held = _held(own, grid)
    notes = [symptoms.infinite(seen), full_byte(seen, info.dtype)]
    notes += [_density(settings, info.unit, values, np.where(known, area, 0.0))]
    notes += [_lacking(held[known.ravel()].sum() / np.prod(grids.shape_of(grid)))]
    found = _shared_out(values, held, own, grid)
    if found is None:
        raise InputError(
            f"{where}: none of its cells has its centre on the grid: the cells are too large; "
            "give a finer raster"
        )
    return found, [f"{where}: {text}" for text in notes if text]


def _require_counts(seen: Summary, where: str) -> None:
    """Raise `InputError` for values that are no numbers of people."""
    if seen.known == 0:
        raise InputError(f"{where}: has no values on the grid")
    if seen.low < 0:
        raise InputError(
            f"{where}: has negative counts (down to {seen.low:g}); if they mean no data, set "
            f"nodata = {seen.low:.9g}"
        )
    if seen.high > MOST_PEOPLE:
        raise InputError(
            f"{where}: has up to {seen.high:g} in a cell, more than there are people; if that "
            f"means no data, set nodata = {seen.high:.9g}"
        )
    if untagged := untagged_nodata(seen):
        raise InputError(f"{where}: {untagged}")


def _density(
    settings: People, unit: str, values: NDArray[np.float64], area: NDArray[np.float64]
) -> str:
    """Return what makes counts look like densities, or densities like counts.

    Parameters
    ----------
    settings : People
        The table.
    unit : str
        What the file says of its unit.
    values, area : array, (rows, cols)
        People and km² of the raster's cells; 0 where it has no value.
    """
    text = f"{unit} {settings.path.stem}".lower()
    dense = any(w in text for w in ("dens", "/km", "per_km", "per km", "km-2", "sqkm"))
    if settings.unit == "count" and dense:
        return 'its name or unit suggests a density; if so set [exposure.people] unit = "per_km2"'
    mean = values.sum() / area.sum() if area.sum() else 0.0
    if area.sum() < CITY or mean < CROWDED:
        return ""
    if settings.unit == "count":
        remedy = 'if its values are densities, set [exposure.people] unit = "per_km2"'
    else:
        remedy = 'if its values are counts, set [exposure.people] unit = "count"'
    return (
        f"has {mean:,.0f} people per km² on average over {area.sum():,.0f} km², a density that "
        f"only the centre of a large city has: {remedy}"
    )


def _lacking(share: float) -> str:
    """Return that a part of the grid has no number of people."""
    if share > COVERED:
        return ""
    return (
        f"has values on {100 * share:.0f} % of the grid; nobody is counted on the rest, which is "
        "right for water"
    )


def _window(own: GeoBox, grid: GeoBox, whose: str) -> GeoBox:
    """Return the part of a raster's own cells around the grid."""
    if own.crs is None:
        raise InputError(f'{whose}: has no CRS; give it with `crs = "EPSG:..."`')
    box = grids.bounds(grid)
    # Points within and on the edges, because straight edges are curved in another CRS.
    x, y = np.meshgrid(
        *(np.linspace(*ends, 21) for ends in ((box.left, box.right), (box.bottom, box.top)))
    )
    spans = []
    for at, count in zip(
        _places(own, grid, x.ravel(), y.ravel()), grids.shape_of(own), strict=True
    ):
        there = at[np.isfinite(at)]
        low, high = (there.min(), there.max()) if there.size else (0.0, -2.0)
        spans.append(slice(max(int(low) - 1, 0), min(int(high) + 2, count)))
    if any(s.stop <= s.start for s in spans):
        raise InputError(f"{whose}: does not reach the grid")
    return own[spans[0], spans[1]]


def _places(
    own: GeoBox, grid: GeoBox, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return row and column in a raster, (n,) each, of places (n,) in the grid's CRS."""
    crs = grids.crs_of(own)
    turn = pyproj.Transformer.from_crs(grids.crs_of(grid).proj, crs.proj, always_xy=True)
    xx, yy = (np.asarray(v) for v in turn.transform(x, y))
    if crs.geographic:
        middle = own.affine.c + own.affine.a * grids.shape_of(own)[1] / 2
        # Longitudes may go on beyond 180: counted from the raster's middle.
        xx = middle + (xx - middle + 180.0) % 360.0 - 180.0
    col, row = ~own.affine * (xx, yy)
    return np.asarray(row), np.asarray(col)


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
    x, y = grids.cell_centres(grid, tile)
    row, col = _places(own, grid, *(v.ravel() for v in np.meshgrid(x, y)))
    r, c = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    inside = (r >= 0) & (r < own.shape[0]) & (c >= 0) & (c < own.shape[1])
    return np.where(inside, r * own.shape[1] + c, -1)


def _held(own: GeoBox, grid: GeoBox) -> NDArray[np.int64]:
    """Return how many of the grid's cells have their middles in each of a raster's, (cells,)."""
    # Tile by tile, here and where it is asked for: a number for each cell takes much memory.
    held = np.zeros(own.shape[0] * own.shape[1] + 1, np.int64)
    for tile in grids.tiles(grid, TILE):
        held += np.bincount(_numbers(own, grid, tile) + 1, minlength=held.size)
    return held[1:]


def _shared_out(
    values: NDArray[np.float64], held: NDArray[np.int64], own: GeoBox, grid: GeoBox
) -> SharedOut | None:
    """Return the people on the grid's cells, None where no cell of the raster counts."""
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
    return SharedOut(own, grid, share, entries(r[alone] * cols + c[alone], flat[alone]))


def buildings(settings: Layer, grid: GeoBox) -> tuple[Counted, list[str]]:
    """Return the buildings on each cell, by their middles, and what there is to say."""
    name = "exposure.buildings"
    where = f"{settings.path} ({name})"
    source = readers.vector_source(settings, name)
    features = vector.read(source, grids.crs_of(grid), ("polygon", "point"))
    # A layer that was dissolved is one feature of many buildings.
    parts = shapely.get_parts(features.geometry)
    notes = list(features.notes)
    if len(parts) > len(features.geometry):
        notes.append(
            f"{where}: {counted(len(features.geometry), 'feature')} of {len(parts):,} parts; each "
            "part counts as a building"
        )
    cell, inside = _cells(shapely.get_coordinates(shapely.centroid(parts)), grid)
    if not inside.any():
        raise InputError(f"{where}: none of it lies on the grid")
    if not inside.all():
        share = f"{np.count_nonzero(~inside):,} of {len(inside):,} buildings"
        notes.append(f"{where}: {share} outside the grid, not counted")
    return entries(cell[inside], np.ones(int(inside.sum()))), notes


def _cells(xy: NDArray[np.float64], grid: GeoBox) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rows, cols = grids.shape_of(grid)
    col, row = ~grid.affine * (xy[:, 0], xy[:, 1])
    r, c = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < cols)
    return r * cols + c, inside


def roads(settings: Roads, grid: GeoBox) -> tuple[RoadCells, list[str]]:
    """Return the cells of roads and the kilometres in each, and what there is to say.

    Roads that lie wholly outside the grid are left out.
    """
    name = "exposure.roads"
    source = readers.vector_source(settings, name)
    wanted = [settings.name] if settings.name else []
    features = vector.read(source, grids.crs_of(grid), "line", wanted)
    if settings.name:
        vector.require_column(features, settings.name, f"[{name}]")
    parts, row = shapely.get_parts(features.geometry, return_index=True)
    length = shapely.length(parts)
    parts, row = parts[length > 0], row[length > 0]
    whole = float(length.sum())
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
    kept, segment = np.unique(road[piece][inside][order], return_inverse=True)
    found = RoadCells(
        Counted(cell[inside][order], weight[order]),
        segment.astype(np.int64),
        _road_names(features, settings.name, row[kept]),
        parts[kept],
    )
    where = f"{settings.path} ({name})"
    notes = _outside(float(weight.sum()), whole / 1000, len(kept), len(parts))
    return found, [
        *features.notes, *(f"{where}: {n}" for n in notes), *_repeated(here, where)
    ]  # fmt: skip


def _outside(inside: float, whole: float, kept: int, given: int) -> list[str]:
    """Return how much of the roads does not count.

    Parameters
    ----------
    inside, whole : float
        Kilometres on the grid and in all.
    kept, given : int
        Lines that reach the grid, and all.
    """
    if kept == given and 1 - inside / whole < LITTLE:
        return []
    lines = f" ({given - kept:,} of {given:,} lines wholly outside)" if kept < given else ""
    lost = f"{whole - inside:,.1f} of {whole:,.1f} km of roads"
    return [f"{lost} outside the grid, not counted{lines}"]


def _repeated(lines: NDArray[np.object_], where: str) -> list[str]:
    """Return that lines are there more than once."""
    times = len(lines) - len(set(shapely.to_wkb(shapely.normalize(lines)).tolist()))
    if times == 0:
        return []
    return [
        f"{where}: {counted(times, 'line')} on the grid lie exactly on another one; the length "
        "and the cuts of each count: delete what is there twice"
    ]


def _road_names(
    features: vector.Features, column: str | None, row: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return the names of roads that lie in these rows; the number of the row where one lacks."""
    names = vector_names(features, column, "road")
    return tuple(names[n] for n in row)


@dataclass(frozen=True)
class Exposed:
    """All that lies in the landslides' way; None where no layer was given.

    Attributes
    ----------
    people, buildings, roads, places : Weighed, Counted, RoadCells, Located, or None
    notes : tuple of str
    people_at_home : Weighed, optional
        People on the cells where they are, if `people` are on those that endanger them.
    """

    people: Weighed | None = None
    buildings: Counted | None = None
    roads: RoadCells | None = None
    places: Located | None = None
    notes: tuple[str, ...] = ()
    people_at_home: Weighed | None = None

    @property
    def weights(self) -> dict[str, Weighed]:
        """What is summed up by cell, by name."""
        given: dict[str, Weighed | None] = {
            "people": self.people,
            "buildings": self.buildings,
            "road_km": None if self.roads is None else self.roads.counted,
            AT_HOME: self.people_at_home,
        }
        return {name: weighed for name, weighed in given.items() if weighed is not None}


def files(settings: Exposure) -> list[Path]:
    """Return the files that [exposure] names."""
    tables = (settings.people, settings.buildings, settings.roads, settings.places)
    return [t.path for t in tables if t is not None]


def exposed(settings: Exposure, grid: GeoBox) -> Exposed:
    """Read all layers of [exposure]."""
    who, notes = (None, []) if settings.people is None else people(settings.people, grid)
    houses, more = (None, []) if settings.buildings is None else buildings(settings.buildings, grid)
    ways, most = (None, []) if settings.roads is None else roads(settings.roads, grid)
    named, last = (
        (None, []) if settings.places is None else settlements.located(settings.places, grid)
    )
    said = (*notes, *more, *most, *last)
    return Exposed(people=who, buildings=houses, roads=ways, places=named, notes=said)
