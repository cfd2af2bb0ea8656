"""Kills a run at random moments and lets it go on: `python -m benchmarks.kills --kills 10`.

A synthetic earthquake is made and walked from layers to report, ensembles included, by processes
that get SIGKILL and SIGTERM in turn after random times; each next one goes on where the last was
killed. What it ends with is compared with the results of a run that was left alone: the bytes of
layers, factors, samples, weights, maps, styles and figures, and the numbers of evaluation and
importance, but for times. SIGTERM must end a process with one line within seconds.

With `--rapid` the run is that of a new earthquake, small, with exposure and a newer ShakeMap.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import shapely
from tests import small_site
from tests.rapid import small_event

from shakeslide.core.files import PART

SETTINGS = (
    "map.members=2", "models.sae.steps=2000", "models.sae.pretrain_steps=200",
    "evaluation.repeats=4",
)  # fmt: skip
"""An ensemble, and networks that are trained in seconds: kills are to fall into every stage."""
BYTES = (
    "data/*.tif", "data/*.csv", "data/*.xml", "data/study.toml", "run/*.parquet",
    "run/factors/*.tif", "run/models/**/*.safetensors", "run/maps/*", "run/figures/*",
    "run/places.*", "run/versions/*/maps/*", "run/study.toml", "run/roads.csv",
)  # fmt: skip
NUMBERS = (
    "run/evaluation.json", "run/importance.json", "run/models/**/manifest.json", "run/totals.json",
    "run/info.json", "run/versions/*/totals.json",
)  # fmt: skip
TIMES = ("fit_s", "seconds")
"""Keys of numbers that differ from run to run."""
PATIENCE = 20.0
"""Seconds within which a process must heed SIGTERM."""


def rapid_commands(folder: Path) -> list[list[str]]:
    """Return the commands for a new earthquake, whose ShakeMap becomes newer, in order."""
    data, out = folder / "data", folder / "run"
    data.mkdir(parents=True, exist_ok=True)
    small_event.dem(data / "dem.tif")
    small_event.people(data / "people.tif", 100.0)
    roads = [shapely.LineString([small_site.point(9 * k, 3), small_site.point(9 * k + 30, 90)])
             for k in range(15)]  # fmt: skip
    small_site.frame(roads).to_file(data / "roads.geojson", driver="GeoJSON")
    told = []
    for version, pga in (("1", 60.0), ("2", 75.0)):
        place = data / version
        place.mkdir(exist_ok=True)
        small_event.grid_xml(place / "grid.xml", version=version, pga=pga)
        told.append(["rapid", str(place / "grid.xml"), str(data / "dem.tif"), "--out", str(out)])
    asked = [f"exposure.{n}.path=../data/{f}"
             for n, f in (("people", "people.tif"), ("roads", "roads.geojson"))]  # fmt: skip
    settings = [word for text in (*asked, "shaking.draws=60") for word in ("--set", text)]
    return [[*words, *settings, "-q"] for words in told]


def commands(folder: Path, size: int) -> list[list[str]]:
    """Return the commands that a user would give, in order."""
    asked = [word for setting in SETTINGS for word in ("--set", setting)]
    study, out = str(folder / "data" / "study.toml"), str(folder / "run")
    return [
        ["demo", "--out", str(folder), "--size", str(size), "--only-data", "-q"],
        ["run", study, "--out", out, "-q", *asked],
    ]


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command as a process of its own."""
    line = [sys.executable, "-m", "shakeslide", *command]
    return subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def results(folder: Path) -> dict[str, str]:
    """Return a hash of each result, without times."""
    found = {}
    for pattern in BYTES:
        for path in folder.glob(pattern):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for pattern in NUMBERS:
        for path in folder.glob(pattern):
            told = _timeless(json.loads(path.read_text(encoding="utf-8")))
            found[str(path.relative_to(folder))] = json.dumps(told, sort_keys=True)
    return found


def _timeless(told: Any) -> Any:
    if isinstance(told, dict):
        return {k: _timeless(v) for k, v in told.items() if k not in TIMES}
    return [_timeless(v) for v in told] if isinstance(told, list) else told


def at_work(folder: Path) -> str:
    """Return what the last lines of the log say was being done."""
    log = folder / "run" / "run.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    return next((line.split(" INFO ")[-1] for line in reversed(lines) if " INFO " in line), "")


def kill(process: subprocess.Popen[str], number: int, after: float) -> str | None:
    """Kill a process after some seconds; return what is wrong, "" if nothing, None if it ended."""
    try:
        _, shown = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    else:
        return None if process.returncode == 0 else f"exit {process.returncode}: {shown}"
    asked = time.monotonic()
    _, shown = process.communicate()
    if number == signal.SIGTERM and process.returncode != 0:
        if time.monotonic() - asked > PATIENCE:
            return f"SIGTERM was heeded only after {time.monotonic() - asked:.0f} s"
        if process.returncode not in (143, -15) or shown.count("\n") > 1:
            return f"SIGTERM: exit {process.returncode}: {shown}"
    return ""


def walk(
    given: Sequence[Sequence[str]], folder: Path, kills: int, longest: float, draw: random.Random
) -> Iterator[str]:
    """Run commands, killed at most so many times; yield what was killed and is wrong."""
    for command in given:
        while True:
            number = signal.SIGTERM if kills % 2 else signal.SIGKILL
            after = draw.uniform(min(1.0, longest / 4), longest) if kills > 0 else 1e6
            wrong = kill(start(command), number, after)
            if wrong is None:
                break
            kills -= 1
            what = f"{number.name} after {after:.1f} s of {command[0]}: {at_work(folder)}"
            yield f"WRONG: {what}: {wrong}" if wrong else what
            if wrong and "exit" in wrong:
                return
    yield from (f"WRONG: left: {path}" for path in folder.rglob(f"{PART}*"))


def left_alone(
    given: Sequence[Sequence[str]], folder: Path, kept: Path | None
) -> tuple[dict[str, str], float, int]:
    """Return results and seconds of a run that nothing disturbs, and how much went wrong.

    Parameters
    ----------
    given : sequence of sequence of str
        Commands.
    folder : Path
        For the run.
    kept : Path or None
        A file that has the results if it is there, and gets them if not.
    """
    if kept is not None and kept.exists():
        told = json.loads(kept.read_text(encoding="utf-8"))
        return told["results"], told["seconds"], 0
    begun = time.monotonic()
    wrong = list(walk(given, folder, 0, 1e6, random.Random(0)))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    found, taken = results(folder), time.monotonic() - begun
    if kept is not None and not wrong:
        told = {"results": found, "seconds": taken}
        kept.write_text(json.dumps(told), encoding="utf-8")
    return found, taken, len(wrong)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill runs and compare; return 1 where one ended otherwise than the one left alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--size", type=int, default=300, help="cells a side of the earthquake")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--rapid", action="store_true", help="a new earthquake")
    parser.add_argument("--alone", type=Path, help="file that keeps what a run left alone gives")
    given = parser.parse_args(arguments)

    def asked(folder: Path) -> list[list[str]]:
        return rapid_commands(folder) if given.rapid else commands(folder, given.size)

    draw, done = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        alone, taken, wrong = left_alone(asked(home / "whole"), home / "whole", given.alone)
        print(f"left alone: {len(alone)} results in {taken:.0f} s", flush=True)
        while done < given.kills and not wrong:
            folder = home / f"killed-{done}"
            # Short enough to fall into every stage, long enough that some are passed.
            longest = taken / (1.7 if given.rapid else 4)
            for line in walk(asked(folder), folder, given.kills - done, longest, draw):
                done, wrong = done + ("after" in line), wrong + line.startswith("WRONG")
                print(line, flush=True)
            ended = results(folder)
            others = sorted(k for k in alone.keys() | ended.keys() if alone.get(k) != ended.get(k))
            print(f"ended after {done} kills in all: {len(ended) - len(others)} results are the "
                  f"same, others: {others or 'none'}", flush=True)  # fmt: skip
            wrong += len(others)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
