"""A folder that one process at a time writes to."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shakeslide.core.errors import InputError


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file while the block runs.

    Raises
    ------
    InputError
        Another process holds it (`refusal` says what to do), or something else is in its place.
    """
    handle = _opened(path)
    try:
        try:
            # The system frees it when the process ends, however that happens.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(refusal) from error
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        # Neither emptied nor followed: a link there could lead to a file of value.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise InputError(
                f"{path}: is not a regular file; move it away and run again"
            ) from error
        raise
