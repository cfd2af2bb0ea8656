"""What is redone when: the table of the documentation, walked row by row."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.shutil
from pydantic import create_model

from shakeslide import pipeline, report
from shakeslide.core.errors import InputError
from shakeslide.core.files import Steps
from shakeslide.pipeline import inputs, reporting
from shakeslide.pipeline.stage import Artefact
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED

from . import small_site as site
from .conftest import open_run
from .test_path import copied, digest

PAGE = Path(__file__).parents[1] / "docs" / "reruns.md"
COLUMNS = ("factors", "samples", "models", "evaluation", "importance", "maps", "report")
KINDS = {
    "factor": "factors", "samples": "samples", "model": "models", "evaluation": "evaluation",
    "judged": "models", "importance": "importance", "map": "maps", "spread": "maps",
    "applicability": "maps", "report": "report",
}  # fmt: skip
TRAINED = {"model", "judged"}
BESIDE = {"names", "blocks", "classes"}
"""Words of the table for what is written beside values that stay."""
MASK = '[[masks]]\npath = "lithology.gpkg"\nwhere = "unit = \'granite\'"\nmap_value = 0\n'

SETTINGS = {
    "study.name": "Another", "study.description": "Some words",
    "layers.rivers.source": "someone", "factors.DR.name": "Water", "inventory.source": "someone",
    "masks.0.name": "lake", "evaluation.repeats": 3, "evaluation.threshold": 0.4,
    "evaluation.protocols": '["pixel"]', "evaluation.block_size": 900, "map.breaks": "[0.5]",
    "map.shows": "probability", "map.members": 2, "masks.0.map_value": "nodata",
    "models.rf.max_depth": 3, "models.calibration": "isotonic", "samples.train_share": 0.3,
    "samples.most": 50, "inventory.where": "year > 2001", "study.seed": 8,
    "factors.RER.window": 300, "map.fitted_on": "training",
}  # fmt: skip


def rows() -> dict[str, dict[str, str]]:
    """The table of the page: what has changed, and what is redone by column."""
    table = re.findall(r"^\| (?!what|---)(.+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    cells = [[c.strip() for c in line.split("|")] for line in table]
    return {c[0].strip("`"): dict(zip(COLUMNS, c[1:], strict=True)) for c in cells}


# ------------------------------------------------------------------ a run, recorded only


def made(run: pipeline.Run) -> list[Artefact]:
    return [*run.marks.results(), run.marks.report()]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a site and the record of a run of it, whose results are empty files."""
    home = tmp_path_factory.mktemp("reruns")
    path = site.make(home / "data")
    rasterio.shutil.copy(home / "data" / "dem.tif", home / "data" / "dem.vrt", driver="VRT")
    text = path.read_text().replace('"dem.tif"', '"dem.vrt"')
    path.write_text(text.replace("[evaluation]", f"{MASK}\n[evaluation]"))
    run = opened(home)
    run.ledger.ready()
    for one in made(run):
        result = run.out / f"{one.item}.bin"
        result.write_bytes(one.item.encode())
        run.ledger.record(one.item, one.mark, [result], 1.0, one.label)
    return home


@pytest.fixture(scope="module")
def unchanged(recorded: Path) -> pipeline.Run:
    """The run as it was recorded; not to be changed by tests."""
    return opened(recorded)


def opened(home: Path, *overrides: str, workers: int = 2) -> pipeline.Run:
    return open_run(home / "data" / "study.toml", home / "run", *overrides, workers=workers)


def moved(home: Path) -> pipeline.Run:
    shutil.move(home, home.with_name("elsewhere"))
    return opened(home.with_name("elsewhere"))


def without_times(home: Path) -> pipeline.Run:
    other = home.with_name("copy")
    return opened(shutil.copytree(home, other, copy_function=shutil.copyfile))


def rivers(home: Path, *, half: bool = False) -> pipeline.Run:
    path = home / "data" / "rivers.gpkg"
    features, before = gpd.read_file(path), path.read_bytes()
    path.unlink()
    features[: 1 if half else None].to_file(path)
    assert path.read_bytes() != before
    return opened(home)


def tile(home: Path) -> pipeline.Run:
    site.raster(home / "data" / "dem.tif", site.elevation() + np.float32(1))
    return opened(home)


OTHERS: dict[str, Callable[[Path], pipeline.Run]] = {
    "nothing": opened,
    "the location of the folder": moved,
    "the times of all files": without_times,
    "the number of workers": lambda home: opened(home, workers=1),
    "the content of `rivers.gpkg": lambda home: rivers(home, half=True),
    "rivers.gpkg` written again": rivers,
    "a tile of the elevation's `.vrt": tile,
}


def stale(run: pipeline.Run) -> dict[str, tuple[set[str], set[str]]]:
    """What is to be made anew, and what is to be renamed, by column."""
    found: dict[str, tuple[set[str], set[str]]] = {column: (set(), set()) for column in COLUMNS}
    for one in made(run):
        kind, _, name = one.item.partition("-")
        anew, renamed = found[KINDS[kind]]
        if not run.ledger.is_fresh(one.item, one.mark):
            anew.add(name if name and kind != "spread" else kind)
        elif not run.ledger.is_fresh(one.item, one.mark, one.label):
            renamed.add(name or kind)
    return found


@pytest.mark.parametrize("row", rows())
def test_a_change_redoes_what_the_table_says(row: str, recorded: Path, tmp_path: Path) -> None:
    home = shutil.copytree(recorded, tmp_path / "home")
    changed = f"{row}={SETTINGS[row]}" if row in SETTINGS else ""
    run = opened(home, changed) if changed else OTHERS[row](home)
    several = {
        "elevation's": {f.code for f in run.factors() if "dem" in f.layers},
        "of models": set(run.models.mapped()),
        "judged": set(run.models.stored()),
    }
    wanted = made(run)
    every = {KINDS[one.item.split("-")[0]]: set[str]() for one in wanted}
    for one in wanted:
        every[KINDS[one.item.split("-")[0]]].add(one.name)
    told = rows()[row]
    for column, (anew, renamed) in stale(run).items():
        word = told[column]
        if word in BESIDE:
            assert renamed, column
            assert not anew, column
        elif word == "anew" or (word and column == "evaluation"):
            assert anew == every[column], column
        else:
            assert anew == several.get(word, {word} - {""}), column
            assert not renamed, column


def test_a_report_goes_on_from_its_finished_steps(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def write(out: Path, inputs: object, on: object, steps: Steps) -> Path:
        steps("first", lambda: made.append("first"))
        if kill:
            raise KeyboardInterrupt
        return out / "report.html"

    monkeypatch.setattr(report, "write", write)
    monkeypatch.setattr(reporting, "provenance", lambda run: None)
    monkeypatch.setattr(reporting, "check", lambda run: [])
    home = shutil.copytree(recorded, tmp_path / "home")
    (home / "run" / ".work" / "made" / "report.json").unlink()
    run = opened(home)
    kill = True
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pipeline.report(run)
    assert made == ["first"]
    # Other words on the page: nothing is taken from what was drawn before.
    other = opened(home, "study.description=Some words")
    with pytest.raises(KeyboardInterrupt):
        pipeline.report(other)
    assert len(made) == 2
    kill = False
    pipeline.report(other)
    assert len(made) == 2
    assert not list((home / "run" / ".work").glob("shards/report-*"))


def test_the_table_has_a_row_for_each_change() -> None:
    assert set(rows()) == set(SETTINGS) | set(OTHERS)


def marks_of(run: pipeline.Run) -> dict[str, str]:
    return {one.item: one.mark for one in run.marks.results()}


@pytest.mark.parametrize(
    ("table", "kinds"),
    [
        ("study", {"samples", *TRAINED, "evaluation", "importance", "map", "applicability"}),
        ("samples", {"samples", *TRAINED, "evaluation", "importance", "map", "applicability"}),
        ("models", {*TRAINED, "evaluation", "importance", "map"}),
        ("evaluation", {"evaluation"}),
        ("map", {"map", "applicability"}),
    ],
)
def test_a_new_key_of_a_table_counts(table: str, kinds: set[str], unchanged: pipeline.Run) -> None:
    run = unchanged
    settings = getattr(run.study, table)
    more = create_model("More", __base__=type(settings), novel=(int, ...))

    def marks(value: int) -> dict[str, str]:
        asked = more.model_construct(**dict(settings), novel=value)
        other = replace(run, study=run.study.model_copy(update={table: asked}))
        # The ledger, and what was read once: grid and factors.
        vars(other).update({k: v for k, v in vars(run).items() if k == "ledger" or " " in k})
        return marks_of(other)

    one, two = marks(1), marks(2)
    assert {i.split("-")[0] for i in one if one[i] != two[i]} == kinds
    assert all(one[i] != two[i] for i in one if i.split("-")[0] in kinds)


def test_mapped_models_do_not_depend_on_the_training_share(recorded: Path) -> None:
    before, after = (
        marks_of(opened(recorded, *more)) for more in ([], ["samples.train_share=0.3"])
    )
    changed = {item.split("-")[0] for item in before if before[item] != after[item]}
    assert changed == {"judged", "evaluation", "importance"}


def fits(run: pipeline.Run) -> dict[tuple[str, str], str]:
    """Fingerprints of the fits of an evaluation."""
    size = replace(NOT_COUNTED, block_size=run.study.evaluation.block_size)
    plan = run.plan(cast(sample_table.Samples, SimpleNamespace(counts=size)))
    protocols = ("pixel", "landslide", "block")
    return {(m, p): run.marks.trial(m, p, plan) for m in run.models.used() for p in protocols}


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        ("evaluation.repeats=9", set()),
        ("evaluation.threshold=0.4", set()),
        ('evaluation.protocols=["pixel"]', set()),
        ("evaluation.block_size=900", {"block"}),
        ("evaluation.buffer=90", {"block"}),
        ("evaluation.folds=3", {"landslide", "block"}),
    ],
)
def test_fits_of_an_evaluation_are_kept_where_they_hold(
    change: str, redone: set[str], recorded: Path
) -> None:
    before, after = fits(opened(recorded)), fits(opened(recorded, change))
    assert {p for (m, p), mark in after.items() if before[m, p] != mark} == redone


def test_fits_of_other_models_are_kept(recorded: Path) -> None:
    before, after = fits(opened(recorded)), fits(opened(recorded, "models.rf.max_depth=3"))
    assert {m for (m, p), mark in after.items() if before[m, p] != mark} == {"rf"}


# ------------------------------------------------------------------ a run, walked


def times(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_name_is_written_anew_and_no_value(finished: pipeline.Run, tmp_path: Path) -> None:
    asked = ["factors.DR.name=Water", 'study.name="Another"', 'layers.rivers.source="someone"']
    run = copied(finished, tmp_path / "run", *asked)
    before = times(run.out)
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train):
        stage(run)
    changed = {p.relative_to(run.out) for p, t in times(run.out).items() if t != before.get(p)}
    written = {p for p in changed if p.parts[0] != ".work"}
    assert {p for p in written if p.parts[0] == "factors"} == {Path("factors", "DR.tif")}
    assert not {p for p in written if p.parts[0] == "maps"}
    with rasterio.open(run.out / "factors" / "DR.tif") as new:
        assert new.tags()["name"] == "Water"
        assert "someone" in new.tags()["source"]
        np.testing.assert_array_equal(new.read(), read(finished.out / "factors" / "DR.tif"))
    one, two = (sample_table.load(r.out / "samples.parquet") for r in (finished, run))
    pd.testing.assert_frame_equal(one.table, two.table)
    assert next(f.name for f in two.factors if f.code == "DR") == "Water"
    weights = Path("models", "lr", "weights.safetensors")
    assert digest(run.out / weights) == digest(finished.out / weights)
    card = (run.out / "models" / "lr" / "card.md").read_text()
    assert "Study: Another" in card
    assert "| DR | Water |" in card
    # As if all had been made anew.
    fresh = copied(finished, tmp_path / "fresh", *asked)
    (fresh.out / "factors" / "DR.tif").unlink()
    pipeline.prepare(fresh)
    assert digest(fresh.out / "factors" / "DR.tif") == digest(run.out / "factors" / "DR.tif")


def read(path: Path) -> Any:
    with rasterio.open(path) as src:
        return src.read()


def test_blocks_are_numbered_anew(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "evaluation.block_size=900")
    one = sample_table.load(finished.out / "samples.parquet")
    pipeline.sample(run)
    two = sample_table.load(run.out / "samples.parquet")
    assert (one.counts.block_size, two.counts.block_size) == (1200, 900)
    assert one.table["block_id"].nunique() < two.table["block_id"].nunique()
    assert sample_table.essence(one) == sample_table.essence(two)
    assert run.ledger.is_fresh("samples", run.marks.sample(), run.marks.samples().label)


def test_other_blocks_are_judged_even_where_sample_was_not_run_again(
    finished: pipeline.Run, tmp_path: Path
) -> None:
    asked = ["evaluation.block_size=900", 'evaluation.protocols=["block"]', 'models.use=["lr"]']
    run = copied(finished, tmp_path / "run", *asked)
    pipeline.evaluate(run)
    assert '"block_size": 900' in (run.out / "evaluation.json").read_text()


def test_classes_are_mapped_anew_from_the_map(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "map.breaks=[0.3, 0.7]", "map.applicability=false")
    kept = run.out / "maps" / "lr_probability.tif"
    before = kept.stat().st_mtime_ns
    pipeline.map_(run)
    assert kept.stat().st_mtime_ns == before
    mapped, p = read(run.out / "maps" / "lr_class.tif"), read(kept)
    expected = np.where(np.isnan(p), 0, 1 + (p >= 0.3).astype(int) + (p >= 0.7).astype(int))
    np.testing.assert_array_equal(mapped, expected)
    (run.out / "maps" / "lr_probability.tif").unlink()
    classes = digest(run.out / "maps" / "lr_class.tif")
    pipeline.map_(run)
    assert digest(run.out / "maps" / "lr_class.tif") == classes


def test_another_threshold_fits_nothing(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = copied(finished, tmp_path / "fresh", "evaluation.threshold=0.3", 'models.use=["lr"]')
    for kept in (fresh.ledger.work / "evaluate").iterdir():
        kept.unlink()
    pipeline.evaluate(fresh)
    run = copied(finished, tmp_path / "run", "evaluation.threshold=0.3", 'models.use=["lr"]')
    monkeypatch.setattr(
        "shakeslide.learning.validation.fit", lambda *_: pytest.fail("fitted again")
    )
    pipeline.evaluate(run)
    one, two = (pd.read_csv(r.out / "evaluation.csv") for r in (fresh, run))
    pd.testing.assert_frame_equal(one.drop(columns="fit_s"), two.drop(columns="fit_s"))
    assert one["recall"].mean() > pd.read_csv(finished.out / "evaluation.csv")["recall"].mean()


def test_a_layer_that_changes_during_a_stage_is_found_out(
    site_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(site_study.parent, tmp_path / "site") / "study.toml"
    run = open_run(path, tmp_path / "run")
    write = inputs.stacks.write

    def meanwhile(*arguments: Any) -> None:
        write(*arguments)
        soil = path.with_name("soil.tif")
        soil.write_bytes(soil.read_bytes())

    monkeypatch.setattr(inputs.stacks, "write", meanwhile)
    with pytest.raises(InputError, match=r"soil\.tif: changed while it was read"):
        pipeline.prepare(run)
    assert run.ledger.all_made() == {}
