"""Calibration against scikit-learn, Bayes' rule and known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from shakeslide.core.errors import InputError
from shakeslide.evaluation import class_weights
from shakeslide.evaluation.calibration import (
    Isotonic,
    Platt,
    correct_prior,
    fit_isotonic,
    fit_platt,
    from_arrays,
)
from shakeslide.evaluation.scores import scores

shares = st.floats(0.001, 0.999)


@given(p=st.floats(1e-6, 1 - 1e-6), s=shares, prevalence=shares)
def test_correction_is_the_shift_of_the_log_odds_and_can_be_undone(p, s, prevalence):
    corrected = correct_prior(p, s, prevalence)
    assert logit(corrected) == pytest.approx(logit(p) + logit(prevalence) - logit(s), abs=1e-5)
    assert correct_prior(corrected, prevalence, s) == pytest.approx(p, rel=1e-6)


def test_correction_keeps_type_shape_order_ends_and_gaps():
    p = np.array([[0, 0.2, np.nan], [0.5, 0.9, 1]], dtype=np.float32)
    corrected = correct_prior(p, 0.5, 0.01)
    assert corrected.dtype == np.float32
    assert corrected.shape == p.shape
    assert corrected[1, 0] == np.float32(0.01)
    assert (corrected[0, 0], corrected[1, 2]) == (0, 1)
    assert np.array_equal(np.isnan(corrected), np.isnan(p))


@pytest.mark.slow
def test_correction_recovers_the_truth_of_a_balanced_sample():
    rng = np.random.default_rng(0)
    truth = expit(rng.normal(-4, 1.5, 400_000))
    y = rng.random(truth.size) < truth
    keep = y | (rng.random(y.size) < y.sum() / (~y).sum())
    balanced = correct_prior(truth, y.mean(), y[keep].mean())  # what an ideal model would learn
    assert scores(y[keep], balanced[keep])["ece"] < 0.01
    corrected = correct_prior(balanced, y[keep].mean(), y.mean())
    assert corrected == pytest.approx(truth)
    assert scores(y, corrected)["ece"] < 0.002
    assert scores(y, balanced)["ece"] > 0.1


@pytest.mark.parametrize(("s", "prevalence"), [(0, 0.1), (0.5, 1), (0.5, np.nan)])
def test_impossible_shares_are_refused(s, prevalence):
    with pytest.raises(InputError, match="between 0 and 1"):
        correct_prior(0.5, s, prevalence)


def distorted(seed=0, n=20_000):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, n)
    y = (rng.random(n) < expit(z)).astype(int)
    return y, np.clip(np.round(expit(2 * z + 0.7), 3), 0.001, 0.999), expit(z)


def test_platt_recovers_the_distortion_and_is_the_likelihoods_maximum():
    y, p, truth = distorted()
    fit = fit_platt(y, p)
    assert fit.slope == pytest.approx(0.5, abs=0.03)
    assert fit.intercept == pytest.approx(-0.35, abs=0.05)
    assert np.abs(fit.apply(p) - truth).mean() < 0.01
    z = logit(p)[:, None]
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z, y)
    assert fit.slope == pytest.approx(expected.coef_[0, 0], rel=2e-3)  # Platt's targets differ
    assert fit.intercept == pytest.approx(expected.intercept_[0], rel=2e-3, abs=1e-3)


def test_platt_stays_finite_for_separated_classes_and_for_a_constant():
    apart = fit_platt([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert 0 < apart.slope < 100
    assert apart.apply(0.9) > 0.7
    constant = fit_platt([0, 1, 1, 1], [0.5] * 4)
    assert constant.apply(0.5) == pytest.approx((0.8 * 3 + 1 / 3) / 4)


def test_platt_meets_the_targets_of_two_probabilities_however_lopsided():
    fit = fit_platt([1, 0, 1, 0], [0.0, 0.5, 0.0, 0.0], [10, 1, 10, 1])
    high, low = 21 / 22, 1 / 4
    assert fit.apply(0.5) == pytest.approx(low)
    assert fit.apply(0.0) == pytest.approx((20 * high + low) / 21)


def test_isotonic_is_scikit_learns():
    y, p, _ = distorted(1, 3000)
    w = np.random.default_rng(0).random(y.size)
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, y, w)
    grid = np.linspace(0, 1, 501)
    fit = fit_isotonic(y, p, w)
    assert fit.apply(grid) == pytest.approx(expected.predict(grid))
    assert fit.p.size < 200


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_calibration_keeps_the_order_and_mends_ece_on_other_rows(fit):
    y, p, _ = distorted(2)
    half = y.size // 2
    calibration = fit(y[:half], p[:half])
    calibrated = calibration.apply(p[half:])
    assert (np.diff(calibrated[np.argsort(p[half:])]) >= 0).all()
    assert scores(y[half:], calibrated)["ece"] < 0.25 * scores(y[half:], p[half:])["ece"]


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_weights_calibrate_for_another_prevalence(fit):
    y, p, _ = distorted(3, 100_000)
    calibrated = fit(y, p, class_weights(y, 0.02)).apply(p)
    assert np.average(calibrated, weights=class_weights(y, 0.02)) == pytest.approx(0.02, rel=0.02)
    assert scores(y, calibrated, prevalence=0.02)["ece"] < 0.004


@pytest.mark.parametrize("calibration", [Platt(0.5, -1.0), fit_isotonic(*distorted(4, 500)[:2])])
def test_calibrations_are_stored_as_arrays_and_keep_type_and_shape(calibration):
    again = from_arrays(calibration.to_arrays())
    p = np.array([[0.0, 0.3], [1.0, np.nan]], dtype=np.float32)
    assert type(again) is type(calibration)
    assert np.array_equal(again.apply(p), calibration.apply(p), equal_nan=True)
    assert again.apply(p).dtype == np.float32
    assert np.isnan(again.apply(p)[1, 1])


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"platt": np.zeros(3)},
        {"platt": np.array([1.0, np.nan])},
        {"isotonic": np.array([[0.2, 0.1], [0.0, 1.0]])},
        {"isotonic": np.array([[0.1, 0.2], [1.0, 0.0]])},
        {"isotonic": np.array([[0.1, 0.2], [0.0, 1.5]])},
        {"isotonic": np.empty((2, 0))},
        {"other": np.zeros(2)},
    ],
)
def test_damaged_arrays_are_refused(arrays):
    with pytest.raises(InputError, match="not a valid one"):
        from_arrays(arrays)


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_calibration_needs_both_classes(fit):
    with pytest.raises(ValueError, match="both classes"):
        fit([1, 1], [0.2, 0.3])


def test_isotonic_of_one_probability_is_the_share():
    fit = fit_isotonic([0, 1, 1, 1], [0.5] * 4)
    assert isinstance(fit, Isotonic)
    assert fit.apply([0.0, 0.5, 1.0]).tolist() == [0.75] * 3
