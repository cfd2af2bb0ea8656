"""Total area and volume of landslides from seismology (Marc et al. 2016, JGR Earth Surf. 121:640).

The total grows with the motion that leaves each stretch of the rupture, with its length, and with
how steep the ground is; it needs neither a map of the shaking nor one of landslides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Style = Literal["reverse", "strike-slip", "normal"]

CRITICAL = 0.15
"""Acceleration (g) from which on slopes fail."""
SATURATION = {"reverse": 4.0, "strike-slip": 4.0, "normal": 2.8}
"""Motion 1 km from a stretch of rupture at the magnitude below (g km)."""
HINGE = 6.75
STRETCH = 3.0
"""Length of a stretch of rupture (km)."""
RIGIDITY, ASPECT, STRAIN = 3.3e10, 16.5, 3.7e-5
"""Pa; width² over length (m^⅔-based constant C1) and slip over length (C2) of Leonard (2010)."""
WIDEST = 17_000.0
"""Width of long strike-slip ruptures (m), which are longer than `LONG_RUPTURE` (m)."""
LONG_RUPTURE = 33_000.0
AREA, AREA_SLOPE = 3_445.0, 15.8
"""m² of landslides per km² of shaken ground, and the steepening (degrees) that makes e times it."""
VOLUME, VOLUME_SLOPE = 4_174.0, 11.6
"""The same of their volume (m³)."""
STEEP = 8.0
"""Modal slope (degrees) from which on a square of 1 km is steep."""
SQUARE = 1_000.0
"""Side of a square (m)."""
SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0
"""Of shares of slopes per degree: modes of a few hundred cells would jump without it."""


@dataclass(frozen=True)
class SeismicTotal:
    """What an earthquake of that size and ground should cause.

    Attributes
    ----------
    area : float
        km²; within a factor of 2 for 11 of 17 earthquakes.
    volume : float
        km³; within a factor of 2 for 63 % of 40 earthquakes.
    """

    area: float
    volume: float


def seismic_total(
    magnitude: float, style: Style, depth: float, slope: float, steep: float = 1.0
) -> SeismicTotal:
    """Return the expected total of an earthquake.

    Parameters
    ----------
    magnitude : float
        Moment magnitude.
    style : {"reverse", "strike-slip", "normal"}
    depth : float
        Mean depth of the seismic moment R0 (km), above 0.
    slope : float
        Modal slope of the steep ground (degrees, 30 m cells).
    steep : float
        Share of the ground that is steep, 0 to 1.
    """
    if not depth > 0:
        raise ValueError(f"depth {depth} must be above 0 km")
    source = _source_term(magnitude, style)
    # The farther the rupture, the smaller the disc on which it exceeds the critical acceleration.
    excess = max(source / (depth * CRITICAL) - 1.0, 0.0)
    shaken = np.pi * CRITICAL * depth**2 * excess**2 * rupture_length(magnitude, style) / STRETCH
    area = AREA * shaken * np.exp(slope / AREA_SLOPE) * steep
    volume = VOLUME * shaken * np.exp(slope / VOLUME_SLOPE) * steep
    return SeismicTotal(float(area / 1e6), float(volume / 1e9))


def _source_term(magnitude: float, style: Style) -> float:
    """Return the motion at 1 km from a stretch of rupture (g km), which saturates."""
    above = magnitude - HINGE
    power = 0.6728 * above - 0.1826 * above**2 if above <= 0 else 0.054 * above
    return SATURATION[style] * float(np.exp(power))


def rupture_length(magnitude: float, style: Style) -> float:
    """Return the length of a rupture in km (Leonard 2010, BSSA 100:1971)."""
    moment = 10.0 ** (1.5 * magnitude + 9.1)
    length = (moment / (RIGIDITY * ASPECT**1.5 * STRAIN)) ** 0.4
    if style == "strike-slip" and length > LONG_RUPTURE:
        # The width can grow no further.
        length = (moment / (RIGIDITY * STRAIN * WIDEST**1.5)) ** (2.0 / 3.0)
    return float(length / 1_000.0)


class Rows(Protocol):
    """Rows of slopes: an array, or what reads them where they are asked for."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.floating[Any]]:
        """Return some of them, (rows, cols)."""


def modal_slope(slope: Rows, cell: float) -> tuple[float, float]:
    """Return the modal slope of steep ground (degrees) and the share of ground that is steep.

    Squares of 1 km whose own modal slope is 8 degrees or more are steep; (0, 0) without any.

    Parameters
    ----------
    slope : array, (rows, cols), or Rows
        Degrees; NaN where unknown. It is read strip by strip.
    cell : float
        Its cells' side (m), which should be about 30.
    """
    side = max(round(SQUARE / cell), 1)
    # Strip by strip: slopes as whole numbers take more memory than the slopes.
    strips = [_degrees(slope[top : top + side], side) for top in range(0, len(slope), side)]
    table = np.concatenate(strips)
    # Squares of which less than half is known have no mode.
    told = table.sum(axis=1) >= side**2 / 2
    if not told.any():
        return 0.0, 0.0
    steep = told & (_modes(table) >= STEEP)
    if not steep.any():
        return 0.0, 0.0
    return float(_modes(table[steep].sum(axis=0)[None])[0]), float(steep.sum() / told.sum())


def _degrees(strip: NDArray[np.floating[Any]], side: int) -> NDArray[np.int64]:
    """Return the cells per degree of slope in the squares of a strip, (squares, 90)."""
    squares = -(-strip.shape[1] // side)
    known = np.isfinite(strip)
    degree = np.clip(strip[known], 0, 89).astype(np.int64)
    square = np.nonzero(known)[1] // side
    return np.bincount(square * 90 + degree, minlength=squares * 90).reshape(squares, 90)


def _modes(table: NDArray[np.int64]) -> Array:
    """Return the mode (degrees) of each row of counts per degree, (n, 90)."""
    reach = SMOOTHING.size // 2
    padded = np.pad(table.astype(np.float64), ((0, 0), (reach, reach)), mode="reflect")
    smooth = sum(w * padded[:, k : k + 90] for k, w in enumerate(SMOOTHING))
    return np.asarray(np.argmax(smooth, axis=1) + 0.5)
