"""Charts of optimism, of scores at the area's balance, and of differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shakeslide.layers.positives import Positive
from shakeslide.report import figures, legends, words
from shakeslide.report.charts import GRID, PROTOCOL_MARKS
from shakeslide.report.findings import REFERENCE
from shakeslide.results.evaluation_document import Evaluation, Offset, Pair

POINTS = {"oa": "Overall accuracy (percentage points)", "roc_auc": "ROC-AUC (percentage points)"}
UNRESOLVED = "#eceff1"
QUIET = "#5a626b"
WIDEST = 7.4
"""Inches of the widest figure."""
MOST_BESIDE = 6
"""Models up to which two matrices stand side by side."""


def optimism(offsets: Sequence[Offset], models: Sequence[str], protocols: Sequence[str]) -> Figure:
    """Return by how many percentage points random splits overestimate each model.

    Parameters
    ----------
    offsets : sequence of Offset
        Points by protocol and model.
    models, protocols : sequence of str
        In the order of the evaluation, `pixel` among the protocols.
    """
    told = {(offset.protocol, offset.model): offset for offset in offsets}
    others = [p for p in protocols if any(p == key[0] for key in told)]
    wide, tall = 2.3, 0.21 * len(models) * max(len(others), 2) + 0.15
    low = 0.45 + 0.17 * len(others)
    left = figures.room(models)
    figure, sheet = figures.new(left + 2 * wide + 0.45, tall + low + 0.25)
    for i, measure in enumerate(POINTS):
        axes = figures.axes_at(figure, left + i * (wide + 0.3), low, wide, tall)
        for j, protocol in enumerate(others):
            colour = PROTOCOL_MARKS[protocols.index(protocol) % len(PROTOCOL_MARKS)][1]
            height = 0.72 / len(others)
            y = np.arange(len(models))[::-1] + height * ((len(others) - 1) / 2 - j)
            points = [told[protocol, m].of(measure) for m in models]
            _bars(axes, y, points, height, colour)
        _model_axis(axes, models, named=i == 0)
        axes.axvline(0, color="#3a4048", linewidth=0.8)
        axes.margins(x=0.2)
        axes.set_title(POINTS[measure], loc="left", fontsize=8.5)
    for j, protocol in enumerate(others):
        colour = PROTOCOL_MARKS[protocols.index(protocol) % len(PROTOCOL_MARKS)][1]
        at = 0.1 + 0.17 * (len(others) - 1 - j)
        legends.swatch(sheet, left, at, 0.16, 0.1, colour)
        what = words.PROTOCOLS.get(protocol, protocol)
        sheet.text(
            left + 0.23, at, f"{REFERENCE} minus {protocol} ({what})", fontsize=8.5, va="center"
        )
    return figure


def _bars(
    axes: Axes,
    y: NDArray[Any],
    points: Sequence[float | None],
    height: float,
    colour: str,
) -> None:
    values = np.array([np.nan if v is None else v for v in points], float)
    axes.barh(y, np.nan_to_num(values), height=0.9 * height, color=colour)
    for at, value in zip(y, values, strict=True):
        # Numbers stand outside of their bars, on either side of 0.
        side = "right" if value < 0 else "left"
        axes.annotate(
            words.signed(value, 1),
            (0.0 if np.isnan(value) else value, at),
            xytext=(-3 if value < 0 else 3, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=7.5,
        )


def _model_axis(axes: Axes, models: Sequence[str], named: bool) -> None:
    axes.set_yticks(range(len(models)), [m.upper() for m in reversed(models)] if named else [])
    axes.set_ylim(-0.5, len(models) - 0.5)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


# ------------------------------------------------------------------ the area's balance


def balances(
    evaluation: Evaluation, protocol: str, positives: Positive = Positive.SOURCES
) -> Figure:
    """Return precision and PR-AUC at the balance of the samples and at the area's share."""
    sides = ({r.model: r for r in evaluation.of_protocol(protocol)}, evaluation.in_area(protocol))
    models = list(sides[0])
    wide, tall = 2.3, 0.3 * len(models) + 0.2
    left = figures.room(models)
    figure, sheet = figures.new(left + 2 * wide + 0.45, tall + 0.85)
    for i, (measure, scale) in enumerate((("precision", 100), ("pr_auc", 1))):
        axes = figures.axes_at(figure, left + i * (wide + 0.3), 0.6, wide, tall)
        for y, model in enumerate(reversed(models)):
            told = [side[model].of(measure).mean for side in sides]
            means = [np.nan if v is None else scale * v for v in told]
            axes.plot(means, [y, y], color="#a0a6ad", linewidth=1.0, zorder=1)
            axes.plot(means[:1], [y], "o", ms=5, mfc="white", mec=QUIET)
            axes.plot(means[1:], [y], "o", ms=5.5, color=figures.COLOURS["svm"])
        _model_axis(axes, models, named=i == 0)
        axes.set_xlim(0, scale * 1.02)
        axes.set_title(words.heading(measure), loc="left", fontsize=8.5)
    shares = [words.share(side[models[0]].prevalence) for side in sides]
    places = (
        (left + 0.05, "white", QUIET, f"in the samples ({shares[0]} {positives.cells})"),
        (
            left + 2.55,
            figures.COLOURS["svm"],
            figures.COLOURS["svm"],
            f"in the area ({shares[1]} {positives.cells})",
        ),
    )
    for x, face, edge, text in places:
        sheet.plot([x], [0.14], "o", ms=5, mfc=face, mec=edge)
        sheet.text(x + 0.13, 0.14, text, fontsize=8.5, va="center")
    return figure


# ------------------------------------------------------------------ differences between models


def differences(pairs: Sequence[Pair], models: Sequence[str]) -> Figure:
    """Return by how many points each model lies above each other, coloured where significant."""
    beside = len(models) <= MOST_BESIDE
    left = figures.room(models)
    # All fit the widest sheet: with many models the squares shrink.
    side = min(0.52 * len(models), WIDEST - left - 0.25)
    # Names that are wider than their columns stand upright.
    head = 0.45 if left <= 0.7 else left + 0.2
    step = (side + left + 0.15, 0.0) if beside else (0.0, side + head + 0.1)
    low = 0.62
    width = max(left + side + step[0] + 0.1, 4.4)
    figure, sheet = figures.new(width, low + side + step[1] + head)
    for i, measure in enumerate(POINTS):
        bottom = low + (0.0 if beside else (1 - i) * step[1])
        axes = figures.axes_at(figure, left + i * step[0], bottom, side, side)
        _draw_matrix(axes, pairs, models, measure)
    legends.swatch(sheet, 0.12, 0.38, 0.2, 0.12, UNRESOLVED)
    sheet.text(0.4, 0.38, "not significant: the 95 % interval includes 0", fontsize=8, va="center")
    for x, shade in ((0.12, 0.2), (0.22, 0.8)):
        legends.swatch(sheet, x, 0.16, 0.1, 0.12, mpl.colormaps["PuOr"](shade))
    text = "significant: row below column, row above column (row minus column)"
    sheet.text(0.4, 0.16, text, fontsize=8, va="center")
    return figure


def _draw_matrix(axes: Axes, pairs: Sequence[Pair], models: Sequence[str], measure: str) -> None:
    """Draw row minus column of a measure."""
    points, resolved = difference_matrix(pairs, models, measure)
    # With `initial`, for all may be unknown; and 0 cannot scale the colours.
    most = float(np.nanmax(np.abs(points), initial=0.0)) or 1.0
    # Half of the scale's range: numbers can be read on all of its colours.
    rgb = mpl.colormaps["PuOr"](Normalize(-2 * most, 2 * most)(np.nan_to_num(points)))[..., :3]
    rgb[~resolved] = mpl.colors.to_rgb(UNRESOLVED)
    rgb[np.eye(len(models), dtype=bool)] = 1.0
    axes.imshow(rgb, aspect="auto")
    for (i, j), value in np.ndenumerate(points):
        if i != j:
            axes.text(
                j,
                i,
                words.signed(value, 1),
                ha="center",
                va="center",
                fontsize=8,
                color="#1b1f24" if resolved[i, j] else QUIET,
                weight="bold" if resolved[i, j] else "normal",
            )
    names = [m.upper() for m in models]
    upright = figures.room(names) > 0.7
    axes.set_xticks(range(len(models)), names, fontsize=7.5, rotation=90 * upright)
    axes.set_yticks(range(len(models)), names, fontsize=7.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"{POINTS[measure]}", loc="left", fontsize=8.5, pad=4)


def difference_matrix(
    pairs: Sequence[Pair], models: Sequence[str], measure: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how many points the model of a row lies above that of a column, and if significant.

    Parameters
    ----------
    pairs : sequence of Pair
        Of one protocol.
    models : sequence of str
        Rows and columns.
    measure : str
        Which differences.

    Returns
    -------
    array, (models, models) float64
        Points, NaN where not known.
    array, (models, models) bool
        Where the interval leaves zero out.
    """
    points = np.full((len(models), len(models)), np.nan)
    resolved = np.zeros(points.shape, bool)
    for pair in pairs:
        told = pair.of(measure)
        if told.mean is None:
            continue
        i, j = models.index(pair.model), models.index(pair.other)
        points[i, j] = 100 * told.mean
        points[j, i] = -points[i, j]
        resolved[i, j] = resolved[j, i] = told.resolved
    return points, resolved
