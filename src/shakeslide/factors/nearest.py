"""Exact Euclidean distance from every cell's centre to the nearest of many segments, and which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.errors import InputError
from shakeslide.factors.kernel import inlined, kernel

Coordinates = NDArray[np.float64]

_WIDE = 16  # columns of a leaf: a fixed number, so that its loop is unrolled into vectors
_TALL = 8  # rows of a leaf
_FEW = 2  # candidates with which a block is evaluated rather than divided
_MARGIN = 1e-6  # of a block's size: far above rounding, far below what pruning would notice


@dataclass(frozen=True)
class Segments:
    """Straight segments, each from (x0, y0) to (x1, y1); a point is a segment of no length."""

    x0: Coordinates
    y0: Coordinates
    x1: Coordinates
    y1: Coordinates

    def __len__(self) -> int:
        return int(self.x0.size)

    @classmethod
    def from_lines(
        cls, lines: Sequence[NDArray[np.floating[Any]]], subsection: float | None = None
    ) -> Segments:
        """Every pair of successive vertices, those of no length left out."""
        if subsection is not None:
            return subsections(lines, subsection).segments
        parts = [np.asarray(line, np.float64) for line in lines if len(line) > 1]
        if not parts:
            return cls(*np.empty((4, 0)))
        ends = np.concatenate([np.hstack([p[:-1, :2], p[1:, :2]]) for p in parts])
        ends = ends[(ends[:, :2] != ends[:, 2:]).any(axis=1)]
        return cls(*(np.ascontiguousarray(column) for column in ends.T))

    @classmethod
    def from_points(cls, x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> Segments:
        """Points as segments of no length."""
        px, py = np.asarray(x, np.float64).copy(), np.asarray(y, np.float64).copy()
        return cls(px, py, px, py)


@dataclass(frozen=True)
class Subsections:
    """Pieces of lines: midpoint, direction, and the segments that each consists of."""

    x: Coordinates
    y: Coordinates
    azimuth_deg: Coordinates
    segments: Segments
    piece: NDArray[np.int32]

    @property
    def points(self) -> Segments:
        """The midpoints, as `nearest` takes them."""
        return Segments.from_points(self.x, self.y)


def _azimuth(dx: Coordinates, dy: Coordinates) -> Coordinates:
    """Axial direction in [0, 180), clockwise from north."""
    azimuth = np.degrees(np.arctan2(dx, dy)) % 180.0
    return np.where(azimuth >= 180.0, 0.0, azimuth)


def _cut(line: Coordinates, length: float) -> list[Coordinates]:
    """Cut a line into equal pieces of about `length`; each an array of vertices (k, 2)."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    n = max(1, round(along[-1] / length))
    cuts = along[-1] * np.arange(n + 1) / n
    at = np.column_stack([np.interp(cuts, along, line[:, k]) for k in range(2)])
    at[0], at[-1] = line[0], line[-1]
    pieces = []
    for k in range(n):
        inside = line[(along > cuts[k]) & (along < cuts[k + 1])]
        pieces.append(np.vstack([at[k], inside, at[k + 1]]))
    return pieces


def _halfway(piece: Coordinates) -> Coordinates:
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(piece, axis=0).T))])
    return np.array([np.interp(along[-1] / 2, along, piece[:, k]) for k in range(2)])


def subsections(lines: Sequence[NDArray[np.floating[Any]]], length: float) -> Subsections:
    """Cut lines into pieces of about `length` metres."""
    if not (length > 0 and math.isfinite(length)):
        raise InputError(f"the length of subsections must be positive metres, not {length}")
    pieces: list[Coordinates] = []
    for line in lines:
        vertices = np.asarray(line, np.float64)[:, :2]
        keep = np.ones(len(vertices), bool)
        keep[1:] = (np.diff(vertices, axis=0) != 0).any(axis=1)
        vertices = vertices[keep]
        if len(vertices) > 1:
            pieces += _cut(vertices, length)
    if not pieces:
        empty = np.empty(0)
        return Subsections(empty, empty, empty, Segments.from_lines([]), np.empty(0, np.int32))
    middle = np.array([_halfway(p) for p in pieces])
    chord = np.array([_chord(p) for p in pieces])
    counts = [len(p) - 1 for p in pieces]
    ends = np.concatenate([np.hstack([p[:-1], p[1:]]) for p in pieces])
    segments = Segments(*(np.ascontiguousarray(column) for column in ends.T))
    owner = np.repeat(np.arange(len(pieces), dtype=np.int32), counts)
    azimuth = _azimuth(chord[:, 0], chord[:, 1])
    return Subsections(middle[:, 0].copy(), middle[:, 1].copy(), azimuth, segments, owner)


def _chord(piece: Coordinates) -> Coordinates:
    """End less start; of a piece that ends where it starts, its longest segment."""
    chord: Coordinates = piece[-1] - piece[0]
    if chord.any():
        return chord
    steps: Coordinates = np.diff(piece, axis=0)
    longest: Coordinates = steps[np.argmax(np.hypot(*steps.T))]
    return longest


@inlined
def _squared(px: Any, py: Any, qx: Any, qy: Any, dx: Any, dy: Any, inverse: Any) -> Any:
    """Squared distance to a segment from the offsets to its start (p) and to its end (q)."""
    start = px * px + py * py
    end = qx * qx + qy * qy
    cross = px * dy - py * dx
    side = cross * cross * inverse
    before = px * dx + py * dy <= 0
    after = qx * dx + qy * dy >= 0
    return start if before else (end if after else side)


@kernel
def _distance(x: float, y: float, segment: Any) -> float:
    x0, y0, x1, y1, dx, dy, inverse = segment
    return math.sqrt(_squared(x - x0, y - y0, x - x1, y - y1, dx, dy, inverse))


@kernel
def _gather(x0: Any, y0: Any, x1: Any, y1: Any, box: Any) -> Any:
    """The segments that may be nearest to a cell of the box, in order: coordinates and index."""
    n = x0.size
    cx, cy = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    radius = math.hypot(box[1] - box[0], box[3] - box[2]) / 2
    d2 = np.empty(n)
    least = np.inf
    for k in range(n):
        dx, dy = x1[k] - x0[k], y1[k] - y0[k]
        length2 = dx * dx + dy * dy
        inverse = 1 / length2 if length2 > 0 else 0.0
        d2[k] = _squared(cx - x0[k], cy - y0[k], cx - x1[k], cy - y1[k], dx, dy, inverse)
        least = d2[k] if d2[k] < least else least
    reach = math.sqrt(least) + 2 * radius
    reach += _MARGIN * reach
    kept = 0
    for k in range(n):
        kept += d2[k] <= reach * reach
    near = np.empty((kept, 7))
    index = np.empty(kept, np.int32)
    m = 0
    for k in range(n):
        if d2[k] <= reach * reach:
            dx, dy = x1[k] - x0[k], y1[k] - y0[k]
            length2 = dx * dx + dy * dy
            near[m, 0], near[m, 1], near[m, 2], near[m, 3] = x0[k], y0[k], x1[k], y1[k]
            near[m, 4], near[m, 5] = dx, dy
            near[m, 6] = 1 / length2 if length2 > 0 else 0.0
            index[m] = k
            m += 1
    return near, index


@kernel
def _survivors(near: Any, pool: Any, start: int, stop: int, box: Any, scratch: Any) -> int:
    """Copy the candidates that may win somewhere in the box behind the list; their number."""
    cx, cy = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    hx, hy = abs(box[1] - box[0]) / 2, abs(box[3] - box[2]) / 2
    least, first = np.inf, -1
    for k in range(start, stop):
        x0, y0, x1, y1, dx, dy, inverse = near[pool[k]]
        px, py, qx, qy = cx - x0, cy - y0, cx - x1, cy - y1
        if px * dx + py * dy <= 0:
            ex, ey = px, py
        elif qx * dx + qy * dy >= 0:
            ex, ey = qx, qy
        else:
            side = (px * dy - py * dx) * inverse
            ex, ey = side * dy, -side * dx
        d = math.sqrt(ex * ex + ey * ey)
        scale = 1 / d if d > 0 else 0.0
        row = scratch[k - start]
        row[0], row[1], row[2] = d, ex * scale * hx, ey * scale * hy
        if d < least:
            least, first = d, pool[k]
    best = near[first]
    margin = _MARGIN * (hx + hy + least)
    nw = _distance(cx - hx, cy + hy, best) + margin
    ne = _distance(cx + hx, cy + hy, best) + margin
    sw = _distance(cx - hx, cy - hy, best) + margin
    se = _distance(cx + hx, cy - hy, best) + margin
    kept = stop
    for k in range(start, stop):
        d, gx, gy = scratch[k - start]
        if d - gx + gy <= nw or d + gx + gy <= ne or d - gx - gy <= sw or d + gx - gy <= se:
            pool[kept] = pool[k]
            kept += 1
    return kept


@kernel
def _evaluate(
    x: Any, y: Any, block: Any, near: Any, candidates: Any, index: Any, distance: Any, nearest: Any
) -> None:
    """Distance and index for the cells of a block by comparing all its candidates."""
    r0, r1, c0, c1 = block
    least = np.empty(_WIDE)
    which = np.empty(_WIDE, np.int64)
    for i in range(r0, r1):
        for c in range(c0, c1, _WIDE):
            xs = x[c : c + _WIDE]
            for j in range(_WIDE):
                least[j] = np.inf
                which[j] = 0
            for k in candidates:
                x0, y0, x1, y1, dx, dy, inverse = near[k]
                py, qy = y[i] - y0, y[i] - y1
                for j in range(_WIDE):
                    d2 = _squared(xs[j] - x0, py, xs[j] - x1, qy, dx, dy, inverse)
                    closer = d2 < least[j]
                    least[j] = d2 if closer else least[j]
                    which[j] = k if closer else which[j]
            for j in range(min(_WIDE, c1 - c)):
                distance[i, c + j] = math.sqrt(least[j])
                nearest[i, c + j] = index[which[j]]


@kernel
def _divide(x: Any, y: Any, rows: int, cols: int, near: Any, index: Any) -> Any:
    """Halve the tile until few candidates are left per block."""
    distance = np.empty((rows, cols), np.float32)
    nearest = np.empty((rows, cols), np.int32)
    n = index.size
    depth = 4
    while (1 << depth) < max(rows, 1) * max(cols, 1):
        depth += 1
    pool = np.empty((depth + 2) * n, np.int32)
    pool[:n] = np.arange(n)
    scratch = np.empty((n, 3))
    stack = np.empty((depth + 2, 6), np.int64)
    stack[0] = np.array([0, rows, 0, cols, 0, n])
    top = 1
    box = np.empty(4)
    while top:
        top -= 1
        r0, r1, c0, c1, start, stop = stack[top]
        box[0], box[1], box[2], box[3] = x[c0], x[c1 - 1], y[r0], y[r1 - 1]
        end = stop
        if stop - start > 1:
            end = _survivors(near, pool, start, stop, box, scratch)
        else:
            start, stop = start - 1, start
            start += 1
            end = start + 1
            stop = start
        few = end - stop <= _FEW
        tall, wide = r1 - r0 > _TALL, c1 - c0 > _WIDE
        if few or not (tall or wide):
            _evaluate(x, y, (r0, r1, c0, c1), near, pool[stop:end], index, distance, nearest)
            continue
        if wide and (not tall or c1 - c0 > r1 - r0):
            half = c0 + ((c1 - c0) // 2 + _WIDE - 1) // _WIDE * _WIDE
            stack[top] = np.array([r0, r1, c0, half, stop, end])
            stack[top + 1] = np.array([r0, r1, half, c1, stop, end])
        else:
            half = (r0 + r1) // 2
            stack[top] = np.array([r0, half, c0, c1, stop, end])
            stack[top + 1] = np.array([half, r1, c0, c1, stop, end])
        top += 2
    return distance, nearest


def nearest(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], segments: Segments
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Distance to the nearest segment and its index, for every cell of a tile."""
    if not len(segments):
        raise InputError("there is no line or point to measure the distance to")
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    box = np.array([xs[0], xs[-1], ys[0], ys[-1]])
    near, index = _gather(segments.x0, segments.y0, segments.x1, segments.y1, box)
    padded = np.concatenate([xs, np.full(_WIDE, xs[-1])])
    distance, which = _divide(padded, ys, ys.size, xs.size, near, index)
    return distance, which
