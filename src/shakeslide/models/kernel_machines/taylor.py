"""The Gaussian kernel as a polynomial, and the support vector machine that it makes linear.

exp(-γ|x-z|²) = exp(-γ|x|²) exp(-γ|z|²) Σ_k (2γ x·z)^k / k!, cut after degree D, is an inner
product of weighted monomials (Cotter, Keshet & Srebro 2011, arXiv:1109.4603). With small γ a low
degree is enough, the machine has a few hundred weights whatever the number of rows, and Newton's
method finds them on all rows (Chapelle 2007, Neural Comput. 19:1155).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from shakeslide.core.compiled import fma, kernel
from shakeslide.models.base import ArrayReader, Arrays
from shakeslide.models.parallel import one_blas_thread, processors

_LANES = 64  # rows whose monomials are at hand together: 8 AVX-512 registers of doubles
_BLOCK = 256  # rows of one matrix product of monomials
_GROUPS = 16  # parts of the rows whose sums are added in order, whoever computes them
_COLUMNS = 4096  # rows of one part of a Hessian

Float64 = NDArray[np.float64]


class Monomials(NamedTuple):
    """What the kernels need of a `TaylorMap`; monomials from `top` on have the highest degree.

    `parent` and `variable` have shape (monomials,), `centre` shape (features,).
    """

    centre: Float64
    gamma: float
    parent: NDArray[np.int64]
    variable: NDArray[np.int64]
    top: int


def kernel_error(gamma: float, radius: float, degree: int) -> float:
    """Largest error of the kernel cut after a degree, for points within a radius of the centre.

    The remainder of the series is at most |t|^(D+1)/(D+1)! max(1, e^t) with t = 2γ x·z, and
    e^t exp(-γ|x|²-γ|z|²) ≤ 1.
    """
    t = 2 * gamma * radius**2
    return t ** (degree + 1) / math.factorial(degree + 1)


@dataclass(frozen=True)
class TaylorMap:
    """Monomials of the centred features up to a degree, in order of degree.

    Monomial r is monomial ``parent[r]`` times feature ``variable[r]``; those of one parent are
    neighbours. All are multiplied by exp(-γ|x-centre|²).

    Attributes
    ----------
    centre : ndarray of float64, shape (n_features,)
    gamma : float
    degree : int
    """

    centre: Float64
    gamma: float
    degree: int

    @cached_property
    def _structure(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64, int]:
        features = self.centre.size
        index: dict[tuple[int, ...], int] = {(): 0}
        parent, variable, scale = [0], [0], [1.0]
        top = 1
        for k in range(1, self.degree + 1):
            top = len(parent)
            for combination in itertools.combinations_with_replacement(range(features), k):
                index[combination] = len(parent)
                parent.append(index[combination[:-1]])
                variable.append(combination[-1])
                # (x·z)^k / k! has the coefficient 1 / Π repeats! at each monomial.
                repeats = math.prod(math.factorial(combination.count(v)) for v in set(combination))
                scale.append(math.sqrt((2 * self.gamma) ** k / repeats))
        return np.array(parent), np.array(variable), np.array(scale), top

    @cached_property
    def _monomials(self) -> Monomials:
        parent, variable, _, top = self._structure
        return Monomials(self.centre, self.gamma, parent, variable, top)

    @property
    def size(self) -> int:
        """Number of monomials."""
        return self._structure[0].size

    @property
    def scale(self) -> Float64:
        """Factors of the monomials, (size,), in the feature map that makes the kernel."""
        return self._structure[2]

    def evaluate(self, X: NDArray[Any], weights: Float64) -> Float64:
        """Return Σ weights[r] monomial_r(x) of each row, whatever the rows around it.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
            Rows.
        weights : ndarray of float64, shape (size,)
            One per monomial.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        out: Float64 = _evaluate(X, self._monomials, weights)
        return out

    def moments(self, X: NDArray[Any], row_weights: Float64) -> Float64:
        """Return Σ over rows of row_weights monomial_r(x), shape (size,).

        `X` has shape (n, n_features), `row_weights` (n,).
        """
        out: Float64 = _moments(X, self._monomials, row_weights)
        return out

    def expand(self, X: NDArray[Any]) -> Float64:
        """Return the monomials of each row times `scale`, shape (size, n).

        The rows, `X`, have shape (n, n_features).
        """
        out: Float64 = _expand(X, self._monomials)
        out *= self.scale[:, np.newaxis]
        return out


def monomials(features: int, degree: int) -> int:
    """Number of monomials up to a degree."""
    return math.comb(features + degree, degree)


@kernel
def _load(X: NDArray[Any], start: int, of: Monomials, top: int, x: Float64, low: Float64) -> int:
    """Centred features, and the first `top` monomials, of a block of rows."""
    centre, gamma, parent, variable, _ = of
    block = x.shape[1]
    rows: int = min(block, len(X) - start)
    # The place of the constant monomial: first the squared distance d² from the centre, then
    # exp(−γ d²).
    square = low[0]
    square[:] = 0.0
    for j in range(centre.size):
        column = x[j]
        for i in range(rows):
            column[i] = X[start + i, j] - centre[j]
        # Rows that fill up stand at the centre, where every monomial is finite.
        for i in range(rows, block):
            column[i] = 0.0
        for i in range(block):
            square[i] = fma(column[i], column[i], square[i])
    for i in range(block):
        square[i] = np.exp(-gamma * square[i])
    for r in range(1, top):
        below, column, monomial = low[parent[r]], x[variable[r]], low[r]
        for i in range(block):
            monomial[i] = below[i] * column[i]
    return rows


@kernel
def _evaluate(X: NDArray[Any], of: Monomials, weights: Float64) -> Float64:
    centre, _, parent, variable, top = of
    x, low = np.zeros((centre.size, _LANES)), np.zeros((top, _LANES))
    total, inner = np.zeros(_LANES), np.zeros(_LANES)
    out = np.empty(len(X))
    for start in range(0, len(X), _LANES):
        rows = _load(X, start, of, top, x, low)
        total[:] = 0.0
        for r in range(top):
            w, monomial = weights[r], low[r]
            for i in range(_LANES):
                total[i] = fma(w, monomial[i], total[i])
        r = top
        while r < parent.size:
            p = parent[r]
            # Monomials of one parent share its factor, which is applied once to their sum.
            inner[:] = 0.0
            while r < parent.size and parent[r] == p:
                w, column = weights[r], x[variable[r]]
                for i in range(_LANES):
                    inner[i] = fma(w, column[i], inner[i])
                r += 1
            monomial = low[p]
            for i in range(_LANES):
                total[i] = fma(inner[i], monomial[i], total[i])
        for i in range(rows):
            out[start + i] = total[i]
    return out


@kernel
def _moments(X: NDArray[Any], of: Monomials, row_weights: Float64) -> Float64:
    centre, _, parent, variable, top = of
    x, low = np.zeros((centre.size, _BLOCK)), np.zeros((top, _BLOCK))
    lower, upper = np.zeros(top), np.zeros((top, centre.size))
    g = np.zeros(_BLOCK)
    for start in range(0, len(X), _BLOCK):
        rows = _load(X, start, of, top, x, low)
        g[:rows] = row_weights[start : start + rows]
        # What fills the block up has no weight in the sums.
        g[rows:] = 0.0
        lower += np.dot(low, g)
        for j in range(centre.size):
            column = x[j]
            for i in range(_BLOCK):
                column[i] *= g[i]
        # A monomial of the top degree is parent times feature: one product gives all of them.
        upper += np.dot(low, x.T)
    out = np.empty(parent.size)
    out[:top] = lower
    for r in range(top, parent.size):
        out[r] = upper[parent[r], variable[r]]
    return out


@kernel
def _expand(X: NDArray[Any], of: Monomials) -> Float64:
    centre, parent = of.centre, of.parent
    n = len(X)
    x, low = np.zeros((centre.size, _LANES)), np.zeros((parent.size, _LANES))
    out = np.empty((parent.size, n))
    for start in range(0, n, _LANES):
        rows = _load(X, start, of, parent.size, x, low)
        for r in range(parent.size):
            for i in range(rows):
                out[r, start + i] = low[r, i]
    return out


@dataclass(frozen=True)
class PolynomialMachine:
    """Decision values w·φ(x) + b with the monomials of a Taylor map.

    Attributes
    ----------
    map : TaylorMap
    weights : ndarray of float64, shape (map.size,)
        Of the scaled monomials.
    intercept : float
    dual_sum : float
        Sum of the dual coefficients' sizes; not stored.
    """

    map: TaylorMap
    weights: Float64
    intercept: float
    dual_sum: float = math.nan

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return self.map.centre.size

    def decisions(self, X: NDArray[np.float32]) -> Float64:
        """Return the decision value of each row, (n,), of `X`, (n, n_features).

        It depends on its own row alone, not on those around it.
        """
        return self.map.evaluate(X, self.map.scale * self.weights) + self.intercept

    def arrays(self) -> Arrays:
        """Return everything by name.

        Returns
        -------
        dict of ndarray
            `centre`, (n_features,); `degree`, (1,); `weights`, (map.size,); `kernel`, (2,):
            intercept and gamma.
        """
        return {
            "centre": self.map.centre,
            "degree": np.array([self.map.degree], dtype=np.int64),
            "weights": self.weights,
            "kernel": np.array([self.intercept, self.map.gamma]),
        }

    @classmethod
    def restore(cls, reader: ArrayReader) -> PolynomialMachine:
        """Take what `arrays` gave, checked."""
        centre = reader.take("centre", np.float64, (None,))
        # A damaged degree must not ask for a huge table of monomials.
        degree = int(reader.take("degree", np.int64, (1,), low=1, high=20)[0])
        size = monomials(centre.size, degree)
        weights = reader.take("weights", np.float64, (size,))
        intercept, gamma = (float(v) for v in reader.take("kernel", np.float64, (2,)))
        if gamma <= 0:
            raise reader.error("kernel", "has no positive gamma")
        return cls(TaylorMap(centre, gamma, degree), weights, intercept)


class HingeSolver:
    """C-support vector machine on Taylor features, min ½|w|² + C Σ max(0, 1 - y f).

    Newton's method on the hinge rounded over a width h around the margin, h falling to 1e-7: the
    decision values of the rows that decide the solution differ by no more than h from those of the
    sharp hinge.

    Parameters
    ----------
    feature_map : TaylorMap
    C : float
    """

    _WIDEST, _NARROWEST, _FACTOR = 0.5, 1e-7, 5.0
    _SUBSET = 20_000  # rows of the smaller problem that gives a first guess

    def __init__(self, feature_map: TaylorMap, C: float) -> None:
        self.map, self.C = feature_map, C

    def solve(
        self, X: NDArray[np.float32], y: NDArray[np.integer], start: PolynomialMachine | None = None
    ) -> PolynomialMachine:
        """Return the machine of rows and labels.

        Parameters
        ----------
        X : ndarray of float32, shape (n, n_features)
        y : ndarray of 0 and 1, shape (n,)
        start : PolynomialMachine, optional
            Of similar rows; saves time.
        """
        signs = np.where(y > 0, 1.0, -1.0)
        # From a machine of similar rows a wide rounding would only lead away again.
        width = self._WIDEST if start is None else 0.02
        with one_blas_thread(), ThreadPoolExecutor(processors()) as pool:
            if start is None:
                start = PolynomialMachine(self.map, np.zeros(self.map.size), 0.0)
            if len(X) > 2 * self._SUBSET and width > 0.02:
                # A part of the rows, each counting for several, leads close to the end
                # Any fixed part: it changes the way to the solution, not the solution.
                part = np.random.default_rng(0).permutation(len(X))[: self._SUBSET]
                smaller = _Problem(
                    self.map, self.C * len(X) / len(part), X[part], signs[part], pool
                )
                start, width = self._descend(smaller, start, width, 0.02), 0.02
            return self._descend(
                _Problem(self.map, self.C, X, signs, pool), start, width, self._NARROWEST
            )

    def _descend(
        self, problem: _Problem, machine: PolynomialMachine, width: float, narrowest: float
    ) -> PolynomialMachine:
        while True:
            machine = problem.minimise(machine, width)
            if width <= narrowest:
                return machine
            width = max(width / self._FACTOR, narrowest)


def middle_intercept(values: Float64, signs: Float64) -> float:
    """Middle of the intercepts b with the least Σ max(0, 1 - signs (values + b)).

    Without a row on the margin every b of an interval is as good; its middle is what libsvm takes.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Decision values without intercept.
    signs : ndarray of -1 and 1, shape (n,)
    """
    # The slope is -(rows of class 1) far to the left and gains one at the kink of every row
    kinks = np.sort(signs - values)
    positives = int(np.count_nonzero(signs > 0))
    return float(kinks[positives - 1] + kinks[min(positives, len(kinks) - 1)]) / 2


class _Problem:
    """The rounded hinge on given rows."""

    def __init__(
        self,
        feature_map: TaylorMap,
        C: float,
        X: NDArray[np.float32],
        signs: Float64,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.map, self.C, self.X, self.signs, self.pool = feature_map, C, X, signs, pool
        bounds = [len(X) * k // _GROUPS for k in range(_GROUPS + 1)]
        self.groups = [slice(a, b) for a, b in itertools.pairwise(bounds)]

    def minimise(self, machine: PolynomialMachine, width: float) -> PolynomialMachine:
        """Newton's method at one width; ends when the same rows are rounded after a full step."""
        w, b = machine.weights.copy(), machine.intercept
        margins = self._margins(w, b)
        rounded = np.zeros(len(margins), dtype=bool)
        for _ in range(200):
            # Minus the slope of the rounded hinge: 1 within the margin, 0 beyond, a line between.
            share = np.clip((1 + width - margins) / (2 * width), 0, 1)
            pull = self.C * share * self.signs
            gradient = np.append(w - self.map.scale * self._moments(pull), -pull.sum())
            before, rounded = rounded, (share > 0) & (share < 1)
            # The identity plus squares is positive definite: Cholesky's factors exist.
            factor = cho_factor(self._hessian(rounded, width), lower=True, overwrite_a=True)
            step = -cho_solve(factor, gradient)
            # Margins are linear in the weights: one pass over the rows serves every step size.
            change = self.signs * (self._values(step[:-1]) + step[-1])
            size = self._line_search(margins, change, w, step, width)
            w, b = w + size * step[:-1], b + size * step[-1]
            margins = margins + size * change
            settled = np.array_equal(before, rounded) and abs(size - 1) < 1e-6
            if settled or np.abs(size * change).max() < 1e-3 * width:
                break
        # Without a rounded row nothing fixes the intercept.
        if not rounded.any():
            b = middle_intercept(self.signs * margins - b, self.signs)
        # At the minimum w = Σ pull φ: the pulls are the dual coefficients.
        return PolynomialMachine(self.map, w, float(b), float(np.abs(pull).sum()))

    def _line_search(
        self, margins: Float64, change: Float64, w: Float64, step: Float64, width: float
    ) -> float:
        """Step size at which the slope along the step, a rising function, is nought."""
        flat, bend = float(w @ step[:-1]), float(step[:-1] @ step[:-1])

        def slope(t: float) -> float:
            share = np.clip((1 + width - margins - t * change) / (2 * width), 0, 1)
            return flat + t * bend - self.C * float(share @ change)

        low, high, at_zero = 0.0, 1.0, slope(0.0)
        at_high = slope(high)
        # Near the end the full step is the minimum along the step.
        if abs(at_high) < 1e-9 * abs(at_zero):
            return high
        while at_high < 0 and high < 1e4:
            low, high = high, 2 * high
            at_high = slope(high)
        # The slope rises and has kinks: bisection cannot miss its zero, Newton's method could.
        for _ in range(60):
            middle = (low + high) / 2
            value = slope(middle)
            if abs(value) < 1e-6 * abs(at_zero) or high - low < 1e-12:
                return middle
            low, high = (middle, high) if value < 0 else (low, middle)
        return (low + high) / 2

    def _hessian(self, rounded: NDArray[np.bool_], width: float) -> Float64:
        """I + C/(2h) Σ over rounded rows of (φ, 1)(φ, 1)ᵀ."""
        index = np.flatnonzero(rounded)
        size = self.map.size + 1

        def part(rows: NDArray[np.intp]) -> Float64:
            phi = np.ones((size, len(rows)))
            phi[:-1] = self.map.expand(self.X[rows])
            product: Float64 = phi @ phi.T
            return product

        hessian = np.zeros((size, size))
        pieces = [index[k : k + _COLUMNS] for k in range(0, len(index), _COLUMNS)]
        # As many at a time as there are threads: what is not yet added takes memory
        for k in range(0, len(pieces), _GROUPS):
            # `map` keeps the order of the pieces: the same sum with any number of threads.
            for product in self.pool.map(part, pieces[k : k + _GROUPS]):
                hessian += product
        hessian *= self.C / (2 * width)
        # The intercept is not penalised: without rounded rows its diagonal would be 0.
        hessian[np.diag_indices(size)] += np.append(np.ones(size - 1), 1e-9)
        return hessian

    def _margins(self, w: Float64, b: float) -> Float64:
        return self.signs * (self._values(w) + b)

    def _values(self, w: Float64) -> Float64:
        weights = self.map.scale * w
        return np.concatenate(self._by_group(lambda rows: self.map.evaluate(self.X[rows], weights)))

    def _moments(self, row_weights: Float64) -> Float64:
        def part(rows: slice) -> Float64:
            return self.map.moments(self.X[rows], row_weights[rows])

        total: Float64 = np.sum(self._by_group(part), axis=0)
        return total

    def _by_group(self, f: Callable[[slice], Float64]) -> Sequence[Float64]:
        return list(self.pool.map(f, self.groups))
