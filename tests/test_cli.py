"""The command line: exit codes, one-line errors, and nothing lost by bad input."""

from __future__ import annotations

import errno
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.errors import RasterioIOError

from shakeslide import pipeline
from shakeslide._version import __version__
from shakeslide.cli import app, options
from shakeslide.factors import stack
from shakeslide.pipeline import names

from . import small_site as site
from .lines import lacks


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = app.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return site.make(tmp_path / "site")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"shakeslide {__version__}\n", "")


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("shakeslide")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    for name in (*names.STAGES, "init", "check", "demo"):
        assert name in done.stdout


def test_init_writes_a_study_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "init", tmp_path / "new")
    assert code == 0
    assert Path(out.strip()) == tmp_path / "new" / "study.toml"
    code, _, err = run(capsys, "init", tmp_path / "new")
    assert code == 2
    assert "already exists" in err


def test_the_papers_table_cannot_be_of_a_balanced_test_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = ["--oa", "0.9188", "--precision", "0.8756", "--recall", "0.9140"]
    code, out, _ = run(capsys, "audit", *figures, "--prevalence", "0.5")
    assert code == 0
    assert "89.2" in out or "0.892" in out
    assert run(capsys, "audit", "--oa", "1.5", *figures[2:])[0] == 2


def test_check_loads_no_library_that_only_models_and_tiles_need(site_study: Path) -> None:
    heavy = ("sklearn", "scipy.stats", "scipy.optimize", "xarray", "dask.array")
    code = (
        "import sys; from shakeslide.cli import app; "
        f"assert app.main(['check', {str(site_study)!r}, '-q']) == 0; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_check_lists_every_layer(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "check", study, "--out", tmp_path / "out")
    assert code == 0
    for word in (
        "dem",
        "intensity",
        "rupture",
        "aftershock",
        "lithology",
        "inventory",
        "150 rows x 180 columns",
    ):
        assert word in out
    assert "EPSG:32643" in out
    assert not lacks(out.replace("\n", " "), "warning: lithology: ", " 75.0 % ")


def test_a_stage_prints_where_its_result_is(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, told, _ = run(capsys, "prepare", study, "--out", out)
    assert (code, told) == (0, f"{out}\n")
    assert run(capsys, "prepare", study, "--out", out, "--quiet") == (0, "", "")
    assert (out / "factors" / "SLO.tif").is_file()
    assert (out / "provenance.json").is_file()
    code, _, err = run(capsys, "train", study, "--out", out, "--quiet")
    assert code == 2
    assert "run `shakeslide sample` first" in err


def error(
    capsys: pytest.CaptureFixture[str], study: Path, *more: str, command: str = "check"
) -> str:
    """Run a command that must fail with one line, and return the line."""
    code, _, err = run(capsys, command, study, "--out", study.parent / "out", "--quiet", *more)
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def edit(study: Path, old: str, new: str) -> None:
    text = study.read_text()
    assert old in text
    study.write_text(text.replace(old, new))


def test_missing_file(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study.parent / "rivers.gpkg").unlink()
    assert "rivers.gpkg (rivers): no such file" in error(capsys, study)


def test_missing_dem(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study.parent / "dem.tif").unlink()
    assert "dem.tif: no such file" in error(capsys, study)


def test_missing_layer_names_the_factor(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, '[layers.soil]\npath = "soil.tif"', "")
    line = error(capsys, study)
    assert "[layers.soil] is missing, which ST need" in line
    assert "use = false" in line


def test_missing_column(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, 'column = "mmi"', 'column = "mmj"')
    line = error(capsys, study)
    assert "intensity.gpkg" in line
    assert "no column 'mmj'. Did you mean 'mmi'?" in line


def test_text_where_numbers_are_needed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "intensity.gpkg"
    gpd.read_file(path).assign(mmi="VIII").to_file(path)
    line = error(capsys, study)
    assert "intensity.gpkg" in line
    assert "'mmi'" in line
    assert "'VIII'" in line


def test_no_crs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = site.frame([shapely.LineString([site.point(0, 0), site.point(9, 9)])])
    line.to_file(study.parent / "faults.shp")
    (study.parent / "faults.prj").unlink()
    edit(study, "faults.gpkg", "faults.shp")
    assert "faults.shp (faults): has no CRS" in error(capsys, study)
    edit(study, 'path = "faults.shp"', f'path = "faults.shp"\ncrs = "{site.CRS}"')
    assert run(capsys, "check", study, "--out", study.parent / "out")[0] == 0


def test_dem_without_crs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.raster(study.parent / "dem.tif", site.elevation(), crs=None)
    assert "the DEM has no CRS" in error(capsys, study)


def test_dem_in_degrees(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transform = rasterio.Affine(0.0003, 0, 73.2, 0, -0.0003, 34.7)
    site.raster(study.parent / "dem.tif", site.elevation(), crs="EPSG:4326", transform=transform)
    line = error(capsys, study)
    assert "degrees" in line
    assert "[grid] crs" in line


def test_rasters_that_do_not_overlap(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transform = rasterio.Affine(30, 0, 900_000, 0, -30, 3_840_000)
    site.raster(study.parent / "soil.tif", np.ones((9, 9), np.int16), transform=transform)
    assert not lacks(error(capsys, study), "soil.tif (layers.soil)", "no value")


def test_polygons_that_do_not_overlap(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.frame([site.box(5000, 5000, 9, 9)], mmi=[7.0]).to_file(study.parent / "intensity.gpkg")
    assert "does not overlap the grid" in error(capsys, study)


def test_inventory_elsewhere(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.frame([site.box(5000, 5000, 9, 9)], year=[2005]).to_file(study.parent / "landslides.gpkg")
    assert not lacks(error(capsys, study), "none of its 1 landslides")


def test_a_filter_that_leaves_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, 'where = "year = 2005"', 'where = "year = 1905"')
    assert not lacks(error(capsys, study), "`year = 1905`")


def test_a_filter_that_is_no_sql(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, 'where = "year = 2005"', 'where = "yaer = = 2005"')
    assert "filter `yaer = = 2005`" in error(capsys, study)


def test_wrong_geometry(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(
        study,
        'path = "rupture.gpkg"',
        'path = "aftershocks.csv"\nx="longitude"\ny="latitude"\ncrs="EPSG:4326"',
    )
    assert not lacks(error(capsys, study), "point geometries", "line or polygon")


def test_csv_without_its_columns(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, 'x = "longitude"', 'x = "lon"')
    assert not lacks(error(capsys, study), "'lon'", "'longitude'?")


def test_csv_with_x_and_y_swapped(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "aftershocks.csv"
    table = pd.read_csv(path)
    table["longitude"], table["latitude"] = table["latitude"], table["longitude"] + 60
    table.to_csv(path, index=False)
    line = error(capsys, study)
    assert "aftershocks.csv" in line
    assert "swapped" in line


def test_epicentre_with_lat_and_lon_swapped(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error(capsys, study, "--set", "event.epicentre=[34.6, 103.3]")
    assert "latitude 103.3 is beyond 90" in line


def test_no_epicentre(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, "epicentre = [73.30, 34.66]", "")
    assert not lacks(error(capsys, study), "[event] epicentre", "factor ED")


def test_a_truncated_raster(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "soil.tif"
    path.write_bytes(path.read_bytes()[:900])
    assert "soil.tif" in error(capsys, study)


def test_a_file_that_is_no_raster(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study.parent / "dem.tif").write_text("hello")
    assert not lacks(error(capsys, study), "dem.tif: not a raster")


def test_classes_that_are_no_classes(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.raster(study.parent / "soil.tif", site.elevation() / 7)
    line = error(capsys, study)
    assert "soil" in line
    assert 'function = "value"' in line


def test_broken_geometries_are_repaired_and_told(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = site.point(0, 0)
    bow = shapely.Polygon([(x, y), (x + 6e3, y - 6e3), (x + 6e3, y), (x, y - 6e3)])
    path = study.parent / "lithology.gpkg"
    frame = gpd.read_file(path)
    frame.loc[0, "geometry"] = bow
    frame.to_file(path)
    code, out, _ = run(capsys, "check", study, "--out", study.parent / "out")
    assert code == 0
    assert "lithology: 1 invalid geometry repaired" in out


def test_a_disk_that_is_full(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stack, "IN_MEMORY", 0)  # through files, as factors of a large grid go
    monkeypatch.setattr(np, "save", full)
    line = error(capsys, study, command="prepare")
    assert "the disk is full" in line
    assert not list((study.parent / "out").glob("factors/*.tif"))
    assert not list((study.parent / "out").rglob(".*-*.npy"))


def test_a_disk_that_is_full_when_files_are_written(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rasterio.open

    def full(path: object, mode: str = "r", **options: object) -> object:
        if mode == "w":
            raise RasterioIOError("Write operation failed")
        return real(path, mode, **options)

    monkeypatch.setattr(rasterio, "open", full)
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    line = error(capsys, study, command="prepare")
    assert "the disk is full" in line
    assert not list((study.parent / "out").glob("factors/*.tif"))
    assert not list((study.parent / "out").rglob(".*-*.tif"))


def test_out_that_is_a_file(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    code, _, err = run(capsys, "prepare", study, "--out", tmp_path / "file")
    assert code == 2
    assert "cannot be written to" in err


def test_a_wrong_option_is_one_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "prepare", study, "--wrokers", "2")
    assert code == 2
    assert err.count("\n") == 1
    assert "--wrokers" in err


@pytest.mark.parametrize("arguments", [("init",), ("check",), ("demo", "--out"), ("rapid",)])
def test_a_name_that_is_too_long_is_not_repeated_whole(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *arguments, "n" * 5000)
    assert code == 2
    assert "nnnnn" in err
    assert len(err) < 1000


def test_a_bug_is_told_as_a_bug(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(type(pipeline.prepare), "make", broken)
    out = study.parent / "out"
    code, _, err = run(capsys, "prepare", study, "--out", out, "--quiet")
    assert code == 1
    assert "bug: ZeroDivisionError: oh" in err
    assert "Traceback" not in err
    assert "ZeroDivisionError" in (out / "run.log").read_text()


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code = app.main([])
    out, err = capsys.readouterr()
    assert code == 0
    assert "Commands:" in out
    assert out.count("\n") > 10
    assert err == ""


def test_folders_of_options(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for option in ("--out", "--data"):
        code, _, err = run(capsys, "check", study, option, "")
        assert (code, len(err.splitlines())) == (2, 1)
        assert "is empty" in err
        assert options.folder("~/a") == tmp_path / "a"
    assert options.folder("~nobody-at-all/a") == Path("~nobody-at-all/a")


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(app, "console_main", lambda: called.append(True))
    runpy.run_module("shakeslide", run_name="__main__")
    assert called == [True]


def test_what_rasterio_cannot_pass_on_is_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = []
    monkeypatch.setattr(sys, "unraisablehook", others.append)

    def failing(*_: object, **__: object) -> int:
        for name in ("rasterio._env.log_error", "else"):
            told = UnicodeDecodeError("utf-8", b"\xc6", 0, 1, "invalid")
            sys.unraisablehook(SimpleNamespace(object=name, exc_value=told, err_msg=None))
        return 0

    before = sys.unraisablehook
    monkeypatch.setattr(app, "app", failing)
    assert run(capsys) == (0, "", "")
    assert [told.object for told in others] == ["else"]
    assert sys.unraisablehook is before


@pytest.mark.parametrize("given", [True, False])
def test_a_run_with_landslides_reports_that_it_uses_no_exposure(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    monkeypatch.setattr(pipeline, "run_all", lambda run: run.out)
    study.with_name("roads.gpkg").touch()
    more = ("--set", 'exposure.roads.path="roads.gpkg"') if given else ()
    code, _, err = run(capsys, "run", study, "--out", study.parent / "out", *more)
    assert code == 0
    assert ("[exposure]" in err) is given
