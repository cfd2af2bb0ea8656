"""What follows from the scores: the page states what evaluation.json contains, and no more."""

from __future__ import annotations

import json
import re
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shakeslide import report
from shakeslide.evaluation.scores import MEASURES
from shakeslide.report import (
    artefacts,
    charts,
    figures,
    findings,
    score_tables,
    words,
)
from shakeslide.results import evaluation_document
from shakeslide.results.evaluation_document import Difference, Spread, summary_of
from shakeslide.study import settings

from .fabricated import GAPS, MODELS, OPTIMISM, SCORES, STUDY, evaluation, fabricate
from .test_page import Page, numbers


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


def test_every_protocol_has_a_rank_words_and_a_mark():
    literal, *_ = typing.get_args(settings.Evaluation.model_fields["protocols"].annotation)
    asked = typing.get_args(literal)
    assert asked == evaluation_document.STRICTNESS == tuple(words.PROTOCOLS)
    assert len(charts.PROTOCOL_MARKS) >= len(asked)
    for name in ("report.html.j2", "summary.html.j2", "sheet.txt.j2"):
        text = (Path(report.__file__).parent / "templates" / name).read_text(encoding="utf-8")
        assert all(f'"{protocol}"' in text for protocol in asked), name


def changed(run_folder: Path, **changes: Any) -> artefacts.Artefacts:
    """Return the run with another evaluation."""
    run = artefacts.load(run_folder)
    return replace(run, evaluation=replace(run.evaluation, **changes))


# ------------------------------------------------------------------ optimism


def test_flattery_is_told_in_plain_sentences(page: Page) -> None:
    # The means of three repeats are 0.2 points above the scores; blocks lie 8 points lower.
    text = page.fact("optimism", model="rf", protocol="block", optimistic="true")
    assert [wanted in text for wanted in ("85.9 %", "77.9 %", "870 m", "+7.4", "+5.1")] == 5 * [
        True
    ]


def test_optimism_that_is_not_known_is_not_claimed(run_folder: Path) -> None:
    told = artefacts.load(run_folder).evaluation.optimism
    rows = tuple(replace(r, oa=None, roc_auc=None) for r in told)
    found = findings.optimism(changed(run_folder, optimism=rows))
    assert found is not None
    assert [found.optimistic(model) for model in MODELS] == [None] * 3


def test_flattery_of_each_model_in_the_table(page: Page) -> None:
    rows = page.rows("optimism")
    assert list(rows) == list(MODELS)
    for model, cells in rows.items():
        for cell, measure in zip(cells, ("oa", "roc_auc"), strict=True):
            assert cell == words.signed(OPTIMISM[model][measure], 1)


def test_without_random_cells_nothing_is_said_of_flattery(run_folder: Path) -> None:
    assert findings.optimism(changed(run_folder, optimism=())) is None


# ------------------------------------------------------------------ the area's balance


def test_scores_in_the_area_stand_beside_those_in_the_samples(run_folder: Path, page: Page) -> None:
    told = json.loads((run_folder / "evaluation.json").read_text())
    rows = page.rows("area", **{"data-area": "block"})
    for area in told["summary_area"]:
        if area["protocol"] != "block":
            continue
        cells = rows[area["model"]]
        for cell, (measure, scale) in zip(
            cells, (("oa", 100), ("precision", 100), ("f1", 1)), strict=False
        ):
            wanted = [scale * area[measure][k] for k in ("mean", "low", "high")]
            assert numbers(cell) == pytest.approx(wanted, abs=0.051)


def test_alarms_are_told_for_the_area(run_folder: Path, page: Page) -> None:
    assert numbers(page.fact("alarms", model="rf")) == [100, 8.4, 3, 50, 77, 100]
    assert findings.alarms(changed(run_folder, summary_area=()), "rf") is None


# ------------------------------------------------------------------ differences


def test_only_resolved_differences_are_called_so(run_folder: Path, page: Page) -> None:
    told = {d.protocol: d for d in findings.differences(artefacts.load(run_folder))}
    above = [(a, b, round(points, 1)) for a, b, points in told["pixel"].above]
    assert above == [("rf", "lr", 3.8), ("sae", "lr", 2.7), ("rf", "sae", 1.1)]
    assert told["block"].above == told["pixel"].level == []
    assert len(told["block"].level) == 3
    text = page.fact("differences", protocol="pixel", judged="3", significant="3")
    assert re.findall(r"([A-Z]+) \w+ ([A-Z]+) by ([\d.]+)", text) == [
        (a.upper(), b.upper(), f"{points:.1f}") for a, b, points in above
    ]
    assert page.told("differences", protocol="block", judged="3", significant="0")
    html = (run_folder / "report.html").read_text(encoding="utf-8")
    for protocol, bold in (("pixel", 9), ("block", 0)):
        table = html[html.index(f'data-pairs="{protocol}"') :]
        assert table[: table.index("</table>")].count('class="best"') == bold


def test_differences_are_printed_with_interval_and_p(page: Page) -> None:
    rows = page.rows("pairs", **{"data-pairs": "pixel"})
    assert list(rows) == ["lr-rf", "lr-sae", "rf-sae"]
    points = 100 * (SCORES["rf"] - SCORES["sae"])
    cell = rows["rf-sae"][0].replace("\u2212", "-")
    assert numbers(cell) == pytest.approx([points, 0.5 * points, 1.5 * points, 0.032], abs=0.051)
    # The Brier score is no percentage.
    assert rows["rf-sae"][2].startswith("\u22120.0022 ")


@pytest.mark.slow
def test_many_models_with_long_names_fit_the_sheet() -> None:
    names = [*words.MODELS]
    measures = dict.fromkeys(MEASURES, Spread(0.7, None, 0.6, 0.8))
    rows = tuple(summary_of("block", m, 5, 0.5, measures) for m in names)
    told = replace(evaluation(2), summary=rows, summary_area=rows, truth=None)
    with figures.style():
        figure = charts.protocols(told, ["block"])
        figure.canvas.draw()
        for text in figure.axes[0].get_yticklabels():
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text
            assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [
        ((0.01, 0.2), True),
        ((-0.2, -0.01), True),
        ((-0.1, 0.1), False),
        ((0.0, 0.1), False),
        ((None, None), False),
    ],
)
def test_resolved_leaves_zero_out(ends: tuple[float | None, float | None], wanted: bool) -> None:
    assert Difference(0.05, *ends).resolved is wanted


def test_a_single_split_resolves_nothing(run_folder: Path) -> None:
    pairs = tuple(
        replace(pair, **{m: Difference(pair.of(m).mean) for m in score_tables.DIFFERED})
        for pair in evaluation(2).pairs
    )
    for table in findings.differences(changed(run_folder, pairs=pairs)):
        assert (table.judged, table.above, table.level) == (0, [], [])
        assert not any(pair.of(m).resolved for pair in table.pairs for m in score_tables.DIFFERED)


# ------------------------------------------------------------------ truth and calibration


def test_gap_to_the_known_truth(run_folder: Path, page: Page) -> None:
    assert [float(v) for v in re.findall(r"\d+\.\d+", page.fact("truth"))] == [90.0, 0.95]
    rows = page.rows("truth")
    for model, cells in rows.items():
        wanted = [100 * (SCORES[model] - 0.9), -100 * GAPS[model]] * 2
        printed = [float(c.replace("\u2212", "-")) for c in cells]
        assert printed == pytest.approx(wanted, abs=0.051)
    assert findings.truth(changed(run_folder, truth=None)) is None


def test_the_truth_of_other_earthquakes_is_not_known(run_folder: Path) -> None:
    told = artefacts.load(run_folder).evaluation
    by_event = tuple(replace(row, protocol="event") for row in told.of_protocol("block"))
    run = changed(run_folder, summary=(*told.summary, *by_event))
    assert findings.strictest(run) == "event"
    found = findings.truth(run)
    assert found is not None
    assert found.protocols == ["pixel", "block"]
    alone = findings.truth(changed(run_folder, summary=by_event))
    assert alone is not None
    assert alone.protocols == []


def test_calibration_stands_with_the_reliability(run_folder: Path, page: Page) -> None:
    assert page.told("calibration", calibration="none")
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert text.index('id="reliability"') < text.index('data-fact="calibration"')


# ------------------------------------------------------------------ runs of one model


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_an_evaluation_that_says_less_is_reported_all_the_same(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    less = replace(evaluation(2), summary_area=(), pairs=(), optimism=(), truth=None)
    evaluation_document.save(out, less)
    (out / "importance.json").unlink()
    report.write(out, STUDY)
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    ids = {a.get("id") for _, a in page.elements}
    assert not ids & {"optimism", "truth", "differences", "importance"}
    assert page.rows("sides")
    names = {p.stem for p in (out / "figures").iterdir()}
    assert not names & {"permutation", "dependence", "correlation"}


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        (7.42, 1, "+7.4"),
        (-7.42, 1, "\u22127.4"),
        (-0.04, 1, "0.0"),
        (0.0, 2, "0.00"),
        (None, 1, "–"),
        (float("nan"), 1, "–"),
    ],
)
def test_signed_numbers(value: float | None, digits: int, wanted: str) -> None:
    assert words.signed(value, digits) == wanted
