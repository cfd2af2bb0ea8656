"""Where an earthquake triggers landslides, cell by cell."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shakeslide._version import __version__

if TYPE_CHECKING:
    from shakeslide.api.factor_encoder import FactorEncoder
    from shakeslide.api.judging import evaluate
    from shakeslide.api.probability_map import predict_map, write_map
    from shakeslide.api.run_data import load_model, open_factors, samples
    from shakeslide.api.splitters import BlockKFold, LandslideKFold, RandomSplit
    from shakeslide.api.study_runs import extract_sources, make_earthquake, open_study, run
    from shakeslide.core.errors import InputError
    from shakeslide.evaluation import corrected_interval, information_gain, paired_difference
    from shakeslide.evaluation.scores import scores
    from shakeslide.models import (
        AdaBoost,
        DecisionTree,
        ExtraTrees,
        FrequencyRatio,
        GradientBoosting,
        LightGBM,
        LogisticRegression,
        MultilayerPerceptron,
        RandomForest,
        StackedAutoencoder,
        SupportVectorMachine,
    )

# Before PROJ is first used. A GeoTIFF in other units than metres has libgeotiff ask PROJ for their
# names, without its database; what PROJ then prints on stderr changes nothing and misleads.
os.environ.setdefault("PROJ_DEBUG", "0")

__all__ = [
    "AdaBoost",
    "BlockKFold",
    "DecisionTree",
    "ExtraTrees",
    "FactorEncoder",
    "FrequencyRatio",
    "GradientBoosting",
    "InputError",
    "LandslideKFold",
    "LightGBM",
    "LogisticRegression",
    "MultilayerPerceptron",
    "RandomForest",
    "RandomSplit",
    "StackedAutoencoder",
    "SupportVectorMachine",
    "__version__",
    "corrected_interval",
    "evaluate",
    "extract_sources",
    "information_gain",
    "load_model",
    "make_earthquake",
    "open_factors",
    "open_study",
    "paired_difference",
    "predict_map",
    "run",
    "samples",
    "scores",
    "write_map",
]

_HOMES = {
    "api.factor_encoder": ["FactorEncoder"],
    "api.judging": ["evaluate"],
    "api.probability_map": ["predict_map", "write_map"],
    "api.run_data": ["load_model", "open_factors", "samples"],
    "api.splitters": ["BlockKFold", "LandslideKFold", "RandomSplit"],
    "api.study_runs": ["extract_sources", "make_earthquake", "open_study", "run"],
    "core.errors": ["InputError"],
    "evaluation": ["corrected_interval", "information_gain", "paired_difference"],
    "evaluation.scores": ["scores"],
    "models": [
        "AdaBoost", "DecisionTree", "ExtraTrees", "FrequencyRatio", "GradientBoosting", "LightGBM",
        "LogisticRegression", "MultilayerPerceptron", "RandomForest", "StackedAutoencoder",
        "SupportVectorMachine",
    ],
}  # fmt: skip
"""Where the public names are made."""


def __getattr__(name: str) -> Any:
    # On first use: numpy, pandas, xarray and scikit-learn take seconds to import.
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"shakeslide.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'shakeslide' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
