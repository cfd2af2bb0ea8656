"""Search for better settings of a model, tested on a part of its training rows.

The test rows of the protocol are never looked at: what is found can still be judged honestly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import scores, splits
from shakeslide.learning import plans, training
from shakeslide.learning import validation as trials
from shakeslide.learning.recipe import Recipe
from shakeslide.models.base import ModelParameter
from shakeslide.sampling.sample_table import Samples

VALIDATED = 0.25
"""Share of the training rows' groups on which settings are judged."""


def _network(trial: optuna.Trial) -> dict[str, ModelParameter]:
    width = trial.suggest_int("width", 20, 200, step=10)
    return {
        "units": (width,) * trial.suggest_int("depth", 1, 4),
        "learning_rate": trial.suggest_float("learning_rate", 1e-2, 2.0, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-8, 1e-3, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256, 512]),
    }


def _sae(trial: optuna.Trial) -> dict[str, ModelParameter]:
    return _network(trial) | {
        "pretrain_learning_rate": trial.suggest_float(
            "pretrain_learning_rate", 1e-2, 2.0, log=True
        ),
        "rho": trial.suggest_float("rho", 0.02, 0.5),
        "beta": trial.suggest_float("beta", 1e-5, 1.0, log=True),
    }


SPACES: Mapping[str, Callable[[optuna.Trial], dict[str, ModelParameter]]] = {
    "sae": _sae,
    "mlp": _network,
    "lr": lambda t: {"C": t.suggest_float("C", 1e-3, 1e3, log=True)},
    "svm": lambda t: {
        "C": t.suggest_float("C", 0.1, 100.0, log=True),
        "gamma": t.suggest_float("gamma", 1e-3, 1.0, log=True),
    },
    "rf": lambda t: {
        "n_estimators": t.suggest_int("n_estimators", 30, 300, log=True),
        "max_depth": t.suggest_int("max_depth", 4, 25),
        "min_samples_leaf": t.suggest_int("min_samples_leaf", 1, 50, log=True),
    },
    "tree": lambda t: {
        "max_depth": t.suggest_int("max_depth", 2, 20),
        "min_samples_leaf": t.suggest_int("min_samples_leaf", 1, 200, log=True),
    },
    "adaboost": lambda t: {
        "n_estimators": t.suggest_int("n_estimators", 20, 300, log=True),
        "max_depth": t.suggest_int("max_depth", 1, 4),
        "learning_rate": t.suggest_float("learning_rate", 0.02, 2.0, log=True),
    },
    "hgb": lambda t: {
        "max_iter": t.suggest_int("max_iter", 30, 500, log=True),
        "learning_rate": t.suggest_float("learning_rate", 0.01, 0.5, log=True),
        "max_leaf_nodes": t.suggest_int("max_leaf_nodes", 4, 64, log=True),
        "min_samples_leaf": t.suggest_int("min_samples_leaf", 5, 200, log=True),
        "l2_regularization": t.suggest_float("l2_regularization", 1e-4, 10.0, log=True),
    },
    "et": lambda t: {
        "n_estimators": t.suggest_int("n_estimators", 50, 500, log=True),
        "max_depth": t.suggest_int("max_depth", 5, 40),
        "min_samples_leaf": t.suggest_int("min_samples_leaf", 1, 50, log=True),
    },
    "lgbm": lambda t: {
        "n_estimators": t.suggest_int("n_estimators", 100, 1000, log=True),
        "learning_rate": t.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": t.suggest_int("num_leaves", 4, 64, log=True),
        "min_data_in_leaf": t.suggest_int("min_data_in_leaf", 10, 200, log=True),
        "feature_fraction": t.suggest_float("feature_fraction", 0.1, 1.0),
        "lambda_l2": t.suggest_float("lambda_l2", 0.1, 50.0, log=True),
    },
    "fr": lambda t: {"bins": t.suggest_int("bins", 3, 40, log=True)},
}
"""What is tried of each model."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    number : int
        From 0.
    log_loss, roc_auc : float
        On the rows that were held out.
    settings : mapping
        Model parameters, where they differ from the study's.
    """

    number: int
    log_loss: float
    roc_auc: float
    settings: Mapping[str, ModelParameter]

    @property
    def row(self) -> dict[str, ModelParameter]:
        """The trial as a row of a table."""
        scores = {"number": self.number, "log_loss": self.log_loss, "roc_auc": self.roc_auc}
        return {**scores, **self.settings}


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    model, protocol : str
        What was tuned, under which protocol.
    trials : list of Trial
        In their order.
    start : Trial
        The study's own settings, which are tried first.
    best : Trial
        The one with the least log loss.
    """

    model: str
    protocol: str
    trials: list[Trial]
    start: Trial
    best: Trial


def validation(
    samples: Samples, protocol: str, plan: plans.Plan
) -> tuple[splits.Split, NDArray[np.int64], NDArray[np.int64]]:
    """Return a protocol's first split, and its training rows cut in two as the protocol cuts.

    Returns
    -------
    Split
        The first split; its test rows are in neither part.
    fitted, judged : array, (n,) and (m,) int64
        Numbers of the rows of its training side to fit on and to judge settings on.
    """
    split = plans.chosen_splits(samples, protocol, replace(plan, repeats=1))[0]
    if protocol == "pixel":
        # Each row alone, as the protocol draws them.
        groups = np.arange(len(samples.table))
    else:
        groups = trials.groups(samples, protocol, plan)
    rows = split.train
    kept, apart = splits.hold_out(samples.label[rows], groups[rows], 1 - VALIDATED, seed=plan.seed)
    return split, rows[kept], rows[apart]


def tune(
    recipe: Recipe,
    samples: Samples,
    protocol: str,
    plan: plans.Plan,
    *,
    count: int,
    journal: Path,
    advance: Advance = silent,
) -> Tuned:
    """Try settings of a model and return what came of each.

    Each trial fits the model on a part of the training rows of the protocol's first split, and is
    judged by its log loss on the rest of them. The first trial has the study's own settings. What
    a trial tries follows from its number and the trials before it: a search that was stopped goes
    on from its journal and ends as if it had not been.

    Parameters
    ----------
    recipe : Recipe
        The model with the study's settings.
    samples : Samples
        All samples.
    protocol : {"pixel", "landslide", "block"}
        How rows are held out.
    plan : Plan
        Of the splits.
    count : int
        Trials wanted in all, those of an earlier search included.
    journal : Path
        File of the trials that are done, written anew after each.
    advance : callable
        Called with 1 per trial.

    Raises
    ------
    InputError
        A model that has nothing to tune.
    """
    if recipe.name not in SPACES:
        raise InputError(f"tune: {recipe.name} has no settings to search; one of {list(SPACES)}")
    split, fitted, judged = validation(samples, protocol, plan)
    area = trials.training_areas(samples, split, plan)
    y = samples.label[judged]

    def objective(trial: optuna.Trial) -> float:
        own = {} if trial.number == 0 else SPACES[recipe.name](trial)
        tried = replace(recipe, params={**recipe.params, **own}, calibration="none")
        # One seed for all trials, so that settings differ and not their luck.
        seed = training.seed_of(plan.seed, recipe.name, f"tune {protocol}", 0, 0)
        model = training.fit(tried, samples, [fitted], [seed], [area])[0].model
        told = scores.scores(y, model.predict(model.rows_of(samples, judged)), 0.5)
        trial.set_user_attr("roc_auc", float(told["roc_auc"]))
        # As they are read back from the journal.
        trial.set_user_attr("params", json.loads(json.dumps(own)))
        advance(1)
        return float(told["log_loss"])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = optuna.create_study()
    search.add_trials(_known_trials(journal))
    done = len(search.trials)
    advance(min(done, count))
    for number in range(done, count):
        state = np.random.SeedSequence([plan.seed, 83, number]).generate_state(1)[0]
        # A sampler for each trial: what it draws does not depend on where a search was stopped.
        search.sampler = optuna.samplers.TPESampler(seed=int(state))
        search.optimize(objective, n_trials=1)
        _keep_trials(search.trials, journal)
    told = [
        Trial(t.number, t.value or 0.0, t.user_attrs["roc_auc"], t.user_attrs["params"])
        for t in search.trials
    ]
    best = min(told, key=lambda t: t.log_loss)
    return Tuned(recipe.name, protocol, told, told[0], best)


def _keep_trials(done: Sequence[FrozenTrial], journal: Path) -> None:
    """Write the trials that are done."""
    rows = [
        {
            "value": t.value,
            "params": t.params,
            "distributions": {k: distribution_to_json(d) for k, d in t.distributions.items()},
            "user_attrs": t.user_attrs,
        }
        for t in done
    ]
    # Not forced to the disk: what a power cut takes is tried again.
    with replacing(journal, durable=False) as temporary:
        temporary.write_text(json.dumps(rows), encoding="utf-8")


def _known_trials(journal: Path) -> list[FrozenTrial]:
    """Return the trials that were kept, none where there is no journal or it is damaged."""
    try:
        rows = json.loads(journal.read_text(encoding="utf-8"))
        return [
            optuna.create_trial(
                value=row["value"],
                params=row["params"],
                distributions={k: json_to_distribution(d) for k, d in row["distributions"].items()},
                user_attrs=row["user_attrs"],
            )
            for row in rows
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def as_toml(tuned: Tuned) -> str:
    """Return the best settings as the study file takes them."""
    lines = [f"[models.{tuned.model}]"]
    for key, value in tuned.best.settings.items():
        text = list(value) if isinstance(value, list | tuple) else value
        lines.append(f"{key} = {text:.4g}" if isinstance(text, float) else f"{key} = {text}")
    return "\n".join(lines)
