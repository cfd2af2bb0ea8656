"""A new earthquake mapped by models of past ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from shakeslide.cli.app import main
from shakeslide.core import documents
from shakeslide.learning.several import event_bundle
from shakeslide.rapid.totals import Totals
from tests import past_quakes

from . import small_event

CELL = 120.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, its map in `out`, and the inputs; not to be changed."""
    folder = tmp_path_factory.mktemp("learnt")
    runs = [
        past_quakes.save(past_quakes.samples(k, cell=CELL, level=-8.0), folder / f"quake{k}")
        for k in (1, 2)
    ]
    words = ["learn", folder / "bundle", *runs, "--factors", "SLO,PGA,TPI", "--models", "few", "-q"]
    assert main([str(w) for w in words]) == 0
    small_event.dem(folder / "dem.tif")
    small_event.grid_xml(folder / "grid.xml")
    assert rapid(folder, "--out", folder / "out", "--model", folder / "bundle") == 0
    return folder


def rapid(folder: Path, *words: object) -> int:
    files = [folder / "grid.xml", folder / "dem.tif"]
    more = ["--set", "shaking.draws=30"]
    return main(["rapid", *map(str, [*files, *words, *more])])


def test_it_is_mapped_on_the_cells_of_the_bundle(made: Path) -> None:
    with rasterio.open(made / "out" / "maps" / "learnt_mean.tif") as src:
        assert src.res == (CELL, CELL)
        mean = src.read(1)
    assert 0 < np.nanmax(mean) < 1
    found = documents.read(made / "out" / "totals.json", Totals)
    assert found.model == "learnt"
    assert found.area_km2.p05 < found.area_km2.p50 < found.area_km2.p95


def test_factors_are_computed_as_in_training(made: Path) -> None:
    with rasterio.open(made / "out" / "factors" / "TPI.tif") as src:
        assert '"outer": 150.0' in src.tags()["settings"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--resolution", "30"], ["--resolution", "120", "30"]),
        (["--set", "grid.resolution=60"], ["[grid] resolution", "120", "60"]),
        (["--set", "factors.TPI.outer=400"], ["TPI", "outer", "400", "150"]),
    ],
)
def test_other_cells_and_other_factors_are_refused(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    names: list[str],
) -> None:
    assert rapid(made, "--out", tmp_path / "out", "--model", made / "bundle", *words) == 2
    told = capsys.readouterr().err
    assert all(name in told for name in names)


def test_a_damaged_bundle_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "bundle", tmp_path / "bundle")
    (tmp_path / "bundle" / event_bundle.FILE).write_text("{}")
    assert rapid(made, "--out", tmp_path / "out", "--model", tmp_path / "bundle") == 2
    assert "bundle.json" in capsys.readouterr().err


def test_ground_unlike_the_past_is_reported(made: Path, tmp_path: Path) -> None:
    with rasterio.open(made / "dem.tif") as src:
        profile, z = src.profile, src.read(1)
    with rasterio.open(tmp_path / "dem.tif", "w", **profile) as dst:
        dst.write(z.mean() + (z - z.mean()) * np.float32(0.05), 1)
    shutil.copy(made / "grid.xml", tmp_path)
    assert rapid(tmp_path, "--out", tmp_path / "out", "--model", made / "bundle") == 0
    warnings = documents.read(tmp_path / "out" / "totals.json", Totals).warnings
    assert any("--model jessee2022" in text for text in warnings)
    warned = documents.read(made / "out" / "totals.json", Totals).warnings
    assert not any("--model jessee2022" in text for text in warned)
