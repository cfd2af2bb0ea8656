"""All landslides of an inventory separated, in chunks of the grid that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine
from shakeslide.core.files import replacing
from shakeslide.core.progress import Advance, silent
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.layers.polygons import Polygons
from shakeslide.sources import kernels
from shakeslide.sources.change import FEW, MAPPED, Cover, Images, trim
from shakeslide.sources.intake import Intake, Reason, take_in
from shakeslide.sources.landslide import Cells, Landslide
from shakeslide.sources.outlines import Region, Shapes, polygonal, polygons
from shakeslide.sources.separation import WHOLE, Recipe, Separated, separate
from shakeslide.sources.volume import Scaling

CHUNK = 512
"""Side in cells of the squares whose landslides are worked on together."""
SMALL = "smaller_than_a_cell"
GAPS = "partly_without_elevation"
"""Flags: no cell's centre lies in the outline; some cells have no elevation."""
NO_ELEVATION = "no elevation under it"
"""Reason for which an outline is left out."""

COLUMNS = [
    "landslide", "piece", "method", "flags", "split", "area_m2", "source_m2", "length_m",
    "width_m", "drop_m", "reach", "reach_deg", "volume_m3", "crown_x", "crown_y", "crown_z",
    "cells", "source_cells", "change", "contrast", "unchanged_m2", "source", "runout", "unchanged",
]  # fmt: skip

Read = Callable[[GeoBox], NDArray[np.float32]]
"""Returns elevations (m) on a block of the grid, NaN where there are none."""


@dataclass(frozen=True)
class Chunk:
    """Landslides (by place) and the window of the grid that holds all their cells."""

    name: str
    which: NDArray[np.int64]
    window: Tile


@dataclass(frozen=True)
class LeftOut:
    """An outline that was left out: its row in the inventory, and why."""

    landslide: int
    reason: str


@dataclass(frozen=True)
class Account:
    """What became of the outlines.

    Attributes
    ----------
    outlines : int
        All of them: `kept` whole, `split` into several landslides, or `dropped`.
    landslides : int
        Landslides that came of them.
    split_for, dropped_for, flags, methods, change : mapping of str to int
        How many by reason, remark, method and result of the images.
    left_out : tuple of LeftOut
        Those that were dropped, one by one.
    """

    outlines: int
    kept: int
    split: int
    dropped: int
    landslides: int
    split_for: Mapping[str, int]
    dropped_for: Mapping[str, int]
    flags: Mapping[str, int]
    methods: Mapping[str, int]
    change: Mapping[str, int]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Extracted:
    """Sources, and what became of every outline.

    Attributes
    ----------
    table : DataFrame
        A row per landslide found: `landslide` (number of the outline, from 1), `piece` (of the
        outline, from 1), `method`, `flags` and `split` (texts, comma between), `area_m2`,
        `source_m2`, `length_m`, `width_m`, `drop_m`, `reach` (drop over length), `reach_deg`,
        `volume_m3`, `crown_x`, `crown_y`, `crown_z`, `cells`, `source_cells`; `change`, what images
        of before and after have come to (empty without), `contrast` and `unchanged_m2`, the area
        that they took out of the outline; and the polygons `source`, `runout` and `unchanged`
        (WKB; empty where there is none). An outline's unchanged ground is told with its piece 1.
    dropped : dict of int to Reason
        Why an outline (by number) was left out.
    count : int
        Outlines given.
    """

    table: pd.DataFrame
    dropped: dict[int, Reason]
    count: int

    def account(self) -> Account:
        """Return how many outlines were kept, divided and left out, and why; they add up."""
        pieces = self.table.groupby("landslide").size()
        divided = int((pieces > 1).sum())
        first = self.table[self.table["piece"] == 1]
        return Account(
            outlines=self.count,
            kept=len(pieces) - divided,
            split=divided,
            dropped=len(self.dropped),
            landslides=len(self.table),
            split_for=_tally(first["split"]),
            dropped_for=_counts([r.kind for r in self.dropped.values()]),
            flags=_tally(self.table["flags"]),
            methods=_counts(self.table["method"].tolist()),
            change=_tally(first["change"]),
            left_out=tuple(LeftOut(k, str(self.dropped[k])) for k in sorted(self.dropped)),
        )


def _tally(texts: pd.Series) -> dict[str, int]:
    return _counts([word for text in texts for word in text.split(",") if word])


def _counts(words: Sequence[str]) -> dict[str, int]:
    values, counts = np.unique(np.array(words, str), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def extract(
    shapes: Shapes,
    grid: GeoBox,
    read: Read,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    scaling: Scaling | None = None,
    mapped: Polygons | None = None,
    images: Images | None = None,
    engine: Engine | None = None,
    advance: Advance = silent,
) -> Extracted:
    """Separate the source of every landslide from its run-out.

    Parameters
    ----------
    shapes : array, (outlines,) of geometries
        Whole landslides in the grid's CRS, as they come.
    grid : GeoBox
        The grid.
    read : callable
        Elevations on a block of the grid.
    folder : Path
        Where finished chunks wait: a run that was stopped goes on from them. It must be another
        folder when anything else is given.
    recipe : Recipe, optional
        How sources are told; by default S5, S0 where mapped, S3, else S2.
    scaling : Scaling, optional
        Volumes from areas.
    mapped : Polygons, optional
        Source areas as mapped; their value is the number of the outline.
    images : Images, optional
        Before and after: ground that was never bared is taken out of the outlines.
    engine : Engine, optional
        Where to run.
    advance : callable
        Told how many outlines are done, on average, after each chunk; their number in all.
    """
    box = grids.bounds(grid)
    intake = take_in(shapes, (box.left, box.bottom, box.right, box.top))
    held = Polygons.on_grid(intake.shapes, np.arange(1.0, len(intake.shapes) + 1), grid)
    work = _Work(
        intake=intake,
        held=held,
        grid=grid,
        read=read,
        recipe=recipe or Recipe(),
        scaling=scaling or Scaling(),
        mapped=None if mapped is None else _Mapped.sorted(mapped),
        images=images,
        folder=folder,
    )
    cut = chunks(held, grids.shape_of(grid))
    # Differences of rounded sums: they add up to the number of outlines.
    shares = iter(np.diff(np.round(np.linspace(0, len(shapes), len(cut) + 1))))
    (engine or Engine()).map(work, cut, lambda _: advance(float(next(shares))))
    return _gathered(intake, [pd.read_parquet(work.path(c)) for c in cut])


def chunks(held: Polygons, shape: tuple[int, int]) -> list[Chunk]:
    """Cut the landslides on a grid into chunks by the middle of their boxes."""
    live = np.flatnonzero(np.isfinite(held.boxes).all(axis=1))
    if len(live) == 0:
        return []
    boxes = held.boxes[live]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    place = np.clip((middle // CHUNK).astype(np.int64), 0, None)
    across = -(-shape[1] // CHUNK) + 1
    key = place[:, 1] * across + place[:, 0]
    order = np.argsort(key, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
    return [
        Chunk(f"r{place[g[0], 1]:05d}_c{place[g[0], 0]:05d}", live[g], _window(boxes[g], shape))
        for g in groups
    ]


def _window(boxes: NDArray[np.float64], shape: tuple[int, int], margin: int = 1) -> Tile:
    """Return the cells that boxes touch and a margin of cells around."""
    col0, row0 = np.floor(boxes[:, :2].min(axis=0)).astype(int) - margin
    col1, row1 = np.ceil(boxes[:, 2:].max(axis=0)).astype(int) + margin
    row0, row1 = max(0, int(row0)), min(shape[0], int(row1))
    col0, col1 = max(0, int(col0)), min(shape[1], int(col1))
    return Tile((0, 0), row0, max(row0, row1), col0, max(col0, col1))


@dataclass(frozen=True)
class _Regions:
    """What a landslide's polygons are made from; without a source it is all of its outline."""

    source: Region | None = None
    runout: Region | None = None
    unchanged: Region | None = None


@dataclass(frozen=True)
class _Looked:
    """The images around the landslides of a chunk, and which cells lie in outlines."""

    window: Tile
    cover: Cover
    outlined: Cells


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A landslide of a chunk."""

    number: int
    piece: int
    separated: Separated
    regions: _Regions
    window: Tile
    flags: str
    split: str
    change: str
    contrast: float


@dataclass(frozen=True)
class _Mapped:
    """Mapped source areas, found by the number of their outline."""

    held: Polygons
    order: NDArray[np.int64]

    @classmethod
    def sorted(cls, held: Polygons) -> _Mapped:
        return cls(held, np.argsort(held.values, kind="stable"))

    def of(self, number: int) -> NDArray[np.int64]:
        values = self.held.values
        first, last = (
            int(np.searchsorted(values, number, side, sorter=self.order))
            for side in ("left", "right")
        )
        return self.order[first:last]


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Works on one chunk and leaves its table in a file."""

    intake: Intake
    held: Polygons
    grid: GeoBox
    read: Read
    recipe: Recipe
    scaling: Scaling
    mapped: _Mapped | None
    images: Images | None
    folder: Path

    def path(self, chunk: Chunk) -> Path:
        return self.folder / f"{chunk.name}.parquet"

    def __call__(self, chunk: Chunk) -> None:
        path = self.path(chunk)
        if not path.exists():
            table = self._table(chunk)
            with replacing(path) as temporary:
                table.to_parquet(temporary, index=False)

    def _table(self, chunk: Chunk) -> pd.DataFrame:
        window = chunk.window
        z = self.read(grids.window(self.grid, window))
        shape = grids.shape_of(self.grid)
        looked = self._looked(chunk)
        found: list[_Found] = []
        left: list[dict[str, Any]] = []
        for k in chunk.which.tolist():
            tile = _window(self.held.boxes[k : k + 1], shape)
            part = tile.within(window)
            some = self._landslides(k, tile, z[part], looked)
            if some:
                found += some
            else:
                left.append(self._small(k, tile, z[part]))
        rows = pd.DataFrame([*self._rows(found), *left], columns=COLUMNS)
        return rows.sort_values(["landslide", "piece"], kind="stable", ignore_index=True)

    def _looked(self, chunk: Chunk) -> _Looked | None:
        """Return the images around the landslides of a chunk."""
        if self.images is None:
            return None
        margin = self.images.rule.margin(grids.cell_size(self.grid))
        window = _window(self.held.boxes[chunk.which], grids.shape_of(self.grid), margin)
        cover = self.images.read(grids.window(self.grid, window))
        return _Looked(window, cover, self.held.burn(window, 0) > 0)

    def _landslides(
        self, k: int, tile: Tile, z: NDArray[np.float32], looked: _Looked | None
    ) -> list[_Found]:
        """Return the landslides in an outline, none where it has no cell with an elevation."""
        centres = _burn(self.held, [k], tile)
        inside = centres & np.isfinite(z)
        if not inside.any():
            return []
        mapped = self._mapped(k, tile)
        kept, verdict, contrast = inside, "", np.nan
        if self.images is not None and looked is not None:
            kept, verdict, contrast = self._trimmed(k, tile, inside, mapped, looked)
        landslide = Landslide(z, kept, grids.cell_size(self.grid), mapped)
        pieces, reasons = separate(landslide, self.recipe)
        flags = self.intake.flags[k] + ([GAPS] if inside.sum() < centres.sum() else [])
        regions = _regions(pieces, inside & ~kept, tile)
        return [
            _Found(
                number=k + 1,
                piece=i,
                separated=s,
                regions=regions[i - 1],
                window=tile,
                flags=",".join([*flags, *s.flags]),
                split=",".join(reasons),
                change=verdict,
                contrast=contrast,
            )
            for i, s in enumerate(pieces, 1)
        ]

    def _trimmed(
        self, k: int, tile: Tile, inside: Cells, mapped: Cells | None, looked: _Looked
    ) -> tuple[Cells, str, float]:
        """Return the cells that images leave of an outline, what they tell, and the contrast."""
        assert self.images is not None
        if mapped is not None and (mapped & inside).any():
            return inside, MAPPED, np.nan
        rule, cell = self.images.rule, grids.cell_size(self.grid)
        wide = _window(self.held.boxes[k : k + 1], grids.shape_of(self.grid), rule.margin(cell))
        padded, own = np.zeros(wide.shape, np.bool_), tile.within(wide)
        padded[own] = inside
        part = wide.within(looked.window)
        told = trim(padded, looked.cover.part(part), looked.outlined[part], cell, rule)
        return told.kept[own], told.verdict, told.contrast

    def _mapped(self, k: int, tile: Tile) -> Cells | None:
        """Return the cells of an outline's source as mapped, None where none is."""
        if self.mapped is None:
            return None
        own = self.mapped.of(k + 1)
        return _burn(self.mapped.held, own, tile) if len(own) else None

    def _small(self, k: int, tile: Tile, z: NDArray[np.float32]) -> dict[str, Any]:
        """Return the row of an outline without a cell of its own: all of it is source."""
        shape = self.intake.shapes[k]
        # A point within, as a centroid need not be.
        place = shapely.point_on_surface(shape)
        a = self.grid.affine
        row, col = int((place.y - a.f) // a.e) - tile.row0, int((place.x - a.c) // a.a) - tile.col0
        rows, cols = z.shape
        height = float(z[row, col]) if 0 <= row < rows and 0 <= col < cols else np.nan
        area = float(shapely.area(shape))
        unknown = dict.fromkeys(("length_m", "width_m", "drop_m", "reach", "reach_deg"), np.nan)
        return unknown | {
            "landslide": k + 1,
            "piece": 1,
            "method": WHOLE if np.isfinite(height) else "",
            "flags": ",".join([*self.intake.flags[k], SMALL]),
            "split": "",
            "area_m2": area,
            "source_m2": area,
            "volume_m3": float(self.scaling.volume(np.array([area]))[0]),
            "crown_x": place.x,
            "crown_y": place.y,
            "crown_z": height,
            "cells": 0,
            "source_cells": 0,
            "change": "" if self.images is None else FEW,
            "contrast": np.nan,
            "unchanged_m2": 0.0,
            "source": shapely.to_wkb(shape),
            "runout": None,
            "unchanged": None,
        }

    def _rows(self, found: list[_Found]) -> list[dict[str, Any]]:
        """Return the rows of landslides with cells, their polygons cut out of the outlines."""
        whole = self.intake.shapes[[f.number - 1 for f in found]]
        sources = self._cut_out(whole, [f.regions.source for f in found], whole)
        nothing: Shapes = np.full(len(found), shapely.MultiPolygon(), object)
        runouts = self._cut_out(whole, [f.regions.runout for f in found], nothing)
        unchanged = self._cut_out(whole, [f.regions.unchanged for f in found], nothing)
        source_area, runout_area, rest = (shapely.area(s) for s in (sources, runouts, unchanged))
        # The scaling is that of whole outlines, not of sources.
        volumes = self.scaling.volume(source_area + runout_area)
        sources, runouts, unchanged = (shapely.to_wkb(s) for s in (sources, runouts, unchanged))
        return [
            self._attributes(f)
            | {
                "area_m2": source_area[i] + runout_area[i],
                "source_m2": source_area[i],
                "volume_m3": volumes[i],
                "unchanged_m2": rest[i],
                "source": sources[i],
                "runout": runouts[i] if runout_area[i] > 0 else None,
                "unchanged": unchanged[i] if rest[i] > 0 else None,
            }
            for i, f in enumerate(found)
        ]

    def _cut_out(self, whole: Shapes, regions: Sequence[Region | None], none: Shapes) -> Shapes:
        """Return the parts of outlines in regions, and `none` where there is no region."""
        out = none.copy()
        some = np.array([r is not None for r in regions], bool)
        around = polygons([r for r in regions if r is not None], self.grid.affine)
        out[some] = polygonal(shapely.intersection(whole[some], around))
        return out

    def _attributes(self, f: _Found) -> dict[str, Any]:
        s, a = f.separated.landslide, self.grid.affine
        row, col = divmod(s.crown, s.inside.shape[1])
        return {
            "landslide": f.number,
            "piece": f.piece,
            "method": f.separated.method,
            "flags": f.flags,
            "split": f.split,
            "length_m": s.length,
            "width_m": s.width,
            "drop_m": s.drop,
            "reach": s.reach,
            "reach_deg": float(np.degrees(np.arctan(s.reach))),
            "crown_x": a.c + (f.window.col0 + col + 0.5) * a.a,
            "crown_y": a.f + (f.window.row0 + row + 0.5) * a.e,
            "crown_z": float(s.z[row, col]),
            "cells": s.count,
            "source_cells": int(np.count_nonzero(f.separated.source)),
            "change": f.change,
            "contrast": f.contrast,
        }


def _burn(held: Polygons, which: Sequence[int] | NDArray[np.int64], tile: Tile) -> Cells:
    """Return the cells whose centres lie in some of the polygons, whatever lies over them."""
    cells: Cells = held.some(which).burn(tile, 0) > 0
    return cells


def _regions(pieces: Sequence[Separated], unchanged: Cells, tile: Tile) -> list[_Regions]:
    """Return the regions of each piece; together they leave no cell of the window out."""
    only = pieces[0]
    # Nothing to cut: the outline stays as it was drawn.
    if len(pieces) == 1 and bool((only.source == only.landslide.inside | unchanged).all()):
        return [_Regions()]
    label = np.zeros(only.source.shape, np.int32)
    for k, piece in enumerate(pieces):
        label[piece.landslide.inside] = 2 * k + 2
        label[piece.source] = 2 * k + 1
    rest = 2 * len(pieces) + 1
    label[unchanged] = rest
    kernels.spread(label)

    def region(number: int) -> Region | None:
        cells = label == number
        return Region(cells, tile.row0, tile.col0) if cells.any() else None

    return [
        _Regions(region(2 * k + 1), region(2 * k + 2), region(rest) if k == 0 else None)
        for k in range(len(pieces))
    ]


def _gathered(intake: Intake, tables: Sequence[pd.DataFrame]) -> Extracted:
    dropped = {k + 1: reason for k, reason in intake.dropped.items()}
    count = len(intake.shapes)
    if not tables:
        return Extracted(pd.DataFrame(columns=COLUMNS), dropped, count)
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values(["landslide", "piece"], kind="stable", ignore_index=True)
    lost = table["method"] == ""
    dropped |= dict.fromkeys(table.loc[lost, "landslide"].tolist(), Reason(NO_ELEVATION))
    return Extracted(table[~lost].reset_index(drop=True), dropped, count)
