"""The factor stack: all factors on the grid as one lazy array, computed or read tile by tile.

`computed` makes it from the layers, `stored` from the files that `write` left. Sampling and
mapping read the stored stack through the same function, so they see the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from shakeslide.core.documents import JsonValue
from shakeslide.core.engine import Engine, tasks_of
from shakeslide.core.errors import InputError
from shakeslide.core.files import is_shard, replacing, save_shard
from shakeslide.factors.factor import Factor, Float, Options, TileInputs
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import map_tags, raster
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.tile_jobs import Shards, TileJob

if TYPE_CHECKING:
    import xarray as xr


def compute_tile(
    factors: Sequence[Factor], grid: GeoBox, tile: Tile, dem: raster.RasterSource
) -> Float:
    """Compute all factors on one tile: (factor, row, col) float32, NaN where inputs miss."""
    halo = (max(f.halo[0] for f in factors), max(f.halo[1] for f in factors))
    inputs = TileInputs(grid, tile, dem, halo)
    out = np.empty((len(factors), *tile.shape), np.float32)
    for i, factor in enumerate(factors):
        out[i] = factor.compute(inputs)
    return out


def lazy(
    block: Callable[[Tile], Float], codes: Sequence[str], grid: GeoBox, size: int
) -> xr.DataArray:
    """Return a lazy stack (factor, y, x) whose tiles are made by `block`, one task each."""
    # Here, because looking at a study needs neither of them, and they take a second to import.
    import dask.array as da
    import xarray as xr

    shape = grid.shape
    cut = grids.tiles(grid, size)
    columns = max(t.index[1] for t in cut) + 1
    call = tasks_of(block)
    parts = [da.from_delayed(call(t), (len(codes), *t.shape), np.float32) for t in cut]
    rows = [da.concatenate(parts[i : i + columns], axis=2) for i in range(0, len(parts), columns)]
    whole = Tile((0, 0), 0, shape[0], 0, shape[1])
    x, y = grids.cell_centres(grid, whole)
    return xr.DataArray(
        da.concatenate(rows, axis=1),
        dims=("factor", "y", "x"),
        coords={"factor": list(codes), "y": y, "x": x},
        attrs={"crs": grids.crs_name(grid.crs)},
    )


def computed(
    factors: Sequence[Factor], grid: GeoBox, size: int, dem: raster.RasterSource
) -> xr.DataArray:
    """Return the lazy stack (factor, y, x) float32 that is computed from the layers."""
    return lazy(_Compute(tuple(factors), grid, dem), [f.code for f in factors], grid, size)


@dataclass(frozen=True)
class _Compute:
    factors: tuple[Factor, ...]
    grid: GeoBox
    dem: raster.RasterSource

    def __call__(self, tile: Tile) -> Float:
        return compute_tile(self.factors, self.grid, tile, self.dem)


# ------------------------------------------------------------------ to files


IN_MEMORY = 1 << 30
"""Bytes of factors that wait in memory to be written: seconds of work, that a broken run does
again. More than that waits in files, from which a broken run goes on."""
TILE_BYTES = 1 << 28
"""Bytes of a tile of all factors that are made together, per worker."""


def write(factors: Sequence[Factor], size: int, dem: raster.RasterSource, job: TileJob) -> None:
    """Compute the factors and write `<CODE>.tif` each, going on from the shards of a broken run.

    Fewer than `IN_MEMORY` bytes on this machine wait in memory instead of in shards. Many factors
    are made some at a time, so that neither a tile's memory nor the shards grow with their number.

    Parameters
    ----------
    factors, size, dem
        As for `computed`.
    job : TileJob
        It advances by tiles + factors in all.
    """
    some = _batches(factors, grids.shape_of(job.grid), size)
    if len(some) == 1:
        _write(factors, size, dem, job)
        return
    tiles = len(grids.tiles(job.grid, size))
    for k, batch in enumerate(some):
        part = _Batch(job.shards.folder / f"{k:03d}", [job.folder / f"{f.code}.tif" for f in batch])
        # The bar counts each tile once, and each file.
        share = (tiles / len(some) + len(batch)) / (tiles + len(batch))
        if part.is_written:
            job.advance(share * (tiles + len(batch)))
            continue

        def advance(by: float, share: float = share) -> None:
            job.advance(by * share)

        _write(batch, size, dem, replace(job, shards=Shards(part.folder), advance=advance))
        part.finish()


def _batches(
    factors: Sequence[Factor], shape: tuple[int, int], size: int
) -> list[Sequence[Factor]]:
    """Return the factors in successive parts of about the same number."""
    cells = min(size, shape[0]) * min(size, shape[1])
    count = -(-4 * cells * len(factors) // TILE_BYTES)
    each = -(-len(factors) // count)
    return [factors[i : i + each] for i in range(0, len(factors), each)]


@dataclass(frozen=True)
class _Batch:
    """Factors that are made together: where their tiles wait, and their files."""

    folder: Path
    files: Sequence[Path]

    @property
    def _mark(self) -> Path:
        return self.folder / "written.npy"

    @property
    def is_written(self) -> bool:
        """Whether a run before this one has written them all."""
        return is_shard(self._mark) and all(path.exists() for path in self.files)

    def finish(self) -> None:
        """Let go of the tiles."""
        save_shard(np.zeros(0), self._mark)
        for path in self.folder.glob("r*.npy"):
            path.unlink()


def _write(factors: Sequence[Factor], size: int, dem: raster.RasterSource, job: TileJob) -> None:
    """Write factors that are made together; parameters as for `write`."""
    grid, engine, advance = job.grid, job.engine, job.advance
    cut = grids.tiles(grid, size)
    compute = _Compute(tuple(factors), grid, dem)
    rows, cols = grids.shape_of(grid)
    load: Callable[[Tile], Float]
    if engine.scheduler is None and 4 * len(factors) * rows * cols <= IN_MEMORY:
        whole = _Whole(np.empty((len(factors), rows, cols), np.float32), compute)
        engine.map(whole.fill, cut, advance)
        load = whole.tile
    else:
        load = job.shards.load
        todo = [t for t in cut if not job.shards.has(t)]
        advance(len(cut) - len(todo))
        engine.map(_Shard(compute, job.shards), todo, advance)
    # Files are few: threads within each keep all processors busy to the end.
    threads = 1 if engine.scheduler else engine.threads
    writer = _FactorFile(
        factors=tuple(factors), grid=grid, tiles=tuple(cut), folder=job.folder, load=load,
        threads=threads,
    )  # fmt: skip
    engine.map(writer, range(len(factors)), advance)


def retag(factor: Factor, grid: GeoBox, size: int, folder: Path, engine: Engine) -> None:
    """Write a factor's file in `folder` anew: with its tags as they are now, and its values.

    It is then the same bytes as if it had been computed anew. Parameters as for `write`.
    """
    values = _Read((folder / f"{factor.code}.tif",))
    threads = 1 if engine.scheduler else engine.threads
    writer = _FactorFile(
        factors=(factor,), grid=grid, tiles=tuple(grids.tiles(grid, size)), folder=folder,
        load=values, threads=threads,
    )  # fmt: skip
    writer(0)


@dataclass(frozen=True)
class _Whole:
    """All factors in memory: one array, for which the system gives large pages."""

    values: Float
    block: Callable[[Tile], Float]

    def tile(self, tile: Tile) -> Float:
        return self.values[:, tile.row0 : tile.row1, tile.col0 : tile.col1]

    def fill(self, tile: Tile) -> None:
        self.tile(tile)[:] = self.block(tile)


@dataclass(frozen=True)
class _Shard:
    block: Callable[[Tile], Float]
    shards: Shards

    def __call__(self, tile: Tile) -> None:
        self.shards.save(tile, self.block(tile))


@dataclass(frozen=True, kw_only=True)
class _FactorFile:
    factors: tuple[Factor, ...]
    grid: GeoBox
    tiles: tuple[Tile, ...]
    folder: Path
    load: Callable[[Tile], Float]
    threads: int

    def __call__(self, i: int) -> None:
        factor = self.factors[i]
        write_geotiff(
            self.folder / f"{factor.code}.tif",
            self.grid,
            self.tiles,
            lambda t: self.load(t)[i],
            BandToWrite(
                tags=factor.tags(),
                description=f"{factor.name} ({factor.unit})" if factor.unit else factor.name,
            ),
            threads=self.threads,
        )


class FactorRecord(TypedDict):
    """A `FactorInfo` as JSON has it: classes are numbered in text."""

    code: str
    name: str
    unit: str
    kind: str
    legend: dict[str, str]
    definition: NotRequired[str]
    source: NotRequired[str]
    settings: NotRequired[dict[str, JsonValue]]


@dataclass(frozen=True, kw_only=True)
class FactorInfo:
    """What a factor's file says of itself.

    Attributes
    ----------
    code, name, unit, kind, definition, source : str
        As of a `Factor`.
    legend : mapping of int to str
        Names of classes.
    settings : mapping
        `Factor.options`; empty where an older version of shakeslide wrote none.
    """

    code: str
    name: str
    unit: str
    kind: str
    legend: Mapping[int, str]
    definition: str = ""
    source: str = ""
    settings: Options = field(default_factory=dict)

    def named_as(self, factor: Factor) -> FactorInfo:
        """Return the same values under the name and source that a factor has now."""
        return replace(self, name=factor.name, definition=factor.definition, source=factor.source)

    def to_dict(self) -> FactorRecord:
        """Return plain values for JSON."""
        record: FactorRecord = {
            "code": self.code,
            "name": self.name,
            "unit": self.unit,
            "kind": self.kind,
            "legend": {str(k): v for k, v in self.legend.items()},
            "definition": self.definition,
            "source": self.source,
        }
        if self.settings:
            record["settings"] = dict(self.settings)
        return record

    @classmethod
    def from_dict(cls, values: FactorRecord) -> FactorInfo:
        """Return the factor of plain values.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError
            A key is missing or unknown, or has no such value.
        """
        if unknown := set(values) - {f.name for f in fields(cls)}:
            raise TypeError(f"unknown keys {sorted(unknown)}")
        return cls(
            code=values["code"],
            name=values["name"],
            unit=values["unit"],
            kind=values["kind"],
            legend={int(k): str(v) for k, v in values["legend"].items()},
            definition=values.get("definition", ""),
            source=values.get("source", ""),
            settings=dict(values.get("settings", {})),
        )


def file_info(path: Path) -> FactorInfo:
    """Read the tags of a factor's file."""
    tags = raster.info(path).tags
    wanted = ("code", "name", "unit", "kind", "definition", "source")
    if "code" not in tags:
        raise InputError(f"{path}: is not a factor written by shakeslide (no tags)")
    return FactorInfo(
        legend=map_tags.class_names(tags),
        settings=_settings(path, tags),
        **{k: tags.get(k, "") for k in wanted},
    )


def _settings(path: Path, tags: Mapping[str, str]) -> Options:
    """Return the settings in the tags of a factor's file, none of one of an older version."""
    try:
        settings = json.loads(tags.get("settings", "{}"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: its tag 'settings' is damaged; run `shakeslide prepare`"
        ) from error
    return settings if isinstance(settings, dict) else {}


@dataclass(frozen=True)
class _Read:
    paths: tuple[Path, ...]

    def __call__(self, tile: Tile) -> Float:
        out = np.empty((len(self.paths), *tile.shape), np.float32)
        where = Window(tile.col0, tile.row0, tile.shape[1], tile.shape[0])
        for i, path in enumerate(self.paths):
            with _opened(path) as src:
                src.read(1, window=where, out=out[i])
        return out


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a factor's file; one that is missing or damaged raises `InputError`."""
    if not path.exists():
        raise InputError(f"{path}: no such factor; run `shakeslide prepare` first")
    try:
        with raster.opened(path) as src:
            yield src
    except (InputError, RasterioIOError) as error:
        raise InputError(
            f"{path}: cannot be read to the end (damaged?); delete it and run `shakeslide prepare`"
        ) from error


def stored(folder: Path, codes: Sequence[str], size: int | None = None) -> xr.DataArray:
    """Return the lazy stack (factor, y, x) float32 of the files in `folder`.

    Parameters
    ----------
    folder : Path
        Where `<CODE>.tif` are.
    codes : sequence of str
        Which, in this order.
    size : int, optional
        Side of the tiles; default: as `grid.tile_size`.

    Raises
    ------
    InputError
        The files are not on one grid.
    """
    paths = tuple(folder / f"{code}.tif" for code in codes)
    grid = stored_grid(paths[0])
    for path in paths[1:]:
        if stored_grid(path) != grid:
            raise InputError(f"{path}: is not on the grid of {paths[0].name}; run prepare again")
    return lazy(_Read(paths), codes, grid, size or grids.tile_size(grid))


def stored_grid(path: Path) -> GeoBox:
    """Return the grid of a file."""
    with _opened(path) as src:
        if src.crs is None:
            raise InputError(f"{path}: has no CRS")
        return GeoBox((src.height, src.width), src.transform, CRS(src.crs.to_wkt()))


def blocks(stack: xr.DataArray) -> Iterator[tuple[Tile, Any]]:
    """Yield each tile of a lazy stack with its delayed (factor, row, col) array, row by row."""
    parts = stack.data.to_delayed()
    rows = np.cumsum([0, *stack.data.chunks[1]])
    cols = np.cumsum([0, *stack.data.chunks[2]])
    for i in range(parts.shape[1]):
        for j in range(parts.shape[2]):
            tile = Tile((i, j), int(rows[i]), int(rows[i + 1]), int(cols[j]), int(cols[j + 1]))
            yield tile, parts[0, i, j]


def save_legends(factors: Sequence[Factor], path: Path) -> bool:
    """Write the legends of the categorical factors as JSON, for people and GIS.

    Returns
    -------
    bool
        False where the file holds just this already.
    """
    legends = {f.code: {str(k): v for k, v in f.legend.items()} for f in factors if f.legend}
    text = json.dumps(legends, indent=1, ensure_ascii=False).encode()
    if path.is_file() and path.read_bytes() == text:
        return False
    with replacing(path) as temporary:
        temporary.write_bytes(text)
    return True


def valid(block: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where all factors of a block, (factor, row, col), have values, (row, col) bool."""
    return np.asarray(np.isfinite(block).all(axis=0))
