"""Arrays in files, cut into tiles; work on many tiles whose results come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")
Slices = tuple[slice, slice]


@dataclass(frozen=True, order=True)
class Box:
    """Rows from `top` up to `bottom` and columns from `left` up to `right` of a grid."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> Slices:
        """To take it from an array of the whole grid."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, outer: Box) -> Slices:
        """To take it from an array of the box `outer`."""
        rows = slice(self.top - outer.top, self.bottom - outer.top)
        return rows, slice(self.left - outer.left, self.right - outer.left)

    def grown(self, by: int, shape: tuple[int, int]) -> Box:
        """With so many more cells on each side, but not beyond a grid of a shape."""
        return Box(
            max(self.top - by, 0),
            max(self.left - by, 0),
            min(self.bottom + by, shape[0]),
            min(self.right + by, shape[1]),
        )


class Plane:
    """An array of a whole grid in a file; only the boxes asked for are in memory.

    Parameters
    ----------
    path : Path
        Its file, which `create` makes.
    shape : (int, int)
        Rows and columns.
    dtype : dtype
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)

    def create(self) -> Plane:
        """Make the file anew, of zeros, and return the plane."""
        size = max(self.shape[0] * self.shape[1] * self.dtype.itemsize, 1)
        with self.path.open("wb") as file:
            file.truncate(size)
            # To write where the disk then has no room would end the process without a word.
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    raise OSError(error.errno, error.strerror, str(self.path)) from error
        return self

    def _map(self, mode: Any) -> Any:
        # Mapped anew each time: pages of a map that stays open would count as memory in use.
        return np.memmap(self.path, self.dtype, mode, shape=self.shape)

    def read(self, box: Box) -> NDArray[Any]:
        """Return a copy of a box, (rows, cols) of the plane's type."""
        return np.array(self._map("r")[box.slices])

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Put values into a box, (rows, cols)."""
        self._map("r+")[box.slices] = values


@dataclass(frozen=True)
class View:
    """A plane's part within a box, to read from; boxes are counted from its corner."""

    plane: Plane
    box: Box

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.box.shape

    def read(self, box: Box) -> NDArray[Any]:
        """Return a copy of a box, (rows, cols) of the plane's type."""
        top, left = self.box.top, self.box.left
        return self.plane.read(
            Box(box.top + top, box.left + left, box.bottom + top, box.right + left)
        )


def tiles(shape: tuple[int, int], tile: int, shift: tuple[int, int] = (0, 0)) -> list[Box]:
    """Boxes of at most `tile` cells a side that cover a grid once, row by row.

    Parameters
    ----------
    shape : (int, int)
    tile : int
    shift : (int, int)
        Where the first full tile begins; what lies before it are tiles of their own.
    """
    rows, cols = (
        np.unique(np.r_[0, np.arange(start, size, tile), size]).tolist()
        for start, size in zip(shift, shape, strict=True)
    )
    return [Box(a, b, c, d) for a, c in pairwise(rows) for b, d in pairwise(cols)]


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order; at most one more is ready than is worked on."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
