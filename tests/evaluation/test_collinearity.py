"""Correlations and variance inflation, against numpy, scipy, regressions and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

from shakeslide.evaluation.collinearity import MOST_REMARKS, correlations
from shakeslide.learning.explanation import stored

N = 400


def mixed(seed: int = 1) -> np.ndarray:
    """Five continuous columns, some of which go together."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 5))
    x[:, 1] += 2 * x[:, 0]
    x[:, 2] = 0.3 * x[:, 0] - 0.6 * x[:, 3] + 0.5 * x[:, 2]
    x[:, 4] = np.exp(x[:, 4] + x[:, 3])
    return x


def test_continuous_factors_have_pearsons_correlation() -> None:
    x = mixed()
    found = correlations(x, "ABCDE", {})
    np.testing.assert_allclose(found.correlation, np.corrcoef(x.T), atol=1e-12)
    assert found.rows == N


def test_ranks_have_spearmans_correlation() -> None:
    x = mixed()
    found = correlations(x, "ABCDE", {}, "spearman")
    np.testing.assert_allclose(found.correlation, spearmanr(x).statistic, atol=1e-12)


def test_variance_inflation_is_that_of_regressions() -> None:
    x = mixed()
    expected = []
    for i in range(5):
        others = np.delete(x, i, axis=1)
        r2 = LinearRegression().fit(others, x[:, i]).score(others, x[:, i])
        expected.append(1 / (1 - r2))
    np.testing.assert_allclose(correlations(x, "ABCDE", {}).vif, expected, rtol=1e-9)


def test_generalised_inflation_by_determinants() -> None:
    rng = np.random.default_rng(2)
    angle = rng.uniform(0, 360, N)
    a = np.cos(np.radians(angle)) + 0.5 * rng.standard_normal(N)
    b = a + np.sin(np.radians(angle)) + 0.4 * rng.standard_normal(N)
    found = correlations(np.column_stack([angle, a, b]), "XAB", {"X": "circular"})
    columns = np.column_stack([np.sin(np.radians(angle)), np.cos(np.radians(angle)), a, b])
    r = np.corrcoef(columns.T)
    det = np.linalg.det
    for i, (own, rest) in enumerate([([0, 1], [2, 3]), ([2], [0, 1, 3]), ([3], [0, 1, 2])]):
        whole = det(r[np.ix_(own, own)]) * det(r[np.ix_(rest, rest)]) / det(r)
        assert found.vif[i] == pytest.approx(whole ** (1 / len(own)), rel=1e-9)


def test_an_angle_and_a_number_have_mardias_correlation() -> None:
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 360, N)
    y = np.cos(np.radians(angle - 40)) + 0.7 * rng.standard_normal(N)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rxc, rxs, rcs = (np.corrcoef(*p)[0, 1] for p in ((y, c), (y, s), (c, s)))
    expected = np.sqrt((rxc**2 + rxs**2 - 2 * rxc * rxs * rcs) / (1 - rcs**2))
    found = correlations(np.column_stack([angle, y]), "XY", {"X": "circular"}).correlation
    assert found[0, 1] == found[1, 0] == pytest.approx(expected, rel=1e-12)
    doubled = correlations(np.column_stack([angle / 2, y]), "XY", {"X": "axial"}).correlation
    assert doubled[0, 1] == pytest.approx(expected, rel=1e-12)


def test_classes_and_a_number_have_the_correlation_ratio() -> None:
    rng = np.random.default_rng(4)
    group = rng.integers(3, 8, N)
    y = 0.4 * group**2 + 3 * rng.standard_normal(N)
    between = sum(
        (group == g).sum() * (y[group == g].mean() - y.mean()) ** 2 for g in np.unique(group)
    )
    expected = np.sqrt(between / ((y - y.mean()) ** 2).sum())
    found = correlations(np.column_stack([group, y]), "GY", {"G": "categorical"}).correlation
    assert found[0, 1] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 360), st.floats(-50, 50), st.floats(0.01, 100))
def test_origin_and_unit_do_not_matter(seed: int, turn: float, shift: float, gain: float) -> None:
    rng = np.random.default_rng(seed)
    angle, other = rng.uniform(0, 360, 60), rng.uniform(0, 360, 60)
    y = np.sin(np.radians(angle)) + rng.standard_normal(60)
    kinds = {"A": "circular", "B": "circular"}
    one = correlations(np.column_stack([angle, other, y]), "ABY", kinds)
    moved = np.column_stack([(angle + turn) % 360, other, gain * y + shift])
    two = correlations(moved, "ABY", kinds)
    np.testing.assert_allclose(one.correlation, two.correlation, atol=1e-7)
    np.testing.assert_allclose(one.vif, two.vif, rtol=1e-6)
    assert (abs(one.correlation) <= 1).all()
    assert (one.vif >= 1 - 1e-9).all()


def test_level_ground_faces_nowhere() -> None:
    rng = np.random.default_rng(5)
    aspect = rng.uniform(0, 360, N)
    flat = rng.random(N) < 0.3
    north = np.where(flat, 0, np.cos(np.radians(aspect)))
    x = np.column_stack([np.where(flat, -1, aspect), north])
    found = correlations(x, "AN", {"A": "circular"})
    assert found.correlation[0, 1] == pytest.approx(1)


def test_what_others_give_away_is_infinite() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((N, 4))
    x[:, 2] = x[:, 0] - 2 * x[:, 1]
    found = correlations(x, "ABCD", {})
    assert np.isinf(found.vif[:3]).all()
    assert found.vif[3] == pytest.approx(1, abs=0.05)
    assert list(found.inflated()) == ["A", "B", "C"]
    assert stored(found).vif["A"] is None


def test_what_does_not_vary_has_no_correlation() -> None:
    rng = np.random.default_rng(7)
    x = np.column_stack([rng.standard_normal(N), np.full(N, 0.1), np.full(N, 30.0)])
    found = correlations(x, "ABC", {"C": "axial"})
    assert np.isnan(found.correlation[1:]).all()
    assert np.isnan(found.vif[1:]).all()
    assert found.vif[0] == 1
    assert found.remarks() == [f"{c} does not vary in the sample" for c in "BC"]


def test_pairs_to_think_about() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((N, 4))
    x[:, 1] = -x[:, 0] + 0.2 * rng.standard_normal(N)
    x[:, 3] = x[:, 2] + 0.6 * rng.standard_normal(N)
    found = correlations(x, "ABCD", {})
    assert [(p.first, p.second) for p in found.pairs()] == [("A", "B"), ("C", "D")]
    assert found.pairs()[0].correlation < -0.9
    assert len(found.pairs(0.95)) == 1
    remarks = found.remarks()
    assert remarks[0].startswith("A and B ")
    assert "(r = -0.98)" in remarks[0]
    assert any(r.startswith("A ") and "(VIF 2" in r for r in remarks)


def test_rows_with_gaps_are_left_out() -> None:
    x = mixed()
    holes = x.copy()
    holes[::7, 2] = np.nan
    found = correlations(holes, "ABCDE", {})
    kept = np.isfinite(holes).all(axis=1)
    assert found.rows == kept.sum()
    np.testing.assert_allclose(found.correlation, np.corrcoef(x[kept].T), atol=1e-12)


def test_too_few_rows_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="5 complete rows are too few for 5 columns"):
        correlations(mixed()[:5], "ABCDE", {})
    with pytest.raises(ValueError, match=r"x must be \(n, 2\)"):
        correlations(mixed(), "AB", {})


def test_of_many_that_go_together_the_worst_are_named_and_the_others_counted() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, 1)) + 0.2 * rng.standard_normal((N, 30))
    found = correlations(x, [f"F{i}" for i in range(30)], {})
    assert len(found.pairs()) == 30 * 29 / 2
    lines = found.remarks()
    assert len(lines) == 2 * (MOST_REMARKS + 1)
    assert any(line.startswith(f"{30 * 29 // 2 - MOST_REMARKS} more") for line in lines)


def test_some_of_the_factors() -> None:
    whole = stored(correlations(mixed(), "ABCDE", {}))
    some = whole.of(["D", "A"])
    assert some.codes == ("A", "D")
    assert some.correlation == tuple(tuple(whole.correlation[i][j] for j in (0, 3)) for i in (0, 3))
    assert some.vif == {code: whole.vif[code] for code in "AD"}
