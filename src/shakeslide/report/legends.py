"""Legends of factors: colour bars, compass rings, classes, each in a box on a sheet in inches."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from shakeslide.report import figures
from shakeslide.report.colouring import FLAT_GREY, Shown, cyclic

SOFT = "#4a525b"
EDGE = "#5a626b"
NARROW = 2.0
"""Width in inches below which an angle's name stands above its ring rather than beside it."""
RING = 0.62
"""Height in inches of a compass ring with its letters."""
LETTER = 0.56
"""Mean width of a letter in the figures' font, in parts of its size."""


@dataclass(frozen=True)
class Box:
    """A place on a sheet: left, bottom, width, height in inches."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.bottom + self.height


def line_height(size: float) -> float:
    """Return the height in inches of a line of text of this size in points."""
    return 1.45 * size / 72


def height(shown: Shown, width: float, size: float) -> float:
    """Return the height in inches that a factor's legend needs."""
    line, more = line_height(size), len(title(shown, width, size)[0]) - 1
    if shown.entries:
        columns = _columns(shown.entries, width, size)
        return line * (1.15 + more + math.ceil(len(shown.entries) / columns))
    if shown.period:
        return RING + (line * (1 + more) if width < NARROW else 0.0)
    return 0.18 + line * (2.4 + more)


def title(shown: Shown, width: float, size: float) -> tuple[list[str], float]:
    """Return the lines of a factor's name and unit, and their size in points.

    A long name is written smaller, and one that is still too wide is broken, never cut off.

    Parameters
    ----------
    shown : Shown
        The factor.
    width, size : float
        Of the legend in inches, and of its text in points.
    """
    # Names above classes begin at the left edge; all others are centred.
    room, size = width if shown.entries else width + 0.05, size + 0.5
    wide = figures.text_width(shown.label, size)
    fitting = max(0.75 * size, size * min(1.0, room / max(wide, 1e-9)))
    return figures.wrapped(shown.label, room * (1 + 1e-9), fitting), fitting


def draw(figure: Figure, sheet: Axes, shown: Shown, box: Box, size: float) -> None:
    """Draw a factor's legend into a box, from its top."""
    if shown.entries:
        _classes(sheet, shown, box, size)
    elif shown.period:
        _angle(figure, sheet, shown, box, size)
    else:
        axes = figures.axes_at(figure, box.left + 0.1, box.top - 0.16, box.width - 0.2, 0.1)
        _bar(figure, axes, shown, size)
        lines, fitting = title(shown, box.width, size)
        axes.set_xlabel("\n".join(lines), fontsize=fitting, labelpad=1.5)


def _bar(figure: Figure, axes: Axes, shown: Shown, size: float) -> None:
    bar = colour_bar(figure, axes, shown.norm, shown.colours, size, shown.extend)
    if shown.ticks:
        # As many labels as have room, with a blank between them.
        widest = max(figures.text_width(f"{v:g} ", size) for v in shown.ticks)
        most = max(1, int(axes.get_window_extent().width / figures.DPI / widest))
        ticks = list(shown.ticks[:: math.ceil(len(shown.ticks) / min(most, 6))])
        bar.set_ticks(ticks, labels=[f"{v:g}" for v in ticks])
        axes.minorticks_off()
    else:
        most = 5 if axes.get_window_extent().width / figures.DPI > 1.6 else 4
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))


def colour_bar(
    figure: Figure,
    axes: Axes,
    norm: Normalize | None,
    colours: Colormap | None,
    size: float,
    extend: str = "neither",
) -> Any:
    """Draw a horizontal colour bar and return it."""
    bar = figure.colorbar(
        ScalarMappable(norm=norm, cmap=colours),
        cax=axes,
        orientation="horizontal",
        extend=extend,
        extendfrac=0.03,
    )
    outline: Any = bar.outline
    outline.set_linewidth(0.4)
    axes.tick_params(labelsize=size, length=2, width=0.4, pad=1.5)
    return bar


# ------------------------------------------------------------------ angles


def _angle(figure: Figure, sheet: Axes, shown: Shown, box: Box, size: float) -> None:
    """Draw the legend of an angle: a compass ring, its name beside or above it."""
    narrow = box.width < NARROW
    names, fitting = title(shown, box.width, size)
    radius, top = 0.17, box.top - (line_height(size) * len(names) if narrow else 0)
    x, y = box.left + (0.34 if narrow else 0.42), top - RING / 2
    _ring(figure, sheet, shown.period, (x, y, radius), size)
    note = "both ends of a line alike" if shown.period == 180 else "clockwise from north"
    if narrow:
        middle = box.left + box.width / 2
        sheet.text(middle, box.top, "\n".join(names), fontsize=fitting, ha="center", va="top")
        lines = textwrap.wrap(note, 14)
    else:
        name = "\n".join(figures.wrapped(shown.label, box.width - 0.84, size + 0.5))
        sheet.text(x + 0.42, y + 0.01, name, fontsize=size + 0.5, va="bottom")
        lines = [note]
    left = x + (0.36 if narrow else 0.42)
    for i, text in enumerate(lines):
        at = y - 0.03 - i * line_height(size) + (0.1 if narrow else 0)
        sheet.text(left, at, text, fontsize=size - 0.5, va="top", color=SOFT)
    if shown.flat:
        sheet.add_patch(Rectangle((left, y - 0.25), 0.1, 0.08, facecolor=FLAT_GREY))
        sheet.text(left + 0.14, y - 0.21, "flat", fontsize=size - 0.5, va="center", color=SOFT)


def _ring(
    figure: Figure, sheet: Axes, period: float, place: tuple[float, float, float], size: float
) -> None:
    x, y, radius = place
    axes = figures.axes_at(figure, x - radius, y - radius, 2 * radius, 2 * radius)
    axes.imshow(compass(period), interpolation="antialiased")
    axes.axis("off")
    gap = radius + 0.065
    for name, dx, dy in (("N", 0, gap), ("E", gap, 0), ("S", 0, -gap), ("W", -gap, 0)):
        sheet.text(x + dx, y + dy, name, ha="center", va="center", fontsize=size - 1)


def compass(period: float, side: int = 240) -> NDArray[np.float64]:
    """Return a ring (side, side, 4) whose colours are those of the directions from its centre."""
    axis = np.linspace(-1, 1, side)
    # Rows of a picture run downwards.
    x, y = np.meshgrid(axis, -axis)
    radius = np.hypot(x, y)
    # Clockwise from north: x before y.
    rgb = cyclic(np.degrees(np.arctan2(x, y)) % 360, period)
    # Edges fade over one pixel, so that the ring is smooth.
    inside = np.clip(np.minimum(1 - radius, radius - 0.45) * side / 2 + 0.5, 0, 1)
    return np.dstack([rgb, inside])


# ------------------------------------------------------------------ classes


def _columns(entries: Sequence[tuple[Any, str]], width: float, size: float) -> int:
    widest = max(figures.text_width(label, size) for _, label in entries)
    return max(1, min(4, int(width / (widest + 2.6 * size / 72))))


def _classes(sheet: Axes, shown: Shown, box: Box, size: float) -> None:
    """Draw the legend of classes in columns."""
    line = line_height(size)
    columns = _columns(shown.entries, box.width, size)
    rows = math.ceil(len(shown.entries) / columns)
    names, fitting = title(shown, box.width, size)
    sheet.text(box.left, box.top, "\n".join(names), fontsize=fitting, va="top")
    room = box.width / columns - 2.0 * size / 72
    for i, (colour, label) in enumerate(shown.entries):
        x = box.left + (i // rows) * box.width / columns
        y = box.top - (i % rows + 0.75 + len(names)) * line
        swatch(sheet, x, y, 1.5 * size / 72, 0.6 * line, colour)
        text = figures.shortened(label, room, size)
        sheet.text(x + 2.0 * size / 72, y, text, fontsize=size, va="center")


def swatch(sheet: Axes, x: float, y: float, width: float, tall: float, colour: Any) -> None:
    """Draw a patch of colour, its left edge's middle at (x, y)."""
    sheet.add_patch(
        Rectangle((x, y - tall / 2), width, tall, facecolor=colour, edgecolor=EDGE, linewidth=0.35)
    )
