"""Files written whole or not at all: a temporary file beside the old one, renamed when complete.

A file counts once it was closed without an error, forced to the disk, looked at again and renamed.
Until then the old one stays.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import stat
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from shakeslide.core import failures
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Result

PART = ".shakeslide-part-"
"""What the names of all temporary files begin with, so that those of a killed run are known."""

PIECE = 1 << 24
"""Bytes of a file that are looked at together: a tile of all factors may have hundreds of MB."""

Check = Callable[[Path], str | None]
"""Looks at a file that was written and returns what is wrong with it, None if nothing."""


def folder(path: Path) -> Path:
    """Make a folder where there is none, and return its path.

    Raises
    ------
    InputError
        Something else is in its place, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        taken = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), path)
        raise InputError(
            f"{taken}: is a file, where a folder is needed; move it away and run again"
        ) from error
    return path


def content(path: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises
    ------
    InputError
        It is a pipe, a socket or a device, of which reading may never end.
    OSError
        It is missing or cannot be read.
    """
    # Without waiting, as opening a pipe does until somebody writes to it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError(f"{path}: is not a regular file; move it away and run again")
        return file.read()


@contextmanager
def replacing(path: Path, *, check: Check | None = None, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path in the same folder that becomes `path` when the block ends well.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    check : callable, optional
        Looks at the file before it gets its name. Any file must have some bytes.
    durable : bool
        Force the file to the disk first, which also brings up errors that a network file system
        or a quota reports late. Not worth its time for what is checked when it is read again.

    Raises
    ------
    InputError
        The disk is full, something else is in the file's place, or it was not written whole.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, where a file is needed; move it away and run again")
    with failures.writing(path):
        temporary = _reserved(folder(path.parent), path.suffix)
        try:
            # Within: how full the disk is shows only while the file is there.
            with failures.writing(path):
                yield temporary
                _settle(temporary, check, durable)
                temporary.replace(path)
        # Also for `Stopped`, which is no `Exception`.
        except BaseException:
            _delete(temporary)
            raise
        finally:
            _parts.discard(temporary)


def _settle(temporary: Path, check: Check | None, durable: bool) -> None:
    """Make sure that a file is whole and on the disk."""
    if temporary.stat().st_size == 0:
        raise failures.NotWhole("it is empty")
    problem = check(temporary) if check else None
    if problem:
        raise failures.NotWhole(problem)
    if durable:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())


# ------------------------------------------------------------------ temporary files

_parts: set[Path] = set()
"""Temporary files that are being written."""
_guard = threading.Lock()
_closed = threading.Event()


def _reserved(parent: Path, suffix: str) -> Path:
    """Make an empty file of a new name."""
    path = parent / f"{PART}{secrets.token_hex(6)}{suffix}"
    with _guard:
        if _closed.is_set():
            raise InputError(f"{parent}: nothing more is written, the run is being stopped")
        # `mkstemp` would make files that only their owner can read; here the umask decides.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        _parts.add(path)
    return path


def _delete(temporary: Path) -> None:
    """Delete a temporary file and what a library has put beside it, as far as they are there."""
    for path in temporary.parent.glob(f"{glob.escape(temporary.name)}*"):
        path.unlink(missing_ok=True)


def give_up() -> None:
    """Delete all temporary files and let no other be made: the process is about to end."""
    # First of all: who is waiting for the lock must find it closed.
    _closed.set()
    with _guard:
        parts = list(_parts)
    for path in parts:
        with suppress(OSError):
            _delete(path)


def sweep(folders: Iterable[Path]) -> None:
    """Delete the temporary files that a killed run has left directly in these folders."""
    for parent in folders:
        if parent.is_dir():
            for path in parent.glob(f"{PART}*"):
                path.unlink(missing_ok=True)


# ------------------------------------------------------------------ shards


def save_shard(array: NDArray[Any], path: Path, *, durable: bool = False) -> None:
    """Write an array, any shape, as .npy and a checksum, renamed into place when complete."""
    with replacing(path, durable=durable) as temporary, temporary.open("wb+") as file:
        np.save(file, np.ascontiguousarray(array))
        length = file.tell()
        file.seek(0)
        checksum = _checksum(file, length)
        # Behind the array, where `np.load` does not read.
        file.write(checksum)


def _checksum(file: BinaryIO, length: int) -> bytes:
    """Return the checksum of a file's next `length` bytes, read piece by piece."""
    checksum = 0
    while length > 0 and (piece := file.read(min(length, PIECE))):
        checksum = zlib.crc32(piece, checksum)
        length -= len(piece)
    return checksum.to_bytes(4, "little")


def is_shard(path: Path) -> bool:
    """Tell whether a shard is there and is what was written: a broken run may have left less."""
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size - 4
            return _checksum(file, length) == file.read()
    except FileNotFoundError:
        return False


# ------------------------------------------------------------------ steps


@dataclass(frozen=True)
class Steps:
    """What the steps of a long work gave, in a folder until the whole is done (a `Keep`).

    Numbers come back as they were, to the last bit.

    Parameters
    ----------
    folder : Path
        For a file per step; named by all that the steps' results depend on.
    """

    folder: Path

    def __call__(
        self,
        step: str,
        make: Callable[[], Result],
        /,
        holds: Callable[[Result], bool] = lambda _: True,
    ) -> Result:
        """Return what a step gave before, else run it and keep what it gives.

        `holds` looks at what was kept: a file that a step has made beside it may be gone.
        """
        known: list[Result] = self.known(step, holds)
        return known[0] if known else self.keep(step, make())

    def known(self, step: str, holds: Callable[[Result], bool] = lambda _: True) -> list[Result]:
        """Return what a step gave before as the one entry; none if it is not kept or not valid."""
        try:
            text = (self.folder / f"{step}.json").read_text(encoding="utf-8")
            kept: Result = json.loads(text)["result"]
            return [kept] if holds(kept) else []
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return []

    def keep(self, step: str, result: Result) -> Result:
        """Keep what a step gave, and return it."""
        with replacing(self.folder / f"{step}.json", durable=False) as temporary:
            temporary.write_text(json.dumps({"result": result}), encoding="utf-8")
        return result
