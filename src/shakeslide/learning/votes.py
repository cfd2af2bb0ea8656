"""Kernel-weighted counts of both kinds of training rows around others, and how near the nearest is.

The kernel is (1 − d²/R²)⁸ within R = 4 bandwidths and 0 beyond, which is close to a Gaussian. As it
ends, rows beyond it are left out by the boxes around leaves of rows that lie close together, and
the sums are still those of all rows, bit for bit: a row's counts depend neither on its company nor
on the processor. Every sum runs over the lanes of a leaf, in the leaves' order. Leaves hold both
kinds, so that the label of a row that does not count changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import fma, inlined, kernel
from shakeslide.evaluation.nearest_rows import LEAF, leaves_of

Float = NDArray[np.float32]
Places = NDArray[np.float64]

REACH = 4.0
"""Bandwidths at which a kernel ends."""
TOGETHER = 8
"""Columns whose squares are added in one pass over a leaf."""
FAR = np.float32(1e30)
"""Squared distance of a row that does not count."""


class _Leaves(NamedTuple):
    """Rows by leaves.

    Attributes
    ----------
    low, high : ndarray of float32, shape (numbers, leaves)
        Boxes around the leaves.
    rows : ndarray of float32, shape (leaves, numbers * LEAF)
        Numbers, column by column. They are filled up with zeros, the last leaf with rows that
        weigh nothing.
    weight : ndarray of float32, shape (leaves, 2 * LEAF)
        How often a row counts among the negatives, then among the positives.
    away : ndarray of float32, shape (leaves, 2 * LEAF)
        The same: 0 where it counts, else `FAR`.
    place : ndarray of float64, shape (leaves, 3, LEAF)
        Where the rows lie; no leaves where that is not known.
    """

    low: Any
    high: Any
    rows: Any
    weight: Any
    away: Any
    place: Any


class _Asked(NamedTuple):
    """Rows to count around: numbers and places, and how near rows do not count."""

    rows: Any
    place: Any
    radius: float


@dataclass(frozen=True)
class Tally:
    """What is found around some rows.

    Attributes
    ----------
    sums : ndarray of float64, shape (rows, bandwidths, 2)
        Weighted counts of negatives and of positives.
    nearest : ndarray of float64, shape (rows, 2)
        Distance to the nearest negative and positive, at most the reach of the largest bandwidth.
    """

    sums: NDArray[np.float64]
    nearest: NDArray[np.float64]


@dataclass(frozen=True)
class Apart:
    """Rows that do not count since they lie too near in place.

    Attributes
    ----------
    place : ndarray of float64, shape (n, 3)
        Of the rows asked for: x, y and the earthquake.
    radius : float
        Rows of the same earthquake that are no farther than that do not count.
    """

    place: Places
    radius: float


@dataclass(frozen=True)
class Electorate:
    """Rows that are counted around others.

    Attributes
    ----------
    rows : ndarray of float32, shape (m, numbers)
        Numbers of the rows, finite.
    label : ndarray of int64, shape (m,)
        0 or 1.
    weight : ndarray of float32, shape (m,)
        How often each counts.
    place : ndarray of float64, shape (m, 3)
        Their x, y and earthquake; shape (0, 3) where that is not known.
    """

    rows: Float
    label: NDArray[np.int64]
    weight: Float
    place: Places

    def tally(self, rows: Float, bandwidths: Sequence[float], apart: Apart | None = None) -> Tally:
        """Count the rows around others.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, numbers)
            Numbers to count around, finite.
        bandwidths : sequence of float
            Rising.
        apart : Apart, optional
            Which rows do not count.
        """
        support = ((REACH * np.asarray(bandwidths, np.float64)) ** 2).astype(np.float32)
        sums = np.zeros((len(rows), len(support), 2))
        nearest = np.full((len(rows), 2), support[-1], np.float32)
        if len(self.rows) and len(rows):
            spare = -rows.shape[1] % TOGETHER
            asked = _Asked(
                np.ascontiguousarray(np.pad(rows, ((0, 0), (0, spare))), np.float32),
                np.empty((0, 3)) if apart is None else np.ascontiguousarray(apart.place),
                -1.0 if apart is None else float(apart.radius),
            )
            _count(asked, self._leaves, support, sums, nearest)
        return Tally(sums, np.sqrt(nearest.astype(np.float64)))

    @cached_property
    def _leaves(self) -> _Leaves:
        number = np.array(leaves_of(self.rows.astype(np.float64)))
        spare = -self.rows.shape[1] % TOGETHER
        packed = np.pad(self.rows[number].transpose(0, 2, 1), ((0, 0), (0, spare), (0, 0)))
        inner = self.rows[number]
        low, high = (np.ascontiguousarray(f(inner, axis=1).T) for f in (np.min, np.max))
        # A row that fills up a leaf is a copy of one that is counted already.
        copied = np.ones(number.size, bool)
        copied[np.unique(number.ravel(), return_index=True)[1]] = False
        once = np.where(copied.reshape(number.shape), 0, self.weight[number])
        kinds = [np.where(self.label[number] == kind, once, 0) for kind in (0, 1)]
        weight = np.concatenate(kinds, axis=1).astype(np.float32)
        place = self.place[number].transpose(0, 2, 1) if len(self.place) else np.empty((0, 3, LEAF))
        return _Leaves(
            low=low,
            high=high,
            rows=np.ascontiguousarray(packed, np.float32).reshape(len(packed), -1),
            weight=weight,
            away=np.where(weight > 0, np.float32(0), FAR),
            place=np.ascontiguousarray(place),
        )


@kernel
def _count(asked: _Asked, index: _Leaves, support: Any, sums: Any, nearest: Any) -> None:
    """Add the leaves within reach of each row."""
    # Named once: each access to an array of the tuple would count a reference.
    low, high, rows, weight, away, place = index
    given, spot, radius = asked
    count, wide, most = rows.shape[0], rows.shape[1] // LEAF, support.size
    total = np.empty((most, 2 * LEAF), np.float32)
    gap, least = np.empty(LEAF, np.float32), np.empty(2 * LEAF, np.float32)
    bound, inverse = np.empty(count, np.float32), np.float32(1) / support
    reach = support[most - 1]
    for i in range(given.shape[0]):
        _bounds(given, i, low, high, bound)
        total[:] = 0
        least[:] = reach
        for leaf in range(count):
            if bound[leaf] >= reach:
                continue
            gap[:] = 0
            c, hits = 0, 1
            while c < wide and hits > 0:
                _add(given, i, rows, leaf, c, gap)
                hits = _within(gap, reach)
                c += TOGETHER
            if hits == 0:
                continue
            if radius >= 0:
                _leave_out(spot, i, place, leaf, radius, gap)
            _look(gap, away, leaf, least)
            b = most - 1
            # Narrower kernels end before the box begins.
            while b >= 0 and bound[leaf] < support[b]:
                _vote(gap, inverse[b], weight, leaf, b, total)
                b -= 1
        for kind in range(2):
            for k in range(kind * LEAF, kind * LEAF + LEAF):
                nearest[i, kind] = min(nearest[i, kind], least[k])
                for b in range(most):
                    sums[i, b, kind] += total[b, k]


@inlined
def _bounds(given: Any, i: int, low: Any, high: Any, bound: Any) -> None:
    """Squared distance to the box of each leaf."""
    bound[:] = 0
    for c in range(low.shape[0]):
        value = given[i, c]
        for k in range(bound.size):
            beyond = max(max(low[c, k] - value, value - high[c, k]), np.float32(0))
            bound[k] += beyond * beyond


@inlined
def _add(given: Any, i: int, rows: Any, leaf: int, c: int, gap: Any) -> None:
    """Add `TOGETHER` columns to the squared distances of a leaf.

    Written out, since a loop over columns would read and write the sums for each.
    """
    p0, p1, p2, p3 = given[i, c], given[i, c + 1], given[i, c + 2], given[i, c + 3]
    p4, p5, p6, p7 = given[i, c + 4], given[i, c + 5], given[i, c + 6], given[i, c + 7]
    at = c * LEAF
    for k in range(LEAF):
        # Places in one row, at fixed distances: the compiler then sees that they are apart.
        d0, d1 = rows[leaf, at + k] - p0, rows[leaf, at + k + LEAF] - p1
        d2, d3 = rows[leaf, at + k + 2 * LEAF] - p2, rows[leaf, at + k + 3 * LEAF] - p3
        d4, d5 = rows[leaf, at + k + 4 * LEAF] - p4, rows[leaf, at + k + 5 * LEAF] - p5
        d6, d7 = rows[leaf, at + k + 6 * LEAF] - p6, rows[leaf, at + k + 7 * LEAF] - p7
        half = fma(d3, d3, fma(d2, d2, fma(d1, d1, fma(d0, d0, gap[k]))))
        gap[k] = fma(d7, d7, fma(d6, d6, fma(d5, d5, fma(d4, d4, half))))


@inlined
def _within(gap: Any, reach: np.float32) -> int:
    """Count the squared distances of a leaf that are within reach so far."""
    hits = np.int32(0)
    for k in range(LEAF):
        hits += np.int32(gap[k] < reach)
    return int(hits)


@inlined
def _leave_out(spot: Any, i: int, place: Any, leaf: int, radius: float, gap: Any) -> None:
    """Set rows that lie too near in place beyond the reach of all kernels."""
    x, y, event = spot[i, 0], spot[i, 1], spot[i, 2]
    for k in range(LEAF):
        dx, dy = place[leaf, 0, k] - x, place[leaf, 1, k] - y
        if place[leaf, 2, k] == event and dx * dx + dy * dy <= radius * radius:
            gap[k] = FAR


@inlined
def _look(gap: Any, away: Any, leaf: int, least: Any) -> None:
    """Keep the least squared distance of each kind, lane by lane."""
    for k in range(LEAF):
        least[k] = min(least[k], max(gap[k], away[leaf, k]))
    for k in range(LEAF):
        least[k + LEAF] = min(least[k + LEAF], max(gap[k], away[leaf, k + LEAF]))


@inlined
def _vote(gap: Any, inverse: np.float32, weight: Any, leaf: int, b: int, total: Any) -> None:
    """Add a leaf's kernels of one bandwidth to the sums of both kinds."""
    for k in range(LEAF):
        inside = max(fma(-gap[k], inverse, np.float32(1)), np.float32(0))
        inside *= inside
        inside *= inside
        inside *= inside
        total[b, k] = fma(weight[leaf, k], inside, total[b, k])
        total[b, k + LEAF] = fma(weight[leaf, k + LEAF], inside, total[b, k + LEAF])
