"""Earthquakes made tile by tile: exact drainage, no pits, no seams, the same whatever the order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import MergeAlg
from rasterio.features import rasterize
from scipy.ndimage import label

from shakeslide.cli import demo
from shakeslide.core.errors import InputError
from shakeslide.synthetic import Scenario, create, make, runout, write, write_large
from shakeslide.synthetic.drainage import accumulate, fill_depressions, steepest_receivers
from shakeslide.synthetic.large import (
    tiled_drainage,
    tiled_earthquake,
    tiled_landslides,
    tiled_relief,
)
from shakeslide.synthetic.large.journal import journal
from shakeslide.synthetic.large.planes import Box, Plane, View, tiles
from shakeslide.synthetic.large.tiled_drainage import Inflow, accumulate_tiles, count_pits, drain
from shakeslide.synthetic.large.tiled_landslides import Slides, make_slides
from shakeslide.synthetic.large.tiled_relief import fade
from shakeslide.synthetic.mountains import DROP, edges
from shakeslide.synthetic.relief import MARGIN
from shakeslide.synthetic.runout import RunOut, make_landslides

SCENARIO = Scenario(seed=5, rows=560, cols=600, prevalence=0.05)
TILE = 256
HALO = 64
"""Cells around a tile that are carved with it: few, so that tiles do not all see the whole map."""
GRID = ["dem.tif", "pga.tif", "pgv.tif", "truth.tif", "landcover.tif"]
LAYERS = ["rivers", "lithology", "soil", "landslides", "sources"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled_relief, "HALO", HALO)
        patch.setattr(tiled_relief, "FADE", HALO // 2)
        write_large(SCENARIO, folder, tile=TILE, whole=200)
    return folder


def read(folder: Path, name: str) -> np.ndarray:
    with rasterio.open(folder / f"{name}.tif") as raster:
        return raster.read(1)


def layer(folder: Path, name: str) -> gpd.GeoDataFrame:
    return gpd.read_file(folder / f"{name}.gpkg")


def burn(folder: Path, name: str, **options: Any) -> np.ndarray:
    frame = layer(folder, name)
    with rasterio.open(folder / "dem.tif") as dem:
        pairs = zip(frame.geometry, frame["id"], strict=True)
        if options:
            pairs = ((shape, 1) for shape in frame.geometry)
        return rasterize(pairs, dem.shape, transform=dem.transform, dtype="int32", **options)


def plane(folder: Path, values: np.ndarray, name: str = "plane") -> Plane:
    out = Plane(folder / name, values.shape, values.dtype).create()
    out.write(Box(0, 0, *values.shape), values)
    return out


def everything(of: Plane) -> np.ndarray:
    return of.read(Box(0, 0, *of.shape))


@given(
    rows=st.integers(1, 90),
    cols=st.integers(1, 90),
    tile=st.integers(1, 40),
    shift=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_tiles_cover_a_grid_once(rows: int, cols: int, tile: int, shift: tuple[int, int]) -> None:
    count = np.zeros((rows, cols), int)
    for box in tiles((rows, cols), tile, shift):
        assert max(box.shape) <= max(tile, *shift)
        count[box.slices] += 1
    assert (count == 1).all()


@settings(max_examples=25)
@given(rows=st.integers(20, 700), cols=st.integers(20, 700), tile=st.sampled_from([128, 256]))
def test_the_weights_of_tiles_that_fade_sum_to_one(rows: int, cols: int, tile: int) -> None:
    total = np.zeros((rows, cols))
    for box in tiles((rows, cols), tile):
        joined = box.grown(tiled_relief.FADE, (rows, cols))
        weights = fade(box, joined, (rows, cols))
        assert weights.min() >= 0.0
        total[joined.slices] += weights
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


@pytest.mark.parametrize("tile", [7, 16, 30, 64, 200])
def test_drainage_area_over_tiles_is_that_of_the_whole_map(tile: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(tile)
    rows, cols = 101, 128
    z = (np.add.outer(np.arange(rows), np.zeros(cols)) * 0.4).astype(np.float32)
    z += rng.normal(0.0, 1.0, z.shape).astype(np.float32)
    pits = z.copy()
    fill_depressions(z, edges(z.shape), 1e-3)
    # Long ways through many tiles, and some that end in pits within.
    z[30:33, 30:33] = pits[30:33, 30:33] - 50.0
    row, col = np.array([0, 50, rows - 1]), np.array([9, cols - 1, 64])
    inflow = Inflow(row, col, np.array([1000.0, 7.0, 350.0], np.float32))
    dense = np.zeros(z.shape, np.float32)
    dense[row, col] = inflow.cells
    area = Plane(tmp_path / "area", z.shape, np.float32).create()
    accumulate_tiles(plane(tmp_path, z), area, inflow, tile, 2)
    expected = accumulate(steepest_receivers(z), dense)
    assert expected.max() > 500.0
    np.testing.assert_array_equal(everything(area), expected)


@pytest.mark.parametrize("many", [3, 255, 256, 300, 70_000])
def test_flow_from_many_nodes_into_one_is_passed_on_once(many: int) -> None:
    """As where a trunk river leaves a tile that hundreds of streams enter."""
    rng = np.random.default_rng(many)
    places = rng.permutation(many + 2)
    hub, end = places[:2]
    following = np.full(many + 2, hub, np.int64)
    following[hub], following[end] = end, -1
    flow = rng.random(many + 2)
    total, through = flow.sum(), flow.sum() - flow[end]
    tiled_drainage.pass_on(following, flow)
    assert flow[end] == pytest.approx(total, rel=1e-12)
    assert flow[hub] == pytest.approx(through, rel=1e-12)
    order = tiled_drainage.nodes_in_order(following)
    assert sorted(order) == list(range(many + 2))
    assert order[-2:].tolist() == [hub, end]


@pytest.mark.parametrize("wave", [0.0, 400.0])
def test_no_pit_is_left_and_nothing_is_raised_more_than_needed(wave: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    shape = (620, 540)
    r, c = np.indices(shape)
    z = rng.normal(500.0, 5.0, shape) + wave * np.sin(r / 90.0) * np.sin(c / 100.0)
    values = z.astype(np.float32)
    found = plane(tmp_path, values)
    drain(found, 2)
    after = everything(found)
    assert count_pits(values) > 1000
    assert count_pits(after) == 0
    assert (after >= values).all()
    at_once = values.copy()
    fill_depressions(at_once, edges(shape), DROP)
    # Flats may fall by other steps, and ways out of wide pits are found in several windows.
    assert np.percentile(np.abs(after - at_once), 95) < 1.0
    assert after.mean() == pytest.approx(at_once.mean(), abs=0.5)


def sources_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """The same groups of cells, whatever their numbers."""
    np.testing.assert_array_equal(found > 0, expected > 0)
    pairs = set(zip(found[found > 0].tolist(), expected[found > 0].tolist(), strict=True))
    for side in zip(*pairs, strict=True):
        assert max(Counter(side).values()) == 1


def run(folder: Path, failed: np.ndarray, z: np.ndarray, tile: int, share: float) -> Slides:
    ground, box = plane(folder, z, "z"), Box(0, 0, *z.shape)
    fails = plane(folder, failed.astype(np.uint8), "failed")
    return make_slides(
        fails, View(ground, box), RunOut(25.0, share, 1), folder=folder, tile=tile, workers=2
    )


@pytest.fixture(scope="module")
def slope() -> tuple[np.ndarray, np.ndarray]:
    """Failed cells and elevation of rough steep slopes with level ground between them."""
    rng = np.random.default_rng(6)
    fall = np.cumsum(np.where(np.arange(150) % 30 < 20, 15.0, 0.5))
    z = np.add.outer(-fall, np.zeros(170)) + rng.normal(0.0, 4.0, (150, 170))
    return rng.random(z.shape) < 0.08, z.astype(np.float32)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_tile_gives_the_landslides_of_the_whole_map(
    share: float, slope: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    found = run(tmp_path, *slope, 256, share)
    expected = make_landslides(*slope, 25.0, 1, amalgamation=share)
    whole = found.ids[everything(found.whole)]
    sources_alike(whole, expected.whole)
    assert found.cells[1:].sum() == (expected.whole > 0).sum()


def test_groups_of_failed_cells_hang_together_across_tiles(
    slope: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    failed, z = slope
    found = run(tmp_path, failed, z, 32, 0.0)
    whole = found.ids[everything(found.whole)]
    sources_alike(np.where(failed, whole, 0), label(failed)[0])
    assert (whole[~failed] > 0).sum() > 100
    for k in (1, 50, found.cells.size - 1):
        row, col = np.nonzero(whole == k)
        assert found.cells[k] == row.size
        assert (found.bottom[k], found.left[k], found.right[k]) == (
            row.max() + 1, col.min(), col.max() + 1,
        )  # fmt: skip


def test_landslides_merge_across_tiles(
    slope: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all that touch merge, the order in which they run does not matter."""
    for module in (tiled_landslides, runout):
        monkeypatch.setattr(module, "mobility", lambda area, _: np.full(area.size, 0.5, np.float32))
    found = run(tmp_path, *slope, 64, 1.0)
    expected = make_landslides(*slope, 25.0, 1, amalgamation=1.0)
    assert expected.count < label(slope[0])[1]
    sources_alike(found.ids[everything(found.whole)], expected.whole)


@pytest.mark.slow
def test_the_terrain_drains_and_has_the_median_slope_asked_for(large: Path) -> None:
    z = read(large, "dem")
    assert z.shape == (SCENARIO.rows, SCENARIO.cols)
    assert count_pits(z) == 0
    gy, gx = np.gradient(z.astype(float), 25.0)
    assert np.median(np.degrees(np.arctan(np.hypot(gx, gy)))) == pytest.approx(28.0, abs=1.0)


@pytest.mark.slow
def test_the_map_is_nearly_that_carved_whole(large: Path) -> None:
    """Tiles that disagreed, or lay at wrong places, would have valleys elsewhere."""
    whole = make(SCENARIO)
    difference = read(large, "dem") - whole.elevation
    assert np.percentile(np.abs(difference - np.median(difference)), 95) < 40.0
    assert np.ptp(whole.elevation) > 1000.0
    p = read(large, "truth")
    assert np.corrcoef(p.ravel(), whole.p_star.ravel())[0, 1] > 0.85


def roughness(z: np.ndarray, axis: int) -> np.ndarray:
    """Bends of the terrain along an axis by place: median, mean, percentile 99 and greatest."""
    bends = np.abs(np.diff(z.astype(float), 2, axis=axis))
    over = 1 - axis
    return np.array(
        [np.median(bends, over), bends.mean(over), np.percentile(bends, 99, over), bends.max(over)]
    )


def seam(z: np.ndarray, axis: int) -> float:
    """How much rougher the terrain is where tiles meet, in deviations of all places."""
    found = roughness(z, axis)
    usual = np.median(found, axis=1, keepdims=True)
    scatter = 1.4826 * np.median(np.abs(found - usual), axis=1, keepdims=True)
    # The terrain has a margin: the edges of its tiles lie before those of the map's.
    near = [slice(edge - 3, edge + 2) for edge in (TILE - MARGIN, 2 * TILE - MARGIN, TILE)]
    return float(max(((found - usual) / scatter)[:, places].max() for places in near))


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_seams_do_not_show(large: Path, axis: int) -> None:
    assert seam(read(large, "dem"), axis) < 3.0


@pytest.mark.slow
def test_seams_would_show_if_tiles_did_not_fade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_relief, "HALO", HALO)
    monkeypatch.setattr(tiled_relief, "FADE", 1)
    write_large(SCENARIO, tmp_path, tile=TILE, whole=200)
    z = read(tmp_path, "dem")
    assert min(seam(z, 0), seam(z, 1)) > 3.0
    assert max(seam(z, 0), seam(z, 1)) > 8.0


@pytest.mark.slow
def test_as_many_cells_fail_as_their_probabilities_say(large: Path) -> None:
    p, failed = read(large, "truth").astype(float), burn(large, "sources") > 0
    excess = (failed - p)[:544, :576].reshape(17, 32, 18, 32).mean(axis=(1, 3)).ravel()
    assert abs(excess.mean()) < 4.0 * excess.std() / np.sqrt(excess.size)
    assert failed[p == 0.0].sum() == 0
    assert p.mean() == pytest.approx(SCENARIO.prevalence, rel=0.1)


@pytest.mark.slow
def test_each_failed_cell_is_in_one_source_and_its_landslide(large: Path) -> None:
    sources, whole = burn(large, "sources"), burn(large, "landslides")
    for name in ("sources", "landslides"):
        assert burn(large, name, merge_alg=MergeAlg.add).max() == 1
        assert layer(large, name)["id"].is_unique
        assert layer(large, name).geometry.is_valid.all()
    np.testing.assert_array_equal(whole[sources > 0], sources[sources > 0])
    assert set(np.unique(whole)) == set(np.unique(sources))
    # Some lie across the edges of tiles.
    both = sources[TILE - 1] * (sources[TILE - 1] == sources[TILE])
    assert np.unique(both).size > 3


@pytest.mark.slow
def test_rivers_run_downhill_and_join_across_tiles(large: Path) -> None:
    frame = layer(large, "rivers")
    with rasterio.open(large / "dem.tif") as dem:
        z, transform, box = dem.read(1), dem.transform, shapely.box(*dem.bounds).buffer(-1.0)
    longest = 0
    for line in frame.geometry:
        x, y = (np.asarray(a) for a in line.xy)
        inside = shapely.contains_xy(box, x, y)
        col, row = ~transform * (x[inside], y[inside])
        heights = z[np.floor(row).astype(int), np.floor(col).astype(int)]
        assert (np.diff(heights) < 0).all()
        longest = max(longest, inside.sum())
    assert longest > 20
    starts = Counter(line.coords[0] for line in frame.geometry)
    assert max(starts.values()) == 1
    inner = shapely.box(*frame.total_bounds).buffer(-60.0)
    ends = [line.coords[-1] for line in frame.geometry]
    assert all(end in starts for end in ends if inner.contains(shapely.Point(end)))
    # Strahler: a river's order is that of the largest that ends where it begins, or one more.
    into: dict[Any, list[int]] = {}
    for end, order in zip(ends, frame["order"], strict=True):
        into.setdefault(end, []).append(order)
    for line, order in zip(frame.geometry, frame["order"], strict=True):
        orders = sorted(into.get(line.coords[0], [0]))
        twice = len(orders) > 1 and orders[-1] == orders[-2]
        assert order == max(1, orders[-1] + twice)


@pytest.mark.slow
def test_classes_fit_together_at_the_edges_of_tiles(large: Path) -> None:
    with rasterio.open(large / "dem.tif") as dem:
        box = shapely.box(*dem.bounds)
    for name in ("lithology", "soil"):
        shapes = layer(large, name).geometry
        assert shapes.is_valid.all()
        assert shapes.area.sum() == pytest.approx(box.area, rel=1e-9)
        assert shapes.union_all().symmetric_difference(box).area < 1.0


@pytest.mark.usefixtures("young")
def test_a_small_map_is_made_in_memory(tmp_path: Path) -> None:
    scenario = Scenario(seed=2, rows=40, cols=50)
    create(scenario, tmp_path / "created")
    write(make(scenario), tmp_path / "written")
    for name in GRID:
        made = (tmp_path / "created" / name).read_bytes()
        assert made == (tmp_path / "written" / name).read_bytes()


def test_a_larger_map_is_made_tile_by_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(tiled_earthquake, "write_large", lambda *args, **_: asked.append(args))
    create(Scenario(rows=4401, cols=4400), tmp_path)
    assert len(asked) == 1


def test_tiles_of_no_whole_blocks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tile = 300 is not a multiple of 256"):
        write_large(SCENARIO, tmp_path, tile=300)


def test_a_map_that_the_disk_does_not_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, need = replace(SCENARIO, rows=40_000, cols=40_000), 64 * 10**9
    begun: list[object] = []
    monkeypatch.setattr(tiled_earthquake._Maker, "run", lambda maker: begun.append(maker))
    with pytest.raises(InputError, match=r"needs about 64 GB on the disk, 0 GB are free"):
        write_large(scenario, tmp_path, tile=TILE, free=lambda _: 0)
    with pytest.raises(InputError, match=r"about 64 GB"):
        write_large(scenario, tmp_path, tile=TILE, free=lambda _: need - 1_000_000)
    assert not begun
    write_large(scenario, tmp_path, tile=TILE, free=lambda _: need)
    assert len(begun) == 1


def test_the_demo_can_stop_at_the_data_and_keeps_the_earthquake_on_larger_maps(
    tmp_path: Path,
) -> None:
    said = list(demo.run(tmp_path, size=64, quiet=True, only_data=True))
    assert said == [f"Study: {tmp_path.resolve() / 'data' / 'study.toml'}"]
    assert (tmp_path / "data" / "study.toml").exists()
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"--size 64: .*200.*--only-data"):
        list(demo.run(tmp_path, size=64, quiet=True))
    failing = [s.prevalence * s.rows**2 for s in map(demo.scenario, (4000, 40_000), (1, 1))]
    assert failing[0] == pytest.approx(failing[1])


@pytest.mark.parametrize(
    ("name", "said"),
    [(".tiles/mine/thesis.txt", "holds 'mine', which is not of shakeslide"),
     (".tiles/thesis.txt", "holds 'thesis.txt', which is not of shakeslide"),
     (".tiles", "is no folder"),
     ("dem.tif/thesis.txt", "is a folder"),
     ("study.toml/thesis.txt", "is a folder")],
)  # fmt: skip
def test_what_someone_else_left_is_not_deleted(name: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("years of work")
    with pytest.raises(InputError, match=said):
        write_large(SCENARIO, tmp_path, tile=TILE)
    assert path.read_text() == "years of work"


def test_what_a_link_leads_to_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".tiles").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match=r"\.tiles: is no folder"):
        write_large(SCENARIO, tmp_path / "data", tile=TILE)


def test_room_on_the_disk_is_taken_before_it_is_written_to(tmp_path: Path) -> None:
    made = Plane(tmp_path / "plane", (1000, 1000), np.float32).create()
    assert made.path.stat().st_blocks * 512 >= 4_000_000


def test_two_processes_do_not_write_one_earthquake(tmp_path: Path) -> None:
    with (
        journal(tmp_path / ".tiles", "settings"),
        pytest.raises(InputError, match="another process is making an earthquake"),
    ):
        write_large(SCENARIO, tmp_path, tile=TILE)
