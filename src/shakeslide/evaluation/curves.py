"""Curves that describe a probability against what happened, and areas under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from shakeslide.evaluation.ranking import FloatArray, IntArray, Ranking, rank


def roc(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Receiver operating characteristic.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1; both must occur.
    p : array_like, shape (n,)
        Probability of class 1. Equal probabilities make one (sloping) step.
    weights : array_like, shape (n,), optional
        Weight of each row.

    Returns
    -------
    fpr, tpr : ndarray, shape (k,)
        False and true positive rate, from (0, 0) to (1, 1); points on a straight line between
        their neighbours are left out.

    Raises
    ------
    ValueError
        If only one class occurs.
    """
    ranking = rank(y, p, weights)
    if not (ranking.total_positive and ranking.total_negative):
        raise ValueError("a ROC curve needs both classes")
    return _corners(cumulative_share(ranking.negative), cumulative_share(ranking.positive))


def roc_on_grid(
    y: ArrayLike, p: ArrayLike, n: int = 201, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """ROC curve on an even grid of false positive rates, to be averaged over repeats.

    Parameters
    ----------
    y, p, weights
        As for `roc`.
    n : int
        Number of grid points from 0 to 1.

    Returns
    -------
    fpr, tpr : ndarray, shape (n,)
        Where the curve rises vertically, `tpr` is its upper end.
    """
    fpr, tpr = roc(y, p, weights)
    grid = np.linspace(0.0, 1.0, n)
    return grid, interpolate_upper(grid, fpr, tpr)


def precision_recall(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Precision and recall when everything at or above a threshold is called a landslide.

    Parameters
    ----------
    y, p, weights
        As for `roc`; class 1 must occur.

    Returns
    -------
    precision, recall, threshold : ndarray, shape (k,)
        One value per distinct probability, the highest threshold first, so recall ascends to 1.

    Raises
    ------
    ValueError
        If class 1 does not occur.
    """
    ranking = rank(y, p, weights)
    if not ranking.total_positive:
        raise ValueError("a precision-recall curve needs positives")
    positive, negative = np.cumsum(ranking.positive), np.cumsum(ranking.negative)
    return positive / (positive + negative), positive / positive[-1], ranking.p


def success_rate(
    y: ArrayLike, p: ArrayLike, area_weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Share of the landslide cells found in the most susceptible share of the area.

    On training rows this is the success-rate curve, on test rows the prediction-rate curve
    (Chung and Fabbri 2003, Natural Hazards 30:451). Samples that are not a plain part of the
    area need weights: `class_weights` gives those of balanced samples.

    Parameters
    ----------
    y : array_like, shape (n,)
        1 where the cell is a landslide; some must be.
    p : array_like, shape (n,)
        Probability or susceptibility in [0, 1].
    area_weights : array_like, shape (n,), optional
        Area that each row stands for.

    Returns
    -------
    area_share, landslide_share : ndarray, shape (k,)
        From (0, 0) to (1, 1), the most susceptible area first.
    """
    ranking = rank(y, p, area_weights)
    if not ranking.total_positive:
        raise ValueError("a success-rate curve needs landslide cells")
    return _corners(
        cumulative_share(ranking.positive + ranking.negative), cumulative_share(ranking.positive)
    )


def captured(
    y: ArrayLike,
    p: ArrayLike,
    shares: ArrayLike = (0.05, 0.10, 0.20),
    area_weights: ArrayLike | None = None,
) -> FloatArray:
    """Share of the landslide cells within the most susceptible `shares` of the area.

    Parameters
    ----------
    y, p, area_weights
        As for `success_rate`.
    shares : array_like, shape (k,)
        Shares of the area, in [0, 1].

    Returns
    -------
    ndarray, shape (k,)
        Where a share cuts through cells of equal probability, they count in proportion.
    """
    return interpolate_upper(np.asarray(shares, dtype=float), *success_rate(y, p, area_weights))


def class_weights(y: ArrayLike, prevalence: float) -> FloatArray:
    """Weights of rows that make `prevalence` the share of class 1 and leave the sum at n.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1; both must occur.
    prevalence : float
        Share of class 1 wanted, between 0 and 1.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If a class is missing, or the prevalence is not between 0 and 1.
    """
    positive = np.asarray(y) == 1
    share = positive.mean()
    if not (0 < share < 1 and 0 < prevalence < 1):
        raise ValueError("weights to a prevalence need both classes and 0 < prevalence < 1")
    values: FloatArray = np.where(positive, prevalence / share, (1 - prevalence) / (1 - share))
    return values


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed frequency, by bins of the prediction, ascending.

    Attributes
    ----------
    predicted : ndarray, shape (k,)
        Mean probability in each bin that holds anything.
    observed : ndarray, shape (k,)
        Share of class 1 in it.
    weight : ndarray, shape (k,)
        Its weight (number of rows if none were given).
    """

    predicted: FloatArray
    observed: FloatArray
    weight: FloatArray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean absolute gap, weighted (Naeini et al. 2015)."""
        gap = np.abs(self.predicted - self.observed)
        return float(np.sum(self.weight * gap) / np.sum(self.weight))


def reliability(
    y: ArrayLike,
    p: ArrayLike,
    bins: int = 15,
    weights: ArrayLike | None = None,
    spacing: Literal["frequency", "width"] = "frequency",
) -> Reliability:
    """Reliability diagram.

    Parameters
    ----------
    y, p, weights
        As for `roc`.
    bins : int
        Number of bins; those without rows are left out.
    spacing : {"frequency", "width"}
        Bins of equal weight (by default: landslide probabilities crowd near zero, where bins of
        equal width see nothing), or of equal width in p. Equal probabilities share a bin.
    """
    return reliability_of(rank(y, p, weights), bins, spacing)


def reliability_of(
    ranking: Ranking, bins: int = 15, spacing: Literal["frequency", "width"] = "frequency"
) -> Reliability:
    """Reliability diagram of a ranking; see `reliability`."""
    p, positive = ranking.p[::-1], ranking.positive[::-1]
    weight = positive + ranking.negative[::-1]
    index = bin_index(p, weight, bins, spacing)
    sums = np.array([np.bincount(index, w, bins) for w in (weight, weight * p, positive)])
    total, predicted, observed = sums[:, sums[0] > 0]
    return Reliability(predicted / total, observed / total, total)


def roc_auc_of(ranking: Ranking) -> float:
    """Area under the ROC curve: chance that a positive outranks a negative, ties half."""
    positive, negative = ranking.total_positive, ranking.total_negative
    if not positive * negative > 0:
        return np.nan
    above = np.cumsum(ranking.positive) - ranking.positive / 2
    return float(np.sum(above * ranking.negative) / (positive * negative))


def average_precision_of(ranking: Ranking) -> float:
    """Area under the precision-recall curve as the sum of precision times step of recall."""
    if not ranking.total_positive > 0:
        return np.nan
    positive, negative = np.cumsum(ranking.positive), np.cumsum(ranking.negative)
    return float(np.sum(ranking.positive * positive / (positive + negative)) / positive[-1])


def interpolate_upper(x: FloatArray, xp: FloatArray, fp: FloatArray) -> FloatArray:
    """Interpolate a rising polyline linearly; where it rises vertically take the upper end.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Where to interpolate; beyond the polyline the value of its nearer end is taken.
    xp, fp : ndarray, shape (k,)
        The polyline, both ascending, two points at least.

    Returns
    -------
    ndarray, shape (n,)
        The values of the polyline at `x`.
    """
    # The right one of equal places: the upper end where the line rises vertically.
    right = np.clip(np.searchsorted(xp, x, side="right"), 1, xp.size - 1)
    left = right - 1
    step = xp[right] - xp[left]
    share = np.clip((x - xp[left]) / np.where(step > 0, step, 1.0), 0.0, 1.0)
    value: FloatArray = np.where(step > 0, fp[left] + share * (fp[right] - fp[left]), fp[right])
    return value


def bin_index(p: FloatArray, weight: FloatArray, bins: int, spacing: str) -> IntArray:
    """Return the bin, from 0, of each of some ascending distinct probabilities.

    Parameters
    ----------
    p : ndarray, shape (k,)
        Distinct probabilities, ascending.
    weight : ndarray, shape (k,)
        Weight of each.
    bins : int
        Number of bins.
    spacing : {"frequency", "width"}
        As for `reliability`.

    Returns
    -------
    ndarray of int64, shape (k,)
        From 0 to `bins` - 1.

    Raises
    ------
    ValueError
        If `spacing` is neither.
    """
    if spacing == "width":
        position = p
    elif spacing == "frequency":
        # The middle of a value's weight decides, so rows of equal probability share a bin.
        position = (np.cumsum(weight) - weight / 2) / np.sum(weight)
    else:
        raise ValueError(f"spacing must be 'frequency' or 'width', got {spacing!r}")
    # p = 1 belongs to the last bin.
    index: IntArray = np.minimum((position * bins).astype(np.int64), np.int64(bins - 1))
    return index


def cumulative_share(weight: FloatArray) -> FloatArray:
    """Return the cumulative shares of the total, (k + 1,) from 0 to 1, of weights, (k,)."""
    total = np.cumsum(weight)
    return np.concatenate([np.zeros(1), total / total[-1]])


def _corners(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Drop points that lie on the straight line between their neighbours on a staircase."""
    moved = np.r_[True, (np.diff(x) != 0) | (np.diff(y) != 0)]
    x, y = x[moved], y[moved]
    dx, dy = np.diff(x), np.diff(y)
    # Compared as products, because a vertical step has no slope.
    turns = dx[1:] * dy[:-1] != dx[:-1] * dy[1:]
    keep = np.r_[True, turns, True]
    return x[keep], y[keep]
