"""What a projection does to the ground, held to PROJ's own factors and to geodesics."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import terrain
from shakeslide.geo import grid as grids
from shakeslide.geo import projection
from shakeslide.geo.grid import Tile

PLACES = {
    "EPSG:32643": [
        (5e5, 4e6),
        (8.4e5, 3.9e6),
        (1.3e6, 5e6),
        (3e5, 9e6),
    ],  # UTM, beyond its zone too
    "EPSG:3413": [(1.2e6, -4e5), (-3e5, 2e5)],  # polar stereographic
    "EPSG:3031": [(-1e6, 1.5e6)],
    "EPSG:3395": [(1e6, 4.9e6), (1e6, 10.0)],  # Mercator at 40 degrees and at the equator
    "EPSG:4087": [(1e6, 3.6e6)],  # equidistant cylindrical
    "EPSG:2154": [(7e5, 6.6e6)],  # Lambert conformal conic
    "EPSG:3035": [(2.7e6, 1.6e6)],  # Lambert equal-area
    "EPSG:27700": [(4e5, 3e5)],  # on another ellipsoid
}


def box(crs: str, x: float, y: float, cells: int = 400, side: float = 30.0) -> GeoBox:
    """A square grid whose south-west corner is at a place."""
    return GeoBox((cells, cells), Affine(side, 0, x, 0, -side, y + cells * side), CRS(crs))


@pytest.mark.parametrize("crs", PLACES)
def test_scales_and_north_are_those_of_proj(crs: str) -> None:
    x, y = np.array(PLACES[crs]).T
    found = projection.ground(CRS(crs), x, y)
    told = pyproj.Proj(crs).get_factors(found.lon, found.lat)
    # PROJ's own factors are differences too: some 1e-8; those of a sphere are not the ground's.
    near = 4e-3 if crs == "EPSG:4087" else 1e-7
    assert 1 / found.shortest == pytest.approx(told.tissot_semimajor, abs=near)
    assert 1 / found.longest == pytest.approx(told.tissot_semiminor, abs=near)
    assert 1 / found.area == pytest.approx(told.areal_scale, abs=near)
    assert found.north_deg == pytest.approx(-np.array(told.meridian_convergence), abs=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:32643", "EPSG:3857", "EPSG:4087", "EPSG:3035", "EPSG:3413"])
def test_lengths_and_areas_are_those_of_geodesics(crs: str) -> None:
    """A long and a short side of the ground under one cell of 100 m, by geodesics."""
    x, y = {"EPSG:3857": (1e6, 4.9e6), "EPSG:4087": (1e6, 4e6)}.get(crs, (1e6, 1.9e6))
    found = projection.ground(CRS(crs), np.array([x]), np.array([y]))
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    geod = pyproj.Geod(ellps="WGS84")
    angle = np.radians(np.arange(0, 360, 5))
    rim = to_degrees.transform(x + 100 * np.cos(angle), y + 100 * np.sin(angle))
    centre = to_degrees.transform(x, y)
    _, _, metres = geod.inv(*(np.full(angle.size, v) for v in centre), *rim)
    assert found.longest[0] == pytest.approx(metres.max() / 100, rel=1e-3)
    assert found.shortest[0] == pytest.approx(metres.min() / 100, rel=1e-3)
    corners = to_degrees.transform(
        x + 50.0 * np.array([-1, 1, 1, -1]), y + 50.0 * np.array([-1, -1, 1, 1])
    )
    area, _ = geod.polygon_area_perimeter(*corners)
    assert found.area[0] == pytest.approx(area / 1e4, rel=1e-4)


def test_the_scale_error_is_that_of_the_direction_farthest_off() -> None:
    """At the equator of a map that is true at 60 degrees, parallels are drawn at half length."""
    crs, place = CRS("+proj=eqc +lat_ts=60 +datum=WGS84 +units=m"), np.array([0.0])
    assert projection.ground(crs, place, place).scale_error == pytest.approx(-0.5, abs=0.01)


@pytest.mark.parametrize(
    ("lon", "lat", "fit"),
    [(180.0, 10.0, "EPSG:32660"), (-180.0, 10.0, "EPSG:32601"), (73.0, -34.0, "EPSG:32743")],
)
def test_the_fitting_zone_of_a_place(lon: float, lat: float, fit: str) -> None:
    found = SimpleNamespace(lon=np.array([lon]), lat=np.array([lat]), side=30.0)
    assert projection.fitting(found, 0.01) == (fit, 30.0)


def cells_turn(grid: GeoBox, tile: Tile) -> np.ndarray:
    """What is taken off angles of 0 on a tile: the direction of true north, in [0, 360)."""
    return (
        -terrain.turned(np.zeros(tile.shape, np.float32), tile, projection.true_north(grid)) % 360
    )


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:32643", 7.5e5, 3.9e6),
        ("EPSG:32643", 8e5, 8.9e6),
        ("EPSG:3413", 1.2e6, -4e5),
        ("EPSG:3413", -2e5, -2.5e5),  # around the pole
        ("EPSG:3031", -1.5e6, 9e5),
        ("EPSG:2154", 1e5, 6.1e6),
        ("EPSG:5070", 1.5e6, 2e6),
    ],
)
def test_each_cell_is_turned_by_its_own_convergence(crs: str, x: float, y: float) -> None:
    """On a grid of 500 km: interpolated within 0.01 degrees of each cell's own."""
    grid = box(crs, x, y, 250, 2000.0)
    tile = Tile((0, 0), 0, *grid.shape[:1], 0, grid.shape[1])
    xs, ys = np.meshgrid(*grids.cell_centres(grid, tile))
    own = projection.ground(CRS(crs), xs, ys).north_deg
    off = (cells_turn(grid, tile) - own + 180) % 360 - 180
    assert np.abs(off).max() < 0.01


def test_true_azimuths_between_cells_are_those_of_geodesics() -> None:
    """A step of 30 m across the map of a polar region, against geodesics, in eight directions."""
    grid = box("EPSG:3413", 1.2e6, -4e5)
    tile = Tile((0, 0), 100, 110, 200, 220)
    x, y = np.meshgrid(*grids.cell_centres(grid, tile))
    to_degrees = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
    for bearing in range(0, 360, 45):
        step = 30 * np.sin(np.radians(bearing)), 30 * np.cos(np.radians(bearing))
        ends = to_degrees.transform(x + step[0], y + step[1])
        true, _, _ = pyproj.Geod(ellps="WGS84").inv(*to_degrees.transform(x, y), *ends)
        angle = np.full(tile.shape, bearing, np.float32)
        got = terrain.turned(angle, tile, projection.true_north(grid))
        assert np.abs((got - true + 180) % 360 - 180).max() < 1e-3
        assert ((got >= 0) & (got < 360)).all()


@pytest.mark.parametrize(
    ("crs", "x", "y"), [("EPSG:32643", 7e5, 3.9e6), ("EPSG:3413", 1.2e6, -4e5)]
)
@pytest.mark.parametrize("away", [0.0, 1.5e5])
def test_bearings_from_a_place_are_azimuths_of_geodesics(
    crs: str, x: float, y: float, away: float
) -> None:
    grid = box(crs, x, y, 100, 1000.0)
    place = x + 31_250.0 - away, y + 44_100.0 + away
    tile = Tile((0, 0), 0, 100, 0, 100)
    xs, ys = grids.cell_centres(grid, tile)
    got = terrain.turned(
        terrain.azimuths(xs - place[0], ys - place[1]), tile, projection.bearings(grid, *place)
    )
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
    start = (np.full(lon.shape, v) for v in to_degrees.transform(*place))
    true, _, _ = pyproj.Geod(ellps="WGS84").inv(*start, lon, lat)
    assert np.abs((got - true + 180) % 360 - 180).max() < 0.01


def test_a_bearing_at_its_own_place_is_the_convergence() -> None:
    grid = box("EPSG:3413", 1.2e6, -4e5)
    x, y = grid.affine.c, grid.affine.f
    found = projection.bearings(grid, x, y)
    turn = np.degrees(np.arctan2(found.east[0, 0], found.north[0, 0]))
    (there,) = projection.ground(grid.crs, np.array([x]), np.array([y])).north_deg
    assert turn == pytest.approx(there)
    assert abs(there) > 10


def test_flat_and_missing_stay_and_tiles_do_not_matter() -> None:
    grid = box("EPSG:3413", 1.2e6, -4e5, 300, 500.0)
    whole = Tile((0, 0), 0, 300, 0, 300)
    angle = np.random.default_rng(1).uniform(0, 360, whole.shape).astype(np.float32)
    angle[5:9, 3], angle[70, 80] = -1, np.nan
    north = projection.true_north(grid)
    all_at_once = terrain.turned(angle, whole, north)
    assert (all_at_once[5:9, 3] == -1).all()
    assert np.isnan(all_at_once[70, 80])
    assert (all_at_once == -1).sum() == 4
    for tile in grids.tiles(grid, 48):
        cut = np.s_[tile.row0 : tile.row1, tile.col0 : tile.col1]
        part = terrain.turned(angle[cut], tile, north)
        assert part.tobytes() == all_at_once[cut].tobytes()


# ------------------------------------------------------------------ how well a grid's CRS fits


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:32643", 3.4e5, 3.84e6),
        ("EPSG:32643", 8.2e5, 1e6),  # the zone's edge
        ("EPSG:3395", 1e6, 0.0),  # Mercator at the equator
        ("EPSG:2154", 7e5, 6.6e6),
        ("EPSG:3035", 4e6, 3e6),
    ],
)
def test_nothing_is_said_below_one_percent(crs: str, x: float, y: float) -> None:
    grid = grids.choose(box(crs, x, y))
    assert grids.remarks(grid) == []


def test_a_neighbouring_zone_is_warned_of_with_the_fitting_one() -> None:
    """9 degrees off the central meridian at 10 degrees north: lengths 1.2 % too long."""
    grid = grids.choose(box("EPSG:32643", 1.49e6, 1.1e6))
    (said,) = grids.remarks(grid)
    assert "+1.2 % at the grid's centre" in said
    assert 'crs = "EPSG:32645" and resolution = 30' in said


@pytest.mark.parametrize(
    ("crs", "x", "y", "error", "area"),
    [
        ("EPSG:3857", 8.2e6, 4.86e6, "+30.", "+70."),  # 40 degrees north
        ("EPSG:3395", 8.2e6, 4.84e6, "+30.", "+70."),
        ("EPSG:4087", 8.2e6, 4.45e6, "+30.", "+30."),  # stretches parallels alone
    ],
)
def test_gross_distortion_is_refused_with_a_grid_that_fits(
    crs: str, x: float, y: float, error: str, area: str
) -> None:
    with pytest.raises(InputError) as caught:
        grids.choose(box(crs, x, y))
    said = str(caught.value)
    assert crs in said
    assert f"scale error is {error}" in said
    assert f"areas are off by {area}" in said
    assert 'crs = "EPSG:32643" and resolution = 2' in said
    with pytest.raises(InputError, match=r"\[grid\] crs \(" + crs):
        grids.choose(box("EPSG:32643", 4e5, 4.43e6), crs, 30.0)


def test_a_grid_turned_from_true_north_is_told_with_the_angle() -> None:
    grid = grids.choose(box("EPSG:3413", 1.2e6, -4e5))
    said = "; ".join(grids.remarks(grid))
    assert "true north lies 71." in said
    assert "west of the grid's north" in said


@pytest.mark.parametrize(
    ("crs", "x", "y", "cells", "side", "fit"),
    [
        ("EPSG:4326", -120.0, 40.0, 500, 3e-4, "EPSG:32611"),
        ("EPSG:4326", 179.99, -16.8, 500, 3e-4, "EPSG:32701"),
        ("EPSG:4326", 40.0, 88.0, 500, 3e-4, "EPSG:5041"),
        ("EPSG:4326", 40.0, -88.0, 500, 3e-4, "EPSG:5042"),
        ("EPSG:4326", 60.0, 20.0, 500, 0.03, "+proj=laea"),  # 1,600 km: no zone fits
    ],
)
def test_degrees_are_refused_with_a_grid_that_fits(
    crs: str, x: float, y: float, cells: int, side: float, fit: str
) -> None:
    with pytest.raises(InputError, match="degrees") as caught:
        grids.choose(box(crs, x, y, cells, side))
    said = str(caught.value)
    text, resolution = said.split('crs = "')[1].split('" and resolution = ')
    assert text.startswith(fit)
    made = grids.choose(box(crs, x, y, cells, side), text, float(resolution))
    assert [r for r in grids.remarks(made) if "scale error" in r] == []


@pytest.mark.parametrize(
    ("crs", "x", "y", "side"),
    [
        ("+proj=airy", 0.0, 0.0, 30.0),  # PROJ cannot invert it
        ("EPSG:3395", 0.0, 3e7, 30.0),
        ("EPSG:3035", 1.5e7, 1.5e7, 30.0),
        ("EPSG:3035", -2e7, -2e7, 1e5),
    ],
)
def test_a_grid_beyond_its_crs_is_one_line(crs: str, x: float, y: float, side: float) -> None:
    with pytest.raises(InputError) as caught:
        grids.choose(box(crs, x, y, 400, side))
    assert "[grid] crs" in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------ how large it is


@pytest.mark.parametrize("resolution", [1e-300, 1e-9, 1e-3])
@pytest.mark.parametrize("bounds", [None, (3.4e5, 3.84e6, 3.5e5, 3.85e6)])
def test_too_many_cells_are_refused_before_anything_is_made(
    resolution: float, bounds: tuple[float, float, float, float] | None
) -> None:
    # Cells of 0.3 m, so that the finest grid that is possible is not much finer than the DEM.
    dem = box("EPSG:32643", 3.4e5, 3.84e6, 40_000, 0.3)
    with pytest.raises(InputError) as caught:
        grids.choose(dem, None, resolution, bounds)
    said = str(caught.value)
    assert f"resolution = {resolution:g} makes" in said
    assert "cells" in said
    assert "GB" in said
    least = float(said.split("give ")[1].split(" (metres)")[0])
    assert grids.choose(dem, None, least, bounds).shape[0] > 1000


def test_a_dem_of_too_many_cells_is_refused_unless_it_is_cut() -> None:
    huge = box("EPSG:32643", 3.4e5, 3.84e6, 1_000_000, 0.1)
    with pytest.raises(InputError, match=r"1,000,000 x 1,000,000 = 1e\+12 cells.*bounds"):
        grids.choose(huge)
    part = grids.choose(huge, extent=(3.4e5, 3.84e6, 3.401e5, 3.8401e6))
    assert part.shape == (1000, 1000)
    assert part.affine.c == pytest.approx(3.4e5)


@pytest.mark.parametrize(
    "bounds",
    [
        (3.5e5, 3.84e6, 3.4e5, 3.85e6),
        (3.4e5, 3.85e6, 3.5e5, 3.84e6),
        (3.4e5, 3.84e6, 3.4e5, 3.85e6),
        (float("nan"), 3.84e6, 3.5e5, 3.85e6),
        (3.4e5, 3.84e6, float("inf"), 3.85e6),
    ],
)
@pytest.mark.parametrize("resolution", [None, 30.0])
def test_bounds_that_hold_nothing_are_one_line(
    bounds: tuple[float, float, float, float], resolution: float | None
) -> None:
    with pytest.raises(InputError, match="bounds"):
        grids.choose(box("EPSG:32643", 3.4e5, 3.84e6), None, resolution, bounds)


def test_three_cells_a_side_are_the_least() -> None:
    dem = box("EPSG:32643", 3.4e5, 3.84e6)
    corner = (340_021.0, 3_840_001.0)
    with pytest.raises(InputError, match="cells"):
        grids.choose(dem, None, 30.0, (*corner, corner[0] + 50, corner[1] + 50))
    assert grids.choose(dem, None, 30.0, (*corner, corner[0] + 60, corner[1] + 80)).shape == (3, 3)
