"""GeoTIFFs out: one ordered pass over a map's tiles into a temporary file, and a rename.

A kill leaves either the old file or the new one, and the bytes do not depend on the number or the
order of the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from shakeslide.core.failures import NotWhole
from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io.gdal import one_line, options

TIFF_BLOCK = 512
TIFF = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": TIFF_BLOCK,
    "blockysize": TIFF_BLOCK,
    "compress": "zstd",
    "zstd_level": 1,
    "predictor": 2,
    # GDAL cannot change the form of a file that turns out larger than 4 GB.
    "bigtiff": "if_safer",
}
"""Profile of every GeoTIFF written: zstd 1 writes nearly as fast as no compression at all, and
predictor 2 (differences of neighbours) packs floats as well as 3, twice as fast both ways."""


@dataclass(frozen=True, kw_only=True)
class BandToWrite:
    """What a file says of its band beside the values.

    Attributes
    ----------
    dtype : str
        Type of its numbers.
    nodata : float
        Value of cells without data.
    tags : mapping of str to str
        Of the file.
    description : str
        A few words.
    colours : mapping of int to (int, int, int, int), optional
        Red, green, blue and opacity of each class.
    """

    dtype: str = "float32"
    nodata: float = np.nan
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    colours: Mapping[int, tuple[int, int, int, int]] | None = None


FLOATS = BandToWrite()
"""A band of numbers of which nothing more is said."""


def write_geotiff(
    path: Path,
    grid: GeoBox,
    cut: Sequence[Tile],
    load: Callable[[Tile], NDArray[Any]],
    band: BandToWrite = FLOATS,
    *,
    cloud_optimised: Literal["average", "mode", "nearest"] | None = None,
    threads: int = 1,
) -> None:
    """Write one band from its tiles in one ordered pass, and rename it into place.

    The file is written in strips of whole blocks. GDAL writes a block when its cache is pressed;
    a block that was written before it was whole is written again elsewhere in the file, and the
    bytes would depend on what else the process does.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    grid : GeoBox
        The whole grid.
    cut : sequence of Tile
        All tiles of the grid.
    load : callable
        Returns the values of a tile, (rows, cols).
    band : BandToWrite
        What the file says of it.
    cloud_optimised : {"average", "mode", "nearest"}, optional
        Make a cloud-optimised GeoTIFF whose overviews are resampled so.
    threads : int
        That pack blocks; the bytes do not depend on it.
    """
    profile: dict[str, Any] = {
        **TIFF,
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": 1,
        "dtype": band.dtype,
        "nodata": band.nodata,
        "crs": grids.crs_of(grid).to_wkt(),
        "transform": grid.affine,
        "num_threads": threads,
    }
    if cloud_optimised:
        # Read once and thrown away: packing it would only take time.
        profile |= {"compress": "none"}
        for key in ("zstd_level", "predictor"):
            profile.pop(key)
    with rasterio.Env(**options()), replacing(path, check=damage) as temporary:
        with rasterio.open(temporary, "w", **profile) as dst:
            dst.update_tags(**band.tags)
            if band.description:
                dst.set_band_description(1, band.description)
            if band.colours:
                dst.write_colormap(1, dict(band.colours))
            for row0, strip in _strips(grids.shape_of(grid), cut, load, band.dtype):
                dst.write(strip, 1, window=Window(0, row0, strip.shape[1], strip.shape[0]))
        if cloud_optimised:
            _to_cog(temporary, cloud_optimised)


def _strips(
    shape: tuple[int, int],
    cut: Sequence[Tile],
    load: Callable[[Tile], NDArray[Any]],
    dtype: str,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first row, values) of strips as high as the file's blocks."""
    for row0 in range(0, shape[0], TIFF_BLOCK):
        row1 = min(row0 + TIFF_BLOCK, shape[0])
        strip = np.empty((row1 - row0, shape[1]), dtype)
        for tile in cut:
            first, last = max(row0, tile.row0), min(row1, tile.row1)
            if first < last:
                part = load(tile)[first - tile.row0 : last - tile.row0]
                strip[first - row0 : last - row0, tile.col0 : tile.col1] = part
        yield row0, strip


def _to_cog(path: Path, resampling: str) -> None:
    # A copy of a damaged file would look whole.
    if problem := damage(path):
        raise NotWhole(problem)
    # Not durable: the caller's `replacing` forces the result to the disk.
    with replacing(path, durable=False) as cog:
        rasterio.shutil.copy(
            path,
            cog,
            driver="COG",
            blocksize=TIFF_BLOCK,
            compress="zstd",
            level=1,
            predictor=TIFF["predictor"],
            overview_resampling=resampling,
            bigtiff="if_safer",
            num_threads="1",
        )


# ------------------------------------------------------------------ looked at again


def damage(path: Path) -> str | None:
    """Return what is wrong with a GeoTIFF that was written, None if it is whole.

    GDAL writes what is in its cache when it closes a file, and an error then is lost. A block that
    could not be written has no place in the file, one beyond its end, or that of another block.
    """
    try:
        with rasterio.open(path) as file:
            levels = [None, *range(len(file.overviews(1)))]
            places = sorted(place for level in levels for place in _places(file, level))
        for level in levels:
            _read_last(path, level)
    except RasterioIOError as error:
        return one_line(error)
    # Where the next block begins; behind the last one, the file ends.
    limits = [*(start for start, _ in places[1:]), path.stat().st_size]
    for (start, length), limit in zip(places, limits, strict=True):
        if length == 0 or start + length > limit:
            return "a block is missing or cut off"
    return None


def _places(file: Any, level: int | None) -> Iterator[tuple[int, int]]:
    """Yield where in the file each block of the band or of an overview begins, and its bytes."""
    factor = 1 if level is None else file.overviews(1)[level]
    rows, cols = (-(-side // (factor * TIFF_BLOCK)) for side in file.shape)
    for i in range(rows):
        for j in range(cols):
            start, length = (
                file.get_tag_item(f"BLOCK_{what}_{j}_{i}", "TIFF", bidx=1, ovr=level)
                for what in ("OFFSET", "SIZE")
            )
            yield int(start or 0), int(length or 0)


def _read_last(path: Path, level: int | None) -> None:
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(path, **options) as file:
        rows, cols = file.shape
        file.read(1, window=Window(cols - 1, rows - 1, 1, 1))
