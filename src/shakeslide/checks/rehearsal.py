"""What would be sampled and how it would be split, before any factor is computed.

As many cells are drawn as `sample` draws, and split as `evaluate` splits them, as if every cell had
values of all factors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import sample_columns as columns
from shakeslide.core.errors import InputError, counted
from shakeslide.evaluation import blocks
from shakeslide.geo import grid as grids
from shakeslide.layers.inventory import CLEAR, SOURCE, Inventory
from shakeslide.learning import plans
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED
from shakeslide.study.settings import Evaluation, Samples, Sources

MOST_CELLS = 16_000_000
"""Cells of the largest grid on which all are looked at."""
MOST_SPLIT = 200_000
"""Drawn cells from which on some of them are split first: millions take long."""
WINDOW = 1024
"""Rows and columns that are looked at together."""
FEW = 10
"""Source cells on one side of a split below which scores are chance."""


@dataclass(frozen=True)
class Asked:
    """What the study asks for of its samples.

    Attributes
    ----------
    samples, evaluation : Samples, Evaluation
        The tables of the study.
    seed : int
        Of the study.
    sources : Sources
        How source areas are extracted.
    """

    samples: Samples
    evaluation: Evaluation
    seed: int
    sources: Sources


def rehearse(landslides: Inventory, grid: GeoBox, asked: Asked) -> list[str]:
    """Draw and split as the study asks for; return what will hardly work.

    Parameters
    ----------
    landslides : Inventory
        The landslides.
    grid : GeoBox
        The grid; one of more than `MOST_CELLS` cells is not looked at.
    asked : Asked
        What the study asks for.

    Raises
    ------
    InputError
        Too few clear cells, or fewer blocks with source cells than folds.
    """
    rows, cols = grids.shape_of(grid)
    if rows * cols > MOST_CELLS:
        return []
    sources, clear = _cells(landslides, grid)
    if len(sources) == 0:
        raise InputError(
            "[inventory] all cells of the landslides lie outside the mapped area, so no cell is a "
            "source: check [inventory] extent and [[masks]]"
        )
    most = asked.samples.most or len(sources)
    sources = sources.lowest(most)
    if lacking := _lacking_clear(len(sources), len(clear), rows * cols, asked):
        return [lacking]
    clear = clear.lowest(round(asked.samples.negatives_per_positive * len(sources)))
    # Splits ask for places and labels only, not for factors.
    drawn = sample_table.Samples(_placed(sources, clear, grid), (), pd.DataFrame(), NOT_COUNTED)
    return [*_shares(len(sources), asked), *_splits(drawn, grid, asked)]


@dataclass(frozen=True)
class _Cells:
    """Cells of one kind: as a table, the millions of clear ones would take five times the memory.

    Attributes
    ----------
    place : array, (n,) int32
        Row times the number of columns of the grid, plus column.
    landslide : array, (n,) int32
        Whose source each is; 0 of a clear cell.
    """

    place: NDArray[np.int32]
    landslide: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.place)

    def lowest(self, number: int) -> _Cells:
        """Return so many cells, evenly spread by chance; the same ones in every check."""
        if number >= len(self):
            return self
        chosen = np.random.default_rng(0).choice(len(self), number, replace=False)
        chosen = np.sort(chosen)
        return _Cells(self.place[chosen], self.landslide[chosen])

    def table(self, cols: int) -> pd.DataFrame:
        """Return row, column and landslide of each cell of a grid of `cols` columns."""
        row, col = np.divmod(self.place, cols)
        place = {columns.ROW: row.astype(np.int32), columns.COL: col.astype(np.int32)}
        return pd.DataFrame({**place, columns.LANDSLIDE: self.landslide})


def _cells(landslides: Inventory, grid: GeoBox) -> tuple[_Cells, _Cells]:
    """Return the source cells, and the clear cells."""
    cols = grids.shape_of(grid)[1]
    found: dict[int, list[NDArray[np.int32]]] = {SOURCE: [], CLEAR: []}
    whose: list[NDArray[np.int32]] = []
    for tile in grids.tiles(grid, WINDOW):
        labels = landslides.label(tile)
        for kind, parts in found.items():
            row, col = np.nonzero(labels.standing == kind)
            parts.append(((row + tile.row0) * cols + col + tile.col0).astype(np.int32))
        whose.append(labels.landslide[labels.standing == SOURCE])
    clear = np.concatenate(found[CLEAR])
    return (
        _Cells(np.concatenate(found[SOURCE]), np.concatenate(whose)),
        _Cells(clear, np.zeros(len(clear), np.int32)),
    )


def _placed(sources: _Cells, clear: _Cells, grid: GeoBox) -> pd.DataFrame:
    """Return the drawn cells with label and coordinates."""
    cols = grids.shape_of(grid)[1]
    table = pd.concat([sources.table(cols), clear.table(cols)], ignore_index=True)
    table[columns.LABEL] = np.repeat([1, 0], [len(sources), len(clear)])
    a = grid.affine
    table[columns.X] = a.c + (table[columns.COL] + 0.5) * a.a
    table[columns.Y] = a.f + (table[columns.ROW] + 0.5) * a.e
    table[columns.EVENT] = 0
    return table


def _lacking_clear(sources: int, clear: int, cells: int, asked: Asked) -> str:
    """Report too few clear cells; raise where there cannot be as many, or none are asked for."""
    ratio = asked.samples.negatives_per_positive
    # A ratio may be so large that no whole number is near.
    wanted = round(ratio * sources) if ratio * sources < 1e15 else ratio * sources
    key = f"[samples] negatives_per_positive = {ratio:g}"
    lacking = (
        f"{key} asks for {wanted:,.6g} clear cells ({counted(sources, 'source cell')}), but only "
        f"{clear:,} are clear of landslides: make it {clear / sources:.2g} at most"
    )
    if wanted > cells:
        raise InputError(lacking)
    # Only likely: where sources lack a factor's value, fewer clear cells are wanted.
    if wanted > clear:
        return f"`sample` is likely to refuse this: {lacking}"
    folded = {"landslide", "block"} & set(asked.evaluation.protocols)
    least = asked.evaluation.folds if folded else 2
    if wanted < least:
        raise InputError(
            f"{key} asks for {counted(int(wanted), 'clear cell')} for "
            f"{counted(sources, 'source cell')}, but at least {least} are needed: make it "
            f"{least / sources:.2g} or more (1 is usual)"
        )
    return ""


def _shares(sources: int, asked: Asked) -> list[str]:
    """Report a training share that leaves few source cells on one side."""
    share = asked.samples.train_share
    # As `splits.pixel` does it.
    train = min(max(round(share * sources), 1), sources - 1)
    few = [
        f"{number:,} to {what}"
        for number, what in ((train, "train on"), (sources - train, "test on"))
        if number < FEW
    ]
    # So few in all are told of by `few`.
    if not few or sources < 2 * FEW:
        return []
    return [
        f"[samples] train_share = {share:g} leaves, of {counted(sources, 'source cell')}, "
        f"{' and '.join(few)}: {FEW} or more on both sides are needed for scores with a meaning"
    ]


def _splits(drawn: sample_table.Samples, grid: GeoBox, asked: Asked) -> list[str]:
    """Report protocols of which a split would have no source cell, or no clear one, on one side."""
    evaluation = asked.evaluation
    out, some = [], _some(drawn)
    for protocol in evaluation.protocols:
        # It splits the samples of other runs, which are not read here.
        if protocol == "event":
            continue
        sizes = _sizes(drawn, evaluation) if protocol == "block" else [1.0]
        if protocol == "block":
            # Smaller blocks are more: where the smallest are too few, so are all.
            _require_blocks(drawn, grid, min(sizes), evaluation)
        plans = [_plan(grid, asked, size) for size in sizes]
        failures = [_failure(some, protocol, plan) for plan in plans]
        if all(failures) and some is not drawn:
            # Rare blocks may be missing among some cells: all of them decide.
            failures = [_failure(drawn, protocol, plan) for plan in plans]
        # `sample` chooses among these sides: one that can be split is enough.
        if all(failures):
            out.append(f"`evaluate` is likely to refuse this: {failures[0]}")
    return out


def _some(drawn: sample_table.Samples) -> sample_table.Samples:
    """Return at most `MOST_SPLIT` cells, evenly spread by chance."""
    cells = len(drawn.table)
    if cells <= MOST_SPLIT:
        return drawn
    chosen = np.sort(np.random.default_rng(0).choice(cells, MOST_SPLIT, replace=False))
    return replace(drawn, table=drawn.table.iloc[chosen].reset_index(drop=True))


def _sizes(drawn: sample_table.Samples, evaluation: Evaluation) -> list[float]:
    """Return the side of the blocks, or those from which `sample` chooses one."""
    if evaluation.block_size != "auto":
        return [evaluation.block_size]
    x, y = drawn.places
    low, high = blocks.limits(x, y)
    # Both ends of what `sample` may choose, and the middle by ratio.
    return [low, float(np.sqrt(low * high)), high] if low > 0 else [1.0]


def _require_blocks(
    drawn: sample_table.Samples, grid: GeoBox, size: float, evaluation: Evaluation
) -> None:
    """Raise where fewer blocks than folds hold a source cell."""
    x, y = drawn.places
    block = blocks.block_id(x, y, size, plans.origin(grid))
    holding = len(np.unique(block[drawn.label == 1]))
    if holding >= evaluation.folds:
        return
    stated = f"[evaluation] block_size = {size:g}"
    if evaluation.block_size == "auto":
        stated = f"blocks of {size:g} m, the smallest that block_size = auto takes here"
    raise InputError(
        f"{stated}: {counted(holding, 'block')} of {len(np.unique(block)):,} "
        f"{'holds' if holding == 1 else 'hold'} source cells, but folds = {evaluation.folds} needs "
        f"at least {evaluation.folds}: set a smaller block_size, fewer folds, or leave block out "
        "of protocols"
    )


def _plan(grid: GeoBox, asked: Asked, size: float) -> plans.Plan:
    evaluation = asked.evaluation
    return plans.Plan(
        train_share=asked.samples.train_share,
        repeats=1,
        folds=evaluation.folds,
        block_size=size,
        buffer=evaluation.buffer,
        origin=plans.origin(grid),
        seed=asked.seed,
    )


def _failure(drawn: sample_table.Samples, protocol: str, plan: plans.Plan) -> str:
    """Return why a protocol cannot split the samples, "" where it can."""
    try:
        plans.chosen_splits(drawn, protocol, plan)
    except InputError as error:
        return str(error)
    return ""
