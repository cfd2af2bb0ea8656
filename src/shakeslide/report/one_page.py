"""A summary of a run on one sheet of A4, as PDF, for decision makers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.report import figures, findings, page, places, sheet_map, uncertainty_text, words
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.places import Places
from shakeslide.report.score_tables import interval

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
FEW = 30
"""Landslides up to which the sheet warns of their number."""
COVERED = 0.99
"""Share of the area that has values, from which on nothing is said of the rest."""
BODY, LINE = 9.0, 0.172
"""Size of the text (points) and height of its lines (inches)."""
TITLE_SIZES, TITLE_LINES = (17.0, 13.0, 10.0), 2
"""Sizes of the study's name, of which the largest is taken that needs so few lines."""

GROUND: Mapping[str, str] = {
    "pixel": "cells drawn at random (overestimates: the model was trained on cells next to them)",
    "landslide": "landslides not used for training",
    "block": "blocks of land not used for training",
    "event": "earthquakes not used for training",
}
"""What a protocol tests on, in plain words."""


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


FORMULA_LIMITS = (
    "It is a published formula, applied to this ground and this shaking. It does not cover "
    "buildings, roads or people."
)


def best_model(run: Artefacts) -> str:
    """Return the mapped model that ranks best where the evaluation is hardest."""
    return places.best_map(run).model


def statements(run: Artefacts, inputs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the statements of the sheet by heading."""
    return {"What the map shows": _told(run), "Reliability": _trust(run, inputs)}


def _told(run: Artefacts) -> list[str]:
    hardest, files = findings.strictest(run), places.best_map(run)
    cell = run.positives.plain_cell
    text = []
    found = run.evaluation.captured_by(hardest, files.model)
    known = {float(area): share for area, share in found.items() if share is not None}
    if known:
        ground, cells = (
            words.joined([f"{100 * part:.0f}{words.NBSP}%" for part in parts])
            for parts in (known.keys(), known.values())
        )
        text.append(
            f"Tested on {_ground(hardest)}: the {ground} of the ground with the highest values "
            f"contain {cells} of all {cell}s."
        )
    if files.formula:
        return [*text, f"The map shows the {files.meaning}.", FORMULA_LIMITS]
    return [*text, _shown(run, files), run.positives.limits]


def _shown(run: Artefacts, files: MapFiles) -> str:
    """Return what the values of a trained model's map are."""
    cell, share = run.positives.plain_cell, words.share(run.samples.prevalence)
    if files.balanced:
        return (
            "The map ranks the ground. Its values are not the share of the ground that fails: "
            f"{words.share(run.samples.label.mean())} of the cells in the training sample are "
            f"{cell}s, in the area {share}."
        )
    if not run.evaluation.calibrated:
        return (
            f"The map shows the probability that a cell is a {cell}, corrected to their share in "
            f"the area ({share}) but not calibrated: its order is more reliable than its values."
        )
    return (
        f"The map shows the probability that a cell is a {cell}; {share} of the area's cells are."
    )


def _trust(run: Artefacts, inputs: Mapping[str, Any]) -> list[str]:
    hardest, model = findings.strictest(run), best_model(run)
    cell = run.positives.plain_cell
    auc = run.evaluation.of(hardest, model).roc_auc
    value, bounds = interval(auc, "roc_auc")
    # AUC is the share of such pairs (Hanley and McNeil 1982).
    text = [
        f"Tested on {_ground(hardest)}, the {words.within_sentence(model)} ranks a {cell} above a "
        f"clear cell in {100 * (auc.mean or 0.0):.0f} of 100 pairs (AUC {value}"
        + (f", 95{words.NBSP}% confidence interval {bounds})." if bounds else ").")
        + lead(run)
    ]
    if run.fitted_on_all and model in run.trained:
        text.append(
            f"The map's model is fitted on all {len(run.samples.table):,} sampled cells; the "
            "scores are those of models fitted on a part of them and tested on the rest."
        )
    area = run.evaluation.in_area(hardest).get(model)
    if area is not None and area.precision.mean is not None:
        hundred = 100 * area.precision.mean
        text.append(
            f"Of 100 cells that it classifies as landslide, {hundred:.{int(hundred < 1)}f} are "
            f"{cell}s; the others are false alarms."
        )
    # A formula was trained on nothing that ground could be unlike.
    unlike = uncertainty_text.applicability(run)
    if unlike is not None and not places.best_map(run).formula:
        text.append(
            f"{words.share(unlike.outside)} of the area is outside the training conditions: the "
            "scores do not apply there."
        )
    if (found := places.find(run)) is not None and (doubt := found.against_mapped(FIRST)):
        text.append(doubt)
    spread = next((s for s in uncertainty_text.spreads(run) if s.model == model), None)
    if spread is not None and spread.undecided is not None:
        text.append(
            f"For {words.share(spread.undecided)} of the area the class is uncertain: it depends "
            "on which landslides were mapped."
        )
    return [*text, *_limits_of_data(run, inputs)]


def _limits_of_data(run: Artefacts, inputs: Mapping[str, Any]) -> list[str]:
    """Return the limits of the data; the report lists how they were cleaned."""
    text, counts = [], run.samples.counts
    # Cells with all factors, for only these are mapped.
    known = counts["valid_cells"] / counts["cells"]
    if known < COVERED:
        text.append(
            f"The map is blank for {words.share(1 - known)} of the area: data are missing there."
        )
    landslides = int(counts["landslides"])
    if landslides <= FEW:
        text.append(
            f"Only {landslides} landslide{'s were' if landslides > 1 else ' was'} mapped: a few "
            "more may change the scores and the map."
        )
    warnings = sum(len(row["warnings"]) for row in inputs["layers"])
    if warnings:
        are = f"are {warnings} warnings" if warnings > 1 else "is a warning"
        text.append(f"There {are} about the data, listed in report.html.")
    return text


def lead(run: Artefacts) -> str:
    """Return than which models the best is not significantly better, "" if better than all."""
    level = findings.unresolved(run, findings.strictest(run), best_model(run))
    if level is None:
        return " There are too few tests to compare it with the other models."
    if not level:
        return ""
    names = [words.within_sentence(model) for model in level]
    over = (
        f"the {len(level)} other models"
        # All others, where there are three or more: their names would say less.
        if len(level) == len(run.models) - 1 > 2
        else words.joined(names)
    )
    return f" It is not significantly better than {over}."


def _ground(protocol: str) -> str:
    return GROUND.get(protocol, words.PROTOCOLS.get(protocol, protocol))


def write(run: Artefacts, inputs: Any) -> Path | None:
    """Write `summary.pdf` into the run's folder.

    Parameters
    ----------
    run : Artefacts
        The run, its figures drawn.
    inputs : mapping
        As for `report.write`: `event`, and `layers` for their warnings.

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
        pen.write(
            " · ".join(
                t for t in ("Landslides of an earthquake", page.event_line(inputs["event"])) if t
            ),
            colour=SOFT,
        )
        _rule(sheet, pen.y - 0.02, width)
        top = pen.y - 0.12
        measured = _Pen(None, EDGE, width, 0.0)
        _texts(measured, run, inputs)
        # Map and column take the height that the texts leave.
        room = top + measured.y - EDGE - 0.14
        found = places.find(run)
        low = _map(figure, sheet, run, inputs, found, top, room)
        side = _Pen(sheet, EDGE + COLUMN, width - COLUMN, top)
        _facts(side, run, inputs)
        if found is not None:
            _places(side, found, run.positives.ground)
        _scores(side, run, top - room)
        pen.y = min(low, side.y) - 0.02
        _texts(pen, run, inputs)
        _foot(sheet, run, width)
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


def _map(
    figure: Figure,
    sheet: Axes,
    run: Artefacts,
    inputs: Mapping[str, Any],
    found: Places | None,
    top: float,
    room: float,
) -> float:
    """Draw the best map below `top`, at most `room` high, and return where it ends."""
    files, cell = places.best_map(run), run.positives.plain_cell
    title = "Susceptibility (ranks the ground)" if files.balanced else files.title
    if files.shows == "probability":
        known = run.evaluation.calibrated
        title = f"Probability of a {cell}" if known else "Probability, not calibrated"
    return sheet_map.draw(
        figure,
        sheet,
        run,
        files,
        title,
        found.ranked[:FIRST] if found is not None else (),
        found.side if found is not None else 0.0,
        (EDGE, top),
        (COLUMN - 0.2, room),
    )


def _facts(pen: _Pen, run: Artefacts, inputs: Mapping[str, Any]) -> None:
    counts, (dx, dy) = run.samples.counts, grids.cell_size(run.grid)
    facts = (
        (words.area(counts["mapped_cells"] * dx * dy), f"of ground, in cells of {dx:.4g} m"),
        (words.count(counts["landslides"]), "landslides mapped"),
        (
            words.share(run.samples.prevalence),
            f"of the ground is {run.positives.ground}",
        ),
    )
    for value, label in facts:
        pen.write(value, 14, fontweight="bold")
        pen.write(label, 8.5, SOFT)
        pen.y -= 0.08


def _places(pen: _Pen, found: Places, ground: str) -> None:
    """Write the first places: letter, centre, expected area, share of the square's ground."""
    pen.head("Where most is expected")
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
    note = (
        f"Hectares of {ground} in squares of {words.length(found.side)}; expected: sum of "
        f"probability × area; share: of the square. {found.together(FIRST, ground)} "
        f"More in {places.TABLE}."
    )
    if not found.calibrated:
        note += " Not calibrated: the order is more reliable than the hectares."
    pen.write(note, 7.5, SOFT)


def _scores(pen: _Pen, run: Artefacts, lowest: float) -> None:
    """Write the AUC of the models where it is hardest, best first, as many as have room."""
    hardest, right = findings.strictest(run), pen.left + pen.width
    order = sorted(run.evaluation.of_protocol(hardest), key=lambda row: -row.auc)
    pen.head("Models compared")
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
    note = f"AUC on {_ground(hardest)}: 0.5 is chance, 1 is perfect."
    if any(interval(r.roc_auc, "roc_auc")[1] for r in order[:rows]):
        note += f" Small: 95{words.NBSP}% confidence interval."
    more = f" {len(order) - rows} more in the report." if len(order) > rows else ""
    pen.write(note + more, 7.5, SOFT)


def _texts(pen: _Pen, run: Artefacts, inputs: Any) -> None:
    for title, texts in statements(run, inputs).items():
        pen.head(title)
        for text in texts:
            pen.point(text)


def _foot(sheet: Axes, run: Artefacts, width: float) -> None:
    _rule(sheet, EDGE + 0.06, width)
    texts = (
        page.citation(run),
        f"Made {run.provenance.written[:10]}; details: report.html",
    )
    for text, x, side in zip(texts, (EDGE, EDGE + width), ("left", "right"), strict=True):
        sheet.text(x, EDGE, text, fontsize=6.2, color=SOFT, va="top", ha=side)
