"""Totals of a map and their standard deviation as the USGS ground-failure product states them.

Cells count from a PGA of 0.10 g and a probability (share of the area) of 0.002 on; see Allstadt et
al. (2022), Earthq. Spectra 38:5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import curve_fit

from shakeslide.hazard.strong_shaking import STRONG

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

LEAST_P = 0.002
"""Probability (share of the area) from which on a cell counts."""
LARGEST_COVERAGE = 0.256
"""Largest share of the area that the model of Allstadt et al. (2022) gives."""
FEWEST, LAGS, BINS = 50, (100, 800), 20
"""Cells without which no range is fitted, least and most lag in cells, classes of lag."""


@dataclass(frozen=True)
class Aggregate:
    """A total over the cells that count.

    Attributes
    ----------
    mean, sd : float
        Such as km² or people.
    most : float
        The total if every cell that counts had the largest probability.
    cells : int
        How many cells count.
    """

    mean: float
    sd: float
    most: float
    cells: int


def counted(p: Array, pga: Array) -> Bool:
    """Return which cells count, of probabilities and PGA (g), any shape; NaN never does."""
    return np.asarray((p >= LEAST_P) & (pga >= STRONG["PGA"]))


def total(p: Array, weight: Array | float, counts: Bool) -> float:
    """Return Σ p · weight over the cells that count: km² of areas, people of people.

    Parameters
    ----------
    p : array, any shape
        Probability, or share of the area.
    weight : array of the same shape, or float
        Area (km²) or people of each cell; NaN adds nothing.
    counts : array of bool, the same shape
        Where p is known.
    """
    return float(np.nansum(np.where(counts, p, 0.0) * weight))


def aggregate(
    p: Array, sd: Array, weight: Array | float, pga: Array, largest: float = LARGEST_COVERAGE
) -> Aggregate:
    """Return total and standard deviation of a map.

    Parameters
    ----------
    p, sd : array, (rows, cols)
        Mean and standard deviation of each cell.
    weight : array, (rows, cols), or float
        Area (km²) or people of each cell.
    pga : array, (rows, cols)
        In g.
    largest : float
        Largest value of `p` that the model can give.
    """
    counts = counted(p, pga)
    reach = spherical_range(p, counts)
    return Aggregate(
        mean=total(p, weight, counts),
        sd=deviation(sd, weight, counts, reach),
        most=total(np.full(p.shape, largest), weight, counts),
        cells=int(counts.sum()),
    )


def deviation(sd: Array, weight: Array | float, counts: Bool, reach: float) -> float:
    """Return the standard deviation of a total whose cells are correlated spherically.

    Parameters
    ----------
    sd : array, (rows, cols)
        Standard deviation of each cell.
    weight : array, (rows, cols), or float
    counts : array of bool, (rows, cols)
    reach : float
        Distance, in cells, from which on errors are independent; inf: all errors are one.
    """
    # Here, because loading it takes a fifth of a second, which no map needs.
    from scipy.signal import oaconvolve

    parts = np.nan_to_num(np.where(counts, sd, 0.0) * weight)
    if not np.isfinite(reach):
        return float(parts.sum())
    # Lags of the same distance in whole cells on all sides; none reaches beyond the map.
    most = [min(int(reach), n - 1) for n in parts.shape]
    y, x = (np.arange(-m, m + 1) for m in most)
    kernel = 1.0 - spherical(np.hypot(y[:, None], x[None, :]), reach, 1.0)
    return float(np.sqrt(max((parts * oaconvolve(parts, kernel, mode="same")).sum(), 0.0)))


def spherical(lag: Array, reach: float, sill: float) -> Array:
    """Return the spherical semivariogram at lags, any shape, without nugget.

    `reach` is the lag from which on it is level, at `sill`.
    """
    share = np.minimum(lag / max(reach, 1e-9), 1.0)
    return np.asarray(sill * (1.5 * share - 0.5 * share**3))


def spherical_range(p: Array, counts: Bool) -> float:
    """Return the range, in cells, of the spherical semivariogram of a map.

    Of all pairs of a cell that counts with any other cell, in classes of lag. The USGS fits the
    same to pairs drawn at random.

    Parameters
    ----------
    p : array, (rows, cols)
        NaN where unknown.
    counts : array of bool, (rows, cols)

    Returns
    -------
    float
        inf where too few cells count, or where the semivariogram does not level off.
    """
    if counts.sum() < FEWEST:
        return float("inf")
    known = np.isfinite(p)
    sides = [np.ptp(np.flatnonzero(known.any(axis=axis))) for axis in (0, 1)]
    for most in (int(np.clip(min(sides) / 2, *LAGS)), int(max(sides)) + LAGS[0]):
        reach = _fitted_range(*_semivariogram(p, counts, most), most)
        if reach < most - 1:
            return reach
    return float("inf")


def _semivariogram(p: Array, counts: Bool, most: int) -> tuple[Array, Array, Array]:
    """Return lag (cells), semivariance and number of pairs per class of lag, (classes,)."""
    known = np.isfinite(p)
    # About 0, so that little is lost when squares are subtracted from squares.
    values = np.where(known, p - p[known].mean(), 0.0)
    # Further lags need no margin beyond the map's own size.
    reach = [min(most, n - 1) for n in p.shape]
    size = [fft.next_fast_len(n + m, real=True) for n, m in zip(p.shape, reach, strict=True)]
    seeds, others = counts.astype(np.float64), known.astype(np.float64)
    transform = [fft.rfft2(a, size) for a in (seeds, seeds * values, seeds * values**2)]
    reverse = [fft.rfft2(a, size) for a in (others, values, values**2)]
    a, b, c = transform
    d, e, f = (np.conj(r) for r in reverse)
    pairs, squares = (_lags(w, size, reach) for w in (a * d, a * f - 2.0 * b * e + c * d))
    y, x = (np.arange(-m, m + 1) for m in reach)
    lag = np.hypot(y[:, None], x[None, :])
    edges = np.geomspace(1.0, most, BINS + 1)
    place = np.digitize(lag, edges, right=True) - 1
    inside = (place >= 0) & (place < BINS)
    number, sums = (
        np.bincount(place[inside], weights=w[inside], minlength=BINS)
        for w in (np.rint(pairs), squares)
    )
    filled = number > 0
    middle = (edges[:-1] + edges[1:]) / 2
    return (
        middle[filled],
        np.maximum(sums[filled], 0.0) / (2 * number[filled]),
        np.asarray(number[filled], np.float64),
    )


def _lags(spectrum: NDArray[np.complex128], size: list[int], reach: list[int]) -> Array:
    """Return a correlation at lags up to `reach` on either side, (2 rows + 1, 2 cols + 1)."""
    table = fft.irfft2(spectrum, size)
    rows, cols = (np.arange(-m, m + 1) for m in reach)
    return np.asarray(table[np.ix_(rows, cols)])


def _fitted_range(lag: Array, semivariance: Array, number: Array, most: int) -> float:
    """Return the range of the spherical model fitted with weights of pairs; inf without a sill."""
    if lag.size < 3 or not semivariance.max() > 0:
        return float("inf")
    start = (most / 2, float(semivariance.max()))
    try:
        fitted, _ = curve_fit(
            spherical, lag, semivariance, start, sigma=1.0 / number, bounds=(0.0, [most, 1.0])
        )
    except (RuntimeError, ValueError):
        return float("inf")
    return float(fitted[0])
