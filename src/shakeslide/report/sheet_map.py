"""The map of the one-page summary: a model's probability with the places to look at first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from shakeslide.report import cartography, figures, legends
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.cartography import Float, View
from shakeslide.report.colouring import MAP_SHADE, PROBABILITY, paint, rgb_of
from shakeslide.report.places import Place

MOST = 1400
"""Cells along the longer side at most: 300 to the inch."""
LEFT, TOP, LEGEND = 0.22, 0.2, 0.54
"""Inches for latitudes, longitudes and the legend."""
WITHIN = 0.13
"""Side in inches of a square from which its letter has room inside it."""
MARK = "#003c71"
"""Of squares and letters: blue, which the ramp of probabilities has not."""


def draw(
    figure: Figure,
    sheet: Axes,
    run: Artefacts,
    files: MapFiles,
    title: str,
    places: Sequence[Place],
    side: float,
    at: tuple[float, float],
    room: tuple[float, float],
) -> float:
    """Draw the map on a sheet in inches and return where it ends.

    Parameters
    ----------
    figure, sheet : Figure and Axes
        The sheet.
    run, files : Artefacts and MapFiles
        The run and which of its maps.
    title : str
        Of the colour bar.
    places : sequence of Place
        Squares to mark.
    side : float
        Theirs, in metres.
    at : (float, float)
        Left and upper edge.
    room : (float, float)
        Width, and height at most.
    """
    view, dem = View(run.grid, MOST), run.factor("DEM")
    p = view.read(files.probability)
    norm = Normalize(0, _highest(p) if not files.balanced else 1.0)
    shade = cartography.relief(view, dem.path if dem else None)
    wide = room[0] - LEFT
    tall = wide * view.aspect
    # A tall area is limited by the height, and narrower then.
    if tall > room[1] - TOP - LEGEND:
        tall = room[1] - TOP - LEGEND
        wide = tall / view.aspect
    left, bottom = at[0] + LEFT, at[1] - TOP - tall
    axes = figures.axes_at(figure, left, bottom, wide, tall)
    cartography.frame(
        axes, view, paint(rgb_of(PROBABILITY, norm(np.nan_to_num(p))), p, shade, MAP_SHADE)
    )
    cartography.graticule(axes, view, (wide, tall))
    axes.tick_params(labelsize=7.5)
    metres = (view.extent[1] - view.extent[0]) / wide
    for place in places:
        _mark(axes, place, side, side / metres, metres)
    across = room[0] - LEFT
    cartography.scale_bar(sheet, left + 0.04, bottom - 0.28, 0.26 * across, metres, 7.5)
    cartography.north_arrow(sheet, left + 0.36 * across, bottom - 0.4, view, 0.32)
    bar = figures.axes_at(figure, left + 0.45 * across, bottom - 0.16, 0.54 * across, 0.09)
    beyond = "max" if bool((p > (norm.vmax or 1.0)).any()) else "neither"
    legends.colour_bar(figure, bar, norm, PROBABILITY, 7.5, beyond)
    sheet.text(left + 0.45 * across, bottom - 0.36, title, fontsize=7.5, va="top")
    return bottom - LEGEND


def _highest(p: Float) -> float:
    """Return where the colours end: at the area's share of sources most ground lies near 0."""
    known = p[np.isfinite(p)]
    return float(np.percentile(known, 99.5)) if known.size and known.max() > 0 else 1.0


def _mark(axes: Axes, place: Place, side: float, inches: float, metres: float) -> None:
    """Outline a square and write its letter into it, or beside it where it is too small."""
    halo = [withStroke(linewidth=2.4, foreground="white")]
    corner = (place.x - side / 2, place.y - side / 2)
    axes.add_patch(
        Rectangle(
            corner, side, side, fill=False, edgecolor=MARK, linewidth=1.1, zorder=6,
            path_effects=halo,
        )
    )  # fmt: skip
    # Beside its square, on the map's scale.
    x = place.x if inches >= WITHIN else place.x + side / 2 + 0.07 * metres
    axes.text(
        x, place.y, place.label, fontsize=8, fontweight="bold", color=MARK, ha="center",
        va="center_baseline", zorder=7, path_effects=halo, clip_on=True,
    )  # fmt: skip
