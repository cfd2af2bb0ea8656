"""Hashes of what files hold, without the times that some formats write into them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shakeslide.core.fingerprints import BYTES
from shakeslide.io import geopackage

DBF_DATE = slice(1, 4)
"""Bytes of a dBase table that say when it was last changed."""


def digest(path: Path) -> str:
    """Return a hash of a file's content.

    Files that differ only in the time of their writing are alike: GeoPackages and other SQLite
    files by their rows, the table of a shapefile without its date, all others byte by byte.
    """
    if geopackage.is_sqlite(path) and (told := geopackage.digest(path)):
        return told
    out = hashlib.blake2b(digest_size=BYTES)
    with path.open("rb") as file:
        if path.suffix.lower() == ".dbf":
            head = bytearray(file.read(DBF_DATE.stop))
            head[DBF_DATE] = bytes(len(head[DBF_DATE]))
            out.update(head)
        while block := file.read(1 << 20):
            out.update(block)
    return out.hexdigest()
