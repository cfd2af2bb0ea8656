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
        "ALTER TABLE units RENAME COLUMN v TO w",
    ],
)
def test_what_readers_see_counts(change: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    before = contents.digest(path)
    # The triggers of the spatial index call functions that GDAL alone has.
    for trigger in (
        "insert",
        "update1",
        "update2",
        "update3",
        "update4",
        "update5",
        "update6",
        "delete",
    ):
        execute(path, f"DROP TRIGGER IF EXISTS rtree_units_geom_{trigger}")
    assert contents.digest(path) == before
    execute(path, change)
    assert contents.digest(path) != before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rtree_units_geom_node SET data = zeroblob(8)",
        "INSERT INTO layer_styles VALUES ('blue')",
        "UPDATE gpkg_ogr_contents SET feature_count = 7",
    ],
)
def test_what_no_reader_takes_values_from_does_not_count(change: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    execute(path, "CREATE TABLE layer_styles (style TEXT)")
    before = contents.digest(path)
    execute(path, change)
    assert contents.digest(path) == before


def test_nothing_in_a_database_is_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    execute(
        path,
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i FROM n",
    )
    assert geopackage.digest(path) is not None


def test_a_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    execute(path, "PRAGMA journal_mode = WAL")
    before, there = path.read_bytes(), list(tmp_path.iterdir())
    assert geopackage.digest(path) is not None
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == there


def test_what_takes_too_long_is_told_by_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.sqlite"
    execute(path, "CREATE TABLE numbers (n)")
    execute(
        path,
        "INSERT INTO numbers WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
        "LIMIT 100000) SELECT n FROM c",
    )
    assert geopackage.digest(path) is not None
    monkeypatch.setattr(geopackage, "LONGEST", 0.0)
    assert geopackage.digest(path) is None
    assert contents.digest(path)


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


@pytest.mark.parametrize("suffix", [".dbf", ".DBF"])
def test_the_table_of_a_shapefile_counts_without_its_date(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "a.shp"
    gpd.GeoDataFrame({"v": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32643").to_file(path)
    table = path.with_suffix(".dbf").rename(path.with_suffix(suffix))
    before, held = contents.digest(table), bytearray(table.read_bytes())
    held[1:4] = bytes([99, 1, 1])
    table.write_bytes(held)
    assert contents.digest(table) == before
    held[-3] ^= 1
    table.write_bytes(held)
    assert contents.digest(table) != before
