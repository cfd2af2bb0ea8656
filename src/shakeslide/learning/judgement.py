"""What is measured of one fit on the test rows of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Curve = tuple[float | None, ...]
"""Points of a curve; None where there is nothing to measure, as with test rows of one class."""


@dataclass(frozen=True)
class Scores:
    """All measures of a probability, None where one is not defined (`evaluation.scores`)."""

    oa: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    mcc: float | None
    roc_auc: float | None
    pr_auc: float | None
    brier: float | None
    log_loss: float | None
    ece: float | None

    def of(self, measure: str) -> float | None:
        """Return a measure by its name; `fit_s` too, where it is there."""
        value: float | None = getattr(self, measure)
        return value


@dataclass(frozen=True)
class Tested:
    """A model on the test rows of a split.

    Attributes
    ----------
    protocol, model : str
        Their names.
    repeat, fold : int
        Of the split.
    prevalence : float
        Share of positives at which the measures are.
    n_train, n_test : int
        Rows.
    """

    protocol: str
    model: str
    repeat: int
    fold: int
    prevalence: float
    n_train: int
    n_test: int


@dataclass(frozen=True)
class Record(Scores, Tested):
    """The scores of one fit at one share of positives; `fit_s` is the time of the fit in s."""

    fit_s: float


@dataclass(frozen=True)
class Confusion:
    """Test rows by what is mapped and what is predicted."""

    tp: float
    fp: float
    fn: float
    tn: float


@dataclass(frozen=True)
class RocCurve:
    """False and true positive rate, of equal length."""

    fpr: Curve
    tpr: Curve


@dataclass(frozen=True)
class ReliabilityCurve:
    """Predicted probability and observed share of positives by class, of equal length."""

    predicted: Curve
    observed: Curve


@dataclass(frozen=True)
class RateCurves:
    """Share of the positives found by share of the area, of equal length.

    Attributes
    ----------
    area : tuple of float
        Share of the area, most susceptible first.
    prediction, success : tuple of float
        Share of the positives among the test rows, and among the training rows.
    """

    area: Curve
    prediction: Curve
    success: Curve


@dataclass(frozen=True)
class Judgement:
    """What is measured of one fit.

    Attributes
    ----------
    model : str
        Its name.
    fit_s : float
        Time of the fit in s.
    sample_share : float
        Share of positives that its probabilities are made for.
    roc, reliability, rates
        Curves.
    captured : mapping of str to float or None
        Share of the positives in the most susceptible shares of the area.
    threshold : float
        Probability from which a cell counts as predicted landslide.
    records : (Record, Record)
        At the balance of the samples, and at the area's.
    confusion : Confusion
        At the threshold.
    """

    model: str
    fit_s: float
    sample_share: float
    roc: RocCurve
    reliability: ReliabilityCurve
    captured: Mapping[str, float | None]
    rates: RateCurves
    threshold: float
    records: tuple[Record, Record]
    confusion: Confusion

    @property
    def balanced(self) -> Record:
        """The record at the balance of the samples."""
        return self.records[0]
