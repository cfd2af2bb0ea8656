"""Factors, samples and models of a run, as objects of xarray and pandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import odc.geo.xr  # gives xarray objects their accessor `odc`
import pandas as pd
import xarray as xr

from shakeslide.core import sample_columns as columns
from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.factors import stack as stacks
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import bundle
from shakeslide.learning.bundle import FittedModel
from shakeslide.pipeline import Run
from shakeslide.sampling import sample_table

INDEX = (columns.X, columns.Y, "landslide")
"""Levels of the index of `samples`."""


def folder_of(run: str | PathLike[str] | Run) -> Path:
    """Return the folder of results of a run."""
    return run.out if isinstance(run, Run) else Path(run)


def open_factors(run: str | PathLike[str] | Run) -> xr.Dataset:
    """Open the factors of a run as a lazy Dataset: values are read only when they are needed.

    Parameters
    ----------
    run : path or Run
        Folder of results of a run that has done at least `prepare` (``until="prepare"``).

    Returns
    -------
    Dataset
        A float32 variable (y, x) per factor, named by its code: NaN where it has no value. The
        attributes of a variable are `long_name`, `units`, `kind` ("continuous", "circular",
        "axial" or "categorical"), `definition` and `source`. Factors of classes also have
        `flag_values` and `flag_meanings` and, after the stage `sample`, `class_values` and
        `class_cells`: the number of valid cells of each class in the mapped extent. Coordinates
        are those of cell centres, in metres of the grid's CRS; ``F.odc.geobox`` is the grid.

    Raises
    ------
    InputError
        The folder has no factors, or a file is damaged.

    Examples
    --------
    >>> F = ss.open_factors("demo/run")
    >>> dict(F.sizes)
    {'y': 160, 'x': 160}
    >>> F["SLO"].units, F["SLO"].kind, F.odc.crs.epsg
    ('deg', 'continuous', 32648)
    """
    folder = folder_of(run)
    drawn = folder / "samples.parquet"
    samples = sample_table.load(drawn) if drawn.is_file() else None
    codes = [f.code for f in samples.factors] if samples else _codes(folder)
    areas = samples.class_areas if samples else {}
    files = {code: folder / "factors" / f"{code}.tif" for code in codes}
    grid = stacks.stored_grid(next(iter(files.values())))
    variables = {}
    for code, path in files.items():
        # A stack of one factor: using one does not read the others.
        values = stacks.stored(folder / "factors", [code]).data[0]
        info = stacks.file_info(path)
        variables[code] = (("y", "x"), values, attributes(info) | _class_cells(areas.get(code)))
    return xr.Dataset(variables, coords=odc.geo.xr.xr_coords(grid))


def _codes(folder: Path) -> list[str]:
    found = sorted(path.stem for path in (folder / "factors").glob("*.tif"))
    if not found:
        raise InputError(
            f"{folder}: contains no factors; run `shakeslide prepare` or "
            'shakeslide.run(..., until="prepare") first'
        )
    return found


def attributes(info: FactorInfo) -> dict[str, str | list[int] | list[str]]:
    """Return the description of a factor as attributes of a variable."""
    out: dict[str, str | list[int] | list[str]] = {
        "long_name": info.name,
        "units": info.unit,
        "kind": info.kind,
        "definition": info.definition,
        "source": info.source,
    }
    if info.settings:
        out["settings"] = json.dumps(dict(info.settings), sort_keys=True)
    if info.legend:
        out |= {"flag_values": [*info.legend], "flag_meanings": [*info.legend.values()]}
    return out


def _class_cells(cells: dict[int, int] | None) -> dict[str, list[int]]:
    if cells is None:
        return {}
    return {"class_values": [*cells], "class_cells": [*cells.values()]}


def info_of(variable: xr.DataArray) -> FactorInfo:
    """Return the description of a factor from the attributes of its variable (y, x)."""
    a = variable.attrs
    names = zip(a.get("flag_values", ()), a.get("flag_meanings", ()), strict=True)
    return FactorInfo(
        code=str(variable.name),
        name=str(a.get("long_name", "")),
        unit=str(a.get("units", "")),
        kind=str(a.get("kind", "continuous")),
        legend={int(k): str(v) for k, v in names},
        settings=json.loads(str(a.get("settings", "{}"))),
    )


def chosen(factors: xr.Dataset, codes: Sequence[str]) -> list[xr.DataArray]:
    """Return the variables of some factors, (y, x) each, in the order of `codes`.

    Raises
    ------
    InputError
        A code is not among the factors.
    """
    known = [str(name) for name in factors.data_vars]
    for code in codes:
        if code not in known:
            raise InputError(f"the factors have no '{code}'.{did_you_mean(code, known)}")
    return [factors[code] for code in codes]


def samples(run: str | PathLike[str] | Run) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Read the sampled cells of a run, for scikit-learn.

    Parameters
    ----------
    run : path or Run
        Folder of results of a run that has done at least `sample` (``until="sample"``).

    Returns
    -------
    X : DataFrame, shape (n_samples, n_factors)
        Raw values of the factors, float32, a column per code. The index has the levels `x` and
        `y`, the centre of the cell in metres, and `landslide`, the number of its landslide (0
        for clear cells). The splitters of this package read coordinates and landslides from it.
    y : Series, shape (n_samples,)
        1 for a cell in a landslide source, 0 for a clear cell.
    groups : Series, shape (n_samples,)
        Number of the landslide of each row; a clear cell has that of its nearest landslide. Use
        it as `groups` of scikit-learn's ``GroupKFold`` to keep each landslide in one fold.

    Raises
    ------
    InputError
        The folder has no samples, or the file is damaged.

    Examples
    --------
    >>> X, y, groups = ss.samples("demo/run")
    >>> X.shape, float(y.mean())
    ((800, 14), 0.5)
    >>> X.index.names
    FrozenList(['x', 'y', 'landslide'])
    """
    drawn = sample_table.load(folder_of(run) / "samples.parquet")
    table = drawn.table
    levels = [table[name] for name in (columns.X, columns.Y, columns.LANDSLIDE)]
    index = pd.MultiIndex.from_arrays(levels, names=INDEX)
    X = pd.DataFrame(drawn.raw, index=index, columns=[f.code for f in drawn.factors])
    y = pd.Series(drawn.label, index=index, name=columns.LABEL)
    return X, y, pd.Series(drawn.landslide_groups(), index=index, name="landslide")


def load_model(path: str | PathLike[str] | Run, name: str | None = None) -> FittedModel:
    """Read a trained model of a run: encoder and estimator. No code from the files is executed.

    Parameters
    ----------
    path : path or Run
        Folder of the model; with `name`, the folder of results.
    name : str, optional
        Name of the model, such as "rf" or "sae". If the maps are made by a model that was fitted
        on all samples, "rf" is this model and "rf/judged" is the model that was evaluated.

    Returns
    -------
    FittedModel
        Its `predict` takes raw factors, shape (n_rows, n_factors), and returns probabilities,
        shape (n_rows,). It can be given to `predict_map` in place of a pipeline.

    Raises
    ------
    InputError
        The folder has no model, or it is damaged.

    Examples
    --------
    >>> model = ss.load_model("demo/run", "rf")
    >>> X, y, groups = ss.samples("demo/run")
    >>> model.predict(X[[f.code for f in model.factors]].to_numpy()).shape
    (800,)
    """
    folder = folder_of(path)
    return bundle.load(folder if name is None else folder / "models" / name)
