"""The study file that `shakeslide init` writes: every setting of the schema with its default."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from shakeslide.learning.recipe import EXCLUSION
from shakeslide.models.registry import MODELS
from shakeslide.study.document import TomlValue
from shakeslide.study.factor_sets import FactorSets
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS, PAPER_FACTORS
from shakeslide.study.layer_settings import Layer
from shakeslide.study.model_settings import Models, ModelSettings
from shakeslide.study.presets import PRESETS
from shakeslide.study.rapid_settings import Exposure, NamedPlaces, People, Roads, Shaking
from shakeslide.study.schema import Settings
from shakeslide.study.settings import (
    Evaluation,
    Event,
    GridSettings,
    Inventory,
    Maps,
    Mask,
    Samples,
    Sources,
    StudyInfo,
    choices,
)

EXAMPLE_LAYERS: dict[str, dict[str, Any]] = {
    "dem": {"path": "dem.tif", "source": ""},
    "intensity": {"path": "intensity.gpkg", "column": "intensity"},
    "rupture": {"path": "rupture.gpkg"},
    "aftershocks": {
        "path": "aftershocks.csv",
        "x": "longitude",
        "y": "latitude",
        "crs": "EPSG:4326",
    },
    "lithology": {"path": "lithology.gpkg", "column": "unit"},
    "faults": {"path": "faults.gpkg"},
    "rivers": {"path": "rivers.gpkg"},
    "soil": {"path": "soil.gpkg", "column": "soil"},
}
"""What the file shows of each layer, to be replaced."""
HEAD = """\
# A study for shakeslide. Paths are relative to this file.
# Every setting is listed. A line that begins with # shows a default or an example: remove the # to
# change it. "..." marks a key without a default. Each table may appear only once: edit it in place.
"""
PRESET = "recommended"
"""Preset of the file."""
OF_EVERY_MODEL: Mapping[str, Any] = {
    "angles": "raw", "scaling": "percentile", "context": [], "exclusion": list(EXCLUSION)
}  # fmt: skip
"""What is given to the paper's models, see `learning.model_recipes`."""
AS_LAYER = "All keys of a layer can be set."


def text() -> str:
    """Return a commented study file made from the schema and the preset."""
    lines = [HEAD]
    lines += _table("study", StudyInfo, {"name": "My earthquake", "preset": PRESET})
    lines += _table("event", Event, {"epicentre": [0.0, 0.0], "magnitude": 7.0})
    lines += _table("grid", GridSettings)
    lines += ["# --- Layers: your data. Keys of a layer:"]
    lines += [f"#   {n}: {_plain(f.description)}" for n, f in Layer.model_fields.items()]
    lines += [""]
    for name, example in EXAMPLE_LAYERS.items():
        lines += [f"[layers.{name}]", *(_example(k, v) for k, v in example.items()), ""]
    lines += _factors()
    lines += _table("inventory", Inventory, {"path": "landslides.gpkg"}, _preset("inventory"))
    lines += _commented("[[masks]]", Mask, {"path": "lakes.gpkg", "map_value": 0})
    lines += _table("sources", Sources) + _table("samples", Samples)
    lines += _table("models", Models, shown=_preset("models"))
    for name in MODELS:
        lines += _model(name)
    lines += _table("evaluation", Evaluation) + _table("map", Maps, shown=_preset("map"))
    lines += _table("shaking", Shaking)
    lines += ["# For `shakeslide rapid`: people, buildings, roads and places.", ""]
    lines += _commented("[exposure]", Exposure, {})
    lines += _commented("[exposure.people]", People, {"path": "population.tif"})
    lines += _commented("[exposure.buildings]", Layer, {"path": "buildings.gpkg"})
    lines += _commented("[exposure.roads]", Roads, {"path": "roads.gpkg"})
    lines += _commented("[exposure.places]", NamedPlaces, {"path": "places.gpkg"})
    return "\n".join(lines)


def _preset(table: str) -> Mapping[str, TomlValue]:
    """Return what the preset of the file sets in a table."""
    return PRESETS[PRESET].get(table, {})


def _model(name: str) -> list[str]:
    """Return the table of a model with the settings that the preset gives it."""
    table = _preset("models").get(name)
    given = table if isinstance(table, dict) else {}
    variant = MODELS[name].variants.get(str(given.get("settings")))
    encoded = {} if variant is None else {"angles": variant.angles, "scaling": variant.scaling}
    chosen = {} if variant is None else {**encoded, **variant.params}
    return _table(f"models.{name}", type(Models().settings_of(name)), shown={**chosen, **given})


def _example(key: str, value: Any) -> str:
    """Return a key of an example's layer; what polygons alone need is said."""
    told = "  # for polygons; delete this line if the file is a raster" if key == "column" else ""
    return f"{key} = {toml(value)}{told}"


def default(model: type[Settings], key: str) -> Any:
    """Return what a key has where the study leaves it out: the preset's value for a model's.

    None where that is no value of the key's own; `Settings.default_text` may say what holds.
    """
    value = model.model_fields[key].get_default()
    if value is not None:
        return value
    given = dict(OF_EVERY_MODEL) if issubclass(model, ModelSettings) else {}
    for name, entry in MODELS.items():
        if type(Models().settings_of(name)) is model:
            given |= entry.make().get_params()
    return given.get(key)


def _factors() -> list[str]:
    lines = ["# --- Factors: the 14 factors of the paper are used unless use = false.", ""]
    lines += _commented("[factors]", FactorSets, {})
    for code, preset in PAPER_FACTORS.items():
        lines += _table(f"factors.{code}", FACTOR_FUNCTIONS[str(preset["function"])], shown=preset)
    lines += [
        "# Further factors have a code that you choose. Any layer can be a factor, for example the",
        "# peak ground acceleration:",
        "# [layers.pga]",
        '# path = "pga.tif"',
        "# [factors.PGA]",
        '# function = "value"',
        '# layer = "pga"',
        '# unit = "g"',
        "",
        f"# Functions: {', '.join(FACTOR_FUNCTIONS)}.",
        "# Functions that none of the 14 factors uses, with their keys:",
        "",
    ]
    used = {preset["function"] for preset in PAPER_FACTORS.values()}
    for function, model in FACTOR_FUNCTIONS.items():
        if function not in used:
            lines += _commented(f"[factors.{function.upper()}]", model, {"function": function})
    return lines


def _table(
    name: str,
    model: type[Settings],
    example: Mapping[str, object] | None = None,
    shown: Mapping[str, object] | None = None,
) -> list[str]:
    """Return one table: its head and the example's keys live, all others commented out.

    `shown` goes over the schema's defaults.
    """
    live, over = example or {}, shown or {}
    lines = [f"[{name}]  # {_plain(model.__doc__)}"]
    nested: list[str] = []
    for key, field in model.model_fields.items():
        part = _table_within(field.annotation)
        if part is None:
            value = live.get(key, over.get(key, default(model, key)))
            lines += [("" if key in live else "# ") + _line(model, key, value)]
        # Tables of models are written by themselves, with the defaults of each.
        elif name != "models":
            nested += _nested(f"{name}.{key}", field.annotation, part, _meaning(model, key))
    return [*lines, *nested, ""]


def _nested(name: str, annotation: Any, part: type[Settings], told: str) -> list[str]:
    """Return a table within another, commented out."""
    if issubclass(part, Layer):
        head = f"[[{name}]]" if typing.get_origin(annotation) is list else f"[{name}]"
        return [f"# {head}  # {told} {AS_LAYER}", '# path = "..."']
    keys = [f"# {key} = ...  # {_plain(f.description)}" for key, f in part.model_fields.items()]
    return [f"# [{name}.CLASS_OR_CODE]  # {told}", *keys]


def _commented(head: str, model: type[Settings], example: Mapping[str, object]) -> list[str]:
    """Return a table that is an example as a whole; of a mask the keys that a layer has not."""
    is_layer = issubclass(model, Layer)
    keys = [
        k
        for k, field in model.model_fields.items()
        if k in example
        or not ((is_layer and k in Layer.model_fields) or _table_within(field.annotation))
    ]
    return [
        f"# {head}  # {_plain(model.__doc__)}" + (f" {AS_LAYER}" if is_layer else ""),
        *(f"# {_line(model, k, example.get(k, default(model, k)))}" for k in keys),
        "",
    ]


def _line(model: type[Settings], key: str, value: Any) -> str:
    """Return a key with its value, its meaning and its choices."""
    field = model.model_fields[key]
    told, may_be = _meaning(model, key), choices(field.annotation)
    if may_be:
        told += f" ({' | '.join(may_be)})"
    return f"{key} = {toml(value)}" + (f"  # {told}" if told else "")


def _meaning(model: type[Settings], key: str) -> str:
    """Return what a key means, and what holds without it where that is no value."""
    told, otherwise = _plain(model.model_fields[key].description), model.default_text(key)
    return f"{told} Default: {otherwise}." if otherwise else told


def _table_within(annotation: Any) -> type[Settings] | None:
    """Return the table that a field holds, alone, in a list or by name; None for a plain value."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType, list, dict):
        return next((found for p in parts if (found := _table_within(p))), None)
    # `issubclass` refuses what is no class, such as `Literal`.
    is_table = isinstance(annotation, type) and issubclass(annotation, Settings)
    return annotation if is_table else None


def _plain(words: str | None) -> str:
    return re.sub(r"\s+", " ", words or "").strip()


def toml(value: Any) -> str:
    """Return a value as the study file has it, "..." for none."""
    if value is None:
        return "..."
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return str(value)
