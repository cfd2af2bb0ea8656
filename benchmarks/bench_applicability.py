"""The area of applicability: each cell against its nearest training row, beside a map's forest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.bench_models import data, paired, side_by_side
from shakeslide.evaluation.applicability import fit_applicability
from shakeslide.maps.spread import REFERENCE
from shakeslide.models import RandomForest

CELLS = 1 << 16
CLASSES = (0.0542, 0.0381)
"""Spread of the weighted columns of rock and soil on a synthetic earthquake, ..."""
SPREADS = (
    0.0712, 0.0186, 0.0185, 0.0182, 0.0174, 0.0169, 0.0131, 0.0131, 0.0130, 0.0117, 0.0106,
    0.0097, 0.0062, 0.0042, 0.0002, 0.0002,
)  # fmt: skip
"""... and of the other columns, slope first."""


def columns(n: int, seed: int) -> NDArray[np.float32]:
    """Return rows as the encoder gives them, weighted: two columns of classes, 16 of numbers."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 6, (n, 2)) / 1.7 * CLASSES
    return np.hstack([classes, rng.normal(size=(n, 16)) * SPREADS]).astype(np.float32)


def rows() -> list[dict[str, str]]:
    """Both rows; see `benchmarks.__main__`."""
    training = columns(60_000, 0)
    # Columns are divided by their spread, so this weight leaves them as they are.
    folds = np.arange(len(training)) % 9
    area = fit_applicability(training, training.std(axis=0), folds, REFERENCE)
    cells, tree = columns(CELLS, 1), cKDTree(area.reference)

    def theirs(x: NDArray[np.float32]) -> NDArray[np.float64]:
        distance = tree.query((x - area.centre) * area.factor)[0]
        return np.asarray(distance / area.spread)

    if np.abs(area.dissimilarity(cells[:999]) - theirs(cells[:999])).max() > 1e-12:
        raise AssertionError("the tree finds other rows")
    X, y = data(60_000)
    forest = RandomForest(random_state=0).fit(X, y)
    map_rows = data(CELLS, 1)[0]
    return [
        _row("scipy's cKDTree", area.dissimilarity, cells, theirs, cells, "2"),
        _row("rf, map", area.dissimilarity, cells, forest.predict_proba, map_rows, "1"),
    ]


def _row(
    peer: str,
    ours: Callable[..., Any],
    cells: NDArray[np.float32],
    theirs: Callable[..., Any],
    their_cells: NDArray[np.float32],
    target: str,
) -> dict[str, str]:
    a, b = paired(lambda: side_by_side(ours, cells), lambda: side_by_side(theirs, their_cells))
    rate = CELLS / 1e6
    return {
        "work": f"applicability, map, {REFERENCE:,} training rows, 18 columns",
        "peer": peer,
        "ours": f"{rate / a:.2f} Mpx/s",
        "theirs": f"{rate / b:.2f} Mpx/s",
        "ratio": f"{b / a:.2f}",
        "target": target,
    }


if __name__ == "__main__":
    for line in rows():
        print("{work} | {peer} | {ours} | {theirs} | {ratio} | {target}".format_map(line))
