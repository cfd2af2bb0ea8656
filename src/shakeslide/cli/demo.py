"""The built-in demonstration: a synthetic earthquake walked from raw layers to the report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from shakeslide import pipeline, synthetic
from shakeslide._version import __version__
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Reporter
from shakeslide.results import evaluation_document
from shakeslide.results.ledger import Ledger
from shakeslide.study import settings

SMALLEST = 200
"""Cells along a side of the smallest area whose held-out blocks all have landslides around them."""
APART = 400_000.0
"""Metres between the places of earthquakes of consecutive seeds."""


def run(
    out: Path,
    size: int = 1000,
    seed: int = 1,
    workers: int | None = None,
    quiet: bool = False,
    only_data: bool = False,
) -> Iterator[str]:
    """Make the earthquake in `out/data`, run its study in `out/run`, and say what came of it.

    Parameters
    ----------
    out : Path
        Folder to make.
    size : int
        Cells along each side of the square area.
    seed : int
        Of the earthquake.
    workers : int, optional
        Threads; default: all processors.
    quiet : bool
        Show no progress.
    only_data : bool
        Make the earthquake and stop.

    Raises
    ------
    InputError
        The area is too small to be walked to the report.
    """
    if size < SMALLEST and not only_data:
        raise InputError(
            f"--size {size}: give {SMALLEST} or more, or add --only-data to make only the "
            "layers; on a smaller map some blocks leave no landslides for training"
        )
    reporter = Reporter(quiet)
    data = out / "data"
    path = _earthquake(scenario(size, seed), data, Engine(workers).threads, reporter)
    if only_data:
        yield f"Study: {path.resolve()}"
        return
    loaded, document = settings.load(path)
    run = pipeline.Run(loaded, document, out / "run", Engine(workers), reporter)
    with run.ledger.locked():
        report = pipeline.run_all(run)
    yield from scores(out / "run")
    yield f"Report: {report.resolve()}"


def _earthquake(wanted: synthetic.Scenario, folder: Path, workers: int, reporter: Reporter) -> Path:
    """Make the files of the earthquake where they are missing or changed, and print why.

    A study file that was changed since is kept: users experiment with it.
    """
    ledger = Ledger(folder, reporter.say)
    mark, study_file = fingerprint(asdict(wanted), __version__), folder / "study.toml"
    with ledger.locked():
        why = ledger.why_stale("earthquake", mark)
        if why is None and study_file.is_file():
            reporter.say(f"The synthetic earthquake in {folder} is up to date")
            return study_file
        size = f"{wanted.rows} x {wanted.cols}"
        why = why or f"lacks {study_file.name}"
        reporter.say(f"Making a synthetic earthquake of {size} cells in {folder} (it {why}) ...")
        start = time.perf_counter()
        synthetic.create(wanted, folder, workers=workers, reporter=reporter)
        taken = time.perf_counter() - start
        # Not recorded, so that a changed study file is not taken for damage.
        layers = [path for path in synthetic.written(folder) if path != study_file]
        ledger.record("earthquake", mark, layers, taken)
    return study_file


def scenario(size: int, seed: int) -> synthetic.Scenario:
    """Settings of an earthquake on a square of `size` cells a side.

    Beyond 4,000 cells the earthquake stays as it is: as much ground fails on a larger map.
    Earthquakes of five consecutive seeds lie at different places.
    """
    share = 0.04 * min(1.0, 4000 / size) ** 2
    east, north = synthetic.Scenario.centre
    place = (east, north + APART * ((seed - 1) % 5))
    return synthetic.Scenario(seed=seed, rows=size, cols=size, prevalence=share, centre=place)


def scores(out: Path) -> Iterator[str]:
    """Yield the scores of a run as a small table."""
    evaluation = evaluation_document.load(out)
    yield f"{'protocol':<10} {'model':<6} {'OA':>15} {'ROC-AUC':>15}"
    for row in evaluation.summary:
        oa, auc = _number(row.oa.mean, row.oa.sd), _number(row.roc_auc.mean, row.roc_auc.sd)
        yield f"{row.protocol:<10} {row.model:<6} {oa:>15} {auc:>15}"
    if evaluation.truth is not None:
        best = evaluation.truth.scores
        yield f"{'best possible':<17} {_number(best.oa):>15} {_number(best.roc_auc):>15}"


def _number(mean: float | None, sd: float | None = None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.3f}" + ("" if sd is None else f" ± {sd:.3f}")
