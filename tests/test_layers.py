"""The layers of the package: imports go downwards only, and only some may import torch."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "shakeslide"

ARCHITECTURE = Path(__file__).parents[1] / "ARCHITECTURE.md"


def floors() -> dict[str, int]:
    """Return the floor of each room, as ARCHITECTURE.md lists them."""
    listed = re.findall(r"^ ?(\d+)  (\w+) ", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    return {room: int(number) for number, room in listed}


def room_of(module: str) -> str:
    return module.split(".")[1]


@cache
def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE)


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


def part_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in modules():
        own = room_of(name_of(path))
        targets = {room_of(t) for n in imports(path) if (t := submodule(n))}
        graph.setdefault(own, set()).update(targets - {own, "_version"})
    return graph


def test_rooms_are_those_of_the_architecture_on_their_floors() -> None:
    graph, listed = part_graph(), floors()
    assert set(graph) == set(listed)
    for room, targets in graph.items():
        assert listed[room] == 1 + max((listed[t] for t in targets), default=0), room


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own, listed = room_of(name_of(path)), floors()
    for name in imports(path):
        target = submodule(name)
        if target is not None and (room := room_of(target)) not in (own, "_version"):
            assert listed[room] < listed[own], f"{name_of(path)} imports {name}"


def test_nothing_is_loose_but_the_face() -> None:
    assert {p.stem for p in PACKAGE.glob("*.py")} == {"__init__", "__main__", "_version"}


def importers(library: str) -> set[str]:
    """Modules that import a library, or a part of it."""

    def counts(name: str) -> bool:
        return name == library or name.startswith(library + ".")

    return {name_of(p) for p in modules() if any(map(counts, imports(p)))}


def test_importers_finds_imports() -> None:
    assert importers("safetensors")


def test_only_models_know_weights_and_only_they_the_known_truth_and_the_face_learn() -> None:
    for library, parts in (
        ("safetensors", ["models"]),
        ("sklearn", ["models", "synthetic", "api"]),
    ):
        allowed = tuple(f"shakeslide.{part}." for part in parts)
        assert not [m for m in importers(library) if not m.startswith(allowed)]


@pytest.mark.parametrize("part", ["models", "evaluation"])
def test_models_and_evaluation_do_no_geodata(part: str) -> None:
    for library in ("rasterio", "geopandas", "pyogrio", "xarray", "shakeslide.io"):
        found = importers(library)
        assert not [m for m in found if m.startswith(f"shakeslide.{part}")]


def test_nothing_is_pickled() -> None:
    for library in ("pickle", "joblib", "skops", "cloudpickle", "dill"):
        assert importers(library) == set()


def test_the_whole_study_is_seen_only_at_the_top() -> None:
    users = {
        n
        for p in modules()
        for n in [name_of(p)]
        if "shakeslide.study.settings.Study" in imports(p)
    }
    top = {"shakeslide.pipeline.run", "shakeslide.cli.app", "shakeslide.cli.demo"}
    assert users <= {*top, "shakeslide.rapid.new_earthquake"}
