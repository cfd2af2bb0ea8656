"""Newmark displacement: how far a slope slides on while the shaking exceeds its strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader
from shakeslide.models.formulas.raw import Formula, Quantity

WATER_WEIGHT = 9.81
"""Unit weight of water, kN/m³."""
FORMS = ("jibson2007", "jibson2007_magnitude", "jibson2000")
SMALLEST = 1e-3
"""Ratio a_c/PGA, or a_c in g, from which on displacement no longer grows."""


class Newmark(Formula):
    """Probability of failure from the Newmark displacement of an infinite slope.

    FS = c/(γ t sin α) + tan φ/tan α − m γ_w tan φ/(γ tan α), a_c = (FS − 1) g sin α; then D (cm)
    after Jibson (2007), Eng. Geol. 91:209, from r = a_c/PGA (no displacement for r ≥ 1):

    - "jibson2007": log D = 0.215 + log[(1 − r)^2.341 r^−1.438]
    - "jibson2007_magnitude": log D = −2.710 + log[(1 − r)^2.335 r^−1.478] + 0.424 M

    or after Jibson et al. (2000), Eng. Geol. 58:271, from the Arias intensity (m/s):

    - "jibson2000": log D = 1.521 log Ia − 1.993 log a_c − 1.546

    and P = 0.335 [1 − exp(−0.048 D^1.565)] of the latter, which never exceeds 0.335. Slopes that
    would not stand without shaking (a_c ≤ 0) count as a ratio of 0.001.

    Parameters
    ----------
    strength : mapping
        Per class of lithology: cohesion `c` (kPa), friction angle `phi` (degrees), unit weight
        `gamma` (kN/m³).
    t : float
        Thickness of the sliding slab, at right angles to the slope, in m.
    m : float
        Share of it that is saturated.
    form : {"jibson2007", "jibson2007_magnitude", "jibson2000"}
    magnitude : float, optional
        Moment magnitude, for "jibson2007_magnitude".
    slope, pga, arias, lithology : str
        Codes of the factors.
    """

    n_properties = 3

    def __init__(
        self,
        strength: Mapping[str, Mapping[str, float]] | None = None,
        t: float = 2.4,
        m: float = 0.0,
        form: str = "jibson2007",
        magnitude: float | None = None,
        slope: str = "SLO",
        pga: str = "PGA",
        arias: str = "ARIAS",
        lithology: str = "LITH",
    ) -> None:
        self.strength = strength
        self.t = t
        self.m = m
        self.form = form
        self.magnitude = magnitude
        self.slope = slope
        self.pga = pga
        self.arias = arias
        self.lithology = lithology

    def quantities(self) -> tuple[Quantity, ...]:
        """Slope, shaking and class of lithology."""
        if self.form not in FORMS:
            raise InputError(f"newmark: form {self.form!r} must be one of {', '.join(FORMS)}")
        if self.form == "jibson2000":
            shaking = Quantity("arias", "Arias intensity", "m/s")
        else:
            shaking = Quantity("pga", "peak ground acceleration", "g")
        slope = Quantity("slope", "slope", "deg")
        return slope, shaking, Quantity("lithology", "lithology", "class")

    def lacks(self, factors: Sequence[Any], conversion: Any) -> list[str]:
        """Name the missing quantities, strengths and the magnitude."""
        out = super().lacks(factors, conversion)
        if self.form == "jibson2007_magnitude" and self.magnitude is None:
            out.append("magnitude ([event] magnitude)")
        rocks = next((f for f in factors if f.code == self.lithology), None)
        named = rocks is not None and rocks.kind == "categorical" and bool(rocks.legend)
        # Of classes that have names the base has told it.
        if not self.strength and not named:
            out.append("strength of the lithologies ([models.newmark.strength.<class>])")
        return out

    def remarks(self) -> list[str]:
        """Tell where the magnitude lies beyond those that the regression was made of."""
        magnitude = self.magnitude
        if self.form != "jibson2007_magnitude" or magnitude is None or 5.3 <= magnitude <= 7.6:
            return []
        return [
            f"newmark: magnitude {magnitude:g} lies beyond 5.3 to 7.6, of which Jibson (2007) made "
            "the form with magnitude"
        ]

    @property
    def meaning(self) -> str:
        """What its output is."""
        return (
            "probability of failure from the Newmark displacement after Jibson et al. (2000), 0 to "
            "0.335; not trained on the study's landslides"
        )

    @property
    def title(self) -> str:
        """The same in a few words, for legends."""
        return "Probability of failure"

    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        """Return c, φ and γ of a class."""
        found = (self.strength or {}).get(name)
        if found is None:
            return None
        return float(found["c"]), float(found["phi"]), float(found["gamma"])

    def class_remedy(self, setting: str) -> str:
        """Return where strengths are given."""
        return "[models.newmark.strength.<class>]"

    def _restore(self, reader: ArrayReader) -> None:
        super()._restore(reader)
        numbers = [float(self.t), float(self.m), float(self.magnitude or 0.0)]
        if not (np.isfinite(numbers).all() and numbers[0] > 0 and 0 <= numbers[1] <= 1):
            raise ValueError(f"t, m, magnitude = {numbers}")

    def _evaluate(
        self, values: Sequence[NDArray[np.float64]], properties: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        slope, shaking = values
        critical = critical_acceleration(slope, properties[0], float(self.t), float(self.m))
        if self.form == "jibson2000":
            d = displacement_arias(critical, shaking)
        else:
            with_magnitude = self.form == "jibson2007_magnitude"
            # Compiled code takes a number, not None; without magnitude it isn't read.
            magnitude = float(self.magnitude or 0.0) if with_magnitude else 0.0
            d = displacement_pga(critical, shaking, with_magnitude, magnitude)
        p: NDArray[np.float64] = failure_probability(d)
        return p


@kernel
def critical_acceleration(
    slope: NDArray[np.float64], strength: NDArray[np.float64], t: float, m: float
) -> NDArray[np.float64]:
    """Return a_c = (FS − 1) g sin α in g, which is finite on level ground too.

    Parameters
    ----------
    slope : array, (n,)
        Degrees.
    strength : array, (n, 3)
        c (kPa), φ (degrees), γ (kN/m³).
    t, m : float
        Thickness of the slab (m), and the share of it that is saturated.

    Returns
    -------
    array, (n,) float64
        g; below 0 where the slope fails without shaking.
    """
    out = np.empty(slope.size)
    for i in range(slope.size):
        angle = np.radians(slope[i])
        friction = np.tan(np.radians(strength[i, 1]))
        weight = strength[i, 2]
        cohesive = strength[i, 0] / (weight * t)
        # (FS − 1) sin α multiplied out, so that nothing is divided by sin α.
        out[i] = cohesive + (1.0 - m * WATER_WEIGHT / weight) * friction * np.cos(angle)
        out[i] -= np.sin(angle)
    return out


@kernel
def displacement_pga(
    critical: NDArray[np.float64], pga: NDArray[np.float64], with_magnitude: bool, magnitude: float
) -> NDArray[np.float64]:
    """Return D in cm, (n,), after Jibson (2007), eq. 6, or eq. 7 with magnitude.

    `critical` and `pga` are critical and peak ground acceleration in g, (n,).
    """
    out = np.zeros(critical.size)
    for i in range(critical.size):
        # No shaking, no displacement: the ratio below would divide by 0.
        if pga[i] <= 0.0:
            continue
        r = max(critical[i] / pga[i], SMALLEST)
        if r >= 1.0:
            continue
        if with_magnitude:
            power = (1.0 - r) ** 2.335 * r**-1.478
            out[i] = 10.0 ** (-2.71 + 0.424 * magnitude) * power
        else:
            out[i] = 10.0**0.215 * (1.0 - r) ** 2.341 * r**-1.438
    return out


@kernel
def displacement_arias(
    critical: NDArray[np.float64], arias: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return D in cm, (n,), after Jibson et al. (2000).

    `critical` is the critical acceleration in g, `arias` the Arias intensity in m/s, (n,) each.
    """
    out = np.zeros(critical.size)
    for i in range(critical.size):
        if arias[i] > 0.0:
            out[i] = 10.0**-1.546 * arias[i] ** 1.521 * max(critical[i], SMALLEST) ** -1.993
    return out


@kernel
def failure_probability(cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P = 0.335 [1 − exp(−0.048 D^1.565)], (n,), of displacements D in cm, (n,)."""
    out = np.empty(cm.size)
    for i in range(cm.size):
        out[i] = 0.335 * (1.0 - np.exp(-0.048 * cm[i] ** 1.565))
    return out
