"""Combinations of factors that change least from a training row to its neighbour on the ground.

Linear slow feature analysis (Wiskott and Sejnowski 2002), with differences between neighbours on
the ground in place of those between moments. Two rows that are close together along these axes
mostly lie close together on the ground, though no coordinate of a cell is needed. No label enters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import cKDTree

Float = NDArray[np.float32]

AXES = 8
"""Most axes: those that vary faster say little of where a cell lies."""
LEAST_CHANGE = 1e-6
"""Variance added to that between neighbours: a factor that is the same for all neighbours, as
classes of intensity are, would else put any two of its values beyond the reach of each other."""


def fit(rows: Float, place: NDArray[np.float64]) -> Float:
    """Return the slowest axes of rows.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, numbers)
        Encoded factors of the training rows, about 0.
    place : ndarray of float64, shape (n, 3)
        Where they lie, in cells, and their earthquake.

    Returns
    -------
    ndarray of float32, shape (numbers, axes)
        From the slowest. Along each, the variance of the difference between neighbours is 2.
    """
    numbers = rows.shape[1]
    # A study of classes alone; not every version of SciPy takes empty matrices.
    if numbers == 0:
        return np.zeros((0, 0), np.float32)
    values = rows.astype(np.float64)
    change = values - values[_neighbour(place)]
    # Sums of NumPy's own: those of BLAS depend on the number of threads.
    between = np.einsum("ni,nj->ij", change, change) / (2 * len(rows))
    away = values - values.mean(axis=0)
    whole = np.einsum("ni,nj->ij", away, away) / len(rows)
    _, axes = eigh(whole, between + LEAST_CHANGE * np.eye(numbers))
    return np.ascontiguousarray(axes[:, ::-1][:, :AXES], np.float32)


def _neighbour(place: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the nearest other row of the same earthquake, the row's own where there is none."""
    found = np.arange(len(place))
    for event in np.unique(place[:, 2]):
        rows = np.flatnonzero(place[:, 2] == event)
        if len(rows) > 1:
            found[rows] = rows[cKDTree(place[rows, :2]).query(place[rows, :2], k=2)[1][:, 1]]
    return found


def along(axes: Float, rows: Float) -> Float:
    """Return rows along the axes, (n, axes): the same bits in any company.

    Parameters
    ----------
    axes : ndarray of float32, shape (numbers, axes)
        As `fit` returns them.
    rows : ndarray of float32, shape (n, numbers)
        Encoded factors.
    """
    out = np.zeros((len(rows), axes.shape[1]), np.float32)
    # Column by column: the order of a matrix product's sums depends on the number of rows.
    for column, axis in zip(rows.T, axes, strict=True):
        out += np.ascontiguousarray(column)[:, None] * axis
    return out
