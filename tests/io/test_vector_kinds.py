"""Kinds of geometries in the containers of vectors: taken, told or refused."""

from __future__ import annotations

import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
import shapely.affinity
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import vector
from shakeslide.layers.readers import vector_source
from shakeslide.study.layer_settings import Layer

from ..lines import lacks

UTM = CRS("EPSG:32643")
BOX, LINE, POINT = (
    shapely.box(0, 0, 2, 2),
    shapely.LineString([(0, 0), (9, 9)]),
    shapely.Point(1, 1),
)
CONTAINERS = [".gpkg", ".geojson", ".shp", ".fgb", ".geojsonl", ".parquet"]
MIXED = [".gpkg", ".geojson", ".parquet"]


def write(path: Path, shapes: list[object], **columns: object) -> vector.VectorSource:
    frame = gpd.GeoDataFrame(
        columns or {"a": range(len(shapes))}, geometry=shapes, crs="EPSG:32643"
    )
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        driver = {"driver": "GeoJSONSeq"} if path.suffix == ".geojsonl" else {}
        frame.to_file(path, **driver)
    return vector.VectorSource(path, "layer", column=next(iter(columns), "a"))


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (BOX, "polygon"),
        (shapely.MultiPolygon([BOX]), "polygon"),
        (shapely.force_3d(BOX, 5.0), "polygon"),
        (LINE, "line"),
        (shapely.MultiLineString([LINE]), "line"),
        (POINT, "point"),
        (shapely.force_3d(POINT, 5.0), "point"),
    ],
    ids=lambda v: v if isinstance(v, str) else v.wkt[:14],
)
def test_each_kind_in_each_container(
    tmp_path: Path, suffix: str, shape: shapely.Geometry, kind: str
) -> None:
    features = vector.read(write(tmp_path / f"a{suffix}", [shape]), UTM, kind)
    assert vector.kind_of(features.geometry) == kind
    # GeoJSONSeq holds degrees of seven digits.
    assert shapely.area(features.geometry[0]) == pytest.approx(shapely.area(shape), rel=0.02)
    assert features.table["a"].tolist() == [0]
    wrong = "line" if kind != "line" else "polygon"
    with pytest.raises(InputError, match=f"{kind} geometries, but {wrong} geometries are needed"):
        vector.read(write(tmp_path / f"b{suffix}", [shape]), UTM, wrong)


CORNER = (400_000.0, 3_800_000.0)
AREA = shapely.box(*CORNER, CORNER[0] + 200, CORNER[1] + 200)
WAY = shapely.LineString([CORNER, (CORNER[0] + 900, CORNER[1] + 700)])
SHAPES = {
    "polygon": (AREA, AREA.difference(shapely.Point(AREA.centroid).buffer(20, 2))),
    "polygons": (shapely.MultiPolygon([AREA, shapely.affinity.translate(AREA, 500)]),),
    "polygon z": (shapely.force_3d(AREA, 5.0),),
    "line": (WAY, shapely.force_3d(WAY, 5.0)),
    "lines": (shapely.MultiLineString([WAY, shapely.affinity.translate(WAY, 500)]),),
    "point": (shapely.Point(CORNER), shapely.Point(*CORNER, 5.0)),
}
TEXTS = {
    "utf-8": "Höhe 崩", "cp1252": "Höhe ß é", "cp1251": "Оползень", "gb18030": "滑坡山体",
    "cp932": "地すべり", "euc-kr": "산사태", "iso8859-9": "İğşı",
}  # fmt: skip
"""Names in the encodings of old."""


WAYS = (".shp, .cpg", ".shp", ".shp, zip", ".csv", ".tsv", ".geojson", ".tab", ".mif")


def encoded(path: Path, way: str, frame: gpd.GeoDataFrame, encoding: str) -> vector.VectorSource:
    """Write features whose texts are in an encoding; return how a study reads them."""
    stated: dict[str, str] = {"encoding": encoding}
    if way.startswith(".shp"):
        path = path.with_suffix(".shp")
        frame.to_file(path, encoding=encoding)
        parts = {p: path.with_suffix(f".{p}") for p in ("shp", "shx", "dbf", "prj", "cpg")}
        if way == ".shp, .cpg":
            stated = {}
        else:
            parts.pop("cpg").unlink(missing_ok=True)
        if way == ".shp, zip":
            path = path.with_suffix(".zip")
            with zipfile.ZipFile(path, "w") as zipped:
                for part, file in parts.items():
                    zipped.write(file, f"inner/layer.{part}")
    elif way in (".tab", ".mif"):
        path = path.with_suffix(way)
        frame.to_file(path, driver="MapInfo File", encoding=encoding)
    elif way == ".geojson":
        path = path.with_suffix(way)
        frame.to_file(path)
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    else:
        path = path.with_suffix(way)
        table = pd.DataFrame({"name": frame["name"], "wkt": frame.geometry.to_wkt()})
        text = table.to_csv(index=False, sep="," if way == ".csv" else "\t")
        path.write_bytes(text.encode(encoding))
        stated |= {"wkt": "wkt", "crs": "EPSG:32643"}
    return vector.VectorSource(path, "layer", column="name", **stated)


@pytest.mark.parametrize("shift", range(len(TEXTS)))
@pytest.mark.parametrize("way", WAYS)
def test_geometry_encoding_container(tmp_path: Path, way: str, shift: int) -> None:
    # All pairs of geometry, encoding and container.
    kind, shapes = list(SHAPES.items())[(shift + WAYS.index(way)) % len(SHAPES)]
    encoding, text = list(TEXTS.items())[shift]
    frame = gpd.GeoDataFrame(
        {"name": [text, "plain"][: len(shapes)]}, geometry=list(shapes), crs="EPSG:32643"
    )
    source = encoded(tmp_path / "a", way, frame, encoding)
    features = vector.read(source, UTM, kind.split()[0].removesuffix("s"))
    assert features.table["name"].tolist() == frame["name"].tolist()
    assert features.notes == []
    for read, written in zip(features.geometry, shapes, strict=True):
        assert shapely.hausdorff_distance(read, shapely.force_2d(written)) < 0.1
        assert shapely.area(read) == pytest.approx(shapely.area(written), rel=1e-3)


@pytest.mark.parametrize("suffix", MIXED)
def test_polygons_of_collections_are_taken(tmp_path: Path, suffix: str) -> None:
    collection = shapely.GeometryCollection([LINE, BOX, shapely.GeometryCollection([POINT])])
    source = write(tmp_path / f"a{suffix}", [collection, shapely.box(5, 5, 6, 6)])
    features = vector.read(source, UTM, ("polygon", "point"))
    assert shapely.area(features.geometry).tolist() == [4.0, 1.0]
    assert not lacks("; ".join(features.notes), "1 geometry collection")


def test_a_collection_of_one_kind_loses_nothing(tmp_path: Path) -> None:
    collection = shapely.GeometryCollection([BOX, shapely.box(5, 5, 6, 6)])
    features = vector.read(write(tmp_path / "a.geojson", [collection]), UTM, "polygon")
    assert shapely.area(features.geometry).tolist() == [5.0]
    assert not [note for note in features.notes if "collection" in note]


def test_half_of_another_kind_are_left_out(tmp_path: Path) -> None:
    features = vector.read(write(tmp_path / "a.geojson", [LINE, BOX]), UTM, "polygon")
    assert features.table["a"].tolist() == [1]


@pytest.mark.parametrize("suffix", MIXED)
def test_few_others_are_left_out_and_many_refused(tmp_path: Path, suffix: str) -> None:
    few = write(tmp_path / f"few{suffix}", [BOX, LINE, BOX, POINT, BOX])
    features = vector.read(few, UTM, "polygon")
    assert features.table["a"].tolist() == [0, 2, 4]
    assert not lacks("; ".join(features.notes), "2 of 5 features", "(line, point)")
    many = write(tmp_path / f"many{suffix}", [LINE, LINE, BOX])
    with pytest.raises(InputError, match=r"2 lines and 1 polygon, .*where = or layer ="):
        vector.read(many, UTM, "polygon")


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet", ".shp"])
def test_features_without_geometry_are_told(tmp_path: Path, suffix: str) -> None:
    features = vector.read(write(tmp_path / f"a{suffix}", [BOX, None]), UTM, "polygon")
    assert features.table["a"].tolist() == [0]
    assert "1 feature without geometry left out" in features.notes
    with pytest.raises(InputError, match="geometr"):
        vector.read(write(tmp_path / f"b{suffix}", [None, None]), UTM, "polygon")


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_features_without_length_or_area(tmp_path: Path, suffix: str) -> None:
    dot = shapely.LineString([(1, 1), (1, 1)])
    features = vector.read(write(tmp_path / f"some{suffix}", [dot, LINE]), UTM)
    assert features.table["a"].tolist() == [1]
    with pytest.raises(InputError, match="none of its features has a geometry with length or area"):
        vector.read(write(tmp_path / f"none{suffix}", [dot, dot]), UTM)


@pytest.mark.parametrize("suffix", CONTAINERS[:4])
def test_whole_numbers_stay_whole_among_missing_ones(tmp_path: Path, suffix: str) -> None:
    codes = pd.array([2**40 + 1, None, -3], dtype="Int64")
    source = write(tmp_path / f"a{suffix}", [BOX] * 3, code=codes)
    column = vector.read(source, UTM).table["code"]
    assert column.dropna().tolist() == [2**40 + 1, -3]
    assert [str(v) for v in column.dropna()] == ["1099511627777", "-3"]


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".parquet"])
def test_an_attribute_may_be_called_geometry(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    frame = gpd.GeoDataFrame({"geometry": ["flat"], "shape": [BOX]}, geometry="shape")
    frame = frame.set_crs("EPSG:32643")
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_file(path)
    source = vector.VectorSource(path, column="geometry", crs="EPSG:32643")
    features = vector.read(source, UTM, "polygon")
    assert features.table["geometry"].tolist() == ["flat"]
    assert shapely.area(features.geometry).tolist() == [4.0]


def test_a_shapefile_without_index_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    source = write(tmp_path / "a.shp", [BOX, BOX])
    (tmp_path / "a.shx").unlink()
    before = sorted(tmp_path.iterdir())
    features = vector.read(source, UTM, "polygon")
    assert (len(features), features.table["a"].tolist()) == (2, [0, 1])
    assert any(".shx" in note for note in features.notes)
    assert vector.crs_of(source) == UTM
    assert sorted(tmp_path.iterdir()) == before


def test_curves_become_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    path.write_text(
        '<c:FeatureCollection xmlns:c="http://x" xmlns:gml="http://www.opengis.net/gml">'
        "<gml:featureMember><c:r><c:a>1</c:a><c:g><gml:Polygon><gml:exterior><gml:Ring>"
        "<gml:curveMember><gml:Curve><gml:segments><gml:Arc><gml:posList>0 0 2 2 4 0"
        "</gml:posList></gml:Arc></gml:segments></gml:Curve></gml:curveMember><gml:curveMember>"
        "<gml:LineString><gml:posList>4 0 0 0</gml:posList></gml:LineString></gml:curveMember>"
        "</gml:Ring></gml:exterior></gml:Polygon></c:g></c:r></gml:featureMember>"
        "</c:FeatureCollection>"
    )
    features = vector.read(vector.VectorSource(path, crs="EPSG:32643"), UTM, "polygon")
    assert shapely.area(features.geometry[0]) == pytest.approx(2 * 3.14159, rel=0.01)
    assert not lacks("; ".join(features.notes), "curves")


@pytest.mark.parametrize("value", [1e300, 1e9, float("inf")])
def test_coordinates_beyond_the_earth_are_refused(tmp_path: Path, value: float) -> None:
    source = write(tmp_path / "a.gpkg", [BOX, shapely.Point(value, 0)])
    with pytest.raises(InputError, match=r"1 .*features have coordinates"):
        vector.read(source, UTM)


def test_parts_of_polygons_in_collections_stay_apart() -> None:
    apart = shapely.GeometryCollection([shapely.MultiPolygon([BOX, shapely.box(5, 5, 6, 6)])])
    features = vector.Features(pd.DataFrame(index=[0]), pd.Series([apart]).to_numpy(), UTM)
    assert [len(line) for line in vector.lines(features)] == [5, 5]


SQUARE = shapely.box(0, 0, 10, 10).exterior


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(5, 5, 15, 15)]), 175),
        (shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(2, 2, 4, 4)]), 100),
        (shapely.Polygon(SQUARE, [shapely.box(8, 4, 14, 6).exterior]), 96),
        (
            shapely.Polygon(
                SQUARE, [shapely.box(2, 2, 4, 4).exterior, shapely.box(4, 2, 6, 4).exterior]
            ),
            92,
        ),
        (shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), 50),
    ],
    ids=["parts overlap", "part in part", "hole beyond", "holes touch", "bow tie"],
)
def test_repaired_polygons_cover_the_ground_that_they_covered(
    tmp_path: Path, shape: shapely.Geometry, area: float
) -> None:
    assert not shape.is_valid
    features = vector.read(write(tmp_path / "a.gpkg", [shape]), UTM, "polygon")
    assert shapely.area(features.geometry).tolist() == [pytest.approx(area)]
    assert features.notes == ["1 invalid geometry repaired"]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
@pytest.mark.parametrize("where", ["nope = 1", "a = 1 OR"])
def test_a_filter_that_fails_is_named(tmp_path: Path, suffix: str, where: str) -> None:
    source = replace(write(tmp_path / f"a{suffix}", [BOX]), where=where)
    with pytest.raises(InputError, match=f"a{suffix}.*{where}"):
        vector.read(source, UTM)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".csv", ".parquet"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("stated", ["NFC", "NFD"])
def test_names_of_columns_are_compared_composed(
    tmp_path: Path, suffix: str, form: str, stated: str
) -> None:
    """One name in two spellings of Unicode: composed letters, or letters and accents apart."""
    name, size = unicodedata.normalize(form, "Größe"), unicodedata.normalize("NFC", "Größe")
    path = tmp_path / f"a{suffix}"
    table = {name: [1.5, 2.5, 3.5], "x": [500_000.0, 500_010.0, 500_020.0], "y": [4e6] * 3}
    if suffix == ".csv":
        pd.DataFrame(table).to_csv(path, index=False)
    else:
        frame = gpd.GeoDataFrame(
            table, geometry=gpd.points_from_xy(table["x"], table["y"]), crs="EPSG:32643"
        )
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_file(path)
    asked = unicodedata.normalize(stated, size)
    at = {"x": "x", "y": "y"} if suffix == ".csv" else {}
    layer = Layer(path=path, column=asked, where=f"{asked} > 2", crs="EPSG:32643", **at)
    assert layer.column == size
    features = vector.read(vector_source(layer, "a"), UTM, "point")
    assert features.table[size].tolist() == [2.5, 3.5]
