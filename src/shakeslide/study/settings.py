"""The study file: the schema of all settings.

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

from shakeslide.core.errors import InputError, did_you_mean, shortened
from shakeslide.study import document as documents
from shakeslide.study import presets
from shakeslide.study.document import TomlValue
from shakeslide.study.factor_sets import EPICENTRE
from shakeslide.study.factor_settings import (
    FACTOR_FUNCTIONS,
    OWN,
    FactorBase,
    FactorSettings,
    LayerFactor,
    fill_factors,
)
from shakeslide.study.layer_settings import Layer
from shakeslide.study.model_settings import ModelName, Models
from shakeslide.study.presets import Preset
from shakeslide.study.rapid_settings import Exposure, Shaking
from shakeslide.study.schema import (
    Ascending,
    ColumnName,
    CrsText,
    DataPath,
    Default,
    Encoding,
    Filter,
    Moment,
    NotEmpty,
    Once,
    Positive,
    Settings,
    Shown,
    ShownText,
    too_long,
)


class StudyInfo(Settings):
    """Title, preset and random seed of the study."""

    name: ShownText = "Unnamed study"
    """Title on the report."""
    description: ShownText = ""
    """A sentence or two for the report."""
    preset: Preset = "standard"
    """What is used where the study gives no settings. All presets have the 14 factors of the paper.
    `recommended`: calibrated probabilities, angles as sine and cosine, the modern settings of
    `sae`, small landslides kept, and an ensemble of the best model. `best`: the same with the blend
    `best` beside a forest and a logistic regression. `paper`: as in the paper; mapped models are
    trained on `train_share` of the samples. `standard`: the model settings of the paper, but mapped
    models are fitted on all samples."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Random seed: the same seed gives the same results, byte for byte."""
    network: bool = False
    """Allow files that refer to the web, such as a `.vrt` over `/vsicurl/`. By default such a file
    is refused, and reading a study opens no network connection."""


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
    """The grid on which everything is computed; by default that of the DEM."""

    crs: Annotated[CrsText | None, Default("the DEM's")] = None
    """A projected CRS in metres, for example "EPSG:32643"."""
    resolution: Annotated[Positive | None, Default("the DEM's cells as they are")] = None
    """Side of the square cells in metres."""
    bounds: Annotated[tuple[float, float, float, float] | None, Default("the DEM's")] = None
    """West, south, east, north in the grid's CRS."""
    tile: Literal["auto"] | Annotated[int, Field(ge=16, multiple_of=16)] = "auto"
    """Side of a tile in cells. Work is divided, and resumed, by tiles. `auto`: 512 up to 16
    million cells, else 2048."""


class Mask(Layer):
    """Ground where no landslide can occur (lakes, glaciers, sea), as polygons or a raster of
    classes."""

    name: ShownText = ""
    """Name of the mask, for example "lakes"."""
    map_value: Literal[0, "nodata"]
    """Value of the maps there: 0 if landslides are impossible, "nodata" if nothing is known."""
    classes: Annotated[Annotated[list[int], NotEmpty] | None, Default("all but 0")] = None
    """Raster: values that are masked."""


class Inventory(Settings):
    """The mapped landslides."""

    path: DataPath | None = None
    """Landslide polygons (whole outlines: source and run-out) or points. A point is the cell that
    contains it."""
    layer: str | None = None
    """Layer inside the file."""
    where: Filter | None = None
    """SQL filter on attributes that selects the landslides of this earthquake."""
    x: ColumnName | None = None
    """Table of points: column of longitude or x."""
    y: ColumnName | None = None
    """Table of points: column of latitude or y."""
    wkt: ColumnName | None = None
    """Table: column of geometries as well-known text, instead of x and y; detected automatically
    if there is one."""
    crs: CrsText | None = None
    """CRS of the file, only if the file states none."""
    encoding: Encoding | None = None
    """Text encoding, if the file states none or a wrong one."""
    swap_xy: bool = False
    """The file gives y before x."""
    id: ColumnName | None = None
    """Attribute that identifies a landslide: features with the same value are one landslide."""
    date: Annotated[ColumnName | None, Shown()] = None
    """Attribute with the date of each landslide; `check` reports those from before the earthquake
    or long after it."""
    sources: Layer | None = None
    """Mapped source areas of the same landslides. Positives then come from these only."""
    source_where: Filter | None = None
    """SQL filter that selects the source areas among the features of the inventory, for example
    "part = 'source'"."""
    positives_from: Literal["mapped", "extracted"] = "mapped"
    """`mapped`: source areas if they are given, else whole outlines. `extracted`: source areas that
    `shakeslide sources` computes from outlines and elevation ([sources])."""
    small: Literal["leave", "most_covered"] = "leave"
    """Landslides that contain no cell centre: leave them out, or use the cell they cover most."""
    ambiguous: list[Layer] = []
    """Polygons of uncertain status (older landslides, clouds): cells in them are neither positive
    nor negative."""
    extent: Annotated[Layer | None, Default("the whole grid")] = None
    """Polygon of the mapped area."""
    buffer: Annotated[float, Field(ge=0)] = 0.0
    """Least distance of negatives from any landslide, in metres."""
    source: ShownText = ""
    """Source and licence of the inventory; printed in the report."""


class Sources(Settings):
    """How `shakeslide sources` separates source areas from run-outs."""

    method: Literal["scar", "area_quantile", "elevation_fraction", "slope_break"] = "scar"
    """`scar` (S3): the part within scar_lengths widths below the crown. The width is 4 A / (pi L)
    for area A and length L along the fall line. `area_quantile` (S2): the highest area_share of
    the area. `elevation_fraction` (S1): the upper height_fraction of the height. `slope_break`
    (S4): the part above the break of slope."""
    fall_back: Literal["area_quantile", "elevation_fraction", "none"] = "area_quantile"
    """Method for outlines to which `method` does not apply; `none`: use the whole outline."""
    mapped: bool = True
    """Use the inventory's own source areas if it has them (S0)."""
    scar_lengths: Positive = 1.5
    """`scar`: length of the source area, in widths of its landslide."""
    area_share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """`area_quantile`: share of the area."""
    height_fraction: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """`elevation_fraction`: share of the height."""
    least_cells: Annotated[int, Field(ge=1)] = 4
    """Least number of cells in a source area; a smaller landslide is source as a whole."""
    divide: bool = True
    """Divide outlines that contain several landslides (S5)."""
    prominence: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Least height of two crowns above the point where they meet, or depth of two outlets below it,
    for the outline to be divided, as a share of the outline's total drop."""
    least_prominence: Annotated[float, Field(ge=0)] = 10.0
    """The same limit as a height in metres."""
    smallest: Annotated[int, Field(ge=2)] = 32
    """Least number of cells in each part of a divided outline."""
    elongation: Annotated[float, Field(gt=1)] = 3.0
    """Ratio of width to length down the slope above which an outline is divided."""
    volume: tuple[float, float] = (-0.836, 1.332)
    """log10(alpha) and gamma in volume = alpha area^gamma (in metres). The default is the fit to
    all landslides of Larsen et al. (2010)."""
    before: Layer | None = None
    """Raster from before the earthquake, for example NDVI. With `after`, ground that was not bared
    is removed from the outlines."""
    after: Layer | None = None
    """The same raster from after the earthquake."""
    loss: bool = True
    """True: values fall where ground is bared, as NDVI does. False: they rise."""
    ring: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0, le=5000)]] = (
        50.0,
        250.0,
    )
    """Least and greatest distance from an outline of the reference ground around it, in metres."""
    bared_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A cell is unchanged if its loss is below this share of the landslide's own loss."""
    contrast: Positive = 3.0
    """Difference from the reference ground that counts as a change, in robust standard
    deviations."""

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
    """How cells are sampled for training and testing."""

    negatives_per_positive: Positive = 1.0
    """Number of negatives per positive."""
    most: Annotated[Annotated[int, Field(ge=10)] | None, Default("all")] = None
    """Greatest number of source cells, sampled at random."""
    train_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the samples used for training in the `pixel` protocol (the paper: 0.2)."""


class Evaluation(Settings):
    """How the models are evaluated."""

    protocols: Annotated[
        list[Literal["pixel", "landslide", "block", "event"]], Field(min_length=1), Once
    ] = ["pixel", "landslide", "block"]
    """`pixel`: random split of cells, as in the paper; neighbouring cells are in both parts, so
    scores are too high. `landslide`: all cells of a landslide are either training or test cells.
    `block`: squares of land are held out with a buffer, which estimates the accuracy where no
    landslide is mapped yet. `event`: models are trained on other earthquakes (`events`) only, which
    estimates the accuracy after the next one."""
    events: list[DataPath] = []
    """For `event`: results folders of other earthquakes with the same factors. Each earthquake,
    this study's included, is predicted by models trained on the others."""
    repeats: Annotated[int, Field(ge=1)] = 20
    """Number of repeats of `pixel`, each with a new split and new initial weights."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Number of folds of `landslide` and `block`. Each fold is tested once, by a model trained on
    the others."""
    block_size: Literal["auto"] | Positive = "auto"
    """Side of the blocks in metres. `auto`: the distance up to which the errors of a logistic
    regression are correlated."""
    buffer: Annotated[float, Field(ge=0)] = 300.0
    """`block`: least distance of training cells from the test blocks, in metres."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability at and above which a cell is classified as a landslide source."""
    truth: Layer | None = None
    """Raster of the true probability of failure, if it is known (synthetic earthquakes). The best
    possible scores and the gap to them are then reported."""


class Maps(Settings):
    """Which maps are made."""

    models: Annotated[Annotated[list[ModelName], Once] | None, Default("all trained models")] = None
    """Models to map."""
    fitted_on: Literal["all", "training"] = "all"
    """Samples that the mapped models are fitted on. `all`: every sample. A calibration is then
    fitted on predictions for held-out landslides, and its level is set so that the expected
    landslide area equals the mapped one. `training`: the training rows of the first split of
    `pixel`, as with the preset `paper`. Scores are always those of models that were fitted on
    training rows alone."""
    shows: Literal["susceptibility", "probability"] = "susceptibility"
    """`susceptibility`: probability at the share of sources in the training sample. `probability`:
    corrected to the share of source cells in the training area, that is, the expected share of the
    ground that fails. Maps of published formulas (newmark, jessee2018, jessee2022) show their own
    values in both cases."""
    members: Annotated[int, Field(ge=0)] = 0
    """Size of the ensemble of each model. Every member is trained on resampled landslides, and the
    mean and standard deviation of the members are mapped. 0: no ensemble; 10 members are enough for
    a good estimate of the spread."""
    spread: Annotated[
        Literal["best"] | Annotated[list[ModelName], Once] | None, Default("all mapped models")
    ] = None
    """Models with an ensemble. `best`: the mapped model with the highest AUC under the strictest
    protocol."""
    applicability: bool = True
    """Map the dissimilarity of each cell to the training data."""
    breaks: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Ascending] = [
        0.2, 0.4, 0.6, 0.8,
    ]  # fmt: skip
    """Limits between the classes of the class map, as susceptibility, in ascending order."""

    @model_validator(mode="after")
    def _spread_is_mapped(self) -> Maps:
        for name in [] if self.spread in (None, "best") else self.spread:
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
    any other layer that a factor uses."""
    factors: dict[str, FactorSettings] = {}
    """Options of the 14 factors by code, and further factors."""
    masks: list[Mask] = []
    """Ground where no landslide can occur: never sampled, and mapped as `map_value` states."""
    inventory: Inventory = Inventory()
    sources: Sources = Sources()
    samples: Samples = Samples()
    models: Models = Models()
    evaluation: Evaluation = Evaluation()
    map: Maps = Maps()
    shaking: Shaking = Shaking()
    exposure: Exposure = Exposure()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        data = presets.completed(data)
        if isinstance(data.get("factors", {}), Mapping):
            layers = data.get("layers", {})
            known = layers if isinstance(layers, Mapping) else {}
            data["factors"] = fill_factors(data.get("factors", {}), known)
        return data

    @model_validator(mode="after")
    def _layers_are_used(self) -> Study:
        wanted = {f.layer for f in self.factors.values() if isinstance(f, LayerFactor)}
        # The grid needs the DEM, and the epicentre is no layer.
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
) -> tuple[Study, dict[str, TomlValue]]:
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
    document, base = read(path, data, overrides)
    return validate(document, base, str(path)), document


def read(
    path: Path, data: Path | None = None, overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], Path]:
    """Read the document of a study file, and return it with the folder of relative paths.

    Parameters and errors as for `load`; no value is validated.
    """
    document = documents.read(path)
    for item in overrides:
        documents.override(document, item)
    if data is not None and (too_long(data) or not data.is_dir()):
        raise InputError(f"--data {shortened(str(data), 300)}: no such folder")
    return document, (data or path.parent).resolve()


def default_folder(path: Path) -> Path:
    """Return the folder of results of a study file.

    It is the study's own folder if that holds results, as `rapid` leaves them; else one in `runs`,
    named as the study's folder or as the file itself.
    """
    if path.stem != "study":
        return Path("runs") / path.stem
    if (path.parent / ".work" / "made").is_dir():
        return path.parent
    # Many studies have a `study.toml`: their folders tell them apart.
    return Path("runs") / path.resolve().parent.name


def validate(document: Mapping[str, TomlValue], base: Path, where: str) -> Study:
    """Return the study of a parsed document; errors name `where`."""
    try:
        return Study.model_validate(document, context={"base": base})
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """Return a validation error as one line in the study file's own terms."""
    problems = error.errors()
    first = problems[0]
    # pydantic puts the tag of a union into the place, where the file has no such key.
    functions = {*FACTOR_FUNCTIONS, OWN}
    where = [shortened(str(p)) for p in first["loc"] if str(p) not in functions]
    # Without the words that pydantic puts before ours.
    message = PLAIN.get(first["type"]) or re.sub(r"^(Value|Assertion) error, ", "", first["msg"])
    branches = _branches(problems)
    if len(branches) > 1:
        # One problem for each thing that the key may be: told as one.
        where = where[:-1]
        message = f"Input should be {wanted(_annotation(first['loc'][:-1]))}"
        problems = [first, *(p for p in problems if p not in branches)]
    if first["type"] == "list_type" and isinstance(first["input"], Mapping):
        message = f"is a list of tables: write [[{'.'.join(where)}]] above its keys"
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
    """Return what a key may be, in words: `'auto' or a whole number of at least 16`."""
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
    words = {"ge": "of at least {}", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    words["multiple_of"] = "and a multiple of {}"
    told = [w.format(getattr(m, k)) for k, w in words.items() for m in given if hasattr(m, k)]
    return "".join(f" {w}" for w in told)


def choices(annotation: Any) -> list[str]:
    """Return what a key may be where that is a choice of words, else nothing."""
    told = alternatives(annotation)
    return told if len(told) > 1 and any(text.startswith("'") for text in told) else []
