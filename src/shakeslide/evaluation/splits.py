"""Protocols: which rows train a model and which test it.

Four questions, from the easiest to the hardest: `pixel` (the next cell of a landslide that
others are known of), `landslide` (the next landslide), `block` (a place without any), `event`
(another earthquake).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.random_streams import generator
from shakeslide.evaluation.blocks import ROW, block_corner, block_groups, lay
from shakeslide.evaluation.event_rows import apart, rows_by_event
from shakeslide.evaluation.ranking import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to test on.

    Attributes
    ----------
    protocol : str
        pixel, landslide, block or event.
    repeat, fold : int
        Which draw, and which part of it; from 0.
    train, test : ndarray of int64, shapes (n,) and (m,)
        Row numbers, ascending.
    """

    protocol: str
    repeat: int
    fold: int
    train: IntArray
    test: IntArray


def pixel(y: ArrayLike, train: float = 0.2, repeats: int = 20, seed: int = 0) -> Iterator[Split]:
    """Split rows at random, each class in the same proportion.

    Cells of one landslide fall on both sides: scores say how well gaps between known landslide
    cells are filled, not how well landslides are predicted.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    train : float
        Share of the rows of each class to train on.
    repeats : int
        Number of independent draws.
    seed : int
        Seed, not negative.

    Yields
    ------
    Split
        One per repeat, fold 0. Every row is in train or in test.

    Raises
    ------
    InputError
        If `train` is not between 0 and 1, or there are fewer than two rows of a class.
    """
    positive = _labels(y)
    _check_share(train)
    for repeat in range(repeats):
        # A stream per repeat: asking for more repeats leaves the first ones as they are.
        rng = generator(seed, "pixel", repeat)
        training = np.zeros(positive.size, dtype=bool)
        for rows in (np.flatnonzero(positive), np.flatnonzero(~positive)):
            # Of two rows or more, one at least is on either side.
            some = min(max(round(train * rows.size), 1), rows.size - 1)
            training[rng.permutation(rows)[:some]] = True
        yield _split("pixel", repeat, 0, positive, training, ~training)


def landslide(
    y: ArrayLike,
    landslide_id: ArrayLike,
    x: ArrayLike,
    y_coord: ArrayLike,
    train: float = 0.8,
    repeats: int = 20,
    seed: int = 0,
    folds: int | None = None,
    event: ArrayLike | None = None,
) -> Iterator[Split]:
    """Split by landslide: all cells of one, and the negatives nearest to it, stay together.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    landslide_id : array_like of int, shape (n,)
        Landslide of each positive; 0 for negatives.
    x, y_coord : array_like, shape (n,)
        Coordinates, metres.
    train : float
        Share of the landslides to train on, in small landslides as in large. Ignored with
        `folds`.
    repeats : int
        Number of independent draws.
    seed : int
        Seed, not negative.
    folds : int, optional
        Cut each draw into this many balanced folds instead, each tested once.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Yields
    ------
    Split
        One per repeat, or one per repeat and fold.

    Raises
    ------
    InputError
        If there are too few landslides for the split, or a side has one class only.
    """
    positive = _labels(y)
    _check_share(train)
    groups = landslide_groups(positive, landslide_id, x, y_coord, event)
    for repeat in range(repeats):
        rng = generator(seed, "landslide", repeat)
        if folds is None:
            yield _hold_out("landslide", repeat, positive, groups, train, rng)
        else:
            fold_of = balanced_folds(positive, groups, folds, rng, "landslides")
            for fold in range(folds):
                test = fold_of == fold
                yield _split("landslide", repeat, fold, positive, ~test, test)


def landslide_groups(
    y: ArrayLike,
    landslide_id: ArrayLike,
    x: ArrayLike,
    y_coord: ArrayLike,
    event: ArrayLike | None = None,
) -> IntArray:
    """Assign every row to a landslide: positives to their own, negatives to the nearest.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1; one at least is 1.
    landslide_id : array_like of int, shape (n,)
        Landslide of each positive, not 0; ignored for negatives.
    x, y_coord : array_like, shape (n,)
        Coordinates, metres.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Returns
    -------
    ndarray of int64, shape (n,)
        A landslide's id; of several events a number per landslide, see `event_rows.apart`. Nearest
        is by the positive cell of the same event that is nearest to the negative one. The
        negatives of an event without positives are one group.

    Raises
    ------
    InputError
        If there are no positives, or a positive has no landslide.
    """
    positive = _labels(y)
    groups = np.array(landslide_id, dtype=np.int64)
    if not positive.any():
        raise InputError("samples: no row has label 1; landslide groups need landslides")
    if np.any(groups[positive] == 0):
        count = int(np.sum(groups[positive] == 0))
        raise InputError(f"samples: {count} positive rows have landslide_id 0; give them an id")
    groups[~positive] = 0
    points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y_coord, dtype=float)])
    for rows in rows_by_event(event, positive.size):
        slid, clear = rows[positive[rows]], rows[~positive[rows]]
        if slid.size:
            tree = scipy.spatial.cKDTree(points[slid], balanced_tree=False)
            groups[clear] = groups[slid][tree.query(points[clear])[1]]
    return apart(groups, event)


def block(
    y: ArrayLike,
    x: ArrayLike,
    y_coord: ArrayLike,
    size: float,
    buffer: float = 0.0,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    origin: tuple[float, float] | None = None,
    event: ArrayLike | None = None,
) -> Iterator[Split]:
    """Split by square blocks of land, with a gap between training and test.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    x, y_coord : array_like, shape (n,)
        Coordinates, metres.
    size : float
        Side of a block, metres; see `suggest_size`.
    buffer : float
        Rows nearer than this, in metres, to a block that holds test rows do not train.
    folds : int
        Number of folds, alike in positives and in rows; each block is tested in one.
    repeats : int
        Number of independent draws.
    seed : int
        Seed, not negative.
    origin : (float, float), optional
        As for `lay`.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Yields
    ------
    Split
        One per repeat and fold; over the folds of a repeat every row is tested once.

    Raises
    ------
    InputError
        If there are fewer blocks than folds, or a side has one class only.
    """
    positive = _labels(y)
    if not 0 <= buffer < np.inf:
        raise InputError(f"block buffer is {buffer}: give a length in metres, 0 or more")
    laid = lay(x, y_coord, size, origin, event)
    blocks = block_groups(laid)
    for repeat in range(repeats):
        rng = generator(seed, "block", repeat)
        fold_of = balanced_folds(positive, blocks, folds, rng, f"blocks of {size:g} m")
        for fold in range(folds):
            test = fold_of == fold
            near = np.zeros(positive.size, dtype=bool)
            for part in laid:
                near[part.rows] = within(
                    part.x,
                    part.y,
                    part.block,
                    test[part.rows],
                    size,
                    buffer=buffer,
                    origin=part.origin,
                )
            yield _split("block", repeat, fold, positive, ~test & ~near, test)


def event(y: ArrayLike, event_id: ArrayLike) -> Iterator[Split]:
    """Leave out one earthquake at a time.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    event_id : array_like, shape (n,)
        Earthquake of each row, numbers or names.

    Yields
    ------
    Split
        One per event in the order of the sorted ids, which is the number of its fold.

    Raises
    ------
    InputError
        If there is one event only, or a side has one class only.
    """
    positive = _labels(y)
    events, index = np.unique(np.asarray(event_id), return_inverse=True)
    if events.size < 2:
        raise InputError("protocol event: all samples are from one event; two or more are needed")
    for fold in range(events.size):
        test = index == fold
        yield _split("event", 0, fold, positive, ~test, test)


def hold_out(
    y: ArrayLike, groups: ArrayLike, train: float = 0.8, seed: int = 0
) -> tuple[IntArray, IntArray]:
    """Set groups apart, for example to validate within training rows.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    groups : array_like of int, shape (n,)
        Rows of one group stay together.
    train : float
        Share of the groups to keep, in small groups as in large.
    seed : int
        Seed, not negative.

    Returns
    -------
    kept, apart : ndarray of int64, shapes (k,) and (n - k,)
        Row numbers, ascending.

    Raises
    ------
    InputError
        If there is one group only, or a side has one class only.
    """
    positive = _labels(y)
    _check_share(train)
    rng = generator(seed, "hold_out")
    split = _hold_out("hold_out", 0, positive, np.asarray(groups), train, rng)
    return split.train, split.test


def balanced_folds(
    y: ArrayLike, groups: ArrayLike, folds: int, rng: np.random.Generator, what: str = "groups"
) -> IntArray:
    """Deal groups of rows to folds at random so that folds are alike in positives and rows.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1.
    groups : array_like of int, shape (n,)
        Rows of one group go to one fold.
    folds : int
        Number of folds, two or more.
    rng : numpy.random.Generator
        Source of randomness.
    what : str
        What groups are, for the error.

    Returns
    -------
    ndarray of int64, shape (n,)
        Fold of each row.

    Raises
    ------
    InputError
        If there are fewer groups than folds.
    """
    index, load = _group_loads(_labels(y), np.asarray(groups))
    if not 2 <= folds <= load.shape[0]:
        raise InputError(
            f"the samples cover {load.shape[0]} {what}, but folds is {folds}: give at "
            f"least 2 folds and at most as many as there are {what}"
        )
    # Largest first balances best; the order within runs of like size is what makes repeats differ.
    order = _shuffled_by_size(load, 2 * folds, rng)
    fold_of_group = np.empty(load.shape[0], dtype=np.int64)
    filled = np.zeros((folds, load.shape[1]))
    for group in order:
        # The fold whose sum of squared loads grows least; an empty one comes before any other.
        fold = np.argmin(filled @ load[group])
        fold_of_group[group] = fold
        filled[fold] += load[group]
    return fold_of_group[index]


def within(
    x: FloatArray,
    y_coord: FloatArray,
    blocks: IntArray,
    test: BoolArray,
    size: float,
    buffer: float,
    origin: tuple[float, float],
) -> BoolArray:
    """Whether points are nearer than `buffer` to a block that holds a test row.

    Parameters
    ----------
    x, y_coord : ndarray, shape (n,)
        Coordinates, metres.
    blocks : ndarray of int64, shape (n,)
        Block of each point (`block_id`).
    test : ndarray of bool, shape (n,)
        Rows to test; the points of their blocks come out as near.
    size, buffer : float
        Side of a block and distance, metres.
    origin : (float, float)
        Origin of the blocks.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    unique, index = np.unique(blocks, return_inverse=True)
    tested = np.zeros(unique.size, dtype=bool)
    tested[index[test]] = True
    near = tested[index]
    # No block is further away than the rows and columns that there are.
    span = int(max(np.ptp(unique // ROW), np.ptp(unique % ROW))) + 1
    reach = int(min(np.ceil(buffer / size), span))
    left, top = block_corner(blocks, size, origin)
    east, south = x - left, top - y_coord
    occupied = unique[tested]
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            there = np.isin(unique + down * ROW + right, occupied)[index]
            dx, dy = _gap(east, right, size), _gap(south, down, size)
            near |= there & (dx * dx + dy * dy < buffer * buffer)
    return near


def _gap(offset: FloatArray, blocks_away: int, size: float) -> FloatArray:
    """Distance along one axis from a point in its block to a block so many further."""
    if blocks_away == 0:
        return np.zeros_like(offset)
    if blocks_away > 0:
        return blocks_away * size - offset
    return offset - (blocks_away + 1) * size


def _hold_out(
    protocol: str,
    repeat: int,
    positive: BoolArray,
    groups: NDArray[np.generic],
    train: float,
    rng: np.random.Generator,
) -> Split:
    """Set aside a share of the groups, spread evenly over their sizes."""
    index, load = _group_loads(positive, groups)
    if load.shape[0] < 2:
        raise InputError(
            f"protocol {protocol}: all samples are in one group; two or more are needed"
        )
    order = _shuffled_by_size(load, 10, rng)
    # Counting up in steps of the share gives every group the same chance and the total to ±1.
    steps = np.floor((1 - train) * np.arange(order.size + 1) + rng.random())
    held = np.diff(steps) > 0
    if held.all() or not held.any():
        # With few groups or an extreme share one side may be empty: one group changes sides.
        held[rng.integers(held.size)] ^= True
    apart = np.zeros(order.size, dtype=bool)
    apart[order[held]] = True
    test = apart[index]
    return _split(protocol, repeat, 0, positive, ~test, test)


def _group_loads(positive: BoolArray, groups: NDArray[np.generic]) -> tuple[IntArray, FloatArray]:
    """Index of each row's group, and each group's shares of the positives and of the rows."""
    _, index = np.unique(groups, return_inverse=True)
    rows = np.bincount(index).astype(np.float64)
    positives = np.bincount(index, positive)
    load = np.column_stack([positives / max(positives.sum(), 1.0), rows / rows.sum()])
    return index, load


def _shuffled_by_size(load: FloatArray, run: int, rng: np.random.Generator) -> IntArray:
    """Groups from the largest to the smallest, at random within runs of like size."""
    groups = len(load)
    tie, shuffle = rng.random(groups), rng.random(groups)
    # Groups of equal load are shuffled too, or their ids would decide which run they are in.
    order = np.lexsort((tie, -load.sum(axis=1)))
    return order[np.lexsort((shuffle, np.arange(groups) // run))]


def _split(
    protocol: str,
    repeat: int,
    fold: int,
    positive: BoolArray,
    training: BoolArray,
    testing: BoolArray,
) -> Split:
    """Make a Split, or say why the rows do not allow it."""
    train, test = np.flatnonzero(training), np.flatnonzero(testing)
    for side, rows in (("train", train), ("test", test)):
        positives = int(positive[rows].sum())
        if not 0 < positives < rows.size:
            raise InputError(
                f"protocol {protocol}, repeat {repeat}, fold {fold}: {side} has {positives} "
                f"positive and {rows.size - positives} negative rows and needs both: use other "
                "shares, fewer folds, smaller blocks or a smaller buffer, or more samples"
            )
    return Split(protocol, repeat, fold, train, test)


def _labels(y: ArrayLike) -> BoolArray:
    label = np.asarray(y)
    if label.ndim != 1 or not np.all((label == 0) | (label == 1)):
        raise ValueError("y must be one-dimensional and hold only 0 and 1")
    positive: BoolArray = label == 1
    return positive


def _check_share(train: float) -> None:
    if not 0 < train < 1:
        raise InputError(f"training share is {train}: give a number between 0 and 1")
