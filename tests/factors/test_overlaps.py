"""Polygons of different values on one another: who counts, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.geo.grid import Tile
from shakeslide.layers.polygons import Polygons

GRID = GeoBox((40, 40), Affine(10, 0, 0, 0, -10, 400), "EPSG:32643")
SQUARES = np.array([shapely.box(h, h, 400 - h, 400 - h) for h in (150, 100, 50, 0)], object)
DOWN = np.array([9.0, 8.0, 7.0, 6.0])


def burnt(values: np.ndarray, overlap: str, shapes: np.ndarray = SQUARES) -> np.ndarray:
    polygons = Polygons.valued(shapes, values, GRID, overlap)
    whole = polygons.burn(Tile((0, 0), 0, 40, 0, 40))
    halves = [polygons.burn(Tile((0, i), 0, 40, 20 * i, 20 * i + 20)) for i in (0, 1)]
    np.testing.assert_array_equal(whole, np.hstack(halves))
    return whole


@pytest.mark.parametrize(
    ("overlap", "in_the_middle"), [("highest", 9), ("lowest", 6), ("last", 6), ("first", 9)]
)
def test_the_one_that_is_asked_for_counts(overlap: str, in_the_middle: int) -> None:
    assert burnt(DOWN, overlap)[20, 20] == in_the_middle
    if overlap in ("highest", "lowest"):
        np.testing.assert_array_equal(
            burnt(DOWN, overlap), burnt(DOWN[::-1], overlap, SQUARES[::-1])
        )


def test_polygons_without_value_hide_nothing() -> None:
    assert burnt(np.array([9.0, np.nan, np.nan, np.nan]), "last")[20, 20] == 9


def test_share_and_hidden_values_are_those_of_the_ground() -> None:
    found = Polygons.valued(SQUARES, DOWN, GRID, "last").overlaps((40, 40))
    assert found.share == 30**2 / 40**2
    assert found.hidden == {7.0: 1.0, 8.0: 1.0, 9.0: 1.0}
    found = Polygons.valued(SQUARES, DOWN, GRID, "highest").overlaps((40, 40))
    assert found.hidden == pytest.approx({6.0: 900 / 1600, 7.0: 400 / 900, 8.0: 100 / 400})


def test_equal_values_and_neighbours_do_not_overlap() -> None:
    same = Polygons.valued(SQUARES, np.full(4, 6.0), GRID, "last")
    beside = np.array([shapely.box(0, 0, 200, 400), shapely.box(200, 0, 400, 400)], object)
    apart = Polygons.valued(beside, np.array([1.0, 2.0]), GRID, "last")
    for polygons in (same, apart):
        assert polygons.overlaps((40, 40)).share == 0
    assert not apart.overlaps((40, 40)).hidden


def test_a_large_grid_is_looked_at_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shakeslide.layers.polygons.PREVIEW", 400)
    found = Polygons.valued(SQUARES, DOWN, GRID, "last").overlaps((40, 40))
    assert found.share == pytest.approx(900 / 1600, abs=0.1)
