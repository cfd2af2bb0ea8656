"""A bundle for new earthquakes as a folder: models, how they blend, what they were learnt from.

Plain arrays and JSON; reading one executes nothing, and everything in it is checked.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.evaluation import applicability
from shakeslide.evaluation.applicability import Applicability
from shakeslide.factors.stack import FactorInfo
from shakeslide.hazard.strong_shaking import STRONG
from shakeslide.learning import bundle
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.several import members
from shakeslide.learning.several.common_factors import SLOPE
from shakeslide.learning.several.held_out import Score
from shakeslide.learning.several.joined_ground import STEEP
from shakeslide.models import storage
from shakeslide.sampling.encoding import Encoder

Float = NDArray[np.float32]

FILE = "bundle.json"
ROWS = "rows.safetensors"
MEMBERS = "members"
NAME = "learnt"
"""What its maps are called."""
MOST_ROWS = 2_000
"""Training rows that are kept, with which a new earthquake's ground is compared."""
LARGEST = 2**24
"""Bytes of the largest file of a bundle, but for its members', that is read."""
MOST_SD = 10.0
"""Standard deviation of the event term beyond which a total is known to no factor of 20,000."""
MOST_LOG_ODDS = 60.0
"""Levels of log-odds between which `learn` looks for those of the earthquakes."""
MOST_COEFFICIENT = 50.0
"""Coefficient of a member beyond which its least errors decide all."""
OTHER_CLASS = -1
"""Code of a class that no past earthquake has: its frequency ratio is 1."""

MemberName = Literal["few", "monotone", "rf", "hgb", "sae"]
LogOdds = Annotated[float, Field(ge=-MOST_LOG_ODDS, le=MOST_LOG_ODDS, allow_inf_nan=False)]


@dataclass(frozen=True)
class MemberRecord:
    """A member: its coefficient on the log-odds, and its share in the blend."""

    name: MemberName
    coefficient: Annotated[float, Field(ge=0, le=MOST_COEFFICIENT, allow_inf_nan=False)]
    share: Annotated[float, Field(ge=0, le=1 + 1e-9, allow_inf_nan=False)]


@dataclass(frozen=True)
class EventRecord:
    """A past earthquake.

    Attributes
    ----------
    name : str
        Of its run.
    source_cells : int
        Mapped source cells.
    prevalence : float
        Their share of the mapped area.
    median_slope : float
        Of the ground in degrees.
    level : float or None
        Level of the blend at which, held out, its expected area is the mapped one; None where its
        landslides were mapped as points.
    """

    name: str
    source_cells: Annotated[int, Field(ge=0)]
    prevalence: Annotated[float, Field(gt=0, lt=1)]
    median_slope: Annotated[float, Field(ge=0, le=90)]
    level: LogOdds | None


@dataclass(frozen=True)
class Contents(Document):
    """`bundle.json`.

    Attributes
    ----------
    shakeslide : str
        Version that wrote it.
    mark : str
        Fingerprint of all that it was made from.
    seed : int
        Of all random numbers.
    shaking : {"PGA", "PGV"}
        Measure of shaking that it takes.
    resolution : float
        Side of the cells in metres.
    members : tuple of MemberRecord
        Those in use.
    intercept, event_sd : float
        Level of the log-odds; standard deviation of the event term.
    events : tuple of EventRecord
        What it was learnt from.
    left_out : mapping of str to str
        Reason by factor.
    scores : tuple of Score
        Of earthquakes held out one by one.
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "learn"

    shakeslide: str
    mark: str
    seed: int
    shaking: Literal["PGA", "PGV"]
    resolution: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    members: Annotated[tuple[MemberRecord, ...], Field(min_length=1, max_length=5)]
    intercept: LogOdds
    event_sd: Annotated[float, Field(ge=0, le=MOST_SD, allow_inf_nan=False)]
    events: Annotated[tuple[EventRecord, ...], Field(min_length=1, max_length=10_000)]
    left_out: Mapping[str, str]
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Likeness:
    """How like the ground of a new earthquake is to that of the past ones.

    Attributes
    ----------
    unlike : float
        Share of the steep, strongly shaken cells that no training row is like.
    median_slope : float
        Of the strongly shaken cells in degrees, NaN where there are none.
    slopes : tuple of float
        Least and greatest median slope of the past earthquakes.
    """

    unlike: float
    median_slope: float
    slopes: tuple[float, float]

    @property
    def outside(self) -> bool:
        """Whether the bundle should not be relied on."""
        low, high = self.slopes
        # Half of the least, and half as much again of the greatest: 7 degrees against 31.
        return self.unlike > 0.5 or self.median_slope < 0.5 * low or self.median_slope > 1.5 * high


@dataclass(frozen=True)
class EventBundle:
    """Models of several past earthquakes, blended.

    Attributes
    ----------
    contents : Contents
        What it holds.
    models : tuple of FittedModel
        One per member in use.
    like : Applicability
        Of the training rows.
    codes_here : mapping of int to (array, array)
        Per column of classes: the codes of the ground to be mapped, and the bundle's own.
    """

    contents: Contents
    models: tuple[FittedModel, ...]
    like: Applicability
    codes_here: Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(
        default_factory=dict
    )

    @property
    def name(self) -> str:
        """Name of its maps."""
        return NAME

    @property
    def smooth(self) -> bool:
        """Whether the probability changes without steps as a number among the factors does."""
        return all(model.smooth for model in self.models)

    @property
    def factors(self) -> tuple[FactorInfo, ...]:
        """What the columns of raw factors are."""
        return self.models[0].factors

    def predict(self, raw: Float) -> Float:
        """Return the probability of a landslide source at the mean level of the past earthquakes.

        Parameters
        ----------
        raw : array, (rows, factors) float32
            Raw factors; a row with a NaN gets NaN.

        Returns
        -------
        array, (rows,) float32
        """
        known = self._recoded(raw)
        z = np.full(len(raw), self.contents.intercept)
        for record, model in zip(self.contents.members, self.models, strict=True):
            z += record.coefficient * members.logits(model, known)
        return np.asarray(expit(z), np.float32)

    def for_classes(self, infos: Sequence[FactorInfo]) -> tuple[EventBundle, dict[str, list[str]]]:
        """Return the bundle for factors that number their classes differently.

        Parameters
        ----------
        infos : sequence of FactorInfo
            Factors of the ground to be mapped, in the bundle's order.

        Returns
        -------
        bundle : EventBundle
        unseen : dict of str to list of str
            Per factor, the names of classes that no past earthquake has.

        Raises
        ------
        InputError
            A factor of another kind, unit or settings, or classes without names.
        """
        nameless = [replace(f, legend={}) for f in infos]
        bundle.require_factors(self.models[0], nameless)
        here, unseen = {}, {}
        for column, (own, found) in enumerate(zip(self.factors, infos, strict=True)):
            if own.kind != "categorical":
                continue
            if not found.legend:
                raise InputError(
                    f"factor {own.code}: its classes have codes without names, so they cannot be "
                    "matched with those of the bundle; give the layer names of its classes"
                )
            number = {name: code for code, name in own.legend.items()}
            codes = sorted(found.legend)
            to = [number.get(found.legend[c], OTHER_CLASS) for c in codes]
            here[column] = (np.array(codes, np.int64), np.array(to, np.int64))
            if others := [found.legend[c] for c, t in zip(codes, to, strict=True) if t < 0]:
                unseen[own.code] = others
        return replace(self, codes_here=here), unseen

    def _recoded(self, raw: Float) -> Float:
        if not self.codes_here:
            return raw
        out = raw.copy()
        for column, (codes, to) in self.codes_here.items():
            values = np.nan_to_num(raw[:, column], nan=-1.0).astype(np.int64)
            at = np.clip(np.searchsorted(codes, values), 0, codes.size - 1)
            new = np.where(codes[at] == values, to[at], OTHER_CLASS).astype(np.float32)
            out[:, column] = np.where(np.isnan(raw[:, column]), np.float32(np.nan), new)
        return out

    def likeness(self, raw: Float) -> Likeness:
        """Return how like ground is to that of the past earthquakes.

        Parameters
        ----------
        raw : array, (cells, factors) float32
            Raw factors; cells with a NaN don't count.
        """
        known = self._recoded(raw)
        known = known[np.isfinite(known).all(axis=1)]
        codes = [f.code for f in self.factors]
        shaking = known[:, codes.index(self.contents.shaking)]
        strong = known[shaking >= STRONG[self.contents.shaking]]
        slope = strong[:, codes.index(SLOPE)]
        judged = strong[slope >= STEEP]
        medians = [e.median_slope for e in self.contents.events]
        index = self.like.dissimilarity(
            features(judged, self.models[0].encoder, codes.index(self.contents.shaking))
        )
        return Likeness(
            unlike=float((index > self.like.threshold).mean()) if judged.size else 0.0,
            median_slope=float(np.median(slope)) if strong.size else float("nan"),
            slopes=(min(medians), max(medians)),
        )


def features(raw: Float, encoder: Encoder, shaking: int) -> NDArray[np.float64]:
    """Return what ground is compared by, (rows, factors): numbers, frequency ratios, ln shaking.

    Parameters
    ----------
    raw : array, (rows, factors) float32
        Raw factors, finite.
    encoder : Encoder
        Knows the frequency ratios.
    shaking : int
        Column of the shaking.
    """
    out = raw.astype(np.float64)
    encoded = replace(encoder, identity=False, angles="raw").transform(raw)
    for i, column in enumerate(encoder.columns):
        # Numbers stay as they are: encoded ones end at the range of the training rows.
        if column.kind != "continuous":
            out[:, i] = encoded[:, i]
    out[:, shaking] = np.log(np.maximum(out[:, shaking], 1e-3))
    return out


def require_usable(contents: Contents) -> None:
    """Raise `InputError` where earthquakes are so unlike that no bundle of them would be read."""
    numbers = [("the standard deviation of their levels", contents.event_sd, MOST_SD)]
    numbers += [
        (f"the coefficient of {m.name}", m.coefficient, MOST_COEFFICIENT) for m in contents.members
    ]
    numbers.append(("the mean of their levels", contents.intercept, MOST_LOG_ODDS))
    numbers += [
        (f"the level of {e.name}", e.level, MOST_LOG_ODDS)
        for e in contents.events
        if e.level is not None
    ]
    for what, value, most in numbers:
        if not abs(value) <= most:
            raise InputError(
                f"learn: these earthquakes cannot be joined: {what} is {value:.3g}, beyond "
                f"{most:g}; leave out those whose landslides or shaking differ from the rest"
            )


def save(made: EventBundle, folder: Path, card: str) -> None:
    """Write a bundle's folder; `bundle.json` comes last, so that a broken write is no bundle.

    Raises
    ------
    InputError
        Numbers beyond those that `load` takes.
    """
    require_usable(made.contents)
    (folder / FILE).unlink(missing_ok=True)
    kept = {m.name for m in made.contents.members}
    for other in (folder / MEMBERS).glob("*"):
        # Of an earlier bundle in this folder.
        if other.name in get_args(MemberName) and other.name not in kept:
            shutil.rmtree(other, ignore_errors=True)
    for record, model in zip(made.contents.members, made.models, strict=True):
        bundle.save(model, folder / MEMBERS / record.name)
    storage.write(folder / ROWS, made.like.to_arrays())
    with replacing(folder / "card.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    documents.write(folder / FILE, made.contents)


def contents_of(folder: Path) -> Contents:
    """Read what a bundle holds.

    Raises
    ------
    InputError
        It is missing, damaged, too large, or of another version.
    """
    _require_small(folder / FILE)
    return documents.read(folder / FILE, Contents)


def load(folder: Path) -> EventBundle:
    """Read a bundle's folder; whatever is in it, nothing of it is executed.

    Raises
    ------
    InputError
        Missing, damaged or foreign files.
    """
    contents = contents_of(folder)
    models = tuple(bundle.load(folder / MEMBERS / m.name) for m in contents.members)
    first = models[0]
    for model, record in zip(models, contents.members, strict=True):
        if model.factors != first.factors:
            raise InputError(
                f"{folder / MEMBERS / record.name}: takes different factors from the "
                "bundle's other members; run `shakeslide learn` again"
            )
    missing = {SLOPE, contents.shaking} - {f.code for f in first.factors}
    if missing:
        raise InputError(f"{folder / FILE}: its models lack factor {', '.join(sorted(missing))}")
    _require_small(folder / ROWS)
    like = applicability.from_arrays(storage.read(folder / ROWS, LARGEST))
    if like.centre.size != len(first.factors):
        raise InputError(
            f"{folder / ROWS}: has {like.centre.size} columns, but the models take "
            f"{len(first.factors)} factors; run `shakeslide learn` again"
        )
    return EventBundle(contents, models, like)


def _require_small(path: Path) -> None:
    if path.is_file() and path.stat().st_size > LARGEST:
        raise InputError(
            f"{path}: is larger than {LARGEST / 1e6:.0f} MB, so it is no part of a bundle of "
            "shakeslide"
        )
