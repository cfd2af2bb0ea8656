"""Encoding of raw factors as model inputs, fitted on training rows only.

Categories become frequency ratios, angles stay as they are or become sine and cosine (of the
doubled angle where only the line matters), and everything is scaled to [0, 1]. The encoder is
fitted on the training rows of one fold and stored with the model, so that sampling, testing and
mapping cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError

Float = NDArray[np.float32]
Angles = Literal["raw", "sincos"]

KINDS = ("continuous", "circular", "axial", "categorical")

FLAT = -1.0
"""Aspect of flat ground."""
CLIP = (0.5, 99.5)
"""Percentiles of the training rows that become 0 and 1; values beyond are clipped."""


class ColumnRecord(TypedDict):
    """A `Column` as JSON has it: classes are numbered in text."""

    code: str
    kind: str
    low: float
    high: float
    ratios: dict[str, float] | None


class EncoderRecord(TypedDict):
    """An `Encoder` as JSON has it."""

    angles: Angles
    identity: NotRequired[bool]
    columns: list[ColumnRecord]


@dataclass(frozen=True)
class Column:
    """How one factor is encoded.

    Attributes
    ----------
    code, kind : str
        The factor.
    low, high : float
        What becomes 0 and 1 (not used for sine and cosine).
    ratios : mapping of int to float
        Frequency ratio per class of a categorical factor; any other class counts 1.
    """

    code: str
    kind: str
    low: float = 0.0
    high: float = 1.0
    ratios: Mapping[int, float] | None = None


@dataclass(frozen=True)
class Encoder:
    """Encodes raw factors (rows, factors) as features (rows, features) in [0, 1].

    Attributes
    ----------
    columns : tuple of Column
        One per factor.
    angles : {"raw", "sincos"}
        How angles are encoded.
    identity : bool
        The features are the raw factors as they are, for models of physical quantities.
    """

    columns: tuple[Column, ...]
    angles: Angles
    identity: bool = False

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        if self.identity:
            return [c.code for c in self.columns]
        names: list[str] = []
        for c in self.columns:
            names += [f"{c.code} sin", f"{c.code} cos"] if self._as_circle(c) else [c.code]
        return names

    @property
    def feature_codes(self) -> list[str]:
        """Code of the factor that each feature is made of, in order."""
        sides = [2 if not self.identity and self._as_circle(c) else 1 for c in self.columns]
        return [c.code for c, n in zip(self.columns, sides, strict=True) for _ in range(n)]

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
        array, (rows, features) float32, C-contiguous, in [0, 1] unless `identity`
        """
        if self.identity:
            return np.array(raw, np.float32, order="C", copy=True)
        out = np.empty((raw.shape[0], len(self.features)), np.float32)
        at = 0
        for i, column in enumerate(self.columns):
            # A contiguous copy: vector and scalar code of the same function may differ in the
            # last bit, and which is used depends on the memory layout.
            values = np.ascontiguousarray(raw[:, i])
            if self._as_circle(column):
                out[:, at], out[:, at + 1] = _circle(values, 2 if column.kind == "axial" else 1)
                at += 2
                continue
            known = values if column.ratios is None else _ratios(values, column.ratios)
            out[:, at] = _scale(known, column.low, column.high)
            at += 1
        return out

    def to_dict(self) -> EncoderRecord:
        """Return plain values for JSON; floats keep all their digits."""
        return {
            "angles": self.angles,
            "identity": self.identity,
            "columns": [
                {
                    "code": c.code,
                    "kind": c.kind,
                    "low": c.low,
                    "high": c.high,
                    "ratios": None
                    if c.ratios is None
                    else {str(k): v for k, v in sorted(c.ratios.items())},
                }
                for c in self.columns
            ],
        }

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
            return cls(tuple(_column(c) for c in values["columns"]), angles, identity)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the model's encoder is damaged: {error!r}") from error


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
    return Column(str(values["code"]), kind, low, high, ratios)


def _circle(degrees: Float, fold: int) -> tuple[Float, Float]:
    """Return (1 + sin)/2 and (1 + cos)/2; flat ground has no direction: the middle of both."""
    radians = np.deg2rad(degrees.astype(np.float64) * fold)
    sin, cos = np.sin(radians), np.cos(radians)
    flat = degrees == FLAT
    sin[flat] = cos[flat] = 0.0
    return ((sin + 1) / 2).astype(np.float32), ((cos + 1) / 2).astype(np.float32)


def _scale(values: NDArray[Any], low: float, high: float) -> Float:
    # A factor that does not vary tells nothing: all rows are alike.
    if high <= low:
        return np.zeros(len(values), np.float32)
    scaled = (values.astype(np.float64) - low) / (high - low)
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


def _ratios(codes: Float, ratios: Mapping[int, float]) -> NDArray[np.float64]:
    known = np.array(sorted(ratios), dtype=np.int64)
    values = np.array([ratios[int(k)] for k in known])
    whole = codes.astype(np.int64)
    if len(known) == 0:
        return np.ones(len(codes))
    # Beyond the last known class the search names a place that is none.
    at = np.clip(np.searchsorted(known, whole), 0, len(known) - 1)
    # 1 is the average: nothing is known of the class.
    return np.where(known[at] == whole, values[at], 1.0)


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
    identity: bool = False,
    shrink: float = 0.0,
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
    identity : bool
        Leave the factors as they are; what was learnt of their ranges is kept all the same.
    shrink : float
        As for `frequency_ratios`.
    """
    columns = []
    for i, (code, kind) in enumerate(factors):
        values = raw[:, i].astype(np.float64)
        ratios = None
        if kind == "categorical":
            positive = values[np.asarray(label) == 1].astype(np.int64)
            ratios = frequency_ratios(positive, areas[code], shrink)
            values = _ratios(raw[:, i], ratios)
            low, high = float(values.min()), float(values.max())
        else:
            low, high = (float(v) for v in np.percentile(values, CLIP))
        columns.append(Column(code, kind, low, high, ratios))
    return Encoder(tuple(columns), angles, identity)
