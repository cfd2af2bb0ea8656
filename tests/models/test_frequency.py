"""The frequency-ratio model against its definition."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from shakeslide.core.errors import InputError
from shakeslide.models import FrequencyRatio


def test_ratio_is_share_of_positives_over_share_of_negatives():
    rng = np.random.default_rng(0)
    X = rng.random((2000, 2)).astype(np.float32)
    X[:, 1] = rng.integers(0, 3, 2000) / 2  # a category: few distinct values
    y = (rng.random(2000) < np.where(X[:, 0] > 0.7, 0.8, 0.3)).astype(int)
    model = FrequencyRatio(bins=5).fit(X, y)
    assert model.edges_.shape == (2, 4)
    np.testing.assert_allclose(
        np.quantile(X[:, 0], [0.2, 0.4, 0.6, 0.8]), model.edges_[0], atol=2e-3
    )
    index = np.zeros(2000)
    for j, edges in enumerate(model.edges_):
        limits = np.concatenate([[-np.inf], edges, [np.inf]])
        for k in range(5):
            inside = (X[:, j] > limits[k]) & (X[:, j] <= limits[k + 1])
            if not inside.any():
                assert model.ratio_[j, k] == 1
                continue
            positives = (y[inside] == 1).sum() / (y == 1).sum()
            negatives = (y[inside] == 0).sum() / (y == 0).sum()
            assert model.ratio_[j, k] == pytest.approx(positives / negatives, rel=0.02)
            index[inside] += model.ratio_[j, k]
    plain = LogisticRegression(C=1e9).fit(index[:, np.newaxis], y)
    want = plain.predict_proba(index[:, np.newaxis])[:, 1]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], want, atol=0.01)


def test_too_few_bins_are_told():
    with pytest.raises(InputError, match="bins"):
        FrequencyRatio(bins=1).fit(np.arange(6.0).reshape(-1, 1), [0, 1, 0, 1, 0, 1])
