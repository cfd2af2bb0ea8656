"""Polygons on the grid, against shapely's own point in polygon and against GDAL."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.geo import grid as grids
from shakeslide.layers import polygons
from shakeslide.layers.polygons import Polygons

GRID = GeoBox((60, 70), Affine(20, 0, 5e5, 0, -25, 4e6), CRS("EPSG:32643"))
WHOLE = grids.Tile((0, 0), 0, 60, 0, 70)


def blobs(seed: int, count: int) -> np.ndarray:
    """Ragged polygons with holes, some beyond the grid."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(5e5 - 300, 5e5 + 1700, count), rng.uniform(4e6 - 1800, 4e6 + 300, count)
    shapes = []
    for i in range(count):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 12))
        radius = rng.uniform(40, 400, 12)
        ring = np.column_stack([x[i] + radius * np.sin(angle), y[i] + radius * np.cos(angle)])
        shape = shapely.make_valid(shapely.Polygon(ring))
        hole = shapely.Point(x[i], y[i]).buffer(rng.uniform(10, 60))
        shapes.append(shape.difference(hole))
    return np.array([s for s in shapes if s.geom_type in ("Polygon", "MultiPolygon")], object)


def centres() -> np.ndarray:
    x, y = grids.cell_centres(GRID, WHOLE)
    return shapely.points(*np.meshgrid(x, y))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_burning_is_point_in_polygon_and_the_last_wins(seed: int) -> None:
    shapes = blobs(seed, 6)
    burnt = Polygons.on_grid(shapes, np.arange(1.0, len(shapes) + 1), GRID).burn(WHOLE, 0)
    expected = np.zeros(WHOLE.shape)
    for value, shape in enumerate(shapes, 1):
        expected[shapely.contains(shape, centres())] = value
    assert (burnt == expected).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_tiles_agree_with_the_whole(seed: int, size: int) -> None:
    shapes = blobs(seed, 5)
    polygons = Polygons.on_grid(shapes, np.arange(1.0, len(shapes) + 1), GRID)
    whole = polygons.burn(WHOLE)
    for tile in grids.tiles(GRID, size):
        part = whole[tile.row0 : tile.row1, tile.col0 : tile.col1]
        assert np.array_equal(polygons.burn(tile), part, equal_nan=True)


def test_gdal_burns_the_same_cells() -> None:
    shapes = blobs(5, 40)
    ours = Polygons.on_grid(shapes, np.arange(1.0, len(shapes) + 1), GRID).burn(WHOLE, 0)
    gdal = rasterio.features.rasterize(
        zip(shapes, range(1, len(shapes) + 1), strict=True),
        out_shape=GRID.shape,
        transform=GRID.affine,
    )
    assert (ours == gdal).all()


def test_shared_edges_leave_no_gap_and_no_overlap() -> None:
    # Edges run through cell centres on purpose: columns of 1.5 cells from half a cell on.
    left = [5e5 + 10 + 30 * i for i in range(-2, 50)]
    strips = np.array([shapely.box(x, 3.9e6, x + 30, 4.1e6) for x in left], object)
    counts = sum(
        Polygons.on_grid(np.array([s], object), np.ones(1), GRID).burn(WHOLE, 0) for s in strips
    )
    assert (counts == 1).all()
    slanted = np.array(
        [
            shapely.Polygon([(5e5, 4e6), (5e5 + 1400, 4e6), (5e5 + 1400, 4e6 - 1750)]),
            shapely.Polygon([(5e5, 4e6), (5e5, 4e6 - 1750), (5e5 + 1400, 4e6 - 1750)]),
        ],
        object,
    )
    box = sum(
        Polygons.on_grid(np.array([s], object), np.ones(1), GRID).burn(WHOLE, 0) for s in slanted
    )
    assert (box[:60] == 1).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_centres_are_counted_polygon_by_polygon(seed: int) -> None:
    shapes = blobs(seed, 6)
    counted = Polygons.on_grid(shapes, np.ones(len(shapes)), GRID).centres((60, 70))
    assert counted.tolist() == [int(shapely.contains(s, centres()).sum()) for s in shapes]


@pytest.mark.parametrize("together", [1, 2, 7])
def test_many_polygons_are_taken_apart_in_blocks(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One without parts among them: it has no edges and no box.
    shapes = np.insert(blobs(1, 6), 2, shapely.Polygon())
    values = np.arange(1.0, len(shapes) + 1)
    whole = Polygons.on_grid(shapes, values, GRID)
    monkeypatch.setattr(polygons, "TOGETHER", together)
    blocks = Polygons.on_grid(shapes, values, GRID)
    for name in ("points", "last", "start", "boxes"):
        assert np.array_equal(getattr(whole, name), getattr(blocks, name))
    assert whole.start[2] == whole.start[3]
    assert np.isinf(whole.boxes[2]).all()
    for box, shape in zip(whole.boxes, shapes, strict=True):
        if not shape.is_empty:
            west, south, east, north = shape.bounds
            cells = [(west - 5e5) / 20, (4e6 - north) / 25, (east - 5e5) / 20, (4e6 - south) / 25]
            assert box == pytest.approx(cells)


def test_some_polygons_keep_their_order_and_values() -> None:
    shapes = blobs(3, 6)
    every = Polygons.on_grid(shapes, np.arange(1.0, len(shapes) + 1), GRID)
    for which in ([4, 0, 2], [1], [5, 5, 3]):
        alone = Polygons.on_grid(shapes[which], np.array(which) + 1.0, GRID)
        some = every.some(which)
        np.testing.assert_array_equal(some.burn(WHOLE), alone.burn(WHOLE))
        np.testing.assert_array_equal(some.boxes, alone.boxes)
