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

from shakeslide.core.errors import InputError, shortened
from shakeslide.geo import projection

SMALL_GRID = 16_000_000
"""Cells up to which small tiles are used, so that a small grid still feeds several workers."""
MOST_CELLS = 100_000_000_000
"""Cells of the largest grid: at 4 bytes each, 400 GB for every factor."""
LONGEST_SIDE = 2**31 - 1
"""Rows or columns of the largest raster that files can hold."""
MUCH_FINER = 10.0
"""Sides of a grid's cells in a side of the DEM's from which a grid that is not small is refused: it
would show nothing more than the DEM does, and take a hundred times as long."""
FARTHEST = 1e8
"""Metres from the origin of a CRS beyond which there is no Earth."""
SLIGHT, GROSS = 0.01, 0.10
"""Scale errors (length on the map over length on the ground, less 1) below which nothing is said,
and from which on a grid is refused."""
TURNED = 5.0
"""Degrees between the grid's north and true north from which on it is said."""


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
    """Return x (cols,) of the tile's columns and y (rows,) of its rows, float64 in the grid's CRS.

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
    # Bound by a shift to WGS 84 (TOWGS84): a compound CRS then lies within.
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
        return projection.DEGREE
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

    Raises
    ------
    InputError
        A CRS that is not in metres, bounds in another order, too few or too many cells.
    """
    target = named_crs(crs, "[grid] crs")
    require_metres(target, "[grid] crs")
    west, south, east, north = bounds
    if not all(map(math.isfinite, bounds)):
        raise InputError(
            f"the DEM reaches beyond what {crs_name(target)} can show; choose another [grid] crs, "
            "or cut the DEM to the area"
        )
    if not (west < east and south < north):
        raise InputError(
            f"[grid] bounds = {list(bounds)} are empty; they are west, south, east, north, in "
            "metres of the grid's CRS"
        )
    # First, for a tiny resolution makes numbers below that are infinite.
    _require_size((north - south) / resolution, (east - west) / resolution, resolution)
    west, south = (math.floor(v / resolution) * resolution for v in (west, south))
    cols = math.ceil((east - west) / resolution)
    rows = math.ceil((north - south) / resolution)
    # Slope and curvature need the eight neighbours of a cell.
    if rows < 3 or cols < 3:
        raise InputError(f"[grid] has {rows} x {cols} cells; check bounds and resolution (metres)")
    affine = Affine(resolution, 0, west, 0, -resolution, south + rows * resolution)
    return GeoBox((rows, cols), affine, target)


def _require_size(rows: float, cols: float, resolution: float | None) -> None:
    """Raise `InputError` where a grid has more cells than can be computed and stored.

    Parameters
    ----------
    rows, cols : float
        How many there are, or would be.
    resolution : float or None
        [grid] resolution in metres; None: the cells are the DEM's own.
    """
    cells = rows * cols
    if cells <= MOST_CELLS and max(rows, cols) <= LONGEST_SIDE:
        return
    whose = "the DEM's own cells make"
    remedy = "set [grid] bounds, or a coarser [grid] resolution (metres)"
    if resolution is not None:
        whose = f"[grid] resolution = {resolution:g} makes"
        # The product itself may be infinite.
        too_many = math.sqrt(rows) * math.sqrt(cols) / math.sqrt(MOST_CELLS)
        least = resolution * max(too_many, max(rows, cols) / LONGEST_SIDE)
        # Rounded up to two digits.
        unit = 10.0 ** (math.floor(math.log10(least)) - 1)
        # A little more, as the grid is rounded up to whole cells.
        remedy = f"give {math.ceil(1.001 * least / unit) * unit:.2g} (metres) or more, or bounds"
    sides = f"{rows:.4g} x {cols:.4g}" if max(rows, cols) > 1e12 else f"{rows:,.0f} x {cols:,.0f}"
    raise InputError(
        f"{whose} a grid of {sides} = {cells:.3g} cells, {4e-9 * cells:.3g} GB for each factor; "
        f"{remedy}"
    )


def _require_detail(grid: GeoBox, dem: GeoBox) -> None:
    """Raise `InputError` where a grid that is not small is far finer than the DEM."""
    cells = math.prod(shape_of(grid))
    if cells <= SMALL_GRID or dem.crs is None:
        return
    cell, own = min(cell_size(grid)), projection.distortion(dem).side
    # A side that is not known is NaN.
    if not own >= MUCH_FINER * cell:
        return
    raise InputError(
        f"[grid] resolution = {cell:g} makes a grid of {cells:.3g} cells, {own / cell:.3g} times "
        f"finer than the DEM's cells of {own:.3g} m, so it shows nothing more; give about "
        f"{float(f'{own:.2g}'):g} (metres)"
    )


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
        Degrees where metres are needed, a CRS that distorts the ground grossly here, or a grid
        that cannot be made.
    """
    grid = _chosen(dem, crs, resolution, extent)
    _require_size(*shape_of(grid), resolution)
    _require_detail(grid, dem)
    _require_true(grid, "[grid] crs" if crs else "the DEM", extent is not None)
    return grid


def _chosen(
    dem: GeoBox,
    crs: str | None,
    resolution: float | None,
    extent: tuple[float, float, float, float] | None,
) -> GeoBox:
    if extent is not None and not all(abs(v) <= FARTHEST for v in extent):
        raise InputError(f"[grid] bounds = {list(extent)}: give four numbers on Earth, in metres")
    target = named_crs(crs, "[grid] crs") if crs else dem.crs
    if crs is None and dem.crs is not None and dem.crs.geographic:
        _refuse_degrees(dem)
    if crs is None and resolution is None and extent is None:
        require_metres(dem.crs, "the DEM")
        return dem
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


def _refuse_degrees(dem: GeoBox) -> None:
    """Raise `InputError` naming a fitting grid for a DEM in degrees."""
    found = projection.distortion(dem)
    fit = projection.fitting(found, SLIGHT)
    example = "a projected CRS such as the UTM zone and a resolution"
    if fit is not None:
        example = _keys(fit)
    raise InputError(
        f"the DEM is in degrees ({crs_name(dem.crs)}); distances and slopes need metres: set "
        f"[grid] {example}"
    )


def _keys(fit: tuple[str, float]) -> str:
    return f'crs = "{fit[0]}" and resolution = {fit[1]:g}'


def _require_true(grid: GeoBox, whose: str, bounded: bool) -> None:
    """Raise `InputError` where a grid's CRS distorts the ground grossly."""
    found = projection.distortion(grid)
    if not found.whole:
        raise InputError(
            f"{whose} ({crs_name(grid.crs)}) shows no ground in a part of the grid: the grid "
            "reaches beyond what the CRS can show, or PROJ cannot invert it; set [grid] bounds, or "
            "another [grid] crs and resolution"
        )
    if abs(found.worst) >= GROSS:
        bounds_too = ", and [grid] bounds in it" if bounded else ""
        raise InputError(
            f"{whose} ({crs_name(grid.crs)}) distorts this area too much: {_errors(found)}; set "
            f"{_remedy(found)}{bounds_too}"
        )


def remarks(grid: GeoBox) -> list[str]:
    """Return what there is to know of how a grid's CRS shows the ground: distortion, its north."""
    found = projection.distortion(grid)
    out = []
    if abs(found.worst) >= SLIGHT:
        out.append(
            f"the grid's CRS ({crs_name(grid.crs)}) distorts this area: {_errors(found)}; for true "
            f"ones set {_remedy(found)}"
        )
    if abs(found.most_turned) >= TURNED:
        out.append(
            f"true north lies {abs(found.north):.1f}° {'east' if found.north > 0 else 'west'} of "
            f"the grid's north at the grid's centre (up to {abs(found.most_turned):.1f}° over the "
            "grid): aspects, azimuths and directions are from true north"
        )
    return out


def _errors(found: projection.Distortion) -> str:
    """Return a CRS's errors at the grid's centre, and their range."""
    # Heights are true, but lengths are not.
    gradient = 1 / (1 + found.centre) - 1
    return (
        f"its scale error is {100 * found.centre:+.1f} % at the grid's centre "
        f"({100 * found.low:+.1f} to {100 * found.high:+.1f} % over the grid and all directions), "
        f"areas are off by {100 * found.area:+.1f} % and slope gradients by {100 * gradient:+.1f} %"
    )


def _remedy(found: projection.Distortion) -> str:
    fit = projection.fitting(found, SLIGHT)
    return f"[grid] {_keys(fit)}" if fit else "another [grid] crs and resolution"


def _cropped(dem: GeoBox, extent: tuple[float, float, float, float]) -> GeoBox:
    """Return the part of the DEM's own cells whose centres lie in `extent`."""
    west, south, east, north = extent
    a, (rows, cols) = dem.affine, shape_of(dem)
    left, right = _between((west - a.c) / a.a, (east - a.c) / a.a, cols)
    top, bottom = _between((north - a.f) / a.e, (south - a.f) / a.e, rows)
    box = bounds(dem)
    within = box.left < east > west < box.right and box.bottom < north > south < box.top
    if within and min(right - left, bottom - top) < 3:
        raise InputError(
            f"[grid] bounds = {list(extent)} hold the centres of {max(bottom - top, 0)} x "
            f"{max(right - left, 0)} cells of the DEM ({abs(a.a):g} x {abs(a.e):g} m), but a "
            "grid needs 3 x 3 at least: make them larger"
        )
    if right - left < 3 or bottom - top < 3:
        raise InputError(
            f"[grid] bounds = {list(extent)} hold no part of the DEM ({tuple(bounds(dem))}); "
            "they are west, south, east, north in the DEM's CRS"
        )
    return dem[top:bottom, left:right]


def _between(low: float, high: float, count: int) -> tuple[int, int]:
    """Return the half-open range of cells, of so many, whose centres lie between two places."""
    # Kept near the grid first: places may be beyond any whole number.
    first, last = (min(max(v - 0.5, -1.0), float(count)) for v in (low, high))
    return max(0, math.ceil(first)), min(count, math.floor(last) + 1)


def bounds(grid: GeoBox) -> BoundingBox:
    """Return the outer bounds of the grid in its CRS."""
    return grid.extent.boundingbox


def longer_side(grid: GeoBox) -> float:
    """Return the longer side of a grid in metres."""
    box = bounds(grid)
    return float(max(box.right - box.left, box.top - box.bottom))


def describe(grid: GeoBox) -> dict[str, object]:
    """Return the grid as plain values: CRS, shape, transform."""
    return {
        "crs": crs_name(grid.crs),
        "rows": int(grid.shape[0]),
        "cols": int(grid.shape[1]),
        "transform": [float(v) for v in tuple(grid.affine)[:6]],
    }
