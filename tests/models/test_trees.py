"""Flat trees against the libraries that grew them."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from shakeslide.core.errors import InputError
from shakeslide.learning.training import Recipe
from shakeslide.models import (
    AdaBoost,
    DecisionTree,
    ExtraTrees,
    GradientBoosting,
    LightGBM,
    RandomForest,
)
from shakeslide.models.tree_models import light_boosting
from shakeslide.models.tree_models.forest import _share_by_impurity
from shakeslide.models.tree_models.trees import Tree, TreeEnsemble, _rounded_down


def data(n=3000, features=6):
    rng = np.random.default_rng(0)
    X = rng.random((n, features)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1], 1)  # ties, and thresholds halfway between floats
    y = (X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=n) > 0.8).astype(int)
    return X, y


@pytest.mark.parametrize("depth", [1, 13, None])
def test_forest_equals_scikit_learns(depth):
    X, y = data()
    settings = {"n_estimators": 20, "max_depth": depth, "random_state": 3}
    ours = RandomForest(**settings).fit(X, y)
    theirs = RandomForestClassifier(**settings).fit(X, y)
    fresh = np.random.default_rng(1).random((5000, 6)).astype(np.float32)
    for rows in (X, fresh):
        np.testing.assert_allclose(
            ours.predict_proba(rows), theirs.predict_proba(rows), rtol=0, atol=1e-12
        )
    np.testing.assert_array_equal(ours.feature_importances_, theirs.feature_importances_)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (DecisionTree(random_state=1), DecisionTreeClassifier(max_depth=13, random_state=1)),
        (
            AdaBoost(n_estimators=25, random_state=1),
            AdaBoostClassifier(n_estimators=25, random_state=1),
        ),
        (
            AdaBoost(n_estimators=12, max_depth=4, learning_rate=0.3, random_state=1),
            AdaBoostClassifier(
                DecisionTreeClassifier(max_depth=4),
                n_estimators=12,
                learning_rate=0.3,
                random_state=1,
            ),
        ),
        (
            ExtraTrees(n_estimators=20, max_depth=None, min_samples_leaf=2, random_state=1),
            ExtraTreesClassifier(n_estimators=20, min_samples_leaf=2, random_state=1),
        ),
        (
            GradientBoosting(max_iter=30),
            HistGradientBoostingClassifier(max_iter=30, early_stopping=False),
        ),
    ],
)
def test_other_trees_equal_scikit_learns(ours, theirs):
    X, y = data()
    fresh = np.random.default_rng(1).random((5000, 6)).astype(np.float32)
    ours.fit(X, y)
    theirs.fit(X, y)
    for rows in (X, fresh):
        want = theirs.predict_proba(rows)
        np.testing.assert_allclose(ours.predict_proba(rows), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"extra_trees": False, "num_leaves": 300}])
def test_lightgbm_equals_lightgbm(settings):
    pytest.importorskip("lightgbm")
    X, y = data()
    X[:, 2] -= 0.5  # both sides of zero, which LightGBM treats apart
    ours = LightGBM(
        n_estimators=30, min_data_in_leaf=3, learning_rate=0.3, random_state=5, **settings
    )
    theirs = light_boosting.boosted(X, y, ours._settings(6), 30)
    ours.fit(X, y)
    fresh = np.random.default_rng(1).random((5000, 6)).astype(np.float32) - np.float32(0.3)
    for rows in (X, fresh):
        want = theirs.predict(rows)
        np.testing.assert_allclose(ours.predict_proba(rows)[:, 1], want, rtol=0, atol=1e-12)
    assert np.ptp(ours.predict_proba(X)[:, 1]) > 0.5


def test_lightgbm_of_too_few_rows_predicts_their_share():
    pytest.importorskip("lightgbm")
    X, y = data(30)
    p = LightGBM(random_state=0).fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(p, y.mean(), atol=1e-6)


def test_lightgbm_that_is_not_there_is_told_with_its_extra(monkeypatch):
    X, y = data(30)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"shakeslide\[lightgbm\]"):
        LightGBM().fit(X, y)
    assert "shakeslide[lightgbm]" in Recipe("lgbm", "raw", {}).lacks([])[0]
    assert Recipe("rf", "raw", {}).lacks([]) == []


def test_settings_that_lightgbm_refuses_are_an_input_error():
    pytest.importorskip("lightgbm")
    X, y = data(30)
    with pytest.raises(InputError, match="lgbm"):
        LightGBM(bagging_fraction=7.0).fit(X, y)


def test_rows_on_a_threshold_go_left_as_in_scikit_learn():
    X, y = data()
    theirs = RandomForestClassifier(n_estimators=5, max_depth=6, random_state=0).fit(X, y)
    ours = RandomForest(n_estimators=5, max_depth=6, random_state=0).fit(X, y)
    thresholds = np.concatenate(
        [e.tree_.threshold[e.tree_.feature == 0] for e in theirs.estimators_]
    )
    rows = np.repeat(X[:1], 3 * thresholds.size, axis=0)
    near = thresholds.astype(np.float32)
    rows[:, 0] = np.concatenate(
        [near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]
    )
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=1e-12)


@given(st.floats(-1e30, 1e30), st.integers(-3, 3))
def test_rounded_threshold_parts_floats_as_the_double_does(threshold, ulps):
    rounded = _rounded_down(np.array([threshold]))[0]
    x = np.float32(threshold)
    for _ in range(abs(ulps)):
        x = np.nextafter(x, np.float32(np.sign(ulps) * np.inf))
    assert (x <= rounded) == (float(x) <= threshold)


@st.composite
def random_tree(draw):
    """A tree grown at random, nodes in depth-first order as scikit-learn numbers them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    nodes: list[list[float]] = []

    def grow(depth):
        k = len(nodes)
        nodes.append([-1, -1, 0, 0.0, rng.normal()])
        if depth < 7 and rng.random() < 0.8:
            nodes[k][2:4] = [rng.integers(3), rng.random()]
            nodes[k][0] = grow(depth + 1)
            nodes[k][1] = grow(depth + 1)
        return k

    grow(0)
    columns = list(zip(*nodes, strict=True))
    integers = [np.array(c, dtype=np.int64) for c in columns[:3]]
    return Tree(*integers, np.array(columns[3]), np.array(columns[4]))


def walk(tree, x):
    k = 0
    while tree.left[k] >= 0:
        k = tree.left[k] if x[tree.feature[k]] <= tree.threshold[k] else tree.right[k]
    return tree.value[k]


@given(st.lists(random_tree(), min_size=1, max_size=5), st.integers(1, 200))
@settings(max_examples=40)
def test_flat_trees_give_what_a_walk_gives(trees, n):
    X = np.random.default_rng(n).random((n, 3)).astype(np.float32)
    want = np.zeros(n)
    for tree in trees:
        want += [walk(tree, x) for x in X]
    np.testing.assert_array_equal(TreeEnsemble.from_trees(trees, 3).sum(X), want)


def test_a_forest_grown_by_intelex_predicts_what_intelex_does():
    ensemble = pytest.importorskip("sklearnex.ensemble")
    rng = np.random.default_rng(0)
    X = rng.random((4000, 6)).astype(np.float32)
    y = (X[:, 0] > X[:, 1]) ^ (rng.random(4000) < 0.2)
    ours = RandomForest(n_estimators=20, max_depth=9, random_state=0, engine="intelex").fit(X, y)
    theirs = ensemble.RandomForestClassifier(n_estimators=20, max_depth=9, random_state=0).fit(X, y)
    new = np.concatenate([X, rng.random((4000, 6)).astype(np.float32)])
    # Theirs is a sum in single precision
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(new), atol=1e-6)


def test_leaf_shares_from_impurities():
    class Leaf:
        impurity = np.array([0.0, 0.0, 2 * 0.3 * 0.7, 2 * 0.3 * 0.7, 0.5])
        n_node_samples = np.array([3, 4, 10, 10, 8])
        value = np.array([[[1, 0]], [[0, 1]], [[1, 0]], [[0, 1]], [[1, 0]]])

    assert _share_by_impurity(Leaf).tolist() == [0, 1, 0.3, 0.7, 0.5]


def test_an_engine_that_is_not_there_is_told(monkeypatch):
    X, y = np.random.default_rng(0).random((20, 2)), np.arange(20) % 2
    with pytest.raises(InputError, match="engine 'fast' must be"):
        RandomForest(engine="fast").fit(X, y)
    monkeypatch.setitem(sys.modules, "sklearnex.ensemble", None)
    with pytest.raises(InputError, match="needs the package scikit-learn-intelex"):
        RandomForest(engine="intelex").fit(X, y)
