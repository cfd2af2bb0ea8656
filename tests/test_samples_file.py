"""The file of the samples: read as it was written, and refused where it is another's or damaged."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shakeslide.core import sample_columns
from shakeslide.core.errors import InputError
from shakeslide.core.failures import guarded
from shakeslide.factors.stack import FactorInfo
from shakeslide.layers.positives import Positive
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED


def drawn() -> sample_table.Samples:
    columns: dict[str, object] = {name: [1, 2, 3, 4] for name in sample_columns.COLUMNS}
    columns |= {"label": [1, 0, 1, 0], "SLO": np.float32([1, 2, 3, 4]), "LITH": [1.0, 2, 1, 2]}
    areas = pd.DataFrame({"factor": "LITH", "x": [5.0], "y": [5.0], "code": [2], "cells": [9]})
    areas["event"] = 0
    factors = (
        FactorInfo(code="SLO", name="Slope", unit="degrees", kind="continuous", legend={}),
        FactorInfo(
            code="LITH",
            name="Lithology",
            unit="",
            kind="categorical",
            legend={1: "chalk", 2: "marl"},
        ),
    )
    counts = replace(NOT_COUNTED, source_cells=20, clear_cells=80)
    return sample_table.Samples(pd.DataFrame(columns), factors, areas, counts, Positive.POINTS)


def test_samples_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    sample_table.save(drawn(), path)
    read = sample_table.load(path)
    pd.testing.assert_frame_equal(read.table, drawn().table)
    assert read.factors == drawn().factors
    assert read.counts == drawn().counts
    assert read.positives is drawn().positives is Positive.POINTS


def with_table(**columns: object) -> sample_table.Samples:
    return replace(drawn(), table=drawn().table.assign(**columns))


def with_counts(**counts: object) -> sample_table.Samples:
    return replace(drawn(), counts=replace(drawn().counts, **counts))


@pytest.mark.parametrize(
    "samples",
    [
        replace(drawn(), table=drawn().table.drop(columns="label")),
        replace(drawn(), table=drawn().table.drop(columns="SLO")),
        replace(drawn(), table=drawn().table.drop(columns="event")),
        replace(drawn(), areas=drawn().areas.drop(columns="event")),
        with_table(SLO=["a", "b", "c", "d"]),
        with_table(SLO=[1.0, 2.0, np.inf, 4.0]),
        with_table(label=[0, 1, 2, 1]),
        with_table(LITH=[1.0, 2.0, 3.0, 1.0]),
        replace(drawn(), areas=drawn().areas.drop(columns="cells")),
        replace(drawn(), areas=drawn().areas.assign(code=7)),
        replace(drawn(), areas=drawn().areas.assign(factor="AF")),
        with_counts(clear_cells=0),
        with_counts(source_cells=0),
        with_counts(cells=-1),
        with_counts(cells="7"),
        with_counts(block_size=np.inf),
    ],
    ids=range(16),
)
def test_samples_that_no_run_draws(tmp_path: Path, samples: sample_table.Samples) -> None:
    path = tmp_path / "samples.parquet"
    sample_table.save(samples, path)
    with pytest.raises(InputError, match="not a whole sample table"):
        sample_table.load(path)


def about(path: Path, text: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({sample_table.KEY: text.encode()}), path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda p: p.write_bytes(b""),
    "cut": lambda p: p.write_bytes(p.read_bytes()[:900]),
    "text": lambda p: p.write_text("x,y"),
    "another table": lambda p: pq.write_table(pa.table({"a": [1]}), p),
    "no record": lambda p: about(p, ""),
    "a list": lambda p: about(p, "[]"),
    "no factors": lambda p: about(p, "{}"),
    "odd factors": lambda p: about(p, json.dumps({"factors": [3], "counts": {}})),
    "unknown keys": lambda p: about(p, '{"factors": [{"legend": {}, "a": 1}], "counts": {}}'),
    "no areas": lambda p: (p.parent / sample_table.AREAS_FILE).unlink(),
    "odd areas": lambda p: (p.parent / sample_table.AREAS_FILE).write_bytes(b"PAR1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "samples.parquet"
    sample_table.save(drawn(), path)
    DAMAGES[damage](path)
    with pytest.raises(InputError, match="not a whole sample table"):
        sample_table.load(path)


def test_a_table_of_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "samples.parquet"
    sample_table.save(drawn(), path)
    monkeypatch.setattr(sample_table, "MOST_ROWS", 3)
    with pytest.raises(InputError, match="not a whole sample table"):
        sample_table.load(path)


def test_a_table_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "samples.parquet"
    sample_table.save(drawn(), path)

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(sample_table.pq, "read_metadata", locked)
    with pytest.raises(InputError, match=r"samples\.parquet.*denied"), guarded("sample"):
        sample_table.load(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    path.mkdir()
    with pytest.raises(InputError, match="no samples yet"):
        sample_table.load(path)
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(InputError, match="no samples yet"):
            sample_table.load(path)
