"""The draw of samples by brute force, and how many cells it holds on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine
from shakeslide.factors import stack as stacks
from shakeslide.geo.grid import Tile
from shakeslide.layers.inventory import Inventory
from shakeslide.layers.polygons import Polygons
from shakeslide.sampling import sample_table, sampling

SIDE, CELL, SEED = 64, 100.0, 7
GRID = GeoBox((SIDE, SIDE), Affine(CELL, 0, 5e5, 0, -CELL, 4e6), CRS("EPSG:32648"))
WHOLE = Tile((0, 0), 0, SIDE, 0, SIDE)
INFOS = tuple(
    stacks.FactorInfo(code=code, name=code, unit="", kind=kind, legend={})
    for code, kind in (("SLO", "continuous"), ("ROCK", "categorical"), ("COVER", "categorical"))
)


def values() -> np.ndarray:
    """Three factors, with gaps; one of the classes has a number far from the others."""
    rng = np.random.default_rng(0)
    slope = rng.random((SIDE, SIDE))
    slope[rng.random(slope.shape) < 0.1] = np.nan
    rock = rng.integers(1, 4, slope.shape)
    cover = np.where(rng.random(slope.shape) < 0.5, 3, 1_000_000)
    return np.stack([slope, rock, cover]).astype(np.float32)


def stack(size: int) -> xr.DataArray:
    whole = values()

    def block(tile: Tile) -> np.ndarray:
        return whole[:, tile.row0 : tile.row1, tile.col0 : tile.col1]

    return stacks.lazy(block, [f.code for f in INFOS], GRID, size)


def landslides() -> Inventory:
    """Two squares of 20 and of 10 cells a side; half of the grid was mapped."""

    def box(col: int, row: int, width: int) -> shapely.Polygon:
        left, top = GRID.affine * (col, row)
        return shapely.box(left, top - width * CELL, left + width * CELL, top)

    shapes = np.array([box(2, 5, 20), box(30, 40, 10)], object)
    outlines = Polygons.on_grid(shapes, np.array([1.0, 2.0]), GRID)
    extent = Polygons.on_grid(np.array([box(0, 0, 50)], object), np.ones(1), GRID)
    return Inventory(outlines, None, outlines, None, extent, shapes)


def drawn(size: int, most: int | None = 30, ratio: float = 2.0) -> sample_table.Samples:
    wanted = sampling.Wanted(ratio=ratio, most=most, seed=SEED)
    return sampling.draw(stack(size), INFOS, landslides(), GRID, wanted, engine=Engine(1))


def by_hand(most: int, ratio: float) -> pd.DataFrame:
    """All cells in a table, sorted by key."""
    row, col = (v.ravel() for v in np.indices((SIDE, SIDE)))
    cells = pd.DataFrame({"row": row, "col": col, "key": sampling.cell_keys(WHOLE, SEED).ravel()})
    for info, layer in zip(INFOS, values(), strict=True):
        cells[info.code] = layer.ravel()
    number = landslides().outlines.burn(WHOLE, fill=0).ravel()
    cells["landslide_id"] = number
    cells = cells[np.isfinite(values()).all(axis=0).ravel() & (row < 50) & (col < 50)]
    cells = cells.sort_values("key")
    sources = cells[cells["landslide_id"] > 0].head(most)
    clear = cells[cells["landslide_id"] == 0].head(round(ratio * len(sources)))
    return pd.concat([sources, clear]).sort_values(["row", "col"], ignore_index=True)


@pytest.mark.parametrize("most", [30, 100_000])
def test_cells_with_the_smallest_keys_are_drawn(most: int) -> None:
    expected = by_hand(most, 2.0)
    table = drawn(16, most).table
    for name in ("row", "col", "landslide_id", "SLO", "ROCK", "COVER"):
        assert table[name].tolist() == expected[name].tolist()
    assert table["label"].tolist() == (expected["landslide_id"] > 0).astype(int).tolist()


def test_areas_of_classes_are_counted_by_squares() -> None:
    rock = values()[1:]
    row, col = np.nonzero(
        np.isfinite(values()).all(axis=0) & (np.indices((SIDE, SIDE)) < 50).all(0)
    )
    # Squares of 250 m over cells of 100 m: some lie in two tiles of 16 cells.
    i, j = ((v + 0.5) * CELL // 250.0 for v in (row, col))
    box = {"x": 5e5 + (j + 0.5) * 250.0, "y": 4e6 - (i + 0.5) * 250.0}
    expected = pd.concat(
        pd.DataFrame({"factor": code, **box, "code": layer[row, col].astype(int)})
        for code, layer in zip(("ROCK", "COVER"), rock, strict=True)
    )
    keys = ["factor", "x", "y", "code"]
    counted = expected.value_counts(keys).sort_index()
    found = drawn(16).areas.set_index(keys)["cells"].sort_index()
    assert found.to_dict() == counted.to_dict()


def test_the_draw_depends_on_no_tile() -> None:
    a, b = drawn(16), drawn(64)
    pd.testing.assert_frame_equal(a.table, b.table)
    pd.testing.assert_frame_equal(a.areas, b.areas)
    assert a.counts == b.counts


@pytest.mark.parametrize("spare", [3.0, 0.5])
def test_few_more_cells_are_held_than_are_drawn(
    monkeypatch: pytest.MonkeyPatch, spare: float
) -> None:
    """Neither all sources nor all clear cells; a guess that is too small is made good."""
    held = []

    def table(parts: list[sampling._Draw], *more: object) -> pd.DataFrame:
        held.append([len(c.key) for d in parts for c in (d.positives, d.clear)])
        return whole(parts, *more)

    whole = sampling._table
    monkeypatch.setattr(sampling, "_table", table)
    monkeypatch.setattr(sampling, "FEWEST", 0)
    monkeypatch.setattr(sampling, "SPARE", spare)
    counts = drawn(16).counts
    assert counts.source_cells > 400
    assert 90 <= sum(held[0]) < 4 * 90
