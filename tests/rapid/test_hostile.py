"""What a stranger's ShakeMap or a second run can do: nothing outside of the folder, no mixture."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.cli.app import main
from shakeslide.core import documents
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.geo import grid as grids
from shakeslide.hazard import alerts
from shakeslide.io import shakemap
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.rapid import (
    completed,
    info,
    new_earthquake,
    quantile_maps,
    study_file,
    totals,
    versions,
)
from shakeslide.rapid.study_file import NewStudy
from shakeslide.rapid.totals import ShakeMapVersion, Totals
from shakeslide.results.ledger import Ledger
from shakeslide.shaking.shakemap_motion import origin_of
from shakeslide.study import settings
from tests import small_site as site

from . import small_event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DEM and a ShakeMap."""
    small_event.dem(tmp_path / "dem.tif")
    small_event.grid_xml(tmp_path / "grid.xml")
    return tmp_path


def of(version: str, name: str = "test1") -> ShakeMapVersion:
    return ShakeMapVersion(id=name, version=version, event_type="ACTUAL")


def results(out: Path, shakemap: ShakeMapVersion) -> Ledger:
    """A folder with totals and a map of a version, as `rapid` records them."""
    draws = np.ones(4)
    one, alert = totals.quantiles(draws), alerts.from_draws(draws, alerts.AREA)
    (out / "maps").mkdir(parents=True, exist_ok=True)
    (out / "maps" / "jessee2022_mean.tif").write_text(shakemap.version)
    documents.write(
        out / totals.FILE,
        Totals(
            model="jessee2022", shakemap=shakemap, area_km2=one, landslides=one,
            hazard_alert=alert, population_alert=None, marc2016_km2=None,
            usgs=totals.UsgsAggregates(
                hazard_km2=None, hazard_level=None, population=None, population_level=None
            ),
            exposure=totals.Exposure(), mapped_km2=1.0, draws=20, warnings=(),
        ),
    )  # fmt: skip
    ledger = Ledger(out)
    files = [out / totals.FILE, out / "maps" / "jessee2022_mean.tif"]
    ledger.record("rapid", "mark", files, 1.0)
    return ledger


@pytest.mark.parametrize("name", ["..", ".", "a/../..", "/tmp", "....", "x" * 300, "a\x7f\n"])
def test_no_name_of_an_earthquake_leads_out_of_the_folder(name):
    for one in (versions.label(of("", name)), versions.folder_name(name)):
        assert Path(one).name == one
        assert one.strip(".")
        assert len(one) <= 100


def test_names_that_would_be_cut_to_the_same_stay_apart():
    names = {versions.label(of("1", n)) for n in ("a b", "a/b", "a_b", "x" * 200, "x" * 201)}
    assert len(names) == 5
    assert versions.label(of("3", "us7000abcd")) == "us7000abcd_3"


def test_results_stay_where_a_version_names_the_folder_above(tmp_path):
    ledger = results(tmp_path, of("", ".."))
    (tmp_path / "versions").mkdir()
    kept = versions.kept(ledger, of("2", ".."), "jessee2022")
    assert kept is not None
    assert kept.parent == tmp_path / "versions"
    assert (tmp_path / totals.FILE).exists()
    assert (kept / "maps" / "jessee2022_mean.tif").read_text() == ""


def test_the_version_before_is_one_of_the_same_earthquake(tmp_path):
    first = versions.kept(results(tmp_path, of("1")), of("1", "other"), "jessee2022")
    assert versions.last(tmp_path, of("1", "other"), "jessee2022") is None
    assert versions.last(tmp_path, of("2"), "jessee2022") == first


def test_maps_of_another_model_move_to_a_folder_of_their_own(tmp_path):
    ledger = results(tmp_path, of("1"))
    (tmp_path / "maps" / "jessee2022_mean.qml").write_text("style")
    (tmp_path / "maps" / "mine.tif").write_text("mine")
    assert versions.kept(ledger, of("1"), "jessee2022") is None
    kept = versions.kept(ledger, of("1"), "jessee2018")
    assert kept is not None
    new = tmp_path / "maps" / "jessee2018_mean.tif"
    told = versions.cleared(ledger, [new, tmp_path / totals.FILE], kept)
    assert "jessee2022_mean.tif" in told
    assert f"versions/{kept.name}" in told
    assert [p.name for p in (tmp_path / "maps").iterdir()] == ["mine.tif"]
    assert (tmp_path / totals.FILE).exists()
    assert (kept / "maps" / "jessee2022_mean.tif").read_text() == "1"
    # No version before this one: of it there is another model's map.
    assert versions.last(tmp_path, of("1"), "jessee2022") is None
    assert versions.last(tmp_path, of("2"), "jessee2018") is None
    assert versions.last(tmp_path, of("2"), "jessee2022") == kept


def test_a_record_that_was_edited_has_nothing_deleted_elsewhere(tmp_path):
    out = tmp_path / "out"
    ledger = results(out, of("1"))
    mine = [tmp_path / "mine.tif", out / "maps" / "inner" / "mine.tif"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    record = out / ".work" / "made" / "rapid.json"
    for name in ("../mine.tif", "maps/../../mine.tif", str(mine[0]), "maps/inner/mine.tif"):
        record.write_text(record.read_text().replace("totals.json", name))
        versions.cleared(ledger, [], None)
    assert all(path.exists() for path in mine)


def test_what_no_earthquake_can_have_is_left_out_and_said():
    odd = {
        "magnitude": "1e300", "depth": "1e308", "lat": "95", "lon": "73",
        "event_timestamp": "0001-01-01T00:00:00+14:00",
    }  # fmt: skip
    found = origin_of(odd)
    assert (found.magnitude, found.depth, found.epicentre, found.time) == (None, None, None, "")
    assert len(found.notes) == 4
    zone = origin_of({"event_timestamp": "2020-01-02T03:04:05+05:30"})
    assert (zone.time, zone.notes) == ("2020-01-01T21:34:05Z", ())


def test_the_study_file_can_be_read_whatever_the_shakemap_says(folder):
    path = folder / "grid.xml"
    text = (
        path.read_text().replace("Test valley", "a\x7fb &quot;\\ [x]").replace('"73.30"', '"nan"')
    )
    path.write_text(text.replace("2020-01-02T03", "2020-13-42T03").replace('"7.1"', '"inf"'))
    NewStudy.read(path, folder / "dem.tif").write(folder / "study.toml")
    document = tomllib.loads((folder / "study.toml").read_text())
    assert document["study"]["name"] == 'a b "\\ [x]'
    assert document["event"] == {}


def test_a_study_that_is_there_takes_no_other_dem_resolution_or_earthquake(folder):
    first = NewStudy.read(folder / "grid.xml", folder / "dem.tif", None, 60.0)
    out = folder / "out"
    out.mkdir()
    first.write(out / "study.toml")
    NewStudy.read(folder / "grid.xml", folder / "dem.tif", None, 60.0).write(out / "study.toml")
    with pytest.raises(InputError, match="resolution"):
        NewStudy.read(folder / "grid.xml", folder / "dem.tif", None, 90.0).write(out / "study.toml")
    small_event.dem(folder / "other.tif")
    with pytest.raises(InputError, match=r"other\.tif"):
        NewStudy.read(folder / "grid.xml", folder / "other.tif").write(out / "study.toml")
    results(out, of("1", "other"))
    with pytest.raises(InputError, match="'other'"):
        NewStudy.read(folder / "grid.xml", folder / "dem.tif").write(out / "study.toml")


def moved(path: Path, degrees: float) -> None:
    """Let a ShakeMap be a newer one that lies farther east."""
    small_event.grid_xml(path, version="2")
    text = path.read_text().replace("Test valley", "Other valley")
    head, _, rows = text.partition("<grid_data>\n")
    lines = [f"{float(r.split()[0]) + degrees:.4f} {r.split(maxsplit=1)[1]}"
             for r in rows.splitlines() if r[0] != "<"]  # fmt: skip
    path.write_text(f"{head}<grid_data>\n" + "\n".join(lines) + "\n</grid_data></shakemap_grid>")


def test_the_grid_grows_with_a_newer_shakemap_where_the_study_says_so(folder):
    # The map reaches half of the DEM at first.
    moved(folder / "grid.xml", -0.215)
    first = NewStudy.read(folder / "grid.xml", folder / "dem.tif", None, 60.0)
    study, edited = folder / "study.toml", folder / "edited.toml"
    assert first.write(study) == ()
    before = settings.load(study)[0]
    edited.write_text(study.read_text().replace(study_file.FOLLOWS, ""))
    moved(folder / "grid.xml", 0.0)
    newer = NewStudy.read(folder / "grid.xml", folder / "dem.tif", None, 60.0)
    (told,) = newer.write(study)
    after = settings.load(study)[0]
    assert str(list(after.grid.bounds)) in told
    assert after.grid.bounds[0] == before.grid.bounds[0]
    assert after.grid.bounds[2] > before.grid.bounds[2] + 1000
    assert (before.study.name, after.study.name) == ("Other valley", "Other valley")
    assert newer.write(study) == ()
    assert newer.write(edited) == ()
    assert settings.load(edited)[0].grid.bounds == before.grid.bounds


def test_a_wrong_option_leaves_no_study_behind(folder, capsys):
    given = ["rapid", str(folder / "grid.xml"), str(folder / "dem.tif"), "--out", str(folder / "o")]
    for option, names in ((["--model", "nonsense"], "synthetic"), (["--resolution", "inf"], "inf")):
        assert main([*given, *option]) == 2
        told = capsys.readouterr().err
        assert option[0] in told
        # Whatever could be given instead is listed.
        assert names in told
    assert not (folder / "o").exists()
    assert main(["rapid", str(folder / "study.toml"), "--resolution", "60"]) == 2


def test_a_path_that_is_too_long_is_one_line(folder, capsys):
    long = "/x" * 2500
    for given in ([folder / "grid.xml", long], [long, folder / "dem.tif"]):
        assert main(["rapid", *map(str, given), "--out", str(folder / "o")]) == 2
        assert "longer than a path" in capsys.readouterr().err
    assert not (folder / "o").exists()


def test_another_run_in_the_folder_is_not_disturbed(folder, capsys):
    out = folder / "out"
    out.mkdir()
    with Ledger(out).locked():
        given = ["rapid", str(folder / "grid.xml"), str(folder / "dem.tif"), "--out", str(out)]
        assert main(given) == 2
    assert "another run" in capsys.readouterr().err
    assert not (out / "study.toml").exists()
    assert not (out / ".work" / "shaking").exists()


@pytest.mark.parametrize("setting", ["layers=5", "factors=5", "factors.PGA=5", "factors.SLO=[]"])
def test_tables_that_are_none_are_refused_by_name(folder, capsys, setting):
    given = ["rapid", str(folder / "grid.xml"), str(folder / "dem.tif"), "--out", str(folder / "o")]
    assert main([*given, "--set", setting]) == 2
    assert setting.split("=")[0].split(".")[-1] in capsys.readouterr().err
    assert completed.completed({"layers": 5}, {}, ())["layers"] == 5


def test_a_pipe_in_place_of_a_shakemap_is_refused(folder, capsys):
    os.mkfifo(folder / "pipe.xml")
    assert main(["rapid", str(folder / "pipe.xml"), str(folder / "dem.tif")]) == 2
    assert "named pipe" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["2", "9", "-1"])
def test_fields_that_are_not_numbered_from_1_on_are_refused(folder, number):
    path = folder / "grid.xml"
    path.write_text(
        path.read_text().replace('index="3" name="PGA"', f'index="{number}" name="PGA"')
    )
    with pytest.raises(InputError, match="numbered from 1 to 4"):
        shakemap.read(path)


@pytest.mark.parametrize(("unit", "word"), [("%g", "%g"), ("cm/s", "cm/s"), (5, "unit")])
def test_shaking_is_a_factor_in_the_unit_in_which_it_is_drawn(folder, capsys, unit, word):
    given = ["rapid", str(folder / "grid.xml"), str(folder / "dem.tif"), "--out", str(folder / "o")]
    text = f'"{unit}"' if isinstance(unit, str) else unit
    given += ["--set", "layers.pga={path='dem.tif'}"]
    assert (
        main([*given, "--set", f"factors.PGA={{function='value', layer='pga', unit={text}}}"]) == 2
    )
    assert word in capsys.readouterr().err
    factors = completed.completed(
        {"layers": {"pga": {}}, "factors": {"PGA": {"layer": "pga"}}}, {}, ["PGA"]
    )["factors"]
    assert factors["PGA"]["unit"] == "g"


def test_what_a_shakemap_makes_idle_is_said(folder, capsys):
    (folder / "study.toml").write_text(
        "[layers.dem]\npath = 'dem.tif'\n[layers.pga]\npath = 'dem.tif'\n"
        "[factors.PGA]\nfunction = 'value'\nlayer = 'pga'\n"
        "[shaking]\nshakemap = 'grid.xml'\n"
    )
    plain = settings.load(folder / "study.toml")[0]
    notes = new_earthquake.shaking_of(plain, folder, Engine(1), Reporter(True)).notes
    told = " ".join(notes)
    assert "[layers.pga]" in told


def hdf(path: Path, shape: tuple[int, int] = (16, 21), kind: str = "f4", **stated: float) -> Path:
    """A shake_result.hdf of one field."""
    about = {"xmin": 73.1, "xmax": 73.5, "ymin": 34.5, "ymax": 34.8, **stated}
    with h5py.File(path, "w") as file:
        group = file.create_group("arrays/imts/GREATER_OF_TWO_HORIZONTAL/PGA")
        if kind == "group":
            group.create_group("mean")
        else:
            kinds = {"pair": [("a", "f4")], "text": "S1"}
            group.create_dataset("mean", shape=shape, dtype=kinds.get(kind, kind), chunks=True)
        group["mean"].attrs.update({**about, "units": "ln(g)"})
    return path


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"xmin": float("-inf")}, "bounds"),
        ({"xmin": float("nan")}, "bounds"),
        ({"xmin": 73.5}, "bounds"),
        ({"ymin": 38.0}, "bounds"),
        ({"shape": (2, 1)}, "grid of nodes"),
        ({"shape": (14_000, 14_000)}, "grid of nodes"),
        ({"kind": "group"}, "no field"),
        ({"kind": "pair"}, "no field"),
        ({"kind": "text"}, "no field"),
    ],
)
def test_a_field_of_an_hdf_that_is_none_is_refused(tmp_path, given, word):
    with pytest.raises(InputError, match=word):
        shakemap.read(hdf(tmp_path / "shake_result.hdf", **given))


def test_limits_that_differ_little_are_maps_of_their_own():
    assert list(quantile_maps.bands_of([0.1, 0.10000001], False).values()) == [0, 1, 2, 4, 5]
    assert "exceeds_0.1" in quantile_maps.bands_of([0.1], False)


def test_the_change_of_a_grid_that_grew_is_that_of_the_cells_that_were_there(tmp_path):
    def mean(folder: Path, grid: GeoBox, values: np.ndarray) -> Path:
        (folder / "maps").mkdir(parents=True)
        profile = {
            "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
            "dtype": "float32", "crs": str(grid.crs), "transform": grid.affine, "nodata": np.nan,
        }  # fmt: skip
        with rasterio.open(folder / "maps" / "m_mean.tif", "w", **profile) as dst:
            dst.write(values.astype(np.float32), 1)
        return folder

    grid = GeoBox((60, 70), site.TRANSFORM, site.CRS)
    new = np.random.default_rng(1).random((60, 70))
    old = mean(tmp_path / "old", grid[20:50, 30:60], new[20:50, 30:60] - 0.25)
    now = mean(tmp_path / "now", grid, new)
    job = TileJob(
        grid=grid, folder=now / "maps", shards=Shards(tmp_path), engine=Engine(1),
        advance=lambda _: None,
    )  # fmt: skip
    (path,) = versions.write_change(old, "m", grids.tiles(grid, 32), job)
    with rasterio.open(path) as src:
        change = src.read(1)
    assert np.isfinite(change).sum() == 900
    assert change[20:50, 30:60] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("crs", "x", "y", "west", "east"),
    [("EPSG:32643", 5e5, 4e6, 75.0, 75.022), ("EPSG:32760", 8.17e5, 8.118e6, 179.975, 179.995)],
)
def test_the_limits_of_a_map_across_180_degrees_are_as_near_as_it_is_wide(crs, x, y, west, east):
    for cols in (200, 800):
        found = info.limits(GeoBox((100, cols), Affine(10, 0, x, 0, -10, y), crs))
        assert found[0] == pytest.approx(west, abs=0.01)
        assert found[2] - found[0] == pytest.approx(cols / 200 * (east - west), rel=0.1)
        assert found[3] - found[1] == pytest.approx(0.009, rel=0.2)


def test_a_new_earthquake_has_the_factors_of_its_model_alone() -> None:
    given = {"factors": {"groups": ["terrain"], "scales": [60], "add": ["TPI_45m"]}}
    learnt = {"SLO_60m": {"function": "smoothed", "measure": "slope", "scale": 60.0}}
    factors = completed.completed(given, {}, ["SLO_60m"], learnt)["factors"]
    used = settings.validate({"factors": factors}, Path(), "study").active_factors
    assert list(used) == ["SLO_60m"]
