"""The benchmark is frozen: its settings, and how hard it is."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from shakeslide.synthetic import BENCHMARK, bayes_optimum, make


def test_the_settings_are_frozen() -> None:
    assert asdict(BENCHMARK) == {
        "seed": 20080512,
        "rows": 4000,
        "cols": 4000,
        "cell": 25.0,
        "magnitude": 7.7,
        "median_slope": 28.0,
        "prevalence": 0.04,
        "noise": 0.3,
        "patchiness": 0.15,
        "hanging_wall": 0.5,
        "topography": 0.45,
        "facing": 0.55,
        "dip_slope": 0.55,
        "undercutting": 0.3,
        "hidden_strength": 0.06,
        "cluster": 60.0,
        "amalgamation": 0.5,
        "mapped_share": 1.0,
        "smallest_mapped": 0.0,
        "void_share": 0.0,
        "centre": (400_000.0, 3_450_000.0),
        # Newer settings, without effect.
        "away": 0.0,
        "along": 0.0,
        "even_pga": 0.0,
        "hidden_shaking": 0.0,
    }


@pytest.mark.slow
def test_a_small_map_of_it_is_as_hard_as_it_was() -> None:
    """A change of the science that moves this makes all earlier figures incomparable."""
    found = bayes_optimum(make(replace(BENCHMARK, rows=400, cols=400)).p_star)
    assert found.oa_balanced == pytest.approx(0.8074, abs=0.002)
    assert found.auc == pytest.approx(0.8848, abs=0.002)
