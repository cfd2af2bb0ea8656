"""The mapped landslides on the grid: which cells are source, which are clear, which neither."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide import grid as grids
from shakeslide.errors import InputError
from shakeslide.grid import Tile
from shakeslide.io import vector
from shakeslide.polygons import Polygons
from shakeslide.study import Inventory as InventorySettings
from shakeslide.study import Layer

OUTSIDE, CLEAR, SOURCE, EXCLUDED = 0, 1, 2, 3
"""Standing of a cell: outside the mapped extent, clear of landslides, in a source, neither."""


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
        Source areas where mapped apart; the value is the landslide's number.
    kept_clear : Polygons
        Where no negative may lie: whole landslides with their buffer.
    ambiguous, extent : Polygons or None
        Neither positive nor negative; the mapped area.
    shapes : array of geometries
        The outlines in the grid's CRS.
    notes : list of str
        What was repaired or left out.
    """

    outlines: Polygons
    sources: Polygons | None
    kept_clear: Polygons
    ambiguous: Polygons | None
    extent: Polygons | None
    shapes: NDArray[np.object_]
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Landslides."""
        return len(self.shapes)

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area of each outline in m²."""
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
        standing[source > 0] = SOURCE
        if self.ambiguous is not None:
            other = self.ambiguous.burn(tile, fill=0) > 0
            standing[other & (source == 0)] = EXCLUDED
        if self.extent is not None:
            standing[~(self.extent.burn(tile, fill=0) > 0)] = OUTSIDE
        return Labels(standing, np.where(source > 0, source, 0).astype(np.int32))


def load(settings: InventorySettings, grid: GeoBox) -> Inventory:
    """Read the inventory of a study onto the grid.

    Raises
    ------
    InputError
        No inventory, no polygons, or none on the grid.
    """
    if settings.path is None:
        raise InputError("[inventory] path is missing: give the landslide polygons of the event")
    where = f"{settings.path} (inventory)"
    features = vector.read(
        vector.VectorSource(
            settings.path,
            "inventory",
            settings.layer,
            where=settings.where,
            crs=settings.crs,
        ),
        grids.crs_of(grid),
        "polygon",
    )
    shapes = features.geometry
    inside = shapely.intersects(shapes, shapely.box(*grids.bounds(grid).bbox))
    if not inside.any():
        raise InputError(
            f"{where}: none of its {len(shapes)} landslides lies on the grid; is its CRS right?"
        )
    notes = list(features.notes)
    if not inside.all():
        notes.append(f"{int((~inside).sum())} landslides lie off the grid and are left out")
        shapes = shapes[inside]
    numbers = np.arange(1, len(shapes) + 1, dtype=float)
    clear = shapely.buffer(shapes, settings.buffer) if settings.buffer > 0 else shapes
    return Inventory(
        outlines=Polygons.on_grid(shapes, numbers, grid),
        sources=_sources(settings.sources, grid, len(shapes), notes),
        kept_clear=Polygons.on_grid(clear, np.ones(len(clear)), grid),
        ambiguous=_ambiguous(settings.ambiguous, grid),
        extent=_extent(settings.extent, grid),
        shapes=shapes,
        notes=notes,
    )


def _source(layer: Layer, name: str) -> vector.VectorSource:
    return vector.VectorSource(layer.path, name, layer.layer, layer.column, layer.where, layer.crs)


def _sources(layer: Layer | None, grid: GeoBox, count: int, notes: list[str]) -> Polygons | None:
    if layer is None:
        return None
    features = vector.read(_source(layer, "inventory.sources"), grids.crs_of(grid), "polygon")
    notes.extend(features.notes)
    # Numbers after the outlines', for sources that lie in none.
    numbers = count + np.arange(1, len(features.frame) + 1, dtype=float)
    return Polygons.on_grid(features.geometry, numbers, grid)


def _ambiguous(layers: list[Layer], grid: GeoBox) -> Polygons | None:
    parts = [
        vector.read(_source(layer, "inventory.ambiguous"), grids.crs_of(grid), "polygon").geometry
        for layer in layers
    ]
    if not parts:
        return None
    shapes = np.concatenate(parts)
    return Polygons.on_grid(shapes, np.ones(len(shapes)), grid)


def _extent(layer: Layer | None, grid: GeoBox) -> Polygons | None:
    if layer is None:
        return None
    features = vector.read(_source(layer, "inventory.extent"), grids.crs_of(grid), "polygon")
    box = shapely.box(*grids.bounds(grid).bbox)
    if not shapely.intersects(features.geometry, box).any():
        raise InputError(f"{layer.path} (inventory.extent): does not overlap the grid")
    return Polygons.on_grid(features.geometry, np.ones(len(features.frame)), grid)
