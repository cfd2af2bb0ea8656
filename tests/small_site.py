"""A small site made by hand, with the files a user would have, for the tests of the path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine

CRS = "EPSG:32643"
CELL = 30.0
ROWS, COLS = 150, 180
WEST, NORTH = 340_000.0, 3_840_000.0
TRANSFORM = Affine(CELL, 0, WEST, 0, -CELL, NORTH)

STUDY = """
[study]
name = "Test site"
seed = 7

[event]
epicentre = [73.30, 34.66]
magnitude = 7.0

[grid]
tile = 64

[layers.dem]
path = "dem.tif"
[layers.intensity]
path = "intensity.gpkg"
column = "mmi"
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
path = "soil.tif"

[inventory]
path = "landslides.gpkg"
where = "year = 2005"
[[inventory.ambiguous]]
path = "landslides.gpkg"
where = "year <> 2005"

[evaluation]
repeats = 2
folds = 2
block_size = 1200
buffer = 60

[models.sae]
units = [8, 8]
pretrain_steps = 20
steps = 60
[models.rf]
n_estimators = 9
max_depth = 5
"""

FACTORS = {
    "dem": ("SLO", "SLOA", "TPI", "SC", "RER"),
    "intensity": ("EI",),
    "rupture": ("SRD",),
    "aftershocks": ("AF",),
    "lithology": ("LITH",),
    "faults": ("FD",),
    "rivers": ("DR",),
    "soil": ("ST",),
}
"""Factors by the layer that they need; those of the elevation and the epicentre need no other."""


def only(*layers: str) -> list[str]:
    """Overrides that leave out the factors of all other layers: much less is read and computed."""
    others = (codes for name, codes in FACTORS.items() if name not in layers)
    return [f"factors.{code}.use=false" for codes in others for code in codes]


def make_few(folder: Path, *layers: str) -> Path:
    """Write the site with a study that uses the named layers alone, and return its file."""
    study = make(folder)
    off = (text.removesuffix(".use=false") for text in only(*layers))
    with study.open("a") as file:
        file.writelines(f"[{table}]\nuse = false\n" for table in off)
    return study


def elevation() -> np.ndarray:
    """Ridges and valleys in metres, (ROWS, COLS) float32."""
    y, x = np.mgrid[0:ROWS, 0:COLS] * CELL
    z = 1500 + 300 * np.sin(x / 700) * np.cos(y / 900) + 60 * np.sin(x / 150 + y / 200) + 0.05 * x
    return z.astype(np.float32)


def raster(path: Path, values: np.ndarray, **profile: object) -> None:
    """Write one band on the site's grid."""
    full = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype.name,
        "crs": CRS,
        "transform": TRANSFORM,
        **profile,
    }
    with rasterio.open(path, "w", **full) as dst:
        dst.write(values, 1)


def point(col: float, row: float) -> tuple[float, float]:
    """Coordinates of a place given in cells."""
    return WEST + col * CELL, NORTH - row * CELL


def box(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle given in cells from its north-west corner."""
    x, y = point(col, row)
    return shapely.box(x, y - height * CELL, x + width * CELL, y)


def frame(geometry: list[shapely.Geometry], **columns: list[object]) -> gpd.GeoDataFrame:
    """Features in the site's CRS."""
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=CRS)


def landslides() -> gpd.GeoDataFrame:
    """Rectangles on steep ground, most of the year of the event."""
    rng = np.random.default_rng(3)
    z = elevation().astype(float)
    steep = np.hypot(*np.gradient(z, CELL))
    rows, cols = np.nonzero(steep > np.quantile(steep, 0.85))
    chosen = rng.choice(len(rows), 60, replace=False)
    shapes = [box(cols[i] - 0.2, rows[i] - 0.3, 3.1, 4.2) for i in chosen]
    shapes.append(box(20.6, 30.6, 0.3, 0.3))  # holds no cell centre
    return frame(shapes, year=[2005] * 50 + [2001] * 10 + [2005])


def make(folder: Path) -> Path:
    """Write the site into `folder` and return its study file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_bytes(content)
    return folder / "study.toml"


@cache
def files() -> Mapping[str, bytes]:
    """The site's files by name, made once in each process."""
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def write(folder: Path) -> None:
    """Make the site's files."""
    raster(folder / "dem.tif", elevation())
    ys, xs = np.mgrid[0:ROWS, 0:COLS]
    raster(folder / "soil.tif", (1 + (xs // 40 + ys // 50) % 3).astype(np.int16), nodata=-1)
    bands = [box(-5, 30 * i - 5, COLS + 10, 30) for i in range(6)]
    frame(bands, mmi=[8.5, 8.0, 7.5, 7.0, 6.5, 6.0]).to_file(folder / "intensity.gpkg")
    units = ["schist", "granite", None, "limestone"]
    frame([box(45 * i, -5, 45, ROWS + 10) for i in range(4)], unit=units).to_file(
        folder / "lithology.gpkg"
    )
    line = shapely.LineString
    frame([line([point(-200, -50), point(90, 60), point(400, 260)])]).to_file(
        folder / "rupture.gpkg"
    )
    frame(
        [line([point(10, 200), point(60, -40)]), line([point(150, 10), point(170, 140)])]
    ).to_file(folder / "faults.gpkg")
    wiggle = [point(c, 70 + 20 * np.sin(c / 15)) for c in range(-10, COLS + 10, 3)]
    frame([line(wiggle), line([point(80, 70), point(100, 160)])]).to_file(folder / "rivers.gpkg")
    rng = np.random.default_rng(4)
    pd.DataFrame(
        {
            "longitude": 73.28 + 0.06 * rng.random(40),
            "latitude": 34.64 + 0.06 * rng.random(40),
            "magnitude": 4 + rng.exponential(0.4, 40),
        }
    ).to_csv(folder / "aftershocks.csv", index=False)
    landslides().to_file(folder / "landslides.gpkg")
    (folder / "study.toml").write_text(STUDY)
