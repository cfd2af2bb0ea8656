"""The tables [shaking] and [exposure] of the study file: what `shakeslide rapid` needs beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shakeslide.study.layer_settings import Layer
from shakeslide.study.schema import Ascending, ColumnName, DataPath, Default, Positive, Settings


class Shaking(Settings):
    """How uncertain the shaking is, for `shakeslide rapid`."""

    shakemap: DataPath | None = None
    """The ShakeMap: grid.xml or shake_result.hdf."""
    uncertainty: Annotated[DataPath | None, Default("uncertainty.xml beside the ShakeMap")] = None
    """Standard deviations of the ShakeMap's values."""
    sd: Annotated[Positive | None, Default("the ShakeMap's own")] = None
    """Standard deviation of ln PGA and ln PGV everywhere, for shaking from your own rasters."""
    between: Literal["scaled", "full", "none"] = "scaled"
    """The part of the deviation that all places share (between earthquakes). `scaled`: it is
    smaller near stations, in proportion to the rest. `full`: it is that of the ground-motion model,
    unless the whole deviation is smaller. `none`: there is no such part."""
    draws: Annotated[int, Field(ge=20, le=10_000)] = 200
    """Number of random draws of shaking and event term."""
    event_sd: Annotated[
        Annotated[float, Field(ge=0, le=5)] | None, Default("that of the model; ln 3 for a formula")
    ] = None
    """Standard deviation of the event term, a number that is added to the logit of all cells of one
    earthquake."""
    exceeds: Annotated[
        Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Ascending] | None,
        Default("no such map"),
    ] = None
    """Probabilities (or coverages) for which a map shows the probability of exceeding them."""
    median: bool = False
    """Map the model at the median shaking too."""
    scenario: Annotated[bool | None, Default("as the ShakeMap states")] = None
    """The earthquake is an assumed one; every output states it."""


class People(Layer):
    """A raster of people (or anything counted) per cell."""

    unit: Literal["count", "per_km2"] = "count"
    """`count`: people in each of the raster's own cells, as in WorldPop, GHS-POP and LandScan.
    `per_km2`: a density."""


class Roads(Layer):
    """Roads or other lines."""

    name: Annotated[ColumnName | None, Default("the number of the line")] = None
    """Attribute with the name."""


class NamedPlaces(Layer):
    """Villages, towns or other places, as points or polygons."""

    name: Annotated[ColumnName | None, Default("the number of the place")] = None
    """Attribute with the name."""
    radius: Annotated[float, Field(gt=0, le=50_000)] = 1000.0
    """Around a point, the ground within this many metres counts; a polygon counts as it is."""


class Exposure(Settings):
    """What may lie in the landslides' way, for `shakeslide rapid`."""

    people: People | None = None
    """Raster of population counts."""
    buildings: Layer | None = None
    """Buildings as polygons or points; each counts in the cell that contains its centre."""
    roads: Roads | None = None
    """Roads as lines; each line is a segment that a landslide may cut."""
    places: NamedPlaces | None = None
    """Villages and towns by name, to be ranked by the landslide area around them."""
    reach_angle: Annotated[
        Annotated[float, Field(gt=5, lt=60)] | None, Default("run-out is not counted")
    ] = None
    """Angle of reach in degrees, to count debris from uphill. Debris follows the steepest path down
    until the height of fall divided by the length of the path is less than the tangent of this
    angle. Landslides of average area run to about 23° (Corominas 1996), small ones less far. Places
    are ranked without it."""
