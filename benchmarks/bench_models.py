"""Training and prediction of the models against what a user would pick instead."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from shakeslide.models import (
    GradientBoosting,
    RandomForest,
    StackedAutoencoder,
    SupportVectorMachine,
    fit_members,
)
from shakeslide.models.kernel_machines.taylor import HingeSolver, TaylorMap
from shakeslide.models.products import product

try:
    import torch
except ModuleNotFoundError:  # optional: the rows that compare with it are then left out
    torch = None

CORES = len(os.sched_getaffinity(0))
SIZES = (14, 110, 110, 110, 2)
ALL_ROWS = 327_754  # the paper's training cells: a fifth of 1,638,778

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


def data(n: int, seed: int = 0) -> Rows:
    """Rows with interactions and noise, half of them positive."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 14)).astype(np.float32)
    score = 2 * X[:, 0] - 1.5 * X[:, 1] + 3 * X[:, 2] * X[:, 3] + np.sin(6 * X[:, 4])
    score += 0.7 * rng.normal(size=n)
    return X, (score > np.median(score)).astype(np.int64)


def paired(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int = 3
) -> tuple[float, float]:
    """Best times of two calls that take turns, in seconds."""
    best = [np.inf, np.inf]
    for _ in range(repeats):
        for k, call in enumerate((ours, theirs)):
            start = time.perf_counter()
            call()
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0], best[1]


def row(work: str, peer: str, ours: str, theirs: str, ratio: float, target: str) -> dict[str, str]:
    return {
        "work": work,
        "peer": peer,
        "ours": ours,
        "theirs": theirs,
        "ratio": f"{ratio:.2f}",
        "target": target,
    }


def side_by_side(f: Callable[[NDArray[np.float32]], Any], X: NDArray[np.float32]) -> None:
    """Predict as a map does: blocks of rows, one thread per core, one BLAS thread in each."""
    with threadpool_limits(1), ThreadPoolExecutor(CORES) as pool:
        list(pool.map(f, np.array_split(X, 4 * CORES)))


def torch_network() -> Any:
    layers: list[Any] = []
    for n_in, n_out in pairwise(SIZES[:-1]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(SIZES[-2], SIZES[-1]))


def eager_steps(X: NDArray[np.float32], y: NDArray[np.int64], steps: int, batch: int) -> None:
    """Plain PyTorch: slices of shuffled tensors, automatic differentiation."""
    torch.set_num_threads(CORES)
    network = torch_network()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.8, weight_decay=4e-6)
    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    order = torch.randperm(len(X))
    for step in range(steps):
        begin = (step * batch) % (len(X) - batch + 1)
        index = order[begin : begin + batch] if batch < len(X) else slice(None)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(rows[index]), labels[index]).backward()
        optimiser.step()


def autoencoder_fit() -> list[dict[str, str]]:
    X, y = data(41_000)
    epochs = 5
    steps = epochs * len(X) // 256

    def ours() -> None:
        StackedAutoencoder(steps=steps, pretrain_steps=steps // 10, random_state=0).fit(X, y)

    def theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MLPClassifier(
                SIZES[1:-1],
                activation="logistic",
                solver="sgd",
                learning_rate_init=0.8,
                momentum=0,
                batch_size=256,
                max_iter=epochs,
                n_iter_no_change=epochs + 1,
            ).fit(X, y)

    a, b = paired(ours, theirs)
    return [
        row(
            "sae, `paper` fit (pre-training of 3 layers at a tenth of the steps each, fine-tuning)",
            "scikit-learn MLPClassifier, fine-tuning steps only",
            f"{steps / a:.0f} steps/s",
            f"{steps / b:.0f} steps/s",
            b / a,
            "1.5",
        )
    ]


def repeats() -> list[dict[str, str]]:
    X, y = data(41_000)
    n, steps = 20, 200

    def models() -> list[StackedAutoencoder]:
        return [StackedAutoencoder(steps=steps, pretrain_steps=0, random_state=k) for k in range(n)]

    def together() -> None:
        fit_members(models(), [X] * n, [y] * n)

    def one_by_one() -> None:
        for model in models():
            model.fit(X, y)

    def eager() -> None:
        for _ in range(n):
            eager_steps(X, y, steps // 4, 256)  # a quarter: counted four times below

    def rate(seconds: float) -> str:
        return f"{n * steps / seconds:.0f} steps/s"

    out = []
    if torch is not None:
        a, b = paired(together, eager, 2)
        peer = "20 fits in eager PyTorch, one by one"
        rates = rate(a), rate(4 * b)
        out.append(row("sae, 20 repeats together", peer, *rates, 4 * b / a, "2.5"))
    c, d = paired(together, one_by_one, 2)
    return [
        *out,
        row(
            "sae, 20 repeats together",
            f"our 20 fits, one by one (each on one core of {CORES})",
            rate(c),
            rate(d),
            d / c,
            f"{CORES} at most",
        ),
    ]


def full_batch() -> list[dict[str, str]]:
    if torch is None:
        return []
    X, y = data(ALL_ROWS)
    model = StackedAutoencoder(steps=6, pretrain_steps=0, batch_size="full", random_state=0)
    a, b = paired(lambda: model.fit(X, y), lambda: eager_steps(X, y, 2, ALL_ROWS), 2)
    a, b = a / 6, b / 2
    return [
        row(
            f"sae, full batch of {ALL_ROWS:,} rows",
            "eager PyTorch",
            f"{1 / a:.2f} steps/s",
            f"{1 / b:.2f} steps/s",
            b / a,
            "2",
        )
    ]


def bare_products(X: NDArray[np.float32]) -> None:
    """Nothing but the network's matrix products, in chunks of 4,096 rows."""
    rng = np.random.default_rng(0)
    weights = [rng.random(s, dtype=np.float32) for s in pairwise(SIZES)]
    buffers = [np.empty((4096, n), dtype=np.float32) for n in SIZES[1:]]
    for start in range(0, len(X) - 4095, 4096):
        h = X[start : start + 4096]
        for w, out in zip(weights, buffers, strict=True):
            h = np.dot(h, w, out=out)


def bare_torch_products(X: NDArray[np.float32]) -> None:
    """The same with PyTorch's library."""
    weights = [torch.rand(*s) for s in pairwise(SIZES)]
    buffers = [torch.empty(4096, n) for n in SIZES[1:]]
    rows = torch.from_numpy(X)
    for start in range(0, len(X) - 4095, 4096):
        h = rows[start : start + 4096]
        for w, out in zip(weights, buffers, strict=True):
            h = torch.mm(h, w, out=out)


def bare_own_products(X: NDArray[np.float32]) -> None:
    """The same with the products of the models, feature by feature, in blocks of 512 rows."""
    rng = np.random.default_rng(0)
    sizes = [-(-n // 16) * 16 for n in SIZES[:-1]] + [SIZES[-1]]
    weights = [rng.random((n_out, n_in), dtype=np.float32) for n_in, n_out in pairwise(sizes)]
    first, *buffers = (rng.random((n, 512), dtype=np.float32) for n in sizes)
    for _ in range(len(X) // 512):
        h = first
        for w, out in zip(weights, buffers, strict=True):
            product(w, h, out, False)
            h = out


def autoencoder_map() -> list[dict[str, str]]:
    X, y = data(20_000)
    model = StackedAutoencoder(steps=1500, pretrain_steps=200, random_state=0).fit(X, y)
    map_rows, _ = data(1 << 20, 1)
    n = len(map_rows) / 1e6

    def ours() -> None:
        side_by_side(model.predict_proba, map_rows)

    a, library = paired(ours, lambda: side_by_side(bare_products, map_rows), 5)
    if torch is not None:
        torch.set_num_threads(1)
        again, other = paired(ours, lambda: side_by_side(bare_torch_products, map_rows), 5)
        torch.set_num_threads(CORES)
        a, library = min(a, again), min(library, other)
    again, bound = paired(ours, lambda: side_by_side(bare_own_products, map_rows), 5)
    a = min(a, again)
    many = StackedAutoencoder(steps=20, pretrain_steps=0, members=20, random_state=0).fit(X, y)
    some = map_rows[: 1 << 17]
    e, f = paired(
        lambda: side_by_side(many.predict_proba, some),
        lambda: side_by_side(model.predict_proba, some),
    )
    return [
        row(
            "sae, map in float32",
            "the bare matrix products of OpenBLAS or PyTorch, the faster",
            f"{n / a:.2f} Mpx/s",
            f"{n / library:.2f} Mpx/s",
            library / a,
            "0.6",
        ),
        row(
            "sae, map in float32",
            "our own bare matrix products (the bound)",
            f"{n / a:.2f} Mpx/s",
            f"{n / bound:.2f} Mpx/s",
            bound / a,
            "",
        ),
        row(
            "sae, map of an ensemble of 20 with its deviation",
            "20 times one",
            f"{len(some) / 1e6 / e:.3f} Mpx/s",
            f"{len(some) / 1e6 / f / 20:.3f} Mpx/s",
            20 * f / e,
            "1",
        ),
        *bfloat16_map(model, map_rows),
    ]


def bfloat16_map(model: StackedAutoencoder, map_rows: NDArray[np.float32]) -> list[dict[str, str]]:
    if torch is None:
        return []
    half = StackedAutoencoder.from_arrays(
        model.arrays(), {**model.get_params(), "precision": "bfloat16"}
    )
    a, b = paired(
        lambda: side_by_side(half.predict_proba, map_rows),
        lambda: side_by_side(model.predict_proba, map_rows),
        5,
    )
    largest, root_mean_square = half.precision_error(map_rows[:100_000])
    work = f"sae, map in bfloat16 (error {largest:.2g} at most, {root_mean_square:.1g} r.m.s.)"
    n = len(map_rows) / 1e6
    return [row(work, "ours in float32", f"{n / a:.2f} Mpx/s", f"{n / b:.2f} Mpx/s", b / a, "")]


def trees() -> list[dict[str, str]]:
    X, y = data(60_000)
    map_rows, _ = data(1 << 17, 1)
    n = len(map_rows) / 1e6
    pairs = [
        (
            "rf, map, 62 trees of 13 levels",
            RandomForest(random_state=0, n_jobs=CORES),
            RandomForestClassifier(62, max_depth=13, random_state=0, n_jobs=CORES),
            "4",
        ),
        (
            "hgb, map, 200 trees",
            GradientBoosting(random_state=0),
            HistGradientBoostingClassifier(max_iter=200, early_stopping=False, random_state=0),
            "",
        ),
    ]
    out = []
    for work, ours, theirs, target in pairs:
        ours.fit(X, y)
        theirs.fit(X, y)
        theirs.set_params(**({"n_jobs": 1} if "n_jobs" in theirs.get_params() else {}))
        a, b = paired(
            lambda m=ours: side_by_side(m.predict_proba, map_rows),
            lambda m=theirs: side_by_side(m.predict_proba, map_rows),
        )
        peer = f"scikit-learn {type(theirs).__name__}"
        out.append(row(work, peer, f"{n / a:.2f} Mpx/s", f"{n / b:.2f} Mpx/s", b / a, target))
    return out


def support_vectors() -> list[dict[str, str]]:
    n = 12_000
    X, y = data(n)
    double = X.astype(np.float64)
    centre = (X.min(axis=0) + X.max(axis=0)).astype(np.float64) / 2
    solver = HingeSolver(TaylorMap(centre, 0.001, 3), 1.0)
    peer = SVC(gamma=0.001, cache_size=1000)
    a, b = paired(lambda: solver.solve(X, y), lambda: peer.fit(double, y), 2)
    machine = solver.solve(X, y)
    off = np.abs(
        machine.decisions(X) - SVC(gamma=0.001, tol=1e-6).fit(double, y).decision_function(double)
    ).max()
    map_rows, _ = data(1 << 20, 1)
    few = map_rows[:2000].astype(np.float64)
    c, d = paired(
        lambda: side_by_side(machine.decisions, map_rows),
        lambda: side_by_side(peer.decision_function, few),
    )
    c, d = c / len(map_rows), d / len(few)
    X, y = data(ALL_ROWS)
    start = time.perf_counter()
    whole = SupportVectorMachine(random_state=0).fit(X, y)
    seconds = time.perf_counter() - start
    return [
        row(
            f"svm, fit on {n:,} rows (decision values within {off:.0e} of SVC at tol 1e-6)",
            "scikit-learn SVC, tol 1e-3",
            f"{a:.2f} s",
            f"{b:.2f} s",
            b / a,
            "",
        ),
        row(
            f"svm, fit on {ALL_ROWS:,} rows with Platt's five folds"
            f" (truncation {whole.error_bound_:.0e} at most)",
            "ten minutes",
            f"{seconds:.0f} s",
            "600 s",
            600 / seconds,
            "1",
        ),
        row(
            "svm, map",
            "scikit-learn SVC trained on 12,000 rows",
            f"{1e-6 / c:.1f} Mpx/s",
            f"{1e-6 / d:.4f} Mpx/s",
            d / c,
            "0.5 Mpx/s",
        ),
    ]


def rows() -> list[dict[str, str]]:
    """All rows of the table."""
    X, y = data(2000)
    for warm in (
        StackedAutoencoder(steps=2, pretrain_steps=2, members=2),
        StackedAutoencoder(steps=2, pretrain_steps=2, batch_size="full"),
        RandomForest(n_estimators=2),
        SupportVectorMachine(taylor_error=1.0),
    ):
        warm.fit(X, y).predict_proba(X)  # compile the kernels
    parts = (autoencoder_fit, repeats, full_batch, autoencoder_map, trees, support_vectors)
    return [line for part in parts for line in part()]


if __name__ == "__main__":
    for line in rows():
        print("{work} | {peer} | {ours} | {theirs} | {ratio} | {target}".format_map(line))
