"""Charts: scores, ROC curves, confusion matrices, sizes of landslides, search for settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shakeslide.layers.positives import Positive
from shakeslide.report import figures, published, words
from shakeslide.report.score_tables import COMPARED
from shakeslide.results.evaluation_document import (
    Evaluation,
    ModelConfusion,
    ModelRates,
    ModelReliability,
    ModelRoc,
    Summary,
)
from shakeslide.sources.source_files import Frequencies

PROTOCOL_MARKS = (("o", "#8c96a0"), ("s", "#0072b2"), ("D", "#d55e00"), ("^", "#000000"))
"""Mark and colour of the protocols in their order."""
TRUTH, TRUTH_LINE = "#1b1f24", (0, (4, 2))
GRID = "#e3e6e9"


def roc(curves: Sequence[ModelRoc], rows: Sequence[Summary], protocol: str) -> Figure:
    """Return the mean ROC curves of all models under a protocol.

    Parameters
    ----------
    curves : sequence of ModelRoc
        Of all protocols.
    rows : sequence of Summary
        Of this protocol, with the areas under the curves.
    protocol : str
        Its name.
    """
    figure, axes = _square(protocol, 1)
    shown = [curve for curve in curves if curve.protocol == protocol]
    summary = {row.model: row for row in rows}
    names = list(summary)
    # The legend lists the best first, as readers look for it.
    for curve in sorted(shown, key=lambda c: -summary[c.model].auc):
        # Its place in the study, so that a model looks alike in all figures.
        place, auc = names.index(curve.model), summary[curve.model].roc_auc
        axes.plot(
            np.array(curve.fpr, float),
            np.array(curve.tpr, float),
            color=figures.colour(curve.model, place),
            linestyle=figures.line(place),
            linewidth=1.6,
            label=f"{curve.model.upper()}  {words.score('roc_auc', auc.mean, auc.sd)}",
        )
    # A curve along the frame keeps its whole width.
    axes.set(xlim=(-0.005, 1), ylim=(0, 1.005), aspect="equal")
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")
    several = any(row.n > 1 for row in rows)
    _key(axes, "AUC, mean ± sd" if several else "AUC")
    return figure


def _square(protocol: str, end: float) -> tuple[Figure, Axes]:
    """Return a square panel with the diagonal from 0 to `end`."""
    side = 4.0
    figure, _ = figures.new(side + 0.65, side + 0.8)
    axes = figures.axes_at(figure, 0.55, 0.48, side, side)
    title = f"{protocol}: {words.PROTOCOLS.get(protocol, '')}"
    axes.set_title(title.rstrip(": "), loc="left")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.plot([0, end], [0, end], color="#a0a6ad", linewidth=0.8, zorder=1)
    return figure, axes


def _key(axes: Axes, title: str) -> None:
    axes.legend(
        title=title,
        loc="lower right",
        frameon=False,
        title_fontsize=8.5,
        alignment="left",
        handlelength=2.6,
    )


def reliability(
    every: Sequence[ModelReliability], protocol: str, positives: Positive = Positive.SOURCES
) -> Figure:
    """Return how often cells were positive by what was predicted, on the balance of the samples."""
    figure, axes = _square(protocol, 1)
    curves = [curve for curve in every if curve.protocol == protocol]
    for place, curve in enumerate(curves):
        axes.plot(
            np.array(curve.predicted, float),
            np.array(curve.observed, float),
            color=figures.colour(curve.model, place),
            linestyle=figures.line(place),
            linewidth=1.4,
            marker="o",
            markersize=3,
            label=curve.model.upper(),
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("Predicted probability")
    axes.set_ylabel(f"Share of {positives.cells} among the cells")
    axes.legend(loc="upper left", frameon=False, handlelength=2.6)
    return figure


def rates(
    every: Sequence[ModelRates], protocol: str, positives: Positive = Positive.SOURCES
) -> Figure:
    """Return prediction-rate curves, and success-rate curves faintly behind them."""
    figure, axes = _square(protocol, 100)
    curves = [curve for curve in every if curve.protocol == protocol]
    for place, curve in enumerate(curves):
        area, prediction, success = (
            100 * np.array(values, float)
            for values in (curve.area, curve.prediction, curve.success)
        )
        colour, line = figures.colour(curve.model, place), figures.line(place)
        name = curve.model.upper()
        axes.plot(area, prediction, color=colour, linestyle=line, linewidth=1.6, label=name)
        # Cells that the model was fitted on flatter it: these are drawn faintly.
        axes.plot(area, success, color=colour, linestyle=line, linewidth=0.8, alpha=0.45)
    axes.set(xlim=(0, 100), ylim=(0, 100.5), aspect="equal")
    axes.set_xlabel("Area searched, most susceptible first (%)")
    axes.set_ylabel(f"{positives.cells.capitalize()} found (%)")
    _key(axes, "Bold: test cells; thin: training cells")
    return figure


def protocols(evaluation: Evaluation, names: Sequence[str]) -> Figure:
    """Return accuracy and AUC of each model under all protocols, with 95 % intervals.

    Where the study knows the true probabilities, their scores are drawn as a limit.
    """
    models = evaluation.models
    wide, tall = 2.3, 0.2 * len(models) * max(len(names), 2) + 0.2
    truth = None if evaluation.truth is None else evaluation.truth.scores
    keys = len(names) + (truth is not None)
    left = figures.room(models)
    figure, sheet = figures.new(left + 2 * wide + 0.45, tall + 0.65 + 0.17 * keys)
    for i, measure in enumerate(("oa", "roc_auc")):
        low = 0.45 + 0.17 * keys
        axes = figures.axes_at(figure, left + i * (wide + 0.3), low, wide, tall - 0.1)
        for j, name in enumerate(names):
            rows = evaluation.of_protocol(name)
            _protocol_dots(axes, rows, measure, models, (j, len(names)))
        if truth is not None and (best := truth.of(measure)) is not None:
            limit = best * (100 if measure in words.PERCENT else 1)
            axes.axvline(limit, color=TRUTH, linewidth=1.0, linestyle=TRUTH_LINE)
        _measure_axis(axes, models, measure)
        if i:
            axes.set_yticklabels([])
    if truth is not None:
        sheet.plot([0.52, 0.68], [0.1, 0.1], color=TRUTH, linewidth=1.0, linestyle=TRUTH_LINE)
        sheet.text(0.75, 0.1, "known probabilities, same test cells", fontsize=8.5, va="center")
    for j, name in enumerate(names):
        mark, colour = PROTOCOL_MARKS[j % len(PROTOCOL_MARKS)]
        y = 0.1 + 0.17 * (keys - 1 - j)
        sheet.plot([0.6], [y], mark, ms=4.5, color=colour)
        text = f"{name}: {words.PROTOCOLS.get(name, '')}".rstrip(": ")
        sheet.text(0.75, y, text, fontsize=8.5, va="center")
    return figure


def _protocol_dots(
    axes: Axes,
    rows: Sequence[Summary],
    measure: str,
    models: Sequence[str],
    place: tuple[int, int],
) -> None:
    j, count = place
    mark, colour = PROTOCOL_MARKS[j % len(PROTOCOL_MARKS)]
    scale = 100 if measure in words.PERCENT else 1
    for row in rows:
        told = row.of(measure)
        if told.mean is None:
            continue
        y = len(models) - 1 - models.index(row.model) + 0.22 * ((count - 1) / 2 - j)
        if told.low is not None and told.high is not None:
            ends = [scale * told.low, scale * told.high]
            axes.plot(ends, [y, y], color=colour, linewidth=1.2)
        axes.plot([scale * told.mean], [y], mark, ms=4.5, color=colour)


def _measure_axis(axes: Axes, models: Sequence[str], measure: str) -> None:
    axes.set_yticks(range(len(models)), [m.upper() for m in reversed(models)])
    axes.set_ylim(-0.5, len(models) - 0.5)
    axes.margins(x=0.08)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_title(words.heading(measure), loc="left", fontsize=8.5)


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
    _measure_axis(axes, [row.model for row in reversed(rows)], measure)


# ------------------------------------------------------------------ sizes of landslides

SIZES = (("#0072b2", "o", "whole landslides"), ("#d55e00", "s", "sources"))
"""Colour, mark and name of whole landslides and of sources."""


def frequency(told: Frequencies) -> Figure:
    """Return the density of landslides by area on logarithmic axes, with the fitted tails.

    Parameters
    ----------
    told : Frequencies
        Of whole landslides and of sources.
    """
    figure, _ = figures.new(5.2, 4.2)
    axes = figures.axes_at(figure, 0.7, 0.5, 4.35, 3.35)
    axes.set_title("Size distribution of landslides", loc="left")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
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
    axes.set_xlabel("Area (m²)")
    axes.set_ylabel("Landslides per m² of area class")
    axes.legend(loc="lower left", frameon=False)
    return figure


def write_frequency(told: Frequencies, path: Path) -> None:
    """Draw the density of landslides by area into a PNG."""
    with figures.style():
        figures.write(frequency(told), path)


# ------------------------------------------------------------------ search for settings


def history(model: str, losses: Sequence[float]) -> Figure:
    """Return the log loss of every trial, the best so far, and that of the settings of the study.

    Parameters
    ----------
    model : str
        Its name.
    losses : sequence of float
        Log loss of each trial, in their order, the study's own settings first.
    """
    loss = np.array(losses)
    number = np.arange(1, loss.size + 1)
    figure, _ = figures.new(5.2, 3.2)
    axes = figures.axes_at(figure, 0.65, 0.5, 4.4, 2.35)
    axes.set_title(f"{model.upper()}: search for settings", loc="left")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.axhline(loss[0], color="#8c96a0", linewidth=1.0, linestyle=(0, (4, 2)),
                 label="settings of the study")  # fmt: skip
    axes.plot(number, loss, "o", color="#56b4e9", markersize=4, label="a trial")
    axes.step(number, np.minimum.accumulate(loss), where="post", color="#0072b2", linewidth=1.6,
              label="best so far")  # fmt: skip
    # A few very bad trials must not flatten the rest.
    low, high = loss.min(), max(np.quantile(loss, 0.9), loss[0])
    axes.set_ylim(low - 0.08 * (high - low + 1e-9), high + 0.25 * (high - low + 1e-9))
    axes.set_xlabel("Trial")
    axes.set_ylabel("Log loss on validation rows")
    axes.legend(loc="upper right", frameon=False)
    return figure


def write_history(model: str, losses: Sequence[float], path: Path) -> None:
    """Draw the history of a search into a PNG."""
    with figures.style():
        figures.write(history(model, losses), path)
