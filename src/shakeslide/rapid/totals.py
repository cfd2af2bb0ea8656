"""Totals of a new earthquake: areas, alerts, exposure, as `totals.json` holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.documents import Document
from shakeslide.hazard import alerts
from shakeslide.hazard.alerts import Alert, Level

FILE = "totals.json"
MEAN_AREA = 3.07e-3
"""Mean area of a landslide in km² (Malamud et al. 2004, Earth Surf. Process. Landf. 29:687), by
which areas become numbers."""


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Mean and quantiles of a total over the draws."""

    mean: float
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float


def quantiles(draws: NDArray[np.float64]) -> Quantiles:
    """Return mean and quantiles of the draws of a total, (draws,)."""
    five = np.quantile(draws, [0.05, 0.25, 0.5, 0.75, 0.95])
    p05, p25, p50, p75, p95 = (float(v) for v in five)
    return Quantiles(mean=float(draws.mean()), p05=p05, p25=p25, p50=p50, p75=p75, p95=p95)


@dataclass(frozen=True, kw_only=True)
class ShakeMapVersion:
    """Which ShakeMap the totals are of.

    Attributes
    ----------
    id, version : str
        "" where unknown, as for rasters of your own.
    event_type : str
        "ACTUAL" or "SCENARIO".
    """

    id: str
    version: str
    event_type: str


@dataclass(frozen=True, kw_only=True)
class UsgsAggregates:
    """The aggregates as the USGS computes them: median shaking, PGA of 0.1 g and p of 0.002 on.

    Attributes
    ----------
    hazard_km2 : float or None
        None where PGA is unknown.
    hazard_level : str or None
    population : float or None
        None without a layer of people.
    population_level : str or None
    """

    hazard_km2: float | None
    hazard_level: Level | None
    population: float | None
    population_level: Level | None


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What lies in the landslides' way; None where no layer was given."""

    people: Quantiles | None = None
    buildings: Quantiles | None = None
    road_km: Quantiles | None = None
    road_cuts: Quantiles | None = None


@dataclass(frozen=True, kw_only=True)
class Totals(Document):
    """Totals over the grid; areas in km².

    Attributes
    ----------
    model : str
    shakemap : ShakeMapVersion
    area_km2 : Quantiles
        Area of landslides.
    landslides : Quantiles
        Their number, by `MEAN_AREA`.
    hazard_alert, population_alert : Alert or None
        Level of the mean, and share of the draws in each level.
    usgs : UsgsAggregates
    marc2016_km2 : float or None
        Total area from seismology.
    exposure : Exposure
    mapped_km2 : float
        Area of the ground that has a prediction.
    draws : int
    warnings : tuple of str
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "rapid"

    model: str
    shakemap: ShakeMapVersion
    area_km2: Quantiles
    landslides: Quantiles
    hazard_alert: Alert
    population_alert: Alert | None
    usgs: UsgsAggregates
    marc2016_km2: float | None
    exposure: Exposure
    mapped_km2: float
    draws: int
    warnings: tuple[str, ...]


def scaled(given: Quantiles, factor: float) -> Quantiles:
    """Return quantiles times a factor."""
    return Quantiles(**{k: v * factor for k, v in given.__dict__.items()})


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums of probability times weight.

    Attributes
    ----------
    draws : array, (draws,) float64
        At each draw.
    median : float
        At the median shaking.
    counted : float or None
        At the median shaking, over the cells that the USGS counts.
    """

    draws: NDArray[np.float64]
    median: float
    counted: float | None


def hazard_alert(area: Sums) -> Alert:
    """Return the alert of a total area in km²."""
    return alerts.from_draws(area.draws, alerts.AREA)


def population_alert(people: Sums) -> Alert:
    """Return the alert of a number of people."""
    return alerts.from_draws(people.draws, alerts.PEOPLE)


def usgs(area: Sums, people: Sums | None) -> UsgsAggregates:
    """Return the aggregates as the USGS computes them, of areas (km²) and people where they are."""
    km2, number = area.counted, None if people is None else people.counted
    return UsgsAggregates(
        hazard_km2=km2,
        hazard_level=None if km2 is None else alerts.level(km2, alerts.AREA),
        population=number,
        population_level=None if number is None else alerts.level(number, alerts.PEOPLE),
    )
