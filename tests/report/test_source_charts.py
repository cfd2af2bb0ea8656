"""The chart of landslides by size shows what sources.json tells."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.report import charts, figures
from shakeslide.sources import size_frequency
from shakeslide.sources.source_files import Frequencies, Frequency


def test_points_and_tail_are_those_told() -> None:
    rng = np.random.default_rng(0)
    area = 1000 * rng.pareto(1.5, 4000) + 1000
    tail = size_frequency.Tail(2.5, 0.02, 1000.0, 4000, 0.01)
    told = Frequencies(
        landslides=Frequency(tail, *size_frequency.distribution(area)),
        sources=Frequency(None, *size_frequency.distribution(np.array([]))),
    )
    with figures.style():
        axes = charts.frequency(told).axes[-1]
    points, line = axes.get_lines()
    np.testing.assert_allclose(points.get_xdata(), told.landslides.area)
    # The fitted density runs through the points where there are many landslides.
    at = np.interp(
        np.log(points.get_xdata()[:6]), np.log(line.get_xdata()), np.log(line.get_ydata())
    )
    assert np.exp(at) == pytest.approx(np.asarray(points.get_ydata()[:6]), rel=0.15)
    assert "2.50 ± 0.02" in line.get_label()
    assert "1,000 m²" in line.get_label()
