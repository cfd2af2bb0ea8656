"""The sheet for those who decide: one page, its texts within it, its numbers the evaluation's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from shakeslide.report import artefacts, figures, one_page

from .fabricated import EVIL, INPUTS


@pytest.fixture(scope="module")
def run(run_folder: Path) -> artefacts.Artefacts:
    return artefacts.load(run_folder)


def test_the_report_comes_with_a_sheet_of_a4(run_folder: Path) -> None:
    data = (run_folder / one_page.NAME).read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Type /Page ") == 1
    assert b"/MediaBox [ 0 0 595.44 841.68 ]" in data
    assert b"CreationDate" not in data


def test_the_best_model_is_that_of_the_hardest_protocol(run: artefacts.Artefacts) -> None:
    rows = [r for r in run.evaluation["summary"] if r["protocol"] == "block"]
    mapped = {f.model for f in run.maps}
    wanted = max((r for r in rows if r["model"] in mapped), key=lambda r: r["roc_auc"]["mean"])
    assert one_page.best_model(run) == wanted["model"]
    told = " ".join(one_page.statements(run)["How far to trust it"])
    assert f"{100 * wanted['roc_auc']['mean']:.0f} of 100 pairs" in told


def test_all_texts_lie_on_the_sheet_and_apart(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Figure] = []
    new = figures.new

    def kept(width: float, height: float) -> Any:
        figure, sheet = new(width, height)
        made.append(figure)
        return figure, sheet

    monkeypatch.setattr(figures, "new", kept)
    layers = [
        {"name": f"layer {k}", "warnings": ["a warning of many words " * 20]} for k in range(9)
    ]
    out = tmp_path / "run"
    out.mkdir()
    (out / "figures").symlink_to(run.out / "figures")
    one_page.write(replace(run, out=out), {**INPUTS, "layers": layers})
    (figure,) = made
    figure.canvas.draw()
    canvas: Any = figure.canvas
    sheet = figure.bbox
    boxes = [
        (t.get_text(), t.get_window_extent(canvas.get_renderer()))
        for axes in figure.axes
        for t in axes.texts
        if t.get_text()
    ]
    assert any(EVIL in text for text, _ in boxes)
    assert any("6 more in the report" in text for text, _ in boxes)
    for i, (text, box) in enumerate(boxes):
        assert sheet.x0 < box.x0, text
        assert box.x1 < sheet.x1, text
        assert sheet.y0 < box.y0, text
        assert box.y1 < sheet.y1, text
        for other, its in boxes[i + 1 :]:
            width = min(box.x1, its.x1) - max(box.x0, its.x0)
            height = min(box.y1, its.y1) - max(box.y0, its.y0)
            # Lines of a paragraph may touch by the descenders.
            assert min(width, height) <= 0.35 * min(box.height, its.height), (text, other)
