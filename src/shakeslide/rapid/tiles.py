"""The draws on every tile: maps of mean and quantiles, and sums of each draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyproj
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine, tasks_of
from shakeslide.core.files import is_shard, save_shard
from shakeslide.factors import stack as stacks
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.hazard import aggregates
from shakeslide.io.tile_jobs import TileJob
from shakeslide.rapid import response
from shakeslide.rapid.exposure import RoadCells
from shakeslide.rapid.response import Draws, Places, ShakingColumns

Float = NDArray[np.float32]

BAND = 16_384
"""Cells at a time: bounds the memory of a worker."""
BANDS = ("mean", "p10", "p90", "median_shaking")
"""Rasters of every model, in the order in which tiles hold them; those of exceeding follow."""


Sensitivity = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Returns the derivative of a model's values, at values, (rows,), by what the model adds up."""


def among(nodes: GeoBox, grid: GeoBox, tile: Tile) -> tuple[Float, Float]:
    """Return rows and columns among nodes of a tile's cells, (cells,) each.

    Parameters
    ----------
    nodes : GeoBox
        EPSG:4326, a node at the centre of each cell.
    grid : GeoBox
        Of the tile.
    tile : Tile
    """
    x, y = grids.cell_centres(grid, tile)
    to_degrees = pyproj.Transformer.from_crs(grids.crs_of(grid).proj, "EPSG:4326", always_xy=True)
    xx, yy = np.meshgrid(x, y)
    lon, lat = to_degrees.transform(xx.ravel(), yy.ravel())
    a = nodes.affine
    # Nodes go on beyond 180 degrees where a map crosses that meridian.
    middle = a.c + a.a * nodes.shape[1] / 2
    lon = middle + (lon - middle + 180.0) % 360.0 - 180.0
    row, col = (lat - a.f) / a.e - 0.5, (lon - a.c) / a.a - 0.5
    return row.astype(np.float32), col.astype(np.float32)


class Limited(NamedTuple):
    """What was cut at the largest PGA and PGV that are physical.

    Attributes
    ----------
    nodes : int
        Nodes at which at least one draw was cut.
    share : float
        Share of the values of all nodes and draws.
    """

    nodes: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Random shaking at the nodes of a grid of longitude and latitude.

    Attributes
    ----------
    grid : GeoBox
        EPSG:4326, a node at the centre of each cell.
    sd : array, (measures, rows, cols) float32
        Standard deviation of the logarithm.
    draws : Draws
        Standardised residuals.
    gain : callable
        Returns what restores unit variance at places (row, col), (measures, cells).
    cut : Limited
        What was cut at physical limits.
    """

    grid: GeoBox
    sd: Float
    draws: Draws
    gain: Callable[[Float, Float], Float]
    cut: Limited

    def places(self, grid: GeoBox, tile: Tile) -> tuple[Float, Float]:
        """Return rows and columns among the nodes of a tile's cells, (cells,) each.

        Cells beyond the outermost nodes have the places of these.
        """
        rows, cols = self.grid.shape
        row, col = among(self.grid, grid, tile)
        return np.clip(row, 0, rows - 1), np.clip(col, 0, cols - 1)

    def sd_at(self, row: Float, col: Float) -> Float:
        """Return standard deviations at places, (measures, cells), between the nodes bilinear."""
        rows, cols = self.sd.shape[1:]
        r = np.minimum(row.astype(np.int64), rows - 2)
        c = np.minimum(col.astype(np.int64), cols - 2)
        y, x = (row - r).astype(np.float32), (col - c).astype(np.float32)
        s = self.sd
        upper = s[:, r, c] * (1 - x) + s[:, r, c + 1] * x
        lower = s[:, r + 1, c] * (1 - x) + s[:, r + 1, c + 1] * x
        return np.asarray(upper * (1 - y) + lower * y, np.float32)


def sea(elevation: Float) -> NDArray[np.bool_]:
    """Return which cells are sea: at an elevation of exactly 0, as public DEMs have it; any shape.

    Level land at exactly 0 m counts as sea too: no landslide starts there.
    """
    return np.asarray(elevation == 0.0)


Weights = Callable[[Tile], Float]
"""Returns the weights of a tile's cells, (weights, rows, cols): area in km², people ..."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is computed on every tile.

    Attributes
    ----------
    predict : callable
        Returns the probability of rows, (rows,), of raw factors (rows, factors) float32.
    columns : tuple of int
        The stack's factors, in the order that the model takes.
    shaking : ShakingColumns
        Which of them are shaking.
    pga : int
        The stack's PGA in g, for the aggregates that the USGS publishes.
    elevation : int or None
        The stack's elevation, by which the sea is left out.
    nodes : Nodes
    grid : GeoBox
    weights : callable
        See `Weights`.
    offset : float
        What is added to the logit at the median shaking.
    exceeds : tuple of float
        Probabilities whose chance of being exceeded is mapped.
    roads : RoadCells, optional
        Roads that may be cut.
    smooth : bool
        Whether the model responds to shaking without steps.
    """

    predict: Callable[[Float], Float]
    columns: tuple[int, ...]
    shaking: ShakingColumns
    pga: int
    elevation: int | None
    nodes: Nodes
    grid: GeoBox
    weights: Weights
    offset: float = 0.0
    exceeds: tuple[float, ...] = ()
    roads: RoadCells | None = None
    smooth: bool = True

    def __call__(self, tile: Tile, block: Float) -> tuple[Float, NDArray[np.float64]]:
        """Return maps (bands, rows, cols) and sums (weights, 2 + draws) of a tile.

        The first two columns of the sums are of the median shaking: over all cells, and over
        those that the USGS counts.
        """
        cells = block[0].size
        raw = self._raw(block)
        weights = self.weights(tile).reshape(-1, cells)
        pga = block[self.pga].reshape(-1).astype(np.float64)
        row, col = self.nodes.places(self.grid, tile)
        maps = np.full((len(BANDS) + len(self.exceeds), cells), np.nan, np.float32)
        sums = np.zeros((len(weights), 2 + self.nodes.draws.event.size))
        rows = BAND if self.smooth else self._few
        for start in range(0, cells, rows):
            part = slice(start, start + rows)
            self._band(part, raw, weights, (row, col), maps, sums, pga=pga)
        return maps.reshape(-1, *block.shape[1:]), sums

    def intact(self, tile: Tile, block: Float) -> NDArray[np.float64]:
        """Return ln of the probability that no cell of a road fails, for the roads in a tile.

        Returns
        -------
        array, (n_roads, 1 + n_draws) float64
            The number of the road, then a column per draw.
        """
        draws = self.nodes.draws.event.size
        if self.roads is None:
            return np.zeros((0, 1 + draws))
        cell, road = self.roads.on(tile, self.grid.shape[1])
        raw = self._raw(block)[cell]
        row, col = (np.ascontiguousarray(v[cell]) for v in self.nodes.places(self.grid, tile))
        numbers, at = np.unique(road, return_inverse=True)
        out = np.zeros((numbers.size, 1 + draws))
        out[:, 0] = numbers
        for start in range(0, cell.size, self._few):
            part = slice(start, start + self._few)
            asked = self._cells(raw[part], (row[part], col[part]))
            p = response.at_draws(asked).astype(np.float64)
            # Cells fail together in a draw: given the draw they fail alone.
            np.add.at(out[:, 1:], at[part], np.log1p(-np.nan_to_num(np.minimum(p, 1 - 1e-7))))
        return out

    @property
    def _few(self) -> int:
        """Return the number of cells at a time where each has a probability for every draw."""
        return min(BAND, max(response.AT_ONCE // self.nodes.draws.event.size, 1))

    def _raw(self, block: Float) -> Float:
        """Return the model's factors of a block's cells, (cells, factors), NaN on the sea."""
        raw = np.stack([block[i].reshape(-1) for i in self.columns], axis=1)
        if self.elevation is not None:
            raw[sea(block[self.elevation]).reshape(-1)] = np.nan
        return raw

    def _cells(self, raw: Float, places: tuple[Float, Float]) -> response.Cells:
        """Return the responses of cells, (cells, factors), at rows and columns among the nodes."""
        row, col = places
        sd = self.nodes.sd_at(row, col)
        where = Places(row, col, np.ascontiguousarray(self.nodes.gain(row, col)))
        if self.smooth:
            table = response.response_table(self.predict, raw, sd, self.shaking)
        else:
            table = response.response_at_draws(
                self.predict, raw, sd, self.shaking, self.nodes.draws, where
            )
        return response.Cells(table, self.nodes.draws, where)

    def _band(
        self,
        part: slice,
        raw: Float,
        weights: Float,
        places: tuple[Float, Float],
        maps: Float,
        sums: NDArray[np.float64],
        *,
        pga: NDArray[np.float64],
    ) -> None:
        row, col = (np.ascontiguousarray(v[part]) for v in places)
        some, weight = raw[part], np.ascontiguousarray(weights[:, part])
        asked = self._cells(some, (row, col))
        found = response.summarise(asked, weight, self.exceeds)
        logit = asked.table.median.astype(np.float64)
        median = 1 / (1 + np.exp(-(logit + self.offset)))
        maps[:4, part] = found.mean, found.low, found.high, median
        maps[4:, part] = found.exceeds
        known = np.where(np.isnan(median), 0.0, median)
        sums[:, 0] += (known * weight).sum(axis=1)
        counts = aggregates.counted(median, pga[part])
        sums[:, 1] += (np.where(counts, known, 0.0) * weight).sum(axis=1)
        sums[:, 2:] += found.totals


@dataclass(frozen=True)
class _ToShards:
    work: Work
    job: TileJob

    def __call__(self, tile: Tile, block: Float) -> None:
        maps, sums = self.work(tile, block)
        # The sums first: a tile counts as done when its maps are there.
        save_shard(sums, sums_path(self.job, tile))
        if self.work.roads is not None:
            save_shard(self.work.intact(tile, block), roads_path(self.job, tile))
        self.job.shards.save(tile, maps)


def _on_tile(shared: _ToShards, tile: Tile, block: Float) -> None:
    shared(tile, block)


class WholeMap(NamedTuple):
    """What a whole map at the median shaking shows.

    Attributes
    ----------
    offset : float
        What must be added to the logit so that the map sums up to that of another scale.
    sensitivity : float
        What must be added to all logits for the sum to grow as if 1 were added to what the model
        adds up itself.
    """

    offset: float
    sensitivity: float


@dataclass(frozen=True)
class _Sums:
    """Sums of a model's values on a tile, see `whole_map`."""

    predict: Callable[[Float], Float]
    columns: tuple[int, ...]
    own: tuple[int, ...]
    sensitivity: Sensitivity

    def __call__(self, block: Float) -> NDArray[np.float64]:
        flat = block.reshape(len(block), -1)
        known = np.isfinite(flat).all(axis=0)
        mapped, own = (
            self.predict(np.stack([flat[i, known] for i in columns], axis=1)).astype(np.float64)
            for columns in (self.columns, self.own)
        )
        as_logit, as_sum = mapped * (1.0 - mapped), self.sensitivity(mapped)
        return np.array([mapped.sum(), own.sum(), as_logit.sum(), as_sum.sum()])


def whole_map(
    predict: Callable[[Float], Float],
    columns: tuple[int, ...],
    own: tuple[int, ...],
    sensitivity: Sensitivity,
    stack: xr.DataArray,
    engine: Engine,
) -> WholeMap:
    """Return what a map at the median shaking shows.

    Parameters
    ----------
    predict : callable
        Returns the probability of rows, (rows,), of raw factors (rows, factors) float32.
    columns, own : tuple of int
        The factors in a stack as mapped, and as the model was made for.
    sensitivity : callable
        See `Sensitivity`.
    stack : DataArray
        (factor, y, x).
    engine : Engine
        Runs the tiles.
    """
    call = tasks_of(_Sums(predict, columns, own, sensitivity))
    parts = engine.run([call(block) for _, block in stacks.blocks(stack)])
    mapped, wanted, as_logit, as_sum = (float(v) for v in np.sum(parts, axis=0))
    if not (mapped > 0 and wanted > 0):
        return WholeMap(0.0, 0.0)
    # Values are small, so that a factor on them is a term of the logit.
    return WholeMap(float(np.log(wanted / mapped)), as_sum / as_logit)


def sums_path(job: TileJob, tile: Tile) -> Path:
    """Return where the sums of a tile wait."""
    return job.shards.folder / f"{tile.name}_sums.npy"


def roads_path(job: TileJob, tile: Tile) -> Path:
    """Return where the roads of a tile wait."""
    return job.shards.folder / f"{tile.name}_roads.npy"


class Cuts(NamedTuple):
    """How often roads are cut.

    Attributes
    ----------
    probability : array, (roads,) float64
        That each is cut, over the draws.
    number : array, (draws,) float64
        Expected number of roads that are cut at each draw.
    """

    probability: NDArray[np.float64]
    number: NDArray[np.float64]


def cuts(job: TileJob, tiles: Sequence[Tile], roads: int) -> Cuts:
    """Return how often each of so many roads is cut."""
    parts = [np.load(roads_path(job, tile), mmap_mode="r") for tile in tiles]
    numbers = [np.array(part[:, 0]).astype(np.int64) for part in parts]
    draws = parts[0].shape[1] - 1
    found = Cuts(np.zeros(roads), np.zeros(draws))
    # A few roads at a time: those of all tiles at all draws may not fit into memory.
    step = max(response.AT_ONCE // draws, 1)
    for start in range(0, roads, step):
        stop = min(start + step, roads)
        intact = np.zeros((stop - start, draws))
        for number, part in zip(numbers, parts, strict=True):
            # The numbers rise within a tile.
            first, last = np.searchsorted(number, [start, stop])
            intact[number[first:last] - start] += part[first:last, 1:]
        cut = -np.expm1(intact)
        found.probability[start:stop] = cut.mean(axis=1)
        found.number[:] += cut.sum(axis=0)
    return found


def compute(work: Work, stack: xr.DataArray, job: TileJob) -> list[Tile]:
    """Compute every tile of a stack (factor, y, x) that does not wait yet; return all tiles."""
    pairs = list(stacks.blocks(stack))
    beside = (sums_path,) if work.roads is None else (sums_path, roads_path)
    todo = [
        (t, b)
        for t, b in pairs
        if not (job.shards.has(t) and all(is_shard(path(job, t)) for path in beside))
    ]
    job.advance(len(pairs) - len(todo))
    # A task of its own: a cluster gets the draws once instead of with every tile.
    shared = delayed(_ToShards(work, job), pure=False, traverse=False)
    call = delayed(_on_tile, pure=False, traverse=False)
    job.engine.run([call(shared, t, b) for t, b in todo], job.advance)
    return [t for t, _ in pairs]


def summed(job: TileJob, tiles: Sequence[Tile]) -> NDArray[np.float64]:
    """Return the sums over all tiles, in their order, so that the bytes do not depend on workers.

    Returns
    -------
    array, (weights, 2 + draws) float64
    """
    total = np.load(sums_path(job, tiles[0])).astype(np.float64)
    for tile in tiles[1:]:
        total += np.load(sums_path(job, tile))
    return np.asarray(total)
