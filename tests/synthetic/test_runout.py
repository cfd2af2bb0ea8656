"""Landslides: sources, run-outs that obey the energy line, outlines that merge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import find_objects, label, maximum, minimum

from shakeslide.synthetic import SyntheticEarthquake
from shakeslide.synthetic.runout import make_landslides, mobility

EIGHT = np.ones((3, 3))


def plane(rows: int = 60, cols: int = 40, fall: float = 0.6, foot: int = 30) -> np.ndarray:
    """A slope that falls to the south and ends in flat ground."""
    steps = np.minimum(np.arange(rows), foot)[:, None]
    return np.repeat(2000.0 - 25.0 * fall * steps, cols, axis=1).astype(np.float32)


def test_the_source_belongs_to_its_landslide(earthquake: SyntheticEarthquake) -> None:
    slides = earthquake.landslides
    np.testing.assert_array_equal(slides.source > 0, earthquake.failed)
    inside = slides.source > 0
    np.testing.assert_array_equal(slides.whole[inside], slides.source[inside])
    assert set(np.unique(slides.whole)) == set(range(slides.count + 1))
    assert set(np.unique(slides.source)) == set(range(slides.count + 1))


def test_every_run_out_hangs_together_below_its_source(earthquake: SyntheticEarthquake) -> None:
    slides, z = earthquake.landslides, earthquake.elevation
    boxes = find_objects(slides.whole)
    for k, box in enumerate(boxes[:400], 1):
        whole, source = slides.whole[box] == k, slides.source[box] == k
        _, pieces = label(whole, EIGHT)
        # A landslide that ended at another's outline may lie in pieces, each with a source.
        labels, _ = label(whole, EIGHT)
        assert pieces == len(set(labels[source]))
    ids = np.arange(1, slides.count + 1)
    runout = np.where(slides.source == 0, slides.whole, 0)
    with_runout = np.intersect1d(ids, runout)
    top = maximum(z, slides.source, with_runout)
    assert (maximum(z, runout, with_runout) <= top).all()
    assert (minimum(z, runout, with_runout) < top).all()


def test_a_run_out_ends_where_the_energy_line_meets_the_ground() -> None:
    z = plane(rows=140)
    failed = np.zeros(z.shape, bool)
    failed[10, 20] = True
    slides = make_landslides(failed, z, 25.0, 1, amalgamation=0.0)
    rows = np.flatnonzero((slides.whole == 1).any(axis=1))
    assert rows.min() == 10
    angle = mobility(np.array([625.0]), np.random.default_rng([1, 60]))[0]
    reach = 25.0 * (rows.max() - 10)
    drop = z[10, 20] - z[rows.max(), 20]
    # At the last cell the energy line still clears the ground, one cell on it does not; the
    # velocity is capped, so a faster one may end earlier.
    assert drop / reach >= angle
    assert 28 <= rows.max() <= 45


def test_a_gentle_slope_stops_a_landslide_at_its_source() -> None:
    failed = np.zeros((60, 40), bool)
    failed[10:12, 20] = True
    slides = make_landslides(failed, plane(fall=0.15), 25.0, 1, amalgamation=0.0)
    np.testing.assert_array_equal(slides.whole > 0, failed)


def test_landslides_never_run_uphill() -> None:
    z = plane()[::-1].copy()
    failed = np.zeros(z.shape, bool)
    failed[40, 20] = True
    slides = make_landslides(failed, z, 25.0, 1, amalgamation=0.0)
    rows = np.flatnonzero((slides.whole == 1).any(axis=1))
    assert rows.max() == 40
    assert rows.min() < 35


@pytest.mark.parametrize(("amalgamation", "count"), [(0.0, 2), (1.0, 1)])
def test_landslides_that_meet_merge_or_not(amalgamation: float, count: int) -> None:
    failed = np.zeros((60, 40), bool)
    failed[5, 20] = failed[18, 20] = True
    slides = make_landslides(failed, plane(), 25.0, 1, amalgamation=amalgamation)
    assert slides.count == count
    assert slides.whole[10, 20] == slides.source[5, 20]


def test_amalgamation_only_joins(earthquake: SyntheticEarthquake) -> None:
    z = earthquake.elevation
    none, some, every = (
        make_landslides(earthquake.failed, z, 25.0, 4, amalgamation=a) for a in (0.0, 0.5, 1.0)
    )
    assert none.count == label(earthquake.failed)[1]
    assert none.count > some.count > every.count


def test_larger_landslides_reach_farther() -> None:
    rng = np.random.default_rng(0)
    small = mobility(np.full(2000, 1e3), rng)
    large = mobility(np.full(2000, 1e6), rng)
    assert np.median(large) < 0.6 * np.median(small)
    assert 0.2 <= small.min() < small.max() <= 1.0


def test_no_failures_make_no_landslides() -> None:
    slides = make_landslides(np.zeros((30, 30), bool), plane(30, 30), 25.0, 1, amalgamation=0.5)
    assert slides.count == 0
    assert not slides.whole.any()
