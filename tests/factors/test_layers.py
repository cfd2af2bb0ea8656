"""What a layer is, by its content, and class codes that a factor's file cannot hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors.factor import TileInputs
from shakeslide.factors.layer_values import ReadCodes
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.io import vector as vectors
from shakeslide.layers import masks, readers
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Mask

from ..lines import lacks

GRID = GeoBox((6, 8), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32643")
TILE = Tile((0, 0), 0, 6, 0, 8)


def raster(path: Path, values: np.ndarray) -> Path:
    profile = {"driver": "GTiff", "height": 6, "width": 8, "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, crs="EPSG:32643", transform=GRID.affine) as dst:
        dst.write(values, 1)
    return path


def vector(path: Path) -> Path:
    frame = gpd.GeoDataFrame(
        {"v": [1]}, geometry=[shapely.box(500_000, 3_999_940, 500_080, 4_000_000)], crs="EPSG:32643"
    )
    frame.to_file(path, layer="shapes")
    return path


def codes(first: int) -> np.ndarray:
    return (np.arange(48).reshape(6, 8) % 5 + first).astype(np.int32)


@pytest.mark.parametrize("first", [10, 2**24 - 4, 2**24 + 1, 2**30 + 1])
def test_codes_are_numbered_where_a_factor_cannot_hold_them(tmp_path: Path, first: int) -> None:
    layer = Layer(path=raster(tmp_path / "a.tif", codes(first)))
    source = readers.raster_source(layer, categorical=True)
    found = readers.large_codes(source, "int32", GRID)
    if first + 4 <= 2**24:
        assert found == ()
        return
    assert found == tuple(range(first, first + 5))
    numbers = ReadCodes(source, found)(TileInputs(GRID, TILE, source, (0, 0)))
    np.testing.assert_array_equal(numbers, codes(1))


def test_classes_of_a_mask_are_exact(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tif", codes(2**24))
    mask = Mask(path=path, map_value=0, classes=[2**24 + 1])
    covered = masks.load([mask], GRID).covers(TILE)
    np.testing.assert_array_equal(covered, codes(2**24) == 2**24 + 1)
    whole = masks.load([Mask(path=path, map_value=0)], GRID).covers(TILE)
    assert whole.all()


@pytest.mark.parametrize("name", ["a.tif", "a", "a.json", "a.dat"])
def test_a_raster_is_one_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    raster(tmp_path / "x.tif", codes(1)).rename(tmp_path / name)
    assert not readers.is_vector(Layer(path=tmp_path / name))
    with pytest.raises(InputError, match=r"is a raster.*column"):
        readers.raster_info(Layer(path=tmp_path / name, column="v"), "soil")


def test_a_vector_is_none(tmp_path: Path) -> None:
    layer = Layer(path=vector(tmp_path / "a.gpkg"))
    assert readers.is_vector(layer)
    with pytest.raises(InputError, match=r"dem.*is a vector"):
        readers.raster_info(layer, "dem")


def test_a_file_of_both_kinds_is_chosen_from(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.gpkg")
    profile = {"driver": "GPKG", "height": 6, "width": 8, "count": 1, "dtype": "uint8"}
    more = {"APPEND_SUBDATASET": "YES", "RASTER_TABLE": "cells"}
    with rasterio.open(
        path, "w", **profile, **more, crs="EPSG:32643", transform=GRID.affine
    ) as dst:
        dst.write(codes(1).astype(np.uint8), 1)
    assert readers.is_vector(Layer(path=path, layer="shapes"))
    assert not readers.is_vector(Layer(path=path, layer="cells"))
    with pytest.raises(InputError, match=r"rasters and vectors.*layer ="):
        readers.is_vector(Layer(path=path))


def test_a_vector_within_an_archive(tmp_path: Path) -> None:
    vector(tmp_path / "a.gpkg")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.gpkg", "data/a.gpkg")
    for path in (tmp_path / "a.zip", tmp_path / "a.zip" / "data" / "a.gpkg"):
        layer = Layer(path=path, column="v")
        assert readers.is_vector(layer)
        read = vectors.read(readers.vector_source(layer, "soil"), grids.crs_of(GRID))
        assert list(read.table["v"]) == [1]
    with pytest.raises(InputError, match="no such file"):
        vectors.read(vectors.VectorSource(tmp_path / "a.zip" / "b.gpkg"), grids.crs_of(GRID))


@pytest.mark.parametrize("more", [False, True], ids=["alone", "beside a vector"])
def test_a_raster_within_an_archive_is_no_vector(tmp_path: Path, more: bool) -> None:
    cells = raster(tmp_path / "a.tif", codes(1))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(cells, "a.tif")
        if more:
            archive.write(vector(tmp_path / "a.gpkg"), "a.gpkg")
    if more:
        with pytest.raises(InputError, match=r"path = \"a\.zip/"):
            readers.is_vector(Layer(path=tmp_path / "a.zip"))
        assert not readers.is_vector(Layer(path=tmp_path / "a.zip" / "a.tif"))
    else:
        assert not readers.is_vector(Layer(path=tmp_path / "a.zip"))
        assert readers.raster_info(Layer(path=tmp_path / "a.zip")).dtype == "int32"


@pytest.mark.parametrize(
    ("column", "codes", "legend"),
    [
        (pd.Series([3, None, 0], dtype="Int64"), [3, np.nan, 0], {0: "0", 3: "3"}),
        (pd.Series([3.0, np.nan, 0.0]), [3, np.nan, 0], {0: "0", 3: "3"}),
        (pd.Series([-1, None, 4], dtype="Int64"), [1, np.nan, 2], {1: "-1", 2: "4"}),
        (
            pd.Series([2**53 + 1, 2**53, None], dtype="Int64"),
            [2, 1, np.nan],
            {1: "9007199254740992", 2: "9007199254740993"},
        ),
        (pd.Series(["b", " ", None, "a"]), [2, np.nan, np.nan, 1], {1: "a", 2: "b"}),
    ],
    ids=["small", "floats", "negative", "large", "texts"],
)
def test_codes_of_classes(column: pd.Series, codes: list[float], legend: dict[int, str]) -> None:
    found, told = readers.class_codes(column)
    np.testing.assert_array_equal(found, codes)
    assert told == legend


def test_classes_that_look_alike_are_told() -> None:
    notes, warnings = readers.class_remarks(
        pd.Series(["Schist", "schist ", "granite", " "]), "unit"
    )
    (note,) = notes
    assert not lacks(note, "1 features", "'unit'")
    (line,) = warnings
    assert "'Schist', 'schist '" in line
    assert "granite" not in line
    assert readers.class_remarks(pd.Series(["schist", "granite"]), "unit") == ([], [])
