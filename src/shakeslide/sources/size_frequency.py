"""Frequency of landslides by area: the power law of the large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 300
"""Areas tried as the beginning of the tail."""
FEWEST = 50
"""Landslides in a tail; below that Clauset et al. find the exponent biased."""


@dataclass(frozen=True)
class Tail:
    """p(A) ∝ A^-alpha for A ≥ least.

    Attributes
    ----------
    alpha : float
        Exponent of the density; that of the cumulative frequency is alpha - 1.
    error : float
        Its standard error.
    least : float
        Area from which the law holds (m²).
    count : int
        Landslides from there on.
    distance : float
        Greatest difference of the cumulative shares from the law (Kolmogorov-Smirnov).
    """

    alpha: float
    error: float
    least: float
    count: int
    distance: float


def fit_tail(area: NDArray[np.float64]) -> Tail | None:
    """Fit the tail by maximum likelihood, from the area at which the law fits best.

    Clauset, Shalizi & Newman (2009, SIAM Review 51, 661-703): for every beginning of the tail
    alpha = 1 + n / Σ ln(A / A_min); that with the smallest Kolmogorov-Smirnov distance is taken.
    At most `CANDIDATES` beginnings are tried, evenly over the ranks.

    Parameters
    ----------
    area : array, (n,)
        Areas (m²); those not above 0 are left out.

    Returns
    -------
    Tail or None
        None for fewer than `FEWEST` landslides, or all of one area.
    """
    a = np.sort(np.asarray(area, np.float64)[np.asarray(area) > 0])
    if len(a) < FEWEST or a[0] == a[-1]:
        return None
    tails = [
        tail
        for begin in _beginnings(a)
        if (tail := _tail(a[np.searchsorted(a, begin) :])) is not None
    ]
    return min(tails, key=lambda t: t.distance, default=None)


def _beginnings(a: NDArray[np.float64]) -> NDArray[np.float64]:
    # A later beginning would leave fewer than `FEWEST`.
    values = np.unique(a[: len(a) - FEWEST + 1])
    if len(values) <= CANDIDATES:
        return values
    ranks = np.linspace(0, len(a) - FEWEST, CANDIDATES).astype(np.int64)
    chosen: NDArray[np.float64] = np.unique(a[ranks])
    return chosen


def _tail(a: NDArray[np.float64]) -> Tail | None:
    logs = np.log(a / a[0])
    total = float(logs.sum())
    if total <= 0:
        return None
    n = len(a)
    alpha = 1.0 + n / total
    law = 1.0 - np.exp(-(alpha - 1.0) * logs)
    steps = np.arange(n + 1) / n
    # The observed share jumps at each area: its differences before and after the jump count.
    distance = float(max(np.abs(law - steps[:-1]).max(), np.abs(law - steps[1:]).max()))
    # Their standard error, without its term of the order of 1/n.
    return Tail(alpha, (alpha - 1.0) / n**0.5, float(a[0]), n, distance)


class Distribution(NamedTuple):
    """Landslides by area in bins: geometric middle (m²), landslides per m², and their number."""

    area: tuple[float, ...]
    density: tuple[float, ...]
    number: tuple[int, ...]


def distribution(area: NDArray[np.float64], bins: int = 30) -> Distribution:
    """Return the density of landslides by area, in bins of equal width in the logarithm.

    Parameters
    ----------
    area : array, (n,)
        Areas (m²), above 0.
    bins : int
        Their number.

    Returns
    -------
    Distribution
        Of the bins that are not empty.
    """
    a = np.asarray(area, np.float64)
    a = a[a > 0]
    if len(a) == 0:
        return Distribution((), (), ())
    # Wider by a little, so that equal areas have a bin and rounding leaves none out.
    edges = np.geomspace(a.min(), max(a.max(), a.min() * 1.001) * (1 + 1e-9), bins + 1)
    count = np.histogram(a, edges)[0]
    held = count > 0
    middle = np.sqrt(edges[1:] * edges[:-1])
    return Distribution(
        area=tuple(middle[held].tolist()),
        density=tuple((count / np.diff(edges))[held].tolist()),
        number=tuple(count[held].tolist()),
    )
