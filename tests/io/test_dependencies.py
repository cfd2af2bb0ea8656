"""The files behind a layer: all that GDAL reads, nothing that it does not."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from shakeslide.core.errors import InputError
from shakeslide.io.dependencies import files_of

PLACE = Affine(10, 0, 500_000, 0, -10, 4_000_000)


def raster(path: Path, driver: str = "GTiff", mask: bool = False, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(20, dtype=np.uint8).reshape(4, 5)
    profile = {"driver": driver, "height": 4, "width": 5, "count": 1, "dtype": "uint8"}
    where = {"crs": "EPSG:32643", "transform": PLACE} | more
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False, GDAL_PAM_ENABLED="NO"),
        rasterio.open(path, "w", **profile, **where) as dst,
    ):
        dst.write(values, 1)
        if mask:
            dst.write_mask(values > 3)
    return path


def vrt(path: Path, source: str, relative: int = 1) -> Path:
    path.write_text(
        '<VRTDataset rasterXSize="5" rasterYSize="4"><SRS>EPSG:32643</SRS>'
        "<GeoTransform>500000,10,0,4000000,0,-10</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def names(path: Path, base: Path) -> set[str]:
    return {os.path.relpath(p, base) for p in files_of(path)}


def test_a_virtual_raster_is_its_tiles_and_theirs(tmp_path: Path) -> None:
    raster(tmp_path / "tiles" / "a.tif", mask=True)
    vrt(tmp_path / "tiles" / "inner.vrt", "a.tif")
    outer = vrt(tmp_path / "outer.vrt", "tiles/inner.vrt")
    expected = {"outer.vrt", "tiles/inner.vrt", "tiles/a.tif", "tiles/a.tif.msk"}
    assert names(outer, tmp_path) == expected


def test_a_virtual_raster_of_itself_ends(tmp_path: Path) -> None:
    assert names(vrt(tmp_path / "a.vrt", "a.vrt"), tmp_path) == {"a.vrt"}


def test_headers_and_world_files_belong_and_overviews_do_not(tmp_path: Path) -> None:
    raster(tmp_path / "a.bil", "ENVI")
    assert {"a.bil", "a.hdr"} <= names(tmp_path / "a.bil", tmp_path)
    raster(tmp_path / "b.tif", profile="BASELINE", tfw=True)
    (tmp_path / "b.tif.aux.xml").write_text("<PAMDataset/>")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(tmp_path / "b.tif", "r+") as dst:
        dst.build_overviews([2])
    assert (tmp_path / "b.tif.ovr").exists()
    assert names(tmp_path / "b.tif", tmp_path) == {"b.tif", "b.tfw"}


@pytest.mark.parametrize(
    ("name", "driver", "parts"),
    [
        ("a.shp", "ESRI Shapefile", {"a.shp", "a.shx", "a.dbf", "a.prj", "a.cpg"}),
        ("a.tab", "MapInfo File", {"a.tab", "a.dat", "a.map", "a.id"}),
        ("a.gpkg", "GPKG", {"a.gpkg"}),
        ("a.geojson", "GeoJSON", {"a.geojson"}),
    ],
)
def test_a_vector_is_all_its_parts(tmp_path: Path, name: str, driver: str, parts: set[str]) -> None:
    frame = gpd.GeoDataFrame({"v": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32643")
    frame.to_file(tmp_path / name, driver=driver)
    (tmp_path / "other.txt").write_text("x")
    assert names(tmp_path / name, tmp_path) == parts
    (tmp_path / "v.vrt").write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="a">'
        f'<SrcDataSource relativeToVRT="1">{name}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    )
    assert names(tmp_path / "v.vrt", tmp_path) == parts | {"v.vrt"}


def test_what_is_within_an_archive_is_the_archive(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "in/a.tif")
    for path in (tmp_path / "z.zip", tmp_path / "z.zip" / "in" / "a.tif"):
        assert names(path, tmp_path) == {"z.zip"}
    through = vrt(tmp_path / "z.vrt", f"/vsizip/{tmp_path}/z.zip/in/a.tif", relative=0)
    assert names(through, tmp_path) == {"z.zip", "z.vrt"}


def test_only_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    folder = tmp_path / "folder.gdb"
    folder.mkdir()
    (folder / "a").write_text("x")
    assert names(folder, tmp_path) == {"folder.gdb/a"}
    os.mkfifo(folder / "pipe")
    for path in (tmp_path / "pipe.tif", folder, vrt(tmp_path / "a.vrt", "pipe.tif")):
        with pytest.raises(InputError, match="named pipe"):
            files_of(path)
    with pytest.raises(InputError, match="no such file"):
        files_of(tmp_path / "none.tif")
    with pytest.raises(InputError, match="a device"):
        files_of(Path("/dev/zero"))
