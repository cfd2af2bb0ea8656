"""The map that the page's reader moves: layers as bytes that decode to the files' values."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import shapely
from markupsafe import Markup
from matplotlib.colors import Colormap, Normalize, to_hex
from numpy.typing import NDArray
from PIL import Image

from shakeslide.geo import grid as grids
from shakeslide.io import vector
from shakeslide.io.records import Shapes
from shakeslide.io.style import class_colours
from shakeslide.report import cartography, figures, findings, map_figures, words
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.cartography import Float, Line, View
from shakeslide.report.colouring import PROBABILITY, probability_scale, spread_scale
from shakeslide.report.study_facts import StudyFacts

MOST_CELLS = 1_200_000
"""Cells of the map in the page; of larger grids it shows means."""
CODES = 255
"""Values that a byte tells apart, beside "no value"."""
RARE_CODES, RARE_POWER = 128, 1.5
"""Of probabilities at the area's share of sources: most ground lies near 0, where bins are finer,
and the more bins it falls into the more room the picture takes."""
INDEX_CODES = 40
"""Of the dissimilarity: it is noise from cell to cell, which takes room without telling more."""
LATTICE = 17
"""Places along each side whose longitude and latitude the page is told; between them it
interpolates, wrong by less than the curvature over a 16th of the map."""
OUTLINES = "outlines"
"""The overlay that is shown at first."""
MARK_COLOURS: Mapping[str, str] = {"DR": "#0072b2"}
OTHER_MARKS = ("#1b1f24", "#6a3d9a", "#8c510a", "#006d5b")


@dataclass(frozen=True)
class Coded:
    """A raster in a byte a cell.

    Attributes
    ----------
    codes : array, (rows, cols) uint8
        0 where there is no value, else 1 + the bin that the value lies in.
    edges : array, (bins + 1,)
        Of the bins, upwards; a value on an edge belongs to the bin below.
    """

    codes: NDArray[np.uint8]
    edges: Line

    @property
    def values(self) -> Line:
        """Middles of the bins, (bins,)."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    @property
    def halves(self) -> Line:
        """How far a value may be from the middle of its bin, (bins,)."""
        # A bin may be as narrow as rounding; its precision is not told as 0.
        return np.maximum((self.edges[1:] - self.edges[:-1]) / 2, 1e-7)


@dataclass(frozen=True)
class Legend:
    """What the colours of a layer mean: a bar, swatches or both.

    Attributes
    ----------
    title : str
        What is shown.
    bar : sequence of str
        Colours at even steps from the lowest to the highest value.
    ends : (str, str)
        The bar's ends.
    swatches : sequence of (colour, name)
        Of single colours.
    precision : str
        How far a told value may be from the file's.
    """

    title: str
    bar: Sequence[str] = ()
    ends: tuple[str, str] = ("", "")
    swatches: Sequence[tuple[str, str]] = ()
    precision: str = ""


@dataclass(frozen=True)
class CodedPicture:
    """A picture of codes as a data URI, and a sum that shows whether it was decoded right."""

    uri: str
    sum: int


@dataclass(frozen=True, kw_only=True)
class LayerData:
    """What the script needs of a layer.

    Attributes
    ----------
    image : int
        Place of its picture among those of the map.
    colours : str
        By code, as hexadecimal digits.
    values, halves : sequence of float
        By code, the value and how far the file's may be from it; of classes none.
    names : sequence of str
        Of classes by code; of values none.
    """

    image: int
    colours: str
    values: Sequence[float] = ()
    halves: Sequence[float] = ()
    names: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Lines to lay over a layer: steps in `unit` metres from the map's upper left corner."""

    id: str
    name: str
    colour: str
    shown: bool
    width: float
    unit: float
    lines: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Longitudes and latitudes at `side` × `side` even places, row by row from the top."""

    side: int
    lon: Sequence[float]
    lat: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class MapData:
    """What the script reads, as JSON: lengths in metres, `corner` the upper left one."""

    crs: str
    corner: tuple[float, float]
    size: tuple[float, float]
    cell: tuple[float, float]
    shape: tuple[int, int]
    lattice: Lattice | None
    shade: str | None
    images: Sequence[CodedPicture]
    layers: Mapping[str, LayerData]
    overlays: Mapping[str, Overlay]


@dataclass(frozen=True)
class Layer:
    """A layer to choose."""

    id: str
    group: str
    name: str
    legend: Legend
    data: LayerData


@dataclass(frozen=True)
class InteractiveMap:
    """What the page's template needs.

    Attributes
    ----------
    layers : sequence of Layer
        To choose from.
    step : int
        Cells of the files along a cell of the map.
    data : MapData
        For the script.
    script : Markup
        The script itself.
    policy : str
        Hash that lets this script run, and no other.
    """

    layers: Sequence[Layer]
    step: int
    data: MapData
    script: Markup
    policy: str

    @property
    def groups(self) -> dict[str, list[Layer]]:
        """Layers by their group, in order."""
        named: dict[str, list[Layer]] = {}
        for layer in self.layers:
            named.setdefault(layer.group, []).append(layer)
        return named


def interactive_map(
    run: Artefacts, study: StudyFacts, most: int = MOST_CELLS
) -> InteractiveMap | None:
    """Return the map of a run, None where no model has been mapped.

    Parameters
    ----------
    run : Artefacts
        The run.
    study : StudyFacts
        Its outlines and marks are laid over the maps.
    most : int
        Most cells to carry; of a larger grid the page carries means over squares of cells.

    Raises
    ------
    InputError
        A map or `sources.gpkg` cannot be read.
    """
    if not run.maps:
        return None
    # By the number of cells, which is what makes the page large, not by the longer side.
    view = View(run.grid, _longest(grids.shape_of(run.grid), most))
    images: list[CodedPicture] = []
    layers = [x for files in findings.ranked(run) for x in _model(files, view, images)]
    layers += _applicability(run, view, images)
    overlays = _overlays(run, study, view)
    shade = cartography.relief(view, run.elevation)
    left, right, bottom, top = view.extent
    data = MapData(
        crs=grids.crs_name(run.grid.crs),
        corner=(left, top),
        size=(right - left, top - bottom),
        cell=view.cell,
        shape=view.shape,
        lattice=_lattice(view),
        shade=None if shade is None else _photo(shade),
        images=images,
        layers={layer.id: layer.data for layer in layers},
        overlays={overlay.id: overlay for overlay in overlays},
    )
    text = resources.files("shakeslide.report").joinpath("templates/map.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return InteractiveMap(layers, view.step, data, Markup(text), f"sha256-{digest}")


def _longest(shape: tuple[int, int], most: int) -> int:
    """Return the longer side, in cells, of the finest picture of at most `most` cells."""
    step = 1
    while math.prod(-(-n // step) for n in shape) > most:
        step *= 2
    return -(-max(shape) // step)


# ------------------------------------------------------------------ bytes


def coded(
    values: Float, limit: float | None = None, *, power: float = 1.0, count: int = CODES
) -> Coded:
    """Return values in bins from 0 (or the lowest) to the highest.

    Parameters
    ----------
    values : array, (rows, cols) float32
        NaN where unknown.
    limit : float, optional
        Value that must be an edge of bins, so that what lies beyond it is told exactly.
    power : float
        1 for bins of one width; above, bins near 0 are finer.
    count : int
        Bins, up to 255.
    """
    known = values[np.isfinite(values)].astype(float)
    low = min(0.0, float(known.min(initial=0.0)))
    high = max(float(known.max(initial=low)), low + 1e-6)
    edges = low + (high - low) * np.linspace(0, 1, count + 1) ** power
    if limit is not None and limit < high:
        # In place of the nearest edge, but for the first.
        edges[1 + np.abs(edges[1:-1] - limit).argmin()] = limit
    # From the left: a value on an edge belongs to the bin below.
    codes = np.searchsorted(edges[1:-1], np.nan_to_num(values).astype(float), side="left") + 1
    return Coded(np.where(np.isfinite(values), codes, 0).astype(np.uint8), edges)


def _exact(codes: NDArray[np.uint8]) -> CodedPicture:
    """Return a picture with a sum of its codes, by which the page knows that it decoded them."""
    uri = figures.data_uri(Image.fromarray(codes), lossless=True, quality=60)
    # Weighted by place, so that swapped cells show; exact in a script's numbers (below 2^53).
    weights = np.arange(codes.size, dtype=np.int64) % 251 + 1
    return CodedPicture(uri, int((codes.ravel() * weights).sum()))


def _photo(shade: Float) -> str:
    # Darker than under points and lines: it must show through the layer.
    grey = cartography.picture(np.asarray(0.1 + 0.9 * shade, np.float32))
    return figures.data_uri(Image.fromarray(grey), quality=35)


def _short(values: Line) -> list[float]:
    return [float(f"{v:.6g}") for v in values]


def _hex(colours: Sequence[str]) -> str:
    return "".join(c[1:] for c in colours)


# ------------------------------------------------------------------ layers


def _model(files: MapFiles, view: View, images: list[CodedPicture]) -> list[Layer]:
    """Return a model's layers."""
    p, rare = view.read(files.probability), not files.balanced
    power, count = (RARE_POWER, RARE_CODES) if rare else (1.0, CODES)
    group = f"{words.model_title(files.model)} ({files.model})"
    ramp = _Ramp(probability_scale(p, files.balanced), PROBABILITY)
    byte = coded(p, power=power, count=count)
    layers = [
        _valued(f"{files.model}-probability", group, files.title, byte, ramp, images),
        _classed(files, group, view, images),
    ]
    if files.spread is not None:
        sd = view.read(files.spread)
        ramp, byte = _Ramp(spread_scale(sd), map_figures.SPREAD), coded(sd, count=RARE_CODES)
        name = f"{files.model}-sd"
        layers.append(_valued(name, group, "Standard deviation", byte, ramp, images))
    return layers


@dataclass(frozen=True)
class _Ramp:
    norm: Normalize
    colours: Colormap

    def __call__(self, value: float) -> str:
        return to_hex(self.colours(min(max(float(self.norm(value)), 0.0), 1.0)))


def _valued(
    name: str,
    group: str,
    title: str,
    byte: Coded,
    colour: _Ramp,
    images: list[CodedPicture],
    limit: float = math.inf,
) -> Layer:
    """Return a layer of values; beyond `limit`, all are of one colour."""
    images.append(_exact(byte.codes))
    low, high = float(colour.norm.vmin or 0), float(colour.norm.vmax or 1)
    # Beyond the bar all have its last colour; beyond a limit they have another one.
    more = byte.edges[-1] > high * (1 + 1e-6) and limit == math.inf
    legend = Legend(
        title,
        [colour(v) for v in np.linspace(low, high, 13)],
        (f"{low:.3g}", f"{high:.3g}" + (" and more" if more else "")),
        [(map_figures.OUTSIDE, "outside the training conditions")] * (limit < math.inf),
        _precision(byte),
    )
    data = LayerData(
        image=len(images) - 1,
        values=_short(byte.values),
        halves=_short(byte.halves),
        colours=_hex([map_figures.OUTSIDE if v > limit else colour(v) for v in byte.values]),
    )
    return Layer(name, group, _with_model(title, name), legend, data)


def _precision(byte: Coded) -> str:
    """Return the coarsest half bin, rounded up to two digits."""
    widest = float(byte.halves.max())
    digits = 1 - math.floor(math.log10(widest))
    return f"{math.ceil(widest * 10**digits - 1e-6) / 10**digits:.{max(digits, 0)}f}"


def _classed(files: MapFiles, group: str, view: View, images: list[CodedPicture]) -> Layer:
    """Return the layer of a model's classes."""
    codes = np.nan_to_num(view.read(files.classes, average=False)).astype(np.uint8)
    images.append(_exact(codes))
    colours = dict(zip(files.class_names, class_colours(len(files.class_names)), strict=True))
    every = range(1, int(codes.max(initial=0)) + 1)
    data = LayerData(
        image=len(images) - 1,
        colours=_hex([colours.get(code, "#888888") for code in every]),
        names=[files.class_names.get(code, str(code)) for code in every],
    )
    swatches = [(colour, files.class_names[code]) for code, colour in colours.items()]
    legend = Legend(files.title_of_classes, swatches=swatches)
    name = f"{files.model}-class"
    return Layer(name, group, _with_model("Classes", name), legend, data)


def _with_model(title: str, layer: str) -> str:
    """Return a title with its model's code, for lists that do not show the group."""
    model, _, _ = layer.rpartition("-")
    return f"{title} ({model.upper()})" if model else title


def _applicability(run: Artefacts, view: View, images: list[CodedPicture]) -> list[Layer]:
    told = run.applicability
    if told is None:
        return []
    index = view.read(told.path, average=False)
    # As the map has it, so that a cell at the limit lies on the edge of a bin.
    limit = float(np.float32(told.threshold))
    byte = coded(index, limit, count=INDEX_CODES)
    title = "Dissimilarity to the training data"
    group = "All models"
    ramp = _Ramp(Normalize(0, limit), map_figures.INSIDE)
    return [_valued("applicability", group, title, byte, ramp, images, limit=limit)]


# ------------------------------------------------------------------ lines


def _overlays(run: Artefacts, study: StudyFacts, view: View) -> list[Overlay]:
    overlays = [_polygons(OUTLINES, "Mapped landslides", study.outlines, view)]
    if (path := run.out / "sources.gpkg").exists():
        source = vector.VectorSource(path, "sources", layer="source")
        found = vector.read(source, grids.crs_of(run.grid), "polygon").geometry
        overlays.append(
            _polygons("sources", "Source areas", found, view, map_figures.SOURCE_COLOUR)
        )
    drawn: list[list[Line]] = []
    for code, shapes in study.marks.items():
        factor, lines = run.factor(code), _lines(shapes, view)
        # Several factors may come from the same lines.
        if factor is None or not lines or any(_same(lines, other) for other in drawn):
            continue
        colour = MARK_COLOURS.get(code, OTHER_MARKS[len(drawn) % len(OTHER_MARKS)])
        drawn.append(lines)
        name = f"Lines of {code}: {factor.info.name}"
        overlays.append(_overlay(f"lines-{code}", name, colour, lines, view))
    return [overlay for overlay in overlays if overlay.lines]


def _polygons(
    name: str, title: str, shapes: Shapes, view: View, colour: str = map_figures.OUTLINE
) -> Overlay:
    # What lies beyond the map would only make the page larger.
    inside = shapes[shapely.intersects(shapes, _frame(view))]
    return _overlay(name, title, colour, cartography.outline_rings(inside, view), view)


def _overlay(name: str, title: str, colour: str, lines: Sequence[Line], view: View) -> Overlay:
    """Return lines as steps in eighths of a cell from the corner: a third of the room."""
    left, _, _, top = view.extent
    unit = min(view.cell) / 8
    steps = []
    for line in lines:
        places = np.round((line - (left, top)) * (1, -1) / unit).astype(np.int64)
        steps.append(np.diff(places, axis=0, prepend=0).ravel().tolist())
    thick = name.startswith("lines")
    return Overlay(
        id=name, name=title, colour=colour, shown=name == OUTLINES,
        width=1.6 if thick else 0.9, unit=unit, lines=steps,
    )  # fmt: skip


def _lines(shapes: Shapes, view: View) -> list[Line]:
    """Return the lines among some shapes that cross the map, as finely as it can show them."""
    geometry = shapely.get_parts(shapes)
    # Lines only (types 1 and 2 of shapely: LineString, LinearRing).
    geometry = geometry[np.isin(shapely.get_type_id(geometry), (1, 2))]
    left, right, bottom, top = view.extent
    cut = shapely.get_parts(shapely.clip_by_rect(geometry, left, bottom, right, top))
    cut = cut[shapely.get_type_id(cut) == 1]
    simple = shapely.simplify(cut, 0.4 * min(view.cell))
    return [shapely.get_coordinates(g) for g in simple if not g.is_empty]


def _same(lines: Sequence[Line], others: Sequence[Line]) -> bool:
    return len(lines) == len(others) and all(map(np.array_equal, lines, others))


def _frame(view: View) -> shapely.Polygon:
    left, right, bottom, top = view.extent
    return shapely.box(left, bottom, right, top)


def _lattice(view: View) -> Lattice | None:
    """Return longitudes and latitudes at even places over the map, row by row from the top."""
    left, right, bottom, top = view.extent
    x, y = np.meshgrid(np.linspace(left, right, LATTICE), np.linspace(top, bottom, LATTICE))
    lon, lat = cartography.geographic(view, x.ravel(), y.ravel())
    # Across 180 degrees the page would interpolate the long way round.
    if not np.isfinite([lon, lat]).all() or np.ptp(lon) > 180:
        return None
    return Lattice(side=LATTICE, lon=np.round(lon, 6).tolist(), lat=np.round(lat, 6).tolist())
