"""Time and peak memory of the stages by size of the map: `python -m benchmarks.scaling`.

Makes synthetic earthquakes of 1,000, 2,000 and 4,000 cells along each side in build/benchmark
(where they are not there yet), runs each stage as a command of its own, and prints a table. Peak
memory is the most that the process held, as the kernel counts it. `--cluster` runs the middle size
on a dask cluster of two processes over tcp too, and compares every file's bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "scaling"
SHAKESLIDE = Path(sys.executable).with_name("shakeslide")
STAGES = {
    "prepare": ["prepare"],
    "sample": ["sample"],
    "train": ["train"],
    "map": ["map", "--set", "map.applicability=false"],
    "applicability": ["map"],
}
"""Columns of the table and their commands; the last finds the maps done."""
MODELS = ("lr", "rf", "sae")
SETTINGS = [
    f"models.use={list(MODELS)}".replace("'", '"'),
    "models.sae.steps=500",
    "models.sae.pretrain_steps=50",
]
"""A short training: how long a map takes does not depend on it."""
GIB = 1024**2
"""Kilobytes in a GiB; Linux counts peak memory in kilobytes."""


def earthquake(size: int) -> Path:
    """Return the study file of an earthquake, made where it is not there yet."""
    # In a process of its own: Linux counts to a command's peak what its parent held at the fork.
    call = f"from benchmarks.bench_files import earthquake; print(earthquake({size}))"
    done = subprocess.run([sys.executable, "-c", call], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def measured(command: Sequence[str | Path]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in GiB."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    unit = 1024 if platform.system() == "Darwin" else 1
    return time.perf_counter() - start, usage.ru_maxrss / unit / GIB


def walk(size: int, tile: str, workers: int, out: Path, *more: str) -> list[tuple[float, float]]:
    """Run all stages from nothing; return seconds and peak memory of each."""
    shutil.rmtree(out, ignore_errors=True)
    options = [o for s in (*SETTINGS, f"grid.tile={tile}") for o in ("--set", s)]
    options += ["--out", str(out), "--workers", str(workers), "--quiet", *more]
    study = earthquake(size)
    return [measured([SHAKESLIDE, how[0], study, *how[1:], *options]) for how in STAGES.values()]


def digests(out: Path) -> dict[str, str]:
    """Return a fingerprint of every raster and table of a run."""
    found = sorted([*out.rglob("*.tif"), *out.rglob("*.parquet"), *out.rglob("*.safetensors")])
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if "work" not in path.parts
    }


def on_cluster(size: int) -> None:
    """Run on a dask cluster over tcp and on threads; tell whether every byte is the same."""
    from distributed import LocalCluster

    walk(size, '"auto"', 2, OUT / "threads")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, protocol="tcp", dashboard_address=None
    ) as cluster:
        rows = walk(
            size, '"auto"', 2, OUT / "cluster", "--scheduler", str(cluster.scheduler_address)
        )
    threads, cluster_made = digests(OUT / "threads"), digests(OUT / "cluster")
    same = sum(cluster_made.get(name) == value for name, value in threads.items())
    seconds = ", ".join(f"{s} {t:.0f} s" for s, (t, _) in zip(STAGES, rows, strict=True))
    print(f"\nOn a dask cluster of 2 processes over tcp, {size:,} x {size:,} cells: {seconds}.")
    print(f"{same} of {len(threads)} files have the same bytes as with threads.", flush=True)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--tiles", nargs="+", default=["512", "2048"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cluster", action="store_true", help="compare a dask cluster's bytes")
    asked = parser.parse_args()
    print("| cells | tile | workers | " + " | ".join(f"`{s}`" for s in STAGES) + " |")
    print("| --- | --- | --- |" + " --- |" * len(STAGES), flush=True)
    for size in asked.sizes:
        for tile in (t for t in asked.tiles if int(t) <= size):
            for workers in asked.workers:
                rows = walk(size, tile, workers, OUT / str(size))
                cells = " | ".join(f"{t:.1f} s, {m:.2f} GiB" for t, m in rows)
                print(f"| {size:,}² | {tile} | {workers} | {cells} |", flush=True)
    if asked.cluster:
        on_cluster(sorted(asked.sizes)[len(asked.sizes) // 2])


if __name__ == "__main__":
    main()
