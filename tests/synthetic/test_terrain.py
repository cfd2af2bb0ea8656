"""Carved terrain: no pits, the stream-power law, grids that fit, any size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic import SyntheticEarthquake
from shakeslide.synthetic.drainage import accumulate, fill_depressions, steepest_receivers
from shakeslide.synthetic.mountains import (
    CONCAVITY,
    HILLSLOPE_AREA,
    STEEPNESS,
    Erosion,
    Ground,
    evolve,
)
from shakeslide.synthetic.noise import Floats
from shakeslide.synthetic.relief import MARGIN, Frame, cascade, lay_floodplains, make_relief


def even(frame: Frame) -> Ground:
    ones = np.ones((frame.rows, frame.cols), np.float32)
    return Ground(ones, ones, ones)


def flat(frame: Frame) -> Floats:
    return np.full((frame.rows, frame.cols), 1000.0, np.float32)


def pits(z: Floats) -> int:
    """Cells within the edges that have no lower neighbour."""
    own = np.arange(z.size).reshape(z.shape)
    return int((steepest_receivers(z) == own)[1:-1, 1:-1].sum())


@settings(max_examples=12)
@given(
    rows=st.integers(24, 80),
    cols=st.integers(24, 80),
    cell=st.sampled_from([5.0, 12.5, 25.0, 90.0]),
)
def test_any_size_drains(rows: int, cols: int, cell: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shakeslide.synthetic.relief.STEPS", 12)
        relief = make_relief(rows, cols, cell, even, flat, 3)
    assert relief.elevation[relief.inner].shape == (rows, cols)
    assert np.isfinite(relief.elevation).all()
    assert pits(relief.elevation) == 0


@settings(max_examples=200)
@given(rows=st.integers(24, 9000), cols=st.integers(24, 9000))
def test_the_cascade_fits_together(rows: int, cols: int) -> None:
    levels = cascade(rows, cols, 25.0)
    finest = levels[-1]
    row, col, height, width = finest.window
    assert (height, width) == (rows, cols)
    assert finest.frame.x[col] == pytest.approx(-12.5 * (cols - 1))
    assert finest.frame.y[row + height - 1] == pytest.approx(-12.5 * (rows - 1))
    for coarse, fine in pairwise(levels):
        row, col, height, width = coarse.window
        assert min(row, col) >= MARGIN
        assert (2 * height, 2 * width) == (fine.frame.rows, fine.frame.cols)
        assert row + height + MARGIN <= coarse.frame.rows
        assert col + width + MARGIN <= coarse.frame.cols
        # The centre of a coarse cell is the middle of its four fine cells.
        assert coarse.frame.x[col] == pytest.approx(fine.frame.x[:2].mean())
        assert coarse.frame.y[row] == pytest.approx(fine.frame.y[:2].mean())


def test_a_finished_landscape_follows_the_stream_power_law() -> None:
    rng = np.random.default_rng(1)
    cell, shape = 100.0, (120, 120)
    z = rng.normal(500.0, 30.0, shape).astype(np.float32)
    fixed = np.zeros(shape, np.uint8)
    fixed[[0, -1]] = 1
    fixed[:, [0, -1]] = 1
    fill_depressions(z, fixed, 0.01)
    ones = np.ones(shape, np.float32)
    still = np.zeros(shape, np.float32)
    ground = Ground(ones, ones, 100.0 * ones)
    z = evolve(z, ground, cell, erosion=Erosion(150, 60.0, 0.0), inflow=still, seed=2)
    receivers = steepest_receivers(z)
    area = accumulate(receivers, still)[5:-5, 5:-5].ravel() * cell**2
    here, there = np.divmod(receivers, shape[1])
    rows, cols = np.indices(shape)
    length = cell * np.hypot(here - rows, there - cols)
    with np.errstate(invalid="ignore"):
        slope = ((z - z.ravel()[receivers]) / length)[5:-5, 5:-5].ravel()
    rivers = area > 30 * cell**2
    expected = STEEPNESS * (area[rivers] + HILLSLOPE_AREA) ** -CONCAVITY
    ratio = slope[rivers] / expected
    assert 0.8 < np.median(ratio) < 1.3
    fit = np.polyfit(np.log(area[rivers] + HILLSLOPE_AREA), np.log(slope[rivers]), 1)
    assert fit[0] == pytest.approx(-CONCAVITY, abs=0.08)


def test_twice_the_uplift_makes_twice_the_slope() -> None:
    rng = np.random.default_rng(1)
    shape = (60, 60)
    start = rng.normal(500.0, 10.0, shape).astype(np.float32)
    fixed = np.zeros(shape, np.uint8)
    fixed[[0, -1]] = 1
    fixed[:, [0, -1]] = 1
    fill_depressions(start, fixed, 0.01)
    ones, still = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    slopes = []
    for uplift in (0.5, 1.0):
        ground = Ground(ones, uplift * ones, 100.0 * ones)
        z = evolve(start, ground, 100.0, erosion=Erosion(120, 60.0, 0.0), inflow=still, seed=2)
        slopes.append(np.median(np.tan(np.radians(derivatives(z, 100.0, 100.0).slope_deg))))
    assert slopes[1] / slopes[0] == pytest.approx(2.0, abs=0.25)


def test_floodplains_fill_valleys_and_everything_still_drains() -> None:
    frame = Frame(160, 120, 50.0, 0.0, 0.0)
    y, x = frame.y[:, None], frame.x[None, :]
    # A trunk valley that falls to the south, and its slopes.
    z = (300.0 - 0.01 * (frame.y[0] - y) + 0.2 * np.abs(x - x.mean())).astype(np.float32)
    inflow = np.zeros(z.shape, np.float32)
    inflow[0, z[0].argmin()] = 40_000.0
    receivers = steepest_receivers(z)
    area = accumulate(receivers, inflow)
    before = z.copy()
    lay_floodplains(z, receivers, area, frame.cell)
    assert (z >= before).all()
    assert pits(z) == 0
    slope = derivatives(z, 50.0, 50.0).slope_deg[80]
    assert (slope < 3.0).sum() >= 3
    assert (derivatives(before, 50.0, 50.0).slope_deg[80] < 3.0).sum() <= 1
    assert slope[:20].min() > 10.0


def test_the_map_drains_to_its_edges(earthquake: SyntheticEarthquake) -> None:
    assert pits(earthquake.elevation) == 0


def test_the_median_slope_is_as_asked(earthquake: SyntheticEarthquake) -> None:
    slope = derivatives(earthquake.elevation, 25.0, 25.0).slope_deg
    assert np.median(slope) == pytest.approx(28.0, abs=0.05)
    low, high = np.percentile(slope, [10, 90])
    assert low < 20.0 < 36.0 < high


def test_slopes_do_not_prefer_the_directions_of_the_grid(earthquake: SyntheticEarthquake) -> None:
    found = derivatives(earthquake.elevation, 25.0, 25.0)
    angle = np.radians(found.aspect_deg[found.slope_deg > 5.0].astype(float))
    # The share of aspects that repeats every 45 degrees; facets of D8 have .1 to .4 of it.
    assert abs(np.exp(8j * angle).mean()) < 0.06


def test_large_rivers_have_low_gradients_and_wide_floors(earthquake: SyntheticEarthquake) -> None:
    slope = derivatives(earthquake.elevation, 25.0, 25.0).slope_deg
    large = earthquake.surface.drainage > 8.0
    assert large.any()
    assert np.median(slope[large]) < 10.0
