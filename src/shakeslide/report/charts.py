"""Charts of the report: scores beside the published ones, ROC curves, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shakeslide.report import figures, published, words

COMPARED = ("oa", "precision", "recall", "roc_auc")
"""Measures that the paper reports."""


def roc_curves(evaluation: Mapping[str, Any], protocols: Sequence[str]) -> Figure:
    """Return the mean ROC curve of each model, one panel per protocol."""
    columns = min(2, len(protocols))
    rows = math.ceil(len(protocols) / columns)
    side = 4.1 if columns == 1 else 3.3
    figure, _ = figures.new(columns * (side + 0.75) + 0.1, rows * (side + 0.85) + 0.05)
    for i, protocol in enumerate(protocols):
        left = 0.55 + (i % columns) * (side + 0.75)
        bottom = 0.5 + (rows - 1 - i // columns) * (side + 0.85)
        axes = figures.axes_at(figure, left, bottom, side, side)
        _roc_panel(axes, evaluation, protocol)
        axes.set_title(f"{protocol}: {words.PROTOCOLS.get(protocol, '')}".rstrip(": "), loc="left")
    return figure


def _roc_panel(axes: Axes, evaluation: Mapping[str, Any], protocol: str) -> None:
    axes.plot([0, 1], [0, 1], color="#a0a6ad", linewidth=0.8, zorder=1)
    summary = {r["model"]: r for r in evaluation["summary"] if r["protocol"] == protocol}
    curves = [r for r in evaluation["roc"] if r["protocol"] == protocol]
    best = sorted(curves, key=lambda r: -(summary[r["model"]]["roc_auc"]["mean"] or 0))
    names = list(summary)
    for curve in best:
        place = names.index(curve["model"])
        auc = summary[curve["model"]]["roc_auc"]
        axes.plot(
            curve["fpr"],
            curve["tpr"],
            color=figures.colour(curve["model"], place),
            linestyle=figures.line(place),
            linewidth=1.6,
            label=f"{curve['model'].upper()}  {words.score('roc_auc', auc['mean'], auc['sd'])}",
        )
    axes.set(xlim=(-0.005, 1), ylim=(0, 1.005), aspect="equal")
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")
    axes.grid(color="#e3e6e9", linewidth=0.5)
    axes.set_axisbelow(True)
    several = any(r["n"] > 1 for r in summary.values())
    axes.legend(
        title="AUC, mean ± sd" if several else "AUC",
        loc="lower right",
        frameon=False,
        title_fontsize=8.5,
        alignment="left",
        handlelength=2.6,
    )


def confusion(evaluation: Mapping[str, Any], protocol: str) -> Figure:
    """Return the confusion matrices of a protocol, shaded by the share of each mapped class."""
    matrices = [r for r in evaluation["confusion"] if r["protocol"] == protocol]
    columns = min(2, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    side, dx, dy = 1.7, 2.65, 2.45
    figure, _ = figures.new(columns * dx + 0.1, rows * dy)
    for i, matrix in enumerate(matrices):
        left = 0.85 + (i % columns) * dx
        bottom = 0.45 + (rows - 1 - i // columns) * dy
        _matrix(figures.axes_at(figure, left, bottom, side, side), matrix)
    return figure


def _matrix(axes: Axes, matrix: Mapping[str, Any]) -> None:
    counts = np.array([[matrix["tp"], matrix["fn"]], [matrix["fp"], matrix["tn"]]], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    for (i, j), n in np.ndenumerate(counts):
        ink = "white" if shares[i, j] > 0.6 else "#1b1f24"
        text = f"{n:,.0f}\n{100 * shares[i, j]:.1f} %"
        axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=8.5)
    axes.set_xticks([0, 1], ["landslide", "clear"])
    axes.set_yticks([0, 1], ["landslide", "clear"], rotation=90, va="center")
    axes.set_xlabel("Predicted", labelpad=2)
    axes.set_ylabel("Mapped", labelpad=2)
    axes.set_title(matrix["model"].upper(), loc="left")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def scores(evaluation: Mapping[str, Any], protocol: str) -> Figure:
    """Return the study's scores beside the published ones, a panel per measure."""
    rows = [r for r in evaluation["summary"] if r["protocol"] == protocol]
    rows = sorted(rows, key=lambda r: r["oa"]["mean"])
    wide, tall = 2.0, 0.36 * len(rows) + 0.2
    figure, sheet = figures.new(0.65 + 2 * (wide + 0.2), 2 * (tall + 0.5) + 0.22)
    for i, measure in enumerate(COMPARED):
        left = 0.55 + (i % 2) * (wide + 0.25)
        bottom = 0.46 + (1 - i // 2) * (tall + 0.5)
        axes = figures.axes_at(figure, left, bottom, wide, tall)
        _dots(axes, rows, measure)
        if i % 2:
            axes.set_yticklabels([])
    y = 0.12
    for x, colour, marker, name in (
        (0.6, figures.COLOURS["sae"], "o", "this study"),
        (1.75, "#5a626b", "D", "published, another area (mean ± sd)"),
    ):
        sheet.plot([x], [y], marker, ms=5, color=colour, mfc=colour if marker == "o" else "white")
        sheet.text(x + 0.12, y, name, fontsize=8, va="center")
    return figure


def _dots(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    scale = 100 if measure in words.PERCENT else 1
    for i, row in enumerate(rows):
        paper = published.SCORES.get(row["model"], {}).get(measure)
        if paper is not None:
            axes.errorbar(
                scale * paper.mean, i + 0.14, xerr=scale * (paper.sd or 0), fmt="D", ms=4.5,
                color="#5a626b", mfc="white", elinewidth=1,
            )  # fmt: skip
        own = row[measure]
        if own["mean"] is not None:
            axes.errorbar(
                scale * own["mean"], i - 0.14, xerr=scale * (own["sd"] or 0), fmt="o", ms=5,
                color=figures.COLOURS["sae"], elinewidth=1,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [r["model"].upper() for r in rows])
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.margins(x=0.12)
    axes.grid(axis="x", color="#e3e6e9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    unit = " (%)" if scale == 100 else ""
    axes.set_title(words.MEASURES[measure] + unit, loc="left", fontsize=8.5)
