"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from shakeslide.checks.effort import Rows
from shakeslide.checks.effort import remarks as effort
from shakeslide.checks.few import needs
from shakeslide.checks.landslides import Mapped
from shakeslide.checks.missing import require_all
from shakeslide.checks.overview import (
    check_dem,
    check_evaluation,
    check_masks,
    factor_rows,
    landslide_rows,
    models_row,
    with_factors,
)
from shakeslide.checks.rasters import Reading
from shakeslide.checks.rehearsal import Asked
from shakeslide.checks.rows import LayerRow, Uses, uses

__all__ = [
    "Asked",
    "LayerRow",
    "Mapped",
    "Reading",
    "Rows",
    "Uses",
    "check_dem",
    "check_evaluation",
    "check_masks",
    "effort",
    "factor_rows",
    "landslide_rows",
    "models_row",
    "needs",
    "require_all",
    "uses",
    "with_factors",
]
