"""Importance and correlation of the factors, as the page and the figures print them."""

from __future__ import annotations

from collections.abc import Mapping

from shakeslide.learning.explanation import Collinear, Loss, ModelImportance
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.score_tables import Cell

METHODS: Mapping[str, str] = {"pearson": "Pearson's r", "spearman": "Spearman's rank correlation"}


def greatest(model: ModelImportance) -> Loss | None:
    """Return the group of factors whose shuffling lowers a model's AUC most, None if not known."""
    known = [(loss.mean, loss) for loss in model.permutation if loss.mean is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def loss_cell(loss: Loss | None) -> Cell:
    """Return a loss of AUC in points and its spread, as printed."""
    if loss is None or loss.mean is None:
        return "–", ""
    return words.signed(100 * loss.mean, 2), "" if loss.sd is None else f"± {100 * loss.sd:.2f}"


def classes(run: Artefacts) -> list[tuple[str, str]]:
    """Return what the codes of the factors' classes stand for, where that is more than a code."""
    found = []
    for f in run.factors:
        names = [f"{k} {v}" for k, v in sorted(f.info.legend.items()) if v != str(k)]
        if f.info.kind == "categorical" and names:
            found.append((f.info.code, "; ".join(names)))
    return found


def printed_vif(told: Collinear, i: int) -> str:
    """Return the variance inflation of the i-th factor: ∞ if others give it away, – if constant."""
    value = told.vif[told.codes[i]]
    if value is not None:
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return "∞" if told.infinite(i) else "–"
