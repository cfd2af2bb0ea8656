"""A look at a raster layer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.checks import symptoms
from shakeslide.checks.rows import LayerRow, Uses, coverage_warning
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import pam, raster, shakemap
from shakeslide.io.summary import Summary, full_byte, summarised, untagged_nodata
from shakeslide.layers.readers import raster_info, raster_source
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

WINDOW = 1024
"""Rows and columns of the DEM's own cells that are looked at for steps and stripes."""
CORE = 1.0
"""Degrees between the study's epicentre and a ShakeMap's that cannot be one earthquake."""
SAME_TIME = timedelta(days=1)
"""Times of a study and a ShakeMap that differ by less may be local time and UTC."""
MOST_CODES = 100_000
"""Classes that are counted at most."""


class Reading(NamedTuple):
    """How a raster's cells are looked at: by how many threads, and whether all, however many."""

    threads: int = 1
    thorough: bool = False


READING = Reading()


def raster_row(
    name: str,
    layer: Layer,
    use: Uses,
    coarse: GeoBox,
    grid: GeoBox,
    event: Event,
    reading: Reading = READING,
) -> LayerRow:
    """Return what there is to say of a raster layer; raise where it cannot serve.

    Its own cells are read for what a sample may miss; coverage is that of the coarse grid.
    """
    where = f"{layer.path} (layers.{name})"
    info = raster_info(layer, name)
    # Not interpolated: a number for "no data" must not be mixed with its neighbours.
    source = raster_source(layer, name=name).nearest()
    values = source.read_codes(coarse) if use.classes else source.read(coarse)
    if not np.isfinite(values).any():
        raise InputError(
            f"{where}: has no value on the grid; do they overlap? Its extent is "
            f"{_box(info.grid)} in {grids.crs_name(info.crs)}{_sidecar_crs(layer, info)}"
        )
    most = MOST_CODES if use.classes else symptoms.MOST_CLASSES
    seen = summarised(source, info, grid, most, *reading, classes=use.classes)
    if untagged := untagged_nodata(seen):
        raise InputError(f"{where}: {untagged} in [layers.{name}]")
    text = _classes(seen) if use.classes else f"{seen.low:.6g} to {seen.high:.6g}"
    notes, warnings = _raster_remarks(layer, info, seen, use)
    if use.classes:
        codes, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        areas = {f"{c:.0f}": float(n) for c, n in zip(codes, counts, strict=True)}
        warnings += [w for w in [symptoms.rare_classes(areas)] if w]
    if name == "dem":
        warnings += _dem_remarks(where, values, seen, info, source, grid)
    if source.field is not None:
        more = _shakemap_remarks(layer, source.field, event)
        notes, warnings = notes + more[0], warnings + more[1]
        # Files of intensities give its name as its unit.
        unit = "" if info.unit.lower() == source.field.lower() else info.unit
        text = f"{source.field}: {text} {unit}".rstrip()
    kind = "ShakeMap" if source.field is not None else f"raster {info.dtype}"
    share = float(np.isfinite(values).mean())
    aligned = raster.aligned_offset(info.grid.affine, info.crs, grid) is not None
    how = "nearest" if use.classes else "bilinear"
    return LayerRow(
        name=name,
        file=layer.path.name,
        kind=f"{kind}, {info.grid.shape[0]} x {info.grid.shape[1]}",
        crs=grids.crs_name(info.crs),
        coverage=share,
        values=text,
        use=use.text + ("" if aligned else f"; resampled ({how})"),
        source=layer.source,
        notes=notes,
        warnings=coverage_warning(share) + warnings,
    )


def require_values(
    layer: Layer, name: str, grid: GeoBox, reading: Reading = READING
) -> tuple[str, Summary]:
    """Return where a raster is stated and what it holds; raise where a number is "no data".

    Raises
    ------
    InputError
        A number that stands for "no data" although nothing says so.
    """
    where = f"{layer.path} ({name})"
    source = raster_source(layer, name=name).nearest()
    seen = summarised(source, raster_info(layer, name), grid, 0, *reading)
    if untagged := untagged_nodata(seen):
        raise InputError(f"{where}: {untagged} in [{name}]")
    return where, seen


def _raster_remarks(
    layer: Layer, info: raster.RasterInfo, seen: Summary, use: Uses
) -> tuple[list[str], list[str]]:
    """Return notes and warnings that hold for any raster."""
    notes, warnings = list(info.notes), [full_byte(seen, info.dtype), symptoms.infinite(seen)]
    if layer.scale is None and (info.scale, info.offset) != (1.0, 0.0):
        notes.append(f"scale {info.scale:g} and offset {info.offset:g} of the file applied")
    if info.crs is not None and info.crs.geographic and not _within_180(info.grid):
        notes.append("extends beyond longitude 180 and is read across it")
    if use.codes and seen.known:
        warnings.append(symptoms.constant(seen.low, seen.high))
    if use.unit is not None and not use.classes:
        stated = use.unit or info.unit
        warnings += [
            symptoms.undeclared_classes(seen, info.dtype, stated, info.colours),
            symptoms.unlikely_unit(seen, info.unit or use.unit),
        ]
    return notes, [w for w in (*warnings, _sidecar_remark(layer, info, seen)) if w]


def _within_180(grid: GeoBox) -> bool:
    box = grids.bounds(grid)
    return bool(box.left >= -180.001 and box.right <= 180.001)


def _sidecar_remark(layer: Layer, info: raster.RasterInfo, seen: Summary) -> str:
    """Tell of a sidecar that does not belong to the file as it is."""
    said = pam.read(layer.path, layer.band)
    if said is None:
        return ""
    low, high = seen.low, seen.high
    # Statistics in a sidecar are often of a part of the cells.
    room = 0.01 * (high - low)
    if (said.minimum is not None and low < said.minimum - room) or (
        said.maximum is not None and high > said.maximum + room
    ):
        return (
            f"{said.path.name} is stale: it states values from {said.minimum:.6g} to "
            f"{said.maximum:.6g}, but they run from {low:.6g} to {high:.6g}; delete it (it is not "
            "read here, but other programs believe it)"
        )
    own = layer.nodata if layer.nodata is not None else info.nodata
    if said.nodata is not None and own is None:
        return (
            f"{said.path.name} names nodata {said.nodata:g}, which is not read: set nodata = "
            f"{said.nodata:g}"
        )
    return ""


def _sidecar_crs(layer: Layer, info: raster.RasterInfo) -> str:
    said = pam.read(layer.path, layer.band) if info.crs is None else None
    return "" if said is None or not said.crs else f"; {said.path.name} names one: give it as crs ="


def _dem_remarks(
    where: str,
    values: NDArray[np.floating],
    seen: Summary,
    info: raster.RasterInfo,
    source: raster.RasterSource,
    grid: GeoBox,
) -> list[str]:
    """Return what to think about in an elevation model."""
    # A stated scale says that somebody has thought of it.
    if source.scale is None and (
        other := symptoms.not_metres([info.unit, info.height_unit], info.scale, info.offset)
    ):
        raise InputError(f"{where}: {other} in [layers.dem]")
    if unearthly := symptoms.not_elevations(seen):
        raise InputError(f"{where}: {unearthly}")
    out = [symptoms.zero_plateau(seen), symptoms.voids(values)]
    if source.scale is None and (said := pam.read(source.path, source.band)):
        unit = symptoms.not_metres([said.unit], info.scale, info.offset)
        out.append(unit and f"{unit} ({said.path.name} states so, which is not read)")
    # The file's own cells: resampling blurs steps and stripes.
    own, cell = raster.native_window(source, info, grid, WINDOW)
    if own.size:
        out += [symptoms.stepped(own, cell), symptoms.striped(own)]
        out.append(symptoms.unlikely_slopes(own, cell, _relief(values)))
    out.append(symptoms.interpolated(_side(info, grid), projection.distortion(grid).side))
    dx, dy = grids.cell_size(grid)
    if abs(dx - dy) > 1e-3 * dx:
        out.append(
            f"its cells are {dx:.6g} x {dy:.6g} m, not square; slopes and distances take it "
            "into account"
        )
    return [text for text in out if text]


def slopes_remark(layer: Layer, grid: GeoBox) -> str:
    """Return what to think about in the slopes of an elevation model, "" if nothing.

    Parameters
    ----------
    layer : Layer
        [layers.dem] of the study.
    grid : GeoBox
        The grid.
    """
    info, source = raster_info(layer, "dem"), raster_source(layer, name="dem")
    own, cell = raster.native_window(source, info, grid, WINDOW)
    some = grid.zoom_out(max(1.0, max(grids.shape_of(grid)) / WINDOW))
    return symptoms.unlikely_slopes(own, cell, _relief(source.nearest().read(some)))


def _relief(elevation: NDArray[np.floating]) -> float:
    """Return the highest less the lowest elevation, 0 where there is none."""
    known = elevation[np.isfinite(elevation)]
    return float(np.ptp(known)) if known.size else 0.0


def _side(info: raster.RasterInfo, grid: GeoBox) -> float:
    """Return the side in metres, on the ground at the grid's centre, of a raster's own cells."""
    crs = info.crs or grids.crs_of(grid)
    box = grids.bounds(grid)
    to_own = pyproj.Transformer.from_crs(grids.crs_of(grid).to_wkt(), crs.to_wkt(), always_xy=True)
    middle = to_own.transform((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    # On the ground, for the file may be in degrees or in stretched metres.
    area = projection.ground(crs, *(np.array([v]) for v in middle)).area[0]
    a = info.grid.affine
    return float(np.sqrt(abs(a.a * a.e) * area))


def _shakemap_remarks(layer: Layer, name: str, event: Event) -> tuple[list[str], list[str]]:
    read = shakemap.read(layer.path)
    notes = [read.notes[name]] if name in read.notes else []
    found = [_other_place(read.event, event), _other_time(read.event, event)]
    return notes, [text for text in found if text]


def _other_place(stated: Mapping[str, str], event: Event) -> str:
    """Report a ShakeMap whose epicentre is not the study's."""
    try:
        lon, lat = float(stated["lon"]), float(stated["lat"])
    except (KeyError, ValueError):
        return ""
    # ShakeMaps give degrees.
    if event.epicentre is None or event.crs != "EPSG:4326":
        return ""
    # The shorter way round the Earth.
    apart = abs((lon - event.epicentre[0] + 180) % 360 - 180), abs(lat - event.epicentre[1])
    if max(apart) <= CORE:
        return ""
    return (
        f"is of an earthquake at {lon:g}, {lat:g}, but [event] epicentre = "
        f"{list(event.epicentre)}: are both of the same earthquake?"
    )


def _other_time(stated: Mapping[str, str], event: Event) -> str:
    """Report a ShakeMap whose earthquake was at another time than the study's."""
    # Older ShakeMaps append the name of a time zone.
    text = str(stated.get("event_timestamp", ""))[:19].rstrip("Z")
    try:
        own = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if event.time is None:
        return ""
    time = event.time if event.time.tzinfo is None else event.time.astimezone(UTC)
    if abs(own.replace(tzinfo=None) - time.replace(tzinfo=None)) <= SAME_TIME:
        return ""
    return (
        f"is of an earthquake on {own:%Y-%m-%d} at {own:%H:%M}, but [event] time = "
        f"{time:%Y-%m-%d %H:%M}: are both of the same earthquake?"
    )


def _box(grid: GeoBox) -> str:
    return ", ".join(f"{v:.6g}" for v in grids.bounds(grid))


def _classes(seen: Summary) -> str:
    codes = seen.distinct
    if codes is None:
        return f"more than {MOST_CODES:,} classes"
    shown = ", ".join(f"{int(c)}" for c in codes[:12])
    return f"{len(codes)} classes: {shown}" + (" ..." if len(codes) > 12 else "")
