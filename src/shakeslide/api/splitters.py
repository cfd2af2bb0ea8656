"""The validation protocols as splitters for scikit-learn.

They read coordinates and landslides from the index of `samples`, or from columns with the same
names. Rows of several earthquakes also need a level or column `event`, so that landslides, blocks
and neighbours are never shared by two earthquakes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from shakeslide.core.errors import InputError
from shakeslide.evaluation import splits
from shakeslide.evaluation.splits import Split


class _Protocol(BaseCrossValidator):  # type: ignore[misc]
    """A protocol of `shakeslide.evaluation.splits` for `cross_val_score` and its like."""

    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows to train on and the rows to test on, split by split.

        Parameters
        ----------
        X : DataFrame, shape (n_samples, n_factors)
            The table that `shakeslide.samples` returns.
        y : array_like, shape (n_samples,)
            Labels, 0 or 1.
        groups : array_like, optional
            Coordinates or landslides, if `X` does not have them; see the class.

        Yields
        ------
        train, test : ndarray of int64
            Row numbers in ascending order.

        Raises
        ------
        InputError
            Coordinates or landslides are missing, or the rows cannot be split in this way.
        """
        if y is None:
            raise ValueError("The 'y' parameter should not be None.")
        for made in self._splits(X, np.asarray(y), groups):
            yield made.train, made.test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits; the arguments are ignored."""
        return self._count()

    @abstractmethod
    def _splits(self, X: Any, y: NDArray[Any], groups: Any) -> Iterator[Split]:
        """Yield the splits."""

    @abstractmethod
    def _count(self) -> int:
        """Return the number of splits."""


class RandomSplit(_Protocol):
    """Random splits of cells, as in the protocol `pixel`.

    Cells of one landslide are in both the training and the test rows. The scores therefore show
    how well gaps between known landslide cells are filled; for unseen landslides they are too high.

    Parameters
    ----------
    n_splits : int
        Number of independent splits.
    train : float
        Share of the rows of each class that is used for training; default: 20 %, as in the paper.
    random_state : int
        Seed, 0 or more.

    Examples
    --------
    >>> X, y, groups = ss.samples("demo/run")
    >>> [(train.size, test.size) for train, test in ss.RandomSplit(2).split(X, y)]
    [(160, 640), (160, 640)]
    """

    def __init__(self, n_splits: int = 20, *, train: float = 0.2, random_state: int = 0) -> None:
        self.n_splits = n_splits
        self.train = train
        self.random_state = random_state

    def _splits(self, X: Any, y: NDArray[Any], groups: Any) -> Iterator[Split]:
        return splits.pixel(y, self.train, self.n_splits, self.random_state)

    def _count(self) -> int:
        return self.n_splits


class LandslideKFold(_Protocol):
    """Folds of whole landslides and the clear cells nearest to them, as in protocol `landslide`.

    Landslides and coordinates are read from the levels `landslide`, `x` and `y` of the index of
    `X`, or from columns with these names.

    Parameters
    ----------
    n_splits : int
        Number of folds. They have similar numbers of landslide cells and of rows.
    repeats : int
        Number of times that the folds are drawn, each time independently.
    random_state : int
        Seed, 0 or more.

    Examples
    --------
    >>> X, y, groups = ss.samples("demo/run")
    >>> train, test = next(ss.LandslideKFold(4).split(X, y))
    >>> set(groups.iloc[train]) & set(groups.iloc[test])
    set()
    """

    def __init__(self, n_splits: int = 5, *, repeats: int = 1, random_state: int = 0) -> None:
        self.n_splits = n_splits
        self.repeats = repeats
        self.random_state = random_state

    def _splits(self, X: Any, y: NDArray[Any], groups: Any) -> Iterator[Split]:
        landslide, east, north = (_level(X, name) for name in ("landslide", "x", "y"))
        if landslide is None or east is None or north is None:
            raise InputError(
                "LandslideKFold: X has no landslide, x and y in its index or columns; give the X "
                "of shakeslide.samples, or use scikit-learn's GroupKFold with its groups"
            )
        return splits.landslide(
            y,
            landslide,
            east,
            north,
            repeats=self.repeats,
            seed=self.random_state,
            folds=self.n_splits,
            event=_level(X, "event"),
        )

    def _count(self) -> int:
        return self.n_splits * self.repeats


class BlockKFold(_Protocol):
    """Folds of square blocks of land, as in protocol `block`.

    Coordinates are read from the levels `x` and `y` of the index of `X`, or from columns with
    these names. If `X` has neither, give them as `groups`, shape (n_samples, 2).

    Parameters
    ----------
    size : float
        Side of a block in metres.
    n_splits : int
        Number of folds. They have similar numbers of landslide cells and of rows; each block is
        test data in one fold.
    buffer : float
        Width in metres of a margin around test blocks whose cells are not used for training.
    repeats : int
        Number of times that the folds are drawn, each time independently.
    random_state : int
        Seed, 0 or more.
    origin : (float, float), optional
        x and y of the north-west corner of the first block. No cell may lie north or west of it.
        Default: the nearest such corner at multiples of `size`. In a study, blocks start at the
        north-west corner of the grid.

    Examples
    --------
    >>> X, y, groups = ss.samples("demo/run")
    >>> blocks = ss.BlockKFold(1000, n_splits=3, buffer=50)
    >>> blocks.get_n_splits()
    3
    >>> scores = cross_val_score(ss.RandomForest(9), X, y, groups=groups, cv=blocks)
    >>> scores.shape
    (3,)
    """

    def __init__(
        self,
        size: float,
        n_splits: int = 5,
        *,
        buffer: float = 0.0,
        repeats: int = 1,
        random_state: int = 0,
        origin: tuple[float, float] | None = None,
    ) -> None:
        self.size = size
        self.n_splits = n_splits
        self.buffer = buffer
        self.repeats = repeats
        self.random_state = random_state
        self.origin = origin

    def _splits(self, X: Any, y: NDArray[Any], groups: Any) -> Iterator[Split]:
        east, north = _level(X, "x"), _level(X, "y")
        if east is None or north is None:
            east, north = _places(groups, len(y))
        return splits.block(
            y,
            east,
            north,
            self.size,
            buffer=self.buffer,
            folds=self.n_splits,
            repeats=self.repeats,
            seed=self.random_state,
            origin=self.origin,
            event=_level(X, "event"),
        )

    def _count(self) -> int:
        return self.n_splits * self.repeats


def _level(X: Any, name: str) -> NDArray[Any] | None:
    """Return a level of a table's index or one of its columns, None where it has neither."""
    if not isinstance(X, pd.DataFrame):
        return None
    if name in X.index.names:
        return np.asarray(X.index.get_level_values(name))
    return X[name].to_numpy() if name in X.columns else None


def _places(groups: Any, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of rows from two columns."""
    given = None if groups is None else np.asarray(groups, dtype=np.float64)
    if given is None or given.shape != (rows, 2):
        raise InputError(
            "BlockKFold: X has no x and y in its index or columns; give the X of "
            "shakeslide.samples, or groups of shape (n_samples, 2): x and y in metres"
        )
    return given[:, 0], given[:, 1]
