"""What the models learnt to find, in words: it is not the same ground in every study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shakeslide.report.artefacts import Artefacts


@dataclass(frozen=True)
class Target:
    """What a cell that counts as positive is.

    Attributes
    ----------
    cell : str
        Such a cell: "landslide source cell".
    ground : str
        Such ground: "landslide source area".
    limits : str
        A sentence: what the map says and what it does not.
    """

    cell: str
    ground: str
    limits: str


BESIDE = "of buildings, roads or people it says nothing."
SOURCES = Target(
    "landslide source cell",
    "landslide source area",
    "The map tells where slopes fail (it learnt from mapped source areas), not how far the debris "
    f"runs; {BESIDE}",
)
EXTRACTED = Target(
    "landslide source cell",
    "landslide source area",
    "The map tells where slopes fail, not how far the debris runs. It learnt from source areas "
    f"that an algorithm took out of whole outlines, with its errors; {BESIDE}",
)
OUTLINES = Target(
    "landslide cell",
    "landslide area",
    "The map learnt from whole landslide outlines: what it calls landslide is ground that failed "
    f"or that debris ran over, which it cannot tell apart; {BESIDE}",
)
POINTS = Target(
    "cell with a landslide",
    "area of cells with a landslide",
    "The map learnt from landslides mapped as points, a cell each: it tells where they are, not "
    f"how large they are; {BESIDE}",
)


def of(run: Artefacts, inputs: Mapping[str, Any]) -> Target:
    """Return what a run's models learnt to find.

    Parameters
    ----------
    run : Artefacts
        It knows the study file.
    inputs : mapping
        As for `report.write`: the row of the inventory tells points from polygons.
    """
    asked = run.provenance["study"].get("inventory") or {}
    row = next((r for r in inputs["layers"] if r["name"] == "inventory"), None)
    if row is not None and "point" in row["kind"]:
        return POINTS
    if asked.get("positives_from") == "extracted":
        return EXTRACTED
    if asked.get("sources") or asked.get("source_where"):
        return SOURCES
    return OUTLINES
