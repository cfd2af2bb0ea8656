"""What a positive cell of a study is, decided once from its inventory, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shakeslide.study.settings import Inventory


class Positive(StrEnum):
    """What a positive cell is. Files hold the value."""

    SOURCES = "sources"
    """A cell of a mapped source area."""
    EXTRACTED = "extracted"
    """A cell of a source area that `shakeslide sources` extracted from an outline."""
    OUTLINES = "outlines"
    """A cell of a whole landslide, run-out included."""
    POINTS = "points"
    """The cell that a mapped point lies in."""

    @property
    def is_source(self) -> bool:
        """Whether a positive cell is where the slope failed, run-out excluded."""
        return self in (Positive.SOURCES, Positive.EXTRACTED)

    @property
    def cell(self) -> str:
        """A positive cell."""
        return "source cell" if self.is_source else "landslide cell"

    @property
    def plain_cell(self) -> str:
        """A positive cell, for readers who see no definition."""
        return "landslide source cell" if self.is_source else self.cell

    @property
    def cells(self) -> str:
        """Positive cells."""
        return f"{self.cell}s"

    @property
    def aside(self) -> str:
        """What positive cells are, in parentheses; "" where their name says all."""
        return "" if self is Positive.SOURCES else f" ({self.what})"

    @property
    def what(self) -> str:
        """What positive cells are, in a few words."""
        return WORDS[self].what

    @property
    def ground(self) -> str:
        """Ground of positive cells: "2 % of the area is ..."."""
        return WORDS[self].ground

    @property
    def definition(self) -> str:
        """A sentence without its full stop."""
        return WORDS[self].definition

    @property
    def limits(self) -> str:
        """What a map shows and what it does not."""
        return f"{WORDS[self].limits}. It shows nothing about buildings, roads or people."


@dataclass(frozen=True, kw_only=True)
class _Words:
    what: str
    ground: str
    definition: str
    limits: str


WORDS: Mapping[Positive, _Words] = {
    Positive.SOURCES: _Words(
        what="source areas as mapped",
        ground="landslide source area",
        definition="A source cell is a cell whose centre lies in a mapped source area, where the "
        "slope failed",
        limits="The map shows where slopes fail, because the models were trained on mapped source "
        "areas. It does not show how far the debris runs",
    ),
    Positive.EXTRACTED: _Words(
        what="source areas extracted from the outlines",
        ground="landslide source area",
        definition="A source cell is a cell whose centre lies in a source area. The source areas "
        "were not mapped but extracted from the outlines and the elevation",
        limits="The map shows where slopes fail. The models were trained on source areas that an "
        "algorithm extracted from whole outlines, with its errors. It does not show how far the "
        "debris runs",
    ),
    Positive.OUTLINES: _Words(
        what="whole outlines, run-out included",
        ground="landslide area",
        definition="A landslide cell is a cell whose centre lies in the outline of a whole "
        "landslide, run-out included: source areas are not separated",
        limits="The models were trained on whole landslide outlines, so the map shows ground that "
        "failed or that debris ran over, without separating the two",
    ),
    Positive.POINTS: _Words(
        what="cells of mapped points",
        ground="area of landslide cells",
        definition="A landslide cell is the cell that the point of a mapped landslide lies in",
        limits="The models were trained on landslides mapped as points, one cell each, so the map "
        "shows where landslides are, not how large they are",
    ),
}


def positive_of(settings: Inventory, kind: str) -> Positive:
    """Return what the positives of a study are.

    Parameters
    ----------
    settings : study.Inventory
        The table [inventory].
    kind : {"polygon", "point"}
        Geometry of the inventory's file.
    """
    if settings.positives_from == "extracted":
        return Positive.EXTRACTED
    if settings.sources is not None or settings.source_where is not None:
        return Positive.SOURCES
    return Positive.POINTS if kind == "point" else Positive.OUTLINES
