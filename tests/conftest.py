"""Fixtures that the tests of the whole path share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from shakeslide import pipeline
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.study import settings as study

from . import small_site as site

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def site_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Study file of the small site; its layers are beside it."""
    return site.make(tmp_path_factory.mktemp("site"))


def open_run(path: Path, out: Path, *overrides: str, workers: int = 2) -> pipeline.Run:
    """Open a study for running."""
    loaded, document = study.load(path, None, overrides)
    return pipeline.Run(loaded, document, out, Engine(workers), Reporter(quiet=True))


@pytest.fixture(scope="session")
def finished(site_study: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    """The small site walked from layers to maps; not to be changed by tests."""
    run = open_run(site_study, tmp_path_factory.mktemp("out") / "run")
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(run)
    pipeline.explain(run)
    pipeline.map_(run)
    return run
