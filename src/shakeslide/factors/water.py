"""Factors of water: upstream area, wetness, stream power, place between rivers and ridges.

The flow over the whole elevation model is computed in `hydrology`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.factors import hydrology, nearest
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.factors.hydrology import Product
from shakeslide.factors.topography import dem_text
from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_settings import (
    DepthBelowRidgeFactor,
    HeightAboveRiverFactor,
    ReliefPlaceFactor,
    RidgeAngleFactor,
    RidgeDistanceFactor,
    RiverAngleFactor,
    RiverDistanceFactor,
    SlopePositionFactor,
    StreamPowerFactor,
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
class LogArea:
    """Common logarithm of upstream area."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return np.log10(_read(self.product, inputs))


@dataclass(frozen=True)
class Wetness:
    """Topographic wetness from upstream area and slope."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        width, tangent = _width(inputs), _tangent(inputs)
        area = _read(self.product, inputs).astype(np.float64) * 1e6
        index: Float = np.log(area / width / tangent).astype(np.float32)
        return index


@dataclass(frozen=True)
class StreamPower:
    """Stream power index from upstream area and slope."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        width, tangent = _width(inputs), _tangent(inputs)
        area = _read(self.product, inputs).astype(np.float64) * 1e6
        index: Float = np.log(area / width * tangent).astype(np.float32)
        return index


def _width(inputs: TileInputs) -> float:
    """Return the width of a cell in metres."""
    # One for all directions of flow, for cells need not be square.
    return float(np.sqrt(inputs.dx * inputs.dy))


def _tangent(inputs: TileInputs) -> NDArray[np.float64]:
    """Return the tangent of the slope, (rows, cols), of which the logarithm is finite."""
    tangent = np.tan(np.radians(inputs.derivatives.slope_deg.astype(np.float64)))
    return np.maximum(tangent, FLATTEST)


@dataclass(frozen=True)
class DistanceToRivers:
    """Distance to rivers, or ridges, that were found from the flow."""

    product: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return _distance(self.product, inputs)


@dataclass(frozen=True)
class AngleToRivers:
    """Angle between the horizontal and the line to a river, or ridge."""

    height: Product
    lines: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        height = _read(self.height, inputs)
        return np.degrees(np.arctan2(height, _distance(self.lines, inputs)))


@dataclass(frozen=True)
class SlopePosition:
    """Height above the river as a share of the height from river to ridge."""

    above: Product
    below: Product

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        above, below = _read(self.above, inputs), _read(self.below, inputs)
        whole = above + below
        # River and ridge at once, as on a plain: in the middle of nothing.
        return np.where(whole > 0, above / np.where(whole > 0, whole, 1), whole + np.float32(0.5))


def _distance(lines: Product, inputs: TileInputs) -> Float:
    """Return metres to the nearest line of a product on the tile."""

    def measured() -> Float:
        segments = _segments(lines.path)
        return np.asarray(nearest.nearest(inputs.x, inputs.y, segments)[0], np.float32)

    return inputs.shared("distance to lines of the flow", lines.path, measured)


# Every tile asks for those of each upstream area.
@lru_cache(maxsize=16)
def _segments(path: Path) -> nearest.Segments:
    return nearest.Segments(*np.ascontiguousarray(np.load(path).T))


def _water(
    settings: WaterFactor,
    code: str,
    sources: Sources,
    kind: hydrology.Kind,
    min_area: float = 0.0,
    ridges: bool = False,
) -> Product:
    """Return the file over the whole grid that a factor of water, or of ridges, reads."""
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
            f"({area:.4g} km²), so no water would be a river; make it smaller, or leave it out of "
            "[factors] channels"
        )
    if ridges:
        flow = replace(flow, inverted=True)
    return Product(flow, kind, min_area, sources.work)


def _of_water(
    product: Product,
    compute: Callable[[TileInputs], Float],
    sources: Sources,
    halo: tuple[int, int] = (0, 0),
    *more: Product,
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
        whole=(product, *more),
    )


def _upstream_area(settings: UpstreamAreaFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    if not settings.log:
        return _of_water(product, ReadWater(product), sources)
    return replace(_of_water(product, LogArea(product), sources), unit="lg km²")


def _wetness(settings: WetnessFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, Wetness(product), sources, (1, 1))


def _height_above_river(settings: HeightAboveRiverFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "height", settings.min_area)
    return _of_water(product, ReadWater(product), sources)


def _river_distance(settings: RiverDistanceFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "rivers", settings.min_area)
    return _of_water(product, DistanceToRivers(product), sources)


def _stream_power(settings: StreamPowerFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, StreamPower(product), sources, (1, 1))


def _depth_below_ridge(settings: DepthBelowRidgeFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "height", settings.min_area, ridges=True)
    return _of_water(product, ReadWater(product), sources)


def _ridge_distance(settings: RidgeDistanceFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "rivers", settings.min_area, ridges=True)
    return _of_water(product, DistanceToRivers(product), sources)


def _river_angle(settings: RiverAngleFactor, code: str, sources: Sources) -> Made:
    return _angle(settings, code, sources, False)


def _ridge_angle(settings: RidgeAngleFactor, code: str, sources: Sources) -> Made:
    return _angle(settings, code, sources, True)


def _angle(settings: ReliefPlaceFactor, code: str, sources: Sources, ridges: bool) -> Made:
    height = _water(settings, code, sources, "height", settings.min_area, ridges)
    lines = replace(height, kind="rivers")
    return _of_water(height, AngleToRivers(height, lines), sources, (0, 0), lines)


def _slope_position(settings: SlopePositionFactor, code: str, sources: Sources) -> Made:
    above = _water(settings, code, sources, "height", settings.min_area)
    below = replace(above, flow=replace(above.flow, inverted=True))
    return _of_water(above, SlopePosition(above, below), sources, (0, 0), below)


RENNO = "Renno et al. (2008), Remote Sens. Environ. 112, 3469-3481"
WANG = "Wang and Liu (2006), Int. J. Geogr. Inf. Sci. 20, 193-213"
ON_INVERTED = "a ridge is a river of the elevation model upside down"

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
        citation=RENNO,
        make=_height_above_river,
        travel=Travel(),
    ),
    "river_distance": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="Euclidean distance to the nearest river found from the upstream area",
        citation=WANG,
        make=_river_distance,
        travel=Travel(),
    ),
    "river_angle": FactorFunction(
        kind="continuous",
        unit="deg",
        inputs=("dem",),
        definition="arc tangent of the height above the first river downstream over the distance "
        "to the nearest river",
        citation=RENNO,
        make=_river_angle,
        travel=Travel(),
    ),
    "depth_below_ridge": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition="elevation of the first ridge cell on the steepest way up, or of where this way "
        f"ends, minus that of the cell; {ON_INVERTED}",
        citation=RENNO,
        make=_depth_below_ridge,
        travel=Travel(),
    ),
    "ridge_distance": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("dem",),
        definition=f"Euclidean distance to the nearest ridge; {ON_INVERTED}",
        citation=WANG,
        make=_ridge_distance,
        travel=Travel(),
    ),
    "ridge_angle": FactorFunction(
        kind="continuous",
        unit="deg",
        inputs=("dem",),
        definition="arc tangent of the depth below the first ridge on the steepest way up over the "
        f"distance to the nearest ridge; {ON_INVERTED}",
        citation=RENNO,
        make=_ridge_angle,
        travel=Travel(),
    ),
    "slope_position": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("dem",),
        definition="height above the river as a share of the height from river to ridge: 0 in the "
        "river, 1 on the ridge, 0.5 where both meet",
        citation="Böhner and Selige (2006), Göttinger Geogr. Abh. 115, 13-28",
        make=_slope_position,
        travel=Travel(),
    ),
    "stream_power": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("dem",),
        definition="ln(a tan slope), a the upstream area per width of the cell in m",
        citation="Moore, Grayson and Ladson (1991), Hydrol. Process. 5, 3-30",
        make=_stream_power,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
