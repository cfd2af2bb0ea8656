"""Exact Euclidean distance from every cell's centre to the nearest of many segments, and which.

A tile is quartered recursively. At each block the segments that provably win nowhere in it are
dropped (in float32, with a margin well above its rounding errors); the few that are left at a
leaf are compared cell by cell in float64, by one formula on the segment's own coordinates. What
a cell gets depends on neither the tile nor the other cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import fma, inlined, kernel, minimum
from shakeslide.core.errors import InputError

Coordinates = NDArray[np.float64]
Lines = Sequence[NDArray[np.floating[Any]]]

_TALL, _WIDE = 8, 16  # rows and columns of a leaf; 16 float32 fill a line of the cache
_FEW = 2  # candidates that are compared in a whole block rather than dividing it
_MARGIN = 4e-6  # of the largest coordinate: some times the rounding errors of pruning


class _Row(NamedTuple):
    """A segment as seen from a row of cells: its vector, what depends on y alone, 1 / length²."""

    py2: Any
    qy2: Any
    pydx: Any
    pydy: Any
    dx: Any
    dy: Any
    inverse: Any


class _Candidates(NamedTuple):
    """Segments in float64 (n, 4), their indices, and the origin of their float32 copies."""

    exact: Any
    names: Any
    x: Any
    y: Any


class _Pool(NamedTuple):
    """Lists of candidates one behind the other, and scratch for one of them.

    `ends` are float32 coordinates (4, room) and `index` places among all candidates (room,).
    """

    ends: Any
    index: Any
    vector: Any
    chosen: Any


@dataclass(frozen=True)
class Segments:
    """Straight segments from (x0, y0) to (x1, y1); a point is a segment of no length.

    Parameters
    ----------
    x0, y0, x1, y1 : float64 array, shape (n,)
        Ends, in metres of a projected CRS.

    Raises
    ------
    InputError
        If a coordinate is not a finite number.
    """

    x0: Coordinates
    y0: Coordinates
    x1: Coordinates
    y1: Coordinates

    def __post_init__(self) -> None:
        ends = self.x0, self.y0, self.x1, self.y1
        if len({values.shape for values in ends}) > 1 or self.x0.ndim != 1:
            raise ValueError("the ends of segments must be four arrays of one length")
        for values in ends:
            wrong = np.flatnonzero(~np.isfinite(values))
            if wrong.size:
                raise InputError(
                    f"segment {wrong[0]} has a coordinate {values[wrong[0]]}; repair the geometry"
                )

    def __len__(self) -> int:
        return int(self.x0.size)

    @classmethod
    def from_lines(cls, lines: Lines, subsection: float | None = None) -> Segments:
        """Segments between the successive vertices of lines, those of no length left out.

        Parameters
        ----------
        lines : sequence of arrays, shape (k, 2)
            Vertices (x, y); a third column is ignored.
        subsection : float, optional
            Cut the lines into pieces of about this many metres too: see `subsections`.
        """
        if subsection is not None:
            return subsections(lines, subsection).segments
        return _joined([_vertices(line) for line in lines])

    @classmethod
    def from_points(cls, x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> Segments:
        """Points as segments of no length.

        Parameters
        ----------
        x, y : array, shape (n,)
            Coordinates in metres.
        """
        px, py = np.array(x, np.float64), np.array(y, np.float64)
        return cls(px, py, px, py)


@dataclass(frozen=True, kw_only=True)
class Subsections:
    """Pieces of lines.

    Attributes
    ----------
    x, y : float64 array, shape (m,)
        The point halfway along each piece.
    azimuth_deg : float64 array, shape (m,)
        Axial direction in [0, 180), clockwise from the map's y axis, of the chord from end to end;
        of a piece that ends where it begins, of its longest segment.
    line : int32 array, shape (m,)
        Index of the line that each piece was cut from.
    segments : Segments, n of them
        All the pieces' segments.
    piece : int32 array, shape (n,)
        Index of the piece that each segment belongs to.
    """

    x: Coordinates
    y: Coordinates
    azimuth_deg: Coordinates
    line: NDArray[np.int32]
    segments: Segments
    piece: NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.x.size)

    @property
    def points(self) -> Segments:
        """The midpoints, for `nearest`: its index is then that of the piece (Thiessen)."""
        return Segments.from_points(self.x, self.y)


def subsections(lines: Lines, length: float) -> Subsections:
    """Cut lines into pieces of about a given length.

    A line of length L becomes n equal pieces, n the whole number nearest to L/`length` but at
    least 1: no short remainder is left at its end. Lines of no length are left out.

    Parameters
    ----------
    lines : sequence of arrays, shape (k, 2)
        Vertices (x, y) in metres; a third column is ignored.
    length : float
        Length wanted, in metres.

    Raises
    ------
    InputError
        If `length` is not a positive number, or a vertex is not finite.
    """
    if not 0 < length < math.inf:
        raise InputError(f"the length of subsections must be above 0 m, not {length}")
    pieces: list[Coordinates] = []
    owner: list[int] = []
    for k, line in enumerate(lines):
        vertices = _vertices(line)
        if len(vertices) > 1:
            cut = _cut(vertices, length)
            pieces += cut
            owner += [k] * len(cut)
    middle = np.array([_halfway(piece) for piece in pieces]).reshape(-1, 2)
    chord = np.array([_chord(piece) for piece in pieces]).reshape(-1, 2)
    counts = [len(piece) - 1 for piece in pieces]
    return Subsections(
        x=np.ascontiguousarray(middle[:, 0]),
        y=np.ascontiguousarray(middle[:, 1]),
        azimuth_deg=_axis(chord[:, 0], chord[:, 1]),
        line=np.array(owner, np.int32),
        segments=_joined(pieces),
        piece=np.repeat(np.arange(len(pieces), dtype=np.int32), counts),
    )


def _vertices(line: NDArray[np.floating[Any]]) -> Coordinates:
    """Vertices of a line as float64, shape (k, 2), without repetitions."""
    vertices = np.asarray(line, np.float64)[:, :2]
    if not np.isfinite(vertices).all():
        raise InputError("a line has a vertex that is not a finite number; repair the geometry")
    keep = np.ones(len(vertices), bool)
    keep[1:] = (vertices[1:] != vertices[:-1]).any(axis=1)
    return vertices[keep]


def _joined(lines: Sequence[Coordinates]) -> Segments:
    """The segments of all lines, in order."""
    empty = np.empty((0, 2))
    starts = np.concatenate([empty, *(line[:-1] for line in lines)])
    ends = np.concatenate([empty, *(line[1:] for line in lines)])
    return Segments(*(values[:, k].copy() for values in (starts, ends) for k in (0, 1)))


def _along(line: Coordinates) -> Coordinates:
    """Distance of each vertex from the first, along the line."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _cut(line: Coordinates, length: float) -> list[Coordinates]:
    """Vertices of the equal pieces of a line."""
    along = _along(line)
    n = max(1, round(along[-1] / length))
    cuts = along[-1] * np.arange(n + 1) / n
    at = np.column_stack([np.interp(cuts, along, line[:, k]) for k in range(2)])
    # The ends themselves, which the interpolation may round.
    at[0], at[-1] = line[0], line[-1]
    near = 1e-9 * along[-1] / n  # a vertex this near to a cut is the cut
    first = np.searchsorted(along, cuts[:-1] + near, side="right")
    last = np.searchsorted(along, cuts[1:] - near, side="left")
    return [np.vstack([at[k], line[first[k] : last[k]], at[k + 1]]) for k in range(n)]


def _halfway(piece: Coordinates) -> Coordinates:
    along = _along(piece)
    return np.array([np.interp(along[-1] / 2, along, piece[:, k]) for k in range(2)])


def _chord(piece: Coordinates) -> Coordinates:
    """End less start; of a piece that ends where it begins, its longest segment."""
    steps: Coordinates = np.diff(piece, axis=0)
    chord: Coordinates = piece[-1] - piece[0]
    return chord if chord.any() else steps[np.argmax(np.hypot(*steps.T))]


def _axis(dx: Coordinates, dy: Coordinates) -> Coordinates:
    """Axial direction in [0, 180) degrees, clockwise from the map's y axis."""
    azimuth: Coordinates = np.degrees(np.arctan2(dx, dy)) % 180.0
    azimuth[azimuth.astype(np.float32) >= 180.0] = 0.0  # what would round up to it
    return azimuth


@inlined
def _inverse(dx: Any, dy: Any) -> Any:
    """Reciprocal of a squared length; 0 for a point, or where it would overflow."""
    length2 = fma(dx, dx, dy * dy)
    return 1 / length2 if length2 > 1e-300 else 0.0


@inlined
def _squared(px: Any, qx: Any, row: _Row) -> Any:
    """Squared distance to a segment from the offsets to its start (p) and to its end (q)."""
    along = fma(px, row.dx, row.pydy) * row.inverse
    cross = fma(px, row.dy, -row.pydx)
    side = cross * cross * row.inverse
    start, end = fma(px, px, row.py2), fma(qx, qx, row.qy2)
    return start if along <= 0 else (end if along >= 1 else side)


@inlined
def _squared_to(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    dx, dy, py, qy = x1 - x0, y1 - y0, y - y0, y - y1
    row = _Row(py * py, qy * qy, py * dx, py * dy, dx=dx, dy=dy, inverse=_inverse(dx, dy))
    return _squared(x - x0, x - x1, row)


@minimum
def _least(x0: Any, y0: Any, x1: Any, y1: Any, x: float, y: float) -> float:
    """Squared distance from a point to the nearest segment."""
    least = np.inf
    for k in range(x0.size):
        d2 = _squared_to(x, y, x0[k], y0[k], x1[k], y1[k])
        least = d2 if d2 < least else least
    return least


@kernel
def _within(x0: Any, y0: Any, x1: Any, y1: Any, x: float, y: float, reach2: float) -> Any:
    """Indices of the segments within a distance of a point."""
    index = np.empty(x0.size, np.int32)
    n = 0
    for k in range(x0.size):
        index[n] = k
        # No branch: the next index overwrites one that is not within reach.
        n += _squared_to(x, y, x0[k], y0[k], x1[k], y1[k]) <= reach2
    return index[:n].copy()


@kernel
def _measure(pool: Any, start: int, stop: int, cx: Any, cy: Any, vector: Any) -> None:
    """Vector from the nearest point of each candidate to (cx, cy), and its squared length."""
    x0, y0, x1, y1 = (
        pool[0, start:stop], pool[1, start:stop], pool[2, start:stop], pool[3, start:stop],
    )  # fmt: skip
    ex, ey, squared = vector[0], vector[1], vector[2]
    zero, one, tiny = np.float32(0), np.float32(1), np.float32(1e-30)
    for k in range(x0.size):
        px, py, qx, qy = cx - x0[k], cy - y0[k], cx - x1[k], cy - y1[k]
        dx, dy = x1[k] - x0[k], y1[k] - y0[k]
        length2 = dx * dx + dy * dy
        inverse = one / length2 if length2 > tiny else zero
        along = (px * dx + py * dy) * inverse
        side = (px * dy - py * dx) * inverse
        vx = px if along <= zero else (qx if along >= one else side * dy)
        vy = py if along <= zero else (qy if along >= one else -side * dx)
        ex[k], ey[k], squared[k] = vx, vy, vx * vx + vy * vy


@minimum
def _smallest(values: Any) -> Any:
    least = values[0]
    for k in range(values.size):
        least = values[k] if values[k] < least else least
    return least


@kernel
def _mark(vector: Any, hx: Any, hy: Any, bound: Any, keep: Any) -> None:
    """Which candidates may be nearer than the bounds at some corner of the block.

    A candidate's distance is convex, so that its tangent plane at the block's centre lies below
    it; the distance to the best candidate less that plane is convex too, hence largest at a
    corner. A candidate whose plane exceeds the best one's distance at all four never wins.
    """
    nw, ne, sw, se = bound
    ex, ey, squared = vector[0], vector[1], vector[2]
    for k in range(keep.size):
        d2 = squared[k]
        d, a, b = np.float32(math.sqrt(d2)), ex[k] * hx, ey[k] * hy
        west, east = d2 - a, d2 + a
        north = (west + b <= nw * d) | (east + b <= ne * d)
        south = (west - b <= sw * d) | (east - b <= se * d)
        keep[k] = north | south


@kernel
def _bounds(ends: Any, k: int, block: Any, margin: Any) -> Any:
    """Distances of one candidate from the corners of a block, and a margin."""
    cx, cy, hx, hy = block
    x0, y0, x1, y1 = ends[0, k], ends[1, k], ends[2, k], ends[3, k]
    nw = margin + math.sqrt(_squared_to(cx - hx, cy + hy, x0, y0, x1, y1))
    ne = margin + math.sqrt(_squared_to(cx + hx, cy + hy, x0, y0, x1, y1))
    sw = margin + math.sqrt(_squared_to(cx - hx, cy - hy, x0, y0, x1, y1))
    se = margin + math.sqrt(_squared_to(cx + hx, cy - hy, x0, y0, x1, y1))
    return np.float32(nw), np.float32(ne), np.float32(sw), np.float32(se)


@kernel
def _survivors(pool: _Pool, start: int, stop: int, block: Any, margin: Any) -> int:
    """Copy the candidates that may win somewhere in a block behind their list; the new end.

    Pruning is done in float32: `margin` is well above its rounding errors.
    """
    n = stop - start
    cx, cy, hx, hy = block
    ends, index, vector, chosen = pool
    _measure(ends, start, stop, cx, cy, vector)
    squared, keep, found = vector[2, :n], chosen[0, :n], chosen[1]
    least = _smallest(squared)
    best = 0
    while squared[best] > least:
        best += 1
    _mark(vector, hx, hy, _bounds(ends, start + best, block, margin), keep)
    m = 0
    for k in range(n):
        found[m] = start + k
        m += keep[k]
    for r in range(4):
        row = ends[r]
        for k in range(m):
            row[stop + k] = row[found[k]]
    for k in range(m):
        index[stop + k] = index[found[k]]
    return stop + m


@kernel
def _evaluate(
    xs: Any, ys: Any, candidates: _Candidates, index: Any, least: Any, which: Any
) -> None:
    """Squared distance and index for a leaf's cells by comparing all its candidates."""
    exact, names = candidates.exact, candidates.names
    least[:] = np.inf
    for k in index:
        x0, y0, x1, y1, name = exact[k, 0], exact[k, 1], exact[k, 2], exact[k, 3], names[k]
        dx, dy = x1 - x0, y1 - y0
        inverse = _inverse(dx, dy)
        for i in range(ys.size):
            py, qy = ys[i] - y0, ys[i] - y1
            row = _Row(py * py, qy * qy, py * dx, py * dy, dx=dx, dy=dy, inverse=inverse)
            for j in range(_WIDE):
                d2 = _squared(xs[j] - x0, xs[j] - x1, row)
                # Strictly nearer, and candidates in order: of equals the one of lowest index
                # stays.
                closer = d2 < least[i, j]
                least[i, j] = d2 if closer else least[i, j]
                which[i, j] = name if closer else which[i, j]


@kernel
def _store(least: Any, which: Any, r: int, c: int, distance: Any, nearest: Any) -> None:
    """Copy a leaf's results into the tile, as far as they lie in it."""
    rows, cols = distance.shape
    tall, wide = min(_TALL, rows - r), min(_WIDE, cols - c)
    for i in range(tall):
        if wide == _WIDE:  # a number known when compiling: a run of vectors
            for j in range(_WIDE):
                distance[r + i, c + j] = math.sqrt(least[i, j])
                nearest[r + i, c + j] = which[i, j]
        else:
            for j in range(wide):
                distance[r + i, c + j] = math.sqrt(least[i, j])
                nearest[r + i, c + j] = which[i, j]


@kernel
def _localise(exact: Any, ox: float, oy: float, pool: Any) -> float:
    """Copy coordinates, relative to an origin, into a float32 pool; the largest of them."""
    extent = 0.0
    for k in range(exact.shape[0]):
        for r in range(4):
            value = exact[k, r] - (oy if r % 2 else ox)
            pool[r, k] = value
            extent = max(extent, abs(value))
    return extent


@kernel
def _quarter(block: Any, start: int, stop: int, stack: Any, top: int) -> int:
    """Put the quarters of a block on the stack, cut between leaves; the new top."""
    r0, r1, c0, c1 = block
    row = r0 + ((r1 - r0) // 2 + _TALL - 1) // _TALL * _TALL
    col = c0 + ((c1 - c0) // 2 + _WIDE - 1) // _WIDE * _WIDE
    for a, b in ((r0, min(row, r1)), (row, r1)):
        for c, d in ((c0, min(col, c1)), (col, c1)):
            if a < b and c < d:
                for m, value in enumerate((a, b, c, d, start, stop)):
                    stack[top, m] = value
                top += 1
    return top


@kernel
def _divide(x: Any, y: Any, candidates: _Candidates, distance: Any, nearest: Any) -> None:
    """Quarter the tile until few candidates are left per block."""
    exact, _, ox, oy = candidates
    n = exact.shape[0]
    rows, cols = distance.shape
    ends = np.empty((4, 4 * n), np.float32)
    extent = max(_localise(exact, ox, oy, ends), abs(x[0] - ox), abs(y[0] - oy))
    margin = np.float32(_MARGIN * extent)
    vector, chosen = np.empty((3, n), np.float32), np.empty((2, n), np.uint32)
    pool = _Pool(ends, np.arange(4 * n).astype(np.int32), vector, chosen)
    least, which = np.empty((_TALL, _WIDE)), np.empty((_TALL, _WIDE), np.int32)
    stack = np.empty((256, 6), np.int64)  # three for every halving of 2⁶⁴ would be 192
    for m, value in enumerate((0, rows, 0, cols, 0, n)):
        stack[0, m] = value
    top = 1
    while top:
        top -= 1
        r0, r1, c0, c1 = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        start, stop = stack[top, 4], stack[top, 5]
        if stop - start > 1:
            if 2 * stop - start > pool.index.size:
                pool = _Pool(_grow(pool.ends), _grow(pool.index), vector, chosen)
            cx, cy = (x[c0] + x[c1 - 1]) / 2 - ox, (y[r0] + y[r1 - 1]) / 2 - oy
            hx, hy = abs(x[c1 - 1] - x[c0]) / 2, abs(y[r1 - 1] - y[r0]) / 2
            block = np.float32(cx), np.float32(cy), np.float32(hx), np.float32(hy)
            end = _survivors(pool, start, stop, block, margin)
            start, stop = stop, end
        if stop - start > _FEW and (c1 - c0 > _WIDE or r1 - r0 > _TALL):
            top = _quarter((r0, r1, c0, c1), start, stop, stack, top)
            continue
        near = pool.index[start:stop]
        for r in range(r0, r1, _TALL):
            for c in range(c0, c1, _WIDE):
                xs, ys = x[c : c + _WIDE], y[r : min(r + _TALL, r1)]
                _evaluate(xs, ys, candidates, near, least, which)
                _store(least, which, r, c, distance, nearest)


@kernel
def _grow(array: Any) -> Any:
    """The same array with twice the room along its last axis."""
    room = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    room[..., : array.shape[-1]] = array
    return room


def nearest(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], segments: Segments
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Distance from every cell's centre to the nearest segment, and that segment's index.

    Exact: of segments that are equally near in float64, the one of lowest index is taken (so
    that of two segments that meet at the nearest vertex it is the first).

    Parameters
    ----------
    x : array, shape (cols,)
        Eastings of the cells' centres in metres, ascending.
    y : array, shape (rows,)
        Northings of the cells' centres in metres, ascending or descending.
    segments : Segments
        At least one, anywhere.

    Returns
    -------
    distance : float32 array, shape (rows, cols)
        In metres.
    index : int32 array, shape (rows, cols)
        Position in `segments`.

    Raises
    ------
    InputError
        If there is no segment.
    """
    if not len(segments):
        raise InputError("there is no line or point to measure the distance to")
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    distance = np.empty((ys.size, xs.size), np.float32)
    index = np.empty((ys.size, xs.size), np.int32)
    if distance.size:
        ends = segments.x0, segments.y0, segments.x1, segments.y1
        cx, cy = (xs[0] + xs[-1]) / 2, (ys[0] + ys[-1]) / 2
        # What is nearest to a cell is, by the triangle inequality twice, at most a diagonal
        # further from the centre than what is nearest to that.
        reach = math.sqrt(_least(*ends, cx, cy)) + math.hypot(xs[-1] - xs[0], ys[-1] - ys[0])
        near = _within(*ends, cx, cy, (reach * (1 + _MARGIN)) ** 2)
        exact = np.stack([values[near] for values in ends], axis=1)
        padded = np.append(xs, np.full(_WIDE, xs[-1]))  # leaves are whole
        _divide(padded, ys, _Candidates(exact, near, cx, cy), distance, index)
    return distance, index
