"""Ensembles of decision trees as flat, bounds-checked arrays, and their one predictor.

Nodes of a tree are in breadth-first order, the two children of a node side by side. A row walks
``node = child[node] + (x[feature[node]] > threshold[node])`` for as many levels as the tree is
deep; a leaf has itself as child and a threshold that nothing exceeds, so it stays where it is.
Without a branch that depends on the data, many rows walk at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.models.base import ArrayReader, Arrays

_ROWS = 256  # rows that walk a tree together; their positions and features stay in cache
_MAX_FEATURES = 2**32 // _ROWS - 1  # what a place in a block leaves room for
_NEVER = np.float32(np.finfo(np.float32).max)  # float32 rows are finite: none exceeds it


@dataclass(frozen=True)
class Tree:
    """One tree as its library gives it, arrays (nodes,).

    Children are given by index, leaves are marked by a negative child.
    """

    left: NDArray[np.integer]
    right: NDArray[np.integer]
    feature: NDArray[np.integer]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TreeEnsemble:
    """Trees one behind another.

    Attributes
    ----------
    child : ndarray of int32, shape (n_nodes,)
        First child, counted from the first node of all; the node itself at a leaf.
    feature : ndarray of int32, shape (n_nodes,)
        Column that a node compares; 0 at a leaf.
    threshold : ndarray of float32, shape (n_nodes,)
        Left where x <= threshold.
    value : ndarray of float64, shape (n_nodes,)
        What a leaf adds to the sum; 0 elsewhere.
    root : ndarray of int64, shape (n_trees + 1,)
        First node of each tree, and the number of nodes.
    depth : ndarray of int64, shape (n_trees,)
        Levels below the root.
    n_features : int
    """

    child: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    value: NDArray[np.float64]
    root: NDArray[np.int64]
    depth: NDArray[np.int64]
    n_features: int

    @classmethod
    def from_trees(cls, trees: Sequence[Tree], n_features: int) -> TreeEnsemble:
        """Lay out trees; their thresholds are rounded down to float32.

        For a float32 x, x <= t holds exactly when x <= (t rounded down to float32), so that no
        row takes another way than with the double threshold.
        """
        parts = [_breadth_first(tree) for tree in trees]
        root = np.concatenate([[0], np.cumsum([len(p[0]) for p in parts])]).astype(np.int64)
        child = np.concatenate(
            [p[0] + start for p, start in zip(parts, root[:-1], strict=True)]
        ).astype(np.int32)
        feature, threshold, value = (np.concatenate([p[k] for p in parts]) for k in (1, 2, 3))
        depth = _depths(child, root)
        return cls(
            child=child,
            feature=feature,
            threshold=threshold,
            value=value,
            root=root,
            depth=depth,
            n_features=n_features,
        )

    @classmethod
    def restore(cls, reader: ArrayReader, *, low: float | None, high: float | None) -> TreeEnsemble:
        """Take the arrays of `arrays` from `reader`; every index is checked.

        Parameters
        ----------
        reader : ArrayReader
        low, high : float or None
            Allowed range of leaf values.
        """
        n_features = int(reader.take("n_features", np.int64, (1,), low=1, high=_MAX_FEATURES)[0])
        child = reader.take("child", np.int32, (None,))
        n = child.size
        feature = reader.take("feature", np.int32, (n,), low=0, high=n_features - 1)
        threshold = reader.take("threshold", np.float32, (n,))
        value = reader.take("value", np.float64, (n,), low=low, high=high)
        root = reader.take("root", np.int64, (None,), low=0, high=n)
        if root.size < 2 or root[0] != 0 or root[-1] != n or (np.diff(root) <= 0).any():
            raise reader.error("root", "must rise from 0 to the number of nodes")
        tree = np.searchsorted(root, np.arange(n), side="right") - 1
        node = np.arange(n, dtype=np.int64)
        leaf = child == node
        # A child behind its parent and inside its tree: no loop, no way out of the arrays
        if not (leaf | ((child > node) & (child + np.int64(1) < root[tree + 1]))).all():
            raise reader.error("child", "points outside its tree or back")
        if not (threshold[leaf] == _NEVER).all():
            raise reader.error("threshold", "lets a row leave a leaf")
        return cls(
            child=child,
            feature=feature,
            threshold=threshold,
            value=value,
            root=root,
            depth=_depths(child, root),
            n_features=n_features,
        )

    def arrays(self) -> Arrays:
        """Return everything but the depths, which follow from the children.

        Returns
        -------
        dict of ndarray
            `child`, `feature`, `threshold` and `value`, (nodes,); `root`, (trees + 1,);
            `n_features`, (1,).
        """
        return {
            "child": self.child,
            "feature": self.feature,
            "threshold": self.threshold,
            "value": self.value,
            "root": self.root,
            "n_features": np.array([self.n_features], dtype=np.int64),
        }

    def sum(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum over trees of the value of the leaf that each row reaches, shape (n_samples,).

        The rows, `X`, have shape (n_samples, n_features).
        """
        out: NDArray[np.float64] = _sum_of_leaves(
            X, self._steps, self.threshold, self.value, self.root, self.depth
        )
        return out

    @cached_property
    def _steps(self) -> NDArray[np.uint64]:
        """Child in the upper half, place of the feature in a block of rows in the lower."""
        place = self.feature.astype(np.uint64) * np.uint64(_ROWS)
        steps: NDArray[np.uint64] = (self.child.astype(np.uint64) << np.uint64(32)) | place
        return steps


def _breadth_first(
    tree: Tree,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    level = np.array([0])
    levels = [level]
    while True:
        inner = level[tree.left[level] >= 0]
        if not inner.size:
            break
        level = np.column_stack([tree.left[inner], tree.right[inner]]).ravel()
        levels.append(level)
    order = np.concatenate(levels)
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    leaf = tree.left[order] < 0
    child = np.where(leaf, rank[order], rank[tree.left[order]])
    # Column 0 is always there: a row at its leaf goes on comparing, to no effect.
    feature = np.where(leaf, 0, tree.feature[order]).astype(np.int32)
    threshold = np.where(leaf, _NEVER, _rounded_down(tree.threshold[order]))
    value = np.where(leaf, tree.value[order], 0.0)
    return child, feature, threshold.astype(np.float32), value


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    limit = np.float64(_NEVER)
    near = np.clip(threshold, -limit, limit).astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    # Below the lowest finite number lies −inf, which no stored array may hold.
    return np.where(near.astype(np.float64) > threshold, np.maximum(below, -_NEVER), near)


def _depths(child: NDArray[np.int32], root: NDArray[np.int64]) -> NDArray[np.int64]:
    depth: NDArray[np.int64] = _depths_of_trees(child, root)
    return depth


@kernel
def _depths_of_trees(child: NDArray[np.int32], root: NDArray[np.int64]) -> NDArray[np.int64]:
    # Children lie behind their parent: one pass from front to back gives every level.
    level = np.zeros(child.size, dtype=np.int64)
    depth = np.zeros(root.size - 1, dtype=np.int64)
    for t in range(depth.size):
        for node in range(root[t], root[t + 1]):
            depth[t] = max(depth[t], level[node])
            if child[node] != node:
                level[child[node]] = level[node] + 1
                level[child[node] + 1] = level[node] + 1
    return depth


@kernel
def _sum_of_leaves(
    X: NDArray[np.float32],
    steps: NDArray[np.uint64],
    threshold: NDArray[np.float32],
    value: NDArray[np.float64],
    root: NDArray[np.int64],
    depth: NDArray[np.int64],
) -> NDArray[np.float64]:
    n, m = X.shape
    out = np.zeros(n)
    # Unsigned indices: signed ones would be tested for counting from the end at every step
    node = np.empty(_ROWS, dtype=np.uint32)
    lane = np.arange(_ROWS).astype(np.uint32)
    block = np.zeros(_ROWS * m, dtype=np.float32)
    for start in range(0, n, _ROWS):
        rows = min(_ROWS, n - start)
        for i in range(rows):
            for j in range(m):
                # Turned: a node's place is its feature times `_ROWS`, plus the row.
                block[j * _ROWS + i] = X[start + i, j]
        for t in range(depth.size):
            # The whole block, filled or not: a fixed count needs no loop for a remainder.
            for i in range(_ROWS):
                node[i] = np.uint32(root[t])
            for _ in range(depth[t]):
                for i in range(_ROWS):
                    k = node[i]
                    step = steps[k]
                    place = np.uint32(np.uint32(step & np.uint64(0xFFFFFFFF)) + lane[i])
                    child = np.uint32(step >> np.uint64(32))
                    node[i] = child + np.uint32(block[place] > threshold[k])
            for i in range(rows):
                out[start + i] += value[node[i]]
    return out
