"""How long training would take: settings that are so large that no run ends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shakeslide.learning.recipe import Recipe
from shakeslide.study.settings import Evaluation, Maps

MOST_WEIGHTS = 10_000_000
"""Weights of a network; the preset's have some ten thousand."""
MOST = {"n_estimators": 10_000, "max_iter": 10_000, "members": 1_000}
"""Trees and members of one model; the presets have some hundred trees."""
MOST_STEPS = 10_000_000
"""Steps of training; the preset has 24,000."""
MOST_FITS = 10_000
"""Models that are fitted for an evaluation; by default some hundred."""
MANY_ROWS = 20_000
"""Samples from which on a support vector machine with its exact kernel takes minutes."""


@dataclass(frozen=True)
class Rows:
    """How many samples models are fitted on.

    Attributes
    ----------
    judged, mapped : int
        For the models that are scored, and for those that are mapped.
    """

    judged: int
    mapped: int


def remarks(
    recipes: Sequence[Recipe],
    factors: int,
    evaluation: Evaluation,
    maps: Maps,
    rows: Rows | None = None,
) -> list[str]:
    """Return what will take far longer, or far more memory, than usual.

    Parameters
    ----------
    recipes : sequence of Recipe
        The models in use.
    factors : int
        Factors in use.
    evaluation, maps : Evaluation, Maps
        The tables of the study.
    rows : Rows, optional
        How many samples there will be, where that is known.
    """
    out = []
    for recipe in recipes:
        out += [f"[models.{recipe.name}] {text}" for text in _of_model(recipe.params, factors)]
        out += _of_machine(recipe, factors, rows) if rows is not None else []
    protocols = set(evaluation.protocols)
    splits = evaluation.repeats if "pixel" in protocols else 0
    splits += evaluation.folds * len({"landslide", "block"} & protocols)
    if splits * len(recipes) > MOST_FITS:
        out.append(
            f"[evaluation] repeats = {evaluation.repeats:,} and folds = {evaluation.folds:,} ask "
            f"for {splits * len(recipes):,} fits of models: is that meant?"
        )
    if maps.members > MOST["members"]:
        out.append(f"[map] members = {maps.members:,} are trained for each model: is that meant?")
    return out


def _of_model(params: Mapping[str, Any], factors: int) -> list[str]:
    out = [
        f"{key} = {params[key]:,} is far more than usual (some hundred): is it meant?"
        for key, most in MOST.items()
        if (params.get(key) or 0) > most
    ]
    units = params.get("units") or ()
    # An angle may count twice, as sine and cosine.
    sides = [2 * factors, *units, 2]
    weights = sum(a * b for a, b in itertools.pairwise(sides))
    if units and weights > MOST_WEIGHTS:
        out.append(
            f"units = {list(units)} make a network of {weights:.3g} weights, "
            f"{12e-9 * weights:.3g} GB to train: is that meant?"
        )
    # Each layer is pre-trained by itself.
    steps = (params.get("steps") or 0) + len(units) * (params.get("pretrain_steps") or 0)
    if steps > MOST_STEPS:
        out.append(f"steps and pretrain_steps add up to {steps:,}: is that meant?")
    return out


def _of_machine(recipe: Recipe, factors: int, rows: Rows) -> list[str]:
    """Report a support vector machine whose fit for the map takes far longer than the judged one.

    With the exact kernel the time grows at least with the square of the rows.
    """
    if rows.mapped <= max(MANY_ROWS, rows.judged):
        return []
    if not recipe.has_exact_kernel(rows.mapped, factors):
        return []
    times = rows.mapped / rows.judged
    return [
        f"[models.{recipe.name}] the mapped model is fitted on all {rows.mapped:,} samples, "
        f"{times:.2g} times as many as the judged one, which takes about {times**2:.2g} times as "
        'long: set [map] fitted_on = "training", [samples] most, or a smaller gamma, to save time'
    ]
