"""How a study's models are trained: the paper's settings, and what the study changes of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypedDict

from shakeslide.core.errors import InputError
from shakeslide.learning.recipe import ContextKind, Recipe
from shakeslide.models.registry import entry
from shakeslide.models.sae.modern import BOUNDED
from shakeslide.sampling.encoding import Angles, Scaling
from shakeslide.study.model_settings import BestSettings, Models, ModelSettings, SaeSettings
from shakeslide.study.settings import Event


def recipe(name: str, models: Models, event: Event) -> Recipe:
    """Return how a model is trained.

    Parameters
    ----------
    name : str
        Of the model.
    models, event : Models, Event
        The tables [models] and [event] of the study.
    """
    settings, known = models.settings_of(name), entry(name)
    if isinstance(settings, BestSettings):
        members = tuple(_member(n, models, event) for n in settings.members)
        return Recipe(name, "sincos", {}, models.calibration, members=members)
    params = settings.model_dump(
        exclude={"angles", "scaling", "settings", *CONTEXT}, exclude_none=True
    )
    params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    for key in known.of_event:
        # What the model's own table states comes before the event's.
        if (value := getattr(event, key)) is not None:
            params.setdefault(key, value)
    variant = known.variants.get(getattr(settings, "settings", ""))
    if variant is not None:
        # What the study sets itself goes before the variant.
        params = {**variant.params, **params}
    angles: Angles = getattr(settings, "angles", None) or (variant.angles if variant else "raw")
    # Decoders of bounded units give back numbers from 0 to 1 alone.
    decoded = params.get("pretrain_steps") and params.get("activation") in BOUNDED
    usual_scaling = variant.scaling if variant and not decoded else "percentile"
    scaling: Scaling = getattr(settings, "scaling", None) or usual_scaling
    found = Recipe(name, angles, params, models.calibration, scaling)
    return replace(found, **_context(settings))


CONTEXT = ("context", "exclusion")
"""Settings of what a model is given beside its factors."""


class _Around(TypedDict, total=False):
    """Fields of a recipe."""

    context: tuple[ContextKind, ...]
    exclusion: tuple[float, ...]


def _context(settings: object) -> _Around:
    """Return what a model's table says of its context."""
    if not isinstance(settings, ModelSettings) or not settings.context:
        return {}
    # In one order, so that the order of the study file changes nothing.
    around: _Around = {"context": tuple(sorted(set(settings.context)))}
    if (distances := settings.exclusion) is not None:
        around["exclusion"] = tuple(sorted(set(distances)))
    return around


def _member(name: str, models: Models, event: Event) -> Recipe:
    """Return how a member of a blend is trained: what its table says, else what is best for it."""
    table = models.settings_of(name)
    if getattr(table, "context", None):
        raise InputError(
            f"[models.{name}] context: members of `best` take none; remove it, or leave {name} out "
            "of [models.best] members"
        )
    usual: dict[str, str] = {"angles": "sincos"} if getattr(table, "angles", None) is None else {}
    if isinstance(table, SaeSettings) and "settings" not in table.model_fields_set:
        usual["settings"] = "modern"
    chosen = models.model_copy(update={name: table.model_copy(update=usual), "calibration": "none"})
    return recipe(name, chosen, event)


def unlike_the_paper(names: Iterable[str], models: Models, event: Event) -> list[str]:
    """Return the models that a study trains with other settings than the paper's.

    Parameters
    ----------
    names : iterable of str
        Models to look at.
    models, event : Models, Event
        As for `recipe`.
    """
    pairs = [(name, recipe(name, models, event), recipe(name, Models(), Event())) for name in names]
    return [
        name
        for name, a, b in pairs
        if (a.angles, a.params, a.context) != (b.angles, b.params, b.context)
    ]
