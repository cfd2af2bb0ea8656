"""What a vector file is asked for, and what it gives: rows of attributes with a geometry each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core.errors import InputError, did_you_mean, nearest, shortened
from shakeslide.io.points import Points
from shakeslide.study import filters

Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class VectorSource:
    """A vector layer and how to read it.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the study calls it, for messages.
    layer, column, where, crs : str, optional
        Layer in the file, attribute to keep, SQL filter, CRS where the file has none.
    x, y : str, optional
        Columns of coordinates in a table.
    encoding : str, optional
        Of its texts, where the file states none or a wrong one.
    swap_xy : bool
        Its coordinates are written y before x.
    wkt : str, optional
        Column of geometries as well-known text in a table.
    time, date : str, optional
        Columns of date and time, or of the time of day and the date.
    """

    path: Path
    name: str = "layer"
    _: KW_ONLY
    layer: str | None = None
    column: str | None = None
    where: str | None = None
    crs: str | None = None
    x: str | None = None
    y: str | None = None
    encoding: str | None = None
    swap_xy: bool = False
    wkt: str | None = None
    time: str | None = None
    date: str | None = None

    @property
    def where_it_is(self) -> str:
        """File and layer, for messages."""
        return f"{self.path} ({self.name})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the study names."""
        named = (self.column, self.x, self.y, self.wkt, self.time, self.date)
        return tuple(c for c in named if c is not None)


@dataclass
class Records:
    """The rows of a file, as they stand in it.

    Attributes
    ----------
    table : DataFrame
        The attributes that were asked for; whole numbers stay whole where some are missing.
    geometry : array of geometries, (rows,), or Points
        None where there is none.
    crs : str or None
        The CRS of the file as WKT.
    names : tuple of str
        All columns of the file; a name that it has twice stands here twice.
    notes : list of str
        What was repaired or left out.
    """

    table: pd.DataFrame
    geometry: Shapes | Points
    crs: str | None
    names: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def composed(name: str) -> str:
    """Return a name with composed letters (Unicode NFC), as the study's names are."""
    return unicodedata.normalize("NFC", name)


def spelled(source: VectorSource, names: Sequence[str]) -> VectorSource:
    """Return a source that names columns as the file spells them, which may be decomposed.

    Parameters
    ----------
    source : VectorSource
        Names columns as the study does, with composed letters.
    names : sequence of str
        All columns of the file.
    """
    own = {composed(n): n for n in names if composed(n) != n and composed(n) not in names}
    if not own:
        return source
    keys = ("column", "x", "y", "wkt", "time", "date")
    there = {key: own.get(getattr(source, key), getattr(source, key)) for key in keys}
    where = None if source.where is None else filters.renamed(source.where, own)
    return replace(source, where=where, **there)


def asked(names: Sequence[str], source: VectorSource, more: Sequence[str] = ()) -> list[str]:
    """Return which columns of a file are read: those that the study or its filter names.

    Parameters
    ----------
    names : sequence of str
        All columns of the file.
    source : VectorSource
        Names columns, and a filter that may name some.
    more : sequence of str
        Further names, in any case; those that the file lacks are passed over.
    """
    wanted = {composed(name).lower() for name in (*source.columns, *more)}
    once = [n for n in dict.fromkeys(names) if n]
    return [n for n in once if composed(n).lower() in wanted or mentioned(n, source.where)]


def mentioned(name: str, where: str | None) -> bool:
    """Tell whether a filter names a column."""
    # Not \b, which fails beside a name that begins or ends with a sign.
    word = rf"(?<!\w){re.escape(name)}(?!\w)"
    return where is not None and re.search(word, where, re.IGNORECASE) is not None


def require(source: VectorSource, names: Sequence[str], hidden: Sequence[str] = ()) -> None:
    """Raise `InputError` where a column that the study names is not in a file, or twice.

    `hidden` are names that a filter may use besides the columns: of ids and shapes.
    """
    if source.where:
        hidden = ("fid", "ogr_geom_area", *hidden)
        filters.require_names(source.where, names, hidden, source.where_it_is)
    for column in source.columns:
        require_name(column, names, source.where_it_is)
    for column in dict.fromkeys(names):
        if mentioned(column, source.where):
            require_name(column, names, source.where_it_is)


def require_name(column: str, names: Sequence[str], where: str) -> None:
    """Raise `InputError` unless a file has a column, and has it once."""
    if column not in names:
        raise InputError(f"{where}: has no column '{shortened(column)}'.{listed(column, names)}")
    count = list(names).count(column)
    if count > 1:
        raise InputError(
            f"{where}: has {count} columns of the same name '{column}'; rename all but the one "
            "to use"
        )


def listed(column: str, names: Sequence[str]) -> str:
    """Return the column that may be meant, and those that there are (twelve at most)."""
    known = [shortened(n, 40) for n in names]
    near = did_you_mean(column, known) if column and nearest(column, known) else ""
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"{near} Its columns: {shown or 'none'}."
