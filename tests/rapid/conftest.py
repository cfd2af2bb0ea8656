"""Figures of few pixels: they are drawn in a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shakeslide.report import figures


@pytest.fixture(scope="package", autouse=True)
def few_pixels() -> Iterator[None]:
    """Draw all figures of this folder's tests at 40 dots to the inch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DPI", 40)
        yield
