"""Odd and damaged input: one line that names the file, or a repair that is reported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from shakeslide.cli.app import main
from shakeslide.io import shakemap
from shakeslide.rapid import study_file
from tests import small_site as site

from . import small_event


def rapid(folder: Path, *words: object) -> int:
    given = [folder / "grid.xml", folder / "dem.tif", "--out", folder / "out", *words]
    return main(["rapid", *map(str, given), "--resolution", "200", "--set", "shaking.draws=20"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DEM and a ShakeMap."""
    small_event.dem(tmp_path / "dem.tif")
    small_event.grid_xml(tmp_path / "grid.xml")
    return tmp_path


def edited(path: Path, pattern: str, new: str, count: int = 0) -> None:
    text, changes = re.subn(pattern, new, path.read_text(), count=count, flags=re.S)
    assert changes
    path.write_text(text)


@pytest.mark.parametrize(
    ("pattern", "new", "word"),
    [
        # Cut short.
        (r"(<grid_data>.{2000}).*(</grid_data>)", r"\1\n\2", "damaged"),
        (r"</grid_data>.*", "", "grid.xml"),
        ('name="PGA" units="pctg"', 'name="PGA" units="furlongs"', "furlongs"),
        # Percent that is read as g.
        ('name="PGA" units="pctg"', 'name="PGA" units="g"', "PGA reaches"),
        ("nan|NaN|73.1000 34.8000 [0-9.]+", "73.1000 34.8000 -5", "negative"),
    ],
)
def test_a_shakemap_that_cannot_be_true_is_one_line(folder, capsys, pattern, new, word):
    edited(folder / "grid.xml", pattern, new)
    assert rapid(folder) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    assert word in told
    assert "grid.xml" in told
    assert not (folder / "out" / "totals.json").exists()


@pytest.mark.usefixtures("no_sheet")
def test_nodes_in_another_order_and_without_pgv_or_uncertainty_are_read(folder, capsys):
    small_event.grid_xml(folder / "grid.xml", order=slice(None, None, -1), pgv=False, sd=False)
    (folder / "uncertainty.xml").unlink()
    assert rapid(folder) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "no PGV" in told
    assert "BSSA14" in told
    page = (folder / "out" / "report.html").read_text()
    assert "no pgv" in page.lower()


def test_without_pga_the_grid_is_that_of_pga_from_pgv(folder):
    shaken = shakemap.read(folder / "grid.xml")
    edited(folder / "grid.xml", 'name="PGA" units="pctg"', 'name="PSA03" units="pctg"')
    without = shakemap.read(folder / "grid.xml")
    got, dem = study_file.choose_grid(without, folder / "dem.tif"), folder / "dem.tif"
    assert got == study_file.choose_grid(shaken, dem)


def test_a_shakemap_elsewhere_is_refused(folder, capsys):
    edited(folder / "grid.xml", r"\n73\.", "\n13.")
    edited(folder / "grid.xml", 'lon_min="73', 'lon_min="13')
    assert rapid(folder) == 2
    assert "does not reach" in capsys.readouterr().err


@pytest.mark.usefixtures("no_sheet")
def test_a_dem_in_degrees_is_brought_to_metres(folder):
    at = Affine(0.002, 0, 73.2, 0, -0.002, 34.72)
    z = np.add.outer(np.arange(40), np.arange(50)).astype(np.float32) * 40
    profile = {
        "driver": "GTiff", "height": 40, "width": 50, "count": 1, "dtype": "float32",
        "crs": "EPSG:4326", "transform": at,
    }  # fmt: skip
    with rasterio.open(folder / "dem.tif", "w", **profile) as dst:
        dst.write(z, 1)
    assert rapid(folder) == 0
    with rasterio.open(folder / "out" / "maps" / "jessee2022_mean.tif") as src:
        assert src.crs.to_epsg() == 32643


def test_roads_without_a_crs_are_refused_by_name(folder, capsys):
    line = shapely.LineString([(site.WEST, site.NORTH - 500), (site.WEST + 2000, site.NORTH - 500)])
    gpd.GeoDataFrame(geometry=[line], crs=site.CRS).to_file(folder / "roads.shp")
    (folder / "roads.prj").unlink()
    assert rapid(folder, "--set", f'exposure.roads.path="{folder / "roads.shp"}"') == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "roads.shp" in told
    assert "crs" in told.lower()


def test_models_that_need_landslides_or_only_rank_and_unknown_ones_are_refused(folder, capsys):
    refused = [("rf", "learns"), ("nothing", "neither")]
    refused += [(n, "only ranks places") for n in ("slope_pga", "slope_pgv", "kritikos2015")]
    for name, word in refused:
        assert rapid(folder, "--model", name) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert word in told
        assert "newmark, jessee2018, jessee2022" in told
        assert "jessee2022, kritikos2015" not in told


def test_an_output_that_is_no_share_of_the_area_is_refused(folder, capsys):
    assert rapid(folder, "--set", "models.jessee2022.output=probability") == 2
    assert "[models.jessee2022] output" in capsys.readouterr().err


@pytest.mark.usefixtures("no_sheet")
def test_elevations_in_kilometres_are_reported_with_the_totals(folder, capsys):
    with rasterio.open(folder / "dem.tif", "r+") as dst:
        dst.write(dst.read() / 1000)
    assert rapid(folder) == 0
    assert "scale = 1000" in " ".join(capsys.readouterr().err.split())
    told = json.loads((folder / "out" / "totals.json").read_text())["warnings"]
    assert any("dem.tif" in t and "scale = 1000" in t for t in told)


def test_a_grid_far_finer_than_the_dem_is_refused_before_anything_is_made(folder, capsys):
    for cell in (0.1, 1e-9):
        assert rapid(folder, "--set", f"grid.resolution={cell}") == 2
        assert "[grid] resolution" in capsys.readouterr().err
    assert not list((folder / "out").rglob("*.npy"))
