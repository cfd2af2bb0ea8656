"""Settings of the models in the study file: those of each model, and which models are used."""

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

from shakeslide.core import extensions
from shakeslide.core.errors import did_you_mean, shortened
from shakeslide.study.schema import Default, Once, Positive, Settings

Distances = Annotated[
    list[Annotated[float, Field(ge=0, le=100_000)]], Field(min_length=1, max_length=20)
]
Member = Literal["sae", "lr", "svm", "rf", "tree", "adaboost", "mlp", "hgb", "et", "lgbm"]
"""Models that `best` can blend."""


class ModelSettings(Settings):
    """Settings of every model."""

    angles: Literal["raw", "sincos"] | None = None
    """How angles are encoded: raw, or as sine and cosine (of the doubled angle for lines)."""
    scaling: Literal["percentile", "normal"] | None = None
    """How numbers and classes are scaled. `percentile`: from the 0.5 and 99.5 percentiles of the
    training rows to 0 and 1; classes are frequency ratios. `normal`: to normal scores, the
    quantiles of a normal distribution; classes are logarithms of frequency ratios."""
    context: list[Literal["factors", "place"]] | None = None
    """Further inputs from the labels of the training rows: the logarithm of the weighted ratio of
    landslide to clear rows. `factors`: among rows with similar factors. `place`: among rows near
    the cell on the ground, at 1 to 64 cells; use it only for maps of the mapped ground. The label
    of a row is left out of its own inputs."""
    exclusion: Distances | None = None
    """With `context`: distances in cells. Training rows nearer to a training row than this are left
    out of its inputs. Each training row is used once for each distance. Use [0] for maps of the
    mapped ground alone; for new ground, give distances as large as from the new ground to the
    mapped one."""


class NetworkSettings(ModelSettings):
    """Settings of the networks."""

    units: list[Annotated[int, Field(ge=1)]] | None = None
    """Hidden units of each layer; the length of the list is the number of layers."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Weight of the L2 penalty (lambda)."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Training steps; for `sae`, steps of fine-tuning."""
    learning_rate: Positive | None = None
    """Step size."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] | None = None
    """Rows per step."""
    optimiser: Literal["sgd", "adamw"] | None = None
    """Optimiser: gradient descent as in the paper, or AdamW."""
    schedule: Literal["constant", "one_cycle"] | None = None
    """Schedule of the step size."""
    init: Literal["xavier", "glorot4", "normal"] | None = None
    """Distribution of the initial weights."""
    early_stopping: bool | None = None
    """Stop training early, by the loss on a validation part of the training rows."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training rows in the validation part."""


class SaeSettings(NetworkSettings):
    """Stacked sparse autoencoder."""

    settings: Literal["paper", "modern"] = "paper"
    """Defaults of the other settings. `paper`, listed here: one network of three pre-trained layers
    of 110 units, trained by plain gradient descent. `modern`: four networks of two layers on normal
    scores, trained for a short time without pre-training, and angles as sine and cosine."""
    passes: Positive | None = None
    """Largest number of passes (epochs) of fine-tuning over the training rows: with few rows,
    training stops before `steps`. `modern` has 100."""
    rho: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Target mean activation of the hidden units."""
    beta: Annotated[float, Field(ge=0)] | None = None
    """Weight of the sparsity penalty."""
    loss_reduction: Literal["sum", "mean"] | None = None
    """Whether the reconstruction error is a sum or a mean over features."""
    pretrain_steps: Annotated[int, Field(ge=0)] | None = None
    """Pre-training steps of each layer. With them, units of `sigmoid` or `tanh` have inputs scaled
    by `percentile` unless `scaling` is set."""
    activation: Literal["sigmoid", "tanh", "relu", "linear", "silu"] | None = None
    """Activation of the hidden units; `silu` is z times the sigmoid of z."""
    dropout: Annotated[float, Field(ge=0, le=0.95)] | None = None
    """Share of the hidden units that are set to zero at random, for each row in each step of
    fine-tuning."""
    input_dropout: Annotated[float, Field(ge=0, le=0.95)] | None = None
    """Share of the inputs that are set to zero at random, for each row in each step of
    fine-tuning."""
    balanced: bool | None = None
    """Take half of each batch from the landslide cells. The probabilities still refer to the
    prevalence of the samples."""
    pretrain_learning_rate: Annotated[Positive | None, Default("learning_rate")] = None
    """Step size of pre-training."""
    head: Literal["softmax", "naive_bayes", "svm"] | None = None
    """Classifier on top of the last layer."""
    members: Annotated[int, Field(ge=1)] | None = None
    """Number of networks that are trained together and averaged."""
    average: Literal["probability", "logit"] | None = None
    """The average over the networks is taken of their probabilities or of their log-odds."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Floating-point format of predictions."""


class MlpSettings(NetworkSettings):
    """Multilayer perceptron: the network of `sae` without pre-training."""


class LrSettings(ModelSettings):
    """Logistic regression."""

    C: Positive | None = None
    """Inverse of the strength of the L2 penalty."""


class SvmSettings(ModelSettings):
    """Support vector machine with an RBF kernel."""

    C: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Penalty for misclassified rows."""
    gamma: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Coefficient of the RBF kernel."""


class TreeSettings(ModelSettings):
    """Decision tree."""

    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Greatest depth of a tree."""
    min_samples_leaf: Annotated[int, Field(ge=1)] | None = None
    """Least number of rows in a leaf."""


class RfSettings(TreeSettings):
    """Random forest."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Number of trees."""
    engine: Literal["sklearn", "intelex"] | None = None
    """Library that trains the trees. `intelex` is scikit-learn-intelex, if installed: it is several
    times as fast and uses other random numbers."""


class AdaboostSettings(ModelSettings):
    """AdaBoost."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Number of trees."""
    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Greatest depth of each tree."""
    learning_rate: Positive | None = None
    """Weight of each tree."""


class HgbSettings(ModelSettings):
    """Gradient boosting on binned features."""

    max_iter: Annotated[int, Field(ge=1)] | None = None
    """Number of trees."""
    learning_rate: Positive | None = None
    """Weight of each tree."""
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    """Greatest number of leaves of a tree."""
    min_samples_leaf: Annotated[int, Field(ge=1)] | None = None
    """Least number of rows in a leaf."""
    l2_regularization: Annotated[float, Field(ge=0)] | None = None
    """L2 penalty on the leaves."""

    additive: bool | None = None
    """Allow no interactions: the log-odds are then a sum of functions of one factor each."""


class EtSettings(TreeSettings):
    """Extremely randomised trees."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Number of trees."""


class LgbmSettings(ModelSettings):
    """Gradient boosting by LightGBM, a library that is installed by `shakeslide[lightgbm]`."""

    n_estimators: Annotated[int, Field(ge=1)] | None = None
    """Number of trees."""
    learning_rate: Positive | None = None
    """Weight of each tree."""
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] | None = None
    """Greatest number of leaves of a tree."""
    min_data_in_leaf: Annotated[int, Field(ge=1)] | None = None
    """Least number of rows in a leaf."""
    feature_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the features that a tree may choose from; four features at least."""
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the rows that each tree is trained on."""
    lambda_l2: Annotated[float, Field(ge=0)] | None = None
    """L2 penalty on the leaves."""
    extra_trees: bool | None = None
    """Compare one random threshold per feature at each split, in place of all thresholds."""


class BestSettings(Settings):
    """Blend of other models: the weighted mean of their log-odds. Weights are chosen, and the blend
    is calibrated, on parts of the training rows that its members were not fitted on. For the map,
    and for the protocols block and event, these are blocks of land (landslides where blocks are too
    few), for the other protocols cells or landslides. Training takes as long as four fits of all
    members. The tables of the members set how they are trained. Without settings of their own, the
    autoencoder has its modern ones, and all take angles as sine and cosine."""

    members: Annotated[list[Member], Field(min_length=1), Once] = ["sae", "lgbm", "et"]
    """Models that may be members. One that does not help gets no weight. With fewer than 100 source
    cells to train on, all have the same weight and the blend is not calibrated."""


class FewSettings(Settings):
    """Logistic regression on sin(slope), ln(shaking) and their product. The probability falls
    nowhere with slope or shaking."""

    slope: str | None = None
    """Code of the factor with the slope."""
    shaking: str | None = None
    """Code of the factor with the peak ground acceleration or velocity."""


class FrSettings(ModelSettings):
    """Frequency ratio model: sum of the factors' ratios."""

    bins: Annotated[int, Field(ge=2)] | None = None
    """Number of classes of equal frequency for each continuous factor."""


class Rating(Settings):
    """Ratings of a factor's classes, from 0 to 1."""

    limits: list[float] | None = None
    """Numeric factor: limits between its classes, ascending."""
    values: list[Annotated[float, Field(ge=0, le=1)]] | None = None
    """Numeric factor: ratings below the first limit, between the limits and above the last; one
    more than there are limits."""
    classes: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    """Categorical factor: rating by name of the class."""


class AhpSettings(Settings):
    """Analytic hierarchy process: weights from pairwise comparisons of the factors. Factors that no
    comparison names are not used."""

    comparisons: dict[str, Positive] | None = None
    """Importance of the first factor of each pair relative to the second, from 1/9 to 9: "SLO/DR" =
    3. Give every pair once."""
    ratings: Annotated[
        dict[str, Rating] | None,
        Default("frequency ratios of the training rows, divided by the factor's largest"),
    ] = None
    """Ratings of classes by factor, for example [models.ahp.ratings.SLO] limits = [15, 30] values =
    [0.1, 0.5, 1]."""
    bins: Annotated[int, Field(ge=2)] | None = None
    """Number of classes of equal frequency for each numeric factor without ratings."""


class Strength(Settings):
    """Shear strength of a class of lithology."""

    c: Annotated[float, Field(ge=0)]
    """Cohesion in kPa."""
    phi: Annotated[float, Field(ge=0, lt=90)]
    """Angle of internal friction in degrees."""
    gamma: Positive
    """Unit weight in kN/m³."""


class NewmarkSettings(Settings):
    """Newmark displacement of an infinite slope. Its probability never exceeds 0.335: compare it by
    AUC, or set a calibration."""

    strength: dict[str, Strength] | None = None
    """Shear strength by class of lithology: [models.newmark.strength.<class>] c, phi, gamma."""
    t: Positive | None = None
    """Thickness of the sliding slab, perpendicular to the slope, in m."""
    m: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the slab's thickness that is saturated."""
    form: Literal["jibson2007", "jibson2007_magnitude", "jibson2000"] | None = None
    """Equation for the displacement: from PGA, from PGA and magnitude, or from Arias intensity."""
    magnitude: Annotated[Annotated[float, Field(gt=0, lt=10)] | None, Default("the event's")] = None
    """Moment magnitude."""
    slope: str | None = None
    """Code of the factor with the slope."""
    pga: str | None = None
    """Code of the factor with the peak ground acceleration."""
    arias: str | None = None
    """Code of the factor with the Arias intensity in m/s."""
    lithology: str | None = None
    """Code of the factor with the lithology."""


class Jessee2018Settings(Settings):
    """Global model of Nowicki Jessee et al. (2018), which needs no training."""

    output: Literal["probability", "coverage"] | None = None
    """Output: the model's probability, or the share of the area that landslides cover."""
    lithology_classes: dict[str, str] | None = None
    """GLiM's two letters for each class of the study, if its names differ."""
    land_cover_classes: dict[str, int] | None = None
    """GlobCover's code for each class of the study, if its names differ."""
    pgv: str | None = None
    """Code of the factor with the peak ground velocity."""
    slope: str | None = None
    """Code of the factor with the slope."""
    cti: str | None = None
    """Code of the factor with the topographic wetness."""
    lithology: str | None = None
    """Code of the factor with the lithology; "" where none is known: the mean coefficient of all
    classes then counts."""
    land_cover: str | None = None
    """Code of the factor with the land cover; "" where none is known."""


class Jessee2022Settings(Jessee2018Settings):
    """Global model of Nowicki Jessee et al., as revised by Allstadt et al. (2022)."""

    pga: str | None = None
    """Code of the factor with the peak ground acceleration."""


class Kritikos2015Settings(Settings):
    """Fuzzy overlay of Kritikos et al. (2015), which needs no training."""

    step: Positive | None = None
    """Topographic position in m from which on a cell is a ridge, and below minus which it is a
    valley."""
    intensity: str | None = None
    """Code of the factor with the intensity (MMI)."""
    slope: str | None = None
    """Code of the factor with the slope."""
    faults: str | None = None
    """Code of the factor with the distance to active faults in m: [factors.DFA] function =
    "distance", layer = "faults"."""
    position: str | None = None
    """Code of the factor with the topographic position in m."""


class SlopePgaSettings(Settings):
    """Rank of cells by tan(slope) times peak ground acceleration, which needs no training."""

    slope: str | None = None
    """Code of the factor with the slope."""
    pga: str | None = None
    """Code of the factor with the peak ground acceleration."""


class SlopePgvSettings(Settings):
    """Rank of cells by tan(slope) times peak ground velocity, which needs no training."""

    slope: str | None = None
    """Code of the factor with the slope."""
    pgv: str | None = None
    """Code of the factor with the peak ground velocity."""


class OwnModelSettings(ModelSettings):
    """An estimator from an installed package; its other keys are defined by the package."""

    model_config = ConfigDict(extra="allow")


MODEL_GROUP = "shakeslide.models"
"""Entry points by which packages bring estimators."""
BuiltInModel = Literal[
    "sae", "lr", "svm", "rf", "fr", "tree", "adaboost", "mlp", "hgb", "et", "lgbm", "best", "few",
    "ahp", "newmark", "jessee2018", "jessee2022", "kritikos2015", "slope_pga", "slope_pgv",
]  # fmt: skip


def _known_model(name: str) -> str:
    ours = typing.get_args(BuiltInModel)
    if name not in ours and name not in (brought := extensions.names(MODEL_GROUP)):
        known = [*ours, *brought]
        raise ValueError(f"no model '{shortened(name)}'; known: {', '.join(map(repr, known))}")
    return name


ModelName = Annotated[str, AfterValidator(_known_model)]


class Models(Settings):
    """Which models are used, and settings that differ from the preset."""

    model_config = ConfigDict(extra="allow")

    use: Annotated[list[ModelName], Field(min_length=1), Once] = ["lr", "svm", "rf", "sae"]
    """Models to train, evaluate and map: sae, lr, svm, rf, fr, tree, adaboost, mlp, hgb, et, lgbm,
    best, few, ahp, newmark, jessee2018, jessee2022, kritikos2015, slope_pga, slope_pgv, or the name
    of an estimator from an installed package. The models from few on need factors or settings of
    their own. A model that lacks them is left out, and the program reports it."""
    calibration: Literal["none", "platt", "isotonic"] = "none"
    """Calibrates the probabilities. The calibration is fitted on predictions for landslides held
    out of the training rows in three parts, so training takes four times as long. `platt` fits a
    logistic curve and needs 100 source cells to train on; `isotonic` fits any rising curve and
    needs 1,000."""
    sae: SaeSettings = SaeSettings()
    lr: LrSettings = LrSettings()
    svm: SvmSettings = SvmSettings()
    rf: RfSettings = RfSettings()
    fr: FrSettings = FrSettings()
    tree: TreeSettings = TreeSettings()
    adaboost: AdaboostSettings = AdaboostSettings()
    mlp: MlpSettings = MlpSettings()
    hgb: HgbSettings = HgbSettings()
    et: EtSettings = EtSettings()
    lgbm: LgbmSettings = LgbmSettings()
    best: BestSettings = BestSettings()
    few: FewSettings = FewSettings()
    ahp: AhpSettings = AhpSettings()
    newmark: NewmarkSettings = NewmarkSettings()
    jessee2018: Jessee2018Settings = Jessee2018Settings()
    jessee2022: Jessee2022Settings = Jessee2022Settings()
    kritikos2015: Kritikos2015Settings = Kritikos2015Settings()
    slope_pga: SlopePgaSettings = SlopePgaSettings()
    slope_pgv: SlopePgvSettings = SlopePgvSettings()

    @model_validator(mode="before")
    @classmethod
    def _packages_tables(cls, data: Any) -> Any:
        """Read the tables of packages' estimators; any other key that is not ours is unknown."""
        if not isinstance(data, Mapping):
            return data
        foreign = [key for key in data if key not in cls.model_fields]
        # Packages are only looked through where a key is not ours.
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
