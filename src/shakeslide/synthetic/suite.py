"""Many synthetic earthquakes that differ as real ones do, to learn from for new earthquakes.

What may have either sign on real earthquakes has either sign here: shaking grows on ridges or in
valleys, rivers undercut slopes much or not at all. The strength of the ground is drawn apart from
the shaking, so that stronger shaking makes more landslides, and equal shaking not equally many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from shakeslide.synthetic.earthquake import CENTRE, Scenario
from shakeslide.synthetic.shaking import PGA, ground_motion

EVEN_PGA = 0.4
"""Even shaking (g) by which the strength of the ground is drawn."""
STEEP, SHARE, STEEPENING, SCATTER = 30.0, 0.01, 0.06, 0.6
"""Median slope (degrees), the share of such ground that fails under that shaking, how its logarithm
grows with each degree, and its standard deviation between earthquakes. Without the scatter flat
ground would be too weak: valleys are steep where rock is strong."""
LEAST_SHARE, MOST_SHARE = 2e-4, 0.05
LEAST_PGA = 0.15
"""Median PGA (g) in the middle of a map, at least: nobody maps landslides where it is less."""
APART, MOST_APART = 40_000.0, 80
"""Distance of the middles of maps (m), and how many lie one beside the other."""
FARTHEST = 25_000.0
"""How far (m) from the usual place beside the rupture, and beyond its ends, a map may lie."""


def scenarios(seed: int, count: int, *, size: int = 400, cell: float = 30.0) -> Iterator[Scenario]:
    """Yield scenarios, the same for a seed whatever their number.

    Parameters
    ----------
    seed : int
        Of the suite, 0 or more.
    count : int
        How many.
    size : int
        Cells along a side of each map.
    cell : float
        Size of a cell (m).
    """
    for k in range(count):
        one = _scenario(np.random.default_rng([seed, 60, k]), size, cell)
        # Each on ground of its own: two runs on one ground count as one earthquake.
        yield replace(one, centre=(CENTRE[0], CENTRE[1] - APART * (k % MOST_APART)))


def _scenario(rng: np.random.Generator, size: int, cell: float) -> Scenario:
    """Draw one earthquake."""
    slope = float(rng.uniform(7.0, 38.0))
    share = SHARE * np.exp(STEEPENING * (slope - STEEP) + SCATTER * rng.standard_normal())
    one = Scenario(
        seed=int(rng.integers(2**31)),
        rows=size,
        cols=size,
        cell=cell,
        magnitude=round(float(rng.uniform(6.2, 7.9)), 2),
        median_slope=slope,
        prevalence=float(np.clip(share, LEAST_SHARE, MOST_SHARE)),
        even_pga=EVEN_PGA,
        # Wide, and undercutting weak: where few places fail, sharp and strong effects would make
        # all of them fail beside rivers, which no real earthquake shows.
        noise=float(rng.uniform(0.4, 1.0)),
        patchiness=float(rng.uniform(0.05, 0.25)),
        hidden_shaking=float(rng.uniform(0.1, 0.3)),
        hanging_wall=float(rng.uniform(0.0, 0.6)),
        topography=float(rng.uniform(-0.5, 0.5)),
        facing=float(rng.uniform(0.0, 0.5)),
        dip_slope=float(rng.uniform(0.0, 0.4)),
        undercutting=float(rng.uniform(0.0, 0.25)),
        hidden_strength=float(rng.uniform(0.05, 0.4)),
        cluster=float(rng.uniform(40.0, 120.0)),
        amalgamation=float(rng.uniform(0.2, 0.8)),
    )
    return _placed(one, rng)


def _placed(one: Scenario, rng: np.random.Generator) -> Scenario:
    """Move a map to a random place around its rupture where the ground shakes enough."""
    usual = one.rupture
    middle = 0.5 * (usual.start + usual.end)
    half = 0.5 * (usual.end - usual.start) + FARTHEST
    while True:
        away = float(rng.uniform(-FARTHEST, FARTHEST))
        along = float(rng.uniform(middle - half, middle + half))
        placed = replace(one, away=away, along=along)
        distance = placed.rupture.distance(np.zeros(1), np.zeros(1))
        if ground_motion(distance, one.magnitude, PGA)[0, 0] >= LEAST_PGA:
            return placed
