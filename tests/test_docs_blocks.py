"""Every block of code in the README and in docs/*.md is run on a small earthquake.

`sh`: `shakeslide` is called as written; `make` must have the target. After `init DIR` the files of
the small earthquake are put into DIR, as a user would. `toml`: merged into the small study and
validated; with `<!-- append to FILE -->` above, put at the end of that file too. `python`:
executed. `text` is output and is not run; nor are directives of the site, as `{toctree}`.
"""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shakeslide.cli import app
from shakeslide.factors import aftershocks
from shakeslide.rapid import completed
from shakeslide.report import figures
from shakeslide.study import settings
from shakeslide.study.factor_settings import PAPER_FACTORS

from . import plugin
from .rapid import small_event

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WALKED = ("README.md", "tutorial.md", "own_earthquake.md", "python.md", "day_after.md")
"""Pages whose commands are whole runs."""
NOT_RUN = {
    "shakeslide sources examples/kashmir2005/study.toml": "needs the data of a real earthquake",
    "shakeslide run examples/kashmir2005/study.toml": "needs the data of a real earthquake",
    "python docs/build.py runs/models": "needs the results of that",
    "shakeslide learn runs/bundle": "needs finished runs of several earthquakes",
    "shakeslide rapid grid.xml dem.tif --out runs/new --model runs/bundle": "needs that bundle",
    "pip install": "changes the environment",
    "python -m benchmarks": "takes minutes",
    "python -m pytest tests/evaluation/test_audit.py": "is among the tests anyway",
}
"""Beginnings of commands that are not run, and why; `.venv/bin/` before them is left out."""

BLOCK = re.compile(
    r"(?:<!-- append to (?P<file>\S+) -->\s*\n)?^```(?P<language>\S*)[^\n]*\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    body: str
    file: str | None


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["language"], m["body"], m["file"]) for m in found]


@pytest.fixture(scope="session")
def earthquake(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo, which the pages change."""
    return shutil.copytree(demo, tmp_path_factory.mktemp("docs") / "copy")


@pytest.fixture
def here(earthquake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to read a page in: the demo, a ShakeMap and a DEM, the example package installed."""
    (tmp_path / "demo").symlink_to(earthquake / "demo")
    small_event.dem(tmp_path / "dem.tif")
    small_event.grid_xml(tmp_path / "grid.xml")
    plugin.install(monkeypatch, tmp_path / "packages")
    monkeypatch.setattr(figures, "DPI", 30)  # figures of few pixels are drawn in half the time
    monkeypatch.chdir(tmp_path)
    kept = earthquake / "demo" / "data" / "study.toml"
    text = kept.read_text(encoding="utf-8")
    yield tmp_path
    kept.write_text(text, encoding="utf-8")


def merged(given: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(given)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def commands(body: str) -> list[list[str]]:
    lines = body.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_command(words: list[str], here: Path) -> None:
    words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    line = " ".join(words)
    if any(line.startswith(beginning) for beginning in NOT_RUN):
        if words[0] == "shakeslide" and not words[2].endswith(".toml"):
            assert app.main([words[1], "--help"]) == 0, line
        elif words[0] == "shakeslide":
            sets = [b for a, b in itertools.pairwise(words) if a == "--set"]
            settings.load(ROOT / words[2], None, sets)
        return
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
        asked = {word for word in words[1:] if "=" not in word}
        assert asked <= targets, f"{line}: no target of the Makefile"
    elif words[0] == "python":
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}: {done.stdout}"
    else:
        assert words[0] == "shakeslide", f"{line}: no command that this test knows"
        assert app.main(words[1:]) == 0, line
        if words[1] == "init":
            shutil.copytree(here / "demo" / "data", here / words[2], dirs_exist_ok=True)


def validate(body: str, here: Path, where: str) -> None:
    small = tomllib.loads((here / "demo" / "data" / "study.toml").read_text(encoding="utf-8"))
    added = tomllib.loads(body)
    whole = merged(small, added)
    changed = {code for code, table in added.get("factors", {}).items() if "function" in table}
    for code in changed & set(PAPER_FACTORS):
        # A paper's factor made another way has no use for its layer.
        whole["layers"].pop(PAPER_FACTORS[code].get("layer"), None)
    if "exposure" in added:
        # As `rapid` reads it: layers of classes need no factor.
        whole = completed.completed(whole, {}, ())
    settings.validate(whole, here, where)


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] * (p.name in WALKED)) for p in PAGES],
    ids=lambda p: p.name,
)
def test_blocks_run(page: Path, here: Path) -> None:
    for block in blocks(page):
        if block.language == "sh":
            for words in commands(block.body):
                run_command(words, here)
        elif block.language == "toml":
            validate(block.body, here, page.name)
            if block.file is not None:
                with (here / block.file).open("a", encoding="utf-8") as out:
                    out.write("\n" + block.body)
        elif block.language == "python":
            exec(compile(block.body, page.name, "exec"), {"__name__": "__main__"})
        else:
            known = block.language == "text" or block.language.startswith("{")
            assert known, f"a block of {block.language or 'no language'}: mark output as text"


def test_what_is_not_run_is_still_there() -> None:
    lines = [
        " ".join(words).replace(".venv/bin/", "")
        for page in PAGES
        for block in blocks(page)
        if block.language == "sh"
        for words in commands(block.body)
    ]
    for beginning in NOT_RUN:
        assert any(line.startswith(beginning) for line in lines), f"{beginning}: strike it off"
        for word in beginning.split():
            assert "/" not in word or "runs/" in word or (ROOT / word).exists(), word


def test_a_wrong_key_in_a_page_would_fail(here: Path) -> None:
    with pytest.raises(Exception, match="stepp"):
        validate("[models.sae]\nstepp = 3\n", here, "page")


def test_a_wrong_command_in_a_page_would_fail(here: Path) -> None:
    with pytest.raises(AssertionError, match="chekc"):
        run_command(["shakeslide", "chekc", "demo/data/study.toml"], here)
    with pytest.raises(AssertionError, match="demoo"):
        run_command(["make", "demoo"], here)


def test_the_whole_study_stands_alone_and_passes_the_check(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "own_earthquake.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"<!-- a whole study -->\n```toml\n(.*?)^```", text, re.M | re.S)
    path = here / "mine" / "study.toml"
    shutil.copytree(here / "demo" / "data", path.parent)
    small = tomllib.loads(path.read_text(encoding="utf-8"))
    path.write_text(body, encoding="utf-8")
    loaded, document = settings.load(path)
    assert list(loaded.active_factors) == [
        code for code in PAPER_FACTORS if code not in ("SRD", "AF", "ST")
    ]
    for name in ("study", "event", "grid", "layers", "factors", "inventory"):
        assert document[name], name
    # Its files are those of the small earthquake, which lies in another place.
    for there, ours in (("dem.tif", "srtm.vrt"), ("lithology.gpkg", "geology.gpkg")):
        (path.parent / there).rename(path.parent / ours)
    elsewhere = [f"event.epicentre={small['event']['epicentre']}", "grid.crs=EPSG:32648"]
    elsewhere += ["grid.bounds=[398000, 3448000, 402000, 3452000]", "grid.resolution=25"]
    sets = [word for item in elsewhere for word in ("--set", item)]
    capsys.readouterr()
    assert app.main(["check", str(path), *sets]) == 0
    told = capsys.readouterr().out
    assert "grid.xml" in told
    assert "whole outlines" in told


def test_the_columns_of_aftershocks_are_those_that_are_looked_for() -> None:
    text = (ROOT / "docs" / "own_earthquake.md").read_text(encoding="utf-8")
    told = " ".join(text.split())
    for names in (
        aftershocks.MAGNITUDE_NAMES, aftershocks.TIME_NAMES, aftershocks.DATE_NAMES,
    ):  # fmt: skip
        listed = [f"`{name}`" for name in names]
        assert f"called {', '.join(listed[:-1])} or {listed[-1]}" in told
