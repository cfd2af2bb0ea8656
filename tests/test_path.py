"""The whole path on a small site: the same numbers everywhere, whatever the machine does."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.factors import stack as stacks
from shakeslide.geo.grid import Tile
from shakeslide.layers.inventory import CLEAR, SOURCE
from shakeslide.layers.inventory import load as load_inventory
from shakeslide.learning import bundle, plans, validation
from shakeslide.results.evaluation_file import known_result
from shakeslide.sampling import sample_table

from . import small_site as site
from .conftest import open_run

MODELS = ["lr", "svm", "rf", "sae"]


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as src:
        return src.read(1)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_contracts_files_are_there(finished: pipeline.Run) -> None:
    out = finished.out
    for code in finished.codes:
        with rasterio.open(out / "factors" / f"{code}.tif") as src:
            assert src.dtypes[0] == "float32"
            assert np.isnan(src.nodata)
            assert src.profile["tiled"]
            assert src.tags()["code"] == code
            assert "unit" in src.tags()
            assert "source" in src.tags()
    for model in MODELS:
        assert (out / "models" / model / "manifest.json").is_file()
        with rasterio.open(out / "maps" / f"{model}_probability.tif") as src:
            assert src.dtypes[0] == "float32"
            assert np.isnan(src.nodata)
            assert src.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert read(out / "maps" / f"{model}_class.tif").dtype == np.uint8
        assert "<qgis" in (out / "maps" / f"{model}_probability.qml").read_text()
    assert not list((out / ".work").glob("shards/*/*"))


def test_samples_have_the_contracts_columns(finished: pipeline.Run) -> None:
    table = pd.read_parquet(finished.out / "samples.parquet")
    fixed = ["x", "y", "row", "col", "label", "landslide_id", "block_id", "event"]
    assert list(table.columns) == fixed + finished.codes
    assert (table.label == 1).sum() == (table.label == 0).sum() > 300
    assert (table.event == 0).all()
    assert (table.landslide_id[table.label == 0] == 0).all()
    assert (table.landslide_id[table.label == 1] > 0).all()
    assert not table.duplicated(["row", "col"]).any()


def test_samples_hold_the_factors_values(finished: pipeline.Run) -> None:
    table = pd.read_parquet(finished.out / "samples.parquet")
    for code in finished.codes:
        values = read(finished.out / "factors" / f"{code}.tif")
        assert (values[table.row, table.col] == table[code].to_numpy(np.float32)).all()


def test_a_sample_has_its_cells_centre(finished: pipeline.Run) -> None:
    table = pd.read_parquet(finished.out / "samples.parquet")
    assert np.allclose(table.x, site.WEST + (table.col + 0.5) * site.CELL)
    assert np.allclose(table.y, site.NORTH - (table.row + 0.5) * site.CELL)


@pytest.mark.parametrize("model", MODELS)
def test_a_samples_probability_is_its_map_value_bit_for_bit(
    finished: pipeline.Run, model: str
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    fitted = bundle.load(finished.out / "models" / model)
    mapped = read(finished.out / "maps" / f"{model}_probability.tif")
    row, col = samples.table.row.to_numpy(), samples.table.col.to_numpy()
    chosen = np.random.default_rng(1).choice(len(row), 97, replace=False)
    p = fitted.predict(samples.raw[chosen])
    assert p.dtype == mapped.dtype == np.float32
    assert (p == mapped[row[chosen], col[chosen]]).all()
    assert 0 <= p.min() < p.max() <= 1


def test_a_probability_map_is_corrected_to_the_areas_share(
    finished: pipeline.Run, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path / "run", "map.shows=probability", 'map.models=["rf"]')
    pipeline.map_(run)
    p = read(finished.out / "maps" / "rf_probability.tif").astype(float)
    got = read(run.out / "maps" / "rf_probability.tif")
    share = sample_table.load(run.out / "samples.parquet").prevalence
    odds = p / (1 - p) * share / (1 - share)
    np.testing.assert_allclose(got, odds / (1 + odds), rtol=1e-5)
    assert np.nanmean(got) < np.nanmean(p)
    with rasterio.open(run.out / "maps" / "rf_probability.tif") as src:
        assert src.tags()["shows"] == "probability"
    assert digest(run.out / "maps" / "rf_class.tif") == digest(
        finished.out / "maps" / "rf_class.tif"
    )


def test_class_maps_follow_the_breaks(finished: pipeline.Run) -> None:
    p = read(finished.out / "maps" / "rf_probability.tif")
    classes = read(finished.out / "maps" / "rf_class.tif")
    assert (classes[np.isnan(p)] == 0).all()
    for k, (low, high) in enumerate([(0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 2)]):
        assert ((classes == k + 1) == ((p >= low) & (p < high))).all()


def test_cells_without_a_class_have_no_prediction(finished: pipeline.Run) -> None:
    lithology = read(finished.out / "factors" / "LITH.tif")
    assert np.isnan(lithology[:, 90:135]).all()
    assert np.isfinite(lithology[:, :90]).all()
    p = read(finished.out / "maps" / "lr_probability.tif")
    assert (np.isnan(p) == np.isnan(lithology)).all()


def test_negatives_keep_clear_of_all_landslides(finished: pipeline.Run) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    landslides = site.landslides()
    points = samples.table[samples.table.label == 0]
    import geopandas as gpd

    inside = gpd.GeoSeries.from_xy(points.x, points.y, crs=site.CRS).within(
        landslides.geometry.union_all()
    )
    assert not inside.any()
    assert samples.counts.landslides == 51
    assert samples.counts.landslides_without_cell >= 1


def test_fewer_samples_are_part_of_more(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "samples.most=100")
    pipeline.sample(run)
    few = sample_table.load(run.out / "samples.parquet")
    all_ = sample_table.load(finished.out / "samples.parquet")
    assert (few.label == 1).sum() == (few.label == 0).sum() == 100
    assert few.prevalence == all_.prevalence
    assert few.class_areas == all_.class_areas
    places = set(zip(all_.table.row, all_.table.col, strict=True))
    assert set(zip(few.table.row, few.table.col, strict=True)) <= places


def test_class_areas_count_all_valid_cells(finished: pipeline.Run) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    valid = np.isfinite(read(finished.out / "maps" / "lr_probability.tif"))
    soil = read(finished.out / "factors" / "ST.tif")[valid]
    codes, counts = np.unique(soil, return_counts=True)
    assert samples.class_areas["ST"] == {int(c): int(n) for c, n in zip(codes, counts, strict=True)}
    assert samples.counts.valid_cells == valid.sum()


def test_the_evaluation_has_the_contracts_form(finished: pipeline.Run) -> None:
    text = json.loads((finished.out / "evaluation.json").read_text())
    wanted = [
        "protocol",
        "model",
        "repeat",
        "fold",
        "prevalence",
        "n_train",
        "n_test",
        "oa",
        "precision",
        "recall",
        "f1",
        "mcc",
        "roc_auc",
        "pr_auc",
        "brier",
        "fit_s",
    ]
    assert len(text["records"]) == 2 * 3 * 2 * len(MODELS)  # splits, protocols, prevalences
    for record in text["records"]:
        assert set(wanted) <= set(record)
    table = pd.read_csv(finished.out / "evaluation.csv")
    assert len(table) == len(text["records"])
    n = len(pd.read_parquet(finished.out / "samples.parquet"))
    pixel = table[(table.protocol == "pixel") & (table.prevalence > 0.4)]
    assert (pixel.n_train + pixel.n_test == n).all()
    assert (abs(pixel.n_train / n - 0.2) < 0.01).all()
    for protocol in ("landslide", "block"):
        part = table[(table.protocol == protocol) & (table.model == "lr")]
        assert part.n_test.sum() == 2 * n  # each row once, at two prevalences
    for c in text["confusion"]:
        same = (table.model == c["model"]) & (table.protocol == c["protocol"])
        first = table[same & (table.repeat == 0) & (table.fold == 0)].iloc[0]
        assert (c["tp"] + c["tn"]) / first.n_test == pytest.approx(first.oa)
    for row in text["summary"]:
        assert row["oa"]["low"] <= row["oa"]["mean"] <= row["oa"]["high"]
    assert {p["protocol"] for p in text["optimism"]} == {"landslide", "block"}
    for told in text["captured"]:
        same = (told["protocol"], told["model"])
        rate = next(r for r in text["rates"] if (r["protocol"], r["model"]) == same)
        for share, found in told["shares"].items():
            at = rate["area"].index(pytest.approx(float(share)))
            assert rate["prediction"][at] == pytest.approx(found)
        assert rate["success"][-1] == rate["prediction"][-1] == 1


def test_importance_is_told_of_every_factor_once(finished: pipeline.Run) -> None:
    text = json.loads((finished.out / "importance.json").read_text())
    assert sorted(row["code"] for row in text["information_gain"]) == sorted(finished.codes)
    assert text["information_gain"][0]["bits"] > 0.1
    assert text["collinearity"]["codes"] == finished.codes
    assert all(vif is None or vif >= 1 for vif in text["collinearity"]["vif"].values())
    for told in text["models"]:
        grouped = [c for row in told["permutation"] for c in row["codes"]]
        assert sorted(grouped) == sorted(finished.codes)
        assert {row["code"] for row in told["dependence"]} == set(finished.codes)
    forest = next(t for t in text["models"] if t["model"] == "rf")
    steepness = next(r for r in forest["permutation"] if "SLO" in r["codes"])
    assert steepness["mean"] == max(r["mean"] for r in forest["permutation"])


def test_a_place_is_explained_by_parts_that_add_up(finished: pipeline.Run) -> None:
    x, y = site.point(30.5, 40.5)
    told = pipeline.explain_place(finished, "lr", x, y)
    mapped = read(finished.out / "maps" / "lr_probability.tif")[40, 30]
    assert told.probability == mapped
    total = sum(part.log_odds for part in told.parts)
    here, there = (np.log(p / (1 - p)) for p in (told.probability, told.background))
    assert total == pytest.approx(here - there, abs=1e-6)
    with pytest.raises(InputError, match="outside the grid"):
        pipeline.explain_place(finished, "lr", x + 1e6, y)


def test_known_truth_is_the_best_possible(
    finished: pipeline.Run, site_study: Path, tmp_path: Path
) -> None:
    labels = load_inventory(finished.study.inventory, finished.grid()).label(
        Tile((0, 0), 0, site.ROWS, 0, site.COLS)
    )
    truth = np.where(labels.standing == SOURCE, 0.9, 0.001).astype(np.float32)
    site.raster(tmp_path / "truth.tif", truth)
    run = copied(finished, tmp_path / "run", f"evaluation.truth.path={tmp_path / 'truth.tif'}")
    pipeline.evaluate(run)
    text = json.loads((run.out / "evaluation.json").read_text())
    assert text["truth"]["scores"]["oa"] == 1.0
    for gap in text["truth"]["gaps"]:
        row = next(
            r
            for r in text["summary"]
            if (r["protocol"], r["model"]) == (gap["protocol"], gap["model"])
        )
        assert gap["oa"] == pytest.approx(1.0 - row["oa"]["mean"])


def test_blocks_train_on_the_areas_outside_them(finished: pipeline.Run) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    plan = finished.plan(samples)
    whole = samples.class_areas
    for split in plans.chosen_splits(samples, "block", plan):
        areas = validation.training_areas(samples, split, plan)
        assert 0 < sum(areas["ST"].values()) < sum(whole["ST"].values())
        tested = samples.table.block_id.to_numpy()[split.test]
        trained = samples.table.block_id.to_numpy()[split.train]
        assert not set(tested) & set(trained)
    pixel = plans.chosen_splits(samples, "pixel", plan)[0]
    assert validation.training_areas(samples, pixel, plan) == whole


def test_a_second_run_redoes_nothing(finished: pipeline.Run) -> None:
    files = [p for p in finished.out.rglob("*.*") if p.suffix in (".tif", ".parquet", ".json")]
    files = [p for p in files if "work" not in str(p)]
    before = {p: p.stat().st_mtime_ns for p in files}
    again = pipeline.Run(
        finished.study, finished.document, finished.out, finished.engine, finished.reporter
    )
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(again)
    pipeline.map_(again)
    assert {p: p.stat().st_mtime_ns for p in files} == before


def copied(finished: pipeline.Run, to: Path, *overrides: str) -> pipeline.Run:
    shutil.copytree(finished.out, to)
    source = next(iter(finished.study.layers.values())).path.parent
    return open_run(source / "study.toml", to, *overrides)


def test_only_what_changed_is_redone(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "factors.RER.window=300")
    before = {c: (run.out / "factors" / f"{c}.tif").stat().st_mtime_ns for c in run.codes}
    pipeline.prepare(run)
    changed = [
        c for c in run.codes if (run.out / "factors" / f"{c}.tif").stat().st_mtime_ns != before[c]
    ]
    assert changed == ["RER"]


def test_a_model_of_other_settings_is_not_judged(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", "models.rf.max_depth=4")
    with pytest.raises(InputError, match=r"judged-rf was made with other settings.*train"):
        pipeline.evaluate(run)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 no archive",
        *(pytest.param(damage, marks=pytest.mark.slow) for damage in (b"", b"\x93NUMPY")),
    ],
)
def test_damaged_results_of_an_evaluation_are_made_again(
    content: bytes, finished: pipeline.Run, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path / "run")
    kept = next((run.ledger.work / "evaluate").glob("lr-pixel-*.npz"))
    whole = known_result(kept)
    kept.write_bytes(content)
    (run.out / "evaluation.json").unlink()
    pipeline.evaluate(run)
    again = known_result(kept)
    assert whole is not None
    assert again is not None
    np.testing.assert_array_equal(again.probability, whole.probability)


def test_a_lost_or_changed_file_is_made_again(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run")
    path = run.out / "factors" / "SLO.tif"
    good = digest(path)
    path.write_bytes(b"damaged")
    pipeline.prepare(run)
    assert digest(path) == good


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_bytes_do_not_depend_on_the_workers(
    finished: pipeline.Run, site_study: Path, tmp_path: Path, workers: int
) -> None:
    run = open_run(site_study, tmp_path / "run", workers=workers)
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.map_):
        stage(run)
    names = [f"factors/{c}.tif" for c in run.codes] + ["samples.parquet"]
    names += [f"models/{m}/weights.safetensors" for m in MODELS]
    names += [f"maps/{m}_{k}.tif" for m in MODELS for k in ("probability", "class")]
    for name in names:
        assert digest(run.out / name) == digest(finished.out / name), name


@pytest.mark.parametrize("tile", [48, pytest.param(256, marks=pytest.mark.slow)])
def test_values_do_not_depend_on_the_tiles(
    finished: pipeline.Run, site_study: Path, tmp_path: Path, tile: int
) -> None:
    run = open_run(site_study, tmp_path / "run", f"grid.tile={tile}")
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.map_):
        stage(run)
    for name in [f"factors/{c}.tif" for c in run.codes] + [
        f"maps/{m}_probability.tif" for m in MODELS
    ]:
        a, b = read(run.out / name), read(finished.out / name)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, err_msg=name)
    a = pd.read_parquet(run.out / "samples.parquet")
    b = pd.read_parquet(finished.out / "samples.parquet")
    assert a[["row", "col", "label", "landslide_id"]].equals(
        b[["row", "col", "label", "landslide_id"]]
    )


def test_a_broken_prepare_goes_on_from_its_shards(
    finished: pipeline.Run, site_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(site_study, tmp_path / "run", workers=1)
    real, computed = stacks.compute_tile, []

    def failing(*args: object) -> object:
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.append(args[2])
        return real(*args)

    monkeypatch.setattr(stacks, "IN_MEMORY", 0)
    monkeypatch.setattr(stacks, "compute_tile", failing)
    with pytest.raises(KeyboardInterrupt):
        pipeline.prepare(run)
    assert not list((run.out / "factors").glob("*.tif"))
    monkeypatch.setattr(stacks, "compute_tile", lambda *a: computed.append(a[2]) or real(*a))
    pipeline.prepare(run)
    assert len(computed) == 9  # 3 x 3 tiles, none twice
    for code in run.codes:
        name = f"factors/{code}.tif"
        assert digest(run.out / name) == digest(finished.out / name)


def test_factors_some_at_a_time_are_the_same_bytes(
    finished: pipeline.Run, site_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that stops in the second part goes on there; the tiles of written parts are gone."""
    run = open_run(site_study, tmp_path / "run", workers=1)
    real, computed = stacks.compute_tile, []

    def failing(*args: object) -> object:
        if len(computed) == 13:
            raise KeyboardInterrupt
        computed.append(len(args[0]))  # type: ignore[arg-type]
        return real(*args)

    monkeypatch.setattr(stacks, "IN_MEMORY", 0)
    monkeypatch.setattr(stacks, "TILE_BYTES", 4 * 64 * 64 * 5)
    monkeypatch.setattr(stacks, "compute_tile", failing)
    with pytest.raises(KeyboardInterrupt):
        pipeline.prepare(run)
    assert len(list((run.out / "factors").glob("*.tif"))) == 5
    assert len(list(run.ledger.work.rglob("r0*_c0*.npy"))) == 4
    monkeypatch.setattr(stacks, "compute_tile", lambda *a: computed.append(len(a[0])) or real(*a))
    pipeline.prepare(run)
    assert computed == [5] * 18 + [4] * 9  # 3 x 3 tiles of three parts, none twice
    for code in run.codes:
        name = f"factors/{code}.tif"
        assert digest(run.out / name) == digest(finished.out / name)


def test_labels_of_the_inventory(finished: pipeline.Run) -> None:
    landslides = load_inventory(finished.study.inventory, finished.grid())
    whole = landslides.label(Tile((0, 0), 0, site.ROWS, 0, site.COLS))
    shapes = site.landslides()
    rows, cols = np.mgrid[0 : site.ROWS, 0 : site.COLS]
    import shapely

    points = shapely.points(*site.point(cols.ravel() + 0.5, rows.ravel() + 0.5))
    now = shapely.within(points, shapes[shapes.year == 2005].union_all()).reshape(rows.shape)
    other = shapely.within(points, shapes[shapes.year != 2005].union_all()).reshape(rows.shape)
    assert ((whole.standing == SOURCE) == now).all()
    assert ((whole.standing == CLEAR) == ~(now | other)).all()
    assert ((whole.landslide > 0) == now).all()


def test_two_runs_in_one_folder_are_refused(finished: pipeline.Run) -> None:
    with (
        finished.ledger.locked(),
        pytest.raises(InputError, match="another run"),
        finished.ledger.locked(),
    ):
        pass
