"""Fixtures that the tests of the whole path share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.study import settings as study

from . import small_site as site

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Fill a folder for the tests of this process; the first of several processes makes its files.

    The others wait for it and copy them, times included.
    """
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    shared = factory.getbasetemp().parent / name
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = shared.with_suffix(".made")
        if not whole.exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            make(shared)
            whole.touch()
    return Path(shutil.copytree(shared, own, symlinks=True, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def site_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Study file of the small site; its layers are beside it."""
    return made_once(tmp_path_factory, "site", site.make) / "study.toml"


def open_run(path: Path, out: Path, *overrides: str, workers: int = 2) -> pipeline.Run:
    """Open a study for running."""
    loaded, document = study.load(path, None, overrides)
    return pipeline.Run(loaded, document, out, Engine(workers), Reporter(quiet=True))


@pytest.fixture(scope="session")
def finished(site_study: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    """The small site walked from layers to maps; not to be changed by tests."""

    def make(folder: Path) -> None:
        run = open_run(site_study, folder / "run")
        for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
            stage(run)
        pipeline.explain(run)
        pipeline.map_(run)

    return open_run(site_study, made_once(tmp_path_factory, "finished", make) / "run")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `demo/data` and `demo/run` as of `make demo`, but small; tests copy it."""
    return made_once(tmp_path_factory, "demo", make_demo)


def make_demo(folder: Path) -> None:
    """Make a small demo up to the models."""
    scenario = synthetic.Scenario(seed=3, rows=160, cols=160, prevalence=0.06)
    path = synthetic.write(synthetic.make(scenario), folder / "demo" / "data")
    text = path.read_text(encoding="utf-8").replace('["lr", "rf", "sae"]', '["rf"]')
    # Without calibration and ensembles, which take several times as long.
    text = text.replace('preset = "recommended"', 'preset = "paper"')
    text = text.replace("most = 6000", "most = 400").replace("repeats = 2", "repeats = 1")
    text = text.replace('["pixel", "block"]', '["pixel"]')
    text = text.replace("folds = 2\n", "folds = 2\nblock_size = 1000\nbuffer = 50\n")
    path.write_text(text + "\n[models.rf]\nn_estimators = 5\n[map]\napplicability = false\n")
    run = open_run(path, folder / "demo" / "run")
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train):
        stage(run)
