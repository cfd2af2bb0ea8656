"""Colours of factors: each kind of value its own scale, told apart by colour-blind readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, Normalize, to_rgb
from numpy.typing import NDArray

from shakeslide.factors.stack import FactorInfo
from shakeslide.io.style import RAMP
from shakeslide.report import cartography, figures, words
from shakeslide.report.artefacts import FactorFile
from shakeslide.report.cartography import NODATA, Float, Picture, View

PROBABILITY: Colormap = LinearSegmentedColormap.from_list("probability", list(RAMP))

SEQUENTIAL: Mapping[str, str] = {
    "EI": "YlOrRd",
    "AF": "BuPu",
    "DEM": "cividis",
    "SLO": "YlOrBr",
    "RER": "YlGnBu",
    "DR": "Blues_r",
}
DIVERGING: Mapping[str, str] = {"TPI": "PuOr", "SC": "RdBu_r"}
TERRAIN = ("SLO", "SLOA", "TPI", "SC")
"""Factors that show the relief themselves: shading would only confuse them."""
FACTOR_SHADE, MAP_SHADE = 0.42, 0.3
"""Strength of the relief under factors and under probabilities: colours must stay readable."""
FLAT_GREY = (0.6, 0.6, 0.6)
MOST_STEPS = 10
"""Distinct values up to which a continuous factor is drawn in steps."""

CLASSES = (
    "#88ccee", "#ddcc77", "#117733", "#cc6677", "#332288", "#aa4499",
    "#44aa99", "#999933", "#882255", "#e8e4c9", "#6699cc", "#661100",
)  # fmt: skip
"""Colours of classes, after Paul Tol's muted scheme."""
OTHER = "#b8bcc0"


@dataclass(frozen=True)
class Shown:
    """A factor ready to be drawn.

    Attributes
    ----------
    info : FactorInfo
        What it is.
    rgb : array, (rows, cols, 3) uint8
        Its picture.
    colours, norm : Colormap and Normalize, optional
        Of a colour bar.
    ticks : sequence of float
        Of the colour bar, where its steps are discrete.
    extend : str
        At which ends values lie beyond the bar.
    period : float
        Of an angle, in degrees; 0 for the rest.
    flat : bool
        Some cells have no direction.
    entries : sequence of (colour, label)
        Of a legend.
    marks : array of shapely geometries
        Lines or points that the factor is made from, to draw over it.
    """

    info: FactorInfo
    rgb: Picture
    colours: Colormap | None = None
    norm: Normalize | None = None
    ticks: Sequence[float] = ()
    extend: str = "neither"
    period: float = 0.0
    flat: bool = False
    entries: Sequence[tuple[Any, str]] = field(default_factory=tuple)
    marks: NDArray[Any] = field(default_factory=lambda: np.empty(0, object))

    @property
    def label(self) -> str:
        """Name and unit."""
        unit = words.unit(self.info.unit)
        name = self.info.name if figures.drawable(self.info.name) else self.info.code
        return f"{name} ({unit})" if unit else name


def show(
    factor: FactorFile,
    view: View,
    shade: Float | None,
    areas: Mapping[int, int] | None = None,
    marks: NDArray[Any] | None = None,
) -> Shown:
    """Read a factor and give it its colours.

    Parameters
    ----------
    factor : FactorFile
        The prepared factor.
    view : View
        At which resolution.
    shade : array, (rows, cols) float32, or None
        Relief to lay under it, where useful.
    areas : mapping of int to int, optional
        Cells of each class, to name the commonest in the legend.
    marks : array of shapely geometries, (n,), optional
        What the factor is made from, to draw over it.
    """
    info = factor.info
    # Means of angles and of codes are no values of theirs.
    values = view.read(factor.path, average=info.kind == "continuous")
    under = None if info.code in TERRAIN else shade
    if info.kind == "categorical":
        shown = _classes(info, values, under, areas or {})
    elif info.kind in ("circular", "axial"):
        shown = _angle(info, values, under)
    else:
        shown = _continuous(info, values, under)
    return shown if marks is None else replace(shown, marks=np.asarray(marks, object))


def paint(
    rgb: Float, values: Float, shade: Float | None, strength: float = FACTOR_SHADE
) -> Picture:
    """Return colours over the relief as a picture, grey where there is no value.

    Parameters
    ----------
    rgb : array, (rows, cols, 3) float32
        Colours from 0 to 1.
    values : array, (rows, cols) float32
        NaN where there is no value.
    shade : array, (rows, cols) float32, or None
        Brightness, as `cartography.hillshade` returns it.
    strength : float
        Of the relief, from 0 to 1.

    Returns
    -------
    array, (rows, cols, 3) uint8
    """
    out = cartography.shaded(rgb, shade, strength)
    out[~np.isfinite(values)] = NODATA
    return cartography.picture(out)


def probability_scale(values: Float, balanced: bool) -> Normalize:
    """Return the scale of a map of probabilities, (rows, cols), NaN where there is no value.

    Balanced ones, on the balance of the samples, take the whole range. At the share of positives
    in the area most ground lies near 0, so the scale ends where 0.5 % of the values lie beyond.
    """
    return Normalize(0, 1.0 if balanced else _highest(values, 99.5) or 1.0)


def spread_scale(values: Float) -> Normalize:
    """Return the scale of a map of standard deviations, (rows, cols); 1 % may lie beyond."""
    # A few uncertain cells would leave all others pale.
    return Normalize(0, _highest(values, 99) or 0.01)


def _highest(values: Float, percentile: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percentile)) if known.size else 0.0


def end_of(values: Float, scale: Normalize) -> str:
    """Return the end of a scale beyond which values, (rows, cols), lie: "max" or "neither"."""
    return "max" if bool((values > (scale.vmax or 1.0)).any()) else "neither"


def map_picture(values: Float, scale: Normalize, colours: Colormap, shade: Float | None) -> Picture:
    """Return a map over the relief as a picture, (rows, cols, 3) uint8.

    Parameters
    ----------
    values : array, (rows, cols) float32
        NaN where there is no value.
    scale, colours : Normalize and Colormap
        Of the values.
    shade : array, (rows, cols) float32, or None
        Relief under the map.
    """
    return paint(rgb_of(colours, scale(np.nan_to_num(values))), values, shade, MAP_SHADE)


def rgb_of(colours: Colormap, scaled: NDArray[Any]) -> Float:
    """Return the colours, (rows, cols, 3) float32 from 0 to 1, of scaled values, (rows, cols).

    They are made by way of bytes, which is several times faster.
    """
    return np.asarray(colours(scaled, bytes=True)[..., :3] / np.float32(255), np.float32)


def _continuous(info: FactorInfo, values: Float, shade: Float | None) -> Shown:
    known = values[np.isfinite(values)]
    # An even part tells whether values are few; sorting millions takes long.
    levels = np.unique(known[:: max(1, known.size // 200_000)])
    if 1 < levels.size <= MOST_STEPS:
        return _steps(info, values, shade, levels)
    # A few extreme cells would take all of the contrast.
    low, high = np.percentile(known, [2, 98]) if known.size else (0.0, 1.0)
    name = SEQUENTIAL.get(info.code, "viridis")
    # Values on both sides of 0, alike in size: 0 belongs in the middle.
    if info.code in DIVERGING or (low < 0 < high and 1 / 3 < -low / high < 3):
        name = DIVERGING.get(info.code, "PuOr")
        high = max(abs(low), abs(high))
        low = -high
    # One value everywhere: a bar must have a width.
    if not low < high:
        low, high = low - 0.5, high + 0.5
    colours, norm = mpl.colormaps[name], Normalize(low, high)
    ends = (bool(known.size and known.min() < low), bool(known.size and known.max() > high))
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[ends]
    return Shown(
        info, paint(rgb_of(colours, norm(values)), values, shade), colours, norm, extend=extend
    )


def _steps(info: FactorInfo, values: Float, shade: Float | None, levels: Float) -> Shown:
    """Draw a factor of few values in steps."""
    middle = (levels[1:] + levels[:-1]) / 2
    first, last = levels[0] - (middle[0] - levels[0]), levels[-1] + (levels[-1] - middle[-1])
    base = mpl.colormaps[SEQUENTIAL.get(info.code, "viridis")]
    # Not the palest and darkest ends, which would hide the relief.
    colours = LinearSegmentedColormap.from_list("steps", base(np.linspace(0.08, 0.88, 64)))
    norm = BoundaryNorm([first, *middle, last], colours.N)
    picture = paint(rgb_of(colours, norm(values)), values, shade)
    return Shown(info, picture, colours, norm, ticks=[float(v) for v in levels])


def _angle(info: FactorInfo, values: Float, shade: Float | None) -> Shown:
    period = 180.0 if info.kind == "axial" else 360.0
    # Level ground has no direction and is stored as a negative number.
    flat = values < 0
    rgb = cyclic(np.where(flat, np.nan, values), period)
    rgb[flat] = FLAT_GREY
    picture = paint(rgb, values, shade)
    return Shown(info, picture, period=period, flat=bool(flat.any()))


def cyclic(degrees: NDArray[Any], period: float) -> Float:
    """Return the colours, (rows, cols, 3) float32, of angles in degrees, (rows, cols).

    The scale closes upon itself after `period` degrees.
    """
    turn = np.where(np.isfinite(degrees), degrees, 0.0) % period / period
    return rgb_of(mpl.colormaps["twilight"], turn)


def _classes(
    info: FactorInfo, values: Float, shade: Float | None, areas: Mapping[int, int]
) -> Shown:
    codes, counts = np.unique(values[np.isfinite(values)].astype(int), return_counts=True)
    # Of the whole area, where it is known: the picture is coarser.
    size = {int(k): areas.get(int(k), int(n)) for k, n in zip(codes, counts, strict=True)}
    total = sum(size.values())
    # Names in the legend's order; the commonest where there are more than colours.
    named = sorted(sorted(size, key=lambda k: (-size[k], k))[: len(CLASSES)])
    rgb = np.full((*values.shape, 3), to_rgb(OTHER), np.float32)
    entries: list[tuple[Any, str]] = []
    for colour, code in zip(CLASSES, named, strict=False):
        # By equality: classes are small whole numbers, exact in float32.
        rgb[values == code] = to_rgb(colour)
        entries.append((colour, f"{class_name(info, code)} ({_percent(size[code] / total)})"))
    rest = [k for k in size if k not in named]
    if rest:
        entries.append((OTHER, f"{len(rest)} others"))
    return Shown(info, paint(rgb, values, shade), entries=entries)


def _percent(share: float) -> str:
    return "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def class_name(info: FactorInfo, code: int) -> str:
    """Return a class's name as the figures' font can write it."""
    name = info.legend.get(code, str(code))
    return name if figures.drawable(name) else str(code)
