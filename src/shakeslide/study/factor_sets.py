"""Factors at several scales: families, of which a code is a base with a scale, as in `SLO_120m`.

A family declares what it can do; the tables of its factors are made from the declaration, so that
a study names scales and groups rather than hundreds of tables.
"""

# ruff: noqa: RUF012 - pydantic gives each model its own copy of a default.

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from shakeslide.core.errors import did_you_mean, shortened
from shakeslide.study.document import TomlValue
from shakeslide.study.schema import Positive, Settings

Group = Literal["terrain", "hydrology", "shaking", "classes"]
"""Names of the groups of families."""
Table = dict[str, TomlValue]

EPICENTRE = "epicentre"
"""What the layer of a distance is called that is measured from the [event] epicentre."""
HECTARES = 100.0
"""Hectares in a km²."""
SCALES: tuple[float, ...] = (30, 60, 120, 240, 480, 960)
"""Metres on the ground, from the cell."""
CHANNELS: tuple[float, ...] = (0.05, 0.2, 1, 5, 20, 60)
"""Upstream areas in km²."""


class FactorSets(Settings):
    """Factors at several scales, beside the 14 and those that have a table. A code is a family and
    a scale: `SLO_120m` is the slope at 120 m, `HAC_100ha` the height above channels of at least
    100 ha (1 km²) upstream. A table `[factors.SLO_120m]` changes one, or leaves it out with
    `use = false`."""

    groups: list[Group] = []
    """Families to add, by group, at all scales. Families whose layer the study does not have are
    left out."""
    scales: Annotated[list[Positive], Field(min_length=1)] = list(SCALES)
    """Distances in metres over which a factor is computed around the cell: the standard deviation
    of a smoothing, or half the side of a window. They do not depend on the cell size."""
    channels: Annotated[list[Positive], Field(min_length=1)] = list(CHANNELS)
    """Upstream areas in km² above which a cell is a channel; ridges are found with the same
    areas."""
    add: list[str] = []
    """Codes to add one by one, as `["SLO_120m", "HAC_100ha"]`."""


KEYS = tuple(FactorSets.model_fields)
"""Keys of [factors] that are no tables of factors."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Factors that differ in their scale alone.

    Attributes
    ----------
    base : str
        Beginning of their codes.
    group : str
        The group that they belong to.
    name : str
        Of the factors, to which the scale is added.
    table : mapping
        Their table in the study file, without the scale.
    scale : {"scale", "bandwidth", "min_area", ""}
        The key that holds the scale: metres, or km² upstream. "": there is one factor.
    own : tuple of float
        Scales of the family alone, in place of those of the study.
    """

    base: str
    group: Group
    name: str
    table: Mapping[str, TomlValue]
    scale: Literal["scale", "bandwidth", "min_area", ""] = "scale"
    own: tuple[float, ...] = ()

    @property
    def layer(self) -> str:
        """The layer that it needs beside the elevation model, "" if none."""
        return str(self.table.get("layer", ""))

    @property
    def unit(self) -> str:
        """Unit of the scale in a code, which has no decimal point."""
        return {"min_area": "ha", "": ""}.get(self.scale, "m")

    @property
    def example(self) -> str:
        """A code of the family."""
        usual = {"": None, "min_area": 1.0}.get(self.scale, 120.0)
        return self.code(self.own[0] if self.own else usual)

    def code(self, scale: float | None = None) -> str:
        """Return the code at a scale in metres or km²."""
        if scale is None:
            return self.base
        number = scale * HECTARES if self.scale == "min_area" else scale
        # 0.07 km² are 7.000000000000001 ha.
        text = f"{number:.10g}".replace(".", "p")
        return f"{self.base}_{text}{self.unit}"

    def factor(self, scale: float | None = None) -> Table:
        """Return the table at a scale in metres or km²."""
        if scale is None:
            return {**self.table, "name": self.name}
        told = f"{scale:g} km²" if self.scale == "min_area" else f"{scale:g} m"
        return {**self.table, self.scale: scale, "name": f"{self.name}, {told}"}


def _smoothed(base: str, name: str, measure: str) -> Family:
    return Family(
        base=base, group="terrain", name=name, table={"function": "smoothed", "measure": measure}
    )


def _window(base: str, name: str, measure: str) -> Family:
    return Family(
        base=base, group="terrain", name=name, table={"function": "window", "measure": measure}
    )


def _water(base: str, name: str, function: str) -> Family:
    return Family(
        base=base, group="hydrology", name=name, table={"function": function}, scale="min_area"
    )


def _one(base: str, group: Group, name: str, **table: TomlValue) -> Family:
    return Family(base=base, group=group, name=name, table=table, scale="")


def _facing(base: str, name: str, layer: str) -> Family:
    table: Table = {"function": "facing_source", "layer": layer}
    return Family(base=base, group="shaking", name=name, table=table)


def _share(base: str, name: str, layer: str) -> Family:
    table: Table = {"function": "class_share", "layer": layer}
    return Family(base=base, group="classes", name=name, table=table)


FAMILIES: Mapping[str, Family] = {
    family.base: family
    for family in (
        _smoothed("SLO", "Slope gradient", "slope"),
        Family(
            base="SLOA",
            group="terrain",
            name="Slope aspect",
            table={"function": "smoothed_aspect"},
        ),
        _smoothed("GRE", "Gradient to the east", "gradient_east"),
        _smoothed("GRN", "Gradient to the north", "gradient_north"),
        _smoothed("SC", "Slope curvature", "curvature"),
        _smoothed("SCP", "Profile curvature", "profile_curvature"),
        _smoothed("SCH", "Plan curvature", "plan_curvature"),
        _smoothed("TPI", "Topographic position", "position"),
        _window("RER", "Relative relief", "relief"),
        _window("RPO", "Relative position", "relative_position"),
        _window("DEV", "Deviation of elevation", "deviation"),
        _window("SLM", "Mean slope", "slope_mean"),
        _window("SLX", "Steepest slope", "slope_max"),
        _window("SLN", "Gentlest slope", "slope_min"),
        _window("SLD", "Standard deviation of slope", "slope_sd"),
        _one("LUA", "hydrology", "Upstream area, logarithm", function="upstream_area", log=True),
        _one("CTI", "hydrology", "Topographic wetness", function="wetness"),
        _one("SPI", "hydrology", "Stream power", function="stream_power"),
        _water("HAC", "Height above channels", "height_above_river"),
        _water("DCH", "Distance to channels", "river_distance"),
        _water("ACH", "Angle to channels", "river_angle"),
        _water("DBR", "Depth below ridges", "depth_below_ridge"),
        _water("DRG", "Distance to ridges", "ridge_distance"),
        _water("ARG", "Angle to ridges", "ridge_angle"),
        _water("RSP", "Relative slope position", "slope_position"),
        _one("DRU", "shaking", "Distance to the rupture", function="distance", layer="rupture"),
        _one("DFA", "shaking", "Distance to faults", function="distance", layer="faults"),
        _one("DEP", "shaking", "Distance to the epicentre", function="distance", layer=EPICENTRE),
        _one("SRU", "shaking", "Signed distance", function="signed_distance", layer="rupture"),
        _one("HGW", "shaking", "Hanging wall", function="hanging_wall", layer="rupture"),
        Family(
            base="AF",
            group="shaking",
            name="Aftershocks",
            table={"function": "density", "layer": "aftershocks"},
            scale="bandwidth",
            own=(2500, 5000, 10_000),
        ),
        _facing("FRU", "Facing the rupture", "rupture"),
        _facing("FEP", "Facing the epicentre", EPICENTRE),
        _share("LIS", "Share of the own lithology", "lithology"),
        _share("SOS", "Share of the own soil type", "soil"),
        _share("LCS", "Share of the own land cover", "landcover"),
    )
}
"""The families by base."""

_SCALED = re.compile(r"(?P<base>[A-Za-z]+)_(?P<number>\d+(?:p\d+)?)(?P<unit>m|ha)")


def table_of(code: str) -> Table | None:
    """Return the table of a factor of a family, None of a code that is of none."""
    family = FAMILIES.get(code)
    if family is not None:
        return family.factor() if family.scale == "" else None
    found = _SCALED.fullmatch(code)
    family = FAMILIES.get(found["base"]) if found else None
    if found is None or family is None or family.unit != found["unit"]:
        return None
    number = float(found["number"].replace("p", "."))
    scale = number / HECTARES if family.scale == "min_area" else number
    # Only as a code is written, so that no factor has two.
    return family.factor(scale) if scale > 0 and family.code(scale) == code else None


def listed(codes: Collection[str]) -> str:
    """Return codes as a text: of a family at three scales or more, the first, last and number."""
    by_base: dict[str, list[str]] = {}
    for code in codes:
        found = _SCALED.fullmatch(code) if table_of(code) else None
        by_base.setdefault(found["base"] + found["unit"] if found else code, []).append(code)
    parts = [
        [f"{some[0]} to {some[-1]} ({len(some)})"] if len(some) > 2 else some
        for some in by_base.values()
    ]
    return ", ".join(text for part in parts for text in part)


def tables(given: Mapping[str, TomlValue], layers: Collection[str]) -> dict[str, Table]:
    """Return the tables of the factors that a study adds by groups, scales and codes.

    Scale by scale, so that factors which share a computation follow one another.

    Parameters
    ----------
    given : mapping
        The table [factors] as written, of which `KEYS` are read.
    layers : collection of str
        Names of the study's layers.

    Raises
    ------
    ValueError
        A key with a wrong value, or a code of no family.
    """
    sets = _validated({key: given[key] for key in KEYS if key in given})
    out = dict(_of_groups(sets, layers))
    for code in sets.add:
        table = table_of(code)
        if table is None:
            raise ValueError(
                f"[factors] add: {shortened(repr(code))} is no factor of a family.{_like(code)} "
                f"Write a family and a scale: {', '.join(_examples())}"
            )
        out[code] = table
    return out


def _validated(given: Mapping[str, TomlValue]) -> FactorSets:
    try:
        return FactorSets.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"][:1]))
        raise ValueError(
            f"[factors] {key} = {shortened(repr(given.get(key)))}: {first['msg']}"
        ) from error


def _of_groups(sets: FactorSets, layers: Collection[str]) -> Iterator[tuple[str, Table]]:
    there = {"", EPICENTRE, *layers}
    wanted = [f for f in FAMILIES.values() if f.group in sets.groups and f.layer in there]
    for family in wanted:
        for own in family.own or ([None] if family.scale == "" else []):
            yield family.code(own), family.factor(own)
    for key, scales in (("min_area", sets.channels), ("scale", sets.scales)):
        for scale in scales:
            for family in wanted:
                if family.scale == key and not family.own:
                    yield family.code(scale), family.factor(scale)


def _examples() -> list[str]:
    return [f.example for f in FAMILIES.values()]


def _like(code: str) -> str:
    return did_you_mean(code, _examples())
