"""Charts of the factors' importance: loss when shuffled, dependence, correlation."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shakeslide.evaluation.collinearity import CLOSE
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning.explanation import Collinear, Dependence, ModelImportance
from shakeslide.report import figures, words
from shakeslide.results.importance_document import Importance

MARKS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "*", "h")
MOST_ROWS = 40
"""Groups of factors that the chart of permutation shows at most: those of the greatest loss."""
MOST_CODES = 8
"""Factors of a group that are named on it at most."""
LINE = 0.135
"""Height of a line of a label in inches."""
WIDTH = 5.6
"""Of the charts in inches."""


def permutation(importance: Importance) -> Figure:
    """Return the loss of AUC when groups of correlated factors are shuffled, model by model."""
    table, models = dict(list(importance.losses.items())[:MOST_ROWS]), importance.models
    labels = ["\n".join(textwrap.wrap(_together(codes), 22)) for codes in table]
    lines = np.array([label.count("\n") + 1 for label in labels])
    # As tall as its marks or its label needs: of many factors a group may have many names.
    tall = np.maximum(0.1 + 0.09 * len(models) + 0.06 * lines, LINE * lines + 0.06)
    middle = np.cumsum(tall) - tall / 2
    figure, (axes,) = figures.panels(WIDTH, tall.sum() + 0.5 + 0.19 * math.ceil(len(models) / 4))
    for k, model in enumerate(models):
        losses = [row.get(model.model) for row in table.values()]
        mean, sd = (
            100 * np.array([loss and getattr(loss, key) for loss in losses], float)
            for key in ("mean", "sd")
        )
        room = 0.1 + 0.09 * len(models)
        y = middle + room * ((k + 0.5) / len(models) - 0.5)
        axes.errorbar(
            mean, y, xerr=np.nan_to_num(sd), fmt=MARKS[k % 11], ms=4, elinewidth=1,
            color=figures.colour(model.model, k), label=model.model.upper(),
        )  # fmt: skip
    axes.axvline(0, color="#3a4048", linewidth=0.8)
    figures.named_rows(axes, labels, middle, float(tall.sum()))
    axes.set_xlabel("Loss of ROC-AUC when shuffled (percentage points)")
    figures.key_below(figure, axes, columns=4)
    return figure


def _together(codes: Sequence[str]) -> str:
    """Return the name of a group of factors; of many, some and the number of the others."""
    if len(codes) <= MOST_CODES:
        return " + ".join(codes)
    return " + ".join(codes[: MOST_CODES - 1]) + f" + {len(codes) - MOST_CODES + 1} others"


# ------------------------------------------------------------------ dependence


def dependence(models: Sequence[ModelImportance], infos: Mapping[str, FactorInfo]) -> Figure:
    """Return how the mean probability follows each factor, a panel per factor.

    Parameters
    ----------
    models : sequence of ModelImportance
        With their curves.
    infos : mapping of str to FactorInfo
        The factors to draw, by code; none: all.
    """
    every = dict.fromkeys(curve.code for m in models for curve in m.dependence)
    codes = [code for code in every if code in infos or not infos]
    columns = min(4, len(codes))
    rows = math.ceil(len(codes) / columns)
    figure, panels = figures.panels(
        0.62 + 1.72 * columns, 0.3 + 1.78 * rows, rows, columns, sharey=True
    )
    for axes, code in zip(panels, codes, strict=False):
        info = infos.get(code)
        for k, model in enumerate(models):
            curve = model.dependence_on(code)
            if curve is not None:
                _curve(axes, curve, info, (model.model, k, len(models)))
        axes.tick_params(labelsize=7)
        _value_axis(axes, code, info)
    for axes in panels[len(codes) :]:
        axes.remove()
    figure.supylabel("Mean predicted probability", fontsize=8.5)
    figures.key_below(figure, panels[0], columns=columns)
    return figure


def _curve(
    axes: Axes, curve: Dependence, info: FactorInfo | None, model: tuple[str, int, int]
) -> None:
    x, p = np.array(curve.values, float), np.array(curve.probability, float)
    name, k, count = model
    colour, kind = figures.colour(name, k), info.kind if info is not None else ""
    if kind == "categorical":
        # Side by side, for models often agree.
        beside = 0.6 * ((k + 0.5) / count - 0.5)
        axes.plot(np.arange(len(x)) + beside, p, MARKS[k % 11], ms=2.6, color=colour)
        # As many codes as there is room for.
        step = math.ceil(len(x) / 10)
        axes.set_xticks(range(0, len(x), step), [f"{v:g}" for v in x[::step]])
        return
    if kind == "circular":
        # Level ground faces nowhere: it is no point of the curve.
        x, p = x[x >= 0], p[x >= 0]
    axes.plot(x, p, color=colour, linestyle=figures.line(k), linewidth=1.2, label=name.upper())
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
    if info.kind == "circular":
        axes.set(xlim=(0, 360), xticks=(0, 90, 180, 270, 360), xticklabels=list("NESWN"))
    elif info.kind == "axial":
        axes.set_xlim(0, 180)
        axes.set_xticks([0, 45, 90, 135, 180], ["N–S", "", "E–W", "", "N–S"])
    elif info.kind == "continuous":
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: f"{v:,.6g}".replace("-", "\u2212"))
        )
    # Axes with the points of the compass need no unit, and a unit must not be broken.
    unit = "" if info.kind in ("circular", "axial") else words.unit(info.unit)
    unit = unit.replace(" ", words.NBSP)
    name = info.name if figures.drawable(info.name) else code
    label = f"{name} ({unit})" if unit else name
    axes.set_xlabel("\n".join(textwrap.wrap(label, 26)[:2]), fontsize=6.8, labelpad=2)


# ------------------------------------------------------------------ correlation


def correlation(told: Collinear, infos: Mapping[str, FactorInfo]) -> Figure:
    """Return the correlations of the factors with their numbers.

    Parameters
    ----------
    told : Collinear
        Correlations.
    infos : mapping of str to FactorInfo
        The factors by code; numbers of angles and classes are italic, for they have no sign.
    """
    codes, r = list(told.codes), np.array(told.correlation, float)
    size, cell = (6.8, 0.33) if len(codes) <= 16 else (6.0, 0.29)
    side = cell * len(codes)
    figure, (axes,) = figures.panels(max(side + 0.7, 3.2), side + 1.2)
    # One half says all: correlations are the same both ways.
    below = np.tri(len(codes), k=-1, dtype=bool)
    image = axes.imshow(np.where(below, r, np.nan), cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    for i, j in np.argwhere(below & np.isfinite(r)):
        # Of angles and classes only the strength of the tie is known.
        unsigned = any(infos[c].kind != "continuous" for c in (codes[i], codes[j]) if c in infos)
        axes.text(
            j, i, _short(r[i, j]), ha="center", va="center", fontsize=size,
            style="italic" if unsigned else "normal",
            color="white" if abs(r[i, j]) > 0.75 else "#1b1f24",
        )  # fmt: skip
        if abs(r[i, j]) >= CLOSE:
            corner = (j - 0.47, i - 0.47)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor="k", linewidth=1.1))
    # Only what lies below the diagonal is drawn, which the last column has nothing of.
    axes.set_xlim(-0.5, max(len(codes) - 1.5, 0.5))
    axes.set_xticks(range(len(codes) - 1), codes[:-1], fontsize=7, rotation=90)
    axes.set_yticks(range(len(codes)), codes, fontsize=7.5)
    axes.tick_params(length=0, pad=2)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=30, label="Correlation")
    bar.set_ticks([-1, -CLOSE, 0, CLOSE, 1])
    return figure


def _short(value: float) -> str:
    """Return a correlation without its leading zero, as tables have it."""
    text = words.signed(value, 2).lstrip("+")
    return text if abs(value) >= 0.995 else text.replace("0.", ".", 1)
