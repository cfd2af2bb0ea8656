"""The gallery's scripts run as its README says, and leave a picture where there is no display."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
SCRIPTS = sorted(GALLERY.glob("*.py"))


def test_the_readme_names_a_script_that_is_there() -> None:
    told = (GALLERY / "README.rst").read_text(encoding="utf-8")
    assert re.findall(r"^ +\.venv/bin/python examples/gallery/(\S+)$", told, re.M) == [
        SCRIPTS[0].name
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_names_of_the_package_that_scripts_use_exist(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shakeslide"):
            home = importlib.import_module(str(node.module))
            for alias in node.names:
                known = getattr(home, alias.name, None) or importlib.import_module(
                    f"{node.module}.{alias.name}"
                )
                modules[alias.asname or alias.name] = known
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("shakeslide"):
                    modules[alias.asname or alias.name] = importlib.import_module(alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            if inspect.ismodule(owner):
                assert hasattr(owner, node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.slow
def test_the_script_of_the_readme_leaves_a_picture_without_a_display(tmp_path: Path) -> None:
    plain = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, SCRIPTS[0]],
        cwd=tmp_path,
        env={**plain, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    with Image.open(tmp_path / last) as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").resize((200, 200)).getcolors(40_000) or ()) > 1000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_every_script_ends_with_its_pictures_in_a_part_of_their_own(script: Path) -> None:
    # Of its own: the site has by then taken the figures of earlier parts, and leaves no file.
    last = script.read_text(encoding="utf-8").split("\n# %%\n")[-1]
    assert "plt.show()" not in last
    name = script.stem.split("_", 1)[1]
    assert f'savefig(file := f"{name}_{{number}}.png"' in last
    assert last.endswith("    print(file)\n")
