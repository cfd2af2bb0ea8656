"""The record of a run's folder: what is up to date, wherever the folder lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from shakeslide.core.errors import InputError
from shakeslide.results.ledger import Ledger
from shakeslide.study import settings


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with one recorded artefact."""
    folder = tmp_path / "run"
    ledger = Ledger(folder)
    made = folder / "maps" / "a.tif"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"values")
    ledger.record("map-a", "mark", [made], 1.0, "labels")
    return folder


def fresh(out: Path) -> bool:
    return Ledger(out).is_fresh("map-a", "mark")


def test_a_copy_with_other_times_is_as_fresh(out: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(copy / "maps" / "a.tif", (1, 1))
    assert fresh(copy)
    recorded = Ledger(copy).made("map-a").files[str(Path("maps") / "a.tif")]
    assert recorded.time == 1_000_000_000


@pytest.mark.parametrize("content", [b"value", b"valueS", None])
def test_other_content_is_not_fresh(content: bytes | None, out: Path) -> None:
    made = out / "maps" / "a.tif"
    before = made.stat().st_mtime_ns
    if content is None:
        made.unlink()
    else:
        made.write_bytes(content)
        os.utime(made, ns=(before + 1, before + 1))
    assert not fresh(out)


def test_labels_may_change_alone(out: Path) -> None:
    ledger = Ledger(out)
    assert not ledger.is_fresh("map-a", "mark", "others")
    ledger.relabel("map-a", "others")
    assert Ledger(out).is_fresh("map-a", "mark", "others")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}x", '{"files": 3}', '{"fingerprint": "mark"}',
     '{"fingerprint": "mark", "files": {"maps/a.tif": 3}}', "[" * 5000],
)  # fmt: skip
def test_a_damaged_record_is_none_and_said_once(text: str, out: Path) -> None:
    (out / ".work" / "made" / "map-a.json").write_text(text)
    (out / ".work" / "contents.json").write_text(text)
    said: list[str] = []
    ledger = Ledger(out, said.append)
    assert not ledger.is_fresh("map-a", "mark")
    assert ledger.made("map-a") is None
    assert len(said) == 1
    assert "map-a.json" in said[0]
    assert "damaged" in str(ledger.why_stale("map-a", "mark"))
    assert "damaged" not in str(ledger.why_stale("map-b", "mark"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", [".work/contents.json", ".work/made/map-a.json"])
def test_a_record_that_is_a_pipe_is_as_none(name: str, out: Path) -> None:
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    assert fresh(out) == (name == ".work/contents.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["provenance.json", "maps/b.tif", ".work/shards/slope/0.npy"])
def test_a_pipe_among_results_is_refused(name: str, out: Path) -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(out / name)
    with pytest.raises(InputError, match=Path(name).name), Ledger(out).locked():
        pytest.fail("work began")


@pytest.mark.parametrize("same_times", [False, True])
def test_an_input_that_changes_while_it_is_read_is_found_out(
    same_times: bool, out: Path, tmp_path: Path
) -> None:
    layer = tmp_path / "dem.tif"
    layer.write_bytes(b"one")
    ledger = Ledger(out)
    ledger.content(layer)
    before = layer.stat().st_mtime_ns
    layer.write_bytes(b"two")
    if same_times:
        os.utime(layer, ns=(before, before))
    with pytest.raises(InputError, match=r"dem\.tif: changed while it was read"):
        ledger.record("map-b", "mark", [], 1.0)
    assert Ledger(out).made("map-b") is None


def test_a_shapefile_is_all_of_its_files(out: Path, tmp_path: Path) -> None:
    for suffix in (".shp", ".dbf"):
        (tmp_path / f"a{suffix}").write_bytes(b"0123456789")
    before = Ledger(out).content(tmp_path / "a.shp")
    (tmp_path / "a.dbf").write_bytes(b"01234567899")
    assert Ledger(out).content(tmp_path / "a.shp") != before


def test_a_content_is_known_by_size_and_time(out: Path, tmp_path: Path) -> None:
    layer = tmp_path / "a.bin"
    layer.write_bytes(b"one")
    value = Ledger(out).content(layer)
    kept = layer.stat().st_mtime_ns
    layer.write_bytes(b"two")
    os.utime(layer, ns=(kept, kept))
    assert Ledger(out).content(layer) == value
    os.utime(layer, ns=(kept + 1, kept + 1))
    assert Ledger(out).content(layer) != value


def test_verify_finds_what_changed_with_its_size_and_time_kept(tmp_path: Path) -> None:
    out, layer = tmp_path / "out", tmp_path / "layer.csv"
    layer.write_text("a")
    ledger = Ledger(out)
    result = out / "maps" / "a.tif"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"one")
    before = ledger.content(layer)
    ledger.record("map-a", "mark", [result], 0.0)
    for path, content in ((layer, b"b"), (result, b"two")):
        stat = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    trusting, careful = Ledger(out), Ledger(out, verify=True)
    assert trusting.is_fresh("map-a", "mark")
    assert trusting.content(layer) == before
    assert not careful.is_fresh("map-a", "mark")
    assert careful.content(layer) != before


def test_a_study_among_its_results_has_its_next_results_there_too(tmp_path: Path) -> None:
    study = tmp_path / "quake" / "study.toml"
    assert settings.default_folder(study) == Path("runs") / "quake"
    Ledger(study.parent).ready()
    assert settings.default_folder(study) == study.parent
    assert settings.default_folder(study.with_name("other.toml")) == Path("runs") / "other"
