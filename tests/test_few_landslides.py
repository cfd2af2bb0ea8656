"""Few landslides: what is possible still works, the rest is refused by `check`."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide import pipeline
from shakeslide.checks import few as few_checks
from shakeslide.cli import app
from shakeslide.core.errors import InputError
from shakeslide.layers.polygons import Polygons
from shakeslide.learning.training import Method, Recipe
from shakeslide.sampling import sample_table
from shakeslide.study.settings import Evaluation, Samples

from . import small_site as site
from .conftest import open_run
from .lines import lacks

PIXEL = 'evaluation.protocols=["pixel"]'


@pytest.mark.parametrize(
    ("calibration", "stopping", "protocols", "cells", "landslides"),
    [
        ("none", False, ["pixel"], 2, 0),
        ("platt", False, ["pixel"], 400, 0),
        ("isotonic", False, ["pixel"], 4000, 0),
        ("none", True, ["pixel"], 6, 0),
        ("none", False, ["landslide"], 2, 7),
        ("none", False, ["block"], 7, 0),
        ("none", False, ["pixel", "landslide", "block"], 7, 7),
    ],
)
def test_the_fewest_are_exact(
    calibration: Method, stopping: bool, protocols: list[str], cells: int, landslides: int
) -> None:
    """A quarter trains: 100 cells for Platt's method, and one and a half rows round to two."""
    recipe = Recipe("sae", "raw", {"early_stopping": stopping})
    asked = Evaluation(protocols=protocols, folds=7)
    least = few_checks.needs(Samples(train_share=0.25), asked, calibration, [recipe])
    assert few_checks.require(least, "a.gpkg", max(landslides, few_checks.SOME), cells) == ""
    with pytest.raises(InputError, match=r"^a\.gpkg: .* cells? can be sampled"):
        few_checks.require(least, "a.gpkg", 99, cells - 1)
    if landslides:
        with pytest.raises(InputError, match=r"^a\.gpkg: 6 landslides .* at least 7"):
            few_checks.require(least, "a.gpkg", landslides - 1, 99)


def test_scores_of_few_landslides_are_warned_of() -> None:
    assert "29 landslides" in few_checks.require([], "a.gpkg", few_checks.SOME - 1, 500)
    assert few_checks.require([], "a.gpkg", few_checks.SOME, 500) == ""


def test_landslides_that_hold_a_cell_are_counted() -> None:
    """Two parts of one landslide, one without a cell's centre, and one of its own."""
    shapes = [site.box(0, 0, 2, 3), site.box(5, 5, 2, 2), site.box(9.6, 9.6, 0.3, 0.3)]
    shapes += [site.box(20, 20, 1, 1), site.box(-9, 0, 3, 3)]
    grid = GeoBox((site.ROWS, site.COLS), site.TRANSFORM, CRS(site.CRS))
    numbers = np.array([1.0, 1.0, 2.0, 3.0, 4.0])
    polygons = Polygons.on_grid(np.array(shapes, object), numbers, grid)
    assert few_checks.counted(polygons, grid) == (2, 11)
    assert few_checks.counted(polygons, grid, most=10) == (2, 10)
    assert few_checks.counted(polygons, grid, most=12) == (2, 11)


def few(site_study: Path, tmp_path: Path, number: int, kind: str) -> Path:
    """A study with so many landslides: polygons, or points."""
    frame = gpd.read_file(site_study.parent / "landslides.gpkg").iloc[:number]
    if kind == "point":
        frame.geometry = frame.centroid
    path = tmp_path / "few.gpkg"
    frame.to_file(path)
    text = site_study.read_text()
    ambiguous = '[[inventory.ambiguous]]\npath = "landslides.gpkg"\nwhere = "year <> 2005"\n'
    text = text.replace(ambiguous, "").replace('where = "year = 2005"\n', "")
    text = text.replace('path = "landslides.gpkg"', f'path = "{path.as_posix()}"')
    for code in ("EI", "SRD", "AF", "ED", "LITH", "FD", "DR"):
        text += f"[factors.{code}]\nuse = false\n"
    lines = text.split("[layers.")
    kept = [part for part in lines[1:] if part.startswith(("dem", "soil"))]
    study = site_study.parent / f"{tmp_path.name}.toml"
    study.write_text("[layers.".join([lines[0], *kept]))
    return study


@pytest.mark.parametrize(
    ("number", "kind", "override", "named"),
    [
        (
            1,
            "point",
            PIXEL,
            "1 source cell can be sampled, but training and testing needs at least 2",
        ),
        (1, "polygon", "evaluation.folds=2", "1 landslide with a source cell, but protocol"),
        (3, "polygon", "evaluation.folds=5", "folds = 5 needs at least 5: set fewer"),
        (5, "point", "models.calibration=platt", "needs at least 500"),
        (5, "point", "models.sae.early_stopping=true", "early_stopping = false"),
        (
            2,
            "point",
            'evaluation.protocols=["block"]',
            "protocol block with folds = 3 needs at least 3",
        ),
    ],
)
def test_too_few_are_refused_at_once(
    site_study: Path, tmp_path: Path, number: int, kind: str, override: str, named: str
) -> None:
    study = few(site_study, tmp_path, number, kind)
    folds = ["evaluation.folds=3"] if "block" in override else []
    run = open_run(study, tmp_path / "out", override, *folds)
    with pytest.raises(InputError, match=r"few.gpkg \(inventory\): ") as caught:
        pipeline.check(run)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_few_are_warned_of(site_study: Path, tmp_path: Path) -> None:
    study = few(site_study, tmp_path, 5, "point")
    row = {r.name: r for r in pipeline.check(open_run(study, tmp_path / "out"))}["inventory"]
    assert any(w.startswith("only 5 landslides with a source cell") for w in row.warnings)


def test_three_points_are_explained_and_mapped(
    site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer rows than factors: what cannot be known is said, not asked for."""
    study, out = few(site_study, tmp_path, 3, "point"), tmp_path / "out"
    asked = [PIXEL, 'models.use=["lr","svm"]', "evaluation.block_size=auto", "map.members=2"]
    sets = [part for key in asked for part in ("--set", key)]
    for stage in ("prepare", "sample", "train", "explain", "map"):
        assert app.main([stage, str(study), "--out", str(out), *sets]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert not lacks(said, "how large blocks should be")
    told = json.loads((out / "importance.json").read_text())["collinearity"]
    assert told["codes"]
    assert told["remarks"]
    assert not any(
        value for key, value in told.items() if key not in ("codes", "remarks", "method")
    )
    assert (out / "maps" / "svm_sd.tif").is_file()


def test_two_landslides_train_and_are_judged(site_study: Path, tmp_path: Path) -> None:
    study = few(site_study, tmp_path, 2, "point")
    run = open_run(study, tmp_path / "out", PIXEL, 'models.use=["lr","sae","rf"]')
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(run)
    samples = sample_table.load(run.out / "samples.parquet")
    assert samples.label.sum() == 2
    told = json.loads((run.out / "evaluation.json").read_text())
    assert {r["n_train"] for r in told["records"]} == {2}
    assert np.isfinite([r["roc_auc"]["mean"] for r in told["summary"]]).all()


def test_the_console_names_the_landslides_that_hold_a_cell(
    site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = few(site_study, tmp_path, 61, "polygon")
    assert app.main(["prepare", str(study), "--out", str(tmp_path / "out"), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert app.main(["sample", str(study), "--out", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "source cells in 60 of 61 landslides and" in said
