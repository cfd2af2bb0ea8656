"""What has been made from what: fingerprints, so that a second run redoes only what changed.

Each artefact is recorded with the fingerprint of everything it depends on and with the size and
time of the files it consists of. It is fresh while both still agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from shakeslide._version import __version__
from shakeslide.errors import InputError
from shakeslide.io import lock
from shakeslide.io.files import replacing

SIDECARS = (".dbf", ".shx", ".prj", ".cpg")
"""Files that belong to a shapefile."""


def fingerprint(*parts: Any) -> str:
    """Return a short hash of plain values; equal values give equal hashes."""
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"no fingerprint of {type(value)}")


class Ledger:
    """The record of a run's folder.

    Parameters
    ----------
    out : Path
        The run's folder; the record is kept in `out/.work`.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.work = out / ".work"
        try:
            (self.work / "made").mkdir(parents=True, exist_ok=True)
        except (OSError, NotADirectoryError) as error:
            raise InputError(f"--out {out}: cannot be written to: {error}") from error
        self._hashes: dict[str, Any] = _read_json(self.work / "hashes.json")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder while the block runs."""
        refusal = (
            f"--out {self.out}: another run of shakeslide is writing there; wait for it or choose "
            "another folder"
        )
        with lock.held(self.work / "lock", refusal):
            yield

    def content(self, path: Path) -> str:
        """Return the hash of a file's content, remembered while its size and time stay."""
        if not path.exists():
            raise InputError(f"{path}: no such file; check `path` in the study file, or --data")
        digest = hashlib.blake2b(digest_size=12)
        for part in _files(path):
            digest.update(self._content(part).encode())
        return digest.hexdigest()

    def _content(self, path: Path) -> str:
        stat = path.stat()
        key, mark = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
        known = self._hashes.get(key)
        if known is None or known[:2] != mark:
            with path.open("rb") as file:
                value = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12))
            self._hashes[key] = known = [*mark, value.hexdigest()]
            _write_json(self.work / "hashes.json", self._hashes)
        return str(known[2])

    def made(self, item: str) -> dict[str, Any]:
        """Return what is recorded of an artefact, {} if nothing."""
        return _read_json(self.work / "made" / f"{item}.json")

    def is_fresh(self, item: str, mark: str) -> bool:
        """Tell whether an artefact was made from just this and its files are as they were."""
        known = self.made(item)
        if known.get("fingerprint") != mark:
            return False
        return all(_stat(self.out / name) == stat for name, stat in known["files"].items())

    def record(self, item: str, mark: str, files: Iterable[Path], seconds: float) -> None:
        """Record an artefact as made."""
        stats = {str(f.relative_to(self.out)): _stat(f) for f in files}
        _write_json(
            self.work / "made" / f"{item}.json",
            {
                "fingerprint": mark,
                "files": stats,
                "seconds": round(seconds, 3),
                "shakeslide": __version__,
            },
        )

    def all_made(self, prefixes: Sequence[str] = ("",)) -> dict[str, dict[str, Any]]:
        """Return the records of all artefacts whose names begin so."""
        files = sorted((self.work / "made").glob("*.json"))
        return {f.stem: _read_json(f) for f in files if any(f.stem.startswith(p) for p in prefixes)}


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    if path.suffix.lower() == ".shp":
        return [path, *(p for s in SIDECARS if (p := path.with_suffix(s)).exists())]
    return [path]


def _stat(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        # Only a cache: what cannot be read is made again.
        return {}
    return value if isinstance(value, dict) else {}


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
