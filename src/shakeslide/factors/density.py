"""Density of points under a quartic kernel, and the bandwidth to take when none is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.errors import InputError
from shakeslide.factors.kernel import kernel

Values = NDArray[np.floating[Any]]

_BLOCK = 8.0  # bandwidths per block of columns that share the origin of their polynomials
_HEADROOM = 1000.0  # no coefficient of a point of weight 1 is larger, at that block size


@kernel
def _first_within(x: Any, px: float, chord: float, guess: int, low: int, high: int) -> int:
    """First column of low..high whose x exceeds px - chord, walking from a guess."""
    j = min(max(guess, low), high)
    while j > low and x[j - 1] > px - chord:
        j -= 1
    while j < high and x[j] <= px - chord:
        j += 1
    return j


@kernel
def _last_within(x: Any, px: float, chord: float, guess: int, low: int, high: int) -> int:
    """First column of low..high whose x is at or beyond px + chord."""
    j = min(max(guess, low), high)
    while j > low and x[j - 1] >= px + chord:
        j -= 1
    while j < high and x[j] < px + chord:
        j += 1
    return j


@kernel
def _sweep(
    x: Any, y: Any, px: Any, py: Any, weight: Any, h: float, scale: float, gain: float, out: Any
) -> None:
    rows, cols = y.size, x.size
    step = (x[-1] - x[0]) / (cols - 1) if cols > 1 else 1.0
    change = np.zeros((cols + 1, 8), np.int64)
    run = np.zeros(8, np.int64)
    entry = np.zeros(8, np.int64)
    size = _BLOCK * h
    for i in range(rows):
        # rows run from north to south, points are sorted by y
        first = np.searchsorted(py, y[i] - h)
        last = np.searchsorted(py, y[i] + h)
        if first == last:
            out[i, :] = 0
            continue
        left = 0
        while left < cols:
            cell = math.floor(x[left] / size)
            origin = (cell + 0.5) * size
            right = left
            limit = (cell + 1) * size
            right = min(cols, left + max(1, int((limit - x[left]) / step)))
            while right > left + 1 and x[right - 1] >= limit:
                right -= 1
            while right < cols and x[right] < limit:
                right += 1
            for p in range(first, last):
                v = (y[i] - py[p]) / h
                a = 1 - v * v
                if a <= 0:
                    continue
                chord = h * math.sqrt(a)
                if px[p] + chord <= x[left] or px[p] - chord >= x[right - 1]:
                    continue
                guess = int((px[p] - chord - x[left]) / step) + left
                j0 = _first_within(x, px[p], chord, guess, left, right)
                guess = int((px[p] + chord - x[left]) / step) + left
                j1 = _last_within(x, px[p], chord, guess, left, right)
                if j1 <= j0:
                    continue
                q = (px[p] - origin) / h
                g = a - q * q
                w = weight[p] * scale
                entry[0] = int(w * g * g)
                entry[1] = int(w * 4 * g * q)
                entry[2] = int(w * (4 * q * q - 2 * g))
                entry[3] = int(w * -4 * q)
                entry[4] = int(w)
                entry[5] = 1
                for m in range(8):
                    change[j0, m] += entry[m]
                for m in range(8):
                    change[j1, m] -= entry[m]
            run[:] = 0
            for j in range(left, right):
                for m in range(8):
                    run[m] += change[j, m]
                    change[j, m] = 0
                t = (x[j] - origin) / h
                value = np.float64(run[4])
                for m in range(3, -1, -1):
                    value = value * t + np.float64(run[m])
                out[i, j] = gain * max(value, 0.0) if run[5] > 0 else 0.0
            change[right] = 0
            left = right


def quartic_density(
    x: Values, y: Values, px: Values, py: Values, weights: Values | None, bandwidth: float
) -> NDArray[np.float32]:
    """Kernel density of weighted points, in 1/km²."""
    if not (bandwidth > 0 and math.isfinite(bandwidth)):
        raise InputError(f"the bandwidth must be positive metres, not {bandwidth}")
    order = np.argsort(py, kind="stable")
    east, north = np.asarray(px, np.float64)[order], np.asarray(py, np.float64)[order]
    weight = np.ones(east.size) if weights is None else np.asarray(weights, np.float64)[order]
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    out = np.zeros((ys.size, xs.size), np.float32)
    total = float(weight.sum())
    if out.size and total > 0:
        scale = 2.0**62 / (_HEADROOM * total)
        gain = 3 / (math.pi * bandwidth**2) * 1e6 / scale
        _sweep(xs, ys, east, north, weight, float(bandwidth), scale, gain, out)
    return out


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    below = int(np.searchsorted(share, 0.5))
    if share[below] == 0.5 and below + 1 < values.size:
        return float(values[order[below : below + 2]].mean())
    return float(values[order[below]])


def default_bandwidth(px: Values, py: Values, weights: Values | None = None) -> float:
    """Bandwidth in metres by the rule of thumb for a quartic kernel in the plane."""
    x, y = np.asarray(px, np.float64), np.asarray(py, np.float64)
    w = np.ones(x.size) if weights is None else np.asarray(weights, np.float64)
    if x.size < 2:
        raise InputError(f"a bandwidth needs at least 2 points, not {x.size}; give one in metres")
    mx, my = np.average(x, weights=w), np.average(y, weights=w)
    d = np.hypot(x - mx, y - my)
    standard = math.sqrt(np.average(d**2, weights=w))
    median = _weighted_median(d, w)
    bandwidth = 0.9 * min(standard, math.sqrt(1 / math.log(2)) * median) * w.sum() ** -0.2
    if not bandwidth > 0:
        raise InputError("the points lie in one place: give the bandwidth in metres")
    return float(bandwidth)
