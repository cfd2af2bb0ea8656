"""Landslides as cells of an elevation window: drainage, lobes, distances, outlines of cells.

Kernels work on the window of one landslide: `inside` tells its cells, `z` their elevations. They
are serial and release the GIL: the caller's threads work on different landslides. Neighbours are
the eight around a cell unless said otherwise; distances are in metres on the map.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from shakeslide.core.compiled import kernel

ROW = np.array([-1, -1, 0, 1, 1, 1, 0, -1])
COL = np.array([0, 1, 1, 1, 0, -1, -1, -1])
"""Steps to the eight neighbours, clockwise from north."""


@kernel
def components(inside: Any, label: Any) -> int:
    """Number the 8-connected parts of `inside` from 1 in reading order; return how many.

    Parameters
    ----------
    inside : array, (rows, cols) bool
    label : array, (rows, cols) int32
        Written: 0 outside.
    """
    rows, cols = inside.shape
    stack = np.empty(rows * cols, np.int64)
    label[:] = 0
    found = 0
    for start in range(rows * cols):
        if not inside[start // cols, start % cols] or label[start // cols, start % cols]:
            continue
        found += 1
        label[start // cols, start % cols] = found
        stack[0], n = start, 1
        while n:
            n -= 1
            r, c = stack[n] // cols, stack[n] % cols
            for k in range(8):
                i, j = r + ROW[k], c + COL[k]
                if 0 <= i < rows and 0 <= j < cols and inside[i, j] and not label[i, j]:
                    label[i, j] = found
                    stack[n] = i * cols + j
                    n += 1
    return found


@kernel
def spill_order(z: Any, inside: Any, order: Any, filled: Any) -> Any:
    """Order the cells as rising water would reach them from the lowest cell of each part.

    Priority flood (Barnes, Lehman & Mulla 2014): from every cell there is a way to the lowest
    cell of its part through cells of lower order, also out of hollows.

    Parameters
    ----------
    z : array, (rows, cols) float32
        Elevation (m), finite inside.
    inside : array, (rows, cols) bool
        The landslide.
    order : array, (rows, cols) int64
        Written: order from 0, -1 outside.
    filled : array, (rows, cols) float32
        Written: elevation with the landslide's hollows filled to their lips; as given outside.

    Returns
    -------
    cells : array, (cells,) int64
        Flat indices in that order.
    down : array, (cells,) int64
        From which cell each was reached; its own index at the lowest cell of a part.
    """
    rows, cols = z.shape
    flat = z.ravel()
    ahead = np.flatnonzero(inside.ravel())
    # A stable sort: of equal cells the first in reading order, on every machine.
    ahead = ahead[np.argsort(flat[ahead], kind="mergesort")]
    order[:] = -1
    filled[:] = z
    reached = np.zeros((rows, cols), np.bool_)
    cells, down = np.empty_like(ahead), np.empty_like(ahead)
    # An element put in and taken out gives the compiler the list's type.
    heap = [(np.float64(0.0), np.int64(0), np.int64(0))]
    heap.pop()
    done = 0
    for outlet in ahead:
        if reached[outlet // cols, outlet % cols]:
            continue
        reached[outlet // cols, outlet % cols] = True
        heapq.heappush(heap, (np.float64(flat[outlet]), np.int64(outlet), np.int64(outlet)))
        while len(heap):
            spill, cell, source = heapq.heappop(heap)
            r, c = cell // cols, cell % cols
            order[r, c], cells[done], down[done] = done, cell, source
            filled[r, c] = spill
            done += 1
            for n in range(8):
                i, j = r + ROW[n], c + COL[n]
                if 0 <= i < rows and 0 <= j < cols and inside[i, j] and not reached[i, j]:
                    reached[i, j] = True
                    level = max(spill, np.float64(z[i, j]))
                    heapq.heappush(heap, (level, np.int64(i * cols + j), np.int64(cell)))
    return cells, down


@kernel
def _around(z: Any, r: int, c: int, heights: Any) -> bool:
    """Write the heights of the eight neighbours (the cell's own where unknown).

    Return whether one of them is lower.
    """
    rows, cols = z.shape
    lower = False
    for n in range(8):
        i, j = r + ROW[n], c + COL[n]
        heights[n] = z[r, c]
        if 0 <= i < rows and 0 <= j < cols and np.isfinite(z[i, j]):
            heights[n] = z[i, j]
            lower |= z[i, j] < z[r, c]
    return lower


@kernel
def _downslope(heights: Any, dx: float, dy: float) -> int:
    """Return which of the eight directions is nearest to the downslope one (Horn 1981)."""
    east = heights[1] + 2 * heights[2] + heights[3] - heights[5] - 2 * heights[6] - heights[7]
    south = heights[3] + 2 * heights[4] + heights[5] - heights[7] - 2 * heights[0] - heights[1]
    # Against the rise: ground that rises to the south falls to the north.
    azimuth = np.arctan2(-east / dx, south / dy)
    return int(np.round(azimuth / (np.pi / 4))) % 8


@kernel
def descent(z: Any, inside: Any, dx: float, dy: float, travelled: Any, via: Any) -> None:
    """Measure the longest way down to each cell from the heads of the landslide.

    Material goes from a cell to the neighbours within 45° of the fall line that are inside. The
    fall line is that of the whole window: where it leaves the outline, the way ends. Over a hollow
    in the landslide it goes on to the lip. A head is a cell that none leads to.

    Parameters
    ----------
    z : array, (rows, cols) float32
        Elevation (m), finite inside; its neighbours' outside may be NaN.
    inside : array, (rows, cols) bool
        The landslide.
    dx, dy : float
        Sides of a cell (m).
    travelled : array, (rows, cols) float64
        Written: length of the way on the map (m), 0 at heads, NaN outside.
    via : array, (rows, cols) int64
        Written: flat index of the cell before, the cell's own at heads, -1 outside.
    """
    rows, cols = z.shape
    order = np.empty((rows, cols), np.int64)
    filled = np.empty_like(z)
    cells, down = spill_order(z, inside, order, filled)
    heights = np.empty(8)
    travelled[:] = np.nan
    via[:] = -1
    for cell in cells:
        travelled[cell // cols, cell % cols] = 0.0
        via[cell // cols, cell % cols] = cell
    # From the last reached on: all ways into a cell are known before those out of it.
    for k in range(cells.size - 1, -1, -1):
        cell = cells[k]
        r, c = cell // cols, cell % cols
        lower = _around(filled, r, c, heights)
        middle = _downslope(heights, dx, dy)
        over = order[down[k] // cols, down[k] % cols]
        for n in range(8):
            i, j = r + ROW[n], c + COL[n]
            # Only to cells that the rising water reached before, so that no way runs in a circle.
            if not (0 <= i < rows and 0 <= j < cols) or not 0 <= order[i, j] < k:
                continue
            turn = (n - middle) % 8
            ahead = turn <= 1 or turn == 7
            if not ahead and (lower or order[i, j] != over):
                continue
            step = np.sqrt(dx * dx + dy * dy) if n % 2 else (dy if COL[n] == 0 else dx)
            if travelled[r, c] + step > travelled[i, j]:
                travelled[i, j] = travelled[r, c] + step
                via[i, j] = cell


@kernel
def way_to(via: Any, end: int) -> Any:
    """Return the flat indices of the cells on the way from a head down to `end`."""
    cols = via.shape[1]
    path = np.empty(via.size, np.int64)
    n, cell = 1, end
    path[0] = end
    while via[cell // cols, cell % cols] != cell:
        cell = via[cell // cols, cell % cols]
        path[n] = cell
        n += 1
    return path[:n][::-1].copy()


@kernel
def _root(parent: Any, k: int) -> int:
    while parent[k] != k:
        # Halves the path, which later searches then take.
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@kernel
def lobes(z: Any, inside: Any, prominence: float, fewest: int, label: Any) -> int:
    """Divide cells by the summit that they rise to, where summits stand out from one another.

    Cells come in from the highest down and join the neighbour that they rise to most steeply.
    Where two lobes meet, the one with the lower summit is taken into the other unless its summit
    stands at least `prominence` above the place and it has `fewest` cells above it.

    Parameters
    ----------
    z : array, (rows, cols) float
        Elevation (m); negated, the lobes are basins and the summits outlets.
    inside : array, (rows, cols) bool
    prominence : float
        Height (m) above the saddle from which a summit counts.
    fewest : int
        Cells from which a lobe counts.
    label : array, (rows, cols) int32
        Written: number of the lobe from 1, from the highest summit down; 0 outside.

    Returns
    -------
    int
        Lobes.
    """
    rows, cols = z.shape
    flat = z.ravel()
    cells = np.flatnonzero(inside.ravel())
    # Stable, as in `spill_order`.
    order = cells[np.argsort(-flat[cells], kind="mergesort")]
    label[:] = 0
    parent = np.arange(cells.size + 1)
    summit = np.empty(cells.size + 1, np.float64)
    size = np.zeros(cells.size + 1, np.int64)
    count = 0
    for cell in order:
        r, c = cell // cols, cell % cols
        best, steepest = 0, -np.inf
        for n in range(8):
            i, j = r + ROW[n], c + COL[n]
            if not (0 <= i < rows and 0 <= j < cols) or label[i, j] == 0:
                continue
            mine = _root(parent, label[i, j])
            rise = (z[i, j] - z[r, c]) / (1.4142135623730951 if n % 2 else 1.0)
            if rise > steepest:
                best, steepest = mine, rise
        if best == 0:
            count += 1
            label[r, c] = count
            summit[count], size[count] = z[r, c], 1
            continue
        for n in range(8):
            i, j = r + ROW[n], c + COL[n]
            if not (0 <= i < rows and 0 <= j < cols) or label[i, j] == 0:
                continue
            other = _root(parent, label[i, j])
            best = _root(parent, best)
            if other == best:
                continue
            low, high = (other, best) if summit[other] < summit[best] else (best, other)
            if summit[low] - z[r, c] < prominence or size[low] < fewest:
                parent[low] = high
                size[high] += size[low]
        best = _root(parent, best)
        label[r, c] = best
        size[best] += 1
    number = np.zeros(count + 1, np.int32)
    found = 0
    for cell in order:
        k = _root(parent, label[cell // cols, cell % cols])
        if number[k] == 0:
            found += 1
            number[k] = found
    for cell in order:
        r, c = cell // cols, cell % cols
        label[r, c] = number[_root(parent, label[r, c])]
    return found


@kernel
def spread(label: Any) -> None:
    """Give each unlabelled cell of a window, in place, the label of a cell nearest to it.

    Nearest in steps to neighbours; strips of an outline that hold no cell's centre so go with
    the cells beside them.

    Parameters
    ----------
    label : array, (rows, cols) int32
        0 where there is none yet; all stay 0 where all are.
    """
    rows, cols = label.shape
    queue = np.empty(rows * cols, np.int64)
    n = 0
    for cell in range(rows * cols):
        if label[cell // cols, cell % cols]:
            queue[n] = cell
            n += 1
    at = 0
    while at < n:
        r, c = queue[at] // cols, queue[at] % cols
        at += 1
        # Sides before corners, which are further away.
        for k in (0, 2, 4, 6, 1, 3, 5, 7):
            i, j = r + ROW[k], c + COL[k]
            if 0 <= i < rows and 0 <= j < cols and label[i, j] == 0:
                label[i, j] = label[r, c]
                queue[n] = i * cols + j
                n += 1


@kernel
def rings(part: Any, points: Any, start: Any, owner: Any) -> int:
    """Follow the edges of cells around each 4-connected part of `part`.

    Parameters
    ----------
    part : array, (rows, cols) bool
    points : array, (n, 2) int32
        Written: (col, row) of the corners where a ring turns, the first repeated at its end.
    start : array, (m,) int64
        Written: where each ring begins in `points`, and where the last ends.
    owner : array, (m,) int32
        Written: which part a ring belongs to; a part's outer ring comes before its holes.

    Returns
    -------
    int
        Rings.
    """
    rows, cols = part.shape
    label = np.zeros((rows, cols), np.int32)
    stack = np.empty(rows * cols, np.int64)
    parts = 0
    done = np.zeros((rows, cols), np.bool_)
    n_rings, n_points = 0, 0
    start[0] = 0
    for first in range(rows * cols):
        r, c = first // cols, first % cols
        if not part[r, c]:
            continue
        if label[r, c] == 0:
            parts += 1
            label[r, c] = parts
            stack[0], n = first, 1
            while n:
                n -= 1
                i, j = stack[n] // cols, stack[n] % cols
                for k in range(0, 8, 2):
                    y, x = i + ROW[k], j + COL[k]
                    if 0 <= y < rows and 0 <= x < cols and part[y, x] and label[y, x] == 0:
                        label[y, x] = parts
                        stack[n] = y * cols + x
                        n += 1
        # Every ring has a top edge that is met first in reading order: for the outer ring of a
        # part this is its first cell's, so that outer rings come before holes.
        if done[r, c] or (r > 0 and part[r - 1, c]):
            continue
        n_points = _follow(label, done, r, c, points, n_points)
        owner[n_rings] = label[r, c] - 1
        n_rings += 1
        start[n_rings] = n_points
    return n_rings


@kernel
def _follow(label: Any, done: Any, r: int, c: int, points: Any, n: int) -> int:
    """Walk with the part on the right from the top edge of cell (r, c), eastwards, and round."""
    rows, cols = label.shape
    own = label[r, c]
    y, x, heading = r, c, 1  # the corner, and 0 north, 1 east, 2 south, 3 west
    begin = n
    points[n, 0], points[n, 1] = x, y
    n += 1
    while True:
        if heading == 1:
            done[y, x] = True
            x += 1
        elif heading == 2:
            y += 1
        elif heading == 3:
            x -= 1
        else:
            y -= 1
        # The cells ahead, on the right and on the left of the walker.
        if heading == 1:
            ry, rx, ly, lx = y, x, y - 1, x
        elif heading == 2:
            ry, rx, ly, lx = y, x - 1, y, x
        elif heading == 3:
            ry, rx, ly, lx = y - 1, x - 1, y, x - 1
        else:
            ry, rx, ly, lx = y - 1, x, y - 1, x - 1
        right = 0 <= ry < rows and 0 <= rx < cols and label[ry, rx] == own
        left = 0 <= ly < rows and 0 <= lx < cols and label[ly, lx] == own
        # Where two cells of a part touch at a corner, the walk crosses over to the other: what it
        # would otherwise enclose becomes a hole, and no ring touches itself.
        turn = -1 if left else (0 if right else 1)
        if turn:
            heading = (heading + turn) % 4
            if y == points[begin, 1] and x == points[begin, 0] and heading == 1:
                points[n, 0], points[n, 1] = x, y
                return n + 1
            points[n, 0], points[n, 1] = x, y
            n += 1
