"""Files written whole or not at all: a temporary file beside the old one, renamed when complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from shakeslide.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder that becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; the result is to be as readable as any other.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error, path):
            raise InputError(disk_full(path)) from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def is_disk_full(error: BaseException, path: Path) -> bool:
    """Tell whether writing failed for want of room (GDAL does not say so in its error)."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if isinstance(error, RasterioIOError):
        return shutil.disk_usage(path.parent).free < 8_000_000
    return False


def disk_full(path: Path) -> str:
    """Return the message for a full disk."""
    free = shutil.disk_usage(path.parent).free / 1e6
    return (
        f"{path}: the disk is full ({free:.0f} MB free); make room or choose another --out, then "
        "run again: it goes on where it stopped"
    )


def save_shard(array: NDArray[Any], path: Path) -> None:
    """Write a tile's array as .npy, renamed into place when complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(array))
