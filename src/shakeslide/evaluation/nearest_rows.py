"""The exact distance from each of many rows to the nearest of some thousand others.

In the twenty columns of a study a tree of single rows looks at hundreds of them, one by one. Here
rows lie in leaves of `LEAF`, which pass in vectors, and most leaves are left out by the box around
them. Rows are looked at in single precision, with a margin for its errors; those within it are
compared in double precision. The result is therefore that of all comparisons, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import inlined, kernel

LEAF = 32
"""Rows that are compared together."""
HEAD = 8
"""Columns that are added together; the first of them, which vary most, decide nearly always."""
RELATIVE = 1e-5
"""Margin of a distance in single precision; its sums of some dozen squares are within 1e-6."""
EPSILON = float(np.finfo(np.float32).eps)


class Leaves(NamedTuple):
    """Rows by leaves, in units of the largest coordinate, in single precision.

    Attributes
    ----------
    columns : ndarray of int64, shape (columns,)
        The columns by their spread, the widest first.
    low, high : ndarray of float32, shape (HEAD, leaves)
        Boxes around the leaves in the first columns.
    rows : ndarray of float32, shape (leaves, whole groups of HEAD columns * LEAF)
        The rows, column by column; a leaf is filled up with one of its own.
    number : ndarray of int64, shape (leaves, LEAF)
        Which row each is.
    leaf : ndarray of int64, shape (rows,)
        The leaf of each row.
    """

    columns: Any
    low: Any
    high: Any
    rows: Any
    number: Any
    leaf: Any


@dataclass(frozen=True)
class NearestRows:
    """Rows to which others are compared.

    Attributes
    ----------
    reference : ndarray of float64, shape (m, columns)
        The rows; finite, one at least.
    unit : float
        Their largest coordinate.
    leaves : Leaves
        The same rows, ordered.
    """

    reference: NDArray[np.float64]
    unit: float
    leaves: Leaves

    @classmethod
    def of(cls, reference: NDArray[np.float64]) -> NearestRows:
        """Return the search among rows, (m, columns) float64."""
        reference = np.ascontiguousarray(reference)
        unit = float(np.abs(reference).max(initial=0.0)) or 1.0
        columns = np.argsort(-reference.std(axis=0), kind="stable")
        number = np.array(leaves_of(reference[:, columns]))
        rows = (reference[:, columns] / unit)[number].transpose(0, 2, 1)
        spare = -len(columns) % HEAD or HEAD * (len(columns) == 0)
        rows = np.pad(rows, ((0, 0), (0, spare), (0, 0))).astype(np.float32)
        leaf = np.empty(len(reference), np.int64)
        leaf[number] = np.arange(len(number))[:, None]
        low, high = (np.ascontiguousarray(f(rows[:, :HEAD], axis=2).T) for f in (np.min, np.max))
        rows = np.ascontiguousarray(rows).reshape(len(number), -1)
        return cls(reference, unit, Leaves(columns, low, high, rows, number, leaf))

    def distance(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance from each row to the nearest of the reference.

        Parameters
        ----------
        rows : ndarray of float64, shape (n, columns)
            In the columns of the reference; a row that is not finite has no distance.

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where a row is not finite.
        """
        out = np.empty(len(rows))
        _distances(np.ascontiguousarray(rows), self.reference, self.unit, self.leaves, out)
        return out


def leaves_of(rows: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the numbers of rows that lie close together, `LEAF` at a time.

    Parameters
    ----------
    rows : ndarray of float64, shape (m, columns)
        One at least.

    Returns
    -------
    list of ndarray of int64, shape (LEAF,)
        The last numbers of a leaf that has fewer rows are repeated.
    """
    return _cut(rows, np.arange(len(rows)))


def _cut(rows: NDArray[np.float64], chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return leaves of `LEAF` of the chosen rows that lie close together, halving by columns."""
    if len(chosen) <= LEAF:
        return [np.pad(chosen, (0, LEAF - len(chosen)), mode="edge")]
    column = int(np.argmax(rows[chosen].std(axis=0))) if rows.shape[1] else 0
    order = chosen
    if rows.shape[1]:
        order = chosen[np.argsort(rows[chosen, column], kind="stable")]
    # Whole leaves on the left, so that one leaf alone is filled up.
    half = -(-len(chosen) // LEAF) // 2 * LEAF
    return [*_cut(rows, order[:half]), *_cut(rows, order[half:])]


@kernel
def _distances(rows: Any, reference: Any, unit: float, leaves: Leaves, out: Any) -> None:
    """Distance of each row; the nearest of the row before it is tried first."""
    # Named once: each access to an array of the tuple would count a reference.
    columns, low, high, packed, number, leaf_of = leaves
    count, wide = number.shape[0], packed.shape[1] // LEAF
    place, bound = np.zeros(wide, np.float32), np.empty(count, np.float32)
    total = np.empty(LEAF, np.float32)
    near, inverse = 0, 1 / unit
    for i in range(rows.shape[0]):
        gap, largest = 0.0, 1.0
        for c in range(rows.shape[1]):
            value = rows[i, columns[c]] * inverse
            place[c] = value
            gap += value
            largest = max(largest, abs(value))
        if not np.isfinite(gap):
            out[i] = np.nan
            continue
        # Coordinates are rounded to single precision: each is wrong by this at most.
        error = 2 * EPSILON * np.sqrt(wide) * largest
        best = _squared(rows, i, reference, near)
        limit = _limit(best, inverse, error)
        _bounds(place, low, high, bound)
        first = leaf_of[near]
        for step in range(-1, count):
            leaf = first if step < 0 else step
            if bound[leaf] > limit or step == first:
                continue
            for k in range(LEAF):
                total[k] = 0
            c, hits = 0, 1
            while c < wide and hits > 0:
                hits = _add(place, packed, leaf, c, limit, total)
                c += HEAD
            if hits == 0:
                continue
            for k in range(LEAF):
                if total[k] <= limit:
                    exact = _squared(rows, i, reference, number[leaf, k])
                    if exact < best:
                        best, near = exact, number[leaf, k]
                        limit = _limit(best, inverse, error)
        out[i] = np.sqrt(best)


@inlined
def _squared(rows: Any, i: int, reference: Any, near: int) -> float:
    """Squared distance in double precision, added up in the order of the columns."""
    total = 0.0
    for c in range(rows.shape[1]):
        total += (reference[near, c] - rows[i, c]) * (reference[near, c] - rows[i, c])
    return total


@inlined
def _limit(best: float, inverse: float, error: float) -> np.float32:
    """Squared distance in single precision beyond which no row is nearer than `best`."""
    reach = np.sqrt(best) * inverse * (1 + RELATIVE) + error
    return np.float32(reach * reach * (1 + RELATIVE))


@inlined
def _bounds(place: Any, low: Any, high: Any, bound: Any) -> None:
    """Squared distance to the box of each leaf, in the first columns."""
    bound[:] = 0
    for c in range(HEAD):
        value = place[c]
        for k in range(bound.size):
            beyond = max(max(low[c, k] - value, value - high[c, k]), np.float32(0))
            bound[k] += beyond * beyond


@inlined
def _add(place: Any, rows: Any, leaf: int, c: int, limit: np.float32, total: Any) -> int:
    """Add `HEAD` columns to the squared distances of a leaf; return how many are within the limit.

    Written out, since a loop over columns would read and write the sums for each.
    """
    p0, p1, p2, p3 = place[c], place[c + 1], place[c + 2], place[c + 3]
    p4, p5, p6, p7 = place[c + 4], place[c + 5], place[c + 6], place[c + 7]
    at, hits = c * LEAF, np.int32(0)
    for k in range(LEAF):
        # Places in one row, at fixed distances: the compiler then sees that they are apart.
        d0, d1 = rows[leaf, at + k] - p0, rows[leaf, at + k + LEAF] - p1
        d2, d3 = rows[leaf, at + k + 2 * LEAF] - p2, rows[leaf, at + k + 3 * LEAF] - p3
        d4, d5 = rows[leaf, at + k + 4 * LEAF] - p4, rows[leaf, at + k + 5 * LEAF] - p5
        d6, d7 = rows[leaf, at + k + 6 * LEAF] - p6, rows[leaf, at + k + 7 * LEAF] - p7
        total[k] += (d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3) + (
            d4 * d4 + d5 * d5 + d6 * d6 + d7 * d7
        )
    for k in range(LEAF):
        hits += np.int32(total[k] <= limit)
    return int(hits)
