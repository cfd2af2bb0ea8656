"""Fixtures of the report's tests."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from shakeslide import report
from shakeslide.report import drawing, figures, one_page
from tests.conftest import made_once

from .fabricated import STUDY, fabricate, write_uncertainty

SKETCH = 100
"""Pixels per inch of the shared report's figures."""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, drawing.Pictures]:
    """A finished run with its report, and the pictures of it; not to be changed by tests.

    A third of the pixels of print along each side: drawing takes half the time.
    """
    folder = made_once(tmp_path_factory, "report", write)
    return folder / "run", pickle.loads((folder / "pictures.pickle").read_bytes())


def write(folder: Path) -> None:
    """Write a finished run with its report, and the pictures of it."""
    out = fabricate(folder / "run")
    write_uncertainty(out)
    draw = drawing.draw

    def keep(*arguments: Any) -> drawing.Pictures:
        pictures = draw(*arguments)
        (folder / "pictures.pickle").write_bytes(pickle.dumps(pictures))
        return pictures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw", keep)
        patch.setattr(figures, "DPI", SKETCH)
        report.write(out, STUDY)


@pytest.fixture(scope="session")
def run_folder(written: tuple[Path, drawing.Pictures]) -> Path:
    """A finished run with its report; not to be changed by tests."""
    return written[0]


@pytest.fixture
def undrawn(
    written: tuple[Path, drawing.Pictures], monkeypatch: pytest.MonkeyPatch
) -> drawing.Pictures:
    """Reports get pictures drawn before and no summary, for tests of the page's words."""
    monkeypatch.setattr(drawing, "draw", lambda *_: written[1])
    monkeypatch.setattr(one_page, "write", lambda *_: None)
    return written[1]


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not drawn: their files are empty."""

    def write(figure: Figure, path: Path) -> Image.Image:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return Image.new("RGB", (9, 9))

    monkeypatch.setattr(figures, "write", write)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn with few pixels, in half the time."""
    monkeypatch.setattr(figures, "DPI", 30)
