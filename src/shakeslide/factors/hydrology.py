"""Water over the whole elevation model: upstream area, rivers, ridges, height above and below.

Water runs from afar, so this cannot be computed tile by tile. Flow directions are made once over
the whole grid and what factors need of them is left in files of the run's work folder, which tiles
then read. Hollows are filled (pyflwdir, after Wang and Liu 2006); water runs down the steepest of
eight ways, and across what was filled the way it was filled from. Ridges are the rivers of the
elevation model upside down.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError
from shakeslide.core.files import save_shard
from shakeslide.core.fingerprints import fingerprint
from shakeslide.factors.factor import Float, Sources
from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.io.geotiff import BandToWrite, write_geotiff

BYTES_PER_CELL = 48
"""Memory that flow directions and upstream areas take at their peak, measured."""
METHOD = f"pyflwdir {version('pyflwdir')}, steepest of eight"
"""Part of the fingerprints: another method gives other files."""

Kind = Literal["area", "height", "rivers"]


@dataclass(frozen=True)
class Flow:
    """The grid and the elevations that water runs over.

    Attributes
    ----------
    dem : RasterSource
        Elevation.
    grid : GeoBox
        Cells on which flow is computed: the study's, as far beyond it as asked and as the DEM
        reaches, or coarser ones.
    content : str
        Fingerprint of the DEM's content.
    inverted : bool
        Whether the elevation model is upside down, so that its rivers are ridges.
    """

    dem: raster.RasterSource
    grid: GeoBox
    content: str
    inverted: bool = False

    @property
    def cells(self) -> int:
        """Cells of the grid."""
        rows, cols = grids.shape_of(self.grid)
        return rows * cols

    @property
    def memory(self) -> int:
        """Memory needed, in bytes."""
        return self.cells * BYTES_PER_CELL

    def mark(self, *more: object) -> str:
        """Return a fingerprint of the flow and of what is made from it."""
        about = [METHOD, self.content, grids.describe(self.grid), self.dem.nodata, self.dem.scale]
        way = ["inverted"] if self.inverted else []
        return fingerprint(*about, self.dem.band, self.dem.crs, self.dem.layer, *way, *more)


def flow_of(sources: Sources, dem: raster.RasterSource, cell: float | None, margin: float) -> Flow:
    """Return the flow over the study's grid and its surroundings.

    Parameters
    ----------
    sources : Sources
        The study's grid and the content of its files.
    dem : RasterSource
        Elevation.
    cell : float or None
        Side of the cells in metres; None: as the grid.
    margin : float
        Metres beyond the grid, as far as the DEM reaches.

    Raises
    ------
    InputError
        More memory needed than this machine has.
    """
    grid = _with_margin(
        sources.grid, raster.info(dem.path, dem.crs, dem.band, layer=dem.layer).grid, margin
    )
    if cell is not None and cell > max(grids.cell_size(grid)):
        # Of the same extent, so that the middle of each cell lies on the elevation model.
        sides = zip(grids.shape_of(grid), reversed(grids.cell_size(grid)), strict=True)
        rows, cols = (max(1, round(n * size / cell)) for n, size in sides)
        grid = grid.zoom_to((rows, cols))
    flow = Flow(dem, grid, sources.content(dem.path))
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if flow.memory > there:
        raise InputError(
            f"flow over {flow.cells:,} cells needs about {flow.memory / 1e9:.0f} GB of memory, but "
            f"this machine has {there / 1e9:.0f} GB: set cell = a larger size in metres in the "
            "tables of the factors that use flow"
        )
    return flow


def _with_margin(grid: GeoBox, dem: GeoBox, margin: float) -> GeoBox:
    """Return the grid grown by whole cells, as far as the DEM reaches."""
    dx, dy = grids.cell_size(grid)
    reach = dem.extent
    if dem.crs != grid.crs:
        reach = dem.extent.to_crs(grids.crs_of(grid))
    have, own = reach.boundingbox, grids.bounds(grid)

    def cells(beyond: float, size: float) -> int:
        # The addition keeps rounding from cutting a cell off a margin of whole cells.
        return max(0, int(min(beyond, margin) / size + 1e-6))

    west, east = cells(own.left - have.left, dx), cells(have.right - own.right, dx)
    south, north = cells(own.bottom - have.bottom, dy), cells(have.top - own.top, dy)
    affine = grid.affine * grid.affine.translation(-west, -north)
    rows, cols = grids.shape_of(grid)
    return GeoBox((rows + north + south, cols + west + east), affine, grid.crs)


# ------------------------------------------------------------------ once, over the whole grid


@dataclass(frozen=True)
class Product:
    """A file made from the flow over the whole grid.

    Attributes
    ----------
    flow : Flow
        What it is made from; products of one flow are made together.
    kind : {"area", "height", "rivers"}
        Upstream area in km², height above the nearest river in metres, or the rivers themselves.
    min_area : float
        Upstream area from which water is a river, km².
    folder : Path
        Where the file goes.
    """

    flow: Flow
    kind: Kind
    min_area: float
    folder: Path

    @property
    def group(self) -> str:
        """Products of one flow are made together."""
        return self.flow.mark()

    @property
    def path(self) -> Path:
        """The file."""
        least = None if self.kind == "area" else self.min_area
        suffix = ".npy" if self.kind == "rivers" else ".tif"
        what = "ridges" if self.flow.inverted else "water"
        return self.folder / f"{what}-{self.kind}-{self.flow.mark(self.kind, least)}{suffix}"

    def make(self, together: Sequence[Product]) -> None:
        """Make the files of products of one flow."""
        make(self.flow, together)


def make(flow: Flow, products: Sequence[Product]) -> None:
    """Compute the flow once and write the files of its products.

    Parameters
    ----------
    flow : Flow
        Elevations and grid.
    products : sequence of Product
        All of this flow.
    """
    z = flow.dem.read(flow.grid)
    if flow.inverted:
        np.negative(z, out=z)
    down, upward, area = _directions(z, flow.grid)
    # Several factors may ask for the same file.
    for product in {p.path: p for p in products}.values():
        # Rounded as the areas are, or a cell of just that area would be none.
        river = area >= np.float32(product.min_area)
        if product.kind == "area":
            _write(product.path, flow.grid, area)
        elif product.kind == "height":
            height = np.full(z.shape, np.nan, np.float32)
            _height_above(z.ravel(), down, upward, river.ravel(), height.ravel())
            _write(product.path, flow.grid, height)
        else:
            if not river.any():
                what = "ridge" if flow.inverted else "river"
                raise InputError(
                    f"no {what} has {product.min_area:g} km² upstream within the elevation model; "
                    "lower min_area, or leave it out of [factors] channels"
                )
            ends = _straight(down, river.ravel(), z.shape[1])
            save_shard(_places(ends, flow.grid), product.path, durable=True)


def _directions(
    z: Float, grid: GeoBox
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], Float]:
    """Return each cell's next one downstream, all cells from the outlets up, and km² upstream.

    Cells without elevation have NaN km².
    """
    # Here, because loading it takes half a second, which most commands need not spend.
    import pyflwdir

    dx, dy = grids.cell_size(grid)
    codes = pyflwdir.dem.fill_depressions(z, nodata=np.nan)[1]
    filling = pyflwdir.from_array(codes, ftype="d8", check_ftype=False, cache=False)
    down = np.asarray(filling.idxs_ds)
    level = z.copy()
    _fill(level.ravel(), down, np.asarray(filling.idxs_seq))
    _steepest(level, dx, dy, down)
    # Released before the peak of memory, which `BYTES_PER_CELL` states.
    del level, filling, codes
    rivers = pyflwdir.FlwdirRaster(idxs_ds=down, shape=z.shape, ftype="d8", cache=False)
    count = rivers.upstream_area("cell")
    area = np.where(np.isnan(z), np.float32(np.nan), (count * (dx * dy / 1e6)).astype(np.float32))
    return down, np.asarray(rivers.idxs_seq), area


@kernel
def _fill(level: Any, down: Any, upward: Any) -> None:
    """Raise each cell, in place, to the highest point of its way out."""
    # From the outlets up: what lies downstream is final.
    for i in upward:
        if level[down[i]] > level[i]:
            level[i] = level[down[i]]


AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Rows down and columns right of the eight neighbours."""


@kernel
def _steepest(level: Any, dx: float, dy: float, down: Any) -> None:
    """Point each cell that has a lower neighbour down the steepest way; leave the others.

    At the edge of the elevations, water that has no way down leaves. It cannot run in circles:
    these ways lead down, and the others are those of the filling, which never lead up.
    """
    rows, cols = level.shape
    for r in range(rows):
        for c in range(cols):
            best, at_edge = 0.0, False
            for below, right in AROUND:
                rr, cc = r + below, c + right
                if not (0 <= rr < rows and 0 <= cc < cols) or np.isnan(level[rr, cc]):
                    at_edge = True
                    continue
                fall = (level[r, c] - level[rr, cc]) / np.hypot(below * dy, right * dx)
                if fall > best:
                    best = fall
                    down[r * cols + c] = rr * cols + cc
            if at_edge and best == 0.0 and not np.isnan(level[r, c]):
                down[r * cols + c] = r * cols + c


@kernel
def _height_above(z: Any, down: Any, upward: Any, river: Any, out: Any) -> None:
    """Height above the first river cell downstream, or above where the water leaves."""
    base = np.empty(z.size, z.dtype)
    for i in upward:
        j = down[i]
        base[i] = z[i] if river[i] or j == i else base[j]
        # Below the river only in hollows that were filled.
        out[i] = max(z[i] - base[i], np.float32(0))


@kernel
def _straight(down: Any, river: Any, cols: int) -> Any:
    """Cells at both ends of the straight runs of rivers, (n, 2)."""
    # A cell in the middle of a straight run is on the segment of the run.
    inner = np.zeros(river.size, np.uint8)
    count = 0
    for i in range(river.size):
        j = down[i]
        if river[i] and j != i and down[j] != j and down[j] - j == j - i:
            inner[j] = 1
    for i in range(river.size):
        if river[i] and inner[i] == 0:
            count += 1
    ends = np.empty((count, 2), np.int64)
    k = 0
    for i in range(river.size):
        if not river[i] or inner[i] == 1:
            continue
        j = down[i]
        step = j - i
        while step != 0 and down[j] - j == step:
            j = down[j]
        ends[k, 0], ends[k, 1] = i, j
        k += 1
    return ends


def _places(ends: NDArray[np.int64], grid: GeoBox) -> NDArray[np.float64]:
    """Return x0, y0, x1, y1 of segments between the centres of cells, (n, 4)."""
    a, cols = grid.affine, grids.shape_of(grid)[1]
    row, col = np.divmod(ends, cols)
    x, y = a.c + (col + 0.5) * a.a, a.f + (row + 0.5) * a.e
    return np.column_stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]])


def _write(path: Path, grid: GeoBox, values: Float) -> None:
    cut = grids.tiles(grid, grids.tile_size(grid))
    write_geotiff(
        path,
        grid,
        cut,
        lambda t: values[t.row0 : t.row1, t.col0 : t.col1],
        BandToWrite(tags={"made": METHOD}),
    )
