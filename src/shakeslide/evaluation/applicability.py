"""Where a model may be applied: how unlike its training data each cell is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from shakeslide.core.errors import InputError
from shakeslide.core.random_streams import generator
from shakeslide.evaluation.nearest_rows import NearestRows
from shakeslide.evaluation.ranking import FloatArray

# Bounds the matrix of distances: 1,024 by 5,000 rows take 40 MB.
CHUNK = 1024


@dataclass(frozen=True)
class Applicability:
    """Dissimilarity to training data, and the threshold beyond which a model is on its own.

    Attributes
    ----------
    centre, factor : ndarray, shape (columns,)
        A value minus `centre` times `factor` is scaled and weighted by importance.
    reference : ndarray, shape (m, columns)
        Scaled training rows that others are compared with.
    spread : float
        Mean distance between two of them.
    threshold : float
        Largest dissimilarity still inside the area of applicability.
    """

    centre: FloatArray
    factor: FloatArray
    reference: FloatArray
    spread: float
    threshold: float

    def dissimilarity(self, x: ArrayLike) -> FloatArray:
        """Distance to the nearest training row over the mean distance between these.

        Parameters
        ----------
        x : array_like, shape (n, columns)
            Rows in the columns of the training data; NaN in any makes the result NaN. Rows are
            judged one by one, so maps can be cut into chunks as one likes.

        Returns
        -------
        ndarray, shape (n,)
            0: a training row; 1: as far from any as they are from each other.
        """
        scaled = (np.asarray(x, dtype=np.float64) - self.centre) * self.factor
        # Columns without weight would add zeros to every distance.
        return self._nearest.distance(scaled[:, self._used]) / self.spread

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the named arrays that `from_arrays` makes it from again.

        Returns
        -------
        dict of ndarray of float64
            `centre` and `factor`, (columns,); `reference`, (m, columns); `scalars`, (2,): the
            spread and the threshold.
        """
        return {
            "centre": self.centre,
            "factor": self.factor,
            "reference": self.reference,
            "scalars": np.array([self.spread, self.threshold]),
        }

    @cached_property
    def _used(self) -> NDArray[np.int64]:
        """Columns that have any weight."""
        return np.flatnonzero(self.factor)

    @cached_property
    def _nearest(self) -> NearestRows:
        """The search among the training rows."""
        return NearestRows.of(self.reference[:, self._used])


def fit_applicability(
    x: ArrayLike,
    importance: ArrayLike,
    folds: ArrayLike,
    max_reference: int = 5000,
    seed: int = 0,
) -> Applicability:
    """Learn the area of applicability of a model from its training rows.

    The dissimilarity index and its threshold, the upper whisker of the index among training rows
    of different folds, are those of Meyer and Pebesma (2021), Methods in Ecology and Evolution
    12:1620. With a threshold from `block` folds, inside means: no further from the training data
    than blocks of these are from each other, so that scores by blocks can be expected to hold.

    Parameters
    ----------
    x : array_like, shape (n, columns)
        Training rows, as the model sees them; finite.
    importance : array_like, shape (columns,)
        Weight of each column, such as its permutation importance; below 0 counts as 0.
    folds : array_like of int, shape (n,)
        Fold of each row in the cross-validation whose scores are quoted.
    max_reference : int
        Number of rows, drawn at random, to compare with; the effort for a map grows with it.
    seed : int
        Seed, not negative.

    Raises
    ------
    ValueError
        If shapes do not fit, x is not finite, no column that varies has weight, or there is one
        fold only.
    """
    rows, fold = np.asarray(x, dtype=np.float64), np.asarray(folds)
    weight = np.maximum(np.asarray(importance, dtype=np.float64), 0.0)
    if rows.ndim != 2 or fold.shape != rows.shape[:1] or weight.shape != rows.shape[1:]:
        raise ValueError("x must be (n, columns), folds (n,) and importance (columns,)")
    if not np.isfinite(rows).all():
        raise ValueError("training rows must be finite")
    centre, sd = rows.mean(axis=0), rows.std(axis=0)
    # A constant column has no scale, so it counts as one without weight.
    factor = np.where(sd > 0, weight / np.where(sd > 0, sd, 1.0), 0.0)
    if not factor.any():
        raise ValueError("no column that varies has any importance")
    order = generator(seed, "applicability").permutation(len(rows))[:max_reference]
    reference, fold = (rows[order] - centre) * factor, fold[order]
    if np.unique(fold).size < 2:
        raise ValueError("training rows must be of two folds at least")
    spread = _mean_distance(reference)
    inside = _nearest_in_other_folds(reference, fold) / spread
    return Applicability(centre, factor, reference, spread, upper_whisker(inside))


def from_arrays(arrays: Mapping[str, ArrayLike]) -> Applicability:
    """Make an Applicability from what its `to_arrays` gave.

    Raises
    ------
    InputError
        If the arrays are not those of one.
    """
    try:
        centre, factor, reference, scalars = (
            np.asarray(arrays[name], dtype=np.float64)
            for name in ("centre", "factor", "reference", "scalars")
        )
    except KeyError as error:
        raise InputError(f"stored area of applicability has no {error}: fit it again") from error
    fits = (
        reference.ndim == 2
        and len(reference) > 0
        and centre.shape == factor.shape == reference.shape[1:]
        and scalars.shape == (2,)
        and all(np.isfinite(values).all() for values in (centre, factor, reference, scalars))
        and scalars[0] > 0
    )
    if not fits:
        raise InputError("stored area of applicability is damaged: fit it again")
    return Applicability(centre, factor, reference, float(scalars[0]), float(scalars[1]))


def upper_whisker(values: ArrayLike) -> float:
    """Largest value not above the upper quartile by more than 1.5 interquartile ranges."""
    x = np.asarray(values, dtype=np.float64)
    lower, upper = np.quantile(x, [0.25, 0.75])
    return float(x[x <= upper + 1.5 * (upper - lower)].max())


def _mean_distance(rows: FloatArray) -> float:
    """Mean distance between two different rows."""
    total = sum(
        float(cdist(rows[start : start + CHUNK], rows).sum())
        for start in range(0, len(rows), CHUNK)
    )
    # The diagonal adds only zeros and is no pair.
    return total / (len(rows) * (len(rows) - 1))


def _nearest_in_other_folds(rows: FloatArray, fold: ArrayLike) -> FloatArray:
    fold = np.asarray(fold)
    distance = np.empty(len(rows))
    for value in np.unique(fold):
        own = fold == value
        distance[own] = cKDTree(rows[~own]).query(rows[own])[0]
    return distance
