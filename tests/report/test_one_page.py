"""The sheet for those who decide: one page, its texts within it, its numbers the evaluation's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shakeslide.report import StudyFacts, artefacts, figures, one_page, places, sheet_map, words
from shakeslide.results.evaluation_document import Difference

from .fabricated import EVIL, STUDY, layer_row


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
    rows = run.evaluation.of_protocol("block")
    mapped = {f.model for f in run.maps}
    wanted = max((r for r in rows if r.model in mapped), key=lambda r: r.auc)
    assert places.best_map(run).model == wanted.model
    trust = one_page.texts(run, STUDY)["Reliability"]
    assert f"{100 * wanted.auc:.0f} of 100 " in trust[0]
    assert re.findall(r"[\d.]*\d", trust[1]) == ["100", "8.4"]


def evaluated(run: artefacts.Artefacts, **more: Any) -> artefacts.Artefacts:
    return replace(run, evaluation=replace(run.evaluation, **more))


def test_a_lead_that_is_not_resolved_is_said_to_be_so(run: artefacts.Artefacts) -> None:
    def said(**more: Any) -> list[bool]:
        text = one_page.texts(evaluated(run, **more), STUDY)["Reliability"][0]
        wanted = ("stacked sparse autoencoder", "logistic regression", "too few")
        return [part in text for part in wanted]

    assert said() == [True, True, False]
    sure = Difference(0.05, 0.01, 0.09)
    pairs = tuple(
        replace(p, roc_auc=sure) if {p.model, p.other} == {"rf", "lr"} else p
        for p in run.evaluation.pairs
    )
    assert said(pairs=pairs) == [True, False, False]
    assert said(pairs=tuple(replace(pair, roc_auc=sure) for pair in pairs)) == [False] * 3
    assert said(pairs=()) == [False, False, True]


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
    texts = one_page.texts(evaluated(replace(run, maps=maps), calibration=way), STUDY)
    told = " ".join(texts["What the map shows"])
    assert said in told
    assert silent not in told


@pytest.mark.parametrize(
    ("landslides", "valid", "warnings", "said"),
    [
        (2682, 1.0, 0, []),
        (6, 1.0, 0, ["6 landslides"]),
        (1, 1.0, 0, ["1 landslide was"]),
        (2682, 0.7, 0, ["30 %"]),
        (2682, 0.995, 3, ["3 warnings"]),
        (2682, 1.0, 1, ["a warning"]),
    ],
)
def test_of_the_data_only_what_limits_the_map_is_said(
    run: artefacts.Artefacts, landslides: int, valid: float, warnings: int, said: list[str]
) -> None:
    def said_of(landslides: int, valid: float, warnings: int) -> list[str]:
        counts = {"landslides": landslides, "cells": 1000, "valid_cells": round(1000 * valid)}
        samples = replace(run.samples, counts=replace(run.samples.counts, **counts))
        study = StudyFacts(layers=[layer_row("inventory", warnings=["3 rings mended"] * warnings)])
        return one_page.texts(replace(run, samples=samples), study)["Reliability"]

    others = said_of(2682, 1.0, 0)
    told = [text for text in said_of(landslides, valid, warnings) if text not in others]
    assert len(told) == len(said)
    for text, part in zip(told, said, strict=True):
        assert part in text.replace(words.NBSP, " ")
        assert "rings" not in text


def drawn(
    run: artefacts.Artefacts, out: Path, monkeypatch: pytest.MonkeyPatch, study: StudyFacts
) -> Figure:
    made: list[Figure] = []
    new = figures.new

    def kept(width: float, height: float) -> Any:
        figure, sheet = new(width, height)
        made.append(figure)
        return figure, sheet

    monkeypatch.setattr(figures, "new", kept)
    one_page.write(replace(run, out=out), study)
    (figure,) = made
    return figure


def test_codes_are_for_those_who_wrote_the_study(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(run, tmp_path, monkeypatch, STUDY)
    text = " ".join(t.get_text() for axes in figure.axes for t in axes.texts).replace(EVIL, "")
    found = set(re.findall(r"\b(rf|sae|lr|svm|pixel|block|landslide)\b", text, re.I))
    assert found <= {"landslide"}
    assert {"Random forest", "Stacked sparse autoencoder", "Logistic regression"} <= {
        t.get_text() for axes in figure.axes for t in axes.texts
    }


def test_the_first_places_are_marked_on_the_map(
    run: artefacts.Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(run, tmp_path, monkeypatch, STUDY)
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


def square(x: float, y: float, label: str = "A") -> places.Place:
    return places.Place(
        label=label, longitude=0.0, latitude=0.0, x=x, y=y, expected=1.0, mapped=0.0, ground=1.0,
        outline=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "centres",
    [
        [(0, 0), (500, 0)],
        [(0, 0), (500, 0), (-500, 0), (0, 500), (0, -500)],
        [(0, 0), (500, 500), (500, 0), (0, 500), (1000, 0)],
        [(9_900, 0), (9_400, 0)],
    ],
)
def test_letters_of_neighbouring_squares_stand_apart(centres: list[tuple[float, float]]) -> None:
    metres, extent = 6000.0, (-10_000.0, 10_000.0, -10_000.0, 10_000.0)
    squares = [square(x, y) for x, y in centres]
    spots = sheet_map.letter_places(squares, 500.0, metres, extent)
    for i, (x, y) in enumerate(spots):
        assert max(abs(x), abs(y)) <= 10_000
        for other in spots[:i]:
            assert max(abs(x - other[0]), abs(y - other[1])) >= 0.08 * metres
        gaps = [max(abs(x - s.x), abs(y - s.y)) - 250 for s in squares]
        # Beside its own square, and off the others.
        assert gaps[i] <= 0.1 * metres
        assert min(gaps) >= 0.04 * metres
    # Large squares have their letters inside.
    assert sheet_map.letter_places(squares, 500.0, 1000.0, extent) == centres


NAMES = [
    "M 7.6",
    "W" * 200,
    "Landslides of the Kaghan valley, wide WWWW mmmm " * 4,
    "片麻岩 gneiss",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_kind_has_two_lines_at_most(name: str) -> None:
    with figures.style():
        figure, sheet = figures.new(*one_page.SHEET)
        pen = one_page._Pen(sheet, one_page.EDGE, 7.17, 11.0)
        one_page._title(pen, figures.plain(name))
        renderer: Any = figure.canvas
        boxes = [t.get_window_extent(renderer.get_renderer()) for t in sheet.texts]
    assert 1 <= len(boxes) <= 2
    assert all(box.width / figures.DPI <= 7.2 for box in boxes)
    if len(name) > 40:  # most of the sheet's width is used
        assert boxes[0].width / figures.DPI > 5


@pytest.mark.parametrize(("models", "name"), [(0, NAMES[1]), (7, NAMES[2])])
def test_all_texts_lie_on_the_sheet_and_apart(
    run: artefacts.Artefacts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: int,
    name: str,
) -> None:
    layers = [layer_row(f"layer {k}", warnings=["a warning of many words " * 20]) for k in range(9)]
    first = run.evaluation.of_protocol("block")[0]
    name = "a model of an installed package"
    more = tuple(replace(first, model=f"{name} {k}") for k in range(models))
    run = evaluated(run, summary=(*run.evaluation.summary, *more))
    settings = run.provenance.settings
    settings = {**settings, "study": {**settings["study"], "name": name}}
    run = replace(run, provenance=replace(run.provenance, settings=settings))
    maps = [replace(f, shows="probability") for f in run.maps]
    figure = drawn(replace(run, maps=maps), tmp_path, monkeypatch, replace(STUDY, layers=layers))
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
    first = one_page.BENEATH[0]
    below = min(box.y1 for text, box in boxes if text == first)
    for axes in figure.axes[1:]:
        assert axes.get_window_extent().y0 > below
    assert not any("a warning of many words" in text for text, _ in boxes)
    assert any("9 warnings" in text for text, _ in boxes)
    assert ("more in the report" in " ".join(text for text, _ in boxes)) == (models > 0)
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
