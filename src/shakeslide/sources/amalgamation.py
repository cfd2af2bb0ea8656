"""S5: polygons that are several landslides, found and divided.

Signs of amalgamation are parts that lie apart (side by side, not one above the other), several
outlets on different sides of a ridge, several crowns above a common run-out, and a body much wider
across the slope than long down it. What amalgamation does to areas and volumes: Marc & Hovius
(2015, Natural Hazards and Earth System Sciences 15, 723-733).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shakeslide.sources import kernels
from shakeslide.sources.landslide import Cells, Landslide

PARTS, OUTLETS, CROWNS, ELONGATED = "parts", "outlets", "crowns", "elongated"
"""Reasons for which a polygon is divided."""


@dataclass(frozen=True)
class Rules:
    """When a polygon is taken for several landslides.

    Parameters
    ----------
    prominence : float
        Share of the polygon's drop by which crowns stand above the place where they meet, or
        outlets lie below it.
    least_prominence : float
        The same in metres: less is noise of the elevation model.
    fewest : int
        Cells that each landslide must have.
    elongation : float
        Width across the slope over length down it from which a body is several.
    """

    prominence: float = 0.2
    least_prominence: float = 10.0
    fewest: int = 32
    elongation: float = 3.0


def divide(landslide: Landslide, rules: Rules) -> tuple[list[Landslide], list[str]]:
    """Return the landslides that a polygon consists of, and the reasons for dividing it.

    Parameters
    ----------
    landslide : Landslide
        All cells of the polygon.
    rules : Rules
        When to divide.

    Returns
    -------
    list of Landslide
        Every cell of the polygon is in exactly one.
    list of str
        Empty where it is one landslide.
    """
    # Of so few cells no two landslides can be made.
    if landslide.count < 2 * rules.fewest or landslide.drop <= 0:
        return [landslide], []
    pieces, reasons = [landslide], []
    for reason, cut in (
        (PARTS, _parts),
        (OUTLETS, _outlets),
        (CROWNS, _crowns),
        (ELONGATED, _strips),
    ):
        # Parts that lie apart come first: lobes are followed from neighbour to neighbour.
        divided = [part for piece in pieces for part in cut(piece, rules)]
        if len(divided) > len(pieces):
            reasons.append(reason)
        pieces = divided
    return pieces, reasons


def _by_label(landslide: Landslide, label: NDArray[np.int32], count: int) -> Iterator[Landslide]:
    for k in range(1, count + 1):
        cells: Cells = label == k
        yield landslide.part(cells)


def _parts(landslide: Landslide, rules: Rules) -> list[Landslide]:
    """Divide parts that lie apart, unless one lies below the other (mapped with a gap)."""
    label = np.empty(landslide.inside.shape, np.int32)
    count = kernels.components(landslide.inside, label)
    if count == 1:
        return [landslide]
    group = np.arange(count + 1)
    sizes = np.bincount(label.ravel(), minlength=count + 1)
    spans = [(0.0, 0.0)] + [
        (float(z.min()), float(z.max()))
        for z in (landslide.z[label == k] for k in range(1, count + 1))
    ]
    largest = int(np.argmax(sizes[1:])) + 1
    for k in range(1, count + 1):
        low, high = max(spans[k][0], spans[largest][0]), min(spans[k][1], spans[largest][1])
        shorter = min(s[1] - s[0] for s in (spans[k], spans[largest]))
        # Parts of which one lies above the other have hardly any height in common.
        beside = high - low > 0.5 * shorter
        if sizes[k] < rules.fewest or not beside:
            group[k] = largest
    kept = np.unique(group[1:])
    number = np.zeros(count + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return list(_by_label(landslide, number[group][label] * landslide.inside, len(kept)))


def _outlets(landslide: Landslide, rules: Rules) -> list[Landslide]:
    """Divide along ridges between outlets."""
    return _lobes(landslide, -landslide.z, rules)


def _crowns(landslide: Landslide, rules: Rules) -> list[Landslide]:
    """Divide between crowns, the run-out below their meeting by which of them it lies under."""
    return _lobes(landslide, landslide.z, rules)


def _lobes(landslide: Landslide, z: NDArray[np.float32], rules: Rules) -> list[Landslide]:
    if landslide.count < 2 * rules.fewest:
        return [landslide]
    label = np.empty(landslide.inside.shape, np.int32)
    prominence = max(rules.least_prominence, rules.prominence * landslide.drop)
    together = _largest_part(landslide.inside)
    count = kernels.lobes(z, together, prominence, rules.fewest, label)
    if count == 1:
        return [landslide]
    # Parts that were left together, one above the other, go with the lobe they are nearest to.
    kernels.spread(label)
    return list(_by_label(landslide, label * landslide.inside, count))


def _largest_part(inside: Cells) -> Cells:
    label = np.empty(inside.shape, np.int32)
    if kernels.components(inside, label) == 1:
        return inside
    largest: Cells = label == np.argmax(np.bincount(label[inside]))
    return largest


def _strips(landslide: Landslide, rules: Rules) -> list[Landslide]:
    """Divide a body wider than long into strips down the slope, each about as wide as long."""
    if landslide.drop <= 0 or landslide.width < rules.elongation * landslide.length:
        return [landslide]
    count = min(round(landslide.width / landslide.length), landslide.count // rules.fewest)
    if count < 2:
        return [landslide]
    row, col = np.nonzero(landslide.inside)
    x, y = (col - col.mean()) * landslide.cell[0], (row - row.mean()) * landslide.cell[1]
    _, axes = np.linalg.eigh(np.cov(np.stack([x, y])))
    # The last axis is that of the greatest spread, across the slope of a wide body.
    along = x * axes[0, 1] + y * axes[1, 1]
    strip = np.empty(len(along), np.int32)
    strip[np.argsort(along, kind="stable")] = np.arange(len(along)) * count // len(along)
    label = np.zeros(landslide.inside.shape, np.int32)
    label[row, col] = strip + 1
    return list(_by_label(landslide, label, count))
