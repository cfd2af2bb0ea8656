"""Cells drawn for training and testing: every source cell, and as many clear ones as asked.

Each cell of the grid has a random key of its own, made from the seed and its place. The clear
cells with the smallest keys are drawn, so the draw depends neither on the tiles nor on the
workers, and a larger draw contains a smaller one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from shakeslide import grid as grids
from shakeslide.engine import Engine
from shakeslide.errors import InputError
from shakeslide.factors import stack as stacks
from shakeslide.grid import Tile
from shakeslide.inventory import CLEAR, EXCLUDED, OUTSIDE, SOURCE, Inventory
from shakeslide.io import raster
from shakeslide.progress import Advance, silent

KEY = b"shakeslide"


@dataclass(frozen=True)
class Samples:
    """The drawn cells and what is known of the whole area.

    Attributes
    ----------
    table : DataFrame
        x, y (metres), row, col, label (1 source, 0 clear), landslide_id (0 for clear cells),
        block_id, and one column of raw values per factor.
    factors : tuple of FactorInfo
        The factors, in order.
    class_areas : mapping
        Per categorical factor, cells of each class among all valid cells of the mapped extent.
    counts : mapping
        Of valid cells, sources, clear cells and landslides, see `draw`.
    """

    table: pd.DataFrame
    factors: tuple[stacks.FactorInfo, ...]
    class_areas: Mapping[str, Mapping[int, int]]
    counts: Mapping[str, int]

    @property
    def raw(self) -> NDArray[np.float32]:
        """Raw factors, (samples, factors) float32."""
        return self.table[[f.code for f in self.factors]].to_numpy(np.float32)

    @property
    def label(self) -> NDArray[np.int64]:
        """1 in a source, 0 clear of landslides."""
        return self.table["label"].to_numpy(np.int64)

    @property
    def prevalence(self) -> float:
        """Share of source cells among sources and clear cells of the mapped extent."""
        positive, clear = self.counts["source_cells"], self.counts["clear_cells"]
        return float(positive / (positive + clear))


def cell_keys(tile: Tile, seed: int) -> NDArray[np.uint64]:
    """Return a random 64-bit key for each cell of a tile, from the seed and its place alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) over the cell's place.
    """
    rows = np.arange(tile.row0, tile.row1, dtype=np.uint64)[:, None]
    cols = np.arange(tile.col0, tile.col1, dtype=np.uint64)[None, :]
    stream = np.random.SeedSequence([seed, int.from_bytes(KEY[:4], "little")])
    start = np.uint64(stream.generate_state(1, np.uint64)[0])
    key = start + ((rows << np.uint64(32)) | cols) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint64] = key ^ (key >> np.uint64(31))
    return out


@dataclass(frozen=True)
class _Draw:
    """What one tile gives: its source cells and its clear cells below a key."""

    positives: pd.DataFrame
    clear: pd.DataFrame
    areas: list[dict[int, int]]
    counts: dict[str, int]
    landslides: NDArray[np.int32]


@dataclass(frozen=True)
class _DrawTile:
    inventory: Inventory
    factors: tuple[stacks.FactorInfo, ...]
    seed: int
    below: np.uint64

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> _Draw:
        labels = self.inventory.label(tile)
        valid = stacks.valid(block)
        mapped = labels.standing != OUTSIDE
        source = (labels.standing == SOURCE) & valid
        clear = (labels.standing == CLEAR) & valid
        keys = cell_keys(tile, self.seed)
        area = valid & mapped
        return _Draw(
            self._rows(tile, block, source, labels.landslide, keys),
            self._rows(tile, block, clear & (keys < self.below), labels.landslide, keys),
            [
                _histogram(block[i][area]) if f.kind == "categorical" else {}
                for i, f in enumerate(self.factors)
            ],
            {
                "cells": int(valid.size),
                "valid_cells": int(valid.sum()),
                "mapped_cells": int(area.sum()),
                "source_cells": int(source.sum()),
                "source_cells_without_values": int(((labels.standing == SOURCE) & ~valid).sum()),
                "clear_cells": int(clear.sum()),
                "excluded_cells": int(((labels.standing == EXCLUDED) & valid).sum()),
            },
            np.unique(labels.landslide[labels.landslide > 0]),
        )

    def _rows(
        self,
        tile: Tile,
        block: NDArray[np.float32],
        where: NDArray[np.bool_],
        landslide: NDArray[np.int32],
        keys: NDArray[np.uint64],
    ) -> pd.DataFrame:
        row, col = np.nonzero(where)
        columns: dict[str, Any] = {
            "key": keys[row, col],
            "row": (row + tile.row0).astype(np.int32),
            "col": (col + tile.col0).astype(np.int32),
            "landslide_id": landslide[row, col],
        }
        return pd.DataFrame(
            columns | {f.code: block[i, row, col] for i, f in enumerate(self.factors)}
        )


def _histogram(values: NDArray[np.float32]) -> dict[int, int]:
    codes, counts = np.unique(values.astype(np.int64), return_counts=True)
    return {int(k): int(n) for k, n in zip(codes, counts, strict=True)}


def draw(
    stack: xr.DataArray,
    factors: Sequence[stacks.FactorInfo],
    inventory: Inventory,
    grid: GeoBox,
    ratio: float,
    seed: int,
    block_size: float,
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
    ratio : float
        Clear cells per source cell.
    seed : int
        Of the study.
    block_size : float
        Side in metres of the blocks numbered in `block_id`.
    engine, advance
        Where to run, and how to tell: called once per tile (more often if a first draw falls
        short).

    Raises
    ------
    InputError
        No source cell or too few clear cells with values.
    """
    share = min(1.0, _first_share(inventory, grid, ratio))
    while True:
        below = np.uint64(min(int(share * 2**64), 2**64 - 1))
        task = _DrawTile(inventory, tuple(factors), seed, below)
        drawn = _run(task, stack, engine, advance)
        counts = _sum([d.counts for d in drawn])
        wanted = round(ratio * counts["source_cells"])
        _require_cells(counts, wanted)
        if sum(len(d.clear) for d in drawn) >= wanted:
            return _collect(drawn, counts, wanted, factors, inventory, grid, block_size)
        share = min(1.0, share * 2 * wanted / max(1, sum(len(d.clear) for d in drawn)))


def _first_share(inventory: Inventory, grid: GeoBox, ratio: float) -> float:
    """Guess the share of cells to look at from the landslides' area, on the safe side."""
    dx, dy = grids.cell_size(grid)
    cells = grid.shape[0] * grid.shape[1]
    return float(2.0 * ratio * inventory.areas.sum() / (dx * dy * cells) + 1000 / cells)


def _run(task: _DrawTile, stack: xr.DataArray, engine: Engine, advance: Advance) -> list[_Draw]:
    call = delayed(task, pure=False, traverse=False)
    return engine.run([call(tile, block) for tile, block in stacks.blocks(stack)], advance)


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {k: sum(c[k] for c in counts) for k in counts[0]}


def _require_cells(counts: Mapping[str, int], wanted: int) -> None:
    if counts["source_cells"] == 0:
        hint = (
            " (all their cells lack a value of some factor; see the coverage in `check`)"
            if counts["source_cells_without_values"]
            else "; are they smaller than the cells, or outside the mapped extent?"
        )
        raise InputError(f"[inventory] no landslide holds the centre of a usable cell{hint}")
    if counts["clear_cells"] < wanted:
        raise InputError(
            f"[samples] {wanted} cells clear of landslides are wanted, but there are only "
            f"{counts['clear_cells']}; lower negatives_per_positive, buffer or exclusions"
        )


def _collect(
    drawn: Sequence[_Draw],
    counts: dict[str, int],
    wanted: int,
    factors: Sequence[stacks.FactorInfo],
    inventory: Inventory,
    grid: GeoBox,
    block_size: float,
) -> Samples:
    positives = pd.concat([d.positives for d in drawn]).assign(label=1)
    clear = pd.concat([d.clear for d in drawn]).assign(label=0)
    clear = clear.sort_values(["key", "row", "col"]).head(wanted)
    table = pd.concat([positives, clear]).sort_values(["row", "col"], ignore_index=True)
    a = grid.affine
    table["x"] = a.c + (table["col"] + 0.5) * a.a
    table["y"] = a.f + (table["row"] + 0.5) * a.e
    table["label"] = table["label"].astype(np.int8)
    table["block_id"] = block_ids(table["x"].to_numpy(), table["y"].to_numpy(), grid, block_size)
    columns = ["x", "y", "row", "col", "label", "landslide_id", "block_id"]
    areas = {
        f.code: _sum_areas([d.areas[i] for d in drawn])
        for i, f in enumerate(factors)
        if f.kind == "categorical"
    }
    seen = np.unique(np.concatenate([d.landslides for d in drawn]))
    counts |= {
        "landslides": inventory.count,
        "landslides_without_cell": inventory.count - int((seen <= inventory.count).sum()),
    }
    kept = table[columns + [f.code for f in factors]]
    return Samples(kept, tuple(factors), areas, counts)


def block_ids(
    x: NDArray[np.float64], y: NDArray[np.float64], grid: GeoBox, size: float
) -> NDArray[np.int64]:
    """Return each point's square block: 1,000,000 row + column from the north-west."""
    box = grids.bounds(grid)
    i = np.floor((box.top - y) / size).astype(np.int64)
    j = np.floor((x - box.left) / size).astype(np.int64)
    out: NDArray[np.int64] = i * 1_000_000 + j
    return out


def _sum_areas(parts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for part in parts:
        for code, n in part.items():
            total[code] = total.get(code, 0) + n
    return dict(sorted(total.items()))


# ------------------------------------------------------------------ files


def save(samples: Samples, path: Path) -> None:
    """Write samples as Parquet, with what is known of the area in the file's metadata."""
    about = {
        "factors": [f.to_dict() for f in samples.factors],
        "class_areas": {
            c: {str(k): n for k, n in a.items()} for c, a in samples.class_areas.items()
        },
        "counts": dict(samples.counts),
    }
    table = pa.Table.from_pandas(samples.table, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(about).encode()}
    with raster.replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def load(path: Path) -> Samples:
    """Read samples written by `save`."""
    if not path.exists():
        raise InputError(f"{path}: no samples yet; run `shakeslide sample` first")
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[KEY])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise InputError(f"{path}: is not a sample table written by shakeslide") from error
    return Samples(
        table.to_pandas(),
        tuple(stacks.FactorInfo.from_dict(f) for f in about["factors"]),
        {c: {int(k): n for k, n in a.items()} for c, a in about["class_areas"].items()},
        about["counts"],
    )
