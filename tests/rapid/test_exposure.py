"""What lies in the landslides' way: nobody is created or lost."""

from __future__ import annotations

import os
import tracemalloc
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.rapid import computing, exposure, settlements
from shakeslide.rapid.new_earthquake import NewEarthquake
from shakeslide.results.ledger import Ledger
from shakeslide.study.layer_settings import Layer
from shakeslide.study.rapid_settings import Exposure, NamedPlaces, People, Roads
from tests import small_site as site

from . import small_event

GRID = GeoBox((site.ROWS, site.COLS), site.TRANSFORM, site.CRS)


def over_tiles(counted: exposure.Weighed) -> np.ndarray:
    whole = np.zeros(GRID.shape)
    for tile in grids.tiles(GRID, 64):
        rows, cols = slice(tile.row0, tile.row1), slice(tile.col0, tile.col1)
        whole[rows, cols] = counted.on(tile, site.COLS)
    return whole


@pytest.mark.parametrize("cell", [7.0, 30.0, 41.0, 100.0, 900.0])
def test_people_are_conserved_whatever_their_cells(tmp_path, cell):
    path = tmp_path / "people.tif"
    counts = small_event.people(path, cell)
    counted, notes = exposure.people(People(path=path), GRID)
    with rasterio.open(path) as src:
        a, box = src.transform, grids.bounds(GRID)
    x = a.c + (np.arange(counts.shape[1]) + 0.5) * a.a
    y = a.f + (np.arange(counts.shape[0]) + 0.5) * a.e
    inside = np.ix_((y > box.bottom) & (y < box.top), (x > box.left) & (x < box.right))
    assert over_tiles(counted).sum() == pytest.approx(counts[inside].sum(), rel=1e-6)
    # Up to 50 people in cells of 30 m are a crowd.
    assert cell < 100 or not notes


def write(path, values, transform, crs=site.CRS):
    rows, cols = values.shape
    profile = {
        "driver": "GTiff", "height": rows, "width": cols, "count": 1, "dtype": "float32",
        "crs": crs, "transform": transform,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dst:
        dst.write(values.astype(np.float32), 1)
    return path


def test_people_lie_where_their_cell_is(tmp_path):
    counts = np.zeros((4, 4))
    counts[1, 2] = 600
    at = Affine(300, 0, site.WEST, 0, -300, site.NORTH)
    path = write(tmp_path / "people.tif", counts, at)
    whole = over_tiles(exposure.people(People(path=path), GRID)[0])
    assert whole[10:20, 20:30] == pytest.approx(np.full((10, 10), 6.0))
    assert whole.sum() == pytest.approx(600)


def test_densities_become_counts(tmp_path):
    at = Affine(0.001, 0, 73.2, 0, -0.001, 34.72)
    path = write(tmp_path / "people_per_km2.tif", np.full((100, 130), 50), at, "EPSG:4326")
    counted, notes = exposure.people(People(path=path, unit="per_km2"), GRID)
    area = site.ROWS * site.COLS * site.CELL**2 / 1e6
    # The cells' middles decide which count.
    assert over_tiles(counted).sum() == pytest.approx(50 * area, rel=0.02)
    assert not notes
    assert len(exposure.people(People(path=path), GRID)[1]) == 1


@pytest.mark.parametrize(
    ("value", "east", "word"),
    [(-9999, 0, "nodata = -9999"), (1, 1e6, "does not reach"), (np.nan, 0, "no values")],
)
def test_rasters_that_cannot_be_counts_are_refused(tmp_path, value, east, word):
    at = Affine(100, 0, site.WEST + east, 0, -100, site.NORTH)
    path = write(tmp_path / "people.tif", np.full((50, 60), value), at)
    with pytest.raises(InputError, match=word):
        exposure.people(People(path=path), GRID)


def test_roads_and_buildings_are_where_they_are(tmp_path):
    left, top = site.WEST, site.NORTH
    line = shapely.LineString([(left + 15, top - 45), (left + 15 + 3000, top - 45)])
    outside = shapely.LineString([(left - 900, top - 45), (left - 100, top - 45)])
    roads = gpd.GeoDataFrame({"ref": ["A1", "B2"]}, geometry=[line, outside], crs=site.CRS)
    roads.to_file(tmp_path / "roads.gpkg")
    found, _ = exposure.roads(Roads(path=tmp_path / "roads.gpkg", name="ref"), GRID)
    km = over_tiles(found.counted)
    assert km.sum() == pytest.approx(3.0, rel=1e-6)
    assert set(np.nonzero(km)[0]) == {1}
    # The other lies wholly outside.
    assert found.names == ("A1",)
    assert len(found.lines) == 1
    cell, road = found.on(grids.tiles(GRID, 64)[0], site.COLS)
    assert set(road) == {0}
    assert cell.tolist() == [64 + c for c in range(64)]
    houses = gpd.GeoDataFrame(
        geometry=[shapely.box(left + 31, top - 29, left + 58, top - 1)] * 3, crs=site.CRS
    )
    houses.to_file(tmp_path / "houses.gpkg")
    count = over_tiles(exposure.buildings(Layer(path=tmp_path / "houses.gpkg"), GRID)[0])
    assert count[0, 1] == count.sum() == 3


@pytest.mark.parametrize("crs", ["EPSG:3857", "+proj=utm +zone=43 +datum=WGS84 +units=us-ft"])
def test_a_density_counts_per_area_on_the_ground(tmp_path, crs):
    # Web Mercator stretches areas by half here; a square foot is a tenth of a square metre.
    turn = pyproj.Transformer.from_crs(site.CRS, crs, always_xy=True)
    west, north = turn.transform(site.WEST - 1000, site.NORTH + 1000)
    east, south = turn.transform(
        site.WEST + site.COLS * site.CELL + 1000, site.NORTH - site.ROWS * site.CELL - 1000
    )
    cells = 40
    step = max(east - west, north - south) / cells
    written = np.full((cells, cells), 10.0, np.float32)
    site.raster(
        tmp_path / "p.tif", written, crs=crs, transform=Affine(step, 0, west, 0, -step, north)
    )
    settings = People(path=tmp_path / "p.tif", unit="per_km2")
    found, _ = exposure.people(settings, GRID)
    km2 = site.ROWS * site.COLS * site.CELL**2 / 1e6
    assert abs(over_tiles(found).sum() / (10 * km2) - 1) < 0.1


def test_a_value_that_is_no_number_of_people_and_cells_too_large_are_refused(tmp_path):
    written = np.ones((site.ROWS, site.COLS), np.float32)
    written[3, 4] = np.finfo(np.float32).max
    site.raster(tmp_path / "p.tif", written)
    with pytest.raises(InputError, match=r"set nodata = 3\.40282347e\+38"):
        exposure.people(People(path=tmp_path / "p.tif"), GRID)
    at = Affine(1e5, 0, site.WEST, 0, -1e5, site.NORTH)
    site.raster(tmp_path / "p.tif", written[:1, :1], transform=at)
    with pytest.raises(InputError, match="too large"):
        exposure.people(People(path=tmp_path / "p.tif"), GRID)


def test_a_road_without_a_name_gets_its_number_and_one_that_leads_away_costs_no_more(tmp_path):
    away = shapely.LineString([site.point(10, 10), (site.WEST + 2e7, site.NORTH - 300)])
    near = shapely.LineString([site.point(10, 20), site.point(60, 20)])
    frame = site.frame([away, near, near], ref=["A 1", None, " "])
    frame.to_file(tmp_path / "roads.gpkg")
    tracemalloc.start()
    found, _ = exposure.roads(Roads(path=tmp_path / "roads.gpkg", name="ref"), GRID)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert found.names == ("A 1", "road 2", "road 3")
    km = np.bincount(found.segment, found.counted.weight)
    assert np.allclose(km, [(site.COLS - 10) * 0.03, 1.5, 1.5], atol=0.01)


def test_people_of_longitudes_from_0_to_360_are_those_of_180_either_way(tmp_path):
    counts = np.random.default_rng(3).integers(0, 9, (60, 80))
    found = []
    for west in (73.2, 433.2, -286.8):
        at = Affine(0.002, 0, west, 0, -0.002, 34.72)
        path = write(tmp_path / "people.tif", counts, at, "EPSG:4326")
        found.append(over_tiles(exposure.people(People(path=path), GRID)[0]))
    assert found[0].sum() > 1000
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert found[2] == pytest.approx(found[0], rel=1e-6)


@pytest.mark.parametrize(
    ("value", "unit", "word"),
    [(1000, "count", 'unit = "per_km2"'), (20_000, "per_km2", 'unit = "count"'), (5, "count", "")],
)
def test_crowds_everywhere_are_doubted(tmp_path, value, unit, word):
    # 5 km by 6 km of cells of 1 ha.
    at = Affine(100, 0, site.WEST, 0, -100, site.NORTH)
    path = write(tmp_path / "people.tif", np.full((50, 60), value), at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exposure, "CITY", 5.0)
        notes = exposure.people(People(path=path, unit=unit), GRID)[1]
    assert [word in n for n in notes] == [True] * bool(word)


def test_what_is_not_counted_is_said(tmp_path):
    counts = np.ones((50, 60))
    counts[:, 20:] = np.nan
    counts[0, 0] = np.inf
    at = Affine(100, 0, site.WEST, 0, -100, site.NORTH)
    path = write(tmp_path / "people.tif", counts, at)
    notes = " ".join(exposure.people(People(path=path), GRID)[1])
    assert "1 cell" in notes
    assert "37 % of the grid" in notes
    here, there = site.point(10, 10), site.point(10_000, 10)
    house = shapely.MultiPolygon([shapely.Point(here).buffer(9), shapely.Point(there).buffer(9)])
    site.frame([house]).to_file(tmp_path / "houses.gpkg")
    counted, notes = exposure.buildings(Layer(path=tmp_path / "houses.gpkg"), GRID)
    assert over_tiles(counted).sum() == 1
    told = " ".join(notes)
    assert "2 parts" in told
    assert "1 of 2 buildings outside" in told
    near = shapely.LineString([here, site.point(60, 10)])
    away = shapely.LineString([there, site.point(10_050, 10)])
    site.frame([away, near, near]).to_file(tmp_path / "roads.gpkg")
    ways = Roads(path=tmp_path / "roads.gpkg")
    found, notes = exposure.roads(ways, GRID)
    assert found.names == ("road 2", "road 3")
    assert np.bincount(found.segment, found.counted.weight) == pytest.approx([1.5, 1.5])
    told = " ".join(notes)
    assert "1.5 of 4.5 km" in told
    assert "1 of 3 lines" in told
    assert "1 line on the grid" in told
    # A page is for others: it names the file, not whose folder it lies in.
    shown = computing.by_file_name(told, Exposure(roads=ways))
    assert "roads.gpkg (exposure.roads)" in shown
    assert str(tmp_path) not in shown


@pytest.mark.parametrize("changed", ["people", "places"])
def test_nothing_is_recorded_where_exposure_changed_while_it_was_read(tmp_path, changed):
    paths = {"people": tmp_path / "people.tif", "places": tmp_path / "places.gpkg"}
    small_event.people(paths["people"], 100.0)
    middle = shapely.Point(grids.bounds(GRID).left + 900, grids.bounds(GRID).top - 900)
    gpd.GeoDataFrame(geometry=[middle], crs=site.CRS).to_file(paths["places"])
    ledger = Ledger(tmp_path / "out")
    asked = Exposure(people=People(path=paths["people"]), places=NamedPlaces(path=paths["places"]))
    event = SimpleNamespace(ledger=ledger, study=SimpleNamespace(exposure=asked), grid=GRID)
    NewEarthquake.exposed.func(event)
    ledger.record("rapid", "mark", [], 1.0)
    # Rewritten with as many bytes.
    stat = paths[changed].stat()
    paths[changed].write_bytes(paths[changed].read_bytes()[::-1])
    os.utime(paths[changed], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    with pytest.raises(InputError, match=rf"{paths[changed].name}: changed while it was read"):
        ledger.record("rapid", "other", [], 1.0)
    assert Ledger(tmp_path / "out").is_fresh("rapid", "mark")


def test_places_on_ground_without_a_prediction_are_reported(tmp_path):
    mean = np.full((site.ROWS, site.COLS), 0.1, np.float32)
    mean[:, :50] = np.nan
    site.raster(tmp_path / "mean.tif", mean)
    spots = [shapely.Point(site.point(col, 20)) for col in (20, 80, 10_000)]
    site.frame(spots, name=["sea", "land", "away"]).to_file(tmp_path / "places.gpkg")
    settings = NamedPlaces(path=tmp_path / "places.gpkg", name="name", radius=300)
    exposed = exposure.exposed(Exposure(places=settings), GRID)
    assert exposed.places.names == ("sea", "land")
    assert [f"{settings.path} (exposure.places): 1 of 3" in note for note in exposed.notes] == [
        True
    ]
    found, notes = settlements.ranked(exposed.places, tmp_path / "mean.tif")
    assert [place.name for place in found] == ["land"]
    assert [f"{settings.path} (exposure.places): 1 of 2" in note for note in notes] == [True]
    mean[:] = np.nan
    site.raster(tmp_path / "mean.tif", mean)
    found, notes = settlements.ranked(exposed.places, tmp_path / "mean.tif")
    assert len(notes) == 1
    settlements.write(tmp_path, found)
    assert settlements.read(tmp_path, 9) == ()


def test_places_that_all_lie_outside_the_grid_are_one_line_before_any_work(tmp_path):
    spots = [shapely.Point(site.point(10_000, row)) for row in (0, 9)]
    site.frame(spots).to_file(tmp_path / "places.gpkg")
    asked = Exposure(places=NamedPlaces(path=tmp_path / "places.gpkg"))
    with pytest.raises(InputError, match=r"places\.gpkg \(exposure\.places\): 2 places, none"):
        exposure.exposed(asked, GRID)
