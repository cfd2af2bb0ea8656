"""Random ground motion: correlated fields of PGA and PGV around a source's medians.

ln Y = μ + √s (τ B + φ W), s = σ²/(τ² + φ²): B is one number of the whole earthquake and W a field
of unit variance, correlated over distance and between PGA and PGV (Loth and Baker 2013, EESD
42:397, erratum 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shakeslide.shaking.ground_motion import GroundMotion

Float32 = NDArray[np.float32]
Between = Literal["full", "scaled", "none"]


@dataclass(frozen=True, eq=False)
class Draw:
    """One random ground motion.

    Attributes
    ----------
    ln_pga, ln_pgv : array, (rows, cols) float32
        Natural logarithms of PGA (g) and PGV (cm/s) at the nodes; NaN where the median is.
    clipped : int
        Nodes at which PGA or PGV was cut to the largest that is physical.
    """

    ln_pga: Float32
    ln_pgv: Float32
    clipped: int


class UnitFields:
    """Pairs of random fields W of PGA and PGV: normal, mean 0, variance 1, correlated.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of nodes.
    spacing : (float, float)
        Between rows and between columns, in km.
    seed : int
        Of the study. Draw k depends on the seed, the grid and k alone.
    """

    def __init__(self, shape: tuple[int, int], spacing: tuple[float, float], seed: int) -> None:
        raise NotImplementedError

    def pair(self, number: int) -> Float32:
        """Return draws 2 `number` and 2 `number` + 1, (2 draws, 2 measures, rows, cols)."""
        raise NotImplementedError


class Draws:
    """Random ground motions of one earthquake.

    Parameters
    ----------
    motion : GroundMotion
    seed : int
    between : {"scaled", "full", "none"}
        The part that all nodes share: "scaled": as in the formula above; "full": τ B unscaled
        as far as σ allows, W takes the rest; "none": no such part, W takes all of σ. The
        deviation at a node is σ in all three.
    """

    def __init__(self, motion: GroundMotion, seed: int, between: Between = "scaled") -> None:
        raise NotImplementedError

    def pair(self, number: int) -> tuple[Draw, Draw]:
        """Return draws 2 `number` and 2 `number` + 1, whatever was drawn before."""
        raise NotImplementedError
