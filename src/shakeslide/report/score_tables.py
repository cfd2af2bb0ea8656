"""Tables of scores as the page prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shakeslide.report import published, words
from shakeslide.report.artefacts import Artefacts

SHOWN = ("oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "ece")
"""Measures in the table of scores."""
LOW_IS_GOOD = ("brier", "log_loss", "ece")
SIDE_BY_SIDE = ("oa", "roc_auc")
"""Measures in the table of protocols."""
COMPARED = ("oa", "precision", "recall", "roc_auc")
"""Measures that the paper reports."""

Cell = tuple[str, str]
"""A score and its spread or interval, as printed."""


def rows_of(run: Artefacts, protocol: str) -> list[Mapping[str, Any]]:
    """Return the summary's rows of a protocol, one per model."""
    return [r for r in run.evaluation["summary"] if r["protocol"] == protocol]


def best_of(run: Artefacts, protocol: str, measure: str) -> Mapping[str, Any]:
    """Return the row of the model with the highest mean of a measure."""
    # A score that is not defined is never the best.
    return max(rows_of(run, protocol), key=lambda r: r[measure]["mean"] or 0.0)


def fits(run: Artefacts, protocol: str) -> str:
    """Return how often each model was fitted under a protocol: "3 repeats", "5 folds"."""
    records = [r for r in run.evaluation["records"] if r["protocol"] == protocol]
    n = max(int(r["n"]) for r in rows_of(run, protocol))
    # Repeats have fold 0 only.
    word = "fold" if any(r["fold"] > 0 for r in records) else "repeat"
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
    rows = rows_of(run, protocol)
    # The first record of a fit is the one at the balance of the samples.
    first = next(r for r in run.evaluation["records"] if r["protocol"] == protocol)
    top = {m: _top(rows, m) for m in SHOWN}
    return ScoreTable(
        protocol,
        words.PROTOCOLS.get(protocol, ""),
        [words.heading(m) for m in SHOWN],
        [
            ScoreRow(
                r["model"],
                [_spread(r, m) for m in SHOWN],
                # By equality with the best: several may share it.
                [r[m]["mean"] is not None and r[m]["mean"] == top[m] for m in SHOWN],
            )
            for r in rows
        ],
        fits(run, protocol),
        all(int(r["n"]) == 1 for r in rows),
        int(first["n_train"]),
        int(first["n_test"]),
        float(first["prevalence"]),
    )


def _spread(row: Mapping[str, Any], measure: str) -> Cell:
    value, sd = words.score_parts(measure, row[measure]["mean"], row[measure]["sd"])
    return value, f"± {sd}" if sd else ""


def _top(rows: Sequence[Mapping[str, Any]], measure: str) -> float | None:
    known = [r[measure]["mean"] for r in rows if r[measure]["mean"] is not None]
    if not known:
        return None
    return float(min(known) if measure in LOW_IS_GOOD else max(known))


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
            rows = rows_of(run, protocol)
            row = next(r for r in rows if r["model"] == model)
            for m in SIDE_BY_SIDE:
                cells.append((interval(row, m), row[m]["mean"] == _top(rows, m)))
        out.append(Side(model, cells))
    return out


def interval(row: Mapping[str, Any], measure: str) -> Cell:
    """Return a score and its 95 % interval, "" where none is known."""
    told = row[measure]
    value, low, high = (
        words.score_parts(measure, told.get(k), digits=1)[0] for k in ("mean", "low", "high")
    )
    return value, "" if "–" in (low, high) else f"{low} to {high}"


@dataclass(frozen=True)
class Captured:
    """Shares of the sources that a model finds in the most susceptible parts of the area."""

    model: str
    cells: Sequence[tuple[str, bool]]


def captured(run: Artefacts) -> tuple[list[str], list[Captured]]:
    """Return the shares of area, as heads of columns, and a row per model; empty if not told."""
    told = {(r["protocol"], r["model"]): r["shares"] for r in run.evaluation.get("captured", ())}
    if not told:
        return [], []
    shares = list(next(iter(told.values())))
    rows = []
    for model in run.models:
        cells = []
        for protocol in run.protocols:
            for share in shares:
                top = max(told[protocol, m][share] for m in run.models)
                value = told[protocol, model][share]
                cells.append((f"{100 * value:.0f}", value == top))
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
            r["model"],
            [_spread(r, m) for m in COMPARED],
            [_published(r["model"], m) for m in COMPARED],
        )
        for r in rows_of(run, "pixel")
        if r["model"] in published.SCORES
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
    for r in run.evaluation["confusion"]:
        if r["protocol"] == protocol:
            mapped = r["tp"] + r["fn"], r["fp"] + r["tn"]
            rows = [
                ("landslide", [_part(r["tp"], mapped[0]), _part(r["fn"], mapped[0])]),
                ("clear", [_part(r["fp"], mapped[1]), _part(r["tn"], mapped[1])]),
            ]
            out.append(Matrix(r["model"], rows))
    return protocol, out


def _part(count: float, whole: float) -> tuple[int, float]:
    return int(count), 100 * count / whole if whole else 0.0
