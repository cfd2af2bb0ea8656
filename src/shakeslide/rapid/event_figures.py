"""Figures of a new earthquake: the map with the squares to look at first, and its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from shakeslide.geo import grid as grids
from shakeslide.rapid import tiles
from shakeslide.rapid.first_places import FirstSquares
from shakeslide.rapid.settlements import Settlement
from shakeslide.report import cartography, figures, legends, sheet_map
from shakeslide.report.cartography import Float, View
from shakeslide.report.colouring import (
    MAP_SHADE,
    PROBABILITY,
    paint,
    probability_scale,
    rgb_of,
)
from shakeslide.report.figures import Drawn, drawable

WIDE = 7.2
"""Width of the map in inches."""
SMALL = 3.4
TALLEST = 8.0
LEFT, RIGHT, TOP, LEGEND = 0.34, 0.1, 0.26, 0.62
"""Inches for latitudes, the edge, longitudes and the legend."""
NARROWEST = 2.4
SEA = (198, 217, 232)
"""Pale blue, red to blue from 0 to 255."""
LABEL = 0.42
"""Inches that the label of a tick takes."""
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
    sea : array of bool, (rows, cols), or None
        Where it is sea.
    settlements : sequence of Settlement
        To name.
    """

    view: View
    values: Float
    shade: Float | None
    norm: Normalize
    title: str
    squares: FirstSquares | None = None
    epicentre: tuple[float, float] | None = None
    sea: NDArray[np.bool_] | None = None
    settlements: Sequence[Settlement] = ()


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
    picture = paint(rgb, shown.values, shown.shade, MAP_SHADE)
    if shown.sea is not None:
        picture[shown.sea & ~np.isfinite(shown.values)] = SEA
    cartography.frame(axes, view, picture)
    cartography.graticule(axes, view, (across, tall))
    axes.tick_params(labelsize=7.5)
    metres = (view.extent[1] - view.extent[0]) / across
    if shown.squares is not None:
        sheet_map.mark(axes, shown.squares.squares, shown.squares.side, metres, view.extent)
    _name(axes, shown, metres)
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
    bar.set_xticks(_apart(bar.get_xticks().tolist(), norm, 0.53 * across))
    sheet.text(left + 0.46 * across, bottom - 0.4, shown.title, fontsize=7.5, va="top")


def _apart(ticks: Sequence[float], norm: Normalize, wide: float) -> list[float]:
    """Return the ticks of a bar, so many inches wide, whose labels do not touch."""
    kept: list[float] = []
    for tick in sorted(ticks, reverse=True):
        at = float(norm(tick))
        if 0 <= at <= 1 and all(abs(at - float(norm(k))) * wide >= LABEL for k in kept):
            kept.append(float(tick))
    return kept[::-1]


def _name(axes: Axes, shown: Shown, metres: float) -> None:
    """Mark places and write their names where they cover no other one; `metres` lie along an inch.

    The first in the ranking are named first.
    """
    to_grid = pyproj.Transformer.from_crs(
        "EPSG:4326", grids.crs_of(shown.view.grid).proj, always_xy=True
    )
    halo = [withStroke(linewidth=2.0, foreground="white")]
    left, right, bottom, top = shown.view.extent
    taken: list[tuple[float, float]] = []
    for place in shown.settlements:
        x, y = to_grid.transform(place.longitude, place.latitude)
        near = any(abs(x - a) < 0.9 * metres and abs(y - b) < 0.13 * metres for a, b in taken)
        if near or not (left < x < right and bottom < y < top) or not drawable(place.name):
            continue
        taken.append((x, y))
        axes.plot(x, y, marker="o", markersize=3, color="black", markeredgecolor="white", zorder=7)
        side = "right" if x > right - 0.9 * metres else "left"
        away = (-0.05 if side == "right" else 0.05) * metres
        axes.text(
            x + away, y, place.name, fontsize=7, ha=side, va="center", zorder=7,
            path_effects=halo, clip_on=True,
        )  # fmt: skip


def scale(mean: Float) -> Normalize:
    """Return the scale of all maps by the mean's values, (rows, cols), NaN where there is none.

    Of square roots: the 10 and the 90 % quantile are often a hundred times apart, and the lower one
    would have no colour.
    """
    return PowerNorm(0.5, 0.0, probability_scale(mean, balanced=False).vmax or 1.0)


def shown_maps(
    view: View,
    maps: Sequence[MapFile],
    dem: Path | None,
    squares: FirstSquares,
    epicentre: tuple[float, float] | None = None,
    places: Sequence[Settlement] = (),
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
    places : sequence of Settlement
        To name on the first.
    """
    shade = cartography.relief(view, dem)
    values = [view.read(m.path) for m in maps]
    norm = scale(values[0])
    sea = None if dem is None else tiles.sea(view.read(dem))
    return [
        Shown(
            view=view, values=p, shade=shade, norm=norm, title=m.title,
            squares=None if i else squares, epicentre=epicentre, sea=sea,
            settlements=() if i else places,
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
