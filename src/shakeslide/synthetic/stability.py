"""How near to failure each cell is: ln(critical acceleration / peak acceleration), by rows.

Everything here depends on a cell and a few neighbours, so any rows of a map can be done alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import brentq

from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic import geology
from shakeslide.synthetic.failure import FailureCurve, critical_acceleration
from shakeslide.synthetic.geology import Codes
from shakeslide.synthetic.noise import Axis, Floats, gaussian_field
from shakeslide.synthetic.shaking import Rupture
from shakeslide.synthetic.strips import by_strips

HALO = 8
"""Rows beyond a block that its cells depend on."""
RIDGE = 40.0
"""Topographic position (m above the mean of 325 m around) of full amplification."""

HIDDEN = ([80_000.0, 12_000.0, 4_000.0], [0.4, 0.35, 0.25])
"""Spacings (m) and weights of the pattern of shaking that no ShakeMap shows: the widest is nearly
the same at all places of a map, as what sets an earthquake apart from others of its size."""

GENTLE = 12.0
"""Slope (degrees) below which the ground in front holds a slope up."""


@dataclass(frozen=True)
class Interactions:
    """How strongly the state of the ground bends the Newmark chain; see `Scenario`."""

    topography: float
    facing: float
    dip_slope: float
    undercutting: float
    hidden_strength: float
    hidden_shaking: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The map's surface.

    Attributes
    ----------
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.
    cell : float
        Cell size (m).
    elevation, drainage, pga : array, (rows, cols) float32
        Elevation (m), drainage area (km2), median PGA (g).
    rock, soil, cover : array, (rows, cols) uint8
        Codes of the classes.
    """

    x: Axis
    y: Axis
    cell: float
    elevation: Floats
    drainage: Floats
    pga: Floats
    rock: Codes
    soil: Codes
    cover: Codes


@dataclass(frozen=True)
class Slopes:
    """Infinite slopes, one per cell, and the shaking at each.

    Slope and friction in degrees, cohesion in kPa, unit weight in kN/m3, thickness in m, wet as a
    share, shaking as ln of the acceleration in g.
    """

    slope: Floats
    cohesion: Floats
    friction: Floats
    weight: Floats
    thickness: Floats
    wet: Floats
    shaking: Floats

    def log_ratio(self, strength: float) -> Floats:
        """Return ln(critical / peak acceleration), (rows, cols), the ground's strength scaled.

        `strength` multiplies cohesion and the tangent of friction.
        """
        tangent = np.tan(np.radians(self.friction)) * np.float32(strength)
        critical = critical_acceleration(
            self.slope,
            self.cohesion * np.float32(strength),
            tangent,
            self.weight,
            self.thickness,
            self.wet,
        )
        # A slope that does not stand by itself has no logarithm.
        return np.asarray(np.log(np.maximum(critical, 1e-4)) - self.shaking, np.float32)


def _shaking(
    surface: Surface,
    rows: slice,
    terrain: tuple[Floats, Floats],
    z: Floats,
    rupture: Rupture,
    how: Interactions,
) -> Floats:
    """Ln acceleration at the surface: more on ridges and on slopes that face away."""
    slope, aspect = terrain
    position = np.clip((z - uniform_filter(z, 13)) / RIDGE, -1.0, 1.0)
    east, north = rupture.epicentre
    away = np.arctan2(surface.x[None, :] - east, surface.y[rows, None] - north)
    facing = np.cos(np.radians(aspect) - away) * np.minimum(np.sin(np.radians(slope)) / 0.5, 1.0)
    gain = how.topography * position + how.facing * facing
    if how.hidden_shaking > 0.0:
        seed = (rupture.structure.seed, 53)
        gain += how.hidden_shaking * gaussian_field(seed, surface.x, surface.y[rows], *HIDDEN)
    return np.asarray(np.log(surface.pga[rows]) + gain, np.float32)


def _strength(
    surface: Surface,
    rows: slice,
    terrain: tuple[Floats, Floats],
    rupture: Rupture,
    how: Interactions,
) -> Floats:
    """Factor on strength: dip slopes, undercut banks, gentle slopes confined, hidden variation."""
    slope, aspect = terrain
    x, y = surface.x, surface.y[rows]
    beds = geology.bedding(rupture.structure, x, y)
    layered = geology.table("layered")[surface.rock[rows]]
    with_dip = np.clip(np.cos(np.radians(aspect - beds.azimuth)), 0.0, 1.0) ** 2
    daylight = np.exp(-(((slope - beds.dip) / 14.0) ** 2))
    factor = 1.0 - how.dip_slope * layered * with_dip * daylight
    # A filter may leave more than 0 of zeros by rounding.
    bank = uniform_filter((surface.drainage[rows] > 5.0).astype(np.float32), 11) > 1e-6
    factor *= 1.0 - how.undercutting * bank
    factor *= 1.0 + np.exp(-((slope / GENTLE) ** 2))
    hidden = gaussian_field((rupture.structure.seed, 52), x, y, [250.0, 90.0])
    return np.asarray(factor * np.exp(how.hidden_strength * hidden), np.float32)


def slopes(surface: Surface, start: int, stop: int, rupture: Rupture, how: Interactions) -> Slopes:
    """Infinite slopes of the rows from `start` up to `stop`."""
    above, below = min(HALO, start), min(HALO, surface.y.size - stop)
    rows = slice(start - above, stop + below)
    z = surface.elevation[rows]
    found = derivatives(z, surface.cell, surface.cell)
    terrain = (found.slope_deg, found.aspect_deg)
    rock, soil = surface.rock[rows], surface.soil[rows]
    factor = _strength(surface, rows, terrain, rupture, how)
    cohesion = geology.table("cohesion")[rock] + geology.SOIL_COHESION[soil]
    cohesion = (cohesion + geology.root_cohesion()[surface.cover[rows]]) * factor
    friction = np.degrees(np.arctan(np.tan(np.radians(geology.table("friction")[rock])) * factor))
    thickness = geology.SOIL_THICKNESS[soil] * np.clip(1.4 - found.slope_deg / 70.0, 0.4, 1.2)
    # Level ground would be infinitely wet.
    gradient = np.tan(np.radians(np.maximum(found.slope_deg, 1.0)))
    wetness = np.log(surface.drainage[rows] * 1e6 / surface.cell / gradient)
    inner = slice(above, above + stop - start)

    def kept(values: NDArray[Any]) -> Floats:
        return np.asarray(values, np.float32)[inner]

    return Slopes(
        slope=kept(found.slope_deg),
        cohesion=kept(cohesion),
        friction=kept(friction),
        weight=kept(geology.table("weight")[rock]),
        thickness=kept(thickness),
        wet=kept(np.clip((wetness - 6.0) / 5.0, 0.0, 1.0)),
        shaking=kept(_shaking(surface, rows, terrain, z, rupture, how)),
    )


def _strips(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Evenly spread strips of 8 rows, at most so many; all rows where they are few."""
    if rows <= 8 * most:
        yield 0, rows
        return
    for k in range(most):
        start = (2 * k + 1) * (rows - 8) // (2 * most)
        yield start, start + 8


def evenly_spread(surface: Surface, rupture: Rupture, how: Interactions) -> list[Slopes]:
    """Infinite slopes of strips that are spread evenly, 64 of them or the whole map."""
    return [slopes(surface, a, b, rupture, how) for a, b in _strips(surface.y.size, 64)]


def strength_for(parts: Sequence[Slopes], curve: FailureCurve, prevalence: float) -> float:
    """Scale of the ground's strength with which a share `prevalence` of slopes fails on average."""
    size = sum(p.slope.size for p in parts)

    def excess(log_strength: float) -> float:
        total = sum(float(curve(p.log_ratio(float(np.exp(log_strength)))).sum()) for p in parts)
        return total / size - prevalence

    return float(np.exp(brentq(excess, -3.0, 3.0, xtol=1e-4)))


def probabilities(
    surface: Surface, rupture: Rupture, how: Interactions, curve: FailureCurve, strength: float
) -> Floats:
    """Exact probability of failure p* of every cell, (rows, cols)."""
    out: NDArray[np.float32] = np.empty(surface.elevation.shape, np.float32)

    def strip(start: int, stop: int) -> None:
        out[start:stop] = curve(slopes(surface, start, stop, rupture, how).log_ratio(strength))

    by_strips(strip, out.shape[0])
    return out
