"""Masks and the known truth are read as any layer is, however their files are stored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from scipy import ndimage

from shakeslide.checks.rasters import require_values
from shakeslide.geo.grid import Tile
from shakeslide.layers import masks
from shakeslide.pipeline.models import known_truth
from shakeslide.sampling.sample_counts import NOT_COUNTED
from shakeslide.sampling.sample_table import Samples
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Mask

from .stored import CRS as UTM
from .stored import NORTH_UP, scaled, store

SHAPE = (30, 26)
ALIGNED = GeoBox(SHAPE, NORTH_UP, CRS(UTM))
MOVED = GeoBox((20, 20), NORTH_UP * Affine.translation(2.3, 3.0), CRS(UTM))
"""Its cells' centres lie in the cells that are 2 columns and 3 rows on."""
WAYS = [("south", ""), ("south and east", "msk"), ("", "internal"), ("", "alpha")]
GRIDS = pytest.mark.parametrize(
    ("grid", "part"),
    [(ALIGNED, np.s_[:, :]), (MOVED, np.s_[3:23, 2:22])],
    ids=["aligned", "resampled"],
)


def field(path: Path, turn: str, mask: str) -> np.ndarray:
    """Write percents that rise to the south, nodata 100, and return which cells have none."""
    rows = np.broadcast_to(np.arange(SHAPE[0])[:, None], SHAPE)
    values, hidden = (3 * rows).astype(np.int16), np.zeros(SHAPE, bool)
    values[12, 9], hidden[5:8, 6:12] = 100, True
    store(path, values, hidden, turn, mask, nodata=100)
    return hidden & (mask != "") | (values == 100)


@GRIDS
@pytest.mark.parametrize(("turn", "mask"), WAYS)
def test_the_truth(tmp_path: Path, turn: str, mask: str, grid: GeoBox, part: object) -> None:
    layer = Layer(path=tmp_path / "truth.tif")
    missing = field(layer.path, turn, mask)[part]
    scaled(layer.path, 0.01, 0.1)
    row, col = np.nonzero(np.ones(grid.shape, bool))
    run = SimpleNamespace(
        study=SimpleNamespace(evaluation=SimpleNamespace(truth=layer)),
        grid=lambda: grid,
        tile=lambda: 16,
    )
    samples = Samples(pd.DataFrame({"row": row, "col": col}), (), pd.DataFrame(), NOT_COUNTED)
    found = known_truth(run, samples)
    right = np.where(missing, np.nan, (0.03 * np.arange(SHAPE[0]) + 0.1)[part[0], None])
    read = found.reshape(grid.shape)
    np.testing.assert_array_equal(np.isnan(read), missing)
    # A value beside a missing one comes from the others alone.
    sure = ~ndimage.binary_dilation(missing, iterations=2)
    np.testing.assert_allclose(read[sure], right[sure], atol=1e-6)
    _, seen = require_values(layer, "evaluation.truth", ALIGNED)
    assert (seen.low, seen.high) == (pytest.approx(0.1), pytest.approx(0.97))


@GRIDS
@pytest.mark.parametrize(("turn", "mask"), WAYS)
@pytest.mark.parametrize("classes", [None, [30, 100]])
def test_masks(
    tmp_path: Path, turn: str, mask: str, grid: GeoBox, part: object, classes: list[int] | None
) -> None:
    path = tmp_path / "ground.tif"
    missing = field(path, turn, mask)
    ground = masks.load([Mask(path=path, classes=classes, map_value=0)], grid)
    rows = np.broadcast_to(np.arange(SHAPE[0])[:, None], SHAPE)
    right = ((rows == 10) if classes else (rows > 0)) & ~missing
    covered = ground.covers(Tile((0, 0), 0, grid.shape[0], 0, grid.shape[1]))
    np.testing.assert_array_equal(covered, right[part])
