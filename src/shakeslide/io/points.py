"""Points as coordinates: a catalogue of millions takes a tenth of the memory of its geometries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

LAYOUTS = {
    21: np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")]),
    29: np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8"), ("z", "<f8")]),
}
"""Well-known binary of a point by its length in bytes: flat, and with a height."""
TYPES = {21: (1,), 29: (1001, 0x80000001)}
"""Numbers of these types; that of a height is written in two ways."""


@dataclass(frozen=True)
class Points:
    """One point per feature.

    Attributes
    ----------
    xy : array, (n, 2) float64
        Coordinates, NaN twice where a feature has no geometry.
    """

    xy: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.xy)

    def __getitem__(self, chosen: Any) -> Points:
        """Return the points of some features: a slice, numbers or a mask."""
        return Points(self.xy[chosen])

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which features have no geometry, (n,) bool."""
        return np.asarray(np.isnan(self.xy).all(axis=1))

    @property
    def shapes(self) -> NDArray[np.object_]:
        """The same as geometries, (n,), None where there is none."""
        out: NDArray[np.object_] = np.asarray(shapely.points(self.xy), object)
        out[self.missing] = None
        return out

    def distance(self, west: float, south: float, east: float, north: float) -> float:
        """Return the distance from a box to the nearest point."""
        x, y = self.xy.T
        right = np.maximum(np.maximum(west - x, x - east), 0.0)
        up = np.maximum(np.maximum(south - y, y - north), 0.0)
        return float(np.hypot(right, up).min())


def of_wkb(column: pa.ChunkedArray) -> Points | None:
    """Return the points of a column of well-known binary, without their heights.

    None where it holds anything else than single points.
    """
    parts = []
    for chunk in column.chunks:
        known = np.asarray(chunk.is_valid())
        xy = _coordinates(chunk.drop_null())
        if xy is None:
            return None
        if not known.all():
            sparse = np.full((len(known), 2), np.nan)
            sparse[known] = xy
            xy = sparse
        parts.append(xy)
    return Points(np.concatenate(parts) if parts else np.empty((0, 2)))


def _coordinates(chunk: pa.Array) -> NDArray[np.float64] | None:
    """Return the coordinates (n, 2) of an array of well-known binary without nulls."""
    if len(chunk) == 0:
        return np.empty((0, 2))
    # An extension type (geoarrow.wkb) wraps the binary array.
    chunk = getattr(chunk, "storage", chunk)
    if not (pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type)):
        return None
    _, offsets, data = chunk.buffers()
    width = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
    # A slice shares the buffers of the whole: the offset says where it begins in them.
    at = np.frombuffer(offsets, width)[chunk.offset : chunk.offset + len(chunk) + 1]
    size = int(at[1] - at[0])
    if size not in LAYOUTS or (np.diff(at) != size).any():
        return None
    rows = np.frombuffer(data, LAYOUTS[size], len(chunk), int(at[0]))
    # The other order of bytes is rare and left to GEOS.
    if (rows["order"] != 1).any() or not np.isin(rows["type"], TYPES[size]).all():
        return None
    return np.column_stack([rows["x"], rows["y"]])
