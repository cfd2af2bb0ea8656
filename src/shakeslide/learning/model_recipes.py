"""How a study's models are trained: the paper's settings, and what the study changes of them."""

from __future__ import annotations

from shakeslide.learning.training import Recipe
from shakeslide.models.registry import entry
from shakeslide.sampling.encoding import Angles
from shakeslide.study.model_settings import Models
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
    params = settings.model_dump(exclude={"angles", "settings"}, exclude_none=True)
    params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    for key in known.of_event:
        # What the model's own table states comes before the event's.
        if (value := getattr(event, key)) is not None:
            params.setdefault(key, value)
    variant = known.variants.get(getattr(settings, "settings", ""))
    if variant is not None:
        # What the study sets itself goes before the variant.
        params = {**variant.params, **params}
    usual: Angles = "raw" if variant is None else variant.angles
    angles: Angles = getattr(settings, "angles", None) or usual
    return Recipe(name, angles, params, models.calibration)
