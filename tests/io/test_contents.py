"""What files hold, told apart from when they were written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from shakeslide.io import contents, geopackage


def write(path: Path, value: float = 1.0, when: str = "2020-01-01T00:00:00.000Z") -> Path:
    shapes = [shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)]
    frame = gpd.GeoDataFrame({"v": [value, 2.0]}, geometry=shapes, crs="EPSG:32643")
    frame.to_file(path, driver="GPKG", layer="units")
    execute(path, "UPDATE gpkg_contents SET last_change = ?", when)
    return path


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def test_a_geopackage_written_again_holds_the_same(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.gpkg"), write(tmp_path / "b.gpkg", when="2021-05-05T00:00:00Z")
    assert one.read_bytes() != two.read_bytes()
    assert contents.digest(one) == contents.digest(two)
    assert contents.digest(one) != contents.digest(write(tmp_path / "c.gpkg", value=1.5))


def test_without_todays_date_the_bytes_are_the_same(tmp_path: Path) -> None:
    written = []
    for name in ("a.gpkg", "b.gpkg"):
        with geopackage.undated():
            frame = gpd.GeoDataFrame({"v": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32643")
            frame.to_file(tmp_path / name, driver="GPKG", layer="units")
        with closing(sqlite3.connect(tmp_path / name)) as database:
            written += database.execute("SELECT last_change FROM gpkg_contents").fetchone()
    assert [when[:10] for when in written] == ["1970-01-01"] * 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE units SET v = 7 WHERE fid = 2",
        "DELETE FROM units WHERE fid = 1",
        "UPDATE gpkg_geometry_columns SET srs_id = 4326",
        "CREATE VIEW some AS SELECT * FROM units",
    ],
)
def test_what_readers_see_counts(change: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    before = contents.digest(path)
    # The triggers of the spatial index call functions that GDAL alone has.
    for trigger in ("update1", "update2", "update3", "update4", "update5", "update6", "delete"):
        execute(path, f"DROP TRIGGER IF EXISTS rtree_units_geom_{trigger}")
    assert contents.digest(path) == before
    execute(path, change)
    assert contents.digest(path) != before


def test_nothing_in_a_database_is_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    execute(
        path,
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i FROM n",
    )
    assert geopackage.digest(path) is not None


@pytest.mark.parametrize("kept", [100, 5000])
def test_a_damaged_database_is_told_by_its_bytes(kept: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    path.write_bytes(path.read_bytes()[:kept] + b"\xff" * 5000)
    damaged = contents.digest(path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert contents.digest(path) != damaged


def test_rows_that_wait_in_a_journal_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE gpkg_contents SET identifier = 'other'")
        database.commit()
        assert geopackage.digest(path) is None


def test_the_table_of_a_shapefile_counts_without_its_date(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    gpd.GeoDataFrame({"v": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32643").to_file(path)
    table = path.with_suffix(".dbf")
    before, held = contents.digest(table), bytearray(table.read_bytes())
    held[1:4] = bytes([99, 1, 1])
    table.write_bytes(held)
    assert contents.digest(table) == before
    held[-3] ^= 1
    table.write_bytes(held)
    assert contents.digest(table) != before
