"""Views of a GeoPackage or SpatiaLite file: queries that run when the layer is read.

GDAL runs them without a limit, so that a file from a stranger could keep a run for ever.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import containers, geopackage

STEPS = 1_000_000
"""Instructions of the database between two looks at how many there were."""
MOST = 30
"""Such looks before a file's views count as endless: some seconds, or some million features."""
OWN = ("gpkg_", "geometry_columns", "spatial_ref_sys", "rtree_")
"""How the names of the formats' own tables begin."""
LARGEST = 100_000_000
"""Bytes of the largest value that a view may make."""


def require_finite(path: Path, source: str) -> None:
    """Raise where a database has a view that does not come to an end soon.

    Parameters
    ----------
    path : Path
        Any file, in an archive too; others than SQLite's are not looked at.
    source : str
        File and layer, for the message.

    Raises
    ------
    InputError
        A view that is endless, that fails, or that stands in the place of GDAL's own tables.
    """
    if containers.is_packed(path):
        _require_finite_packed(path, source)
    elif path.is_file() and geopackage.is_sqlite(path):
        _require_finite(path, source)


def _require_finite_packed(path: Path, source: str) -> None:
    """Do the same for a database in an archive, which is unpacked for the look."""
    if not containers.exists(path):
        return
    with containers.opened(path) as file:
        head = file.read(len(geopackage.MAGIC))
        if head != geopackage.MAGIC:
            return
        containers.require_no_changes(path)
        with tempfile.NamedTemporaryFile(suffix=".gpkg") as unpacked:
            unpacked.write(head)
            while block := file.read(1 << 20):
                unpacked.write(block)
                if unpacked.tell() > containers.LARGEST_PACKED:
                    raise containers.too_large(source)
            unpacked.flush()
            _require_finite(Path(unpacked.name), source)


def _require_finite(path: Path, source: str) -> None:
    try:
        # Immutable: neither locks nor files beside the user's.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as db:
            _limit(db)
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'view'"
            ).fetchall():
                _require_end(db, str(name), source)
    except (sqlite3.DatabaseError, UnicodeError):
        # A damaged file is told of where it is read.
        return


def _limit(db: sqlite3.Connection) -> None:
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return looks > MOST

    db.set_progress_handler(look, STEPS)


def _require_end(db: sqlite3.Connection, name: str, source: str) -> None:
    """Walk all rows of a view."""
    remedy = "export it as a table (ogr2ogr copies a layer as one)"
    told = f"{source}: its view '{shortened(name)}'"
    if name.lower().startswith(OWN):
        raise InputError(
            f"{told} has the name of a table that the format reserves; get the file again"
        )
    quoted = name.replace('"', '""')
    try:
        rows = db.execute(f'SELECT * FROM "{quoted}"')
        while rows.fetchmany(1000):
            pass
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise InputError(f"{told} does not terminate; {remedy}") from error
        raise InputError(f"{told} cannot be read ({error}); {remedy}") from error
    except (sqlite3.Error, UnicodeError, MemoryError) as error:
        raise InputError(f"{told} cannot be read ({error}); {remedy}") from error
