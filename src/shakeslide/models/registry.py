"""The models by name, with the paper's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shakeslide.errors import InputError, did_you_mean
from shakeslide.models.autoencoder import StackedAutoencoder
from shakeslide.models.base import Model
from shakeslide.models.forest import AdaBoost, DecisionTree, GradientBoosting, RandomForest
from shakeslide.models.frequency import FrequencyRatio
from shakeslide.models.logistic import LogisticRegression
from shakeslide.models.perceptron import MultilayerPerceptron
from shakeslide.models.svm import SupportVectorMachine

_PAPER = "Remote Sens. 2021, 13, 3436"


@dataclass(frozen=True)
class ModelEntry:
    """One model that a study can name.

    Attributes
    ----------
    cls : type of Model
    description : str
        One line.
    citation : str
    params : mapping
        Constructor parameters of the paper.
    """

    cls: type[Model]
    description: str
    citation: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **params: Any) -> Model:
        """Return an unfitted model: the paper's parameters, then `params` over them.

        Raises
        ------
        InputError
            For a parameter that the model doesn't have.
        """
        known = self.cls._get_param_names()
        for name in params:
            if name not in known:
                raise InputError(
                    f"{self.cls.__name__} has no setting '{name}'.{did_you_mean(name, known)}"
                )
        return self.cls(**{**self.params, **params})


MODELS: dict[str, ModelEntry] = {
    "sae": ModelEntry(
        StackedAutoencoder,
        "stacked sparse autoencoder with softmax, pre-trained layer by layer",
        _PAPER,
        {
            "units": (110, 110, 110),
            "learning_rate": 0.8,
            "steps": 20_000,
            "pretrain_steps": 2_000,
            "batch_size": 256,
        },
    ),
    "lr": ModelEntry(LogisticRegression, "logistic regression, L2", _PAPER, {"C": 1.0}),
    "svm": ModelEntry(
        SupportVectorMachine,
        "support vector machine, Gaussian kernel, Platt's probabilities",
        f"{_PAPER}; Platt 1999",
        {"C": 1.0, "gamma": 0.001},
    ),
    "rf": ModelEntry(
        RandomForest,
        "random forest",
        f"{_PAPER}; Breiman 2001, Mach. Learn. 45:5",
        {"n_estimators": 62, "max_depth": 13},
    ),
    "fr": ModelEntry(
        FrequencyRatio, "frequency ratio", "Lee & Talib 2005, Environ. Geol. 47:982", {"bins": 10}
    ),
    "tree": ModelEntry(DecisionTree, "decision tree", "Breiman et al. 1984", {"max_depth": 13}),
    "adaboost": ModelEntry(
        AdaBoost, "adaptive boosting of stumps", "Zhu et al. 2009, Stat. Interface 2:349"
    ),
    "mlp": ModelEntry(MultilayerPerceptron, "the network of sae without pre-training", _PAPER),
    "hgb": ModelEntry(
        GradientBoosting, "gradient boosting on binned features", "Ke et al. 2017, NeurIPS 30"
    ),
}


def entry(name: str) -> ModelEntry:
    """Return the entry of a model.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    try:
        return MODELS[name]
    except (KeyError, TypeError):
        raise InputError(f"no model '{name}'.{did_you_mean(str(name), MODELS)}") from None
