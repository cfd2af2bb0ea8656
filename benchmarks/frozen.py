"""How hard the frozen synthetic earthquake is, and how long it takes to make it.

`python -m benchmarks.frozen` makes the 4,000 x 4,000 cells in build/benchmark, computes the 14
factors and prints the best overall accuracy and AUC at a balanced prior for a rule that knows the
full state, for one that knows the factors (by regressing the exact probabilities on them), and for
logistic regression. Some ten minutes on two cores.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from benchmarks import bench_files
from benchmarks.__main__ import gemm_rate
from shakeslide import pipeline, synthetic
from shakeslide.factors import stack
from shakeslide.sampling import encoding
from shakeslide.sampling.encoding import Angles

CELLS = 300_000
BLOCK = 120
"""Cells along a block whose places a rule must not know by heart: 3 km."""
FOLDS = 4


def cells(folder: Path, run: pipeline.Run) -> tuple[NDArray[np.float64], ...]:
    """Draw cells: exact probability, raw factors, block."""
    rng = np.random.default_rng(1)
    p = _band(folder / "truth.tif")
    cols = p.shape[1]
    at = rng.choice(p.size, CELLS, replace=False)
    raw = np.column_stack(
        [_band(run.out / "factors" / f"{c}.tif").ravel()[at] for c in run.codes]
    ).astype(np.float32)
    block = (at // cols // BLOCK) * (cols // BLOCK + 1) + at % cols // BLOCK
    whole = np.isfinite(raw).all(axis=1) & np.isfinite(p.ravel()[at])
    return p.ravel()[at][whole].astype(np.float64), raw[whole], block[whole]


def _band(path: Path) -> NDArray[np.float32]:
    with rasterio.open(path) as src:
        return np.asarray(src.read(1))


def encoded(
    raw: NDArray[np.float32], p: NDArray[np.float64], run: pipeline.Run, angles: Angles
) -> NDArray[np.float32]:
    """Encode raw factors with frequency ratios from outcomes drawn by the exact probabilities."""
    y = (np.random.default_rng(2).random(p.size) < p).astype(np.int64)
    infos = [stack.file_info(run.out / "factors" / f"{c}.tif") for c in run.codes]
    areas = {
        f.code: {
            int(k): int(n) for k, n in zip(*np.unique(raw[:, i], return_counts=True), strict=True)
        }
        for i, f in enumerate(infos)
        if f.kind == "categorical"
    }
    fitted = encoding.fit(raw, y, [(f.code, f.kind) for f in infos], areas, angles)
    return fitted.transform(raw)


def logistic(x: NDArray[np.float32], p: NDArray[np.float64]) -> synthetic.Optimum:
    """Return the held-out scores of logistic regression fitted on exact probabilities."""
    told = np.empty(p.size)
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        weight = np.concatenate([p[train] / p[train].sum(), (1 - p[train]) / (1 - p[train]).sum()])
        label = np.repeat([1, 0], train.size)
        model = LogisticRegression(max_iter=500)
        model.fit(np.vstack([x[train], x[train]]), label, sample_weight=weight * train.size)
        told[test] = model.predict_proba(x[test])[:, 1]
    share = p.mean()
    odds = told / (1 - told) * share / (1 - share)
    return synthetic.rule_scores(odds / (1 + odds), p)


def main() -> None:
    """Make, time, judge, print."""
    start = time.perf_counter()
    earthquake = synthetic.make(synthetic.BENCHMARK)
    made = time.perf_counter() - start
    folder = bench_files.DATA / "4000"
    synthetic.write(earthquake, folder)
    print(f"made in {made:.0f} s, with its files in {time.perf_counter() - start:.0f} s "
          f"(float32 matrix product: {gemm_rate():.0f} GFLOP/s)", flush=True)  # fmt: skip
    full = synthetic.bayes_optimum(earthquake.p_star)
    print(f"full state: OA {full.oa_balanced:.3f}, AUC {full.auc:.3f}", flush=True)
    del earthquake
    run = bench_files.opened(folder / "study.toml", folder / "run")
    pipeline.prepare(run)
    p, raw, block = cells(folder, run)
    x = encoded(raw, p, run, "sincos")
    for name, groups in (("factors, cells at random", None), ("factors, unseen blocks", block)):
        known = synthetic.bayes_given_factors(p, x, np.random.default_rng(3), groups=groups)
        low, best, high = known.oa
        print(
            f"{name}: OA {best:.3f} ({low:.3f} to {high:.3f}), AUC {known.auc[1]:.3f}", flush=True
        )
    for angles in ("raw", "sincos"):
        told = logistic(encoded(raw, p, run, angles), p)
        print(
            f"logistic regression, angles {angles}: OA {told.oa_balanced:.3f}, AUC {told.auc:.3f}"
        )


if __name__ == "__main__":
    main()
