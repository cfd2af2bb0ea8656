"""Moving windows over a DEM: topographic position (annulus) and relative relief (rectangle).

Both give a cell the same bytes whatever tile it is computed in, provided that the tile carries
the halo which `tpi_halo` and `relief_halo` state: running maxima are exact, and elevations are
summed in whole steps of 2⁻¹⁶ m as 64-bit integers, where no order of summation rounds.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import any_nan, kernel
from shakeslide.core.errors import InputError

Floats = NDArray[np.float32]
Dem = NDArray[np.floating[Any]]

_PANEL = 2048  # columns worked on at a time, so that the rows of a window stay in the cache
_FINE = 65536.0  # steps per metre in which elevations are summed
_COARSE = 1024.0  # the same where their squares are summed too: these fit 64 bits then
_MAGIC = 1.5 * 2.0**52  # added to a float64, leaves its rounded integer in the low bits
_MAGIC_BITS = int(np.float64(_MAGIC).view(np.int64))


def as_dem(z: Dem, dx: float, dy: float) -> Dem:
    """Check a DEM and its cell sizes, and make it a C-contiguous float32 or float64 array.

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres.
    dx, dy : float
        Cell sizes in metres.

    Returns
    -------
    array, shape (rows, cols)
        The elevations: float64 if `z` is, else float32.

    Raises
    ------
    ValueError
        If `z` has not two axes, or a cell size is not a positive number.
    """
    if z.ndim != 2:
        raise ValueError(f"a DEM has two axes (row, column), not {z.ndim}")
    if not (0 < dx < math.inf and 0 < dy < math.inf):
        raise ValueError(f"cell sizes must be positive metres, not {dx} × {dy}")
    dtype = np.float64 if z.dtype == np.float64 else np.float32
    return np.ascontiguousarray(z, dtype)


def tpi_halo(dx: float, dy: float, outer: float) -> tuple[int, int]:
    """Rows and columns beyond a tile that `tpi` looks at.

    Parameters
    ----------
    dx, dy : float
        Cell sizes in metres.
    outer : float
        Outer radius of the annulus in metres.
    """
    # A radius of whole cells holds the last of them whatever rounding does.
    slack = 1e-9 * max(dx, dy)
    return math.floor((outer + slack) / dy), math.floor((outer + slack) / dx)


def _half_widths(dx: float, dy: float, inner: float, outer: float) -> NDArray[np.int64]:
    """Half-widths in cells of the disc and of its hole (-1: none) at each row offset from 0 on."""
    slack = 1e-9 * max(dx, dy)

    def half(k: int, radius: float) -> float:
        square = radius**2 - (k * dy) ** 2
        return math.sqrt(square) / dx if radius > 0 and square >= 0 else -1.0

    tall, _ = tpi_halo(dx, dy, outer)
    disc = [math.floor(half(k, outer + slack)) for k in range(tall + 1)]
    hole = [max(-1, math.ceil(half(k, inner - slack)) - 1) for k in range(tall + 1)]
    return np.array([disc, hole], np.int64)


def _outline(half: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The annulus as nested blocks of rows, cut where its half-width changes.

    The rows within ±k are taken as wide as the disc is at k, less what it is at k + 1. Where
    that is one column on each side, it is a line of `pairs`: rows below and above, the two
    columns; else one of `blocks`: rows below and above, the ends of both widths.
    """
    wide = int(half.max())
    pairs, blocks = [], []
    for widths, hole in zip(half.tolist(), (False, True), strict=True):
        for k, w in enumerate(widths):
            v = widths[k + 1] if k + 1 < len(widths) else -1
            rows = [-k - 1, k] if hole else [k, -k - 1]
            if w == v + 1 and w > 0:
                pairs.append([*rows, wide - w, wide + w])
            elif w != v:
                inside = [wide - v, wide + v + 1] if v >= 0 else [0, 0]
                blocks.append([*rows, wide - w, wide + w + 1, *inside])
    if len(pairs) % 2:  # they are added two at a time
        pairs.append([0, 0, 0, 0])
    return np.array(pairs, np.int64).reshape(-1, 4), np.array(blocks, np.int64).reshape(-1, 6)


def _widths(half: NDArray[np.int64], cols: int) -> NDArray[np.int32]:
    """Cells of the annulus between the first and the last column, by row offset and column."""
    j = np.arange(cols)
    number = np.zeros((half.shape[1], cols), np.int32)
    for widths, sign in zip(half, (1, -1), strict=True):
        for k in np.flatnonzero(widths >= 0):
            inside = np.minimum(j + widths[k], cols - 1) - np.maximum(j - widths[k], 0) + 1
            number[k] += (sign * inside).astype(np.int32)
    return number


@kernel
def _whole_steps(row: Any, scale: float, steps: Any) -> None:
    """Elevations as whole numbers of steps; 0 where void."""
    shifted = steps.view(np.float64)
    for j in range(row.size):
        value = np.float64(row[j]) * scale + _MAGIC
        shifted[j] = value if value == value else _MAGIC
    for j in range(row.size):
        steps[j] -= _MAGIC_BITS


@kernel
def _accumulate(values: Any, first: int, columns: Any, table: Any, above: int, slot: int) -> None:
    """Next row of the sums down each column, and of the summed-area table made of them.

    `values` start at column `first` of `columns`, whose sums stand one further in `table`.
    """
    n = values.size
    columns[slot] = columns[above]
    inside = columns[slot, first : first + n]
    for j in range(n):
        inside[j] += values[j]
    sums, running = columns[slot], table[slot]
    total = running[0]
    for j in range(sums.size):
        total += sums[j]
        running[j + 1] = total


@kernel
def _add_columns(low: Any, high: Any, at: Any, low2: Any, high2: Any, at2: Any, sums: Any) -> None:
    """Add two pairs of columns, each summed from below row `high` to row `low`."""
    n = sums.size
    a, b = low[at[2] : at[2] + n], low[at[3] : at[3] + n]
    c, d = high[at[2] : at[2] + n], high[at[3] : at[3] + n]
    e, f = low2[at2[2] : at2[2] + n], low2[at2[3] : at2[3] + n]
    g, h = high2[at2[2] : at2[2] + n], high2[at2[3] : at2[3] + n]
    for j in range(n):
        sums[j] += ((a[j] - c[j]) + (b[j] - d[j])) + ((e[j] - g[j]) + (f[j] - h[j]))


@kernel
def _add_block(low: Any, high: Any, at: Any, band: Any, sums: Any) -> None:
    """Add a block of columns less the block inside it, from below row `high` to row `low`."""
    n = sums.size
    for j in range(band.size):
        band[j] = low[j] - high[j]
    a, b = band[at[2] : at[2] + n], band[at[3] : at[3] + n]
    c, d = band[at[4] : at[4] + n], band[at[5] : at[5] + n]
    for j in range(n):
        sums[j] += (b[j] - a[j]) - (d[j] - c[j])


@kernel
def _annulus(
    columns: Any, table: Any, i: int, pairs: Any, blocks: Any, band: Any, sums: Any
) -> None:
    """Sums over the annulus around the cells of row `i`; the tables are rings of rows."""
    ring = table.shape[0]
    sums[:] = 0
    for p in range(0, len(pairs), 2):
        at, at2 = pairs[p], pairs[p + 1]
        low, high = columns[(i + at[0]) % ring], columns[(i + at[1]) % ring]
        low2, high2 = columns[(i + at2[0]) % ring], columns[(i + at2[1]) % ring]
        _add_columns(low, high, at, low2, high2, at2=at2, sums=sums)
    for at in blocks:
        _add_block(table[(i + at[0]) % ring], table[(i + at[1]) % ring], at, band, sums)


@kernel
def _subtract_mean(z: Any, sums: Any, number: Any, scale: float, out: Any) -> None:
    for j in range(out.size):
        out[j] = np.float64(z[j]) - np.float64(sums[j]) / (scale * np.float64(number[j]))


@kernel
def _standardise(z: Any, sums: Any, squares: Any, number: Any, scale: float, out: Any) -> None:
    """Elevation less the mean, in standard deviations; 0 where all elevations are the same."""
    centre = np.empty(z.size, np.int64)
    _whole_steps(z, scale, centre)
    for j in range(out.size):
        n, c = np.int64(number[j]), centre[j]
        # about the centre, in integers: exact, and small enough for the float64 that follow
        lead = np.float64(n * c - sums[j]) / n
        spread = np.float64(squares[j] - 2 * c * sums[j] + n * c * c) / n - lead * lead
        score = lead / math.sqrt(spread) if spread > 0 else 0.0
        out[j] = score if n > 0 and z[j] == z[j] else np.nan


@kernel
def _take_row(row: Any, scale: float, steps: Any, valid: Any) -> bool:
    """Steps, their squares if there is room, and ones where valid, of a row. Has it voids?"""
    _whole_steps(row, scale, steps[0])
    if len(steps) > 1:
        steps[1] = steps[0] * steps[0]
    valid[:] = 1
    if not any_nan(row):
        return False
    for j in range(row.size):
        valid[j] = row[j] == row[j]
    return True


@kernel
def _replay(cells: Any, table: Any, i: int, rows: int, offset: int, valid: Any) -> None:
    """Count the rows before `i` that are in the ring, none of which has voids."""
    ring = len(table)
    cells[:] = 0
    table[:] = 0
    kept = valid.copy()
    for k in range(i - ring + 1, i):
        valid[:] = 0 <= k < rows
        _accumulate(valid, offset, cells, table, (k - 1 + 2 * ring) % ring, (k + 2 * ring) % ring)
    valid[:] = kept


@kernel
def _number_without_voids(widths: Any, i: int, rows: int, number: Any) -> None:
    """Cells of the annulus around row `i` that lie within the raster."""
    number[:] = 0
    for k in range(len(widths)):
        times = (i - k >= 0) + (k > 0 and i + k < rows)
        for j in range(number.size):
            number[j] += times * widths[k, j]


class _Annulus(NamedTuple):
    """An annulus of cells: its greatest half width, its outline, and how it is cut at the edges.

    `widths` is how many of its cells lie in a column's row, (rows from the centre, columns).
    """

    wide: Any
    pairs: Any
    blocks: Any
    widths: Any


@kernel
def _tpi_panel(z: Any, start: int, stop: int, annulus: _Annulus, by_sd: bool, out: Any) -> None:
    """Columns start..stop of the TPI, row by row from running sums of steps and of cells.

    Cells are counted only while there are voids in the ring of rows.
    """
    rows, cols = z.shape
    wide, pairs, blocks, widths = annulus
    scale, powers = (_COARSE, 2) if by_sd else (_FINE, 1)
    tall, n = len(widths) - 1, stop - start
    # A row more than the annulus is tall: its sums are differences of two rows.
    ring, width = 2 * tall + 2, n + 2 * wide
    first, last = max(0, start - wide), min(cols, stop + wide)
    offset = first - (start - wide)
    columns = np.zeros((powers, ring, width), np.int64)
    table = np.zeros((powers, ring, width + 1), np.int64)
    cells, cell_table = np.zeros((ring, width), np.int32), np.zeros((ring, width + 1), np.int32)
    band, cell_band = np.empty(width + 1, np.int64), np.empty(width + 1, np.int32)
    steps, valid = np.zeros((powers, last - first), np.int64), np.zeros(last - first, np.int32)
    sums, number = np.empty((powers, n), np.int64), np.empty(n, np.int32)
    last_void, counting, settled = -ring, False, False
    for i in range(-tall, rows + tall):
        slot, above, at = (i + ring) % ring, (i + ring - 1) % ring, i - tall
        if 0 <= i < rows:
            if _take_row(z[i, first:last], scale, steps, valid):
                last_void = i
        elif i == rows:
            steps[:] = 0
            valid[:] = 0
        for p in range(powers):
            _accumulate(steps[p], offset, columns[p], table[p], above, slot)
        voids = last_void > i - ring
        if voids and not counting:
            _replay(cells, cell_table, i, rows, offset, valid)
        counting = voids
        if counting:
            _accumulate(valid, offset, cells, cell_table, above, slot)
        if at < 0:
            continue
        for p in range(powers):
            _annulus(columns[p], table[p], at + ring, pairs, blocks, band=band, sums=sums[p])
        whole = tall <= at < rows - tall and not counting
        if counting:
            _annulus(cells, cell_table, at + ring, pairs, blocks, band=cell_band, sums=number)
        # Away from edges and voids the number is that of the row above.
        elif not (whole and settled):
            _number_without_voids(widths, at, rows, number)
        settled = whole
        here, there = z[at, start:stop], out[at, start:stop]
        if by_sd:
            _standardise(here, sums[0], sums[powers - 1], number, scale, there)
        else:
            _subtract_mean(here, sums[0], number, scale, there)


def tpi(
    z: Dem, dx: float, dy: float, inner: float, outer: float, divide_by_sd: bool = False
) -> Floats:
    """Topographic position index: elevation less the mean elevation over an annulus.

    The annulus holds the cells whose centre is `inner` to `outer` metres away, both included:
    the cell itself only if `inner` is 0. The mean is over those that exist and are not void.
    Elevations are summed to the nearest 2⁻¹⁶ m (2⁻¹⁰ m with `divide_by_sd`).

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, NaN where there are none.
    dx, dy : float
        Cell sizes in metres.
    inner, outer : float
        Radii in metres.
    divide_by_sd : bool
        Divide by the standard deviation over the annulus; 0 where that is 0.

    Returns
    -------
    float32 array, shape (rows, cols)
        In metres, or in standard deviations; NaN where `z` is, or where no cell of the annulus
        has an elevation.

    Raises
    ------
    InputError
        If the annulus holds no cell.

    References
    ----------
    Weiss, A. (2001). Topographic position and landforms analysis. ESRI User Conference.
    """
    if not 0 <= inner <= outer < math.inf:
        raise InputError(f"TPI: the radii must be 0 ≤ inner ≤ outer, not {inner} and {outer} m")
    dem = as_dem(z, dx, dy)
    half = _half_widths(dx, dy, inner, outer)
    if (half[0] <= half[1]).all():
        raise InputError(
            f"TPI: no cell of {dx} × {dy} m lies between {inner} and {outer} m; widen the annulus"
        )
    out = np.empty(dem.shape, np.float32)
    outline, wide, cols = _outline(half), int(half.max()), dem.shape[1]
    widths = _widths(half, cols)
    for start in range(0, cols if dem.size else 0, _PANEL):
        stop = min(start + _PANEL, cols)
        inside = np.ascontiguousarray(widths[:, start:stop])
        annulus = _Annulus(wide, *outline, inside)
        _tpi_panel(dem, start, stop, annulus, divide_by_sd, out)
    return out


def _half_side(cell: float, window: float) -> int:
    """Half, in cells, of the odd number of cells nearest to a length; at least 1."""
    return max(1, math.floor((window / cell - 1) / 2 + 0.5))


def relief_halo(dx: float, dy: float, window: float) -> tuple[int, int]:
    """Rows and columns beyond a tile that `relief` looks at.

    Parameters
    ----------
    dx, dy : float
        Cell sizes in metres.
    window : float
        Side of the window in metres.
    """
    return _half_side(dy, window), _half_side(dx, window)


@kernel
def _load_extremes(row: Any, before: int, line: Any) -> None:
    """Elevations with `before` cells of padding in front, then the same negated; voids lowest."""
    n, half = row.size, line.size // 2
    high, low = line[before : before + n], line[half + before : half + before + n]
    lowest = line.dtype.type(-np.inf)
    line[:before] = lowest
    line[before + n : half + before] = lowest
    line[half + before + n :] = lowest
    for j in range(n):
        value = row[j]
        void = value != value
        high[j] = lowest if void else value
        low[j] = lowest if void else -value


@kernel
def _double(source: Any, target: Any, shift: int, n: int) -> None:
    """Maximum of two windows, `shift` cells apart."""
    left, right, to = source[:n], source[shift : shift + n], target[:n]
    for j in range(n):
        a, b = left[j], right[j]
        to[j] = a if a > b else b


@kernel
def _double_twice(source: Any, target: Any, shift: int, n: int) -> None:
    """Maximum of four windows, `shift` cells apart."""
    w0, w1 = source[:n], source[shift : shift + n]
    w2, w3 = source[2 * shift : 2 * shift + n], source[3 * shift : 3 * shift + n]
    to = target[:n]
    for j in range(n):
        a, b, c, d = w0[j], w1[j], w2[j], w3[j]
        a = a if a > b else b
        c = c if c > d else d
        to[j] = a if a > c else c


@kernel
def _slide(line: Any, spare: Any, span: int, target: Any) -> None:
    """Maximum over `span` cells to the right, by windows of growing length; uses up `line`.

    The last span - 1 cells of `target` are left as they are.
    """
    n = target.size - span + 1
    length = 1
    source, other = line, spare
    # By fours: half as many passes over memory as by twos.
    while 4 * length < span:
        _double_twice(source, other, length, n + span - 4 * length)
        source, other = other, source
        length *= 4
    if 2 * length < span:
        _double(source, other, length, n + span - 2 * length)
        source, other = other, source
        length *= 2
    # The last two windows overlap, which a maximum allows.
    _double(source, target, span - length, n)


@kernel
def _advance(fresh: Any, heads: Any, tails: Any, row: Any, out: Any) -> None:
    """Extend a block's heads by a row; with the tails of the block above, the relief."""
    n, half = out.size, fresh.size // 2
    f0, g0, t0 = fresh[:n], heads[:n], tails[:n]
    f1, g1, t1 = fresh[half : half + n], heads[half : half + n], tails[half : half + n]
    for j in range(n):
        a, b = f0[j], g0[j]
        high = a if a > b else b
        a, b = f1[j], g1[j]
        low = a if a > b else b
        g0[j], g1[j] = high, low
        a, b = t0[j], t1[j]
        high = a if a > high else high
        low = b if b > low else low
        out[j] = row[j] - row[j] + (high + low)  # NaN where the cell itself is


@kernel
def _add_tails(block: Any) -> None:
    """Turn the rows of a block into the maxima from each row to the block's end."""
    for t in range(len(block) - 3, -1, -1):
        here, after = block[t], block[t + 1]
        for j in range(here.size):
            a, b = here[j], after[j]
            here[j] = a if a > b else b


@kernel
def _relief_panel(z: Any, start: int, stop: int, tall: int, wide: int, out: Any) -> None:
    """Columns start..stop of the relief.

    The rows of a window lie in two successive blocks, each as tall as the window: its extremes
    are those of a tail of the first (taken when the block is complete) and of a head of the
    second (taken as rows arrive), so that the cost does not depend on the window's height.
    Elevations and negated ones stand side by side in one row, so that minima are maxima.
    """
    rows, cols = z.shape
    n, span = stop - start, 2 * tall + 1
    first, last = max(0, start - wide), min(cols, stop + wide)
    width = 2 * (n + 2 * wide)
    line, spare = np.empty(width, z.dtype), np.empty(width, z.dtype)
    # one row more than a block has: the empty tail behind its last row
    blocks = np.full((2, span + 1, width), -np.inf, z.dtype)
    tails, fresh = blocks[0], blocks[1]
    heads, unused = np.empty(width, z.dtype), np.empty(n, np.float32)
    for block in range(-tall, rows + tall, span):
        heads[:] = -np.inf
        for t in range(span):
            i, at = block + t, block + t - tall
            if 0 <= i < rows:
                _load_extremes(z[i, first:last], first - (start - wide), line)
                _slide(line, spare, 2 * wide + 1, fresh[t])
            else:
                fresh[t] = -np.inf
            inside = 0 <= at < rows
            to = out[at, start:stop] if inside else unused
            _advance(fresh[t], heads, tails[t + 1], z[at if inside else 0, start:stop], to)
        _add_tails(fresh)
        tails, fresh = fresh, tails


def relief(z: Dem, dx: float, dy: float, window: float) -> Floats:
    """Relative relief: highest less lowest elevation in a moving window.

    The window is a rectangle around the cell, on each axis as many cells as come nearest to
    `window` metres, but an odd number (of two as near, the larger) and at least 3. At the
    raster's edges and beside voids it holds the cells that there are.

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, NaN where there are none.
    dx, dy : float
        Cell sizes in metres.
    window : float
        Side of the window in metres.

    Returns
    -------
    float32 array, shape (rows, cols)
        In metres; NaN where `z` is.

    Raises
    ------
    InputError
        If `window` is not a positive number.

    References
    ----------
    van Herk, M. (1992). A fast algorithm for local minimum and maximum filters on rectangular
    and octagonal kernels. Pattern Recognition Letters 13, 517-521.
    """
    if not 0 < window < math.inf:
        raise InputError(f"relief: the window must be above 0 m, not {window}")
    dem = as_dem(z, dx, dy)
    tall, wide = relief_halo(dx, dy, window)
    out = np.empty(dem.shape, np.float32)
    for start in range(0, dem.shape[1] if dem.size else 0, _PANEL):
        stop = min(start + _PANEL, dem.shape[1])
        _relief_panel(dem, start, stop, tall, wide, out)
    return out
