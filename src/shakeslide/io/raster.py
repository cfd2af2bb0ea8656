"""Rasters in: any raster, block by block, onto any block of the grid."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.crs import DerivedGeographicCRS
from pyproj.crs.coordinate_operation import RotatedLatitudeLongitudeConversion
from pyproj.exceptions import CRSError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import band as bands
from shakeslide.io import gdal, units
from shakeslide.io.band import Band
from shakeslide.io.datasets import opened, result
from shakeslide.io.gdal import REFERS_TO_WEB, is_web, one_line

__all__ = [
    "RasterInfo", "RasterSource", "aligned_offset", "info", "native_window", "opened",
    "result",
]  # fmt: skip

Float = NDArray[np.float32]
FARTHEST = 720.0
"""Degrees beyond which no raster reaches; longitudes may go on beyond 180, and beyond 360."""
MOST_PRJ = 1 << 16
"""Bytes of a .prj file that are read."""
MOST_CELLS = 1 << 26
"""Cells of a masked raster that are held in memory to be resampled; of more, some are left out."""


@dataclass(frozen=True, kw_only=True)
class RasterInfo:
    """What a raster says of itself.

    Attributes
    ----------
    grid : GeoBox
        Its cells, north up.
    notes : tuple of str
        What is done about how it is stored.
    """

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
    notes: tuple[str, ...] = ()


def info(
    path: Path,
    crs: str | None = None,
    band: int = 1,
    field: str | None = None,
    layer: str | None = None,
    nodata: float | None = None,
) -> RasterInfo:
    """Return grid, CRS, type and nodata of a raster.

    Parameters
    ----------
    path, crs, band, field, layer, nodata
        As for `RasterSource`.

    Raises
    ------
    InputError
        No raster, no such band, no place on the Earth, or a nodata that its type cannot hold.
    """
    with opened(path, field, layer) as src:
        own = Band.of(src, band, nodata)
        _require_nodata(own, path, nodata)
        file_crs, height_unit = _crs_of(src, crs)
        _require_place(src, path)
        _require_degrees(own, file_crs, path)
        return RasterInfo(
            grid=GeoBox((src.height, src.width), own.affine, file_crs),
            crs=file_crs,
            dtype=own.dtype,
            nodata=own.nodata,
            bands=src.count,
            tags=src.tags(),
            unit=units.spelled(src.units[band - 1] or _tagged_unit(src, band)),
            scale=src.scales[band - 1],
            offset=src.offsets[band - 1],
            colours=src.colorinterp[band - 1].name == "palette",
            height_unit=height_unit or _zunits(path),
            notes=_remarks(own),
        )


def _require_nodata(own: Band, path: Path, stated: float | None) -> None:
    """Raise where the study states a nodata that no cell can hold."""
    if stated is None or bands.holds(own.dtype, stated):
        return
    raise InputError(
        f"{path}: nodata = {stated:.17g} in the study file is a value that its cells cannot have "
        f"({bands.span(own.dtype)}); give the value that marks missing cells in the file, or "
        "delete nodata ="
    )


def _require_place(src: Any, path: Path) -> None:
    """Raise where a raster's cells have no place, or not on a grid with north up."""
    if src.transform.b or src.transform.d:
        raise InputError(f"{path}: is rotated; warp it first (gdalwarp) so that north is up")
    if not src.transform.is_identity:
        return
    located = {
        "ground control points (GCPs)": bool(src.gcps[0]),
        "rational polynomials (RPCs)": src.rpcs is not None,
        "geolocation arrays": bool(src.tags(ns="GEOLOCATION")),
    }
    for what, there in located.items():
        if there:
            raise InputError(
                f"{path}: is located by {what} only and is not on a regular grid; warp it first: "
                f"gdalwarp -t_srs EPSG:... {path.name} warped.tif"
            )
    raise InputError(
        f"{path}: has no georeference (no coordinates); add one first "
        "(gdal_translate -a_ullr west north east south)"
    )


def _require_degrees(own: Band, crs: CRS | None, path: Path) -> None:
    """Raise where a raster in degrees lies where no degrees are, as metres do."""
    if crs is None or not crs.geographic:
        return
    a, src = own.affine, own.dataset
    left, right = a.c, a.c + a.a * src.width
    bottom, top = a.f + a.e * src.height, a.f
    if left < -FARTHEST or right > FARTHEST or bottom < -FARTHEST or top > FARTHEST:
        raise InputError(
            f"{path}: reaches from {left:.6g} to {right:.6g} and from {bottom:.6g} to {top:.6g}, "
            f"which are not degrees; is its CRS ({grids.crs_name(crs)}) right?"
        )


def _remarks(own: Band) -> tuple[str, ...]:
    """Return what is done about how a band is stored."""
    notes = []
    if turned := bands.turned(own.dataset):
        notes.append(f"stored {turned}; turned north up")
    if own.masked:
        notes.append("cells hidden by its mask are no data")
    if own.alpha is not None:
        notes.append(f"cells where band {own.alpha} (alpha) is 0 are no data")
    return tuple(notes)


def _crs_of(src: Any, given: str | None) -> tuple[CRS | None, str]:
    """Return the horizontal CRS of a raster and the unit of its heights where it names one."""
    stated = src.crs.to_wkt() if src.crs else ""
    if given:
        # Heights keep the file's unit, whatever is wrong with its coordinates.
        return grids.named_crs(given, f"{src.name}: crs"), _height_unit(given, stated)
    return (grids.horizontal_crs(stated), _height_unit(stated)) if stated else (None, "")


def _height_unit(*stated: str) -> str:
    """Return the unit of the first vertical axis of some CRS, "" where there is none."""
    for text in stated:
        with suppress(CRSError):
            for axis in pyproj.CRS(text).axis_info:
                if axis.direction in ("up", "down"):
                    return str(axis.unit_name)
    return ""


def _zunits(path: Path) -> str:
    """Return the unit of heights in an ArcInfo .prj file beside a raster, which GDAL leaves out."""
    beside = path.with_suffix(".prj")
    if path.suffix == ".prj" or not beside.is_file():
        return ""
    with beside.open("rb") as file:
        text = file.read(MOST_PRJ).decode("latin-1")
    found = re.search(r"^\s*zunits\s+(\S+)", text, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


def _tagged_unit(src: Any, band: int) -> str:
    """Return the unit that the tags of a band, or of its file, state; "" where none do."""
    for tags, names in ((src.tags(band), ("unit", "units")), (src.tags(), ("unit",))):
        for key, value in tags.items():
            if key.lower() in names:
                return str(value)
    return ""


@dataclass(frozen=True)
class RasterSource:
    """A raster band that can be read onto any block of a grid.

    Parameters
    ----------
    path : Path
        The file, an archive that holds one, or a path into an archive.
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
    layer : str, optional
        Raster in the file, where it holds several.
    classes : bool
        Its values are classes: whole numbers, each exact.
    network : bool
        Whether its file may name addresses on the web; default: what holds where the source is
        made. It is read under this on any machine, also by workers that no study has told.
    """

    path: Path
    _: dataclasses.KW_ONLY
    band: int = 1
    crs: str | None = None
    nodata: float | None = None
    resampling: Literal["bilinear", "nearest"] = "bilinear"
    field: str | None = None
    scale: float | None = None
    layer: str | None = None
    classes: bool = False
    network: bool = dataclasses.field(default_factory=lambda: not gdal.is_offline())

    def nearest(self) -> RasterSource:
        """Return the same raster, never interpolated."""
        return replace(self, resampling="nearest")

    def read(self, block: GeoBox) -> Float:
        """Return the band on the cells of `block`, (rows, cols) float32, NaN where it has none."""
        if self.classes:
            return self.read_codes(block).astype(np.float32)
        values: Float = self._read(block, np.float32)
        return values

    def read_stored(self, block: GeoBox) -> Float:
        """Return the raster's own cells on `block`, (rows, cols) float32, as `read` does.

        Infinite values stay infinite, so that they can be counted.
        """
        values: Float = self._read(block, np.float32, infinite=True)
        return values

    def read_codes(self, block: GeoBox) -> NDArray[np.float64]:
        """Return classes on the cells of `block`, (rows, cols) float64, NaN where there are none.

        They are whole numbers, exact.

        Raises
        ------
        InputError
            Values that are not whole numbers, or beyond 2**53.
        """
        values: NDArray[np.float64] = self._read(block, np.float64)
        whole = np.rint(values)
        off = np.abs(values - whole) > 1e-6
        if off.any():
            raise InputError(
                f"{self.path}: is used for classes, but holds values that are not whole numbers "
                f'({values[off][0]:.9g} ...); use function = "value" for continuous values'
            )
        return whole

    def _read(self, block: GeoBox, dtype: Any, infinite: bool = False) -> NDArray[Any]:
        with gdal.reading_for(self.network), opened(self.path, self.field, self.layer) as src:
            source_crs, _ = _crs_of(src, self.crs)
            if source_crs is None:
                raise InputError(
                    f'{self.path}: has no CRS; give it with `crs = "EPSG:..."` in its table'
                )
            own = Band.of(src, self.band, self.nodata)
            _require_nodata(own, self.path, self.nodata)
            _require_place(src, self.path)
            _require_degrees(own, source_crs, self.path)
            offset = aligned_offset(own.affine, source_crs, block)
            try:
                if offset is not None:
                    values = _read_aligned(own, offset, grids.shape_of(block), dtype, infinite)
                elif own.is_plain:
                    values = self._warped(src, own, source_crs, block, dtype)
                else:
                    values = self._read_masked(own, source_crs, block, dtype)
                return self._scaled(values, own)
            except RasterioError as error:
                raise InputError(f"{self.path}: {_unreadable(error)}") from error

    def _scaled(self, values: NDArray[Any], own: Band) -> NDArray[Any]:
        """Turn the file's numbers into values, in float64 so that whole results stay whole."""
        gain = own.dataset.scales[self.band - 1]
        shift = own.dataset.offsets[self.band - 1]
        if self.scale is not None:
            gain, shift = self.scale, 0.0
        if gain == 1.0 and shift == 0.0:
            return values
        with np.errstate(over="ignore"):
            scaled: NDArray[Any] = (values.astype(np.float64) * gain + shift).astype(values.dtype)
        if np.isinf(scaled).any() and not np.isinf(values).any():
            raise InputError(
                f"{self.path}: scale = {gain:g} makes its values too large to "
                "be stored; correct scale = in its table"
            )
        return scaled

    def _warped(
        self, src: Any, own: Band, source_crs: CRS, block: GeoBox, dtype: Any
    ) -> NDArray[Any]:
        wkt, place = _placed(source_crs, own)
        moved = {} if place == own.affine else {"src_transform": place}
        # The tolerance makes GDAL transform every cell exactly: with its default the values
        # depend on how the map is cut into blocks.
        with WarpedVRT(
            src,
            src_crs=wkt,
            crs=grids.crs_of(block).to_wkt(),
            transform=block.affine,
            width=block.shape[1],
            height=block.shape[0],
            resampling=Resampling[self.resampling],
            src_nodata=own.nodata,
            nodata=np.nan,
            dtype=np.dtype(dtype).name,
            tolerance=1e-9,
            warp_mem_limit=64,
            **moved,
        ) as vrt:
            values: NDArray[Any] = vrt.read(own.number)
        bands.blank(values, None)
        return values

    def _read_masked(self, own: Band, source_crs: CRS, block: GeoBox, dtype: Any) -> NDArray[Any]:
        """Resample what GDAL does not by itself: cells are made missing first, then resampled."""
        window = _window_under(block, own, source_crs)
        if window is None:
            return np.full(grids.shape_of(block), np.nan, dtype)
        # Cells are left out along both sides alike, so that they keep their shape.
        step = max(1, math.ceil(math.sqrt(window.height * window.width / MOST_CELLS)))
        shape = -(-window.height // step), -(-window.width // step)
        values = np.ascontiguousarray(own.read(window, dtype, shape if step > 1 else None))
        place = own.affine * Affine.translation(window.col_off, window.row_off)
        place = place * Affine.scale(window.width / shape[1], window.height / shape[0])
        profile = {"driver": "GTiff", "count": 1, "dtype": np.dtype(dtype).name, "nodata": np.nan}
        size = {"height": shape[0], "width": shape[1], "transform": place}
        with MemoryFile() as memory:
            with memory.open(**profile, **size, BIGTIFF="IF_SAFER") as dst:
                dst.write(values, 1)
            with memory.open() as src:
                return self._warped(src, Band.of(src, 1), source_crs, block, dtype)


def _unreadable(error: RasterioError) -> str:
    """Tell why a raster that was opened cannot be read."""
    if is_web(error):
        return REFERS_TO_WEB
    causes = [one_line(e) for e in (error, error.__cause__) if e is not None]
    if any("does not exist" in c or "No such file" in c for c in causes):
        return f"refers to a missing file ({causes[-1]}); restore it, or create this file again"
    return "cannot be read to the end (truncated or damaged?); get the file again"


def _read_aligned(
    own: Band, offset: tuple[int, int], shape: tuple[int, int], dtype: Any, infinite: bool
) -> NDArray[Any]:
    src = own.dataset
    row0, col0 = max(0, offset[0]), max(0, offset[1])
    row1 = min(src.height, offset[0] + shape[0])
    col1 = min(src.width, offset[1] + shape[1])
    if row1 <= row0 or col1 <= col0:
        return np.full(shape, np.nan, dtype)
    window = Window(col0, row0, col1 - col0, row1 - row0)
    values = own.read(window, dtype, infinite=infinite)
    if values.shape == shape:
        return values
    out = np.full(shape, np.nan, dtype)
    out[row0 - offset[0] : row1 - offset[0], col0 - offset[1] : col1 - offset[1]] = values
    return out


def _window_under(block: GeoBox, own: Band, source_crs: CRS) -> Window | None:
    """Return the cells of a raster that a block's values come from, None where there are none."""
    height, width = own.dataset.height, own.dataset.width
    box, a = grids.bounds(block), own.affine
    if source_crs != block.crs:
        edges = (box.left, box.bottom, box.right, box.top)
        wkt = grids.crs_of(block).to_wkt()
        # 41 points to a side, because a straight edge is curved in another CRS.
        left, bottom, right, top = transform_bounds(wkt, source_crs.to_wkt(), *edges, 41)
    else:
        left, bottom, right, top = box.left, box.bottom, box.right, box.top
    if not np.isfinite([left, bottom, right, top]).all():
        return None
    upper, lower = (top - a.f) / a.e, (bottom - a.f) / a.e
    first, last = (left - a.c) / a.a, (right - a.c) / a.a
    if source_crs.geographic and (last < first or last < 0 or first > width):
        first, last = 0.0, float(width)  # across longitude 180
    # For the neighbours of an interpolation, and all fine cells under a coarse one of the grid.
    room = 3 + 2 * (lower - upper) / block.shape[0], 3 + 2 * (last - first) / block.shape[1]
    row0, row1 = max(0, int(upper - room[0])), min(height, math.ceil(lower + room[0]))
    col0, col1 = max(0, int(first - room[1])), min(width, math.ceil(last + room[1]))
    if row1 <= row0 or col1 <= col0:
        return None
    return Window(col0, row0, col1 - col0, row1 - row0)


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


def _placed(crs: CRS, own: Band) -> tuple[str, Affine]:
    """Return the CRS and the transform with which GDAL finds a raster's cells.

    PROJ returns longitudes within ±180. Those of a raster in degrees that goes on beyond are
    counted from its middle, in a CRS that is derived from its own by a rotation about the Earth's
    axis and so keeps its datum.
    """
    left, right = own.affine.c, own.affine.c + own.affine.a * own.dataset.width
    # A thousandth of a degree for edges that were rounded when written.
    if not crs.geographic or (left >= -180.001 and right <= 180.001):
        return str(crs.to_wkt()), own.affine
    middle = float(round((left + right) / 2))
    turned = DerivedGeographicCRS(
        pyproj.CRS(crs.to_wkt()), RotatedLatitudeLongitudeConversion(90.0, 0.0, middle)
    )
    return turned.to_wkt(), Affine.translation(-middle, 0) * own.affine


def aligned_offset(transform: Any, crs: CRS | None, block: GeoBox) -> tuple[int, int] | None:
    """Return the block's (row, col) offset in a raster whose cells are the block's, else None."""
    a, b = transform, block.affine
    if crs != block.crs or not np.allclose((a.a, a.e), (b.a, b.e), rtol=1e-9, atol=0):
        return None
    col, row = (b.c - a.c) / a.a, (b.f - a.f) / a.e
    # Within a thousandth of a cell: transforms are rounded when written.
    near = abs(col - round(col)) < 1e-3 and abs(row - round(row)) < 1e-3
    return (round(row), round(col)) if near else None
