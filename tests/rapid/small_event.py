"""A small new earthquake: a DEM and a ShakeMap, and what lies in the landslides' way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from tests import small_site as site

WEST, NORTH, STEP = 73.10, 34.80, 0.02
NLON, NLAT = 21, 16


def dem(path: Path, sea: int = 0) -> Path:
    """Write ridges and valleys as a GeoTIFF in UTM; so many columns in the west are sea."""
    z = site.elevation()
    z[:, :sea] = 0
    profile = {
        "driver": "GTiff", "height": z.shape[0], "width": z.shape[1], "count": 1,
        "dtype": "float32", "crs": site.CRS, "transform": site.TRANSFORM,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dst:
        dst.write(z, 1)
    return path


def grid_xml(
    path: Path, *, kind: str = "ACTUAL", version: str = "1", pga: float = 60.0, pgv: bool = True,
    order: slice = slice(None), sd: bool = True,
) -> Path:  # fmt: skip
    """Write a ShakeMap, and uncertainty.xml beside it.

    `pga` is the largest, in %g; `pgv`: with PGV; `order`: of the nodes; `sd`: with uncertainty.
    """
    lon, lat = np.meshgrid(WEST + STEP * np.arange(NLON), NORTH - STEP * np.arange(NLAT))
    away = np.hypot(lon - 73.30, lat - 34.66)
    strong = pga * np.exp(-3 * away)
    columns = {"LON": lon, "LAT": lat, "PGA": strong}
    if pgv:
        columns["PGV"] = strong * 1.1
    path.write_text(_xml(columns, kind, version, order))
    if sd:
        nodes = np.full(lon.shape, 0.5)
        deviations = {"LON": lon, "LAT": lat}
        for measure in ("PGA", "PGV"):
            deviations |= {
                f"STD{measure}": nodes,
                f"GMPE_INTER_STD{measure}": 0.6 * nodes,
                f"GMPE_INTRA_STD{measure}": 0.8 * nodes,
            }
        path.with_name("uncertainty.xml").write_text(_xml(deviations, kind, version, order))
    return path


UNITS = {"LON": "dd", "LAT": "dd", "PGA": "pctg", "PGV": "cms"}


def _xml(columns: dict[str, np.ndarray], kind: str, version: str, order: slice) -> str:
    fields = "\n".join(
        f'<grid_field index="{i}" name="{name}" units="{UNITS.get(name, "")}" />'
        for i, name in enumerate(columns, start=1)
    )
    table = np.stack([c.ravel() for c in columns.values()], axis=1)[order]
    rows = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in table)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap" event_id="test1" '
        f'shakemap_id="test1" shakemap_version="{version}" shakemap_event_type="{kind}">\n'
        '<event event_id="test1" magnitude="7.1" depth="12" lat="34.66" lon="73.30" '
        'event_timestamp="2020-01-02T03:04:05UTC" event_description="Test valley" />\n'
        f'<grid_specification lon_min="{WEST}" lat_max="{NORTH}" nlon="{NLON}" nlat="{NLAT}"/>\n'
        f"{fields}\n<grid_data>\n{rows}\n</grid_data>\n</shakemap_grid>\n"
    )


def people(path: Path, cell: float) -> np.ndarray:
    """Write a raster of counts whose cells do not agree with the grid's; return it."""
    rows = int(site.ROWS * site.CELL / cell) + 4
    cols = int(site.COLS * site.CELL / cell) + 4
    counts = np.random.default_rng(1).integers(0, 50, (rows, cols)).astype(np.float32)
    west, north = site.WEST - 2 * cell + 7, site.NORTH + 2 * cell - 7
    profile = {
        "driver": "GTiff", "height": rows, "width": cols, "count": 1, "dtype": "float32",
        "crs": site.CRS, "transform": Affine(cell, 0, west, 0, -cell, north), "nodata": -1,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dst:
        dst.write(counts, 1)
    return counts
