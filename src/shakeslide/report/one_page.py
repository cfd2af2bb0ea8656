"""A summary of a run on one sheet of A4, as PDF, for decision makers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.report import figures, findings, page, places, sheet_map, words
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.legends import Box
from shakeslide.report.places import Places
from shakeslide.report.score_tables import interval
from shakeslide.report.study_facts import StudyFacts

NAME = "summary.pdf"
SHEET = (8.27, 11.69)
"""A4 in inches."""
EDGE = 0.55
SOFT = "#55606b"
ACCENT = "#721f81"
COLUMN = 4.48
"""Inches from the left edge to the column beside the map."""
FIRST = 5
"""Places on the sheet."""
MOST_ROWS = 6
BODY, LINE = 9.0, 0.172
"""Size of the text (points) and height of its lines (inches)."""
TITLE_SIZES, TITLE_LINES = (17.0, 13.0, 10.0), 2
"""Sizes of the study's name, of which the largest is taken that needs so few lines."""
FACTS, PLACES, MODELS, FOOT = "Facts", "Where most is expected", "Models compared", "Foot"
BENEATH = ("What the map shows", "Reliability")
"""Parts of the texts, beside the map and beneath it."""

Texts = Mapping[str, Sequence[str]]
"""Points of the sheet's texts by the heading of their part."""


@dataclass
class _Pen:
    """Writes downwards on a sheet whose unit is the inch; without a sheet it only measures."""

    sheet: Axes | None
    left: float
    width: float
    y: float

    def write(self, text: str, size: float = BODY, colour: str = "#1b1f24", **how: Any) -> None:
        bold = how.get("fontweight") == "bold"
        for line in figures.wrapped(text, self.width, size, bold):
            self.put(self.left, line, fontsize=size, color=colour, **how)
            self.y -= LINE * size / BODY

    def put(self, x: float, text: str, **how: Any) -> None:
        if self.sheet is not None:
            self.sheet.text(x, self.y, text, va="top", **how)

    def head(self, text: str) -> None:
        self.y -= 0.09
        self.write(text, 11, ACCENT, fontweight="bold")
        self.y -= 0.03

    def point(self, text: str) -> None:
        self.put(self.left, "•", fontsize=BODY, color=ACCENT)
        inner = _Pen(self.sheet, self.left + 0.14, self.width - 0.14, self.y)
        inner.write(text)
        self.y = inner.y - 0.045


def texts(run: Artefacts, study: StudyFacts) -> Texts:
    """Return the texts of the sheet, which its template writes."""
    protocol, files = findings.strictest(run), places.best_map(run)
    counts, model = run.samples.counts, files.model
    captured = run.evaluation.captured_by(protocol, model)
    text = (
        page.environment()
        .get_template("sheet.txt.j2")
        .render(
            run=run,
            counts=counts,
            size=grids.cell_size(run.grid),
            positives=run.positives,
            protocol=protocol,
            files=files,
            auc=run.evaluation.of(protocol, model).roc_auc,
            lead=findings.lead(run, protocol, model),
            captured={float(area): share for area, share in captured.items() if share is not None},
            alarms=findings.alarms(run, model),
            spread=next((s for s in run.spreads if s.model == model), None),
            places=places.find(run),
            first=FIRST,
            blank=1 - counts.valid_cells / counts.cells,
            warnings=sum(len(row.warnings) for row in study.layers),
        )
    )
    parts: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "#":
            points = parts.setdefault(rest, [])
        elif kind == "-":
            points.append(rest)
    return parts


def write(run: Artefacts, study: StudyFacts) -> Path | None:
    """Write `summary.pdf` into the run's folder.

    Parameters
    ----------
    run : Artefacts
        The run, its figures drawn.
    study : StudyFacts
        The earthquake, and the layers with their warnings.

    Returns
    -------
    Path or None
        The sheet; None where no model has been mapped.
    """
    if not run.maps:
        return None
    with figures.style():
        figure, sheet = figures.new(*SHEET)
        width = SHEET[0] - 2 * EDGE
        pen = _Pen(sheet, EDGE, width, SHEET[1] - EDGE)
        _title(pen, figures.plain(run.provenance.study_name) or "Landslide study")
        about = ("Landslides of an earthquake", words.earthquake(study.event))
        pen.write(" · ".join(text for text in about if text), colour=SOFT)
        _rule(sheet, pen.y - 0.02, width)
        top, told, found = pen.y - 0.12, texts(run, study), places.find(run)
        measured = _Pen(None, EDGE, width, 0.0)
        _beneath(measured, told)
        # Map and column take the height that the texts leave.
        room = top + measured.y - EDGE - 0.14
        squares, square = (found.ranked[:FIRST], found.side) if found is not None else ((), 0.0)
        box = Box(EDGE, top - room, COLUMN - 0.2, room)
        low = sheet_map.draw(figure, sheet, run, squares, square, box)
        side = _Pen(sheet, EDGE + COLUMN, width - COLUMN, top)
        _facts(side, told)
        if found is not None:
            _places(side, found, told)
        _scores(side, run, told, box.bottom)
        pen.y = min(low, side.y) - 0.02
        _beneath(pen, told)
        _foot(sheet, told, width)
        path = run.out / NAME
        # Without the date: the same bytes every time.
        with replacing(path) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    return path


def _title(pen: _Pen, name: str) -> None:
    """Write the study's name, smaller where it is long, and cut off where it is longer still."""
    for size in TITLE_SIZES:
        lines = figures.wrapped(name, pen.width, size, bold=True)
        if len(lines) <= TITLE_LINES:
            break
    shown = lines[:TITLE_LINES]
    if len(lines) > TITLE_LINES:
        # With the next line, so that the cut is seen as an ellipsis.
        shown[-1] = figures.shortened(f"{shown[-1]} {lines[TITLE_LINES]}", pen.width, size, True)
    for line in shown:
        pen.put(pen.left, line, fontsize=size, fontweight="bold")
        pen.y -= LINE * size / BODY


def _rule(sheet: Axes, y: float, width: float) -> None:
    sheet.plot([EDGE, EDGE + width], [y, y], color="#1b1f24", linewidth=1.0)


def _facts(pen: _Pen, told: Texts) -> None:
    for text in told[FACTS]:
        value, _, label = text.partition(" | ")
        pen.write(value, 14, fontweight="bold")
        pen.write(label, 8.5, SOFT)
        pen.y -= 0.08


def _places(pen: _Pen, found: Places, told: Texts) -> None:
    """Write the first places: letter, centre, expected area, share of the square's ground."""
    pen.head(PLACES)
    right = pen.left + pen.width
    columns = (right - 0.82, right - 0.36, right)
    for x, text in zip(columns, ("expected", "mapped", "share"), strict=True):
        pen.put(x, text, fontsize=7, color=SOFT, ha="right")
    pen.put(pen.left + 0.2, "centre (WGS 84)", fontsize=7, color=SOFT)
    pen.y -= LINE
    for place in found.ranked[:FIRST]:
        values = (
            places.hectares(place.expected),
            places.hectares(place.mapped),
            f"{100 * place.share:.2g}{words.NBSP}%",
        )
        pen.put(pen.left, place.label, fontsize=8.5, fontweight="bold", color=sheet_map.MARK)
        pen.put(pen.left + 0.2, place.centre, fontsize=7.5)
        for x, text in zip(columns, values, strict=True):
            pen.put(x, text, fontsize=7.5, ha="right")
        pen.y -= LINE
    pen.write(" ".join(told[PLACES]), 7.5, SOFT)


def _scores(pen: _Pen, run: Artefacts, told: Texts, lowest: float) -> None:
    """Write the AUC of the models where it is hardest, best first, as many as have room."""
    hardest, right = findings.strictest(run), pen.left + pen.width
    order = sorted(run.evaluation.of_protocol(hardest), key=lambda row: -row.auc)
    pen.head(MODELS)
    # Three lines are kept for the note below.
    rows = max(1, min(MOST_ROWS, int((pen.y - lowest - 3 * LINE) / LINE)))
    for row in order[:rows]:
        value, bounds = interval(row.roc_auc, "roc_auc")
        space = pen.width - (1.1 if bounds else 0.42)
        name = figures.shortened(words.model_title(row.model), space, 7.5)
        pen.put(pen.left, name, fontsize=7.5)
        pen.put(right - 0.68 * bool(bounds), value, fontsize=7.5, ha="right")
        pen.put(right, bounds.replace(" to ", "–"), fontsize=6.5, color=SOFT, ha="right")
        pen.y -= LINE
    more = [f"{len(order) - rows} more in the report."] if len(order) > rows else []
    pen.write(" ".join([*told[MODELS], *more]), 7.5, SOFT)


def _beneath(pen: _Pen, told: Texts) -> None:
    for title in BENEATH:
        pen.head(title)
        for text in told[title]:
            pen.point(text)


def _foot(sheet: Axes, told: Texts, width: float) -> None:
    _rule(sheet, EDGE + 0.06, width)
    for text, x, side in zip(told[FOOT], (EDGE, EDGE + width), ("left", "right"), strict=True):
        sheet.text(x, EDGE, text, fontsize=6.2, color=SOFT, va="top", ha=side)
