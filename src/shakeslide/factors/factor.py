"""Factors as data, and the functions that compute them.

A `Factor` is data: code, name, unit, kind, where it comes from, how far it looks at the DEM
around a tile, and a function of the tile. A `FactorFunction` makes factors from settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.factors import terrain
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.geo.grid import Tile
from shakeslide.io import map_tags
from shakeslide.io.raster import RasterSource
from shakeslide.study.factor_settings import FactorBase
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

T = TypeVar("T")
Float = NDArray[np.float32]
Kind = Literal["continuous", "circular", "axial", "categorical"]
Options = Mapping[str, JsonValue]
"""Settings of a factor by key, as JSON has them."""


class TileInputs:
    """One tile of the grid with the DEM around it; what several factors share is computed once.

    Parameters
    ----------
    grid : GeoBox
        The whole grid.
    tile : Tile
        The tile to compute.
    dem : RasterSource
        Elevation.
    halo : (int, int)
        Rows and columns of DEM needed around the tile, the most of all factors.
    """

    def __init__(self, grid: GeoBox, tile: Tile, dem: RasterSource, halo: tuple[int, int]) -> None:
        self.grid, self.tile, self.dem, self.halo = grid, tile, dem, halo
        self.x, self.y = grids.cell_centres(grid, tile)
        self.dx, self.dy = grids.cell_size(grid)
        self._shared: dict[str, tuple[Hashable, Any]] = {}

    def shared(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """Return what several factors of the tile have in common, made once.

        Only the last of a kind is kept, so that the memory does not grow with the scales: factors
        that share something follow one another.

        Parameters
        ----------
        kind : str
            What it is.
        key : hashable
            All that its values depend on beside the tile.
        make : callable
            Makes it.
        """
        found = self._shared.get(kind)
        if found is None or found[0] != key:
            # The one before is released before the next takes memory.
            self._shared.pop(kind, None)
            found = self._shared[kind] = (key, make())
        made: T = found[1]
        return made

    @cached_property
    def _window(self) -> tuple[Tile, Float]:
        outer = self.tile.grown(self.halo, grids.shape_of(self.grid))
        return outer, self.dem.read(grids.window(self.grid, outer))

    def elevation(self, halo: tuple[int, int] = (0, 0)) -> tuple[Float, tuple[slice, slice]]:
        """Return elevation with a halo (stopped at the edges), and the tile's slices in it.

        Parameters
        ----------
        halo : (int, int)
            Rows above and below, and columns left and right, that are added to the tile.

        Returns
        -------
        z : array, (rows, cols) float32
            Metres, of the tile and its halo; NaN where unknown.
        inner : (slice, slice)
            Rows and columns of the tile in `z`.
        """
        outer, z = self._window
        wanted = self.tile.grown(halo, grids.shape_of(self.grid))
        return np.ascontiguousarray(z[wanted.within(outer)]), self.tile.within(wanted)

    @cached_property
    def derivatives(self) -> terrain.Derivatives:
        """Slope, aspect from true north, and curvature of the tile."""
        z, inner = self.elevation((1, 1))
        slope, aspect, curvature = (a[inner] for a in terrain.derivatives(z, self.dx, self.dy))
        north = projection.true_north(self.grid)
        return terrain.Derivatives(slope, terrain.turned(aspect, self.tile, north), curvature)


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One factor of a study, ready to be computed on any tile.

    Attributes
    ----------
    code, name, unit : str
        The field's short name, its name, its unit.
    kind : {"continuous", "circular", "axial", "categorical"}
        How it may be encoded: angles of 360 or 180 degrees, classes.
    definition, citation, source : str
        How it is computed, after whom, from which data.
    compute : callable
        TileInputs -> (rows, cols) float32, NaN where inputs miss.
    halo : (int, int)
        Rows and columns of DEM needed around a tile.
    legend : mapping of int to str
        Names of the classes of a categorical factor.
    settings : mapping
        The settings that the values depend on, for fingerprints; files by their content.
    layer : str
        Name of the layer it is made from.
    layers : tuple of str
        Names of all layers that its values depend on.
    notes, warnings : tuple of str
        What was left out of the layer; what to think about.
    whole : tuple of Whole
        What must be made over the whole grid before any tile.
    options : mapping
        The settings as the study has them, defaults included, without names of files: what another
        study must set for the same factor.
    """

    code: str
    name: str
    unit: str
    kind: Kind
    definition: str
    citation: str
    source: str
    compute: Callable[[TileInputs], Float]
    halo: tuple[int, int] = (0, 0)
    legend: Mapping[int, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: tuple[Whole, ...] = ()
    options: Options = field(default_factory=dict)

    def essence(self) -> list[Any]:
        """Return what its values depend on beside the grid and its layers."""
        # `definition`, `citation` and `name` are words about the function: no value follows from
        # them, and they are among the labels (`tags`), so that new words are written beside the
        # values. The function itself is in `settings`, with the version of the package that
        # brings it; ours change with the version of shakeslide, which every mark holds.
        return [self.code, self.kind, self.unit, dict(self.legend), dict(self.settings)]

    def tags(self) -> dict[str, str]:
        """Return what a factor's file says of itself."""
        out = {
            "code": self.code,
            "name": self.name,
            "unit": self.unit,
            "kind": self.kind,
            "definition": self.definition,
            "citation": self.citation,
            "source": self.source,
        }
        if self.options:
            out["settings"] = json.dumps(dict(self.options), sort_keys=True)
        return out | map_tags.of_classes(self.legend)


@dataclass(frozen=True)
class Made:
    """What a function makes of its settings: the computation and what is known only then.

    A `unit`, `definition` or `citation` that is None is the one that the `FactorFunction` declares.
    """

    compute: Callable[[TileInputs], Float]
    _: KW_ONLY
    halo: tuple[int, int] = (0, 0)
    legend: Mapping[int, str] = field(default_factory=dict)
    unit: str | None = None
    definition: str | None = None
    citation: str | None = None
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    whole: tuple[Whole, ...] = ()


class Whole(Protocol):
    """A file that must be made over the whole grid before any tile can be computed."""

    @property
    def path(self) -> Path:
        """The file; its name holds a fingerprint of all that it depends on."""

    @property
    def group(self) -> Hashable:
        """Files of one group are made together."""

    def make(self, together: Sequence[Any]) -> None:
        """Make the files of one group."""


@dataclass(frozen=True)
class Sources:
    """What functions make factors from: grid, layers and event of the study.

    Attributes
    ----------
    grid : GeoBox
        The grid.
    layers : mapping
        The study's layers by name.
    event : Event
        The earthquake.
    work : Path
        Folder for what is made over the whole grid.
    digest : callable, optional
        Returns a fingerprint of a file's content; default: of its size and time.
    """

    grid: GeoBox
    layers: Mapping[str, Layer]
    event: Event
    work: Path = Path("work")
    digest: Callable[[Path], str] | None = None

    def content(self, path: Path) -> str:
        """Return a fingerprint of a file's content."""
        if self.digest is not None:
            return self.digest(path)
        stat = path.stat()
        return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"

    def layer(self, name: str, code: str) -> Layer:
        """Return the layer a factor asks for, or say how to give it or do without."""
        if not name:
            raise InputError(f"[factors.{code}] needs layer = the name of a layer of [layers]")
        if name not in self.layers:
            near = did_you_mean(name, self.layers) if self.layers else ""
            raise InputError(
                f"[layers.{name}] is missing, which factor {code} needs.{near} Add it, or leave "
                f"the factor out with `use = false` in [factors.{code}]"
            )
        return self.layers[name]


@dataclass(frozen=True)
class Travel:
    """Whether a factor means the same at another earthquake, and when it is known there.

    Attributes
    ----------
    available : {"before", "shaking", "rupture", "days", "inventory"}
        From when on: before any earthquake, with the first ShakeMap, with a model of the rupture,
        after days, with mapped landslides.
    travels : {"yes", "relative", "no"}
        "relative": not itself, but another form of it does.
    why : str
        Of what does not travel: the reason, and what to use instead.
    """

    available: Literal["before", "shaking", "rupture", "days", "inventory"] = "before"
    travels: Literal["yes", "relative", "no"] = "yes"
    why: str = ""


UNDECLARED = Travel(travels="no", why="its package does not declare whether it travels")


@dataclass(frozen=True, kw_only=True)
class FactorFunction:
    """A way to make factors, named by `function` in a factor's table.

    Attributes
    ----------
    kind, unit, definition, citation
        Of the factors, see `Factor`.
    inputs : tuple of str
        What they need: "layer" (their table names it), "dem", "event".
    make : callable
        (settings, code, Sources) -> Made.
    settings : type, optional
        Of a package's own function: the class of its table, a `FactorBase` or `LayerFactor` with
        its options.
    travel : Travel or callable
        Whether its factors may be learnt from at other earthquakes. A callable takes the settings
        and the unit, where it depends on them.
    """

    kind: Kind
    unit: str
    inputs: tuple[str, ...]
    definition: str
    citation: str
    make: Callable[[Any, str, Sources], Made]
    settings: type[FactorBase] | None = None
    travel: Travel | Callable[[Options, str], Travel] = UNDECLARED
