"""Stability by rows: no strip shows, every process pulls its way, strength hits the prevalence."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic import SyntheticEarthquake, geology
from shakeslide.synthetic.failure import failure_curve
from shakeslide.synthetic.stability import Interactions, evenly_spread, probabilities, slopes

NONE = Interactions(0.0, 0.0, 0.0, 0.0, 0.0)


def test_rows_done_alone_are_those_of_the_whole(earthquake: SyntheticEarthquake) -> None:
    surface, rupture = earthquake.surface, earthquake.rupture
    how = earthquake.scenario.interactions
    whole = slopes(surface, 0, surface.y.size, rupture, how)
    for start, stop in ((0, 5), (100, 131), (290, 301)):
        part = slopes(surface, start, stop, rupture, how)
        for field in fields(part):
            np.testing.assert_allclose(
                getattr(part, field.name), getattr(whole, field.name)[start:stop], atol=1e-4
            )


def test_p_star_is_what_its_parts_make(earthquake: SyntheticEarthquake) -> None:
    s, surface, rupture = earthquake.scenario, earthquake.surface, earthquake.rupture
    curve = failure_curve(s.magnitude, s.noise)
    strength = s.strength(evenly_spread(surface, rupture, s.interactions))
    p = probabilities(surface, rupture, s.interactions, curve, strength)
    np.testing.assert_array_equal(p, earthquake.p_star)
    weaker = probabilities(surface, rupture, s.interactions, curve, 0.9 * strength)
    assert (weaker >= p).all()
    assert weaker.mean() > 1.1 * p.mean()


def weakening(earthquake: SyntheticEarthquake, how: Interactions) -> np.ndarray:
    """Cohesion with a process over that without."""
    rows = (0, earthquake.surface.y.size)
    plain = slopes(earthquake.surface, *rows, earthquake.rupture, NONE)
    return slopes(earthquake.surface, *rows, earthquake.rupture, how).cohesion / plain.cohesion


def test_bedded_rocks_are_weaker_where_slopes_face_with_the_dip(
    earthquake: SyntheticEarthquake,
) -> None:
    surface = earthquake.surface
    ratio = weakening(earthquake, replace(NONE, dip_slope=0.4))
    massive = geology.table("layered")[surface.rock] == 0.0
    np.testing.assert_allclose(ratio[massive], 1.0, atol=1e-6)
    beds = geology.bedding(earthquake.rupture.structure, surface.x, surface.y)
    aspect = derivatives(surface.elevation, 25.0, 25.0).aspect_deg
    facing = np.cos(np.radians(aspect - beds.azimuth))
    assert ratio.min() == pytest.approx(0.6, abs=0.03)
    assert facing[ratio < 0.85].min() > 0.4
    np.testing.assert_allclose(ratio[facing < 0.0], 1.0, atol=1e-6)
    # Thrust sheets dip under the hanging wall, to the right of the strike.
    turn = (beds.azimuth - earthquake.rupture.structure.strike) % 360.0
    assert np.median(turn) == pytest.approx(90.0, abs=40.0)


def test_larger_rivers_undercut_their_banks(earthquake: SyntheticEarthquake) -> None:
    surface = earthquake.surface
    ratio = weakening(earthquake, replace(NONE, undercutting=0.4))
    away = distance_transform_edt(surface.drainage <= 5.0)
    np.testing.assert_allclose(ratio[away < 5], 0.6, rtol=1e-4)
    np.testing.assert_allclose(ratio[away > 8], 1.0, rtol=1e-4)
    assert 0.0 < (ratio < 0.9).mean() < 0.5


def test_gentle_slopes_are_held_up(earthquake: SyntheticEarthquake) -> None:
    found = slopes(earthquake.surface, 0, earthquake.surface.y.size, earthquake.rupture, NONE)
    rock = earthquake.surface.rock
    base = geology.table("friction")[rock]
    assert found.friction[found.slope > 35] == pytest.approx(base[found.slope > 35], abs=0.02)
    flat = found.slope < 3.0
    tangents = np.tan(np.radians(found.friction[flat])) / np.tan(np.radians(base[flat]))
    assert tangents.min() > 1.9
