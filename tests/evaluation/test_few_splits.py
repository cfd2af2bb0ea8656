"""Intervals are told from five splits on: fewer hardly say how far scores vary."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.evaluation.splits import Split
from shakeslide.results import evaluation_file


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_differences_of_few_splits_have_no_interval(count: int) -> None:
    rows = np.arange(10)
    splits = [Split("pixel", k, 0, rows[:6], rows[6:]) for k in range(count)]
    rng = np.random.default_rng(0)

    def results() -> list[evaluation_file.Result]:
        scores = [dict.fromkeys(evaluation_file.COMPARED, float(v)) for v in rng.random(count)]
        return [evaluation_file.Result({"records": [s]}, np.zeros(4, np.float32)) for s in scores]

    outcome = evaluation_file.Outcome("pixel", splits, rows, {"lr": results(), "rf": results()})
    (row,) = evaluation_file._pairs(outcome)
    for measure in evaluation_file.COMPARED:
        known = [row[measure][k] is not None for k in ("low", "high", "p_value")]
        assert known == [count >= 5] * 3
        assert np.isfinite(row[measure]["mean"])


@pytest.mark.parametrize("count", [1, 4])
def test_scores_of_few_landslides_have_no_interval(count: int) -> None:
    groups = np.arange(10) % count
    outcome = evaluation_file.Outcome(
        "block", [Split("block", 0, 0, groups, np.arange(10))], groups, {}
    )
    assert evaluation_file._intervals(outcome, [], None, 0.5, None) == {}  # type: ignore[arg-type]
