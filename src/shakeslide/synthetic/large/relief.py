"""Terrain of any size: coarse levels carved whole, finer ones tile by tile and joined.

Tiles of a level overlap. All start from the same coarser terrain, the same chance and the same
water, so that they differ little where they overlap; there one fades into the other, and pits
that this makes are filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shakeslide.progress import Reporter
from shakeslide.synthetic.drainage import accumulate, steepest_receivers
from shakeslide.synthetic.large.drainage import Inflow, accumulate_tiles, drain
from shakeslide.synthetic.large.planes import Box, Plane, in_order, tiles
from shakeslide.synthetic.noise import Floats
from shakeslide.synthetic.relief import (
    Frame,
    Level,
    carve,
    cascade,
    entering,
    lay_floodplains,
    refine,
)
from shakeslide.synthetic.terrain import Ground, Place

HALO = 256
"""Cells beyond a tile that are carved with it."""
FADE = 128
"""Cells on either side of a tile's edge over which it fades into the next."""


@dataclass(frozen=True)
class Terrain:
    """A terrain in files.

    Attributes
    ----------
    frame : Frame
    elevation : Plane
        Metres.
    area : Plane
        Drainage area (cells).
    inflow : Inflow
        Water from outside the frame.
    inner : Box
        The map within the frame.
    """

    frame: Frame
    elevation: Plane
    area: Plane
    inflow: Inflow
    inner: Box


def _ramp(start: int, stop: int, low: int, high: int, size: int) -> Floats:
    """Weights of the cells from `low` up to `high` for a tile from `start` up to `stop`."""
    cells = np.arange(low, high) + 0.5

    def rise(edge: int) -> Floats:
        return np.clip((cells - (edge - FADE)) / (2 * FADE), 0.0, 1.0).astype(np.float32)

    up = rise(start) if start > 0 else np.ones(high - low, np.float32)
    return up - rise(stop) if stop < size else up


def fade(box: Box, window: Box, shape: tuple[int, int]) -> Floats:
    """Weights of a tile on the window around it; those of all tiles sum to 1 everywhere."""
    rows = _ramp(box.top, box.bottom, window.top, window.bottom, shape[0])
    return np.outer(rows, _ramp(box.left, box.right, window.left, window.right, shape[1]))


def _within(box: Box, frame: Frame) -> Frame:
    left, top = frame.left + box.left * frame.cell, frame.top - box.top * frame.cell
    return Frame(*box.shape, frame.cell, left, top)


def _doubled(
    coarse: Terrain,
    level: Level,
    number: int,
    last: bool,
    folder: Path,
    ground: Callable[[Frame], Ground],
    seed: int,
    tile: int,
    workers: int,
    reporter: Reporter,
) -> Terrain:
    """Carve the next finer level of a terrain."""
    shape, outer = (level.frame.rows, level.frame.cols), coarse.inner

    def work(box: Box) -> tuple[Box, Floats, Inflow]:
        window = box.grown(HALO, shape)
        half = Box(*(np.array([window.top, window.left, window.bottom, window.right]) // 2))
        source = Box(
            outer.top + half.top, outer.left + half.left,
            outer.top + half.bottom, outer.left + half.right,
        )  # fmt: skip
        wide = source.grown(2, coarse.elevation.shape)
        z, area = coarse.elevation.read(wide), coarse.area.read(wide)
        inside = source.within(wide)
        corner = (inside[0].start, inside[1].start)
        water = entering(z, area, (*corner, *source.shape))
        frame = _within(window, level.frame)
        fine = refine(
            z[inside], water.on(window.shape), frame, ground(frame), level=number, last=last,
            seed=seed, place=Place(window.top, window.left, shape[1]),
        )  # fmt: skip
        row, col = np.divmod(water.source.astype(np.int64), wide.shape[1])
        row, col = row + wide.top, col + wide.left
        beyond = (row < outer.top) | (row >= outer.bottom)
        beyond |= (col < outer.left) | (col >= outer.right)
        row, col = water.row.astype(np.int64) + window.top, water.col + np.int64(window.left)
        beyond &= (row >= box.top) & (row < box.bottom) & (col >= box.left) & (col < box.right)
        joined = box.grown(FADE, shape)
        part = fade(box, joined, shape) * fine[joined.within(window)]
        return joined, part, Inflow(row[beyond], col[beyond], water.cells[beyond])

    elevation = Plane(folder / f"elevation{number}", shape, np.float32)
    flows, boxes = [], tiles(shape, tile)
    with reporter.task(f"Terrain, {level.frame.cell:g} m", len(boxes)) as advance:
        for joined, part, inflow in in_order(work, boxes, workers):
            elevation.write(joined, elevation.read(joined) + part)
            flows.append(inflow)
            advance(1)
    coarse.elevation.delete()
    coarse.area.delete()
    inflow = Inflow(
        np.concatenate([f.row for f in flows]),
        np.concatenate([f.col for f in flows]),
        np.concatenate([f.cells for f in flows]),
    )
    drain(elevation, workers)
    area = Plane(folder / f"area{number}", shape, np.float32)
    accumulate_tiles(elevation, area, inflow, tile, workers)
    return Terrain(level.frame, elevation, area, inflow, _window(level))


def _window(level: Level) -> Box:
    row, col, rows, cols = level.window
    return Box(row, col, row + rows, col + cols)


def _whole(
    levels: list[Level],
    count: int,
    folder: Path,
    ground: Callable[[Frame], Ground],
    regional: Callable[[Frame], Floats],
    seed: int,
) -> Terrain:
    """Carve the first levels in memory."""
    z, inflow = carve(levels, count, ground, regional, seed)
    everything = Box(0, 0, *z.shape)
    elevation, area = (Plane(folder / name, z.shape, np.float32) for name in ("coarse", "drained"))
    elevation.write(everything, z)
    area.write(everything, accumulate(steepest_receivers(z), inflow))
    row, col = np.nonzero(inflow)
    level = levels[count - 1]
    return Terrain(level.frame, elevation, area, Inflow(row, col, inflow[row, col]), _window(level))


def make_terrain(
    rows: int,
    cols: int,
    cell: float,
    ground: Callable[[Frame], Ground],
    regional: Callable[[Frame], Floats],
    seed: int,
    *,
    folder: Path,
    tile: int,
    whole: int,
    workers: int,
    reporter: Reporter,
) -> Terrain:
    """Carve a terrain on ever finer grids, as `relief.make_relief` does, of any size.

    Parameters
    ----------
    rows, cols, cell : int, int, float
        Size of the map and of a cell (m).
    ground, regional : callable
        As for `relief.make_relief`.
    seed : int
    folder : Path
        For the files.
    tile : int
        Cells a side of a tile, even.
    whole : int
        Levels with at most the square of so many cells are carved in memory.
    workers : int
        Tiles worked on at a time.
    reporter : Reporter
        Shows progress.

    Returns
    -------
    Terrain
        Every cell that is not on the frame's edge has a lower neighbour.
    """
    levels = cascade(rows, cols, cell)
    fits = [level.frame.rows * level.frame.cols <= whole**2 for level in levels]
    count = max(sum(fits), 1)
    reporter.say(f"Carving the terrain from cells of {levels[0].frame.cell:g} m ...")
    terrain = _whole(levels, count, folder, ground, regional, seed)
    for k in range(count, len(levels)):
        terrain = _doubled(
            terrain, levels[k], k, k == len(levels) - 1, folder, ground, seed, tile, workers,
            reporter,
        )  # fmt: skip
    return _with_floodplains(terrain, folder, tile, workers)


def _with_floodplains(terrain: Terrain, folder: Path, tile: int, workers: int) -> Terrain:
    shape, cell = terrain.elevation.shape, terrain.frame.cell

    def work(box: Box) -> tuple[Box, Floats]:
        window = box.grown(HALO, shape)
        z = terrain.elevation.read(window)
        lay_floodplains(z, steepest_receivers(z), terrain.area.read(window), cell)
        return box, z[box.within(window)]

    elevation = Plane(folder / "elevation", shape, np.float32)
    for box, z in in_order(work, tiles(shape, tile), workers):
        elevation.write(box, z)
    terrain.elevation.delete()
    drain(elevation, workers)
    return Terrain(terrain.frame, elevation, terrain.area, terrain.inflow, terrain.inner)
