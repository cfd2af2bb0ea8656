"""Signs in data that something is wrong with them: a line that says what to do.

Each function looks for one thing and returns "" where it does not find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
import shapely
from numpy.typing import NDArray

from shakeslide.core.errors import counted, shortened
from shakeslide.io import units
from shakeslide.io.summary import Summary
from shakeslide.layers.positives import Positive

Floats = NDArray[np.floating[Any]]

LOWEST, HIGHEST = -500.0, 9000.0
"""Elevations of the land in metres, with some room."""
MOST_CLASSES = 30
RARE = 0.001
"""Share of the area below which a class is too small to learn from."""
STRIPES = -0.25
"""Below this correlation of neighbouring rows' curvature, rows are shifted against each other."""
STEEPEST_STEP = 0.04
"""Step of the elevations over the cell's size above which slope and aspect become stepped."""
FINER = 1.25
"""Sides of the grid's cells from which an elevation model's are told to be interpolated."""
GENTLEST, STEEPEST = 1.0, 60.0
"""Slopes in degrees: below the first not even a twentieth of a landscape lies where slopes fail,
above the second lies half of none."""
COARSE, STEEPEST_COARSE = 25.0, 45.0
"""Cells in metres, about an arc second, from which on cliffs are smoothed: half of no landscape is
steeper there than the slope in degrees."""
FLATTEST = 100.0
"""Metres of relief from which on a landscape is no flat one, whatever its middle is."""
STRONGEST_G = 5.0
"""No ground was ever seen to shake harder, in g."""


# ------------------------------------------------------------------ values of rasters


def zero_plateau(elevation: Summary) -> str:
    """Tell of zeros that lie far below all other elevations: voids filled with 0."""
    # Near the sea 0 m may well be ground.
    if elevation.zeros in (0, elevation.known) or elevation.least < 20.0:
        return ""
    return (
        f"is 0 m in {elevation.share(elevation.zeros)} of its cells, while all others are above "
        f"{elevation.least:.0f} m: if these are voids, set nodata = 0"
    )


def infinite(values: Summary) -> str:
    """Report cells whose number is infinite, or larger than a raster of ours can hold."""
    if values.infinite == 0:
        return ""
    return (
        f"is infinite, or larger than a float32 can be, in {counted(values.infinite, 'cell')}, "
        "which count as no data: set nodata if that is right"
    )


def not_elevations(elevation: Summary) -> str:
    """Tell of elevations that are not on the Earth."""
    low, high = elevation.low, elevation.high
    if low >= LOWEST and high <= HIGHEST:
        return ""
    return (
        f"has elevations from {low:.6g} to {high:.6g}, which are not metres on land: is a nodata "
        "value missing (nodata =), or are they feet (scale = 0.3048)?"
    )


def interpolated(own: float, cell: float) -> str:
    """Tell of an elevation model whose cells are larger than the grid's.

    Parameters
    ----------
    own, cell : float
        Side of a cell of the elevation model and of the grid, in metres on the ground.
    """
    if own < FINER * cell:
        return ""
    return (
        f"has cells of {own:.3g} m, the grid of {cell:.3g} m: elevations between are interpolated, "
        "so slope, aspect and curvature are smoother than the ground; set [grid] resolution = "
        f"{float(f'{own:.2g}'):g}, or use a finer elevation model"
    )


def not_probabilities(values: Summary) -> str:
    """Tell of values that are no probabilities."""
    if values.known == 0 or (values.low >= 0 and values.high <= 1):
        return ""
    return (
        f"has values from {values.low:.6g} to {values.high:.6g}, but probabilities lie between 0 "
        "and 1: set scale (0.01 for percent), or nodata"
    )


def constant(least: float, greatest: float) -> str:
    """Report a layer whose values are all the same.

    Parameters
    ----------
    least, greatest : float
        Of its values; NaN or infinite where there are none.
    """
    if least != greatest:
        return ""
    return (
        f"has the same value ({least:.6g}) everywhere, so no model can learn from it: are file, "
        "band, column and scale right?"
    )


def not_metres(said: Sequence[str], scale: float = 1.0, offset: float = 0.0) -> str:
    """Report elevations whose file states another unit than metres.

    Parameters
    ----------
    said : sequence of str
        What the file states: in its band, in its CRS.
    scale, offset : float
        The file's own, which a stated scale replaces.
    """
    for text in said:
        size = units.metres(text)
        if size is None or size == 1:
            continue
        what = f"gives its elevations in {shortened(text, 40)}"
        if offset:
            return f"{what}, with an offset: convert them to metres first (gdal_calc.py)"
        return (
            f"{what}: set scale = {size * scale:.7g} to convert them to metres, or scale = "
            f"{scale:.7g} where they are metres"
        )
    return ""


def voids(values: Floats) -> str:
    """Report voids: cells without a value, among elevations (rows, cols), that others surround."""
    empty = np.isnan(values)
    marked, count = scipy.ndimage.label(empty)
    if count == 0:
        return ""
    # What reaches the edge is not surrounded: it may go on outside.
    rim = np.unique(np.concatenate([marked[0], marked[-1], marked[:, 0], marked[:, -1]]))
    inner = np.setdiff1d(np.arange(1, count + 1), rim)
    if inner.size == 0:
        return ""
    share = 100 * np.isin(marked, inner).mean()
    return (
        f"has {counted(inner.size, 'void')} inside ({share:.2g} % of the grid), where nothing can "
        "be predicted: fill them first (gdal_fillnodata.py)"
    )


def undeclared_classes(values: Summary, dtype: str, unit: str, colours: bool) -> str:
    """Tell of whole numbers that may be classes, where nothing says that they are numbers.

    Parameters
    ----------
    values : Summary
        With its distinct values, up to `MOST_CLASSES`.
    dtype : str
        Of the file.
    unit : str
        Of the factor; a stated unit says that they are numbers.
    colours : bool
        Whether the file has a colour table.
    """
    found = values.distinct
    if unit or "int" not in dtype or found is None or found.size > MOST_CLASSES:
        return ""
    why = "has a colour table" if colours else f"holds {found.size} whole numbers"
    return (
        f'{why} and is used as a number: if they are classes, set function = "category" in its '
        "factor, else state their unit"
    )


def unlikely_unit(values: Summary, unit: str) -> str:
    """Tell of accelerations that do not fit their unit."""
    spelled = units.spelled(unit)
    if units.SCALES.get(spelled, ("", 0.0))[0] != "acceleration":
        return ""
    highest = max(abs(values.low), abs(values.high))
    scale = units.SCALES[spelled][1]
    if highest * scale > STRONGEST_G:
        return f"reaches {highest:.4g} {unit}, more than ever measured: is it in another unit?"
    if spelled != "g" and highest * scale < 0.01 and 0 < highest < STRONGEST_G:
        return f"reaches only {highest:.4g} {unit}: is it in g?"
    return ""


def rare_classes(areas: Mapping[str, float]) -> str:
    """Tell of classes that are too small to know how often slopes fail in them.

    Parameters
    ----------
    areas : mapping of str to float
        Area of each class on the grid, in any unit.
    """
    whole = sum(areas.values())
    rare = [name for name, area in areas.items() if 0 < area < RARE * whole]
    if not rare:
        return ""
    some = ", ".join(shortened(n, 40) for n in rare[:5]) + (" ..." if len(rare) > 5 else "")
    return (
        f"{len(rare)} of its {len(areas)} classes cover less than {100 * RARE:g} % of the area "
        f"each ({some}): too little ground to learn how often slopes fail there; "
        "merge them with similar classes"
    )


# ------------------------------------------------------------------ elevation models


def stepped(elevation: Floats, cell: float) -> str:
    """Tell of elevations in steps that are coarse for the size of the cells.

    Parameters
    ----------
    elevation : array, (rows, cols)
        In metres, at the file's own cells.
    cell : float
        Side of a cell in metres.
    """
    heights = np.unique(elevation[np.isfinite(elevation)])
    if heights.size < 5:
        return ""
    step = float(np.diff(heights).min())
    if step < 0.1 or step / cell < STEEPEST_STEP:
        return ""
    flat = np.degrees(np.arctan(step / cell))
    return (
        f"has elevations in steps of {step:.3g} m at cells of {cell:.3g} m, so that slope comes "
        f"in steps of about {flat:.1f} degrees: use a finer version, or a coarser [grid] resolution"
    )


def unlikely_slopes(elevation: Floats, cell: float, relief: float) -> str:
    """Tell of elevations that make slopes far gentler or steeper than where landslides are.

    Parameters
    ----------
    elevation : array, (rows, cols)
        In metres, at the file's own cells.
    cell : float
        Side of a cell in metres.
    relief : float
        Highest less lowest elevation of the whole grid in metres.
    """
    if min(elevation.shape) < 3:
        return ""
    down, right = np.gradient(np.asarray(elevation, np.float64), cell)
    slope = np.degrees(np.arctan(np.hypot(down, right)))
    slope = slope[np.isfinite(slope)]
    if slope.size == 0:
        return ""
    median, steep = np.percentile(slope, [50, 95])
    steepest = STEEPEST if cell < COARSE else STEEPEST_COARSE
    what = ""
    if steep < GENTLEST and relief < FLATTEST:
        what = f"95 % of its slopes are below {steep:.2g} degrees, and its relief is {relief:.3g}"
    elif median > steepest:
        what = f"half of its slopes are above {median:.0f} degrees"
    if not what:
        return ""
    return (
        f"{what}: are its elevations metres? Set scale = 1000 where they are kilometres, 0.3048 "
        "where they are feet"
    )


def striped(elevation: Floats) -> str:
    """Tell of rows or columns that are shifted against each other, or repeated.

    Across stripes the mean curvature of a row changes its sign from row to row; on natural ground
    neighbouring rows are alike.

    Parameters
    ----------
    elevation : array, (rows, cols)
        In metres, at the file's own cells.
    """
    if min(elevation.shape) < 30:
        return ""
    found = [_alternation(elevation, axis) for axis in (0, 1)]
    # Where cells repeat, the ground bends one way at a block's edge and back in the next row.
    if all(alike < -0.8 for alike, _ in found):
        return (
            "repeats its cells in blocks, as if enlarged from coarser ones: use it at its true "
            "resolution ([grid] resolution)"
        )
    names = [
        f"{name} shifted by about {size:.2g} m"
        for name, (alike, size) in zip(("rows", "columns"), found, strict=True)
        if alike < STRIPES
    ]
    if not names:
        return ""
    return (
        f"is striped ({' and '.join(names)}): the stripes will appear in slope, aspect and "
        "curvature"
    )


def _alternation(z: Floats, axis: int) -> tuple[float, float]:
    """Correlation of neighbouring rows' mean curvature, and the size of the shift in metres."""
    # Second differences: an even slope, however steep, has none.
    bend = np.diff(np.asarray(z, np.float64), 2, axis=axis)
    known = np.isfinite(bend)
    count = known.sum(axis=1 - axis)
    means = np.where(known, bend, 0.0).sum(axis=1 - axis) / np.maximum(count, 1)
    # Rows of which little is known say nothing of stripes.
    means = means[count > bend.shape[1 - axis] // 2]
    if means.size < 20 or means.std() < 1e-3:
        return 0.0, 0.0
    means = means - means.mean()
    alike = float((means[1:] * means[:-1]).mean() / means.var())
    # White stripes of size s have second differences of size s sqrt(6).
    return alike, float(means.std() / np.sqrt(6))


# ------------------------------------------------------------------ inventories


def repeated(shapes: NDArray[np.object_]) -> str:
    """Report outlines, an array (n,) of geometries, that are the same as another."""
    # To normalise all takes long: the same outlines have the same limits and as many corners.
    alike = pd.DataFrame(shapely.bounds(shapes)).assign(corners=shapely.get_num_coordinates(shapes))
    some = shapes[alike.duplicated(keep=False).to_numpy()]
    # Normalised, for the same outline may begin at another corner.
    count = int(pd.Series(shapely.to_wkb(shapely.normalize(some))).duplicated().sum())
    if count == 0:
        return ""
    return (
        f"{count:,} of {len(shapes):,} landslides appear twice: each cell counts for one of the two"
    )


def whole_sources(areas: NDArray[np.float64], cell: float, least_cells: int) -> str:
    """Report a least size of extracted source areas that most landslides do not reach.

    Parameters
    ----------
    areas : array, (landslides,) float64
        Area of each landslide in m².
    cell : float
        Area of a cell in m².
    least_cells : int
        Cells that a source area has at least.
    """
    median = float(np.median(areas)) / cell
    if least_cells < median:
        return ""
    return (
        f"[sources] least_cells = {least_cells:,} is as large as most of its landslides (median "
        f"{median:.3g} cells), whose whole outlines then count as source areas: make it smaller"
    )


def run_out_learnt(positives: Positive) -> str:
    """Tell that the positives are whole landslides, and how to learn where slopes fail.

    Parameters
    ----------
    positives : Positive
        What the positives are.
    """
    if positives is not Positive.OUTLINES:
        return ""
    return (
        "whole outlines are learnt, run-out included, so the maps show where landslides lie, not "
        'where slopes fail: set positives_from = "extracted" in [inventory], which derives source '
        "areas from the outlines as `shakeslide sources` does, or give mapped ones as "
        "[inventory.sources]"
    )


def nearly_the_same(shapes: NDArray[np.object_], alike: float = 0.8) -> str:
    """Report landslides that were mapped twice, with outlines that differ a little.

    Parameters
    ----------
    shapes : array of geometries, (landslides,)
        The outlines.
    alike : float
        Share of their common area that counts as the same.
    """
    tree = shapely.STRtree(shapes)
    # By their boxes: to test whether they touch would take longer than what follows.
    first, second = tree.query(shapes)
    # Each pair once, and no shape with itself.
    once = first < second
    first, second = first[once], second[once]
    area = shapely.area(shapes)
    # Outlines of very different size cannot be the same.
    ratio = np.minimum(area[first], area[second]) / np.maximum(area[first], area[second])
    # Nor can those whose boxes share less.
    near = (ratio > alike) & (_shared(shapes, first, second) > 0.99 * alike * area[first])
    first, second = first[near], second[near]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    # Intersection over union (Jaccard's index).
    same = shared / (area[first] + area[second] - shared)
    # Copies are told of by `repeated`.
    pairs = int(((same > alike) & ~shapely.equals(shapes[first], shapes[second])).sum())
    if pairs == 0:
        return ""
    return (
        f"{pairs:,} pairs of landslides have nearly the same outline: if they were mapped twice, "
        "leave one out with where ="
    )


def _shared(
    shapes: NDArray[np.object_], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the area that the boxes of two shapes share, (pairs,)."""
    box = shapely.bounds(shapes)
    low = np.maximum(box[first, :2], box[second, :2])
    high = np.minimum(box[first, 2:], box[second, 2:])
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=1))


def undated(dates: pd.Series, event: Any, years_after: float = 2.0) -> Sequence[str]:
    """Tell of landslides that are dated before the earthquake, or long after it.

    Parameters
    ----------
    dates : Series of UTC times
        One per landslide, NaT where unknown.
    event : datetime
        The earthquake (UTC).
    years_after : float
        What counts as long.
    """
    known = dates.dropna()
    if known.empty:
        return ["none of its landslides has a date"]
    time = pd.Timestamp(event)
    time = time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
    # Dates that are all the first of a year are years.
    first = time.normalize()
    if ((known.dt.month == 1) & (known.dt.day == 1)).all():
        first = pd.Timestamp(year=time.year, month=1, day=1, tz="UTC")
    early = int((known < first).sum())
    late = int((known > time + pd.Timedelta(days=365.25 * years_after)).sum())
    out = []
    remedy = "leave them out with where =, or list them as [[inventory.ambiguous]]"
    if early:
        out.append(
            f"{early:,} of {len(dates):,} landslides are dated before the earthquake "
            f"(from {known.min():%Y-%m-%d} on): {remedy}"
        )
    if late:
        out.append(
            f"{late:,} of {len(dates):,} landslides are dated more than {years_after:g} years "
            f"after the earthquake (to {known.max():%Y-%m-%d}): {remedy}"
        )
    return out
