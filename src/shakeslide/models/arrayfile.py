"""Named arrays in a safetensors file: written whole or not at all, every claim in it checked."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""

_ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8,
    "F32": 4, "F64": 8,
}  # fmt: skip
# Bounds what a damaged or hostile file makes the JSON parser read.
_MAX_HEADER = 2**20


def write(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays, any shape, to a safetensors file; it appears whole or not at all."""
    path = Path(path)
    # Sorted, so that equal arrays give equal bytes.
    data = safetensors.save({k: np.ascontiguousarray(v) for k, v in sorted(arrays.items())})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read(path: str | os.PathLike[str], max_bytes: int = 2**32) -> Arrays:
    """Read a safetensors file after its header was checked against its size.

    Parameters
    ----------
    path : path
    max_bytes : int
        Largest file that is read at all.

    Returns
    -------
    dict of str to ndarray
        The named arrays, any shape.

    Raises
    ------
    InputError
        Missing, foreign, truncated or too large a file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    size = path.stat().st_size
    if size > max_bytes:
        raise InputError(f"{path}: {size} bytes are more than any model of shakeslide has")
    data = path.read_bytes()
    problem = _header_problem(data)
    if problem:
        raise InputError(
            f"{path}: not a whole safetensors file ({problem}); copy it again, or delete its "
            "folder and train again"
        )
    try:
        return dict(safetensors.load(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error


def _header_problem(data: bytes) -> str | None:
    """Return what is wrong with a file's header, or None."""
    # The format: eight bytes of the header's length, the header in JSON, the data.
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(_MAX_HEADER, len(data) - 8):
        return "its header is longer than the file"
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        return "its header is not JSON"
    if not isinstance(header, dict):
        return "its header is not a table"
    # The only entry that describes no array.
    header.pop("__metadata__", None)
    for name, info in header.items():
        problem = _entry_problem(info, len(data) - 8 - length)
        if problem:
            return f"array '{name}' {problem}"
    return None


def _entry_problem(info: object, data_bytes: int) -> str | None:
    if not isinstance(info, dict):
        return "has no description"
    item = _ITEM_BYTES.get(str(info.get("dtype")))
    if item is None:
        return f"has an unknown type {info.get('dtype')!r}"
    shape: Any = info.get("shape")
    span: Any = info.get("data_offsets")
    if not (_counts(shape) and _counts(span) and len(span) == 2):
        return "has no valid shape and place"
    if not span[0] <= span[1] <= data_bytes:
        return "reaches beyond the end of the file"
    if math.prod(shape) * item != span[1] - span[0]:
        return f"of shape {shape} doesn't fill its place"
    return None


def _counts(value: Any) -> bool:
    # `type`, not `isinstance`: JSON's true would pass as 1.
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**48 for v in value)
