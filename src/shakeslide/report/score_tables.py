"""Cells of the tables of scores, as the page and the one-page summary print them."""

from __future__ import annotations

from collections.abc import Sequence

from shakeslide.learning.explanation import Collinear, Loss
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts
from shakeslide.results.evaluation_document import Difference, Spread, Summary

SHOWN = ("oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "ece")
"""Measures in the table of scores."""
LOW_IS_GOOD = ("brier", "log_loss", "ece")
SIDE_BY_SIDE = ("oa", "roc_auc")
"""Measures in the table of protocols."""
AREA_MEASURES = ("oa", "precision", "f1", "mcc", "pr_auc")
"""Measures that the share of sources changes; recall and ROC-AUC it leaves as they are."""
DIFFERED = ("oa", "roc_auc", "brier")
"""Measures in which models are compared in pairs."""

Cell = tuple[str, str]
"""A score and its spread or interval, as printed."""


def fits(run: Artefacts, protocol: str) -> str:
    """Return how often each model was fitted under a protocol: "3 repeats", "5 folds"."""
    n = max(row.n for row in run.evaluation.of_protocol(protocol))
    folds = any(record.fold > 0 for record in run.evaluation.records_of(protocol))
    # Repeats have fold 0 only.
    word = "fold" if folds else "repeat"
    return f"{n} {word}" + ("s" if n > 1 else "")


def is_best(rows: Sequence[Summary], row: Summary, measure: str) -> bool:
    """Return whether no other row has a better mean; several may share the best one."""
    known = [mean for r in rows if (mean := r.of(measure).mean) is not None]
    best = (min if measure in LOW_IS_GOOD else max)(known, default=None)
    return best is not None and row.of(measure).mean == best


def spread(score: Spread, measure: str) -> Cell:
    """Return a score and its standard deviation, "" where none is known."""
    value, sd = words.score_parts(measure, score.mean, score.sd)
    return value, f"± {sd}" if sd else ""


def interval(score: Spread, measure: str, digits: int = 1) -> Cell:
    """Return a score and its 95 % interval, "" where none is known."""
    value, low, high = (
        words.score_parts(measure, number, digits=digits)[0]
        for number in (score.mean, score.low, score.high)
    )
    return value, "" if "–" in (low, high) else f"{low} to {high}"


def area_interval(score: Spread, measure: str) -> Cell:
    """Return a score and its 95 % interval; small ones with the digits that they need."""
    small = measure == "precision" and score.mean is not None and score.mean < 0.1
    return interval(score, measure, digits=2 if small else 1)


def difference(told: Difference, measure: str) -> Cell:
    """Return a difference, in points but for the Brier score, and its 95 % interval with p."""
    scale, digits = (1.0, 4) if measure == "brier" else (100.0, 1)
    value, low, high = (
        "–" if number is None else words.signed(scale * number, digits)
        for number in (told.mean, told.low, told.high)
    )
    if "–" in (low, high):
        return value, ""
    return value, "; ".join(t for t in (f"{low} to {high}", _p_value(told.p_value)) if t)


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.{2 if value >= 0.1 else 3}f}"


def captures_most(run: Artefacts, protocol: str, model: str, share: str) -> bool:
    """Return whether no other model has more of the positives in a share of the area."""
    found = {m: run.evaluation.captured_by(protocol, m).get(share) for m in run.models}
    return found[model] == max(part or 0.0 for part in found.values())


def loss(told: Loss | None) -> Cell:
    """Return a loss of AUC in points and its spread, as printed."""
    if told is None or told.mean is None:
        return "–", ""
    sd = "" if told.sd is None else f"± {100 * told.sd:.2f}"
    return words.signed(100 * told.mean, 2), sd


def vif(told: Collinear, code: str) -> str:
    """Return a factor's variance inflation: ∞ if others give it away, – if it is constant."""
    if code not in told.codes:
        return "–"
    value = told.vif[code]
    if value is not None:
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return "∞" if told.infinite(code) else "–"
