"""Tables for spreadsheets: CSV files whose text never runs as a formula.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line's end for a formula,
which may call programs or the network. Names of places, roads, classes and earthquakes come from
files of strangers, so `write` is the one way to a CSV file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from shakeslide.core.files import replacing

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""How a text begins that gets an apostrophe; so does one that has some: `plain` is exact."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def harmless(value: object) -> object:
    """Return a value of a cell; a text that a spreadsheet would run begins with an apostrophe.

    Numbers stay as they are, also those that are given as text.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def plain(text: str) -> str:
    """Return the text that `harmless` was given."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


def write(path: Path, table: pd.DataFrame, *, line_end: str = "\n") -> None:
    """Write a table as CSV, whole or not at all, without its index.

    Parameters
    ----------
    path : Path
        The file.
    table : DataFrame
        Names of columns become harmless as the values do.
    line_end : str
        What ends a line.
    """
    texts = table.select_dtypes(exclude=["number", "bool"])
    table = table.assign(**{str(name): texts[name].map(harmless) for name in texts})
    table = table.rename(columns=harmless)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator=line_end)


def read(path: Path, text: str | None = None) -> pd.DataFrame:
    """Return a table that `write` wrote, its texts as they were given.

    Parameters
    ----------
    path : Path
        The file.
    text : str, optional
        Column whose values are texts, whatever they look like.
    """
    if text is None:
        table = pd.read_csv(path)
    else:
        table = pd.read_csv(path, dtype={text: str}, keep_default_na=False)
    texts = table.select_dtypes(exclude=["number", "bool"])
    table = table.assign(**{str(name): texts[name].map(_plain) for name in texts})
    return table.rename(columns=_plain)


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, str) else value
