"""A look at a vector layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.checks import symptoms
from shakeslide.checks.rows import FAR, LayerRow, Uses, counted, coverage_warning
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector
from shakeslide.io.points import Points
from shakeslide.layers.polygons import Polygons
from shakeslide.layers.readers import vector_source
from shakeslide.study.layer_settings import Layer

MANY = 20_000
"""Polygons from which on the ground that they cover is counted in cells' centres."""


def vector_row(name: str, layer: Layer, use: Uses, coarse: GeoBox) -> LayerRow:
    """Return what there is to say of a vector layer; raise where it cannot serve."""
    source = vector_source(layer, name)
    features = vector.read(source, grids.crs_of(coarse), columns=use.columns)
    kind = features.kind
    coverage, warnings = None, [_place_warning(source, features, coarse)]
    taken = layer.column if use.classes or use.unit is not None else None
    if taken is not None and features.table[taken].isna().all():
        raise InputError(
            f"{layer.path} (layers.{name}): column '{taken}' is empty in all {len(features):,} "
            "features; choose another with column ="
        )
    if kind == "polygon" and (use.classes or use.unit is not None):
        coverage = _share_covered(layer, features, coarse)
        if coverage == 0:
            raise InputError(
                f"{layer.path} (layers.{name}): does not overlap the grid; is its CRS right?"
            )
        warnings += coverage_warning(coverage)
    if kind == "polygon" and use.classes and layer.column is not None:
        warnings.append(symptoms.rare_classes(_areas(features, layer.column, coarse)))
    if layer.column is not None and (bad := vector.garbled(features.table[layer.column])):
        warnings.append(
            f'its texts look garbled ({bad!r}): name their encoding, for example encoding = "UTF-8"'
        )
    return LayerRow(
        name=name,
        file=layer.path.name,
        kind=counted(len(features), kind),
        crs=grids.crs_name(features.crs),
        coverage=coverage,
        values=_column_text(features, layer, use),
        use=use.text,
        source=layer.source,
        notes=features.notes,
        warnings=[w for w in warnings if w],
    )


def _areas(features: vector.Features, column: str, grid: GeoBox) -> dict[str, float]:
    """Return the area of each class on the grid."""
    box = shapely.box(*grids.bounds(grid).bbox)
    inside = shapely.intersects(features.geometry, box)
    area = _area_within(features.geometry[inside], box)
    names = features.table[column].to_numpy()[inside]
    # A group that is missing is left out: polygons without a class.
    sums = pd.Series(area).groupby(pd.Series(names, dtype=object).dropna().astype(str)).sum()
    return {str(name): float(total) for name, total in sums.items()}


def _area_within(shapes: NDArray[np.object_], box: shapely.Geometry) -> NDArray[np.float64]:
    """Return the area of each shape in a box; only those that cross its edge are cut."""
    area = shapely.area(shapes)
    bounds, (west, south, east, north) = shapely.bounds(shapes), shapely.bounds(box)
    whole = (bounds[:, :2] >= (west, south)).all(axis=1) & (bounds[:, 2:] <= (east, north)).all(
        axis=1
    )
    area[~whole] = shapely.area(shapely.intersection(shapes[~whole], box))
    return np.asarray(area, np.float64)


def _share_covered(layer: Layer, features: vector.Features, grid: GeoBox) -> float:
    """Return the share of the grid that polygons with a value cover."""
    box = shapely.box(*grids.bounds(grid).bbox)
    shapes = features.geometry
    if layer.column is not None:
        shapes = shapes[features.table[layer.column].notna()]
    if len(shapes) > MANY and shapely.intersects(shapes, box).any():
        # To join so many takes minutes. What lies between the centres is more than nothing.
        rows, cols = grids.shape_of(grid)
        burnt = Polygons.on_grid(shapes, np.ones(len(shapes)), grid)
        held = burnt.burn(Tile((0, 0), 0, rows, 0, cols), fill=0.0)
        return max(float(held.mean()), float(np.finfo(float).tiny))
    # United first: ground under several polygons counts once.
    return float(shapely.intersection(shapely.unary_union(shapes), box).area / box.area)


def _place_warning(source: vector.VectorSource, features: vector.Features, grid: GeoBox) -> str:
    """Tell of a layer that lies elsewhere; raise where swapped coordinates bring it here."""
    distance = distance_to(features.held, grid)
    if distance <= FAR:
        return ""
    if _distance_swapped(source, grid) < min(FAR, distance / 10):
        raise InputError(
            f"{source.where_it_is}: lies {distance / 1000:,.0f} km from the grid, but with x "
            "and y swapped it lies on the grid: its axes are in the other order; "
            f"{vector.remedy(source)}"
        )
    return (
        f"its nearest feature lies {distance / 1000:,.0f} km from the grid: is its CRS right, and "
        "is it of this place?"
    )


def _distance_swapped(source: vector.VectorSource, grid: GeoBox) -> float:
    """Return the distance with x and y exchanged, infinite where that is no place."""
    try:
        other = vector.read(replace(source, swap_xy=not source.swap_xy), grids.crs_of(grid))
    except InputError:
        return np.inf
    return distance_to(other.held, grid)


def distance_to(shapes: NDArray[np.object_] | Points, grid: GeoBox) -> float:
    """Return the distance in metres from the grid to the nearest of some geometries, (n,)."""
    if isinstance(shapes, Points):
        return shapes.distance(*grids.bounds(grid).bbox)
    box = shapely.box(*grids.bounds(grid).bbox)
    # Sooner than the distances of all.
    if shapely.intersects(shapes, box).any():
        return 0.0
    return float(shapely.distance(shapes, box).min())


def _column_text(features: vector.Features, layer: Layer, use: Uses) -> str:
    if layer.column is None:
        return ""
    column = features.table[layer.column]
    if use.classes:
        names = sorted({str(v) for v in column.dropna().unique()})
        return (
            f"{layer.column}: {len(names)} classes: "
            + ", ".join(names[:6])
            + (" ..." if len(names) > 6 else "")
        )
    values = vector.numeric(features, layer.column, str(layer.path))
    return f"{layer.column}: {np.nanmin(values):.6g} to {np.nanmax(values):.6g}"
