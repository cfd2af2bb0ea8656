"""Types and rules that all tables of the study file share."""

from __future__ import annotations

import itertools
import os
import re
import typing
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import pyproj
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import did_you_mean, shortened
from shakeslide.study import filters

LONGEST_PATH = 4000
"""Bytes of the longest path; systems allow some 4,096."""
LONGEST_NAME = 255
"""Bytes of the longest name of a file or folder."""
LONGEST_CRS = 20_000
"""Characters of the longest CRS; WKT takes some thousand."""


def _path(given: Any) -> Any:
    """Refuse a text that can be no path before it is used as one."""
    if not isinstance(given, str):
        return given
    if not given.strip():
        raise ValueError("is empty; write the path of the file")
    if any(c < " " for c in given):
        raise ValueError(
            f"{shortened(repr(given))} contains a tab, a line break or a similar character; put a "
            "path with \\ in single quotes, or write / instead"
        )
    return given


def _resolve(path: Path, info: ValidationInfo) -> Path:
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{shortened(str(path))} is the home of a user who does not exist"
        ) from error
    base = (info.context or {}).get("base")
    whole = path if base is None else Path(base) / path
    if too_long(whole):
        raise ValueError(f"{shortened(str(path))} is longer than a path can be")
    inner = _in_archive(path, base)
    return whole if base is None else Path(base) / inner


def too_long(path: Path) -> bool:
    """Return whether no file system takes a path: questions about such a path are errors."""
    return len(os.fsencode(path)) > LONGEST_PATH or any(
        len(os.fsencode(part)) > LONGEST_NAME for part in path.parts
    )


def _in_archive(path: Path, base: Any) -> Path:
    """Return a path in GDAL's notation of archives (/vsizip/...) as one into the archive."""
    if len(path.parts) < 3 or path.parts[1] not in ("vsizip", "vsigzip"):
        return path
    inner = Path(*path.parts[2:])
    whole = Path("/", inner)
    # Two slashes, which tell an absolute path, are one by now.
    there = any(p.is_file() for p in (whole, *whole.parents))
    return whole if there or base is None else inner


def _known_crs(text: str) -> str:
    try:
        if len(text) > LONGEST_CRS:
            raise pyproj.exceptions.CRSError("too long")
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(
            f"'{shortened(text)}' is not a CRS that PROJ knows; write for example \"EPSG:32643\""
        ) from error
    if crs.is_engineering:
        raise ValueError(
            f"'{shortened(text)}' is a local (engineering) CRS without a location on the Earth; "
            'name the CRS of the map, for example "EPSG:32643"'
        )
    if crs.is_geocentric or (crs.is_vertical and not crs.is_compound):
        raise ValueError(
            f"'{shortened(text)}' ({shortened(crs.name)}) has no x and y; name the CRS of the map"
        )
    return text


class Shown:
    """Marks a key that is only shown to readers: no result depends on it."""


@dataclass(frozen=True)
class Default:
    """Says what holds where a key is left out that then has no value of its own.

    Attributes
    ----------
    text : str
        In a few words: "that of the DEM".
    """

    text: str


def _known_encoding(name: str) -> str:
    try:
        # Codecs of other things than texts (base64, rot13, zip) are refused by this alone.
        b"a".decode(name, "replace")
    except (LookupError, ValueError) as error:
        raise ValueError(
            f'{shortened(repr(name))} is not a text encoding; write for example "cp1252"'
        ) from error
    return name


def _moment(given: Any) -> Any:
    """Refuse numbers, which would be taken as seconds since 1970: 2005 is no time."""
    if isinstance(given, int | float) or (isinstance(given, str) and NUMBER.match(given)):
        raise ValueError(
            f"{shortened(str(given))} is not a date; write for example 2005-10-08 or "
            "2005-10-08T03:50:40Z"
        )
    return given


def _of_the_calendar(moment: datetime) -> datetime:
    """Refuse the first and last year, whose moments in UTC may lie in none."""
    if not 1 < moment.year < 9999:
        raise ValueError(f"{moment.isoformat()} is not in a year from 2 to 9998")
    return moment


def _composed(name: str) -> str:
    """Return a name with composed letters (Unicode NFC); files may spell it decomposed."""
    return unicodedata.normalize("NFC", name)


ColumnName = Annotated[str, AfterValidator(_composed)]
ShownText = Annotated[str, Shown()]
NUMBER = re.compile(r"\s*[-+]?\d+(\.\d*)?\s*$")
DataPath = Annotated[Path, BeforeValidator(_path), AfterValidator(_resolve)]
CrsText = Annotated[str, AfterValidator(_known_crs)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
Filter = Annotated[str, AfterValidator(filters.checked)]
Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_of_the_calendar)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """Base of all tables: an unknown key is an error that names the nearest right one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and cls.model_config.get("extra") == "forbid":
            names = {f.alias or n for n, f in cls.model_fields.items()}
            for key in data:
                if key not in names:
                    told = shortened(str(key))
                    raise ValueError(f"unknown key '{told}'.{did_you_mean(str(key), names)}")
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if _holds_bool(value):
            types = set(_types(cls.model_fields[str(info.field_name)].annotation))
            # The tables of a table look at their own keys.
            if bool not in types and not any(issubclass(t, BaseModel) for t in types):
                raise ValueError("is true or false, but should be a number or a text")
        return value

    @classmethod
    def default_text(cls, key: str) -> str:
        """Return what holds where a key is left out, "" where it just has a value or none."""
        marks = cls.model_fields[key].metadata
        return next((mark.text for mark in marks if isinstance(mark, Default)), "")

    def essence(
        self, content: Callable[[Path], JsonValue], shown: bool = False, but: Collection[str] = ()
    ) -> dict[str, JsonValue]:
        """Return what results depend on: no key that is only shown, files by their content.

        Parameters
        ----------
        content : callable
            Returns the value that represents a file: a hash of its content.
        shown : bool
            Include keys that are only shown.
        but : collection of str
            Keys to leave out: the result does not depend on them. To be named one by one, so that
            a new key counts until somebody decides that it does not.
        """
        kept = {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if shown or not any(isinstance(m, Shown) for m in field.metadata)
        }
        every = kept | (self.model_extra or {})
        return {k: _essence(v, content, shown) for k, v in every.items() if k not in but}


def _essence(value: Any, content: Callable[[Path], JsonValue], shown: bool) -> JsonValue:
    if isinstance(value, Settings):
        return value.essence(content, shown)
    if isinstance(value, Path):
        return content(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {k: _essence(v, content, shown) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_essence(v, content, shown) for v in value]
    plain: JsonValue = value
    return plain


def _holds_bool(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _holds_bool(list(value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_bool, value))
    return isinstance(value, bool)


def _types(annotation: Any) -> Iterator[type]:
    """Yield the plain types that an annotation is made of."""
    if typing.get_origin(annotation) is typing.Literal:
        yield from map(type, typing.get_args(annotation))
    elif parts := typing.get_args(annotation):
        for part in parts:
            yield from _types(part)
    elif isinstance(annotation, type):
        yield annotation


def _no_repeats(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"'{shortened(name)}' is listed {names.count(name)} times; list it once"
            )
    return names


def _ascending(limits: list[float]) -> list[float]:
    if not limits:
        raise ValueError("is empty; give at least one limit, for example [0.5]")
    if any(b <= a for a, b in itertools.pairwise(limits)):
        raise ValueError(
            f"{shortened(str(limits))} does not rise; write the limits in ascending order, each "
            "once"
        )
    return limits


def _some(given: list[int]) -> list[int]:
    if not given:
        raise ValueError("is empty; name one at least, or leave the key out")
    return given


NotEmpty = AfterValidator(_some)
Once = AfterValidator(_no_repeats)
Ascending = AfterValidator(_ascending)
