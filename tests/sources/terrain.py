"""Slopes made by hand, on which the right answers are known."""

from __future__ import annotations

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.sources import Landslide

CELL = 20.0
WEST, NORTH = 500_000.0, 4_000_000.0


def grid(rows: int, cols: int) -> GeoBox:
    """A grid of `CELL` m."""
    return GeoBox((rows, cols), Affine(CELL, 0, WEST, 0, -CELL, NORTH), CRS("EPSG:32643"))


def plane(rows: int, cols: int, slope: float = 0.5) -> NDArray[np.float32]:
    """A slope that falls to the south."""
    heights = 1000 - slope * CELL * np.arange(rows)[:, None]
    return np.broadcast_to(heights, (rows, cols)).astype(np.float32)


def rectangle(shape: tuple[int, int], row: int, col: int, rows: int, cols: int) -> NDArray:
    """Cells of a rectangle."""
    inside = np.zeros(shape, bool)
    inside[row : row + rows, col : col + cols] = True
    return inside


def landslide(z: NDArray, inside: NDArray, mapped: NDArray | None = None) -> Landslide:
    """A landslide on square cells."""
    return Landslide(np.asarray(z, np.float32), inside, (CELL, CELL), mapped)


def saddle(rows: int, cols: int) -> NDArray[np.float32]:
    """A ridge from west to east along the middle row; it falls to north and south."""
    return (1000 - 0.5 * CELL * np.abs(np.arange(rows) - rows // 2))[:, None] + np.zeros(
        (rows, cols), np.float32
    )
