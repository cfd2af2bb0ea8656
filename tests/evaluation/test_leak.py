"""A factor that gives landslides away is exposed by comparing protocols."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from shakeslide.evaluation import optimism, splits
from shakeslide.evaluation.scores import scores


def site(seed=0, landslides=50, cells=80, extent=20_000.0):
    """Large landslides on steep ground, and as many cells without."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(1, landslides + 1), cells)
    centre = rng.uniform(0, extent, (landslides + 1, 2))
    slide = centre[ids] + rng.normal(0, 60, (ids.size, 2))
    free = rng.uniform(0, extent, (ids.size, 2))
    landslide_id = np.r_[ids, np.zeros(ids.size, dtype=int)]
    y = (landslide_id > 0).astype(int)
    slope = rng.normal(30 + 7 * y, 8)
    relief = rng.normal(400 + 60 * y, 120)
    return y, landslide_id, *np.vstack([slide, free]).T, np.column_stack([slope, relief])


def planted(landslide_id, seed=1):
    """A number of its own for each landslide, and for each cell without."""
    rng = np.random.default_rng(seed)
    of_landslide = rng.random(landslide_id.max() + 1)
    return np.where(landslide_id > 0, of_landslide[landslide_id], rng.random(landslide_id.size))


def auc(x, y, draws):
    values = []
    for split in draws:
        forest = RandomForestClassifier(20, max_features=None, random_state=0, n_jobs=1)
        forest.fit(x[split.train], y[split.train])
        p = forest.predict_proba(x[split.test])[:, 1]
        values.append(scores(y[split.test], p)["roc_auc"])
    return values


@pytest.fixture(scope="module")
def compared():
    y, ids, px, py, x = site()
    leaking = np.column_stack([x, planted(ids)])

    def protocols():
        return {
            "pixel": splits.pixel(y, 0.5, 2),
            "landslide": splits.landslide(y, ids, px, py, 0.8, 3),
            "block": splits.block(y, px, py, 2500, 200, 4),
        }

    return {
        name: {protocol: np.mean(auc(rows, y, draws)) for protocol, draws in protocols().items()}
        for name, rows in (("honest", x), ("leaking", leaking))
    }


def test_pixels_alone_would_praise_the_leak(compared):
    assert compared["leaking"]["pixel"] > compared["honest"]["pixel"] + 0.1


def test_honest_protocols_see_no_gain_in_it(compared):
    for protocol in ("landslide", "block"):
        assert compared["leaking"][protocol] < compared["honest"][protocol] + 0.01


def test_optimism_exposes_it(compared):
    honest, leaking = optimism(compared["honest"]), optimism(compared["leaking"])
    for protocol in ("landslide", "block"):
        assert abs(honest[protocol]) < 3
        assert leaking[protocol] > 12
