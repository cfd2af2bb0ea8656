"""Time and memory of `check` on very many earthquakes or polygons.

    python -m benchmarks.many_points --rows 3000000
    python -m benchmarks.many_points --polygons 300000

A study of so many aftershocks, or of so many landslides and as many polygons of a lithological map,
is made and checked by a process of its own. With --keep DIR the study stays there.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from numpy.typing import NDArray

GIB = 1024**2
"""Kilobytes in a GiB; Linux counts peak memory in kilobytes."""
EAST, NORTH, CELL = 300_000.0, 3_840_000.0, 25.0
"""Corner of the elevation model in EPSG:32643, and side of its cells, in metres."""
CORNERS = 16
"""Of each polygon."""
STUDY = """\
[study]
name = "many"

[event]
time = 2005-10-08T03:50:40Z
epicentre = [73.59, 34.54]
magnitude = 7.6

[layers.dem]
path = "dem.tif"

[inventory]
path = "landslides.fgb"

[evaluation]
protocols = ["pixel", "landslide", "block"]

{tables}
"""
SHOCKS = """
[layers.aftershocks]
path = "aftershocks.csv"
crs = "EPSG:4326"
x = "longitude"
y = "latitude"
"""
UNITS = """
[layers.lithology]
path = "units.fgb"
column = "unit"
"""


def main() -> None:
    """Make, check, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=0, help="aftershocks")
    parser.add_argument("--polygons", type=int, default=0, help="landslides, and polygons of rock")
    parser.add_argument("--side", type=int, default=2000, help="rows and columns of the grid")
    parser.add_argument("--keep", type=Path, help="folder for the study")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "study.toml").exists():
            make(folder, asked.rows, asked.polygons, asked.side)
        command = [sys.executable, "-m", "shakeslide", "check", str(folder / "study.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stdout[-2000:], done.stderr[-2000:])
    print(
        f"check: {used.ru_utime + used.ru_stime:.1f} s of CPU, peak {used.ru_maxrss / GIB:.2f} GiB"
    )


def make(folder: Path, rows: int, polygons: int, side: int) -> None:
    """Write a study of so many aftershocks, or of so many landslides and polygons of rock."""
    rng = np.random.default_rng(1)
    _elevation(folder / "dem.tif", side)
    landslides = _ragged(rng, polygons or 300, side)
    _write(folder / "landslides.fgb", landslides, {"id": np.arange(len(landslides))})
    tables, without = "", ["EI", "FD", "DR", "ST", "SRD", "AF", "LITH"]
    if rows:
        catalogue(folder / "aftershocks.csv", rows)
        tables += SHOCKS
        without.remove("AF")
    if polygons:
        units = _mosaic(rng, polygons, side)
        _write(folder / "units.fgb", units, {"unit": rng.choice(list("ABCDEFGH"), len(units))})
        tables += UNITS
        without.remove("LITH")
    tables += "".join(f"[factors.{code}]\nuse = false\n" for code in without)
    (folder / "study.toml").write_text(STUDY.format(tables=tables))


def catalogue(path: Path, rows: int) -> None:
    """Write a catalogue of earthquakes as a table, part by part."""
    rng, start = np.random.default_rng(1), pd.Timestamp("2005-10-08T04:00:00")
    for first in range(0, rows, 100_000):
        count = min(100_000, rows - first)
        seconds = pd.to_timedelta(rng.uniform(0, 3e7, count).round(3), unit="s")
        table = pd.DataFrame(
            {
                "time": (start + seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "latitude": rng.normal(34.4, 0.3, count).round(4),
                "longitude": rng.normal(73.6, 0.3, count).round(4),
                "mag": rng.exponential(0.5, count).round(1),
                "place": "a text that no factor reads",
            }
        )
        table.to_csv(path, mode="a", header=first == 0, index=False)


def _elevation(path: Path, side: int) -> None:
    """Write ridges and valleys."""
    x = np.arange(side)
    ridges = np.sin(x / 40)[:, np.newaxis] + np.cos(x / 55)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32"}
    place = rasterio.Affine(CELL, 0, EAST, 0, -CELL, NORTH)
    with rasterio.open(path, "w", crs="EPSG:32643", transform=place, **profile) as dst:
        dst.write((1500 + 300 * ridges).astype(np.float32), 1)


def _ragged(rng: np.random.Generator, count: int, side: int) -> NDArray[np.object_]:
    """Return small polygons of ragged outline, anywhere on the grid."""
    middle = rng.uniform(0.02, 0.98, (count, 1, 2)) * side * CELL * [1, -1] + [EAST, NORTH]
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = rng.lognormal(3.3, 0.4, (count, 1)) * rng.uniform(0.7, 1.3, (count, CORNERS))
    points = middle + radius[..., np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(shapely.polygons(points), object)


def _mosaic(rng: np.random.Generator, count: int, side: int) -> NDArray[np.object_]:
    """Return polygons that cover the grid, each with its neighbours' corners."""
    n = max(1, round(count**0.5))
    step = side * CELL / n
    corner = np.stack(np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij"), axis=-1)
    corner[1:-1, 1:-1] += rng.uniform(-0.3, 0.3, (n - 1, n - 1, 2))
    corner = corner * step * [1, -1] + [EAST, NORTH]
    ring = [corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]]
    ends = np.stack(ring, axis=2).reshape(-1, 4, 2)
    # Points along the sides, as digitised lines have them.
    share = np.linspace(0, 1, CORNERS // 4, endpoint=False)[:, np.newaxis]
    sides = [ends[:, [i]] * (1 - share) + ends[:, [(i + 1) % 4]] * share for i in range(4)]
    return np.asarray(shapely.polygons(np.concatenate(sides, axis=1)), object)


def _write(path: Path, shapes: NDArray[np.object_], fields: dict[str, NDArray]) -> None:
    pyogrio.raw.write(
        path,
        np.asarray(shapely.to_wkb(shapes), object),
        list(fields.values()),
        list(fields),
        geometry_type="Polygon",
        crs="EPSG:32643",
        driver="FlatGeobuf",
    )


if __name__ == "__main__":
    main()
