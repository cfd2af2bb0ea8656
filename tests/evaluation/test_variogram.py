"""Variograms of fields whose range is known, and block sizes made of them."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from shakeslide.core.errors import InputError
from shakeslide.evaluation import suggest_size
from shakeslide.evaluation.variogram import _longest, variogram


def field(seed, reach, n=900, extent=20_000.0, nugget=0.0, fast=0.0):
    """A Gaussian field of variance 1 with exponential parts: `reach`, and 600 m for `fast`."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, extent, (n, 2))
    distance = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    covariance = (1 - nugget - fast) * np.exp(-3 * distance / reach)
    covariance += fast * np.exp(-3 * distance / 600) + (nugget + 1e-9) * np.eye(n)
    return *points.T, np.linalg.cholesky(covariance) @ rng.normal(size=n)


@pytest.mark.parametrize(
    ("reach", "nugget", "fast"),
    [
        pytest.param(2000, 0.0, 0.0, marks=pytest.mark.slow),
        (4000, 0.5, 0.0),
        pytest.param(5000, 0.0, 0.6, marks=pytest.mark.slow),
    ],
)
def test_range_and_sill_of_a_known_field_are_recovered(reach, nugget, fast):
    found = [variogram(*field(seed, reach, nugget=nugget, fast=fast)) for seed in range(5)]
    assert np.median([v.range for v in found]) == pytest.approx(reach, rel=0.35)
    assert np.median([v.sill for v in found]) == pytest.approx(1, rel=0.2)
    lag = np.array([400.0, 1000.0, 3000.0])
    truth = nugget + fast * (1 - np.exp(-lag / 200))
    truth += (1 - nugget - fast) * (1 - np.exp(-3 * lag / reach))
    assert np.median([v.model(lag) for v in found], axis=0) == pytest.approx(truth, abs=0.12)
    assert np.mean([v.chance == 0.025 for v in found]) > 0.8


def test_semivariance_is_that_of_all_pairs():
    x, y, value = field(3, 4000)
    got = variogram(x, y, value)
    distance = pdist(np.c_[x, y])
    half = pdist(value[:, None], "sqeuclidean") / 2
    ratio = got.lag[1] / got.lag[0]
    for k in range(0, got.lag.size, 4):
        near = np.abs(np.log(distance / got.lag[k])) < np.log(ratio) / 2
        noise = half[near].std() / np.sqrt(got.pairs[k])
        assert abs(got.semivariance[k] - half[near].mean()) < 5 * noise + 0.05 * half[near].mean()
    assert (np.diff(got.lag) > 0).all()
    assert got.lag[-1] <= np.ptp(y) / 2 * 1.01


def test_model_is_the_sum_of_its_parts_and_fits():
    v = variogram(*field(4, 3000, nugget=0.3))
    by_hand = v.nugget + sum(
        step * (1 - np.exp(-3 * v.lag / reach))
        for step, reach in zip(v.steps, v.ranges, strict=True)
    )
    assert v.model(v.lag) == pytest.approx(by_hand)
    assert v.model(0) == pytest.approx(v.nugget)
    assert v.model(1e9) == pytest.approx(v.sill)
    assert (v.steps > 0).all()
    assert v.structured == pytest.approx(1 - v.model(v.lag[0]) / v.sill)
    assert np.average(np.abs(v.model(v.lag) - v.semivariance), weights=v.pairs) < 0.1 * v.sill


def test_no_pair_counts_twice():
    x, y = np.random.default_rng(2).uniform(0, 1000, (2, 60))
    assert variogram(x, y, np.arange(60.0)).pairs.sum() <= 60 * 59 / 2


def test_range_is_the_longest_whose_part_matters():
    ranges = np.array([100.0, 1000.0, 8000.0, 9000.0])
    assert _longest(ranges, np.array([0.6, 0.38, 0.01, 0.01]), 1.0) == 1000
    assert _longest(ranges, np.array([0.6, 0.34, 0.03, 0.03]), 1.0) == 8000
    assert _longest(ranges, np.full(4, 0.01), 1.0) == 0


def test_noise_is_not_taken_for_a_pattern():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(12):
        x, y = rng.uniform(0, 20_000, (2, 400))
        found.append(suggest_size(x, y, rng.integers(0, 2, 400) - 0.5).range > 0)
    assert sum(found) <= 3


def test_residuals_of_labels_give_a_size_near_the_range():
    sizes = []
    for seed in range(5):
        x, y, z = field(seed, 2500, n=1000)
        label = np.random.default_rng(seed).random(x.size) < 1 / (1 + np.exp(-3 * z))
        sizes.append(suggest_size(x, y, label - 0.5).size)
    assert 1500 <= np.median(sizes) <= 3700


def test_size_is_held_between_cells_and_too_few_blocks():
    x, y, z = field(6, 15_000)
    large = suggest_size(x, y, z)
    assert (large.limited, large.size) == ("lowered", 3600)
    area = np.ptp(x) * np.ptp(y)
    assert large.size == pytest.approx(np.sqrt(area / 30), rel=0.05)
    assert large.range > large.size
    noise = suggest_size(x, y, np.random.default_rng(1).normal(size=x.size))
    assert (noise.limited, noise.range, noise.size) == ("raised", 0, 1000)
    fitting = suggest_size(*field(0, 2500))
    assert fitting.limited == ""
    assert fitting.size == pytest.approx(fitting.range, rel=0.05)


def test_variogram_leaves_out_nan_and_repeats_itself():
    x, y, z = field(7, 3000)
    gaps = z.copy()
    gaps[::3] = np.nan
    thinned = variogram(x, y, gaps)
    keep = np.isfinite(gaps)
    same = variogram(x[keep], y[keep], z[keep])
    assert np.array_equal(thinned.semivariance, same.semivariance)
    assert thinned.range == same.range


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.arange(10.0), np.arange(10.0), "10 points"),
        (np.arange(100.0), np.zeros(100), "line"),
        (np.zeros(100), np.zeros(100), "line"),
    ],
)
def test_too_few_points_or_places_are_told(x, y, message):
    with pytest.raises(InputError, match=message):
        variogram(x, y, np.arange(x.size))
