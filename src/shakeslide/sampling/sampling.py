"""Sampling of cells for training and testing: source cells and a number of clear cells.

Each cell of the grid has a random key of its own, made from the seed and its place. The clear
cells with the smallest keys are drawn, so the draw depends neither on the tiles nor on the
workers, and a larger draw contains a smaller one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.core.fingerprints import fingerprint, of_arrays
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import splits
from shakeslide.evaluation.event_rows import apart
from shakeslide.factors import stack as stacks
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.layers.inventory import CLEAR, EXCLUDED, OUTSIDE, SOURCE, Inventory
from shakeslide.layers.positives import Positive
from shakeslide.sampling.sample_counts import SampleCounts

KEY = b"shakeslide"
AREAS_FILE = "class_areas.parquet"
COLUMNS = ("x", "y", "row", "col", "label", "landslide_id", "block_id", "event")
"""Columns of a sample table beside the factors."""
MOST_ROWS = 100_000_000
"""Rows of the largest table that is read; runs draw some million."""
MOST_BLOCKS = 1_000_000
"""Blocks along a side; a block's id is its row times this plus its column."""
AREA_SQUARE = 250.0
"""Side in metres of the squares by which areas of classes are counted: fine enough to cut any
training region of blocks out of them."""


@dataclass(frozen=True)
class Samples:
    """The drawn cells and what is known of the whole area.

    Attributes
    ----------
    table : DataFrame
        x, y (metres), row, col, label (1 source, 0 clear), landslide_id (0 for clear cells),
        block_id, event (0 where there is one; landslides and blocks are numbered by event), and one
        column of raw values per factor.
    factors : tuple of FactorInfo
        The factors, in order.
    areas : DataFrame
        Per categorical factor, cells of each class among the valid cells of the mapped extent, by
        squares of `AREA_SQUARE`: factor, x, y (the square's centre), code, cells,
        event.
    counts : SampleCounts
        What of the area they were drawn from.
    positives : Positive
        What a positive cell is.
    """

    table: pd.DataFrame
    factors: tuple[stacks.FactorInfo, ...]
    areas: pd.DataFrame
    counts: SampleCounts
    positives: Positive = Positive.OUTLINES

    @property
    def raw(self) -> NDArray[np.float32]:
        """Raw factors, (samples, factors) float32."""
        return self.table[[f.code for f in self.factors]].to_numpy(np.float32)

    @property
    def class_areas(self) -> dict[str, dict[int, int]]:
        """Cells per class of each categorical factor in the whole mapped extent."""
        return self.class_areas_of(np.ones(len(self.areas), bool))

    def class_areas_of(self, where: NDArray[np.bool_]) -> dict[str, dict[int, int]]:
        """Return cells per class of each categorical factor in some rows of `areas`.

        Parameters
        ----------
        where : array, (rows of areas,) bool
            Which rows to count: shape (n,) for n rows.
        """
        table = self.areas[where]
        codes = [f.code for f in self.factors if f.kind == "categorical"]
        sums: dict[str, dict[int, int]] = {c: {} for c in codes}
        added = table.groupby(["factor", "code"], as_index=False)["cells"].sum()
        for factor, code, n in added.itertuples(index=False):
            sums[str(factor)][int(code)] = int(n)
        return sums

    @property
    def label(self) -> NDArray[np.int64]:
        """1 in a source, 0 clear of landslides, (samples,) int64."""
        return self.table["label"].to_numpy(np.int64)

    @property
    def landslide(self) -> NDArray[np.int64]:
        """Landslide of each row, 0 of clear cells, (samples,) int64."""
        return self.table["landslide_id"].to_numpy(np.int64)

    @property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each sample on the grid, (samples,) int64 each."""
        return self.table["row"].to_numpy(np.int64), self.table["col"].to_numpy(np.int64)

    @property
    def event(self) -> NDArray[np.int64]:
        """Earthquake of each row, (samples,) int64 from 0."""
        return self.table["event"].to_numpy(np.int64)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Block of each row; of several events a number per block, see `event_rows.apart`."""
        return apart(self.table["block_id"], self.event)

    def landslide_groups(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the landslide of each of some rows, see `splits.landslide_groups`.

        Parameters
        ----------
        rows : array, (n,) int64, optional
            Row numbers; default: all. A clear cell belongs to the nearest landslide of these.

        Returns
        -------
        array, (n,) int64
        """
        t = self.table if rows is None else self.table.iloc[rows]
        label, number, x, y, event = (
            t[c].to_numpy() for c in ("label", "landslide_id", "x", "y", "event")
        )
        return splits.landslide_groups(label, number, x, y, event)

    @property
    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates x and y of each row, (samples,) each, in metres in its event's projection."""
        return self.table["x"].to_numpy(np.float64), self.table["y"].to_numpy(np.float64)

    @property
    def prevalence(self) -> float:
        """Share of source cells among sources and clear cells of the mapped extent."""
        return self.counts.prevalence


def cell_keys(tile: Tile, seed: int) -> NDArray[np.uint64]:
    """Return a random key for each cell of a tile, (rows, cols) uint64, from seed and place alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) over the cell's place.
    """
    rows = np.arange(tile.row0, tile.row1, dtype=np.uint64)[:, None]
    cols = np.arange(tile.col0, tile.col1, dtype=np.uint64)[None, :]
    # The key sets these numbers apart from others of the same seed.
    stream = np.random.SeedSequence([seed, int.from_bytes(KEY[:4], "little")])
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
    """What one tile gives: its source cells and its clear cells below a key each."""

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
    call = delayed(task, pure=False, traverse=False)
    return engine.run([call(tile, block) for tile, block in stacks.blocks(stack)], advance)


def _require_cells(counts: SampleCounts, wanted: int) -> None:
    if counts.source_cells == 0:
        hint = (
            " (all their cells lack a value of some factor; see the coverage in `check`)"
            if counts.source_cells_without_values
            else "; are they smaller than the cells, or outside the mapped extent?"
        )
        raise InputError(f"[inventory] no landslide holds the centre of a usable cell{hint}")
    if counts.clear_cells < wanted:
        raise InputError(
            f"[samples] {wanted} cells clear of landslides are wanted, but there are only "
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
    columns: dict[str, NDArray[Any]] = {
        "x": a.c + (col + 0.5) * a.a,
        "y": a.f + (row + 0.5) * a.e,
        "row": row,
        "col": col,
        "label": label[order],
        "landslide_id": landslide[order],
        "block_id": np.zeros(len(row), np.int64),
        "event": np.zeros(len(row), np.int64),
    }
    for i, f in enumerate(factors):
        columns[f.code] = np.concatenate([c.values[m, i] for c, m in kept])[order]
    return pd.DataFrame(columns, copy=False)


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
    box, table = grids.bounds(grid), samples.table.copy()
    if max(box.right - box.left, box.top - box.bottom) / MOST_BLOCKS >= size:
        raise InputError(
            f"[evaluation] block_size = {size:g} m is far too small for this area: make it larger"
        )
    row = np.floor((box.top - table["y"]) / size).astype(np.int64)
    column = np.floor((table["x"] - box.left) / size).astype(np.int64)
    table["block_id"] = row * MOST_BLOCKS + column
    return replace(samples, table=table, counts=replace(samples.counts, block_size=size))


def values_at(
    samples: Samples, source: raster.RasterSource, grid: GeoBox, size: int
) -> NDArray[np.float32]:
    """Return a raster's values at the samples' cells, (samples,) float32, read tile by tile.

    NaN where the raster has no value.
    """
    row, col = samples.table["row"].to_numpy(), samples.table["col"].to_numpy()
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
            "factor": codes[factor],
            "x": box.left + (j + 0.5) * square,
            "y": box.top - (i + 0.5) * square,
            "code": code,
            "cells": np.add.reduceat(cells[order], starts) if len(starts) else cells,
            "event": np.zeros(len(starts), np.int64),
        }
    )


# ------------------------------------------------------------------ files


def essence(samples: Samples) -> str:
    """Return a fingerprint of one event's samples, without names and the evaluation's blocks."""
    tables = [
        samples.table.drop(columns=["block_id", "event"]),
        samples.areas.drop(columns=["factor", "event"]),
    ]
    return fingerprint(
        [{str(c): of_arrays(t[c].to_numpy()) for c in t} for t in tables],
        samples.areas["factor"].astype(str).tolist(),
        [[f.code, f.unit, f.kind, f.legend, dict(f.settings)] for f in samples.factors],
        samples.counts.without_blocks(),
    )


def save(samples: Samples, path: Path) -> list[Path]:
    """Write samples as Parquet, with what is known of the area in the file's metadata.

    Returns
    -------
    list of Path
        `path`, and `class_areas.parquet` beside it.
    """
    about = {
        "factors": [f.to_dict() for f in samples.factors],
        "counts": samples.counts.to_dict(),
        "positives": samples.positives,
    }
    table = pa.Table.from_pandas(samples.table, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(about).encode()}
    areas = path.with_name(AREAS_FILE)
    with replacing(areas) as temporary:
        samples.areas.to_parquet(temporary, compression="zstd", index=False)
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
    return [path, areas]


def load(path: Path) -> Samples:
    """Read samples written by `save`.

    Raises
    ------
    InputError
        No such file, or one that is damaged or of another kind.
    """
    if not path.is_file():
        raise InputError(f"{path}: no samples yet; run `shakeslide sample` first")
    try:
        return _read(path)
    except (
        pa.ArrowException,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
    ) as error:
        raise InputError(
            f"{path}: is not a whole sample table written by shakeslide; delete it and run "
            "`shakeslide sample` again"
        ) from error


def _read(path: Path) -> Samples:
    """Read samples that may be damaged, or a stranger's; what they lack is a `ValueError`."""
    # Looked at before the rows take memory.
    if pq.read_metadata(path).num_rows > MOST_ROWS:
        raise ValueError("more rows than any run draws")
    table = pq.read_table(path)
    about = json.loads((table.schema.metadata or {})[KEY])
    factors = tuple(stacks.FactorInfo.from_dict(f) for f in about["factors"])
    areas = pd.read_parquet(path.with_name(AREAS_FILE))
    frame, counts = table.to_pandas(), SampleCounts.from_dict(about["counts"])
    numbers = [
        frame[[*COLUMNS, *(f.code for f in factors)]],
        areas[["x", "y", "code", "cells", "event"]],
    ]
    for kind in (kind for part in numbers for kind in part.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            raise TypeError("columns that are no numbers")
    if not np.isfinite(numbers[0].to_numpy(float)).all() or not frame["label"].isin([0, 1]).all():
        raise ValueError("values that are never drawn")
    if not {*areas["factor"]} <= {f.code for f in factors}:
        raise ValueError("areas of other factors")
    for f in factors:
        known = {*frame[f.code], *areas["code"][areas["factor"] == f.code]}
        if f.legend and not known <= {*f.legend}:
            raise ValueError("classes without a name")
    return Samples(frame, factors, areas, counts, Positive(about["positives"]))
