"""All factors of all groups on a synthetic earthquake: `python -m benchmarks.factor_scales`.

Prints the number of cells and factors, the CPU time, the time on the clock and the peak memory of
`shakeslide prepare` with `[factors] groups` at their default scales. `--size 4000` are 16 million
cells.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "shakeslide"]
GROUPS = 'factors.groups=["terrain", "hydrology", "shaking", "classes"]'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="rows and columns")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for the data; default: temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(options.size, options.workers, options.work or Path(temporary))


def measure(size: int, workers: int, work: Path) -> None:
    """Make the data, unless they are there, and time the factors."""
    data = work / f"data{size}"
    if not data.exists():
        made = ["demo", "--out", data, "--only-data", "--size", str(size)]
        subprocess.run([*COMMAND, *made], check=True)
    study, out = next(data.rglob("study.toml")), work / f"run{size}"
    command = ["prepare", study, "--out", out, "--workers", str(workers)]
    started = time.monotonic()
    child = subprocess.Popen([*COMMAND, *command, "--set", GROUPS])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    report(used, len(list((out / "factors").glob("*.tif"))), size, time.monotonic() - started)


def report(used: resource.struct_rusage, count: int, size: int, clock: float) -> None:
    cpu = used.ru_utime + used.ru_stime
    print(
        f"{size * size / 1e6:.1f} million cells, {count} factors: {cpu:.0f} s CPU, {clock:.0f} s "
        f"on the clock, peak memory {used.ru_maxrss / 1e6:.2f} GB; "
        f"{1e9 * cpu / (count * size * size):.0f} ns per factor and cell"
    )


if __name__ == "__main__":
    main()
