"""A look at the masks, the inventory and its further layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from shakeslide.checks import few, symptoms
from shakeslide.checks.rehearsal import Asked, rehearse
from shakeslide.checks.rows import LayerRow, counted
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector
from shakeslide.layers import inventory
from shakeslide.layers.masks import load as load_masks
from shakeslide.layers.positives import Positive
from shakeslide.layers.readers import is_vector, raster_source, vector_source
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event, Inventory, Mask

WINDOW = 1024
"""Rows and columns of the tiles in which clear ground is looked for."""
TILES = 100
"""Such tiles that are looked at, at most."""


@dataclass(frozen=True)
class Mapped:
    """The landslides of a study, and where none can be.

    Attributes
    ----------
    settings : study.Inventory
        The inventory's table.
    masks : sequence of study.Mask
        The tables of the masks.
    read : callable
        Returns the landslides on the grid; raises `InputError` where they cannot be read.
    """

    settings: Inventory
    masks: Sequence[Mask]
    read: Callable[[], inventory.Inventory]


def mask_row(settings: Mask, name: str, coarse: GeoBox) -> LayerRow:
    """Return what there is to say of a mask."""
    loaded = load_masks([settings], coarse)
    rows, cols = grids.shape_of(coarse)
    share = float(loaded.covers(Tile((0, 0), 0, rows, 0, cols)).mean())
    return LayerRow(
        name=name,
        file=settings.path.name,
        kind="mask",
        crs="",
        coverage=share,
        values="",
        use=f"no samples; maps show {settings.map_value}",
        source=settings.source,
        notes=list(loaded.notes),
        warnings=[] if share > 0 else [_unmasked(settings, name, coarse)],
    )


def _unmasked(settings: Mask, name: str, coarse: GeoBox) -> str:
    """Return why a mask covers no cell of the grid."""
    if not is_vector(settings):
        source = raster_source(settings, name=name).nearest()
        values = source.read(coarse)
        found = np.unique(values[np.isfinite(values)])
        if found.size and settings.classes is not None:
            shown = ", ".join(f"{v:g}" for v in found[:12]) + (" ..." if found.size > 12 else "")
            return f"none of its classes {settings.classes} is on the grid, which has {shown}"
        if found.size:
            return "is 0 on all of the grid, so it masks nothing"
    return "covers no cell of the grid: is its CRS right?"


def parts(settings: Inventory) -> list[tuple[str, Layer, str]]:
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


def part_row(name: str, layer: Layer, use: str, grid: GeoBox) -> LayerRow:
    """Return what there is to say of a further layer of the inventory."""
    source = vector_source(layer, name)
    features = vector.read(source, grids.crs_of(grid))
    box = shapely.box(*grids.bounds(grid).bbox)
    here = int(shapely.intersects(features.geometry, box).sum())
    return LayerRow(
        name=name,
        file=layer.path.name,
        kind=counted(len(features.geometry), features.kind),
        crs=grids.crs_name(features.crs),
        coverage=None,
        values=f"{here:,} on the grid" + (f"; where {layer.where}" if layer.where else ""),
        use=use,
        source=layer.source,
        notes=features.notes,
        warnings=[] if here else ["none of it lies on the grid: is its CRS right?"],
    )


def inventory_row(
    mapped: Mapped,
    grid: GeoBox,
    event: Event,
    least: Sequence[few.Least] = (),
    asked: Asked | None = None,
) -> LayerRow:
    """Return what there is to say of the landslides; raise where too few can be learnt from."""
    settings, loaded = mapped.settings, mapped.read()
    # Source areas where there are any, for it is their cells that are sampled.
    polygons = loaded.sources if loaded.sources is not None else loaded.outlines
    empty = int((polygons.centres(grids.shape_of(grid)) == 0).sum())
    _require_sources(loaded, settings, grid, empty)
    _require_clear(loaded, settings, grid)
    most = None if asked is None else asked.samples.most
    landslides, cells = few.counted(polygons, grid, most)
    enough = few.require(least, f"{settings.path} (inventory)", landslides, cells)
    # Source areas that are still to be extracted are smaller than the outlines.
    certain = loaded.positives is not Positive.EXTRACTED
    doubts = rehearse(loaded, grid, asked) if certain and asked is not None else []
    warnings = [
        symptoms.repeated(loaded.shapes),
        symptoms.run_out_learnt(loaded.positives),
        enough,
        *doubts,
    ]
    if not certain and asked is not None:
        cell = float(np.prod(grids.cell_size(grid)))
        warnings.append(symptoms.whole_sources(loaded.areas, cell, asked.sources.least_cells))
    if loaded.kind == "polygon":
        warnings += [
            symptoms.nearly_the_same(loaded.shapes),
            _small_warning(len(polygons.values), settings, empty),
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
        name="inventory",
        file=settings.path.name if settings.path is not None else "",
        kind=counted(loaded.count, loaded.kind),
        crs=loaded.crs,
        coverage=None,
        values=size if loaded.kind == "polygon" else "",
        use=f"positives: {loaded.positives.what}",
        source=settings.source,
        notes=loaded.notes,
        warnings=[w for w in warnings if w],
        cells=cells,
    )


def _require_sources(
    loaded: inventory.Inventory, settings: Inventory, grid: GeoBox, empty: int
) -> None:
    """Raise where no landslide gives a sample, as all are `empty`: none holds a cell's centre."""
    polygons = loaded.sources if loaded.sources is not None else loaded.outlines
    if empty < len(polygons.values):
        return
    dx, dy = grids.cell_size(grid)
    raise InputError(
        f"{settings.path} (inventory): none of its {loaded.count:,} landslides contains the centre "
        f'of a cell of {dx:g} x {dy:g} m, so no cell is a source: set small = "most_covered" in '
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
    # Tiles that were not looked at may be clear.
    if len(chosen) == down * right:
        raise InputError(
            f"{settings.path} (inventory): landslides and excluded ground cover all of the mapped "
            "area, so no clear ground is left; check the inventory's polygons, "
            "[inventory] extent, ambiguous and buffer, and [[masks]]"
        )


def _small_warning(count: int, settings: Inventory, empty: int) -> str:
    """Tell how many landslides, or sources, hold no cell's centre."""
    if settings.small == "most_covered" or empty == 0:
        return ""
    return (
        f"{empty:,} of {count:,} contain no cell centre and give no sample; "
        'small = "most_covered" keeps the cell that each covers most'
    )
