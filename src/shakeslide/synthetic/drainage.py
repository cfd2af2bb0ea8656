"""Drainage of a terrain: filling of pits, steepest descent, drainage area, rivers as lines."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.synthetic.noise import mix

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bits = NDArray[np.uint8]

DR = np.array([-1, -1, 0, 1, 1, 1, 0, -1], np.int64)
DC = np.array([0, 1, 1, 1, 0, -1, -1, -1], np.int64)
"""The eight neighbours, clockwise from north."""
DISTANCE = np.array([1.0, np.sqrt(2.0)] * 4)


@kernel
def fill_depressions(z: Floats, outlets: Bits, drop: float) -> None:
    """Raise cells, in place, until each has a way down to an outlet (Barnes et al. 2014).

    Parameters
    ----------
    z : array (rows, cols), float32
        Elevation (m).
    outlets : array (rows, cols), uint8
        1 where water may leave.
    drop : float
        Least fall from cell to cell (m); it varies, or flats would drain along straight lines.
    """
    rows, cols = z.shape
    done = np.zeros((rows, cols), np.uint8)
    # An element put in and taken out gives the compiler the list's type.
    heap = [(np.float32(0.0), np.int64(0))]
    heap.pop()
    for r in range(rows):
        for c in range(cols):
            if outlets[r, c]:
                done[r, c] = 1
                heap.append((z[r, c], np.int64(r * cols + c)))
    heapq.heapify(heap)
    while heap:
        level, i = heapq.heappop(heap)
        r, c = divmod(i, cols)
        for k in range(8):
            rr = r + DR[k]
            cc = c + DC[k]
            if 0 <= rr < rows and 0 <= cc < cols and done[rr, cc] == 0:
                done[rr, cc] = 1
                chance = np.float64(mix(np.uint64(rr * cols + cc)) >> np.uint64(40)) / 16777216.0
                rise = drop * (1.0 - 3.0 * np.log(1.0 - chance))
                z[rr, cc] = max(z[rr, cc], np.float32(level + rise))
                heapq.heappush(heap, (z[rr, cc], np.int64(rr * cols + cc)))


@kernel
def steepest_receivers(z: Floats) -> Ints:
    """Index of the neighbour of steepest descent of each cell; its own index where none is lower.

    Parameters
    ----------
    z : array (rows, cols)
        Elevation (m) on square cells.

    Returns
    -------
    array (rows, cols), int32
        Flat indices.
    """
    rows, cols = z.shape
    out = np.empty((rows, cols), np.int32)
    for r in range(rows):
        for c in range(cols):
            best = 0.0
            target = r * cols + c
            for k in range(8):
                rr = r + DR[k]
                cc = c + DC[k]
                if 0 <= rr < rows and 0 <= cc < cols:
                    slope = (z[r, c] - z[rr, cc]) / DISTANCE[k]
                    if slope > best:
                        best = slope
                        target = rr * cols + cc
            out[r, c] = target
    return out


@kernel
def in_flow_order(flat: Ints, donors: NDArray[Any]) -> Ints:
    """Return all nodes, each after everything that passes on to it.

    Parameters
    ----------
    flat : array, (n,) int32
        Node that each node passes on to; a last one is its own receiver.
    donors : array, (n,) of integers
        Scratch, of zeros; its type must hold the most nodes that pass on to one.

    Returns
    -------
    array, (n,) int32
        Numbers of the nodes; fewer than n if some pass on in a circle.
    """
    for i in range(flat.size):
        if flat[i] != i:
            donors[flat[i]] += 1
    order = np.empty(flat.size, np.int32)
    n = 0
    for i in range(flat.size):
        if donors[i] == 0:
            order[n] = i
            n += 1
    head = 0
    while head < n:
        i = order[head]
        head += 1
        j = flat[i]
        if j != i:
            donors[j] -= 1
            if donors[j] == 0:
                order[n] = j
                n += 1
    return order[:n]


@kernel
def upstream_order(receivers: Ints) -> Ints:
    """Return all cells, each after everything that drains into it.

    Parameters
    ----------
    receivers : array, (rows, cols) int32
        Flat index of the cell that each cell drains to; its own where it drains nowhere.

    Returns
    -------
    array, (rows * cols,) int32
        Flat indices of the cells.
    """
    # Eight neighbours at most pass on to a cell, which a byte holds.
    return in_flow_order(receivers.ravel(), np.zeros(receivers.size, np.uint8))


@kernel
def accumulate(receivers: Ints, inflow: Floats) -> Floats:
    """Drainage area (cells) of each cell, itself included.

    Parameters
    ----------
    receivers : array (rows, cols), int32
        From `steepest_receivers`.
    inflow : array (rows, cols)
        Cells that drain into each cell from outside the grid.

    Returns
    -------
    array (rows, cols), float32
    """
    order = upstream_order(receivers)
    target = receivers.ravel()
    area = np.empty(receivers.size, np.float32)
    water = inflow.ravel()
    for i in range(area.size):
        area[i] = np.float32(1.0) + water[i]
    for i in order:
        if target[i] != i:
            area[target[i]] += area[i]
    return area.reshape(receivers.shape)


@dataclass(frozen=True)
class Reaches:
    """Stretches of river between heads, confluences and outlets.

    Attributes
    ----------
    cells : array, (n,) int32
        Flat indices of all reaches one after another, downstream; reach k is
        `cells[starts[k]:starts[k + 1]]`.
    starts : array, (reaches + 1,) int32
        Where each reach begins in `cells`.
    order : array, (reaches,) int32
        Strahler's.
    area : array, (reaches,) float32
        Drainage area (cells) at the lower end.
    """

    cells: Ints
    starts: Ints
    order: Ints
    area: Floats


@kernel
def _strahler(receivers: Ints, area: Floats, threshold: float) -> tuple[Bits, Bits]:
    """Strahler order and number of river donors of every river cell (0 elsewhere)."""
    target = receivers.ravel()
    size = area.ravel()
    order = np.zeros(target.size, np.uint8)
    second = np.zeros(target.size, np.uint8)
    donors = np.zeros(target.size, np.uint8)
    for i in upstream_order(receivers):
        if size[i] < threshold:
            continue
        if donors[i] == 0:
            order[i] = 1
        # Two rivers of one order make one of the next (Strahler 1957).
        elif second[i] == order[i]:
            order[i] += 1
        j = target[i]
        if j != i:
            donors[j] += 1
            if order[i] > order[j]:
                second[j] = order[j]
                order[j] = order[i]
            elif order[i] > second[j]:
                second[j] = order[i]
    return order, donors


@kernel
def walk(
    receivers: Ints, area: Floats, threshold: float, order: Bits, donors: Bits
) -> tuple[Ints, Ints, Ints]:
    """Return cells, starts and orders of reaches, given the orders and river donors of all cells.

    Parameters
    ----------
    receivers : array, (rows, cols) int32
        Flat index of the cell that each cell drains to.
    area : array, (rows, cols) float32
        Drainage area (cells).
    threshold : float
        Drainage area from which on a cell is river.
    order, donors : array, (rows * cols,) uint8
        Strahler order and number of river donors of each cell.

    Returns
    -------
    cells : array, (n,) int32
        Flat indices of all reaches, one reach after another, downstream.
    starts : array, (reaches + 1,) int32
        Where each reach begins in `cells`.
    orders : array, (reaches,) int32
        Strahler order of each reach.
    """
    target = receivers.ravel()
    size = area.ravel()
    count = 0
    for i in range(target.size):
        if size[i] >= threshold:
            # A cell lies in one reach, and a reach ends with the first cell of the next.
            count += 2
    cells = np.empty(count, np.int32)
    starts = np.empty(count + 1, np.int32)
    orders = np.empty(count, np.int32)
    n = 0
    reaches = 0
    for i in range(target.size):
        # A reach begins at a head or a confluence.
        if size[i] < threshold or donors[i] == 1 or target[i] == i:
            continue
        starts[reaches] = n
        orders[reaches] = order[i]
        j = i
        cells[n] = j
        n += 1
        while target[j] != j:
            j = target[j]
            cells[n] = j
            n += 1
            if donors[j] != 1:
                break
        reaches += 1
    starts[reaches] = n
    return cells[:n], starts[: reaches + 1], orders[:reaches]


def river_reaches(receivers: Ints, area: Floats, threshold: float) -> Reaches:
    """Rivers as reaches: cells with at least `threshold` cells of drainage area.

    Parameters
    ----------
    receivers : array (rows, cols), int32
        From `steepest_receivers`.
    area : array (rows, cols)
        From `accumulate` (cells).
    threshold : float
        Cells.
    """
    order, donors = _strahler(receivers, area, threshold)
    cells, starts, orders = walk(receivers, area, threshold, order, donors)
    # The last cell of a reach belongs to the next: its own lower end is the one before.
    ends = cells[np.maximum(starts[1:] - 2, starts[:-1])]
    return Reaches(cells, starts, orders, area.ravel()[ends])
