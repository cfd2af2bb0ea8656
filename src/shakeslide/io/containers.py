"""Where a file is on the disk, and the name under which GDAL opens it: archives and folders.

A path of the study may go into an archive (`dem.zip/dem.tif`), as GDAL's own `/vsizip/` does.
What is not a regular file, or a folder that is itself a data set, is refused before it is opened.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, cast

from shakeslide.core.errors import InputError, shortened
from shakeslide.io import geopackage

ARCHIVES = (".zip", ".kmz", ".gz")
"""Archives that are read."""
PACKED = (".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
"""Archives that the user unpacks."""
MOST_MEMBERS = 10_000
"""Files in an archive or a folder that are looked at."""
LARGEST_PACKED = 2_000_000_000
"""Bytes of the largest vector in an archive: some kilobytes can unpack to more than the memory."""
VIRTUAL = re.compile(r"^/?vsi(?:zip|gzip)/")


def on_disk(path: Path) -> Path:
    """Return the file or folder on the disk that holds a path: of `a.zip/b.tif` it is `a.zip`."""
    if os.path.lexists(path):
        return path
    for parent in path.parents:
        if parent.suffix.lower() in ARCHIVES and parent.is_file():
            return parent
    return path


def exists(path: Path) -> bool:
    """Tell whether a path is there, an archive's member too."""
    if on_disk(path) == path:
        return path.exists()
    archive = on_disk(path)
    # A `.gz` packs one file and has no paths within.
    return archive.suffix.lower() != ".gz" and (
        path.relative_to(archive).as_posix() in members(archive)
    )


def is_packed(path: Path) -> bool:
    """Tell whether a path is that of a file that GDAL unpacks: in a zip archive, or a `.gz`."""
    return on_disk(path) != path or path.suffix.lower() == ".gz"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open the bytes of a file, unpacked where it `is_packed`.

    Raises
    ------
    InputError
        A damaged archive, or one with a password.
    """
    try:
        with ExitStack() as stack:
            yield _opened(path, stack)
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{path}: cannot be unpacked (truncated or damaged?); get it again"
        ) from error


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    archive = on_disk(path)
    if archive == path:
        if path.suffix.lower() == ".gz":
            return cast(IO[bytes], stack.enter_context(gzip.open(path)))
        return stack.enter_context(path.open("rb"))
    try:
        zipped = stack.enter_context(zipfile.ZipFile(archive))
        return stack.enter_context(zipped.open(path.relative_to(archive).as_posix()))
    # zipfile raises RuntimeError for a password, NotImplementedError for an unknown packing.
    except (RuntimeError, NotImplementedError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be unpacked (does it have a password?); unpack it and give the file"
        ) from error


def path_of(name: str) -> Path:
    """Return the path, as a study would write it, of the file that GDAL opens under a name."""
    return Path(VIRTUAL.sub("", name))


def members(archive: Path) -> list[str]:
    """Return the names of the files in a zip archive.

    Raises
    ------
    InputError
        A damaged archive, or one of too many files.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [item.filename for item in opened.infolist() if not item.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{archive}: is not a whole zip archive (truncated or damaged?); get it again"
        ) from error
    if len(names) > MOST_MEMBERS:
        raise InputError(
            f"{archive}: holds {len(names):,} files; unpack it and give the one to use"
        )
    return names


def gdal_name(path: Path, serves: Callable[[str], bool], what: str) -> str:
    """Return the name under which GDAL opens a path.

    Parameters
    ----------
    path : Path
        A file, a folder that is a data set, an archive or a path into one.
    serves : callable
        Tells of the name of an archive's member whether it may be what is looked for.
    what : str
        What is looked for, for messages: "raster" or "vector".

    Raises
    ------
    InputError
        Nothing there, not a regular file, or an archive that holds none or several.
    """
    require_file(path)
    place = on_disk(path)
    require_files_beside(place)
    name = _gdal_name(path, place, serves, what)
    if what == "vector":
        _require_moderate(path_of(name))
    return name


def _gdal_name(path: Path, place: Path, serves: Callable[[str], bool], what: str) -> str:
    if place != path:
        return _member_name(place, path.relative_to(place).as_posix())
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in (".zip", ".gz"):
        return str(path)
    if suffix == ".gz":
        return f"/vsigzip/{path}"
    found = [name for name in members(path) if serves(name)]
    if len(found) != 1:
        raise InputError(f"{path}: {_choice(path, found, what)}")
    return f"/vsizip/{path}/{found[0]}"


def _require_moderate(path: Path) -> None:
    """Raise where a packed file is larger than any vector; some of GDAL's readers load it whole."""
    archive = on_disk(path)
    if archive.is_dir() or archive.suffix.lower() not in ARCHIVES:
        return
    if archive.suffix.lower() == ".gz":
        size = _unpacked_size(path)
    elif not zipfile.is_zipfile(archive):  # GDAL says what it is
        return
    else:
        member = "" if archive == path else path.relative_to(archive).as_posix()
        with zipfile.ZipFile(archive) as zipped:
            sizes = {item.filename: item.file_size for item in zipped.infolist()}
        size = sizes.get(member, max(sizes.values(), default=0))
    if size > LARGEST_PACKED:
        raise too_large(path)


def too_large(path: Path | str) -> InputError:
    """Return the error of a packed file that is larger than `LARGEST_PACKED`."""
    return InputError(
        f"{path}: unpacks to more than {LARGEST_PACKED / 1e9:g} GB; unpack it and name the "
        "unpacked file"
    )


def _unpacked_size(path: Path) -> int:
    """Return the bytes of a `.gz`, unpacked; those of a large one as far as it is read."""
    state = path.stat()
    # No byte of the format's packing stands for more than 1,032.
    if state.st_size * 1032 <= LARGEST_PACKED:
        return 0
    # Size and time are part of the cache's key: a file that was replaced is read anew.
    return _read_size(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_size(path: Path, _size: int, _time: int) -> int:
    size = 0
    with opened(path) as file:
        while size <= LARGEST_PACKED and (block := file.read(1 << 22)):
            size += len(block)
    return size


def _member_name(archive: Path, member: str) -> str:
    if archive.suffix.lower() == ".gz" or member not in (names := members(archive)):
        known = "" if archive.suffix.lower() == ".gz" else f": it holds {_named(names)}"
        raise InputError(f"{archive / member}: no such file in the archive{known}")
    return f"/vsizip/{archive}/{member}"


def _choice(path: Path, found: list[str], what: str) -> str:
    """Tell what to do about an archive that holds none or several of what is looked for."""
    if found:
        return (
            f"holds {len(found)} {what}s ({_named(found)}); name one: "
            f'path = "{path.name}/{found[0]}"'
        )
    names = members(path)
    return (
        f"holds no file that can be recognised as a {what} ({_named(names)}); unpack it, or name "
        "one: "
        f'path = "{path.name}/..."'
    )


def _named(names: list[str], most: int = 6) -> str:
    shown = ", ".join(shortened(n, 60) for n in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def require_file(path: Path) -> None:
    """Raise `InputError` unless a path is a regular file, or a folder of such.

    Looked at without opening anything: opening a FIFO would wait for ever.
    """
    place = on_disk(path)
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError(
            f"{shortened(path, 300)}: no such file; check `path` in the study file, or --data"
        ) from error
    if stat.S_ISDIR(mode):
        files(place)
        return
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is {_kind(mode)}, not a file; copy its output into a file and give that"
        )
    if place.suffix.lower() in PACKED:
        raise InputError(
            f"{path}: is an archive of a kind that is not supported; unpack it and name the file"
        )


def require_files_beside(place: Path) -> None:
    """Raise where GDAL would open what it should not: it looks for files of the same name.

    These are files that are none, and the latest changes of a database that is not closed.
    """
    if place.is_file():
        geopackage.require_closed(place)
    try:
        found = [e for e in os.scandir(place.parent) if e.name.startswith(f"{place.stem}.")]
    except OSError:  # a folder that may not be listed
        return
    for entry in found:
        mode = entry.stat().st_mode if Path(entry).exists() else 0
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError(
                f"{place}: beside it lies {_kind(mode)} of its name ({entry.name}), which would "
                "be read with it; remove that"
            )


def files(folder: Path) -> list[Path]:
    """Return the files in a folder, in order, those in its folders too.

    Raises
    ------
    InputError
        Something that is neither a file nor a folder, or too many files.
    """
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        # `os.walk` descends in the order of this list, which the file system would decide.
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if path.exists() and not path.is_file():
                raise InputError(
                    f"{folder}: holds {_kind(path.stat().st_mode)} ({path.name}), not only files; "
                    "give a file, or remove it"
                )
            found.append(path)
        if len(found) > MOST_MEMBERS:
            raise InputError(
                f"{folder}: is a folder of more than {MOST_MEMBERS:,} files, not a data set; give "
                "a file"
            )
    return found


def require_no_changes(path: Path) -> None:
    """Raise where an archive holds changes of a database that are not in it (see `geopackage`)."""
    archive = on_disk(path)
    if archive == path:
        return
    with zipfile.ZipFile(archive) as zipped:
        sizes = {item.filename: item.file_size for item in zipped.infolist()}
    member = path.relative_to(archive).as_posix()
    for end, empty in geopackage.JOURNALS.items():
        if sizes.get(member + end, 0) > empty:
            raise InputError(
                f"{path}: its latest changes are still in {member + end} in the same archive: "
                "unpack both, open the first once in QGIS and close it"
            )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    kinds |= {stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def suffix_of(name: str) -> str:
    """Return the last suffix of a name, that before `.gz` where there is one."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix
