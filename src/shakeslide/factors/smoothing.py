"""The form of a surface after Gaussian smoothing: gradient and curvature at a scale.

The smoothing is a weighted mean over the cells that exist and are not void, so that a value depends
on neither the tile nor what lies outside. Differences are taken one standard deviation apart: over
less, the end of the truncated bell would show as a bend.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Window = tuple[slice, slice]

REACH = 3.0
"""Standard deviations at which the bell is cut off."""
_LEVEL = 1e-9  # metres per metre below which ground is level: well above rounding
_PANEL = 256  # columns smoothed at a time, so that the rows of a bell stay in the cache


class Forms(NamedTuple):
    """Derivatives of a surface, each (rows, cols) float32.

    Attributes
    ----------
    gx, gy
        Rise to the east and to the north, metres per metre.
    xx, yy, xy
        Half the second derivatives to the east and to the north, and the mixed one, 1/m.
    """

    gx: Floats
    gy: Floats
    xx: Floats
    yy: Floats
    xy: Floats


def steps(dx: float, dy: float, scale: float) -> tuple[int, int]:
    """Return rows and columns that come nearest to a scale in metres, at least 1."""
    return max(1, round(scale / dy)), max(1, round(scale / dx))


def halo(dx: float, dy: float, scale: float) -> tuple[int, int]:
    """Return rows and columns beyond a tile that `forms` of the smoothed surface look at."""
    rows, cols = steps(dx, dy, scale)
    return rows + len(_bell(dy, scale)) - 1, cols + len(_bell(dx, scale)) - 1


def _bell(cell: float, scale: float) -> Doubles:
    """Return the weights of the cells at 0, 1, 2, ... cells' distance."""
    offsets = np.arange(math.floor(REACH * scale / cell + 1e-9) + 1) * cell
    return np.asarray(np.exp(-0.5 * (offsets / scale) ** 2))


@kernel
def _down(z: Any, bell: Any, first: int, out: Any) -> None:
    """Weighted sums down the columns, of row `first` on; what is not finite in `z` must be 0."""
    rows, cols = z.shape
    for start in range(0, cols, _PANEL):
        stop = min(start + _PANEL, cols)
        for i in range(out.shape[0]):
            at, to = first + i, out[i, start:stop]
            here = z[at, start:stop]
            for j in range(to.size):
                to[j] = bell[0] * here[j]
            for k in range(1, bell.size):
                w = bell[k]
                if at >= k and at + k < rows:
                    above, below = z[at - k, start:stop], z[at + k, start:stop]
                    for j in range(to.size):
                        to[j] += w * (above[j] + below[j])
                elif at >= k:
                    above = z[at - k, start:stop]
                    for j in range(to.size):
                        to[j] += w * above[j]
                elif at + k < rows:
                    below = z[at + k, start:stop]
                    for j in range(to.size):
                        to[j] += w * below[j]


@kernel
def _across(sums: Any, bell: Any, first: int, out: Any) -> None:
    """Weighted sums along the rows, of column `first` on."""
    wide, n = bell.size - 1, out.shape[1]
    cols = sums.shape[1]
    row = np.zeros(cols + 2 * wide)
    for i in range(out.shape[0]):
        row[wide : wide + cols] = sums[i]
        to, here = out[i], row[wide + first : wide + first + n]
        for j in range(n):
            to[j] = bell[0] * here[j]
        for k in range(1, bell.size):
            w = bell[k]
            left = row[wide + first - k : wide + first - k + n]
            right = row[wide + first + k : wide + first + k + n]
            for j in range(n):
                to[j] += w * (left[j] + right[j])


def _convolved(z: Doubles, bells: tuple[Doubles, Doubles], keep: Window) -> Doubles:
    rows, cols = keep
    partly = np.empty((rows.stop - rows.start, z.shape[1]))
    _down(z, bells[0], rows.start, partly)
    out = np.empty((partly.shape[0], cols.stop - cols.start))
    _across(partly, bells[1], cols.start, out)
    return out


def smoothed(z: Floats, dx: float, dy: float, scale: float, keep: Window) -> Doubles:
    """Return the Gaussian mean of elevations around each cell of a part.

    Parameters
    ----------
    z : array, (rows, cols) float32
        Elevation in metres, NaN where unknown.
    dx, dy : float
        Size of the cells in metres.
    scale : float
        Standard deviation in metres.
    keep : (slice, slice)
        Rows and columns of the part.

    Returns
    -------
    array, (rows, cols) float64
        Of the part; NaN where `z` is.
    """
    bells = _bell(dy, scale), _bell(dx, scale)
    known = np.isfinite(z)
    if known.all():
        weight = np.outer(*(_shares(b, n, s) for b, n, s in zip(bells, z.shape, keep, strict=True)))
        filled = z.astype(np.float64)
    else:
        weight = _convolved(known.astype(np.float64), bells, keep)
        filled = np.where(known, z, np.float32(0)).astype(np.float64)
    out = _convolved(filled, bells, keep)
    # A void alone may be without any weight around.
    out /= np.where(weight > 0, weight, 1.0)
    out[~known[keep]] = np.nan
    return out


def _shares(bell: Doubles, size: int, part: slice) -> Doubles:
    """Return the sum of the weights that lie within an axis, for each place of a part of it."""
    whole = np.concatenate([bell[:0:-1], bell])
    sums = np.convolve(np.ones(size), whole, mode="full")[bell.size - 1 : bell.size - 1 + size]
    return np.asarray(sums[part])


@kernel
def _rise_over(z: Any, i: int, j: int, di: int, dj: int) -> Any:
    """Rise to a cell some cells away; where it is missing, straight on from the one opposite."""
    rows, cols = z.shape
    for sign in (1, -1):
        k, m = i + sign * di, j + sign * dj
        if 0 <= k < rows and 0 <= m < cols and not math.isnan(z[k, m]):
            return sign * (z[k, m] - z[i, j])
    return 0.0


@kernel
def _forms(z: Any, reach: Any, cell: Any, first: Any, out: Any) -> None:
    """First and second differences between cells `reach` rows and columns apart."""
    up, side = reach
    ly, lx = up * cell[1], side * cell[0]
    rows, cols = z.shape
    gx, gy, xx, yy, xy = out
    for r in range(gx.shape[0]):
        i = first[0] + r
        for c in range(gx.shape[1]):
            j = first[1] + c
            if up <= i < rows - up and side <= j < cols - side:
                centre = z[i, j]
                north, south = z[i - up, j] - centre, z[i + up, j] - centre
                west, east = z[i, j - side] - centre, z[i, j + side] - centre
                cross = (z[i - up, j + side] - z[i - up, j - side]) + (
                    z[i + up, j - side] - z[i + up, j + side]
                )
                whole = north + south + west + east + cross
            else:
                whole = np.nan
            if math.isnan(whole):
                north, south = _rise_over(z, i, j, -up, 0), _rise_over(z, i, j, up, 0)
                west, east = _rise_over(z, i, j, 0, -side), _rise_over(z, i, j, 0, side)
                cross = (_rise_over(z, i, j, -up, side) - _rise_over(z, i, j, -up, -side)) + (
                    _rise_over(z, i, j, up, -side) - _rise_over(z, i, j, up, side)
                )
            void = np.nan if math.isnan(z[i, j]) else 0.0
            a, b = (east - west) / (2 * lx), (north - south) / (2 * ly)
            # Level ground is level, whatever rounding leaves of the mean.
            level = abs(a) < _LEVEL and abs(b) < _LEVEL
            gx[r, c], gy[r, c] = void + (0.0 if level else a), void + (0.0 if level else b)
            xx[r, c] = void + (west + east) / (2 * lx * lx)
            yy[r, c] = void + (north + south) / (2 * ly * ly)
            xy[r, c] = void + cross / (4 * lx * ly)


def forms(z: Doubles, dx: float, dy: float, scale: float, part: Window) -> Forms:
    """Return the derivatives of a surface in a part of it, from cells one scale apart.

    Parameters
    ----------
    z : array, (rows, cols) float64
        The smoothed surface in metres, NaN where unknown.
    dx, dy : float
        Size of the cells in metres.
    scale : float
        Distance of the differences in metres, of which the nearest number of cells is taken. A
        missing neighbour is straight on from the one opposite.
    part : (slice, slice)
        Rows and columns wanted.

    Returns
    -------
    Forms
        Each (rows, cols) of the part; NaN where `z` is.
    """
    rows, cols = part
    shape = rows.stop - rows.start, cols.stop - cols.start
    out = Forms(*(np.empty(shape, np.float32) for _ in range(5)))
    _forms(z, steps(dx, dy, scale), (dx, dy), (rows.start, cols.start), out)
    return out
