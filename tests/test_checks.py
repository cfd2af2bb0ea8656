"""What `check` says of the mistakes that users make: one line each, and what to do."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from pyproj import Transformer

from shakeslide import checks, pipeline
from shakeslide.core.errors import InputError
from shakeslide.layers import inventory, readers
from shakeslide.layers.positives import Positive
from shakeslide.study.layer_settings import Layer

from . import small_site as site
from .conftest import open_run
from .lines import lacks

GRID_XML = """<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap">
<event magnitude="7.0" lat="{lat}" lon="73.30" event_timestamp="2005-10-08T03:50:40"/>
<grid_specification nlon="9" nlat="9"/>
<grid_field index="1" name="LON" units="dd"/><grid_field index="2" name="LAT" units="dd"/>
<grid_field index="3" name="PGA" units="{unit}"/><grid_field index="4" name="MMI" units=""/>
<grid_data>
{rows}
</grid_data></shakemap_grid>"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return site.make(tmp_path / "site")


def check(study: Path, *overrides: str) -> dict[str, checks.LayerRow]:
    """The rows of `check` by layer."""
    rows = pipeline.check(open_run(study, study.parent / "out", *overrides))
    return {row.name: row for row in rows}


def of(study: Path, layer: str, *overrides: str) -> checks.LayerRow:
    """What is said of a layer in a study of few others."""
    return check(study, *site.only("dem", layer), *overrides)[layer]


def warned(study: Path, layer: str, *overrides: str) -> str:
    return "; ".join(of(study, layer, *overrides).warnings)


def refused(study: Path, *overrides: str, layers: Sequence[str] = ()) -> str:
    """The one line with which `check` refuses a study of the elevation and a few layers."""
    with pytest.raises(InputError) as caught:
        check(study, *site.only("dem", *layers), *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(study: Path, old: str, new: str) -> None:
    text = study.read_text()
    assert old in text
    study.write_text(text.replace(old, new, 1))


def write_dem(study: Path, z: np.ndarray, **profile: object) -> None:
    site.raster(study.parent / "dem.tif", z.astype(np.float32), **profile)


def write_shakemap(study: Path, unit: str = "", lat: float = 34.66) -> Path:
    places = [(73.2 + 0.025 * i, 34.75 - 0.025 * j) for j in range(9) for i in range(9)]
    rows = [
        f"{x:.4f} {y:.4f} {40 + 100 * (x - 73.2):.3f} {7 + 5 * (y - 34.6):.3f}" for x, y in places
    ]
    path = study.parent / "grid.xml"
    path.write_text(GRID_XML.format(unit=unit, rows="\n".join(rows), lat=lat))
    return path


def test_a_sound_study_has_few_remarks(study: Path) -> None:
    rows = check(study)
    assert list(rows) == [
        "dem", "intensity", "rupture", "aftershocks", "lithology", "faults", "rivers", "soil",
        "epicentre", "inventory.ambiguous", "inventory",
    ]  # fmt: skip
    remarks = {name: row.warnings for name, row in rows.items() if row.warnings}
    assert list(remarks) == ["lithology", "inventory"]
    assert "covers 75.0 % of the grid" in remarks["lithology"][0]
    assert not lacks(remarks["inventory"][0], "whole outlines", "positives_from")
    assert remarks["inventory"][1].startswith("1 of 51 contain no cell centre")
    assert rows["dem"].use == "factors DEM, SLO, SLOA, TPI, SC, RER"


@pytest.mark.parametrize(
    ("overrides", "key", "number"),
    [
        (["samples.negatives_per_positive=1e-9"], "[samples] negatives_per_positive", "0 clear"),
        (["samples.negatives_per_positive=1000"], "[samples] negatives_per_positive", "at most"),
        (["samples.negatives_per_positive=1e300"], "[samples] negatives_per_positive", "1e+"),
        (["samples.most=10", "evaluation.folds=11"], "(inventory)", "at least 11"),
        (["evaluation.block_size=3000"], "[evaluation] block_size = 3000", "4 blocks of 4"),
        (["evaluation.block_size=1e300"], "[evaluation] block_size = 1e+300", "1 block of 1"),
        (["evaluation.block_size=1e-3"], "block", "far too small"),
        (["samples.train_share=1e-310", "models.calibration=platt"], "train_share", "at least"),
    ],
)
def test_what_cannot_be_sampled_or_split_is_refused(
    site_study: Path, overrides: list[str], key: str, number: str
) -> None:
    said = refused(site_study, "evaluation.folds=5", *overrides)
    assert key in said
    assert number in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("override", "key", "number"),
    [
        ("samples.train_share=0.0001", "[samples] train_share = 0.0001", "1 to train on"),
        ("samples.train_share=0.9999", "[samples] train_share = 0.9999", "1 to test on"),
        ("evaluation.buffer=1e5", "[evaluation] folds, block_size and buffer", "train has 0"),
    ],
)
def test_what_can_hardly_be_split_is_reported(
    site_study: Path, override: str, key: str, number: str
) -> None:
    said = warned(site_study, "inventory", override)
    assert key in said
    assert number in said


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["evaluation.block_size=1e-300"], "block size is 1e-300"),
        (["inventory.buffer=1e300"], "[inventory] buffer = 1e+300"),
        (["layers.dem.scale=1e300"], "scale = 1e+300"),
        (["factors.AF.bandwidth=1e-300"], "[factors.AF] bandwidth = 1e-300"),
        (["factors.SLO.function=wetness", "factors.SLO.cell=1e300"], "[factors.SLO] cell"),
        (
            ["factors.SLO.function=height_above_river", "factors.SLO.min_area=1e300"],
            "[factors.SLO] min_area",
        ),
        (["map.members=1"], "[map] members"),
        (['map.models=["svm"]', 'models.use=["lr"]'], "[map] models"),
        (['map.spread=["svm"]', 'models.use=["lr"]'], "[map] spread"),
        (["grid.bounds=[340000,3836000,340001,3836001]"], "0 x 0 cells of the DEM"),
        (["grid.bounds=[340000,3836000,340070,3837001]"], "33 x 2 cells of the DEM"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_key(
    site_study: Path, overrides: list[str], key: str
) -> None:
    said = refused(site_study, *overrides, layers=["aftershocks"])
    assert key in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("layer", "overrides", "words"),
    [
        ("dem", ["layers.dem.scale=1e-300"], "same value"),
        ("dem", ["factors.RER.window=1e-300"], "[factors.RER]"),
        ("aftershocks", ["factors.AF.bandwidth=1e300"], "1e+297 km"),
        ("inventory", ["sources.least_cells=999", "inventory.positives_from=extracted"], "999"),
        ("models", ["evaluation.repeats=1000000"], "repeats = 1,000,000"),
        ("models", ["map.members=1000000"], "members = 1,000,000"),
        ("models", ["models.rf.n_estimators=1000000000"], "n_estimators = 1,000,000,000"),
        ("models", ["models.sae.units=[100000000]"], "units = [100000000]"),
        ("models", ["models.sae.steps=1000000000"], "1,000,000,"),
    ],
)
def test_numbers_that_are_hardly_meant_are_reported(
    site_study: Path, layer: str, overrides: list[str], words: str
) -> None:
    said = warned(site_study, layer, *overrides)
    assert words in said
    assert len(said) < 1500


def test_sources_elsewhere_are_named(study: Path) -> None:
    away = site.landslides()
    away.geometry = away.translate(30_000 + site.COLS * site.CELL)
    away.to_file(study.parent / "sources.gpkg")
    edit(study, "[evaluation]", '[inventory.sources]\npath = "sources.gpkg"\n[evaluation]')
    said = refused(study)
    assert "sources.gpkg (inventory.sources)" in said
    assert "30 km" in said
    assert "CRS" in said


def test_a_mask_without_its_classes_says_which_there_are(study: Path) -> None:
    with study.open("a") as file:
        file.write('[[masks]]\npath = "soil.tif"\nmap_value = 0\nclasses = [7]\n')
    said = warned(study, "masks.1")
    assert "[7]" in said
    assert "1, 2, 3" in said
    edit(study, "classes = [7]", "classes = []")
    assert "classes" in refused(study)


def test_a_landslide_outside_the_mapped_area_is_no_source(study: Path) -> None:
    ground = site.frame([site.box(-1, -1, site.COLS + 2, site.ROWS + 2)])
    ground.to_file(study.parent / "lake.gpkg")
    with study.open("a") as file:
        file.write('[[masks]]\npath = "lake.gpkg"\nmap_value = 0\n')
    assert "masks" in refused(study)


# ------------------------------------------------------------------ elevation


def test_untagged_nodata_in_the_dem(study: Path) -> None:
    z = site.elevation()
    z[20:30, 20:30] = -9999
    write_dem(study, z)
    assert "set nodata = -9999 in [layers.dem]" in refused(study)
    said = warned(study, "dem", "layers.dem.nodata=-9999")
    assert "has 1 void inside" in said
    assert "covers 99.6 % of the grid" in said


def prepare_refuses(study: Path, *overrides: str) -> str:
    """The line with which `prepare` alone refuses a study."""
    run = open_run(study, study.parent / "alone", *site.only("dem"), *overrides)
    with pytest.raises(InputError) as caught:
        pipeline.prepare(run)
    return str(caught.value)


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        *((-9999, "int16"), (65535, "uint16"), (3.4028234663852886e38, "float32")),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                *((-32768, "int16"), (32767, "int16")),
                *((1e20, "float32"), (9.969209968386869e36, "float32")),
            )
        ),
    ],
)
def test_a_single_cell_of_untagged_nodata_is_refused_by_all(
    study: Path, number: float, dtype: str
) -> None:
    z = site.elevation().astype(dtype)
    z[31, 47] = number
    site.raster(study.parent / "dem.tif", z)
    said = refused(study)
    assert f"set nodata = {np.float32(number):.8g} in [layers.dem]" in said
    assert prepare_refuses(study) == said
    of(study, "dem", f"layers.dem.nodata={number!r}")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("event.time=3000-01-01T00:00:00Z", "[event] time = 3000-01-01"),
        ("event.time=1556-01-23", "[event] time = 1556-01-23"),
        ("event.magnitude=0.5", "[event] magnitude = 0.5"),
    ],
)
def test_an_unlikely_event_is_reported(site_study: Path, override: str, key: str) -> None:
    assert key in warned(site_study, "event", override)


def test_what_check_refuses_prepare_refuses_alone(study: Path) -> None:
    write_dem(study, site.elevation() * 10)
    said = refused(study)
    assert "which are not metres on land" in said
    assert prepare_refuses(study) == said


def test_a_cell_of_untagged_nodata_among_classes(study: Path) -> None:
    soil = np.full((site.ROWS, site.COLS), 3, np.int16)
    soil[:40] = 1
    soil[140, 3] = -9999
    site.raster(study.parent / "soil.tif", soil)
    assert "set nodata = -9999 in [layers.soil]" in refused(study, layers=["soil"])
    site.raster(study.parent / "soil.tif", np.where(soil < 0, 255, soil).astype(np.uint8))
    row = of(study, "soil")
    assert row.values == "3 classes: 1, 3, 255"
    assert not lacks("; ".join(row.warnings), "nodata = 255")


def test_untagged_nodata_in_a_mask_and_in_the_truth(study: Path) -> None:
    lake = np.zeros((site.ROWS, site.COLS), np.int16)
    lake[3, 5], lake[9, 9] = 1, -9999
    site.raster(study.parent / "lake.tif", lake)
    text = study.read_text()
    study.write_text(text + '\n[[masks]]\npath = "lake.tif"\nmap_value = 0\n')
    assert "lake.tif (masks.1): holds -9999" in refused(study)
    site.raster(study.parent / "truth.tif", np.where(lake < 0, 0, 50 * lake).astype(np.float32))
    study.write_text(text + '\n[evaluation.truth]\npath = "truth.tif"\n')
    assert "probabilities lie between 0 and 1" in refused(study)
    with zipfile.ZipFile(study.parent / "truth.zip", "w") as archive:
        archive.write(study.parent / "truth.tif", "truth.tif")
    study.write_text(text + '\n[evaluation.truth]\npath = "truth.zip/truth.tif"\n')
    assert "probabilities lie between 0 and 1" in refused(study)


def test_a_finer_grid_than_the_dem_is_told(study: Path) -> None:
    assert "set [grid] resolution = 30" in warned(study, "dem", "grid.resolution=10")
    assert "elevations between are interpolated" not in warned(study, "dem", "grid.resolution=60")


def test_prepare_alone_looks_at_the_landslides_and_needs_none(study: Path) -> None:
    frame = gpd.read_file(study.parent / "landslides.gpkg")
    frame.to_file(study.parent / "nowhere.shp")
    (study.parent / "nowhere.prj").unlink()
    where = f'inventory.path="{study.parent / "nowhere.shp"}"'
    said = refused(study, where)
    assert "nowhere.shp" in said
    assert "CRS" in said
    assert prepare_refuses(study, where) == said
    text = study.read_text()
    study.write_text(text[: text.index("[inventory]")])
    run = open_run(study, study.parent / "out", *site.only())
    pipeline.prepare(run)
    assert (run.out / "factors" / "DEM.tif").exists()


def test_a_distorting_grid_is_told_by_check_and_by_prepare(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site in the next but one UTM zone: 12 degrees from its central meridian."""
    asked = "grid.crs=EPSG:32645", "grid.resolution=30"
    said = warned(study, "dem", *asked)
    assert "scale error is +1." in said
    assert 'crs = "EPSG:32643"' in said
    assert "true north lies" in said
    run = open_run(study, study.parent / "out", *site.only(), *asked)
    told: list[str] = []
    monkeypatch.setattr(run.reporter, "say", told.append)
    pipeline.prepare(run)
    assert sum("scale error is" in line for line in told) == 1


def test_zeros_as_voids(study: Path) -> None:
    z = site.elevation()
    z[20:30, 20:30] = 0
    write_dem(study, z)
    assert "if these are voids, set nodata = 0" in warned(study, "dem")


def test_feet(study: Path) -> None:
    with rasterio.open(study.parent / "dem.tif", "r+") as dst:
        dst.units = ("ft",)
    assert not lacks(refused(study), "scale = 0.3048", "[layers.dem]")
    row = of(study, "dem", "layers.dem.scale=0.3048")
    low, high = (float(v) for v in row.values.split(" to "))
    z = site.elevation() * 0.3048
    assert (low, high) == (pytest.approx(z.min(), rel=1e-5), pytest.approx(z.max(), rel=1e-5))


def test_heights_of_the_crs_in_feet(study: Path) -> None:
    write_dem(study, site.elevation(), crs="EPSG:32643+6360")
    assert not lacks(refused(study), "US survey foot", "scale = 0.3048006")
    row = of(study, "dem", "layers.dem.scale=0.3048006")
    assert row.crs == "EPSG:32643"


def test_feet_are_known_wherever_a_file_states_them(study: Path) -> None:
    dem = study.parent / "dem.tif"
    # Heights keep their unit where the study states the CRS.
    write_dem(study, site.elevation(), crs="EPSG:32643+6360")
    assert "scale = 0.3048006" in refused(study, 'layers.dem.crs="EPSG:32643"')
    write_dem(study, site.elevation())
    assert "scale = 0.3048 " in refused(study, 'layers.dem.crs="EPSG:32643+8228"')
    with rasterio.open(dem, "r+") as dst:
        dst.update_tags(1, Units="feet")
    assert "scale = 0.3048 " in refused(study)
    # Scale and offset of the file give way to a stated scale.
    with rasterio.open(dem, "r+") as dst:
        dst.scales = (0.5,)
    assert "scale = 0.1524 " in refused(study)
    with rasterio.open(dem, "r+") as dst:
        dst.offsets = (10.0,)
    assert "gdal_calc.py" in refused(study)
    write_dem(study, site.elevation())
    dem.with_suffix(".prj").write_text("Projection UTM\nZone 43\nZunits FEET\nUnits METERS\n")
    assert not lacks(refused(study), "dem.tif", "FEET", "scale = 0.3048 ")
    dem.with_suffix(".prj").write_text("Projection UTM\nZone 43\nZunits NO\nUnits METERS\n")
    # A sidecar may be of another file.
    dem.with_name("dem.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><UnitType>ft</UnitType></PAMRasterBand></PAMDataset>'
    )
    assert not lacks(warned(study, "dem"), "dem.tif.aux.xml", "scale = 0.3048 ")
    assert "aux.xml" not in warned(study, "dem", "layers.dem.scale=1")


def test_feet_of_a_netcdf_file(study: Path) -> None:
    z, at = site.elevation(), site.TRANSFORM
    x = at.c + (np.arange(site.COLS) + 0.5) * at.a
    y = at.f + (np.arange(site.ROWS) + 0.5) * at.e
    axis = {"units": "m"}
    heights = xr.DataArray(
        z.astype(np.float32),
        {
            "y": ("y", y, {**axis, "standard_name": "projection_y_coordinate"}),
            "x": ("x", x, {**axis, "standard_name": "projection_x_coordinate"}),
        },
        ("y", "x"),
        attrs={"units": "feet"},
    )
    heights.to_dataset(name="z").to_netcdf(study.parent / "dem.nc", engine="scipy")
    changed = ('layers.dem.path="dem.nc"', 'layers.dem.crs="EPSG:32643"')
    assert not lacks(refused(study, *changed), "dem.nc", "feet", "scale = 0.3048 ")


def test_elevations_beyond_the_highest_mountain(study: Path) -> None:
    write_dem(study, site.elevation() * 10)
    assert "which are not metres on land" in refused(study)


def test_cells_that_are_not_square(study: Path) -> None:
    write_dem(study, site.elevation(), transform=Affine(30, 0, site.WEST, 0, -25, site.NORTH))
    assert "30 x 25 m, not square" in warned(study, "dem")


def test_steps_and_stripes(study: Path) -> None:
    write_dem(study, np.round(site.elevation() / 5) * 5)
    assert not lacks(warned(study, "dem"), "steps of 5 m", "30 m")
    stripes = 4 * np.random.default_rng(1).standard_normal(site.ROWS)[:, None]
    write_dem(study, site.elevation() + stripes)
    assert "is striped (rows shifted by about" in warned(study, "dem")


def test_a_stated_scale_is_applied_and_said(study: Path) -> None:
    path = study.parent / "dem.tif"
    site.raster(path, np.round(site.elevation() * 10).astype(np.int16))
    with rasterio.open(path, "r+") as dst:
        dst.scales, dst.offsets = (0.1,), (5.0,)
    row = of(study, "dem")
    assert not lacks("; ".join(row.notes), "scale 0.1", "offset 5")
    assert float(row.values.split(" to ")[1]) == pytest.approx(site.elevation().max() + 5, abs=0.06)


# ------------------------------------------------------------------ other rasters


def test_a_stale_sidecar(study: Path) -> None:
    sidecar = study.parent / "dem.tif.aux.xml"
    text = (
        '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MINIMUM">0</MDI>'
        '<MDI key="STATISTICS_MAXIMUM">100</MDI></Metadata></PAMRasterBand></PAMDataset>'
    )
    sidecar.write_text(text)
    assert not lacks(warned(study, "dem"), "dem.tif.aux.xml", "0 to 100")
    sidecar.write_text(text.replace(">100<", ">9000<"))
    assert warned(study, "dem") == ""
    sidecar.write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand>'
        "</PAMDataset>"
    )
    assert not lacks(warned(study, "dem"), "nodata = 7")
    sidecar.write_text("<PAMDataset>")
    assert warned(study, "dem") == ""


def own_factor(study: Path, values: np.ndarray, more: str = "", **profile: object) -> None:
    site.raster(study.parent / "own.tif", values, **profile)
    with study.open("a") as file:
        file.write('\n[layers.own]\npath = "own.tif"\n[factors.OWN]\nfunction = "value"\n')
        file.write(f'layer = "own"\n{more}\n')


def test_whole_numbers_that_may_be_classes(study: Path) -> None:
    classes = (np.mgrid[0 : site.ROWS, 0 : site.COLS][0] // 20).astype(np.uint8)
    own_factor(study, classes)
    assert not lacks(warned(study, "own"), 'function = "category"')
    assert warned(study, "own", "factors.OWN.unit=MMI") == ""


def test_acceleration_in_another_unit(study: Path) -> None:
    pga = np.linspace(20, 80, site.ROWS * site.COLS, dtype=np.float32)
    own_factor(study, pga.reshape(site.ROWS, site.COLS), 'unit = "g"')
    assert "reaches 80 g, more than ever measured" in warned(study, "own")
    assert warned(study, "own", "factors.OWN.unit=%g") == ""


def test_a_raster_without_crs(study: Path) -> None:
    values = np.ones((site.ROWS, site.COLS), np.float32)
    own_factor(study, values, crs=None)
    assert not lacks(refused(study), "own.tif: has no CRS", "`crs = ")


def test_a_raster_across_the_180th_meridian(tmp_path: Path) -> None:
    """A whole study on Taveuni, Fiji, whose layers go on beyond longitude 180."""
    study = site.make(tmp_path / "site")
    x, y = Transformer.from_crs("EPSG:4326", 32701, always_xy=True).transform(180.0, -16.8)
    west, north = round(x) - 90 * site.CELL, round(y) + 75 * site.CELL
    place = Affine(site.CELL, 0, west, 0, -site.CELL, north)
    site.raster(study.parent / "dem.tif", site.elevation(), crs="EPSG:32701", transform=place)
    lon = 179.9 + 0.002 * (np.arange(100) + 0.5)
    values = np.tile(lon, (100, 1)).astype(np.float32)
    degrees = Affine(0.002, 0, 179.9, 0, -0.002, -16.7)
    path = study.parent / "lon.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=100, width=100, count=1, dtype="float32",
        crs="EPSG:4326", transform=degrees,
    ) as dst:  # fmt: skip
        dst.write(values, 1)
    slide = shapely.box(west + 600, north - 900, west + 900, north - 600)
    gpd.GeoDataFrame(geometry=[slide], crs="EPSG:32701").to_file(study.parent / "slides.gpkg")
    split = [shapely.LineString([(179.99, -16.79), (180, -16.8)]),
             shapely.LineString([(-180, -16.8), (-179.99, -16.81)])]  # fmt: skip
    gpd.GeoDataFrame(geometry=split, crs="EPSG:4326").to_file(study.parent / "fault.gpkg")
    keep = ["ED", "SLO"]
    off = "".join(
        f"[factors.{c}]\nuse = false\n"
        for c in ("EI", "SRD", "AF", "DEM", "SLOA", "TPI", "SC", "RER", "LITH", "FD", "DR", "ST")
    )
    study.write_text(
        "[event]\nepicentre = [-179.95, -16.8]\n"
        '[layers.dem]\npath = "dem.tif"\n[layers.lon]\npath = "lon.tif"\n'
        '[layers.fault]\npath = "fault.gpkg"\n'
        '[inventory]\npath = "slides.gpkg"\n[evaluation]\nprotocols = ["pixel"]\n'
        '[factors.LON]\nfunction = "value"\nlayer = "lon"\nunit = "deg"\n'
        '[factors.DF]\nfunction = "distance"\nlayer = "fault"\n' + off
    )
    rows = check(study)
    assert rows["lon"].coverage == 1.0
    assert not lacks("; ".join(rows["lon"].notes), "longitude 180")
    assert rows["epicentre"].warnings == rows["fault"].warnings == []
    run = open_run(study, study.parent / "out")
    assert [f.code for f in run.factors()] == [*keep, "LON", "DF"]
    pipeline.prepare(run)
    with rasterio.open(run.out / "factors" / "LON.tif") as src:
        read = src.read(1)
    cols, rows_ = np.meshgrid(np.arange(site.COLS) + 0.5, np.arange(site.ROWS) + 0.5)
    true = Transformer.from_crs(32701, "EPSG:4326", always_xy=True).transform(
        west + cols * site.CELL, north - rows_ * site.CELL
    )[0]
    np.testing.assert_allclose(read, true % 360, atol=2e-5)
    with rasterio.open(run.out / "factors" / "DF.tif") as src:
        assert src.read(1).min() < 50


# ------------------------------------------------------------------ ShakeMap


def test_intensity_from_a_shakemap(study: Path) -> None:
    write_shakemap(study)
    edit(study, 'path = "intensity.gpkg"\ncolumn = "mmi"', 'path = "grid.xml"')
    row = of(study, "intensity")
    assert row.kind == "ShakeMap, 9 x 9"
    assert row.values.count("MMI") == 1
    assert row.coverage == 1.0
    assert not lacks("; ".join(row.notes), "MMI assumed")
    run = open_run(study, study.parent / "out", *site.only("intensity"))
    pipeline.prepare(run)
    with rasterio.open(run.out / "factors" / "EI.tif") as src:
        values, tags = src.read(1), src.tags()
    to_lonlat = Transformer.from_crs(site.CRS, "EPSG:4326", always_xy=True)
    lat = to_lonlat.transform(*site.point(40.5, 60.5))[1]
    assert values[60, 40] == pytest.approx(7 + 5 * (lat - 34.6), abs=2e-3)
    assert tags["unit"] == "MMI"
    assert tags["source"] == "grid.xml, field MMI"


def test_a_shakemap_of_another_earthquake(study: Path) -> None:
    write_shakemap(study, lat=36.9)
    edit(study, 'path = "intensity.gpkg"\ncolumn = "mmi"', 'path = "grid.xml"')
    assert "is of an earthquake at 73.3, 36.9" in warned(study, "intensity")
    write_shakemap(study)
    assert warned(study, "intensity", "event.time=2005-10-08T08:50:40+05:00") == ""
    said = warned(study, "intensity", "event.time=1974-12-28T12:11:00Z")
    assert "2005-10-08" in said
    assert "[event] time = 1974-12-28" in said


def test_a_shakemaps_field_that_is_not_there(study: Path) -> None:
    write_shakemap(study)
    edit(study, 'path = "intensity.gpkg"\ncolumn = "mmi"', 'path = "grid.xml"\ncolumn = "MMJ"')
    assert "has no field 'MMJ'. Did you mean 'MMI'?" in refused(study, layers=["intensity"])


# ------------------------------------------------------------------ vectors


def test_coordinates_in_the_wrong_order(study: Path) -> None:
    path = study.parent / "faults.gpkg"
    swapped = gpd.read_file(path)
    swapped.geometry = shapely.transform(swapped.geometry.values, lambda c: c[:, ::-1])
    swapped.to_file(path)
    said = refused(study, layers=["faults"])
    assert "faults.gpkg (faults): lies" in said
    assert "set swap_xy = true in its table" in said
    assert of(study, "faults", "layers.faults.swap_xy=true").warnings == []


def test_polygons_in_the_wrong_order(study: Path) -> None:
    """As a WFS that writes latitude first."""
    path = study.parent / "intensity.geojson"
    frame = gpd.read_file(study.parent / "intensity.gpkg").to_crs("EPSG:4326")
    frame.geometry = shapely.transform(frame.geometry.values, lambda c: c[:, ::-1])
    frame.to_file(path)
    edit(study, "intensity.gpkg", "intensity.geojson")
    assert "swap_xy = true" in refused(study, layers=["intensity"])
    assert of(study, "intensity", "layers.intensity.swap_xy=true").coverage == 1.0


def test_a_layer_of_another_place(study: Path) -> None:
    far = shapely.LineString([site.point(20_000, 0), site.point(20_000, 50)])
    site.frame([far]).to_file(study.parent / "faults.gpkg")
    assert not lacks(warned(study, "faults"), "595 km")


def test_texts_in_a_wrong_encoding(study: Path) -> None:
    path = study.parent / "lithology.shp"
    frame = gpd.read_file(study.parent / "lithology.gpkg")
    frame["unit"] = ["Kalkstein über Ton", "Gneiß", "Löss", "Moräne"]
    frame.to_file(path, encoding="utf-8")
    path.with_suffix(".cpg").write_text("ISO-8859-1")
    edit(study, "lithology.gpkg", "lithology.shp")
    assert "its texts look garbled" in warned(study, "lithology")
    assert warned(study, "lithology", "layers.lithology.encoding=UTF-8") == ""
    stated = [*site.only("lithology"), "layers.lithology.encoding=UTF-8"]
    factors = open_run(study, study.parent / "out", *stated).factors()
    legend = next(f.legend for f in factors if f.code == "LITH")
    assert "Gneiß" in legend.values()


def test_aftershocks_with_the_main_shock(study: Path) -> None:
    edit(study, "magnitude = 7.0", "magnitude = 7.0\ntime = 2005-10-08T03:50:40Z")
    path = study.parent / "aftershocks.csv"
    lines = path.read_text().splitlines()
    times = ["2005-10-08T03:50:41Z", *["2005-10-09"] * (len(lines) - 2)]
    path.write_text(
        "time," + lines[0] + "\n" + "\n".join(map(",".join, zip(times, lines[1:], strict=True)))
    )
    text = path.read_text()
    first = lines[1].split(",")
    path.write_text(text.replace(lines[1], ",".join([*first[:2], "6.9"])))
    assert "the main shock is among them" in warned(study, "aftershocks")
    row = of(study, "aftershocks", "factors.AF.days=30")
    assert row.warnings == []
    assert "39 of 40 earthquakes are used for AF" in row.notes


# ------------------------------------------------------------------ event, masks, inventory


def test_epicentre_swapped(study: Path) -> None:
    said = refused(study, "event.epicentre=[34.66, 73.30]")
    assert "[event] epicentre = [34.66, 73.3] lies" in said
    assert not lacks(said, "[73.3, 34.66]", "[longitude, latitude]")


def test_epicentre_elsewhere(study: Path) -> None:
    assert "km from the grid" in warned(study, "epicentre", "event.epicentre=[80.0, 38.0]")
    assert "longitude 400" in refused(study, "event.epicentre=[400.0, 34.0]")
    assert of(study, "epicentre").values.startswith("73.3, 34.66")


def test_masks_are_listed(study: Path) -> None:
    site.frame([site.box(0, 0, 90, 30)]).to_file(study.parent / "lake.gpkg")
    site.frame([site.box(5000, 0, 90, 30)]).to_file(study.parent / "sea.gpkg")
    with study.open("a") as file:
        file.write('\n[[masks]]\npath = "lake.gpkg"\nname = "lake"\nmap_value = 0\n')
        file.write('[[masks]]\npath = "sea.gpkg"\nmap_value = "nodata"\n')
    rows = check(study, *site.only())
    assert rows["masks.lake"].coverage == pytest.approx(0.1)
    assert rows["masks.lake"].use == "no samples; maps show 0"
    (warning,) = rows["masks.2"].warnings
    assert not lacks(warning, "covers no cell", "CRS")


def test_landslides_of_other_dates(study: Path) -> None:
    edit(study, "magnitude = 7.0", "magnitude = 7.0\ntime = 2005-10-08T03:50:40Z")
    assert "dated" not in warned(study, "inventory", "inventory.date=year")
    said = warned(study, "inventory", "inventory.date=year", "inventory.where=1 = 1")
    assert not lacks(said, "10 of 61 landslides", "2001-01-01")


def test_landslides_that_are_in_it_twice(study: Path) -> None:
    path = study.parent / "landslides.gpkg"
    frame = gpd.read_file(path)
    moved = frame.iloc[[2]].copy()
    moved.geometry = moved.translate(1.0, 1.0)
    gpd.pd.concat([frame, frame.iloc[[0, 1]], moved]).to_file(path)
    said = warned(study, "inventory")
    assert "2 of 54 landslides appear twice" in said
    assert not lacks(said, "1 pairs")


def test_a_landslide_as_large_as_the_map(study: Path) -> None:
    path = study.parent / "landslides.gpkg"
    frame = gpd.read_file(path)
    frame.loc[0, "geometry"] = site.box(0, 0, site.COLS / 2, site.ROWS)
    frame.to_file(path)
    assert not lacks(warned(study, "inventory"), "50 % of the grid")


def test_tiny_landslides_are_counted(study: Path) -> None:
    assert "1 of 51 contain no cell centre" in warned(study, "inventory")
    row = of(study, "inventory", "inventory.small=most_covered")
    assert "contain no cell centre" not in "; ".join(row.warnings)
    assert not lacks("; ".join(row.notes), "1 landslides without a cell centre")


def test_what_is_learnt_is_told(study: Path) -> None:
    whole = of(study, "inventory")
    assert whole.use == f"positives: {Positive.OUTLINES.what}"
    assert not lacks(whole.warnings[0], 'positives_from = "extracted"', "[inventory]")
    told = of(study, "inventory", "inventory.positives_from=extracted")
    assert told.use == f"positives: {Positive.EXTRACTED.what}"
    mapped = of(study, "inventory", "inventory.source_where=1 = 1")
    assert mapped.use == f"positives: {Positive.SOURCES.what}"
    for row in (told, mapped):
        assert "whole outlines" not in "; ".join(row.warnings)


def test_further_layers_of_the_inventory_are_listed(study: Path) -> None:
    row = of(study, "inventory.ambiguous")
    count = len(gpd.read_file(study.parent / "landslides.gpkg", where="year <> 2005"))
    assert (row.kind, row.file) == (f"{count} polygons", "landslides.gpkg")
    assert row.values == f"{count} on the grid; where year <> 2005"
    assert row.use.startswith("neither positive nor negative")
    frame = gpd.read_file(study.parent / "landslides.gpkg").iloc[:3]
    frame.geometry = frame.translate(1e5, 0)
    frame.to_file(study.parent / "elsewhere.gpkg")
    with study.open("a") as file:
        file.write('\n[[inventory.ambiguous]]\npath = "elsewhere.gpkg"\n')
        file.write('\n[inventory.extent]\npath = "mapped.gpkg"\n')
    site.frame([site.box(0, 0, site.COLS, site.ROWS)]).to_file(study.parent / "mapped.gpkg")
    rows = check(study, *site.only())
    assert "inventory.ambiguous 1" in rows
    assert rows["inventory.ambiguous 2"].values == "0 on the grid"
    assert "none of it lies on the grid" in rows["inventory.ambiguous 2"].warnings[0]
    assert rows["inventory.extent"].use == "samples come from inside only"


def test_points_as_an_inventory(study: Path) -> None:
    path = study.parent / "landslides.gpkg"
    frame = gpd.read_file(path)
    frame.geometry = frame.centroid
    frame.to_file(path)
    row = of(study, "inventory")
    assert row.kind == "51 points"
    assert row.use == f"positives: {Positive.POINTS.what}"
    run = open_run(study, study.parent / "out", *site.only())
    pipeline.prepare(run)
    pipeline.sample(run)


# ------------------------------------------------------------------ the whole study


def test_all_missing_layers_and_files_are_named_at_once(study: Path) -> None:
    layers = ["rupture", "faults", "rivers", "soil"]
    for name in ("faults.gpkg", "soil.tif"):
        (study.parent / name).unlink()
    said = refused(study, layers=layers)
    assert all(f"{name} (layers." in said for name in ("faults.gpkg", "soil.tif"))
    edit(study, '[layers.rivers]\npath = "rivers.gpkg"\n', "")
    edit(study, '[layers.rupture]\npath = "rupture.gpkg"\n', "")
    said = refused(study, layers=layers)
    named = ("[layers.rivers] (DR)", "[layers.rupture] (SRD)", "faults.gpkg", "soil.tif")
    assert all(name in said for name in named)


def test_models_that_cannot_run_are_named_with_their_reason(study: Path) -> None:
    use = 'models.use=["lr","newmark","jessee2018"]'
    row = of(study, "models", use)
    assert row.use == "runs lr"
    assert [w.split(" is left out because it lacks ")[0] for w in row.warnings] == [
        "newmark",
        "jessee2018",
    ]
    assert all("(no factor PGA)" in row.warnings[0] for _ in row.warnings)
    assert "newmark is left out" in refused(study, 'models.use=["newmark"]')
    assert "models" not in check(study, *site.only())


def test_classes_too_small_to_learn_from_are_named(study: Path) -> None:
    path = study.parent / "lithology.gpkg"
    frame = gpd.read_file(path)
    tiny = site.frame([site.box(10, 10, 4, 4)], unit=["travertine"])
    gpd.pd.concat([frame, tiny]).to_file(path)
    codes = np.ones((site.ROWS, site.COLS), np.int16)
    codes[:, :90] = 2
    codes[5:9, 5:9] = 77
    site.raster(study.parent / "soil.tif", codes, nodata=-1)
    rows = check(study, *site.only("lithology", "soil"))
    told = {n: "; ".join(rows[n].warnings) for n in ("lithology", "soil")}
    assert not lacks(told["lithology"], "1 of its 4 classes", "0.1 %", "(travertine)")
    assert not lacks(told["soil"], "1 of its 3 classes", "0.1 %", "(77)")


def test_the_kind_of_each_file_is_looked_for_once(
    site_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: Counter[Path] = Counter()
    look = readers._holds_vector

    def counted(layer: Layer) -> bool:
        looked[layer.path] += 1
        return look(layer)

    monkeypatch.setattr(readers, "_holds_vector", counted)
    check(site_study, *site.only("dem", "soil", "faults", "lithology"))
    assert {path.name for path in looked} >= {"soil.tif", "lithology.gpkg"}
    assert set(looked.values()) == {1}


def test_layers_are_checked_and_landslides_read_once_per_run(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, reads = open_run(study, study.parent / "out"), []
    load = inventory.load

    def counted(*arguments: Any) -> inventory.Inventory:
        reads.append(arguments)
        return load(*arguments)

    monkeypatch.setattr("shakeslide.pipeline.run.load_landslides", counted)
    run.ledger.ready()
    rows = pipeline.check(run)
    assert pipeline.check(run) is rows
    assert run.landslides() is run.mapped()
    assert len(reads) == 1
