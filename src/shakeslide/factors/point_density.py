"""The factor of points: `density`.

The kernel is in `density`, the choice of earthquakes in `aftershocks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import aftershocks, density
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.geo import grid as grids
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_settings import DensityFactor

NARROWEST = 1.0
"""Metres below which no bandwidth of a density is meant."""


@dataclass(frozen=True)
class Density:
    """Kernel density of points.

    Attributes
    ----------
    x, y, weights : array, (points,) float64
        Coordinates in the grid's CRS, in metres, and the weight of each point.
    bandwidth : float
        Radius of the kernel, in metres.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    bandwidth: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return density.quartic_density(
            inputs.x, inputs.y, self.x, self.y, self.weights, self.bandwidth
        )


def _density(settings: DensityFactor, code: str, sources: Sources) -> Made:
    shocks = aftershocks.load(settings, code, sources)
    layer = sources.layer(settings.layer, code)
    if settings.bandwidth is not None and settings.bandwidth < NARROWEST:
        raise InputError(
            f"[factors.{code}] bandwidth = {settings.bandwidth:g} m is shorter than {NARROWEST:g} "
            "m; usual bandwidths are a few kilometres"
        )
    try:
        bandwidth = settings.bandwidth or density.default_bandwidth(shocks.x, shocks.y)
    except InputError as error:
        raise InputError(
            f"{layer.path} ({settings.layer}): {error}, bandwidth = in [factors.{code}]"
        ) from error
    return Made(
        Density(shocks.x, shocks.y, shocks.weights, bandwidth),
        source=sourced.source_text(layer),
        settings={"bandwidth": bandwidth} | shocks.settings,
        notes=(*shocks.notes, f"{code}: bandwidth {_metres(bandwidth)} m"),
        warnings=(*shocks.warnings, *_bandwidth_remarks(bandwidth, code, sources.grid)),
    )


def _metres(length: float) -> str:
    return f"{length:,.0f}" if length < 1e9 else f"{length:g}"


def _bandwidth_remarks(bandwidth: float, code: str, grid: GeoBox) -> list[str]:
    """Tell of a bandwidth that shows single points, or nothing but one slope."""
    cell, widest = max(grids.cell_size(grid)), grids.longer_side(grid)
    remedy = f"give bandwidth = in [factors.{code}]"
    if bandwidth < cell:
        return [f"{code}: bandwidth {bandwidth:.3g} m is below a cell ({cell:g} m): {remedy}"]
    if bandwidth > widest:
        return [
            f"{code}: bandwidth {bandwidth / 1000:,.6g} km is wider than the grid "
            f"({widest / 1000:,.3g} km), on which it hardly varies: {remedy}"
        ]
    return []


FUNCTIONS: Mapping[str, FactorFunction] = {
    "density": FactorFunction(
        kind="continuous",
        unit="1/km²",
        inputs=("layer",),
        definition="quartic kernel density, sum of w 3/(pi h^2) (1 - d^2/h^2)^2 for d < h",
        citation="Silverman (1986), Density Estimation, eq. 4.5",
        make=_density,
        travel=Travel("days", "no", "how many events are located differs between earthquakes"),
    ),
}
"""The functions of this family by name."""
