"""Polygons from rasters: cut corners change no cell, classes leave no gaps."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize

from shakeslide.synthetic.id_polygons import outlines, patches

PLACE = (1000.0, 5000.0, 25.0)
TRANSFORM = Affine(25.0, 0.0, 1000.0, 0.0, -25.0, 5000.0)


@settings(max_examples=150)
@given(
    arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 4))
)
def test_rasterised_outlines_are_the_raster(raster: np.ndarray) -> None:
    ids, polygons = outlines(raster, PLACE)
    assert ids.tolist() == sorted(set(np.unique(raster)) - {0})
    assert shapely.is_valid(polygons).all()
    if ids.size:
        pairs = zip(polygons, ids, strict=True)
        back = rasterize(pairs, raster.shape, transform=TRANSFORM, dtype="int32")
        np.testing.assert_array_equal(back, raster)


def test_a_single_cell_loses_its_corners() -> None:
    _, polygons = outlines(np.array([[1]], np.int32), PLACE)
    assert len(polygons[0].exterior.coords) == 9
    assert polygons[0].area == pytest.approx(625.0 * (1 - 4 * 0.3**2 / 2))


def test_a_hole_stays_a_hole() -> None:
    raster = np.ones((3, 3), np.int32)
    raster[1, 1] = 0
    _, polygons = outlines(raster, PLACE)
    assert len(polygons[0].interiors) == 1
    assert not polygons[0].contains(shapely.Point(1037.5, 4962.5))


def test_patches_cover_the_map_once() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 4, (8, 9)).astype(np.uint8)
    codes = np.kron(coarse, np.ones((9, 9), np.uint8))
    values, polygons = patches(codes, PLACE)
    assert shapely.area(polygons).sum() == pytest.approx(codes.size * 625.0)
    union = shapely.union_all(polygons)
    assert union.area == pytest.approx(codes.size * 625.0)
    back = rasterize(zip(polygons, values, strict=True), codes.shape, transform=TRANSFORM, fill=99)
    assert (back == codes).mean() > 0.97
