"""The share of the shaken area that a map covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import Normalize
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.geo import grid as grids
from shakeslide.rapid import event_figures
from shakeslide.rapid.coverage import covered, epicentre, shortfalls
from shakeslide.rapid.first_places import FirstSquares
from shakeslide.report.cartography import View
from shakeslide.report.places import Square
from shakeslide.shaking import shakemap_motion
from shakeslide.shaking.ground_motion import GroundMotion

from . import small_event


@pytest.fixture
def motion(tmp_path: Path) -> GroundMotion:
    """A ShakeMap with a PGA of 0.1 g or more at every node."""
    return shakemap_motion.read(small_event.grid_xml(tmp_path / "grid.xml"))


def up_to(lon: float) -> GeoBox:
    """A grid from west of the nodes to a longitude, over all their latitudes."""
    turn = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
    west, south = turn.transform(73.0, 34.4)
    east, north = turn.transform(lon, 34.65)[0], turn.transform(lon, 34.9)[1]
    bounds = [round(v / 1000) * 1000.0 for v in (west, south, east, north)]
    return grids.from_bounds("EPSG:32643", 100, (bounds[0], bounds[1], bounds[2], bounds[3]))


def test_columns_of_nodes_on_the_grid_are_its_share(motion):
    assert covered(motion, up_to(73.31)) == pytest.approx(11 / 21)
    assert covered(motion, up_to(73.60)) == 1


def test_a_map_of_a_part_says_so_and_that_the_epicentre_is_outside(motion):
    assert len(shortfalls(motion, up_to(73.60))) == 0
    (part,) = shortfalls(motion, up_to(73.31))
    assert "52 %" in part
    assert len(shortfalls(motion, up_to(73.25))) == 2


def test_weak_shaking_has_no_share(tmp_path):
    weak = shakemap_motion.read(small_event.grid_xml(tmp_path / "grid.xml", pga=8))
    assert covered(weak, up_to(73.31)) is None


def test_the_epicentre_is_marked_where_it_lies_on_the_map(motion):
    assert epicentre(motion, up_to(73.25)) is None
    grid = up_to(73.60)
    place = epicentre(motion, grid)
    assert place is not None
    back = Transformer.from_crs("EPSG:32643", "EPSG:4326", always_xy=True).transform(*place)
    assert back == pytest.approx(motion.epicentre)
    view = View(grid, 50)
    shown = event_figures.Shown(
        view=view, values=np.zeros(view.shape, np.float32), shade=None, norm=Normalize(0, 1),
        title="", epicentre=place,
    )  # fmt: skip
    axes = event_figures.map_alone(shown, 4.0).axes
    stars = [line for a in axes for line in a.lines if line.get_marker() == "*"]
    assert [tuple(s.get_xydata()[0]) for s in stars] == [place]


def test_the_name_of_a_place_covers_neither_a_square_nor_another_name():
    view = View(up_to(73.60), 50)
    left, right, bottom, top = view.extent
    x, y = (left + right) / 2, (bottom + top) / 2
    square = Square(
        label="A", longitude=0, latitude=0, x=x + 2500, y=y, expected=1, ground=1, outline=()
    )  # fmt: skip
    shown = event_figures.Shown(
        view=view, values=np.zeros(view.shape, np.float32), shade=None, norm=Normalize(0, 1),
        title="", squares=FirstSquares(side=1000, squares=(square,), expected=1, ground=1),
    )  # fmt: skip
    metres = 5000.0

    def spot(taken: list[event_figures.Box], at: float = x) -> event_figures.NameSpot | None:
        return event_figures.name_spot("Some village", (at, y), shown, taken, metres)

    (free,) = [spot([], x - 4000)]
    assert free is not None
    assert free.align == "left"
    found: list[event_figures.Box] = []
    aligned = []
    while (one := spot(found)) is not None:
        found.append(one.box)
        aligned.append(one.align)
    # On the left first; over the square where nothing else is free.
    assert aligned == ["right", "center", "center", "left"]
    # At the edge of the map it stays within it.
    edge = spot([], right - 500)
    assert edge is not None
    assert edge.align == "right"
