"""Time and peak memory of `shakeslide rapid` by size: `python -m benchmarks.rapid_speed`.

Makes a DEM of ridges and valleys, a ShakeMap with uncertainty and, with `--exposure`, people,
buildings and roads in build/benchmark (where they are not there yet); runs the command from the two
files to maps, totals and report; and prints a Markdown row: seconds, CPU seconds, and the most
memory that the command and its children held together.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import psutil
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import ndimage

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "rapid_speed"
SHAKESLIDE = [sys.executable, "-c", "from shakeslide.cli.app import console_main as m; m()"]
CELL, CRS = 30.0, "EPSG:32643"
WEST, NORTH = 400_000.0, 3_800_000.0
PIECE = 1024
"""Cells along the side of the landscape that is repeated."""
STEP = 1 / 60
"""Degrees between nodes, as many ShakeMaps have it."""


def landscape(seed: int = 5) -> NDArray[np.float32]:
    """Return elevations of a piece of mountains that fits its own copies, (PIECE, PIECE)."""
    white = np.random.default_rng(seed).standard_normal((PIECE, PIECE))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(PIECE), np.fft.rfftfreq(PIECE), indexing="ij"))
    # Relief of about 1 km within 5 km, as in young mountains.
    power = 1 / np.maximum(frequency, 1 / 200) ** 1.9
    rough = np.fft.irfft2(np.fft.rfft2(white) * power, (PIECE, PIECE))
    rough = ndimage.gaussian_filter(rough, 1.5, mode="wrap")
    return (1500 + 450 * rough / rough.std()).astype(np.float32)


def write_dem(path: Path, side: int) -> None:
    """Write a DEM of so many cells along each side, copies of one piece."""
    piece = landscape()
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32",
        "crs": CRS, "transform": Affine(CELL, 0, WEST, 0, -CELL, NORTH), "tiled": True,
        "compress": "deflate", "nodata": -9999.0,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dst:
        for row in range(0, side, PIECE):
            for col in range(0, side, PIECE):
                rows, cols = min(PIECE, side - row), min(PIECE, side - col)
                dst.write(piece[:rows, :cols], 1, window=Window(col, row, cols, rows))


def write_shakemap(folder: Path, side: int) -> None:
    """Write grid.xml and uncertainty.xml of a rupture below the middle of the map."""
    half = side * CELL / 2
    middle = (73.912 + half / 92_000, 34.335 - half / 111_000)
    # Half a degree more than the DEM, on all sides.
    lon = middle[0] + np.arange(-half / 92_000 - 0.5, half / 92_000 + 0.5, STEP)
    lat = middle[1] - np.arange(-half / 111_000 - 0.5, half / 111_000 + 0.5, STEP)
    x, y = np.meshgrid(lon, lat)
    away = np.hypot((x - middle[0]) * 92, (y - middle[1]) * 111)
    # No weaker than 0.06 g, so that all of the DEM counts as shaken.
    pga = 100 * np.maximum(0.75 * np.exp(-away / 45), 0.06)
    spread = np.full(x.shape, 0.5)
    for name, fields in (
        ("grid.xml", {"PGA": (pga, "pctg"), "PGV": (pga * 1.1, "cms")}),
        (
            "uncertainty.xml",
            {
                f"{kind}{m}": (spread * share, "")
                for m in ("PGA", "PGV")
                for kind, share in (("STD", 1), ("GMPE_INTER_STD", 0.6), ("GMPE_INTRA_STD", 0.8))
            },
        ),
    ):
        (folder / name).write_text(xml({"LON": (x, "dd"), "LAT": (y, "dd"), **fields}, middle))


def xml(fields: dict[str, tuple[NDArray[np.float64], str]], middle: tuple[float, float]) -> str:
    """Return a ShakeMap of fields, each with its unit."""
    rows, cols = fields["LON"][0].shape
    named = "\n".join(
        f'<grid_field index="{i}" name="{name}" units="{unit}" />'
        for i, (name, (_, unit)) in enumerate(fields.items(), start=1)
    )
    table = np.column_stack([v.ravel() for v, _ in fields.values()])
    lines = "\n".join(" ".join(f"{v:.5f}" for v in row) for row in table)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap" event_id="speed" '
        'shakemap_id="speed" shakemap_version="1" shakemap_event_type="SCENARIO">\n'
        f'<event event_id="speed" magnitude="7.3" depth="12" lat="{middle[1]:.4f}" '
        f'lon="{middle[0]:.4f}" event_timestamp="2020-01-02T03:04:05UTC" '
        'event_description="Synthetic mountains" />\n'
        f'<grid_specification nlon="{cols}" nlat="{rows}"/>\n'
        f"{named}\n<grid_data>\n{lines}\n</grid_data>\n</shakemap_grid>\n"
    )


def write_exposure(folder: Path, side: int) -> None:
    """Write people in cells of 100 m, a building per 30 cells, and roads of 5 km."""
    rng, length = np.random.default_rng(2), side * CELL
    cells = int(length / 100)
    with rasterio.open(
        folder / "people.tif", "w", driver="GTiff", height=cells, width=cells, count=1,
        dtype="float32", crs=CRS, transform=Affine(100, 0, WEST, 0, -100, NORTH),
    ) as dst:  # fmt: skip
        dst.write(rng.integers(0, 9, (cells, cells)).astype(np.float32), 1)
    count = side**2 // 30
    x, y = WEST + rng.uniform(0, length, count), NORTH - rng.uniform(0, length, count)
    gpd.GeoDataFrame(geometry=shapely.points(x, y), crs=CRS).to_file(folder / "buildings.gpkg")
    count = side**2 // 1600
    x, y = WEST + rng.uniform(0, length, count), NORTH - rng.uniform(0, length, count)
    turn = rng.uniform(0, 2 * np.pi, count)
    ends = np.stack([x + 5000 * np.cos(turn), y + 5000 * np.sin(turn)], axis=1)
    lines = shapely.linestrings(np.stack([np.stack([x, y], axis=1), ends], axis=1))
    gpd.GeoDataFrame({"ref": np.arange(count).astype(str)}, geometry=lines, crs=CRS).to_file(
        folder / "roads.gpkg"
    )


def inputs(side: int, exposure: bool) -> Path:
    """Return the folder of inputs, made where it is not there yet."""
    folder = OUT / str(side)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dem.tif").exists():
        write_shakemap(folder, side)
        write_dem(folder / "dem.tif", side)
    if exposure and not (folder / "roads.gpkg").exists():
        write_exposure(folder, side)
    return folder


@dataclass
class Used:
    """What a command took.

    Attributes
    ----------
    seconds, cpu : float
        On the clock; of all cores, user and system.
    peak : float
        GiB that the command and its children held together.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0


def measured(command: list[str], limit: float) -> Used:
    """Run a command and return what it took; stop it after `limit` seconds."""
    used, start = Used(), time.perf_counter()
    process = subprocess.Popen(command)
    stopped = threading.Event()

    def watch() -> None:
        own = psutil.Process(process.pid)
        while not stopped.wait(0.5):
            try:
                tree = [own, *own.children(recursive=True)]
                # Pages that processes share are counted once.
                used.peak = max(used.peak, sum(p.memory_full_info().pss for p in tree) / 2**30)
                used.cpu = sum(sum(p.cpu_times()) for p in tree)
            except psutil.Error:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    finally:
        stopped.set()
        watcher.join()
    used.seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"failed after {used.seconds:.0f} s, {used.cpu:.0f} CPU s, {used.peak:.2f} GiB")
    return used


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=float, default=1.0, help="millions of cells")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--exposure", action="store_true", help="people, buildings and roads too")
    parser.add_argument("--resolution", type=float, help="as of `shakeslide rapid`")
    parser.add_argument("--limit", type=float, default=900, help="seconds before it is stopped")
    parser.add_argument("--go-on", action="store_true", help="from where a run was stopped")
    asked, further = parser.parse_known_args()
    side = round((asked.cells * 1e6) ** 0.5)
    folder = inputs(side, asked.exposure)
    out = OUT / f"{side}_out"
    if not asked.go_on:
        shutil.rmtree(out, ignore_errors=True)
    command = [*SHAKESLIDE, "rapid", str(folder / "grid.xml"), str(folder / "dem.tif")]
    command += ["--out", str(out), "--set", f"shaking.draws={asked.draws}", "--quiet", *further]
    if asked.resolution:
        command += ["--resolution", str(asked.resolution)]
    if asked.exposure:
        for name in ("people", "buildings", "roads"):
            suffix = "tif" if name == "people" else "gpkg"
            command += ["--set", f'exposure.{name}.path="{folder / name}.{suffix}"']
    used = measured(command, asked.limit)
    print(
        "| cells | draws | seconds | CPU seconds | peak memory |\n| --- | --- | --- | --- | --- |"
    )
    print(
        f"| {side**2:,} | {asked.draws} | {used.seconds:.0f} | {used.cpu:.0f} | "
        f"{used.peak:.2f} GiB |"
    )


if __name__ == "__main__":
    main()
