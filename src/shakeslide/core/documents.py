"""Documents: frozen dataclasses kept as JSON, each with the number of its form (`schema`).

What a stage leaves as text for later stages is a dataclass that derives from `Document`. `write`
and `read` are the one way to its file and back. A file of another form is refused in one line that
names the command which makes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from shakeslide._version import __version__
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.files import content, replacing

SCHEMA = "schema"
"""Key of the number of a document's form."""
JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""What JSON holds."""


@dataclass(frozen=True)
class Document:
    """What a file of results holds.

    Attributes
    ----------
    schema_number : int
        Of the form: it goes up with every change after which older files cannot be read.
    made_by : str
        The command that makes the file.
    """

    schema_number: ClassVar[int]
    made_by: ClassVar[str]


D = TypeVar("D", bound=Document)
T = TypeVar("T")


def write(path: Path, document: Document) -> None:
    """Write a document whole or not at all; NaN becomes null, as JSON has none."""
    values = {SCHEMA: document.schema_number, **to_values(document)}
    with replacing(path) as temporary:
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text, encoding="utf-8")


def read(path: Path, kind: type[D]) -> D:
    """Read a document.

    Parameters
    ----------
    path : Path
        Its file.
    kind : type
        What it must be.

    Raises
    ------
    InputError
        The file is missing, damaged, or of another version of shakeslide.
    """
    stage = kind.made_by
    if not path.exists():
        raise InputError(f"{path}: is not there; run `shakeslide {stage}` first")
    data = content(path)
    again = f"delete it and run `shakeslide {stage}`"
    try:
        values = json.loads(data)
        if not isinstance(values, dict):
            raise InputError(f"{path}: is no result of shakeslide; {again}")
        _require_schema(path, values.get(SCHEMA), kind, again)
        return from_json(kind, data)
    except ValidationError as error:
        raise InputError(f"{path}: is damaged: {_first(error)}; {again}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({shortened(error)}); {again}") from error


def _require_schema(path: Path, found: object, kind: type[Document], again: str) -> None:
    wanted = kind.schema_number
    if found == wanted:
        return
    version = "no schema" if found is None else f"schema {shortened(found)}"
    raise InputError(
        f"{path}: has {version}, so another version of shakeslide wrote it; version {__version__} "
        f"reads schema {wanted}: {again}"
    )


def _first(error: ValidationError) -> str:
    """Return where a document departs first from its form, and how."""
    told = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, told['loc']))}: {told['msg']}"


# ------------------------------------------------------------------ values


def to_values(value: object) -> dict[str, JsonValue]:
    """Return a frozen dataclass as JSON has it: mappings, lists, texts and finite numbers."""
    values: dict[str, JsonValue] = finite(_adapter(type(value)).dump_python(value, mode="json"))
    return values


def to_json(value: object) -> bytes:
    """Return a frozen dataclass as JSON on one line."""
    return json.dumps(to_values(value), allow_nan=False).encode()


def from_json(kind: type[T], data: bytes) -> T:
    """Return a frozen dataclass from JSON.

    Raises
    ------
    ValueError
        It is not JSON, or not of this form.
    """
    # Strict: the text "1.5" is no number.
    value: T = _adapter(kind).validate_json(data, strict=True)
    return value


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """Return the (de)serialiser of a type; making one takes milliseconds."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def finite(value: Any) -> Any:
    """Return JSON-like values with None for every number that JSON cannot write."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
