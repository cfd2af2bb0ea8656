"""The grid: an odc-geo `GeoBox`, cut into a fixed grid of tiles.

All stages share one grid in one projected CRS with metres, north up. The tile grid depends on
the grid alone, never on the machine, so that results are the same bytes wherever they are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyproj
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj.exceptions import CRSError

from shakeslide.errors import InputError, shortened

SMALL_GRID = 16_000_000
"""Cells up to which small tiles are used, so that a small grid still feeds several workers."""


@dataclass(frozen=True)
class Tile:
    """One tile: its place in the tile grid and its cells in the grid (half-open ranges)."""

    index: tuple[int, int]
    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def name(self) -> str:
        """File-name stem, unique in the tile grid."""
        return f"r{self.index[0]:05d}_c{self.index[1]:05d}"

    def grown(self, halo: tuple[int, int], shape: tuple[int, int]) -> Tile:
        """Return the tile grown by `halo` (rows, cols), stopped at the grid's edges."""
        return Tile(
            self.index,
            max(0, self.row0 - halo[0]),
            min(shape[0], self.row1 + halo[0]),
            max(0, self.col0 - halo[1]),
            min(shape[1], self.col1 + halo[1]),
        )

    def within(self, outer: Tile) -> tuple[slice, slice]:
        """Return the slices that cut this tile out of an array covering `outer`."""
        r, c = self.row0 - outer.row0, self.col0 - outer.col0
        return slice(r, r + self.shape[0]), slice(c, c + self.shape[1])


def tile_size(grid: GeoBox, asked: int | str = "auto") -> int:
    """Return the side of the tiles in cells: 512 on small grids, else 2,048, or as asked."""
    if asked != "auto":
        return int(asked)
    return 512 if grid.shape[0] * grid.shape[1] <= SMALL_GRID else 2048


def tiles(grid: GeoBox, size: int) -> list[Tile]:
    """Return all tiles, row by row; every cell of the grid is in exactly one."""
    return list(_tiles(grid.shape[0], grid.shape[1], size))


def _tiles(rows: int, cols: int, size: int) -> Iterator[Tile]:
    for i, r in enumerate(range(0, rows, size)):
        for j, c in enumerate(range(0, cols, size)):
            yield Tile((i, j), r, min(r + size, rows), c, min(c + size, cols))


def window(grid: GeoBox, tile: Tile) -> GeoBox:
    """Return the GeoBox of one tile."""
    return grid[tile.row0 : tile.row1, tile.col0 : tile.col1]


def cell_size(grid: GeoBox) -> tuple[float, float]:
    """Return (dx, dy), both positive, in metres."""
    return abs(grid.resolution.x), abs(grid.resolution.y)


def cell_centres(grid: GeoBox, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the tile's columns and y of its rows, in the grid's CRS.

    Computed from the whole grid's origin, so that a cell has the same coordinates in any tile.
    """
    a = grid.affine
    x = a.c + (np.arange(tile.col0, tile.col1) + 0.5) * a.a
    y = a.f + (np.arange(tile.row0, tile.row1) + 0.5) * a.e
    return x, y


def crs_name(crs: CRS | None) -> str:
    """Return a CRS in a few words: its EPSG code, else its name."""
    if crs is None:
        return "none"
    return f"EPSG:{crs.epsg}" if crs.epsg else shortened(crs.proj.name)


def named_crs(text: str, where: str) -> CRS:
    """Return the horizontal CRS of a text that the study states.

    Parameters
    ----------
    text : str
        EPSG code, WKT or PROJ string; of a compound CRS ("EPSG:32648+5773") the heights' part is
        left out.
    where : str
        The key or file that states it, for messages.

    Raises
    ------
    InputError
        A text that PROJ does not know, or a CRS without a place on the Earth.
    """
    try:
        crs = horizontal_crs(text)
    except CRSError as error:
        raise InputError(
            f"{where} = '{shortened(text)}' is not a CRS that PROJ knows; write for example "
            '"EPSG:32643"'
        ) from error
    if crs is None:
        raise InputError(
            f"{where} = '{shortened(text)}' is a local (engineering) CRS, or one without x and y; "
            'name the CRS of the map, for example "EPSG:32643"'
        )
    return crs


def horizontal_crs(wkt: str) -> CRS | None:
    """Return the horizontal part of a file's CRS, None where it has no place on the Earth.

    A file with a local (engineering) CRS, with a geocentric or a vertical one alone is a file
    without CRS: its coordinates cannot be brought to any other.

    Parameters
    ----------
    wkt : str
        The CRS as the file states it.

    Raises
    ------
    pyproj.exceptions.CRSError
        A text that PROJ does not know.
    """
    crs = pyproj.CRS.from_user_input(wkt)
    if crs.is_bound and crs.source_crs is not None and crs.source_crs.is_compound:
        crs = crs.source_crs
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    if not (crs.is_geographic or crs.is_projected):
        return None
    return CRS((crs.to_2d() if len(crs.axis_info) == 3 else crs).to_wkt())


def metres_per_unit(crs: CRS) -> float:
    """Return the metres in a unit of a CRS; for degrees those of a degree of latitude."""
    if crs.geographic:
        return 111_320.0
    return float(crs.proj.axis_info[0].unit_conversion_factor)


def crs_of(grid: GeoBox) -> CRS:
    """Return the CRS of a grid; grids without one do not leave `choose`."""
    if grid.crs is None:
        raise ValueError("a grid without CRS")
    return grid.crs


def shape_of(grid: GeoBox) -> tuple[int, int]:
    """Return (rows, cols)."""
    return int(grid.shape[0]), int(grid.shape[1])


def require_metres(crs: CRS | None, where: str) -> None:
    """Raise `InputError` unless `crs` is projected and in metres."""
    if crs is None:
        raise InputError(f'{where} has no CRS; give it with `crs = "EPSG:..."` in the study file')
    if crs.geographic:
        raise InputError(
            f"{where} is in degrees ({crs_name(crs)}); distances and slopes need metres: set "
            "[grid] crs to a projected CRS such as the UTM zone and a resolution"
        )
    if abs(metres_per_unit(crs) - 1.0) > 1e-9:
        unit = crs.proj.axis_info[0].unit_name
        raise InputError(
            f"{where} is in {unit} ({crs_name(crs)}), not metres; set [grid] crs to a CRS in "
            "metres and a resolution"
        )


def from_bounds(crs: str, resolution: float, bounds: tuple[float, float, float, float]) -> GeoBox:
    """Return the north-up grid whose cells are multiples of `resolution` and cover `bounds`.

    Parameters
    ----------
    crs : str
        A projected CRS in metres, for example "EPSG:32643".
    resolution : float
        Side of the square cells in metres.
    bounds : tuple of float
        West, south, east, north in `crs`.
    """
    target = named_crs(crs, "[grid] crs")
    require_metres(target, "[grid] crs")
    west, south, east, north = bounds
    west, south = (math.floor(v / resolution) * resolution for v in (west, south))
    cols = math.ceil((east - west) / resolution)
    rows = math.ceil((north - south) / resolution)
    if rows < 3 or cols < 3:
        raise InputError(f"[grid] has {rows} x {cols} cells; check bounds and resolution (metres)")
    affine = Affine(resolution, 0, west, 0, -resolution, south + rows * resolution)
    return GeoBox((rows, cols), affine, target)


def choose(
    dem: GeoBox,
    crs: str | None = None,
    resolution: float | None = None,
    extent: tuple[float, float, float, float] | None = None,
) -> GeoBox:
    """Return the study's grid: the DEM's own, or as asked.

    Parameters
    ----------
    dem : GeoBox
        The DEM's grid.
    crs, resolution, extent : optional
        [grid] crs, resolution (metres) and bounds of the study.

    Raises
    ------
    InputError
        Degrees where metres are needed, or a grid that cannot be made.
    """
    if crs is None and resolution is None and extent is None:
        require_metres(dem.crs, "the DEM")
        return dem
    target = named_crs(crs, "[grid] crs") if crs else dem.crs
    if dem.crs is None or target is None:
        raise InputError('the DEM has no CRS; give it with `crs = "EPSG:..."` in [layers.dem]')
    require_metres(target, f"[grid] crs = {shortened(crs)}" if crs else "the DEM")
    if resolution is None:
        if target != dem.crs:
            raise InputError("[grid] crs is given without resolution; add resolution = metres")
        if extent is not None:
            return _cropped(dem, extent)
        return dem
    if extent is None:
        box = dem.extent.to_crs(target).boundingbox if target != dem.crs else bounds(dem)
        extent = (box.left, box.bottom, box.right, box.top)
    return from_bounds(target.to_wkt(), resolution, extent)


def _cropped(dem: GeoBox, extent: tuple[float, float, float, float]) -> GeoBox:
    """Return the part of the DEM's own cells whose centres lie in `extent`."""
    west, south, east, north = extent
    x, y = cell_centres(dem, Tile((0, 0), 0, dem.shape[0], 0, dem.shape[1]))
    cols, rows = (
        np.nonzero((x >= west) & (x <= east))[0],
        np.nonzero((y >= south) & (y <= north))[0],
    )
    if len(cols) < 3 or len(rows) < 3:
        raise InputError(
            f"[grid] bounds = {list(extent)} hold no part of the DEM ({tuple(bounds(dem))}); "
            "they are west, south, east, north in the DEM's CRS"
        )
    return dem[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]


def bounds(grid: GeoBox) -> BoundingBox:
    """Return the outer bounds of the grid in its CRS."""
    return grid.extent.boundingbox


def describe(grid: GeoBox) -> dict[str, object]:
    """Return the grid as plain values: CRS, shape, transform."""
    return {
        "crs": crs_name(grid.crs),
        "rows": int(grid.shape[0]),
        "cols": int(grid.shape[1]),
        "transform": [float(v) for v in tuple(grid.affine)[:6]],
    }
