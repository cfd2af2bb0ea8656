"""The fuzzy model of Kritikos et al. (2015) for earthquakes that nobody has mapped yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.models.formulas.raw import Formula, Quantity

Array = NDArray[np.float64]
Curve = tuple[tuple[float, ...], tuple[float, ...]]

INTENSITY: Curve = (
    (5.0, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0),
    (0.01, 0.038, 0.138, 0.277, 0.495, 0.709, 0.834, 0.92),
)
"""MMI and membership."""
SLOPE: Curve = ((2.5, 10.0, 20.0, 30.0, 40.0, 50.0), (0.02, 0.204, 0.452, 0.682, 0.813, 0.884))
"""Degrees and membership."""
FAULT: Curve = (
    (2.5, 5.0, 7.5, 11.25, 15.0, 20.0, 30.0, 50.0),
    (1.0, 0.864, 0.712, 0.46, 0.224, 0.114, 0.029, 0.011),
)
"""Distance to active faults (km) and membership."""
FLAT, VALLEY, MIDSLOPE, RIDGE = 0.025, 0.342, 0.751, 0.915
"""Memberships of positions on the slope."""
FLAT_SLOPE = 5.0
"""Slope (degrees) below which ground that is neither ridge nor valley is flat."""
GAMMA = 0.9
"""Weight of the fuzzy sum against the fuzzy product."""


class Kritikos2015(Formula):
    """Relative hazard after Kritikos, Robinson and Davies (2015), JGR Earth Surf. 120:711.

    H = (1 − Π(1 − μ))^0.9 (Π μ)^0.1 of the memberships μ of intensity, slope, distance to active
    faults and position on the slope (read from the published figures, ± 0.02).

    Parameters
    ----------
    step : float
        Topographic position index (m) from which on ground is a ridge, and below minus which it is
        a valley; what lies between is flat below 5 degrees of slope, else mid-slope. The default is
        about one standard deviation in mountains, in the paper's ring of 62.5 to 150 m.
    intensity, slope, faults, position : str
        Codes of the factors: MMI, slope, distance to active faults, topographic position.
    """

    ranks: ClassVar[bool] = True

    def __init__(
        self,
        step: float = 20.0,
        intensity: str = "EI",
        slope: str = "SLO",
        faults: str = "DFA",
        position: str = "TPI",
    ) -> None:
        self.step = step
        self.intensity = intensity
        self.slope = slope
        self.faults = faults
        self.position = position

    @property
    def meaning(self) -> str:
        """What its output is."""
        return (
            "relative hazard after Kritikos et al. (2015), 0 to 1; not trained on the study's "
            "landslides"
        )

    @property
    def title(self) -> str:
        """The same in a few words, for legends."""
        return "Relative hazard of landslides"

    def quantities(self) -> tuple[Quantity, ...]:
        """Intensity, slope, distance to faults, position on the slope."""
        if not self.step > 0:
            raise InputError(f"kritikos2015: step {self.step:g} must be above 0 m")
        return (
            Quantity("intensity", "intensity", "MMI"),
            Quantity("slope", "slope", "deg"),
            Quantity("faults", "distance to active faults", "m"),
            Quantity("position", "topographic position", "m"),
        )

    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        """Return None: none of its factors has classes."""
        return None

    def class_remedy(self, setting: str) -> str:
        """Return nothing: none of its factors has classes."""
        return ""

    def _evaluate(self, values: Sequence[Array], properties: Sequence[Array]) -> Array:
        intensity, slope, faults, position = values
        memberships = (
            np.interp(intensity, *INTENSITY),
            np.interp(slope, *SLOPE),
            np.interp(faults / 1_000.0, *FAULT),
            position_membership(position, slope, float(self.step)),
        )
        return gamma_overlay(memberships)


def position_membership(position: Array, slope: Array, step: float) -> Array:
    """Return the membership of positions on the slope, (n,).

    `position` is the topographic position index (m), `slope` in degrees, (n,) each; `step` the
    index from which on ground is a ridge.
    """
    between = np.where(slope < FLAT_SLOPE, FLAT, MIDSLOPE)
    return np.where(position >= step, RIDGE, np.where(position <= -step, VALLEY, between))


def gamma_overlay(memberships: Sequence[Array]) -> Array:
    """Return the fuzzy gamma overlay, (n,), of memberships, (n,) each."""
    stacked = np.stack(memberships)
    fuzzy_sum = 1.0 - np.prod(1.0 - stacked, axis=0)
    return np.asarray(fuzzy_sum**GAMMA * np.prod(stacked, axis=0) ** (1.0 - GAMMA))
