"""A study file's text as plain tables: read, parsed and overridden, within limits.

A study file may come from a stranger. What no study needs (a device in its place, a key of
thousands of parts, numbers of thousands of digits) is refused before it takes time or memory.
"""

from __future__ import annotations

import itertools
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeAlias

from shakeslide.core.errors import InputError, shortened

TomlValue: TypeAlias = (
    "bool | int | float | str | date | time | datetime"
    " | Sequence[TomlValue] | Mapping[str, TomlValue]"
)
"""What a key of TOML can have."""
MOST_BYTES = 1_000_000
"""Size of the largest study file: the parser takes some seconds for it."""
MOST_PARTS = 20
"""Parts of a dotted key, and tables within one another; the schema's deepest key has five parts."""
WHOLE = range(-(2**63), 2**63)
"""The whole numbers of TOML."""
QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"""|\Z)'
    r"|'''.*?(?:'''|\Z)"
    r'|"(?:\\.|[^"\\\n])*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*",
    re.DOTALL,
)
"""Texts and comments."""
DOTTED = re.compile(r"(?<![\w-])[\w-]+(?:[ \t]*\.[ \t]*[\w-]+){%d}" % MOST_PARTS)  # noqa: UP031
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Characters that no text holds, and bytes of a command line that are not UTF-8."""
TWICE = (
    "Cannot declare",
    "Cannot mutate",
    "Cannot overwrite",
    "Duplicate inline",
    "Cannot redefine",
)
"""How the parser's messages on repeated keys begin."""


def read(path: Path) -> dict[str, TomlValue]:
    """Return the tables of a study file.

    Raises
    ------
    InputError
        No such file, no regular file, too large, no UTF-8, no TOML.
    """
    where = shortened(str(path), 300)
    content = _bytes(path, where)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{where}: is UTF-16 text (in Windows editors: Unicode); save it as UTF-8")
    try:
        # Windows editors put a byte order mark before UTF-8.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: is not UTF-8 text (byte {error.start}); if it is the study file, save it as "
            "UTF-8"
        ) from error
    return parse(text, where)


def _bytes(path: Path, where: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{where}: is a folder; give the study file in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(
                f"{where}: is not a regular file (a pipe or device?); give the study file"
            )
        with path.open("rb") as file:
            # One byte more shows a larger file.
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{where}: no such study file; `shakeslide init DIR` writes one to start from"
        ) from error
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{where}: cannot be read: {told or error}") from error
    if len(content) > MOST_BYTES:
        raise InputError(
            f"{where}: is larger than {MOST_BYTES / 1e6:g} MB, the limit of a study file; is it "
            "another file?"
        )
    return content


def parse(text: str, where: str) -> dict[str, TomlValue]:
    """Return the tables of a TOML text.

    Parameters
    ----------
    text : str
        TOML.
    where : str
        Whose it is, for messages.

    Raises
    ------
    InputError
        No TOML, or more than the limits.
    """
    # Before the parser, which such a key would keep busy; texts and comments may hold any dots.
    if DOTTED.search(QUOTED.sub("s", text)):
        raise InputError(
            f"{where}: has a key of more than {MOST_PARTS} parts; no setting has so many"
        )
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = shortened(str(error), 200)
        raise InputError(f"{where}: not valid TOML: {told}{_hint(text, str(error))}") from error
    except RecursionError as error:
        raise InputError(_too_deep(where)) from error
    # Python converts no whole number of more than 4,300 digits.
    except ValueError as error:
        raise InputError(f"{where}: has a number with too many digits") from error
    _require_limits(document, where)
    return document


def _too_deep(where: str) -> str:
    return f"{where}: has tables or lists nested more than {MOST_PARTS} deep; no setting needs that"


def _require_limits(document: Mapping[str, TomlValue], where: str) -> None:
    for value, depth in _walk(document):
        if depth > MOST_PARTS:
            raise InputError(_too_deep(where))
        if isinstance(value, int) and value not in WHOLE:
            raise InputError(f"{where}: has a whole number of more than 64 bits, the limit of TOML")
        if isinstance(value, str) and (found := CONTROL.search(value)):
            raise InputError(
                f"{where}: the text {shortened(repr(value))} contains the character {found[0]!a}, "
                "which is not allowed; remove it"
            )


def _walk(document: Any) -> Iterator[tuple[Any, int]]:
    """Yield every key and value, and how deep it lies."""
    # A list instead of recursion, which a deep document would exhaust.
    waiting = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        if depth > MOST_PARTS:
            continue
        if isinstance(value, dict):
            waiting += [(k, depth + 1) for k in value]
            waiting += [(v, depth + 1) for v in value.values()]
        elif isinstance(value, list):
            waiting += [(v, depth + 1) for v in value]


def _hint(text: str, told: str) -> str:
    """Return what is likely wrong with a text that is no TOML, "" if there is no guess.

    tomllib names the line in its text only (attributes come with Python 3.14).
    """
    if text.lstrip().startswith("{"):
        return "; it looks like JSON: `shakeslide init DIR` writes a study file to start from"
    found = re.search(r"at line (\d+)", told)
    lines = text.split("\n")
    line = lines[int(found[1]) - 1] if found else lines[-1]
    if re.search("[\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb]", QUOTED.sub("s", line)):
        return '; write straight quotes (") instead of typographic ones'
    if "\\" in line:
        return "; in a path write / instead of \\, or put it in single quotes: 'C:\\data\\dem.tif'"
    if told.startswith(TWICE):
        return "; a table or key may appear only once: write all keys of a table below its head"
    if re.match(r"\s*[\w.-]+\s*:(\s|$)", line):
        return "; it looks like YAML: `shakeslide init DIR` writes a study file to start from"
    if "\u00a0" in line:
        return "; the line contains a no-break space: write a normal space"
    if re.match(r"\s*[\w.\"'-]+\s*=\s*[^\s\"'\[{+\d-]", line):
        return '; put texts in quotes: key = "text"'
    return ""


def override(document: dict[str, TomlValue], item: str) -> None:
    """Set one key of a document, as `--set` asks.

    Parameters
    ----------
    document : dict
        The tables, which are changed.
    item : str
        "key.of.table=value": the value is TOML, or else a text.

    Raises
    ------
    InputError
        No key, no such place, a value beyond the limits.
    """
    key, sep, text = item.partition("=")
    parts = [p.strip() for p in key.split(".")]
    where = f"--set {shortened(item)}"
    if not sep or not all(parts):
        raise InputError(f"{where}: write it as table.key=value, e.g. evaluation.repeats=3")
    if len(parts) > MOST_PARTS:
        raise InputError(
            f"{where}: has a key of more than {MOST_PARTS} parts; no setting has so many"
        )
    value = _value(text, where)
    _require_limits(dict.fromkeys(parts, value), where)
    table: Any = document
    for part, after in itertools.pairwise(parts):
        table = _within(table, part, where, after)
    if isinstance(table, list):
        table[_index(table, parts[-1], where)] = value
    else:
        table[parts[-1]] = value


def _value(text: str, where: str) -> TomlValue:
    try:
        return parse(f"v = {text}", where)["v"]
    except InputError as error:
        # What is no TOML is meant as a text; what breaks a limit is not.
        if isinstance(error.__cause__, tomllib.TOMLDecodeError):
            return text.strip()
        raise


def _within(table: Any, part: str, where: str, after: str) -> Any:
    """Return the table, or list of tables, that a part of a key names."""
    if isinstance(table, list):
        inner = table[_index(table, part, where)]
    else:
        if after.isdecimal() and part not in table:
            raise InputError(f"{where}: the study file has no list {shortened(part)}")
        inner = table.setdefault(part, {})
    if isinstance(inner, dict) or (isinstance(inner, list) and inner):
        return inner
    raise InputError(f"{where}: {shortened(part)} is a value, not a table")


def _index(table: Sequence[Any], part: str, where: str) -> int:
    # `int` refuses thousands of digits, and no list has as many entries.
    if part.isdecimal() and len(part) < 10 and int(part) < len(table):
        return int(part)
    raise InputError(
        f"{where}: '{shortened(part)}' is not an index of this list of {len(table)}; use 0 to "
        f"{len(table) - 1}"
    )
