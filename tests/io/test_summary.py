"""All values of a raster at once, against numpy on the whole array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.checks import symptoms
from shakeslide.core.errors import InputError
from shakeslide.io import raster, summary
from shakeslide.io.summary import Summary

UTM = CRS("EPSG:32643")
PLACE = Affine(30, 0, 340_000, 0, -30, 3_840_000)


@given(
    st.lists(st.sampled_from([np.nan, np.inf, -np.inf, -3.0, 0.0, 1.5, 7.0, 255.0]), max_size=40),
    st.data(),
)
def test_a_summary_is_that_of_numpy_however_it_is_cut(
    values: list[float], data: st.DataObject
) -> None:
    whole = np.array(values, np.float32)
    at = data.draw(st.integers(0, len(values)))
    got = Summary.of(whole[:at], 9).joined(Summary.of(whole[at:], 9), 9)
    known = whole[np.isfinite(whole)]
    assert got.infinite == np.isinf(whole).sum()
    distinct = np.unique(known)
    assert (got.cells, got.known, got.zeros) == (whole.size, known.size, (known == 0).sum())
    assert list(got.distinct) == list(distinct)
    if distinct.size:
        assert (got.low, got.high) == (distinct[0], distinct[-1])
        assert (got.low_count, got.high_count) == tuple(
            (known == v).sum() for v in distinct[[0, -1]]
        )
        assert got.least == min(distinct[distinct != 0], default=np.inf)
    if distinct.size > 1:
        assert (got.next_low, got.next_high) == (distinct[1], distinct[-2])


def test_too_many_values_are_not_kept() -> None:
    values = np.arange(20_000, dtype=np.float32)
    assert Summary.of(values, 100).distinct is None
    joined = Summary.of(values[:60], 100).joined(Summary.of(values[60:120], 100), 100)
    assert joined.distinct is None
    assert Summary.of(values[:100], 100).distinct.size == 100


def write(path: Path, values: np.ndarray, **profile: object) -> None:
    full = {
        "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
        "dtype": values.dtype.name, "crs": UTM.to_wkt(), "transform": PLACE, "tiled": True,
        **profile,
    }  # fmt: skip
    with rasterio.open(path, "w", **full) as dst:
        dst.write(values, 1)


def seen(path: Path, grid: GeoBox, **how: object) -> Summary:
    return summary.summarised(raster.RasterSource(path), raster.info(path), grid, **how)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 x 2,000 cells, five of which hold -9999, which nothing says."""
    path = tmp_path_factory.mktemp("large") / "dem.tif"
    rows, cols = np.mgrid[0:2000, 0:2000]
    z = (1500 + 500 * np.sin(rows / 300) + 500 * np.cos(cols / 300)).astype(np.int16)
    for r, c in ((3, 3), (777, 1234), (1111, 5), (1501, 1777), (1999, 1999)):
        z[r, c] = -9999
    write(path, z)
    return path


@pytest.mark.parametrize("threads", [1, 3])
def test_a_few_cells_among_millions_are_found(large: Path, threads: int) -> None:
    got = seen(large, raster.info(large).grid, threads=threads)
    assert (got.cells, got.low_count, got.low) == (4_000_000, 5, -9999.0)
    assert "set nodata = -9999" in summary.untagged_nodata(got)


def test_only_the_part_on_the_grid_is_looked_at(large: Path) -> None:
    whole = raster.info(large).grid
    assert seen(large, whole[100:400, 100:500]).low > 0
    assert seen(large, whole[700:800, 1200:1300]).low_count == 1
    coarse = whole[600:1200, 1000:1300].zoom_out(7)
    assert seen(large, coarse).low_count == 1
    degrees = GeoBox.from_geopolygon(whole[700:800, 1200:1300].extent.to_crs("EPSG:4326"), 3e-4)
    assert seen(large, degrees).low_count == 1
    elsewhere = GeoBox((40, 40), Affine(30, 0, 640_000, 0, -30, 3_840_000), UTM)
    assert seen(large, elsewhere).cells == 0


def test_a_look_at_giants_is_bounded_and_a_thorough_one_is_not(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "CHECKED", 1_000_000)
    monkeypatch.setattr(summary, "BLOCK", (100, 400))
    whole = raster.info(large).grid
    assert 900_000 <= seen(large, whole).cells <= 1_000_000
    assert seen(large, whole, thorough=True).low_count == 5


def test_a_file_that_ends_early_is_one_line(large: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(large.read_bytes()[: 7 * large.stat().st_size // 8])
    with pytest.raises(InputError, match=r"cut\.tif"):
        seen(path, raster.info(path).grid)


def test_longitudes_beyond_180(tmp_path: Path) -> None:
    """A file from 179.9 to 180.1 degrees, a grid across the 180th meridian."""
    path = tmp_path / "lon.tif"
    values = np.tile(np.arange(100, dtype=np.float32), (100, 1))
    write(path, values, crs="EPSG:4326", transform=Affine(0.002, 0, 179.9, 0, -0.002, -16.7))
    grid = GeoBox((300, 300), Affine(30, 0, 175_000, 0, -30, 8_142_000), CRS("EPSG:32701"))
    got = seen(path, grid)
    assert got.low < 50 < got.high  # on both sides of the meridian
    assert got.cells < 100 * 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_values_are_counted_and_are_no_data(tmp_path: Path, dtype: type) -> None:
    values = np.arange(64, dtype=dtype).reshape(8, 8)
    values[0, :3] = np.inf, -np.inf, np.nan
    values[1, 0] = np.finfo(dtype).max if dtype is np.float64 else np.inf
    values[1, 1] = -1.0
    write(tmp_path / "a.tif", values, tiled=False, nodata=-1.0)
    grid = raster.info(tmp_path / "a.tif").grid
    got = seen(tmp_path / "a.tif", grid)
    assert (got.infinite, got.known, got.high) == (3, 59, 63.0)
    assert np.isnan(raster.RasterSource(tmp_path / "a.tif").read(grid)).sum() == 5
    assert symptoms.infinite(got).count("3 cells") == 1
    assert symptoms.infinite(Summary.of(values[2:])) == ""
