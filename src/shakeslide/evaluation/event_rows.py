"""Rows of several earthquakes in one table: no distance and no group joins rows of two of them.

Each earthquake has coordinates of its own, possibly in another projection, and numbers its
landslides and blocks from 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shakeslide.evaluation.ranking import IntArray


def rows_by_event(event: ArrayLike | None, count: int) -> list[IntArray]:
    """Return the row numbers of each event, in the order of the events.

    Parameters
    ----------
    event : array_like, shape (count,), or None
        Earthquake of each row; None: all rows are of one.
    count : int
        Number of rows.

    Returns
    -------
    list of ndarray of int64, shape (k,)
        Ascending row numbers, one array per event.

    Raises
    ------
    ValueError
        If `event` has not one value per row.
    """
    if event is None:
        return [np.arange(count)]
    number = np.asarray(event)
    if number.shape != (count,):
        raise ValueError(f"event has shape {number.shape}, but there are {count} rows")
    return [np.flatnonzero(number == one) for one in np.unique(number)]


def apart(number: ArrayLike, event: ArrayLike | None) -> IntArray:
    """Return numbers of groups of which none holds rows of two events.

    Parameters
    ----------
    number : array_like of int, shape (n,)
        Group of each row within its event: a landslide or a block.
    event : array_like, shape (n,), or None
        Earthquake of each row; None: all rows are of one.

    Returns
    -------
    ndarray of int64, shape (n,)
        The numbers as they are where there is one event; else running numbers from 0 of the pairs
        of event and number, in the order of the events, then of the numbers.
    """
    numbers = np.asarray(number, dtype=np.int64)
    lots = rows_by_event(event, numbers.size)
    if len(lots) == 1:
        return numbers
    out, first = np.empty(numbers.size, np.int64), 0
    for rows in lots:
        unique, index = np.unique(numbers[rows], return_inverse=True)
        out[rows] = first + index
        first += unique.size
    return out
