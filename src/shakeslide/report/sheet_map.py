"""The map of the one-page summary: a model's probability with the places to look at first."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from shakeslide.report import cartography, colouring, figures, legends, places
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.cartography import View
from shakeslide.report.colouring import PROBABILITY
from shakeslide.report.legends import Box
from shakeslide.report.places import Place, Square

MOST = 1400
"""Cells along the longer side at most: 300 to the inch."""
LEFT, TOP, LEGEND = 0.22, 0.2, 0.54
"""Inches for latitudes, longitudes and the legend."""
WITHIN = 0.13
"""Side in inches of a square from which its letter has room inside it."""
LETTER = 0.1
"""Inches that a letter takes, with its halo."""
AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Where a letter may stand beside its square, to the east and to the north."""
OUTSIDE = 10.0
"""More than all overlaps of a letter: it never leaves the map for them."""
MARK = "#003c71"
"""Of squares and letters: blue, which the ramp of probabilities has not."""


def draw(
    figure: Figure, sheet: Axes, run: Artefacts, squares: Sequence[Place], side: float, box: Box
) -> float:
    """Draw the best map on a sheet in inches and return where it ends.

    Parameters
    ----------
    figure, sheet : Figure and Axes
        The sheet.
    run : Artefacts
        The run.
    squares : sequence of Place
        To mark.
    side : float
        Theirs, in metres.
    box : Box
        Where the map may lie; it begins at the top.
    """
    files, view = places.best_map(run), View(run.grid, MOST)
    p = view.read(files.probability)
    scale = colouring.probability_scale(p, files.balanced)
    shade = cartography.relief(view, run.elevation)
    wide = box.width - LEFT
    tall = wide * view.aspect
    # A tall area is limited by the height, and narrower then.
    if tall > box.height - TOP - LEGEND:
        tall = box.height - TOP - LEGEND
        wide = tall / view.aspect
    left, bottom = box.left + LEFT, box.top - TOP - tall
    axes = figures.axes_at(figure, left, bottom, wide, tall)
    cartography.frame(axes, view, colouring.map_picture(p, scale, PROBABILITY, shade))
    cartography.graticule(axes, view, (wide, tall))
    axes.tick_params(labelsize=7.5)
    metres = (view.extent[1] - view.extent[0]) / wide
    mark(axes, squares, side, metres, view.extent)
    across = box.width - LEFT
    cartography.scale_bar(sheet, left + 0.04, bottom - 0.28, 0.26 * across, metres, 7.5)
    cartography.north_arrow(sheet, left + 0.36 * across, bottom - 0.4, view, 0.32)
    bar = figures.axes_at(figure, left + 0.45 * across, bottom - 0.16, 0.54 * across, 0.09)
    legends.colour_bar(figure, bar, scale, PROBABILITY, 7.5, colouring.end_of(p, scale))
    title = _title(run, files)
    sheet.text(left + 0.45 * across, bottom - 0.36, title, fontsize=7.5, va="top")
    return bottom - LEGEND


def _title(run: Artefacts, files: MapFiles) -> str:
    """Return what the colours are, for readers who see no definition."""
    if files.formula:
        return files.title
    if files.balanced:
        return "Susceptibility (ranks the ground)"
    calibrated = run.evaluation.calibrated
    return (
        f"Probability of a {run.positives.plain_cell}"
        if calibrated
        else "Probability, not calibrated"
    )


def mark(
    axes: Axes,
    squares: Sequence[Square],
    side: float,
    metres: float,
    extent: tuple[float, float, float, float],
) -> None:
    """Outline squares on a map and write their letters; parameters as for `letter_places`."""
    halo = [withStroke(linewidth=2.4, foreground="white")]
    letters = letter_places(squares, side, metres, extent)
    for square, (x, y) in zip(squares, letters, strict=True):
        corner = (square.x - side / 2, square.y - side / 2)
        axes.add_patch(
            Rectangle(
                corner, side, side, fill=False, edgecolor=MARK, linewidth=1.1, zorder=6,
                path_effects=halo,
            )
        )  # fmt: skip
        axes.text(
            x, y, square.label, fontsize=8, fontweight="bold", color=MARK, ha="center",
            va="center_baseline", zorder=7, path_effects=halo, clip_on=True,
        )  # fmt: skip


def letter_places(
    squares: Sequence[Square],
    side: float,
    metres: float,
    extent: tuple[float, float, float, float],
) -> list[tuple[float, float]]:
    """Return where the letters of squares stand, in metres: within, or beside small squares.

    Parameters
    ----------
    squares : sequence of Square
        The squares.
    side : float
        Theirs, in metres.
    metres : float
        Of the map per inch.
    extent : (float, float, float, float)
        Left, right, bottom, top of the map in metres.

    Returns
    -------
    list of (float, float)
        Of the eight places around a small square the one that other squares and letters leave
        free, or most of it; the first of them on the right.
    """
    if side / metres >= WITHIN:
        return [(square.x, square.y) for square in squares]
    away, letter = side / 2 + 0.07 * metres, LETTER * metres
    taken: list[tuple[float, float]] = []
    for square in squares:
        spots = [(square.x + away * i, square.y + away * j) for i, j in AROUND]
        outlines = [(other.x, other.y) for other in squares if other is not square]
        crowded = [
            sum(_overlap(spot, other, (side + letter) / 2) for other in outlines)
            + sum(_overlap(spot, other, letter) for other in taken)
            + OUTSIDE * (not _within(spot, extent, letter / 2))
            for spot in spots
        ]
        taken.append(spots[crowded.index(min(crowded))])
    return taken


def _overlap(a: tuple[float, float], b: tuple[float, float], reach: float) -> float:
    """Return how far two places are nearer than `reach` along both axes, from 0 to 1."""
    return max(0.0, 1 - max(abs(a[0] - b[0]), abs(a[1] - b[1])) / reach)


def _within(
    spot: tuple[float, float], extent: tuple[float, float, float, float], margin: float
) -> bool:
    left, right, bottom, top = extent
    return left + margin <= spot[0] <= right - margin and bottom + margin <= spot[1] <= top - margin
