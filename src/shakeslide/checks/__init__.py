"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from shakeslide.checks.rows import POSITIVES, LayerRow, Uses, learnt_from, uses
from shakeslide.checks.study import check_dem, check_evaluation, check_layers, with_factors

__all__ = [
    "POSITIVES",
    "LayerRow",
    "Uses",
    "check_dem",
    "check_evaluation",
    "check_layers",
    "learnt_from",
    "uses",
    "with_factors",
]
