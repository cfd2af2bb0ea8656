"""The factor that is measured from the epicentre, `bearing`, and the epicentre on the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import terrain
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.geo.projection import Directions
from shakeslide.io.gdal import one_line
from shakeslide.study.factor_settings import BearingFactor


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


def _bearing(settings: BearingFactor, code: str, sources: Sources) -> Made:
    x, y = epicentre(code, sources)
    turn = projection.bearings(sources.grid, x, y)
    return Made(
        Bearing(x, y, turn), source="[event] epicentre of the study", settings={"epicentre": [x, y]}
    )


def epicentre(code: str, sources: Sources) -> tuple[float, float]:
    """Return the epicentre in the grid's CRS.

    Raises
    ------
    InputError
        The study names none, or one that cannot be projected.
    """
    event = sources.event
    if event.epicentre is None:
        raise InputError(
            f"[event] epicentre is missing, which factor {code} needs: epicentre = [lon, lat]"
        )
    return project_point(event.epicentre, event.crs, sources.grid)


def project_point(point: tuple[float, float], crs: str, grid: GeoBox) -> tuple[float, float]:
    """Return a point of the study in the grid's CRS."""
    try:
        transformer = pyproj.Transformer.from_crs(crs, grids.crs_of(grid).to_wkt(), always_xy=True)
    except pyproj.exceptions.CRSError as error:
        raise InputError(f"[event] crs = {crs!r} is not a CRS: {one_line(error)}") from error
    if pyproj.CRS(crs).is_geographic and abs(point[1]) > 90:
        raise InputError(
            f"[event] epicentre = {list(point)}: latitude {point[1]} is beyond 90; write "
            "[longitude, latitude]"
        )
    if pyproj.CRS(crs).is_geographic and abs(point[0]) > 360:
        raise InputError(f"[event] epicentre = {list(point)}: longitude {point[0]} is beyond 360")
    x, y = transformer.transform(*point)
    if not np.isfinite([x, y]).all():
        raise InputError(f"[event] epicentre = {list(point)} cannot be projected to the grid's CRS")
    return float(x), float(y)


FUNCTIONS: Mapping[str, FactorFunction] = {
    "bearing": FactorFunction(
        kind="circular",
        unit="deg",
        inputs=("event",),
        definition="azimuth from the epicentre to the cell, clockwise from true north",
        citation="",
        make=_bearing,
        travel=Travel(
            "shaking", "no", "it is a coordinate of one earthquake: use the distance to the rupture"
        ),
    ),
}
"""The functions of this family by name."""
