"""Volumes of landslides from their areas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaling:
    """V = 10^log_alpha A^gamma, V in m³ and A in m².

    Parameters
    ----------
    log_alpha, gamma : float
        By default those of all landslides, whole outlines, of Larsen, Montgomery & Korup (2010,
        Nature Geoscience 3, 247-251): -0.836 and 1.332. A volume of one landslide is uncertain by
        a factor of several; sums of many are better.
    """

    log_alpha: float = -0.836
    gamma: float = 1.332

    def volume(self, area: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the volumes (m³), in the same shape, of areas (m²), any shape."""
        volumes: NDArray[np.float64] = 10.0**self.log_alpha * np.asarray(area) ** self.gamma
        return volumes
