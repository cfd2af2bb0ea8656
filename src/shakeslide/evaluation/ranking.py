"""Labels ranked by probability: the one sort that every curve and score is read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Weight of each class at every distinct probability, the highest first.

    Attributes
    ----------
    p : ndarray, shape (n_distinct,)
        Distinct probabilities, descending.
    positive, negative : ndarray, shape (n_distinct,)
        Weight of the rows of class 1 and of class 0 that have exactly this probability.
    """

    p: FloatArray
    positive: FloatArray
    negative: FloatArray

    @property
    def total_positive(self) -> float:
        """Weight of class 1."""
        return float(self.positive.sum())

    @property
    def total_negative(self) -> float:
        """Weight of class 0."""
        return float(self.negative.sum())

    def reweighted(self, prevalence: float) -> Ranking:
        """Return the ranking with class weights that make `prevalence` the share of class 1.

        The total weight stays the same. If a class is absent its weight cannot be raised, so
        everything of that class becomes NaN.

        Parameters
        ----------
        prevalence : float
            Share of class 1 wanted, between 0 and 1 (exclusive).
        """
        if not 0 < prevalence < 1:
            raise ValueError(f"prevalence must lie between 0 and 1, got {prevalence}")
        positive, negative = self.total_positive, self.total_negative
        total = positive + negative
        return Ranking(
            self.p,
            self.positive * (prevalence * total / positive if positive else np.nan),
            self.negative * ((1 - prevalence) * total / negative if negative else np.nan),
        )


def rank(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Ranking:
    """Rank labels by probability.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    p : array_like, shape (n,)
        Probability of class 1, in [0, 1].
    weights : array_like, shape (n,), optional
        Weight of each row, not negative; 1 by default. Rows of weight 0 do not count.

    Raises
    ------
    ValueError
        If lengths differ, nothing has weight, or a value is out of range or not finite.
    """
    label, probability, weight = checked(y, p, weights)
    # Needs no stable sort: rows of equal probability are added up.
    order = np.argsort(-probability)
    label, probability = label[order], probability[order]
    first = np.flatnonzero(np.r_[True, probability[1:] != probability[:-1]])
    weight = np.ones(label.size) if weight is None else weight[order]
    positive = np.add.reduceat(np.where(label, weight, 0.0), first)
    negative = np.add.reduceat(np.where(label, 0.0, weight), first)
    return Ranking(probability[first], positive, negative)


def checked(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[BoolArray, FloatArray, FloatArray | None]:
    """Return labels, probabilities and weights without the rows of weight 0.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 1 for landslides and 0 for others.
    p : array_like, shape (n,)
        Probabilities from 0 to 1.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    positive : ndarray of bool, shape (m,)
        Whether the label is 1.
    p : ndarray of float64, shape (m,)
        The probabilities.
    weights : ndarray of float64, shape (m,), or None
        The weights; None if none were given.

    Raises
    ------
    ValueError
        If lengths differ, values are out of their range, or no row is left.
    """
    label, probability = np.asarray(y), np.asarray(p, dtype=np.float64)
    if label.ndim != 1 or label.shape != probability.shape:
        raise ValueError(f"y and p must be of one length, got {label.shape}, {probability.shape}")
    if not np.all((label == 0) | (label == 1)):
        raise ValueError("y must hold only 0 and 1")
    if not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("p must lie in [0, 1] and hold no NaN")
    positive = label == 1
    if weights is None:
        weight = None
    else:
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != label.shape or not np.all((weight >= 0) & (weight < np.inf)):
            raise ValueError("weights must be one finite number per row, none negative")
        counted = weight > 0
        positive, probability, weight = positive[counted], probability[counted], weight[counted]
    if positive.size == 0:
        raise ValueError("no rows to evaluate")
    return positive, probability, weight
