"""The functions that make factors: one entry each in `FUNCTIONS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import extensions
from shakeslide.core.errors import InputError
from shakeslide.factors import aftershocks, density, hydrology, nearest, terrain
from shakeslide.factors.computations import (
    Bearing,
    BurnPolygons,
    Curvature,
    Density,
    DirectionOfNearest,
    DistanceToNearest,
    Exposure,
    ReadCodes,
    ReadRaster,
    Relief,
    Tpi,
    aspect,
    elevation,
    roughness,
    slope,
)
from shakeslide.factors.factor import Factor, FactorFunction, Float, Made, Sources, TileInputs
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import shakemap, units, vector
from shakeslide.io.gdal import one_line
from shakeslide.layers import readers as sourced
from shakeslide.layers.polygons import Polygons
from shakeslide.study.factor_settings import (
    EPICENTRE,
    GROUP,
    AspectFactor,
    BearingFactor,
    CategoryFactor,
    CurvatureFactor,
    DensityFactor,
    DistanceFactor,
    EastnessFactor,
    ElevationFactor,
    FactorBase,
    HeightAboveRiverFactor,
    LayerFactor,
    LineDirectionFactor,
    NorthnessFactor,
    Overlap,
    OwnFactor,
    ReliefFactor,
    RiverDistanceFactor,
    RoughnessFactor,
    SlopeFactor,
    TpiFactor,
    UpstreamAreaFactor,
    ValueFactor,
    WaterFactor,
    WetnessFactor,
)
from shakeslide.study.settings import Layer

SLIVERS, MOSTLY = 0.01, 0.9
"""Share of the ground below which overlaps are slips of digitising; share of a class that is
hidden from which it is told."""
NARROWEST = 1.0
"""Metres below which no bandwidth of a density is meant."""
MOST_PIECES = 5_000_000
"""Pieces into which the lines of a layer may be cut."""


def _value(settings: ValueFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    if not sourced.is_vector(layer):
        return _raster_value(settings, layer, code)
    features = sourced.polygons(layer, settings.layer, grids.crs_of(sources.grid), code)
    values = vector.numeric(features, str(layer.column), f"[layers.{settings.layer}]")
    overlap = settings.overlap or _usual_overlap(settings)
    polygons = Polygons.valued(features.geometry, values, sources.grid, overlap)
    in_file = Polygons.valued(features.geometry, values, sources.grid, "last")
    notes, warnings = _overlap_remarks(polygons, {}, settings, overlap, code, sources.grid)
    shape = grids.shape_of(sources.grid)
    if overlap != "last" and in_file.overlaps(shape) == polygons.overlaps(shape):
        # The file's order says the same: isoseismals from the lowest to the highest.
        notes, warnings = [*notes, *warnings], []
    return Made(
        BurnPolygons(polygons),
        unit=settings.unit,
        source=sourced.source_text(layer),
        notes=(*features.notes, *notes),
        warnings=tuple(warnings),
    )


def _usual_overlap(settings: ValueFactor) -> Overlap:
    """Return which polygon counts where the study does not say it.

    Isoseismals hold all ground of at least their intensity, so the highest is the one that holds.
    """
    shaking = settings.layer == "intensity" or units.spelled(settings.unit) in units.SCALES
    return "highest" if shaking else "last"


def _overlap_remarks(
    polygons: Polygons,
    legend: Mapping[int, str],
    settings: ValueFactor | CategoryFactor,
    overlap: Overlap,
    code: str,
    grid: GeoBox,
) -> tuple[list[str], list[str]]:
    """Return notes and warnings on polygons of different values that lie on one another."""
    found = polygons.overlaps(grids.shape_of(grid))
    lost = {v: share for v, share in found.hidden.items() if share >= MOSTLY}
    if found.share == 0 or (found.share < SLIVERS and not lost):
        return [], []
    text = (
        f"polygons of different values overlap on {100 * found.share:.2g} % of the ground that "
        f"they cover; the {overlap} one counts there"
    )
    for word, own in (
        ("wholly", [v for v, share in lost.items() if share == 1]),
        ("mostly", [v for v, share in lost.items() if share < 1]),
    ):
        if own:
            names = [legend.get(int(v), f"{v:g}") for v in own]
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            text += f"; {word} hidden: {', '.join(names[:6])}{more}"
    if settings.overlap is not None:
        return [text], []
    return [], [f"{text}; another one counts with overlap = in [factors.{code}]"]


def _raster_value(settings: ValueFactor, layer: Layer, code: str) -> Made:
    """Return values in the unit that the factor asks for, where the file states its own."""
    source = sourced.raster_source(layer, name=settings.layer)
    stated = sourced.raster_info(layer, settings.layer).unit
    wanted = settings.unit or stated
    gain = units.conversion(stated, wanted) if stated else 1.0
    known = units.spelled(wanted) in units.SCALES and units.spelled(stated) in units.SCALES
    # Units that are both known but do not convert are a slip; of others nothing can be said.
    if gain is None and (known or shakemap.is_shakemap(layer.path)):
        raise InputError(
            f"[factors.{code}] unit = '{wanted}', but {layer.path}"
            f"{f', field {source.field},' if source.field else ''} is in {stated}; choose another "
            "column or unit"
        )
    return Made(
        ReadRaster(source, 1.0 if gain is None else gain),
        unit=wanted,
        source=sourced.source_text(layer) + (f", field {source.field}" if source.field else ""),
    )


def _category(settings: CategoryFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    if not sourced.is_vector(layer):
        return _raster_category(settings, layer, code, sources)
    features = sourced.polygons(layer, settings.layer, grids.crs_of(sources.grid), code)
    column = features.table[layer.column]
    codes, legend = sourced.class_codes(column)
    overlap = settings.overlap or "last"
    polygons = Polygons.valued(features.geometry, codes, sources.grid, overlap)
    notes, warnings = _overlap_remarks(polygons, legend, settings, overlap, code, sources.grid)
    told, alike = sourced.class_remarks(column, str(layer.column))
    return Made(
        BurnPolygons(polygons),
        legend=legend,
        source=sourced.source_text(layer),
        notes=(*features.notes, *told, *notes),
        warnings=(*alike, *warnings),
    )


def _raster_category(settings: CategoryFactor, layer: Layer, code: str, sources: Sources) -> Made:
    """Return the classes of a raster; codes too large for a factor's file are numbered."""
    dtype = sourced.raster_info(layer, settings.layer).dtype
    source = sourced.raster_source(layer, categorical=True, name=settings.layer)
    text = sourced.source_text(layer)
    codes = sourced.large_codes(source, dtype, sources.grid)
    if not codes:
        return Made(ReadRaster(source), source=text)
    note = (
        f"{code}: codes beyond {sourced.LARGEST:,} are numbered 1 to {len(codes)}; the legend "
        "names the file's own"
    )
    legend = {i + 1: str(c) for i, c in enumerate(codes)}
    return Made(ReadCodes(source, codes), legend=legend, source=text, notes=(note,))


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


def _line_direction(settings: LineDirectionFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    features = vector.read(
        sourced.vector_source(layer, settings.layer),
        grids.crs_of(sources.grid),
        ("line", "polygon"),
    )
    lines = vector.lines(features)
    length = sum(float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum()) for line in lines)
    if length / settings.subsection > MOST_PIECES:
        raise InputError(
            f"[factors.{code}] subsection = {settings.subsection:g} m cuts {layer.path} into "
            f"{length / settings.subsection:.3g} pieces; make it {length / MOST_PIECES:.3g} m at "
            "least"
        )
    pieces = nearest.subsections(lines, settings.subsection)
    directions = _from_true_north(pieces, sources.grid)
    if settings.nearest == "midpoint":
        segments, azimuth = pieces.points, directions
    else:
        segments, azimuth = pieces.segments, directions[pieces.piece]
    return Made(
        DirectionOfNearest(segments, azimuth),
        source=sourced.source_text(layer),
        notes=tuple(features.notes),
    )


def _from_true_north(pieces: nearest.Subsections, grid: GeoBox) -> NDArray[np.float32]:
    """Return the axial directions of pieces of lines from true north at their middles."""
    north = projection.ground(grids.crs_of(grid), pieces.x, pieces.y).north_deg
    # A piece beyond what the CRS shows is never the nearest.
    true = (pieces.azimuth_deg - np.nan_to_num(north)) % 180.0
    out = true.astype(np.float32)
    # Rounding to float32 may reach 180, which is 0.
    out[out >= 180.0] = 0.0
    return out


def _density(settings: DensityFactor, code: str, sources: Sources) -> Made:
    shocks = aftershocks.load(settings, code, sources)
    layer = sources.layer(settings.layer, code)
    if settings.bandwidth is not None and settings.bandwidth < NARROWEST:
        raise InputError(
            f"[factors.{code}] bandwidth = {settings.bandwidth:g} m is shorter than {NARROWEST:g} "
            "m; a bandwidth is some kilometres"
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
    cell, widest = max(grids.cell_size(grid)), _widest(grid)
    remedy = f"give bandwidth = in [factors.{code}]"
    if bandwidth < cell:
        return [f"{code}: bandwidth {bandwidth:.3g} m is below a cell ({cell:g} m): {remedy}"]
    if bandwidth > widest:
        return [
            f"{code}: bandwidth {bandwidth / 1000:,.6g} km is wider than the grid "
            f"({widest / 1000:,.3g} km), on which it hardly varies: {remedy}"
        ]
    return []


def _distance(settings: DistanceFactor, code: str, sources: Sources) -> Made:
    if settings.layer == EPICENTRE:
        x, y = epicentre(code, sources)
        point = nearest.Segments.from_points(np.array([x]), np.array([y]))
        return Made(
            DistanceToNearest(point),
            source="[event] epicentre of the study",
            settings={"epicentre": [x, y]},
        )
    layer = sources.layer(settings.layer, code)
    features = vector.read(sourced.vector_source(layer, settings.layer), grids.crs_of(sources.grid))
    segments = nearest.Segments.from_lines(vector.lines(features))
    points = nearest.Segments.from_points(*vector.loose_points(features).T)
    ends = (np.concatenate(both) for both in zip(_ends(segments), _ends(points), strict=True))
    return Made(
        DistanceToNearest(nearest.Segments(*ends)),
        source=sourced.source_text(layer),
        notes=tuple(features.notes),
    )


def _ends(segments: nearest.Segments) -> tuple[NDArray[np.float64], ...]:
    return segments.x0, segments.y0, segments.x1, segments.y1


def _dem(sources: Sources) -> str:
    return sourced.source_text(sources.layer("dem", "DEM"))


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
    _require_within(settings.outer, f"[factors.{code}] outer", sources.grid)
    return Made(
        Tpi(settings.inner, settings.outer, settings.divide_by_sd),
        terrain.tpi_halo(dx, dy, settings.outer),
        unit="SD" if settings.divide_by_sd else "m",
        source=_dem(sources),
    )


def _widest(grid: GeoBox) -> float:
    """Return the longer side of a grid in metres."""
    box = grids.bounds(grid)
    return float(max(box.right - box.left, box.top - box.bottom))


def _require_within(metres: float, key: str, grid: GeoBox) -> None:
    """Raise where a neighbourhood is wider than the grid."""
    if metres > _widest(grid):
        raise InputError(
            f"{key} = {metres:g} m is wider than the grid ({_widest(grid):g} m); make it smaller"
        )


def _relief(settings: ReliefFactor, code: str, sources: Sources) -> Made:
    _require_within(settings.window, f"[factors.{code}] window", sources.grid)
    dx, dy = grids.cell_size(sources.grid)
    narrow = settings.window < 3 * min(dx, dy)
    warning = (
        f"{code}: window = {settings.window:g} m is narrower than three cells of {dx:g} x {dy:g} "
        f"m, which are used: give a wider window in [factors.{code}]"
    )
    return Made(
        Relief(settings.window),
        terrain.relief_halo(dx, dy, settings.window),
        source=_dem(sources),
        warnings=(warning,) if narrow else (),
    )


def _roughness(settings: RoughnessFactor, code: str, sources: Sources) -> Made:
    return Made(roughness, (1, 1), source=_dem(sources))


def _northness(settings: NorthnessFactor, code: str, sources: Sources) -> Made:
    return Made(Exposure("north", settings.by_slope), (1, 1), source=_dem(sources))


def _eastness(settings: EastnessFactor, code: str, sources: Sources) -> Made:
    return Made(Exposure("east", settings.by_slope), (1, 1), source=_dem(sources))


def _water(
    settings: WaterFactor,
    code: str,
    sources: Sources,
    kind: hydrology.Kind,
    min_area: float = 0.0,
) -> hydrology.Product:
    """Return the file over the whole grid that a factor of water reads."""
    if settings.cell is not None and 3 * settings.cell > _widest(sources.grid):
        raise InputError(
            f"[factors.{code}] cell = {settings.cell:g} m leaves fewer than three cells along the "
            f"grid ({_widest(sources.grid):g} m); make it smaller"
        )
    dem = sourced.raster_source(sources.layer("dem", "DEM"))
    flow = hydrology.flow_of(sources, dem, settings.cell, settings.margin)
    area = flow.cells * abs(flow.grid.affine.determinant) / 1e6
    if min_area > area:
        raise InputError(
            f"[factors.{code}] min_area = {min_area:g} km² is more than the elevation model covers "
            f"({area:.4g} km²), so no water would be a river; make it smaller"
        )
    return hydrology.Product(flow, kind, min_area, sources.work)


def _of_water(
    product: hydrology.Product,
    compute: Callable[[TileInputs], Float],
    sources: Sources,
    halo: tuple[int, int] = (0, 0),
) -> Made:
    flow = product.flow
    return Made(
        compute,
        halo,
        source=_dem(sources),
        settings={"flow": flow.mark()},
        notes=(
            f"water runs over {flow.cells:,} cells, which takes about "
            f"{flow.memory / 1e9:.2g} GB of memory once",
        ),
        whole=product,
    )


def _upstream_area(settings: UpstreamAreaFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, hydrology.ReadWater(product), sources)


def _wetness(settings: WetnessFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "area")
    return _of_water(product, hydrology.Wetness(product), sources, (1, 1))


def _height_above_river(settings: HeightAboveRiverFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "height", settings.min_area)
    return _of_water(product, hydrology.ReadWater(product), sources)


def _river_distance(settings: RiverDistanceFactor, code: str, sources: Sources) -> Made:
    product = _water(settings, code, sources, "rivers", settings.min_area)
    return _of_water(product, hydrology.DistanceToRivers(product), sources)


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
        "class at the cell's centre; models use its frequency ratio in the training data",
        "Lee and Min (2001), Environ. Geol. 40, 1095-1113",
        _category,
    ),
    "bearing": FactorFunction(
        "circular",
        "deg",
        ("event",),
        "azimuth from the epicentre to the cell, clockwise from true north",
        "",
        _bearing,
    ),
    "line_direction": FactorFunction(
        "axial",
        "deg",
        ("layer",),
        "azimuth mod 180 from true north of the nearest subsection of the lines",
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
        "downslope direction in a 3 x 3 window, clockwise from true north, -1 where flat",
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
    "roughness": FactorFunction(
        "continuous",
        "m",
        ("dem",),
        "highest minus lowest elevation in a 3 x 3 window",
        "Wilson et al. (2007), Mar. Geod. 30, 3-35",
        _roughness,
    ),
    "northness": FactorFunction(
        "continuous",
        "1",
        ("dem",),
        "cosine of the slope aspect from true north, 0 where flat",
        "Zar (1999), Biostatistical Analysis",
        _northness,
    ),
    "eastness": FactorFunction(
        "continuous",
        "1",
        ("dem",),
        "sine of the slope aspect from true north, 0 where flat",
        "Zar (1999), Biostatistical Analysis",
        _eastness,
    ),
    "upstream_area": FactorFunction(
        "continuous",
        "km²",
        ("dem",),
        "area that drains through the cell, along the steepest way down after filling hollows",
        "Wang and Liu (2006), Int. J. Geogr. Inf. Sci. 20, 193-213",
        _upstream_area,
    ),
    "wetness": FactorFunction(
        "continuous",
        "1",
        ("dem",),
        "ln(a / tan slope), a the upstream area per width of the cell in m",
        "Beven and Kirkby (1979), Hydrol. Sci. Bull. 24, 43-69",
        _wetness,
    ),
    "height_above_river": FactorFunction(
        "continuous",
        "m",
        ("dem",),
        "elevation minus that of the first river cell downstream, or of where the water leaves",
        "Renno et al. (2008), Remote Sens. Environ. 112, 3469-3481",
        _height_above_river,
    ),
    "river_distance": FactorFunction(
        "continuous",
        "m",
        ("dem",),
        "Euclidean distance to the nearest river found from the upstream area",
        "Wang and Liu (2006), Int. J. Geogr. Inf. Sci. 20, 193-213",
        _river_distance,
    ),
}
"""Function by name, as in a factor's table of the study."""


def function_of(settings: FactorBase) -> FactorFunction:
    """Return the function that a factor's settings name, built in or brought by a package.

    Raises
    ------
    InputError
        A package's entry point that is no `FactorFunction`.
    """
    name = str(getattr(settings, "function"))  # noqa: B009 - each settings class has one
    if not isinstance(settings, OwnFactor):
        return FUNCTIONS[name]
    found = extensions.load(GROUP, name)
    if not isinstance(found, FactorFunction):
        raise InputError(
            f"'{name}' of the package {extensions.package(GROUP, name)} is no FactorFunction "
            "(shakeslide.factors.factor)"
        )
    return found


def layer_of(settings: FactorBase) -> str:
    """Return the name of the layer that a factor is made from, "" if it needs none."""
    inputs = function_of(settings).inputs
    if "layer" in inputs and isinstance(settings, LayerFactor):
        return "" if settings.layer == EPICENTRE else settings.layer
    return "dem" if "dem" in inputs else ""


def columns_of(settings: FactorBase) -> tuple[str, ...]:
    """Return the attributes that a factor reads of its layer besides those that the study names."""
    return aftershocks.COLUMNS if isinstance(settings, DensityFactor) else ()


def build(code: str, settings: FactorBase, sources: Sources) -> Factor:
    """Return a factor of the study from its settings.

    Raises
    ------
    InputError
        A layer that is missing or cannot serve.
    """
    function, layer, about = function_of(settings), layer_of(settings), {}
    if isinstance(settings, OwnFactor):
        about = {"package": extensions.package(GROUP, settings.function)}
        settings = settings.options
    made = function.make(settings, code, sources)
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
        # `use` states whether a factor takes part, and changes no value of it.
        settings={k: v for k, v in settings.essence(sources.content).items() if k != "use"}
        | about
        | dict(made.settings),
        layer=layer,
        layers=tuple(sorted({layer, "dem" if "dem" in function.inputs else ""} - {""})),
        notes=made.notes,
        warnings=made.warnings,
        whole=made.whole,
    )


def describe(function: str) -> dict[str, Any]:
    """Return what is said of a function in reference and reports."""
    f = FUNCTIONS[function]
    return {"kind": f.kind, "unit": f.unit, "definition": f.definition, "citation": f.citation}
