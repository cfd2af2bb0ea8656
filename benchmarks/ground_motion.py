"""Time and correctness of random ground motion: `python -m benchmarks.ground_motion`.

500 fields of PGA and PGV on 300 x 300 nodes; then standard deviation at the nodes and correlation
over distance against what was asked for.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.shaking.fields import Draws, UnitFields, correlation
from shakeslide.shaking.ground_motion import GroundMotion, Measure

STEP = 0.0125
"""Degrees between nodes."""


def motion(nodes: int) -> GroundMotion:
    """Return constant ground motion on a square of nodes, σ rising from west to east."""
    total = np.broadcast_to(np.linspace(0.2, 0.65, nodes), (nodes, nodes))
    parts = np.full((nodes, nodes), 0.346), np.full((nodes, nodes), 0.552)
    pga, pgv = (Measure(np.full((nodes, nodes), m), total, *parts) for m in (0.2, 20.0))
    grid = GeoBox((nodes, nodes), Affine(STEP, 0, 85, 0, -STEP, 30), "EPSG:4326")
    return GroundMotion(
        source="", id="", version="", title="", scenario=True, magnitude=7.0, depth=10.0,
        epicentre=None, time="", grid=grid, pga=pga, pgv=pgv, mmi=np.full((nodes, nodes), 7.0),
        vs30=None, uncertainty_ratio=None, finite_rupture=None, notes=(),
    )  # fmt: skip


def timed(draws: Draws, pairs: int, workers: int) -> float:
    """Return the seconds that pairs of draws take on threads."""
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda k: draws.pair(k)[0].clipped, range(pairs)):
            pass
    return time.perf_counter() - start


def worst_deviation(draws: int) -> tuple[float, float]:
    """Return mean and largest error of σ at nodes over many draws, relative."""
    known = motion(12)
    made = Draws(known, seed=1)
    total, squares = np.zeros((2, 12, 12)), np.zeros((2, 12, 12))
    for k in range(draws // 2):
        for draw in made.pair(k):
            logs = np.stack([draw.ln_pga, draw.ln_pgv]).astype(np.float64)
            total += logs
            squares += logs**2
    sd = np.sqrt(squares / draws - (total / draws) ** 2)
    error = np.abs(sd / known.pga.total - 1)
    return float(error.mean()), float(error.max())


def worst_correlation(nodes: int, pairs: int) -> float:
    """Return the largest error of the correlation, over distances along both axes."""
    spacing = motion(nodes).spacing
    made = UnitFields((nodes, nodes), spacing, seed=2)
    steps = np.unique(np.geomspace(1, nodes // 2, 8).astype(int))
    sums = np.zeros((2, steps.size, 2, 2))
    for k in range(pairs):
        fields = made.pair(k)
        for axis in (0, 1):
            for i, step in enumerate(steps):
                a = fields.take(range(nodes - step), axis + 2)
                b = fields.take(range(step, nodes), axis + 2)
                sums[axis, i] += np.einsum("dmrc,dnrc->mn", a, b) / (a.size / 2)
    wanted = np.stack([np.moveaxis(correlation(steps * d), -1, 0) for d in spacing])
    return float(np.abs(sums / pairs - wanted).max())


def main() -> None:
    """Print times and errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    start = time.perf_counter()
    draws = Draws(motion(options.nodes), seed=0)
    print(f"preparation {time.perf_counter() - start:.2f} s, period {draws.unit_fields.period}")
    for workers in dict.fromkeys((1, cores)):
        seconds = timed(draws, options.draws // 2, workers)
        print(
            f"{options.draws} fields of {options.nodes} x {options.nodes} nodes, PGA and PGV, "
            f"{workers} thread(s): {seconds:.1f} s"
        )
    mean, worst = worst_deviation(20_000)
    print(f"standard deviation at a node, 20,000 draws: error {mean:.2%} mean, {worst:.2%} largest")
    print(f"correlation, 600 fields: error {worst_correlation(120, 300):.4f} largest")


if __name__ == "__main__":
    main()
