"""Runs all benchmarks, prints the table, and writes it into benchmarks/README.md.

Every row is a ratio: the peer's time over ours, paired in one run, so that it holds on a machine
whose speed drifts. `python -m benchmarks --dry` prints without writing.
"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import benchmarks

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin -->", "<!-- end -->"


def gemm_rate(n: int = 2048) -> float:
    """Return this machine's float32 matrix product in GFLOP/s: the yardstick of the times."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((n, n), dtype=np.float32) for _ in range(2))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * n**3 / min(times) / 1e9


def table() -> str:
    """Run every `bench_*` module and return its rows as Markdown."""
    lines = [
        "| work | peer | ours | peer's | ratio | target |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("bench_"):
            continue
        for row in importlib.import_module(f"benchmarks.{module.name}").rows():
            lines.append(
                "| {work} | {peer} | {ours} | {theirs} | {ratio} | {target} |".format_map(row)
            )
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Run, print, write."""
    rate = gemm_rate()
    text = table()
    about = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, "
        f"{len(__import__('os').sched_getaffinity(0))} cores, Python {platform.python_version()}; "
        f"float32 matrix product {rate:.0f} GFLOP/s in the same run."
    )
    if "--dry" in sys.argv:
        return
    page = README.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    README.write_text(f"{head}{BEGIN}\n{about}\n\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
