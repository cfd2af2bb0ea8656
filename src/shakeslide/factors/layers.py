"""The layers of a study as sources that rasters and vectors are read from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from shakeslide import grid as grids
from shakeslide.errors import InputError
from shakeslide.factors.registry import Sources
from shakeslide.io import quakeml, raster, shakemap, vector
from shakeslide.study import Layer

VECTOR_SUFFIXES = (
    ".shp", ".geojson", ".geojsonl", ".json", ".csv", ".tsv", ".kml", ".kmz", ".fgb", ".gml",
    ".zip", ".gpx", ".tab", ".mif", ".parquet", ".gdb", ".sqlite", ".dxf",
)  # fmt: skip
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".asc", ".img", ".bil", ".nc", ".hgt", ".grd", ".dt2")


def raster_source(layer: Layer, categorical: bool = False, name: str = "") -> raster.RasterSource:
    """Return how to read a raster layer; classes are never interpolated."""
    return raster.RasterSource(
        layer.path,
        layer.band,
        layer.crs,
        layer.nodata,
        "nearest" if categorical else "bilinear",
        field_of(layer, name),
        layer.scale,
    )


def raster_info(layer: Layer, name: str = "") -> raster.RasterInfo:
    """Return what a raster layer's file says of itself."""
    return raster.info(layer.path, layer.crs, layer.band, field_of(layer, name))


def field_of(layer: Layer, name: str) -> str | None:
    """Return the field of a layer that is a ShakeMap, None for any other raster."""
    if not shakemap.is_shakemap(layer.path):
        return None
    return shakemap.read(layer.path).name(layer.column, name)


def vector_source(layer: Layer, name: str) -> vector.VectorSource:
    """Return how to read a vector layer."""
    return vector.VectorSource(
        layer.path,
        name,
        layer.layer,
        layer.column,
        layer.where,
        layer.crs,
        layer.x,
        layer.y,
        layer.encoding,
        layer.swap_xy,
    )


def is_vector(layer: Layer) -> bool:
    """Tell whether the layer's file is a vector: by its content where its name leaves it open."""
    suffix = layer.path.suffix.lower()
    if shakemap.is_shakemap(layer.path):
        return False
    if layer.column is not None or suffix in VECTOR_SUFFIXES or quakeml.is_quakeml(layer.path):
        return True
    if suffix in RASTER_SUFFIXES or not layer.path.exists():
        return suffix == ".gpkg"
    try:
        return any(kind is not None for _, kind in pyogrio.list_layers(layer.path))
    except (DataSourceError, DataLayerError):
        # A GeoPackage that is not whole: most hold vectors.
        return suffix == ".gpkg"


def source_text(layer: Layer) -> str:
    """Return where a layer's data come from, in a few words."""
    return f"{layer.path.name}" + (f" ({layer.source})" if layer.source else "")


def polygons(layer: Layer, name: str, sources: Sources, code: str) -> vector.Features:
    """Return the polygons of a layer that a factor takes an attribute of."""
    if layer.column is None:
        raise InputError(
            f"[layers.{name}] needs column = the attribute that factor {code} is made from"
        )
    return vector.read(vector_source(layer, name), grids.crs_of(sources.grid), "polygon")


def class_codes(column: pd.Series) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return a code per row (NaN where empty) and the legend.

    Small non-negative whole numbers are kept as codes; anything else is numbered from 1 in
    sorted order.
    """
    present = column.notna()
    values = column[present]
    whole = pd.api.types.is_integer_dtype(values) and len(values) > 0
    if whole and values.min() >= 0 and values.max() < 1_000_000:
        legend = {int(v): str(int(v)) for v in sorted(values.unique())}
        return np.asarray(column.astype(float), np.float64), legend
    names = sorted({str(v) for v in values})
    number = {name: i + 1 for i, name in enumerate(names)}
    codes = np.full(len(column), np.nan)
    codes[present.to_numpy()] = [number[str(v)] for v in values]
    return codes, {i: name for name, i in number.items()}
