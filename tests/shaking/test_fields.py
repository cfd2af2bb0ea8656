"""Random ground motion: variance, correlation, independence of the order of draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import fft

from shakeslide.core.errors import InputError
from shakeslide.shaking import fields
from shakeslide.shaking.ground_motion import GroundMotion, Measure

ROWS, COLS = 18, 14
SPACING = (8.0, 7.0)
PAIRS = 1_000


def motion(rows: int = ROWS, cols: int = COLS, pga: float = 0.3, pgv: float = 30.0) -> GroundMotion:
    """Ground motion whose standard deviation rises from 0.2 to 0.6 from row to row."""
    total = np.broadcast_to(np.linspace(0.2, 0.6, rows)[:, None], (rows, cols))
    parts = np.full((rows, cols), 0.35), np.full((rows, cols), 0.5)
    measures = [Measure(np.full((rows, cols), m), total, *parts) for m in (pga, pgv)]
    grid = GeoBox((rows, cols), Affine(0.07, 0, 85, 0, -0.07, 28), "EPSG:4326")
    return GroundMotion(
        source="", id="", version="", title="", scenario=False, magnitude=7.0, depth=10.0,
        epicentre=None, time="", grid=grid, pga=measures[0], pgv=measures[1],
        mmi=np.zeros((rows, cols)), vs30=None, uncertainty_ratio=None, finite_rupture=None,
        notes=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def unit() -> np.ndarray:
    """Many draws, (draws, 2, rows, cols)."""
    made = fields.UnitFields((ROWS, COLS), SPACING, seed=5)
    return np.concatenate([made.pair(k) for k in range(PAIRS)])


def test_correlations_are_those_published() -> None:
    # Loth and Baker 2013: 0.29 + 0.47 + 0.24 and 0.33 + 0.48 + 0.20, which is 1.01.
    at = fields.correlation(np.array([0.0, 20.0, 70.0]))
    assert at.shape == (2, 2, 3)
    np.testing.assert_allclose(at[[0, 1], [0, 1], 0], 1.0)
    assert at[0, 1, 0] == at[1, 0, 0] == pytest.approx(0.43 / np.sqrt(1.01))
    assert at[0, 0, 1] == pytest.approx(0.29 * np.exp(-3) + 0.47 * np.exp(-6 / 7))
    assert at[1, 1, 2] == pytest.approx((0.33 * np.exp(-10.5) + 0.48 * np.exp(-3)) / 1.01)


@pytest.mark.parametrize("spacing", [(8.0, 7.0), (1.1, 0.9), (30.0, 20.0)])
def test_the_embedding_has_the_correlation_between_any_two_nodes(spacing) -> None:
    made = fields.UnitFields((ROWS, COLS), spacing, seed=0)
    pga, both, pgv = made._factors.astype(np.float64) * np.sqrt(np.prod(made.period))
    lag = np.hypot(spacing[0] * np.arange(ROWS)[:, None], spacing[1] * np.arange(COLS))
    wanted = fields.correlation(lag)
    for spectrum, (i, j) in ((pga**2, (0, 0)), (pga * both, (0, 1)), (both**2 + pgv**2, (1, 1))):
        got = fft.ifft2(spectrum).real[:ROWS, :COLS]
        np.testing.assert_allclose(got, wanted[i, j], atol=3e-3)


def test_fields_have_unit_variance_and_the_correlation(unit: np.ndarray) -> None:
    deviation = unit.std(axis=0)
    assert abs(deviation.mean() - 1) < 0.01
    # Of 2,000 draws: the error of one node is 1.6 %.
    assert np.abs(deviation - 1).max() < 0.065
    for axis, steps in ((2, (1, 2, 5, 10)), (3, (1, 3, 9))):
        for step in steps:
            a = unit.take(range(unit.shape[axis] - step), axis)
            b = unit.take(range(step, unit.shape[axis]), axis)
            wanted = fields.correlation(np.array(step * SPACING[axis - 2]))
            got = np.einsum("dmrc,dnrc->mn", a, b) / (a.size / 2)
            np.testing.assert_allclose(got, wanted, atol=0.02)


def test_the_two_draws_of_a_pair_are_independent(unit: np.ndarray) -> None:
    pairs = unit.reshape(PAIRS, 2, 2, ROWS, COLS)
    assert np.abs((pairs[:, 0] * pairs[:, 1]).mean(axis=(0, 2, 3))).max() < 0.02


def test_opposite_edges_are_not_alike(unit: np.ndarray) -> None:
    alike = (unit[:, :, 0] * unit[:, :, -1]).mean(axis=(0, 2))
    np.testing.assert_allclose(
        alike, fields.correlation(np.array(17 * 8.0))[[0, 1], [0, 1]], atol=0.03
    )


def test_draws_do_not_depend_on_their_order() -> None:
    first, second = (fields.Draws(motion(), seed=3) for _ in range(2))
    there = [first.pair(k) for k in range(3)]
    back = [second.pair(k) for k in reversed(range(3))][::-1]
    for a, b in zip(there, back, strict=True):
        for x, y in zip(a, b, strict=True):
            assert x.ln_pga.tobytes() == y.ln_pga.tobytes()
            assert x.ln_pgv.tobytes() == y.ln_pgv.tobytes()
    assert there[0][0].ln_pga.tobytes() != there[0][1].ln_pga.tobytes()
    assert there[0][0].ln_pga.tobytes() != there[1][0].ln_pga.tobytes()
    other = fields.Draws(motion(), seed=4).pair(0)
    assert there[0][0].ln_pga.tobytes() != other[0].ln_pga.tobytes()


def test_draws_have_the_files_median_and_deviation() -> None:
    known = motion(rows=6, cols=5)
    draws = fields.Draws(known, seed=8)
    made = [d for k in range(500) for d in draws.pair(k)]
    logs = np.stack([np.stack([d.ln_pga for d in made]), np.stack([d.ln_pgv for d in made])])
    error = known.pga.total / np.sqrt(len(made))
    assert np.abs((logs.mean(axis=1) - np.log([0.3, 30.0])[:, None, None]) / error).max() < 4
    # The event's term makes the errors of all nodes alike: 2 % of 1,000 draws.
    np.testing.assert_allclose(logs.std(axis=1) / known.pga.total, 1, atol=0.09)
    assert (logs.std(axis=1) / known.pga.total).mean() == pytest.approx(1, abs=0.03)


def test_what_all_nodes_share() -> None:
    measure = motion().pga
    shared, own = fields._shares(measure, "scaled")
    np.testing.assert_allclose(shared / own, 0.35 / 0.5)
    np.testing.assert_allclose(np.hypot(shared, own), measure.total)
    shared, own = fields._shares(measure, "full")
    np.testing.assert_allclose(shared, np.minimum(0.35, measure.total))
    np.testing.assert_allclose(np.hypot(shared, own), measure.total)
    shared, own = fields._shares(measure, "none")
    assert not shared.any()
    with pytest.raises(InputError, match="half"):
        fields.Draws(motion(), seed=0, between="half")  # type: ignore[arg-type]


def test_event_terms_of_both_measures_are_correlated() -> None:
    draws = fields.Draws(motion(rows=2, cols=2), seed=2)
    terms = np.concatenate([draws.event_terms(k) for k in range(1_000)])
    np.testing.assert_allclose(np.cov(terms.T), [[1, 0.733], [0.733, 1]], atol=0.07)


def test_draws_are_cut_at_what_is_physical_and_unknown_nodes_stay_unknown() -> None:
    known = motion(rows=6, cols=5, pga=3.5)
    median = known.pga.median.copy()
    median[0, 0] = np.nan
    draws = fields.Draws(replace(known, pga=replace(known.pga, median=median)), seed=1)
    first, second = draws.pair(0)
    assert first.clipped + second.clipped > 0
    for draw in (first, second):
        assert np.nanmax(draw.ln_pga) <= np.float32(np.log(4.0))
        assert np.isnan(draw.ln_pga).sum() == 1
        assert np.isfinite(draw.ln_pgv).all()
        assert draw.clipped == (draw.ln_pga == np.float32(np.log(4.0))).sum()


def test_fields_that_would_fill_the_memory_are_refused() -> None:
    with pytest.raises(InputError, match="coarser"):
        fields.UnitFields((40_000, 40_000), (0.03, 0.03), seed=0)
