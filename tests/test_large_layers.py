"""Layers that take much memory are let go of before long work, and read again where needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from shakeslide.io import vector
from shakeslide.pipeline import run as runs

from .conftest import open_run


@pytest.mark.parametrize("large", [1, 10**9])
def test_large_landslides_are_read_again(
    site_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(runs, "LARGE", large)
    with vector.remembering():
        run = open_run(site_study, tmp_path / "a")
        before = run.landslides()
        run.make_room()
        after = run.landslides()
    assert (after is before) == (large > 1)
    assert (after.shapes == before.shapes).all()
    assert (after.shapes[0] is before.shapes[0]) == (large > 1)
