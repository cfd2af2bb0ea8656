"""The study file that `rapid` writes from a ShakeMap and a DEM, to be edited and run again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import shakemap
from shakeslide.layers import readers
from shakeslide.study.layer_settings import Layer

SHAKEN = 0.05
"""PGA in g from which on ground counts as shaken: half of the least at which the USGS counts."""


@dataclass(frozen=True, kw_only=True)
class ChosenGrid:
    """The grid that fits the shaken part of a DEM.

    Attributes
    ----------
    crs : str
        As [grid] crs takes it.
    resolution : float
        Side of the cells in metres.
    bounds : tuple of float
        West, south, east, north in `crs`.
    """

    crs: str
    resolution: float
    bounds: tuple[float, float, float, float]


def choose_grid(shaken: shakemap.ShakeMap, dem: Path) -> ChosenGrid:
    """Return the grid over the part of a DEM that was shaken with at least `SHAKEN` g.

    Raises
    ------
    InputError
        A ShakeMap without PGA, or one that does not reach the DEM.
    """
    own = readers.raster_info(Layer(path=dem), "dem").grid
    if own.crs is None:
        raise InputError(f"{dem}: has no CRS; write one with `gdal_edit.py -a_srs EPSG:...`")
    pga = shaken.fields.get("PGA")
    if pga is None:
        raise InputError(f"{shaken.path}: has no field PGA; its fields: {', '.join(shaken.fields)}")
    in_g = pga * np.float32(0.01 if shaken.units.get("PGA") == "%g" else 1.0)
    rows, cols = np.nonzero(in_g >= SHAKEN)
    if rows.size == 0:
        raise InputError(
            f"{shaken.path}: PGA is below {SHAKEN:g} g everywhere: no landslides are expected"
        )
    part = shaken.grid[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    area = _common(part, own, dem, shaken.path)
    fit = projection.fitting(projection.distortion(area), grids.SLIGHT)
    if fit is None:
        raise InputError(f"{dem}: no projection fits its shaken part; cut the DEM to the area")
    west, south, east, north = area.extent.to_crs(fit[0]).boundingbox
    step = fit[1]
    low = [float(np.floor(v / step) * step) for v in (west, south)]
    high = [float(np.ceil(v / step) * step) for v in (east, north)]
    return ChosenGrid(crs=fit[0], resolution=step, bounds=(low[0], low[1], high[0], high[1]))


def _common(shaken: GeoBox, dem: GeoBox, dem_path: Path, map_path: Path) -> GeoBox:
    """Return the part of the DEM's own cells that lies in the bounds of the shaken nodes."""
    bounds = shaken.extent.boundingbox
    # The DEM may count longitudes on the other side of 180 degrees.
    for turn in (0.0, -360.0, 360.0):
        moved = box(bounds.left + turn, bounds.bottom, bounds.right + turn, bounds.top, "EPSG:4326")
        here = moved.to_crs(grids.crs_of(dem)).boundingbox
        own = grids.bounds(dem)
        west, east = max(here.left, own.left), min(here.right, own.right)
        south, north = max(here.bottom, own.bottom), min(here.top, own.top)
        if west < east and south < north:
            inverse = ~dem.affine
            c0, r0 = inverse * (west, north)
            c1, r1 = inverse * (east, south)
            rows = slice(max(int(np.floor(min(r0, r1))), 0), int(np.ceil(max(r0, r1))))
            cols = slice(max(int(np.floor(min(c0, c1))), 0), int(np.ceil(max(c0, c1))))
            return dem[rows, cols]
    raise InputError(
        f"{map_path}: its shaken part (PGA of {SHAKEN:g} g and more) does not reach {dem_path}; "
        "give the DEM of the shaken area"
    )


def write(
    path: Path, shaken: shakemap.ShakeMap, dem: Path, model: str, resolution: float | None = None
) -> Path:
    """Write the study file of a new earthquake.

    Parameters
    ----------
    path : Path
        The file to make.
    shaken : ShakeMap
        As read.
    dem : Path
        Elevation.
    model : str
        Model to map.
    resolution : float, optional
        Side of the cells in metres; default: about that of the DEM's.
    """
    chosen = choose_grid(shaken, dem)
    place, about = path.parent.resolve(), shaken.event
    lines = [
        "# Written by `shakeslide rapid`. Edit it and run `shakeslide rapid` on it again.",
        "[study]",
        f"name = {_text(about.get('event_description') or 'New earthquake')}",
        "",
        "[event]",
        *_event(about),
        "",
        "[grid]",
        f"crs = {_text(chosen.crs)}",
        f"resolution = {resolution or chosen.resolution:g}",
        f"bounds = {[float(f'{v:.10g}') for v in chosen.bounds]}",
        "",
        "[layers.dem]",
        f"path = {_path(dem, place)}",
        "",
        "[shaking]",
        f"shakemap = {_path(shaken.path, place)}",
        "",
        "[models]",
        f"use = [{_text(model)}]",
        "",
        "# More layers make the map better, for example:",
        "# [layers.lithology]",
        '# path = "glim.gpkg"',
        '# column = "xx"',
        "# [layers.landcover]",
        '# path = "globcover.tif"',
        "# [exposure.people]",
        '# path = "population.tif"',
        "",
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    return path


def set_shakemap(path: Path, source: Path) -> None:
    """Let a study file name another ShakeMap; all else stays as it is.

    Raises
    ------
    InputError
        The file has no line that names one.
    """
    text = path.read_text(encoding="utf-8")
    line = f"shakemap = {_path(source, path.parent.resolve())}"
    changed, count = re.subn(r"(?m)^shakemap *=.*$", lambda _: line, text)
    if count != 1:
        raise InputError(
            f"{path}: is there already and names no ShakeMap; run `shakeslide rapid {path}`, or "
            "choose another --out"
        )
    if changed != text:
        with replacing(path) as temporary:
            temporary.write_text(changed, encoding="utf-8")


def _event(given: Mapping[str, str]) -> list[str]:
    """Return the lines of [event] that the ShakeMap gives."""
    out = []
    with suppress(KeyError, ValueError):
        out.append(f"epicentre = [{float(given['lon']):g}, {float(given['lat']):g}]")
    with suppress(KeyError, ValueError):
        magnitude = float(given["magnitude"])
        out += [f"magnitude = {magnitude:g}"] if 0 < magnitude < 10 else []
    moment = given.get("event_timestamp", "")
    if len(moment) >= 19 and moment[4] == "-" and moment[10] in "T ":
        out.append(f"time = {_text(moment[:19] + 'Z')}")
    return out


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _path(path: Path, start: Path) -> str:
    """Return a path as the study file has it: relative where it lies near."""
    whole = path.resolve()
    near = os.path.relpath(whole, start)
    return _text(near if near.count("..") <= 3 else str(whole))
