"""Tables of scores as the page prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shakeslide.report import published, words
from shakeslide.report.artefacts import Artefacts
from shakeslide.results.evaluation_document import Spread, Summary

SHOWN = ("oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "ece")
"""Measures in the table of scores."""
LOW_IS_GOOD = ("brier", "log_loss", "ece")
SIDE_BY_SIDE = ("oa", "roc_auc")
"""Measures in the table of protocols."""
COMPARED = ("oa", "precision", "recall", "roc_auc")
"""Measures that the paper reports."""

Cell = tuple[str, str]
"""A score and its spread or interval, as printed."""


def fits(run: Artefacts, protocol: str) -> str:
    """Return how often each model was fitted under a protocol: "3 repeats", "5 folds"."""
    n = max(row.n for row in run.evaluation.of_protocol(protocol))
    folds = any(record.fold > 0 for record in run.evaluation.records_of(protocol))
    # Repeats have fold 0 only.
    word = "fold" if folds else "repeat"
    return f"{n} {word}" + ("s" if n > 1 else "")


@dataclass(frozen=True)
class ScoreRow:
    """One line of a table of scores: the model and a cell per measure."""

    model: str
    cells: Sequence[Cell]
    best: Sequence[bool]


@dataclass(frozen=True)
class ScoreTable:
    """Scores of all models under one protocol."""

    protocol: str
    explanation: str
    measures: Sequence[str]
    rows: Sequence[ScoreRow]
    fits: str
    single: bool
    n_train: int
    n_test: int
    prevalence: float


def of_protocol(run: Artefacts, protocol: str) -> ScoreTable:
    """Return the table of scores of a protocol, at the balance of the samples."""
    rows = run.evaluation.of_protocol(protocol)
    # The first record of a fit is the one at the balance of the samples.
    first = run.evaluation.records_of(protocol)[0]
    top = {m: _top(rows, m) for m in SHOWN}
    return ScoreTable(
        protocol,
        words.PROTOCOLS.get(protocol, ""),
        [words.heading(m) for m in SHOWN],
        [
            ScoreRow(
                r.model,
                [_spread(r.of(m), m) for m in SHOWN],
                # By equality with the best: several may share it.
                [(mean := r.of(m).mean) is not None and mean == top[m] for m in SHOWN],
            )
            for r in rows
        ],
        fits(run, protocol),
        all(r.n == 1 for r in rows),
        first.n_train,
        first.n_test,
        first.prevalence,
    )


def _spread(spread: Spread, measure: str) -> Cell:
    value, sd = words.score_parts(measure, spread.mean, spread.sd)
    return value, f"± {sd}" if sd else ""


def _top(rows: Sequence[Summary], measure: str) -> float | None:
    known = [mean for r in rows if (mean := r.of(measure).mean) is not None]
    if not known:
        return None
    return min(known) if measure in LOW_IS_GOOD else max(known)


# ------------------------------------------------------------------ protocols side by side


@dataclass(frozen=True)
class Side:
    """A model under all protocols: a cell per protocol and measure, and whether it is the best."""

    model: str
    cells: Sequence[tuple[Cell, bool]]


def side_by_side(run: Artefacts) -> list[Side]:
    """Return each model's scores with their 95 % intervals, protocol by protocol."""
    out = []
    for model in run.models:
        cells = []
        for protocol in run.protocols:
            rows = run.evaluation.of_protocol(protocol)
            row = run.evaluation.of(protocol, model)
            for m in SIDE_BY_SIDE:
                spread = row.of(m)
                cells.append((interval(spread, m), spread.mean == _top(rows, m)))
        out.append(Side(model, cells))
    return out


def interval(spread: Spread, measure: str, digits: int = 1) -> Cell:
    """Return a score and its 95 % interval, "" where none is known."""
    value, low, high = (
        words.score_parts(measure, number, digits=digits)[0]
        for number in (spread.mean, spread.low, spread.high)
    )
    return value, "" if "–" in (low, high) else f"{low} to {high}"


@dataclass(frozen=True)
class Captured:
    """Shares of the sources that a model finds in the most susceptible parts of the area."""

    model: str
    cells: Sequence[tuple[str, bool]]


def captured(run: Artefacts) -> tuple[list[str], list[Captured]]:
    """Return the shares of area, as heads of columns, and a row per model; empty if not told."""
    told = {(r.protocol, r.model): r.shares for r in run.evaluation.captured}
    if not told:
        return [], []
    shares = list(next(iter(told.values())))
    rows = []
    for model in run.models:
        cells = []
        for protocol in run.protocols:
            for share in shares:
                top = max(told[protocol, m][share] or 0.0 for m in run.models)
                value = told[protocol, model][share]
                cells.append(("–" if value is None else f"{100 * value:.0f}", value == top))
        rows.append(Captured(model, cells))
    return [f"{100 * float(s):.0f}{words.NBSP}%" for s in shares], rows


# ------------------------------------------------------------------ beside the paper


@dataclass(frozen=True)
class Comparison:
    """A model's scores and the published ones, as printed."""

    model: str
    own: Sequence[Cell]
    paper: Sequence[Cell]


def compared(run: Artefacts) -> list[Comparison]:
    """Return the scores under the paper's protocol beside the published ones."""
    return [
        Comparison(
            r.model,
            [_spread(r.of(m), m) for m in COMPARED],
            [_published(r.model, m) for m in COMPARED],
        )
        for r in run.evaluation.of_protocol("pixel")
        if r.model in published.SCORES
    ]


def _published(model: str, measure: str) -> Cell:
    value = published.SCORES[model].get(measure)
    if value is None:
        return "–", ""
    # Printed as published, with two decimals and no spread.
    if measure == "roc_auc":
        return f"{value.mean:.2f}", ""
    text, sd = words.score_parts(measure, value.mean, value.sd)
    return text, f"± {sd}"


# ------------------------------------------------------------------ confusion


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts and shares of each mapped class in percent."""

    model: str
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]


def confusion(run: Artefacts, protocol: str) -> tuple[str, list[Matrix]]:
    """Return the confusion matrices of a protocol."""
    out = []
    for r in run.evaluation.confusion:
        if r.protocol == protocol:
            mapped = r.tp + r.fn, r.fp + r.tn
            rows = [
                ("landslide", [_part(r.tp, mapped[0]), _part(r.fn, mapped[0])]),
                ("clear", [_part(r.fp, mapped[1]), _part(r.tn, mapped[1])]),
            ]
            out.append(Matrix(r.model, rows))
    return protocol, out


def _part(count: float, whole: float) -> tuple[int, float]:
    return int(count), 100 * count / whole if whole else 0.0
