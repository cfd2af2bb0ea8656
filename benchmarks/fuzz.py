"""Seeded fuzzing of study files, layers and records: `python -m benchmarks.fuzz --seconds 3600`.

Every case damages one part of a tiny study and runs `check`, `prepare` and at times `sample` on it.
What must hold: exit code 0, or 2 with one line on stderr; no traceback and no hang; the user's
files stay as they are; `check` refuses what `prepare` refuses; and where a run succeeds, factors
that do not depend on what was damaged keep their values. A failure prints the case, which
`--seed S --case N` repeats.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import rasterio

from benchmarks import damage
from shakeslide.cli import app
from shakeslide.study.factor_settings import PAPER_FACTORS

KINDS = ("study", "bytes", "setting", "layer", "layer", "record")
"""What is damaged; layers twice as often."""
COMPUTING, WAITING = 30, 600
"""Seconds that a command may compute, and take in all, on however busy a machine; it computes for
less than one."""


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    command: str
    code: int
    err: str
    seconds: float


@dataclass(frozen=True)
class Site:
    """The tiny study, untouched and run once.

    Attributes
    ----------
    data, out : Path
        Its layers and its results.
    factors : dict
        Values by code.
    """

    data: Path
    out: Path
    factors: dict[str, np.ndarray]

    @classmethod
    def make(cls, folder: Path) -> Site:
        """Make the site in an empty folder."""
        data, out = folder / "data", folder / "out"
        damage.make(data)
        for command in ("prepare", "sample"):
            answer = call(command, data / "study.toml", out)
            if answer.code != 0:
                raise RuntimeError(f"the sound study fails: {answer}")
        return cls(data, out, values(out))


def values(out: Path) -> dict[str, np.ndarray]:
    """Return the factors of a run by code."""
    found = {}
    for path in sorted((out / "factors").glob("*.tif")):
        with rasterio.open(path) as src:
            found[path.stem] = src.read(1)
    return found


def call(command: str, study: Path, out: Path, *more: str) -> Answer:
    """Run a command in this process and return its answer."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as err:
        with _streams(err), _alarm():
            arguments = [command, str(study), "--out", str(out), "-q", *more]
            if command != "check":
                arguments += ["--workers", "1"]
            try:
                code = app.main(arguments)
            except Hang as hang:
                code = 1
                print(hang, file=err)
        _close_log()
        err.seek(0)
        return Answer(command, code, err.read(), time.perf_counter() - start)


@contextmanager
def _streams(err: Any) -> Iterator[None]:
    """Send what the process and its libraries write to stderr into a file; stdout nowhere."""
    kept = [os.dup(1), os.dup(2)]
    old = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = nowhere, err
        try:
            yield
        finally:
            err.flush()
            sys.stdout, sys.stderr = old
            for number, handle in enumerate(kept, start=1):
                os.dup2(handle, number)
                os.close(handle)


class Hang(Exception):
    """A command did not come to an end."""


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, _frame: FrameType | None) -> None:
        raise Hang(f"no answer ({signal.Signals(number).name})")

    old = {n: signal.signal(n, ring) for n in (signal.SIGALRM, signal.SIGPROF)}
    signal.alarm(WAITING)
    signal.setitimer(signal.ITIMER_PROF, COMPUTING)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in old.items():
            signal.signal(number, handler)


def _close_log() -> None:
    for name in ("shakeslide", *app.LIBRARIES):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.FileHandler):
                logger.removeHandler(handler)
                handler.close()


def state(folder: Path) -> dict[str, str]:
    """Return a hash of every file of a folder."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


def run_case(site: Site, seed: int, number: int) -> list[str]:
    """Run one case and return what is wrong with it.

    Parameters
    ----------
    site : Site
        The sound study.
    seed, number : int
        Which case.
    """
    rng = np.random.default_rng([seed, number])
    kind = KINDS[rng.integers(len(KINDS))]
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "out"
        shutil.copytree(site.data, data)
        study, more = data / "study.toml", []
        told, kept = kind, set()
        if kind == "study":
            study.write_text(damage.other_study(rng), encoding="utf-8")
        elif kind == "bytes":
            study.write_bytes(damage.torn_study(rng))
        elif kind == "setting":
            more = ["--set", damage.one_setting(rng)]
            told = f"{kind} {more[1][:80]!r}"
        elif kind == "layer":
            name = damage.damage_layer(data, rng)
            told, kept = f"{kind} {name}", independent(name)
        else:
            shutil.copytree(site.out, out)
            told, kept = f"{kind} {damage.damage_record(out, rng)}", set(site.factors)
        commands = ["check", "prepare"] + ["sample"] * bool(rng.random() < 0.3)
        before = state(data)
        answers = [call(command, study, out, *more) for command in commands]
        problems = [p for a in answers for p in problems_of(a)]
        if state(data) != before:
            problems.append("the user's files are not as they were")
        if answers[0].code == 0 and answers[1].code == 2 and kind != "record":
            problems.append(f"check accepts what prepare refuses: {answers[1].err.strip()[:300]}")
        if answers[1].code == 0:
            problems += changed(site, out, kept)
    return [f"{told}: {p}" for p in problems]


def independent(name: str) -> set[str]:
    """Return the factors that do not depend on a layer's file."""
    if name == "dem.tif":
        return set()
    layer = name.split(".")[0]
    if layer in ("lakes", "landslides"):
        return {*PAPER_FACTORS, "PGA", "UPA"}
    users = {code for code, preset in PAPER_FACTORS.items() if preset.get("layer") == layer}
    return {*PAPER_FACTORS, "PGA", "UPA"} - users - ({"PGA"} if layer == "pga" else set())


def problems_of(answer: Answer) -> list[str]:
    """Return what is wrong with an answer."""
    lines = answer.err.strip().splitlines()
    if answer.code not in (0, 2):
        return [f"{answer.command} exits {answer.code}: {answer.err.strip()[-400:]}"]
    if answer.code == 2 and (len(lines) != 1 or not lines[0].startswith("error: ")):
        return [f"{answer.command} prints {len(lines)} lines: {answer.err.strip()[:400]}"]
    if answer.code == 0 and lines:
        return [f"{answer.command} succeeds and prints {answer.err.strip()[:400]}"]
    if any(len(line) > 4000 for line in lines):
        return [f"{answer.command} prints a line of {len(lines[0]):,} characters"]
    return []


def changed(site: Site, out: Path, kept: set[str]) -> list[str]:
    """Return which of some factors of a run have other values than the site's."""
    now = values(out)
    return [
        f"factor {code} has other values"
        for code in sorted(kept)
        if code not in now or not np.array_equal(now[code], site.factors[code], equal_nan=True)
    ]


def walk(seed: int, numbers: Sequence[int] | Iterator[int], until: float) -> int:
    """Run cases one after the other, print those that fail, and return how many did."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        site = Site.make(Path(folder))
        for number in numbers:
            if time.monotonic() > until:
                break
            print(f"case {number}", flush=True)
            problems = run_case(site, seed, number)
            failed += bool(problems)
            for problem in problems:
                print(f"FAILED --seed {seed} --case {number}: {problem}", flush=True)
    return failed


def _supervise(seed: int, start: int, seconds: float) -> int:
    """Run cases in processes of their own, and go on after one that dies."""
    failed, number, end = 0, start, time.monotonic() + seconds
    while time.monotonic() < end:
        left = str(end - time.monotonic())
        command = [sys.executable, "-m", "benchmarks.fuzz", "--inside", "--seed", str(seed)]
        child = subprocess.Popen(
            [*command, "--start", str(number), "--seconds", left], stdout=subprocess.PIPE, text=True
        )
        for line in child.stdout or ():
            if line.startswith("case "):
                number = int(line.split()[1])
            else:
                failed += line.startswith("FAILED")
                print(line, end="", flush=True)
        if child.wait() != 0:
            failed += 1
            if failed > 1000:
                break
            print(
                f"FAILED --seed {seed} --case {number}: the process ended with {child.returncode}"
            )
        number += 1
    print(f"{number - start:,} cases of seed {seed}, {failed} problems")
    return failed


def main() -> None:
    """Run for some time, or one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="first case")
    parser.add_argument("--case", type=int, help="this case alone")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case is not None:
        sys.exit(bool(walk(given.seed, [given.case], np.inf)))
    if given.inside:
        walk(given.seed, iter(range(given.start, 10**9)), time.monotonic() + given.seconds)
    else:
        sys.exit(bool(_supervise(given.seed, given.start, given.seconds)))


if __name__ == "__main__":
    main()
