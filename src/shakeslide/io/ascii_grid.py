"""ESRI ASCII grids looked through: GDAL reads what is no number in them as 0, without a word."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import containers

DRIVERS = ("AAIGrid", "GRASSASCIIGrid")
"""GDAL's names of the formats."""
CHUNK = 1 << 24
"""Bytes that are looked at together."""
LONGEST_ROW = 100_000_000
"""Bytes of a row: an archive of some kilobytes can unpack to one without end."""
NUMERALS = b"0123456789+-.,eE \t\r\n"
ODD = re.compile(
    rb"(?<!\S)(?!(?i:[-+]?(?:nan|inf|infinity))(?!\S))"
    rb"(?:\S*[^0-9+\-.,eE\s]\S*|[-+.,]+|\S*\d,\d+\.\S*)(?!\S)"
)
"""What is no number, and numbers with a separator of thousands."""
SUSPECT = re.compile(rb"\s[-+.,]|,\d+\.")
FIRST = re.compile(rb"(?i)\s*ncols\s")
HEADER = re.compile(rb"\A(?:\s*[A-Za-z][^\n]*\n)+")


def is_grid(path: Path) -> bool:
    """Tell by its first bytes whether a file is an ESRI ASCII grid."""
    if containers.on_disk(path) == path and not path.is_file():
        return False
    with containers.opened(path) as file:
        return FIRST.match(file.read(256)) is not None


def require_numbers(path: Path) -> None:
    """Raise `InputError` where a grid's cells are not all numbers.

    Parameters
    ----------
    path : Path
        A file, in an archive too.
    """
    stat = containers.on_disk(path).stat()
    # Size and time are part of the cache's key: a file that was replaced is read anew.
    odd = _first_odd(path, stat.st_size, stat.st_mtime_ns)
    if odd is not None:
        raise InputError(
            f"{path}: holds {shortened(odd, 40)!r} where a number is needed; write missing cells "
            "as the file's NODATA_value, and numbers without thousands separators"
        )


@lru_cache(maxsize=64)
def _first_odd(path: Path, _size: int, _time: int) -> str | None:
    """Return the first text among the cells that is no number, None where there is none."""
    with containers.opened(path) as file:
        text = HEADER.sub(b"", file.read(CHUNK))
        while text:
            row = file.readline(LONGEST_ROW)  # to its end
            if len(row) == LONGEST_ROW:
                raise InputError(
                    f"{path}: has a row of more than {LONGEST_ROW / 1e6:g} MB (damaged?); give a "
                    "GeoTIFF"
                )
            text += row
            # The slow search only where a quick look finds something.
            if text.translate(None, NUMERALS) or SUSPECT.search(text):
                found = ODD.search(text)
                if found:
                    return found.group().decode("ascii", "replace")
            text = file.read(CHUNK)
    return None
