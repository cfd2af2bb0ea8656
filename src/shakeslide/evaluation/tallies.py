"""Success-rate curves of maps that do not fit into memory: counts by class of probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shakeslide.evaluation.curves import cumulative_share, interpolate_upper
from shakeslide.evaluation.ranking import FloatArray

# A single-precision number has 23 bits of mantissa; the first 10 are kept.
DROPPED_BITS = 13
CLASSES = (int(np.float32(1.0).view(np.int32)) >> DROPPED_BITS) + 1
"""Classes that single-precision numbers from 0 to 1 fall into: 1,024 to each halving."""


@dataclass(frozen=True)
class Tally:
    """Landslide and total area by class of probability; tallies of tiles add up.

    Classes are a thousandth of the probability wide, so that the rare high values and the many
    that crowd near zero are told apart alike.

    Attributes
    ----------
    landslide, area : ndarray, shape (classes,)
        Area with a landslide, and all area, ascending in probability.
    """

    landslide: FloatArray
    area: FloatArray

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.landslide + other.landslide, self.area + other.area)

    def success_rate(self) -> tuple[FloatArray, FloatArray]:
        """Return the success-rate curve from the highest class of probability down.

        Returns
        -------
        area, landslide : ndarray of float64, shape (k,)
            Shares of the area and of the landslides, both from 0 to 1, as `curves.success_rate`
            gives them.

        Raises
        ------
        ValueError
            If nothing was counted, or no landslide.
        """
        filled = self.area[::-1] > 0
        landslide, area = self.landslide[::-1][filled], self.area[::-1][filled]
        if not landslide.sum() > 0:
            raise ValueError("a success-rate curve needs landslide cells")
        return cumulative_share(area), cumulative_share(landslide)

    def captured(self, shares: Sequence[float] = (0.05, 0.10, 0.20)) -> FloatArray:
        """Return the share of the landslides within the most susceptible shares of the area.

        Parameters
        ----------
        shares : sequence of float, k
            Shares of the area, from 0 to 1.

        Returns
        -------
        ndarray of float64, shape (k,)
            Share of the landslides within each.

        Raises
        ------
        ValueError
            If nothing was counted, or no landslide.
        """
        return interpolate_upper(np.asarray(shares, dtype=float), *self.success_rate())


def tally(y: ArrayLike, p: ArrayLike, area_weights: ArrayLike | None = None) -> Tally:
    """Count cells by class of probability.

    Parameters
    ----------
    y : array_like
        1 or true where the cell is a landslide. Any shape.
    p : array_like
        Probability in [0, 1], of that shape; cells with NaN do not count.
    area_weights : array_like, optional
        Area of each cell, of that shape; 1 by default.

    Raises
    ------
    ValueError
        If shapes differ or a probability is out of range.
    """
    label, value = np.asarray(y), np.asarray(p)
    weight = np.ones(value.shape) if area_weights is None else np.asarray(area_weights, dtype=float)
    if not label.shape == value.shape == weight.shape:
        raise ValueError("y, p and area_weights must be of one shape")
    valid = ~np.isnan(value)
    landslide, value, area = label[valid] == 1, value[valid], weight[valid].astype(np.float64)
    if not np.all((value >= 0) & (value <= 1)):
        raise ValueError("p must lie in [0, 1]")
    # Of numbers that are not negative, the bits rise with the value; adding 0 makes -0 one.
    bits = np.ascontiguousarray(value + 0.0, dtype=np.float32).view(np.int32)
    index = (bits >> DROPPED_BITS).astype(np.int64)
    counted: list[FloatArray] = [
        np.asarray(np.bincount(index, weights, CLASSES), dtype=np.float64)
        for weights in (np.where(landslide, area, 0.0), area)
    ]
    return Tally(*counted)
