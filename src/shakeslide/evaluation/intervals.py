"""How sure a score is: bootstrap over landslides or blocks, intervals over repeated splits.

Cells of one landslide are not independent, so it is landslides (or blocks) that are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from shakeslide.core.compiled import kernel
from shakeslide.core.random_streams import generator
from shakeslide.evaluation.curves import bin_index
from shakeslide.evaluation.ranking import BoolArray, FloatArray, IntArray, checked, rank
from shakeslide.evaluation.scores import ECE_BINS, MEASURES, at_prevalence, rates, type_precision

CHUNK = 32
"""Replicates drawn at a time: bounds memory at 32 numbers per group."""


class Settings(NamedTuple):
    """How to score: see `scores.scores`."""

    threshold: float = 0.5
    prevalence: float | None = None
    sample_share: float | None = None


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float


class Difference(NamedTuple):
    """A mean difference, the ends of its interval, its standard error and p-value (two-sided)."""

    estimate: float
    low: float
    high: float
    standard_error: float
    p_value: float


@dataclass(frozen=True)
class Replicates:
    """Scores of the data and of its bootstrap replicates.

    Attributes
    ----------
    estimate : ndarray, shape (10,)
        Scores of the data, in the order of `scores.MEASURES`.
    values : ndarray, shape (n, 10)
        Scores of each replicate; NaN where it left a score undefined.
    """

    estimate: FloatArray
    values: FloatArray

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """Percentile intervals, by measure."""
        tail = (1 - level) / 2
        result = {}
        for name, estimate, values in zip(MEASURES, self.estimate, self.values.T, strict=True):
            defined = values[np.isfinite(values)]
            ends = np.quantile(defined, [tail, 1 - tail]) if defined.size else [np.nan, np.nan]
            result[name] = Interval(float(estimate), float(ends[0]), float(ends[1]))
        return result


def bootstrap(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike,
    part: ArrayLike | None = None,
    settings: Settings | None = None,
    *,
    n: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """95 % intervals of every score by drawing groups with replacement.

    Parameters
    ----------
    y, p : array_like, shape (rows,)
        Labels, and probabilities predicted for rows that were tested.
    groups : array_like of int, shape (rows,)
        What is drawn as a whole: landslide (`landslide_groups`) or block of each row.
    part : array_like of int, shape (rows,), optional
        Which split each row was tested in. Rows of each are scored among themselves and the
        scores averaged; a group is drawn alike in all.
    settings : Settings, optional
        How to score; default: with threshold 0.5, at the balance of the rows.
    n : int
        Number of replicates.
    seed : int
        Seed; equal seeds and groups draw equal replicates, whatever the probabilities.

    Returns
    -------
    dict of Interval
        By measure; the estimate is the score of the data.

    Notes
    -----
    The bins of ece are those of the data, in every replicate.

    Raises
    ------
    ValueError
        As `scores.scores`.
    """
    return replicates(y, p, groups, part, settings, n=n, seed=seed).intervals()


def bootstrap_difference(
    y: ArrayLike,
    p: ArrayLike,
    other: ArrayLike,
    groups: ArrayLike,
    part: ArrayLike | None = None,
    settings: Settings | None = None,
    *,
    n: int = 1000,
) -> dict[str, Interval]:
    """95 % intervals of the differences in score between two models on the same rows.

    Parameters
    ----------
    p, other : array_like, shape (rows,)
        Probabilities of the two; positive differences mean that `p` scores higher.
    y, groups, part, settings, n
        As for `bootstrap`; both are scored on the same replicates.
    """
    first, second = (replicates(y, q, groups, part, settings, n=n) for q in (p, other))
    difference = Replicates(first.estimate - second.estimate, first.values - second.values)
    return difference.intervals()


def replicates(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike,
    part: ArrayLike | None = None,
    settings: Settings | None = None,
    n: int = 1000,
    seed: int = 0,
) -> Replicates:
    """Scores of bootstrap replicates; parameters as for `bootstrap`."""
    label, probability, _ = checked(y, p)
    unique, group = np.unique(np.asarray(groups), return_inverse=True)
    parts = np.zeros(label.size, dtype=np.int64) if part is None else np.asarray(part)
    if group.shape != label.shape or parts.shape != label.shape:
        raise ValueError("groups and part must hold one value per row")
    settings, eps = settings or Settings(), type_precision(p)
    tables = [
        _tabulate(label[rows], probability[rows], group[rows], unique.size, settings, eps)
        for rows in (np.flatnonzero(parts == value) for value in np.unique(parts))
    ]
    prevalence = settings.prevalence
    estimate = _scored(tables, np.ones((unique.size, 1)), prevalence)[0]
    values = [_scored(tables, weight, prevalence) for weight in _drawn(unique.size, n, seed)]
    return Replicates(estimate, np.concatenate(values))


def corrected_interval(
    values: ArrayLike, n_train: ArrayLike, n_test: ArrayLike, level: float = 0.95
) -> Difference:
    """Interval of a mean over repeated splits, whose training rows overlap.

    The variance of the mean is (1/J + n_test/n_train) s², not s²/J (Nadeau and Bengio 2003,
    Machine Learning 52:239): the naive interval of 20 repeats is several times too short.

    Parameters
    ----------
    values : array_like, shape (J,)
        One per split: a score, or the difference of two models on that split.
    n_train, n_test : array_like, shape (J,) or scalar
        Rows (or landslides, or blocks) on each side.
    level : float
        Coverage wanted.

    Returns
    -------
    Difference
        With one split only, everything but the estimate is NaN. The p-value is that of a mean
        of zero.

    Raises
    ------
    ValueError
        If `values` is empty or not one-dimensional.

    Examples
    --------
    >>> told = ss.corrected_interval([0.81, 0.84, 0.79, 0.83, 0.82], n_train=800, n_test=200)
    >>> f"{told.estimate:.3f}, 95 % confidence interval {told.low:.3f} to {told.high:.3f}"
    '0.818, 95 % confidence interval 0.782 to 0.854'
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0:
        raise ValueError("values must be a non-empty one-dimensional array")
    mean = float(x.mean())
    if x.size == 1:
        return Difference(mean, np.nan, np.nan, np.nan, np.nan)
    ratio = float(np.mean(np.asarray(n_test, dtype=float) / np.asarray(n_train, dtype=float)))
    error = float(np.sqrt((1 / x.size + ratio) * x.var(ddof=1)))
    # Student's t with J − 1 degrees of freedom, as in Nadeau and Bengio's corrected t-test.
    reach = float(student.ppf((1 + level) / 2, x.size - 1)) * error
    if error > 0:
        p_value = float(2 * student.sf(abs(mean) / error, x.size - 1))
    else:
        # All splits agree exactly, so there is no spread to test against.
        p_value = 1.0 if mean == 0 else 0.0
    return Difference(mean, mean - reach, mean + reach, error, p_value)


def paired_difference(
    values: ArrayLike,
    others: ArrayLike,
    n_train: ArrayLike,
    n_test: ArrayLike,
    level: float = 0.95,
) -> Difference:
    """Mean difference in score of two models on the same splits, with its corrected interval.

    Parameters
    ----------
    values, others : array_like, shape (J,)
        One score per split and model; positive differences mean that `values` are greater.
    n_train, n_test, level
        As for `corrected_interval`.

    Returns
    -------
    Difference
        As of `corrected_interval`; the p-value is that of equal means.

    Raises
    ------
    ValueError
        If the two are not of one length.

    Examples
    --------
    >>> forest, regression = [0.81, 0.84, 0.79, 0.83, 0.82], [0.78, 0.80, 0.77, 0.79, 0.80]
    >>> told = ss.paired_difference(forest, regression, n_train=800, n_test=200)
    >>> round(told.estimate, 3), told.p_value < 0.05
    (0.03, True)
    """
    first, second = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    if first.shape != second.shape:
        raise ValueError("both models must be scored on the same splits")
    return corrected_interval(first - second, n_train, n_test, level)


def _drawn(groups: int, n: int, seed: int) -> Iterator[FloatArray]:
    """How often each group is drawn, shape (groups, up to CHUNK), for n replicates in all."""
    rng = generator(seed, "bootstrap")
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        drawn = rng.integers(0, groups, (count, groups))
        # One count for all replicates: each has its own range of numbers.
        drawn += np.arange(count)[:, None] * groups
        times = np.bincount(drawn.ravel(), minlength=count * groups)
        # Replicates of a group lie side by side, as `_ranked_areas` reads them.
        yield np.ascontiguousarray(times.reshape(count, groups).T, dtype=np.float64)


@dataclass(frozen=True)
class _Table:
    """What the scores are made of, whatever the weights of the groups.

    `group`, `positive` and `last` (of equal probabilities) describe rows in order of descending
    probability. `sums`, shape (groups, 2, 4 + 2 ECE_BINS), holds what adds up over the rows of a
    group and class: weight, weight called, squared error, log loss; then, by bin of probability,
    weight and sum of the probability.
    """

    group: IntArray
    positive: BoolArray
    last: BoolArray
    sums: FloatArray


def _tabulate(
    label: BoolArray, p: FloatArray, group: IntArray, groups: int, settings: Settings, eps: float
) -> _Table:
    # Needs no stable sort: rows of equal probability are counted together.
    order = np.argsort(-p)
    label, p, group = label[order], p[order], group[order]
    last = np.append(p[1:] != p[:-1], True)
    row_bin = _bins(label, p, last, settings.prevalence)
    called = p >= settings.threshold
    # Only after `called`: the threshold applies to the probability as given.
    if settings.sample_share is not None:
        p = at_prevalence(p, settings.sample_share, settings.prevalence)
    error, safe = np.where(label, 1 - p, p), np.clip(p, eps, 1 - eps)
    loss = np.where(label, -np.log(safe), -np.log1p(-safe))
    sums = np.empty((groups, 2, 4 + 2 * ECE_BINS))
    side = group * 2 + ~label
    for column, values in enumerate((None, called, error**2, loss)):
        sums[:, :, column] = np.bincount(side, values, groups * 2).reshape(groups, 2)
    cell = side * ECE_BINS + row_bin
    for start, values in ((4, None), (4 + ECE_BINS, p)):
        by_bin = np.bincount(cell, values, groups * 2 * ECE_BINS)
        sums[:, :, start : start + ECE_BINS] = by_bin.reshape(groups, 2, ECE_BINS)
    return _Table(group, label, last, sums)


def _bins(label: BoolArray, p: FloatArray, last: BoolArray, prevalence: float | None) -> IntArray:
    """Bin of each row for ece, as `scores.scores` makes them of the data."""
    ranking = rank(label, p)
    if prevalence is not None and 0 < label.mean() < 1:
        ranking = ranking.reweighted(prevalence)
    weight = ranking.positive + ranking.negative
    bins = bin_index(ranking.p[::-1], weight[::-1], ECE_BINS, "frequency")[::-1]
    return np.repeat(bins, np.diff(np.flatnonzero(last), prepend=-1))


def _scored(tables: list[_Table], weight: FloatArray, prevalence: float | None) -> FloatArray:
    """Scores for each column of group weights, averaged over the parts that define them."""
    values = np.stack([_score_table(table, weight, prevalence) for table in tables])
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    mean: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _score_table(table: _Table, weight: FloatArray, prevalence: float | None) -> FloatArray:
    sums = np.tensordot(weight, table.sums, axes=(0, 0))
    factor = _class_factors(sums[:, :, 0], prevalence)
    areas = np.zeros((2, weight.shape[1]))
    _ranked_areas(weight, table.group, table.positive, table.last, factor, areas)
    sums *= factor[:, :, None]
    (positive, negative), called = sums[:, :, 0].T, sums[:, :, 1]
    columns = rates(called[:, 0], called[:, 1], positive - called[:, 0], negative - called[:, 1])
    total = positive + negative
    # The area is linear in the weight of each class, so the factors can be applied to the sum.
    columns["roc_auc"] = _divided(areas[0] * factor.prod(axis=1), positive * negative)
    columns["pr_auc"] = _divided(areas[1] * factor[:, 0], positive)
    columns["brier"] = _divided(sums[:, :, 2].sum(axis=1), total)
    columns["log_loss"] = _divided(sums[:, :, 3].sum(axis=1), total)
    observed = sums[:, 0, 4 : 4 + ECE_BINS]
    predicted = sums[:, :, 4 + ECE_BINS :].sum(axis=1)
    columns["ece"] = _divided(np.abs(observed - predicted).sum(axis=1), total)
    return np.stack([columns[name] for name in MEASURES], axis=1)


def _class_factors(weight: FloatArray, prevalence: float | None) -> FloatArray:
    """Factors, shape (k, 2), that bring class weights (k, 2) to a prevalence; NaN if one is 0."""
    if prevalence is None:
        return np.ones_like(weight)
    share = np.array([prevalence, 1 - prevalence])
    return _divided(share * weight.sum(axis=1, keepdims=True), weight)


def _divided(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    defined = denominator != 0
    ratio: FloatArray = np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)
    return ratio


@kernel
def _ranked_areas(
    weight: FloatArray,
    group: IntArray,
    positive: BoolArray,
    last: BoolArray,
    factor: FloatArray,
    areas: FloatArray,
) -> None:
    """Concordant weight, and sum of precision times weight of positives, for each replicate.

    Both are in the weights as drawn; the precision is in weights times the class's factor. One
    pass over the rows serves all replicates, whose weights lie side by side.
    """
    count = weight.shape[1]
    above, below = np.zeros(count), np.zeros(count)
    tied = np.zeros((2, count))
    for row in range(group.size):
        side = 0 if positive[row] else 1
        g = group[row]
        for k in range(count):
            tied[side, k] += weight[g, k]
        if not last[row]:
            continue
        for k in range(count):
            step = tied[0, k]
            # Mann and Whitney's U: positives above count in full, tied ones by half.
            areas[0, k] += tied[1, k] * (above[k] + 0.5 * step)
            above[k] += step
            below[k] += tied[1, k]
            if step > 0.0:
                called = above[k] * factor[k, 0]
                areas[1, k] += step * called / (called + below[k] * factor[k, 1])
            tied[0, k] = 0.0
            tied[1, k] = 0.0
