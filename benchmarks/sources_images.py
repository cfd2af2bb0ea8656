"""What images of before and after are worth to the extraction, on a synthetic earthquake.

`python -m benchmarks.sources_images FOLDER` makes two vegetation indices for a written synthetic
earthquake (`dem.tif`, `landslides.gpkg`, `sources.gpkg`), draws its outlines as well or as badly
as mappers do, and judges the sources with and without the images against the known ones. The
images know of the landslides only where the ground was bared, scar and run-out alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.bench_sources import alone
from shakeslide import sources
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.io.geotiff import TIFF
from shakeslide.layers.polygons import Polygons
from shakeslide.sources import accuracy, change
from shakeslide.sources.landslide import Landslide

SEED = 11
BARE = 0.12
"""Index of rock and debris."""
NOISE = 0.03
"""Standard deviation of a cell's index, at either date."""

Array = NDArray[np.float32]
Shapes = NDArray[np.object_]


def smooth(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Array:
    """Return a Gaussian field of unit variance that is alike over `sigma` cells."""
    # Wide fields are made on fewer cells.
    step = max(1, int(sigma / 4))
    small = rng.standard_normal([n // step + 2 for n in shape], np.float32)
    field = ndimage.gaussian_filter(small, sigma / step)
    field = ndimage.zoom(field, step, order=1)[: shape[0], : shape[1]]
    scaled: Array = (field / field.std()).astype(np.float32)
    return scaled


def indices(bared: NDArray[np.bool_], seed: int = SEED) -> tuple[Array, Array]:
    """Return a vegetation index of before and of after, NaN under clouds.

    Before: forests, meadows, and a tenth of rock. After: another season, which differs from place
    to place; landslides bare but for tufts on a tenth of them; fields and cuttings bared elsewhere
    (1.5 % of the ground). Both are blurred by the sensor, noisy, a third of a cell off the map, and
    a tenth of the later one is under clouds.
    """
    rng = np.random.default_rng(seed)
    shape = (bared.shape[0], bared.shape[1])
    before = 0.55 + 0.18 * smooth(rng, shape, 40) + 0.08 * smooth(rng, shape, 4)
    before = np.where(smooth(rng, shape, 20) > 1.28, BARE, before).clip(0.05, 0.9)
    after = 0.95 * before - 0.03 + 0.04 * smooth(rng, shape, 8)
    gone = bared & (smooth(rng, shape, 1.5) < 1.28) | (smooth(rng, shape, 3) > 2.17)
    debris = BARE + 0.04 * smooth(rng, shape, 1.5)
    after = np.where(gone, np.minimum(after, debris), after)
    seen = []
    for truth, off in ((before, (0.3, -0.2)), (after, (-0.2, 0.3))):
        blurred = ndimage.shift(ndimage.gaussian_filter(truth, 0.6), off, order=1, mode="nearest")
        seen.append((blurred + NOISE * rng.standard_normal(shape)).astype(np.float32))
    seen[1][smooth(rng, shape, 60) > 1.28] = np.nan
    return seen[0], seen[1]


def moved(shapes: Shapes, by: float, seed: int = SEED) -> Shapes:
    """Return each outline moved by a distance (m) in a direction of its own."""
    turn = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(shapes))
    step = by * np.column_stack([np.cos(turn), np.sin(turn)])
    _, owner = shapely.get_coordinates(shapes, return_index=True)
    out = shapes.copy()
    shapely.set_coordinates(out, shapely.get_coordinates(shapes) + step[owner])
    return out


DRAWN: Mapping[str, Callable[[Shapes, float], Shapes]] = {
    "exact": lambda shapes, cell: shapes,
    "one cell too wide": lambda shapes, cell: shapely.buffer(shapes, cell),
    "two cells too wide": lambda shapes, cell: shapely.buffer(shapes, 2 * cell),
    "one cell off": lambda shapes, cell: moved(shapes, cell),
    "two cells off, one too wide": lambda shapes, cell: shapely.buffer(
        moved(shapes, 2 * cell), cell
    ),
}
"""How outlines are drawn, from the true ones and the side of a cell (m)."""


def written(folder: Path, drawn: str) -> dict[str, Path]:
    """Write the images of a synthetic earthquake and its outlines as drawn; their files."""
    made = folder / "images"
    made.mkdir(exist_ok=True)
    grid = raster.info(folder / "dem.tif").grid
    rows, cols = grids.shape_of(grid)
    whole = gpd.read_file(folder / "landslides.gpkg")
    shapes, ones = np.asarray(whole.geometry.values, object), np.ones(len(whole))
    bared = Polygons.on_grid(shapes, ones, grid).burn(Tile((0, 0), 0, rows, 0, cols), 0) > 0
    paths = {}
    for name, values in zip(("before", "after"), indices(bared), strict=True):
        paths[name] = made / f"{name}.tif"
        profile = {**TIFF, "height": rows, "width": cols, "count": 1, "dtype": "float32"}
        profile |= {"crs": grids.crs_of(grid).to_wkt(), "transform": grid.affine}
        with rasterio.open(paths[name], "w", **profile) as file:
            file.write(values, 1)
    paths["outlines"] = made / "outlines.gpkg"
    wide = DRAWN[drawn](shapes, grids.cell_size(grid)[0])
    gpd.GeoDataFrame(geometry=wide, crs=whole.crs).to_file(paths["outlines"])
    return paths


def looked_at(
    z: Array, cover: change.Cover, outlines: Polygons, every: int, cell: tuple[float, float]
) -> Iterator[tuple[int, Tile, Landslide, change.Trimmed]]:
    """Yield every so manieth outline with its window and what the images leave of it."""
    rows, cols = z.shape
    taken = outlines.burn(Tile((0, 0), 0, rows, 0, cols), 0) > 0
    rule = change.Rule()
    margin = rule.margin(cell)
    for k in range(0, len(outlines.boxes), every):
        left, top, right, bottom = outlines.boxes[k]
        tile = Tile(
            (0, 0),
            max(0, int(top) - margin),
            min(rows, int(bottom) + margin + 1),
            max(0, int(left) - margin),
            min(cols, int(right) + margin + 1),
        )
        part = (slice(tile.row0, tile.row1), slice(tile.col0, tile.col1))
        inside = (alone(outlines, k).burn(tile, 0) > 0) & np.isfinite(z[part])
        if inside.any():
            told = change.trim(inside, cover.part(part), taken[part], cell, rule)
            yield k, tile, Landslide(z[part], inside, cell), told


def judged(folder: Path, every: int) -> pd.DataFrame:
    """Return the scores of sources told with and without images, by kind of outline.

    The known source counts whole, also where the outline misses it.
    """
    grid = raster.info(folder / "dem.tif").grid
    cell = grids.cell_size(grid)
    z = raster.RasterSource(folder / "dem.tif").read(grid)
    whole = gpd.read_file(folder / "landslides.gpkg")
    known = gpd.read_file(folder / "sources.gpkg").set_index("id").reindex(whole["id"])
    shapes, ones = np.asarray(whole.geometry.values, object), np.ones(len(whole))
    truth = Polygons.on_grid(np.asarray(known.geometry.values, object), ones, grid)
    everything = Tile((0, 0), 0, z.shape[0], 0, z.shape[1])
    before, after = indices(Polygons.on_grid(shapes, ones, grid).burn(everything, 0) > 0)
    cover = change.Cover((before - after).astype(float), after.astype(float))
    tell = accuracy.by_recipe(sources.Recipe())
    rows = []
    for drawn, draw in DRAWN.items():
        outlines = Polygons.on_grid(draw(shapes, cell[0]), ones, grid)
        for k, tile, slide, told in looked_at(z, cover, outlines, every, cell):
            source = alone(truth, k).burn(tile, 0) > 0
            if not source.any():
                continue
            without = tell(slide)
            with_images = without
            if told.verdict == change.REFINED:
                with_images = tell(Landslide(slide.z, told.kept, cell))
            about = {"drawn": drawn, "cells": slide.count, "verdict": told.verdict}
            about["share"] = np.count_nonzero(source) / slide.count
            for name, cells in (("without", without), ("with", with_images)):
                rows.append(about | {"name": name} | accuracy.score(slide, source, cells))
    return pd.DataFrame(rows)


def main() -> None:
    """Judge on a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=5, help="take every so manieth outline")
    asked = parser.parse_args()
    scores = judged(asked.folder, asked.every)
    tables = []
    for drawn, part in scores.groupby("drawn", sort=False):
        found = accuracy.by_class(part)
        found["mean_f1"] = [_mean_f1(part, row) for row in found.itertuples()]
        tables.append(found.assign(drawn=drawn))
    table = pd.concat(tables)
    with pd.option_context("display.width", 160, "display.max_rows", None):
        shown = table.pivot_table(
            ["landslides", "iou", "mean_iou", "mean_f1", "area_bias"],
            ["drawn", "cells"],
            "name",
            sort=False,
        )
        print(shown.round(3).to_string())
        first = scores[scores["name"] == "with"]
        print(first.groupby("drawn", sort=False)["verdict"].value_counts().unstack().to_string())
        refined = scores[scores["verdict"] == change.REFINED]
        print("mean over the refined ones alone")
        print(refined.pivot_table(["iou", "f1"], "drawn", "name", sort=False).round(3).to_string())


def _mean_f1(scores: pd.DataFrame, row: Any) -> float:
    low, _, high = row.cells.replace("all", "1-").replace("+", "-").partition("-")
    within = scores["cells"].between(int(low), float(high or np.inf))
    return float(scores.loc[within & (scores["name"] == row.name), "f1"].mean())


if __name__ == "__main__":
    main()
