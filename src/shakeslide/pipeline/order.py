"""The stages of a study in their order, and the runs of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.io import vector
from shakeslide.pipeline import names
from shakeslide.pipeline.checking import check
from shakeslide.pipeline.inputs import extract_sources, prepare, sample
from shakeslide.pipeline.mapping import map_
from shakeslide.pipeline.models import evaluate, explain, train
from shakeslide.pipeline.reporting import report
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import Group, Of, Stage

_MADE = (prepare, sample, train, evaluate, explain, map_, report, extract_sources)


def stage_of(name: str) -> Stage[Run] | Group[Run]:
    """Return the stage of a command.

    Raises
    ------
    InputError
        No stage is called so.
    """
    for stage in _MADE:
        if stage.name == name:
            return stage
    known = [*names.STAGES, *names.BESIDE]
    raise InputError(f"no stage is called '{name}'.{did_you_mean(name, known)}")


STAGES = tuple(stage_of(name) for name in names.STAGES)
"""The stages of a run in their order."""


def run_stages(run: Of, stages: Iterable[Stage[Of] | Group[Of]]) -> Path:
    """Run stages one after the other, and return the path of the last one's result."""
    path = run.out
    for stage in stages:
        path = stage(run)
    return path


def run_all(run: Run, until: str = "report") -> Path:
    """Check the layers, run the stages up to one, and return its result's path.

    Raises
    ------
    InputError
        Wrong input, or no stage of the name `until`.
    """
    order = [stage.name for stage in STAGES]
    if until not in order:
        raise InputError(f"no stage is called '{until}'.{did_you_mean(until, order)}")
    asked = STAGES[: order.index(until) + 1]
    # The check, the factors and the samples read the same layers.
    with vector.remembering():
        _warn(run)
        run_stages(run, [stage for stage in asked if stage.reads_layers])
    return run_stages(run, [stage for stage in asked if not stage.reads_layers])


def _warn(run: Run) -> None:
    """Report what the check has to warn of, and which models are left out, before long work."""
    for row in check(run):
        # The selection itself reports what there is to say of the models.
        for text in row.warnings if row.name != "models" else ():
            run.reporter.warn(f"{row.name}: {text}")
    run.models.used()
