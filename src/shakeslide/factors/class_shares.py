"""Factors of the classes around a cell: shares of a class in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.factors import smoothing
from shakeslide.factors.factor import FactorFunction, Float, Made, Sources, TileInputs, Travel
from shakeslide.factors.layer_values import category
from shakeslide.factors.terrain_scales import AROUND, require_scale
from shakeslide.geo import grid as grids
from shakeslide.study.factor_settings import CategoryFactor, ClassShareFactor


@kernel
def _shares(classes: Any, half: Any, first: Any, wanted: int, count: int, out: Any) -> None:
    """Share of a class, or of each cell's own (`wanted` < 0), among the known cells of windows."""
    rows, cols = classes.shape
    tall, wide = half
    columns = np.zeros((cols, count), np.int32)
    window = np.empty(count, np.int32)
    for i in range(max(0, first[0] - tall), min(rows, first[0] + tall)):
        for j in range(cols):
            columns[j, classes[i, j]] += 1
    for r in range(out.shape[0]):
        at = first[0] + r
        if at + tall < rows:
            for j in range(cols):
                columns[j, classes[at + tall, j]] += 1
        if at - tall - 1 >= max(0, first[0] - tall):
            for j in range(cols):
                columns[j, classes[at - tall - 1, j]] -= 1
        window[:] = 0
        low = max(0, first[1] - wide)
        for j in range(low, min(cols, first[1] + wide)):
            window += columns[j]
        for c in range(out.shape[1]):
            j = first[1] + c
            if j + wide < cols:
                window += columns[j + wide]
            if j - wide - 1 >= low:
                window -= columns[j - wide - 1]
            own = classes[at, j]
            # Class 0 is what is not known.
            known = 0
            for k in range(1, count):
                known += window[k]
            chosen = own if wanted < 0 else wanted
            out[r, c] = np.nan if own == 0 else window[chosen] / np.float64(known)


def shares(
    classes: Float, half: tuple[int, int], part: tuple[slice, slice], wanted: float | None = None
) -> Float:
    """Return the share of a class in windows around the cells of a part.

    Parameters
    ----------
    classes : array, (rows, cols) float32
        Codes, NaN where unknown: windows hold the known cells.
    half : (int, int)
        Rows and columns of a window on each side of its cell.
    part : (slice, slice)
        Rows and columns wanted.
    wanted : float, optional
        The class; default: each cell's own.

    Returns
    -------
    array, (rows, cols) float32
        From 0 to 1; NaN where `classes` is.
    """
    rows, cols = part
    out = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    known = np.isfinite(classes)
    codes = np.unique(classes[known])
    places = np.zeros(classes.shape, np.int32)
    places[known] = np.searchsorted(codes, classes[known]) + 1
    if wanted is None:
        place = -1
    elif wanted in codes:
        place = int(np.searchsorted(codes, wanted)) + 1
    else:
        out[~known[part]] = np.nan
        return out
    _shares(places, half, (rows.start, cols.start), place, codes.size + 1, out)
    return out


@dataclass(frozen=True)
class ClassShare:
    """Share of a class around, from the classes that another factor computes."""

    classes: Any
    scale: float
    wanted: float | None

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        half = smoothing.steps(inputs.dx, inputs.dy, self.scale)
        wide = inputs.tile.grown(half, grids.shape_of(inputs.grid))
        around = TileInputs(inputs.grid, wide, inputs.dem, (0, 0))
        return shares(self.classes(around), half, inputs.tile.within(wide), self.wanted)


def _class_share(settings: ClassShareFactor, code: str, sources: Sources) -> Made:
    require_scale(settings.scale, code, sources.grid)
    given = CategoryFactor(layer=settings.layer, overlap=settings.overlap)
    made = category(given, code, sources)
    wanted = _wanted(settings, code, made.legend) if settings.of else None
    return replace(made, compute=ClassShare(made.compute, settings.scale, wanted), legend={})


def _wanted(settings: ClassShareFactor, code: str, legend: Mapping[int, str]) -> float:
    """Return the code of the class that a factor names."""
    for number, name in legend.items():
        if name == settings.of:
            return float(number)
    if not legend:
        try:
            return float(settings.of)
        except ValueError:
            pass
    raise InputError(
        f"[factors.{code}] of = '{settings.of}' is not a class of [layers.{settings.layer}]."
        f"{did_you_mean(settings.of, legend.values())}"
    )


FUNCTIONS: Mapping[str, FactorFunction] = {
    "class_share": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("layer",),
        definition=f"share of the cell's own class, or of a named one, {AROUND}",
        citation="McGarigal and Marks (1995), FRAGSTATS, USDA PNW-GTR-351",
        make=_class_share,
        travel=Travel(),
    ),
}
"""The functions of this family by name."""
