"""What is written into the file of a map or factor, and read from it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from shakeslide.io import raster

CLASS = "class_"
"""What the name of a class's tag begins with; its number follows."""
NUMBER = re.compile(r"-?[0-9]{1,10}")
FORMULA = "formula"
"""What the map of a published formula shows, whatever the study asks of the others."""


@dataclass(frozen=True, kw_only=True)
class MapTags:
    """Tags of a map, "" of what does not apply.

    Attributes
    ----------
    model, unit : str
        Whose map it is, and the unit of its values.
    before : str
        The version that a change is counted from.
    threshold : str
        Limit of the area of applicability.
    shows : str
        "susceptibility", "probability" or "formula": whose scale the values have.
    title, meaning : str
        What the map shows, in a few words and in full.
    earthquake : str
        That the map is of.
    """

    model: str = ""
    unit: str = ""
    before: str = ""
    threshold: str = ""
    shows: str = ""
    title: str = ""
    meaning: str = ""
    earthquake: str = ""

    @property
    def formula(self) -> bool:
        """Whether the values are a published formula's own."""
        return self.shows == FORMULA

    def written(self) -> dict[str, str]:
        """Return the tags as they are written, in their order."""
        return {name: value for name, value in vars(self).items() if value}


def read(path: Path) -> MapTags:
    """Return the tags of a map; `InputError` where the file cannot be read."""
    tags = raster.info(path).tags
    return MapTags(**{f.name: tags[f.name] for f in fields(MapTags) if f.name in tags})


def of_classes(names: Mapping[int, str]) -> dict[str, str]:
    """Return the tags that name classes, by number."""
    return {f"{CLASS}{number}": name for number, name in names.items()}


def class_names(tags: Mapping[str, str]) -> dict[int, str]:
    """Return the names of classes, by number, among the tags of a file.

    Tags are anyone's to add: those without a number name no class.
    """
    numbers = {tag: tag.removeprefix(CLASS) for tag in tags if tag.startswith(CLASS)}
    return {int(n): tags[tag] for tag, n in numbers.items() if NUMBER.fullmatch(n)}
