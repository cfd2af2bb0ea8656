"""Uncertainty of a map: spread of an ensemble, and dissimilarity to the training data.

Members of an ensemble are trained on landslides drawn anew with replacement from the training
rows, a landslide as a whole: their spread is what another sample of landslides would change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import applicability, importance
from shakeslide.evaluation.applicability import Applicability
from shakeslide.geo.grid import Tile
from shakeslide.io import style
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.map_tags import MapTags
from shakeslide.io.tile_jobs import TileJob
from shakeslide.layers.masks import Masks
from shakeslide.learning import training
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.recipe import Recipe
from shakeslide.maps import prediction
from shakeslide.models import storage
from shakeslide.sampling.encoding import Encoder
from shakeslide.sampling.sample_table import Samples

TRIES = 100
"""Draws after which there are too few landslides for an ensemble."""
REFERENCE = 2500
"""Training rows that cells are compared with."""


def bags(
    samples: Samples, rows: NDArray[np.int64], members: int, seed: int
) -> list[NDArray[np.int64]]:
    """Return the training rows of each member: whole landslides drawn with replacement.

    Clear cells belong to the landslide next to them.

    Parameters
    ----------
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the training rows.
    members : int
        Members wanted.
    seed : int
        Of the study.

    Returns
    -------
    list of arrays, (m,) int64 each
        Numbers of each member's rows, among `rows`, with repeats; their count varies.

    Raises
    ------
    InputError
        Too few landslides: no draw holds both source and clear cells.
    """
    y = samples.label[rows]
    _, group = np.unique(samples.landslide_groups(rows), return_inverse=True)
    order = np.argsort(group, kind="stable")
    # The rows of group g are `order[starts[g] : starts[g + 1]]`.
    starts = np.searchsorted(group[order], np.arange(group.max() + 2))
    out = []
    # A stream for each member, so that chosen ones can be trained alone.
    for member in np.random.SeedSequence([seed, 53]).spawn(members):
        rng = np.random.default_rng(member)
        for _ in range(TRIES):
            drawn = rng.integers(0, len(starts) - 1, len(starts) - 1)
            picked = np.concatenate([order[starts[g] : starts[g + 1]] for g in drawn])
            if np.unique(y[picked]).size == 2:
                break
        else:
            raise InputError(
                "[map] members: there are too few landslides for an ensemble: after resampling, no "
                "source cell or no clear cell is left to train on; set members = 0"
            )
        out.append(rows[picked])
    return out


def fit_members(
    recipe: Recipe,
    samples: Samples,
    rows: NDArray[np.int64],
    members: int,
    seed: int,
    advance: Advance = silent,
    chosen: Sequence[int] | None = None,
) -> list[FittedModel]:
    """Train the members of an ensemble, or only chosen ones of them.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the training rows.
    members, seed : int
        As for `bags`.
    advance : callable
        Called with the number of fits done, in fractions.
    chosen : sequence of int, optional
        Numbers of the members to train; default: all.
    """
    numbers = range(members) if chosen is None else chosen
    every = bags(samples, rows, members, seed)
    drawn = [every[k] for k in numbers]
    seeds = [training.seed_of(seed, recipe.name, "member", k, 0) for k in numbers]
    fits = training.fit(recipe, samples, drawn, seeds, advance=advance)
    return [f.model for f in fits]


@dataclass(frozen=True)
class _SpreadTile:
    """Mean and standard deviation of what the members' maps show, (2, rows, cols)."""

    members: tuple[FittedModel, ...]
    columns: tuple[int, ...]
    shows: str
    grid: GeoBox

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> NDArray[np.float32]:
        # In double precision: squares of values that are nearly alike are subtracted.
        total = np.zeros((2, *block.shape[1:]))
        for member in self.members:
            p = prediction.predict_tile(member, tile, self.grid, block, self.columns)
            value = prediction.shown(member, p, self.shows).astype(np.float64)
            total[0] += value
            total[1] += value**2
        mean = total[0] / len(self.members)
        # Rounding may leave less than 0 where members agree.
        variance = np.maximum(total[1] - len(self.members) * mean**2, 0) / (len(self.members) - 1)
        return np.stack([mean, np.sqrt(variance)]).astype(np.float32)


def write_spread(
    members: Sequence[FittedModel],
    stack: xr.DataArray,
    job: TileJob,
    *,
    shows: str,
    masks: Masks | None = None,
) -> list[Path]:
    """Write `<model>_mean.tif` and `<model>_sd.tif`: mean and spread of an ensemble.

    Parameters
    ----------
    members : sequence of FittedModel
        Two at least, of one model.
    stack, job, shows, masks
        As for `prediction.write_maps`, `stack` (factor, y, x); masked cells have no value.
    """
    name = members[0].name
    columns = prediction.columns_of(members[0], stack)
    call = _SpreadTile(tuple(members), columns, shows, job.grid)
    cut = prediction.to_shards(call, stack, job)
    said = (
        (0, "mean", f"{name}: mean of {len(members)} members trained on redrawn landslides"),
        (1, "sd", f"{name}: standard deviation of {len(members)} such members"),
    )
    paths = []
    for band, what, meaning in said:
        path = job.folder / f"{name}_{what}.tif"
        write_geotiff(
            path,
            job.grid,
            cut,
            # `band` is bound now: a lambda would see the last one.
            lambda t, band=band: _unmasked(job.shards.load(t)[band], t, masks),  # type: ignore[misc]
            BandToWrite(
                tags=MapTags(model=name, unit="1", shows=shows, meaning=meaning).written(),
                description=meaning,
            ),
            cloud_optimised="average",
        )
        highest = max(_highest(job.shards.load(t)[band]) for t in cut)
        style.write_probability(path.with_suffix(".qml"), max(highest, 1e-6))
        paths.append(path)
    job.advance(1)
    return paths


def _highest(values: NDArray[np.float32]) -> float:
    return float(np.nanmax(values, initial=0.0))


def _unmasked(values: NDArray[np.float32], tile: Tile, masks: Masks | None) -> NDArray[np.float32]:
    """Leave out masked cells: nothing is predicted there."""
    if masks is None:
        return values
    return np.where(masks.covers(tile), np.float32(np.nan), values)


# ------------------------------------------------------------------ area of applicability


@dataclass(frozen=True)
class Area:
    """The area of applicability of models that were trained on one set of rows.

    Attributes
    ----------
    codes : tuple of str
        The factors, in order.
    encoder : Encoder
        Fitted on the training rows, angles as sine and cosine.
    applicability : Applicability
        Fitted on the encoded rows.
    """

    codes: tuple[str, ...]
    encoder: Encoder
    applicability: Applicability


def fit_area(samples: Samples, rows: NDArray[np.int64], seed: int) -> Area:
    """Learn the area of applicability from training rows.

    A factor's weight is its information gain. The threshold is the usual distance between rows of
    different blocks, so that scores by blocks hold inside the area.

    Parameters
    ----------
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the training rows.
    seed : int
        Of the study.

    Raises
    ------
    InputError
        All rows lie in one block.
    """
    encoder = training.fit_encoder(samples, rows, "sincos", samples.class_areas)
    raw, y = samples.raw[rows], samples.label[rows]
    encoded = encoder.transform(raw)
    gain = {
        f.code: importance.information_gain(raw[:, i], y, categorical=f.kind == "categorical")
        for i, f in enumerate(samples.factors)
    }
    weight = [gain[code] for code in encoder.feature_codes]
    try:
        fitted = applicability.fit_applicability(
            encoded, weight, samples.blocks[rows], REFERENCE, seed
        )
    except ValueError as error:
        raise InputError(
            f"the area of applicability cannot be computed ({error}); set [evaluation] block_size "
            "to a smaller number of metres, or [map] applicability = false"
        ) from error
    return Area(tuple(f.code for f in samples.factors), encoder, fitted)


def save_area(area: Area, folder: Path) -> list[Path]:
    """Write an area of applicability as plain files; the manifest comes last."""
    paths = [folder / "weights.safetensors", folder / "manifest.json"]
    folder.mkdir(parents=True, exist_ok=True)
    storage.write(paths[0], area.applicability.to_arrays())
    text = {"factors": list(area.codes), "encoder": area.encoder.to_dict()}
    with replacing(paths[1]) as temporary:
        temporary.write_text(json.dumps(text, indent=1), encoding="utf-8")
    return paths


def load_area(folder: Path) -> Area:
    """Read what `save_area` wrote.

    Raises
    ------
    InputError
        Missing or damaged files.
    """
    path = folder / "manifest.json"
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        codes, encoder = tuple(map(str, text["factors"])), Encoder.from_dict(text["encoder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is missing or damaged: {error!r}") from error
    fitted = applicability.from_arrays(storage.read(folder / "weights.safetensors"))
    return Area(codes, encoder, fitted)


@dataclass(frozen=True)
class _AreaTile:
    area: Area
    columns: tuple[int, ...]

    def __call__(self, tile: Tile, block: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = block.reshape(len(block), -1)
        out = np.full(flat.shape[1], np.nan, np.float32)
        # In parts: each cell takes some hundred bytes on its way.
        for start in range(0, len(out), prediction.BAND):
            rows = np.stack(
                [flat[i, start : start + prediction.BAND] for i in self.columns], axis=1
            )
            whole = np.isfinite(rows).all(axis=1)
            encoded = self.area.encoder.transform(rows[whole])
            part = out[start : start + prediction.BAND]
            part[whole] = self.area.applicability.dissimilarity(encoded)
        return out.reshape(block.shape[1:])


def write_area(area: Area, stack: xr.DataArray, job: TileJob, masks: Masks | None = None) -> Path:
    """Write `applicability.tif`: how unlike the training data each cell is.

    Its tag `threshold` is the limit of the area of applicability. `stack` is the lazy factor stack,
    (factor, y, x); the other parameters are those of `write_spread`.
    """
    codes = [str(c) for c in stack.coords["factor"].values]
    call = _AreaTile(area, tuple(codes.index(c) for c in area.codes))
    cut = prediction.to_shards(call, stack, job)
    threshold = area.applicability.threshold
    meaning = (
        "dissimilarity to the training data (0: as in it, 1: as far from it as its rows are from "
        f"each other); above {threshold:.3g} unlike anything the models were trained on"
    )
    path = job.folder / "applicability.tif"
    write_geotiff(
        path,
        job.grid,
        cut,
        lambda t: _unmasked(job.shards.load(t), t, masks),
        BandToWrite(
            tags=MapTags(unit="1", threshold=f"{threshold:.6g}", meaning=meaning).written(),
            description=meaning,
        ),
        # Means would draw places beyond the limit as within it.
        cloud_optimised="nearest",
    )
    # The limit lies in the middle of the ramp.
    style.write_probability(path.with_suffix(".qml"), 2 * threshold)
    job.advance(1)
    return path
