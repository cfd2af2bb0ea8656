"""Intensity and ground motion turned into each other (Worden et al. 2012, BSSA 102:204).

MMI = a + b log₁₀ Y in two pieces, Y being PGA in cm/s² or PGV in cm/s, larger horizontal component.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

G = 980.665
"""Standard gravity (cm/s²)."""
LOWEST = 1e-6
"""Smallest motion that has a logarithm here."""


@dataclass(frozen=True)
class Relation:
    """Two straight pieces between log₁₀ Y and MMI.

    Attributes
    ----------
    weak, strong : (float, float)
        Intercept and slope of either piece.
    bend, mmi_bend : float
        log₁₀ Y and MMI from which on the strong piece holds.
    """

    weak: tuple[float, float]
    strong: tuple[float, float]
    bend: float
    mmi_bend: float

    def mmi(self, motion: Array) -> Array:
        """Return MMI, unlimited, of motions; any shape, and the same shape back."""
        log = np.log10(np.maximum(motion, LOWEST))
        (a, b), (c, d) = self.weak, self.strong
        return np.asarray(np.where(log > self.bend, c + d * log, a + b * log))

    def motion(self, mmi: Array) -> Array:
        """Return the motions of MMI; any shape, and the same shape back."""
        (a, b), (c, d) = self.weak, self.strong
        mmi = np.asarray(mmi, np.float64)
        log = np.where(mmi > self.mmi_bend, (mmi - c) / d, (mmi - a) / b)
        return np.asarray(10.0**log)


PGA = Relation((1.78, 1.55), (-1.60, 3.70), 1.57, 4.22)
PGV = Relation((3.78, 1.47), (2.89, 3.16), 0.53, 4.56)


def intensity_of_pga(pga: Array) -> Array:
    """Return MMI, 1 to 10, of PGA in g; any shape, and the same shape back."""
    return np.asarray(np.clip(PGA.mmi(np.asarray(pga) * G), 1.0, 10.0))


def intensity_of_pgv(pgv: Array) -> Array:
    """Return MMI, 1 to 10, of PGV in cm/s; any shape, and the same shape back."""
    return np.asarray(np.clip(PGV.mmi(np.asarray(pgv)), 1.0, 10.0))


def pga_of_intensity(mmi: Array) -> Array:
    """Return PGA in g of MMI; any shape, and the same shape back."""
    return PGA.motion(mmi) / G


def pgv_of_intensity(mmi: Array) -> Array:
    """Return PGV in cm/s of MMI; any shape, and the same shape back."""
    return PGV.motion(mmi)


def pgv_of_pga(pga: Array) -> Array:
    """Return PGV in cm/s of PGA in g by way of intensity; any shape, and the same shape back."""
    return PGV.motion(PGA.mmi(np.asarray(pga) * G))


def pga_of_pgv(pgv: Array) -> Array:
    """Return PGA in g of PGV in cm/s by way of intensity; any shape, and the same shape back."""
    return PGA.motion(PGV.mmi(np.asarray(pgv))) / G
