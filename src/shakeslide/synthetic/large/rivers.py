"""Rivers over tiles: reaches cut where they cross the edge of a tile, Strahler's order of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.synthetic.drainage import steepest_receivers, walk
from shakeslide.synthetic.large.planes import Box, Plane, in_order, tiles
from shakeslide.synthetic.large.tiled_drainage import nodes_in_order

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Stretches of river of one tile; see `drainage.Reaches`, with `cells` of the whole grid."""

    cells: Index
    starts: Index
    order: NDArray[np.int32]
    area: NDArray[np.float32]


def _pieces(z: Plane, area: Plane, box: Box, threshold: float) -> tuple[Index, Index, Index]:
    """Cells, starts and drainage areas of the pieces of a tile.

    A piece begins at a head, a confluence or where a river enters the tile, and ends at the next
    such place, with the first cell beyond the tile, or where the water leaves the grid.
    """
    # Two cells: what flows into the tile is told from the neighbours of those beside it.
    window = box.grown(2, z.shape)
    receivers, drained = steepest_receivers(z.read(window)), area.read(window)
    flat, size = receivers.ravel(), drained.ravel()
    tile = np.zeros(window.shape, bool)
    tile[box.within(window)] = True
    inside = tile.ravel()
    cells = np.arange(flat.size)
    gives = (size >= threshold) & (flat != cells)
    donors = np.minimum(np.bincount(flat[gives], minlength=flat.size), 2).astype(np.uint8)
    # A river that enters the tile begins a piece there, as one does at a confluence.
    donors[flat[gives & ~inside]] = 2
    flat[~inside] = cells[~inside]
    local, starts, _ = walk(receivers, drained, threshold, np.zeros(flat.size, np.uint8), donors)
    row, col = np.divmod(local.astype(np.int64), window.shape[1])
    whole = (row + window.top) * z.shape[1] + col + window.left
    return whole, starts.astype(np.int64), size[local[np.maximum(starts[1:] - 2, starts[:-1])]]


@kernel
def _strahler(following: Index) -> NDArray[np.int32]:
    """Strahler's order of pieces that each lead into one other (or none: -1)."""
    order = np.zeros(following.size, np.int32)
    second = np.zeros(following.size, np.int32)
    for i in nodes_in_order(following):
        if order[i] == 0:
            order[i] = 1
        elif second[i] == order[i]:
            order[i] += 1
        j = following[i]
        if j >= 0:
            if order[i] > order[j]:
                second[j] = order[j]
                order[j] = order[i]
            elif order[i] > second[j]:
                second[j] = order[i]
    return order


def river_pieces(
    z: Plane, area: Plane, threshold: float, *, folder: Path, tile: int, workers: int
) -> Iterator[Pieces]:
    """Yield the rivers of each tile: cells with at least `threshold` cells of drainage area.

    Parameters
    ----------
    z, area : Plane
        Elevation (m) and drainage area (cells) of a grid.
    threshold : float
        Cells.
    folder : Path
        For the files.
    tile, workers : int
    """
    boxes = tiles(z.shape, tile)
    heads, ends = [], []
    found = in_order(lambda box: _pieces(z, area, box, threshold), boxes, workers)
    for k, (cells, starts, drained) in enumerate(found):
        heads.append(cells[starts[:-1]])
        ends.append(cells[starts[1:] - 1])
        np.savez(folder / f"rivers{k}.npz", cells=cells, starts=starts, area=drained)
    head, end = np.concatenate(heads), np.concatenate(ends)
    rank = np.argsort(head)
    place = np.minimum(np.searchsorted(head[rank], end), max(head.size - 1, 0))
    following = rank[place] if head.size else place
    # A piece that ends where none begins leaves the grid: none follows it.
    order = _strahler(np.where(head[following] == end, following, -1))
    done = 0
    for k, part in enumerate(heads):
        path = folder / f"rivers{k}.npz"
        with np.load(path) as kept:
            orders = order[done : done + part.size]
            yield Pieces(kept["cells"], kept["starts"], orders, kept["area"])
        done += part.size
        path.unlink()
