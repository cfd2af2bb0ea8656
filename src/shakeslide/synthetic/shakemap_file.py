"""A synthetic earthquake's ground motion in the form of a ShakeMap `grid.xml`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from shakeslide.synthetic.earthquake import CRS, Earthquake
from shakeslide.synthetic.shaking import intensity

Array = NDArray[np.floating[Any]]

SPACINGS = (0.0025, 0.005, 0.0125, 0.025)
"""Node spacings to choose from (degrees)."""
FIELDS = (("LON", "dd"), ("LAT", "dd"), ("PGA", "%g"), ("PGV", "cm/s"), ("MMI", "intensity"))


def nodes(earthquake: Earthquake, beyond: float) -> tuple[Array, Array]:
    """Return longitudes (ascending) and latitudes (descending) of the nodes, about 80 a side.

    Parameters
    ----------
    earthquake : Earthquake
    beyond : float
        How far the nodes reach beyond the map, as a share of its longer side.

    Returns
    -------
    lons, lats : array, (lons,) and (lats,)
        Degrees.
    """
    s = earthquake.scenario
    half_x = s.cols * s.cell / 2 + beyond * s.extent
    half_y = s.rows * s.cell / 2 + beyond * s.extent
    to_lonlat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    corners_x = s.centre[0] + half_x * np.array([-1, 1, -1, 1])
    corners_y = s.centre[1] + half_y * np.array([-1, -1, 1, 1])
    lon, lat = to_lonlat.transform(corners_x, corners_y)
    spacing = min(SPACINGS, key=lambda step: abs(np.ptp(lon) / step - 80))
    west, east = np.floor(np.min(lon) / spacing), np.ceil(np.max(lon) / spacing)
    south, north = np.floor(np.min(lat) / spacing), np.ceil(np.max(lat) / spacing)
    lons, lats = np.arange(west, east + 1) * spacing, np.arange(north, south - 1, -1) * spacing
    return lons, lats


def motion_at_nodes(earthquake: Earthquake, lons: Array, lats: Array) -> tuple[Array, Array]:
    """Median PGA (g) and PGV (cm/s) at nodes, (lats, lons) each.

    `lons`, (lons,), and `lats`, (lats,), are in degrees.
    """
    to_map = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    nodes, centre = to_map.transform(*np.meshgrid(lons, lats)), earthquake.scenario.centre
    x, y = (np.asarray(a) - o for a, o in zip(nodes, centre, strict=True))
    # By way of an even grid of the map, for that is what `motion_at` takes.
    axis_x, axis_y = np.linspace(x.min(), x.max(), 500), np.linspace(y.max(), y.min(), 500)
    motion = earthquake.motion_at(axis_x, axis_y)
    places = np.array(
        [(y - axis_y[0]) / (axis_y[1] - axis_y[0]), (x - axis_x[0]) / (axis_x[1] - axis_x[0])]
    )
    pga, pgv = (
        # Ground motion falls by factors, so that its logarithm is interpolated.
        np.exp(map_coordinates(np.log(field), places, order=1, mode="nearest"))
        for field in (motion.pga, motion.pgv)
    )
    return pga, pgv


def shakemap_text(
    earthquake: Earthquake, beyond: float, epicentre: tuple[float, float], time: str
) -> str:
    """Text of `grid.xml`: PGA in percent of g, PGV in cm/s, MMI; nodes from the north-west.

    Parameters
    ----------
    earthquake : Earthquake
    beyond : float
        How far the nodes reach beyond the map, as a share of its longer side.
    epicentre : (float, float)
        Longitude and latitude (degrees).
    time : str
        Of the event, ISO 8601.
    """
    lons, lats = nodes(earthquake, beyond)
    pga, pgv = motion_at_nodes(earthquake, lons, lats)
    lon, lat = np.meshgrid(lons, lats)
    step = lons[1] - lons[0]
    columns = [lon, lat, 100.0 * pga, pgv, intensity(pgv)]
    table = np.column_stack([c.ravel() for c in columns])
    fields = [
        f'<grid_field index="{k}" name="{name}" units="{unit}" />'
        for k, (name, unit) in enumerate(FIELDS, 1)
    ]
    rows = [f"{a:.4f} {b:.4f} {c:.4g} {d:.4g} {e:.3f}" for a, b, c, d, e in table.tolist()]
    magnitude, depth = earthquake.scenario.magnitude, earthquake.rupture.depth
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
        '<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap" '
        'event_id="synthetic" shakemap_id="synthetic" shakemap_version="1" '
        f'code_version="shakeslide" process_timestamp="{time}" shakemap_originator="synthetic" '
        'map_status="RELEASED" shakemap_event_type="SCENARIO">',
        f'<event event_id="synthetic" magnitude="{magnitude}" depth="{depth:.1f}" '
        f'lat="{epicentre[1]}" lon="{epicentre[0]}" event_timestamp="{time}" event_network="sy" '
        'event_description="Synthetic earthquake" />',
        f'<grid_specification lon_min="{lons[0]:.4f}" lat_min="{lats[-1]:.4f}" '
        f'lon_max="{lons[-1]:.4f}" lat_max="{lats[0]:.4f}" nominal_lon_spacing="{step:.4f}" '
        f'nominal_lat_spacing="{step:.4f}" nlon="{lons.size}" nlat="{lats.size}" />',
        *fields, "<grid_data>", *rows, "</grid_data>", "</shakemap_grid>", "",
    ])  # fmt: skip
