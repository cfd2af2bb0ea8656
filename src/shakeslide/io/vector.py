"""Vectors in: any layer OGR reads, tables of points or WKT, QuakeML; in the grid's CRS, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError, shortened
from shakeslide.geo import grid as grids
from shakeslide.io import containers, dates, ogr, quakeml, shapes, tables, virtual
from shakeslide.io.points import Points
from shakeslide.io.records import (
    Records,
    Shapes,
    VectorSource,
    asked,
    composed,
    require,
    require_name,
)
from shakeslide.io.shapes import kind_of

__all__ = [
    "Features",
    "VectorSource",
    "crs_of",
    "forget",
    "garbled",
    "kind_of",
    "lines",
    "loose_points",
    "numeric",
    "points",
    "read",
    "remedy",
    "remembering",
    "require_column",
    "single_points",
    "swapped",
    "times",
]

MOST_HELD = 20_000_000
"""Vertices of the largest layer that is remembered."""


@dataclass
class Features:
    """Geometries in the grid's CRS with their attributes, and what was done to them.

    Attributes
    ----------
    table : DataFrame
        The attributes that were asked for.
    held : array of geometries, (rows,), or Points
        One for each row; see `geometry`.
    crs : CRS
        The CRS they came in.
    notes : list of str
        What was repaired or left out, one line each.
    names : tuple of str
        All columns of the file; a name that it has twice stands here twice.
    """

    table: pd.DataFrame
    held: Shapes | Points
    crs: CRS
    notes: list[str] = field(default_factory=list)
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.held)

    @cached_property
    def geometry(self) -> Shapes:
        """The geometries, (rows,); of a table of points they are made here."""
        return self.held.shapes if isinstance(self.held, Points) else self.held

    @property
    def kind(self) -> str:
        """Return "point", "line" or "polygon", "mixed" where there are several."""
        return kind_of(self.held)


def read(
    source: VectorSource,
    crs: CRS,
    kind: str | Sequence[str] | None = None,
    columns: Sequence[str] = (),
) -> Features:
    """Read a vector layer into the CRS of the grid.

    Parameters
    ----------
    source : VectorSource
        What to read.
    crs : CRS
        The grid's CRS.
    kind : str or sequence of str, optional
        Geometry that is needed: "point", "line", "polygon", the preferred one first. Parts of
        collections are taken, a few features of other kinds are left out, more are an error.
    columns : sequence of str
        Attributes that are read where the file has them, in any case, besides those that the
        source names.

    Returns
    -------
    Features
        All features, invalid geometries repaired, empty ones left out, both noted.

    Raises
    ------
    InputError
        Missing file, layer, column, CRS; empty layer; wrong geometry.
    """
    kinds = (kind,) if isinstance(kind, str) else tuple(kind or ())
    if _Memory.users:
        return _remembered(source, crs, kinds, columns)
    return _read(source, crs, kinds, columns)[0]


def _read(
    source: VectorSource, crs: CRS, kinds: tuple[str, ...], columns: Sequence[str]
) -> tuple[Features, str]:
    """Return features as `read` does, and the kind that those of the file are of."""
    records = _open(source, columns)
    records.table.columns = pd.Index([composed(str(c)) for c in records.table.columns])
    where, notes = source.where_it_is, list(records.notes)
    own = _stated_crs(source) or (grids.horizontal_crs(records.crs) if records.crs else None)
    if own is None:
        raise InputError(
            f'{where}: has no CRS; give it with `crs = "EPSG:..."` in the table of the layer'
        )
    table, geometry = records.table, shapes.flat(records.geometry)
    if len(geometry) == 0:
        because = f" after the filter `{shortened(source.where)}`" if source.where else ""
        raise InputError(f"{where}: holds no features{because}")
    kept = shapes.present(geometry, where, notes)
    table, geometry = _chosen(table, geometry, kept)
    kind = kind_of(geometry)
    if kinds:
        geometry, kept = shapes.of_kinds(geometry, kinds, where, notes)
        table, geometry = _chosen(table, geometry, kept)
    geometry, kept = shapes.mended(geometry, where, notes)
    table, geometry = _chosen(table, geometry, kept)
    if source.swap_xy:
        geometry = shapes.swapped(geometry)
    geometry = shapes.projected(geometry, own, crs)
    lost = shapes.beyond(geometry)
    if lost.any():
        raise InputError(
            f"{where}: {int(lost.sum())} features have coordinates beyond its CRS; "
            "is its CRS right, and are x and y not swapped?"
        )
    names = tuple(map(composed, records.names))
    features = Features(table.reset_index(drop=True), geometry, own, notes, names)
    return features, kind


def _chosen(
    table: pd.DataFrame, geometry: Shapes | Points, kept: np.ndarray
) -> tuple[pd.DataFrame, Shapes | Points]:
    """Return the rows that are kept; nothing is copied where all are."""
    return (table, geometry) if kept.all() else (table[kept], geometry[kept])


# ------------------------------------------------------------------ what was read is kept


@dataclass(frozen=True)
class _Held:
    """What was read of a layer: for which columns and kinds, and the kind it is of."""

    columns: frozenset[str]
    kinds: tuple[str, ...]
    own: str
    features: Features

    def serves(self, columns: frozenset[str], kinds: tuple[str, ...]) -> bool:
        """Return whether to read the layer for these columns and kinds would give the same."""
        alike = self.own != "mixed" and (not kinds or self.own in kinds)
        return columns <= self.columns and (alike or kinds == self.kinds)

    def copied(self) -> Features:
        """Return the features for one who may change them."""
        of, held = self.features, self.features.held
        held = held if isinstance(held, Points) else held.copy()
        return Features(of.table.copy(deep=False), held, of.crs, list(of.notes), of.names)


class _Memory:
    """What was read of layers while somebody remembers it."""

    lock = Lock()
    users = 0
    locks: ClassVar[dict[Any, Lock]] = {}
    held: ClassVar[dict[Any, _Held]] = {}
    kinds: ClassVar[dict[Any, bool]] = {}
    """Whether files are vectors."""


@contextmanager
def remembering() -> Iterator[None]:
    """Keep what is read while the block runs for those who ask for it again.

    The look at a layer and each factor that is made from it read the same file.
    """
    with _Memory.lock:
        _Memory.users += 1
    try:
        yield
    finally:
        with _Memory.lock:
            _Memory.users -= 1
            if _Memory.users == 0:
                _Memory.locks.clear()
                _Memory.held.clear()
                _Memory.kinds.clear()


def forget(least: int) -> None:
    """Let go of what is remembered of layers with at least so many vertices."""
    with _Memory.lock:
        large = [k for k, held in _Memory.held.items() if _vertices(held.features.held) >= least]
        for key in large:
            del _Memory.held[key]


def known_kind(path: Path, layer: str | None, look: Callable[[], bool]) -> bool:
    """Return whether a layer is a vector, by a look at its file.

    The answer is kept with what is read: each factor that is made from a layer asks for it.
    """
    key = (path, layer, _state(path))
    known = _Memory.kinds.get(key)
    if known is None:
        known = look()
        if _Memory.users:
            _Memory.kinds[key] = known
    return known


def _remembered(
    source: VectorSource, crs: CRS, kinds: tuple[str, ...], columns: Sequence[str]
) -> Features:
    """Return what was read before where it serves, else read the layer."""
    key = (source, crs.to_wkt(), _state(source.path))
    with _Memory.lock:
        # A lock for each layer: one reads it, others wait for that, and other layers go on.
        lock = _Memory.locks.setdefault(key, Lock())
    with lock:
        wanted = frozenset(name.lower() for name in columns)
        found = _Memory.held.get(key)
        if found is None or not found.serves(wanted, kinds):
            features, own = _read(source, crs, kinds, columns)
            found = _Held(wanted, kinds, own, features)
            if _vertices(features.held) <= MOST_HELD:
                _Memory.held[key] = found
    return found.copied()


def _state(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced."""
    try:
        stat = containers.on_disk(path).stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _vertices(held: Shapes | Points) -> int:
    return len(held) if isinstance(held, Points) else int(shapely.get_num_coordinates(held).sum())


def crs_of(source: VectorSource) -> CRS | None:
    """Return the CRS of a layer as the study states it, else as its file does; None if neither."""
    if stated := _stated_crs(source):
        return stated
    if quakeml.is_quakeml(source.path) or tables.is_columnar(source.path):
        found = _open(source, ()).crs
    elif tables.is_text_table(source.path):
        found = tables.crs_beside(source.path)
    else:
        found = ogr.layer_crs(source)
    return grids.horizontal_crs(found) if found else None


def _stated_crs(source: VectorSource) -> CRS | None:
    """Return the CRS that the study states."""
    if not source.crs:
        return None
    return grids.named_crs(source.crs, f"{source.where_it_is}: crs")


def swapped(features: Features, source: VectorSource, crs: CRS, box: shapely.Geometry) -> str:
    """Tell what to do where features lie on a box only with x and y exchanged, else "".

    Parameters
    ----------
    features : Features
        The features, in `crs`.
    source : VectorSource
        How they were read.
    crs : CRS
        The grid's CRS.
    box : geometry
        Where they should lie, in `crs`.
    """
    own = shapes.projected(features.held, crs, features.crs)
    other = shapes.projected(shapes.swapped(own), features.crs, crs)
    seen = other[~shapes.beyond(other)]
    seen = seen.shapes if isinstance(seen, Points) else seen
    if not shapely.intersects(seen, box).any():
        return ""
    return (
        "with x and y swapped they lie on the grid: their axes are in the other order; "
        f"{remedy(source)}"
    )


def remedy(source: VectorSource) -> str:
    """Return what to write where a layer's x and y are exchanged."""
    if source.x and source.y and not source.swap_xy:
        return f'exchange its columns: x = "{source.y}" and y = "{source.x}" in its table'
    return f"set swap_xy = {str(not source.swap_xy).lower()} in its table"


def _open(source: VectorSource, columns: Sequence[str]) -> Records:
    """Return the rows of a file by the reader of its format."""
    if not containers.exists(source.path):
        raise InputError(
            f"{source.where_it_is}: no such file; check `path` in the study file, or --data"
        )
    containers.require_file(source.path)
    virtual.require_local(containers.on_disk(source.path))
    if quakeml.is_quakeml(source.path):
        return _open_quakeml(source, columns)
    if containers.is_packed(source.path) and tables.is_table(source.path):
        raise InputError(
            f"{source.where_it_is}: is a packed table, which is not read; unpack it and name the "
            "unpacked file"
        )
    if tables.is_columnar(source.path):
        return tables.read_columnar(source, columns)
    if tables.is_text_table(source.path):
        ogr.require_encoding(source)
        return tables.read_text(source, columns)
    return ogr.read(source, columns)


def _open_quakeml(source: VectorSource, columns: Sequence[str]) -> Records:
    if source.where is not None:
        raise InputError(
            f"{source.where_it_is}: QuakeML has no columns to filter with where =; use "
            "min_magnitude, start and end of the factor"
        )
    records = quakeml.read(source.path)
    require(source, records.names)
    kept = asked(records.names, source, columns)
    return Records(records.table[kept], records.geometry, records.crs, records.names, records.notes)


def require_column(features: Features, column: str, where: str) -> None:
    """Raise `InputError` unless features have a column, and have it once."""
    require_name(column, features.names or [str(c) for c in features.table.columns], where)


def numeric(features: Features, column: str, where: str) -> np.ndarray:
    """Return a column as numbers, (features,) float64, NaN where empty.

    Raises
    ------
    InputError
        Some of its text is no number, or the column is empty in all features.
    """
    given = features.table[column]
    values = np.asarray(pd.to_numeric(given, errors="coerce"), float)
    bad = ~np.isfinite(values) & given.notna().to_numpy()
    if bad.any():
        example = features.table[column].to_numpy()[bad][0]
        raise InputError(
            f"{where}: column '{column}' holds {int(bad.sum())} values that are not numbers "
            f'(e.g. {example!r}); use a numeric column, or function = "category"'
        )
    if not np.isfinite(values).any():
        raise InputError(
            f"{where}: column '{column}' is empty in all features; choose another with column ="
        )
    return np.asarray(values)


def times(features: Features, column: str, where: str) -> pd.Series:
    """Return a column of dates as UTC times, NaT where empty; see `dates.times`."""
    require_column(features, column, where)
    return dates.times(features.table[column], column, where)


def garbled(texts: pd.Series) -> str:
    """Return a text that was read in a wrong encoding, "" if none looks so.

    Replacement characters, and accented letters that are UTF-8 read as Latin-1.
    """
    for text in texts.dropna().unique():
        if not isinstance(text, str):
            continue
        # Control characters that no text has: cp1252 that was read as Latin-1.
        if "\ufffd" in text or any("\x80" <= c <= "\x9f" for c in text):
            return text
        try:
            if text.encode("cp1252").decode("utf-8") != text:
                return text
        except UnicodeError:
            continue
    return ""


def lines(features: Features) -> list[np.ndarray]:
    """Return the vertices (k, 2) of every single line; polygons give their rings, points none."""
    if isinstance(features.held, Points):
        return []
    parts = shapes.simple_parts(features.geometry)
    parts = parts[shapely.get_dimensions(parts) > 0]
    polygonal = shapely.get_type_id(parts) == 3
    if polygonal.any():
        rings = shapely.get_rings(parts[polygonal])
        parts = np.concatenate([parts[~polygonal], rings])
    return [shapely.get_coordinates(p) for p in parts if not shapely.is_empty(p)]


def single_points(features: Features) -> Features:
    """Return points one by one: each of a multipoint with the attributes of the whole."""
    if isinstance(features.held, Points):
        return features
    parts, row = shapely.get_parts(features.geometry, return_index=True)
    if len(parts) == len(features):
        return features
    table = features.table.iloc[row].reset_index(drop=True)
    return Features(table, parts, features.crs, features.notes, features.names)


def loose_points(features: Features) -> np.ndarray:
    """Return the coordinates (n, 2) of the points among features of any kind."""
    if isinstance(features.held, Points):
        return features.held.xy
    parts = shapes.simple_parts(features.geometry)
    return np.asarray(shapely.get_coordinates(parts[shapely.get_dimensions(parts) == 0]))


def points(features: Features) -> np.ndarray:
    """Return the coordinates (n, 2) of point features."""
    if isinstance(features.held, Points):
        return features.held.xy
    return np.asarray(shapely.get_coordinates(features.geometry))
