"""Mean, standard deviation and extremes in square windows, at a cost that no window changes.

Values are summed in whole steps as 64-bit integers, where no order of summation rounds: a cell gets
the same bits in any tile.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel

Floats = NDArray[np.float32]
Window = tuple[slice, slice]


class Moments(NamedTuple):
    """Mean less the cell's own value, and standard deviation, each (rows, cols) float32."""

    lead: Floats
    sd: Floats


@kernel
def _add_row(row: Any, steps: float, sign: int, sums: Any) -> None:
    """Add a row to the running sums of columns: numbers of cells, steps, their squares."""
    number, total, squares = sums[0], sums[1], sums[2]
    for j in range(row.size):
        value = row[j]
        known = value == value
        step = np.int64(np.rint(np.float64(value) * steps)) if known else np.int64(0)
        number[j] += sign * np.int64(known)
        total[j] += sign * step
        # What overflows on the way comes back: the end is the small sum about a cell's own value.
        squares[j] += sign * step * step


@kernel
def _moments(values: Any, steps: float, half: Any, first: Any, lead: Any, sd: Any) -> None:
    rows, cols = values.shape
    tall, wide = half
    sums = np.zeros((3, cols), np.int64)
    for i in range(max(0, first[0] - tall), min(rows, first[0] + tall)):
        _add_row(values[i], steps, 1, sums)
    for r in range(lead.shape[0]):
        at = first[0] + r
        if at + tall < rows:
            _add_row(values[at + tall], steps, 1, sums)
        if at - tall - 1 >= max(0, first[0] - tall):
            _add_row(values[at - tall - 1], steps, -1, sums)
        n = s = q = np.int64(0)
        for j in range(max(0, first[1] - wide), min(cols, first[1] + wide)):
            n, s, q = n + sums[0, j], s + sums[1, j], q + sums[2, j]
        low = max(0, first[1] - wide)
        for c in range(lead.shape[1]):
            j = first[1] + c
            if j + wide < cols:
                n, s, q = (
                    n + sums[0, j + wide], s + sums[1, j + wide], q + sums[2, j + wide]
                )  # fmt: skip
            if j - wide - 1 >= low:
                k = j - wide - 1
                n, s, q = n - sums[0, k], s - sums[1, k], q - sums[2, k]
            own = np.float64(values[at, j])
            if own != own:
                lead[r, c] = sd[r, c] = np.nan
                continue
            centre = np.int64(np.rint(own * steps))
            mean = np.float64(s - n * centre) / n
            spread = np.float64(q - 2 * centre * s + n * centre * centre) / n - mean * mean
            lead[r, c] = mean / steps
            sd[r, c] = math.sqrt(spread) / steps if spread > 0 else 0.0


def moments(values: Floats, half: tuple[int, int], part: Window, steps: float) -> Moments:
    """Return mean and standard deviation in windows around the cells of a part.

    Parameters
    ----------
    values : array, (rows, cols) float32
        NaN where unknown: windows hold the cells that there are.
    half : (int, int)
        Rows and columns of a window on each side of its cell.
    part : (slice, slice)
        Rows and columns wanted.
    steps : float
        Steps in a unit to which values are rounded; the greatest value in steps is below 2^31.

    Returns
    -------
    Moments
        Each (rows, cols) of the part; NaN where `values` is.
    """
    rows, cols = part
    shape = rows.stop - rows.start, cols.stop - cols.start
    out = Moments(np.empty(shape, np.float32), np.empty(shape, np.float32))
    _moments(values, steps, half, (rows.start, cols.start), *out)
    return out


class Extremes(NamedTuple):
    """Lowest and highest value in windows, each (rows, cols) float32."""

    low: Floats
    high: Floats


def extremes(values: Floats, half: tuple[int, int], part: Window) -> Extremes:
    """Return lowest and highest value in windows around the cells of a part.

    Parameters
    ----------
    values, half, part
        As of `moments`.

    Returns
    -------
    Extremes
        Each (rows, cols) of the part; NaN where `values` is.
    """
    void = np.isnan(values)
    holes = bool(void.any())
    found = []
    for function, empty in (
        (scipy.ndimage.minimum_filter1d, np.inf),
        (scipy.ndimage.maximum_filter1d, -np.inf),
    ):
        filled = np.where(void, np.float32(empty), values) if holes else values
        for axis in (0, 1):
            filled = function(filled, 2 * half[axis] + 1, axis, mode="constant", cval=empty)
            # Only what is wanted goes through the second pass.
            filled = filled[part[0]] if axis == 0 else filled[:, part[1]]
        found.append(np.where(void[part], np.float32(np.nan), filled))
    return Extremes(*found)
