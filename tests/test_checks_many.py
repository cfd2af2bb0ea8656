"""Layers of very many polygons: the share that they cover is counted, not computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.checks import vectors
from shakeslide.io.vector import Features
from shakeslide.study.settings import Layer

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
