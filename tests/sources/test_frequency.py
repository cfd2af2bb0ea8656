"""The tail of areas, against samples whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.sources import distribution, fit_tail


@pytest.mark.parametrize("alpha", [2.0, 2.4, 3.3])
def test_exponent_of_a_power_law_is_found(alpha: float) -> None:
    u = np.random.default_rng(1).random(20_000)
    tail = fit_tail(100.0 * u ** (-1 / (alpha - 1)))
    assert tail is not None
    assert tail.alpha == pytest.approx(alpha, abs=4 * tail.error)
    assert tail.error == pytest.approx((alpha - 1) / np.sqrt(tail.count), rel=0.1)


def test_beginning_of_the_tail_is_found() -> None:
    rng = np.random.default_rng(2)
    body = rng.uniform(10, 1000, 10_000)
    law = 1000.0 * rng.random(10_000) ** (-1 / 1.5)
    tail = fit_tail(np.concatenate([body, law]))
    assert tail is not None
    assert 800 < tail.least < 1500
    assert tail.alpha == pytest.approx(2.5, abs=0.1)
    assert tail.distance < 0.03


def test_agrees_with_the_formulas_written_out() -> None:
    a = np.sort(np.random.default_rng(3).pareto(1.4, 120) + 1.0)
    best = None
    for begin in np.unique(a[: 120 - 49]):
        x = a[a >= begin]
        alpha = 1 + len(x) / np.log(x / begin).sum()
        law = 1 - (x / begin) ** (1 - alpha)
        above = np.arange(1, len(x) + 1) / len(x)
        distance = max(np.abs(law - above).max(), np.abs(law - above + 1 / len(x)).max())
        if best is None or distance < best[2]:
            best = alpha, begin, distance
    tail = fit_tail(a)
    assert best is not None
    assert tail is not None
    assert (tail.alpha, tail.least, tail.distance) == pytest.approx(best)


def test_few_or_equal_areas_have_no_tail() -> None:
    assert fit_tail(np.arange(1.0, 40.0)) is None
    assert fit_tail(np.full(500, 625.0)) is None
    assert fit_tail(np.zeros(500)) is None


def test_density_counts_every_landslide() -> None:
    a = np.random.default_rng(4).lognormal(7, 1, 5000)
    told = distribution(a, 20)
    assert sum(told.number) == 5000
    assert distribution(np.full(9, 625.0)).number == (9,)
    assert distribution(np.zeros(3)) == ((), (), ())
    ratio = (a.max() / a.min()) ** (1 / 20)
    middle, density, count = map(np.array, told)
    width = middle * (np.sqrt(ratio) - 1 / np.sqrt(ratio))
    assert density * width == pytest.approx(count, rel=1e-6)
