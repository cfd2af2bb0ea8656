"""Rocks, soils and land cover of a synthetic mountain belt, and what they mean for strength."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.synthetic.noise import Axis, Floats, gaussian_field

Codes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Rock:
    """A mapped rock unit: strength of its regolith and the GLiM class it belongs to.

    Cohesion in kPa, friction angle in degrees, unit weight in kN/m3, erodibility relative to the
    mean; `layered` (0-1) tells how much its bedding weakens slopes that dip with it.
    """

    name: str
    glim: str
    cohesion: float
    friction: float
    weight: float
    erodibility: float
    layered: float


ROCKS = (
    Rock(
        name="granite",
        glim="pa",
        cohesion=22.0,
        friction=35.5,
        weight=23.0,
        erodibility=0.88,
        layered=0.0,
    ),
    Rock(
        name="gneiss",
        glim="mt",
        cohesion=21.5,
        friction=35.5,
        weight=23.0,
        erodibility=0.90,
        layered=0.2,
    ),
    Rock(
        name="schist",
        glim="mt",
        cohesion=18.5,
        friction=33.0,
        weight=22.0,
        erodibility=1.05,
        layered=0.8,
    ),
    Rock(
        name="phyllite",
        glim="mt",
        cohesion=17.0,
        friction=32.5,
        weight=21.5,
        erodibility=1.12,
        layered=1.0,
    ),
    Rock(
        name="limestone",
        glim="sc",
        cohesion=21.5,
        friction=35.0,
        weight=23.0,
        erodibility=0.90,
        layered=0.5,
    ),
    Rock(
        name="sandstone",
        glim="ss",
        cohesion=20.0,
        friction=34.0,
        weight=22.0,
        erodibility=0.98,
        layered=0.6,
    ),
    Rock(
        name="flysch",
        glim="sm",
        cohesion=17.5,
        friction=32.5,
        weight=21.5,
        erodibility=1.10,
        layered=0.9,
    ),
    Rock(
        name="basalt",
        glim="vb",
        cohesion=20.5,
        friction=35.0,
        weight=24.0,
        erodibility=0.93,
        layered=0.1,
    ),
    Rock(
        name="alluvium",
        glim="su",
        cohesion=10.0,
        friction=34.0,
        weight=19.0,
        erodibility=1.12,
        layered=0.0,
    ),
)
ALLUVIUM = len(ROCKS) - 1
BEDDED = (1, 2, 3, 4, 5, 6, 7)
"""Units that occur as bands along the strike; granite intrudes them, alluvium covers them."""


def table(name: str) -> Floats:
    """Return one property of all rocks, (rocks,) float32, by code."""
    return np.array([getattr(rock, name) for rock in ROCKS], np.float32)


SOILS = ("leptosol", "regosol", "cambisol", "luvisol", "fluvisol")
SOIL_COHESION = np.array([3.0, -2.0, 0.0, 2.0, -1.0], np.float32)
"""Cohesion a soil adds to its rock's regolith (kPa)."""
SOIL_THICKNESS = np.array([1.8, 2.4, 2.7, 3.0, 3.2], np.float32)
"""Depth of the slip surface (m)."""

LAND_COVERS = {
    50: ("broadleaved forest", 4.0),
    70: ("needleleaved forest", 4.5),
    130: ("shrubland", 2.0),
    140: ("grassland", 0.5),
    14: ("cropland", 0.0),
    200: ("bare ground", 0.0),
    210: ("water", 0.0),
    220: ("snow and ice", 0.0),
}
"""GlobCover codes: name and the cohesion its roots add (kPa)."""


def root_cohesion() -> Floats:
    """Return the cohesion that roots add (kPa), (256,) float32, by land cover code."""
    out = np.zeros(256, np.float32)
    for code, (_, cohesion) in LAND_COVERS.items():
        out[code] = cohesion
    return out


@dataclass(frozen=True)
class Structure:
    """Orientation of the belt: strike (degrees), origin of the across-strike axis (m).

    The across-strike coordinate grows towards the hanging wall, `strike` + 90 degrees.
    """

    seed: int
    strike: float
    offset: float

    def along(self, x: Axis, y: Axis) -> NDArray[np.floating[Any]]:
        """Coordinate along the strike (m), (rows, cols).

        `x`, (cols,), and `y`, (rows,), are metres from the map's middle.
        """
        a = np.radians(self.strike)
        return np.asarray(np.add.outer(y * np.cos(a), x * np.sin(a)))

    def across(self, x: Axis, y: Axis) -> NDArray[np.floating[Any]]:
        """Return the coordinate across the strike from the fault (m), (rows, cols), of axes.

        It is positive on the hanging wall; `x`, (cols,), and `y`, (rows,), are metres from the
        middle.
        """
        a = np.radians(self.strike + 90.0)
        return np.asarray(np.add.outer(y * np.cos(a), x * np.sin(a) - self.offset))


@dataclass(frozen=True)
class Bedding:
    """Dip direction and dip of layers (degrees), (rows, cols) float32 each."""

    azimuth: Floats
    dip: Floats


SPAN = 400_000.0
"""Distance from the fault (m) to which bands of rock are always laid; a larger map needs more."""


def _bands(structure: Structure, farthest: float) -> tuple[Axis, Codes]:
    """Boundaries across the strike (m) and the unit between them, from `farthest` on."""
    edges, units = _bands_from(SPAN, structure.seed, 11, 255)
    if farthest < edges[0]:
        # Laid apart, so that a larger map keeps the bands of a smaller one.
        more, beyond = _bands_from(4.0 * SPAN, structure.seed, 12, int(units[0]))
        some = int((more < edges[0]).sum())
        edges, units = np.r_[more[:some], edges], np.r_[beyond[:some], units]
    return edges, units


@lru_cache(8)
def _bands_from(span: float, seed: int, stream: int, last: int) -> tuple[Axis, Codes]:
    rng = np.random.default_rng([seed, stream])
    count = int(2 * span / 900.0) + 4
    edges = np.cumsum(rng.gamma(3.0, 900.0, count)) - span
    units = np.empty(count + 1, np.uint8)
    for k in range(count + 1):
        # A band differs from the one before, or there would be no boundary.
        choices = [unit for unit in BEDDED if unit != last]
        last = int(rng.choice(choices))
        units[k] = last
    return edges, units


def rock_units(structure: Structure, x: Axis, y: Axis) -> Codes:
    """Return codes (indices of `ROCKS`) of the bedrock, which do not depend on the relief.

    Parameters
    ----------
    structure : Structure
        The mountain belt.
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.

    Returns
    -------
    array, (rows, cols) uint8
    """
    seed = structure.seed
    warp = 1400.0 * gaussian_field(
        (seed, 1), x, y, [6000.0, 2000.0, 600.0], [0.75, 0.2, 0.05],
        stretch=2.5, azimuth=structure.strike,
    )  # fmt: skip
    place = structure.across(x, y) + warp
    edges, units = _bands(structure, float(place.min()))
    codes = units[np.searchsorted(edges, place)]
    intrusion = gaussian_field((seed, 2), x, y, [4500.0, 1500.0], [0.85, 0.15])
    # Of a standard normal field 6 % lie above 1.55.
    codes[intrusion > 1.55] = 0
    return codes


def bedding(structure: Structure, x: Axis, y: Axis) -> Bedding:
    """Return layers that dip towards the hanging wall, gently bent along the strike.

    Parameters
    ----------
    structure : Structure
        The mountain belt.
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.

    Returns
    -------
    Bedding
        Azimuth and dip in degrees, (rows, cols) float32 each.
    """
    bend = gaussian_field((structure.seed, 3), x, y, [9000.0])
    tilt = gaussian_field((structure.seed, 4), x, y, [5000.0])
    azimuth = (structure.strike + 90.0 + 20.0 * bend) % 360.0
    return Bedding(azimuth.astype(np.float32), (34.0 + 8.0 * tilt).astype(np.float32))


def cover_alluvium(codes: Codes, slope: Floats, area_km2: Floats) -> Codes:
    """Return rock codes with alluvium on the valley floors of larger rivers.

    Parameters
    ----------
    codes : array, (rows, cols) uint8
        Rock of each cell.
    slope, area_km2 : array, (rows, cols)
        Slope (degrees) and drainage area (km2).

    Returns
    -------
    array, (rows, cols) uint8
        A copy.
    """
    out = codes.copy()
    out[(slope < 9.0) & (area_km2 > 3.0)] = ALLUVIUM
    return out


def soil_types(
    structure: Structure, x: Axis, y: Axis, height: Floats, slope: Floats, codes: Codes
) -> Codes:
    """Codes (indices of `SOILS`) from smoothed slope and relative height, with a chance of both.

    Parameters
    ----------
    structure : Structure
        The mountain belt.
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.
    height : array (rows, cols)
        Elevation relative to the map, 0 at its 2nd and 1 at its 98th percentile.
    slope : array (rows, cols)
        Degrees, smoothed over some hundred metres.
    codes : array (rows, cols), uint8
        Rock of each cell.

    Returns
    -------
    array (rows, cols), uint8
    """
    chance = gaussian_field((structure.seed, 5), x, y, [2500.0, 700.0], [0.7, 0.3])
    steep = slope + 4.0 * chance
    out = np.full(codes.shape, 2, np.uint8)
    # Each line overrides those above.
    out[steep > 31.0] = 1
    out[(steep > 33.0) & (height + 0.15 * chance > 0.6)] = 0
    out[(steep < 24.0) & (height < 0.7)] = 3
    out[codes == ALLUVIUM] = 4
    return out


def land_cover(
    structure: Structure,
    x: Axis,
    y: Axis,
    height: Floats,
    slope: Floats,
    area_km2: Floats,
) -> Codes:
    """Return GlobCover codes by height zones, slope and chance; large rivers are water.

    Parameters
    ----------
    structure : Structure
        The mountain belt.
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.
    height : array (rows, cols)
        Elevation relative to the map, 0 at its 2nd and 1 at its 98th percentile.
    slope, area_km2 : array, (rows, cols)
        Slope (degrees) and drainage area (km2).

    Returns
    -------
    array, (rows, cols) uint8
    """
    chance = gaussian_field((structure.seed, 6), x, y, [1800.0, 500.0, 150.0], [0.5, 0.3, 0.2])
    zone = height + 0.12 * chance
    out = np.full(height.shape, 50, np.uint8)
    # Each line overrides those above.
    out[zone > 0.45] = 70
    out[zone > 0.72] = 140
    out[zone > 0.88] = 200
    out[zone > 1.05] = 220
    out[(chance > 0.9) & (zone < 0.72)] = 130
    out[(slope < 14.0) & (zone < 0.4)] = 14
    out[(slope > 44.0) & (zone > 0.6)] = 200
    out[area_km2 > 60.0] = 210
    return out
