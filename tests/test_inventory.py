"""Inventories as users bring them: points, parts with ids, marked sources, tiny landslides."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.geo.grid import Tile
from shakeslide.layers import inventory
from shakeslide.layers.inventory import CLEAR, EXCLUDED, OUTSIDE, SOURCE
from shakeslide.layers.masks import load as load_masks
from shakeslide.layers.positives import Positive
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Inventory, Mask

from . import small_site as site
from .lines import lacks

GRID = GeoBox((40, 50), Affine(30, 0, site.WEST, 0, -30, site.NORTH), CRS(site.CRS))
WHOLE = Tile((0, 0), 0, 40, 0, 50)


def write(path: Path, shapes: list[shapely.Geometry], **columns: list[object]) -> Path:
    site.frame(shapes, **columns).to_file(path)
    return path


def labels(landslides: inventory.Inventory) -> inventory.Labels:
    return landslides.label(WHOLE)


def test_a_point_is_the_cell_it_lies_in(tmp_path: Path) -> None:
    places = [(3.2, 4.9), (10.0, 10.0), (49.999, 39.999), (3.9, 4.1), (60.0, 5.0)]
    shapes = [shapely.Point(*site.point(c, r)) for c, r in places]
    path = write(tmp_path / "points.gpkg", shapes)
    landslides = inventory.load(Inventory(path=path), GRID)
    assert landslides.kind == "point"
    assert landslides.count == 4
    standing = labels(landslides).standing
    found = {(int(r), int(c)) for r, c in zip(*np.nonzero(standing == SOURCE), strict=True)}
    assert found == {(4, 3), (10, 10), (39, 49)}
    assert (standing[standing != SOURCE] == CLEAR).all()
    assert not lacks("; ".join(landslides.notes), "1 landslides lie off the grid", "1 points share")


def test_points_come_from_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    x, y = site.point(3.5, 4.5)
    path.write_text(f"east,north\n{x},{y}\n")
    settings = Inventory(path=path, x="east", y="north", crs=site.CRS)
    assert labels(inventory.load(settings, GRID)).standing[4, 3] == SOURCE


def test_points_and_polygons_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mixed.geojson"
    gpd.GeoDataFrame(
        geometry=[shapely.Point(*site.point(1, 1)), site.box(3, 3, 4, 4)], crs=site.CRS
    ).to_file(path)
    with pytest.raises(InputError, match="holds points and polygons; choose one kind"):
        inventory.load(Inventory(path=path), GRID)


def test_lines_are_no_landslides(tmp_path: Path) -> None:
    path = write(
        tmp_path / "lines.gpkg", [shapely.LineString([site.point(0, 0), site.point(5, 5)])]
    )
    with pytest.raises(InputError, match="holds line geometries, but polygon or point"):
        inventory.load(Inventory(path=path), GRID)


def test_parts_with_one_id_are_one_landslide(tmp_path: Path) -> None:
    shapes = [site.box(5, 5, 4, 4), site.box(20, 5, 4, 4), site.box(5, 9, 4, 6)]
    path = write(tmp_path / "parts.gpkg", shapes, slide=["a", "b", "a"])
    landslides = inventory.load(Inventory(path=path, id="slide"), GRID)
    assert landslides.count == 2
    number = labels(landslides).landslide
    assert number[6, 6] == number[12, 6] == 1
    assert number[6, 21] == 2


def test_landslides_without_an_id_stay_alone(tmp_path: Path) -> None:
    shapes = [site.box(5 * i, 5, 4, 4) for i in range(4)]
    path = write(tmp_path / "parts.gpkg", shapes, slide=["a", None, "a", None])
    assert inventory.load(Inventory(path=path, id="slide"), GRID).count == 3


def test_each_landslide_keeps_its_date(tmp_path: Path) -> None:
    shapes = [site.box(5 * i, 5, 4, 4) for i in range(4)]
    days = ["2005-10-09", "2005-10-08", "2005-10-07", "2005-10-06"]
    path = write(tmp_path / "parts.gpkg", shapes, slide=["a", None, "b", "a"], day=days)
    found = inventory.load(Inventory(path=path, id="slide", date="day"), GRID)
    assert found.dates is not None
    # Of the parts of one landslide the first day counts; those without an id come last.
    by_area = dict(zip(found.areas.tolist(), found.dates.dt.day.tolist(), strict=True))
    assert by_area[shapes[0].area * 2] == 6
    west = [shapely.bounds(shape)[0] for shape in found.shapes]
    assert dict(zip(west, found.dates.dt.day, strict=True)) == {
        shapes[0].bounds[0]: 6,
        shapes[1].bounds[0]: 8,
        shapes[2].bounds[0]: 7,
    }


def test_ground_without_a_buffer_shares_the_landslides_edges(tmp_path: Path) -> None:
    path = write(tmp_path / "slides.gpkg", [site.box(5, 5, 4, 4), site.box(20, 5, 4, 4)])
    plain = inventory.load(Inventory(path=path), GRID)
    assert plain.kept_clear.points is plain.outlines.points
    assert plain.kept_clear.values.tolist() == [1.0, 1.0]
    wide = inventory.load(Inventory(path=path, buffer=30), GRID)
    assert (labels(wide).standing == EXCLUDED).sum() == 2 * (6 * 6 - 4 * 4)


def test_an_attribute_marks_sources(tmp_path: Path) -> None:
    shapes = [site.box(5, 5, 4, 4), site.box(5, 9, 4, 6), site.box(20, 5, 4, 4)]
    path = write(tmp_path / "a.gpkg", shapes, part=["source", "run-out", "source"], n=[1, 1, 2])
    settings = Inventory(path=path, id="n", where="n > 0", source_where="part = 'source'")
    landslides = inventory.load(settings, GRID)
    found = labels(landslides)
    assert landslides.positives is Positive.SOURCES
    assert (found.standing[5:9, 5:9] == SOURCE).all()
    assert (found.standing[9:15, 5:9] == EXCLUDED).all()
    assert (found.landslide[5:9, 5:9] == 1).all()
    assert (found.landslide[5:9, 20:24] == 2).all()
    assert int((found.standing == SOURCE).sum()) == 32


def test_a_source_layer_takes_the_landslides_number(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gpkg", [site.box(5, 5, 4, 9), site.box(20, 5, 4, 9)])
    parts = [site.box(20, 5, 4, 3), site.box(5, 5, 4, 3), site.box(40, 5, 2, 2)]
    path = write(tmp_path / "sources.gpkg", parts)
    landslides = inventory.load(Inventory(path=whole, sources=Layer(path=path)), GRID)
    number = labels(landslides).landslide
    assert (number[6, 6], number[6, 21], number[6, 41]) == (1, 2, 5)


@pytest.mark.parametrize(("shift", "strays"), [(0, 0), (8, 1)])
def test_sources_in_no_outline_are_told(tmp_path: Path, shift: int, strays: int) -> None:
    whole = write(tmp_path / "whole.gpkg", [site.box(20, 5, 4, 4), site.box(5, 5, 4, 4)])
    parts = [site.box(5 + shift, 5, 2, 2), site.box(20, 5, 4, 2), site.box(900, 5, 2, 2)]
    path = write(tmp_path / "sources.gpkg", parts)
    notes = inventory.load(Inventory(path=whole, sources=Layer(path=path)), GRID).notes
    told = [n for n in notes if "outside all landslide" in n]
    assert [n[:6] for n in told] == ["1 of 3"] * strays


def test_sources_are_given_once(tmp_path: Path) -> None:
    path = write(tmp_path / "whole.gpkg", [site.box(5, 5, 4, 9)])
    settings = Inventory(path=path, sources=Layer(path=path), source_where="1 = 1")
    with pytest.raises(InputError, match="either sources or source_where"):
        inventory.load(settings, GRID)


def test_dates_follow_their_landslides(tmp_path: Path) -> None:
    shapes = [site.box(500, 5, 4, 4), site.box(5, 5, 4, 4), site.box(20, 5, 4, 4)]
    path = write(tmp_path / "dated.gpkg", shapes, seen=["2001-01-01", "2005-10-08", "2006-01-01"])
    dates = inventory.load(Inventory(path=path, date="seen"), GRID).dates
    assert dates is not None
    assert [str(d.date()) for d in dates] == ["2005-10-08", "2006-01-01"]
    with pytest.raises(InputError, match=r"no column 'sen'\. Did you mean 'seen'"):
        inventory.load(Inventory(path=path, date="sen"), GRID)


def test_landslides_outside_the_mapped_extent_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "slides.gpkg", [site.box(5, 5, 4, 4), site.box(30, 5, 4, 4)])
    extent = write(tmp_path / "extent.gpkg", [site.box(0, 0, 20, 40)])
    landslides = inventory.load(Inventory(path=path, extent=Layer(path=extent)), GRID)
    assert not lacks("; ".join(landslides.notes), "1 landslides", "mapped extent")
    standing = labels(landslides).standing
    assert (standing[:, 20:] == OUTSIDE).all()
    assert (standing[5:9, 5:9] == SOURCE).all()
    write(extent, [site.box(45, 0, 3, 40)])
    with pytest.raises(InputError, match="none of the 2 landslides lies in it"):
        inventory.load(Inventory(path=path, extent=Layer(path=extent)), GRID)


def test_ambiguous_points_take_their_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "slides.gpkg", [site.box(5, 5, 4, 4)])
    places = [(20.5, 20.5), (90.0, 3.0)]
    older = write(tmp_path / "older.gpkg", [shapely.Point(*site.point(c, r)) for c, r in places])
    standing = labels(
        inventory.load(Inventory(path=path, ambiguous=[Layer(path=older)]), GRID)
    ).standing
    assert [tuple(map(int, c)) for c in np.argwhere(standing == EXCLUDED)] == [(20, 20)]


# ------------------------------------------------------------------ tiny landslides


def test_a_tiny_landslide_keeps_the_cell_it_covers_most(tmp_path: Path) -> None:
    # Across four cells, most of it in row 7, column 11; and a normal one.
    shapes = [site.box(10.8, 6.9, 0.65, 0.55), site.box(20, 5, 4, 4)]
    path = write(tmp_path / "small.gpkg", shapes)
    left = labels(inventory.load(Inventory(path=path), GRID))
    assert int((left.landslide == 1).sum()) == 0
    landslides = inventory.load(Inventory(path=path, small="most_covered"), GRID)
    kept = labels(landslides)
    assert list(zip(*np.nonzero(kept.landslide == 1), strict=True)) == [(7, 11)]
    assert kept.standing[7, 11] == SOURCE
    assert (kept.landslide == 2).sum() == 16
    assert not lacks("; ".join(landslides.notes), "1 landslides without a cell centre")


def test_a_tiny_source_keeps_its_landslides_number(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gpkg", [site.box(20, 5, 4, 4), site.box(5, 5, 4, 4)])
    path = write(tmp_path / "sources.gpkg", [site.box(5.1, 5.1, 0.3, 0.3), site.box(20, 5, 4, 2)])
    settings = Inventory(path=whole, sources=Layer(path=path), small="most_covered")
    found = labels(inventory.load(settings, GRID))
    assert list(zip(*np.nonzero(found.landslide == 2), strict=True)) == [(5, 5)]
    assert (found.landslide == 1).sum() == 8


def test_a_thin_landslides_source_keeps_its_number(tmp_path: Path) -> None:
    # Neither the landslide nor its source holds a cell's centre.
    whole = write(tmp_path / "whole.gpkg", [site.box(20, 5, 4, 4), site.box(5.05, 5.05, 0.4, 6)])
    path = write(tmp_path / "sources.gpkg", [site.box(20, 5, 4, 2), site.box(5.1, 5.1, 0.3, 0.5)])
    settings = Inventory(path=whole, sources=Layer(path=path), small="most_covered")
    found = labels(inventory.load(settings, GRID))
    assert [tuple(map(int, c)) for c in np.argwhere(found.landslide == 2)] == [(5, 5)]
    assert set(np.unique(found.landslide)) == {0, 1, 2}


@settings(max_examples=30)
@given(st.integers(0, 100_000))
def test_the_most_covered_cell_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(8):
        x, y = site.point(rng.uniform(-1, 51), rng.uniform(-1, 41))
        length, angle = rng.uniform(1, 90), rng.uniform(0, 180)
        thin = shapely.box(x, y, x + length, y + rng.uniform(1, 14))
        shapes.append(_rotated(thin, angle))
    # A few at a time, as of many landslides.
    with mock.patch.object(inventory, "TOGETHER", 3):
        small = inventory._most_covered(np.array(shapes, object), GRID)
    x, y = np.meshgrid(
        site.WEST + 30 * (np.arange(50) + 0.5), site.NORTH - 30 * (np.arange(40) + 0.5)
    )
    cells = np.asarray(shapely.box(x - 15, y - 15, x + 15, y + 15))
    for i, shape in enumerate(shapes):
        areas = shapely.area(shapely.intersection(cells, shape))
        expected = not shapely.contains_xy(shape, x, y).any() and areas.max() > 0
        assert (i in small.which) == expected
        if expected:
            box = small.cells[list(small.which).index(i)]
            assert shapely.area(shapely.intersection(box, shape)) >= areas.max() * (1 - 1e-9)


def _rotated(shape: shapely.Geometry, degrees: float) -> shapely.Geometry:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    origin = shapely.get_coordinates(shape)[0]
    return shapely.transform(shape, lambda p: (p - origin) @ np.array([[c, s], [-s, c]]) + origin)


# ------------------------------------------------------------------ masks


def test_masked_ground_is_no_part_of_the_mapped_area(tmp_path: Path) -> None:
    path = write(tmp_path / "slides.gpkg", [site.box(5, 5, 4, 4), site.box(20, 5, 4, 4)])
    lake = write(tmp_path / "lake.gpkg", [site.box(7, 0, 10, 40)])
    masks = load_masks([Mask(path=lake, map_value=0)], GRID)
    standing = labels(inventory.load(Inventory(path=path), GRID, masks)).standing
    assert (standing[:, 7:17] == OUTSIDE).all()
    assert (standing[5:9, 5:7] == SOURCE).all()
    assert (standing[5:9, 20:24] == SOURCE).all()
