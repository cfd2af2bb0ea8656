"""The study file: the one schema of all settings.

Defaults, what `shakeslide init` writes, error messages and the reference are generated from these
models. Paths are relative to the study file, or to the folder given with `--data`.
"""

# ruff: noqa: RUF012 - pydantic gives each model its own copy of a default.
from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from shakeslide import document as documents
from shakeslide.errors import InputError, did_you_mean, shortened
from shakeslide.factor_settings import (
    EPICENTRE,
    FACTOR_FUNCTIONS,
    OWN,
    FactorBase,
    FactorSettings,
    LayerFactor,
    fill_factors,
)
from shakeslide.model_settings import ModelName, Models
from shakeslide.schema import (
    Ascending,
    CrsText,
    DataPath,
    Encoding,
    Filter,
    Moment,
    Once,
    Positive,
    Settings,
    Shown,
    ShownText,
    too_long,
)


class StudyInfo(Settings):
    """What the study is."""

    name: ShownText = "Unnamed study"
    """Title on the report."""
    description: ShownText = ""
    """A sentence or two for the report."""
    preset: Literal["paper"] = "paper"
    """Which factors and model settings fill the rest: `paper`, the 14 factors and the settings of
    the paper."""
    seed: Annotated[int, Field(ge=0)] = 1
    """The one source of randomness: the same seed gives the same bytes."""
    network: bool = False
    """Whether files may refer to the web, as a `.vrt` over `/vsicurl/` does. By default nothing
    that a study reads opens a connection, and such a file is refused."""


class Event(Settings):
    """The earthquake."""

    epicentre: tuple[float, float] | None = None
    """Longitude and latitude in degrees (or x and y in `crs`)."""
    crs: CrsText = "EPSG:4326"
    """CRS of the epicentre."""
    magnitude: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Moment magnitude."""
    time: Moment | None = None
    """Origin time (UTC)."""


class GridSettings(Settings):
    """The grid that everything is computed on; by default the DEM's own."""

    crs: CrsText | None = None
    """A projected CRS in metres, for example "EPSG:32643"; default: the DEM's."""
    resolution: Positive | None = None
    """Side of the square cells in metres; default: the DEM's cells as they are."""
    bounds: tuple[float, float, float, float] | None = None
    """West, south, east, north in the grid's CRS; default: the DEM's."""
    tile: Literal["auto"] | Annotated[int, Field(ge=16, multiple_of=16)] = "auto"
    """Side of a tile in cells: the unit of work and of resuming. `auto`: 512 up to 16 million
    cells, else 2048."""


class Layer(Settings):
    """A file with data: any raster GDAL reads, any vector OGR reads, a table of points
    (text, Parquet), a ShakeMap
    (grid.xml, uncertainty.xml, shake_result.hdf), an earthquake catalogue (QuakeML)."""

    path: DataPath
    """The file. It may lie in a zip archive: "dem.zip" where that holds one raster or vector, or
    "dem.zip/dem.tif"."""
    layer: str | None = None
    """Layer inside the file, where it has several; raster: the variable (NetCDF, HDF) or the table
    (GeoPackage)."""
    column: str | None = None
    """Attribute to use (polygons: the value or class; earthquakes: the magnitude; ShakeMap: the
    field, for example "PGA"; default there: the field named as the layer, MMI for intensity)."""
    where: Filter | None = None
    """Filter on attributes: one condition in SQL, for example "year IN (2005, 2006)"."""
    x: str | None = None
    """Table (.csv, .txt, .tsv, .parquet, .feather): column of longitude or x."""
    y: str | None = None
    """Table: column of latitude or y."""
    wkt: str | None = None
    """Table: column of geometries as well-known text, instead of x and y; found by itself where
    there is one."""
    time: str | None = None
    """Column of date and time (UTC), where a time window is asked for; with `date`, of the time of
    day."""
    date: str | None = None
    """Column of the date, where date and time are in two columns, or where there is no time."""
    crs: CrsText | None = None
    """CRS, only where the file has none or a wrong one."""
    encoding: Encoding | None = None
    """Vector: encoding of its texts, for example "cp1251", where the file states none or a wrong
    one."""
    swap_xy: bool = False
    """Vector: its coordinates are written y before x."""
    band: Annotated[int, Field(ge=1)] = 1
    """Raster: band."""
    nodata: Annotated[float, Field(allow_inf_nan=True)] | None = None
    """Raster: value that means "no data", where the file does not say so; one that its numbers can
    hold."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Raster: what its numbers are multiplied by, for example 0.3048 for feet; default: what the
    file says."""
    source: ShownText = ""
    """Where the data come from; printed in the report."""


class Mask(Layer):
    """Ground where no landslide can be: lakes, glaciers, sea. Polygons, or a raster of classes."""

    name: ShownText = ""
    """What it is, for example "lakes"."""
    map_value: Literal[0, "nodata"]
    """What the maps show there: 0, a landslide is ruled out; "nodata", nothing is said."""
    classes: list[int] | None = None
    """Raster: which values are masked; default: all but 0."""


class Inventory(Settings):
    """The mapped landslides."""

    path: DataPath | None = None
    """Landslide polygons, whole outlines (source and run-out), or points: then a landslide is
    the cell its point lies in."""
    layer: str | None = None
    """Layer inside the file."""
    where: Filter | None = None
    """Filter on attributes in SQL: the landslides of this earthquake."""
    x: str | None = None
    """Table of points: column of longitude or x."""
    y: str | None = None
    """Table of points: column of latitude or y."""
    wkt: str | None = None
    """Table: column of geometries as well-known text, instead of x and y; found by itself where
    there is one."""
    crs: CrsText | None = None
    """CRS, only where the file has none."""
    encoding: Encoding | None = None
    """Encoding of its texts, where the file states none or a wrong one."""
    swap_xy: bool = False
    """Its coordinates are written y before x."""
    id: str | None = None
    """Attribute that numbers the landslides: features that share it are one landslide."""
    date: Annotated[str | None, Shown()] = None
    """Attribute with the date of each landslide: `check` tells which are not of the earthquake."""
    sources: Layer | None = None
    """Source areas of the same landslides, where mapped: positives come from these only."""
    source_where: Filter | None = None
    """Source areas are the features of the inventory itself that this SQL filter chooses, for
    example "part = 'source'"."""
    positives_from: Literal["mapped", "extracted"] = "mapped"
    """`mapped`: source areas where given, else whole outlines. `extracted`: what `shakeslide
    sources` tells from outlines and elevation ([sources])."""
    small: Literal["leave", "most_covered"] = "leave"
    """Landslides that hold no cell's centre: leave them out, or keep the cell they cover most."""
    ambiguous: list[Layer] = []
    """Polygons of unclear standing (older landslides, clouds, lakes): neither positive nor
    negative."""
    extent: Layer | None = None
    """Polygon of the area that was mapped; default: the whole grid."""
    buffer: Annotated[float, Field(ge=0)] = 0.0
    """No negatives nearer to a landslide than this, in metres."""
    source: ShownText = ""
    """Where the inventory comes from; printed in the report."""


class Sources(Settings):
    """How `shakeslide sources` tells source areas from run-outs."""

    method: Literal["scar", "area_quantile", "elevation_fraction", "slope_break"] = "scar"
    """`scar` (S3): within scar_lengths widths below the crown, the width being 4 A / (pi L) for
    area A and length L along the fall line. `area_quantile` (S2): the highest area_share of the
    area. `elevation_fraction` (S1): the upper height_fraction of the height. `slope_break` (S4):
    above the break of slope."""
    fall_back: Literal["area_quantile", "elevation_fraction", "none"] = "area_quantile"
    """Used where the method cannot tell; `none`: the whole outline is source there."""
    mapped: bool = True
    """Where the inventory has source areas they are taken (S0)."""
    scar_lengths: Positive = 1.5
    """Length of a scar in widths of its landslide."""
    area_share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of the area."""
    height_fraction: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """Share of the height."""
    least_cells: Annotated[int, Field(ge=1)] = 4
    """Cells that a source has at least, or all that its landslide has."""
    divide: bool = True
    """Divide outlines that are several landslides (S5)."""
    prominence: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of an outline's drop by which crowns stand above the place where they meet, or
    outlets lie below it, to count as two."""
    least_prominence: Annotated[float, Field(ge=0)] = 10.0
    """The same in metres."""
    smallest: Annotated[int, Field(ge=2)] = 32
    """Cells that each of the landslides must have."""
    elongation: Annotated[float, Field(gt=1)] = 3.0
    """Width over length down the slope from which an outline is several landslides."""
    volume: tuple[float, float] = (-0.836, 1.332)
    """log10(alpha) and gamma of volume = alpha area^gamma (m); default: all landslides of Larsen
    et al. (2010)."""
    before: Layer | None = None
    """Raster from before the earthquake, for example NDVI: with `after`, ground that was never
    bared is taken out of the outlines."""
    after: Layer | None = None
    """The same from after it."""
    loss: bool = True
    """Values fall where ground is bared, as those of NDVI; false: they rise."""
    ring: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0, le=5000)]] = (
        50.0,
        250.0,
    )
    """Least and greatest distance in metres from an outline of the ground that it is compared
    with."""
    bared_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the landslide's own loss below which a cell has not changed."""
    contrast: Positive = 3.0
    """Robust standard deviations of the ground around by which cells must stand out."""

    @model_validator(mode="after")
    def _images_are_a_pair(self) -> Sources:
        if (self.before is None) != (self.after is None):
            there, lacking = ("before", "after") if self.after is None else ("after", "before")
            raise ValueError(
                f"{there} is given without {lacking}; add [sources.{lacking}] path = the raster, "
                f"or leave [sources.{there}] out"
            )
        if self.ring[0] >= self.ring[1]:
            raise ValueError(
                f"ring = {list(self.ring)}: give the lesser distance first, then the greater"
            )
        return self


class Samples(Settings):
    """How cells are drawn for training and testing."""

    negatives_per_positive: Positive = 1.0
    """Negatives drawn per positive cell."""
    most: Annotated[int, Field(ge=10)] | None = None
    """Draw at most so many source cells, at random; default: all."""
    train_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the samples used for training in the `pixel` protocol (the paper: 0.2). The models
    that are stored and mapped are trained on this share too, that of the first split."""


class Evaluation(Settings):
    """How the models are judged."""

    protocols: Annotated[
        list[Literal["pixel", "landslide", "block", "event"]], Field(min_length=1), Once
    ] = ["pixel", "landslide", "block"]
    """`pixel`: random split of cells, as in the paper (neighbours fall on both sides, which
    flatters). `landslide`: all cells of a landslide on one side. `block`: squares of land on one
    side, with a buffer: what to expect where no landslide is mapped yet. `event`: trained on other
    earthquakes (`events`) only: what to expect after the next one."""
    events: list[DataPath] = []
    """Folders of results of other earthquakes' runs with the same factors, for `event`: each one,
    this study's too, is tested by models of the others."""
    repeats: Annotated[int, Field(ge=1)] = 20
    """Repeats of `pixel`, each with a new split and new initial weights."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of `landslide` and `block`: each fifth is tested once by a model of the others."""
    block_size: Literal["auto"] | Positive = "auto"
    """Side of the blocks in metres. `auto`: the distance to which the errors of a logistic
    regression are alike."""
    buffer: Annotated[float, Field(ge=0)] = 300.0
    """No training cell of `block` nearer to a test block than this, in metres."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which a cell counts as predicted landslide."""
    truth: Layer | None = None
    """Raster of the true probability of failure, where it is known (synthetic earthquakes): the
    best possible scores and the gap to them are then told."""


class Maps(Settings):
    """The maps."""

    models: Annotated[list[ModelName], Once] | None = None
    """Models to map; default: all that are trained."""
    shows: Literal["susceptibility", "probability"] = "susceptibility"
    """What the probability map shows: on the balance of the training sample, or corrected to the
    share of source cells in the training area (expected share of the ground that fails). Maps of
    published formulas (newmark, jessee2018, jessee2022) show their own values either way."""
    members: Annotated[int, Field(ge=0)] = 0
    """Members of an ensemble per model, each trained on landslides drawn anew: their mean and
    standard deviation are mapped too. 0: none; 10 show the spread well."""
    spread: Annotated[list[ModelName], Once] | None = None
    """Models with an ensemble; default: all that are mapped."""
    applicability: bool = True
    """Map how unlike the training data each cell is."""
    breaks: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Ascending] = [
        0.2, 0.4, 0.6, 0.8,
    ]  # fmt: skip
    """Limits between the classes of the class map, in susceptibility, ascending."""

    @model_validator(mode="after")
    def _spread_is_mapped(self) -> Maps:
        for name in self.spread or []:
            if self.models is not None and name not in self.models:
                raise ValueError(
                    f"spread: '{name}' is not mapped; add it to models = {self.models} or leave "
                    "it out"
                )
        return self


class Study(Settings):
    """A whole study."""

    study: StudyInfo = StudyInfo()
    event: Event = Event()
    grid: GridSettings = GridSettings()
    layers: dict[str, Layer] = {}
    """Layers by name: dem, intensity, rupture, aftershocks, lithology, faults, rivers, soil, and
    any further one that a factor uses."""
    factors: dict[str, FactorSettings] = {}
    """Options of the 14 factors by code, and further factors."""
    masks: list[Mask] = []
    """Ground where no landslide can be: never sampled, and shown on the maps as stated."""
    inventory: Inventory = Inventory()
    sources: Sources = Sources()
    samples: Samples = Samples()
    models: Models = Models()
    evaluation: Evaluation = Evaluation()
    map: Maps = Maps()

    @model_validator(mode="before")
    @classmethod
    def _fill_factors(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("factors", {}), Mapping):
            return {**data, "factors": fill_factors(data.get("factors", {}))}
        return data

    @model_validator(mode="after")
    def _layers_are_used(self) -> Study:
        wanted = {f.layer for f in self.factors.values() if isinstance(f, LayerFactor)}
        wanted = (wanted | {"dem"}) - {EPICENTRE}
        for name in self.layers:
            if name not in wanted:
                raise ValueError(
                    f"[layers.{name}] is used by no factor.{did_you_mean(name, wanted)} To use it, "
                    f'add a factor with layer = "{name}"'
                )
        return self

    @property
    def active_factors(self) -> dict[str, FactorBase]:
        """Factors in use, by code, in order."""
        return {code: f for code, f in self.factors.items() if f.use}


def load(
    path: Path, data: Path | None = None, overrides: Sequence[str] = ()
) -> tuple[Study, dict[str, Any]]:
    """Read a study file.

    Parameters
    ----------
    path : Path
        The TOML file.
    data : Path, optional
        Folder from which relative paths start; default: the study file's own.
    overrides : sequence of str
        "key.of.table=value" each, as given with `--set`.

    Returns
    -------
    Study
        The validated study, paths absolute.
    dict
        The document as written, overrides included, for the record.

    Raises
    ------
    InputError
        Unreadable file, wrong key or value.
    """
    document = documents.read(path)
    for item in overrides:
        documents.override(document, item)
    if data is not None and (too_long(data) or not data.is_dir()):
        raise InputError(f"--data {shortened(str(data), 300)}: no such folder")
    base = (data or path.parent).resolve()
    return validate(document, base, str(path)), document


def validate(document: Mapping[str, Any], base: Path, where: str) -> Study:
    """Return the study of a parsed document; errors name `where`."""
    try:
        return Study.model_validate(document, context={"base": base})
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """Return a validation error as one line in the study file's own terms."""
    problems = error.errors()
    first = problems[0]
    functions = {*FACTOR_FUNCTIONS, OWN}
    where = [shortened(str(p)) for p in first["loc"] if str(p) not in functions]
    message = PLAIN.get(first["type"]) or re.sub(r"^(Value|Assertion) error, ", "", first["msg"])
    branches = _branches(problems)
    if len(branches) > 1:
        # One problem for each thing that the key may be: told as one.
        where = where[:-1]
        message = f"Input should be {wanted(_annotation(first['loc'][:-1]))}"
        problems = [first, *(p for p in problems if p not in branches)]
    if first["type"] == "list_type" and isinstance(first["input"], Mapping):
        message = f"there may be several: write [[{'.'.join(where)}]] above its keys"
    elif first["type"] not in ("value_error", "missing"):
        message += f" (got {shortened(_as_written(first['input']), 60)})"
    text = f"[{'.'.join(where)}] {message}" if where else message
    more = len(problems) - 1
    return text + (f" (and {more} more)" if more else "")


PLAIN = dict.fromkeys(
    ("model_type", "dict_type", "model_attributes_type", "dataclass_type"),
    "should be a table of keys",
)
PLAIN |= {"list_type": "should be a list in brackets", "tuple_type": "should be a list in brackets"}
"""The library's messages that speak of Python, in words of the study file."""


def _as_written(value: Any) -> str:
    """Return a value in the words of the study file."""
    if isinstance(value, Mapping):
        return "a table"
    return str(value) if isinstance(value, date | time) else repr(value)


def _branches(problems: Sequence[Any]) -> list[Any]:
    """Return the problems of the first one's key, where that key may be several things."""
    key, given = problems[0]["loc"][:-1], problems[0]["input"]
    same = [p for p in problems if p["loc"][:-1] == key and p["input"] is given]
    is_union = any(str(p["loc"][-1]).startswith("literal[") for p in same if p["loc"])
    return same if is_union else []


def _annotation(keys: Sequence[Any]) -> Any:
    """Return the type of a key of the study file."""
    model: Any = Study
    for key in keys:
        field = model.model_fields[key]
        model = field.annotation
    return model


def wanted(annotation: Any) -> str:
    """Return what a key may be, in words: `'auto' or a whole number from 16 on`."""
    return " or ".join(alternatives(annotation))


def alternatives(annotation: Any) -> list[str]:
    """Return the things that a key may be, in words each.

    Parameters
    ----------
    annotation : type
        A field's type: unions, literals, lists, numbers with bounds.
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return [text for p in parts if p is not type(None) for text in alternatives(p)]
    if origin is Literal:
        return [repr(p) for p in parts]
    if origin is Annotated:
        return [text + _bounds(parts[1:]) for text in alternatives(parts[0])]
    if origin is list:
        return [f"a list of {wanted(parts[0])}"]
    return [{int: "a whole number", float: "a number", str: "a text"}.get(annotation, "a value")]


def _bounds(constraints: Sequence[Any]) -> str:
    given = [m for c in constraints for m in getattr(c, "metadata", [c])]
    words = {"ge": "from {} on", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    words["multiple_of"] = "in steps of {}"
    told = [w.format(getattr(m, k)) for k, w in words.items() for m in given if hasattr(m, k)]
    return "".join(f" {w}" for w in told)


def choices(annotation: Any) -> list[str]:
    """Return what a key may be where that is a choice of words, else nothing."""
    told = alternatives(annotation)
    return told if len(told) > 1 and any(text.startswith("'") for text in told) else []
