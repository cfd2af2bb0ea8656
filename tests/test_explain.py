"""What `explain --at` prints: factors by name, classes by theirs."""

from __future__ import annotations

import pytest

from shakeslide import cli, explanation, pipeline
from shakeslide.factor_settings import PAPER_FACTORS

from . import small_site as site


@pytest.fixture
def printed(
    finished: pipeline.Run, site_study: str, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    x, y = site.point(30.5, 40.5)
    place = ["--at", str(x), str(y), "--model", "lr"]
    assert cli.main(["explain", str(site_study), "--out", str(finished.out), *place]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_factor_stands_with_its_name(printed: list[str]) -> None:
    head, *rows = printed
    assert head.startswith("lr: 0.")
    assert len(rows) == len(PAPER_FACTORS)
    for code, factor in PAPER_FACTORS.items():
        assert any(row.startswith(f"{code:<6} {factor['name']}  ") for row in rows), code
    assert len({row.index("log-odds") for row in rows}) == 1


def test_a_class_stands_with_its_name_or_alone_where_it_has_none(printed: list[str]) -> None:
    # The column is 30: the westernmost unit is schist, third of the three names in their order.
    lithology = next(row for row in printed if row.startswith("LITH"))
    assert " 3 = schist " in lithology
    # A raster of codes; at row 40 and column 30 the site's formula gives 1.
    soil = next(row for row in printed if row.startswith("ST "))
    assert " 1 class " in soil
    assert "=" not in soil


def row(**part: object) -> str:
    told = {"model": "rf", "probability": 0.5, "background": 0.1}
    whole = {
        "code": "SLO",
        "name": "Slope gradient",
        "class": None,
        "log_odds": 0.84,
        "error": 0.02,
    }
    line = explanation.lines({**told, "parts": [{**whole, **part}]})[1]
    return " ".join(line.split())


def test_a_number_stands_with_its_unit() -> None:
    told = row(value=31.8667, unit="deg")
    assert told == "SLO Slope gradient 31.87 deg log-odds +0.84 ± 0.02"


def test_a_class_named_by_its_own_number_stands_once() -> None:
    assert row(value=7.0, unit="class", **{"class": "7"}).split(" log")[0].endswith(" 7 class")
