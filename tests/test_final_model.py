"""The model that is mapped, fitted on all samples, and those that are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shakeslide import pipeline
from shakeslide.evaluation.calibration import Calibration, Platt, correct_prior, fit_isotonic
from shakeslide.geo.grid import Tile
from shakeslide.layers.inventory import CLEAR, SOURCE
from shakeslide.layers.inventory import load as load_inventory
from shakeslide.learning import (
    bundle,
    explanation,
    final_model,
    plans,
    stacking,
    training,
    validation,
)
from shakeslide.pipeline.inputs import ground_of
from shakeslide.sampling import sample_table

from . import small_site as site
from .test_path import copied, digest, read

FEW = {"platt": 10, "isotonic": 10}
"""The small site has fewer rows than a calibration should have."""


def expected_and_mapped(run: pipeline.Run, model: str) -> tuple[float, float]:
    """Share of the usable cells that a map expects to be sources, and that are."""
    whole = Tile((0, 0), 0, site.ROWS, 0, site.COLS)
    standing = load_inventory(run.study.inventory, run.grid()).label(whole).standing
    p = read(run.out / "maps" / f"{model}_probability.tif").astype(float)
    usable = np.isfinite(p) & np.isin(standing, [SOURCE, CLEAR])
    return float(p[usable].mean()), float((standing[usable] == SOURCE).mean())


@pytest.fixture(scope="module")
def calibrated(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    """The small site with calibrated models that are fitted on all samples, mapped."""
    out = tmp_path_factory.mktemp("calibrated") / "run"
    asked = ['models.use=["lr", "rf"]', "map.shows=probability", "map.applicability=false"]
    run = copied(finished, out, "models.calibration=platt", *asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "LEAST", FEW)
        pipeline.train(run)
    pipeline.map_(run)
    return run


@pytest.mark.parametrize("model", ["lr", "rf"])
def test_a_calibrated_map_expects_the_area_that_is_mapped(
    calibrated: pipeline.Run, model: str
) -> None:
    expected, mapped = expected_and_mapped(calibrated, model)
    assert expected == pytest.approx(mapped, rel=0.1)


def test_a_blend_expects_that_area_without_a_calibration_asked_for(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "FEWEST_SOURCES", 10)
    asked = ['models.use=["best"]', 'models.best.members=["lr", "rf"]', "map.applicability=false"]
    asked.append("models.calibration=none")
    run = copied(finished, tmp_path / "run", *asked, "map.shows=probability")
    pipeline.train(run)
    pipeline.map_(run)
    expected, mapped = expected_and_mapped(run, "best")
    assert expected == pytest.approx(mapped, rel=0.1)


@pytest.mark.parametrize("model", ["lr", "rf"])
def test_a_samples_probability_is_its_map_value(calibrated: pipeline.Run, model: str) -> None:
    samples = sample_table.load(calibrated.out / "samples.parquet")
    fitted = bundle.load(calibrated.out / "models" / model)
    about, t = fitted.about, samples.table
    p = correct_prior(fitted.predict(samples.raw), about.sample_share, about.prevalence)
    mapped = read(calibrated.out / "maps" / f"{model}_probability.tif")
    assert (p == mapped[t.row, t.col]).all()


def test_the_mapped_model_is_fitted_on_all_samples_and_the_judged_one_is_not(
    finished: pipeline.Run,
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    split = plans.chosen_splits(samples, "pixel", finished.plan(samples))[0]
    folder = finished.out / "models" / "rf"
    mapped, judged = (bundle.load(f).about for f in (folder, folder / "judged"))
    assert (mapped.rows, mapped.fitted_on) == (len(samples.table), "all")
    assert (judged.rows, judged.fitted_on) == (len(split.train), "training")
    assert "Fitted on all samples" in (folder / "card.md").read_text(encoding="utf-8")


def test_nothing_fitted_on_all_samples_is_judged_or_explained(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(finished, tmp_path / "run", 'models.use=["lr"]', 'evaluation.protocols=["pixel"]')
    for kept in (run.ledger.work / "evaluate").iterdir():
        kept.unlink()
    rows = []

    def noted(module: Any, name: str) -> None:
        before = getattr(module, name)

        def call(model: bundle.FittedModel, *arguments: Any) -> Any:
            rows.append(model.about.rows)
            return before(model, *arguments)

        monkeypatch.setattr(module, name, call)

    noted(validation, "judge")
    noted(explanation, "explain")
    pipeline.evaluate(run)
    pipeline.explain(run)
    count = len(sample_table.load(run.out / "samples.parquet").table)
    assert len(rows) == 2 + 1  # repeats, and the model explained
    assert max(rows) <= 0.25 * count


def test_the_papers_preset_maps_the_judged_models(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(
        finished, tmp_path / "run", "study.preset=paper", 'models.use=["lr", "rf"]',
        "map.applicability=false",
    )  # fmt: skip
    pipeline.train(run)
    pipeline.map_(run)
    samples = sample_table.load(run.out / "samples.parquet")
    plan = run.plan(samples)
    split = plans.chosen_splits(samples, "pixel", plan)[:1]
    t = samples.table
    for name in ("lr", "rf"):
        folder, weights = run.out / "models" / name, "weights.safetensors"
        before = finished.out / "models" / name / "judged" / weights
        assert digest(folder / weights) == digest(before)
        (fit,) = validation.fit(run.models.recipe(name), samples, split, plan)
        mapped = read(run.out / "maps" / f"{name}_probability.tif")
        assert (mapped[t.row, t.col] == fit.model.predict(samples.raw)).all()
        about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["about"]
        assert about["fitted_on"] == "training"


def test_scores_are_the_same_whatever_is_mapped(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "map.fitted_on=training")
    assert run.marks.evaluation() == finished.marks.evaluation()
    (run.out / "evaluation.csv").unlink()
    pipeline.train(run)
    pipeline.evaluate(run)
    one, two = (pd.read_csv(r.out / "evaluation.csv") for r in (finished, run))
    pd.testing.assert_frame_equal(one, two)


# ------------------------------------------------------------------ the level


def drawn(memory: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of cells whose calibrated odds are one: labels, held out, and as fitted."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], 4000)
    z = rng.normal(2.0 * y - 1.0, np.sqrt(2.0))  # the log-odds themselves
    return y, z, z + memory * y


def probability(z: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-z))).astype(np.float32)


@pytest.mark.parametrize("memory", [0.0, 1.0])
@pytest.mark.parametrize("isotonic", [False, True])
def test_the_level_makes_up_for_what_a_model_remembers(memory: float, isotonic: bool) -> None:
    y, held_out, fitted = drawn(memory)
    start: Calibration = Platt(1.0, 0.0)
    if isotonic:
        start = fit_isotonic(y, probability(held_out))
    sources, clear = probability(fitted[y == 1]), probability(held_out[y == 0])
    level = final_model.levelled(start, sources, clear, 0.5, 0.02)
    p = [correct_prior(level.apply(v.astype(float)), 0.5, 0.02).mean() for v in (sources, clear)]
    assert 0.02 * p[0] + 0.98 * p[1] == pytest.approx(0.02, rel=1e-4)
    if isinstance(level, Platt):
        assert level.slope == 1.0
        assert level.intercept < -0.05 if memory else abs(level.intercept) < 0.05


def test_some_source_cells_stand_for_all_of_a_large_map(
    finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    monkeypatch.setattr(final_model, "SOURCE_CELLS", 7)
    monkeypatch.setattr(final_model, "CLEAR_CELLS", 50)
    ground = ground_of(finished, samples)
    assert np.bincount(ground.label).tolist() == [50, 7]
    assert ground.prevalence == samples.prevalence
