"""A look at the epicentre."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from shakeslide.checks.rows import (
    FAR,
    LayerRow,
)
from shakeslide.checks.vectors import distance_to
from shakeslide.errors import InputError
from shakeslide.factor_settings import FactorBase
from shakeslide.factors.catalogue import layer_of, project_point
from shakeslide.study import Event


def epicentre_row(
    epicentre: tuple[float, float], event: Event, grid: GeoBox, factors: Mapping[str, FactorBase]
) -> LayerRow:
    """Return what there is to say of the epicentre."""
    lon, lat = epicentre
    distance = _distance_of_point(epicentre, event.crs, grid)
    warnings = []
    if distance > FAR:
        if abs(lon) <= 90 and _distance_of_point((lat, lon), event.crs, grid) < distance / 10:
            raise InputError(
                f"[event] epicentre = [{lon:g}, {lat:g}] lies {distance / 1000:,.0f} km from the "
                f"grid, but [{lat:g}, {lon:g}] lies here: write [longitude, latitude]"
            )
        warnings.append(
            f"lies {distance / 1000:,.0f} km from the grid: is it of this place, and written "
            "[longitude, latitude]?"
        )
    codes = [c for c, f in factors.items() if not layer_of(f)]
    return LayerRow(
        "epicentre",
        "",
        "point",
        event.crs,
        None,
        f"{lon:g}, {lat:g}"
        + ("" if distance == 0 else f"; {distance / 1000:,.1f} km off the grid"),
        f"factors {', '.join(codes)}" if codes else "record",
        warnings=warnings,
    )


def _distance_of_point(point: tuple[float, float], crs: str, grid: GeoBox) -> float:
    """Return the distance in metres from the grid to a point."""
    x, y = project_point(point, crs, grid)
    return distance_to(np.array([shapely.Point(x, y)], object), grid)
