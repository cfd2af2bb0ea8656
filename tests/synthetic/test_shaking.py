"""Rupture, ground motion, intensity, aftershocks: laws they must follow."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from shakeslide.synthetic.shaking import (
    PGA,
    PGV,
    aftershock_sequence,
    ground_motion,
    intensity,
    make_rupture,
    shake,
)


def test_ground_motion_by_hand() -> None:
    # Boore and Atkinson (2008), reverse, rock, M 6.75 = Mh, Rjb = 10 km.
    r = np.hypot(10.0, 1.35)
    expected = np.exp(-0.5097 + (-0.6605 + 0.1197 * 2.25) * np.log(r) - 0.01151 * (r - 1))
    assert ground_motion(np.array([10.0]), 6.75, PGA)[0] == pytest.approx(expected)
    r = np.hypot(30.0, 2.54)
    expected = np.exp(
        5.0821 - 0.5 * 0.18322 - 0.25 * 0.12736
        + (-0.8737 + 0.1006 * 3.5) * np.log(r) - 0.00334 * (r - 1)
    )  # fmt: skip
    assert ground_motion(np.array([30.0]), 8.0, PGV)[0] == pytest.approx(expected)


@pytest.mark.parametrize("table", [PGA, PGV])
def test_ground_motion_falls_with_distance_and_is_continuous_in_magnitude(table: dict) -> None:
    distance = np.linspace(0, 200, 401)
    assert (np.diff(ground_motion(distance, 7.3, table)) < 0).all()
    hinge = table["mh"]
    below, above = (ground_motion(distance, hinge + d, table) for d in (-1e-7, 1e-7))
    np.testing.assert_allclose(below, above, rtol=1e-5)


def test_intensity_by_hand() -> None:
    assert intensity(np.array([100.0]))[0] == pytest.approx(2.89 + 3.16 * 2)
    assert intensity(np.array([1.0]))[0] == pytest.approx(3.78)
    assert intensity(np.array([0.0, 1e9])).tolist() == [1.0, 10.0]
    # The two branches meet at log PGV = 0.53 within the width of their rounding.
    low, high = intensity(10 ** np.array([0.53, 0.5301]))
    assert high - low == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("magnitude", [6.0, 7.2, 7.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rupture_is_as_long_as_its_magnitude_says(magnitude: float, seed: int) -> None:
    rupture = make_rupture(seed, magnitude, 25_000.0)
    trace = rupture.trace()
    length = 10 ** (-3.22 + 0.69 * magnitude) * 1000
    straight = np.hypot(*(trace[-1] - trace[0]))
    assert straight == pytest.approx(length, rel=0.15)
    along = [rupture.start, rupture.end]
    assert abs(np.diff(along)[0]) == pytest.approx(length)
    # The epicentre lies near one end, above the plane.
    near = min(abs(rupture.hypocentre[0] - end) for end in along)
    assert near == pytest.approx(0.12 * length)
    assert rupture.depth > 0


def test_joyner_boore_distance_is_that_to_the_projected_plane() -> None:
    rupture = make_rupture(5, 7.0, 25_000.0)
    t = np.linspace(rupture.start, rupture.end, 400)
    top = rupture.plane_points(t, np.zeros(t.size))[:, :2]
    base = rupture.plane_points(t, np.full(t.size, rupture.width))[:, :2]
    plane = shapely.Polygon(np.vstack([top, base[::-1]]))
    x, y = np.linspace(-60e3, 60e3, 25), np.linspace(60e3, -60e3, 25)
    expected = shapely.distance(plane, shapely.points(*np.meshgrid(x, y))) / 1000
    # The trace wanders by up to 1.2 km, also beyond its ends; distances are taken straight across.
    np.testing.assert_allclose(rupture.distance(x, y), expected, atol=2.0)
    assert np.abs(rupture.distance(x, y) - expected).mean() < 0.6
    inside = shapely.contains_xy(plane, *np.meshgrid(x, y))
    assert inside.any()
    assert (rupture.distance(x, y)[inside] < 0.3).all()


def test_the_hanging_wall_shakes_more_than_the_footwall() -> None:
    rupture = make_rupture(5, 7.0, 25_000.0)
    x, y = np.linspace(-15e3, 15e3, 61), np.linspace(15e3, -15e3, 61)
    along, across = rupture.coordinates(x, y)
    middle = (along > rupture.start) & (along < rupture.end)
    with_wall = shake(rupture, x, y, hanging_wall=0.5, patchiness=0.0).pga
    without = shake(rupture, x, y, hanging_wall=0.0, patchiness=0.0).pga
    gain = np.log(with_wall / without)
    near = middle & (np.abs(across) < 1500)
    assert gain[near & (across > 0)].mean() > 0.4
    assert np.abs(gain[across < 0]).max() < 1e-5


def test_patches_of_shaking_have_the_spread_asked_for() -> None:
    rupture = make_rupture(5, 7.0, 25_000.0)
    x, y = np.linspace(-200e3, 200e3, 300), np.linspace(200e3, -200e3, 300)
    rough = shake(rupture, x, y, hanging_wall=0.0, patchiness=0.3)
    smooth = shake(rupture, x, y, hanging_wall=0.0, patchiness=0.0)
    assert np.log(rough.pgv / smooth.pgv).std() == pytest.approx(0.3, rel=0.1)
    np.testing.assert_allclose(rough.pgv / smooth.pgv, rough.pga / smooth.pga, rtol=1e-4)


def test_a_block_of_a_map_shakes_as_the_whole() -> None:
    rupture = make_rupture(3, 7.0, 25_000.0)
    x, y = np.linspace(-9e3, 11e3, 41), np.linspace(8e3, -7e3, 33)
    whole = shake(rupture, x, y, hanging_wall=0.5, patchiness=0.2)
    part = shake(rupture, x[7:21], y[3:30], hanging_wall=0.5, patchiness=0.2)
    np.testing.assert_array_equal(part.pga, whole.pga[3:30, 7:21])
    np.testing.assert_array_equal(part.pgv, whole.pgv[3:30, 7:21])


def test_aftershocks_follow_their_laws() -> None:
    rupture = make_rupture(2, 7.2, 25_000.0)
    catalogues = [aftershock_sequence(rupture, seed) for seed in range(12)]
    magnitude = np.concatenate([c.magnitude for c in catalogues])
    days = np.concatenate([c.days for c in catalogues])
    least = 7.2 - 4.0
    assert magnitude.min() >= least
    assert magnitude.max() < 7.2 - 0.7
    # Aki's estimate of b, 1 where the law is not cut off.
    b = np.log10(np.e) / (magnitude - least).mean()
    assert b == pytest.approx(1.0, abs=0.04)
    # Omori and Utsu: the rate at 20 days over that at 2 days.
    late = ((days > 18) & (days < 22)).sum() / 4
    early = ((days > 1.8) & (days < 2.2)).sum() / 0.4
    assert late / early == pytest.approx((20.05 / 2.05) ** -1.1, rel=0.25)
    assert (np.diff(catalogues[0].days) >= 0).all()


def test_aftershocks_lie_around_the_plane() -> None:
    rupture = make_rupture(2, 7.2, 25_000.0)
    shocks = aftershock_sequence(rupture, 2)
    away = np.array([
        rupture.distance(np.array([x]), np.array([y]))[0, 0]
        for x, y in zip(shocks.x[:300], shocks.y[:300], strict=True)
    ])  # fmt: skip
    assert np.median(away) < 1.0
    assert np.percentile(away, 95) < 8.0


def test_faults_reach_beyond_the_map_and_one_of_them_broke() -> None:
    extent = 25_000.0
    rupture = make_rupture(2, 6.5, extent)
    names, lines = rupture.fault_network(extent)
    assert len(names) == len(lines) == len(set(names))
    main = shapely.LineString(lines[0])
    assert main.distance(shapely.points(rupture.trace())).max() < 60.0
    box = shapely.box(-extent / 2, -extent / 2, extent / 2, extent / 2)
    assert not box.contains(main)
    assert sum(box.intersects(shapely.LineString(line)) for line in lines) > 4
