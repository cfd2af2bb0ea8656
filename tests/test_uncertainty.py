"""Calibration, ensembles and the area of applicability on the small site."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.evaluation.calibration import Isotonic, Platt
from shakeslide.learning import bundle, plans, training
from shakeslide.maps import spread
from shakeslide.sampling import sample_table

from .conftest import open_run


def copied(finished: pipeline.Run, out: Path, *overrides: str) -> pipeline.Run:
    """A copy of the finished run, opened with other settings."""
    shutil.copytree(finished.out, out)
    source = next(iter(finished.study.layers.values())).path.parent
    return open_run(source / "study.toml", out, *overrides)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as src:
        return np.asarray(src.read(1))


# ------------------------------------------------------------------ calibration


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small site has fewer rows than a calibration should have."""
    for method in ("platt", "isotonic"):
        monkeypatch.setitem(training.LEAST, method, 10)


def test_too_few_rows_for_a_calibration_are_told(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run", 'models.calibration="isotonic"')
    with pytest.raises(InputError, match=r"needs .*1,000 source cells .* has \d+"):
        pipeline.train(run)


@pytest.mark.usefixtures("few_rows")
def test_calibration_is_fitted_on_rows_that_its_model_had_not_seen(
    finished: pipeline.Run,
) -> None:
    """Fitted on its own training rows a deep tree would seem to be always right."""
    samples = sample_table.load(finished.out / "samples.parquet")
    plan = finished.plan(samples)
    split = plans.chosen_splits(samples, "pixel", plan)[0]
    recipe = training.Recipe("tree", "sincos", {"max_depth": None}, "platt")
    fit = training.fit(recipe, samples, [split.train], [3])[0].model
    assert isinstance(fit.calibration, Platt)
    assert fit.calibration.slope < 0.3  # sure of itself, rightly only on rows it knows
    plain = training.fit(training.Recipe("tree", "sincos", {"max_depth": None}), samples,
                         [split.train], [3])[0].model  # fmt: skip
    y, raw = samples.label[split.test], samples.raw[split.test]
    brier = [np.mean((m.predict(raw) - y) ** 2) for m in (plain, fit)]
    assert brier[1] < brier[0] - 0.008
    assert plain.calibration is None


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize(
    ("method", "kind"),
    [("platt", Platt), pytest.param("isotonic", Isotonic, marks=pytest.mark.slow)],
)
def test_a_calibrated_model_is_stored_and_mapped(
    finished: pipeline.Run, tmp_path: Path, method: str, kind: type
) -> None:
    run = copied(
        finished, tmp_path / "run", f'models.calibration="{method}"', 'models.use=["rf", "lr"]',
        "map.applicability=false",
    )  # fmt: skip
    with pytest.raises(InputError, match="model-rf was made with other settings"):
        pipeline.map_(run)
    pipeline.train(run)
    pipeline.map_(run)
    model = bundle.load(run.out / "models" / "rf")
    assert isinstance(model.calibration, kind)
    assert model.about.calibration == method
    samples = sample_table.load(run.out / "samples.parquet")
    mapped = read(run.out / "maps" / "rf_probability.tif")
    t = samples.table
    assert (model.predict(samples.raw) == mapped[t.row, t.col]).all()
    before = bundle.load(finished.out / "models" / "rf")
    assert (model.predict(samples.raw) != before.predict(samples.raw)).any()


def test_a_tampered_calibration_is_refused(finished: pipeline.Run, tmp_path: Path) -> None:
    folder = tmp_path / "rf"
    shutil.copytree(finished.out / "models" / "rf", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for bad in ({"platt": [1.0]}, {"isotonic": [[0.5, 0.1], [0, 1]]}, {"pickle": [0]}, [1], "x"):
        manifest["calibration"] = bad
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError):
            bundle.load(folder)


# ------------------------------------------------------------------ ensembles


def test_bags_hold_whole_landslides(finished: pipeline.Run) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    rows = np.flatnonzero(np.random.default_rng(0).random(len(samples.table)) < 0.5)
    number = samples.table["landslide_id"].to_numpy()
    drawn = spread.bags(samples, rows, 30, seed=1)
    assert len(drawn) == 30
    of = {i: set(rows[number[rows] == i]) for i in np.unique(number[rows]) if i > 0}
    counts = []
    for bag in drawn:
        assert set(bag) <= set(rows)
        for own in of.values():
            times = [int((bag == r).sum()) for r in own]
            assert len(set(times)) == 1  # all of its cells as often
            counts.append(times[0])
    assert np.mean(counts) == pytest.approx(1, abs=0.1)
    assert np.var(counts) == pytest.approx(1, abs=0.25)  # of a bootstrap
    again = spread.bags(samples, rows, 30, seed=1)
    assert all((a == b).all() for a, b in zip(drawn, again, strict=True))


def test_one_landslide_is_no_ensemble(finished: pipeline.Run) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    number = samples.table["landslide_id"].to_numpy()
    one = np.flatnonzero(number == number.max())
    with pytest.raises(InputError, match=r"map. members"):
        spread.bags(samples, one, 3, seed=1)


def test_spread_maps_are_those_of_the_members(finished: pipeline.Run, tmp_path: Path) -> None:
    run = copied(
        finished, tmp_path / "run", "map.members=3", 'map.spread=["rf"]', "map.applicability=false"
    )
    pipeline.map_(run)
    folder = run.out / "models" / "rf" / "members"
    members = [bundle.load(folder / f"{k:02d}") for k in range(3)]
    samples = sample_table.load(run.out / "samples.parquet")
    p = np.stack([m.predict(samples.raw) for m in members]).astype(float)
    t = samples.table
    mean, sd = (read(run.out / "maps" / f"rf_{w}.tif")[t.row, t.col] for w in ("mean", "sd"))
    np.testing.assert_allclose(mean, p.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(sd, p.std(axis=0, ddof=1), atol=1e-6)
    assert sd.max() > 0.02
    assert not (run.out / "maps" / "lr_sd.tif").exists()
    with rasterio.open(run.out / "maps" / "rf_sd.tif") as src:
        assert "3 such members" in src.descriptions[0]
    first = (run.out / "maps" / "rf_sd.tif").stat().st_mtime_ns
    pipeline.map_(run)
    assert (run.out / "maps" / "rf_sd.tif").stat().st_mtime_ns == first


def test_one_member_has_no_spread(finished: pipeline.Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="members = 1"):
        pipeline.map_(copied(finished, tmp_path / "run", "map.members=1"))


# ------------------------------------------------------------------ area of applicability


def test_the_applicability_map_is_its_index(finished: pipeline.Run) -> None:
    area = spread.load_area(finished.out / "models" / "applicability")
    samples = sample_table.load(finished.out / "samples.parquet")
    with rasterio.open(finished.out / "maps" / "applicability.tif") as src:
        mapped, threshold = src.read(1), float(src.tags()["threshold"])
    assert threshold == pytest.approx(area.applicability.threshold, rel=1e-5)
    t = samples.table
    told = area.applicability.dissimilarity(area.encoder.transform(samples.raw))
    np.testing.assert_allclose(mapped[t.row, t.col], told, rtol=1e-6)
    assert np.median(told) == 0 or len(told) > spread.REFERENCE  # fitted on all samples
    p = read(finished.out / "maps" / "lr_probability.tif")
    assert (np.isnan(mapped) == np.isnan(p)).all()
    assert 0.5 < np.nanmean(mapped <= threshold) <= 1


def test_a_damaged_area_is_refused(finished: pipeline.Run, tmp_path: Path) -> None:
    folder = tmp_path / "area"
    shutil.copytree(finished.out / "models" / "applicability", folder)
    (folder / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(InputError):
        spread.load_area(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="missing or damaged"):
        spread.load_area(folder)


def test_members_of_a_broken_ensemble_are_trained_once(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["map.members=2", 'map.spread=["rf", "sae"]', "map.applicability=false"]
    whole, run = (copied(finished, tmp_path / name, *asked) for name in ("whole", "run"))
    fit, fits, mapped = training.fit, [], []

    def counted(recipe: training.Recipe, samples: object, rows: list, *args: object, **kw: object):
        fits.append((recipe.name, len(rows)))
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(recipe, samples, rows, *args, **kw)

    def write(members: list, *_: object, **__: object) -> list[Path]:
        mapped.append(members[0].name)
        if mapped == ["rf", "sae"]:
            raise KeyboardInterrupt
        return []

    monkeypatch.setattr(spread, "write_spread", write)
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", counted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                pipeline.map_(run)
        pipeline.map_(run)
    # The second was broken off; those of autoencoders are trained together.
    assert fits == [("rf", 1), ("rf", 1), ("rf", 1), ("sae", 2)]
    assert mapped == ["rf", "sae", "sae"]
    pipeline.map_(whole)
    for name in ("rf/members/00", "rf/members/01", "sae/members/00", "sae/members/01"):
        weights = Path("models", name, "weights.safetensors")
        assert (run.out / weights).read_bytes() == (whole.out / weights).read_bytes()
    assert not any("member" in item for item in run.ledger.all_made())
