"""Rasters in: any raster, block by block, onto any block of the grid."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyproj
import rasterio
import rasterio.shutil
from numba import njit
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from shakeslide import grid as grids
from shakeslide.errors import InputError
from shakeslide.io import shakemap, units, xml
from shakeslide.io.gdal import GDAL_OPTIONS, one_line

Float = NDArray[np.float32]

WEB_SERVICES = ("GDAL_WMS", "GDAL_WMTS", "WCS_GDAL", "WMS_Capabilities", "Capabilities")
"""Roots of XML files for which GDAL would fetch data from the web."""


@dataclass(frozen=True)
class RasterInfo:
    """What a raster says of itself."""

    grid: GeoBox
    crs: CRS | None
    dtype: str
    nodata: float | None
    bands: int
    tags: Mapping[str, str]
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    colours: bool = False
    height_unit: str = ""


@contextmanager
def opened(path: Path, field: str | None = None) -> Iterator[Any]:
    """Open a raster for reading; a file that is no raster is an `InputError`.

    Parameters
    ----------
    path : Path
        The file.
    field : str, optional
        Field of a ShakeMap.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; check `path` in the study file, or --data")
    with rasterio.Env(**GDAL_OPTIONS):
        if field is not None:
            with MemoryFile(shakemap.geotiff(path, field)) as memory, memory.open() as dataset:
                yield dataset
            return
        if path.suffix.lower() == ".xml" and xml.root_name(path) in WEB_SERVICES:
            raise InputError(
                f"{path}: describes a web service, not data; download what it serves and give that"
            )
        yield _kept_open(path)


_open_here = threading.local()
"""Each thread's open files: GDAL's datasets must not be shared between threads."""
MOST_OPEN = 24
"""Files a thread keeps open: all factors of a study, so that tiles find blocks in GDAL's cache
that their neighbours have already unpacked."""


def _kept_open(path: Path) -> Any:
    """Return this thread's dataset of a file, opened anew when the file has been replaced."""
    stat = path.stat()
    key = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    kept: OrderedDict[Any, Any] = _open_here.__dict__.setdefault("kept", OrderedDict())
    for old in [k for k in kept if k[0] == key[0] and k != key]:
        kept.pop(old).close()
    if key not in kept:
        kept[key] = _open(path)
        if len(kept) > MOST_OPEN:
            kept.popitem(last=False)[1].close()
    kept.move_to_end(key)
    return kept[key]


def _open(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # What has no place is refused in `info`, by name.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioIOError as error:
        why = one_line(error)
        if "sqlite" in why or "malformed" in why:
            why = "truncated or damaged? Get the file again"
        raise InputError(f"{path}: not a raster that GDAL can read: {why}") from error
    if any(dtype.startswith("complex") for dtype in dataset.dtypes):
        dataset.close()
        raise InputError(
            f"{path}: holds complex numbers ({dataset.dtypes[0]}); give a raster of real ones, for "
            "example their magnitude"
        )
    return dataset


@contextmanager
def result(path: Path) -> Iterator[Any]:
    """Open a raster that a run has made; one that is damaged raises `InputError`."""
    with rasterio.Env(**GDAL_OPTIONS):
        dataset = _open(path)
        try:
            with dataset:
                yield dataset
        except RasterioIOError as error:
            raise InputError(
                f"{path}: cannot be read to the end (damaged?); delete it and use `shakeslide run`"
            ) from error


def info(path: Path, crs: str | None = None, band: int = 1, field: str | None = None) -> RasterInfo:
    """Return grid, CRS, type and nodata of a raster; `crs` stands in for what the file says."""
    with opened(path, field) as src:
        if band > src.count:
            raise InputError(f"{path}: band {band} asked for, but it has {src.count}")
        file_crs, height_unit = _crs_of(src, crs)
        if src.transform.b or src.transform.d:
            raise InputError(f"{path}: is rotated; warp it first (gdalwarp) so that north is up")
        if src.transform.is_identity:
            raise InputError(
                f"{path}: has no georeference, its cells are only counted; give it its place first "
                "(gdal_translate -a_ullr west north east south)"
            )
        grid = GeoBox((src.height, src.width), src.transform, file_crs)
        return RasterInfo(
            grid,
            file_crs,
            src.dtypes[band - 1],
            src.nodata,
            src.count,
            src.tags(),
            units.spelled(src.units[band - 1] or src.tags().get("unit", "")),
            src.scales[band - 1],
            src.offsets[band - 1],
            src.colorinterp[band - 1].name == "palette",
            height_unit,
        )


def _crs_of(src: Any, given: str | None) -> tuple[CRS | None, str]:
    """Return the horizontal CRS of a raster and the unit of its heights where it names one."""
    if given:
        return grids.named_crs(given, f"{src.name}: crs"), ""
    if not src.crs:
        return None, ""
    wkt = src.crs.to_wkt()
    crs = pyproj.CRS(wkt)
    vertical = crs.sub_crs_list[1].axis_info if crs.is_compound else []
    return grids.horizontal_crs(wkt), str(vertical[0].unit_name) if vertical else ""


@dataclass(frozen=True)
class RasterSource:
    """A raster band that can be read onto any block of a grid.

    Parameters
    ----------
    path : Path
        The file.
    band : int
        Band, from 1.
    crs : str, optional
        CRS where the file has none.
    nodata : float, optional
        Value that means "no data" where the file does not say so.
    resampling : {"bilinear", "nearest"}
        How to read where the raster's cells are not the grid's.
    field : str, optional
        Field of a ShakeMap.
    scale : float, optional
        What the file's numbers are multiplied by; default: what the file says, then 1.
    """

    path: Path
    band: int = 1
    crs: str | None = None
    nodata: float | None = None
    resampling: Literal["bilinear", "nearest"] = "bilinear"
    field: str | None = None
    scale: float | None = None

    def read(self, block: GeoBox) -> Float:
        """Return the band on the cells of `block`, (rows, cols) float32, NaN where it has none."""
        with opened(self.path, self.field) as src:
            source_crs, _ = _crs_of(src, self.crs)
            if source_crs is None:
                raise InputError(
                    f'{self.path}: has no CRS; give it with `crs = "EPSG:..."` in its table'
                )
            nodata = self.nodata if self.nodata is not None else src.nodata
            offset = aligned_offset(src.transform, source_crs, block)
            try:
                if offset is not None:
                    values = self._read_aligned(src, offset, grids.shape_of(block), nodata)
                else:
                    values = self._read_warped(src, source_crs, block, nodata)
                return self._scaled(values, src)
            except RasterioIOError as error:
                raise InputError(
                    f"{self.path}: cannot be read to the end (truncated or damaged?); get the file "
                    "again"
                ) from error

    def _scaled(self, values: Float, src: Any) -> Float:
        """Turn the file's numbers into values, in float64 so that whole results stay whole."""
        gain, shift = src.scales[self.band - 1], src.offsets[self.band - 1]
        if self.scale is not None:
            gain, shift = self.scale, 0.0
        if gain == 1.0 and shift == 0.0:
            return values
        scaled: Float = (values.astype(np.float64) * gain + shift).astype(np.float32)
        return scaled

    def _read_aligned(
        self, src: Any, offset: tuple[int, int], shape: tuple[int, int], nodata: float | None
    ) -> Float:
        row0, col0 = max(0, offset[0]), max(0, offset[1])
        row1 = min(src.height, offset[0] + shape[0])
        col1 = min(src.width, offset[1] + shape[1])
        if row1 <= row0 or col1 <= col0:
            return np.full(shape, np.nan, np.float32)
        raw = src.read(self.band, window=Window(col0, row0, col1 - col0, row1 - row0))
        with np.errstate(over="ignore"):  # beyond float32 is not finite, hence missing
            values: Float = raw.astype(np.float32, copy=False)
        if nodata is not None and not np.isnan(nodata):
            # In the file's own type: 2**31 - 1 is no float32.
            missing = raw == np.asarray(nodata).astype(raw.dtype)
            _blank(values, missing)
        else:
            _blank(values, None)
        if values.shape == shape:
            return values
        out = np.full(shape, np.nan, np.float32)
        out[row0 - offset[0] : row1 - offset[0], col0 - offset[1] : col1 - offset[1]] = values
        return out

    def _read_warped(self, src: Any, source_crs: CRS, block: GeoBox, nodata: float | None) -> Float:
        # The tolerance makes GDAL transform every cell exactly: with its default the values
        # depend on how the map is cut into blocks.
        with WarpedVRT(
            src,
            src_crs=_unbroken(source_crs, src.bounds),
            crs=grids.crs_of(block).to_wkt(),
            transform=block.affine,
            width=block.shape[1],
            height=block.shape[0],
            resampling=Resampling[self.resampling],
            src_nodata=nodata,
            nodata=np.nan,
            dtype="float32",
            tolerance=1e-9,
            warp_mem_limit=64,
        ) as vrt:
            values: Float = vrt.read(self.band)
        _blank(values, None)
        return values


@njit(nogil=True, cache=True)
def _blank(values: Any, missing: Any) -> None:
    """Make NaN, in place, of what is missing and of what is not finite."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if not np.isfinite(values[i, j]) or (missing is not None and missing[i, j]):
                values[i, j] = np.nan


def native_window(
    source: RasterSource, info: RasterInfo, grid: GeoBox, size: int
) -> tuple[Float, float]:
    """Return a raster's own cells around the middle of a grid, unresampled.

    Parameters
    ----------
    source : RasterSource
        The raster.
    info : RasterInfo
        What its file says of itself.
    grid : GeoBox
        The grid.
    size : int
        Rows and columns at most.

    Returns
    -------
    array, (rows, cols) float32
        Values, NaN where there are none; empty where the grid's middle lies off the raster.
    float
        Side of the cells in metres, of the shorter side.
    """
    own = info.grid
    box = grids.bounds(grid)
    if info.crs is not None and info.crs != grid.crs:
        box = grid.extent.to_crs(info.crs).boundingbox
    a = own.affine
    rows = sorted(((box.top - a.f) / a.e, (box.bottom - a.f) / a.e))
    cols = sorted(((box.left - a.c) / a.a, (box.right - a.c) / a.a))
    spans = []
    for (low, high), count in zip((rows, cols), grids.shape_of(own), strict=True):
        first, last = max(0, int(low)), min(count, int(high) + 1)
        start = max(first, (first + last - size) // 2)
        spans.append(slice(start, min(last, start + size)))
    if spans[0].stop <= spans[0].start or spans[1].stop <= spans[1].start:
        return np.empty((0, 0), np.float32), 0.0
    block = own[spans[0], spans[1]]
    cell = min(abs(a.a), abs(a.e))
    if info.crs is not None:
        cell *= grids.metres_per_unit(info.crs)
    return source.read(block), cell


def _unbroken(crs: CRS, bounds: Any) -> str:
    """Return the CRS of a raster, its longitudes going on beyond 180 where the raster's do."""
    if not crs.geographic or (bounds.left >= -180.001 and bounds.right <= 180.001):
        return str(crs.to_wkt())
    ellipsoid = crs.proj.ellipsoid
    axes = "+datum=WGS84"
    if ellipsoid is not None:
        axes = f"+a={ellipsoid.semi_major_metre!r} +b={ellipsoid.semi_minor_metre!r}"
    return f"+proj=longlat {axes} +lon_wrap={round((bounds.left + bounds.right) / 2)} +no_defs"


def aligned_offset(transform: Any, crs: CRS | None, block: GeoBox) -> tuple[int, int] | None:
    """Return the block's (row, col) offset in a raster whose cells are the block's, else None."""
    a, b = transform, block.affine
    if crs != block.crs or not np.allclose((a.a, a.e), (b.a, b.e), rtol=1e-9, atol=0):
        return None
    col, row = (b.c - a.c) / a.a, (b.f - a.f) / a.e
    near = abs(col - round(col)) < 1e-3 and abs(row - round(row)) < 1e-3
    return (round(row), round(col)) if near else None
