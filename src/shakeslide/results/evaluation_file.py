"""From the fits of all protocols to the tables of evaluation.json."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core import documents, spreadsheets
from shakeslide.core.files import replacing
from shakeslide.evaluation import audit, intervals
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.evaluation.scores import MEASURES, scores
from shakeslide.evaluation.splits import Split
from shakeslide.learning.judgement import Curve, Judgement, Scores
from shakeslide.learning.plans import Plan
from shakeslide.learning.recipe import Method
from shakeslide.results import evaluation_document
from shakeslide.results.evaluation_document import (
    Balance,
    Captured,
    Difference,
    Evaluation,
    ModelConfusion,
    ModelRates,
    ModelReliability,
    ModelRoc,
    Offset,
    Pair,
    Spread,
    Summary,
    Truth,
    summary_of,
)
from shakeslide.sampling.sample_table import Samples

REPLICATES = 500
"""Of the bootstrap over landslides or blocks."""
FEWEST = 5
"""Splits, and landslides or blocks, from which on an interval is told: fewer hardly say how far
scores vary."""


@dataclass(frozen=True)
class Result:
    """What came of one fit: what is measured, and the probabilities of the test rows."""

    judgement: Judgement
    probability: NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """All fits under a protocol.

    Attributes
    ----------
    protocol : str
        Its name.
    splits : sequence of Split
        Its splits.
    groups : array, (samples,) int64
        What the bootstrap draws as a whole.
    results : mapping of str to sequence of Result
        By model, one per split.
    samples : Samples, optional
        What was split, where that is not the study's own samples.
    """

    protocol: str
    splits: Sequence[Split]
    groups: NDArray[np.int64]
    results: Mapping[str, Sequence[Result]]
    samples: Samples | None = None


def save_result(path: Path, result: Result) -> Result:
    """Write a result, renamed into place; return it as it will be read."""
    text = documents.to_json(result.judgement)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, told=np.frombuffer(text, np.uint8), probability=result.probability)
    return Result(documents.from_json(Judgement, text), result.probability)


def known_result(path: Path) -> Result | None:
    """Read a result that was kept; None where there is none or it is damaged: fit again."""
    try:
        # No pickle: nothing in a file is executed.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            judgement = documents.from_json(Judgement, file["told"].tobytes())
            return Result(judgement, file["probability"])
    except (OSError, ValueError, LookupError, TypeError, EOFError, RecursionError, BadZipFile):
        return None


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How fits were made and judged.

    Attributes
    ----------
    plan : Plan
        How the samples were split.
    threshold : float
        Probability from which a cell counted as predicted landslide.
    calibration : {"none", "platt", "isotonic"}
        How probabilities were calibrated.
    events : sequence of str
        Names of the earthquakes of the protocol `event`.
    """

    plan: Plan
    threshold: float
    calibration: Method
    events: Sequence[str] = ()


def write(
    out: Path,
    outcomes: Sequence[Outcome],
    samples: Samples,
    how: Conditions,
    truth: NDArray[np.float32] | None = None,
) -> list[Path]:
    """Write `evaluation.json` and `evaluation.csv`.

    Parameters
    ----------
    out : Path
        Folder of the run.
    outcomes : sequence of Outcome
        One per protocol.
    samples : Samples
        What was split.
    how : Conditions
        How they were split, fitted and judged.
    truth : array, (samples,), optional
        The known probability of failure of each sample, at the area's share of sources.
    """
    threshold = how.threshold
    each = [(o, model) for o in outcomes for model in o.results]
    evaluation = Evaluation(
        records=tuple(
            record
            for o, model in each
            for result in o.results[model]
            for record in result.judgement.records
        ),
        summary=tuple(row for o in outcomes for row in _summary(o, samples, threshold, None)),
        summary_area=tuple(
            row for o in outcomes for row in _summary(o, samples, threshold, samples.prevalence)
        ),
        pairs=tuple(row for o in outcomes for row in _pairs(o)),
        optimism=tuple(_optimism(outcomes)),
        confusion=tuple(_confusion(o, m) for o, m in each),
        roc=tuple(_roc(o, m) for o, m in each),
        reliability=tuple(_reliability(o, m) for o, m in each),
        rates=tuple(_rates(o, m) for o, m in each),
        captured=tuple(_captured(o, m) for o, m in each),
        threshold=threshold,
        prevalence=Balance(float(samples.label.mean()), samples.prevalence),
        block_size=how.plan.block_size,
        buffer=how.plan.buffer,
        replicates=REPLICATES,
        truth=None if truth is None else _truth(outcomes, samples, threshold, truth),
        calibration=how.calibration,
        events=tuple(how.events),
    )
    path, table = evaluation_document.save(out, evaluation), out / "evaluation.csv"
    spreadsheets.write(table, pd.DataFrame(list(map(asdict, evaluation.records))))
    return [path, table]


def _summary(
    outcome: Outcome, samples: Samples, threshold: float, prevalence: float | None
) -> list[Summary]:
    """Mean, standard deviation over splits, and bootstrap interval of each measure by model."""
    rows = []
    for model, results in outcome.results.items():
        which = 0 if prevalence is None else 1
        records = [r.judgement.records[which] for r in results]
        # Earthquakes differ in their share of sources: no one share is that of all areas tested.
        several = outcome.samples is not None and prevalence is not None
        bounds = {} if several else _intervals(outcome, results, samples, threshold, prevalence)
        measures = {
            m: _spread(np.array([r.of(m) for r in records], float), bounds.get(m))
            for m in [*MEASURES, "fit_s"]
        }
        share = float(np.mean([r.prevalence for r in records]))
        rows.append(summary_of(outcome.protocol, model, len(records), share, measures))
    return rows


def _spread(values: NDArray[np.float64], bounds: intervals.Interval | None) -> Spread:
    return Spread(
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        low=None if bounds is None else bounds.low,
        high=None if bounds is None else bounds.high,
    )


def _intervals(
    outcome: Outcome,
    results: Sequence[Result],
    samples: Samples,
    threshold: float,
    prevalence: float | None,
) -> dict[str, intervals.Interval]:
    """95 % intervals by drawing landslides or blocks, not cells; none where these are too few."""
    samples = outcome.samples or samples
    rows = np.concatenate([s.test for s in outcome.splits])
    if np.unique(outcome.groups[rows]).size < FEWEST:
        return {}
    # Each split is scored by itself, as it has a model of its own.
    part = np.repeat(np.arange(len(outcome.splits)), [len(s.test) for s in outcome.splits])
    p = np.concatenate([r.probability for r in results]).astype(np.float64)
    share = float(samples.label.mean())
    return intervals.bootstrap(
        samples.label[rows],
        p,
        outcome.groups[rows],
        part,
        intervals.Settings(threshold, prevalence, None if prevalence is None else share),
        n=REPLICATES,
    )


def _pairs(outcome: Outcome) -> list[Pair]:
    """Differences between models on the same splits, with corrected resampled intervals.

    Fewer than `FEWEST` splits give none: their spread is known from too few numbers.
    """
    return [
        Pair(
            outcome.protocol,
            model,
            other,
            oa=_difference(outcome, model, other, "oa"),
            roc_auc=_difference(outcome, model, other, "roc_auc"),
            brier=_difference(outcome, model, other, "brier"),
        )
        for model, other in combinations(outcome.results, 2)
    ]


def _difference(outcome: Outcome, model: str, other: str, measure: str) -> Difference:
    n_train = [len(s.train) for s in outcome.splits]
    n_test = [len(s.test) for s in outcome.splits]
    values, others = (_values(outcome, k, measure) for k in (model, other))
    d = intervals.paired_difference(values, others, n_train, n_test)
    if len(outcome.splits) < FEWEST:
        return Difference(d.estimate)
    return Difference(d.estimate, d.low, d.high, d.p_value)


def _optimism(outcomes: Sequence[Outcome]) -> list[Offset]:
    """Points by which `pixel` lies above the other protocols, by model."""
    protocols = [o.protocol for o in outcomes]
    if "pixel" not in protocols:
        return []
    rows = []
    for model in outcomes[0].results:
        oa, auc = (
            audit.optimism({o.protocol: _values(o, model, m) for o in outcomes})
            for m in ("oa", "roc_auc")
        )
        rows += [Offset(p, model, oa=oa[p], roc_auc=auc[p]) for p in protocols if p != "pixel"]
    return rows


def _values(outcome: Outcome, model: str, measure: str) -> NDArray[np.float64]:
    """A measure of each split, at the balance of the samples."""
    return np.array([r.judgement.balanced.of(measure) for r in outcome.results[model]], float)


def _truth(
    outcomes: Sequence[Outcome],
    samples: Samples,
    threshold: float,
    truth: NDArray[np.float32],
) -> Truth:
    """Scores of the true probabilities on the samples, and how far each model stays below them."""
    outcomes = [o for o in outcomes if o.samples is None]
    known = np.isfinite(truth)
    # Models are judged at the balance of the samples: so is the truth.
    balanced = correct_prior(truth[known], samples.prevalence, float(samples.label.mean()))
    best = scores(samples.label[known], balanced, threshold)

    def below(outcome: Outcome, model: str, measure: str) -> float:
        return best[measure] - float(np.mean(_values(outcome, model, measure)))

    gaps = [
        Offset(o.protocol, m, oa=below(o, m, "oa"), roc_auc=below(o, m, "roc_auc"))
        for o in outcomes
        for m in o.results
    ]
    return Truth(Scores(**{m: best[m] for m in MEASURES}), tuple(gaps))


def _confusion(outcome: Outcome, model: str) -> ModelConfusion:
    """Return the confusion matrix of a model's first split."""
    first = outcome.results[model][0].judgement.confusion
    return ModelConfusion(outcome.protocol, model, first.tp, first.fp, first.fn, first.tn)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean of curves over the splits, as long as the shortest of them."""
    length = min(map(len, curves))
    return tuple(np.mean([np.array(c[:length], float) for c in curves], axis=0).tolist())


def _roc(outcome: Outcome, model: str) -> ModelRoc:
    curves = [r.judgement.roc for r in outcome.results[model]]
    fpr, tpr = mean_curve([c.fpr for c in curves]), mean_curve([c.tpr for c in curves])
    return ModelRoc(outcome.protocol, model, fpr, tpr)


def _reliability(outcome: Outcome, model: str) -> ModelReliability:
    curves = [r.judgement.reliability for r in outcome.results[model]]
    predicted = mean_curve([c.predicted for c in curves])
    observed = mean_curve([c.observed for c in curves])
    return ModelReliability(outcome.protocol, model, predicted, observed)


def _rates(outcome: Outcome, model: str) -> ModelRates:
    curves = [r.judgement.rates for r in outcome.results[model]]
    return ModelRates(
        outcome.protocol,
        model,
        area=mean_curve([c.area for c in curves]),
        prediction=mean_curve([c.prediction for c in curves]),
        success=mean_curve([c.success for c in curves]),
    )


def _captured(outcome: Outcome, model: str) -> Captured:
    """Share of the landslides in the most susceptible shares of the area, mean over splits."""
    told = [r.judgement.captured for r in outcome.results[model]]
    shares = {s: float(np.mean(np.array([t[s] for t in told], float))) for s in told[0]}
    return Captured(outcome.protocol, model, shares)
