"""Tables in: text with any usual separator, Parquet and Feather; points by x and y, or WKT."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import containers, date_filters, suffixes
from shakeslide.io.gdal import one_line
from shakeslide.io.points import Points
from shakeslide.io.records import Records, Shapes, VectorSource, asked, listed, require, spelled

SEPARATORS = ",;\t|"
BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""The bytes by which a text states its encoding; longer ones first."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "--", "---", "*")
"""What stands in a column of numbers where there is none, in lower case."""
WKT = re.compile(
    r"^\s*(SRID=\d+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION)\s*(ZM?|M)?\s*"
    r"(\(|EMPTY)",
    re.IGNORECASE,
)
WHOLE, DECIMAL = r"^[+-]?[0-9]{1,18}$", r"^[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?$"
LONGEST_CRS = 100_000
"""Bytes of a .prj file."""
_LIMIT = Lock()
"""Held while the process's limit of a cell is another."""
HEAD = 1_000_000
"""Bytes of a text that are looked at for its header, and read together."""
LOOKED_AT = 50
"""Rows in which well-known text is looked for, and that may show that a column holds texts."""


def is_text_table(path: Path) -> bool:
    """Tell by its name whether a file is a table as text."""
    return path.suffix.lower() in suffixes.TEXTS


def is_columnar(path: Path) -> bool:
    """Tell by its name whether a file is a Parquet or Feather table."""
    return path.suffix.lower() in suffixes.COLUMNAR


def is_table(path: Path) -> bool:
    """Tell by its name whether a file is a table, packed or not."""
    return containers.suffix_of(path.name) in (*suffixes.TEXTS, *suffixes.COLUMNAR)


# ------------------------------------------------------------------ text


def read_text(source: VectorSource, more: Sequence[str] = ()) -> Records:
    """Read a table of points or of well-known text.

    Commas, semicolons, tabs or | part its columns; the first line names them. A file that begins
    with a byte order mark states its encoding, else it is UTF-8 or what the study says.

    Parameters
    ----------
    source : VectorSource
        What to read.
    more : sequence of str
        Further columns that are of use where the table has them.

    Raises
    ------
    InputError
        No text, no names of columns, no coordinates, texts in another encoding.
    """
    text = _Text.of(source)
    header = _Header.of(text.head, source)
    names = header.names
    source = spelled(source, names)
    require(source, names)
    chosen = asked(names, source, more)
    if source.wkt is None and not (source.x and source.y):
        chosen = list(dict.fromkeys(n for n in names if n and names.count(n) == 1))
    notes: list[str] = []
    cells = _cells(text, header, [names.index(n) for n in chosen], source, notes)
    # Arrow keeps what it frees; the texts of a large catalogue are as large as all that follows.
    pa.default_memory_pool().release_unused()
    columns = {}
    for name in chosen:
        # One by one: the texts of a column go when it is typed.
        columns[name] = _typed(cells.pop(0), name, header.separator, notes)
    table = pd.DataFrame(columns, copy=False)
    del columns
    pa.default_memory_pool().release_unused()
    records = _placed(source, table, tuple(names), notes, more)
    records.crs = crs_beside(source.path)
    return records


def crs_beside(path: Path) -> str | None:
    """Return the CRS that a .prj file beside a table states, None where there is none."""
    beside = path.with_suffix(".prj")
    if not beside.is_file() or beside.stat().st_size >= LONGEST_CRS:
        return None
    return beside.read_text(errors="replace").strip() or None


@dataclass(frozen=True)
class _Text:
    """A text in UTF-8 without mark: in its file, or in memory where the file has another encoding.

    Attributes
    ----------
    head : bytes
        Its first bytes.
    quoted : bool
        Whether it holds a quote, within which lines may end.
    path : Path
        Its file.
    data : bytes or None
        All of it, None where its file holds the same.
    """

    head: bytes
    quoted: bool
    path: Path
    data: bytes | None = None

    @classmethod
    def of(cls, source: VectorSource) -> _Text:
        """Return the text of a file; raise where it is none, or in another encoding."""
        where = source.where_it_is
        with source.path.open("rb") as file:
            head = file.read(HEAD)
            mark = next((m for m in BOMS if head.startswith(m)), None)
            encoding = BOMS[mark] if mark else source.encoding
            if encoding is None or encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
                # The rest is only looked through: a catalogue may be larger than the memory.
                blocks = iter(lambda: file.read(HEAD), b"")
                text = cls(head, b'"' in head or any(b'"' in b for b in blocks), source.path)
            else:
                data = _recoded(head + file.read(), encoding, where)
                text = cls(data[:HEAD], b'"' in data, source.path, data)
        if b"\0" in text.head[:65536]:
            raise InputError(
                f"{where}: is not a text file (it holds zero bytes); give a table as text, or "
                'its encoding with encoding = (for example "utf-16-le")'
            )
        if not text.head.strip() and not text.whole().strip():
            raise InputError(f"{where}: is empty; give a table whose first line names its columns")
        return text

    def whole(self) -> bytes:
        """Return all of it."""
        return self.path.read_bytes() if self.data is None else self.data

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give it for reading from its beginning."""
        if self.data is not None:
            yield pa.BufferReader(self.data)
            return
        with pa.OSFile(str(self.path)) as file:
            yield file


def _recoded(data: bytes, encoding: str, where: str) -> bytes:
    """Return a text of another encoding in UTF-8."""
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise InputError(
            f"{where}: its texts are not in {encoding}; name their encoding with encoding = in "
            'its table (for example "cp1252" or "gb18030")'
        ) from error


class _Header:
    """Which columns a table has, what parts them, and how many lines stand above its rows."""

    def __init__(self, names: list[str], separator: str, lines: int) -> None:
        self.names, self.separator, self.lines = names, separator, lines

    @classmethod
    def of(cls, data: bytes, source: VectorSource) -> _Header:
        """Return the header of a text; comments (#) above it and Excel's `sep=` are passed over."""
        where = source.where_it_is
        try:
            # A head that was cut may end within a character.
            head = data.decode(errors="ignore" if len(data) == HEAD else "strict")
        except UnicodeDecodeError:
            head = data.decode(errors="replace")
        lines = head.splitlines()[:1000]
        at = next((i for i, t in enumerate(lines) if t.strip() and t[0] != "#"), len(lines))
        if at < len(lines) and re.match(r"^\s*sep=.\s*$", lines[at], re.IGNORECASE):
            at += 1
        # A catalogue of the FDSN has its names in the last comment.
        above = lines[at - 1].lstrip("# ") if at and lines[at - 1].startswith("#") else ""
        first = lines[at] if at < len(lines) else ""
        separator = max(SEPARATORS, key=(above or first).count)
        # A comment names the columns only if it has as many as the first row.
        if above and above.count(separator) and above.count(separator) == first.count(separator):
            at, first = at - 1, above
        separator = max(SEPARATORS, key=first.count)
        names = [n.strip() for n in next(iter(_split(first, separator)), [])]
        if re.match(r"^\s*ncols\s", first, re.IGNORECASE):
            raise InputError(
                f"{where}: is a raster as text (ESRI ASCII grid), but a vector or a table is "
                "needed here; to use it as a raster, name it .asc and give no column, x or y"
            )
        if not names or all(_is_number(n) for n in names):
            raise InputError(
                f"{where}: its first line names no columns ({shortened(first, 60)!r}); put a line "
                "with their names above its rows"
            )
        if "\ufffd" in "".join(names):
            raise InputError(
                f"{where}: the names of its columns are not in UTF-8; name their encoding with "
                'encoding = in its table (for example "cp1252" or "gb18030")'
            )
        return cls(names, separator, at + 1)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return not text
    return True


def _cells(
    text: _Text, header: _Header, wanted: list[int], source: VectorSource, notes: list[str]
) -> list[pa.ChunkedArray]:
    """Return the cells of the wanted columns as texts, null where empty."""
    # Numbers in place of the names, of which a file may have two alike.
    names = [str(i) for i in range(len(header.names))]
    try:
        with text.opened() as file:
            table = pyarrow.csv.read_csv(
                file,
                pyarrow.csv.ReadOptions(column_names=names, skip_rows=header.lines),
                pyarrow.csv.ParseOptions(
                    delimiter=header.separator,
                    # Slower, so only where a quote may enclose the end of a line.
                    newlines_in_values=text.quoted,
                    ignore_empty_lines=True,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    # An empty list would mean all columns.
                    include_columns=[names[i] for i in wanted] or names[:1],
                ),
            )
    except pa.ArrowInvalid as error:
        # Arrow gives no other sign than its text that it was the encoding.
        if "utf8" in str(error).lower().replace("-", ""):
            raise InputError(
                f"{source.where_it_is}: its texts are not in UTF-8; name their encoding with "
                'encoding = in its table (for example "cp1252" or "gb18030")'
            ) from error
        return _uneven(text.whole(), header, wanted, source, notes)
    return [table.column(names[i]) for i in wanted]


def _split(text: str, separator: str) -> list[list[str]]:
    """Return the rows of a text; a cell may be long, as the outline of a province is."""
    with _LIMIT:
        before = csv.field_size_limit(max(len(text), 1))
        try:
            return list(csv.reader(io.StringIO(text), delimiter=separator))
        finally:
            csv.field_size_limit(before)


def _uneven(
    data: bytes, header: _Header, wanted: list[int], source: VectorSource, notes: list[str]
) -> list[pa.ChunkedArray]:
    """Return the same of a table whose rows have more or fewer cells than its header."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source.where_it_is}: its texts are not in UTF-8; name their encoding with "
            'encoding = in its table (for example "cp1252" or "gb18030")'
        ) from error
    rows = [r for r in _split(text, header.separator)[header.lines :] if any(c.strip() for c in r)]
    count, width = len(rows), len(header.names)
    longer = sum(any(c.strip() for c in r[width:]) for r in rows)
    if longer > count / 2:
        raise InputError(
            f"{source.where_it_is}: {longer:,} of its {count:,} rows have more cells than its "
            f"first line names columns ({width}): write numbers with decimal points, texts that "
            f"hold {header.separator!r} in quotes, or another separator (; or tab)"
        )
    shorter = sum(len(r) < width for r in rows)
    if longer:
        notes.append(f"{longer:,} rows have cells beyond the last named column; they are not read")
    if shorter:
        notes.append(f"{shorter:,} rows have fewer cells than named columns; the rest are empty")
    return [
        pa.chunked_array([[(r[i] or None) if i < len(r) else None for r in rows]], pa.string())
        for i in wanted
    ]


def _typed(cells: pa.ChunkedArray, name: str, separator: str, notes: list[str]) -> pd.Series:
    """Return a column of texts as whole numbers or numbers where all of it are, else as it is."""
    if _surely_texts(cells):
        return _texts(cells)
    plain = pc.utf8_trim_whitespace(cells)
    known = _known(plain)
    if len(known) == 0 or pc.any(pc.match_substring_regex(known, "^[+-]?0[0-9]")).as_py():
        return _texts(cells)  # codes as "007" are texts
    numbers = plain if len(known) == len(plain) else pc.if_else(_is_missing(plain), None, plain)
    if _all_match(known, WHOLE):
        # Arrow casts no sign of plus.
        return pd.Series(_integers(pc.replace_substring(numbers, "+", "").cast(pa.int64())))
    if _all_match(known, "^[+-]?[0-9]+$"):
        return _texts(cells)  # longer than any number that is held exactly
    if separator != "," and pc.all(_decimal_comma(known)).as_py():
        notes.append(f"column '{name}' has decimal commas, which are read as decimal points")
        numbers = pc.replace_substring(numbers, ",", ".")
    try:
        return pd.Series(numbers.cast(pa.float64()).to_pandas())
    except pa.ArrowInvalid:
        return _texts(cells)


def _surely_texts(cells: pa.ChunkedArray) -> bool:
    """Return whether the first cells are enough to see that a column is none of numbers."""
    known = _known(pc.utf8_trim_whitespace(cells.slice(0, LOOKED_AT)))
    try:
        known.cast(pa.float64())
    except pa.ArrowInvalid:
        return not pc.all(_decimal_comma(known)).as_py()
    return False


def _known(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts that stand for something."""
    missing = _is_missing(texts)
    # Not copied where all do.
    if texts.null_count == 0 and not pc.any(missing).as_py():
        return texts
    return texts.filter(pc.invert(missing)).drop_null()


def _is_missing(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_lower(texts), pa.array(MISSING))


def _decimal_comma(known: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which texts are numbers with a decimal comma, or whole ones."""
    return pc.or_(pc.match_substring_regex(known, DECIMAL), pc.match_substring_regex(known, WHOLE))


def _all_match(known: pa.ChunkedArray, pattern: str) -> bool:
    """Return whether all texts match; the first ones are looked at first."""
    first = pc.match_substring_regex(known.slice(0, LOOKED_AT), pattern)
    return bool(pc.all(first).as_py()) and bool(
        pc.all(pc.match_substring_regex(known, pattern)).as_py()
    )


def _texts(cells: pa.ChunkedArray) -> pd.Series:
    texts: pd.Series = cells.to_pandas()
    return texts


def _integers(column: pa.ChunkedArray) -> Any:
    """Return whole numbers as such where some are missing too."""
    if column.null_count == 0:
        return column.to_numpy()
    missing = column.is_null().to_numpy()
    values = pc.fill_null(column, pa.scalar(0, column.type)).to_numpy().astype(np.int64)
    return pd.arrays.IntegerArray(values, missing)


def pandas_of(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table in pandas: whole numbers stay whole, dates alone become texts."""
    out = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type):
            out[name] = pd.Series(_integers(column))
        elif pa.types.is_date(column.type):
            out[name] = column.cast(pa.string()).to_pandas()
        else:
            out[name] = column.to_pandas()
    return pd.DataFrame(out, index=pd.RangeIndex(table.num_rows))


# ------------------------------------------------------------------ Parquet and Feather


def read_columnar(source: VectorSource, more: Sequence[str] = ()) -> Records:
    """Read a GeoParquet or Feather file, or a plain one with x and y or well-known text.

    Raises
    ------
    InputError
        A damaged file, or one without coordinates.
    """
    feather = source.path.suffix.lower() in suffixes.FEATHER
    try:
        schema = _schema(source.path, feather)
        geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
        primary = geo.get("primary_column")
        names = [n for n in schema.names if n != primary or primary is None]
        source = spelled(source, names)
        require(source, names)
        chosen = asked(names, source, more)
        if primary is None and source.wkt is None and not (source.x and source.y):
            chosen = [n for n in dict.fromkeys(names) if names.count(n) == 1]
        table = pandas_of(_columns(source.path, feather, chosen))
        if primary is None:
            return _placed(source, table, tuple(names), [], more)
        reader = gpd.read_feather if feather else gpd.read_parquet
        shapes = reader(source.path, columns=[primary])
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{source.where_it_is}: cannot be read (truncated or damaged, or no "
            f"{'Feather' if feather else 'Parquet'} file?): {shortened(one_line(error))}"
        ) from error
    keep = _matching(source, table)
    geometry = np.asarray(shapes.geometry.values, object)[keep]
    crs = None if shapes.crs is None else shapes.crs.to_wkt()
    return Records(table.iloc[keep].reset_index(drop=True), geometry, crs, tuple(names))


def _schema(path: Path, feather: bool) -> pa.Schema:
    if not feather:
        return pyarrow.parquet.read_schema(path)
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).schema


def _columns(path: Path, feather: bool, names: list[str]) -> pa.Table:
    if not feather:
        return pyarrow.parquet.ParquetFile(path).read(columns=names)
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all().select(names)


# ------------------------------------------------------------------ places and filters


def _placed(
    source: VectorSource,
    table: pd.DataFrame,
    names: tuple[str, ...],
    notes: list[str],
    more: Sequence[str],
) -> Records:
    """Return the rows of a table that its filter chooses, with their geometries."""
    keep = _matching(source, table)
    table = table.iloc[keep].reset_index(drop=True)
    geometry: Shapes | Points
    if source.x and source.y:
        geometry = _points(source, table)
    else:
        column = source.wkt or _wkt_column(source, table, names, notes)
        geometry = _from_wkt(source, table[column])
    # Coordinates are not kept twice.
    attributes = asked(list(table.columns), replace(source, x=None, y=None, wkt=None), more)
    return Records(table[attributes], geometry, None, names, notes)


def _matching(source: VectorSource, table: pd.DataFrame) -> Any:
    """Return which rows of a table the study's filter chooses.

    OGR's own SQL does it, as for all other files: the table goes through a FlatGeobuf in memory.
    """
    if source.where is None:
        return slice(None)
    where, alike = date_filters.written_alike(source.where, table, source.where_it_is)
    return matching(replace(source, where=where), table.assign(**alike))


def matching(source: VectorSource, table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the numbers, (k,) int64 from 0, of the table's rows that the source's filter chooses.

    Its columns are compared as they are.

    Raises
    ------
    InputError
        The filter is not a valid condition on the columns.
    """
    held = io.BytesIO()
    try:
        # An index would sort the rows, whose numbers are what is asked for.
        pyogrio.write_dataframe(table, held, driver="FlatGeobuf", layer="t", SPATIAL_INDEX="NO")
        _, rows, _, _ = pyogrio.raw.read(
            held.getvalue(), where=source.where, return_fids=True, read_geometry=False
        )
    except (DataSourceError, ValueError) as error:
        raise InputError(
            f"{source.where_it_is}: the filter `{shortened(source.where)}` is not a valid "
            "condition on its "
            f"columns ({shortened(', '.join(map(str, table.columns)))}): check names and quotes"
        ) from error
    return np.asarray(rows, np.int64)


def _points(source: VectorSource, table: pd.DataFrame) -> Points:
    """Return the points of a table; where one coordinate is missing, both are."""
    xy = np.empty((len(table), 2))
    for i, name in enumerate((str(source.x), str(source.y))):
        values = np.asarray(pd.to_numeric(table[name], errors="coerce"), np.float64)
        unread = table[name][np.isnan(values)].dropna().astype("string").str.strip()
        unread = unread[~unread.str.lower().isin(MISSING)]
        if len(unread):
            raise InputError(
                f"{source.where_it_is}: column '{name}' holds {len(unread):,} values that are not "
                f"numbers (e.g. {shortened(unread.iloc[0], 40)!r}); coordinates are decimal numbers"
            )
        xy[:, i] = values
    xy[np.isnan(xy).any(axis=1)] = np.nan
    return Points(xy)


def _wkt_column(
    source: VectorSource, table: pd.DataFrame, names: tuple[str, ...], notes: list[str]
) -> str:
    """Return the one column that holds well-known text."""
    found = []
    for name in table.columns:
        texts = table[name].dropna().head(LOOKED_AT)
        if len(texts) and all(isinstance(t, str) and WKT.match(t) for t in texts):
            found.append(str(name))
    if len(found) == 1:
        notes.append(f"geometries are read from the well-known text of column '{found[0]}'")
        return found[0]
    if found:
        raise InputError(
            f"{source.where_it_is}: {len(found)} columns hold well-known text "
            f"({', '.join(found)}); choose one with wkt = in its table"
        )
    raise InputError(
        f"{source.where_it_is}: name the columns of its coordinates with x = and y = in its table, "
        f"or its column of well-known text with wkt =.{listed('', names)}"
    )


def _from_wkt(source: VectorSource, texts: pd.Series) -> Shapes:
    """Return the geometries of a column of well-known text, None where it is empty."""
    given = texts.astype("string").str.strip().str.replace(r"^SRID=\d+;", "", regex=True)
    given = given.where(given != "", None)
    wkt = np.array([None if pd.isna(t) else t for t in given], object)
    geometry: Shapes = np.asarray(shapely.from_wkt(wkt, on_invalid="fix"), object)
    bad = shapely.is_missing(geometry) & ~given.isna().to_numpy()
    if bad.any():
        raise InputError(
            f"{source.where_it_is}: column '{texts.name}' holds {int(bad.sum()):,} values that are "
            f"not well-known text (e.g. {shortened(wkt[bad][0], 60)!r})"
        )
    return geometry
