"""How far factors repeat each other: correlations, variance inflation, pairs to think about.

A factor may be a set of columns: an angle is its sine and cosine, classes are indicators. What
two sets share is their largest canonical correlation; it is the multiple correlation where one of
them is a single column, and |r| where both are. Variance inflation is then the generalised one of
Fox and Monette (1992), J. Am. Stat. Assoc. 87:178.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
Kind = Literal["continuous", "circular", "axial", "categorical"]
Method = Literal["pearson", "spearman"]

CLOSE = 0.7
"""Correlation from which two factors are worth a thought (Dormann et al. 2013, Ecography 36:27)."""
INFLATED, STRONGLY_INFLATED = 5.0, 10.0
"""Variance inflation from which a factor is worth a thought, and from which it says little new."""
MOST_REMARKS = 20
"""Pairs, and inflated factors, that are named at most."""
FLAT = -1.0
"""Aspect of level ground: it faces nowhere."""
_TINY = 1e-9


@dataclass(frozen=True)
class Pair:
    """Two factors that say much the same, and their correlation."""

    first: str
    second: str
    correlation: float


@dataclass(frozen=True)
class Collinearity:
    """Correlations and variance inflation of the factors of a sample.

    Attributes
    ----------
    codes : tuple of str
        The factors, in order.
    correlation : array, (factors, factors) float64
        Signed between two continuous factors, else 0 to 1; 1 on the diagonal, NaN for a factor
        that does not vary.
    vif : array, (factors,) float64
        Variance inflation, 1 for a factor that nothing else tells, inf for one that the others
        give away; of a factor with m columns, the generalised one to the power 1/m, which is on
        the same scale. NaN for a factor that does not vary.
    method : {"pearson", "spearman"}
        Whether values or ranks of the continuous factors were used.
    rows : int
        Rows with all values, from which it was made.
    """

    codes: tuple[str, ...]
    correlation: FloatArray
    vif: FloatArray
    method: Method
    rows: int

    def pairs(self, limit: float = CLOSE) -> list[Pair]:
        """Return the pairs whose correlation is at least `limit` either way, closest first."""
        found = [
            Pair(self.codes[i], self.codes[j], float(self.correlation[i, j]))
            for i in range(len(self.codes))
            for j in range(i + 1, len(self.codes))
            if abs(self.correlation[i, j]) >= limit
        ]
        return sorted(found, key=lambda p: -abs(p.correlation))

    def inflated(self, limit: float = INFLATED) -> dict[str, float]:
        """Return the factors whose variance inflation is at least `limit`, highest first."""
        order = np.argsort(-self.vif, kind="stable")
        # NaN, of a factor that does not vary, is no less and no more than the limit.
        return {self.codes[i]: float(self.vif[i]) for i in order if self.vif[i] >= limit}

    def remarks(self) -> list[str]:
        """Return what to think about, a line each; of many, the worst and how many more."""
        pairs, inflated = self.pairs(), self.inflated()
        lines = [
            f"{p.first} and {p.second} are correlated (r = {p.correlation:.2f}): interpret "
            "their importance together, or leave one out"
            for p in pairs[:MOST_REMARKS]
        ]
        if len(pairs) > MOST_REMARKS:
            lines.append(f"{len(pairs) - MOST_REMARKS} more pairs of factors are correlated")
        for code, vif in list(inflated.items())[:MOST_REMARKS]:
            much = vif >= STRONGLY_INFLATED
            what = (
                "adds little to the other factors"
                if much
                else "is partly explained by the other factors"
            )
            lines.append(f"{code} {what} (VIF {vif:.1f})")
        if len(inflated) > MOST_REMARKS:
            lines.append(
                f"{len(inflated) - MOST_REMARKS} more factors are explained by other factors (VIF "
                f"of {INFLATED:g} or more)"
            )
        constant = [c for c, v in zip(self.codes, self.vif, strict=True) if np.isnan(v)]
        return lines + [f"{code} does not vary in the sample" for code in constant]


def correlations(
    x: ArrayLike, codes: Sequence[str], kinds: Mapping[str, Kind], method: Method = "pearson"
) -> Collinearity:
    """Measure how far factors repeat each other.

    Parameters
    ----------
    x : array_like, shape (n, factors)
        Raw values: angles in degrees (level ground's aspect is -1), codes of classes. Rows with a
        NaN are left out.
    codes : sequence of str
        Names of the factors.
    kinds : mapping of str to str
        What each is; continuous where it is not named.
    method : {"pearson", "spearman"}
        Use values, or ranks, of the continuous factors.

    Raises
    ------
    ValueError
        Fewer complete rows than columns, or shapes that do not fit.
    """
    values = np.asarray(x, np.float64)
    if values.ndim != 2 or values.shape[1] != len(codes):
        raise ValueError(f"x must be (n, {len(codes)}), not {values.shape}")
    values = values[np.isfinite(values).all(axis=1)]
    sets = [
        _basis(_columns(values[:, i], kinds.get(code, "continuous"), method))
        for i, code in enumerate(codes)
    ]
    ends = np.cumsum([0, *(s.shape[1] for s in sets)])
    # With as many columns as rows everything fits exactly.
    if len(values) <= ends[-1]:
        raise ValueError(f"{len(values)} complete rows are too few for {ends[-1]} columns")
    joined = np.hstack(sets)
    blocks = [slice(a, b) for a, b in pairwise(ends)]
    return _measured(joined.T @ joined, blocks, tuple(codes), method, len(values))


def _measured(
    product: FloatArray,
    blocks: Sequence[slice],
    codes: tuple[str, ...],
    method: Method,
    rows: int,
) -> Collinearity:
    """Return what the products of orthonormal columns say, factor by factor."""
    correlation = np.array([[_shared(product[a, b]) for b in blocks] for a in blocks])
    np.fill_diagonal(correlation, [1.0 if b.stop > b.start else np.nan for b in blocks])
    vif = np.array([_inflation(product, b) for b in blocks])
    return Collinearity(codes, correlation, vif, method, rows)


def _columns(values: FloatArray, kind: Kind, method: Method) -> FloatArray:
    """Return the columns of a factor, (n, m)."""
    if kind == "categorical":
        # All indicators add up to a constant, so one of them is redundant.
        classes = np.unique(values)[1:]
        return np.asarray(values[:, None] == classes[None, :], np.float64)
    if kind == "continuous":
        return (rankdata(values) if method == "spearman" else values)[:, None]
    # Doubled, the two directions of an axis become one point of the circle.
    angle = np.radians(values * (2.0 if kind == "axial" else 1.0))
    pair = np.column_stack([np.sin(angle), np.cos(angle)])
    if kind == "circular":
        # Level ground faces nowhere: the centre of the circle.
        pair[values == FLAT] = 0.0
    return pair


def _basis(columns: FloatArray) -> FloatArray:
    """Return orthonormal columns that span the centred ones; none where nothing varies.

    A single column keeps its sign.
    """
    centred = columns - columns.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    # What is left of a constant by rounding is no variation.
    vary = scale > _TINY * np.sqrt(len(columns)) * np.maximum(np.abs(columns).max(axis=0), 1e-300)
    scaled = centred[:, vary] / scale[vary]
    if scaled.shape[1] < 2:
        return np.asarray(scaled, np.float64)
    size, axes = np.linalg.eigh(scaled.T @ scaled)
    # A direction that the other columns span already would be divided by almost nothing.
    kept = size > _TINY * size[-1]
    basis: FloatArray = scaled @ (axes[:, kept] / np.sqrt(size[kept]))
    return basis


def _shared(product: FloatArray) -> float:
    """Return the correlation of two sets of orthonormal columns from their products."""
    if product.size == 0:
        return float("nan")
    if product.size == 1:
        return float(np.clip(product[0, 0], -1.0, 1.0))
    # The first canonical correlation (Björck and Golub 1973, Mathematics of Computation 27:579).
    return float(min(1.0, np.linalg.svd(product, compute_uv=False)[0]))


def _inflation(product: FloatArray, own: slice) -> float:
    """Return the variance inflation of a set of orthonormal columns against all others.

    The generalised one is 1 / det(I - A B^-1 A'), A the products with the others' columns, B
    theirs among themselves.
    """
    count = own.stop - own.start
    if count == 0:
        return float("nan")
    others = np.delete(np.arange(len(product)), own)
    if others.size == 0:
        return 1.0
    cross = product[own][:, others]
    # Other factors may repeat each other exactly, and then have no inverse.
    among = np.linalg.pinv(product[np.ix_(others, others)], rcond=_TINY, hermitian=True)
    left = np.linalg.eigvalsh(np.eye(count) - cross @ among @ cross.T)
    if left[0] < _TINY:
        return float("inf")
    return float(np.prod(left) ** (-1.0 / count))
