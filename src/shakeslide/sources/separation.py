"""One outline's cells separated: divided where it is several landslides, then source by source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shakeslide.sources.amalgamation import Rules, divide
from shakeslide.sources.landslide import Cells, Landslide
from shakeslide.sources.methods import AreaQuantile, Mapped, Method, Scar

FEW, FLAT, FELL_BACK = "few_cells", "flat", "fell_back"
"""Flags: too few cells to separate, no fall line, the first method did not apply."""
WHOLE = "whole"
"""Method of a landslide whose source cannot be told from its run-out."""


@dataclass(frozen=True)
class Recipe:
    """How sources are told from run-outs.

    Parameters
    ----------
    methods : sequence of Method
        The first that applies is used; a mapped source before all others.
    rules : Rules, optional
        When a polygon is divided (S5); None: never.
    fewest : int
        Cells that a source has at least, or all that the landslide has.
    """

    methods: Sequence[Method] = (Mapped(), Scar(), AreaQuantile())
    rules: Rules | None = field(default_factory=Rules)
    fewest: int = 4


@dataclass(frozen=True)
class Separated:
    """A landslide with its source.

    Attributes
    ----------
    landslide : Landslide
        Its cells.
    source : array, (rows, cols) bool
        Its source cells, one at least.
    method : str
        Code of the method, `WHOLE` where none could tell.
    flags : tuple of str
        What is to be known of it.
    """

    landslide: Landslide
    source: Cells
    method: str
    flags: tuple[str, ...] = ()


def separate(landslide: Landslide, recipe: Recipe) -> tuple[list[Separated], list[str]]:
    """Separate the source of each landslide that an outline holds.

    Parameters
    ----------
    landslide : Landslide
        All cells of an outline, one at least.
    recipe : Recipe
        How.

    Returns
    -------
    list of Separated
        The landslides; one unless the outline is an amalgamation.
    list of str
        Why it was divided.
    """
    source = _mapped(landslide, recipe)
    if source is not None:
        return [Separated(landslide, source, Mapped.code)], []
    if recipe.rules is None:
        return [_told(landslide, recipe)], []
    pieces, reasons = divide(landslide, recipe.rules)
    return [_told(piece, recipe) for piece in pieces], reasons


def _mapped(landslide: Landslide, recipe: Recipe) -> Cells | None:
    """Return the source as mapped, which holds whatever its size and of how many landslides."""
    wanted = (m for m in recipe.methods if isinstance(m, Mapped))
    return next((m.separate(landslide) for m in wanted), None)


def _told(landslide: Landslide, recipe: Recipe) -> Separated:
    """Tell the source of one landslide from the terrain."""
    if landslide.count <= recipe.fewest:
        return Separated(landslide, landslide.inside, WHOLE, (FEW,))
    if landslide.drop <= 0:
        return Separated(landslide, landslide.inside, WHOLE, (FLAT,))
    methods = [m for m in recipe.methods if not isinstance(m, Mapped)]
    for k, method in enumerate(methods):
        source = method.separate(landslide)
        if source is None:
            continue
        if np.count_nonzero(source) < recipe.fewest:
            source = landslide.highest(recipe.fewest)
        return Separated(landslide, source, method.code, (FELL_BACK,) if k else ())
    return Separated(landslide, landslide.inside, WHOLE, (FELL_BACK,))
