"""Means, spreads and intervals over splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from shakeslide import corrected_interval, paired_difference
from shakeslide.evaluation.splits import Split
from shakeslide.paper.bench import measured
from shakeslide.paper.published import Score
from shakeslide.results.evaluation_file import FEWEST, Result

MEASURES = ("oa", "precision", "recall", "roc_auc")


def _number(value: object) -> object:
    # JSON has no NaN: what is not known is written as null.
    return np.nan if value is None else value


End = Annotated[float, BeforeValidator(_number)]
"""End of an interval, NaN where there is none."""


@dataclass(frozen=True)
class MeanDifference:
    """A mean difference of scores and the ends of its 95 % interval."""

    mean: float
    low: End
    high: End

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high


def spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of values, (n,); of one value the latter is NaN."""
    # Of a sample of splits, hence n - 1.
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def summary(
    results: Sequence[Result],
    splits: Sequence[Split],
    published: Mapping[str, Score] | None = None,
    measures: Sequence[str] = MEASURES,
) -> dict[str, float]:
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
    row: dict[str, float] = {"n": len(results)}
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
    told = corrected_interval(values, *sizes(splits))
    return told.low, told.high


def difference(
    values: NDArray[np.float64], others: NDArray[np.float64], splits: Sequence[Split]
) -> MeanDifference:
    """Return the mean difference on the same splits with its 95 % interval, as `interval`.

    Parameters
    ----------
    values, others : array, (splits,) float64
        Two scores on each split; the difference is the first less the second.
    splits : sequence of Split
        The splits.
    """
    if len(values) < FEWEST:
        return MeanDifference(float((values - others).mean()), np.nan, np.nan)
    told = paired_difference(values, others, *sizes(splits))
    return MeanDifference(told.estimate, told.low, told.high)


def sizes(splits: Sequence[Split]) -> tuple[list[int], list[int]]:
    """Return the numbers of training and of test rows."""
    return [len(s.train) for s in splits], [len(s.test) for s in splits]
