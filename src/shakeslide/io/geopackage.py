"""SQLite files, above all GeoPackages: written without today's date, compared by their rows.

A GeoPackage states when it was last changed, and SQLite counts changes and leaves its pages in
whatever order they came: files of the same features differ in their bytes.
"""

from __future__ import annotations

import hashlib
import marshal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyogrio

from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import BYTES

MAGIC = b"SQLite format 3\0"
# A write-ahead log without changes still has its header of 32 bytes.
JOURNALS = {"-wal": 32, "-journal": 0}
"""Ends of the names of the files that hold changes of a database, and their sizes without any."""
LONGEST = 120.0
"""Seconds of reading after which a file is compared by its bytes."""
LARGEST = 1 << 30
"""Bytes of the largest value that is read."""
VOLATILE = {"gpkg_contents": ("last_change",)}
"""Columns that say when, not what."""
BESIDE = ("gpkg_ogr_contents", "sqlite_sequence", "layer_styles", "qgis_projects")
"""Tables of counts and of styles: no reader takes values from them."""
SHADOWS = ("node", "parent", "rowid")
"""What the tables of a spatial index end in."""
SEPARATOR = b"\x1f"


@contextmanager
def undated() -> Iterator[None]:
    """Let GDAL write no date of today into GeoPackages: the same features are the same bytes."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "1970-01-01T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def is_sqlite(path: Path) -> bool:
    """Tell by its first bytes whether a file is an SQLite database."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def require_closed(path: Path) -> None:
    """Raise where changes of a database still lie in a file beside it.

    GDAL would write them into the user's file, even where it only reads, or read without them.

    Raises
    ------
    InputError
        A program has the file open, or ended without closing it.
    """
    beside = pending(path)
    if beside is not None and is_sqlite(path):
        raise InputError(
            f"{path}: its latest changes are still in {beside.name} beside it: close the file in "
            "the program that uses it (for example QGIS); if no program uses it, open it once in "
            "QGIS and close it"
        )


def digest(path: Path) -> str | None:
    """Return a hash of the tables of an SQLite file; None where only its bytes can tell.

    Nothing of the file is executed (no view, no trigger), and it is not written to. Left out are
    the time of the last change, spatial indices, and styles.
    """
    if pending(path) is not None:
        return None
    try:
        with closing(_open(path)) as database:
            return _digest(database)
    except (sqlite3.Error, MemoryError, ValueError):
        return None


def pending(path: Path) -> Path | None:
    """Return the file beside a database that holds changes of it, None where there is none."""
    for end, empty in JOURNALS.items():
        beside = path.with_name(path.name + end)
        if beside.is_file() and beside.stat().st_size > empty:
            with beside.open("rb") as file:
                if any(
                    file.read(4)
                ):  # a journal that is done with may stay, with zeros at its head
                    return beside
    return None


def _open(path: Path) -> sqlite3.Connection:
    place = quote(str(path.resolve()))
    # Immutable: neither locks nor files beside the user's.
    database = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)
    # Texts in a wrong encoding must not stop the hash.
    database.text_factory = bytes
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    database.execute("PRAGMA trusted_schema = OFF")
    end = time.monotonic() + LONGEST
    database.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    return database


def _digest(database: sqlite3.Connection) -> str:
    out = hashlib.blake2b(b"sqlite", digest_size=BYTES)
    listed = database.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    ).fetchall()
    virtual = [name for _, name, sql in listed if _is_virtual(sql)]
    shadows = {b"%s_%s" % (name, end.encode()) for name in virtual for end in SHADOWS}
    beside = {name.encode() for name in BESIDE} | set(virtual) | shadows
    for kind, name, sql in listed:
        if name in beside or name.startswith(b"sqlite_"):
            continue
        out.update(SEPARATOR.join((kind, name, sql or b"")))
        if kind == b"table":
            _add_rows(database, name, out)
    return out.hexdigest()


def _is_virtual(sql: bytes | None) -> bool:
    return sql is not None and sql.lstrip().upper().startswith(b"CREATE VIRTUAL")


def _add_rows(database: sqlite3.Connection, table: bytes, out: Any) -> None:
    """Add the rows of a table, in the order in which readers get them."""
    name = _quoted(table.decode())
    columns = [row[1].decode() for row in database.execute(f"PRAGMA table_info({name})").fetchall()]
    kept = [c for c in columns if c not in VOLATILE.get(table.decode(), ())]
    rows = database.execute(f"SELECT {', '.join(map(_quoted, kept))} FROM {name}")
    while some := rows.fetchmany(1000):
        # Version 2: values alone, each with its type and length.
        out.update(marshal.dumps(some, 2))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
