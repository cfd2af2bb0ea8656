"""Charts of the factors' importance: gain, loss when shuffled, dependence, collinearity."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from shakeslide.evaluation.collinearity import CLOSE, INFLATED, STRONGLY_INFLATED
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning.explanation import Collinear, Dependence, Gain, ModelImportance
from shakeslide.report import figures, legends, words
from shakeslide.report.charts import GRID
from shakeslide.report.importance_text import printed_vif
from shakeslide.results.importance_document import Importance

MARKS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "*", "h")
BAR = "#0072b2"
VIF_COLOURS = ("#8c96a0", "#e69f00", "#d55e00")
"""Variance inflation that is low, worth a thought, and high."""
WIDTH = 5.6
"""Of the charts in inches."""


def gain(rows: Sequence[Gain], infos: Mapping[str, FactorInfo]) -> Figure:
    """Return the information gain of each factor as bars.

    Parameters
    ----------
    rows : sequence of Gain
        One per factor, greatest first.
    infos : mapping of str to FactorInfo
        The factors by code.
    """
    tall, left = 0.21 * len(rows) + 0.1, 2.35
    figure, _ = figures.new(WIDTH, tall + 0.5)
    axes = figures.axes_at(figure, left, 0.43, WIDTH - left - 0.45, tall)
    # Bars count upwards: reversed, the greatest is on top.
    values = [r.bits or 0.0 for r in rows][::-1]
    axes.barh(range(len(rows)), values, height=0.7, color=BAR)
    for y, value in enumerate(values):
        axes.annotate(
            f"{value:.3f}", (value, y), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=7.5,
        )  # fmt: skip
    names = [_named(r.code, infos) for r in rows][::-1]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    _bare(axes)
    axes.set_xlabel("Information gain (bit)")
    return figure


def _named(code: str, infos: Mapping[str, FactorInfo]) -> str:
    info = infos.get(code)
    if info is None or not figures.drawable(info.name):
        return code
    return f"{legends.shortened(info.name, 28)}  {code}"


def _bare(axes: Axes) -> None:
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def permutation(importance: Importance) -> Figure:
    """Return the loss of AUC when groups of correlated factors are shuffled, model by model."""
    table, models = importance.losses, importance.models
    labels = ["\n".join(textwrap.wrap(" + ".join(codes), 22)) for codes in table]
    lines = sum(label.count("\n") + 1 for label in labels)
    tall = (0.1 + 0.09 * len(models)) * len(table) + 0.06 * lines
    longest = max(len(line) for label in labels for line in label.split("\n"))
    # Room for the longest name: groups may be of many factors.
    left, columns = 0.3 + 0.085 * longest, 4
    below = 0.5 + 0.19 * math.ceil(len(models) / columns)
    figure, sheet = figures.new(WIDTH, tall + below + 0.08)
    axes = figures.axes_at(figure, left, below, WIDTH - left - 0.1, tall)
    spread = 0.66
    for k, model in enumerate(models):
        name, colour, mark = model.model, figures.colour(model.model, k), MARKS[k % 11]
        offset = spread * (0.5 - (k + 0.5) / len(models))
        for i, row in enumerate(table.values()):
            told = row.get(name)
            if told is None or told.mean is None:
                continue
            y = len(table) - 1 - i + offset
            axes.errorbar(
                100 * told.mean, y, xerr=100 * (told.sd or 0), fmt=mark, ms=4,
                color=colour, elinewidth=1,
            )  # fmt: skip
        x = 0.3 + (k % columns) * (WIDTH - 0.4) / columns
        y = below - 0.55 - 0.19 * (k // columns)
        sheet.plot([x], [y], mark, ms=4.5, color=colour)
        sheet.text(x + 0.12, y, name.upper(), fontsize=8.5, va="center")
    for y in np.arange(len(table) - 1) + 0.5:
        axes.axhline(y, color=GRID, linewidth=0.6)
    axes.axvline(0, color="#3a4048", linewidth=0.8)
    axes.set_yticks(range(len(table)), labels[::-1])
    axes.set_ylim(-0.5, len(table) - 0.5)
    _bare(axes)
    axes.set_xlabel("Loss of ROC-AUC when shuffled (percentage points)")
    return figure


# ------------------------------------------------------------------ dependence


def dependence(models: Sequence[ModelImportance], infos: Mapping[str, FactorInfo]) -> Figure:
    """Return how the mean probability follows each factor, a panel per factor.

    Parameters
    ----------
    models : sequence of ModelImportance
        With their curves.
    infos : mapping of str to FactorInfo
        The factors by code.
    """
    codes = list(dict.fromkeys(curve.code for m in models for curve in m.dependence))
    columns = min(4, len(codes))
    rows = math.ceil(len(codes) / columns)
    wide, tall, dx, dy = 1.45, 1.15, 1.72, 1.78
    lines = math.ceil(len(models) / columns)
    below = 0.12 + 0.18 * lines
    figure, sheet = figures.new(0.62 + columns * dx, below + rows * dy)
    low, high = _range(models)
    for i, code in enumerate(codes):
        left = 0.56 + (i % columns) * dx
        bottom = below + (rows - 1 - i // columns) * dy + 0.45
        axes = figures.axes_at(figure, left, bottom, wide, tall)
        info = infos.get(code)
        for k, model in enumerate(models):
            curve = model.dependence_on(code)
            if curve is not None:
                _curve(axes, curve, info, (model.model, k, len(models)))
        axes.set_ylim(low, high)
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=7)
        if i % columns:
            axes.set_yticklabels([])
        _value_axis(axes, code, info)
    sheet.text(
        0.1, below + rows * dy / 2, "Mean predicted probability", rotation=90, ha="center",
        va="center", fontsize=8.5,
    )  # fmt: skip
    _model_key(sheet, [m.model for m in models], columns, dx)
    return figure


def _range(models: Sequence[ModelImportance]) -> tuple[float, float]:
    """Return limits that show all curves, whole tenths."""
    values = [p for m in models for d in m.dependence for p in d.probability if p is not None]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    # Constant curves on a whole tenth would leave no range.
    return (low, high) if high > low else (low, low + 0.1)


def _curve(
    axes: Axes, curve: Dependence, info: FactorInfo | None, model: tuple[str, int, int]
) -> None:
    x, p = np.array(curve.values, float), np.array(curve.probability, float)
    name, k, count = model
    colour = figures.colour(name, k)
    if info is not None and info.kind == "categorical":
        # Side by side, for models often agree.
        beside = 0.6 * ((k + 0.5) / count - 0.5)
        axes.plot(np.arange(len(x)) + beside, p, MARKS[k % 11], ms=2.6, color=colour)
        axes.set_xticks(range(len(x)), [f"{v:g}" for v in x])
        axes.margins(x=0.08)
        return
    if info is not None and info.kind == "circular":
        # Level ground faces nowhere: it is no point of the curve.
        x, p = x[x >= 0], p[x >= 0]
    axes.plot(x, p, color=colour, linestyle=figures.line(k), linewidth=1.2)
    # Where the curve was asked for: the same places for all models, drawn once.
    if k == 0:
        axes.plot(
            x, np.full(len(x), 0.03), "|", ms=4, mew=0.6, color="#3a4048",
            transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip


def _value_axis(axes: Axes, code: str, info: FactorInfo | None) -> None:
    axes.set_title(code, loc="left", fontsize=8.5, pad=3)
    if info is None:
        return
    if info.kind == "categorical":
        ticks = axes.get_xticks()
        step = math.ceil(len(ticks) / 10)
        for i, tick in enumerate(axes.get_xticklabels()):
            tick.set_visible(i % step == 0)
    elif info.kind == "circular":
        axes.set_xlim(0, 360)
        axes.set_xticks([0, 90, 180, 270, 360], ["N", "E", "S", "W", "N"])
    elif info.kind == "axial":
        axes.set_xlim(0, 180)
        axes.set_xticks([0, 45, 90, 135, 180], ["N–S", "", "E–W", "", "N–S"])
    else:
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            mpl.ticker.FuncFormatter(lambda v, _: f"{v:,.6g}".replace("-", "\u2212"))
        )
    # Axes with the points of the compass need no unit, and a unit must not be broken.
    unit = "" if info.kind in ("circular", "axial") else words.unit(info.unit)
    unit = unit.replace(" ", words.NBSP)
    name = info.name if figures.drawable(info.name) else code
    label = f"{name} ({unit})" if unit else name
    axes.set_xlabel("\n".join(textwrap.wrap(label, 26)[:2]), fontsize=6.8, labelpad=2)


def _model_key(sheet: Axes, models: Sequence[str], columns: int, step: float) -> None:
    """Draw the key of the curves beneath the panels, in their columns."""
    rows = math.ceil(len(models) / columns)
    for k, name in enumerate(models):
        x, y = 0.56 + (k % columns) * step, 0.13 + 0.18 * (rows - 1 - k // columns)
        colour = figures.colour(name, k)
        sheet.plot([x, x + 0.3], [y, y], color=colour, ls=figures.line(k), linewidth=1.4)
        sheet.plot([x + 0.15], [y], MARKS[k % 11], ms=3, color=colour)
        sheet.text(x + 0.36, y, name.upper(), fontsize=8, va="center")


# ------------------------------------------------------------------ collinearity


def collinearity(told: Collinear, infos: Mapping[str, FactorInfo]) -> Figure:
    """Return the correlations of the factors with their numbers, and variance inflation beside.

    Parameters
    ----------
    told : Collinear
        Correlations and variance inflation.
    infos : mapping of str to FactorInfo
        The factors by code.
    """
    codes = list(told.codes)
    n = len(codes)
    cell = 0.33 if n <= 16 else 0.29
    side, left, below, vif_wide = cell * n, 0.55, 1.1, 1.3
    width = max(left + side + vif_wide + 0.12, 4.0)
    figure, sheet = figures.new(width, below + side + 0.08)
    axes = figures.axes_at(figure, left, below, side - cell, side)
    _correlation_matrix(axes, told, infos, 6.8 if n <= 16 else 6.0)
    bars = figures.axes_at(figure, left + side, below, vif_wide, side)
    _vif_bars(bars, told)
    bar = figures.axes_at(figure, left, 0.6, min(0.55 * side + 0.2, 2.4), 0.09)
    drawn = legends.colour_bar(figure, bar, Normalize(-1, 1), mpl.colormaps["PuOr_r"], 7)
    drawn.set_ticks([-1, -CLOSE, 0, CLOSE, 1])
    bar.set_xlabel("Correlation (framed: 0.7 or more)", fontsize=7.5, labelpad=1.5)
    sheet.text(left, 0.08, "Italic: an angle or classes; the value has no sign", fontsize=7.5)
    return figure


def _correlation_matrix(
    axes: Axes, told: Collinear, infos: Mapping[str, FactorInfo], size: float
) -> None:
    codes = list(told.codes)
    r = np.array(told.correlation, float)
    # One half says all: correlations are the same both ways.
    below = np.tri(len(codes), k=-1, dtype=bool)
    shown = np.where(below, r, np.nan)
    axes.imshow(shown, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    for i, j in np.argwhere(below & np.isfinite(r)):
        # Of angles and classes only the strength of the tie is known.
        unsigned = any(infos[c].kind != "continuous" for c in (codes[i], codes[j]) if c in infos)
        axes.text(
            j, i, _short(r[i, j]), ha="center", va="center", fontsize=size,
            style="italic" if unsigned else "normal",
            color="white" if abs(r[i, j]) > 0.75 else "#1b1f24",
        )  # fmt: skip
        if abs(r[i, j]) >= CLOSE:
            frame = mpl.patches.Rectangle(
                (j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=1.1
            )
            axes.add_patch(frame)
    # Only what lies below the diagonal is drawn, which the last column has nothing of.
    axes.set_xlim(-0.5, len(codes) - 1.5)
    axes.set_xticks(range(len(codes) - 1), codes[:-1], fontsize=7, rotation=90)
    axes.set_yticks(range(len(codes)), codes, fontsize=7.5)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _short(value: float) -> str:
    """Return a correlation without its leading zero, as tables have it."""
    text = words.signed(value, 2).lstrip("+")
    return text if abs(value) >= 0.995 else text.replace("0.", ".", 1)


def _vif_bars(axes: Axes, told: Collinear) -> None:
    """Draw variance inflation in the rows of the matrix, on a scale of powers."""
    codes = list(told.codes)
    finite = [v for v in told.vif.values() if v is not None]
    # Both limits are on the axis even where all factors lie below them.
    end = max([*finite, 1.3 * STRONGLY_INFLATED])
    for i, code in enumerate(codes):
        text, value = printed_vif(told, i), told.vif[code]
        if text == "∞":
            value = end
        if value is not None:
            level = int(value >= INFLATED) + int(value >= STRONGLY_INFLATED)
            # From 1, the least value, as a logarithmic axis has no 0.
            axes.barh(i, value - 1, left=1, height=0.6, color=VIF_COLOURS[level])
        axes.text(
            1.0, i, text, ha="right", va="center", fontsize=7,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    for limit in (INFLATED, STRONGLY_INFLATED):
        axes.axvline(limit, color="#5a626b", linewidth=0.6, linestyle=(0, (3, 2)), zorder=0)
    axes.set_xscale("log")
    # Beyond the longest bar is room for the numbers.
    axes.set_xlim(1, end**1.35)
    # Downwards, as the rows of the matrix beside it.
    axes.set_ylim(len(codes) - 0.5, -0.5)
    axes.set_yticks([])
    ticks = [t for t in (1, 5, 10, 100, 1000) if t <= end]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], fontsize=7)
    axes.minorticks_off()
    axes.set_xlabel("Variance inflation (VIF)", fontsize=7.5, labelpad=2)
