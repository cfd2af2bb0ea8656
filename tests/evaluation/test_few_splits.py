"""Intervals are told from five splits on: fewer hardly say how far scores vary."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide import tables
from shakeslide.evaluation.splits import Split


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_differences_of_few_splits_have_no_interval(count: int) -> None:
    rows = np.arange(10)
    splits = [Split("pixel", k, 0, rows[:6], rows[6:]) for k in range(count)]
    rng = np.random.default_rng(0)

    def results() -> list[tables.Result]:
        scores = [dict.fromkeys(tables.COMPARED, float(v)) for v in rng.random(count)]
        return [tables.Result({"records": [s]}, np.zeros(4, np.float32)) for s in scores]

    outcome = tables.Outcome("pixel", splits, rows, {"lr": results(), "rf": results()})
    (row,) = tables._pairs(outcome)
    for measure in tables.COMPARED:
        known = [row[measure][k] is not None for k in ("low", "high", "p_value")]
        assert known == [count >= 5] * 3
        assert np.isfinite(row[measure]["mean"])


@pytest.mark.parametrize("count", [1, 4])
def test_scores_of_few_landslides_have_no_interval(count: int) -> None:
    groups = np.arange(10) % count
    outcome = tables.Outcome("block", [Split("block", 0, 0, groups, np.arange(10))], groups, {})
    assert tables._intervals(outcome, [], None, 0.5, None) == {}  # type: ignore[arg-type]
