"""Masks: where they are, what maps show there, and that nothing is sampled there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.geo.grid import Tile
from shakeslide.layers.masks import load
from shakeslide.study.settings import Mask

from . import small_site as site
from .conftest import open_run

GRID = GeoBox((site.ROWS, site.COLS), site.TRANSFORM, CRS(site.CRS))
WHOLE = Tile((0, 0), 0, site.ROWS, 0, site.COLS)


def box_of(values: np.ndarray) -> tuple[int, int, int, int]:
    rows, cols = np.nonzero(values)
    return int(rows.min()), int(rows.max()), int(cols.min()), int(cols.max())


def test_polygons_mask_by_cell_centre(tmp_path: Path) -> None:
    path = tmp_path / "lakes.gpkg"
    boxes = [site.box(10.6, 20.4, 5, 6), site.box(90, 90, 3, 3)]
    site.frame(boxes, kind=["lake", "pond"]).to_file(path)
    masks = load([Mask(path=path, where="kind = 'lake'", map_value=0)], GRID)
    covered = masks.covers(WHOLE)
    assert covered.sum() == 30
    assert box_of(covered) == (20, 25, 11, 15)
    part = Tile((0, 0), 22, 60, 0, 14)
    assert (masks.covers(part) == covered[22:60, 0:14]).all()


def test_rasters_mask_by_class(tmp_path: Path) -> None:
    cover = np.zeros((site.ROWS, site.COLS), np.uint8)
    cover[10:20], cover[30:40], cover[50:60] = 210, 220, 30
    site.raster(tmp_path / "cover.tif", cover)
    chosen = Mask(path=tmp_path / "cover.tif", classes=[210, 220], map_value=0)
    assert load([chosen], GRID).covers(WHOLE).sum() == 20 * site.COLS
    default = Mask(path=tmp_path / "cover.tif", map_value=0)
    assert load([default], GRID).covers(WHOLE).sum() == 30 * site.COLS


def test_the_first_mask_is_shown_where_they_overlap(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    site.frame([site.box(0, 0, 10, 10)]).to_file(path)
    other = tmp_path / "b.gpkg"
    site.frame([site.box(5, 0, 10, 10)]).to_file(other)
    masks = load([Mask(path=path, map_value=0), Mask(path=other, map_value="nodata")], GRID)
    shown = masks.applied(WHOLE, np.full(WHOLE.shape, 0.7, np.float32))
    assert (shown[:10, :10] == 0).all()
    assert np.isnan(shown[:10, 10:15]).all()
    assert (shown[10:] == np.float32(0.7)).all()


def test_the_map_value_must_be_stated(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="map_value"):
        Mask.model_validate({"path": tmp_path})
    with pytest.raises(ValidationError, match="map_value"):
        Mask.model_validate({"path": tmp_path, "map_value": 0.5})


def test_classes_are_for_rasters(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    site.frame([site.box(0, 0, 10, 10)]).to_file(path)
    with pytest.raises(InputError, match=r"masks.lakes\): classes are for rasters"):
        load([Mask(path=path, name="lakes", classes=[1], map_value=0)], GRID)


MASKED = """
[[masks]]
name = "lake"
path = "lake.gpkg"
map_value = 0
[[masks]]
name = "glacier"
path = "glacier.gpkg"
map_value = "nodata"
"""


def test_maps_show_what_is_stated_and_nothing_is_sampled_there(tmp_path: Path) -> None:
    study = site.make(tmp_path / "site")
    folder = study.parent
    # Both reach into the strip that has no lithology and so no prediction.
    site.frame([site.box(20, 10, 100, 20)]).to_file(folder / "lake.gpkg")
    site.frame([site.box(60, 60, 40, 30)]).to_file(folder / "glacier.gpkg")
    study.write_text(study.read_text() + MASKED)
    run = open_run(study, tmp_path / "out", 'models.use=["lr"]')
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.map_):
        stage(run)
    with rasterio.open(run.out / "maps" / "lr_probability.tif") as src:
        p = src.read(1)
    with rasterio.open(run.out / "maps" / "lr_class.tif") as src:
        classes = src.read(1)
    assert (p[10:30, 20:120] == 0).all()
    assert (classes[10:30, 20:120] == 1).all()
    assert np.isnan(p[60:90, 60:100]).all()
    assert (classes[60:90, 60:100] == 0).all()
    others = p[100:, :90]
    assert np.isfinite(others).all()
    assert (others > 0).all()
    table = pd.read_parquet(run.out / "samples.parquet")
    in_lake = table.row.between(10, 29) & table.col.between(20, 119)
    in_glacier = table.row.between(60, 89) & table.col.between(60, 99)
    assert not (in_lake | in_glacier).any()

    again = open_run(study, tmp_path / "out", 'models.use=["lr"]')
    assert again.marks.sample() == run.marks.sample()
    study.write_text(study.read_text().replace("map_value = 0", 'map_value = "nodata"'))
    changed = open_run(study, tmp_path / "out", 'models.use=["lr"]')
    assert changed.marks.sample() == run.marks.sample()
    assert changed.marks.maps(["lr"])[0].mark != run.marks.maps(["lr"])[0].mark
    site.frame([site.box(0, 0, 9, 9)]).to_file(folder / "lake.gpkg")
    moved = open_run(study, tmp_path / "out", 'models.use=["lr"]')
    assert moved.marks.sample() != run.marks.sample()
