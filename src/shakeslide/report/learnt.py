"""What the models learnt to find, in words: it is not the same ground in every study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Learnt:
    """What a positive cell is.

    Attributes
    ----------
    cell : str
        A positive cell.
    many : str
        Positive cells, in short.
    ground : str
        What such a cell is: "... % of the cells are {ground}".
    aside : str
        What must be known of it, in parentheses; "" where the word says all.
    definition : str
        A sentence.
    plain_cell, plain_ground : str
        Such a cell and such ground, for readers who know no definition.
    limits : str
        A sentence: what a map says and what it does not.
    """

    cell: str
    many: str
    ground: str
    aside: str
    definition: str
    plain_cell: str
    plain_ground: str
    limits: str

    @property
    def cells(self) -> str:
        """Positive cells."""
        return f"{self.cell}s"


_BESIDE = "of buildings, roads or people it says nothing."
LEARNT: Mapping[str, Learnt] = {
    "sources": Learnt(
        "source cell",
        "sources",
        "landslide source",
        "",
        "A source cell is a cell whose centre lies in a mapped source area: there the slope failed",
        "landslide source cell",
        "landslide source area",
        "The map tells where slopes fail (it learnt from mapped source areas), not how far the "
        f"debris runs; {_BESIDE}",
    ),
    "extracted": Learnt(
        "source cell",
        "sources",
        "landslide source",
        " (told from the outlines)",
        "A source cell is a cell whose centre lies in a source area, and source areas are not "
        "mapped here but told from the outlines and the elevation",
        "landslide source cell",
        "landslide source area",
        "The map tells where slopes fail, not how far the debris runs. It learnt from source areas "
        f"that an algorithm took out of whole outlines, with its errors; {_BESIDE}",
    ),
    "outlines": Learnt(
        "landslide cell",
        "landslide cells",
        "landslide",
        " (whole outlines, run-out included)",
        "A landslide cell is a cell whose centre lies in the outline of a whole landslide, run-out "
        "included: source areas are not told apart",
        "landslide cell",
        "landslide area",
        "The map learnt from whole landslide outlines: what it calls landslide is ground that "
        f"failed or that debris ran over, which it cannot tell apart; {_BESIDE}",
    ),
    "points": Learnt(
        "landslide cell",
        "landslide cells",
        "landslide",
        " (the cells of mapped points)",
        "A landslide cell is the cell that the point of a mapped landslide lies in",
        "cell with a landslide",
        "area of cells with a landslide",
        "The map learnt from landslides mapped as points, a cell each: it tells where they are, "
        f"not how large they are; {_BESIDE}",
    ),
}
"""By what the positives are, as `checks.learnt_from` tells it."""
