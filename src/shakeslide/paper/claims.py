"""The paper's three claims, each tested with intervals; a verdict whichever way it goes.

A difference is a gain where its 95 % interval lies above zero and reaches half a point, no gain
where the whole interval lies below half a point, and inconclusive otherwise. Fewer than five splits
give no interval, so that every claim is inconclusive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.documents import finite
from shakeslide.core.files import replacing
from shakeslide.evaluation import intervals
from shakeslide.learning.validation import groups
from shakeslide.paper import printed_figures, summaries
from shakeslide.paper.bench import THRESHOLD, Bench, measured
from shakeslide.report import words
from shakeslide.results.evaluation_file import FEWEST, Result

Verdict = Literal["holds", "does not hold", "inconclusive"]

MATERIAL = 0.005
"""Share from which a difference in accuracy counts: half a point."""
ABOUT = 0.06
"""Lead from which it counts as about seven points."""
REPLICATES = 500
TESTED_IN = {"lead": "T5", "factors": "F12", "depth": "F10"}
"""Which experiment tests which claim."""


def gain(difference: Mapping[str, float]) -> Literal["gain", "no gain", "inconclusive"]:
    """Return the verdict of an interval, see the module."""
    low, high = difference["low"], difference["high"]
    if not (np.isfinite(low) and np.isfinite(high)):
        return "inconclusive"
    # Before the gain: one that is certain but below half a point does not count.
    if high < MATERIAL:
        return "no gain"
    return "gain" if low > 0 else "inconclusive"


def lead(bench: Bench, results: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    """Test that the autoencoder is ahead of the second best by about 7 points of accuracy.

    Parameters
    ----------
    bench : Bench
        With the splits.
    results : mapping of str to sequence of Result
        By model, one per split.
    """
    rivals = [m for m in results if m != "sae"]
    best = max(rivals, key=lambda m: float(measured(results[m], "oa").mean()))
    ahead = {
        m: summaries.difference(
            measured(results["sae"], "oa"), measured(results[m], "oa"), bench.splits
        )
        for m in rivals
    }
    redrawn = {m: _redrawn(bench, results["sae"], results[m]) for m in rivals}
    low, high = ahead[best]["low"], ahead[best]["high"]
    verdict: Verdict = "inconclusive"
    if low >= ABOUT:
        verdict = "holds"
    elif high < ABOUT:
        verdict = "does not hold"
    return {
        "claim": "lead",
        "published": "the OA of the autoencoder is about 7 points higher than the second best",
        "verdict": verdict,
        "rule": "holds if the interval of the lead over the best rival is above 6 points, does "
        "not hold if it is below",
        "finding": f"over {best.upper()}, the best rival, {_points(ahead[best])}; "
        f"{_redrawn_words(bench)} {_interval(redrawn[best])}",
        "best_rival": best,
        "differences": ahead,
        "bootstrap": redrawn,
    }


def _redrawn_words(bench: Bench) -> str:
    """Say what the second interval is: the doubt that the test rows bring, not the training."""
    return f"bootstrap of the tested {'blocks' if bench.protocol == 'block' else 'landslides'}"


def _redrawn(bench: Bench, results: Sequence[Result], others: Sequence[Result]) -> dict[str, float]:
    """Difference in OA with landslides (or blocks) of the test rows drawn anew, if not too few."""
    # A row may be tested in several splits: it is there once for each.
    rows = np.concatenate([s.test for s in bench.splits])
    drawn = groups(bench.samples, bench.protocol, bench.plan)[rows]
    if np.unique(drawn).size < FEWEST:
        mean = float((measured(results, "oa") - measured(others, "oa")).mean())
        return {"mean": mean, "low": np.nan, "high": np.nan}
    # Each split is scored by itself, as it has a model of its own.
    part = np.repeat(np.arange(len(bench.splits)), [len(s.test) for s in bench.splits])
    p, q = (
        np.concatenate([r.probability for r in one]).astype(np.float64) for one in (results, others)
    )
    told = intervals.bootstrap_difference(
        bench.samples.label[rows],
        p,
        q,
        drawn,
        part,
        threshold=THRESHOLD,
        n=REPLICATES,
    )["oa"]
    return {"mean": told.estimate, "low": told.low, "high": told.high}


def factors(
    bench: Bench, results: Mapping[str, Mapping[int, Sequence[Result]]], count: int
) -> dict[str, Any]:
    """Test that beyond 7 factors shallow models stay or fall while the autoencoder grows.

    Parameters
    ----------
    bench : Bench
        With the splits.
    results : mapping
        By model and number of factors, one per split.
    count : int
        Number of all factors.
    """
    told: dict[str, Any] = {
        "claim": "factors",
        "published": "beyond 7 factors the accuracy of LR, SVM and RF stays or falls while the "
        "autoencoder's grows",
        "rule": "holds if no shallow model gains half a point from 7 factors to all and the "
        "autoencoder gains, does not hold if a shallow one gains or the autoencoder does not",
    }
    start = printed_figures.FLAT_FROM
    if count <= start or any(start not in r for r in results.values()):
        reason = f"the study has {count} factors" if count <= start else f"{start} were not tried"
        return told | {"verdict": "inconclusive", "finding": reason}
    gains = {
        m: summaries.difference(measured(by[count], "oa"), measured(by[start], "oa"), bench.splits)
        for m, by in results.items()
    }
    found = {m: gain(d) for m, d in gains.items()}
    shallow = [m for m in found if m != "sae"]
    verdict: Verdict = "inconclusive"
    if any(found[m] == "gain" for m in shallow) or found["sae"] == "no gain":
        verdict = "does not hold"
    elif all(found[m] == "no gain" for m in shallow) and found["sae"] == "gain":
        verdict = "holds"
    redrawn = {m: _redrawn(bench, by[count], by[start]) for m, by in results.items()}
    parts = [
        f"{m.upper()} {_points(gains[m])} ({_interval(redrawn[m])}): {found[m]}" for m in gains
    ]
    return told | {
        "verdict": verdict,
        "finding": f"from {start} to {count} factors (in parentheses: {_redrawn_words(bench)}), "
        f"{'; '.join(parts)}",
        "differences": gains,
        "bootstrap": redrawn,
    }


def depth(bench: Bench, measures: Mapping[str, Sequence[NDArray[np.float64]]]) -> dict[str, Any]:
    """Test that deeper features separate the classes better.

    Parameters
    ----------
    bench : Bench
        With the splits.
    measures : mapping of str to sequence of array, (splits,)
        `oa`, the held-out accuracy of a logistic regression on the inputs, on layer 1, 2, ...;
        `fisher` and `silhouette` of the same, which are reported but do not decide.
    """
    accuracy = measures["oa"]
    told: dict[str, Any] = {
        "claim": "depth",
        "published": "features of higher layers are more abstract and separate landslides better",
        "rule": "holds if a logistic regression on features of the highest layer is better than "
        "on those of the first, does not hold if it gains less than half a point",
    }
    # Inputs and one layer: no deeper features to compare.
    if len(accuracy) < 3:
        return told | {"verdict": "inconclusive", "finding": "the autoencoder has one layer"}
    whole = summaries.difference(accuracy[-1], accuracy[1], bench.splits)
    steps = {
        f"{k - 1} to {k}": summaries.difference(accuracy[k], accuracy[k - 1], bench.splits)
        for k in range(1, len(accuracy))
    }
    others = {
        m: summaries.difference(values[-1], values[1], bench.splits)
        for m, values in measures.items()
        if m != "oa"
    }
    names = {"fisher": "Fisher ratio", "silhouette": "silhouette"}
    beside = "; ".join(
        f"{names[m]} {words.signed(d['mean'], 3)} {_interval(d, 1, 3)}" for m, d in others.items()
    )
    verdict: Verdict = "inconclusive"
    if gain(whole) == "no gain":
        verdict = "does not hold"
    elif gain(whole) == "gain":
        verdict = "holds"
    return told | {
        "verdict": verdict,
        "finding": f"from layer 1 to layer {len(accuracy) - 1}, {_points(whole)}; "
        f"from the inputs to layer 1, {_points(steps['0 to 1'])}; first to last layer: {beside}",
        "differences": {"first to last": whole, **steps},
        "first to last": others,
    }


def _points(difference: Mapping[str, float]) -> str:
    return f"{words.signed(100 * difference['mean'], 2)} points {_interval(difference)}"


def _interval(difference: Mapping[str, float], scale: float = 100, digits: int = 2) -> str:
    """Return the ends as printed, or that there are none."""
    ends = [difference[k] for k in ("low", "high")]
    if not np.isfinite(ends).all():
        return "[no interval: too few splits]"
    low, high = (words.signed(scale * v, digits) for v in ends)
    return f"[{low}, {high}]"


def assemble(folder: Path) -> list[dict[str, Any]]:
    """Write `claims.json` from the experiments of a folder and return what it holds."""
    told = []
    for name, experiment in TESTED_IN.items():
        path = folder / f"{experiment}.json"
        if path.is_file():
            text = json.loads(path.read_text(encoding="utf-8"))
            same = {k: text[k] for k in ("protocol", "scale", "reductions")}
            told.append({**text["claim"], "experiment": experiment, **same})
            if told[-1]["claim"] != name:
                raise ValueError(f"{path} tests {told[-1]['claim']}, not {name}")
    with replacing(folder / "claims.json") as temporary:
        temporary.write_text(
            json.dumps(finite({"claims": told}), indent=1, ensure_ascii=False), encoding="utf-8"
        )
    return told


def verdict_line(told: Mapping[str, Any]) -> str:
    """Return a claim and its verdict in a line."""
    return f"{told['verdict']}: {told['published']} ({told['experiment']}: {told['finding']})"
