"""Ground motion from a ShakeMap: `grid.xml` with `uncertainty.xml`, or `shake_result.hdf`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import shakemap as files
from shakeslide.io import units
from shakeslide.shaking.bssa14 import Name
from shakeslide.shaking.completion import UNITS, Given, completed, origin_of_deviations
from shakeslide.shaking.ground_motion import GroundMotion

Array = NDArray[np.float64]

WITHOUT_RUPTURE = 0.98
"""Mean uncertainty ratio above which no finite rupture was used (USGS ground failure)."""
LARGEST_RATIO = 10.0
USUAL_UNITS: dict[Name, tuple[str, ...]] = {"PGA": ("g", "%g"), "PGV": ("cm/s",)}
LARGEST_RUPTURE = 50_000_000
"""Bytes of a rupture.json that is read."""
LN_10 = float(np.log(10.0))
POSSIBLE = {
    "magnitude": (0.1, 9.9), "depth": (-10.0, 800.0), "lon": (-360.0, 360.0), "lat": (-90.0, 90.0),
}  # fmt: skip
"""Least and greatest that an earthquake can have; depth in km."""
YEARS = range(2, 9999)


@dataclass(frozen=True)
class Origin:
    """What a ShakeMap says of its earthquake; None or "" where it says nothing that can be true.

    Attributes
    ----------
    magnitude, depth : float or None
        Depth in km.
    epicentre : (float, float) or None
        Longitude, latitude.
    time : str
        UTC, ISO 8601.
    notes : tuple of str
        What was left out.
    """

    magnitude: float | None
    depth: float | None
    epicentre: tuple[float, float] | None
    time: str
    notes: tuple[str, ...]


def read(path: Path, uncertainty: Path | None = None) -> GroundMotion:
    """Return the ground motion of a ShakeMap.

    Parameters
    ----------
    path : Path
        grid.xml or shake_result.hdf.
    uncertainty : Path, optional
        uncertainty.xml; default: the file of that name beside `path`, if there is one.

    Raises
    ------
    InputError
        A file that is missing, damaged, in an unknown unit, or with values that cannot be true
        (PGA above 4 g).
    """
    grid = files.read(path)
    beside = _beside(path) if uncertainty is None else uncertainty
    notes: list[str] = []
    fields, source = dict(grid.fields), str(path)
    said = dict(grid.units)
    if beside is not None:
        more = _uncertainty(beside, grid, notes)
        fields, said = {**more.fields, **fields}, {**more.units, **said}
        source = f"{path}, {beside.name}"
    origin = origin_of(grid.event)
    notes += origin.notes
    mmi = None if "MMI" not in fields else fields["MMI"].astype(np.float64)
    given: dict[Name, Given] = {
        name: _given(name, fields, said, str(path), notes) for name in UNITS
    }
    measures, mmi, more_notes = completed(given, mmi, origin.magnitude, source)
    ratio = _uncertainty_ratio(grid.product, fields)
    return GroundMotion(
        source=source,
        id=grid.product.get("shakemap_id", grid.product.get("event_id", "")),
        version=grid.product.get("shakemap_version", ""),
        title=grid.event.get("event_description", ""),
        scenario=_event_type(grid.product, notes),
        magnitude=origin.magnitude,
        depth=origin.depth,
        epicentre=origin.epicentre,
        time=origin.time,
        grid=grid.grid,
        pga=measures["PGA"],
        pgv=measures["PGV"],
        mmi=mmi,
        vs30=fields["SVEL"].astype(np.float64) if "SVEL" in fields else None,
        uncertainty_ratio=ratio,
        finite_rupture=_finite_rupture(path, grid.event, ratio),
        notes=(*notes, *more_notes),
        deviations=origin_of_deviations(given, (beside or path).name),
    )


def _beside(path: Path) -> Path | None:
    """Return the file of uncertainties that belongs to a grid by its name, if there is one."""
    if "grid" not in path.name:
        return None
    beside = path.with_name("uncertainty".join(path.name.rsplit("grid", 1)))
    return beside if beside.is_file() else None


def _uncertainty(path: Path, grid: files.ShakeMap, notes: list[str]) -> files.ShakeMap:
    """Return uncertainty.xml of the same nodes and the same earthquake."""
    found = files.read(path)
    near = np.allclose(np.array(found.grid.affine), np.array(grid.grid.affine), atol=1e-4)
    if found.grid.shape != grid.grid.shape or not near:
        raise InputError(
            f"{path}: has different nodes from {grid.path}; take both from one version of "
            "the ShakeMap"
        )
    for key in ("shakemap_id", "event_id"):
        own, its = (p.product.get(key, "") for p in (grid, found))
        if own and its and own != its:
            raise InputError(
                f"{path}: belongs to ShakeMap '{shortened(its)}', but {grid.path} to "
                f"'{shortened(own)}'; take both from one ShakeMap"
            )
    own, its = (p.product.get("shakemap_version", "") for p in (grid, found))
    if own and its and own != its:
        notes.append(
            f"{path.name} is of version {shortened(its)}, {grid.path.name} of version "
            f"{shortened(own)}: take both from one version"
        )
    return found


def _given(
    name: Name,
    fields: Mapping[str, files.Float],
    said: Mapping[str, str],
    where: str,
    notes: list[str],
) -> Given:
    """Return what the file gives of a measure, in g or cm/s and natural logarithms."""
    median = None
    if name in fields:
        median = converted(name, fields[name], said[name], where, notes)
    kinds = ("STD", "GMPE_INTER_STD", "GMPE_INTRA_STD")
    deviations = [
        _natural(fields[kind + name], said[kind + name]) if kind + name in fields else None
        for kind in kinds
    ]
    return Given(median, *deviations)


def converted(name: Name, values: files.Float, unit: str, where: str, notes: list[str]) -> Array:
    """Return a field in g or cm/s, (rows, cols) float64.

    Parameters
    ----------
    name : {"PGA", "PGV"}
    values : array, (rows, cols) float32
        In the file's own unit.
    unit : str
        The unit, or "ln(unit)".
    where : str
        The file, for messages.
    notes : list of str
        Gets a line where values are converted from an unusual unit.

    Raises
    ------
    InputError
        A unit of something else.
    """
    inner = re.fullmatch(r"ln\s*\((.*)\)", unit.strip())
    plain = units.spelled(inner[1] if inner else unit)
    gain = units.conversion(plain, UNITS[name])
    if gain is None:
        raise InputError(
            f"{where}: {name} is in '{shortened(unit)}', which is not a unit of {name}; use "
            f"{' or '.join(USUAL_UNITS[name])}"
        )
    if inner or plain not in USUAL_UNITS[name]:
        notes.append(f"{name} is in {unit}, converted to {UNITS[name]}")
    numbers = values.astype(np.float64)
    return (np.exp(numbers) if inner else numbers) * gain


def _natural(values: files.Float, unit: str) -> Array:
    """Return standard deviations of the natural logarithm; a file may state log10."""
    base_ten = unit.strip().lower().startswith("log")
    return values.astype(np.float64) * (LN_10 if base_ten else 1.0)


def _event_type(product: Mapping[str, str], notes: list[str]) -> bool:
    """Return whether the earthquake is an assumed one, as the file states."""
    stated = product.get("shakemap_event_type", "").strip()
    if stated.upper() not in ("", "ACTUAL", "SCENARIO"):
        notes.append(
            f"the ShakeMap's event type '{shortened(stated)}' is neither ACTUAL nor SCENARIO: "
            "taken as ACTUAL; set [shaking] scenario = true if the earthquake is an assumed one"
        )
    return stated.upper() == "SCENARIO"


def _number(stated: Mapping[str, str], key: str) -> float | None:
    try:
        value = float(stated[key])
    except (KeyError, ValueError):
        return None
    return value if np.isfinite(value) else None


def origin_of(event: Mapping[str, str]) -> Origin:
    """Return where, when and how large an earthquake was, as far as a ShakeMap says so."""
    notes: list[str] = []
    notes += [
        f"the ShakeMap's {key} '{shortened(event[key])}' is no number: left out"
        for key in POSSIBLE
        if event.get(key, "").strip() and _number(event, key) is None
    ]
    number = {key: _within(key, _number(event, key), span, notes) for key, span in POSSIBLE.items()}
    lon, lat = number["lon"], number["lat"]
    stated = event.get("event_timestamp", "")
    time = _time(stated)
    if stated.strip() and not time:
        notes.append(
            f"the ShakeMap's event_timestamp '{shortened(stated)}' is not a time and is ignored"
        )
    return Origin(
        magnitude=number["magnitude"],
        depth=number["depth"],
        epicentre=None if lon is None or lat is None else (lon, lat),
        time=time,
        notes=tuple(notes),
    )


def _within(
    key: str, value: float | None, span: tuple[float, float], notes: list[str]
) -> float | None:
    """Return a number, None where no earthquake has such a one."""
    if value is None or span[0] <= value <= span[1]:
        return value
    notes.append(f"the ShakeMap's {key} {value:g} is impossible and is ignored")
    return None


def _time(text: str) -> str:
    """Return a time in ISO 8601 and UTC, "" where the text is none."""
    # Older ShakeMaps append the name of a time zone to a time in UTC.
    plain = re.sub(r"\s*[A-Za-z]+$", "", text.strip())
    try:
        time = datetime.fromisoformat(plain)
    except ValueError:
        return ""
    # An hour east or west must not lead out of the calendar.
    if time.year not in YEARS:
        return ""
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    return time.isoformat(timespec="seconds") + "Z"


def _uncertainty_ratio(
    product: Mapping[str, str], fields: Mapping[str, files.Float]
) -> float | None:
    """Return the mean over the nodes of σ of PGA over that of the ground-motion model."""
    stated = _number(product, "mean_uncertainty_ratio")
    if stated is not None and 0 <= stated <= LARGEST_RATIO:
        return stated
    if "URAT" in fields:
        ratio = fields["URAT"].astype(np.float64)
    elif all(k in fields for k in ("STDPGA", "GMPE_INTER_STDPGA", "GMPE_INTRA_STDPGA")):
        prior = np.hypot(fields["GMPE_INTER_STDPGA"], fields["GMPE_INTRA_STDPGA"])
        ratio = np.divide(
            fields["STDPGA"], prior, out=np.full(prior.shape, np.nan), where=prior > 0
        )
    else:
        return None
    known = ratio[np.isfinite(ratio)]
    return float(known.mean()) if known.size else None


def _finite_rupture(path: Path, event: Mapping[str, str], ratio: float | None) -> bool | None:
    """Return whether a finite rupture was used: as the file says, its rupture, or the ratio."""
    stated = event.get("point_source", "").strip().lower()
    if stated in ("true", "false"):
        return stated == "false"
    if (shape := _rupture_shape(path.with_name("rupture.json"))) is not None:
        return shape != "Point"
    return None if ratio is None else ratio <= WITHOUT_RUPTURE


def _rupture_shape(path: Path) -> str | None:
    """Return the kind of geometry of a rupture.json, None where there is none to be read."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_RUPTURE:
            return None
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        return str(features[0]["geometry"]["type"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
