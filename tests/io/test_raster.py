"""Reading rasters block by block: the same values whatever is open, cached, or beside the edge."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.io import datasets, raster

GRID = GeoBox((64, 96), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32643")


def write(path: Path, values: np.ndarray, nodata: float | None = None) -> None:
    profile = {"driver": "GTiff", "height": 64, "width": 96, "count": 1, "dtype": values.dtype}
    where = {"crs": "EPSG:32643", "transform": GRID.affine, "nodata": nodata}
    tiled = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    with rasterio.open(path, "w", **profile, **where, **tiled) as dst:
        dst.write(values, 1)


def numbers(dtype: str = "float32") -> np.ndarray:
    return np.arange(64 * 96).reshape(64, 96).astype(dtype)


def test_neighbouring_tiles_find_blocks_unpacked(tmp_path: Path) -> None:
    """Blocks read once are kept: what is then overwritten behind the file's back is not seen."""
    path = tmp_path / "a.tif"
    write(path, numbers())
    source = raster.RasterSource(path)
    first = source.read(GRID)
    stat = path.stat()
    path.write_bytes(b"\0" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (source.read(GRID) == first).all()


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for k in range(3):
        with replacing(path) as temporary:
            write(temporary, numbers() + k)
        assert (raster.RasterSource(path).read(GRID) == numbers() + k).all()


def test_many_files_are_read_in_turn(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.tif" for k in range(datasets.MOST_OPEN + 5)]
    for k, path in enumerate(paths):
        write(path, numbers() + k)
    for _ in range(2):
        for k, path in enumerate(paths):
            assert raster.RasterSource(path).read(GRID)[0, 0] == k


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("int16", -32768), ("int32", 2**31 - 1), ("float64", -1.7e308), ("float32", -9999), ("u1", 0)],
)
def test_nodata_is_told_in_the_files_own_type(tmp_path: Path, dtype: str, nodata: float) -> None:
    values = (numbers() % 200 + 1).astype(dtype)
    values[10:20, 30:33] = nodata
    expected = (numbers() % 200 + 1).astype(np.float32)
    expected[10:20, 30:33] = np.nan
    write(tmp_path / "a.tif", values, nodata)
    read = raster.RasterSource(tmp_path / "a.tif").read(GRID)
    np.testing.assert_array_equal(read, expected)


def test_a_large_number_beside_nodata_is_a_value(tmp_path: Path) -> None:
    """Both are the same number in float32."""
    values = np.full((64, 96), 2**31 - 2, np.int32)
    values[0, 0] = 2**31 - 1
    write(tmp_path / "a.tif", values, 2**31 - 1)
    read = raster.RasterSource(tmp_path / "a.tif").read(GRID)
    assert np.isnan(read).sum() == 1
    assert np.isnan(read[0, 0])


def test_what_is_not_finite_is_missing(tmp_path: Path) -> None:
    values = numbers()
    values[3, 4], values[5, 6], values[7, 8] = np.inf, -np.inf, np.nan
    write(tmp_path / "a.tif", values)
    read = raster.RasterSource(tmp_path / "a.tif").read(GRID)
    assert np.argwhere(np.isnan(read)).tolist() == [[3, 4], [5, 6], [7, 8]]


def test_beyond_the_edge_there_is_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", numbers())
    read = raster.RasterSource(tmp_path / "a.tif").read(GRID.pad(7, 5))
    np.testing.assert_array_equal(read[5:69, 7:103], numbers())
    assert np.isnan(read).sum() == read.size - 64 * 96


def test_what_is_no_raster_is_told_every_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("no raster")
    for _ in range(2):
        with pytest.raises(InputError, match="not a raster"):
            raster.RasterSource(path).read(GRID)


def test_tiles_behind_a_vrt_that_changed_are_read_by_the_next_look(tmp_path: Path) -> None:
    tile, mosaic = tmp_path / "tile.tif", tmp_path / "mosaic.vrt"
    write(tile, numbers())
    rasterio.shutil.copy(tile, mosaic, driver="VRT")
    source = raster.RasterSource(mosaic)
    assert (source.read(GRID) == numbers()).all()
    write(tile, numbers() + 7)
    datasets.look_again()
    assert (source.read(GRID) == numbers() + 7).all()
