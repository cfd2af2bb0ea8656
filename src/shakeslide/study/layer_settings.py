"""A table of the study file that names a file with data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shakeslide.study.schema import (
    ColumnName,
    CrsText,
    DataPath,
    Default,
    Encoding,
    Filter,
    Settings,
    ShownText,
)


class Layer(Settings):
    """A file with data: any raster that GDAL reads, any vector that OGR reads, a table of points
    (text, Parquet, Feather), a ShakeMap (grid.xml, uncertainty.xml, shake_result.hdf) or an
    earthquake catalogue (QuakeML)."""

    path: DataPath
    """The file. A file in a zip archive is "dem.zip" if the archive has one raster or vector, else
    "dem.zip/dem.tif"."""
    layer: str | None = None
    """Layer inside the file, if it has several; raster: the variable (NetCDF, HDF) or the table
    (GeoPackage)."""
    column: ColumnName | None = None
    """Attribute to use (polygons: the value or class; earthquakes: the magnitude; ShakeMap: the
    field, for example "PGA", else the field with the layer's name, MMI for intensity)."""
    where: Filter | None = None
    """Filter on attributes: one SQL condition, for example "year IN (2005, 2006)"."""
    x: ColumnName | None = None
    """Table (.csv, .txt, .tsv, .parquet, .feather): column of longitude or x."""
    y: ColumnName | None = None
    """Table: column of latitude or y."""
    wkt: ColumnName | None = None
    """Table: column of geometries as well-known text, instead of x and y; detected automatically
    if there is one."""
    time: ColumnName | None = None
    """Column of date and time (UTC), needed for a time window; with `date`, column of the time of
    day."""
    date: ColumnName | None = None
    """Column of the date, if date and time are in two columns or there is no time."""
    crs: CrsText | None = None
    """CRS of the file, only if the file states none or a wrong one."""
    encoding: Encoding | None = None
    """Vector: text encoding, for example "cp1251", if the file states none or a wrong one."""
    swap_xy: bool = False
    """Vector: the file gives y before x."""
    band: Annotated[int, Field(ge=1)] = 1
    """Raster: number of the band."""
    nodata: Annotated[float, Field(allow_inf_nan=True)] | None = None
    """Raster: value that means "no data", if the file does not state it; the data type must be able
    to hold it."""
    scale: Annotated[Annotated[float, Field(gt=0)] | None, Default("the file's own scale")] = None
    """Raster: factor by which values are multiplied, for example 0.3048 for feet."""
    source: ShownText = ""
    """Source and licence of the data; printed in the report."""
