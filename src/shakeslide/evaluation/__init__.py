"""Evaluation of probabilities: protocols, scores and confidence intervals, from arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shakeslide.core import first_use

if TYPE_CHECKING:
    from shakeslide.evaluation.applicability import Applicability, fit_applicability
    from shakeslide.evaluation.audit import Consistency, common_prevalence, consistency, optimism
    from shakeslide.evaluation.blocks import BlockSize, block_id, suggest_size
    from shakeslide.evaluation.calibration import (
        Calibration,
        Isotonic,
        Platt,
        correct_prior,
        fit_isotonic,
        fit_platt,
    )
    from shakeslide.evaluation.collinearity import Collinearity, correlations
    from shakeslide.evaluation.curves import (
        Reliability,
        captured,
        class_weights,
        precision_recall,
        reliability,
        roc,
        roc_on_grid,
        success_rate,
    )
    from shakeslide.evaluation.importance import (
        Attribution,
        Importance,
        attribution,
        correlated_groups,
        information_gain,
        partial_dependence,
        permutation_importance,
    )
    from shakeslide.evaluation.intervals import (
        Difference,
        Interval,
        bootstrap,
        bootstrap_difference,
        corrected_interval,
        paired_difference,
    )
    from shakeslide.evaluation.scores import MEASURES, rates
    from shakeslide.evaluation.splits import Split, balanced_folds, hold_out, landslide_groups
    from shakeslide.evaluation.tallies import Tally, tally
    from shakeslide.evaluation.variogram import Variogram

__all__ = [
    "MEASURES",
    "Applicability",
    "Attribution",
    "BlockSize",
    "Calibration",
    "Collinearity",
    "Consistency",
    "Difference",
    "Importance",
    "Interval",
    "Isotonic",
    "Platt",
    "Reliability",
    "Split",
    "Tally",
    "Variogram",
    "attribution",
    "balanced_folds",
    "block_id",
    "bootstrap",
    "bootstrap_difference",
    "captured",
    "class_weights",
    "common_prevalence",
    "consistency",
    "correct_prior",
    "corrected_interval",
    "correlated_groups",
    "correlations",
    "fit_applicability",
    "fit_isotonic",
    "fit_platt",
    "hold_out",
    "information_gain",
    "landslide_groups",
    "optimism",
    "paired_difference",
    "partial_dependence",
    "permutation_importance",
    "precision_recall",
    "rates",
    "reliability",
    "roc",
    "roc_on_grid",
    "success_rate",
    "suggest_size",
    "tally",
]

_HOMES = {
    "applicability": ["Applicability", "fit_applicability"],
    "audit": ["Consistency", "common_prevalence", "consistency", "optimism"],
    "blocks": ["BlockSize", "block_id", "suggest_size"],
    "calibration": [
        "Calibration",
        "Isotonic",
        "Platt",
        "correct_prior",
        "fit_isotonic",
        "fit_platt",
    ],
    "collinearity": ["Collinearity", "correlations"],
    "curves": [
        "Reliability",
        "captured",
        "class_weights",
        "precision_recall",
        "reliability",
        "roc",
        "roc_on_grid",
        "success_rate",
    ],
    "importance": [
        "Attribution",
        "Importance",
        "attribution",
        "correlated_groups",
        "information_gain",
        "partial_dependence",
        "permutation_importance",
    ],
    "intervals": [
        "Difference",
        "Interval",
        "bootstrap",
        "bootstrap_difference",
        "corrected_interval",
        "paired_difference",
    ],
    "scores": ["MEASURES", "rates"],
    "splits": ["Split", "balanced_folds", "hold_out", "landslide_groups"],
    "tallies": ["Tally", "tally"],
    "variogram": ["Variogram"],
}
"""Where the names are made."""

__getattr__ = first_use.names(__name__, _HOMES)
