"""A whole synthetic earthquake of any size, written tile by tile as the files of a smaller one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from shakeslide._version import __version__
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing, sweep
from shakeslide.core.progress import Reporter
from shakeslide.factors.terrain import derivatives
from shakeslide.io.gdal import options
from shakeslide.synthetic.draw import draw_failures
from shakeslide.synthetic.earthquake import (
    LOWEST,
    BareGround,
    Earthquake,
    Scenario,
    ground,
    make,
    make_surface,
    regional,
    river_cells,
)
from shakeslide.synthetic.geology import Codes
from shakeslide.synthetic.id_polygons import Place, outlines, patches
from shakeslide.synthetic.large.journal import Journal, journal
from shakeslide.synthetic.large.planes import Box, Plane, View, in_order, tiles
from shakeslide.synthetic.large.rivers import river_pieces
from shakeslide.synthetic.large.tiled_drainage import accumulate_tiles, drain
from shakeslide.synthetic.large.tiled_landslides import choose, make_slides, parts
from shakeslide.synthetic.large.tiled_relief import Terrain, Work, make_terrain, terrain_in
from shakeslide.synthetic.mappers import Extent, extent_nodes, make_extent, void_field
from shakeslide.synthetic.noise import Axis, Floats
from shakeslide.synthetic.relief import cascade
from shakeslide.synthetic.runout import RunOut
from shakeslide.synthetic.shaking import Rupture, aftershock_sequence
from shakeslide.synthetic.stability import Slopes, Surface, probabilities, slopes
from shakeslide.synthetic.study_files import (
    BLOCK,
    RASTERS,
    append_vector,
    prepare,
    raster_profile,
    remove,
    rock_columns,
    soil_columns,
    write,
    write_beside_map,
    write_vector,
)

HALO = 16
"""Cells beyond a tile that the state of the ground in it depends on."""
SAMPLE = 4_000_000
"""Most cells of which percentiles over the map are taken."""
SPOTS, SPOT = 96, 16
"""Most spots along a side, and their width (cells), on which the strength is calibrated."""
WHOLE = 4400
"""Levels of a terrain with at most the square of so many cells are carved in memory."""
BYTES = 40
"""Room on the disk for each cell while the map is made."""
HEIGHTS, RIVERS, GROUND = "heights", "rivers", "ground and failures"
"""Steps that are not done again after a stop, beside those of the terrain."""


@dataclass(frozen=True)
class _Map:
    """The ground of a whole map, of which any box can be had.

    `span` holds the 2nd and 98th percentile of the elevation (m).
    """

    event: Earthquake
    x: Axis
    y: Axis
    elevation: View
    area: View
    span: tuple[np.float32, np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        return self.elevation.shape

    def place(self, box: Box) -> Place:
        cell = self.event.scenario.cell
        return float(self.x[box.left] - cell / 2), float(self.y[box.top] + cell / 2), cell

    def surface(self, box: Box) -> tuple[Surface, Floats]:
        """Surface and median PGV (cm/s) of a box."""
        cell = self.event.scenario.cell
        x, y = self.x[box.left : box.right], self.y[box.top : box.bottom]
        drainage = self.area.read(box) * np.float32(cell**2 / 1e6)
        motion = self.event.motion_at(x, y)
        structure = self.event.rupture.structure
        z = self.elevation.read(box)
        bare = BareGround(x=x, y=y, cell=cell, elevation=z, drainage=drainage)
        return make_surface(bare, self.span, structure, motion), motion.pgv

    def slopes(self, box: Box) -> Slopes:
        """Infinite slopes of a box, by which the strength of the ground is found."""
        window = box.grown(HALO, self.shape)
        surface, _ = self.surface(window)
        rows, cols = box.within(window)
        tested, how = self.event.scenario.tested(surface)
        found = slopes(tested, rows.start, rows.stop, self.event.rupture, how)
        return Slopes(*(getattr(found, f.name)[:, cols] for f in fields(Slopes)))


def create(
    scenario: Scenario, folder: Path, *, workers: int = 2, reporter: Reporter | None = None
) -> Path:
    """Make a synthetic earthquake and write it: in memory if it fits, else tile by tile.

    Maps of up to `WHOLE` by `WHOLE` cells are those of `make`, larger ones those of `write_large`.

    Parameters
    ----------
    scenario : Scenario
    folder : Path
        Made if it is not there; files of the same names are replaced.
    workers : int
        Tiles worked on at a time.
    reporter : Reporter, optional
        Shows progress.

    Returns
    -------
    Path
        The study file.
    """
    if scenario.rows * scenario.cols <= WHOLE**2:
        return write(make(scenario), folder)
    return write_large(scenario, folder, workers=workers, reporter=reporter)


def free_space(folder: Path) -> int:
    """Return the bytes that are free on a folder's disk."""
    return shutil.disk_usage(folder).free


def write_large(
    scenario: Scenario,
    folder: Path,
    *,
    tile: int = 2048,
    whole: int = WHOLE,
    workers: int = 2,
    reporter: Reporter | None = None,
    free: Callable[[Path], int] = free_space,
) -> Path:
    """Make a synthetic earthquake of any size and write it as `files.write` does.

    Parameters
    ----------
    scenario : Scenario
    folder : Path
        Made if it is not there; files of the same names are replaced. While the map is made it
        also holds about 40 bytes a cell in a folder `.tiles`, from which a making that was
        stopped goes on: call it again with the same arguments.
    tile : int
        Cells a side of a tile, a multiple of 256. Memory grows with its square.
    whole : int
        Coarser levels of the terrain with at most the square of so many cells are carved whole.
    workers : int
        Tiles worked on at a time; the result does not depend on it.
    reporter : Reporter, optional
        Shows progress.
    free : callable
        Returns the bytes that are free on the disk of a folder.

    Returns
    -------
    Path
        The study file.

    Raises
    ------
    InputError
        If the tile is no multiple of 256, the disk has too little room, another process is
        making an earthquake in the folder, or what is there must not be replaced.

    Notes
    -----
    The result depends on `tile` and `whole` and is not that of `make`, though alike: seams of the
    terrain are blended, polygons of lithology and soil are cut at the edges of tiles, and so are
    rivers, which join there end to end. The height of a large river follows from all that lies
    below it, so tiles differ on it by some ten metres; where it crosses their edges its floodplain
    has more steps than elsewhere. A run-out ends 4 km beyond its tile at the latest.
    """
    if tile < BLOCK or tile % BLOCK:
        raise InputError(f"synthetic earthquake: tile = {tile} is not a multiple of {BLOCK}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    reporter = reporter or Reporter(quiet=True)
    settings = f"shakeslide {__version__}, {scenario}, tile {tile}, whole {whole}"
    with journal(folder / ".tiles", settings) as kept:
        sweep([folder])
        _check_room(scenario, folder, kept.size(), free(folder))
        # First of all: where a study is, all of its layers are whole.
        remove(folder / "study.toml")
        if kept.steps:
            reporter.say(f"Going on after what is done: {', '.join(kept.steps)}")
        else:
            prepare(folder)
        _Maker(
            scenario=scenario,
            folder=folder,
            journal=kept,
            tile=tile,
            whole=whole,
            workers=workers,
            reporter=reporter,
        ).run()
    return folder / "study.toml"


def _check_room(scenario: Scenario, folder: Path, taken: int, free: int) -> None:
    need = BYTES * scenario.rows * scenario.cols
    if need - taken > free:
        raise InputError(
            f"{folder}: a synthetic earthquake of {scenario.rows} x {scenario.cols} cells needs "
            f"about {need / 1e9:.0f} GB on the disk, {(free + taken) / 1e9:.0f} GB are free; "
            "choose a smaller size or another disk"
        )


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """One making of an earthquake, step by step."""

    scenario: Scenario
    folder: Path
    journal: Journal
    tile: int
    whole: int
    workers: int
    reporter: Reporter

    def run(self) -> None:
        s, steps = self.scenario, self.journal.steps
        rupture = s.rupture
        event = Earthquake(s, rupture, aftershock_sequence(rupture, s.seed))
        level = cascade(s.rows, s.cols, s.cell)[-1]
        terrain = terrain_in(self.journal.folder, level, "elevation", "area")
        ground_files = ["elevation", "area"]
        if HEIGHTS not in steps:
            self.journal.add(HEIGHTS, self.heights(rupture, terrain), keep=ground_files)
        low, high = steps[HEIGHTS]
        span = np.float32(low), np.float32(high)
        if RIVERS not in steps:
            self.rivers(terrain)
            self.journal.add(RIVERS, keep=ground_files, made=["rivers.gpkg"])
        inner, frame = terrain.inner, terrain.frame
        x, y = frame.x[inner.left : inner.right], frame.y[inner.top : inner.bottom]
        land = _Map(event, x, y, View(terrain.elevation, inner), View(terrain.area, inner), span)
        failed = Plane(self.journal.folder / "failed", land.shape, np.uint8)
        if GROUND not in steps:
            self.rasters(land, failed)
            made = [*(f"{name}.tif" for name in RASTERS), "lithology.gpkg", "soil.gpkg"]
            self.journal.add(GROUND, keep=["elevation", "failed"], made=made)
        self.inventory(land, failed)
        write_beside_map(event, self.folder)

    def heights(self, rupture: Rupture, terrain: Terrain) -> list[float]:
        """Write elevation and drainage area; return percentiles 2 and 98 of the elevation."""
        s = self.scenario
        work = Work(
            seed=s.seed, journal=self.journal, tile=self.tile, whole=self.whole,
            workers=self.workers, reporter=self.reporter,
        )  # fmt: skip
        carved, inflow = make_terrain(
            (s.rows, s.cols),
            s.cell,
            lambda frame: ground(rupture, frame),
            lambda frame: regional(rupture, frame),
            work,
        )
        span = self.stretch(View(carved, terrain.inner), terrain.elevation.create())
        accumulate_tiles(terrain.elevation, terrain.area.create(), inflow, self.tile, self.workers)
        return span

    def stretch(self, carved: View, plane: Plane) -> list[float]:
        """Write heights scaled to the median slope; return their percentiles 2 and 98.

        Medians and percentiles are those of evenly spread cells of the map.
        """
        s = self.scenario
        step = int(np.ceil(np.sqrt(s.rows * s.cols / SAMPLE)))

        def sample(box: Box) -> tuple[Floats, Floats]:
            window = box.grown(1, carved.shape)
            z = carved.read(window)
            slope = derivatives(z, s.cell, s.cell).slope_deg
            inside = box.within(window)
            # The cells of one lattice over the map, however it is cut into tiles.
            at = np.ix_(np.arange(-box.top % step, box.shape[0], step),
                        np.arange(-box.left % step, box.shape[1], step))  # fmt: skip
            return z[inside][at].ravel(), slope[inside][at].ravel()

        heights, gradients = zip(
            *in_order(sample, tiles(carved.shape, self.tile), self.workers), strict=True
        )
        median = np.tan(np.radians(np.median(np.concatenate(gradients))))
        factor = np.float32(np.tan(np.radians(s.median_slope)) / median)
        boxes, whole = tiles(plane.shape, self.tile), carved.plane
        lowest = min(in_order(lambda box: whole.read(box).min(), boxes, self.workers))

        def scale(box: Box) -> None:
            plane.write(box, (whole.read(box) - lowest) * factor + np.float32(LOWEST))

        for _ in in_order(scale, boxes, self.workers):
            pass
        # Rounding may level neighbours that hardly differed.
        drain(plane, self.workers)
        low, high = np.percentile(np.concatenate(heights), [2, 98])
        return [float((np.float32(h) - lowest) * factor + np.float32(LOWEST)) for h in (low, high)]

    def rivers(self, terrain: Terrain) -> None:
        frame, size = terrain.frame, terrain.frame.rows * terrain.frame.cols
        threshold = river_cells(frame.cell, size)
        boxes, path = len(tiles(terrain.elevation.shape, self.tile)), self.folder / "rivers.gpkg"
        with self.reporter.task("Rivers", boxes) as advance, replacing(path) as temporary:
            for part in river_pieces(
                terrain.elevation, terrain.area, threshold,
                folder=self.journal.folder, tile=self.tile, workers=self.workers,
            ):  # fmt: skip
                advance(1)
                sizes = np.diff(part.starts)
                if sizes.size == 0:
                    continue
                row, col = np.divmod(part.cells, frame.cols)
                index = np.repeat(np.arange(sizes.size), sizes)
                lines = shapely.linestrings(
                    np.column_stack([frame.x[col], frame.y[row]]), indices=index
                )
                area = np.round(part.area * frame.cell**2 / 1e6, 3)
                columns = {"order": part.order, "upstream_km2": area}
                append_vector(temporary, lines, columns, "rivers", self.scenario.centre)
            _require_layer(temporary, "rivers", self.scenario.centre)

    def strength(self, land: _Map) -> float:
        """Scale of the ground's strength, from spots that are spread evenly over the map."""
        starts = []
        for size in land.shape:
            count = min(SPOTS, -(-size // (2 * SPOT)))
            starts.append([(2 * k + 1) * (size - SPOT) // (2 * count) for k in range(count)])
        spots = [Box(r, c, r + SPOT, c + SPOT) for r in starts[0] for c in starts[1]]
        with self.reporter.task("Strength of the ground", len(spots)) as advance:
            found = []
            for part in in_order(land.slopes, spots, self.workers):
                found.append(part)
                advance(1)
        merged = Slopes(*(np.stack([getattr(p, f.name) for p in found]) for f in fields(Slopes)))
        return self.scenario.strength([merged])

    def rasters(self, land: _Map, failed: Plane) -> None:
        """Write rasters, maps of classes and where cells fail."""
        s, event = self.scenario, land.event
        curve, strength = s.curve, self.strength(land)
        void = self.void_level(land)
        failed.create()

        def work(box: Box) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_], Codes, Codes]:
            window = box.grown(HALO, land.shape)
            inside = box.within(window)
            surface, pgv = land.surface(window)
            p_star = probabilities(surface, event.rupture, s.interactions, curve, strength)
            fails = draw_failures(s.seed, surface, p_star, s.cluster)[inside]
            dem = surface.elevation[inside]
            if s.void_share > 0.0:
                holes = void_field(s.seed, surface.x, surface.y)[inside] > void
                dem = np.where(holes, np.float32(np.nan), dem)
            arrays: dict[str, NDArray[Any]] = {
                "dem": dem, "pga": surface.pga[inside], "pgv": pgv[inside],
                "truth": p_star[inside], "landcover": surface.cover[inside],
            }  # fmt: skip
            return arrays, fails, surface.rock[inside], surface.soil[inside]

        boxes = tiles(land.shape, self.tile)
        centre = self.scenario.centre
        with (
            self._opened(event) as rasters,
            replacing(self.folder / "lithology.gpkg") as lithology,
            replacing(self.folder / "soil.gpkg") as soils,
            self.reporter.task("Ground", len(boxes)) as advance,
        ):
            for k, (arrays, fails, rock, soil) in enumerate(in_order(work, boxes, self.workers)):
                box = boxes[k]
                window = Window(box.left, box.top, box.shape[1], box.shape[0])
                for name, raster in rasters.items():
                    raster.write(arrays[name], 1, window=window)
                failed.write(box, fails)
                place = land.place(box)
                codes, shapes = patches(rock, place, keep_edge=True)
                append_vector(lithology, shapes, rock_columns(codes), "lithology", centre)
                codes, shapes = patches(soil, place, keep_edge=True)
                append_vector(soils, shapes, soil_columns(codes), "soil", centre)
                advance(1)

    @contextmanager
    def _opened(self, event: Earthquake) -> Iterator[dict[str, DatasetWriter]]:
        with ExitStack() as stack:
            rasters = {}
            stack.enter_context(rasterio.Env(**options()))
            for name, (nodata, tags) in RASTERS.items():
                kind = np.dtype(np.uint8 if name == "landcover" else np.float32)
                profile = raster_profile(event, kind, nodata)
                path = stack.enter_context(replacing(self.folder / f"{name}.tif"))
                rasters[name] = stack.enter_context(rasterio.open(path, "w", **profile))
                rasters[name].update_tags(**tags)
            yield rasters

    def void_level(self, land: _Map) -> float:
        """Level of the field of voids above which elevation is missing, from spread cells."""
        share = self.scenario.void_share
        if share == 0.0:
            return np.inf
        step = int(np.ceil(np.sqrt(land.x.size * land.y.size / SAMPLE)))
        field = void_field(self.scenario.seed, land.x[::step], land.y[::step])
        return float(np.quantile(field, 1.0 - share))

    def extent(self, land: _Map) -> Extent | None:
        share = self.scenario.mapped_share
        if share >= 1.0:
            return None
        rows, cols = extent_nodes(land.shape)
        x, y = land.x[cols], land.y[rows]
        pga = land.event.motion_at(x, y).pga
        return make_extent(self.scenario.seed, x, y, pga, (rows, cols), share)

    def inventory(self, land: _Map, failed: Plane) -> None:
        """Let landslides run out and write those that are mapped."""
        s, boxes = self.scenario, tiles(land.shape, self.tile)
        self.reporter.say("Letting landslides run out ...")
        how = RunOut(s.cell, s.amalgamation, s.seed)
        folder = self.journal.folder
        slides = make_slides(
            failed, land.elevation, how, folder=folder, tile=self.tile, workers=self.workers
        )
        extent = self.extent(land)
        mapped = choose(slides, how, s.smallest_mapped, extent, boxes, self.workers)
        names = ("landslides", "sources")
        with ExitStack() as stack:
            advance = stack.enter_context(self.reporter.task("Landslides", int(mapped.sum())))
            files = [stack.enter_context(replacing(self.folder / f"{n}.gpkg")) for n in names]
            for part in parts(slides, mapped, boxes, self.workers):
                ids, whole = outlines(part.whole, land.place(part.box))
                # Every landslide has a source: the ids are the same.
                _, sources = outlines(part.sources, land.place(part.box))
                for path, name, shapes in zip(files, names, (whole, sources), strict=True):
                    columns = {"id": ids, "area": np.round(shapely.area(shapes), 1)}
                    append_vector(path, shapes, columns, name, s.centre, multi=True)
                advance(ids.size)
            for path, name in zip(files, names, strict=True):
                _require_layer(path, name, s.centre)
        if extent is not None:
            path = self.folder / "mapped_extent.gpkg"
            write_vector(path, [extent.outline], {"id": [1]}, "mapped_extent", self.scenario.centre)


def _require_layer(path: Path, layer: str, centre: tuple[float, float]) -> None:
    """Write a layer without features where none has been written."""
    if path.stat().st_size == 0:
        append_vector(path, [], {}, layer, centre)
