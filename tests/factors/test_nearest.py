"""Nearest segments against brute force, shapely and k-d trees, and across tilings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shakeslide.core.errors import InputError
from shakeslide.factors import nearest
from shakeslide.factors.nearest import Segments, subsections

Array = NDArray[Any]


def brute(x: Array, y: Array, segments: Segments) -> tuple[Array, Array]:
    """Distance and lowest index by comparing everything with everything."""
    east, north = np.meshgrid(x, y)
    least, which = np.full(east.shape, np.inf), np.zeros(east.shape, np.int32)
    ends = (segments.x0, segments.y0, segments.x1, segments.y1)
    for k, (x0, y0, x1, y1) in enumerate(zip(*ends, strict=True)):
        dx, dy = x1 - x0, y1 - y0
        px, py = east - x0, north - y0
        length2 = dx * dx + dy * dy
        along = (px * dx + py * dy) / length2 if length2 > 0 else np.zeros_like(px)
        side = np.abs(px * dy - py * dx) / np.sqrt(length2 or 1.0)
        ends_at = np.hypot(east - x1, north - y1)
        d = np.where(along <= 0, np.hypot(px, py), np.where(along >= 1, ends_at, side))
        closer = d < least
        least[closer], which[closer] = d[closer], k
    return least, which


def assert_nearest(x: Array, y: Array, segments: Segments) -> None:
    """Right distance everywhere; right index wherever float64 tells the candidates apart."""
    distance, index = nearest.nearest(x, y, segments)
    expected, which = brute(x, y, segments)
    assert (distance.dtype, index.dtype) == (np.float32, np.int32)
    np.testing.assert_allclose(distance, expected, rtol=1e-6, atol=1e-6)
    for i, j in np.argwhere(index != which):
        one = Segments(*(v[index[i, j]][None] for v in vars(segments).values()))
        rival = brute(x[j : j + 1], y[i : i + 1], one)[0][0, 0]
        assert abs(rival - expected[i, j]) < 1e-9 * (1 + expected[i, j])


@st.composite
def situations(draw: st.DrawFn) -> tuple[Array, Array, Segments]:
    """A tile somewhere on the map, and lines or points within it, around it, or far off."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cols, rows = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    dx, dy = draw(st.sampled_from([1.0, 12.5, 30.0])), draw(st.sampled_from([1.0, 12.5, 30.0]))
    x, y = 4e5 + np.arange(cols) * dx, 4e6 - np.arange(rows) * dy
    spread = draw(st.sampled_from([0.0, 300.0, 5e4]))
    stride = draw(st.sampled_from([0.3, 20.0, 800.0, 1e6]))
    lines = []
    for _ in range(draw(st.integers(1, 25))):
        start = rng.uniform([x[0] - spread, y[-1] - spread], [x[-1] + spread, y[0] + spread])
        lines.append(start + np.cumsum(rng.normal(0, stride, (rng.integers(2, 12), 2)), axis=0))
    if draw(st.booleans()):  # on the cells' centres, for ties
        lines = [np.round((line - [4e5, 4e6]) / [dx, dy]) * [dx, dy] + [4e5, 4e6] for line in lines]
    if draw(st.booleans()):
        return x, y, Segments.from_points(*np.concatenate(lines).T)
    segments = Segments.from_lines(lines)
    return x, y, segments if len(segments) else Segments.from_points(x[:1], y[:1])


@settings(max_examples=120, derandomize=True)
@given(situations())
def test_by_brute_force(situation: tuple[Array, Array, Segments]) -> None:
    assert_nearest(*situation)


@settings(max_examples=60, derandomize=True)
@given(situations(), st.data())
def test_a_cell_gets_the_same_bytes_in_any_tile(
    situation: tuple[Array, Array, Segments], data: st.DataObject
) -> None:
    x, y, segments = situation
    c0, r0 = data.draw(st.integers(0, x.size - 1)), data.draw(st.integers(0, y.size - 1))
    cols = slice(c0, data.draw(st.integers(c0 + 1, x.size)))
    rows = slice(r0, data.draw(st.integers(r0 + 1, y.size)))
    distance, index = nearest.nearest(x, y, segments)
    part, which = nearest.nearest(x[cols], y[rows], segments)
    np.testing.assert_array_equal(part.view(np.int32), distance[rows, cols].view(np.int32))
    np.testing.assert_array_equal(which, index[rows, cols])


def rivers(n: int, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n):
        course = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, 80))
        steps = np.column_stack([np.sin(course), np.cos(course)]) * 35
        lines.append(rng.uniform([5e5, 39.9e5], [5.1e5, 40e5]) + np.cumsum(steps, axis=0))
    return lines


@pytest.mark.parametrize("descending", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_rivers_against_shapely(descending: bool) -> None:
    lines = rivers(120)
    x, y = 5e5 + np.arange(0, 9000, 37.0), 39.9e5 + np.arange(0, 9000, 41.0)
    y = y[::-1].copy() if descending else y
    distance, index = nearest.nearest(x, y, Segments.from_lines(lines))
    points = shapely.points(*np.meshgrid(x, y))
    tree = shapely.STRtree([shapely.LineString(line) for line in lines])
    (_, owner), far = tree.query_nearest(points.ravel(), return_distance=True, all_matches=False)
    np.testing.assert_allclose(distance.ravel(), far, rtol=1e-6, atol=1e-6)
    assert (index.ravel() // 79 == owner).mean() > 0.9999


def test_points_against_a_tree() -> None:
    rng = np.random.default_rng(2)
    px, py = rng.uniform(0, 5e4, 4000), rng.uniform(0, 5e4, 4000)
    x, y = np.arange(1e4, 3e4, 90.0), np.arange(3e4, 1e4, -110.0)
    distance, index = nearest.nearest(x, y, Segments.from_points(px, py))
    far, which = cKDTree(np.column_stack([px, py])).query(np.dstack(np.meshgrid(x, y)))
    np.testing.assert_allclose(distance, far, rtol=1e-6)
    np.testing.assert_array_equal(index, which)


def test_of_equally_near_segments_the_first_is_taken() -> None:
    bend = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, -10.0]])
    beyond = np.array([20.0])  # its nearest point is the vertex at (10, 0)
    there, back = Segments.from_lines([bend]), Segments.from_lines([bend[::-1]])
    for segments in (there, back):
        distance, index = nearest.nearest(beyond, np.array([10.0]), segments)
        assert distance[0, 0] == np.float32(np.sqrt(200))
        assert index[0, 0] == 0
    twice = Segments.from_lines([bend, bend])
    x, y = np.arange(-50.0, 50.0), np.arange(50.0, -50.0, -1)
    np.testing.assert_array_equal(nearest.nearest(x, y, twice)[1], nearest.nearest(x, y, there)[1])


def test_dense_segments_and_one_from_afar() -> None:
    """More segments than cells: every list of candidates has to grow."""
    rng = np.random.default_rng(8)
    x, y = np.arange(0.0, 60.0), np.arange(60.0, 0.0, -1)
    ends = rng.uniform(-20, 80, (8_000, 2))
    near = Segments(ends[:, 0], ends[:, 1], *(ends + rng.normal(0, 0.5, ends.shape)).T)
    assert_nearest(x, y, near)
    ray = Segments.from_lines([np.array([[-3e6, 30.0], [3e6, 31.0]])])
    assert_nearest(x, y, ray)


@pytest.mark.parametrize("length", [1e-200, 1e-155, 1e-25])
def test_segments_next_to_nothing_long(length: float) -> None:
    """Their squared lengths, or the reciprocals of these, are beyond floats."""
    x, y = np.arange(4.0), np.arange(4.0)
    tiny = Segments(np.zeros(2), np.ones(2), np.full(2, length), np.ones(2))
    np.testing.assert_allclose(nearest.nearest(x, y, tiny)[0], np.hypot(*np.meshgrid(x, y - 1)))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 1), (1, 33), (33, 1)])
def test_degenerate_tiles(shape: tuple[int, int]) -> None:
    distance, index = nearest.nearest(
        np.arange(float(shape[1])), np.arange(float(shape[0])), Segments.from_lines(rivers(3))
    )
    assert distance.shape == index.shape == shape


def test_lines_become_segments() -> None:
    lines = [
        np.array([[0.0, 0.0, 9.0], [3.0, 4.0, 9.0], [3.0, 4.0, 8.0], [6.0, 4.0, 1.0]]),
        np.array([[7.0, 7.0], [7.0, 7.0]]),
        np.array([[1, 2]]),
    ]
    segments = Segments.from_lines(lines)
    assert np.column_stack(list(vars(segments).values())).tolist() == [[0, 0, 3, 4], [3, 4, 6, 4]]
    assert len(Segments.from_lines([])) == 0


def test_wrong_geometry_is_refused() -> None:
    with pytest.raises(InputError, match="no line or point"):
        nearest.nearest(np.arange(3.0), np.arange(3.0), Segments.from_lines([]))
    with pytest.raises(InputError, match="not a finite number"):
        Segments.from_lines([np.array([[0, 0], [np.nan, 1]])])
    with pytest.raises(InputError, match="segment 1 "):
        Segments.from_points(np.array([0.0, np.inf]), np.zeros(2))
    with pytest.raises(ValueError, match="one length"):
        Segments(np.zeros(2), np.zeros(2), np.zeros(3), np.zeros(2))
    for length in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="length of subsections"):
            subsections([np.zeros((2, 2))], length)


# Subsections


def test_pieces_are_equal_and_cover_their_line() -> None:
    lines = rivers(6)
    pieces = subsections(lines, 500)
    whole = np.array([shapely.LineString(line).length for line in lines])
    s = pieces.segments
    lengths = np.bincount(pieces.piece, np.hypot(s.x1 - s.x0, s.y1 - s.y0))
    count = np.bincount(pieces.line)
    np.testing.assert_array_equal(count, np.round(whole / 500))
    np.testing.assert_allclose(lengths, np.repeat(whole / count, count), rtol=1e-9)
    for k, line in enumerate(lines):
        mine = np.flatnonzero(pieces.line == k)
        at = shapely.line_interpolate_point(
            shapely.LineString(line), (np.arange(mine.size) + 0.5) / mine.size, normalized=True
        )
        middle = np.column_stack([pieces.x, pieces.y])[mine]
        np.testing.assert_allclose(middle, shapely.get_coordinates(at), atol=1e-6)
        own = np.isin(pieces.piece, mine)
        merged = np.column_stack([np.append(s.x0[own], s.x1[own][-1])])
        assert merged[0, 0] == line[0, 0]
        assert merged[-1, 0] == line[-1, 0]
        assert (s.x1[own][:-1] == s.x0[own][1:]).all()


def test_segments_of_subsections_measure_the_same_distance() -> None:
    lines = rivers(9)
    x, y = 5e5 + np.arange(0, 9000, 50.0), 40e5 - np.arange(0, 9000, 50.0)
    plain, _ = nearest.nearest(x, y, Segments.from_lines(lines))
    cut, index = nearest.nearest(x, y, Segments.from_lines(lines, subsection=333.0))
    np.testing.assert_allclose(cut, plain, atol=1e-3)
    pieces = subsections(lines, 333.0)
    assert pieces.piece[index].max() < len(pieces) == len(pieces.points)


@pytest.mark.parametrize(
    ("end", "azimuth"),
    [((0, 9), 0), ((9, 9), 45), ((9, 0), 90), ((9, -9), 135), ((0, -9), 0), ((-9, 0), 90)],
)
def test_azimuths_are_axial_clockwise_from_north(end: tuple[int, int], azimuth: float) -> None:
    piece = subsections([np.array([(0, 0), end])], 100)
    assert piece.azimuth_deg.tolist() == pytest.approx([azimuth])


def test_azimuths_stay_below_180_in_float32_too() -> None:
    pieces = subsections([np.array([[0.0, 0.0], [-1e-7, 1.0]]), np.array([[0, 0], [1e-20, -1]])], 1)
    assert (pieces.azimuth_deg.astype(np.float32) < 180).all()


def test_azimuth_is_that_of_the_chord_or_of_the_longest_segment_of_a_ring() -> None:
    bow = np.array([[0.0, 0.0], [5.0, 20.0], [10.0, 0.0]])
    assert subsections([bow], 1000).azimuth_deg == pytest.approx([90])
    ring = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 3.0], [0.0, 0.0]])
    assert subsections([ring], 1000).azimuth_deg == pytest.approx([np.degrees(np.arctan2(4, 3))])


def test_a_vertex_at_a_cut_leaves_no_sliver() -> None:
    line = np.column_stack([np.arange(0.0, 1.05, 0.1), np.zeros(11)])
    pieces = subsections([line], 0.1)
    s = pieces.segments
    assert len(s) == len(pieces) == 10
    assert np.hypot(s.x1 - s.x0, s.y1 - s.y0).min() > 0.0999


def test_nothing_to_cut() -> None:
    pieces = subsections([np.array([[1.0, 1.0], [1.0, 1.0]])], 10)
    assert len(pieces) == len(pieces.segments) == len(pieces.points) == 0
    assert pieces.azimuth_deg.shape == pieces.line.shape == (0,)
