"""Maps of the factors: one card each, and all on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shakeslide.report import cartography, figures, legends
from shakeslide.report.cartography import View
from shakeslide.report.colouring import Shown
from shakeslide.report.legends import Box


def card(shown: Shown, view: View, width: float = 2.7) -> Figure:
    """Return the figure of one factor with its legend.

    Parameters
    ----------
    shown : Shown
        The factor in its colours.
    view : View
        The view it was read at.
    width : float
        Of the figure in inches.
    """
    size, edge = 7.5, 0.05
    inner = width - 2 * edge
    below = legends.height(shown, inner, size) + 0.12
    tall = min(inner * view.aspect, 1.45 * width)
    figure, sheet = figures.new(width, tall + below + edge)
    wide = tall / view.aspect
    box = Box((width - wide) / 2, below, wide, tall)
    axes = _map(figure, shown, view, box)
    _furniture(sheet, box, view, 6.5)
    # Beneath the sheet, on which scale bar and arrow lie.
    axes.set_zorder(0)
    legends.draw(figure, sheet, shown, Box(edge, edge, inner, below - 0.1), size)
    return figure


def panel(shown: Sequence[Shown], view: View, columns: int = 5) -> Figure:
    """Return all factors on one sheet, as a figure of a paper."""
    size, gap, width, title = 6.0, 0.14, 7.4, 0.2
    columns = min(columns, len(shown))
    cell = (width - gap * (columns - 1) - 0.1) / columns
    tall = min(cell * view.aspect, 1.5 * cell)
    wide = tall / view.aspect
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    needs = [max(legends.height(s, cell, size) for s in row) + 0.16 for row in rows]
    figure, sheet = figures.new(width, sum(needs) + len(rows) * (tall + title) + 0.05)
    bottom = float(figure.get_size_inches()[1])
    for i, (row, need) in enumerate(zip(rows, needs, strict=True)):
        bottom -= title + tall
        for j, one in enumerate(row):
            left = 0.05 + j * (cell + gap)
            box = Box(left + (cell - wide) / 2, bottom, wide, tall)
            _map(figure, one, view, box)
            name = f"({chr(ord('a') + (i * columns + j) % 26)}) {one.info.code}"
            sheet.text(left, bottom + tall + 0.04, name, fontsize=7.5)
            if i == j == 0:
                _furniture(sheet, box, view, 5.5)
            legends.draw(figure, sheet, one, Box(left, bottom - need, cell, need - 0.05), size)
        bottom -= need
    return figure


def _map(figure: Figure, shown: Shown, view: View, box: Box) -> Axes:
    axes = figures.axes_at(figure, box.left, box.bottom, box.width, box.height)
    cartography.frame(axes, view, shown.rgb)
    if len(shown.marks):
        _marks(axes, shown, view)
    return axes


def _marks(axes: Axes, shown: Shown, view: View) -> None:
    """Draw the lines or points that a factor is made from."""
    left, right, bottom, top = view.extent
    # Layers of a country reach far beyond a map.
    seen = shapely.clip_by_rect(shown.marks, left, bottom, right, top)
    parts = shapely.get_parts(seen[~shapely.is_empty(seen)])
    flat = shapely.get_dimensions(parts)
    points = shapely.get_coordinates(parts[flat == 0])
    if len(points):
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=7,
            c="white",
            edgecolors=cartography.INK,
            linewidths=0.5,
            zorder=4,
        )
    lines = [shapely.get_coordinates(line) for line in parts[flat == 1]]
    cartography.draw_rings(axes, lines, cartography.INK, 0.7, casing="white")


def _furniture(sheet: Axes, box: Box, view: View, size: float) -> None:
    """Draw scale bar and north arrow on a pale plate in the map's lower left corner."""
    left, right, _, _ = view.extent
    per_inch = (right - left) / box.width
    # As `scale_bar` chooses its length, for a plate as wide.
    longest = cartography.nice(0.3 * box.width * per_inch) / per_inch
    scale = size / 6.5
    plate = Rectangle(
        (box.left + 0.03, box.bottom + 0.03),
        longest + 0.6 * scale,
        0.31 * scale,
        facecolor="white",
        edgecolor="none",
        alpha=0.85,
        zorder=0.5,
    )
    sheet.add_patch(plate)
    cartography.scale_bar(
        sheet, box.left + 0.11 * scale, box.bottom + 0.09, 0.3 * box.width, per_inch, size
    )
    x = box.left + longest + 0.48 * scale
    cartography.north_arrow(sheet, x, box.bottom + 0.06, view, 0.26 * scale)
