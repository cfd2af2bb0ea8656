"""ShakeMaps: the official values at the nodes, stated and assumed units, hostile files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.core.errors import InputError
from shakeslide.factors.catalogue import build
from shakeslide.factors.factor import Sources, TileInputs
from shakeslide.geo.grid import Tile
from shakeslide.io import raster, shakemap, units
from shakeslide.layers.readers import is_vector, raster_source
from shakeslide.study.factor_settings import ValueFactor
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

from ..lines import lacks

EXCERPT = Path(__file__).parent / "data" / "grid.xml"
DATA = Path(os.environ.get("SHAKESLIDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = DATA / "shakemap_loma_prieta"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")


def rows_of(path: Path) -> np.ndarray:
    """The file's own table, read as plain text."""
    text = path.read_text().split("<grid_data>")[1].split("</grid_data>")[0]
    return np.array([[float(v) for v in line.split()] for line in text.strip().splitlines()])


def around(lon: float, lat: float, epsg: int, cell: float = 1.0) -> GeoBox:
    """A projected grid of 3 x 3 cells whose middle one has its centre at a place."""
    x, y = Transformer.from_crs("EPSG:4326", epsg, always_xy=True).transform(lon, lat)
    corner = x - 1.5 * cell, y + 1.5 * cell
    return GeoBox((3, 3), Affine(cell, 0, corner[0], 0, -cell, corner[1]), CRS(epsg))


def value_at(path: Path, field: str, lon: float, lat: float, epsg: int = 32610) -> float:
    return float(raster.RasterSource(path, field=field).read(around(lon, lat, epsg))[1, 1])


@pytest.mark.parametrize(("column", "field"), [(2, "PGA"), (3, "PGV"), (4, "MMI"), (10, "SVEL")])
def test_nodes_have_the_files_values(column: int, field: str) -> None:
    for row in rows_of(EXCERPT):
        assert value_at(EXCERPT, field, row[0], row[1]) == pytest.approx(row[column], rel=1e-5)


@needs_real
@pytest.mark.parametrize("name", ["grid.xml", "uncertainty.xml"])
def test_all_nodes_of_the_official_files(name: str) -> None:
    table, read = rows_of(REAL / name), shakemap.read(REAL / name)
    lon, lat = read.grid.affine * (0.5, 0.5)
    assert (lon, lat) == pytest.approx((-122.5, 37.2))
    for i, values in enumerate(read.fields.values()):
        assert (values.ravel() == table[:, 2 + i].astype(np.float32)).all()
    field = next(iter(read.fields))
    for row in table[:: len(table) // 40]:
        assert value_at(REAL / name, field, row[0], row[1]) == pytest.approx(row[2], rel=1e-4)


def test_between_nodes_values_are_bilinear() -> None:
    table = rows_of(EXCERPT)
    four = table[(abs(table[:, 0] + 122.0125) < 0.02) & (abs(table[:, 1] - 37.0625) < 0.02)]
    assert len(four) == 4
    middle = value_at(EXCERPT, "PGA", -122.0125, 37.0625)
    assert middle == pytest.approx(four[:, 2].mean(), rel=1e-5)


def test_the_order_of_the_nodes_does_not_matter(tmp_path: Path) -> None:
    head, rest = EXCERPT.read_text().split("<grid_data>\n")
    data, tail = rest.split("</grid_data>")
    mixed = np.random.default_rng(1).permutation(data.strip().splitlines())
    path = tmp_path / "grid.xml"
    path.write_text(head + "<grid_data>\n" + "\n".join(mixed) + "\n</grid_data>" + tail)
    for name, values in shakemap.read(EXCERPT).fields.items():
        assert (shakemap.read(path).fields[name] == values).all()


def test_units_that_are_not_stated_are_assumed_and_said() -> None:
    read = shakemap.read(EXCERPT)
    assert read.units["PGA"] == read.units["PSA10"] == "%g"
    assert read.units["PGV"] == "cm/s"
    assert not lacks(read.notes["PGA"], "PGA", "%g assumed")
    assert read.event["magnitude"] == "6.9"


def stated(tmp_path: Path, **spelled: str) -> Path:
    text = EXCERPT.read_text()
    for name, unit in spelled.items():
        text = text.replace(f'name="{name}" units=""', f'name="{name}" units="{unit}"')
    path = tmp_path / "stated" / "grid.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_stated_units_hold(tmp_path: Path) -> None:
    read = shakemap.read(stated(tmp_path, PGA="pctg", PGV="cms", MMI="intensity"))
    assert (read.units["PGA"], read.units["PGV"], read.units["MMI"]) == ("%g", "cm/s", "MMI")
    assert "PGA" not in read.notes
    assert "PSA03" in read.notes


def factor_at(layer: Layer, unit: str, name: str = "shaking") -> tuple[float, str]:
    """Value at a node and unit of a factor made from a ShakeMap."""
    grid = around(-122.0, 37.05, 32610)
    sources = Sources(grid, {name: layer}, Event())
    factor = build("X", ValueFactor(layer=name, unit=unit), sources)
    tile = Tile((0, 0), 0, 3, 0, 3)
    dem = raster.RasterSource(Path("none"))
    return float(factor.compute(TileInputs(grid, tile, dem, (0, 0)))[1, 1]), factor.unit


def test_a_factor_may_ask_for_its_unit() -> None:
    table = rows_of(EXCERPT)
    node = table[(abs(table[:, 0] + 122.0) < 1e-6) & (abs(table[:, 1] - 37.05) < 1e-6)][0]
    pga = Layer(path=EXCERPT, column="pga")
    assert factor_at(pga, "") == (pytest.approx(node[2], rel=1e-5), "%g")
    assert factor_at(pga, "%g") == (pytest.approx(node[2], rel=1e-5), "%g")
    assert factor_at(pga, "g") == (pytest.approx(node[2] / 100, rel=1e-5), "g")
    assert factor_at(pga, "m/s2")[0] == pytest.approx(node[2] * 0.0980665, rel=1e-5)
    intensity = factor_at(Layer(path=EXCERPT), "MMI", "intensity")
    assert intensity == (pytest.approx(node[4], rel=1e-5), "MMI")


def test_a_unit_that_measures_something_else_is_refused() -> None:
    with pytest.raises(InputError, match=r"\[factors.X\] unit = 'MMI'.*field PGA, is in %g"):
        factor_at(Layer(path=EXCERPT, column="PGA"), "MMI")


@given(st.sampled_from(sorted(units.SCALES)), st.sampled_from(sorted(units.SCALES)))
def test_conversions_go_back(a: str, b: str) -> None:
    there, back = units.conversion(a, b), units.conversion(b, a)
    assert (there is None) == (back is None) == (units.SCALES[a][0] != units.SCALES[b][0])
    if there is not None and back is not None:
        assert there * back == pytest.approx(1)


def test_fields_are_found_by_name() -> None:
    read = shakemap.read(EXCERPT)
    assert read.name("mmi") == "MMI"
    assert read.name("SA(0.3)") == "PSA03"
    assert read.name(None, "intensity") == "MMI"
    assert read.name(None, "pga") == "PGA"
    with pytest.raises(InputError, match=r"no field 'PGAA'\. Did you mean 'PGA'"):
        read.name("PGAA")
    with pytest.raises(InputError, match=r"layers.shaking.*choose a field with column ="):
        read.name(None, "shaking")


def test_a_shakemap_is_a_raster(tmp_path: Path) -> None:
    assert not is_vector(Layer(path=EXCERPT, column="PGA"))
    other = tmp_path / "other.xml"
    other.write_text("<a/>")
    assert not shakemap.is_shakemap(other)
    assert raster_source(Layer(path=EXCERPT), name="pgv").field == "PGV"


def test_across_the_180th_meridian(tmp_path: Path) -> None:
    lon = np.array([179.0, 179.5, 180.0, -179.5, -179.0])
    lat = np.array([-16.0, -16.5, -17.0])
    rows = [f"{x} {y} {(x % 360) + y:.3f}" for y in lat for x in lon]
    path = tmp_path / "grid.xml"
    path.write_text(
        '<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap">'
        '<grid_specification lon_min="179" lat_min="-17" lon_max="-179" lat_max="-16" '
        'nlon="5" nlat="3"/>'
        '<grid_field index="1" name="LON" units="dd"/><grid_field index="2" name="LAT" '
        'units="dd"/><grid_field index="3" name="PGV" units="cm/s"/>'
        "<grid_data>\n" + "\n".join(rows) + "\n</grid_data></shakemap_grid>"
    )
    for place in (179.25, 180.0, -179.75):
        for epsg in (32760, 32701):
            expected = (place % 360) - 16.5
            assert value_at(path, "PGV", place, -16.5, epsg) == pytest.approx(expected, abs=1e-3)


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE shakemap_grid [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<shakemap_grid>&b;</shakemap_grid>"""
STEALING = """<?xml version="1.0"?>
<!DOCTYPE shakemap_grid [<!ENTITY x SYSTEM "file://{secret}">]>
<shakemap_grid><event magnitude="7"/>&x;</shakemap_grid>"""
CALLING = """<?xml version="1.0"?>
<!DOCTYPE shakemap_grid SYSTEM "http://127.0.0.1:9/x.dtd">
<shakemap_grid/>"""


@pytest.mark.parametrize("text", [LAUGHS, STEALING, CALLING], ids=["bomb", "file", "fetch"])
def test_hostile_files_are_not_read(tmp_path: Path, text: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not tell")
    path = tmp_path / "grid.xml"
    path.write_text(text.replace("{secret}", str(secret)))
    assert shakemap.is_shakemap(path)
    with pytest.raises(InputError, match="has a document type or entities") as caught:
        shakemap.read(path)
    assert "do not tell" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_web_service_is_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "grid.xml"
    path.write_text(
        '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/x</ServerUrl></Service>'
        "</GDAL_WMS>"
    )
    with pytest.raises(InputError, match="describes a web service, not data"):
        raster.info(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</grid_data>", "", "is not a whole ShakeMap grid"),
        ('nlon="6"', 'nlon="7"', "30 rows of 11 values, but 35 nodes"),
        ('nlon="6"', 'nlon="six"', "lacks nlat or nlon"),
        ('nlat="5"', 'nlat="1"', "at least 2 x 2"),
        ('name="LON"', 'name="LONG"', "has no fields LON and LAT"),
        ('name="PGV"', 'name="PGA"', "names a field twice"),
        ('index="3"', "", "lacks its index or name"),
        ("-122.1000 37.1000", "-122.0900 37.1000", "not a regular grid"),
        ("-122.1000 37.1000", "-122.1000 37.0750", "not a regular grid"),
        ("-122.1000 37.1000", "nan 37.1000", "have no coordinates"),
        ("-122.1000 37.1000", "here 37.1000", "<grid_data> is damaged"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = EXCERPT.read_text()
    assert old in text
    path = tmp_path / "grid.xml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words) as caught:
        shakemap.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        shakemap.read(tmp_path / "grid.xml")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "grid.xml"
    path.write_text(EXCERPT.read_text())
    before = value_at(path, "MMI", -122.0, 37.05)
    path.write_text(EXCERPT.read_text().replace(" 7.", " 6."))
    os.utime(path, ns=(1, 1))
    assert value_at(path, "MMI", -122.0, 37.05) != before


# ------------------------------------------------------------------ HDF


def write_hdf(path: Path) -> dict[str, np.ndarray]:
    """The excerpt in the form of shake_result.hdf: logarithms but for intensity."""
    read = shakemap.read(EXCERPT)
    about = {"xmin": -122.1, "xmax": -121.975, "ymin": 37.0, "ymax": 37.1, "dx": 0.025}
    about |= {"dy": 0.025, "nx": 6, "ny": 5}
    values = {
        "PGA": np.log(read.fields["PGA"].astype(float) / 100),
        "SA(0.3)": np.log(read.fields["PSA03"].astype(float) / 100),
        "MMI": read.fields["MMI"].astype(float),
    }
    event = {"longitude": "-121.88", "latitude": "37.04", "magnitude": "6.9", "depth": "18"}
    with h5py.File(path, "w") as file:
        for name, table in values.items():
            group = file.create_group(f"arrays/imts/GREATER_OF_TWO_HORIZONTAL/{name}")
            unit = "intensity" if name == "MMI" else "ln(g)"
            for kind, array in (("mean", table), ("std", np.full(table.shape, 0.4))):
                data = group.create_dataset(kind, data=array, compression="gzip")
                data.attrs.update(about | {"units": unit, "digits": 4})
        vs30 = file.create_dataset("arrays/vs30", data=read.fields["SVEL"].astype(float))
        vs30.attrs.update(about | {"units": "m/s"})
        info = {"input": {"event_information": event | {"origin_time": "1989-10-18T00:04:15Z"}}}
        file["dictionaries/info.json"] = json.dumps(info)
    return values


def test_hdf_gives_the_same_fields(tmp_path: Path) -> None:
    path, xml = tmp_path / "shake_result.hdf", shakemap.read(EXCERPT)
    write_hdf(path)
    assert shakemap.is_shakemap(path)
    read = shakemap.read(path)
    for name in ("PGA", "PSA03"):
        assert read.units[name] == "g"
        np.testing.assert_allclose(100 * read.fields[name], xml.fields[name], rtol=1e-6)
    assert read.units["MMI"] == "MMI"
    np.testing.assert_allclose(read.fields["MMI"], xml.fields["MMI"], rtol=1e-6)
    np.testing.assert_allclose(read.fields["SVEL"], xml.fields["SVEL"])
    assert read.units["STDPGA"] == "ln(g)"
    assert (read.fields["STDPGA"] == np.float32(0.4)).all()
    assert read.event["magnitude"] == "6.9"
    np.testing.assert_allclose(np.array(read.grid.affine), np.array(xml.grid.affine), atol=1e-9)
    assert factor_at(Layer(path=path, column="PGA"), "%g")[0] == pytest.approx(
        factor_at(Layer(path=EXCERPT, column="PGA"), "%g")[0], rel=1e-5
    )


def test_hdf_does_not_follow_links_into_other_files(tmp_path: Path) -> None:
    write_hdf(tmp_path / "other.hdf")
    path = tmp_path / "shake_result.hdf"
    with h5py.File(path, "w") as file:
        group = file.create_group("arrays/imts/GREATER_OF_TWO_HORIZONTAL/PGA")
        group["mean"] = h5py.ExternalLink(
            "other.hdf", "arrays/imts/GREATER_OF_TWO_HORIZONTAL/PGA/mean"
        )
    with pytest.raises(InputError, match="lies in another file"):
        shakemap.read(path)


def test_hdf_of_points_or_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "shake_result.hdf"
    with h5py.File(path, "w") as file:
        file["arrays/imts/GREATER_OF_TWO_HORIZONTAL/PGA/mean"] = np.zeros(9)
    with pytest.raises(InputError, match="is not a grid of nodes"):
        shakemap.read(path)
    write_hdf(path)
    path.write_bytes(path.read_bytes()[:3000])
    assert shakemap.is_shakemap(path)
    with pytest.raises(InputError, match="not a whole ShakeMap HDF"):
        shakemap.read(path)
