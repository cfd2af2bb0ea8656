"""Factors of water: upstream area, wetness, height above rivers and distance to them.

The flow over the whole elevation model is computed in `hydrology`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from shakeslide.core.errors import InputError
from shakeslide.factors import hydrology, nearest
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.factors.hydrology import Product
from shakeslide.factors.topography import dem_text
from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_settings import (
    HeightAboveRiverFactor,
    RiverDistanceFactor,
    UpstreamAreaFactor,
    WaterFactor,
    WetnessFactor,
)

FLATTEST = 1e-3
"""Least tangent of the slope in the wetness index, which is infinite on level ground."""


@dataclass(frozen=True)
class ReadWater:
    """Values of a file made from the flow, on the tile."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return _read(self.product, inputs)


def _read(product: Product, inputs: TileInputs) -> Float:
    """Read a product on a tile; NaN where there is no elevation."""
    # Upstream area jumps beside a river, where a value in between belongs to no cell.
    how: Literal["nearest", "bilinear"] = "nearest" if product.kind == "area" else "bilinear"
    source = raster.RasterSource(product.path, resampling=how)
    values = source.read(grids.window(inputs.grid, inputs.tile))
    values[np.isnan(inputs.elevation()[0])] = np.nan
    return values


@dataclass(frozen=True)
class Wetness:
    """Topographic wetness from upstream area and slope."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        # One width for all directions of flow, for cells need not be square.
        width = np.sqrt(inputs.dx * inputs.dy)
        area = _read(self.product, inputs).astype(np.float64) * 1e6
        tangent = np.tan(np.radians(inputs.derivatives.slope_deg.astype(np.float64)))
        index: Float = np.log(area / width / np.maximum(tangent, FLATTEST)).astype(np.float32)
        return index


@dataclass(frozen=True)
class DistanceToRivers:
    """Distance to rivers that were found from the flow."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        segments = _segments(self.product.path)
        return np.asarray(nearest.nearest(inputs.x, inputs.y, segments)[0], np.float32)


# Every tile asks for it.
@lru_cache(maxsize=4)
def _segments(path: Path) -> nearest.Segments:
    return nearest.Segments(*np.ascontiguousarray(np.load(path).T))


def _water(
    settings: WaterFactor,
    code: str,
    sources: Sources,
    kind: hydrology.Kind,
    min_area: float = 0.0,
) -> Product:
    """Return the file over the whole grid that a factor of water reads."""
    if settings.cell is not None and 3 * settings.cell > grids.longer_side(sources.grid):
        raise InputError(
            f"[factors.{code}] cell = {settings.cell:g} m leaves fewer than three cells along the "
            f"grid ({grids.longer_side(sources.grid):g} m); make it smaller"
        )
    dem = sourced.raster_source(sources.layer("dem", "DEM"))
    flow = hydrology.flow_of(sources, dem, settings.cell, settings.margin)
    area = flow.cells * abs(flow.grid.affine.determinant) / 1e6
    if min_area > area:
        raise InputError(
            f"[factors.{code}] min_area = {min_area:g} km² is more than the elevation model covers "
            f"({area:.4g} km²), so no water would be a river; make it smaller"
        )
    return Product(flow, kind, min_area, sources.work)


def _of_water(
    product: Product,
    compute: Callable[[TileInputs], Float],
    sources: Sources,
    halo: tuple[int, int] = (0, 0),
) -> Made:
    flow = product.flow
    return Made(
        compute,
        halo=halo,
        source=dem_text(sources),
        settings={"flow": flow.mark()},
        notes=(
            f"the flow of water is computed once for all {flow.cells:,} cells, which takes about "
            f"{max(flow.memory / 1e6, 1):,.0f} MB of memory",
        ),
        whole=product,
    )


def _upstream_area(settings: UpstreamAreaFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, ReadWater(product), sources)


def _wetness(settings: WetnessFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, Wetness(product), sources, (1, 1))


def _height_above_river(settings: HeightAboveRiverFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "height", settings.min_area)
    return _of_water(product, ReadWater(product), sources)


def _river_distance(settings: RiverDistanceFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "rivers", settings.min_area)
    return _of_water(product, DistanceToRivers(product), sources)


FUNCTIONS: Mapping[str, FactorFunction] = {
    "upstream_area": FactorFunction(
        kind="continuous",
        unit="km²",
        inputs=("dem",),
        definition="area that drains through the cell, along the steepest way down after filling "
        "hollows",
        citation="Wang and Liu (2006), Int. J. Geogr. Inf. Sci. 20, 193-213",
        make=_upstream_area,
        travel=Travel(),
    ),
    "wetness": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("dem",),
        definition="ln(a / tan slope), a the upstream area per width of the cell in m",
        citation="Beven and Kirkby (1979), Hydrol. Sci. Bull. 24, 43-69",
        make=_wetness,
        travel=Travel(),
    ),
    "height_above_river": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="elevation minus that of the first river cell downstream, or of where the "
        "water leaves",
        citation="Renno et al. (2008), Remote Sens. Environ. 112, 3469-3481",
        make=_height_above_river,
        travel=Travel(),
    ),
    "river_distance": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="Euclidean distance to the nearest river found from the upstream area",
        citation="Wang and Liu (2006), Int. J. Geogr. Inf. Sci. 20, 193-213",
        make=_river_distance,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
