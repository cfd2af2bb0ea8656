"""The tables of an evaluation: one record per fit and prevalence, and what they come to."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core.files import replacing
from shakeslide.evaluation import audit, intervals
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.evaluation.scores import MEASURES, scores
from shakeslide.evaluation.splits import Split
from shakeslide.learning.validation import Plan
from shakeslide.sampling.sampling import Samples

REPLICATES = 500
"""Of the bootstrap over landslides or blocks."""
FEWEST = 5
"""Splits, and landslides or blocks, from which on an interval is told: fewer hardly say how far
scores vary."""
COMPARED = ("oa", "roc_auc", "brier")
"""Measures in which models are compared in pairs."""


@dataclass(frozen=True)
class Result:
    """What came of one fit: what is told of it, and the probabilities of the test rows."""

    told: Mapping[str, Any]
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
    text = json.dumps(finite(result.told)).encode()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, told=np.frombuffer(text, np.uint8), probability=result.probability)
    return Result(json.loads(text), result.probability)


def known_result(path: Path) -> Result | None:
    """Read a result that was kept; None where there is none or it is damaged: fit again."""
    try:
        # No pickle: nothing in a file is executed.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return Result(dict(json.loads(file["told"].tobytes())), file["probability"])
    except (OSError, ValueError, LookupError, TypeError, EOFError, RecursionError, BadZipFile):
        return None


def write(
    out: Path,
    outcomes: Sequence[Outcome],
    samples: Samples,
    threshold: float,
    plan: Plan,
    truth: NDArray[np.float32] | None = None,
    about: Mapping[str, Any] | None = None,
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
    threshold : float
        Probability from which a cell counted as predicted landslide.
    plan : Plan
        How it was split.
    truth : array, (samples,), optional
        The known probability of failure of each sample, at the area's share of sources.
    about : mapping, optional
        What else is told, as it is.
    """
    records = [
        record
        for o in outcomes
        for results in o.results.values()
        for result in results
        for record in result.told["records"]
    ]
    balance = _Balance(samples)
    summary = [row for o in outcomes for row in _summary(o, samples, threshold, None)]
    text = {
        "records": records,
        "summary": summary,
        "summary_area": [
            row for o in outcomes for row in _summary(o, samples, threshold, balance.area)
        ],
        "pairs": [row for o in outcomes for row in _pairs(o)],
        "optimism": _optimism(outcomes),
        "confusion": _of_first(outcomes, "confusion"),
        "roc": [_mean_curve(o, m, "roc", "fpr", "tpr") for o in outcomes for m in o.results],
        "reliability": [
            _mean_curve(o, m, "reliability", "predicted", "observed")
            for o in outcomes
            for m in o.results
        ],
        "rates": [
            _mean_curve(o, m, "rates", "area", "prediction", "success")
            for o in outcomes
            for m in o.results
        ],
        "captured": [_captured(o, m) for o in outcomes for m in o.results],
        "threshold": threshold,
        "prevalence": {"sample": balance.sample, "area": balance.area},
        "block_size": plan.block_size,
        "buffer": plan.buffer,
        "replicates": REPLICATES,
        "truth": None if truth is None else _truth(outcomes, samples, threshold, truth),
        **(about or {}),
    }
    paths = [out / "evaluation.json", out / "evaluation.csv"]
    with replacing(paths[0]) as temporary:
        temporary.write_text(json.dumps(finite(text), indent=1), encoding="utf-8")
    with replacing(paths[1]) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)
    return paths


class _Balance:
    """Share of source cells in the samples and in the area."""

    def __init__(self, samples: Samples) -> None:
        self.sample = float(samples.label.mean())
        self.area = samples.prevalence


def finite(value: Any) -> Any:
    """Turn NaN into null: NaN is no JSON."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _summary(
    outcome: Outcome, samples: Samples, threshold: float, prevalence: float | None
) -> list[dict[str, Any]]:
    """Mean, standard deviation over splits, and bootstrap interval of each measure by model."""
    rows = []
    for model, results in outcome.results.items():
        which = 0 if prevalence is None else 1
        told = pd.DataFrame([r.told["records"][which] for r in results])
        row: dict[str, Any] = {
            "protocol": outcome.protocol,
            "model": model,
            "n": len(told),
            "prevalence": float(told["prevalence"].mean()),
        }
        # Earthquakes differ in their share of sources: no one share is that of all areas tested.
        several = outcome.samples is not None and prevalence is not None
        bounds = {} if several else _intervals(outcome, results, samples, threshold, prevalence)
        for m in [*MEASURES, "fit_s"]:
            values = told[m].to_numpy(float)
            row[m] = {
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            }
            if m in bounds:
                row[m] |= {"low": bounds[m].low, "high": bounds[m].high}
        rows.append(row)
    return rows


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
        threshold=threshold,
        prevalence=prevalence,
        sample_share=None if prevalence is None else share,
        n=REPLICATES,
    )


def _pairs(outcome: Outcome) -> list[dict[str, Any]]:
    """Differences between models on the same splits, with corrected resampled intervals.

    Fewer than `FEWEST` splits give none: their spread is known from too few numbers.
    """
    n_train = [len(s.train) for s in outcome.splits]
    n_test = [len(s.test) for s in outcome.splits]
    rows = []
    for a, b in combinations(outcome.results, 2):
        row: dict[str, Any] = {"protocol": outcome.protocol, "model": a, "other": b}
        for m in COMPARED:
            values, others = (_values(outcome, k, m) for k in (a, b))
            d = intervals.paired_difference(values, others, n_train, n_test)
            row[m] = {"mean": d.estimate, "low": None, "high": None, "p_value": None}
            if len(outcome.splits) >= FEWEST:
                row[m] |= {"low": d.low, "high": d.high, "p_value": d.p_value}
        rows.append(row)
    return rows


def _optimism(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Points by which `pixel` lies above the other protocols, by model."""
    protocols = [o.protocol for o in outcomes]
    if "pixel" not in protocols:
        return []
    rows = []
    for model in outcomes[0].results:
        above = {
            m: audit.optimism({o.protocol: _values(o, model, m) for o in outcomes})
            for m in ("oa", "roc_auc")
        }
        rows += [
            {"protocol": p, "model": model, **{m: above[m][p] for m in above}}
            for p in protocols
            if p != "pixel"
        ]
    return rows


def _values(outcome: Outcome, model: str, measure: str) -> list[float]:
    """A measure of each split, at the balance of the samples."""
    return [r.told["records"][0][measure] for r in outcome.results[model]]


def _truth(
    outcomes: Sequence[Outcome],
    samples: Samples,
    threshold: float,
    truth: NDArray[np.float32],
) -> dict[str, Any]:
    """Scores of the true probabilities on the samples, and how far each model stays below them."""
    outcomes = [o for o in outcomes if o.samples is None]
    known = np.isfinite(truth)
    # Models are judged at the balance of the samples: so is the truth.
    balanced = correct_prior(truth[known], samples.prevalence, float(samples.label.mean()))
    best = scores(samples.label[known], balanced, threshold)
    gaps = [
        {
            "protocol": o.protocol,
            "model": model,
            **{m: best[m] - float(np.mean(_values(o, model, m))) for m in ("oa", "roc_auc")},
        }
        for o in outcomes
        for model in o.results
    ]
    return {"scores": {m: best[m] for m in MEASURES}, "gaps": gaps}


def _of_first(outcomes: Sequence[Outcome], what: str) -> list[dict[str, Any]]:
    """Return a table of each model's first split."""
    return [
        {"protocol": o.protocol, "model": m, **results[0].told[what]}
        for o in outcomes
        for m, results in o.results.items()
    ]


def _mean_curve(outcome: Outcome, model: str, what: str, *columns: str) -> dict[str, Any]:
    """Mean of a curve over the splits."""
    curves = [r.told[what] for r in outcome.results[model]]
    length = min(len(c[columns[0]]) for c in curves)
    return {
        "protocol": outcome.protocol,
        "model": model,
        **{k: np.mean([c[k][:length] for c in curves], axis=0).tolist() for k in columns},
    }


def _captured(outcome: Outcome, model: str) -> dict[str, Any]:
    """Share of the landslides in the most susceptible shares of the area, mean over splits."""
    told = [r.told["captured"] for r in outcome.results[model]]
    shares = {s: float(np.mean([t[s] for t in told])) for s in told[0]}
    return {"protocol": outcome.protocol, "model": model, "shares": shares}
