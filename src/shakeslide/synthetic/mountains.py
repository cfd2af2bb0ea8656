"""Mountains carved by rivers: uplift, stream-power incision and hillslopes on one grid.

The stream-power law dz/dt = U - K A^m S is solved implicitly from the outlets upwards (Braun and
Willett 2013), with the flow shared among all lower neighbours (Freeman 1991) and the nodes
displaced at random within their cells, so that valleys do not follow the axes of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import inlined, kernel
from shakeslide.synthetic.drainage import DC, DR
from shakeslide.synthetic.noise import Floats, mix

Order = NDArray[np.int32]
Mask = NDArray[np.uint8]
Shifts = NDArray[np.int8]

CONCAVITY = 0.45
"""Exponent m of the drainage area; 0.45 is the usual concavity of mountain rivers."""
STEEPNESS = 70.0
"""Uplift over erodibility, U/K (m^0.9): slope 0.14 where 1 km2 drains, 0.018 for 100 km2."""
HILLSLOPE_AREA = 3.2e4
"""Area (m2) added to the drained one: hillslopes above channel heads wear down evenly."""
JITTER = 0.32
"""Farthest displacement of a node from its cell's centre (cells)."""
DROP = 0.01
"""Least fall between neighbours along a river (m): the finest that float32 holds safely."""


def _neighbour_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each byte, how many bits are set and which."""
    which = np.zeros((256, 8), np.int64)
    count = np.zeros(256, np.int64)
    for bits in range(256):
        found = [k for k in range(8) if bits >> k & 1]
        count[bits] = len(found)
        which[bits, : len(found)] = found
    return count, which


COUNT, WHICH = _neighbour_table()


@kernel
def _displacements(seed: int, rows: int, cols: int, first: int, width: int) -> Shifts:
    """Random displacement of each node by row and column, in 127ths of `JITTER` cells.

    The window's first node is the level's node `first`; the level is `width` nodes wide.
    """
    out = np.empty((rows, cols, 2), np.int8)
    for r in range(rows):
        for c in range(cols):
            bits = mix(np.uint64(seed) + np.uint64(first + r * width + c))
            out[r, c, 0] = np.int64(bits % np.uint64(255)) - 127
            out[r, c, 1] = np.int64((bits >> np.uint64(32)) % np.uint64(255)) - 127
    return out


@kernel
def _flow_order(z: Floats, fixed: Mask, lower: Mask, order: Order, donors: Mask) -> int:
    """Order all cells so that each comes after everything that drains into it.

    `lower` receives the neighbours below each cell as bits, `donors` is scratch.
    """
    rows, cols = z.shape
    donors[:] = 0
    for r in range(rows):
        for c in range(cols):
            bits = 0
            if fixed[r, c] == 0:
                for k in range(8):
                    rr = r + DR[k]
                    cc = c + DC[k]
                    if 0 <= rr < rows and 0 <= cc < cols and z[rr, cc] < z[r, c]:
                        bits |= 1 << k
                        donors[rr, cc] += 1
            lower[r, c] = bits
    n = 0
    for r in range(rows):
        for c in range(cols):
            if donors[r, c] == 0:
                order[n] = r * cols + c
                n += 1
    head = 0
    while head < n:
        r, c = divmod(order[head], cols)
        head += 1
        for k in range(8):
            if lower[r, c] >> k & 1:
                rr = r + DR[k]
                cc = c + DC[k]
                donors[rr, cc] -= 1
                if donors[rr, cc] == 0:
                    order[n] = rr * cols + cc
                    n += 1
    return n


class _Receivers(NamedTuple):
    """Scratch for the lower neighbours of a cell: row and column, share of the flow, distance."""

    cells: Any
    share: Any
    distance: Any


class _Flow(NamedTuple):
    """Where water runs: lower neighbours as bits, cells in order, cells drained, nodes' shifts."""

    lower: Any
    order: Any
    area: Any
    shift: Any


@inlined
def _shares(z: Any, r: Any, c: Any, bits: Any, shift: Any, out: _Receivers) -> Any:
    """Lower neighbours (row and column), shares of the flow (slope^1.5), distances in cells."""
    cells, w, d = out
    unit = np.float32(JITTER / 127.0)
    total = np.float32(0.0)
    here = z[r, c]
    row, col = shift[r, c, 0], shift[r, c, 1]
    count = COUNT[bits]
    for n in range(count):
        k = WHICH[bits, n]
        rr = r + DR[k]
        cc = c + DC[k]
        cells[n, 0] = rr
        cells[n, 1] = cc
        dr = np.float32(DR[k]) + unit * np.float32(shift[rr, cc, 0] - row)
        dc = np.float32(DC[k]) + unit * np.float32(shift[rr, cc, 1] - col)
        d[n] = np.sqrt(dr * dr + dc * dc)
        slope = (here - z[rr, cc]) / d[n]
        # slope^1.5 without the slow power.
        w[n] = slope * np.sqrt(slope)
        total += w[n]
    scale = np.float32(1.0) / total
    for n in range(count):
        w[n] *= scale
    return count


@kernel
def _spread_area(
    z: Floats, lower: Mask, order: Order, inflow: Floats, shift: Shifts, area: Floats
) -> None:
    """Drainage area (cells), shared among all lower neighbours."""
    cols = np.int32(z.shape[1])
    cells = np.empty((8, 2), np.int64)
    w = np.empty(8, np.float32)
    receivers = _Receivers(cells, w, np.empty(8, np.float32))
    for r in range(z.shape[0]):
        for c in range(cols):
            area[r, c] = np.float32(1.0) + inflow[r, c]
    for i in order:
        r = i // cols
        c = i - r * cols
        bits = lower[r, c]
        if bits:
            for n in range(_shares(z, r, c, bits, shift, receivers)):
                area[cells[n, 0], cells[n, 1]] += w[n] * area[r, c]


@kernel
def _incise(z: Floats, old: Floats, flow: _Flow, ground: Floats, cell: float, step: float) -> None:
    """One implicit step of uplift and stream-power incision, in place, from the outlets up."""
    lower, order, area, shift = flow
    cols = np.int32(z.shape[1])
    cells = np.empty((8, 2), np.int64)
    w = np.empty(8, np.float32)
    d = np.empty(8, np.float32)
    receivers = _Receivers(cells, w, d)
    hillslope = np.float32(HILLSLOPE_AREA / (cell * cell))
    pace = np.float32((cell * cell) ** CONCAVITY / STEEPNESS * step / cell)
    power = np.float32(CONCAVITY)
    side = np.float32(cell)
    time = np.float32(step)
    for m in range(order.size - 1, -1, -1):
        r = order[m] // cols
        c = order[m] - r * cols
        bits = lower[r, c]
        if bits == 0:
            continue
        count = _shares(old, r, c, bits, shift, receivers)
        rate = pace * (area[r, c] + hillslope) ** power * ground[r, c, 0]
        steepest = ground[r, c, 2] * side
        # Implicit: z = (old + U dt + Σ f z_below) / (1 + Σ f), heights below being new already.
        total = np.float32(1.0)
        height = old[r, c] + ground[r, c, 1] * time
        limit = np.float32(0.0)
        least = np.float32(np.inf)
        for n in range(count):
            below = z[cells[n, 0], cells[n, 1]]
            f = rate * w[n] / d[n]
            total += f
            height += f * below
            limit += w[n] * (below + steepest * d[n])
            least = min(least, below)
        # Neither steeper than stable slopes nor below what it drains into.
        z[r, c] = max(min(height / total, limit), least + np.float32(DROP))


@kernel
def _creep(z: Floats, fixed: Mask, amount: float, out: Floats) -> None:
    """One explicit step of hillslope diffusion (amount = D dt / cell^2, stable below 0.25)."""
    rows, cols = z.shape
    for r in range(rows):
        for c in range(cols):
            if r == 0 or c == 0 or r == rows - 1 or c == cols - 1 or fixed[r, c]:
                out[r, c] = z[r, c]
                continue
            sides = z[r - 1, c] + z[r + 1, c] + z[r, c - 1] + z[r, c + 1]
            corners = z[r - 1, c - 1] + z[r - 1, c + 1] + z[r + 1, c - 1] + z[r + 1, c + 1]
            # The nine-point Laplacian, which spreads alike in all directions.
            out[r, c] = z[r, c] + amount * ((2.0 * sides + 0.5 * corners - 10.0 * z[r, c]) / 3.0)


@kernel
def _restore_descent(z: Floats, lower: Mask, order: Order) -> None:
    """Raise cells that smoothing has turned into pits just above their lowest old receiver."""
    cols = np.int32(z.shape[1])
    for m in range(order.size - 1, -1, -1):
        r = order[m] // cols
        c = order[m] - r * cols
        bits = lower[r, c]
        if bits:
            least = np.float32(np.inf)
            for n in range(COUNT[bits]):
                k = WHICH[bits, n]
                least = min(least, z[r + DR[k], c + DC[k]])
            z[r, c] = max(z[r, c], least + np.float32(DROP))


def edges(shape: tuple[int, int]) -> Mask:
    """Return 1 on the edge of a grid, 0 within, (rows, cols) uint8."""
    fixed = np.zeros(shape, np.uint8)
    fixed[[0, -1], :] = 1
    fixed[:, [0, -1]] = 1
    return fixed


@dataclass(frozen=True)
class Place:
    """Where a window lies in its level: its first row and column, the level's width (cells)."""

    row: int
    col: int
    width: int


@dataclass(frozen=True)
class Ground:
    """What the erosion model needs of the ground: arrays (rows, cols) float32 on one grid."""

    erodibility: Floats
    uplift: Floats
    steepest: Floats


@dataclass(frozen=True)
class Erosion:
    """How long a terrain evolves: steps, uplift in each (m), hillslope diffusion in each (m2)."""

    steps: int
    step: float
    creep: float


def evolve(
    z: Floats,
    ground: Ground,
    cell: float,
    *,
    erosion: Erosion,
    inflow: Floats,
    seed: int,
    place: Place | None = None,
) -> Floats:
    """Let a terrain evolve for some implicit steps; no cell within the edges ends as a pit.

    Parameters
    ----------
    z : array (rows, cols)
        Start, without pits. Edge cells keep their height and are outlets, unless water enters.
    ground : Ground
        Erodibility and uplift relative to their means, steepest stable slope (tangent).
    cell : float
        Cell size (m).
    erosion : Erosion
        For how long, and how.
    inflow : array (rows, cols)
        Cells that drain into the edge cells from outside.
    seed : int
        Of the displacement of nodes.
    place : Place, optional
        Where the grid lies in its level, if it is but a window of it.

    Returns
    -------
    array (rows, cols), float32
        Elevation (m).
    """
    fixed = edges(z.shape)
    # Where water enters is no outlet.
    fixed[inflow > 0] = 0
    z = z.copy()
    other = np.empty_like(z)
    lower = np.empty(z.shape, np.uint8)
    donors = np.empty(z.shape, np.uint8)
    order = np.empty(z.size, np.int32)
    area = np.empty_like(z)
    stacked = np.stack([ground.erodibility, ground.uplift, ground.steepest], axis=-1)
    place = place or Place(0, 0, z.shape[1])
    first = place.row * place.width + place.col
    shift = _displacements(seed, z.shape[0], z.shape[1], first, place.width)
    # Well below the limit of stability, 0.25.
    creep = erosion.creep
    substeps = int(np.ceil(creep / cell**2 / 0.2))
    for _ in range(erosion.steps):
        _flow_order(z, fixed, lower, order, donors)
        _spread_area(z, lower, order, inflow, shift, area)
        other[:] = z
        _incise(z, other, _Flow(lower, order, area, shift), stacked, cell, erosion.step)
        for _ in range(substeps):
            _creep(z, fixed, creep / cell**2 / substeps, other)
            z, other = other, z
        _restore_descent(z, lower, order)
    return z
