"""The analytic hierarchy process against Saaty's published examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.models import AnalyticHierarchy
from shakeslide.models.formulas.hierarchy import comparison_matrix, priorities

from .described import FACTORS, PRESENT, conversion, rows

HOUSE = np.array(
    [
        [1, 5, 3, 7, 6, 6, 1 / 3, 1 / 4],
        [1 / 5, 1, 1 / 3, 5, 3, 3, 1 / 5, 1 / 7],
        [1 / 3, 3, 1, 6, 3, 4, 6, 1 / 5],
        [1 / 7, 1 / 5, 1 / 6, 1, 1 / 3, 1 / 4, 1 / 7, 1 / 8],
        [1 / 6, 1 / 3, 1 / 3, 3, 1, 1 / 2, 1 / 5, 1 / 6],
        [1 / 6, 1 / 3, 1 / 4, 4, 2, 1, 1 / 5, 1 / 6],
        [3, 5, 1 / 6, 7, 5, 5, 1, 1 / 2],
        [4, 7, 5, 8, 6, 6, 2, 1],
    ]
)
"""Choosing a house: Saaty (1990), Eur. J. Oper. Res. 48:9-26."""
DRINKS = np.array(
    [
        [1, 9, 5, 2, 1, 1, 1 / 2],
        [1 / 9, 1, 1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 9],
        [1 / 5, 3, 1, 1 / 3, 1 / 4, 1 / 3, 1 / 9],
        [1 / 2, 9, 3, 1, 1 / 2, 1, 1 / 3],
        [1, 9, 4, 2, 1, 2, 1 / 2],
        [1, 9, 3, 1, 1 / 2, 1, 1 / 3],
        [2, 9, 9, 3, 2, 3, 1],
    ]
)
"""Drinks in the United States: Saaty (2008), Int. J. Services Sciences 1:83-98."""


@pytest.mark.parametrize(
    ("matrix", "weights", "ratio"),
    [
        (HOUSE, [0.173, 0.054, 0.188, 0.018, 0.031, 0.036, 0.167, 0.333], 0.169),
        (DRINKS, [0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327], 0.022),
    ],
)
def test_published_weights_and_consistency(matrix, weights, ratio):
    got, consistency = priorities(matrix)
    np.testing.assert_allclose(got, weights, atol=0.0006)
    assert consistency == pytest.approx(ratio, abs=0.0006)
    assert got.sum() == pytest.approx(1)


def test_consistent_comparisons_give_back_their_weights():
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    got, ratio = priorities(weights[:, None] / weights[None, :])
    np.testing.assert_allclose(got, weights)
    assert ratio == pytest.approx(0, abs=1e-12)


def test_pairs_make_the_matrix_in_either_order():
    codes, matrix = comparison_matrix({"A/B": 3, "C / A": 0.5, "B/C": 4})
    assert codes == ["A", "B", "C"]
    np.testing.assert_allclose(matrix, [[1, 3, 2], [1 / 3, 1, 4], [0.5, 0.25, 1]])


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ({"A/B": 3, "A/C": 2}, 'B and C are not compared; add "B/C"'),
        ({"A/B": 3, "B/A": 2}, "compared twice"),
        ({"A": 3}, "must name two factors"),
        ({"A/A": 1}, "must name two factors"),
        ({"A/B/C": 1}, "must name two factors"),
        ({"A/B": 0}, "positive number"),
        ({"A/B": float("nan")}, "positive number"),
        ({}, "0 factors"),
        ({f"A/B{i}": 1 for i in range(15)}, "16 factors"),
    ],
)
def test_wrong_comparisons_are_told(comparisons, said):
    with pytest.raises(InputError, match=said):
        comparison_matrix(comparisons)


def model(**params):
    made = AnalyticHierarchy(**{"comparisons": {"SLO/LITH": 3.0}, **params})
    return made.describe(FACTORS, conversion, PRESENT)


RATINGS = {
    "SLO": {"limits": [15, 30], "values": [0.1, 0.4, 1.0]},
    "LITH": {"classes": {"va": 0.5, "su": 1.0, "mt": 0.0}},
}


def test_score_is_the_weighted_sum_of_given_ratings():
    X = rows(np.random.default_rng(0).random((400, 7)))
    y = (X[:, 0] > 30).astype(int)
    fitted = model(ratings=RATINGS).fit(X, y)
    np.testing.assert_allclose(fitted.weight_, [0.75, 0.25])
    X[:4, 0], X[:4, 5] = [15, 15.1, 30, 31], [1, 2, 3, 1]
    wanted = [0.075 + 0.125, 0.3 + 0.25, 0.3, 0.75 + 0.125]
    np.testing.assert_allclose(fitted._score(X[:4]), wanted)
    p = fitted.predict_proba(X)[:, 1]
    assert (np.argsort(p[:4]) == np.argsort(wanted)).all()


def test_frequency_ratios_rate_what_has_no_ratings():
    X = rows(np.random.default_rng(0).random((6000, 7)))
    share = np.array([0.0, 0.1, 0.6, 0.3])[X[:, 5].astype(int)]
    y = (np.random.default_rng(1).random(6000) < share).astype(int)
    fitted = model(bins=4).fit(X, y)
    hit = np.array([np.mean(X[y == 1, 5] == k) / np.mean(X[y == 0, 5] == k) for k in (1, 2, 3)])
    np.testing.assert_allclose(fitted.rating_[1, :3], hit / hit.max(), rtol=0.01)
    assert np.ptp(fitted.rating_[0, :4]) < 0.3  # slope tells nothing here
    assert fitted.score(X, y) > 0.6
    p = fitted.predict_proba(X)[:, 1]
    assert p.mean() == pytest.approx(y.mean(), abs=0.01)


def test_contradicting_comparisons_are_told():
    odd = {"SLO/PGA": 5.0, "PGA/LITH": 5.0, "LITH/SLO": 5.0}
    (line,) = AnalyticHierarchy(comparisons=odd).remarks()
    assert "consistency ratio" in line
    assert "above 0.1" in line
    assert AnalyticHierarchy(comparisons={"SLO/PGA": 5.0}).remarks() == []


def test_what_is_missing_is_named():
    assert "comparisons" in AnalyticHierarchy().lacks(FACTORS, conversion)[0]
    other = AnalyticHierarchy(comparisons={"SLO/XX": 3.0})
    assert other.lacks(FACTORS, conversion) == ["factor XX"]
    with pytest.raises(InputError, match="factor XX"):
        other.describe(FACTORS, conversion, PRESENT)


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ({"SLO": {"limits": [15, 10], "values": [0, 0.5, 1]}}, "limits in ascending"),
        ({"SLO": {"limits": [15], "values": [0, 0.5, 1]}}, "one value more"),
        ({"SLO": {"classes": {"steep": 1.0}}}, "limits in ascending"),
        ({"SLO": {"limits": [15], "values": [0, 5]}}, "between 0 and 1"),
        ({"LITH": {"classes": {"va": 1.0}}}, "LITH .*'su', 'mt'"),
        ({"PGA": {"limits": [0.2], "values": [0, 1]}}, "no comparison names"),
    ],
)
def test_wrong_ratings_are_told(ratings, said):
    X = rows(np.random.default_rng(0).random((50, 7)))
    with pytest.raises(InputError, match=said):
        model(ratings=ratings).fit(X, np.arange(50) % 2)


def test_a_class_without_a_name_has_a_rating():
    codes = [replace(f, legend={}) if f.code == "LITH" else f for f in FACTORS]
    X = rows(np.random.default_rng(0).random((90, 7)))
    ratings = {"LITH": {"classes": {"1": 0.2, "2": 0.4, "3": 0.6}}}
    made = AnalyticHierarchy({"SLO/LITH": 1.0}, ratings).describe(codes, conversion, PRESENT)
    fitted = made.fit(X, np.arange(90) % 2)
    np.testing.assert_allclose(fitted.rating_[1, :3], [0.2, 0.4, 0.6])
