"""Earthquake source, ground motion, intensity and aftershocks of a synthetic earthquake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.synthetic.geology import Structure
from shakeslide.synthetic.noise import Axis, Floats, gaussian_field

Array = NDArray[np.floating[Any]]

PGA = {
    "c1": -0.6605, "c2": 0.1197, "c3": -0.01151, "h": 1.35,
    "e4": -0.5097, "e5": 0.28805, "e6": -0.10164, "e7": 0.0, "mh": 6.75, "sigma": 0.564,
}  # fmt: skip
PGV = {
    "c1": -0.8737, "c2": 0.1006, "c3": -0.00334, "h": 2.54,
    "e4": 5.0821, "e5": 0.18322, "e6": -0.12736, "e7": 0.0, "mh": 8.5, "sigma": 0.560,
}  # fmt: skip
"""Boore and Atkinson (2008) on rock (760 m/s), reverse faults: PGA in g, PGV in cm/s."""


def ground_motion(distance: Array, magnitude: float, table: dict[str, float]) -> Array:
    """Median ground motion of Boore and Atkinson (2008).

    Parameters
    ----------
    distance : array, any shape
        Joyner-Boore distance (km).
    magnitude : float
    table : dict
        `PGA` or `PGV`.

    Returns
    -------
    array, of the same shape
        PGA (g) or PGV (cm/s).
    """
    r = np.hypot(distance, table["h"])
    path = (table["c1"] + table["c2"] * (magnitude - 4.5)) * np.log(r) + table["c3"] * (r - 1.0)
    over = magnitude - table["mh"]
    if over <= 0.0:
        source = table["e4"] + table["e5"] * over + table["e6"] * over**2
    else:
        source = table["e4"] + table["e7"] * over
    return np.asarray(np.exp(source + path))


def intensity(pgv: Array) -> Array:
    """Modified Mercalli intensity from PGV in cm/s (Worden et al. 2012).

    Any shape, and the same shape back.
    """
    # Without motion there is no logarithm.
    log = np.log10(np.maximum(pgv, 1e-3))
    return np.asarray(
        np.clip(np.where(log > 0.53, 2.89 + 3.16 * log, 3.78 + 1.47 * log), 1.0, 10.0)
    )


@dataclass(frozen=True, kw_only=True)
class Rupture:
    """A thrust that breaks the surface, dipping under the hanging wall.

    Attributes
    ----------
    structure : Structure
        Strike and place of the fault.
    start, end : float
        Ends of the trace along the strike (m).
    dip : float
        Degrees.
    width : float
        Down-dip width (m).
    hypocentre : (float, float)
        Along the strike and down the dip (m).
    """

    structure: Structure
    magnitude: float
    start: float
    end: float
    dip: float
    width: float
    hypocentre: tuple[float, float]

    def _map(self, along: Array, across: Array) -> Array:
        """Map coordinates (x, y) of places given along and across the strike; (n, 2)."""
        a = np.radians(self.structure.strike)
        u = across + self.structure.offset
        return np.column_stack(
            [along * np.sin(a) + u * np.cos(a), along * np.cos(a) - u * np.sin(a)]
        )

    def wander(self, along: Array) -> Array:
        """Return how far the trace lies from its mean line (m), at places `along` it (m).

        Any shape, and the same shape back.
        """
        flat = np.asarray(along, float).ravel()
        out = np.zeros(flat.size)
        rng = np.random.default_rng([self.structure.seed, 21])
        for wave, size in ((31_000.0, 700.0), (13_000.0, 350.0), (5_100.0, 120.0), (1_900.0, 40.0)):
            out += size * np.sin(2.0 * np.pi * (flat / wave + rng.random()))
        return out.reshape(np.shape(along))

    def trace(self, step: float = 250.0) -> Array:
        """Surface rupture, (n, 2) map coordinates (m)."""
        along = np.linspace(self.start, self.end, int((self.end - self.start) / step) + 2)
        return self._map(along, self.wander(along))

    @property
    def epicentre(self) -> tuple[float, float]:
        """Map coordinates (m)."""
        along, down = self.hypocentre
        place = self._map(np.array([along]), np.array([down * np.cos(np.radians(self.dip))]))
        return float(place[0, 0]), float(place[0, 1])

    @property
    def depth(self) -> float:
        """Depth of the hypocentre (km)."""
        return float(self.hypocentre[1] * np.sin(np.radians(self.dip)) / 1000.0)

    def plane_points(self, along: Array, down: Array) -> Array:
        """Map coordinates and depth (m) of places on the plane; (n, 3).

        The places are given along the strike and down the dip (m), (n,) each.
        """
        across = self.wander(along) + down * np.cos(np.radians(self.dip))
        return np.column_stack([self._map(along, across), down * np.sin(np.radians(self.dip))])

    def coordinates(self, x: Axis, y: Axis) -> tuple[Array, Array]:
        """Return coordinates (m) along the strike and across the bent trace, (rows, cols) each.

        `x`, (cols,), and `y`, (rows,), are metres from the map's middle.
        """
        along = self.structure.along(x, y)
        # Nodes at fixed places, so that a block of a map gets what the whole map gets.
        line = 50.0 * np.arange(np.floor(along.min() / 50.0), np.ceil(along.max() / 50.0) + 1.0)
        bend = np.interp(along, line, self.wander(line))
        return along, self.structure.across(x, y) - bend

    def fault_network(self, extent: float) -> tuple[list[str], list[Array]]:
        """Mapped faults: the one that broke, some parallel to it, some across; reach beyond.

        Returns
        -------
        names : list of str
        lines : list of array (n, 2)
            Map coordinates (m).
        """
        rng = np.random.default_rng([self.structure.seed, 22])
        names, lines = ["Main thrust"], []
        reach = 0.75 * extent
        along = np.linspace(min(self.start, -reach), max(self.end, reach), 200)
        lines.append(self._map(along, self.wander(along)))
        for k in range(5):
            shift = float(rng.uniform(0.12, 0.75) * extent * rng.choice([-0.6, 1.0]))
            ends = np.sort(rng.uniform(-reach, reach, 2))
            a = np.linspace(float(ends[0]), float(ends[1]), 80)
            bend = 0.7 * self.wander(a + 7_000.0 * (k + 1)) + shift
            names.append(f"Thrust {k + 1}")
            lines.append(self._map(a, bend))
        for k in range(4):
            a0, c0 = rng.uniform(-0.5, 0.5, 2) * extent
            angle = np.radians(rng.uniform(40.0, 80.0) * rng.choice([-1, 1]))
            t = np.linspace(-0.5, 0.5, 40) * rng.uniform(0.15, 0.4) * extent
            bend = 0.15 * self.wander(3.0 * t + 1000.0 * k)
            names.append(f"Tear fault {k + 1}")
            lines.append(
                self._map(
                    a0 + t * np.cos(angle) - bend * np.sin(angle),
                    c0 + t * np.sin(angle) + bend * np.cos(angle),
                )
            )
        return names, lines

    def distance(self, x: Axis, y: Axis) -> Array:
        """Joyner-Boore distance (km) to the plane's projection, (rows, cols).

        `x`, (cols,), and `y`, (rows,), are metres from the map's middle.
        """
        along, across = self.coordinates(x, y)
        beyond = np.maximum(np.maximum(self.start - along, along - self.end), 0.0)
        reach = self.width * np.cos(np.radians(self.dip))
        aside = np.maximum(np.maximum(-across, across - reach), 0.0)
        return np.asarray(np.hypot(beyond, aside) / 1000.0)

    def hanging_wall(self, x: Axis, y: Axis) -> Array:
        """Return 1 on the hanging wall beside the trace, fading to 0 over the plane's projection.

        The result is (rows, cols); `x`, (cols,), and `y`, (rows,), are metres from the map's
        middle.
        """
        along, across = self.coordinates(x, y)
        reach = self.width * np.cos(np.radians(self.dip))
        fade = np.clip(1.0 - across / reach, 0.0, 1.0) * (across > 0.0)
        beyond = np.maximum(np.maximum(self.start - along, along - self.end), 0.0)
        return np.asarray(fade * np.exp(-beyond / 5_000.0))


def make_rupture(
    seed: int, magnitude: float, extent: float, away: tuple[float, float] = (0.0, 0.0)
) -> Rupture:
    """Rupture of a magnitude's length through a map of a given extent (m).

    Length: log10 L = -3.22 + 0.69 M; width: log10 W = -1.01 + 0.32 M (Wells and Coppersmith 1994).
    The epicentre lies near one end, and that end near the map where the rupture is the longer.
    `away` moves the map from there, across the strike towards the foot wall and along it (m).
    """
    rng = np.random.default_rng([seed, 20])
    strike = float(rng.uniform(15.0, 65.0) + 180.0 * rng.integers(2))
    offset = float(rng.uniform(-0.22, -0.12)) * extent + away[0]
    structure = Structure(seed, strike, offset)
    length = 1000.0 * 10.0 ** (-3.22 + 0.69 * magnitude)
    width = 1000.0 * 10.0 ** (-1.01 + 0.32 * magnitude)
    near = -0.5 * min(length, 1.1 * extent) - float(rng.uniform(0.0, 0.05)) * extent
    start, end = near, near + length
    hypocentre = (start + 0.12 * length, 0.55 * width)
    if rng.random() < 0.5:
        start, end, hypocentre = -end, -start, (-hypocentre[0], hypocentre[1])
    along, down = hypocentre
    return Rupture(
        structure=structure,
        magnitude=magnitude,
        start=start - away[1],
        end=end - away[1],
        dip=float(rng.uniform(30, 42)),
        width=width,
        hypocentre=(along - away[1], down),
    )


@dataclass(frozen=True)
class Motion:
    """Median ground motion on a grid: PGA (g), PGV (cm/s), (rows, cols) float32 each."""

    pga: Floats
    pgv: Floats


def shake(rupture: Rupture, x: Axis, y: Axis, *, hanging_wall: float, patchiness: float) -> Motion:
    """Ground motion with the hanging wall's excess and a patchy pattern known to the ShakeMap.

    Parameters
    ----------
    rupture : Rupture
        The source.
    x, y : array, (cols,) and (rows,)
        Metres from the map's middle.
    hanging_wall : float
        Excess of ln ground motion beside the trace.
    patchiness : float
        Standard deviation of the pattern in ln ground motion (directivity, asperities).

    Returns
    -------
    Motion
        PGA (g) and PGV (cm/s), (rows, cols) float32 each.
    """
    distance = rupture.distance(x, y)
    excess = hanging_wall * rupture.hanging_wall(x, y)
    excess += patchiness * gaussian_field((rupture.structure.seed, 30), x, y, [9000.0, 4000.0])
    factor = np.exp(excess)
    pga = ground_motion(distance, rupture.magnitude, PGA) * factor
    pgv = ground_motion(distance, rupture.magnitude, PGV) * factor
    return Motion(pga.astype(np.float32), pgv.astype(np.float32))


@dataclass(frozen=True)
class Aftershocks:
    """Catalogue of n aftershocks, arrays (n,).

    Days after the mainshock, map coordinates (m), depth (km), magnitude.
    """

    days: Array
    x: Array
    y: Array
    depth: Array
    magnitude: Array


def aftershock_sequence(rupture: Rupture, seed: int, *, duration: float = 60.0) -> Aftershocks:
    """Aftershocks in clusters on and around the rupture plane.

    Times follow Omori and Utsu (c = 0.05 days, p = 1.1), magnitudes Gutenberg and Richter
    (b = 1) from four units below the mainshock, their number Bath's law.
    """
    rng = np.random.default_rng([seed, 40])
    # With b = 1, so many above M − 4 that the largest is 1.2 below M on average.
    count = int(rng.poisson(10.0 ** (4.0 - 1.2)))
    c, p = 0.05, 1.1
    u = rng.random(count)
    # The inverse of Omori and Utsu's cumulative number.
    days = (c ** (1 - p) + u * ((duration + c) ** (1 - p) - c ** (1 - p))) ** (1 / (1 - p)) - c
    # Cut off at M − 0.8: an aftershock must stay below its main shock.
    magnitude = rupture.magnitude - 4.0 - np.log10(1.0 - rng.random(count) * (1 - 10**-3.2))
    length = rupture.end - rupture.start
    hubs = rng.uniform(-0.05, 1.05, 14)
    along = rupture.start + length * np.where(
        rng.random(count) < 0.45,
        rng.uniform(-0.08, 1.08, count),
        hubs[rng.integers(14, size=count)] + rng.normal(0.0, 0.02, count),
    )
    down = rupture.width * rng.beta(1.6, 1.4, count)
    places = rupture.plane_points(along, down)
    places += rng.normal(0.0, 1.0, places.shape) * [1800.0, 1800.0, 1200.0]
    order = np.argsort(days)
    depth = np.maximum(places[:, 2] / 1000.0, 0.3)
    return Aftershocks(
        days[order], places[order, 0], places[order, 1], depth[order], magnitude[order]
    )
