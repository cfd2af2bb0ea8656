"""Which fits are trained side by side."""

from __future__ import annotations

import pytest

from shakeslide.learning import training


@pytest.mark.parametrize(
    ("name", "rows", "sizes"),
    [
        ("sae", 1000, [5]),
        ("sae", training.ROWS_TOGETHER // 2, [2, 2, 1]),
        ("sae", 2 * training.ROWS_TOGETHER, [1] * 5),
        ("rf", 1000, [1] * 5),
    ],
)
def test_networks_train_side_by_side_as_memory_allows(
    name: str, rows: int, sizes: list[int]
) -> None:
    found = training.batches(name, range(5), rows)
    assert [len(batch) for batch in found] == sizes
    assert [i for batch in found for i in batch] == list(range(5))
    assert training.batches(name, [], rows) == []
