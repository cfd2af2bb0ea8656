"""The `[sources]` table of a study as a recipe."""

from __future__ import annotations

from collections.abc import Mapping

from shakeslide.sources.amalgamation import Rules
from shakeslide.sources.methods import (
    AreaQuantile,
    ElevationFraction,
    Mapped,
    Method,
    Scar,
    SlopeBreak,
)
from shakeslide.sources.separation import Recipe
from shakeslide.sources.volume import Scaling
from shakeslide.study.settings import Sources


def recipe(settings: Sources) -> Recipe:
    """Return how sources are told: as mapped, by the method asked for, else by the fall-back."""
    known: Mapping[str, Method] = {
        "scar": Scar(settings.scar_lengths),
        "area_quantile": AreaQuantile(settings.area_share),
        "elevation_fraction": ElevationFraction(settings.height_fraction),
        "slope_break": SlopeBreak(),
    }
    names = [settings.method, settings.fall_back]
    # The method and the one to fall back on may be the same.
    methods = [known[n] for n in dict.fromkeys(names) if n != "none"]
    rules = Rules(
        settings.prominence, settings.least_prominence, settings.smallest, settings.elongation
    )
    return Recipe([Mapped(), *methods], rules if settings.divide else None, settings.least_cells)


def scaling(settings: Sources) -> Scaling:
    """Return how volumes follow from areas."""
    return Scaling(*settings.volume)
