"""Protocols: nothing on both sides, everything tested, distances kept."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from shakeslide.core.errors import InputError
from shakeslide.core.random_streams import generator
from shakeslide.evaluation import balanced_folds, block_id, hold_out, landslide_groups, splits


def world(seed=0, landslides=40, cells=400, extent=10_000.0):
    """Clustered positives with ids, and negatives anywhere, on a 25 m lattice."""
    rng = np.random.default_rng(seed)
    ids = np.concatenate([np.arange(1, landslides + 1), rng.integers(1, landslides + 1, cells)])
    centre = rng.uniform(0, extent, (landslides + 1, 2))
    points = np.vstack(
        [centre[ids] + rng.normal(0, 60, (ids.size, 2)), rng.uniform(0, extent, (ids.size, 2))]
    )
    landslide_id = np.r_[ids, np.zeros(ids.size, dtype=int)]
    order = rng.permutation(landslide_id.size)
    x, y = np.round(points[order] / 25).T * 25
    return (landslide_id[order] > 0).astype(int), landslide_id[order], x, y


def every_protocol(seed=0, repeats=2):
    y, ids, x, yc = world()
    yield from splits.pixel(y, 0.2, repeats, seed)
    yield from splits.landslide(y, ids, x, yc, 0.8, repeats, seed)
    yield from splits.block(y, x, yc, 2000, 300, 4, repeats, seed)
    yield from splits.event(y, (x // 4000).astype(int))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_train_and_test_are_disjoint_sorted_and_hold_both_classes(seed):
    y = world()[0]
    for split in every_protocol(seed):
        assert np.intersect1d(split.train, split.test).size == 0
        for rows in (split.train, split.test):
            assert rows.dtype == np.int64
            assert (np.diff(rows) > 0).all()
            assert 0 < y[rows].sum() < rows.size


def test_draws_depend_on_seed_and_repeat_and_on_nothing_else():
    few = list(every_protocol(7, repeats=1))
    many = {(s.protocol, s.repeat, s.fold): s for s in every_protocol(7, repeats=3)}
    for split in few:
        same = many[split.protocol, split.repeat, split.fold]
        assert np.array_equal(split.train, same.train)
        assert np.array_equal(split.test, same.test)
    y, ids, x, yc = world()
    for draw in (
        lambda seed, repeats: list(splits.pixel(y, 0.2, repeats, seed)),
        lambda seed, repeats: list(splits.landslide(y, ids, x, yc, 0.8, repeats, seed)),
        lambda seed, repeats: list(splits.block(y, x, yc, 1000, 0, 3, repeats, seed)),
    ):
        first, second = (s for s in draw(1, 2) if s.fold == 0)
        other = draw(2, 1)[0]
        assert not np.array_equal(first.test, second.test)
        assert not np.array_equal(first.test, other.test)


@given(
    positives=st.integers(2, 200),
    negatives=st.integers(2, 200),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=50)
def test_pixel_is_stratified_and_uses_every_row(positives, negatives, share, seed):
    assume(all(0 < round(share * n) < n for n in (positives, negatives)))
    y = np.random.default_rng(seed).permutation(np.r_[np.ones(positives), np.zeros(negatives)])
    (split,) = splits.pixel(y, share, 1, seed)
    assert np.array_equal(np.sort(np.r_[split.train, split.test]), np.arange(y.size))
    assert y[split.train].sum() == round(share * positives)
    assert split.train.size == round(share * positives) + round(share * negatives)


def test_pixel_gives_every_row_the_same_chance():
    y = np.repeat([0, 1], [30, 20])
    times = np.zeros(50)
    for split in splits.pixel(y, 0.2, 3000):
        times[split.train] += 1
    assert times / 3000 == pytest.approx(np.full(50, 0.2), abs=5 * np.sqrt(0.16 / 3000))


@given(seed=st.integers(0, 2**32), folds=st.sampled_from([None, 2, 5]))
@settings(max_examples=20)
def test_landslide_keeps_groups_on_one_side_and_folds_test_each_row_once(seed, folds):
    y, ids, x, yc = world(seed % 100)
    groups = landslide_groups(y, ids, x, yc)
    draws = list(splits.landslide(y, ids, x, yc, 0.7, 2, seed, folds))
    for split in draws:
        assert np.intersect1d(groups[split.train], groups[split.test]).size == 0
        assert split.train.size + split.test.size == y.size
    if folds is None:
        for split in draws:
            assert abs(np.unique(groups[split.train]).size - 0.7 * 40) <= 1
    else:
        tested = np.bincount(np.concatenate([s.test for s in draws]), minlength=y.size)
        assert (tested == 2).all()


def test_negatives_belong_to_the_landslide_of_the_nearest_positive_cell():
    y, ids, x, yc = world(3)
    x = x + np.random.default_rng(0).uniform(-1, 1, x.size)  # no ties
    groups = landslide_groups(y, ids, x, yc)
    points, positive = np.c_[x, yc], y == 1
    nearest = cdist(points[~positive], points[positive]).argmin(1)
    assert np.array_equal(groups[positive], ids[positive])
    assert np.array_equal(groups[~positive], ids[positive][nearest])


def test_landslide_gives_every_landslide_the_same_chance_whatever_its_size():
    y, ids, x, yc = world(4, landslides=12)
    ids_of = np.unique(ids[ids > 0])
    trained = np.zeros(13)
    for split in splits.landslide(y, ids, x, yc, 0.75, 1500):
        trained[np.unique(ids[split.train][y[split.train] == 1])] += 1
    assert trained[ids_of] / 1500 == pytest.approx(np.full(12, 0.75), abs=5 * np.sqrt(0.19 / 1500))


def test_landslide_draws_many_different_sets_though_sizes_differ():
    ids = np.repeat(np.arange(1, 21), np.arange(1, 21))
    y = np.r_[np.ones(ids.size, int), np.zeros(ids.size, int)]
    place = np.tile(ids * 100.0, 2)
    draws = splits.landslide(y, np.r_[ids, 0 * ids], place, place, 0.8, 60)
    assert len({tuple(split.test) for split in draws}) > 50


def test_purposes_draw_different_numbers():
    first, second = (generator(1, purpose).random() for purpose in ("pixel", "block"))
    assert first != second


@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([800.0, 1500.0, 2500.0]),
    buffer=st.sampled_from([0.0, 130.0, 700.0, 1700.0]),
)
@settings(max_examples=30)
def test_block_keeps_its_buffer_and_tests_every_row_once(seed, size, buffer):
    y, _, x, yc = world(seed % 50)
    blocks, points = block_id(x, yc, size), np.c_[x, yc]
    try:
        draws = list(splits.block(y, x, yc, size, buffer, 4, 1, seed))
    except InputError:
        assume(False)
    assert (np.bincount(np.concatenate([s.test for s in draws])) == 1).all()
    for split in draws:
        assert np.intersect1d(blocks[split.train], blocks[split.test]).size == 0
        distance = cdist(points[split.train], points[split.test]).min(1)
        assert distance.min() >= buffer
        dropped = np.setdiff1d(np.arange(y.size), np.r_[split.train, split.test])
        gap = distance_to_blocks(points[dropped], np.unique(blocks[split.test]), size, x, yc)
        assert (gap < buffer).all()
        gap = distance_to_blocks(points[split.train], np.unique(blocks[split.test]), size, x, yc)
        assert (gap >= buffer).all()


def distance_to_blocks(points, blocks, size, x, yc):
    """Smallest distance from each point to any of the squares, by brute force."""
    west, north = np.floor(x.min() / size) * size, np.ceil(yc.max() / size) * size
    row, column = np.divmod(blocks, 1_000_000)
    left, top = west + column * size, north - row * size
    px, py = points[:, :1], points[:, 1:]
    dx = np.maximum(0, np.maximum(left - px, px - left - size))
    dy = np.maximum(0, np.maximum(py - top, top - size - py))
    return np.hypot(dx, dy).min(1) if points.size else np.empty(0)


def test_block_without_buffer_drops_nothing():
    y, _, x, yc = world()
    for split in splits.block(y, x, yc, 1000, 0, 5):
        assert split.train.size + split.test.size == y.size


def test_block_folds_are_alike_in_positives_and_rows():
    y, _, x, yc = world(1, landslides=300, cells=6000)
    largest = np.bincount(np.unique(block_id(x, yc, 1000), return_inverse=True)[1]).max()
    for repeat in range(3):
        folds = [s.test for s in splits.block(y, x, yc, 1000, 0, 5, 3) if s.repeat == repeat]
        assert np.ptp([len(rows) for rows in folds]) < largest / 2
        assert np.ptp([y[rows].sum() for rows in folds]) < largest / 2


def test_balanced_folds_fill_every_fold_even_beside_one_huge_group():
    groups = np.r_[np.zeros(1000, int), 1, 2, 3]
    y = np.ones(groups.size)
    fold_of = balanced_folds(y, groups, 4, np.random.default_rng(0))
    assert np.unique(fold_of).size == 4


@given(seed=st.integers(0, 1000), size=st.floats(1, 1e4), shift=st.floats(-1e6, 1e6))
@settings(max_examples=50)
def test_block_ids_are_those_of_squares(seed, size, shift):
    x, y = np.random.default_rng(seed).uniform(-3e4, 3e4, (2, 60)) + shift
    blocks = block_id(x, y, size)
    for block in np.unique(blocks):
        inside = blocks == block
        assert max(np.ptp(x[inside]), np.ptp(y[inside])) <= size * (1 + 1e-9)
    row, column = np.divmod(blocks, 1_000_000)
    assert np.array_equal(np.floor(x / size) - np.floor(x.min() / size), column)
    assert np.array_equal(np.ceil(y.max() / size) - np.ceil(y / size), row) or (y % size == 0).any()


def test_block_id_counts_from_the_given_north_west():
    blocks = block_id([0, 10, 25, 0], [100, 95, 80, 89.9], 10, origin=(0, 100))
    assert blocks.tolist() == [0, 1, 2_000_002, 1_000_000]
    with pytest.raises(ValueError, match="origin"):
        block_id([0], [101], 10, origin=(0, 100))


def test_event_leaves_out_one_at_a_time():
    y = np.array([0, 1, 0, 1, 0, 1])
    events = np.array(["b", "b", "a", "a", "c", "c"])
    draws = list(splits.event(y, events))
    assert [set(events[s.test]) for s in draws] == [{"a"}, {"b"}, {"c"}]
    assert all(s.train.size + s.test.size == 6 for s in draws)
    assert [s.fold for s in draws] == [0, 1, 2]


def test_hold_out_keeps_groups_whole_and_repeats_itself():
    y, ids, x, yc = world()
    groups = landslide_groups(y, ids, x, yc)
    kept, apart = hold_out(y, groups, 0.9, seed=5)
    assert np.intersect1d(groups[kept], groups[apart]).size == 0
    assert np.unique(groups[apart]).size == pytest.approx(4, abs=1)
    assert np.array_equal(apart, hold_out(y, groups, 0.9, seed=5)[1])


def test_a_class_of_two_rows_has_one_on_either_side():
    for share in (0.01, 0.2, 0.9):
        (only,) = splits.pixel([0, 1, 0, 1], share, repeats=1)
        assert only.train.size == only.test.size == 2


def test_impossible_wishes_are_told_in_one_line():
    y, ids, x, yc = world()
    wishes = {
        "between 0 and 1": lambda: splits.pixel(y, 1.0),
        "needs both": lambda: splits.pixel([0, 0, 0, 1], 0.1),
        "cover 40 landslides, but folds is 41": lambda: splits.landslide(y, ids, x, yc, folds=41),
        "2 positive rows have landslide_id 0": lambda: splits.landslide(
            [1, 1, 0], [0, 0, 0], [0, 1, 2], [0, 1, 2]
        ),
        "no row has label 1": lambda: splits.landslide([0, 0], [0, 0], [0, 1], [0, 1]),
        "all samples are in one group": lambda: splits.landslide([1, 0], [1, 0], [0, 1], [0, 1]),
        "cover 1 blocks of 40000 m, but folds is 5": lambda: splits.block(
            y, x + 2e4, yc + 2e4, 40_000
        ),
        "block size is -1": lambda: splits.block(y, x, yc, -1),
        "far too small": lambda: splits.block(y, x, yc, 0.001),
        "block buffer is -1": lambda: splits.block(y, x, yc, 500, -1),
        "train has 0 positive": lambda: splits.block(y, x, yc, 1000, 20_000),
        "all samples are from one event": lambda: splits.event(y, np.ones(y.size)),
    }
    for message, wish in wishes.items():
        with pytest.raises(InputError, match=message) as error:
            list(wish())
        assert "\n" not in str(error.value)
