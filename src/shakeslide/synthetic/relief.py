"""Terrain carved on ever finer grids, each a window of the coarser one's doubled resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from shakeslide.core.compiled import kernel
from shakeslide.synthetic.drainage import (
    DISTANCE,
    Ints,
    accumulate,
    fill_depressions,
    steepest_receivers,
    upstream_order,
)
from shakeslide.synthetic.mountains import DROP, Erosion, Ground, Place, edges, evolve
from shakeslide.synthetic.noise import Axis, Floats, gaussian_field

WARP = 2.0
"""Standard deviation of the bending of valleys when a terrain is refined (cells)."""
MARGIN = 24
"""Cells around the map that are carved with it and cut off at the end."""
CREEP = 9.0
"""Diffusivity of hillslopes over uplift, D/U (m)."""
STEPS = 120
"""Steps of erosion of the first level."""
FLOODPLAIN_AREA = 6.0e6
"""Drainage area (m2) from which on a river lays a valley floor."""
SEDIMENT = 13.0
"""Depth of sediment (m) where the drainage area is e times as large."""
FLOOR_SLOPE = 0.015
"""Slope of a valley floor towards its river."""


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
        """Coordinates of the columns (m), (cols,)."""
        return self.left + self.cell * np.arange(self.cols)

    @property
    def y(self) -> Axis:
        """Coordinates of the rows (m), (rows,), north first."""
        return self.top - self.cell * np.arange(self.rows)


@dataclass(frozen=True)
class Relief:
    """A finished terrain with a margin around the map, and what flows in from outside.

    Attributes
    ----------
    frame : Frame
    elevation : array, (rows, cols) float32
        Metres.
    inflow : array, (rows, cols) float32
        Cells that drain into each cell from outside the frame.
    inner : (slice, slice)
        The map within the frame.
    """

    frame: Frame
    elevation: Floats
    inflow: Floats
    inner: tuple[slice, slice]


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


def _warp(z: Floats, seed: tuple[int, ...], place: Place) -> Floats:
    """Bend a terrain by about a cell and a half of the coarser grid, not at its edges."""
    rows, cols = z.shape
    r, c = np.arange(float(rows)), np.arange(float(cols))
    taper = np.minimum.outer(np.minimum(r, rows - 1 - r), np.minimum(c, cols - 1 - c)) / 12.0
    taper = WARP * np.clip(taper, 0.0, 1.0)
    across, down = place.col + c, place.row + r
    shift_r = taper * gaussian_field((*seed, 1), across, down, [5.0, 12.0])
    shift_c = taper * gaussian_field((*seed, 2), across, down, [5.0, 12.0])
    places = np.array([r[:, None] + shift_r, c[None, :] + shift_c])
    bent: Floats = map_coordinates(z, places, order=1, mode="nearest")
    return bent


@dataclass(frozen=True)
class Water:
    """Water that enters a grid at n cells.

    Attributes
    ----------
    row, col : array, (n,) int32
        The cells.
    cells : array, (n,) float32
        Amounts (cells of the grid).
    source : array, (n,) int32
        Flat indices of the cells of the coarser grid that the water leaves.
    """

    row: Ints
    col: Ints
    cells: Floats
    source: Ints

    def on(self, shape: tuple[int, int]) -> Floats:
        """Return the amounts (cells) on a grid, (rows, cols) float32, 0 where none enters."""
        out = np.zeros(shape, np.float32)
        np.add.at(out, (self.row, self.col), self.cells)
        return out


def entering(z: Floats, area: Floats, box: tuple[int, int, int, int]) -> Water:
    """Return the water that enters a window of a coarse terrain, on cells of half the size.

    Parameters
    ----------
    z, area : array, (rows, cols) float32
        Elevation (m) and drainage area (cells) of the coarse terrain.
    box : (int, int, int, int)
        Row, column, rows and columns of the window in coarse cells.

    Returns
    -------
    Water
        Amounts in cells of half the size.
    """
    target = steepest_receivers(z).ravel()
    row, col, rows, cols = box
    inside = np.zeros(z.shape, bool)
    inside[row : row + rows, col : col + cols] = True
    flat = inside.ravel()
    enters = np.flatnonzero(~flat & flat[target] & (area.ravel() > 16)).astype(np.int32)
    places = np.empty((enters.size, 2), np.int32)
    fine = _double(z[row : row + rows, col : col + cols], 2 * rows, 2 * cols)
    for n, source in enumerate(enters):
        r, c = divmod(int(target[source]), z.shape[1])
        r, c = 2 * (r - row), 2 * (c - col)
        candidates = [
            (fine[i, j], i, j)
            for i in (r, r + 1)
            for j in (c, c + 1)
            # Water enters at the window's edge.
            if i in (0, 2 * rows - 1) or j in (0, 2 * cols - 1)
        ]
        places[n] = min(candidates)[1:]
    # A coarse cell is four fine ones.
    amounts = np.float32(4.0) * area.ravel()[enters]
    return Water(places[:, 0], places[:, 1], amounts, enters)


@dataclass(frozen=True)
class Level:
    """A grid of the cascade and the window (row, col, rows, cols) the next finer one refines."""

    frame: Frame
    window: tuple[int, int, int, int]


def cascade(rows: int, cols: int, cell: float) -> list[Level]:
    """Grids from coarse to fine; the last holds the map with a margin, each holds the next.

    The coarsest has at most about 300 cells a side beside its margin, or is the only one.
    """
    # Even numbers, which the coarser grid halves.
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
def lay_floodplains(z: Floats, receivers: Ints, area: Floats, cell: float) -> None:
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


@dataclass(frozen=True)
class Stage:
    """Number of a level in its cascade, and whether it is the finest."""

    number: int
    last: bool


def refine(
    coarse: Floats,
    inflow: Floats,
    frame: Frame,
    ground: Ground,
    *,
    stage: Stage,
    seed: int,
    place: Place | None = None,
) -> Floats:
    """Carve a terrain at double the resolution, in meanders and with fresh small valleys.

    Parameters
    ----------
    coarse : array (rows / 2, cols / 2)
        Elevation (m) without pits.
    inflow : array (rows, cols)
        Cells that drain into the edge cells from outside.
    frame : Frame
    ground : Ground
    stage : Stage
        Which level of the cascade it is.
    seed : int
    place : Place, optional
        Where the grid lies in its level, if it is but a window of it.

    Returns
    -------
    array (rows, cols), float32
        Elevation (m) without pits.
    """
    place = place or Place(0, 0, frame.cols)
    rough = gaussian_field(
        (seed, 17, stage.number), frame.x, frame.y, [1.5 * frame.cell, 4 * frame.cell]
    )
    start = _double(coarse, *inflow.shape)
    if not stage.last:
        start = _warp(start, (seed, 31, stage.number), place)
    start += np.float32(0.08 * frame.cell) * rough
    fill_depressions(start, edges(start.shape), DROP)
    steps, step = (5, 25.0) if stage.last else (9, 30.0)
    erosion = Erosion(steps, step, CREEP * step)
    seed = 100 * seed + stage.number
    return evolve(start, ground, frame.cell, erosion=erosion, inflow=inflow, seed=seed, place=place)


def _coarsest(
    frame: Frame, ground: Ground, regional: Callable[[Frame], Floats], seed: int
) -> Floats:
    """Terrain of the first level, from regional heights and chance."""
    x, y, cell = frame.x, frame.y, frame.cell
    rough = gaussian_field((seed, 17, 0), x, y, [1.5 * cell, 4 * cell])
    wide = gaussian_field((seed, 18), x, y, [3 * cell, 8 * cell])
    start = regional(frame) + np.float32(60.0) * rough + np.float32(60.0) * wide
    fill_depressions(start, edges(start.shape), DROP)
    erosion = Erosion(STEPS, 60.0, CREEP * 60.0)
    still = np.zeros(start.shape, np.float32)
    return evolve(start, ground, cell, erosion=erosion, inflow=still, seed=100 * seed)


def carve(
    levels: list[Level],
    count: int,
    ground: Callable[[Frame], Ground],
    regional: Callable[[Frame], Floats],
    seed: int,
) -> tuple[Floats, Floats]:
    """Carve the first `count` levels of a cascade.

    Returns
    -------
    elevation, inflow : array (rows, cols)
        Of the last level carved: metres, and cells that drain into each cell from outside.
    """
    z = _coarsest(levels[0].frame, ground(levels[0].frame), regional, seed)
    inflow = np.zeros(z.shape, np.float32)
    for k in range(1, count):
        frame, window = levels[k].frame, levels[k - 1].window
        row, col, rows, cols = window
        area = accumulate(steepest_receivers(z), inflow)
        inflow = entering(z, area, window).on((2 * rows, 2 * cols))
        z = refine(
            z[row : row + rows, col : col + cols], inflow, frame, ground(frame),
            stage=Stage(k, last=k == len(levels) - 1), seed=seed,
        )  # fmt: skip
    return z, inflow


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
    levels = cascade(rows, cols, cell)
    z, inflow = carve(levels, len(levels), ground, regional, seed)
    receivers = steepest_receivers(z)
    lay_floodplains(z, receivers, accumulate(receivers, inflow), cell)
    row, col, height, width = levels[-1].window
    inner = (slice(row, row + height), slice(col, col + width))
    return Relief(levels[-1].frame, z, inflow, inner)
