"""One landslide as the cells of a window of the elevation model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.sources import kernels

Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class Landslide:
    """A landslide's cells and their elevations.

    Attributes
    ----------
    z : array, (rows, cols) float32
        Elevation (m); NaN where unknown.
    inside : array, (rows, cols) bool
        Cells whose centres lie in the outline and whose elevation is known.
    cell : tuple of float
        Sides of a cell (dx, dy) in metres.
    mapped : array, (rows, cols) bool, optional
        Cells of its source area as mapped.
    """

    z: NDArray[np.float32]
    inside: Cells
    cell: tuple[float, float]
    mapped: Cells | None = None

    def __post_init__(self) -> None:
        """Copy windows that are views of a larger map.

        The kernels would otherwise be compiled for each kind of them, for seconds each.
        """
        object.__setattr__(self, "z", np.ascontiguousarray(self.z))
        object.__setattr__(self, "inside", np.ascontiguousarray(self.inside))

    @cached_property
    def count(self) -> int:
        """Cells."""
        return int(np.count_nonzero(self.inside))

    @property
    def area(self) -> float:
        """Area of the cells (m²)."""
        return self.count * self.cell[0] * self.cell[1]

    @cached_property
    def _descent(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        travelled, via = np.empty(self.inside.shape), np.empty(self.inside.shape, np.int64)
        kernels.descent(self.z, self.inside, *self.cell, travelled, via)
        return travelled, via

    @property
    def travelled(self) -> NDArray[np.float64]:
        """Longest way down to each cell from a head (m), (rows, cols), NaN outside."""
        return self._descent[0]

    @cached_property
    def fall_line(self) -> NDArray[np.int64]:
        """Flat indices of the cells on the longest way down, from its head, (n,) int64."""
        end = int(np.nanargmax(self.travelled))
        path: NDArray[np.int64] = kernels.way_to(self._descent[1], end)
        return path

    @cached_property
    def crown(self) -> int:
        """Flat index of the highest cell, the first of equals."""
        return int(np.argmax(np.where(self.inside, self.z, -np.inf)))

    @cached_property
    def length(self) -> float:
        """Length of the longest way down (m), with half a cell at either end."""
        # Ways are measured between the centres of cells.
        return float(np.nanmax(self.travelled)) + (self.cell[0] + self.cell[1]) / 2

    @property
    def width(self) -> float:
        """Width of the ellipse of this length and area, 4 A / (π L), in metres."""
        return 4.0 * self.area / (np.pi * self.length)

    @cached_property
    def drop(self) -> float:
        """Height of the highest above the lowest cell (m)."""
        heights = self.z[self.inside]
        return float(heights.max() - heights.min())

    @property
    def reach(self) -> float:
        """Drop over length: tangent of the reach angle."""
        return self.drop / self.length

    def part(self, cells: Cells) -> Landslide:
        """Return the landslide that some of the cells, (rows, cols) bool, make up."""
        return Landslide(self.z, cells, self.cell, self.mapped)

    def highest(self, count: int) -> Cells:
        """Return the `count` highest cells, (rows, cols) bool."""
        where = np.flatnonzero(self.inside)
        heights = self.z.ravel()[where]
        chosen = where[np.argsort(-heights, kind="stable")[:count]]
        return self.cells(chosen)

    def cells(self, flat: Any) -> Cells:
        """Return the cells, (rows, cols) bool, of these flat indices, (n,)."""
        out = np.zeros(self.inside.size, np.bool_)
        out[flat] = True
        return out.reshape(self.inside.shape)
