"""Moving windows over a DEM: topographic position (annulus) and relative relief (rectangle).

Both give a cell the same bytes whatever tile it is computed in, provided the tile carries the
halo that `tpi_halo` and `relief_halo` state: running maxima are exact, and sums are taken over
elevations in whole multiples of 2⁻¹⁶ m as 64-bit integers, where no order of summation rounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.errors import InputError
from shakeslide.factors.kernel import any_nan, kernel

Floats = NDArray[np.float32]
Dem = NDArray[np.floating[Any]]

_PANEL = 1024  # columns worked on at a time, so that the rows of a window stay in the cache
_STEPS = 65536.0  # elevations are summed in whole steps of 2⁻¹⁶ m
_MAGIC = 1.5 * 2.0**52  # added to a float64, leaves its rounded integer in the low bits
_MAGIC_BITS = int(np.float64(_MAGIC).view(np.int64))


def as_dem(z: Dem, dx: float, dy: float) -> Dem:
    """Check a DEM and its cell sizes; a C-contiguous float32 or float64 array."""
    if z.ndim != 2:
        raise ValueError(f"a DEM has two axes (row, column), not {z.ndim}")
    if not (dx > 0 and dy > 0 and math.isfinite(dx) and math.isfinite(dy)):
        raise ValueError(f"cell sizes must be positive metres, not {dx} × {dy}")
    dtype = np.float64 if z.dtype == np.float64 else np.float32
    return np.ascontiguousarray(z, dtype)


def _spans(dx: float, dy: float, inner: float, outer: float) -> NDArray[np.int64]:
    """Row offset, half-width of the outer disc and of the hole (-1: none), for offsets >= 0."""
    if not 0 <= inner <= outer:
        raise InputError(f"TPI: the annulus runs from {inner} to {outer} m; give 0 ≤ inner ≤ outer")
    slack = 1e-9 * max(dx, dy)
    spans = []
    for k in range(math.floor(outer / dy + 1e-9) + 1):
        wide = math.sqrt(max((outer + slack) ** 2 - (k * dy) ** 2, 0.0)) / dx
        gap2 = (inner - slack) ** 2 - (k * dy) ** 2 if inner > slack else -1.0
        hole = math.ceil(math.sqrt(gap2) / dx) - 1 if gap2 > 0 else -1
        spans.append((k, math.floor(wide), hole))
    table = np.array(spans, np.int64)
    if (table[:, 1] <= table[:, 2]).all():
        raise InputError(
            f"TPI: no cell of {dx} × {dy} m lies between {inner} and {outer} m; widen the annulus"
        )
    return table


def tpi_halo(dx: float, dy: float, outer: float) -> tuple[int, int]:
    """Rows and columns around a tile that `tpi` looks at."""
    return math.floor(outer / dy + 1e-9), math.floor(outer / dx + 1e-9)


@kernel
def _whole_steps(row: Any, steps: Any) -> None:
    """Elevations as whole numbers of steps; 0 where void."""
    shifted = steps.view(np.float64)
    for j in range(row.size):
        value = np.float64(row[j]) * _STEPS + _MAGIC
        shifted[j] = value if value == value else _MAGIC
    for j in range(row.size):
        steps[j] -= _MAGIC_BITS


@kernel
def _accumulate(values: Any, first: int, columns: Any, table: Any, above: int, slot: int) -> None:
    """Next row of the sums down each column and of the summed-area table made of them.

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
def _add_columns(
    below: Any, above: Any, at: Any, below2: Any, above2: Any, at2: Any, total: Any
) -> None:
    """Add two pairs of columns, each summed over the rows between two rows of column sums."""
    n = total.size
    a, b = below[at[2] : at[2] + n], below[at[3] : at[3] + n]
    c, d = above[at[2] : at[2] + n], above[at[3] : at[3] + n]
    e, f = below2[at2[2] : at2[2] + n], below2[at2[3] : at2[3] + n]
    g, h = above2[at2[2] : at2[2] + n], above2[at2[3] : at2[3] + n]
    for j in range(n):
        total[j] += ((a[j] - c[j]) + (b[j] - d[j])) + ((e[j] - g[j]) + (f[j] - h[j]))


@kernel
def _add_block(below: Any, above: Any, at: Any, band: Any, total: Any) -> None:
    """Add a block of columns less the block inside it, over the rows between two rows."""
    n = total.size
    for j in range(band.size):
        band[j] = below[j] - above[j]
    a, b = band[at[2] : at[2] + n], band[at[3] : at[3] + n]
    c, d = band[at[4] : at[4] + n], band[at[5] : at[5] + n]
    for j in range(n):
        total[j] += (b[j] - a[j]) - (d[j] - c[j])


@kernel
def _annulus(
    columns: Any, table: Any, i: int, pairs: Any, blocks: Any, band: Any, total: Any
) -> None:
    """Sums over the annulus around the cells of row `i`; the tables are ring buffers of rows."""
    height = table.shape[0]
    total[:] = 0
    for p in range(0, len(pairs), 2):
        at, at2 = pairs[p], pairs[p + 1]
        below, above = columns[(i + at[0]) % height], columns[(i + at[1]) % height]
        below2, above2 = columns[(i + at2[0]) % height], columns[(i + at2[1]) % height]
        _add_columns(below, above, at, below2, above2, at2, total)
    for at in blocks:
        _add_block(table[(i + at[0]) % height], table[(i + at[1]) % height], at, band, total)


@kernel
def _tpi_panel(
    z: Any,
    start: int,
    stop: int,
    tall: int,
    wide: int,
    pairs: Any,
    blocks: Any,
    full: Any,
    out: Any,
) -> None:
    rows, cols = z.shape
    height, width = 2 * tall + 2, stop - start + 2 * wide
    first, last = max(0, start - wide), min(cols, stop + wide)
    offset = first - (start - wide)
    columns, table = np.zeros((height, width), np.int64), np.zeros((height, width + 1), np.int64)
    valid_columns = np.zeros((height, width), np.int32)
    valid_table = np.zeros((height, width + 1), np.int32)
    band, valid_band = np.empty(width + 1, np.int64), np.empty(width + 1, np.int32)
    steps, valid = np.empty(last - first, np.int64), np.empty(last - first, np.int32)
    total, number = np.empty(stop - start, np.int64), np.empty(stop - start, np.int32)
    inverse = 1 / (_STEPS * full)
    last_void = -height
    for i in range(-tall, rows + tall):
        slot, above = (i + height) % height, (i + height - 1) % height
        steps[:] = 0
        valid[:] = 0
        if 0 <= i < rows:
            row = z[i, first:last]
            _whole_steps(row, steps)
            valid[:] = 1
            if any_nan(row):
                last_void = i
                for j in range(row.size):
                    valid[j] = row[j] == row[j]
        _accumulate(steps, offset, columns, table, above, slot)
        _accumulate(valid, offset, valid_columns, valid_table, above, slot)
        centre = i - tall
        if centre < 0:
            continue
        _annulus(columns, table, centre + height, pairs, blocks, band, total)
        here, there = z[centre, start:stop], out[centre, start:stop]
        if tall <= centre < rows - tall and last_void < centre - tall:
            for j in range(total.size):
                there[j] = np.float64(here[j]) - np.float64(total[j]) * inverse[j]
        else:
            _annulus(valid_columns, valid_table, centre + height, pairs, blocks, valid_band, number)
            for j in range(total.size):
                mean = np.float64(total[j]) * (1 / (_STEPS * np.float64(number[j])))
                there[j] = np.float64(here[j]) - mean


def _parts(spans: NDArray[np.int64], wide: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The annulus as nested blocks of rows, cut where its half-width changes.

    The rows within ±k are as wide as the disc at k, less what it is at k + 1: where that is
    one column on each side, a line of `pairs` (rows below and above, the two columns); else
    one of `blocks` (rows below and above, the ends of both).
    """
    pairs, blocks = [], []
    for column, hole in ((1, False), (2, True)):
        half = [*spans[:, column].tolist(), -1]
        for k in range(len(half) - 1):
            w, v = half[k], half[k + 1]
            rows = [-k - 1, k] if hole else [k, -k - 1]
            if w == v + 1 and w > 0:
                pairs.append([*rows, wide - w, wide + w])
            elif w != v:
                inner = [wide - v, wide + v + 1] if v >= 0 else [0, 0]
                blocks.append([*rows, wide - w, wide + w + 1, *inner])
    if len(pairs) % 2:
        pairs.append([0, 0, 0, 0])
    return np.array(pairs, np.int64).reshape(-1, 4), np.array(blocks, np.int64).reshape(-1, 6)


def tpi(
    z: Dem, dx: float, dy: float, inner: float, outer: float, divide_by_sd: bool = False
) -> Floats:
    """Elevation less the mean over an annulus."""
    dem = as_dem(z, dx, dy)
    spans = _spans(dx, dy, inner, outer)
    tall, wide = len(spans) - 1, int(spans[:, 1].max())
    pairs, blocks = _parts(spans, wide)
    out = np.empty(dem.shape, np.float32)
    for start in range(0, dem.shape[1], _PANEL):
        stop = min(start + _PANEL, dem.shape[1])
        n = _full_count(spans, start, stop, dem.shape[1])
        _tpi_panel(dem, start, stop, tall, wide, pairs, blocks, n, out)
    return out


def _full_count(spans: NDArray[np.int64], start: int, stop: int, cols: int) -> NDArray[np.int32]:
    """Cells of the annulus within the raster's columns, for rows far from its edges."""
    j = np.arange(start, stop)[:, None]
    n = np.zeros(stop - start, np.int32)
    for column, sign in ((1, 1), (2, -1)):
        half = spans[:, column][spans[:, column] >= 0]
        twice = np.concatenate([half, half[1:]])
        cells = np.minimum(j + twice, cols - 1) - np.maximum(j - twice, 0) + 1
        n += np.int32(sign) * cells.sum(axis=1, dtype=np.int32)
    return n


def _side(cell: float, window: float) -> int:
    """Half the window in whole cells: the odd side nearest to `window` metres, at least 3."""
    return max(1, math.floor((window / cell - 1) / 2 + 0.5))


def relief_halo(dx: float, dy: float, window: float) -> tuple[int, int]:
    """Rows and columns around a tile that `relief` looks at."""
    return _side(dy, window), _side(dx, window)


@kernel
def _load_extremes(row: Any, before: int, high: Any, low: Any) -> None:
    """Elevations and negated elevations with `before` cells of padding in front, voids lowest."""
    high[:] = -np.inf
    low[:] = -np.inf
    n = row.size
    up, down = high[before : before + n], low[before : before + n]
    for j in range(n):
        value = row[j]
        void = value != value
        up[j] = up[j] if void else value
        down[j] = down[j] if void else -value


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
    """Maximum over `span` cells to the right, by windows of growing length."""
    n = target.size
    length = 1
    source, other = line, spare
    while 4 * length < span:
        _double_twice(source, other, length, n + span - 4 * length)
        source, other = other, source
        length *= 4
    if 2 * length < span:
        _double(source, other, length, n + span - 2 * length)
        source, other = other, source
        length *= 2
    _double(source, target, span - length, n)


@kernel
def _advance(fresh: Any, running: Any, tails: Any, row: Any, out: Any) -> None:
    """Extend the running extremes by a row; with the tails of the block above, the relief."""
    f0, f1, g0, g1, t0, t1 = fresh[0], fresh[1], running[0], running[1], tails[0], tails[1]
    for j in range(out.size):
        a, b = f0[j], g0[j]
        high = a if a > b else b
        a, b = f1[j], g1[j]
        low = a if a > b else b
        g0[j] = high
        g1[j] = low
        a, b = t0[j], t1[j]
        high = a if a > high else high
        low = b if b > low else low
        out[j] = row[j] - row[j] + (high + low)


@kernel
def _relief_panel(z: Any, start: int, stop: int, tall: int, wide: int, out: Any) -> None:
    rows, cols = z.shape
    n, span = stop - start, 2 * tall + 1
    first, last = max(0, start - wide), min(cols, stop + wide)
    line, spare = np.empty((2, n + 2 * wide), z.dtype), np.empty(n + 2 * wide, z.dtype)
    lowest = np.full((2, n), -np.inf, z.dtype)
    blocks = np.full((2, span + 1, 2, n), -np.inf, z.dtype)
    tails, fresh = blocks[0], blocks[1]
    running = np.empty((2, n), z.dtype)
    discard = np.empty(n, np.float32)
    for block in range(-tall, rows + tall, span):
        running[:] = lowest
        for t in range(span):
            i = block + t
            if 0 <= i < rows:
                _load_extremes(z[i, first:last], first - (start - wide), line[0], line[1])
                for s in range(2):
                    _slide(line[s], spare, 2 * wide + 1, fresh[t, s])
            else:
                fresh[t] = lowest
            at = i - tall
            inside = 0 <= at < rows
            row, to = z[at if inside else 0, start:stop], out[at, start:stop] if inside else discard
            _advance(fresh[t], running, tails[t + 1], row, to)
        for t in range(span - 2, -1, -1):
            for s in range(2):
                here, after = fresh[t, s], fresh[t + 1, s]
                for j in range(n):
                    a, b = here[j], after[j]
                    here[j] = a if a > b else b
        tails, fresh = fresh, tails


def relief(z: Dem, dx: float, dy: float, window: float) -> Floats:
    """Highest less lowest elevation in a moving window."""
    dem = as_dem(z, dx, dy)
    tall, wide = relief_halo(dx, dy, window)
    out = np.empty(dem.shape, np.float32)
    for start in range(0, dem.shape[1], _PANEL):
        stop = min(start + _PANEL, dem.shape[1])
        _relief_panel(dem, start, stop, tall, wide, out)
    return out
