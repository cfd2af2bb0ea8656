"""Landslides over tiles: groups of failed cells that cross tiles, run-outs, choice.

A landslide's source is any group of failed cells that share sides, across tiles too. Tiles let
their landslides run out in four turns; within a turn no two tiles reach the same cells, so the
result depends on neither the order of the tiles nor the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from shakeslide.synthetic.large.planes import Box, Plane, View, in_order, tiles
from shakeslide.synthetic.mappers import Extent, found_by_size
from shakeslide.synthetic.runout import Ids, Ints, RunOut, mobility, run_out

REACH = 4000.0
"""Farthest that a landslide runs out beyond its tile (m), or half a tile where that is less."""


def _joined(pairs: NDArray[np.integer], count: int) -> Ints:
    """Number of the component, from 0 on, of each of `count` nodes joined by pairs (2, n)."""
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _label_tiles(
    failed: Plane, whole: Plane, boxes: list[Box], workers: int
) -> tuple[list[int], NDArray[np.int64]]:
    """Number the groups of failed cells of each tile; return their number and their sizes."""
    counts: list[int] = []
    sizes, start = [np.zeros(1, np.int64)], 0

    def work(box: Box) -> tuple[Box, Ints, int]:
        labels = np.empty(box.shape, np.int32)
        count = int(label(failed.read(box), output=labels))
        return box, labels, count

    for box, labels, count in in_order(work, boxes, workers):
        sizes.append(np.bincount(labels.ravel(), minlength=count + 1)[1:])
        whole.write(box, np.where(labels > 0, labels + np.int32(start), 0))
        counts.append(count)
        start += count
    return counts, np.concatenate(sizes)


def _neighbours(whole: Plane, boxes: list[Box]) -> NDArray[np.int64]:
    """Pairs of groups that share sides across the edges of tiles, (2, n)."""
    pairs = [np.zeros((2, 0), np.int64)]
    for box in boxes:
        if box.top > 0:
            pairs.append(whole.read(Box(box.top - 1, box.left, box.top + 1, box.right)))
        if box.left > 0:
            pairs.append(whole.read(Box(box.top, box.left - 1, box.bottom, box.left + 1)).T)
    both = np.concatenate(pairs, axis=1)
    return both[:, (both > 0).all(axis=0)]


@dataclass(frozen=True)
class _Groups:
    """Groups of failed cells, which are the sources, numbered from 1 on by their first tile.

    `whole` holds the group of each cell that a landslide covers, `friction` the tangents of the
    angles of reach, `starts` the first group of each tile and at last the number after all.
    """

    whole: Plane
    failed: Plane
    friction: NDArray[np.float32]
    starts: NDArray[np.int64]


def _group(
    failed: Plane, whole: Plane, boxes: list[Box], cell: float, seed: int, workers: int
) -> _Groups:
    counts, sizes = _label_tiles(failed, whole, boxes, workers)
    group = _joined(_neighbours(whole, boxes), sizes.size)

    def rename(box: Box) -> None:
        whole.write(box, group[whole.read(box)])

    for _ in in_order(rename, boxes, workers):
        pass
    area = np.bincount(group, weights=sizes)[1:] * cell**2
    friction = mobility(area, np.random.default_rng([seed, 60]))
    # Components are numbered by their first member, and members by their tile.
    newest = np.maximum.accumulate(group)
    ends = newest[np.cumsum(counts)].astype(np.int64) + 1
    return _Groups(whole, failed, np.r_[np.float32(0.0), friction], np.r_[1, ends])


def _run_tile(
    groups: _Groups, tile: int, window: Box, z: View, root: Ints, how: RunOut
) -> NDArray[np.int64]:
    """Let the landslides that begin in a tile run out; return pairs of groups now joined."""
    whole = groups.whole.read(window)
    names = np.unique(np.r_[np.int32(0), whole.ravel()])
    mine = (names >= groups.starts[tile]) & (names < groups.starts[tile + 1])
    # Stable ground, then those that run out, then the others.
    order = np.r_[0, np.flatnonzero(mine), np.flatnonzero(~mine)[1:]]
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size)
    owner = rank[np.searchsorted(names, whole)]
    names, count = names[order], int(mine.sum())
    sources = np.where((owner <= count) & (groups.failed.read(window) > 0), owner, np.int32(0))
    _, first, same = np.unique(root[names], return_index=True, return_inverse=True)
    parent = first[same].astype(np.int32)
    friction = groups.friction[names[1 : count + 1]]
    run_out(z.read(window), sources, owner, friction, how, Ids(names, parent))
    groups.whole.write(window, names[owner])
    return np.stack([names, names[parent]]).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Slides:
    """Landslides in files; index 0 of all arrays is stable ground.

    Attributes
    ----------
    whole : Plane, int32
        Group of failed cells whose landslide covers a cell.
    failed : Plane, uint8
        1 on the sources.
    ids : array, (groups + 1,) int32
        Landslide, from 1 on, that each group is part of.
    cells : array, (landslides + 1,) int64
        Cells that each landslide covers.
    first : array, (landslides + 1,) int32
        Number of the first tile that holds a part of each landslide.
    bottom, left, right : array, (landslides + 1,) int32
        How far each landslide reaches.
    """

    whole: Plane
    failed: Plane
    ids: Ints
    cells: NDArray[np.int64]
    first: Ints
    bottom: Ints
    left: Ints
    right: Ints


def make_slides(
    failed: Plane,
    z: View,
    how: RunOut,
    *,
    folder: Path,
    tile: int,
    workers: int,
) -> Slides:
    """Group failed cells into landslides and let them run out.

    Parameters
    ----------
    failed : Plane, uint8
        1 where cells fail.
    z : View
        Elevation (m) on the same cells.
    how : RunOut
        As for `runout.make_landslides`.
    folder : Path
        For the files.
    tile : int
        Cells a side of a tile.
    workers : int
    """
    boxes = tiles(failed.shape, tile)
    whole = Plane(folder / "whole", failed.shape, np.int32).create()
    groups = _group(failed, whole, boxes, how.cell, how.seed, workers)
    count = int(groups.starts[-1])
    root = np.arange(count).astype(np.int32)
    # Tiles of one turn lie a tile apart: half of it each, and they reach no common cell.
    reach = min(int(REACH / how.cell), tile // 2)
    for turn in ((0, 0), (0, 1), (1, 0), (1, 1)):
        now = [
            k for k, b in enumerate(boxes) if (b.top // tile % 2, b.left // tile % 2) == turn
        ]  # fmt: skip

        def work(k: int, root: Ints = root) -> NDArray[np.int64]:
            window = boxes[k].grown(reach, failed.shape)
            return _run_tile(groups, k, window, z, root, how)

        merged = list(in_order(work, now, workers))
        links = np.concatenate([np.stack([np.arange(count), root]), *merged], axis=1)
        ids = _joined(links, count)
        root = np.unique(ids, return_index=True)[1][ids].astype(np.int32)
    return _measured(whole, failed, ids, boxes, workers)


def _measured(whole: Plane, failed: Plane, ids: Ints, boxes: list[Box], workers: int) -> Slides:
    """Size, first tile and reach of each landslide."""
    count = int(ids.max()) + 1
    cells = np.zeros(count, np.int64)
    first = np.full(count, len(boxes), np.int32)
    left = np.full(count, whole.shape[1], np.int32)
    bottom, right = np.zeros(count, np.int32), np.zeros(count, np.int32)

    def work(k: int) -> tuple[int, Ints, NDArray[np.int64], NDArray[np.int64]]:
        box = boxes[k]
        found = ids[whole.read(box)]
        row, col = np.nonzero(found)
        present, inverse = np.unique(found[row, col], return_inverse=True)
        reach = np.zeros((3, present.size), np.int64)
        reach[1] = whole.shape[1]
        np.maximum.at(reach[0], inverse, row + box.top + 1)
        np.minimum.at(reach[1], inverse, col + box.left)
        np.maximum.at(reach[2], inverse, col + box.left + 1)
        return k, present, np.bincount(inverse, minlength=present.size), reach

    for k, present, size, reach in in_order(work, range(len(boxes)), workers):
        cells[present] += size
        first[present] = np.minimum(first[present], k)
        bottom[present] = np.maximum(bottom[present], reach[0])
        left[present] = np.minimum(left[present], reach[1])
        right[present] = np.maximum(right[present], reach[2])
    return Slides(
        whole=whole, failed=failed, ids=ids, cells=cells, first=first, bottom=bottom, left=left,
        right=right,
    )  # fmt: skip


def choose(
    slides: Slides, how: RunOut, smallest: float, extent: Extent | None, boxes: list[Box],
    workers: int,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which landslides are in the inventory, as `mappers.map_landslides` chooses.

    Returns
    -------
    array, (landslides + 1,) bool
        By number; [0], stable ground, is False.
    """
    mapped = np.zeros(slides.cells.size, bool)
    mapped[1:] = found_by_size(how.seed, slides.cells[1:] * how.cell**2, smallest)
    if extent is None:
        return mapped
    within = np.zeros(slides.cells.size, np.int64)

    def work(box: Box) -> NDArray[np.int64]:
        inside = extent.on(*box.slices)
        return np.bincount(slides.ids[slides.whole.read(box)[inside]], minlength=within.size)

    for found in in_order(work, boxes, workers):
        within += found
    mapped &= 2 * within > slides.cells
    return mapped


@dataclass(frozen=True)
class Part:
    """Ids of some landslides, and of their sources, on a box of the map.

    Attributes
    ----------
    box : Box
        Where.
    whole, sources : array, (rows, cols) int32
        0 elsewhere.
    """

    box: Box
    whole: Ints
    sources: Ints


def parts(
    slides: Slides, mapped: NDArray[np.bool_], boxes: list[Box], workers: int
) -> Iterator[Part]:
    """Yield the landslides of the inventory, each with the first tile that holds a piece of it.

    Parameters
    ----------
    slides : Slides
    mapped : array, (landslides + 1,) bool
        From `choose`.
    boxes : list of Box
        The tiles.
    workers : int
    """

    def work(k: int) -> Part | None:
        own = mapped & (slides.first == k)
        if not own.any():
            return None
        box = Box(
            boxes[k].top, int(slides.left[own].min()),
            int(slides.bottom[own].max()), int(slides.right[own].max()),
        )  # fmt: skip
        ids = slides.ids[slides.whole.read(box)]
        ids[~own[ids]] = 0
        return Part(box, ids, np.where(slides.failed.read(box) > 0, ids, np.int32(0)))

    for part in in_order(work, range(len(boxes)), workers):
        if part is not None:
            yield part
