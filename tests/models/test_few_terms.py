"""The few-term model rises with slope and shaking, and boosting does where it is asked to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from shakeslide.core.errors import InputError
from shakeslide.io import units
from shakeslide.models import storage
from shakeslide.models.formulas import few_terms
from shakeslide.models.formulas.few_terms import MEASURES, FewTerms, rising_logistic
from shakeslide.models.tree_models.forest import GradientBoosting
from tests.past_quakes import info

FACTORS = (
    info("DEM", "m", function="elevation"),
    info("PGA", "%g", function="value"),
    info("SLO", "deg", function="slope"),
)


def rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(0, 1, count), 100 * 0.05 * np.exp(rng.gamma(2, 0.6, count)),
        rng.uniform(0, 60, count),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def described() -> FewTerms:
    return FewTerms().describe(FACTORS, units.conversion, {})


def labels(raw: np.ndarray, b: tuple[float, ...], seed: int = 1) -> np.ndarray:
    s, u = np.sin(np.radians(raw[:, 2])), np.log(np.clip(raw[:, 1] / 100, 0.02, 2.0) / 0.02)
    p = expit(b[0] + b[1] * s + b[2] * u + b[3] * s * u)
    return (np.random.default_rng(seed).random(len(raw)) < p).astype(np.uint8)


def test_it_is_maximum_likelihood_where_the_data_rise():
    raw = rows(20_000)
    y = labels(raw, (-4.0, 2.0, 0.6, 0.8))
    model = described().fit(raw, y)
    free = LogisticRegression(C=1e6, max_iter=2000, tol=1e-8).fit(model.terms(raw), y)
    np.testing.assert_allclose(model.coef_[1:], free.coef_[0], rtol=0.05, atol=0.05)
    np.testing.assert_allclose(model.coef_[0], free.intercept_[0], rtol=0.05)


@pytest.mark.parametrize("b", [(-1.0, -3.0, 0.5, 0.0), (0.0, 3.0, -1.0, 0.0), (-2, 4, 2, -3)])
def test_it_falls_nowhere_though_the_data_do(b: tuple[float, ...]):
    raw = rows(4000)
    model = described().fit(raw, labels(raw, b))
    slope, shaking = np.meshgrid(np.linspace(0, 90, 40), np.geomspace(0.1, 500, 60), indexing="ij")
    grid = np.stack([np.zeros(slope.size), shaking.ravel(), slope.ravel()], axis=1)
    p = model.predict_proba(grid.astype(np.float32))[:, 1].reshape(slope.shape)
    assert np.diff(p, axis=0).min() >= -1e-12
    assert np.diff(p, axis=1).min() >= -1e-12


def test_groups_have_intercepts_of_their_own():
    raw = rows(20_000)
    group = np.arange(20_000) % 2
    y = np.where(group == 0, labels(raw, (-4, 3, 0.5, 0)), labels(raw, (-2, 3, 0.5, 0)))
    few = described()
    beta = rising_logistic(few.terms(raw), y.astype(float), np.ones(20_000), few.most, group)
    assert beta.size == 5
    assert beta[1] - beta[0] == pytest.approx(2, abs=0.2)


def test_it_is_stored_and_restored():
    raw = rows(500)
    model = described().fit(raw, labels(raw, (-3, 2, 0.5, 0)))
    told, arrays = storage.dump(model)
    again = storage.restore(told["model"], told["params"], arrays)
    np.testing.assert_array_equal(again.predict_proba(raw), model.predict_proba(raw))
    arrays["range"] = arrays["range"][::-1].copy()
    with pytest.raises(InputError, match="range"):
        storage.restore(told["model"], told["params"], arrays)


def test_it_names_what_is_missing():
    assert "SLO" in FewTerms().lacks(FACTORS[:2], units.conversion)[0]
    assert (
        "MMI"
        in FewTerms(shaking="EI").lacks(
            [*FACTORS, info("EI", "MMI", function="value")], units.conversion
        )[0]
    )
    velocity = [FACTORS[2], info("PGV", "m/s", function="value")]
    few = FewTerms(shaking="PGV").describe(velocity, units.conversion, {})
    assert few.gain_.tolist() == [1.0, 100.0]
    assert tuple(few.range_) == MEASURES["cm/s"]


def test_boosting_rises_and_adds_up_where_it_is_asked_to():
    rng = np.random.default_rng(2)
    x = rng.random((3000, 3)).astype(np.float32)
    z = -3 * x[:, 0] + 2 * x[:, 1] + 4 * x[:, 1] * x[:, 2]
    y = (rng.random(3000) < expit(z)).astype(np.uint8)
    model = GradientBoosting(max_iter=15, rising=(0, 1), additive=True).fit(x, y)
    at = np.linspace(0, 1, 21, dtype=np.float32)

    def logits(**columns: np.ndarray) -> np.ndarray:
        rows = np.full((21, 3), 0.4, np.float32)
        for k, values in columns.items():
            rows[:, int(k[1])] = values
        p = model.predict_proba(rows)[:, 1]
        return np.log(p / (1 - p))

    for column in ("c0", "c1"):
        assert np.diff(logits(**{column: at})).min() >= -1e-9
    apart = logits(c1=at) - logits(c1=at, c2=np.full(21, 0.9))
    np.testing.assert_allclose(apart, apart[0], atol=1e-6)
    with pytest.raises(ValueError, match="rising"):
        GradientBoosting(rising=(3,)).fit(x, y)


def test_a_search_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    raw = rows(400)
    y = labels(raw, (-1.0, 1.0, 0.5, 0.0))
    original = few_terms.minimize
    seen: list[float] = []

    def stopped(*words: object, options: dict[str, float], **more: object) -> OptimizeResult:
        seen.append(options["ftol"])
        return original(*words, **more, options={**options, "maxiter": 2})

    monkeypatch.setattr(few_terms, "minimize", stopped)
    with pytest.raises(InputError, match="converge"):
        described().fit(raw, y)
    assert seen == list(few_terms.TOLERANCES)
