"""Intervals are told from five splits on: fewer hardly say how far scores vary."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.evaluation.scores import MEASURES
from shakeslide.evaluation.splits import Split
from shakeslide.learning.judgement import (
    Confusion,
    Judgement,
    RateCurves,
    Record,
    ReliabilityCurve,
    RocCurve,
)
from shakeslide.results import evaluation_file


def judged(score: float) -> evaluation_file.Result:
    """Return a result of which all measures are one number."""
    measures = dict.fromkeys(MEASURES, score)
    record = Record("pixel", "lr", 0, 0, 0.5, 6, 4, fit_s=0.1, **measures)
    judgement = Judgement(
        model="lr",
        fit_s=0.1,
        sample_share=0.5,
        roc=RocCurve((0.0, 1.0), (0.0, 1.0)),
        reliability=ReliabilityCurve((0.5,), (0.5,)),
        captured={"0.1": 0.4},
        rates=RateCurves((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
        threshold=0.5,
        records=(record, record),
        confusion=Confusion(1.0, 1.0, 1.0, 1.0),
    )
    return evaluation_file.Result(judgement, np.zeros(4, np.float32))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_differences_of_few_splits_have_no_interval(count: int) -> None:
    rows = np.arange(10)
    splits = [Split("pixel", k, 0, rows[:6], rows[6:]) for k in range(count)]
    rng = np.random.default_rng(0)

    def results() -> list[evaluation_file.Result]:
        return [judged(float(v)) for v in rng.random(count)]

    outcome = evaluation_file.Outcome("pixel", splits, rows, {"lr": results(), "rf": results()})
    (row,) = evaluation_file._pairs(outcome)
    for measure in ("oa", "roc_auc", "brier"):
        told = row.of(measure)
        known = [value is not None for value in (told.low, told.high, told.p_value)]
        assert known == [count >= 5] * 3
        assert np.isfinite(told.mean)


@pytest.mark.parametrize("count", [1, 4])
def test_scores_of_few_landslides_have_no_interval(count: int) -> None:
    groups = np.arange(10) % count
    outcome = evaluation_file.Outcome(
        "block", [Split("block", 0, 0, groups, np.arange(10))], groups, {}
    )
    assert evaluation_file._intervals(outcome, [], None, 0.5, None) == {}  # type: ignore[arg-type]
