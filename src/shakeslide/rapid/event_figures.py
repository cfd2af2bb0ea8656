"""Figures of a new earthquake: the map with the squares to look at first, and its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from shakeslide.rapid.first_places import FirstSquares
from shakeslide.report import cartography, figures, legends, sheet_map
from shakeslide.report.cartography import Float, View
from shakeslide.report.colouring import (
    MAP_SHADE,
    PROBABILITY,
    paint,
    probability_scale,
    rgb_of,
)
from shakeslide.report.figures import Drawn

WIDE = 7.2
"""Width of the map in inches."""
SMALL = 3.4
TALLEST = 8.0
LEFT, RIGHT, TOP, LEGEND = 0.34, 0.1, 0.26, 0.62
"""Inches for latitudes, the edge, longitudes and the legend."""
NARROWEST = 2.4
MOST = 1600
"""Cells along the longer side at most."""


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """A map to draw.

    Attributes
    ----------
    path : Path
    name : str
        For the figure's file.
    title : str
        Of the colour bar.
    """

    path: Path
    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a map shows.

    Attributes
    ----------
    view : View
        At which resolution.
    values : array, (rows, cols) float32
        NaN where there is none.
    shade : array, (rows, cols) float32, or None
        Relief.
    norm : Normalize
        Range of the colours.
    title : str
        Of the colour bar.
    squares : FirstSquares or None
        To mark.
    epicentre : (float, float) or None
        Its x and y, to mark with a star.
    """

    view: View
    values: Float
    shade: Float | None
    norm: Normalize
    title: str
    squares: FirstSquares | None = None
    epicentre: tuple[float, float] | None = None


def size_of(view: View, wide: float, tallest: float) -> tuple[float, float]:
    """Return width and height in inches of a map without its margins."""
    across = wide - LEFT - RIGHT
    tall = across * view.aspect
    return (across, tall) if tall <= tallest else (tallest / view.aspect, tallest)


def map_alone(shown: Shown, wide: float) -> Figure:
    """Return a figure of a map with its legend, so many inches wide."""
    across, tall = size_of(shown.view, wide, TALLEST)
    figure, sheet = figures.new(max(across + LEFT + RIGHT, NARROWEST), TOP + tall + LEGEND)
    put(figure, sheet, shown, (0.0, LEGEND), (across, tall))
    return figure


def put(
    figure: Figure, sheet: Axes, shown: Shown, corner: tuple[float, float],
    size: tuple[float, float],
) -> None:  # fmt: skip
    """Draw a map on a sheet, its margin's left and its own lower edge at `corner` (inches)."""
    view, norm = shown.view, shown.norm
    (left, bottom), (across, tall) = (corner[0] + LEFT, corner[1]), size
    axes = figures.axes_at(figure, left, bottom, across, tall)
    rgb = rgb_of(PROBABILITY, norm(np.nan_to_num(shown.values)))
    cartography.frame(axes, view, paint(rgb, shown.values, shown.shade, MAP_SHADE))
    cartography.graticule(axes, view, (across, tall))
    axes.tick_params(labelsize=7.5)
    metres = (view.extent[1] - view.extent[0]) / across
    if shown.squares is not None:
        sheet_map.mark(axes, shown.squares.squares, shown.squares.side, metres, view.extent)
    if shown.epicentre is not None:
        axes.plot(
            *shown.epicentre, marker="*", markersize=12, color="white", markeredgecolor="black",
            markeredgewidth=0.9, zorder=8,
        )  # fmt: skip
    cartography.scale_bar(sheet, left + 0.04, bottom - 0.3, 0.28 * across, metres, 7.5)
    cartography.north_arrow(sheet, left + 0.37 * across, bottom - 0.42, view, 0.32)
    bar = figures.axes_at(figure, left + 0.46 * across, bottom - 0.18, 0.53 * across, 0.1)
    beyond = "max" if bool((shown.values > (norm.vmax or 1.0)).any()) else "neither"
    legends.colour_bar(figure, bar, norm, PROBABILITY, 7.5, beyond)
    sheet.text(left + 0.46 * across, bottom - 0.4, shown.title, fontsize=7.5, va="top")


def shown_maps(
    view: View,
    maps: Sequence[MapFile],
    dem: Path | None,
    squares: FirstSquares,
    epicentre: tuple[float, float] | None = None,
) -> list[Shown]:
    """Return maps ready to be drawn, all in the colours of the first's range.

    Parameters
    ----------
    view : View
        At which resolution.
    maps : sequence of MapFile
        The first has the squares.
    dem : Path or None
        Elevation, for the relief.
    squares : FirstSquares
        To mark on the first.
    epicentre : (float, float), optional
        Its x and y, to mark on all.
    """
    shade = cartography.relief(view, dem)
    values = [view.read(m.path) for m in maps]
    norm = probability_scale(values[0], balanced=False)
    return [
        Shown(
            view=view, values=p, shade=shade, norm=norm, title=m.title,
            squares=None if i else squares, epicentre=epicentre,
        )
        for i, (m, p) in enumerate(zip(maps, values, strict=True))
    ]  # fmt: skip


def draw(out: Path, maps: Sequence[MapFile], shown: Sequence[Shown]) -> list[Drawn]:
    """Draw the first map large and the others small into `out/figures`."""
    drawn = []
    with figures.style():
        for i, (m, s) in enumerate(zip(maps, shown, strict=True)):
            path = out / "figures" / f"rapid_{m.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            figure, width = map_alone(s, SMALL if i else WIDE), 700 if i else 1400
            drawn.append(
                figures.save(figure, path, f"Map: {m.title}", embed_width=width, photo=True)
            )
    return drawn
