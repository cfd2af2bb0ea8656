"""Encoding of raw factors as model inputs, fitted on training rows only.

Categories become frequency ratios, angles stay as they are or become sine and cosine (of the
doubled angle where only the line matters), and everything is scaled to [0, 1]. Or, with the scaling
"normal", numbers become normal scores and classes logarithms of frequency ratios. The encoder is
fitted on the training rows of one fold and stored with the model, so that sampling, testing and
mapping cannot differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
import scipy
from numpy.typing import NDArray

from shakeslide.core.errors import InputError

Float = NDArray[np.float32]
Angles = Literal["raw", "sincos"]
Scaling = Literal["percentile", "normal"]

KINDS = ("continuous", "circular", "axial", "categorical")

FLAT = -1.0
"""Aspect of flat ground."""
CLIP = (0.5, 99.5)
"""Percentiles of the training rows that become 0 and 1; values beyond are clipped."""
SCORES = np.linspace(-3.0, 3.0, 61)
"""Normal scores whose quantiles are kept; between them values are interpolated, beyond clipped."""
PRIOR_CELLS = 10.0
"""Landslide cells without news of their class that logarithms of ratios count beside the others: a
class without landslides has a finite one, and a small class one near 0."""
FARTHEST_CLASS = 5.0
"""Most standard deviations that a class lies from the mean with the scaling "normal". A small class
with hardly a landslide lies far beyond those of numbers, which end at 3: a network would give one
class more room than all numbers together."""


class ColumnRecord(TypedDict):
    """A `Column` as JSON has it: classes are numbered in text."""

    code: str
    kind: str
    low: float
    high: float
    ratios: dict[str, float] | None
    quantiles: NotRequired[list[float]]
    scores: NotRequired[list[float]]


class EncoderRecord(TypedDict):
    """An `Encoder` as JSON has it."""

    angles: Angles
    identity: NotRequired[bool]
    scaling: NotRequired[Scaling]
    columns: list[ColumnRecord]
    further: NotRequired[list[EncoderRecord]]


@dataclass(frozen=True)
class Column:
    """How one factor is encoded.

    Attributes
    ----------
    code, kind : str
        The factor.
    low, high : float
        What becomes 0 and 1 (not used for sine and cosine, nor where there are quantiles).
    ratios : mapping of int to float
        Frequency ratio per class of a categorical factor; any other class counts 1. With the
        scaling "normal" logarithms of ratios; any other class counts 0.
    quantiles, scores : tuple of float
        Rising values of the training rows and the normal score of each, for the scaling "normal".
    """

    code: str
    kind: str
    low: float = 0.0
    high: float = 1.0
    ratios: Mapping[int, float] | None = None
    quantiles: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """Encodes raw factors (rows, factors) as features (rows, features) in [0, 1], or about 0.

    Attributes
    ----------
    columns : tuple of Column
        One per factor.
    angles : {"raw", "sincos"}
        How angles are encoded.
    identity : bool
        The features are the raw factors as they are, for models of physical quantities; what was
        learnt of their ranges is kept all the same.
    scaling : {"percentile", "normal"}
        Between percentiles to [0, 1], or to mean 0 and variance 1: numbers as normal scores,
        classes as logarithms of frequency ratios, angles without a shift.
    further : tuple of Encoder
        Other encodings of the same factors, whose features follow: for models that are blended.
    """

    columns: tuple[Column, ...]
    angles: Angles
    identity: bool = False
    scaling: Scaling = "percentile"
    further: tuple[Encoder, ...] = ()

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        if self.identity:
            return [c.code for c in self.columns]
        names: list[str] = []
        for c in self.columns:
            names += [f"{c.code} sin", f"{c.code} cos"] if self._as_circle(c) else [c.code]
        return names + [name for other in self.further for name in other.features]

    @property
    def feature_codes(self) -> list[str]:
        """Code of the factor that each feature is made of, in order."""
        sides = [2 if not self.identity and self._as_circle(c) else 1 for c in self.columns]
        codes = [c.code for c, n in zip(self.columns, sides, strict=True) for _ in range(n)]
        return codes + [code for other in self.further for code in other.feature_codes]

    def _as_circle(self, column: Column) -> bool:
        return self.angles == "sincos" and column.kind in ("circular", "axial")

    def transform(self, raw: Float) -> Float:
        """Return the features of raw factors.

        Parameters
        ----------
        raw : array, (rows, factors) float32
            In the order of `columns`; no NaN.

        Returns
        -------
        array, (rows, features) float32, C-contiguous
            In [0, 1], unless `identity` or scaled otherwise.
        """
        if self.further:
            alone = [replace(self, further=()), *self.further]
            return np.concatenate([e.transform(raw) for e in alone], axis=1)
        if self.identity:
            return np.array(raw, np.float32, order="C", copy=True)
        out = np.empty((raw.shape[0], len(self.features)), np.float32)
        at = 0
        for i in range(len(self.columns)):
            # A contiguous copy: vector and scalar code of the same function may differ in the
            # last bit, and which is used depends on the memory layout.
            for feature in self._encoded(i, np.ascontiguousarray(raw[:, i])):
                out[:, at] = feature
                at += 1
        return out

    def remembering(self, rows: int, together: int) -> Encoder:
        """Return an encoder that does not encode a column again that it has just encoded.

        For predictions of the same rows with a few columns changed: of many factors, to encode
        them takes longer than to predict. The features are the same, bit for bit.

        Parameters
        ----------
        rows : int
            Rows of which columns are changed.
        together : int
            Rows that are encoded together.
        """
        alone = tuple(other.remembering(rows, together) for other in self.further)
        # What has been changed in a column is kept beside the column as it was.
        most = 2 * len(self.columns) * -(-rows // together)
        if most * together > MOST_REMEMBERED:
            return self
        return _Remembering(
            self.columns, self.angles, self.identity, self.scaling, alone, most=most
        )

    def _encoded(self, i: int, values: Float) -> Sequence[NDArray[Any]]:
        """Return the features, (rows,) each, of a column of raw factors, (rows,)."""
        column = self.columns[i]
        if not self._as_circle(column):
            return [self._scaled(column, values)]
        both = _circle(values, 2 if column.kind == "axial" else 1)
        return both if self.scaling == "normal" else _shifted(*both)

    def _scaled(self, column: Column, values: Float) -> Float:
        """Encode a column that is no circle."""
        if column.quantiles:
            exact = values.astype(np.float64)
            return np.interp(exact, column.quantiles, column.scores).astype(np.float32)
        if self.scaling == "normal" and column.ratios is not None:
            logs = _ratios(values, column.ratios, other=0.0)
            span = column.high - column.low
            distance = (logs - column.low) / (span if span > 0 else 1.0)
            return np.clip(distance, -FARTHEST_CLASS, FARTHEST_CLASS).astype(np.float32)
        known = values if column.ratios is None else _ratios(values, column.ratios)
        return _scale(known, column.low, column.high)

    def to_dict(self) -> EncoderRecord:
        """Return plain values for JSON; floats keep all their digits."""
        record: EncoderRecord = {
            "angles": self.angles,
            "identity": self.identity,
            "columns": [_record(c) for c in self.columns],
        }
        if self.scaling != "percentile":
            record["scaling"] = self.scaling
        if self.further:
            record["further"] = [other.to_dict() for other in self.further]
        return record

    @classmethod
    def from_dict(cls, values: EncoderRecord) -> Encoder:
        """Return the encoder of plain values; wrong ones are an `InputError`."""
        try:
            angles = values["angles"]
            if angles not in ("raw", "sincos"):
                raise ValueError(f"angles = {angles!r}")
            identity = values.get("identity", False)
            if not isinstance(identity, bool):
                raise ValueError(f"identity = {identity!r}")
            scaling = values.get("scaling", "percentile")
            if scaling not in ("percentile", "normal"):
                raise ValueError(f"scaling = {scaling!r}")
            columns = tuple(_column(c) for c in values["columns"])
            further = tuple(cls.from_dict(other) for other in values.get("further", ()))
            if any([c.code for c in f.columns] != [c.code for c in columns] for f in further):
                raise ValueError("further encodings are of other factors")
            return cls(columns, angles, identity, scaling, further)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the model's encoder is damaged: {error!r}") from error


MOST_REMEMBERED = 50_000_000
"""Values of all columns that are remembered at most: half a gigabyte with their features."""


@dataclass(frozen=True)
class _Remembering(Encoder):
    """An encoder that remembers the columns that it has encoded last, `most` of them."""

    memory: OrderedDict[tuple[int, bytes], Sequence[NDArray[Any]]] = field(
        default_factory=OrderedDict, compare=False, repr=False
    )
    most: int = 0

    def _encoded(self, i: int, values: Float) -> Sequence[NDArray[Any]]:
        # By all of its values, so that nothing but the very same column is taken for it.
        key = (i, values.tobytes())
        if (known := self.memory.pop(key, None)) is None:
            known = super()._encoded(i, values)
        # The last one used is the last one to go.
        self.memory[key] = known
        if len(self.memory) > self.most:
            self.memory.popitem(last=False)
        return known


def _record(column: Column) -> ColumnRecord:
    """Return plain values of a column for JSON."""
    ratios = column.ratios
    record: ColumnRecord = {
        "code": column.code,
        "kind": column.kind,
        "low": column.low,
        "high": column.high,
        "ratios": None if ratios is None else {str(k): v for k, v in sorted(ratios.items())},
    }
    if column.quantiles:
        record["quantiles"], record["scores"] = list(column.quantiles), list(column.scores)
    return record


def _column(values: ColumnRecord) -> Column:
    low, high = float(values["low"]), float(values["high"])
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"limits of {values['code']} are not finite")
    if low > high:
        raise ValueError(f"limits of {values['code']} are in the wrong order: {low:g} to {high:g}")
    kind, given = str(values["kind"]), values["ratios"]
    if kind not in KINDS:
        raise ValueError(f"kind of {values['code']} = {kind!r}")
    if (given is None) == (kind == "categorical"):
        raise ValueError(f"ratios of {values['code']} don't fit its kind")
    ratios = None if given is None else {int(k): float(v) for k, v in given.items()}
    if not all(np.isfinite(v) and abs(k) < 2**31 for k, v in (ratios or {}).items()):
        raise ValueError(f"ratios of {values['code']} are not finite")
    quantiles = tuple(map(float, values.get("quantiles", ())))
    scores = tuple(map(float, values.get("scores", ())))
    if len(quantiles) != len(scores) or not np.isfinite([*quantiles, *scores]).all():
        raise ValueError(f"quantiles of {values['code']} are damaged")
    if any(np.diff(given).min(initial=1.0) <= 0 for given in (quantiles, scores)):
        raise ValueError(f"quantiles of {values['code']} do not rise")
    return Column(
        str(values["code"]), kind, low, high, ratios=ratios, quantiles=quantiles, scores=scores
    )


def _circle(degrees: Float, fold: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sine and cosine; flat ground has no direction: the middle of both."""
    radians = np.deg2rad(degrees.astype(np.float64) * fold)
    sin, cos = np.sin(radians), np.cos(radians)
    flat = degrees == FLAT
    sin[flat] = cos[flat] = 0.0
    return sin, cos


def _shifted(*sides: NDArray[np.float64]) -> list[Float]:
    """Return numbers from -1 to 1 as numbers from 0 to 1."""
    return [((side + 1) / 2).astype(np.float32) for side in sides]


def _scale(values: NDArray[Any], low: float, high: float) -> Float:
    # A factor that does not vary tells nothing: all rows are alike.
    if high <= low:
        return np.zeros(len(values), np.float32)
    scaled = (values.astype(np.float64) - low) / (high - low)
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


def _ratios(codes: Float, ratios: Mapping[int, float], other: float = 1.0) -> NDArray[np.float64]:
    known = np.array(sorted(ratios), dtype=np.int64)
    values = np.array([ratios[int(k)] for k in known])
    whole = codes.astype(np.int64)
    if len(known) == 0:
        return np.full(len(codes), other)
    # Beyond the last known class the search names a place that is none.
    at = np.clip(np.searchsorted(known, whole), 0, len(known) - 1)
    # `other` is the average: nothing is known of the class.
    return np.where(known[at] == whole, values[at], other)


def frequency_ratios(
    codes: NDArray[np.int64], areas: Mapping[int, float], shrink: float = 0.0
) -> dict[int, float]:
    """Return (L_i / L) / (A_i / A) per class (eq. 17 of the paper).

    Parameters
    ----------
    codes : array, (positives,) int
        Class of each landslide cell of the training rows.
    areas : mapping of int to float
        Cells per class among all valid cells of the training region.
    shrink : float
        Landslide cells that are added to those found and to those expected in each class: the
        ratio of a rare class then lies near 1.

    Returns
    -------
    dict of int to float
        A class without landslides has 0. A class that is not in `areas` is not in the result and
        counts as 1 when encoded.
    """
    total = float(sum(areas.values()))
    if total <= 0 or len(codes) == 0:
        return {}
    found, counts = np.unique(codes, return_counts=True)
    landslides = dict(zip(found.tolist(), counts.tolist(), strict=True))
    if shrink > 0:
        return {
            int(code): (landslides.get(code, 0) + shrink) / (len(codes) * area / total + shrink)
            for code, area in areas.items()
            if area > 0
        }
    return {
        int(code): (landslides.get(code, 0) / len(codes)) / (area / total)
        for code, area in areas.items()
        if area > 0
    }


def fit(
    raw: Float,
    label: NDArray[Any],
    factors: Sequence[tuple[str, str]],
    areas: Mapping[str, Mapping[int, float]],
    angles: Angles = "raw",
    shrink: float = 0.0,
    scaling: Scaling = "percentile",
) -> Encoder:
    """Fit an encoder on training rows.

    Parameters
    ----------
    raw : array, (rows, factors) float32
        Raw factors of the training rows.
    label : array, (rows,)
        1 in a source, 0 clear.
    factors : sequence of (code, kind)
        The factors, in the order of the columns.
    areas : mapping
        Per categorical factor, cells per class in the training region.
    angles : {"raw", "sincos"}
        How circular and axial factors are encoded.
    shrink : float
        As for `frequency_ratios`.
    scaling : {"percentile", "normal"}
        How numbers and classes are scaled.
    """
    columns = []
    for i, (code, kind) in enumerate(factors):
        values = raw[:, i].astype(np.float64)
        if kind == "categorical":
            positive = values[np.asarray(label) == 1].astype(np.int64)
            ratios = frequency_ratios(positive, areas[code], shrink)
            if scaling == "normal":
                ratios = log_ratios(ratios, len(positive))
            columns.append(_classes(code, raw[:, i], ratios, scaling))
            continue
        low, high = (float(v) for v in np.percentile(values, CLIP))
        known = normal_scores(values) if scaling == "normal" else ((), ())
        columns.append(Column(code, kind, low, high, None, *known))
    return Encoder(tuple(columns), angles, scaling=scaling)


def _classes(code: str, codes: Float, ratios: Mapping[int, float], scaling: Scaling) -> Column:
    """Fit the column of a categorical factor to the ratios of its classes, or their logarithms."""
    if scaling == "percentile":
        values = _ratios(codes, ratios)
        return Column(code, "categorical", float(values.min()), float(values.max()), ratios)
    values = _ratios(codes, ratios, other=0.0)
    mean, spread = float(values.mean()), float(values.std())
    return Column(code, "categorical", mean, mean + spread, ratios)


def log_ratios(ratios: Mapping[int, float], positives: int) -> dict[int, float]:
    """Return the logarithm of each class's frequency ratio, finite where it is 0.

    `PRIOR_CELLS` landslide cells are added that lie in the classes by their areas.

    Parameters
    ----------
    ratios : mapping of int to float
        As `frequency_ratios` returns them.
    positives : int
        Landslide cells of the training rows.
    """
    cells = positives + PRIOR_CELLS
    return {c: float(np.log((positives * r + PRIOR_CELLS) / cells)) for c, r in ratios.items()}


def normal_scores(
    values: NDArray[np.float64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return rising quantiles of some values and the normal score of each.

    A value that holds for many rows has several scores; it gets that of the middle of their ranks.

    Parameters
    ----------
    values : array, (rows,) float64
        Of the training rows.
    """
    unique, first = np.unique(np.quantile(values, scipy.special.ndtr(SCORES)), return_index=True)
    last = np.append(first[1:], len(SCORES)) - 1
    # The middle of ranks: that of scores would lie far out where the value is the least.
    middle = scipy.special.ndtri(
        (scipy.special.ndtr(SCORES[first]) + scipy.special.ndtr(SCORES[last])) / 2
    )
    scores = np.where(first == last, SCORES[first], middle)
    return tuple(unique.tolist()), tuple(scores.tolist())
