"""Maps: every cell's probability, tile by tile from the lazy factor stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from shakeslide.core.engine import tasks_of
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.factors import stack as stacks
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import map_tags, raster, style
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.map_tags import FORMULA, MapTags
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.layers.masks import Masks
from shakeslide.learning.bundle import FittedModel
from shakeslide.models.formulas.raw import RawModel

BAND = 131_072
"""Cells predicted at a time: bounds the memory of a worker."""
NO_CLASS = 0
"""Nodata of the class map; classes count from 1."""


@dataclass(frozen=True)
class _PredictTile:
    model: FittedModel
    columns: tuple[int, ...]
    grid: GeoBox
    masks: Masks | None = None

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> NDArray[np.float32]:
        p = predict_tile(self.model, tile, self.grid, block, self.columns)
        return p if self.masks is None else self.masks.applied(tile, p)


@dataclass(frozen=True)
class _ToShard:
    block: Callable[[Tile, NDArray[np.float32]], NDArray[np.float32]]
    shards: Shards

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> None:
        self.shards.save(tile, self.block(tile, block))


def to_shards(
    block: Callable[[Tile, NDArray[np.float32]], NDArray[np.float32]],
    stack: xr.DataArray,
    job: TileJob,
) -> list[Tile]:
    """Compute something on every tile of a stack that has no shard yet; return all tiles.

    Parameters
    ----------
    block : callable
        (tile, raw factors (factors, rows, cols) float32) -> (..., rows, cols) float32.
    stack : DataArray
        The lazy factor stack, (factor, y, x).
    job : TileJob
        It advances by 1 per tile.
    """
    pairs = list(stacks.blocks(stack))
    todo = [(t, b) for t, b in pairs if not job.shards.has(t)]
    job.advance(len(pairs) - len(todo))
    call = tasks_of(_ToShard(block, job.shards))
    job.engine.run([call(t, b) for t, b in todo], job.advance)
    return [t for t, _ in pairs]


class OfFactors(Protocol):
    """A model that states what the columns of its raw factors are."""

    @property
    def factors(self) -> tuple[FactorInfo, ...]:
        """The factors, in order."""


def columns_of(model: OfFactors, stack: xr.DataArray) -> tuple[int, ...]:
    """Return the numbers of the model's factors, in its order, in a stack (factor, y, x)."""
    codes = [str(c) for c in stack.coords["factor"].values]
    return tuple(codes.index(f.code) for f in model.factors)


def some_cells(model: OfFactors, stack: xr.DataArray, tiles: int = 16) -> NDArray[np.float32]:
    """Return a model's raw factors at cells spread over a stack, (cells, factors) float32.

    The stack is (factor, y, x). At most so many tiles are read, evenly spread, and every fourth
    row and column of each.
    """
    pairs = list(stacks.blocks(stack))
    columns = list(columns_of(model, stack))
    chosen = np.unique(np.linspace(0, len(pairs) - 1, tiles).round().astype(int))
    parts = []
    for i in chosen:
        block = np.asarray(pairs[i][1].compute(), np.float32)[columns, ::4, ::4]
        parts.append(block.reshape(len(columns), -1).T)
    return np.ascontiguousarray(np.concatenate(parts))


class Predicts(Protocol):
    """A trained model of raw factors, as `FittedModel` is one."""

    def predict(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each row, (rows,), of raw factors (rows, factors)."""


def predict_block(
    model: Predicts, block: NDArray[np.float32], columns: Sequence[int]
) -> NDArray[np.float32]:
    """Return the probability of each cell of a block, (rows, cols) float32.

    Parameters
    ----------
    model : FittedModel or another that predicts rows
        Trained.
    block : array, (factors, rows, cols) float32
        Raw factors.
    columns : sequence of int
        Which of the block's factors are the model's, in its order.

    Returns
    -------
    array, (rows, cols) float32
        From 0 to 1; NaN where a factor has no value.
    """
    flat = block.reshape(len(block), -1)
    out = np.empty(flat.shape[1], np.float32)
    for start in range(0, len(out), BAND):
        part = slice(start, start + BAND)
        out[part] = model.predict(np.stack([flat[i, part] for i in columns], axis=1))
    return out.reshape(block.shape[1:])


def predict_tile(
    model: FittedModel,
    tile: Tile,
    grid: GeoBox,
    block: NDArray[np.float32],
    columns: Sequence[int],
) -> NDArray[np.float32]:
    """Return the probability of each cell of a tile, (rows, cols) float32, wherever it lies.

    Parameters
    ----------
    model : FittedModel
        Trained; it may look around the place of a cell.
    tile, grid : Tile, GeoBox
        Where the block lies.
    block, columns
        As for `predict_block`: block (factors, rows, cols).
    """
    if not model.of_places:
        return predict_block(model, block, columns)
    x, y = grids.cell_centres(grid, tile)
    # What follows from the places joins the block as further planes, each as large as a factor.
    # Given no raw factors, `at_places` returns these inputs alone.
    around = [
        model.at_places(np.empty((len(x), 0), np.float32), x, np.full(len(x), one)) for one in y
    ]
    planes = np.stack(around).transpose(2, 0, 1)
    whole = np.concatenate([block[list(columns)], planes])
    return predict_block(model, whole, range(len(whole)))


def write_maps(
    model: FittedModel,
    stack: xr.DataArray,
    job: TileJob,
    *,
    breaks: Sequence[float],
    shows: str,
    masks: Masks | None = None,
) -> list[Path]:
    """Write `<model>_probability.tif` and `<model>_class.tif` with a QGIS style each.

    Parameters
    ----------
    model : FittedModel
        Trained.
    stack : DataArray
        The lazy factor stack, (factor, y, x).
    job : TileJob
        It advances by 1 per tile predicted, and 1 per map written.
    breaks : sequence of float
        Limits between classes of susceptibility, ascending.
    shows : {"susceptibility", "probability"}
        What the probability map shows, see `shown`.
    masks : Masks, optional
        Ground that shows what the study states instead of a prediction.
    """
    call = _PredictTile(model, columns_of(model, stack), job.grid, masks)
    cut = to_shards(call, stack, job)
    probability = job.folder / f"{model.name}_probability.tif"
    classes = job.folder / f"{model.name}_class.tif"
    _write_probability(model, probability, cut, job, shows)
    job.advance(1)
    what = "the formula's values" if is_formula(model) else "susceptibility"
    # Classes are of susceptibility, whatever the other map shows.
    _write_classes(model.name, classes, _Tiles(job.grid, cut, job.shards.load), breaks, what)
    job.advance(1)
    return [probability, classes]


def reclassify(name: str, grid: GeoBox, size: int, breaks: Sequence[float], folder: Path) -> None:
    """Write `<model>_class.tif` anew from the map of susceptibility that is there.

    Parameters
    ----------
    name : str
        Of the model.
    grid : GeoBox
        The grid.
    size : int
        Side of its tiles.
    breaks : sequence of float
        Limits between classes of susceptibility, ascending.
    folder : Path
        Where the maps are.
    """
    source = folder / f"{name}_probability.tif"
    with raster.result(source) as src:

        def load(t: Tile) -> NDArray[np.float32]:
            window = Window(t.col0, t.row0, t.shape[1], t.shape[0])
            return np.asarray(src.read(1, window=window))

        cut = grids.tiles(grid, size)
        what = "the formula's values" if map_tags.read(source).formula else "susceptibility"
        path = folder / f"{name}_class.tif"
        _write_classes(name, path, _Tiles(grid, cut, load), breaks, what)


def _write_probability(
    model: FittedModel, path: Path, cut: Sequence[Tile], job: TileJob, shows: str
) -> None:
    kind = FORMULA if is_formula(model) else shows
    title = title_of(model, shows)
    write_geotiff(
        path,
        job.grid,
        cut,
        lambda t: shown(model, job.shards.load(t), kind),
        BandToWrite(
            tags=MapTags(
                model=model.name,
                unit="1",
                shows=kind,
                title=title,
                meaning=meaning(model, shows),
            ).written(),
            description=f"{model.name}: {meaning(model, shows)}",
        ),
        cloud_optimised="average",
    )
    style.write_probability(
        path.with_suffix(".qml"), _greatest(model, cut, job.shards, kind), title
    )


SHOWS = {
    "susceptibility": "susceptibility: probability of a landslide source on the balance of the "
    "training sample",
    "probability": "probability of a landslide source (expected share of the area), corrected to "
    "the training area's share of source cells",
}
"""What a map shows, written into it."""


def is_formula(model: FittedModel) -> bool:
    """Tell whether a model is a published formula whose values are its own: it learnt nothing."""
    estimator = model.estimator
    learnt = not model.about.static
    return isinstance(estimator, RawModel) and bool(estimator.meaning) and not learnt


def meaning(model: FittedModel, shows: str) -> str:
    """Return what a model's map shows: of a published formula its own output."""
    if isinstance(model.estimator, RawModel) and is_formula(model):
        return model.estimator.meaning
    return SHOWS[shows]


def title_of(model: FittedModel, shows: str) -> str:
    """Return what a model's map shows in a few words, for legends."""
    if isinstance(model.estimator, RawModel) and is_formula(model):
        return model.estimator.title
    return shows.capitalize()


def shown(model: FittedModel, p: NDArray[np.float32], shows: str) -> NDArray[np.float32]:
    """Return what the map shows for probabilities as predicted.

    Parameters
    ----------
    model : FittedModel
        It keeps the shares of sources in its training sample and in its training area.
    p : array, any shape, float32
        As `FittedModel.predict` gives them.
    shows : {"susceptibility", "probability", "formula"}
        "probability": corrected to the share of sources in the training area; else as they are.

    Returns
    -------
    array, of the same shape, float32
        From 0 to 1, NaN where `p` is NaN.
    """
    if shows != "probability":
        return p
    corrected = correct_prior(p, model.about.sample_share, model.about.prevalence)
    return np.asarray(corrected, np.float32)


def _greatest(model: FittedModel, cut: Sequence[Tile], shards: Shards, shows: str) -> float:
    """Return the upper end of the style's ramp: 1 for susceptibility, else the highest value."""
    if shows == "susceptibility":
        return 1.0
    # With `initial`, for a tile may have no values.
    highs = [np.nanmax(shown(model, shards.load(t), shows), initial=0.0) for t in cut]
    # A ramp from 0 to 0 would have no colours.
    return max(float(max(highs)), 1e-6)


@dataclass(frozen=True)
class _Tiles:
    """The tiles of a grid, and what loads the susceptibility of each."""

    grid: GeoBox
    cut: Sequence[Tile]
    load: Callable[[Tile], NDArray[np.float32]]


def _write_classes(
    name: str, path: Path, tiles: _Tiles, breaks: Sequence[float], what: str
) -> None:
    names = style.class_names(breaks)
    write_geotiff(
        path,
        tiles.grid,
        tiles.cut,
        lambda t: classify(tiles.load(t), breaks),
        BandToWrite(
            dtype="uint8",
            nodata=NO_CLASS,
            tags=MapTags(model=name).written() | map_tags.of_classes(names),
            description=f"{name}: classes of {what}",
        ),
        # A mean of classes is no class.
        cloud_optimised="mode",
    )
    style.write_classes(path.with_suffix(".qml"), breaks)


def classify(probability: NDArray[np.float32], breaks: Sequence[float]) -> NDArray[np.uint8]:
    """Return the class of each probability: 1 below the first break, 0 where there is none.

    Parameters
    ----------
    probability : array, any shape, float32
        From 0 to 1; NaN where there is none.
    breaks : sequence of float
        Limits between the classes, ascending.

    Returns
    -------
    array, of the same shape, uint8
        The classes.
    """
    # A value on a limit belongs to the class above it.
    classes = np.digitize(probability, breaks).astype(np.uint8) + np.uint8(1)
    return np.where(np.isnan(probability), np.uint8(NO_CLASS), classes)


def tile_count(grid: GeoBox, size: int) -> int:
    """Return the number of tiles, for progress."""
    return len(grids.tiles(grid, size))
