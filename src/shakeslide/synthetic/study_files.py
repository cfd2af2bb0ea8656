"""A synthetic earthquake written as the files a real user would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from shakeslide.core import spreadsheets
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.io.geopackage import undated
from shakeslide.synthetic import geology
from shakeslide.synthetic.earthquake import CRS, Earthquake, SyntheticEarthquake
from shakeslide.synthetic.id_polygons import Place, outlines, patches
from shakeslide.synthetic.mappers import filled
from shakeslide.synthetic.shakemap_file import shakemap_text
from shakeslide.synthetic.shaking import intensity

Array = NDArray[np.floating[Any]]

TIME = "2024-05-12T06:28:00Z"
BLOCK = 256
"""Side of the blocks of a raster (cells)."""
BEYOND = 0.25
"""How far layers reach beyond the elevation model, as a share of its size."""


def _to_lonlat(earthquake: Earthquake, x: Array, y: Array) -> tuple[Array, Array]:
    transformer = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    east, north = earthquake.scenario.centre
    lon, lat = transformer.transform(np.asarray(x) + east, np.asarray(y) + north)
    return np.asarray(lon), np.asarray(lat)


def epicentre(earthquake: Earthquake) -> tuple[float, float]:
    """Longitude and latitude (degrees)."""
    east, north = earthquake.rupture.epicentre
    lon, lat = _to_lonlat(earthquake, np.array([east]), np.array([north]))
    return round(float(lon[0]), 5), round(float(lat[0]), 5)


def study_text(earthquake: Earthquake) -> str:
    """Study file (TOML) for the files that `write` makes."""
    lon, lat = epicentre(earthquake)
    scenario = earthquake.scenario
    partly = scenario.mapped_share < 1.0
    extent = '\n[inventory.extent]\npath = "mapped_extent.gpkg"\n' if partly else ""
    return f"""\
# A synthetic earthquake made by shakeslide: every file beside this one is invented.
[study]
name = "Synthetic M{scenario.magnitude} earthquake"
preset = "recommended"
seed = {scenario.seed}

[event]
epicentre = [{lon}, {lat}]
magnitude = {scenario.magnitude}
time = "{TIME}"

[layers.dem]
path = "dem.tif"
source = "synthetic, made by shakeslide"

[layers.intensity]
path = "intensity.gpkg"
column = "intensity"

[layers.rupture]
path = "rupture.gpkg"

[layers.aftershocks]
path = "aftershocks.csv"
x = "longitude"
y = "latitude"
crs = "EPSG:4326"

[layers.lithology]
path = "lithology.gpkg"
column = "unit"

[layers.faults]
path = "faults.gpkg"

[layers.rivers]
path = "rivers.gpkg"

[layers.soil]
path = "soil.gpkg"
column = "soil"

[inventory]
path = "landslides.gpkg"

[inventory.sources]
path = "sources.gpkg"
{extent}
[samples]
most = 6000

[evaluation]
protocols = ["pixel", "block"]
repeats = 2
folds = 2
# Only a synthetic earthquake knows the true probability of each cell.
[evaluation.truth]
path = "truth.tif"

[models]
use = ["lr", "rf", "sae"]
"""


class RasterProfile(TypedDict):
    """How GDAL writes a raster: options of `rasterio.open`."""

    driver: str
    width: int
    height: int
    count: int
    dtype: np.dtype[Any]
    crs: str
    transform: Affine
    compress: str
    zlevel: int
    predictor: int
    nodata: float
    tiled: bool
    blockxsize: int
    blockysize: int
    bigtiff: str


def raster_profile(earthquake: Earthquake, dtype: np.dtype[Any], nodata: float) -> RasterProfile:
    """Return how a raster of the map is written."""
    rows, cols = earthquake.geobox.shape
    return {
        "driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": dtype,
        "crs": CRS, "transform": earthquake.geobox.affine, "compress": "deflate", "zlevel": 1,
        # GDAL has one predictor for floating-point and one for whole numbers.
        "predictor": 3 if dtype.kind == "f" else 2, "nodata": nodata,
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer",
    }  # fmt: skip


def _raster(path: Path, array: NDArray[Any], earthquake: Earthquake) -> None:
    nodata, tags = RASTERS[path.stem]
    profile = raster_profile(earthquake, array.dtype, nodata)
    with replacing(path) as temporary, rasterio.open(temporary, "w", **profile) as out:
        out.write(array, 1)
        out.update_tags(**tags)


def write_vector(
    path: Path,
    geometry: Any,
    columns: Mapping[str, ArrayLike],
    layer: str,
    centre: tuple[float, float],
) -> None:
    """Write shapes (m from the map's middle, which is at `centre`) and their columns."""
    with replacing(path) as temporary:
        append_vector(temporary, geometry, columns, layer, centre)


def append_vector(
    path: Path,
    geometry: Any,
    columns: Mapping[str, ArrayLike],
    layer: str,
    centre: tuple[float, float],
    *,
    multi: bool | None = None,
) -> None:
    """Write shapes as `write_vector` does, behind those that are in the file already.

    It may be empty, as `replacing` gives it. With `multi` all are of a type that may have several
    parts, by default where any of them has.
    """
    frame = gpd.GeoDataFrame(dict(columns), geometry=geometry, crs=CRS)
    frame["geometry"] = frame.geometry.translate(*centre)
    mode = "a" if path.stat().st_size else "w"
    if mode == "w":
        # An empty file is no GeoPackage that GDAL could open.
        path.unlink()
    # Without the date of writing: the same bytes every time.
    with undated():
        frame.to_file(
            path, layer=layer, driver="GPKG", engine="pyogrio", mode=mode, promote_to_multi=multi
        )


def _wide_axes(earthquake: Earthquake, points: int) -> tuple[Array, Array]:
    """Coarse coordinates (m) of the map and its surroundings, north first."""
    s = earthquake.scenario
    width, height = s.cols * s.cell, s.rows * s.cell
    reach = BEYOND * max(width, height)
    step = (max(width, height) + 2 * reach) / points
    half_x, half_y = width / 2 + reach, height / 2 + reach
    return np.arange(-half_x, half_x + step, step), np.arange(half_y, -half_y - step, -step)


def _write_intensity(folder: Path, earthquake: Earthquake) -> None:
    x, y = _wide_axes(earthquake, 300)
    mmi = intensity(earthquake.motion_at(x, y).pgv)
    polygons, values = [], []
    for low in np.arange(np.floor(mmi.min() * 2) / 2, mmi.max(), 0.5):
        found = filled(x, y, mmi, low, low + 0.5)
        polygons += found
        values += [float(low + 0.25)] * len(found)
    write_vector(
        folder / "intensity.gpkg",
        polygons,
        {"intensity": values},
        "intensity",
        earthquake.scenario.centre,
    )


def _write_faults(folder: Path, earthquake: Earthquake) -> None:
    rupture = earthquake.rupture
    trace = shapely.LineString(rupture.trace())
    write_vector(
        folder / "rupture.gpkg",
        [trace],
        {"name": ["main rupture"]},
        "rupture",
        earthquake.scenario.centre,
    )
    names, lines = rupture.fault_network(earthquake.scenario.extent)
    shapes = [shapely.LineString(line) for line in lines]
    write_vector(
        folder / "faults.gpkg", shapes, {"name": names}, "faults", earthquake.scenario.centre
    )


def _write_rivers(folder: Path, earthquake: SyntheticEarthquake) -> None:
    reaches, frame = earthquake.rivers, earthquake.relief.frame
    row, col = np.divmod(reaches.cells, frame.cols)
    xy = np.column_stack([frame.x[col], frame.y[row]])
    sizes = np.diff(reaches.starts)
    index = np.repeat(np.arange(sizes.size), sizes)
    # A reach of one cell makes no line.
    keep = np.repeat(sizes > 1, sizes)
    lines = shapely.linestrings(xy[keep], indices=np.unique(index[keep], return_inverse=True)[1])
    area = reaches.area[sizes > 1] * frame.cell**2 / 1e6
    columns = {"order": reaches.order[sizes > 1], "upstream_km2": np.round(area, 3)}
    write_vector(folder / "rivers.gpkg", lines, columns, "rivers", earthquake.scenario.centre)


def _write_aftershocks(folder: Path, earthquake: Earthquake) -> None:
    shocks = earthquake.aftershocks
    lon, lat = _to_lonlat(earthquake, shocks.x, shocks.y)
    time = pd.Timestamp(TIME) + pd.to_timedelta(shocks.days * 86400.0, unit="s").round("s")
    table = pd.DataFrame(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "longitude": lon.round(4),
            "latitude": lat.round(4),
            "depth": shocks.depth.round(1),
            "magnitude": shocks.magnitude.round(1),
        }
    )
    spreadsheets.write(folder / "aftershocks.csv", table)


def _write_classes(folder: Path, earthquake: SyntheticEarthquake) -> None:
    place = _place(earthquake)
    codes, shapes = patches(earthquake.surface.rock, place)
    write_vector(
        folder / "lithology.gpkg",
        shapes,
        rock_columns(codes),
        "lithology",
        earthquake.scenario.centre,
    )
    codes, shapes = patches(earthquake.surface.soil, place)
    write_vector(
        folder / "soil.gpkg", shapes, soil_columns(codes), "soil", earthquake.scenario.centre
    )


def rock_columns(codes: NDArray[np.int64]) -> dict[str, list[str]]:
    """Return the columns of the lithology layer for polygons with these codes, (n,)."""
    rocks = [geology.ROCKS[code] for code in codes]
    return {"unit": [r.name for r in rocks], "glim": [r.glim for r in rocks]}


def soil_columns(codes: NDArray[np.int64]) -> dict[str, list[str]]:
    """Return the columns of the soil layer for polygons with these codes, (n,)."""
    return {"soil": [geology.SOILS[code] for code in codes]}


def _place(earthquake: SyntheticEarthquake) -> Place:
    surface = earthquake.surface
    half = surface.cell / 2
    return float(surface.x[0] - half), float(surface.y[0] + half), surface.cell


def _write_inventory(folder: Path, earthquake: SyntheticEarthquake) -> None:
    slides, mapping = earthquake.landslides, earthquake.mapping
    kept = np.where(np.r_[False, mapping.mapped], np.arange(slides.count + 1), 0).astype(np.int32)
    for name, raster in (("landslides", slides.whole), ("sources", slides.source)):
        ids, shapes = outlines(kept[raster], _place(earthquake))
        area = np.round(shapely.area(shapes), 1)
        write_vector(
            folder / f"{name}.gpkg",
            shapes,
            {"id": ids, "area": area},
            name,
            earthquake.scenario.centre,
        )
    if mapping.extent is not None:
        write_vector(
            folder / "mapped_extent.gpkg",
            [mapping.extent],
            {"id": [1]},
            "mapped_extent",
            earthquake.scenario.centre,
        )


def _write_rasters(folder: Path, earthquake: SyntheticEarthquake) -> None:
    surface = earthquake.surface
    arrays: dict[str, NDArray[Any]] = {
        "dem": earthquake.dem, "pga": surface.pga, "pgv": earthquake.pgv,
        "truth": earthquake.p_star, "landcover": surface.cover,
    }  # fmt: skip
    for name, array in arrays.items():
        _raster(folder / f"{name}.tif", array, earthquake)


def prepare(folder: Path) -> Path:
    """Make a folder for an earthquake, without the study and layers of an earlier one.

    Raises
    ------
    InputError
        A folder has the name of a file that is to be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The study goes first and is written last: where it is, all of its layers are whole.
    for name in names():
        remove(folder / name)
    return folder


def names() -> list[str]:
    """Return the names of all files that `write` may make; the study comes first."""
    layers = [f"{name}.gpkg" for name in sorted(LAYERS)] + [f"{name}.tif" for name in RASTERS]
    return ["study.toml", *layers, "aftershocks.csv", "landcover.csv", "grid.xml"]


def written(folder: Path) -> list[Path]:
    """Return the files of an earthquake that `write` has left."""
    return [path for name in names() if (path := folder / name).is_file()]


def remove(path: Path) -> None:
    """Delete a file that is to be written anew, if it is there; a folder raises `InputError`."""
    if path.is_dir() and not path.is_symlink():
        raise InputError(
            f"{path}: is a folder, but a file must be written there; move it away or choose "
            "another folder"
        )
    path.unlink(missing_ok=True)


def write_beside_map(earthquake: Earthquake, folder: Path) -> Path:
    """Write what does not depend on the cells of the map; return the study file."""
    _write_intensity(folder, earthquake)
    _write_faults(folder, earthquake)
    _write_aftershocks(folder, earthquake)
    rows = [f"{code},{name}" for code, (name, _) in sorted(geology.LAND_COVERS.items())]
    texts = {
        "landcover.csv": "code,name\n" + "\n".join(rows) + "\n",
        "grid.xml": shakemap_text(earthquake, BEYOND, epicentre(earthquake), TIME),
        "study.toml": study_text(earthquake),
    }
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "study.toml"


def write(earthquake: SyntheticEarthquake, folder: Path) -> Path:
    """Write an earthquake as the files a user would have, and a study file.

    Parameters
    ----------
    earthquake : SyntheticEarthquake
    folder : Path
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    Path
        The study file.
    """
    folder = prepare(folder)
    _write_rasters(folder, earthquake)
    _write_rivers(folder, earthquake)
    _write_classes(folder, earthquake)
    _write_inventory(folder, earthquake)
    return write_beside_map(earthquake, folder)


RASTERS: dict[str, tuple[float, dict[str, str]]] = {
    "dem": (np.nan, {"unit": "m"}),
    "pga": (np.nan, {"unit": "g"}),
    "pgv": (np.nan, {"unit": "cm/s"}),
    "truth": (np.nan, {"unit": "probability"}),
    "landcover": (0, {"legend": "landcover.csv"}),
}
"""Rasters of the map: nodata and tags."""
LAYERS = {
    "intensity", "rupture", "faults", "rivers", "lithology", "soil", "landslides", "sources",
    "mapped_extent",
}  # fmt: skip
