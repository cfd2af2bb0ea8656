"""The public API as a notebook uses it: the same splits, encoders and maps as the pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import shakeslide as ss
from shakeslide.factors import stack as stacks
from shakeslide.learning import plans, training
from shakeslide.sampling import sample_table


@pytest.fixture(scope="module")
def factors(demo: Path) -> xr.Dataset:
    return ss.open_factors(demo / "demo" / "run")


@pytest.fixture(scope="module")
def rows(demo: Path) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return ss.samples(str(demo / "demo" / "run"))


@pytest.fixture(scope="module")
def drawn(demo: Path) -> sample_table.Samples:
    return sample_table.load(demo / "demo" / "run" / "samples.parquet")


# ------------------------------------------------------------------ data


def test_factors_are_lazy_and_described(factors: xr.Dataset, drawn: sample_table.Samples) -> None:
    assert list(factors.data_vars) == [f.code for f in drawn.factors]
    assert all(v.chunks is not None and v.dtype == np.float32 for v in factors.values())
    assert factors["SLO"].units == "deg"
    legend = next(f.legend for f in drawn.factors if f.code == "LITH")
    shown = factors["LITH"]
    assert dict(zip(shown.flag_values, shown.flag_meanings, strict=True)) == legend
    cells = dict(zip(shown.class_values, shown.class_cells, strict=True))
    assert cells == drawn.class_areas["LITH"]


def test_factors_have_the_grid_of_their_files(demo: Path, factors: xr.Dataset) -> None:
    path = demo / "demo" / "run" / "factors" / "SLO.tif"
    assert factors.odc.geobox == stacks.stored_grid(path)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(factors["SLO"].to_numpy(), file.read(1))


def test_factors_of_a_run_without_samples_have_no_areas(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "factors").symlink_to(demo / "demo" / "run" / "factors")
    opened = ss.open_factors(tmp_path)
    assert "class_cells" not in opened["LITH"].attrs
    with pytest.raises(ss.InputError, match="no factors"):
        ss.open_factors(tmp_path / "nothing")


def test_samples_are_the_runs(rows: Any, drawn: sample_table.Samples) -> None:
    X, y, groups = rows
    np.testing.assert_array_equal(X.to_numpy(), drawn.raw)
    np.testing.assert_array_equal(y, drawn.label)
    for level, column in (("x", "x"), ("y", "y"), ("landslide", "landslide_id")):
        np.testing.assert_array_equal(X.index.get_level_values(level), drawn.table[column])
    assert (groups[y == 1] == X.index.get_level_values("landslide")[y == 1]).all()
    assert (groups > 0).all()


# ------------------------------------------------------------------ encoder


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(e, c, id=c.func.__name__)
        for e, c in estimator_checks_generator(ss.FactorEncoder())
        if "array_api" not in c.func.__name__  # of no concern: numpy arrays only
    ],
)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("angles", ["raw", "sincos"])
def test_the_encoder_is_the_pipelines(
    factors: xr.Dataset, rows: Any, drawn: sample_table.Samples, angles: Any
) -> None:
    X, y, _ = rows
    train = np.arange(0, len(X), 3)
    encoder = ss.FactorEncoder(factors, angles=angles).fit(X.iloc[train], y.iloc[train])
    ours = training.fit_encoder(drawn, train, angles, drawn.class_areas)
    assert encoder.encoder_ == ours
    np.testing.assert_array_equal(encoder.transform(X), ours.transform(drawn.raw))
    assert list(encoder.get_feature_names_out()) == ours.features


def test_without_counted_classes_all_valid_cells_are_counted(
    factors: xr.Dataset, rows: Any
) -> None:
    X, y, _ = rows
    plain = factors.copy()
    plain["LITH"] = plain["LITH"].copy()
    del plain["LITH"].attrs["class_cells"]
    fitted = ss.FactorEncoder(plain[["LITH"]]).fit(X[["LITH"]], y)
    values = factors["LITH"].to_numpy()
    ratios = fitted.encoder_.columns[0].ratios
    assert ratios is not None
    for code, ratio in ratios.items():
        share = (X["LITH"][y == 1] == code).mean() / (values == code).mean()
        assert ratio == pytest.approx(share * np.isfinite(values).mean())


def test_features_as_a_table(factors: xr.Dataset, rows: Any) -> None:
    X, y, _ = rows
    encoder = ss.FactorEncoder(factors, angles="sincos").set_output(transform="pandas")
    table = encoder.fit_transform(X, y)
    assert table.index.equals(X.index)
    assert {"SLOA sin", "SLOA cos"} <= set(table.columns)


def test_a_part_of_the_factors_and_their_array(factors: xr.Dataset, rows: Any) -> None:
    X, y, _ = rows
    some = X[["SLO", "LITH"]]
    whole = ss.FactorEncoder(factors).fit(X, y).transform(X)
    at = [list(X).index("SLO"), list(X).index("LITH")]
    np.testing.assert_array_equal(
        ss.FactorEncoder(factors).fit(some, y).transform(some), whole[:, at]
    )
    array = ss.FactorEncoder(factors).fit(X.to_numpy(), y).transform(X.to_numpy())
    np.testing.assert_array_equal(array, whole)


def test_wrong_columns_and_labels_are_named(factors: xr.Dataset, rows: Any) -> None:
    X, y, _ = rows
    with pytest.raises(ss.InputError, match=r"SLOP.*SLO"):
        ss.FactorEncoder(factors).fit(X.rename(columns={"SLO": "SLOP"}), y)
    with pytest.raises(ss.InputError, match="angles"):
        ss.FactorEncoder(factors, angles="degrees").fit(X, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="13 features"):
        ss.FactorEncoder(factors).fit(X.to_numpy()[:, 1:], y)
    for label in (None, np.ones(len(X)), y[1:]):
        with pytest.raises(ValueError, match="label"):
            ss.FactorEncoder(factors).fit(X, label)


# ------------------------------------------------------------------ splitters


def made_by(splitter: Any, X: Any, y: Any, groups: Any = None) -> list[tuple[Any, Any]]:
    made = list(splitter.split(X, y, groups))
    assert splitter.get_n_splits(X, y, groups) == len(made)
    return made


@pytest.mark.parametrize("protocol", ["pixel", "landslide", "block"])
def test_splits_are_the_protocols(
    protocol: str, factors: xr.Dataset, rows: Any, drawn: sample_table.Samples
) -> None:
    X, y, groups = rows
    box = factors.odc.geobox.boundingbox
    corner = (box.left, box.top)
    splitter = {
        "pixel": ss.RandomSplit(3, train=0.3, random_state=9),
        "landslide": ss.LandslideKFold(4, random_state=9),
        "block": ss.BlockKFold(800, 4, buffer=60, random_state=9, origin=corner),
    }[protocol]
    plan = plans.Plan(0.3, 3, 4, 800.0, 60.0, corner, 9)
    wanted = plans.chosen_splits(drawn, protocol, plan)
    for (train, test), split in zip(made_by(splitter, X, y, groups), wanted, strict=True):
        np.testing.assert_array_equal(train, split.train)
        np.testing.assert_array_equal(test, split.test)


def test_places_may_be_columns_or_groups(rows: Any) -> None:
    X, y, _ = rows
    wanted = made_by(ss.BlockKFold(800, 3), X, y)
    columns, flat = X.reset_index(), X.to_numpy()
    places = columns[["x", "y"]].to_numpy()
    for got in (
        made_by(ss.BlockKFold(800, 3), columns, y.to_numpy()),
        made_by(ss.BlockKFold(800, 3), flat, y.to_numpy(), places),
    ):
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one[1], other[1])
    with pytest.raises(ss.InputError, match="x and y"):
        made_by(ss.BlockKFold(800, 3), flat, y.to_numpy(), np.ones(len(y)))
    with pytest.raises(ss.InputError, match="landslide"):
        made_by(ss.LandslideKFold(3), flat, y.to_numpy())


def test_groups_keep_landslides_together_in_scikit_learn(rows: Any) -> None:
    X, y, groups = rows
    landslide = X.index.get_level_values("landslide")
    for train, test in GroupKFold(3).split(X, y, groups):
        assert not set(landslide[train]) & set(landslide[test]) - {0}


# ------------------------------------------------------------------ maps


def at_samples(mapped: xr.DataArray, drawn: sample_table.Samples) -> np.ndarray:
    return mapped.to_numpy()[drawn.table["row"], drawn.table["col"]]


@pytest.mark.parametrize(
    "estimator",
    [
        ss.RandomForest(n_estimators=4, random_state=0),
        ss.SupportVectorMachine(random_state=0),
        ss.StackedAutoencoder((8, 8), pretrain_steps=5, steps=40, random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_cell_of_the_map_is_the_rows_probability_bit_for_bit(
    estimator: Any, factors: xr.Dataset, rows: Any, drawn: sample_table.Samples
) -> None:
    X, y, _ = rows
    encoder = ss.FactorEncoder(factors, angles="sincos")
    pipe = make_pipeline(encoder, estimator).fit(X, y)
    mapped = ss.predict_map(pipe, factors)
    assert mapped.dims == ("y", "x")
    assert mapped.chunks is not None
    p = pipe.predict_proba(X)[:, 1].astype(np.float32)
    assert p.std() > 0
    np.testing.assert_array_equal(at_samples(mapped, drawn), p)


def test_a_stored_model_maps_what_it_predicts(
    demo: Path, factors: xr.Dataset, drawn: sample_table.Samples
) -> None:
    model = ss.load_model(demo / "demo" / "run", "rf")
    turned = factors[list(factors)[::-1]].transpose("x", "y")
    mapped = ss.predict_map(model, turned)
    np.testing.assert_array_equal(at_samples(mapped, drawn), model.predict(drawn.raw))


def test_cells_without_a_value_have_no_probability(factors: xr.Dataset, rows: Any) -> None:
    X, y, _ = rows
    codes = ["SLO", "DEM"]
    pipe = make_pipeline(ss.FactorEncoder(factors), ss.LogisticRegression()).fit(X[codes], y)
    holed = factors[codes].compute()
    holed["SLO"][3:5, 7] = np.nan
    mapped = ss.predict_map(pipe, holed).to_numpy()
    assert np.isnan(mapped[3:5, 7]).all()
    assert np.isnan(mapped).sum() == 2 + np.isnan(factors["SLO"].to_numpy()).sum()


def test_models_and_factors_that_do_not_fit(demo: Path, factors: xr.Dataset, rows: Any) -> None:
    X, y, _ = rows
    pipe = make_pipeline(ss.FactorEncoder(factors), ss.LogisticRegression())
    with pytest.raises(ValueError, match="fitted"):
        ss.predict_map(pipe, factors)
    pipe.fit(X, y)
    with pytest.raises(ss.InputError, match="SLO"):
        ss.predict_map(pipe, factors.drop_vars("SLO"))
    model = ss.load_model(demo / "demo" / "run" / "models" / "rf")
    other = factors.copy()
    other["SLO"] = other["SLO"].assign_attrs(units="radians")
    with pytest.raises(ss.InputError, match=r"SLO.*radians"):
        ss.predict_map(model, other)
    with pytest.raises(ss.InputError, match=r"SLO.*band"):
        ss.predict_map(pipe, factors.assign(SLO=factors["SLO"].expand_dims("band")))


def test_a_written_map_holds_the_values_on_the_grid(
    demo: Path, factors: xr.Dataset, tmp_path: Path
) -> None:
    mapped = ss.predict_map(ss.load_model(demo / "demo" / "run", "rf"), factors)
    path = ss.write_map(mapped, str(tmp_path / "p.tif"))
    assert stacks.stored_grid(path) == factors.odc.geobox
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), mapped.to_numpy())
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags()["unit"] == "1"
    for wrong, words in (
        (mapped.drop_vars(["x", "y", "spatial_ref"]), "grid"),
        (mapped[0], "grid"),
    ):
        with pytest.raises(ss.InputError, match=words):
            ss.write_map(wrong, tmp_path / "q.tif")
    with pytest.raises(ss.InputError, match=r"q\.nc"):
        ss.write_map(mapped, tmp_path / "q.nc")


# ------------------------------------------------------------------ judging and running


def test_scores_are_those_of_scikit_learn(factors: xr.Dataset, rows: Any) -> None:
    X, y, groups = rows
    pipe = make_pipeline(ss.FactorEncoder(factors), ss.LogisticRegression())
    cv = ss.BlockKFold(1000, n_splits=3, random_state=2)
    table = ss.evaluate(pipe, X, y, cv, groups)
    wanted = cross_val_score(pipe, X, y, groups=groups, cv=cv, scoring="roc_auc")
    np.testing.assert_allclose(table["roc_auc"], wanted, rtol=1e-12)
    assert (table["n_train"] + table["n_test"] == len(X)).all()


def test_a_study_is_opened_with_its_overrides(demo: Path, tmp_path: Path) -> None:
    path = demo / "demo" / "data" / "study.toml"
    study = ss.open_study(path, tmp_path, overrides=["study.seed=77"], workers=1, quiet=True)
    assert (study.study.study.seed, study.out, study.engine.threads) == (77, tmp_path, 1)
    with pytest.raises(ss.InputError, match="open_study"):
        ss.run(study, quiet=True)
    with pytest.raises(ss.InputError, match=r"mapp.*map"):
        ss.run(study, until="mapp")


def test_a_run_ends_with_the_stage_that_is_asked_for(demo: Path, tmp_path: Path) -> None:
    out = shutil.copytree(demo / "demo" / "run", tmp_path / "run")
    (out / "samples.parquet").unlink()
    study = demo / "demo" / "data" / "study.toml"
    assert ss.run(study, out, until="prepare", quiet=True) == out
    assert not (out / "samples.parquet").exists()
    ss.run(ss.open_study(study, out, quiet=True), until="sample")
    assert (out / "samples.parquet").exists()


def test_an_unknown_setting_of_an_earthquake_is_named(tmp_path: Path) -> None:
    with pytest.raises(ss.InputError, match="magnitud"):
        ss.make_earthquake(tmp_path, magnitud=6.0)
    path = ss.make_earthquake(tmp_path / "quake", size=32, seed=4)
    assert "seed = 4" in path.read_text(encoding="utf-8")
