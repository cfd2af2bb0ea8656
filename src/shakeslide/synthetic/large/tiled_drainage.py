"""Drainage over tiles: exact drainage area of a whole map, pits filled in small windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.synthetic.drainage import (
    DC,
    DR,
    Ints,
    accumulate,
    fill_depressions,
    in_flow_order,
    steepest_receivers,
    upstream_order,
)
from shakeslide.synthetic.large.planes import Box, Plane, in_order, tiles
from shakeslide.synthetic.mountains import DROP, edges
from shakeslide.synthetic.noise import Floats

Index = NDArray[np.int64]
SMALLEST_WINDOW = 256
"""Side of the windows in which pits are filled first (cells)."""
ROUNDS = 12
"""Most rounds of filling; the windows of each are twice as wide as before."""


@dataclass(frozen=True)
class Inflow:
    """Water that enters a grid from outside at n cells.

    Attributes
    ----------
    row, col : array, (n,) int64
        The cells.
    cells : array, (n,) float32
        Amounts (cells of the grid).
    """

    row: Index
    col: Index
    cells: Floats

    def on(self, box: Box) -> Floats:
        """Return the amounts (cells) on a box, (rows, cols) float32, 0 where none enters."""
        out = np.zeros(box.shape, np.float32)
        row, col = self.row - box.top, self.col - box.left
        here = (row >= 0) & (col >= 0) & (row < out.shape[0]) & (col < out.shape[1])
        np.add.at(out, (row[here], col[here]), self.cells[here])
        return out


@kernel
def _ends(receivers: Ints) -> Ints:
    """Where the water of each cell ends: a flat index that is its own receiver."""
    target = receivers.ravel()
    order = upstream_order(receivers)
    out = np.empty(target.size, np.int32)
    for n in range(order.size - 1, -1, -1):
        i = order[n]
        out[i] = i if target[i] == i else out[target[i]]
    return out


@kernel
def nodes_in_order(following: Index) -> Ints:
    """Return nodes, (n,) int32, each after all before it.

    Each of the n nodes passes on to one other, `following`, (n,) int64, or to none: -1.
    """
    receivers = np.empty(following.size, np.int32)
    for i in range(following.size):
        receivers[i] = following[i] if following[i] >= 0 else i
    # Water from thousands of places on the edge of a tile may leave it at one.
    return in_flow_order(receivers, np.zeros(following.size, np.int32))


@kernel
def pass_on(following: Index, flow: NDArray[np.float64]) -> None:
    """Add up flow, in place, along nodes that each pass on to one other.

    Parameters
    ----------
    following : array, (n,) int64
        The node that each passes on to, or -1 for none.
    flow : array, (n,) float64
        Changed in place: then also all that has come from the nodes before.
    """
    for i in nodes_in_order(following):
        j = following[i]
        if j >= 0:
            flow[j] += flow[i]


@dataclass(frozen=True)
class _Basin:
    """Receivers of a tile with a ring of one cell around it, whose cells keep what they get.

    `ring` is 1 outside the tile, `cells` holds flat indices of the whole grid.
    """

    receivers: Ints
    ring: NDArray[np.bool_]
    cells: Index

    def area(self, water: Floats) -> Floats:
        """Drainage area of the window (cells) where `water` enters the tile."""
        # Less the one that each cell counts: the ring brings no water of its own.
        return accumulate(self.receivers, np.where(self.ring, np.float32(-1.0), water))


def _basin(z: Plane, box: Box) -> _Basin:
    window = box.grown(1, z.shape)
    receivers = steepest_receivers(z.read(window))
    ring = np.ones(window.shape, bool)
    ring[box.within(window)] = False
    receivers[ring] = np.flatnonzero(ring)
    cells = np.add.outer(
        np.arange(window.top, window.bottom) * z.shape[1], np.arange(window.left, window.right)
    )
    return _Basin(receivers, ring, cells)


def _border(shape: tuple[int, int]) -> NDArray[np.bool_]:
    return edges(shape).astype(bool)


def accumulate_tiles(z: Plane, area: Plane, inflow: Inflow, tile: int, workers: int) -> None:
    """Drainage area (cells) of a grid of any size, as `drainage.accumulate` finds it.

    Each tile says how much of its own water goes where beyond its edge, and where water that
    enters at its edge leaves it; adding up along these ways gives what enters each tile
    (Barnes 2017).

    Parameters
    ----------
    z : Plane, float32
        Elevation (m).
    area : Plane, float32
        Receives the drainage area.
    inflow : Inflow
        From outside the grid.
    tile, workers : int
    """
    boxes, size = tiles(z.shape, tile), z.shape[0] * z.shape[1]

    def outline(number: int) -> tuple[Index, NDArray[np.float64], Index, Index]:
        """Outflows: node, amount. Edge of the tile: cell, node where its water goes, or -1."""
        box = boxes[number]
        basin = _basin(z, box)
        found = basin.area(_on_window(inflow, box, basin))
        leaves = basin.ring & (found > 0)
        edge = np.zeros(basin.ring.shape, bool)
        edge[box.within(box.grown(1, z.shape))] = _border(box.shape)
        end = _ends(basin.receivers)[edge.ravel()]
        # A node is a cell as one tile sees it: the tile's number times all cells, plus the cell.
        onward = np.where(basin.ring.ravel()[end], number * size + basin.cells.ravel()[end], -1)
        return (
            number * size + basin.cells[leaves], found[leaves].astype(np.float64),
            basin.cells[edge], onward,
        )  # fmt: skip

    parts = list(in_order(outline, range(len(boxes)), workers))
    node, flow, edge, onward = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = np.argsort(node)
    node, flow = node[rank], flow[rank]
    place = np.argsort(edge)
    following = onward[place][np.searchsorted(edge[place], node % size)]
    pass_on(np.where(following < 0, -1, np.searchsorted(node, following)), flow)
    row, col = np.divmod(node % size, z.shape[1])
    entering = Inflow(row, col, flow.astype(np.float32))

    def fill(box: Box) -> tuple[Box, Floats]:
        basin, window = _basin(z, box), box.grown(1, z.shape)
        water = _on_window(inflow, box, basin) + _on_window(entering, box, basin)
        return box, basin.area(water)[box.within(window)]

    for box, values in in_order(fill, boxes, workers):
        area.write(box, values)


def _on_window(inflow: Inflow, box: Box, basin: _Basin) -> Floats:
    """Water that enters a tile, on the tile with its ring."""
    out = np.zeros(basin.ring.shape, np.float32)
    out[~basin.ring] = inflow.on(box).ravel()
    return out


@kernel
def count_pits(z: Floats) -> int:
    """Count the cells within the edges of a terrain, (rows, cols), that have no lower neighbour."""
    found = 0
    for r in range(1, z.shape[0] - 1):
        for c in range(1, z.shape[1] - 1):
            low = False
            for k in range(8):
                if z[r + DR[k], c + DC[k]] < z[r, c]:
                    low = True
                    break
            if not low:
                found += 1
    return found


def drain(z: Plane, workers: int) -> None:
    """Raise what lies in pits, in place, until each cell within the edges has a lower neighbour.

    Pits are filled in small windows, then in windows that lie across the edges of those, and in
    ever wider ones while any pit is left.
    """
    side = SMALLEST_WINDOW
    for _ in range(ROUNDS):
        left = 0
        for shift in ((0, 0), (side // 2, side // 2), (0, side // 2), (side // 2, 0)):

            def fill(box: Box) -> int:
                window = box.grown(1, z.shape)
                # Most windows hold none, which is sooner seen than filled.
                found = count_pits(z.read(window))
                if found:
                    values = z.read(box)
                    fill_depressions(values, edges(box.shape), DROP)
                    z.write(box, values)
                return found

            left += sum(in_order(fill, tiles(z.shape, side, shift), workers))
        if left == 0:
            return
        side *= 2
    raise RuntimeError(f"{left} pits are left after {ROUNDS} rounds of filling")
