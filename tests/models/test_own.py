"""Estimators that installed packages bring: found, checked, stored without pickle, mapped."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.learning import bundle, training
from shakeslide.models import dump, read, restore, write
from shakeslide.models.own import GROUP
from shakeslide.models.registry import entry
from shakeslide.sampling import sample_table
from shakeslide.study import model_settings
from shakeslide.study import settings as study

from .. import small_site as site
from ..conftest import open_run

MODULE = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyRegressor
from sklearn.naive_bayes import GaussianNB


class Nearest(ClassifierMixin, BaseEstimator):
    '''Nearer to the mean of which class, with a temperature.'''

    def __init__(self, heat=1.0, random_state=None):
        self.heat = heat
        self.random_state = random_state

    def fit(self, X, y):
        if self.heat <= 0:
            raise ValueError("heat must be positive")
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == c].mean(axis=0) for c in self.classes_])
        self.draw_ = np.random.default_rng(self.random_state).random(3)
        return self

    def predict_proba(self, X):
        far = np.stack([((X - m) ** 2).sum(axis=1) for m in self.means_], axis=1)
        p = 1 / (1 + np.exp((far[:, 1] - far[:, 0]) / self.heat))
        return np.stack([1 - p, p], axis=1)

    def to_arrays(self):
        return {"means": self.means_, "draw": self.draw_}

    @classmethod
    def from_arrays(cls, arrays, params):
        made = cls(**params)
        made.means_, made.draw_ = arrays["means"], arrays["draw"]
        if made.means_.ndim != 2 or not np.isfinite(made.means_).all():
            raise ValueError("means are damaged")
        return made


class Wordy(Nearest):
    def to_arrays(self):
        return {"name": np.array(["a"])}


class Bayes(GaussianNB):
    pass


class Flat(Nearest):
    def predict_proba(self, X):
        return np.zeros(len(X))


regressor = DummyRegressor
"""
ENTRIES = """[shakeslide.models]
nearest = own_models_for_tests:Nearest
wordy = own_models_for_tests:Wordy
bayes = own_models_for_tests:Bayes
flat = own_models_for_tests:Flat
regressor = own_models_for_tests:regressor
broken = own_models_for_tests:nothing
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with estimators of its own."""
    folder = tmp_path / "site-packages"
    about = folder / "own_models-0.3.dist-info"
    about.mkdir(parents=True)
    (folder / "own_models_for_tests.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-models\nVersion: 0.3\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_models_for_tests", raising=False)
    return folder


def rows(n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).random((n, 4)).astype(np.float32)
    return X, (X[:, 0] > X[:, 1]).astype(int)


def test_the_groups_name_is_one(package: Path) -> None:
    assert model_settings.MODEL_GROUP == GROUP


def test_it_is_stored_as_arrays_and_predicts_the_same_bits(package: Path, tmp_path: Path) -> None:
    X, y = rows()
    model = entry("nearest").make(heat=0.2).set_params(random_state=3).fit(X, y)
    assert model.score(X, y) > 0.9
    np.testing.assert_array_equal(model.estimator_.draw_, np.random.default_rng(3).random(3))
    description, arrays = dump(model)
    assert description["model"] == "nearest"
    write(tmp_path / "w.safetensors", arrays)
    again = restore("nearest", description["params"], read(tmp_path / "w.safetensors"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict_proba(X[7:9]), model.predict_proba(X)[7:9])
    damaged = {**arrays, "own.means": np.full((2, 4), np.nan)}
    with pytest.raises(InputError, match="from_arrays: ValueError: means are damaged"):
        restore("nearest", description["params"], damaged)
    with pytest.raises(InputError, match="from_arrays"):
        restore("nearest", description["params"], {k: arrays[k] for k in ("classes", "features")})
    with pytest.raises(InputError, match="those of another model"):
        restore("nearest", {**description["params"], "name": "wordy"}, arrays)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("nearest", {"haet": 1}, "its settings: TypeError: .*haet"),
        ("nearest", {"heat": -1}, "fit: ValueError: heat must be positive"),
        ("flat", {}, "predict_proba: ValueError: .*gave shape"),
        ("regressor", {}, "scikit-learn classifier"),
        ("broken", {}, "broken of the package own-models 0.3 cannot be loaded"),
    ],
)
def test_what_goes_wrong_in_it_is_said_of_its_package(package, name, settings, said) -> None:
    X, y = rows()
    with pytest.raises(InputError, match=said) as caught:
        entry(name).make(**settings).fit(X, y).predict_proba(X)
    assert "own-models 0.3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_stored_is_told(package: Path) -> None:
    X, y = rows()
    with pytest.raises(InputError, match=r"'bayes' can be evaluated but .* needs to_arrays"):
        dump(entry("bayes").make().fit(X, y))
    with pytest.raises(InputError, match="only numbers can be stored"):
        dump(entry("wordy").make().fit(X, y))
    assert not training.Recipe("bayes", "raw", {}).storable
    assert training.Recipe("nearest", "raw", {}).storable


def test_a_model_that_is_not_installed_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model 'nearest'"):
        entry("nearest")
    path = tmp_path / "study.toml"
    path.write_text("[models]\nuse = ['nearest']\n")
    with pytest.raises(InputError, match=r"\[models.use.0\] no model 'nearest'; known: 'sae'"):
        study.load(path)
    path.write_text("[models.nearest]\nheat = 1\n")
    with pytest.raises(InputError, match=r"\[models\] unknown key 'nearest'"):
        study.load(path)


QUICK = ('evaluation.protocols=["pixel"]', "map.applicability=false")


@pytest.fixture
def run(package: Path, tmp_path: Path) -> pipeline.Run:
    path = site.make(tmp_path / "site")
    path.write_text(path.read_text() + "\n[models.nearest]\nheat = 0.3\nangles = 'sincos'\n")
    opened = open_run(path, tmp_path / "out", 'models.use=["lr", "nearest"]', *QUICK)
    for stage in (pipeline.prepare, pipeline.sample):
        stage(opened)
    return opened


@pytest.mark.slow
def test_a_packages_estimator_is_trained_judged_and_mapped(run: pipeline.Run) -> None:
    for stage in (pipeline.train, pipeline.evaluate, pipeline.map_):
        stage(run)
    model = bundle.load(run.out / "models" / "nearest")
    assert model.estimator.settings == {"heat": 0.3}
    assert model.about.angles == "sincos"
    samples = sample_table.load(run.out / "samples.parquet")
    with rasterio.open(run.out / "maps" / "nearest_probability.tif") as src:
        p = src.read(1)
    at = p[samples.table["row"], samples.table["col"]]
    np.testing.assert_array_equal(model.predict(samples.raw), at)


@pytest.mark.slow
def test_one_that_cannot_be_stored_is_judged_but_not_mapped(run: pipeline.Run) -> None:
    both = 'models.use=["lr", "bayes"]'
    path = run.out.parent / "site" / "study.toml"
    opened = open_run(path, run.out, both, *QUICK)
    pipeline.train(opened)
    pipeline.evaluate(opened)
    assert not (run.out / "models" / "bayes").exists()
    assert '"bayes"' in (run.out / "evaluation.json").read_text()
    with pytest.raises(InputError, match=r"'bayes' can be evaluated .* models = \['lr'\]"):
        pipeline.map_(opened)
    mapped = open_run(path, run.out, both, *QUICK, 'map.models=["lr"]')
    pipeline.map_(mapped)
    assert (run.out / "maps" / "lr_probability.tif").exists()
