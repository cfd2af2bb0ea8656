"""Whole inventories: polygons out of cells, every outline accounted for, whatever the workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide import sources
from shakeslide.core.engine import Engine
from shakeslide.geo import grid as grids
from shakeslide.layers.polygons import Polygons
from shakeslide.sources import extraction

from . import terrain

ROWS, COLS = 700, 640
GRID = terrain.grid(ROWS, COLS)


def reader(z: NDArray) -> Callable[[GeoBox], NDArray]:
    def read(block: GeoBox) -> NDArray:
        a, b = GRID.affine, block.affine
        row, col = round((b.f - a.f) / a.e), round((b.c - a.c) / a.a)
        return z[row : row + block.shape[0], col : col + block.shape[1]].copy()

    return read


def hills() -> NDArray[np.float32]:
    y, x = np.mgrid[0:ROWS, 0:COLS] * terrain.CELL
    return (1500 + 300 * np.sin(x / 700) * np.cos(y / 900) + 0.05 * x).astype(np.float32)


def box(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    x, y = terrain.WEST + col * terrain.CELL, terrain.NORTH - row * terrain.CELL
    return shapely.box(x, y - height * terrain.CELL, x + width * terrain.CELL, y)


def blobs(count: int) -> NDArray[np.object_]:
    """Ragged outlines of many sizes."""
    rng = np.random.default_rng(8)
    shapes = []
    for _ in range(count):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 10))
        radius = rng.lognormal(4.2, 0.8) * rng.uniform(0.6, 1.4, 10)
        x = terrain.WEST + rng.uniform(500, 12_000)
        y = terrain.NORTH - rng.uniform(500, 13_000)
        ring = np.column_stack([x + 0.5 * radius * np.sin(angle), y + 2 * radius * np.cos(angle)])
        shapes.append(shapely.Polygon(ring).buffer(0))
    return np.array([s for s in shapes if s.area > 0 and s.geom_type == "Polygon"], object)


SHAPES = blobs(150)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> sources.Extracted:
    folder = tmp_path_factory.mktemp("chunks")
    return sources.extract(SHAPES, GRID, reader(hills()), folder, engine=Engine(1))


def one(z: NDArray, *shapes: shapely.Geometry, folder: Path, **options: object) -> pd.DataFrame:
    made = sources.extract(np.array(shapes, object), GRID, reader(z), folder, **options)  # type: ignore[arg-type]
    return made.table


def test_source_and_run_out_make_up_the_outline(extracted: sources.Extracted) -> None:
    table = extracted.table
    parts: dict[int, list[shapely.Geometry]] = {}
    for number, source, runout in table[["landslide", "source", "runout"]].itertuples(index=False):
        parts.setdefault(number, []).append(shapely.from_wkb(source))
        if runout is not None:
            parts[number].append(shapely.from_wkb(runout))
    assert sorted(parts) == list(range(1, len(SHAPES) + 1))
    for number, shapes in parts.items():
        outline = SHAPES[number - 1]
        assert sum(s.area for s in shapes) == pytest.approx(outline.area, rel=1e-9)
        assert shapely.union_all(shapes).symmetric_difference(outline).area < 1e-3
        assert all(s.is_valid for s in shapes)
    assert table["method"].isin(["S3", "S2", "whole"]).all()
    assert (table["method"] == "S3").sum() > 50
    assert (table["source_cells"] >= np.minimum(4, table["cells"])).all()


def test_source_polygons_hold_the_source_cells(extracted: sources.Extracted) -> None:
    table = extracted.table
    shapes = np.asarray(shapely.from_wkb(table["source"].to_numpy()), object)
    burnt = Polygons.on_grid(shapes, np.ones(len(shapes)), GRID).centres((ROWS, COLS))
    assert (burnt == table["source_cells"]).all()


def test_attributes_are_those_of_a_gully(tmp_path: Path) -> None:
    z = np.broadcast_to(3000 - 10.0 * np.arange(ROWS)[:, None], (ROWS, COLS)).astype(np.float32)
    table = one(z, box(100, 50, 1, 30), folder=tmp_path)
    row = table.iloc[0]
    assert row["length_m"] == pytest.approx(600)
    assert row["drop_m"] == pytest.approx(290)
    assert row["reach"] == pytest.approx(290 / 600)
    assert row["reach_deg"] == pytest.approx(np.degrees(np.arctan(290 / 600)))
    assert row["width_m"] == pytest.approx(4 * 12_000 / (np.pi * 600))
    assert row["area_m2"] == pytest.approx(12_000)
    assert row["volume_m3"] == pytest.approx(10**-0.836 * 12_000**1.332)
    assert row["crown_x"] == terrain.WEST + 100.5 * terrain.CELL
    assert row["crown_y"] == terrain.NORTH - 50.5 * terrain.CELL
    assert row["crown_z"] == pytest.approx(2500)
    assert row["source_cells"] == 4
    assert shapely.from_wkb(row["source"]).equals(box(100, 50, 1, 4))


def test_workers_and_order_do_not_matter(extracted: sources.Extracted, tmp_path: Path) -> None:
    again = sources.extract(SHAPES, GRID, reader(hills()), tmp_path, engine=Engine(4))
    pd.testing.assert_frame_equal(extracted.table, again.table)


def test_a_stopped_run_goes_on_from_its_chunks(
    extracted: sources.Extracted, tmp_path: Path
) -> None:
    reads: list[GeoBox] = []

    def failing(block: GeoBox) -> NDArray:
        if len(reads) == 2:
            raise KeyboardInterrupt
        reads.append(block)
        return reader(hills())(block)

    with pytest.raises(KeyboardInterrupt):
        sources.extract(SHAPES, GRID, failing, tmp_path, engine=Engine(1))
    waiting = len(list(tmp_path.glob("*.parquet")))
    assert waiting >= 1
    more: list[GeoBox] = []

    def read(block: GeoBox) -> NDArray:
        more.append(block)
        return reader(hills())(block)

    told: list[float] = []
    again = sources.extract(SHAPES, GRID, read, tmp_path, engine=Engine(1), advance=told.append)
    everything = len(list(tmp_path.glob("*.parquet")))
    assert len(more) == everything - waiting
    assert sum(told) == len(SHAPES)
    pd.testing.assert_frame_equal(extracted.table, again.table)


def test_size_of_chunks_does_not_matter(
    extracted: sources.Extracted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "CHUNK", 97)
    again = sources.extract(SHAPES, GRID, reader(hills()), tmp_path, engine=Engine(2))
    pd.testing.assert_frame_equal(extracted.table, again.table)


def test_every_outline_is_accounted_for(tmp_path: Path) -> None:
    z = hills()
    z[300:400] = np.nan
    ridge = [box(10, 10, 5, 40)]
    shapes = [
        *ridge, box(100, 320, 5, 20), None, ridge[0], box(900, 10, 5, 5), box(50.6, 50.6, 0.3, 0.3)
    ]  # fmt: skip
    made = sources.extract(np.array(shapes, object), GRID, reader(z), tmp_path)
    account = made.account()
    assert account.outlines == 6
    assert account.kept + account.split + account.dropped == 6
    assert [(left.landslide, left.reason) for left in account.left_out] == [
        (2, "no elevation under it"),
        (3, "no geometry"),
        (4, "duplicate of landslide 1"),
        (5, "off the grid"),
    ]
    assert account.dropped_for == {
        "duplicate": 1, "no elevation under it": 1, "no geometry": 1, "off the grid": 1
    }  # fmt: skip
    assert account.flags["smaller_than_a_cell"] == 1


def test_outline_smaller_than_a_cell_is_all_source(tmp_path: Path) -> None:
    small = box(50.6, 50.6, 0.3, 0.3)
    row = one(hills(), small, folder=tmp_path).iloc[0]
    assert (row["method"], row["flags"], row["cells"]) == ("whole", "smaller_than_a_cell", 0)
    assert shapely.from_wkb(row["source"]).equals(small)
    assert row["runout"] is None
    assert row["crown_z"] == hills()[50, 50]
    assert np.isnan(row["length_m"])


def test_sliver_between_centres_is_all_source(tmp_path: Path) -> None:
    sliver = box(50.6, 20, 0.2, 30)
    row = one(hills(), sliver, folder=tmp_path).iloc[0]
    assert (row["flags"], row["area_m2"]) == ("smaller_than_a_cell", pytest.approx(2400))


def test_cells_without_elevation_are_told_and_are_no_source(tmp_path: Path) -> None:
    z = np.broadcast_to(3000 - 10.0 * np.arange(ROWS)[:, None], (ROWS, COLS)).astype(np.float32)
    z = z.copy()
    z[40:60] = np.nan
    shape = box(100, 50, 1, 30)
    row = one(z, shape, folder=tmp_path).iloc[0]
    assert row["flags"] == "partly_without_elevation"
    assert row["cells"] == 20
    assert row["crown_z"] == pytest.approx(2400)
    both = shapely.union(shapely.from_wkb(row["source"]), shapely.from_wkb(row["runout"]))
    assert both.equals(shape)


def test_flat_ground_is_told(tmp_path: Path) -> None:
    row = one(np.full((ROWS, COLS), 5.0, np.float32), box(9, 9, 5, 9), folder=tmp_path).iloc[0]
    assert (row["method"], row["flags"], row["drop_m"]) == ("whole", "flat", 0.0)
    assert row["reach_deg"] == 0.0


def test_outline_over_the_edge_is_worked_on_inside(tmp_path: Path) -> None:
    row = one(hills(), box(-5, -3, 12, 40), folder=tmp_path).iloc[0]
    assert "cut_by_edge" in row["flags"]
    assert row["cells"] == 7 * 37
    assert row["area_m2"] == pytest.approx(7 * 37 * 400)


def test_hole_is_neither_source_nor_run_out(tmp_path: Path) -> None:
    ring = box(20, 20, 9, 30).difference(box(23, 25, 3, 10))
    table = one(hills(), ring, folder=tmp_path)
    assert table["cells"].sum() == 270 - 30
    assert table["area_m2"].sum() == pytest.approx(ring.area)
    assert "holes" in table["flags"][0]


def test_overlapping_outlines_are_worked_on_each(tmp_path: Path) -> None:
    a, b = box(20, 20, 6, 30), box(23, 20, 6, 30)
    table = one(hills(), a, b, folder=tmp_path)
    assert table.groupby("landslide")["cells"].sum().tolist() == [180, 180]
    assert all("overlaps" in f for f in table["flags"])


def test_mapped_sources_are_used_where_they_are(tmp_path: Path) -> None:
    shapes = box(20, 20, 6, 30), box(120, 20, 6, 30)
    source = np.array([box(20, 44, 6, 3)], object)
    mapped = Polygons.on_grid(source, np.ones(1), GRID)
    table = one(hills(), *shapes, folder=tmp_path, mapped=mapped)
    assert table["method"].tolist()[0] == "S0"
    assert shapely.from_wkb(table["source"][0]).equals(source[0])
    assert "S0" not in table["method"].tolist()[1:]


def test_an_inventory_of_nothing_gives_an_empty_table(tmp_path: Path) -> None:
    made = sources.extract(np.array([None], object), GRID, reader(hills()), tmp_path)
    assert len(made.table) == 0
    assert made.account().dropped == 1
    assert grids.shape_of(GRID) == (ROWS, COLS)
