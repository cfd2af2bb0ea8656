"""Landslide models: scikit-learn estimators on feature matrices, stored as plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shakeslide.core import first_use

if TYPE_CHECKING:
    from shakeslide.models.base import Model
    from shakeslide.models.blend import ModelBlend
    from shakeslide.models.chunks import predict_in_chunks
    from shakeslide.models.formulas.hierarchy import AnalyticHierarchy
    from shakeslide.models.formulas.jessee import Jessee2018, Jessee2022
    from shakeslide.models.formulas.kritikos import Kritikos2015
    from shakeslide.models.formulas.newmark import Newmark
    from shakeslide.models.formulas.raw import RawModel
    from shakeslide.models.formulas.slope_shaking import SlopePGA, SlopePGV
    from shakeslide.models.frequency_ratio import FrequencyRatio
    from shakeslide.models.kernel_machines.svm import SupportVectorMachine
    from shakeslide.models.logistic import LogisticRegression
    from shakeslide.models.own import OwnModel
    from shakeslide.models.perceptron import MultilayerPerceptron
    from shakeslide.models.registry import MODELS, ModelEntry, entry
    from shakeslide.models.sae.autoencoder import StackedAutoencoder, fit_members
    from shakeslide.models.sae.onnx_export import write_onnx
    from shakeslide.models.storage import dump, read, restore, write
    from shakeslide.models.tree_models.forest import (
        AdaBoost,
        DecisionTree,
        ExtraTrees,
        GradientBoosting,
        RandomForest,
    )
    from shakeslide.models.tree_models.light_boosting import LightGBM

__all__ = [
    "MODELS",
    "AdaBoost",
    "AnalyticHierarchy",
    "DecisionTree",
    "ExtraTrees",
    "FrequencyRatio",
    "GradientBoosting",
    "Jessee2018",
    "Jessee2022",
    "Kritikos2015",
    "LightGBM",
    "LogisticRegression",
    "Model",
    "ModelBlend",
    "ModelEntry",
    "MultilayerPerceptron",
    "Newmark",
    "OwnModel",
    "RandomForest",
    "RawModel",
    "SlopePGA",
    "SlopePGV",
    "StackedAutoencoder",
    "SupportVectorMachine",
    "dump",
    "entry",
    "fit_members",
    "predict_in_chunks",
    "read",
    "restore",
    "write",
    "write_onnx",
]

_HOMES = {
    "base": ["Model"],
    "blend": ["ModelBlend"],
    "chunks": ["predict_in_chunks"],
    "formulas.hierarchy": ["AnalyticHierarchy"],
    "formulas.jessee": ["Jessee2018", "Jessee2022"],
    "formulas.kritikos": ["Kritikos2015"],
    "formulas.newmark": ["Newmark"],
    "formulas.raw": ["RawModel"],
    "formulas.slope_shaking": ["SlopePGA", "SlopePGV"],
    "frequency_ratio": ["FrequencyRatio"],
    "kernel_machines.svm": ["SupportVectorMachine"],
    "logistic": ["LogisticRegression"],
    "own": ["OwnModel"],
    "perceptron": ["MultilayerPerceptron"],
    "registry": ["MODELS", "ModelEntry", "entry"],
    "sae.autoencoder": ["StackedAutoencoder", "fit_members"],
    "sae.onnx_export": ["write_onnx"],
    "storage": ["dump", "read", "restore", "write"],
    "tree_models.forest": [
        "AdaBoost",
        "DecisionTree",
        "ExtraTrees",
        "GradientBoosting",
        "RandomForest",
    ],
    "tree_models.light_boosting": ["LightGBM"],
}
"""Where the names are made."""

__getattr__ = first_use.names(__name__, _HOMES)
