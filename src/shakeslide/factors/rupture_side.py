"""Factors of the side of a rupture: signed distance, hanging wall, slopes that face the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.factors import nearest, smoothing
from shakeslide.factors.epicentre import epicentre
from shakeslide.factors.factor import FactorFunction, Float, Made, Options, Sources, Travel
from shakeslide.factors.factor import TileInputs as Tiles
from shakeslide.factors.terrain_scales import forms_of, require_scale
from shakeslide.factors.topography import dem_text
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.io import vector
from shakeslide.layers import readers as sourced
from shakeslide.study.factor_sets import EPICENTRE
from shakeslide.study.factor_settings import (
    FacingSourceFactor,
    HangingWallFactor,
    RuptureSideFactor,
    SignedDistanceFactor,
)

Doubles = NDArray[np.float64]
ON_TRACE = 1.0
"""Metres from the trace within which an epicentre is on neither side."""


class _Nearest(NamedTuple):
    """The nearest segment of each cell, (rows, cols) each.

    `which` is its number; `along` the place along the segment's line, 0 at its beginning and 1 at
    its end; `east` and `north` lead from the nearest point to the cell, in metres.
    """

    distance: Float
    which: NDArray[np.int32]
    along: Doubles
    east: Doubles
    north: Doubles


def _nearest(inputs: Tiles, segments: nearest.Segments) -> _Nearest:
    distance, index = nearest.nearest(inputs.x, inputs.y, segments)
    x0, y0 = segments.x0[index], segments.y0[index]
    dx, dy = segments.x1[index] - x0, segments.y1[index] - y0
    squared = dx * dx + dy * dy
    px, py = inputs.x[None, :] - x0, inputs.y[:, None] - y0
    along = (px * dx + py * dy) / np.where(squared > 0, squared, 1.0)
    on = np.clip(along, 0.0, 1.0)
    return _Nearest(distance, index, along, px - on * dx, py - on * dy)


@dataclass(frozen=True)
class Trace:
    """A rupture's trace, whose segments all have the hanging wall on their left.

    Attributes
    ----------
    segments : Segments
        The trace.
    inner : array, (segments, 2) bool
        Whether a segment's beginning, and its end, is an end of another one too: beyond it the
        trace goes on.
    """

    segments: nearest.Segments
    inner: NDArray[np.bool_]


@dataclass(frozen=True)
class SignedDistance:
    """Distance to a trace, negative on the footwall."""

    trace: Trace

    def __call__(self, inputs: Tiles) -> Float:
        """Compute the tile."""
        found = _nearest(inputs, self.trace.segments)
        return np.where(_left(found, self.trace, inputs) < 0, -found.distance, found.distance)


@dataclass(frozen=True)
class HangingWall:
    """1 on the hanging wall beside the trace, else 0."""

    trace: Trace

    def __call__(self, inputs: Tiles) -> Float:
        """Compute the tile."""
        found = _nearest(inputs, self.trace.segments)
        inner = self.trace.inner[found.which]
        beside = ((found.along >= 0) | inner[..., 0]) & ((found.along <= 1) | inner[..., 1])
        return (beside & (_left(found, self.trace, inputs) > 0)).astype(np.float32)


def _left(found: _Nearest, trace: Trace, inputs: Tiles) -> Doubles:
    """Return a number that is positive left of the line of the nearest segment."""
    s, k = trace.segments, found.which
    px, py = inputs.x[None, :] - s.x0[k], inputs.y[:, None] - s.y0[k]
    left: Doubles = (s.x1[k] - s.x0[k]) * py - (s.y1[k] - s.y0[k]) * px
    return left


@dataclass(frozen=True)
class FacingSource:
    """Cosine of the angle between the smoothed aspect and the direction to the source."""

    segments: nearest.Segments
    scale: float

    def __call__(self, inputs: Tiles) -> Float:
        """Compute the tile."""
        form, found = forms_of(inputs, self.scale), _nearest(inputs, self.segments)
        # Downslope and towards the source: two signs, which cancel.
        dot = form.gx * found.east + form.gy * found.north
        size = np.hypot(form.gx, form.gy) * np.hypot(found.east, found.north)
        facing = np.where(size == 0, 0.0, dot / np.where(size == 0, 1.0, size))
        # Rounding may pass 1.
        return np.clip(facing, -1, 1).astype(np.float32)


# ------------------------------------------------------------------ from settings


def _trace(settings: RuptureSideFactor, code: str, sources: Sources) -> tuple[Trace, list[str]]:
    """Return the trace with the hanging wall on its left, and notes on its layer."""
    layer = sources.layer(settings.layer, code)
    features = vector.read(
        sourced.vector_source(layer, settings.layer), grids.crs_of(sources.grid), ("line",)
    )
    s = nearest.Segments.from_lines(vector.lines(features))
    if not len(s):
        raise InputError(f"{layer.path}: factor {code} needs lines that have a length")
    towards = _towards_hanging_wall(settings, code, sources, s)
    turn = towards[0] * (s.y1 - s.y0) - towards[1] * (s.x1 - s.x0) > 0
    x0, x1 = np.where(turn, s.x1, s.x0), np.where(turn, s.x0, s.x1)
    y0, y1 = np.where(turn, s.y1, s.y0), np.where(turn, s.y0, s.y1)
    ends = np.column_stack([np.concatenate([x0, x1]), np.concatenate([y0, y1])])
    # An end that two segments share is none of the trace's.
    place = np.unique(ends, axis=0, return_inverse=True)[1].ravel()
    inner = np.asarray(np.bincount(place) > 1)[place]
    segments = nearest.Segments(x0, y0, x1, y1)
    return Trace(segments, inner.reshape(2, -1).T), list(features.notes)


def _towards_hanging_wall(
    settings: RuptureSideFactor, code: str, sources: Sources, s: nearest.Segments
) -> tuple[float, float]:
    """Return a vector across the trace to its hanging wall."""
    x, y = float(np.mean([s.x0, s.x1])), float(np.mean([s.y0, s.y1]))
    if settings.dip_direction is not None:
        north = projection.ground(grids.crs_of(sources.grid), np.array([x]), np.array([y]))
        angle = np.radians(settings.dip_direction + float(np.nan_to_num(north.north_deg)[0]))
        return float(np.sin(angle)), float(np.cos(angle))
    if sources.event.epicentre is None:
        raise InputError(
            f"[factors.{code}] needs dip_direction = the azimuth to which the rupture dips, or "
            "[event] epicentre, from which that side is found"
        )
    ex, ey = epicentre(code, sources)
    steps = np.c_[s.x1 - s.x0, s.y1 - s.y0]
    # The axis of all segments, whichever way each was drawn.
    strike = np.linalg.eigh(steps.T @ (steps / np.hypot(*steps.T)[:, None]))[1][:, 1]
    across = float(strike[0] * (ey - y) - strike[1] * (ex - x))
    if abs(across) < ON_TRACE:
        raise InputError(
            f"[factors.{code}] the epicentre lies on the trace, so the side of the hanging "
            "wall is unknown; set dip_direction = the azimuth to which the rupture dips"
        )
    sign = np.sign(across)
    return float(-strike[1] * sign), float(strike[0] * sign)


def _of_trace(settings: RuptureSideFactor, sources: Sources, notes: list[str]) -> dict[str, object]:
    by_epicentre = settings.dip_direction is None
    layer = sources.layers[settings.layer]
    return {
        "source": sourced.source_text(layer) + (", [event] epicentre" if by_epicentre else ""),
        "settings": {"epicentre": list(sources.event.epicentre or ())} if by_epicentre else {},
        "notes": tuple(notes),
    }


def _signed_distance(settings: SignedDistanceFactor, code: str, sources: Sources) -> Made:
    trace, notes = _trace(settings, code, sources)
    return Made(SignedDistance(trace), **_of_trace(settings, sources, notes))  # type: ignore[arg-type]


def _hanging_wall(settings: HangingWallFactor, code: str, sources: Sources) -> Made:
    trace, notes = _trace(settings, code, sources)
    return Made(HangingWall(trace), **_of_trace(settings, sources, notes))  # type: ignore[arg-type]


def _facing_source(settings: FacingSourceFactor, code: str, sources: Sources) -> Made:
    require_scale(settings.scale, code, sources.grid)
    halo = smoothing.halo(*grids.cell_size(sources.grid), settings.scale)
    if settings.layer == EPICENTRE:
        x, y = epicentre(code, sources)
        point = nearest.Segments.from_points(np.array([x]), np.array([y]))
        return Made(
            FacingSource(point, settings.scale),
            halo=halo,
            source=f"[event] epicentre of the study; {dem_text(sources)}",
            settings={"epicentre": [x, y]},
        )
    layer = sources.layer(settings.layer, code)
    features = vector.read(
        sourced.vector_source(layer, settings.layer), grids.crs_of(sources.grid), ("line",)
    )
    lines = nearest.Segments.from_lines(vector.lines(features))
    return Made(
        FacingSource(lines, settings.scale),
        halo=halo,
        source=f"{sourced.source_text(layer)}; {dem_text(sources)}",
        notes=tuple(features.notes),
    )


def _travel_of_facing(settings: Options, unit: str) -> Travel:
    return Travel("shaking" if settings.get("layer") == EPICENTRE else "rupture")


ABRAHAMSON = "Abrahamson and Somerville (1996), Bull. Seismol. Soc. Am. 86, S93-S99"
MEUNIER = "Meunier, Hovius and Haines (2008), Earth Planet. Sci. Lett. 275, 221-232"

FUNCTIONS: Mapping[str, FactorFunction] = {
    "signed_distance": FactorFunction(
        kind="continuous",
        unit="m",
        inputs=("layer", "event"),
        definition="Euclidean distance to the trace, positive on the hanging wall and negative on "
        "the footwall",
        citation=ABRAHAMSON,
        make=_signed_distance,
        travel=Travel("rupture"),
    ),
    "hanging_wall": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("layer", "event"),
        definition="1 on the hanging wall beside the trace, 0 on the footwall and beyond its ends",
        citation=ABRAHAMSON,
        make=_hanging_wall,
        travel=Travel("rupture"),
    ),
    "facing_source": FactorFunction(
        kind="continuous",
        unit="1",
        inputs=("layer", "dem", "event"),
        definition="cosine of the angle between the downslope direction after Gaussian smoothing "
        "and the direction to the nearest point of the source: 1 faces it, -1 faces away, 0 where "
        "level",
        citation=MEUNIER,
        make=_facing_source,
        travel=_travel_of_facing,
    ),
}
"""The functions of this family by name."""
