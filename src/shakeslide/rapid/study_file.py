"""The study file that `rapid` writes from a ShakeMap and a DEM, to be edited and run again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import box
from pydantic import ValidationError

from shakeslide.core import documents
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import shakemap
from shakeslide.layers import readers
from shakeslide.rapid import model_choice, totals, versions
from shakeslide.shaking import shakemap_motion
from shakeslide.study import settings
from shakeslide.study.layer_settings import Layer

SHAKEN = 0.05
"""PGA in g from which on ground counts as shaken: half of the least at which the USGS counts."""

FOLLOWS = "# A newer ShakeMap changes the lines below; delete this line to keep them as they are."
"""Stands in the tables of a study that follow the ShakeMap."""


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


@dataclass(frozen=True)
class NewStudy:
    """A new earthquake's study, checked and not yet written.

    Attributes
    ----------
    shaken : ShakeMap
        As read.
    dem : Path
        Elevation.
    use : str
        Formula that the study names.
    resolution : float or None
        Side of the cells in metres; None: about that of the DEM's.
    """

    shaken: shakemap.ShakeMap
    dem: Path
    use: str
    resolution: float | None

    @classmethod
    def read(
        cls, source: Path, dem: Path, model: str | None = None, resolution: float | None = None
    ) -> NewStudy:
        """Read a ShakeMap.

        Raises
        ------
        InputError
            No ShakeMap, no such model, no resolution.
        """
        if resolution is not None and not np.isfinite(resolution):
            raise InputError(f"--resolution {resolution:g}: is not a length in metres")
        for path in (source, dem):
            _require_path(path)
        asked = model_choice.chosen(model or model_choice.DEFAULT, ())
        # A study names formulas only; a folder is named with each run.
        use = asked.name if asked.folder is None else model_choice.DEFAULT
        if resolution is not None:
            model_choice.require_resolution(asked, resolution, "--resolution")
        elif asked.resolution is not None:
            resolution = asked.resolution
        return cls(shakemap.read(source), dem, use, resolution)

    @property
    def name(self) -> str:
        """Name of the folder of results where none is given."""
        return versions.folder_name(self.shaken.event.get("event_id") or self.shaken.path.stem)

    def write(self, path: Path) -> tuple[str, ...]:
        """Write the study file, or let the one that is there name this ShakeMap.

        Returns what has changed, in words.

        Raises
        ------
        InputError
            The DEM cannot serve, or the file is of something else.
        """
        if path.exists():
            # Edited by hand, perhaps: only the ShakeMap is another one.
            return set_shakemap(path, self.shaken, self.dem, self.resolution)
        write(path, self.shaken, self.dem, self.use, self.resolution)
        return ()


def _require_path(path: Path) -> None:
    """Raise `InputError` for a path that no layer of a study can have."""
    try:
        Layer(path=path)
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def choose_grid(shaken: shakemap.ShakeMap, dem: Path) -> ChosenGrid:
    """Return the grid over the part of a DEM that was shaken with at least `SHAKEN` g.

    Raises
    ------
    InputError
        A ShakeMap without shaking, or one that does not reach the DEM.
    """
    area = _shaken_part(shaken, dem)
    fit = projection.fitting(projection.distortion(area), grids.SLIGHT)
    if fit is None:
        raise InputError(f"{dem}: no projection fits its shaken part; cut the DEM to the area")
    return ChosenGrid(crs=fit[0], resolution=fit[1], bounds=_bounds(area, *fit))


def _bounds(area: GeoBox, crs: str, step: float) -> tuple[float, float, float, float]:
    """Return west, south, east, north of an area in a CRS, multiples of a step."""
    west, south, east, north = area.extent.to_crs(crs).boundingbox
    low = [float(np.floor(v / step) * step) for v in (west, south)]
    high = [float(np.ceil(v / step) * step) for v in (east, north)]
    return low[0], low[1], high[0], high[1]


def _shaken_part(shaken: shakemap.ShakeMap, dem: Path) -> GeoBox:
    """Return the cells of a DEM that were shaken with at least `SHAKEN` g."""
    own = readers.raster_info(Layer(path=dem), "dem").grid
    if own.crs is None:
        raise InputError(f"{dem}: has no CRS; write one with `gdal_edit.py -a_srs EPSG:...`")
    in_g = _pga(shaken)
    rows, cols = np.nonzero(in_g >= SHAKEN)
    if rows.size == 0:
        known = in_g[np.isfinite(in_g)]
        raise InputError(
            f"{shaken.path}: PGA reaches {known.max() if known.size else 0:.2g} g and is below "
            f"{SHAKEN:g} g everywhere: no landslides are expected; is its unit right?"
        )
    part = shaken.grid[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    return _common(part, own, dem, shaken.path)


def _pga(shaken: shakemap.ShakeMap) -> NDArray[np.float64]:
    """Return PGA in g at the nodes, (rows, cols), computed from other fields where it lacks."""
    pga = shaken.fields.get("PGA")
    if pga is None:
        return shakemap_motion.read(shaken.path).pga.median
    return shakemap_motion.converted("PGA", pga, shaken.units["PGA"], str(shaken.path), [])


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
        FOLLOWS,
        _name(about),
        "",
        "[event]",
        FOLLOWS,
        *_event(about),
        "",
        "[grid]",
        FOLLOWS,
        f"crs = {_text(chosen.crs)}",
        f"resolution = {resolution or chosen.resolution:g}",
        _bounds_line(chosen.bounds),
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


def set_shakemap(
    path: Path, shaken: shakemap.ShakeMap, dem: Path, resolution: float | None = None
) -> tuple[str, ...]:
    """Let a study file name another ShakeMap, and follow it where it says so.

    All else stays as it is.

    Parameters
    ----------
    path : Path
        The study file.
    shaken : ShakeMap
        As read.
    dem, resolution : Path, float or None
        As for `write`.

    Returns
    -------
    tuple of str
        What has changed, in words.

    Raises
    ------
    InputError
        The file has no line that names one, or another DEM, resolution or earthquake.
    """
    stated = _require_alike(path, shaken, dem, resolution)
    source = shaken.path
    text = path.read_text(encoding="utf-8")
    line = f"shakemap = {_path(source, path.parent.resolve())}"
    changed, count = re.subn(r"(?m)^shakemap *=.*$", lambda _: line, text)
    if count != 1:
        raise InputError(
            f"{path}: already exists and names no ShakeMap; run `shakeslide rapid {path}`, or "
            "choose another --out"
        )
    before, notes = _mapped(path.parent), tuple[str, ...]()
    # The file may have been replaced by a newer one of the same name.
    if before is None or before.version != shaken.product.get("shakemap_version", ""):
        changed, notes = _followed(changed, shaken, dem, stated)
    if changed != text:
        with replacing(path) as temporary:
            temporary.write_text(changed, encoding="utf-8")
    return notes


def _followed(
    text: str, shaken: shakemap.ShakeMap, dem: Path, stated: settings.Study
) -> tuple[str, tuple[str, ...]]:
    """Return a study's text with the marked lines of another ShakeMap, and what has changed.

    The grid only grows: places that were mapped before are mapped again.
    """
    new = {line.partition(" = ")[0]: line for line in (_name(shaken.event), *_event(shaken.event))}
    grid, notes = stated.grid, []
    if grid.crs and grid.resolution and grid.bounds:
        asked = _bounds(_shaken_part(shaken, dem), grid.crs, grid.resolution)
        # Less than a cell is rounding.
        step, pairs = grid.resolution, list(zip(asked, grid.bounds, strict=True))
        low = [a if a < b - step else b for a, b in pairs[:2]]
        high = [a if a > b + step else b for a, b in pairs[2:]]
        if (*low, *high) != tuple(grid.bounds):
            new["bounds"] = _bounds_line((low[0], low[1], high[0], high[1]))
    blocks = text.split("\n\n")
    for i, block in enumerate(blocks):
        if FOLLOWS not in block.splitlines():
            continue
        for key, line in new.items():
            blocks[i], count = re.subn(rf"(?m)^{key} *=.*$", lambda _, to=line: to, blocks[i])  # type: ignore[misc]
            if count and key == "bounds":
                notes.append(
                    f"the newer ShakeMap reaches beyond the grid, which is enlarged: [grid] {line}"
                )
    return "\n\n".join(blocks), tuple(notes)


def _require_alike(
    path: Path, shaken: shakemap.ShakeMap, dem: Path, resolution: float | None
) -> settings.Study:
    """Return a study that is there already; raise `InputError` where it is of something else."""
    document, base = settings.read(path)
    stated = settings.validate(document, base, str(path))
    other = "change it there, or choose another --out"
    layer = stated.layers.get("dem")
    if layer is not None and layer.path.resolve() != dem.resolve():
        raise InputError(
            f"{path}: already exists with [layers.dem] {layer.path}, not {dem}; {other}"
        )
    if resolution is not None and resolution != stated.grid.resolution:
        raise InputError(
            f"{path}: already exists with [grid] resolution {stated.grid.resolution}, not "
            f"{resolution:g}; {other}"
        )
    mapped = _mapped(path.parent)
    before = "" if mapped is None else mapped.id
    now = shaken.product.get("shakemap_id", shaken.product.get("event_id", ""))
    if before and now and before != now:
        raise InputError(
            f"{path.parent}: holds results of ShakeMap '{shortened(before)}', but {shaken.path} is "
            f"of '{shortened(now)}'; choose another --out"
        )
    return stated


def _mapped(folder: Path) -> totals.ShakeMapVersion | None:
    """Return the ShakeMap whose results a folder holds, None if unknown."""
    try:
        return documents.read(folder / totals.FILE, totals.Totals).shakemap
    except InputError:
        return None


def _name(given: Mapping[str, str]) -> str:
    """Return the line of [study] that the ShakeMap gives."""
    return f"name = {_text(given.get('event_description') or 'New earthquake')}"


def _bounds_line(bounds: tuple[float, float, float, float]) -> str:
    return f"bounds = {[float(f'{v:.10g}') for v in bounds]}"


def _event(given: Mapping[str, str]) -> list[str]:
    """Return the lines of [event] that the ShakeMap gives."""
    origin, out = shakemap_motion.origin_of(given), []
    if origin.epicentre is not None:
        lon, lat = origin.epicentre
        out.append(f"epicentre = [{lon:g}, {lat:g}]")
    if origin.magnitude is not None:
        out.append(f"magnitude = {origin.magnitude:g}")
    if origin.time:
        out.append(f"time = {_text(origin.time)}")
    return out


def _text(value: str) -> str:
    # JSON leaves a delete character as it is, which TOML does not allow.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _path(path: Path, start: Path) -> str:
    """Return a path as the study file has it: relative where it lies near."""
    whole = path.resolve()
    near = os.path.relpath(whole, start)
    return _text(near if near.count("..") <= 3 else str(whole))
