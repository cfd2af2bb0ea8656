"""Damaged studies, layers and records: a fixed choice of cases of `python -m benchmarks.fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import damage, fuzz

from shakeslide import pipeline

SEED, CASES, PARTS, QUICK = 2026, range(36), 12, 1


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> fuzz.Site:
    return fuzz.Site.make(tmp_path_factory.mktemp("tiny"))


@pytest.mark.filterwarnings("ignore")  # of what the libraries say of damaged files
@pytest.mark.parametrize(
    "part", [QUICK, *(pytest.param(k, marks=pytest.mark.slow) for k in range(PARTS) if k != QUICK)]
)
def test_damage_of_every_kind_is_refused_or_right(tiny: fuzz.Site, part: int) -> None:
    wrong = [p for n in CASES[part::PARTS] for p in fuzz.run_case(tiny, SEED, n)]
    assert wrong == []


def test_a_broken_command_is_found(
    tiny: fuzz.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(type(pipeline.prepare), "make", broken)
    answer = fuzz.call("prepare", tiny.data / "study.toml", tmp_path / "out")
    assert answer.code == 1
    assert "a bug" in answer.err
    assert fuzz.problems_of(answer)
    odd = fuzz.Answer("prepare", 2, "one\ntwo\n", 0.1)
    assert fuzz.problems_of(odd)
    assert not fuzz.problems_of(fuzz.Answer("prepare", 2, "error: dem.tif: is none\n", 0.1))


def test_a_hang_is_found(tiny: fuzz.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(type(pipeline.prepare), "make", endless)
    monkeypatch.setattr(fuzz, "COMPUTING", 0.5)
    answer = fuzz.call("prepare", tiny.data / "study.toml", tmp_path / "out")
    assert answer.code == 1
    assert "no answer" in answer.err


def test_factors_that_depend_on_a_layer() -> None:
    assert "LITH" not in fuzz.independent("lithology.gpkg")
    assert "SLO" in fuzz.independent("lithology.gpkg")
    assert "PGA" not in fuzz.independent("pga.tif")
    assert fuzz.independent("dem.tif") == set()
    assert "LITH" in fuzz.independent("landslides.gpkg")


def test_a_changed_factor_is_found(tiny: fuzz.Site) -> None:
    other = fuzz.Site(tiny.data, tiny.out, {"SLO": tiny.factors["SLO"] + 1})
    assert fuzz.changed(other, tiny.out, {"SLO"})
    assert not fuzz.changed(tiny, tiny.out, set(tiny.factors))
    assert set(damage.LAYERS) >= {"dem.tif", "landslides.gpkg"}
