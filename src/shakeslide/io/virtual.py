"""What a `.vrt`, raster or OGR, is made of, read as XML: nothing is opened.

A file that names what is not on the disk (the web, a cloud's storage, standard input) is refused
before GDAL sees it, whatever it is called.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import ascii_grid, containers, views, xml
from shakeslide.io.gdal import is_offline

ROOTS = ("VRTDataset", "OGRVRTDataSource")
"""First elements of raster and OGR `.vrt` files."""
WEB_SERVICES = (
    "GDAL_WMS", "GDAL_WMTS", "WCS_GDAL", "WMS_Capabilities", "WMT_MS_Capabilities", "Capabilities",
    "OGRWFSDataSource", "OGCAPI", "MRF_META",
)  # fmt: skip
"""Roots of XML files for which GDAL would fetch data from the web (an MRF may, by a source)."""
SOURCES = ("SourceFilename", "SourceDataset", "SrcDataSource", "Source", "IndexDataset")
"""Elements that name a data set."""
CONNECTION = re.compile(r'^[A-Za-z0-9_]{2,}:"?(.+?)"?(?::[^:/\\]*)?$')
"""A part of a file as GDAL writes it: NETCDF:"file.nc":variable, GPKG:file.gpkg:table."""
WEB = re.compile(
    r"(?i)\b(?:https?|ftp)://|/vsi(?!zip/|gzip/|tar/|subfile/|sparse/)"
    r"|^(?:WFS|OAPIF|OGCAPI|CSW|ES|NGW|Carto|AmigoCloud|EEDAI?|DAAS|WMS|WMTS|WCS|PLMosaic|PLScenes"
    r"|STACIT|STACTA|PG|MySQL|MSSQL|ODBC|OCI|MongoDBv3|HANA|IDB|GPSBabel|PostGISRaster):"
)
"""Names that lead off this machine's disk."""
ENDLESS = re.compile(r"(?i)\b(?:recursive|generate_series)\b")
"""What a query without end holds."""
LONGEST = 100_000_000
"""Bytes of a `.vrt` in an archive, unpacked."""
MOST_DEEP = 12
"""Files within files that are followed."""


def sources_of(vrt: Path) -> list[str]:
    """Return the names of the data sets that a `.vrt` is made of, as GDAL would open them.

    Raises
    ------
    InputError
        A file that is no whole XML, or has a document type or entities.
    """
    names = []
    for element in _read(vrt).iter():
        if xml.name(element) in SOURCES and element.text and element.text.strip():
            attributes = {k.lower(): v for k, v in element.attrib.items()}
            text = element.text.strip()
            relative = attributes.get("relativetovrt", "0").lower() in ("1", "yes", "true", "on")
            names.append(_beside(text, vrt) if relative else text)
    return names


def _read(vrt: Path) -> Any:
    """Return the root element of a `.vrt`, in an archive too."""
    if not containers.is_packed(vrt):
        return xml.read(vrt, "VRT")
    with containers.opened(vrt) as file:
        # One byte more shows that it goes on.
        held = file.read(LONGEST + 1)
    if len(held) > LONGEST:
        raise InputError(f"{vrt}: is longer than any VRT; get it again, or unpack it")
    return xml.read(vrt, "VRT", io.BytesIO(held))


def _root(path: Path) -> str:
    """Return the name of the first element of a file, in an archive too; "" where it has none."""
    if not containers.is_packed(path):
        packed = path.suffix.lower() in containers.ARCHIVES
        return xml.root_name(path) if path.is_file() and not packed else ""
    if not containers.exists(path):
        return ""
    with containers.opened(path) as file:
        return xml.root_in(file.read(xml.HEAD))


def _beside(text: str, vrt: Path) -> str:
    return text if text.startswith(("/", "<")) or CONNECTION.match(text) else str(vrt.parent / text)


def gdal_name(path: Path, serves: Callable[[str], bool], what: str) -> str:
    """Return the name under which GDAL opens a path that leads to nothing but whole files.

    Parameters are those of `containers.gdal_name`.

    Raises
    ------
    InputError
        As `containers.gdal_name`, and as `require_local`.
    """
    name = containers.gdal_name(path, serves, what)
    require_local(containers.path_of(name), path)
    return name


def place_of(name: str, vrt: Path) -> Path:
    """Return the file of a name that GDAL would open for a `.vrt`, in an archive too."""
    # GDAL may write an archive in braces: /vsizip/{a.zip}/b.tif.
    text = containers.VIRTUAL.sub("", name.replace("{", "").replace("}", ""))
    text = text if text.startswith("/") or text == name else f"/{text}"
    path = Path(text)
    if (part := CONNECTION.match(name)) and not path.exists():
        path = Path(part.group(1))
    beside = vrt.parent / path
    return beside if containers.exists(beside) else path


def places_of(path: Path) -> list[Path]:
    """Return the files that a `.vrt` is made of, none where the file is no `.vrt`."""
    if _root(path) not in ROOTS:
        return []
    return [place_of(name, path) for name in sources_of(path)]


def require_local(path: Path, top: Path | None = None, depth: int = 0) -> None:
    """Raise `InputError` where a file names what is not on the disk, or is not a file.

    Parameters
    ----------
    path : Path
        The file.
    top : Path, optional
        The file of the study that led to it.
    depth : int
        Files that led to it.
    """
    top = top or path
    root = _root(path)
    if root in WEB_SERVICES and _names_web(path, root) and is_offline():
        raise InputError(
            f"{top}: describes a web service, not data; download what it serves and give that"
        )
    if root not in ROOTS or depth > MOST_DEEP:
        return
    if ENDLESS.search(
        " ".join(e.text or "" for e in _read(path).iter() if xml.name(e) == "SrcSQL")
    ):
        raise InputError(
            f"{top}: its query (SrcSQL) may not terminate; give the table that it makes "
            "(ogr2ogr copies a layer as one)"
        )
    for name in sources_of(path):
        if WEB.search(name):
            if is_offline():
                raise InputError(
                    f"{top}: refers to the web or to something that is not a file "
                    f"({shortened(name)}); download "
                    "it and give the file, or set network = true in [study]"
                )
            continue
        place = place_of(name, path)
        if place != path and containers.exists(place):
            containers.require_file(place)
            containers.require_files_beside(containers.on_disk(place))
            views.require_finite(place, f"{top} ({place.name})")
            if ascii_grid.is_grid(place):
                ascii_grid.require_numbers(place)
            require_local(place, top, depth + 1)


def _names_web(path: Path, root: str) -> bool:
    """Tell whether a description of a service names an address; an MRF need not."""
    return root != "MRF_META" or any(WEB.search(name) for name in sources_of(path))
