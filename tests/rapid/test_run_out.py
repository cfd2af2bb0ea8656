"""Run-out: who lives below a slope counts with the slope."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.rapid import exposure, run_out

CELL = 10.0


def strip(*elevation: float) -> np.ndarray:
    """A slope that is one cell wide."""
    return np.array([elevation], np.float32)


def chances(*p: float) -> np.ndarray:
    return np.array([p], np.float32)


@pytest.mark.parametrize(("angle", "cells"), [(50, 1), (40, 3), (30, 4), (20, 7)])
def test_debris_runs_as_far_as_its_angle_of_reach(angle, cells):
    # 45 degrees at first, then flatter: 21 m down in 30 m is 35, 23.4 m in 60 m is 21.3.
    slope = strip(40, 30, 20, 19, 18.2, 17.4, 16.6)
    found = run_out.sources(slope, chances(0.5, 0, 0, 0, 0, 0, 0), (CELL, CELL), angle)
    assert found.tolist() == [0] * cells + list(range(cells, 7))


def test_the_most_probable_source_counts_and_a_cells_own_too():
    slope = strip(50, 40, 30, 20, 10)
    found = run_out.sources(slope, chances(0.1, 0.4, 0.2, 0.5, 0.0), (CELL, CELL), 20.0)
    assert found.tolist() == [0, 1, 1, 3, 3]


def test_debris_ends_in_hollows_and_where_elevation_is_unknown():
    p = chances(0.5, 0, 0, 0, 0)
    assert run_out.sources(strip(50, 40, 45, 20, 10), p, (CELL, CELL), 20).tolist() == [
        0,
        0,
        2,
        3,
        4,
    ]
    gap = run_out.sources(strip(50, 40, np.nan, 20, 10), p, (CELL, CELL), 20)
    assert gap.tolist() == [0, 0, 2, 3, 4]


def test_a_diagonal_is_longer_than_a_side():
    z = np.array([[30, 29, 28], [29, 16, 15], [28, 15, 14]], np.float32)
    p = np.zeros_like(z)
    p[0, 0] = 0.5
    # 14 m down in 14.1 m: 44.7°.
    assert run_out.sources(z, p, (CELL, CELL), 44.0)[4] == 0
    assert run_out.sources(z, p, (CELL, CELL), 45.0)[4] == 4
    # Cells twice as high: 14 m in 22.4 m.
    assert run_out.sources(z, p, (CELL, 2 * CELL), 33.0)[4] == 4


GRID = GeoBox((2, 3), Affine(CELL, 0, 0, 0, -CELL, 20), "EPSG:32643")


def whole(things: exposure.Weighed) -> np.ndarray:
    (tile,) = grids.tiles(GRID, 64)
    return things.on(tile, 3)


def test_things_move_uphill_and_none_is_lost():
    people = exposure.Counted(np.array([0, 4, 5]), np.array([1.0, 2.0, 4.0]))
    houses = exposure.Counted(np.array([3, 5]), np.array([1.0, 1.0]))
    roads = exposure.RoadCells(
        exposure.Counted(np.array([2, 4, 5]), np.array([0.1, 0.2, 0.3])),
        np.array([0, 1, 1]), ("a", "b"), np.array([None, None]),
    )  # fmt: skip
    given = exposure.Exposed(people=people, buildings=houses, roads=roads)
    found = run_out.moved_uphill(given, np.array([0, 1, 2, 3, 1, 0]), GRID)
    assert whole(found.people).ravel().tolist() == [5, 2, 0, 0, 0, 0]
    assert whole(found.buildings).ravel().tolist() == [1, 0, 0, 1, 0, 0]
    assert found.people_at_home is people
    # Road a runs over cell 2, road b below cells 0 and 1.
    (tile,) = grids.tiles(GRID, 64)
    cell, road = found.roads.on(tile, 3)
    assert sorted(zip(cell.tolist(), road.tolist(), strict=True)) == [(0, 1), (1, 1), (2, 0)]
    assert found.roads.counted.weight.sum() == pytest.approx(0.6)
    assert list(found.weights) == ["people", "buildings", "road_km", exposure.AT_HOME]


def test_the_model_decides_what_is_most_probable_and_the_sea_is_no_source():
    # A factor, then the elevation: the sea, at 0, is steep for the model.
    factor = np.array([[0.2, 0.6, 0.1], [np.nan, 0.3, 0.9]], np.float32)
    z = np.array([[30, 20, 10], [30, 20, 0]], np.float32)
    stack = xr.DataArray(np.stack([factor, z]), dims=("factor", "y", "x")).chunk(
        {"factor": 2, "y": 2, "x": 3}
    )
    found = run_out.traced(lambda raw: raw[:, 0], stack, 1, GRID, Engine(1), 20.0)
    # Down from cell 1 it is steepest towards the sea.
    assert found.tolist() == [0, 1, 2, 3, 4, 1]


def test_too_large_a_grid_is_refused():
    large = SimpleNamespace(shape=(2**14, 2**14))
    with pytest.raises(InputError, match="reach_angle"):
        run_out.traced(lambda raw: raw, None, 0, large, None, 20.0)
