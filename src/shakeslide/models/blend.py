"""A blend of models: the weighted mean of their log-odds, stored as one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from shakeslide.models.base import ArrayReader, Arrays, Model, ModelParameter
from shakeslide.models.kernel_machines.svm import SupportVectorMachine
from shakeslide.models.logistic import LogisticRegression, logistic
from shakeslide.models.perceptron import MultilayerPerceptron
from shakeslide.models.sae.autoencoder import StackedAutoencoder
from shakeslide.models.tree_models.forest import (
    AdaBoost,
    DecisionTree,
    ExtraTrees,
    GradientBoosting,
    RandomForest,
)
from shakeslide.models.tree_models.light_boosting import LightGBM

CLIP = 1e-4
"""Log-odds are taken of probabilities at least this far from 0 and 1. Forests predict 0 and 1
themselves, which would outvote all others."""

BLENDED: Mapping[str, type[Model]] = {
    "sae": StackedAutoencoder,
    "lr": LogisticRegression,
    "svm": SupportVectorMachine,
    "rf": RandomForest,
    "tree": DecisionTree,
    "adaboost": AdaBoost,
    "mlp": MultilayerPerceptron,
    "hgb": GradientBoosting,
    "et": ExtraTrees,
    "lgbm": LightGBM,
}
"""Models that can be members, by name."""


@dataclass(frozen=True)
class Member:
    """A member of a blend.

    Attributes
    ----------
    weight : float
        Its share in the blend, from 0 to 1.
    slope, intercept : float
        Of its log-odds: what makes those of all members alike in scale.
    model : Model, optional
        Fitted; None where the weight is 0.
    columns : tuple of int
        The blend's features that it takes.
    """

    weight: float
    slope: float = 1.0
    intercept: float = 0.0
    model: Model | None = None
    columns: tuple[int, ...] = ()


class ModelBlend(Model):
    """Weighted mean of the log-odds of several models, p = 1/(1+exp(-Σ w (a z + b))).

    `fit` gives all members the same weight and all features. Weights that are chosen on held-out
    ground, and members with features of their own, come from outside (`joined`).

    Parameters
    ----------
    members : sequence of str
        Names of the models, of those in `BLENDED`.
    settings : mapping of str to mapping, optional
        Parameters of each model, by its name.
    random_state : int or None

    Attributes
    ----------
    members_ : tuple of Member
        As many as `members`.
    chosen_ : bool
        Whether the weights were chosen; else all members count the same.
    """

    members_: tuple[Member, ...]
    chosen_: bool

    @property
    def smooth(self) -> bool:
        """Whether the probability changes without steps as a number among the features does."""
        return all(m.model.smooth for m in self.members_ if m.model is not None)

    def __init__(
        self,
        members: Sequence[str] = ("sae", "lgbm", "et"),
        settings: Mapping[str, Mapping[str, ModelParameter]] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.members = members
        self.settings = settings
        self.random_state = random_state

    def joined(self, members: Sequence[Member], features: int, *, chosen: bool) -> Self:
        """Make this the fitted blend of members that are fitted already; return it.

        Parameters
        ----------
        members : sequence of Member
            As many as `self.members`, in their order.
        features : int
            Number of the blend's features.
        chosen : bool
            Whether their weights were chosen.
        """
        self.settings = {
            name: m.model.get_params()
            for name, m in zip(self.members, members, strict=True)
            if m.model is not None
        }
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = features
        self.members_, self.chosen_ = tuple(members), chosen
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Share of each member in the blend, by name."""
        return {n: m.weight for n, m in zip(self.members, self.members_, strict=True)}

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        columns, share = tuple(range(X.shape[1])), 1 / len(self.members)
        made = []
        for name in self.members:
            model = _class(name)(**dict((self.settings or {}).get(name, {})))
            if "random_state" in model.get_params():
                model.set_params(random_state=self.random_state)
            made.append(Member(share, model=model.fit(X, y), columns=columns))
        self.members_, self.chosen_ = tuple(made), False

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        total = np.zeros(len(X))
        for m in self.members_:
            if m.model is None:
                continue
            rows = np.ascontiguousarray(X[:, m.columns])
            z = log_odds(m.model._positive_probability(rows))
            total += m.weight * (m.slope * z + m.intercept)
        p: NDArray[np.float64] = logistic(total)
        return p

    def _arrays(self) -> Arrays:
        arrays: Arrays = {
            "features": np.array([self.n_features_in_], np.int64),
            "chosen": np.array([self.chosen_], np.uint8),
            "weight": np.array([m.weight for m in self.members_]),
            "slope": np.array([m.slope for m in self.members_]),
            "intercept": np.array([m.intercept for m in self.members_]),
        }
        for name, m in zip(self.members, self.members_, strict=True):
            if m.model is not None:
                arrays[f"columns.{name}"] = np.array(m.columns, np.int64)
                arrays |= {f"{name}.{k}": v for k, v in m.model.arrays().items()}
        return arrays

    def _restore(self, reader: ArrayReader) -> None:
        names, settings = list(self.members), self.settings or {}
        if not names or len(set(names)) < len(names):
            raise ValueError(f"members = {names}")
        n = len(names)
        self.n_features_in_ = int(reader.take("features", np.int64, (1,), low=1, high=2**20)[0])
        self.chosen_ = bool(reader.take("chosen", np.uint8, (1,), low=0, high=1)[0])
        weight = reader.take("weight", np.float64, (n,), low=0.0, high=1.0)
        if abs(weight.sum() - 1) > 1e-6:
            raise reader.error("weight", "must sum to 1")
        slope = reader.take("slope", np.float64, (n,), low=0.0)
        intercept = reader.take("intercept", np.float64, (n,))
        members = []
        for name, *numbers in zip(names, weight, slope, intercept, strict=True):
            share, a, b = map(float, numbers)
            member = Member(share, a, b)
            if share > 0:
                member = self._restored(reader, name, settings.get(name, {}), member)
            members.append(member)
        self.members_ = tuple(members)

    def _restored(
        self,
        reader: ArrayReader,
        name: str,
        settings: Mapping[str, ModelParameter],
        member: Member,
    ) -> Member:
        high = self.n_features_in_ - 1
        columns = reader.take(f"columns.{name}", np.int64, (None,), low=0, high=high)
        model = _class(name).from_arrays(reader.take_part(f"{name}."), settings)
        if model.n_features_in_ != columns.size:
            raise reader.error(f"columns.{name}", f"are not the features of {name}")
        # A member with its labels the other way round would count against the others.
        if not np.array_equal(model.classes_, [0, 1]):
            raise reader.error(f"{name}.classes", "must be 0 and 1")
        return Member(member.weight, member.slope, member.intercept, model, tuple(columns.tolist()))


def log_odds(p: ArrayLike) -> NDArray[np.float64]:
    """Return the log-odds of probabilities, (rows,), kept `CLIP` from 0 and 1."""
    kept = np.clip(np.asarray(p, np.float64), CLIP, 1 - CLIP)
    return np.asarray(logit(kept), np.float64)


def _class(name: str) -> type[Model]:
    try:
        return BLENDED[name]
    except (KeyError, TypeError):
        raise ValueError(f"no member '{name}'") from None
