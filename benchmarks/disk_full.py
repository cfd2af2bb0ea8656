"""Fills the disk of a run step by step, in every stage: `python -m benchmarks.disk_full`.

Each step ends in 0, or in 2 with one line that names a file; what is in the folder then is whole;
and with room again the same command gives the same bytes as a run that was never disturbed. Mounts
a disk in memory, for which it needs the right. The steps are those of a small site; some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import small_disk, small_site
from tests.rapid import small_event

from shakeslide.cli import app
from shakeslide.rapid.study_file import NewStudy

RAPID = "rapid"
SHARES = (0.0, 0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.99, 1.0, 1.02, 1.1, 1.5, 2.5)
"""Free room by the bytes that a stage leaves."""


def command(*arguments: object) -> tuple[int, str]:
    """Run the command line; return its exit code and what it shows."""
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(io.StringIO()):
        code = app.main([*map(str, arguments), "-q"])
    if code > 128:  # Ctrl-C and the like end the benchmark too
        sys.exit(code)
    return code, shown.getvalue()


def step(
    disk: small_disk.SmallDisk, study: Path, whole: Path, stage: str, share: float
) -> Iterator[str]:
    """Run a stage on a full disk and again with room, and yield what is wrong."""
    disk.leave(int(share * disk.forget(stage)))
    code, shown = command(stage, study, "--out", disk.out)
    if code and not (code == 2 and shown.count("\n") == 1 and str(disk.out) in shown):
        yield f"exit {code}: {shown}"
    yield from small_disk.problems(disk.out, whole)
    disk.empty()
    code, shown = command(stage, study, "--out", disk.out)
    if code:
        yield f"exit {code} with room: {shown}"
    yield from small_disk.problems(disk.out, whole)
    yield from (f"missing: {name}" for name in small_disk.missing(disk.out, whole))


def new_earthquake(folder: Path) -> Path:
    """Make the study of a new earthquake, small and of few draws."""
    folder.mkdir()
    study = folder / "study.toml"
    dem, shaken = small_event.dem(folder / "dem.tif"), small_event.grid_xml(folder / "grid.xml")
    NewStudy.read(shaken, dem, None, 200.0).write(study)
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("[shaking]", "[shaking]\ndraws = 20"), encoding="utf-8")
    return study


def walk(
    study: Path, first: Sequence[str], stages: Sequence[str], shares: Sequence[float], work: Path
) -> int:
    """Walk the steps of stages of one study; return how many ended wrongly.

    Parameters
    ----------
    study : Path
        The study file.
    first : sequence of str
        Commands that make the whole run.
    stages : sequence of str
        What is run on the full disk.
    shares : sequence of float
        Free room by the bytes that a stage leaves.
    work : Path
        Folder for the runs; a whole run that is there already is up to date, and costs little.
    """
    whole, wrong = work / "whole", 0
    for stage in first:
        code, shown = command(stage, study, "--out", whole)
        assert code == 0, shown
    with small_disk.small_disk(work / "disk", 60_000_000) as disk:
        if disk is None:
            sys.exit("no disk can be mounted here")
        shutil.copytree(whole, disk.out)
        for stage in stages:
            for share in shares:
                found = list(step(disk, study, whole, stage, share))
                wrong += bool(found)
                print(f"{stage:<9} {share:5.0%}  {'; '.join(found) or 'held'}", flush=True)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk all steps; return 1 where one ended wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", default=list(small_disk.STAGES))
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--models", nargs="+", default=["lr", "rf"])
    parser.add_argument("--work", type=Path, help="folder that keeps the whole runs for next time")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        return int(walk_all(asked, asked.work or Path(folder)) > 0)


def walk_all(asked: argparse.Namespace, top: Path) -> int:
    """Walk the steps of all stages; return how many ended wrongly."""
    others, wrong = [s for s in asked.stages if s != RAPID], 0
    if others:
        study = top / "site" / "study.toml"
        if not study.exists():
            small_site.make(study.parent)
            with study.open("a", encoding="utf-8") as file:
                file.write(f"[models]\nuse = {json.dumps(asked.models)}\n")
        wrong += walk(study, ("sources", "run"), others, asked.shares, top / "study")
    if RAPID in asked.stages:
        study = top / "event" / "study.toml"
        if not study.exists():
            new_earthquake(study.parent)
        wrong += walk(study, (RAPID,), (RAPID,), asked.shares, top / "rapid")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
