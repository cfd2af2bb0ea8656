"""The room on the disk that a run needs, estimated before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shakeslide.factors.stack import IN_MEMORY
from shakeslide.geo import grid as grids
from shakeslide.pipeline.run import Run

BYTES = 4
"""Of a cell in a tile that waits, or in a file that is not packed."""
PACKED = 0.6
"""Share of its bytes that a packed file takes at most as a rule; of a synthetic earthquake 0.4."""
OVERVIEWS = 4 / 3
"""A map with its overviews, over the map alone."""
WORTH_SAYING = 1e9
"""Bytes from which on the room is reported."""


@dataclass(frozen=True)
class Room:
    """The room that a run needs.

    Attributes
    ----------
    folder : Path
        The folder of results.
    needed : float
        Bytes that are taken at the same time at most, beside what the folder holds already.
    free : float
        Bytes that are free on the folder's disk.
    """

    folder: Path
    needed: float
    free: float

    @property
    def is_large(self) -> bool:
        """Whether the room is worth a line."""
        return self.needed >= WORTH_SAYING

    @property
    def is_short(self) -> bool:
        """Whether less is free than is needed."""
        return self.needed > self.free

    @property
    def line(self) -> str:
        """What is needed and what is free."""
        return (
            f"about {self.needed / 1e9:,.0f} GB are needed in {self.folder}, "
            f"{self.free / 1e9:,.0f} GB are free"
        )


def free_space(folder: Path) -> float:
    """Return the bytes that are free on the disk of a folder that may be made yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def room(run: Run, free: Callable[[Path], float] | None = None) -> Room:
    """Return the room that a run needs from layers to maps.

    Factors and maps wait in tiles until all are there; then a file is written, and a map's file
    once more with its overviews.

    Parameters
    ----------
    run : Run
        The study in its folder.
    free : callable, optional
        Returns the bytes that are free on the disk of a folder; default: the system's answer.
    """
    rows, cols = grids.shape_of(run.grid())
    layer = float(BYTES * rows * cols)
    count, asked = len(run.codes), run.study.map
    names = asked.models or run.study.models.use
    # A model has a map and its classes, an ensemble two maps.
    maps = len(names) * 1.25 + asked.applicability
    maps += 2 * len(asked.spread or names) if asked.members else 0
    waiting = count * layer if count * layer > IN_MEMORY else 0.0
    factors, packed = PACKED * count * layer, PACKED * OVERVIEWS * layer
    mapping = factors + maps * packed + (2 if asked.members else 1) * layer + layer
    taken = sum(p.stat().st_size for p in run.out.rglob("*") if p.is_file())
    needed = max(factors + waiting, mapping) - taken
    return Room(run.out, max(needed, 0.0), (free or free_space)(run.out))


def report_room(run: Run) -> None:
    """Report the room that a large run needs, and warn where less is free."""
    found = room(run)
    if found.is_large and found.is_short:
        run.reporter.warn(f"disk: {found.line}; make room before it runs out")
    elif found.is_large:
        run.reporter.say(f"disk: {found.line}")
