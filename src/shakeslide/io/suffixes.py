"""The suffixes by which kinds of files are known, in one place; content decides wherever it can."""

from __future__ import annotations

RASTERS = (
    ".tif", ".tiff", ".vrt", ".asc", ".img", ".bil", ".bip", ".bsq", ".nc", ".nc4", ".hgt", ".grd",
    ".dt0", ".dt1", ".dt2", ".flt", ".jp2", ".dem", ".rst", ".sdat", ".h5", ".hdf", ".hdf5", ".he5",
    ".adf", ".ers", ".xyz", ".grb", ".grib", ".grib2", ".zarr", ".mbtiles", ".png", ".jpg", ".gtx",
)  # fmt: skip
"""Rasters: how they are known in an archive, and whose messages are a raster's."""
VECTORS = (
    ".shp", ".geojson", ".geojsonl", ".json", ".csv", ".tsv", ".txt", ".kml", ".kmz", ".fgb",
    ".gml", ".gpkg", ".gpx", ".tab", ".mif", ".parquet", ".gdb", ".sqlite", ".dxf", ".xml",
)  # fmt: skip
"""What is called a vector where GDAL reads it as nothing at all."""
VECTORS_IN_ARCHIVES = (
    ".shp", ".gpkg", ".geojson", ".json", ".fgb", ".gml", ".kml", ".tab", ".mif",
)  # fmt: skip
"""How a vector is known in an archive."""
NEVER_RASTERS = (
    ".csv", ".tsv", ".parquet", ".geojson", ".geojsonl", ".kml", ".gpx", ".fgb", ".shp",
)  # fmt: skip
"""What is never a raster, though GDAL would take some tables for one."""
ALONE = (".csv", ".tsv", ".txt", ".geojson", ".geojsonl", ".kml", ".gpx", ".parquet", ".fgb")
"""What is never a raster of several files."""
TEXTS = (".csv", ".tsv", ".txt")
"""Tables as text."""
FEATHER = (".feather", ".arrow")
COLUMNAR = (".parquet", ".geoparquet", ".pq", *FEATHER)
"""Tables by columns."""
SHAKEMAPS = (".hdf", ".hdf5", ".h5")
"""ShakeMaps that are no XML."""
QUAKEML = (".xml", ".qml", ".quakeml")
