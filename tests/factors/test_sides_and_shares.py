"""The side of a rupture, slopes that face it, and shares of classes, against shapely and loops."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from shakeslide.core.errors import InputError
from shakeslide.factors.catalogue import build
from shakeslide.factors.class_shares import shares
from shakeslide.factors.factor import Factor, Sources, TileInputs
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

from .test_scales import MIDDLE, TILTED, UTM, Ground, on_grid

CELL, ROWS, COLS = 50.0, 40, 50
GRID = on_grid(ROWS, COLS, CELL)
SOUTH, NORTH = 3.8e6 - ROWS * CELL / 2, 3.8e6 + ROWS * CELL / 2
# A bent trace from south to north, in two lines of which one is drawn backwards.
BENT = [(MIDDLE, SOUTH + 300), (MIDDLE + 200, 3.8e6), (MIDDLE + 100, NORTH - 300)]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    path = tmp_path_factory.mktemp("trace") / "rupture.gpkg"
    lines = [shapely.LineString(BENT[:2]), shapely.LineString(BENT[:0:-1])]
    gpd.GeoDataFrame(geometry=lines, crs=UTM).to_file(path)
    return Layer(path=path)


def factor(lines: Layer, function: str, event: Event, **options: object) -> Factor:
    given = FACTOR_FUNCTIONS[function].model_validate({"layer": "rupture", **options})
    layers = {"rupture": lines, "dem": Layer(path="dem.tif")}
    return build("F", given, Sources(GRID, layers, event))


def values(made: Factor, z: np.ndarray | None = None) -> np.ndarray:
    ground = Ground(np.zeros((ROWS, COLS)) if z is None else z, GRID)
    return np.asarray(
        made.compute(TileInputs(GRID, Tile((0, 0), 0, ROWS, 0, COLS), ground, made.halo))
    )


def centres() -> tuple[np.ndarray, np.ndarray]:
    x, y = grids.cell_centres(GRID, Tile((0, 0), 0, ROWS, 0, COLS))
    return np.meshgrid(x, y)


def at(x: float, y: float) -> Event:
    return Event(epicentre=(x, y), crs=UTM)


@pytest.mark.parametrize(
    ("event", "options", "east_is"),
    [
        (Event(), {"dip_direction": 80.0}, 1),
        (Event(), {"dip_direction": 290.0}, -1),
        (at(MIDDLE + 5000, 3.8e6 + 900), {}, 1),
        (at(MIDDLE - 300, 3.8e6), {}, -1),
        (at(MIDDLE - 300, 3.8e6), {"dip_direction": 90.0}, 1),
    ],
)
def test_signed_distance(
    trace: Layer, event: Event, options: dict[str, float], east_is: int
) -> None:
    x, y = centres()
    points = shapely.points(x, y)
    bent = shapely.LineString(BENT)
    found = values(factor(trace, "signed_distance", event, **options))
    np.testing.assert_allclose(np.abs(found), shapely.distance(points, bent), rtol=1e-5, atol=1e-2)
    east = x > np.interp(y, [p[1] for p in BENT], [p[0] for p in BENT])
    beside = (y > BENT[0][1] + 60) & (y < BENT[2][1] - 60) & (np.abs(found) > 1)
    assert (np.sign(found) == np.where(east, east_is, -east_is))[beside].all()
    wall = values(factor(trace, "hanging_wall", event, **options))
    near = beside & (np.abs(found) < 150)
    assert (wall[near] == (found > 0)[near]).all()
    # Straight beyond the ends there is no hanging wall.
    assert wall[0, 20:31].max() == wall[-1, 20:31].max() == 0 < wall.max()


def test_without_a_side_it_is_asked_for(trace: Layer) -> None:
    with pytest.raises(InputError, match="dip_direction"):
        factor(trace, "signed_distance", Event())
    with pytest.raises(InputError, match="dip_direction"):
        factor(trace, "hanging_wall", at(*np.mean([*BENT[:2], *BENT[1:]], axis=0)))


def test_slopes_that_face_the_source(trace: Layer) -> None:
    z = np.tile(-10.0 * np.arange(COLS), (ROWS, 1))  # falls to the east
    x, y = centres()
    ex, ey = MIDDLE + 333.0, 3.8e6 + 10
    point = factor(trace, "facing_source", at(ex, ey), layer="epicentre", scale=50)
    expected = (ex - x) / np.hypot(ex - x, ey - y)
    np.testing.assert_allclose(values(point, z), expected, atol=1e-4)
    line = factor(trace, "facing_source", Event(), scale=50)
    found = values(line, z)
    assert found[20, 0] > 0.9
    assert found[20, -1] < -0.9
    assert (values(line) == 0).all()
    assert TILTED.shape == (40, 50)
    assert (np.abs(values(line, TILTED)) <= 1).all()


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_shares_of_classes(seed: int, tall: int, wide: int, named: bool) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.choice([3, 7, 70000, np.nan], (11, 13)).astype(np.float32)
    part = slice(2, 10), slice(1, 13)
    found = shares(classes, (tall, wide), part, 7.0 if named else None)
    for i in range(2, 10):
        for j in range(1, 13):
            near = classes[max(0, i - tall) : i + tall + 1, max(0, j - wide) : j + wide + 1]
            near = near[np.isfinite(near)]
            wanted = 7.0 if named else classes[i, j]
            expected = np.nan if np.isnan(classes[i, j]) else (near == wanted).mean()
            np.testing.assert_allclose(found[i - 2, j - 1], expected, rtol=1e-6)


def test_a_class_that_is_nowhere_near_has_no_share() -> None:
    classes = np.array([[1, np.nan]], np.float32)
    found = shares(classes, (1, 1), (slice(0, 1), slice(0, 2)), 5.0)
    np.testing.assert_array_equal(found, [[0, np.nan]])
