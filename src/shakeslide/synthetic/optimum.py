"""The best any model can do where the probability of failure is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, KFold

from shakeslide.core.errors import InputError

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Optimum:
    """Expected scores of a rule that knows a probability for each cell.

    Attributes
    ----------
    prevalence : float
        Share of cells that fail.
    oa_balanced : float
        Overall accuracy where failed and stable cells are equally many.
    oa_natural : float
        Overall accuracy at the true prevalence.
    auc : float
        Area under the ROC curve; it does not depend on the prevalence.
    brier_balanced, brier_natural : float
        Mean squared difference between outcome and probability.
    """

    prevalence: float
    oa_balanced: float
    oa_natural: float
    auc: float
    brier_balanced: float
    brier_natural: float


def bayes_optimum(p_star: Array) -> Optimum:
    """Expected scores of the rule that knows p* itself: nothing can be better.

    Parameters
    ----------
    p_star : array, any shape
        Exact probability of each cell; NaN is left out.

    Notes
    -----
    At a balanced prior failed cells have the density p / sum(p) and stable ones
    (1 - p) / sum(1 - p); the better guess is right with the greater of the two.
    """
    p = np.asarray(p_star).ravel()
    p = p[np.isfinite(p)].astype(np.float64)
    return rule_scores(p, p)


def rule_scores(score: Array, p_star: Array) -> Optimum:
    """Expected scores of a rule that takes `score` for the probability where p* is the truth.

    Parameters
    ----------
    score : array (n,)
        Probability at the natural prevalence that the rule states.
    p_star : array (n,)
        Exact probability.
    """
    p, q = np.asarray(p_star, np.float64), np.asarray(score, np.float64)
    share = float(p.mean())
    if not 0.0 < share < 1.0:
        raise InputError(
            f"the mean probability is {share:g}, so all cells are of one class; scores need both"
        )
    failed, stable = p / p.sum(), (1.0 - p) / (1.0 - p).sum()
    odds = q * (1.0 - share)
    balanced = odds / np.maximum(odds + (1.0 - q) * share, 1e-300)
    # Where both are equally many, above the prevalence means more likely failed.
    yes = q > share
    most = q > 0.5
    return Optimum(
        prevalence=share,
        oa_balanced=float(0.5 * (failed[yes].sum() + stable[~yes].sum())),
        oa_natural=float((p[most].sum() + (1.0 - p[~most]).sum()) / p.size),
        auc=_auc(q, failed, stable),
        brier_balanced=float(0.5 * (failed @ (1.0 - balanced) ** 2 + stable @ balanced**2)),
        brier_natural=float(np.mean(p * (1.0 - q) ** 2 + (1.0 - p) * q**2)),
    )


def _auc(score: Array, failed: Array, stable: Array) -> float:
    """Probability that a failed cell has a higher score than a stable one, ties counted half."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    f, s = np.add.reduceat(failed[order], first), np.add.reduceat(stable[order], first)
    below = np.cumsum(s) - s
    return float(f @ (below + 0.5 * s))


@dataclass(frozen=True)
class KnownFromFactors:
    """What factors can know of p*: an estimate of the optimum given them, with an interval.

    Attributes
    ----------
    oa, auc : (low, estimate, high)
        Balanced overall accuracy and area under the ROC curve.
    scores : Optimum
        Held-out scores of the regression itself.
    """

    oa: tuple[float, float, float]
    auc: tuple[float, float, float]
    scores: Optimum


def bayes_given_factors(
    p_star: Array,
    x: Array,
    rng: np.random.Generator,
    *,
    groups: NDArray[Any] | None = None,
    folds: int = 4,
) -> KnownFromFactors:
    """Estimate the best that a model of given factors can do, by regressing p* on them.

    Gradient boosting learns E[p* | x] from exact probabilities, which hold far more than outcomes
    do. Its held-out scores are a rule that exists, so less two standard errors they bound the
    optimum from below. The learning curve from half of the rows to all of them is extended by
    its last rise for the estimate, by thrice that rise plus two standard errors for the upper end.

    Parameters
    ----------
    p_star : array (n,)
        Exact probabilities of cells drawn at random from the map; several 100,000 are ample.
    x : array (n, factors)
        Their factors: categories as frequency ratios or codes, angles as sine and cosine.
    rng : numpy.random.Generator
    groups : array (n,), optional
        Spatial blocks: held-out rows then come from other blocks than the regression's, so that
        it cannot overfit to places. Without them rows are held out at random.
    folds : int

    Returns
    -------
    KnownFromFactors
    """
    p = np.asarray(p_star, np.float64)
    if groups is None:
        splitter = KFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
        splits = list(splitter.split(x))
    else:
        splits = list(GroupKFold(folds).split(x, groups=groups))
    half, full = np.empty(p.size), np.empty(p.size)
    for train, test in splits:
        # At random, so that the first half is a fair one.
        train = rng.permutation(train)
        seed = int(rng.integers(2**31))
        full[test] = _regress(x[train], p[train], seed).predict(x[test])
        train = train[: train.size // 2]
        half[test] = _regress(x[train], p[train], seed).predict(x[test])
    # A regression may leave the range of probabilities.
    full, half = np.clip(full, 0.0, 1.0), np.clip(half, 0.0, 1.0)
    scores, less = rule_scores(full, p), rule_scores(half, p)
    parts = [rule_scores(full[test], p[test]) for _, test in splits]
    intervals = []
    for name in ("oa_balanced", "auc"):
        value, rise = getattr(scores, name), max(getattr(scores, name) - getattr(less, name), 0.0)
        error = float(np.std([getattr(part, name) for part in parts], ddof=1)) / np.sqrt(folds)
        intervals.append((value - 2 * error, value + rise, value + 3 * rise + 2 * error))
    return KnownFromFactors(intervals[0], intervals[1], scores)


def _regress(x: Array, p: Array, seed: int) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        loss="squared_error",
        learning_rate=0.1,
        max_iter=600,
        max_leaf_nodes=63,
        min_samples_leaf=40,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=15,
        random_state=seed,
    )
    return model.fit(x, p)
