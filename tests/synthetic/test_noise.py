"""Gaussian fields: exact unit variance everywhere, and independence of the block asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from shakeslide.synthetic.noise import gaussian_field, oriented_field

X = np.array([0.0, 3.3, 17.9, 250.0])
Y = np.array([90.0, 41.7, -60.0])


def many(count: int, **options: object) -> np.ndarray:
    return np.stack(
        [gaussian_field(k, X, Y, [40.0, 9.0], [0.7, 0.3], **options) for k in range(count)]
    )


@pytest.mark.parametrize("options", [{}, {"stretch": 3.0, "azimuth": 30.0}])
def test_mean_0_and_variance_1_at_every_place(options: dict[str, float]) -> None:
    values = many(4000, **options)
    # Four standard errors of the mean and of the variance of 4,000 normal values.
    assert np.abs(values.mean(axis=0)).max() < 4 / np.sqrt(4000)
    assert np.abs(values.var(axis=0) - 1.0).max() < 4 * np.sqrt(2 / 4000)


def test_values_are_normal() -> None:
    assert kstest(many(2000)[:, 1, 1], "norm").pvalue > 0.001


def test_an_oriented_field_has_variance_1_whatever_the_direction() -> None:
    azimuth = np.linspace(0, 359, X.size * Y.size).reshape(Y.size, X.size).astype(np.float32)
    values = np.stack([oriented_field(k, X, Y, 12.0, azimuth) for k in range(4000)])
    assert np.abs(values.mean(axis=0)).max() < 4 / np.sqrt(4000)
    assert np.abs(values.var(axis=0) - 1.0).max() < 4 * np.sqrt(2 / 4000)


@pytest.mark.parametrize(("azimuth", "axis"), [(0.0, 0), (90.0, 1), (180.0, 0)])
def test_an_oriented_field_is_longer_along_its_direction(azimuth: float, axis: int) -> None:
    x, y = np.arange(400.0), -np.arange(400.0)
    field = oriented_field(3, x, y, 3.0, np.full((400, 400), azimuth, np.float32), 3.0)
    lag = 6

    def correlation(along: int) -> float:
        a = field.take(range(400 - lag), axis=along)
        b = field.take(range(lag, 400), axis=along)
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    assert correlation(axis) > correlation(1 - axis) + 0.3


def test_an_azimuth_of_45_degrees_points_to_the_north_east() -> None:
    x, y = np.arange(400.0), -np.arange(400.0)
    field = oriented_field(3, x, y, 3.0, np.full((400, 400), 45.0, np.float32), 3.0)
    north_east = np.corrcoef(field[5:, :-5].ravel(), field[:-5, 5:].ravel())[0, 1]
    south_east = np.corrcoef(field[:-5, :-5].ravel(), field[5:, 5:].ravel())[0, 1]
    assert north_east > south_east + 0.3


def test_stretch_lengthens_features_along_the_azimuth() -> None:
    x, y = np.arange(0.0, 4000.0, 10.0), -np.arange(0.0, 4000.0, 10.0)
    field = gaussian_field(5, x, y, [60.0], stretch=4.0, azimuth=90.0)
    east = np.corrcoef(field[:, :-15].ravel(), field[:, 15:].ravel())[0, 1]
    north = np.corrcoef(field[:-15].ravel(), field[15:].ravel())[0, 1]
    assert east > north + 0.3


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**40),
    row=st.integers(0, 20),
    col=st.integers(0, 20),
    rows=st.integers(1, 20),
    cols=st.integers(1, 20),
)
def test_a_block_is_the_same_alone(seed: int, row: int, col: int, rows: int, cols: int) -> None:
    x, y = 25.0 * np.arange(40) - 333.0, 777.0 - 25.0 * np.arange(40)
    inner = (slice(row, row + rows), slice(col, col + cols))
    whole = gaussian_field((seed, 7), x, y, [130.0, 31.0])
    part = gaussian_field((seed, 7), x[inner[1]], y[inner[0]], [130.0, 31.0])
    np.testing.assert_array_equal(part, whole[inner])
    azimuth = (50.0 + 3.0 * whole).astype(np.float32)
    whole = oriented_field(seed, x, y, 31.0, azimuth)
    part = oriented_field(seed, x[inner[1]], y[inner[0]], 31.0, azimuth[inner])
    np.testing.assert_array_equal(part, whole[inner])


def test_seeds_and_streams_differ() -> None:
    seeds = [1, 2, (1, 1), (1, 2), (2, 1)]
    fields = [gaussian_field(seed, X, Y, [20.0]) for seed in seeds]
    for i, a in enumerate(fields):
        for b in fields[i + 1 :]:
            assert not np.allclose(a, b)
