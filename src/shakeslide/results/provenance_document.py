"""provenance.json: how the results of a run were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from shakeslide.core import documents
from shakeslide.core.documents import Document

NAME = "provenance.json"


@dataclass(frozen=True)
class ModelSettings:
    """How a model was trained: how angles were given to it, and its parameters."""

    angles: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class GridRecord:
    """The grid: name of its CRS, rows, columns, affine transform and side of its tiles in cells."""

    crs: str
    rows: int
    cols: int
    transform: tuple[float, ...]
    tile: int


@dataclass(frozen=True)
class InputRecord:
    """An input: name and content hash of its file, and of each file behind it where several are."""

    file: str
    content: str
    files: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Provenance(Document):
    """How the results of a run were made.

    Attributes
    ----------
    written : str
        Time of writing, ISO 8601, UTC.
    shakeslide, python, platform : str
        Versions, and the machine's system.
    libraries : mapping of str to str
        Versions by name.
    seed : int
        Of the study.
    study : mapping
        The study file as it was written.
    settings : mapping
        Its settings, defaults included, but for layers and inventory.
    models : mapping of str to ModelSettings
        By name.
    grid : GridRecord
        The grid.
    inputs : mapping of str to InputRecord
        By name.
    hash : str
        What the content hashes are.
    seconds : mapping of str to float or None
        Time of each stage.
    command : tuple of str
        The command line.
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "run"

    written: str
    shakeslide: str
    python: str
    platform: str
    libraries: Mapping[str, str]
    seed: int
    study: Mapping[str, Any]
    settings: Mapping[str, Any]
    models: Mapping[str, ModelSettings]
    grid: GridRecord
    inputs: Mapping[str, InputRecord]
    hash: str
    seconds: Mapping[str, float | None]
    command: tuple[str, ...]

    @property
    def study_name(self) -> str:
        """Name of the study, "" where it has none."""
        return str(self.settings["study"]["name"])

    @property
    def study_description(self) -> str:
        """Description of the study, "" where it has none."""
        return str(self.settings["study"]["description"])

    @property
    def train_share(self) -> float:
        """Share of the samples that a random split trains on."""
        return float(self.settings["samples"]["train_share"])


def save(folder: Path, provenance: Provenance) -> Path:
    """Write a run's provenance.json and return its path."""
    documents.write(folder / NAME, provenance)
    return folder / NAME


def load(folder: Path) -> Provenance:
    """Read a run's provenance.json; `InputError` where it is missing, damaged or of other form."""
    return documents.read(folder / NAME, Provenance)
