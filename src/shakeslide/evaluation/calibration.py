"""Calibration of probabilities: prior correction, Platt and isotonic calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from shakeslide.core.errors import InputError
from shakeslide.evaluation.ranking import FloatArray, Ranking, rank

CLIP = 1e-6
"""Log-odds are taken of probabilities kept this far from 0 and 1, which forests do predict."""


def correct_prior(p: ArrayLike, sample_share: float, prevalence: float) -> NDArray[Any]:
    """Move probabilities from the prior of the training sample to another one.

    logit p' = logit p + ln(π / (1 − π)) − ln(s / (1 − s)) (King and Zeng 2001, Political
    Analysis 9:137), computed as a ratio, so that 0 and 1 stay what they are.

    Parameters
    ----------
    p : array_like
        Probabilities of a model trained on the sample; NaN stays NaN. Any shape.
    sample_share : float
        s, the share of class 1 among the training rows.
    prevalence : float
        π, the share of class 1 to predict for: landslide cells among all cells.

    Returns
    -------
    ndarray
        Of the shape and floating type of `p`. The order of the values does not change; what
        was `correct_prior(0.5, …)` is the threshold that keeps the classes of 0.5.

    Raises
    ------
    InputError
        If one of the shares is not between 0 and 1.
    """
    for name, share in (
        ("share of landslides in the sample", sample_share),
        ("prevalence", prevalence),
    ):
        if not 0 < share < 1:
            raise InputError(f"{name} is {share}: give a number between 0 and 1")
    values = np.asarray(p)
    odds = values.astype(np.float64)
    odds = odds * (prevalence / sample_share)
    other = (1.0 - values) * ((1.0 - prevalence) / (1.0 - sample_share))
    corrected = odds / (odds + other)
    return corrected.astype(values.dtype if values.dtype.kind == "f" else np.float64)


class Calibration(Protocol):
    """A fitted monotone map from a model's probabilities to calibrated ones."""

    def apply(self, p: ArrayLike) -> NDArray[Any]:
        """Return calibrated probabilities of the shape and floating type of `p`."""
        ...

    def shifted(self, log_odds: float) -> Calibration:
        """Return the same calibration with all log-odds that it gives moved by so much."""
        ...

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the named arrays that `from_arrays` makes it from again.

        `Platt` has one of shape (2,), `Isotonic` one of shape (2, k).
        """
        ...


@dataclass(frozen=True)
class Platt:
    """Logistic calibration of the log-odds: p' = σ(slope · logit p + intercept).

    Slope 1 and intercept 0 change nothing; a slope below 1 tempers an overconfident model.
    """

    slope: float
    intercept: float

    def apply(self, p: ArrayLike) -> NDArray[Any]:
        """Return calibrated probabilities of the shape and floating type of `p`."""
        values = np.asarray(p)
        calibrated = expit(self.slope * _log_odds(values) + self.intercept)
        return _typed_like(calibrated, values)

    def shifted(self, log_odds: float) -> Platt:
        """Return the same calibration with all log-odds that it gives moved by so much."""
        return Platt(self.slope, self.intercept + log_odds)

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the named array that `from_arrays` makes it from again: `platt`, (2,)."""
        return {"platt": np.array([self.slope, self.intercept])}


@dataclass(frozen=True)
class Isotonic:
    """Calibration by a rising polyline through `p`, `calibrated`; constant beyond its ends.

    Attributes
    ----------
    p, calibrated : ndarray of float64, shape (k,)
        Probabilities as predicted, ascending, and as calibrated.
    """

    p: FloatArray
    calibrated: FloatArray

    def apply(self, p: ArrayLike) -> NDArray[Any]:
        """Return calibrated probabilities of the shape and floating type of `p`."""
        values = np.asarray(p)
        return _typed_like(np.interp(values, self.p, self.calibrated), values)

    def shifted(self, log_odds: float) -> Isotonic:
        """Return the same calibration with all log-odds that it gives moved by so much."""
        return Isotonic(self.p, expit(_log_odds(self.calibrated) + log_odds))

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the named array that `from_arrays` makes it from again: `isotonic`, (2, k)."""
        return {"isotonic": np.stack([self.p, self.calibrated])}


def fit_platt(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Platt:
    """Fit logistic calibration by maximum likelihood.

    Targets are Platt's: (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2) in place of 1 and 0 (Platt 1999), which
    keep the fit finite when the classes are apart.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, 0 or 1, of rows that the model was not trained on; both must occur.
    p : array_like, shape (n,)
        Probability of class 1.
    weights : array_like, shape (n,), optional
        Weight of each row: `class_weights` calibrates for another prevalence.

    Raises
    ------
    ValueError
        If only one class occurs.
    """
    ranking = _with_both_classes(rank(y, p, weights))
    positive, negative = ranking.total_positive, ranking.total_negative
    weight = ranking.positive + ranking.negative
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    target = (ranking.positive * high + ranking.negative * low) / weight
    slope, intercept = _logistic(_log_odds(ranking.p), target, weight)
    return Platt(slope, intercept)


def fit_isotonic(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Isotonic:
    """Fit isotonic calibration by pooling adjacent violators.

    It takes any rising shape and therefore needs many rows (a thousand landslide cells, rather
    than a hundred).

    Parameters
    ----------
    y, p, weights
        As for `fit_platt`.

    Raises
    ------
    ValueError
        If only one class occurs.
    """
    ranking = _with_both_classes(rank(y, p, weights))
    # A ranking descends; regression and interpolation need ascending values.
    x = ranking.p[::-1]
    weight = (ranking.positive + ranking.negative)[::-1]
    level = isotonic_regression(ranking.positive[::-1] / weight, weights=weight).x
    # Of each flat stretch only the two ends say anything.
    rises = np.diff(level) > 0
    keep = np.concatenate([[True], rises]) | np.concatenate([rises, [True]])
    # Weighted means may leave [0, 1] by a rounding error, which `from_arrays` would refuse.
    return Isotonic(x[keep], np.clip(level[keep], 0.0, 1.0))


def from_arrays(arrays: Mapping[str, ArrayLike]) -> Calibration:
    """Make a calibration from what its `to_arrays` gave.

    Raises
    ------
    InputError
        If the arrays are not those of a calibration.
    """
    if len(arrays) == 1:
        ((kind, given),) = arrays.items()
        values = np.asarray(given, dtype=np.float64)
        if kind == "platt" and values.shape == (2,) and np.isfinite(values).all():
            return Platt(float(values[0]), float(values[1]))
        if kind == "isotonic" and _is_rising_polyline(values):
            return Isotonic(values[0], values[1])
    raise InputError(
        f"stored calibration {sorted(arrays)} is not a valid one: fit and save the model again"
    )


def _is_rising_polyline(values: FloatArray) -> bool:
    return bool(
        values.ndim == 2
        and values.shape[0] == 2
        and values.shape[1] > 0
        and np.all((values >= 0) & (values <= 1))
        and np.all(np.diff(values[0]) > 0)
        and np.all(np.diff(values[1]) >= 0)
    )


def _with_both_classes(ranking: Ranking) -> Ranking:
    if not (ranking.total_positive and ranking.total_negative):
        raise ValueError("calibration needs rows of both classes")
    return ranking


def _logistic(x: FloatArray, target: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Maximise the weighted likelihood of σ(a x + b) by damped Newton steps."""
    design = np.column_stack([x, np.ones_like(x)])
    mean = float(np.sum(weight * target) / np.sum(weight))
    # Starts at the constant of the mean, the best fit without a slope.
    beta = np.array([0.0, logit(mean)])
    loss = _cross_entropy(design @ beta, target, weight)
    for _ in range(200):
        fitted = expit(design @ beta)
        gradient = design.T @ (weight * (fitted - target))
        curvature = (design * (weight * fitted * (1 - fitted))[:, None]).T @ design
        # All rows may share one probability; then only the intercept is determined.
        step = np.linalg.lstsq(curvature, gradient, rcond=1e-12)[0]
        beta, previous, loss = _damped(design, target, weight, beta, step, loss)
        if previous - loss <= 1e-14 * abs(previous):
            break
    return float(beta[0]), float(beta[1])


def _damped(
    design: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    beta: FloatArray,
    step: FloatArray,
    loss: float,
) -> tuple[FloatArray, float, float]:
    """Halve a step until the loss does not rise; return the point, and the losses around it."""
    for _ in range(50):
        trial = beta - step
        lower = _cross_entropy(design @ trial, target, weight)
        if lower <= loss:
            return trial, loss, lower
        step = step / 2
    return beta, loss, loss


def _cross_entropy(z: FloatArray, target: FloatArray, weight: FloatArray) -> float:
    # `logaddexp` does not overflow where exp(z) would.
    return float(np.sum(weight * (np.logaddexp(0.0, z) - target * z)))


def _log_odds(p: NDArray[Any]) -> FloatArray:
    values: FloatArray = logit(np.clip(p.astype(np.float64), CLIP, 1 - CLIP))
    return values


def _typed_like(values: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values, dtype=given.dtype if given.dtype.kind == "f" else np.float64)
