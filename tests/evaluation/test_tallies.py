"""Tallies of tiles against the curves of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shakeslide.evaluation import captured, success_rate, tally
from shakeslide.evaluation.curves import interpolate_upper
from shakeslide.evaluation.tallies import CLASSES


def landscape(seed=0, shape=(300, 400)):
    rng = np.random.default_rng(seed)
    p = (1 / (1 + np.exp(-rng.normal(-5, 2, shape)))).astype(np.float32)
    return (rng.random(shape) < p).astype(np.uint8), p


def test_tally_gives_the_curve_of_the_whole_map():
    y, p = landscape()
    counted = tally(y, p)
    assert counted.area.sum() == p.size
    assert counted.landslide.sum() == y.sum()
    assert counted.captured() == pytest.approx(captured(y.ravel(), p.ravel()), abs=1e-3)
    grid = np.linspace(0, 1, 101)
    assert interpolate_upper(grid, *counted.success_rate()) == pytest.approx(
        interpolate_upper(grid, *success_rate(y.ravel(), p.ravel())), abs=2e-3
    )


def test_tiles_add_up_and_gaps_do_not_count():
    y, p = landscape(1)
    p[:20, :20] = np.nan
    tiles = [
        tally(y[r : r + 77, c : c + 91], p[r : r + 77, c : c + 91])
        for r in range(0, 300, 77)
        for c in range(0, 400, 91)
    ]
    total = sum(tiles[1:], tiles[0])
    whole = tally(y, p)
    assert np.array_equal(total.area, whole.area)
    assert np.array_equal(total.landslide, whole.landslide)
    assert whole.area.sum() == p.size - 400


def test_area_weights_count_as_area():
    y, p = landscape(2)
    weights = np.where(y == 1, 1.0, 7.0) * np.random.default_rng(0).uniform(0.5, 2, y.shape)
    expected = captured(y.ravel(), p.ravel(), area_weights=weights.ravel())
    assert tally(y, p, weights).captured() == pytest.approx(expected, abs=1e-3)


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_classes_rise_with_the_probability(values):
    index = [int(np.flatnonzero(tally([0], [v]).area)[0]) for v in np.sort(values)]
    assert (np.diff(index) >= 0).all()
    assert 0 <= index[0] <= index[-1] < CLASSES


def test_classes_are_a_thousandth_wide():
    low, high = (np.flatnonzero(tally([0], [v]).area)[0] for v in (0.001, 0.00101))
    assert high - low in (10, 11)
    assert np.flatnonzero(tally([0, 0, 0], [-0.0, 0.0, 1.0]).area).tolist() == [0, CLASSES - 1]


def test_wrong_maps_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        tally([0, 1], [0.5])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        tally([0], [1.5])
    with pytest.raises(ValueError, match="landslide cells"):
        tally([0], [0.5]).success_rate()
