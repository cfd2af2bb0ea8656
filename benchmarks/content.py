"""Hashes of a finished run's contents: factors, samples, weights, maps and scores.

A change that must change no figure is proved by it: `python -m benchmarks.content RUN > before`,
then the same on a run of the changed code, and `diff before after`. Values count, not bytes of
files, so that tags, layouts and the times of stages may differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from safetensors.numpy import load_file


def digest(values: Any) -> str:
    """Short hash of an array's shape, type and values."""
    array = np.ascontiguousarray(values)
    head = f"{array.shape} {array.dtype}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()[:16]


def text_digest(value: Any) -> str:
    """Short hash of what JSON holds, in an order of its own."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def rasters(run: Path, folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((run / folder).glob("*.tif")):
        with rasterio.open(path) as file:
            yield f"{folder}/{path.stem}", digest(file.read())


def samples(run: Path) -> Iterator[tuple[str, str]]:
    frame = pd.read_parquet(run / "samples.parquet")
    for column in sorted(frame.columns):
        values = frame[column].to_numpy()
        exact = values.dtype.kind != "O"
        yield f"samples/{column}", digest(values) if exact else text_digest(list(map(str, values)))


def weights(run: Path) -> Iterator[tuple[str, str]]:
    for folder in sorted(path.parent for path in (run / "models").glob("*/weights.safetensors")):
        # Those that are scored, where others are mapped.
        judged = folder / "judged" / "weights.safetensors"
        path = judged if judged.exists() else folder / "weights.safetensors"
        for name, array in sorted(load_file(path).items()):
            yield f"models/{folder.name}/{name}", digest(array)


def scores(run: Path) -> Iterator[tuple[str, str]]:
    """Scores of each protocol and model; how long fits took differs by nature."""
    records = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["records"]
    kept: dict[str, list[Any]] = {}
    for record in records:
        key = f"scores/{record['protocol']}/{record['model']}"
        kept.setdefault(key, []).append({k: v for k, v in record.items() if not k.endswith("_s")})
    for key in sorted(kept):
        yield key, text_digest(kept[key])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    run = parser.parse_args().run
    for part in (rasters(run, "factors"), samples(run), weights(run), rasters(run, "maps")):
        for name, value in part:
            print(value, name)
    for name, value in scores(run):
        print(value, name)


if __name__ == "__main__":
    main()
