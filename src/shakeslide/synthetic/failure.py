"""When a slope fails: critical acceleration, Newmark displacement, exact probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.synthetic.noise import Floats

Array = NDArray[np.floating[Any]]
WATER_WEIGHT = 9.81
CEILING = 0.335
"""Largest share of cells that fail, however far they move (Jibson et al. 2000)."""


def displacement(ratio: Array, magnitude: float) -> Array:
    """Newmark displacement (cm) of Jibson (2007) with magnitude.

    Parameters
    ----------
    ratio : array, any shape
        Critical acceleration over peak ground acceleration; no displacement from 1 on.
    magnitude : float
        Moment magnitude.

    Returns
    -------
    array, of the same shape
        Displacement (cm).
    """
    # Near 0 the power would be infinite.
    r = np.clip(ratio, 1e-3, 1.0)
    power = (1.0 - r) ** 2.335 * r**-1.478
    return np.asarray(10.0 ** (-2.71 + 0.424 * magnitude) * power)


def failure_share(cm: Array) -> Array:
    """Share of cells that fail after a displacement (cm): Jibson et al. (2000).

    Any shape, and the same shape back.
    """
    return np.asarray(CEILING * (1.0 - np.exp(-0.048 * cm**1.565)))


def critical_acceleration(
    slope: Array, cohesion: Array, tangent: Array, weight: Array, thickness: Array, wet: Array
) -> Array:
    """Critical acceleration (g) of an infinite slope: (FS - 1) sin(slope).

    Parameters
    ----------
    slope : array, any shape
        Degrees.
    cohesion : array, same shape
        kPa.
    tangent : array, same shape
        Tangent of the friction angle.
    weight : array, same shape
        Unit weight (kN/m3).
    thickness : array, same shape
        Slope-normal depth of the slip surface (m).
    wet : array, same shape
        Share of that depth that is saturated.

    Returns
    -------
    array, same shape
        g; below 0 where the slope fails without shaking.
    """
    angle = np.radians(slope)
    sin, cos = np.sin(angle), np.cos(angle)
    resistance = cohesion / (weight * thickness) + (1 - wet * WATER_WEIGHT / weight) * tangent * cos
    return np.asarray(resistance - sin)


@dataclass(frozen=True)
class FailureCurve:
    """Exact probability of failure against ln(critical / median peak acceleration).

    Attributes
    ----------
    start, step : float
        The first ln ratio of the curve, and the step from each to the next.
    values : array, (n,)
        Probability at each.
    """

    start: float
    step: float
    values: Array

    def __call__(self, log_ratio: Array) -> Floats:
        """Probabilities, float32."""
        place = (log_ratio.astype(np.float64) - self.start) / self.step
        nodes = np.arange(self.values.size, dtype=np.float64)
        return np.interp(place, nodes, self.values).astype(np.float32)


@lru_cache(maxsize=16)
def failure_curve(magnitude: float, noise: float) -> FailureCurve:
    """Average the share of failures over log-normal noise in the ground motion.

    The integral over the noise is taken with the trapezoid rule on 801 nodes out to 8 standard
    deviations, where it is exact to about 1e-9; between nodes of the curve, 1e-7.
    A curve is computed once in a process, for it takes as long as a small map.
    """
    grid = np.linspace(-10.0, 6.0, 6401)
    if noise <= 0.0:
        values = failure_share(displacement(np.exp(grid), magnitude))
    else:
        z = np.linspace(-8.0, 8.0, 801)
        mass = np.exp(-0.5 * z * z)
        mass /= mass.sum()
        values = np.zeros(grid.size)
        for node, share in zip(z, mass, strict=True):
            ratio = np.exp(grid - noise * node)
            values += share * failure_share(displacement(ratio, magnitude))
    values.setflags(write=False)
    return FailureCurve(float(grid[0]), float(grid[1] - grid[0]), values)
