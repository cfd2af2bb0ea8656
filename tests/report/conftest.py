"""Fixtures of the report's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from shakeslide import report

from .fabricated import INPUTS, fabricate, write_uncertainty


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report; not to be changed by tests."""
    out = fabricate(tmp_path_factory.mktemp("report") / "run")
    write_uncertainty(out)
    report.write(out, INPUTS)
    return out
