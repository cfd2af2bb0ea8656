"""Charts: curves and scores by protocol, sizes of landslides, search for settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shakeslide.layers.positives import Positive
from shakeslide.report import figures, words
from shakeslide.report.score_tables import SIDE_BY_SIDE
from shakeslide.results.evaluation_document import (
    Evaluation,
    ModelRates,
    ModelReliability,
    ModelRoc,
    Summary,
)
from shakeslide.sources.source_files import Frequencies

PROTOCOL_MARKS = (("o", "#8c96a0"), ("s", "#0072b2"), ("D", "#d55e00"), ("^", "#000000"))
"""Mark and colour of the protocols in their order."""
DASHED = (0, (4, 2))

# ------------------------------------------------------------------ curves by protocol


def roc(curves: Sequence[ModelRoc], rows: Sequence[Summary], protocols: Sequence[str]) -> Figure:
    """Return the mean ROC curves of all models, a panel per protocol; `rows` have their areas."""
    figure, panels = _squares(protocols, 1, "False positive rate", "True positive rate")
    for protocol, axes in panels.items():
        summary = {row.model: row for row in rows if row.protocol == protocol}
        names = list(summary)
        shown = [curve for curve in curves if curve.protocol == protocol]
        # The legend lists the best first, as readers look for it.
        for curve in sorted(shown, key=lambda c: -summary[c.model].auc):
            # Its place in the study, so that a model looks alike in all figures.
            place, auc = names.index(curve.model), summary[curve.model].roc_auc
            label = f"{curve.model.upper()}  {words.score('roc_auc', auc.mean, auc.sd)}"
            _line(axes, curve.fpr, curve.tpr, curve.model, place, label=label)
        several = any(row.n > 1 for row in summary.values())
        _key(axes, "AUC, mean ± sd" if several else "AUC")
    return figure


def reliability(
    every: Sequence[ModelReliability],
    protocols: Sequence[str],
    positives: Positive = Positive.SOURCES,
) -> Figure:
    """Return how often cells were positive by what was predicted, on the balance of the samples."""
    share = f"Share of {positives.cells} among the cells"
    figure, panels = _squares(protocols, 1, "Predicted probability", share)
    for protocol, axes in panels.items():
        curves = [curve for curve in every if curve.protocol == protocol]
        for place, curve in enumerate(curves):
            _line(axes, curve.predicted, curve.observed, curve.model, place, marker="o", ms=3)
        axes.legend(loc="upper left", frameon=False, handlelength=2.6)
    return figure


def rates(
    every: Sequence[ModelRates], protocols: Sequence[str], positives: Positive = Positive.SOURCES
) -> Figure:
    """Return prediction-rate curves, and success-rate curves faintly behind them."""
    found = f"{positives.cells.capitalize()} found (%)"
    searched = "Area searched, most susceptible first (%)"
    figure, panels = _squares(protocols, 100, searched, found)
    for protocol, axes in panels.items():
        curves = [curve for curve in every if curve.protocol == protocol]
        for place, curve in enumerate(curves):
            area, prediction, success = (
                100 * np.array(values, float)
                for values in (curve.area, curve.prediction, curve.success)
            )
            _line(axes, area, prediction, curve.model, place)
            # Cells that the model was fitted on flatter it: these are drawn faintly.
            faint: Mapping[str, Any] = {"linewidth": 0.8, "alpha": 0.45, "label": None}
            _line(axes, area, success, curve.model, place, **faint)
        _key(axes, "Bold: test cells; thin: training cells")
    return figure


def _squares(
    protocols: Sequence[str], end: float, x: str, y: str
) -> tuple[Figure, dict[str, Axes]]:
    """Return a square panel per protocol with the diagonal from 0 to `end`."""
    columns = min(2, len(protocols))
    rows = math.ceil(len(protocols) / columns)
    figure, found = figures.panels(3.7 * columns, 3.8 * rows, rows, columns)
    for axes in found[len(protocols) :]:
        axes.remove()
    panels = dict(zip(protocols, found, strict=False))
    for protocol, axes in panels.items():
        axes.set_title(words.protocol_title(protocol), loc="left")
        axes.plot([0, end], [0, end], color="#a0a6ad", linewidth=0.8, zorder=1)
        # A curve along the frame keeps its whole width.
        limits = (-0.005 * end, 1.005 * end)
        axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=x, ylabel=y)
    return figure, panels


def _line(axes: Axes, x: Any, y: Any, model: str, place: int, **how: Any) -> None:
    look = {"linewidth": 1.5, "label": model.upper(), "linestyle": figures.line(place), **how}
    axes.plot(np.array(x, float), np.array(y, float), color=figures.colour(model, place), **look)


def _key(axes: Axes, title: str) -> None:
    axes.legend(
        title=title,
        loc="lower right",
        frameon=False,
        title_fontsize=8.5,
        alignment="left",
        handlelength=2.6,
    )


# ------------------------------------------------------------------ scores by protocol


def protocols(evaluation: Evaluation, names: Sequence[str]) -> Figure:
    """Return accuracy and AUC of each model under all protocols, with 95 % intervals.

    Where the study knows the true probabilities, their scores are drawn as a limit.
    """
    models, truth = evaluation.models, evaluation.truth
    tall = 0.2 * len(models) * max(len(names), 2) + 0.7 + 0.2 * len(names)
    figure, panels = figures.panels(5.6, tall, 1, 2, sharey=True)
    for axes, measure in zip(panels, SIDE_BY_SIDE, strict=True):
        scale = 100 if measure in words.PERCENT else 1
        for j, name in enumerate(names):
            told = [row.of(measure) for row in evaluation.of_protocol(name)]
            mean, low, high = (
                scale * np.array([getattr(t, key) for t in told], float)
                for key in ("mean", "low", "high")
            )
            y = np.arange(len(models)) + 0.22 * (j - (len(names) - 1) / 2)
            mark, colour = PROTOCOL_MARKS[j % len(PROTOCOL_MARKS)]
            axes.hlines(y, low, high, color=colour, linewidth=1.2)
            axes.plot(mean, y, mark, ms=4.5, color=colour, label=words.protocol_title(name))
        if truth is not None and (best := truth.scores.of(measure)) is not None:
            label = "known probabilities, same test cells"
            axes.axvline(scale * best, color="#1b1f24", linewidth=1, linestyle=DASHED, label=label)
        axes.set_title(words.heading(measure), loc="left", fontsize=8.5)
    figures.named_rows(panels[0], [m.upper() for m in models])
    figures.key_below(figure, panels[0])
    return figure


# ------------------------------------------------------------------ sizes of landslides

SIZES = (("#0072b2", "o", "whole landslides"), ("#d55e00", "s", "sources"))
"""Colour, mark and name of whole landslides and of sources."""


def frequency(told: Frequencies) -> Figure:
    """Return the density of landslides by area on logarithmic axes, with the fitted tails."""
    figure, (axes,) = figures.panels(5.2, 4.2)
    axes.set_title("Size distribution of landslides", loc="left")
    axes.set(xscale="log", yscale="log")
    # Plain numbers: powers would need mathematics, which the style leaves out.
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for part, (colour, mark, label) in zip((told.landslides, told.sources), SIZES, strict=True):
        if not part.area:
            continue
        axes.plot(part.area, part.density, mark, color=colour, markersize=3.5, label=label)
        tail = part.tail
        if tail is None:
            continue
        area = np.geomspace(tail.least, max(part.area), 40)
        # The tail holds `count` landslides.
        scale = tail.count * (tail.alpha - 1) / tail.least
        density = scale * (area / tail.least) ** -tail.alpha
        text = f"exponent {tail.alpha:.2f} ± {tail.error:.2f} above {tail.least:,.0f} m²"
        axes.plot(area, density, color=colour, linewidth=1.4, label=text)
    axes.set(xlabel="Area (m²)", ylabel="Landslides per m² of area class")
    axes.legend(loc="lower left", frameon=False)
    return figure


def write_frequency(told: Frequencies, path: Path) -> None:
    """Draw the density of landslides by area into a PNG."""
    with figures.style():
        figures.write(frequency(told), path)


# ------------------------------------------------------------------ search for settings


def write_history(model: str, losses: Sequence[float], path: Path) -> None:
    """Draw the log loss of every trial of a search into a PNG, and the best so far.

    Parameters
    ----------
    model : str
        Its name.
    losses : sequence of float
        Log loss of each trial, in their order, the study's own settings first.
    path : Path
        PNG file to make.
    """
    loss = np.array(losses)
    number = np.arange(1, loss.size + 1)
    with figures.style():
        figure, (axes,) = figures.panels(5.2, 3.2)
        axes.set_title(f"{model.upper()}: search for settings", loc="left")
        axes.axhline(loss[0], color="#8c96a0", ls=DASHED, lw=1, label="settings of the study")
        axes.plot(number, loss, "o", color="#56b4e9", markersize=4, label="a trial")
        best = np.minimum.accumulate(loss)
        axes.step(number, best, where="post", color="#0072b2", linewidth=1.6, label="best so far")
        # A few very bad trials must not flatten the rest.
        low, high = loss.min(), max(np.quantile(loss, 0.9), loss[0])
        axes.set_ylim(low - 0.08 * (high - low + 1e-9), high + 0.25 * (high - low + 1e-9))
        axes.set(xlabel="Trial", ylabel="Log loss on validation rows")
        axes.legend(loc="upper right", frameon=False)
        figures.write(figure, path)
