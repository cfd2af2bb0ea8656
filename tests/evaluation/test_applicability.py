"""The area of applicability by brute force, at its limits and as stored."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from shakeslide.core.errors import InputError
from shakeslide.evaluation.applicability import fit_applicability, from_arrays, upper_whisker
from shakeslide.evaluation.nearest_rows import NearestRows

WEIGHTS = np.array([0.3, 0.0, 0.1, 0.02])


def training(seed=0, n=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * [1, 5, 100, 0.1] + [0, 3, 1000, 0]
    return x, rng.integers(0, 5, n)


def by_hand(x, folds, queries):
    """Meyer and Pebesma's index and threshold, as defined."""
    scaled, other = ((rows - x.mean(0)) / x.std(0) * WEIGHTS for rows in (x, queries))
    mean = pdist(scaled).mean()
    distance = cdist(scaled, scaled)
    distance[folds[:, None] == folds] = np.inf
    inside = distance.min(1) / mean
    lower, upper = np.quantile(inside, [0.25, 0.75])
    threshold = inside[inside <= upper + 1.5 * (upper - lower)].max()
    return cdist(other, scaled).min(1) / mean, threshold


def test_index_and_threshold_are_those_of_the_definition():
    x, folds = training()
    queries = np.random.default_rng(1).normal(size=(50, 4)) * [3, 5, 300, 0.1] + [0, 3, 1000, 0]
    area = fit_applicability(x, WEIGHTS, folds)
    index, threshold = by_hand(x, folds, queries)
    assert area.dissimilarity(queries) == pytest.approx(index)
    assert area.threshold == pytest.approx(threshold)


def test_training_rows_are_at_zero_and_far_rows_outside():
    x, folds = training()
    area = fit_applicability(x, WEIGHTS, folds)
    assert area.dissimilarity(x) == pytest.approx(np.zeros(len(x)), abs=1e-12)
    far = x[:5] + np.array([50, 0, 0, 0])
    assert (area.dissimilarity(far) > 10 * area.threshold).all()
    irrelevant = x[:5] + np.array([0, 1e6, 0, 0])
    assert area.dissimilarity(irrelevant) == pytest.approx(np.zeros(5), abs=1e-12)


def test_most_cells_like_the_training_data_are_inside():
    x, folds = training(2, 3000)
    area = fit_applicability(x, WEIGHTS, folds, max_reference=1000)
    assert area.reference.shape == (1000, 4)
    fresh, _ = training(3, 2000)
    assert np.mean(area.dissimilarity(fresh) <= area.threshold) > 0.9


def test_folds_far_apart_widen_the_area():
    x, folds = training(4)
    by_place = (x[:, 0] > 0).astype(int)
    assert (
        fit_applicability(x, WEIGHTS, by_place).threshold
        > 2 * fit_applicability(x, WEIGHTS, folds).threshold
    )


def test_gaps_stay_gaps_and_chunks_do_not_matter():
    x, folds = training(5)
    area = fit_applicability(x, WEIGHTS, folds)
    queries = training(6, 100)[0].astype(np.float32)
    queries[7, 2] = np.nan
    whole = area.dissimilarity(queries)
    assert np.flatnonzero(np.isnan(whole)).tolist() == [7]
    pieces = np.concatenate([area.dissimilarity(queries[k : k + 9]) for k in range(0, 100, 9)])
    assert np.array_equal(whole, pieces, equal_nan=True)


def test_negative_importance_and_constant_columns_do_not_count():
    x, folds = training(7)
    x[:, 3] = 5
    area = fit_applicability(x, [1, -1, 0, 1], folds)
    assert (area.factor > 0).tolist() == [True, False, False, False]


def test_area_is_stored_as_arrays():
    x, folds = training(8)
    area = fit_applicability(x, WEIGHTS, folds)
    arrays = area.to_arrays()
    again = from_arrays(arrays)
    queries = training(9, 20)[0]
    assert np.array_equal(again.dissimilarity(queries), area.dissimilarity(queries))
    assert again.threshold == area.threshold
    for damage in (
        {"scalars": np.array([0.0, 1.0])},
        {"centre": np.zeros(3)},
        {"reference": np.full((2, 4), np.nan)},
        {"reference": np.empty((0, 4))},
    ):
        with pytest.raises(InputError, match="damaged"):
            from_arrays({**arrays, **damage})
    with pytest.raises(InputError, match="'centre'"):
        from_arrays({})


def test_whisker_leaves_out_outliers_only():
    values = np.r_[np.arange(1.0, 101), 1000]
    assert upper_whisker(values) == 100
    assert upper_whisker([1, 2, 3]) == 3


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e30])
@pytest.mark.parametrize("columns", [1, 8, 11])
def test_the_nearest_row_is_that_of_all_comparisons_to_the_last_bit(columns, scale):
    rng = np.random.default_rng(columns)
    reference = rng.normal(size=(150, columns)) * rng.uniform(0.01, 1, columns) * scale
    # Rows that single precision does not tell apart.
    reference = np.tile(reference, (8, 1)) * (1 + 1e-9 * rng.normal(size=(1200, columns)))
    queries = np.concatenate(
        [
            rng.normal(size=(300, columns)) * scale,
            reference[:40] * (1 + 1e-9),
            reference[:9] * 1e7,
            reference[40:60],
        ]
    )
    squared = np.zeros((len(queries), len(reference)))
    for c in range(columns):
        squared += (reference[:, c] - queries[:, c, None]) ** 2
    found = NearestRows.of(reference).distance(queries)
    assert np.array_equal(found, np.sqrt(squared.min(axis=1)))


def test_rows_without_a_distance_do_not_disturb_the_next():
    reference = np.arange(12.0).reshape(6, 2)
    queries = np.array([[0.0, 1.0], [np.nan, 0.0], [0.0, np.inf], [10.0, 11.0]])
    found = NearestRows.of(reference).distance(queries)
    assert np.array_equal(found, [0.0, np.nan, np.nan, 0.0], equal_nan=True)


def test_impossible_training_data_are_refused():
    x, folds = training(10)
    wishes = {
        "must be": lambda: fit_applicability(x, WEIGHTS[:2], folds),
        "finite": lambda: fit_applicability(np.where(x == x.max(), np.nan, x), WEIGHTS, folds),
        "no column": lambda: fit_applicability(x, np.zeros(4), folds),
        "two folds": lambda: fit_applicability(x, WEIGHTS, np.zeros(len(x))),
    }
    for message, wish in wishes.items():
        with pytest.raises(ValueError, match=message):
            wish()
