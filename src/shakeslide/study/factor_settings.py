"""The tables of the factors in the study file: the options of each function."""

from __future__ import annotations

import re
import typing
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from shakeslide.core import extensions
from shakeslide.core.errors import InputError, did_you_mean, shortened
from shakeslide.core.sample_columns import RESERVED
from shakeslide.study import factor_sets
from shakeslide.study.document import TomlValue
from shakeslide.study.factor_sets import table_of
from shakeslide.study.schema import Default, Moment, Positive, Settings, ShownText

Overlap = Literal["highest", "lowest", "last", "first"]
"""Which polygon counts where several overlap: by its value, or by its place in the file."""
GROUP = "shakeslide.factors"
"""Entry points by which packages bring functions."""


class FactorBase(Settings):
    """Settings of every factor."""

    use: bool = True
    """`false` leaves the factor out."""
    name: ShownText = ""
    """Name for figures; default: the function's."""


class LayerFactor(FactorBase):
    """A factor computed from a layer of the study."""

    layer: str = ""
    """Name of a table in [layers]; the 14 factors have one by default."""


class ValueFactor(LayerFactor):
    """Value of a continuous raster, or of an attribute of polygons, at the cell's centre."""

    function: Literal["value"] = "value"
    unit: str = ""
    """Unit of the values."""
    overlap: Annotated[
        Overlap | None,
        Default(
            "`highest` for the layer intensity and for units of ground motion (isoseismals "
            "overlap), else `last`"
        ),
    ] = None
    """Which of several overlapping polygons counts: the one with the `highest` or `lowest` value,
    or the `last` or `first` in the file."""


class CategoryFactor(LayerFactor):
    """Class of polygons or of a raster of codes. Training converts classes to frequency ratios."""

    function: Literal["category"] = "category"
    overlap: Annotated[Literal["last", "first"] | None, Default("`last`")] = None
    """Which of several overlapping polygons counts: the `last` or the `first` in the file."""


class BearingFactor(FactorBase):
    """Azimuth from the epicentre to the cell, clockwise from true north."""

    function: Literal["bearing"] = "bearing"


class LineDirectionFactor(LayerFactor):
    """Azimuth of the nearest subsection of the lines, from true north, modulo 180."""

    function: Literal["line_direction"] = "line_direction"
    subsection: Positive = 5000.0
    """Length of the pieces into which each line is cut, in metres."""
    nearest: Literal["midpoint", "segment"] = "midpoint"
    """How the nearest piece is found: by the distance to its midpoint (Thiessen polygons, as in the
    paper) or to the piece itself."""


class DensityFactor(LayerFactor):
    """Quartic kernel density of points. Rows of the same time of day, place and magnitude are one
    earthquake and count once."""

    function: Literal["density"] = "density"
    bandwidth: Annotated[
        Positive | None, Default("0.9 min(SD, sqrt(1/ln 2) median distance) n^-0.2")
    ] = None
    """Radius in metres."""
    weight: Literal["count", "magnitude", "column"] = "count"
    """Weight of a point: 1, 10^(M - completeness), or the value of the layer's column."""
    completeness: float = 4.0
    """Magnitude whose weight is 1, with weight = "magnitude"."""
    min_magnitude: float | None = None
    """Use only earthquakes of at least this magnitude."""
    start: Moment | None = None
    """Use only earthquakes from this time on (UTC); default with `days` or `end`: after the
    event."""
    end: Moment | None = None
    """Use only earthquakes before this time (UTC)."""
    days: Positive | None = None
    """Use only earthquakes within this many days after the event."""


class DistanceFactor(LayerFactor):
    """Euclidean distance from the cell's centre to the nearest line, point or polygon edge, or to
    the epicentre with layer = "epicentre"."""

    function: Literal["distance"] = "distance"


class ElevationFactor(FactorBase):
    """Elevation of the DEM."""

    function: Literal["elevation"] = "elevation"


class SlopeFactor(FactorBase):
    """Slope gradient (Horn)."""

    function: Literal["slope"] = "slope"
    scale: Annotated[Positive | None, Default("the grid's cells")] = None
    """Side in metres of the cells on which the slope is computed, for example 250 for models that
    were made for coarse elevation models."""


class AspectFactor(FactorBase):
    """Slope aspect (Horn), clockwise from true north; flat ground is -1."""

    function: Literal["aspect"] = "aspect"


class CurvatureFactor(FactorBase):
    """Curvature (Zevenbergen-Thorne), convex positive."""

    function: Literal["curvature"] = "curvature"
    type: Literal["general", "profile", "plan"] = "general"
    """General, profile or plan curvature. Profile and plan curvature are 0 on level ground."""


class TpiFactor(FactorBase):
    """Elevation minus the mean elevation of a ring around the cell (Weiss)."""

    function: Literal["tpi"] = "tpi"
    inner: Annotated[float, Field(ge=0)] = 62.5
    """Inner radius of the ring in metres."""
    outer: Positive = 150.0
    """Outer radius of the ring in metres."""
    divide_by_sd: bool = False
    """Divide by the standard deviation of the ring."""


class ReliefFactor(FactorBase):
    """Highest minus lowest elevation in a moving window."""

    function: Literal["relief"] = "relief"
    window: Positive = 1000.0
    """Side of the window in metres."""


class RoughnessFactor(FactorBase):
    """Highest minus lowest elevation in a 3 x 3 window."""

    function: Literal["roughness"] = "roughness"


class NorthnessFactor(FactorBase):
    """Cosine of the slope aspect: 1 on slopes that face north, -1 south, 0 on level ground."""

    function: Literal["northness"] = "northness"
    by_slope: bool = False
    """Multiply by the sine of the slope."""


class EastnessFactor(FactorBase):
    """Sine of the slope aspect: 1 on slopes that face east, -1 west, 0 on level ground."""

    function: Literal["eastness"] = "eastness"
    by_slope: bool = False
    """Multiply by the sine of the slope."""


class WaterFactor(FactorBase):
    """A factor of water flow over the whole elevation model.

    It is computed once over the whole grid, which takes about 48 bytes of memory per cell.
    """

    cell: Annotated[Positive | None, Default("the grid's")] = None
    """Side of the cells of the flow computation, in metres: larger cells save memory."""
    margin: Annotated[float, Field(ge=0)] = 5000.0
    """Width of the strip around the grid that is included, in metres, where the elevation model
    covers it."""


class UpstreamAreaFactor(WaterFactor):
    """Area that drains through the cell."""

    function: Literal["upstream_area"] = "upstream_area"
    log: bool = False
    """Take the common logarithm of the area in km²."""


class WetnessFactor(WaterFactor):
    """Topographic wetness (compound topographic index): ln of upstream area per unit width over
    slope."""

    function: Literal["wetness"] = "wetness"


class StreamPowerFactor(WaterFactor):
    """Stream power index: ln of upstream area per unit width times slope."""

    function: Literal["stream_power"] = "stream_power"


class ReliefPlaceFactor(WaterFactor):
    """A place between rivers and ridges that are derived from the elevation model."""

    min_area: Positive = 1.0
    """Upstream area above which a channel is a river, in km². For ridges, it is computed on the
    inverted elevation model."""


class HeightAboveRiverFactor(ReliefPlaceFactor):
    """Height above the first river that water from the cell reaches."""

    function: Literal["height_above_river"] = "height_above_river"


class RiverDistanceFactor(ReliefPlaceFactor):
    """Distance to the nearest river derived from the elevation model; needs no layer of rivers."""

    function: Literal["river_distance"] = "river_distance"


class RiverAngleFactor(ReliefPlaceFactor):
    """Angle at which the cell rises above the nearest river: height above it over distance."""

    function: Literal["river_angle"] = "river_angle"


class DepthBelowRidgeFactor(ReliefPlaceFactor):
    """Depth below the first ridge on the steepest way up."""

    function: Literal["depth_below_ridge"] = "depth_below_ridge"


class RidgeDistanceFactor(ReliefPlaceFactor):
    """Distance to the nearest ridge derived from the elevation model."""

    function: Literal["ridge_distance"] = "ridge_distance"


class RidgeAngleFactor(ReliefPlaceFactor):
    """Angle at which the cell lies below the nearest ridge: depth below it over distance."""

    function: Literal["ridge_angle"] = "ridge_angle"


class SlopePositionFactor(ReliefPlaceFactor):
    """Relative slope position: 0 in the river, 1 on the ridge."""

    function: Literal["slope_position"] = "slope_position"


class ScaleFactor(FactorBase):
    """A factor of the elevation model that looks a distance from the cell."""

    scale: Positive = 120.0
    """Metres on the ground, half a cell at least."""


class SmoothedFactor(ScaleFactor):
    """Form of the surface after Gaussian smoothing. `position` is the elevation minus the smoothed
    one."""

    function: Literal["smoothed"] = "smoothed"
    measure: Literal[
        "slope",
        "gradient_east",
        "gradient_north",
        "curvature",
        "profile_curvature",
        "plan_curvature",
        "position",
    ] = "slope"
    """What is measured. The scale is the standard deviation of the smoothing."""


class SmoothedAspectFactor(ScaleFactor):
    """Slope aspect after Gaussian smoothing, clockwise from true north; flat ground is -1."""

    function: Literal["smoothed_aspect"] = "smoothed_aspect"


class WindowFactor(ScaleFactor):
    """Statistics of elevations or slopes in a square window around the cell."""

    function: Literal["window"] = "window"
    measure: Literal[
        "relief",
        "relative_position",
        "deviation",
        "slope_mean",
        "slope_max",
        "slope_min",
        "slope_sd",
    ] = "relief"
    """What is measured. The scale is half the side of the window."""


class RuptureSideFactor(LayerFactor):
    """A factor of the side of a rupture's trace."""

    dip_direction: Annotated[
        Annotated[float, Field(ge=0, lt=360)] | None,
        Default("the epicentre lies on the hanging wall"),
    ] = None
    """Azimuth to which the rupture dips, in degrees from true north: on that side of the trace is
    the hanging wall."""


class SignedDistanceFactor(RuptureSideFactor):
    """Distance to the trace of the rupture: positive on the hanging wall, negative on the
    footwall."""

    function: Literal["signed_distance"] = "signed_distance"


class HangingWallFactor(RuptureSideFactor):
    """1 on the hanging wall beside the trace of the rupture, 0 elsewhere."""

    function: Literal["hanging_wall"] = "hanging_wall"


class FacingSourceFactor(LayerFactor):
    """Cosine of the angle between the slope's aspect and the direction to the nearest point of a
    layer of lines, or to the epicentre with layer = "epicentre"."""

    function: Literal["facing_source"] = "facing_source"
    scale: Positive = 120.0
    """Standard deviation in metres of the smoothing before the aspect."""


class ClassShareFactor(LayerFactor):
    """Share of a class in a square window around the cell."""

    function: Literal["class_share"] = "class_share"
    scale: Positive = 120.0
    """Half the side of the window in metres."""
    of: Annotated[str, Default("the cell's own class")] = ""
    """The class, as the legend names it."""
    overlap: Annotated[Literal["last", "first"] | None, Default("`last`")] = None
    """Which of several overlapping polygons counts: the `last` or the `first` in the file."""


class OwnFactor(LayerFactor):
    """A function from an installed package; its other options are defined by the package."""

    model_config = ConfigDict(extra="allow")

    function: str

    @model_validator(mode="after")
    def _options_are_right(self) -> OwnFactor:
        try:
            _ = self.options
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def options(self) -> FactorBase:
        """The settings as the package's own class has them."""
        settings = getattr(extensions.load(GROUP, self.function), "settings", None)
        # Only what the study gives, so that the package's own defaults hold.
        given = self.model_dump(exclude_unset=True)
        if settings is None:
            if self.model_extra:
                raise ValueError(f"unknown key '{next(iter(self.model_extra))}'")
            return self
        validated: FactorBase = settings.model_validate(given)
        return validated


OWN = "own"


def _which(value: Any) -> str:
    """Return the name of a factor's function, "own" for one that a package brings."""
    given = value.get("function") if isinstance(value, Mapping) else getattr(value, "function", "")
    return str(given) if given in FACTOR_FUNCTIONS else OWN


def _built_in() -> dict[str, type[FactorBase]]:
    """Return the classes above that name a function, by its name."""
    found = {}
    for settings in globals().values():
        if isinstance(settings, type) and issubclass(settings, FactorBase):
            function = settings.model_fields.get("function")
            if function is not None and not function.is_required():
                found[str(function.default)] = settings
    return found


FACTOR_FUNCTIONS: Mapping[str, type[FactorBase]] = _built_in()
"""Settings of a factor by the name of its function."""

if TYPE_CHECKING:
    FactorSettings = FactorBase
else:
    _tagged = {**FACTOR_FUNCTIONS, OWN: OwnFactor}
    FactorSettings = Annotated[
        typing.Union[tuple(Annotated[settings, Tag(tag)] for tag, settings in _tagged.items())],  # noqa: UP007 - made of a list
        Discriminator(_which),
    ]

PAPER_FACTORS: dict[str, dict[str, TomlValue]] = {
    "EI": {
        "function": "value",
        "layer": "intensity",
        "name": "Earthquake intensity",
        "unit": "MMI",
    },
    "ED": {"function": "bearing", "name": "Epicentre directivity"},
    "SRD": {
        "function": "line_direction",
        "layer": "rupture",
        "name": "Surface-rupture directivity",
    },
    "AF": {"function": "density", "layer": "aftershocks", "name": "Aftershocks"},
    "DEM": {"function": "elevation", "name": "Elevation"},
    "SLO": {"function": "slope", "name": "Slope gradient"},
    "SLOA": {"function": "aspect", "name": "Slope aspect"},
    "TPI": {"function": "tpi", "name": "Topographic position index"},
    "SC": {"function": "curvature", "name": "Slope curvature"},
    "RER": {"function": "relief", "name": "Relative relief"},
    "LITH": {"function": "category", "layer": "lithology", "name": "Lithology"},
    "FD": {"function": "line_direction", "layer": "faults", "name": "Fault direction"},
    "DR": {"function": "distance", "layer": "rivers", "name": "Distance to rivers"},
    "ST": {"function": "category", "layer": "soil", "name": "Soil type"},
}
"""The 14 factors of the paper, in its order."""

CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
"""A factor's code names a file and a column."""


def fill_factors(
    whole: Mapping[str, TomlValue], layers: Collection[str] = ()
) -> dict[str, dict[str, TomlValue]]:
    """Return the preset's factors with the user's options, those of sets, then the user's own.

    Parameters
    ----------
    whole : mapping
        The table [factors] as written.
    layers : collection of str
        Names of the study's layers.

    Raises
    ------
    ValueError
        A key, code or function that is none.
    """
    added = factor_sets.tables(whole, layers)
    given = {code: options for code, options in whole.items() if code not in factor_sets.KEYS}
    codes = {code.upper(): code for code in PAPER_FACTORS}
    for code, options in given.items():
        told = shortened(code)
        if not isinstance(options, Mapping):
            raise ValueError(f"[factors] {told} must be a table, e.g. [factors.{told}]")
        if not CODE.fullmatch(code):
            raise ValueError(f"[factors.{told}]: a code is letters, digits and _, letter first")
        if code in RESERVED:
            raise ValueError(
                f"[factors.{code}]: '{code}' is a column of the samples; choose another code, for "
                f"example {code.upper()}1"
            )
        if code not in PAPER_FACTORS and code.upper() in codes:
            raise ValueError(f"[factors.{code}]: write the code as {codes[code.upper()]}")
        if code not in PAPER_FACTORS and "function" not in options and not table_of(code):
            raise ValueError(
                f"[factors.{code}] is none of the 14, so it needs function = one of "
                f"{', '.join(_known())}.{did_you_mean(code, PAPER_FACTORS)}"
            )
        function = options.get("function")
        if function is not None and function not in _known():
            raise ValueError(
                f"[factors.{code}] function = {shortened(repr(function))} is unknown."
                f"{did_you_mean(str(function), _known())}"
            )
    tables = {code: options for code, options in given.items() if isinstance(options, Mapping)}
    every = dict.fromkeys([*PAPER_FACTORS, *added, *tables])
    return {code: _with_defaults(code, tables.get(code, {})) for code in every}


def _known() -> list[str]:
    """Return the names of all functions, those that packages bring included."""
    return [*FACTOR_FUNCTIONS, *extensions.names(GROUP)]


def _with_defaults(code: str, options: Mapping[str, TomlValue]) -> dict[str, TomlValue]:
    """Fill a declared factor; one whose function is changed keeps only its name and layer."""
    defaults = PAPER_FACTORS.get(code) or table_of(code) or {}
    if options.get("function", defaults.get("function")) != defaults.get("function"):
        keep = set(FACTOR_FUNCTIONS.get(str(options["function"]), OwnFactor).model_fields)
        defaults = {k: v for k, v in defaults.items() if k in keep}
    return {**defaults, **options}
