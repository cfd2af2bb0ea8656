"""How well sources are told, against known ones, beside naive ways to tell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.sources.landslide import Cells, Landslide
from shakeslide.sources.methods import ElevationFraction
from shakeslide.sources.separation import Recipe, separate

Separator = Callable[[Landslide], Cells]
"""Returns the source cells of a whole outline."""

CLASSES = (1, 4, 16, 64, 256)
"""Least cells of the classes of size."""
SEPARABLE = 10
"""Cells from which a landslide has room for a source and a run-out that its outline does not
already give away: one of fewer cells is mostly source, or all of it."""


def whole_outline(landslide: Landslide) -> Cells:
    """Return the whole landslide as its source, (rows, cols) bool: a naive way."""
    return landslide.inside


def top_third(landslide: Landslide) -> Cells:
    """Return the upper third of the landslide's height as its source, (rows, cols) bool.

    A naive way: on flat ground it is the whole landslide.
    """
    source = ElevationFraction(1 / 3).separate(landslide)
    return landslide.inside if source is None else source


NAIVE: Mapping[str, Separator] = {"whole outline": whole_outline, "top third": top_third}


def by_recipe(recipe: Recipe) -> Separator:
    """Return how a recipe tells the source cells of an outline, all pieces together."""

    def separator(landslide: Landslide) -> Cells:
        pieces, _ = separate(landslide, recipe)
        source: Cells = np.any([piece.source for piece in pieces], axis=0)
        return source

    return separator


def score(landslide: Landslide, truth: Cells, source: Cells) -> dict[str, float]:
    """Return how well a source agrees with the known one.

    Parameters
    ----------
    landslide : Landslide
        The whole.
    truth, source : array, (rows, cols) bool
        Known source cells, one at least; those told.

    Returns
    -------
    dict
        `iou`, `f1`, `bias` (area told over area known), `crown_offset` and `centre_offset`:
        distance of the highest cell told from the highest known, and of the centroids (m).
    """
    common = int(np.count_nonzero(truth & source))
    told, known = int(np.count_nonzero(source)), int(np.count_nonzero(truth))
    a, b = (divmod(_highest(landslide, c), truth.shape[1]) for c in (truth, source))
    dx, dy = landslide.cell
    return {
        "iou": common / (told + known - common),
        "f1": 2 * common / (told + known),
        "bias": told / known,
        "crown_offset": float(np.hypot((a[0] - b[0]) * dy, (a[1] - b[1]) * dx)),
        "centre_offset": float(np.hypot(*((_centre(truth) - _centre(source)) * (dy, dx)))),
    }


def _centre(cells: Cells) -> NDArray[np.float64]:
    centre: NDArray[np.float64] = np.argwhere(cells).mean(axis=0)
    return centre


def _highest(landslide: Landslide, cells: Cells) -> int:
    return int(np.argmax(np.where(cells, landslide.z, -np.inf)))


def judge(
    landslides: Sequence[Landslide], truth: Sequence[Cells], separators: Mapping[str, Separator]
) -> pd.DataFrame:
    """Score each way of separating sources on each landslide.

    Parameters
    ----------
    landslides : sequence of Landslide
        Whole outlines.
    truth : sequence of arrays, (rows, cols) bool
        The known source cells of each; landslides without one are passed over.
    separators : mapping of str to callable
        By name.

    Returns
    -------
    DataFrame
        A row per landslide and name: `name`, `cells`, `share` (known source over the whole), and
        the scores.
    """
    rows: list[dict[str, Any]] = []
    for landslide, known in zip(landslides, truth, strict=True):
        known = known & landslide.inside
        if not known.any():
            continue
        about = {"cells": landslide.count, "share": np.count_nonzero(known) / landslide.count}
        for name, separator in separators.items():
            rows.append({"name": name} | about | score(landslide, known, separator(landslide)))
    return pd.DataFrame(rows)


def by_class(scores: pd.DataFrame) -> pd.DataFrame:
    """Return median scores by name and class of size; `area_bias` is of the areas summed up.

    Parameters
    ----------
    scores : DataFrame
        Of `judge`.

    Returns
    -------
    DataFrame
        Rows `name`, `cells` ("4-15", ..., "all", and those from `SEPARABLE` on), `landslides`,
        medians of `iou`, `f1`, `bias` and `centre_offset`, `mean_iou`, `crown_offset` (a mean:
        the highest cell is mostly known), `area_bias`.
    """
    limits = [*CLASSES, np.inf]
    groups: list[tuple[str, NDArray[np.bool_]]] = [
        (_words(low, high), ((scores["cells"] >= low) & (scores["cells"] < high)).to_numpy())
        for low, high in pairwise(limits)
    ]
    groups.append((f"{SEPARABLE}+", (scores["cells"] >= SEPARABLE).to_numpy()))
    groups.append(("all", np.ones(len(scores), bool)))
    rows = []
    for name in scores["name"].unique():
        for words, which in groups:
            part = scores[which & (scores["name"] == name).to_numpy()]
            if len(part) == 0:
                continue
            known = part["share"] * part["cells"]
            middle = part[["iou", "f1", "bias", "centre_offset"]].median()
            rows.append(
                {"name": name, "cells": words, "landslides": len(part)}
                | middle.to_dict()
                | {
                    "mean_iou": float(part["iou"].mean()),
                    "crown_offset": float(part["crown_offset"].mean()),
                    "area_bias": float((part["bias"] * known).sum() / known.sum()),
                }
            )
    return pd.DataFrame(rows)


def _words(low: float, high: float) -> str:
    return f"{low:.0f}+" if np.isinf(high) else f"{low:.0f}-{high - 1:.0f}"
