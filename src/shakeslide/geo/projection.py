"""Distortion of a projection: scale error, direction of true north, and a suitable CRS.

All of it follows from how a step on the map moves a point of the ellipsoid, which is measured by
differences of the inverse projection. So it holds for any CRS that PROJ can invert, at the poles
too, and minds that a projection may stretch one direction more than the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

Float = NDArray[np.float64]

STEP = 500.0
"""Metres over which the inverse projection is differenced: far above its rounding, and so short
that the ground's curvature changes lengths by less than 1e-8."""
SPACING = 20_000.0
"""Metres between the points of a grid where its projection is looked at. Between them directions
change so evenly that interpolation is within 0.01 degrees."""
MOST_INTERVALS = 256
"""Intervals between such points along a side at most."""
DEGREE = 111_320.0
"""Metres of a degree of latitude, nearly."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The ground at places of a map; arrays of one shape, NaN where the CRS shows no ground.

    Attributes
    ----------
    lon, lat : array
        Degrees, in the CRS's own datum.
    longest, shortest : array
        Metres on the ground per unit of the map, in the direction that the map shrinks most and
        in the one that it stretches most.
    area : array
        Square metres on the ground per square unit of the map.
    east, north : array
        Where true north lies on the map: components of a vector along x and y. It is as long as
        the cosine of latitude makes it, so that it is smooth across the poles.
    """

    lon: Float
    lat: Float
    longest: Float
    shortest: Float
    area: Float
    east: Float
    north: Float

    @property
    def north_deg(self) -> Float:
        """Direction of true north on the map, in degrees clockwise from its y axis, ±180.

        In the shape of the other arrays: any shape that the places have.
        """
        return np.degrees(np.arctan2(self.east, self.north))

    @property
    def scale_error(self) -> Float:
        """Length on the map over that on the ground, less 1, where it is farthest from 0.

        In the shape of the other arrays: any shape that the places have.
        """
        high, low = 1 / self.shortest - 1, 1 / self.longest - 1
        return np.where(np.abs(high) >= np.abs(low), high, low)


def ground(crs: CRS, x: NDArray[Any], y: NDArray[Any]) -> Ground:
    """Return the ground at places of a map.

    Parameters
    ----------
    crs : CRS
        Projected in metres, or geographic.
    x, y : array
        Coordinates in it, both of one shape.

    Returns
    -------
    Ground
        Its arrays have that shape.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    h = STEP / DEGREE if crs.geographic else STEP
    lon, lat = _degrees(crs, x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        along_x = (_place(crs, x + h, y) - _place(crs, x - h, y)) / (2 * h)
        along_y = (_place(crs, x, y + h) - _place(crs, x, y - h)) / (2 * h)
        xx, yy, xy = (
            np.sum(a * b, axis=0)
            for a, b in ((along_x, along_x), (along_y, along_y), (along_x, along_y))
        )
        # The metric tensor's eigenvalues are mean ± apart: squares of the extreme scales
        # (Tissot).
        mean, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        area2 = xx * yy - xy * xy
        phi, lam = np.radians(lat), np.radians(lon)
        # The unit vector to true north, times the cosine of latitude.
        to_north = np.cos(phi) * np.stack(
            [-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)]
        )
        nx, ny = np.sum(along_x * to_north, axis=0), np.sum(along_y * to_north, axis=0)
        return Ground(
            lon=lon,
            lat=lat,
            longest=np.sqrt(mean + apart),
            # Rounding may leave less than 0.
            shortest=np.sqrt(np.maximum(mean - apart, 0)),
            area=np.sqrt(np.maximum(area2, 0)),
            # The inverse of the metric tensor turns products with both axes into components.
            east=(yy * nx - xy * ny) / area2,
            north=(xx * ny - xy * nx) / area2,
        )


def _degrees(crs: CRS, x: Float, y: Float) -> tuple[Float, Float]:
    """Return longitude and latitude in the CRS's own datum, NaN where there is no ground."""
    own = crs.proj
    try:
        inverse = pyproj.Transformer.from_crs(own, own.geodetic_crs, always_xy=True)
        lon, lat = inverse.transform(x, y)
    except pyproj.exceptions.ProjError:  # a projection that PROJ cannot invert
        return np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    known = np.isfinite(lon) & np.isfinite(lat)
    return np.where(known, lon, np.nan), np.where(known, lat, np.nan)


def _geod(crs: CRS) -> pyproj.Geod:
    """Return the CRS's ellipsoid."""
    geod = crs.proj.get_geod()
    if geod is None:
        raise ValueError(f"{crs.proj.name} has no ellipsoid")
    return geod


def _place(crs: CRS, x: Float, y: Float) -> Float:
    """Return geocentric X, Y, Z in metres, (3, ...), NaN where the CRS shows no ground."""
    lon, lat = _degrees(crs, x, y)
    geod = _geod(crs)
    a, e2 = geod.a, geod.es
    phi, lam = np.radians(lat), np.radians(lon)
    # Radius of curvature in the prime vertical.
    radius = a / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    return np.stack(
        [
            radius * np.cos(phi) * np.cos(lam),
            radius * np.cos(phi) * np.sin(lam),
            radius * (1 - e2) * np.sin(phi),
        ]
    )


# ------------------------------------------------------------------ over a grid


def _nodes(grid: GeoBox) -> tuple[Float, Float]:
    """Return x and y of evenly spaced points from edge to edge, (rows, cols) each."""
    a, (rows, cols) = grid.affine, grid.shape
    metres = DEGREE if grid.crs is not None and grid.crs.geographic else 1.0
    sides = (abs(rows * a.e) * metres, abs(cols * a.a) * metres)
    down, right = (min(max(2, math.ceil(s / SPACING)), MOST_INTERVALS) for s in sides)
    x = a.c + a.a * cols * np.arange(right + 1) / right
    y = a.f + a.e * rows * np.arange(down + 1) / down
    xs, ys = np.meshgrid(x, y)
    return xs, ys


@dataclass(frozen=True)
class Directions:
    """A direction that varies slowly over a grid, at evenly spaced points from edge to edge.

    Attributes
    ----------
    east, north : array, (down + 1, right + 1) float64
        Components of a vector in that direction along x and y.
    shape : (int, int)
        Rows and columns of the grid.
    """

    east: Float
    north: Float
    shape: tuple[int, int]

    def along(self, cols: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return both components at the centres of columns, (down + 1, columns) float32 each."""
        k, f = self.split(*cols, axis=1)
        east, north = (
            (v[:, k] + f * (v[:, k + 1] - v[:, k])).astype(np.float32)
            for v in (self.east, self.north)
        )
        return east, north

    def split(self, start: int, stop: int, axis: int) -> tuple[NDArray[np.int64], Float]:
        """Return the point before each row's or column's centre, and the share of the way on.

        From the whole grid's cells, so that a cell's direction is the same in any tile.

        Parameters
        ----------
        start, stop : int
            The n = stop - start rows or columns of the grid.
        axis : {0, 1}
            0 for rows, 1 for columns.

        Returns
        -------
        k : array, (n,) int64
            Number of the point before, along that axis.
        share : array, (n,) float64
            From 0, at that point, to 1, at the next.
        """
        intervals = self.east.shape[axis] - 1
        at = (np.arange(start, stop) + 0.5) * (intervals / self.shape[axis])
        # The last point begins no interval.
        k = np.minimum(at.astype(np.int64), intervals - 1)
        return k, at - k


# Every tile asks for it.
@lru_cache(maxsize=16)
def true_north(grid: GeoBox) -> Directions:
    """Return where true north lies over a grid: as it is drawn, meridians are not parallel to y."""
    seen = ground(_crs(grid), *_nodes(grid))
    return Directions(seen.east, seen.north, _shape(grid))


def bearings(grid: GeoBox, x: float, y: float) -> Directions:
    """Return by how much bearings on the map from a place exceed those on the ground.

    Parameters
    ----------
    grid : GeoBox
        The grid.
    x, y : float
        A place in its CRS.

    Returns
    -------
    Directions
        A bearing on the map less the direction is the azimuth, at the place, of the geodesic to
        the cell: both the convergence there and the bend of geodesics on the map are in it.
    """
    crs, (xs, ys) = _crs(grid), _nodes(grid)
    here = ground(crs, np.array([x]), np.array([y]))
    lon, lat = _degrees(crs, xs, ys)
    lon0, lat0 = (np.full(xs.shape, v[0]) for v in (here.lon, here.lat))
    azimuth, _, distance = _geod(crs).inv(lon0, lat0, lon, lat)
    turn = np.degrees(np.arctan2(xs - x, ys - y)) - azimuth
    # At the place itself there is no geodesic, but the convergence.
    turn = np.radians(np.where(distance > 1.0, turn, here.north_deg[0]))
    # As a vector, for angles cannot be interpolated across 180 degrees.
    return Directions(np.sin(turn), np.cos(turn), _shape(grid))


def _crs(grid: GeoBox) -> CRS:
    if grid.crs is None:
        raise ValueError("a grid without CRS")
    return grid.crs


def _shape(grid: GeoBox) -> tuple[int, int]:
    return int(grid.shape[0]), int(grid.shape[1])


# ------------------------------------------------------------------ how well it fits


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """What a grid's projection does to lengths, areas and directions on it.

    Attributes
    ----------
    centre, worst : float
        Scale error (length on the map over length on the ground, less 1) at the grid's centre
        and where it is largest.
    low, high : float
        Range of the scale error over the grid and over all directions.
    area : float
        Area on the map over area on the ground, less 1, at the centre.
    north, most_turned : float
        Direction of true north on the map, in degrees clockwise from up: at the centre, and
        where it is farthest from up.
    whole : bool
        Whether there is ground everywhere on the grid.
    lon, lat : array, (points,) float64
        Degrees of points all over the grid.
    side : float
        Metres on the ground of a cell's side at the centre.
    """

    centre: float
    worst: float
    low: float
    high: float
    area: float
    north: float
    most_turned: float
    whole: bool
    lon: Float
    lat: Float
    side: float


@lru_cache(maxsize=16)
def distortion(grid: GeoBox) -> Distortion:
    """Return what a grid's projection does to lengths, areas and directions on it."""
    crs, (xs, ys) = _crs(grid), _nodes(grid)
    seen = ground(crs, xs, ys)
    # Of the corners, for there need be no point in the middle.
    middle = ground(crs, np.array([(xs[0, 0] + xs[0, -1]) / 2]), np.array([ys[[0, -1], 0].mean()]))
    known = np.isfinite(seen.area) & (seen.shortest > 0)
    errors = seen.scale_error[known]
    north = seen.north_deg[known]
    a = grid.affine
    return Distortion(
        centre=float(middle.scale_error[0]),
        worst=float(errors[np.argmax(np.abs(errors))]) if errors.size else math.nan,
        low=float((1 / seen.longest[known] - 1).min(initial=math.inf)),
        high=float((1 / seen.shortest[known] - 1).max(initial=-math.inf)),
        area=float(1 / middle.area[0] - 1),
        north=float(middle.north_deg[0]),
        most_turned=float(north[np.argmax(np.abs(north))]) if north.size else math.nan,
        whole=bool(known.all()),
        lon=seen.lon[known],
        lat=seen.lat[known],
        side=float(np.sqrt(abs(a.a * a.e) * middle.area[0])),
    )


def fitting(found: Distortion, enough: float) -> tuple[str, float] | None:
    """Return a CRS that fits the grid's area, as [grid] crs takes it, and its cells' side there.

    The UTM zone, the polar stereographic projection, or an equal-area one centred on the area:
    the first whose scale error is below `enough` all over it, else the one with the least.

    Parameters
    ----------
    found : Distortion
        Of the grid.
    enough : float
        Scale error.
    """
    if found.lon.size == 0 or not math.isfinite(found.side):
        return None
    lon, lat = _middle(found.lon, found.lat)
    least, best = math.inf, ""
    for text in _candidates(lon, lat):
        error = _scale_error(text, found.lon, found.lat)
        if error < least:
            least, best = error, text
        if error <= enough:
            break
    return (best, float(f"{found.side:.2g}")) if best else None


def _middle(lon: Float, lat: Float) -> tuple[float, float]:
    """Return the middle of places, across longitude 180 and the poles too."""
    phi, lam = np.radians(lat), np.radians(lon)
    x, y, z = (
        float(v.mean()) for v in (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
    )
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))


def _candidates(lon: float, lat: float) -> list[str]:
    # Longitude 180 is in the last zone.
    zone = min(int((lon + 180) // 6) + 1, 60)
    # Universal Polar Stereographic, north and south.
    polar = {True: ["EPSG:5041"], False: ["EPSG:5042"]}[lat > 0] if abs(lat) > 75 else []
    utm = [f"EPSG:{32600 if lat >= 0 else 32700}".removesuffix("00") + f"{zone:02d}"]
    centred = f"+proj=laea +lat_0={lat:.0f} +lon_0={lon:.0f} +datum=WGS84 +units=m"
    return [*(polar if abs(lat) > 82 else utm), *polar, centred]


def _scale_error(text: str, lon: Float, lat: Float) -> float:
    """Return the largest scale error of a CRS at places in degrees."""
    crs = CRS(text)
    forward = pyproj.Transformer.from_crs("EPSG:4326", text, always_xy=True)
    seen = ground(crs, *forward.transform(lon, lat))
    error = np.abs(seen.scale_error)
    # A CRS that does not show all of the area does not fit it.
    return float(error.max()) if np.isfinite(error).all() else math.inf
