"""Charts of the experiments, in the report's style, the published figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shakeslide.paper import printed_figures, published
from shakeslide.report import figures, words
from shakeslide.report.figures import GRID
from shakeslide.results.evaluation_document import ModelConfusion, Summary

GREY = "#5a626b"
COMPARED = ("oa", "precision", "recall", "roc_auc")
"""Measures that the paper reports."""
OURS, TRAINING = "#d55e00", "#0072b2"
WIDTH = 7.2
"""Of a figure over both columns of a journal, in inches."""


def counts(table: pd.DataFrame) -> Figure:
    """Return the numbers of samples as bars, ours and the published ones.

    Parameters
    ----------
    table : DataFrame
        T2.csv.
    """
    figure, _ = figures.new(WIDTH, 1.75)
    rows = table[table["category"] != "total"]
    sides = (("", "This study"), ("published_", "Published (Wenchuan, 12.5 m cells)"))
    for i, (prefix, title) in enumerate(sides):
        axes = figures.axes_at(figure, 0.62 + i * 3.45, 0.42, 2.95, 1.05)
        at = np.arange(len(rows))[::-1]
        left = np.zeros(len(rows))
        for part, colour in (("training", TRAINING), ("testing", "#56b4e9")):
            values = rows[prefix + part].to_numpy(float)
            axes.barh(at, values, left=left, height=0.62, color=colour, label=part)
            for y, x, value in zip(at, left, values, strict=True):
                axes.text(
                    x + value / 2, y, words.count(value), ha="center", va="center", fontsize=7,
                    color="white" if part == "training" else "#1b1f24",
                )  # fmt: skip
            left += values
        axes.set_yticks(at, rows["category"] if i == 0 else [""] * len(at))
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
        axes.set_xlabel("Cells")
        axes.set_title(title, loc="left")
        if i == 0:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1.02, 0.98), ncols=2, frameon=False, fontsize=7.5
            )
    return figure


def learning_rates(table: pd.DataFrame) -> Figure:
    """Return accuracy, precision and recall by learning rate.

    Parameters
    ----------
    table : DataFrame
        T4.csv.
    """
    figure, sheet = figures.new(WIDTH, 2.75)
    for i, measure in enumerate(("oa", "precision", "recall")):
        axes = figures.axes_at(figure, 0.5 + i * 2.3, 0.7, 1.95, 1.75)
        rate = table["learning_rate"].to_numpy(float)
        for prefix, look in (("published_", _PUBLISHED), ("", _OWN)):
            mean, sd = (
                100 * table[f"{prefix}{measure}_{k}"].to_numpy(float) for k in ("mean", "sd")
            )
            # The spread is unknown where there was one split.
            axes.errorbar(rate, mean, yerr=np.nan_to_num(sd), **look)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(rate, ["0.0001", "0.001", "0.01", "0.1", "0.8"])
        # Bars of errors may reach beyond 0 and 100; a mark at 100 needs a little room.
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0), min(high, 101))
        axes.set_xlabel("Learning rate")
        axes.set_title(words.heading(measure), loc="left")
        _grid(axes)
    _key(sheet)
    return figure


_OWN: Mapping[str, Any] = {
    "fmt": "o-", "color": OURS, "ms": 4.5, "linewidth": 1.4, "elinewidth": 1.0, "capsize": 2,
}  # fmt: skip
_PUBLISHED: Mapping[str, Any] = {
    "fmt": "D--", "color": GREY, "mfc": "white", "ms": 4, "linewidth": 1.0, "elinewidth": 0.9,
}  # fmt: skip


def _key(sheet: Axes) -> None:
    for x, mark, colour, face, name in (
        (0.6, "o", OURS, OURS, "this study, mean ± sd"),
        (2.5, "D", GREY, "white", "published, another area, mean ± sd"),
    ):
        sheet.plot([x], [0.14], mark, ms=5, color=colour, mfc=face)
        sheet.text(x + 0.12, 0.14, name, fontsize=8, va="center")


def _grid(axes: Axes) -> None:
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)


def structure(table: pd.DataFrame, usual: tuple[int, int]) -> Figure:
    """Return accuracy by hidden units and by hidden layers.

    Parameters
    ----------
    table : DataFrame
        F6.csv.
    usual : (int, int)
        Units and layers of the study.
    """
    figure, _ = figures.new(WIDTH, 2.75)
    paper = (printed_figures.BEST_UNITS, printed_figures.BEST_DEPTH)
    names = ("Hidden units per layer", "Hidden layers")
    shared: list[Axes] = []
    for i, sweep in enumerate(("units", "depth")):
        rows = table[table["sweep"] == sweep].sort_values("value")
        axes = figures.axes_at(figure, 0.55 + i * 3.4, 0.48, 3.05, 2.0)
        axes.axvline(paper[i], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
        x, mean = rows["value"].to_numpy(float), 100 * rows["oa_mean"].to_numpy(float)
        sd = 100 * np.nan_to_num(rows["oa_sd"].to_numpy(float))
        crowded = len(x) > 25
        look = {**_OWN, "ms": 2.5, "capsize": 0} if crowded else _OWN
        axes.errorbar(x, mean, yerr=sd, **look)
        axes.annotate(
            f"published best: {paper[i]}", (paper[i], 0.02), xycoords=("data", "axes fraction"),
            xytext=(-3 if i == 0 else 3, 0), textcoords="offset points",
            ha="right" if i == 0 else "left", fontsize=7, color=GREY,
        )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel(names[i])
        other = f"{usual[1]} layers" if i == 0 else f"{usual[0]} units per layer"
        axes.set_title(f"({'ab'[i]}) {other}", loc="left")
        _grid(axes)
        shared.append(axes)
    shared[0].set_ylabel("Overall accuracy, test cells (%)")
    _same_range(shared)
    return figure


def _same_range(panels: Sequence[Axes]) -> None:
    # The panels share one label of accuracy and are compared by height.
    low = min(a.get_ylim()[0] for a in panels)
    high = max(a.get_ylim()[1] for a in panels)
    for axes in panels:
        axes.set_ylim(low, high)


def iterations(table: pd.DataFrame) -> Figure:
    """Return accuracy on training and test rows against iterations.

    Parameters
    ----------
    table : DataFrame
        F7.csv.
    """
    figure, _ = figures.new(4.6, 3.05)
    axes = figures.axes_at(figure, 0.6, 0.48, 3.7, 2.4)
    step = table["step"].to_numpy(float)
    for side, colour, line in (("train", TRAINING, "-"), ("test", OURS, (0, (6, 1.5)))):
        mean = 100 * table[f"{side}_oa_mean"].to_numpy(float)
        sd = 100 * np.nan_to_num(table[f"{side}_oa_sd"].to_numpy(float))
        axes.fill_between(step, mean - sd, mean + sd, color=colour, alpha=0.18, linewidth=0)
        label = {"train": "training cells", "test": "test cells"}[side]
        axes.plot(step, mean, color=colour, linestyle=line, linewidth=1.5, label=label)
    for steps in printed_figures.ITERATIONS:
        if steps <= step.max():
            axes.axvline(steps, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set_xlim(0, step.max())
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("Iterations (steps of gradient descent)")
    axes.set_ylabel("Overall accuracy (%)")
    axes.legend(loc="upper left", frameon=False, title="mean ± sd", title_fontsize=8)
    _grid(axes)
    return figure


def factor_count(gains: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Return information gain by factor, and accuracy by number of factors.

    Parameters
    ----------
    gains : DataFrame
        F12_gain.csv.
    table : DataFrame
        F12.csv.
    """
    tall = max(2.3, 0.19 * len(gains) + 0.1)
    figure, _ = figures.new(WIDTH, tall + 0.85)
    axes = figures.axes_at(figure, 0.55, 0.48, 2.15, tall)
    at = np.arange(len(gains))[::-1]
    axes.barh(
        at, gains["gain_mean"], xerr=np.nan_to_num(gains["gain_sd"].to_numpy(float)),
        height=0.68, color=TRAINING, error_kw={"elinewidth": 0.9, "ecolor": "#1b1f24"},
    )  # fmt: skip
    axes.set_yticks(at, gains["code"])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(gains) - 0.4)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("Information gain (bit)")
    axes.set_title("(a) Factors", loc="left")
    panel = figures.axes_at(figure, 3.3, 0.48, 3.75, tall)
    for i, (model, rows) in enumerate(table.groupby("model", sort=False)):
        name = str(model)
        # A little apart, for models often agree.
        panel.errorbar(
            rows["factors"] + 0.07 * (i - 1.5), 100 * rows["oa_mean"],
            yerr=100 * np.nan_to_num(rows["oa_sd"].to_numpy(float)),
            color=figures.colour(name, i), linestyle=figures.line(i), marker="osD^"[i % 4], ms=3.5,
            linewidth=1.4, elinewidth=0.9, label=name.upper(),
        )  # fmt: skip
    most = int(table["factors"].max())
    if most > printed_figures.FLAT_FROM:
        panel.axvline(printed_figures.FLAT_FROM, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
        panel.annotate(
            "paper: shallow models flat or falling from here", (printed_figures.FLAT_FROM, 1.0),
            xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            fontsize=6.5, color=GREY, ha="center",
        )  # fmt: skip
    panel.xaxis.set_major_locator(MaxNLocator(14, integer=True))
    panel.set_xlim(0.5, most + 0.5)
    panel.set_xlabel("Number of factors, by information gain")
    panel.set_ylabel("Overall accuracy, test cells (%)")
    panel.set_title("(b)", loc="left")
    panel.legend(loc="lower right", frameon=False, ncols=2, handlelength=2.8)
    _grid(panel)
    return figure


LAYER_MEASURES: Mapping[str, str] = {
    "oa": "OA of a logistic regression (%)",
    "fisher": "Fisher ratio",
    "silhouette": "Silhouette",
}


def layers(table: pd.DataFrame) -> Figure:
    """Return how well the features of each layer tell the classes apart.

    Parameters
    ----------
    table : DataFrame
        F10_layers.csv: a row per layer.
    """
    figure, _ = figures.new(WIDTH, 2.35)
    for i, (measure, title) in enumerate(LAYER_MEASURES.items()):
        axes = figures.axes_at(figure, 0.5 + i * 2.3, 0.48, 1.95, 1.55)
        scale = 100 if measure == "oa" else 1
        mean, sd = (scale * table[f"{measure}_{k}"].to_numpy(float) for k in ("mean", "sd"))
        axes.errorbar(table["layer"], mean, yerr=np.nan_to_num(sd), **_OWN)
        axes.set_xticks(table["layer"], ["inputs", *map(str, table["layer"][1:])])
        axes.set_xlabel("Layer")
        axes.set_title(title, loc="left", fontsize=8.5)
        axes.margins(x=0.12)
        _grid(axes)
    return figure


def confusion(matrices: Sequence[ModelConfusion]) -> Figure:
    """Return confusion matrices, shaded by the share of each mapped class."""
    columns = min(2, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    side, dx, dy = 1.7, 2.65, 2.45
    figure, _ = figures.new(columns * dx + 0.1, rows * dy)
    for i, matrix in enumerate(matrices):
        left = 0.85 + (i % columns) * dx
        bottom = 0.45 + (rows - 1 - i // columns) * dy
        _matrix(figures.axes_at(figure, left, bottom, side, side), matrix)
    return figure


def _matrix(axes: Axes, matrix: ModelConfusion) -> None:
    counts = np.array([[matrix.tp, matrix.fn], [matrix.fp, matrix.tn]], float)
    # Of each mapped class, which is what does not depend on the balance of the samples.
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
    axes.set_title(matrix.model.upper(), loc="left")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def scores(every: Sequence[Summary]) -> Figure:
    """Return a protocol's scores beside the published ones, a panel per measure."""
    rows = sorted(every, key=lambda row: row.oa.mean or 0.0)
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


def _dots(axes: Axes, rows: Sequence[Summary], measure: str) -> None:
    scale = 100 if measure in words.PERCENT else 1
    for i, row in enumerate(rows):
        paper = published.SCORES.get(row.model, {}).get(measure)
        if paper is not None:
            axes.errorbar(
                scale * paper.mean, i + 0.14, xerr=scale * (paper.sd or 0), fmt="D", ms=4.5,
                color="#5a626b", mfc="white", elinewidth=1,
            )  # fmt: skip
        own = row.of(measure)
        if own.mean is not None:
            axes.errorbar(
                scale * own.mean, i - 0.14, xerr=scale * (own.sd or 0), fmt="o", ms=5,
                color=figures.COLOURS["sae"], elinewidth=1,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.model.upper() for row in rows])
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.margins(x=0.08)
    axes.grid(axis="x", color=figures.GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_title(words.heading(measure), loc="left", fontsize=8.5)
