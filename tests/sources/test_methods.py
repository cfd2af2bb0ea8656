"""Each method on slopes where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.sources import (
    METHODS,
    AreaQuantile,
    ElevationFraction,
    Landslide,
    Mapped,
    Recipe,
    Rules,
    Scar,
    SlopeBreak,
    separate,
)
from shakeslide.sources.landslide import Cells

from . import terrain


def slide(rows: int = 20, cols: int = 4) -> Landslide:
    z = terrain.plane(rows + 4, cols + 4)
    return terrain.landslide(z, terrain.rectangle(z.shape, 2, 2, rows, cols))


def rows_of(cells: Cells) -> list[int]:
    return np.flatnonzero(cells.any(axis=1)).tolist()


def test_elevation_fraction_takes_the_upper_part_of_the_height() -> None:
    # 20 rows, 19 steps of height: a quarter of it reaches 4.75 steps down.
    source = ElevationFraction(0.25).separate(slide())
    assert source is not None
    assert rows_of(source) == [2, 3, 4, 5, 6]
    assert source.sum() == 20


def test_area_quantile_takes_a_share_of_the_cells() -> None:
    source = AreaQuantile(0.4).separate(slide())
    assert source is not None
    assert source.sum() == 32
    assert rows_of(source) == list(range(2, 10))


def test_scar_of_a_gully_is_its_width_times_k() -> None:
    # One column of 20 cells: W = 4 A / (pi L) = 4/pi cells; 1.5 W reaches 1.9 steps.
    source = Scar(1.5).separate(slide(20, 1))
    assert source is not None
    assert rows_of(source) == [2, 3]
    longer = Scar(5.0).separate(slide(20, 1))
    assert longer is not None
    assert rows_of(longer) == list(range(2, 9))


def test_scar_of_a_compact_landslide_is_all_of_it() -> None:
    compact = slide(5, 8)
    source = Scar().separate(compact)
    assert source is not None
    assert (source == compact.inside).all()


def test_slope_break_is_found_where_it_is() -> None:
    z = terrain.plane(24, 9, 0.8).copy()
    z[10:] = z[10] - 0.2 * terrain.CELL * np.arange(14)[:, None]
    broken = terrain.landslide(z, terrain.rectangle(z.shape, 2, 4, 20, 1))
    source = SlopeBreak().separate(broken)
    assert source is not None
    assert rows_of(source) == list(range(2, 11))


def test_slope_break_does_not_apply_where_the_slope_steepens_or_is_short() -> None:
    steepening = terrain.plane(24, 9, 0.2).copy()
    steepening[10:] = steepening[10] - 0.8 * terrain.CELL * np.arange(14)[:, None]
    inside = terrain.rectangle(steepening.shape, 2, 4, 20, 1)
    assert SlopeBreak().separate(terrain.landslide(steepening, inside)) is None
    assert SlopeBreak().separate(slide(5, 1)) is None


def test_mapped_source_is_taken_as_it_is_and_never_divided() -> None:
    z = terrain.saddle(41, 9)
    inside = terrain.rectangle(z.shape, 2, 2, 37, 5)
    mapped = terrain.rectangle(z.shape, 30, 3, 1, 2)
    pieces, reasons = separate(terrain.landslide(z, inside, mapped), Recipe())
    assert [p.method for p in pieces] == ["S0"]
    assert (pieces[0].source == mapped).all()
    assert reasons == []
    elsewhere = terrain.rectangle(z.shape, 0, 0, 1, 1)
    assert Mapped().separate(terrain.landslide(z, inside, elsewhere)) is None


def test_mapped_source_is_passed_over_where_it_is_not_asked_for() -> None:
    z = terrain.saddle(41, 9)
    inside = terrain.rectangle(z.shape, 2, 2, 37, 5)
    mapped = terrain.rectangle(z.shape, 30, 3, 1, 2)
    pieces, reasons = separate(terrain.landslide(z, inside, mapped), Recipe((Scar(),)))
    assert [p.method for p in pieces] == ["S3", "S3"]
    assert reasons == ["outlets"]


def test_none_applies_on_flat_ground_and_all_of_it_is_source() -> None:
    flat = terrain.landslide(np.full((9, 9), 7.0), terrain.rectangle((9, 9), 2, 2, 5, 5))
    for method in (ElevationFraction(), Scar(), SlopeBreak()):
        assert method.separate(flat) is None
    (piece,), _ = separate(flat, Recipe())
    assert (piece.source == flat.inside).all()
    assert piece.flags == ("flat",)
    assert piece.method == "whole"


@pytest.mark.parametrize("count", [1, 3, 4])
def test_few_cells_are_all_source(count: int) -> None:
    few = slide(count, 1)
    (piece,), _ = separate(few, Recipe())
    assert (piece.source == few.inside).all()
    assert piece.flags == ("few_cells",)


def test_a_source_has_four_cells_at_least() -> None:
    (piece,), _ = separate(slide(20, 1), Recipe())
    assert rows_of(piece.source) == [2, 3, 4, 5]


def test_falls_back_and_says_so() -> None:
    (piece,), _ = separate(slide(5, 1), Recipe((SlopeBreak(), AreaQuantile(0.8))))
    assert (piece.method, piece.flags) == ("S2", ("fell_back",))
    (piece,), _ = separate(slide(5, 1), Recipe((SlopeBreak(),)))
    assert (piece.method, piece.flags) == ("whole", ("fell_back",))


def test_a_method_of_ones_own_is_used() -> None:
    class Toe:
        code = "toe"

        def separate(self, landslide: Landslide) -> Cells | None:
            return landslide.inside & (landslide.z < 900)

    (piece,), _ = separate(slide(), Recipe((Toe(),)))
    assert piece.method == "toe"
    assert rows_of(piece.source)[0] == 11


def test_every_method_has_its_own_code() -> None:
    assert [m.code for m in METHODS.values()] == ["S0", "S1", "S2", "S3", "S4"]


# ------------------------------------------------------------------ amalgamations


def split_for(z: np.ndarray, inside: np.ndarray, **rules: float) -> tuple[int, list[str]]:
    slide = terrain.landslide(z, inside)
    pieces, reasons = separate(slide, Recipe(rules=Rules(**rules)))
    cells = np.sum([p.landslide.inside for p in pieces], axis=0)
    assert (cells == inside).all()
    return len(pieces), reasons


def test_ridge_crossing_is_divided_along_the_ridge() -> None:
    z = terrain.saddle(41, 9)
    inside = terrain.rectangle(z.shape, 2, 2, 37, 5)
    count, reasons = split_for(z, inside)
    assert (count, reasons) == (2, ["outlets"])
    pieces, _ = separate(terrain.landslide(z, inside), Recipe())
    assert sorted(rows_of(p.landslide.inside)[-1] for p in pieces)[0] in (19, 20)


def test_two_crowns_above_one_run_out_are_two() -> None:
    z = terrain.plane(44, 21)
    inside = terrain.rectangle(z.shape, 2, 2, 25, 4) | terrain.rectangle(z.shape, 2, 14, 25, 4)
    inside |= terrain.rectangle(z.shape, 26, 2, 14, 16)
    assert split_for(z, inside) == (2, ["crowns"])


def test_parts_side_by_side_are_two_but_one_below_the_other_is_one() -> None:
    z = terrain.plane(44, 30)
    beside = terrain.rectangle(z.shape, 2, 2, 20, 3) | terrain.rectangle(z.shape, 5, 20, 20, 3)
    assert split_for(z, beside) == (2, ["parts"])
    below = terrain.rectangle(z.shape, 2, 2, 18, 3) | terrain.rectangle(z.shape, 22, 2, 18, 3)
    assert split_for(z, below, prominence=2.0) == (1, [])


def test_a_body_far_wider_than_long_is_cut_down_the_slope() -> None:
    z = terrain.plane(12, 110)
    inside = terrain.rectangle(z.shape, 3, 3, 5, 100)
    count, reasons = split_for(z, inside)
    assert reasons == ["elongated"]
    assert count > 5


def test_one_landslide_is_not_divided() -> None:
    z = terrain.plane(44, 21)
    assert split_for(z, terrain.rectangle(z.shape, 2, 5, 38, 6)) == (1, [])
    small = terrain.saddle(9, 5)
    assert split_for(small, np.ones(small.shape, bool), fewest=30) == (1, [])
