"""Catalogues in QuakeML: preferred origins and magnitudes, gaps, hostile files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import quakeml, vector

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<q:quakeml xmlns="http://quakeml.org/xmlns/bed/1.2" '
    'xmlns:q="http://quakeml.org/xmlns/quakeml/1.2"><eventParameters publicID="quakeml:x">'
)
TAIL = "</eventParameters></q:quakeml>"


def origin(name: str, time: str, lon: object, lat: object, depth: object = 10_000) -> str:
    return (
        f'<origin publicID="{name}"><time><value>{time}</value></time>'
        f"<longitude><value>{lon}</value></longitude><latitude><value>{lat}</value></latitude>"
        f"<depth><value>{depth}</value></depth></origin>"
    )


def magnitude(name: str, value: object) -> str:
    return f'<magnitude publicID="{name}"><mag><value>{value}</value></mag></magnitude>'


def event(name: str, *parts: str) -> str:
    return f'<event publicID="{name}">{"".join(parts)}</event>'


def write(path: Path, *events: str) -> Path:
    path.write_text(HEAD + "".join(events) + TAIL)
    return path


def test_preferred_origins_and_magnitudes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "catalogue.xml",
        event(
            "a",
            origin("o1", "2005-10-08T04:00:00Z", 1, 2),
            origin("o2", "2005-10-08T04:00:01.5Z", 73.5, 34.5, 15_000),
            magnitude("m1", 1.0),
            magnitude("m2", 5.5),
            "<preferredOriginID>o2</preferredOriginID>",
            "<preferredMagnitudeID>m2</preferredMagnitudeID>",
        ),
        event("b", origin("o3", "2005-10-09T00:00:00Z", 73.6, 34.6), magnitude("m3", 4.0)),
        event("c", origin("o4", "2005-10-10T00:00:00Z", 73.7, 34.7)),
        event("d", magnitude("m5", 3.0)),
    )
    records = quakeml.read(path)
    assert records.crs == "EPSG:4326"
    assert shapely.get_x(records.geometry).tolist() == [73.5, 73.6, 73.7]
    assert shapely.get_y(records.geometry).tolist() == [34.5, 34.6, 34.7]
    frame = records.table
    np.testing.assert_allclose(frame.magnitude, [5.5, 4.0, np.nan])
    assert frame.time[0] == pd.Timestamp("2005-10-08T04:00:01.5Z")
    assert frame.depth_km.tolist() == [15.0, 10.0, 10.0]
    assert records.notes == ["1 event without an origin left out"]


def test_it_is_read_as_a_vector(tmp_path: Path) -> None:
    path = write(
        tmp_path / "catalogue.qml", event("a", origin("o", "2005-10-08T04:00:00Z", 75, 34))
    )
    features = vector.read(vector.VectorSource(path), CRS("EPSG:32643"), "point")
    assert vector.points(features)[0] == pytest.approx([500_000, 3_762_155], abs=1)
    with pytest.raises(InputError, match="no columns to filter with where"):
        vector.read(vector.VectorSource(path, where="a = 1"), CRS("EPSG:32643"))
    with pytest.raises(InputError, match=r"no column 'mag'\. Did you mean 'magnitude'"):
        vector.read(vector.VectorSource(path, column="mag"), CRS("EPSG:32643"))


def test_no_events_and_no_numbers_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no event with an origin"):
        quakeml.read(write(tmp_path / "a.xml"))
    odd = write(tmp_path / "b.xml", event("a", origin("o", "2005-10-08", "east", 34)))
    with pytest.raises(InputError, match="longitude = 'east' is not a number"):
        quakeml.read(odd)


def test_hostile_catalogues_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.xml"
    path.write_text(
        '<!DOCTYPE quakeml [<!ENTITY a SYSTEM "file:///etc/hostname">]><quakeml>&a;</quakeml>'
    )
    assert quakeml.is_quakeml(path)
    with pytest.raises(InputError, match="has a document type or entities"):
        quakeml.read(path)
