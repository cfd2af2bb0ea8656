"""Logistic regression with an L2 penalty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression as _LogisticRegression

from shakeslide.core.compiled import kernel
from shakeslide.models.base import ArrayReader, Arrays, Model


class LogisticRegression(Model):
    """Logistic regression, p = 1/(1+exp(-(w·x+b))), fitted by scikit-learn.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty.
    max_iter : int
        Limit of the solver's iterations.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
    intercept_ : float

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.LogisticRegression().fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    smooth = True

    def __init__(self, C: float = 1.0, max_iter: int = 1000) -> None:
        self.C = C
        self.max_iter = max_iter

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        solver = _LogisticRegression(C=self.C, max_iter=self.max_iter)
        solver.fit(X.astype(np.float64), y)
        self.coef_: NDArray[np.float64] = np.ascontiguousarray(solver.coef_[0], dtype=np.float64)
        self.intercept_ = float(solver.intercept_[0])
        self.n_iter_ = int(solver.n_iter_[0])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        p: NDArray[np.float64] = logistic(linear_scores(X, self.coef_, self.intercept_))
        return p

    def _arrays(self) -> Arrays:
        return {"coef": self.coef_, "intercept": np.array([self.intercept_])}

    def _restore(self, reader: ArrayReader) -> None:
        self.coef_ = reader.take("coef", np.float64, (None,))
        self.intercept_ = float(reader.take("intercept", np.float64, (1,))[0])
        self.n_features_in_ = self.coef_.size


@kernel
def linear_scores(
    X: NDArray[np.float32], coef: NDArray[np.float64], intercept: float
) -> NDArray[np.float64]:
    """Return w·x + b of each row, (n,), of `X`, (n, m), with `coef` w, (m,), and `intercept` b.

    Summed in the order of the columns, whatever the rows around.
    """
    n, m = X.shape
    out = np.empty(n)
    for i in range(n):
        total = intercept
        for j in range(m):
            total += X[i, j] * coef[j]
        out[i] = total
    return out


@kernel
def logistic(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-z)), (n,), without overflow, of each of `z`, (n,)."""
    out = np.empty_like(z)
    for i in range(z.size):
        e = np.exp(-abs(z[i]))
        out[i] = 1.0 / (1.0 + e) if z[i] >= 0 else e / (1.0 + e)
    return out
