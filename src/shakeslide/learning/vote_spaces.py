"""What is counted among the training rows around a cell, and what a model is given of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from shakeslide.learning.votes import Apart, Electorate, Tally

Float = NDArray[np.float32]

PRIOR = 0.1
"""Weight that is added to both kinds: votes fade to 0 where there are no training rows."""
OFFSET = 0.02
"""Added to the distances to the nearest training rows, whose logarithm is taken."""
APART = 1e6
"""Cells between the grounds of two earthquakes: beyond the reach of every vote."""


class SpaceRecord(TypedDict):
    """A `Space` as JSON has it."""

    bandwidths: list[float]
    most: int | None
    nearest: bool


@dataclass(frozen=True)
class Space:
    """Bandwidths of votes, and which training rows vote.

    Attributes
    ----------
    bandwidths : tuple of float
        Rising.
    most : int or None
        So many of the training rows vote; None: all.
    nearest : bool
        Whether the distance to the nearest of either kind is an input too.
    """

    bandwidths: tuple[float, ...]
    most: int | None = None
    nearest: bool = True

    @property
    def width(self) -> int:
        """Number of inputs that it gives."""
        return len(self.bandwidths) + 2 * self.nearest

    def to_dict(self) -> SpaceRecord:
        """Return plain values for JSON."""
        return {"bandwidths": list(self.bandwidths), "most": self.most, "nearest": self.nearest}

    @classmethod
    def from_dict(cls, values: SpaceRecord) -> Space:
        """Return the space of plain values; wrong ones are a `ValueError`."""
        if set(values) != set(SpaceRecord.__annotations__):
            raise ValueError("a space of the context has other keys")
        widths = tuple(map(float, values["bandwidths"]))
        if not widths or not all(np.diff([0.0, *widths, APART / 100]) > 0):
            raise ValueError("bandwidths of the context do not rise")
        most = values["most"]
        if most is not None and not 0 < int(most) < 2**40:
            raise ValueError(f"most = {most!r} of the context")
        if not isinstance(values["nearest"], bool):
            raise ValueError("nearest of the context is neither true nor false")
        return cls(widths, most, values["nearest"])

    def inputs(self, told: Tally) -> Float:
        """Return the inputs of what was found around rows, (rows, width)."""
        logs = np.log(told.sums + PRIOR)
        columns = [logs[:, :, 1] - logs[:, :, 0]]
        if self.nearest:
            columns.append(np.log(told.nearest + OFFSET))
        return np.concatenate(columns, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Poll:
    """The training rows that vote in a space."""

    space: Space
    electorate: Electorate

    @classmethod
    def of(cls, space: Space, whole: Electorate) -> Poll:
        """Return those of all training rows that vote in a space."""
        some = slice(space.most)
        voters = whole.label[some], whole.weight[some], whole.place[some]
        return cls(space, Electorate(whole.rows[some], *voters))


def counted(polls: Sequence[Poll], rows: Float, apart: Apart | None) -> Float:
    """Return the inputs of rows, (n, inputs), from all polls."""
    parts = [np.empty((len(rows), 0), np.float32)]
    for poll in polls:
        told = poll.electorate.tally(rows, poll.space.bandwidths, apart)
        parts.append(poll.space.inputs(told))
    return np.concatenate(parts, axis=1)
