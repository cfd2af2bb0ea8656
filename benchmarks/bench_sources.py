"""Sources told from outlines, against the known ones of a synthetic earthquake.

`python -m benchmarks.bench_sources FOLDER` judges on a written synthetic earthquake (`dem.tif`,
`landslides.gpkg`, `sources.gpkg`) and prints the scores of all methods by size, and the speed.
`python -m benchmarks` makes a small one and prints two rows of it. The settings k, q
and f are not fitted to synthetic earthquakes; how S3 measures lengths and distances, and how small
a landslide S5 may cut off, were chosen among variants on others (seeds 77 and 79).
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from shakeslide import sources
from shakeslide.core.engine import Engine
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.layers.polygons import Polygons
from shakeslide.sources import accuracy
from shakeslide.sources.landslide import Cells, Landslide

SEED, SIZE = 78, 700
S2 = sources.AreaQuantile()

WAYS: Mapping[str, accuracy.Separator] = {
    "S5, S3 (default)": accuracy.by_recipe(sources.Recipe()),
    **accuracy.NAIVE,
    "S3 without S5": accuracy.by_recipe(sources.Recipe(rules=None)),
    "S1 f=1/4": accuracy.by_recipe(
        sources.Recipe((sources.ElevationFraction(1 / 4), S2), None, fewest=1)
    ),
    "S1 f=1/2": accuracy.by_recipe(
        sources.Recipe((sources.ElevationFraction(1 / 2), S2), None, fewest=1)
    ),
    "S2 q=.4": accuracy.by_recipe(sources.Recipe((S2,), None, fewest=1)),
    "S5, S4": accuracy.by_recipe(sources.Recipe((sources.SlopeBreak(), S2))),
}


def alone(held: Polygons, k: int) -> Polygons:
    return held.some([k])


def cases(folder: Path) -> tuple[list[Landslide], list[Cells]]:
    """Landslides of a written synthetic earthquake and their known source cells."""
    grid = raster.info(folder / "dem.tif").grid
    z = raster.RasterSource(folder / "dem.tif").read(grid)
    whole = gpd.read_file(folder / "landslides.gpkg")
    known = gpd.read_file(folder / "sources.gpkg").set_index("id").reindex(whole["id"])
    ones = np.ones(len(whole))
    outlines = Polygons.on_grid(np.asarray(whole.geometry.values, object), ones, grid)
    truth = Polygons.on_grid(np.asarray(known.geometry.values, object), ones, grid)
    landslides, cells = [], []
    rows, cols = grids.shape_of(grid)
    for k, (left, top, right, bottom) in enumerate(outlines.boxes):
        tile = Tile(
            (0, 0),
            max(0, int(top) - 1),
            min(rows, int(bottom) + 2),
            max(0, int(left) - 1),
            min(cols, int(right) + 2),
        )
        part = z[tile.row0 : tile.row1, tile.col0 : tile.col1]
        inside = (alone(outlines, k).burn(tile, 0) > 0) & np.isfinite(part)
        landslides.append(Landslide(part, inside, grids.cell_size(grid)))
        cells.append(alone(truth, k).burn(tile, 0) > 0)
    return landslides, cells


def seconds(folder: Path, workers: int) -> tuple[float, int]:
    """Time of the extraction with its polygons, and the number of outlines."""
    grid = raster.info(folder / "dem.tif").grid
    shapes = np.asarray(gpd.read_file(folder / "landslides.gpkg").geometry.values, object)
    read = raster.RasterSource(folder / "dem.tif").read
    with tempfile.TemporaryDirectory() as warm:
        sources.extract(shapes[:50], grid, read, Path(warm))
    with tempfile.TemporaryDirectory() as work:
        start = time.perf_counter()
        sources.extract(shapes, grid, read, Path(work), engine=Engine(workers))
        return time.perf_counter() - start, len(shapes)


def rows() -> list[dict[str, str]]:
    """Return the rows of the table: agreement with known sources, and speed."""
    from shakeslide.synthetic import BENCHMARK, make, write

    with tempfile.TemporaryDirectory() as name:
        scenario = dataclasses.replace(BENCHMARK, seed=SEED, rows=SIZE, cols=SIZE)
        folder = write(make(scenario), Path(name)).parent
        table = accuracy.by_class(accuracy.judge(*cases(folder), WAYS))
        took, count = seconds(folder, 2)
    least = f"{accuracy.SEPARABLE}+"
    iou = table[table["cells"] == least].set_index("name")["iou"]
    ours, best = float(iou.iloc[0]), float(iou[list(accuracy.NAIVE)].max())
    return [
        {
            "work": f"source areas, median IoU of landslides of {least} cells",
            "peer": "best naive: whole outline or top third",
            "ours": f"{ours:.3f}",
            "theirs": f"{best:.3f}",
            "ratio": f"{ours / best:.2f}",
            "target": "0.10 above",
        },
        {
            "work": "source areas with polygons, two workers",
            "peer": "4.5 ms per landslide",
            "ours": f"{1000 * took / count:.2f} ms",
            "theirs": "4.50 ms",
            "ratio": f"{4.5 / (1000 * took / count):.2f}",
            "target": "1",
        },
    ]


def main() -> None:
    """Judge on a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    table = accuracy.by_class(accuracy.judge(*cases(asked.folder), WAYS))
    with pd.option_context("display.width", 150, "display.max_rows", None):
        print(table.round(3).to_string(index=False))
    took, count = seconds(asked.folder, asked.workers)
    print(f"{count:,} outlines in {took:.1f} s: {1000 * took / count:.2f} ms each")


if __name__ == "__main__":
    main()
