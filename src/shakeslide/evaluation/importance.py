"""Which factors matter: information gain, permutation, partial dependence, attribution.

A model enters as `predict`, a callable from an array of rows to one number per row. A factor
may take several columns (sine and cosine of an angle), so whatever is moved, is moved by groups
of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from shakeslide.core.progress import Keep, anew
from shakeslide.core.random_streams import generator
from shakeslide.evaluation.curves import roc_auc_of
from shakeslide.evaluation.ranking import FloatArray, IntArray, rank

Predict = Callable[[NDArray[Any]], ArrayLike]

Columns = Sequence[int]


def information_gain(
    x: ArrayLike, y: ArrayLike, bins: int = 10, categorical: bool = False
) -> float:
    """Information that a factor gives about the label: H(y) − H(y | class of x).

    Parameters
    ----------
    x : array_like, shape (n,)
        Values of one factor; NaN makes a class of its own.
    y : array_like, shape (n,)
        Labels, 0 or 1.
    bins : int
        Number of classes of equal frequency for continuous factors; equal values share one.
    categorical : bool
        Take every value as a class instead.

    Returns
    -------
    float
        Bits, from 0 (nothing) to H(y) (everything; 1 if the sample is balanced).

    Raises
    ------
    ValueError
        If x and y are not one-dimensional, of one length and not empty.

    Examples
    --------
    >>> ss.information_gain([5, 5, 7, 7], [0, 0, 1, 1], categorical=True)
    1.0
    >>> ss.information_gain([5, 7, 5, 7], [0, 0, 1, 1], categorical=True)
    0.0
    """
    values, label = np.asarray(x, dtype=np.float64), np.asarray(y)
    if values.ndim != 1 or values.shape != label.shape or values.size == 0:
        raise ValueError("x and y must be one-dimensional, of one length and not empty")
    if categorical:
        index = np.unique(values, return_inverse=True)[1]
    else:
        index = equal_frequency(values, bins)
    total = np.bincount(index).astype(np.float64)
    positive = np.bincount(index, label == 1)
    # Numbers of classes without rows occur; they weigh nothing.
    inside = np.sum(total * _entropy(positive / np.maximum(total, 1))) / total.sum()
    gain = _entropy(np.array([np.mean(label == 1)]))[0] - inside
    # Below 0 only by rounding.
    return max(float(gain), 0.0)


def equal_frequency(x: ArrayLike, bins: int) -> IntArray:
    """Return the class of each value in classes of equal frequency.

    Classes are those of the middle rank of equal values, so that ties are never parted.

    Parameters
    ----------
    x : array_like, any shape
        Values.
    bins : int
        Number of classes.

    Returns
    -------
    ndarray of int64, of the same shape
        From 0 to `bins` - 1, ascending; `bins` where a value is not finite.
    """
    values = np.asarray(x, dtype=np.float64)
    valid = np.isfinite(values)
    index = np.full(values.shape, bins, dtype=np.int64)
    if valid.any():
        middle = (rankdata(values[valid]) - 0.5) / valid.sum()
        index[valid] = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return index


def correlated_groups(
    x: ArrayLike, factor: Sequence[int] | None = None, threshold: float = 0.7
) -> list[tuple[int, ...]]:
    """Group factors that tell much the same.

    Parameters
    ----------
    x : array_like, shape (n, columns)
        Rows; any monotone scale, for the correlation is Spearman's.
    factor : sequence of int, shape (columns,), optional
        Factor that each column encodes, 0, 1, …; one column each by default. Two factors are as
        correlated as their most correlated columns.
    threshold : float
        Absolute correlation that all members of a group have with each other at least
        (complete linkage).

    Returns
    -------
    list of tuple of int
        Groups of factors, each ascending, in the order of their first.
    """
    values = np.asarray(x, dtype=np.float64)
    owner = np.arange(values.shape[1]) if factor is None else np.asarray(factor)
    strength = _spearman(values)
    count = int(owner.max()) + 1
    between = np.zeros((count, count))
    # Several columns meet in one pair of factors, which plain indexing would overwrite.
    np.maximum.at(between, (owner[:, None], owner[None, :]), strength)
    if count == 1:
        return [(0,)]
    distance = 1 - between
    # The correlation of a constant factor is 0, even with itself.
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "complete")
    cluster = fcluster(tree, 1 - threshold, "distance")
    groups = [tuple(np.flatnonzero(cluster == c).tolist()) for c in np.unique(cluster)]
    return sorted(groups)


@dataclass(frozen=True)
class Importance:
    """Fall of a score when the columns of each group are shuffled together.

    Attributes
    ----------
    baseline : float
        Score of the data as they are.
    drop : ndarray, shape (groups, repeats)
        Baseline minus the score after shuffling.
    """

    baseline: float
    drop: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean drop of each group, shape (groups,)."""
        return np.asarray(self.drop.mean(axis=1))

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of the drop over repeats, shape (groups,)."""
        return np.asarray(self.drop.std(axis=1))


def roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_of(rank(y, p)))


def permutation_importance(
    predict: Predict,
    x: NDArray[Any],
    y: ArrayLike,
    groups: Sequence[Columns],
    *,
    repeats: int = 5,
    seed: int = 0,
    keep: Keep = anew,
) -> Importance:
    """Importance of groups of columns for the area under the ROC curve of rows not trained on.

    Correlated factors belong in one group: shuffled one at a time, each hides behind the others
    and the rows become impossible (Strobl et al. 2008, BMC Bioinformatics 9:307).

    Parameters
    ----------
    predict : callable
        From rows, shape (n, columns), to probabilities, shape (n,).
    x : ndarray, shape (n, columns)
        Test rows. Not changed.
    y : array_like, shape (n,)
        Their labels.
    groups : sequence of sequences of int
        Columns of each group.
    repeats : int
        Number of shuffles; a repeat shuffles every group alike.
    seed : int
        Seed, not negative.
    keep : callable
        Runs the steps: one for the data as they are, and one for each group of each shuffle.
    """

    def after_shuffle(repeat: int, columns: Columns) -> float:
        # Each repeat has its own stream, so a step that is resumed shuffles as it would have
        # before.
        order = generator(seed, "permutation", repeat).permutation(x.shape[0])
        shuffled, taken = x.copy(), list(columns)
        shuffled[:, taken] = x[order[:, None], taken]
        return roc_auc(y, predict(shuffled))

    baseline = keep("baseline", lambda: roc_auc(y, predict(x)))
    drop = np.empty((len(groups), repeats))
    for index, repeat in np.ndindex(drop.shape):
        step = partial(after_shuffle, repeat, groups[index])
        drop[index, repeat] = baseline - keep(f"shuffle-{repeat}-{index}", step)
    return Importance(baseline, drop)


def partial_dependence(
    predict: Predict,
    x: NDArray[Any],
    columns: Columns,
    values: ArrayLike,
    weights: ArrayLike | None = None,
) -> FloatArray:
    """Mean prediction when some columns are set to given values in every row.

    Parameters
    ----------
    predict : callable
        From rows, shape (n, columns), to numbers, shape (n,).
    x : ndarray, shape (n, columns)
        Rows to average over; a few thousand will do. Not changed.
    columns : sequence of int
        Columns to set.
    values : array_like, shape (k, len(columns)) or (k,) for one column
        Encoded values, for example sine and cosine along the compass.
    weights : array_like, shape (n,), optional
        Weight of each row.

    Returns
    -------
    ndarray, shape (k,)
        Where factors are correlated, the mean includes rows that do not occur (Friedman 2001,
        Annals of Statistics 29:1189).
    """
    grid = np.asarray(values)
    grid = grid[:, None] if grid.ndim == 1 else grid
    weight = np.ones(x.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    changed = x.copy()
    result = np.empty(grid.shape[0])
    for index, value in enumerate(grid):
        changed[:, list(columns)] = value
        result[index] = np.average(np.asarray(predict(changed), dtype=float), weights=weight)
    return result


@dataclass(frozen=True)
class Attribution:
    """What each group of columns adds to one row's prediction.

    Attributes
    ----------
    base : float
        Mean prediction of the background.
    value : float
        Prediction of the row.
    parts : ndarray, shape (groups,)
        Shapley values: they add up to `value` − `base`.
    error : ndarray, shape (groups,)
        Standard error of the parts, for the orders were drawn; the background counts as given.
    """

    base: float
    value: float
    parts: FloatArray
    error: FloatArray


def attribution(
    predict: Predict,
    row: ArrayLike,
    background: NDArray[Any],
    groups: Sequence[Columns],
    *,
    rounds: int = 20,
    seed: int = 0,
) -> Attribution:
    """Explain the prediction of one row by the Shapley value of each group of columns.

    The row's values are put into a background row group by group, in a random order and in its
    reverse; a group's part is the mean change that it makes (Štrumbelj and Kononenko 2014,
    Knowledge and Information Systems 41:647).

    Parameters
    ----------
    predict : callable
        From rows, shape (n, columns), to numbers, shape (n,); log-odds add up more readily than
        probabilities.
    row : array_like, shape (columns,)
        The row to explain.
    background : ndarray, shape (m, columns)
        What it is compared with, such as a hundred cells of the study area.
    groups : sequence of sequences of int
        Columns of each group; together all columns.
    rounds : int
        Orders drawn per background row, two at least; each is also used in reverse.
    seed : int
        Seed, not negative.
    """
    if rounds < 2:
        raise ValueError("attribution needs two rounds at least")
    target = np.asarray(row, dtype=background.dtype)
    covered = np.sort(np.concatenate([np.asarray(columns, dtype=int) for columns in groups]))
    if not np.array_equal(covered, np.arange(background.shape[1])):
        raise ValueError("groups must hold every column once")
    rng = generator(seed, "attribution")
    changes = []
    for _ in range(rounds):
        orders = np.argsort(rng.random((background.shape[0], len(groups))), axis=1)
        pair = [_changes(predict, target, background, groups, o) for o in (orders, orders[:, ::-1])]
        # An order and its reverse are one draw, because they are not independent.
        changes.append((pair[0] + pair[1]).mean(axis=0) / 2)
    drawn = np.stack(changes)
    base = float(np.mean(np.asarray(predict(background), dtype=float)))
    value = float(np.asarray(predict(target[None]), dtype=float)[0])
    error = drawn.std(axis=0, ddof=1) / np.sqrt(rounds)
    return Attribution(base, value, drawn.mean(axis=0), error)


def _changes(
    predict: Predict,
    target: NDArray[Any],
    background: NDArray[Any],
    groups: Sequence[Columns],
    orders: IntArray,
) -> FloatArray:
    """Change of the prediction by each group, shape (rows, groups), for an order per row."""
    rows, count = orders.shape
    stages = np.empty((count + 1, rows, background.shape[1]), dtype=background.dtype)
    stages[0] = background
    owner = np.empty(background.shape[1], dtype=np.int64)
    for index, columns in enumerate(groups):
        owner[list(columns)] = index
    for stage in range(count):
        entering = owner[None, :] == orders[:, stage, None]
        stages[stage + 1] = np.where(entering, target, stages[stage])
    predicted = np.asarray(predict(stages.reshape(-1, background.shape[1])), dtype=np.float64)
    steps = np.diff(predicted.reshape(count + 1, rows), axis=0).T
    changes = np.empty_like(steps)
    np.put_along_axis(changes, orders, steps, axis=1)
    return changes


def _entropy(share: FloatArray) -> FloatArray:
    """Entropy in bits of a binary variable."""
    p = np.stack([share, 1 - share])
    # 0 log 0 is 0.
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(-(p * logs).sum(axis=0))


def _spearman(x: FloatArray) -> FloatArray:
    """Absolute rank correlation of columns; that of a constant column is 0."""
    ranks = rankdata(x, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt(np.sum(ranks**2, axis=0))
    ranks /= np.where(length > 0, length, 1.0)
    # Rounding must not give more than 1, which would be a negative distance.
    return np.asarray(np.minimum(np.abs(ranks.T @ ranks), 1.0))
