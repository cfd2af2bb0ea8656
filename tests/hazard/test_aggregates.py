"""Totals of a map and their deviation, against sums over all pairs of cells."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.hazard import aggregates

ROWS, COLS = 13, 9


@pytest.fixture
def cells() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    p, pga = rng.random((ROWS, COLS)) * 0.02, rng.random((ROWS, COLS)) * 0.4
    p[2, 3] = np.nan
    return {"p": p, "pga": pga, "sd": 0.3 * p, "people": rng.random((ROWS, COLS)) * 100}


def test_which_cells_count() -> None:
    p = np.array([0.002, 0.0019, 0.1, np.nan, 0.1])
    pga = np.array([0.10, 0.5, 0.099, 0.5, np.nan])
    assert aggregates.counted(p, pga).tolist() == [True, False, False, False, False]


def test_totals_are_sums_over_the_cells_that_count(cells) -> None:
    counts = aggregates.counted(cells["p"], cells["pga"])
    area = sum(cells["p"][i] * 0.0625 for i in zip(*np.nonzero(counts), strict=True))
    assert aggregates.total(cells["p"], 0.0625, counts) == pytest.approx(area)
    people = np.where(np.arange(COLS) == 4, np.nan, cells["people"])
    want = np.nansum(cells["p"][counts] * people[counts])
    assert aggregates.total(cells["p"], people, counts) == pytest.approx(want)


def all_pairs(sd, weight, counts, reach) -> float:
    y, x = np.nonzero(counts)
    parts = (sd * weight)[counts]
    share = np.minimum(np.hypot(y - y[:, None], x - x[:, None]) / reach, 1)
    correlation = 1 - (1.5 * share - 0.5 * share**3)
    return float(np.sqrt(parts @ correlation @ parts))


@pytest.mark.parametrize("reach", [1.0, 3.7, 8.0, 30.0])
def test_deviation_sums_over_all_pairs(cells, reach: float) -> None:
    counts = aggregates.counted(cells["p"], cells["pga"])
    got = aggregates.deviation(cells["sd"], cells["people"], counts, reach)
    assert got == pytest.approx(all_pairs(cells["sd"], cells["people"], counts, reach))


def test_deviation_lies_between_independent_and_equal_errors(cells) -> None:
    counts = aggregates.counted(cells["p"], cells["pga"])
    sd = cells["sd"]
    alone = aggregates.deviation(sd, 2.0, counts, 0.5)
    assert alone == pytest.approx(2 * np.sqrt((sd[counts] ** 2).sum()))
    assert aggregates.deviation(sd, 2.0, counts, np.inf) == pytest.approx(2 * sd[counts].sum())


def blobs(size: int, reach: float, seed: int = 4) -> np.ndarray:
    """A field with a spherical correlation of that range, by circulant embedding."""
    lag = np.minimum(np.arange(size), size - np.arange(size))
    correlation = 1 - aggregates.spherical(np.hypot(lag[:, None], lag), reach, 1.0)
    wave = np.sqrt(np.maximum(np.fft.fft2(correlation).real, 0))
    return np.fft.ifft2(
        wave * np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size)))
    ).real


def test_range_of_a_map_is_found() -> None:
    field = 0.02 + 0.004 * blobs(300, 18.0)
    field[:20, :50] = np.nan
    got = aggregates.spherical_range(field, np.nan_to_num(field) > 0.015)
    assert got == pytest.approx(18.0, rel=0.2)


def test_semivariogram_is_that_of_all_pairs(cells) -> None:
    counts = aggregates.counted(cells["p"], cells["pga"])
    lag, semivariance, number = aggregates._semivariogram(cells["p"], counts, 100)
    edges = np.geomspace(1.0, 100, aggregates.BINS + 1)
    y, x = np.nonzero(counts)
    v, u = np.nonzero(np.isfinite(cells["p"]))
    far = np.hypot(y[:, None] - v, x[:, None] - u)
    apart = (cells["p"][counts][:, None] - cells["p"][v, u]) ** 2
    for low, high, at, got, pairs in zip(
        edges[:-1], edges[1:], (edges[:-1] + edges[1:]) / 2, *(
            np.interp((edges[:-1] + edges[1:]) / 2, lag, a) for a in (semivariance, number)
        ), strict=True,
    ):  # fmt: skip
        inside = (far > low) & (far <= high)
        if at in lag:
            assert pairs == inside.sum()
            assert got == pytest.approx(apart[inside].mean() / 2)


def test_too_few_cells_or_no_sill_make_all_errors_one() -> None:
    few = np.zeros((40, 40), bool)
    few[0, :49] = True
    assert aggregates.spherical_range(np.full((40, 40), 0.01), few) == np.inf
    assert aggregates.spherical_range(np.full((40, 40), 0.01), np.ones((40, 40), bool)) == np.inf
    slope = np.broadcast_to(np.linspace(0.01, 0.2, 120), (120, 120))
    assert aggregates.spherical_range(slope, np.ones((120, 120), bool)) == np.inf


def test_aggregate_of_a_map(cells) -> None:
    got = aggregates.aggregate(cells["p"], cells["sd"], 0.0625, cells["pga"])
    counts = aggregates.counted(cells["p"], cells["pga"])
    assert got.cells == counts.sum()
    assert got.mean == aggregates.total(cells["p"], 0.0625, counts)
    assert got.most == pytest.approx(0.256 * 0.0625 * counts.sum())
    alone = aggregates.deviation(cells["sd"], 0.0625, counts, 0.5)
    assert alone <= got.sd <= aggregates.deviation(cells["sd"], 0.0625, counts, np.inf)
