"""The grid and its tiles."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids

UTM = CRS("EPSG:32643")
BOX = GeoBox((40, 50), Affine(30, 0, 5e5, 0, -30, 4e6), UTM)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 25))
def test_every_cell_is_in_exactly_one_tile(rows: int, cols: int, size: int) -> None:
    grid = GeoBox((rows, cols), BOX.affine, UTM)
    count = np.zeros((rows, cols), int)
    for tile in grids.tiles(grid, size):
        count[tile.row0 : tile.row1, tile.col0 : tile.col1] += 1
        assert tile.shape == grids.window(grid, tile).shape
    assert (count == 1).all()


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9), st.integers(0, 9))
def test_a_grown_tile_holds_the_tile(i: int, j: int, up: int, side: int) -> None:
    tile = {t.index: t for t in grids.tiles(BOX, 10)}[(i % 4, j)]
    outer = tile.grown((up, side), BOX.shape)
    place = np.arange(BOX.shape[0] * BOX.shape[1]).reshape(BOX.shape)
    big = place[outer.row0 : outer.row1, outer.col0 : outer.col1]
    inner = place[tile.row0 : tile.row1, tile.col0 : tile.col1]
    assert (big[tile.within(outer)] == inner).all()
    assert outer.row0 == max(0, tile.row0 - up)


def test_centres_are_the_same_in_any_tile() -> None:
    whole = grids.cell_centres(BOX, grids.Tile((0, 0), 0, 40, 0, 50))
    part = grids.cell_centres(BOX, grids.Tile((1, 1), 7, 20, 13, 31))
    assert (whole[0][13:31] == part[0]).all()
    assert (whole[1][7:20] == part[1]).all()
    assert whole[0][0] == 5e5 + 15
    assert whole[1][0] == 4e6 - 15


def test_degrees_are_refused_with_the_remedy() -> None:
    degrees = GeoBox((4, 4), Affine(0.01, 0, 73, 0, -0.01, 35), CRS("EPSG:4326"))
    with pytest.raises(InputError, match=r"degrees.*\[grid\] crs"):
        grids.choose(degrees)
    with pytest.raises(InputError, match="no CRS"):
        grids.choose(GeoBox((4, 4), BOX.affine, None))


@pytest.mark.parametrize("crs", ["EPSG:2263", "+proj=utm +zone=43 +units=km"])
def test_other_units_than_metres_are_refused(crs: str) -> None:
    with pytest.raises(InputError, match="not metres"):
        grids.require_metres(CRS(crs), "the DEM")


@pytest.mark.parametrize(
    ("text", "epsg"),
    [
        ("EPSG:32643+5773", 32643),
        ("EPSG:4326+5773", 4326),
        ("EPSG:4979", 4326),
        ("EPSG:4326", 4326),
    ],
)
def test_heights_are_left_out_of_a_crs(text: str, epsg: int) -> None:
    assert grids.named_crs(text, "crs").epsg == epsg
    assert grids.horizontal_crs(wkt_of(text)) == grids.named_crs(text, "crs")


def wkt_of(text: str) -> str:
    return str(pyproj.CRS(text).to_wkt())


LOCAL = 'LOCAL_CS["x",UNIT["metre",1]]'


@pytest.mark.parametrize("text", [LOCAL, "EPSG:4978", "EPSG:5773"])
def test_a_crs_without_a_place_is_none(text: str) -> None:
    assert grids.horizontal_crs(wkt_of(text)) is None
    with pytest.raises(InputError, match=r"local .engineering."):
        grids.named_crs(text, "[grid] crs")


def test_a_long_text_is_not_echoed_whole() -> None:
    with pytest.raises(InputError, match=r"1,000,000 characters") as told:
        grids.named_crs("X" * 1_000_000, "[grid] crs")
    assert len(str(told.value)) < 400


def test_a_grid_is_made_in_the_horizontal_part() -> None:
    grid = grids.from_bounds("EPSG:32643+5773", 30, (500_000, 4_000_000, 500_300, 4_000_300))
    assert grids.crs_of(grid) == UTM


def test_metres_per_unit() -> None:
    assert grids.metres_per_unit(UTM) == 1
    assert grids.metres_per_unit(CRS("+proj=utm +zone=43 +units=km")) == 1000
    assert 0.3047 < grids.metres_per_unit(CRS("EPSG:2263")) < 0.3049


def test_a_grid_from_a_dem_in_degrees_covers_it() -> None:
    degrees = GeoBox((40, 40), Affine(0.001, 0, 73, 0, -0.001, 35), CRS("EPSG:4326"))
    made = grids.choose(degrees, "EPSG:32643", 30.0)
    box = degrees.extent.to_crs(UTM).boundingbox
    got = grids.bounds(made)
    assert got.left <= box.left
    assert got.right >= box.right
    assert got.bottom <= box.bottom
    assert got.top >= box.top
    assert (got.left / 30).is_integer()


@pytest.mark.parametrize("far", [1e9, 1e30, 1e308, float("inf")])
@pytest.mark.parametrize("resolution", [None, 30.0])
def test_bounds_beyond_the_earth_are_refused(far: float, resolution: float | None) -> None:
    with pytest.raises(InputError, match="on Earth"):
        grids.choose(BOX, None, resolution, (-far, -far, far, far))


def test_bounds_cut_the_dems_own_cells() -> None:
    made = grids.choose(BOX, extent=(5e5 + 100, 4e6 - 900, 5e5 + 700, 4e6 - 100))
    assert abs((made.affine.c - BOX.affine.c) % 30) < 1e-9
    assert made.resolution == BOX.resolution
    with pytest.raises(InputError, match="bounds"):
        grids.choose(BOX, extent=(0, 0, 10, 10))


@pytest.mark.parametrize(("side", "size"), [(1000, 512), (5000, 2048)])
def test_the_tile_depends_on_the_grid_alone(side: int, size: int) -> None:
    assert grids.tile_size(GeoBox((side, side), BOX.affine, UTM)) == size


def test_a_large_grid_far_finer_than_the_dem_is_refused() -> None:
    with pytest.raises(InputError, match=r"resolution = 0\.1 .*give about 30 "):
        grids.choose(BOX, None, 0.1)
    # A few cells may be as fine as one likes, many if the DEM is nearly as fine.
    assert grids.choose(BOX, None, 1.0).shape == (1200, 1500)
    fine = GeoBox((9000, 9000), Affine(2, 0, 5e5, 0, -2, 4e6), UTM)
    assert grids.choose(fine, None, 0.5).shape == (36000, 36000)
    degrees = GeoBox((40, 50), Affine(3e-4, 0, 75, 0, -3e-4, 36), CRS("EPSG:4326"))
    with pytest.raises(InputError, match=r"resolution = 0\.1 "):
        grids.choose(degrees, "EPSG:32643", 0.1)
