"""A summary on one sheet of A4, as PDF: what the people who decide need of a run."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from shakeslide.io.raster import replacing
from shakeslide.report import figures, judgement, page, score_tables, uncertainty, words
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.score_tables import interval, rows_of

NAME = "summary.pdf"
SHEET = (8.27, 11.69)
"""A4 in inches."""
EDGE = 0.55
SOFT = "#55606b"
ACCENT = "#721f81"
WARN = "#8a4b00"
MOST_ROWS = 6
MOST_WARNINGS = 3
BODY, LINE = 9.0, 0.172
"""Size of the text (points) and height of its lines (inches)."""
LETTERS = 15.6
"""Letters of the text per inch of a line, so that the widest lines just fit."""


@dataclass
class _Pen:
    """Writes downwards on a sheet whose unit is the inch; without a sheet it only measures."""

    sheet: Axes | None
    left: float
    width: float
    y: float

    def write(self, text: str, size: float = BODY, colour: str = "#1b1f24", **how: Any) -> None:
        lines = textwrap.wrap(text, max(8, int(self.width * LETTERS * BODY / size)))
        for line in lines:
            self.put(self.left, line, fontsize=size, color=colour, **how)
            self.y -= LINE * size / BODY

    def put(self, x: float, text: str, **how: Any) -> None:
        if self.sheet is not None:
            self.sheet.text(x, self.y, text, va="top", **how)

    def head(self, text: str) -> None:
        self.y -= 0.09
        self.write(text, 11, ACCENT, fontweight="bold")
        self.y -= 0.03

    def point(self, text: str, colour: str = "#1b1f24") -> None:
        self.put(self.left, "•", fontsize=BODY, color=ACCENT)
        inner = _Pen(self.sheet, self.left + 0.14, self.width - 0.14, self.y)
        inner.write(text, colour=colour)
        self.y = inner.y - 0.045


def best_model(run: Artefacts) -> str:
    """Return the mapped model that ranks best where the evaluation is hardest."""
    rows = {str(r["model"]): r for r in rows_of(run, judgement.strictest(run))}
    return max((f.model for f in run.maps), key=lambda m: rows[m]["roc_auc"]["mean"] or 0.0)


def statements(run: Artefacts) -> dict[str, list[str]]:
    """Return what the sheet says in words, by its headings."""
    hardest, model = judgement.strictest(run), best_model(run)
    row = next(r for r in rows_of(run, hardest) if r["model"] == model)
    name = words.model_title(model).lower()
    value, bounds = interval(row, "roc_auc")
    held = words.PROTOCOLS.get(hardest, hardest)
    trust = [
        f"On {held} the {name} ranks a source cell above a clear one in "
        f"{100 * row['roc_auc']['mean']:.0f} of 100 pairs (AUC {value}"
        + (f", 95{words.NBSP}% interval {bounds})." if bounds else ").")
    ]
    if alarms := judgement.alarms(run):
        trust.append(alarms)
    if (unlike := uncertainty.applicability(run)) is not None:
        trust.append(
            f"{words.share(unlike.outside)} of the area is unlike anything the model was trained "
            "on: there no score speaks for the map."
        )
    spread = next((s for s in uncertainty.spreads(run) if s.model == model), None)
    if spread is not None and spread.undecided is not None:
        trust.append(
            f"For {words.share(spread.undecided)} of the area the class hangs on which landslides "
            "happened to be mapped."
        )
    where = []
    shares, rows = score_tables.captured(run)
    if rows:
        told = next(r for r in run.evaluation["captured"] if _is(r, hardest, model))["shares"]
        parts = [
            f"{100 * found:.0f}{words.NBSP}% of the source cells in the first {head} of the area"
            for head, found in zip(shares, told.values(), strict=True)
        ]
        where.append(
            "Searched from the most susceptible ground down, on ground the model had not seen "
            f"({held}), the map finds {words.joined(parts)}."
        )
    files = next(f for f in run.maps if f.model == model)
    where.append(
        "The map shows the probability that a cell is a landslide source, at the area's own share "
        f"of sources ({words.share(run.samples.prevalence)})."
        if files.shows == "probability"
        else "The map ranks the ground. Its values are not the share that fails: they stand on "
        f"the balance of the training sample, where {words.share(run.samples.label.mean())} of "
        f"the cells are sources; in the area it is {words.share(run.samples.prevalence)}."
    )
    where.append(
        "It says where slopes fail (source areas), not how far the debris runs, and nothing of "
        "buildings, roads or people."
    )
    return {"Where to look first": where, "How far to trust it": trust}


def _is(row: Any, protocol: str, model: str) -> bool:
    return bool(row["protocol"] == protocol and row["model"] == model)


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
        pen.write(str(run.settings["study"]["name"]), 17, fontweight="bold")
        pen.write(
            " · ".join(t for t in ("Where slopes failed", page.event_line(inputs["event"])) if t),
            colour=SOFT,
        )
        _rule(sheet, pen.y - 0.02, width)
        top = pen.y - 0.12
        model = best_model(run)
        measured = _Pen(None, EDGE, width, 0.0)
        _texts(measured, run, inputs)
        # The map takes the height that the texts leave.
        room = top + measured.y - EDGE - 0.14
        low = _map(figure, run.out / "figures" / f"map_{model}.png", top, room)
        side = _Pen(sheet, EDGE + 4.62, width - 4.62, top)
        for fact in page.facts(run):
            side.write(fact.value, 14, fontweight="bold")
            side.write(fact.label, 8.5, SOFT)
            side.y -= 0.08
        side.head("Models")
        _scores(side, run)
        pen.y = min(low, side.y) - 0.02
        _texts(pen, run, inputs)
        _foot(sheet, run, width)
        path = run.out / NAME
        with replacing(path) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    return path


def _rule(sheet: Axes, y: float, width: float) -> None:
    sheet.plot([EDGE, EDGE + width], [y, y], color="#1b1f24", linewidth=1.0)


def _map(figure: Any, path: Path, top: float, room: float) -> float:
    """Lay the model's map below `top`, at most `room` high, and return where it ends."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    wide = 4.4
    tall = float(wide * pixels.shape[0] / pixels.shape[1])
    if tall > room:
        wide, tall = wide * room / tall, room
    axes = figures.axes_at(figure, EDGE, top - tall, wide, tall)
    axes.imshow(pixels, interpolation="none", aspect="auto")
    axes.axis("off")
    return top - tall


def _scores(pen: _Pen, run: Artefacts) -> None:
    """Write the AUC of each model by protocol, best first where it is hardest."""
    hardest = judgement.strictest(run)
    order = sorted(rows_of(run, hardest), key=lambda r: -(r["roc_auc"]["mean"] or 0.0))
    step = (pen.width - 0.5) / len(run.protocols)
    places = [pen.left + 0.5 + step * (i + 1) for i in range(len(run.protocols))]
    for x, protocol in zip(places, run.protocols, strict=True):
        pen.put(x, protocol, fontsize=7, color=SOFT, ha="right")
    pen.y -= LINE
    for row in order[:MOST_ROWS]:
        name = str(row["model"])[:9]
        pen.put(pen.left, name, fontsize=8.5)
        for x, protocol in zip(places, run.protocols, strict=True):
            found = next(r for r in rows_of(run, protocol) if r["model"] == row["model"])
            text = words.score("roc_auc", found["roc_auc"]["mean"])
            pen.put(x, text, fontsize=8.5, ha="right")
        pen.y -= LINE
    more = f" ({len(order) - MOST_ROWS} more in the report)" if len(order) > MOST_ROWS else ""
    note = "AUC by protocol: 0.5 is chance, 1 perfect."
    if "pixel" in run.protocols and len(run.protocols) > 1:
        note += " By pixel flatters."
    pen.write(note + more, 7.5, SOFT)


def _texts(pen: _Pen, run: Artefacts, inputs: Any) -> None:
    for title, texts in statements(run).items():
        pen.head(title)
        for text in texts:
            pen.point(text)
    found = [(row["name"], text) for row in inputs["layers"] for text in row["warnings"]]
    if not found:
        return
    pen.head("Warnings about the data")
    for layer, text in found[:MOST_WARNINGS]:
        pen.point(textwrap.shorten(f"{layer}: {text}", 165, placeholder=" …"), WARN)
    if len(found) > MOST_WARNINGS:
        pen.point(f"{len(found) - MOST_WARNINGS} more in the report.", WARN)


def _foot(sheet: Axes, run: Artefacts, width: float) -> None:
    _rule(sheet, EDGE + 0.06, width)
    texts = (
        page.citation(run),
        f"Made {str(run.provenance['written'])[:10]}; all of it: report.html",
    )
    for text, x, side in zip(texts, (EDGE, EDGE + width), ("left", "right"), strict=True):
        sheet.text(x, EDGE, text, fontsize=6.2, color=SOFT, va="top", ha=side)
