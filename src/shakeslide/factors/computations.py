"""What factors compute on a tile: from rasters, polygons, lines, points and the DEM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shakeslide.factors import density, nearest, terrain
from shakeslide.factors.factor import Float, TileInputs
from shakeslide.geo import grid as grids
from shakeslide.geo.projection import Directions
from shakeslide.io import raster
from shakeslide.layers.polygons import Polygons


@dataclass(frozen=True)
class ReadRaster:
    """Values of a raster on the tile, times what turns their unit into the factor's."""

    raster: raster.RasterSource
    gain: float = 1.0

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        values = self.raster.read(grids.window(inputs.grid, inputs.tile))
        return values if self.gain == 1.0 else values * np.float32(self.gain)


@dataclass(frozen=True)
class ReadCodes:
    """Classes of a raster on the tile, numbered from 1 in the order of their codes."""

    raster: raster.RasterSource
    codes: tuple[int, ...]

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        values = self.raster.read_codes(grids.window(inputs.grid, inputs.tile))
        known = np.isfinite(values)
        numbers = np.full(values.shape, np.nan, np.float32)
        # In double precision: float32 may not tell such codes apart.
        numbers[known] = np.searchsorted(np.asarray(self.codes, np.float64), values[known]) + 1
        return numbers


@dataclass(frozen=True)
class BurnPolygons:
    """Values of polygons at the cells' centres."""

    polygons: Polygons

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return self.polygons.burn(inputs.tile).astype(np.float32)


@dataclass(frozen=True)
class Bearing:
    """Azimuth from a point to the cell's centre, at the point and from true north."""

    x: float
    y: float
    turn: Directions

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        bearings = terrain.azimuths(inputs.x - self.x, inputs.y - self.y)
        return terrain.turned(bearings, inputs.tile, self.turn)


@dataclass(frozen=True)
class DirectionOfNearest:
    """Azimuth (mod 180) of the nearest subsection.

    Attributes
    ----------
    segments : Segments
        The subsections, or their midpoints.
    azimuth : array, (segments,) float32
        Azimuth, in degrees, of the subsection that each of `segments` belongs to.
    """

    segments: nearest.Segments
    azimuth: NDArray[np.float32]

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        _, index = nearest.nearest(inputs.x, inputs.y, self.segments)
        return self.azimuth[index]


@dataclass(frozen=True)
class DistanceToNearest:
    """Distance to the nearest segment."""

    segments: nearest.Segments

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return np.asarray(nearest.nearest(inputs.x, inputs.y, self.segments)[0], np.float32)


@dataclass(frozen=True)
class Density:
    """Kernel density of points.

    Attributes
    ----------
    x, y, weights : array, (points,) float64
        Coordinates in the grid's CRS, in metres, and the weight of each point.
    bandwidth : float
        Radius of the kernel, in metres.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    bandwidth: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return density.quartic_density(
            inputs.x, inputs.y, self.x, self.y, self.weights, self.bandwidth
        )


def elevation(inputs: TileInputs) -> Float:
    """Return elevation in metres, (rows, cols) float32, NaN where unknown."""
    return inputs.elevation()[0]


def slope(inputs: TileInputs) -> Float:
    """Return slope in degrees, (rows, cols) float32."""
    return inputs.derivatives.slope_deg


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
