"""Run-out: what lies below a slope counts on the cell from which debris most probably reaches it.

Debris of a cell follows the steepest way down until its fall over the length of its way is less
than the tangent of the angle of reach (Heim 1932; Corominas 1996, Can. Geotech. J. 33:260).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.compiled import kernel
from shakeslide.core.engine import Engine, tasks_of
from shakeslide.core.errors import InputError
from shakeslide.factors import stack as stacks
from shakeslide.geo import grid as grids
from shakeslide.rapid import exposure, tiles
from shakeslide.rapid.exposure import Counted, Exposed, RoadCells, Weighed
from shakeslide.rapid.response import Float

MOST_CELLS = 2**27
"""Cells of a grid whose run-out is traced: elevations and ways down of all are in memory."""
AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Rows down and columns right of the eight neighbours."""


def moved_uphill(exposed: Exposed, source: NDArray[np.int64], grid: GeoBox) -> Exposed:
    """Return what is exposed, each thing on the cell from which debris reaches it.

    Parameters
    ----------
    exposed : Exposed
        Things on the cells where they are.
    source : array, (cells,) int64
        See `sources`.
    grid : GeoBox
    """

    def moved(things: Counted) -> Counted:
        return exposure.entries(source[things.cell], things.weight)

    people, houses, ways = exposed.people, exposed.buildings, exposed.roads
    return replace(
        exposed,
        people=None if people is None else moved(_counted(people, grid)),
        buildings=None if houses is None else moved(houses),
        roads=None if ways is None else _moved_roads(ways, source),
        people_at_home=people,
    )


def _moved_roads(roads: RoadCells, source: NDArray[np.int64]) -> RoadCells:
    cell = source[roads.counted.cell]
    order = np.argsort(cell, kind="stable")
    counted = Counted(cell[order], roads.counted.weight[order])
    return replace(roads, counted=counted, segment=roads.segment[order])


def _counted(things: Weighed, grid: GeoBox) -> Counted:
    """Return things as a list of the cells that hold any."""
    columns = grids.shape_of(grid)[1]
    cells, weights = [], []
    for tile in grids.tiles(grid, exposure.TILE):
        weight = things.on(tile, columns)
        row, col = np.nonzero(weight)
        cells.append((row + tile.row0) * columns + col + tile.col0)
        weights.append(weight[row, col].astype(np.float64))
    return exposure.entries(np.concatenate(cells).astype(np.int64), np.concatenate(weights))


def traced(
    predict: Callable[[Float], Float],
    stack: xr.DataArray,
    elevation: int,
    grid: GeoBox,
    engine: Engine,
    angle: float,
) -> NDArray[np.int64]:
    """Return `sources` of a stack of factors, by the probability at the median shaking.

    Parameters
    ----------
    predict : callable
        Returns the probability of rows, (rows,), of raw factors (rows, factors) float32.
    stack : DataArray
        (factor, y, x): the model's factors, others after them.
    elevation : int
        Which of them is the elevation.
    grid : GeoBox
    engine : Engine
        Runs the tiles.
    angle : float
        Angle of reach (degrees).

    Raises
    ------
    InputError
        A grid of too many cells.
    """
    rows, cols = grids.shape_of(grid)
    if rows * cols > MOST_CELLS:
        raise InputError(
            f"[exposure] reach_angle: the run-out of {rows * cols:,} cells does not fit into "
            f"memory (at most {MOST_CELLS:,}); set a coarser [grid] resolution or delete the key"
        )
    call = tasks_of(_ElevationAndProbability(predict, elevation))
    pairs = list(stacks.blocks(stack))
    z, p = (np.empty((rows, cols), np.float32) for _ in range(2))
    for (tile, _), found in zip(pairs, engine.run([call(b) for _, b in pairs]), strict=True):
        there = (slice(tile.row0, tile.row1), slice(tile.col0, tile.col1))
        z[there], p[there] = found
    return sources(z, p, grids.cell_size(grid), angle)


@dataclass(frozen=True)
class _ElevationAndProbability:
    """Elevation and probability of a tile's cells, (2, rows, cols); 0 where there is none."""

    predict: Callable[[Float], Float]
    elevation: int

    def __call__(self, block: Float) -> Float:
        z = block[self.elevation]
        raw = block[: self.elevation].reshape(self.elevation, -1).T
        known = np.isfinite(raw).all(axis=1) & ~tiles.sea(z).ravel()
        p = np.zeros(z.size, np.float32)
        p[known] = np.nan_to_num(self.predict(np.ascontiguousarray(raw[known])))
        return np.stack([z, p.reshape(z.shape)])


def sources(
    elevation: Float, probability: Float, cell: tuple[float, float], angle: float
) -> NDArray[np.int64]:
    """Return, for each cell, the cell from which debris most probably reaches it.

    It is the one of the greatest probability among itself and all cells whose debris passes it.

    Parameters
    ----------
    elevation : array, (rows, cols) float32
        Metres; NaN where unknown, where debris ends.
    probability : array, (rows, cols) float32
        Of a source; 0 where there is none.
    cell : (float, float)
        Width and height of a cell (m).
    angle : float
        Angle of reach (degrees), above 0 and below 90.

    Returns
    -------
    array, (rows * cols,) int64
        Numbers of cells, row by row.
    """
    source = np.arange(elevation.size, dtype=np.int64)
    down = np.arange(elevation.size, dtype=np.int64)
    step = np.zeros(elevation.size, np.float32)
    _ways_down(elevation, cell[0], cell[1], down, step)
    run = _Ways(float(np.tan(np.radians(angle))), down, step)
    _trace(elevation.ravel(), probability.ravel(), run, probability.ravel().copy(), source)
    return source


class _Ways(NamedTuple):
    """Tangent of the angle of reach; of each cell the next one down and the way to it in m."""

    tangent: float
    down: NDArray[np.int64]
    step: Float


@kernel
def _ways_down(z: Float, dx: float, dy: float, down: NDArray[np.int64], step: Float) -> None:
    """Set the next cell down the steepest way, itself where none is lower, and the way in m."""
    rows, cols = z.shape
    for r in range(rows):
        for c in range(cols):
            best = 0.0
            for below, right in AROUND:
                rr, cc = r + below, c + right
                if 0 <= rr < rows and 0 <= cc < cols:
                    way = np.hypot(below * dy, right * dx)
                    fall = (z[r, c] - z[rr, cc]) / way
                    if fall > best:
                        best = fall
                        down[r * cols + c] = rr * cols + cc
                        step[r * cols + c] = way


@kernel
def _trace(z: Float, p: Float, ways: _Ways, best: Float, source: NDArray[np.int64]) -> None:
    """Let debris of every cell run, and keep of each cell passed the most probable source."""
    for i in range(z.size):
        if p[i] <= 0:
            continue
        k, way = i, 0.0
        while ways.down[k] != k:
            way += ways.step[k]
            k = ways.down[k]
            if z[i] - z[k] < ways.tangent * way:
                break
            if p[i] > best[k]:
                best[k] = p[i]
                source[k] = i
