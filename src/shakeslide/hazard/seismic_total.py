"""Total area and volume of landslides from seismology (Marc et al. 2016, JGR Earth Surf. 121)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Style = Literal["reverse", "strike-slip", "normal"]


@dataclass(frozen=True)
class SeismicTotal:
    """What an earthquake of that size should cause.

    Attributes
    ----------
    area : float
        km².
    volume : float
        km³.
    """

    area: float
    volume: float


def seismic_total(
    magnitude: float, style: Style, depth: float, slope: float, steep: float = 1.0
) -> SeismicTotal:
    """Return the expected total.

    Parameters
    ----------
    magnitude : float
        Moment magnitude.
    style : {"reverse", "strike-slip", "normal"}
    depth : float
        Mean depth of the seismic moment R0 (km).
    slope : float
        Modal slope (degrees) of 30 m cells, over the ground that is steep.
    steep : float
        Share of the ground that is steep, 0 to 1.
    """
    raise NotImplementedError


def modal_slope(slope: NDArray[np.float32], cell: float) -> tuple[float, float]:
    """Return modal slope (degrees) and share of steep ground, of slopes (degrees), (rows, cols).

    Over squares of 1 km with modes of 8 degrees and more; `cell` in m.
    """
    raise NotImplementedError
