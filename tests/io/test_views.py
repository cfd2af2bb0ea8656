"""Views of databases: those that come to an end are read, no others."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import containers, contents, datasets, dependencies, raster, vector, views

ENDLESS = """WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)
SELECT c.x AS fid, a.geom, 1 AS year FROM c, a"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    shapes = [shapely.box(i, 0, i + 1, 1) for i in range(3)]
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"year": [2001, 2005, 2005]}, geometry=shapes, crs=32643).to_file(path)
    return path


def add_view(path: Path, sql: str) -> None:
    """A view v that the GeoPackage lists among its layers."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE VIEW v AS {sql}")
        db.execute(
            "INSERT INTO gpkg_contents SELECT 'v', data_type, 'v', '', last_change, min_x, min_y, "
            "max_x, max_y, srs_id FROM gpkg_contents"
        )
        db.execute(
            "INSERT INTO gpkg_geometry_columns SELECT 'v', column_name, geometry_type_name, "
            "srs_id, z, m FROM gpkg_geometry_columns"
        )


def test_a_view_is_read(database: Path) -> None:
    add_view(database, "SELECT fid, geom, year FROM a WHERE year = 2005")
    before = database.read_bytes()
    source = vector.VectorSource(database, "rivers", layer="v")
    assert len(vector.read(source, CRS(32643))) == 2
    assert database.read_bytes() == before
    assert list(database.parent.iterdir()) == [database]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (ENDLESS, "does not terminate"),
        (f"SELECT * FROM ({ENDLESS}) WHERE fid < 0", "does not terminate"),
        ("SELECT hex(zeroblob(900000000)) AS year, fid, geom FROM a", "cannot be read"),
        ("SELECT fid, geom, unknown(year) AS year FROM a", "cannot be read"),
    ],
)
def test_a_view_without_end_is_refused(
    database: Path, sql: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "STEPS", 10_000)
    add_view(database, sql)
    with pytest.raises(InputError, match=why) as caught:
        vector.read(vector.VectorSource(database, "rivers", layer="v"), CRS(32643))
    assert "its view 'v'" in str(caught.value)
    assert "(rivers)" in str(caught.value)


def test_a_view_in_the_place_of_a_table_of_the_format(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("ALTER TABLE gpkg_ogr_contents RENAME TO other")
        db.execute(f"CREATE VIEW gpkg_ogr_contents AS {ENDLESS}")
    with pytest.raises(InputError, match="get the file again"):
        views.require_finite(database, "a.gpkg")


def test_a_database_of_rasters_is_looked_into_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dem.gpkg"
    profile = {"driver": "GPKG", "width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    place = Affine(10, 0, 500_000, 0, -10, 4_000_000)
    with rasterio.open(path, "w", **profile, crs="EPSG:32643", transform=place) as dst:
        dst.write(np.full((1, 4, 4), 7, np.uint8))
    assert raster.info(path).bands >= 1
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE VIEW v AS {ENDLESS.replace(', a.geom', '').replace(', a', '')}")
    monkeypatch.setattr(views, "STEPS", 10_000)
    for read in (raster.info, datasets.is_raster):
        with pytest.raises(InputError, match="view 'v' does not terminate"):
            read(path)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for content in (b"", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5000):
        path = tmp_path / "a.gpkg"
        path.write_bytes(content)
        views.require_finite(path, "a.gpkg")
    views.require_finite(tmp_path, "a folder")
    views.require_finite(tmp_path / "nothing", "nothing")


@pytest.fixture
def unclosed(database: Path) -> Path:
    """A copy of a database whose latest rows lie in the file beside it, as an open program has."""
    folder = database.parent / "open"
    folder.mkdir()
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE other (year)")
        db.commit()
        for path in (database, database.with_name("a.gpkg-wal")):
            shutil.copy(path, folder)
    return folder / "a.gpkg"


def test_a_database_that_is_not_closed_is_refused_and_left_as_it_is(unclosed: Path) -> None:
    before = {path.name: path.read_bytes() for path in unclosed.parent.iterdir()}
    assert set(before) == {"a.gpkg", "a.gpkg-wal"}
    for look in (
        lambda: vector.read(vector.VectorSource(unclosed, "rivers"), CRS(32643)),
        lambda: dependencies.files_of(unclosed),
        lambda: datasets.is_raster(unclosed),
        lambda: raster.info(unclosed),
        lambda: vector.crs_of(vector.VectorSource(unclosed, "rivers")),
    ):
        with pytest.raises(InputError, match=r"a\.gpkg-wal beside it"):
            look()
    assert {path.name: path.read_bytes() for path in unclosed.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("end", "left"), [("-wal", b""), ("-wal", bytes(32)), ("-journal", bytes(512))]
)
def test_what_is_left_of_a_journal_that_is_done_with_is_no_matter(
    database: Path, end: str, left: bytes
) -> None:
    mark = contents.digest(database)
    database.with_name(database.name + end).write_bytes(left)
    assert len(vector.read(vector.VectorSource(database, "rivers"), CRS(32643))) == 3
    assert contents.digest(database) == mark


def test_a_journal_of_a_change_that_broke_off_is_refused(database: Path) -> None:
    magic = bytes.fromhex("d9d505f920a163d7")
    database.with_name("a.gpkg-journal").write_bytes(magic + bytes(504))
    with pytest.raises(InputError, match=r"a\.gpkg-journal beside it"):
        vector.read(vector.VectorSource(database, "rivers"), CRS(32643))


def test_a_packed_database_is_not_unpacked_without_end(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gpkg.gz"
    path.write_bytes(gzip.compress(database.read_bytes()))
    views.require_finite(path, "a.gpkg.gz")
    monkeypatch.setattr(containers, "LARGEST_PACKED", 10_000)
    with pytest.raises(InputError, match=r"a\.gpkg\.gz: unpacks to more than"):
        views.require_finite(path, "a.gpkg.gz")
