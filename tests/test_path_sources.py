"""`shakeslide sources` in a study: from outlines to samples, redone only when something changed."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from rasterio import features

from shakeslide import pipeline
from shakeslide.cli import app
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.layers import inventory
from shakeslide.layers.positives import Positive
from shakeslide.sampling import sample_table

from . import small_site as site
from .conftest import open_run


@pytest.fixture(scope="module")
def made(site_study: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    run = open_run(site_study, tmp_path_factory.mktemp("sources") / "run")
    pipeline.extract_sources(run)
    return run


def test_layers_hold_every_landslide(made: pipeline.Run) -> None:
    path = made.out / "sources.gpkg"
    assert [name for name, _ in pyogrio.list_layers(path)] == ["source", "runout", "crown"]
    source, runout, crown = (gpd.read_file(path, layer=n) for n in ("source", "runout", "crown"))
    outlines = inventory.load(made.outlines, made.grid()).shapes
    assert source["landslide"].nunique() == len(outlines)
    assert len(crown) == len(source)
    assert source.crs == made.grid().crs.to_wkt() or source.crs.to_epsg() == 32643
    bounds = grids.bounds(made.grid())
    grid = shapely.box(bounds.left, bounds.bottom, bounds.right, bounds.top)
    total = shapely.area(shapely.intersection(outlines, grid)).sum()
    assert source.area.sum() + runout.area.sum() == pytest.approx(total)
    assert source["source_m2"].to_numpy() == pytest.approx(source.area.to_numpy())
    assert crown.geometry.within(gpd.GeoSeries(outlines).union_all()).sum() >= len(crown) - 1


def test_account_adds_up_and_frequency_is_told(made: pipeline.Run) -> None:
    told = json.loads((made.out / "sources.json").read_text())
    assert told["kept"] + told["split"] + told["dropped"] == told["outlines"] == 51
    assert told["flags"]["smaller_than_a_cell"] == 1
    assert set(told["frequency"]) == {"landslides", "sources"}
    assert sum(told["frequency"]["sources"]["count"]) == told["landslides"]
    assert told["settings"]["method"] == "scar"


def test_second_run_does_nothing_and_bytes_are_the_same(
    made: pipeline.Run, site_study: Path, tmp_path: Path
) -> None:
    before = (made.out / "sources.gpkg").stat().st_mtime_ns
    pipeline.extract_sources(open_run(site_study, made.out))
    assert (made.out / "sources.gpkg").stat().st_mtime_ns == before
    again = open_run(site_study, tmp_path / "run", workers=1)
    pipeline.extract_sources(again)
    assert (again.out / "sources.gpkg").read_bytes() == (made.out / "sources.gpkg").read_bytes()
    assert (again.out / "sources.json").read_bytes() == (made.out / "sources.json").read_bytes()


def test_changed_settings_make_it_stale(made: pipeline.Run, site_study: Path) -> None:
    for change in (
        'sources.method="area_quantile"',
        "sources.divide=false",
        'inventory.where="1=1"',
    ):
        assert (
            open_run(site_study, made.out, change).marks.sources().mark != made.marks.sources().mark
        )
    same = open_run(site_study, made.out, "inventory.buffer=50", "evaluation.repeats=3")
    assert same.marks.sources().mark == made.marks.sources().mark


def test_samples_are_of_the_extracted_sources(
    finished: pipeline.Run, site_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished.out, out)
    run = open_run(site_study, out, 'inventory.positives_from="extracted"')
    assert run.marks.sample() != finished.marks.sample()
    pipeline.sample(run)
    source = gpd.read_file(out / "sources.gpkg", layer="source")
    drawn = sample_table.load(out / "samples.parquet").table
    positive = drawn[drawn["label"] == 1]
    spots = gpd.GeoSeries(gpd.points_from_xy(positive["x"], positive["y"]))
    assert spots.within(source.union_all()).all()
    landslides = inventory.load(run.inventory, run.grid(), run.masks())
    assert landslides.positives is Positive.EXTRACTED
    labels = landslides.label(grids.Tile((0, 0), 0, site.ROWS, 0, site.COLS))
    numbers = pd.Series(labels.landslide[labels.standing == inventory.SOURCE])
    # Overlapping outlines share cells; a cell of one is never told for a number beyond them.
    assert numbers.between(1, landslides.count).all()
    before = inventory.load(finished.study.inventory, run.grid(), run.masks())
    whole = before.label(grids.Tile((0, 0), 0, site.ROWS, 0, site.COLS))
    assert (labels.standing == inventory.SOURCE).sum() < (whole.standing == inventory.SOURCE).sum()
    counts = sample_table.load(out / "samples.parquet").counts
    assert (
        counts.source_cells + counts.source_cells_without_values
        == (labels.standing == inventory.SOURCE).sum()
    )


def test_mapped_sources_are_taken_where_they_are(site_study: Path, tmp_path: Path) -> None:
    folder = site_study.parent
    frame = site.landslides()
    part = frame.copy()
    part["geometry"] = [
        shapely.box(*(b[:2]), b[2], (b[1] + b[3]) / 2) for b in frame.bounds.to_numpy()
    ]
    part.to_file(folder / "parts.gpkg")
    over = f'inventory.sources={{path="{folder / "parts.gpkg"}", where="year = 2005"}}'
    run = open_run(site_study, tmp_path / "run", over)
    pipeline.extract_sources(run)
    source = gpd.read_file(run.out / "sources.gpkg", layer="source")
    assert (source["method"] == "S0").mean() > 0.8
    without = open_run(site_study, tmp_path / "run", over, "sources.mapped=false")
    assert without.marks.sources().mark != run.marks.sources().mark
    pipeline.extract_sources(without)
    source = gpd.read_file(run.out / "sources.gpkg", layer="source")
    assert not (source["method"] == "S0").any()


def test_points_are_refused(site_study: Path, tmp_path: Path) -> None:
    frame = site.landslides()
    points = frame.set_geometry(frame.centroid)
    points.to_file(tmp_path / "points.gpkg")
    run = open_run(site_study, tmp_path / "run", f'inventory.path="{tmp_path / "points.gpkg"}"')
    with pytest.raises(InputError, match="points; source areas can only"):
        pipeline.extract_sources(run)


def test_the_command_prints_the_file(
    site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert app.main(["sources", str(site_study), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out / "sources.gpkg")
    words = " ".join(captured.err.split())
    assert "of 51 outlines" in words
    assert np.isfinite(gpd.read_file(out / "sources.gpkg", layer="crown")["crown_z"]).all()


def images(folder: Path, shift: float = 0.0) -> list[str]:
    """Write an index of before and after the landslides, which are all bared but at their foot."""
    rng = np.random.default_rng(2)
    shape = (site.ROWS, site.COLS)
    bared = features.rasterize(
        [shapely.box(b[0], b[1] + 60, b[2], b[3]) for b in site.landslides().bounds.to_numpy()],
        shape,
        transform=site.TRANSFORM,
    )
    before = 0.7 + 0.02 * rng.standard_normal(shape)
    after = np.where(bared, 0.1, 0.6 + shift) + 0.02 * rng.standard_normal(shape)
    folder.mkdir(exist_ok=True)
    site.raster(folder / "before.tif", before.astype(np.float32))
    site.raster(folder / "after.tif", after.astype(np.float32))
    return [f'sources.{n}.path="{folder / n}.tif"' for n in ("before", "after")]


def test_images_refine_what_they_can(
    made: pipeline.Run, site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, given = tmp_path / "run", [a for s in images(tmp_path / "i") for a in ("--set", s)]
    assert app.main(["sources", str(site_study), "--out", str(out), *given]) == 0
    words = " ".join(capsys.readouterr().err.split())
    path = out / "sources.gpkg"
    names = [name for name, _ in pyogrio.list_layers(path)]
    assert names == ["source", "runout", "crown", "unchanged"]
    source, runout, _, rest = (gpd.read_file(path, layer=n) for n in names)
    told = json.loads((out / "sources.json").read_text())
    assert sum(told["change"].values()) == told["kept"] + told["split"]
    refined = source[source["change"] == "refined"]
    assert set(refined.loc[refined["piece"] == 1, "landslide"]) == set(rest["landslide"])
    assert told["change"]["refined"] == refined["landslide"].nunique() > 5
    assert f"{told['change']['refined']} outlines refined" in words
    assert rest.area.sum() == pytest.approx(told["unchanged_m2"])
    assert rest["unchanged_m2"].to_numpy() == pytest.approx(rest.area.to_numpy())
    total = gpd.read_file(made.out / "sources.gpkg", layer="source").area.sum()
    total += gpd.read_file(made.out / "sources.gpkg", layer="runout").area.sum()
    assert source.area.sum() + runout.area.sum() + rest.area.sum() == pytest.approx(total)
    assert (source["source_m2"] > 0).all()


def test_images_are_known_by_their_content(
    made: pipeline.Run, site_study: Path, tmp_path: Path
) -> None:
    marks = [
        open_run(site_study, made.out, *images(tmp_path / name, shift)).marks.sources().mark
        for name, shift in (("a", 0.0), ("b", 0.0), ("c", 0.05))
    ]
    assert marks[0] == marks[1]
    assert len({made.marks.sources().mark, *marks}) == 3


def test_check_looks_at_the_images(site_study: Path, tmp_path: Path) -> None:
    given = images(tmp_path)
    rows = pipeline.check(open_run(site_study, tmp_path / "run", *given, "sources.after.scale=100"))
    assert any("same scale" in w for w in rows[-1].warnings)
    (tmp_path / "after.tif").unlink()
    with pytest.raises(InputError, match=r"after\.tif: no such file"):
        pipeline.check(open_run(site_study, tmp_path / "run", *given))


def test_nothing_to_separate_is_an_error(site_study: Path, tmp_path: Path) -> None:
    site.raster(tmp_path / "void.tif", np.full((site.ROWS, site.COLS), np.nan, np.float32))
    run = open_run(site_study, tmp_path / "run", f'layers.dem.path="{tmp_path / "void.tif"}"')
    with pytest.raises(InputError, match="51 left out: no elevation under it"):
        pipeline.extract_sources(run)
    assert not (run.out / "sources.gpkg").exists()


def test_a_folder_that_cannot_be_written_is_no_bug(
    site_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system", "run/sources.gpkg")

    monkeypatch.setattr(type(pipeline.extract_sources), "make", refused)
    assert app.main(["sources", str(site_study), "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    assert "run/sources.gpkg: Read-only file system" in told
    assert "--out" in told
