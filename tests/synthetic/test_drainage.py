"""Drainage against brute force on small grids."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest

from shakeslide.synthetic.drainage import (
    DC,
    DR,
    accumulate,
    fill_depressions,
    river_reaches,
    steepest_receivers,
    upstream_order,
)


def rough(seed: int, rows: int = 23, cols: int = 31) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 20.0, (rows, cols)).astype(np.float32)


def edges(shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, np.uint8)
    out[[0, -1]] = 1
    out[:, [0, -1]] = 1
    return out


def spill_levels(z: np.ndarray, outlets: np.ndarray) -> np.ndarray:
    """Least height that water at a cell must reach to leave."""
    level = np.where(outlets == 1, z, np.inf).astype(float)
    heap = [(level[r, c], r, c) for r, c in zip(*np.nonzero(outlets), strict=True)]
    heapq.heapify(heap)
    while heap:
        height, r, c = heapq.heappop(heap)
        for dr, dc in zip(DR, DC, strict=True):
            i, j = r + dr, c + dc
            if 0 <= i < z.shape[0] and 0 <= j < z.shape[1]:
                new = max(height, z[i, j])
                if new < level[i, j]:
                    level[i, j] = new
                    heapq.heappush(heap, (new, i, j))
    return level


@pytest.mark.parametrize("seed", range(5))
def test_filling_raises_pits_to_their_spill_level_and_no_more(seed: int) -> None:
    z = rough(seed)
    filled = z.copy()
    fill_depressions(filled, edges(z.shape), 1e-4)
    expected = spill_levels(z, edges(z.shape))
    assert (filled >= z).all()
    # Each step of a way out may add a drop of some 1e-4 m, more by chance.
    np.testing.assert_allclose(filled, expected, atol=0.2)
    assert np.median(np.abs(filled - expected)) < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_after_filling_every_inner_cell_has_a_lower_neighbour(seed: int) -> None:
    z = rough(seed)
    fill_depressions(z, edges(z.shape), 0.01)
    receivers = steepest_receivers(z)
    own = np.arange(z.size).reshape(z.shape)
    assert (receivers != own)[1:-1, 1:-1].all()


def test_a_void_of_outlets_inside_drains_towards_it() -> None:
    z = np.full((9, 9), 5.0, np.float32)
    outlets = np.zeros((9, 9), np.uint8)
    outlets[4, 4] = 1
    fill_depressions(z, outlets, 0.01)
    receivers = steepest_receivers(z)
    area = accumulate(receivers, np.zeros((9, 9), np.float32))
    assert area[4, 4] == 81


def test_steepest_descent_weighs_distance() -> None:
    z = np.full((3, 3), 10.0, np.float32)
    z[0, 1] = 8.0  # 2 down over 1 cell
    z[0, 2] = 7.3  # 2.7 down over 1.41 cells
    assert steepest_receivers(z)[1, 1] == 1


@pytest.mark.parametrize("seed", range(3))
def test_drainage_area_counts_every_cell_upstream_once(seed: int) -> None:
    z = rough(seed)
    fill_depressions(z, edges(z.shape), 0.01)
    receivers = steepest_receivers(z)
    water = np.zeros(z.shape, np.float32)
    water[0, 3] = 7.0
    expected = np.zeros(z.size)
    target = receivers.ravel()
    for start in range(z.size):
        amount = 1.0 + water.ravel()[start]
        i = start
        expected[i] += amount
        while target[i] != i:
            i = target[i]
            expected[i] += amount
    np.testing.assert_allclose(accumulate(receivers, water).ravel(), expected)


def test_the_order_puts_donors_first() -> None:
    z = rough(1)
    fill_depressions(z, edges(z.shape), 0.01)
    receivers = steepest_receivers(z)
    order = upstream_order(receivers)
    place = np.empty(z.size, int)
    place[order] = np.arange(z.size)
    assert sorted(order) == list(range(z.size))
    target = receivers.ravel()
    moves = target != np.arange(z.size)
    assert (place[moves] < place[target[moves]]).all()


def test_rivers_run_from_heads_to_confluences_to_the_outlet() -> None:
    # A Y: two streams of 3 cells meet at (3, 2) and leave at (5, 2).
    receivers = np.arange(36, dtype=np.int32).reshape(6, 6)
    ways = (
        [(0, 0), (1, 1), (2, 1), (3, 2)],
        [(0, 4), (1, 3), (2, 3), (3, 2)],
        [(3, 2), (4, 2), (5, 2)],
    )
    for way in ways:
        for (r, c), (i, j) in pairwise(way):
            receivers[r, c] = 6 * i + j
    water = np.zeros((6, 6), np.float32)
    water[0, 0] = water[0, 4] = 10.0
    area = accumulate(receivers, water)
    reaches = river_reaches(receivers, area, 10.0)
    found = {
        tuple(reaches.cells[a:b]): (order, size)
        for a, b, order, size in zip(
            reaches.starts[:-1], reaches.starts[1:], reaches.order, reaches.area, strict=True
        )
    }
    expected = {tuple(6 * r + c for r, c in way) for way in ways}
    assert set(found) == expected
    assert [order for _, (order, _) in sorted(found.items())] == [1, 1, 2]
    assert found[tuple(6 * r + c for r, c in ways[0])][1] == 13.0
    assert found[tuple(6 * r + c for r, c in ways[2])][1] == 28.0
