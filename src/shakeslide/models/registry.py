"""The models by name, with the paper's settings; their classes are loaded when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

from shakeslide.core import extensions
from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.models.sae.modern import WHOLE

if TYPE_CHECKING:
    from shakeslide.models.base import Model, ModelParameter

GROUP = "shakeslide.models"
"""Entry points by which packages bring estimators."""
_PAPER = "Remote Sens. 2021, 13, 3436"


@dataclass(frozen=True)
class Variant:
    """Other defaults of a model, which a study chooses by `settings` in the model's table.

    Attributes
    ----------
    params : mapping
        Constructor parameters.
    angles : {"raw", "sincos"}
        How angles are given to it.
    scaling : {"percentile", "normal"}
        How numbers and classes are given to it.
    """

    params: Mapping[str, ModelParameter]
    angles: Literal["raw", "sincos"]
    scaling: Literal["percentile", "normal"]


@dataclass(frozen=True)
class ModelEntry:
    """One model that a study can name.

    Attributes
    ----------
    home : str
        Module within `shakeslide.models` and name of the class.
    description : str
        One line.
    citation : str
    params : mapping
        Constructor parameters of the paper.
    static : bool
        Whether nothing is learnt from labels: a published formula.
    own : str
        Entry point of a package's estimator; empty for the models of this package.
    of_event : tuple of str
        Parameters that the event gives by the same name where the study does not.
    variants : mapping of str to Variant
        Other defaults, by their name.
    package : str
        Optional library that fits it, which the extra of the same name installs.
    raw : bool
        Whether the model takes raw factors, not encoded ones.
    """

    home: str
    description: str
    citation: str = ""
    params: Mapping[str, ModelParameter] = field(default_factory=dict)
    static: bool = False
    own: str = ""
    of_event: tuple[str, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=dict)
    package: str = ""
    raw: bool = False

    @cached_property
    def cls(self) -> type[Any]:
        """The class, imported on first use."""
        module, _, name = self.home.partition(":")
        return cast("type[Any]", getattr(import_module(f"shakeslide.models.{module}"), name))

    def make(self, **params: ModelParameter) -> Model:
        """Return an unfitted model: the paper's parameters, then `params` over them.

        Raises
        ------
        InputError
            For a parameter that the model doesn't have.
        """
        if self.own:
            return cast("Model", self.cls(self.own, params))
        known = self.cls._get_param_names()
        for name in params:
            if name not in known:
                raise InputError(
                    f"{self.cls.__name__} has no setting '{name}'.{did_you_mean(name, known)}"
                )
        return cast("Model", self.cls(**{**self.params, **params}))


MODELS: dict[str, ModelEntry] = {
    "sae": ModelEntry(
        "sae.autoencoder:StackedAutoencoder",
        "stacked sparse autoencoder with softmax, pre-trained layer by layer",
        _PAPER,
        {
            "units": (110, 110, 110),
            "learning_rate": 0.8,
            "steps": 20_000,
            "pretrain_steps": 2_000,
            "batch_size": 256,
        },
        variants={"modern": Variant(WHOLE, "sincos", "normal")},
    ),
    "lr": ModelEntry("logistic:LogisticRegression", "logistic regression, L2", _PAPER, {"C": 1.0}),
    "svm": ModelEntry(
        "kernel_machines.svm:SupportVectorMachine",
        "support vector machine, Gaussian kernel, Platt's probabilities",
        f"{_PAPER}; Platt 1999",
        {"C": 1.0, "gamma": 0.001},
    ),
    "rf": ModelEntry(
        "tree_models.forest:RandomForest",
        "random forest",
        f"{_PAPER}; Breiman 2001, Mach. Learn. 45:5",
        {"n_estimators": 62, "max_depth": 13},
    ),
    "fr": ModelEntry(
        "frequency_ratio:FrequencyRatio",
        "frequency ratio",
        "Lee & Talib 2005, Environ. Geol. 47:982",
        {"bins": 10},
    ),
    "tree": ModelEntry(
        "tree_models.forest:DecisionTree", "decision tree", "Breiman et al. 1984", {"max_depth": 13}
    ),
    "adaboost": ModelEntry(
        "tree_models.forest:AdaBoost",
        "adaptive boosting of stumps",
        "Zhu et al. 2009, Stat. Interface 2:349",
    ),
    "mlp": ModelEntry(
        "perceptron:MultilayerPerceptron", "the network of sae without pre-training", _PAPER
    ),
    "hgb": ModelEntry(
        "tree_models.forest:GradientBoosting",
        "gradient boosting on binned features",
        "Ke et al. 2017, NeurIPS 30",
    ),
    "et": ModelEntry(
        "tree_models.forest:ExtraTrees",
        "extremely randomised trees",
        "Geurts et al. 2006, Mach. Learn. 63:3",
    ),
    "lgbm": ModelEntry(
        "tree_models.light_boosting:LightGBM",
        "gradient boosting by LightGBM, with random thresholds",
        "Ke et al. 2017, NeurIPS 30",
        package="lightgbm",
    ),
    "best": ModelEntry(
        "blend:ModelBlend",
        "weighted mean of the log-odds of other models, with weights chosen on held-out ground",
        "Breiman 1996, Mach. Learn. 24:49",
    ),
    "few": ModelEntry(
        "formulas.few_terms:FewTerms",
        "logistic regression on sin(slope), ln shaking and their product, rising with both",
        raw=True,
    ),
    "ahp": ModelEntry(
        "formulas.hierarchy:AnalyticHierarchy",
        "analytic hierarchy process: weights from comparisons of factors in pairs",
        "Saaty 1980, The Analytic Hierarchy Process",
        raw=True,
    ),
    "newmark": ModelEntry(
        "formulas.newmark:Newmark",
        "Newmark displacement of an infinite slope",
        "Jibson 2007, Eng. Geol. 91:209; Jibson et al. 2000, Eng. Geol. 58:271",
        static=True,
        of_event=("magnitude",),
        raw=True,
    ),
    "jessee2018": ModelEntry(
        "formulas.jessee:Jessee2018",
        "global logistic model",
        "Nowicki Jessee et al. 2018, JGR Earth Surf. 123:1835",
        static=True,
        raw=True,
    ),
    "jessee2022": ModelEntry(
        "formulas.jessee:Jessee2022",
        "global logistic model, revised",
        "Allstadt et al. 2022, Earthq. Spectra 38:5",
        static=True,
        raw=True,
    ),
    "kritikos2015": ModelEntry(
        "formulas.kritikos:Kritikos2015",
        "fuzzy overlay of intensity, slope, distance to faults and position on the slope",
        "Kritikos et al. 2015, JGR Earth Surf. 120:711",
        static=True,
        raw=True,
    ),
    "slope_pga": ModelEntry(
        "formulas.slope_shaking:SlopePGA", "rank by tan(slope) times PGA", "", static=True, raw=True
    ),
    "slope_pgv": ModelEntry(
        "formulas.slope_shaking:SlopePGV", "rank by tan(slope) times PGV", "", static=True, raw=True
    ),
}
"""The models by the name that a study uses."""


def entry(name: str) -> ModelEntry:
    """Return the entry of a model: ours, or an estimator that an installed package brings.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    if isinstance(name, str):
        if name in MODELS:
            return MODELS[name]
        if name in extensions.names(GROUP):
            brought = f"estimator of the package {extensions.package(GROUP, name)}"
            return ModelEntry("own:OwnModel", brought, "", own=name)
    known = [*MODELS, *extensions.names(GROUP)]
    raise InputError(f"no model '{name}'.{did_you_mean(str(name), known)}")
