"""`info.json`: the summary in the form in which the USGS publishes its ground-failure product."""

from __future__ import annotations

import json
from pathlib import Path

from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.hazard import alerts
from shakeslide.rapid.totals import Totals
from shakeslide.shaking.ground_motion import GroundMotion

NAME = "info.json"
BINS = (0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Limits of the colours on the maps of the USGS."""


def two_digits(value: float) -> float:
    """Return a number with two significant digits, as the product rounds its values."""
    return float(f"{value:.2g}")


def limits(grid: GeoBox) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a grid in degrees; east goes on beyond 180."""
    turn = Transformer.from_crs(grids.crs_of(grid).proj, "EPSG:4326", always_xy=True)
    west, south, east, north = turn.transform_bounds(*grids.bounds(grid))
    return west, south, east + 360 if east < west else east, north


def write(
    out: Path, motion: GroundMotion, totals: Totals, grid: GeoBox, highest: float, what: str
) -> Path:
    """Write `info.json`.

    Parameters
    ----------
    out : Path
        Folder of results.
    motion : GroundMotion
        The earthquake.
    totals : Totals
        As computed.
    grid : GeoBox
        Of the maps.
    highest : float
        Greatest value of the mean map.
    what : str
        What the model's value is.
    """
    usgs = totals.usgs
    hazard = None if usgs.hazard_km2 is None else two_digits(usgs.hazard_km2)
    people = None if usgs.population is None else round(two_digits(usgs.population))
    known = [level for level in (usgs.hazard_level, usgs.population_level) if level is not None]
    west, south, east, north = limits(grid)
    lon, lat = motion.epicentre or (None, None)
    model = {
        "id": totals.model,
        "title": totals.model,
        "units": what,
        "preferred": True,
        "alert": alerts.worse(*known) if known else None,
        "hazard_alert": {
            "color": usgs.hazard_level,
            "value": hazard,
            "parameter": "Aggregate Hazard",
            "units": "km^2",
        },
        "population_alert": {
            "color": usgs.population_level,
            "value": people,
            "parameter": "Population exposure",
            "units": "people",
        },
        "bin_edges": list(BINS),
        "probability": {
            "max": round(highest, 2),
            "hagg0.1g": hazard,
            "popexp0.1g": people,
        },
        "zoomext": [west, east, south, north],
    }
    text = {
        "Summary": {
            "code": motion.id,
            "magnitude": motion.magnitude,
            "depth": motion.depth,
            "time": motion.time,
            "lat": lat,
            "lon": lon,
            "shakemap_version": motion.version,
            "event_type": totals.shakemap.event_type,
            "point_source": None if motion.finite_rupture is None else not motion.finite_rupture,
            "grid": grids.crs_name(grid.crs),
        },
        "Landslides": [model],
        "Liquefaction": [],
    }
    path = out / NAME
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
