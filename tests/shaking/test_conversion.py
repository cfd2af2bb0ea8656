"""Relations of intensity and motion: values of the publication, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.shaking import conversion


def test_published_values() -> None:
    # 0.2 g = 196 cm/s²: -1.60 + 3.70 log 196.133; 20 cm/s: 2.89 + 3.16 log 20
    assert conversion.intensity_of_pga(np.array([0.2]))[0] == pytest.approx(6.882, abs=1e-3)
    assert conversion.intensity_of_pgv(np.array([20.0]))[0] == pytest.approx(7.001, abs=1e-3)
    # Weak motion: 1.78 + 1.55 log 9.80665; 3.78 + 1.47 log 1
    assert conversion.intensity_of_pga(np.array([0.01]))[0] == pytest.approx(3.317, abs=1e-3)
    assert conversion.intensity_of_pgv(np.array([1.0]))[0] == 3.78


def test_intensity_stays_within_its_scale() -> None:
    motion = np.array([0.0, 1e9])
    for function in (conversion.intensity_of_pga, conversion.intensity_of_pgv):
        assert function(motion).tolist() == [1.0, 10.0]


@pytest.mark.parametrize("mmi", [2.0, 4.0, 5.0, 8.7])
def test_there_and_back(mmi: float) -> None:
    given = np.array([[mmi]])
    pga, pgv = conversion.pga_of_intensity(given), conversion.pgv_of_intensity(given)
    assert pga.shape == (1, 1)
    np.testing.assert_allclose(conversion.intensity_of_pga(pga), mmi)
    np.testing.assert_allclose(conversion.intensity_of_pgv(pgv), mmi)
    np.testing.assert_allclose(conversion.pgv_of_pga(pga), pgv)
    np.testing.assert_allclose(conversion.pga_of_pgv(pgv), pga)


def test_unknown_motion_has_no_intensity() -> None:
    assert np.isnan(conversion.intensity_of_pga(np.array([np.nan]))).all()
