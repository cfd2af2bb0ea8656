"""What takes far longer than usual is reported before it begins."""

from __future__ import annotations

import pytest

from shakeslide.checks import Rows, effort
from shakeslide.learning.training import Recipe
from shakeslide.study.settings import Evaluation, Maps


def remarks(recipe: Recipe, rows: Rows | None) -> list[str]:
    return effort([recipe], 14, Evaluation(), Maps(), rows)


@pytest.mark.parametrize(
    ("gamma", "judged", "mapped", "told"),
    [
        (0.5, 20_000, 100_000, True),
        # Fitted on the same rows, or on few.
        (0.5, 20_000, 20_000, False),
        (0.5, 200, 1_000, False),
        # A kernel that is nearly a polynomial takes as long as there are rows.
        (0.001, 20_000, 100_000, False),
    ],
)
def test_a_vector_machine_on_all_samples(
    gamma: float, judged: int, mapped: int, told: bool
) -> None:
    found = remarks(Recipe("svm", "raw", {"gamma": gamma}), Rows(judged, mapped))
    assert [("fitted_on" in text, "25 times" in text) for text in found] == [(True, True)] * told


def test_other_models_and_unknown_samples() -> None:
    rows = Rows(20_000, 100_000)
    assert remarks(Recipe("rf", "raw", {}), rows) == []
    assert remarks(Recipe("svm", "raw", {"gamma": 0.5}), None) == []
