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
        The first that applies is used.
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
    mapped = landslide.mapped is not None and bool((landslide.mapped & landslide.inside).any())
    if recipe.rules is None or mapped:
        return [_one(landslide, recipe)], []
    pieces, reasons = divide(landslide, recipe.rules)
    return [_one(piece, recipe) for piece in pieces], reasons


def _one(landslide: Landslide, recipe: Recipe) -> Separated:
    first = next((m for m in recipe.methods if not isinstance(m, Mapped)), None)
    for method in recipe.methods:
        if not isinstance(method, Mapped):
            # A mapped source holds whatever its size; all else must be told from the terrain.
            if landslide.count <= recipe.fewest:
                return Separated(landslide, landslide.inside, WHOLE, (FEW,))
            if landslide.drop <= 0:
                return Separated(landslide, landslide.inside, WHOLE, (FLAT,))
        source = method.separate(landslide)
        if source is None:
            continue
        if not isinstance(method, Mapped) and np.count_nonzero(source) < recipe.fewest:
            source = landslide.highest(recipe.fewest)
        flags = () if isinstance(method, Mapped) or method is first else (FELL_BACK,)
        return Separated(landslide, source, method.code, flags)
    return Separated(landslide, landslide.inside, WHOLE, (FELL_BACK,))
