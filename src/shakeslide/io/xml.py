"""XML in, without what can harm: no document types, no entities, nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, parse

from shakeslide.core.errors import InputError

HEAD = 65_536
"""Bytes looked at to tell what a file is."""
# A letter behind the bracket: neither a declaration nor a comment is an element.
START_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]")


def root_name(path: Path) -> str:
    """Return the name of a file's first element without its namespace, "" if there is none."""
    if not path.is_file():  # to open a FIFO would wait for ever
        return ""
    try:
        with path.open("rb") as file:
            return root_in(file.read(HEAD))
    except OSError:
        return ""


def root_in(head: bytes) -> str:
    """Return the same of a file's first bytes."""
    found = START_TAG.search(head)
    return found.group(1).decode("ascii", "replace") if found else ""


def read(path: Path, what: str, file: IO[bytes] | None = None) -> Any:
    """Return the root element of an XML file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, for messages.
    file : binary file, optional
        Its bytes, where they are packed in an archive.

    Raises
    ------
    InputError
        Missing or malformed file, or one with a document type or entities, which could make a
        small file fill the memory or have other files read.
    """
    try:
        return parse(path if file is None else file, forbid_dtd=True).getroot()
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; check `path` in the study file, or --data"
        ) from error
    except DefusedXmlException as error:
        raise InputError(
            f"{path}: has a document type or entities, which no {what} has; it is not read: "
            "download the file again"
        ) from error
    except (ParseError, UnicodeError, LookupError, ValueError, OSError) as error:
        raise InputError(
            f"{path}: is not a whole {what} ({' '.join(str(error).split())}); get it anew from "
            "its source"
        ) from error


def name(element: Any) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]


def children(element: Any, wanted: str) -> list[Any]:
    """Return the direct children of that name, whatever their namespace."""
    return [child for child in element if name(child) == wanted]


def child(element: Any, *path: str) -> Any | None:
    """Return the first descendant along a path of names, None if there is none."""
    for step in path:
        found = children(element, step)
        if not found:
            return None
        element = found[0]
    return element
