"""Maps by scikit-learn pipelines and stored models, computed lazily and written as GeoTIFF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import odc.geo.xr  # noqa: F401 - gives xarray objects their accessor `odc`
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from shakeslide.api.run_data import chosen, info_of
from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.learning import bundle
from shakeslide.learning.bundle import FittedModel
from shakeslide.maps import prediction
from shakeslide.models import chunks

DIMS = ("y", "x")


def predict_map(model: Any, factors: xr.Dataset) -> xr.DataArray:
    """Predict the probability of a landslide source in every cell.

    Parameters
    ----------
    model : Pipeline, classifier or FittedModel
        A fitted model: a pipeline of a `FactorEncoder` and an estimator, any classifier of
        scikit-learn that takes raw factors, or a model from `load_model`.
    factors : Dataset, variables (y, x)
        The factors from `open_factors`, of the training area or of another area.

    Returns
    -------
    DataArray, (y, x) float32
        A lazy array: each block is computed when its values are needed. NaN where a factor has no
        value. The value of a cell is the probability that `model` predicts for a row with the
        values of this cell, rounded to float32. The masks of a study are not applied.

    Raises
    ------
    InputError
        A factor of the model is missing, or its unit, kind or legend differs from that in
        training, or the model uses the surroundings of a cell (`context = ["place"]`).
    ValueError
        The model is not a classifier of two classes.

    Examples
    --------
    >>> F = ss.open_factors("demo/run")
    >>> X, y, groups = ss.samples("demo/run")
    >>> pipe = make_pipeline(ss.FactorEncoder(F), ss.LogisticRegression()).fit(X, y)
    >>> P = ss.predict_map(pipe, F)
    >>> P.dims, P.shape, str(P.dtype)
    (('y', 'x'), (160, 160), 'float32')
    >>> p = pipe.predict_proba(X)[0, 1]
    >>> cell = P.sel(x=X.index[0][0], y=X.index[0][1])
    >>> bool(cell == np.float32(p))
    True
    """
    known = isinstance(model, FittedModel)
    codes = [f.code for f in model.factors] if known else _codes(model, factors)
    used = chosen(factors, codes)
    if known:
        bundle.require_factors(model, [info_of(variable) for variable in used])
        if model.of_places:
            raise InputError(
                f'predict_map: model {model.name} has context = ["place"], so it can only map the '
                "ground on which it was trained; use the map that `shakeslide map` writes"
            )
    rows = model if known else _Classifier(model, tuple(codes))
    values = da.map_blocks(
        partial(prediction.predict_block, rows, columns=range(len(used))),
        _stacked(used),
        # Of its own: dask would else look through the model for one that depends on it.
        name=f"predict-{uuid4().hex}",
        drop_axis=0,
        dtype=np.float32,
        meta=np.empty((0, 0), np.float32),
    )
    attrs = {"long_name": "probability of a landslide source", "units": "1"}
    return xr.DataArray(values, coords=used[0].coords, dims=DIMS, name="probability", attrs=attrs)


def _codes(model: Any, factors: xr.Dataset) -> list[str]:
    """Return the factors that a classifier takes: by their names, or all."""
    if not hasattr(model, "predict_proba") or len(getattr(model, "classes_", ())) != 2:
        raise ValueError("predict_map: the model must be a fitted classifier of two classes")
    named = getattr(model, "feature_names_in_", None)
    codes = list(map(str, factors.data_vars if named is None else named))
    if len(codes) != model.n_features_in_:
        raise InputError(
            f"the model takes {model.n_features_in_} factors, but there are {len(codes)}; fit it "
            "on a DataFrame with their codes as columns"
        )
    return codes


def _stacked(used: Sequence[xr.DataArray]) -> da.Array:
    """Return variables as one lazy array (factor, y, x) whose blocks hold all factors."""
    for variable in used:
        if set(variable.dims) != set(DIMS):
            raise InputError(f"factor {variable.name}: has dimensions {variable.dims}, not (y, x)")
    parts = [da.asarray(v.transpose(*DIMS).data.astype(np.float32, copy=False)) for v in used]
    whole: da.Array = da.stack(parts).rechunk({0: -1})
    return whole


@dataclass(frozen=True)
class _Classifier:
    """A classifier of raw factors as maps take models."""

    estimator: Any
    codes: tuple[str, ...]

    def predict(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        return chunks.predict_whole_rows(self._probability, raw)

    def _probability(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        named = hasattr(self.estimator, "feature_names_in_")
        rows = pd.DataFrame(raw, columns=list(self.codes)) if named else raw
        return np.asarray(self.estimator.predict_proba(rows)[:, 1], np.float32)


def write_map(probability: xr.DataArray, path: str | PathLike[str]) -> Path:
    """Write a map as a cloud-optimised GeoTIFF; the map may be larger than the memory.

    Parameters
    ----------
    probability : DataArray, (y, x)
        A map from `predict_map`, or an array computed from one; it must have a CRS.
    path : path
        The file, with the ending ``.tif``; an existing file is replaced.

    Returns
    -------
    Path
        The file: one band of float32, nodata NaN, with the map's name and unit as tags.

    Raises
    ------
    InputError
        The map has no grid (CRS and evenly spaced coordinates) or wrong dimensions, the name of
        the file has a wrong ending, or the disk is full.

    Examples
    --------
    >>> F = ss.open_factors("demo/run")
    >>> P = ss.predict_map(ss.load_model("demo/run", "rf"), F)
    >>> ss.write_map(P, "p.tif").name
    'p.tif'
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(
            f"{path}: maps are written as GeoTIFF; give the file's name the ending .tif"
        )
    grid = probability.odc.geobox if set(probability.dims) == set(DIMS) else None
    if grid is None or grid.crs is None:
        raise InputError(
            f"{path}: the map has no grid; keep the coordinates x, y and spatial_ref of predict_map"
        )
    strips = _Strips(probability.transpose(*DIMS))
    tags = {"unit": str(probability.attrs.get("units", ""))}
    write_geotiff(
        path,
        grid,
        grids.tiles(grid, grids.tile_size(grid)),
        strips.tile,
        BandToWrite(
            tags={key: text for key, text in tags.items() if text},
            description=str(probability.attrs.get("long_name", probability.name or "")),
        ),
        cloud_optimised="average",
    )
    return path


class _Strips:
    """Values of a lazy map by tile; one row of tiles is computed at a time, by all processors."""

    def __init__(self, values: xr.DataArray) -> None:
        self._map = values
        self._row0, self._strip = -1, np.empty((0, 0), np.float32)

    def tile(self, tile: Tile) -> NDArray[np.float32]:
        if tile.row0 != self._row0:
            strip = self._map[tile.row0 : tile.row1].to_numpy()
            self._row0, self._strip = tile.row0, strip.astype(np.float32, copy=False)
        return self._strip[:, tile.col0 : tile.col1]
