"""From a few settings to a whole synthetic earthquake whose probabilities are known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter, uniform_filter

from shakeslide.core.errors import InputError
from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic import geology
from shakeslide.synthetic.drainage import Reaches, accumulate, river_reaches, steepest_receivers
from shakeslide.synthetic.draw import draw_failures
from shakeslide.synthetic.failure import FailureCurve, failure_curve
from shakeslide.synthetic.mappers import Mapping, map_landslides, voids
from shakeslide.synthetic.mountains import Ground
from shakeslide.synthetic.noise import Axis, Floats, gaussian_field
from shakeslide.synthetic.relief import Frame, Relief, make_relief
from shakeslide.synthetic.runout import Landslides, make_landslides
from shakeslide.synthetic.shaking import (
    Aftershocks,
    Motion,
    Rupture,
    aftershock_sequence,
    make_rupture,
    shake,
)
from shakeslide.synthetic.stability import (
    Interactions,
    Slopes,
    Surface,
    evenly_spread,
    probabilities,
    strength_for,
)
from shakeslide.synthetic.strips import by_strips

CENTRE = (400_000.0, 3_450_000.0)
"""Map coordinates of the middle of a synthetic map, unless its scenario says otherwise."""
CRS = "EPSG:32648"
SMALLEST = 24
"""Fewest rows or columns of a map."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Settings of a synthetic earthquake; the same settings always give the same earthquake.

    Attributes
    ----------
    seed : int
        Of everything that is left to chance, 0 or more.
    rows, cols : int
        Size of the map (cells), at least 24.
    cell : float
        Cell size (m).
    magnitude : float
        Moment magnitude, 5 to 8.5.
    median_slope : float
        Degrees; the relief is stretched to it.
    prevalence : float
        Share of the map that fails on average; the strength of the ground is scaled to it.
    even_pga : float
        Above 0: the strength is scaled so that this share fails under an even shaking of so much
        (g) in an earthquake of magnitude 7. The share that fails in this earthquake then depends
        on its own shaking. At 0 the share is this earthquake's.
    noise : float
        Standard deviation of ln ground motion about the median, which nobody observes.
    patchiness : float
        Standard deviation of the pattern in ln ground motion that intensity and ShakeMap show.
    hidden_shaking : float
        Standard deviation of a pattern in ln ground motion that they do not show.
    away, along : float
        How far (m) the map lies from its usual place beside the rupture: across the strike,
        towards the foot wall, and along the strike.
    hanging_wall : float
        Excess of ln ground motion on the hanging wall beside the rupture.
    topography : float
        Gain of ln ground motion on ridges; as much is lost in valleys. Below 0, valleys gain.
    facing : float
        Gain of ln ground motion on slopes that face away from the epicentre.
    dip_slope : float
        Share of strength lost where bedded rocks dip with the slope.
    undercutting : float
        Share of strength lost beside larger rivers.
    hidden_strength : float
        Standard deviation of ln strength within mapped units, which no map shows.
    cluster : float
        Width of single failures (m).
    amalgamation : float
        Probability that a landslide that runs into another becomes one outline with it.
    mapped_share : float
        Share of the map within the mapped extent.
    smallest_mapped : float
        Area (m2) of landslides of which half are mapped; larger ones mostly are, smaller ones not.
    void_share : float
        Share of the elevation model that is missing.
    centre : (float, float)
        Map coordinates (m, EPSG:32648) of the middle of the map.
    """

    seed: int = 1
    rows: int = 1000
    cols: int = 1000
    cell: float = 25.0
    magnitude: float = 7.2
    median_slope: float = 28.0
    prevalence: float = 0.04
    even_pga: float = 0.0
    noise: float = 0.3
    patchiness: float = 0.15
    hidden_shaking: float = 0.0
    away: float = 0.0
    along: float = 0.0
    hanging_wall: float = 0.4
    topography: float = 0.4
    facing: float = 0.4
    dip_slope: float = 0.45
    undercutting: float = 0.25
    hidden_strength: float = 0.08
    cluster: float = 60.0
    amalgamation: float = 0.5
    mapped_share: float = 1.0
    smallest_mapped: float = 0.0
    void_share: float = 0.0
    centre: tuple[float, float] = CENTRE

    def __post_init__(self) -> None:
        for name, low, high in LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"synthetic earthquake: {name} = {value} is not between {low:g} and {high:g}"
                )

    @property
    def extent(self) -> float:
        """Longer side of the map (m)."""
        return max(self.rows, self.cols) * self.cell

    @property
    def interactions(self) -> Interactions:
        """What bends the Newmark chain."""
        return Interactions(
            self.topography, self.facing, self.dip_slope, self.undercutting, self.hidden_strength,
            self.hidden_shaking,
        )  # fmt: skip

    @property
    def rupture(self) -> Rupture:
        """The rupture at its place beside the map."""
        return make_rupture(self.seed, self.magnitude, self.extent, (self.away, self.along))

    @property
    def curve(self) -> FailureCurve:
        """Share that fails in this earthquake."""
        return failure_curve(self.magnitude, self.noise)

    def strength(self, parts: Sequence[Slopes]) -> float:
        """Return the scale of the ground's strength, found on parts of the map as `tested`."""
        magnitude = EVEN_MAGNITUDE if self.even_pga > 0.0 else self.magnitude
        return strength_for(parts, failure_curve(magnitude, self.noise), self.prevalence)

    def tested(self, surface: Surface) -> tuple[Surface, Interactions]:
        """Return the ground, and what bends the chain, by which its strength is found."""
        if self.even_pga <= 0.0:
            return surface, self.interactions
        pga = np.full_like(surface.pga, self.even_pga)
        return replace(surface, pga=pga), replace(self.interactions, hidden_shaking=0.0)


EVEN_MAGNITUDE = 7.0
"""Magnitude of the even shaking by which the strength of the ground may be found."""
LIMITS: list[tuple[str, float, float]] = [
    ("seed", 0, 2**40),
    ("rows", SMALLEST, 40_000),
    ("cols", SMALLEST, 40_000),
    ("cell", 1, 1000),
    ("magnitude", 5, 8.5),
    ("median_slope", 5, 45),
    ("prevalence", 1e-4, 0.3),
    ("even_pga", 0, 2),
    ("noise", 0, 2),
    ("patchiness", 0, 2),
    ("hidden_shaking", 0, 2),
    ("away", -300_000, 300_000),
    ("along", -300_000, 300_000),
    ("hanging_wall", 0, 2),
    ("topography", -2, 2),
    ("facing", 0, 2),
    ("dip_slope", 0, 0.9),
    ("undercutting", 0, 0.9),
    ("hidden_strength", 0, 2),
    ("cluster", 1, 10_000),
    ("amalgamation", 0, 1),
    ("mapped_share", 0.05, 1),
    ("smallest_mapped", 0, 1e6),
    ("void_share", 0, 0.5),
]
"""Least and greatest value of each setting."""


@dataclass(frozen=True)
class Earthquake:
    """A synthetic earthquake without its map.

    Attributes
    ----------
    scenario : Scenario
    rupture : Rupture
    aftershocks : Aftershocks
    """

    scenario: Scenario
    rupture: Rupture
    aftershocks: Aftershocks

    @property
    def geobox(self) -> GeoBox:
        """Grid of the map, (rows, cols), north up."""
        s = self.scenario
        corner = (s.centre[0] - 0.5 * s.cols * s.cell, s.centre[1] + 0.5 * s.rows * s.cell)
        transform = Affine(s.cell, 0.0, corner[0], 0.0, -s.cell, corner[1])
        return GeoBox((s.rows, s.cols), transform, CRS)

    def motion_at(self, x: NDArray[Any], y: NDArray[Any]) -> Motion:
        """Return the median ground motion on a grid, (rows, cols), given by its axes.

        Parameters
        ----------
        x : array, (cols,)
            Metres from the map's middle, eastwards.
        y : array, (rows,)
            Metres from the map's middle, northwards.
        """
        s = self.scenario
        return shake(self.rupture, x, y, hanging_wall=s.hanging_wall, patchiness=s.patchiness)


@dataclass(frozen=True, kw_only=True)
class SyntheticEarthquake(Earthquake):
    """A synthetic earthquake: what a user would see of it, and the truth.

    All arrays are (rows, cols) of the `geobox`, north up.

    Attributes
    ----------
    relief : Relief
        Elevation with a margin around the map, for the rivers.
    surface : Surface
        Elevation, drainage area, median PGA and classes of rock, soil and land cover.
    pgv : array
        Median PGV (cm/s).
    p_star : array, float32
        Exact probability that a cell fails.
    failed : array, bool
        Cells that failed: exactly the sources of the landslides.
    landslides : Landslides
    mapping : Mapping
        Which of them are in the inventory, and the mapped extent.
    """

    relief: Relief
    surface: Surface
    pgv: Floats
    p_star: Floats
    failed: NDArray[np.bool_]
    landslides: Landslides
    mapping: Mapping

    @property
    def elevation(self) -> Floats:
        """True elevation (m), (rows, cols) float32."""
        return self.surface.elevation

    @cached_property
    def dem(self) -> Floats:
        """Elevation as a user gets it (m), (rows, cols) float32, NaN in voids."""
        share = self.scenario.void_share
        if share == 0.0:
            return self.elevation
        holes = voids(self.scenario.seed, self.surface.x, self.surface.y, share)
        return np.where(holes, np.float32(np.nan), self.elevation)

    @cached_property
    def rivers(self) -> Reaches:
        """River reaches on the terrain with its margin (`relief.frame`)."""
        receivers = steepest_receivers(self.relief.elevation)
        area = accumulate(receivers, self.relief.inflow)
        return river_reaches(receivers, area, river_cells(self.scenario.cell, area.size))


def river_cells(cell: float, size: int) -> float:
    """Drainage area (cells) from which on water is a river: 1 km2, on a small terrain less."""
    return min(1e6 / cell**2, 0.02 * size)


def ground(rupture: Rupture, frame: Frame) -> Ground:
    """Erodibility by rock, uplift faster on the hanging wall, stable slopes by rock and chance."""
    x, seed = frame.x, rupture.structure.seed
    out = Ground(*(np.empty((frame.rows, frame.cols), np.float32) for _ in range(3)))

    def strip(start: int, stop: int) -> None:
        y = frame.y[start:stop]
        rocks = geology.table("erodibility")[geology.rock_units(rupture.structure, x, y)]
        chance = gaussian_field((seed, 50), x, y, [3000.0, 800.0])
        _, across = rupture.coordinates(x, y)
        out.erodibility[start:stop] = rocks * np.exp(np.float32(0.2) * chance)
        out.uplift[start:stop] = 0.75 + 0.5 / (1.0 + np.exp(-across / 2500.0))
        out.steepest[start:stop] = np.clip(1.0 - 0.25 * (rocks - 1.0) + 0.06 * chance, 0.6, 1.4)

    by_strips(strip, frame.rows)
    return out


def regional(rupture: Rupture, frame: Frame) -> Floats:
    """Return smooth heights (m), (rows, cols): a mountain front along the fault and broad waves."""
    x, y = frame.x, frame.y
    _, across = rupture.coordinates(x, y)
    waves = gaussian_field((rupture.structure.seed, 51), x, y, [12_000.0, 5_000.0], [0.7, 0.3])
    front = 900.0 / (1.0 + np.exp(-across / 5000.0))
    return np.asarray(900.0 + front + 150.0 * waves, np.float32)


def stretch(relief: Relief, median_slope: float) -> Relief:
    """Return the same terrain with its heights scaled to a median slope (degrees)."""
    inner = relief.inner
    slope = derivatives(relief.elevation[inner], relief.frame.cell, relief.frame.cell).slope_deg
    # Gradients scale with heights, angles do not.
    factor = np.tan(np.radians(median_slope)) / np.tan(np.radians(np.median(slope)))
    lowest = relief.elevation.min()
    z = (relief.elevation - lowest) * np.float32(factor) + np.float32(LOWEST)
    return Relief(relief.frame, z, relief.inflow, relief.inner)


LOWEST = 500.0
"""Elevation of the lowest place (m)."""


def _surface(scenario: Scenario, rupture: Rupture, relief: Relief, motion: Motion) -> Surface:
    """Rock, soil and land cover on the finished terrain."""
    inner = relief.inner
    x, y = relief.frame.x[inner[1]], relief.frame.y[inner[0]]
    z = np.ascontiguousarray(relief.elevation[inner])
    area = accumulate(steepest_receivers(relief.elevation), relief.inflow)
    drainage = np.ascontiguousarray(area[inner]) * np.float32(scenario.cell**2 / 1e6)
    low, high = (np.float32(q) for q in np.percentile(z, [2, 98]))
    bare = BareGround(x=x, y=y, cell=scenario.cell, elevation=z, drainage=drainage)
    return make_surface(bare, (low, high), rupture.structure, motion)


@dataclass(frozen=True, kw_only=True)
class BareGround:
    """The ground of a map or a window of it, before rock, soil and land cover.

    Attributes
    ----------
    x, y : array (cols,), (rows,)
        Coordinates (m).
    cell : float
        Cell size (m).
    elevation, drainage : array (rows, cols)
        Elevation (m) and drainage area (km2).
    """

    x: Axis
    y: Axis
    cell: float
    elevation: Floats
    drainage: Floats


def make_surface(
    bare: BareGround,
    span: tuple[np.float32, np.float32],
    structure: geology.Structure,
    motion: Motion,
) -> Surface:
    """Rock, soil and land cover of a map or a window of it.

    Parameters
    ----------
    bare : BareGround
    span : (float, float)
        2nd and 98th percentile of the map's elevation (m).
    structure : Structure
    motion : Motion
        On the same cells.
    """
    x, y, cell, z, drainage = bare.x, bare.y, bare.cell, bare.elevation, bare.drainage
    slope = derivatives(z, cell, cell).slope_deg
    height = (z - span[0]) / max(span[1] - span[0], np.float32(1.0))
    wide_height = gaussian_filter(height, 6.0, truncate=2.0)
    floor, wide_slope, water = (
        uniform_filter(field, size) for field, size in ((slope, 7), (slope, 21), (drainage, 15))
    )
    rock, soil, cover = (np.empty(z.shape, np.uint8) for _ in range(3))

    def strip(start: int, stop: int) -> None:
        a, rows = slice(start, stop), y[start:stop]
        bedrock = geology.rock_units(structure, x, rows)
        rock[a] = geology.cover_alluvium(bedrock, floor[a], water[a])
        soil[a] = geology.soil_types(structure, x, rows, wide_height[a], wide_slope[a], rock[a])
        cover[a] = geology.land_cover(structure, x, rows, height[a], slope[a], drainage[a])

    by_strips(strip, y.size)
    return Surface(
        x=x, y=y, cell=cell, elevation=z, drainage=drainage, pga=motion.pga, rock=rock, soil=soil,
        cover=cover,
    )  # fmt: skip


def make(scenario: Scenario) -> SyntheticEarthquake:
    """Make a synthetic earthquake.

    Parameters
    ----------
    scenario : Scenario

    Returns
    -------
    SyntheticEarthquake

    Notes
    -----
    Terrain and drainage need the whole map in memory, about 60 bytes a cell; shaking, stability
    and failures are done strip by strip.
    """
    rows, cols, cell = scenario.rows, scenario.cols, scenario.cell
    rupture = scenario.rupture
    relief = make_relief(
        rows, cols, cell,
        lambda frame: ground(rupture, frame), lambda frame: regional(rupture, frame),
        scenario.seed,
    )  # fmt: skip
    relief = stretch(relief, scenario.median_slope)
    motion = _motion(scenario, rupture, relief)
    surface = _surface(scenario, rupture, relief, motion)
    tested, how = scenario.tested(surface)
    strength = scenario.strength(evenly_spread(tested, rupture, how))
    p_star = probabilities(surface, rupture, scenario.interactions, scenario.curve, strength)
    failed = draw_failures(scenario.seed, surface, p_star, scenario.cluster)
    slides = make_landslides(
        failed, surface.elevation, cell, scenario.seed, amalgamation=scenario.amalgamation
    )
    mapping = map_landslides(
        scenario.seed, slides, surface, scenario.mapped_share, scenario.smallest_mapped
    )
    return SyntheticEarthquake(
        scenario, rupture, aftershock_sequence(rupture, scenario.seed), relief=relief,
        surface=surface, pgv=motion.pgv, p_star=p_star, failed=failed, landslides=slides,
        mapping=mapping,
    )  # fmt: skip


def _motion(scenario: Scenario, rupture: Rupture, relief: Relief) -> Motion:
    """Median ground motion on the map, strip by strip."""
    x, y = relief.frame.x[relief.inner[1]], relief.frame.y[relief.inner[0]]
    out = Motion(*(np.empty((y.size, x.size), np.float32) for _ in range(2)))

    def strip(start: int, stop: int) -> None:
        part = shake(
            rupture, x, y[start:stop],
            hanging_wall=scenario.hanging_wall, patchiness=scenario.patchiness,
        )  # fmt: skip
        out.pga[start:stop], out.pgv[start:stop] = part.pga, part.pgv

    by_strips(strip, y.size)
    return out
