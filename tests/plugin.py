"""The package of examples/plugin as if it were installed."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "plugin"


def install(patch: pytest.MonkeyPatch, work: Path) -> None:
    """Put the package on the path, with the entry points of its pyproject.toml."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    about = work / "shakeslide_example-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {where}" for name, where in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    patch.syspath_prepend(str(work))
    patch.syspath_prepend(str(FOLDER))
    patch.delitem(sys.modules, "shakeslide_example", raising=False)
