"""One sheet of A4 on a new earthquake, as PDF: alert, map, where to look first, totals."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from shakeslide._version import __version__
from shakeslide.core.files import replacing
from shakeslide.hazard.alerts import Alert
from shakeslide.rapid import event_figures
from shakeslide.rapid.event_figures import Shown
from shakeslide.rapid.event_page import Facts, figure, most_probable, sentence
from shakeslide.report import figures as drawing
from shakeslide.report import words

NAME = "summary.pdf"
SHEET = (8.27, 11.69)
"""A4 in inches."""
EDGE = 0.6
SOFT, ACCENT = "#55606b", "#721f81"
COLOURS = {"green": "#2e9e4f", "yellow": "#f2c200", "orange": "#ef7d00", "red": "#c8102e"}
FIRST = 6
"""Squares that are listed."""
LINE, LOWEST = 0.165, 0.55
"""Inches: height of a line, and where text ends above the foot of the sheet."""


def write(out: Path, facts: Facts, shown: Shown) -> Path:
    """Write `summary.pdf`."""
    with drawing.style():
        sheet_figure, sheet = drawing.new(*SHEET)
        y = _head(sheet, facts)
        y = _alerts(sheet, facts, y)
        wide = SHEET[0] - 2 * EDGE + event_figures.LEFT
        size = event_figures.size_of(shown.view, wide, 4.6)
        y -= event_figures.TOP + size[1]
        event_figures.put(sheet_figure, sheet, shown, (EDGE - event_figures.LEFT + 0.1, y), size)
        _key(sheet, facts, y - event_figures.LEGEND)
        _foot(sheet, facts, y - event_figures.LEGEND - 0.35)
        buffer = io.BytesIO()
        # Without the time of writing: the same result has the same bytes.
        sheet_figure.savefig(
            buffer, format="pdf", metadata={"Title": facts.name, "CreationDate": None}
        )
    path = out / NAME
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path


def _head(sheet: Axes, facts: Facts) -> float:
    y = SHEET[1] - EDGE
    label = "SCENARIO: AN ASSUMED EARTHQUAKE" if facts.scenario else "RAPID MAP"
    sheet.text(
        EDGE, y, f"EARTHQUAKE-INDUCED LANDSLIDES · {label}", fontsize=8, color=ACCENT, va="top"
    )
    y -= 0.22
    for line in drawing.wrapped(facts.name, SHEET[0] - 2 * EDGE, 17, True)[:2]:
        sheet.text(EDGE, y, line, fontsize=17, fontweight="bold", va="top")
        y -= 0.33
    sheet.text(EDGE, y, facts.event, fontsize=9, color=SOFT, va="top")
    return y - 0.28


def _alerts(sheet: Axes, facts: Facts, y: float) -> float:
    totals = facts.totals
    area = totals.area_km2
    boxes = [
        (
            "Landslide hazard",
            totals.hazard_alert.level,
            f"{figure(area.mean)} km² of landslides expected (mean; 90 % interval "
            f"{figure(area.p05)} to {figure(area.p95)} km²). {_likely(totals.hazard_alert)}",
        )
    ]
    people = totals.exposure.people
    if totals.population_alert is not None and people is not None:
        boxes.append(
            (
                "People on landslide ground",
                totals.population_alert.level,
                f"{figure(people.mean)} people expected (mean; 90 % interval "
                f"{figure(people.p05)} to {figure(people.p95)}). "
                f"{_likely(totals.population_alert)}",
            )
        )
    for title, level, text in boxes:
        sheet.add_patch(Rectangle((EDGE, y - 0.5), 0.14, 0.5, color=COLOURS[level]))
        sheet.text(
            EDGE + 0.26, y - 0.02, f"{title}: {level}", fontsize=12, fontweight="bold", va="top"
        )
        sheet.text(EDGE + 0.26, y - 0.28, text, fontsize=9, va="top")
        y -= 0.62
    return y


def _likely(alert: Alert) -> str:
    """Return the most probable level with its probability."""
    level = most_probable(alert)
    return f"Most probable level: {level} ({words.whole_percent(alert.p[level])})."


def _key(sheet: Axes, facts: Facts, y: float) -> None:
    """Explain the marks of the map in a line."""
    marks = ["Squares: where to look first"]
    if facts.star:
        marks.append("star: the epicentre")
    if facts.settlements:
        marks.append("dots: places")
    text = "; ".join(
        [*marks, "pale blue: sea; grey: no prediction. Colours are on a square-root scale."]
    )
    sheet.text(EDGE, y, text, fontsize=7.5, color=SOFT, va="top")


def _foot(sheet: Axes, facts: Facts, y: float) -> None:
    left, right = EDGE, SHEET[0] / 2 + 0.15
    width = SHEET[0] / 2 - EDGE - 0.15
    first = facts.first
    top = y
    sheet.text(
        left, y, "Where to look first", fontsize=11, color=ACCENT, fontweight="bold", va="top"
    )
    y -= 0.26
    for s in first.squares[:FIRST]:
        sheet.text(left, y, s.label, fontsize=9, fontweight="bold", va="top")
        place = f"{s.latitude:.3f}, {s.longitude:.3f}"
        sheet.text(left + 0.3, y, f"{place}   {figure(100 * s.expected)} ha", fontsize=9, va="top")
        y -= 0.18
    text = (
        f"Latitude, longitude and expected landslide area of squares of "
        f"{words.length(first.side)}. The {len(first.squares)} squares in report.html contain "
        f"{figure(100 * first.share)} % of the expected landslide area on "
        f"{figure(100 * first.share_of_ground)} % of the ground with a prediction."
    )
    _lines(sheet, text, left, y - 0.05, width)
    y = top
    sheet.text(
        right, y, "Totals and limits", fontsize=11, color=ACCENT, fontweight="bold", va="top"
    )
    y -= 0.26
    said = _statements(facts)
    for i, text in enumerate(said):
        # One line more must fit: it counts what is left out.
        if y - LINE * (len(drawing.wrapped(text, width - 0.14, 9)) + 1) < LOWEST:
            text = f"{len(said) - i} more notes are in report.html."
        sheet.text(right, y, "•", fontsize=9, color=ACCENT, va="top")
        y = _lines(sheet, text, right + 0.14, y, width - 0.14) - 0.04
        if text is not said[i]:
            break
    sheet.text(
        EDGE, 0.35, f"shakeslide {__version__} · model {facts.model} · "
        f"ShakeMap {facts.totals.shakemap.id or 'own rasters'} "
        f"{facts.totals.shakemap.version and 'version ' + facts.totals.shakemap.version}",
        fontsize=7.5, color=SOFT, va="bottom",
    )  # fmt: skip


def _lines(sheet: Axes, text: str, x: float, y: float, width: float) -> float:
    for line in drawing.wrapped(text, width, 9):
        sheet.text(x, y, line, fontsize=9, va="top")
        y -= LINE
    return y


def _statements(facts: Facts) -> list[str]:
    totals, number = facts.totals, facts.totals.landslides
    out = [
        f"Number of landslides: {figure(number.mean)} (90 % interval {figure(number.p05)} to "
        f"{figure(number.p95)})."
    ]
    if totals.exposure.buildings is not None:
        out.append(f"Buildings on landslide ground: {figure(totals.exposure.buildings.mean)}.")
    if totals.exposure.road_km is not None:
        out.append(f"Roads on landslide ground: {figure(totals.exposure.road_km.mean)} km.")
    if totals.exposure.road_cuts is not None:
        cuts = totals.exposure.road_cuts
        out.append(
            f"Roads cut: {figure(cuts.mean)} (90 % interval {figure(cuts.p05)} to "
            f"{figure(cuts.p95)})."
        )
    out.append("No landslide of this earthquake is mapped yet: this is what a model predicts.")
    return out + [sentence(note) for note in (*totals.warnings, *facts.notes)]
