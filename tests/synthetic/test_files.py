"""The files of a synthetic earthquake, read back as a user would read them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.features import rasterize

from shakeslide.cli.demo import scenario
from shakeslide.core import spreadsheets
from shakeslide.io import shakemap
from shakeslide.synthetic import Scenario, SyntheticEarthquake, geology, make, study_files, write
from shakeslide.synthetic.earthquake import Earthquake

NAMESPACE = "{http://earthquake.usgs.gov/eqcenter/shakemap}"


def read(folder: Path, name: str) -> gpd.GeoDataFrame:
    frame = gpd.read_file(folder / f"{name}.gpkg")
    assert frame.crs.to_epsg() == 32648
    assert frame.geometry.is_valid.all()
    return frame


def burn(frame: gpd.GeoDataFrame, column: str, folder: Path) -> np.ndarray:
    with rasterio.open(folder / "dem.tif") as dem:
        pairs = zip(frame.geometry, frame[column], strict=True)
        return rasterize(pairs, dem.shape, transform=dem.transform, dtype="int32")


def test_the_study_names_files_that_exist(folder: Path, earthquake: SyntheticEarthquake) -> None:
    study = tomllib.loads((folder / "study.toml").read_text())
    layers = [*study["layers"].values(), study["inventory"], study["inventory"]["sources"]]
    for layer in layers:
        assert (folder / layer["path"]).exists()
        if "column" in layer:
            assert layer["column"] in gpd.read_file(folder / layer["path"]).columns
    lon, lat = study["event"]["epicentre"]
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32648", always_xy=True)
    x, y = to_map.transform(lon, lat)
    east, north = earthquake.rupture.epicentre
    assert (x - 400_000, y - 3_450_000) == pytest.approx((east, north), abs=2.0)
    assert study["event"]["magnitude"] == earthquake.scenario.magnitude


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("dem", "elevation"), ("truth", "p_star"), ("pgv", "pgv")],
)
def test_rasters_hold_the_arrays(
    folder: Path, earthquake: SyntheticEarthquake, name: str, attribute: str
) -> None:
    with rasterio.open(folder / f"{name}.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), getattr(earthquake, attribute))
        assert raster.transform == earthquake.geobox.affine
        assert raster.crs.to_epsg() == 32648
        assert raster.dtypes == ("float32",)
        assert raster.block_shapes == [(256, 256)]
        assert np.isnan(raster.nodata)


def test_land_cover_has_a_legend(folder: Path) -> None:
    legend = pd.read_csv(folder / "landcover.csv")
    with rasterio.open(folder / "landcover.tif") as raster:
        assert set(np.unique(raster.read(1))) <= set(legend["code"])


def test_sources_and_outlines_rasterise_to_the_truth(
    folder: Path, earthquake: SyntheticEarthquake
) -> None:
    whole, sources = read(folder, "landslides"), read(folder, "sources")
    np.testing.assert_array_equal(burn(whole, "id", folder), earthquake.landslides.whole)
    np.testing.assert_array_equal(burn(sources, "id", folder), earthquake.landslides.source)
    assert whole["id"].is_unique
    assert set(whole["id"]) == set(sources["id"])
    np.testing.assert_allclose(whole["area"], whole.area, atol=0.1)
    by_id = whole.set_index("id").geometry
    outside = shapely.difference(sources.geometry.values, by_id[sources["id"]].values)
    # Corners of a source are cut where those of its outline are not, never the other way far.
    assert shapely.area(outside).max() < 200.0


def test_classes_are_the_ground_that_failed(folder: Path, earthquake: SyntheticEarthquake) -> None:
    rocks = read(folder, "lithology")
    names = [rock.name for rock in geology.ROCKS]
    rocks["code"] = [names.index(unit) + 1 for unit in rocks["unit"]]
    assert (burn(rocks, "code", folder) - 1 == earthquake.surface.rock).mean() > 0.97
    soils = read(folder, "soil")
    soils["code"] = [geology.SOILS.index(soil) + 1 for soil in soils["soil"]]
    assert (burn(soils, "code", folder) - 1 == earthquake.surface.soil).mean() > 0.95


def test_intensity_is_nested_and_reaches_beyond_the_map(folder: Path) -> None:
    polygons = read(folder, "intensity")
    with rasterio.open(folder / "dem.tif") as dem:
        box = shapely.box(*dem.bounds)
    assert polygons.union_all().buffer(1.0).contains(box)
    assert polygons.union_all().area > 1.5 * box.area
    assert set(polygons["intensity"] % 0.5) == {0.25}
    assert polygons.area.sum() == pytest.approx(polygons.union_all().area, rel=1e-6)


def test_rivers_run_downhill_and_join(folder: Path, earthquake: SyntheticEarthquake) -> None:
    rivers = read(folder, "rivers")
    frame, z = earthquake.relief.frame, earthquake.relief.elevation
    for line in rivers.geometry:
        x, y = (np.asarray(a) for a in line.xy)
        col = np.rint((x - 400_000 - frame.left) / frame.cell).astype(int)
        row = np.rint((frame.top - (y - 3_450_000)) / frame.cell).astype(int)
        assert (np.diff(z[row, col]) < 0).all()
    ends = {line.coords[-1] for line in rivers.geometry}
    starts = {line.coords[0] for line in rivers.geometry}
    inner = shapely.box(*rivers.total_bounds).buffer(-60.0)
    assert all(end in starts for end in ends if inner.contains(shapely.Point(end)))
    assert rivers["order"].max() >= 2
    by_order = rivers.groupby("order")["upstream_km2"].median()
    assert by_order.is_monotonic_increasing
    with rasterio.open(folder / "dem.tif") as dem:
        assert not shapely.box(*dem.bounds).contains(shapely.box(*rivers.total_bounds))


def test_rupture_faults_and_aftershocks_reach_beyond_the_map(folder: Path) -> None:
    with rasterio.open(folder / "dem.tif") as dem:
        box = shapely.box(*dem.bounds)
    rupture = read(folder, "rupture")
    assert rupture.intersects(box).any()
    assert not rupture.within(box).any()
    assert not read(folder, "faults").within(box).all()
    shocks = pd.read_csv(folder / "aftershocks.csv")
    assert list(shocks.columns) == ["time", "longitude", "latitude", "depth", "magnitude"]
    assert pd.to_datetime(shocks["time"]).is_monotonic_increasing
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32648", always_xy=True)
    x, y = to_map.transform(shocks["longitude"], shocks["latitude"])
    inside = shapely.contains_xy(box, x, y)
    assert 0 < inside.sum() < len(shocks)
    assert shocks["depth"].between(0, 60).all()


def test_the_shakemap_says_what_the_rasters_say(folder: Path) -> None:
    root = ElementTree.parse(folder / "grid.xml").getroot()
    grid = root.find(f"{NAMESPACE}grid_specification").attrib
    fields = [(f.get("name"), f.get("units")) for f in root.findall(f"{NAMESPACE}grid_field")]
    assert fields[2:] == [("PGA", "%g"), ("PGV", "cm/s"), ("MMI", "intensity")]
    table = np.array(root.find(f"{NAMESPACE}grid_data").text.split(), float).reshape(-1, 5)
    assert len(table) == int(grid["nlon"]) * int(grid["nlat"])
    assert table[0, :2].tolist() == [float(grid["lon_min"]), float(grid["lat_max"])]
    assert table[-1, :2].tolist() == [float(grid["lon_max"]), float(grid["lat_min"])]
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32648", always_xy=True)
    points = list(zip(*to_map.transform(table[:, 0], table[:, 1]), strict=True))
    for column, name, unit in ((2, "pga", 100.0), (3, "pgv", 1.0)):
        with rasterio.open(folder / f"{name}.tif") as raster:
            values = np.array([v[0] for v in raster.sample(points)])
        inside = np.isfinite(values) & (values > 0)
        assert inside.sum() > 20
        ratio = table[inside, column] / (unit * values[inside])
        # The motion jumps at the fault, where the nearest cell may lie on the other side.
        assert np.percentile(np.abs(ratio - 1.0), 98) < 0.02


@pytest.mark.usefixtures("young")
def test_an_incomplete_inventory_is_written_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario(
        seed=9, rows=150, cols=170, mapped_share=0.6, smallest_mapped=3000.0, void_share=0.05
    )
    earthquake, renamed, real = make(scenario), [], study_files.replacing
    for module in (study_files, spreadsheets):
        monkeypatch.setattr(
            module, "replacing", lambda path: renamed.append(path.name) or real(path)
        )
    study = tomllib.loads(write(earthquake, tmp_path).read_text())
    # Every file is renamed into place when it is whole.
    assert sorted(renamed) == sorted(study_files.names())
    assert {p.name for p in tmp_path.iterdir()} == set(renamed)
    extent = read(tmp_path, Path(study["inventory"]["extent"]["path"]).stem)
    whole = read(tmp_path, "landslides")
    assert set(whole["id"]) == set(np.flatnonzero(earthquake.mapping.mapped) + 1)
    inside = whole.intersection(extent.union_all()).area / whole.area
    assert np.percentile(inside, 10) > 0.5
    with rasterio.open(tmp_path / "dem.tif") as dem:
        assert np.isnan(dem.read(1)).mean() == pytest.approx(0.05, abs=0.01)
    # Written again without the options, nothing of them stays.
    write(make(replace(scenario, mapped_share=1.0)), tmp_path)
    assert not (tmp_path / "mapped_extent.gpkg").exists()


def test_writing_twice_gives_the_same_rasters_and_tables(
    earthquake: SyntheticEarthquake, folder: Path, tmp_path: Path
) -> None:
    write(earthquake, tmp_path)
    names = ["dem.tif", "truth.tif", "aftershocks.csv", "grid.xml", "study.toml", "landcover.csv"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.usefixtures("young")
def test_an_earthquake_elsewhere_is_the_same_at_another_place(tmp_path: Path) -> None:
    here = Scenario(seed=2, rows=40, cols=50)
    there = replace(here, centre=(here.centre[0], here.centre[1] + 400_000.0))
    for name, settings in (("here", here), ("there", there)):
        write(make(settings), tmp_path / name)
    with (
        rasterio.open(tmp_path / "here" / "dem.tif") as one,
        rasterio.open(tmp_path / "there" / "dem.tif") as other,
    ):
        np.testing.assert_array_equal(one.read(1), other.read(1))
        assert other.bounds.bottom == one.bounds.bottom + 400_000.0
    for name in ("landslides", "rivers", "soil", "intensity", "rupture"):
        shapes, moved = (
            gpd.read_file(tmp_path / folder / f"{name}.gpkg").geometry
            for folder in ("here", "there")
        )
        assert moved.geom_equals_exact(shapes.translate(0, 400_000.0), 1e-3).all()
    shocks, moved = (
        pd.read_csv(tmp_path / folder / "aftershocks.csv") for folder in ("here", "there")
    )
    assert (moved["latitude"] - shocks["latitude"]).between(3.5, 3.7).all()
    maps = [shakemap.read(tmp_path / folder / "grid.xml") for folder in ("here", "there")]
    south = [m.grid.geographic_extent.boundingbox.bottom for m in maps]
    assert south[1] - south[0] == pytest.approx(3.6, abs=0.15)


def test_demos_of_different_seeds_do_not_lie_on_each_other() -> None:
    boxes = [
        Earthquake(scenario(4000, seed), None, None).geobox.extent.boundingbox for seed in range(5)
    ]
    for a, b in combinations(boxes, 2):
        assert a.top < b.bottom or b.top < a.bottom
