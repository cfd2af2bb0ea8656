"""Time and memory of reading a catalogue: `python -m benchmarks.many_points --rows 3000000`."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from odc.geo.crs import CRS

from shakeslide.factors.aftershocks import COLUMNS
from shakeslide.io import vector

GIB = 1024**2
"""Kilobytes in a GiB; Linux counts peak memory in kilobytes."""


def catalogue(path: Path, rows: int) -> None:
    """Write a catalogue of earthquakes as a table, part by part."""
    rng, start = np.random.default_rng(1), pd.Timestamp("2005-10-08T04:00:00")
    for first in range(0, rows, 100_000):
        count = min(100_000, rows - first)
        seconds = pd.to_timedelta(rng.uniform(0, 3e7, count).round(3), unit="s")
        table = pd.DataFrame(
            {
                "time": (start + seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "latitude": rng.normal(34.4, 0.3, count).round(4),
                "longitude": rng.normal(73.6, 0.3, count).round(4),
                "mag": rng.exponential(0.5, count).round(1),
                "place": "a text that no factor reads",
            }
        )
        table.to_csv(path, mode="a", header=first == 0, index=False)


def main() -> None:
    """Make, read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.csv"
        catalogue(path, rows)
        source = vector.VectorSource(path, crs="EPSG:4326", x="longitude", y="latitude")
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        features = vector.read(source, CRS("EPSG:32643"), "point", COLUMNS)
        taken = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(features):,} points of {path.name}: {taken:.1f} s of CPU, peak {peak / GIB:.2f} GiB "
        f"({before / GIB:.2f} GiB before)"
    )


if __name__ == "__main__":
    main()
