"""Large maps: probabilities and classes of a model, and where the samples lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
from shakeslide.report.uncertainty import Applicability

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
MOST_POINTS = 40_000
"""Samples that are drawn."""


@dataclass(frozen=True)
class Plate:
    """A large map with its sheet, and the place for a legend beneath."""

    figure: Figure
    sheet: Axes
    axes: Axes
    legend: Box

    def write(self, y: float, text: str, size: float, away: float = 0.0) -> None:
        """Write into the legend, `away` inches from its left edge."""
        self.sheet.text(self.legend.left + away, y, text, fontsize=size, va="center")


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
    box = Box(left + 0.42 * room, 0.03, 0.58 * room, legend - 0.08)
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
    drawn = plate(view, colouring.map_picture(p, norm, PROBABILITY, shade), legend=0.88)
    cartography.draw_rings(drawn.axes, rings, OUTLINE, 0.4)
    y = _bar(drawn, norm, PROBABILITY, colouring.end_of(p, norm))
    text = f"{files.title} ({files.model.upper()})"
    drawn.write(y, figures.shortened(text, drawn.legend.width, 9), 9)
    if rings:
        x = drawn.legend.left
        drawn.sheet.plot([x, x + 0.2], [y - 0.2, y - 0.2], color=OUTLINE, linewidth=1.2)
        drawn.write(y - 0.2, "mapped landslide", 9, 0.28)
    return drawn.figure


def _bar(drawn: Plate, norm: Normalize, colours: Colormap, end: str = "neither") -> float:
    """Draw a colour bar into a legend and return where the text beneath it stands."""
    box = drawn.legend
    axes = figures.axes_at(drawn.figure, box.left, box.top - 0.12, box.width - 0.1, 0.1)
    bar = legends.colour_bar(drawn.figure, axes, norm, colours, 8.5, end)
    bar.locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
    bar.update_ticks()
    return box.top - 0.43


def classes(files: MapFiles, view: View, shade: Float | None) -> Figure:
    """Return a model's classes over the relief `shade`, (rows, cols), as for `probability`."""
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
    y = drawn.legend.top - 0.06
    drawn.write(y, f"{files.title_of_classes} ({files.model.upper()})", 9)
    for code, colour in colours.items():
        y -= line
        legends.swatch(drawn.sheet, drawn.legend.left, y, 0.2, 0.11, colour)
        drawn.write(y, names[code], 9, 0.28)
    return drawn.figure


def spread(files: MapFiles, view: View, shade: Float | None) -> Figure:
    """Return how far a model's probability depends on which landslides were mapped.

    The relief `shade`, (rows, cols), is as for `probability`; `ValueError` where the model has no
    ensemble.
    """
    if files.spread is None:
        raise ValueError(f"{files.model} has no map of its standard deviation")
    sd = view.read(files.spread)
    norm = colouring.spread_scale(sd)
    drawn = plate(view, colouring.map_picture(sd, norm, SPREAD, shade), legend=0.86)
    y = _bar(drawn, norm, SPREAD, colouring.end_of(sd, norm))
    drawn.write(y, f"Standard deviation of the probability ({files.model.upper()})", 8)
    return drawn.figure


def applicability(told: Applicability, view: View, shade: Float | None) -> Figure:
    """Return how unlike the training data the ground is, and where it lies beyond the limit.

    The relief `shade`, (rows, cols), is as for `probability`.
    """
    # A mean over cells would draw places beyond the limit as inside it.
    index = view.read(told.path, average=False)
    norm = Normalize(0, told.threshold)
    rgb = rgb_of(INSIDE, norm(np.nan_to_num(index)))
    rgb[index > told.threshold] = to_rgb(OUTSIDE)
    drawn = plate(view, paint(rgb, index, shade, MAP_SHADE), legend=0.98)
    y = _bar(drawn, norm, INSIDE)
    drawn.write(y, f"Dissimilarity to the training data (limit {told.threshold:.3g})", 8)
    legends.swatch(drawn.sheet, drawn.legend.left, y - 0.27, 0.2, 0.12, OUTSIDE)
    text = f"outside the training conditions\n({words.share(told.outside)} of the area)"
    drawn.write(y - 0.27, text, 8, 0.28)
    return drawn.figure


def samples(
    x: Line,
    y: Line,
    source: NDArray[np.bool_],
    positive: str,
    view: View,
    shade: Float | None,
) -> Figure:
    """Return where the samples lie; of more than `MOST_POINTS`, an even part is drawn.

    Parameters
    ----------
    x, y : array, (samples,)
        Coordinates in metres.
    source : array, (samples,) bool
        Positive cells.
    positive : str
        What a positive cell is called.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief under the points.
    """
    step = max(1, math.ceil(len(x) / MOST_POINTS))
    drawn = plate(view, cartography.grey_relief(shade, view.shape), legend=0.5)
    # Smaller points where there are many, to be told apart.
    size = 2.2 if len(x) / step < 8000 else 1.2
    kinds = ((CLEAR_COLOUR, ~source, "clear cell"), (SOURCE_COLOUR, source, positive))
    for i, (colour, which, name) in enumerate(kinds):
        # One step for both kinds: what is drawn keeps their balance.
        at = np.flatnonzero(which)[::step]
        drawn.axes.scatter(x[at], y[at], s=size, c=colour, linewidths=0, zorder=3 + i)
        away = i * 0.5 * drawn.legend.width
        drawn.sheet.plot([drawn.legend.left + away + 0.05], [0.25], "o", ms=4, color=colour)
        label = name if step == 1 else f"{name} (1 in {words.count(step)})"
        drawn.write(0.25, label, 9, away + 0.15)
    return drawn.figure
