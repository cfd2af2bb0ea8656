"""The plainest rules for a new earthquake: steep ground that was shaken strongly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shakeslide.models.formulas.raw import Formula, Quantity

Array = NDArray[np.float64]


class SlopeShaking(Formula):
    """A rank from 0 to 1 that grows with slope times shaking: x / (1 + x).

    Nothing is fitted: the rank orders cells and is no probability.
    """

    rule: ClassVar[str]
    ranks: ClassVar[bool] = True

    @property
    def meaning(self) -> str:
        """What its output is."""
        return f"rank by {self.rule}, 0 to 1, no probability; not trained on the study's landslides"

    @property
    def title(self) -> str:
        """The same in a few words, for legends."""
        return "Slope times shaking"

    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        """Return None: none of its factors has classes."""
        return None

    def class_remedy(self, setting: str) -> str:
        """Return nothing: none of its factors has classes."""
        return ""

    @abstractmethod
    def _strength(self, shaking: Array) -> Array:
        """Return the shaking in a unit in which strong shaking is about 1, (n,)."""

    def _evaluate(self, values: Sequence[Array], properties: Sequence[Array]) -> Array:
        slope, shaking = values
        x = np.tan(np.radians(np.clip(slope, 0.0, 89.0))) * np.maximum(self._strength(shaking), 0.0)
        return np.asarray(x / (1.0 + x))


class SlopePGA(SlopeShaking):
    """Rank by tan(slope) times peak ground acceleration in g: x / (1 + x).

    Parameters
    ----------
    slope, pga : str
        Codes of the factors.
    """

    rule = "tan(slope) times PGA"

    def __init__(self, slope: str = "SLO", pga: str = "PGA") -> None:
        self.slope = slope
        self.pga = pga

    def quantities(self) -> tuple[Quantity, ...]:
        """Slope and peak ground acceleration."""
        return (
            Quantity("slope", "slope", "deg"),
            Quantity("pga", "peak ground acceleration", "g"),
        )

    def _strength(self, shaking: Array) -> Array:
        return shaking


class SlopePGV(SlopeShaking):
    """Rank by tan(slope) times peak ground velocity in m/s: x / (1 + x).

    Parameters
    ----------
    slope, pgv : str
        Codes of the factors.
    """

    rule = "tan(slope) times PGV"

    def __init__(self, slope: str = "SLO", pgv: str = "PGV") -> None:
        self.slope = slope
        self.pgv = pgv

    def quantities(self) -> tuple[Quantity, ...]:
        """Slope and peak ground velocity."""
        return (
            Quantity("slope", "slope", "deg"),
            Quantity("pgv", "peak ground velocity", "cm/s"),
        )

    def _strength(self, shaking: Array) -> Array:
        return shaking / 100.0
