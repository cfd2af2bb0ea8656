"""Which part of the strongly shaken area a map covers, and where on it the epicentre lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.geo import grid as grids
from shakeslide.hazard.strong_shaking import STRONG
from shakeslide.shaking.ground_motion import GroundMotion

LEAST = 0.9
"""Share of it below which the reader is warned that totals are those of a part."""


def covered(motion: GroundMotion, grid: GeoBox) -> float | None:
    """Return the share of the strongly shaken area, sea included, that lies on the grid.

    None if no node of the ground motion has a strong PGA.
    """
    rows, cols = np.nonzero(motion.pga.median >= STRONG["PGA"])
    if rows.size == 0:
        return None
    affine = motion.grid.affine
    lon = np.asarray(affine.c + (cols + 0.5) * affine.a, np.float64)
    lat = np.asarray(affine.f + (rows + 0.5) * affine.e, np.float64)
    # A node's area shrinks with the distance between meridians.
    area = np.cos(np.radians(lat))
    return float(area[_inside(lon, lat, grid)].sum() / area.sum())


def shortfalls(motion: GroundMotion, grid: GeoBox) -> list[str]:
    """Return what a reader must know of a map that leaves out a part of the shaken area."""
    out = []
    share = covered(motion, grid)
    if share is not None and share < LEAST:
        out.append(
            f"the map covers {100 * share:.0f} % of the area where the ShakeMap has a PGA of "
            f"{STRONG['PGA']:g} g or more (sea included); alert and totals are for this part only. "
            "If the rest is land, use a DEM that covers it"
        )
    if motion.epicentre is not None and epicentre(motion, grid) is None:
        out.append("the epicentre lies outside the map")
    return out


def epicentre(motion: GroundMotion, grid: GeoBox) -> tuple[float, float] | None:
    """Return the epicentre in the grid's CRS; None if it is unknown or outside the grid."""
    if motion.epicentre is None:
        return None
    lon, lat = (np.array([v]) for v in motion.epicentre)
    x, y = _projected(lon, lat, grid)
    return (float(x[0]), float(y[0])) if _inside(lon, lat, grid).all() else None


def _inside(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    grid: GeoBox,
) -> NDArray[np.bool_]:
    """Tell which places, (n,), lie within the bounds of a grid."""
    x, y = _projected(lon, lat, grid)
    box = grids.bounds(grid)
    inside: NDArray[np.bool_] = (
        (x >= box.left) & (x <= box.right) & (y >= box.bottom) & (y <= box.top)
    )
    return inside


def _projected(
    lon: NDArray[np.float64], lat: NDArray[np.float64], grid: GeoBox
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of places, (n,), in the CRS of a grid."""
    turn = Transformer.from_crs("EPSG:4326", grids.crs_of(grid).proj, always_xy=True)
    x, y = turn.transform(lon, lat)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)
