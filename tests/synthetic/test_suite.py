"""Suites of synthetic earthquakes: what differs, what is drawn apart, what may have either sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shakeslide.synthetic import SyntheticEarthquake
from shakeslide.synthetic.shaking import PGA, ground_motion
from shakeslide.synthetic.stability import Surface, evenly_spread, slopes
from shakeslide.synthetic.suite import LEAST_PGA, scenarios

MANY = list(scenarios(7, 60, size=40))


def test_a_suite_is_the_same_for_a_seed_whatever_its_number() -> None:
    assert MANY[:5] == list(scenarios(7, 5, size=40))
    assert MANY[0] != next(scenarios(8, 1, size=40))


def test_earthquakes_differ_in_what_differs_between_real_ones() -> None:
    def values(name: str) -> np.ndarray:
        return np.array([getattr(s, name) for s in MANY])

    for name in ("topography", "away", "along"):
        assert values(name).min() < 0 < values(name).max(), name
    assert np.ptp(values("magnitude")) > 1
    assert values("prevalence").max() > 20 * values("prevalence").min()
    for name in ("undercutting", "noise", "facing", "hanging_wall", "dip_slope", "cluster"):
        assert np.unique(values(name)).size == len(MANY), name
    # What the ground bears says nothing of how it is shaken.
    assert abs(np.corrcoef(values("magnitude"), np.log(values("prevalence")))[0, 1]) < 0.35


def test_no_two_share_ground() -> None:
    assert len({s.centre for s in MANY}) == len(MANY)


def test_every_map_is_shaken() -> None:
    middle = np.zeros(1)
    pga = [ground_motion(s.rupture.distance(middle, middle), s.magnitude, PGA)[0, 0] for s in MANY]
    assert min(pga) >= LEAST_PGA
    assert max(pga) > 2.5 * min(pga)


def shaking(earthquake: SyntheticEarthquake, **how: float) -> np.ndarray:
    """Ln acceleration with other settings of what bends the chain."""
    bent = replace(earthquake.scenario.interactions, **how)
    rows = (0, earthquake.surface.y.size)
    return slopes(earthquake.surface, *rows, earthquake.rupture, bent).shaking


def test_strength_found_by_even_shaking_is_that_of_the_ground_alone(
    earthquake: SyntheticEarthquake,
) -> None:
    def strength(surface: Surface, **change: float) -> float:
        s = replace(earthquake.scenario, **change)
        tested, how = s.tested(surface)
        return s.strength(evenly_spread(tested, earthquake.rupture, how)[::8])

    own, even = earthquake.surface, {"even_pga": 0.4}
    weak = replace(own, pga=own.pga / 2)
    change = {"magnitude": 6.4, "hidden_shaking": 1.0}
    assert strength(weak, **even, **change) == strength(own, **even)
    assert strength(weak) < strength(own)


def test_more_shaking_makes_more_landslides_of_the_same_ground(
    earthquake: SyntheticEarthquake,
) -> None:
    s = replace(earthquake.scenario, even_pga=0.4)
    tested, how = s.tested(earthquake.surface)
    parts = evenly_spread(tested, earthquake.rupture, how)[::8]
    scale = s.strength(parts)
    near, far = (
        np.mean([s.curve(part.log_ratio(scale) - np.float32(np.log(f))) for part in parts])
        for f in (1.0, 0.5)
    )
    assert far < 0.5 * near


def test_a_map_may_lie_away_from_its_rupture(earthquake: SyntheticEarthquake) -> None:
    s, middle = earthquake.scenario, np.zeros(1)
    for aside in ({"away": 30_000.0}, {"along": 200_000.0}, {"along": -200_000.0}):
        moved = replace(s, **aside).rupture
        assert moved.distance(middle, middle)[0, 0] > s.rupture.distance(middle, middle)[0, 0] + 20
    assert replace(s, away=-10_000.0).rupture.hanging_wall(middle, middle)[0, 0] > 0


def test_below_zero_valleys_gain_what_ridges_lose(earthquake: SyntheticEarthquake) -> None:
    plain = shaking(earthquake, topography=0.0)
    ridges, valleys = (shaking(earthquake, topography=t) - plain for t in (0.5, -0.5))
    np.testing.assert_allclose(valleys, -ridges, atol=1e-5)
    assert np.ptp(ridges) > 0.5


def test_no_file_shows_the_hidden_shaking(earthquake: SyntheticEarthquake) -> None:
    hidden = shaking(earthquake, hidden_shaking=0.5) - shaking(earthquake)
    assert 0.1 < hidden.std() < 1.0
    motion = replace(earthquake, scenario=replace(earthquake.scenario, hidden_shaking=0.5))
    x, y = earthquake.surface.x, earthquake.surface.y
    np.testing.assert_allclose(motion.motion_at(x, y).pga, earthquake.surface.pga, rtol=1e-5)
