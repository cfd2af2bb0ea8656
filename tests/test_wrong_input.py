"""Wrong input of every kind: exit code 2 and one line that names file or key and what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.checks import overview
from shakeslide.core import engine
from shakeslide.core.errors import InputError
from shakeslide.core.sample_columns import RESERVED
from shakeslide.geo import grid as grids
from shakeslide.io import raster, vector
from shakeslide.models import parallel

from . import small_site as site
from .lines import lacks
from .test_cli import edit, error, run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The site with few layers."""
    return site.make_few(tmp_path / "site", "dem", "aftershocks", "faults")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The site with all layers."""
    return site.make(tmp_path / "site")


def told(capsys: pytest.CaptureFixture[str], study: Path, *more: str) -> str:
    """What `check` prints of a study that it accepts, on one line."""
    code, out, err = run(capsys, "check", study, "--out", study.parent / "out", *more)
    assert code == 0, err
    return " ".join(out.split())


def holds(line: str, *words: str) -> None:
    for word in words:
        assert word in line, line


# ------------------------------------------------------------------ the study file


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("map.breaks=[0.6, 0.4]", ["[map.breaks]", "does not rise", "ascending"]),
        ("map.breaks=[0.4, 0.4]", ["[map.breaks]", "does not rise"]),
        ("map.breaks=[]", ["[map.breaks]", "is empty", "give at least one"]),
        ("grid.crs=EPSG:999999", ["[grid.crs]", "'EPSG:999999' is not a CRS", "EPSG:32643"]),
        ("layers.rivers.crs=EPSG:999999", ["[layers.rivers.crs]", "is not a CRS"]),
        ("layers.dem.crs=rubbish", ["[layers.dem.crs]", "'rubbish' is not a CRS"]),
        ("inventory.crs=EPSG:5773", ["[inventory.crs]", "has no x and y"]),
        ("event.crs=nowhere", ["[event.crs]", "'nowhere' is not a CRS"]),
        ("models.svm.gamma=1e300", ["[models.svm.gamma]", "less than or equal to 1000000"]),
        ("models.svm.C=inf", ["[models.svm.C]", "finite"]),
        ("grid.tile=fine", ["[grid.tile]", "'auto' or a whole number", "16", "got 'fine'"]),
        ("grid.tile=5", ["[grid.tile]", "multiple of 16", "got 5"]),
        (
            "evaluation.block_size=-1",
            ["[evaluation.block_size] Input should be 'auto' or a number"],
        ),
        ("models.sae.batch_size=0", ["[models.sae.batch_size]", "'full'"]),
        ('models.use=["lr", "rf", "lr"]', ["[models.use]", "'lr'", "2 times"]),
        (
            'evaluation.protocols=["pixel", "pixel"]',
            ["[evaluation.protocols]", "'pixel'", "2 times"],
        ),
        ('map={models=["lr"], spread=["rf"]}', ["[map]", "spread: 'rf' is not mapped", "['lr']"]),
        ("inventory.ambiguous.3.where=x", ["inventory.ambiguous.3", "'3'"]),
        ("masks.0.name=lakes", ["masks.0.name", "has no list masks"]),
        ("inventory.path.0=x", ["path is a value, not a table"]),
    ],
)
def test_a_wrong_key(
    study: Path, capsys: pytest.CaptureFixture[str], setting: str, words: list[str]
) -> None:
    line = error(capsys, study, "--set", setting)
    holds(line, *words)
    assert "literal[" not in line
    assert "more)" not in line


def test_a_place_in_a_list_of_tables_can_be_set(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error(capsys, study, "--set", "inventory.ambiguous.0.path=lost.gpkg")
    holds(line, "lost.gpkg (inventory.ambiguous): no such file")


@pytest.mark.parametrize("code", RESERVED)
def test_a_factor_called_like_a_column_of_the_samples(
    study: Path, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    study.write_text(study.read_text() + f'\n[factors.{code}]\nfunction = "slope"\n')
    holds(error(capsys, study), f"[factors.{code}]", "column of the samples", "another code")


def test_the_reserved_codes_are_the_columns_of_the_samples(finished: object) -> None:
    table = pd.read_parquet(finished.out / "samples.parquet")  # type: ignore[attr-defined]
    assert set(RESERVED) == {*table.columns, "key"} - set(finished.codes)  # type: ignore[attr-defined]


def test_a_study_with_a_byte_order_mark(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_bytes(b"\xef\xbb\xbf" + study.read_bytes().replace(b"\n", b"\r\n"))
    assert "150 rows x 180 columns" in told(capsys, study)


@pytest.mark.parametrize("content", ['name = "Köln"'.encode("latin-1"), b"\x89PNG\r\n\x1a\n\x00"])
def test_a_study_that_is_not_utf8(
    study: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    study.write_bytes(b"[study]\n" + content)
    holds(error(capsys, study), "study.toml: is not UTF-8 text", "save it as UTF-8")


# ------------------------------------------------------------------ aftershocks


def shocks(study: Path, **columns: object) -> None:
    path = study.parent / "aftershocks.csv"
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


def test_aftershocks_all_at_one_place(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shocks(study, longitude=73.3, latitude=34.66)
    line = error(capsys, study)
    holds(line, "aftershocks.csv (aftershocks)", "in one place", "bandwidth = in [factors.AF]")
    assert "bandwidth 900 m" in told(capsys, study, "--set", "factors.AF.bandwidth=900")


def test_one_aftershock(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "aftershocks.csv"
    pd.read_csv(path).head(1).to_csv(path, index=False)
    holds(error(capsys, study), "aftershocks.csv (aftershocks)", "2 points", "[factors.AF]")


def test_bandwidths_that_show_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = told(capsys, study, "--set", "factors.AF.bandwidth=5")
    holds(small, "warning: aftershocks: AF: bandwidth 5 m", "(30 m)", "[factors.AF]")
    wide = told(capsys, study, "--set", "factors.AF.bandwidth=5500")
    holds(wide, "warning: aftershocks: AF: bandwidth 5.5 km", "(5.4 km)")
    fair = told(capsys, study, "--set", "factors.AF.bandwidth=5300")
    assert "warning: aftershocks" not in fair


def test_an_aftershock_at_zero_zero(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "aftershocks.csv"
    table = pd.read_csv(path)
    table.loc[0, ["longitude", "latitude"]] = 0.0
    table.to_csv(path, index=False)
    holds(told(capsys, study), "1 of its 40 points lie more than 2,000 km", "where =")


def test_magnitudes_that_are_none(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_magnitude = "--set", "factors.AF.weight=magnitude"
    shocks(study, magnitude=[np.nan, np.nan, np.nan, *[4.5] * 37])
    assert not lacks(told(capsys, study, *by_magnitude), "aftershocks: 3 earthquakes")
    shocks(study, magnitude=[45.0, 12.0, *[4.5] * 38])
    line = error(capsys, study, *by_magnitude)
    holds(line, "aftershocks.csv (aftershocks)", "2 magnitudes above 10 (up to 45)", "where =")


# ------------------------------------------------------------------ rasters


def test_a_complex_raster(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.raster(whole.parent / "soil.tif", np.ones((150, 180), np.complex64))
    holds(error(capsys, whole), "soil.tif: holds complex numbers (complex64)", "real numbers")


def test_a_dem_without_crs_is_named(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.raster(study.parent / "dem.tif", site.elevation(), crs=None)
    holds(error(capsys, study), "dem.tif: the DEM has no CRS", "[layers.dem]")


def test_a_dem_without_a_place(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        site.raster(
            study.parent / "dem.tif", site.elevation(), transform=rasterio.Affine.identity()
        )
    holds(error(capsys, study), "dem.tif: has no georeference", "gdal_translate")


def test_a_truncated_raster_is_told_in_words(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = whole.parent / "soil.tif"
    path.write_bytes(path.read_bytes()[:30_000])
    line = error(capsys, whole)
    holds(line, "soil.tif: cannot be read to the end (truncated or damaged?)")
    assert "previous exception" not in line


# ------------------------------------------------------------------ vectors


def geojson(study: Path, layer: str, kind: str, coordinates: object) -> None:
    """Put a GeoJSON file with one feature in the place of a layer of lines."""
    feature = {
        "type": "Feature",
        "properties": {"unit": "chalk"},
        "geometry": {"type": kind, "coordinates": coordinates},
    }
    near = {
        **feature,
        "geometry": {"type": "LineString", "coordinates": [[73.2, 34.6], [73.3, 34.7]]},
    }
    text = json.dumps({"type": "FeatureCollection", "features": [near, feature]})
    (study.parent / f"{layer}.geojson").write_text(text)
    edit(study, f"{layer}.gpkg", f"{layer}.geojson")


def test_a_ring_that_is_not_closed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    geojson(
        study, "faults", "Polygon", [[[73.25, 34.65], [73.3, 34.65], [73.3, 34.7], [73.25, 34.7]]]
    )
    text = told(capsys, study)
    holds(text, "faults.geojson kind 2 geometries of several kinds", "faults: rings that were not")


def test_a_line_of_one_point(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    geojson(study, "faults", "LineString", [[73.25, 34.65]])
    holds(told(capsys, study), "faults: 1 feature without geometry left out", "lines of one point")


def test_coordinates_that_are_infinite(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    geojson(study, "faults", "LineString", [[1e999, 34.65], [73.3, 34.7]])
    holds(error(capsys, study), "faults.geojson (faults): 1 of its 2 features", "not finite")


def test_a_column_that_is_empty(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for layer, column in (("lithology", "unit"), ("intensity", "mmi")):
        path = whole.parent / f"{layer}.gpkg"
        before = gpd.read_file(path)
        before.assign(
            **{column: pd.Series([None] * len(before), dtype=before[column].dtype)}
        ).to_file(path)
        line = error(capsys, whole)
        holds(line, f"{layer}.gpkg (layers.{layer}): column '{column}' is empty in all")
        before.to_file(path)


def test_a_missing_column_lists_those_there_are(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = whole.parent / "intensity.gpkg"
    more = {f"c{i:02}": 1 for i in range(14)}
    gpd.read_file(path).rename(columns={"mmi": "shaking"}).assign(**more).to_file(path)
    line = error(capsys, whole)
    holds(line, "no column 'mmi'. Its columns: shaking, c00,", "c10 and 3 more.")


def test_a_truncated_geopackage(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = whole.parent / "rivers.gpkg"
    for size in (0, 700, 30_000):
        before = path.read_bytes()
        path.write_bytes(before[:size])
        line = error(capsys, whole)
        holds(line, "rivers.gpkg (rivers): cannot be read (truncated or damaged")
        assert "sqlite" not in line
        path.write_bytes(before)
    path.write_bytes(path.read_bytes()[:60_000])
    line = error(capsys, whole, "--set", "layers.dem.path=rivers.gpkg")
    holds(line, "rivers.gpkg: not a raster that GDAL can read: truncated or damaged?")


def test_an_inventory_with_swapped_axes(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = site.landslides().to_crs("EPSG:4326")
    frame.set_geometry(shapely.transform(frame.geometry.values, lambda c: c[:, ::-1])).set_crs(
        "EPSG:4326", allow_override=True
    ).to_file(study.parent / "landslides.gpkg")
    line = error(capsys, study)
    holds(
        line, "landslides.gpkg (inventory): none of its", "with x and y swapped", "swap_xy = true"
    )
    assert "inventory 51 polygons" not in line
    both = "--set", "inventory.swap_xy=true", "--set", "inventory.ambiguous.0.swap_xy=true"
    assert "inventory" in told(capsys, study, *both)


def test_csv_columns_that_are_exchanged(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study, 'x = "longitude"\ny = "latitude"', 'x = "latitude"\ny = "longitude"')
    line = error(capsys, study)
    holds(line, "aftershocks.csv (aftershocks)", 'x = "longitude" and y = "latitude"')


# ------------------------------------------------------------------ readers used from Python


def test_a_crs_that_is_none_names_what_states_it(study: Path) -> None:
    grid = GeoBox((9, 9), site.TRANSFORM, site.CRS)
    folder = study.parent
    with pytest.raises(InputError, match=r"\[grid\] crs = 'EPSG:999999' is not a CRS"):
        grids.choose(grid, "EPSG:999999", 30.0)
    with pytest.raises(InputError, match=r"dem\.tif: crs = 'EPSG:999999' is not a CRS"):
        raster.info(folder / "dem.tif", "EPSG:999999")
    source = vector.VectorSource(folder / "faults.gpkg", "faults", crs="EPSG:999999")
    with pytest.raises(InputError, match=r"faults\.gpkg \(faults\): crs = 'EPSG:999999'"):
        vector.read(source, CRS(site.CRS))


# ------------------------------------------------------------------ settings and the grid


def test_pieces_of_lines_without_end(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = error(capsys, whole, "--set", "factors.SRD.subsection=1e-6")
    holds(line, "[factors.SRD] subsection = 1e-06 m", "rupture.gpkg", "at least")


def test_a_window_wider_than_the_grid(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = error(capsys, study, "--set", "factors.RER.window=1e7")
    holds(line, "[factors.RER] window = 1e+07 m is wider than the grid (5400 m)")
    line = error(capsys, study, "--set", "factors.TPI.outer=1e7")
    holds(line, "[factors.TPI] outer = 1e+07 m is wider than the grid (5400 m)")


def test_a_grid_beyond_measure_is_told_fast(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error(capsys, whole, "--set", "grid.resolution=0.05")
    holds(line, "[grid] resolution = 0.05", "9.72e+09 cells", "30 (metres)")


def test_the_room_that_a_large_grid_needs_is_told(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LARGE", 1000)
    text = told(capsys, whole, "--set", "grid.resolution=15")
    assert not lacks(text, "warning: dem: ", "108,300 cells", "14 factors alone take 0 GB")


# ------------------------------------------------------------------ what would fail much later


def test_other_earthquakes_that_are_not_there(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = "--set", 'evaluation.protocols=["event"]'
    holds(error(capsys, study, *event), "[evaluation] protocols", "events is empty")
    named = *event, "--set", 'evaluation.events=["other"]'
    holds(error(capsys, study, *named), "other (evaluation.events): no such folder", "--out")
    (study.parent / "other").mkdir()
    holds(error(capsys, study, *named), "other (evaluation.events): holds no samples.parquet")


def test_a_truth_that_is_not_there(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = error(capsys, study, "--set", "evaluation.truth={path='truth.tif'}")
    holds(line, "truth.tif (evaluation.truth): no such file")


def test_an_inventory_that_covers_everything(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error(capsys, study, "--set", "inventory.buffer=9000")
    holds(line, "[inventory] buffer = 9000", "no clear ground")


def test_landslides_that_hold_no_cell(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study.parent / "landslides.gpkg"
    small = [site.box(c + 0.6, 30.6, 0.3, 0.3) for c in range(20, 80, 5)]
    site.frame(small, year=[2005] * 11 + [2001]).to_file(path)
    line = error(capsys, study)
    holds(line, "landslides.gpkg (inventory)", "none of its 11 landslides", "30 x 30 m", "small =")
    assert "inventory" in told(capsys, study, "--set", "inventory.small=most_covered")


def test_check_leaves_nothing_behind(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(study.parent.rglob("*"))
    told(capsys, study)
    assert sorted(study.parent.rglob("*")) == before


# ------------------------------------------------------------------ the terminal


def test_check_on_a_narrow_terminal_keeps_names_whole(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study.parent / "landslides_of_the_earthquake_of_october_2005_in_kashmir.gpkg"
    shutil.copy(study.parent / "landslides.gpkg", path)
    edit(
        study,
        'path = "landslides.gpkg"\nwhere = "year = 2005"',
        f'path = "{path.name}"\nwhere = "year = 2005"',
    )
    for width in ("80", "160"):
        monkeypatch.setenv("COLUMNS", width)
        code, out, _ = run(capsys, "check", study, "--out", study.parent / "out")
        assert code == 0
        assert not lacks(out, "150 rows x 180 columns", "30 x 30 m", "EPSG:32643")
        assert path.name in out
        assert ("┃" in out) == (width == "160")


NOISE = """
import ctypes, sys, warnings
from pathlib import Path
import rasterio
from shakeslide.cli import app
app._log_to(Path(sys.argv[1]), verbose=False)
for library in Path(rasterio.__file__).parents[1].glob("rasterio.libs/libgdal*"):
    ctypes.CDLL(str(library)).CPLError(2, 1, b"noise of GDAL")
warnings.warn("noise of Python", RuntimeWarning)
"""


def test_libraries_are_silent(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CPL_")}
    command = [sys.executable, "-c", NOISE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    assert "noise of Python" in path.read_text()
    if list(Path(rasterio.__file__).parents[1].glob("rasterio.libs/libgdal*")):
        assert "noise of GDAL" in path.read_text()


def test_processors_where_the_system_tells_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert engine.Engine().threads == 5
    assert parallel.processors() == 5
