"""The Bayes optimum against closed forms, scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, roc_auc_score

from shakeslide.core.errors import InputError
from shakeslide.synthetic import bayes_given_factors, bayes_optimum, rule_scores


def test_two_kinds_of_cells_by_hand() -> None:
    # A quarter of the cells fails with .4, the others with .1: prevalence .175.
    p = np.repeat([0.4, 0.1, 0.1, 0.1], 50)
    found = bayes_optimum(p)
    failed_high, stable_high = 0.1 / 0.175, 0.15 / 0.825
    assert found.prevalence == pytest.approx(0.175)
    assert found.oa_balanced == pytest.approx(0.5 * (failed_high + 1 - stable_high))
    assert found.oa_natural == pytest.approx(0.825)
    auc = failed_high * (1 - stable_high) + 0.5 * (
        failed_high * stable_high + (1 - failed_high) * (1 - stable_high)
    )
    assert found.auc == pytest.approx(auc)
    assert found.brier_natural == pytest.approx(0.25 * 0.4 * 0.6 + 0.75 * 0.1 * 0.9)


def test_certainty_and_ignorance() -> None:
    sure = bayes_optimum(np.array([0.0, 0.0, 0.0, 1.0]))
    assert (sure.oa_balanced, sure.oa_natural, sure.auc) == (1.0, 1.0, 1.0)
    assert sure.brier_balanced == sure.brier_natural == 0.0
    blind = bayes_optimum(np.full(10, 0.2))
    assert blind.oa_balanced == pytest.approx(0.5)
    assert blind.auc == pytest.approx(0.5)
    assert blind.brier_balanced == pytest.approx(0.25)


probabilities = arrays(np.float64, st.integers(2, 60), elements=st.floats(0.01, 0.99))


@settings(max_examples=60)
@given(probabilities, st.integers(0, 2**31))
def test_scores_agree_with_scikit_learn_on_weighted_outcomes(p: np.ndarray, seed: int) -> None:
    score = np.random.default_rng(seed).choice([0.1, 0.25, 0.5, 0.7], p.size)
    found = rule_scores(score, p)
    twice, truth = np.r_[score, score], np.r_[np.ones(p.size), np.zeros(p.size)]
    weight = np.r_[p, 1 - p]
    assert found.auc == pytest.approx(roc_auc_score(truth, twice, sample_weight=weight))
    assert found.brier_natural == pytest.approx(
        brier_score_loss(truth, twice, sample_weight=weight)
    )


@settings(max_examples=60)
@given(probabilities, probabilities)
def test_no_rule_beats_the_optimum(p: np.ndarray, score: np.ndarray) -> None:
    n = min(p.size, score.size)
    best, other = bayes_optimum(p[:n]), rule_scores(score[:n], p[:n])
    for name in ("oa_balanced", "oa_natural", "auc"):
        assert getattr(other, name) <= getattr(best, name) + 1e-12
    for name in ("brier_balanced", "brier_natural"):
        assert getattr(other, name) >= getattr(best, name) - 1e-12


def test_outcomes_score_as_expected() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(0.3, 3.0, 400_000)
    found = bayes_optimum(p)
    y = rng.random(p.size) < p
    yes = p > p.mean()
    assert 0.5 * (yes[y].mean() + (~yes)[~y].mean()) == pytest.approx(found.oa_balanced, abs=0.005)
    assert roc_auc_score(y, p) == pytest.approx(found.auc, abs=0.005)


def test_missing_cells_are_left_out() -> None:
    p = np.array([[0.1, np.nan], [0.4, 0.2]])
    assert bayes_optimum(p) == bayes_optimum(np.array([0.1, 0.4, 0.2]))


def test_a_map_without_failures_is_refused() -> None:
    with pytest.raises(InputError, match="one class"):
        bayes_optimum(np.zeros(5))


def hidden_state(n: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """p* = f(a, b), what is known of it from a alone, and factors a and some noise."""
    rng = np.random.default_rng(8)
    a, b = rng.random(n), rng.choice([0.5, 1.5], n)
    mean = 0.3 * (0.5 + 0.5 * np.sin(6 * a)) ** 3
    return mean * b, mean, np.column_stack([a, rng.random(n)]), a


@pytest.mark.parametrize("grouped", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_factors_know_lies_in_the_interval(grouped: bool) -> None:
    p, mean, x, _ = hidden_state()
    groups = np.arange(p.size) // 500 if grouped else None
    found = bayes_given_factors(p, x, np.random.default_rng(1), groups=groups)
    truth = rule_scores(mean, p)
    assert found.oa[0] <= truth.oa_balanced <= found.oa[2]
    assert found.auc[0] <= truth.auc <= found.auc[2]
    assert found.oa[2] - found.oa[0] < 0.03
    assert found.oa[1] == pytest.approx(truth.oa_balanced, abs=0.01)
    assert bayes_optimum(p).oa_balanced > found.oa[2]


def test_factors_without_a_clue_know_nothing() -> None:
    p, *_ = hidden_state(10_000)
    x = np.random.default_rng(3).random((p.size, 3))
    found = bayes_given_factors(p, x, np.random.default_rng(1))
    assert found.oa[0] <= 0.5 + 1e-9
    assert found.oa[1] == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_places_learned_by_heart_do_not_count_between_groups() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(40), 150)
    p = rng.beta(0.5, 4.0, 40)[groups]
    x = (groups + rng.random(groups.size))[:, None]
    by_heart = bayes_given_factors(p, x, np.random.default_rng(1))
    honest = bayes_given_factors(p, x, np.random.default_rng(1), groups=groups)
    best = bayes_optimum(p).oa_balanced
    assert by_heart.oa[1] > best - 0.02
    assert honest.oa[0] < best - 0.1
