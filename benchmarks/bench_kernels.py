"""The factors' kernels in memory, on one thread, against what a user would call instead.

`python -m benchmarks.bench_kernels [--size 4096]` prints the rows. Peers do the same work or
less: for the topographic position index they average squares where ours takes an annulus, since
an exact annulus costs them tens of times more; distances by transform are between cells' centres
where ours are exact to the lines. Rows against OpenCV appear where it can be imported.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from shakeslide.factors import density, nearest, terrain

CELL = 12.5
INNER, OUTER = 62.5, 150.0
WINDOW = 31

Array = NDArray[Any]
Calls = dict[str, Callable[[], Any]]
Row = dict[str, str]


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Best times of two calls that take turns, in seconds of this thread; the first warms up."""
    best = [np.inf, np.inf]
    for turn in range(repeats + 1):
        for k, call in enumerate((ours, theirs)):
            start = time.thread_time()
            call()
            if turn:
                best[k] = min(best[k], time.thread_time() - start)
    return best[0], best[1]


def row(work: str, peer: str, cells: int, ours: float, theirs: float, target: str) -> Row:
    """A line of the table, from seconds."""
    return {
        "work": work,
        "peer": peer,
        "ours": f"{cells / ours / 1e6:.1f} Mpx/s",
        "theirs": f"{cells / theirs / 1e6:.1f} Mpx/s",
        "ratio": f"{theirs / ours:.2f}",
        "target": target,
    }


def mountains(size: int) -> NDArray[np.float32]:
    """Rugged terrain with a median slope near 28°."""
    rng = np.random.default_rng(0)
    z = np.zeros((size, size), np.float32)
    for scale, height in ((4, 55), (16, 230), (64, 1000)):
        coarse = rng.standard_normal((size // scale + 4, size // scale + 4)).astype(np.float32)
        z += height * ndimage.zoom(coarse, scale, order=3)[:size, :size] / 3
    return z + 2500


def our_terrain(z: Array) -> Calls:
    """The five terrain factors by the package."""
    return {
        "slope, aspect, curvature": lambda: terrain.derivatives(z, CELL, CELL),
        "topographic position": lambda: terrain.tpi(z, CELL, CELL, INNER, OUTER),
        "relative relief": lambda: terrain.relief(z, CELL, CELL, WINDOW * CELL),
    }


def scipy_terrain(z: Array) -> Calls:
    """The same by scipy.ndimage and numpy."""
    wide, hole = 2 * int(OUTER / CELL) + 1, 2 * int(INNER / CELL) - 1

    def derivatives() -> tuple[Array, ...]:
        gx, gy = (ndimage.sobel(z, axis) / np.float32(8 * CELL) for axis in (1, 0))
        slope = np.degrees(np.arctan(np.hypot(gx, gy)))
        aspect = np.degrees(np.arctan2(-gx, gy)) % np.float32(360)
        return slope, aspect, ndimage.laplace(z) * np.float32(-100 / CELL**2)

    def position() -> Array:
        large, small = (ndimage.uniform_filter(z, side) for side in (wide, hole))
        return z - (large * wide**2 - small * hole**2) / np.float32(wide**2 - hole**2)

    return {
        "slope, aspect, curvature": derivatives,
        "topographic position": position,
        "relative relief": lambda: (
            ndimage.maximum_filter(z, WINDOW) - ndimage.minimum_filter(z, WINDOW)
        ),
    }


def opencv_terrain(z: Array, cv2: Any) -> Calls:
    """The same by OpenCV."""
    wide, hole = 2 * int(OUTER / CELL) + 1, 2 * int(INNER / CELL) - 1
    ones, square = np.ones_like(z), np.ones((WINDOW, WINDOW), np.uint8)
    laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32) * (-100 / CELL**2)

    def derivatives() -> tuple[Array, ...]:
        gx = cv2.Sobel(z, cv2.CV_32F, 1, 0, ksize=3, scale=1 / (8 * CELL))
        gy = cv2.Sobel(z, cv2.CV_32F, 0, 1, ksize=3, scale=1 / (8 * CELL))
        steep, aspect = cv2.cartToPolar(gx, gy, angleInDegrees=True)
        slope = cv2.phase(ones, steep, angleInDegrees=True)
        return slope, aspect, cv2.filter2D(z, cv2.CV_32F, laplace)

    def position() -> Array:
        large, small = (cv2.blur(z, (side, side)) for side in (wide, hole))
        weight = wide**2 / (wide**2 - hole**2)
        return z - cv2.addWeighted(large, weight, small, 1 - weight, 0)

    return {
        "slope, aspect, curvature": derivatives,
        "topographic position": position,
        "relative relief": lambda: cv2.dilate(z, square) - cv2.erode(z, square),
    }


def terrain_rows(size: int, repeats: int = 3) -> list[Row]:
    """Each terrain kernel, and all five factors in sum, against scipy and OpenCV."""
    z = mountains(size)
    peers = [("scipy", scipy_terrain(z), 1, "10")]
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        pass
    else:
        cv2.setNumThreads(1)
        peers.append(("OpenCV", opencv_terrain(z, cv2), repeats, "1.5"))
    made = []
    for peer, theirs, turns, target in peers:
        seconds = np.zeros(2)
        for work, call in our_terrain(z).items():
            times = paired(call, theirs[work], turns)
            seconds += times
            made.append(row(work, peer, z.size, *times, ""))
        made.append(row("all five terrain factors", peer, z.size, *seconds, target))
    return made


def rivers(size: int, n: int, vertices: int) -> list[Array]:
    """Winding lines over the map, a vertex every 30 m."""
    rng = np.random.default_rng(1)
    side = size * CELL
    lines = []
    for _ in range(n):
        course = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, vertices))
        steps = 30 * np.column_stack([np.sin(course), np.cos(course)])
        lines.append(rng.uniform(0, side, 2) + np.cumsum(steps, axis=0))
    return lines


def burn(lines: list[Array], size: int) -> NDArray[np.bool_]:
    """Cells that lines pass through (at steps of half a cell), False; others True."""
    free = np.ones((size, size), bool)
    for line in lines:
        parts = np.linspace(0, len(line) - 1, 6 * len(line))
        at = [np.interp(parts, np.arange(len(line)), line[:, k]) / CELL for k in (0, 1)]
        col, up = (np.floor(values).astype(int) for values in at)
        inside = (col >= 0) & (col < size) & (up >= 0) & (up < size)
        free[size - 1 - up[inside], col[inside]] = False
    return free


def nearest_rows(size: int, repeats: int = 3) -> list[Row]:
    """Distance and index of the nearest segment against scipy's transform with indices."""
    x = (np.arange(size) + 0.5) * CELL
    made = []
    for vertices in (31, 201):
        lines = rivers(size, 500, vertices)
        segments, free = nearest.Segments.from_lines(lines), burn(lines, size)

        def ours(segments: nearest.Segments = segments) -> Any:
            return nearest.nearest(x, x[::-1], segments)

        def theirs(free: NDArray[np.bool_] = free) -> Any:
            return ndimage.distance_transform_edt(free, sampling=CELL, return_indices=True)

        times = paired(ours, theirs, 1 if size > 2048 else repeats)
        work = f"nearest of {len(segments):,} segments, distance and index"
        made.append(row(work, "scipy EDT", size**2, *times, "3"))
    return made


@njit(nogil=True, error_model="numpy", fastmath=True)
def direct_sum(x: Array, y: Array, px: Array, py: Array, h: float, out: Array) -> None:
    """The quartic kernel summed point by point over the columns in reach."""
    step = x[1] - x[0]
    for i in range(y.size):
        for p in range(px.size):
            v = (y[i] - py[p]) / h
            if v * v >= 1:
                continue
            chord = h * np.sqrt(1 - v * v)
            first = max(0, int(np.ceil((px[p] - chord - x[0]) / step)))
            last = min(x.size, int(np.floor((px[p] + chord - x[0]) / step)) + 1)
            for j in range(first, last):
                u = (x[j] - px[p]) / h
                k = 1 - u * u - v * v
                out[i, j] += k * k


def density_rows(size: int, points: int = 5000, radius: int = 800) -> list[Row]:
    """Kernel density against the direct sum, which is timed on every 16th row."""
    rng = np.random.default_rng(2)
    x = (np.arange(size) + 0.5) * CELL
    y, h = x[::-1], radius * CELL
    px, py = rng.uniform(0, size * CELL, (2, points))
    direct = np.zeros((y[::16].size, size))
    direct_sum(x, y[:1], px[:1], py[:1], h, np.zeros((1, size)))  # compiles
    start = time.thread_time()
    direct_sum(x, y[::16], px, py, h, direct)
    theirs = (time.thread_time() - start) * y.size / direct.shape[0]
    ours, _ = paired(lambda: density.quartic_density(x, y, px, py, None, h), lambda: None, 2)
    made = density.quartic_density(x, y, px, py, None, h)[::16]
    expected = direct * 3e6 / (np.pi * h**2)
    error = np.abs(made - expected).max() / expected.max()
    work = f"kernel density, {points:,} points, radius {radius} px (error {error:.0e} of maximum)"
    return [row(work, "direct sum (numba)", size**2, ours, theirs, "10")]


def rows(size: int = 4096) -> list[Row]:
    """All rows: work, peer, ours, theirs, ratio (theirs/ours in time), target of the ratio."""
    return terrain_rows(size) + nearest_rows(size) + density_rows(size)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096, help="rows and columns of the map")
    for line in rows(parser.parse_args().size):
        print("{work} | {peer} | {ours} | {theirs} | {ratio} | {target}".format_map(line))


if __name__ == "__main__":
    main()
