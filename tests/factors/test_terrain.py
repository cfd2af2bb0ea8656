"""Terrain kernels against closed forms, gdaldem, scipy and brute force, and across tilings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from shakeslide.core.errors import InputError
from shakeslide.factors import terrain

Array = NDArray[Any]

GDALDEM = Path(__file__).with_name("gdaldem.npz")
"""Slope, aspect and roughness by GDAL 3.6.2 of `rough_dem`, written by `ask_gdaldem`."""
CELLS = [(10.0, 10.0), (30.0, 20.0), (12.5, 25.0)]
"""Cell sizes, non-square ones among them."""


def mesh(rows: int, cols: int, dx: float, dy: float) -> tuple[Array, Array]:
    """Eastings and northings of cells around the origin, rows from the north."""
    x = (np.arange(cols) - cols // 2) * dx
    y = (rows // 2 - np.arange(rows)) * dy
    return np.meshgrid(x, y)


def turn(a: Array, b: Array) -> Array:
    """Angle between two directions, in degrees."""
    return np.abs((a - b + 180) % 360 - 180)


def rough_dem(voids: bool, rows: int = 20, cols: int = 23) -> Array:
    """Rugged ground in steps that float32 sums exactly, as gdaldem needs to be exact itself."""
    rng = np.random.default_rng(7)
    z = np.cumsum(np.cumsum(rng.normal(0, 3, (rows, cols)), axis=0), axis=1)
    z = (np.round(z * 64) / 64 + 500).astype(np.float32)
    z[5:8, 9:12] = 500.0
    if voids:
        z[rng.random(z.shape) < 0.12] = np.nan
    return z


def ask_gdaldem(mode: str, z: Array, dx: float, dy: float, folder: Path) -> Array:
    """What gdaldem makes of a DEM; NaN for nodata."""
    dem, out = folder / "dem.tif", folder / f"{mode}.tif"
    rows, cols = z.shape
    transform = rasterio.transform.from_origin(5e5, 4e6, dx, dy)
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": 1, "dtype": "float32"}
    with rasterio.open(
        dem, "w", crs="EPSG:32643", transform=transform, nodata=-9999, **profile
    ) as to:
        to.write(np.where(np.isnan(z), -9999, z).astype(np.float32), 1)
    subprocess.run(["gdaldem", mode, dem, out, "-compute_edges", "-q"], check=True)
    with rasterio.open(out) as made:
        return made.read(1, masked=True).filled(np.nan)


def write_fixture(folder: Path) -> None:
    """Write what gdaldem says of `rough_dem` into the file that stands in for the binary."""
    made = {}
    for k, (dx, dy) in enumerate(CELLS):
        for voids in (False, True):
            for mode in ("slope", "aspect", "roughness"):
                made[f"{mode}_{k}_{int(voids)}"] = ask_gdaldem(
                    mode, rough_dem(voids), dx, dy, folder
                )
    np.savez_compressed(GDALDEM, **made)


def compare_with_gdaldem(mode: str, theirs: Array, z: Array, dx: float, dy: float) -> None:
    derived = terrain.derivatives(z, dx, dy)
    if mode == "slope":
        np.testing.assert_allclose(derived.slope_deg, theirs, rtol=0, atol=1e-4)
    elif mode == "roughness":
        np.testing.assert_array_equal(terrain.roughness(z, dx, dy), theirs)
    else:
        # gdaldem takes cells for square when it computes aspect
        east, north = np.sin(np.radians(theirs)) / dx, np.cos(np.radians(theirs)) / dy
        expected = np.degrees(np.arctan2(east, north)) % 360
        ours = np.where(derived.aspect_deg == -1, np.nan, derived.aspect_deg)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
        assert np.nanmax(turn(ours, expected)) < 1e-4


@pytest.mark.parametrize("mode", ["slope", "aspect", "roughness"])
@pytest.mark.parametrize("voids", [False, True])
@pytest.mark.parametrize("k", range(len(CELLS)))
def test_agrees_with_stored_gdaldem_output_to_the_edges(mode: str, voids: bool, k: int) -> None:
    theirs = np.load(GDALDEM)[f"{mode}_{k}_{int(voids)}"]
    compare_with_gdaldem(mode, theirs, rough_dem(voids), *CELLS[k])


@pytest.mark.skipif(shutil.which("gdaldem") is None, reason="gdaldem is not installed")
@pytest.mark.parametrize("mode", ["slope", "aspect", "roughness"])
@pytest.mark.parametrize(
    "shape",
    [
        (2, 9),
        (33, 70),
        *(pytest.param(s, marks=pytest.mark.slow) for s in [(2, 2), (9, 2), (3, 3)]),
    ],
)
def test_agrees_with_gdaldem_to_the_edges(
    mode: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    for dx, dy in CELLS:
        for voids in (False, True):
            z = rough_dem(voids, *shape)
            compare_with_gdaldem(mode, ask_gdaldem(mode, z, dx, dy, tmp_path), z, dx, dy)


def rises(dip: float, azimuth: Any, dx: float, dy: float, quantum: Any) -> tuple[Any, Any]:
    """Metres by which a plane rises per cell to the east and to the north.

    They are whole multiples of the quantum, so that float32 can hold the elevations exactly.
    """
    down = np.tan(np.radians(dip))
    east = -down * dx * np.sin(np.radians(azimuth))
    north = -down * dy * np.cos(np.radians(azimuth))
    return np.round(east / quantum) * quantum, np.round(north / quantum) * quantum


def faced(p: Any, q: Any) -> tuple[Any, Any]:
    """Slope and azimuth of a gradient, in degrees."""
    return np.degrees(np.arctan(np.hypot(p, q))), np.degrees(np.arctan2(-p, -q)) % 360


DTYPES = [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)]
"""float32 is what DEMs are read as; the kernels for float64 take long to compile."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("dx", "dy"), CELLS)
@pytest.mark.parametrize("azimuth", [0.0, 33.0, 90.0, 135.0, 180.0, 222.0, 270.0, 359.9])
def test_plane(azimuth: float, dx: float, dy: float, dtype: type) -> None:
    # With 12 bits for the fractions float32 has 12 for the whole metres.
    east, north = rises(41.0, azimuth, dx, dy, 2.0**-12)
    rows, cols = np.mgrid[:7, :9]
    z = (900 + east * (cols - 4) - north * (rows - 3)).astype(dtype)
    dip, azimuth = faced(east / dx, north / dy)
    derived = terrain.derivatives(z, dx, dy)
    corners = np.zeros(z.shape, bool)
    corners[:: z.shape[0] - 1, :: z.shape[1] - 1] = True  # gdaldem flattens the corners
    assert np.abs(derived.slope_deg - dip)[~corners].max() < 2e-5
    assert turn(derived.aspect_deg, azimuth)[~corners].max() < 1e-4
    assert np.abs(derived.curvature).max() < 1e-6
    assert np.abs(terrain.profile_curvature(z, dx, dy)).max() < 1e-6
    assert np.abs(terrain.plan_curvature(z, dx, dy)).max() < 1e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_have_the_stated_precision_over_their_whole_range(dtype: type) -> None:
    """Centre cells of planes of every slope and aspect against exact arithmetic."""
    worst_slope = worst_aspect = 0.0
    for asked in np.linspace(0.01, 89.99, 300):
        quantum = 2.0 ** (np.ceil(np.log2(np.tan(np.radians(asked)))) - 22)
        p, q = rises(asked, np.linspace(0, 360, 101)[:-1] + asked, 1, 1, quantum)
        # windows side by side, three columns each
        east = np.tile([-1.0, 0.0, 1.0], 100)[None, :]
        north = np.array([1.0, 0.0, -1.0])[:, None]
        z = east * np.repeat(p, 3)[None, :] + north * np.repeat(q, 3)[None, :]
        np.testing.assert_array_equal(z.astype(np.float32), z)
        dip, azimuth = faced(p, q)
        derived = terrain.derivatives(z.astype(dtype), 1, 1)
        slope, aspect = derived.slope_deg[1, 1::3], derived.aspect_deg[1, 1::3]
        worst_slope = max(worst_slope, np.abs(slope - dip).max())
        worst_aspect = max(worst_aspect, turn(aspect.astype(np.float64), azimuth).max())
        assert ((aspect >= 0) & (aspect < 360)).all()
    assert worst_slope < 3e-5
    assert worst_aspect < 6e-5


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hair_west_of_north_is_north(dtype: type) -> None:
    x, y = mesh(3, 3, 10, 10)
    # The smallest rise that float32 tells beside 5 m.
    aspect = terrain.derivatives((2.0**-21 * x / 10 - 0.5 * y).astype(dtype), 10, 10).aspect_deg
    assert aspect[1, 1] == 0  # 359.9999945 would round to 360


def test_flat_ground_has_no_aspect_and_no_directed_curvature() -> None:
    z = np.full((5, 6), 812.4, np.float32)
    derived = terrain.derivatives(z, 10, 20)
    assert (derived.slope_deg == 0).all()
    assert (derived.aspect_deg == -1).all()
    assert (derived.curvature == 0).all()
    assert np.isnan(terrain.profile_curvature(z, 10, 20)).all()
    assert np.isnan(terrain.plan_curvature(z, 10, 20)).all()


@pytest.mark.parametrize(("dx", "dy"), CELLS)
def test_quadratic_surface_exactly(dx: float, dy: float) -> None:
    """Horn's gradient, and the second derivatives, of a quadratic are exact."""
    x, y = mesh(15, 12, dx, dy)
    d, e, f, g, h = 2e-3, -3.5e-3, 1.7e-3, 0.21, -0.34
    z = d * x**2 + e * y**2 + f * x * y + g * x + h * y
    zx, zy = 2 * d * x + f * y + g, 2 * e * y + f * x + h
    steep = zx**2 + zy**2
    inside = np.s_[1:-1, 1:-1]
    derived = terrain.derivatives(z, dx, dy)
    slope, aspect = np.degrees(np.arctan(np.sqrt(steep))), np.degrees(np.arctan2(-zx, -zy))
    assert np.abs(derived.slope_deg - slope)[inside].max() < 3e-5
    assert turn(derived.aspect_deg, aspect)[inside].max() < 1e-4
    assert np.abs(derived.curvature + 200 * (d + e))[inside].max() < 1e-5
    profile = -200 * (d * zx**2 + e * zy**2 + f * zx * zy) / steep
    plan = -200 * (d * zy**2 + e * zx**2 - f * zx * zy) / steep
    np.testing.assert_allclose(
        terrain.profile_curvature(z, dx, dy)[inside], profile[inside], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        terrain.plan_curvature(z, dx, dy)[inside], plan[inside], rtol=1e-5, atol=1e-6
    )


def cone(r: Array) -> tuple[Array, float, Array, Array, Array]:
    k = 0.7
    slope = np.full(r.shape, np.degrees(np.arctan(k)))
    return -k * r, 1.0, slope, np.zeros(r.shape), 100 * k / r


def dome(r: Array) -> tuple[Array, float, Array, Array, Array]:
    radius = 2500.0
    z = np.sqrt(radius**2 - r**2)
    return z, 1.0, np.degrees(np.arcsin(r / radius)), 100 * radius**2 / z**3, 100 / z


def bowl(r: Array) -> tuple[Array, float, Array, Array, Array]:
    z, _, slope, profile, plan = dome(r)
    return -z, -1.0, slope, -profile, -plan


@pytest.mark.parametrize("surface", [cone, dome, bowl])
@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_round_surfaces_converge_at_second_order(
    surface: Callable[[Array], tuple[Array, float, Array, Array, Array]], ratio: float
) -> None:
    errors = []
    for dx in (20.0, 10.0):
        dy = dx * ratio
        rows, cols = 2 * int(900 / dy) + 1, 2 * int(900 / dx) + 1
        x, y = mesh(rows, cols, dx, dy)
        r = np.hypot(x, y)
        with np.errstate(divide="ignore"):
            z, outward, slope, profile, plan = surface(r)
        here = (r > 200) & (r < 850)
        derived = terrain.derivatives(z, dx, dy)
        azimuth = np.degrees(np.arctan2(outward * x, outward * y))
        errors.append(
            [
                np.abs(derived.slope_deg - slope)[here].max(),
                turn(derived.aspect_deg, azimuth)[here].max(),
                np.abs(derived.curvature - profile - plan)[here].max(),
                np.abs(terrain.profile_curvature(z, dx, dy) - profile)[here].max(),
                np.abs(terrain.plan_curvature(z, dx, dy) - plan)[here].max(),
            ]
        )
    coarse, fine = np.array(errors)
    scale = np.array([30.0, 60.0, 0.35, 0.35, 0.35])
    assert (coarse / scale < 0.02).all(), coarse / scale
    assert (fine < 0.3 * coarse + np.array([5e-5, 1e-4, 2e-5, 2e-5, 2e-5])).all(), fine / coarse


def test_ground_does_not_bend_across_edges_and_voids() -> None:
    x, y = mesh(9, 9, 10, 10)
    z = 0.4 * x - 0.3 * y
    z[4, 4] = np.nan
    around = np.s_[3:6, 3:6]
    for bend in (
        terrain.derivatives(z, 10, 10).curvature,
        terrain.profile_curvature(z, 10, 10),
        terrain.plan_curvature(z, 10, 10),
    ):
        assert np.isnan(bend[4, 4])
        assert np.nanmax(np.abs(bend[around])) < 1e-6
        assert np.abs(bend[0]).max() < 1e-6


def test_at_an_edge_only_the_bend_along_it_counts() -> None:
    z = np.random.default_rng(6).normal(8192, 0.5, (6, 7)).astype(np.float32)
    bend = terrain.derivatives(z, 10, 20).curvature
    wide = z.astype(np.float64)
    along_x = -100 * (wide[:, :-2] + wide[:, 2:] - 2 * wide[:, 1:-1]) / 10**2
    along_y = -100 * (wide[:-2] + wide[2:] - 2 * wide[1:-1]) / 20**2
    np.testing.assert_allclose(bend[0, 1:-1], along_x[0], rtol=1e-6)
    np.testing.assert_allclose(bend[-1, 1:-1], along_x[-1], rtol=1e-6)
    np.testing.assert_allclose(bend[1:-1, 0], along_y[:, 0], rtol=1e-6)
    np.testing.assert_allclose(bend[1:-1, -1], along_y[:, -1], rtol=1e-6)
    assert (bend[:: z.shape[0] - 1, :: z.shape[1] - 1] == 0).all()


def test_profile_and_plan_add_up_to_general_curvature() -> None:
    z = rough_dem(True, 40, 50)
    both = terrain.profile_curvature(z, 10, 15) + terrain.plan_curvature(z, 10, 15)
    general = terrain.derivatives(z, 10, 15).curvature
    defined = np.isfinite(both)
    assert defined.mean() > 0.7
    np.testing.assert_allclose(both[defined], general[defined], rtol=1e-4, atol=1e-3)


def test_huge_elevations_lose_nothing_to_float32() -> None:
    """Differences come first: a slope at 8,000 m is as precise as at sea level."""
    z = rough_dem(False)
    low, high = terrain.derivatives(z - 500, 10, 10), terrain.derivatives(z + 7500, 10, 10)
    for a, b in zip(low, high, strict=True):
        np.testing.assert_array_equal(a, b)


# Annulus and window


def brute_tpi(
    z: Array, dx: float, dy: float, inner: float, outer: float, by_sd: bool = False
) -> Array:
    rows, cols = z.shape
    out = np.full(z.shape, np.nan)
    i, j = np.mgrid[:rows, :cols]
    for a in range(rows):
        for b in range(cols):
            d = np.hypot((i - a) * dy, (j - b) * dx)
            ring = z[(d >= inner - 1e-9) & (d <= outer + 1e-9) & np.isfinite(z)].astype(float)
            if ring.size:
                rise = float(z[a, b]) - ring.mean()
                sd = ring.std() if by_sd else 1.0
                out[a, b] = rise / sd if sd > 0 else 0 * rise
    return out


ANNULI = [(12.5, 12.5, 62.5, 150.0), (10.0, 20.0, 0.0, 55.0), (30.0, 20.0, 0.0, 30.0)]


@pytest.mark.parametrize(("dx", "dy", "inner", "outer"), ANNULI)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tpi_by_brute_force(
    dx: float, dy: float, inner: float, outer: float, share: float, dtype: type
) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(1500, 300, (31, 36)).astype(dtype)
    z[rng.random(z.shape) < share] = np.nan
    ours = terrain.tpi(z, dx, dy, inner, outer)
    np.testing.assert_allclose(ours, brute_tpi(z, dx, dy, inner, outer), rtol=2e-7, atol=1e-4)
    scores = terrain.tpi(z, dx, dy, inner, outer, divide_by_sd=True)
    expected = brute_tpi(z, dx, dy, inner, outer, by_sd=True)
    usual = np.isfinite(expected) & (np.abs(expected) < 50)
    np.testing.assert_allclose(scores[usual], expected[usual], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(np.isnan(scores), np.isnan(ours))


def test_tpi_of_wide_rasters_by_convolution() -> None:
    """More columns than one panel has, with and without voids."""
    rng = np.random.default_rng(5)
    z = rng.normal(1500, 300, (40, 4200)).astype(np.float32)
    for _ in range(2):
        inside = np.isfinite(z)
        y, x = np.mgrid[-7:8, -7:8] * 10
        ring = ((np.hypot(x, y) <= 70) & (np.hypot(x, y) >= 30)).astype(float)
        total = ndimage.convolve(np.where(inside, z, 0.0).astype(float), ring, mode="constant")
        number = ndimage.convolve(inside.astype(float), ring, mode="constant").round()
        expected = z - total / number
        np.testing.assert_allclose(terrain.tpi(z, 10, 10, 30, 70), expected, atol=1e-3)
        z[10:20, 2000:2060] = np.nan


@pytest.mark.parametrize("dtype", DTYPES)
def test_tpi_of_plane_is_zero_and_of_flat_ground_exactly_so(dtype: type) -> None:
    x, y = mesh(41, 43, 10, 15)
    # Whole metres, which float32 holds.
    plane = terrain.tpi(np.round(0.5 * x - 0.2 * y).astype(dtype), 10, 15, 20, 90)
    assert np.abs(plane[6:-6, 9:-9]).max() < 1e-5
    flat = np.full((30, 30), 437.25, np.float32)
    assert (terrain.tpi(flat, 10, 10, 20, 60) == 0).all()
    assert (terrain.tpi(flat, 10, 10, 20, 60, divide_by_sd=True) == 0).all()


def test_tpi_without_neighbours_is_void() -> None:
    z = np.full((9, 9), np.nan, np.float32)
    z[4, 4] = 100.0
    assert np.isnan(terrain.tpi(z, 10, 10, 10, 30)).all()
    assert terrain.tpi(z, 10, 10, 0, 30)[4, 4] == 0


@pytest.mark.parametrize(("inner", "outer"), [(11.0, 14.0), (-1.0, 30.0), (40.0, 30.0)])
def test_impossible_annuli_are_refused(inner: float, outer: float) -> None:
    with pytest.raises(InputError, match="TPI"):
        terrain.tpi(np.zeros((5, 5), np.float32), 10.5, 10.5, inner, outer)


@pytest.mark.parametrize("window", [0.0, -5.0, float("nan"), float("inf")])
def test_impossible_windows_are_refused(window: float) -> None:
    with pytest.raises(InputError, match="window"):
        terrain.relief(np.zeros((5, 5), np.float32), 10, 10, window)


@pytest.mark.parametrize(
    ("cell", "window", "half"),
    [(12.5, 1000, 40), (30, 1000, 16), (10, 1, 1), (10, 30, 1), (10, 40, 2), (10, 39, 1)],
)
def test_relief_takes_the_nearest_odd_number_of_cells(
    cell: float, window: float, half: int
) -> None:
    assert terrain.relief_halo(cell, cell, window) == (half, half)
    rows, cols = terrain.relief_halo(cell, 10 * cell, window)
    assert (rows, cols) == (max(1, round((window / cell / 10 - 1) / 2)), half)


@pytest.mark.parametrize(("dx", "dy"), CELLS)
@pytest.mark.parametrize("window", [5.0, 100.0, 330.0, 2000.0])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_relief_against_scipy(dx: float, dy: float, window: float, share: float) -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(1500, 300, (53, 161)).astype(np.float32)
    z[rng.random(z.shape) < share] = np.nan
    void = np.isnan(z)
    tall, wide = terrain.relief_halo(dx, dy, window)
    size = (2 * tall + 1, 2 * wide + 1)
    high = ndimage.maximum_filter(np.where(void, -np.inf, z), size, mode="constant", cval=-np.inf)
    low = ndimage.minimum_filter(np.where(void, np.inf, z), size, mode="constant", cval=np.inf)
    expected = np.where(void, np.nan, high - low)
    np.testing.assert_array_equal(terrain.relief(z, dx, dy, window), expected)


def test_relief_of_wide_rasters_against_scipy() -> None:
    """More columns than one panel has."""
    z = np.random.default_rng(9).normal(1500, 300, (40, 4200)).astype(np.float32)
    expected = ndimage.maximum_filter(z, (5, 21)) - ndimage.minimum_filter(z, (5, 21))
    ours = terrain.relief(z, 10, 40, 210)
    np.testing.assert_array_equal(ours[2:-2, 10:-10], expected[2:-2, 10:-10])


# Whatever the tile

Kernel = Callable[[Array], tuple[Array, ...]]
KERNELS: dict[str, tuple[Kernel, tuple[int, int]]] = {
    "derivatives": (lambda z: tuple(terrain.derivatives(z, 12.5, 20)), (1, 1)),
    "directed": (
        lambda z: (terrain.profile_curvature(z, 12.5, 20), terrain.plan_curvature(z, 12.5, 20)),
        (1, 1),
    ),
    "roughness": (lambda z: (terrain.roughness(z, 12.5, 20),), (1, 1)),
    "tpi": (lambda z: (terrain.tpi(z, 12.5, 20, 30, 90),), terrain.tpi_halo(12.5, 20, 90)),
    "tpi_sd": (
        lambda z: (terrain.tpi(z, 12.5, 20, 30, 90, divide_by_sd=True),),
        terrain.tpi_halo(12.5, 20, 90),
    ),
    "relief": (lambda z: (terrain.relief(z, 12.5, 20, 150),), terrain.relief_halo(12.5, 20, 150)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=25, derandomize=True)
@given(data=st.data())
def test_a_cell_gets_the_same_bytes_in_any_tile(
    name: str, dtype: type, data: st.DataObject
) -> None:
    compute, (tall, wide) = KERNELS[name]
    rows, cols = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 90))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    z = rng.normal(1000, data.draw(st.sampled_from([0.01, 5.0, 800.0])), (rows, cols))
    z = z.astype(dtype)
    z[rng.random(z.shape) < data.draw(st.sampled_from([0.0, 0.02, 0.4]))] = np.nan
    r0 = data.draw(st.integers(0, rows - 1))
    c0 = data.draw(st.integers(0, cols - 1))
    r1, c1 = data.draw(st.integers(r0 + 1, rows)), data.draw(st.integers(c0 + 1, cols))
    # more halo than asked for must not matter either
    spare = data.draw(st.integers(0, 3))
    top, left = max(0, r0 - tall - spare), max(0, c0 - wide - spare)
    tile = z[top : r1 + tall + spare, left : c1 + wide + spare]
    for whole, part in zip(compute(z), compute(tile), strict=True):
        inner = part[r0 - top : r1 - top, c0 - left : c1 - left]
        np.testing.assert_array_equal(whole[r0:r1, c0:c1].view(np.int32), inner.view(np.int32))


@pytest.mark.parametrize("name", KERNELS)
def test_void_exactly_where_the_dem_is(name: str) -> None:
    z = rough_dem(True, 40, 50) + np.arange(50, dtype=np.float32)  # nowhere flat
    for values in KERNELS[name][0](z):
        assert values.dtype == np.float32
        assert values.shape == z.shape
        np.testing.assert_array_equal(np.isnan(values), np.isnan(z))


@pytest.mark.parametrize("name", KERNELS)
def test_any_layout_and_type_of_dem_and_none_is_changed(name: str) -> None:
    compute, _ = KERNELS[name]
    z = np.round(rough_dem(False, 30, 40)).astype(np.int16)
    reference = compute(z.astype(np.float32))
    padded = np.asfortranarray(np.pad(z, 3, constant_values=-1).astype(np.float32))
    before = padded.copy()
    for variant in (z, np.asfortranarray(z), padded[3:-3, 3:-3]):
        for a, b in zip(compute(variant), reference, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(padded, before)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (1, 7), (7, 1)])
def test_degenerate_shapes(name: str, shape: tuple[int, int]) -> None:
    for values in KERNELS[name][0](np.ones(shape, np.float32)):
        assert values.shape == shape


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="two axes"):
        terrain.derivatives(np.zeros(4), 1, 1)
    for dx, dy in ((0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="cell sizes"):
            terrain.relief(np.zeros((4, 4)), dx, dy, 10)


def test_azimuths_are_those_of_the_arc_tangent() -> None:
    rng = np.random.default_rng(3)
    east = np.concatenate([[0.0, 1e5, -1e5, 1e-3], rng.normal(0, 3e4, 300)]).astype(np.float32)
    north = np.concatenate([[0.0, 1e5, -1e5, -1e-3], rng.normal(0, 3e4, 200)]).astype(np.float32)
    made = terrain.azimuths(east, north)
    exact = np.degrees(np.arctan2(east[None].astype(float), north[:, None].astype(float))) % 360
    assert made.shape == (204, 304)
    assert ((made >= 0) & (made < 360)).all()
    apart = np.abs((made - exact + 180) % 360 - 180)
    assert apart.max() < 4e-5
    assert made[0, 0] == 0
