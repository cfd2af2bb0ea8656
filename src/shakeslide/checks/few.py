"""Whether the landslides are enough for what the study asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.core.errors import counted as several
from shakeslide.geo import grid as grids
from shakeslide.layers.polygons import Polygons
from shakeslide.learning.recipe import LEAST, Method, Recipe
from shakeslide.study.settings import Evaluation, Samples

SOME = 30
"""Landslides from which on scores begin to mean something."""

ENDLESS = 1e15
"""More cells than any grid has."""


@dataclass(frozen=True)
class Least:
    """The fewest landslides and source cells that something works with.

    Attributes
    ----------
    what : str
        What needs them.
    remedy : str
        What to do where there are fewer.
    landslides, cells : int
        Landslides that hold a source cell; source cells.
    """

    what: str
    remedy: str
    landslides: int = 0
    cells: int = 0


def needs(
    samples: Samples, evaluation: Evaluation, calibration: Method, recipes: Sequence[Recipe]
) -> list[Least]:
    """Return the fewest landslides that a study's protocols and models work with."""
    share = samples.train_share
    out = [Least("training and testing", "map more landslides, or a larger area", cells=2)]
    if calibration != "none":
        least = round(min(LEAST[calibration] / share, ENDLESS))
        what = f'calibration = "{calibration}" with train_share = {share:g}'
        out.append(Least(what, "leave [models] calibration out", cells=least))
    held = [r for r in recipes if r.params.get("early_stopping")]
    if held:
        # Two rows to train on: one and a half are rounded to two.
        least = int(np.ceil(min(1.5 / share, ENDLESS)))
        what = f"early_stopping of {', '.join(r.name for r in held)} with train_share = {share:g}"
        out.append(Least(what, "set early_stopping = false in the model's table", cells=least))
    folds, others = evaluation.folds, 'set fewer, or protocols = ["pixel"] in [evaluation]'
    if "landslide" in evaluation.protocols:
        what = f"protocol landslide with folds = {folds}"
        out.append(Least(what, others, landslides=folds))
    if "block" in evaluation.protocols:
        out.append(Least(f"protocol block with folds = {folds}", others, cells=folds))
    return out


def counted(polygons: Polygons, grid: GeoBox, most: int | None = None) -> tuple[int, int]:
    """Return how many landslides hold a cell, and how many cells they hold, `most` at most."""
    centres = polygons.centres(grids.shape_of(grid))
    cells = int(centres.sum())
    drawn = min(cells, most or cells)
    # So many cells lie in no more landslides.
    return min(len(np.unique(polygons.values[centres > 0])), drawn), drawn


def require(least: Sequence[Least], where: str, landslides: int, cells: int) -> str:
    """Raise where landslides are too few; return a warning where they are only just enough.

    Raises
    ------
    InputError
        Something that the study asks for cannot work with so few.
    """
    for need in least:
        if cells < need.cells:
            raise InputError(
                f"{where}: {several(cells, 'source cell')} can be sampled, but {need.what} needs "
                f"at least {need.cells:,}: {need.remedy}"
            )
        if landslides < need.landslides:
            raise InputError(
                f"{where}: {several(landslides, 'landslide')} with a source cell, but {need.what} "
                f"needs at least {need.landslides:,}: {need.remedy}"
            )
    if landslides >= SOME:
        return ""
    return (
        f"only {several(landslides, 'landslide')} with a source cell ({cells:,} cells in all): "
        f"every landslide changes models and scores; scores are useful from {SOME} landslides on"
    )
