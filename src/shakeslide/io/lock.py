"""A folder that one process at a time writes to."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shakeslide.errors import InputError


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file while the block runs.

    Raises
    ------
    InputError
        Another process holds it; `refusal` says what to do.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(refusal) from error
        yield
