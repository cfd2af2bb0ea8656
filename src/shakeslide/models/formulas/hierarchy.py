"""The analytic hierarchy process: weights of factors from an expert's comparisons in pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.models.base import ArrayReader, Arrays
from shakeslide.models.formulas.raw import Conversion, Described, RawModel
from shakeslide.models.kernel_machines.platt import platt_sigmoid
from shakeslide.models.logistic import logistic

RANDOM_INDEX = (
    0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49, 1.51, 1.48, 1.56, 1.57, 1.59,
)  # fmt: skip
"""Mean consistency index of random matrices of 1, 2, ... factors (Saaty 1980)."""
TOLERATED = 0.1
"""Consistency ratio up to which comparisons count as consistent (Saaty)."""


def comparison_matrix(
    comparisons: Mapping[str, float],
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the factors and their matrix of comparisons.

    Parameters
    ----------
    comparisons : mapping
        "A/B" to how many times A is as important as B; every pair once, in either order.

    Returns
    -------
    codes : list of str
        In the order in which they are first named.
    matrix : ndarray, shape (n, n)
        matrix[i, j] = importance of i over j; matrix[j, i] is its inverse.

    Raises
    ------
    InputError
        A key that is no pair, a pair given twice, a value that is no positive number, a pair that
        is missing, or fewer than two or more than 15 factors.
    """
    pairs: dict[tuple[str, str], float] = {}
    for key, value in comparisons.items():
        a, slash, b = (part.strip() for part in str(key).partition("/"))
        if not slash or not a or not b or "/" in b or a == b:
            raise InputError(f'ahp: comparison "{key}" must name two factors, e.g. "SLO/DR" = 3')
        if (a, b) in pairs or (b, a) in pairs:
            raise InputError(f"ahp: {a} and {b} are compared twice; keep one comparison")
        if not (np.isfinite(value) and value > 0):
            raise InputError(f'ahp: comparison "{key}" = {value} must be a positive number')
        pairs[a, b] = float(value)
    codes = list(dict.fromkeys(code for pair in pairs for code in pair))
    if not 2 <= len(codes) <= len(RANDOM_INDEX):
        raise InputError(
            f"ahp: comparisons name {len(codes)} factors; give 2 to {len(RANDOM_INDEX)}"
        )
    matrix = np.ones((len(codes), len(codes)))
    for i, a in enumerate(codes):
        for j in range(i):
            b = codes[j]
            if (a, b) not in pairs and (b, a) not in pairs:
                raise InputError(f'ahp: {b} and {a} are not compared; add "{b}/{a}" = ...')
            matrix[i, j] = pairs[a, b] if (a, b) in pairs else 1 / pairs[b, a]
            matrix[j, i] = 1 / matrix[i, j]
    return codes, matrix


def priorities(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return Saaty's weights and consistency ratio of a matrix of comparisons.

    The weights are the principal eigenvector, with sum 1; the ratio is (λ − n)/(n − 1) over that
    of random matrices (Saaty 1980, The Analytic Hierarchy Process).

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Positive and reciprocal, n up to 15.

    Returns
    -------
    weights : ndarray of float64, shape (n,)
    ratio : float
        0 where no comparison contradicts another.
    """
    n = len(matrix)
    values, vectors = np.linalg.eig(matrix)
    # Perron: the largest eigenvalue of a positive matrix is real, and so is its vector.
    first = int(np.argmax(values.real))
    # An eigenvector's sign is arbitrary; the components of the principal one share theirs.
    weights = np.abs(vectors[:, first].real)
    random = RANDOM_INDEX[n - 1]
    # Two factors cannot contradict each other: their random index is 0.
    ratio = (values[first].real - n) / (n - 1) / random if random > 0 else 0.0
    # λ falls below n by rounding only.
    return weights / weights.sum(), float(max(ratio, 0.0))


class FactorRatings(TypedDict, total=False):
    """Ratings of a factor's classes, from 0 to 1.

    Attributes
    ----------
    limits : sequence of float
        Rising limits between the classes of a numeric factor.
    values : sequence of float
        Ratings below the first limit, between limits and above the last.
    classes : mapping of str to float
        Ratings of a categorical factor by the name of the class.
    """

    limits: Sequence[float] | None
    values: Sequence[float] | None
    classes: Mapping[str, float] | None


class AnalyticHierarchy(RawModel):
    """Analytic hierarchy process (Saaty 1980): score = Σ weight · rating of the factor's class.

    Weights come from comparisons of the factors in pairs. A factor's range is cut into classes of
    equally many training rows (a categorical one has its own), rated by their frequency ratio
    (share of the positives over share of the negatives) over the factor's largest, or as the
    study says. The probability is a logistic function of the score, fitted to the training rows.

    Parameters
    ----------
    comparisons : mapping
        See `comparison_matrix`. Factors that it doesn't name have no part.
    ratings : mapping
        Per factor: ``{"limits": [...], "values": [...]}``, values for below the first limit,
        between limits (a limit belongs to the class below), and above the last; for classes
        ``{"classes": {name: rating}}``. From 0 to 1, as the others are.
    bins : int
        Classes of a factor without ratings.

    Attributes
    ----------
    weight_ : ndarray of float64, shape (n_used,)
    edge_ : ndarray of float32, shape (n_used, n)
        Upper limits of the classes, padded with the largest float32.
    rating_ : ndarray of float64, shape (n_used, n + 1)
    sigmoid_ : tuple of float
        a and b of p = 1/(1+exp(a score + b)).
    consistency_ratio_ : float
    """

    def __init__(
        self,
        comparisons: Mapping[str, float] | None = None,
        ratings: Mapping[str, FactorRatings] | None = None,
        bins: int = 10,
    ) -> None:
        self.comparisons = comparisons
        self.ratings = ratings
        self.bins = bins

    def lacks(self, factors: Sequence[Described], conversion: Conversion) -> list[str]:
        """Name the comparisons or the factors that are missing."""
        if not self.comparisons:
            return ['comparisons ([models.ahp.comparisons] "SLO/DR" = 3 ...)']
        here = {f.code for f in factors}
        codes, _ = comparison_matrix(self.comparisons)
        return [f"factor {code}" for code in codes if code not in here]

    def remarks(self) -> list[str]:
        """Tell where the comparisons contradict each other."""
        _, ratio = priorities(comparison_matrix(self.comparisons or {})[1])
        if ratio <= TOLERATED:
            return []
        return [
            f"ahp: consistency ratio {ratio:.2f} is above {TOLERATED}: the comparisons contradict "
            "each other; think them over"
        ]

    def describe(
        self,
        factors: Sequence[Described],
        conversion: Conversion,
        present: Mapping[str, Collection[int]],
    ) -> Self:
        """Tell what the columns are; see `RawModel.describe`."""
        self._require("ahp", factors, conversion)
        used, matrix = comparison_matrix(self.comparisons or {})
        codes = [f.code for f in factors]
        for code in self.ratings or {}:
            if code not in used:
                raise InputError(
                    f"ahp: ratings of '{code}', which no comparison names."
                    f"{did_you_mean(code, used)}"
                )
        self.column_ = np.array([codes.index(c) for c in used], np.int64)
        self.weight_, self.consistency_ratio_ = priorities(matrix)
        self._used = tuple(factors[i] for i in self.column_)
        self._present = {c: sorted(int(k) for k in v) for c, v in present.items()}
        return self

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        self._check_described(X.shape[1])
        if self.bins < 2:
            raise InputError(f"ahp: bins {self.bins} must be 2 or more")
        rows = X[:, self.column_]
        tables = [self._classes(f, rows[:, k], y) for k, f in enumerate(self._used)]
        most = max(edges.size for edges, _ in tables)
        # No value exceeds the padding: factors with fewer classes need no count of them.
        self.edge_: NDArray[np.float32] = np.full(
            (len(tables), most), np.finfo(np.float32).max, np.float32
        )
        self.rating_: NDArray[np.float64] = np.zeros((len(tables), most + 1))
        for k, (edges, ratings) in enumerate(tables):
            self.edge_[k, : edges.size] = edges
            self.rating_[k, : ratings.size] = ratings
            self.rating_[k, ratings.size :] = ratings[-1]
        self.sigmoid_ = platt_sigmoid(self._score(X), y)

    def _classes(
        self, factor: Described, values: NDArray[np.float32], y: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the limits of a factor's classes and their ratings."""
        given = (self.ratings or {}).get(factor.code)
        if factor.kind == "categorical":
            # Of the legend and the whole grid too: training rows need not show every class.
            codes = np.array(
                sorted({*factor.legend, *self._present.get(factor.code, ()), *np.unique(values)})
            )
            # Limits halfway between codes, so that classes are found as ranges are.
            edges = np.asarray(codes[:-1] + 0.5, np.float32)
            if given is not None:
                return edges, _class_ratings(factor, codes, given)
        elif given is not None:
            return _limits(factor.code, given)
        else:
            inner = np.linspace(0, 1, self.bins + 1)[1:-1]
            # Values that occur: interpolated ones would be rounded to float32, to either side.
            edges = np.unique(np.quantile(values, inner, method="lower").astype(np.float32))
        return edges, _frequency_ratings(edges, values, y)

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        score: NDArray[np.float64] = _weighted_ratings(
            np.ascontiguousarray(X[:, self.column_]), self.weight_, self.edge_, self.rating_
        )
        return score

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        a, b = self.sigmoid_
        p: NDArray[np.float64] = logistic(-(a * self._score(X) + b))
        return p

    def _arrays(self) -> Arrays:
        return {
            **self._column_arrays(),
            "weight": self.weight_,
            "edge": self.edge_,
            "rating": self.rating_,
            "sigmoid": np.array(self.sigmoid_),
        }

    def _restore(self, reader: ArrayReader) -> None:
        self._restore_columns(reader, None)
        used = self.column_.size
        self.weight_ = reader.take("weight", np.float64, (used,), low=0, high=1)
        self.rating_ = reader.take("rating", np.float64, (used, None), low=0)
        self.edge_ = reader.take("edge", np.float32, (used, self.rating_.shape[1] - 1))
        if (np.diff(self.edge_, axis=1) < 0).any():
            raise reader.error("edge", "must not fall")
        a, b = reader.take("sigmoid", np.float64, (2,))
        self.sigmoid_ = (float(a), float(b))


def _frequency_ratings(
    edges: NDArray[np.float32], values: NDArray[np.float32], y: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return each class's frequency ratio over the largest; classes without rows have ratio 1."""
    count = edges.size + 1
    # A value equal to a limit belongs to the class below, as in `_weighted_ratings`.
    place = np.searchsorted(edges, values, side="left")
    hit, miss = (np.bincount(place[y == c], minlength=count) for c in (1, 0))
    # Half a row more keeps the ratio finite where no negative fell
    ratio = (hit / hit.sum()) / ((miss + 0.5) / (miss.sum() + 0.5 * count))
    ratio[hit + miss == 0] = 1.0
    return np.asarray(ratio / ratio.max(), np.float64)


def _limits(code: str, given: FactorRatings) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    limits = np.asarray(given.get("limits") or [], np.float32)
    values = np.asarray(given.get("values") or [], np.float64)
    if limits.size == 0 or values.size != limits.size + 1 or (np.diff(limits) <= 0).any():
        raise InputError(
            f"ahp: ratings of {code} need limits in ascending order, and one value more than limits"
        )
    return limits, _checked_ratings(code, values)


def _class_ratings(
    factor: Described, codes: NDArray[Any], given: FactorRatings
) -> NDArray[np.float64]:
    classes = dict(given.get("classes") or {})
    names = [factor.legend.get(int(c), str(int(c))) for c in codes]
    missing = [n for n in names if n not in classes]
    if missing:
        raise InputError(
            f"ahp: ratings of {factor.code} lack {', '.join(map(repr, missing[:8]))}; add them"
        )
    return _checked_ratings(factor.code, np.array([classes[n] for n in names], np.float64))


def _checked_ratings(code: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"ahp: ratings of {code} must lie between 0 and 1")
    return values


@kernel
def _weighted_ratings(
    X: NDArray[np.float32],
    weight: NDArray[np.float64],
    edge: NDArray[np.float32],
    rating: NDArray[np.float64],
) -> NDArray[np.float64]:
    out = np.zeros(len(X))
    for i in range(len(X)):
        for j in range(weight.size):
            k = 0
            for e in range(edge.shape[1]):
                k += X[i, j] > edge[j, e]
            out[i] += weight[j] * rating[j, k]
    return out
