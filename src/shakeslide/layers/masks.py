"""Masks of ground where no landslide can occur (lakes, glaciers, sea), which is never sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster, vector
from shakeslide.layers.polygons import Polygons
from shakeslide.layers.readers import is_vector, raster_info, raster_source, vector_source
from shakeslide.study.settings import Mask as MaskSettings


@dataclass(frozen=True)
class Mask:
    """One mask on the grid.

    Attributes
    ----------
    ground : Polygons or RasterSource
        Where it is.
    classes : tuple of int or None
        Values of the raster that are masked; None: all but 0.
    value : float
        What maps show: 0, or NaN.
    """

    ground: Polygons | raster.RasterSource
    classes: tuple[int, ...] | None
    value: float

    def covers(self, grid: GeoBox, tile: Tile) -> NDArray[np.bool_]:
        """Return which cells of a tile lie in the mask, by their centres, (rows, cols) bool."""
        if isinstance(self.ground, Polygons):
            return np.asarray(self.ground.burn(tile, fill=0) > 0)
        block = grids.window(grid, tile)
        if self.classes is None:
            values = self.ground.read(block)
            return np.asarray(np.isfinite(values) & (values != 0))
        return np.asarray(np.isin(self.ground.read_codes(block), self.classes))


@dataclass(frozen=True)
class Masks:
    """All masks of a study; where they overlap, the first one's value is shown.

    Attributes
    ----------
    grid : GeoBox
        The grid.
    masks : tuple of Mask
        In the study's order.
    notes : tuple of str
        What was repaired.
    """

    grid: GeoBox
    masks: tuple[Mask, ...]
    notes: tuple[str, ...] = ()

    def covers(self, tile: Tile) -> NDArray[np.bool_]:
        """Return which cells of a tile lie in any mask, by their centres, (rows, cols) bool."""
        covered = np.zeros(tile.shape, np.bool_)
        for mask in self.masks:
            covered |= mask.covers(self.grid, tile)
        return covered

    def applied(self, tile: Tile, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a map's values on a tile with those of the masks put in.

        Parameters
        ----------
        tile : Tile
            Where.
        values : array, (rows, cols) float32
            The map's values on it.

        Returns
        -------
        array, (rows, cols) float32
            A copy, in which the first mask that covers a cell gives its value.
        """
        out = values.copy()
        # The first one last, so that its value is shown.
        for mask in reversed(self.masks):
            out[mask.covers(self.grid, tile)] = mask.value
        return out


def load(settings: Sequence[MaskSettings], grid: GeoBox) -> Masks:
    """Read the masks of a study onto the grid.

    Raises
    ------
    InputError
        A layer that is missing or cannot serve.
    """
    notes: list[str] = []
    masks = tuple(_load(m, name_of(m, i), grid, notes) for i, m in enumerate(settings))
    return Masks(grid, masks, tuple(notes))


def name_of(settings: MaskSettings, index: int) -> str:
    """Return what messages call a mask."""
    return f"masks.{settings.name or index + 1}"


def _load(settings: MaskSettings, name: str, grid: GeoBox, notes: list[str]) -> Mask:
    value = np.nan if settings.map_value == "nodata" else float(settings.map_value)
    classes = None if settings.classes is None else tuple(settings.classes)
    if not is_vector(settings):
        raster_info(settings, name)
        source = raster_source(settings, categorical=classes is not None, name=name).nearest()
        return Mask(source, classes, value)
    if classes is not None:
        raise InputError(
            f"{settings.path} ({name}): classes are for rasters; choose polygons with where ="
        )
    features = vector.read(vector_source(settings, name), grids.crs_of(grid), "polygon")
    notes.extend(f"{name}: {note}" for note in features.notes)
    shapes = features.geometry
    return Mask(Polygons.on_grid(shapes, np.ones(len(shapes)), grid), None, value)
