"""The share of the shaken area that a map covers."""

from __future__ import annotations

from pathlib import Path

import pytest
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.geo import grid as grids
from shakeslide.rapid.coverage import covered, shortfalls
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
