"""The mapped landslides on the grid: source cells, clear cells, and cells that are neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError, counted
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector
from shakeslide.layers.masks import Masks
from shakeslide.layers.polygons import Polygons
from shakeslide.layers.positives import Positive, positive_of
from shakeslide.layers.readers import vector_source
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Inventory as InventorySettings

OUTSIDE, CLEAR, SOURCE, EXCLUDED = 0, 1, 2, 3
"""Standing of a cell: outside the mapped extent, clear of landslides, in a source, neither."""

TOGETHER = 20_000
"""Landslides whose cells are compared at once."""

Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Labels:
    """Standing and landslide of each cell of a tile, (rows, cols) each."""

    standing: NDArray[np.uint8]
    landslide: NDArray[np.int32]


@dataclass(frozen=True)
class Inventory:
    """Landslides on a grid.

    Attributes
    ----------
    outlines : Polygons
        Whole landslides; the value is the landslide's number, from 1.
    sources : Polygons or None
        Source areas where they are not the outlines; the value is the landslide's number.
    kept_clear : Polygons
        Where no negative may lie: whole landslides with their buffer.
    ambiguous, extent : Polygons or None
        Neither positive nor negative; the mapped area.
    shapes : array of geometries, (landslides,)
        The outlines in the grid's CRS; of a point, the cell it lies in.
    notes : list of str
        What was repaired or left out.
    masks : Masks or None
        Ground where no landslide can be: no part of the mapped area.
    kind : {"polygon", "point"}
        How the landslides were mapped.
    positives : Positive
        What a positive cell is.
    dates : Series or None
        Date of each landslide (UTC), where the study names the attribute.
    crs : str
        CRS of the file, in a few words.
    """

    outlines: Polygons
    sources: Polygons | None
    kept_clear: Polygons
    ambiguous: Polygons | None
    extent: Polygons | None
    shapes: Shapes
    notes: list[str] = field(default_factory=list)
    masks: Masks | None = None
    kind: str = "polygon"
    positives: Positive = Positive.OUTLINES
    dates: pd.Series | None = None
    crs: str = ""

    @property
    def count(self) -> int:
        """Landslides."""
        return len(self.shapes)

    @property
    def vertices(self) -> int:
        """Vertices of the outlines."""
        return int(shapely.get_num_coordinates(self.shapes).sum())

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area of each outline in m², (landslides,) float64; of a point, the area of its cell."""
        areas: NDArray[np.float64] = shapely.area(self.shapes)
        return areas

    def label(self, tile: Tile) -> Labels:
        """Return the standing of a tile's cells, by cell centre."""
        number = self.outlines.burn(tile, fill=0).astype(np.int32)
        if self.sources is None:
            source = number
        else:
            source = self.sources.burn(tile, fill=0).astype(np.int32)
            # A source inside an outline belongs to that landslide.
            source = np.where((source > 0) & (number > 0), number, source)
        standing = np.full(tile.shape, CLEAR, np.uint8)
        standing[self.kept_clear.burn(tile, fill=0) > 0] = EXCLUDED
        standing[number > 0] = EXCLUDED
        # After the buffers: a source counts within that of another landslide too.
        standing[source > 0] = SOURCE
        if self.ambiguous is not None:
            other = self.ambiguous.burn(tile, fill=0) > 0
            standing[other & (source == 0)] = EXCLUDED
        # Last: outside of what was mapped not even a source counts.
        if self.extent is not None:
            standing[~(self.extent.burn(tile, fill=0) > 0)] = OUTSIDE
        if self.masks is not None:
            standing[self.masks.covers(tile)] = OUTSIDE
        return Labels(standing, np.where(source > 0, source, 0).astype(np.int32))


def load(settings: InventorySettings, grid: GeoBox, masks: Masks | None = None) -> Inventory:
    """Read the inventory of a study onto the grid.

    Parameters
    ----------
    settings : study.Inventory
        The inventory's table.
    grid : GeoBox
        The grid.
    masks : Masks, optional
        Ground where no landslide can be.

    Raises
    ------
    InputError
        No inventory, no polygons or points, or none on the grid.
    """
    more = [] if settings.id is None else [settings.id]
    source = layer_of(settings)
    features = vector.read(source, grids.crs_of(grid), ("polygon", "point"), more)
    kind = features.kind
    if kind == "mixed":
        raise InputError(
            f"{settings.path} (inventory): holds points and polygons; choose one kind with "
            "layer = or where ="
        )
    _require_buffer(settings.buffer, grid)
    landslides = _landslides(features, settings, kind, grid)
    shapes, notes = landslides.shapes, landslides.notes
    sources = _sources(settings, grid, landslides)
    outlines = Polygons.on_grid(shapes, np.arange(1.0, len(shapes) + 1), grid)
    return Inventory(
        outlines=outlines,
        sources=sources,
        kept_clear=_kept_clear(outlines, shapes, settings.buffer, grid),
        ambiguous=_ambiguous(settings.ambiguous, grid),
        extent=_extent(settings.extent, grid, landslides),
        shapes=shapes,
        notes=notes,
        masks=masks,
        kind=kind,
        positives=positive_of(settings, kind),
        dates=landslides.dates,
        crs=grids.crs_name(features.crs),
    )


def _kept_clear(outlines: Polygons, shapes: Shapes, buffer: float, grid: GeoBox) -> Polygons:
    """Return the ground around the landslides where no negative may lie."""
    ones = np.ones(len(shapes))
    # The edges are shared: they may take as much memory as the rest of the inventory.
    if buffer == 0:
        return replace(outlines, values=ones)
    return Polygons.on_grid(shapely.buffer(shapes, buffer), ones, grid)


def _require_buffer(buffer: float, grid: GeoBox) -> None:
    """Raise where the buffer of any landslide would cover the whole grid."""
    box = grids.bounds(grid)
    across = float(np.hypot(box.right - box.left, box.top - box.bottom))
    if buffer > across:
        raise InputError(
            f"[inventory] buffer = {buffer:g} m is longer than the grid's diagonal ({across:,.0f} "
            "m), so no clear ground would be left; make it smaller"
        )


def layer_of(settings: InventorySettings, more: str | None = None) -> vector.VectorSource:
    """Return how to read the inventory, or the part of it that a further filter chooses."""
    filters = [f for f in (settings.where, more) if f]
    # In brackets, for a filter may hold an OR.
    where = " AND ".join(f"({f})" if len(filters) > 1 else f for f in filters) or None
    return replace(vector_source(settings, "inventory"), where=where)


# ------------------------------------------------------------------ landslides


@dataclass
class _Landslides:
    """The landslides that lie on the grid."""

    shapes: Shapes
    dates: pd.Series | None
    notes: list[str]


def _landslides(
    features: vector.Features, settings: InventorySettings, kind: str, grid: GeoBox
) -> _Landslides:
    where = f"{settings.path} (inventory)"
    for column in (settings.id, settings.date):
        if column is not None:
            vector.require_column(features, column, where)
    notes = list(features.notes)
    dates = None if settings.date is None else vector.times(features, settings.date, where)
    shapes: Shapes = np.asarray(features.geometry, object)
    if settings.id is not None:
        shapes, dates = _joined(shapes, features.table[settings.id], dates)
    inside = shapely.intersects(shapes, shapely.box(*grids.bounds(grid).bbox))
    if not inside.any():
        box = shapely.box(*grids.bounds(grid).bbox)
        hint = vector.swapped(features, layer_of(settings), grids.crs_of(grid), box)
        raise InputError(
            f"{where}: none of its {len(shapes)} landslides lies on the grid; "
            + (f"{hint}" if hint else "is its CRS right?")
        )
    if not inside.all():
        notes.append(f"{int((~inside).sum())} landslides lie off the grid and are left out")
        shapes, dates = shapes[inside], None if dates is None else dates[inside]
    if kind == "point":
        shapes = _cells_of_points(shapes, grid, notes)
    return _Landslides(shapes, dates, notes)


def _joined(
    shapes: Shapes, ids: pd.Series, dates: pd.Series | None
) -> tuple[Shapes, pd.Series | None]:
    """Return one shape per id, in the order in which the ids come; without id, each its own."""
    number = np.array(pd.factorize(ids)[0], np.int64)
    alone = number < 0
    number[alone] = number.max() + 1 + np.arange(int(alone.sum()))
    order = np.argsort(number, kind="stable")
    start = np.flatnonzero(np.diff(number[order], prepend=-1))
    joined: Shapes = shapes[order[start]]
    ends = np.append(start[1:], len(order))
    for i in np.flatnonzero(ends - start > 1):
        joined[i] = shapely.union_all(shapes[order[start[i] : ends[i]]])
    if dates is None:
        return joined, None
    first = dates.reset_index(drop=True).groupby(number).min()
    return joined, first.reset_index(drop=True)


def _cells_of_points(shapes: Shapes, grid: GeoBox, notes: list[str]) -> Shapes:
    """Return for each point the cell it lies in."""
    # Of a multipoint the middle.
    xy = shapely.get_coordinates(shapely.centroid(shapes))
    a = grid.affine
    rows, cols = grids.shape_of(grid)
    # A point on the grid's east or south edge is in the last cell.
    col = np.clip(np.floor((xy[:, 0] - a.c) / a.a), 0, cols - 1)
    row = np.clip(np.floor((xy[:, 1] - a.f) / a.e), 0, rows - 1)
    shared = len(row) - len(np.unique(row * cols + col))
    if shared:
        notes.append(f"{shared} points share their cell with another landslide")
    return _cell_boxes(row, col, grid)


def _cell_boxes(row: NDArray[np.float64], col: NDArray[np.float64], grid: GeoBox) -> Shapes:
    a = grid.affine
    left, top = a.c + col * a.a, a.f + row * a.e
    boxes: Shapes = np.asarray(shapely.box(left, top + a.e, left + a.a, top), object)
    return boxes


# ------------------------------------------------------------------ sources


def _sources(settings: InventorySettings, grid: GeoBox, landslides: _Landslides) -> Polygons | None:
    """Return the source areas, None where they are the outlines."""
    if settings.sources is not None and settings.source_where is not None:
        raise InputError("[inventory] give either sources or source_where, not both")
    shapes = landslides.shapes
    numbers = np.arange(1.0, len(shapes) + 1)
    apart = settings.sources is not None or settings.source_where is not None
    if apart:
        if settings.sources is not None:
            source = vector_source(settings.sources, "inventory.sources")
        else:
            source = layer_of(settings, settings.source_where)
        features = vector.read(source, grids.crs_of(grid), "polygon")
        landslides.notes.extend(n for n in features.notes if n not in landslides.notes)
        outlines, shapes = shapes, features.geometry
        _require_here(shapes, source, grid)
        numbers = _numbers(shapes, outlines)
        strays = (numbers > len(outlines)) & shapely.intersects(
            shapes, shapely.box(*grids.bounds(grid).bbox)
        )
        if strays.any():
            landslides.notes.append(
                f"{int(strays.sum()):,} of {len(shapes):,} source areas lie outside all landslide "
                "outlines; if that is not intended, check the CRS of both files"
            )
    small = _most_covered(shapes, grid) if settings.small == "most_covered" else None
    if small is not None and small.any():
        cells, which = small.cells, small.which
        landslides.notes.append(
            f"{len(which)} landslides without a cell centre get the cell that they cover most"
        )
        # Before the others, which win where they overlap.
        shapes, numbers = np.concatenate([cells, shapes]), np.concatenate([numbers[which], numbers])
    elif not apart:
        return None
    return Polygons.on_grid(shapes, numbers, grid)


def _require_here(shapes: Shapes, source: vector.VectorSource, grid: GeoBox) -> None:
    """Raise where no source area lies on the grid."""
    distance = float(shapely.distance(shapes, shapely.box(*grids.bounds(grid).bbox)).min())
    if distance > 0:
        raise InputError(
            f"{source.where_it_is}: none of its {counted(len(shapes), 'source area')} lies on the "
            f"grid, the nearest is {distance / 1000:,.3g} km away; is its CRS right?"
        )


def _numbers(sources: Shapes, outlines: Shapes) -> NDArray[np.float64]:
    """Return the number of the landslide that each source lies in; later numbers where none."""
    numbers = len(outlines) + np.arange(1.0, len(sources) + 1)
    # A point within, as a centroid need not be.
    places = shapely.point_on_surface(sources)
    source, outline = shapely.STRtree(outlines).query(places, predicate="intersects")
    # Reversed, so that of several outlines the first one counts.
    numbers[source[::-1]] = outline[::-1] + 1.0
    return numbers


@dataclass(frozen=True)
class _Small:
    """Cells that stand for landslides without a cell centre, and whose they are."""

    cells: Shapes
    which: NDArray[np.int64]

    def any(self) -> bool:
        """Tell whether there is one."""
        return len(self.which) > 0


def _most_covered(shapes: Shapes, grid: GeoBox) -> _Small:
    """Return the cell that each landslide without a cell centre covers most (first of equals)."""
    rows, cols = grids.shape_of(grid)
    held = Polygons.on_grid(shapes, np.ones(len(shapes)), grid).centres((rows, cols))
    without = np.flatnonzero(held == 0)
    parts = [
        _most_covered_of(shapes[without[first : first + TOGETHER]], grid)
        for first in range(0, len(without), TOGETHER)
    ]
    if not parts:
        return _Small(np.empty(0, object), np.empty(0, np.int64))
    which = [without[i * TOGETHER :][part.which] for i, part in enumerate(parts)]
    return _Small(np.concatenate([part.cells for part in parts]), np.concatenate(which))


def _most_covered_of(shapes: Shapes, grid: GeoBox) -> _Small:
    """Return the cell that each landslide covers most; those that cover none are left out."""
    rows, cols = grids.shape_of(grid)
    a = grid.affine
    west, south, east, north = shapely.bounds(shapes).T
    # `a.e` is negative: the north gives the first row.
    top, left = np.maximum(0, (north - a.f) // a.e), np.maximum(0, (west - a.c) // a.a)
    bottom = np.minimum(rows - 1, (south - a.f) // a.e)
    right = np.minimum(cols - 1, (east - a.c) // a.a)
    wide = np.maximum(right - left + 1, 0).astype(np.int64)
    near = wide * np.maximum(bottom - top + 1, 0).astype(np.int64)
    # The cells near each landslide, row by row.
    owner = np.repeat(np.arange(len(shapes)), near)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(near) - near, near)
    down, along = np.divmod(place, wide[owner])
    boxes = _cell_boxes(top[owner] + down, left[owner] + along, grid)
    covered = shapely.area(shapely.intersection(boxes, shapes[owner]))
    most = np.zeros(len(shapes))
    np.maximum.at(most, owner, covered)
    at = np.flatnonzero((covered == most[owner]) & (covered > 0))
    which, first = np.unique(owner[at], return_index=True)
    return _Small(boxes[at[first]], which)


# ------------------------------------------------------------------ other layers


def _ambiguous(layers: Sequence[Layer], grid: GeoBox) -> Polygons | None:
    parts = []
    for layer in layers:
        source = vector_source(layer, "inventory.ambiguous")
        features = vector.read(source, grids.crs_of(grid), ("polygon", "point"))
        shapes = np.asarray(features.geometry, object)
        points = shapely.get_dimensions(shapes) == 0
        # Off the grid `_cells_of_points` would put a point into its outermost cell.
        inside = points & shapely.intersects(shapes, shapely.box(*grids.bounds(grid).bbox))
        shapes[inside] = _cells_of_points(shapes[inside], grid, [])
        parts.append(shapes[~points | inside])
    if not parts:
        return None
    shapes = np.concatenate(parts)
    return Polygons.on_grid(shapes, np.ones(len(shapes)), grid)


def _extent(layer: Layer | None, grid: GeoBox, landslides: _Landslides) -> Polygons | None:
    if layer is None:
        return None
    features = vector.read(vector_source(layer, "inventory.extent"), grids.crs_of(grid), "polygon")
    box = shapely.box(*grids.bounds(grid).bbox)
    if not shapely.intersects(features.geometry, box).any():
        raise InputError(f"{layer.path} (inventory.extent): does not overlap the grid")
    mapped = shapely.unary_union(features.geometry)
    # Asked for every landslide, and indexed once.
    shapely.prepare(mapped)
    outside = int((~shapely.intersects(mapped, landslides.shapes)).sum())
    if outside == len(landslides.shapes):
        raise InputError(
            f"{layer.path} (inventory.extent): none of the {outside:,} landslides lies in it"
        )
    if outside:
        landslides.notes.append(f"{outside:,} landslides lie outside the mapped extent")
    return Polygons.on_grid(features.geometry, np.ones(len(features)), grid)
