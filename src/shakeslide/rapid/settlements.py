"""Villages, towns and other places by name: how much landslide area a map expects around each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import rasterio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader
from rasterio.windows import Window

from shakeslide.core import spreadsheets
from shakeslide.core.errors import InputError, counted
from shakeslide.geo import grid as grids
from shakeslide.io import raster, vector
from shakeslide.layers import readers
from shakeslide.study.rapid_settings import NamedPlaces

NAME = "places.csv"
COLUMNS = {
    "place": "name",
    "latitude": "latitude",
    "longitude": "longitude",
    "expected_landslide_ha": "expected",
    "ground_ha": "ground",
    "share_of_ground": "share",
}
"""Columns of the file and the attributes of `Settlement` that they hold."""


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """A place and the ground around it.

    Attributes
    ----------
    name : str
    latitude, longitude : float
        Of its middle, in degrees.
    expected, ground : float
        Expected landslide area and ground with a prediction, in hectares.
    """

    name: str
    latitude: float
    longitude: float
    expected: float
    ground: float

    @property
    def share(self) -> float:
        """Expected share of the ground that landslides cover."""
        return self.expected / self.ground


@dataclass(frozen=True, eq=False)
class Located:
    """Places that reach the grid.

    Attributes
    ----------
    where : str
        File and table, for messages.
    names : tuple of str
    areas : array, (places,) of Polygon
        The ground of each, in the grid's CRS.
    latitude, longitude : array, (places,) float64
        Of their middles, in degrees.
    """

    where: str
    names: tuple[str, ...]
    areas: NDArray[np.object_]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


def located(settings: NamedPlaces, grid: GeoBox) -> tuple[Located, list[str]]:
    """Return the places that reach the grid, and what there is to say.

    Parameters
    ----------
    settings : NamedPlaces
        Points or polygons. Around a point a circle counts, of a polygon its own area.
    grid : GeoBox

    Raises
    ------
    InputError
        No such column, or all places lie outside the grid.
    """
    label = "exposure.places"
    where = f"{settings.path} ({label})"
    source = readers.vector_source(settings, label)
    wanted = [settings.name] if settings.name else []
    features = vector.read(source, grids.crs_of(grid), ("polygon", "point"), wanted)
    if settings.name:
        vector.require_column(features, settings.name, f"[{label}]")
    areas = np.where(
        shapely.get_dimensions(features.geometry) == 0,
        shapely.buffer(features.geometry, settings.radius),
        features.geometry,
    )
    # Of a whole country, few lie here.
    here = np.flatnonzero(shapely.intersects(areas, shapely.box(*grids.bounds(grid))))
    if not here.size:
        raise InputError(f"{where}: {counted(len(areas), 'place')}, none of them on the grid")
    notes = list(features.notes)
    if here.size < len(areas):
        notes.append(
            f"{where}: {len(areas) - here.size:,} of {len(areas):,} places outside the grid, not "
            f"in {NAME}"
        )
    middles = shapely.get_coordinates(shapely.centroid(features.geometry[here]))
    turn = pyproj.Transformer.from_crs(grids.crs_of(grid).proj, "EPSG:4326", always_xy=True)
    lon, lat = turn.transform(middles[:, 0], middles[:, 1])
    names = vector_names(features, settings.name, "place")
    return Located(
        where=where,
        names=tuple(names[i] for i in here),
        areas=areas[here],
        latitude=np.asarray(lat),
        longitude=np.asarray(lon),
    ), notes


def ranked(places: Located, mean: Path) -> tuple[list[Settlement], list[str]]:
    """Return the places on mapped ground, the largest share of landslide ground first.

    What there is to say of the others comes with them.

    Parameters
    ----------
    places : Located
    mean : Path
        Map of the mean on the grid.
    """
    found = []
    with raster.result(mean) as src:
        hectares = src.res[0] * src.res[1] / 1e4
        for i, name in enumerate(places.names):
            values = _within(src, places.areas[i])
            if values.size:
                found.append(
                    Settlement(
                        name=name,
                        latitude=float(places.latitude[i]), longitude=float(places.longitude[i]),
                        expected=float(values.sum()) * hectares, ground=values.size * hectares,
                    )
                )  # fmt: skip
    lost = len(places.names) - len(found)
    note = (
        f"{places.where}: {lost:,} of {len(places.names):,} places on ground without a "
        f"prediction, not in {NAME}"
    )
    return sorted(found, key=lambda s: -s.share), [note] if lost else []


def vector_names(features: vector.Features, column: str | None, what: str) -> list[str]:
    """Return the names of features; `what` and the number of the row where one lacks."""
    numbered = [f"{what} {n + 1}" for n in range(len(features.geometry))]
    if column is None:
        return numbered
    given = features.table[column]
    said = [str(g).strip() if known else "" for g, known in zip(given, given.notna(), strict=True)]
    return [s or n for s, n in zip(said, numbered, strict=True)]


def _within(src: DatasetReader, area: Any) -> NDArray[np.float64]:
    """Return the values of a map in a polygon, (n,), without those that are missing."""
    left, bottom, right, top = shapely.bounds(area)
    inverse = ~src.transform
    (c0, r0), (c1, r1) = inverse * (left, top), inverse * (right, bottom)
    col, row = max(int(np.floor(c0)), 0), max(int(np.floor(r0)), 0)
    window = Window(
        col, row, min(int(np.ceil(c1)), src.width) - col, min(int(np.ceil(r1)), src.height) - row
    )  # fmt: skip
    if window.width <= 0 or window.height <= 0:
        return np.empty(0)
    values = src.read(1, window=window).astype(np.float64)
    at = rasterio.windows.transform(window, src.transform)
    inside = geometry_mask([area], values.shape, at, invert=True)
    if not inside.any():
        # Smaller than a cell.
        inside = geometry_mask([area], values.shape, at, all_touched=True, invert=True)
    return np.asarray(values[inside & np.isfinite(values)])


def write(out: Path, found: list[Settlement]) -> Path:
    """Write `places.csv`."""
    table = pd.DataFrame(
        {column: [getattr(s, key) for s in found] for column, key in COLUMNS.items()}
    ).round({"latitude": 5, "longitude": 5, "ground_ha": 1})
    table["expected_landslide_ha"] = table["expected_landslide_ha"].round(3)
    table["share_of_ground"] = table["share_of_ground"].round(6)
    path = out / NAME
    spreadsheets.write(path, table)
    return path


def read(out: Path, most: int) -> tuple[Settlement, ...]:
    """Return the first places of `places.csv`; none where there is no such file."""
    path = out / NAME
    if not path.exists():
        return ()
    table = spreadsheets.read(path, "place").head(most)
    return tuple(
        Settlement(
            name=str(r.place),
            latitude=float(r.latitude), longitude=float(r.longitude),  # type: ignore[arg-type]
            expected=float(r.expected_landslide_ha), ground=float(r.ground_ha),  # type: ignore[arg-type]
        )
        for r in table.itertuples()
    )  # fmt: skip
