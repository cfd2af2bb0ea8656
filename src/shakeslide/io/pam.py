"""What GDAL's sidecar files (`<raster>.aux.xml`) say; read only to tell where they mislead.

Rasters are read without their sidecars: one left over from an earlier file gives wrong nodata,
CRS or statistics, and other programs believe it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shakeslide.core.errors import InputError
from shakeslide.io import xml


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says of a band; None where it says nothing.

    Attributes
    ----------
    path : Path
        The sidecar.
    nodata, minimum, maximum : float or None
        Nodata value and statistics of the band.
    crs : bool
        Whether it names a CRS.
    unit : str
        Unit of the band's values.
    """

    path: Path
    nodata: float | None
    minimum: float | None
    maximum: float | None
    crs: bool
    unit: str = ""


def read(raster: Path, band: int) -> Sidecar | None:
    """Return what the sidecar of a raster says, None where there is none that can be read."""
    path = raster.with_name(raster.name + ".aux.xml")
    if not path.is_file():
        return None
    try:
        root = xml.read(path, "GDAL sidecar")
    except InputError:
        return None
    bands = [
        element
        for element in xml.children(root, "PAMRasterBand")
        if element.attrib.get("band", "1") == str(band)
    ]
    said = bands[0] if bands else None
    return Sidecar(
        path,
        _number(None if said is None else xml.child(said, "NoDataValue")),
        _statistic(said, "STATISTICS_MINIMUM"),
        _statistic(said, "STATISTICS_MAXIMUM"),
        xml.child(root, "SRS") is not None,
        _text(None if said is None else xml.child(said, "UnitType")),
    )


def _statistic(band: Any, key: str) -> float | None:
    if band is None:
        return None
    for metadata in xml.children(band, "Metadata"):
        for item in xml.children(metadata, "MDI"):
            if item.attrib.get("key") == key:
                return _number(item)
    return None


def _text(element: Any) -> str:
    return "" if element is None or element.text is None else str(element.text).strip()


def _number(element: Any) -> float | None:
    try:
        return None if element is None else float(element.text)
    except (TypeError, ValueError):
        return None
