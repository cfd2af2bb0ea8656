"""The cell of a place that a user names."""

from __future__ import annotations

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.pipeline.run import Run


def cell_at(run: Run, x: float, y: float) -> tuple[int, int]:
    """Return row and column of a place given in the grid's CRS, or as longitude and latitude.

    Numbers that are no place on the grid but may be degrees are taken for longitude and latitude.

    Raises
    ------
    InputError
        A place off the grid, or no numbers.
    """
    said = f"--at {x:.10g} {y:.10g}"
    if not np.isfinite([x, y]).all():
        raise InputError(f"{said}: give two numbers: x and y in the grid's CRS, or degrees")
    found = _cell(run.grid(), x, y)
    if found is not None:
        return found
    crs, degrees = grids.crs_of(run.grid()), abs(x) <= 360 and abs(y) <= 90
    to_lonlat = pyproj.Transformer.from_crs(crs.to_wkt(), "EPSG:4326", always_xy=True)
    if degrees:
        east, north = to_lonlat.transform(x, y, direction="INVERSE")
        found = _cell(run.grid(), east, north)
    if found is None:
        box = grids.bounds(run.grid())
        lonlat = to_lonlat.transform_bounds(*box)
        raise InputError(
            f"{said}: lies outside the grid, whose bounds are {_numbers(tuple(box), 0)} in "
            f"{grids.crs_name(crs)} and {_numbers(lonlat, 4)} in longitude and latitude"
        )
    run.reporter.say(
        f"explain: {x:.10g} {y:.10g} is read as longitude and latitude (WGS 84): "
        f"{east:.1f} {north:.1f} in {grids.crs_name(crs)}"
    )
    return found


def _cell(grid: GeoBox, x: float, y: float) -> tuple[int, int] | None:
    """Return row and column of a place in the grid's CRS, None off the grid."""
    # pyproj gives infinity where a projection ends.
    if not np.isfinite([x, y]).all():
        return None
    a, (rows, cols) = grid.affine, grids.shape_of(grid)
    col, row = int((x - a.c) // a.a), int((y - a.f) // a.e)
    return (row, col) if 0 <= row < rows and 0 <= col < cols else None


def _numbers(values: tuple[float, ...], digits: int) -> str:
    return ", ".join(f"{v:.{digits}f}" for v in values)
