"""The factors' importance: tables, sentences and figures say what importance.json holds."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shakeslide import report
from shakeslide.evaluation.collinearity import correlations
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import explanation
from shakeslide.learning.explanation import Collinear
from shakeslide.report import artefacts, drawing, figures, importance_charts, score_tables
from shakeslide.report import page as report_page
from shakeslide.results import importance_document
from shakeslide.results.importance_document import Importance

from .fabricated import DROPS, EVIL, FACTORS, MODELS, STUDY, fabricate
from .test_page import Page, numbers


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def told(run_folder: Path) -> Importance:
    read = importance_document.load(run_folder)
    assert read is not None
    return read


Written = tuple[Path, drawing.Pictures]


def page_of(written: Written, **changes: Any) -> Page:
    """Return the page of the finished run with other artefacts."""
    out, pictures = written
    return Page(report_page.html(replace(artefacts.load(out), **changes), STUDY, pictures))


def collinearity_of(columns: dict[str, np.ndarray]) -> Collinear:
    x = np.column_stack(list(columns.values()))
    return explanation.stored(correlations(x, list(columns), {}))


# ------------------------------------------------------------------ gain and shuffling


def test_information_gain_is_printed(page: Page, told: Importance) -> None:
    rows = page.rows("gain")
    assert {c: numbers(cells[0])[0] for c, cells in rows.items()} == pytest.approx(
        {g.code: g.bits for g in told.information_gain}, abs=6e-4
    )


def test_losses_are_printed_by_group(page: Page, told: Importance) -> None:
    rows = page.rows("permutation")
    assert list(rows) == ["DEM and TPI", "SLOA", "FD", "LITH"]
    for i, cells in enumerate(rows.values()):
        for model, cell in zip(told.models, cells, strict=True):
            row = model.permutation[i]
            printed = numbers(cell.replace("\u2212", "-"))
            assert printed == pytest.approx([100 * row.mean, 100 * row.sd], abs=6e-3)
    assert "8.6" in page.fact("most", model="rf", codes="DEM TPI")
    bits = told.information_gain[0].bits
    assert numbers(page.fact("gain", code="DEM"))[0] == pytest.approx(bits, abs=6e-4)


def test_greatest_loss_of_each_model_is_bold(run_folder: Path) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    table = text[text.index('class="numbers stacked permutation"') :]
    rows = re.findall(r"<tr data-model.*?</tr>", table[: table.index("</table>")])
    assert [row.count('class="best"') for row in rows] == [3, 0, 0, 0]


def test_losses_are_drawn_beside_their_group(told: Importance) -> None:
    with figures.style():
        axes = importance_charts.permutation(told).axes[0]
    ticks = axes.get_yticks()
    marks = {
        (round(float(x), 6), int(np.abs(ticks - y).argmin()))
        for line in axes.get_lines()
        if line.get_marker() not in ("None", "", "|")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert labels == ["DEM + TPI", "SLOA", "FD", "LITH"]
    for model in MODELS:
        assert (round(100 * DROPS[model], 6), 0) in marks
        assert (round(-100 * DROPS[model] / 3, 6), 2) in marks


def test_names_of_many_factors_have_room(told: Importance) -> None:
    names = tuple(f"SLO_{i}0m" for i in range(40))
    model = told.models[0]
    # Two groups of many factors between others of one.
    codes = [names[:20], names[20:], ("FD",), ("LITH",)]
    rows = tuple(replace(row, codes=own) for row, own in zip(model.permutation, codes, strict=True))
    with figures.style():
        figure = importance_charts.permutation(
            replace(told, models=(replace(model, permutation=rows),))
        )
        figure.canvas.draw()
    found = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    for upper, lower in pairwise(sorted(found, key=lambda box: -box.y0)):
        assert upper.y0 >= lower.y1


def test_undefined_importance_is_a_dash(written: Written, told: Importance) -> None:
    first, second, *others = told.models
    losses = (replace(first.permutation[0], mean=None, sd=None), *first.permutation[1:])
    curve = second.dependence[0]
    gap = replace(curve, probability=(*curve.probability[:2], None, *curve.probability[3:]))
    broken = replace(
        told,
        information_gain=(
            *told.information_gain[:-1],
            replace(told.information_gain[-1], bits=None),
        ),
        models=(
            replace(first, permutation=losses),
            replace(second, dependence=(gap, *second.dependence[1:])),
            *others,
        ),
    )
    page = page_of(written, importance=broken)
    assert page.rows("permutation")["DEM and TPI"][0].strip() == "–"
    assert page.rows("gain")[told.information_gain[-1].code][0] == "–"
    with figures.style():
        assert importance_charts.permutation(broken).axes
        assert importance_charts.dependence(broken.models, FACTORS).axes


# ------------------------------------------------------------------ dependence


def test_curves_are_those_of_the_file(told: Importance) -> None:
    with figures.style():
        panels = importance_charts.dependence(told.models, FACTORS).axes
    assert [a.get_title(loc="left") for a in panels] == list(FACTORS)
    for axes, code in zip(panels, FACTORS, strict=True):
        lines = [line for line in axes.get_lines() if line.get_marker() != "|"]
        assert len(lines) == len(MODELS)
        for line, model in zip(lines, told.models, strict=True):
            curve = model.dependence_on(code)
            assert curve is not None
            x, p = np.array(curve.values), np.array(curve.probability)
            if code == "LITH":
                np.testing.assert_allclose(line.get_xdata(), [0, 1, 2], atol=0.3)
            else:
                # Level ground faces nowhere.
                keep = x >= 0 if code == "SLOA" else np.full(len(x), True)
                np.testing.assert_allclose(line.get_xdata(), x[keep])
                p = p[keep]
            np.testing.assert_allclose(line.get_ydata(), p)


def test_axes_of_curves_are_named(told: Importance) -> None:
    with figures.style():
        panels = importance_charts.dependence(told.models, FACTORS).axes
    by_code = dict(zip(FACTORS, panels, strict=True))
    assert by_code["DEM"].get_xlabel() == "Elevation (m)"
    assert [t.get_text() for t in by_code["SLOA"].get_xticklabels()] == ["N", "E", "S", "W", "N"]
    assert by_code["FD"].get_xlim() == (0, 180)
    assert [t.get_text() for t in by_code["LITH"].get_xticklabels()] == ["1", "2", "3"]
    assert len({a.get_ylim() for a in panels}) == 1


def test_classes_are_told_and_escaped(page: Page) -> None:
    assert f"1 {EVIL} & gneiss; 2 片麻岩; 3 schist" in page.text


def test_codes_that_are_their_own_names_are_not_explained(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    factors = [
        replace(f, info=replace(f.info, legend={1: "1", 2: "2"} if f.info.legend else {}))
        for f in run.factors
    ]
    assert any(f.class_names for f in run.factors)
    assert not any(f.class_names for f in factors)


# ------------------------------------------------------------------ collinearity


def test_correlations_are_written_into_their_cells(told: Importance) -> None:
    matrix, codes = told.collinearity.correlation, told.collinearity.codes
    with figures.style():
        axes = importance_charts.correlation(told.collinearity, FACTORS).axes[0]
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


def test_variance_inflation_stands_beside(page: Page, told: Importance) -> None:
    rows = page.rows("gain")
    assert list(rows) == [gain.code for gain in told.information_gain]
    for code, cells in rows.items():
        assert numbers(cells[1])[0] == pytest.approx(told.collinearity.vif[code], abs=0.051)


def test_remarks_are_listed(written: Written, page: Page, told: Importance) -> None:
    remarks = told.collinearity.remarks
    assert remarks
    for text in remarks:
        assert page.text.count(text) == 1
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 400))
    columns = {"DEM": a, "SLOA": a + 0.01 * b, "FD": b, "TPI": rng.normal(size=400)}
    several = replace(told, collinearity=collinearity_of(columns))
    other = page_of(written, importance=several)
    told_of = other.data("collinear")
    assert (told_of["close"], told_of["pairs"]) == ("1", "6")
    assert "DEM and SLOA " in other.text
    assert "(r = 1.00)" in other.text
    assert "Pearson's r, from 400" in other.fact("collinear")
    assert [cells[1] for cells in other.rows("gain").values()].count("–") == 1
    alone = replace(told, collinearity=collinearity_of({"DEM": a, "FD": b}))
    told_of = page_of(written, importance=alone).data("collinear")
    assert (told_of["close"], told_of["pairs"]) == ("0", "1")


def test_constant_and_given_away_factors_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=200)
    told = collinearity_of({"A": a, "B": 2 * a, "C": np.ones(200), "D": rng.normal(size=200)})
    assert [score_tables.vif(told, c) for c in "ABCD"] == ["∞", "∞", "–", "1.0"]
    with figures.style():
        figure = importance_charts.correlation(told, {})
    # No number stands where there is no correlation.
    assert len(figure.axes[0].texts) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("sketched")
def test_collinearity_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    """Samples that are too few for it."""
    out = fabricate(tmp_path / "run", repeats=1)
    told = importance_document.load(out)
    assert told is not None
    unknown = Collinear(("DEM",), ("collinearity is not known: 6 rows are too few",))
    importance_document.save(out, replace(told, collinearity=unknown))
    report.write(out, STUDY)
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    ids = {a.get("id") for _, a in page.elements}
    assert "importance" in ids
    assert "6 rows are too few" in page.fact("collinear", known="false")
    assert "VIF" not in page.text
    assert not (out / "figures" / "correlation.png").exists()
    # Nor were there ensembles and maps of applicability.
    assert "uncertainty" not in ids
    assert not page.told("outside")
    assert not list((out / "figures").glob("spread_*"))


@pytest.mark.slow
def test_many_factors_still_fit_their_sheet() -> None:
    rng = np.random.default_rng(3)
    codes = [f"F{i:02}" for i in range(24)]
    told = collinearity_of({c: rng.normal(size=300) for c in codes})
    infos = {
        c: FactorInfo(code=c, name=c, unit="m", kind="continuous", legend={}, definition=c)
        for c in codes
    }
    with figures.style():
        figure = importance_charts.correlation(told, infos)
    assert figure.get_size_inches().max() < 9.5
    assert len(figure.axes[0].texts) == 24 * 23 // 2


def test_of_many_factors_those_of_the_highest_gain_are_pictured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    whole = artefacts.load(out)
    assert whole.pictured == whole.factors
    monkeypatch.setattr(artefacts, "MOST_PICTURED", 2)
    monkeypatch.setattr(artefacts, "FEW_PICTURED", 2)
    run = artefacts.load(out)
    assert run.importance is not None
    best = {gain.code for gain in run.importance.information_gain[:2]}
    assert {f.info.code for f in run.pictured} == best
    report.write(out, STUDY)
    drawn = {p.stem for p in (out / "figures").glob("factor_*.png")}
    assert drawn == {f"factor_{code}" for code in best}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(f">{f.info.code}</span>" in page for f in run.factors)
