"""Earthquake catalogues in QuakeML as points with time, magnitude and depth.

QuakeML 1.2 BED (Schorlemmer et al. 2011, Ann. Geophys. 54, doi:10.4401/ag-4874).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely

from shakeslide.core.errors import InputError, counted
from shakeslide.io import suffixes, xml
from shakeslide.io.records import Records

COLUMNS = ("id", "time", "magnitude", "depth_km")
"""Columns of the points."""


def is_quakeml(path: Path) -> bool:
    """Tell by its content whether a file is QuakeML."""
    return path.suffix.lower() in suffixes.QUAKEML and xml.root_name(path) == "quakeml"


def read(path: Path) -> Records:
    """Read the events of a catalogue.

    Each event gives its preferred origin and magnitude, else its first ones.

    Returns
    -------
    Records
        Points in EPSG:4326 with id, time (UTC), magnitude (NaN where there is none), depth_km.

    Raises
    ------
    InputError
        A file that is missing, damaged, hostile, or holds no event with an origin.
    """
    root = xml.read(path, "QuakeML catalogue")
    parameters = xml.child(root, "eventParameters")
    events = [] if parameters is None else xml.children(parameters, "event")
    rows = [row for event in events if (row := _row(event, path)) is not None]
    if not rows:
        raise InputError(f"{path}: holds no event with an origin")
    table = pd.DataFrame(rows)
    points = shapely.points(table.pop("longitude"), table.pop("latitude"))
    without = len(events) - len(rows)
    notes = [f"{counted(without, 'event')} without an origin left out"] if without else []
    return Records(table[list(COLUMNS)], np.asarray(points, object), "EPSG:4326", COLUMNS, notes)


def _row(event: Any, path: Path) -> dict[str, Any] | None:
    origin = _preferred(event, "origin", "preferredOriginID")
    if origin is None:
        return None
    magnitude = _preferred(event, "magnitude", "preferredMagnitudeID")
    longitude, latitude = (_number(origin, key, path) for key in ("longitude", "latitude"))
    if not np.isfinite([longitude, latitude]).all():
        return None
    time = xml.child(origin, "time", "value")
    text = "" if time is None else str(time.text).strip()
    return {
        "id": str(event.attrib.get("publicID", "")),
        "time": pd.to_datetime(text, utc=True, errors="coerce"),
        "magnitude": np.nan if magnitude is None else _number(magnitude, "mag", path),
        # QuakeML states depths in metres.
        "depth_km": _number(origin, "depth", path) / 1000.0,
        "longitude": longitude,
        "latitude": latitude,
    }


def _preferred(event: Any, kind: str, key: str) -> Any | None:
    """Return the event's element of a kind that it prefers, else its first."""
    given = xml.children(event, kind)
    preferred = xml.child(event, key)
    wanted = None if preferred is None else str(preferred.text).strip()
    chosen = [element for element in given if element.attrib.get("publicID") == wanted]
    return (chosen or given or [None])[0]


def _number(element: Any, key: str, path: Path) -> float:
    """Return the value of a quantity, NaN where there is none."""
    value = xml.child(element, key, "value")
    if value is None or not str(value.text or "").strip():
        return float("nan")
    try:
        return float(value.text)
    except ValueError as error:
        raise InputError(f"{path}: {key} = {value.text!r} is not a number") from error
