"""Models judged on the splits of a protocol, score by score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from shakeslide.evaluation.scores import MEASURES, scores


def evaluate(
    model: Any,
    X: pd.DataFrame,
    y: ArrayLike,
    cv: Any,
    groups: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    prevalence: float | None = None,
) -> pd.DataFrame:
    """Fit a model on the training rows of each split and score it on the test rows.

    Parameters
    ----------
    model : Pipeline or classifier
        Cloned for each split; with `predict_proba`.
    X : DataFrame, shape (n_samples, n_factors)
        As `samples` returns it.
    y : array_like, shape (n_samples,)
        Labels, 0 or 1.
    cv : splitter
        `RandomSplit`, `LandslideKFold`, `BlockKFold` or any other with ``split(X, y, groups)``.
    groups : array_like, optional
        For the splitter.
    threshold : float
        Rows with a probability at or above it are called landslides.
    prevalence : float, optional
        Weigh the classes as if this were the share of landslides; default: as in the test rows.

    Returns
    -------
    DataFrame, shape (n_splits, 12)
        A row per split: the rows it was trained and tested on (`n_train`, `n_test`) and every
        measure of `scores` as a share from 0 to 1, but `log_loss` (nats) and `mcc` (−1 to 1).
        `paired_difference` and `corrected_interval` take its columns.

    Raises
    ------
    InputError
        The rows cannot be split so.
    ValueError
        As scikit-learn and the model do.

    Examples
    --------
    >>> F = ss.open_factors("demo/run")
    >>> X, y, groups = ss.samples("demo/run")
    >>> pipe = make_pipeline(ss.FactorEncoder(F), ss.LogisticRegression())
    >>> table = ss.evaluate(pipe, X, y, ss.BlockKFold(1000, n_splits=3))
    >>> table[["n_train", "n_test"]].sum(axis=1).tolist()
    [800, 800, 800]
    >>> bool(table["roc_auc"].between(0.5, 1).all())
    True
    """
    label = np.asarray(y)
    rows = []
    for train, test in cv.split(X, label, groups):
        fitted = clone(model).fit(X.iloc[train], label[train])
        p = fitted.predict_proba(X.iloc[test])[:, 1]
        told = scores(label[test], p, threshold, prevalence)
        rows.append({"n_train": len(train), "n_test": len(test), **{m: told[m] for m in MEASURES}})
    return pd.DataFrame(rows)
