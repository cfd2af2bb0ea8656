"""Factors of the elevation model: elevation, slope, aspect, curvature, relief and their like.

The kernels are in `terrain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import terrain
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.geo import grid as grids
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_settings import (
    AspectFactor,
    CurvatureFactor,
    EastnessFactor,
    ElevationFactor,
    NorthnessFactor,
    ReliefFactor,
    RoughnessFactor,
    SlopeFactor,
    TpiFactor,
)

Float64 = NDArray[np.float64]


def elevation(inputs: TileInputs) -> Float:
    """Return elevation in metres, (rows, cols) float32, NaN where unknown."""
    return inputs.elevation()[0]


def slope(inputs: TileInputs) -> Float:
    """Return slope in degrees, (rows, cols) float32."""
    return inputs.derivatives.slope_deg


@dataclass(frozen=True)
class SlopeAtScale:
    """Slope of the surface that coarser cells would show, at every cell.

    Elevations are averaged over squares of the scale, and Horn's differences are taken between
    averages one scale apart: at the centre of a coarse cell it is the slope of a coarse DEM.
    """

    scale: float

    def reach(self, dx: float, dy: float) -> tuple[int, int]:
        """Return rows and columns of the grid's cells along a side of the scale."""
        return max(1, round(self.scale / dy)), max(1, round(self.scale / dx))

    def halo(self, dx: float, dy: float) -> tuple[int, int]:
        """Return rows and columns of elevation needed around a tile."""
        rows, cols = self.reach(dx, dy)
        return rows + rows // 2 + 1, cols + cols // 2 + 1

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        z, inner = inputs.elevation(self.halo(inputs.dx, inputs.dy))
        reach = self.reach(inputs.dx, inputs.dy)
        return slope_between_means(z, inputs.dx, inputs.dy, reach)[inner]


def slope_between_means(z: Float, dx: float, dy: float, reach: tuple[int, int]) -> Float:
    """Return slope in degrees between means over `reach` rows and columns, (rows, cols) float32.

    Parameters
    ----------
    z : array, (rows, cols) float32
        Elevation in metres, NaN where unknown.
    dx, dy : float
        Size of the cells in metres.
    reach : (int, int)
        Rows and columns of a mean, and the distance of means.
    """
    known = np.isfinite(z)
    if not known.any():
        return np.full(z.shape, np.nan, np.float32)
    # Near 0, so that running sums lose no digits.
    base = float(z[known].mean())
    filled = np.where(known, z.astype(np.float64) - base, 0.0)
    share = scipy.ndimage.uniform_filter(known.astype(np.float64), reach, mode="nearest")
    low = share < 1e-6
    mean = scipy.ndimage.uniform_filter(filled, reach, mode="nearest") / np.where(low, 1.0, share)
    mean[low] = np.nan
    rows, cols = reach
    around = np.pad(mean, ((rows, rows), (cols, cols)), mode="edge")
    north, south = around[: -2 * rows], around[2 * rows :]
    middle = around[rows:-rows]

    def weighted(a: Float64, b: Float64, c: Float64) -> Float64:
        return a + 2 * b + c

    east = weighted(*(r[:, 2 * cols :] for r in (north, middle, south)))
    west = weighted(*(r[:, : -2 * cols] for r in (north, middle, south)))
    up = weighted(*(north[:, s] for s in _thirds(cols)))
    down = weighted(*(south[:, s] for s in _thirds(cols)))
    gradient = np.hypot((east - west) / (8 * cols * dx), (up - down) / (8 * rows * dy))
    out = np.degrees(np.arctan(gradient)).astype(np.float32)
    return np.where(known, out, np.float32(np.nan))


def _thirds(cols: int) -> tuple[slice, slice, slice]:
    """Return the columns to the west, of the middle, to the east in a padded row."""
    return slice(None, -2 * cols), slice(cols, -cols), slice(2 * cols, None)


def aspect(inputs: TileInputs) -> Float:
    """Return aspect in degrees from true north, (rows, cols) float32, -1 where flat."""
    return inputs.derivatives.aspect_deg


@dataclass(frozen=True)
class Curvature:
    """Curvature of the asked type."""

    type: str

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        if self.type == "general":
            return inputs.derivatives.curvature
        kernel = {"profile": terrain.profile_curvature, "plan": terrain.plan_curvature}[self.type]
        z, inner = inputs.elevation((1, 1))
        bend = kernel(z, inputs.dx, inputs.dy)[inner]
        # Not defined on level ground, which does not bend: no reason to leave a cell out.
        return np.where(np.isnan(bend) & ~np.isnan(z[inner]), np.float32(0), bend)


def roughness(inputs: TileInputs) -> Float:
    """Return the range of the 3 x 3 elevations around, in metres, (rows, cols) float32."""
    z, inner = inputs.elevation((1, 1))
    return terrain.roughness(z, inputs.dx, inputs.dy)[inner]


@dataclass(frozen=True)
class Exposure:
    """Cosine or sine of the aspect, 0 where flat."""

    towards: Literal["north", "east"]
    by_slope: bool

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        degrees = inputs.derivatives.aspect_deg.astype(np.float64)
        angle = np.radians(degrees)
        facing = np.cos(angle) if self.towards == "north" else np.sin(angle)
        facing = np.where(degrees == -1.0, 0.0, facing)
        if self.by_slope:
            # So they are the northward and eastward components of the slope's unit normal.
            facing *= np.sin(np.radians(inputs.derivatives.slope_deg.astype(np.float64)))
        return facing.astype(np.float32)


@dataclass(frozen=True)
class Tpi:
    """Topographic position in a ring."""

    inner: float
    outer: float
    divide_by_sd: bool

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        z, inner = inputs.elevation(terrain.tpi_halo(inputs.dx, inputs.dy, self.outer))
        kept = terrain.tpi(z, inputs.dx, inputs.dy, self.inner, self.outer, self.divide_by_sd)
        return kept[inner]


@dataclass(frozen=True)
class Relief:
    """Relief in a window."""

    window: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        z, inner = inputs.elevation(terrain.relief_halo(inputs.dx, inputs.dy, self.window))
        return terrain.relief(z, inputs.dx, inputs.dy, self.window)[inner]


def dem_text(sources: Sources) -> str:
    """Return where the elevations come from, in a few words."""
    return sourced.source_text(sources.layer("dem", "DEM"))


def _elevation(settings: ElevationFactor, code: str, sources: Sources) -> Made:
    return Made(elevation, source=dem_text(sources))


def _slope(settings: SlopeFactor, code: str, sources: Sources) -> Made:
    if settings.scale is None:
        return Made(slope, halo=(1, 1), source=dem_text(sources))
    require_within(settings.scale, f"[factors.{code}] scale", sources.grid)
    coarse = SlopeAtScale(settings.scale)
    return Made(coarse, halo=coarse.halo(*grids.cell_size(sources.grid)), source=dem_text(sources))


def _aspect(settings: AspectFactor, code: str, sources: Sources) -> Made:
    return Made(aspect, halo=(1, 1), source=dem_text(sources))


def _curvature(settings: CurvatureFactor, code: str, sources: Sources) -> Made:
    return Made(Curvature(settings.type), halo=(1, 1), source=dem_text(sources))


def _tpi(settings: TpiFactor, code: str, sources: Sources) -> Made:
    if settings.inner >= settings.outer:
        raise InputError(f"[factors.{code}] inner = {settings.inner} must be smaller than outer")
    dx, dy = grids.cell_size(sources.grid)
    if settings.outer < min(dx, dy):
        raise InputError(
            f"[factors.{code}] outer = {settings.outer} m contains no neighbour at "
            f"{dx:g} x {dy:g} m cells; make it at least one cell"
        )
    require_within(settings.outer, f"[factors.{code}] outer", sources.grid)
    return Made(
        Tpi(settings.inner, settings.outer, settings.divide_by_sd),
        halo=terrain.tpi_halo(dx, dy, settings.outer),
        unit="SD" if settings.divide_by_sd else "m",
        source=dem_text(sources),
    )


def require_within(metres: float, key: str, grid: GeoBox) -> None:
    """Raise where a neighbourhood is wider than the grid."""
    longest = grids.longer_side(grid)
    if metres > longest:
        raise InputError(
            f"{key} = {metres:g} m is wider than the grid ({longest:g} m); make it smaller"
        )


def _relief(settings: ReliefFactor, code: str, sources: Sources) -> Made:
    require_within(settings.window, f"[factors.{code}] window", sources.grid)
    dx, dy = grids.cell_size(sources.grid)
    narrow = settings.window < 3 * min(dx, dy)
    warning = (
        f"{code}: window = {settings.window:g} m is narrower than three cells of {dx:g} x {dy:g} "
        f"m, which are used: give a wider window in [factors.{code}]"
    )
    return Made(
        Relief(settings.window),
        halo=terrain.relief_halo(dx, dy, settings.window),
        source=dem_text(sources),
        warnings=(warning,) if narrow else (),
    )


def _roughness(settings: RoughnessFactor, code: str, sources: Sources) -> Made:
    return Made(roughness, halo=(1, 1), source=dem_text(sources))


def _northness(settings: NorthnessFactor, code: str, sources: Sources) -> Made:
    return Made(Exposure("north", settings.by_slope), halo=(1, 1), source=dem_text(sources))


def _eastness(settings: EastnessFactor, code: str, sources: Sources) -> Made:
    return Made(Exposure("east", settings.by_slope), halo=(1, 1), source=dem_text(sources))


FUNCTIONS: Mapping[str, FactorFunction] = {
    "elevation": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="elevation",
        citation="",
        make=_elevation,
        travel=Travel(
            "before",
            "relative",
            "it stands for climate and range: use relief, tpi or height_above_river",
        ),
    ),
    "slope": FactorFunction(
        kind="continuous",
        unit="deg",
        inputs=("dem",),
        definition="slope gradient in a 3 x 3 window",
        citation="Horn (1981), Proc. IEEE 69, 14-47",
        make=_slope,
        travel=Travel(),
    ),
    "aspect": FactorFunction(
        kind="circular",
        unit="deg",
        inputs=("dem",),
        definition="downslope direction in a 3 x 3 window, clockwise from true north, -1 where "
        "flat",
        citation="Horn (1981), Proc. IEEE 69, 14-47",
        make=_aspect,
        travel=Travel(
            "before",
            "relative",
            "its azimuth is that of one earthquake: use northness and eastness",
        ),
    ),
    "curvature": FactorFunction(
        kind="continuous",
        unit="1/100 m",
        inputs=("dem",),
        definition="curvature in a 3 x 3 window, convex positive",
        citation="Zevenbergen and Thorne (1987), Earth Surf. Process. Landf. 12, 47-56",
        make=_curvature,
        travel=Travel(),
    ),
    "tpi": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="elevation minus the mean elevation of a ring around the cell",
        citation="Weiss (2001), Topographic position and landforms analysis, ESRI User Conference",
        make=_tpi,
        travel=Travel(),
    ),
    "relief": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="highest minus lowest elevation in a moving window",
        citation="",
        make=_relief,
        travel=Travel(),
    ),
    "roughness": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="highest minus lowest elevation in a 3 x 3 window",
        citation="Wilson et al. (2007), Mar. Geod. 30, 3-35",
        make=_roughness,
        travel=Travel(),
    ),
    "northness": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("dem",),
        definition="cosine of the slope aspect from true north, 0 where flat",
        citation="Zar (1999), Biostatistical Analysis",
        make=_northness,
        travel=Travel(),
    ),
    "eastness": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("dem",),
        definition="sine of the slope aspect from true north, 0 where flat",
        citation="Zar (1999), Biostatistical Analysis",
        make=_eastness,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
