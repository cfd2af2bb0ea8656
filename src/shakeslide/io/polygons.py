"""Polygons burnt onto tiles by cell centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from shakeslide.grid import Tile


@dataclass(frozen=True)
class Polygons:
    """Polygons with a value each, held in the grid's cell coordinates.

    Cell coordinates make burning independent of the tile: a tile is a shift by whole cells. They
    count from 1, since GDAL warns of a transform that is the identity.
    Where polygons overlap, the later one wins.
    """

    shapes: NDArray[np.object_]
    values: NDArray[np.float64]
    boxes: NDArray[np.float64]

    @classmethod
    def on_grid(
        cls, geometry: NDArray[np.object_], values: NDArray[np.float64], grid: GeoBox
    ) -> Polygons:
        """Hold `geometry` (in the grid's CRS) with `values`, one each."""
        a = grid.affine

        def to_cells(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack([(xy[:, 0] - a.c) / a.a + 1, (xy[:, 1] - a.f) / a.e + 1])

        shapes = np.asarray(shapely.transform(geometry, to_cells), dtype=object)
        return cls(shapes, np.asarray(values, float), shapely.bounds(shapes))

    def burn(self, tile: Tile, fill: float = np.nan) -> NDArray[np.float64]:
        """Return the value of the polygon that holds each cell's centre, else `fill`.

        Returns
        -------
        array, (rows, cols) float64
        """
        b = self.boxes
        near = (
            (b[:, 0] < tile.col1 + 1)
            & (b[:, 2] > tile.col0 + 1)
            & (b[:, 1] < tile.row1 + 1)
            & (b[:, 3] > tile.row0 + 1)
        )
        out = np.full(tile.shape, fill)
        if near.any():
            pairs = zip(self.shapes[near], self.values[near], strict=True)
            rasterize(pairs, out=out, transform=Affine.translation(tile.col0 + 1, tile.row0 + 1))
        return out
