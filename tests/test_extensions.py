"""Functions that installed packages bring: found by entry point, checked, computed, recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from shakeslide import pipeline
from shakeslide.core import extensions
from shakeslide.core.errors import InputError
from shakeslide.study.factor_settings import GROUP

from . import small_site as site
from .conftest import open_run

MODULE = '''
from dataclasses import dataclass

import numpy as np

from shakeslide.study.factor_settings import FactorBase, LayerFactor
from shakeslide.factors.factor import FactorFunction, Made


class BandSettings(FactorBase):
    """Elevation above a level, in steps."""

    function: str = "steps"
    step: float = 100.0
    level: float = 0.0


@dataclass(frozen=True)
class Steps:
    step: float
    level: float

    def __call__(self, inputs):
        z = inputs.elevation()[0]
        return (np.floor((z - self.level) / self.step) * self.step).astype(np.float32)


def make(settings, code, sources):
    sources.layer("dem", code)
    return Made(Steps(settings.step, settings.level), source="dem.tif")


steps = FactorFunction(
    kind="continuous", unit="m", inputs=("dem",), definition="elevation in steps", citation="us",
    make=make, settings=BandSettings,
)
bare = FactorFunction(
    kind="continuous", unit="m", inputs=("dem",), definition="elevation", citation="us",
    make=lambda s, c, o: Made(Steps(1.0, 0.0), source="dem.tif"),
)
wrong = 3
'''
ENTRIES = """[shakeslide.factors]
steps = own_factors_for_tests:steps
bare = own_factors_for_tests:bare
wrong = own_factors_for_tests:wrong
broken = own_factors_for_tests:nothing
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with functions of its own."""
    folder = tmp_path / "site-packages"
    about = folder / "own_factors-1.2.dist-info"
    about.mkdir(parents=True)
    (folder / "own_factors_for_tests.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-factors\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_factors_for_tests", raising=False)
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return site.make(tmp_path / "site")


def add(study: Path, table: str) -> None:
    study.write_text(study.read_text() + f"\n[factors.OWN]\n{table}\n")


def test_a_packages_function_is_computed(package: Path, study: Path) -> None:
    add(study, 'function = "steps"\nstep = 50\nname = "Terraces"')
    run = open_run(study, study.parent / "out", workers=1)
    assert run.codes[-1] == "OWN"
    factor = run.factors()[-1]
    assert (factor.name, factor.unit, factor.kind) == ("Terraces", "m", "continuous")
    assert factor.settings["package"] == "own-factors 1.2"
    assert factor.settings["step"] == 50.0
    pipeline.prepare(run)
    with rasterio.open(run.out / "factors" / "OWN.tif") as src:
        values = src.read(1)
        assert src.tags()["definition"] == "elevation in steps"
    np.testing.assert_array_equal(values, np.floor(site.elevation() / 50) * 50)
    other = open_run(study, study.parent / "out", "factors.OWN.step=20")
    assert other.marks.factor_marks()["OWN"] != run.marks.factor_marks()["OWN"]
    assert "OWN" in {r.name: r for r in pipeline.check(run)}["dem"].use


def test_its_settings_are_checked(package: Path, study: Path) -> None:
    add(study, 'function = "steps"\nstepp = 50')
    with pytest.raises(InputError, match=r"\[factors.OWN\].*unknown key 'stepp'.*'step'"):
        open_run(study, study.parent / "out")


def test_a_function_without_settings_takes_none(package: Path, study: Path) -> None:
    add(study, 'function = "bare"\nstep = 50')
    with pytest.raises(InputError, match=r"\[factors.OWN\] unknown key 'step'"):
        open_run(study, study.parent / "out")
    study.write_text(study.read_text().replace("step = 50", "use = true"))
    assert open_run(study, study.parent / "out").factors()[-1].code == "OWN"


def test_what_is_no_function_is_told(package: Path, study: Path) -> None:
    add(study, 'function = "wrong"')
    run = open_run(study, study.parent / "out")
    with pytest.raises(InputError, match=r"'wrong' of the package own-factors 1.2"):
        run.factors()


def test_a_package_that_does_not_load_is_told(package: Path, study: Path) -> None:
    add(study, 'function = "broken"')
    with pytest.raises(InputError, match=r"broken of the package own-factors 1.2 cannot be loaded"):
        open_run(study, study.parent / "out")


def test_functions_that_are_not_installed_are_unknown(study: Path) -> None:
    add(study, 'function = "steps"')
    with pytest.raises(InputError, match=r"\[factors.OWN\] function = 'steps' is unknown"):
        open_run(study, study.parent / "out")


def test_names_and_packages(package: Path) -> None:
    assert {"steps", "bare", "wrong", "broken"} <= set(extensions.names(GROUP))
    assert extensions.package(GROUP, "steps") == "own-factors 1.2"
    with pytest.raises(InputError, match=r"no installed package brings 'stepz'.*'steps'"):
        extensions.load(GROUP, "stepz")
