"""Which steps of a long making are done, so that one that was stopped goes on after them."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shakeslide.errors import InputError


class Journal:
    """Steps that are done, in a file beside what they left.

    A folder of other settings, or of none that can be read, is emptied.

    Parameters
    ----------
    folder : Path
        For the files of all steps.
    settings : str
        Everything that the files depend on.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder, self._path = folder, folder / "done.json"
        self._told: dict[str, Any] = {"settings": settings, "steps": {}}
        known = _read(self._path)
        if known.get("settings") == settings:
            self._told = known
        else:
            self._keep([])

    @property
    def steps(self) -> dict[str, Any]:
        """What each step that is done has told, by its name, in the order they were done."""
        steps: dict[str, Any] = self._told["steps"]
        return steps

    def add(self, step: str, told: Any = None, *, keep: Collection[str]) -> None:
        """Note that a step is done, and delete all files but those of such names."""
        self.steps[step] = told
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(self._told))
        temporary.replace(self._path)
        self._keep([self._path.name, *keep])

    def size(self) -> int:
        """Room that the files take on the disk (bytes)."""
        return sum(512 * path.stat().st_blocks for path in self.folder.iterdir())

    def _keep(self, names: Collection[str]) -> None:
        for path in self.folder.iterdir():
            if path.name not in (_LOCK, *names):
                path.unlink()


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    good = isinstance(known, dict) and isinstance(known.get("steps"), dict)
    return known if good else {}


_LOCK = "lock"


@contextmanager
def journal(folder: Path, settings: str) -> Iterator[Journal]:
    """Keep the files of a making until the block ends well, and others out meanwhile.

    Raises
    ------
    InputError
        Another process is at work in the folder.
    """
    folder.mkdir(exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{folder.parent}: another process is making an earthquake there; wait for it or "
                "choose another folder"
            ) from error
        kept = Journal(folder, settings)
        try:
            yield kept
        except BaseException:
            if not kept.steps:
                shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
