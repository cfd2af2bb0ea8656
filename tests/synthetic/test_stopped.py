"""Earthquakes made tile by tile: the same whatever the order, and after a stop."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from shakeslide.core.files import PART
from shakeslide.synthetic import Scenario, make, study_files, write, write_large
from shakeslide.synthetic import relief as whole_relief
from shakeslide.synthetic.large import (
    rivers,
    tiled_drainage,
    tiled_earthquake,
    tiled_landslides,
    tiled_relief,
)
from shakeslide.synthetic.large.journal import Journal

INCOMPLETE = Scenario(
    seed=5, rows=270, cols=300, prevalence=0.05,
    mapped_share=0.6, smallest_mapped=3000.0, void_share=0.05,
)  # fmt: skip
TILE = 256
GRID = ["dem.tif", "pga.tif", "pgv.tif", "truth.tif", "landcover.tif"]
LAYERS = ["rivers", "lithology", "soil", "landslides", "sources"]


@pytest.fixture(scope="module", autouse=True)
def young() -> Iterator[None]:
    """Terrain that was eroded for less long is made faster, in tiles that hardly overlap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole_relief, "STEPS", 8)
        patch.setattr(tiled_relief, "HALO", 32)
        patch.setattr(tiled_relief, "FADE", 16)
        yield


def read(folder: Path, name: str) -> np.ndarray:
    with rasterio.open(folder / f"{name}.tif") as raster:
        return raster.read(1)


def layer(folder: Path, name: str) -> gpd.GeoDataFrame:
    return gpd.read_file(folder / f"{name}.gpkg")


def same_files(a: Path, b: Path) -> None:
    for name in GRID:
        assert (a / name).read_bytes() == (b / name).read_bytes()
    for name in LAYERS:
        one, two = layer(a, name), layer(b, name)
        assert shapely.equals_exact(one.geometry.values, two.geometry.values).all()
        assert one.drop(columns="geometry").equals(two.drop(columns="geometry"))


def backwards(
    work: Callable[[Any], Any], items: Sequence[Any], workers: int
) -> Iterator[Any]:  # fmt: skip
    """Work on the last item first."""
    results = [work(item) for item in items[::-1]]
    yield from results[::-1]


@pytest.fixture(scope="module")
def incomplete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("incomplete")
    write_large(INCOMPLETE, folder, tile=TILE, whole=120, workers=3)
    return folder


def test_neither_the_order_of_tiles_nor_the_number_of_workers_shows(
    incomplete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (tiled_drainage, tiled_earthquake, tiled_landslides, tiled_relief, rivers):
        monkeypatch.setattr(module, "in_order", backwards)
    write_large(INCOMPLETE, tmp_path, tile=TILE, whole=120, workers=1)
    same_files(incomplete, tmp_path)
    assert not (tmp_path / ".tiles").exists()


def test_an_incomplete_inventory_of_a_large_map(incomplete: Path) -> None:
    extent = layer(incomplete, "mapped_extent").union_all()
    slides = layer(incomplete, "landslides")
    assert np.percentile(slides.intersection(extent).area / slides.area, 10) > 0.5
    assert np.isnan(read(incomplete, "dem")).mean() == pytest.approx(0.05, abs=0.01)
    assert 'mapped_extent.gpkg"' in (incomplete / "study.toml").read_text()


STEPS = ["make_terrain", "river_pieces", "slopes", "make_slides", "write_beside_map"]


@pytest.mark.parametrize(
    "stopped",
    [
        *(pytest.param(step, marks=pytest.mark.slow) for step in STEPS),
        pytest.param("tile of the terrain", marks=pytest.mark.slow),
        "tile of the ground",
    ],
)
def test_a_making_that_was_stopped_goes_on(
    stopped: str, incomplete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again() -> Counter[str]:
        """Make the earthquake; return how often each long step was begun."""
        begun: Counter[str] = Counter()
        with pytest.MonkeyPatch.context() as patch:
            for module, name in [(tiled_relief, "carve"), (tiled_relief, "refine"),
                                 (tiled_earthquake, "derivatives"),
                                 (tiled_earthquake, "river_pieces"),
                                 (tiled_earthquake, "probabilities")]:  # fmt: skip
                counted(patch, module, name, begun)
            write_large(INCOMPLETE, tmp_path, tile=TILE, whole=120, workers=2)
        return begun

    module, name, calls = {
        "tile of the terrain": (tiled_relief, "refine", 3),
        "tile of the ground": (tiled_earthquake, "draw_failures", 2),
    }.get(stopped, (tiled_earthquake, stopped, 0))
    stop(monkeypatch, INCOMPLETE, tmp_path, module, name, calls)
    assert not (tmp_path / "study.toml").exists()
    if stopped == "tile of the ground":
        # What was half written has no name yet.
        assert not {"dem.tif", "truth.tif", "soil.gpkg"} & {p.name for p in tmp_path.iterdir()}
    (tmp_path / f"{PART}of-a-killed-one.tif").touch()
    begun = again()
    assert not list(tmp_path.glob(f"{PART}*"))
    same_files(incomplete, tmp_path)
    assert not (tmp_path / ".tiles").exists()
    place = [*STEPS].index(stopped) if stopped in STEPS else 0
    assert (begun["carve"] == 0) == (stopped != "make_terrain")
    assert (begun["river_pieces"] == 0) == (place > 1 or stopped == "tile of the ground")
    assert (begun["probabilities"] == 0) == (place > 2)


def counted(
    patch: pytest.MonkeyPatch, module: Any, name: str, begun: Counter[str]
) -> None:  # fmt: skip
    original = getattr(module, name)

    def work(*args: Any, **options: Any) -> Any:
        begun[name] += 1
        return original(*args, **options)

    patch.setattr(module, name, work)


def stop(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, folder: Path, module: Any, name: str,
    calls: int,
) -> None:  # fmt: skip
    """Make an earthquake, interrupted when a function is called once more than so often."""
    original, seen = getattr(module, name), []

    def work(*args: Any, **options: Any) -> Any:
        seen.append(name)
        if len(seen) > calls:
            raise KeyboardInterrupt
        return original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, work)
        with pytest.raises(KeyboardInterrupt):
            write_large(scenario, folder, tile=TILE, whole=120, workers=2)


@pytest.mark.slow
def test_what_was_stopped_is_not_mixed_with_another_earthquake(
    incomplete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, replace(INCOMPLETE, seed=6), tmp_path, tiled_earthquake, "make_slides", 0)
    assert (tmp_path / ".tiles" / "done.json").exists()
    write_large(INCOMPLETE, tmp_path, tile=TILE, whole=120)
    same_files(incomplete, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "7", '{"settings": 1, "steps": 2}', "\0", "[" * 100_000, '{"settings": "settings", '
     '"steps": {"heights": null}, "sizes": {}, "digest": ""}'],
)  # fmt: skip
def test_a_broken_journal_is_begun_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "done.json").write_text(text)
    (tmp_path / "elevation").write_text("old")
    found = Journal(tmp_path, "settings")
    assert found.steps == {}
    found.add("heights", [1.5], keep=["area"])
    assert Journal(tmp_path, "settings").steps == {"heights": [1.5]}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["done.json"]


@pytest.mark.parametrize(
    ("damaged", "gone"),
    [
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (".tiles/elevation", True), (".tiles/area", False), (".tiles/done.json", False),
                ("rivers.gpkg", True), ("rivers.gpkg", False),
            )
        ),
    ],
)  # fmt: skip
def test_a_step_whose_files_are_damaged_is_done_again(
    damaged: str, gone: bool, incomplete: Path, stopped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(stopped, folder)
    path = folder / damaged
    whole = path.read_bytes()
    if gone:
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2])
    write_large(INCOMPLETE, folder, tile=TILE, whole=120)
    same_files(incomplete, folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A making that was stopped after the rivers."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        stop(patch, INCOMPLETE, folder, tiled_earthquake, "slopes", 0)
    return folder


@pytest.mark.slow
def test_a_study_is_there_only_with_all_of_its_layers(
    incomplete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(incomplete, folder)
    other = replace(INCOMPLETE, seed=6)
    stop(monkeypatch, other, folder, tiled_earthquake, "make_terrain", 0)
    assert not (folder / "study.toml").exists()
    (folder / "study.toml").write_text("of another earthquake")
    stop(monkeypatch, other, folder, tiled_earthquake, "write_beside_map", 0)
    assert not (folder / "study.toml").exists()
    (folder / "study.toml").write_text("of another earthquake")
    stop(monkeypatch, other, folder, tiled_earthquake, "write_beside_map", 0)
    assert not (folder / "study.toml").exists()
    small = make(Scenario(rows=40, cols=50))
    monkeypatch.setattr(study_files, "shakemap_text", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(small, folder)
    assert not (folder / "study.toml").exists()
