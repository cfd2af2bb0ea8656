"""Totals of Marc et al. (2016), worked by hand, and the slopes that they take."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.hazard import seismic_total as marc


def test_a_large_reverse_earthquake_by_hand() -> None:
    # bS 4.188 g km; 30.16 (4.188/1.2 - 1)^2 = 187; 36.1 stretches; e^(28/15.8) = 5.88
    total = marc.seismic_total(7.6, "reverse", 8.0, 28.0)
    assert total.area == pytest.approx(137, abs=0.5)
    assert total.volume / total.area == pytest.approx(
        4174 / 3445 * np.exp(28 / 11.6 - 28 / 15.8) / 1e3
    )


def test_half_the_ground_steep_halves_it() -> None:
    whole, half = (marc.seismic_total(7.0, "reverse", 8.0, 25.0, s) for s in (1.0, 0.5))
    assert half.area == pytest.approx(whole.area / 2)
    assert half.volume == pytest.approx(whole.volume / 2)


def test_small_earthquakes() -> None:
    # M 5.75: exp(-0.6728 - 0.1826) = 0.4252, bS 1.7; from 11.34 km on nothing exceeds 0.15 g.
    assert marc.seismic_total(5.75, "reverse", 11.3, 25.0).area > 0
    assert marc.seismic_total(5.75, "reverse", 11.4, 25.0).area == 0
    assert marc.seismic_total(5.75, "normal", 11.3, 25.0).area == 0
    with pytest.raises(ValueError, match="depth"):
        marc.seismic_total(7.0, "reverse", 0.0, 25.0)


def test_lengths_of_ruptures() -> None:
    # log10 M0 = 20.5: (10^20.5 / 8.18e7)^0.4 = 108.3 km; strike-slip (10^20.5 / 2.706e12)^(2/3)
    assert marc.rupture_length(7.6, "reverse") == pytest.approx(108.3, abs=0.2)
    assert marc.rupture_length(7.6, "strike-slip") == pytest.approx(239, abs=1)
    # Shorter ones are as long as the others'.
    assert marc.rupture_length(6.0, "strike-slip") == marc.rupture_length(6.0, "reverse")


def test_modal_slope_of_steep_squares() -> None:
    rng = np.random.default_rng(0)
    slope = np.full((120, 160), 2.0) + rng.random((120, 160))
    slope[:40, :80] = rng.normal(24.5, 3.0, (40, 80))
    slope[80:, 120:] = np.nan
    mode, share = marc.modal_slope(slope, 25.0)
    assert mode == pytest.approx(24.5, abs=1.5)
    assert share == pytest.approx(2 / 11)


def test_flat_or_unknown_ground_has_no_modal_slope() -> None:
    assert marc.modal_slope(np.full((80, 80), 3.0), 25.0) == (0.0, 0.0)
    assert marc.modal_slope(np.full((80, 80), np.nan), 25.0) == (0.0, 0.0)
