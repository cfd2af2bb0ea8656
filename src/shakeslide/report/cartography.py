"""Map furniture: a grid seen at a figure's resolution, relief shading, scale bar, north arrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon, Rectangle
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.report.words import length

Float = NDArray[np.float32]
Picture = NDArray[np.uint8]
Line = NDArray[np.float64]

INK = "#1b1f24"
NODATA = (0.86, 0.87, 0.88)
FLAT = math.sqrt(0.5)
"""Brightness of flat ground under a sun 45 degrees high."""


@dataclass(frozen=True)
class View:
    """The grid as a figure shows it: coarser where it has more cells than the figure has dots.

    Parameters
    ----------
    grid : GeoBox
        The whole grid.
    most : int
        Most cells along the longer side.
    """

    grid: GeoBox
    most: int

    @cached_property
    def step(self) -> int:
        """Cells of the grid along a cell of the picture: a power of two, as overviews have it."""
        step = 1
        while max(self.grid.shape) > step * self.most:
            step *= 2
        return step

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        rows, cols = self.grid.shape
        return -(-rows // self.step), -(-cols // self.step)

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the grid in metres."""
        box = grids.bounds(self.grid)
        return box.left, box.right, box.bottom, box.top

    @property
    def picture_extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the picture, whose last cells may reach over the grid."""
        left, _, _, top = self.extent
        width, height = self.cell
        return left, left + width * self.shape[1], top - height * self.shape[0], top

    @property
    def aspect(self) -> float:
        """Height over width."""
        left, right, bottom, top = self.extent
        return (top - bottom) / (right - left)

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of the picture's cells in metres."""
        dx, dy = grids.cell_size(self.grid)
        return dx * self.step, dy * self.step

    def read(self, path: Path, average: bool = True) -> Float:
        """Return a raster of the grid on the picture's cells, NaN where it has no value.

        Parameters
        ----------
        path : Path
            A file on the grid.
        average : bool
            Average the cells of a picture's cell, or take the middle one (angles and classes).

        Returns
        -------
        array, (rows, cols) float32
            Overviews are used where the file has them; else the file is read strip by strip.
        """
        with raster.result(path) as src:
            # GDAL takes the overview of this very step: nothing is resampled again.
            if self.step == 1 or self.step in src.overviews(1):
                return _floats(src.read(1, out_shape=self.shape), src.nodata)
            out = np.empty(self.shape, np.float32)
            # Strips hold whole cells of the picture: none is cut in two.
            high = self.step * max(1, STRIP // self.step)
            for top in range(0, src.height, high):
                bottom = min(top + high, src.height)
                strip = _floats(src.read(1, window=((top, bottom), (0, src.width))), src.nodata)
                coarse = _means(strip, self.step) if average else _middles(strip, self.step)
                out[top // self.step :][: len(coarse)] = coarse
        return out


STRIP = 512
"""Rows read at once where a file has no overviews: the blocks of a GeoTIFF."""


def _floats(raw: NDArray[Any], nodata: float | None) -> Float:
    values: Float = raw.astype(np.float32)
    if nodata is not None and not np.isnan(nodata):
        values[raw == nodata] = np.nan
    return values


def _means(values: Float, step: int) -> Float:
    """Return the means of step x step cells, of those that have a value."""
    known = np.isfinite(values)
    # As sums and counts, for cells without a value must not count as 0.
    total = _sums(np.where(known, values, np.float32(0)), step)
    count = _sums(known, step)
    mean: Line = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.astype(np.float32)


def _sums(values: NDArray[Any], step: int) -> NDArray[np.float64]:
    # `reduceat` also sums the last cells, of which there may be fewer than a step.
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], step), axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], step), axis=1))


def _middles(values: Float, step: int) -> Float:
    # The last cell of a picture may be cut before its middle.
    places = [np.minimum(np.arange(0, n, step) + step // 2, n - 1) for n in values.shape]
    return np.asarray(values[np.ix_(*places)])


def hillshade(
    z: NDArray[np.floating[Any]], cell: tuple[float, float], exaggeration: float = 1.0
) -> Float:
    """Return the brightness of a surface lit from the north-west, 45 degrees high.

    Parameters
    ----------
    z : array, (rows, cols)
        Elevation in metres, NaN where unknown.
    cell : (float, float)
        Width and height of the cells in metres.
    exaggeration : float
        Vertical exaggeration.

    Returns
    -------
    array, (rows, cols) float32
        From 0 (in the shade) to 1; flat and unknown ground is `FLAT`.
    """
    # A gradient needs two rows and two columns.
    if min(z.shape) < 2:
        return np.full(z.shape, FLAT, np.float32)
    # Rows run southwards, so dz/dnorth is minus the gradient along them.
    south, east = np.gradient(z * exaggeration, cell[1], cell[0])
    light = np.array([-0.5, 0.5, math.sqrt(0.5)])  # towards the sun: east, north, up
    bright = (-east * light[0] + south * light[1] + light[2]) / np.sqrt(1 + east**2 + south**2)
    # Unknown ground is drawn as flat: its own colour is told by the caller.
    bright = np.where(np.isfinite(bright), np.clip(bright, 0, 1), FLAT)
    return bright.astype(np.float32)


def relief(view: View, dem: Path | None) -> Float | None:
    """Return the shaded relief of a view, (rows, cols) from 0 to 1; None without elevation."""
    if dem is None:
        return None
    z = view.read(dem)
    if min(z.shape) < 2:
        return hillshade(z, view.cell)
    # A coarse picture flattens slopes; exaggerate so that the typical slope stays visible.
    slope = np.hypot(*np.gradient(z, view.cell[1], view.cell[0]))
    known = slope[np.isfinite(slope)]
    typical = float(np.median(known)) if known.size else 0.0
    return hillshade(z, view.cell, float(np.clip(0.6 / max(typical, 1e-6), 0.5, 20)))


def shaded(rgb: Float, shade: Float | None, strength: float) -> Float:
    """Darken slopes in the shade and lighten sunlit ones; flat ground keeps its colour.

    Parameters
    ----------
    rgb : array, (rows, cols, 3) float32
        Colours from 0 to 1.
    shade : array, (rows, cols) float32, or None
        Brightness, as `hillshade` returns it; without it the colours stay.
    strength : float
        From 0, no relief, to 1.

    Returns
    -------
    array, (rows, cols, 3) float32
        Colours from 0 to 1.
    """
    if shade is None:
        return rgb
    s = shade[..., None]
    # Both leave flat ground alone, so that colours stay those of the legend.
    dark = rgb * (1 - strength * (1 - np.minimum(s / np.float32(FLAT), 1)))
    light = np.clip((s - np.float32(FLAT)) / np.float32(1 - FLAT), 0, 1)
    return np.asarray(dark + (1 - dark) * np.float32(0.35 * strength) * light, np.float32)


def picture(rgb: Float) -> Picture:
    """Return colours from 0 to 1 as bytes of the same shape, (rows, cols, 3).

    Bytes are drawn faster and take less room.
    """
    return np.round(255 * np.clip(rgb, 0, 1)).astype(np.uint8)


def grey_relief(shade: Float | None, shape: tuple[int, int]) -> Picture:
    """Return a pale grey relief as ground for points and lines, (rows, cols, 3) uint8.

    Parameters
    ----------
    shade : array, (rows, cols) float32, or None
        Brightness, as `hillshade` returns it; without it the ground is of one grey.
    shape : (int, int)
        Rows and columns.
    """
    if shade is None:
        return np.full((*shape, 3), 242, np.uint8)
    grey = picture(np.asarray(0.5 + 0.5 * shade**0.8, np.float32))
    return np.repeat(grey[..., None], 3, axis=2)


# ------------------------------------------------------------------ frame and furniture


def frame(axes: Axes, view: View, rgb: Picture) -> None:
    """Show an RGB picture of the view, (rows, cols, 3) uint8, in true proportions."""
    # The axes have the map's proportions; the extent is that of the picture's whole cells.
    axes.imshow(
        rgb, extent=view.picture_extent, interpolation="antialiased", aspect="auto", zorder=0
    )
    # Cuts off what the last cells reach over the grid.
    left, right, bottom, top = view.extent
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)


def nice(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    # Rounding must not lose a length that is just as long.
    return next(m * power for m in (5.0, 2.0, 1.0) if m * power <= value * (1 + 1e-9))


def scale_bar(
    sheet: Axes, x: float, y: float, widest: float, metres_per_inch: float, size: float = 8.0
) -> None:
    """Draw a scale bar on a sheet in inches, its left end at (x, y), at most `widest` long."""
    metres = nice(widest * metres_per_inch)
    long = metres / metres_per_inch
    thick = 0.045 * size / 8
    for i in range(2):
        place, colour = (x + i * long / 2, y), (INK, "white")[i]
        bar = Rectangle(place, long / 2, thick, facecolor=colour, edgecolor=INK, linewidth=0.6)
        sheet.add_patch(bar)
    above = y + thick + 0.03
    sheet.text(x, above, "0", ha="center", va="bottom", fontsize=size)
    sheet.text(x + long, above, length(metres), ha="center", va="bottom", fontsize=size)


def north_arrow(sheet: Axes, x: float, y: float, view: View, size: float = 0.34) -> None:
    """Draw an arrow to true north on a sheet in inches, its foot at (x, y)."""
    turn = convergence(view)
    c, s = math.cos(turn), math.sin(turn)

    def place(dx: float, dy: float) -> tuple[float, float]:
        return x + size * (c * dx + s * dy), y + size * (-s * dx + c * dy)

    tip, notch = place(0, 0.66), place(0, 0.14)
    for side, colour in ((-1, INK), (1, "white")):
        half = [tip, place(side * 0.22, 0.0), notch]
        sheet.add_patch(Polygon(half, closed=True, facecolor=colour, edgecolor=INK, linewidth=0.6))
    sheet.text(*place(0, 0.86), "N", ha="center", va="center", fontsize=24 * size, weight="bold")


def convergence(view: View) -> float:
    """Return the angle from grid north to true north at the centre, clockwise in radians."""
    left, right, bottom, top = view.extent
    # A step along grid north is short enough to be a straight line.
    x, y, step = (left + right) / 2, (bottom + top) / 2, (top - bottom) / 100
    lon, lat = geographic(view, [x, x], [y, y + step])
    if not np.isfinite([*lon, *lat]).all():
        return 0.0
    # Also across 180 degrees; a degree of longitude shrinks with the cosine of the latitude.
    east = math.remainder(lon[1] - lon[0], 360) * math.cos(math.radians(lat[0]))
    return -math.atan2(east, lat[1] - lat[0])


def geographic(
    view: View, x: Sequence[float] | Line, y: Sequence[float] | Line
) -> tuple[Line, Line]:
    """Return WGS 84 longitudes and latitudes, (n,) each in degrees, of places in the grid's CRS.

    `x` and `y`, (n,), are their coordinates in metres.
    """
    transformer = pyproj.Transformer.from_crs(
        grids.crs_of(view.grid).to_wkt(), "EPSG:4326", always_xy=True
    )
    lon, lat = transformer.transform(np.asarray(x, float), np.asarray(y, float))
    return np.asarray(lon), np.asarray(lat)


def graticule(axes: Axes, view: View, size: tuple[float, float]) -> None:
    """Mark longitudes on the upper edge and latitudes on the left edge.

    Parameters
    ----------
    axes : Axes
        The map.
    view : View
        What it shows.
    size : (float, float)
        Its width and height in inches.
    """
    left, right, bottom, top = view.extent
    # Degrees are not even along an edge in metres: they are looked up between many places.
    x, y = np.linspace(left, right, 65), np.linspace(bottom, top, 65)
    lon, _ = geographic(view, list(x), [top] * 65)
    _, lat = geographic(view, [left] * 65, list(y))
    at_x, names_x = _marks(lon, x, "EW", size[0])
    at_y, names_y = _marks(lat, y, "NS", size[1])
    axes.xaxis.tick_top()
    axes.set_xticks(at_x, names_x)
    axes.set_yticks(at_y, names_y, rotation=90, va="center")
    axes.tick_params(pad=1.5, labelsize=8.5)
    # Labels at the ends turn inwards: they would stick out of the figure.
    for at, label in zip(at_x, axes.get_xticklabels(), strict=True):
        if at > right - 0.06 * (right - left):
            label.set_horizontalalignment("right")
    for at, label in zip(at_y, axes.get_yticklabels(), strict=True):
        if at < bottom + 0.06 * (top - bottom):
            label.set_verticalalignment("bottom")


def _marks(degrees: Line, at: Line, letters: str, inches: float) -> tuple[list[float], list[str]]:
    """Return where round values of an angle lie along an edge, and their labels."""
    span = float(degrees.max() - degrees.min()) if np.isfinite(degrees).all() else 0.0
    # Over a pole or 180 degrees no label would be true between two places.
    if span <= 0 or span > 90 or not (np.diff(degrees) > 0).all():
        return [], []
    # Round numbers are 2.5 times apart at most: a label stands each 0.9 inches or farther.
    step = nice(2.4999 * span / max(inches / 0.9, 1.0))
    values = np.arange(math.ceil(degrees[0] / step), math.floor(degrees[-1] / step) + 1) * step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    names = [f"{abs(v):.{decimals}f}° {letters[0] if v >= 0 else letters[1]}" for v in values]
    return [float(p) for p in np.interp(values, degrees, at)], names


# ------------------------------------------------------------------ landslides


def outline_rings(shapes: Any, view: View) -> list[Line]:
    """Return the outlines of polygons as rings (k, 2), as finely as the view can show them.

    Parameters
    ----------
    shapes : sequence of shapely polygons
        In the grid's CRS.
    view : View
        Where they are to be drawn.
    """
    geometry = np.asarray(shapes, dtype=object)
    if geometry.size == 0:
        return []
    # Less than half a cell of the picture cannot be seen.
    simple = shapely.simplify(geometry, 0.4 * min(view.cell))
    rings = shapely.get_rings(shapely.get_parts(simple))
    coordinates, index = shapely.get_coordinates(rings, return_index=True)
    return np.split(coordinates, np.flatnonzero(np.diff(index)) + 1)


def draw_rings(
    axes: Axes, rings: Sequence[Line], colour: str, width: float, casing: str | None = None
) -> None:
    """Draw outlines, rings of (k, 2) coordinates, with a casing to set them off where asked."""
    if casing:
        # Limits are those of the frame: they need not be sought in all the lines.
        axes.add_collection(
            LineCollection(rings, colors=casing, linewidths=2.2 * width, zorder=3), autolim=False
        )
    axes.add_collection(
        LineCollection(rings, colors=colour, linewidths=width, zorder=4), autolim=False
    )
