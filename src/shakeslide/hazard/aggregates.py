"""Aggregates of a map as the USGS computes them (Allstadt et al. 2022, Earthq. Spectra 38:5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_PGA = 0.10
"""PGA (g) from which on a cell counts."""
LEAST_P = 0.002
"""Probability (coverage) from which on a cell counts."""


def counted(p: Array, pga: Array) -> NDArray[np.bool_]:
    """Return which cells count, of probabilities and PGA (g), any shape."""
    raise NotImplementedError


def total(p: Array, weight: Array | float, pga: Array | None = None) -> float:
    """Return Σ p · weight over the cells that count: km² of areas, people of people.

    Parameters
    ----------
    p : array, any shape
        Probability (coverage); NaN counts nothing.
    weight : array of the same shape, or float
        Area (km²) or people of each cell.
    pga : array of the same shape, optional
        In g; None: every cell counts.
    """
    raise NotImplementedError


def deviation(
    sd: Array, weight: Array | float, counts: NDArray[np.bool_], range_cells: float
) -> float:
    """Return the standard deviation of a total, by the spherical correlation of its cells.

    Parameters
    ----------
    sd : array, (rows, cols)
        Standard deviation of each cell's probability.
    weight : array, (rows, cols), or float
    counts : array, (rows, cols) bool
    range_cells : float
        Distance, in cells, from which on errors are independent; inf: all are one.
    """
    raise NotImplementedError
