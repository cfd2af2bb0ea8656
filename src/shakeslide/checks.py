"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from shakeslide import grid as grids
from shakeslide import inventory
from shakeslide.errors import InputError
from shakeslide.factors.layers import is_vector, raster_info, raster_source, vector_source
from shakeslide.factors.registry import Factor
from shakeslide.io import raster, shakemap, vector
from shakeslide.masks import Masks
from shakeslide.study import Inventory, Layer

PREVIEW = 1_000_000
"""Cells looked at in a raster: coverage and range are estimated on a coarser grid above this."""


@dataclass(frozen=True)
class LayerRow:
    """What `check` says of one layer.

    Attributes
    ----------
    name, file, kind, crs : str
        What the study calls it, its file, raster or geometry, its CRS.
    coverage : float or None
        Share of the grid that has a value (polygons, rasters).
    values : str
        Range of values, classes, or number of features.
    use : str
        What will be done with it.
    notes, warnings : list of str
        What was repaired; what to think about.
    """

    name: str
    file: str
    kind: str
    crs: str
    coverage: float | None
    values: str
    use: str
    source: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def check_layers(
    layers: Mapping[str, Layer],
    roles: Mapping[str, Sequence[str]],
    categorical: Sequence[str],
    landslides: Inventory,
    grid: GeoBox,
    masks: Masks | None = None,
) -> list[LayerRow]:
    """Look at every layer that is used and at the inventory.

    Parameters
    ----------
    layers : mapping
        Layers of the study by name.
    roles : mapping
        Codes of the factors made from each layer.
    categorical : sequence of str
        Layers whose values are classes.
    landslides : Inventory
        The inventory's settings.
    grid : GeoBox
        The grid.
    masks : Masks, optional
        Ground where no landslide can be.

    Raises
    ------
    InputError
        On the first layer that cannot serve.
    """
    coarse = grid.zoom_out(max(1.0, (grid.shape[0] * grid.shape[1] / PREVIEW) ** 0.5))
    rows = []
    for name, codes in roles.items():
        if name not in layers:
            raise InputError(
                f"[layers.{name}] is missing, which {', '.join(codes)} need; add it, or leave the "
                "factors out with `use = false` in their tables"
            )
        layer = layers[name]
        use = f"factors {', '.join(codes)}" if codes else "grid"
        if is_vector(layer):
            rows.append(_vector_row(name, layer, use, name in categorical, coarse))
        else:
            rows.append(_raster_row(name, layer, use, name in categorical, coarse, grid))
    rows.append(_inventory_row(landslides, grid, masks))
    return rows


def _raster_row(
    name: str, layer: Layer, use: str, categorical: bool, coarse: GeoBox, grid: GeoBox
) -> LayerRow:
    info = raster_info(layer, name)
    source = raster_source(layer, categorical=True, name=name)
    values = source.read(coarse)
    known = values[np.isfinite(values)]
    if known.size == 0:
        raise InputError(
            f"{layer.path} (layers.{name}): has no value on the grid; do they overlap? Its extent "
            f"is {_box(info.grid)} in {grids.crs_name(info.crs)}"
        )
    aligned = raster.aligned_offset(info.grid.affine, info.crs, grid) is not None
    how = "nearest" if categorical else "bilinear"
    text = (
        _classes(known, f"{layer.path} (layers.{name})")
        if categorical
        else f"{known.min():.6g} to {known.max():.6g}"
    )
    notes = []
    if source.field is not None:
        text = f"{source.field}: {text} {info.unit}".rstrip()
        note = shakemap.read(layer.path).notes.get(source.field)
        notes = [note] if note else []
    return LayerRow(
        name,
        layer.path.name,
        f"{'raster ' + info.dtype if source.field is None else 'ShakeMap'}, "
        f"{info.grid.shape[0]} x {info.grid.shape[1]}",
        grids.crs_name(info.crs),
        float(np.isfinite(values).mean()),
        text,
        use + ("" if aligned else f"; resampled ({how})"),
        layer.source,
        notes,
        _coverage_warning(float(np.isfinite(values).mean())),
    )


def _box(grid: GeoBox) -> str:
    return ", ".join(f"{v:.6g}" for v in grids.bounds(grid))


def _classes(values: np.ndarray, where: str) -> str:
    codes = np.unique(values)
    if not np.allclose(codes, np.round(codes)):
        raise InputError(
            f"{where}: is used for classes, but holds values that are not whole numbers "
            f'({codes[0]:g} ...); use function = "value" for continuous values'
        )
    shown = ", ".join(f"{int(c)}" for c in codes[:12])
    return f"{len(codes)} classes: {shown}" + (" ..." if len(codes) > 12 else "")


def _coverage_warning(share: float) -> list[str]:
    if share >= 0.999:
        return []
    return [
        f"covers {100 * share:.1f} % of the grid; the rest has no prediction (nodata on the maps)"
    ]


def _vector_row(name: str, layer: Layer, use: str, categorical: bool, coarse: GeoBox) -> LayerRow:
    features = vector.read(vector_source(layer, name), grids.crs_of(coarse))
    shapes = features.geometry
    kind = vector.KINDS.get(int(shapely.get_type_id(shapes[0])), "mixed")
    coverage, warnings = None, []
    if kind == "polygon":
        box = shapely.box(*grids.bounds(coarse).bbox)
        named = shapes if layer.column is None else shapes[features.frame[layer.column].notna()]
        covered = shapely.intersection(shapely.unary_union(named), box)
        coverage = float(covered.area / box.area)
        if coverage == 0:
            raise InputError(
                f"{layer.path} (layers.{name}): does not overlap the grid; is its CRS right?"
            )
        warnings = _coverage_warning(coverage)
    return LayerRow(
        name,
        layer.path.name,
        f"{len(shapes):,} {kind}s",
        grids.crs_name(features.crs),
        coverage,
        _column_text(features, layer, categorical),
        use,
        layer.source,
        features.notes,
        warnings,
    )


def _column_text(features: vector.Features, layer: Layer, categorical: bool) -> str:
    if layer.column is None:
        return ""
    column = features.frame[layer.column]
    if categorical:
        names = sorted({str(v) for v in column.dropna()})
        return (
            f"{layer.column}: {len(names)} classes: "
            + ", ".join(names[:6])
            + (" ..." if len(names) > 6 else "")
        )
    values = vector.numeric(features, layer.column, str(layer.path))
    return f"{layer.column}: {np.nanmin(values):.6g} to {np.nanmax(values):.6g}"


def _inventory_row(settings: Inventory, grid: GeoBox, masks: Masks | None) -> LayerRow:
    loaded = inventory.load(settings, grid, masks)
    path = settings.path
    areas = loaded.areas
    size = f"{areas.sum() / 1e6:.3g} km² in all, median {np.median(areas):.4g} m²"
    return LayerRow(
        "inventory",
        path.name if path is not None else "",
        f"{loaded.count:,} {loaded.kind}s",
        loaded.crs,
        None,
        size if loaded.kind == "polygon" else "",
        f"positives: {loaded.positives if loaded.kind == 'polygon' else 'cells of the points'}",
        settings.source,
        loaded.notes,
    )


def with_factors(rows: Sequence[LayerRow], factors: Sequence[Factor]) -> list[LayerRow]:
    """Return the rows with what the factors found in their layers."""
    out = []
    for row in rows:
        own = [f for f in factors if f.layer == row.name]
        notes = [*row.notes, *(n for f in own for n in f.notes)]
        warnings = [*row.warnings, *(w for f in own for w in f.warnings)]
        out.append(replace(row, notes=notes, warnings=list(dict.fromkeys(warnings))))
    return out
