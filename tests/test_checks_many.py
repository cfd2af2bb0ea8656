"""Layers of very many polygons: the share that they cover is counted, not computed."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.checks import rehearsal, vectors
from shakeslide.core.errors import InputError
from shakeslide.io.vector import Features
from shakeslide.layers import inventory
from shakeslide.sampling.sample_table import Samples
from shakeslide.study import settings as study
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Evaluation, Inventory

UTM = CRS("EPSG:32643")
GRID = GeoBox((40, 50), Affine(30, 0, 500_000, 0, -30, 3_800_000), UTM)
LAYER = Layer(path=Path("units.gpkg"), column="unit")


def features(shapes: list[shapely.Geometry], units: list[str | None]) -> Features:
    return Features(pd.DataFrame({"unit": units}), np.array(shapes, object), UTM)


def test_the_share_is_the_same_for_few_and_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    west, south, north = 500_000, 3_798_800, 3_800_000
    halves = (
        shapely.box(west, south, west + 900, north),
        shapely.box(west, south, west + 750, north),
    )
    cut = shapely.box(west - 99, south - 99, west + 450, north + 99)
    speck = shapely.box(west + 1, south + 1, west + 2, south + 2)
    off = shapely.box(0, 0, 1, 1)
    for shapes, share in ((halves, 0.6), ((cut, off), 0.3), ((speck,), 0.0), ((off,), 0.0)):
        given = features(
            [*shapes, shapely.box(west, south, west + 1500, north)], ["a"] * len(shapes) + [None]
        )
        exact = vectors._share_covered(LAYER, given, GRID)
        monkeypatch.setattr(vectors, "MANY", 0)
        many = vectors._share_covered(LAYER, given, GRID)
        monkeypatch.undo()
        assert exact == pytest.approx(share, abs=1e-5)
        assert many == pytest.approx(share, abs=1e-5)
        assert (many > 0) == (exact > 0)


def test_areas_of_classes_end_at_the_grid() -> None:
    west, south = 500_000, 3_798_800
    shapes = [
        shapely.box(west - 10, south, west + 10, south + 10),
        shapely.box(west, south, west + 5, south + 5),
    ]
    assert vectors._areas(features(shapes, ["a", "b"]), "unit", GRID) == {"a": 100.0, "b": 25.0}


@pytest.mark.parametrize(
    ("least", "sizes", "refused"), [(0, [50], 0), (90, [50, 90], 0), (99, [50, 90], 1)]
)
def test_some_of_many_cells_are_split_first(
    least: int, sizes: list[int], refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    west, south = 500_000, 3_798_800
    boxes = [shapely.box(west + 300 * i, south, west + 300 * i + 90, south + 90) for i in range(5)]
    path = tmp_path / "slides.gpkg"
    gpd.GeoDataFrame(geometry=boxes, crs=UTM).to_file(path)
    asked = Evaluation(protocols=["landslide"], folds=2)
    landslides = inventory.load(Inventory(path=path), GRID)
    monkeypatch.setattr(rehearsal, "MOST_SPLIT", 50)
    split: list[int] = []

    def chosen(drawn: Samples, *_: object) -> None:
        split.append(len(drawn.table))
        if len(drawn.table) < least:
            raise InputError("too few")

    monkeypatch.setattr(rehearsal.plans, "chosen_splits", chosen)
    wanted = rehearsal.Asked(study.Samples(train_share=0.5), asked, 0, study.Sources())
    # 9 cells of each landslide, and as many clear ones. Where some do not do, all of them decide.
    assert len(rehearsal.rehearse(landslides, GRID, wanted)) == refused
    assert split == sizes
