"""Filters on attributes (`where`): one SQL expression and no more.

GDAL hands a filter to the database of the file as it is, where a subquery may run without end and
text after a semicolon is silently left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shakeslide.core.errors import InputError, did_you_mean, shortened

MOST = 100_000
"""Characters of the longest filter: lists of some ten thousand numbers."""
DEEPEST = 30
"""Brackets within one another."""
WILDCARDS = 5
"""Wildcards in one text: the time to compare rises with the power of their number."""
STATEMENTS = (
    "select", "with", "union", "except", "intersect", "values", "from", "limit", "offset", "order",
    "group", "having", "pragma", "attach", "insert", "update", "delete", "drop", "create",
)  # fmt: skip
"""Words of SQL that are no part of a filter."""
OPERATORS = (
    "in", "and", "or", "not", "like", "ilike", "between", "is", "then", "else", "when", "escape",
    "glob", "case",
)  # fmt: skip
FUNCTIONS = (
    "abs", "cast", "coalesce", "date", "datetime", "ifnull", "instr", "julianday", "length",
    "lower", "ltrim", "max", "min", "nullif", "round", "rtrim", "strftime", "substr", "trim",
    "upper", "st_area", "st_length", "st_minx", "st_miny", "st_maxx", "st_maxy", "st_isempty",
    "st_geometrytype",
)  # fmt: skip
TYPES = ("character", "char", "varchar", "numeric", "decimal", "float", "integer")
"""What may stand before a bracket: operators, functions that take no time, types of a cast."""
PART = re.compile(
    r"(?P<text>'(?:[^']|'')*')"
    r'|(?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\])'
    r"|(?P<word>[^\W\d][\w$]*)"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<sign>--|/\*|\S)"
)
"""The parts of an expression; a quote alone is a sign."""


def checked(where: str) -> str:
    """Return a filter if it is one expression.

    Parameters
    ----------
    where : str
        An SQL expression on the attributes, for example `year IN (2005, 2006)`.

    Raises
    ------
    ValueError
        No expression, or more than one.
    """
    where = composed(where)
    if not where.strip():
        raise ValueError("is empty; write for example year = 2005, or leave it out")
    if len(where) > MOST:
        raise ValueError(f"has {len(where):,} characters; {MOST:,} is the most")
    depth, before = 0, ""
    for kind, part in _parts(where):
        _require_part(kind, part, before)
        depth += (part == "(") - (part == ")")
        if depth < 0 or depth > DEEPEST:
            break
        before = part.lower() if kind in ("word", "name") else ""
    if depth != 0:
        raise ValueError("has brackets that do not match, or too many within one another")
    return where


def _require_part(kind: str, part: str, before: str) -> None:
    """Raise where a part, which stands after the word or name `before`, is none of a filter's."""
    word = part.lower()
    if part in ("'", '"', "`", "["):
        raise ValueError(
            f"has a quote {part} that is not closed; write a quote within a text twice"
        )
    only = "only one condition on the attributes can be given, as year = 2005"
    if part in (";", "--", "/*"):
        raise ValueError(f"holds {part}: {only}")
    if kind == "word" and word in STATEMENTS:
        raise ValueError(f'holds {part}: {only}; a column of that name is written as "{part}"')
    if part == "(" and before and before not in (*OPERATORS, *FUNCTIONS, *TYPES):
        raise ValueError(
            f"calls {shortened(before)}(); the supported functions are {', '.join(FUNCTIONS)}"
        )
    if kind == "text" and part.count("%") > WILDCARDS:
        raise ValueError(f"has a text with more than {WILDCARDS} wildcards (%)")


def _parts(where: str) -> Iterator[tuple[str, str]]:
    for match in PART.finditer(where):
        yield str(match.lastgroup), match[0]


@dataclass(frozen=True)
class Comparison:
    """A column and the values that a filter compares it with.

    Attributes
    ----------
    column, operator : str
        "=", "<", "between", "in" and the like.
    texts : mapping of (int, int) to str
        Texts by their place in the filter.
    numbers : list of str
        Numbers as they are written.
    """

    column: str
    operator: str
    texts: Mapping[tuple[int, int], str]
    numbers: list[str]


COMPARED = re.compile(
    r"""(?P<column>"(?:[^"]|"")*"|[^\W\d][\w$]*)\s*
    (?:(?P<sign>[<>=!]{1,2})\s*(?P<value>VALUE)
    |(?:NOT\s+)?(?P<between>BETWEEN)\s+(?P<low>VALUE)\s+AND\s+(?P<high>VALUE)
    |(?:NOT\s+)?(?P<in>IN)\s*\((?P<list>\s*VALUE(?:\s*,\s*VALUE)*\s*)\))
    |(?P<first>VALUE)\s*(?P<turned>[<>=!]{1,2})\s*(?P<last>"(?:[^"]|"")*"|[^\W\d][\w$]*)
    """.replace("VALUE", r"(?:'(?:[^']|'')*'|[-+]?\d[\w.]*)"),
    re.VERBOSE | re.IGNORECASE,
)
"""A column compared with texts or numbers."""


def comparisons(where: str) -> Iterator[Comparison]:
    """Yield the columns of a filter that are compared with texts or numbers."""
    for match in COMPARED.finditer(where):
        name = match["column"] or match["last"]
        sign = match["sign"] or match["turned"] or ("between" if match["between"] else "in")
        texts, numbers = {}, []
        for group in ("value", "low", "high", "list", "first"):
            if match[group] is None:
                continue
            for value in re.finditer(r"'(?:[^']|'')*'|[-+]?\d[\w.]*", match[group]):
                start = match.start(group) + value.start()
                if value[0].startswith("'"):
                    text = value[0][1:-1].replace("''", "'")
                    texts[start, start + len(value[0])] = text
                else:
                    numbers.append(value[0])
        column = name[1:-1].replace('""', '"') if name.startswith('"') else name
        yield Comparison(column, sign, texts, numbers)


def renamed(where: str, names: Mapping[str, str]) -> str:
    """Return a filter with some columns under other names, in double quotes.

    Parameters
    ----------
    where : str
        The filter.
    names : mapping
        The new name of a column by its name in the filter.
    """

    def one(match: re.Match[str]) -> str:
        part = match[0]
        name = part[1:-1].replace('""', '"') if match.lastgroup == "name" else part
        if match.lastgroup not in ("name", "word") or name not in names:
            return part
        return '"' + names[name].replace('"', '""') + '"'

    return PART.sub(one, where)


def composed(where: str) -> str:
    """Return a filter with composed letters (Unicode NFC) everywhere but in its texts."""
    parts = re.split("('(?:[^']|'')*')", where)
    # Texts are the odd parts; they must match the data as they are written.
    return "".join(
        part if i % 2 else unicodedata.normalize("NFC", part) for i, part in enumerate(parts)
    )


def require_names(where: str, known: Sequence[str], hidden: Sequence[str], source: str) -> None:
    """Raise where a filter names, in double quotes, a column that there is not.

    SQLite takes such a name as a text, and the condition as one that holds for all features or
    for none.

    Parameters
    ----------
    where : str
        The filter.
    known, hidden : sequence of str
        Columns that there are; names that a filter may use besides.
    source : str
        File and layer, for the message.

    Raises
    ------
    InputError
        An unknown column.
    """
    # SQL does not tell the case of names.
    folded = {name.lower() for name in (*known, *hidden)}
    for kind, part in _parts(where):
        name = part[1:-1].replace('""', '"')
        if kind == "name" and name.lower() not in folded:
            raise InputError(
                f"{source}: has no column {shortened(part)}, which `where` names."
                f"{did_you_mean(name, known)} Write texts in single quotes"
            )
