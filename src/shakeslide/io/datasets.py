"""Rasters opened: which file, which of its rasters, and refusals by name; kept open per thread."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import MemoryFile

from shakeslide.core.errors import InputError, did_you_mean, shortened
from shakeslide.io import ascii_grid, containers, shakemap, suffixes, views, virtual
from shakeslide.io.gdal import REFERS_TO_WEB, is_offline, is_web, one_line, options

NAMED_BY_PREFIX = {"netCDF": "NETCDF", "HDF5": "HDF5", "HDF5Image": "HDF5", "GPKG": "GPKG"}
"""Drivers whose rasters can be opened by name, and the prefix of that."""

_open_here = threading.local()
"""Each thread's open files: GDAL's datasets must not be shared between threads."""
MOST_OPEN = 24
"""Files a thread keeps open: all factors of a study, so that tiles find blocks in GDAL's cache
that their neighbours have already unpacked."""


@contextmanager
def opened(path: Path, field: str | None = None, layer: str | None = None) -> Iterator[Any]:
    """Open a raster for reading; a file that is no raster is an `InputError`.

    Parameters
    ----------
    path : Path
        The file, an archive that holds one, or a path into an archive.
    field : str, optional
        Field of a ShakeMap.
    layer : str, optional
        Raster in the file, where it holds several: a variable, a table.
    """
    containers.require_file(path)
    with rasterio.Env(**options()):
        if field is not None:
            with MemoryFile(shakemap.geotiff(path, field)) as memory, memory.open() as dataset:
                yield dataset
            return
        yield _kept_open(path, layer)


class _Looks:
    """How often files were looked at anew."""

    count = 0


def look_again() -> None:
    """Open every file anew from here on.

    The tiles behind a `.vrt` may have changed, which the time of the `.vrt` itself does not show.
    """
    _Looks.count += 1


def _kept_open(path: Path, layer: str | None) -> Any:
    """Return this thread's dataset of a file, opened anew when the file has been replaced."""
    stat = containers.on_disk(path).stat()
    # The inode shows a replaced file even where size and time agree.
    state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    # A file that was opened with the web allowed must not serve a study without.
    key = (str(path), layer, is_offline(), _Looks.count, *state)
    kept: OrderedDict[Any, Any] = _open_here.__dict__.setdefault("kept", OrderedDict())
    for old in [k for k in kept if k[:2] == key[:2] and k != key]:
        kept.pop(old).close()
    if key not in kept:
        kept[key] = _open(path, layer)
        if len(kept) > MOST_OPEN:
            kept.popitem(last=False)[1].close()
    kept.move_to_end(key)
    return kept[key]


def _open(path: Path, layer: str | None = None) -> Any:
    name = virtual.gdal_name(path, _may_be_raster, "raster")
    held = containers.path_of(name)
    # Before GDAL opens the file, which runs its views.
    views.require_finite(held, str(path))
    dataset = _opened(name, path)
    if dataset.driver in ascii_grid.DRIVERS:
        ascii_grid.require_numbers(held)
    if layer is not None or dataset.count == 0:
        dataset = _chosen(dataset, name, path, layer)
    if any(dtype.startswith("complex") for dtype in dataset.dtypes):
        dtype = dataset.dtypes[0]
        dataset.close()
        raise InputError(
            f"{path}: holds complex numbers ({dtype}); give a raster of real numbers, for "
            "example their magnitude"
        )
    return dataset


def _may_be_raster(name: str) -> bool:
    pictures = (".png", ".jpg")  # previews, in an archive
    suffix = containers.suffix_of(name)
    return (
        suffix in suffixes.RASTERS
        and suffix not in pictures
        # An Esri grid is a folder of .adf files, of which hdr.adf stands for all.
        and (suffix != ".adf" or name.lower().endswith("hdr.adf"))
    )


def _opened(name: str, path: Path) -> Any:
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            # A nodata beyond the type is none; no place is refused in `raster.info`, by name.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(name)
    except RasterioError as error:
        raise InputError(f"{path}: {_why_not(error, path)}") from error


def _why_not(error: RasterioError, path: Path) -> str:
    """Tell why GDAL cannot open a raster."""
    why = one_line(error).replace(str(path), path.name)
    if is_web(error):
        return REFERS_TO_WEB
    if "sqlite" in why or "malformed" in why:
        why = "truncated or damaged? Get the file again"
    if path.is_dir():
        why = "a folder, and no data set that GDAL reads as a whole; give a file of it"
    return f"not a raster that GDAL can read: {shortened(why, 300)}"


def _chosen(dataset: Any, name: str, path: Path, layer: str | None) -> Any:
    """Return the raster that `layer` names in a file, the only one where it names none."""
    driver, subdatasets = dataset.driver, list(dataset.subdatasets)
    own = dataset.count > 0 and not subdatasets
    rasters = {s.rsplit(":", 1)[-1].strip('"/'): s for s in subdatasets}
    if layer is None and len(rasters) == 1:
        layer = next(iter(rasters))
    if layer is None:
        dataset.close()
        raise InputError(f"{path}: {_choice(rasters)}")
    prefix = NAMED_BY_PREFIX.get(driver)
    if own and prefix is None:
        dataset.close()
        raise InputError(
            f"{path}: is one raster ({driver}), which has no layers: delete layer = '{layer}' "
            "(a band is chosen with band =)"
        )
    dataset.close()
    if layer not in rasters and not own:
        raise InputError(f"{path}: has no raster '{layer}'.{did_you_mean(layer, rasters)}")
    try:
        return _opened(rasters.get(layer, f'{prefix}:"{name}":{layer}'), path)
    except InputError as error:
        raise InputError(f"{path}: has no raster '{layer}' that can be read") from error


def _choice(rasters: dict[str, str]) -> str:
    """Tell how to choose one of a file's rasters."""
    if not rasters:
        return "holds no raster: GDAL finds no band in it"
    names = ", ".join(list(rasters)[:12]) + (" ..." if len(rasters) > 12 else "")
    first = next(iter(rasters))
    return (
        f'holds {len(rasters)} rasters ({names}); choose a variable with layer = "{first}" in the '
        "table of the layer"
    )


def is_raster(path: Path) -> bool:
    """Tell whether GDAL reads a file as a raster: by its content.

    Raises
    ------
    InputError
        What is no file, or refers to the web.
    """
    containers.require_file(path)
    containers.require_files_beside(containers.on_disk(path))
    suffix = containers.suffix_of(path.name)
    if suffix in suffixes.NEVER_RASTERS:
        return False
    try:
        name = containers.gdal_name(path, _may_be_raster, "raster")
    except InputError:
        # An archive of several rasters, or of vectors.
        return any(_may_be_raster(n) for n in containers.members(path))
    held = containers.path_of(name)
    virtual.require_local(held, path)
    views.require_finite(held, str(path))
    with rasterio.Env(**options()):
        try:
            dataset = _opened(name, path)
        except InputError:
            return False
        with dataset:
            found = dataset.count > 0 or bool(dataset.subdatasets)
            # GDAL takes any text of three columns for a raster of points.
            return found and not (dataset.driver == "XYZ" and suffix == ".txt")


@contextmanager
def result(path: Path) -> Iterator[Any]:
    """Open a raster that a run has made; one that is damaged raises `InputError`."""
    with rasterio.Env(**options()):
        dataset = _open(path)
        try:
            with dataset:
                yield dataset
        except RasterioIOError as error:
            raise InputError(
                f"{path}: cannot be read to the end (damaged?); delete it and use `shakeslide run`"
            ) from error
