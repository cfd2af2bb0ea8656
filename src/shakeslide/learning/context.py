"""Votes of the training rows: what lies near a cell, as further inputs of a model.

Near is what is like the cell in its factors, or what lies around it on the ground. A vote is the
logarithm of the kernel-weighted number of positive training rows over that of negative ones, near 0
where there are none. No training row votes for itself: neither its own label nor the rows near it
in place, up to a distance, enter what is learnt from it. Where it is to be learnt how much votes
are worth on new ground as well, each training row enters once per distance.

What is like a cell is found without labels: numbers become normal scores, angles sine and cosine,
and of these the combinations count that change least from a training row to its neighbour
(`slow_axes`). Classes are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.evaluation.event_rows import rows_by_event
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import slow_axes
from shakeslide.learning.recipe import ContextKind
from shakeslide.learning.vote_spaces import APART, Poll, Space, SpaceRecord, counted
from shakeslide.learning.votes import Apart, Electorate
from shakeslide.models.base import ArrayReader
from shakeslide.sampling import encoding
from shakeslide.sampling.encoding import Encoder, EncoderRecord
from shakeslide.sampling.sample_table import Samples

Float = NDArray[np.float32]
Rows = NDArray[np.int64]
AXIS_WIDTHS = (1.0, 4.0, 16.0)
"""Bandwidths along the slow axes, in units of the usual change from a row to its neighbour."""
WIDE_AXIS_WIDTHS = (64.0,)
"""The widest of them, which ask but `WIDE_ROWS` rows."""
CELLS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Bandwidths on the ground, in cells."""
WIDE_CELLS = (32.0, 64.0)
"""The widest of them, which ask but `WIDE_ROWS` rows."""
WIDE_ROWS = 2048
"""Rows that the widest bandwidths ask, drawn at random: enough for a smooth field."""
SAME = 0.25
"""Cells within which two rows are the same cell."""
FILE = "context.safetensors"
"""Name of its arrays' file in a model's folder."""


class FactorRecord(TypedDict):
    """`FactorVotes` as JSON has it, without arrays."""

    encoder: EncoderRecord
    kinds: list[str]
    spaces: list[SpaceRecord]


class PlaceRecord(TypedDict):
    """`PlaceVotes` as JSON has it, without arrays."""

    spaces: list[SpaceRecord]


class ContextRecord(TypedDict):
    """A `Context` as JSON has it, without arrays."""

    factors: NotRequired[FactorRecord]
    place: NotRequired[PlaceRecord]


@dataclass(frozen=True)
class FactorVotes:
    """Votes of training rows that are like a cell in their factors.

    Attributes
    ----------
    encoder : Encoder
        Of the factors that are numbers.
    kinds : tuple of str
        Kind of each factor.
    axes : ndarray of float32, shape (numbers, axes)
        Slow axes of the encoded numbers, see `slow_axes`.
    spaces : tuple of Space
        Where votes are counted, along these axes.
    rows : ndarray of float32, shape (m, axes)
        The training rows along the axes, in random order.
    label : ndarray of int64, shape (m,)
        0 or 1.
    weight : ndarray of float32, shape (m,)
        How often each row was drawn.
    place : ndarray of float64, shape (m, 3)
        Where they lie, in cells, and their earthquake; not stored.
    """

    encoder: Encoder
    kinds: tuple[str, ...]
    axes: Float
    spaces: tuple[Space, ...]
    rows: Float
    label: NDArray[np.int64]
    weight: Float
    place: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Number of inputs that it gives."""
        return sum(space.width for space in self.spaces)

    def inputs(self, raw: Float, apart: Apart | None = None) -> Float:
        """Return the votes for rows of raw factors.

        Parameters
        ----------
        raw : ndarray of float32, shape (n, factors)
            Finite.
        apart : Apart, optional
            Training rows that do not vote.

        Returns
        -------
        ndarray of float32, shape (n, width)
        """
        numbers = self.encoder.transform(_numbers(raw, self.kinds))
        return counted(self._polls, slow_axes.along(self.axes, numbers), apart)

    @cached_property
    def _polls(self) -> list[Poll]:
        whole = Electorate(self.rows, self.label, self.weight, self.place)
        return [Poll.of(space, whole) for space in self.spaces]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are stored, any shape."""
        return {k: getattr(self, k) for k in ("axes", "rows", "label", "weight")}

    def to_dict(self) -> FactorRecord:
        """Return plain values for JSON, without the arrays."""
        return {
            "encoder": self.encoder.to_dict(),
            "kinds": list(self.kinds),
            "spaces": [s.to_dict() for s in self.spaces],
        }

    @classmethod
    def restored(cls, record: FactorRecord, reader: ArrayReader) -> FactorVotes:
        """Return the votes of plain values and arrays; wrong ones are an `InputError`."""
        encoder, kinds = Encoder.from_dict(record["encoder"]), tuple(map(str, record["kinds"]))
        if [c.kind for c in encoder.columns] != [k for k in kinds if k != "categorical"]:
            raise InputError("the model's context is inconsistent: its encoder has other factors")
        axes = reader.take("axes", np.float32, (len(encoder.features), None))
        label = reader.take("label", np.int64, (None,), low=0, high=1)
        m = len(label)
        return cls(
            encoder=encoder,
            kinds=kinds,
            axes=axes,
            spaces=tuple(map(Space.from_dict, record["spaces"])),
            rows=reader.take("rows", np.float32, (m, axes.shape[1])),
            label=label,
            weight=reader.take("weight", np.float32, (m,), low=0),
            place=np.empty((0, 3)),
        )


def _numbers(raw: Float, kinds: Sequence[str]) -> Float:
    """Return the columns of raw factors that are no classes, (n, numbers)."""
    return raw[:, [k != "categorical" for k in kinds]]


@dataclass(frozen=True)
class Frames:
    """Where coordinates of each earthquake begin, and the sides of its cells.

    Attributes
    ----------
    event : ndarray of int64, shape (events,)
        The earthquakes, rising.
    frame : ndarray of float64, shape (events, 4)
        x and y of the corner, and both sides, in metres.
    """

    event: NDArray[np.int64]
    frame: NDArray[np.float64]

    @classmethod
    def of(cls, samples: Samples) -> Frames:
        """Return the frames of samples."""
        events = np.unique(samples.event)
        frame = np.empty((len(events), 4))
        for k, rows in enumerate(rows_by_event(samples.event, len(samples.table))):
            # Columns run along x, rows along y.
            for axis, count in enumerate(samples.cells[::-1]):
                place = samples.places[axis][rows]
                span = np.ptp(count[rows])
                # Of rows in one line the side is not known, nor needed.
                side = float(np.ptp(place) / span) if span else 1.0
                frame[k, axis], frame[k, 2 + axis] = place.min(), side or 1.0
        return cls(events, frame)

    def cells(
        self, x: NDArray[np.float64], y: NDArray[np.float64], event: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return where points lie, in cells of their earthquake's grid, and the earthquake.

        Parameters
        ----------
        x, y : ndarray of float64, shape (n,)
            In metres.
        event : ndarray of int64, shape (n,)
            One that is not known has places of its own, far from all others.

        Returns
        -------
        ndarray of float64, shape (n, 3)
        """
        at = np.clip(np.searchsorted(self.event, event), 0, len(self.event) - 1)
        frame, known = self.frame[at], self.event[at] == event
        placed = np.column_stack([(x - frame[:, 0]) / frame[:, 2], (y - frame[:, 1]) / frame[:, 3]])
        placed[~known] = 0.0
        return np.column_stack([placed, np.where(known, at, len(self.event)).astype(np.float64)])


GROUND = (Space(CELLS), Space(WIDE_CELLS, WIDE_ROWS, nearest=False))
"""Votes that are counted on the ground."""
ALIKE = (Space(AXIS_WIDTHS), Space(WIDE_AXIS_WIDTHS, WIDE_ROWS, nearest=False))
"""Votes that are counted along the slow axes of the factors."""


@dataclass(frozen=True)
class PlaceVotes:
    """Votes of training rows that lie around a cell on the ground of the same earthquake.

    Attributes
    ----------
    spaces : tuple of Space
        Where votes are counted: x, y and the earthquake, in cells.
    frames : Frames
        Of the earthquakes.
    place : ndarray of float64, shape (m, 3)
        Where the training rows lie, in cells, and their earthquake.
    label : ndarray of int64, shape (m,)
        0 or 1.
    weight : ndarray of float32, shape (m,)
        How often each row was drawn.
    """

    spaces: tuple[Space, ...]
    frames: Frames
    place: NDArray[np.float64]
    label: NDArray[np.int64]
    weight: Float

    @property
    def width(self) -> int:
        """Number of inputs that it gives."""
        return sum(space.width for space in self.spaces)

    def inputs(self, place: NDArray[np.float64], radius: float = 0.0) -> Float:
        """Return the votes for places, of which the training row in a place's own cell has none.

        Parameters
        ----------
        place : ndarray of float64, shape (n, 3)
            As `Frames.cells` returns them.
        radius : float
            Training rows no farther than that do not vote either, in cells.

        Returns
        -------
        ndarray of float32, shape (n, width)
        """
        return counted(self._polls, _spread_out(place), Apart(place, max(radius, SAME)))

    @cached_property
    def _polls(self) -> list[Poll]:
        whole = Electorate(_spread_out(self.place), self.label, self.weight, self.place)
        return [Poll.of(space, whole) for space in self.spaces]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are stored, any shape."""
        own = {k: getattr(self, k) for k in ("place", "label", "weight")}
        return {**own, "event": self.frames.event, "frame": self.frames.frame}

    def to_dict(self) -> PlaceRecord:
        """Return plain values for JSON, without the arrays."""
        return {"spaces": [s.to_dict() for s in self.spaces]}

    @classmethod
    def restored(cls, record: PlaceRecord, reader: ArrayReader) -> PlaceVotes:
        """Return the votes of plain values and arrays; wrong ones are an `InputError`."""
        if set(record) != set(PlaceRecord.__annotations__):
            raise ValueError("the place of the context has other keys")
        event = reader.take("event", np.int64, (None,))
        frame = reader.take("frame", np.float64, (len(event), 4))
        if (np.diff(event) <= 0).any() or (frame[:, 2:] <= 0).any():
            raise reader.error("frame", "has no sides, or events that do not rise")
        label = reader.take("label", np.int64, (None,), low=0, high=1)
        m = len(label)
        return cls(
            tuple(map(Space.from_dict, record["spaces"])),
            Frames(event, frame),
            reader.take("place", np.float64, (m, 3)),
            label,
            reader.take("weight", np.float32, (m,), low=0),
        )


def _spread_out(place: NDArray[np.float64]) -> Float:
    """Return places with earthquakes beyond the reach of each other's votes, (n, 3)."""
    return (place * [1.0, 1.0, APART]).astype(np.float32)


@dataclass(frozen=True)
class Context:
    """What is known of a cell beside its own factors.

    Attributes
    ----------
    factors : FactorVotes, optional
        Votes of training rows with like factors.
    place : PlaceVotes, optional
        Votes of training rows on the ground around.
    """

    factors: FactorVotes | None = None
    place: PlaceVotes | None = None

    @property
    def width(self) -> int:
        """Number of inputs that it gives."""
        return (self.factors.width if self.factors else 0) + self.width_of_places

    @property
    def width_of_places(self) -> int:
        """Number of inputs that follow from the place, not from the factors."""
        return self.place.width if self.place else 0

    def of_places(
        self, x: NDArray[np.float64], y: NDArray[np.float64], event: NDArray[np.int64]
    ) -> Float:
        """Return the inputs that follow from the place of a cell.

        Parameters
        ----------
        x, y : ndarray of float64, shape (n,)
            In metres.
        event : ndarray of int64, shape (n,)
            Earthquake of each cell, 0 of the study's own.

        Returns
        -------
        ndarray of float32, shape (n, width_of_places)
        """
        if self.place is None:
            return np.empty((len(x), 0), np.float32)
        return self.place.inputs(self.place.frames.cells(x, y, event))

    def fits(self, factors: Sequence[FactorInfo]) -> bool:
        """Tell whether it was fitted on these factors."""
        if self.factors is None:
            return True
        numbers = [f.code for f in factors if f.kind != "categorical"]
        kinds = tuple(f.kind for f in factors)
        return self.factors.kinds == kinds and numbers == [
            c.code for c in self.factors.encoder.columns
        ]

    def of_factors(self, raw: Float) -> Float:
        """Return the inputs that follow from the factors of rows that are no training rows.

        Parameters
        ----------
        raw : ndarray of float32, shape (n, factors)
            Finite.

        Returns
        -------
        ndarray of float32, shape (n, width - width_of_places)
        """
        if self.factors is None:
            return np.empty((len(raw), 0), np.float32)
        return self.factors.inputs(raw)

    def to_dict(self) -> ContextRecord:
        """Return plain values for JSON, without the arrays."""
        record: ContextRecord = {}
        if self.factors:
            record["factors"] = self.factors.to_dict()
        if self.place:
            record["place"] = self.place.to_dict()
        return record

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are stored, any shape."""
        out: dict[str, NDArray[Any]] = {}
        if self.factors:
            out |= {f"factors.{k}": v for k, v in self.factors.arrays().items()}
        if self.place:
            out |= {f"place.{k}": v for k, v in self.place.arrays().items()}
        return out


def restored(record: ContextRecord, arrays: Mapping[str, NDArray[Any]]) -> Context:
    """Return the context of plain values and arrays, any shape.

    Raises
    ------
    InputError, ValueError, KeyError, TypeError
        Wrong ones.
    """
    reader, factors, place = ArrayReader("context", arrays), None, None
    if set(record) - set(ContextRecord.__annotations__):
        raise ValueError("unknown keys of the context")
    if "factors" in record:
        factors = FactorVotes.restored(record["factors"], reader.part("factors."))
    if "place" in record:
        place = PlaceVotes.restored(record["place"], reader.part("place."))
    reader.finish()
    return Context(factors, place)


def cells(samples: Samples, frames: Frames) -> NDArray[np.float64]:
    """Return where samples lie, (samples, 3), as `Frames.cells` does."""
    return frames.cells(*samples.places, samples.event)


def fit(asked: Sequence[ContextKind], samples: Samples, rows: Rows, seed: int) -> Context:
    """Fit a context on training rows.

    Parameters
    ----------
    asked : sequence of {"factors", "place"}
        What is wanted.
    samples : Samples
        All samples.
    rows : ndarray of int64, shape (n,)
        Numbers of the training rows; a number may be there several times.
    seed : int
        Of the fit.
    """
    number, times = np.unique(rows, return_counts=True)
    order = np.random.default_rng(np.random.SeedSequence([seed, 97])).permutation(len(number))
    number, weight = number[order], times[order].astype(np.float32)
    frames = Frames.of(samples)
    place = cells(samples, frames)[number]
    return Context(
        _factor_votes(samples, number, weight, place) if "factors" in asked else None,
        PlaceVotes(GROUND, frames, place, samples.label[number], weight)
        if "place" in asked
        else None,
    )


def _factor_votes(
    samples: Samples, number: Rows, weight: Float, place: NDArray[np.float64]
) -> FactorVotes:
    kinds = tuple(f.kind for f in samples.factors)
    raw, label = _numbers(samples.raw[number], kinds), samples.label[number]
    factors = [(f.code, f.kind) for f in samples.factors if f.kind != "categorical"]
    encoder = encoding.fit(raw, label, factors, {}, angles="sincos", scaling="normal")
    encoded = encoder.transform(raw)
    axes = slow_axes.fit(encoded, place)
    rows = slow_axes.along(axes, encoded)
    return FactorVotes(
        encoder=encoder, kinds=kinds, axes=axes, spaces=ALIKE, rows=rows, label=label,
        weight=weight, place=place,
    )  # fmt: skip


def training_inputs(
    known: Context, samples: Samples, rows: Rows, exclusion: Sequence[float]
) -> Float:
    """Return the further inputs of the training rows, each without its own vote.

    Parameters
    ----------
    known : Context
        Fitted on these rows.
    samples : Samples
        All samples.
    rows : ndarray of int64, shape (n,)
        Numbers of the training rows.
    exclusion : sequence of float
        Distances in cells: training rows no farther than that do not vote either.

    Returns
    -------
    ndarray of float32, shape (distances * n, width)
        The rows once for each distance, one distance after the other.
    """
    raw, place = samples.raw[rows], cells(samples, Frames.of(samples))[rows]
    parts = []
    for radius in exclusion:
        columns = [np.empty((len(rows), 0), np.float32)]
        if known.factors:
            columns.append(known.factors.inputs(raw, Apart(place, max(radius, SAME))))
        if known.place:
            columns.append(known.place.inputs(place, radius))
        parts.append(np.concatenate(columns, axis=1))
    return np.concatenate(parts)
