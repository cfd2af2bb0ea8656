"""Factors of the nearest line, point or polygon edge: `line_direction` and `distance`.

The search is in `nearest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import nearest
from shakeslide.factors.epicentre import epicentre
from shakeslide.factors.factor import (
    FactorFunction,
    Float,
    Made,
    Options,
    Sources,
    TileInputs,
    Travel,
)
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import vector
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_sets import EPICENTRE
from shakeslide.study.factor_settings import DistanceFactor, LineDirectionFactor

MOST_PIECES = 5_000_000
"""Pieces into which the lines of a layer may be cut."""


@dataclass(frozen=True)
class DirectionOfNearest:
    """Azimuth (mod 180) of the nearest subsection.

    Attributes
    ----------
    segments : Segments
        The subsections, or their midpoints.
    azimuth : array, (segments,) float32
        Azimuth, in degrees, of the subsection that each of `segments` belongs to.
    """

    segments: nearest.Segments
    azimuth: NDArray[np.float32]

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        _, index = nearest.nearest(inputs.x, inputs.y, self.segments)
        return self.azimuth[index]


@dataclass(frozen=True)
class DistanceToNearest:
    """Distance to the nearest segment."""

    segments: nearest.Segments

    def __call__(self, inputs: TileInputs) -> Float:
        """Compute the tile."""
        return np.asarray(nearest.nearest(inputs.x, inputs.y, self.segments)[0], np.float32)


def _line_direction(settings: LineDirectionFactor, code: str, sources: Sources) -> Made:
    layer = sources.layer(settings.layer, code)
    features = vector.read(
        sourced.vector_source(layer, settings.layer),
        grids.crs_of(sources.grid),
        ("line", "polygon"),
    )
    lines = vector.lines(features)
    length = sum(float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum()) for line in lines)
    if length / settings.subsection > MOST_PIECES:
        raise InputError(
            f"[factors.{code}] subsection = {settings.subsection:g} m cuts {layer.path} into "
            f"{length / settings.subsection:.3g} pieces; make it {length / MOST_PIECES:.3g} m at "
            "least"
        )
    pieces = nearest.subsections(lines, settings.subsection)
    directions = _from_true_north(pieces, sources.grid)
    if settings.nearest == "midpoint":
        segments, azimuth = pieces.points, directions
    else:
        segments, azimuth = pieces.segments, directions[pieces.piece]
    return Made(
        DirectionOfNearest(segments, azimuth),
        source=sourced.source_text(layer),
        notes=tuple(features.notes),
    )


def _from_true_north(pieces: nearest.Subsections, grid: GeoBox) -> NDArray[np.float32]:
    """Return the axial directions of pieces of lines from true north at their middles."""
    north = projection.ground(grids.crs_of(grid), pieces.x, pieces.y).north_deg
    # A piece beyond what the CRS shows is never the nearest.
    true = (pieces.azimuth_deg - np.nan_to_num(north)) % 180.0
    out = true.astype(np.float32)
    # Rounding to float32 may reach 180, which is 0.
    out[out >= 180.0] = 0.0
    return out


def _distance(settings: DistanceFactor, code: str, sources: Sources) -> Made:
    if settings.layer == EPICENTRE:
        x, y = epicentre(code, sources)
        point = nearest.Segments.from_points(np.array([x]), np.array([y]))
        return Made(
            DistanceToNearest(point),
            source="[event] epicentre of the study",
            settings={"epicentre": [x, y]},
        )
    layer = sources.layer(settings.layer, code)
    features = vector.read(sourced.vector_source(layer, settings.layer), grids.crs_of(sources.grid))
    segments = nearest.Segments.from_lines(vector.lines(features))
    points = nearest.Segments.from_points(*vector.loose_points(features).T)
    ends = (np.concatenate(both) for both in zip(_ends(segments), _ends(points), strict=True))
    return Made(
        DistanceToNearest(nearest.Segments(*ends)),
        source=sourced.source_text(layer),
        notes=tuple(features.notes),
    )


def _ends(segments: nearest.Segments) -> tuple[NDArray[np.float64], ...]:
    return segments.x0, segments.y0, segments.x1, segments.y1


def _travel_of_distance(settings: Options, unit: str) -> Travel:
    layer = settings.get("layer")
    if layer == EPICENTRE:
        return Travel("shaking", "no", "a point is no rupture: use the distance to the rupture")
    if layer == "rivers":
        return Travel(
            "before", "relative", "maps show rivers from another size on: use river_distance"
        )
    return Travel("rupture") if layer == "rupture" else Travel()


FUNCTIONS: Mapping[str, FactorFunction] = {
    "line_direction": FactorFunction(
        kind="axial",
        unit="deg",
        inputs=("layer",),
        definition="azimuth mod 180 from true north of the nearest subsection of the lines",
        citation="",
        make=_line_direction,
        travel=Travel(
            "before", "no", "its azimuth is that of one earthquake: use the distance to the lines"
        ),
    ),
    "distance": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("layer",),
        definition="Euclidean distance from the cell's centre to the nearest geometry",
        citation="",
        make=_distance,
        travel=_travel_of_distance,
    ),
}
"""The functions of this family by name."""
