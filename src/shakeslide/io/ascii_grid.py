"""ESRI ASCII grids looked through: GDAL reads what is no number in them as 0, without a word."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from shakeslide.errors import InputError, shortened

DRIVERS = ("AAIGrid", "GRASSASCIIGrid")
"""GDAL's names of the formats."""
CHUNK = 1 << 24
"""Bytes that are looked at together."""
NUMERALS = b"0123456789+-.,eE \t\r\n"
ODD = re.compile(
    rb"(?<!\S)(?!(?i:[-+]?(?:nan|inf|infinity))(?!\S))"
    rb"(?:\S*[^0-9+\-.,eE\s]\S*|[-+.,]+|\S*\d,\d+\.\S*)(?!\S)"
)
"""What is no number, and numbers with a separator of thousands."""
SUSPECT = re.compile(rb"\s[-+.,]|,\d+\.")
HEADER = re.compile(rb"\A(?:\s*[A-Za-z][^\n]*\n)+")


def require_numbers(path: Path) -> None:
    """Raise `InputError` where a grid's cells are not all numbers.

    Parameters
    ----------
    path : Path
        A file on the disk.
    """
    stat = path.stat()
    odd = _first_odd(path, stat.st_size, stat.st_mtime_ns)
    if odd is not None:
        raise InputError(
            f"{path}: holds {shortened(odd, 40)!r} where a number is needed; write missing cells "
            "as the file's NODATA_value, and numbers without separators of thousands"
        )


@lru_cache(maxsize=64)
def _first_odd(path: Path, _size: int, _time: int) -> str | None:
    """Return the first text among the cells that is no number, None where there is none."""
    with path.open("rb") as file:
        text = HEADER.sub(b"", file.read(CHUNK))
        while text:
            text += file.readline()  # to the end of the row
            # The slow search only where a quick look finds something.
            if text.translate(None, NUMERALS) or SUSPECT.search(text):
                found = ODD.search(text)
                if found:
                    return found.group().decode("ascii", "replace")
            text = file.read(CHUNK)
    return None
