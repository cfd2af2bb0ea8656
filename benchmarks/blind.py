"""Maps from before any mapping, against what was mapped later: `python -m benchmarks.blind`.

Kashmir 2005 from the DEM and a grid of PGA alone (`kashmir`) and with the PGV of its finite rupture
(`rupture`), Loma Prieta 1989 by points (`loma`), a window of Wenchuan 2008 by slope units
(`wenchuan`). Nothing is fitted to their landslides. Cells count where PGA is 0.1 g or more, the
slope 5 degrees or more, and no landslide of other years lies. Prints a Markdown table per
earthquake: AUC, its difference from slope times PGA with the standard deviation over 3 km blocks
that are drawn anew, share of the landslides in the highest 5, 10, 20 % of the ground, and for
models of probability the logarithm of expected over mapped area. `--model` adds bundles.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject
from scipy.ndimage import distance_transform_edt

from shakeslide.core import documents
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.factors import terrain
from shakeslide.hazard.strong_shaking import STRONG
from shakeslide.models.formulas import kritikos
from shakeslide.rapid import command, new_earthquake
from shakeslide.rapid.totals import Totals
from shakeslide.shaking import bssa14
from shakeslide.shaking.conversion import intensity_of_pgv
from shakeslide.synthetic.failure import critical_acceleration, displacement

Array = NDArray[np.floating]
DATA = Path(__file__).parents[1].parent / "shared" / "data"
LEAST_SLOPE = 5.0
BLOCK, TRIALS, BINS = 3000.0, 500, 2000
USUAL = "jessee2022"


@dataclass(frozen=True)
class Grid:
    """Rasters of one earthquake on one grid, (rows, cols) each."""

    profile: dict
    slope: Array
    pga: Array
    pgv: Array
    dem: Array

    def onto(self, path: Path, how: Resampling = Resampling.nearest) -> Array:
        """Return the first band of a raster on this grid, NaN where it has no value."""
        out = np.full(self.slope.shape, np.nan, np.float32)
        with rasterio.open(path) as src:
            reproject(
                src.read(1).astype(np.float32), out, src_transform=src.transform,
                src_crs=src.crs or "EPSG:4326", src_nodata=src.nodata,
                dst_transform=self.profile["transform"], dst_crs=self.profile["crs"],
                dst_nodata=np.nan, resampling=how,
            )  # fmt: skip
        return out

    def burnt(self, path: Path, wanted: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]) -> Array:
        """Return where some of the shapes of a file lie."""
        table = wanted(gpd.read_file(path)).to_crs(self.profile["crs"])
        shapes = [(g, 1) for g in table.geometry]
        where = {"out_shape": self.slope.shape, "transform": self.profile["transform"]}
        return rasterize(shapes, **where).astype(bool)

    @property
    def cell(self) -> float:
        """Side of a cell (m)."""
        return float(self.profile["transform"].a)


@dataclass(frozen=True)
class Frame:
    """What is ranked: cells, or units of cells.

    Attributes
    ----------
    inside : array of bool, (rows, cols)
        Cells that count.
    unit : array of int, (cells inside,)
        Which unit each belongs to.
    failed : array of bool, (units,)
    block : array of int, (units,)
    mapped_km2 : float
        Area of the landslides; NaN if points are known only.
    """

    inside: NDArray[np.bool_]
    unit: NDArray[np.int64]
    failed: NDArray[np.bool_]
    block: NDArray[np.int64]
    mapped_km2: float

    def of(self, field: Array) -> Array:
        """Return the mean of a field over each unit, (units,)."""
        values = np.nan_to_num(field[self.inside].astype(np.float64))
        count = np.bincount(self.unit, minlength=self.failed.size)
        return np.bincount(self.unit, values, self.failed.size) / count

    def captured(self, values: Array) -> list[float]:
        """Share of the failed units in the highest 5, 10, 20 %."""
        total = np.cumsum(self.failed[np.argsort(-values, kind="stable")]) / self.failed.sum()
        return [float(total[int(total.size * share) - 1]) for share in (0.05, 0.1, 0.2)]

    def aucs(self, values: Array, weights: Array) -> Array:
        """Return the AUC with each row of weights of blocks, (trials,); ties count half."""
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        place = np.searchsorted(edges, values, side="right")
        blocks, size = weights.shape[1], edges.size + 1
        at = self.block * size + place
        yes, no = (
            weights @ np.bincount(at[k], minlength=blocks * size).reshape(blocks, size)
            for k in (self.failed, ~self.failed)
        )
        below = np.cumsum(no, axis=1) - no / 2
        return (yes * below).sum(1) / (yes.sum(1) * no.sum(1))


def cells(grid: Grid, failed: Array, more: Array, mapped: float | None = None) -> Frame:
    """Return a frame of single cells."""
    inside = (
        (grid.pga >= STRONG["PGA"]) & (grid.slope >= LEAST_SLOPE) & np.isfinite(grid.pgv) & more
    )
    rows, cols = np.nonzero(inside)
    side = round(BLOCK / grid.cell)
    _, block = np.unique(rows // side * 10_000 + cols // side, return_inverse=True)
    y = failed[inside]
    area = y.sum() * grid.cell**2 / 1e6 if mapped is None else mapped
    return Frame(inside, np.arange(y.size), y, block, float(area))


def kashmir(data: Path, grid: Grid) -> Frame:
    """Cells of the landslides of 2005 and 2006; those of other years are left out."""
    folder = data / "kashmir2005"
    failed = grid.onto(folder / "mask_landslides_eq_2005_2006.tif") > 0
    old = grid.burnt(folder / "landslides_all.gpkg", lambda t: t[~t.Year_obs.isin([2005, 2006])])
    return cells(grid, failed, ~(old & ~failed))


def loma(data: Path, grid: Grid) -> Frame:
    """Cells that hold a point, within the hull of the points."""
    folder = data / "lomaprieta1989"
    failed = grid.burnt(folder / "landslide_points_keefer_manson_1998.gpkg", lambda t: t)
    hull = grid.onto(folder / "hull_area_80m.tif") > 0
    return cells(grid, failed, hull, np.nan)


def wenchuan(data: Path, grid: Grid) -> Frame:
    """Slope units, of which those with more than a quarter in landslides failed."""
    folder = data / "wenchuan2008_window"
    table = gpd.read_file(folder / "slope_unit_centroids.gpkg")
    usable = table[table.usable == 1]
    ids = np.nan_to_num(grid.onto(folder / "slope_unit_id_voronoi_30m.tif")).astype(np.int64)
    good = grid.onto(folder / "dem_good_mask_utm48n_30m.tif") > 0
    inside = np.isin(ids, usable.su_id.to_numpy()) & good & np.isfinite(grid.pgv + grid.slope)
    names, unit = np.unique(ids[inside], return_inverse=True)
    usable = usable.set_index("su_id").loc[names]
    x, y = (np.floor(v / BLOCK).astype(int) for v in (usable.geometry.x, usable.geometry.y))
    _, block = np.unique(x * 10_000 + y, return_inverse=True)
    count = np.bincount(unit) * grid.cell**2 / 1e6
    return Frame(inside, unit, usable.frac.to_numpy() > 0.25, block, float(count @ usable.frac))


def finite_rupture(data: Path, folder: Path) -> None:
    """Write the PGV of Boore et al. (2014) at the distance from the rupture plane of Kashmir."""
    plane = json.loads((data / "kashmir2005" / "rupture_usgs_plane.json").read_text())
    ring = plane["features"][0]["geometry"]["coordinates"][0][0]
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
    shape = shapely.Polygon(np.column_stack(to_map.transform(*np.array(ring)[:, :2].T)))
    with rasterio.open(data / "kashmir2005" / "pga_g_0p01deg.tif") as src:
        profile, shown = src.profile, src.read(1)
        cols, rows = np.meshgrid(np.arange(src.width) + 0.5, np.arange(src.height) + 0.5)
        x, y = to_map.transform(*(src.transform * (cols, rows)))
    distance = shapely.distance(shape, shapely.points(x, y)) / 1000
    rock = np.full(distance.shape, bssa14.ROCK)
    pgv = bssa14.median("PGV", 7.6, distance, rock, "reverse")
    with rasterio.open(folder / "pgv.tif", "w", **profile) as out:
        out.write(np.where(np.isfinite(shown), pgv, np.nan).astype(np.float32), 1)


def percent(source: Path, target: Path, missing: float) -> None:
    """Write a raster of PGA in g from one in percent."""
    with rasterio.open(source) as src:
        values, profile = src.read(1).astype(np.float32), src.profile
    values = np.where((values == missing) | (values <= 0), np.nan, values / 100)
    profile.update(dtype="float32", nodata=np.nan)
    with rasterio.open(target, "w", **profile) as out:
        out.write(values, 1)


@dataclass(frozen=True)
class Event:
    """One real earthquake."""

    folder: str
    study: str
    frame: Callable[[Path, Grid], Frame]
    made: Callable[[Path, Path], None] = lambda data, folder: None
    faults: str = "faults_gem_clip_geometry_only.gpkg"


HEAD = """[study]
name = "{}"
[event]
epicentre = [{}, {}]
magnitude = {}
[layers.dem]
path = "{}"
"""
KASHMIR = HEAD.format("Kashmir 2005", 73.588, 34.539, 7.6, "dem_aw3d30_28p55m.tif") + (
    '[layers.pga]\npath = "pga_g_0p01deg.tif"\n'
)
EVENTS = {
    "kashmir": Event("kashmir2005", KASHMIR, kashmir),
    "rupture": Event(
        "kashmir2005", KASHMIR + '[layers.pgv]\npath = "{made}/pgv.tif"\n', kashmir, finite_rupture
    ),
    "loma": Event(
        "lomaprieta1989",
        HEAD.format("Loma Prieta 1989", -121.88, 37.04, 6.9, "dem_srtm3_utm10n_80m.tif")
        + '[shaking]\nshakemap = "grid.xml"\n',
        loma,
    ),
    "wenchuan": Event(
        "wenchuan2008_window",
        HEAD.format("Wenchuan 2008", 103.364, 30.986, 7.9, "dem_mosaic_utm48n_30m.tif")
        + '[layers.pga]\npath = "{made}/pga.tif"\n',
        wenchuan,
        lambda data, folder: percent(
            data / "wenchuan2008_window" / "pga_voronoi_30m.tif", folder / "pga.tif", -1
        ),
    ),
}


def mapped(event: Event, data: Path, folder: Path, model: str, draws: int) -> Path:
    """Return the run of `rapid` with a model."""
    path, run = folder / "study.toml", folder / Path(model).name
    event.made(data, folder)
    path.write_text(event.study.replace("{made}", str(folder)))
    found = new_earthquake.opened(
        path, run, Engine(), Reporter(quiet=True), model=model, data=data / event.folder,
        overrides=[f"shaking.draws={draws}"],
    )  # fmt: skip
    with found.ledger.locked():
        command.rapid(found)
    return run


def grid_of(event: Event, data: Path, folder: Path, run: Path) -> Grid:
    """Return slope, shaking and elevation of a run."""
    with rasterio.open(run / "factors" / "SLO.tif") as src:
        profile, slope = dict(src.profile), src.read(1)
    bare = Grid(profile, slope, slope, slope, slope)
    dem = data / event.folder / event.study.split('path = "')[1].split('"')[0]
    pga, pgv = (bare.onto(run / ".work" / "shaking" / f"{m}.tif", Resampling.bilinear)
                for m in ("PGA", "PGV"))  # fmt: skip
    return Grid(profile, slope, pga, pgv, bare.onto(dem))


def rules(grid: Grid, faults: Path) -> Iterator[tuple[str, Array]]:
    """Yield what needs neither landslides nor fitting."""
    slope = np.radians(grid.slope)
    z = np.nan_to_num(grid.dem, nan=float(np.nanmean(grid.dem)))
    yield "slope", grid.slope
    yield "relief in 250 m", windowed(z, grid.cell, 250.0)
    yield "PGA", grid.pga
    yield "tan(slope) × PGA", np.tan(slope) * grid.pga
    yield "tan(slope) × PGV", np.tan(slope) * grid.pgv
    one = np.ones_like(slope)
    critical = critical_acceleration(
        grid.slope, 20.0 * one, np.tan(np.radians(30.0)) * one, 20.0 * one, 2.4 * one, 0.0 * one
    )
    moved = displacement(np.maximum(critical, 1e-3) / grid.pga, 7.5)
    # What does not move is ordered by how far it is from moving.
    yield "Newmark displacement", np.where(moved > 0, moved, np.minimum(grid.pga - critical, 0))
    lines = gpd.read_file(faults).to_crs(grid.profile["crs"])
    where = {"out_shape": slope.shape, "transform": grid.profile["transform"]}
    free = rasterize([(g, 1) for g in lines.geometry], **where) == 0
    near = distance_transform_edt(free) * grid.cell if not free.all() else np.full(z.shape, 5e4)
    position = rings(z, grid.cell)
    level = np.select([position > 20, position < -20], [kritikos.RIDGE, kritikos.VALLEY],
                      kritikos.MIDSLOPE)  # fmt: skip
    parts = [
        np.interp(intensity_of_pgv(grid.pgv), *kritikos.INTENSITY),
        np.interp(grid.slope, *kritikos.SLOPE),
        np.interp(near / 1000, *kritikos.FAULT),
        level,
    ]
    flat = [p.ravel() for p in parts]
    yield "Kritikos et al. 2015", kritikos.gamma_overlay(flat).reshape(z.shape)


def windowed(z: Array, cell: float, window: float) -> Array:
    """Return the relief in a window."""
    wide = int(np.max(terrain.relief_halo(cell, cell, window)))
    padded = np.pad(z, wide, mode="edge").astype(np.float32)
    return terrain.relief(padded, cell, cell, window)[wide:-wide, wide:-wide]


def rings(z: Array, cell: float) -> Array:
    """Return the topographic position in the usual ring."""
    wide = int(np.max(terrain.tpi_halo(cell, cell, 150.0)))
    padded = np.pad(z, wide, mode="edge").astype(np.float32)
    return terrain.tpi(padded, cell, cell, min(62.5, 0.7 * cell * 1.5), 150.0, False)[
        wide:-wide, wide:-wide
    ]


def table(event: Event, data: Path, models: list[str], draws: int) -> None:
    """Print the table of one earthquake."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {m: mapped(event, data, folder, m, draws) for m in (USUAL, *models)}
        grid = grid_of(event, data, folder, runs[USUAL])
        frame = event.frame(data, grid)
        fields = dict(rules(grid, data / event.folder / event.faults))
        area = {}
        for model, run in runs.items():
            (path,) = (run / "maps").glob("*_mean.tif")
            title = Path(model).name
            fields[title] = grid.onto(path, Resampling.average)
            found = documents.read(run / "totals.json", Totals).area_km2
            inside = np.nansum(fields[title][frame.inside]) * grid.cell**2 / 1e6
            low, high = (inside * q / found.mean for q in (found.p05, found.p95))
            if np.isfinite(frame.mapped_km2):
                apart = np.log(inside / frame.mapped_km2)
                area[title] = f"{apart:+.2f} ({low:.2f} to {high:.2f} km²)"
    blocks = frame.block.max() + 1
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), TRIALS).astype(float)
    weights = np.vstack([np.ones(blocks), drawn])
    values = {name: frame.of(field) for name, field in fields.items()}
    aucs = {name: frame.aucs(v, weights) for name, v in values.items()}
    usual = aucs["tan(slope) × PGA"]
    known = f", {frame.mapped_km2:.2f} km² mapped" if np.isfinite(frame.mapped_km2) else ""
    print(f"\n{frame.failed.size:,} cells or units, {frame.failed.sum():,} failed{known}\n")
    print("| rule | AUC | less tan(slope) × PGA | highest 5, 10, 20 % | ln(expected/mapped) |")
    print("| --- | --- | --- | --- | --- |")
    for name, auc in aucs.items():
        apart = auc - usual
        shares = ", ".join(f"{100 * s:.0f}" for s in frame.captured(values[name]))
        print(f"| {name} | {auc[0]:.3f} | {apart[0]:+.3f} ± {apart[1:].std():.3f} | {shares} | "
              f"{area.get(name, '')} |", flush=True)  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("events", nargs="*", default=list(EVENTS), metavar="EVENT")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--model", action="append", default=[], help="bundle, by name or folder")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        raise SystemExit(f"{asked.data}: is not there; give --data")
    for name in asked.events:
        print(f"\n## {name}")
        table(EVENTS[name], asked.data, asked.model, asked.draws)


if __name__ == "__main__":
    main()
