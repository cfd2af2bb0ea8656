"""What is said of an extraction, and a disk that is full."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from pyogrio.errors import DataSourceError

from shakeslide.core.errors import InputError
from shakeslide.sources import extract, extraction, source_files

from ..lines import lacks
from . import terrain
from .test_change import block

GRID = terrain.grid(60, 60)


@pytest.fixture
def extracted(tmp_path: Path) -> extraction.Extracted:
    shapes = [block(10, 10, 20, 8), block(40.1, 40.1, 0.2, 0.2), block(10, 10, 20, 8)]
    z = terrain.plane(60, 60)

    def read(of: object) -> np.ndarray:
        a, b = GRID.affine, of.affine
        row, col = round((b.f - a.f) / a.e), round((b.c - a.c) / a.a)
        return z[row : row + of.shape[0], col : col + of.shape[1]]

    return extract(np.array(shapes, object), GRID, read, tmp_path / "work")


def test_lines_tell_methods_and_what_was_left_out(extracted: extraction.Extracted) -> None:
    lines = source_files.lines(extracted, ["a note"])
    assert not lacks(lines[0], "2 landslides", "3 outlines", "0 divided", "1 left out")
    assert lines[1].endswith(": scar (S3): 1, whole outline: 1")
    assert lines[2:] == ["1 left out: duplicate", "a note"]


def test_change_is_told_with_a_warning_where_it_runs_the_other_way(
    extracted: extraction.Extracted,
) -> None:
    table = extracted.table.assign(change=["opposite", "few_cells"])
    lines = source_files.lines(extraction.Extracted(table, {}, 2))
    assert not lacks(lines[2], "0 outlines", "0 confirmed")
    assert any(line.startswith("1 ") and "opposite" in line for line in lines)
    assert lines[-1].startswith("warning: most outlines")
    table = table.assign(change=["refined", "opposite"])
    assert "warning" not in " ".join(source_files.lines(extraction.Extracted(table, {}, 2)))


@pytest.mark.parametrize(("free", "error"), [(10_000, InputError), (10**10, DataSourceError)])
def test_full_disk_is_told_in_one_line(
    extracted: extraction.Extracted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    error: type[Exception],
) -> None:
    def fails(*_: object) -> None:
        raise DataSourceError("Failed to commit transaction")

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(source_files, "_layers", fails)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, free))
    record = source_files.summary(extracted, {})
    with pytest.raises(error, match="the disk is full" if error is InputError else "commit"):
        source_files.write(extracted, GRID, tmp_path, record)
    assert not list(tmp_path.glob("*.gpkg"))
