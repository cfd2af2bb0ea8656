"""The room on the disk that a run needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from shakeslide.pipeline import room

from . import small_site
from .conftest import open_run


def needed(study: Path, out: Path, *overrides: str) -> float:
    return room.room(open_run(study, out, *overrides), lambda _: 1e12).needed


def test_room_grows_with_the_maps(site_study: Path, tmp_path: Path) -> None:
    layer = 4 * small_site.ROWS * small_site.COLS
    some = needed(site_study, tmp_path / "a", 'models.use=["lr"]', "map.applicability=false")
    more = needed(site_study, tmp_path / "a", 'models.use=["lr","rf"]', "map.applicability=false")
    assert more - some == pytest.approx(1.25 * room.PACKED * room.OVERVIEWS * layer)


def test_what_is_there_needs_no_room(site_study: Path, tmp_path: Path) -> None:
    before = needed(site_study, tmp_path / "a")
    (tmp_path / "a" / "factors").mkdir(parents=True)
    (tmp_path / "a" / "factors" / "SLO.tif").write_bytes(bytes(1000))
    assert needed(site_study, tmp_path / "a") == before - 1000


def test_tiles_that_wait_in_files_count(
    site_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = needed(site_study, tmp_path / "a", 'map.models=["lr"]')
    monkeypatch.setattr(room, "IN_MEMORY", 0)
    assert needed(site_study, tmp_path / "a", 'map.models=["lr"]') > before


@pytest.mark.parametrize(("free", "word"), [(1e15, "disk"), (0.0, "warning")])
def test_a_large_run_reports_it(
    site_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: float,
    word: str,
) -> None:
    run, told = open_run(site_study, tmp_path / "a"), []
    monkeypatch.setattr(run.reporter, "say", told.append)
    monkeypatch.setattr(room, "free_space", lambda _: free)
    room.report_room(run)
    assert told == []
    monkeypatch.setattr(room, "WORTH_SAYING", 1.0)
    room.report_room(run)
    assert len(told) == 1
    assert told[0].startswith(word)
    assert str(tmp_path / "a") in told[0]
