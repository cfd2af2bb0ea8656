"""Ground that was never bared: told on fields made by hand, and against the known landslide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage

from shakeslide.core.errors import InputError
from shakeslide.layers.polygons import Polygons
from shakeslide.sources import change, extract, extraction
from shakeslide.sources.change import Cover, Images, Rule, trim
from shakeslide.sources.image_pairs import images
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Sources

from ..lines import lacks
from ..stored import scaled, store
from . import terrain
from .terrain import CELL, rectangle

SHAPE = (60, 50)
RULE = Rule((40.0, 200.0))
NONE = np.zeros(SHAPE, bool)


def cover(bared: NDArray, noise: float = 0.02, seed: int = 0) -> Cover:
    """A forest of index 0.7, bared ground of 0.1."""
    rng = np.random.default_rng(seed)
    before = 0.7 + noise * rng.standard_normal(SHAPE)
    after = np.where(bared, 0.1, 0.65) + noise * rng.standard_normal(SHAPE)
    return Cover(before - after, after)


def told(inside: NDArray, of: Cover, others: NDArray = NONE) -> change.Trimmed:
    return trim(inside, of, others, (CELL, CELL), RULE)


TRUE = rectangle(SHAPE, 20, 20, 20, 10)
WIDE = rectangle(SHAPE, 18, 18, 24, 14)


def test_a_generous_outline_is_cut_to_the_landslide() -> None:
    cut = told(WIDE, cover(TRUE))
    assert cut.verdict == "refined"
    np.testing.assert_array_equal(cut.kept, TRUE)
    # 0.55 lost beyond the ground around, whose loss has the deviation of two noisy dates.
    assert cut.contrast == pytest.approx(0.55 / (0.02 * 2**0.5), rel=0.15)


def test_an_exact_outline_is_confirmed() -> None:
    cut = told(TRUE, cover(TRUE))
    assert cut.verdict == "confirmed"
    np.testing.assert_array_equal(cut.kept, TRUE)


def test_islands_are_taken_out_and_single_cells_are_not() -> None:
    island, speck = rectangle(SHAPE, 25, 22, 5, 5), rectangle(SHAPE, 36, 25, 1, 1)
    cut = told(TRUE, cover(TRUE & ~island & ~speck))
    assert cut.kept[36, 25]
    assert not cut.kept[26:29, 23:26].any()
    assert (TRUE & ~cut.kept & ~island).sum() == 0


def test_rock_that_was_bare_before_stays() -> None:
    rock = rectangle(SHAPE, 20, 20, 6, 10)
    seen = cover(TRUE & ~rock)
    bare = Cover(np.where(rock, 0.05, seen.loss), np.where(rock, 0.1, seen.after))
    np.testing.assert_array_equal(told(WIDE, bare).kept, TRUE)
    grown = told(WIDE, seen)
    assert not grown.kept[21:25, 21:29].any()


def test_ground_of_other_outlines_is_no_measure() -> None:
    others = rectangle(SHAPE, 8, 0, 50, 16) | rectangle(SHAPE, 8, 34, 50, 16)
    others |= rectangle(SHAPE, 0, 0, 14, 50) | rectangle(SHAPE, 46, 0, 12, 50)
    seen = cover(TRUE | others)
    assert told(WIDE, seen).verdict == "faint"
    cut = told(WIDE, seen, others)
    assert cut.verdict == "refined"
    np.testing.assert_array_equal(cut.kept, TRUE)


def test_why_outlines_stay_as_drawn() -> None:
    seen = cover(TRUE)
    hidden = Cover(np.where(rectangle(SHAPE, 20, 20, 11, 10), np.nan, seen.loss), seen.after)
    alone = Cover(np.where(TRUE, seen.loss, np.nan), seen.after)
    speck = rectangle(SHAPE, 25, 25, 2, 2)
    large = rectangle(SHAPE, 10, 10, 30, 30)
    for verdict, inside, of in (
        ("unknown", TRUE, hidden),
        ("unknown", TRUE, alone),
        ("faint", TRUE, cover(NONE, seed=3)),
        ("opposite", TRUE, Cover(-seen.loss, -seen.after)),
        ("few_cells", rectangle(SHAPE, 22, 22, 1, 7), seen),
        ("too_little_left", large, cover(speck)),
    ):
        cut = told(inside, of)
        assert cut.verdict == verdict
        np.testing.assert_array_equal(cut.kept, inside)


def test_clouds_keep_their_cells() -> None:
    seen = cover(TRUE)
    cloud = rectangle(SHAPE, 18, 18, 4, 14)
    cut = told(WIDE, Cover(np.where(cloud, np.nan, seen.loss), np.where(cloud, np.nan, seen.after)))
    assert cut.kept[cloud].all()
    assert not cut.kept[40:42].any()


def test_whole_numbers_without_any_spread() -> None:
    still = Cover(np.where(TRUE, 100.0, 0.0), np.where(TRUE, 20.0, 120.0))
    cut = told(WIDE, still)
    np.testing.assert_array_equal(cut.kept, TRUE)
    assert cut.contrast == change.MOST_CONTRAST


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.1, 1e4), st.floats(-1e3, 1e3), st.floats(0, 0.4))
def test_never_empty_and_blind_to_season_and_scale(
    seed: int, scale: float, shift: float, hidden: float
) -> None:
    rng = np.random.default_rng(seed)
    inside, bared = rng.random((2, *SHAPE)) < rng.random((2, 1, 1))
    inside[30, 25] = True
    seen = cover(bared, noise=float(rng.uniform(0.001, 0.3)), seed=seed)
    seen.loss[rng.random(SHAPE) < hidden] = np.nan
    cut = told(inside, seen)
    assert cut.kept.any()
    assert not (cut.kept & ~inside).any()
    assert (cut.verdict == "refined") == bool((cut.kept != inside).any())
    other = told(inside, Cover(scale * seen.loss + shift, scale * seen.after - shift))
    assert (other.kept != cut.kept).mean() < 2e-3  # rounding may move a cell across a threshold


def test_rising_values_are_the_same_turned_round() -> None:
    grid = terrain.grid(*SHAPE)
    b, a = (np.random.default_rng(k).random(SHAPE).astype(np.float32) for k in (1, 2))
    fall = Images(lambda _: b, lambda _: a).read(grid)
    rise = Images(lambda _: -b, lambda _: -a, loss=False).read(grid)
    np.testing.assert_array_equal(fall.loss, rise.loss)
    np.testing.assert_array_equal(fall.after, rise.after)
    assert fall.loss[3, 4] == np.float64(b[3, 4]) - np.float64(a[3, 4])


# ------------------------------------------------------------------ in the extraction


def block(row: float, col: float, rows: float, cols: float) -> shapely.Polygon:
    west, north = terrain.WEST + col * CELL, terrain.NORTH - row * CELL
    return shapely.box(west, north - rows * CELL, west + cols * CELL, north)


class Slope:
    """A plane with two landslides, whose rasters are read block by block."""

    shape = (160, 200)
    places = ((20, 20), (90, 130))

    def __init__(self) -> None:
        self.grid = terrain.grid(*self.shape)
        bared = np.zeros(self.shape, bool)
        for row, col in self.places:
            bared |= rectangle(self.shape, row, col, 30, 8)
        rng = np.random.default_rng(5)
        self.fields = {
            "z": terrain.plane(*self.shape),
            "before": (0.7 + 0.02 * rng.standard_normal(self.shape)).astype(np.float32),
            "after": np.where(bared, 0.1, 0.6 + 0.02 * rng.standard_normal(self.shape)),
        }

    def read(self, name: str, of: GeoBox) -> NDArray[np.float32]:
        col = round((of.affine.c - terrain.WEST) / CELL)
        row = round((terrain.NORTH - of.affine.f) / CELL)
        field = self.fields[name][row : row + of.shape[0], col : col + of.shape[1]]
        return field.astype(np.float32)

    def images(self) -> Images:
        return Images(
            lambda of: self.read("before", of), lambda of: self.read("after", of), rule=RULE
        )

    def extracted(
        self, shapes: list, folder: Path, with_images: bool, mapped: Polygons | None = None
    ) -> extraction.Extracted:
        return extract(
            np.array(shapes, object),
            self.grid,
            lambda of: self.read("z", of),
            folder,
            mapped=mapped,
            images=self.images() if with_images else None,
        )


@pytest.mark.slow
def test_sources_of_generous_outlines_are_those_of_true_ones(tmp_path: Path) -> None:
    slope = Slope()
    true = [block(r, c, 30, 8) for r, c in slope.places]
    wide = [block(r - 2, c - 2, 34, 12) for r, c in slope.places]
    known = slope.extracted(true, tmp_path / "true", with_images=False).table
    table = slope.extracted(wide, tmp_path / "wide", with_images=True).table
    assert table["change"].tolist() == ["refined", "refined"]
    for column in ("area_m2", "source_m2", "length_m", "crown_x", "crown_y", "cells"):
        assert table[column].tolist() == pytest.approx(known[column].tolist())
    for part in ("source", "runout"):
        same = shapely.equals(shapely.from_wkb(table[part]), shapely.from_wkb(known[part]))
        assert same.all()
    rest = shapely.from_wkb(table["unchanged"])
    assert shapely.area(rest) == pytest.approx((34 * 12 - 30 * 8) * CELL**2)
    assert table["unchanged_m2"].to_numpy() == pytest.approx(shapely.area(rest))
    parts = [shapely.from_wkb(table[n]) for n in ("source", "runout", "unchanged")]
    together = shapely.union_all(parts, axis=0)
    assert shapely.equals(together, np.array(wide, object)).all()
    without = slope.extracted(wide, tmp_path / "without", with_images=False).table
    assert without["change"].tolist() == ["", ""]
    assert without["unchanged"].isna().all()


def test_chunks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slope = Slope()
    wide = [block(r - 2, c - 2, 34, 12) for r, c in slope.places] + [block(60, 60, 20, 9)]
    one = slope.extracted(wide, tmp_path / "one", with_images=True).table
    monkeypatch.setattr(extraction, "CHUNK", 16)
    many = slope.extracted(wide, tmp_path / "many", with_images=True).table
    assert one["change"].tolist() == ["refined", "refined", "faint"]
    assert one.equals(many)


def test_mapped_sources_and_small_outlines_are_left_alone(tmp_path: Path) -> None:
    slope = Slope()
    row, col = slope.places[0]
    shapes = [block(row - 2, col - 2, 34, 12), block(100.1, 20.1, 0.2, 0.2)]
    mapped = Polygons.on_grid(
        np.array([block(row, col, 5, 8)], object), np.array([1.0]), slope.grid
    )
    found = slope.extracted(shapes, tmp_path, with_images=True, mapped=mapped)
    assert found.table["change"].tolist() == ["mapped", "few_cells"]
    assert found.table["method"].tolist() == ["S0", "whole"]
    assert found.account().change == {"few_cells": 1, "mapped": 1}


# ------------------------------------------------------------------ files of a study


def write(path: Path, values: NDArray, **profile: object) -> Path:
    full = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype.name,
        "crs": "EPSG:32643",
        "transform": terrain.grid(*SHAPE).affine,
        **profile,
    }
    with rasterio.open(path, "w", **full) as dst:
        dst.write(values, 1)
    return path


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, Layer]:
    rng = np.random.default_rng(1)
    return {
        name: Layer(path=write(tmp_path / f"{name}.tif", rng.random(SHAPE).astype(np.float32)))
        for name in ("before", "after")
    }


def test_good_pair_is_read(pair: dict[str, Layer]) -> None:
    grid = terrain.grid(*SHAPE)
    assert images(Sources(), grid) == (None, [])
    made, remarks = images(Sources(**pair, ring=(20, 100), bared_share=0.3, contrast=2), grid)
    assert made is not None
    assert remarks == []
    assert made.rule == Rule((20, 100), 0.3, 2)
    assert np.isfinite(made.read(grid).loss).all()


@pytest.mark.parametrize("moved", [False, True], ids=["aligned", "resampled"])
@pytest.mark.parametrize("stated", ["in the file", "in the study"])
@pytest.mark.parametrize(
    ("turn", "mask"), [("south", ""), ("south and east", "msk"), ("", "internal"), ("", "alpha")]
)
def test_a_pair_is_read_as_any_layer_is(
    tmp_path: Path, turn: str, mask: str, stated: str, moved: bool
) -> None:
    """North up, without what is masked or nodata, scaled, and in that order."""
    grid = terrain.grid(*SHAPE)
    if moved:  # across the columns, along which values are the same
        grid = GeoBox((50, 40), grid.affine * Affine.translation(2.3, 3.0), grid.crs)
    rows = np.broadcast_to(np.arange(SHAPE[0])[:, None], SHAPE)
    hidden = rectangle(SHAPE, 10, 10, 4, 6)
    pair = {}
    for name, step in (("before", 3), ("after", 1)):
        values = (100 + step * rows).astype(np.int16)
        values[30, 20] = -100
        whose = None if stated == "in the study" else -100
        place = terrain.grid(*SHAPE).affine
        path = store(tmp_path / f"{name}.tif", values, hidden, turn, mask, place, nodata=whose)
        scaled(path, 0.5, 0.25)
        more = {"scale": 0.01, "nodata": -100} if stated == "in the study" else {}
        pair[name] = Layer(path=path, **more)
    made, _ = images(Sources(**pair), grid)
    assert made is not None
    seen = made.read(grid)
    gone = hidden if mask else np.zeros(SHAPE, bool)
    gone = gone | rectangle(SHAPE, 30, 20, 1, 1)
    gain, shift = (0.01, 0.0) if stated == "in the study" else (0.5, 0.25)
    loss, after = np.where(gone, np.nan, (gain * 2 * rows, gain * (100 + rows) + shift))
    part = np.s_[3:53, 2:42] if moved else np.s_[:, :]
    np.testing.assert_array_equal(np.isnan(seen.loss), gone[part])
    # A value beside a missing one comes from the others alone.
    far = ~ndimage.binary_dilation(gone, iterations=2)[part]
    np.testing.assert_allclose(seen.loss[far], loss[part][far], atol=1e-4)
    np.testing.assert_allclose(seen.after[far], after[part][far], atol=1e-4)


def test_pairs_that_cannot_serve(pair: dict[str, Layer], tmp_path: Path) -> None:
    grid = terrain.grid(*SHAPE)
    values = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    left, right = values.copy(), values.copy()
    left[:, 20:], right[:, :30] = np.nan, np.nan
    far = rasterio.Affine(CELL, 0, 900_000, 0, -CELL, 3_000_000)
    bad = {
        "no such file": tmp_path / "none.tif",
        "has no CRS": write(tmp_path / "nocrs.tif", values, crs=None),
        "has no value on the grid": write(tmp_path / "far.tif", values, transform=far),
        "is 0.5 everywhere": write(tmp_path / "flat.tif", np.full(SHAPE, 0.5, np.float32)),
        "same band of the same file": pair["before"].path,
        "is a folder": tmp_path,
    }
    for words, path in bad.items():
        with pytest.raises(InputError, match=words):
            images(Sources(before=pair["before"], after=Layer(path=path)), grid)
    apart = {
        "before": Layer(path=write(tmp_path / "l.tif", left)),
        "after": Layer(path=write(tmp_path / "r.tif", right)),
    }
    with pytest.raises(InputError, match="values on the grid, but no cell"):
        images(Sources(**apart), grid)
    with pytest.raises(InputError, match="narrower than a cell"):
        images(Sources(**pair, ring=(0, 5)), grid)


def test_doubtful_pairs_are_told(pair: dict[str, Layer], tmp_path: Path) -> None:
    grid = terrain.grid(*SHAPE)
    values = np.random.default_rng(2).random(SHAPE).astype(np.float32)
    scaled = write(tmp_path / "scaled.tif", (1e4 * values).astype(np.int16))
    _, remarks = images(Sources(before=pair["before"], after=Layer(path=scaled)), grid)
    assert ["same scale" in r for r in remarks] == [True]
    _, remarks = images(Sources(before=pair["before"], after=Layer(path=scaled, scale=1e-4)), grid)
    assert remarks == []
    wide = rasterio.Affine(10 * CELL, 0, terrain.WEST, 0, -10 * CELL, terrain.NORTH)
    coarse = write(tmp_path / "coarse.tif", values[:6, :5].copy(), transform=wide)
    _, remarks = images(Sources(before=pair["before"], after=Layer(path=coarse)), grid)
    assert not lacks(remarks[0], "sources.after", "200 m", " 20 m")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"before": {"path": "b.tif"}}, "before is given without after"),
        ({"after": {"path": "a.tif"}}, "after is given without before"),
        ({"ring": (100, 50)}, "the lesser distance first"),
    ],
)
def test_settings_that_contradict_themselves(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sources(**settings)
