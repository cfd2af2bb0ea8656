"""The paper's three claims, each tested with intervals; a verdict whichever way it goes.

A difference is a gain where its 95 % interval lies above zero and reaches half a point, no gain
where the whole interval lies below half a point, and inconclusive otherwise. Fewer than five splits
give no interval, so that every claim is inconclusive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shakeslide.core import documents
from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.files import content, replacing
from shakeslide.evaluation import intervals
from shakeslide.learning.validation import groups
from shakeslide.paper import printed_figures, summaries
from shakeslide.paper.bench import THRESHOLD, Bench, measured
from shakeslide.paper.summaries import MeanDifference
from shakeslide.report import words
from shakeslide.results.evaluation_file import FEWEST, Result

Verdict = Literal["holds", "does not hold", "inconclusive"]
ClaimName = Literal["lead", "factors", "depth"]

MATERIAL = 0.005
"""Share from which a difference in accuracy counts: half a point."""
ABOUT = 0.06
"""Lead from which it counts as about seven points."""
REPLICATES = 500
TESTED_IN: Mapping[ClaimName, str] = {"lead": "T5", "factors": "F12", "depth": "F10"}
"""Which experiment tests which claim."""
FILE = "claims.json"
FIRST_TO_LAST = "first to last"
"""Key of JSON that is no name in Python."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper and what came of its test.

    Attributes
    ----------
    claim : {"lead", "factors", "depth"}
        Which.
    published : str
        What the paper says.
    rule : str
        When it holds, and when it does not.
    verdict : {"holds", "does not hold", "inconclusive"}
        By that rule.
    finding : str
        The differences in words.
    best_rival : str or None
        Of the claim "lead": the best model beside the autoencoder.
    differences : mapping of str to MeanDifference
        Differences in accuracy, corrected for overlapping training rows: by model, or by the
        layers compared.
    bootstrap : mapping of str to MeanDifference
        The same differences with landslides or blocks of the test rows drawn anew.
    first_to_last : mapping of str to MeanDifference
        Of the claim "depth": differences between the first layer and the last in other measures.
    """

    claim: ClaimName
    published: str
    rule: str
    verdict: Verdict
    finding: str
    best_rival: str | None = None
    differences: Mapping[str, MeanDifference] = field(default_factory=dict)
    bootstrap: Mapping[str, MeanDifference] = field(default_factory=dict)
    first_to_last: Annotated[
        Mapping[str, MeanDifference], Field(validation_alias=FIRST_TO_LAST)
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TestedClaim(Claim):
    """A claim with the experiment that tests it, as `claims.json` has it.

    Attributes
    ----------
    experiment : str
        "T5", "F12" or "F10".
    protocol, scale : str
        How rows were split, and how much was computed.
    reductions : tuple of str
        Where less was computed than in the paper.
    """

    experiment: str
    protocol: str
    scale: str
    reductions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Claims:
    claims: tuple[TestedClaim, ...]


def to_values(claim: Claim) -> dict[str, JsonValue]:
    """Return a claim as JSON has it, without what its test does not give."""
    given = {k: documents.finite(v) for k, v in asdict(claim).items() if v not in (None, {})}
    if (others := given.pop("first_to_last", None)) is not None:
        given[FIRST_TO_LAST] = others
    return given


def gain(difference: MeanDifference) -> Literal["gain", "no gain", "inconclusive"]:
    """Return the verdict of an interval, see the module."""
    low, high = difference.ends
    if not (np.isfinite(low) and np.isfinite(high)):
        return "inconclusive"
    # Before the gain: one that is certain but below half a point does not count.
    if high < MATERIAL:
        return "no gain"
    return "gain" if low > 0 else "inconclusive"


def lead(bench: Bench, results: Mapping[str, Sequence[Result]]) -> Claim:
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
    low, high = ahead[best].ends
    verdict: Verdict = "inconclusive"
    if low >= ABOUT:
        verdict = "holds"
    elif high < ABOUT:
        verdict = "does not hold"
    return Claim(
        claim="lead",
        published="the OA of the autoencoder is about 7 points higher than the second best",
        rule="holds if the interval of the lead over the best rival is above 6 points, does "
        "not hold if it is below",
        verdict=verdict,
        finding=f"over {best.upper()}, the best rival, {_points(ahead[best])}; "
        f"{_redrawn_words(bench)} {_interval(redrawn[best])}",
        best_rival=best,
        differences=ahead,
        bootstrap=redrawn,
    )


def _redrawn_words(bench: Bench) -> str:
    """Say what the second interval is: the doubt that the test rows bring, not the training."""
    return f"bootstrap of the tested {'blocks' if bench.protocol == 'block' else 'landslides'}"


def _redrawn(bench: Bench, results: Sequence[Result], others: Sequence[Result]) -> MeanDifference:
    """Difference in OA with landslides (or blocks) of the test rows drawn anew, if not too few."""
    # A row may be tested in several splits: it is there once for each.
    rows = np.concatenate([s.test for s in bench.splits])
    drawn = groups(bench.samples, bench.protocol, bench.plan)[rows]
    if np.unique(drawn).size < FEWEST:
        mean = float((measured(results, "oa") - measured(others, "oa")).mean())
        return MeanDifference(mean, np.nan, np.nan)
    # Each split is scored by itself, as it has a model of its own.
    part = np.repeat(np.arange(len(bench.splits)), [len(s.test) for s in bench.splits])
    p, q = (
        np.concatenate([r.probability for r in one]).astype(np.float64) for one in (results, others)
    )
    scored = intervals.Settings(THRESHOLD)
    told = intervals.bootstrap_difference(
        bench.samples.label[rows], p, q, drawn, part, scored, n=REPLICATES
    )["oa"]
    return MeanDifference(told.estimate, told.low, told.high)


def factors(
    bench: Bench, results: Mapping[str, Mapping[int, Sequence[Result]]], count: int
) -> Claim:
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
    untested = Claim(
        claim="factors",
        published="beyond 7 factors the accuracy of LR, SVM and RF stays or falls while the "
        "autoencoder's grows",
        rule="holds if no shallow model gains half a point from 7 factors to all and the "
        "autoencoder gains, does not hold if a shallow one gains or the autoencoder does not",
        verdict="inconclusive",
        finding="",
    )
    start = printed_figures.FLAT_FROM
    if count <= start or any(start not in r for r in results.values()):
        reason = f"the study has {count} factors" if count <= start else f"{start} were not tried"
        return replace(untested, finding=reason)
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
    return replace(
        untested,
        verdict=verdict,
        finding=f"from {start} to {count} factors (in parentheses: {_redrawn_words(bench)}), "
        f"{'; '.join(parts)}",
        differences=gains,
        bootstrap=redrawn,
    )


def depth(bench: Bench, measures: Mapping[str, Sequence[NDArray[np.float64]]]) -> Claim:
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
    untested = Claim(
        claim="depth",
        published="features of higher layers are more abstract and separate landslides better",
        rule="holds if a logistic regression on features of the highest layer is better than "
        "on those of the first, does not hold if it gains less than half a point",
        verdict="inconclusive",
        finding="the autoencoder has one layer",
    )
    # Inputs and one layer: no deeper features to compare.
    if len(accuracy) < 3:
        return untested
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
        f"{names[m]} {words.signed(d.mean, 3)} {_interval(d, 1, 3)}" for m, d in others.items()
    )
    verdict: Verdict = "inconclusive"
    if gain(whole) == "no gain":
        verdict = "does not hold"
    elif gain(whole) == "gain":
        verdict = "holds"
    return replace(
        untested,
        verdict=verdict,
        finding=f"from layer 1 to layer {len(accuracy) - 1}, {_points(whole)}; "
        f"from the inputs to layer 1, {_points(steps['0 to 1'])}; first to last layer: {beside}",
        differences={FIRST_TO_LAST: whole, **steps},
        first_to_last=others,
    )


def _points(difference: MeanDifference) -> str:
    return f"{words.signed(100 * difference.mean, 2)} points {_interval(difference)}"


def _interval(difference: MeanDifference, scale: float = 100, digits: int = 2) -> str:
    """Return the ends as printed, or that there are none."""
    if not np.isfinite(difference.ends).all():
        return "[no interval: too few splits]"
    low, high = (words.signed(scale * v, digits) for v in difference.ends)
    return f"[{low}, {high}]"


# ------------------------------------------------------------------ the file


def write(folder: Path, tested: Sequence[TestedClaim]) -> Path:
    """Write `claims.json`; an end of an interval that is not known is null."""
    values = {"claims": [to_values(claim) for claim in tested]}
    with replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
    return folder / FILE


def read(folder: Path) -> tuple[TestedClaim, ...]:
    """Read the claims of a folder, none where no experiment has tested any.

    Raises
    ------
    InputError
        `claims.json` is damaged.
    """
    path = folder / FILE
    try:
        values = documents.from_json(_Claims, content(path))
    except FileNotFoundError:
        return ()
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged ({shortened(error)}); delete it and run `shakeslide reproduce`"
        ) from error
    return values.claims


def verdict_line(tested: TestedClaim) -> str:
    """Return a claim and its verdict in a line."""
    return f"{tested.verdict}: {tested.published} ({tested.experiment}: {tested.finding})"
