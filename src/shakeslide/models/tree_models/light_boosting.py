"""Gradient boosting by LightGBM, an optional library; stored and mapped without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.models.logistic import logistic
from shakeslide.models.tree_models.forest import TreeModel
from shakeslide.models.tree_models.trees import Tree, TreeEnsemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shakeslide.core.documents import JsonValue
    from shakeslide.models.base import ModelParameter

PACKAGE = "lightgbm"
"""Name of the library, and of the extra that installs it."""
LEAST_FEATURES = 4
"""Features that each tree may choose from where there are so many: trees of one feature alone
cannot find what two do together."""


class LightGBM(TreeModel):
    """Gradient boosting of trees by LightGBM, p = 1/(1+exp(-Σ leaves)).

    Same probabilities as `lightgbm.Booster.predict` (to 1e-12). LightGBM is needed to fit, not to
    predict. One thread grows the trees, so that they do not depend on the machine's cores.

    Parameters
    ----------
    n_estimators : int
        Trees.
    learning_rate : float
    num_leaves : int
        Leaves of a tree at most.
    min_data_in_leaf : int
        Fewest training rows in a leaf.
    feature_fraction : float
        Share of the features that a tree may choose from; `LEAST_FEATURES` of them at least.
    bagging_fraction : float
        Share of the rows that a tree is grown on, drawn anew for each.
    lambda_l2 : float
        L2 penalty on the leaves.
    extra_trees : bool
        Each split compares one random threshold per feature, not all.
    random_state : int or None

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.LightGBM(n_estimators=100, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    def __init__(
        self,
        n_estimators: int = 400,
        learning_rate: float = 0.03,
        num_leaves: int = 15,
        min_data_in_leaf: int = 40,
        feature_fraction: float = 0.3,
        bagging_fraction: float = 0.7,
        lambda_l2: float = 5.0,
        extra_trees: bool = True,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.lambda_l2 = lambda_l2
        self.extra_trees = extra_trees
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        settings = self._settings(X.shape[1])
        booster = boosted(X, y, settings, self.n_estimators)
        dumped = booster.dump_model()["tree_info"]
        trees = [_tree(one["tree_structure"]) for one in dumped]
        self.trees_ = TreeEnsemble.from_trees(trees, X.shape[1])

    def _settings(self, features: int) -> dict[str, ModelParameter]:
        """Return the settings of LightGBM, by its names, for rows of so many features."""
        other = ("n_estimators", "random_state")
        own = {k: v for k, v in self.get_params().items() if k not in other}
        return {
            **own,
            "feature_fraction": max(self.feature_fraction, min(1.0, LEAST_FEATURES / features)),
            "objective": "binary",
            # Without it no rows are drawn, whatever the share.
            "bagging_freq": 1,
            # It takes 31 bits.
            "seed": int(check_random_state(self.random_state).randint(2**31 - 1)),
            "deterministic": True,
            # Not the faster way by a trial, which may turn out otherwise on each run.
            "force_row_wise": True,
            "num_threads": 1,
            "use_missing": False,
            "verbosity": -1,
        }

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        p: NDArray[np.float64] = logistic(self.trees_.sum(X))
        return p


def boosted(
    X: NDArray[np.float32], y: NDArray[np.uint8], settings: Mapping[str, ModelParameter], trees: int
) -> Any:
    """Return LightGBM's booster, fitted.

    Parameters
    ----------
    X : array, (rows, features) float32
        Features.
    y : array, (rows,) uint8
        Labels, 0 or 1.
    settings : mapping
        Of LightGBM, by its names.
    trees : int
        Trees to grow.

    Raises
    ------
    InputError
        The library is missing, or refuses the settings.
    """
    try:
        with extra(PACKAGE, "lgbm"):
            import lightgbm
    except OSError as error:
        # Its wheels for Linux and macOS take the system's OpenMP.
        raise InputError(
            f"lgbm: lightgbm is installed but cannot be loaded ({error}); install OpenMP "
            "(libgomp1 on Debian, libomp on macOS)"
        ) from error
    try:
        rows = lightgbm.Dataset(X, label=y, params=dict(settings))
        return lightgbm.train(dict(settings), rows, num_boost_round=trees)
    except lightgbm.basic.LightGBMError as error:
        raise InputError(f"lgbm: LightGBM does not accept the settings: {error}") from error


def _tree(structure: Mapping[str, JsonValue]) -> Tree:
    """Return a tree of LightGBM's nested nodes, in the order in which they are met."""
    nodes: list[Any] = [structure]
    left, right, feature, threshold, value = [], [], [], [], []
    # A loop, because trees of many leaves can be deeper than Python's stack.
    for node in nodes:
        leaf = "split_feature" not in node
        left.append(-1 if leaf else len(nodes))
        right.append(-1 if leaf else len(nodes) + 1)
        feature.append(0 if leaf else node["split_feature"])
        threshold.append(0.0 if leaf else node["threshold"])
        value.append(node["leaf_value"] if leaf else 0.0)
        if not leaf:
            nodes += [node["left_child"], node["right_child"]]
    return Tree(
        np.array(left), np.array(right), np.array(feature), np.array(threshold), np.array(value)
    )
