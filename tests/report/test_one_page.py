"""The sheet for those who decide: one page, its texts within it, its numbers the evaluation's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shakeslide.report import artefacts, figures, one_page, places

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
    told = " ".join(one_page.statements(run, INPUTS)["How far to trust it"])
    assert f"{100 * wanted['roc_auc']['mean']:.0f} of 100 pairs" in told
    assert f"Of 100 cells that it calls landslide, 8 are {run.learnt.plain_cell}s" in told


def evaluated(run: artefacts.Artefacts, **more: Any) -> artefacts.Artefacts:
    return replace(run, evaluation={**run.evaluation, **more})


def test_a_lead_that_is_not_resolved_is_said_to_be_so(run: artefacts.Artefacts) -> None:
    assert one_page.lead(run) == (
        " Its lead over stacked sparse autoencoder and logistic regression is not resolved: they "
        "may be as good."
    )
    sure = {"mean": 0.05, "low": 0.01, "high": 0.09}
    pairs = [
        {**r, "roc_auc": sure} if {r["model"], r["other"]} == {"rf", "lr"} else r
        for r in run.evaluation["pairs"]
    ]
    assert "over stacked sparse autoencoder is" in one_page.lead(evaluated(run, pairs=pairs))
    pairs = [{**r, "roc_auc": sure} for r in pairs]
    assert one_page.lead(evaluated(run, pairs=pairs)) == ""
    assert "cannot be judged" in one_page.lead(evaluated(run, pairs=[]))


@pytest.mark.parametrize(
    ("shows", "way", "said", "silent"),
    [
        ("susceptibility", "none", "ranks the ground", "not calibrated"),
        ("probability", "none", "not calibrated", "ranks the ground"),
        ("probability", "platt", "shows the probability", "not calibrated"),
        ("formula", "none", "shows the share of ground after X", "learnt"),
    ],
)
def test_the_map_is_called_what_it_is(
    run: artefacts.Artefacts, shows: str, way: str, said: str, silent: str
) -> None:
    maps = [replace(f, shows=shows, meaning="share of ground after X") for f in run.maps]
    told = " ".join(
        one_page.statements(evaluated(replace(run, maps=maps), calibration=way), INPUTS)[
            "What the map tells"
        ]
    )
    assert said in told
    assert silent not in told


def test_warnings_lose_the_keys_of_the_study() -> None:
    given = [
        '693 of 2,682 hold no cell\'s centre; small = "most_covered" keeps a cell of each',
        "set `nodata` in [layers.dem]",
        "covers 98 % of the grid [sic 5]",
    ]
    assert one_page._without_keys(given) == [
        "693 of 2,682 hold no cell's centre",
        "covers 98 % of the grid [sic 5]",
    ]


def drawn(
    run: artefacts.Artefacts, out: Path, monkeypatch: pytest.MonkeyPatch, inputs: Any
) -> Figure:
    made: list[Figure] = []
    new = figures.new

    def kept(width: float, height: float) -> Any:
        figure, sheet = new(width, height)
        made.append(figure)
        return figure, sheet

    monkeypatch.setattr(figures, "new", kept)
    one_page.write(replace(run, out=out), inputs)
    (figure,) = made
    return figure


def test_codes_are_for_those_who_wrote_the_study(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(run, tmp_path, monkeypatch, INPUTS)
    text = " ".join(t.get_text() for axes in figure.axes for t in axes.texts).replace(EVIL, "")
    found = set(re.findall(r"\b(rf|sae|lr|svm|pixel|block|landslide)\b", text, re.I))
    assert found <= {"landslide"}
    assert {"Random forest", "Stacked sparse autoencoder", "Logistic regression"} <= {
        t.get_text() for axes in figure.axes for t in axes.texts
    }


def test_the_first_places_are_marked_on_the_map(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(run, tmp_path, monkeypatch, INPUTS)
    found = places.find(run)
    assert found is not None
    squares = {
        (p.get_x(), p.get_y(), p.get_width(), p.get_height())
        for axes in figure.axes
        for p in axes.patches
        if isinstance(p, Rectangle) and not p.get_fill()
    }
    first = found.ranked[: one_page.FIRST]
    assert squares == {(p.x - 250, p.y - 250, 500.0, 500.0) for p in first}
    texts = [t.get_text() for axes in figure.axes for t in axes.texts]
    for place in first:
        assert texts.count(place.label) == 2  # on the map and in the table
        assert place.centre in texts
        assert places.hectares(place.expected) in texts


@pytest.mark.parametrize("models", [0, 7])
def test_all_texts_lie_on_the_sheet_and_apart(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: int
) -> None:
    layers = [
        {"name": f"layer {k}", "kind": "", "warnings": ["a warning of many words " * 20]}
        for k in range(9)
    ]
    first = next(r for r in run.evaluation["summary"] if r["protocol"] == "block")
    more = [{**first, "model": f"a model of an installed package {k}"} for k in range(models)]
    run = evaluated(run, summary=[*run.evaluation["summary"], *more])
    maps = [replace(f, shows="probability") for f in run.maps]
    figure = drawn(replace(run, maps=maps), tmp_path, monkeypatch, {**INPUTS, "layers": layers})
    figure.canvas.draw()
    canvas: Any = figure.canvas
    sheet = figure.bbox
    boxes = [
        (t.get_text(), t.get_window_extent(canvas.get_renderer()))
        for axes in figure.axes
        for t in axes.texts
        if t.get_text()
    ]
    # The end of the column and of the map are above the texts below.
    below = min(box.y1 for text, box in boxes if text in ("What the map tells",))
    for axes in figure.axes[1:]:
        assert axes.get_window_extent().y0 > below
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
