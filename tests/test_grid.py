"""The grid and its tiles."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide import grid as grids
from shakeslide.errors import InputError

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


def test_feet_are_refused() -> None:
    with pytest.raises(InputError, match="not metres"):
        grids.require_metres(CRS("EPSG:2263"), "the DEM")


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


def test_bounds_cut_the_dems_own_cells() -> None:
    made = grids.choose(BOX, extent=(5e5 + 100, 4e6 - 900, 5e5 + 700, 4e6 - 100))
    assert abs((made.affine.c - BOX.affine.c) % 30) < 1e-9
    assert made.resolution == BOX.resolution
    with pytest.raises(InputError, match="bounds"):
        grids.choose(BOX, extent=(0, 0, 10, 10))


@pytest.mark.parametrize(("side", "size"), [(1000, 512), (5000, 2048)])
def test_the_tile_depends_on_the_grid_alone(side: int, size: int) -> None:
    assert grids.tile_size(GeoBox((side, side), BOX.affine, UTM)) == size
