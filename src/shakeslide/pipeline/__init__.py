"""The stages of a study, from layers to report; each reads the files of earlier stages."""

from __future__ import annotations

from pathlib import Path

from shakeslide.pipeline.inputs import check, extract_sources, only_looking, prepare, sample
from shakeslide.pipeline.mapping import map_
from shakeslide.pipeline.models import evaluate, explain, explain_place, train, tune
from shakeslide.pipeline.reporting import provenance, report
from shakeslide.pipeline.run import Run

__all__ = [
    "Run",
    "check",
    "evaluate",
    "explain",
    "explain_place",
    "extract_sources",
    "map_",
    "only_looking",
    "prepare",
    "provenance",
    "report",
    "run_all",
    "sample",
    "train",
    "tune",
]


def run_all(run: Run) -> Path:
    """Look at the layers, walk all stages and return the report's path."""
    # Of the models the run itself tells.
    rows = [row for row in check(run) if row.name != "models"]
    told = [f"{row.name}: {text}" for row in rows for text in row.warnings]
    for line in told:
        run.reporter.warn(line)
    # Tells before the long work which models are left out.
    _ = run.models
    prepare(run, told)
    for stage in (sample, train, evaluate, explain, map_):
        stage(run)
    return report(run)
