"""Prediction in chunks of one fixed shape, so that a row's result is the same in any company.

A float32 matrix product picks its kernel by the number of rows, and the last bits change with
it. A product of always the same shape treats every row alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 4096
FORMULA_ROWS = 16_384
"""Rows of a chunk for formulas, which are so plain that the checks of a call take as long."""


def predict_in_chunks(
    f: Callable[[NDArray[np.float32]], NDArray[Any]],
    X: NDArray[np.float32],
    rows: int = CHUNK_ROWS,
) -> NDArray[Any]:
    """Apply `f` to `X` in chunks of exactly `rows` rows, the last one padded with zeros.

    Parameters
    ----------
    f : callable
        Maps a C-contiguous float32 array (rows, n_features) to an array whose first axis has
        the same length. It is called at least once, with zeros if `X` is empty.
    X : ndarray of float32, shape (n, n_features)
    rows : int
        Rows of a chunk.

    Returns
    -------
    ndarray, shape (n, ...)
        What `f` returned for each row.
    """
    n, features = X.shape
    out: NDArray[Any] | None = None
    # Once even without rows: only `f` knows the shape and the type of its result.
    for start in range(0, max(n, 1), rows):
        chunk = X[start : start + rows]
        if len(chunk) < rows:
            padded = np.zeros((rows, features), dtype=np.float32)
            padded[: len(chunk)] = chunk
            chunk = padded
        result = f(np.ascontiguousarray(chunk, dtype=np.float32))
        if out is None:
            out = np.empty((n, *result.shape[1:]), dtype=result.dtype)
        out[start : start + rows] = result[: n - start]
    assert out is not None  # the loop runs at least once
    return out


def predict_whole_rows(
    f: Callable[[NDArray[np.float32]], NDArray[Any]],
    X: NDArray[np.float32],
    rows: int = CHUNK_ROWS,
) -> NDArray[np.float32]:
    """Apply `f` in chunks to the rows that are finite; the others get NaN.

    Parameters
    ----------
    f : callable
        As for `predict_in_chunks`; gives one value per row.
    X : ndarray of float32, shape (n, n_features)
    rows : int
        Rows of a chunk.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    whole = np.isfinite(X).all(axis=1)
    if whole.all():
        return np.asarray(predict_in_chunks(f, X, rows), np.float32)
    out = np.full(len(X), np.nan, np.float32)
    if whole.any():
        out[whole] = predict_in_chunks(f, X[whole], rows)
    return out
