"""Studies opened and run in one call."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import geopandas as gpd

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.io import gdal
from shakeslide.pipeline import Run
from shakeslide.study import settings


def open_study(
    study: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    data: str | PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    quiet: bool = False,
) -> Run:
    """Open a study for running.

    Parameters
    ----------
    study : path
        The study file (TOML).
    out : path, optional
        Folder of results; default: ``runs/<name>``, as on the command line.
    data : path, optional
        Folder from which relative paths in the study start; default: the study file's own.
    overrides : sequence of str
        Keys to set, ``"table.key=value"`` each, as with ``--set`` on the command line.
    workers : int, optional
        Threads; default: all processors.
    quiet : bool
        If True, show no progress.

    Returns
    -------
    Run
        The study with its settings, grid, factors and folder of results. The functions of
        `shakeslide.pipeline` are its stages.

    Raises
    ------
    InputError
        The study file cannot be read, has a wrong key or value, or `out` cannot be written to.

    Examples
    --------
    >>> study = ss.open_study("demo/data/study.toml", "demo/run", quiet=True)
    >>> study.grid().shape
    Shape2d(x=160, y=160)
    >>> study.codes[:3]
    ['EI', 'ED', 'SRD']
    """
    path = Path(study)
    loaded, document = settings.load(path, None if data is None else Path(data), overrides)
    folder = settings.default_folder(path) if out is None else Path(out)
    return Run(loaded, document, folder, Engine(workers), Reporter(quiet))


def run(
    study: str | PathLike[str] | Run,
    out: str | PathLike[str] | None = None,
    *,
    until: str = "report",
    **options: Any,
) -> Path:
    """Run the stages of a study, from layers to report; results that are up to date are kept.

    Parameters
    ----------
    study : path or Run
        The study file (TOML), or the object that `open_study` returned.
    out : path, optional
        Folder of results; default: ``runs/<name>``. Give it only if `study` is a file.
    until : {"prepare", "sample", "train", "evaluate", "explain", "map", "report"}
        The last stage to run.
    **options
        `data`, `overrides`, `workers` and `quiet` of `open_study`. Only if `study` is a file.

    Returns
    -------
    Path
        The folder of results, for `open_factors`, `samples` and `load_model`.

    Raises
    ------
    InputError
        The input is wrong. The message names the file or key, the error and the remedy.

    Examples
    --------
    >>> folder = ss.run("demo/data/study.toml", "demo/run", until="sample", quiet=True)
    >>> (folder / "samples.parquet").exists()
    True
    """
    opened = study if isinstance(study, Run) else open_study(study, out, **options)
    if isinstance(study, Run) and (out is not None or options):
        raise InputError("run: the study is open already; give out and the options to open_study")
    with opened.ledger.locked():
        pipeline.run_all(opened, until)
    return opened.out


def extract_sources(
    study: str | PathLike[str] | Run, out: str | PathLike[str] | None = None, **options: Any
) -> gpd.GeoDataFrame:
    """Extract source areas from the whole outlines of a study's inventory.

    Parameters
    ----------
    study : path or Run
        The study file (TOML), or the object that `open_study` returned.
    out : path, optional
        Folder of results, where ``sources.gpkg`` is written. Give it only if `study` is a file.
    **options
        `data`, `overrides`, `workers` and `quiet` of `open_study`. Only if `study` is a file.

    Returns
    -------
    GeoDataFrame
        One row per source area, in the grid's CRS (metres), with the method that found it.

    Raises
    ------
    InputError
        The inventory holds points, or none of its outlines can be separated.

    Examples
    --------
    >>> sources = ss.extract_sources("demo/data/study.toml", "demo/run", quiet=True)
    >>> sources.crs.is_projected, bool(sources.geom_type.str.endswith("Polygon").all())
    (True, True)
    """
    opened = study if isinstance(study, Run) else open_study(study, out, **options)
    with opened.ledger.locked():
        path = pipeline.extract_sources(opened)
    with gdal.vectors():
        return gpd.read_file(path, layer="source")


def make_earthquake(
    folder: str | PathLike[str], size: int = 200, seed: int = 1, **settings: Any
) -> Path:
    """Make a synthetic earthquake whose true probability of failure is known in every cell.

    Parameters
    ----------
    folder : path
        Folder for the layers, the inventory and the study file; it is created if needed.
    size : int
        Cells along each side of the square map, 24 or more; a cell is 25 m wide by default.
    seed : int
        Random seed, 0 or more: the same seed and settings give the same files.
    **settings
        Other settings of `shakeslide.synthetic.Scenario`, such as ``magnitude=6.8``.

    Returns
    -------
    Path
        The study file, for `run`. ``truth.tif`` beside it holds the true probability.

    Raises
    ------
    InputError
        A setting that is unknown or out of its limits.

    Examples
    --------
    >>> study = ss.make_earthquake("quake", size=64, prevalence=0.1)
    >>> study.name
    'study.toml'
    """
    if unknown := set(settings) - set(synthetic.Scenario.__dataclass_fields__):
        raise InputError(f"synthetic earthquake: no setting is called {sorted(unknown)[0]}")
    scenario = synthetic.Scenario(**{"seed": seed, "rows": size, "cols": size, **settings})
    return synthetic.create(scenario, Path(folder))
