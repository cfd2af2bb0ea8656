"""Libraries that only some commands need."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra

ROOT = Path(__file__).parents[1]
OPTIONAL = {"matplotlib", "jinja2", "PIL", "optuna", "distributed", "lightgbm"}


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    with pytest.raises(InputError) as caught, extra("tune", "tune"):
        __import__("no_such_library")
    assert "no_such_library" in str(caught.value)
    assert "shakeslide[tune]" in str(caught.value)


def test_a_missing_module_of_our_own_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError), extra("tune", "tune"):
        __import__("shakeslide.no_such_module")


@pytest.mark.slow
def test_the_commands_need_none_of_the_extras_to_start() -> None:
    script = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
import shakeslide.cli.app, shakeslide.pipeline, shakeslide.checks
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_all_holds_every_extra_that_a_command_needs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert set(extras["all"][0].split("[")[1].strip("]").split(",")) == {
        "report",
        "tune",
        "cluster",
        "lightgbm",
    }
    assert all(
        "all" in line
        for line in (ROOT / "Makefile").read_text().splitlines()
        if "--editable" in line
    )
