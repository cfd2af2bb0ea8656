"""Tables as users bring them: separators, encodings, marks, commas, WKT, Parquet, two columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import vector

UTM = CRS("EPSG:32643")
ROWS = [("x", "y", "mag", "place"), ("400800.5", "3452603", "4.5", "A"), ("1.5", "2", "", "B")]
SQUARE = "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))"


def text(separator: str = ",", end: str = "\n") -> str:
    return end.join(separator.join(row) for row in ROWS) + end


def source(path: Path, **keys: str) -> vector.VectorSource:
    given = {"x": "x", "y": "y", "crs": "EPSG:32643", "column": "mag"} | keys
    return vector.VectorSource(path, "points", **{k: v for k, v in given.items() if v})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.txt"


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_under_any_name(tmp_path: Path, suffix: str, separator: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_text(text(separator))
    features = vector.read(source(path), UTM, "point")
    assert vector.points(features).tolist() == [[400800.5, 3452603.0], [1.5, 2.0]]
    assert vector.numeric(features, "mag", "here")[0] == 4.5
    assert features.names == ("x", "y", "mag", "place")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mark_states_the_encoding(path: Path, encoding: str, end: str) -> None:
    path.write_bytes(text(end=end).replace(",A", ",Ä").encode(encoding))
    features = vector.read(source(path, column="place"), UTM)
    assert features.table.place.tolist() == ["Ä", "B"]


def test_another_encoding_is_named(path: Path) -> None:
    path.write_bytes(text().replace(",A", ",Ä").encode("latin-1"))
    with pytest.raises(InputError, match="encoding ="):
        vector.read(source(path, column="place"), UTM)
    read = vector.read(source(path, column="place", encoding="latin-1"), UTM)
    assert read.table.place[0] == "Ä"
    # A column that is not asked for may be in any.
    assert len(vector.read(source(path), UTM)) == 2


def test_a_mark_counts_before_a_stated_encoding(path: Path) -> None:
    path.write_bytes(text().replace(",A", ",Ä").encode("utf-8-sig"))
    read = vector.read(source(path, column="place", encoding="cp1252"), UTM)
    assert read.table.place[0] == "Ä"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_may_be_stated_above_the_names(path: Path, separator: str) -> None:
    path.write_text(f"sep={separator}\n{text(separator)}")
    features = vector.read(source(path), UTM)
    assert features.names == ("x", "y", "mag", "place")
    assert vector.points(features).tolist() == [[400800.5, 3452603.0], [1.5, 2.0]]


def test_the_crs_may_lie_beside_a_table(path: Path) -> None:
    path.write_text("x,y,mag\n75,34,4.5\n")
    with pytest.raises(InputError, match="CRS"):
        vector.read(source(path, crs=""), UTM)
    path.with_suffix(".prj").write_text(CRS("EPSG:4326").to_wkt())
    (xy,) = vector.points(vector.read(source(path, crs=""), UTM))
    assert xy == pytest.approx([500_000, 3_762_155], abs=1)
    assert vector.crs_of(source(path, crs="")) == CRS("EPSG:4326")
    assert vector.crs_of(source(path)) == UTM


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_and_told(path: Path, separator: str) -> None:
    path.write_text(text(separator).replace(".", ","))
    features = vector.read(source(path), UTM)
    assert vector.points(features)[0].tolist() == [400800.5, 3452603.0]
    assert any("'x' has decimal commas" in note for note in features.notes)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (text().replace("x,y", "lon,lat"), "no column 'x'.* lon, lat, mag, place"),
        ("x,y,mag\n103,82,31,16,4,5\n104,82,31,16,4,5\n", "more cells .*decimal points"),
        ("x,y,mag\n1,east,3\n", "'y' holds 1 values that are not numbers .*east"),
        ('x,y,mag\n"1,5",2,3\n', "'x' holds 1 values that are not numbers .*1,5"),
        ("x,y,mag,mag\n1,2,3,4\n", "2 columns of the same name 'mag'"),
        ("ncols 3\nnrows 2\n1 2 3\n", "raster as text"),
        ("1,2,3\n4,5,6\n", "first line names no columns"),
        ("\0\0\1", "is not a text file"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(path: Path, content: str, told: str) -> None:
    path.write_text(content)
    with pytest.raises(InputError, match=told):
        vector.read(source(path), UTM)


def test_the_columns_of_coordinates_must_be_named(path: Path) -> None:
    path.write_text(text())
    with pytest.raises(InputError, match=r"x = and y = .*wkt =.*x, y, mag, place"):
        vector.read(source(path, x="", y=""), UTM)


def test_a_name_that_is_there_twice_matters_only_where_used(path: Path) -> None:
    path.write_text("x,y,mag,place,place\n1,2,3,a,b\n")
    assert len(vector.read(source(path), UTM)) == 1
    with pytest.raises(InputError, match="same name 'place'"):
        vector.read(source(path, where="place = 'a'"), UTM)


def test_geometries_are_not_looked_for_in_a_name_that_is_there_twice(path: Path) -> None:
    path.write_text("shape,shape,mag\nPOINT (1 2),POINT (3 4),5\n")
    with pytest.raises(InputError, match="wkt ="):
        vector.read(source(path, x="", y="", column=""), UTM)
    path.write_text("shape,place,place\nPOINT (1 2),a,b\n")
    features = vector.read(source(path, x="", y="", column=""), UTM)
    assert vector.points(features).tolist() == [[1, 2]]


def test_rows_of_other_lengths_are_told(path: Path) -> None:
    path.write_text("x,y,mag\n1,2,3,more\n4,5\n6,7,8\n")
    features = vector.read(source(path), UTM)
    assert vector.points(features).tolist() == [[1, 2], [4, 5], [6, 7]]
    assert {note.split()[0] + note.split()[3] for note in features.notes} == {"1cells", "1fewer"}


def test_a_coordinate_may_be_missing_in_any_way(path: Path) -> None:
    path.write_text("x,y,mag\n01.5,2,3\nNA,3,4\n -- ,4,5\n")
    features = vector.read(source(path), UTM)
    assert vector.points(features).tolist() == [[1.5, 2]]
    assert features.table.mag.tolist() == [3]


@pytest.mark.parametrize(
    ("where", "kept"), [("mag > 4", [1.0]), ("place = 'b'", [2.0]), ("mag IS NULL", [2.0])]
)
def test_filters_are_those_of_all_files(path: Path, where: str, kept: list[float]) -> None:
    path.write_text("x,y,mag,place\n1,2,4.5,A\n2,3,,B\n")
    features = vector.read(source(path, where=where), UTM)
    assert shapely.get_x(features.geometry).tolist() == kept


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "", "3"], [1, None, 3]),
        (["16777217", "-5", ""], [16777217, -5, None]),
        (["007", "7", ""], ["007", "7", None]),
        (["07", "7", ""], ["07", "7", None]),
        (["9999999999999999999", "1"], ["9999999999999999999", "1"]),
        (["123456789012345678901", "1", ""], ["123456789012345678901", "1", None]),
        (["1.5", "NA", "2"], [1.5, None, 2.0]),
        (["1", "b", ""], ["1", "b", None]),
    ],
)
def test_cells_are_what_they_hold(path: Path, cells: list[str], expected: list[object]) -> None:
    path.write_text("x,y,mag\n" + "".join(f"1,2,{c}\n" for c in cells))
    column = vector.read(source(path), UTM).table["mag"]
    assert [None if pd.isna(v) else v for v in column] == expected


@pytest.mark.parametrize("name", ["WKT", "shape"])
@pytest.mark.parametrize(
    "wkt", [SQUARE, "MULTI" + SQUARE.replace("((", "(((").replace("))", ")))")]
)
def test_well_known_text_is_found_by_its_content(path: Path, name: str, wkt: str) -> None:
    path.write_text(f'{name},soil\n"{wkt}",clay\n,none\n')
    features = vector.read(source(path, x="", y="", column="soil"), UTM, "polygon")
    assert shapely.area(features.geometry).tolist() == [4.0]
    assert features.table.soil.tolist() == ["clay"]
    assert any(name in note for note in features.notes)


def test_well_known_text_may_begin_with_an_srid(path: Path) -> None:
    path.write_text("mag,shape\n3,SRID=32643;POINT (1 2)\n")
    features = vector.read(source(path, x="", y=""), UTM)
    assert vector.points(features).tolist() == [[1, 2]]
    path.write_text("mag,shape\n3,POINT (1 2)\n4,POINT (1\n")
    with pytest.raises(InputError, match="'shape' holds 1 values that are not well-known text"):
        vector.read(source(path, x="", y="", wkt="shape"), UTM)


def test_one_of_several_columns_of_well_known_text_is_named(path: Path) -> None:
    path.write_text(f'a,b\n"{SQUARE}","POINT (1 2)"\n')
    with pytest.raises(InputError, match=r"2 columns .*\(a, b\).*wkt ="):
        vector.read(source(path, x="", y="", column=""), UTM)
    features = vector.read(source(path, x="", y="", column="", wkt="b"), UTM)
    assert vector.points(features).tolist() == [[1, 2]]


def test_a_catalogue_with_its_names_in_a_comment(path: Path) -> None:
    path.write_text("# made by a service\n#x|y|mag\n1|2|4.5\n")
    assert vector.points(vector.read(source(path), UTM)).tolist() == [[1, 2]]


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columnar_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"soil{suffix}"
    frame = gpd.GeoDataFrame(
        {"mag": pd.array([1, None], dtype="Int64")},
        geometry=[shapely.from_wkt(SQUARE), shapely.box(2, 2, 3, 3)],
        crs="EPSG:32643",
    )
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_feather(path)
    features = vector.read(source(path, x="", y="", crs=""), UTM, "polygon")
    assert shapely.area(features.geometry).tolist() == [4.0, 1.0]
    assert features.table["mag"].dtype == "Int64"
    assert vector.crs_of(vector.VectorSource(path)) == UTM
    only = vector.read(source(path, x="", y="", crs="", where="mag = 1"), UTM)
    assert shapely.area(only.geometry).tolist() == [4.0]


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columns_of_dates_and_of_categories(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points{suffix}"
    days = [date(2005, 10, 8), None]
    kinds, codes = pd.Categorical(["b", None]), pd.Categorical([2**53 + 1, None])
    table = pd.DataFrame({"x": [1.0, 2.0], "y": 0.0, "day": days, "kind": kinds, "code": codes})
    table.to_parquet(path) if suffix == ".parquet" else table.to_feather(path)
    read = vector.read(source(path, column="kind", time="day", date="code", where="x > 0"), UTM)
    assert read.table.kind.dropna().tolist() == ["b"]
    assert read.table.day.dropna().tolist() == ["2005-10-08"]
    assert read.table.code.dropna().tolist() == [2**53 + 1]


def test_a_parquet_may_hold_a_name_twice(tmp_path: Path) -> None:
    path, shapes = tmp_path / "points.parquet", ["POINT (1 2)"]
    pq.write_table(pa.table([shapes, shapes], names=["shape", "shape"]), path)
    with pytest.raises(InputError, match="wkt ="):
        vector.read(source(path, x="", y="", column=""), UTM)


def test_a_plain_parquet_has_x_and_y(tmp_path: Path) -> None:
    path = tmp_path / "points.parquet"
    pd.DataFrame({"x": [1.0], "y": [2.0], "mag": [3]}).to_parquet(path)
    assert vector.points(vector.read(source(path), UTM)).tolist() == [[1, 2]]
    with pytest.raises(InputError, match="x = and y ="):
        vector.read(source(path, x="", y=""), UTM)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="damaged"):
        vector.read(source(path), UTM)


def test_a_filter_on_no_column_names_the_columns(path: Path) -> None:
    path.write_text("x,y,mag\n1,2,4.5\n")
    with pytest.raises(InputError, match=r"mainshock = 0.*x, y, mag") as told:
        vector.read(source(path, where="mainshock = 0"), UTM)
    assert "b't'" not in str(told.value)


@pytest.mark.parametrize("long", ["cell", "name"])
def test_a_long_cell_among_uneven_rows_and_a_long_name_are_read(path: Path, long: str) -> None:
    words = "w" * 200_000
    name, cell = ("place", words) if long == "cell" else (words, "here")
    path.write_text(f"x,y,{name}\n400800.5,3452603,{cell}\n400801.5,3452604\n")
    features = vector.read(source(path, column=""), UTM)
    assert vector.points(features)[0].tolist() == [400800.5, 3452603.0]
    assert any("fewer cells" in note for note in features.notes)
