"""What has been made from what: fingerprints, so that a second run redoes only what changed.

Each artefact is recorded with the fingerprint of everything it depends on and with size, time and
content of the files it consists of. It is fresh while the fingerprint agrees and the files still
hold the same, wherever the folder now lies. Names and sources that are written beside the values
have a fingerprint of their own, as they can be written anew without making the values again.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from shakeslide._version import __version__
from shakeslide.core import documents, lock
from shakeslide.core.errors import InputError
from shakeslide.core.files import content, replacing, sweep
from shakeslide.core.fingerprints import fingerprint
from shakeslide.io import contents, dependencies

FOLDERS = ("factors", "figures", "maps", "models", "reproduce", "tune", "versions", ".work")
"""Folders in a run's folder, for what its stages make."""
FILES = (
    ".tif", ".gpkg", ".parquet", ".json", ".csv", ".html", ".pdf", ".png", ".qml", ".sld", ".qgs",
    ".geojson", ".md", ".safetensors", ".npz", ".npy", ".log",
)  # fmt: skip
"""Endings of the files that stages make."""


class FileState(NamedTuple):
    """A file as it was: size in bytes, time of its last change in ns, hash of its content."""

    size: int
    time: int
    content: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is recorded of an artefact.

    Attributes
    ----------
    fingerprint : str
        Of everything on which its values depend.
    labels : str or None
        Fingerprint of the names and sources beside the values.
    files : mapping of str to FileState
        The files it consists of, by their place in the run's folder.
    seconds : float or None
        Time that making it took.
    shakeslide : str
        Version that made it.
    """

    fingerprint: str
    labels: str | None = None
    files: Mapping[str, FileState]
    seconds: float | None = None
    shakeslide: str = __version__


class Ledger:
    """The record of a run's folder.

    Parameters
    ----------
    out : Path
        The run's folder; the record is kept in `out/.work`.
    say : callable, optional
        Told in a line when a record is damaged.
    verify : bool
        Read all files again instead of trusting their size and time.
    """

    def __init__(
        self, out: Path, say: Callable[[str], None] = lambda _: None, verify: bool = False
    ) -> None:
        self.out, self._say = out, say
        self.work = out / ".work"
        self._hashes = _known_hashes(self.work / "contents.json")
        self._parts: dict[Path, list[Path]] = {}
        self._seen: dict[Path, list[int] | None] = {}
        self._told: set[str] = set()
        self._verify = verify
        self._verified: dict[str, tuple[int, int]] = {}
        # Factors are made ready by several threads.
        self._one = threading.Lock()

    def ready(self) -> None:
        """Make the folder where it is missing.

        Raises
        ------
        InputError
            It cannot be made, or a link is in its place.
        """
        _require_no_link(self.work)
        try:
            (self.work / "made").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {self.out}: cannot be written to: {error}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder while the block runs."""
        refusal = (
            f"--out {self.out}: another run of shakeslide is writing there; wait for it or choose "
            "another folder"
        )
        self.ready()
        with lock.held(self.work / "lock", refusal):
            # Under the lock, so that no other run's temporary files are deleted.
            sweep(self._folders())
            yield

    def _folders(self) -> Iterator[Path]:
        """Yield the folders that runs write to.

        Raises
        ------
        InputError
            A file is in the place of a folder, a folder in that of a file, or something is
            neither: better now than after long work.
        """
        yield self.out
        for path in self.out.iterdir():
            _require_kind(path)
            if path.name in FOLDERS:
                yield path
                for inner in path.rglob("*"):
                    _require_kind(inner)
                    if inner.is_dir():
                        yield inner

    def shards(self, kind: str, marks: Collection[str]) -> list[Path]:
        """Return the folders where tiles wait, after deleting those of the kind's other marks."""
        folders = [self.work / "shards" / f"{kind}-{mark}" for mark in marks]
        for other in set((self.work / "shards").glob(f"{kind}-*")) - set(folders):
            shutil.rmtree(other, ignore_errors=True)
        return folders

    # ---------------------------------------------------------------- inputs

    def watch(self, paths: Iterable[Path]) -> None:
        """Note how input files are now: from here on they must stay as they are."""
        for path in paths:
            # What is missing or no file is refused where it is read, by name.
            with suppress(InputError):
                self._behind(path)

    def _behind(self, path: Path) -> list[Path]:
        """Return the files behind a path, and note how they are."""
        if path not in self._parts:
            self._parts[path] = dependencies.files_of(path)
            for part in self._parts[path]:
                self._seen.setdefault(part, _state(part))
        return self._parts[path]

    def require_unchanged(self) -> None:
        """Raise `InputError` where an input is not what it was when it was first looked at."""
        for part, before in self._seen.items():
            if _state(part) != before:
                raise InputError(f"{part}: changed while it was read; run again")

    def content(self, path: Path) -> str:
        """Return the hash of what all files behind a path hold, remembered while they stay."""
        with self._one:
            hashes = [self._content(part) for part in self._behind(path)]
            if not all(known for _, known in hashes):
                # What is remembered only saves time: a folder that cannot be written to will do.
                with suppress(OSError, InputError):
                    _write_json(self.work / "contents.json", self._hashes, durable=False)
        # Readers choose the format by the ending of the name.
        return fingerprint(path.suffix.lower(), [value for value, _ in hashes])

    def parts(self, path: Path) -> dict[str, str]:
        """Return the hash of each file behind a path, by its place from there."""
        self.content(path)
        start = path if path.is_dir() else path.parent
        return {_place(part, start): self._content(part)[0] for part in self._behind(path)}

    def _content(self, part: Path) -> tuple[str, bool]:
        """Return the hash of a file, and whether it was known."""
        key, mark = str(part.resolve()), _stat(part)
        known = self._hashes.get(key)
        trusted = not self._verify or self._verified.get(key) == mark
        if trusted and known is not None and known.content and known[:2] == mark:
            return known.content, True
        value = contents.digest(part)
        self._verified[key] = mark or (0, 0)
        self._hashes[key] = FileState(*(mark or (0, 0)), value)
        return value, False

    # -------------------------------------------------------------- artefacts

    def made(self, item: str) -> Made | None:
        """Return what is recorded of an artefact, None if nothing (that can be read)."""
        path = self.work / "made" / f"{item}.json"
        try:
            return documents.from_json(Made, content(path))
        except FileNotFoundError:
            return None
        except (OSError, InputError, ValueError, RecursionError):
            if item not in self._told:
                self._told.add(item)
                self._say(f"warning: {path}: is damaged, so {item} has to be made again")
            return None

    def is_fresh(self, item: str, mark: str, labels: str | None = None) -> bool:
        """Tell whether an artefact was made from just this and its files hold what they held.

        With `labels` the names that are written beside its values must be these too.
        """
        return self.why_stale(item, mark, labels) is None

    def why_stale(self, item: str, mark: str, labels: str | None = None) -> str | None:
        """Return in a few words why an artefact is not fresh, None if it is."""
        known = self.made(item)
        if known is None:
            lost = (self.work / "made" / f"{item}.json").exists()
            return "has a damaged record" if lost else "is not made yet"
        if known.fingerprint != mark:
            return "was made with other settings or layers"
        if labels not in (None, known.labels):
            return "has other names, sources or limits"
        return None if self._is_whole(item, known) else "has changed since it was made"

    def _is_whole(self, item: str, known: Made) -> bool:
        """Compare an artefact's files with the record; new times of the same content are noted."""
        moved = {}
        for name, before in known.files.items():
            now = _stat(self.out / name)
            # Of another size it holds something else: no need to read it.
            if now is None or now[0] != before.size:
                return False
            trusted = not self._verify or self._verified.get(name) == now
            if now[1] == before.time and trusted:
                continue
            if contents.digest(self.out / name) != before.content:
                return False
            self._verified[name] = now
            if now[1] != before.time:
                # The content is the same: from now on the new time is trusted.
                moved[name] = FileState(*now, before.content)
        if moved:
            # A finished run may lie where nothing can be written.
            with suppress(OSError, InputError):
                self._write(item, replace(known, files={**known.files, **moved}))
        return True

    def record(
        self, item: str, mark: str, files: Iterable[Path], seconds: float, labels: str = ""
    ) -> None:
        """Record an artefact as made.

        Raises
        ------
        InputError
            An input has changed since it was first looked at: nothing is recorded.
        """
        self.require_unchanged()
        self.ready()
        states = {
            str(f.relative_to(self.out)): FileState(*(_stat(f) or (0, 0)), contents.digest(f))
            for f in files
        }
        self._write(
            item, Made(fingerprint=mark, labels=labels, files=states, seconds=round(seconds, 3))
        )

    def relabel(self, item: str, labels: str) -> None:
        """Record that the names beside an artefact's values have been written anew."""
        known = self.made(item)
        if known is not None:
            paths = [self.out / name for name in known.files]
            self.record(item, known.fingerprint, paths, known.seconds or 0.0, labels)

    def _write(self, item: str, record: Made) -> None:
        _write_json(self.work / "made" / f"{item}.json", asdict(record))

    def all_made(self, prefixes: Sequence[str] = ("",)) -> dict[str, Made]:
        """Return the records of all artefacts whose names begin so."""
        names = sorted(f.stem for f in (self.work / "made").glob("*.json"))
        chosen = [n for n in names if any(n.startswith(p) for p in prefixes)]
        # Without damaged ones, of which `made` has said so.
        return {n: known for n in chosen if (known := self.made(n))}


def _require_kind(path: Path) -> None:
    """Raise `InputError` where a folder is a file, a file is a folder, or it is neither."""
    if path.name in FOLDERS:
        _require_no_link(path)
    folder = path.is_dir()
    if path.name in FOLDERS and not folder:
        raise InputError(f"{path}: is a file, but a folder is needed; move it away")
    if path.suffix in FILES and folder:
        raise InputError(f"{path}: is a folder, but a file is needed; move it away")
    # Reading a pipe or a device may never end.
    if not folder and path.exists() and not path.is_file():
        raise InputError(f"{path}: is not a regular file; move it away and run again")


def _require_no_link(path: Path) -> None:
    """Raise `InputError` where a link is in the place of a run's own folder."""
    if path.is_symlink():
        raise InputError(
            f"{path}: is a link, and a run does not write or delete through links: move it "
            "away, or give the folder it points to as --out"
        )


def _place(part: Path, start: Path) -> str:
    return part.relative_to(start).as_posix() if part.is_relative_to(start) else part.name


def _stat(path: Path) -> tuple[int, int] | None:
    """Return size and time of a file, None if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _state(path: Path) -> list[int] | None:
    """Return all that changes when a file is written to or replaced, even with its old times."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _known_hashes(path: Path) -> dict[str, FileState]:
    """Return the hashes of files that are remembered, none where the record is damaged."""
    try:
        return documents.from_json(dict[str, FileState], content(path))
    except (OSError, InputError, ValueError, RecursionError):
        return {}


def _write_json(path: Path, value: Mapping[str, object], durable: bool = True) -> None:
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
