"""The layers of the package: imports go downwards only, and only some may import torch."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "shakeslide"

LAYERS = [
    {"cli", "signals", "__main__"},
    {"demonstration", "reproduce"},
    {"pipeline"},
    {"report", "checks", "symptoms", "ledger", "tables"},
    {"trials", "explanation", "uncertainty", "tuning"},
    {"mapping", "training", "events", "synthetic", "template"},
    {"bundle"},
    {"evaluation"},
    {"models", "sampling", "encoding", "sources"},
    {"factors", "inventory", "masks"},
    {"io", "engine", "study", "polygons"},
    {"grid", "projection"},
    {"factor_settings", "model_settings"},
    {"schema", "extensions", "document"},
    {"filters"},
    {"progress", "errors", "fingerprints", "_version"},
]
"""From the top; a module may import its own layer and those below."""


def level(module: str) -> int:
    part = module.split(".")[1] if "." in module else module
    for i, layer in enumerate(LAYERS):
        if part in layer:
            return i
    raise AssertionError(f"{module} is in no layer: add it to LAYERS")


@cache
def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def submodule(name: str) -> str | None:
    """The part of the package that an import names, if it names one."""
    parts = name.split(".")
    if parts[0] != "shakeslide" or len(parts) < 2:
        return None
    is_part = (PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file()
    return f"shakeslide.{parts[1]}" if is_part else None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own = name_of(path)
    for name in imports(path):
        target = submodule(name)
        if target is not None:
            assert level(target) >= level(own), f"{own} imports {name}, which is above it"


def part_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in modules():
        own = ".".join(name_of(path).split(".")[:2])
        targets = {t for n in imports(path) if (t := submodule(n)) and t != own}
        graph.setdefault(own, set()).update(targets)
    return graph


def test_no_circles() -> None:
    graph = part_graph()
    state: dict[str, int] = {}

    def visit(node: str, trail: list[str]) -> None:
        assert state.get(node) != 1, f"circle: {' > '.join([*trail, node])}"
        if state.get(node) == 2:
            return
        state[node] = 1
        for target in sorted(graph.get(node, ())):
            visit(target, [*trail, node])
        state[node] = 2

    for node in graph:
        visit(node, [])


def importers(library: str, but: str = "") -> set[str]:
    """Modules that import a library, or a part of it other than `but`."""

    def counts(name: str) -> bool:
        inside = name == library or name.startswith(library + ".")
        return inside and not (but and (name == but or name.startswith(but + ".")))

    return {name_of(p) for p in modules() if any(map(counts, imports(p)))}


def test_importers_finds_imports() -> None:
    assert importers("safetensors")


def test_only_models_know_weights_and_only_they_and_the_known_truth_learn() -> None:
    for library, parts in (("safetensors", ["models"]), ("sklearn", ["models", "synthetic"])):
        allowed = tuple(f"shakeslide.{part}." for part in parts)
        assert not [m for m in importers(library) if not m.startswith(allowed)]


@pytest.mark.parametrize("part", ["models", "evaluation"])
def test_models_and_evaluation_do_no_geodata(part: str) -> None:
    for library in ("rasterio", "geopandas", "pyogrio", "xarray", "shakeslide.io"):
        # How a file is written whole or not at all is no geodata.
        found = importers(library, but="shakeslide.io.files")
        assert not [m for m in found if m.startswith(f"shakeslide.{part}")]


def test_nothing_is_pickled() -> None:
    for library in ("pickle", "joblib", "skops", "cloudpickle", "dill"):
        assert importers(library) == set()


def test_study_object_is_seen_whole_only_at_the_top() -> None:
    users = {n for p in modules() for n in [name_of(p)] if "shakeslide.study.Study" in imports(p)}
    assert users <= {"shakeslide.pipeline.run", "shakeslide.cli", "shakeslide.demonstration"}
