"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from shakeslide.checks.few import needs
from shakeslide.checks.missing import require_all
from shakeslide.checks.rows import POSITIVES, LayerRow, Uses, learnt_from, uses
from shakeslide.checks.study import (
    check_dem,
    check_evaluation,
    check_layers,
    models_row,
    with_factors,
)

__all__ = [
    "POSITIVES",
    "LayerRow",
    "Uses",
    "check_dem",
    "check_evaluation",
    "check_layers",
    "learnt_from",
    "models_row",
    "needs",
    "require_all",
    "uses",
    "with_factors",
]
