"""Means, spreads and intervals over splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.evaluation import intervals
from shakeslide.evaluation.splits import Split
from shakeslide.paper.bench import measured
from shakeslide.report.published import Score
from shakeslide.results.evaluation_file import FEWEST, Result

MEASURES = ("oa", "precision", "recall", "roc_auc")


def spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of values, (n,); of one value the latter is NaN."""
    # Of a sample of splits, hence n - 1.
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def summary(
    results: Sequence[Result],
    splits: Sequence[Split],
    published: Mapping[str, Score] | None = None,
    measures: Sequence[str] = MEASURES,
) -> dict[str, Any]:
    """Return one row: of each measure mean, sd, 95 % interval, and the published mean and sd.

    Parameters
    ----------
    results, splits
        One per split.
    published : mapping of str to Score, optional
        By measure.
    measures : sequence of str
        Which.
    """
    row: dict[str, Any] = {"n": len(results)}
    for m in measures:
        values = measured(results, m)
        row[f"{m}_mean"], row[f"{m}_sd"] = spread(values)
        row[f"{m}_low"], row[f"{m}_high"] = interval(values, splits)
        if published is not None:
            paper = published.get(m)
            row[f"published_{m}_mean"] = np.nan if paper is None else paper.mean
            sd = None if paper is None else paper.sd
            row[f"published_{m}_sd"] = np.nan if sd is None else sd
    return row


def interval(values: NDArray[np.float64], splits: Sequence[Split]) -> tuple[float, float]:
    """Return the ends of the mean's 95 % interval over splits whose training rows overlap.

    Parameters
    ----------
    values : array, (splits,) float64
        A score on each split.
    splits : sequence of Split
        The splits.

    Returns
    -------
    low, high : float
        NaN where there are fewer than `FEWEST` splits: they hardly show how far scores vary.
    """
    if len(values) < FEWEST:
        return float("nan"), float("nan")
    told = intervals.corrected_interval(values, *sizes(splits))
    return told.low, told.high


def difference(
    values: NDArray[np.float64], others: NDArray[np.float64], splits: Sequence[Split]
) -> dict[str, float]:
    """Return the mean difference on the same splits with its 95 % interval, as `interval`.

    Parameters
    ----------
    values, others : array, (splits,) float64
        Two scores on each split; the difference is the first less the second.
    splits : sequence of Split
        The splits.

    Returns
    -------
    dict
        `mean`, `low` and `high`.
    """
    if len(values) < FEWEST:
        return {"mean": float((values - others).mean()), "low": np.nan, "high": np.nan}
    told = intervals.paired_difference(values, others, *sizes(splits))
    return {"mean": told.estimate, "low": told.low, "high": told.high}


def sizes(splits: Sequence[Split]) -> tuple[list[int], list[int]]:
    """Return the numbers of training and of test rows."""
    return [len(s.train) for s in splits], [len(s.test) for s in splits]
