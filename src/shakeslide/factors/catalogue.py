"""The functions that make factors: one entry each in `FUNCTIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray

from shakeslide import grid as grids
from shakeslide.errors import InputError
from shakeslide.factors import density, nearest, terrain
from shakeslide.factors.registry import (
    Factor,
    FactorFunction,
    Float,
    Made,
    Sources,
    TileInputs,
)
from shakeslide.io import raster, vector
from shakeslide.polygons import Polygons
from shakeslide.study import (
    AspectFactor,
    BearingFactor,
    CategoryFactor,
    CurvatureFactor,
    DensityFactor,
    DistanceFactor,
    ElevationFactor,
    FactorBase,
    Layer,
    LineDirectionFactor,
    ReliefFactor,
    SlopeFactor,
    TpiFactor,
    ValueFactor,
)

# ------------------------------------------------------- layers as sources


def raster_source(layer: Layer, categorical: bool = False) -> raster.RasterSource:
    """Return how to read a raster layer; classes are never interpolated."""
    return raster.RasterSource(
        layer.path, layer.band, layer.crs, layer.nodata, "nearest" if categorical else "bilinear"
    )


def vector_source(layer: Layer, name: str) -> vector.VectorSource:
    """Return how to read a vector layer."""
    return vector.VectorSource(
        layer.path, name, layer.layer, layer.column, layer.where, layer.crs, layer.x, layer.y
    )


def is_vector(layer: Layer) -> bool:
    """Tell whether the layer's file is a vector, by its name and by what the study asks of it."""
    suffixes = (
        ".gpkg",
        ".shp",
        ".geojson",
        ".json",
        ".csv",
        ".tsv",
        ".kml",
        ".fgb",
        ".gml",
        ".zip",
    )
    return layer.column is not None or layer.path.suffix.lower() in suffixes


# ------------------------------------------------------- computations by tile


@dataclass(frozen=True)
class ReadRaster:
    """Values of a raster on the tile."""

    raster: raster.RasterSource

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return self.raster.read(grids.window(inputs.grid, inputs.tile))


@dataclass(frozen=True)
class BurnPolygons:
    """Values of polygons at the cells' centres."""

    polygons: Polygons

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return self.polygons.burn(inputs.tile).astype(np.float32)


@dataclass(frozen=True)
class Bearing:
    """Azimuth from a point to the cell's centre."""

    x: float
    y: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        east, north = inputs.x - self.x, inputs.y - self.y
        azimuth = np.degrees(np.arctan2(east[None, :], north[:, None])) % 360.0
        # 359.99999999 rounds to 360 in float32, which is 0.
        rounded = azimuth.astype(np.float32)
        return np.where(rounded >= 360.0, np.float32(0), rounded)


@dataclass(frozen=True)
class DirectionOfNearest:
    """Azimuth (mod 180) of the nearest subsection."""

    segments: nearest.Segments
    azimuth: NDArray[np.float32]

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        _, index = nearest.nearest(inputs.x, inputs.y, self.segments)
        return self.azimuth[index]


@dataclass(frozen=True)
class DistanceToNearest:
    """Distance to the nearest segment."""

    segments: nearest.Segments

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return np.asarray(nearest.nearest(inputs.x, inputs.y, self.segments)[0], np.float32)


@dataclass(frozen=True)
class Density:
    """Kernel density of points."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    bandwidth: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return density.quartic_density(
            inputs.x, inputs.y, self.x, self.y, self.weights, self.bandwidth
        )


def elevation(inputs: TileInputs) -> Float:
    """Return elevation in metres."""
    return inputs.elevation()[0]


def slope(inputs: TileInputs) -> Float:
    """Return slope in degrees."""
    return inputs.derivatives.slope_deg


def aspect(inputs: TileInputs) -> Float:
    """Return aspect in degrees from north, -1 where flat."""
    return inputs.derivatives.aspect_deg


@dataclass(frozen=True)
class Curvature:
    """Curvature of the asked type."""

    type: str

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        if self.type == "general":
            return inputs.derivatives.curvature
        kernel = {"profile": terrain.profile_curvature, "plan": terrain.plan_curvature}[self.type]
        z, inner = inputs.elevation((1, 1))
        return kernel(z, inputs.dx, inputs.dy)[inner]


@dataclass(frozen=True)
class Tpi:
    """Topographic position in a ring."""

    inner: float
    outer: float
    divide_by_sd: bool

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        z, inner = inputs.elevation(terrain.tpi_halo(inputs.dx, inputs.dy, self.outer))
        kept = terrain.tpi(z, inputs.dx, inputs.dy, self.inner, self.outer, self.divide_by_sd)
        return kept[inner]


@dataclass(frozen=True)
class Relief:
    """Relief in a window."""

    window: float

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        z, inner = inputs.elevation(terrain.relief_halo(inputs.dx, inputs.dy, self.window))
        return terrain.relief(z, inputs.dx, inputs.dy, self.window)[inner]


# ------------------------------------------------------- from settings to computations


def _value(settings: ValueFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    if not is_vector(layer):
        return Made(ReadRaster(raster_source(layer)), unit=settings.unit, source=_source(layer))
    features = _polygons(layer, settings.layer, sources, code)
    values = vector.numeric(features, str(layer.column), f"[layers.{settings.layer}]")
    polygons = Polygons.on_grid(features.geometry, values, sources.grid)
    return Made(BurnPolygons(polygons), unit=settings.unit, source=_source(layer))


def _category(settings: CategoryFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    if not is_vector(layer):
        return Made(ReadRaster(raster_source(layer, categorical=True)), source=_source(layer))
    features = _polygons(layer, settings.layer, sources, code)
    codes, legend = class_codes(features.frame[layer.column])
    polygons = Polygons.on_grid(features.geometry, codes, sources.grid)
    return Made(BurnPolygons(polygons), legend=legend, source=_source(layer))


def class_codes(column: pd.Series) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return a code per row (NaN where empty) and the legend.

    Small non-negative whole numbers are kept as codes; anything else is numbered from 1 in
    sorted order.
    """
    present = column.notna()
    values = column[present]
    whole = pd.api.types.is_integer_dtype(values) and len(values) > 0
    if whole and values.min() >= 0 and values.max() < 1_000_000:
        legend = {int(v): str(int(v)) for v in sorted(values.unique())}
        return np.asarray(column.astype(float), np.float64), legend
    names = sorted({str(v) for v in values})
    number = {name: i + 1 for i, name in enumerate(names)}
    codes = np.full(len(column), np.nan)
    codes[present.to_numpy()] = [number[str(v)] for v in values]
    return codes, {i: name for name, i in number.items()}


def _polygons(layer: Layer, name: str, sources: Sources, code: str) -> vector.Features:
    if layer.column is None:
        raise InputError(
            f"[layers.{name}] needs column = the attribute that factor {code} is made from"
        )
    return vector.read(vector_source(layer, name), grids.crs_of(sources.grid), "polygon")


def _bearing(settings: BearingFactor, code: str, sources: Sources) -> Made:
    event = sources.event
    if event.epicentre is None:
        raise InputError(
            f"[event] epicentre is missing, which factor {code} needs: epicentre = [lon, lat]"
        )
    x, y = project_point(event.epicentre, event.crs, sources)
    return Made(
        Bearing(x, y), source="[event] epicentre of the study", settings={"epicentre": [x, y]}
    )


def project_point(point: tuple[float, float], crs: str, sources: Sources) -> tuple[float, float]:
    """Return a point of the study in the grid's CRS."""
    try:
        transformer = pyproj.Transformer.from_crs(
            crs, grids.crs_of(sources.grid).to_wkt(), always_xy=True
        )
    except pyproj.exceptions.CRSError as error:
        raise InputError(f"[event] crs = {crs!r} is not a CRS: {raster.one_line(error)}") from error
    if pyproj.CRS(crs).is_geographic and abs(point[1]) > 90:
        raise InputError(
            f"[event] epicentre = {list(point)}: latitude {point[1]} is beyond 90; write "
            "[longitude, latitude]"
        )
    x, y = transformer.transform(*point)
    if not np.isfinite([x, y]).all():
        raise InputError(f"[event] epicentre = {list(point)} cannot be projected to the grid's CRS")
    return float(x), float(y)


def _line_direction(settings: LineDirectionFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    features = vector.read(
        vector_source(layer, settings.layer), grids.crs_of(sources.grid), ("line", "polygon")
    )
    pieces = nearest.subsections(vector.lines(features), settings.subsection)
    if settings.nearest == "midpoint":
        segments, azimuth = pieces.points, pieces.azimuth_deg
    else:
        segments, azimuth = pieces.segments, pieces.azimuth_deg[pieces.piece]
    return Made(DirectionOfNearest(segments, azimuth.astype(np.float32)), source=_source(layer))


def _density(settings: DensityFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    column = layer.column or ("magnitude" if settings.weight == "magnitude" else None)
    features = vector.read(
        vector_source(layer.model_copy(update={"column": column}), settings.layer),
        grids.crs_of(sources.grid),
        "point",
    )
    x, y = vector.points(features).T
    weights = np.ones(len(x))
    if settings.weight == "magnitude":
        magnitude = vector.numeric(features, str(column), f"[layers.{settings.layer}]")
        weights = 10.0 ** (magnitude - settings.completeness)
    bandwidth = settings.bandwidth or density.default_bandwidth(x, y)
    return Made(
        Density(x, y, weights, bandwidth),
        source=_source(layer),
        settings={"bandwidth": bandwidth},
    )


def _distance(settings: DistanceFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    features = vector.read(vector_source(layer, settings.layer), grids.crs_of(sources.grid))
    drawn = vector.lines(features)
    # A point is a line that goes nowhere: a segment of length zero.
    ends = [np.concatenate([line, line]) if len(line) == 1 else line for line in drawn]
    segments = nearest.Segments.from_lines(ends, None)
    return Made(DistanceToNearest(segments), source=_source(layer))


def _dem(sources: Sources) -> str:
    return _source(sources.layer("dem", "DEM"))


def _elevation(settings: ElevationFactor, code: str, sources: Sources) -> Made:
    return Made(elevation, source=_dem(sources))


def _slope(settings: SlopeFactor, code: str, sources: Sources) -> Made:
    return Made(slope, (1, 1), source=_dem(sources))


def _aspect(settings: AspectFactor, code: str, sources: Sources) -> Made:
    return Made(aspect, (1, 1), source=_dem(sources))


def _curvature(settings: CurvatureFactor, code: str, sources: Sources) -> Made:
    return Made(Curvature(settings.type), (1, 1), source=_dem(sources))


def _tpi(settings: TpiFactor, code: str, sources: Sources) -> Made:
    if settings.inner >= settings.outer:
        raise InputError(f"[factors.{code}] inner = {settings.inner} must be below outer")
    dx, dy = grids.cell_size(sources.grid)
    if settings.outer < min(dx, dy):
        raise InputError(
            f"[factors.{code}] outer = {settings.outer} m holds no neighbour at {dx:g} x {dy:g} m "
            "cells; make it at least one cell"
        )
    return Made(
        Tpi(settings.inner, settings.outer, settings.divide_by_sd),
        terrain.tpi_halo(dx, dy, settings.outer),
        unit="SD" if settings.divide_by_sd else "m",
        source=_dem(sources),
    )


def _relief(settings: ReliefFactor, code: str, sources: Sources) -> Made:
    halo = terrain.relief_halo(*grids.cell_size(sources.grid), settings.window)
    return Made(Relief(settings.window), halo, source=_dem(sources))


def _source(layer: Layer) -> str:
    return f"{layer.path.name}" + (f" ({layer.source})" if layer.source else "")


FUNCTIONS: Mapping[str, FactorFunction] = {
    "value": FactorFunction(
        "continuous",
        "",
        ("layer",),
        "value of the raster, or of the polygon that holds the cell's centre",
        "",
        _value,
    ),
    "category": FactorFunction(
        "categorical",
        "class",
        ("layer",),
        "class at the cell's centre; the model sees its frequency ratio in the training data",
        "Lee and Min (2001), Environ. Geol. 40, 1095-1113",
        _category,
    ),
    "bearing": FactorFunction(
        "circular",
        "deg",
        ("event",),
        "azimuth from the epicentre to the cell, atan2(E - Ee, N - Ne) mod 360",
        "",
        _bearing,
    ),
    "line_direction": FactorFunction(
        "axial",
        "deg",
        ("layer",),
        "azimuth mod 180 of the nearest subsection of the lines",
        "",
        _line_direction,
    ),
    "density": FactorFunction(
        "continuous",
        "1/km²",
        ("layer",),
        "quartic kernel density, sum of w 3/(pi h^2) (1 - d^2/h^2)^2 for d < h",
        "Silverman (1986), Density Estimation, eq. 4.5",
        _density,
    ),
    "distance": FactorFunction(
        "continuous",
        "m",
        ("layer",),
        "Euclidean distance from the cell's centre to the nearest geometry",
        "",
        _distance,
    ),
    "elevation": FactorFunction("continuous", "m", ("dem",), "elevation", "", _elevation),
    "slope": FactorFunction(
        "continuous",
        "deg",
        ("dem",),
        "slope gradient in a 3 x 3 window",
        "Horn (1981), Proc. IEEE 69, 14-47",
        _slope,
    ),
    "aspect": FactorFunction(
        "circular",
        "deg",
        ("dem",),
        "downslope direction in a 3 x 3 window, clockwise from north, -1 where flat",
        "Horn (1981), Proc. IEEE 69, 14-47",
        _aspect,
    ),
    "curvature": FactorFunction(
        "continuous",
        "1/100 m",
        ("dem",),
        "curvature in a 3 x 3 window, convex positive",
        "Zevenbergen and Thorne (1987), Earth Surf. Process. Landf. 12, 47-56",
        _curvature,
    ),
    "tpi": FactorFunction(
        "continuous",
        "m",
        ("dem",),
        "elevation minus the mean elevation of a ring around the cell",
        "Weiss (2001), Topographic position and landforms analysis, ESRI User Conference",
        _tpi,
    ),
    "relief": FactorFunction(
        "continuous",
        "m",
        ("dem",),
        "highest minus lowest elevation in a moving window",
        "",
        _relief,
    ),
}
"""Function by name, as in a factor's table of the study."""


def build(code: str, settings: FactorBase, sources: Sources) -> Factor:
    """Return a factor of the study from its settings.

    Raises
    ------
    InputError
        A layer that is missing or cannot serve.
    """
    name = str(getattr(settings, "function"))  # noqa: B009 - each settings class has one
    function = FUNCTIONS[name]
    made = function.make(settings, code, sources)
    layer = str(getattr(settings, "layer", "")) or ("dem" if "dem" in function.inputs else "")
    return Factor(
        code=code,
        name=settings.name or code,
        unit=function.unit if made.unit is None else made.unit,
        kind=function.kind,
        definition=function.definition,
        citation=function.citation,
        source=made.source,
        compute=made.compute,
        halo=made.halo,
        legend=made.legend,
        settings=settings.model_dump(mode="json", exclude={"use", "name"}) | dict(made.settings),
        layer=layer,
    )


def describe(function: str) -> dict[str, Any]:
    """Return what is said of a function in reference and reports."""
    f = FUNCTIONS[function]
    return {"kind": f.kind, "unit": f.unit, "definition": f.definition, "citation": f.citation}
