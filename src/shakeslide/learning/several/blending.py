"""The blend of a bundle's members: weights, slope and level from earthquakes held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit
from scipy.stats import t as student

from shakeslide.evaluation.curves import roc_auc_of
from shakeslide.evaluation.ranking import rank
from shakeslide.learning.several.members import FEW

Array = NDArray[np.float64]

BELOW_RULE = 0.01
"""AUC by which a member may lie below slope times shaking on an earthquake."""
ERRORS = 2.0
"""Standard errors of that difference which it may lie below besides: what chance makes where an
earthquake has few landslides."""
GAIN = 0.002
"""Mean AUC by which other members must improve on the few terms to be used at all."""
RIDGE = 1e-2
"""Penalty on the coefficients of members, which makes like members share their weight."""
ENOUGH = 4
"""Earthquakes held out from which on members are chosen: of fewer, one may be lucky on all."""
FEWEST = 3
"""Earthquakes held out from which on their levels state a standard deviation."""
WIDE = float(np.log(3))
"""Standard deviation of the event term where they are fewer, as of published formulas."""
LEAST_SD = 0.3
"""Least standard deviation of the event term."""


@dataclass(frozen=True)
class HeldOut:
    """One earthquake as members predict it that have not seen it.

    Attributes
    ----------
    logits : array, (members, rows) float64
        Log-odds of each member.
    label : array, (rows,)
        1 in a source, 0 clear.
    weight : array, (rows,) float64
        Cells that each row stands for.
    rule : array, (rows,) float64
        Rank by slope times shaking, from 0 to 1.
    framed : array, (rows,) bool
        Ground that is judged.
    has_area : bool
        Whether its positive cells add up to the area of its landslides.
    """

    logits: Array
    label: NDArray[np.int64]
    weight: Array
    rule: Array
    framed: NDArray[np.bool_]
    has_area: bool = True

    def auc(self, values: Array) -> float:
        """Return the AUC of values, (rows,) in [0, 1], on the ground that is judged."""
        here = self.framed if self.judgeable else np.ones(self.label.size, bool)
        ranking = rank(self.label[here], values[here], self.weight[here])
        return float(roc_auc_of(ranking))

    def error(self, member: int) -> float:
        """Return the standard error of a member's AUC less the rule's (DeLong et al. 1988).

        Infinite where a class has a single row, which says nothing of it.
        """
        here = self.framed if self.judgeable else np.ones(self.label.size, bool)
        label = self.label[here]
        apart = _placements(label, self.logits[member][here]) - _placements(label, self.rule[here])
        parts = [apart[label == k] for k in (0, 1)]
        if min(p.size for p in parts) < 2:
            return float("inf")
        return float(np.sqrt(sum(np.var(p, ddof=1) / p.size for p in parts)))

    @property
    def judgeable(self) -> bool:
        """Whether the frame holds sources and clear ground."""
        return bool(np.unique(self.label[self.framed]).size == 2)


def _placements(label: NDArray[np.int64], values: Array) -> Array:
    """Return each row's share of the other class that it is ranked rightly against, (rows,)."""
    out = np.empty(label.size)
    clear, sources = (np.sort(values[label == k]) for k in (0, 1))
    for k, others in ((1, clear), (0, sources)):
        mine = values[label == k]
        below = np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")
        share = below / (2 * others.size)
        out[label == k] = share if k == 1 else 1 - share
    return out


@dataclass(frozen=True)
class Blend:
    """Log-odds of a source cell: intercept + sum of coefficient times log-odds of the member.

    Attributes
    ----------
    coefficients : tuple of float
        One per member, 0 or more.
    levels : tuple of float or None
        Intercept at which each earthquake's expected area is the mapped one; None where landslides
        were mapped without area.
    """

    coefficients: tuple[float, ...]
    levels: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        """Levels of the earthquakes whose landslide area is known."""
        return [level for level in self.levels if level is not None]

    @property
    def intercept(self) -> float:
        """Mean level, 0 where none is known: the order of the ground does not depend on it."""
        return float(np.mean(self.known)) if self.known else 0.0

    @property
    def sd(self) -> float:
        """Standard deviation of the event term of a new earthquake.

        Of few levels it is wider than their own: the 90 % interval is that of Student's t.
        """
        n = len(self.known)
        if n < FEWEST:
            return WIDE
        spread = float(np.std(self.known, ddof=1)) * np.sqrt(1 + 1 / n)
        return max(float(spread * student.ppf(0.95, n - 1) / 1.6448536269514722), LEAST_SD)

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each member in the blend."""
        total = sum(self.coefficients)
        return tuple(c / total for c in self.coefficients)

    def logit(self, logits: Array) -> Array:
        """Return log-odds, (rows,), of those of the members, (members, rows)."""
        return np.asarray(np.array(self.coefficients) @ logits + self.intercept)


def fit(parts: Sequence[HeldOut], names: Sequence[str], enough: int = ENOUGH) -> Blend:
    """Return the blend of members that ranks held-out earthquakes best, and never badly.

    Parameters
    ----------
    parts : sequence of HeldOut
        Earthquakes that the members have not seen.
    names : sequence of str
        Of the members.
    enough : int
        Earthquakes from which on members are chosen.
    """
    few = list(names).index(FEW)
    alone = stacked(parts, [few], len(names))
    eligible = [k for k in range(len(names)) if k == few or _holds(parts, k)]
    if len(eligible) == 1 or len(parts) < enough:
        return alone
    whole = stacked(parts, eligible, len(names))
    better = mean_auc(parts, whole) > mean_auc(parts, alone) + GAIN
    return whole if better else alone


def _holds(parts: Sequence[HeldOut], member: int) -> bool:
    """Whether a member falls below slope times shaking on none of the earthquakes."""
    return all(
        p.auc(expit(p.logits[member])) - p.auc(p.rule) >= -BELOW_RULE - ERRORS * p.error(member)
        for p in parts
    )


def mean_auc(parts: Sequence[HeldOut], blend: Blend) -> float:
    """Return the mean AUC of a blend over earthquakes."""
    return float(np.mean([p.auc(expit(blend.logit(p.logits))) for p in parts]))


def stacked(parts: Sequence[HeldOut], chosen: Sequence[int], members: int) -> Blend:
    """Return the blend of some members whose mean log-likelihood over earthquakes is highest.

    Each earthquake counts the same and has a level of its own, so that only how members order its
    ground decides.

    Parameters
    ----------
    parts : sequence of HeldOut
        Earthquakes that the members have not seen.
    chosen : sequence of int
        Places of the members that may be used.
    members : int
        Number of all members.
    """
    n = len(parts)
    x = [p.logits[list(chosen)] for p in parts]
    weight = [p.weight / p.weight[p.label == 1].sum() for p in parts]

    def loss(beta: Array) -> tuple[float, Array]:
        gradient, value = np.zeros(beta.size), 0.0
        for k, p in enumerate(parts):
            z = beta[k] + beta[n:] @ x[k]
            value += float(np.sum(weight[k] * (np.logaddexp(0.0, z) - p.label * z))) / n
            gap = weight[k] * (expit(z) - p.label) / n
            gradient[k] += gap.sum()
            gradient[n:] += x[k] @ gap
        gradient[n:] += 2 * RIDGE * beta[n:]
        return value + RIDGE * float(np.sum(beta[n:] ** 2)), gradient

    start = np.concatenate(
        [[_level(p, p.logits[list(chosen)].mean(axis=0)) for p in parts],
         np.full(len(chosen), 1 / len(chosen))]
    )  # fmt: skip
    bounds = [(None, None)] * n + [(0.0, None)] * len(chosen)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[n:]
    # Where no member explains anything, all end near 0. A blend must order the ground, so members
    # then count the same; the scores of the held-out earthquakes show what that is worth.
    if found.sum() < 1e-3:
        found = np.full(len(chosen), 1 / len(chosen))
    coefficients = np.zeros(members)
    coefficients[list(chosen)] = found
    levels = tuple(_level(p, coefficients @ p.logits) if p.has_area else None for p in parts)
    return Blend(tuple(float(c) for c in coefficients), levels)


def _level(part: HeldOut, z: Array) -> float:
    """Return what to add to log-odds, (rows,), so that the expected area is the mapped one."""
    mapped = float(part.weight[part.label == 1].sum())

    def excess(level: float) -> float:
        return float(np.sum(part.weight * expit(z + level))) - mapped

    # Beyond these, every row is nearly certain: the mapped area lies between.
    reach = 60.0 + float(np.abs(z).max())
    return float(brentq(excess, -reach, reach, xtol=1e-9))
