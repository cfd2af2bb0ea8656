"""Alert levels of the USGS ground-failure product, and the probability of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Level = Literal["green", "yellow", "orange", "red"]
Limits = tuple[float, float, float]

LEVELS: tuple[Level, ...] = ("green", "yellow", "orange", "red")
AREA: Limits = (1.0, 10.0, 100.0)
"""Landslide area (km²) at which yellow, orange and red begin."""
PEOPLE: Limits = (100.0, 1_000.0, 10_000.0)
"""Exposed people at which yellow, orange and red begin."""


@dataclass(frozen=True)
class Alert:
    """A level and the probability of each.

    Attributes
    ----------
    level : str
    p : dict of str to float
        By level; sum 1.
    """

    level: Level
    p: dict[Level, float]


def level(value: float, limits: Limits) -> Level:
    """Return the level of a value; a value equal to a limit has the level that begins there."""
    return LEVELS[int(np.searchsorted(limits, value, side="right"))]


def worse(*levels: Level) -> Level:
    """Return the worst of some levels: the overall alert of area and people."""
    return max(levels, key=LEVELS.index)


def from_draws(draws: Array, limits: Limits) -> Alert:
    """Return the alert of a total's draws, (n,): the level of their mean, and shares of draws."""
    place = np.searchsorted(limits, draws, side="right")
    share = np.bincount(place, minlength=len(LEVELS)) / draws.size
    p = dict(zip(LEVELS, share.tolist(), strict=True))
    return Alert(level(float(draws.mean()), limits), p)


@dataclass(frozen=True)
class Beta:
    """A total that is beta distributed between 0 and `most`.

    Attributes
    ----------
    mean, sd, most : float
        Such as km² or people.
    """

    mean: float
    sd: float
    most: float

    @property
    def shape(self) -> tuple[float, float] | None:
        """The two shape parameters; None where the total is certain or `sd` too large for one."""
        if not (0 < self.mean < self.most and self.sd > 0):
            return None
        share = self.mean / self.most
        size = (self.most * self.mean - self.mean**2) / self.sd**2 - 1.0
        return (share * size, (1.0 - share) * size) if size > 0 else None

    def below(self, value: float) -> float:
        """Return the probability of a total below a value."""
        if (shape := self.shape) is None:
            return float(self.mean < value)
        return float(stats.beta.cdf(value, *shape, scale=self.most))

    def quantiles(self, q: Array) -> Array:
        """Return the quantiles, (n,), at probabilities `q`, (n,)."""
        if (shape := self.shape) is None:
            return np.full(np.shape(q), self.mean)
        return np.asarray(stats.beta.ppf(q, *shape, scale=self.most), np.float64)

    def interval(self, probability: float) -> tuple[float, float]:
        """Return the central interval that holds the total with that probability."""
        low, high = self.quantiles(np.array([0.5 - probability / 2, 0.5 + probability / 2]))
        return float(low), float(high)


def from_beta(total: Beta, limits: Limits) -> Alert:
    """Return the alert of a beta distributed total: the level of its mean, and each level's p."""
    below = [0.0, *(total.below(limit) for limit in limits), 1.0]
    p = dict(zip(LEVELS, np.diff(below).tolist(), strict=True))
    return Alert(level(total.mean, limits), p)
