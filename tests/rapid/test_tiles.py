"""Tiles that wait: what is damaged beside them is computed again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dask.array
import numpy as np
import pytest
import xarray as xr

from shakeslide.core.engine import Engine
from shakeslide.core.files import save_shard
from shakeslide.geo import grid as grids
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.rapid import response, tiles
from tests import small_site as site

from .test_exposure import GRID


class Fixed:
    """Work with one road; it counts the tiles that it computes."""

    def __init__(self) -> None:
        self.roads, self.computed = SimpleNamespace(names=("A 1",)), 0

    def __call__(self, tile: Any, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.computed += 1
        return np.zeros((4, *block.shape[1:]), np.float32), np.ones((1, 22))

    def intact(self, tile: Any, block: np.ndarray) -> np.ndarray:
        return np.array([[0.0, *np.full(20, -0.5)]])


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
@pytest.mark.parametrize("beside", [tiles.roads_path, tiles.sums_path])
def test_what_waits_beside_a_tile_is_made_again_where_it_is_damaged(tmp_path, beside, damage):
    data = dask.array.zeros((1, site.ROWS, site.COLS), np.float32, chunks=(1, 96, 96))
    stack = xr.DataArray(data, dims=("factor", "y", "x"))
    job = TileJob(
        grid=GRID, folder=tmp_path, shards=Shards(tmp_path / "parts"),
        engine=Engine(1),
    )  # fmt: skip
    work = Fixed()
    cut = tiles.compute(cast(tiles.Work, work), stack, job)
    assert tiles.compute(cast(tiles.Work, work), stack, job) == cut
    assert work.computed == len(cut) == 4
    path: Path = beside(job, cut[1])
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-9])
    else:
        path.write_bytes(content[:-20] + bytes(255 - b for b in content[-20:-12]) + content[-12:])
    tiles.compute(cast(tiles.Work, work), stack, job)
    assert work.computed == 5
    assert path.read_bytes() == content
    found = tiles.cuts(job, cut, 1)
    assert found.probability == pytest.approx([-np.expm1(-2.0)])
    assert found.number == pytest.approx(np.full(20, -np.expm1(-2.0)))


def test_roads_are_cut_as_their_cells_in_all_tiles_fail_however_many_are_added_up_at_once(
    tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    draws, roads, places = 20, 5, [np.array([0, 2, 4]), np.array([1, 2]), np.array([0, 1, 2])]
    job = TileJob(
        grid=GRID, folder=tmp_path, shards=Shards(tmp_path / "parts"), engine=Engine(1)
    )  # fmt: skip
    cut = grids.tiles(GRID, 96)[: len(places)]
    intact = np.zeros((roads, draws))
    for tile, numbers in zip(cut, places, strict=True):
        logs = -rng.exponential(0.3, (numbers.size, draws))
        intact[numbers] += logs
        save_shard(np.column_stack([numbers, logs]), tiles.roads_path(job, tile))
    for at_once in (2**22, 2 * draws, 1):
        monkeypatch.setattr(response, "AT_ONCE", at_once)
        found = tiles.cuts(job, cut, roads)
        assert found.probability == pytest.approx((1 - np.exp(intact)).mean(axis=1))
        assert found.number == pytest.approx((1 - np.exp(intact)).sum(axis=0))
    assert found.probability[3] == 0


@pytest.mark.parametrize("at_once", [2**22, 60])
def test_a_model_in_steps_is_mapped_at_every_draw(monkeypatch, at_once):
    monkeypatch.setattr(response, "AT_ONCE", at_once)
    z = np.random.default_rng(3).normal(size=40).astype(np.float32)
    draws = response.Draws(np.tile(z, (1, 2, 2, 1)), np.zeros(40, np.float32))
    ones = np.ones((1, 6), np.float32)
    nodes = SimpleNamespace(
        draws=draws,
        places=lambda grid, tile: (np.zeros(6, np.float32), np.zeros(6, np.float32)),
        sd_at=lambda row, col: ones[:, : len(row)],
        gain=lambda row, col: ones[:, : len(row)],
    )
    work = tiles.Work(
        predict=lambda raw: np.where(raw[:, 0] > 1.13, 0.9, 0.1).astype(np.float32),
        columns=(0,), shaking=response.ShakingColumns(columns=(0,), most=(1e4,)), pga=0,
        elevation=None, nodes=cast(Any, nodes), grid=GRID, weights=lambda tile: ones, smooth=False,
    )  # fmt: skip
    maps, sums = work(cast(Any, None), np.ones((1, 2, 3), np.float32))
    p = np.where(np.exp(z) > 1.13, 0.9, 0.1)
    np.testing.assert_allclose(maps[0], p.mean(), atol=1e-5)
    np.testing.assert_allclose(maps[3], 0.1, atol=1e-5)
    np.testing.assert_allclose(sums[0, 2:], 6 * p, rtol=1e-4)
