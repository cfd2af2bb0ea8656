"""Scores against hand-made answers, and the default against naive ways on a known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from benchmarks import bench_sources, sources_images

from shakeslide.sources import Recipe, accuracy
from shakeslide.synthetic import BENCHMARK, make, write

from . import terrain


def test_scores_of_a_shifted_source() -> None:
    z = terrain.plane(20, 8)
    slide = terrain.landslide(z, terrain.rectangle(z.shape, 2, 2, 15, 4))
    truth = terrain.rectangle(z.shape, 2, 2, 4, 4)
    told = terrain.rectangle(z.shape, 4, 2, 6, 4)
    scores = accuracy.score(slide, truth, told)
    assert scores["iou"] == pytest.approx(8 / 32)
    assert scores["f1"] == pytest.approx(16 / 40)
    assert scores["bias"] == pytest.approx(24 / 16)
    assert scores["crown_offset"] == pytest.approx(2 * terrain.CELL)
    assert scores["centre_offset"] == pytest.approx(3 * terrain.CELL)


def test_classes_hold_their_landslides() -> None:
    z = terrain.plane(40, 8)
    slides = [
        terrain.landslide(z, terrain.rectangle(z.shape, 2, 2, rows, 2)) for rows in (1, 4, 30)
    ]
    truth = [s.highest(2) for s in slides]
    none = terrain.landslide(z, slides[0].inside)
    scores = accuracy.judge(
        [*slides, none], [*truth, np.zeros(z.shape, bool)], {"whole": accuracy.whole_outline}
    )
    table = accuracy.by_class(scores).set_index("cells")
    assert table["landslides"].to_dict() == {"1-3": 1, "4-15": 1, "16-63": 1, "10+": 1, "all": 3}
    assert table.loc["16-63", "iou"] == pytest.approx(2 / 60)
    assert table.loc["all", "area_bias"] == pytest.approx((2 + 8 + 60) / 6)


@pytest.mark.slow
def test_default_is_better_than_naive_ways_on_a_synthetic_earthquake(tmp_path: Path) -> None:
    scenario = {**BENCHMARK.__dict__, "seed": 5, "rows": 500, "cols": 500}
    folder = write(make(type(BENCHMARK)(**scenario)), tmp_path).parent
    landslides, truth = bench_sources.cases(folder)
    ways = {"default": accuracy.by_recipe(Recipe()), **accuracy.NAIVE}
    table = accuracy.by_class(accuracy.judge(landslides, truth, ways))
    iou = table[table["cells"] == "10+"].set_index("name")["iou"]
    assert iou["default"] > iou[list(accuracy.NAIVE)].max() + 0.05
    large = table[table["cells"] == "64-255"].set_index("name")["iou"]
    assert large["default"] > large[list(accuracy.NAIVE)].max()


def test_images_know_only_where_ground_was_bared() -> None:
    bared = terrain.rectangle((400, 400), 100, 100, 150, 80)
    before, after = sources_images.indices(bared)
    loss = before - after
    assert np.isfinite(before).all()
    assert np.isnan(after).mean() < 0.4
    assert np.nanmedian(loss[bared]) > np.nanquantile(loss[~bared], 0.9)
    # Tufts: not all of a landslide shows.
    assert (loss[bared] < np.nanmedian(loss[bared]) / 2).mean() > 0.02


def test_outlines_are_moved_as_far_as_asked_each_its_own_way() -> None:
    shapes = shapely.box(np.arange(5) * 100.0, 0, np.arange(5) * 100.0 + 80, 60)
    moved = sources_images.moved(shapes, 25.0)
    step = shapely.get_coordinates(shapely.centroid(moved)) - shapely.get_coordinates(
        shapely.centroid(shapes)
    )
    assert np.hypot(*step.T) == pytest.approx(np.full(len(shapes), 25.0))
    assert len(np.unique(np.round(step, 3), axis=0)) == len(shapes)
    assert shapely.area(moved) == pytest.approx(shapely.area(shapes))
