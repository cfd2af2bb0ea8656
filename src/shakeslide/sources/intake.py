"""Outlines as they come, made fit to be worked on; what is wrong with each is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from shakeslide.io.shapes import made_valid
from shakeslide.sources.outlines import Shapes, polygonal

REPAIRED, OVERLAPS, EDGE, MULTIPART, HOLES = (
    "repaired",
    "overlaps",
    "cut_by_edge",
    "multipart",
    "holes",
)
"""Flags of outlines."""
NO_GEOMETRY = "no geometry"
NO_AREA = "no area"
NO_POLYGON = "not a polygon"
OFF_GRID = "off the grid"
DUPLICATE = "duplicate"
"""Reasons for which outlines are left out."""
SHARED = 0.1
"""Share of the smaller of two outlines from which they overlap."""


@dataclass(frozen=True)
class Reason:
    """Why an outline is left out.

    Attributes
    ----------
    kind : str
        One of the reasons above.
    original : int or None
        Of a duplicate: number of the outline that it repeats, from 1.
    """

    kind: str
    original: int | None = None

    def __str__(self) -> str:
        """Return it in a few words."""
        return self.kind + ("" if self.original is None else f" of landslide {self.original}")


@dataclass(frozen=True)
class Intake:
    """Outlines and what was found.

    Attributes
    ----------
    shapes : array, (landslides,) of geometries
        Valid polygons or multipolygons within the grid, empty where left out.
    dropped : dict of int to Reason
        Why a landslide (by its place in the array) is left out.
    flags : list of list of str
        What is to be known of each.
    """

    shapes: Shapes
    dropped: dict[int, Reason]
    flags: list[list[str]]


def take_in(shapes: Shapes, bounds: tuple[float, float, float, float]) -> Intake:
    """Repair outlines, clip them to the grid, and leave out what is no landslide on it.

    Parameters
    ----------
    shapes : array, (landslides,) of geometries
        In the grid's CRS; may be None, empty or invalid.
    bounds : tuple of float
        West, south, east and north of the grid.
    """
    out = np.array(shapes, object, copy=True)
    flags: list[list[str]] = [[] for _ in out]
    dropped: dict[int, Reason] = {}
    missing = shapely.is_missing(out) | shapely.is_empty(out)
    _drop(out, dropped, missing, NO_GEOMETRY)
    _drop(out, dropped, ~missing & (shapely.get_dimensions(out) < 2), NO_POLYGON)
    broken = ~shapely.is_valid(out)
    # Before anything is cut: GEOS refuses to intersect invalid polygons.
    out[broken] = made_valid(out[broken])
    _flag(flags, broken, REPAIRED)
    out = polygonal(out)
    _drop(out, dropped, ~(shapely.area(out) > 0), NO_AREA)
    box = shapely.box(*bounds)
    beyond = ~shapely.is_empty(out) & ~shapely.covered_by(out, box)
    out[beyond] = polygonal(shapely.intersection(out[beyond], box))
    _drop(out, dropped, beyond & ~(shapely.area(out) > 0), OFF_GRID)
    _flag(flags, beyond & ~shapely.is_empty(out), EDGE)
    _duplicates(out, dropped)
    _flag(flags, _overlapping(out), OVERLAPS)
    _flag(flags, shapely.get_num_geometries(out) > 1, MULTIPART)
    _flag(flags, _holed(out), HOLES)
    return Intake(out, dropped, flags)


def _drop(out: Shapes, dropped: dict[int, Reason], which: NDArray[np.bool_], kind: str) -> None:
    for k in np.flatnonzero(which):
        # The first reason counts.
        dropped.setdefault(int(k), Reason(kind))
    out[which] = shapely.MultiPolygon()


def _flag(flags: list[list[str]], which: NDArray[np.bool_], flag: str) -> None:
    for k in np.flatnonzero(which):
        flags[k].append(flag)


def _holed(out: Shapes) -> NDArray[np.bool_]:
    parts, owner = shapely.get_parts(out, return_index=True)
    held = np.zeros(len(out), np.bool_)
    held[owner[shapely.get_num_interior_rings(parts) > 0]] = True
    return held


def _duplicates(out: Shapes, dropped: dict[int, Reason]) -> None:
    """Leave out outlines that are the same as an earlier one, whatever their first point."""
    live = np.flatnonzero(~shapely.is_empty(out))
    keys = shapely.to_wkb(shapely.normalize(out[live]))
    first: dict[bytes, int] = {}
    for k, key in zip(live.tolist(), keys, strict=True):
        original = first.setdefault(key, k)
        if original != k:
            dropped[k] = Reason(DUPLICATE, original + 1)
            out[k] = shapely.MultiPolygon()


def _overlapping(out: Shapes) -> NDArray[np.bool_]:
    """Tell which outlines share much of their ground with another."""
    found = np.zeros(len(out), np.bool_)
    live = np.flatnonzero(~shapely.is_empty(out))
    if len(live) == 0:
        return found
    a, b = shapely.STRtree(out[live]).query(out[live], predicate="intersects")
    # Each pair once, and no outline with itself.
    a, b = live[a[a < b]], live[b[a < b]]
    area = shapely.area(out)
    # Neighbours that share an edge intersect too; only these pairs need the costly answer.
    common = shapely.area(shapely.intersection(out[a], out[b]))
    much = common > SHARED * np.minimum(area[a], area[b])
    found[a[much]] = found[b[much]] = True
    return found
