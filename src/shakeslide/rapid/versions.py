"""Earlier ShakeMap versions: their results are kept, and a map shows what changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from shakeslide.core import documents
from shakeslide.core.errors import InputError
from shakeslide.factors.stack import stored_grid
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.tile_jobs import TileJob
from shakeslide.rapid import totals
from shakeslide.rapid.totals import ShakeMapVersion, Totals

FOLDER = "versions"


def label(version: ShakeMapVersion) -> str:
    """Return the name of a version's folder."""
    text = "_".join(p for p in (version.id, version.version) if p) or "own_rasters"
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)[:100]


def kept(out: Path, now: ShakeMapVersion) -> Path | None:
    """Move the results of an earlier version aside and return their folder.

    Returns
    -------
    Path or None
        None where there are none, or where they are of the version of now.
    """
    path = out / totals.FILE
    if not path.exists():
        return None
    try:
        before = documents.read(path, Totals)
    except InputError:
        # Damaged: it is made anew, and there is nothing to compare with.
        return None
    if before.shakemap == now:
        return None
    folder = out / FOLDER / label(before.shakemap)
    copy = folder / totals.FILE
    if copy.exists() and copy.read_bytes() == path.read_bytes():
        # Kept by a run that was stopped: maps of now may lie in the place of those before.
        folder.touch()
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "maps").mkdir(parents=True)
    for file in sorted((out / "maps").glob(f"{before.model}_*")):
        shutil.copy2(file, folder / "maps" / file.name)
    # The totals last: with them the copy is whole.
    for name in ("info.json", "report.html", "summary.pdf", "roads.csv", totals.FILE):
        if (out / name).exists():
            shutil.copy2(out / name, folder / name)
    return folder


def last(out: Path, now: ShakeMapVersion) -> Path | None:
    """Return the folder of the version that was kept last, other than that of now."""
    folders = [p for p in (out / FOLDER).glob("*") if p.is_dir() and p.name != label(now)]
    return max(folders, key=lambda p: (p.stat().st_mtime_ns, p.name), default=None)


def write_change(before: Path, name: str, tiles: Sequence[Tile], job: TileJob) -> list[Path]:
    """Write `<model>_change.tif`: the mean map less that of an earlier version.

    Parameters
    ----------
    before : Path
        Folder of the earlier version.
    name : str
        Of the model.
    tiles : sequence of Tile
        All of the grid.
    job : TileJob
        Whose folder has the mean map of now.

    Returns
    -------
    list of Path
        The file; nothing where the earlier version has no such map on this grid.
    """
    old, new = before / "maps" / f"{name}_mean.tif", job.folder / f"{name}_mean.tif"
    if not old.exists() or stored_grid(old) != job.grid:
        return []
    path = job.folder / f"{name}_change.tif"
    with raster.result(old) as first, raster.result(new) as second:

        def load(tile: Tile) -> NDArray[np.float32]:
            window = Window(tile.col0, tile.row0, tile.shape[1], tile.shape[0])
            return np.asarray(
                second.read(1, window=window) - first.read(1, window=window), np.float32
            )

        write_geotiff(
            path,
            job.grid,
            tiles,
            load,
            BandToWrite(
                tags={
                    "model": name,
                    "before": before.name,
                    "meaning": "mean map less the one before",
                },
                description=f"{name}: change of the mean since {before.name}",
            ),
            cloud_optimised="average",
        )
    return [path]
