"""A model's probability as a function of shaking, and what draws of shaking make of it.

Per cell a model depends on shaking through few numbers. A smooth one is predicted at some levels of
shaking around the median (`response_table`); the draws then cost an interpolation of the logit
each. One that responds in steps, as trees do, is predicted at every draw (`response_at_draws`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel

Float = NDArray[np.float32]
Predict = Callable[[Float], Float]
"""Returns the probability of rows, (rows,), of raw factors (rows, factors) float32."""

REACH = 4.0
"""Standard deviations on either side of the median that the table covers; one draw in 16,000 lies
beyond, and counts as at the end."""
LEVELS = 33
"""Levels of shaking in the table where one measure of shaking varies."""
LEVELS_OF_TWO = 13
"""Levels of each measure where two vary."""
LEAST = 1e-12
"""Probabilities are kept this far from 0 and 1, so that their logit is finite."""
QUANTILES = (0.1, 0.9)
AT_ONCE = 2**22
"""Probabilities, of all draws of some cells, that are in memory at once."""


class Table(NamedTuple):
    """Logits of the probability at levels of shaking, or at every draw.

    Attributes
    ----------
    logit : array, (cells, levels, levels of a second measure or 1) float32
        NaN where the model has no value.
    median : array, (cells,) float32
        The same at the median shaking.
    first, step : float
        First level and distance of levels, in standard deviations from the median; a distance of
        0 where the levels are the draws.
    """

    logit: Float
    median: Float
    first: float
    step: float


class Draws(NamedTuple):
    """Draws of shaking at nodes, and of the event term.

    Attributes
    ----------
    nodes : array, (measures, rows, cols, draws) float32
        Standardised residuals of the logarithm: mean 0, standard deviation 1.
    event : array, (draws,) float32
        What each draw adds to the logit of every cell.
    """

    nodes: Float
    event: Float


class Places(NamedTuple):
    """Where cells lie among the nodes.

    Attributes
    ----------
    row, col : arrays, (cells,) float32
        Place in rows and columns of nodes, from 0.
    gain : array, (measures, cells) float32
        What restores the standard deviation that interpolation between nodes takes away.
    """

    row: Float
    col: Float
    gain: Float


class Cells(NamedTuple):
    """Cells whose probability is asked for at every draw."""

    table: Table
    draws: Draws
    places: Places


class _Room(NamedTuple):
    """Room for the draws of one cell: places among levels, and powers of two, (draws,) each."""

    first: Float
    second: Float
    powers: NDArray[np.int32]


class Summary(NamedTuple):
    """What the draws make of each cell, and of their sums.

    Attributes
    ----------
    mean, low, high : arrays, (cells,) float32
        Mean, 10 % and 90 % quantile of the probability; NaN where there is none.
    exceeds : array, (levels, cells) float32
        Share of the draws whose probability is above a level.
    totals : array, (weights, draws) float64
        Sums over the cells of probability times weight.
    """

    mean: Float
    low: Float
    high: Float
    exceeds: Float
    totals: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ShakingColumns:
    """Which raw factors are shaking.

    Attributes
    ----------
    columns : tuple of int
        Columns of the measures that vary, one or two, in the order of `Draws.nodes`.
    most : tuple of float
        Greatest value that each can have, in the column's unit.
    """

    columns: tuple[int, ...]
    most: tuple[float, ...]


def response_table(predict: Predict, raw: Float, sd: Float, shaking: ShakingColumns) -> Table:
    """Predict cells at levels of shaking around the median.

    Parameters
    ----------
    predict : callable
        See `Predict`.
    raw : array, (cells, factors) float32
        Raw factors, with the median shaking.
    sd : array, (measures, cells) float32
        Standard deviation of the logarithm of each measure.
    shaking : ShakingColumns
        Which columns vary.
    """
    two = len(shaking.columns) == 2
    count = LEVELS_OF_TWO if two else LEVELS
    at = np.linspace(-REACH, REACH, count)
    logit = np.empty((len(raw), count, count if two else 1), np.float32)
    changed = raw.copy()
    for i in range(count):
        _shift(changed, raw, sd, shaking, 0, float(at[i]))
        for j in range(logit.shape[2]):
            if two:
                _shift(changed, raw, sd, shaking, 1, float(at[j]))
            logit[:, i, j] = _logit(predict(changed))
    # The number of levels is odd.
    median = logit[:, count // 2, logit.shape[2] // 2]
    return Table(logit, median, -REACH, 2 * REACH / (count - 1))


def response_at_draws(
    predict: Predict,
    raw: Float,
    sd: Float,
    shaking: ShakingColumns,
    draws: Draws,
    places: Places,
) -> Table:
    """Predict cells at every draw of shaking.

    Between levels a step may lie anywhere, so that no number of levels keeps a given error.

    Parameters
    ----------
    predict : callable
        See `Predict`.
    raw : array, (cells, factors) float32
        Raw factors, with the median shaking.
    sd : array, (measures, cells) float32
        Standard deviation of the logarithm of each measure.
    shaking : ShakingColumns
        Which columns vary.
    draws : Draws
        Shaking at the nodes.
    places : Places
        Where the cells lie among them.
    """
    logit = np.empty((len(raw), draws.event.size, 1), np.float32)
    residuals = np.empty((len(shaking.columns), draws.event.size, len(raw)), np.float32)
    for measure in range(len(residuals)):
        _residuals(draws.nodes[measure], places, places.gain[measure], residuals[measure])
    changed = raw.copy()
    for d in range(draws.event.size):
        for measure in range(len(residuals)):
            _shift(changed, raw, sd, shaking, measure, residuals[measure, d])
        logit[:, d, 0] = _logit(predict(changed))
    return Table(logit, _logit(predict(raw)), 0.0, 0.0)


def _logit(p: Float) -> Float:
    kept = np.clip(p.astype(np.float64), LEAST, 1 - 1e-7)
    return np.log(kept / (1 - kept)).astype(np.float32)


def _shift(
    changed: Float,
    raw: Float,
    sd: Float,
    shaking: ShakingColumns,
    measure: int,
    level: float | Float,
) -> None:
    """Set a measure of shaking to so many standard deviations from its median."""
    column = shaking.columns[measure]
    values = raw[:, column] * np.exp(level * sd[measure])
    changed[:, column] = np.minimum(values, np.float32(shaking.most[measure]))


def summarise(cells: Cells, weights: Float, exceeds: Sequence[float] = ()) -> Summary:
    """Return mean, quantiles and weighted sums of the probability over the draws.

    Parameters
    ----------
    cells : Cells
        Their responses, the draws, and where they lie.
    weights : array, (weights, cells) float32
        For instance area in km², people. A cell without a value adds nothing.
    exceeds : sequence of float
        Levels of probability.
    """
    number, count = len(cells.table.logit), cells.draws.event.size
    limits = np.asarray(exceeds, np.float32)
    out = Summary(
        mean=np.full(number, np.nan, np.float32),
        low=np.full(number, np.nan, np.float32),
        high=np.full(number, np.nan, np.float32),
        exceeds=np.full((limits.size, number), np.nan, np.float32),
        totals=np.zeros((len(weights), count)),
    )
    # Order statistics: the smallest value that at least this share of the draws does not exceed.
    low, high = (max(int(np.ceil(q * count)) - 1, 0) for q in QUANTILES)
    rows = max(AT_ONCE // count, 1)
    for start in range(0, number, rows):
        p = np.full((min(rows, number - start), count), np.nan, np.float32)
        _summarise(cells, weights, limits, start, p, out)
        p.sort(axis=1)
        part = slice(start, start + rows)
        out.low[part], out.high[part] = p[:, low], p[:, high]
    return out


def at_draws(cells: Cells) -> Float:
    """Return the probability of cells at every draw, (cells, draws) float32, NaN without value."""
    out = np.full((len(cells.table.logit), cells.draws.event.size), np.nan, np.float32)
    _at_draws(cells, out)
    return out


@kernel
def _at_draws(cells: Cells, out: Float) -> None:
    count = cells.draws.event.size
    room = _Room(
        np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.int32)
    )
    for i in range(len(out)):
        if not np.isnan(cells.table.logit[i, 0, 0]):
            _cell(cells, i, room, out[i])


@kernel
def _cell(cells: Cells, i: int, room: _Room, p: Float) -> None:
    """Set the probability of a cell at every draw."""
    logit = cells.table.logit[i]
    if cells.table.step == 0.0:
        p[:] = logit[:, 0]
        _logistic(p, cells.draws.event, room.powers)
        return
    _levels(cells, 0, i, room.first)
    if logit.shape[1] > 1:
        _levels(cells, 1, i, room.second)
        _interpolate_two(logit, room.first, room.second, p)
    else:
        _interpolate(logit[:, 0], room.first, p)
    _logistic(p, cells.draws.event, room.powers)


@kernel
def _summarise(
    cells: Cells, weights: Float, limits: Float, start: int, p: Float, out: Summary
) -> None:
    """Set the probabilities of the cells from `start` on, (cells, draws), and what needs no order.

    Cells without a value are left out.
    """
    count = cells.draws.event.size
    room = _Room(
        np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.int32)
    )
    for k in range(len(p)):
        i = start + k
        if np.isnan(cells.table.logit[i, 0, 0]):
            continue
        _cell(cells, i, room, p[k])
        total = np.float64(0.0)
        for d in range(count):
            total += p[k, d]
        out.mean[i] = total / count
        for w in range(weights.shape[0]):
            weight = np.float64(weights[w, i])
            if weight > 0.0:
                for d in range(count):
                    out.totals[w, d] += weight * p[k, d]
        for j in range(limits.size):
            above = 0
            for d in range(count):
                above += p[k, d] > limits[j]
            out.exceeds[j, i] = above / count


@kernel
def _interpolate(logit: Float, places: Float, out: Float) -> None:
    """Set the logits at places between the levels of one measure."""
    last = logit.size - 2
    for d in range(out.size):
        k = min(int(places[d]), last)
        low = logit[k]
        out[d] = low + (places[d] - np.float32(k)) * (logit[k + 1] - low)


@kernel
def _interpolate_two(logit: Float, first: Float, second: Float, out: Float) -> None:
    """Set the logits at places between the levels of two measures.

    Cubic (Catmull-Rom) in either direction: levels of two measures are too far apart for straight
    lines where a probability rises steeply to its greatest value.
    """
    rows, cols = logit.shape[0] - 1, logit.shape[1] - 1
    low, high = logit.min(), logit.max()
    for d in range(out.size):
        k, m = min(int(first[d]), rows - 1), min(int(second[d]), cols - 1)
        f, g = first[d] - np.float32(k), second[d] - np.float32(m)
        total = np.float32(0.0)
        for i in range(4):
            # Beyond the table, its last level.
            row = min(max(k + i - 1, 0), rows)
            line = np.float32(0.0)
            for j in range(4):
                line += _cubic(g, j) * logit[row, min(max(m + j - 1, 0), cols)]
            total += _cubic(f, i) * line
        # At a step the curve would swing beyond both of its sides.
        out[d] = min(max(total, low), high)


@kernel
def _cubic(x: np.float32, i: int) -> np.float32:
    """Return the weight of level i - 1 at the place x, 0 to 1, between levels 0 and 1."""
    half, one = np.float32(0.5), np.float32(1.0)
    if i == 0:
        return half * x * (x * (np.float32(2.0) - x) - one)
    if i == 1:
        return half * (x * x * (np.float32(3.0) * x - np.float32(5.0)) + np.float32(2.0))
    if i == 2:
        return half * x * (x * (np.float32(4.0) - np.float32(3.0) * x) + one)
    return half * x * x * (x - one)


LOG2_E = np.float32(1.4426950408889634)
C1, C2, C3, C4, C5 = (np.float32(v) for v in (
    0.6931471805599453, 0.2402265069591007, 0.05550410866482158, 0.009618129107628477,
    0.0013333558146428443,
))  # fmt: skip
"""2^f = 1 + C1 f + ... (Taylor): wrong by 2e-6 at most where |f| is up to one half."""


@kernel
def _logistic(x: Float, more: Float, powers: NDArray[np.int32]) -> None:
    """Replace x by 1 / (1 + exp(-(x + more))).

    Written out, because a call of `exp` for each value keeps the loop from being vectorised, and
    this is where the time goes. Wrong by 2e-6 of the value at most.
    """
    for d in range(x.size):
        y = -(x[d] + more[d]) * LOG2_E
        y = min(max(y, np.float32(-100.0)), np.float32(100.0))
        whole = np.floor(y + np.float32(0.5))
        f = y - whole
        series = C1 + f * (C2 + f * (C3 + f * (C4 + f * C5)))
        x[d] = np.float32(1.0) + f * series
        # The bits of 2^whole as a float32.
        powers[d] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    scale = powers.view(np.float32)
    for d in range(x.size):
        x[d] = np.float32(1.0) / (np.float32(1.0) + x[d] * scale[d])


@kernel
def _levels(cells: Cells, measure: int, i: int, out: Float) -> None:
    """Set the place of each draw in the table's levels at one cell, from 0 to levels - 1."""
    table, places = cells.table, cells.places
    # In levels instead of standard deviations.
    gain = places.gain[measure, i] / np.float32(table.step)
    start = np.float32(-table.first / table.step)
    _between_nodes(cells.draws.nodes[measure], places, i, gain, start, out)
    last = np.float32(table.logit.shape[1 + measure] - 1)
    for d in range(out.size):
        out[d] = min(max(out[d], np.float32(0.0)), last)


@kernel
def _residuals(nodes: Float, places: Places, gain: Float, out: Float) -> None:
    """Set the residuals of a measure at cells, (draws, cells), in standard deviations."""
    room = np.empty(len(out), np.float32)
    for i in range(out.shape[1]):
        _between_nodes(nodes, places, i, gain[i], np.float32(0.0), room)
        for d in range(room.size):
            out[d, i] = room[d]


@kernel
def _between_nodes(
    nodes: Float, places: Places, i: int, gain: np.float32, start: np.float32, out: Float
) -> None:
    """Set the values of each draw at one cell: those of the nodes times `gain`, plus `start`."""
    r = min(max(int(places.row[i]), 0), nodes.shape[0] - 2)
    c = min(max(int(places.col[i]), 0), nodes.shape[1] - 2)
    y, x = places.row[i] - np.float32(r), places.col[i] - np.float32(c)
    one = np.float32(1.0)
    a, b = (one - y) * (one - x) * gain, (one - y) * x * gain
    e, f = y * (one - x) * gain, y * x * gain
    upper, lower = nodes[r, c], nodes[r + 1, c]
    upper_next, lower_next = nodes[r, c + 1], nodes[r + 1, c + 1]
    for d in range(out.size):
        out[d] = a * upper[d] + b * upper_next[d] + e * lower[d] + f * lower_next[d] + start


def interpolation_gain(
    row: Float,
    col: Float,
    correlation: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    spacing: tuple[float, float],
) -> Float:
    """Return what restores unit variance after bilinear interpolation between nodes, (cells,).

    Parameters
    ----------
    row, col : arrays, (cells,) float32
        Places among the nodes.
    correlation : callable
        Correlation of the residuals at distances in km.
    spacing : tuple of float
        Distance of rows and of columns of nodes in km.
    """
    y, x = (v.astype(np.float64) % 1.0 for v in (row, col))
    down, across = spacing
    far = correlation(np.array([down, across, np.hypot(down, across)]))
    weights = np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x])
    a, b, c, d = weights
    variance = (weights**2).sum(axis=0)
    variance += 2 * (far[0] * (a * c + b * d) + far[1] * (a * b + c * d) + far[2] * (a * d + b * c))
    return np.asarray(1 / np.sqrt(variance), np.float32)
