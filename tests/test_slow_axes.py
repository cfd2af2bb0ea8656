"""Axes of factors that change least from a row to its neighbour."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.learning import slow_axes


def hidden(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows whose numbers mix two fields that follow the place with four of noise."""
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.uniform(0, 100, (n, 2)), np.zeros(n)])
    slow = np.column_stack([place[:, 0] / 30, np.sin(place[:, 1] / 25)])
    mixed = np.column_stack([slow, rng.normal(size=(n, 4))]) @ rng.normal(size=(6, 6))
    return mixed.astype(np.float32), place, slow


def test_slow_fields_are_found_in_a_mixture() -> None:
    rows, place, slow = hidden()
    axes = slow_axes.fit(rows, place)
    assert axes.shape == (6, 6)
    two = np.column_stack([slow_axes.along(axes, rows)[:, :2], np.ones(len(rows))])
    for field in slow.T:
        left = field - two @ np.linalg.lstsq(two, field, rcond=None)[0]
        assert left.var() < 0.02 * field.var()


def test_a_step_along_an_axis_is_the_usual_change_between_neighbours() -> None:
    rows, place, _ = hidden()
    along = slow_axes.along(slow_axes.fit(rows, place), rows)
    gap = np.hypot(*(place[:, None, :2] - place[None, :, :2]).transpose(2, 0, 1))
    np.fill_diagonal(gap, np.inf)
    change = along - along[gap.argmin(axis=1)]
    np.testing.assert_allclose((change**2).mean(axis=0), 2.0, rtol=0.1)


def test_rows_of_another_earthquake_are_no_neighbours() -> None:
    rows, place, _ = hidden(400)
    # The same place in two earthquakes, where everything else differs.
    both = np.concatenate([rows, rows[::-1] + 50])
    there = np.concatenate([place, place[::-1] + np.array([0, 0, 1])])
    along = slow_axes.along(slow_axes.fit(both, there), both)
    apart = along[:400].mean(axis=0) - along[400:].mean(axis=0)
    assert np.abs(apart).max() > 100


def test_a_row_has_the_same_bits_in_any_company() -> None:
    _, place, _ = hidden(500)
    # Many columns: a product of matrices adds them in an order that depends on the rows.
    rows = np.random.default_rng(2).normal(size=(500, 60)).astype(np.float32)
    axes = slow_axes.fit(rows, place)
    whole = slow_axes.along(axes, rows)
    for part in (slice(7, 8), slice(30, 33), slice(100, 231)):
        np.testing.assert_array_equal(slow_axes.along(axes, rows[part]), whole[part])
    np.testing.assert_array_equal(slow_axes.along(axes, rows[::-1]), whole[::-1])
    np.testing.assert_allclose(whole, rows.astype(float) @ axes, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("count", "numbers"), [(1, 3), (2, 3), (5, 1), (40, 0), (30, 12)])
def test_few_rows_and_few_numbers_have_axes_too(count: int, numbers: int) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(count, numbers)).astype(np.float32)
    if numbers:
        rows[:, 0] = 1.0  # the same everywhere
    place = np.column_stack([np.arange(count), np.zeros((count, 2))]) * 1.0
    axes = slow_axes.fit(rows, place)
    assert axes.shape == (numbers, min(numbers, slow_axes.AXES))
    assert np.isfinite(slow_axes.along(axes, rows)).all()
