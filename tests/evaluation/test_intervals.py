"""Intervals: replicates by brute force, coverage on known truth, the corrected t by hand."""

import numpy as np
import pytest
from scipy import stats

from shakeslide.evaluation import intervals
from shakeslide.evaluation.scores import ECE_BINS, MEASURES, scores


def clustered(seed=0, groups=60, per_group=12, spread=1.0):
    """Labels and probabilities that share a random effect within their group."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups) * 7 + 3, per_group)
    effect = np.repeat(rng.normal(0, spread, groups), per_group)
    y = (rng.random(group.size) < 0.4).astype(int)
    z = 1.2 * (y - 0.5) + effect * (2 * y - 1) + rng.normal(0, 1, group.size)
    return y, np.round(1 / (1 + np.exp(-z)), 2), group


def drawn(groups, n, seed):
    return np.concatenate(list(intervals._drawn(groups, n, seed)), axis=1)


@pytest.mark.parametrize(("prevalence", "share"), [(None, None), (0.03, None), (0.03, 0.4)])
def test_replicates_are_the_scores_of_rows_drawn_by_group(prevalence, share):
    y, p, group = clustered()
    settings = intervals.Settings(0.4, prevalence, share)
    sample = intervals.replicates(y, p, group, settings=settings, n=40, seed=3)
    times = drawn(60, 40, 3)[(group - 3) // 7]
    whole = scores(y, p, 0.4, prevalence, sample_share=share)
    assert dict(zip(MEASURES, sample.estimate, strict=True)) == pytest.approx(
        {name: whole[name] for name in MEASURES}
    )
    for values, weight in zip(sample.values, times.T, strict=True):
        expected = scores(y, p, 0.4, prevalence, weight, share)
        got = dict(zip(MEASURES, values, strict=True))
        got.pop("ece")
        assert got == pytest.approx({name: expected[name] for name in got})


def test_ece_of_a_replicate_keeps_the_bins_of_the_data():
    y, p, group = clustered(1)
    p = p + np.random.default_rng(0).uniform(0, 1e-4, p.size) * (p < 0.5)  # no ties to speak of
    sample = intervals.replicates(y, p, group, n=3, seed=1)
    weight = drawn(60, 3, 1)[(group - 3) // 7]
    distinct = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(distinct[2]) - distinct[2] / 2
    row_bin = (middle / p.size * ECE_BINS).astype(int)[distinct[1]]
    for k in range(3):
        gap = np.bincount(row_bin, weight[:, k] * (y - p))
        assert sample.values[k, MEASURES.index("ece")] == pytest.approx(
            np.abs(gap).sum() / weight[:, k].sum()
        )


def test_parts_are_scored_apart_and_averaged_on_the_same_draw():
    y, p, group = clustered(2)
    part = np.arange(y.size) % 3
    together = intervals.replicates(y, p, group, part, n=20, seed=5)
    apart = [
        [scores(y[part == k], p[part == k], weights=w[part == k])["roc_auc"] for k in range(3)]
        for w in drawn(60, 20, 5)[(group - 3) // 7].T
    ]
    column = MEASURES.index("roc_auc")
    assert together.values[:, column] == pytest.approx(np.mean(apart, axis=1))
    whole = [scores(y[part == k], p[part == k])["roc_auc"] for k in range(3)]
    assert together.estimate[column] == pytest.approx(np.mean(whole))


def test_draws_are_multinomial_and_depend_on_the_seed_only():
    times = drawn(50, 400, 9)
    assert (times.sum(axis=0) == 50).all()
    assert times.mean() == 1
    assert times.var() == pytest.approx(1 - 1 / 50, rel=0.05)
    assert np.array_equal(times[:, :32], drawn(50, 32, 9))
    assert not np.array_equal(times[:, :32], drawn(50, 32, 10))


def test_interval_over_groups_covers_the_truth_where_one_over_cells_does_not():
    y, p, _ = clustered(0, groups=20_000)
    truth = scores(y, p)["roc_auc"]
    covered = {"groups": 0, "cells": 0}
    for seed in range(60):
        y, p, group = clustered(1000 + seed, groups=80)
        for name, drawn_by in (("groups", group), ("cells", np.arange(y.size))):
            low, high = intervals.bootstrap(y, p, drawn_by, n=100, seed=seed)["roc_auc"][1:]
            covered[name] += low <= truth <= high
    assert covered["groups"] >= 53
    assert covered["cells"] <= 45


def test_difference_of_a_model_with_itself_is_nothing_and_pairing_narrows_the_interval():
    y, p, group = clustered(3)
    same = intervals.bootstrap_difference(y, p, p, group, n=50)
    assert all(interval == (0, 0, 0) for interval in same.values())
    other = np.clip(p + np.random.default_rng(0).normal(0, 0.02, p.size), 0, 1)
    paired = intervals.bootstrap_difference(y, p, other, group, n=300)["roc_auc"]
    alone = intervals.bootstrap(y, p, group, n=300)["roc_auc"]
    assert paired.estimate == pytest.approx(scores(y, p)["roc_auc"] - scores(y, other)["roc_auc"])
    assert paired.low < paired.estimate < paired.high
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)


def test_undefined_scores_give_nan_intervals():
    result = intervals.bootstrap([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [1, 1, 2, 2], n=10)
    assert np.isnan(result["precision"]).all()
    assert result["recall"] == (0, 0, 0)


def test_corrected_interval_by_hand():
    values = np.array([0.80, 0.84, 0.82, 0.86, 0.78])
    got = intervals.corrected_interval(values, 80, 20)
    error = np.sqrt((1 / 5 + 0.25) * 0.001)
    assert got.estimate == pytest.approx(0.82)
    assert got.standard_error == pytest.approx(error)
    assert got.high - got.estimate == pytest.approx(2.7764451 * error)
    assert got.estimate - got.low == pytest.approx(2.7764451 * error)
    assert intervals.corrected_interval(values, 1, 0)[:4] == pytest.approx(
        (0.82, *stats.t.interval(0.95, 4, 0.82, stats.sem(values)), stats.sem(values))
    )


def test_paired_difference_tests_the_mean_difference():
    first, second = np.array([0.8, 0.9, 0.7]), np.array([0.7, 0.9, 0.65])
    got = intervals.paired_difference(first, second, 10, 0)
    expected = stats.ttest_rel(first, second)
    assert got.p_value == pytest.approx(expected.pvalue)
    assert got.estimate == pytest.approx(0.05)
    wider = intervals.paired_difference(first, second, [4, 4, 4], [1, 1, 1])
    assert wider.p_value > got.p_value
    with pytest.raises(ValueError, match="same splits"):
        intervals.paired_difference(first, second[:2], 1, 1)


def test_intervals_of_one_split_and_of_equal_values():
    assert np.isnan(intervals.corrected_interval([0.8], 4, 1)[1:]).all()
    assert intervals.corrected_interval([0.1, 0.1], 4, 1)[1:] == (0.1, 0.1, 0, 0)
    assert intervals.corrected_interval([0.0, 0.0], 4, 1).p_value == 1
