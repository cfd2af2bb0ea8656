"""Empirical variogram of values at scattered points, and a model of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from shakeslide.core.errors import InputError
from shakeslide.core.random_streams import generator
from shakeslide.evaluation.event_rows import rows_by_event
from shakeslide.evaluation.ranking import FloatArray, IntArray

LAGS = 24
PAIRS_PER_LAG = 8000
# With the data themselves 40 arrangements: the smallest chance that can be found is 1/40.
SHUFFLES = 39
MATTERS = 0.05
FEWEST_PAIRS = 50
FEWEST_POINTS = 30


@dataclass(frozen=True, kw_only=True)
class Variogram:
    """Half the mean squared difference of two values, by their distance.

    Attributes
    ----------
    lag : ndarray, shape (k,)
        Mean distance of the pairs in each class, metres, ascending.
    semivariance : ndarray, shape (k,)
        Half the mean squared difference in it (Matheron's estimator).
    pairs : ndarray, shape (k,)
        Number of pairs in it.
    ranges, steps : ndarray, shape (m,)
        The model is nugget + Σ steps (1 − exp(−3 distance / ranges)), ranges in metres.
    nugget, sill : float
        Value of the model at distance 0+, and far away.
    range : float
        The longest range that matters, metres: parts of this range or longer make up 5 % of the
        sill. An exponential part has made 95 % of its step at its range. 0 if no part matters.
    chance : float
        How often the model fits as much of a pattern when the values are shuffled among the
        points: an estimate from 39 shuffles, 0.025 at least.
    """

    lag: FloatArray
    semivariance: FloatArray
    pairs: FloatArray
    ranges: FloatArray
    steps: FloatArray
    nugget: float
    sill: float
    range: float
    chance: float

    @property
    def structured(self) -> float:
        """Share of the sill that the model makes up between the shortest lag and far away."""
        return 1 - float(self.model(self.lag[0])) / self.sill if self.sill > 0 else 0.0

    def model(self, distance: ArrayLike) -> FloatArray:
        """Return the modelled semivariance at distances in metres, any shape, in the same shape."""
        return np.asarray(self.nugget + _rise(distance, self.ranges) @ self.steps)


def variogram(
    x: ArrayLike,
    y: ArrayLike,
    value: ArrayLike,
    longest: float | None = None,
    seed: int = 0,
    event: ArrayLike | None = None,
) -> Variogram:
    """Estimate a variogram from pairs drawn alike at all distances, and fit a model.

    The model is a sum of exponential ones of whatever ranges fit best: landslides make a first
    rise within their own size, and terrain, rock and shaking a slower one.

    A pair is a point drawn at random and the point nearest to a place at a random bearing and
    distance from it, log-uniform; so the short lags, which decide, are as well filled as the
    long ones, however many points there are.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Coordinates, metres.
    value : array_like, shape (n,)
        Values, such as residuals; rows with NaN are left out.
    longest : float, optional
        Longest distance looked at, metres; half the shorter side of the area by default (of
        several events that of the largest).
    seed : int
        Seed, not negative.
    event : array_like, shape (n,), optional
        Earthquake of each row: rows of two are never joined. Default: all are of one.

    Returns
    -------
    Variogram
        24 classes of distance at most, in geometric steps; those with fewer than 50 pairs are
        left out.

    Raises
    ------
    InputError
        If there are fewer than 30 points or they lie in too few places.
    """
    valid = np.isfinite(np.asarray(value, dtype=np.float64))
    points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])[valid]
    values = np.asarray(value, dtype=np.float64)[valid]
    if values.size < FEWEST_POINTS:
        raise InputError(f"variogram: {values.size} points; it needs at least {FEWEST_POINTS}")
    lots = rows_by_event(None if event is None else np.asarray(event)[valid], values.size)
    near = _Neighbours.of(points, lots)
    sides = [float(np.ptp(points[rows], axis=0).min()) for rows in lots]
    reach = max(sides) / 2 if longest is None else longest
    rng = generator(seed, "variogram")
    shortest = _spacing(near, rng)
    if not 0 < 4 * shortest < reach:
        raise InputError(
            "variogram: there are too few points, or they lie almost on a line; "
            "give the block size yourself"
        )
    edges = np.geomspace(shortest, reach, LAGS + 1)
    first, second = _pairs(near, edges, rng)
    distance = np.hypot(*(points[first] - points[second]).T)
    index = np.searchsorted(edges, distance, side="right") - 1
    pairs = np.bincount(index[(index >= 0) & (index < LAGS)], minlength=LAGS)
    # Index −1 (too near) and LAGS (too far) both find the False that is appended.
    kept = np.append(pairs >= FEWEST_PAIRS, False)[index]
    if np.sum(pairs >= FEWEST_PAIRS) < 4:
        raise InputError("variogram: too few distances among the points; give the block size")
    cloud = _Cloud(*(column[kept] for column in (first, second, index, distance)))
    lag, semivariance, count = cloud.semivariance(values)
    ranges, steps, nugget, gain = _fitted(lag, semivariance, count)
    shuffled = [
        _fitted(*cloud.semivariance(_shuffled(values, lots, rng)))[-1] for _ in range(SHUFFLES)
    ]
    # The data count as one of the arrangements, so that the chance is never 0.
    chance = (1 + sum(other >= gain for other in shuffled)) / (1 + SHUFFLES)
    sill = nugget + float(steps.sum())
    reached = _longest(ranges, steps, sill)
    return Variogram(
        lag=lag,
        semivariance=semivariance,
        pairs=count,
        ranges=ranges,
        steps=steps,
        nugget=nugget,
        sill=sill,
        range=reached,
        chance=chance,
    )


@dataclass(frozen=True)
class _Neighbours:
    """Points, the event of each, and a search for the nearest ones of the same event."""

    points: FloatArray
    event: IntArray
    lots: Sequence[IntArray]
    trees: Sequence[scipy.spatial.cKDTree]

    @classmethod
    def of(cls, points: FloatArray, lots: Sequence[IntArray]) -> _Neighbours:
        """Return the search over the points of events, whose rows are given."""
        event = np.empty(len(points), np.int64)
        for k, rows in enumerate(lots):
            event[rows] = k
        return cls(points, event, lots, [scipy.spatial.cKDTree(points[rows]) for rows in lots])

    def nearest(
        self, places: FloatArray, event: IntArray, count: int
    ) -> tuple[FloatArray, IntArray]:
        """Return distance and row of the nearest points to places, (places, count).

        An event of fewer points has infinite distances.
        """
        distance = np.full((len(places), count), np.inf)
        row = np.zeros((len(places), count), np.int64)
        for k, (rows, tree) in enumerate(zip(self.lots, self.trees, strict=True)):
            here = np.flatnonzero(event == k)
            if here.size == 0:
                continue
            some = min(count, rows.size)
            far, index = tree.query(places[here], k=range(1, some + 1))
            distance[here, :some], row[here, :some] = far, rows[index]
        return distance, row


@dataclass(frozen=True)
class _Cloud:
    """Pairs of rows, the class of their distance, and the distance."""

    first: IntArray
    second: IntArray
    index: IntArray
    distance: FloatArray

    def semivariance(self, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean distance, semivariance and number of pairs of each class that has any."""
        half = (values[self.first] - values[self.second]) ** 2 / 2
        sums = np.array([np.bincount(self.index, w) for w in (None, self.distance, half)])
        count, distance, squares = sums[:, sums[0] > 0]
        return distance / count, squares / count, count


def _shuffled(values: FloatArray, lots: Sequence[IntArray], rng: np.random.Generator) -> FloatArray:
    """Values shuffled among the points of each event."""
    out = np.empty_like(values)
    for rows in lots:
        out[rows] = rng.permutation(values[rows])
    return out


def _spacing(near: _Neighbours, rng: np.random.Generator) -> float:
    """Median distance to the nearest other place, of some points."""
    count = len(near.points)
    some = rng.integers(0, count, min(count, 2000))
    # Several neighbours, because rows may share a place, and that distance 0 is not looked for.
    distance = near.nearest(near.points[some], near.event[some], min(8, count))[0]
    apart = np.where(distance > 0, distance, np.inf).min(axis=1)
    return float(np.median(apart))


def _pairs(
    near: _Neighbours, edges: FloatArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Row numbers of pairs of different points at distances spread over the classes."""
    points, count = near.points, PAIRS_PER_LAG * (edges.size - 1)
    first = rng.integers(0, len(points), count)
    steps = rng.random(count)
    distance = edges[0] * (edges[-1] / edges[0]) ** steps
    bearing = rng.uniform(0, 2 * np.pi, count)
    offset = np.column_stack([np.sin(bearing), np.cos(bearing)]) * distance[:, None]
    second = near.nearest(points[first] + offset, near.event[first], 1)[1][:, 0]
    # Points that stand alone are found again and again, yet tell a thing once.
    pair = np.unique(np.minimum(first, second) * len(points) + np.maximum(first, second))
    first, second = np.divmod(pair, len(points))
    different = first != second
    return first[different], second[different]


def _fitted(
    lag: FloatArray, semivariance: FloatArray, pairs: FloatArray
) -> tuple[FloatArray, FloatArray, float, float]:
    """Ranges and steps that fit, the nugget, and how much better it is than a constant.

    Least squares weighted by pairs with nothing negative, over a dense set of ranges, of which
    few come out in use. Ranges short of the second lag could not be told from a nugget, longer
    ones than the last not from a trend.
    """
    ranges = np.geomspace(lag[1], lag[-1], 40)
    weight = pairs / pairs.sum()
    root = np.sqrt(weight)
    columns = np.column_stack([np.ones_like(lag), _rise(lag, ranges)])
    steps, residual = scipy.optimize.nnls(columns * root[:, None], semivariance * root)
    used = steps[1:] > 0
    mean = semivariance @ weight
    # `nnls` returns the norm of the residuals, hence the square.
    gain = float((semivariance - mean) ** 2 @ weight - residual**2)
    return ranges[used], steps[1:][used], float(steps[0]), gain


def _rise(distance: ArrayLike, ranges: FloatArray) -> FloatArray:
    """Share of its step that each exponential model has made at each distance."""
    ratio = np.asarray(distance, dtype=np.float64)[..., None] / ranges
    return np.asarray(1 - np.exp(-3 * ratio))


def _longest(ranges: FloatArray, steps: FloatArray, sill: float, share: float = MATTERS) -> float:
    """Longest range whose part, with those longer still, makes up a share of the sill; or 0."""
    from_longest = np.cumsum(steps[::-1])[::-1]
    matters = np.flatnonzero(from_longest >= share * sill)
    return float(ranges[matters[-1]]) if matters.size else 0.0
