"""Importance, dependence and attribution against scikit-learn, closed forms, enumeration."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mutual_info_score

from shakeslide.evaluation import importance
from shakeslide.evaluation.scores import scores


def linear(x):
    return 1 / (1 + np.exp(-(x @ np.array([2.0, -1.0, 0.0, 0.5])[: x.shape[1]])))


def labelled(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return x, (rng.random(n) < linear(x)).astype(int)


def test_information_gain_is_the_mutual_information_of_classes():
    x, y = labelled()
    for k in range(4):
        decile = np.argsort(np.argsort(x[:, k])) * 10 // y.size
        expected = mutual_info_score(decile, y) / np.log(2)
        assert importance.information_gain(x[:, k], y) == pytest.approx(expected)
    codes = np.round(x[:, 0])
    expected = mutual_info_score(codes, y) / np.log(2)
    assert importance.information_gain(codes, y, categorical=True) == pytest.approx(expected)


def test_information_gain_at_its_ends():
    y = np.tile([0, 1], 500)
    assert importance.information_gain(y, y, categorical=True) == pytest.approx(1)
    assert importance.information_gain(np.ones(1000), y) == 0
    assert importance.information_gain(np.where(y == 1, np.nan, 5.0), y) == pytest.approx(1)
    assert importance.information_gain(y, np.ones(1000)) == 0


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 12))
def test_equal_frequency_classes_rise_and_part_no_ties(values, bins):
    index = importance.equal_frequency(values, bins)
    order = np.argsort(values, kind="stable")
    assert (np.diff(index[order]) >= 0).all()
    assert all(np.unique(index[np.array(values) == v]).size == 1 for v in set(values))
    assert 0 <= index.min() <= index.max() < bins


def test_correlated_factors_are_found_whatever_their_scale_and_encoding():
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 500))
    angle = rng.uniform(0, 2 * np.pi, 500)
    x = np.column_stack([a, b, np.exp(3 * a), c, np.sin(angle), np.cos(angle), np.cos(angle) ** 3])
    assert abs(spearmanr(a, np.exp(3 * a)).statistic) == pytest.approx(1)
    groups = importance.correlated_groups(x, factor=[0, 1, 2, 3, 4, 4, 5])
    assert groups == [(0, 2), (1,), (3,), (4, 5)]
    assert importance.correlated_groups(x[:, :1]) == [(0,)]
    constant = np.column_stack([a, np.ones(500)])
    assert importance.correlated_groups(constant) == [(0,), (1,)]


def test_groups_are_alike_throughout_and_not_chains():
    rng = np.random.default_rng(2)
    a, c = rng.normal(size=(2, 5000))
    x = np.column_stack([a, a + c, c])  # each neighbour .7, the ends 0
    for group in importance.correlated_groups(x, threshold=0.6):
        assert group != (0, 1, 2)


def test_permutation_importance_follows_the_weights_and_leaves_the_rows_alone():
    x, y = labelled(1)
    before = x.copy()
    found = importance.permutation_importance(linear, x, y, [(0,), (1,), (2,), (3,)])
    assert np.array_equal(x, before)
    assert found.baseline == pytest.approx(scores(y, linear(x))["roc_auc"])
    assert (found.drop[2] == 0).all()
    assert found.mean[0] > found.mean[1] > found.mean[3] > 0
    assert found.drop.shape == (4, 5)
    everything = importance.permutation_importance(linear, x, y, [(0, 1, 2, 3)])
    assert everything.mean[0] == pytest.approx(found.baseline - 0.5, abs=0.02)


def test_a_pair_of_twins_hides_its_importance_unless_shuffled_together():
    x, y = labelled(2)
    twins = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])

    def either(rows):
        return linear(np.column_stack([np.maximum(rows[:, 0], rows[:, 1]), rows[:, 2]]))

    apart = importance.permutation_importance(either, twins, y, [(0,), (1,), (2,)])
    joint = importance.permutation_importance(either, twins, y, [(0, 1), (2,)])
    assert joint.mean[0] > 1.5 * apart.mean[0]
    assert joint.drop[1] == pytest.approx(apart.drop[2])  # the same shuffles


def test_partial_dependence_of_a_sum_is_its_term():
    x, _ = labelled(3)
    grid = np.linspace(-1, 1, 5)

    def predict(rows):
        return rows[:, 0] ** 2 + 3 * rows[:, 1]

    got = importance.partial_dependence(predict, x, (0,), grid)
    assert got == pytest.approx(grid**2 + 3 * x[:, 1].mean())
    weights = (x[:, 1] > 0).astype(float)
    got = importance.partial_dependence(predict, x, (0,), grid, weights)
    assert got == pytest.approx(grid**2 + 3 * x[x[:, 1] > 0, 1].mean())


def test_partial_dependence_moves_the_columns_of_an_angle_together():
    x, _ = labelled(4)
    angle = np.radians([0, 90, 180, 270])
    values = np.column_stack([np.sin(angle), np.cos(angle)])
    got = importance.partial_dependence(
        lambda rows: np.hypot(rows[:, 1], rows[:, 2]), x, (1, 2), values
    )
    assert got == pytest.approx(np.ones(4))


def tangled(rows):
    a, b, c, d = rows.T
    return a * b + np.maximum(c, b) + 0.3 * d * a * c + d


def exact_shapley(predict, row, background, groups):
    """Mean change over all orders and background rows, by enumeration."""
    parts = np.zeros(len(groups))
    orders = list(permutations(range(len(groups))))
    for order in orders:
        stage = background.copy()
        for index in order:
            before = predict(stage).mean()
            stage[:, groups[index]] = row[list(groups[index])]
            parts[index] += predict(stage).mean() - before
    return parts / len(orders)


@pytest.mark.parametrize("groups", [[(0,), (1,), (2,), (3,)], [(0, 3), (1,), (2,)]])
def test_attribution_is_the_shapley_value(groups):
    rng = np.random.default_rng(5)
    background, row = rng.normal(size=(30, 4)), rng.normal(size=4)
    got = importance.attribution(tangled, row, background, groups, rounds=200)
    expected = exact_shapley(tangled, row, background, groups)
    assert np.abs(got.parts - expected).max() < 5 * got.error.max() + 1e-12
    assert got.error.max() < 0.02
    assert got.parts.sum() == pytest.approx(got.value - got.base)
    assert got.value == pytest.approx(tangled(row[None])[0])


def test_attribution_of_a_product_of_two_is_exact_by_drawing_in_pairs():
    rng = np.random.default_rng(8)
    background, row = rng.normal(size=(10, 2)), rng.normal(size=2)
    got = importance.attribution(
        lambda rows: rows[:, 0] * rows[:, 1], row, background, [(0,), (1,)], rounds=2
    )
    a, b = background.T
    expected = [np.mean((row[0] - a) * (row[1] + b)) / 2, np.mean((row[1] - b) * (row[0] + a)) / 2]
    assert got.parts == pytest.approx(expected)
    assert got.error == pytest.approx(np.zeros(2))


def test_attribution_of_a_sum_is_exact_at_once():
    rng = np.random.default_rng(6)
    weights = np.array([1.0, -2.0, 0.5])
    background, row = rng.normal(size=(10, 3)), rng.normal(size=3)
    got = importance.attribution(
        lambda rows: rows @ weights, row, background, [(0,), (1,), (2,)], rounds=2
    )
    assert got.parts == pytest.approx(weights * (row - background.mean(axis=0)))


def test_random_parts_repeat_themselves():
    x, y = labelled(7, 300)
    groups = [(0,), (1,), (2,), (3,)]
    one, two, other = (
        importance.permutation_importance(linear, x, y, groups, seed=seed).drop
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_wrong_groups_and_shapes_are_refused():
    with pytest.raises(ValueError, match="every column once"):
        importance.attribution(linear, np.zeros(4), np.zeros((5, 4)), [(0,), (1,)])
    with pytest.raises(ValueError, match="two rounds"):
        importance.attribution(linear, np.zeros(1), np.zeros((5, 1)), [(0,)], rounds=1)
    with pytest.raises(ValueError, match="one length"):
        importance.information_gain([1, 2], [0, 1, 1])
