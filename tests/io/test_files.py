"""Files appear whole or not at all, and what stands in their way is one line that names them."""

from __future__ import annotations

import errno
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import rasterio
import safetensors
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError

from shakeslide.core import failures, files, lock
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import geotiff

GRID = GeoBox((700, 650), Affine(30, 0, 340_000, 0, -30, 3_840_000), "EPSG:32643")


def values() -> np.ndarray:
    return np.random.default_rng(1).random((700, 650)).astype(np.float32)


def write_map(path: Path, how: str | None = None, threads: int = 1) -> None:
    cut, z = grids.tiles(GRID, 300), values()
    geotiff.write_geotiff(
        path,
        GRID,
        cut,
        lambda t: z[t.row0 : t.row1, t.col0 : t.col1],
        cloud_optimised=how,  # type: ignore[arg-type]
        threads=threads,
    )


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A file that is there already, and is to be alone in its folder at the end."""
    path = tmp_path / "old.txt"
    path.write_text("old")
    yield path
    assert [p.name for p in tmp_path.iterdir()] == ["old.txt"]


@pytest.mark.parametrize("content", [None, b"", b'{"result": [1', b"[]", b'"a"'])
def test_a_step_is_run_again_where_what_was_kept_cannot_be_read(
    content: bytes | None, tmp_path: Path
) -> None:
    keep, given = files.Steps(tmp_path / "steps"), [0.1 + 0.2, 1 / 3, float("inf"), -0.0]
    assert keep("a", lambda: given) == given
    if content is not None:
        (tmp_path / "steps" / "a.json").write_bytes(content)
    runs: list[int] = []
    assert keep("a", lambda: runs.append(1) or given) == given
    assert len(runs) == (content is not None)
    assert keep("b", lambda: 2) == 2


def test_a_file_is_replaced_when_it_is_whole(old: Path) -> None:
    rights = old.stat().st_mode
    with files.replacing(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
        assert temporary.name.startswith(files.PART)
    assert old.read_text() == "new"
    assert old.stat().st_mode == rights


@pytest.mark.parametrize("stop", [KeyboardInterrupt, TypeError, InputError])
def test_a_block_that_fails_leaves_the_old_file(old: Path, stop: type[BaseException]) -> None:
    def write() -> None:
        with files.replacing(old) as temporary:
            temporary.write_text("half")
            temporary.with_name(f"{temporary.name}.ovr.tmp").write_text("a library's own")
            raise stop("out")

    with pytest.raises(stop):
        write()
    assert old.read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_errors_of_the_disk_name_the_file(old: Path, number: int) -> None:
    with pytest.raises(InputError, match=r"old\.txt"), files.replacing(old):
        raise OSError(number, os.strerror(number))


def test_errors_about_another_file_are_left_alone(old: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(old):
        raise FileNotFoundError(errno.ENOENT, "no such file", "/elsewhere/input.tif")


def test_a_late_error_of_the_disk_counts(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(InputError, match="full"), files.replacing(old) as temporary:
        temporary.write_text("new")


def test_an_empty_file_is_none(old: Path) -> None:
    with pytest.raises(InputError, match="empty"), files.replacing(old):
        pass


def test_a_check_that_fails_leaves_the_old_file(old: Path) -> None:
    with (
        pytest.raises(InputError, match="too short"),
        files.replacing(old, check=lambda _: "too short") as temporary,
    ):
        temporary.write_text("new")
    assert old.read_text() == "old"


def test_a_place_that_is_taken_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("")
    (tmp_path / "samples.parquet").mkdir()
    for path, named in (("maps/a.tif", "maps"), ("samples.parquet", "samples.parquet")):
        with pytest.raises(InputError, match=rf"{named}: is a "), files.replacing(tmp_path / path):
            pytest.fail("the work was begun")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"values")
    os.mkfifo(tmp_path / "pipe")
    assert files.content(tmp_path / "file") == b"values"
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InputError, match=path.name):
            files.content(path)


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{files.PART}0123.tif").write_text("left")
    (tmp_path / ".hidden.tif").write_text("a user's")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / f"{files.PART}4567.tif").write_text("of another run")
    files.sweep([tmp_path, tmp_path / "absent"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden.tif", "sub"]
    assert len(list((tmp_path / "sub").iterdir())) == 1


# ------------------------------------------------------------------ shards


@pytest.mark.parametrize("piece", [files.PIECE, 7])
def test_shards_are_known_by_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(files, "PIECE", piece)
    path, array = tmp_path / "a.npy", np.arange(12, dtype=np.float32).reshape(3, 4)
    assert not files.is_shard(path)
    files.save_shard(array, path)
    assert files.is_shard(path)
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), array)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:20], b"", whole[:-9] + b"\0" + whole[-8:], b"\0" * 200):
        path.write_bytes(damaged)
        assert not files.is_shard(path)


# ------------------------------------------------------------------ GeoTIFFs


@pytest.mark.parametrize("how", [None, "average"])
def test_a_whole_map_has_no_damage(tmp_path: Path, how: str | None) -> None:
    path = tmp_path / "a.tif"
    write_map(path, how, threads=2)
    assert geotiff.damage(path) is None
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), values())
    data = path.read_bytes()
    # The trailer of an optimised file's last block is no part of it.
    for length in (0, 100, len(data) // 2, len(data) - 100):
        path.write_bytes(data[:length])
        assert geotiff.damage(path)


def test_blocks_that_lie_on_one_another_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_map(path)
    data = path.read_bytes()
    with rasterio.open(path) as file:
        first, second = (
            int(file.get_tag_item(f"BLOCK_OFFSET_{j}_0", "TIFF", bidx=1)) for j in (0, 1)
        )
    for size in (4, 8):
        data = data.replace(second.to_bytes(size, "little"), first.to_bytes(size, "little"))
    path.write_bytes(data)
    assert geotiff.damage(path)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_map_that_is_cut_off_unseen_does_not_replace_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    path = tmp_path / "a.tif"
    write_map(path, threads=threads)
    before = path.read_bytes()
    write = rasterio.io.DatasetWriter.close

    def close(self: rasterio.io.DatasetWriter) -> None:
        write(self)
        os.truncate(self.name, Path(self.name).stat().st_size - 1000)

    monkeypatch.setattr(rasterio.io.DatasetWriter, "__exit__", lambda self, *_: close(self))
    with pytest.raises(InputError, match=r"a\.tif.*not written whole"):
        write_map(path, threads=threads)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


# ------------------------------------------------------------------ the lock


def test_a_lock_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "thesis.docx").write_text("years of work")
    (tmp_path / "link").symlink_to("thesis.docx")
    for name in ("folder", "link"):
        with pytest.raises(InputError, match=name), lock.held(tmp_path / name, "busy"):
            pytest.fail("it was held")
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.held(path, "busy"), pytest.raises(InputError, match="busy"), lock.held(path, "busy"):
        pytest.fail("it was held twice")
    with lock.held(path, "busy"):
        pass


# ------------------------------------------------------------------ errors of libraries


def library_errors() -> dict[str, BaseException]:
    return {
        "GDAL": RasterioIOError("Read failed"),
        "OGR": pyogrio.errors.DataSourceError("could not be opened"),
        "Arrow": pa.ArrowInvalid("Parquet magic bytes not found"),
        "Arrow's system": OSError("Couldn't deserialize thrift"),
        "sqlite": sqlite3.DatabaseError("database disk image is malformed"),
        "zip": zipfile.BadZipFile("no zip"),
        "safetensors": safetensors.SafetensorError("header too large"),
        "memory": MemoryError(),
        "array": np._core._exceptions._ArrayMemoryError((10**6, 10**6), np.dtype("f8")),  # type: ignore[attr-defined]
        "system": PermissionError(errno.EACCES, "Permission denied", "/a/file"),
        "name": UnicodeEncodeError("utf-8", "a\udc80.tif", 1, 2, "surrogates not allowed"),
        "text": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    }


@pytest.mark.parametrize("kind", list(library_errors()))
def test_errors_of_libraries_and_the_system_are_a_line(kind: str) -> None:
    error = library_errors()[kind]
    with pytest.raises(InputError, match=r"^prepare: ") as told, failures.guarded("prepare"):
        raise error
    assert told.value.__cause__ is error
    if kind == "system":
        assert "/a/file" in str(told.value)


@pytest.mark.parametrize(
    "bug",
    [
        TypeError,
        KeyError,
        AssertionError,
        ValueError,
        shapely.errors.GEOSException,
        pyproj.exceptions.ProjError,
        rasterio.errors.WindowError,
        rasterio.errors.CRSError,
        pa.ArrowTypeError,
        sqlite3.ProgrammingError,
    ],
)
def test_bugs_stay_bugs(bug: type[Exception]) -> None:
    """Errors of libraries that do not come from reading or writing a file are bugs too."""
    with pytest.raises(bug), failures.guarded("prepare"):
        raise bug("wrong")


def test_a_stage_may_be_decorated() -> None:
    @failures.guarded("map")
    def stage(path: Path) -> str:
        """Do."""
        return path.read_text()

    assert stage.__doc__ == "Do."
    with pytest.raises(InputError, match=r"^map: /nowhere/file"):
        stage(Path("/nowhere/file"))


def test_of_a_pipe_nothing_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "record.json")
    with pytest.raises(InputError, match=r"record\.json: is not a regular file"):
        files.content(tmp_path / "record.json")
    (tmp_path / "other.json").write_bytes(b"{}")
    assert files.content(tmp_path / "other.json") == b"{}"
