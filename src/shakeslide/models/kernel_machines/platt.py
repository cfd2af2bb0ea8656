"""Scores into probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


def platt_sigmoid(
    decisions: NDArray[np.float64], y: NDArray[np.integer], max_iter: int = 100
) -> tuple[float, float]:
    """Fit p = 1/(1+exp(a f+b)) by maximum likelihood with Platt's softened targets.

    Newton's method with backtracking after Lin, Lin & Weng (2007), Mach. Learn. 68:267.

    Parameters
    ----------
    decisions : ndarray, shape (n,)
        Decision values f.
    y : ndarray of 0 and 1, shape (n,)
    max_iter : int
        Limit of Newton steps.

    Returns
    -------
    tuple of float
        a (negative where larger f means class 1) and b.
    """
    positives = float(np.count_nonzero(y))
    negatives = float(len(y) - positives)
    target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    at = np.array([0.0, np.log((negatives + 1) / (positives + 1))])

    def loss(ab: NDArray[np.float64]) -> float:
        z = ab[0] * decisions + ab[1]
        return float(np.sum(np.logaddexp(0.0, z) - (1 - target) * z))

    value = loss(at)
    for _ in range(max_iter):
        p = expit(-(at[0] * decisions + at[1]))
        d = target - p
        gradient = np.array([d @ decisions, d.sum()])
        if np.abs(gradient).max() < 1e-9 * len(y):
            break
        w = p * (1 - p)
        off = w @ decisions
        # 1e-12 as they do: the Hessian stays regular where all decisions are equal.
        hessian = np.array([[w @ decisions**2 + 1e-12, off], [off, w.sum() + 1e-12]])
        step = np.linalg.solve(hessian, -gradient)
        size = 1.0
        # Armijo's condition of sufficient decrease, with their constants.
        while size > 1e-10 and loss(at + size * step) > value + 1e-4 * size * (gradient @ step):
            size /= 2
        at = at + size * step
        value = loss(at)
    return float(at[0]), float(at[1])
