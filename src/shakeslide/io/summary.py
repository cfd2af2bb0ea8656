"""All values of a raster at once, in blocks: their ends and classes, which a sample may miss."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.compiled import kernel
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io.raster import RasterInfo, RasterSource

CHECKED = 400_000_000
"""Cells that a look reads at most, in blocks spread over the raster: some seconds."""
BLOCK = 512, 16_384
"""Rows and columns read at once."""
SENTINELS = (
    -9999.0, -99999.0, -32768.0, -32767.0, 32767.0, -2147483648.0, 2147483647.0, 65535.0,
    4294967295.0, -999999.0,
)  # fmt: skip
"""Numbers that stand for "no data" in files that forget to say so."""
BEYOND = 0.99e20
"""From here on too, which fill values of climate data and of floats exceed."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the values of a raster are.

    Attributes
    ----------
    cells, known : int
        How many cells were looked at, and how many have a value.
    low, next_low : float
        The lowest value and the one above it; inf where there is none.
    high, next_high : float
        The highest value and the one below it; -inf where there is none.
    low_count, high_count : int
        Cells with the lowest and with the highest.
    zeros : int
        Cells that are 0.
    least : float
        The lowest value besides 0.
    distinct : array, (k,), or None
        The values, sorted; None where there are too many.
    infinite : int
        Cells whose number is infinite or beyond float32, which have no value.
    """

    cells: int
    known: int
    low: float
    next_low: float
    low_count: int
    high: float
    next_high: float
    high_count: int
    zeros: int
    least: float
    distinct: NDArray[Any] | None
    infinite: int = 0

    @classmethod
    def of(cls, values: NDArray[Any], most: int = 0) -> Summary:
        """Return the summary of an array, any shape, NaN or infinite where it has no value.

        `distinct` is None if there are more than `most` distinct values.
        """
        flat = np.ascontiguousarray(values).ravel()
        boundless = np.isinf(flat)
        infinite = int(boundless.sum())
        if infinite:
            flat = np.where(boundless, np.asarray(np.nan, flat.dtype), flat)
        known, low, below, low_count, high, above, high_count, zeros, least = _ends(flat)
        distinct = _distinct(flat, most)
        return cls(
            cells=flat.size, known=known, low=low, next_low=below, low_count=low_count, high=high,
            next_high=above, high_count=high_count, zeros=zeros, least=least,
            distinct=distinct, infinite=infinite,
        )  # fmt: skip

    def joined(self, other: Summary, most: int = 0) -> Summary:
        """Return the summary of both."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        rising = [v for s in (self, other) for v in (s.low, s.next_low) if v > low]
        falling = [v for s in (self, other) for v in (s.high, s.next_high) if v < high]
        distinct = None
        if self.distinct is not None and other.distinct is not None:
            both = np.union1d(self.distinct, other.distinct)
            distinct = both if both.size <= most else None
        return Summary(
            cells=self.cells + other.cells,
            known=self.known + other.known,
            low=low,
            next_low=min(rising, default=math.inf),
            low_count=sum(s.low_count for s in (self, other) if s.low == low),
            high=high,
            next_high=max(falling, default=-math.inf),
            high_count=sum(s.high_count for s in (self, other) if s.high == high),
            zeros=self.zeros + other.zeros,
            least=min(self.least, other.least),
            distinct=distinct,
            infinite=self.infinite + other.infinite,
        )

    def share(self, count: int) -> str:
        """Return a number of cells as percent of those with a value."""
        return f"{100 * count / max(self.known, 1):.2g} %"

    @property
    def apart(self) -> list[tuple[float, int]]:
        """The lowest or highest value where it lies apart from the rest, and its cells.

        Apart is farther from the next than all others are from each other. Where both ends are
        numbers that stand for "no data", neither counts for the other.
        """
        lowest = self.next_low if _named(self.low) else self.low
        highest = self.next_high if _named(self.high) else self.high
        out = []
        if math.isfinite(self.next_low):
            spread = highest - self.next_low
            # At least 1: values that are all alike have no spread to compare with.
            if self.next_low - self.low > max(1.0, spread):
                out.append((self.low, self.low_count))
            spread = self.next_high - lowest
            if self.high - self.next_high > max(1.0, spread):
                out.append((self.high, self.high_count))
        return out


@kernel
def _ends(values: Any) -> Any:
    """Number of values, both ends and what comes next to them, and zeros."""
    known = low_count = high_count = zeros = 0
    low = next_low = least = np.inf
    high = next_high = -np.inf
    for raw in values:
        v = np.float64(raw)
        if v != v:
            continue
        known += 1
        if v < low:
            next_low, low, low_count = low, v, 1
        elif v == low:
            low_count += 1
        elif v < next_low:
            next_low = v
        if v > high:
            next_high, high, high_count = high, v, 1
        elif v == high:
            high_count += 1
        elif v > next_high:
            next_high = v
        if v == 0:
            zeros += 1
        elif v < least:
            least = v
    return known, low, next_low, low_count, high, next_high, high_count, zeros, least


def _distinct(flat: NDArray[Any], most: int) -> NDArray[Any] | None:
    """Return the values of an array, sorted, None where they are more than `most`."""
    # A thin part mostly shows already that they are too many.
    for part in (flat[:: max(1, flat.size // 4096)], flat):
        found = pd.unique(part)
        found = found[~np.isnan(found)] if found.dtype.kind == "f" else found
        if found.size > most:
            return None
    return np.sort(found)


# ------------------------------------------------------------------ what stands for "no data"


def untagged_nodata(seen: Summary) -> str:
    """Tell of a number that stands for "no data" although the file does not say so."""
    for extreme, count in seen.apart:
        if _named(extreme):
            return (
                f"holds {extreme:.8g} in {seen.share(count)} of its cells, which looks like "
                f"missing data: set nodata = {extreme:.8g}"
            )
    return ""


def _named(value: float) -> bool:
    return value in SENTINELS or abs(value) >= BEYOND


def full_byte(seen: Summary, dtype: str) -> str:
    """Tell of the highest number of a byte far above all others, which may mean "no data"."""
    limit = {"uint8": 255.0, "int8": -128.0}.get(dtype)
    for extreme, count in seen.apart:
        if extreme == limit:
            return (
                f"holds {extreme:g} in {seen.share(count)} of its cells, far from all other "
                f"values: if it means missing data, set nodata = {extreme:g}"
            )
    return ""


# ------------------------------------------------------------------ of a file


def summarised(
    source: RasterSource,
    info: RasterInfo,
    grid: GeoBox,
    most: int = 0,
    threads: int = 1,
    thorough: bool = False,
    classes: bool = False,
) -> Summary:
    """Return what a raster's own cells on a grid hold.

    Parameters
    ----------
    source, info : RasterSource, RasterInfo
        The raster, and what its file says of itself.
    grid : GeoBox
        The grid.
    most : int
        How many distinct values are kept at most.
    threads : int
        How many blocks are read at once.
    thorough : bool
        Look at every cell, however many; else at `CHECKED` at most.
    classes : bool
        Read the values as classes.

    Raises
    ------
    InputError
        A file that cannot be read to its end, classes that are not whole numbers.
    """

    def look(block: Tile) -> Summary:
        window = grids.window(info.grid, block)
        values = source.read_codes(window) if classes else source.read_stored(window)
        return Summary.of(values, most)

    blocks = _blocks(_covering(info, grid), thorough)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        found: Iterable[Summary] = pool.map(look, blocks)
        empty = Summary.of(np.empty(0, np.float32), most)
        return reduce(lambda a, b: a.joined(b, most), found, empty)


def _blocks(part: Tile, thorough: bool) -> list[Tile]:
    """Return the blocks of a part of a raster; only some, evenly spread, where it is large."""
    down, across = BLOCK
    starts = [
        (r, c)
        for r in range(part.row0, part.row1, down)
        for c in range(part.col0, part.col1, across)
    ]
    cells = part.shape[0] * part.shape[1]
    if cells > CHECKED and not thorough:
        chosen = np.linspace(0, len(starts) - 1, max(1, int(len(starts) * CHECKED / cells)))
        starts = [starts[k] for k in np.unique(chosen.astype(int))]
    return [
        Tile((0, 0), r, min(r + down, part.row1), c, min(c + across, part.col1)) for r, c in starts
    ]


def _covering(info: RasterInfo, grid: GeoBox) -> Tile:
    """Return the raster's cells that a grid needs, a few more at its edges."""
    rows, cols = grids.shape_of(info.grid)
    whole = Tile((0, 0), 0, rows, 0, cols)
    box, a = grids.bounds(grid), info.grid.affine
    # Points within and on the edges, because straight edges are curved in another CRS.
    x, y = np.meshgrid(
        *(np.linspace(*ends, 21) for ends in ((box.left, box.right), (box.bottom, box.top)))
    )
    if info.crs is not None and info.crs != grid.crs:
        to_own = pyproj.Transformer.from_crs(
            grids.crs_of(grid).to_wkt(), info.crs.to_wkt(), always_xy=True
        )
        x, y = to_own.transform(x, y)
        if info.crs.geographic:
            middle = a.c + a.a * cols / 2
            # Longitudes may go on beyond 180: counted from the raster's middle.
            x = middle + (x - middle + 180) % 360 - 180
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return whole
    spans = []
    for at, count in (((y - a.f) / a.e, rows), ((x - a.c) / a.a, cols)):
        first, last = np.clip([at.min() - 2, at.max() + 3], 0, count)
        spans += [int(first), int(last)]
    return Tile((0, 0), spans[0], max(spans[:2]), spans[2], max(spans[2:]))
