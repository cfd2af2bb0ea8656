"""Whole earthquakes: determinism, settings that do what they say, landslides where they belong."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from shakeslide import synthetic
from shakeslide.core.errors import InputError
from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic import Scenario, SyntheticEarthquake, bayes_optimum, relief
from shakeslide.synthetic.failure import CEILING

SMALL = Scenario(seed=11, rows=64, cols=96)
PLAIN = replace(
    SMALL, rows=96, cell=50.0, hanging_wall=0.0, topography=0.0, facing=0.0, dip_slope=0.0,
    undercutting=0.0, hidden_strength=0.0,
)  # fmt: skip
"""Nothing that ground and shaking do to each other."""


def young(scenario: Scenario) -> SyntheticEarthquake:
    """Make an earthquake on terrain that was eroded for less long, which takes less long too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relief, "STEPS", 12)
        return synthetic.make(scenario)


make = cache(young)
"""Made once for all tests, which change nothing of it."""


def test_the_same_settings_make_the_same_bytes() -> None:
    scenario = replace(SMALL, rows=270)  # more than a strip
    earthquake, again = make(scenario), young(scenario)
    for name in ("elevation", "p_star", "failed"):
        assert getattr(again, name).tobytes() == getattr(earthquake, name).tobytes()
    for name in ("rock", "soil", "cover", "drainage", "pga"):
        assert getattr(again.surface, name).tobytes() == getattr(earthquake.surface, name).tobytes()
    assert again.landslides.whole.tobytes() == earthquake.landslides.whole.tobytes()
    np.testing.assert_array_equal(again.aftershocks.x, earthquake.aftershocks.x)


def test_another_seed_makes_another_earthquake() -> None:
    a, b = make(SMALL), make(replace(SMALL, seed=12))
    assert np.corrcoef(a.elevation.ravel(), b.elevation.ravel())[0, 1] < 0.95
    assert a.rupture.epicentre != b.rupture.epicentre


@pytest.mark.parametrize(("rows", "cols"), [(24, 24), (64, 64), (25, 131), (150, 33)])
def test_any_size(rows: int, cols: int) -> None:
    earthquake = make(Scenario(seed=2, rows=rows, cols=cols))
    assert earthquake.geobox.shape == (rows, cols)
    for array in (earthquake.elevation, earthquake.p_star, earthquake.pgv):
        assert array.shape == (rows, cols)
        assert np.isfinite(array).all()
    assert earthquake.rivers.starts.size > 1


def test_the_grid_is_centred_north_up_and_square(earthquake: SyntheticEarthquake) -> None:
    geobox, surface = earthquake.geobox, earthquake.surface
    assert geobox.crs.epsg == 32648
    assert geobox.resolution.x == 25.0 == -geobox.resolution.y
    centre = geobox.affine * (0.5, 0.5)
    assert centre == pytest.approx((400_000.0 + surface.x[0], 3_450_000.0 + surface.y[0]))
    assert surface.x.mean() == pytest.approx(0.0)
    assert surface.y[0] > surface.y[-1]


def test_probabilities_average_to_the_prevalence(earthquake: SyntheticEarthquake) -> None:
    p = earthquake.p_star
    assert p.mean() == pytest.approx(0.05, rel=0.02)
    assert p.min() >= 0.0
    assert p.max() <= CEILING + 1e-6


@pytest.mark.parametrize("prevalence", [0.01, 0.1])
def test_prevalence_is_a_setting(prevalence: float) -> None:
    assert make(replace(SMALL, prevalence=prevalence)).p_star.mean() == pytest.approx(
        prevalence, rel=0.02
    )


def test_strips_of_the_map_do_not_show(earthquake: SyntheticEarthquake) -> None:
    """Rows beside a boundary between strips change as little as other rows do."""
    p = earthquake.p_star.astype(float)
    step = np.abs(np.diff(p, axis=0)).mean(axis=1)
    assert step[255] < 1.5 * np.median(step)


def test_landslides_lie_on_steep_slopes(earthquake: SyntheticEarthquake) -> None:
    slope, p = derivatives(earthquake.elevation, 25.0, 25.0).slope_deg, earthquake.p_star
    gentle, steep = slope < 15.0, (slope > 25.0) & (slope < 40.0)
    assert p[steep].mean() > 5 * p[gentle].mean()
    assert earthquake.failed[steep].mean() > 5 * earthquake.failed[gentle].mean()
    assert p[slope < 5.0].max() < 0.05


def test_the_shaken_hanging_wall_fails_more() -> None:
    earthquake = make(Scenario(seed=11, rows=200, cols=200, cell=100.0))
    pga, p = earthquake.surface.pga, earthquake.p_star
    strong, weak = pga > np.percentile(pga, 75), pga < np.percentile(pga, 25)
    assert p[strong].mean() > 3 * p[weak].mean()


def test_more_noise_means_less_to_know() -> None:
    settings = [replace(SMALL, noise=noise) for noise in (0.1, 0.4, 0.9)]
    best = [bayes_optimum(make(s).p_star).oa_balanced for s in settings]
    assert best[0] > best[1] > best[2]


@pytest.mark.parametrize(
    "name", ["topography", "facing", "dip_slope", "undercutting", "hanging_wall", "hidden_strength"]
)
def test_every_interaction_moves_the_probabilities(name: str) -> None:
    with_it, without = make(replace(PLAIN, **{name: 0.6})).p_star, make(PLAIN).p_star
    assert np.abs(with_it - without).mean() > 0.001


def test_ridges_and_slopes_that_face_away_fail_more() -> None:
    base = Scenario(
        seed=11, rows=128, cols=128, topography=0.0, facing=0.0, dip_slope=0.0, undercutting=0.0
    )
    plain = make(base)
    ridge = make(replace(base, topography=0.8)).p_star - plain.p_star
    z = plain.elevation
    window = derivatives(z, 25.0, 25.0).curvature
    assert ridge[window > np.percentile(window, 95)].mean() > ridge.mean()
    away = make(replace(base, facing=0.8)).p_star - plain.p_star
    east, north = plain.rupture.epicentre
    bearing = np.arctan2(plain.surface.x[None, :] - east, plain.surface.y[:, None] - north)
    aspect = np.radians(derivatives(z, 25.0, 25.0).aspect_deg)
    facing = np.cos(aspect - bearing)
    assert away[facing > 0.7].mean() > 0.0 > away[facing < -0.7].mean()


@pytest.mark.slow
def test_areas_have_a_power_law_tail() -> None:
    earthquake = synthetic.make(Scenario(seed=3, rows=400, cols=400, prevalence=0.05))
    slides = earthquake.landslides
    for raster in (slides.source, slides.whole):
        area = np.sort(np.bincount(raster.ravel())[1:] * 625.0)[::-1]
        # Above the 85th percentile the share of larger landslides is a straight line in logs.
        tail = area[: int(0.15 * area.size)]
        rank = np.arange(1, tail.size + 1)
        fit = np.polyfit(np.log(tail[10:]), np.log(rank[10:]), 1)
        residual = np.log(rank[10:]) - np.polyval(fit, np.log(tail[10:]))
        assert residual.std() < 0.2
        # Inventories of earthquakes have exponents of 2 to 3.3 for the density.
        assert 1.9 < 1.0 - fit[0] < 3.5
        assert area[0] > 30 * np.median(area)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(InputError, match="rows = 10 is not between 24 and"):
        Scenario(rows=10)
    with pytest.raises(InputError, match=r"prevalence = 0\.9 is not between"):
        Scenario(prevalence=0.9)
    with pytest.raises(InputError, match="noise = nan"):
        Scenario(noise=float("nan"))


def test_partly_mapped() -> None:
    scenario = replace(SMALL, rows=200, cols=200, prevalence=0.06)
    whole = make(scenario)
    assert whole.mapping.mapped.all()
    assert whole.mapping.extent is None
    part = make(replace(scenario, mapped_share=0.5))
    assert part.mapping.extent.area == pytest.approx(0.5 * (200 * 25.0) ** 2, rel=0.1)
    np.testing.assert_array_equal(part.failed, whole.failed)
    mapped = part.mapping.mapped
    assert 0.1 < mapped.mean() < 0.98
    # The most shaken part is mapped, which is where more landslides are.
    assert mapped.mean() > 0.5


def test_small_landslides_are_missed() -> None:
    scenario = replace(SMALL, rows=200, cols=200, prevalence=0.06, smallest_mapped=5000.0)
    earthquake = make(scenario)
    area = np.bincount(earthquake.landslides.whole.ravel())[1:] * 625.0
    mapped = earthquake.mapping.mapped
    assert mapped[area < 2000].mean() < 0.25
    assert mapped[area > 20_000].mean() > 0.85


def test_voids_are_missing_elevation() -> None:
    earthquake = make(replace(SMALL, void_share=0.1))
    assert np.isnan(earthquake.dem).mean() == pytest.approx(0.1, abs=0.005)
    assert np.isfinite(earthquake.elevation).all()
    seen = np.isfinite(earthquake.dem)
    np.testing.assert_array_equal(earthquake.dem[seen], earthquake.elevation[seen])
