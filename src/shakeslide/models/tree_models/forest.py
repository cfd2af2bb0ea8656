"""Tree models, grown by scikit-learn and kept as flat arrays."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader, Arrays, Model
from shakeslide.models.logistic import logistic
from shakeslide.models.parallel import processors
from shakeslide.models.tree_models.trees import Tree, TreeEnsemble


class TreeModel(Model):
    """What models made of trees share.

    Attributes
    ----------
    trees_ : TreeEnsemble
    """

    trees_: TreeEnsemble
    _leaf_range: tuple[float | None, float | None] = (None, None)

    def _arrays(self) -> Arrays:
        return self.trees_.arrays()

    def _restore(self, reader: ArrayReader) -> None:
        low, high = self._leaf_range
        self.trees_ = TreeEnsemble.restore(reader, low=low, high=high)
        self.n_features_in_ = self.trees_.n_features


def _classification_tree(tree: Any, value: NDArray[np.float64]) -> Tree:
    return Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, value)


def _positive_share(tree: Any) -> NDArray[np.float64]:
    # Counts or shares, by scikit-learn's version: over their sum both are shares.
    share: NDArray[np.float64] = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1)
    return share


def _forest_class(engine: str) -> Any:
    if engine == "sklearn":
        return RandomForestClassifier
    if engine != "intelex":
        raise InputError(f"rf: engine {engine!r} must be sklearn or intelex")
    try:
        return importlib.import_module("sklearnex.ensemble").RandomForestClassifier
    except ImportError as error:
        raise InputError(
            'rf: engine = "intelex" needs the package scikit-learn-intelex; install it, or use '
            'engine = "sklearn"'
        ) from error


def _share_by_impurity(tree: Any) -> NDArray[np.float64]:
    """Return the share of positives in each node of a tree of scikit-learn-intelex.

    Its leaves keep only the winning class, but also the Gini impurity 2p(1 - p) and the number of
    rows, which together give the number of positives exactly.
    """
    # Solves g = 2p(1 − p): p = (1 ± sqrt(1 − 2g)) / 2, with + where class 1 wins.
    root = np.sqrt(np.clip(1.0 - 2.0 * tree.impurity, 0.0, 1.0))
    wins = tree.value[:, 0, 1] > tree.value[:, 0, 0]
    rows = tree.n_node_samples
    share: NDArray[np.float64] = np.rint(rows * np.where(wins, 1 + root, 1 - root) / 2) / rows
    return share


class RandomForest(TreeModel):
    """Random forest: the mean of the leaf frequencies of trees grown on bootstrap samples.

    Same probabilities as `sklearn.ensemble.RandomForestClassifier` (to 1e-12).

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_depth : int or None
        Levels below the root.
    min_samples_leaf : int
        Fewest training rows in a leaf.
    max_features : str, int, float or None
        Features that a split may choose from.
    random_state : int or None
    n_jobs : int or None
        Threads that grow trees, by default one per processor; it doesn't change the result.
    engine : {"sklearn", "intelex"}
        What grows the trees: "intelex" is the package scikit-learn-intelex, which is faster and
        draws other random numbers.

    Attributes
    ----------
    trees_ : TreeEnsemble
    feature_importances_ : ndarray of float64, shape (n_features,)
        Mean decrease of impurity; only after `fit`, it is not stored.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.RandomForest(random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    _leaf_range = (0.0, 1.0)

    def __init__(
        self,
        n_estimators: int = 62,
        max_depth: int | None = 13,
        min_samples_leaf: int = 1,
        max_features: str | int | float | None = "sqrt",
        random_state: int | None = None,
        n_jobs: int | None = None,
        engine: str = "sklearn",
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.engine = engine

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        params = {k: v for k, v in self.get_params().items() if k not in ("engine", "n_jobs")}
        forest = _forest_class(self.engine)(**params, n_jobs=self.n_jobs or processors())
        forest.fit(X, y)
        share = _positive_share if self.engine == "sklearn" else _share_by_impurity
        grown = [estimator.tree_ for estimator in forest.estimators_]
        trees = [_classification_tree(tree, share(tree)) for tree in grown]
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])
        if self.engine != "sklearn":
            # The layout is no public one: the library's own probabilities of some rows must come
            # out.
            few = X[:: max(1, len(X) // 1000)]
            told = forest.predict_proba(few)[:, 1]
            if np.abs(told - self.trees_.sum(few) / len(trees)).max() > 1e-5:
                raise InputError(
                    "rf: this version of scikit-learn-intelex stores its trees in an unknown "
                    'way; use engine = "sklearn"'
                )
        self.feature_importances_: NDArray[np.float64] = forest.feature_importances_

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.trees_.sum(X) / self.trees_.depth.size


class ExtraTrees(TreeModel):
    """Extremely randomised trees: the mean of the leaf frequencies of trees with random thresholds.

    Each split compares one random threshold per feature that it may choose from; every tree is
    grown on all rows. Same probabilities as `sklearn.ensemble.ExtraTreesClassifier` (to 1e-12).

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_depth : int or None
        Levels below the root.
    min_samples_leaf : int
        Fewest training rows in a leaf.
    max_features : str, int, float or None
        Features that a split may choose from.
    random_state : int or None
    n_jobs : int or None
        Threads that grow trees, by default one per processor; it doesn't change the result.

    Attributes
    ----------
    trees_ : TreeEnsemble

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.ExtraTrees(n_estimators=50, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    _leaf_range = (0.0, 1.0)

    def __init__(
        self,
        n_estimators: int = 150,
        max_depth: int | None = 20,
        min_samples_leaf: int = 1,
        max_features: str | int | float | None = "sqrt",
        random_state: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        threads = self.n_jobs or processors()
        forest = ExtraTreesClassifier(**{**self.get_params(), "n_jobs": threads}).fit(X, y)
        grown = [estimator.tree_ for estimator in forest.estimators_]
        trees = [_classification_tree(tree, _positive_share(tree)) for tree in grown]
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.trees_.sum(X) / self.trees_.depth.size


class DecisionTree(TreeModel):
    """One decision tree; a leaf's frequency is the probability.

    Same probabilities as `sklearn.tree.DecisionTreeClassifier`.

    Parameters
    ----------
    max_depth : int or None
    min_samples_leaf : int
        Fewest training rows in a leaf.
    random_state : int or None
        Decides between splits that are equally good.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.DecisionTree(random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    _leaf_range = (0.0, 1.0)

    def __init__(
        self,
        max_depth: int | None = 13,
        min_samples_leaf: int = 1,
        random_state: int | None = None,
    ) -> None:
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        tree = DecisionTreeClassifier(**self.get_params()).fit(X, y).tree_
        trees = [_classification_tree(tree, _positive_share(tree))]
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])

    def _restore(self, reader: ArrayReader) -> None:
        super()._restore(reader)
        if self.trees_.depth.size != 1:
            raise reader.error("root", "holds more than one tree")

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.trees_.sum(X)


class AdaBoost(TreeModel):
    """Adaptive boosting of shallow trees (SAMME), p = 1/(1+exp(-2 Σ w h / Σ w)) with votes h = ±1.

    Same probabilities as `sklearn.ensemble.AdaBoostClassifier` (to 1e-12).

    Parameters
    ----------
    n_estimators : int
        Trees at most.
    max_depth : int
        Levels of each; 1 makes stumps.
    learning_rate : float
        Shrinks every tree's weight.
    random_state : int or None

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.AdaBoost(n_estimators=10, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    def __init__(
        self,
        n_estimators: int = 100,
        max_depth: int = 1,
        learning_rate: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        boost = AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=self.max_depth),
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            random_state=self.random_state,
        )
        boost.fit(X, y)
        # Boosting may stop early and leave the last places of the weights unused.
        weights = boost.estimator_weights_[: len(boost.estimators_)]
        weights = weights / weights.sum()
        trees = []
        for estimator, weight in zip(boost.estimators_, weights, strict=True):
            tree = estimator.tree_
            # A tie goes to the first class, as in the tree's own prediction
            votes = np.where(tree.value[:, 0, 1] > tree.value[:, 0, 0], 2 * weight, -2 * weight)
            trees.append(_classification_tree(tree, votes))
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        p: NDArray[np.float64] = logistic(self.trees_.sum(X))
        return p


class GradientBoosting(TreeModel):
    """Gradient boosting of trees on binned features, p = 1/(1+exp(-(b + Σ leaves))).

    Same probabilities as `sklearn.ensemble.HistGradientBoostingClassifier` (to 1e-12).

    Parameters
    ----------
    max_iter : int
        Trees.
    learning_rate : float
    max_leaf_nodes : int
        Leaves of a tree.
    min_samples_leaf : int
    l2_regularization : float
    rising : sequence of int
        Features with which the probability falls nowhere, by their number.
    additive : bool
        No two features interact: the log-odds are a sum of functions of one feature each.
    random_state : int or None

    Attributes
    ----------
    baseline_ : float
        Log-odds before the first tree.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.GradientBoosting(max_iter=10, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    def __init__(
        self,
        max_iter: int = 200,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        rising: Sequence[int] = (),
        additive: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.max_iter = max_iter
        self.rising = rising
        self.additive = additive
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        # "auto" would hold a tenth of the rows back where there are more than 10,000.
        params = self.get_params()
        rising, additive = params.pop("rising"), params.pop("additive")
        if any(not 0 <= k < X.shape[1] for k in rising):
            raise ValueError(f"hgb: rising {tuple(rising)} must be numbers of features")
        boost = HistGradientBoostingClassifier(
            **params,
            early_stopping=False,
            monotonic_cst=[int(k in rising) for k in range(X.shape[1])] if rising else None,
            interaction_cst="no_interactions" if additive else None,
        )
        boost.fit(X, y)
        self.n_iter_ = int(boost.n_iter_)
        # Private attributes, because nothing public gives baseline and trees.
        self.baseline_ = float(np.ravel(boost._baseline_prediction)[0])
        trees = []
        for (predictor,) in boost._predictors:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            left, right = (np.where(leaf, -1, nodes[k].astype(np.int64)) for k in ("left", "right"))
            trees.append(
                Tree(left, right, nodes["feature_idx"], nodes["num_threshold"], nodes["value"])
            )
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        p: NDArray[np.float64] = logistic(self.trees_.sum(X) + self.baseline_)
        return p

    def _arrays(self) -> Arrays:
        return {**super()._arrays(), "baseline": np.array([self.baseline_])}

    def _restore(self, reader: ArrayReader) -> None:
        super()._restore(reader)
        self.baseline_ = float(reader.take("baseline", np.float64, (1,))[0])
