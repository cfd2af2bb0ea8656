"""Rasters stored in every way in which users have them: turned, with masks, nodata and scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_000_000)
CRS = "EPSG:32643"


def store(
    path: Path,
    values: np.ndarray,
    hidden: np.ndarray,
    turn: str = "",
    mask: str = "",
    place: Affine = NORTH_UP,
    **more: Any,
) -> Path:
    """Write a GeoTIFF turned (south up, east left) with a mask of a kind.

    Parameters
    ----------
    path : Path
        The file.
    values, hidden : array, (rows, cols)
        Values north up, and which of them the mask hides.
    turn : str
        "south", "east" or both.
    mask : str
        "internal", "msk" (a file beside it) or "alpha".
    place : Affine
        Of the cells, north up.
    **more
        Of rasterio's profile.
    """
    height, width = values.shape
    down, left = "south" in turn, "east" in turn
    if down:
        place = place * Affine.translation(0, height) * Affine.scale(1, -1)
    if left:
        place = place * Affine.translation(width, 0) * Affine.scale(-1, 1)
    turned = np.s_[:: -1 if down else 1, :: -1 if left else 1]
    values, shown = values[turned], np.where(hidden[turned], 0, 255)
    profile = {"driver": "GTiff", "height": height, "width": width, "dtype": values.dtype}
    profile |= {"count": 2 if mask == "alpha" else 1, "crs": CRS, "transform": place}
    options = {"GDAL_TIFF_INTERNAL_MASK": mask == "internal", "GDAL_PAM_ENABLED": "NO"}
    with rasterio.Env(**options), rasterio.open(path, "w", **{**profile, **more}) as dst:
        dst.write(values, 1)
        if mask in ("internal", "msk"):
            dst.write_mask(shown.astype(np.uint8))
        if mask == "alpha":
            dst.write((shown // 255).astype(values.dtype), 2)
            dst.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    return path


def scaled(path: Path, scale: float, offset: float) -> Path:
    """Let a GeoTIFF state a scale and an offset for its bands."""
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path, "r+") as dst:
        dst.scales, dst.offsets = (scale,) * dst.count, (offset,) * dst.count
    return path
