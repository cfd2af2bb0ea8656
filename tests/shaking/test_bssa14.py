"""Medians of Boore et al. (2014) by hand, and how they change."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.shaking import bssa14


def test_medians_on_rock_beside_the_rupture_by_hand() -> None:
    place = np.zeros(1), np.full(1, 760.0)
    # PGA: e3 + e6 (7 − 5.5) + (c1 + c2 2.5) ln 4.5 + c3 3.5.
    assert np.log(bssa14.median("PGA", 7.0, *place, "reverse")[0]) == pytest.approx(
        0.4539 - 0.2493 + (-1.134 + 0.47925) * np.log(4.5) - 0.008088 * 3.5
    )
    # PGV below the bend: e0 + e4 (6 − 6.2) + e5 0.04 + (c1 + c2 1.5) ln 5.3 + c3 4.3.
    assert np.log(bssa14.median("PGV", 6.0, *place)[0]) == pytest.approx(
        5.037 - 0.2146 - 0.006144 + (-1.243 + 0.22335) * np.log(5.3) - 0.00344 * 4.3
    )


@pytest.mark.parametrize("measure", ["PGA", "PGV"])
def test_motion_falls_with_distance_and_grows_on_soft_ground(measure: bssa14.Name) -> None:
    far, rock = np.array([0.0, 5.0, 20.0, 80.0, 300.0]), np.full(5, 760.0)
    on_rock = bssa14.median(measure, 7.2, far, rock)
    assert (np.diff(on_rock) < 0).all()
    on_soil = bssa14.median(measure, 7.2, far, np.full(5, 300.0))
    # Strong motion is amplified less: soft ground does not follow.
    assert (np.diff(on_soil / on_rock) > 0).all()
    assert on_soil[-1] > 1.5 * on_rock[-1]
