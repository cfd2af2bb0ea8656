"""Vectors in through GDAL: layers, attributes as they are, geometries that GEOS can hold."""

from __future__ import annotations

import codecs
import struct
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from shakeslide.core.errors import InputError, did_you_mean, shortened
from shakeslide.io import (
    containers,
    datasets,
    date_filters,
    gdal,
    points,
    suffixes,
    tables,
    views,
    virtual,
)
from shakeslide.io.gdal import one_line
from shakeslide.io.points import Points
from shakeslide.io.records import Records, Shapes, VectorSource, asked, mentioned, require, spelled
from shakeslide.io.tables import pandas_of
from shakeslide.study import filters

DAMAGED = ("sqlite", "malformed", "not a database", "not recognized as being", "truncated")
"""What GDAL's messages hold of files that are not whole."""
CURVED, SURFACES = range(8, 15), range(15, 18)
"""Numbers of types in WKB that GEOS does not hold: arcs, and surfaces of triangles."""
RESTORING = Lock()


def read(source: VectorSource, more: Sequence[str] = ()) -> Records:
    """Read a layer of a file that GDAL knows.

    Parameters
    ----------
    source : VectorSource
        What to read.
    more : sequence of str
        Further columns that are of use where the layer has them.

    Raises
    ------
    InputError
        A damaged file, a missing layer or column, a wrong filter or encoding.
    """
    where = source.where_it_is
    require_encoding(source)
    views.require_finite(containers.path_of(gdal_path(source.path)), where)
    try:
        with gdal.vectors(), _whole(source.path) as path, warnings.catch_warnings():
            # GDAL warns of things that are checked here by name (CRS, geometry).
            warnings.simplefilter("ignore")
            return _layer(source, path, more)
    except UnicodeError as error:
        raise InputError(
            f"{where}: its texts are not in {source.encoding or 'the encoding it states'}; set "
            'the right one with encoding = in its table (for example "cp1252" or "gb18030")'
        ) from error
    except shapely.errors.GEOSException as error:
        raise InputError(
            f"{where}: holds a geometry that cannot be repaired ({shortened(one_line(error))}); "
            "repair the file, for example with ogr2ogr -makevalid"
        ) from error
    except (DataSourceError, DataLayerError, FeatureError, ValueError, pa.ArrowException) as error:
        _raise_if_raster(source)
        raise InputError(_unread(source, error)) from error
    except OSError as error:
        if error.errno is not None:  # of the system; Arrow's own has no number
            raise
        raise InputError(_unread(source, error)) from error


def require_encoding(source: VectorSource) -> None:
    """Raise `InputError` where the study states an encoding that is none of texts."""
    if source.encoding is None:
        return
    try:
        codecs.lookup(source.encoding)
        # Codecs such as base64 are known to Python and are none of texts.
        "".encode(source.encoding)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{source.where_it_is}: encoding = '{shortened(source.encoding)}' is unknown; write "
            'for example "cp1252"'
        ) from error


def layer_crs(source: VectorSource) -> str | None:
    """Return the CRS of a layer as its file states it."""
    with gdal.vectors(), _whole(source.path) as path:
        found: str | None = pyogrio.read_info(path, layer=source.layer)["crs"]
    return found


def _unread(source: VectorSource, error: Exception) -> str:
    """Return the message for a file that GDAL cannot read, from GDAL's text: it gives no code."""
    where, text = source.where_it_is, str(error)
    if "SHAPE_RESTORE_SHX" in text:
        return (
            f"{where}: its .shx file is missing; copy all files of the shapefile (.shp, .shx, "
            ".dbf, .prj)"
        )
    if gdal.is_web(error):
        return f"{where}: {gdal.REFERS_TO_WEB}"
    if any(sign in text.lower() for sign in DAMAGED):
        return (
            f"{where}: cannot be read (truncated or damaged, or not a vector file?); get the file "
            "again"
        )
    if source.where and "invalid sql" in text.lower():
        return (
            f"{where}: the filter `{shortened(source.where)}` is not a valid condition on its "
            "columns: "
            "check names and quotes"
        )
    at = f" with the filter `{shortened(source.where)}`" if source.where else ""
    return f"{where}: cannot be read{at}: {shortened(one_line(error), 300)}"


def gdal_path(path: Path) -> str:
    """Return the name under which GDAL opens a vector, in an archive too."""
    return virtual.gdal_name(path, _may_be_vector, "vector")


def _may_be_vector(name: str) -> bool:
    return containers.suffix_of(name) in suffixes.VECTORS_IN_ARCHIVES


def _raise_if_raster(source: VectorSource) -> None:
    """Raise where what is no vector is a raster."""
    if datasets.is_raster(source.path):
        raise InputError(
            f"{source.where_it_is}: is a raster, but points, lines or polygons are needed here; "
            "give a vector file, or, for a factor, a function for rasters (value, category)"
        )


@contextmanager
def _whole(path: Path) -> Iterator[str]:
    """Give a path that GDAL can open; a shapefile without index gets one, in a temporary folder."""
    if (
        not path.is_file()
        or path.suffix.lower() != ".shp"
        or any(path.with_suffix(s).exists() for s in (".shx", ".SHX"))
    ):
        yield gdal_path(path)
        return
    # The option is global, and GDAL would write the index beside the user's file.
    with RESTORING, tempfile.TemporaryDirectory() as folder:
        for part in path.parent.iterdir():
            if part.stem == path.stem and part.is_file():
                (Path(folder) / part.name).symlink_to(part.resolve())
        pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": True})
        try:
            yield str(Path(folder) / path.name)
        finally:
            pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": None})


def _layer(source: VectorSource, path: str, more: Sequence[str]) -> Records:
    layer, others = _choose_layer(source, path)
    about = pyogrio.read_info(path, layer=layer, **_encoding(source))
    names = tuple(str(f) for f in about["fields"])
    own = (about.get("fid_column"), about.get("geometry_name"))
    source = spelled(source, names)
    require(source, names, [n for n in own if n])
    if others and source.layer is None:
        raise InputError(
            f"{source.where_it_is}: holds {len(others) + 1} layers "
            f"({shortened(', '.join([layer, *others]), 300)}); choose one with layer ="
        )
    options = {"layer": layer, "columns": asked(names, source, more), "where": source.where}
    options |= _of_dates(source, path, layer, about)
    plain = source.encoding is not None and about["driver"] != "ESRI Shapefile"
    if plain:  # another encoding than the driver's own is read text by text
        table, wkb = _rows(path, options | _encoding(source))
    else:
        try:
            table, wkb = _arrow_rows(path, options | _encoding(source))
        except UnicodeError:
            # A shapefile that states no encoding: Latin-1, unless it was UTF-8.
            table, wkb = _rows(path, options | _encoding(source))
    if wkb is None or (len(wkb) and _nothing_but_nulls(wkb)):
        raise InputError(f"{source.where_it_is}: has no geometries")
    geometry, notes = _geometries(source, path, options, wkb)
    if (
        source.path.suffix.lower() == ".shp"
        and source.path.is_file()
        and not source.path.with_suffix(".shx").exists()
    ):
        notes.append("its .shx file is missing; a temporary one was made")
    return Records(table, geometry, about["crs"], names, notes)


def _of_dates(source: VectorSource, path: str, layer: str, about: dict[str, Any]) -> dict[str, Any]:
    """Return which features a filter chooses that compares dates; nothing for any other filter."""
    kinds = {str(n).lower(): str(k) for n, k in zip(about["fields"], about["dtypes"], strict=True)}
    compared = [c for c in filters.comparisons(source.where or "") if c.column.lower() in kinds]
    if not any(date_filters.may_be_dates(c, kinds[c.column.lower()]) for c in compared):
        return {}
    columns = [str(name) for name in about["fields"] if mentioned(str(name), source.where)]
    plain = {"layer": layer, "columns": columns, "read_geometry": False, **_encoding(source)}
    about, fids, _, values = pyogrio.raw.read(
        path, return_fids=True, datetime_as_string=True, **plain
    )
    table = pd.DataFrame(dict(zip(map(str, about["fields"]), values, strict=True)))
    where, alike = date_filters.written_alike(str(source.where), table, source.where_it_is)
    if not alike:
        return {}
    chosen = fids[tables.matching(replace(source, where=where), table.assign(**alike))]
    if len(chosen) == 0:
        raise InputError(
            f"{source.where_it_is}: holds no features after the filter `{shortened(where)}`"
        )
    return {"where": None, "fids": chosen}


def _encoding(source: VectorSource) -> dict[str, str]:
    return {} if source.encoding is None else {"encoding": source.encoding}


def layers_of(path: str) -> list[str]:
    """Return the layers with geometries of a file, by its name for GDAL."""
    # Tables without geometry (styles, metadata) are no layers here.
    return [str(name) for name, shape in pyogrio.list_layers(path) if shape is not None]


def _choose_layer(source: VectorSource, path: str) -> tuple[str, list[str]]:
    """Return the layer to read and the others of the file."""
    layers = layers_of(path)
    if not layers:
        _raise_if_raster(source)
        raise InputError(f"{source.where_it_is}: holds no layer with geometries")
    if source.layer is not None and source.layer not in layers:
        raise InputError(
            f"{source.where_it_is}: has no layer '{shortened(source.layer)}'."
            f"{did_you_mean(source.layer, layers)}"
        )
    chosen = source.layer or layers[0]
    return chosen, [name for name in layers if name != chosen]


def _arrow_rows(path: str, options: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Return attributes and geometries (WKB) of a layer; whole numbers stay whole."""
    _, arrow = pyogrio.read_arrow(path, datetime_as_string=True, **options)
    try:
        # GDAL passes on bytes that are no UTF-8; they would fail later, where no file is known.
        arrow.validate(full=True)
    except pa.ArrowInvalid as error:
        # Arrow gives no other sign than its text that it was the encoding.
        if "utf8" in str(error).lower().replace("-", ""):
            raise UnicodeError(str(error)) from error
        raise
    at = [i for i in range(arrow.num_columns) if _is_wkb(arrow.schema.field(i))]
    wkb = arrow.column(at[-1]) if at else None
    for i in reversed(at):
        arrow = arrow.remove_column(i)
    return pandas_of(arrow), wkb


def _nothing_but_nulls(wkb: Any) -> bool:
    if isinstance(wkb, pa.ChunkedArray):
        return bool(wkb.null_count == len(wkb))
    return all(w is None for w in wkb)


def _is_wkb(field: pa.Field) -> bool:
    """Tell whether a column holds geometries."""
    name = (field.metadata or {}).get(b"ARROW:extension:name", b"")
    return name.endswith(b".wkb") or getattr(field.type, "extension_name", "").endswith(".wkb")


def _rows(path: str, options: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Return the same, read value by value; whole numbers among missing ones are made whole."""
    about, _, wkb, columns = pyogrio.raw.read(path, datetime_as_string=True, **options)
    table = {}
    for name, kind, values in zip(about["fields"], about["dtypes"], columns, strict=True):
        whole = str(kind).startswith(("int", "uint")) and values.dtype.kind == "f"
        table[str(name)] = pd.Series(values).astype("Int64") if whole else pd.Series(values)
    return pd.DataFrame(table), wkb


# ------------------------------------------------------------------ geometries


def _geometries(
    source: VectorSource, path: str, options: dict[str, Any], wkb: Any
) -> tuple[Shapes | Points, list[str]]:
    """Return geometries; arcs become chains of short lines, open rings are closed, both noted."""
    if isinstance(wkb, pa.ChunkedArray):
        plain = points.of_wkb(wkb)
        if plain is not None:
            return plain, []
    try:
        return _from_wkb(wkb), []
    except (shapely.errors.GEOSException, NotImplementedError):
        wkb = _bytes(wkb)
        kinds = {_type_of(w) for w in wkb if w is not None}
    notes = []
    if kinds & set(SURFACES):
        raise InputError(
            f"{source.where_it_is}: holds surfaces (TIN or PolyhedralSurface); convert them to "
            "polygons, for example with ogr2ogr -nlt MULTIPOLYGON"
        )
    if kinds & set(CURVED):
        # Read so, GDAL makes lines of the curves; through Arrow they come as they are.
        _, _, wkb, _ = pyogrio.raw.read(path, **options)
        notes.append("curves were turned into chains of short lines")
    try:
        return _from_wkb(wkb), notes
    except shapely.errors.GEOSException:
        notes.append("rings that were not closed, or lines of one point, were repaired")
        return _from_wkb(wkb, "fix"), notes
    except NotImplementedError as error:
        raise InputError(
            f"{source.where_it_is}: holds geometries of a kind that cannot be read; convert them "
            "to points, lines or polygons, for example with ogr2ogr -nlt CONVERT_TO_LINEAR"
        ) from error


def _from_wkb(wkb: Any, on_invalid: str = "raise") -> Shapes:
    """Return the geometries of well-known binary, (rows,): of a column of Arrow, or of objects."""
    # Of a column chunk by chunk: each text of bytes becomes an object of Python's.
    chunks = wkb.chunks if isinstance(wkb, pa.ChunkedArray) else [wkb]
    made = [shapely.from_wkb(_bytes(chunk), on_invalid=on_invalid) for chunk in chunks]
    return np.concatenate(made) if made else np.empty(0, object)


def _bytes(wkb: Any) -> NDArray[np.object_]:
    if isinstance(wkb, pa.ChunkedArray | pa.Array):
        return np.asarray(wkb.to_numpy(zero_copy_only=False), object)
    return np.asarray(wkb, object)


def _type_of(wkb: bytes) -> int:
    """Return the number of a geometry's type without its marks of Z and M."""
    number = struct.unpack("<I" if wkb[0] == 1 else ">I", wkb[1:5])[0]
    # EWKB marks Z, M and SRID in the highest three bits, ISO by adding thousands.
    return int((number & 0x1FFFFFFF) % 1000)
