"""Logistic regression against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Theirs

from shakeslide.models import LogisticRegression
from shakeslide.models.logistic import logistic


@pytest.mark.parametrize("C", [0.1, 1.0])
def test_probabilities_are_scikit_learns(C):
    rng = np.random.default_rng(0)
    X = rng.random((500, 8)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=500) > 1).astype(int)
    ours = LogisticRegression(C=C).fit(X, y)
    theirs = Theirs(C=C, max_iter=1000).fit(X.astype(float), y)
    want = theirs.predict_proba(X.astype(float))
    np.testing.assert_allclose(ours.predict_proba(X), want, atol=1e-12)


def test_logistic_function_neither_overflows_nor_loses_small_numbers():
    z = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    np.testing.assert_allclose(logistic(z), [0, np.exp(-40.0), 0.5, 1, 1], rtol=1e-12, atol=0)
