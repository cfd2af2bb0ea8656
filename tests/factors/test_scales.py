"""Factors at a scale: kernels against scipy, closed forms, two resolutions, codes and tables."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy import ndimage

from shakeslide.core.errors import InputError
from shakeslide.factors import smoothing, window_statistics
from shakeslide.factors.catalogue import build
from shakeslide.factors.factor import Sources, TileInputs
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.study import factor_sets
from shakeslide.study.factor_sets import FAMILIES
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS, PAPER_FACTORS, fill_factors
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

UTM = "EPSG:32643"
# Grid north is true north on the central meridian.
MIDDLE = 5e5


class Ground:
    """An elevation model in memory, in place of a file."""

    def __init__(self, z: np.ndarray, grid: GeoBox) -> None:
        self.z, self.grid = z.astype(np.float32), grid

    def read(self, window: GeoBox) -> np.ndarray:
        row = round((self.grid.affine.f - window.affine.f) / -self.grid.affine.e)
        col = round((window.affine.c - self.grid.affine.c) / self.grid.affine.a)
        rows, cols = grids.shape_of(window)
        return self.z[row : row + rows, col : col + cols]


def on_grid(rows: int, cols: int, cell: float) -> GeoBox:
    west, north = MIDDLE - cols * cell / 2, 3.8e6 + rows * cell / 2
    return GeoBox((rows, cols), Affine(cell, 0, west, 0, -cell, north), UTM)


def values(
    code: str, z: np.ndarray, cell: float, tile: Tile | None = None, **options: object
) -> np.ndarray:
    """A factor of a family on elevations around the central meridian."""
    grid = on_grid(*z.shape, cell)
    table = {**(factor_sets.table_of(code) or {}), **options}
    chosen = FACTOR_FUNCTIONS[str(table["function"])].model_validate(table)
    factor = build(code, chosen, Sources(grid, {"dem": Layer(path="dem.tif")}, Event()))
    tile = tile or Tile((0, 0), 0, z.shape[0], 0, z.shape[1])
    return np.asarray(factor.compute(TileInputs(grid, tile, Ground(z, grid), factor.halo)))


def rough(rows: int, cols: int, seed: int, holes: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = (rng.normal(0, 40, (rows, cols)) + 900).astype(np.float32)
    z[rng.random(z.shape) < holes] = np.nan
    return z


grounds = st.builds(
    rough, st.integers(1, 17), st.integers(1, 23), st.integers(0, 9999), st.sampled_from([0, 0.2])
)


@settings(max_examples=40)
@given(grounds, st.sampled_from([(1.0, 1.0, 1.6), (2.0, 3.0, 4.0), (1.0, 1.0, 9.0)]))
def test_smoothing_is_the_weighted_mean_of_the_cells_that_there_are(
    z: np.ndarray, sizes: tuple[float, float, float]
) -> None:
    dx, dy, scale = sizes
    part = np.s_[: z.shape[0] // 2 + 1, z.shape[1] // 3 :]
    whole = slice(0, z.shape[0] // 2 + 1), slice(z.shape[1] // 3, z.shape[1])
    known = np.isfinite(z)

    def spread(values: np.ndarray) -> np.ndarray:
        for axis, cell in ((0, dy), (1, dx)):
            reach = int(3 * scale / cell)
            values = ndimage.gaussian_filter1d(
                values, scale / cell, axis, mode="constant", radius=reach
            )
        return values

    mean = spread(np.where(known, z, 0).astype(float)) / np.maximum(spread(known * 1.0), 1e-300)
    expected = np.where(known, mean, np.nan)[part]
    np.testing.assert_allclose(smoothing.smoothed(z, dx, dy, scale, whole), expected, rtol=1e-9)


@settings(max_examples=40)
@given(grounds, st.integers(1, 4), st.integers(1, 6))
def test_windows_hold_the_cells_that_there_are(z: np.ndarray, tall: int, wide: int) -> None:
    rows, cols = z.shape
    part = slice(rows // 3, rows), slice(0, cols // 2 + 1)
    found = window_statistics.moments(z, (tall, wide), part, 1024.0)
    ends = window_statistics.extremes(z, (tall, wide), part)
    for i in range(rows // 3, rows):
        for j in range(cols // 2 + 1):
            near = z[max(0, i - tall) : i + tall + 1, max(0, j - wide) : j + wide + 1]
            near = near[np.isfinite(near)].astype(float)
            got = [a[i - rows // 3, j] for a in (*found, *ends)]
            if np.isnan(z[i, j]):
                assert np.isnan(got).all()
                continue
            expected = [near.mean() - z[i, j], near.std(), near.min(), near.max()]
            np.testing.assert_allclose(got, expected, atol=3e-3, rtol=1e-5)


TILTED = np.add.outer(-6.0 * np.arange(40), 8.0 * np.arange(50)) + 1000
"""Rises by 8 m to the east and 6 m to the north a cell."""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SLO_40m", np.degrees(np.arctan(0.5))),
        ("SLOA_40m", 180 + np.degrees(np.arctan2(8, 6))),
        ("GRE_40m", 0.4),
        ("GRN_40m", 0.3),
        ("SC_40m", 0.0),
        ("SCP_40m", 0.0),
        ("SCH_40m", 0.0),
        ("TPI_40m", 0.0),
        ("RER_40m", 4 * 14.0),
        ("RPO_40m", 0.5),
        ("DEV_40m", 0.0),
        ("SLM_40m", np.degrees(np.arctan(0.5))),
        ("SLD_40m", 0.0),
    ],
)
def test_a_plane(code: str, expected: float) -> None:
    inside = values(code, TILTED, 20.0)[12:-12, 12:-12]
    np.testing.assert_allclose(inside, expected, atol=2e-2 if code.startswith("SLOA") else 2e-4)


def bowl(cell: float, side: float = 2400.0) -> np.ndarray:
    """A smooth surface, in metres on the ground: valley along x with waves."""
    n = round(side / cell)
    at = (np.arange(n) + 0.5) * cell - side / 2
    x, y = np.meshgrid(at, -at)
    return 1500 + 1e-4 * (2 * x**2 - y**2) + 60 * np.sin(x / 300) * np.cos(y / 400)


def test_curvature_of_a_paraboloid() -> None:
    n, cell = 41, 10.0
    x = (np.arange(n) - n // 2) * cell
    z = 1000 - 2e-3 * np.add.outer(x**2, x**2)
    k = np.arange(-6, 7)
    bell = np.exp(-(k**2) / 8)
    spread = (bell * (k * cell) ** 2).sum() / bell.sum()
    for code, expected in (("SC_20m", 0.8), ("TPI_20m", 2 * 2e-3 * spread)):
        assert values(code, z, cell)[n // 2, n // 2] == pytest.approx(expected, rel=2e-3), code
    assert (values("SLOA_20m", np.full((9, 9), 7.0), cell) == -1).all()


@pytest.mark.parametrize("base", [f.base for f in FAMILIES.values() if f.group == "terrain"])
def test_a_scale_means_the_same_at_two_resolutions(base: str) -> None:
    coarse, fine = values(f"{base}_90m", bowl(30.0), 30.0), values(f"{base}_90m", bowl(10.0), 10.0)
    # The middle cell of nine lies where the coarse one does.
    a, b = coarse[16:-16, 16:-16], fine[1::3, 1::3][16:-16, 16:-16]
    if base == "SLOA":
        assert np.abs((a - b + 180) % 360 - 180).max() < 3
        return
    # Windows of whole cells differ by half a cell at their edges.
    assert np.abs(a - b).max() < 0.12 * (b.max() - b.min()), base
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.995, base


def test_a_tile_has_the_values_of_the_whole() -> None:
    z, tile = rough(60, 70, 3, 0.02), Tile((1, 1), 20, 45, 31, 60)
    for base in (f.base for f in FAMILIES.values() if f.group == "terrain"):
        whole = values(f"{base}_45m", z, 15.0)[20:45, 31:60]
        np.testing.assert_allclose(
            values(f"{base}_45m", z, 15.0, tile), whole, rtol=1e-6, atol=1e-6, err_msg=base
        )


def test_a_scale_finer_than_the_cells_is_refused() -> None:
    with pytest.raises(InputError, match=r"SLO_9m.*scales"):
        values("SLO_9m", TILTED, 20.0)
    with pytest.raises(InputError, match="RER_5000m"):
        values("RER_5000m", TILTED, 20.0)


# ------------------------------------------------------------------ codes and tables


@given(st.sampled_from([*FAMILIES.values()]), st.floats(0.01, 1e5))
def test_a_code_gives_its_scale_back(family: factor_sets.Family, drawn: float) -> None:
    scale = float(f"{drawn:.4g}")
    code = family.code(scale if family.scale else None)
    table = factor_sets.table_of(code)
    assert table is not None
    if family.scale:
        assert table[family.scale] == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize("code", ["SLO_120", "SLO_120ha", "HAC_5m", "SLO_0m", "SLO_012m", "X_5m"])
def test_what_is_no_code_of_a_family(code: str) -> None:
    assert factor_sets.table_of(code) is None


def test_groups_give_every_family_at_every_scale() -> None:
    found = fill_factors({"groups": ["terrain"], "scales": [50, 75.5]})
    bases = [f.base for f in FAMILIES.values() if f.group == "terrain"]
    expected = [f"{b}_{s}m" for s in ("50", "75p5") for b in bases]
    assert list(found) == [*PAPER_FACTORS, *expected]
    assert found["RER_75p5m"]["scale"] == 75.5


def test_a_table_changes_one_factor_of_a_group() -> None:
    found = fill_factors({"groups": ["hydrology"], "HAC_5ha": {"use": False, "margin": 0}})
    assert found["HAC_5ha"] == {**factor_sets.table_of("HAC_5ha"), "use": False, "margin": 0}  # type: ignore[dict-item]
    assert list(found).count("HAC_5ha") == 1
    alone = fill_factors({"SLO_45m": {}, "add": ["TPI_45m"]})
    assert alone["SLO_45m"]["scale"] == alone["TPI_45m"]["scale"] == 45


def test_families_without_their_layer_are_left_out() -> None:
    without = fill_factors({"groups": ["shaking"]})
    with_it = fill_factors({"groups": ["shaking"]}, ["rupture"])
    layers = {str(t.get("layer")) for c, t in with_it.items() if c not in without}
    assert layers == {"rupture"}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"groups": ["terain"]}, "groups"),
        ({"scales": [30, -60]}, "scales"),
        ({"scales": []}, "scales"),
        ({"channels": 5}, "channels"),
        ({"add": ["SLO_120"]}, "SLO_120m"),
    ],
)
def test_wrong_keys_are_named(table: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        fill_factors(table)  # type: ignore[arg-type]


def test_many_scales_are_listed_in_short() -> None:
    codes = ["SLO", "SLO_30m", "TPI_30m", "SLO_60m", "TPI_60m", "SLO_75p5m", "MINE_3m"]
    expected = "SLO, SLO_30m to SLO_75p5m (3), TPI_30m, TPI_60m, MINE_3m"
    assert factor_sets.listed(codes) == expected
