"""Short hashes of plain values and arrays: equal values give equal hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTES = 12
"""Length of a hash: 96 bits."""


def fingerprint(*parts: Any) -> str:
    """Return a short hash of plain values; of a path its name counts alone.

    Raises
    ------
    TypeError
        A value whose text would not hold all of it.
    """
    # Sorted: mappings are equal in any order.
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=BYTES).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        # The order of a set differs from one process to the next.
        return sorted(value, key=repr)
    raise TypeError(f"no fingerprint of {type(value)}")


def of_arrays(*arrays: NDArray[Any]) -> str:
    """Return a short hash of arrays: their shapes, types and bytes."""
    digest = hashlib.blake2b(digest_size=BYTES)
    for array in arrays:
        # Arrays of another shape or type may have the same bytes.
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
