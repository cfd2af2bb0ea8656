"""The factors' importance: tables, sentences and figures say what importance.json holds."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shakeslide import report
from shakeslide.evaluation.collinearity import correlations
from shakeslide.factors.stack import FactorInfo
from shakeslide.report import artefacts, figures, importance_charts, importance_text

from .fabricated import DROPS, EVIL, FACTORS, INPUTS, MODELS, fabricate, write_json
from .test_page import Page, numbers


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def told(run_folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((run_folder / "importance.json").read_text())
    return read


def collinearity_of(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    return correlations(np.column_stack(list(columns.values())), list(columns), {}).to_dict()


# ------------------------------------------------------------------ gain and shuffling


def test_information_gain_is_printed_and_drawn(page: Page, told: dict[str, Any]) -> None:
    rows = page.rows("gain")
    assert {c: numbers(cells[0])[0] for c, cells in rows.items()} == pytest.approx(
        {r["code"]: r["bits"] for r in told["information_gain"]}, abs=6e-4
    )
    with figures.style():
        axes = importance_charts.gain(told["information_gain"], FACTORS).axes[1]
    drawn = {
        label.get_text().split()[-1]: bar.get_width()
        for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)
    }
    assert drawn == pytest.approx({r["code"]: r["bits"] for r in told["information_gain"]})


def test_losses_are_printed_by_group(page: Page, told: dict[str, Any]) -> None:
    rows = page.rows("permutation")
    assert list(rows) == ["DEM and TPI", "SLOA", "FD", "LITH"]
    for i, cells in enumerate(rows.values()):
        for model, cell in zip(told["models"], cells, strict=True):
            row = model["permutation"][i]
            printed = numbers(cell.replace("\u2212", "-"))
            assert printed == pytest.approx([100 * row["mean"], 100 * row["sd"]], abs=6e-3)
    text = page.text.replace("\u00a0", " ")
    assert (
        "Random forest leans most on Elevation (DEM) and Topographic position index (TPI): with "
        "them shuffled, its AUC falls by 8.6 points."
    ) in text
    assert (
        "Elevation (DEM) tells most about where the source cells are: 0.30 of at most 1 bit" in text
    )


def test_greatest_loss_of_each_model_is_bold(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    summary = importance_text.importance(run)
    assert summary is not None
    assert [[best for _, _, best in row.cells] for row in summary.groups] == [
        [True] * 3,
        *[[False] * 3] * 3,
    ]


def test_losses_are_drawn_beside_their_group(told: dict[str, Any]) -> None:
    with figures.style():
        axes = importance_charts.permutation(told["models"]).axes[1]
    marks = {
        (round(float(x), 6), round(float(y)))
        for line in axes.get_lines()
        if line.get_marker() not in ("None", "", "|")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert labels == ["LITH", "FD", "SLOA", "DEM + TPI"]
    for model in MODELS:
        assert (round(100 * DROPS[model], 6), 3) in marks
        assert (round(-100 * DROPS[model] / 3, 6), 1) in marks


def test_undefined_importance_is_a_dash(run_folder: Path, told: dict[str, Any]) -> None:
    broken = copy.deepcopy(told)
    broken["models"][0]["permutation"][0] |= {"mean": None, "sd": None}
    broken["information_gain"][-1]["bits"] = None
    broken["models"][1]["dependence"][0]["probability"][2] = None
    run = replace(artefacts.load(run_folder), importance=broken)
    summary = importance_text.importance(run)
    assert summary is not None
    assert summary.groups[0].cells[0] == ("–", "", False)
    assert summary.gain[-1][2] == "–"
    with figures.style():
        assert importance_charts.permutation(broken["models"]).axes
        assert importance_charts.dependence(broken["models"], FACTORS).axes


# ------------------------------------------------------------------ dependence


def test_curves_are_those_of_the_file(told: dict[str, Any]) -> None:
    with figures.style():
        panels = importance_charts.dependence(told["models"], FACTORS).axes[1:]
    assert [a.get_title(loc="left") for a in panels] == list(FACTORS)
    for axes, code in zip(panels, FACTORS, strict=True):
        lines = [line for line in axes.get_lines() if line.get_marker() != "|"]
        assert len(lines) == len(MODELS)
        for line, model in zip(lines, told["models"], strict=True):
            curve = next(d for d in model["dependence"] if d["code"] == code)
            x, p = np.array(curve["values"]), np.array(curve["probability"])
            if code == "LITH":
                np.testing.assert_allclose(line.get_xdata(), [0, 1, 2], atol=0.3)
            else:
                # Level ground faces nowhere.
                keep = x >= 0 if code == "SLOA" else np.full(len(x), True)
                np.testing.assert_allclose(line.get_xdata(), x[keep])
                p = p[keep]
            np.testing.assert_allclose(line.get_ydata(), p)


def test_axes_of_curves_are_named(told: dict[str, Any]) -> None:
    with figures.style():
        panels = importance_charts.dependence(told["models"], FACTORS).axes[1:]
    by_code = dict(zip(FACTORS, panels, strict=True))
    assert by_code["DEM"].get_xlabel() == "Elevation (m)"
    assert [t.get_text() for t in by_code["SLOA"].get_xticklabels()] == ["N", "E", "S", "W", "N"]
    assert by_code["FD"].get_xlim() == (0, 180)
    assert [t.get_text() for t in by_code["LITH"].get_xticklabels()] == ["1", "2", "3"]
    assert {a.get_ylim() for a in panels} == {(0.2, 0.9)}


def test_classes_are_told_and_escaped(page: Page) -> None:
    assert f"1 {EVIL} & gneiss; 2 片麻岩; 3 schist" in page.text


def test_codes_that_are_their_own_names_are_not_explained(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    factors = [
        replace(f, info=replace(f.info, legend={1: "1", 2: "2"} if f.info.legend else {}))
        for f in run.factors
    ]
    summary = importance_text.importance(replace(run, factors=factors))
    assert summary is not None
    assert summary.classes == []


# ------------------------------------------------------------------ collinearity


def test_correlations_are_written_into_their_cells(told: dict[str, Any]) -> None:
    matrix, codes = told["collinearity"]["correlation"], told["collinearity"]["codes"]
    with figures.style():
        axes = importance_charts.collinearity(told["collinearity"], FACTORS).axes[1]
    texts = {tuple(t.get_position()): t for t in axes.texts}
    assert len(texts) == len(codes) * (len(codes) - 1) // 2
    for (j, i), text in texts.items():
        assert i > j
        value = float(text.get_text().replace("\u2212", "-"))
        assert value == pytest.approx(matrix[int(i)][int(j)], abs=0.0051)
        alone = all(FACTORS[codes[int(k)]].kind == "continuous" for k in (i, j))
        assert text.get_style() == ("normal" if alone else "italic")
    close = sum(abs(matrix[i][j]) >= 0.7 for i in range(len(codes)) for j in range(i))
    assert len(axes.patches) == close


def test_variance_inflation_stands_beside(page: Page, told: dict[str, Any]) -> None:
    rows = page.rows("vif")
    assert list(rows) == list(FACTORS)
    for code, cells in rows.items():
        assert numbers(cells[0])[0] == pytest.approx(told["collinearity"]["vif"][code], abs=0.051)
    with figures.style():
        bars = importance_charts.collinearity(told["collinearity"], FACTORS).axes[2]
    printed = [numbers(t.get_text())[0] for t in bars.texts]
    assert printed == pytest.approx(list(told["collinearity"]["vif"].values()), abs=0.051)


def test_remarks_are_listed(run_folder: Path, page: Page, told: dict[str, Any]) -> None:
    remarks = told["collinearity"]["remarks"]
    assert remarks
    for text in remarks:
        assert page.text.count(text) == 1
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 400))
    columns = {"DEM": a, "SLOA": a + 0.01 * b, "FD": b, "TPI": rng.normal(size=400)}
    run = replace(artefacts.load(run_folder), importance={"collinearity": collinearity_of(columns)})
    summary = importance_text.collinear(run)
    assert summary is not None
    assert summary.sentence == "1 of 6 pairs is correlated by 0.7 or more."
    assert summary.remarks[0].startswith("DEM and SLOA go together (r = 1.00)")
    assert (summary.method, summary.rows) == ("Pearson's r", 400)
    assert [code for code, _, _ in summary.vif] == list(columns)
    alone = collinearity_of({"DEM": a, "FD": b})
    summary = importance_text.collinear(replace(run, importance={"collinearity": alone}))
    assert summary is not None
    assert summary.sentence == "The only pair is correlated by less than 0.7."


def test_constant_and_given_away_factors_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=200)
    told = collinearity_of({"A": a, "B": 2 * a, "C": np.ones(200), "D": rng.normal(size=200)})
    assert [importance_text.printed_vif(told, i) for i in range(4)] == ["∞", "∞", "–", "1.0"]
    with figures.style():
        figure = importance_charts.collinearity(told, {})
    assert [t.get_text() for t in figure.axes[2].texts] == ["∞", "∞", "–", "1.0"]
    # No number stands where there is no correlation.
    assert len(figure.axes[1].texts) == 3


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("why", ["", "collinearity is not known: 6 rows are too few"])
def test_collinearity_that_is_not_known_is_left_out(tmp_path: Path, why: str) -> None:
    """Runs made before it was measured, and samples that are too few for it."""
    out = fabricate(tmp_path / "run", repeats=1)
    told = json.loads((out / "importance.json").read_text())
    if why:
        told["collinearity"] = {"codes": ["DEM"], "remarks": [why]}
    else:
        del told["collinearity"]
    write_json(out / "importance.json", told)
    report.write(out, INPUTS)
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    assert "Which factors matter" in page.text
    assert ("repeat each other" in page.text) == bool(why)
    assert ("Collinearity is not known: 6 rows are too few." in page.text) == bool(why)
    assert "VIF" not in page.text
    assert not (out / "figures" / "collinearity.png").exists()
    # Nor were there ensembles and maps of applicability.
    assert "How sure" not in page.text
    assert "unlike anything" not in page.text
    assert not list((out / "figures").glob("spread_*"))


def test_many_factors_still_fit_their_sheet() -> None:
    rng = np.random.default_rng(3)
    codes = [f"F{i:02}" for i in range(24)]
    told = collinearity_of({c: rng.normal(size=300) for c in codes})
    infos = {c: FactorInfo(c, c, "m", "continuous", {}, c) for c in codes}
    with figures.style():
        figure = importance_charts.collinearity(told, infos)
    assert figure.get_size_inches().max() < 9.5
    assert len(figure.axes[1].texts) == 24 * 23 // 2
