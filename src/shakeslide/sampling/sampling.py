"""Sampling of cells for training and testing: source cells and a number of clear cells.

Each cell of the grid has a random key of its own, made from the seed and its place. The clear
cells with the smallest keys are drawn, so the draw depends neither on the tiles nor on the
workers, and a larger draw contains a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import sample_columns as columns
from shakeslide.core.engine import Engine, tasks_of
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance, silent
from shakeslide.factors import stack as stacks
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.layers.inventory import CLEAR, EXCLUDED, OUTSIDE, SOURCE, Inventory
from shakeslide.sampling.sample_counts import SampleCounts
from shakeslide.sampling.sample_table import AREA_SQUARE, Samples

MOST_BLOCKS = 1_000_000
"""Blocks along a side; a block's id is its row times this plus its column."""
KEYS = int.from_bytes(b"shak", "little")
"""Sets the cells' random numbers apart from others of the same seed."""


def cell_keys(tile: Tile, seed: int) -> NDArray[np.uint64]:
    """Return a random key for each cell of a tile, (rows, cols) uint64, from seed and place alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) over the cell's place.
    """
    rows = np.arange(tile.row0, tile.row1, dtype=np.uint64)[:, None]
    cols = np.arange(tile.col0, tile.col1, dtype=np.uint64)[None, :]
    stream = np.random.SeedSequence([seed, KEYS])
    start = np.uint64(stream.generate_state(1, np.uint64)[0])
    # Unsigned numbers wrap around, as the generator wants it.
    key = start + ((rows << np.uint64(32)) | cols) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint64] = key ^ (key >> np.uint64(31))
    return out


@dataclass(frozen=True)
class _Cells:
    """Cells of a tile: key, place and landslide, (n,) each, and raw factors, (n, factors)."""

    key: NDArray[np.uint64]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    landslide: NDArray[np.int32]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class _ClassAreas:
    """Cells of each class by squares, (n,) each; a factor is its number."""

    factor: NDArray[np.int32]
    i: NDArray[np.int32]
    j: NDArray[np.int32]
    code: NDArray[np.int32]
    cells: NDArray[np.int64]


@dataclass(frozen=True)
class _Draw:
    """What one tile gives: of its source cells and its clear cells, those that `_Below` lets in."""

    positives: _Cells
    clear: _Cells
    areas: _ClassAreas
    counts: SampleCounts
    landslides: NDArray[np.int32]


@dataclass(frozen=True)
class _Below:
    """Keys up to which source cells and clear cells are looked at, as shares of all keys."""

    sources: float
    clear: float

    @staticmethod
    def key(share: float) -> np.uint64:
        """Return the key that a share of all keys is below."""
        # 2**64 itself is no 64-bit number.
        return np.uint64(min(int(share * 2**64), 2**64 - 1))


@dataclass(frozen=True)
class _DrawTile:
    inventory: Inventory
    factors: tuple[stacks.FactorInfo, ...]
    seed: int
    below: _Below
    cell: tuple[float, float]

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> _Draw:
        labels = self.inventory.label(tile)
        valid = stacks.valid(block)
        source = (labels.standing == SOURCE) & valid
        clear = (labels.standing == CLEAR) & valid
        area = valid & (labels.standing != OUTSIDE)
        keys = cell_keys(tile, self.seed)
        # Only what may be drawn: there are far more cells than that.
        chosen = (
            self._chosen(source, keys, self.below.sources),
            self._chosen(clear, keys, self.below.clear),
        )
        positives, negatives = (
            _Cells(
                keys[row, col],
                (row + tile.row0).astype(np.int32),
                (col + tile.col0).astype(np.int32),
                labels.landslide[row, col],
                np.ascontiguousarray(block[:, row, col].T),
            )
            for row, col in chosen
        )
        return _Draw(
            positives,
            negatives,
            self._areas(tile, block, area),
            SampleCounts(
                cells=int(valid.size),
                valid_cells=int(valid.sum()),
                mapped_cells=int(area.sum()),
                source_cells=int(source.sum()),
                source_cells_without_values=int(((labels.standing == SOURCE) & ~valid).sum()),
                clear_cells=int(clear.sum()),
                excluded_cells=int(((labels.standing == EXCLUDED) & valid).sum()),
            ),
            np.unique(labels.landslide[labels.landslide > 0]),
        )

    @staticmethod
    def _chosen(
        where: NDArray[np.bool_], keys: NDArray[np.uint64], share: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        row, col = np.nonzero(where if share >= 1 else where & (keys < _Below.key(share)))
        return row, col

    def _areas(
        self, tile: Tile, block: NDArray[np.float32], area: NDArray[np.bool_]
    ) -> _ClassAreas:
        """Cells per square and class of the categorical factors."""
        # No square is smaller than a cell.
        square = max(AREA_SQUARE, *self.cell)
        i = (np.arange(tile.row0, tile.row1) + 0.5) * self.cell[1] // square
        j = (np.arange(tile.col0, tile.col1) + 0.5) * self.cell[0] // square
        wide = int(j[-1] - j[0]) + 1
        place = ((i - i[0]).astype(np.int64)[:, None] * wide + (j - j[0]).astype(np.int64))[area]
        found = [
            (k, *_counted(place, block[k][area].astype(np.int32)))
            for k, f in enumerate(self.factors)
            if f.kind == "categorical" and len(place)
        ]
        none = np.empty(0, np.int64)
        at = np.concatenate([none, *(f[1] for f in found)])
        return _ClassAreas(
            np.concatenate([none, *(np.full(len(f[1]), f[0]) for f in found)]).astype(np.int32),
            (at // wide + int(i[0])).astype(np.int32),
            (at % wide + int(j[0])).astype(np.int32),
            np.concatenate([none, *(f[2] for f in found)]).astype(np.int32),
            np.concatenate([none, *(f[3] for f in found)]),
        )


def _counted(
    place: NDArray[np.int64], code: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return places, codes and how often each pair of them is there, (pairs,) each."""
    low = int(code.min())
    many = int(code.max()) - low + 1
    pair = place * many + (code.astype(np.int64) - low)
    # Codes are few as a rule, and counted faster than sorted.
    if many * (int(place.max()) + 1) <= 4 * len(pair) + 4096:
        counts = np.bincount(pair)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(pair, return_counts=True)
    return found // many, found % many + low, counts


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How many cells to draw.

    Attributes
    ----------
    ratio : float
        Clear cells per source cell.
    most : int or None
        Draw at most so many source cells.
    seed : int
        Of the study.
    """

    ratio: float
    most: int | None
    seed: int


def draw(
    stack: xr.DataArray,
    factors: Sequence[stacks.FactorInfo],
    inventory: Inventory,
    grid: GeoBox,
    wanted: Wanted,
    *,
    engine: Engine,
    advance: Advance = silent,
) -> Samples:
    """Draw the samples of a study.

    Parameters
    ----------
    stack : DataArray
        The factor stack (factor, y, x).
    factors : sequence of FactorInfo
        Its factors.
    inventory : Inventory
        The landslides.
    grid : GeoBox
        The grid.
    wanted : Wanted
        How many cells.
    engine, advance
        Where to run, and how to tell: called once per tile (more often if a first draw falls
        short).

    Raises
    ------
    InputError
        No source cell or too few clear cells with values.
    """
    below = _first_shares(inventory, grid, wanted)
    while True:
        task = _DrawTile(inventory, tuple(factors), wanted.seed, below, grids.cell_size(grid))
        drawn = _run(task, stack, engine, advance)
        counts = SampleCounts.total([d.counts for d in drawn])
        sources = min(counts.source_cells, wanted.most or counts.source_cells)
        clear = round(wanted.ratio * sources)
        _require_cells(counts, clear)
        found = [sum(len(c.key) for c in part) for part in _parts(drawn)]
        if found[0] >= sources and found[1] >= clear:
            break
        below = _Below(*(
            share if enough >= need else _more(share, need, enough)
            for share, need, enough in zip(
                (below.sources, below.clear), (sources, clear), found, strict=True
            )
        ))  # fmt: skip
    seen = np.unique(np.concatenate([d.landslides for d in drawn]))
    counts = replace(
        counts,
        landslides=inventory.count,
        # Sources that lie in no outline have later numbers.
        landslides_without_cell=inventory.count - int((seen <= inventory.count).sum()),
    )
    table = _table(drawn, (sources, clear), factors, grid)
    areas = _sum_areas([d.areas for d in drawn], factors, grid)
    return Samples(table, tuple(factors), areas, counts, inventory.positives)


SPARE = 3.0
"""Cells looked at for each cell wanted: a tile's draw is guessed before its cells are known."""
FEWEST = 1000
"""Cells looked at beyond that, since chance is large where few are wanted."""


def _first_shares(inventory: Inventory, grid: GeoBox, wanted: Wanted) -> _Below:
    """Guess the shares of cells to look at, so that they will do as a rule."""
    shape = grids.shape_of(grid)
    cells = shape[0] * shape[1]
    polygons = inventory.outlines if inventory.sources is None else inventory.sources
    # At most: a cell may lie in several of them, outside the mapped extent or lack a value.
    sources = max(1, int(polygons.centres(shape).sum()))
    drawn = min(sources, wanted.most or sources)
    ground = cells if inventory.extent is None else int(inventory.extent.centres(shape).sum())
    clear = max(ground - int(inventory.kept_clear.centres(shape).sum()), ground // 10, 1)
    return _Below(
        1.0 if drawn == sources else min(1.0, (SPARE * drawn + FEWEST) / sources),
        min(1.0, SPARE * wanted.ratio * drawn / clear + FEWEST / cells),
    )


def _more(share: float, wanted: int, found: int) -> float:
    """Return twice the share that a draw suggests, so that a third is hardly ever needed."""
    return min(1.0, share * 2 * wanted / max(1, found))


def _parts(drawn: Sequence[_Draw]) -> tuple[list[_Cells], list[_Cells]]:
    return [d.positives for d in drawn], [d.clear for d in drawn]


def _run(task: _DrawTile, stack: xr.DataArray, engine: Engine, advance: Advance) -> list[_Draw]:
    call = tasks_of(task)
    return engine.run([call(tile, block) for tile, block in stacks.blocks(stack)], advance)


def _require_cells(counts: SampleCounts, wanted: int) -> None:
    if counts.source_cells == 0:
        hint = (
            " (all their cells lack a value of some factor; see the coverage in `check`)"
            if counts.source_cells_without_values
            else "; are they smaller than the cells, or outside the mapped extent?"
        )
        raise InputError(f"[inventory] no landslide contains the centre of a usable cell{hint}")
    if counts.clear_cells < wanted:
        raise InputError(
            f"[samples] {wanted} clear cells are needed, but there are only "
            f"{counts.clear_cells}; lower negatives_per_positive, buffer or exclusions"
        )


def _table(
    drawn: Sequence[_Draw],
    wanted: tuple[int, int],
    factors: Sequence[stacks.FactorInfo],
    grid: GeoBox,
) -> pd.DataFrame:
    """Return the source and clear cells with the smallest keys, so many of each, by their place."""
    parts = list(zip(_parts(drawn), wanted, strict=True))
    kept = [(c, m) for cells, n in parts for c, m in zip(cells, _smallest(cells, n), strict=True)]
    row, col, landslide = (
        np.concatenate([getattr(c, name)[m] for c, m in kept])
        for name in ("row", "col", "landslide")
    )
    label = np.repeat(np.array([1, 0], np.int8), wanted)
    order = np.lexsort((col, row))
    a = grid.affine
    row, col = row[order], col[order]
    table: dict[str, NDArray[Any]] = {
        columns.X: a.c + (col + 0.5) * a.a,
        columns.Y: a.f + (row + 0.5) * a.e,
        columns.ROW: row,
        columns.COL: col,
        columns.LABEL: label[order],
        columns.LANDSLIDE: landslide[order],
        columns.BLOCK: np.zeros(len(row), np.int64),
        columns.EVENT: np.zeros(len(row), np.int64),
    }
    for i, f in enumerate(factors):
        table[f.code] = np.concatenate([c.values[m, i] for c, m in kept])[order]
    return pd.DataFrame(table, copy=False)


def _smallest(cells: Sequence[_Cells], wanted: int) -> list[NDArray[np.bool_]]:
    """Tell of each part which of its cells are among the so many with the smallest keys."""
    keys = np.concatenate([c.key for c in cells])
    if wanted >= len(keys):
        return [np.ones(len(c.key), bool) for c in cells]
    if wanted == 0:
        return [np.zeros(len(c.key), bool) for c in cells]
    last = np.partition(keys, wanted - 1)[wanted - 1]
    chosen = keys < last
    # The place decides where two cells have the same key.
    same = np.flatnonzero(keys == last)
    row, col = (np.concatenate([getattr(c, n) for c in cells])[same] for n in ("row", "col"))
    chosen[same[np.lexsort((col, row))[: wanted - int(chosen.sum())]]] = True
    return np.split(chosen, np.cumsum([len(c.key) for c in cells])[:-1])


def with_blocks(samples: Samples, grid: GeoBox, size: float) -> Samples:
    """Return the samples with `block_id`: 1,000,000 row + column of square blocks from north-west.

    Parameters
    ----------
    samples : Samples
        As drawn.
    grid : GeoBox
        The grid, at whose corner the blocks begin.
    size : float
        Side of the blocks in metres.
    """
    box, table = grids.bounds(grid), samples.table.copy(deep=False)
    if max(box.right - box.left, box.top - box.bottom) / MOST_BLOCKS >= size:
        raise InputError(
            f"[evaluation] block_size = {size:g} m is far too small for this area: make it larger"
        )
    row = np.floor((box.top - table[columns.Y]) / size).astype(np.int64)
    column = np.floor((table[columns.X] - box.left) / size).astype(np.int64)
    table[columns.BLOCK] = row * MOST_BLOCKS + column
    return replace(samples, table=table, counts=replace(samples.counts, block_size=size))


def values_at(
    samples: Samples, source: raster.RasterSource, grid: GeoBox, size: int
) -> NDArray[np.float32]:
    """Return a raster's values at the samples' cells, (samples,) float32, read tile by tile.

    NaN where the raster has no value.
    """
    row, col = samples.cells
    out = np.full(len(row), np.nan, np.float32)
    for tile in grids.tiles(grid, size):
        here = (row >= tile.row0) & (row < tile.row1) & (col >= tile.col0) & (col < tile.col1)
        if here.any():
            values = source.read(grids.window(grid, tile))
            out[here] = values[row[here] - tile.row0, col[here] - tile.col0]
    return out


def _sum_areas(
    parts: Sequence[_ClassAreas], factors: Sequence[stacks.FactorInfo], grid: GeoBox
) -> pd.DataFrame:
    """Add up the tiles' squares (one may lie in several tiles) and place their centres."""
    factor, i, j, code, cells = (
        np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(_ClassAreas)
    )
    codes = np.array([f.code for f in factors], object)
    # By name, whatever the order of the factors.
    rank = np.argsort(np.argsort(codes, kind="stable"), kind="stable")
    order = np.lexsort((code, j, i, rank[factor]))
    keys = [values[order] for values in (factor, i, j, code)]
    new = np.ones(len(order), bool)
    new[1:] = np.any([k[1:] != k[:-1] for k in keys], axis=0)
    starts = np.flatnonzero(new)
    factor, i, j, code = (k[starts] for k in keys)
    square = max(AREA_SQUARE, *grids.cell_size(grid))
    box = grids.bounds(grid)
    return pd.DataFrame(
        {
            columns.FACTOR: codes[factor],
            columns.X: box.left + (j + 0.5) * square,
            columns.Y: box.top - (i + 0.5) * square,
            columns.CODE: code,
            columns.CELLS: np.add.reduceat(cells[order], starts) if len(starts) else cells,
            columns.EVENT: np.zeros(len(starts), np.int64),
        }
    )
