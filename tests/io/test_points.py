"""Points held as coordinates give what geometries give; a file is read once for all who ask."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import points, shapes, vector
from shakeslide.io.points import Points

UTM = CRS("EPSG:32643")
PLACES = [[400800.5, 3452603.0], [1.5, 2.0], [-3.0, 4e6]]


def wkb(*geometries: Any, **options: Any) -> pa.ChunkedArray:
    given = [None if g is None else shapely.to_wkb(g, **options) for g in geometries]
    return pa.chunked_array([pa.array(given[:1], pa.binary()), pa.array(given[1:], pa.binary())])


@pytest.mark.parametrize("height", [False, True])
@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_points_are_read_from_well_known_binary(height: bool, flavor: str) -> None:
    given = [shapely.Point(*p, 7.0) if height else shapely.Point(p) for p in PLACES]
    strange = shapely.Point(np.nan, 5, 7) if height else shapely.Point(np.nan, 5)
    column = wkb(None, *given, strange, flavor=flavor)
    found = points.of_wkb(column.slice(0))
    assert found is not None
    assert found.missing.tolist() == [True, False, False, False, False]
    assert found.xy[1:4].tolist() == PLACES
    assert found.xy[4, 1] == 5.0
    part = points.of_wkb(column.slice(2, 2))
    assert part is not None
    assert part.xy.tolist() == PLACES[1:]


@pytest.mark.parametrize(
    "column",
    [
        wkb(shapely.Point(1, 2), shapely.LineString([(0, 0), (1, 1)])),
        wkb(shapely.Point(1, 2), shapely.MultiPoint([(0, 0)])),
        wkb(shapely.Point(1, 2), shapely.Point(1, 2, 3), shapely.Point(1, 2)),
        wkb(shapely.Point(1, 2), byte_order=0),
        pa.chunked_array([["text"]]),
    ],
)
def test_what_else_there_is_stays_geometries(column: pa.ChunkedArray) -> None:
    assert points.of_wkb(column) is None


def test_points_go_through_the_same_steps_as_geometries() -> None:
    xy = np.array([[73.5, 34.4], [np.nan, np.nan], [75.0, 33.0]])
    wgs, plain = CRS("EPSG:4326"), Points(xy)
    told: list[list[str]] = []
    results = []
    for geometry in (plain, plain.shapes):
        notes: list[str] = []
        kept = shapes.present(geometry, "here", notes)
        out, _ = shapes.of_kinds(geometry[kept], ["point"], "here", notes)
        out, _ = shapes.mended(shapes.flat(out), "here", notes)
        out = shapes.projected(shapes.swapped(shapes.swapped(out)), wgs, UTM)
        assert not shapes.beyond(out).any()
        results.append(out)
        told.append(notes)
    assert isinstance(results[0], Points)
    assert results[0].xy.tolist() == shapely.get_coordinates(results[1]).tolist()
    assert told[0] == told[1] != []
    box = (0.0, 0.0, 10.0, 10.0)
    near = shapely.distance(results[1], shapely.box(*box)).min()
    assert results[0].distance(*box) == pytest.approx(near, rel=1e-12)


@pytest.mark.parametrize("xy", [[[np.inf, 1.0]], [[np.nan, 1.0]], [[np.nan, np.nan]]])
def test_points_that_are_nowhere_are_refused_alike(xy: list[list[float]]) -> None:
    told = []
    for geometry in (Points(np.array(xy)), Points(np.array(xy)).shapes):
        with pytest.raises(InputError) as caught:
            shapes.present(geometry, "here", [])
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_points_are_no_polygons() -> None:
    with pytest.raises(InputError, match="holds point geometries, but polygon"):
        shapes.of_kinds(Points(np.zeros((3, 2))), ["polygon"], "here", [])


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.gpkg"
    table = pa.table(
        {
            "mag": [4.5, 5.0, 6.1],
            "place": ["a", "b", "c"],
            "g": wkb(*map(shapely.Point, PLACES)).combine_chunks(),
        }
    )
    options = {"geometry_name": "g", "geometry_type": "Point", "crs": "EPSG:32643"}
    pyogrio.write_arrow(table, path, driver="GPKG", layer="c", **options)
    return path


def test_points_of_a_file_are_coordinates_until_geometries_are_asked_for(catalogue: Path) -> None:
    features = vector.read(vector.VectorSource(catalogue, column="mag"), UTM, "point")
    assert isinstance(features.held, Points)
    assert features.kind == "point"
    assert vector.points(features).tolist() == PLACES == vector.loose_points(features).tolist()
    assert vector.lines(features) == []
    assert shapely.get_coordinates(features.geometry).tolist() == PLACES


def test_what_is_remembered_is_read_once(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    opened = vector._open
    monkeypatch.setattr(
        vector,
        "_open",
        lambda source, columns: reads.append(source.path) or opened(source, columns),
    )
    source = vector.VectorSource(catalogue, column="mag")

    def read(count: int, *asked: Any, of: vector.VectorSource = source) -> vector.Features:
        features = vector.read(of, UTM, *asked)
        assert len(reads) == count
        return features

    with vector.remembering():
        first = read(1, None, ["PLACE", "other"])
        first.notes.append("changed")
        first.table["mag"] = 0.0
        again = read(1, "point", ["place"])
        assert again.notes == []
        assert again.table["mag"].tolist() == [4.5, 5.0, 6.1]
        assert vector.points(again).tolist() == PLACES
        with pytest.raises(InputError, match="polygon geometries are needed"):
            read(2, "polygon")
        read(3, "point", ["fid", "place"])
        read(4, of=vector.VectorSource(catalogue, where="mag > 5"))
        catalogue.touch()
        read(5)
    read(6)
    read(7)


def test_a_layer_of_several_kinds_is_read_for_each_need(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text(
        'wkt\n"POINT (1 2)"\n"POLYGON ((0 0, 2 0, 2 2, 0 0))"\n"POLYGON ((0 0, 3 0, 3 3, 0 0))"\n'
    )
    source = vector.VectorSource(path, crs="EPSG:32643", wkt="wkt")
    with vector.remembering():
        assert len(vector.read(source, UTM)) == 3
        assert len(vector.read(source, UTM, "polygon")) == 2
        assert len(vector.read(source, UTM)) == 3


def test_a_large_table_takes_little_memory(tmp_path: Path) -> None:
    """Its text is read in blocks, and no geometry is made."""
    path, count = tmp_path / "many.csv", 200_000
    line = "73.5,34.4,4.5," + "not asked for " * 8 + "\n"
    path.write_text("x,y,mag,place\n" + line * count)
    source = vector.VectorSource(path, crs="EPSG:32643", x="x", y="y", column="mag")
    tracemalloc.start()
    try:
        features = vector.read(source, UTM, "point")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(features) == count
    # Three columns of numbers, and some steps on the way; the file has 127 bytes a row.
    assert peak < 100 * count
