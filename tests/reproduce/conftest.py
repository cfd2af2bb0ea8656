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

TINY = Scale("tiny", 2, 2, 40, 10, 60, 3, (4, 6), (1, 2), (1, 3, 7))


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
