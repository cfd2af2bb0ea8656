"""What the page of a new earthquake puts into words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from shakeslide.hazard import alerts
from shakeslide.rapid import event_page, totals
from shakeslide.rapid.totals import Exposure, ShakeMapVersion, Totals, UsgsAggregates
from shakeslide.shaking.completion import BY, Given, origin_of_deviations

DRAWS = np.array([2.0, 3.0, 4.0, 5.0, 60.0])


@pytest.fixture(scope="module")
def found() -> Totals:
    """Totals whose mean, 14.8 km², is above most draws; that from seismology is 4 km²."""
    area = totals.quantiles(DRAWS)
    return Totals(
        model="jessee2022",
        shakemap=ShakeMapVersion(id="x", version="1", event_type="ACTUAL"),
        area_km2=area,
        landslides=area,
        hazard_alert=alerts.from_draws(DRAWS, alerts.AREA),
        population_alert=None,
        usgs=UsgsAggregates(
            hazard_km2=None, hazard_level=None, population=None, population_level=None
        ),
        marc2016_km2=4.0,
        exposure=Exposure(),
        mapped_km2=100.0,
        draws=len(DRAWS),
        warnings=(),
    )


def test_the_most_probable_level_can_be_below_that_of_the_mean(found: Totals) -> None:
    assert found.hazard_alert.level == "orange"
    assert event_page.most_probable(found.hazard_alert) == "yellow"


@pytest.mark.parametrize(
    ("marc", "cell", "words", "without"),
    [
        (4.0, 80.0, ("3.7 times smaller", "inside", "80 m", "hypocentre"), ()),
        (4.0, 30.0, ("3.7 times smaller",), ("30 m",)),
        (148.0, 80.0, ("10 times larger", "outside"), ("80 m", "hypocentre")),
        (0.0, 30.0, ("far smaller", "outside"), ("inf",)),
        (10.0, 30.0, ("agrees",), ("outside",)),
    ],
)
def test_the_total_from_seismology_is_compared_with_the_mean(found, marc, cell, words, without):
    text = event_page.beside_marc(dataclasses.replace(found, marc2016_km2=marc), cell)
    assert all(word in text for word in words)
    assert not any(word in text for word in without)


def test_where_the_standard_deviations_come_from() -> None:
    some = np.ones((2, 2))
    whole, parts, none = Given(total=some), Given(between=some, within=some), Given(within=some)
    assert origin_of_deviations({"PGA": whole, "PGV": parts}, "a.xml") == "a.xml"
    assert origin_of_deviations({"PGA": none, "PGV": Given()}, "a.xml") == BY
    mixed = origin_of_deviations({"PGA": none, "PGV": whole}, "a.xml")
    assert mixed.startswith("a.xml (PGV)")
    assert BY in mixed
