"""Places: sums over squares against plain numpy, the known odds, ties, gaps and small maps."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from sklearn.linear_model import LogisticRegression

from shakeslide.evaluation.calibration import correct_prior
from shakeslide.learning.bundle import TrainedOn
from shakeslide.report import artefacts, one_page, places

from .fabricated import CELL, GRID, STUDY, write_manifest, write_raster
from .test_page import Page

ROWS, COLS = 700, 640
WIDE = GeoBox((ROWS, COLS), Affine(28.5, 0, 339_253.75, 0, -28.5, 3_846_704.9), CRS("EPSG:32643"))
"""Cells that do not fit a round side, more of them than a block of the file holds."""


@pytest.fixture(scope="module")
def run(run_folder: Path) -> artefacts.Artefacts:
    return artefacts.load(run_folder)


def oracle(values: np.ndarray, grid: GeoBox, side: float) -> dict[tuple[float, float], Any]:
    """Return expected area and ground by the south-west corner, from all cells one by one."""
    a = grid.affine
    row, col = np.nonzero(np.isfinite(values))
    x, y = a.c + (col + 0.5) * a.a, a.f + (row + 0.5) * a.e
    cells = pd.DataFrame({"x": x // side * side, "y": y // side * side, "p": values[row, col]})
    sums = cells.astype(float).groupby(["x", "y"])["p"].agg(["sum", "count"]) * abs(a.a * a.e)
    return {k: (s, n) for k, s, n in zip(sums.index, sums["sum"], sums["count"], strict=True)}


def as_dict(found: places.Sums) -> dict[tuple[float, float], Any]:
    return {
        (found.left + c * found.side, found.top - (r + 1) * found.side): (
            found.expected[r, c],
            found.ground[r, c],
        )
        for r, c in zip(*np.nonzero(found.ground), strict=True)
    }


def field(seed: int = 3) -> np.ndarray:
    """Return odds of failure with a ragged edge of NaN, and a hole."""
    row, col = np.mgrid[:ROWS, :COLS]
    p = 0.2 * np.exp(-((row - 300) ** 2 + (col - 350) ** 2) / 2e4) + 0.001
    p *= np.random.default_rng(seed).uniform(0.5, 1.5, p.shape)
    p[row + col < 150] = np.nan
    p[400:450, 500:520] = np.nan
    return p.astype(np.float32)


@pytest.mark.parametrize("cloud", ["average", None])
def test_sums_are_those_of_the_whole_array(tmp_path: Path, cloud: str | None) -> None:
    p, path = field(), tmp_path / "p.tif"
    write_raster(path, p, WIDE, cloud_optimised=cloud)
    found, wanted = as_dict(places.sums(path, 1000.0)), oracle(p, WIDE, 1000.0)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, rel=1e-6), key


def test_centres_on_a_side_belong_to_one_square_only(tmp_path: Path) -> None:
    grid = GeoBox((8, 8), Affine(50, 0, 75, 0, -50, 1025), CRS("EPSG:32643"))
    p = np.arange(64, dtype=np.float32).reshape(8, 8) / 64
    write_raster(tmp_path / "p.tif", p, grid)
    found = places.sums(tmp_path / "p.tif", 100.0)
    assert as_dict(found) == {k: pytest.approx(v) for k, v in oracle(p, grid, 100.0).items()}
    assert found.expected.sum() == pytest.approx(2500 * p.sum())


def test_a_map_smaller_than_a_square_is_one_square_or_few(tmp_path: Path) -> None:
    grid = GeoBox((4, 5), Affine(30, 0, 340_010, 0, -30, 3_840_990), CRS("EPSG:32643"))
    p = np.full((4, 5), 0.25, np.float32)
    write_raster(tmp_path / "p.tif", p, grid)
    side = places.side_of((4, 5), (30.0, 30.0))
    assert side == 500
    found = places.sums(tmp_path / "p.tif", side)
    assert found.expected.shape == (1, 1)
    assert found.expected[0, 0] == pytest.approx(0.25 * 20 * 900)
    assert found.ground[0, 0] == pytest.approx(20 * 900)


@pytest.mark.parametrize("cells", [60, 500, 987, 4400, 40_000])
@pytest.mark.parametrize("cell", [10.0, 28.55, 30.0])
def test_squares_are_round_and_neither_few_nor_many(cells: int, cell: float) -> None:
    side = places.side_of((cells, cells), (cell, cell))
    assert f"{side:e}"[0] in "125"
    assert float(f"{side:.0e}") == side
    squares = (cells * cell / side) ** 2
    assert squares <= places.MOST_SQUARES * 1.001
    assert squares > places.MOST_SQUARES / 6.3 or side <= 25 * cell
    assert side >= places.LEAST_CELLS * cell


def test_equal_squares_are_told_in_reading_order_and_empty_ones_not() -> None:
    assert places.ranking(np.array([[1.0, 3.0, 0.0], [3.0, 1.0, 2.0]])) == [
        (0, 1), (1, 0), (1, 2), (0, 0), (1, 1),
    ]  # fmt: skip
    assert places.ranking(np.zeros((2, 2))) == []


def test_a_balanced_map_corrected_is_near_the_known_odds_and_the_failures(tmp_path: Path) -> None:
    """A model learns from a balanced sample of failures drawn from known odds."""
    rng = np.random.default_rng(11)
    row, col = np.mgrid[:ROWS, :COLS]
    slope = np.sin(row / 90) + np.cos(col / 70) + 0.3 * rng.standard_normal((ROWS, COLS))
    known = row + col > 150
    odds = 1 / (1 + np.exp(-(2.2 * slope - 5.5)))
    failed = (rng.random(odds.shape) < odds) & known
    ones, zeros = np.flatnonzero(failed), np.flatnonzero(~failed & known)
    rows = np.concatenate([ones, rng.choice(zeros, len(ones), replace=False)])
    model = LogisticRegression(C=1e6).fit(slope.reshape(-1, 1)[rows], failed.ravel()[rows])
    p = model.predict_proba(slope.reshape(-1, 1))[:, 1].reshape(odds.shape).astype(np.float32)
    p[~known] = np.nan
    write_raster(tmp_path / "p.tif", p, WIDE, cloud_optimised="average")

    prevalence = len(ones) / int(known.sum())
    found = as_dict(places.sums(tmp_path / "p.tif", 1000.0, (0.5, prevalence)))
    truth = oracle(np.where(known, odds, np.nan), WIDE, 1000.0)
    variance = oracle(np.where(known, odds * (1 - odds), np.nan), WIDE, 1000.0)
    drawn = oracle(np.where(known, failed * 1.0, np.nan), WIDE, 1000.0)
    cell, first = 28.5**2, sorted(truth, key=lambda k: -truth[k][0])[:20]
    for key in first:
        assert found[key][0] == pytest.approx(truth[key][0], rel=0.05), key
        spread = cell * np.sqrt(variance[key][0] / cell)
        assert abs(found[key][0] - drawn[key][0]) < 4 * spread, key
    total = sum(v[0] for v in found.values())
    assert total == pytest.approx(sum(v[0] for v in truth.values()), rel=0.03)
    raw = places.sums(tmp_path / "p.tif", 1000.0).expected.sum()
    assert raw > 3 * total  # uncorrected, the sums mean nothing


def test_the_places_of_a_run_are_those_of_its_best_map(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None
    assert found.model == "rf"
    assert found.side == 500
    with rasterio.open(run.out / "maps" / "rf_probability.tif") as src:
        p = src.read(1)
    share, prevalence = run.samples.label.mean(), run.samples.prevalence
    truth = oracle(correct_prior(p, float(share), prevalence), GRID, 500.0)
    ranked = sorted(truth, key=lambda k: -truth[k][0])[: len(found.ranked)]
    assert [(q.x - 250, q.y - 250) for q in found.ranked] == ranked
    for place, key in zip(found.ranked, ranked, strict=True):
        assert (place.expected, place.ground) == pytest.approx(truth[key], rel=1e-5)
    assert found.expected == pytest.approx(sum(v[0] for v in truth.values()), rel=1e-5)
    assert found.ground == pytest.approx(np.isfinite(p).sum() * CELL**2)
    assert found.squares == len(truth)
    assert not found.calibrated
    assert found.mapped == run.samples.counts.source_cells * CELL**2


def test_mapped_area_is_that_of_the_sampled_cells(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None
    table = run.samples.table[run.sources]
    each = run.samples.counts.source_cells / len(table) * CELL**2
    for place in found.ranked:
        inside = ((table["x"] - place.x).abs() < 250) & ((table["y"] - place.y).abs() < 250)
        assert place.mapped == pytest.approx(each * inside.sum())
    assert sum(p.mapped for p in found.ranked) > 0


def test_a_manifest_tells_the_shares_and_probabilities_need_none(
    run: artefacts.Artefacts, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    write_manifest(out, "rf", TrainedOn(seed=7, rows=40, sample_share=0.5, prevalence=0.001))
    few = places.find(replace(run, out=out))
    plain = places.find(run)
    as_is = places.find(replace(run, maps=[replace(f, shows="probability") for f in run.maps]))
    assert few is not None
    assert plain is not None
    assert as_is is not None
    whole = places.sums(run.out / "maps" / "rf_probability.tif", 500.0).expected.sum()
    assert few.expected < plain.expected < as_is.expected == pytest.approx(whole)


def test_files_hold_what_is_told(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None
    with (run.out / "places.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    features = json.loads((run.out / "places.geojson").read_text())["features"]
    assert [r["label"] for r in rows] == list("ABCDEFGHIJ")
    assert len(features) == len(rows) == len(found.ranked)
    back = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
    for row, feature, place in zip(rows, features, found.ranked, strict=True):
        x, y = back.transform(float(row["longitude"]), float(row["latitude"]))
        assert (x, y) == pytest.approx((place.x, place.y), abs=0.2)
        assert float(row["expected_ha"]) == pytest.approx(place.expected / 1e4, abs=1e-3)
        assert feature["properties"]["label"] == row["label"]
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        corners = np.array([back.transform(*point) for point in ring])
        wanted = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * 250
        assert corners == pytest.approx(wanted + np.array([place.x, place.y]), abs=0.2)
    assert not list(run.out.glob(".places*"))


def test_a_run_without_maps_keeps_no_places_of_before(
    run: artefacts.Artefacts, tmp_path: Path
) -> None:
    for name in (places.TABLE, places.OUTLINES):
        (tmp_path / name).write_text("stale")
    assert places.write(replace(run, out=tmp_path, maps=[])) is None
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_any_probability_has_no_places(
    run: artefacts.Artefacts, tmp_path: Path
) -> None:
    path = tmp_path / "maps" / "rf_probability.tif"
    values = np.zeros(GRID.shape, np.float32)
    values[:3] = np.nan
    write_raster(path, values)
    (rf,) = (f for f in run.maps if f.model == "rf")
    assert places.find(replace(run, maps=[replace(rf, probability=path)])) is None


def test_the_page_tells_them(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None
    page = Page((run.out / "report.html").read_text(encoding="utf-8"))
    (rows,) = (
        rows for attrs, rows in page.tables if "places" in (attrs.get("class") or "").split()
    )
    assert [attrs["data-place"] for attrs, _ in rows[1:]] == [p.label for p in found.ranked]
    assert rows[1][1][1:3] == [found.ranked[0].centre, places.hectares(found.ranked[0].expected)]
    held, answer = found.first(10), page.fact("answer")
    assert f"{100 * held.expected / found.expected:.2g} % of the expected" in answer
    assert f"{100 * held.ground / found.ground:.2g} % of the ground" in answer
    assert f"{100 * held.mapped / found.mapped:.2g} % of the mapped" in answer
    assert page.told("places-uncalibrated")


def test_what_is_held_together_adds_up(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None
    held = found.first(5)
    for what in ("expected", "mapped", "ground"):
        assert getattr(held, what) == sum(getattr(p, what) for p in found.ranked[:5])


def test_far_from_what_was_mapped_is_told(run: artefacts.Artefacts) -> None:
    found = places.find(run)
    assert found is not None

    def is_far(factor: float) -> bool:
        ranked = [replace(p, expected=1e5 * factor, mapped=1e5) for p in found.ranked]
        return replace(found, ranked=ranked).first(5).is_far

    assert [is_far(f) for f in (1.4, 1 / 1.4, 1.6, 1 / 1.6)] == [False, False, True, True]


@pytest.mark.parametrize(("factor", "word"), [(1.6, "overestimates"), (1 / 1.6, "underestimates")])
def test_far_from_what_was_mapped_is_warned_of(
    run: artefacts.Artefacts, monkeypatch: pytest.MonkeyPatch, factor: float, word: str
) -> None:
    found = places.find(run)
    assert found is not None
    ranked = [replace(p, expected=1e5 * factor, mapped=1e5) for p in found.ranked]
    monkeypatch.setattr(places, "find", lambda _: replace(found, ranked=ranked))
    text = " ".join(one_page.texts(run, STUDY)["Reliability"])
    assert f"map {word} there" in text
    assert "50.0\u00a0ha were mapped" in text
