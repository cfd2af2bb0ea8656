"""Where to look first: the squares in which a map expects the most landslide area."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox

from shakeslide.geo import grid as grids
from shakeslide.report import places
from shakeslide.report.places import Square


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
        Of the whole map, in square metres.
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
    sums = places.sums(path, places.side_of(grids.shape_of(grid), grids.cell_size(grid)))
    return FirstSquares(
        side=sums.side,
        squares=tuple(places.squares(sums, grid)),
        expected=float(sums.expected.sum()),
        ground=float(sums.ground.sum()),
    )
