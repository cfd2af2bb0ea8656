"""Factors of the elevation model at a scale: forms after smoothing, statistics in windows.

The kernels are in `smoothing` and `window_statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import smoothing, terrain, window_statistics
from shakeslide.factors.factor import (
    FactorFunction,
    Float,
    Made,
    Options,
    Sources,
    TileInputs,
    Travel,
)
from shakeslide.factors.smoothing import Forms
from shakeslide.factors.topography import dem_text, require_within
from shakeslide.factors.window_statistics import Extremes, Moments
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.study.factor_settings import (
    SmoothedAspectFactor,
    SmoothedFactor,
    WindowFactor,
)

METRE_STEPS, DEGREE_STEPS = 1024.0, 65536.0
"""Steps in a metre of elevation and in a degree of slope, in which windows are summed."""

# ------------------------------------------------------------------ after smoothing


def _surface(inputs: TileInputs, scale: float) -> tuple[NDArray[np.float64], Any]:
    """Return the smoothed surface of a tile and what differences reach, and the tile in it."""
    dx, dy = inputs.dx, inputs.dy

    def made() -> tuple[NDArray[np.float64], Any]:
        shape = grids.shape_of(inputs.grid)
        wide = inputs.tile.grown(smoothing.halo(dx, dy, scale), shape)
        near = inputs.tile.grown(smoothing.steps(dx, dy, scale), shape)
        z, _ = inputs.elevation(smoothing.halo(dx, dy, scale))
        surface = smoothing.smoothed(z, dx, dy, scale, near.within(wide))
        return surface, inputs.tile.within(near)

    return inputs.shared("smoothed surface", scale, made)


def forms_of(inputs: TileInputs, scale: float) -> Forms:
    """Return the derivatives of the smoothed surface on the tile."""
    surface, inner = _surface(inputs, scale)
    return inputs.shared(
        "forms of the smoothed surface",
        scale,
        lambda: smoothing.forms(surface, inputs.dx, inputs.dy, scale, inner),
    )


def smoothed_aspect(inputs: TileInputs, scale: float) -> Float:
    """Return the aspect of the smoothed surface from true north, (rows, cols), -1 where flat.

    Parameters
    ----------
    inputs : TileInputs
        The tile.
    scale : float
        Standard deviation of the smoothing in metres.
    """

    def made() -> Float:
        form = forms_of(inputs, scale)
        angle = np.degrees(np.arctan2(-form.gx, -form.gy)) % np.float32(360)
        # The remainder of a tiny negative angle is 360.
        angle[angle >= 360] = 0
        angle[(form.gx == 0) & (form.gy == 0)] = -1
        return terrain.turned(angle, inputs.tile, projection.true_north(inputs.grid))

    return inputs.shared("aspect of the smoothed surface", scale, made)


def _slope(inputs: TileInputs, scale: float) -> Float:
    form = forms_of(inputs, scale)
    return np.degrees(np.arctan(np.hypot(form.gx, form.gy)))


def _uphill(inputs: TileInputs, scale: float, part: Callable[[Float], Float]) -> Float:
    """Return a component of the gradient by true north: uphill is opposite to the aspect."""
    form, aspect = forms_of(inputs, scale), smoothed_aspect(inputs, scale)
    steep = np.hypot(form.gx, form.gy)
    return np.where(aspect == -1, np.float32(0), -steep * part(np.radians(aspect)))


def _bend(inputs: TileInputs, scale: float) -> Float:
    form = forms_of(inputs, scale)
    return np.float32(-200) * (form.xx + form.yy)


def _directed(inputs: TileInputs, scale: float, plan: bool) -> Float:
    form = forms_of(inputs, scale)
    gx, gy = (form.gy, -form.gx) if plan else (form.gx, form.gy)
    squared = gx * gx + gy * gy
    bend = form.xx * gx * gx + form.yy * gy * gy + form.xy * gx * gy
    # Level ground does not bend along its slope.
    return np.where(squared == 0, np.float32(0), -200 * bend / np.where(squared == 0, 1, squared))


def _position(inputs: TileInputs, scale: float) -> Float:
    surface, inner = _surface(inputs, scale)
    above: Float = (inputs.elevation()[0] - surface[inner]).astype(np.float32)
    return above


@dataclass(frozen=True)
class Measure:
    """A measure of a family: how it is computed at a scale, and what it is."""

    compute: Callable[[TileInputs, float], Float]
    unit: str
    definition: str
    citation: str


WOOD = "Wood (1996), The geomorphological characterisation of digital elevation models, Leicester"
ZEVENBERGEN = "Zevenbergen and Thorne (1987), Earth Surf. Process. Landf. 12, 47-56"
WEISS = "Weiss (2001), Topographic position and landforms analysis, ESRI User Conference"
WILSON = "Wilson and Gallant (2000), Terrain Analysis, Wiley"
GROHMANN = "Grohmann, Smith and Riccomini (2011), IEEE Trans. Geosci. Remote Sens. 49, 1200-1213"
AFTER = "of the surface after Gaussian smoothing, whose standard deviation is the scale"
AROUND = "in the square window that reaches the scale from the cell"

SMOOTHED: Mapping[str, Measure] = {
    "slope": Measure(_slope, "deg", f"slope gradient {AFTER}", WOOD),
    "gradient_east": Measure(
        lambda i, s: _uphill(i, s, np.sin), "1", f"rise to the east {AFTER}", WOOD
    ),
    "gradient_north": Measure(
        lambda i, s: _uphill(i, s, np.cos), "1", f"rise to the north {AFTER}", WOOD
    ),
    "curvature": Measure(_bend, "1/100 m", f"curvature, convex positive, {AFTER}", ZEVENBERGEN),
    "profile_curvature": Measure(
        lambda i, s: _directed(i, s, False),
        "1/100 m",
        f"curvature along the slope, convex positive, {AFTER}",
        ZEVENBERGEN,
    ),
    "plan_curvature": Measure(
        lambda i, s: _directed(i, s, True),
        "1/100 m",
        f"curvature across the slope, convex positive, {AFTER}",
        ZEVENBERGEN,
    ),
    "position": Measure(_position, "m", f"elevation minus that {AFTER}", WEISS),
}
"""Measures of the smoothed surface."""

# ------------------------------------------------------------------ in windows


def _around(inputs: TileInputs, scale: float, slope: bool) -> tuple[Float, Any, tuple[int, int]]:
    """Return elevations or slopes of a tile and its windows, the tile in it, and half a window."""
    half = smoothing.steps(inputs.dx, inputs.dy, scale)

    def made() -> tuple[Float, Any, tuple[int, int]]:
        if not slope:
            return *inputs.elevation(half), half
        z, _ = inputs.elevation((half[0] + 1, half[1] + 1))
        shape = grids.shape_of(inputs.grid)
        wide = inputs.tile.grown((half[0] + 1, half[1] + 1), shape)
        near = inputs.tile.grown(half, shape)
        steep = terrain.derivatives(z, inputs.dx, inputs.dy).slope_deg
        return np.ascontiguousarray(steep[near.within(wide)]), inputs.tile.within(near), half

    return inputs.shared(f"windows of {'slope' if slope else 'elevation'}", scale, made)


def _moments(inputs: TileInputs, scale: float, slope: bool) -> Moments:
    values, inner, half = _around(inputs, scale, slope)
    steps = DEGREE_STEPS if slope else METRE_STEPS
    return inputs.shared(
        f"moments of {'slope' if slope else 'elevation'}",
        scale,
        lambda: window_statistics.moments(values, half, inner, steps),
    )


def _extremes(inputs: TileInputs, scale: float, slope: bool) -> Extremes:
    values, inner, half = _around(inputs, scale, slope)
    return inputs.shared(
        f"extremes of {'slope' if slope else 'elevation'}",
        scale,
        lambda: window_statistics.extremes(values, half, inner),
    )


def _relief(inputs: TileInputs, scale: float) -> Float:
    found = _extremes(inputs, scale, False)
    return found.high - found.low


def _relative_position(inputs: TileInputs, scale: float) -> Float:
    found, z = _extremes(inputs, scale, False), inputs.elevation()[0]
    relief = found.high - found.low
    return np.where(relief == 0, np.float32(0.5), (z - found.low) / np.where(relief, relief, 1))


def _deviation(inputs: TileInputs, scale: float) -> Float:
    found = _moments(inputs, scale, False)
    return np.where(found.sd == 0, np.float32(0), -found.lead / np.where(found.sd, found.sd, 1))


def _slope_mean(inputs: TileInputs, scale: float) -> Float:
    values, inner, _ = _around(inputs, scale, True)
    mean: Float = values[inner] + _moments(inputs, scale, True).lead
    return mean


WINDOWS: Mapping[str, Measure] = {
    "relief": Measure(_relief, "m", f"highest minus lowest elevation {AROUND}", WILSON),
    "relative_position": Measure(
        _relative_position,
        "1",
        f"elevation between the lowest (0) and the highest (1) {AROUND}, 0.5 where level",
        WILSON,
    ),
    "deviation": Measure(
        _deviation,
        "SD",
        f"elevation minus the mean, in standard deviations, {AROUND}; 0 where level",
        WILSON,
    ),
    "slope_mean": Measure(_slope_mean, "deg", f"mean slope {AROUND}", GROHMANN),
    "slope_max": Measure(
        lambda i, s: _extremes(i, s, True).high, "deg", f"steepest slope {AROUND}", GROHMANN
    ),
    "slope_min": Measure(
        lambda i, s: _extremes(i, s, True).low, "deg", f"gentlest slope {AROUND}", GROHMANN
    ),
    "slope_sd": Measure(
        lambda i, s: _moments(i, s, True).sd,
        "deg",
        f"standard deviation of slope {AROUND}",
        GROHMANN,
    ),
}
"""Measures in windows."""

# ------------------------------------------------------------------ from settings


@dataclass(frozen=True)
class SmoothedForm:
    """A measure of the smoothed surface."""

    measure: str
    scale: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return SMOOTHED[self.measure].compute(inputs, self.scale)


@dataclass(frozen=True)
class SmoothedAspect:
    """Aspect of the smoothed surface."""

    scale: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return smoothed_aspect(inputs, self.scale)


@dataclass(frozen=True)
class WindowMeasure:
    """A measure in windows."""

    measure: str
    scale: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return WINDOWS[self.measure].compute(inputs, self.scale)


def require_scale(scale: float, code: str, grid: GeoBox) -> None:
    """Raise where a scale is finer than the cells or wider than the grid."""
    cell = max(grids.cell_size(grid))
    if 2 * scale < cell:
        raise InputError(
            f"[factors.{code}] scale = {scale:g} m is finer than the grid's cells "
            f"({cell:g} m); give a larger scale, or leave it out of [factors] scales"
        )
    require_within(scale, f"[factors.{code}] scale", grid)


def _smoothed(settings: SmoothedFactor, code: str, sources: Sources) -> Made:
    require_scale(settings.scale, code, sources.grid)
    about = SMOOTHED[settings.measure]
    return Made(
        SmoothedForm(settings.measure, settings.scale),
        halo=smoothing.halo(*grids.cell_size(sources.grid), settings.scale),
        unit=about.unit,
        definition=about.definition,
        citation=about.citation,
        source=dem_text(sources),
    )


def _smoothed_aspect(settings: SmoothedAspectFactor, code: str, sources: Sources) -> Made:
    require_scale(settings.scale, code, sources.grid)
    return Made(
        SmoothedAspect(settings.scale),
        halo=smoothing.halo(*grids.cell_size(sources.grid), settings.scale),
        source=dem_text(sources),
    )


def _window(settings: WindowFactor, code: str, sources: Sources) -> Made:
    require_scale(settings.scale, code, sources.grid)
    about = WINDOWS[settings.measure]
    rows, cols = smoothing.steps(*grids.cell_size(sources.grid), settings.scale)
    return Made(
        WindowMeasure(settings.measure, settings.scale),
        halo=(rows + 1, cols + 1),
        unit=about.unit,
        definition=about.definition,
        citation=about.citation,
        source=dem_text(sources),
    )


ANOTHER_AZIMUTH = Travel(
    "before", "relative", "its azimuth is that of one earthquake: use facing_source"
)


def _travel(settings: Options, unit: str) -> Travel:
    return ANOTHER_AZIMUTH if str(settings.get("measure")).startswith("gradient") else Travel()


FUNCTIONS: Mapping[str, FactorFunction] = {
    "smoothed": FactorFunction(
        kind="continuous",
        unit="deg",
        inputs=("dem",),
        definition=f"form {AFTER}",
        citation=WOOD,
        make=_smoothed,
        travel=_travel,
    ),
    "smoothed_aspect": FactorFunction(
        kind="circular",
        unit="deg",
        inputs=("dem",),
        definition=f"downslope direction, clockwise from true north, -1 where flat, {AFTER}",
        citation=WOOD,
        make=_smoothed_aspect,
        travel=ANOTHER_AZIMUTH,
    ),
    "window": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition=f"statistics of elevation or slope {AROUND}",
        citation=WILSON,
        make=_window,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
