"""Support vector machine with a Gaussian kernel and Platt's probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader, Arrays, Model
from shakeslide.models.chunks import predict_in_chunks
from shakeslide.models.kernel_machines.platt import platt_sigmoid
from shakeslide.models.kernel_machines.taylor import (
    HingeSolver,
    PolynomialMachine,
    TaylorMap,
    kernel_error,
    monomials,
)
from shakeslide.models.logistic import logistic
from shakeslide.models.parallel import one_blas_thread

_VECTORS = 512  # support vectors of one kernel block: 4,096 rows by 512 doubles are 16 MB
# As many as libsvm takes for its probabilities.
_FOLDS = 5
_MOST_MONOMIALS = 3500  # a Newton step costs their cube
_ROWS_PER_MONOMIAL = 4


class SupportVectorMachine(Model):
    """C-support vector machine with kernel exp(−gamma ‖x − x'‖²).

    The probability is 1/(1+exp(a f+b)) of the decision value f (Platt 1999), with a and b fitted
    to decision values of training rows that the machine giving them had not seen (five seeded
    folds).

    Where `gamma` is small the kernel is nearly a polynomial: its Taylor series is cut after the
    lowest degree at which no decision value can be off by more than `taylor_error`, and the machine
    is found on all rows at once (`shakeslide.models.kernel_machines.taylor`). Where that takes too
    many monomials, scikit-learn's solver and the exact kernel are used.

    Parameters
    ----------
    C : float
        Cost of a margin violation.
    gamma : float
        Kernel width, per squared unit of the features.
    taylor_error : float
        Error that the cut series may bring to a decision value, for rows no further from the
        middle of the training rows than the furthest of them; 0 for the exact kernel.
    tol : float
        Tolerance of the exact kernel's solver.
    random_state : int or None
        Seed of the folds.

    Attributes
    ----------
    machine_ : PolynomialMachine or KernelMachine
        What gives the decision values.
    error_bound_ : float
        Bound of the error that the cut series brings to a decision value; 0 for the exact kernel.
    sigmoid_ : tuple of float
        Platt's a and b.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.SupportVectorMachine(gamma=1.0, random_state=0).fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    smooth = True

    def __init__(
        self,
        C: float = 1.0,
        gamma: float = 0.001,
        taylor_error: float = 1e-4,
        tol: float = 1e-5,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.taylor_error = taylor_error
        self.tol = tol
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        if self.gamma <= 0 or self.C <= 0:
            raise InputError(f"svm: gamma {self.gamma} and C {self.C} must be positive")
        # The error of the cut series grows with the radius: developed around the middle, it is
        # least.
        centre = (X.min(axis=0).astype(np.float64) + X.max(axis=0)) / 2
        radius = float(np.sqrt(((X - centre) ** 2).sum(axis=1).max()))
        # The dual coefficients of either class add up to the same, each being C at most
        most = 2 * self.C * min(np.count_nonzero(y), np.count_nonzero(y == 0))
        degree = self._degree(radius, most, *X.shape)
        feature_map = None if degree is None else TaylorMap(centre, float(self.gamma), degree)
        self.machine_ = self._machine(X, y, feature_map, self.C, None)
        error = 0.0 if degree is None else kernel_error(self.gamma, radius, degree)
        self.error_bound_ = error * self.machine_.dual_sum
        self.sigmoid_ = platt_sigmoid(self._unseen_decisions(X, y, feature_map), y)
        if self.sigmoid_[0] >= 0:
            # So few rows that parts of them say nothing of each other: a larger decision value
            # must still mean a larger probability
            self.sigmoid_ = platt_sigmoid(self.machine_.decisions(X), y)

    def is_exact(self, rows: int, features: int) -> bool:
        """Whether so many rows of features between 0 and 1 would need the exact kernel.

        Its time grows with the square of the rows, that of the cut series with their number.
        """
        # In the worst case half of the rows are of either class, and all lie in corners.
        return self._degree(features**0.5 / 2, self.C * rows, rows, features) is None

    def _degree(self, radius: float, dual_sum: float, rows: int, features: int) -> int | None:
        degree = 1
        # With fewer rows than that the exact kernel is found sooner
        most = min(_MOST_MONOMIALS, rows // _ROWS_PER_MONOMIAL)
        while monomials(features, degree) <= most:
            if kernel_error(self.gamma, radius, degree) * dual_sum <= self.taylor_error:
                return degree
            degree += 1
        return None

    def _machine(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.uint8],
        feature_map: TaylorMap | None,
        C: float,
        start: PolynomialMachine | None,
    ) -> PolynomialMachine | KernelMachine:
        if feature_map is not None:
            return HingeSolver(feature_map, C).solve(X, y, start)
        solver = SVC(C=C, gamma=self.gamma, tol=self.tol, kernel="rbf", cache_size=500)
        solver.fit(X.astype(np.float64), y)
        vectors, dual = np.array(solver.support_vectors_), np.array(solver.dual_coef_[0])
        return KernelMachine(vectors, dual, float(solver.intercept_[0]), float(self.gamma))

    def _unseen_decisions(
        self, X: NDArray[np.float32], y: NDArray[np.uint8], feature_map: TaylorMap | None
    ) -> NDArray[np.float64]:
        folds = min(_FOLDS, int(np.bincount(y).min()))
        if folds < 2:
            return self.machine_.decisions(X)
        start = self.machine_ if isinstance(self.machine_, PolynomialMachine) else None
        splits = StratifiedKFold(folds, shuffle=True, random_state=self.random_state)
        known = self.machine_.decisions(X)
        decisions = np.empty(len(y))
        for train, test in splits.split(X, y):
            # The cost of all rows together stays the same, and so does the scale of the decisions
            cost = self.C * len(y) / len(train)
            machine = self._machine(X[train], y[train], feature_map, cost, start)
            unseen = machine.decisions(X)
            # Of few rows each part has a level of its own, larger than what tells the classes apart
            decisions[test] = unseen[test] - unseen.mean() + known.mean()
        return decisions

    def decision_values(self, X: ArrayLike) -> NDArray[np.float64]:
        """Signed decision value of each row, shape (n_samples,); positive towards `classes_[1]`."""
        return self.machine_.decisions(self._rows(X))

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        a, b = self.sigmoid_
        p: NDArray[np.float64] = logistic(-(a * self.machine_.decisions(X) + b))
        return p

    def _arrays(self) -> Arrays:
        offsets = np.array([*self.sigmoid_, self.error_bound_])
        return {**self.machine_.arrays(), "offsets": offsets}

    def _restore(self, reader: ArrayReader) -> None:
        kind: type[PolynomialMachine | KernelMachine]
        polynomial = reader.names("centre") == ["centre"]
        kind = PolynomialMachine if polynomial else KernelMachine
        self.machine_ = kind.restore(reader)
        self.n_features_in_ = self.machine_.n_features
        offsets = reader.take("offsets", np.float64, (3,))
        self.sigmoid_ = (float(offsets[0]), float(offsets[1]))
        self.error_bound_ = float(offsets[2])


@dataclass(frozen=True)
class KernelMachine:
    """Decision values Σ dual_k exp(-gamma |x-vector_k|²) + intercept.

    Attributes
    ----------
    vectors : ndarray of float64, shape (n_vectors, n_features)
    dual : ndarray of float64, shape (n_vectors,)
    intercept, gamma : float
    """

    vectors: NDArray[np.float64]
    dual: NDArray[np.float64]
    intercept: float
    gamma: float

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return int(self.vectors.shape[1])

    @property
    def dual_sum(self) -> float:
        """Sum of the dual coefficients' sizes."""
        return float(np.abs(self.dual).sum())

    def decisions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the decision value of each row, (n,), of `X`, (n, n_features).

        It depends on its own row alone, not on those around it.
        """
        with one_blas_thread():
            return predict_in_chunks(self._chunk, X)

    def _chunk(self, chunk: NDArray[np.float32]) -> NDArray[np.float64]:
        x = chunk.astype(np.float64)
        squares = np.einsum("ij,ij->i", x, x)[:, np.newaxis]
        out = np.full(len(x), self.intercept)
        for start in range(0, len(self.dual), _VECTORS):
            s = self.vectors[start : start + _VECTORS]
            # x·x − 2 x·s + s·s: one matrix product in place of all differences.
            kernel = x @ s.T
            kernel *= -2.0
            kernel += squares
            kernel += np.einsum("ij,ij->i", s, s)
            kernel *= -self.gamma
            np.exp(kernel, out=kernel)
            out += kernel @ self.dual[start : start + _VECTORS]
        return out

    def arrays(self) -> Arrays:
        """Return everything by name.

        Returns
        -------
        dict of ndarray of float64
            `vectors`, (n_vectors, n_features); `dual`, (n_vectors,); `kernel`, (2,): intercept,
            gamma.
        """
        return {
            "vectors": self.vectors,
            "dual": self.dual,
            "kernel": np.array([self.intercept, self.gamma]),
        }

    @classmethod
    def restore(cls, reader: ArrayReader) -> KernelMachine:
        """Take what `arrays` gave, checked."""
        vectors = reader.take("vectors", np.float64, (None, None))
        dual = reader.take("dual", np.float64, (len(vectors),))
        intercept, gamma = (float(v) for v in reader.take("kernel", np.float64, (2,)))
        return cls(vectors, dual, intercept, gamma)
