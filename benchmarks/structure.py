"""The structure of the package in numbers: `python -m benchmarks.structure`.

A room is a folder of the package; an arrow says that one room imports another; a floor is one more
than the highest floor that a room imports.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "shakeslide"
ARRAYS = ("NDArray", "ndarray", "Float", "Floats", "FloatArray", "Array", "Values", "DataArray")
"""Words in an annotation that name an array."""
SHAPE = re.compile(r"shape|\([a-z0-9_ ]+,[a-z0-9_, ]*\)|\bper (row|cell|sample|column)\b|one value")
"""What a docstring says where it gives an array's shape."""
PROSE = 40
"""Letters, with blanks, from which a text in an assertion counts as prose."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module in a room, by dotted name without the package's own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if path.parent != PACKAGE:
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """Parts of the package that a module imports: `room.module` or `room`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (n.removeprefix("shakeslide.") for n in names if n.startswith("shakeslide."))


def room_of(module: str) -> str:
    return module.split(".")[0]


@cache
def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports."""
    rooms = {room_of(name) for name in modules()}
    graph: dict[str, set[str]] = {room: set() for room in rooms}
    for name, tree in modules().items():
        graph[room_of(name)] |= {room_of(t) for t in imported(tree) if room_of(t) in rooms}
    return {room: targets - {room} for room, targets in graph.items()}


@cache
def floor(room: str) -> int:
    return 1 + max((floor(target) for target in arrows()[room]), default=0)


def functions() -> Iterator[ast.FunctionDef]:
    for tree in modules().values():
        yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def parameters(function: ast.FunctionDef) -> list[ast.arg]:
    found = function.args
    every = [*found.posonlyargs, *found.args, *found.kwonlyargs]
    return [argument for argument in every if argument.arg not in ("self", "cls")]


def annotations(function: ast.FunctionDef) -> str:
    texts = [ast.unparse(a.annotation) for a in parameters(function) if a.annotation]
    return " ".join([*texts, ast.unparse(function.returns) if function.returns else ""])


def untyped(function: ast.FunctionDef) -> bool:
    return bool(re.search(r"(dict|Mapping)\[str, Any\]", annotations(function)))


def names_no_shape(function: ast.FunctionDef) -> bool:
    words = set(re.findall(r"\w+", annotations(function)))
    if function.name.startswith("_") or not words & set(ARRAYS):
        return False
    return not SHAPE.search(ast.get_docstring(function) or "")


def long_calls() -> int:
    calls = [n for t in modules().values() for n in ast.walk(t) if isinstance(n, ast.Call)]
    return sum(len(call.args) >= 7 for call in calls)


def repeated_names() -> list[str]:
    last = Counter(name.split(".")[-1] for name in modules() if "." in name)
    return sorted(name for name, count in last.items() if count > 1)


def comments_per_100() -> float:
    comments = code = 0
    for path in PACKAGE.rglob("*.py"):
        with tokenize.open(path) as file:
            tokens = list(tokenize.generate_tokens(file.readline))
        comments += sum(t.type == tokenize.COMMENT for t in tokens)
        kept = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
        code += len({t.start[0] for t in tokens if t.type in kept})
    return 100 * comments / code


def prose_in_tests() -> int:
    """Assertions that quote a text of several words."""
    count = 0
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                texts = [c.value for c in ast.walk(node.test) if isinstance(c, ast.Constant)]
                count += any(_prose(text) for text in texts)
    return count


def _prose(text: object) -> bool:
    return isinstance(text, str) and len(text) >= PROSE and text.count(" ") >= 5


def public_names() -> int:
    import shakeslide

    return len([name for name in getattr(shakeslide, "__all__", ()) if not name.startswith("_")])


def rows() -> list[tuple[str, object]]:
    """What is measured, and its value."""
    every = list(functions())
    arrays = [f for f in every if set(re.findall(r"\w+", annotations(f))) & set(ARRAYS)]
    public = [f for f in arrays if not f.name.startswith("_")]
    return [
        ("rooms", len(arrows())),
        ("floors", max(map(floor, arrows()))),
        ("arrows", sum(map(len, arrows().values()))),
        ("loose modules", ", ".join(p.stem for p in sorted(PACKAGE.glob("*.py")))),
        ("functions with dict[str, Any] or Mapping[str, Any]", sum(map(untyped, every))),
        ("calls with 7 and more positional arguments", long_calls()),
        ("functions with more than 7 parameters", sum(len(parameters(f)) > 7 for f in every)),
        ("public names of the package", public_names()),
        (
            f"public functions of arrays that name no shape (of {len(public)})",
            sum(map(names_no_shape, every)),
        ),
        ("module names that occur twice", ", ".join(repeated_names())),
        ("comments per 100 lines of code", f"{comments_per_100():.1f}"),
        ("assertions that quote prose", prose_in_tests()),
    ]


def main() -> None:
    for name, value in rows():
        print(f"{name:<60} {value}")
    print()
    for room in sorted(arrows(), key=lambda r: (-floor(r), r)):
        print(f"{floor(room):>2} {room:<12} imports {', '.join(sorted(arrows()[room]))}")


if __name__ == "__main__":
    main()
