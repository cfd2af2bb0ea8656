"""Figures of a new earthquake: the map with the squares to look at first, and its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
NAME_WIDE, NAME_TALL = 0.055, 0.12
"""Inches that a letter of a name is wide and a name is tall."""
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


Box = tuple[float, float, float, float]
"""Left, right, bottom and top of what stands on a map, in metres of its grid."""


@dataclass(frozen=True)
class NameSpot:
    """Where a name stands, how it is aligned there, and the ground it covers."""

    at: tuple[float, float]
    align: str
    box: Box


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
    here = []
    for place in shown.settlements:
        x, y = to_grid.transform(place.longitude, place.latitude)
        if left < x < right and bottom < y < top and drawable(place.name):
            here.append((place.name, float(x), float(y)))
    taken: list[Box] = []
    for name, x, y in here:
        spot = name_spot(name, (x, y), shown, taken, metres)
        if spot is None:
            continue
        taken.append(spot.box)
        axes.plot(x, y, marker="o", markersize=3, color="black", markeredgecolor="white", zorder=7)
        axes.text(
            *spot.at, name, fontsize=7, ha=spot.align, va="center", zorder=7,
            path_effects=halo, clip_on=True,
        )  # fmt: skip


def name_spot(
    name: str, place: tuple[float, float], shown: Shown, taken: Sequence[Box], metres: float
) -> NameSpot | None:
    """Return where the name of a place stands: over no other name, and over no square if it can.

    Parameters
    ----------
    name : str
    place : (float, float)
        Its x and y in the grid's CRS.
    shown : Shown
        The map.
    taken : sequence of Box
        The names that are written.
    metres : float
        Of the map per inch.

    Returns
    -------
    NameSpot or None
        Right, left, above or below its dot; None where other names leave no room.
    """
    x, y = place
    wide, tall = NAME_WIDE * metres * max(len(name), 1), NAME_TALL * metres
    away, up = 0.05 * metres, 0.07 * metres + tall / 2
    left, right, bottom, top = shown.view.extent
    marks = [] if shown.squares is None else shown.squares.squares
    half = 0.0 if shown.squares is None else shown.squares.side / 2
    squares = [(s.x - half, s.x + half, s.y - half, s.y + half) for s in marks]
    best: tuple[float, NameSpot] | None = None
    for at, align, start in (
        ((x + away, y), "left", x + away),
        ((x - away, y), "right", x - away - wide),
        ((x, y + up), "center", x - wide / 2),
        ((x, y - up), "center", x - wide / 2),
    ):
        box = (start, start + wide, at[1] - tall / 2, at[1] + tall / 2)
        if any(_meet(box, other) for other in taken):
            continue
        out = box[0] < left or box[1] > right or box[2] < bottom or box[3] > top
        cost = 2 * len(squares) * out + sum(_meet(box, s) for s in squares)
        if best is None or cost < best[0]:
            best = cost, NameSpot(at, align, box)
    return best and best[1]


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


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
    begun = []
    with figures.style(), ThreadPoolExecutor(2) as pool:
        for i, (m, s) in enumerate(zip(maps, shown, strict=True)):
            path = out / "figures" / f"rapid_{m.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            make, width = partial(map_alone, s, SMALL if i else WIDE), 700 if i else 1400
            alt = f"Map: {m.title}"
            begun.append(figures.begin(pool, make, path, alt, embed_width=width, photo=True))
        return [picture.result() for picture in begun]
