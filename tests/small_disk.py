"""A run on a disk of its own that is as full as a test wants, for tests of what happens then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from shakeslide.core import files
from shakeslide.io import geotiff

OF_SOURCES = "area_frequency.png"
STAGES = {
    "prepare": (("factor-*",), ("factors",)),
    "sources": (("sources",), ("sources.*", f"figures/{OF_SOURCES}")),
    "sample": (("samples",), ("samples.parquet", "class_areas.parquet")),
    "train": (("model-*",), tuple(f"models/{name}" for name in ("lr", "svm", "rf", "sae"))),
    "evaluate": (("evaluation",), ("evaluation.*", ".work/evaluate")),
    "explain": (("importance",), ("importance.json",)),
    "map": (("map-*", "applicability"), ("maps", "models/applicability")),
    "report": ((), ("report.html", "summary.pdf", "figures", "places.*", "*.qgs")),
    "rapid": (
        ("factor-*", "rapid*"),
        ("factors", "maps", "figures", "*.json", "*.html", "*.pdf", "*.qgs", "versions"),
    ),
}
"""What each stage leaves: its records, and its files."""
SAME = ("factors/*.tif", "*.parquet", "models/*/*.safetensors", "maps/*", "sources.gpkg")
"""Files whose bytes are the same however often a run was stopped."""
MORE = ("*.tif", "*.parquet", "*.json", "*.png", "*.pdf", "*.html", "*.qgs", "*.qml", "*.csv")


@dataclass(frozen=True)
class SmallDisk:
    """A disk in memory with a run on it."""

    path: Path

    @property
    def out(self) -> Path:
        """Folder of the run."""
        return self.path / "run"

    def leave(self, room: int) -> None:
        """Fill the disk but for so many bytes."""
        filler = self.path / "filler"
        filler.unlink(missing_ok=True)
        length = shutil.disk_usage(self.path).free - room
        if length > 0:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, length)

    def empty(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink(missing_ok=True)

    def forget(self, stage: str) -> int:
        """Remove what a stage has made; return the bytes that its files had."""
        records, outputs = STAGES[stage]
        paths = [p for pattern in outputs for p in self.out.glob(pattern)]
        inner = [p for path in paths for p in (path, *path.rglob("*")) if p.is_file()]
        # A figure of another stage lies among those of the report.
        inner = [p for p in inner if stage == "sources" or p.name != OF_SOURCES]
        size = sum(p.stat().st_size for p in inner)
        for path in inner:
            path.unlink()
        for pattern in records:
            for path in (self.out / ".work" / "made").glob(f"{pattern}.json"):
                path.unlink()
        return size


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[SmallDisk | None]:
    """Mount a disk in memory while the block runs; None where that is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={size}"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", path], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: datasets may be kept open.
        subprocess.run(["umount", "-l", path], check=True)


def problems(out: Path, whole: Path) -> list[str]:
    """Return which files of a run are not as they should be, compared to a run that is whole."""
    # Where a stage fails in one thread, another may still be at its file.
    end = time.monotonic() + 20
    while (found := [f"left: {p}" for p in out.rglob(f"{files.PART}*")]) and time.monotonic() < end:
        time.sleep(0.05)
    for pattern in SAME:
        for path in out.glob(pattern):
            twin = whole / path.relative_to(out)
            if twin.is_file() and path.read_bytes() != twin.read_bytes():
                found.append(f"other bytes: {path}")
    return found + [f"damaged: {p}" for pat in MORE for p in out.rglob(pat) if not _is_good(p)]


def _is_good(path: Path) -> bool:
    data = path.read_bytes()
    if not data:
        return False
    if path.suffix == ".tif":
        return geotiff.damage(path) is None
    if path.suffix == ".json":
        json.loads(data)
    if path.suffix == ".parquet":
        pd.read_parquet(path)
    if path.suffix == ".png":
        Image.open(path).load()
    ends = {".pdf": b"%%EOF", ".html": b"</html>", ".qgs": b">", ".qml": b">"}
    return data.rstrip().endswith(ends.get(path.suffix, b""))


def missing(out: Path, whole: Path) -> list[str]:
    """Return which files of a whole run a run lacks."""
    wanted = {p.relative_to(whole) for p in whole.rglob("*") if p.is_file()}
    return sorted(str(p) for p in wanted if p.parts[0] != ".work" and not (out / p).exists())
