"""Makes the layers of a map of any size in minutes: `python -m benchmarks.large_map`.

    python -m benchmarks.large_map FOLDER --rows 10000 --cols 10500 --most 800000
    python -m benchmarks.large_map FOLDER --rows 19500 --cols 21800 --most 800000

The frozen synthetic earthquake, 1,000 cells along a side, is laid side by side with its mirror
images until the map is full: elevations are continuous, and every layer that the 14 factors take is
there. Shaking, rupture and aftershocks are stretched over the whole map. Cells are 12.5 m. It is no
real terrain, but costs as much time and memory as one.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from benchmarks.bench_files import earthquake
from shakeslide.synthetic.study_files import append_vector

SIDE = 1000
"""Cells along a side of the earthquake that is repeated."""
CELL = 12.5
"""Side of the cells of the map, in metres."""
REPEATED = ("faults", "rivers", "lithology", "soil", "landslides", "sources")
STRETCHED = ("intensity", "rupture")
LANDSLIDES = 320_000
"""Landslides of the largest maps: the paper's inventory has 197,000."""
SHARED_EDGE = 1.0
"""Metres off its edge at which a piece is cut: a line along the edge would be there twice."""
Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Repeat:
    """How the earthquake at `folder` fills a map.

    Attributes
    ----------
    folder : Path
        Where its layers are.
    west, north, width : float
        Corner of the earthquake and its side, in metres of its own CRS.
    rows, cols : int
        Of the map.
    """

    folder: Path
    west: float
    north: float
    width: float
    rows: int
    cols: int

    @property
    def scale(self) -> float:
        """Metres of the map for a metre of the earthquake, where it is repeated."""
        return CELL * SIDE / self.width

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Yield the row and the column of each copy of the earthquake."""
        for i in range(-(-self.rows // SIDE)):
            for j in range(-(-self.cols // SIDE)):
                yield i, j

    def repeated(self, shapes: Shapes, i: int, j: int) -> Shapes:
        """Return shapes as they lie in a copy: every second one is a mirror image."""

        def place(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            right, down = xy[:, 0] - self.west, self.north - xy[:, 1]
            right = self.width - right if j % 2 else right
            down = self.width - down if i % 2 else down
            x = self.west + (right + j * self.width) * self.scale
            y = self.north - (down + i * self.width) * self.scale
            return np.column_stack([x, y])

        return np.asarray(shapely.transform(shapes, place), object)

    def stretched(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places, (n, 2), of the earthquake stretched over the map."""
        reach = np.array([self.cols, self.rows]) * CELL / self.width
        corner = np.array([self.west, self.north])
        return np.asarray(corner + (xy - corner) * reach)


def make(folder: Path, rows: int, cols: int, most: int) -> Path:
    """Write the layers and the study file of a map of `rows` by `cols` cells; return the latter.

    `most` is the number of source cells to draw, and of clear cells.
    """
    base = earthquake(SIDE).parent
    with rasterio.open(base / "dem.tif") as src:
        box = src.bounds
    repeat = Repeat(base, box.left, box.top, box.right - box.left, rows, cols)
    folder.mkdir(parents=True, exist_ok=True)
    _write_dem(repeat, folder / "dem.tif")
    for name in REPEATED:
        _write_repeated(repeat, name, folder / f"{name}.gpkg")
    for name in STRETCHED:
        _write_stretched(repeat, name, folder / f"{name}.gpkg")
    epicentre = _write_points(repeat, folder / "aftershocks.csv")
    path = folder / "study.toml"
    path.write_text(_study(base / "study.toml", epicentre, most))
    return path


def _mirrored(count: int) -> NDArray[np.int64]:
    """Return which row or column of the earthquake lies at each of the map's, (count,)."""
    turn, at = np.divmod(np.arange(count), SIDE)
    return np.where(turn % 2 == 0, at, SIDE - 1 - at)


def _write_dem(repeat: Repeat, path: Path) -> None:
    with rasterio.open(repeat.folder / "dem.tif") as src:
        values, profile = src.read(1) * np.float32(repeat.scale), src.profile
    profile |= {
        "height": repeat.rows,
        "width": repeat.cols,
        "transform": Affine(CELL, 0, repeat.west, 0, -CELL, repeat.north),
        "bigtiff": "if_safer",
    }
    row, col = _mirrored(repeat.rows), _mirrored(repeat.cols)
    high = int(profile["blockysize"])
    with rasterio.open(path, "w", **profile) as out:
        for first in range(0, repeat.rows, high):
            strip = values[row[first : first + high]][:, col]
            out.write(strip, 1, window=((first, first + len(strip)), (0, repeat.cols)))


def _write_repeated(repeat: Repeat, name: str, path: Path) -> None:
    """Write a layer copy by copy; what crosses the earthquake's edge is cut there."""
    frame = gpd.read_file(repeat.folder / f"{name}.gpkg")
    middle, half = repeat.width / 2, repeat.width / 2 - SHARED_EDGE
    x, y = repeat.west + middle, repeat.north - middle
    polygons = bool((shapely.get_dimensions(frame.geometry.to_numpy()) == 2).all())
    # Polygons end at the edge, and classes of neighbours have to meet there.
    if not polygons:
        frame = frame.clip(shapely.box(x - half, y - half, x + half, y + half))
        frame = frame.explode(ignore_index=True)
    shapes = frame.geometry.to_numpy()
    columns = {str(c): frame[c].to_numpy() for c in frame.columns.drop("geometry")}
    path.unlink(missing_ok=True)
    path.touch()
    ground = shapely.box(
        repeat.west,
        repeat.north - repeat.rows * CELL,
        repeat.west + repeat.cols * CELL,
        repeat.north,
    )
    for number, (i, j) in enumerate(repeat.pieces()):
        placed = repeat.repeated(shapes, i, j)
        here = shapely.intersects(ground, placed)
        if "id" in columns:
            here &= _kept(repeat, columns["id"], number)
        if not here.any():
            continue
        own = {c: v[here] for c, v in columns.items()}
        if "id" in own:
            own["id"] = own["id"] + number * (int(columns["id"].max()) + 1)
        append_vector(path, placed[here], own, name, (0.0, 0.0), multi=polygons)


def _kept(repeat: Repeat, ids: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
    """Return which landslides a copy keeps, by their numbers: the same of outlines and sources."""
    share = LANDSLIDES / (len(ids) * repeat.rows * repeat.cols / SIDE**2)
    draw = np.random.default_rng(number).random(int(ids.max()) + 1)
    return np.asarray(draw[ids] < share)


def _write_stretched(repeat: Repeat, name: str, path: Path) -> None:
    frame = gpd.read_file(repeat.folder / f"{name}.gpkg")
    shapes = shapely.transform(frame.geometry.to_numpy(), repeat.stretched)
    columns = {str(c): frame[c].to_numpy() for c in frame.columns.drop("geometry")}
    path.unlink(missing_ok=True)
    path.touch()
    append_vector(path, shapes, columns, name, (0.0, 0.0))


def _write_points(repeat: Repeat, path: Path) -> tuple[float, float]:
    """Write the aftershocks; return the epicentre's longitude and latitude."""
    with rasterio.open(repeat.folder / "dem.tif") as src:
        there = Transformer.from_crs("EPSG:4326", src.crs, always_xy=True)
        back = Transformer.from_crs(src.crs, "EPSG:4326", always_xy=True)

    def moved(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        xy = repeat.stretched(np.column_stack(there.transform(lon, lat)))
        return [np.round(v, 5) for v in back.transform(*xy.T)]

    table = pd.read_csv(repeat.folder / "aftershocks.csv")
    table["longitude"], table["latitude"] = moved(
        table["longitude"].to_numpy(), table["latitude"].to_numpy()
    )
    table.to_csv(path, index=False)
    lon, lat = re.findall(
        r"epicentre = \[([\d.-]+), ([\d.-]+)\]", (repeat.folder / "study.toml").read_text()
    )[0]
    x, y = moved(np.array([float(lon)]), np.array([float(lat)]))
    return float(x[0]), float(y[0])


def _study(base: Path, epicentre: tuple[float, float], most: int) -> str:
    text = base.read_text()
    text = re.sub(r"epicentre = .*", f"epicentre = [{epicentre[0]}, {epicentre[1]}]", text)
    text = re.sub(r"most = \d+", f"most = {most}", text)
    # No probability is true of a map that is put together.
    text = re.sub(r"# Only a synthetic.*\n\[evaluation\.truth\]\npath = .*\n", "", text)
    return re.sub(r"use = \[.*\]", 'use = ["lr", "rf", "sae"]', text)


def main() -> None:
    """Make one and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--cols", type=int, default=4000)
    parser.add_argument("--most", type=int, default=30_000, help="source cells to draw")
    asked = parser.parse_args()
    start = time.perf_counter()
    path = make(asked.folder, asked.rows, asked.cols, asked.most)
    spent = time.perf_counter() - start
    print(f"{path}: {asked.rows * asked.cols / 1e6:,.0f} million cells in {spent:.0f} s")


if __name__ == "__main__":
    main()
