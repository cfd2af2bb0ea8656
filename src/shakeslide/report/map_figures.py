"""Large maps: probabilities and classes of a model, and where the samples lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from shakeslide.io import style as qgis
from shakeslide.report import cartography, colouring, figures, legends, words
from shakeslide.report.artefacts import MapFiles
from shakeslide.report.cartography import NODATA, Float, Line, Picture, View
from shakeslide.report.colouring import MAP_SHADE, PROBABILITY, paint, rgb_of
from shakeslide.report.legends import Box

OUTLINE = "#00b4d8"
SOURCE_COLOUR, CLEAR_COLOUR = "#b2182b", "#2166ac"
SPREAD: Colormap = mpl.colormaps["YlGnBu"]
INSIDE: Colormap = LinearSegmentedColormap.from_list("inside", ["#f4f8fb", "#5b9bc8"])
OUTSIDE = "#d55e00"
"""Ground beyond the area of applicability."""
WIDTH = 5.2
"""Width of a large map in inches: a column and a half of a journal, or a phone's page enlarged."""
LEFT = 0.28
ROOM = WIDTH - LEFT - 0.08
"""Inches for latitudes on the left of a large map, and for the map."""
LEGEND_WIDTH = 0.58 * ROOM


@dataclass(frozen=True)
class Plate:
    """A large map with its sheet, and the place for a legend beneath."""

    figure: Figure
    sheet: Axes
    axes: Axes
    legend: Box


def plate(view: View, rgb: Picture, legend: float) -> Plate:
    """Return a large map with graticule, scale bar and north arrow, and room for a legend.

    Parameters
    ----------
    view : View
        What is seen.
    rgb : array, (rows, cols, 3) uint8
        Its picture.
    legend : float
        Height of the legend in inches.
    """
    left, top, room = LEFT, 0.26, ROOM
    tall = min(room * view.aspect, 1.5 * room)
    wide = tall / view.aspect
    figure, sheet = figures.new(WIDTH, top + tall + legend)
    axes = figures.axes_at(figure, left + (room - wide) / 2, legend, wide, tall)
    cartography.frame(axes, view, rgb)
    cartography.graticule(axes, view, (wide, tall))
    metres = view.extent[1] - view.extent[0]
    cartography.scale_bar(sheet, left + 0.06, legend - 0.34, 0.24 * room, metres / wide, 9)
    cartography.north_arrow(sheet, left + 0.33 * room, legend - 0.44, view, 0.36)
    box = Box(left + 0.42 * room, 0.03, LEGEND_WIDTH, legend - 0.08)
    return Plate(figure, sheet, axes, box)


def probability(files: MapFiles, view: View, shade: Float | None, rings: Sequence[Line]) -> Figure:
    """Return a model's probability over the relief with the mapped landslides.

    Parameters
    ----------
    files : MapFiles
        The model's maps.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the map.
    rings : sequence of arrays, (k, 2) each
        Outlines of the landslides, in the grid's CRS.
    """
    p = view.read(files.probability)
    norm = colouring.probability_scale(p, files.balanced)
    rgb = colouring.map_picture(p, norm, PROBABILITY, shade)
    text = f"{files.title} ({files.model.upper()})"
    # Beside a long title there is no room for the outlines' entry: it goes beneath.
    beneath = bool(rings) and figures.text_width(text, 9) > LEGEND_WIDTH - 1.32
    drawn = plate(view, rgb, legend=0.88 if beneath else 0.7)
    cartography.draw_rings(drawn.axes, rings, OUTLINE, 0.4)
    box = drawn.legend
    axes = figures.axes_at(drawn.figure, box.left, box.top - 0.12, box.width - 0.03, 0.1)
    end = colouring.end_of(p, norm)
    legends.colour_bar(drawn.figure, axes, norm, PROBABILITY, 8.5, end)
    y = box.bottom + 0.12
    text = figures.shortened(text, box.width, 9)
    drawn.sheet.text(box.left, y + 0.18 * beneath, text, fontsize=9, va="center")
    if rings:
        x = box.left + box.width - 1.26
        drawn.sheet.plot([x, x + 0.14], [y, y], color=OUTLINE, linewidth=1.2)
        drawn.sheet.text(x + 0.19, y, "mapped landslide", fontsize=9, va="center")
    return drawn.figure


def classes(files: MapFiles, view: View, shade: Float | None) -> Figure:
    """Return a model's classes over the relief.

    Parameters
    ----------
    files : MapFiles
        The model's maps.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the map.
    """
    codes = view.read(files.classes, average=False)
    names = files.class_names
    colours = dict(zip(names, qgis.class_colours(len(names)), strict=True))
    # What has no class keeps the colour of no value.
    rgb = np.full((*codes.shape, 3), NODATA, np.float32)
    for code, colour in colours.items():
        rgb[codes == code] = to_rgb(colour)
    line = 0.175
    picture = paint(rgb, codes, shade, MAP_SHADE)
    drawn = plate(view, picture, legend=max(0.55, 0.16 + line * (len(colours) + 1)))
    box, title = drawn.legend, f"{files.title_of_classes} ({files.model.upper()})"
    drawn.sheet.text(box.left, box.top - 0.06, title, fontsize=9, va="center")
    for i, (code, colour) in enumerate(colours.items()):
        y = box.top - 0.06 - line * (i + 1)
        legends.swatch(drawn.sheet, box.left, y, 0.2, 0.11, colour)
        drawn.sheet.text(box.left + 0.28, y, names[code], fontsize=9, va="center")
    return drawn.figure


def spread(files: MapFiles, view: View, shade: Float | None) -> Figure:
    """Return how far a model's probability depends on which landslides were mapped.

    Parameters
    ----------
    files : MapFiles
        The model's maps.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the map.

    Raises
    ------
    ValueError
        The model has no ensemble.
    """
    if files.spread is None:
        raise ValueError(f"{files.model} has no map of its standard deviation")
    sd = view.read(files.spread)
    norm = colouring.spread_scale(sd)
    drawn = plate(view, colouring.map_picture(sd, norm, SPREAD, shade), legend=0.86)
    box = drawn.legend
    axes = figures.axes_at(drawn.figure, box.left, box.top - 0.12, box.width - 0.1, 0.1)
    end = colouring.end_of(sd, norm)
    bar = legends.colour_bar(drawn.figure, axes, norm, SPREAD, 8.5, end)
    bar.locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
    bar.update_ticks()
    y = box.top - 0.43
    title = f"Standard deviation of the probability ({files.model.upper()})"
    drawn.sheet.text(box.left, y, title, fontsize=8, va="center")
    note = "pale: low · dark: depends on which landslides were mapped"
    drawn.sheet.text(box.left, y - 0.2, note, fontsize=7, va="center", color=legends.SOFT)
    return drawn.figure


def applicability(
    path: Path, threshold: float, outside: float, view: View, shade: Float | None
) -> Figure:
    """Return how unlike the training data the ground is, and where it lies beyond the limit.

    Parameters
    ----------
    path : Path
        Map of the dissimilarity index.
    threshold : float
        Limit of the area of applicability.
    outside : float
        Share of the area beyond it, for the legend.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the map.
    """
    # A mean over cells would draw places beyond the limit as inside it.
    index = view.read(path, average=False)
    norm = Normalize(0, threshold)
    rgb = rgb_of(INSIDE, norm(np.nan_to_num(index)))
    rgb[index > threshold] = to_rgb(OUTSIDE)
    drawn = plate(view, paint(rgb, index, shade, MAP_SHADE), legend=0.98)
    box = drawn.legend
    axes = figures.axes_at(drawn.figure, box.left, box.top - 0.12, box.width - 0.1, 0.1)
    bar = legends.colour_bar(drawn.figure, axes, norm, INSIDE, 8.5)
    bar.set_ticks([0, threshold], labels=["0 (alike)", f"{threshold:.3g} (limit)"])
    names = axes.get_xticklabels()
    names[0].set_horizontalalignment("left")
    names[1].set_horizontalalignment("right")
    y = box.top - 0.42
    title = "Dissimilarity to the training data"
    drawn.sheet.text(box.left, y, title, fontsize=8.5, va="center")
    legends.swatch(drawn.sheet, box.left, y - 0.27, 0.2, 0.12, OUTSIDE)
    text = f"outside the training conditions\n({words.share(outside)} of the area)"
    drawn.sheet.text(box.left + 0.28, y - 0.27, text, fontsize=8, va="center", linespacing=1.1)
    return drawn.figure


def samples(
    x: Line,
    y: Line,
    source: NDArray[np.bool_],
    view: View,
    shade: Float | None,
    most: int = 40_000,
    positive: str = "source cell",
) -> Figure:
    """Return where the samples lie; of more than `most`, an even part is drawn.

    Parameters
    ----------
    x, y : array, (samples,)
        Coordinates in metres.
    source : array, (samples,) bool
        Positive cells.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the points.
    most : int
        Most points to draw.
    positive : str
        What a positive cell is called.
    """
    step = max(1, math.ceil(len(x) / most))
    drawn = plate(view, cartography.grey_relief(shade, view.shape), legend=0.5)
    # Smaller points where there are many, to be told apart.
    size = 2.2 if len(x) / step < 8000 else 1.2
    box = drawn.legend
    kinds = ((CLEAR_COLOUR, ~source, "clear cell"), (SOURCE_COLOUR, source, positive))
    for i, (colour, which, name) in enumerate(kinds):
        # One step for both kinds: what is drawn keeps their balance.
        at = np.flatnonzero(which)[::step]
        drawn.axes.scatter(x[at], y[at], s=size, c=colour, linewidths=0, zorder=3 + i)
        left = box.left + i * 0.5 * box.width
        drawn.sheet.plot([left + 0.05], [0.25], "o", ms=4, color=colour, mec="none")
        label = name if step == 1 else f"{name} (1 in {words.count(step)})"
        drawn.sheet.text(left + 0.15, 0.25, label, fontsize=9, va="center")
    return drawn.figure
