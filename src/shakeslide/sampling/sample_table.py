"""The samples: the drawn cells, what is known of the area they are from, and their file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shakeslide.core import sample_columns as columns
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.core.fingerprints import fingerprint, of_arrays
from shakeslide.evaluation import splits
from shakeslide.evaluation.event_rows import apart
from shakeslide.factors import stack as stacks
from shakeslide.layers.positives import Positive
from shakeslide.sampling.sample_counts import SampleCounts

KEY = b"shakeslide"
"""Entry of the file's metadata with what is known of the area."""
AREAS_FILE = "class_areas.parquet"
MOST_ROWS = 100_000_000
"""Rows of the largest table that is read; runs draw some million."""
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
        added = table.groupby([columns.FACTOR, columns.CODE], as_index=False)[columns.CELLS].sum()
        for factor, code, n in added.itertuples(index=False):
            sums[str(factor)][int(code)] = int(n)
        return sums

    @property
    def label(self) -> NDArray[np.int64]:
        """1 in a source, 0 clear of landslides, (samples,) int64."""
        return self.table[columns.LABEL].to_numpy(np.int64)

    @property
    def landslide(self) -> NDArray[np.int64]:
        """Landslide of each row, 0 of clear cells, (samples,) int64."""
        return self.table[columns.LANDSLIDE].to_numpy(np.int64)

    @property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each sample on the grid, (samples,) int64 each."""
        row, col = (self.table[name].to_numpy(np.int64) for name in (columns.ROW, columns.COL))
        return row, col

    @property
    def event(self) -> NDArray[np.int64]:
        """Earthquake of each row, (samples,) int64 from 0."""
        return self.table[columns.EVENT].to_numpy(np.int64)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Block of each row; of several events a number per block, see `event_rows.apart`."""
        return apart(self.table[columns.BLOCK], self.event)

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
        names = (columns.LABEL, columns.LANDSLIDE, columns.X, columns.Y, columns.EVENT)
        label, number, x, y, event = (t[name].to_numpy() for name in names)
        return splits.landslide_groups(label, number, x, y, event)

    @property
    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates x and y of each row, (samples,) each, in metres in its event's projection."""
        x, y = (self.table[name].to_numpy(np.float64) for name in (columns.X, columns.Y))
        return x, y

    @property
    def prevalence(self) -> float:
        """Share of source cells among sources and clear cells of the mapped extent."""
        return self.counts.prevalence


# ------------------------------------------------------------------ files


def essence(samples: Samples) -> str:
    """Return a fingerprint of one event's samples, without names and the evaluation's blocks."""
    tables = [
        samples.table.drop(columns=[columns.BLOCK, columns.EVENT]),
        samples.areas.drop(columns=[columns.FACTOR, columns.EVENT]),
    ]
    return fingerprint(
        [{str(c): of_arrays(t[c].to_numpy()) for c in t} for t in tables],
        samples.areas[columns.FACTOR].astype(str).tolist(),
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
    # A table that may not be read can be a good one: it is not to be deleted.
    except PermissionError:
        raise
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
        frame[[*columns.COLUMNS, *(f.code for f in factors)]],
        areas[[c for c in columns.AREA_COLUMNS if c != columns.FACTOR]],
    ]
    for kind in (kind for part in numbers for kind in part.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            raise TypeError("columns that are no numbers")
    if (
        not np.isfinite(numbers[0].to_numpy(float)).all()
        or not frame[columns.LABEL].isin([0, 1]).all()
    ):
        raise ValueError("values that are never drawn")
    if not {*areas[columns.FACTOR]} <= {f.code for f in factors}:
        raise ValueError("areas of other factors")
    for f in factors:
        known = {*frame[f.code], *areas[columns.CODE][areas[columns.FACTOR] == f.code]}
        if f.legend and not known <= {*f.legend}:
            raise ValueError("classes without a name")
    return Samples(frame, factors, areas, counts, Positive(about["positives"]))
