"""The reference is whole: every command, option, setting, factor function and public name."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import shakeslide
from shakeslide.cli import app
from shakeslide.study import factor_sets, factor_settings, model_settings, schema
from shakeslide.study import settings as study

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    ROOT / "examples" / "kashmir2005" / "README.md",
    *sorted(DOCS.glob("*.md")),
]


@pytest.fixture(scope="module")
def build() -> Any:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(shakeslide.__path__, "shakeslide."):
        if not found.name.endswith("autoencoder_torch"):  # needs torch
            yield importlib.import_module(found.name)


# ------------------------------------------------------------------ Python API


def test_pages_of_the_api_are_those_of_the_code(build: Any) -> None:
    for page, text in build.reference.pages().items():
        stored = (DOCS / "api" / f"{page}.md").read_text(encoding="utf-8")
        assert stored == build.NOTE + text, f"api/{page}.md: run `make docs`"


def test_every_public_name_is_in_the_reference(build: Any) -> None:
    told = "\n".join(p.read_text(encoding="utf-8") for p in (DOCS / "api").glob("*.md"))
    named = set(re.findall(r"^\.\. auto\w+:: (\S+)$", told, re.MULTILINE))
    objects = set()
    for path in named:
        module, _, name = path.rpartition(".")
        objects.add(id(getattr(importlib.import_module(module), name)))
    checked = 0
    for module in modules():
        for name in getattr(module, "__all__", ()):
            assert id(getattr(module, name)) in objects, f"{module.__name__}.{name}"
            checked += 1
    assert checked > 100


def test_every_public_name_has_a_docstring(build: Any) -> None:
    for name in build.reference.modules():
        module = importlib.import_module(name)
        for public in build.reference.public_names(module):
            value = getattr(module, public)
            if inspect.isclass(value) or inspect.isroutine(value):
                assert (inspect.getdoc(value) or "").strip(), f"{name}.{public}"


# ------------------------------------------------------------------ commands


def test_every_command_and_option_is_in_the_reference(build: Any) -> None:
    told = (DOCS / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `shakeslide (\w+)`$(.*?)(?=^## |\Z)", told, re.M | re.S))
    known = typer.main.get_command(app.app).commands  # type: ignore[attr-defined]
    assert set(sections) == set(known) == set(build.COMMANDS)
    for name, command in known.items():
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("-"):
                    assert option in sections[name], f"{name} {option}: run `make docs`"


# ------------------------------------------------------------------ study file


def settings_within(annotation: Any) -> Iterator[type[schema.Settings]]:
    """All settings classes that a type holds, those of their fields included."""
    if inspect.isclass(annotation) and issubclass(annotation, schema.Settings):
        yield annotation
        for field in annotation.model_fields.values():
            yield from settings_within(field.annotation)
    for part in typing.get_args(annotation):
        yield from settings_within(part)


def test_every_settings_class_and_key_is_in_the_reference(build: Any) -> None:
    told = (DOCS / "study.md").read_text(encoding="utf-8")
    shown = {*build.TABLES.values(), *factor_settings.FACTOR_FUNCTIONS.values()}
    open_ended = {study.Study, factor_settings.OwnFactor, model_settings.OwnModelSettings}
    for settings in {*settings_within(study.Study), *shown} - open_ended:
        assert settings in shown, f"{settings.__name__} has no table in study.md"
        for key in settings.model_fields:
            assert f"| `{key}` |" in told, f"{settings.__name__}.{key}: run `make docs`"
    for field in study.Study.model_fields:
        assert re.search(rf"^## `\[+{field}[\].]", told, re.M), field


# ------------------------------------------------------------------ factors


def test_every_factor_function_is_shown(build: Any) -> None:
    told = (DOCS / "factors.md").read_text(encoding="utf-8")
    used = {str(table["function"]) for table in factor_settings.PAPER_FACTORS.values()}
    for code, (_, options) in build.FURTHER.items():
        assert f"### {code}: " in told
        used.add(tomllib.loads(options)["function"])
    for family in factor_sets.FAMILIES.values():
        assert f"`{family.base}" in told
        used.add(str(family.table["function"]))
    assert used == set(factor_settings.FACTOR_FUNCTIONS)
    for code in factor_settings.PAPER_FACTORS:
        assert f"### {code}: " in told


# ------------------------------------------------------------------ links


def targets(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'<img src="([^"]+)"', text)


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in found}


GUIDES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", DOCS / "extending.md"]
ROOMS = {p.name for p in (ROOT / "src" / "shakeslide").iterdir() if (p / "__init__.py").is_file()}


def code_exists(name: str) -> bool:
    """Whether a dotted name below `shakeslide` is a module, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            found: Any = importlib.import_module(".".join(["shakeslide", *parts[:count]]))
            return all((found := getattr(found, part, None)) is not None for part in parts[count:])
    return False


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.name)
def test_files_and_code_that_guides_name_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {name for quoted in re.findall(r"`([^`\n]+)`", text) for name in quoted.split()}
    files = {n for n in names if re.fullmatch(r"[\w/]+(\.py|\.html\.j2|\.txt\.j2|/)", n)}
    starts = (ROOT, ROOT / "src" / "shakeslide", DOCS)
    gone = [n for n in files if not any((start / n).exists() for start in starts)]
    dotted = {n for n in names if re.fullmatch(r"\w+(\.\w+)+", n) and n.split(".")[0] in ROOMS}
    gone += [n for n in dotted - files if not code_exists(n)]
    assert not gone, f"{page.name} names {sorted(gone)}: write paths from src/shakeslide"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        made_by_gallery = path.parent.name == "gallery" and path.suffix == ".rst"
        if made_by_gallery:
            script = ROOT / "examples" / "gallery" / f"{path.stem}.py"
            assert path.stem == "index" or script.exists(), target
            continue
        assert path.exists(), target
        if anchor:
            assert anchor in headings(path), target


# ------------------------------------------------------------------ site


@pytest.mark.slow
@pytest.mark.timeout(300)  # all pages are made
def test_site_is_built_without_warnings_and_needs_no_network(tmp_path: Path) -> None:
    for needed in ("sphinx", "furo", "myst_parser", "sphinx_gallery", "latex2mathml", "ziamath"):
        pytest.importorskip(needed, exc_type=ImportError)
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-D", "sphinx_gallery_conf.plot_gallery=False", "-d", tmp_path / "trees"]
    command += [DOCS, site]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    loads = re.compile(r'<(?:script|link|img|iframe|source)[^>]+(?:src|href)="(?:https?:)?//')
    for page in pages:
        assert not loads.search(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", sheet.read_text("utf-8")), sheet
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count("<math") > 40
    assert "\\frac" not in re.sub(r"<annotation.*?</annotation>", "", method)
