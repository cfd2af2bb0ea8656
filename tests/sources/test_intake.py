"""Outlines that are no sound polygons on the grid: each handled, each told."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from shakeslide.sources import intake

BOUNDS = (0.0, 0.0, 1000.0, 1000.0)


def take(*shapes: shapely.Geometry | None) -> intake.Intake:
    return intake.take_in(np.array(shapes, object), BOUNDS)


SOUND = shapely.box(100, 100, 200, 300)


def test_sound_outline_is_left_alone() -> None:
    taken = take(SOUND)
    assert taken.shapes[0].equals(SOUND)
    assert taken.dropped == {}
    assert taken.flags == [[]]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (None, "no geometry"),
        (shapely.Polygon(), "no geometry"),
        (shapely.Point(3, 4), "not a polygon"),
        (shapely.LineString([(0, 0), (9, 9)]), "not a polygon"),
        (shapely.Polygon([(10, 10), (50, 50), (90, 90), (10, 10)]), "no area"),
        (shapely.box(2000, 0, 2100, 100), "off the grid"),
        (shapely.box(1000, 0, 1100, 100), "off the grid"),
        (SOUND, "duplicate of landslide 1"),
        (SOUND.reverse(), "duplicate of landslide 1"),
    ],
)
def test_what_is_no_landslide_is_left_out_with_its_reason(
    shape: shapely.Geometry | None, reason: str
) -> None:
    taken = take(SOUND, shape)
    assert {k: str(why) for k, why in taken.dropped.items()} == {1: reason}
    assert shapely.is_empty(taken.shapes[1])
    assert taken.shapes[0].equals(SOUND)


def test_self_crossing_outline_is_repaired() -> None:
    bow = shapely.Polygon([(100, 100), (300, 300), (300, 100), (100, 300)])
    taken = take(bow)
    assert taken.shapes[0].is_valid
    assert taken.shapes[0].area == pytest.approx(20_000)
    assert "repaired" in taken.flags[0]


def test_overlapping_parts_of_an_outline_leave_no_hole() -> None:
    parts = shapely.MultiPolygon([shapely.box(100, 100, 300, 300), shapely.box(200, 200, 400, 400)])
    taken = take(parts)
    assert taken.shapes[0].area == pytest.approx(70_000)


def test_spike_of_a_repaired_outline_is_cut_off() -> None:
    spiked = shapely.Polygon(
        [(100, 100), (200, 100), (200, 200), (200, 900), (200, 200), (100, 200)]
    )
    taken = take(spiked)
    assert taken.shapes[0].area == pytest.approx(10_000)
    assert taken.shapes[0].geom_type in ("Polygon", "MultiPolygon")
    assert "repaired" in taken.flags[0]


def test_outline_across_the_edge_is_cut_there() -> None:
    taken = take(shapely.box(900, 900, 1100, 1100))
    assert taken.shapes[0].equals(shapely.box(900, 900, 1000, 1000))
    assert taken.flags == [["cut_by_edge"]]


def test_overlap_is_told_of_both_but_a_shared_edge_is_none() -> None:
    taken = take(SOUND, shapely.box(150, 100, 250, 300), shapely.box(0, 100, 100, 300))
    assert taken.flags == [["overlaps"], ["overlaps"], []]
    within = take(SOUND, shapely.box(120, 120, 130, 130))
    assert within.flags == [["overlaps"], ["overlaps"]]


def test_parts_and_holes_are_told() -> None:
    hole = SOUND.difference(shapely.box(140, 140, 160, 160))
    parts = shapely.MultiPolygon([shapely.box(400, 400, 450, 450), shapely.box(600, 600, 650, 650)])
    taken = take(hole, parts)
    assert taken.flags == [["holes"], ["multipart"]]


def test_nothing_at_all_is_nothing() -> None:
    taken = take()
    assert len(taken.shapes) == 0
    assert taken.dropped == {}
