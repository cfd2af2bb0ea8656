"""ShakeMaps in: `grid.xml`, `uncertainty.xml` and `shake_result.hdf` as rasters of named fields.

The formats are those of ShakeMap 3.5 and 4 (Worden et al. 2020, ShakeMap manual,
doi:10.5066/F7D21VPQ). A node's value is the value at a point: it becomes the centre of a cell.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.io import containers, suffixes, units, xml

Float = NDArray[np.float32]

ROOT = "shakemap_grid"
COMPONENTS = "arrays/imts"
COMPONENT = "GREATER_OF_TWO_HORIZONTAL"
"""The component that ShakeMap's own products show."""
INFORMATION = "dictionaries/info.json"
KINDS = {"mean": "", "std": "STD", "tau": "GMPE_INTER_STD", "phi": "GMPE_INTRA_STD"}
"""What precedes a measure's name in XML files, by the name of the dataset."""
MOST_NODES = 20_000_000
"""Of an HDF: a file of some bytes can declare any number."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that the texts of a file may hold but no name, log or study file."""
ASSUMED = (
    (re.compile(r"^(PGA|PSA\d.*|SA\(.*\))$"), "%g"),
    (re.compile(r"^PGV$"), "cm/s"),
    (re.compile(r"^(MMI|STDMMI)$"), "MMI"),
    (re.compile(r"^SVEL$"), "m/s"),
    (re.compile(r"^(STD|GMPE_INT(ER|RA)_STD)(PGA|PGV|PSA)"), "ln"),
)
"""Units of fields for which the file states none."""


@dataclass(frozen=True)
class ShakeMap:
    """A ShakeMap's fields on its grid of nodes.

    Attributes
    ----------
    path : Path
        The file.
    grid : GeoBox
        EPSG:4326, north up, a node at the centre of each cell; longitudes go on beyond 180
        where the map crosses that meridian.
    fields : mapping of str to array
        Values by name (MMI, PGA, PGV, PSA03, SVEL, STDPGA ...), (rows, cols) float32.
    units : mapping of str to str
        Unit of each field.
    event : mapping of str to str
        What the file says of the earthquake: magnitude, lon, lat, depth, event_timestamp,
        event_description, point_source.
    product : mapping of str to str
        What it says of itself: shakemap_id, shakemap_version, shakemap_event_type,
        mean_uncertainty_ratio.
    notes : mapping of str to str
        What was assumed or converted, by field.
    """

    path: Path
    grid: GeoBox
    fields: Mapping[str, Float]
    units: Mapping[str, str]
    event: Mapping[str, str]
    product: Mapping[str, str]
    notes: Mapping[str, str]

    def name(self, asked: str | None, layer: str = "") -> str:
        """Return the name of a field as the file has it.

        Parameters
        ----------
        asked : str or None
            A name in upper or lower case; SA(0.3) is PSA03. None: the field that is named as
            the layer, MMI for a layer "intensity".
        layer : str
            What the study calls the layer.
        """
        wanted = _canonical(asked or {"intensity": "MMI"}.get(layer.lower(), layer))
        if wanted in self.fields:
            return wanted
        known = ", ".join(self.fields)
        if asked is None:
            raise InputError(
                f"{self.path} (layers.{layer}): choose a field with column = ({known})"
            )
        raise InputError(
            f"{self.path}: has no field '{asked}'.{did_you_mean(asked, self.fields)} Its fields: "
            f"{known}"
        )


def _canonical(name: str) -> str:
    """Return a field's name as grid.xml spells it."""
    upper = name.strip().upper()
    period = re.fullmatch(r"(STD)?P?SA\(?(\d+)[.P](\d+)\)?", upper)
    return f"{period[1] or ''}PSA{period[2]}{period[3]}" if period else upper


def is_shakemap(path: Path) -> bool:
    """Tell by its content whether a file is a ShakeMap."""
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return xml.root_name(path) == ROOT
    if suffix in suffixes.SHAKEMAPS and path.is_file() and h5py.is_hdf5(path):
        try:
            with h5py.File(path, "r") as file:
                return COMPONENTS in file
        except OSError:
            # Cut short: `read` says so.
            return True
    return False


def read(path: Path) -> ShakeMap:
    """Read a ShakeMap, once for each state of the file.

    Raises
    ------
    InputError
        A file that is missing, damaged, hostile, or not a regular grid of nodes.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; check `path` in the study file, or --data")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the grid.xml or shake_result.hdf in it")
    # To open a pipe would wait for ever.
    containers.require_file(path)
    stat = path.stat()
    # Time and size are part of the cache's key: a file that was replaced is read anew.
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _modified: int, _size: int) -> ShakeMap:
    return _read_hdf(path) if path.suffix.lower() in suffixes.SHAKEMAPS else _read_xml(path)


def geotiff(path: Path, field: str) -> bytes:
    """Return one field as the bytes of a GeoTIFF, for GDAL to read from memory."""
    stat = path.stat()
    return _geotiff(path, field, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=32)
def _geotiff(path: Path, field: str, _modified: int, _size: int) -> bytes:
    shakemap = read(path)
    name = shakemap.name(field)
    values = shakemap.fields[name]
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": "float32",
        "nodata": np.nan,
        "crs": "EPSG:4326",
        "transform": shakemap.grid.affine,
    }
    with MemoryFile() as memory:
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), memory.open(**profile) as out:
            out.write(values, 1)
            out.units = (shakemap.units[name],)
            out.set_band_description(1, name)
        return bytes(memory.read())


# ------------------------------------------------------------------ grid.xml


def _read_xml(path: Path) -> ShakeMap:
    root = xml.read(path, "ShakeMap grid")
    if xml.name(root) != ROOT:
        raise InputError(f"{path}: is not a ShakeMap grid: its root element is <{xml.name(root)}>")
    names, stated = _xml_fields(root, path)
    rows, cols = _xml_shape(root, path)
    table = _xml_table(root, path, len(names), rows * cols)
    where = {name: i for i, name in enumerate(names)}
    if "LON" not in where or "LAT" not in where:
        raise InputError(f"{path}: has no fields LON and LAT")
    lon, lat = table[:, where["LON"]], table[:, where["LAT"]]
    grid, place = _nodes(lon, lat, rows, cols, path)
    fields, said, notes = {}, {}, {}
    for name in names:
        if name not in ("LON", "LAT"):
            values = np.empty(rows * cols, np.float32)
            values[place] = table[:, where[name]]
            fields[name] = values.reshape(rows, cols)
            said[name] = units.spelled(stated[name]) or _assumed(name)
            if not stated[name].strip():
                notes[name] = f"the file states no unit of {name}; {said[name] or 'none'} assumed"
    if not fields:
        raise InputError(f"{path}: holds no fields except LON and LAT")
    event = xml.child(root, "event")
    about = {} if event is None else {str(k): _plain(v) for k, v in event.attrib.items()}
    product = {str(k): _plain(v) for k, v in root.attrib.items()}
    return ShakeMap(
        path=path, grid=grid, fields=fields, units=said, event=about, product=product, notes=notes
    )


def _xml_fields(root: Any, path: Path) -> tuple[list[str], dict[str, str]]:
    listed = xml.children(root, "grid_field")
    try:
        listed.sort(key=lambda f: int(f.attrib["index"]))
        names = [str(f.attrib["name"]).strip().upper() for f in listed]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: a <grid_field> lacks its index or name") from error
    if [int(f.attrib["index"]) for f in listed] != list(range(1, len(listed) + 1)):
        raise InputError(
            f"{path}: its fields are not numbered from 1 to {len(listed)}, so it is unclear "
            "which column is which; get it anew from its source"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{path}: names a field twice")
    return names, {n: str(f.attrib.get("units", "")) for n, f in zip(names, listed, strict=True)}


def _xml_shape(root: Any, path: Path) -> tuple[int, int]:
    specification = xml.child(root, "grid_specification")
    stated = {} if specification is None else specification.attrib
    try:
        rows, cols = int(stated["nlat"]), int(stated["nlon"])
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: its <grid_specification> lacks nlat or nlon") from error
    if rows < 2 or cols < 2:
        raise InputError(f"{path}: has {rows} x {cols} nodes; a map needs at least 2 x 2")
    return rows, cols


def _xml_table(root: Any, path: Path, fields: int, nodes: int) -> NDArray[np.float64]:
    data = xml.child(root, "grid_data")
    text = "" if data is None else data.text or ""
    try:
        table = np.loadtxt(io.StringIO(text), ndmin=2) if text.strip() else np.empty((0, fields))
    except ValueError as error:
        raise InputError(f"{path}: <grid_data> is damaged: {' '.join(str(error).split())}") from (
            error
        )
    if table.shape != (nodes, fields):
        raise InputError(
            f"{path}: <grid_data> has {table.shape[0]} rows of {table.shape[1]} values, but "
            f"{nodes} nodes of {fields} fields are declared; is the file complete?"
        )
    return np.asarray(table, np.float64)


def _nodes(
    lon: NDArray[np.float64], lat: NDArray[np.float64], rows: int, cols: int, path: Path
) -> tuple[GeoBox, NDArray[np.int64]]:
    """Return the grid and each node's place in it, from the nodes' own coordinates."""
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise InputError(f"{path}: some nodes have no coordinates")
    # No ShakeMap is so wide: this one crosses longitude 180.
    if np.ptp(lon) > 180:
        lon = np.where(lon < 0, lon + 360, lon)
    dx, dy = np.ptp(lon) / (cols - 1), np.ptp(lat) / (rows - 1)
    if not (dx > 0 and dy > 0):
        raise InputError(f"{path}: its nodes lie on a line")
    col, row = (lon - lon.min()) / dx, (lat.max() - lat) / dy
    place = np.rint(row).astype(np.int64) * cols + np.rint(col).astype(np.int64)
    # Coordinates are printed with four decimals, which moves nodes a little.
    off = max(np.abs(col - np.rint(col)).max(), np.abs(row - np.rint(row)).max())
    if off > 0.2 or (np.bincount(place, minlength=rows * cols) != 1).any():
        raise InputError(f"{path}: its nodes are not a regular grid of {rows} x {cols}")
    return _grid(float(lon.min()), float(lat.max()), dx, dy, rows, cols), place


def _grid(west: float, north: float, dx: float, dy: float, rows: int, cols: int) -> GeoBox:
    """Return the grid whose cells have their centres at the nodes."""
    affine = Affine(dx, 0, west - dx / 2, 0, -dy, north + dy / 2)
    return GeoBox((rows, cols), affine, CRS("EPSG:4326"))


def _assumed(name: str) -> str:
    """Return the unit that a field has in practice."""
    return next((unit for pattern, unit in ASSUMED if pattern.match(name)), "")


# ------------------------------------------------------------------ shake_result.hdf


def _read_hdf(path: Path) -> ShakeMap:
    try:
        with h5py.File(path, "r") as file:
            return _from_hdf(file, path)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: is not a whole ShakeMap HDF ({' '.join(str(error).split())}); get it anew "
            "from its source"
        ) from error


def _from_hdf(file: Any, path: Path) -> ShakeMap:
    components = _own(file, COMPONENTS)
    if not components:
        raise InputError(f"{path}: holds no intensity measures in {COMPONENTS}")
    component = COMPONENT if COMPONENT in components else sorted(components)[0]
    fields: dict[str, Float] = {}
    said: dict[str, str] = {}
    grid: GeoBox | None = None
    for measure in sorted(components[component]):
        group = _own(components, f"{component}/{measure}")
        for kind, prefix in KINDS.items():
            if kind not in group:
                continue
            name = prefix + _canonical(measure)
            # A standard deviation is one of the logarithm and stays so.
            own, values, unit = _hdf_field(group, kind, path, logarithms=kind != "mean")
            if grid is not None and own != grid:
                raise InputError(f"{path}: its fields are on different grids")
            grid, fields[name], said[name] = own, values, unit
    if grid is None:
        raise InputError(f"{path}: holds no grid of nodes (a list of points is not supported)")
    if "vs30" in file["arrays"]:
        own, values, unit = _hdf_field(file["arrays"], "vs30", path, logarithms=True)
        if own == grid:
            fields["SVEL"], said["SVEL"] = values, unit or "m/s"
    notes = dict.fromkeys(fields, f"component {component}")
    information = _hdf_information(file)
    return ShakeMap(
        path=path,
        grid=grid,
        fields=fields,
        units=said,
        event=_hdf_event(information),
        product=_hdf_product(information),
        notes=notes,
    )


def _own(group: Any, name: str) -> Any:
    """Return a member that lies in the file itself: links into other files are not followed."""
    for depth in range(1, name.count("/") + 2):
        part = "/".join(name.split("/")[:depth])
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise KeyError(f"{part} is missing or lies in another file")
    return group[name]


def _hdf_field(group: Any, name: str, path: Path, logarithms: bool) -> tuple[GeoBox, Float, str]:
    """Return grid, values and unit of a dataset; `logarithms`: leave them as they are."""
    data = _own(group, name)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu":
        raise InputError(f"{path}: {data.name} is no field of numbers")
    # Such a dataset may name any file of this machine.
    if data.is_virtual or data.external:
        raise InputError(f"{path}: {data.name} lies in another file, which is not read")
    if data.ndim != 2 or min(data.shape) < 2 or data.size > MOST_NODES:
        raise InputError(f"{path}: {data.name} is not a grid of nodes")
    about = data.attrs
    rows, cols = data.shape
    west, north = float(about["xmin"]), float(about["ymax"])
    east, south = float(about["xmax"]), float(about["ymin"])
    # Across longitude 180.
    east += 360.0 if east < west else 0.0
    if not (np.isfinite([west, east, south, north]).all() and west < east and south < north):
        raise InputError(
            f"{path}: {data.name} has no bounds: xmin {west:g}, xmax {east:g}, ymin {south:g}, "
            f"ymax {north:g}"
        )
    values = np.asarray(data[()], np.float64)
    unit = about.get("units", "")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    inner = re.fullmatch(r"ln\((.*)\)", unit.strip())
    if inner and not logarithms:
        values, unit = np.exp(values), inner[1]
    # Between the first node and the last lies one step less than there are nodes.
    grid = _grid(west, north, (east - west) / (cols - 1), (north - south) / (rows - 1), rows, cols)
    return grid, values.astype(np.float32), units.spelled(unit)


def _hdf_information(file: Any) -> Any:
    """Return what the file says of its making, None where it says nothing."""
    try:
        return json.loads(_own(file, INFORMATION)[()])
    except (KeyError, ValueError, TypeError):
        return None


def _at(information: Any, *keys: str) -> str:
    """Return a text at a path of keys, "" where there is none."""
    for key in keys:
        information = information.get(key) if isinstance(information, dict) else None
    missing = information is None or isinstance(information, (dict, list))
    return "" if missing else _plain(information)


def _plain(stated: object) -> str:
    """Return what a file states as a text without characters that no text holds."""
    return CONTROL.sub(" ", str(stated))


def _hdf_event(information: Any) -> dict[str, str]:
    """Return what the file says of the earthquake, {} where it says nothing."""
    named = {
        "lon": "longitude",
        "lat": "latitude",
        "magnitude": "magnitude",
        "depth": "depth",
        "event_timestamp": "origin_time",
        "event_description": "location",
    }
    of = ("input", "event_information")
    about = {name: _at(information, *of, key) for name, key in named.items()}
    # Without a finite rupture the reference is the origin's.
    if reference := _at(information, *of, "fault_ref"):
        about["point_source"] = str(reference == "Origin")
    return {name: text for name, text in about.items() if text}


def _hdf_product(information: Any) -> dict[str, str]:
    """Return what the file says of itself, {} where it says nothing."""
    about = {
        "shakemap_id": _at(information, "input", "event_information", "event_id"),
        "shakemap_version": _at(information, "processing", "shakemap_versions", "map_version"),
        "shakemap_event_type": _at(information, "input", "event_information", "event_type"),
        "mean_uncertainty_ratio": _at(
            information, "output", "uncertainty", "mean_uncertainty_ratio"
        ),
    }
    return {name: text for name, text in about.items() if text}
