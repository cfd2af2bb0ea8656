"""The rasters of before and after that a study names, looked at before any long work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.io.summary import summarised, untagged_nodata
from shakeslide.layers.readers import raster_info, raster_source
from shakeslide.sources.change import Images, Rule
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Sources

PREVIEW = 500_000
"""Cells of the coarse grid on which the rasters are looked at."""
COARSE = 2.0
"""Sides of the grid's cells from which a raster's cells are told to be coarse."""
UNLIKE = 10.0
"""Ratio of the spreads of before and after from which they are told to be on different scales."""


def images(settings: Sources, grid: GeoBox) -> tuple[Images | None, list[str]]:
    """Return the rasters of before and after, None where the study has none, and remarks.

    Raises
    ------
    InputError
        A file that is missing, no raster, without a CRS, or without values on the grid.
    """
    if settings.before is None or settings.after is None:
        return None, []
    pair = {"before": settings.before, "after": settings.after}
    if _same(*pair.values()):
        raise InputError(
            f"{settings.after.path} (sources.after): is the same band of the same file as "
            "sources.before"
        )
    remarks: list[str] = []
    seen = {
        name: _looked_at(layer, f"sources.{name}", grid, remarks) for name, layer in pair.items()
    }
    both = np.isfinite(seen["before"]) & np.isfinite(seen["after"])
    if not both.any():
        raise InputError(
            f"{settings.before.path} and {settings.after.path} (sources.before, sources.after): "
            "have values on the grid, but no cell has values of both"
        )
    # Percentiles, because single cells may hold anything.
    spreads = [float(np.subtract(*np.percentile(v[both], [95, 5]))) for v in seen.values()]
    if max(spreads) > UNLIKE * min(spreads):
        remarks.append(
            f"before and after vary by {spreads[0]:.4g} and {spreads[1]:.4g} (5 to 95 % "
            "of their values): are they the same index on the same scale? If not, set scale, or "
            "nodata"
        )
    if settings.ring[1] - settings.ring[0] < max(grids.cell_size(grid)):
        raise InputError(
            f"[sources] ring = {list(settings.ring)} is narrower than a cell of "
            f"{max(grids.cell_size(grid)):g} m; give distances that are several cells apart"
        )
    rule = Rule(settings.ring, settings.bared_share, settings.contrast)
    before, after = (raster_source(layer) for layer in pair.values())
    return Images(before.read, after.read, settings.loss, rule), remarks


def _same(a: Layer, b: Layer) -> bool:
    return a.path.resolve() == b.path.resolve() and (
        (a.band, a.column, a.layer) == (b.band, b.column, b.layer)
    )


def _looked_at(layer: Layer, name: str, grid: GeoBox, remarks: list[str]) -> NDArray[np.float32]:
    """Return the values of a raster on a coarse grid."""
    where = f"{layer.path} ({name})"
    if layer.path.is_dir():
        raise InputError(f"{where}: is a folder; give a raster file")
    info = raster_info(layer, name)
    if info.crs is None:
        raise InputError(f'{where}: has no CRS; give it with crs = "EPSG:..." in [{name}]')
    coarse = grid.zoom_out(max(1.0, (grid.shape[0] * grid.shape[1] / PREVIEW) ** 0.5))
    values = raster_source(layer).read(coarse)
    known = np.isfinite(values)
    if not known.any():
        raise InputError(
            f"{where}: has no value on the grid; do they overlap, and is nodata right? It is in "
            f"{grids.crs_name(info.crs)} from {_box(info)}"
        )
    seen = summarised(raster_source(layer), info, grid)
    if untagged := untagged_nodata(seen):
        raise InputError(f"{where}: {untagged} in [{name}]")
    if seen.low == seen.high:
        raise InputError(
            f"{where}: is {seen.low:g} everywhere on the grid; give a raster whose values differ "
            "between bare and covered ground"
        )
    if (share := float(known.mean())) < 0.9:
        remarks.append(f"{name}: has values on {100 * share:.0f} % of the grid")
    remarks += _coarse_remark(info, name, grid)
    return values


def _box(info: raster.RasterInfo) -> str:
    box = grids.bounds(info.grid)
    return f"({box.left:.6g}, {box.bottom:.6g}) to ({box.right:.6g}, {box.top:.6g})"


def _coarse_remark(info: raster.RasterInfo, name: str, grid: GeoBox) -> list[str]:
    """Report a raster that is too coarse to show the margins of landslides."""
    side = max(abs(info.grid.affine.a), abs(info.grid.affine.e))
    if info.crs is not None:
        side *= grids.metres_per_unit(info.crs)
    own = max(grids.cell_size(grid))
    if side <= COARSE * own:
        return []
    return [
        f"{name} has cells of {side:.3g} m, the grid of {own:.3g} m: changes within a cell of "
        f"{name} cannot be seen"
    ]
