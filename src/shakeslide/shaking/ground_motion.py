"""What is known of an earthquake's ground motion: medians and standard deviations at nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

Array = NDArray[np.float64]

KM_PER_DEGREE = 111.195
"""Of a great circle."""


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of ground motion at the nodes.

    Attributes
    ----------
    median : array, (rows, cols) float64
        In g (PGA) or cm/s (PGV); NaN where unknown.
    total : array, (rows, cols) float64
        Standard deviation of its natural logarithm, given the stations.
    between, within : array, (rows, cols) float64
        Its parts before any station was used: between earthquakes (τ) and within one (φ).
    """

    median: Array
    total: Array
    between: Array
    within: Array


@dataclass(frozen=True, eq=False)
class GroundMotion:
    """An earthquake and its ground motion on a regular grid of nodes.

    Attributes
    ----------
    source : str
        The file or files.
    id, version : str
        Of the ShakeMap; "" where unknown.
    title : str
        What the source calls the earthquake; "" where it has no name.
    scenario : bool
        Whether the earthquake is an assumed one (`event_type` SCENARIO).
    magnitude, depth : float or None
        Depth in km.
    epicentre : (float, float) or None
        Longitude, latitude (degrees).
    time : str
        Origin time in UTC, ISO 8601; "" where unknown.
    grid : GeoBox
        EPSG:4326, north up, a node at the centre of each cell; longitudes go on beyond 180
        where the map crosses that meridian.
    pga, pgv : Measure
        Peak ground acceleration (g) and velocity (cm/s).
    mmi : array, (rows, cols) float64
        Modified Mercalli intensity, from PGV where the source has none.
    vs30 : array, (rows, cols) float64, or None
        Shear-wave velocity of the upper 30 m (m/s).
    uncertainty_ratio : float or None
        Mean over the nodes of total deviation over that of the ground-motion model; None where
        the source does not give it.
    finite_rupture : bool or None
        Whether a finite rupture was used; None where unknown.
    notes : tuple of str
        What was assumed, converted or repaired, a line each.
    deviations : str
        Where the standard deviations come from; "" where that is not recorded.
    """

    source: str
    id: str
    version: str
    title: str
    scenario: bool
    magnitude: float | None
    depth: float | None
    epicentre: tuple[float, float] | None
    time: str
    grid: GeoBox
    pga: Measure
    pgv: Measure
    mmi: Array
    vs30: Array | None
    uncertainty_ratio: float | None
    finite_rupture: bool | None
    notes: tuple[str, ...]
    deviations: str = ""

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance between rows and between columns of nodes, in km, at the middle latitude."""
        affine = self.grid.affine
        middle = affine.f + affine.e * self.grid.shape[0] / 2
        east = KM_PER_DEGREE * affine.a * float(np.cos(np.radians(middle)))
        return -affine.e * KM_PER_DEGREE, east
