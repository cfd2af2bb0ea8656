"""Correlated Gaussian fields whose value at a place depends on nothing but the seed and the place.

A field is white noise on a lattice, blended by cubic B-splines. The weights at every place are
divided by their root sum of squares, so the variance is one everywhere, exactly, and any block of
a map can be made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import inlined, kernel

Floats = NDArray[np.float32]
Axis = NDArray[np.floating[Any]]
Seed = int | tuple[int, ...]


class _Lattice(NamedTuple):
    """Values at the nodes of a lattice, and the row and column of its first node."""

    values: Any
    row0: Any
    col0: Any


@dataclass(frozen=True)
class _Octave:
    """Spacing of a lattice (m), how far and where to its features stretch, and its weight."""

    spacing: float
    stretch: float
    azimuth: float
    weight: float


@inlined
def mix(value: Any) -> Any:
    """Scramble 64 bits (the finaliser of SplitMix64; Steele et al. 2014)."""
    z = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _lattice(seed: int, row0: int, col0: int, rows: int, cols: int) -> Floats:
    """Independent standard normals at the nodes (row0.., col0..) of an unbounded lattice."""
    out = np.empty((rows, cols), np.float32)
    # 2⁻⁵³: the upper 53 bits make a number in [0, 1).
    scale = 1.0 / 9007199254740992.0
    for i in range(rows):
        key = mix(np.uint64(seed) ^ mix(np.uint64(np.int64(row0 + i))))
        for j in range(cols):
            first = mix(key ^ mix(np.uint64(np.int64(col0 + j)) + np.uint64(0x51ED27)))
            second = mix(first)
            # Never 0, whose logarithm is infinite.
            u = (np.float64(first >> np.uint64(11)) + 0.5) * scale
            v = np.float64(second >> np.uint64(11)) * scale
            # Box and Muller (1958).
            out[i, j] = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
    return out


@inlined
def _spline(t: Any) -> Any:
    """Cubic B-spline weights of four nodes, scaled to a unit sum of squares."""
    a = (1.0 - t) ** 3
    b = 3.0 * t**3 - 6.0 * t**2 + 4.0
    c = -3.0 * t**3 + 3.0 * t**2 + 3.0 * t + 1.0
    d = t**3
    norm = 1.0 / np.sqrt(a * a + b * b + c * c + d * d)
    return a * norm, b * norm, c * norm, d * norm


@kernel
def _blend(
    nodes: _Lattice,
    x: Axis,
    y: Axis,
    turn: tuple[tuple[float, float], tuple[float, float]],
    weight: float,
    out: Floats,
) -> None:
    lattice, row0, col0 = nodes
    along, across = turn
    for r in range(y.size):
        for c in range(x.size):
            u = x[c] * along[0] + y[r] * along[1]
            v = x[c] * across[0] + y[r] * across[1]
            iu = np.floor(u)
            iv = np.floor(v)
            a0, a1, a2, a3 = _spline(u - iu)
            b0, b1, b2, b3 = _spline(v - iv)
            # A cubic spline blends four nodes: one before the place, and on from there.
            i = int(iv) - 1 - row0
            j = int(iu) - 1 - col0
            s0 = (
                a0 * lattice[i, j]
                + a1 * lattice[i, j + 1]
                + a2 * lattice[i, j + 2]
                + a3 * lattice[i, j + 3]
            )
            i += 1
            s1 = (
                a0 * lattice[i, j]
                + a1 * lattice[i, j + 1]
                + a2 * lattice[i, j + 2]
                + a3 * lattice[i, j + 3]
            )
            i += 1
            s2 = (
                a0 * lattice[i, j]
                + a1 * lattice[i, j + 1]
                + a2 * lattice[i, j + 2]
                + a3 * lattice[i, j + 3]
            )
            i += 1
            s3 = (
                a0 * lattice[i, j]
                + a1 * lattice[i, j + 1]
                + a2 * lattice[i, j + 2]
                + a3 * lattice[i, j + 3]
            )
            out[r, c] += weight * (b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3)


def _add_octave(out: Floats, seed: int, x: Axis, y: Axis, octave: _Octave) -> None:
    angle, spacing, stretch = np.radians(octave.azimuth), octave.spacing, octave.stretch
    along = (np.sin(angle) / (spacing * stretch), np.cos(angle) / (spacing * stretch))
    across = (np.cos(angle) / spacing, -np.sin(angle) / spacing)
    corners_x = np.array([x[0], x[0], x[-1], x[-1]])
    corners_y = np.array([y[0], y[-1], y[0], y[-1]])
    u = corners_x * along[0] + corners_y * along[1]
    v = corners_x * across[0] + corners_y * across[1]
    # With the nodes beyond the corners that splines reach.
    col0, row0 = int(np.floor(u.min())) - 2, int(np.floor(v.min())) - 2
    cols, rows = int(np.floor(u.max())) + 4 - col0, int(np.floor(v.max())) + 4 - row0
    lattice = _Lattice(_lattice(seed, row0, col0, rows, cols), row0, col0)
    _blend(lattice, x, y, (along, across), octave.weight, out)


def _key(seed: Seed, octave: int) -> int:
    parts = (seed,) if isinstance(seed, int) else seed
    # Two bits less fit the kernels' signed integers.
    return int(np.random.SeedSequence([*parts, octave]).generate_state(1, np.uint64)[0] >> 2)


def gaussian_field(
    seed: Seed,
    x: Axis,
    y: Axis,
    spacings: Sequence[float],
    variances: Sequence[float] | None = None,
    *,
    stretch: float = 1.0,
    azimuth: float | None = None,
) -> Floats:
    """Gaussian field of mean 0 and variance 1 (exactly, at every place).

    Parameters
    ----------
    seed : int or tuple of int
        The same seed gives the same field, whatever block of it is asked for.
    x, y : array (cols,), (rows,)
        Coordinates of the columns and rows (m).
    spacings : sequence of float
        Lattice spacings of the octaves (m); features are about twice as wide.
    variances : sequence of float, optional
        Share of the variance of each octave (equal shares by default; scaled to sum to 1).
    stretch, azimuth : float
        Features are `stretch` times longer in the direction `azimuth` (degrees from north).
        Without an azimuth each octave's lattice has its own direction.

    Returns
    -------
    array (rows, cols), float32
    """
    shares = np.ones(len(spacings)) if variances is None else np.asarray(variances, float)
    shares = shares / shares.sum()
    out = np.zeros((y.size, x.size), np.float32)
    for k, (spacing, share) in enumerate(zip(spacings, shares, strict=True)):
        # Directions that do not come again, so that lattices of octaves never lie alike.
        turn = azimuth if azimuth is not None else 23.0 + 67.3 * k
        octave = _Octave(float(spacing), stretch, turn, float(np.sqrt(share)))
        _add_octave(out, _key(seed, k), x, y, octave)
    return out


REACH = 5
"""Nodes to either side that an oriented field blends."""


@kernel
def _blend_oriented(
    nodes: _Lattice, u: Axis, v: Axis, azimuth: Floats, stretch: float, out: Floats
) -> None:
    lattice, row0, col0 = nodes
    across = np.float32(1.0 / (REACH / stretch) ** 2)
    along = np.float32(1.0 / REACH**2)
    for r in range(out.shape[0]):
        iv = int(np.floor(v[r] + 0.5))
        for c in range(out.shape[1]):
            iu = int(np.floor(u[c] + 0.5))
            sin = np.float32(np.sin(np.deg2rad(azimuth[r, c])))
            cos = np.float32(np.cos(np.deg2rad(azimuth[r, c])))
            total = np.float32(0.0)
            squares = np.float32(0.0)
            for i in range(iv - REACH, iv + REACH + 1):
                dy = np.float32(v[r] - i)
                for j in range(iu - REACH, iu + REACH + 1):
                    dx = np.float32(j - u[c])
                    down = dx * sin + dy * cos
                    side = dx * cos - dy * sin
                    near = np.float32(1.0) - along * down * down - across * side * side
                    weight = near * near if near > 0.0 else np.float32(0.0)
                    total += weight * lattice[i - row0, j - col0]
                    squares += weight * weight
            # A unit sum of squares: the variance is one at every place.
            out[r, c] = total / np.sqrt(squares)


def oriented_field(
    seed: Seed, x: Axis, y: Axis, spacing: float, azimuth: Floats, stretch: float = 3.0
) -> Floats:
    """Gaussian field of mean 0 and variance 1 whose features follow a direction at every place.

    Parameters
    ----------
    seed : int or tuple of int
    x, y : array (cols,), (rows,)
        Coordinates of the columns and rows (m), y downwards from the north.
    spacing : float
        Lattice spacing (m); features are about three spacings wide.
    azimuth : array (rows, cols)
        Direction of the features (degrees from north).
    stretch : float
        Their length over their width.

    Returns
    -------
    array (rows, cols), float32
    """
    u, v = x / spacing, -y / spacing
    row0, col0 = int(np.floor(v[0])) - REACH - 1, int(np.floor(u[0])) - REACH - 1
    rows, cols = int(np.ceil(v[-1])) + REACH + 2 - row0, int(np.ceil(u[-1])) + REACH + 2 - col0
    lattice = _Lattice(_lattice(_key(seed, 0), row0, col0, rows, cols), row0, col0)
    out = np.empty(azimuth.shape, np.float32)
    _blend_oriented(lattice, u, v, azimuth, stretch, out)
    return out
