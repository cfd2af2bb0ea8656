"""Every experiment on the small site: what it leaves, and that it equals direct computation."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score, silhouette_score

from shakeslide import paper, pipeline
from shakeslide.cli.app import main
from shakeslide.core.errors import InputError
from shakeslide.evaluation import intervals
from shakeslide.evaluation.splits import Split
from shakeslide.geo.grid import tiles
from shakeslide.layers import inventory
from shakeslide.layers.inventory import CLEAR, SOURCE
from shakeslide.learning import bundle, explanation, plans, training, validation
from shakeslide.paper import (
    bench,
    claims,
    experiments,
    features,
    parts_of_map,
    printed_figures,
    published,
    summaries,
)
from shakeslide.paper.scale import PAPER, QUICK
from shakeslide.paper.summaries import MeanDifference
from shakeslide.report import figures, words
from shakeslide.results.evaluation_file import Result

from ..conftest import open_run
from .conftest import TINY, Reproduced, reopened

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of tests that make experiments again have few pixels, for they are not looked at."""
    monkeypatch.setattr(figures, "DPI", 30)


def table(made: Reproduced, name: str) -> pd.DataFrame:
    return pd.read_csv(made.folder / f"{name}.csv")


def text(made: Reproduced, name: str) -> dict:
    return json.loads((made.folder / f"{name}.json").read_text())


def direct(made: Reproduced, name: str, **changes: object) -> list[np.ndarray]:
    """Fit a model on each split without the bench; return the probabilities of the test rows."""
    b = made.bench
    recipe = made.run.models.recipe(name)
    if name == "sae":
        changes = {"steps": TINY.steps, "pretrain_steps": TINY.pretrain_steps, **changes}
    recipe = replace(recipe, params={**recipe.params, **changes})
    fits = validation.fit(recipe, b.samples, b.splits, b.plan)
    return [f.model.predict(b.samples.raw[s.test]) for f, s in zip(fits, b.splits, strict=True)]


def accuracies(made: Reproduced, told: list[np.ndarray]) -> list[float]:
    y, splits = made.bench.samples.label, made.bench.splits
    return [accuracy_score(y[s.test], p >= 0.5) for s, p in zip(splits, told, strict=True)]


# ------------------------------------------------------------------ files


@pytest.mark.slow
@pytest.mark.parametrize("name", list(paper.EXPERIMENTS))
def test_each_leaves_values_settings_and_figures(reproduced: Reproduced, name: str) -> None:
    values, said = table(reproduced, name), text(reproduced, name)
    assert len(values) > 0
    assert set(values["protocol"]) == {"pixel"}
    assert set(values["scale"]) == {"tiny"}
    assert said["id"] == name
    assert said["seed"] == 7
    assert said["samples"] == reproduced.run.marks.sample()
    assert said["shakeslide"]
    assert said["libraries"]["numpy"] == np.__version__
    assert said["seconds"] > 0
    assert said["settings"]
    reduced = "; ".join(said["reductions"])
    assert {"" if pd.isna(v) else v for v in values["reduced"]} == {reduced}
    assert not said["reductions"] or reduced in said["caption"]
    with Image.open(reproduced.folder / f"{name}.png") as image:
        assert np.allclose(image.info["dpi"], 300, atol=1)
        assert np.unique(np.asarray(image.convert("L"))).size > 5
    svg = ElementTree.parse(reproduced.folder / f"{name}.svg").getroot()
    assert svg.tag.endswith("svg")


def test_models_state_all_their_settings(judged: Reproduced) -> None:
    said = text(judged, "T5")["settings"]["models"]
    assert list(said) == list(bench.MODELS)
    assert said["sae"]["params"]["units"] == [8, 8]
    assert said["sae"]["params"]["steps"] == TINY.steps
    assert said["svm"]["params"]["gamma"] == 0.001
    assert said["rf"]["angles"] == judged.run.models.recipe("rf").angles
    assert "2 splits (paper: 20)" in text(judged, "T5")["reductions"]


def test_the_paper_scale_is_the_papers() -> None:
    assert (PAPER.repeats, PAPER.steps) == (20, 20_000)
    assert PAPER.counts_of(14) == list(range(1, 15))
    assert set(np.diff(PAPER.units)) == {2}
    assert PAPER.depths == (1, 2, 3, 4, 5, 6)
    assert QUICK.counts_of(5) == [1, 2, 3, 5]


# ------------------------------------------------------------------ values


def test_published_figures() -> None:
    # Table 5 of Remote Sens. 2021, 13, 3436.
    rows = [[100 * published.SCORES[m][k].mean for k in ("oa", "precision", "recall")]
            for m in ("lr", "svm", "rf", "sae")]  # fmt: skip
    assert rows == [
        pytest.approx([80.75, 79.10, 80.33]),
        pytest.approx([82.22, 80.70, 82.07]),
        pytest.approx([84.16, 81.93, 84.40]),
        pytest.approx([91.88, 87.56, 91.40]),
    ]
    assert "roc_auc" not in published.SCORES["sae"]


def test_scores_equal_direct_fits(judged: Reproduced) -> None:
    rows = table(judged, "T5").set_index("model")
    y, splits = judged.bench.samples.label, judged.bench.splits
    for name in ("lr", "sae"):
        told = direct(judged, name)
        oa = accuracies(judged, told)
        auc = [roc_auc_score(y[s.test], p) for s, p in zip(splits, told, strict=True)]
        assert rows.loc[name, "oa_mean"] == pytest.approx(np.mean(oa))
        assert rows.loc[name, "oa_sd"] == pytest.approx(np.std(oa, ddof=1))
        assert rows.loc[name, "roc_auc_mean"] == pytest.approx(np.mean(auc))
        # Two splits do not say how far scores vary.
        assert np.isnan(rows.loc[name, ["oa_low", "oa_high"]].astype(float)).all()
    assert rows.loc["sae", "published_oa_mean"] == 0.9188
    areas = table(judged, "F9").set_index("model")
    assert areas.loc["rf", "published_roc_auc_mean"] == 0.89
    assert np.isnan(areas.loc["sae", "published_roc_auc_mean"])
    assert areas["roc_auc_mean"].to_dict() == pytest.approx(rows["roc_auc_mean"].to_dict())


def test_confusion_adds_up(judged: Reproduced) -> None:
    rows = table(judged, "T1").set_index("model")
    splits, y = judged.bench.splits, judged.bench.samples.label
    cells = sum(len(s.test) for s in splits)
    assert (rows[["tp", "fp", "fn", "tn"]].sum(axis=1) == cells).all()
    told = direct(judged, "lr")
    tp = sum(int(((p >= 0.5) & (y[s.test] == 1)).sum()) for s, p in zip(splits, told, strict=True))
    assert rows.loc["lr", "tp"] == tp
    curve = table(judged, "F9_curve")
    assert (curve.groupby("model")["tpr"].diff().dropna() >= 0).all()


def test_counts(judged: Reproduced) -> None:
    rows = table(judged, "T2").set_index("category")
    y, split = judged.bench.samples.label, judged.bench.splits[0]
    positive = judged.bench.samples.positives.cell.split()[0]
    assert rows.loc[positive, "cells"] == (y == 1).sum()
    assert rows.loc["clear", "training"] == (y[split.train] == 0).sum()
    assert rows.loc["total", "testing"] == len(split.test)
    assert rows.loc["total", "published_testing"] == 655_512 * 2


@pytest.mark.slow
def test_learning_rates_and_structures_equal_direct_fits(reproduced: Reproduced) -> None:
    rows = table(reproduced, "T4").set_index("learning_rate")
    assert list(rows.index) == list(printed_figures.LEARNING_RATES)
    oa = accuracies(reproduced, direct(reproduced, "sae", learning_rate=0.1))
    assert rows.loc[0.1, "oa_mean"] == pytest.approx(np.mean(oa))
    assert rows.loc[0.1, "published_oa_mean"] == 0.8549
    structure = table(reproduced, "F6").set_index(["sweep", "value"])
    assert list(structure.index) == [("units", 4), ("units", 6), ("depth", 1), ("depth", 2)]
    deep = accuracies(reproduced, direct(reproduced, "sae", units=(8,)))
    assert structure.loc[("depth", 1), "oa_mean"] == pytest.approx(np.mean(deep))
    wide = accuracies(reproduced, direct(reproduced, "sae", units=(6, 6)))
    assert structure.loc[("units", 6), "oa_mean"] == pytest.approx(np.mean(wide))


@pytest.mark.slow
def test_the_curve_ends_where_a_plain_fit_does(reproduced: Reproduced) -> None:
    rows = table(reproduced, "F7")
    assert list(rows["step"]) == [20, 40, 60]
    told = accuracies(reproduced, direct(reproduced, "sae", steps=60))
    assert rows["test_oa_mean"].iloc[-1] == pytest.approx(np.mean(told))
    b = reproduced.bench
    recipe = b.recipe("sae", steps=60)
    fits = validation.fit(recipe, b.samples, b.splits, b.plan)
    y = b.samples.label
    train = [
        np.mean((f.model.predict(b.samples.raw[s.train]) >= 0.5) == y[s.train])
        for f, s in zip(fits, b.splits, strict=True)
    ]
    assert rows["train_oa_mean"].iloc[-1] == pytest.approx(np.mean(train))


@pytest.mark.slow
def test_factors_are_ranked_on_training_rows(reproduced: Reproduced) -> None:
    b, rows = reproduced.bench, table(reproduced, "F12").set_index(["model", "factors"])
    assert sorted(set(rows.index.get_level_values(1))) == [1, 3, 7, 14]
    whole = table(reproduced, "T5").set_index("model")
    for name in bench.MODELS:
        assert rows.loc[(name, 14), "oa_mean"] == pytest.approx(whole.loc[name, "oa_mean"])
    oa = []
    for split in b.splits:
        gains = explanation.information_gain(b.samples, split.train)
        best = [g.code for g in gains[:3]]
        few = bench.with_factors(b.samples, best)
        assert [f.code for f in few.factors] == [c for c in b.codes if c in best]
        fit = validation.fit(reproduced.run.models.recipe("rf"), few, [split], b.plan)[0]
        p = fit.model.predict(few.raw[split.test])
        oa.append(accuracy_score(b.samples.label[split.test], p >= 0.5))
    assert rows.loc[("rf", 3), "oa_mean"] == pytest.approx(np.mean(oa))
    gain = table(reproduced, "F12_gain")
    assert (gain["gain_mean"].diff().dropna() <= 0).all()
    first = explanation.information_gain(b.samples, b.splits[0].train)
    second = explanation.information_gain(b.samples, b.splits[1].train)
    bits = [{g.code: g.bits for g in one} for one in (first, second)]
    code = gain["code"].iloc[0]
    assert gain["gain_mean"].iloc[0] == pytest.approx((bits[0][code] + bits[1][code]) / 2)


def test_the_factors_are_described_as_their_files(judged: Reproduced) -> None:
    rows = table(judged, "F5").set_index("code")
    assert list(rows.index) == judged.bench.codes
    with rasterio.open(judged.run.out / "factors" / "SLO.tif") as src:
        slope = src.read(1)
    assert rows.loc["SLO", "median"] == pytest.approx(np.nanmedian(slope))
    assert rows.loc["SLO", "max"] == pytest.approx(np.nanmax(slope))
    assert rows.loc["SLO", "unit"] == "deg"
    assert rows.loc["LITH", "classes"] >= 3


def test_maps_are_counted_cell_by_cell(judged: Reproduced) -> None:
    rows = table(judged, "F8").set_index("model")
    for name in rows.index:
        with rasterio.open(judged.run.out / "maps" / f"{name}_probability.tif") as src:
            p = src.read(1)
        assert rows.loc[name, "called_cells"] == (p >= 0.5).sum()
        assert rows.loc[name, "cells"] == np.isfinite(p).sum()


def test_the_threshold_follows_what_a_map_shows(finished: pipeline.Run, tmp_path: Path) -> None:
    """Corrected to the area's share of sources, fewer cells are above 0.5, but no fewer called."""
    run = reopened(
        finished, tmp_path / "run", 'map.shows="probability"', "map.applicability=false",
        'map.models=["rf"]',
    )  # fmt: skip
    pipeline.map_(run)
    folder = paper.run(run, ["F8"], TINY)
    row = pd.read_csv(folder / "F8.csv").iloc[0]
    with rasterio.open(finished.out / "maps" / "rf_probability.tif") as src:
        plain = src.read(1)
    assert row["map_threshold"] < 0.4
    assert row["called_cells"] == pytest.approx((plain >= 0.5).sum(), rel=0.01)


def test_an_area_of_a_polygon_without_area_is_refused(opened: Reproduced, tmp_path: Path) -> None:
    grid, path = opened.run.grid(), tmp_path / "flat.gpkg"
    box = grid.boundingbox
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    flat = shapely.Polygon([(x, y), (x + 500, y), (x + 250, y)])
    gpd.GeoDataFrame(geometry=[flat], crs=grid.crs.to_wkt()).to_file(path)
    with pytest.raises(InputError, match=r"flat\.gpkg \(--area\): .* length or area"):
        parts_of_map.chosen_area(grid, opened.bench.samples, path)


@pytest.mark.slow
def test_the_area_is_judged_by_the_inventory(reproduced: Reproduced) -> None:
    run, rows = reproduced.run, table(reproduced, "F11").set_index("model")
    area = parts_of_map.chosen_area(run.grid(), reproduced.bench.samples, None)
    t = area.tile
    assert (t.row1 - t.row0, t.col1 - t.col0) == (100, 100)
    model = bundle.load(run.models.folder("judged-sae"))  # that the experiments judge and map
    raw = []
    for info in model.factors:
        with rasterio.open(run.out / "factors" / f"{info.code}.tif") as src:
            raw.append(src.read(1)[t.row0 : t.row1, t.col0 : t.col1].ravel())
    cells = np.stack(raw, axis=1)
    valid = np.isfinite(cells).all(axis=1)
    p = np.full(len(cells), np.nan, np.float32)
    p[valid] = model.predict(cells[valid])
    p = p.reshape(t.row1 - t.row0, t.col1 - t.col0)
    landslides = inventory.load(run.study.inventory, run.grid(), run.masks())
    whole = tiles(run.grid(), 10**6)[0]
    standing = landslides.label(whole).standing[t.row0 : t.row1, t.col0 : t.col1]
    called = p >= 0.5
    known = np.isfinite(p)
    assert rows.loc["sae", "hits"] == (called & (standing == SOURCE)).sum()
    assert rows.loc["sae", "clear_cells"] == (known & (standing == CLEAR)).sum()
    assert rows.loc["sae", "false_alarms"] == (called & (standing == CLEAR)).sum()


@pytest.mark.slow
def test_an_area_of_ones_own(reproduced: Reproduced, tmp_path: Path) -> None:
    """A triangle: cells whose centres lie outside are not counted."""
    import geopandas as gpd
    import shapely

    from .. import small_site as site

    corner = [site.point(20, 20), site.point(80, 20), site.point(20, 90)]
    path = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.Polygon(corner)], crs=site.CRS).to_file(path)
    run = reopened(reproduced.run, tmp_path / "run")
    folder = paper.run(run, ["F11"], TINY, area=path)
    rows = pd.read_csv(folder / "F11.csv")
    y, x = np.mgrid[0 : site.ROWS, 0 : site.COLS] + 0.5
    inside = (x > 20) & (y > 20) & ((x - 20) / 60 + (y - 20) / 70 < 1)
    with rasterio.open(run.out / "maps" / "sae_probability.tif") as src:
        known = np.isfinite(src.read(1))
    assert rows["cells"].iloc[0] == (inside & known).sum()


@pytest.mark.slow
def test_units_and_layers_equal_direct_computation(reproduced: Reproduced) -> None:
    b = reproduced.bench
    model = bundle.load(reproduced.run.models.folder(reproduced.run.models.judged("sae")))
    units = table(reproduced, "F10")
    assert list(units.groupby("layer")["unit"].count()) == [8, 8]
    split, y = b.splits[0], b.samples.label
    x = model.estimator.transform(model.encoder.transform(b.samples.raw[split.train]), 2)
    source = x[y[split.train] == 1].mean(axis=0)
    top = units[units["layer"] == 2].sort_values("unit")
    assert np.allclose(top["mean_source"], source, atol=1e-6)
    assert np.allclose(top["weight_source"], model.estimator.weights_[-1][1])
    layers = table(reproduced, "F10_layers")
    recipe = b.recipe("sae")
    fits = validation.fit(recipe, b.samples, b.splits, b.plan)
    oa = []
    for fit, s in zip(fits, b.splits, strict=True):
        sides = [
            fit.model.estimator.transform(fit.model.encoder.transform(b.samples.raw[r]), 1)
            for r in (s.train, s.test)
        ]
        centre, spread = sides[0].mean(axis=0), sides[0].std(axis=0)
        z = [(side - centre) / spread for side in sides]
        probe = LogisticRegression(max_iter=1000).fit(z[0], y[s.train])
        oa.append(probe.score(z[1], y[s.test]))
    assert layers.loc[1, "oa_mean"] == pytest.approx(np.mean(oa), abs=0.01)


def test_silhouette_and_fisher_ratio() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    x = (rng.normal(size=(200, 4)) + y[:, None] * [1.5, 0, 0, 1]).astype(np.float32)
    assert features.silhouette(x, y) == pytest.approx(silhouette_score(x, y), abs=1e-6)
    apart = np.array([[0.0], [2.0], [10.0], [12.0]], np.float32)
    assert features.fisher_ratio(apart, np.array([0, 0, 1, 1])) == pytest.approx(100 / 4)


# ------------------------------------------------------------------ claims


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.001, 0.02, "gain"),
        (-0.02, 0.004, "no gain"),
        (0.001, 0.004, "no gain"),
        (-0.01, 0.02, "inconclusive"),
        (np.nan, np.nan, "inconclusive"),
    ],
)
def test_gain(low: float, high: float, said: str) -> None:
    assert claims.gain(MeanDifference(0.0, low, high)) == said


@pytest.mark.parametrize("count", [1, 4, 5, 6])
def test_intervals_need_five_splits(count: int) -> None:
    rows = np.arange(10)
    splits = [Split("pixel", k, 0, rows[:6], rows[6:]) for k in range(count)]
    first, second = np.random.default_rng(0).random((2, count))
    sizes = [6] * count, [4] * count
    told = summaries.difference(first, second, splits)
    ends = summaries.interval(first, splits)
    assert told.mean == pytest.approx(np.mean(first - second))
    if count < 5:
        assert np.isnan([*ends, *told.ends]).all()
        assert "too few" in claims._points(told)
        return
    wanted = intervals.corrected_interval(first, *sizes)
    assert ends == pytest.approx((wanted.low, wanted.high))
    assert told.high == intervals.paired_difference(first, second, *sizes).high
    assert "too few" not in claims._points(told)


@pytest.mark.slow
def test_claims_are_told_with_intervals(reproduced: Reproduced) -> None:
    told = json.loads((reproduced.folder / "claims.json").read_text())["claims"]
    assert [c["claim"] for c in told] == ["lead", "factors", "depth"]
    assert {c["verdict"] for c in told} <= {"holds", "does not hold", "inconclusive"}
    oa = {m: accuracies(reproduced, direct(reproduced, m)) for m in ("rf", "sae")}
    sizes = [[len(s.train) for s in reproduced.bench.splits],
             [len(s.test) for s in reproduced.bench.splits]]  # fmt: skip
    ahead = intervals.paired_difference(oa["sae"], oa["rf"], *sizes)
    # Of two splits only drawing landslides anew tells how sure the lead is.
    assert told[0]["differences"]["rf"]["low"] is None
    assert told[0]["bootstrap"]["rf"]["low"] <= ahead.estimate
    assert told[0]["verdict"] == "inconclusive"
    assert "too few" in told[0]["finding"]
    assert told[0]["bootstrap"]["rf"]["mean"] == pytest.approx(ahead.estimate)
    tested = claims.read(reproduced.folder)
    assert [json.loads(json.dumps(claims.to_values(c))) for c in tested] == told
    assert claims.verdict_line(tested[0]).startswith(told[0]["verdict"])


def result(oa: float, cells: int) -> Result:
    scores = SimpleNamespace(of=lambda measure: {"oa": oa}[measure])
    return Result(SimpleNamespace(balanced=scores), np.zeros(cells, np.float32))


@pytest.mark.parametrize(
    ("sae", "rf", "said"),
    [
        ([0.80, 0.86, 0.90], [0.84, 0.84, 0.84], "holds"),
        ([0.84, 0.84, 0.84], [0.84, 0.84, 0.84], "does not hold"),
        ([0.80, 0.86, 0.90], [0.80, 0.83, 0.86], "does not hold"),
    ],
)
def test_the_claim_of_factors(
    opened: Reproduced, sae: list[float], rf: list[float], said: str
) -> None:
    several = replace(opened.bench, splits=opened.bench.splits * 3)
    tested = [len(split.test) for split in several.splits]
    by = {
        name: {
            k: [result(v + 0.0001 * i, n) for i, n in enumerate(tested)]
            for k, v in zip((1, 7, 14), oa, strict=True)
        }
        for name, oa in (("rf", rf), ("sae", sae))
    }
    assert claims.factors(several, by, 14).verdict == said
    assert claims.factors(several, by, 7).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("oa", "said"),
    [
        ([0.70, 0.75, 0.80], "holds"),
        ([0.70, 0.80, 0.80], "does not hold"),
        ([0.70, 0.80, 0.75], "does not hold"),
        ([0.70, 0.80, 0.75, 0.85], "holds"),
        ([0.70, 0.80], "inconclusive"),
    ],
)
def test_the_claim_of_depth(opened: Reproduced, oa: list[float], said: str) -> None:
    values = [np.array([v, v + 0.0001] * 3) for v in oa]
    measures = {"oa": values, "fisher": values, "silhouette": values}
    several = replace(opened.bench, splits=opened.bench.splits * 3)
    assert claims.depth(several, measures).verdict == said


# ------------------------------------------------------------------ going on, other protocols


@pytest.mark.slow
def test_a_second_run_fits_nothing(
    reproduced: Reproduced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = reopened(reproduced.run, tmp_path / "run")
    before = {n: table(reproduced, n) for n in ("T4", "T5", "F6", "F7", "F12")}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(training, "fit", never)
    monkeypatch.setattr(bench, "fit_members", never)
    folder = paper.run(run, ["t4,T5", "F6", "F7,F12"], TINY)
    for name, values in before.items():
        pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), values)
    with pytest.raises(AssertionError, match="fitted again"):
        paper.run(run, ["T4"], replace(TINY, steps=41))


def test_a_stopped_run_loses_one_batch(
    finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = reopened(finished, tmp_path / "run")
    real, done = training.fit, []

    def stopping(recipe: training.Recipe, *rest: object) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(recipe.name)
        return real(recipe, *rest)

    monkeypatch.setattr(training, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        paper.run(run, ["T5"], TINY)
    done.clear()
    monkeypatch.setattr(training, "fit", lambda r, *a: done.append(r.name) or real(r, *a))
    paper.run(run, ["T5"], TINY)
    # Three fits were kept: both of lr, the first of svm.
    assert done == ["svm", "rf", "rf", "sae"]


def test_damaged_fits_are_made_again(
    judged: Reproduced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = reopened(judged.run, tmp_path / "run")
    before = table(judged, "T5")
    cache = run.ledger.work / "reproduce"
    first, second = (
        cache / f"{judged.bench.mark(judged.bench.recipe('lr'), s)}.npz"
        for s in judged.bench.splits
    )
    first.write_bytes(first.read_bytes()[:200])
    np.savez(second, told=np.array([1]), probability=np.zeros(3))
    real, done = training.fit, []
    monkeypatch.setattr(training, "fit", lambda r, *a: done.append(r.name) or real(r, *a))
    folder = paper.run(run, ["T5"], TINY)
    assert done == ["lr", "lr"]
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "T5.csv").filter(regex="oa|precision"), before.filter(regex="oa|prec")
    )


def test_damaged_models_are_made_again(opened: Reproduced, tmp_path: Path) -> None:
    run = reopened(opened.run, tmp_path / "run")
    b = bench.open_bench(run, "pixel", TINY)
    recipe = b.recipe("fr")
    model = b.models(recipe, b.splits[:1])[0]
    weights = b.cache / b.mark(recipe, b.splits[0]) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    again = b.models(recipe, b.splits[:1])[0]
    raw = b.samples.raw[:100]
    np.testing.assert_array_equal(again.predict(raw), model.predict(raw))


def test_other_samples_are_fitted_anew(opened: Reproduced) -> None:
    b = opened.bench
    recipe, split = b.recipe("lr"), b.splits[0]
    same = b.mark(recipe, split)
    assert b.mark(recipe, split, b.codes) == same
    assert b.mark(recipe, split, b.codes[:3]) != same
    assert b.mark(recipe, b.splits[1]) != same
    assert b.mark(b.recipe("lr", C=2.0), split) != same
    assert b.mark(recipe, replace(split, train=split.train[1:])) != same


@pytest.mark.slow
def test_blocks_are_held_out(reproduced: Reproduced, tmp_path: Path) -> None:
    run = reopened(reproduced.run, tmp_path / "run")
    folder = paper.run(run, ["T5", "F10", "F11"], TINY, "block")
    assert folder == run.out / "reproduce" / "block"
    b = bench.open_bench(run, "block", TINY)
    assert [s.protocol for s in b.splits] == ["block", "block"]
    chosen = plans.chosen_splits(b.samples, "block", run.plan(b.samples))
    assert np.array_equal(b.splits[0].test, chosen[0].test)
    rows = pd.read_csv(folder / "T5.csv").set_index("model")
    fits = validation.fit(run.models.recipe("lr"), b.samples, b.splits, b.plan)
    oa = [
        np.mean((f.model.predict(b.samples.raw[s.test]) >= 0.5) == b.samples.label[s.test])
        for f, s in zip(fits, b.splits, strict=True)
    ]
    assert rows.loc["lr", "oa_mean"] == pytest.approx(np.mean(oa))
    area = pd.read_csv(folder / "F11.csv")
    assert area["trained_on"].iloc[0] < area["sampled_cells"].iloc[0]
    assert (run.out / "reproduce" / "T5.csv").exists()


# ------------------------------------------------------------------ wrong input


def test_an_unknown_experiment_is_named_with_the_right_ones(
    finished: pipeline.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source = next(iter(finished.study.layers.values())).path.parent / "study.toml"
    code = main(["reproduce", str(source), "--out", str(finished.out), "--only", "T5,F3", "-q"])
    said = capsys.readouterr().err
    assert code == 2
    assert "F3" in said
    assert all(name in said for name in paper.EXPERIMENTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"scale": "huge"}, "--scale huge: one of quick, paper"),
        ({"protocol": "event"}, "--protocol event: one of pixel"),
        ({"only": ["F10"], "tile": "9,9"}, "--tile 9,9: give row,col"),
        ({"only": ["F10"], "tile": "1"}, "--tile 1: give row,col"),
    ],
)
def test_wrong_options(opened: Reproduced, arguments: dict, said: str) -> None:
    given = {"scale": TINY} | arguments
    with pytest.raises(InputError, match=said):
        paper.run(opened.run, **given)


def test_missing_artefacts_are_named(site_study: Path, tmp_path: Path) -> None:
    run = open_run(site_study, tmp_path / "run")
    with pytest.raises(InputError, match=r"samples is not made yet.*shakeslide sample"):
        paper.run(run, ["T5"], TINY)


def test_what_lacks_maps_is_left_out_unless_asked_for(
    finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = reopened(finished, tmp_path / "run", 'map.shows="probability"')
    said: list[str] = []
    monkeypatch.setattr(type(run.reporter), "say", lambda _, text: said.append(text))
    b = bench.open_bench(run, "pixel", TINY)
    possible = experiments._possible(b, list(paper.EXPERIMENTS), asked=False)
    assert possible == [n for n in paper.EXPERIMENTS if n != "F8"]
    assert len(said) == 1
    assert "F8 is left out" in said[0]
    assert "shakeslide map" in said[0]
    with pytest.raises(InputError, match="shakeslide map"):
        paper.run(run, ["T2,F8"], TINY)
    assert not (run.out / "reproduce" / "T2.csv").exists()


def test_a_tile_is_chosen(opened: Reproduced) -> None:
    run, samples = opened.run, opened.bench.samples
    tile = parts_of_map.chosen_tile(run.grid(), run.tile(), samples, "1,2")
    assert (tile.row0, tile.col0) == (64, 128)
    fullest = parts_of_map.chosen_tile(run.grid(), run.tile(), samples, None)
    source = samples.table[samples.label == 1]
    inside = [
        (
            source["row"].between(t.row0, t.row1 - 1) & source["col"].between(t.col0, t.col1 - 1)
        ).sum()
        for t in tiles(run.grid(), run.tile())
    ]
    here = (
        source["row"].between(fullest.row0, fullest.row1 - 1)
        & source["col"].between(fullest.col0, fullest.col1 - 1)
    ).sum()
    assert here == max(inside)


def test_only_takes_lists() -> None:
    assert experiments.chosen([]) == list(paper.EXPERIMENTS)
    assert experiments.chosen(["f9,t4", "T1"]) == ["T1", "T4", "F9"]


@pytest.mark.slow
def test_the_page(reproduced: Reproduced, tmp_path: Path) -> None:
    path = paper.write_page([reproduced.folder], tmp_path / "docs" / "paper.md")
    page = path.read_text()
    told = json.loads((reproduced.folder / "claims.json").read_text())["claims"]
    for claim in told:
        assert f"**{claim['verdict']}**" in page
        assert claim["finding"][1:] in page
    took = sum(text(reproduced, name)["seconds"] for name in paper.EXPERIMENTS)
    assert f"12 tables and figures took {words.seconds(took)}." in page
    row = table(reproduced, "T5").set_index("model").loc["rf"]
    assert f"{100 * row['oa_mean']:.2f} ± {100 * row['oa_sd']:.2f} | 84.16 ± 0.22" in page
    assert "79.6, 81.2, 82.9, 89.2" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (path.parent / line.split("(")[1].rstrip(")")).is_file()
    with pytest.raises(InputError, match="holds no results"):
        paper.write_page([tmp_path], path)
    mixed = tmp_path / "mixed"
    shutil.copytree(reproduced.folder, mixed)
    said = json.loads((mixed / "T2.json").read_text()) | {"samples": "others"}
    (mixed / "T2.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="different samples"):
        paper.write_page([mixed], path)


@pytest.mark.slow
def test_a_study_that_calibrates_is_not_calibrated_here(
    reproduced: Reproduced, tmp_path: Path
) -> None:
    """A network that learnt nothing cannot be; the paper's lowest learning rate makes such."""
    run = reopened(reproduced.run, tmp_path / "run", "models.calibration=platt")
    assert run.models.recipe("sae").calibration == "platt"
    folder = paper.run(run, only=["T4"], scale=TINY)
    told = json.loads((folder / "T4.json").read_text())
    assert {m["calibration"] for m in told["settings"]["models"].values()} == {"none"}
    pd.testing.assert_frame_equal(pd.read_csv(folder / "T4.csv"), table(reproduced, "T4"))
