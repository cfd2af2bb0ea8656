"""Factors that are values or classes of a layer: `value` and `category`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors.factor import (
    FactorFunction,
    Float,
    Made,
    Options,
    Sources,
    TileInputs,
    Travel,
)
from shakeslide.geo import grid as grids
from shakeslide.io import raster, shakemap, units, vector
from shakeslide.layers import readers as sourced
from shakeslide.layers.polygons import Polygons
from shakeslide.study.factor_settings import CategoryFactor, Overlap, ValueFactor
from shakeslide.study.layer_settings import Layer

SLIVERS, MOSTLY = 0.01, 0.9
"""Share of the ground below which overlaps are slips of digitising; share of a class that is
hidden from which it is reported."""


@dataclass(frozen=True)
class ReadRaster:
    """Values of a raster on the tile, times what turns their unit into the factor's."""

    raster: raster.RasterSource
    gain: float = 1.0

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        values = self.raster.read(grids.window(inputs.grid, inputs.tile))
        return values if self.gain == 1.0 else values * np.float32(self.gain)


@dataclass(frozen=True)
class ReadCodes:
    """Classes of a raster on the tile, numbered from 1 in the order of their codes."""

    raster: raster.RasterSource
    codes: tuple[int, ...]

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        values = self.raster.read_codes(grids.window(inputs.grid, inputs.tile))
        known = np.isfinite(values)
        numbers = np.full(values.shape, np.nan, np.float32)
        # In double precision: float32 may not tell such codes apart.
        numbers[known] = np.searchsorted(np.asarray(self.codes, np.float64), values[known]) + 1
        return numbers


@dataclass(frozen=True)
class BurnPolygons:
    """Values of polygons at the cells' centres."""

    polygons: Polygons

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return self.polygons.burn(inputs.tile).astype(np.float32)


def _value(settings: ValueFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    if not sourced.is_vector(layer):
        return _raster_value(settings, layer, code)
    features = sourced.polygons(layer, settings.layer, grids.crs_of(sources.grid), code)
    values = vector.numeric(features, str(layer.column), f"[layers.{settings.layer}]")
    overlap = settings.overlap or _usual_overlap(settings)
    polygons = Polygons.valued(features.geometry, values, sources.grid, overlap)
    notes, warnings = _overlap_remarks(polygons, {}, settings, overlap, code, sources.grid)
    if warnings and overlap != "last":
        in_file = Polygons.valued(features.geometry, values, sources.grid, "last")
        shape = grids.shape_of(sources.grid)
        if in_file.overlaps(shape) == polygons.overlaps(shape):
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


def category(settings: CategoryFactor, code: str, sources: Sources) -> Made:
    """Return the classes of a layer: codes, with a legend of their names."""
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


def _travel_of_value(settings: Options, unit: str) -> Travel:
    known = units.spelled(unit)
    if known == "MMI" or settings.get("layer") == "intensity":
        return Travel(
            "shaking", "no", "field intensity is partly defined by landslides: use PGA or PGV"
        )
    return Travel("shaking") if known in units.SCALES else Travel()


FUNCTIONS: Mapping[str, FactorFunction] = {
    "value": FactorFunction(
        kind="continuous",
        unit="",
        inputs=("layer",),
        definition="value of the raster, or of the polygon that holds the cell's centre",
        citation="",
        make=_value,
        travel=_travel_of_value,
    ),
    "category": FactorFunction(
        kind="categorical",
        unit="class",
        inputs=("layer",),
        definition="class at the cell's centre; models use its frequency ratio in the training "
        "data",
        citation="Lee and Min (2001), Environ. Geol. 40, 1095-1113",
        make=category,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
