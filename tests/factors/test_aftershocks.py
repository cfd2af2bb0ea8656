"""Which earthquakes of a catalogue count: windows, magnitudes, weights, the main shock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import aftershocks
from shakeslide.factors.factor import Sources
from shakeslide.study.factor_settings import DensityFactor
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

from ..lines import lacks

GRID = GeoBox((40, 50), Affine(30, 0, 5e5, 0, -30, 3.8e6), CRS("EPSG:32643"))
EVENT = Event(magnitude=7.6, time=datetime(2005, 10, 8, 3, 50, 40, tzinfo=UTC))
TIMES = [
    "2005-10-01T00:00:00Z",
    "2005-10-08T03:50:39.14Z",  # the main shock, a second early by its own catalogue
    "2005-10-08T04:00:00Z",
    "2005-10-12T00:00:00Z",
    "2006-03-01T00:00:00Z",
]
MAGNITUDES = [5.0, 7.59, 5.5, 4.5, 6.0]


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    path = tmp_path / "catalogue.csv"
    pd.DataFrame(
        {
            "date": TIMES,
            "lon": np.linspace(74.9, 75.1, 5),
            "lat": np.linspace(34.2, 34.4, 5),
            "mag": MAGNITUDES,
        }
    ).to_csv(path, index=False)
    return Layer(path=path, x="lon", y="lat", crs="EPSG:4326")


def chosen(layer: Layer, event: Event = EVENT, **options: Any) -> aftershocks.Shocks:
    sources = Sources(GRID, {"aftershocks": layer}, event)
    return aftershocks.load(DensityFactor(layer="aftershocks", **options), "AF", sources)


def indices(layer: Layer, event: Event = EVENT, **options: Any) -> list[int]:
    """Which of the five earthquakes count."""
    everything = chosen(layer, event).x
    return [int(np.argmin(abs(everything - x))) for x in chosen(layer, event, **options).x]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"days": 10}, [2, 3]),
        ({"days": 3650}, [2, 3, 4]),
        ({"end": datetime(2005, 10, 9)}, [2]),
        ({"start": datetime(2005, 10, 9)}, [3, 4]),
        ({"start": datetime(2005, 9, 1)}, [0, 2, 3, 4]),
        ({"start": datetime(2005, 9, 1), "days": 10}, [0, 2, 3]),
        ({"min_magnitude": 5.5}, [1, 2, 4]),
        ({"min_magnitude": 5.0, "days": 30}, [2]),
    ],
)
def test_windows_and_magnitudes(layer: Layer, options: dict[str, Any], expected: list[int]) -> None:
    assert indices(layer, **options) == expected


def test_the_main_shock_among_them_is_told(layer: Layer) -> None:
    assert "the main shock is among them" in chosen(layer).warnings[0]
    assert chosen(layer, days=10).warnings == []
    assert "may be the main shock" in chosen(layer, Event()).warnings[0]
    assert chosen(layer, days=10).notes == ["2 of 5 earthquakes are used for AF"]


def test_weights(layer: Layer) -> None:
    assert (chosen(layer).weights == 1).all()
    weights = chosen(layer, weight="magnitude", completeness=5.0).weights
    np.testing.assert_allclose(weights, 10.0 ** (np.array(MAGNITUDES) - 5))
    own = layer.model_copy(update={"column": "lat"})
    np.testing.assert_allclose(chosen(own, weight="column").weights, np.linspace(34.2, 34.4, 5))


def test_the_window_is_in_the_fingerprint(layer: Layer) -> None:
    other = Event(time=datetime(2005, 10, 7, tzinfo=UTC))
    assert chosen(layer, days=10).settings != chosen(layer, other, days=10).settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"days": 0.001}, "none of its 5 earthquakes lies in the time window"),
        ({"days": 3, "end": datetime(2006, 1, 1)}, "either end or days"),
        ({"weight": "column"}, 'weight = "column" needs column ='),
    ],
)
def test_what_cannot_be_is_told(layer: Layer, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        chosen(layer, **options)


def test_what_is_missing_is_told(layer: Layer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[event\] time is missing, which days or end of"):
        chosen(layer, Event(), days=10)
    path = tmp_path / "bare.csv"
    pd.read_csv(layer.path).rename(columns={"date": "when", "mag": "size"}).to_csv(path)
    bare = layer.model_copy(update={"path": path})
    with pytest.raises(InputError, match="name its column of date and time with time ="):
        chosen(bare, days=10)
    with pytest.raises(InputError, match="name its column of magnitudes with column ="):
        chosen(bare, min_magnitude=5)
    named = bare.model_copy(update={"time": "when", "column": "size"})
    assert len(chosen(named, days=10, min_magnitude=5).x) == 1
    wrong = bare.model_copy(update={"time": "wen"})
    with pytest.raises(InputError, match=r"no column 'wen'\. Did you mean 'when'"):
        chosen(wrong, days=10)


@pytest.mark.parametrize(
    ("event", "magnitudes", "told"),
    [
        (Event(magnitude=7.6, epicentre=(74.95, 34.25)), MAGNITUDES, True),
        # As strong, but of another place
        (Event(magnitude=7.6, epicentre=(76.0, 34.25)), MAGNITUDES, False),
        # Far stronger than all others, and nothing is known of the event
        (Event(), MAGNITUDES, True),
        (Event(), [5.0, 6.5, 5.5, 4.5, 6.0], False),
        (Event(magnitude=7.6), [5.0, 6.5, 5.5, 4.5, 6.0], False),
    ],
)
def test_a_likely_main_shock_where_no_time_is_given(
    layer: Layer, event: Event, magnitudes: list[float], told: bool
) -> None:
    table = pd.read_csv(layer.path).assign(mag=magnitudes)
    table.to_csv(layer.path, index=False)
    said = "; ".join(chosen(layer, event).warnings)
    assert ("may be the main shock" in said) == told
    if told:
        assert "magnitude 7.59" in said
    assert len(chosen(layer, event).x) == 5


@pytest.fixture
def in_two(layer: Layer) -> Layer:
    """The same catalogue, its days and times of day in two columns."""
    table = pd.read_csv(layer.path)
    table["DATE"], table["TIME"] = table["date"].str[:10], table["date"].str[11:-1]
    table.drop(columns="date").to_csv(layer.path, index=False)
    return layer


def test_days_and_times_of_day_are_joined(in_two: Layer) -> None:
    assert indices(in_two, days=10) == [2, 3]
    assert indices(in_two, end=datetime(2005, 10, 9)) == [2]
    named = in_two.model_copy(update={"date": "DATE", "time": "TIME"})
    assert indices(named, days=10) == [2, 3]
    with pytest.raises(InputError, match="date ="):
        chosen(in_two.model_copy(update={"time": "TIME"}), days=10)


def test_days_alone_count_whole(in_two: Layer) -> None:
    table = pd.read_csv(in_two.path).drop(columns="TIME")
    table.to_csv(in_two.path, index=False)
    # The second and third are of the day on which the window begins; one may be the main shock.
    window = {"start": datetime(2005, 10, 8, 12), "end": datetime(2005, 10, 12, 12)}
    found = indices(in_two, **window)
    assert 0 not in found
    assert 4 not in found
    assert {2, 3} <= set(found)
    assert any("a date without time of day" in n for n in chosen(in_two, **window).notes)
    assert indices(in_two, start=datetime(2005, 10, 9)) == [3, 4]


def test_rows_that_repeat_an_earthquake_count_once(layer: Layer) -> None:
    once = chosen(layer, days=10)
    table = pd.read_csv(layer.path)
    pd.concat([table, table]).to_csv(layer.path, index=False)
    twice = chosen(layer, days=10)
    np.testing.assert_array_equal(twice.x, once.x)
    assert [n for n in twice.notes if "2 of 4 earthquakes repeat" in n]
    assert twice.settings != once.settings
    # Another magnitude, or another moment, is another earthquake.
    pd.concat([table, table.assign(mag=table["mag"] + 0.1)]).to_csv(layer.path, index=False)
    assert len(chosen(layer).x) == 10


def test_places_that_repeat_without_times_are_reported(layer: Layer) -> None:
    table = pd.read_csv(layer.path).drop(columns="date")
    table.to_csv(layer.path, index=False)
    assert "same place" not in "; ".join(chosen(layer, Event()).warnings)
    pd.concat([table, table]).to_csv(layer.path, index=False)
    found = chosen(layer, Event())
    assert len(found.x) == 10
    assert not lacks("; ".join(found.warnings), "5 of its 10 points")


@pytest.mark.parametrize(
    ("year", "number"),
    [(3000, "all 5 dated"), (2005, "1 of its 4 dated"), (1556, "449 years after")],
)
def test_dates_that_do_not_fit_the_event_are_reported(layer: Layer, year: int, number: str) -> None:
    event = Event(magnitude=7.6, time=datetime(year, 10, 8, 3, 50, 40, tzinfo=UTC))
    said = "; ".join(chosen(layer, event).warnings)
    assert number in said
    assert "[event] time" in said


def test_aftershocks_of_the_right_dates_are_not_reported(layer: Layer) -> None:
    pd.read_csv(layer.path).iloc[2:].to_csv(layer.path, index=False)
    assert chosen(layer).warnings == []


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"days": 1e300}, "days = 1e+300"),
        ({"weight": "magnitude", "completeness": 1e4}, "completeness = 10000"),
        ({"weight": "magnitude", "completeness": -1e4}, "completeness = -10000"),
    ],
)
def test_numbers_that_cannot_be_counted_with_are_refused(
    layer: Layer, options: dict[str, Any], key: str
) -> None:
    with pytest.raises(InputError, match=r"\[factors\.AF\]") as caught:
        chosen(layer, **options)
    assert key in str(caught.value)


def test_rows_repeat_where_all_columns_are_equal() -> None:
    x = np.array([1.0, 0.0, 1.0, -0.0, 1.0])
    magnitude = np.array([np.nan, 5.0, np.nan, 5.0, 4.0])
    assert aftershocks._repeated([x, magnitude]).tolist() == [False, False, True, True, False]
