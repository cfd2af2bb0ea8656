"""Alert levels of the USGS ground-failure product and their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["green", "yellow", "orange", "red"]
LEVELS: tuple[Level, ...] = ("green", "yellow", "orange", "red")
AREA = (1.0, 10.0, 100.0)
"""Landslide area (km²) at which yellow, orange and red begin."""
PEOPLE = (100.0, 1_000.0, 10_000.0)
"""Exposed people at which yellow, orange and red begin."""


@dataclass(frozen=True)
class Alert:
    """A level and the probability of each.

    Attributes
    ----------
    level : str
    p : mapping of str to float
        By level; sum 1.
    """

    level: Level
    p: dict[Level, float]


def level(value: float, limits: tuple[float, float, float]) -> Level:
    """Return the level of a value; a value equal to a limit has the level that begins there."""
    raise NotImplementedError


def worse(*levels: Level) -> Level:
    """Return the worst of some levels."""
    raise NotImplementedError


def from_draws(draws: NDArray[np.float64], limits: tuple[float, float, float]) -> Alert:
    """Return the alert of a total's draws, (n,): the level of the mean, and shares of draws."""
    raise NotImplementedError


def from_beta(mean: float, sd: float, most: float, limits: tuple[float, float, float]) -> Alert:
    """Return the alert of a total that is beta distributed between 0 and `most`."""
    raise NotImplementedError


def beta_quantiles(
    mean: float, sd: float, most: float, q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return quantiles, (n,), at probabilities `q`, (n,), of that beta distribution."""
    raise NotImplementedError
