"""Figures: there, of their size, and what they draw is where and what it should be."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.colors import to_rgb
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from PIL import Image

from shakeslide import report
from shakeslide.core.files import Steps
from shakeslide.factors.stack import FactorInfo
from shakeslide.report import (
    artefacts,
    cartography,
    charts,
    colouring,
    factor_maps,
    figures,
    legends,
    map_figures,
)
from shakeslide.report.artefacts import MapFiles
from shakeslide.report.cartography import FLAT, View

from .conftest import SKETCH
from .fabricated import (
    FACTORS,
    GRID,
    MODELS,
    STUDY,
    evaluation,
    fabricate,
    factor_values,
    write_raster,
    write_uncertainty,
)

pytestmark = pytest.mark.slow

UTM = CRS("EPSG:32643")


def grid(rows: int, cols: int, cell: float = 30.0) -> GeoBox:
    return GeoBox((rows, cols), Affine(cell, 0, 340_000, 0, -cell, 3_840_000), UTM)


# ------------------------------------------------------------------ files


def expected() -> dict[str, float]:
    """Width in inches of each figure."""
    wide = {f"factor_{c}.png": 2.7 for c in FACTORS} | {"factors.png": 7.4, "samples.png": 5.2}
    wide |= {f"{kind}_{m}.png": 5.2 for kind in ("map", "class") for m in MODELS}
    wide |= {f"{kind}.png": 7.4 for kind in ("roc", "reliability", "rates")}
    wide |= {"spread_rf.png": 5.2, "applicability.png": 5.2, "dependence.png": 7.5}
    return wide | {"protocols.png": 5.6, "permutation.png": 5.6, "correlation.png": 3.2}


def test_all_figures_are_there(run_folder: Path) -> None:
    assert {p.name for p in (run_folder / "figures").iterdir()} == set(expected())


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Figures of as many pixels as users get."""
    out = fabricate(tmp_path_factory.mktemp("printed") / "run")
    write_uncertainty(out)
    report.write(out, STUDY)
    return out / "figures"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(expected()))
def test_figure_is_a_picture_for_print(printed: Path, name: str) -> None:
    is_a_picture(printed / name, 300)


@pytest.mark.parametrize("name", sorted(expected()))
def test_figure_has_its_size(run_folder: Path, name: str) -> None:
    is_a_picture(run_folder / "figures" / name, SKETCH)


def is_a_picture(path: Path, dpi: int) -> None:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width == pytest.approx(dpi * expected()[path.name], abs=1)
        assert 0.2 < image.height / image.width < 2.5
        assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
        assert "Software" not in image.info
        packed = np.asarray(image.convert("RGB")) @ np.array([65536, 256, 1])
        assert len(np.unique(packed)) > 20


def rendered(figure: object) -> np.ndarray:
    canvas = figure.canvas  # type: ignore[attr-defined]
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


# ------------------------------------------------------------------ reading


def test_small_grids_are_seen_cell_by_cell(run_folder: Path) -> None:
    view = View(GRID, 100)
    assert (view.step, view.shape) == (1, GRID.shape)
    values = view.read(run_folder / "factors" / "DEM.tif")
    assert np.array_equal(values, factor_values()["DEM"], equal_nan=True)
    assert view.picture_extent == view.extent == (340_000, 341_680, 3_837_900, 3_840_000)


@pytest.mark.parametrize("shape", [(530, 37), (1030, 1100), (65, 1200)])
def test_large_grids_are_averaged(
    tmp_path: Path, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=shape).astype(np.float32)
    values[rng.random(shape) < 0.3] = np.nan
    values[:40, :40] = np.nan
    write_raster(tmp_path / "a.tif", values, grid(*shape))
    view = View(grid(*shape), 150)
    k = view.step
    assert k & (k - 1) == 0
    assert max(view.shape) <= 150 < 2 * max(view.shape) + 2
    padded = np.full([-(-n // k) * k for n in shape], np.nan)
    padded[: shape[0], : shape[1]] = values
    cells = padded.reshape(view.shape[0], k, view.shape[1], k).transpose(0, 2, 1, 3)
    flat = cells.reshape(*view.shape, k * k)
    known = np.isfinite(flat).sum(axis=-1)
    wanted = np.where(known, np.nansum(flat, axis=-1) / np.maximum(known, 1), np.nan)
    np.testing.assert_allclose(view.read(tmp_path / "a.tif"), wanted, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(cartography, "STRIP", 64)
    np.testing.assert_allclose(view.read(tmp_path / "a.tif"), wanted, rtol=1e-5, atol=1e-6)
    # What is not averaged is one of the cells of its block.
    middle = view.read(tmp_path / "a.tif", average=False)[..., None]
    assert (np.isclose(flat, middle) | (np.isnan(flat) & np.isnan(middle))).any(axis=-1).all()


def test_overviews_are_used_where_there_are(tmp_path: Path) -> None:
    shape = (1300, 1100)
    rng = np.random.default_rng(3)
    values = rng.random(shape).astype(np.float32)
    write_raster(tmp_path / "cog.tif", values, grid(*shape), cloud_optimised="average")
    write_raster(tmp_path / "plain.tif", values, grid(*shape))
    view = View(grid(*shape), 700)
    assert view.step == 2
    cog, plain = view.read(tmp_path / "cog.tif"), view.read(tmp_path / "plain.tif")
    np.testing.assert_allclose(cog, plain, atol=1e-6)


def test_nodata_of_classes_is_missing(run_folder: Path) -> None:
    codes = View(GRID, 100).read(run_folder / "maps" / "rf_class.tif", average=False)
    assert set(np.unique(codes[np.isfinite(codes)])) == {1, 2}
    assert np.array_equal(np.isnan(codes), np.isnan(factor_values()["DEM"]))


# ------------------------------------------------------------------ relief


@pytest.mark.parametrize("cell", [(30.0, 30.0), (20.0, 40.0)])
@pytest.mark.parametrize("towards", range(0, 360, 45))
@pytest.mark.parametrize("slope", [0.0, 20.0, 45.0])
def test_hillshade_of_a_plane(cell: tuple[float, float], towards: float, slope: float) -> None:
    # Lambert's cosine of the angle between the sun (315 degrees, 45 high) and the normal.
    tilt, way = math.radians(slope), math.radians(towards)
    north, east = np.mgrid[0:-5:-1, 0:6] * np.array(cell[::-1]).reshape(2, 1, 1)
    z = -math.tan(tilt) * (east * math.sin(way) + north * math.cos(way))
    wanted = math.cos(math.radians(45)) * math.cos(tilt) + math.sin(math.radians(45)) * math.sin(
        tilt
    ) * math.cos(math.radians(315 - towards))
    shade = cartography.hillshade(z, cell)
    np.testing.assert_allclose(shade, max(wanted, 0), atol=1e-6)


def test_hillshade_beside_nodata_and_of_a_single_row() -> None:
    z = np.zeros((5, 5))
    z[2, 2] = np.nan
    np.testing.assert_allclose(cartography.hillshade(z, (30, 30)), FLAT, atol=1e-6)
    np.testing.assert_allclose(cartography.hillshade(np.ones((1, 9)), (30, 30)), FLAT)


def test_shading_keeps_colours_on_flat_ground() -> None:
    rgb = np.array([[[0.2, 0.5, 0.9]] * 3], np.float32)
    shade = np.array([[0.0, FLAT, 1.0]], np.float32)
    dark, flat, light = cartography.shaded(rgb, shade, 0.4)[0]
    np.testing.assert_allclose(flat, rgb[0, 0], atol=1e-6)
    assert (dark < flat).all()
    assert (light > flat).all()
    assert cartography.shaded(rgb, None, 0.4) is rgb


# ------------------------------------------------------------------ furniture


@given(st.floats(1e-6, 1e9))
def test_nice_is_a_round_number_just_below(value: float) -> None:
    found = cartography.nice(value)
    assert found <= value * (1 + 1e-9)
    assert found > value / 2.51
    lead = found / 10 ** math.floor(math.log10(found) + 1e-9)
    assert round(lead, 6) in (1, 2, 5)


@pytest.mark.parametrize("west", [200_000, 500_000, 780_000])
def test_north_is_true_north(west: float) -> None:
    box = GeoBox((100, 100), Affine(30, 0, west - 1500, 0, -30, 4_000_000), UTM)
    lon, lat = pyproj.Transformer.from_crs(UTM.to_wkt(), 4326, always_xy=True).transform(
        west, 4_000_000 - 1500
    )
    wanted = pyproj.Proj(UTM.to_wkt()).get_factors(lon, lat).meridian_convergence
    # The projection gives the angle from true to grid north; the arrow turns the other way.
    assert math.degrees(cartography.convergence(View(box, 100))) == pytest.approx(-wanted, abs=0.02)


@pytest.mark.parametrize("inches", [(4.8, 5.7), (1.2, 7.0), (4.8, 0.5)])
def test_graticule(inches: tuple[float, float]) -> None:
    cells = (round(300 * inches[1]), round(300 * inches[0]))
    view = View(grid(*cells), 5000)
    figure, _ = figures.new(6, 8)
    axes = figures.axes_at(figure, 0.5, 0.5, *inches)
    cartography.frame(axes, view, np.zeros((4, 4, 3), np.uint8))
    cartography.graticule(axes, view, inches)
    to_lonlat = pyproj.Transformer.from_crs(UTM.to_wkt(), 4326, always_xy=True)
    left, right, bottom, top = view.extent
    for ticks, text, size in (
        (axes.get_xticks(), axes.get_xticklabels(), inches[0]),
        (axes.get_yticks(), axes.get_yticklabels(), inches[1]),
    ):
        labels = [t.get_text() for t in text]
        assert len(labels) <= max(size / 0.9, 1) + 1
        if size > 2:
            assert len(labels) >= 2
        for at, label in zip(ticks, labels, strict=True):
            value = float(label.split("°")[0])
            if label.endswith("E"):
                assert to_lonlat.transform(at, top)[0] == pytest.approx(value, abs=1e-5)
                assert left <= at <= right
            else:
                assert label.endswith("N")
                assert to_lonlat.transform(left, at)[1] == pytest.approx(value, abs=1e-5)
                assert bottom <= at <= top


def test_scale_bar_is_as_long_as_it_says() -> None:
    figure, sheet = figures.new(5, 1)
    cartography.scale_bar(sheet, 0.5, 0.4, widest=2.0, metres_per_inch=3000)
    assert [t.get_text() for t in sheet.texts] == ["0", "5\u00a0km"]
    ends = [p.get_x() for p in sheet.patches] + [p.get_x() + p.get_width() for p in sheet.patches]
    assert (max(ends) - min(ends)) * 3000 == pytest.approx(5000)
    assert sheet.texts[1].get_position()[0] == pytest.approx(max(ends))
    assert figure.get_size_inches()[0] == 5


def test_outlines_are_drawn_in_their_place(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    view = View(GRID, 100)
    hole = shapely.Point(341_000, 3_839_000).buffer(300) - shapely.Point(341_000, 3_839_000).buffer(
        99
    )
    rings = cartography.outline_rings(
        [hole, shapely.box(340_300, 3_838_200, 340_600, 3_838_600)], view
    )
    assert len(rings) == 3
    assert sum(len(r) == 5 for r in rings) == 1
    assert cartography.outline_rings([], view) == []
    bare = rendered(map_figures.probability(run.maps[0], view, None, []))
    drawn = rendered(map_figures.probability(run.maps[0], view, None, rings))
    height = len(bare)
    changed = np.argwhere((bare != drawn).any(axis=-1)) / figures.DPI
    room = map_figures.WIDTH - 0.28 - 0.08
    tall = room * view.aspect
    legend = height / figures.DPI - 0.26 - tall
    on_map = changed[changed[:, 0] < height / figures.DPI - legend]
    x = 340_000 + (on_map[:, 1] - 0.28) / room * 1680
    y = 3_840_000 - (on_map[:, 0] - 0.26) / tall * 2100
    lines = shapely.union_all(
        [hole.boundary, shapely.box(340_300, 3_838_200, 340_600, 3_838_600).boundary]
    )
    assert shapely.distance(lines, shapely.points(x, y)).max() < 30
    assert len(on_map) > 500


# ------------------------------------------------------------------ colours


def shown(code: str, run_folder: Path) -> colouring.Shown:
    factor = next(f for f in artefacts.load(run_folder).factors if f.info.code == code)
    return colouring.show(factor, View(GRID, 100), None)


def test_missing_values_are_grey(run_folder: Path) -> None:
    for code in FACTORS:
        rgb = shown(code, run_folder).rgb
        assert (rgb[:8, :9] == np.round(255 * np.array(colouring.NODATA))).all()
        assert len(np.unique(rgb[10:, 10:].reshape(-1, 3), axis=0)) >= 2


def test_angles_have_the_colours_of_the_compass(run_folder: Path) -> None:
    one = shown("SLOA", run_folder)
    assert (one.period, one.flat) == (360, True)
    values = factor_values()["SLOA"]
    assert (one.rgb[65, 20] == np.round(255 * np.array(colouring.FLAT_GREY))).all()
    ring = legends.compass(360.0, 201)
    for row, col in ((20, 40), (45, 12), (31, 50)):
        angle = math.radians(values[row, col])
        at = (round(100 - 72 * math.cos(angle)), round(100 + 72 * math.sin(angle)))
        np.testing.assert_allclose(one.rgb[row, col] / 255, ring[at][:3], atol=0.04)


def test_lines_have_the_colours_of_half_a_turn(run_folder: Path) -> None:
    one = shown("FD", run_folder)
    assert (one.period, one.flat) == (180, False)
    for col, degrees in ((15, 35.0), (40, 150.0)):
        wanted = colouring.cyclic(np.array([degrees]), 180)[0]
        np.testing.assert_allclose(one.rgb[50, col] / 255, wanted, atol=0.01)


def test_cyclic_scale_closes_and_axes_are_alike() -> None:
    degrees = np.linspace(0, 360, 721)
    full, axial = colouring.cyclic(degrees, 360), colouring.cyclic(degrees, 180)
    np.testing.assert_allclose(axial[:361], axial[360:], atol=1e-6)
    np.testing.assert_allclose(full[0], full[-1], atol=0.02)
    assert np.abs(np.diff(full, axis=0)).max() < 0.02
    assert np.abs(full[0] - full[360]).max() > 0.3


def test_classes_have_their_colours_and_names(run_folder: Path) -> None:
    one = shown("LITH", run_folder)
    values = factor_values()["LITH"]
    for k, (colour, _) in enumerate(one.entries, start=1):
        assert (one.rgb[values == k] == np.round(255 * np.array(to_rgb(colour)))).all()
    labels = [label for _, label in one.entries]
    assert labels[2].startswith(r"schist $\bad{$ (")
    # The figures' font has no Chinese: the code stands for the name.
    assert labels[1].startswith("2 (")
    shares = [float(label.split("(")[-1].rstrip(" %)")) for label in labels]
    assert sum(shares) == pytest.approx(100, abs=1.5)


def test_the_rarest_classes_share_a_colour(tmp_path: Path) -> None:
    info = FactorInfo(
        code="ST", name="Soil", unit="class", kind="categorical", legend={}, definition="class"
    )
    values = np.repeat(np.arange(1, 21), np.arange(1, 21)).astype(np.float32)
    values = np.pad(values, (0, 6), constant_values=np.nan).reshape(8, 27)
    path = tmp_path / "ST.tif"
    write_raster(path, values, grid(8, 27), tags={"code": "ST"})
    one = colouring.show(artefacts.FactorFile(info, path, ""), View(grid(8, 27), 100), None)
    assert len(one.entries) == len(colouring.CLASSES) + 1
    assert one.entries[-1][1] == "8 others"
    assert one.entries[0][1].startswith("9 (")
    assert (one.rgb[values == 1] == np.round(255 * np.array(to_rgb(colouring.OTHER)))).all()


def test_few_values_are_drawn_in_steps(tmp_path: Path) -> None:
    info = FactorInfo(
        code="EI", name="Intensity", unit="MMI", kind="continuous", legend={}, definition="value"
    )
    values = np.repeat([7.25, 7.75, 8.5], 20).astype(np.float32).reshape(6, 10)
    write_raster(tmp_path / "EI.tif", values, grid(6, 10), tags={"code": "EI"})
    one = colouring.show(
        artefacts.FactorFile(info, tmp_path / "EI.tif", ""), View(grid(6, 10), 100), None
    )
    assert list(one.ticks) == [7.25, 7.75, 8.5]
    assert len(np.unique(one.rgb.reshape(-1, 3), axis=0)) == 3
    assert one.label == "Intensity (MMI)"


def test_diverging_scale_has_its_middle_at_zero(run_folder: Path) -> None:
    one = shown("TPI", run_folder)
    assert one.norm is not None
    assert one.norm.vmin == -one.norm.vmax  # type: ignore[operator]
    assert one.extend == "both"


@pytest.mark.parametrize("code", ["TPI", "SLOA", "LITH"])
def test_long_names_of_factors_are_broken_not_cut(
    run_folder: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "DPI", 72)
    name = "Distance to the nearest mapped strand of the fault system"
    one = shown(code, run_folder)
    one = replace(one, info=replace(one.info, name=name))
    with figures.style():
        figure = factor_maps.panel([one] * 5, View(GRID, 100))
        figure.canvas.draw()
        texts = [t for axes in figure.axes for t in (*axes.texts, axes.xaxis.label)]
        found = [t for t in texts if t.get_text().startswith("Distance")]
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        boxes = [t.get_window_extent(renderer) for t in found]
    assert [" ".join(t.get_text().split()).startswith(name) for t in found] == [True] * 5
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])


@given(
    hnp.arrays(
        np.float32,
        (5, 6),
        elements=st.one_of(st.floats(-1e6, 1e6, width=32), st.just(np.float32(np.nan))),
    )
)
def test_any_values_can_be_drawn(values: np.ndarray) -> None:
    info = FactorInfo(
        code="X", name="Something", unit="", kind="continuous", legend={}, definition=""
    )
    one = colouring._continuous(info, values, None)
    assert one.rgb.shape == (5, 6, 3)
    grey = np.round(255 * np.array(colouring.NODATA))
    assert (one.rgb[np.isnan(values)] == grey).all()


@pytest.mark.parametrize(
    "shape",
    [
        (30, 30),
        pytest.param((12, 150), marks=pytest.mark.slow),
        pytest.param((150, 12), marks=pytest.mark.slow),
    ],
)
def test_any_shape_of_area_can_be_drawn(tmp_path: Path, shape: tuple[int, int]) -> None:
    box = grid(*shape)
    rng = np.random.default_rng(0)
    write_raster(tmp_path / "DEM.tif", rng.random(shape).astype(np.float32), box)
    view = View(box, 100)
    shade = cartography.relief(view, tmp_path / "DEM.tif")
    assert shade is not None
    assert shade.shape == view.shape
    file = artefacts.FactorFile(FACTORS["DEM"], tmp_path / "DEM.tif", "")
    with figures.style():
        one = colouring.show(file, view, shade)
        for figure in (
            factor_maps.card(one, view),
            factor_maps.panel([one] * 7, view),
            map_figures.samples(
                np.array([340_100.0]), np.array([3_839_900.0]), np.array([True]), "", view, shade
            ),
        ):
            assert rendered(figure).std() > 5


# ------------------------------------------------------------------ charts


@pytest.mark.parametrize("protocol", ["pixel", "block"])
def test_roc_shows_the_evaluation(protocol: str) -> None:
    result = evaluation(3)
    curves = [
        replace(c, tpr=(*c.tpr[:10], (c.tpr[10] or 0) + 0.01 * i, *c.tpr[11:]))
        for i, c in enumerate(result.roc)
    ]
    with figures.style():
        panels = charts.roc(curves, result.summary, ["pixel", "block"]).axes
    axes = panels[["pixel", "block"].index(protocol)]
    assert axes.get_title(loc="left").split(":")[0] == protocol
    legend = axes.get_legend()
    assert legend is not None
    texts = [t.get_text().replace("\u00a0", " ") for t in legend.get_texts()]
    rows = {r.model: r.roc_auc for r in result.of_protocol(protocol)}
    order = sorted(rows, key=lambda m: -(rows[m].mean or 0))
    wanted = [f"{m.upper()}  {rows[m].mean:.3f} ± {rows[m].sd:.3f}" for m in order]
    assert texts == wanted
    for line, model in zip(axes.get_lines()[1:], order, strict=True):
        curve = next(c for c in curves if (c.protocol, c.model) == (protocol, model))
        np.testing.assert_allclose(line.get_xydata(), np.transpose([curve.fpr, curve.tpr]))


def test_rates_show_the_evaluation() -> None:
    result = evaluation(1)
    with figures.style():
        axes = charts.rates(result.rates, ["block"]).axes[0]
    told = [r for r in result.rates if r.protocol == "block"]
    drawn = [line.get_ydata() for line in axes.lines[1:]]
    assert len(drawn) == 2 * len(told)
    for k, row in enumerate(told):
        np.testing.assert_allclose(drawn[2 * k], 100 * np.array(row.prediction))
        np.testing.assert_allclose(drawn[2 * k + 1], 100 * np.array(row.success))


def test_reliability_shows_the_evaluation() -> None:
    result = evaluation(1)
    with figures.style():
        axes = charts.reliability(result.reliability, ["block"]).axes[0]
    lines = axes.get_lines()
    assert len(lines) == 1 + len(MODELS)
    np.testing.assert_allclose(lines[1].get_xydata(), [[0.2, 0.1], [0.5, 0.5], [0.8, 0.9]])


def test_protocols_are_drawn_with_their_intervals() -> None:
    result = evaluation(2)
    with figures.style():
        panels = charts.protocols(result, ["pixel", "block"]).axes[-2:]
    for axes, measure, scale in zip(panels, ("oa", "roc_auc"), (100, 1), strict=True):
        *marks, truth = (np.array(line.get_xdata(), float) for line in axes.get_lines())
        ends = [np.array(bars.get_segments())[..., 0] for bars in axes.collections]
        for protocol, means, bars in zip(("pixel", "block"), marks, ends, strict=True):
            told = [row.of(measure) for row in result.of_protocol(protocol)]
            np.testing.assert_allclose(means, [scale * t.mean for t in told])
            np.testing.assert_allclose(bars, [(scale * t.low, scale * t.high) for t in told])
        assert result.truth is not None
        np.testing.assert_allclose(truth, scale * result.truth.scores.of(measure))
    with figures.style():
        panel = charts.protocols(replace(result, truth=None), ["pixel", "block"]).axes[-1]
    assert len(panel.get_lines()) == 2


def test_colours_of_few_pixels_reach_the_page(tmp_path: Path) -> None:
    # A colour bar among much text is a small part of a figure.
    figure, _ = figures.new(4, 4)
    axes = figures.axes_at(figure, 0.5, 0.5, 2, 0.1)
    axes.imshow(np.linspace(0, 1, 200)[None], cmap="PuOr", aspect="auto")
    drawn = figures.save(figure, tmp_path / "a.png", "a bar")
    code = base64.b64decode(drawn.uri.partition(",")[2])
    with Image.open(io.BytesIO(code)) as small, Image.open(drawn.path) as full:
        difference = np.asarray(small.convert("RGB"), int) - np.asarray(full, int)
    assert np.abs(difference).max() <= 16


def test_samples_beyond_the_most_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_figures, "MOST_POINTS", 300)
    n = 1000
    rng = np.random.default_rng(1)
    x, y = 340_000 + 1680 * rng.random(n), 3_837_900 + 2100 * rng.random(n)
    figure = map_figures.samples(x, y, np.arange(n) < n // 2, "source cell", View(GRID, 100), None)
    points = [c for a in figure.axes for c in a.collections]
    assert [len(c.get_offsets()) for c in points] == [125, 125]
    texts = [t.get_text() for a in figure.axes for t in a.texts]
    assert "source cell (1 in 4)" in texts


@pytest.mark.parametrize("title", ["", "Landslide share of the area", "A title of many words " * 5])
def test_the_title_of_a_map_leaves_the_other_entry_free(tmp_path: Path, title: str) -> None:
    path = tmp_path / "p.tif"
    write_raster(path, np.full(GRID.shape, 0.2, np.float32), cloud_optimised="average")
    shows = "formula" if title else "susceptibility"
    files = MapFiles("jessee2018", path, path, shows, {}, says=title)
    ring = np.array([[340_100, 3_839_000], [340_900, 3_839_900]])
    with figures.style():
        figure = map_figures.probability(files, View(GRID, 60), None, [ring])
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        texts = [t for axes in figure.axes for t in axes.texts]
        named = [
            t for t in texts if "mapped" in t.get_text() or t.get_text()[:2] in ("Su", "La", "A ")
        ]
        title_box, entry = (t.get_window_extent(renderer) for t in named)
    assert not title_box.overlaps(entry)
    for box in (title_box, entry):
        assert figure.bbox.x0 < box.x0
        assert box.x1 < figure.bbox.x1


# ------------------------------------------------------------------ going on after a kill


def drawn(folder: Path, steps: Steps | None, count: int) -> list[figures.Drawn]:
    """Draw so many small figures, the last one beside the page."""
    with figures.keeping(steps):
        out = []
        for i in range(count):
            figure, sheet = figures.new(0.2, 0.1)
            sheet.text(0, 0, str(i))
            out.append(figures.save(figure, folder / f"{i}.png", "a number", embed_width=40))
        figures.save(figures.new(0.1, 0.1)[0], folder / "alone.png")
    return out


def test_figures_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, out, calls = Steps(tmp_path / "steps"), tmp_path / "out", []
    plain, write = drawn(tmp_path / "plain", None, 3), figures._store

    def counted(image: Image.Image, path: Path) -> None:
        calls.append(path.stem)
        write(image, path)

    monkeypatch.setattr(figures, "_store", counted)
    assert (
        drawn(tmp_path / "out", steps, 2) == [replace(p, path=out / p.path.name) for p in plain][:2]
    )
    assert calls == ["0", "1", "alone"]
    # What is lost, or no longer what was drawn, is drawn again.
    (out / "0.png").unlink()
    (out / "alone.png").write_bytes(b"other")
    calls.clear()
    assert drawn(out, steps, 3) == [replace(p, path=out / p.path.name) for p in plain]
    assert calls == ["0", "2", "alone"]
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes()
    calls.clear()
    drawn(out, None, 1)
    assert calls == ["0", "alone"]
