"""Square spatial blocks, and how large they should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from shakeslide.core.errors import InputError
from shakeslide.evaluation.event_rows import apart, rows_by_event
from shakeslide.evaluation.ranking import FloatArray, IntArray
from shakeslide.evaluation.variogram import Variogram, variogram

ROW = 1_000_000
"""A block's id is its row times this plus its column."""

FEWEST_BLOCKS, MOST_BLOCKS = 30, 400
STRUCTURE, CHANCE = 0.02, 0.05
"""A pattern that is a smaller share of the sill does not matter, one likelier does not exist."""


@dataclass(frozen=True)
class BlockSize:
    """A suggested block size and why.

    Attributes
    ----------
    size : float
        Side of a block, metres, two significant digits.
    range : float
        Distance to which residuals are alike, metres; 0 if they are not.
    limited : {"", "raised", "lowered"}
        Whether the size was raised (so that blocks do not become cells) or lowered (so that
        there are enough blocks to split, at the price of some optimism left).
    variogram : Variogram
        Of the residuals, to be drawn.
    """

    size: float
    range: float
    limited: Literal["", "raised", "lowered"]
    variogram: Variogram


def suggest_size(
    x: ArrayLike,
    y: ArrayLike,
    residual: ArrayLike,
    seed: int = 0,
    event: ArrayLike | None = None,
) -> BlockSize:
    """Suggest the side of a block from the range of the variogram of residuals.

    Blocks as large as the distance to which residuals are alike leave little in one block that
    helps to predict the next (Roberts et al. 2017, Ecography 40:913).

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Coordinates, metres.
    residual : array_like, shape (n,)
        Label minus probability, of a simple model (logistic regression): a model that overfits
        leaves residuals without spatial correlation, and the range is then too small.
    seed : int
        Seed, not negative.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Returns
    -------
    BlockSize
        Held between sizes that give 400 and 30 blocks over the rectangle around the points
        (of several events over all rectangles together).

    Raises
    ------
    InputError
        As `variogram.variogram`.
    """
    fitted = variogram(x, y, residual, seed=seed, event=event)
    matters = fitted.structured >= STRUCTURE and fitted.chance <= CHANCE
    found = fitted.range if matters else 0.0
    least, most = limits(x, y, event)
    limited: Literal["", "raised", "lowered"] = ""
    if not least <= found <= most:
        limited = "raised" if found < least else "lowered"
    size = float(np.clip(found, least, most))
    return BlockSize(_two_digits(size), found, limited, fitted)


def limits(x: ArrayLike, y: ArrayLike, event: ArrayLike | None = None) -> tuple[float, float]:
    """Return the least and the greatest side of a block that are suggested for points, metres."""
    points_x, points_y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    lots = rows_by_event(event, points_x.size)
    area = sum(float(np.ptp(points_x[rows]) * np.ptp(points_y[rows])) for rows in lots)
    return float(np.sqrt(area / MOST_BLOCKS)), float(np.sqrt(area / FEWEST_BLOCKS))


def fewest(area: float) -> float:
    """Return the side of a block, metres, of which 30 make up an area in square metres."""
    return _two_digits(float(np.sqrt(area / FEWEST_BLOCKS)))


def _two_digits(size: float) -> float:
    digit = 10.0 ** (np.floor(np.log10(size)) - 1)
    return float(np.round(size / digit) * digit)


def block_id(
    x: ArrayLike, y: ArrayLike, size: float, origin: tuple[float, float] | None = None
) -> IntArray:
    """Number the square blocks that points lie in.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Coordinates, metres.
    size : float
        Side of a block, metres.
    origin : (float, float), optional
        North-west corner (x, y) of block 0, at or beyond the north-west of every point; by
        default the nearest such corner whose coordinates are multiples of `size`.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row of the block (southwards) times 1,000,000 plus its column (eastwards).

    Raises
    ------
    InputError
        If the size is not a positive length, or gives a million blocks along a side.
    ValueError
        If a point lies north or west of the origin.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not 0 < size < np.inf:
        raise InputError(f"block size is {size}: give a length in metres above 0")
    x0, y0 = north_west(x, y, size) if origin is None else origin
    # A tiny size overflows to inf, which the next line refuses.
    with np.errstate(over="ignore"):
        south, east = (y0 - y) / size, (x - x0) / size
    if x.size and max(south.max(), east.max()) >= ROW:
        raise InputError(f"block size is {size:g} m: far too small for the area; make it larger")
    row, column = (np.floor(v).astype(np.int64) for v in (south, east))
    if x.size and min(row.min(), column.min()) < 0:
        raise ValueError("points lie north or west of the blocks' origin")
    return row * ROW + column


def north_west(x: FloatArray, y: FloatArray, size: float) -> tuple[float, float]:
    """Return the corner (x, y) at multiples of `size` at or beyond the north-west of all points.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        Coordinates, metres; the corner is (0, 0) if there is none.
    size : float
        Side of a block, metres.
    """
    if x.size == 0:
        return 0.0, 0.0
    # At multiples of the size, edges of blocks do not depend on which points were drawn.
    return float(np.floor(x.min() / size) * size), float(np.ceil(y.max() / size) * size)


def block_corner(
    block: IntArray, size: float, origin: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Return the north-west corners of blocks.

    Parameters
    ----------
    block : ndarray of int64, shape (n,)
        Numbers of blocks, as `block_id` returns them.
    size : float
        Side of a block, metres.
    origin : (float, float)
        North-west corner of block 0, as for `block_id`.

    Returns
    -------
    x, y : ndarray of float64, shape (n,)
        The corners, metres.
    """
    row, column = np.divmod(block, ROW)
    return origin[0] + column * size, origin[1] - row * size


@dataclass(frozen=True)
class Laid:
    """Square blocks over the points of one earthquake.

    Attributes
    ----------
    rows : ndarray of int64, shape (k,)
        Row numbers of its points.
    x, y : ndarray, shape (k,)
        Their coordinates, metres.
    block : ndarray of int64, shape (k,)
        Block of each (`block_id`).
    origin : (float, float)
        North-west corner from which the blocks are laid.
    """

    rows: IntArray
    x: FloatArray
    y: FloatArray
    block: IntArray
    origin: tuple[float, float]


def lay(
    x: ArrayLike,
    y: ArrayLike,
    size: float,
    origin: tuple[float, float] | None = None,
    event: ArrayLike | None = None,
) -> list[Laid]:
    """Lay square blocks over points, over those of each earthquake by themselves.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Coordinates, metres.
    size : float
        Side of a block, metres.
    origin : (float, float), optional
        As for `block_id`. Each of several events has its own corner, so there it is not used.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Returns
    -------
    list of Laid
        One per event, in the order of the events.

    Raises
    ------
    InputError, ValueError
        As `block_id`.
    """
    points_x, points_y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    lots = rows_by_event(event, points_x.size)
    laid = []
    for rows in lots:
        px, py = points_x[rows], points_y[rows]
        own = origin if origin is not None and len(lots) == 1 else None
        block = block_id(px, py, size, own)
        laid.append(Laid(rows, px, py, block, own or north_west(px, py, size)))
    return laid


def block_groups(laid: list[Laid]) -> IntArray:
    """Return the block of each row; of several events a number per block (`event_rows.apart`)."""
    rows = np.concatenate([part.rows for part in laid])
    block, event = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    for k, part in enumerate(laid):
        block[part.rows], event[part.rows] = part.block, k
    return apart(block, event)
