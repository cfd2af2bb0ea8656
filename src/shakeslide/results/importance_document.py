"""importance.json: which factors matter, by information, by model, and how far they repeat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.learning.explanation import Collinear, Gain, Loss, ModelImportance

NAME = "importance.json"


@dataclass(frozen=True)
class Importance(Document):
    """What is known of the factors' importance.

    Attributes
    ----------
    information_gain : tuple of Gain
        By itself, greatest first.
    collinearity : Collinear
        How far the factors repeat each other.
    models : tuple of ModelImportance
        What each model makes of its factors.
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "explain"

    information_gain: tuple[Gain, ...]
    collinearity: Collinear
    models: tuple[ModelImportance, ...]

    @property
    def losses(self) -> dict[tuple[str, ...], dict[str, Loss]]:
        """Loss of AUC by group of factors and model, greatest mean first."""
        table: dict[tuple[str, ...], dict[str, Loss]] = {}
        for model in self.models:
            for loss in model.permutation:
                table.setdefault(loss.codes, {})[model.model] = loss

        def mean(row: dict[str, Loss]) -> float:
            # A model may lack a group: means are over those that have it.
            known = [loss.mean for loss in row.values() if loss.mean is not None]
            return sum(known) / max(len(known), 1)

        return dict(sorted(table.items(), key=lambda item: -mean(item[1])))


def save(folder: Path, importance: Importance) -> Path:
    """Write a run's importance.json and return its path."""
    documents.write(folder / NAME, importance)
    return folder / NAME


def load(folder: Path) -> Importance | None:
    """Read a run's importance.json; None where the run has none.

    Raises
    ------
    InputError
        It is damaged, or of another version of shakeslide.
    """
    path = folder / NAME
    return documents.read(path, Importance) if path.exists() else None
