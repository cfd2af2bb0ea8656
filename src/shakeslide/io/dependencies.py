"""The files that a data set consists of: what must stay the same for it to be the same.

Listed are the files that GDAL itself names for a raster (world files, masks, headers, what a
`.vrt` is made of, and so on into those), and for vectors the files that belong together by name,
with the sources of an OGR `.vrt`. Not listed are overviews and indices, which hold nothing new,
and `.aux.xml`, which is not read. Not covered are the rasters that a tile index (GTI) names in
its own table, what a GeoPackage's view takes from an attached file, and what lies on the web
(`network = true`).
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from shakeslide.core.errors import InputError
from shakeslide.io import containers, suffixes, virtual
from shakeslide.io.gdal import options

PARTS = {
    ".shp": (".dbf", ".shx", ".prj", ".cpg"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".gml": (".gfs", ".xsd"),
    ".csv": (".csvt", ".prj"),
    ".tsv": (".csvt", ".prj"),
    ".bna": (".csvt",),
    ".000": (".001", ".002", ".003"),
}
"""Files that belong to a vector file, by its suffix, and are named as it is."""
JOURNALS = ("-wal", "-journal")
"""What SQLite keeps beside a file (GeoPackage) that has not been closed."""
ASIDE = (".ovr", ".aux.xml", ".qix", ".sbn", ".sbx", ".rrd")
"""Overviews, indices and sidecars that are not read."""


def files_of(path: Path) -> list[Path]:
    """Return the files on the disk that a data set consists of, in order.

    Parameters
    ----------
    path : Path
        A raster, vector or table; an archive or a path into one; a folder.

    Raises
    ------
    InputError
        Nothing there, or something else than files.
    """
    containers.require_file(path)
    virtual.require_local(path)
    found: set[Path] = set()
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        named = waiting.pop()
        file = containers.on_disk(named)
        if named in seen or not file.exists():
            continue
        seen.add(named)
        if file.is_dir():
            found.update(p for p in containers.files(file) if p.is_file())
            continue
        containers.require_file(file)
        containers.require_files_beside(file)
        found.add(file)
        waiting += _named_by(named)
    return sorted(found)


def _named_by(file: Path) -> Iterator[Path]:
    """Yield the files that a file names, or that belong to it by their names."""
    suffix = file.suffix.lower()
    if containers.is_packed(file):
        yield from virtual.places_of(file)
        return
    if suffix in (".zip", ".kmz") and zipfile.is_zipfile(file):
        vrts = [n for n in containers.members(file) if n.lower().endswith(".vrt")]
        yield from (place for name in vrts for place in virtual.places_of(file / name))
    for part in PARTS.get(suffix, ()):
        # File systems that tell case apart hold the upper-case suffixes of others as they came.
        yield from (file.with_suffix(s) for s in (part, part.upper()))
    yield from (file.with_name(file.name + end) for end in JOURNALS)
    yield from virtual.places_of(file)
    if suffix not in suffixes.ALONE and suffix not in PARTS:
        yield from _listed_by_gdal(file)


def _listed_by_gdal(file: Path) -> list[Path]:
    """Return the files that GDAL lists for a raster, none where it is no raster."""
    try:
        with rasterio.Env(**options()), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(file) as dataset:
                names = list(dataset.files)
    except (RasterioError, InputError):
        return []
    # A `.vrt` within a name is XML, no path.
    paths = (containers.on_disk(Path(name)) for name in names if not name.startswith("<"))
    return [p for p in paths if not p.name.lower().endswith(ASIDE)]
