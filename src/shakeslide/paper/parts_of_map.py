"""Parts of the map: the tile and the area of most landslides, and how they are seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster, vector
from shakeslide.io.vector import VectorSource
from shakeslide.report.cartography import Float, View
from shakeslide.sampling.sample_table import Samples

SIDE = 3000.0
"""Side in metres of the area that is sought where none is given."""


@dataclass(frozen=True)
class PartView(View):
    """A part of the grid as a figure shows it.

    Parameters
    ----------
    grid : GeoBox
        Of the part.
    most : int
        Most cells along the longer side.
    tile : Tile
        The part's place in the whole grid.
    """

    tile: Tile

    @property
    def rows(self) -> slice:
        """Rows of the whole grid that are seen."""
        return slice(self.tile.row0 + self.first[0], self.tile.row1, self.step)

    @property
    def cols(self) -> slice:
        """Columns of the whole grid that are seen."""
        return slice(self.tile.col0 + self.first[1], self.tile.col1, self.step)

    @property
    def first(self) -> tuple[int, int]:
        """The middle of the picture's first cell, in cells of the grid."""
        # Not beyond the rows and columns that the picture's last cells, which may be cut, still
        # have.
        return tuple(min(self.step // 2, (n - 1) % self.step) for n in self.grid.shape)  # type: ignore[return-value]

    def read(self, path: Path, average: bool = True) -> Float:
        """Return a raster of the whole grid on the picture's cells, the middle ones of each.

        Parameters
        ----------
        path : Path
            A file on the whole grid.
        average : bool
            Not used: a part of the map is never averaged.

        Returns
        -------
        array, (rows, cols) float32
            NaN where the file has no value.
        """
        t = self.tile
        window = ((t.row0, t.row1), (t.col0, t.col1))
        with raster.result(path) as src:
            values = src.read(1, window=window).astype(np.float32)
            if src.nodata is not None and not np.isnan(src.nodata):
                values[values == src.nodata] = np.nan
        return np.asarray(values[self.first[0] :: self.step, self.first[1] :: self.step])


def view_of(grid: GeoBox, tile: Tile, most: int = 600) -> PartView:
    """Return how a part of a grid is seen."""
    return PartView(grids.window(grid, tile), most, tile)


def chosen_tile(grid: GeoBox, size: int, samples: Samples, asked: str | None) -> Tile:
    """Return the tile that is asked for, or that of most sampled source cells.

    Parameters
    ----------
    grid : GeoBox
        The whole grid.
    size : int
        Side of the tiles in cells.
    samples : Samples
        Where the source cells are.
    asked : str, optional
        "row,col": place of the tile among the tiles, from 0 in the north-west.

    Raises
    ------
    InputError
        No such tile.
    """
    tiles = {t.index: t for t in grids.tiles(grid, size)}
    last = max(tiles)
    if asked is None:
        places, counts = np.unique(np.stack(_sources(samples)) // size, axis=1, return_counts=True)
        row, col = places[:, counts.argmax()]
        return tiles[int(row), int(col)]
    parts = asked.split(",")
    try:
        index = int(parts[0]), int(parts[1])
        # No tile has the other index: more than two numbers are refused as well.
        return tiles[index if len(parts) == 2 else (-1, -1)]
    except (ValueError, IndexError, KeyError):
        raise InputError(
            f"--tile {asked}: give row,col of a tile of {size} cells a side, from 0,0 to "
            f"{last[0]},{last[1]}"
        ) from None


@dataclass(frozen=True)
class Area:
    """A chosen area.

    Attributes
    ----------
    tile : Tile
        The rectangle of cells around it.
    shape : shapely geometry
        The area in the grid's CRS.
    said : str
        What it is.
    """

    tile: Tile
    shape: Any
    said: str

    def inside(self, grid: GeoBox, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """Return which of some cells of the grid have their centre in it, (rows, cols) bool."""
        a, (height, width) = grid.affine, grids.shape_of(grid)
        x = a.c + (np.arange(width)[cols] + 0.5) * a.a
        y = a.f + (np.arange(height)[rows] + 0.5) * a.e
        xx, yy = np.meshgrid(x, y)
        return np.asarray(shapely.contains_xy(self.shape, xx, yy))


def chosen_area(grid: GeoBox, samples: Samples, path: Path | None) -> Area:
    """Return the polygon of a file, or the square of 3 km with most sampled source cells.

    Raises
    ------
    InputError
        A file without polygons on the grid.
    """
    if path is not None:
        features = vector.read(VectorSource(path, "--area"), grids.crs_of(grid), "polygon")
        shape = shapely.union_all(np.asarray(features.geometry))
        return Area(_tile_around(grid, shape, path), shape, f"the area of {path.name}")
    dx, dy = grids.cell_size(grid)
    height, width = grids.shape_of(grid)
    high, wide = min(height, round(SIDE / dy)), min(width, round(SIDE / dx))
    corner = _densest(*_sources(samples), (high, wide), grid)
    tile = Tile((0, 0), corner[0], corner[0] + high, corner[1], corner[1] + wide)
    box = grids.bounds(grids.window(grid, tile))
    shape = shapely.box(box.left, box.bottom, box.right, box.top)
    said = f"the square of {wide * dx / 1000:.3g} km with most sampled source cells"
    return Area(tile, shape, said)


def _sources(samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of the sampled source cells."""
    row, col = (place[samples.label == 1] for place in samples.cells)
    return row, col


def _densest(
    row: NDArray[np.int64], col: NDArray[np.int64], size: tuple[int, int], grid: GeoBox
) -> tuple[int, int]:
    """Return the corner of the rectangle that holds most points, to a tenth of its side."""
    step = max(1, min(size) // 10)
    high, wide = (max(1, s // step) for s in size)
    rows, cols = (math.ceil(n / step) for n in grids.shape_of(grid))
    # A summed-area table (Crow 1984): four entries give the sum over any rectangle.
    count = np.zeros((rows + 1, cols + 1), np.int64)
    np.add.at(count, (row // step + 1, col // step + 1), 1)
    total = count.cumsum(axis=0).cumsum(axis=1)
    high, wide = min(high, rows), min(wide, cols)
    inside = (
        total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    )
    i, j = np.unravel_index(int(inside.argmax()), inside.shape)
    limit = grids.shape_of(grid)
    # The last rectangle may reach over the grid by less than a step.
    return min(int(i) * step, limit[0] - size[0]), min(int(j) * step, limit[1] - size[1])


def _tile_around(grid: GeoBox, shape: Any, path: Path) -> Tile:
    if shape.is_empty:
        raise InputError(f"--area {path}: its polygons have no area; draw one around some cells")
    a, (height, width) = grid.affine, grids.shape_of(grid)
    left, bottom, right, top = shapely.bounds(shape)
    cols = np.clip([(left - a.c) / a.a, (right - a.c) / a.a], 0, width)
    # Rows run southwards (`a.e` is negative), so the top comes first.
    rows = np.clip([(top - a.f) / a.e, (bottom - a.f) / a.e], 0, height)
    tile = Tile(
        (0, 0), math.floor(rows[0]), math.ceil(rows[1]), math.floor(cols[0]), math.ceil(cols[1])
    )
    if tile.row1 - tile.row0 < 2 or tile.col1 - tile.col0 < 2:
        raise InputError(f"--area {path}: the polygon holds no cells of the study's grid")
    return tile
