"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide import grid as grids
from shakeslide import inventory, symptoms
from shakeslide.errors import InputError
from shakeslide.factor_settings import CategoryFactor, FactorBase, ValueFactor
from shakeslide.factors.catalogue import layer_of, project_point
from shakeslide.factors.layers import (
    is_vector,
    raster_info,
    raster_source,
    vector_source,
)
from shakeslide.factors.registry import Factor
from shakeslide.grid import Tile
from shakeslide.io import pam, raster, shakemap, vector
from shakeslide.masks import Masks, name_of
from shakeslide.masks import load as load_masks
from shakeslide.study import Evaluation, Event, Inventory, Layer, Mask

PREVIEW = 1_000_000
"""Cells looked at in a raster: coverage and range are estimated on a coarser grid above this."""
WINDOW = 1024
"""Rows and columns of the DEM's own cells that are looked at for steps and stripes."""
FAR = 200_000.0
"""Metres from the grid beyond which a layer, or the epicentre, is suspected to be elsewhere."""
TILES = 100
"""Tiles of `WINDOW` cells in which clear ground is looked for at most."""
LARGE = 5_000_000_000
"""Cells from which on a grid may be a slip of its resolution."""
POSITIVES: Mapping[str, str] = {
    "sources": "source areas as mapped",
    "extracted": "source areas told from the outlines by `shakeslide sources`",
    "outlines": "whole outlines, run-out included",
    "points": "cells of the points",
}
"""What the positives are, by `learnt_from`, in a few words."""
CORE = 1.0
"""Degrees between the study's epicentre and a ShakeMap's that cannot be one earthquake."""


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


@dataclass(frozen=True)
class Uses:
    """What the factors want of a layer.

    Attributes
    ----------
    codes : list of str
        The factors made from it.
    classes : bool
        Whether its values are classes.
    unit : str or None
        Unit that a factor of its values states; None: no factor takes its values.
    """

    codes: list[str]
    classes: bool
    unit: str | None

    @property
    def text(self) -> str:
        """What will be done with the layer."""
        return f"factors {', '.join(self.codes)}" if self.codes else "grid"


def uses(factors: Mapping[str, FactorBase]) -> dict[str, Uses]:
    """Return what the factors of a study want of each layer, the DEM first."""
    wanted: dict[str, dict[str, FactorBase]] = {"dem": {}}
    for code, factor in factors.items():
        name = layer_of(factor)
        if name:
            wanted.setdefault(name, {})[code] = factor
    out = {}
    for name, own in wanted.items():
        values = [f.unit for f in own.values() if isinstance(f, ValueFactor)]
        classes = any(isinstance(f, CategoryFactor) for f in own.values())
        out[name] = Uses(list(own), classes, values[0] if values else None)
    return out


def learnt_from(settings: Mapping[str, Any], kind: str = "polygon") -> str:
    """Return what the positives are: a key of `POSITIVES`.

    Parameters
    ----------
    settings : mapping
        The table [inventory], with or without its defaults.
    kind : {"polygon", "point"}
        How the landslides were mapped.
    """
    if settings.get("positives_from") == "extracted":
        return "extracted"
    if settings.get("sources") is not None or settings.get("source_where") is not None:
        return "sources"
    return "points" if kind == "point" else "outlines"


def check_layers(
    layers: Mapping[str, Layer],
    factors: Mapping[str, FactorBase],
    landslides: Inventory,
    grid: GeoBox,
    event: Event | None = None,
    masks: Sequence[Mask] = (),
) -> list[LayerRow]:
    """Look at every layer that is used, at the epicentre, the masks and the inventory.

    Parameters
    ----------
    layers : mapping
        Layers of the study by name.
    factors : mapping
        Settings of the factors in use, by code.
    landslides : Inventory
        The inventory's settings.
    grid : GeoBox
        The grid.
    event : Event, optional
        The earthquake.
    masks : sequence of Mask
        Ground where no landslide can be.

    Raises
    ------
    InputError
        On the first layer that cannot serve.
    """
    event = event or Event()
    coarse = grid.zoom_out(max(1.0, (grid.shape[0] * grid.shape[1] / PREVIEW) ** 0.5))
    rows = []
    for name, use in uses(factors).items():
        if name not in layers:
            raise InputError(
                f"[layers.{name}] is missing, which {', '.join(use.codes)} need; add it, or leave "
                "the factors out with `use = false` in their tables"
            )
        if is_vector(layers[name]):
            rows.append(_vector_row(name, layers[name], use, coarse))
        else:
            rows.append(_raster_row(name, layers[name], use, coarse, grid, event))
    if size := _size_warning(grid, len(factors)):
        rows[0] = replace(rows[0], warnings=[*rows[0].warnings, size])
    if event.epicentre is not None:
        rows.append(_epicentre_row(event.epicentre, event, grid, factors))
    rows += [_mask_row(m, name_of(m, i), coarse) for i, m in enumerate(masks)]
    # What is wrong with the inventory is told before what is wrong with its further layers.
    last = _inventory_row(landslides, grid, event, load_masks(masks, grid) if masks else None)
    return [*rows, *(_part_row(*part, grid) for part in _parts(landslides)), last]


def check_dem(layers: Mapping[str, Layer]) -> None:
    """Raise where the elevation model has no CRS, by the name of its file.

    Raises
    ------
    InputError
        No CRS, neither in the file nor in the study.
    """
    layer = layers.get("dem")
    if layer is not None and raster_info(layer, "dem").crs is None:
        raise InputError(
            f'{layer.path}: the DEM has no CRS; give it with crs = "EPSG:..." in [layers.dem]'
        )


def check_evaluation(asked: Evaluation) -> None:
    """Look at what the evaluation needs besides the samples, which are drawn much later.

    Raises
    ------
    InputError
        Results of other earthquakes, or the true probability, that are not there.
    """
    if "event" in asked.protocols:
        if not asked.events:
            raise InputError(
                '[evaluation] protocols names "event", but events is empty: give the folders of '
                "results of other earthquakes' runs"
            )
        for folder in asked.events:
            if not (folder / "samples.parquet").is_file():
                what = "holds no samples.parquet" if folder.is_dir() else "no such folder"
                raise InputError(
                    f"{folder} (evaluation.events): {what}; give the --out of a run that has "
                    "come to `shakeslide sample`"
                )
    if asked.truth is not None:
        if not asked.truth.path.exists():
            raise InputError(
                f"{asked.truth.path} (evaluation.truth): no such file; correct its path, or "
                "leave [evaluation.truth] out"
            )
        raster_info(asked.truth, "evaluation.truth")


def _size_warning(grid: GeoBox, factors: int) -> str:
    cells = grid.shape[0] * grid.shape[1]
    if cells <= LARGE:
        return ""
    return (
        f"the grid has {cells:,} cells: its {factors} factors alone take "
        f"{4e-9 * cells * factors:,.0f} GB before packing; is [grid] resolution right (metres)?"
    )


def with_factors(rows: Sequence[LayerRow], factors: Sequence[Factor]) -> list[LayerRow]:
    """Return the rows with what the factors found in their layers."""
    out = []
    for row in rows:
        own = [f for f in factors if f.layer == row.name]
        notes = dict.fromkeys([*row.notes, *(n for f in own for n in f.notes)])
        warnings = dict.fromkeys([*row.warnings, *(w for f in own for w in f.warnings)])
        out.append(replace(row, notes=list(notes), warnings=list(warnings)))
    return out


# ------------------------------------------------------------------ rasters


def _raster_row(
    name: str, layer: Layer, use: Uses, coarse: GeoBox, grid: GeoBox, event: Event
) -> LayerRow:
    where = f"{layer.path} (layers.{name})"
    info = raster_info(layer, name)
    source = raster_source(layer, categorical=True, name=name)
    values = source.read(coarse)
    known = values[np.isfinite(values)]
    if known.size == 0:
        raise InputError(
            f"{where}: has no value on the grid; do they overlap? Its extent is "
            f"{_box(info.grid)} in {grids.crs_name(info.crs)}{_sidecar_crs(layer, info)}"
        )
    untagged = symptoms.untagged_nodata(known)
    if untagged:
        raise InputError(f"{where}: {untagged} in [layers.{name}]")
    notes, warnings = _raster_remarks(layer, info, known, use)
    if name == "dem":
        warnings += _dem_remarks(where, values, info, source, grid)
    if source.field is not None:
        more = _shakemap_remarks(layer, source.field, event)
        notes, warnings = notes + more[0], warnings + more[1]
    text = _classes(known, where) if use.classes else f"{known.min():.6g} to {known.max():.6g}"
    if source.field is not None:
        text = f"{source.field}: {text} {info.unit}".rstrip()
    kind = "ShakeMap" if source.field is not None else f"raster {info.dtype}"
    share = float(np.isfinite(values).mean())
    aligned = raster.aligned_offset(info.grid.affine, info.crs, grid) is not None
    how = "nearest" if use.classes else "bilinear"
    return LayerRow(
        name,
        layer.path.name,
        f"{kind}, {info.grid.shape[0]} x {info.grid.shape[1]}",
        grids.crs_name(info.crs),
        share,
        text,
        use.text + ("" if aligned else f"; resampled ({how})"),
        layer.source,
        notes,
        _coverage_warning(share) + warnings,
    )


def _raster_remarks(
    layer: Layer, info: raster.RasterInfo, known: NDArray[np.float32], use: Uses
) -> tuple[list[str], list[str]]:
    """Return notes and warnings that hold for any raster."""
    notes, warnings = [], []
    if layer.scale is None and (info.scale, info.offset) != (1.0, 0.0):
        notes.append(f"scale {info.scale:g} and offset {info.offset:g} of the file applied")
    if info.crs is not None and info.crs.geographic and not _within_180(info.grid):
        notes.append("goes on beyond longitude 180: read across it")
    if use.unit is not None and not use.classes:
        stated = use.unit or info.unit
        warnings += [
            symptoms.undeclared_classes(known, info.dtype, stated, info.colours),
            symptoms.unlikely_unit(known, info.unit or use.unit),
        ]
    return notes, [w for w in (*warnings, _sidecar_remark(layer, info, known)) if w]


def _within_180(grid: GeoBox) -> bool:
    box = grids.bounds(grid)
    return bool(box.left >= -180.001 and box.right <= 180.001)


def _sidecar_remark(layer: Layer, info: raster.RasterInfo, known: NDArray[np.float32]) -> str:
    """Tell of a sidecar that does not belong to the file as it is."""
    said = pam.read(layer.path, layer.band)
    if said is None:
        return ""
    low, high = float(known.min()), float(known.max())
    room = 0.01 * (high - low)
    if (said.minimum is not None and low < said.minimum - room) or (
        said.maximum is not None and high > said.maximum + room
    ):
        return (
            f"{said.path.name} is stale: it says values run from {said.minimum:.6g} to "
            f"{said.maximum:.6g}, but they run from {low:.6g} to {high:.6g}; delete it (it is not "
            "read here, but other programs believe it)"
        )
    own = layer.nodata if layer.nodata is not None else info.nodata
    if said.nodata is not None and own is None:
        return (
            f"{said.path.name} names nodata {said.nodata:g}, which is not read: set nodata = "
            f"{said.nodata:g}"
        )
    return ""


def _sidecar_crs(layer: Layer, info: raster.RasterInfo) -> str:
    said = pam.read(layer.path, layer.band) if info.crs is None else None
    return "" if said is None or not said.crs else f"; {said.path.name} names one: give it as crs ="


def _dem_remarks(
    where: str,
    values: NDArray[np.float32],
    info: raster.RasterInfo,
    source: raster.RasterSource,
    grid: GeoBox,
) -> list[str]:
    """Return what to think about in an elevation model."""
    known = values[np.isfinite(values)]
    if source.scale is None and (feet := symptoms.in_feet(info.unit, info.height_unit)):
        raise InputError(f"{where}: {feet} in [layers.dem]")
    if unearthly := symptoms.not_elevations(known):
        raise InputError(f"{where}: {unearthly}")
    out = [symptoms.zero_plateau(known), symptoms.voids(values)]
    own, cell = raster.native_window(source, info, grid, WINDOW)
    if own.size:
        out += [symptoms.stepped(own, cell), symptoms.striped(own)]
    dx, dy = grids.cell_size(grid)
    if abs(dx - dy) > 1e-3 * dx:
        out.append(f"its cells are {dx:.6g} x {dy:.6g} m, not square: slopes and distances mind it")
    return [text for text in out if text]


def _shakemap_remarks(layer: Layer, name: str, event: Event) -> tuple[list[str], list[str]]:
    read = shakemap.read(layer.path)
    notes = [read.notes[name]] if name in read.notes else []
    try:
        lon, lat = float(read.event["lon"]), float(read.event["lat"])
    except (KeyError, ValueError):
        return notes, []
    if event.epicentre is None or event.crs != "EPSG:4326":
        return notes, []
    apart = abs((lon - event.epicentre[0] + 180) % 360 - 180), abs(lat - event.epicentre[1])
    if max(apart) <= CORE:
        return notes, []
    return notes, [
        f"is of an earthquake at {lon:g}, {lat:g}, but [event] epicentre = "
        f"{list(event.epicentre)}: do they belong together?"
    ]


def _box(grid: GeoBox) -> str:
    return ", ".join(f"{v:.6g}" for v in grids.bounds(grid))


def _classes(values: NDArray[np.float32], where: str) -> str:
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


# ------------------------------------------------------------------ vectors


def _vector_row(name: str, layer: Layer, use: Uses, coarse: GeoBox) -> LayerRow:
    source = vector_source(layer, name)
    features = vector.read(source, grids.crs_of(coarse))
    shapes = features.geometry
    kind = vector.kind_of(shapes)
    coverage, warnings = None, [_place_warning(source, features, coarse)]
    taken = layer.column if use.classes or use.unit is not None else None
    if taken is not None and features.frame[taken].isna().all():
        raise InputError(
            f"{layer.path} (layers.{name}): column '{taken}' is empty in all {len(shapes):,} "
            "features; choose another with column ="
        )
    if kind == "polygon" and (use.classes or use.unit is not None):
        coverage = _share_covered(layer, features, coarse)
        if coverage == 0:
            raise InputError(
                f"{layer.path} (layers.{name}): does not overlap the grid; is its CRS right?"
            )
        warnings += _coverage_warning(coverage)
    if layer.column is not None and (bad := vector.garbled(features.frame[layer.column])):
        warnings.append(
            f'its texts look garbled ({bad!r}): name their encoding, for example encoding = "UTF-8"'
        )
    return LayerRow(
        name,
        layer.path.name,
        _counted(len(shapes), kind),
        grids.crs_name(features.crs),
        coverage,
        _column_text(features, layer, use),
        use.text,
        layer.source,
        features.notes,
        [w for w in warnings if w],
    )


def _counted(number: int, kind: str) -> str:
    """Return how many geometries of a kind there are."""
    if kind == "mixed":
        return f"{number:,} geometries of several kinds"
    return f"{number:,} {kind}" + ("" if number == 1 else "s")


def _share_covered(layer: Layer, features: vector.Features, grid: GeoBox) -> float:
    """Return the share of the grid that polygons with a value cover."""
    box = shapely.box(*grids.bounds(grid).bbox)
    shapes = features.geometry
    if layer.column is not None:
        shapes = shapes[features.frame[layer.column].notna()]
    return float(shapely.intersection(shapely.unary_union(shapes), box).area / box.area)


def _place_warning(source: vector.VectorSource, features: vector.Features, grid: GeoBox) -> str:
    """Tell of a layer that lies elsewhere; raise where swapped coordinates bring it here."""
    distance = _distance(features.geometry, grid)
    if distance <= FAR:
        return ""
    try:
        other = vector.read(replace(source, swap_xy=not source.swap_xy), grids.crs_of(grid))
        if _distance(other.geometry, grid) < min(FAR, distance / 10):
            raise InputError(
                f"{source.where_it_is}: lies {distance / 1000:,.0f} km from the grid, but with x "
                "and y swapped it lies here: its axes are in the other order; "
                f"{vector.remedy(source)}"
            )
    except InputError as error:
        if "axes are in the other order" in str(error):
            raise
    return (
        f"its nearest feature lies {distance / 1000:,.0f} km from the grid: is its CRS right, and "
        "is it of this place?"
    )


def _distance(shapes: NDArray[np.object_], grid: GeoBox) -> float:
    """Return the distance in metres from the grid to the nearest shape."""
    return float(shapely.distance(shapes, shapely.box(*grids.bounds(grid).bbox)).min())


def _column_text(features: vector.Features, layer: Layer, use: Uses) -> str:
    if layer.column is None:
        return ""
    column = features.frame[layer.column]
    if use.classes:
        names = sorted({str(v) for v in column.dropna()})
        return (
            f"{layer.column}: {len(names)} classes: "
            + ", ".join(names[:6])
            + (" ..." if len(names) > 6 else "")
        )
    values = vector.numeric(features, layer.column, str(layer.path))
    return f"{layer.column}: {np.nanmin(values):.6g} to {np.nanmax(values):.6g}"


# ------------------------------------------------------------------ event, masks, inventory


def _epicentre_row(
    epicentre: tuple[float, float], event: Event, grid: GeoBox, factors: Mapping[str, FactorBase]
) -> LayerRow:
    lon, lat = epicentre
    distance = _distance_of_point(epicentre, event.crs, grid)
    warnings = []
    if distance > FAR:
        if abs(lon) <= 90 and _distance_of_point((lat, lon), event.crs, grid) < distance / 10:
            raise InputError(
                f"[event] epicentre = [{lon:g}, {lat:g}] lies {distance / 1000:,.0f} km from the "
                f"grid, but [{lat:g}, {lon:g}] lies here: write [longitude, latitude]"
            )
        warnings.append(
            f"lies {distance / 1000:,.0f} km from the grid: is it of this place, and written "
            "[longitude, latitude]?"
        )
    codes = [c for c, f in factors.items() if not layer_of(f)]
    return LayerRow(
        "epicentre",
        "",
        "point",
        event.crs,
        None,
        f"{lon:g}, {lat:g}"
        + ("" if distance == 0 else f"; {distance / 1000:,.1f} km off the grid"),
        f"factors {', '.join(codes)}" if codes else "record",
        warnings=warnings,
    )


def _distance_of_point(point: tuple[float, float], crs: str, grid: GeoBox) -> float:
    """Return the distance in metres from the grid to a point."""
    x, y = project_point(point, crs, grid)
    return _distance(np.array([shapely.Point(x, y)], object), grid)


def _mask_row(settings: Mask, name: str, coarse: GeoBox) -> LayerRow:
    loaded = load_masks([settings], coarse)
    rows, cols = grids.shape_of(coarse)
    share = float(loaded.covers(Tile((0, 0), 0, rows, 0, cols)).mean())
    return LayerRow(
        name,
        settings.path.name,
        "mask",
        "",
        share,
        "",
        f"no samples; maps show {settings.map_value}",
        settings.source,
        list(loaded.notes),
        [] if share > 0 else ["covers no cell of the grid: is its CRS right?"],
    )


def _parts(settings: Inventory) -> list[tuple[str, Layer, str]]:
    """Return the further layers of the inventory: name, layer, what is done with it."""
    several = len(settings.ambiguous) > 1
    parts = [
        (
            f"inventory.ambiguous{f' {i}' if several else ''}",
            layer,
            "neither positive nor negative: no clear cells there",
        )
        for i, layer in enumerate(settings.ambiguous, start=1)
    ]
    if settings.sources is not None:
        used = settings.positives_from == "mapped"
        told = "positives" if used else "read by `shakeslide sources`"
        parts.append(("inventory.sources", settings.sources, told))
    if settings.extent is not None:
        parts.append(("inventory.extent", settings.extent, "samples come from inside only"))
    return parts


def _part_row(name: str, layer: Layer, use: str, grid: GeoBox) -> LayerRow:
    source = vector_source(layer, name)
    features = vector.read(source, grids.crs_of(grid))
    box = shapely.box(*grids.bounds(grid).bbox)
    here = int(shapely.intersects(features.geometry, box).sum())
    return LayerRow(
        name,
        layer.path.name,
        _counted(len(features.geometry), vector.kind_of(features.geometry)),
        grids.crs_name(features.crs),
        None,
        f"{here:,} on the grid" + (f"; where {layer.where}" if layer.where else ""),
        use,
        layer.source,
        features.notes,
        [] if here else ["none of it lies on the grid: is its CRS right?"],
    )


def _inventory_row(
    settings: Inventory, grid: GeoBox, event: Event, masks: Masks | None
) -> LayerRow:
    loaded = inventory.load(settings, grid, masks)
    _require_sources(loaded, settings, grid)
    _require_clear(loaded, settings, grid)
    learnt = learnt_from(settings.model_dump(), loaded.kind)
    warnings = [symptoms.repeated(loaded.shapes), symptoms.run_out_learnt(learnt)]
    if loaded.kind == "polygon":
        warnings += [
            symptoms.nearly_the_same(loaded.shapes),
            _small_warning(loaded, settings, grid),
        ]
        share = float(loaded.areas.max() / shapely.box(*grids.bounds(grid).bbox).area)
        if share > 0.2:
            warnings.append(
                f"one of its polygons covers {100 * share:.0f} % of the grid: is it a landslide?"
            )
    if loaded.dates is not None and event.time is not None:
        warnings += symptoms.undated(loaded.dates, event.time)
    areas = loaded.areas
    size = f"{areas.sum() / 1e6:.3g} km² in all, median {np.median(areas):.4g} m²"
    return LayerRow(
        "inventory",
        settings.path.name if settings.path is not None else "",
        _counted(loaded.count, loaded.kind),
        loaded.crs,
        None,
        size if loaded.kind == "polygon" else "",
        f"positives: {POSITIVES[learnt]}",
        settings.source,
        loaded.notes,
        [w for w in warnings if w],
    )


def _require_sources(loaded: inventory.Inventory, settings: Inventory, grid: GeoBox) -> None:
    """Raise where no landslide gives a sample, as none holds a cell's centre."""
    polygons = loaded.sources if loaded.sources is not None else loaded.outlines
    if polygons.centres(grids.shape_of(grid)).any():
        return
    dx, dy = grids.cell_size(grid)
    raise InputError(
        f"{settings.path} (inventory): none of its {loaded.count:,} landslides holds the centre of "
        f'a cell of {dx:g} x {dy:g} m, so no cell is a source: set small = "most_covered" in '
        "[inventory], or a finer [grid] resolution"
    )


def _require_clear(loaded: inventory.Inventory, settings: Inventory, grid: GeoBox) -> None:
    """Raise where no cell is clear of landslides; on a large grid only some tiles are looked at."""
    rows, cols = grids.shape_of(grid)
    down, right = -(-rows // WINDOW), -(-cols // WINDOW)
    chosen = np.unique(np.linspace(0, down * right - 1, min(TILES, down * right)).astype(int))
    for number in chosen:
        r, c = (int(v) * WINDOW for v in divmod(int(number), right))
        tile = Tile((0, 0), r, min(r + WINDOW, rows), c, min(c + WINDOW, cols))
        if (loaded.label(tile).standing == inventory.CLEAR).any():
            return
    if len(chosen) == down * right:
        raise InputError(
            f"{settings.path} (inventory): landslides and what is left out cover all of the mapped "
            "area, so no clear ground is left to learn from; check the inventory's polygons, "
            "[inventory] extent, ambiguous and buffer, and [[masks]]"
        )


def _small_warning(loaded: inventory.Inventory, settings: Inventory, grid: GeoBox) -> str:
    """Tell how many landslides, or sources, hold no cell's centre."""
    if settings.small == "most_covered":
        return ""
    polygons = loaded.sources if loaded.sources is not None else loaded.outlines
    without = int((polygons.centres(grids.shape_of(grid)) == 0).sum())
    if without == 0:
        return ""
    return (
        f"{without:,} of {len(polygons.values):,} hold no cell's centre and give no sample; "
        'small = "most_covered" keeps the cell that each covers most'
    )
