"""Mountains carved by rivers: uplift, stream-power incision and hillslopes, from coarse to fine.

The stream-power law dz/dt = U - K A^m S is solved implicitly from the outlets upwards (Braun and
Willett 2013), with the flow shared among all lower neighbours (Freeman 1991) and the nodes
displaced at random within their cells, so that valleys do not follow the axes of the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shakeslide.factors.kernel import inlined, kernel
from shakeslide.synthetic.drainage import (
    DC,
    DISTANCE,
    DR,
    accumulate,
    fill_depressions,
    steepest_receivers,
    upstream_order,
)
from shakeslide.synthetic.noise import Axis, Floats, gaussian_field, mix

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
WARP = 2.0
"""Standard deviation of the bending of valleys when a terrain is refined (cells)."""
MARGIN = 24
"""Cells around the map that are carved with it and cut off at the end."""
CREEP = 9.0
"""Diffusivity of hillslopes over uplift, D/U (m)."""
FLOODPLAIN_AREA = 6.0e6
"""Drainage area (m2) from which on a river lays a valley floor."""
SEDIMENT = 13.0
"""Depth of sediment (m) where the drainage area is e times as large."""
FLOOR_SLOPE = 0.015
"""Slope of a valley floor towards its river."""
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


@dataclass(frozen=True)
class Frame:
    """A regular grid by its cell size and the place of its first cell's centre (m, from centre)."""

    rows: int
    cols: int
    cell: float
    left: float
    top: float

    @property
    def x(self) -> Axis:
        """Coordinates of the columns (m)."""
        return self.left + self.cell * np.arange(self.cols)

    @property
    def y(self) -> Axis:
        """Coordinates of the rows (m), north first."""
        return self.top - self.cell * np.arange(self.rows)


@dataclass(frozen=True)
class Relief:
    """A finished terrain with a margin around the map, and what flows in from outside.

    Attributes
    ----------
    frame : Frame
    elevation : array
        Metres.
    inflow : array
        Cells that drain into each cell from outside the frame.
    inner : (slice, slice)
        The map within the frame.
    """

    frame: Frame
    elevation: Floats
    inflow: Floats
    inner: tuple[slice, slice]


@kernel
def _displacements(seed: int, rows: int, cols: int) -> Shifts:
    """Random displacement of each node by row and column, in 127ths of `JITTER` cells."""
    out = np.empty((rows, cols, 2), np.int8)
    for r in range(rows):
        for c in range(cols):
            bits = mix(np.uint64(seed) + np.uint64(r * cols + c))
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


@inlined
def _shares(z: Any, r: Any, c: Any, bits: Any, shift: Any, cells: Any, w: Any, d: Any) -> Any:
    """Lower neighbours (row and column), shares of the flow (slope^1.5), distances in cells."""
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
    d = np.empty(8, np.float32)
    for r in range(z.shape[0]):
        for c in range(cols):
            area[r, c] = np.float32(1.0) + inflow[r, c]
    for i in order:
        r = i // cols
        c = i - r * cols
        bits = lower[r, c]
        if bits:
            for n in range(_shares(z, r, c, bits, shift, cells, w, d)):
                area[cells[n, 0], cells[n, 1]] += w[n] * area[r, c]


@kernel
def _incise(
    z: Floats,
    old: Floats,
    lower: Mask,
    order: Order,
    area: Floats,
    ground: Floats,
    cell: float,
    step: float,
    shift: Shifts,
) -> None:
    """One implicit step of uplift and stream-power incision, in place, from the outlets up."""
    cols = np.int32(z.shape[1])
    cells = np.empty((8, 2), np.int64)
    w = np.empty(8, np.float32)
    d = np.empty(8, np.float32)
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
        count = _shares(old, r, c, bits, shift, cells, w, d)
        rate = pace * (area[r, c] + hillslope) ** power * ground[r, c, 0]
        steepest = ground[r, c, 2] * side
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


def _edges(shape: tuple[int, int]) -> Mask:
    fixed = np.zeros(shape, np.uint8)
    fixed[[0, -1], :] = 1
    fixed[:, [0, -1]] = 1
    return fixed


@dataclass(frozen=True)
class Ground:
    """What the erosion model needs to know of the ground, on one grid (all arrays alike)."""

    erodibility: Floats
    uplift: Floats
    steepest: Floats


def evolve(
    z: Floats,
    ground: Ground,
    cell: float,
    *,
    steps: int,
    step: float,
    creep: float,
    inflow: Floats,
    seed: int,
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
    steps, step : int, float
        Number of steps, and uplift within each (m).
    creep : float
        Hillslope diffusion within a step, D dt (m2).
    inflow : array (rows, cols)
        Cells that drain into the edge cells from outside.
    seed : int
        Of the displacement of nodes.
    """
    fixed = _edges(z.shape)
    fixed[inflow > 0] = 0
    z = z.copy()
    other = np.empty_like(z)
    lower = np.empty(z.shape, np.uint8)
    donors = np.empty(z.shape, np.uint8)
    order = np.empty(z.size, np.int32)
    area = np.empty_like(z)
    stacked = np.stack([ground.erodibility, ground.uplift, ground.steepest], axis=-1)
    shift = _displacements(seed, *z.shape)
    substeps = int(np.ceil(creep / cell**2 / 0.2))
    for _ in range(steps):
        _flow_order(z, fixed, lower, order, donors)
        _spread_area(z, lower, order, inflow, shift, area)
        other[:] = z
        _incise(z, other, lower, order, area, stacked, cell, step, shift)
        for _ in range(substeps):
            _creep(z, fixed, creep / cell**2 / substeps, other)
            z, other = other, z
        _restore_descent(z, lower, order)
    return z


@kernel
def _double(z: Floats, rows: int, cols: int) -> Floats:
    """Twice the resolution by quadratic B-spline subdivision (weights 9, 3, 3, 1)."""
    out = np.empty((rows, cols), np.float32)
    last_r, last_c = z.shape[0] - 1, z.shape[1] - 1
    for r in range(rows):
        a = min(r // 2, last_r)
        b = min(max(a + (1 if r % 2 else -1), 0), last_r)
        for c in range(cols):
            p = min(c // 2, last_c)
            q = min(max(p + (1 if c % 2 else -1), 0), last_c)
            out[r, c] = (9.0 * z[a, p] + 3.0 * (z[b, p] + z[a, q]) + z[b, q]) / 16.0
    return out


def _warp(z: Floats, seed: tuple[int, ...]) -> Floats:
    """Bend a terrain by about a cell and a half of the coarser grid, not at its edges."""
    rows, cols = z.shape
    r, c = np.arange(float(rows)), np.arange(float(cols))
    taper = np.minimum.outer(np.minimum(r, rows - 1 - r), np.minimum(c, cols - 1 - c)) / 12.0
    taper = WARP * np.clip(taper, 0.0, 1.0)
    shift_r = taper * gaussian_field((*seed, 1), c, r, [5.0, 12.0])
    shift_c = taper * gaussian_field((*seed, 2), c, r, [5.0, 12.0])
    places = np.array([r[:, None] + shift_r, c[None, :] + shift_c])
    bent: Floats = map_coordinates(z, places, order=1, mode="nearest")
    return bent


def _inherit_inflow(z: Floats, inflow: Floats, box: tuple[int, int, int, int]) -> Floats:
    """Water (in cells of half the size) that enters a window of a coarse terrain, at double size.

    `box` is (row, col, rows, cols) of the window in coarse cells.
    """
    receivers = steepest_receivers(z)
    area = accumulate(receivers, inflow)
    row, col, rows, cols = box
    inside = np.zeros(z.shape, bool)
    inside[row : row + rows, col : col + cols] = True
    flat = inside.ravel()
    target = receivers.ravel()
    enters = ~flat & flat[target] & (area.ravel() > 16)
    out = np.zeros((2 * rows, 2 * cols), np.float32)
    fine = _double(z[row : row + rows, col : col + cols], 2 * rows, 2 * cols)
    for source in np.flatnonzero(enters):
        r, c = divmod(int(target[source]), z.shape[1])
        r, c = 2 * (r - row), 2 * (c - col)
        candidates = [
            (fine[i, j], i, j)
            for i in (r, r + 1)
            for j in (c, c + 1)
            if i in (0, 2 * rows - 1) or j in (0, 2 * cols - 1)
        ]
        _, i, j = min(candidates)
        out[i, j] += 4.0 * area.ravel()[source]
    return out


@dataclass(frozen=True)
class Level:
    """A grid of the cascade and the window (row, col, rows, cols) the next finer one refines."""

    frame: Frame
    window: tuple[int, int, int, int]


def cascade(rows: int, cols: int, cell: float) -> list[Level]:
    """Grids from coarse to fine; the last holds the map with a margin, each holds the next.

    The coarsest has at most about 300 cells a side beside its margin, or is the only one.
    """
    height, width = rows + 2 * MARGIN + rows % 2, cols + 2 * MARGIN + cols % 2
    left, top = -0.5 * (cols - 1) * cell - MARGIN * cell, 0.5 * (rows - 1) * cell + MARGIN * cell
    levels = [Level(Frame(height, width, cell, left, top), (MARGIN, MARGIN, rows, cols))]
    while True:
        window = (height // 2, width // 2)
        last = max(window) <= 300
        extra = max(MARGIN, max(window) // 5) if last else MARGIN
        extra += extra % 2
        left, top, cell = left + 0.5 * cell, top - 0.5 * cell, 2.0 * cell
        left, top = left - extra * cell, top + extra * cell
        height, width = window[0] + 2 * extra, window[1] + 2 * extra
        box = (extra, extra, *window)
        height, width = height + height % 2, width + width % 2
        levels.append(Level(Frame(height, width, cell, left, top), box))
        if last:
            return levels[::-1]


@kernel
def lay_floodplains(z: Floats, receivers: Order, area: Floats, cell: float) -> None:
    """Fill the valleys of larger rivers with sediment, in place; everything still drains.

    Rivers rise by a depth that grows with their drainage area; what drains into them directly
    rises to a floor that slopes gently towards them.

    Parameters
    ----------
    z : array (rows, cols)
        Elevation (m), without pits.
    receivers, area : array (rows, cols)
        Of steepest descent on `z`; drainage area (cells).
    cell : float
        Cell size (m).
    """
    cols = z.shape[1]
    flat = z.reshape(-1)
    target = receivers.reshape(-1)
    drained = area.reshape(-1)
    order = upstream_order(receivers)
    floor = np.full(z.size, -np.inf, np.float32)
    least = FLOODPLAIN_AREA / (cell * cell)
    for n in range(order.size - 1, -1, -1):
        i = order[n]
        j = target[i]
        if drained[i] >= least:
            depth = min(SEDIMENT * np.log(drained[i] / least), 3.5 * SEDIMENT)
            floor[i] = flat[i] + depth
            if j != i:
                floor[i] = max(floor[i], floor[j] + DROP)
        elif j != i:
            diagonal = (i // cols != j // cols) and (i % cols != j % cols)
            floor[i] = floor[j] + FLOOR_SLOPE * cell * DISTANCE[1 if diagonal else 0]
        flat[i] = max(flat[i], floor[i])


def make_relief(
    rows: int,
    cols: int,
    cell: float,
    ground: Callable[[Frame], Ground],
    regional: Callable[[Frame], Floats],
    seed: int,
) -> Relief:
    """Carve a terrain on ever finer grids.

    Parameters
    ----------
    rows, cols, cell : int, int, float
        Size of the map and of a cell (m).
    ground : callable
        Gives the ground on any frame.
    regional : callable
        Gives the smooth heights (m) from which the landscape starts and which its far edges keep.
    seed : int

    Returns
    -------
    Relief
        With a margin of `MARGIN` cells; every cell that is not on the edge has a lower neighbour.
    """
    z = inflow = None
    levels = cascade(rows, cols, cell)
    for k, level in enumerate(levels):
        frame = level.frame
        rough = gaussian_field((seed, 17, k), frame.x, frame.y, [1.5 * frame.cell, 4 * frame.cell])
        if z is None or inflow is None:
            wide = gaussian_field((seed, 18), frame.x, frame.y, [3 * frame.cell, 8 * frame.cell])
            start = regional(frame) + np.float32(60.0) * rough + np.float32(60.0) * wide
            inflow = np.zeros(start.shape, np.float32)
            steps, step = 120, 60.0
        else:
            parent = levels[k - 1]
            row, col, height, width = parent.window
            inflow = _inherit_inflow(z, inflow, parent.window)
            start = _double(z[row : row + height, col : col + width], *inflow.shape)
            if k < len(levels) - 1:
                start = _warp(start, (seed, 31, k))
            start += np.float32(0.08 * frame.cell) * rough
            steps, step = (9, 30.0) if k < len(levels) - 1 else (5, 25.0)
        fill_depressions(start, _edges(start.shape), DROP)
        z = evolve(
            start, ground(frame), frame.cell, steps=steps, step=step, creep=CREEP * step,
            inflow=inflow, seed=100 * seed + k,
        )  # fmt: skip
    assert z is not None
    assert inflow is not None
    receivers = steepest_receivers(z)
    lay_floodplains(z, receivers, accumulate(receivers, inflow), cell)
    row, col, height, width = levels[-1].window
    inner = (slice(row, row + height), slice(col, col + width))
    return Relief(levels[-1].frame, z, inflow, inner)
