"""The structure of the package in numbers: `python -m benchmarks.structure`.

A room is a folder of the package; an arrow says that one room imports another; a floor is one more
than the highest floor that a room imports.
"""

from __future__ import annotations

import ast
import gc
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "shakeslide"
ARRAYS = {"NDArray", "ndarray", "DataArray"}
"""Words in an annotation that name an array; a module's own names for one of them count too."""
LENGTH = r"(?:[\w.]+|\w+ [-+*/] \w+)"
SHAPE = re.compile(
    r"\b(?:any|one|same|the) shape\b|\bshape \("
    rf"|\((?:{LENGTH}|\w+(?: \w+)+),\)"
    rf"|\((?!(?:int|float|slice|x)\b){LENGTH}(?:, {LENGTH})+\)"
    r"|\b(?:one|a value|a number|values|numbers) per \w+"
    r"|\bper (?:row|cell|sample|column)\b",
    re.IGNORECASE,
)
"""What a docstring says where it gives an array's shape: `(n,)`, `(rows, cols)`, one per row."""
PROSE = 40
"""Letters, with blanks, from which a text in an assertion counts as prose."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module in a room, by dotted name without the package's own."""
    found = {}
    # Looking for garbage among a million nodes that stay takes most of the time
    collects = gc.isenabled()
    gc.disable()
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if path.parent != PACKAGE:
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    if collects:
        gc.enable()
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


def words(node: ast.AST) -> set[str]:
    """Names in an annotation, but those within the type of a function."""
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Callable"):
        return set()
    own = {node.id} if isinstance(node, ast.Name) else set()
    own |= {node.attr} if isinstance(node, ast.Attribute) else set()
    return own.union(*(words(child) for child in ast.iter_child_nodes(node)))


@cache
def aliases() -> dict[str, set[str]]:
    """Names that each module gives to types of arrays, its own and those that it imports."""
    found: dict[str, set[str]] = {name: set() for name in modules()}
    for _ in range(3):  # an alias of an alias, imported
        for name, tree in modules().items():
            found[name] |= {word for node in tree.body for word in _aliases(node, found, name)}
    return found


def _aliases(node: ast.stmt, found: dict[str, set[str]], module: str) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        theirs = found.get(node.module.removeprefix("shakeslide."), set())
        yield from (a.asname or a.name for a in node.names if a.name in theirs)
        return
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.Name):
        is_array = bool(words(node.value) & (ARRAYS | found[module]))
        yield from (t.id for t in node.targets if is_array and isinstance(t, ast.Name))


def is_of_arrays(function: ast.FunctionDef, module: str) -> bool:
    types = [a.annotation for a in parameters(function) if a.annotation]
    types += [function.returns] if function.returns else []
    return any(words(kind) & (ARRAYS | aliases()[module]) for kind in types)


@dataclass(frozen=True)
class Public:
    """A function of a module or of a public class, and where it is."""

    module: str
    owner: ast.ClassDef | None
    function: ast.FunctionDef

    def __str__(self) -> str:
        owner = f"{self.owner.name}." if self.owner else ""
        return f"{self.module}.{owner}{self.function.name}"

    def docstrings(self) -> Iterator[str]:
        """Its own docstring and those of the methods that it overrides."""
        yield ast.get_docstring(self.function) or ""
        yield from overridden(self.owner, self.function.name) if self.owner else ()


@cache
def classes() -> dict[str, ast.ClassDef]:
    every = (node for tree in modules().values() for node in tree.body)
    return {node.name: node for node in every if isinstance(node, ast.ClassDef)}


def overridden(owner: ast.ClassDef, method: str) -> Iterator[str]:
    names = set().union(*map(words, owner.bases)) & set(classes()) - {owner.name}
    for base in (classes()[name] for name in sorted(names)):
        own = [n for n in base.body if isinstance(n, ast.FunctionDef) and n.name == method]
        yield from (ast.get_docstring(n) or "" for n in own)
        yield from overridden(base, method)


def public_of_arrays() -> list[Public]:
    """Public functions and methods that take or return arrays, but those within a function."""
    found = []
    for module, tree in modules().items():
        owners = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
        bodies = [(None, tree.body), *((owner, owner.body) for owner in owners)]
        found += [
            Public(module, owner, node)
            for owner, body in bodies
            for node in body
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_"
            if is_of_arrays(node, module)
        ]
    return found


def names_no_shape(public: Public) -> bool:
    return not any(SHAPE.search(text) for text in public.docstrings())


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
    public = public_of_arrays()
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
            sum(map(names_no_shape, public)),
        ),
        ("module names that occur twice", ", ".join(repeated_names())),
        ("comments per 100 lines of code", f"{comments_per_100():.1f}"),
        ("assertions that quote prose", prose_in_tests()),
    ]


def main() -> None:
    for name, value in rows():
        print(f"{name:<60} {value}")
    print()
    for public in filter(names_no_shape, public_of_arrays()):
        print(f"{public} names no shape")
    for room in sorted(arrows(), key=lambda r: (-floor(r), r)):
        print(f"{floor(room):>2} {room:<12} imports {', '.join(sorted(arrows()[room]))}")


if __name__ == "__main__":
    main()
