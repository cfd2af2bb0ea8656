"""Dates and times: where the day alone is known, two columns, times of day."""

from __future__ import annotations

import pandas as pd
import pytest

from shakeslide.core.errors import InputError
from shakeslide.io import dates

T = pd.Timestamp


@pytest.mark.parametrize(
    ("given", "days", "whole"),
    [
        # Midnight in every row is how programs write days.
        (["2005-10-08T00:00:00Z", "2005-10-09T00:00:00Z"], [8, 9], [True, True]),
        ([T("2005-10-08"), T("2005-10-09"), pd.NaT], [8, 9, None], [True, True, False]),
        # Of one row alone it may be the time.
        (["2005-10-08T00:00:00Z"], [8], [False]),
        (["2005-10-08", None], [8, None], [True, False]),
        (["20051008"], [8], [True]),
        (["2005/10/8"], [8], [True]),
        (
            ["2005-10-08", "2005-10-09T05:00Z", "2005-10-10T00:00Z"],
            [8, 9, 10],
            [True, False, False],
        ),
        (["2005-10-08T05:00Z", "2005-10-09T06:00Z"], [8, 9], [False, False]),
    ],
)
def test_where_the_day_alone_is_known(
    given: list[object], days: list[int | None], whole: list[bool]
) -> None:
    found = dates.moments(pd.Series(given), "when", "here")
    assert [None if pd.isna(t) else t.day for t in found.time] == days
    assert found.whole_day.tolist() == whole
    longer = [0 if pd.isna(t) else t / dates.DAY for t in found.end - found.time]
    assert longer == [float(w) for w in whole]


@pytest.mark.parametrize("given", [[2005, 2006], ["2005", "2006", None], [2005.0, 2006.0]])
def test_years_are_no_days(given: list[object]) -> None:
    found = dates.moments(pd.Series(given), "when", "here")
    assert [t.year for t in found.time.dropna()] == [2005, 2006]
    assert not found.whole_day.any()


def test_a_date_and_a_time_of_day() -> None:
    day = pd.Series(["2005-10-08", "2005-10-08T12:00Z", "2005-10-08", "2005-10-08T12:00Z", None])
    clock = pd.Series(["3:50:40", "03:50", "09:50:40+06:00", "", "03:50"])
    found = dates.joined(day, clock, ("day", "hour"), "here")
    assert found.time[0] == found.time[2] == T("2005-10-08T03:50:40Z")
    assert found.time[1] == T("2005-10-08T03:50Z")
    assert found.time[3] == T("2005-10-08T00:00Z")
    assert pd.isna(found.time[4])
    assert found.whole_day.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("clock", ["25:00:00", "noon", "03:61", "2005-10-08"])
def test_what_is_no_time_of_day_is_refused(clock: str) -> None:
    day, hour = pd.Series(["2005-10-08"] * 2), pd.Series(["03:50", clock])
    with pytest.raises(InputError, match=rf"here: .*'hour' holds 1 .*{clock}"):
        dates.joined(day, hour, ("day", "hour"), "here")


@pytest.mark.parametrize(
    ("given", "clocks"),
    [
        (["03:50:40", "3:50", None, ""], True),
        (["03:50:40.14Z", "09:50+0600"], True),
        (["03:50", "2005-10-08"], False),
        (["03:50", "2005-10-08T03:50"], False),
        ([None, ""], False),
    ],
)
def test_times_of_day_are_recognised(given: list[object], clocks: bool) -> None:
    assert dates.is_clock(pd.Series(given)) == clocks


def test_times_of_day_alone_need_their_dates() -> None:
    with pytest.raises(InputError, match="date ="):
        dates.times(pd.Series(["03:50:40Z", "04:10:00Z"]), "hour", "here")
    with pytest.raises(InputError, match="2005-10-08"):
        dates.times(pd.Series(["03:50:40Z", "soon"]), "hour", "here")


def test_blocks_of_texts_are_parsed_alike_and_mistakes_counted_over_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = pd.Series(["2005-10-08T03:50:40Z", "", "2005/1/2", None, "1999"], index=[9, 3, 5, 1, 7])
    whole = dates.times(given, "time", "a.csv")
    monkeypatch.setattr(dates, "BLOCK", 2)
    pd.testing.assert_series_equal(dates.times(given, "time", "a.csv"), whole)
    with pytest.raises(InputError, match=r"'time'.*3 values.*'8 Oct'"):
        dates.times(pd.Series(["8 Oct", "2005", "x", "y"]), "time", "a.csv")


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (["2005-10-08T04:00:00.123000Z", None, "2005-10-08", "2005-10-08T04:00:00.5"], True),
        (["1556-01-23T00:00:00Z", "2005-10-08T23:59:59.999999"], True),
        (["2005-13-08"], False),
        (["2005-10-08T24:01:00Z"], False),
        (["2005-10-08T04:00:00+05:00"], False),
        (["2005-10-08", " 2005-10-09"], False),
        ([None, None], False),
        ([""], False),
    ],
)
def test_plain_times_are_read_as_all_others(given: list[str | None], plain: bool) -> None:
    texts = pd.Series(given, index=range(5, 5 + len(given)), dtype="string")
    found, usual = dates._plain(texts), dates._parsed(texts)
    assert (found is not None) == plain
    if found is not None:
        pd.testing.assert_series_equal(found[0], usual[0], check_dtype=False)
        assert len(found[1]) == len(usual[1]) == 0
        assert found[0].dt.tz is not None
