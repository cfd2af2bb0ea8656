"""Files to files: terrain factors against gdaldem, the whole of `prepare` against mere writing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.factors import stack
from shakeslide.geo import grid as grids
from shakeslide.io.geotiff import write_geotiff
from shakeslide.study import settings
from shakeslide.study.factor_settings import PAPER_FACTORS

Row = Mapping[str, str]
DATA = Path(__file__).parent.parent / "build" / "benchmark"
CORES = len(os.sched_getaffinity(0))
TERRAIN = ("SLO", "SLOA", "SC", "TPI", "RER")
GDALDEM = ("slope", "aspect", "TPI", "roughness")


def earthquake(size: int) -> Path:
    """Write the frozen synthetic earthquake, or a smaller piece of it, once; its study file."""
    folder = DATA / str(size)
    path = folder / "study.toml"
    if not path.exists():
        scenario = replace(synthetic.BENCHMARK, rows=size, cols=size)
        synthetic.write(synthetic.make(scenario), folder)
    return path


def opened(path: Path, out: Path, *overrides: str) -> pipeline.Run:
    """Open a study as the command line does."""
    loaded, document = settings.load(path, overrides=overrides)
    return pipeline.Run(loaded, document, out, Engine(CORES), Reporter(quiet=True))


def seconds(call: Callable[[], Any]) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def prepare(path: Path, out: Path, *overrides: str) -> float:
    """Return the wall time of `prepare` into a fresh folder, the reading of layers included."""
    shutil.rmtree(out, ignore_errors=True)
    return seconds(lambda: pipeline.prepare(opened(path, out, *overrides)))


def only(codes: Iterable[str]) -> list[str]:
    """Return the overrides that leave out all factors but some."""
    return [f"factors.{c}.use=false" for c in PAPER_FACTORS if c not in codes]


def terrain_row(path: Path, work: Path) -> Row:
    """Five terrain factors from a DEM file to files, against gdaldem's four."""
    dem = path.parent / "dem.tif"

    def theirs() -> None:
        for mode in GDALDEM:
            made = work / f"{mode}.tif"
            subprocess.run(["gdaldem", mode, "-q", "-compute_edges", dem, made], check=True)

    ours, peer = zip(
        *((prepare(path, work / "run", *only(TERRAIN)), seconds(theirs)) for _ in range(3)),
        strict=True,
    )
    return _row(
        "slope, aspect, curvature, TPI, relief: file to files",
        "gdaldem slope + aspect + TPI + roughness",
        min(ours),
        min(peer),
        "3",
    )


def prepare_row(path: Path, work: Path) -> tuple[Row, pipeline.Run]:
    """All 14 factors from layers to files, against writing the same files from memory."""
    prepare(path, work / "run")
    run = opened(path, work / "run")
    factors = {f.code: _values(run.out / "factors" / f"{f.code}.tif") for f in run.factors()}
    pairs = [
        (prepare(path, work / "again"), seconds(lambda: _write(run, factors, work / "memory")))
        for _ in range(3)
    ]
    ours, theirs = (min(times) for times in zip(*pairs, strict=True))
    row = _row("prepare of 14 factors, layers to files", "writing the files", ours, theirs, "0.5")
    return row, run


def _values(path: Path) -> NDArray[np.float32]:
    with rasterio.open(path) as src:
        return np.asarray(src.read(1))


def _write(run: pipeline.Run, factors: Mapping[str, NDArray[np.float32]], folder: Path) -> None:
    tiles = grids.tiles(run.grid(), run.tile())

    def one(code: str) -> None:
        values = factors[code]
        path = folder / f"{code}.tif"
        write_geotiff(path, run.grid(), tiles, lambda t: values[t.row0 : t.row1, t.col0 : t.col1])

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(one, factors))


def where_it_goes(run: pipeline.Run) -> list[tuple[str, float]]:
    """Return what `prepare` spends on one thread, in seconds: layers, each factor, files."""
    fresh = opened(DATA / str(run.grid().shape[0]) / "study.toml", run.out)
    told = [("reading and projecting the layers", seconds(lambda: fresh.factors()))]
    tiles = grids.tiles(run.grid(), run.tile())
    halo = tuple(max(f.halo[k] for f in run.factors()) for k in (0, 1))
    inputs = [stack.TileInputs(run.grid(), t, run.dem(), (halo[0], halo[1])) for t in tiles]
    told.append(
        ("reading the DEM with its surroundings", seconds(lambda: [i.elevation() for i in inputs]))
    )
    told.append(("slope, aspect and curvature", seconds(lambda: [i.derivatives for i in inputs])))
    for factor in run.factors():
        if factor.code not in ("SLO", "SLOA", "SC", "DEM"):
            told.append((factor.code, seconds(lambda f=factor: [f.compute(i) for i in inputs])))
    factors = {f.code: _values(run.out / "factors" / f"{f.code}.tif") for f in run.factors()}
    with tempfile.TemporaryDirectory() as folder:
        told.append(
            (f"14 files ({CORES} threads)", seconds(lambda: _write(run, factors, Path(folder))))
        )
    return told


def _row(work: str, peer: str, ours: float, theirs: float, target: str) -> Row:
    return {
        "work": work,
        "peer": peer,
        "ours": f"{ours:.2f} s",
        "theirs": f"{theirs:.2f} s",
        "ratio": f"{theirs / ours:.2f}",
        "target": target,
    }


def rows(size: int = 4000) -> list[Row]:
    """All rows; see `benchmarks.__main__`."""
    path = earthquake(size)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = [terrain_row(path, work)] if shutil.which("gdaldem") else []
        row, run = prepare_row(path, work)
        made.append(row)
        for what, spent in where_it_goes(run):
            made.append(
                {
                    "work": f"  of it: {what}",
                    "peer": "",
                    "ours": f"{spent:.2f} s",
                    "theirs": "",
                    "ratio": "",
                    "target": "",
                }
            )
    return made


if __name__ == "__main__":
    for line in rows():
        print("{work} | {peer} | {ours} | {theirs} | {ratio} | {target}".format_map(line))
