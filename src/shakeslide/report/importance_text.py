"""What importance.json says of the factors, as the page prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shakeslide.evaluation.collinearity import CLOSE
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts


@dataclass(frozen=True)
class GroupRow:
    """Factors that go together, and what each model loses when they are shuffled."""

    codes: str
    names: str
    cells: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True)
class Importance:
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


def importance(run: Artefacts) -> Importance | None:
    """Return what matters, None where the run did not ask."""
    told = run.importance
    if not told:
        return None
    names = {f.info.code: f.info.name for f in run.factors}
    gain = [
        (r["code"], names.get(r["code"], ""), "–" if r["bits"] is None else f"{r['bits']:.3f}")
        for r in told["information_gain"]
    ]
    models = [(m["model"], words.score("roc_auc", m["roc_auc"])) for m in told["models"]]
    return Importance(
        gain,
        models,
        _groups(told["models"], names),
        _sentences(told, names, run.positives.cells),
        _classes(run),
    )


def losses(models: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the loss of AUC by group of factors and model, greatest mean first.

    Parameters
    ----------
    models : sequence of mapping
        `models` of importance.json.
    """
    table: dict[tuple[str, ...], dict[str, Any]] = {}
    for model in models:
        for row in model["permutation"]:
            table.setdefault(tuple(row["codes"]), {})[model["model"]] = row

    def mean(row: Mapping[str, Any]) -> float:
        # A model may lack a group: means are over those that have it.
        known = [float(r["mean"]) for r in row.values() if r["mean"] is not None]
        return sum(known) / max(len(known), 1)

    return dict(sorted(table.items(), key=lambda item: -mean(item[1])))


def _groups(models: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[GroupRow]:
    top = {
        m["model"]: max((r["mean"] for r in m["permutation"] if r["mean"] is not None), default=0)
        for m in models
    }
    rows = []
    for codes, row in losses(models).items():
        cells = []
        for m in models:
            told = row.get(m["model"])
            if told is None or told["mean"] is None:
                cells.append(("–", "", False))
                continue
            spread = "" if told["sd"] is None else f"± {100 * told['sd']:.2f}"
            best = told["mean"] == top[m["model"]]
            cells.append((words.signed(100 * told["mean"], 2), spread, best))
        known = ", ".join(names[c] for c in codes if c in names)
        rows.append(GroupRow(words.joined(codes), known, cells))
    return rows


def _sentences(told: Mapping[str, Any], names: Mapping[str, str], cells: str) -> list[str]:
    def named(code: str) -> str:
        return f"{names[code]} ({code})" if code in names else code

    known = [r for r in told["information_gain"] if r["bits"] is not None]
    text = []
    if known:
        first = known[0]
        text.append(
            f"By itself, {named(first['code'])} tells most about where the {cells} are: "
            f"{first['bits']:.2f} of at most 1 bit."
        )
    for model in told["models"]:
        rows = [r for r in model["permutation"] if r["mean"] is not None]
        if not rows:
            continue
        top = max(rows, key=lambda r: r["mean"])
        text.append(
            f"{words.model_title(model['model'])} leans most on "
            f"{words.joined([named(c) for c in top['codes']])}: "
            f"with {'it' if len(top['codes']) == 1 else 'them'} shuffled, its AUC falls by "
            f"{100 * top['mean']:.1f} points."
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
class Collinear:
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


def collinear(run: Artefacts) -> Collinear | None:
    """Return how far the factors repeat each other, None where the run does not say."""
    told = (run.importance or {}).get("collinearity")
    if not told:
        return None
    # Too few rows: what is told instead is why.
    if "pairs" not in told:
        why = str(told["remarks"][0])
        return Collinear(False, f"{why[:1].upper()}{why[1:]}.", [], [], "", 0)
    names = {f.info.code: f.info.name for f in run.factors}
    count, most = len(told["pairs"]), len(told["codes"]) * (len(told["codes"]) - 1) // 2
    if most == 1:
        by = f"{CLOSE:g} or more" if count else f"less than {CLOSE:g}"
        sentence = f"The only pair is correlated by {by}."
    else:
        some = f"{count or 'None'} of {most} pairs {'are' if count > 1 else 'is'}"
        sentence = f"{some} correlated by {CLOSE:g} or more."
    vif = [(c, names.get(c, ""), printed_vif(told, i)) for i, c in enumerate(told["codes"])]
    method = METHODS.get(told["method"], str(told["method"]))
    return Collinear(True, sentence, told["remarks"], vif, method, int(told["rows"]))


def printed_vif(told: Mapping[str, Any], i: int) -> str:
    """Return the variance inflation of the i-th factor: ∞ if others give it away, – if constant."""
    value = told["vif"][told["codes"][i]]
    if value is not None:
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    # JSON has neither; only a factor that does not vary has no correlation with itself.
    return "–" if told["correlation"][i][i] is None else "∞"
