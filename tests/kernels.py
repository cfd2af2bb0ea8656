"""Compiles the kernels before the tests, two processes at a time: `python -m tests.kernels`.

Each kernel is compiled once and kept beside its module. Without this both processes of the tests
compile the same ones, and a test that happens to be the first of its kind takes long. What slow
tests alone need is compiled by `python -m tests.kernels --slow`.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from shakeslide import pipeline
from shakeslide.cli.app import main as main_of_shakeslide
from shakeslide.factors import terrain
from shakeslide.learning.votes import Apart, Electorate
from shakeslide.models import StackedAutoencoder, SupportVectorMachine
from shakeslide.rapid import run_out
from shakeslide.synthetic import Scenario, make
from shakeslide.synthetic.large import write_large

from . import small_site
from .conftest import open_run
from .rapid import small_event

MODELS = ["lr", "rf", "fr", "ahp"]
"""Those with kernels, besides those of `models`."""


def factors(folder: Path) -> None:
    """Compute the factors of the small site."""
    pipeline.prepare(open_run(small_site.make(folder / "site"), folder / "run"))


def study(folder: Path) -> None:
    """Walk the small site from layers to maps with a few samples."""
    names = ",".join(f'"{name}"' for name in MODELS)
    run = open_run(
        small_site.make(folder / "site"),
        folder / "run",
        f"models.use=[{names}]",
        'evaluation.protocols=["pixel"]',
        "evaluation.repeats=1",
        "samples.most=400",
        "models.rf.n_estimators=3",
        'map.spread=["lr"]',
        "map.members=2",
    )
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(run)
    pipeline.map_(run)


def models(_: Path) -> None:
    """Fit the networks, the support vector machine and votes, whose kernels take long, to noise."""
    rng = np.random.default_rng(0)
    X, y = rng.random((500, 4)).astype(np.float32), np.arange(500) % 2
    brief = {"units": (6, 4), "pretrain_steps": 5, "steps": 5, "batch_size": 32}
    StackedAutoencoder(**brief).fit(X, y).predict_proba(X)
    SupportVectorMachine().fit(X, y).predict_proba(X)
    place = np.zeros((500, 3))
    voters = Electorate(X, y, np.ones(500, np.float32), place)
    voters.tally(X, (0.1, 0.5), Apart(place, 1.0))


SCENARIO = Scenario(seed=5, rows=280, cols=300, prevalence=0.05)


def synthetic(_: Path) -> None:
    """Make a small synthetic earthquake in memory."""
    make(SCENARIO)


def sources(folder: Path) -> None:
    """Extract the source areas of the small site."""
    pipeline.extract_sources(open_run(small_site.make(folder / "site"), folder / "run"))


def tiled(folder: Path) -> None:
    """Make a synthetic earthquake tile by tile."""
    write_large(SCENARIO, folder / "large", tile=256, whole=200)


def double(_: Path) -> None:
    """Derive terrain from elevations in double precision."""
    z = np.zeros((9, 9))
    terrain.derivatives(z, 10, 10)
    terrain.profile_curvature(z, 10, 10)
    terrain.plan_curvature(z, 10, 10)
    terrain.roughness(z, 10, 10)
    terrain.tpi(z, 10, 10, 10, 30)
    terrain.relief(z, 10, 10, 30)


def draws(folder: Path) -> None:
    """Map a small new earthquake."""
    small_event.dem(folder / "dem.tif")
    small_event.grid_xml(folder / "grid.xml")
    words = [folder / "grid.xml", folder / "dem.tif", "--out", folder / "out", "--set"]
    if main_of_shakeslide(["rapid", *map(str, words), "shaking.draws=20", "-q"]):
        raise RuntimeError("rapid did not map the small earthquake")
    run_out.sources(*(np.ones((3, 3), np.float32) for _ in range(2)), (10.0, 10.0), 20.0)


PARTS: Mapping[str, Callable[[Path], None]] = {
    "models": models,
    "factors": factors,
    "synthetic": synthetic,
    "study": study,
    "draws": draws,
    "sources": sources,
}
"""In the order in which two processes take them: those that others need come first."""
SLOW: Mapping[str, Callable[[Path], None]] = {"tiled": tiled, "double": double}


def compiled(name: str) -> int:
    """Compile a part; what fails is shown and returned as 1."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            {**PARTS, **SLOW}[name](Path(folder))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def main(slow: bool) -> int:
    """Compile all parts, two at once; return 0 if nothing failed."""
    # Processes that compile several parts import the libraries once.
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return max(pool.map(compiled, SLOW if slow else PARTS))


if __name__ == "__main__":
    sys.exit(main("--slow" in sys.argv))
