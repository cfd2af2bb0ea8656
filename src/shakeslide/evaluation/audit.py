"""Consistency of published figures, and the optimism of a protocol.

Overall accuracy, precision P, recall R and the share of positives π of one test set are related:

    OA = 1 − π (1 − R) − π R (1 − P) / P = 1 − π (1 − 2R + R / P),

so that any three of them give the fourth. They also need true negatives to exist: π R ≤ OA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shakeslide.core.errors import InputError
from shakeslide.evaluation.ranking import FloatArray

ROUNDING = 0.00005
"""Half a unit of the last digit of a share printed as per cent with two decimals."""


@dataclass(frozen=True)
class Consistency:
    """What overall accuracy, precision and recall imply about each other.

    Attributes
    ----------
    possible : bool
        Whether the figures, each within its tolerance, can come from one confusion matrix (at
        the given prevalence, if there is one).
    prevalence : float
        The share of positives at which the figures as printed agree, possible or not; NaN if
        they agree at any, which perfect figures do.
    prevalence_range : (float, float) or None
        The shares of positives at which they agree within the tolerances; None if at none.
    oa : (float, float, float) or None
        At the given prevalence, the overall accuracy that precision and recall as printed
        imply, and its range within their tolerances.
    statement : str
        The finding in a sentence.
    """

    possible: bool
    prevalence: float
    prevalence_range: tuple[float, float] | None
    oa: tuple[float, float, float] | None
    statement: str


def implied_oa(precision: ArrayLike, recall: ArrayLike, prevalence: ArrayLike) -> FloatArray:
    """Return the overall accuracy that precision, recall and the share of positives add up to.

    Parameters
    ----------
    precision, recall, prevalence : array_like
        Shares from 0 to 1, precision above 0; numbers or arrays that broadcast to one shape.

    Returns
    -------
    ndarray of float64
        The overall accuracy, in that shape.
    """
    return np.asarray(1 - np.asarray(prevalence) * _errors(precision, recall), dtype=np.float64)


def consistency(
    oa: float,
    precision: float,
    recall: float,
    prevalence: float | None = None,
    tolerance: float | Sequence[float] = ROUNDING,
) -> Consistency:
    """Ask whether published figures can belong to one test set.

    Parameters
    ----------
    oa, precision, recall : float
        As shares (not per cent); precision and recall above 0.
    prevalence : float, optional
        Share of positives in the test set, if known (0.5: balanced). Without it the question is
        whether there is any at which the figures agree.
    tolerance : float or three floats
        How far each figure may be off, as a share: half a unit of the last digit printed, plus
        the standard deviation if they are means over repeats.

    Raises
    ------
    InputError
        If a figure is not a share.

    Examples
    --------
    >>> finding = consistency(0.9188, 0.8756, 0.9140, prevalence=0.5)
    >>> finding.possible, round(finding.oa[0], 4), round(finding.prevalence, 4)
    (False, 0.8921, 0.3762)
    """
    figures = _checked(oa, precision, recall, prevalence)
    widths = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (3,))
    if not np.all((widths >= 0) & (widths < 1)):
        raise InputError(f"tolerance is {tolerance}: give shares from 0 to 1")
    # Precision is a divisor in `_errors`, so it and recall stay above 0.
    low, high = np.clip(figures - widths, [0, 1e-9, 1e-9], 1.0), np.minimum(figures + widths, 1.0)
    errors = float(_errors(precision, recall))
    # OA = 1 − π · errors, solved for π; perfect figures agree at any π.
    fitting = float((1 - oa) / errors) if errors > 0 else np.nan
    reachable = _prevalence_range(low, high)
    implied = None if prevalence is None else _oa_range(precision, recall, prevalence, low, high)
    possible = reachable is not None and (
        prevalence is None or reachable[0] <= prevalence <= reachable[1]
    )
    statement = _statement(figures, prevalence, reachable, fitting, possible)
    return Consistency(possible, fitting, reachable, implied, statement)


def common_prevalence(findings: Iterable[Consistency]) -> tuple[float, float] | None:
    """Shares of positives at which all of several figures fit; None if there is no such.

    Models that were compared on one test set must have one in common.
    """
    ranges = [finding.prevalence_range for finding in findings]
    if any(found is None for found in ranges):
        return None
    low = max((found[0] for found in ranges if found), default=0.0)
    high = min((found[1] for found in ranges if found), default=1.0)
    return (low, high) if low <= high else None


def optimism(scores: Mapping[str, ArrayLike], reference: str = "pixel") -> dict[str, float]:
    """How many points the reference protocol lies above each of the others.

    Parameters
    ----------
    scores : mapping of str to array_like
        One model's scores (shares, such as oa or roc_auc) on the splits of each protocol; NaN
        is left out.
    reference : str
        The protocol suspected of flattery.

    Returns
    -------
    dict
        Difference of the means times 100, by protocol other than the reference. A model that
        knows something real keeps most of its score; one that recognises places, or was handed
        a factor that gives the landslide away, does not.
    """
    if reference not in scores:
        raise ValueError(f"no scores of protocol {reference!r}")
    means = {name: float(np.nanmean(np.asarray(values))) for name, values in scores.items()}
    return {
        name: 100 * (means[reference] - mean) for name, mean in means.items() if name != reference
    }


def _errors(precision: ArrayLike, recall: ArrayLike) -> FloatArray:
    """False negatives and false positives per positive, 1 − 2R + R/P."""
    p, r = np.asarray(precision, dtype=np.float64), np.asarray(recall, dtype=np.float64)
    return np.asarray((1 - r) + r * (1 - p) / p)


def _checked(oa: float, precision: float, recall: float, prevalence: float | None) -> FloatArray:
    named = {"oa": oa, "precision": precision, "recall": recall}
    if prevalence is not None:
        named["prevalence"] = prevalence
    for name, value in named.items():
        if not 0 <= value <= 1 or (name != "oa" and value == 0):
            low = "0" if name == "oa" else "above 0"
            raise InputError(f"{name} is {value}: give a share from {low} to 1, not per cent")
    return np.array([oa, precision, recall])


def _prevalence_range(low: FloatArray, high: FloatArray) -> tuple[float, float] | None:
    """Shares of positives reachable from the box of oa, precision, recall between two corners.

    At each precision and recall the share falls with oa, which must be large enough to leave
    true negatives. The grid has the corners, where the extremes lie unless that fails there.
    """
    precision, recall = np.meshgrid(*(np.linspace(low[k], high[k], 65) for k in (1, 2)))
    errors = _errors(precision, recall)
    # π R ≤ OA with π = (1 − OA) / errors, solved for OA.
    least_oa = np.maximum(low[0], recall / (recall + errors))
    possible = least_oa <= high[0]
    if not possible.any():
        return None
    # `np.where` computes both branches; quotients by 0 are not used.
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = np.where(errors > 0, (1 - high[0]) / errors, 0.0)[possible]
        highest = np.where(errors > 0, (1 - least_oa) / errors, 1.0)[possible]
    return float(lowest.min()), float(highest.max())


def _oa_range(
    precision: float, recall: float, prevalence: float, low: FloatArray, high: FloatArray
) -> tuple[float, float, float]:
    # Errors per positive are linear in recall and fall with precision: corners are extremes.
    corners = [
        float(implied_oa(p, r, prevalence)) for p in (low[1], high[1]) for r in (low[2], high[2])
    ]
    return float(implied_oa(precision, recall, prevalence)), min(corners), max(corners)


def _statement(
    figures: FloatArray,
    prevalence: float | None,
    reachable: tuple[float, float] | None,
    fitting: float,
    possible: bool,
) -> str:
    oa, precision, recall = (f"{100 * figure:.2f} %" for figure in figures)
    given = f"precision {precision} and recall {recall}"
    if reachable is None:
        return f"{given} cannot go with an overall accuracy of {oa} in any test set"
    if prevalence is None:
        return f"{given} fit an overall accuracy of {oa} at {_place(reachable, fitting)}"
    there = f"{given} at {100 * prevalence:.1f} % positives"
    if possible:
        return f"{there} fit an overall accuracy of {oa}"
    implied = float(implied_oa(figures[1], figures[2], prevalence))
    # The true positives alone would be more than all cells that are right.
    if implied < prevalence * figures[2]:
        return f"{there} cannot be; with {oa} they fit at {_place(reachable, fitting)}"
    return (
        f"{there} imply an overall accuracy of {100 * implied:.2f} %, not {oa}; "
        f"they fit at {_place(reachable, fitting)}"
    )


def _place(reachable: tuple[float, float], fitting: float) -> str:
    low, high = reachable
    span = f"{100 * low:.1f} to {100 * high:.1f} %"
    if low <= fitting <= high:
        return f"{100 * fitting:.1f} % positives ({span})"
    return f"{span} positives"
