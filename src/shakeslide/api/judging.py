"""Scores of a model on the splits of a protocol."""

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
        It must have `predict_proba`, and is cloned for each split.
    X : DataFrame, shape (n_samples, n_factors)
        The table that `samples` returns.
    y : array_like, shape (n_samples,)
        Labels, 0 or 1.
    cv : splitter
        `RandomSplit`, `LandslideKFold`, `BlockKFold` or any object with ``split(X, y, groups)``.
    groups : array_like, optional
        Passed on to the splitter.
    threshold : float
        Rows with a probability at or above it are called landslides.
    prevalence : float, optional
        Weight the classes to this share of landslides; default: their share in the test rows.

    Returns
    -------
    DataFrame, shape (n_splits, 12)
        A row per split: the numbers of training and test rows (`n_train`, `n_test`) and every
        measure of `scores`. Measures are shares from 0 to 1, except `log_loss` (nats) and `mcc`
        (−1 to 1). Columns can be given to `paired_difference` and `corrected_interval`.

    Raises
    ------
    InputError
        The rows cannot be split by `cv`.
    ValueError
        Raised by scikit-learn or the model.

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
