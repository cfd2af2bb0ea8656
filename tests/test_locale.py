"""A user's locale changes no number: a decimal comma, an encoding of old."""

import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shakeslide import pipeline
from shakeslide.cli import app
from shakeslide.core import spreadsheets

from . import small_site as site
from .conftest import open_run


def use(name: str) -> bool:
    with suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, name)
        return locale.localeconv()["decimal_point"] == ","
    return False


@pytest.fixture
def comma(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The C library writes and reads numbers with a decimal comma."""
    before = locale.setlocale(locale.LC_ALL)
    found = any(map(use, ("de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "pt_BR.UTF-8")))
    if not found and (made := shutil.which("localedef")):
        folder = tmp_path / "locales"
        folder.mkdir()
        command = [made, "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
        subprocess.run(command, capture_output=True, check=False)
        # The C library looks here when the locale is set.
        monkeypatch.setenv("LOCPATH", str(folder))
        found = use("de_DE.UTF-8")
    if not found:
        locale.setlocale(locale.LC_ALL, before)
        pytest.skip("this machine has no locale with a decimal comma and cannot make one")
    yield
    locale.setlocale(locale.LC_ALL, before)


def prepared(folder: Path) -> dict[str, bytes]:
    """Return the bytes of factors from numbers in texts: an ASCII grid, tables and GeoJSON."""
    study = site.make_few(folder, "dem", "aftershocks")
    z = site.elevation()
    rows, cols = site.ROWS, site.COLS
    bottom = site.NORTH - rows * site.CELL
    header = f"ncols {cols}\nnrows {rows}\nxllcorner {site.WEST + 0.25}\nyllcorner {bottom + 0.5}\n"
    with (folder / "dem.asc").open("w") as file:
        file.write(f"{header}cellsize {site.CELL}\n")
        np.savetxt(file, z, "%.2f")
    dem = ('layers.dem.path="dem.asc"', 'layers.dem.crs="EPSG:32643"')
    run = open_run(study, folder / "out", *dem)
    pipeline.prepare(run)
    spreadsheets.write(folder / "out" / "factors" / "t.csv", pd.DataFrame({"a": [1234567.5]}))
    return {p.name: p.read_bytes() for p in sorted((folder / "out" / "factors").iterdir())}


def test_a_decimal_comma_changes_no_byte_of_a_factor(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    expected = prepared(tmp_path / "point")
    request.getfixturevalue("comma")
    assert f"{1.5:n}" == "1,5"
    found = prepared(tmp_path / "Höhe über Null")
    assert "AF.tif" in found
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.parametrize(
    ("encoding", "name", "hint"),
    [("iso8859-1", "Höhe", True), ("utf-8", "Höhe", False), ("iso8859-1", "high", False)],
)
def test_a_file_that_is_not_found_under_an_old_encoding_names_the_remedy(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    name: str,
    hint: bool,
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    assert app.main(["check", os.fspath(tmp_path / name / "study.toml")]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert ("PYTHONUTF8=1" in line) is hint
