"""Failures drawn from exact probabilities, contiguous as landslides are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from shakeslide.factors.terrain import derivatives
from shakeslide.synthetic.noise import Floats, gaussian_field, oriented_field
from shakeslide.synthetic.stability import Surface
from shakeslide.synthetic.strips import by_strips

SINGLE = 0.6
"""Share of the variance that tells single landslides apart; the rest groups them."""
SLENDER = 2.5
"""Length of single failures over their width."""


def draw_failures(seed: int, surface: Surface, p_star: Floats, cluster: float) -> NDArray[np.bool_]:
    """Draw y = 1[Phi(Z) < p*] with a correlated Gaussian field Z.

    Z has mean 0 and variance 1 at every place, so each cell fails with probability p* exactly.
    It is the sum of a field whose features run down the slope and one that groups them.

    Parameters
    ----------
    seed : int
    surface : Surface
    p_star : array (rows, cols)
        Probability of failure of each cell.
    cluster : float
        Width of single failures (m).

    Returns
    -------
    array (rows, cols), bool
        Whether each cell fails.
    """
    # Failures follow the slope as a whole, not the noise of single cells.
    smooth = gaussian_filter(surface.elevation, 2.0, truncate=2.0)
    aspect = derivatives(smooth, surface.cell, surface.cell).aspect_deg
    out: NDArray[np.bool_] = np.empty(p_star.shape, np.bool_)
    own, shared = np.float32(np.sqrt(SINGLE)), np.float32(np.sqrt(1.0 - SINGLE))

    def strip(start: int, stop: int) -> None:
        x, y = surface.x, surface.y[start:stop]
        single = oriented_field((seed, 70), x, y, 0.45 * cluster, aspect[start:stop], SLENDER)
        groups = gaussian_field((seed, 71), x, y, [1.5 * cluster, 4.0 * cluster], [0.6, 0.4])
        out[start:stop] = ndtr(own * single + shared * groups) < p_star[start:stop]

    by_strips(strip, surface.y.size)
    return out
