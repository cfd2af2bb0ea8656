"""Dates and times as catalogues and inventories write them, in UTC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shakeslide.core.errors import InputError, shortened

DAY = pd.Timedelta(days=1)
BLOCK = 200_000
"""Texts that are parsed at once."""
DATE_ALONE = r"^[0-9]{4}[-/]?[0-9]{1,2}[-/]?[0-9]{1,2}$"
PLAIN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z?)?$"
CLOCK = r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]*)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"


@dataclass(frozen=True)
class Moments:
    """When things happened.

    Attributes
    ----------
    time : Series of UTC times
        NaT where unknown; of a date alone the day's first moment.
    whole_day : array, (n,) bool
        Where only the day is known.
    """

    time: pd.Series
    whole_day: NDArray[np.bool_]

    @property
    def end(self) -> pd.Series:
        """The first moment after each: a day later where only the day is known."""
        return self.time + pd.to_timedelta(np.where(self.whole_day, 1, 0), unit="D")


def times(given: pd.Series, column: str, where: str) -> pd.Series:
    """Return a column of dates as UTC times, NaT where empty.

    Whole numbers and four digits are years and mean their first moment; texts begin with the
    year (ISO 8601, or with slashes).

    Raises
    ------
    InputError
        Values that are no dates, or dates that begin with day or month.
    """
    if pd.api.types.is_datetime64_any_dtype(given):
        return pd.Series(pd.to_datetime(given, utc=True))
    # In blocks: while texts are parsed each is a Python object.
    blocks = [given.iloc[i : i + BLOCK] for i in range(0, max(len(given), 1), BLOCK)]
    parsed = [_plain(block) or _parsed(block) for block in blocks]
    wrong = pd.concat([unread for _, unread in parsed])
    if len(wrong):
        if wrong.str.match(CLOCK).all():
            remedy = "it holds times of day: name the column of their dates with date ="
        else:
            remedy = "write year-month-day first, as 2005-10-08"
        raise InputError(
            f"{where}: column '{column}' holds {len(wrong)} values that are not dates "
            f"(e.g. {shortened(str(wrong.iloc[0]), 40)!r}); {remedy}"
        )
    return pd.Series(pd.concat([out for out, _ in parsed]))


def _plain(given: pd.Series) -> tuple[pd.Series, pd.Series] | None:
    """Return as `_parsed` does, None where some texts are not the plain form of catalogues.

    That form is read by Arrow, ten times as fast and without an object for each text.
    """
    if not isinstance(given.dtype, pd.StringDtype):
        return None
    texts = pa.array(given, from_pandas=True)
    if not pc.all(pc.match_substring_regex(texts, PLAIN)).as_py():
        return None
    try:
        moments = pc.utf8_rtrim(texts, "Z").cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # no such day, or time of day
        return None
    out = pd.Series(moments.to_pandas().to_numpy(), given.index).dt.tz_localize("UTC")
    return out, given.iloc[:0].astype("string")


def _parsed(given: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the times that texts state, NaT where none, and the texts that state none."""
    text = given.astype("string").str.strip()
    out = pd.Series(pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601"))
    rest = (out.isna() & text.notna() & (text != "")).to_numpy(bool)
    if rest.any():
        # Years that a program has read as numbers end in .0.
        again = text[rest].str.replace(r"\.0$", "", regex=True)
        again = again.str.replace(r"^(\d{4})/(\d{1,2})/", r"\1-\2-", regex=True)
        again = again.str.replace(r"^(\d{4})$", r"\1-01-01", regex=True)
        out[rest] = pd.to_datetime(again, utc=True, errors="coerce", format="ISO8601")
    return out, text[out.isna() & text.notna() & (text != "")]


def moments(given: pd.Series, column: str, where: str) -> Moments:
    """Return a column of dates or times, and where it holds the day alone.

    Times that are all midnight are days, as programs write them.
    """
    time = times(given, column, where)
    known = time.notna().to_numpy()
    midnight = (time.dt.normalize() == time).to_numpy() & known
    if not midnight.any():
        return Moments(time, midnight)
    # One time at midnight may be chance; several, all of them, are days.
    if midnight.sum() == known.sum() > 1:
        # A year means its first moment, not its first day.
        years = given[known].astype("string").str.match(r"^\s*[0-9]{4}(\.0)?\s*$")
        return Moments(time, midnight & (not years.all()))
    alone = np.zeros(len(time), bool)
    alone[midnight] = given[midnight].astype("string").str.strip().str.match(DATE_ALONE)
    return Moments(time, alone)


def joined(date: pd.Series, clock: pd.Series, columns: tuple[str, str], where: str) -> Moments:
    """Return the moments of two columns, the date and the time of day (UTC unless it says so).

    Raises
    ------
    InputError
        Values that are no dates, or no times of day.
    """
    day = times(date, columns[0], where).dt.normalize()
    # ISO 8601 has two digits for hours.
    text = clock.astype("string").str.strip().str.replace(r"^(\d):", r"0\1:", regex=True)
    known = (day.notna() & text.notna() & (text != "")).to_numpy(bool)
    bad = known & ~text.str.match(CLOCK).fillna(False).to_numpy(bool)
    out = day.copy()
    both = day[known].dt.strftime("%Y-%m-%dT").astype("string") + text[known]
    out[known] = pd.to_datetime(both, utc=True, errors="coerce", format="ISO8601")
    bad |= known & out.isna().to_numpy()
    if bad.any():
        raise InputError(
            f"{where}: column '{columns[1]}' holds {int(bad.sum())} values that are not times "
            f"of day (e.g. {shortened(text[bad].iloc[0], 40)!r}); write them as 06:28:58"
        )
    return Moments(out, day.notna().to_numpy() & ~known)


def is_clock(given: pd.Series) -> bool:
    """Tell whether a column holds times of day without date."""
    text = given.dropna().head(50).astype("string").str.strip()
    text = text[text != ""]
    return len(text) > 0 and bool(text.str.match(CLOCK).all())
