"""The small site walked once through all experiments, with tiny settings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from shakeslide import paper, pipeline
from shakeslide.paper import bench, experiments
from shakeslide.paper.bench import Bench
from shakeslide.paper.scale import Scale

from ..conftest import open_run

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


@pytest.fixture(scope="session")
def reproduced(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """All experiments under `pixel`; not to be changed by tests."""
    run = reopened(finished, tmp_path_factory.mktemp("reproduce") / "run")
    folder = paper.run(run, scale=TINY)
    assert folder == experiments.folder_of(run.out, "pixel")
    return Reproduced(run, folder, bench.open_bench(run, "pixel", TINY))
