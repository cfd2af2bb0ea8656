"""Scatter of ground motion after Boore et al. (2014), Earthq. Spectra 30:1057 (BSSA14)."""

from __future__ import annotations

from typing import Literal

import numpy as np

Name = Literal["PGA", "PGV"]

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
