"""What goes wrong outside of the program, in one line: disks, memory, damaged files, rights.

Libraries raise errors of their own for it. They are recognised by their names, so that no library
has to be imported. Any other error, one of geometry or of a wrong call for example, is a bug.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shakeslide.core.errors import InputError, shortened

log = logging.getLogger("shakeslide")

OF_FILES = {
    "rasterio.RasterioIOError", "rasterio.CPLE_BaseError",
    "pyogrio.DataSourceError", "pyogrio.DataLayerError", "pyogrio.FeatureError",
    "pyogrio.CPLE_BaseError", "pyarrow.ArrowInvalid", "pyarrow.ArrowSerializationError",
    "sqlite3.DatabaseError", "zipfile.BadZipFile", "zlib.error",
    "safetensors.SafetensorError", "PIL.UnidentifiedImageError", "pyproj.DataDirError",
    "optuna.StorageInternalError",
}  # fmt: skip
"""Errors, by library and class, that libraries raise only where they read or write a file."""
OF_CALLS = {"sqlite3.ProgrammingError", "sqlite3.InterfaceError", "sqlite3.NotSupportedError"}
"""Errors that are derived from these but show that the library was called wrongly: bugs."""
LITTLE_ROOM = 8_000_000
"""Free bytes below which a file that a library cannot write is put down to a full disk."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
LONGEST = 300
"""Characters of a library's message that are shown."""


class NotWhole(Exception):
    """A file that was written is not as it should be."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise `InputError` where the block fails for want of room, or cannot write a file."""
    try:
        yield
    except Exception as error:
        failure = _of_writing(error, path)
        if failure is None:
            raise
        raise failure from error


def _of_writing(error: Exception, path: Path) -> InputError | None:
    if isinstance(error, InputError):
        return None
    known = isinstance(error, NotWhole) or _from_library(error)
    # Libraries rarely pass on that the disk is full: the room that is left shows it.
    if (isinstance(error, OSError) and error.errno in NO_ROOM) or (known and _is_full(path)):
        return _disk_full(path)
    if isinstance(error, NotWhole):
        return InputError(
            f"{path}: was not written whole ({error}); check the disk (free space, quota), then "
            "run again"
        )
    if isinstance(error, OSError) and error.errno and _is_about(error, path):
        return InputError(f"{path}: cannot be written: {_reason(error)}")
    return None


def _is_about(error: OSError, path: Path) -> bool:
    """Tell whether an error names no file, or one in the folder of this one."""
    return error.filename is None or Path(os.fsdecode(error.filename)).parent == path.parent


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < LITTLE_ROOM


def _disk_full(path: Path) -> InputError:
    """Return the line for a file that does not fit on its disk."""
    free = shutil.disk_usage(path.parent).free / 1e6
    return InputError(
        f"{path}: the disk is full ({free:.0f} MB free); free some space or choose another "
        "--out, then "
        "run again: it continues where it stopped"
    )


def _from_library(error: BaseException) -> bool:
    names = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return bool(names & OF_FILES) and not names & OF_CALLS


# ------------------------------------------------------------------ any error


@contextmanager
def guarded(stage: str) -> Iterator[None]:
    """Raise `InputError` for what goes wrong outside of the program while a stage runs.

    The error itself goes to the log. Also of use as a decorator.
    """
    try:
        yield
    except Exception as error:
        failure = of_stage(error, stage)
        if failure is None:
            raise
        log.error("%s", failure, exc_info=error)
        raise failure from error


def of_stage(error: BaseException, stage: str) -> InputError | None:
    """Return the line for an error of the system or of a library, None for a bug."""
    if isinstance(error, InputError):
        return None
    if isinstance(error, MemoryError):
        what = shortened(error, LONGEST) or "none is left"
        return InputError(
            f"{stage}: not enough memory ({what}); use fewer --workers, or a smaller area or "
            "larger cells (`bounds`, `resolution` in [grid])"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"{_named(error, stage)}: {_reason(error)}")
    if isinstance(error, UnicodeEncodeError):
        return InputError(
            f"{stage}: {error.object[:LONGEST]!r} cannot be written as UTF-8; rename the file"
        )
    if isinstance(error, OSError | UnicodeDecodeError) or _from_library(error):
        what = f"{shortened(error, LONGEST)} ({type(error).__name__})"
        return InputError(f"{stage}: a file cannot be read or written: {what}")
    return None


def _named(error: OSError, stage: str) -> str:
    return stage if error.filename is None else f"{stage}: {os.fsdecode(error.filename)}"


def _reason(error: OSError) -> str:
    """Return what the system says, and what to do about it."""
    why = os.strerror(error.errno or 0)
    if error.errno in NO_ROOM:
        return f"{why}; free some space, then run again"
    if error.errno in NO_RIGHT:
        return f"{why}; change its permissions, or choose another --out"
    if error.errno == errno.EMFILE:
        return f"{why}; raise the limit (ulimit -n) or use fewer --workers"
    return why
