"""Which steps of a long making are done, so that one that was stopped goes on after them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from shakeslide.core import lock
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing


class JournalRecord(TypedDict):
    """A journal as its file has it: what each step told, and sizes of files in bytes."""

    settings: str
    steps: dict[str, Sequence[float]]
    sizes: dict[str, int]


class Journal:
    """Steps that are done, in a file beside what they left.

    A folder of other settings, or of none that can be read, is emptied, and so is one where a file
    that a step left is gone or of another size.

    Parameters
    ----------
    folder : Path
        For the files of all steps.
    settings : str
        Everything that the files depend on.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder, self._path = folder, folder / "done.json"
        self._told: JournalRecord = {"settings": settings, "steps": {}, "sizes": {}}
        known = _read(self._path)
        if (
            known is not None
            and known["settings"] == settings
            and self._sizes(known["sizes"]) == known["sizes"]
        ):
            self._told = known
        else:
            self._keep([])

    @property
    def steps(self) -> dict[str, Sequence[float]]:
        """What each step that is done has told, by its name, in the order they were done."""
        return self._told["steps"]

    def add(
        self,
        step: str,
        told: Sequence[float] = (),
        *,
        keep: Collection[str],
        made: Collection[str] = (),
    ) -> None:
        """Note that a step is done, and delete all files but those of such names.

        `made` are files that it left beside the folder.
        """
        self.steps[step] = told
        beside = [name for name in self._told["sizes"] if name.startswith("..")]
        self._told["sizes"] = self._sizes([*keep, *beside, *(f"../{name}" for name in made)])
        with replacing(self._path) as temporary:
            temporary.write_text(json.dumps({**self._told, "digest": _digest(self._told)}))
        self._keep([self._path.name, *keep])

    def size(self) -> int:
        """Room that the files take on the disk (bytes)."""
        return sum(512 * path.stat().st_blocks for path in self.folder.iterdir())

    def _sizes(self, names: Iterable[str]) -> dict[str, int]:
        paths = {name: self.folder / name for name in names}
        return {name: path.stat().st_size for name, path in paths.items() if path.is_file()}

    def _keep(self, names: Collection[str]) -> None:
        for path in self.folder.iterdir():
            if path.name not in (_LOCK, *names):
                path.unlink()


def _digest(told: JournalRecord) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> JournalRecord | None:
    """Return what a journal told, nothing where it is damaged or was edited."""
    try:
        known = json.loads(path.read_text())
        digest = known.pop("digest")
        # The digest vouches for the form: only `add` writes one.
        told: JournalRecord = known
        return told if digest == _digest(told) else None
    except (OSError, ValueError, RecursionError, LookupError, AttributeError, TypeError):
        return None


_LOCK = "lock"


def _refuse_foreign(folder: Path) -> None:
    """Raise `InputError` where a folder holds what no making has left: it would be deleted."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        what = "is no folder"
    else:
        found = sorted(folder.iterdir()) if folder.exists() else []
        own = (folder / _LOCK).is_file()
        foreign = [path.name for path in found if not own or not path.is_file()]
        if not foreign:
            return
        what = f"holds '{foreign[0]}', which is not of shakeslide"
    raise InputError(f"{folder}: {what}; move it away or choose another folder")


@contextmanager
def journal(folder: Path, settings: str) -> Iterator[Journal]:
    """Keep the files of a making until the block ends well, and others out meanwhile.

    Raises
    ------
    InputError
        Another process is at work in the folder, or it holds the files of something else.
    """
    _refuse_foreign(folder)
    folder.mkdir(exist_ok=True)
    refusal = (
        f"{folder.parent}: another process is making an earthquake there; wait for it or choose "
        "another folder"
    )
    with lock.held(folder / _LOCK, refusal):
        kept = Journal(folder, settings)
        try:
            yield kept
        except BaseException:
            # Nothing is done yet that a later making could go on from.
            if not kept.steps:
                shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
