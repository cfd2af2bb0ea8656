"""Two earthquakes at the same coordinates: no split, group or distance joins rows of the two."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from shakeslide.evaluation import block_id, landslide_groups, splits, suggest_size
from shakeslide.evaluation.blocks import block_groups, lay, limits
from shakeslide.evaluation.event_rows import apart, rows_by_event
from shakeslide.evaluation.variogram import variogram

SIZE, BUFFER = 1000.0, 200.0


@pytest.fixture(scope="module")
def twins():
    """Label, landslide, x, y and event: each row of the first event has a twin in the second."""
    rng = np.random.default_rng(2)
    y = np.tile([1, 0], 120)
    ids = np.where(y == 1, rng.integers(1, 25, y.size), 0)
    x, north = rng.uniform(0, 6000, (2, y.size))
    event = np.repeat([0, 1], y.size)
    return *(np.tile(v, 2) for v in (y, ids, x, north)), event


DRAWS = {
    "pixel": lambda y, ids, x, north, event: splits.pixel(y, 0.5, 2),
    "landslide": lambda y, ids, x, north, event: splits.landslide(
        y, ids, x, north, repeats=2, event=event
    ),
    "folds of landslides": lambda y, ids, x, north, event: splits.landslide(
        y, ids, x, north, repeats=1, folds=4, event=event
    ),
    "block": lambda y, ids, x, north, event: splits.block(
        y, x, north, SIZE, BUFFER, 4, event=event
    ),
    "event": lambda y, ids, x, north, event: splits.event(y, event),
}


@pytest.mark.parametrize("protocol", DRAWS)
def test_twins_are_drawn_by_themselves(protocol, twins):
    count = twins[0].size // 2
    draws = list(DRAWS[protocol](*twins))
    assert draws
    for split in draws:
        tested = np.isin(np.arange(2 * count), split.test)
        assert (tested[:count] != tested[count:]).any()
        assert np.intersect1d(split.train, split.test).size == 0


def test_groups_of_each_event_are_those_that_it_has_alone(twins):
    y, ids, x, north, event = twins
    x = x + 10.0 * event  # the nearest landslide cell is often the other event's
    landslides = landslide_groups(y, ids, x, north, event)
    laid = lay(x, north, SIZE, event=event)
    for number, groups in ((0, landslides), (1, block_groups(laid))):
        assert not set(groups[event == 0]) & set(groups[event == 1])
        for k in (0, 1):
            here = event == k
            alone = (
                landslide_groups(y[here], ids[here], x[here], north[here])
                if number == 0
                else block_id(x[here], north[here], SIZE)
            )
            assert np.array_equal(
                groups[here] - groups[here].min(), np.unique(alone, True, True)[2]
            )


def test_a_block_keeps_its_buffer_from_its_own_event_only(twins):
    y, _, x, north, event = twins
    points = np.c_[x, north]
    blocks = block_id(x, north, SIZE)
    for split in splits.block(y, x, north, SIZE, BUFFER, 4, event=event):
        left_out = np.setdiff1d(np.arange(y.size), np.r_[split.train, split.test])
        assert left_out.size
        for k in (0, 1):
            test = split.test[event[split.test] == k]
            corner = np.floor(x.min() / SIZE) * SIZE, np.ceil(north.max() / SIZE) * SIZE
            row, column = np.divmod(np.unique(blocks[test]), 1_000_000)
            west, top = corner[0] + column * SIZE, corner[1] - row * SIZE
            for rows, near in ((left_out, True), (split.train, False)):
                px, py = points[rows[event[rows] == k]].T[:, :, None]
                dx = np.maximum(0, np.maximum(west - px, px - west - SIZE))
                dy = np.maximum(0, np.maximum(py - top, top - SIZE - py))
                assert ((np.hypot(dx, dy).min(1) < BUFFER) == near).all()


def test_a_clear_cell_belongs_to_a_landslide_of_its_event_however_far():
    y, ids, event = [1, 0, 1], [7, 0, 7], [0, 1, 1]
    groups = landslide_groups(y, ids, [0.0, 0.0, 9e5], [0.0, 0.0, 0.0], event)
    assert groups[1] == groups[2] != groups[0]


def test_clear_cells_of_an_event_without_landslides_are_a_group():
    groups = landslide_groups([1, 0, 0, 0], [3, 0, 0, 0], [0, 1, 0, 9], [0] * 4, [0, 0, 1, 1])
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_one_event_is_as_if_none_were_named(twins):
    y, ids, x, north, _ = (v[: v.size // 2] for v in twins)
    same = np.full(y.size, 4)
    assert np.array_equal(
        landslide_groups(y, ids, x, north, same), landslide_groups(y, ids, x, north)
    )
    for draw in (DRAWS["landslide"], DRAWS["block"]):
        for a, b in zip(draw(y, ids, x, north, same), draw(y, ids, x, north, None), strict=True):
            assert np.array_equal(a.test, b.test)
            assert np.array_equal(a.train, b.train)
    value = np.sin(x / 700)
    named, plain = (suggest_size(x, north, value, 3, of).variogram for of in (same, None))
    assert np.array_equal(named.semivariance, plain.semivariance)
    assert named.chance == plain.chance


def test_a_variogram_has_no_pair_of_two_events(twins):
    _, _, x, north, event = twins
    value = np.sin(x / 900) + 1000.0 * event
    both = variogram(x, north, value, event=event)
    assert both.semivariance.max() < 2
    assert variogram(x, north, value).semivariance.max() > 1e4
    distance = cdist(np.c_[x, north], np.c_[x, north])
    assert both.lag.max() < distance.max() / 2


def test_the_area_of_several_events_is_that_of_all():
    x, y = [0.0, 100, 0, 100, 1e6, 1e6 + 100], [0.0, 100, 0, 100, 5e6, 5e6 + 100]
    one, three = limits(x[:2], y[:2]), limits(x, y, [0, 0, 1, 1, 2, 2])
    assert np.allclose(three, np.sqrt(3) * np.array(one))


def test_numbers_are_kept_of_one_event_and_told_apart_of_several():
    assert apart([5, 3, 5], None).tolist() == apart([5, 3, 5], [2, 2, 2]).tolist() == [5, 3, 5]
    assert apart([5, 3, 5, 9], [1, 0, 0, 1]).tolist() == [2, 0, 1, 3]
    assert [rows.tolist() for rows in rows_by_event(["b", "a", "b"], 3)] == [[1], [0, 2]]
    with pytest.raises(ValueError, match="3 rows"):
        rows_by_event([0, 1], 3)
