"""Water over a whole elevation model, against closed forms and cell-by-cell walks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import hydrology
from shakeslide.factors.catalogue import build
from shakeslide.factors.factor import Sources, TileInputs
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.study.factor_settings import (
    HeightAboveRiverFactor,
    RiverDistanceFactor,
    UpstreamAreaFactor,
    WaterFactor,
    WetnessFactor,
)
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

UTM = "EPSG:32643"


def grid_of(rows: int, cols: int, dx: float = 20.0, dy: float = 20.0) -> GeoBox:
    return GeoBox((rows, cols), Affine(dx, 0, 5e5, 0, -dy, 3.8e6), CRS(UTM))


def write(path: Path, z: np.ndarray, grid: GeoBox) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=z.shape[0], width=z.shape[1], count=1, dtype="float32",
        crs=UTM, transform=grid.affine, nodata=np.nan,
    ) as dst:  # fmt: skip
        dst.write(z.astype(np.float32), 1)
    return path


def values(
    tmp_path: Path, z: np.ndarray, wanted: WaterFactor, grid: GeoBox | None = None
) -> np.ndarray:
    """A factor of water over a DEM of 20 m cells, on the whole of it or on another grid."""
    own = grid_of(*z.shape)
    path = write(tmp_path / "dem.tif", z, own)
    grid = grid or own
    sources = Sources(grid, {"dem": Layer(path=path)}, Event(), tmp_path / "work")
    factor = build("X", wanted, sources)
    for whole in factor.whole:
        whole.make([whole])
    tile = Tile((0, 0), 0, grid.shape[0], 0, grid.shape[1])
    return np.asarray(
        factor.compute(TileInputs(grid, tile, raster.RasterSource(path), factor.halo))
    )


def tilted(rows: int = 30, cols: int = 20, fall: float = 3.0) -> np.ndarray:
    """A plane that falls to the south by `fall` metres per cell."""
    return np.tile(1000 - fall * np.arange(rows)[:, None], (1, cols))


def valley(rows: int = 40, half: int = 15) -> np.ndarray:
    """Steep sides that lead straight to a gently falling floor in the middle column."""
    side = np.abs(np.arange(2 * half + 1) - half)
    return 500 + 10.0 * side[None, :] - 0.1 * np.arange(rows)[:, None]


def test_on_a_plane_water_runs_straight(tmp_path: Path) -> None:
    area = values(tmp_path, tilted(), UpstreamAreaFactor())
    expected = np.tile((np.arange(30)[:, None] + 1) * 400 / 1e6, (1, 20))
    np.testing.assert_allclose(area, expected, rtol=1e-6)


def test_wetness_of_a_plane(tmp_path: Path) -> None:
    index = values(tmp_path, tilted(), WetnessFactor())
    upstream = (np.arange(30)[:, None] + 1) * 400.0
    np.testing.assert_allclose(
        index, np.log(upstream / 20 / (3 / 20)) + np.zeros((30, 20)), atol=1e-4
    )


def test_wetness_of_level_ground_is_finite(tmp_path: Path) -> None:
    assert np.isfinite(values(tmp_path, np.zeros((12, 12)), WetnessFactor())).all()


def test_a_valley_gathers_its_sides(tmp_path: Path) -> None:
    z = valley()
    area = values(tmp_path, z, UpstreamAreaFactor())
    floor = (np.arange(40) + 1) * 31 * 400 / 1e6
    np.testing.assert_allclose(area[:, 15], floor, rtol=1e-6)
    height = values(tmp_path, z, HeightAboveRiverFactor(min_area=0.1))
    river = int(np.argmax(floor >= 0.1))
    sides = np.tile(10.0 * np.abs(np.arange(31) - 15), (40 - river, 1))
    np.testing.assert_allclose(height[river:], sides, atol=1e-4)
    distance = values(tmp_path, z, RiverDistanceFactor(min_area=0.1))
    np.testing.assert_allclose(
        distance[river:], np.tile(20.0 * abs(np.arange(31) - 15), (40 - river, 1))
    )
    above = np.hypot(20.0 * abs(np.arange(31) - 15), 20.0 * river)
    np.testing.assert_allclose(distance[0], above, rtol=1e-6)


def test_water_fills_hollows_and_goes_on(tmp_path: Path) -> None:
    z = tilted()
    z[10:14, 8:12] -= 40
    area = values(tmp_path, z, UpstreamAreaFactor())
    assert area[-1].sum() == pytest.approx(30 * 20 * 400 / 1e6, rel=1e-6)
    assert area[10:14, 8:12].max() > area[9, 8:12].max()
    assert (values(tmp_path, z, HeightAboveRiverFactor(min_area=0.01)) >= 0).all()


def test_voids_have_no_water(tmp_path: Path) -> None:
    z = tilted()
    z[5:8, 5:9] = np.nan
    for wanted in (UpstreamAreaFactor(), WetnessFactor(), HeightAboveRiverFactor(min_area=0.01)):
        assert (np.isnan(values(tmp_path, z, wanted)) == np.isnan(z)).all()


def walked(z: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Cells that pass through each cell, by walking from every one to its outlet."""
    count = np.zeros(z.size, int)
    for start in np.flatnonzero(np.isfinite(z.ravel())):
        i, steps = start, 0
        while True:
            count[i] += 1
            steps += 1
            assert steps <= z.size, "water runs in circles"
            if down[i] == i:
                break
            i = down[i]
    return count.reshape(z.shape)


@settings(max_examples=40)
@given(st.integers(0, 100_000), st.sampled_from([1, 3, 50]), st.booleans())
def test_random_ground_by_walking(seed: int, step: int, holes: bool) -> None:
    """Ground in coarse steps is full of hollows and flats."""
    rng = np.random.default_rng(seed)
    z = (np.round(rng.uniform(0, 100, (13, 17)) / step) * step + 0.1).astype(np.float32)
    if holes:
        z[rng.random(z.shape) < 0.1] = np.nan
    grid = grid_of(13, 17, 20.0, 30.0)
    down, upward, area = hydrology._directions(z, grid)
    np.testing.assert_allclose(
        np.nan_to_num(area), walked(z, down) * 600 / 1e6, rtol=1e-6, atol=1e-9
    )
    assert (np.isnan(area) == np.isnan(z)).all()
    river = (area >= 0.004).ravel()
    height = np.full(z.size, np.nan, np.float32)
    hydrology._height_above(z.ravel(), down, upward, river, height)
    for i in np.flatnonzero(np.isfinite(z.ravel())):
        j = i
        while not river[j] and down[j] != j:
            j = down[j]
        assert height[i] == max(0.0, z.ravel()[i] - z.ravel()[j])


@settings(max_examples=30)
@given(st.integers(0, 100_000))
def test_rivers_are_covered_by_their_straight_runs(seed: int) -> None:
    z = np.random.default_rng(seed).uniform(0, 100, (12, 15)).astype(np.float32)
    grid = grid_of(12, 15)
    down, _, area = hydrology._directions(z, grid)
    river = (area >= 0.003).ravel()
    covered, links = set(), set()
    for first, last in hydrology._straight(down, river, 15).tolist():
        i = first
        covered.add(i)
        while i != last:
            assert down[i] - i == down[first] - first, "a run turns"
            links.add((i, int(down[i])))
            i = int(down[i])
            covered.add(i)
    cells = set(np.flatnonzero(river).tolist())
    assert cells <= covered
    assert {(i, int(down[i])) for i in cells if down[i] != i} == links


def test_water_comes_from_beyond_the_grid(tmp_path: Path) -> None:
    z = tilted(60, 20)
    inner = grid_of(60, 20)[40:60, 5:15]
    near = values(tmp_path, z, UpstreamAreaFactor(margin=0), inner)
    np.testing.assert_allclose(near[:, 0], (np.arange(20) + 1) * 400 / 1e6, rtol=1e-6)
    far = values(tmp_path, z, UpstreamAreaFactor(), inner)
    np.testing.assert_allclose(far[:, 0], (np.arange(20) + 41) * 400 / 1e6, rtol=1e-6)
    some = values(tmp_path, z, UpstreamAreaFactor(margin=200), inner)
    np.testing.assert_allclose(some[:, 0], (np.arange(20) + 11) * 400 / 1e6, rtol=1e-6)


def test_coarser_cells_save_memory(tmp_path: Path) -> None:
    z = valley(80, 40)
    fine = values(tmp_path, z, UpstreamAreaFactor())
    coarse = values(tmp_path, z, UpstreamAreaFactor(cell=60))
    assert coarse.shape == fine.shape
    assert np.isfinite(coarse).all()
    assert coarse[-2, 40] == pytest.approx(fine[-2, 40], rel=0.1)


@pytest.mark.parametrize("cell", [60.0, 90.0, 130.0])
def test_coarser_cells_reach_the_edges(tmp_path: Path, cell: float) -> None:
    z = np.add.outer(np.arange(41.0), np.arange(53.0)) * 7
    assert np.isfinite(values(tmp_path, z, WetnessFactor(cell=cell))).all()


def test_a_machine_that_is_too_small_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 2)
    with pytest.raises(InputError, match=r"flow over 600 cells needs about .* set cell ="):
        values(tmp_path, tilted(), UpstreamAreaFactor())


def test_no_river_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"factors.X. min_area = 900 km²"):
        values(tmp_path, tilted(), RiverDistanceFactor(min_area=900))


def test_files_are_named_after_what_they_depend_on(tmp_path: Path) -> None:
    grid = grid_of(30, 20)
    path = write(tmp_path / "dem.tif", tilted(), grid)

    def name(wanted: WaterFactor, digest: str = "a") -> str:
        layers = {"dem": Layer(path=path)}
        sources = Sources(grid, layers, Event(), tmp_path, lambda _: digest)
        (whole,) = build("X", wanted, sources).whole
        return whole.path.name

    assert name(UpstreamAreaFactor()) == name(WetnessFactor())
    others = {
        name(UpstreamAreaFactor()),
        name(UpstreamAreaFactor(), "b"),
        name(UpstreamAreaFactor(cell=40)),
        name(HeightAboveRiverFactor(min_area=0.1)),
        name(HeightAboveRiverFactor(min_area=0.2)),
        name(RiverDistanceFactor(min_area=0.1)),
    }
    assert len(others) == 6
