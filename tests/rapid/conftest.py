"""Figures of few pixels: they are drawn in a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shakeslide.rapid import sheet
from shakeslide.report import figures


@pytest.fixture(scope="package", autouse=True)
def few_pixels() -> Iterator[None]:
    """Draw all figures of this folder's tests at 40 dots to the inch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DPI", 40)
        yield


@pytest.fixture
def no_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page in print, which takes a third of a small run, is empty."""

    def write(out: Path, *_: object) -> Path:
        (out / sheet.NAME).touch()
        return out / sheet.NAME

    monkeypatch.setattr(sheet, "write", write)
