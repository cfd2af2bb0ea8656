"""The support vector machine against libsvm, and its polynomial against the kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.svm import SVC

from shakeslide.core.errors import InputError
from shakeslide.models import SupportVectorMachine
from shakeslide.models.kernel_machines.platt import platt_sigmoid
from shakeslide.models.kernel_machines.taylor import (
    TaylorMap,
    kernel_error,
    middle_intercept,
    monomials,
)


def data(n, features=14, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, features)).astype(np.float32)
    score = 2 * X[:, 0] - 1.5 * X[:, 1] + 3 * X[:, 2] * X[:, 3 % features] + rng.normal(size=n)
    return X, (score > np.quantile(score, 0.6)).astype(int)


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.floats(1e-4, 0.5),
    st.integers(0, 2**32),
)
@settings(max_examples=50)
@pytest.mark.slow
def test_cut_series_is_within_its_bound_of_the_kernel(features, degree, gamma, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, features))
    taylor = TaylorMap(rng.normal(size=features), gamma, degree)
    phi = taylor.expand(X)
    assert taylor.size == len(phi) == monomials(features, degree)
    distance = ((X[:, np.newaxis] - X) ** 2).sum(axis=-1)
    error = np.abs(phi.T @ phi - np.exp(-gamma * distance)).max()
    radius = np.sqrt(((X - taylor.centre) ** 2).sum(axis=1).max())
    assert error <= kernel_error(gamma, radius, degree) + 1e-12
    weights = rng.normal(size=taylor.size)
    values = taylor.evaluate(X, weights)
    np.testing.assert_allclose(values, (weights / taylor.scale) @ phi, rtol=1e-9, atol=1e-9)
    row_weights = rng.normal(size=40)
    np.testing.assert_allclose(
        taylor.moments(X, row_weights), phi @ row_weights / taylor.scale, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(
    ("n", "features", "C", "gamma"),
    [
        (1000, 14, 1, 1e-3),
        pytest.param(3000, 14, 1, 1e-3, marks=pytest.mark.slow),
        pytest.param(6000, 8, 1, 1e-3, marks=pytest.mark.slow),
        (1500, 4, 50, 0.01),
        (120, 3, 1, 0.02),
    ],
)
def test_decision_values_are_those_of_libsvm(n, features, C, gamma):
    X, y = data(n, features)
    ours = SupportVectorMachine(C=C, gamma=gamma, random_state=0).fit(X, y)
    assert 0 < ours.error_bound_ <= 1e-4  # the polynomial was used
    theirs = SVC(C=C, gamma=gamma, tol=1e-6, cache_size=500).fit(X.astype(float), y)
    fresh = np.random.default_rng(9).random((2000, features)).astype(np.float32)
    for rows in (X, fresh):
        want = theirs.decision_function(rows.astype(float))
        np.testing.assert_allclose(ours.decision_values(rows), want, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_large_problem_starts_from_a_part_and_meets_the_conditions_of_the_optimum(monkeypatch):
    from shakeslide.models.kernel_machines.taylor import HingeSolver

    monkeypatch.setattr(HingeSolver, "_SUBSET", 1000)
    X, y = data(8000, 6)
    ours = SupportVectorMachine(random_state=0).fit(X, y)
    theirs = SVC(gamma=1e-3, tol=1e-6, cache_size=500).fit(X.astype(float), y)
    want = theirs.decision_function(X.astype(float))
    np.testing.assert_allclose(ours.decision_values(X), want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("settings", [{"gamma": 2.0}, {"gamma": 1e-3, "taylor_error": 0.0}])
def test_exact_kernel_where_the_series_would_be_too_long(settings):
    X, y = data(500)
    ours = SupportVectorMachine(**settings, random_state=0).fit(X, y)
    assert ours.error_bound_ == 0
    theirs = SVC(gamma=settings["gamma"], tol=1e-5).fit(X.astype(float), y)
    want = theirs.decision_function(X.astype(float))
    np.testing.assert_allclose(ours.decision_values(X), want, rtol=0, atol=1e-10)
    again = SupportVectorMachine.from_arrays(ours.arrays(), ours.get_params())
    np.testing.assert_array_equal(again.decision_values(X), ours.decision_values(X))


def test_middle_intercept_is_the_middle_of_the_flat_bottom():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, signs = rng.normal(size=30), rng.choice([-1.0, 1.0], 30)
        if abs(signs.sum()) == 30:
            continue
        b = np.linspace(-6, 6, 120_001)
        loss = np.maximum(0, 1 - signs[:, np.newaxis] * (values[:, np.newaxis] + b)).sum(axis=0)
        flat = b[loss < loss.min() + 1e-9]
        assert middle_intercept(values, signs) == pytest.approx(flat.mean(), abs=2e-4)


def test_platt_sigmoid_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    f = rng.normal(size=300) + 1.5 * y
    a, b = platt_sigmoid(f, y)
    high, low = (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2)
    target = np.where(y > 0, high, low)

    def loss(ab):
        z = ab[0] * f + ab[1]
        return np.sum(np.logaddexp(0, z) - (1 - target) * z)

    best = minimize(loss, [0, 0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    np.testing.assert_allclose([a, b], best.x, atol=1e-5)
    assert a < 0


def test_probabilities_are_calibrated_on_rows_not_seen():
    X, y = data(4000)
    p = SupportVectorMachine(random_state=0).fit(X[:2000], y[:2000]).predict_proba(X[2000:])[:, 1]
    assert abs(p.mean() - y[2000:].mean()) < 0.03


def test_impossible_settings_are_named():
    with pytest.raises(InputError, match="gamma"):
        SupportVectorMachine(gamma=-1).fit(*data(50))


@pytest.mark.parametrize("seed", range(8))
def test_few_rows_do_not_turn_the_probabilities_around(seed: int) -> None:
    """With gamma so small the parts of few rows differ more in level than the classes do."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 77)
    X = (rng.random((154, 14)) * 0.5 + 0.18 * y[:, None] * (rng.random(14) < 0.4)).astype("f4")
    model = SupportVectorMachine(C=1.0, gamma=0.001, random_state=seed).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    order = np.argsort(model.decision_values(X))
    assert (np.diff(p[order]) >= 0).all()
    assert p[y == 1].mean() > p[y == 0].mean() + 0.05
