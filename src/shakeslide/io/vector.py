"""Vectors in: any layer OGR reads, CSV tables of points, QuakeML; in the grid's CRS, checked."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from odc.geo.crs import CRS
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from shakeslide import filters
from shakeslide import grid as grids
from shakeslide.errors import InputError, did_you_mean
from shakeslide.io import containers, datasets, gdal, quakeml, views, virtual
from shakeslide.io.gdal import one_line

KINDS = {0: "point", 4: "point", 1: "line", 5: "line", 2: "line", 3: "polygon", 6: "polygon"}
"""Kind of geometry by shapely's type number."""
SUFFIXES = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".gml", ".kml", ".tab", ".mif")
"""How a vector is known in an archive."""
DAMAGED = ("sqlite", "malformed", "not a database", "not recognized as being", "truncated")
"""What GDAL's messages hold of files that are not whole."""


@dataclass(frozen=True)
class VectorSource:
    """A vector layer and how to read it.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the study calls it, for messages.
    layer, column, where, crs : str, optional
        Layer in the file, attribute to keep, SQL filter, CRS where the file has none.
    x, y : str, optional
        Columns of coordinates in a CSV.
    encoding : str, optional
        Of its texts, where the file states none or a wrong one.
    swap_xy : bool
        Its coordinates are written y before x.
    """

    path: Path
    name: str = "layer"
    layer: str | None = None
    column: str | None = None
    where: str | None = None
    crs: str | None = None
    x: str | None = None
    y: str | None = None
    encoding: str | None = None
    swap_xy: bool = False

    @property
    def where_it_is(self) -> str:
        """File and layer, for messages."""
        return f"{self.path} ({self.name})"


@dataclass
class Features:
    """Geometries of one kind in the grid's CRS, with what was done to them.

    Attributes
    ----------
    frame : GeoDataFrame
        Geometries and attributes.
    crs : CRS
        The CRS they came in.
    notes : list of str
        What was repaired or left out, one line each.
    """

    frame: gpd.GeoDataFrame
    crs: CRS
    notes: list[str] = field(default_factory=list)

    @property
    def geometry(self) -> np.ndarray:
        """The geometries."""
        return np.asarray(self.frame.geometry.values)


def read(source: VectorSource, crs: CRS, kind: str | Sequence[str] | None = None) -> Features:
    """Read a vector layer into the CRS of the grid.

    Parameters
    ----------
    source : VectorSource
        What to read.
    crs : CRS
        The grid's CRS.
    kind : str or sequence of str, optional
        Geometry that is needed: "point", "line", "polygon"; others are an error.

    Returns
    -------
    Features
        All features, invalid geometries repaired, empty ones left out, both noted.

    Raises
    ------
    InputError
        Missing file, layer, column, CRS; empty layer; wrong geometry.
    """
    frame, notes = _open(source)
    where = source.where_it_is
    own = _stated_crs(source) or (grids.horizontal_crs(frame.crs.to_wkt()) if frame.crs else None)
    if own is None:
        raise InputError(
            f'{where}: has no CRS; give it with `crs = "EPSG:..."` in the table of the layer'
        )
    if len(frame) == 0:
        because = f" after the filter `{source.where}`" if source.where else ""
        raise InputError(f"{where}: holds no features{because}")
    frame = _usable(frame, where, notes)
    if source.swap_xy:
        frame = frame.set_geometry(shapely.transform(frame.geometry.values, lambda c: c[:, ::-1]))
    if kind is not None:
        _require_kind(frame, [kind] if isinstance(kind, str) else list(kind), where)
    frame = frame.set_crs(own.to_wkt(), allow_override=True)
    if own != crs:
        frame = frame.to_crs(crs.to_wkt())
        lost = ~np.isfinite(shapely.bounds(frame.geometry.values)).all(axis=1)
        if lost.any():
            raise InputError(
                f"{where}: {int(lost.sum())} features have coordinates beyond its CRS; "
                "is its CRS right, and are x and y not swapped?"
            )
    return Features(frame.reset_index(drop=True), own, notes)


def crs_of(source: VectorSource) -> CRS | None:
    """Return the CRS of a layer as the study states it, else as its file does; None if neither."""
    if stated := _stated_crs(source):
        return stated
    with gdal.vectors():
        found = pyogrio.read_info(gdal_path(source.path), layer=source.layer)["crs"]
    return grids.horizontal_crs(found) if found else None


def _stated_crs(source: VectorSource) -> CRS | None:
    """Return the CRS that the study states."""
    if not source.crs:
        return None
    return grids.named_crs(source.crs, f"{source.where_it_is}: crs")


def swapped(features: Features, source: VectorSource, crs: CRS, box: shapely.Geometry) -> str:
    """Tell what to do where features lie on a box only with x and y exchanged, else "".

    Parameters
    ----------
    features : Features
        The features, in `crs`.
    source : VectorSource
        How they were read.
    crs : CRS
        The grid's CRS.
    box : geometry
        Where they should lie, in `crs`.
    """
    own = features.frame.to_crs(features.crs.to_wkt())
    other = own.set_geometry(shapely.transform(own.geometry.values, lambda c: c[:, ::-1]))
    shapes = np.asarray(other.set_crs(own.crs, allow_override=True).to_crs(crs.to_wkt()).geometry)
    finite = np.isfinite(shapely.bounds(shapes)).all(axis=1)
    if not shapely.intersects(shapes[finite], box).any():
        return ""
    return (
        f"with x and y swapped they lie here: their axes are in the other order; {remedy(source)}"
    )


def remedy(source: VectorSource) -> str:
    """Return what to write where a layer's x and y are exchanged."""
    if source.x and source.y and not source.swap_xy:
        return f'exchange its columns: x = "{source.y}" and y = "{source.x}" in its table'
    return f"set swap_xy = {str(not source.swap_xy).lower()} in its table"


def _open(source: VectorSource) -> tuple[gpd.GeoDataFrame, list[str]]:
    where = source.where_it_is
    if not containers.exists(source.path):
        raise InputError(f"{where}: no such file; check `path` in the study file, or --data")
    containers.require_file(source.path)
    virtual.require_local(containers.on_disk(source.path))
    if quakeml.is_quakeml(source.path):
        return _open_quakeml(source)
    options = _csv_options(source)
    encoding = _encoding(source)
    views.require_finite(source.path, where)
    try:
        with gdal.vectors(), warnings.catch_warnings():
            # GDAL warns of things that are checked here by name (CRS, geometry).
            warnings.simplefilter("ignore")
            layer, others = _choose_layer(source, tables=bool(options))
            about = pyogrio.read_info(gdal_path(source.path), layer=layer, **encoding, **options)
            _require_columns(source, [str(f) for f in about["fields"]])
            _require_names(source, about)
            read = {"layer": layer, "where": source.where, **encoding, **options}
            frame, notes = _read_mended(gdal_path(source.path), read)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: its texts are not in {source.encoding or 'the encoding it states'}; name "
            'theirs with encoding = in its table (for example "cp1252" or "gb18030")'
        ) from error
    except shapely.errors.GEOSException as error:
        raise InputError(
            f"{where}: holds a geometry that cannot be mended ({one_line(error)}); repair the "
            "file, for example with ogr2ogr -makevalid"
        ) from error
    except (DataSourceError, DataLayerError, FeatureError, ValueError) as error:
        _raise_if_raster(source)
        if gdal.is_web(error):
            raise InputError(
                f"{where}: refers to the web; download what it names and give that, or set "
                "network = true in [study]"
            ) from error
        if any(sign in str(error).lower() for sign in DAMAGED):
            raise InputError(
                f"{where}: cannot be read (truncated or damaged, or no vector file?); get the file "
                "again"
            ) from error
        at = f" with the filter `{source.where}`" if source.where else ""
        raise InputError(f"{where}: cannot be read{at}: {one_line(error)}") from error
    if not isinstance(frame, gpd.GeoDataFrame) or (len(frame) and frame.geometry.isna().all()):
        raise InputError(
            f"{where}: has no geometries" + (" (are x and y numbers?)" if options else "")
        )
    if others and source.layer is None:
        raise InputError(
            f"{where}: holds {len(others) + 1} layers ({', '.join([layer, *others])}); choose one "
            "with layer ="
        )
    return frame, notes


def _read_mended(path: str, options: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return a layer's features; rings that are not closed are closed, which is noted.

    A line of one point becomes a missing geometry, which is left out later.
    """
    try:
        return pyogrio.read_dataframe(path, **options), []
    except shapely.errors.GEOSException:
        frame = pyogrio.read_dataframe(path, on_invalid="fix", **options)
        return frame, ["rings that were not closed, or lines of one point, were mended"]


def gdal_path(path: Path) -> str:
    """Return the name under which GDAL opens a vector: of an archive the one file it holds."""
    packed = containers.on_disk(path) == path and path.suffix.lower() == ".zip"
    if packed and not any(_may_be_vector(name) for name in containers.members(path)):
        return str(path)  # a folder that is a data set, such as a .gdb
    return containers.gdal_name(path, _may_be_vector, "vector")


def _may_be_vector(name: str) -> bool:
    return containers.suffix_of(name) in SUFFIXES


def _raise_if_raster(source: VectorSource) -> None:
    """Raise where what is no vector is a raster."""
    if datasets.is_raster(source.path):
        raise InputError(
            f"{source.where_it_is}: is a raster, but points, lines or polygons are needed here; "
            "give a vector, or the factor a function for rasters (value, category)"
        )


def _encoding(source: VectorSource) -> dict[str, str]:
    if source.encoding is None:
        return {}
    try:
        codecs.lookup(source.encoding)
    except LookupError as error:
        raise InputError(
            f"{source.where_it_is}: encoding = '{source.encoding}' is not known; write for "
            'example "cp1252"'
        ) from error
    return {"encoding": source.encoding}


def _csv_options(source: VectorSource) -> dict[str, str]:
    """Return what GDAL must know to read a CSV as points, {} for other files."""
    if source.path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return {}
    if not (source.x and source.y):
        raise InputError(
            f"{source.where_it_is}: name the columns of a CSV's coordinates with x = and y = in "
            "its table"
        )
    return {
        "AUTODETECT_TYPE": "YES",
        "X_POSSIBLE_NAMES": source.x,
        "Y_POSSIBLE_NAMES": source.y,
        "KEEP_GEOM_COLUMNS": "YES",
    }


def _choose_layer(source: VectorSource, tables: bool) -> tuple[str, list[str]]:
    """Return the layer to read and the others of the file."""
    listed = pyogrio.list_layers(gdal_path(source.path))
    # Tables without geometry (styles, metadata) are no layers here; a CSV has but one table.
    layers = [str(name) for name, shape in listed if shape is not None or tables]
    if not layers:
        _raise_if_raster(source)
        raise InputError(f"{source.where_it_is}: holds no layer with geometries")
    if source.layer is not None and source.layer not in layers:
        raise InputError(
            f"{source.where_it_is}: has no layer '{source.layer}'."
            f"{did_you_mean(source.layer, layers)}"
        )
    chosen = source.layer or layers[0]
    return chosen, [name for name in layers if name != chosen]


def _require_columns(source: VectorSource, known: Sequence[str]) -> None:
    for column in (source.column, source.x, source.y):
        if column is not None and column not in known:
            raise InputError(
                f"{source.where_it_is}: has no column '{column}'.{_columns(column, known)}"
            )


def _require_names(source: VectorSource, about: Mapping[str, Any]) -> None:
    """Raise where the filter names columns that there are not; ids and shapes have a name too."""
    if source.where:
        own = [about.get("fid_column"), about.get("geometry_name"), "fid", "ogr_geom_area"]
        known = [str(f) for f in about["fields"]]
        filters.require_names(source.where, known, [n for n in own if n], source.where_it_is)


def _columns(column: str, known: Sequence[str]) -> str:
    """Return the column that may be meant, and those that there are (twelve at most)."""
    near = did_you_mean(column, known) if known else ""
    near = "" if near.startswith(" Known") else near
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"{near} Its columns: {shown or 'none'}."


def _open_quakeml(source: VectorSource) -> tuple[gpd.GeoDataFrame, list[str]]:
    if source.where is not None:
        raise InputError(
            f"{source.where_it_is}: QuakeML has no columns to filter with where =; use "
            "min_magnitude, start and end of the factor"
        )
    frame, notes = quakeml.read(source.path)
    if source.column is not None:
        _require_columns(source, [str(c) for c in frame.columns if c != "geometry"])
    return frame, notes


def _usable(frame: gpd.GeoDataFrame, where: str, notes: list[str]) -> gpd.GeoDataFrame:
    geometry = np.asarray(shapely.force_2d(frame.geometry.values))
    missing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    if missing.any():
        notes.append(f"{int(missing.sum())} features without geometry left out")
        frame, geometry = frame[~missing], geometry[~missing]
    if len(frame) == 0:
        raise InputError(f"{where}: none of its features has a geometry")
    endless = ~np.isfinite(shapely.bounds(geometry)).all(axis=1)
    if endless.any():
        raise InputError(
            f"{where}: {int(endless.sum())} of its {len(frame)} features have coordinates that are "
            "not finite numbers; repair or remove them"
        )
    with ThreadPoolExecutor() as pool:  # the slowest part of reading
        sound = pool.map(shapely.is_valid, np.array_split(geometry, 16))
        broken = ~np.concatenate(list(sound))
    if broken.any():
        repaired = shapely.make_valid(geometry[broken])
        geometry[broken] = [
            _same_kind(r, o) for r, o in zip(repaired, geometry[broken], strict=True)
        ]
        notes.append(f"{int(broken.sum())} invalid geometries repaired")
        empty = shapely.is_empty(geometry)
        if empty.any():
            notes.append(
                f"{int(empty.sum())} of them held nothing (no length or area) and were left out"
            )
            frame, geometry = frame[~empty], geometry[~empty]
    return frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))


def _same_kind(repaired: shapely.Geometry, original: shapely.Geometry) -> shapely.Geometry:
    """Keep of a repaired geometry the parts of its original dimension (spikes become lines)."""
    dimension = shapely.get_dimensions(original)
    parts = shapely.get_parts(repaired)
    parts = parts[shapely.get_dimensions(parts) == dimension]
    return shapely.unary_union(parts) if len(parts) else shapely.Point()


def _require_kind(frame: gpd.GeoDataFrame, kinds: list[str], where: str) -> None:
    numbers = shapely.get_type_id(frame.geometry.values)
    found = {KINDS.get(int(n), "mixed") for n in np.unique(numbers)}
    if not found <= set(kinds):
        raise InputError(
            f"{where}: holds {' and '.join(sorted(found))} geometries, but {' or '.join(kinds)} "
            "geometries are needed here"
        )


def kind_of(geometry: np.ndarray) -> str:
    """Return "point", "line" or "polygon", "mixed" where there are several."""
    kinds = {KINDS.get(int(n), "mixed") for n in np.unique(shapely.get_type_id(geometry))}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def require_column(features: Features, column: str, where: str) -> None:
    """Raise `InputError` unless features have a column."""
    known = [str(c) for c in features.frame.columns if c != features.frame.geometry.name]
    if column not in known:
        raise InputError(f"{where}: has no column '{column}'.{_columns(column, known)}")


def numeric(features: Features, column: str, where: str) -> np.ndarray:
    """Return a column as float64, NaN where empty; text that is no number is an `InputError`."""
    given = features.frame[column]
    values = pd.to_numeric(given, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(values) & given.notna().to_numpy()
    if bad.any():
        example = features.frame[column].to_numpy()[bad][0]
        raise InputError(
            f"{where}: column '{column}' holds {int(bad.sum())} values that are no numbers "
            f'(e.g. {example!r}); use a numeric column, or function = "category"'
        )
    if not np.isfinite(values).any():
        raise InputError(
            f"{where}: column '{column}' is empty in all features; choose another with column ="
        )
    return np.asarray(values)


def times(features: Features, column: str, where: str) -> pd.Series:
    """Return a column of dates as UTC times, NaT where empty.

    Whole numbers and four digits are years and mean their first moment; texts begin with the
    year (ISO 8601, or with slashes).

    Raises
    ------
    InputError
        Values that are no dates, or dates that begin with day or month.
    """
    given = features.frame[column]
    if pd.api.types.is_datetime64_any_dtype(given):
        return pd.Series(pd.to_datetime(given, utc=True))
    text = given.astype("string").str.strip().str.replace(r"\.0$", "", regex=True)
    text = text.str.replace(r"^(\d{4})/(\d{1,2})/", r"\1-\2-", regex=True)
    text = text.str.replace(r"^(\d{4})$", r"\1-01-01", regex=True)
    parsed = pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")
    bad = (parsed.isna() & given.notna() & (text != "")).to_numpy(bool)
    if bad.any():
        raise InputError(
            f"{where}: column '{column}' holds {int(bad.sum())} values that are no dates "
            f"(e.g. {given.to_numpy()[bad][0]!r}); write year-month-day first, as 2005-10-08"
        )
    return pd.Series(parsed)


def garbled(texts: pd.Series) -> str:
    """Return a text that was read in a wrong encoding, "" if none looks so.

    Replacement characters, and accented letters that are UTF-8 read as Latin-1.
    """
    for text in texts.dropna().unique():
        if not isinstance(text, str):
            continue
        if "\ufffd" in text or any("\x80" <= c <= "\x9f" for c in text):
            return text
        try:
            if text.encode("cp1252").decode("utf-8") != text:
                return text
        except UnicodeError:
            continue
    return ""


def lines(features: Features) -> list[np.ndarray]:
    """Return the vertices (k, 2) of every single line; polygons give their rings, points none."""
    geometry = features.geometry
    parts = shapely.get_parts(geometry)
    parts = parts[shapely.get_dimensions(parts) > 0]
    polygonal = shapely.get_type_id(parts) == 3
    if polygonal.any():
        rings = shapely.get_rings(parts[polygonal])
        parts = np.concatenate([parts[~polygonal], rings])
    return [shapely.get_coordinates(p) for p in parts if not shapely.is_empty(p)]


def single_points(features: Features) -> Features:
    """Return points one by one: each of a multipoint with the attributes of the whole."""
    frame = features.frame.explode(index_parts=False, ignore_index=True)
    return Features(frame, features.crs, features.notes)


def loose_points(features: Features) -> np.ndarray:
    """Return the coordinates (n, 2) of the points among features of any kind."""
    parts = shapely.get_parts(features.geometry)
    return np.asarray(shapely.get_coordinates(parts[shapely.get_dimensions(parts) == 0]))


def points(features: Features) -> np.ndarray:
    """Return the coordinates (n, 2) of point features."""
    return np.asarray(shapely.get_coordinates(features.geometry))
