"""Earthquakes of a catalogue: selection and weights for a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.factors.factor import Sources
from shakeslide.geo import grid as grids
from shakeslide.io import dates, vector
from shakeslide.io.dates import Moments
from shakeslide.layers.readers import vector_source
from shakeslide.study.factor_settings import DensityFactor
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

TIME_NAMES = ("time", "origin_time", "origintime", "datetime", "date_time")
DATE_NAMES = ("date", "origin_date", "day")
MAGNITUDE_NAMES = ("magnitude", "mag", "mw", "ml", "ms", "mb")
"""Columns that are taken for time, date and magnitude where the study names none."""
COLUMNS = (*TIME_NAMES, *DATE_NAMES, *MAGNITUDE_NAMES)
MAIN_SHOCK = timedelta(seconds=60), 0.5
"""An earthquake this near in time and magnitude to the event is the event itself."""
AS_STRONG, NEAR, LONE = 0.1, 50_000.0, 1.0
"""Where times are unknown, the likely main shock is at most so much weaker than the event and lies
within so many metres of its epicentre; or it is so much stronger than all others."""
STRAY = 2_000_000.0
"""Metres from the others beyond which a point is no aftershock."""
MANY_ALIKE = 0.1
"""Share of points without time of day that repeat others from which on it is reported."""
LATEST = 10
"""Years after an earthquake by which its aftershocks have begun."""
STRONGEST = 10.0
"""No earthquake can be stronger."""


@dataclass
class Shocks:
    """The earthquakes that count.

    Attributes
    ----------
    x, y, weights : array, (n,) float64
        Place in the grid's CRS, and how much each counts.
    settings : dict
        What the choice depends on, for fingerprints.
    notes, warnings : list of str
        What was left out; what to think about.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load(settings: DensityFactor, code: str, sources: Sources) -> Shocks:
    """Return the earthquakes that a density factor counts.

    Raises
    ------
    InputError
        A layer, column or event time that is missing, or no earthquake left.
    """
    layer = sources.layer(settings.layer, code)
    where = f"{layer.path} ({settings.layer})"
    features = vector.read(
        vector_source(layer, settings.layer),
        grids.crs_of(sources.grid),
        "point",
        COLUMNS,
    )
    features = vector.single_points(features)
    window = _window(settings, code, sources.event)
    magnitude = _magnitudes(features, layer, settings, where)
    time = _moments(features, layer, where, needed=window != (None, None))
    keep = np.ones(len(features), bool)
    if time is not None:
        keep = _within(time, window)
    if settings.min_magnitude is not None and magnitude is not None:
        keep &= magnitude >= settings.min_magnitude
    main = _main_shock(time, magnitude, sources.event, len(keep))
    x, y = vector.points(features).T
    weights = _weights(features, magnitude, layer, settings, where)
    out, left_out = Shocks(x, y, weights, notes=list(features.notes)), []
    again = _repeats(out, time, magnitude, keep)
    keep &= ~again
    if time is not None and window != (None, None):
        out.notes += _days_told(time, keep, window)
    if window != (None, None):
        left_out = np.flatnonzero(keep & main).tolist()
        keep &= ~main
    # Without a window all rows are meant, this one too: it is only reported.
    elif main[keep].any():
        out.warnings.append(
            "the main shock is among them; leave it out with where =, or with days = in "
            f"[factors.{code}]"
        )
    if time is not None and window == (None, None):
        out.warnings += _misdated(time, keep & ~main, sources.event, code)
    if time is None or sources.event.time is None:
        out.warnings += _likely_main(magnitude, keep, out, sources)
    if not keep.any():
        raise InputError(
            f"{where}: none of its {len(keep)} earthquakes lies in the time window and above the "
            f"magnitude of [factors.{code}]"
        )
    if not keep.all():
        out.notes.append(f"{int(keep.sum())} of {len(keep)} earthquakes are used for {code}")
    out.x, out.y = out.x[keep], out.y[keep]
    out.weights = out.weights if keep.all() else out.weights[keep]
    _require_weights(out.weights, settings, code, where)
    out.settings = {
        "window": [None if t is None else t.isoformat() for t in window],
        "main_shock": left_out,
    }
    if again.any():
        out.settings["repeated"] = int(again.sum())
    out.notes += _unweighted(magnitude, keep, settings)
    out.warnings += _strays(out.x, out.y)
    return out


def _unweighted(
    magnitude: NDArray[np.float64] | None, keep: NDArray[np.bool_], settings: DensityFactor
) -> list[str]:
    """Tell of earthquakes that count nothing as their magnitude is missing."""
    if settings.weight != "magnitude" or magnitude is None:
        return []
    missing = int((keep & ~np.isfinite(magnitude)).sum())
    return [f"{missing} earthquakes without magnitude have weight 0"] if missing else []


def _strays(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[str]:
    """Tell of earthquakes that lie on another part of the Earth than most."""
    # Medians, for strays would move means.
    apart = np.hypot(x - np.median(x), y - np.median(y))
    far = int((apart > STRAY).sum())
    if far == 0:
        return []
    return [
        f"{far} of its {len(x)} points lie more than {STRAY / 1000:,.0f} km from most (up to "
        f"{apart.max() / 1000:,.0f} km): are they junk, such as 0, 0? They widen the default "
        "bandwidth; leave them out with where ="
    ]


def _repeats(
    shocks: Shocks,
    time: Moments | None,
    magnitude: NDArray[np.float64] | None,
    keep: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which earthquakes repeat an earlier row, and report them.

    Rows of the same time of day, place and magnitude are one earthquake, which counts once. Without
    a time of day two earthquakes may well share rounded coordinates and magnitude: these are all
    kept, and reported where they are many.
    """
    columns = [shocks.x, shocks.y, shocks.weights, *([] if magnitude is None else [magnitude])]
    timed = np.zeros(len(keep), bool)
    if time is not None:
        columns.append(time.time.to_numpy("datetime64[ns]"))
        timed = time.time.notna().to_numpy() & ~time.whole_day
    alike = np.zeros(len(keep), bool)
    # Copied only where some are left out: of millions the copies take as much as the rest.
    some = slice(None) if keep.all() else keep
    alike[some] = _repeated([column[some] for column in columns])
    again, unsure = alike & timed, int((alike & ~timed).sum())
    if again.any():
        shocks.notes.append(
            f"{int(again.sum()):,} of {int(keep.sum()):,} earthquakes repeat the time, place and "
            "magnitude of another row: each earthquake counts once"
        )
    if unsure > MANY_ALIKE * keep.sum():
        shocks.warnings.append(
            f"{unsure:,} of its {int(keep.sum()):,} points have the same place"
            f"{'' if magnitude is None else ', magnitude'}{'' if time is None else ', date'} as "
            "another one, and each counts: if the file lists earthquakes more than once, remove "
            "the repeated rows, or name the column of times with time ="
        )
    return again


def _repeated(columns: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows (n,) equal an earlier one in all columns; NaN equals NaN."""
    # A number per row first: to compare millions of rows column by column takes gigabytes.
    keys = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        # 0 and -0 are equal, but not every version of pandas hashes them alike.
        plain = column + 0.0 if column.dtype.kind == "f" else column
        # Multiplied first: the same values in another column give another number.
        keys *= np.uint64(0x9E3779B97F4A7C15)
        keys += pd.util.hash_array(plain, categorize=False)
    # Sorted, which takes a fifth of the memory of a table of hashes.
    ordered = np.sort(keys)
    suspects = np.flatnonzero(np.isin(keys, ordered[1:][ordered[1:] == ordered[:-1]]))
    out = np.zeros(len(keys), bool)
    out[suspects] = pd.DataFrame({i: c[suspects] for i, c in enumerate(columns)}).duplicated()
    return out


def _misdated(time: Moments, keep: NDArray[np.bool_], event: Event, code: str) -> list[str]:
    """Report earthquakes that are dated before the event, or all of them long after it."""
    known = keep & time.time.notna().to_numpy()
    if event.time is None or not known.any():
        return []
    start = pd.Timestamp(_utc(event.time))
    # A day without time of day is early only where all of it is.
    early = int((time.end[known] <= start).sum())
    first, last = time.time[known].min(), time.time[known].max()
    total = f"{int(known.sum()):,} dated earthquakes"
    if early:
        which = f"all {total} are" if early == known.sum() else f"{early:,} of its {total} are"
        return [
            f"{which} earlier than [event] time = {start:%Y-%m-%d %H:%M} (they run from "
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}), so they are no aftershocks: correct [event] "
            f"time, or count later ones only with days = in [factors.{code}]"
        ]
    if first.year - start.year > LATEST:
        return [
            f"the first of its {total} is of {first:%Y-%m-%d}, {first.year - start.year} years "
            f"after [event] time = {start:%Y-%m-%d}: are both right?"
        ]
    return []


def _require_weights(
    weights: NDArray[np.float64], settings: DensityFactor, code: str, where: str
) -> None:
    """Raise where no earthquake has a weight that can be counted."""
    if np.isfinite(weights.sum()) and weights.any():
        return
    remedy = 'look at the values of its column, or set weight = "count"'
    if settings.weight == "magnitude":
        remedy = "a usual value is 4; each earthquake counts 10^(magnitude - completeness)"
        remedy = f"completeness = {settings.completeness:g}: {remedy}"
    what = "adds up to more than a number can hold" if weights.any() else "is 0"
    raise InputError(
        f"{where}: the weight of its {len(weights):,} earthquakes {what}: [factors.{code}] {remedy}"
    )


def _utc(time: datetime) -> datetime:
    # Times without a zone are UTC, as catalogues write them.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _window(
    settings: DensityFactor, code: str, event: Event
) -> tuple[datetime | None, datetime | None]:
    """Return first and last time that count, None where the window is open."""
    if settings.days is not None and settings.end is not None:
        raise InputError(f"[factors.{code}] give either end or days, not both")
    start = None if settings.start is None else _utc(settings.start)
    end = None if settings.end is None else _utc(settings.end)
    if settings.days is None and (end is None or start is not None):
        return start, end
    if event.time is None:
        raise InputError(
            f"[event] time is missing, which days or end of [factors.{code}] start from: "
            "time = 2005-10-08T03:50:40Z"
        )
    if settings.days is not None:
        try:
            end = _utc(event.time) + timedelta(days=settings.days)
        except OverflowError as error:
            raise InputError(
                f"[factors.{code}] days = {settings.days:g} reaches beyond the calendar; give fewer"
            ) from error
    return start or _utc(event.time), end


def _within(time: Moments, window: tuple[datetime | None, datetime | None]) -> NDArray[np.bool_]:
    """Tell which times lie in a window, a day with any part of it; what has no time does not."""
    keep = np.ones(len(time.time), bool)
    if window[0] is not None:
        first = pd.Timestamp(window[0])
        started = (time.time >= first).to_numpy()
        keep &= started | (time.whole_day & (time.end > first).to_numpy())
    if window[1] is not None:
        keep &= (time.time < pd.Timestamp(window[1])).to_numpy()
    return keep


def _days_told(
    time: Moments, keep: NDArray[np.bool_], window: tuple[datetime | None, datetime | None]
) -> list[str]:
    """Tell that days without time of day count whole, and how many begin before the window."""
    days = int((keep & time.whole_day).sum())
    if days == 0:
        return []
    early = 0
    if window[0] is not None:
        early = int((keep & (time.time < pd.Timestamp(window[0])).to_numpy()).sum())
    first = f", {early:,} of them of the day on which the time window begins" if early else ""
    return [f"{days:,} earthquakes have a date without time of day and count by their day{first}"]


def _named(features: vector.Features, names: tuple[str, ...]) -> str | None:
    """Return the first column with one of these names, whatever its case."""
    # Reversed, so that of columns that differ in case alone the first counts.
    known = {c.lower(): c for c in reversed(features.names)}
    return next((known[n] for n in names if n in known), None)


def _moments(features: vector.Features, layer: Layer, where: str, needed: bool) -> Moments | None:
    named = layer.time is not None or layer.date is not None
    time, date = layer.time, layer.date
    if not named:
        time, date = _named(features, TIME_NAMES), _named(features, DATE_NAMES)
    try:
        if not named and time is not None and date is not None:
            vector.require_column(features, time, where)
            # A whole time needs no date beside it.
            if not dates.is_clock(features.table[time]):
                date = None
        return _read_moments(features, time, date, where, needed)
    except InputError:
        if needed or named:
            raise
        # Only looked at: a column that merely has the name of a time must not stop the study.
        return None


def _read_moments(
    features: vector.Features, time: str | None, date: str | None, where: str, needed: bool
) -> Moments | None:
    for column in (time, date):
        if column is not None:
            vector.require_column(features, column, where)
    if time is not None and date is not None:
        table = features.table
        return dates.joined(table[date], table[time], (date, time), where)
    column = time or date
    if column is not None:
        return dates.moments(features.table[column], column, where)
    if needed:
        raise InputError(
            f"{where}: name its column of date and time with time =, or date = and time ="
        )
    return None


def _magnitudes(
    features: vector.Features, layer: Layer, settings: DensityFactor, where: str
) -> NDArray[np.float64] | None:
    needed = settings.weight == "magnitude" or settings.min_magnitude is not None
    column = _named(features, MAGNITUDE_NAMES)
    if layer.column is not None and settings.weight != "column":
        column = layer.column
    if column is None:
        if needed:
            raise InputError(f"{where}: name its column of magnitudes with column =")
        return None
    if not needed:
        return _loose(features, column)
    vector.require_column(features, column, where)
    values = vector.numeric(features, column, where)
    beyond = int((values > STRONGEST).sum())
    if beyond:
        raise InputError(
            f"{where}: column '{column}' holds {beyond} magnitudes above {STRONGEST:g} (up to "
            f"{np.nanmax(values):g}); name the right column, or leave them out with where ="
        )
    return values


def _loose(features: vector.Features, column: str) -> NDArray[np.float64] | None:
    """Return magnitudes that are only looked at, None where two columns may hold them."""
    if features.names.count(column) > 1:
        return None
    return np.asarray(pd.to_numeric(features.table[column], errors="coerce"), np.float64)


def _main_shock(
    time: Moments | None, magnitude: NDArray[np.float64] | None, event: Event, count: int
) -> NDArray[np.bool_]:
    """Tell which earthquakes are the event itself."""
    if time is None or event.time is None:
        return np.zeros(count, bool)
    apart = time.time - pd.Timestamp(_utc(event.time))
    # The beginning of a day is no time of an earthquake.
    near = (apart.abs() <= MAIN_SHOCK[0]).to_numpy() & ~time.whole_day
    if magnitude is None or event.magnitude is None:
        return np.asarray(near)
    # Not "at most": an earthquake without a magnitude stays a candidate.
    near &= ~(np.abs(magnitude - event.magnitude) > MAIN_SHOCK[1])
    return np.asarray(near | _main_of_day(apart, time, magnitude, event.magnitude))


def _main_of_day(
    apart: pd.Series, time: Moments, magnitude: NDArray[np.float64], size: float
) -> NDArray[np.bool_]:
    """Tell which earthquake of the event's day is the event, where only days are known.

    It is the one whose magnitude is nearest.
    """
    out = np.zeros(len(magnitude), bool)
    today = time.whole_day & ((apart <= pd.Timedelta(0)) & (apart > -dates.DAY)).to_numpy()
    differs = np.where(today, np.abs(magnitude - size), np.inf)
    # `argmin` would return a NaN.
    differs = np.where(np.isnan(differs), np.inf, differs)
    if differs.size and differs.min() <= MAIN_SHOCK[1]:
        out[np.argmin(differs)] = True
    return out


def _likely_main(
    magnitude: NDArray[np.float64] | None, keep: NDArray[np.bool_], shocks: Shocks, sources: Sources
) -> list[str]:
    """Tell of what is likely the main shock, where its time or those of the others are unknown.

    That is one as strong as the event near its epicentre, or one far stronger than all others:
    the strongest aftershock is 1.2 weaker than its main shock in the mean (Båth's law).
    """
    if magnitude is None or not np.isfinite(magnitude[keep]).any():
        return []
    event, known = sources.event, np.where(keep, magnitude, np.nan)
    first = int(np.nanargmax(known))
    strongest = float(known[first])
    others = np.delete(known, first)
    alone = bool(np.isfinite(others).any()) and strongest - np.nanmax(others) >= LONE
    as_strong = event.magnitude is not None and strongest >= event.magnitude - AS_STRONG
    if as_strong and event.epicentre is not None:
        own, here = grids.named_crs(event.crs, "[event] crs"), grids.crs_of(sources.grid)
        to_grid = pyproj.Transformer.from_crs(own.to_wkt(), here.to_wkt(), always_xy=True)
        x, y = to_grid.transform(*event.epicentre)
        as_strong = bool(np.hypot(shocks.x[first] - x, shocks.y[first] - y) <= NEAR)
    if not (as_strong or (alone and event.magnitude is None)):
        return []
    return [
        f"its strongest earthquake (magnitude {strongest:g}) may be the main shock, which is not "
        "an aftershock: leave it out with where =, or state [event] time and the column of times "
        "(time =)"
    ]


def _weights(
    features: vector.Features,
    magnitude: NDArray[np.float64] | None,
    layer: Layer,
    settings: DensityFactor,
    where: str,
) -> NDArray[np.float64]:
    if settings.weight == "count":
        return np.ones(len(features))
    if settings.weight == "magnitude":
        if magnitude is None:
            raise InputError(f"{where}: name its column of magnitudes with column =")
        # Weights beyond all numbers are refused by `_require_weights`.
        with np.errstate(over="ignore", under="ignore"):
            weights = 10.0 ** (magnitude - settings.completeness)
        weights = np.where(np.isnan(magnitude), 0.0, weights)
    else:
        if layer.column is None:
            raise InputError(f'{where}: weight = "column" needs column = in its table')
        vector.require_column(features, layer.column, where)
        weights = vector.numeric(features, layer.column, where)
    if (weights < 0).any():
        raise InputError(f"{where}: column '{layer.column}' holds negative weights")
    return np.where(np.isnan(weights), 0.0, weights)
