"""Ground motion and its scatter after Boore et al. (2014), Earthq. Spectra 30:1057 (BSSA14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Name = Literal["PGA", "PGV"]

Style = Literal["unspecified", "strike_slip", "normal", "reverse"]
"""How the fault slips."""


@dataclass(frozen=True)
class _Coefficients:
    """Of one measure, by the names of the paper; `source` is e0 to e3, one per style."""

    source: dict[Style, float]
    e4: float
    e5: float
    e6: float
    bend: float
    c1: float
    c2: float
    c3: float
    h: float
    site: float
    stiff: float
    f4: float
    f5: float


STYLES: tuple[Style, ...] = ("unspecified", "strike_slip", "normal", "reverse")
COEFFICIENTS: dict[Name, _Coefficients] = {
    "PGV": _Coefficients(
        dict(zip(STYLES, (5.037, 5.078, 4.849, 5.033), strict=True)),
        e4=1.073, e5=-0.1536, e6=0.2252, bend=6.2, c1=-1.243, c2=0.1489, c3=-0.00344, h=5.3,
        site=-0.84, stiff=1300.0, f4=-0.1, f5=-0.00844,
    ),
    "PGA": _Coefficients(
        dict(zip(STYLES, (0.4473, 0.4856, 0.2459, 0.4539), strict=True)),
        e4=1.431, e5=0.05053, e6=-0.1662, bend=5.5, c1=-1.134, c2=0.1917, c3=-0.008088, h=4.5,
        site=-0.6, stiff=1500.0, f4=-0.15, f5=-0.00701,
    ),
}  # fmt: skip
ROCK = 760.0
"""Shear-wave velocity (m/s) of the motion on rock."""


def median(
    measure: Name, magnitude: float, distance: Array, vs30: Array, style: Style = "unspecified"
) -> Array:
    """Return the median PGA (g) or PGV (cm/s), of any shape.

    Parameters
    ----------
    measure : {"PGA", "PGV"}
    magnitude : float
        Moment magnitude, 3 to 8.5.
    distance : array, any shape
        Joyner-Boore distance (km), 0 to 300.
    vs30 : array, same shape
        Shear-wave velocity of the upper 30 m (m/s), 150 to 1500.
    style : {"unspecified", "strike_slip", "normal", "reverse"}

    Notes
    -----
    RotD50, without regional or basin terms.
    """
    c = COEFFICIENTS[measure]
    pga = _on_rock(COEFFICIENTS["PGA"], magnitude, distance, style)
    soft = np.minimum(vs30, ROCK) - 360.0
    f2 = c.f4 * (np.exp(c.f5 * soft) - np.exp(c.f5 * (ROCK - 360.0)))
    site = c.site * np.log(np.minimum(vs30, c.stiff) / ROCK) + f2 * np.log((pga + 0.1) / 0.1)
    return np.asarray(_on_rock(c, magnitude, distance, style) * np.exp(site))


def _on_rock(c: _Coefficients, magnitude: float, distance: Array, style: Style) -> Array:
    """Return the median on rock; any shape, and the same shape back."""
    over = magnitude - c.bend
    size = c.e4 * over + c.e5 * over**2 if over <= 0 else c.e6 * over
    r = np.hypot(distance, c.h)
    path = (c.c1 + c.c2 * (magnitude - 4.5)) * np.log(r) + c.c3 * (r - 1.0)
    return np.asarray(np.exp(c.source[style] + size + path))


DEVIATIONS: dict[Name, tuple[tuple[float, float], tuple[float, float]]] = {
    "PGA": ((0.398, 0.348), (0.695, 0.495)),
    "PGV": ((0.401, 0.346), (0.644, 0.552)),
}
"""τ and φ at magnitudes up to 4.5 and from 5.5 on, in natural logarithms."""


def deviations(measure: Name, magnitude: float | None) -> tuple[float, float]:
    """Return the standard deviations between earthquakes and within one, τ and φ.

    Of the natural logarithm of PGA or PGV, near the source and on stiff ground; an unknown
    magnitude counts as 5.5 or more.
    """
    # Linear in magnitude from 4.5 to 5.5.
    at = 5.5 if magnitude is None else magnitude
    tau, phi = (float(np.interp(at, (4.5, 5.5), ends)) for ends in DEVIATIONS[measure])
    return tau, phi
