"""Vectors as users bring them: dates, encodings, swapped coordinates."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import vector

UTM = CRS("EPSG:32643")


def table(**columns: list[object]) -> vector.Features:
    count = len(next(iter(columns.values())))
    return vector.Features(pd.DataFrame(columns), shapely.points([[0.0, 0.0]] * count), UTM)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2005-10-08T03:50:40Z", "2005-10-08T03:50:40Z"),
        ("2005-10-08 03:50:40.140", "2005-10-08T03:50:40.140Z"),
        ("2005/10/08", "2005-10-08T00:00:00Z"),
        ("2005-10-08T09:50:40+06:00", "2005-10-08T03:50:40Z"),
        (2005, "2005-01-01T00:00:00Z"),
        (2005.0, "2005-01-01T00:00:00Z"),
        ("2005", "2005-01-01T00:00:00Z"),
        (pd.Timestamp("2005-10-08T03:50:40"), "2005-10-08T03:50:40Z"),
    ],
)
def test_dates_are_read(given: object, expected: str) -> None:
    features = table(when=[given, given])
    assert (vector.times(features, "when", "here") == pd.Timestamp(expected)).all()


def test_missing_dates_stay_missing() -> None:
    assert vector.times(table(when=["2005-10-08", None, ""]), "when", "x").isna().tolist() == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("text", ["08/10/2005", "8 Oct 2005", "soon"])
def test_dates_that_begin_with_the_day_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"1 values that are not dates .*2005-10-08"):
        vector.times(table(when=["2005-10-08", text]), "when", "here")


@pytest.mark.parametrize(
    ("text", "is_garbled"),
    [
        ("Kalkstein über Schiefer", False),
        ("Kalkstein Ã¼ber Schiefer", True),
        ("Сланец", False),
        ("Ñëàíåö", False),  # cp1251 read as cp1252 is nothing that could be told from a language
        ("\ufffd\ufffd", True),
        ("plain", False),
    ],
)
def test_garbled_texts_are_noticed(text: str, is_garbled: bool) -> None:
    assert bool(vector.garbled(pd.Series(["fine", None, text]))) == is_garbled


@pytest.fixture
def shapefile(tmp_path: Path) -> Path:
    """A shapefile in cp1251 that says it is UTF-8."""
    frame = gpd.GeoDataFrame(
        {"unit": ["Сланец", "Гранит"]},
        geometry=[shapely.box(0, 0, 9, 9), shapely.box(9, 0, 18, 9)],
        crs="EPSG:32643",
    )
    path = tmp_path / "units.shp"
    frame.to_file(path, encoding="cp1251")
    path.with_suffix(".cpg").write_text("UTF-8")
    return path


def test_a_wrong_encoding_is_told_and_can_be_given(shapefile: Path) -> None:
    with pytest.raises(InputError, match=r"texts are not in .*encoding ="):
        vector.read(vector.VectorSource(shapefile, "units", column="unit"), UTM)
    source = vector.VectorSource(shapefile, "units", column="unit", encoding="cp1251")
    assert vector.read(source, UTM).table.unit.tolist() == ["Сланец", "Гранит"]
    with pytest.raises(InputError, match="encoding = 'cp0' is unknown"):
        vector.read(vector.VectorSource(shapefile, "units", encoding="cp0"), UTM)


def test_coordinates_can_be_swapped(tmp_path: Path) -> None:
    path = tmp_path / "points.geojson"
    gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(34.0, 75.0)], crs="EPSG:4326").to_file(
        path
    )
    features = vector.read(vector.VectorSource(path, swap_xy=True), UTM)
    assert vector.points(features)[0] == pytest.approx([500_000, 3_762_155], abs=1)


def test_multipoints_come_one_by_one() -> None:
    shapes = np.array([shapely.MultiPoint([(0, 0), (1, 1)]), shapely.Point(2, 2)], object)
    features = vector.Features(pd.DataFrame({"m": [5.0, 6.0]}), shapes, UTM)
    single = vector.single_points(features)
    assert single.table.m.tolist() == [5.0, 5.0, 6.0]
    assert vector.points(single).tolist() == [[0, 0], [1, 1], [2, 2]]
