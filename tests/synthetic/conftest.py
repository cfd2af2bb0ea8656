from __future__ import annotations

from pathlib import Path

import pytest

from shakeslide.synthetic import Scenario, SyntheticEarthquake, make, relief, write


@pytest.fixture(scope="session")
def earthquake() -> SyntheticEarthquake:
    """A small earthquake, wider than high, of odd size."""
    return make(Scenario(seed=4, rows=301, cols=340, prevalence=0.05))


@pytest.fixture(scope="session")
def folder(earthquake: SyntheticEarthquake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the small earthquake."""
    folder = tmp_path_factory.mktemp("earthquake")
    write(earthquake, folder)
    return folder


@pytest.fixture
def young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terrain was eroded for less long, which takes less long too."""
    monkeypatch.setattr(relief, "STEPS", 12)
