"""Derivatives of the terrain from 3×3 windows of a DEM: slope, aspect, curvature, roughness.

Beyond the raster and at voids a window is completed. For slope, aspect and roughness as
`gdaldem -compute_edges` does it: beyond the raster the ground goes straight on from the last two
cells (in the first and last row its corners repeat the edge's column), and a void neighbour has
the centre's elevation. For curvatures a missing neighbour is always straight on from the one
opposite, so that the ground does not bend across an edge or a void; the centre's elevation there
would read as a bend wherever the ground slopes.

Differences of neighbours are formed in the DEM's own precision and before all else, the rest in
float32: the angles are within 1e-4° of exact arithmetic on the same elevations.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import any_nan, fma, inlined, kernel
from shakeslide.factors.windows import Dem, Floats, as_dem, relief, relief_halo, tpi, tpi_halo
from shakeslide.geo.grid import Tile
from shakeslide.geo.projection import Directions

__all__ = [
    "Derivatives",
    "azimuths",
    "derivatives",
    "plan_curvature",
    "profile_curvature",
    "relief",
    "relief_halo",
    "roughness",
    "tpi",
    "tpi_halo",
    "turned",
]


# Minimax coefficients of atan(t) on [0, 1] in odd powers of t, in degrees: at most 1.5e-5°
# from the true value before rounding to float32.
_A1, _A3, _A5, _A7, _A9, _A11, _A13 = (
    np.float32(math.degrees(c))
    for c in (
        0.99999611155,
        -0.333173680547,
        0.19807815565,
        -0.132333420956,
        0.0796236723656,
        -0.033604220565,
        0.00681179329085,
    )
)
_0, _1, _2 = np.float32(0), np.float32(1), np.float32(2)
_90, _180, _360 = np.float32(90), np.float32(180), np.float32(360)


class Derivatives(NamedTuple):
    """What `derivatives` returns: three float32 arrays, shape (rows, cols)."""

    slope_deg: Floats
    aspect_deg: Floats
    curvature: Floats


@inlined
def _atan_deg(t: Any) -> Any:
    """Arc tangent in degrees of a float32 `t` in [0, 1]."""
    u = t * t
    s = fma(_A13, u, _A11)
    s = fma(s, u, _A9)
    s = fma(s, u, _A7)
    s = fma(s, u, _A5)
    s = fma(s, u, _A3)
    s = fma(s, u, _A1)
    return s * t


@inlined
def _slope(gx: Any, gy: Any) -> Any:
    """Slope in degrees from the two components of the gradient."""
    tangent = np.float32(math.sqrt(fma(gx, gx, gy * gy)))
    # atan t = 90° − atan(1/t) keeps the argument where the polynomial holds.
    steep = tangent > _1
    angle = _atan_deg((_1 if steep else tangent) / (tangent if steep else _1))
    return _90 - angle if steep else angle


@inlined
def _aspect(gx: Any, gy: Any) -> Any:
    """Downslope azimuth in degrees; `gx` rises to the east, `gy` to the north."""
    ax, ay = abs(gx), abs(gy)
    wide = ax > ay
    longer = ax if wide else ay
    angle = _atan_deg((ay if wide else ax) / longer)
    angle = _90 - angle if wide else angle
    angle = _180 - angle if gy > _0 else angle
    angle = _360 - angle if gx > _0 else angle
    # Rounding may reach 360, which is north.
    angle = _0 if angle >= _360 else angle
    return angle if longer > _0 else -_1


@kernel
def _azimuths(east: Any, north: Any, out: Any) -> None:
    for i in range(north.size):
        for j in range(east.size):
            azimuth = _aspect(-east[j], -north[i])
            out[i, j] = _0 if azimuth < _0 else azimuth


def azimuths(east: NDArray[np.floating[Any]], north: NDArray[np.floating[Any]]) -> Floats:
    """Azimuth of every combination of an easting and a northing, as fast as the aspect.

    Parameters
    ----------
    east : array, shape (cols,)
        Metres to the east of a point.
    north : array, shape (rows,)
        Metres to the north of it.

    Returns
    -------
    float32 array, shape (rows, cols)
        Degrees in [0, 360), clockwise from the grid's north, to 3e-5; 0 at the point itself.
    """
    out = np.empty((north.size, east.size), np.float32)
    _azimuths(np.asarray(east, np.float32), np.asarray(north, np.float32), out)
    return out


@kernel
def _between(f: Any, first: Any, second: Any, out: Any) -> None:
    for j in range(out.size):
        out[j] = fma(f, second[j] - first[j], first[j])


@kernel
def _direction_row(east: Any, north: Any, out: Any) -> None:
    for j in range(out.size):
        out[j] = _aspect(-east[j], -north[j])


@kernel
def _turn_row(angle: Any, turn: Any, out: Any) -> None:
    for j in range(out.size):
        true = angle[j] - turn[j]
        true = true + _360 if true < _0 else true
        true = _0 if true >= _360 else true
        out[j] = -_1 if angle[j] == -_1 else true


@kernel
def _turn(angle: Any, before: Any, share: Any, east: Any, north: Any, out: Any) -> None:
    size = out.shape[1]
    x, y, turn = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(out.shape[0]):
        k = before[i]
        # Between components: an angle in between would fail where north is crossed.
        _between(share[i], east[k], east[k + 1], x)
        _between(share[i], north[k], north[k + 1], y)
        _direction_row(x, y, turn)
        _turn_row(angle[i], turn, out[i])


def turned(angle: Floats, tile: Tile, directions: Directions) -> Floats:
    """Return angles of a tile less a direction: from true north, where they were from the grid's.

    Parameters
    ----------
    angle : float32 array, shape (rows, cols)
        Degrees in [0, 360) clockwise from the grid's north, -1 where flat, NaN where there is none.
    tile : Tile
        Which cells of the grid they are of.
    directions : Directions
        True north over the grid, or by how much bearings exceed azimuths.

    Returns
    -------
    float32 array, shape (rows, cols)
        Degrees in [0, 360); -1 and NaN stay.
    """
    out = np.empty(angle.shape, np.float32)
    before, share = directions.split(tile.row0, tile.row1, axis=0)
    east, north = directions.along((tile.col0, tile.col1))
    _turn(angle, before, share.astype(np.float32), east, north, out)
    return out


@inlined
def _angles(around: tuple[Any, ...], kx: Any, ky: Any) -> Any:
    """Slope and aspect by Horn's weights; differences first, which rounds least.

    `around`: the neighbours nw, n, ne, w, e, sw, s, se.
    """
    nw, n, ne, w, e, sw, s, se = around
    rising, falling = np.float32(ne - sw), np.float32(se - nw)
    gx = kx * fma(_2, np.float32(e - w), rising + falling)
    gy = ky * fma(_2, np.float32(n - s), rising - falling)
    return _slope(gx, gy), _aspect(gx, gy)


@inlined
def _bend(a: Any, b: Any, centre: Any) -> Any:
    """Second difference of three cells in a line."""
    return np.float32(a - centre) + np.float32(b - centre)


@inlined
def _or(value: Any, other: Any) -> Any:
    return other if math.isnan(value) else value


@inlined
def _angles_voids(around: tuple[Any, ...], c: Any, kx: Any, ky: Any) -> Any:
    """As `_angles`, where a neighbour without elevation has the centre's."""
    nw, n, ne, w, e, sw, s, se = around
    filled = (
        _or(nw, c), _or(n, c), _or(ne, c), _or(w, c), _or(e, c), _or(sw, c), _or(s, c), _or(se, c),
    )  # fmt: skip
    return _angles(filled, kx, ky)


@kernel
def _derive_row(
    north: Any, mid: Any, south: Any, gain: Any, slope: Any, aspect: Any, curvature: Any
) -> None:
    """One row, but for its first and last cell, from three rows without voids."""
    kx, ky, cx, cy = gain[0], gain[1], gain[2], gain[3]
    for j in range(slope.size):
        n, w, c, e, s = north[j + 1], mid[j], mid[j + 1], mid[j + 2], south[j + 1]
        around = north[j], n, north[j + 2], w, e, south[j], s, south[j + 2]
        slope[j], aspect[j] = _angles(around, kx, ky)
        curvature[j] = fma(cx, _bend(w, e, c), cy * _bend(n, s, c))


@kernel
def _derive_row_voids(
    north: Any, mid: Any, south: Any, gain: Any, slope: Any, aspect: Any, curvature: Any
) -> None:
    """As `_derive_row`, with voids among the elevations."""
    kx, ky, cx, cy = gain[0], gain[1], gain[2], gain[3]
    nan = np.float32(np.nan)
    for j in range(slope.size):
        n, w, c, e, s = north[j + 1], mid[j], mid[j + 1], mid[j + 2], south[j + 1]
        around = north[j], n, north[j + 2], w, e, south[j], s, south[j + 2]
        steepness, azimuth = _angles_voids(around, c, kx, ky)
        # With a void on one side the ground goes straight on, and does not bend.
        bend = fma(cx, _or(_bend(w, e, c), _0), cy * _or(_bend(n, s, c), _0))
        void = math.isnan(c)
        slope[j] = nan if void else steepness
        aspect[j] = nan if void else azimuth
        curvature[j] = nan if void else bend


@inlined
def _side(row: Any, last: bool, repeat: bool) -> Any:
    """West, centre, east of a row's first or last cell; beyond: straight on, or repeated."""
    at, inner = (row.size - 1, row.size - 2) if last else (0, 1)
    edge = row[at]
    inside = row[inner] if row.size > 1 else edge
    outside = edge if repeat else edge + (edge - inside)
    return (inside, edge, outside) if last else (outside, edge, inside)


@kernel
def _derive_side(
    north: Any, mid: Any, south: Any, last: bool, edge: bool, gain: Any, out: Any
) -> None:
    """The first or last cell of a row; across the raster's edge the ground does not bend."""
    repeat = edge or mid.size == 1
    nw, n, ne = _side(north, last, repeat)
    w, c, e = _side(mid, last, repeat)
    sw, s, se = _side(south, last, repeat)
    out[0], out[1] = _angles_voids((nw, n, ne, w, e, sw, s, se), c, gain[0], gain[1])
    out[2] = _0 if edge else gain[3] * _or(_bend(n, s, c), _0)
    if math.isnan(c):
        out[:] = np.nan


@kernel
def _beyond(z: Any, edge: int, inner: int) -> Any:
    """The row beyond the raster, straight on from its last two."""
    return (2 * z[edge] - z[inner]).astype(z.dtype) if z.shape[0] > 1 else z[edge].copy()


@kernel
def _derive(z: Any, gain: Any, slope: Any, aspect: Any, curvature: Any) -> None:
    rows, cols = z.shape
    top, bottom = _beyond(z, 0, 1), _beyond(z, rows - 1, rows - 2)
    no_bend = gain.copy()
    # Beyond the first and last row the ground goes straight on.
    no_bend[3] = 0
    side = np.empty(3, np.float32)
    inside = slice(1, cols - 1)
    mid_voids = any_nan(z[0])
    north_voids = mid_voids
    for i in range(rows):
        north, south = z[i - 1] if i > 0 else top, z[i + 1] if i < rows - 1 else bottom
        edge = i == 0 or i == rows - 1
        south_voids = any_nan(south)
        if cols > 2:
            out = slope[i, inside], aspect[i, inside], curvature[i, inside]
            # Most rows have no voids, and need not be looked at cell by cell.
            if north_voids or mid_voids or south_voids:
                _derive_row_voids(north, z[i], south, no_bend if edge else gain, *out)
            else:
                _derive_row(north, z[i], south, no_bend if edge else gain, *out)
        for j in (0, cols - 1):
            _derive_side(north, z[i], south, j > 0, edge, gain=gain, out=side)
            slope[i, j], aspect[i, j], curvature[i, j] = side
        north_voids, mid_voids = mid_voids, south_voids


def derivatives(z: Dem, dx: float, dy: float) -> Derivatives:
    """Slope, aspect and general curvature of a DEM, in one pass.

    With the window's elevations z1..z9 row by row from the north-west, slope and aspect are those
    of the gradient by Horn's weights, p = (z3+2z6+z9−z1−2z4−z7)/8dx to the east and
    q = (z1+2z2+z3−z7−2z8−z9)/8dy to the north; curvature is that of Zevenbergen and Thorne,
    −200(D+E), D = ((z4+z6)/2−z5)/dx², E = ((z2+z8)/2−z5)/dy².

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, row 0 in the north, NaN where there are none.
    dx, dy : float
        Cell sizes in metres; they may differ, and aspect heeds it.

    Returns
    -------
    Derivatives
        `slope_deg`; `aspect_deg`, the direction downslope in [0, 360) clockwise from north, −1
        on flat ground; `curvature` in 1/100 m, positive where convex. All NaN where `z` is.

    References
    ----------
    Horn, B. K. P. (1981). Hill shading and the reflectance map. Proc. IEEE 69(1), 14-47.
    Zevenbergen, L. W., Thorne, C. R. (1987). Quantitative analysis of land surface topography.
    Earth Surf. Process. Landf. 12, 47-56.
    """
    dem = as_dem(z, dx, dy)
    out = Derivatives(*(np.empty(dem.shape, np.float32) for _ in range(3)))
    # −200 D with D half the second difference over dx², hence −100.
    gain = np.array([1 / (8 * dx), 1 / (8 * dy), -100 / dx**2, -100 / dy**2], np.float32)
    if dem.size:
        _derive(dem, gain, *out)
    return out


@inlined
def _widest(values: Any) -> Any:
    """Largest less smallest of some values, of which the first is valid or the result is NaN."""
    high = low = values[0]
    for value in values:
        high = value if value > high else high
        low = value if value < low else low
    return high - low


@kernel
def _roughness_row(north: Any, mid: Any, south: Any, out: Any) -> None:
    for j in range(out.size):
        west = north[j], mid[j], south[j]
        middle = north[j + 1], south[j + 1]
        east = north[j + 2], mid[j + 2], south[j + 2]
        out[j] = _widest((mid[j + 1], *west, *middle, *east))


@kernel
def _roughness(z: Any, out: Any) -> None:
    rows, cols = z.shape
    top, bottom = _beyond(z, 0, 1), _beyond(z, rows - 1, rows - 2)
    for i in range(rows):
        north, south = z[i - 1] if i > 0 else top, z[i + 1] if i < rows - 1 else bottom
        if cols > 2:
            _roughness_row(north, z[i], south, out[i, 1 : cols - 1])
        repeat = i == 0 or i == rows - 1 or cols == 1
        for j in (0, cols - 1):
            w, c, e = _side(z[i], j > 0, repeat)
            above, below = _side(north, j > 0, repeat), _side(south, j > 0, repeat)
            out[i, j] = _widest((c, w, e, *above, *below))


def roughness(z: Dem, dx: float, dy: float) -> Floats:
    """Roughness: largest less smallest elevation of the 3×3 window.

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, NaN where there are none.
    dx, dy : float
        Cell sizes in metres; they do not matter to the result.

    Returns
    -------
    float32 array, shape (rows, cols)
        In metres; NaN where `z` is.

    References
    ----------
    Wilson, M. F. J., et al. (2007). Multiscale terrain analysis of multibeam bathymetry data for
    habitat mapping on the continental slope. Marine Geodesy 30, 3-35.
    """
    dem = as_dem(z, dx, dy)
    out = np.empty(dem.shape, np.float32)
    if dem.size:
        _roughness(dem, out)
    return out


@inlined
def _rise(z: Any, i: int, j: int, di: int, dj: int) -> Any:
    """Rise to a neighbour; where it is missing, straight on from the one opposite."""
    rows, cols = z.shape
    centre = np.float64(z[i, j])
    for sign in (1, -1):
        k, m = i + sign * di, j + sign * dj
        if 0 <= k < rows and 0 <= m < cols and not math.isnan(z[k, m]):
            return sign * (np.float64(z[k, m]) - centre)
    return 0.0


@kernel
def _directed(z: Any, dx: float, dy: float, plan: bool, out: Any) -> None:
    """Curvature along the slope, or across it, by the quadratic D..H of the 3×3 window."""
    rows, cols = z.shape
    for i in range(rows):
        for j in range(cols):
            west, east = _rise(z, i, j, 0, -1), _rise(z, i, j, 0, 1)
            north, south = _rise(z, i, j, -1, 0), _rise(z, i, j, 1, 0)
            cross = (_rise(z, i, j, -1, 1) - _rise(z, i, j, -1, -1)) + (
                _rise(z, i, j, 1, -1) - _rise(z, i, j, 1, 1)
            )
            d, e = (west + east) / (2 * dx * dx), (north + south) / (2 * dy * dy)
            f, g, h = cross / (4 * dx * dy), (east - west) / (2 * dx), (north - south) / (2 * dy)
            steep = g * g + h * h
            if plan:
                bend = d * h * h + e * g * g - f * g * h
            else:
                bend = d * g * g + e * h * h + f * g * h
            defined = steep > 0 and not math.isnan(z[i, j])
            out[i, j] = -200 * bend / steep if defined else np.nan


def _directed_curvature(z: Dem, dx: float, dy: float, plan: bool) -> Floats:
    dem = as_dem(z, dx, dy)
    out = np.empty(dem.shape, np.float32)
    _directed(dem, float(dx), float(dy), plan, out)
    return out


def profile_curvature(z: Dem, dx: float, dy: float) -> Floats:
    """Curvature along the slope line: −200(DG²+EH²+FGH)/(G²+H²).

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, row 0 in the north, NaN where there are none.
    dx, dy : float
        Cell sizes in metres.

    Returns
    -------
    float32 array, shape (rows, cols)
        In 1/100 m, positive where convex; NaN where `z` is, and on flat ground, which has no
        slope line. Profile and plan curvature add up to the general one.

    References
    ----------
    Zevenbergen, L. W., Thorne, C. R. (1987). Quantitative analysis of land surface topography.
    Earth Surf. Process. Landf. 12, 47-56.
    """
    return _directed_curvature(z, dx, dy, False)


def plan_curvature(z: Dem, dx: float, dy: float) -> Floats:
    """Curvature across the slope line: −200(DH²+EG²−FGH)/(G²+H²).

    Parameters
    ----------
    z : array, shape (rows, cols)
        Elevations in metres, row 0 in the north, NaN where there are none.
    dx, dy : float
        Cell sizes in metres.

    Returns
    -------
    float32 array, shape (rows, cols)
        In 1/100 m, positive where convex; NaN where `z` is, and on flat ground, which has no
        slope line. Profile and plan curvature add up to the general one.

    References
    ----------
    Zevenbergen, L. W., Thorne, C. R. (1987). Quantitative analysis of land surface topography.
    Earth Surf. Process. Landf. 12, 47-56.
    """
    return _directed_curvature(z, dx, dy, True)
