"""A look at the earthquake: its epicentre, time and magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from shakeslide.checks.rows import FAR, LayerRow
from shakeslide.checks.vectors import distance_to
from shakeslide.core.errors import InputError
from shakeslide.factors.catalogue import layer_of
from shakeslide.factors.epicentre import project_point
from shakeslide.study import factor_sets
from shakeslide.study.factor_settings import FactorBase
from shakeslide.study.settings import Event

RECORDED = 1900
"""Year from which on seismometers recorded strong earthquakes all over the Earth."""
FELT = 4.0
"""Magnitude below which no earthquake is known to have caused many landslides (Keefer 1984)."""


def event_rows(event: Event, grid: GeoBox, factors: Mapping[str, FactorBase]) -> list[LayerRow]:
    """Return the row of the epicentre, and one of the event where something in it is doubtful."""
    rows = []
    if event.epicentre is not None:
        rows.append(epicentre_row(event.epicentre, event, grid, factors))
    if warnings := _doubts(event):
        said = "" if event.time is None else f"{event.time:%Y-%m-%d %H:%M}"
        rows.append(
            LayerRow(
                name="event",
                file="",
                kind="",
                crs="",
                coverage=None,
                values=said,
                use="record",
                warnings=warnings,
            )
        )
    return rows


def _doubts(event: Event) -> list[str]:
    """Return what is unlikely about an event's time and magnitude."""
    out = []
    if event.time is not None:
        # A time without zone is one in UTC, as the study file says.
        time = event.time if event.time.tzinfo else event.time.replace(tzinfo=UTC)
        if time > datetime.now(UTC):
            out.append(f"[event] time = {time:%Y-%m-%d %H:%M} is in the future: is it right?")
        elif time.year < RECORDED:
            out.append(
                f"[event] time = {time:%Y-%m-%d %H:%M} is before {RECORDED}, when few earthquakes "
                "were recorded: is the year right?"
            )
    if event.magnitude is not None and event.magnitude < FELT:
        out.append(
            f"[event] magnitude = {event.magnitude:g} is lower than that of any earthquake known "
            f"to have caused many landslides (about {FELT:g}): is it right?"
        )
    return out


def epicentre_row(
    epicentre: tuple[float, float], event: Event, grid: GeoBox, factors: Mapping[str, FactorBase]
) -> LayerRow:
    """Return what there is to say of the epicentre."""
    lon, lat = epicentre
    distance = _distance_of_point(epicentre, event.crs, grid)
    warnings = []
    if distance > FAR:
        # Only such a number can be a latitude that was written first.
        if abs(lon) <= 90 and _distance_of_point((lat, lon), event.crs, grid) < distance / 10:
            raise InputError(
                f"[event] epicentre = [{lon:g}, {lat:g}] lies {distance / 1000:,.0f} km from the "
                f"grid, but [{lat:g}, {lon:g}] lies near it: write [longitude, latitude]"
            )
        warnings.append(
            f"lies {distance / 1000:,.0f} km from the grid: is it the right epicentre, and written "
            "[longitude, latitude]?"
        )
    # Factors without a layer are made from the epicentre.
    codes = [c for c, f in factors.items() if not layer_of(f)]
    return LayerRow(
        name="epicentre",
        file="",
        kind="point",
        crs=event.crs,
        coverage=None,
        values=f"{lon:g}, {lat:g}"
        + ("" if distance == 0 else f"; {distance / 1000:,.1f} km off the grid"),
        use=f"factors {factor_sets.listed(codes)}" if codes else "record",
        warnings=warnings,
    )


def _distance_of_point(point: tuple[float, float], crs: str, grid: GeoBox) -> float:
    """Return the distance in metres from the grid to a point."""
    x, y = project_point(point, crs, grid)
    return distance_to(np.array([shapely.Point(x, y)], object), grid)
