"""Random ground motion: correlated fields of PGA and PGV around a source's medians.

ln Y = μ + √s (τ B + φ W), s = σ²/(τ² + φ²): B is one number of the whole earthquake and W a field
of unit variance, correlated over distance and between PGA and PGV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from shakeslide.core.errors import InputError
from shakeslide.core.random_streams import generator
from shakeslide.shaking.completion import CORRELATION, LARGEST
from shakeslide.shaking.ground_motion import GroundMotion, Measure

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Between = Literal["scaled", "full", "none"]

SHORT, LONG = 20.0, 70.0
"""Distances (km) at which either part of the correlation has fallen to 5 %."""
COREGIONALISATION = np.array([
    [[0.29, 0.18], [0.18, 0.33]],
    [[0.47, 0.27], [0.27, 0.48]],
    [[0.24, -0.02], [-0.02, 0.20]],
])  # fmt: skip
"""Covariances of PGA and PGV (as SA at 1 s) of the short, the long and the uncorrelated part: Loth
and Baker (2013), EESD 42:397, with the erratum of 2019."""
REACH = 150.0
"""Margin (km) around the nodes: fields repeat beyond it, where their correlation is 0.001."""
MOST_NODES = 2**26
"""Nodes with their margin."""


@dataclass(frozen=True, eq=False)
class Draw:
    """One random ground motion.

    Attributes
    ----------
    ln_pga, ln_pgv : array, (rows, cols) float32
        Natural logarithms of PGA (g) and PGV (cm/s) at the nodes; NaN where the median is.
    clipped : int
        Nodes at which PGA or PGV was cut to the largest that is physical.
    """

    ln_pga: Float32
    ln_pgv: Float32
    clipped: int


def correlation(distance: Array) -> Array:
    """Return the correlations of W within and between the measures at distances (km).

    Parameters
    ----------
    distance : array, (...)

    Returns
    -------
    array, (2, 2, ...)
        [0, 0] of PGA, [1, 1] of PGV, [0, 1] and [1, 0] of PGA with PGV.
    """
    waves = [np.exp(-3.0 * distance / reach) for reach in (SHORT, LONG)]
    parts = np.stack([*waves, np.asarray(distance == 0.0, np.float64)])
    return np.asarray(np.einsum("pij,p...->ij...", _normalised(), parts))


def _normalised() -> Array:
    """Return the covariances of the three parts, scaled to a variance of 1 in all."""
    scale = 1.0 / np.sqrt(np.diagonal(COREGIONALISATION.sum(axis=0)))
    return np.asarray(COREGIONALISATION * np.outer(scale, scale))


class UnitFields:
    """Pairs of random fields W of PGA and PGV: normal, mean 0, variance 1, correlated.

    They are drawn by circulant embedding (Dietrich and Newsam 1997, SIAM J. Sci. Comput. 18:1088)
    on a torus that is larger than the nodes by `REACH`, so that no opposite edges are alike.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of nodes.
    spacing : (float, float)
        Between rows and between columns, in km.
    seed : int
        Of the study. Draw k depends on the seed, the grid and k alone.

    Attributes
    ----------
    period : (int, int)
        Rows and columns after which the fields repeat.
    """

    def __init__(self, shape: tuple[int, int], spacing: tuple[float, float], seed: int) -> None:
        if not all(step > 0 for step in spacing):
            raise ValueError(f"spacing {spacing} must be positive")
        padded = [n + int(np.ceil(REACH / d)) for n, d in zip(shape, spacing, strict=True)]
        self.shape, self.seed = shape, seed
        self.period = (fft.next_fast_len(padded[0]), fft.next_fast_len(padded[1]))
        if self.period[0] * self.period[1] > MOST_NODES:
            raise InputError(
                f"{shape[0]:,} x {shape[1]:,} nodes {min(spacing):.3g} km apart are too many for "
                "random fields of ground motion; take a coarser grid of nodes"
            )
        self._factors = _spectral_factors(self.period, spacing)

    def pair(self, number: int) -> Float32:
        """Return draws 2 `number` and 2 `number` + 1: draw, measure, row and column of nodes.

        The array is (2, 2, rows, cols) float32.
        """
        rng = generator(self.seed, "fields of ground motion", number)
        white = rng.standard_normal((2, *self.period, 2), np.float32).view(np.complex64)[..., 0]
        pga, both, pgv = self._factors
        spectrum = np.stack([pga * white[0], both * white[0] + pgv * white[1]])
        # One axis after the other: what lies in the margin needs no second transform.
        spectrum = fft.fft(spectrum, axis=2, overwrite_x=True)[:, :, : self.shape[1]]
        field = fft.fft(spectrum, axis=1, overwrite_x=True)[:, : self.shape[0]]
        # Real and imaginary parts are independent.
        return np.stack([field.real, field.imag])


def _spectral_factors(period: tuple[int, int], spacing: tuple[float, float]) -> Float32:
    """Return the Cholesky factor of the spectrum at each frequency, (3, rows, cols).

    Its three entries are that of PGA, of PGV with PGA, and of PGV alone.
    """
    y, x = (
        d * np.minimum(np.arange(n), n - np.arange(n)) for n, d in zip(period, spacing, strict=True)
    )
    distance = np.hypot(y[:, None], x[None, :])
    short, long, rest = _normalised()
    # Where the correlation meets itself on the torus, a few values fall below 0 by a trace.
    near, far = (np.maximum(fft.fft2(np.exp(-3.0 * distance / r)).real, 0.0) for r in (SHORT, LONG))
    spectrum = np.multiply.outer(short, near) + np.multiply.outer(long, far)
    spectrum += rest[:, :, None, None]
    variance = spectrum.mean(axis=(2, 3))
    pga, pgv = spectrum[0, 0] / variance[0, 0], spectrum[1, 1] / variance[1, 1]
    both = spectrum[0, 1] / np.sqrt(variance[0, 0] * variance[1, 1])
    factors = np.stack([np.sqrt(pga), both / np.sqrt(pga), np.sqrt(pgv - both**2 / pga)])
    return np.asarray(factors / np.sqrt(distance.size), np.float32)


class Draws:
    """Random ground motions of one earthquake.

    Parameters
    ----------
    motion : GroundMotion
    seed : int
    between : {"scaled", "full", "none"}
        The part that all nodes share. "scaled": √s τ B, as above, smaller where stations are
        near. "full": τ B as far as σ allows; W takes the rest. "none": no such part, because
        many stations have fixed it; W takes all of σ. The standard deviation at a node is σ in
        all three.
    """

    def __init__(self, motion: GroundMotion, seed: int, between: Between = "scaled") -> None:
        if between not in get_args(Between):
            raise InputError(f"between {between!r} must be one of {', '.join(get_args(Between))}")
        measures = (motion.pga, motion.pgv)
        rows, cols = motion.grid.shape
        self.seed = seed
        self.unit_fields = UnitFields((rows, cols), motion.spacing, seed)
        self._centre: Float32 = np.stack([np.log(m.median) for m in measures]).astype(np.float32)
        shares = [_shares(m, between) for m in measures]
        self._shared: Float32 = np.stack([s[0] for s in shares]).astype(np.float32)
        self._own: Float32 = np.stack([s[1] for s in shares]).astype(np.float32)
        self._most = np.log([LARGEST["PGA"], LARGEST["PGV"]]).astype(np.float32)[:, None, None]

    def event_terms(self, number: int) -> Array:
        """Return B of draws 2 `number` and 2 `number` + 1 of both measures, (2, 2)."""
        rng = generator(self.seed, "event terms of ground motion", number)
        first, second = rng.standard_normal((2, 2))
        rest = np.sqrt(1.0 - CORRELATION**2)
        return np.stack([first, CORRELATION * first + rest * second], axis=1)

    def pair(self, number: int) -> tuple[Draw, Draw]:
        """Return draws 2 `number` and 2 `number` + 1, whatever was drawn before."""
        terms = self.event_terms(number).astype(np.float32)
        fields = self.unit_fields.pair(number)
        first, second = (self._draw(field, term) for field, term in zip(fields, terms, strict=True))
        return first, second

    def _draw(self, field: Float32, term: Float32) -> Draw:
        """Return the motion of one field, (2, rows, cols), and one event's terms, (2,)."""
        log = self._centre + self._shared * term[:, None, None] + self._own * field
        clipped = int((log > self._most).any(axis=0).sum())
        np.minimum(log, self._most, out=log)
        return Draw(log[0], log[1], clipped)


def _shares(measure: Measure, between: Between) -> tuple[Array, Array]:
    """Return what multiplies B and what multiplies W, (rows, cols) each."""
    total = measure.total
    if between == "none":
        return np.zeros_like(total), total
    if between == "full":
        shared = np.minimum(measure.between, total)
        return shared, np.sqrt(total**2 - shared**2)
    scale = total / np.hypot(measure.between, measure.within)
    return scale * measure.between, scale * measure.within
