"""The names of `import shakeslide`: light to import, documented, with examples that run."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import shakeslide as ss

NAMES = [name for name in ss.__all__ if name != "__version__"]


def test_the_import_loads_no_library_and_no_room() -> None:
    heavy = ("numpy", "pandas", "xarray", "sklearn", "rasterio", "shakeslide.core")
    code = f"import sys, shakeslide; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_no_other() -> None:
    assert set(ss.__all__) <= set(dir(ss))
    for name in ss.__all__:
        assert getattr(ss, name) is not None
    assert sum(map(len, ss._HOMES.values())) == len(NAMES)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ss.no_such_name


def test_no_room_has_a_public_name() -> None:
    rooms = {path.name for path in Path(ss.__file__).parent.iterdir() if path.is_dir()}
    assert not rooms & set(ss.__all__)  # importing a room would hide the name


def section(text: str, title: str) -> str:
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.M | re.S)
    return found[1] if found else ""


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_have_their_sections(name: str) -> None:
    value = getattr(ss, name)
    text = inspect.getdoc(value) or ""
    assert section(text, "Examples")
    init = value.__init__ if inspect.isclass(value) else value
    if name == "InputError":
        return
    listed = re.findall(r"^(\S[^\n]*)$", section(text, "Parameters"), re.M)
    words = {word for line in listed for word in re.findall(r"\w+", line.partition(" : ")[0])}
    taken = set(inspect.signature(init).parameters) - {"self"}
    assert taken <= words
    if not inspect.isclass(value):
        assert section(text, "Returns")
        assert section(text, "Raises")


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the demo's data and run."""
    out = tmp_path_factory.mktemp("examples")
    shutil.copytree(demo / "demo", out / "demo")
    return out


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names = {"ss": ss, "np": np, "make_pipeline": make_pipeline, "cross_val_score": cross_val_score}
    found = doctest.DocTestFinder(recurse=False).find(getattr(ss, name), name, globs=names)
    assert sum(len(test.examples) for test in found) > 0
    runner = doctest.DocTestRunner()
    for test in found:
        told: list[str] = []
        runner.run(test, out=told.append)
        assert runner.summarize(verbose=False).failed == 0, "".join(told)
