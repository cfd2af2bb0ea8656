"""Settings of the models in the study file: each model's own, and which are used."""

# ruff: noqa: RUF012 - pydantic gives each model its own copy of a default.
from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    model_validator,
)

from shakeslide import extensions
from shakeslide.errors import did_you_mean, shortened
from shakeslide.schema import Once, Positive, Settings


class ModelSettings(Settings):
    """What every model has."""

    angles: Literal["raw", "sincos"] | None = None
    """Angles as they are, or as sine and cosine (lines: of the doubled angle)."""


class NetworkSettings(ModelSettings):
    """What the networks have."""

    units: list[Annotated[int, Field(ge=1)]] | None = None
    """Hidden units per layer; their number is the depth."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Weight of the L2 penalty (lambda)."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Steps of (fine-)tuning."""
    learning_rate: Positive | None = None
    """Step size."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] | None = None
    """Rows per step."""
    optimiser: Literal["sgd", "adamw"] | None = None
    """Gradient descent as in the paper, or AdamW."""
    schedule: Literal["constant", "one_cycle"] | None = None
    """How the step size changes."""
    init: Literal["xavier", "glorot4", "normal"] | None = None
    """How the initial weights are drawn."""
    early_stopping: bool | None = None
    """Stop on a validation part of the training rows."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """That part."""


class SaeSettings(NetworkSettings):
    """Stacked sparse autoencoder."""

    settings: Literal["paper", "modern"] = "paper"
    """Where the other settings start from: the paper's, which are the defaults told here, or
    present-day ones (angles as sine and cosine, AdamW on one cycle, early stopping)."""
    rho: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Target mean activation of the hidden units."""
    beta: Annotated[float, Field(ge=0)] | None = None
    """Weight of the sparsity penalty."""
    loss_reduction: Literal["sum", "mean"] | None = None
    """Reconstruction error as a sum or a mean over features."""
    pretrain_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps of the unsupervised training of each layer."""
    pretrain_learning_rate: Positive | None = None
    """Step size of the unsupervised training; default: learning_rate."""
    head: Literal["softmax", "naive_bayes", "svm"] | None = None
    """Classifier on top."""
    members: Annotated[int, Field(ge=1)] | None = None
    """Networks trained side by side and averaged."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Of predictions."""


class MlpSettings(NetworkSettings):
    """The network of `sae` without pre-training."""


class LrSettings(ModelSettings):
    """Logistic regression."""

    C: Positive | None = None
    """Inverse strength of the L2 penalty."""


class SvmSettings(ModelSettings):
    """Support vector machine with an RBF kernel."""

    C: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Penalty."""
    gamma: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Kernel coefficient."""


class TreeSettings(ModelSettings):
    """Decision tree."""

    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Greatest depth."""
    min_samples_leaf: Annotated[int, Field(ge=1)] | None = None
    """Fewest rows in a leaf."""


class RfSettings(TreeSettings):
    """Random forest."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Trees."""
    engine: Literal["sklearn", "intelex"] | None = None
    """What grows the trees: `intelex` is scikit-learn-intelex, where installed, which is several
    times as fast and draws other random numbers."""


class AdaboostSettings(ModelSettings):
    """AdaBoost."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Trees."""
    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Greatest depth of each."""
    learning_rate: Positive | None = None
    """Weight of each tree."""


class HgbSettings(ModelSettings):
    """Gradient boosting on binned features."""

    max_iter: Annotated[int, Field(ge=1)] | None = None
    """Trees."""
    learning_rate: Positive | None = None
    """Weight of each tree."""
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    """Most leaves of a tree."""
    min_samples_leaf: Annotated[int, Field(ge=1)] | None = None
    """Fewest rows in a leaf."""
    l2_regularization: Annotated[float, Field(ge=0)] | None = None
    """L2 penalty on the leaves."""


class FrSettings(ModelSettings):
    """Frequency ratio model: sum of the factors' ratios."""

    bins: Annotated[int, Field(ge=2)] | None = None
    """Classes of equal frequency of each continuous factor."""


class Rating(Settings):
    """Ratings of a factor's classes, from 0 to 1."""

    limits: list[float] | None = None
    """Limits between the classes of a factor of numbers, rising."""
    values: list[Annotated[float, Field(ge=0, le=1)]] | None = None
    """Rating below the first limit, between the limits, above the last: one more than limits."""
    classes: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    """Rating by name of the class, of a factor of classes."""


class AhpSettings(Settings):
    """Analytic hierarchy process: weights from comparisons of the factors in pairs; factors that
    no comparison names have no part."""

    comparisons: dict[str, Positive] | None = None
    """How many times the first factor of each pair is as important as the second, from 1/9 to 9:
    "SLO/DR" = 3. Every pair once."""
    ratings: dict[str, Rating] | None = None
    """Ratings of classes by factor, as [models.ahp.ratings.SLO] limits = [15, 30] values =
    [0.1, 0.5, 1]; default: frequency ratios of the training rows over the factor's largest."""
    bins: Annotated[int, Field(ge=2)] | None = None
    """Classes of equal frequency of each factor of numbers without ratings."""


class Strength(Settings):
    """Strength of a class of lithology."""

    c: Annotated[float, Field(ge=0)]
    """Cohesion in kPa."""
    phi: Annotated[float, Field(ge=0, lt=90)]
    """Angle of internal friction in degrees."""
    gamma: Positive
    """Unit weight in kN/m³."""


class NewmarkSettings(Settings):
    """Newmark displacement of an infinite slope; its probability never exceeds 0.335, so compare
    it by AUC, or ask for a calibration."""

    strength: dict[str, Strength] | None = None
    """Strength by class of lithology: [models.newmark.strength.<class>] c, phi, gamma."""
    t: Positive | None = None
    """Thickness of the slab that slides, at right angles to the slope, in m."""
    m: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of it that is saturated."""
    form: Literal["jibson2007", "jibson2007_magnitude", "jibson2000"] | None = None
    """Displacement from PGA, from PGA and magnitude, or from Arias intensity."""
    magnitude: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Moment magnitude; default: the event's."""
    slope: str | None = None
    """Code of the factor with the slope."""
    pga: str | None = None
    """Code of the factor with the peak ground acceleration."""
    arias: str | None = None
    """Code of the factor with the Arias intensity in m/s."""
    lithology: str | None = None
    """Code of the factor with the lithology."""


class Jessee2018Settings(Settings):
    """Global model of Nowicki Jessee et al. (2018); nothing is trained."""

    output: Literal["probability", "coverage"] | None = None
    """Probability, or the share of the area that landslides cover."""
    lithology_classes: dict[str, str] | None = None
    """The study's classes to GLiM's two letters, where they are named otherwise."""
    land_cover_classes: dict[str, int] | None = None
    """The study's classes to GlobCover's codes, where they are named otherwise."""
    pgv: str | None = None
    """Code of the factor with the peak ground velocity."""
    slope: str | None = None
    """Code of the factor with the slope."""
    cti: str | None = None
    """Code of the factor with the topographic wetness."""
    lithology: str | None = None
    """Code of the factor with the lithology."""
    land_cover: str | None = None
    """Code of the factor with the land cover."""


class Jessee2022Settings(Jessee2018Settings):
    """The same as revised by Allstadt et al. (2022)."""

    pga: str | None = None
    """Code of the factor with the peak ground acceleration."""


class OwnModelSettings(ModelSettings):
    """An estimator that an installed package brings; its other keys are the estimator's."""

    model_config = ConfigDict(extra="allow")


MODEL_GROUP = "shakeslide.models"
"""Entry points by which packages bring estimators."""
BuiltInModel = Literal[
    "sae", "lr", "svm", "rf", "fr", "tree", "adaboost", "mlp", "hgb", "ahp", "newmark",
    "jessee2018", "jessee2022",
]  # fmt: skip


def _known_model(name: str) -> str:
    ours = typing.get_args(BuiltInModel)
    if name not in ours and name not in (brought := extensions.names(MODEL_GROUP)):
        known = [*ours, *brought]
        raise ValueError(f"no model '{shortened(name)}'; known: {', '.join(map(repr, known))}")
    return name


ModelName = Annotated[str, AfterValidator(_known_model)]


class Models(Settings):
    """Which models, and what differs from the preset's settings."""

    model_config = ConfigDict(extra="allow")

    use: Annotated[list[ModelName], Field(min_length=1), Once] = ["lr", "svm", "rf", "sae"]
    """Models to train, evaluate and map: sae, lr, svm, rf, fr, tree, adaboost, mlp, hgb, ahp,
    newmark, jessee2018, jessee2022, or the name of an estimator that an installed package brings.
    The last four of ours need factors or settings of their own, and are left out with a line where
    these are missing."""
    calibration: Literal["none", "platt", "isotonic"] = "none"
    """Make the probabilities mean what they say: fitted on three parts of the training rows, by
    landslide, that the model had not seen (so training takes four times as long). `isotonic` takes
    any rising shape and needs a thousand source cells, `platt` a hundred."""
    sae: SaeSettings = SaeSettings()
    lr: LrSettings = LrSettings()
    svm: SvmSettings = SvmSettings()
    rf: RfSettings = RfSettings()
    fr: FrSettings = FrSettings()
    tree: TreeSettings = TreeSettings()
    adaboost: AdaboostSettings = AdaboostSettings()
    mlp: MlpSettings = MlpSettings()
    hgb: HgbSettings = HgbSettings()
    ahp: AhpSettings = AhpSettings()
    newmark: NewmarkSettings = NewmarkSettings()
    jessee2018: Jessee2018Settings = Jessee2018Settings()
    jessee2022: Jessee2022Settings = Jessee2022Settings()

    @model_validator(mode="before")
    @classmethod
    def _packages_tables(cls, data: Any) -> Any:
        """Read the tables of packages' estimators; any other key that is not ours is unknown."""
        if not isinstance(data, Mapping):
            return data
        foreign = [key for key in data if key not in cls.model_fields]
        own = extensions.names(MODEL_GROUP) if foreign else []
        for key in foreign:
            if key not in own:
                near = did_you_mean(str(key), [*cls.model_fields, *own])
                raise ValueError(f"unknown key '{shortened(key)}'.{near}")
        return {
            k: v if k in cls.model_fields else OwnModelSettings.model_validate(v)
            for k, v in data.items()
        }

    def settings_of(self, name: str) -> Settings:
        """Return the table of a model."""
        found: Settings = getattr(self, name, None) or OwnModelSettings()
        return found
