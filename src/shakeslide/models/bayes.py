"""Gaussian naive Bayes, a head for learned features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.models.base import ArrayReader, Arrays, Model
from shakeslide.models.logistic import logistic


class GaussianNaiveBayes(Model):
    """Naive Bayes with a normal density per class and feature.

    Parameters
    ----------
    smoothing : float
        Part of the largest variance of all features that is added to every variance.

    Attributes
    ----------
    mean_, variance_ : ndarray of float64, shape (2, n_features)
    prior_ : ndarray of float64, shape (2,)
        Share of each class in the training rows.
    """

    smooth = True

    def __init__(self, smoothing: float = 1e-9) -> None:
        self.smoothing = smoothing

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        rows = X.astype(np.float64)
        # Columns may all be constant, and a variance of 0 would be divided by.
        floor = max(self.smoothing * rows.var(axis=0).max(), np.finfo(np.float64).tiny)
        self.mean_: NDArray[np.float64] = np.stack([rows[y == c].mean(axis=0) for c in (0, 1)])
        self.variance_: NDArray[np.float64] = (
            np.stack([rows[y == c].var(axis=0) for c in (0, 1)]) + floor
        )
        self.prior_: NDArray[np.float64] = np.array([1 - y.mean(), y.mean()])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        p: NDArray[np.float64] = logistic(_log_odds(X, self.mean_, self.variance_, self.prior_))
        return p

    def _arrays(self) -> Arrays:
        return {"mean": self.mean_, "variance": self.variance_, "prior": self.prior_}

    def _restore(self, reader: ArrayReader) -> None:
        self.mean_ = reader.take("mean", np.float64, (2, None))
        self.n_features_in_ = self.mean_.shape[1]
        # What `_log_odds` divides by and takes logarithms of must be positive.
        tiny = np.finfo(np.float64).tiny
        self.variance_ = reader.take("variance", np.float64, self.mean_.shape, low=tiny)
        self.prior_ = reader.take("prior", np.float64, (2,), low=tiny, high=1.0)


@kernel
def _log_odds(
    X: NDArray[np.float32],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    prior: NDArray[np.float64],
) -> NDArray[np.float64]:
    # In logarithms: the product of many small densities would underflow.
    constant = np.log(prior[1]) - np.log(prior[0])
    for j in range(X.shape[1]):
        constant += 0.5 * (np.log(variance[0, j]) - np.log(variance[1, j]))
    out = np.empty(len(X))
    for i in range(len(X)):
        total = constant
        for j in range(X.shape[1]):
            a = X[i, j] - mean[0, j]
            b = X[i, j] - mean[1, j]
            total += 0.5 * (a * a / variance[0, j] - b * b / variance[1, j])
        out[i] = total
    return out
