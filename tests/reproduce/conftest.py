"""The small site walked once through all experiments, with tiny settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shakeslide import paper, pipeline
from shakeslide.paper import bench, experiments
from shakeslide.paper.bench import Bench
from shakeslide.paper.scale import Scale
from shakeslide.report import figures

from ..conftest import open_run

JUDGED = ["T1", "T2", "T5", "F5", "F8", "F9"]
TINY = Scale(
    name="tiny",
    repeats=2,
    sweep_repeats=2,
    steps=40,
    pretrain_steps=10,
    curve_steps=60,
    looks=3,
    units=(4, 6),
    depths=(1, 2),
    counts=(1, 3, 7),
)


@dataclass(frozen=True)
class Reproduced:
    """A run with its experiments, and the bench they were made on."""

    run: pipeline.Run
    folder: Path
    bench: Bench


def reopened(run: pipeline.Run, out: Path, *overrides: str) -> pipeline.Run:
    """Return a copy of a run, opened with other settings."""
    shutil.copytree(run.out, out)
    source = next(iter(run.study.layers.values())).path.parent
    return open_run(source / "study.toml", out, *overrides)


def made(
    finished: pipeline.Run, out: Path, only: Sequence[str] = (), *, make: bool = True
) -> Reproduced:
    """Make all experiments, or some, or none yet, under `pixel`."""
    run = reopened(finished, out)
    folder = experiments.folder_of(run.out, "pixel")
    if make:
        assert paper.run(run, only, TINY) == folder
    return Reproduced(run, folder, bench.open_bench(run, "pixel", TINY))


@pytest.fixture(scope="session")
def opened(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """The bench, and no experiment yet; not to be changed by tests."""
    return made(finished, tmp_path_factory.mktemp("opened") / "run", make=False)


@pytest.fixture(scope="session")
def judged(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """The experiments that judge the models once, in coarse figures; not to be changed by tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DPI", 30)
        return made(finished, tmp_path_factory.mktemp("judged") / "run", JUDGED)


@pytest.fixture(scope="session")
def reproduced(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """All experiments under `pixel`; not to be changed by tests."""
    return made(finished, tmp_path_factory.mktemp("reproduce") / "run")
