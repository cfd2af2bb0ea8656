"""How long training would take: settings that are so large that no run ends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from shakeslide.learning.training import Recipe
from shakeslide.study.settings import Evaluation, Maps

MOST_WEIGHTS = 10_000_000
"""Weights of a network; the preset's have some ten thousand."""
MOST = {"n_estimators": 10_000, "max_iter": 10_000, "members": 1_000}
"""Trees and members of one model; the presets have some hundred trees."""
MOST_STEPS = 10_000_000
"""Steps of training; the preset has 24,000."""
MOST_FITS = 10_000
"""Models that are fitted for an evaluation; by default some hundred."""


def remarks(
    recipes: Sequence[Recipe], factors: int, evaluation: Evaluation, maps: Maps
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
    """
    out = []
    for recipe in recipes:
        out += [f"[models.{recipe.name}] {text}" for text in _of_model(recipe.params, factors)]
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
