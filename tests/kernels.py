"""Compiles the kernels before the tests, in two processes: `python -m tests.kernels`.

Each kernel is compiled once and kept beside its module. Without this both processes of the tests
compile the same ones, and a test that happens to be the first of its kind takes long.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from shakeslide import pipeline
from shakeslide.synthetic import Scenario, make
from shakeslide.synthetic.large import write_large

from . import small_site
from .conftest import open_run

MODELS = ["sae", "lr", "svm", "rf", "fr", "tree", "adaboost", "mlp", "hgb", "ahp"]


def study(folder: Path) -> None:
    """Walk the small site from layers to maps with every model that it can train."""
    names = ",".join(f'"{name}"' for name in MODELS)
    run = open_run(
        small_site.make(folder / "site"),
        folder / "run",
        f"models.use=[{names}]",
        'evaluation.protocols=["pixel"]',
        "evaluation.repeats=1",
        'map.spread=["lr"]',
        "map.members=2",
    )
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(run)
    pipeline.explain(run)
    pipeline.map_(run)


def synthetic(folder: Path) -> None:
    """Make a small synthetic earthquake in memory and tile by tile, and extract source areas."""
    scenario = Scenario(seed=5, rows=280, cols=300, prevalence=0.05)
    make(scenario)
    path = write_large(scenario, folder / "large", tile=256, whole=200)
    pipeline.extract_sources(open_run(path, folder / "run"))


PARTS: Mapping[str, Callable[[Path], None]] = {"study": study, "synthetic": synthetic}


def main(names: list[str]) -> int:
    """Compile a part, or all parts at once; return 0 if nothing failed."""
    if names:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[names[0]](Path(folder))
        return 0
    commands = [[sys.executable, "-m", __spec__.name, name] for name in PARTS]
    running = [subprocess.Popen(command) for command in commands]
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
