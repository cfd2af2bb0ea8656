"""Earlier ShakeMap versions: their results are kept, and a map shows what changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from shakeslide.core import documents
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import fingerprint
from shakeslide.factors.stack import stored_grid
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.map_tags import MapTags
from shakeslide.io.tile_jobs import TileJob
from shakeslide.rapid import totals
from shakeslide.rapid.totals import ShakeMapVersion, Totals
from shakeslide.results.ledger import Ledger

FOLDER = "versions"


def label(version: ShakeMapVersion) -> str:
    """Return the name of a version's folder."""
    return folder_name("_".join(p for p in (version.id, version.version) if p) or "own_rasters")


def folder_name(text: str) -> str:
    """Return a text of a file as the name of a folder: as it is, where it can be one."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip(".")[:100]
    # A file can say anything of itself: no name leads out of the folder, and no two are one.
    return plain if plain == text else f"{plain[:80]}_{fingerprint(text)[:8]}"


def kept(ledger: Ledger, now: ShakeMapVersion, model: str) -> Path | None:
    """Copy the results of an earlier version or of another model to a folder, and return it.

    Parameters
    ----------
    ledger : Ledger
        The record of the folder of results.
    now, model : ShakeMapVersion, str
        What will be made next.

    Returns
    -------
    Path or None
        None where there are none, or where they are of the version and the model of now.
    """
    out, made = ledger.out, ledger.made("rapid")
    # A run that was stopped has replaced some of the maps: they are of no one version.
    if made is None or not ledger.is_fresh("rapid", made.fingerprint):
        return None
    before = _described(out)
    if before is None or (before.shakemap == now and before.model == model):
        return None
    name = label(before.shakemap)
    # The folder of a version alone is for that version's last results.
    if before.shakemap == now:
        name = folder_name(f"{name}_{before.model}")
    folder = out / FOLDER / name
    # Whole or not at all, as it is copied.
    part = ledger.work / "version"
    for old in (part, folder):
        if old.exists():
            shutil.rmtree(old)
    (part / "maps").mkdir(parents=True)
    beside = [out / name for name in ("report.html", "summary.pdf")]
    for file in (*(out / name for name in made.files), *beside):
        if file.exists():
            shutil.copy2(file, part / ("maps" if file.parent.name == "maps" else "") / file.name)
    folder.parent.mkdir(exist_ok=True)
    shutil.move(part, folder)
    return folder


def _described(folder: Path) -> Totals | None:
    """Return the totals in a folder, None where there are none or they are damaged."""
    try:
        return documents.read(folder / totals.FILE, Totals)
    except InputError:
        return None


def cleared(ledger: Ledger, files: Sequence[Path], kept: Path | None) -> str:
    """Delete what an earlier run made and this one did not, and return it in words.

    Parameters
    ----------
    ledger : Ledger
        The record of the folder of results, still that of the earlier run.
    files : sequence of Path
        What this run has made.
    kept : Path or None
        Folder with copies of what the earlier one made.
    """
    made = ledger.made("rapid")
    old = set() if made is None else {ledger.out / name for name in made.files} - set(files)
    gone = sorted(path.relative_to(ledger.out).as_posix() for path in old if path.is_file())
    for path in old:
        # With its styles.
        for one in (path, *(path.with_suffix(s) for s in (".qml", ".sld"))):
            if one.parent in (ledger.out, ledger.out / "maps"):
                one.unlink(missing_ok=True)
    if not gone:
        return ""
    where = f" (copies are in {kept.relative_to(ledger.out)})" if kept is not None else ""
    return f"{', '.join(gone)} of an earlier run removed{where}"


def last(out: Path, now: ShakeMapVersion, model: str) -> Path | None:
    """Return the folder of this earthquake's version that was kept last, not that of now.

    Only one with a map of the model counts.
    """
    folders = []
    for path in (out / FOLDER).glob("*"):
        known = _described(path) if (path / "maps" / f"{model}_mean.tif").is_file() else None
        if known is not None and known.shakemap.id == now.id and known.shakemap != now:
            folders.append(path)
    return max(folders, key=lambda p: (p.stat().st_mtime_ns, p.name), default=None)


def _offset(old: GeoBox, new: GeoBox) -> tuple[int, int] | None:
    """Return the row and column in a grid of another one's first cell; None if cells differ."""
    return raster.aligned_offset(old.affine, old.crs, new)


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
        The file; nothing where the earlier version has no such map on these cells.
    """
    old, new = before / "maps" / f"{name}_mean.tif", job.folder / f"{name}_mean.tif"
    offset = None if not old.exists() else _offset(stored_grid(old), job.grid)
    if offset is None:
        return []
    # The grid may have grown: what was not mapped before has no change.
    row0, col0 = offset
    path = job.folder / f"{name}_change.tif"
    with raster.result(old) as first, raster.result(new) as second:

        def load(tile: Tile) -> NDArray[np.float32]:
            window = Window(tile.col0, tile.row0, tile.shape[1], tile.shape[0])
            earlier = Window(tile.col0 + col0, tile.row0 + row0, window.width, window.height)
            known = first.read(1, window=earlier, boundless=True, fill_value=np.nan)
            return np.asarray(second.read(1, window=window) - known, np.float32)

        write_geotiff(
            path,
            job.grid,
            tiles,
            load,
            BandToWrite(
                tags=MapTags(
                    model=name, before=before.name, meaning="mean map less the one before"
                ).written(),
                description=f"{name}: change of the mean since {before.name}",
            ),
            cloud_optimised="average",
        )
    return [path]
