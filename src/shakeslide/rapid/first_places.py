"""Where to look first: the squares in which a map expects the most landslide area."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from shakeslide.geo import grid as grids
from shakeslide.report import cartography, places
from shakeslide.report.cartography import View

MOST = 10
"""Squares that are listed."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square of ground.

    Attributes
    ----------
    label : str
        A, B, C, ... from the most expected area down.
    longitude, latitude : float
        Of its centre, in degrees.
    x, y : float
        Of its centre, in the grid's CRS.
    expected, ground : float
        Expected landslide area and area with a value, in km².
    """

    label: str
    longitude: float
    latitude: float
    x: float
    y: float
    expected: float
    ground: float


@dataclass(frozen=True, kw_only=True)
class FirstSquares:
    """The first squares of a map.

    Attributes
    ----------
    side : float
        Of the squares, in metres.
    squares : tuple of Square
        From the most expected area down.
    expected, ground : float
        Of the whole map, in km².
    """

    side: float
    squares: tuple[Square, ...]
    expected: float
    ground: float

    @property
    def share(self) -> float:
        """Share of all expected area that lies in these squares."""
        return sum(s.expected for s in self.squares) / self.expected if self.expected else 0.0

    @property
    def share_of_ground(self) -> float:
        """Share of the ground that lies in these squares."""
        return sum(s.ground for s in self.squares) / self.ground if self.ground else 0.0


def first(path: Path, grid: GeoBox) -> FirstSquares:
    """Return the squares of a map of probabilities in which most area is expected."""
    side = places.side_of(grids.shape_of(grid), grids.cell_size(grid))
    sums, view = places.sums(path, side), View(grid, 1)
    found = []
    for i, (row, col) in enumerate(places.ranking(sums.expected)[:MOST]):
        x, y = sums.left + (col + 0.5) * side, sums.top - (row + 0.5) * side
        lon, lat = cartography.geographic(view, np.array([x]), np.array([y]))
        found.append(
            Square(
                label=chr(65 + i),
                longitude=float(lon[0]),
                latitude=float(lat[0]),
                x=x,
                y=y,
                expected=float(sums.expected[row, col]) / 1e6,
                ground=float(sums.ground[row, col]) / 1e6,
            )
        )
    return FirstSquares(
        side=side,
        squares=tuple(found),
        expected=float(sums.expected.sum()) / 1e6,
        ground=float(sums.ground.sum()) / 1e6,
    )
