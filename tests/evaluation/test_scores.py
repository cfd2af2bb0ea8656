"""Scores and curves against scikit-learn, closed forms and counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from shakeslide.evaluation import (
    captured,
    class_weights,
    correct_prior,
    precision_recall,
    rates,
    reliability,
    roc,
    roc_on_grid,
    success_rate,
)
from shakeslide.evaluation.curves import interpolate_upper
from shakeslide.evaluation.scores import scores

KEYS = {"oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "log_loss", "ece"}
COUNTS = {"tp", "fp", "fn", "tn"}


def sample(seed=0, n=4000, share=0.3, ties=True):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    p = np.clip(rng.beta(2, 4, n) + 0.25 * y * rng.random(n), 0, 1)
    return y, np.round(p, 2) if ties else p


def oracle(y, p, w=None, threshold=0.5):
    called = (p >= threshold).astype(int)
    tn, fp, fn, tp = metrics.confusion_matrix(y, called, sample_weight=w).ravel()
    return {
        "oa": metrics.accuracy_score(y, called, sample_weight=w),
        "precision": metrics.precision_score(y, called, sample_weight=w),
        "recall": metrics.recall_score(y, called, sample_weight=w),
        "f1": metrics.f1_score(y, called, sample_weight=w),
        "mcc": metrics.matthews_corrcoef(y, called, sample_weight=w),
        "roc_auc": metrics.roc_auc_score(y, p, sample_weight=w),
        "pr_auc": metrics.average_precision_score(y, p, sample_weight=w),
        "brier": metrics.brier_score_loss(y, p, sample_weight=w),
        "log_loss": metrics.log_loss(y, p, sample_weight=w),
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
    }


def assert_like_oracle(got, expected):
    for key, value in expected.items():
        assert got[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("threshold", [0.5, 0.31])
def test_scores_are_scikit_learns(ties, threshold):
    y, p = sample(ties=ties)
    got = scores(y, p, threshold)
    assert set(got) == KEYS | COUNTS
    assert all(type(value) is float for value in got.values())
    assert_like_oracle(got, oracle(y, p, threshold=threshold))


@pytest.mark.parametrize("prevalence", [0.01, 0.5, 0.93])
def test_prevalence_weighs_the_classes_of_every_score(prevalence):
    y, p = sample(1)
    w = class_weights(y, prevalence)
    assert np.average(y, weights=w) == pytest.approx(prevalence)
    assert w.sum() == pytest.approx(y.size)
    got = scores(y, p, prevalence=prevalence)
    assert_like_oracle(got, oracle(y, p, w))
    assert (got["tp"] + got["fn"]) / y.size == pytest.approx(prevalence)
    assert got["ece"] == pytest.approx(reliability(y, p, 15, w).ece)


def test_row_weights_are_scikit_learns_and_combine_with_prevalence():
    y, p = sample(2)
    w = np.random.default_rng(0).integers(0, 4, y.size).astype(float)
    assert_like_oracle(scores(y, p, weights=w), oracle(y, p, w))
    rows = np.repeat(np.arange(y.size), w.astype(int))
    assert scores(y, p, prevalence=0.02, weights=w) == pytest.approx(
        {k: v * (w.sum() / rows.size) for k, v in scores(y[rows], p[rows], prevalence=0.02).items()}
    )


def test_a_sample_share_corrects_the_probabilities_but_not_the_classes():
    y, p = sample(11)
    given, corrected = p.astype(np.float32), correct_prior(p.astype(np.float32), 0.3, 0.02)
    got = scores(y, given, prevalence=0.02, sample_share=0.3)
    plain, moved = scores(y, given, prevalence=0.02), scores(y, corrected, prevalence=0.02)
    for key in ("brier", "log_loss", "ece", "roc_auc"):
        assert got[key] == pytest.approx(moved[key], rel=1e-5), key
    for key in ("oa", "precision", "recall", "f1", "mcc", "pr_auc", "tp", "fp", "fn", "tn"):
        assert got[key] == plain[key], key
    with pytest.raises(ValueError, match="without a prevalence"):
        scores(y, p, sample_share=0.3)


def test_float32_saturated_probabilities_score_as_in_scikit_learn():
    y = np.array([0, 1, 1, 0])
    p = np.array([1, 0, 1, 0], dtype=np.float32)
    assert scores(y, p)["log_loss"] == pytest.approx(metrics.log_loss(y, p), rel=1e-6)


def test_undefined_scores_are_nan_and_the_others_are_not():
    nothing_called = scores([0, 1, 1], [0.1, 0.2, 0.3])
    assert np.isnan([nothing_called["precision"], nothing_called["mcc"]]).all()
    assert (nothing_called["recall"], nothing_called["f1"]) == (0, 0)
    negatives = scores([0, 0], [0.1, 0.7])
    assert np.isnan([negatives[k] for k in ("roc_auc", "pr_auc", "recall", "mcc")]).all()
    assert (negatives["oa"], negatives["precision"]) == (0.5, 0)
    positives = scores([1, 1], [0.1, 0.7])
    assert np.isnan(positives["roc_auc"])
    assert positives["pr_auc"] == 1
    reweighted = scores([1, 1], [0.1, 0.7], prevalence=0.1)
    assert reweighted["recall"] == 0.5
    assert np.isnan([reweighted[k] for k in (KEYS | COUNTS) - {"recall", "tp", "fn"}]).all()


@pytest.mark.parametrize(
    ("y", "p", "kwargs", "message"),
    [
        ([0, 1], [0.5], {}, "one length"),
        ([0, 2], [0.5, 0.5], {}, "only 0 and 1"),
        ([0, 1], [0.5, np.nan], {}, "NaN"),
        ([0, 1], [0.5, 1.1], {}, "NaN"),
        ([], [], {}, "no rows"),
        ([0, 1], [0.5, 0.5], {"prevalence": 0.0}, "between 0 and 1"),
        ([0, 1], [0.5, 0.5], {"weights": [1, -1]}, "weights"),
        ([0, 1], [0.5, 0.5], {"weights": [0, 0]}, "no rows"),
    ],
)
def test_wrong_arrays_are_refused(y, p, kwargs, message):
    with pytest.raises(ValueError, match=message):
        scores(y, p, **kwargs)


def test_matthews_keeps_its_digits_for_millions():
    got = rates(3e9, 1e9, 2e9, 4e9)["mcc"]
    assert got == pytest.approx((12 - 2) / np.sqrt(4 * 5 * 5 * 6.0))


probabilities = hnp.arrays(np.float64, 30, elements=st.sampled_from(np.linspace(0, 1, 7)))
labels = hnp.arrays(np.int64, 30, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < 30)


@given(y=labels, p=probabilities)
@settings(max_examples=50)
def test_auc_is_the_chance_that_a_positive_outranks_a_negative(y, p):
    above = p[y == 1][:, None] - p[y == 0]
    expected = np.mean((above > 0) + 0.5 * (above == 0))
    assert scores(y, p)["roc_auc"] == pytest.approx(expected)
    fpr, tpr = roc(y, p)
    assert np.trapezoid(tpr, fpr) == pytest.approx(expected)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()


def test_roc_is_scikit_learns_curve_without_its_straight_points():
    y, p = sample(3, n=500)
    fpr, tpr = roc(y, p)
    full_fpr, full_tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    assert fpr.size < full_fpr.size
    assert interpolate_upper(full_fpr, fpr, tpr) == pytest.approx(
        interpolate_upper(full_fpr, full_fpr, full_tpr)
    )


def test_roc_on_grid_takes_the_upper_end_of_a_step_and_keeps_the_area():
    fpr, tpr = roc_on_grid([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], n=5)
    assert fpr.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert tpr.tolist() == [0.5, 0.5, 1, 1, 1]
    y, p = sample(4)
    area = np.trapezoid(*reversed(roc_on_grid(y, p)))
    assert area == pytest.approx(scores(y, p)["roc_auc"], abs=1 / 200)


def test_precision_recall_is_scikit_learns():
    y, p = sample(5, n=300)
    precision, recall, threshold = precision_recall(y, p)
    expected = metrics.precision_recall_curve(y, p)
    assert precision == pytest.approx(expected[0][-2::-1])
    assert recall == pytest.approx(expected[1][-2::-1])
    assert threshold == pytest.approx(expected[2][::-1])


def test_curves_without_positives_are_refused():
    for curve in (roc, precision_recall, success_rate):
        with pytest.raises(ValueError, match="needs"):
            curve([0, 0], [0.1, 0.2])


def test_reliability_bins_have_equal_weight_and_count_everything():
    y, p = sample(6, ties=False)
    bins = reliability(y, p, 10)
    assert bins.weight.tolist() == [400] * 10
    order = np.argsort(p).reshape(10, 400)
    assert bins.predicted == pytest.approx(p[order].mean(1))
    assert bins.observed == pytest.approx(y[order].mean(1))
    assert bins.ece == pytest.approx(np.abs(p[order].mean(1) - y[order].mean(1)).mean())


def test_reliability_by_width_is_scikit_learns_calibration_curve():
    from sklearn.calibration import calibration_curve

    y, p = sample(7, ties=False)
    observed, predicted = calibration_curve(y, p, n_bins=12)
    bins = reliability(y, p, 12, spacing="width")
    assert bins.predicted == pytest.approx(predicted)
    assert bins.observed == pytest.approx(observed)


def test_reliability_never_parts_equal_probabilities():
    bins = reliability([0, 1, 1, 0, 1, 1], [0.5] * 5 + [1.0], 4)
    assert bins.predicted.tolist() == [0.5, 1]
    assert bins.observed.tolist() == [0.6, 1]
    assert bins.weight.tolist() == [5, 1]


def test_ece_of_known_calibration():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    right = (rng.random(p.size) < p).astype(int)
    wrong = (rng.random(p.size) < p**2).astype(int)
    assert scores(right, p)["ece"] < 0.01
    assert scores(wrong, p)["ece"] == pytest.approx(1 / 2 - 1 / 3, abs=0.005)


def test_success_rate_counts_landslides_in_the_ranked_area():
    y, p = sample(8, n=1000)
    area, found = success_rate(y, p)
    for cut in np.unique(p)[::-1]:
        expected = y[p >= cut].sum() / y.sum()
        assert interpolate_upper(np.array([np.mean(p >= cut)]), area, found) == pytest.approx(
            expected
        )


def test_captured_shares_by_hand_and_with_area_weights():
    y = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    p = np.arange(10)[::-1] / 10
    assert captured(y, p, (0.1, 0.2, 0.35, 1.0)) == pytest.approx([1 / 3, 2 / 3, 2.5 / 3, 1])
    weights = np.where(y == 1, 1.0, 13.0)
    assert captured(y, p, (0.01, 0.02, 0.16), weights) == pytest.approx(
        [0.94 / 3, 1.88 / 3, (2 + 0.04) / 3]
    )


def test_captured_of_a_constant_map_is_the_share_itself():
    y, _ = sample(9)
    assert captured(y, np.full(y.size, 0.5)) == pytest.approx([0.05, 0.10, 0.20])


def test_success_rate_at_true_prevalence_approaches_the_roc_curve():
    y, p = sample(10, ties=False)
    rare = success_rate(y, p, class_weights(y, 1e-6))
    between_steps = np.linspace(0.00011, 0.99987, 300)
    assert interpolate_upper(between_steps, *rare) == pytest.approx(
        interpolate_upper(between_steps, *roc(y, p)), abs=0.001
    )
