"""evaluation.json: the scores of all models under all protocols, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.learning.judgement import (
    Confusion,
    RateCurves,
    Record,
    ReliabilityCurve,
    RocCurve,
    Scores,
)
from shakeslide.learning.recipe import Method

NAME = "evaluation.json"
STRICTNESS = ("pixel", "landslide", "block", "event")
"""Protocols from the most lenient to the strictest."""


@dataclass(frozen=True)
class Spread:
    """A measure over the splits of a protocol; None where it is not known.

    Attributes
    ----------
    mean, sd : float or None
        Mean and standard deviation; one split has no standard deviation.
    low, high : float or None
        Ends of the mean's 95 % interval.
    """

    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


UNKNOWN = Spread()


@dataclass(frozen=True)
class OfModel:
    """What is said of one model under one protocol."""

    protocol: str
    model: str


@dataclass(frozen=True)
class Summary(OfModel):
    """The measures of a model over the `n` splits of a protocol, at a share of positives."""

    n: int
    prevalence: float
    oa: Spread
    precision: Spread
    recall: Spread
    f1: Spread
    mcc: Spread
    roc_auc: Spread
    pr_auc: Spread
    brier: Spread
    log_loss: Spread
    ece: Spread
    fit_s: Spread

    def of(self, measure: str) -> Spread:
        """Return a measure by its name."""
        spread: Spread = getattr(self, measure)
        return spread

    @property
    def auc(self) -> float:
        """Mean ROC-AUC for ranking, 0 where it is not known."""
        return self.roc_auc.mean or 0.0


def summary_of(
    protocol: str,
    model: str,
    n: int,
    prevalence: float,
    measures: Mapping[str, Spread],
) -> Summary:
    """Return a summary from its measures by their names; those that are not given are unknown."""
    every = [f.name for f in fields(Summary) if f.name not in _HEAD]
    return Summary(protocol, model, n, prevalence, **{m: measures.get(m, UNKNOWN) for m in every})


_HEAD = ("protocol", "model", "n", "prevalence")


@dataclass(frozen=True)
class Difference:
    """How far a model lies above another; None where it is not known.

    Attributes
    ----------
    mean : float or None
        Mean difference on the same splits.
    low, high : float or None
        Ends of its 95 % interval, corrected for overlapping training sets.
    p_value : float or None
        Of no difference.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None and self.high is not None

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves zero out."""
        if self.low is None or self.high is None:
            return False
        # An end that is 0 holds it: not resolved.
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Pair(OfModel):
    """Differences of a model to another under one protocol."""

    other: str
    oa: Difference
    roc_auc: Difference
    brier: Difference

    def of(self, measure: str) -> Difference:
        """Return a difference by the name of its measure."""
        difference: Difference = getattr(self, measure)
        return difference

    def opponent(self, model: str) -> str:
        """Return the model that one of the two is compared with."""
        return self.other if model == self.model else self.model


@dataclass(frozen=True)
class Offset(OfModel):
    """Accuracy and ROC-AUC of a model above or below something else; None where not known."""

    oa: float | None
    roc_auc: float | None

    def of(self, measure: str) -> float | None:
        """Return an offset by the name of its measure."""
        value: float | None = getattr(self, measure)
        return value


@dataclass(frozen=True)
class ModelConfusion(Confusion, OfModel):
    """The confusion matrix of a model's first split."""


@dataclass(frozen=True)
class ModelRoc(RocCurve, OfModel):
    """The ROC curve of a model, mean over the splits."""


@dataclass(frozen=True)
class ModelReliability(ReliabilityCurve, OfModel):
    """The reliability of a model's probabilities, mean over the splits."""


@dataclass(frozen=True)
class ModelRates(RateCurves, OfModel):
    """Prediction and success rate of a model, mean over the splits."""


@dataclass(frozen=True)
class Captured(OfModel):
    """Share of the positives in the most susceptible shares of the area, mean over the splits."""

    shares: Mapping[str, float | None]


@dataclass(frozen=True)
class Truth:
    """Scores of the probabilities that failures were drawn from.

    Attributes
    ----------
    scores : Scores
        Of the true probabilities.
    gaps : tuple of Offset
        How far each model stays below them, as shares.
    """

    scores: Scores
    gaps: tuple[Offset, ...]


@dataclass(frozen=True)
class Balance:
    """Share of positives in the samples and in the area."""

    sample: float
    area: float


@dataclass(frozen=True)
class Evaluation(Document):
    """What came of an evaluation.

    Attributes
    ----------
    records : tuple of Record
        Two per fit: at the balance of the samples, and at the area's.
    summary, summary_area : tuple of Summary
        One per protocol and model, at the balance of the samples and at the area's.
    pairs : tuple of Pair
        Differences between models on the same splits.
    optimism : tuple of Offset
        Points by which `pixel` lies above the other protocols.
    confusion, roc, reliability, rates, captured
        One per protocol and model.
    threshold : float
        Probability from which a cell counts as predicted landslide.
    prevalence : Balance
        Shares of positives.
    block_size, buffer : float
        Of the protocol `block`, in m.
    replicates : int
        Of the bootstrap behind the intervals.
    truth : Truth or None
        Where the study knows it.
    calibration : {"none", "platt", "isotonic"}
        How probabilities were calibrated.
    events : tuple of str
        Earthquakes of the protocol `event`.
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "evaluate"

    records: tuple[Record, ...]
    summary: Annotated[tuple[Summary, ...], Field(min_length=1)]
    summary_area: tuple[Summary, ...]
    pairs: tuple[Pair, ...]
    optimism: tuple[Offset, ...]
    confusion: tuple[ModelConfusion, ...]
    roc: tuple[ModelRoc, ...]
    reliability: tuple[ModelReliability, ...]
    rates: tuple[ModelRates, ...]
    captured: tuple[Captured, ...]
    threshold: float
    prevalence: Balance
    block_size: float
    buffer: float
    replicates: int
    truth: Truth | None
    calibration: Method
    events: tuple[str, ...] = field(default=())

    @property
    def models(self) -> list[str]:
        """Names of the models, in the study's order."""
        return list(dict.fromkeys(row.model for row in self.summary))

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols, in the study's order."""
        return list(dict.fromkeys(row.protocol for row in self.summary))

    @property
    def calibrated(self) -> bool:
        """Whether probabilities were calibrated."""
        return self.calibration != "none"

    def records_of(self, protocol: str) -> list[Record]:
        """Return the records of a protocol; the first is at the balance of the samples."""
        return [record for record in self.records if record.protocol == protocol]

    def of_protocol(self, protocol: str) -> list[Summary]:
        """Return the summaries of a protocol, one per model."""
        return [row for row in self.summary if row.protocol == protocol]

    def of(self, protocol: str, model: str) -> Summary:
        """Return the summary of a model under a protocol that it was judged by."""
        return next(row for row in self.of_protocol(protocol) if row.model == model)

    def in_area(self, protocol: str) -> dict[str, Summary]:
        """Return the summaries at the area's balance by model."""
        return {row.model: row for row in self.summary_area if row.protocol == protocol}

    def best(self, protocol: str, measure: str) -> Summary:
        """Return the summary with the highest mean of a measure."""
        # A score that is not defined is never the best.
        return max(self.of_protocol(protocol), key=lambda row: row.of(measure).mean or 0.0)

    def by_rank(self) -> list[Summary]:
        """Return the summaries under the strictest protocol, the highest AUC first."""
        judged = {row.protocol for row in self.summary}
        strictest = [p for p in STRICTNESS if p in judged][-1:]
        rows = [row for row in self.summary if row.protocol in strictest]
        return sorted(rows, key=lambda row: -(row.roc_auc.mean or 0.0))

    def pairs_of(self, protocol: str) -> list[Pair]:
        """Return the differences between models under a protocol."""
        return [pair for pair in self.pairs if pair.protocol == protocol]

    def captured_by(self, protocol: str, model: str) -> Mapping[str, float | None]:
        """Return the captured shares of a model, empty where none are known."""
        rows = (row for row in self.captured if (row.protocol, row.model) == (protocol, model))
        return next((row.shares for row in rows), {})


def save(folder: Path, evaluation: Evaluation) -> Path:
    """Write a run's evaluation.json and return its path."""
    documents.write(folder / NAME, evaluation)
    return folder / NAME


def load(folder: Path) -> Evaluation:
    """Read a run's evaluation.json; `InputError` where it is missing, damaged or of other form."""
    return documents.read(folder / NAME, Evaluation)
