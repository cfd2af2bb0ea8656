"""What importance.json says of the factors, as the page prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeslide.evaluation.collinearity import CLOSE
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
class ImportanceText:
    """Tables and sentences on the factors.

    Attributes
    ----------
    gain : sequence of (code, name, bits)
        Information gain, greatest first.
    models : sequence of (name, AUC)
        Explained models and their AUC before shuffling.
    groups : sequence of GroupRow
        Greatest mean loss first; points of AUC, their spread, and whether the model's greatest.
    sentences : sequence of str
        What stands out.
    classes : sequence of (code, names)
        Codes of the classes on the curves and what they stand for.
    """

    gain: Sequence[tuple[str, str, str]]
    models: Sequence[tuple[str, str]]
    groups: Sequence[GroupRow]
    sentences: Sequence[str]
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
        _sentences(told, names, run.positives.cells),
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


def _sentences(told: Importance, names: Mapping[str, str], cells: str) -> list[str]:
    def named(code: str) -> str:
        return f"{names[code]} ({code})" if code in names else code

    known = [(g.code, g.bits) for g in told.information_gain if g.bits is not None]
    text = []
    if known:
        code, bits = known[0]
        text.append(
            f"By itself, {named(code)} tells most about where the {cells} are: "
            f"{bits:.2f} of at most 1 bit."
        )
    for model in told.models:
        rows = [(r.mean, r.codes) for r in model.permutation if r.mean is not None]
        if not rows:
            continue
        loss, codes = max(rows, key=lambda row: row[0])
        text.append(
            f"{words.model_title(model.model)} leans most on "
            f"{words.joined([named(c) for c in codes])}: "
            f"with {'it' if len(codes) == 1 else 'them'} shuffled, its AUC falls by "
            f"{100 * loss:.1f} points."
        )
    return text


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
    """How far the factors repeat each other, in words.

    Attributes
    ----------
    known : bool
        Whether the samples are enough to say it.
    sentence : str
        How many pairs are close, or why that is not known.
    remarks : sequence of str
        What to think about.
    vif : sequence of (code, name, value)
        Variance inflation, in the factors' order.
    method : str
        Which correlation, in words.
    rows : int
        Cells it was made from.
    """

    known: bool
    sentence: str
    remarks: Sequence[str]
    vif: Sequence[tuple[str, str, str]]
    method: str
    rows: int


METHODS: Mapping[str, str] = {"pearson": "Pearson's r", "spearman": "Spearman's rank correlation"}


def collinear(run: Artefacts) -> CollinearText | None:
    """Return how far the factors repeat each other, None where the run does not say."""
    if run.importance is None:
        return None
    told = run.importance.collinearity
    # Too few rows: what is told instead is why.
    if not told.known:
        why = told.remarks[0]
        return CollinearText(False, f"{why[:1].upper()}{why[1:]}.", [], [], "", 0)
    names = {f.info.code: f.info.name for f in run.factors}
    count, most = len(told.pairs), len(told.codes) * (len(told.codes) - 1) // 2
    if most == 1:
        by = f"{CLOSE:g} or more" if count else f"less than {CLOSE:g}"
        sentence = f"The only pair is correlated by {by}."
    else:
        some = f"{count or 'None'} of {most} pairs {'are' if count > 1 else 'is'}"
        sentence = f"{some} correlated by {CLOSE:g} or more."
    vif = [(c, names.get(c, ""), printed_vif(told, i)) for i, c in enumerate(told.codes)]
    return CollinearText(True, sentence, told.remarks, vif, METHODS[told.method], told.rows)


def printed_vif(told: Collinear, i: int) -> str:
    """Return the variance inflation of the i-th factor: ∞ if others give it away, – if constant."""
    value = told.vif[told.codes[i]]
    if value is not None:
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return "∞" if told.infinite(i) else "–"
