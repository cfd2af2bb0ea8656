"""What is packed in an archive is looked at as it is outside of one."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import ascii_grid, containers, datasets, dependencies, raster, vector, views

UTM = CRS("EPSG:32643")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT c.x AS fid FROM c"
GRID = "ncols 2\nnrows 2\nxllcorner 500000\nyllcorner 4000000\ncellsize 10\n1 2\n3 {}\n"
Pack = Callable[[Path], Path]


def zipped(path: Path) -> Path:
    """The archive alone, as a study names it where it holds one data set."""
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.write(path, f"in/{path.name}")
    return path.with_suffix(".zip")


def member(path: Path) -> Path:
    return zipped(path) / "in" / path.name


def gzipped(path: Path) -> Path:
    out = path.with_name(f"{path.name}.gz")
    out.write_bytes(gzip.compress(path.read_bytes()))
    return out


def outside(path: Path) -> Path:
    return path


every_way = pytest.mark.parametrize("pack", [outside, zipped, member, gzipped])
named = pytest.mark.parametrize("pack", [outside, member, gzipped])


def database(path: Path) -> Path:
    gpd.GeoDataFrame({"year": [2001]}, geometry=[shapely.box(0, 0, 1, 1)], crs=32643).to_file(path)
    return path


def raster_vrt(path: Path, source: str, relative: int = 1) -> Path:
    path.write_text(
        "<VRTDataset rasterXSize='2' rasterYSize='2'><SRS>EPSG:32643</SRS>"
        "<GeoTransform>500000,10,0,4000020,0,-10</GeoTransform>"
        "<VRTRasterBand dataType='Float32' band='1'><SimpleSource>"
        f"<SourceFilename relativeToVRT='{relative}'>{source}</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def vector_vrt(path: Path, source: str, more: str = "") -> Path:
    path.write_text(
        f"<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource relativeToVRT='1'>{source}"
        f"</SrcDataSource>{more}</OGRVRTLayer></OGRVRTDataSource>"
    )
    return path


def look(path: Path, what: str) -> None:
    if what == "vector":
        vector.read(vector.VectorSource(path, "rivers"), UTM)
    else:
        raster.info(path)


@every_way
def test_a_view_without_end(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "STEPS", 10_000)
    path = database(tmp_path / "a.gpkg")
    assert len(vector.read(vector.VectorSource(pack(path)), UTM)) == 1
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE VIEW v AS {ENDLESS}")
    with pytest.raises(InputError, match="its view 'v' does not terminate"):
        look(pack(path), "vector")
    if pack is not zipped:  # a database is no raster by its name: it is not opened
        with pytest.raises(InputError, match="its view 'v' does not terminate"):
            datasets.is_raster(pack(path))


def lines(path: Path) -> Path:
    path.write_text('{"type": "FeatureCollection", "features": []}' + " " * 20_000)
    return path


@pytest.mark.parametrize("pack", [zipped, member, gzipped])
@pytest.mark.parametrize("make", [lines, database])
def test_a_vector_that_unpacks_to_more_than_the_memory(
    pack: Pack, make: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(make(tmp_path / ("a.geojson" if make is lines else "a.gpkg")))
    monkeypatch.setattr(containers, "LARGEST_PACKED", 10_000)
    with pytest.raises(InputError, match=f"{path.name}.*unpack it"):
        vector.read(vector.VectorSource(path), UTM)


@named
def test_a_grid_without_rows(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ascii_grid, "CHUNK", 100)
    monkeypatch.setattr(ascii_grid, "LONGEST_ROW", 200)
    (tmp_path / "a.asc").write_text(GRID.format(4) + "0 " * 1000)
    path = pack(tmp_path / "a.asc")
    with pytest.raises(InputError, match=r"a\..*row of more than"):
        ascii_grid.require_numbers(path)


@every_way
def test_texts_in_a_grid_of_numbers(pack: Pack, tmp_path: Path) -> None:
    path, other = tmp_path / "a.asc", tmp_path / "b.asc"
    path.write_text(GRID.format(4))
    assert raster.info(pack(path)).grid.shape == (2, 2)
    other.write_text(GRID.format("void"))
    with pytest.raises(InputError, match="holds 'void' where a number is needed"):
        look(pack(other), "raster")


@every_way
@pytest.mark.parametrize("source", ["/vsicurl/http://127.0.0.1:1/a.tif", "/vsistdin/"])
def test_a_vrt_that_leads_off_the_disk(pack: Pack, source: str, tmp_path: Path) -> None:
    path = pack(raster_vrt(tmp_path / "a.vrt", source, relative=0))
    with pytest.raises(InputError, match="refers to the web or to something that is not a file"):
        look(path, "raster")


@named
def test_a_vrt_of_a_pipe(pack: Pack, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = str(tmp_path / "pipe")
    for path in (raster_vrt(tmp_path / "a.vrt", pipe, 0), vector_vrt(tmp_path / "b.vrt", pipe)):
        with pytest.raises(InputError, match="named pipe"):
            look(pack(path), "vector" if path.stem == "b" else "raster")


@pytest.mark.parametrize("packed", [False, True])
def test_the_sources_of_a_vrt(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at like files that a study names, within the archive too."""
    monkeypatch.setattr(views, "STEPS", 10_000)
    with closing(sqlite3.connect(database(tmp_path / "a.gpkg"))) as db, db:
        db.execute(f"CREATE VIEW v AS {ENDLESS}")
    (tmp_path / "a.asc").write_text(GRID.format("void"))
    vrts = raster_vrt(tmp_path / "grid.vrt", "a.asc"), vector_vrt(tmp_path / "lines.vrt", "a.gpkg")
    folder = tmp_path
    if packed:
        folder = tmp_path / "all.zip"
        with zipfile.ZipFile(folder, "w") as archive:
            for path in (*vrts, tmp_path / "a.asc", tmp_path / "a.gpkg"):
                archive.write(path, path.name)
    with pytest.raises(InputError, match="holds 'void' where a number is needed"):
        look(folder / "grid.vrt", "raster")
    with pytest.raises(InputError, match="its view 'v' does not terminate"):
        look(folder / "lines.vrt", "vector")


@named
def test_a_query_without_end(pack: Pack, tmp_path: Path) -> None:
    database(tmp_path / "a.gpkg")
    sql = f"<SrcSQL>{ENDLESS}</SrcSQL>"
    path = pack(vector_vrt(tmp_path / "a.vrt", str(tmp_path / "a.gpkg"), sql))
    with pytest.raises(InputError, match="SrcSQL"):
        look(path, "vector")


@every_way
def test_what_a_vrt_is_made_of_belongs_to_it(pack: Pack, tmp_path: Path) -> None:
    grid, inner = tmp_path / "a.asc", tmp_path / "inner.vrt"
    grid.write_text(GRID.format(4))
    raster_vrt(inner, "a.asc")
    path = pack(raster_vrt(tmp_path / "a.vrt", str(inner), relative=0))
    assert raster.info(path).grid.shape == (2, 2)
    assert {p.name for p in dependencies.files_of(path)} == {
        "a.asc", "inner.vrt", "a.zip" if pack in (zipped, member) else path.name
    }  # fmt: skip


def test_changes_of_a_database_beside_it_in_an_archive(tmp_path: Path) -> None:
    path = database(tmp_path / "a.gpkg")
    archive = member(path)
    assert len(vector.read(vector.VectorSource(archive), UTM)) == 1
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as opened:
        opened.writestr("in/a.gpkg-wal", bytes(100))
    with pytest.raises(InputError, match=r"in/a\.gpkg-wal in the same archive"):
        vector.read(vector.VectorSource(archive), UTM)


@pytest.mark.parametrize("pack", [member, gzipped])
def test_an_archive_that_is_cut_short(pack: Pack, tmp_path: Path) -> None:
    path = pack(database(tmp_path / "a.gpkg"))
    file = path if path.is_file() else tmp_path / "a.zip"
    shutil.copy(file, tmp_path / "whole")
    file.write_bytes(file.read_bytes()[:-2000] if pack is gzipped else file.read_bytes()[:500])
    with pytest.raises(InputError):
        vector.read(vector.VectorSource(path), UTM)


@pytest.mark.parametrize("pack", [member, gzipped])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_table_in_an_archive(name: str, pack: Pack, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x,y\n1,2\n")
    source = vector.VectorSource(pack(tmp_path / name), x="x", y="y", crs="EPSG:32643")
    with pytest.raises(InputError, match="unpack it"):
        vector.read(source, UTM)
