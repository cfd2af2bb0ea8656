"""Kernel density against the direct sum, and across tilings; the bandwidth by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.factors.density import default_bandwidth, quartic_density

Array = NDArray[Any]


def direct(x: Array, y: Array, px: Array, py: Array, w: Array | None, h: float) -> Array:
    """The sum as it is written, in 1/km²."""
    east, north = np.meshgrid(x, y)
    total = np.zeros(east.shape)
    for k in range(px.size):
        u = ((east - px[k]) ** 2 + (north - py[k]) ** 2) / h**2
        weight = 1.0 if w is None else w[k]
        total += np.where(u < 1, weight * 3e6 / (math.pi * h**2) * (1 - u) ** 2, 0)
    return total


@st.composite
def situations(draw: st.DrawFn) -> tuple[Array, Array, Array, Array, Array | None, float]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cols, rows = draw(st.integers(1, 110)), draw(st.integers(1, 60))
    dx, dy = draw(st.sampled_from([10.0, 28.5])), draw(st.sampled_from([10.0, 28.5]))
    x, y = 5e5 + (np.arange(cols) + 0.5) * dx, 4e6 - (np.arange(rows) + 0.5) * dy
    n = draw(st.integers(1, 60))
    px = rng.uniform(x[0] - 1500, x[-1] + 1500, n)
    py = rng.uniform(y[-1] - 1500, y[0] + 1500, n)
    if draw(st.booleans()):  # on cells' centres
        px, py = rng.choice(x, n), rng.choice(y, n)
    weights = 10 ** rng.uniform(-3, 3, n) if draw(st.booleans()) else None
    return x, y, px, py, weights, draw(st.sampled_from([3.0, 40.0, 57.0, 900.0, 30_000.0]))


@settings(max_examples=120, derandomize=True)
@given(situations())
def test_by_direct_summation(
    situation: tuple[Array, Array, Array, Array, Array | None, float],
) -> None:
    ours, expected = quartic_density(*situation), direct(*situation)
    assert ours.dtype == np.float32
    assert np.abs(ours - expected).max() <= 1e-7 * expected.max()
    assert (ours[expected == 0] == 0).all()
    assert (ours >= 0).all()


@settings(max_examples=60, derandomize=True)
@given(situations(), st.data())
def test_a_cell_gets_the_same_bytes_in_any_tile(
    situation: tuple[Array, Array, Array, Array, Array | None, float], data: st.DataObject
) -> None:
    x, y, *points = situation
    whole = quartic_density(x, y, *points)
    c0, r0 = data.draw(st.integers(0, x.size - 1)), data.draw(st.integers(0, y.size - 1))
    cols = slice(c0, data.draw(st.integers(c0 + 1, x.size)))
    rows = slice(r0, data.draw(st.integers(r0 + 1, y.size)))
    part = quartic_density(x[cols], y[rows], *points)
    np.testing.assert_array_equal(part.view(np.int32), whole[rows, cols].view(np.int32))


def test_wide_maps_and_many_points() -> None:
    """Many blocks of polynomials along a row, far from the origin of the coordinates."""
    rng = np.random.default_rng(1)
    x, y = 8.1e6 + np.arange(3000) * 12.5, 5e6 - np.arange(40) * 12.5
    px, py = rng.uniform(x[0], x[-1], 3000), rng.uniform(y[-1] - 400, y[0] + 400, 3000)
    expected = direct(x[::7], y[::5], px, py, None, 250.0)
    ours = quartic_density(x, y, px, py, None, 250.0)[::5, ::7]
    assert np.abs(ours - expected).max() < 1e-7 * expected.max()


def test_no_density_is_negative_at_the_rim_of_a_disc() -> None:
    h, y = 1000.0, np.zeros(1)
    for px in np.random.default_rng(5).uniform(0, 9000, 200):
        rim = quartic_density(np.array([px + h * (1 - 1e-13)]), y, np.array([px]), y, None, h)
        assert 0 <= rim[0, 0] < 1e-12


def test_a_point_of_weight_w_holds_w_in_all() -> None:
    x, y = np.arange(0.0, 4000.0, 10), np.arange(3000.0, 0.0, -10)
    density = quartic_density(x, y, np.array([2003.0]), np.array([1507.0]), np.array([7.5]), 900.0)
    assert density.sum(dtype=np.float64) * 1e-4 == pytest.approx(7.5, rel=1e-4)
    assert density.max() == pytest.approx(7.5 * 3 / (math.pi * 0.81), rel=1e-3)


def test_weights_of_two_count_twice_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    x, y = np.arange(0.0, 900, 10), np.arange(900.0, 0, -10)
    px, py = rng.uniform(0, 900, 30), rng.uniform(0, 900, 30)
    w = rng.integers(1, 4, 30).astype(float)
    weighted = quartic_density(x, y, px, py, w, 200.0)
    repeated = quartic_density(
        x, y, np.repeat(px, w.astype(int)), np.repeat(py, w.astype(int)), None, 200.0
    )
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)
    order = rng.permutation(30)
    shuffled = quartic_density(x, y, px[order], py[order], w[order], 200.0)
    np.testing.assert_array_equal(weighted, shuffled)


def test_nothing_to_add() -> None:
    x, y, none = np.arange(5.0), np.arange(3.0), np.empty(0)
    assert not quartic_density(x, y, none, none, None, 10.0).any()
    assert not quartic_density(x, y, x, x, np.zeros(5), 10.0).any()
    assert quartic_density(x, none, x, x, None, 10.0).shape == (0, 5)
    assert quartic_density(none, x, x, x, None, 10.0).shape == (5, 0)


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.nan, math.inf])
def test_impossible_bandwidths_are_refused(bandwidth: float) -> None:
    x = np.arange(3.0)
    with pytest.raises(InputError, match="bandwidth"):
        quartic_density(x, x, x, x, None, bandwidth)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(bad: float) -> None:
    x = np.arange(3.0)
    with pytest.raises(InputError, match="point 2 has weight"):
        quartic_density(x, x, x, x, np.array([1, 1, bad]), 10.0)


def test_bandwidth_by_hand() -> None:
    # centre (10, 0); distances 10, 10, 10, 30; SD² = (3·100 + 900)/4; median 10
    x, y = np.array([0.0, 10.0, 10.0, 20.0]), np.array([0.0, 10.0, -10.0, 0.0])
    x, y = np.append(x, [10.0, 10.0]), np.append(y, [30.0, -30.0])
    d = np.array([10, 10, 10, 10, 30, 30])
    sd = math.sqrt((d**2).mean())
    expected = 0.9 * min(sd, math.sqrt(1 / math.log(2)) * 10) * 6**-0.2
    assert default_bandwidth(x, y) == pytest.approx(expected)
    assert default_bandwidth(x + 5e5, y + 4e6) == pytest.approx(expected)


def test_standard_distance_rules_where_the_median_is_larger() -> None:
    angle = np.radians(np.arange(0, 360, 30))
    x, y = 100 * np.sin(angle), 100 * np.cos(angle)  # all at 100: the median is scaled up
    assert default_bandwidth(x, y) == pytest.approx(0.9 * 100 * 12**-0.2)


def test_whole_weights_mean_the_same_as_repeated_points() -> None:
    rng = np.random.default_rng(4)
    for n in (2, 5, 12, 31):
        px, py, w = rng.normal(0, 1e3, n), rng.normal(0, 3e3, n), rng.integers(1, 5, n)
        repeated = default_bandwidth(np.repeat(px, w), np.repeat(py, w))
        assert default_bandwidth(px, py, w) == pytest.approx(repeated)


def test_points_that_give_no_bandwidth_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 points"):
        default_bandwidth(np.zeros(1), np.zeros(1))
    with pytest.raises(InputError, match="one place"):
        default_bandwidth(np.ones(5), np.ones(5))
    with pytest.raises(InputError, match="weight 0"):
        default_bandwidth(np.arange(5), np.arange(5), np.zeros(5))
