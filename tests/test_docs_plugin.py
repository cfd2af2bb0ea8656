"""The example package: its factor against plain trigonometry, its model against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from shakeslide import pipeline

from . import plugin
from . import small_site as site
from .conftest import open_run

TABLES = """
[factors.FAC]
function = "facing"

[models.discriminant]
shrinkage = 0.2
"""
QUICK = (
    'models.use=["discriminant"]',
    'evaluation.protocols=["pixel"]',
    "evaluation.repeats=1",
)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


@pytest.mark.slow
def test_factor_and_model_of_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin.install(monkeypatch, tmp_path / "packages")
    path = site.make(tmp_path / "site")
    path.write_text(path.read_text() + TABLES)
    run = open_run(path, tmp_path / "out", *QUICK)
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.map_):
        stage(run)
    facing = read(run.out / "factors" / "FAC.tif")
    aspect = read(run.out / "factors" / "SLOA.tif")
    bearing = read(run.out / "factors" / "ED.tif")
    np.testing.assert_allclose(facing, np.cos(np.radians(aspect - bearing)), atol=1e-4)
    probability = read(run.out / "maps" / "discriminant_probability.tif")
    known = np.isfinite(probability)
    assert known.any()
    assert 0 < probability[known].min() < probability[known].max() < 1


def test_discriminant_without_shrinkage_is_linear_discriminant_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.install(monkeypatch, tmp_path)
    from shakeslide_example import Discriminant

    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 300)
    x = rng.normal(0.4 + 0.1 * y[:, None], 0.1, (600, 4)) @ rng.random((4, 4))
    ours = Discriminant(shrinkage=0.0).fit(x, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=2e-2)
    again = Discriminant.from_arrays(ours.to_arrays(), {"shrinkage": 0.0})
    np.testing.assert_array_equal(again.predict_proba(x), ours.predict_proba(x))
    with pytest.raises(ValueError, match="damaged"):
        Discriminant.from_arrays({"weights": np.array([np.nan]), "bias": np.zeros(1)}, {})
