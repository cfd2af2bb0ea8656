"""The bundle of models that ships with the package: `python -m benchmarks.shipped_bundle`.

Makes a suite of synthetic earthquakes one by one, samples each as a study of its own, and learns
from all of them. Only factors of the two files that a new earthquake has are used: DEM and
shaking. What is there already is not made again, so that a stopped command goes on.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from shakeslide import pipeline
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.learning.several import lessons
from shakeslide.rapid.model_choice import SHIPPED
from shakeslide.study import settings
from shakeslide.study.factor_settings import PAPER_FACTORS
from shakeslide.synthetic import Scenario, make, write
from shakeslide.synthetic.study_files import TIME, epicentre
from shakeslide.synthetic.suite import scenarios

NAME = "synthetic"
MEMBERS = ("few", "monotone", "hgb")
FACTORS = ("SLO", "SLO90", "RER250", "PGV")
SEED, COUNT, SIZE = 1, 12, 300
FEWEST = 40
"""Source cells that an earthquake must have: nobody maps one with fewer."""
STUDY = """
[study]
name = "{name}"
seed = {seed}
[event]
epicentre = [{lon}, {lat}]
magnitude = {magnitude}
time = "{time}"
[layers.dem]
path = "dem.tif"
[layers.pga]
path = "pga.tif"
[layers.pgv]
path = "pgv.tif"
[inventory]
path = "landslides.gpkg"
[inventory.sources]
path = "sources.gpkg"
[samples]
most = 8000
{idle}
[factors.SLO90]
function = "slope"
scale = 90
name = "Slope, 90 m"
[factors.RER250]
function = "relief"
window = 250
name = "Relief, 250 m"
[factors.PGA]
function = "value"
layer = "pga"
unit = "g"
name = "Peak ground acceleration"
[factors.PGV]
function = "value"
layer = "pgv"
unit = "cm/s"
name = "Peak ground velocity"
"""


def study_text(scenario: Scenario, name: str, place: tuple[float, float]) -> str:
    """Return a study of slope and shaking, whose landslides are their sources."""
    return STUDY.format(
        name=name, seed=scenario.seed % 2**31, lon=place[0], lat=place[1],
        magnitude=scenario.magnitude, time=TIME,
        idle="\n".join(f"[factors.{code}]\nuse = false" for code in PAPER_FACTORS if code != "SLO"),
    )  # fmt: skip


def sampled(folder: Path, seed: int, count: int, size: int) -> Iterator[Path]:
    """Yield the runs of a suite, each as soon as it is sampled."""
    for k, scenario in enumerate(scenarios(seed, count, size=size)):
        run = folder / f"earthquake_{k:02d}"
        few = folder / f"{run.name}.few"
        if few.is_file():
            continue
        if not (run / "samples.parquet").is_file():
            start = time.process_time()
            files = folder / f"files_{k:02d}"
            earthquake = make(scenario)
            if earthquake.failed.sum() < FEWEST:
                few.parent.mkdir(parents=True, exist_ok=True)
                few.touch()
                continue
            write(earthquake, files)
            text = study_text(scenario, run.name, epicentre(earthquake))
            (files / "study.toml").write_text(text)
            study, document = settings.load(files / "study.toml")
            pipeline.run_all(
                pipeline.Run(study, document, run, Engine(), Reporter(quiet=True)), until="sample"
            )
            shutil.rmtree(files)
            print(
                f"{run.name}: M {scenario.magnitude}, median slope {scenario.median_slope:.0f}, "
                f"PGA {earthquake.surface.pga.mean():.2f} g, {earthquake.failed.mean():.3%} fail, "
                f"{time.process_time() - start:.0f} s of CPU",
                flush=True,
            )
        yield run


def main() -> None:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs") / "suite")
    parser.add_argument("--out", type=Path, default=SHIPPED / NAME)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--events", type=int, default=COUNT)
    parser.add_argument("--size", type=int, default=SIZE)
    asked = parser.parse_args()
    runs = list(sampled(asked.work, asked.seed, asked.events, asked.size))
    lessons.learn(runs, asked.out, Engine(), Reporter(), factors=FACTORS, models=MEMBERS)
    size = sum(p.stat().st_size for p in asked.out.rglob("*") if p.is_file())
    print(f"{asked.out}: {size / 1e6:.2f} MB, {time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
