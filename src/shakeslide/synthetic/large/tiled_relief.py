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

from shakeslide.core.progress import Reporter
from shakeslide.synthetic.drainage import accumulate, steepest_receivers
from shakeslide.synthetic.large.journal import Journal
from shakeslide.synthetic.large.planes import Box, Plane, in_order, tiles
from shakeslide.synthetic.large.tiled_drainage import Inflow, accumulate_tiles, drain
from shakeslide.synthetic.mountains import Ground, Place
from shakeslide.synthetic.noise import Floats
from shakeslide.synthetic.relief import (
    Frame,
    Level,
    Stage,
    carve,
    cascade,
    entering,
    lay_floodplains,
    refine,
)

HALO = 256
"""Cells beyond a tile that are carved with it."""
FADE = 128
"""Cells on either side of a tile's edge over which it fades into the next."""
FLOODPLAINS = "floodplains"


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
    inner : Box
        The map within the frame, or what the next finer level refines.
    """

    frame: Frame
    elevation: Plane
    area: Plane
    inner: Box


def terrain_in(folder: Path, level: Level, elevation: str, area: str) -> Terrain:
    """Return a level of a cascade whose elevation and drainage area are in files of such names."""
    shape = (level.frame.rows, level.frame.cols)
    row, col, rows, cols = level.window
    return Terrain(
        level.frame, Plane(folder / elevation, shape, np.float32),
        Plane(folder / area, shape, np.float32), Box(row, col, row + rows, col + cols),
    )  # fmt: skip


def _ramp(start: int, stop: int, low: int, high: int, size: int) -> Floats:
    """Weights of the cells from `low` up to `high` for a tile from `start` up to `stop`."""
    cells = np.arange(low, high) + 0.5

    def rise(edge: int) -> Floats:
        return np.clip((cells - (edge - FADE)) / (2 * FADE), 0.0, 1.0).astype(np.float32)

    up = rise(start) if start > 0 else np.ones(high - low, np.float32)
    return up - rise(stop) if stop < size else up


def fade(box: Box, window: Box, shape: tuple[int, int]) -> Floats:
    """Return the weights of a tile on the window around it, (rows, cols) of the window, float32.

    Those of all tiles sum to 1 everywhere.
    """
    rows = _ramp(box.top, box.bottom, window.top, window.bottom, shape[0])
    return np.outer(rows, _ramp(box.left, box.right, window.left, window.right, shape[1]))


def _within(box: Box, frame: Frame) -> Frame:
    left, top = frame.left + box.left * frame.cell, frame.top - box.top * frame.cell
    return Frame(*box.shape, frame.cell, left, top)


@dataclass(frozen=True, kw_only=True)
class Work:
    """How a terrain is carved.

    Attributes
    ----------
    seed : int
        Of all that chance decides.
    journal : Journal
        What is done; files are in its folder.
    tile : int
        Cells a side of a tile, even.
    whole : int
        Levels with at most the square of so many cells are carved in memory.
    workers : int
        Tiles worked on at a time.
    reporter : Reporter
        Shows progress.
    """

    seed: int
    journal: Journal
    tile: int
    whole: int
    workers: int
    reporter: Reporter


@dataclass(frozen=True)
class _Levels:
    """Levels of a terrain in files, which are named by the number of the level."""

    levels: list[Level]
    ground: Callable[[Frame], Ground]
    work: Work

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.work.journal.folder

    def files(self, number: int) -> list[str]:
        """Names of the files of elevation, drainage area and inflow of a level."""
        return [f"elevation{number}", f"area{number}", f"inflow{number}.npz"]

    def terrain(self, number: int) -> Terrain:
        """Return a level, whose files are there once it is carved."""
        return terrain_in(self.folder, self.levels[number], *self.files(number)[:2])

    def inflow(self, number: int) -> Inflow:
        """Water from outside a level."""
        with np.load(self.folder / self.files(number)[2]) as kept:
            return Inflow(kept["row"], kept["col"], kept["cells"])

    def _keep(self, number: int, inflow: Inflow) -> None:
        path = self.folder / self.files(number)[2]
        np.savez(path, row=inflow.row, col=inflow.col, cells=inflow.cells)

    def carve_whole(self, number: int, regional: Callable[[Frame], Floats]) -> None:
        """Carve all levels up to one in memory."""
        z, inflow = carve(self.levels, number + 1, self.ground, regional, self.work.seed)
        terrain, everything = self.terrain(number), Box(0, 0, *z.shape)
        terrain.elevation.create().write(everything, z)
        terrain.area.create().write(everything, accumulate(steepest_receivers(z), inflow))
        row, col = np.nonzero(inflow)
        self._keep(number, Inflow(row, col, inflow[row, col]))

    def double(self, number: int) -> None:
        """Carve a level tile by tile from the coarser one before it."""
        coarse, fine = self.terrain(number - 1), self.terrain(number)
        elevation = fine.elevation.create()
        flows, boxes = [], tiles(elevation.shape, self.work.tile)

        def work(box: Box) -> tuple[Box, Floats, Inflow]:
            return self._tile(coarse, number, box)

        with self.work.reporter.task(f"Terrain, {fine.frame.cell:g} m", len(boxes)) as advance:
            for joined, part, inflow in in_order(work, boxes, self.work.workers):
                elevation.write(joined, elevation.read(joined) + part)
                flows.append(inflow)
                advance(1)
        inflow = Inflow(
            np.concatenate([f.row for f in flows]),
            np.concatenate([f.col for f in flows]),
            np.concatenate([f.cells for f in flows]),
        )
        self._keep(number, inflow)
        drain(elevation, self.work.workers)
        accumulate_tiles(elevation, fine.area.create(), inflow, self.work.tile, self.work.workers)

    def _tile(self, coarse: Terrain, number: int, box: Box) -> tuple[Box, Floats, Inflow]:
        """Where a tile is to be added, its weighted heights, and water from outside the frame."""
        frame, outer = self.levels[number].frame, coarse.inner
        shape = (frame.rows, frame.cols)
        window = box.grown(HALO, shape)
        # A cell of the coarser level is as wide as two.
        half = Box(*(np.array([window.top, window.left, window.bottom, window.right]) // 2))
        source = Box(
            outer.top + half.top, outer.left + half.left,
            outer.top + half.bottom, outer.left + half.right,
        )  # fmt: skip
        # Two cells: what flows in is told from the neighbours of those beside the tile.
        wide = source.grown(2, coarse.elevation.shape)
        z, area = coarse.elevation.read(wide), coarse.area.read(wide)
        inside = source.within(wide)
        corner = (inside[0].start, inside[1].start)
        water = entering(z, area, (*corner, *source.shape))
        part = _within(window, frame)
        fine = refine(
            z[inside], water.on(window.shape), part, self.ground(part),
            stage=Stage(number, last=number == len(self.levels) - 1), seed=self.work.seed,
            place=Place(window.top, window.left, shape[1]),
        )  # fmt: skip
        row, col = np.divmod(water.source.astype(np.int64), wide.shape[1])
        row, col = row + wide.top, col + wide.left
        # Other water comes from other tiles, which the drainage of the whole level counts.
        beyond = (row < outer.top) | (row >= outer.bottom)
        beyond |= (col < outer.left) | (col >= outer.right)
        row, col = water.row.astype(np.int64) + window.top, water.col + np.int64(window.left)
        beyond &= (row >= box.top) & (row < box.bottom) & (col >= box.left) & (col < box.right)
        joined = box.grown(FADE, shape)
        weighted = fade(box, joined, shape) * fine[joined.within(window)]
        return joined, weighted, Inflow(row[beyond], col[beyond], water.cells[beyond])

    def lay_floodplains(self, number: int, filled: Plane) -> None:
        """Write the heights of a level with floodplains."""
        terrain = self.terrain(number)
        shape, cell = terrain.elevation.shape, terrain.frame.cell

        def work(box: Box) -> tuple[Box, Floats]:
            window = box.grown(HALO, shape)
            z = terrain.elevation.read(window)
            lay_floodplains(z, steepest_receivers(z), terrain.area.read(window), cell)
            return box, z[box.within(window)]

        filled.create()
        for box, z in in_order(work, tiles(shape, self.work.tile), self.work.workers):
            filled.write(box, z)
        drain(filled, self.work.workers)


def make_terrain(
    size: tuple[int, int],
    cell: float,
    ground: Callable[[Frame], Ground],
    regional: Callable[[Frame], Floats],
    work: Work,
) -> tuple[Plane, Inflow]:
    """Carve a terrain on ever finer grids, as `relief.make_relief` does, of any size.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the map.
    cell : float
        Size of a cell (m).
    ground, regional : callable
        As for `relief.make_relief`.
    work : Work
        What is carved, where and how; levels that are done are not carved again.

    Returns
    -------
    elevation : Plane
        Metres, on the frame of the cascade's last level; every cell that is not on the frame's
        edge has a lower neighbour.
    inflow : Inflow
        Water from outside the frame.
    """
    levels, journal = cascade(*size, cell), work.journal
    last = len(levels) - 1
    fits = [level.frame.rows * level.frame.cols <= work.whole**2 for level in levels]
    first = max(sum(fits), 1) - 1
    made = _Levels(levels, ground, work)
    filled = Plane(journal.folder / "filled", made.terrain(last).elevation.shape, np.float32)
    for k in range(first, len(levels)):
        step = f"terrain of {levels[k].frame.cell:g} m"
        if any(s in journal.steps for s in (step, FLOODPLAINS)):
            continue
        if k == first:
            work.reporter.say(f"Carving the terrain from cells of {levels[0].frame.cell:g} m ...")
            made.carve_whole(k, regional)
        else:
            made.double(k)
        journal.add(step, keep=made.files(k))
    if FLOODPLAINS not in journal.steps:
        made.lay_floodplains(last, filled)
        journal.add(FLOODPLAINS, keep=[filled.path.name, made.files(last)[2]])
    return filled, made.inflow(last)
