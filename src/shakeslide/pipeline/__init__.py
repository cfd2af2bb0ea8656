"""The stages of a study, from layers to report; each reads the files of earlier stages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.io import vector
from shakeslide.pipeline.inputs import check, extract_sources, only_looking, prepare, sample
from shakeslide.pipeline.mapping import map_
from shakeslide.pipeline.models import evaluate, explain, explain_place, train, tune
from shakeslide.pipeline.reporting import provenance, report
from shakeslide.pipeline.run import Run

__all__ = [
    "STAGES",
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


STAGES = ("prepare", "sample", "train", "evaluate", "explain", "map", "report")
"""The stages of `run_all` in their order."""


def run_all(run: Run, until: str = "report") -> Path:
    """Check the layers, run the stages up to one of `STAGES`, and return the report's path."""
    if until not in STAGES:
        raise InputError(f"no stage is called '{until}'.{did_you_mean(until, STAGES)}")
    # The check, the factors and the samples read the same layers.
    with vector.remembering():
        checked = check(run)
        # Of the models the run itself tells.
        rows = [row for row in checked if row.name != "models"]
        told = [f"{row.name}: {text}" for row in rows for text in row.warnings]
        for line in told:
            run.reporter.warn(line)
        # Tells before the long work which models are left out.
        _ = run.models
        prepare(run, told)
        if until != "prepare":
            sample(run)
    after = (train, evaluate, explain, map_, partial(report, rows=checked))
    for stage in after[: max(STAGES.index(until) - 1, 0)]:
        stage(run)
    return run.out / "report.html"
