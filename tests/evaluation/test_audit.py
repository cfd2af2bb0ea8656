"""The audit against confusion matrices, and on the figures published for Wenchuan."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shakeslide.core.errors import InputError
from shakeslide.evaluation import audit, rates

# OA, precision and recall with the standard deviations of 20 repeats: Remote Sensing 13:3436,
# Table 5, in per cent.
TABLE_5 = {
    "LR": ((80.75, 79.10, 80.33), (0.23, 0.34, 0.27)),
    "SVM": ((82.22, 80.70, 82.07), (0.15, 0.23, 0.12)),
    "RF": ((84.16, 81.93, 84.40), (0.22, 0.17, 0.15)),
    "SAE": ((91.88, 87.56, 91.40), (0.18, 0.21, 0.20)),
}
counts = st.integers(1, 10_000)


@given(tp=counts, fp=counts, fn=counts, tn=counts)
def test_figures_of_a_confusion_matrix_are_consistent_at_its_prevalence(tp, fp, fn, tn):
    found = rates(tp, fp, fn, tn)
    share = (tp + fn) / (tp + fp + fn + tn)
    oa, precision, recall = (float(found[name]) for name in ("oa", "precision", "recall"))
    assert audit.implied_oa(precision, recall, share) == pytest.approx(oa)
    finding = audit.consistency(oa, precision, recall)
    assert finding.possible
    assert finding.prevalence == pytest.approx(share, rel=1e-6)
    assert audit.consistency(oa, precision, recall, share).possible
    rounded = [round(value, 4) for value in (oa, precision, recall)]
    if min(rounded[1:]) > 0:
        assert audit.consistency(*rounded, round(share, 6), tolerance=0.000051).possible


@given(
    share=st.floats(0.02, 0.98),
    off=st.floats(0.01, 0.2),
    p=st.floats(0.3, 0.95),
    r=st.floats(0.3, 1),
)
def test_a_wrong_accuracy_is_found_at_a_known_prevalence(share, off, p, r):
    implied = float(audit.implied_oa(p, r, share))
    if share * r <= implied + off <= 1:
        finding = audit.consistency(implied + off, p, r, share, tolerance=0.0001)
        assert not finding.possible
        low, high = finding.oa[1:]
        assert low <= implied <= high < implied + off


@pytest.mark.parametrize(
    ("model", "implied", "prevalence"),
    [("LR", 79.55, 47.1), ("SVM", 81.22, 47.3), ("RF", 82.89, 46.3), ("SAE", 89.21, 37.6)],
)
def test_table_5_cannot_come_from_a_balanced_test_set(model, implied, prevalence):
    figures, sd = (np.array(values) / 100 for values in TABLE_5[model])
    finding = audit.consistency(*figures, 0.5, tolerance=audit.ROUNDING + sd)
    assert not finding.possible
    assert 100 * finding.oa[0] == pytest.approx(implied, abs=0.005)
    assert 100 * finding.prevalence == pytest.approx(prevalence, abs=0.05)
    assert f"{implied}" in finding.statement
    assert f"{prevalence} % positives" in finding.statement
    assert audit.consistency(*figures).possible


def test_table_5_cannot_come_from_one_test_set_either():
    findings = {}
    for model, (figures, sd) in TABLE_5.items():
        tolerance = audit.ROUNDING + np.array(sd) / 100
        findings[model] = audit.consistency(*np.array(figures) / 100, tolerance=tolerance)
    assert audit.common_prevalence(findings.values()) is None
    shallow = [findings[name] for name in ("LR", "SVM", "RF")]
    low, high = audit.common_prevalence(shallow)
    assert 0.45 < low < high < 0.48


def test_table_4_of_the_same_paper_fits_a_balanced_test_set():
    table_4 = np.array(
        [
            [80.35, 83.03, 83.84, 85.49, 86.72],
            [79.85, 81.91, 82.45, 84.14, 85.37],
            [81.24, 84.83, 86.02, 87.53, 88.68],
        ]
    )
    for figures in table_4.T / 100:
        assert audit.consistency(*figures, 0.5, tolerance=0.0005).possible


def test_more_false_alarms_than_negatives_are_not_called_an_accuracy():
    finding = audit.consistency(0.9, 0.375, 0.9, 0.75)
    assert not finding.possible
    assert "at 75.0 % positives cannot be" in finding.statement


def test_impossible_anywhere_is_said():
    finding = audit.consistency(0.30, 0.9, 0.95)
    assert not finding.possible
    assert finding.prevalence_range is None
    assert "in any test set" in finding.statement
    assert audit.common_prevalence([finding]) is None


def test_range_of_prevalence_is_that_of_all_figures_within_the_tolerance():
    finding = audit.consistency(0.85, 0.8, 0.9, tolerance=(0.02, 0.01, 0.03))
    rng = np.random.default_rng(0)
    oa, p, r = (
        rng.uniform(c - w, c + w, 200_000) for c, w in ((0.85, 0.02), (0.8, 0.01), (0.9, 0.03))
    )
    share = (1 - oa) / (1 - 2 * r + r / p)
    share = share[share * r <= oa]
    low, high = finding.prevalence_range
    assert low <= share.min() < low + 0.01
    assert high - 0.01 < share.max() <= high + 1e-9


def test_true_negatives_limit_the_prevalence():
    finding = audit.consistency(0.5, 0.5, 0.9, tolerance=0.03)
    oa, r = 0.53, 0.87
    assert finding.prevalence_range[1] <= oa / r
    at_limit = finding.prevalence_range[1]
    assert audit.consistency(0.5, 0.5, 0.9, at_limit, tolerance=0.03).possible
    assert not audit.consistency(0.5, 0.5, 0.9, at_limit + 0.01, tolerance=0.03).possible


def test_perfect_figures_fit_any_prevalence():
    finding = audit.consistency(1, 1, 1)
    assert finding.possible
    assert np.isnan(finding.prevalence)
    assert finding.prevalence_range == pytest.approx((0, 1))
    assert audit.consistency(1, 1, 1, 0.3).possible


@pytest.mark.parametrize(
    "figures", [(91.88, 0.8, 0.9), (0.9, 0, 0.9), (0.9, 0.8, 1.2), (0.9, 0.8, np.nan)]
)
def test_per_cent_and_nonsense_are_refused(figures):
    with pytest.raises(InputError, match="give a share"):
        audit.consistency(*figures)
    with pytest.raises(InputError, match="tolerance"):
        audit.consistency(0.9, 0.9, 0.9, tolerance=-1)


def test_optimism_in_points():
    found = audit.optimism({"pixel": [0.9, 0.92], "block": [0.7, np.nan], "landslide": [0.85]})
    assert found == pytest.approx({"block": 21.0, "landslide": 6.0})
    with pytest.raises(ValueError, match="pixel"):
        audit.optimism({"block": [0.7]})


def test_example_in_the_docs():
    assert doctest.testmod(audit).failed == 0
