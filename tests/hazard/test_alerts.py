"""Alert levels: each limit belongs to the level that begins there; probabilities sum to 1."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.hazard import alerts
from shakeslide.hazard.alerts import AREA, PEOPLE, Beta


@pytest.mark.parametrize(
    ("km2", "level"),
    [
        (0.0, "green"), (0.999, "green"), (1.0, "yellow"), (9.99, "yellow"), (10.0, "orange"),
        (99.9, "orange"), (100.0, "red"), (1e6, "red"),
    ],
)  # fmt: skip
def test_levels_of_areas(km2: float, level: str) -> None:
    assert alerts.level(km2, AREA) == level
    # People have limits 100 times as high.
    assert alerts.level(km2 * 100, PEOPLE) == level


def test_the_worse_level_counts() -> None:
    assert alerts.worse("yellow", "red", "green") == "red"
    assert alerts.worse("green", "yellow") == "yellow"


def test_probabilities_are_shares_of_draws() -> None:
    alert = alerts.from_draws(np.array([0.5, 1.0, 5.0, 10.0, 100.0]), AREA)
    assert alert.level == "orange"  # mean 23.3
    assert alert.p == {"green": 0.2, "yellow": 0.4, "orange": 0.2, "red": 0.2}


def test_beta_has_its_mean_and_deviation() -> None:
    total = Beta(mean=12.0, sd=6.0, most=80.0)
    assert total.shape is not None
    p, q = total.shape
    assert 80 * p / (p + q) == pytest.approx(12.0)
    assert 80 * np.sqrt(p * q / ((p + q) ** 2 * (p + q + 1))) == pytest.approx(6.0)
    low, high = total.interval(0.6827)
    assert total.below(high) - total.below(low) == pytest.approx(0.6827)
    assert total.below(low) == pytest.approx((1 - 0.6827) / 2)


def test_alert_of_a_beta_distribution() -> None:
    total = Beta(mean=12.0, sd=6.0, most=80.0)
    alert = alerts.from_beta(total, AREA)
    assert alert.level == "orange"
    assert sum(alert.p.values()) == pytest.approx(1)
    assert alert.p["green"] == pytest.approx(total.below(1.0))
    assert alert.p["red"] == 0
    draws = np.random.default_rng(0).beta(*total.shape, 200_000) * 80
    for level, share in alerts.from_draws(draws, AREA).p.items():
        assert alert.p[level] == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("total", [Beta(10.0, 0.0, 50.0), Beta(10.0, 30.0, 50.0)])
def test_a_total_without_a_beta_distribution_has_one_level(total: Beta) -> None:
    assert total.shape is None
    assert alerts.from_beta(total, AREA).p == {"green": 0, "yellow": 0, "orange": 1, "red": 0}
    assert total.interval(0.95) == (10.0, 10.0)


def test_no_landslides_are_green() -> None:
    assert alerts.from_beta(Beta(0.0, 0.0, 0.0), AREA).p["green"] == 1
