"""Every model as a scikit-learn estimator."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.utils.estimator_checks import estimator_checks_generator

from shakeslide.models import MODELS, Model, dump, read, restore, write

from . import described

ENCODED = [name for name, e in MODELS.items() if not e.raw]
"""Models of features of any meaning; the others take slope, shaking and classes."""

SMALL = {
    "best": {
        "members": ("tree", "sae"),
        "settings": {"sae": {"units": [3], "steps": 20, "pretrain_steps": 2}},
        "random_state": 0,
    },
    "sae": {
        "units": (16, 8),
        "steps": 400,
        "pretrain_steps": 20,
        "batch_size": 32,
        "random_state": 0,
        "init": "glorot4",
    },
    "rf": {"n_estimators": 10, "random_state": 0},
    "svm": {"random_state": 0, "gamma": 0.5},
    "tree": {"random_state": 0},
    "adaboost": {"n_estimators": 10, "random_state": 0},
    "mlp": {"units": (16, 8), "steps": 400, "batch_size": 32, "random_state": 0},
    "hgb": {"max_iter": 10, "random_state": 0},
    "et": {"n_estimators": 10, "random_state": 0},
    "lgbm": {"n_estimators": 40, "random_state": 0, "min_data_in_leaf": 5, "learning_rate": 0.3},
}


def small(name: str) -> Model:
    return described.make(name, **SMALL.get(name, {}))


def rows_of(name: str, X: np.ndarray) -> np.ndarray:
    """Rows in [0, 1] as the model takes them."""
    return described.rows(X) if MODELS[name].raw else X


def moons(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    X, y = make_moons(n, noise=0.15, random_state=1)
    X = np.column_stack([X, np.random.default_rng(0).random((n, 5))])
    return ((X - X.min(0)) / np.ptp(X, axis=0)).astype(np.float32), y


CHECKS = [
    pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")
    for name in ENCODED
    for estimator, check in estimator_checks_generator(small(name))
    if "array_api" not in check.func.__name__  # of no concern: numpy arrays only
]


@pytest.mark.filterwarnings("ignore:sae. features from .* are scaled")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


FITTED: dict[str, Model] = {}


def fitted(name: str) -> Model:
    if name not in FITTED:
        X, y = moons()
        FITTED[name] = small(name).fit(rows_of(name, X), y)
    return FITTED[name]


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
@settings(max_examples=15)
def test_a_row_has_one_probability_in_any_company(name, data):
    n = data.draw(st.integers(1, 9000))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    X = rows_of(name, rng.random((9000, 7)).astype(np.float32))
    whole = fitted(name).predict_proba(X)
    assert np.isfinite(whole).all()
    some = rng.permutation(9000)[:n]
    np.testing.assert_array_equal(fitted(name).predict_proba(X[some]), whole[some])


@pytest.mark.parametrize("name", MODELS)
def test_stored_model_predicts_the_same_bits(name, tmp_path):
    model = fitted(name)
    description, arrays = dump(model)
    write(tmp_path / "w.safetensors", arrays)
    again = restore(description["model"], description["params"], read(tmp_path / "w.safetensors"))
    X = rows_of(name, np.random.default_rng(3).random((5000, 7)).astype(np.float32))
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert again.get_params() == model.get_params()
    assert again.n_features_in_ == X.shape[1]
    for key, value in dump(again)[1].items():
        np.testing.assert_array_equal(value, arrays[key])


@pytest.mark.parametrize("name", MODELS)
def test_a_copy_in_another_process_predicts_the_same_bits(name):
    X = rows_of(name, np.random.default_rng(3).random((5000, 7)).astype(np.float32))
    copy = pickle.loads(pickle.dumps(fitted(name)))  # as a cluster sends it
    np.testing.assert_array_equal(copy.predict_proba(X), fitted(name).predict_proba(X))


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_model(name):
    X, y = moons(300)
    first, second = (small(name).fit(rows_of(name, X), y) for _ in range(2))
    for key, value in first.arrays().items():
        np.testing.assert_array_equal(value, second.arrays()[key])


@pytest.mark.parametrize("name", [n for n in ENCODED if n not in ("lr", "fr")])
def test_learns_what_a_linear_model_cannot(name):
    rng = np.random.default_rng(0)
    X = rng.random((4000, 2))
    y = (X[:, 0] > 0.5) != (X[:, 1] > 0.5)
    params = {
        "sae": {"steps": 3000},
        "mlp": {"steps": 3000},
        "svm": {"gamma": 10.0},
        "adaboost": {"max_depth": 3},
        "lgbm": {"n_estimators": 100},
    }.get(name, {})
    model = clone(small(name)).set_params(**params).fit(X[:2000], y[:2000])
    assert model.score(X[2000:], y[2000:]) > 0.93
    assert MODELS["lr"].make().fit(X[:2000], y[:2000]).score(X[2000:], y[2000:]) < 0.65
