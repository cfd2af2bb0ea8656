"""Logistic regression on slope, shaking and their product, which rises with both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize
from scipy.special import expit

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError, shortened
from shakeslide.models.base import ArrayReader, Arrays
from shakeslide.models.formulas.raw import Conversion, Described, RawModel
from shakeslide.models.logistic import linear_scores, logistic

Array = NDArray[np.float64]

MEASURES: Mapping[str, tuple[float, float]] = {"g": (0.02, 2.0), "cm/s": (1.0, 300.0)}
"""Range of shaking by its unit: below and above, it counts as at the end. Weaker shaking hardly
triggers landslides, stronger shaking is hardly ever recorded."""
PENALTY = 1e-4
"""L2 penalty on the coefficients, per row of the rarer class: keeps them finite."""

TOLERANCES = (1e-12, 1e-9)
"""Change of the mean log-likelihood that ends the search: the second where rounding errors keep it
from the first."""


class FewTerms(RawModel):
    """p = 1/(1+exp(-(b + w1 s + w2 u + w3 s u))), s = sin(slope), u = ln(shaking / lowest).

    The coefficients are those of maximum likelihood among all for which p falls nowhere with slope
    or shaking. Of models fitted to other earthquakes, such few terms rank slopes best.

    Parameters
    ----------
    slope, shaking : str
        Codes of the factors: slope in degrees, PGA or PGV.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (4,)
        b, w1, w2, w3.
    gain_ : ndarray of float64, shape (2,)
        What turns the factors' units into degrees and the unit of shaking.
    range_ : ndarray of float64, shape (2,)
        Lowest and highest shaking.
    """

    smooth = True

    def __init__(self, slope: str = "SLO", shaking: str = "PGA") -> None:
        self.slope = slope
        self.shaking = shaking

    def lacks(self, factors: Sequence[Described], conversion: Conversion) -> list[str]:
        """Name the factors that are missing or have other units."""
        here = {f.code: f for f in factors}
        out = []
        for code, what, wanted in (
            (self.slope, "slope", ("deg",)),
            (self.shaking, "peak ground acceleration or velocity", tuple(MEASURES)),
        ):
            if code not in here:
                out.append(f"{what} (no factor {code})")
            elif _unit(here[code], wanted, conversion) is None:
                unit = here[code].unit
                out.append(f"{what} in {' or '.join(wanted)} (factor {code} is in '{unit}')")
        return out

    def describe(
        self,
        factors: Sequence[Described],
        conversion: Conversion,
        present: Mapping[str, Collection[int]],
    ) -> Self:
        """Tell what the columns are; see `RawModel.describe`."""
        self._require("few", factors, conversion)
        codes = [f.code for f in factors]
        at = [codes.index(c) for c in (self.slope, self.shaking)]
        self.column_ = np.array(at, np.int64)
        slope, shaking = (factors[i] for i in at)
        unit = _unit(shaking, tuple(MEASURES), conversion) or "g"
        gains = conversion(slope.unit, "deg"), conversion(shaking.unit, unit)
        self.gain_ = np.array([g or 1.0 for g in gains])
        self.range_ = np.array(MEASURES[unit])
        return self

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        self._check_described(X.shape[1])
        self.coef_: Array = rising_logistic(
            self.terms(X), y.astype(np.float64), np.ones(len(y)), self.most
        )

    @property
    def most(self) -> float:
        """Greatest value of u."""
        return float(np.log(self.range_[1] / self.range_[0]))

    def terms(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return s, u and their product, (rows, 3) float32, of raw rows, (rows, factors)."""
        terms: NDArray[np.float32] = _terms(
            np.ascontiguousarray(X[:, self.column_]), self.gain_, self.range_
        )
        return terms

    def _positive_probability(self, X: NDArray[np.float32]) -> Array:
        scores = linear_scores(self.terms(X), self.coef_[1:], float(self.coef_[0]))
        p: Array = logistic(scores)
        return p

    def _arrays(self) -> Arrays:
        return {
            **self._column_arrays(),
            "coef": self.coef_,
            "gain": self.gain_,
            "range": self.range_,
        }

    def _restore(self, reader: ArrayReader) -> None:
        self._restore_columns(reader, 2)
        self.gain_ = reader.take("gain", np.float64, (2,), low=0)
        self.range_ = reader.take("range", np.float64, (2,), low=1e-6, high=1e6)
        if not self.range_[0] < self.range_[1]:
            raise reader.error("range", "must rise")
        self.coef_ = reader.take("coef", np.float64, (4,))


def _unit(factor: Described, wanted: Sequence[str], conversion: Conversion) -> str | None:
    """Return the first of some units that a factor's converts to."""
    if factor.kind == "categorical":
        return None
    return next((u for u in wanted if conversion(factor.unit, u) is not None), None)


@kernel
def _terms(X: NDArray[np.float32], gain: Array, limits: Array) -> NDArray[np.float32]:
    out = np.empty((len(X), 3), np.float32)
    for i in range(len(X)):
        slope = min(max(X[i, 0] * gain[0], 0.0), 90.0)
        shaking = min(max(X[i, 1] * gain[1], limits[0]), limits[1])
        s, u = np.sin(np.radians(slope)), np.log(shaking / limits[0])
        out[i, 0], out[i, 1], out[i, 2] = s, u, s * u
    return out


def rising_logistic(
    terms: NDArray[np.float32],
    y: Array,
    weight: Array,
    most: float,
    group: NDArray[np.int64] | None = None,
) -> Array:
    """Return the coefficients of a logistic regression that rises with slope and shaking.

    Parameters
    ----------
    terms : array, (rows, 3) float32
        s in [0, 1], u in [0, most], and their product.
    y, weight : array, (rows,)
        Labels 0 or 1, and weights.
    most : float
        Greatest value of u.
    group : array, (rows,) int64, optional
        Group of each row, from 0: each has an intercept of its own.

    Returns
    -------
    array, (groups + 3,) float64
        The intercepts (one without groups), then the coefficients of the terms.
    """
    groups = 1 if group is None else int(group.max()) + 1
    own = np.zeros(len(y), np.int64) if group is None else group
    x, total = terms.astype(np.float64), float(weight.sum())
    share = float((weight * y).sum()) / total
    penalty = PENALTY * min(share, 1 - share)

    def loss(beta: Array) -> tuple[float, Array]:
        slopes = beta[groups:]
        z = beta[own] + x @ slopes
        value = np.sum(weight * (np.logaddexp(0.0, z) - y * z)) / total
        gap = weight * (expit(z) - y) / total
        gradient = np.concatenate([np.bincount(own, gap, groups), x.T @ gap])
        gradient[groups:] += 2 * penalty * slopes
        return float(value + penalty * np.sum(slopes**2)), gradient

    # Bilinear in s and u: it falls nowhere if it falls along no edge of their rectangle.
    edges = np.array([[1, 0, 0], [1, 0, most], [0, 1, 0], [0, 1, 1]])
    none = np.zeros((4, groups))
    rises = LinearConstraint(np.hstack([none, edges]), 0.0, np.inf)
    shares = np.bincount(own, weight * y, groups) / np.bincount(own, weight, groups)
    start = np.concatenate([np.log(shares / (1 - shares)), [1.0, 0.5, 0.0]])
    for tolerance in TOLERANCES:
        found = minimize(
            loss, start, jac=True, method="SLSQP", constraints=[rises],
            options={"maxiter": 500, "ftol": tolerance},
        )  # fmt: skip
        if found.success and np.isfinite(found.x).all():
            return np.asarray(_onto_rising(found.x, groups, most), np.float64)
    raise InputError(
        "few: the regression on slope and shaking does not converge "
        f"({shortened(str(found.message))}); are slopes and shaking of all rows right?"
    )


def _onto_rising(beta: Array, groups: int, most: float) -> Array:
    """Lift coefficients that fall by a rounding error of the solver."""
    out = beta.copy()
    w3 = out[groups + 2]
    out[groups] = max(out[groups], 0.0, -w3 * most)
    out[groups + 1] = max(out[groups + 1], 0.0, -w3)
    return out
