"""Faults of the machine: stops, kills, what lies in the way of outputs, and damaged ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shakeslide import pipeline
from shakeslide.cli import app
from shakeslide.core import files
from shakeslide.io import geotiff
from shakeslide.learning import bundle
from shakeslide.results.ledger import Ledger

from . import small_disk
from .conftest import open_run

Start = Callable[..., subprocess.Popen[str]]
SOURCES = Path(__file__).parents[1] / "src"


USUAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
"""Signals as in the foreground of a shell, wherever the tests run."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python on a script; what still runs at the end of the test is killed."""
    begun = []

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USUAL + textwrap.dedent(script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def parts(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{files.PART}*"))


# ------------------------------------------------------------------ stops

WRITES = """
    import pathlib, sys, time
    from shakeslide.cli import app as cli
    from shakeslide.io import geotiff
    strips, sign = geotiff._strips, pathlib.Path(sys.argv.pop())

    def slow(*arguments):
        for strip in strips(*arguments):
            sign.touch()
            time.sleep(60)
            yield strip

    geotiff._strips = slow
    cli.console_main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)], ids=["SIGINT", "SIGTERM"]
)
def test_a_stop_is_a_line_and_leaves_no_temporary_files(
    start: Start, site_study: Path, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    out, sign = tmp_path / "out", tmp_path / "writing"
    process = start(
        WRITES,
        *("prepare", str(site_study), "--out", str(out), "--workers", str(workers), "-q"),
        str(sign),
    )
    wait_for(sign, process)
    assert parts(out)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err.count("\n") == 1
    assert "stopped" in err
    assert "again" in err
    assert not parts(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_is_a_line_and_leaves_no_temporary_files(
    site_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    out, strips, seen = tmp_path / "out", geotiff._strips, []

    def stopped(*arguments: Any) -> Iterator[Any]:
        for strip in strips(*arguments):
            seen.extend(parts(out))
            signal.raise_signal(number)
            yield strip

    monkeypatch.setattr(geotiff, "_strips", stopped)
    # A job in the background of a shell inherits that SIGINT is ignored.
    inherited = signal.signal(number, signal.default_int_handler)
    try:
        code = app.main(["prepare", str(site_study), "--out", str(out), "--workers", "1", "-q"])
    finally:
        signal.signal(number, inherited)
    err = capsys.readouterr().err
    assert code == 128 + number
    assert err.count("\n") == 1
    assert "stopped" in err
    assert "again" in err
    assert seen
    assert not parts(out)


DEAF = """
    import hashlib, pathlib, signal, sys
    from shakeslide.core import signals
    signals.PATIENCE = 0.2
    with signals.heeded():
        pathlib.Path(sys.argv[1]).touch()
        try:
            hashlib.pbkdf2_hmac("sha512", b"a", b"b", 400_000_000)  # C, for minutes
        except BaseException:
            pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_compiled_code_is_stopped_all_the_same(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(DEAF, str(tmp_path / "deaf"))
    wait_for(tmp_path / "deaf", process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert number.name in err


def test_what_is_ignored_stays_so(start: Start) -> None:
    process = start(
        """
        import signal
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        from shakeslide.core import signals
        with signals.heeded():
            signal.raise_signal(signal.SIGHUP)
        print("went on")
        """
    )
    assert process.communicate(timeout=60)[0] == "went on\n"


def test_handlers_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert app.main(["--version"]) == 0
    assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_the_next_run_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("factors", "maps", "models/rf", ".work/shards/map-1", "mine"):
        (out / name).mkdir(parents=True)
        (out / name / f"{files.PART}0.tif").touch()
    (out / "mine" / "notes.txt").touch()
    with Ledger(out).locked():
        assert [p.parent.name for p in parts(out)] == ["mine"]


def test_shards_of_other_settings_are_deleted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for name in ("map-1", "map-2", "factors-1"):
        (ledger.work / "shards" / name).mkdir(parents=True)
    (kept,) = ledger.shards("map", ["2"])
    assert kept == ledger.work / "shards" / "map-2"
    assert sorted(p.name for p in kept.parent.iterdir()) == ["factors-1", "map-2"]


# ------------------------------------------------------------------ places that are taken


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command line and return the one line of its refusal."""
    code = app.main([*map(str, arguments), "-q"])
    err = capsys.readouterr().err
    assert code == 2, err
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("factors", "file"),
        ("maps", "file"),
        ("factors/DEM.tif", "folder"),
        ("run.log", "folder"),
        ("run.log", "link"),
        ("run.log", "pipe"),
        (".work", "file"),
        (".work/lock", "folder"),
        (".work/lock", "link"),
        (".work/made", "file"),
    ],
)
def test_a_place_that_is_taken_is_one_line(
    site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    precious.write_text("mine")
    place = out / name
    place.parent.mkdir(parents=True)
    if kind == "file":
        place.write_text("x")
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(precious)
    else:
        os.mkfifo(place)
    line = refused(capsys, "prepare", site_study, "--out", out)
    assert str(out) in line
    assert precious.read_text() == "mine"
    assert not parts(out)


@pytest.mark.parametrize("name", [".work", "versions", "maps", "factors"])
def test_no_link_in_place_of_a_folder_is_followed(
    site_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / name).symlink_to(elsewhere)
    assert f"{out / name}: is a link" in refused(capsys, "prepare", site_study, "--out", out)
    assert not list(elsewhere.iterdir())


# ------------------------------------------------------------------ damaged outputs


@pytest.fixture
def copy(finished: pipeline.Run, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(finished.out, tmp_path / "copy", symlinks=True))


def damage(path: Path) -> None:
    """Change a file's content and keep its size and time."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_damaged_factor_names_itself_and_the_way(
    site_study: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(copy / "factors" / "TPI.tif")
    line = refused(capsys, "sample", site_study, "--out", copy, "--set", "study.seed=8")
    assert "TPI.tif" in line
    assert "delete" in line
    (copy / "factors" / "TPI.tif").unlink()
    run = open_run(site_study, copy, "study.seed=8")
    pipeline.prepare(run)
    pipeline.sample(run)


def test_damaged_weights_are_trained_again(
    site_study: Path, finished: pipeline.Run, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = copy / "models" / "rf" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    whole = finished.out / "models" / "rf" / weights.name
    os.truncate(weights, whole.stat().st_size)
    stat = (finished.out / "models" / "rf" / weights.name).stat()
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    pipeline.train(open_run(site_study, copy))
    assert weights.read_bytes() == whole.read_bytes()
    assert bundle.load(weights.parent).name == "rf"


# ------------------------------------------------------------------ full disks


@pytest.fixture(scope="module")
def mounted(
    finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[small_disk.SmallDisk]:
    """The finished run on a small disk of its own."""
    folder = tmp_path_factory.mktemp("small") / "disk"
    with small_disk.small_disk(folder, 60_000_000) as made:
        if made is None:
            pytest.skip("no disk can be mounted here")
        shutil.copytree(finished.out, made.out)
        yield made


@pytest.fixture
def disk(mounted: small_disk.SmallDisk, finished: pipeline.Run) -> small_disk.SmallDisk:
    """The finished run, whole, on a small disk with room: whatever an earlier test left there."""
    mounted.empty()
    if small_disk.missing(mounted.out, finished.out):
        shutil.rmtree(mounted.out)
        shutil.copytree(finished.out, mounted.out)
    return mounted


@pytest.mark.parametrize(
    ("stage", "share"),
    [
        ("sample", 0.6),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                *(("prepare", 0.3), ("prepare", 0.97), ("sources", 0.3), ("train", 0.3)),
                *(("evaluate", 0.5), ("explain", 0.5), ("map", 0.3), ("map", 0.9), ("report", 0.0)),
            )
        ),
    ],
)
def test_a_full_disk_is_one_line_and_then_all_is_as_ever(
    site_study: Path,
    finished: pipeline.Run,
    disk: small_disk.SmallDisk,
    capfd: pytest.CaptureFixture[str],
    stage: str,
    share: float,
) -> None:
    size = disk.forget(stage)
    disk.leave(int(share * (size or 100_000)))
    code = app.main([stage, str(site_study), "--out", str(disk.out), "-q"])
    err = [line for line in capfd.readouterr().err.splitlines() if "_tiff" not in line]
    assert code == 2
    assert len(err) == 1
    assert f"{disk.out}/" in err[0]
    assert "disk is full" in err[0]
    assert small_disk.problems(disk.out, finished.out) == []
    disk.empty()
    if stage in ("explain", "report"):  # which take their time
        shutil.copytree(finished.out, disk.out, symlinks=True, dirs_exist_ok=True)
        return
    assert app.main([stage, str(site_study), "--out", str(disk.out), "-q"]) == 0
    assert small_disk.problems(disk.out, finished.out) == []
    assert small_disk.missing(disk.out, finished.out) == []


@pytest.mark.slow
def test_what_libraries_write_to_stderr_goes_to_the_log(
    start: Start, site_study: Path, disk: small_disk.SmallDisk
) -> None:
    size = disk.forget("prepare")
    disk.leave(int(0.3 * size))
    process = start(
        "from shakeslide.cli import app; app.console_main()",
        *("prepare", str(site_study), "--out", str(disk.out), "-q"),
    )
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2
    assert err.count("\n") == 1
