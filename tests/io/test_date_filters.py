"""Filters on dates: compared as moments, whatever the file and the form of the dates."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import vector

UTM = CRS("EPSG:32643")
LOOSE = ["2005-9-30", "2005/10/08", "2005-10-08T23:00:00+05:00", "2005-11-1"]
TIMES = ["2005-09-30T00:00:00Z", "2005-10-08T00:00:00Z", "2005-10-08T18:00:00Z", "2005-11-01"]


def source(path: Path, where: str, days: list[object], name: str = "day") -> vector.VectorSource:
    """Four features, their number in column `n`."""
    table = pd.DataFrame({name: days, "n": range(len(days)), "x": 5e5, "y": 4e6})
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
        return vector.VectorSource(path, column="n", where=where, x="x", y="y", crs="EPSG:32643")
    shapes = [shapely.Point(5e5, 4e6)] * len(days)
    frame = gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:32643")
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return vector.VectorSource(path, column="n", where=where)


def chosen(asked: vector.VectorSource) -> list[int]:
    return [int(n) for n in vector.read(asked, UTM).table["n"]]


@pytest.mark.parametrize("suffix", [".csv", ".gpkg", ".geojson", ".parquet"])
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("day >= '2005-10-08'", [1, 2, 3]),
        ("day < '2005-10-1'", [0]),
        ("'2005-10-08' < day", [2, 3]),
        ("DAY BETWEEN '2005-10-08' AND '2005/10/09' AND n > 1", [2]),
        ("day IN ('2005-09-30', '2005-11-01')", [0, 3]),
    ],
)
def test_dates_are_compared_as_moments(
    tmp_path: Path, suffix: str, where: str, expected: list[int]
) -> None:
    assert chosen(source(tmp_path / f"a{suffix}", where, LOOSE)) == expected


def test_columns_of_times_are_compared_as_moments(tmp_path: Path) -> None:
    days = list(pd.to_datetime(pd.Series(TIMES), utc=True, format="ISO8601"))
    assert chosen(source(tmp_path / "a.gpkg", "day = '2005-10-08'", days)) == [1]
    assert chosen(source(tmp_path / "b.gpkg", "day <= '2005-10-08'", days)) == [0, 1]


@pytest.mark.parametrize("suffix", [".csv", ".gpkg"])
@pytest.mark.parametrize(
    ("where", "days", "word"),
    [
        ("day >= 2005", LOOSE, "2005"),
        ("day > 'May'", [*LOOSE[:3], "2005-10-1"], "May"),
        ("day >= '2005-10-08'", [1, 2, 3, 4], "holds numbers"),
        ("day >= '8.10.2005'", LOOSE, "8.10.2005"),
        ("day >= '2005-10-08'", ["8.10.2005", "9.10.2005"], "8.10.2005"),
    ],
)
def test_what_is_no_pair_of_dates_is_refused(
    tmp_path: Path, suffix: str, where: str, days: list[object], word: str
) -> None:
    with pytest.raises(InputError, match=rf"a{suffix} .*'day'|where: column 'day'") as caught:
        chosen(source(tmp_path / f"a{suffix}", where, days))
    assert word in str(caught.value)


def test_texts_that_are_no_dates_are_compared_as_they_are(tmp_path: Path) -> None:
    days = ["8.10.2005", "9.10.2005", "schist", None]
    assert chosen(source(tmp_path / "a.gpkg", "day = 'schist'", days)) == [2]
    assert chosen(source(tmp_path / "b.csv", "day = '8.10.2005'", days[:2])) == [0]
    assert chosen(source(tmp_path / "c.gpkg", "day <> '2005-10-08'", days)) == [0, 1, 2]
