"""The stages of a study, from layers to report; each reads the files of earlier stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shakeslide.core import first_use

if TYPE_CHECKING:
    from shakeslide.pipeline.checking import check, only_looking
    from shakeslide.pipeline.inputs import extract_sources, prepare, sample
    from shakeslide.pipeline.mapping import map_
    from shakeslide.pipeline.models import evaluate, explain, explain_place, train, tune
    from shakeslide.pipeline.order import STAGES, run_all, run_stages, stage_of
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
    "run_stages",
    "sample",
    "stage_of",
    "train",
    "tune",
]

_HOMES = {
    "checking": ["check", "only_looking"],
    "inputs": ["extract_sources", "prepare", "sample"],
    "mapping": ["map_"],
    "models": ["evaluate", "explain", "explain_place", "train", "tune"],
    "reporting": ["provenance", "report"],
    "run": ["Run"],
    "order": ["STAGES", "run_all", "run_stages", "stage_of"],
}
"""Where the names are made: the names of the stages, which the command line's help shows, need no
libraries."""


__getattr__ = first_use.names(__name__, _HOMES)
