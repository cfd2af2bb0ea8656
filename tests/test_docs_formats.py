"""Files shaped as their publishers shape them, as docs/own_earthquake.md says, are read right."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import rasterio.shutil
import shapely
from affine import Affine

from shakeslide import pipeline

from . import small_site as site
from .conftest import open_run

STUDY = """
[event]
epicentre = [73.30, 34.66]
magnitude = 7.6
time = 2005-10-08T03:50:40Z
[grid]
crs = "EPSG:32643"
resolution = 30
bounds = [340020, 3837000, 342120, 3840000]
[layers.dem]
path = "{dem}"
[layers.intensity]
path = "isoseismals.gpkg"
column = "intensity"
[layers.rupture]
path = "rupture.geojson"
[layers.aftershocks]
path = "query.csv"
x = "longitude"
y = "latitude"
crs = "EPSG:4326"
[factors.AF]
days = 90
min_magnitude = 4.0
[layers.lithology]
path = "glim.shp"
column = "xx"
[layers.faults]
path = "gem_active_faults.geojson"
[factors.DR]
function = "river_distance"
min_area = 0.05
margin = 0
[layers.hydrorivers]
path = "HydroRIVERS_v10_as.shp"
where = "UPLAND_SKM >= 10"
[factors.DRH]
function = "distance"
layer = "hydrorivers"
[layers.soil]
path = "wrb_most_probable.tif"
[inventory]
path = "landslides.shp"
buffer = 30
[evaluation]
protocols = ["pixel"]
"""
SECOND = 1 / 3600
WEST, NORTH = 73.0, 35.0
LON_LAT = pyproj.Transformer.from_crs("EPSG:32643", "EPSG:4326", always_xy=True)


def plane(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Elevations that bilinear resampling keeps, whole numbers at whole seconds of arc."""
    return 900 + (lon - WEST) / SECOND + 2 * (NORTH - lat) / SECOND


def degrees(path: Path, values: np.ndarray, west: float, north: float, step: float) -> None:
    """Write a raster whose first cell's centre is at `west`, `north`."""
    rows, cols = values.shape
    about = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "crs": "EPSG:4326"}
    place = Affine(step, 0, west - step / 2, 0, -step, north + step / 2)
    with rasterio.open(path, "w", dtype=values.dtype, transform=place, **about) as out:
        out.write(values, 1)


def elevation(west: float, north: float, rows: int, cols: int) -> np.ndarray:
    row, col = np.mgrid[0:rows, 0:cols]
    return plane(west + col * SECOND, north - row * SECOND)


def tiles(folder: Path) -> str:
    """Two tiles of floats, as of GLO-30, and what gdalbuildvrt makes of them."""
    west, north, rows, cols = 73.2, 34.8, 600, 400
    for i in range(2):
        here = west + i * cols * SECOND
        values = elevation(here, north, rows, cols).astype(np.float32)
        degrees(folder / f"tile_{i}.tif", values, here, north, SECOND)
    place = (west - SECOND / 2, SECOND, 0, north + SECOND / 2, 0, -SECOND)
    bands = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">tile_{i}.tif</SourceFilename>'
        f'<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>'
        f'<DstRect xOff="{i * cols}" yOff="0" xSize="{cols}" ySize="{rows}"/></SimpleSource>'
        for i in range(2)
    )
    (folder / "glo30.vrt").write_text(
        f'<VRTDataset rasterXSize="{2 * cols}" rasterYSize="{rows}"><SRS>EPSG:4326</SRS>'
        f"<GeoTransform>{', '.join(map(repr, place))}</GeoTransform>"
        f'<VRTRasterBand dataType="Float32" band="1">{bands}</VRTRasterBand></VRTDataset>'
    )
    return "glo30.vrt"


def hgt(folder: Path) -> str:
    """A tile of whole metres in SRTM's own format, of 3601 cells a side."""
    values = np.round(elevation(WEST, NORTH, 3601, 3601)).astype(np.int16)
    degrees(folder / "whole.tif", values, WEST, NORTH, SECOND)
    rasterio.shutil.copy(folder / "whole.tif", folder / "N34E073.hgt", driver="SRTMHGT")
    return "N34E073.hgt"


def layers(folder: Path) -> None:
    """The other files, in degrees but for the landslides."""
    box, line = shapely.box, shapely.LineString

    def save(name: str, shapes: list[shapely.Geometry], **columns: list[object]) -> None:
        gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326").to_file(folder / name)

    save("isoseismals.gpkg", [box(73, 34, 74, 35)], intensity=[8])
    # USGS finite fault: a plane in three dimensions.
    corners = [(73.1, 34.4, 1), (73.3, 34.7, 1), (73.5, 34.6, 20), (73.3, 34.3, 20)]
    save("rupture.geojson", [shapely.MultiPolygon([shapely.Polygon(corners)])])
    save("glim.shp", [box(73, 34, 73.26, 35), box(73.26, 34, 74, 35)], xx=["mt", "sc"])
    # Due north, and a fault of another continent, as in a global file.
    far = line([(-118.0, 34.0), (-117.0, 33.5)])
    save("gem_active_faults.geojson", [line([(73.4, 34.0), (73.4, 35.0)]), far], slip=["a", "b"])
    rivers = [line([(73.2, 34.0), (73.2, 35.0)]), line([(73.27, 34.0), (73.27, 35.0)])]
    save("HydroRIVERS_v10_as.shp", rivers, UPLAND_SKM=[250.0, 3.0])
    codes = np.repeat([[12, 16]], 20, axis=0).repeat(10, axis=1).astype(np.uint8)
    degrees(folder / "wrb_most_probable.tif", codes, 73.16, 34.8, 0.01)
    pd.DataFrame(
        {
            "time": ["2005-10-08T03:50:40.800Z", "2005-10-09T07:09:18.000Z",
                     "2005-10-20T12:00:00.000Z", "2006-06-01T00:00:00.000Z",
                     "2005-10-11T01:00:00.000Z"],
            "latitude": [34.54, 34.6, 34.7, 34.65, 34.61],
            "longitude": [73.59, 73.3, 73.2, 73.25, 73.28],
            "depth": [26.0, 10.0, 10.0, 10.0, 10.0],
            "mag": [7.6, 5.6, 4.8, 5.0, 3.1],
            "magType": ["mww", "mb", "mb", "mb", "ml"],
        }
    ).to_csv(folder / "query.csv", index=False)  # fmt: skip
    shapes = [
        box(x, y, x + 70, y + 90)
        for x, y in ((340200, 3838000), (341000, 3839000), (341500, 3837500))
    ]
    gpd.GeoDataFrame({"id": [1, 2, 3]}, geometry=shapes, crs=site.CRS).to_file(
        folder / "landslides.shp"
    )


def read(run: pipeline.Run, code: str) -> np.ndarray:
    with rasterio.open(run.out / "factors" / f"{code}.tif") as source:
        return source.read(1)


@pytest.mark.parametrize("dem", [tiles, pytest.param(hgt, marks=pytest.mark.slow)])
def test_public_data_as_they_come(dem: object, tmp_path: Path) -> None:
    layers(tmp_path)
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(dem=dem(tmp_path)))  # type: ignore[operator]
    run = open_run(path, tmp_path / "out")
    rows = {row.name: row for row in pipeline.check(run)}
    assert all(row.coverage in (None, 1.0) for row in rows.values())
    assert "2 of 5 earthquakes are used for AF" in rows["aftershocks"].notes
    assert rows["lithology"].values == "xx: 2 classes: mt, sc"
    assert rows["soil"].values == "2 classes: 12, 16"
    pipeline.prepare(run)

    x, y = np.meshgrid(340020 + 30 * (np.arange(70) + 0.5), 3840000 - 30 * (np.arange(100) + 0.5))
    lon, lat = LON_LAT.transform(x, y)
    # GDAL's kernel is a little wider than a cell where the grid is coarser than the file.
    np.testing.assert_allclose(read(run, "DEM"), plane(lon, lat), atol=0.1)
    assert set(np.unique(read(run, "ST"))) == {12.0, 16.0}
    # Due north is 0 or 180 degrees, less the grid's convergence of about a degree.
    assert (np.abs((read(run, "FD") + 90) % 180 - 90) < 2).all()
    river = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
    axis = np.column_stack(river.transform(np.full(2001, 73.2), np.linspace(34.5, 34.9, 2001)))
    nearest = shapely.distance(shapely.points(x, y), shapely.LineString(axis))
    np.testing.assert_allclose(read(run, "DRH"), nearest, atol=30)
    assert np.isfinite(read(run, "DR")).all()
    assert np.isfinite(read(run, "SRD")).all()
