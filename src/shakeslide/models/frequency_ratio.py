"""The frequency-ratio model: how over-represented landslides are where a factor has a value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader, Arrays, Model
from shakeslide.models.kernel_machines.platt import platt_sigmoid
from shakeslide.models.logistic import logistic


class FrequencyRatio(Model):
    """Frequency-ratio model (Lee & Talib 2005, Environ. Geol. 47:982).

    Every feature is cut into bins of equally many rows. The ratio of a bin is its share of the
    positives over its share of the negatives, which stand for the area; the index of a row is the
    sum of the ratios of its bins, and its probability a logistic function of the index, fitted to
    the training rows.

    Parameters
    ----------
    bins : int
        Bins of a feature; fewer where values repeat.

    Attributes
    ----------
    edges_ : ndarray of float32, shape (n_features, bins - 1)
        A value equal to an edge belongs to the bin below it.
    ratio_ : ndarray of float64, shape (n_features, bins)
        1 in bins without training rows.
    sigmoid_ : tuple of float
        a and b of p = 1/(1+exp(a index + b)).

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.FrequencyRatio().fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    def __init__(self, bins: int = 10) -> None:
        self.bins = bins

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        if self.bins < 2:
            raise InputError(f"fr: bins {self.bins} must be 2 or more")
        inner = np.linspace(0, 1, self.bins + 1)[1:-1]
        # Values that occur: interpolated ones would be rounded to float32, to either side.
        quantiles = np.quantile(X, inner, axis=0, method="lower").T
        self.edges_: NDArray[np.float32] = np.ascontiguousarray(quantiles, dtype=np.float32)
        self.ratio_: NDArray[np.float64] = np.ones((X.shape[1], self.bins))
        for j, edges in enumerate(self.edges_):
            place = np.searchsorted(edges, X[:, j], side="left")
            hit, miss = (np.bincount(place[y == c], minlength=self.bins) for c in (1, 0))
            # Half a row more keeps the ratio finite where no negative fell
            with_rows = hit + miss > 0
            share = ((miss + 0.5) / (miss.sum() + 0.5 * self.bins))[with_rows]
            self.ratio_[j, with_rows] = hit[with_rows] / hit.sum() / share
        self.sigmoid_ = platt_sigmoid(self._index(X), y)

    def _index(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        index: NDArray[np.float64] = _sum_of_ratios(X, self.edges_, self.ratio_)
        return index

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        a, b = self.sigmoid_
        p: NDArray[np.float64] = logistic(-(a * self._index(X) + b))
        return p

    def _arrays(self) -> Arrays:
        return {"edges": self.edges_, "ratio": self.ratio_, "sigmoid": np.array(self.sigmoid_)}

    def _restore(self, reader: ArrayReader) -> None:
        self.edges_ = reader.take("edges", np.float32, (None, self.bins - 1))
        if (np.diff(self.edges_, axis=1) < 0).any():
            raise reader.error("edges", "must not fall")
        self.n_features_in_ = len(self.edges_)
        self.ratio_ = reader.take("ratio", np.float64, (self.n_features_in_, self.bins), low=0)
        a, b = reader.take("sigmoid", np.float64, (2,))
        self.sigmoid_ = (float(a), float(b))


@kernel
def _sum_of_ratios(
    X: NDArray[np.float32], edges: NDArray[np.float32], ratio: NDArray[np.float64]
) -> NDArray[np.float64]:
    out = np.zeros(len(X))
    for i in range(len(X)):
        for j in range(X.shape[1]):
            k = 0
            for e in range(edges.shape[1]):
                k += X[i, j] > edges[j, e]
            out[i] += ratio[j, k]
    return out
