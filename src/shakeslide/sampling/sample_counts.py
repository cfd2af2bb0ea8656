"""How many cells and landslides the samples of an area are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Self

BLOCKS = "block_size"
"""The one entry that a setting of the evaluation decides, not the cells."""


@dataclass(frozen=True, kw_only=True)
class SampleCounts:
    """Cells and landslides of an area, of each kind.

    Attributes
    ----------
    cells : int
        Of the grid.
    valid_cells : int
        With a value of every factor.
    mapped_cells : int
        Of these, in the mapped extent.
    source_cells, clear_cells, excluded_cells : int
        Valid cells that are sources, clear of landslides, or neither.
    source_cells_without_values : int
        Sources that lack a value of some factor: they are left out.
    landslides, landslides_without_cell : int
        Mapped, and those of them that hold the centre of no cell.
    block_size : float
        Side of the blocks in metres; 0 as long as there are none.
    """

    cells: int
    valid_cells: int
    mapped_cells: int
    source_cells: int
    source_cells_without_values: int
    clear_cells: int
    excluded_cells: int
    landslides: int = 0
    landslides_without_cell: int = 0
    block_size: float = 0.0

    @classmethod
    def total(cls, parts: Sequence[Self]) -> Self:
        """Return the sums over parts of a grid."""
        return cls(**{f.name: sum(getattr(p, f.name) for p in parts) for f in fields(cls)})

    @property
    def prevalence(self) -> float:
        """Share of the source cells among source and clear cells."""
        return self.source_cells / (self.source_cells + self.clear_cells)

    @property
    def odds(self) -> float:
        """Source cells over clear cells."""
        return self.source_cells / self.clear_cells

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON, without blocks where there are none."""
        return asdict(self) if self.block_size else self.without_blocks()

    def without_blocks(self) -> dict[str, float]:
        """Return plain numbers without the side of the blocks."""
        return {k: v for k, v in asdict(self).items() if k != BLOCKS}

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Self:
        """Return the counts of plain numbers.

        Raises
        ------
        TypeError, ValueError
            A count is missing, unknown, no number or below 0; no source or no clear cell.
        """
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} is no number")
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is below 0 or infinite")
        side = float(values.get(BLOCKS, 0.0))
        cells = {k: int(v) for k, v in values.items() if k != BLOCKS}
        counts = cls(block_size=side, **cells)
        if not (counts.source_cells and counts.clear_cells):
            raise ValueError("no cells")
        return counts


NOT_COUNTED = SampleCounts(
    cells=0, valid_cells=0, mapped_cells=0, source_cells=0, source_cells_without_values=0,
    clear_cells=0, excluded_cells=0,
)  # fmt: skip
"""Of samples that are drawn before any factor is computed."""
