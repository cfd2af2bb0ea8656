"""The layers of a study as sources that rasters and vectors are read from."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import (
    band,
    containers,
    datasets,
    gdal,
    ogr,
    quakeml,
    raster,
    shakemap,
    suffixes,
    tables,
    vector,
)
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Inventory

LARGEST = 1 << 24
"""Whole numbers up to this are exact in float32, the type of a factor's file."""
MOST_CLASSES = 65_535
"""Classes that a raster may have."""


def raster_source(layer: Layer, categorical: bool = False, name: str = "") -> raster.RasterSource:
    """Return how to read a raster layer; classes are exact, and never interpolated."""
    return raster.RasterSource(
        layer.path,
        band=layer.band,
        crs=layer.crs,
        nodata=layer.nodata,
        resampling="nearest" if categorical else "bilinear",
        field=field_of(layer, name),
        scale=layer.scale,
        layer=layer.layer,
        classes=categorical,
    )


def raster_info(layer: Layer, name: str = "") -> raster.RasterInfo:
    """Return what a raster layer's file says of itself.

    Raises
    ------
    InputError
        No raster, or one that cannot be read as the study states.
    """
    field = field_of(layer, name)
    where = f"{layer.path} ({name})" if name else str(layer.path)
    if containers.exists(layer.path) and is_vector(layer) and _vector_layers(layer.path):
        raise InputError(f"{where}: is a vector, but a raster is needed here; give a raster")
    if field is None and layer.column is not None:
        raise InputError(
            f"{where}: is a raster, which has no columns: delete column = '{layer.column}' (a band "
            "is chosen with band =, a variable or table with layer =)"
        )
    return raster.info(layer.path, layer.crs, layer.band, field, layer.layer, layer.nodata)


def large_codes(source: raster.RasterSource, dtype: str, grid: GeoBox) -> tuple[int, ...]:
    """Return all codes of a class raster on the grid where a float32 cannot hold each, else none.

    Parameters
    ----------
    source : RasterSource
        The raster.
    dtype : str
        Type of the file's numbers.
    grid : GeoBox
        The grid.

    Raises
    ------
    InputError
        More codes than classes can be.
    """
    # float32 holds all numbers of these types.
    if dtype in band.NARROW and source.scale is None:
        return ()
    found = np.empty(0)
    # A raster may be larger than memory.
    for tile in grids.tiles(grid, 2048):
        codes = np.unique(source.read_codes(grids.window(grid, tile)))
        found = np.union1d(found, codes[np.isfinite(codes)])
        if len(found) > MOST_CLASSES:
            raise InputError(
                f"{source.path}: is used for classes, but holds more than {MOST_CLASSES:,} values; "
                'use function = "value" for continuous values'
            )
    large = len(found) > 0 and np.abs(found).max() > LARGEST
    return tuple(int(c) for c in found) if large else ()


def field_of(layer: Layer, name: str) -> str | None:
    """Return the field of a layer that is a ShakeMap, None for any other raster."""
    if not layer.path.is_file() or not shakemap.is_shakemap(layer.path):
        return None
    return shakemap.read(layer.path).name(layer.column, name)


def vector_source(layer: Layer | Inventory, name: str) -> vector.VectorSource:
    """Return how to read a vector: a layer, a mask, the inventory or one of its parts.

    Raises
    ------
    InputError
        An inventory without a file.
    """
    if layer.path is None:
        raise InputError(
            "[inventory] path is missing: give the landslide polygons of the event; if none are "
            "mapped yet, use `shakeslide rapid`, or a study with published formulas only"
        )
    return vector.VectorSource(
        layer.path,
        name,
        layer=layer.layer,
        column=getattr(layer, "column", None),
        where=layer.where,
        crs=layer.crs,
        x=layer.x,
        y=layer.y,
        encoding=layer.encoding,
        swap_xy=layer.swap_xy,
        wkt=layer.wkt,
        time=getattr(layer, "time", None),
        date=layer.date,
    )


def is_vector(layer: Layer) -> bool:
    """Tell whether the layer's file is a vector: by its content.

    Raises
    ------
    InputError
        What is no file, or a file of both kinds whose `layer` is not named.
    """
    # Only the name tells, for the message on what is missing.
    if not containers.exists(layer.path):
        return containers.suffix_of(layer.path.name) in suffixes.VECTORS
    containers.require_file(layer.path)
    return vector.known_kind(layer.path, layer.layer, lambda: _holds_vector(layer))


def _holds_vector(layer: Layer) -> bool:
    if shakemap.is_shakemap(layer.path):
        return False
    if quakeml.is_quakeml(layer.path):
        return True
    if tables.is_columnar(layer.path):
        return True
    if not datasets.is_raster(layer.path):
        suffix = containers.suffix_of(layer.path.name)
        return suffix in suffixes.VECTORS or bool(_vector_layers(layer.path))
    # Formats that may hold rasters and vectors.
    both = containers.suffix_of(layer.path.name) in (".gpkg", ".sqlite", ".gdb", ".zip")
    vectors = _vector_layers(layer.path) if both else []
    if vectors and layer.layer is None:
        one = "choose one with layer ="
        if layer.path.suffix.lower() == ".zip":
            one = f'name the file in it: path = "{layer.path.name}/..."'
        raise InputError(
            f"{layer.path}: holds rasters and vectors ({', '.join(vectors[:6])}); {one}"
        )
    return layer.layer in vectors


def _vector_layers(path: Path) -> list[str]:
    """Return the layers with geometries of a file, none where it is no vector."""
    try:
        with gdal.vectors():
            return ogr.layers_of(ogr.gdal_path(path))
    except (DataSourceError, DataLayerError):
        return []
    except InputError:  # an archive that holds no vector, or several
        if datasets.is_raster(path):
            return []
        raise


def source_text(layer: Layer) -> str:
    """Return where a layer's data come from, in a few words."""
    return f"{layer.path.name}" + (f" ({layer.source})" if layer.source else "")


def polygons(layer: Layer, name: str, crs: CRS, code: str) -> vector.Features:
    """Return the polygons of a layer that a factor takes an attribute of, in the grid's `crs`."""
    if layer.column is None:
        raise InputError(
            f"[layers.{name}] needs column = the attribute from which factor {code} is computed"
        )
    return vector.read(vector_source(layer, name), crs, "polygon")


def class_codes(column: pd.Series) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return a code per row (NaN where empty) and the legend.

    Small non-negative whole numbers are kept as codes; anything else is numbered from 1 in
    sorted order. A text of blanks alone is no class.
    """
    known = _classes(column)
    present = known.notna()
    values = known[present]
    whole = pd.api.types.is_integer_dtype(values) and len(values) > 0
    if whole and values.min() >= 0 and values.max() < 1_000_000:
        numbers = known.astype("Float64").to_numpy(np.float64, na_value=np.nan)
        return np.asarray(numbers, np.float64), {
            int(v): str(int(v)) for v in sorted(values.unique())
        }
    names = [str(v) for v in sorted(values.unique())] if whole else sorted({*values.map(str)})
    number = {name: i + 1 for i, name in enumerate(names)}
    codes: NDArray[np.float64] = np.full(len(column), np.nan)
    codes[present.to_numpy()] = [number[str(v)] for v in values]
    return codes, {i: name for name, i in number.items()}


def _classes(column: pd.Series) -> pd.Series:
    """Return a column of classes: whole numbers as such, blank texts missing."""
    # Whole numbers are read as floats where some are missing.
    if pd.api.types.is_float_dtype(column):
        known = column.dropna().astype(float)
        # Beyond 2^53 floats no longer tell whole numbers apart.
        if (np.isfinite(known) & (known == np.round(known)) & (known.abs() < 2**53)).all():
            return column.astype("Int64")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column
    blank = column.map(lambda v: isinstance(v, str) and not v.strip()).astype(bool)
    return column.mask(blank)


def class_remarks(column: pd.Series, name: str) -> tuple[list[str], list[str]]:
    """Return notes and warnings on the classes of a column: blank ones, and such as look alike."""
    given = int(column.notna().sum())
    blank = given - int(_classes(column).notna().sum())
    notes = [f"{blank:,} features have a blank text in '{name}' and no class"] if blank else []
    alike: dict[str, set[str]] = {}
    for text in {str(v) for v in _classes(column).dropna().unique()}:
        plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        alike.setdefault(plain, set()).add(text)
    several = sorted(sorted(names) for names in alike.values() if len(names) > 1)
    if not several:
        return notes, []
    shown = "; ".join(", ".join(repr(n) for n in names) for names in several[:4])
    more = f"; and {len(several) - 4} more" if len(several) > 4 else ""
    return notes, [
        f"classes of '{name}' differ only by case, blanks or the form of a letter: {shown}{more}: "
        "they count as different classes; write each class in one way"
    ]
