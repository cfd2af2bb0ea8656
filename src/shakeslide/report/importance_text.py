"""Importance and correlation of the factors, as the page prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeslide.learning.explanation import Collinear
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts
from shakeslide.results.importance_document import Importance


@dataclass(frozen=True)
class GroupRow:
    """Factors that go together, and what each model loses when they are shuffled."""

    codes: str
    names: str
    cells: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True)
class Most:
    """The group of factors whose shuffling lowers a model's AUC most, and by how many points."""

    model: str
    factors: Sequence[tuple[str, str]]
    points: float


@dataclass(frozen=True)
class ImportanceText:
    """Importance of the factors.

    Attributes
    ----------
    gain : sequence of (code, name, bits)
        Information gain, greatest first.
    models : sequence of (name, AUC)
        Explained models and their AUC before shuffling.
    groups : sequence of GroupRow
        Greatest mean loss first; points of AUC, their spread, and whether the model's greatest.
    first : (code, name, bits) or None
        The factor with the greatest information gain.
    most : sequence of Most
        The factors on which each model depends most.
    classes : sequence of (code, names)
        Codes of the classes on the curves and what they stand for.
    """

    gain: Sequence[tuple[str, str, str]]
    models: Sequence[tuple[str, str]]
    groups: Sequence[GroupRow]
    first: tuple[str, str, str] | None
    most: Sequence[Most]
    classes: Sequence[tuple[str, str]]


def importance(run: Artefacts) -> ImportanceText | None:
    """Return what matters, None where the run did not ask."""
    told = run.importance
    if told is None:
        return None
    names = {f.info.code: f.info.name for f in run.factors}
    gain = [
        (g.code, names.get(g.code, ""), "–" if g.bits is None else f"{g.bits:.3f}")
        for g in told.information_gain
    ]
    models = [(m.model, words.score("roc_auc", m.roc_auc)) for m in told.models]
    return ImportanceText(
        gain,
        models,
        _groups(told, names),
        next((row for row in gain if row[2] != "–"), None),
        _most(told, names),
        _classes(run),
    )


def _groups(importance: Importance, names: Mapping[str, str]) -> list[GroupRow]:
    top = {
        m.model: max((loss.mean for loss in m.permutation if loss.mean is not None), default=0)
        for m in importance.models
    }
    rows = []
    for codes, row in importance.losses.items():
        cells = []
        for model in top:
            loss = row.get(model)
            if loss is None or loss.mean is None:
                cells.append(("–", "", False))
                continue
            spread = "" if loss.sd is None else f"± {100 * loss.sd:.2f}"
            cells.append((words.signed(100 * loss.mean, 2), spread, loss.mean == top[model]))
        known = ", ".join(names[c] for c in codes if c in names)
        rows.append(GroupRow(words.joined(codes), known, cells))
    return rows


def _most(importance: Importance, names: Mapping[str, str]) -> list[Most]:
    found = []
    for model in importance.models:
        rows = [(r.mean, r.codes) for r in model.permutation if r.mean is not None]
        if rows:
            loss, codes = max(rows, key=lambda row: row[0])
            factors = [(code, names.get(code, "")) for code in codes]
            found.append(Most(model.model, factors, 100 * loss))
    return found


def _classes(run: Artefacts) -> list[tuple[str, str]]:
    """Return what the codes of classes stand for, where that is more than the code."""
    told = []
    for f in run.factors:
        names = [f"{k} {v}" for k, v in sorted(f.info.legend.items()) if v != str(k)]
        if f.info.kind == "categorical" and names:
            told.append((f.info.code, "; ".join(names)))
    return told


# ------------------------------------------------------------------ collinearity


@dataclass(frozen=True)
class CollinearText:
    """How strongly the factors are correlated.

    Attributes
    ----------
    unknown : str
        Why it is not known; "" where it is.
    close, pairs : int
        Pairs correlated by `CLOSE` or more, and all pairs.
    remarks : sequence of str
        Advice.
    vif : sequence of (code, name, value)
        Variance inflation, in the factors' order.
    method : str
        Which correlation, in words.
    rows : int
        Cells it was made from.
    """

    unknown: str
    close: int
    pairs: int
    remarks: Sequence[str]
    vif: Sequence[tuple[str, str, str]]
    method: str
    rows: int


METHODS: Mapping[str, str] = {"pearson": "Pearson's r", "spearman": "Spearman's rank correlation"}


def collinear(run: Artefacts) -> CollinearText | None:
    """Return how strongly the factors are correlated, None where the run does not say."""
    if run.importance is None:
        return None
    told = run.importance.collinearity
    # With too few rows, the remark is the reason.
    if not told.known:
        return CollinearText(told.remarks[0], 0, 0, [], [], "", 0)
    names = {f.info.code: f.info.name for f in run.factors}
    close, pairs = len(told.pairs), len(told.codes) * (len(told.codes) - 1) // 2
    vif = [(c, names.get(c, ""), printed_vif(told, i)) for i, c in enumerate(told.codes)]
    return CollinearText("", close, pairs, told.remarks, vif, METHODS[told.method], told.rows)


def printed_vif(told: Collinear, i: int) -> str:
    """Return the variance inflation of the i-th factor: ∞ if others give it away, – if constant."""
    value = told.vif[told.codes[i]]
    if value is not None:
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return "∞" if told.infinite(i) else "–"
