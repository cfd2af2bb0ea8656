"""Scores of a probability against the outcome, at the sample's or any other prevalence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shakeslide.evaluation.calibration import correct_prior
from shakeslide.evaluation.curves import average_precision_of, reliability_of, roc_auc_of
from shakeslide.evaluation.ranking import FloatArray, Ranking, rank

ECE_BINS = 15
MEASURES = (
    "oa",
    "precision",
    "recall",
    "f1",
    "mcc",
    "roc_auc",
    "pr_auc",
    "brier",
    "log_loss",
    "ece",
)
"""Names of the scores, in their order."""
COUNTS = ("tp", "fp", "fn", "tn")


def scores(
    y: ArrayLike,
    p: ArrayLike,
    threshold: float = 0.5,
    prevalence: float | None = None,
    weights: ArrayLike | None = None,
    sample_share: float | None = None,
) -> dict[str, float]:
    """Score a probability with every measure there is.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    p : array_like, shape (n,)
        Probability of class 1, in [0, 1].
    threshold : float
        Rows with p at or above it are called landslides.
    prevalence : float, optional
        Weigh the classes as if this were the share of class 1; as in the sample by default.
        Without `sample_share` it changes the weights only.
    weights : array_like, shape (n,), optional
        Weight of each row.
    sample_share : float, optional
        The share of class 1 that `p` was made for, if that is not `prevalence`: brier, log_loss
        and ece are then those of `p` corrected to `prevalence` (`calibration.correct_prior`),
        while the threshold still applies to `p` as given.

    Returns
    -------
    dict
        oa, precision, recall, f1, mcc (Matthews), roc_auc, pr_auc (average precision), brier,
        log_loss (natural; p kept off 0 and 1 by the precision of its type), ece (15 bins of
        equal weight), and the confusion matrix tp, fp, fn, tn (weighted, so that it adds up to
        the weight of all rows).

    Notes
    -----
    What is not defined is NaN: precision when nothing is called a landslide, recall and pr_auc
    without positives, f1 with neither, mcc when a row or column of the confusion matrix is
    empty, roc_auc with one class only. If `prevalence` is given and a class does not occur,
    every measure that needs it is NaN.

    Raises
    ------
    ValueError
        If lengths differ, there are no rows, a value is out of range or not finite, or there is
        a `sample_share` but no `prevalence`.

    Examples
    --------
    >>> told = ss.scores([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
    >>> told["oa"], told["roc_auc"]
    (0.5, 0.75)
    """
    ranking = rank(y, p, weights)
    if prevalence is not None:
        ranking = ranking.reweighted(prevalence)
    counts = confusion_of(ranking, threshold)
    result = {key: float(value) for key, value in rates(*counts).items()}
    result["roc_auc"] = roc_auc_of(ranking)
    result["pr_auc"] = average_precision_of(ranking)
    if sample_share is not None:
        # Both areas depend on the order alone, which the correction keeps.
        ranking = replace(ranking, p=at_prevalence(ranking.p, sample_share, prevalence))
    result["brier"] = _brier(ranking)
    result["log_loss"] = _log_loss(ranking, type_precision(p))
    # A class that does not occur has weight NaN after reweighting.
    complete = np.isfinite(ranking.total_positive + ranking.total_negative)
    result["ece"] = reliability_of(ranking, ECE_BINS).ece if complete else np.nan
    return result | dict(zip(COUNTS, counts, strict=True))


def at_prevalence(p: FloatArray, sample_share: float, prevalence: float | None) -> FloatArray:
    """Return probabilities, (n,), corrected from one prior to another, which must be given.

    Parameters
    ----------
    p : ndarray of float64, shape (n,)
        Probabilities of a model that was trained on the sample.
    sample_share, prevalence : float
        As for `calibration.correct_prior`.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If `prevalence` is None.
    """
    if prevalence is None:
        raise ValueError("sample_share without a prevalence to correct to")
    return correct_prior(p, sample_share, prevalence)


def confusion_of(ranking: Ranking, threshold: float) -> tuple[float, float, float, float]:
    """Confusion matrix tp, fp, fn, tn of a ranking cut at a threshold (p >= threshold: 1)."""
    # Negated, because the ranking descends; "right" puts p equal to the threshold into class 1.
    cut = int(np.searchsorted(-ranking.p, -threshold, side="right"))
    return (
        float(ranking.positive[:cut].sum()),
        float(ranking.negative[:cut].sum()),
        float(ranking.positive[cut:].sum()),
        float(ranking.negative[cut:].sum()),
    )


def rates(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> dict[str, NDArray[Any]]:
    """Overall accuracy, precision, recall, F1 and Matthews correlation of confusion matrices.

    Parameters
    ----------
    tp, fp, fn, tn : array_like
        Counts or weights, of any one shape.

    Returns
    -------
    dict of ndarray
        oa, precision, recall, f1, mcc, each of that shape; NaN where undefined.
    """
    a, b, c, d = (np.asarray(value, dtype=np.float64) for value in (tp, fp, fn, tn))
    # Square roots apart, for the product of four counts of millions loses digits.
    norm = np.sqrt(a + b) * np.sqrt(a + c) * np.sqrt(d + b) * np.sqrt(d + c)
    return {
        "oa": _ratio(a + d, a + b + c + d),
        "precision": _ratio(a, a + b),
        "recall": _ratio(a, a + c),
        "f1": _ratio(2 * a, 2 * a + b + c),
        "mcc": _ratio(a * d - b * c, norm),
    }


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[Any]:
    defined = denominator != 0
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


def _brier(ranking: Ranking) -> float:
    loss = ranking.positive * (1 - ranking.p) ** 2 + ranking.negative * ranking.p**2
    return float(loss.sum() / (ranking.total_positive + ranking.total_negative))


def _log_loss(ranking: Ranking, eps: float) -> float:
    p = np.clip(ranking.p, eps, 1 - eps)
    # `log1p` keeps the digits of small probabilities.
    loss = -ranking.positive * np.log(p) - ranking.negative * np.log1p(-p)
    return float(loss.sum() / (ranking.total_positive + ranking.total_negative))


def type_precision(p: ArrayLike) -> float:
    """Distance from 1 to the next number of the floating type of `p`."""
    dtype = np.asarray(p).dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
