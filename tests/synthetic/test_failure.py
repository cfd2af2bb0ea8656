"""The Newmark chain against closed forms, its exact probabilities against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from shakeslide.synthetic import SyntheticEarthquake
from shakeslide.synthetic.draw import draw_failures
from shakeslide.synthetic.failure import (
    CEILING,
    critical_acceleration,
    displacement,
    failure_curve,
    failure_share,
)


def test_displacement_by_hand() -> None:
    # log D = -2.71 + log(0.5^2.335 0.5^-1.478) + 0.424 * 7 = 0.25800 + log 0.5^0.857
    assert displacement(np.array([0.5]), 7.0)[0] == pytest.approx(10**0.258 * 0.5**0.857)
    assert displacement(np.array([1.0, 1.7]), 7.0).tolist() == [0.0, 0.0]
    assert np.isfinite(displacement(np.array([-1.0, 0.0]), 7.0)).all()
    assert (np.diff(displacement(np.linspace(0.01, 1, 99), 7.0)) < 0).all()


def test_share_of_failures_by_hand() -> None:
    assert failure_share(np.array([5.0]))[0] == pytest.approx(
        0.335 * (1 - np.exp(-0.048 * 5**1.565))
    )
    assert failure_share(np.array([0.0, 1e6])).tolist() == [0.0, CEILING]


def test_critical_acceleration_is_that_of_the_factor_of_safety() -> None:
    slope, c, phi, weight, t, m = 33.0, 14.0, 31.0, 21.0, 2.5, 0.4
    a = np.radians(slope)
    tan = np.tan(np.radians(phi))
    safety = c / (weight * t * np.sin(a)) + tan / np.tan(a) - m * 9.81 * tan / (weight * np.tan(a))
    values = (np.array([v]) for v in (slope, c, tan, weight, t, m))
    assert critical_acceleration(*values)[0] == pytest.approx((safety - 1) * np.sin(a))


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("log_ratio", [-2.0, -0.6, -0.1, 0.3])
def test_the_curve_is_the_integral_over_the_noise(noise: float, log_ratio: float) -> None:
    def integrand(z: float) -> float:
        ratio = np.array([np.exp(log_ratio - noise * z)])
        return float(failure_share(displacement(ratio, 7.2))[0] * norm.pdf(z))

    edge = log_ratio / noise
    points = sorted({min(max(edge, -8.0), 8.0), 0.0})
    expected = quad(integrand, -8, 8, points=points, limit=400, epsabs=1e-10)[0]
    found = failure_curve(7.2, noise)(np.array([log_ratio]))[0]
    assert found == pytest.approx(expected, abs=2e-6)


def test_the_curve_against_random_shaking() -> None:
    rng = np.random.default_rng(5)
    median = 0.8
    ratio = np.exp(-0.35 * rng.standard_normal(400_000)) * median
    share = failure_share(displacement(ratio, 7.0))
    found = failure_curve(7.0, 0.35)(np.array([np.log(median)]))[0]
    assert found == pytest.approx(share.mean(), abs=4 * share.std() / np.sqrt(share.size))


def test_without_noise_the_curve_is_the_formula() -> None:
    log_ratio = np.linspace(-3, 1, 201)
    expected = failure_share(displacement(np.exp(log_ratio), 7.2))
    np.testing.assert_allclose(failure_curve(7.2, 0.0)(log_ratio), expected, atol=1e-4)


def test_the_curve_falls_with_the_ratio_and_is_flat_beyond_its_ends() -> None:
    values = failure_curve(7.2, 0.4)(np.linspace(-30, 30, 2001))
    assert (np.diff(values) <= 0).all()
    assert values[0] == pytest.approx(CEILING)
    assert values[-1] == 0.0


def test_draws_have_exact_marginals_in_every_bin_of_p(earthquake: SyntheticEarthquake) -> None:
    p = earthquake.p_star
    edges = [0.0, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 0.34]
    bins = np.digitize(p, edges[1:-1])
    counts = np.bincount(bins.ravel(), minlength=7)
    assert counts.min() > 300
    draws = 40
    error = np.empty((draws, 7))
    for k in range(draws):
        failed = draw_failures(1000 + k, earthquake.surface, p, 60.0)
        error[k] = np.bincount(bins.ravel(), (failed - p).ravel(), minlength=7) / counts
    # Draws are independent of each other, cells within one are not: their spread says how far
    # the mean may be from 0.
    spread = error.std(axis=0, ddof=1) / np.sqrt(draws)
    assert (np.abs(error.mean(axis=0)) < 4 * spread).all()
    assert (spread < [1e-4, 1e-3, 2e-3, 4e-3, 6e-3, 8e-3, 1e-2]).all()


def test_what_failed_is_such_a_draw(earthquake: SyntheticEarthquake) -> None:
    s = earthquake.scenario
    again = draw_failures(s.seed, earthquake.surface, earthquake.p_star, s.cluster)
    np.testing.assert_array_equal(again, earthquake.failed)


def test_failures_are_contiguous(earthquake: SyntheticEarthquake) -> None:
    p, failed = earthquake.p_star, earthquake.failed
    high = (p > 0.25)[:, 1:] & failed[:, :-1]
    assert failed[:, 1:][high].mean() > 1.6 * p[:, 1:][high].mean()
