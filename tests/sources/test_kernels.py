"""Cells of landslides, against scipy, shapely and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from shakeslide.sources import kernels
from shakeslide.sources.outlines import Region, polygons

from . import terrain

EIGHT = np.ones((3, 3))


def random_cells(seed: int, density: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((rng.integers(1, 14), rng.integers(1, 14))) < density


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_parts_are_numbered_as_by_scipy(seed: int) -> None:
    inside = random_cells(seed)
    label = np.empty(inside.shape, np.int32)
    count = kernels.components(inside, label)
    expected, n = ndimage.label(inside, EIGHT)
    assert count == n
    assert (label == expected).all()


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_water_finds_its_way_down_through_cells_of_lower_order(seed: int) -> None:
    inside = random_cells(seed, 0.7)
    z = np.random.default_rng(seed).random(inside.shape).astype(np.float32)
    order = np.empty(inside.shape, np.int64)
    filled = np.empty_like(z)
    cells, down = kernels.spill_order(z, inside, order, filled)
    flat = order.ravel()
    assert (filled[~inside] == z[~inside]).all()
    assert (filled >= z).all()
    assert (filled.ravel()[down] <= filled.ravel()[cells]).all()
    assert sorted(cells.tolist()) == np.flatnonzero(inside).tolist()
    assert (flat[cells] == np.arange(len(cells))).all()
    outlets = cells[down == cells]
    assert (flat[down[down != cells]] < flat[cells[down != cells]]).all()
    parts, n = ndimage.label(inside, EIGHT)
    lowest = {int(np.argmin(np.where(parts == k, z, np.inf))) for k in range(1, n + 1)}
    assert set(outlets.tolist()) == lowest


def test_way_down_a_plane_is_the_distance_from_the_upper_rim() -> None:
    z = terrain.plane(14, 9)
    inside = terrain.rectangle(z.shape, 2, 2, 10, 5)
    slide = terrain.landslide(z, inside)
    rim = slide.travelled[2, 2:7]
    assert (rim == 0).all()
    # Diagonal steps lengthen the longest way, straight ones bound it from below.
    down = np.arange(10) * terrain.CELL
    assert (slide.travelled[2:12, 4] >= down - 1e-9).all()
    assert (slide.travelled[2:12, 4] <= np.sqrt(2) * down + 1e-9).all()
    assert np.isnan(slide.travelled[~inside]).all()


def test_way_down_a_gully_one_cell_wide_is_exact() -> None:
    z = terrain.plane(14, 9)
    slide = terrain.landslide(z, terrain.rectangle(z.shape, 2, 4, 10, 1))
    assert slide.travelled[2:12, 4].tolist() == (np.arange(10) * terrain.CELL).tolist()
    assert slide.length == pytest.approx(10 * terrain.CELL)
    assert slide.fall_line.tolist() == [r * 9 + 4 for r in range(2, 12)]
    assert slide.drop == pytest.approx(9 * 0.5 * terrain.CELL)


def test_way_ends_where_the_fall_line_leaves_the_outline() -> None:
    # A strip along a contour: everything falls out of it at once.
    z = terrain.plane(9, 30)
    slide = terrain.landslide(z, terrain.rectangle(z.shape, 4, 2, 1, 25))
    assert slide.length == terrain.CELL


def test_way_goes_on_over_the_lip_of_a_hollow() -> None:
    z = terrain.plane(16, 9)
    z = z.copy()
    z[6, 4] -= 60.0
    slide = terrain.landslide(z, terrain.rectangle(z.shape, 2, 4, 12, 1))
    assert slide.length == pytest.approx(12 * terrain.CELL)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.0, 0.6))
def test_lobes_are_a_partition_whose_summits_stand_out(seed: int, prominence: float) -> None:
    inside = random_cells(seed, 0.8)
    z = np.random.default_rng(seed).random(inside.shape).astype(np.float32)
    label = np.empty(inside.shape, np.int32)
    count = kernels.lobes(z, inside, prominence, 1, label)
    assert ((label > 0) == inside).all()
    assert set(np.unique(label[inside]).tolist()) == set(range(1, count + 1))
    top = [z[label == k].max() for k in range(1, count + 1)]
    assert top == sorted(top, reverse=True)
    if prominence == 0.0:
        peaks = inside & (z >= ndimage.maximum_filter(np.where(inside, z, -1), 3))
        assert count == int(peaks.sum())


def test_two_cones_are_two_lobes_only_where_the_saddle_is_deep() -> None:
    y, x = np.mgrid[0:15, 0:31]
    z = np.maximum(100 - 10 * np.hypot(x - 8, y - 7), 80 - 10 * np.hypot(x - 22, y - 7))
    z = z.astype(np.float32)
    inside, label = np.ones(z.shape, bool), np.empty(z.shape, np.int32)
    meets = float(z[7, 16])
    assert kernels.lobes(z, inside, 80 - meets - 5, 1, label) == 2
    assert label[7, 8] == 1
    assert label[7, 22] == 2
    assert kernels.lobes(z, inside, 80 - meets + 5, 1, label) == 1
    assert kernels.lobes(z, inside, 10.0, 400, label) == 1


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_rings_are_the_union_of_the_cells(seed: int) -> None:
    cells = [random_cells(seed + i, 0.6) for i in range(3)]
    affine = Affine(20, 0, 100, 0, -30, 900)
    made = polygons([Region(c, 2, 5) for c in cells], affine)
    for shape, mask in zip(made, cells, strict=True):
        r, c = np.nonzero(mask)
        left, top = 100 + 20.0 * (c + 5), 900 - 30.0 * (r + 2)
        union = shapely.union_all(shapely.box(left, top - 30, left + 20, top))
        assert shape.is_valid
        assert shape.symmetric_difference(union).area == 0


def test_spread_takes_a_nearest_label() -> None:
    rng = np.random.default_rng(2)
    seeds = np.where(rng.random((20, 25)) < 0.05, rng.integers(1, 5, (20, 25)), 0).astype(np.int32)
    label = seeds.copy()
    kernels.spread(label)
    assert (label[seeds > 0] == seeds[seeds > 0]).all()
    distances = np.stack(
        [ndimage.distance_transform_cdt(seeds != k, "chessboard") for k in range(1, 5)]
    )
    own = np.take_along_axis(distances, label[None] - 1, 0)[0]
    assert (own == distances.min(axis=0)).all()
