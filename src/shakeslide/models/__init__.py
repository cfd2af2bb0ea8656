"""Landslide models: scikit-learn estimators on feature matrices, stored as plain arrays."""

from shakeslide.models.autoencoder import StackedAutoencoder, fit_members
from shakeslide.models.base import Model
from shakeslide.models.chunks import predict_in_chunks
from shakeslide.models.forest import AdaBoost, DecisionTree, GradientBoosting, RandomForest
from shakeslide.models.frequency import FrequencyRatio
from shakeslide.models.hierarchy import AnalyticHierarchy
from shakeslide.models.jessee import Jessee2018, Jessee2022
from shakeslide.models.logistic import LogisticRegression
from shakeslide.models.newmark import Newmark
from shakeslide.models.onnx_export import write_onnx
from shakeslide.models.own import OwnModel
from shakeslide.models.perceptron import MultilayerPerceptron
from shakeslide.models.raw import RawModel
from shakeslide.models.registry import MODELS, ModelEntry, entry
from shakeslide.models.storage import dump, read, restore, write
from shakeslide.models.svm import SupportVectorMachine

__all__ = [
    "MODELS",
    "AdaBoost",
    "AnalyticHierarchy",
    "DecisionTree",
    "FrequencyRatio",
    "GradientBoosting",
    "Jessee2018",
    "Jessee2022",
    "LogisticRegression",
    "Model",
    "ModelEntry",
    "MultilayerPerceptron",
    "Newmark",
    "OwnModel",
    "RandomForest",
    "RawModel",
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
