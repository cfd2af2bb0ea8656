"""Density of points under a quartic kernel, and the bandwidth to take when none is given.

Along a row of cells the kernel of a point is a polynomial of degree 4 in x, between two columns.
A row's densities are therefore one polynomial whose coefficients change at those columns: the
cost is that of the points whose disc the row meets plus that of its cells, whatever the bandwidth.
The coefficients are summed as 64-bit integers, so that no order of summation rounds, about origins
fixed on the map: a cell gets the same bytes whatever tile it is computed in.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import fma, inlined, kernel
from shakeslide.core.errors import InputError

Values = NDArray[np.floating[Any]]

_ONE_PLACE = 1e-3  # metres: nearer points differ by rounding only
_BLOCK = 8.0  # bandwidths along x that share an origin of polynomials
_HEADROOM = 1000.0  # no coefficient of a point of weight 1 is larger, with blocks of that length


class _Points(NamedTuple):
    """Points by rising y, and their weights: three arrays of one length."""

    x: Any
    y: Any
    weight: Any


@inlined
def _first_beyond(x: Any, value: float, at: bool, pace: float) -> int:
    """Index of the first of the ascending x that exceeds a value (or is `at` it); else the size.

    `pace` is the number of x per metre: with equal steps, the first guess is right or next to it.
    """
    n = x.size
    guess = int(min(max((value - x[0]) * pace, 0.0), float(n)))
    while guess > 0 and (x[guess - 1] > value or (at and x[guess - 1] == value)):
        guess -= 1
    while guess < n and (x[guess] < value or (not at and x[guess] == value)):
        guess += 1
    return guess


@kernel
def _expand(y: float, points: _Points, h: float, origin: float, ends: Any, terms: Any) -> None:
    """Chord and polynomial of each point along one row of cells.

    With q and t the point's and the cell's distance from `origin` in bandwidths and
    a = 1 - (dy/h)², the kernel is (g + 2qt - t²)², g = a - q², on the chord |t - q| < √a.
    """
    px, py, weight = points
    low, high = ends[0], ends[1]
    c0, c1, c2, c3, c4 = terms[0], terms[1], terms[2], terms[3], terms[4]
    scale = 1 / h
    for p in range(px.size):
        v, q, w = (y - py[p]) * scale, (px[p] - origin) * scale, weight[p]
        a = 1 - v * v
        chord = h * math.sqrt(a if a > 0 else 0.0)
        low[p], high[p] = px[p] - chord, px[p] + chord
        g = a - q * q
        c0[p] = np.int64(w * (g * g))
        c1[p] = np.int64(w * (4 * g * q))
        c2[p] = np.int64(w * (4 * q * q - 2 * g))
        c3[p] = np.int64(w * (-4 * q))
        c4[p] = np.int64(w)


@kernel
def _enter(x: Any, pace: float, ends: Any, terms: Any, n: int, change: Any) -> None:
    """Note where, along one row of cells, each point's polynomial begins and ends."""
    left, right = x[0], x[-1]
    for p in range(n):
        low, high = ends[0, p], ends[1, p]
        if high <= left or low >= right or low >= high:
            continue
        begin = _first_beyond(x, low, False, pace)
        end = _first_beyond(x, high, True, pace)
        if end > begin:
            for m in range(5):
                change[begin, m] += terms[m, p]
                change[end, m] -= terms[m, p]


@kernel
def _add_up(x: Any, origin: float, h: float, gain: float, change: Any, out: Any) -> None:
    """Sum the polynomials from left to right and evaluate the sum at every cell."""
    c0 = c1 = c2 = c3 = c4 = np.int64(0)
    for j in range(x.size):
        c0 += change[j, 0]
        c1 += change[j, 1]
        c2 += change[j, 2]
        c3 += change[j, 3]
        c4 += change[j, 4]
        t = (x[j] - origin) / h
        # Horner's scheme in fused steps, which round alike in vectors and remainders.
        high = fma(np.float64(c4), t, np.float64(c3))
        low = fma(fma(high, t, np.float64(c2)), t, np.float64(c1))
        value = gain * fma(low, t, np.float64(c0))
        out[j] = value if value > 0 else 0.0  # at the rim of a disc it may round below
    # Left clean for the next row.
    change[: x.size + 1] = 0


@inlined
def _block_end(x: Any, left: int, size: float, block: int, pace: float) -> int:
    """First column after `left` that lies in another block."""
    right = left + _first_beyond(x[left:], (block + 1) * size, True, pace)
    while right > left + 1 and math.floor(x[right - 1] / size) > block:
        right -= 1
    while right < x.size and math.floor(x[right] / size) <= block:
        right += 1
    return max(right, left + 1)


@kernel
def _sweep(x: Any, y: Any, points: _Points, h: float, gain: float, out: Any) -> None:
    px, py, weight = points
    cols, size = x.size, _BLOCK * h
    pace = (cols - 1) / (x[-1] - x[0]) if cols > 1 else 1.0
    # Five of eight numbers are used: a column then fills one line of the cache.
    change = np.zeros((cols + 1, 8), np.int64)
    ends, terms = np.empty((2, px.size)), np.empty((5, px.size), np.int64)
    for i in range(y.size):
        first, last = np.searchsorted(py, y[i] - h), np.searchsorted(py, y[i] + h)
        if first == last:
            out[i] = 0
            continue
        here = _Points(px[first:last], py[first:last], weight[first:last])
        left = 0
        while left < cols:
            block = math.floor(x[left] / size)
            right = _block_end(x, left, size, block, pace)
            origin = (block + 0.5) * size
            _expand(y[i], here, h, origin, ends, terms)
            _enter(x[left:right], pace, ends, terms, last - first, change)
            _add_up(x[left:right], origin, h, gain, change, out[i, left:right])
            left = right


def quartic_density(
    x: Values, y: Values, px: Values, py: Values, weights: Values | None, bandwidth: float
) -> NDArray[np.float32]:
    """Kernel density of weighted points: Σ w·3/(πh²)·(1 − d²/h²)² over the points with d < h.

    Exactly 0 where no point is within the bandwidth; elsewhere within 1e-6 of the map's maximum
    of the direct sum.

    Parameters
    ----------
    x : array, shape (cols,)
        Eastings of the cells' centres in metres, ascending.
    y : array, shape (rows,)
        Northings of the cells' centres in metres.
    px, py : array, shape (n,)
        Points, in the same coordinates.
    weights : array, shape (n,), or None
        Weights of the points, none negative; None: 1 each.
    bandwidth : float
        The kernel's radius h in metres.

    Returns
    -------
    float32 array, shape (rows, cols)
        Density in 1/km².

    Raises
    ------
    InputError
        If the bandwidth is not a positive number, or a weight is negative or not finite.

    References
    ----------
    Silverman, B. W. (1986). Density estimation for statistics and data analysis, eq. 4.5.
    """
    if not 0 < bandwidth < math.inf:
        raise InputError(f"the bandwidth must be above 0 m, not {bandwidth}")
    xs, ys, east, north = (np.asarray(v, np.float64) for v in (x, y, px, py))
    weight = _weights(weights, east.size)
    # By northing, the points that a row's discs may hold are a slice.
    order = np.argsort(north, kind="stable")
    out = np.zeros((ys.size, xs.size), np.float32)
    # An exact sum, so that the scale does not depend on the order of the points.
    total = math.fsum(weight)
    if out.size and total > 0:
        # No sum leaves 64 bits: a point's coefficients are at most `_HEADROOM` times its weight.
        scale = 2.0**62 / (_HEADROOM * total)
        # 3/(π h²) of the kernel, per km² instead of m².
        gain = 3e6 / (math.pi * bandwidth**2 * scale)
        points = _Points(east[order], north[order], weight[order] * scale)
        _sweep(xs, ys, points, float(bandwidth), gain, out)
    return out


def _weights(weights: Values | None, n: int) -> NDArray[np.float64]:
    """Weights as float64, 1 where none are given."""
    values = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    wrong = np.flatnonzero(~((values >= 0) & (values < np.inf)))
    if wrong.size:
        raise InputError(
            f"point {wrong[0]} has weight {values[wrong[0]]}: weights must be 0 or more"
        )
    return values


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Value that splits the weight in halves; midway between two where both do."""
    order = np.argsort(values, kind="stable")
    # In place, for there may be millions.
    upto = weights[order]
    np.cumsum(upto, out=upto)
    half = upto[-1] / 2
    low = values[order[np.searchsorted(upto, half, side="left")]]
    high = values[order[np.searchsorted(upto, half, side="right")]]
    return float(low + high) / 2


def default_bandwidth(px: Values, py: Values, weights: Values | None = None) -> float:
    """Bandwidth by the rule of thumb h = 0.9·min(SD, √(1/ln 2)·Dm)·n^−0.2.

    SD is the standard distance √(Σw·d²/Σw) and Dm the median distance, both from the points'
    mean centre, and n the number of points; with weights all are weighted, n being their sum.

    Parameters
    ----------
    px, py : array, shape (n,)
        Points, in metres.
    weights : array, shape (n,), or None
        Weights of the points, none negative; None: 1 each.

    Returns
    -------
    float
        Bandwidth in metres.

    Raises
    ------
    InputError
        With fewer than two points, or if half of them lie in one place.

    References
    ----------
    Silverman, B. W. (1986). Density estimation for statistics and data analysis, eq. 3.31; in
    this planar form: ArcGIS documentation, "How Kernel Density works".
    """
    x, y = np.asarray(px, np.float64), np.asarray(py, np.float64)
    if x.size < 2:
        raise InputError(f"a bandwidth needs at least 2 points, not {x.size}: give one in metres")
    w = _weights(weights, x.size)
    if not w.any():
        raise InputError("all points have weight 0: give the bandwidth in metres")
    d = np.hypot(x - np.average(x, weights=w), y - np.average(y, weights=w))
    standard = math.sqrt(np.average(d**2, weights=w))
    # Of a normal distribution in the plane, √(1/ln 2) times the median is the standard distance.
    spread = min(standard, math.sqrt(1 / math.log(2)) * _weighted_median(d, w))
    if not spread > _ONE_PLACE:
        raise InputError("all points lie in one place: give the bandwidth in metres")
    return float(0.9 * spread * w.sum() ** -0.2)
