"""Every function of the catalogue, held to the same rules on one small site with gaps."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import Transformer

from shakeslide import pipeline
from shakeslide.factors.catalogue import FUNCTIONS
from shakeslide.factors.factor import Kind, TileInputs
from shakeslide.geo.grid import Tile

from .. import small_site as site
from ..conftest import open_run

FACTORS = {
    "VAL": 'function = "value"\nlayer = "pga"\nunit = "g"',
    "VALP": 'function = "value"\nlayer = "intensity"\nunit = "MMI"',
    "CAT": 'function = "category"\nlayer = "soil"',
    "CATP": 'function = "category"\nlayer = "lithology"',
    "BEA": 'function = "bearing"',
    "LDM": 'function = "line_direction"\nlayer = "faults"\nsubsection = 700',
    "LDS": 'function = "line_direction"\nlayer = "faults"\nnearest = "segment"',
    "DEN": 'function = "density"\nlayer = "aftershocks"\nbandwidth = 900',
    "DENM": 'function = "density"\nlayer = "aftershocks"\nweight = "magnitude"',
    "DIS": 'function = "distance"\nlayer = "rivers"',
    "DISP": 'function = "distance"\nlayer = "aftershocks"',
    "DISA": 'function = "distance"\nlayer = "intensity"',
    "DISE": 'function = "distance"\nlayer = "epicentre"',
    "ELE": 'function = "elevation"',
    "SLO1": 'function = "slope"',
    "ASP": 'function = "aspect"',
    "CUR": 'function = "curvature"',
    "CURP": 'function = "curvature"\ntype = "profile"',
    "CURH": 'function = "curvature"\ntype = "plan"',
    "TPI1": 'function = "tpi"',
    "TPI2": 'function = "tpi"\ninner = 0\nouter = 400\ndivide_by_sd = true',
    "REL": 'function = "relief"\nwindow = 500',
    "ROU": 'function = "roughness"',
    "NOR": 'function = "northness"',
    "EAS": 'function = "eastness"\nby_slope = true',
    "UPS": 'function = "upstream_area"',
    "WET": 'function = "wetness"',
    "HEI": 'function = "height_above_river"\nmin_area = 0.05',
    "RIV": 'function = "river_distance"\nmin_area = 0.05',
    "LUA": "",
    "SPI": "",
    "ACH_5ha": "",
    "DBR_5ha": "",
    "DRG_5ha": "",
    "ARG_5ha": "",
    "RSP_5ha": "",
    **{f"{base}_150m": "" for base in ("SLO", "SLOA", "GRE", "SCP", "RPO", "SLD", "FRU")},
    "SRU": "dip_direction = 60",
    "HGW": "dip_direction = 60",
    "SHA": 'function = "class_share"\nlayer = "soil"\nscale = 100',
    "SHB": 'function = "class_share"\nlayer = "lithology"\nscale = 100\nof = "granite"',
}
"""One factor at least of every function, with options."""
OF_THE_DEM = [code for code, text in FACTORS.items() if not text and code != "DRG_5ha"]
"""Factors of families, which have a value where the DEM has one."""
PREPARE_ONLY = "".join(
    f"[factors.{c}]\nuse = false\n"
    for c in ("EI", "ED", "SRD", "AF", "DEM", "SLO", "SLOA", "TPI", "SC", "RER", "LITH", "FD",
              "DR", "ST")
)  # fmt: skip


def voids() -> np.ndarray:
    """Where the site's DEM has no elevation: a hole, an edge, and single cells."""
    empty = np.zeros((site.ROWS, site.COLS), bool)
    empty[62:70, 60:71] = True
    empty[:, :3] = True
    empty[20, 100] = empty[90, 127] = True
    return empty


def make(folder: Path) -> Path:
    path = site.make(folder)
    z = site.elevation()
    z[voids()] = np.nan
    z[100:115, 20:40] = 1500.0  # level ground
    site.raster(folder / "dem.tif", z, nodata=-9999.0)
    pga = np.linspace(5, 90, z.size, dtype=np.float32).reshape(z.shape)
    pga[:, 170:] = -1
    site.raster(folder / "pga.tif", pga, nodata=-1)
    with rasterio.open(folder / "pga.tif", "r+") as dst:
        dst.units = ("%g",)
    soil = 1 + np.add.outer(np.arange(site.ROWS) // 40, np.arange(site.COLS) // 50) % 3
    soil = soil.astype(np.int16)
    soil[140:] = -1
    site.raster(folder / "soil.tif", soil, nodata=-1)
    text = path.read_text() + '\n[layers.pga]\npath = "pga.tif"\n' + PREPARE_ONLY
    path.write_text(text + "".join(f"[factors.{c}]\n{t}\n" for c, t in FACTORS.items()))
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("catalogue") / "site")


@pytest.fixture(scope="module")
def prepared(study: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    run = open_run(study, tmp_path_factory.mktemp("out") / "run")
    pipeline.prepare(run)
    return run


def read(run: pipeline.Run, code: str) -> np.ndarray:
    with rasterio.open(run.out / "factors" / f"{code}.tif") as src:
        return np.asarray(src.read(1))


def missing(code: str) -> np.ndarray:
    """Where the inputs of a factor have no value."""
    empty = np.zeros((site.ROWS, site.COLS), bool)
    if code == "VAL":
        empty[:, 170:] = True
    elif code in ("CAT", "SHA"):
        empty[140:] = True
    elif code in ("CATP", "SHB"):
        empty[:, 90:135] = True
    elif code in ("ELE", "SLO1", "ASP", "CUR", "CURP", "CURH", "TPI1", "TPI2", "REL", "ROU",
                  "NOR", "EAS", "UPS", "WET", "HEI", *OF_THE_DEM):  # fmt: skip
        empty = voids()
    return empty


def test_every_function_is_held_to_the_rules(prepared: pipeline.Run) -> None:
    used = {f.options["function"] for f in prepared.factors()}
    assert used == set(FUNCTIONS)
    assert prepared.codes == list(FACTORS)


def test_every_function_says_what_it_is() -> None:
    for name, function in FUNCTIONS.items():
        assert function.kind in Kind.__args__, name
        assert function.definition, name
        assert function.unit or name == "value", name
        assert set(function.inputs) <= {"layer", "dem", "event"}, name


@pytest.mark.parametrize("code", FACTORS)
def test_form_and_unit(prepared: pipeline.Run, code: str) -> None:
    factor = next(f for f in prepared.factors() if f.code == code)
    with rasterio.open(prepared.out / "factors" / f"{code}.tif") as src:
        assert (src.dtypes[0], src.count) == ("float32", 1)
        assert src.shape == (site.ROWS, site.COLS)
        assert np.isnan(src.nodata)
        assert src.tags()["unit"] == factor.unit != ""
        assert src.tags()["kind"] == factor.kind
        assert src.tags()["source"] != ""
        assert src.tags()["definition"] != ""


@pytest.mark.parametrize("code", FACTORS)
def test_values_are_missing_exactly_where_inputs_are(prepared: pipeline.Run, code: str) -> None:
    assert (np.isnan(read(prepared, code)) == missing(code)).all()


RANGES = {"circular": (-1.0, 360.0), "axial": (0.0, 180.0)}


@pytest.mark.parametrize("code", FACTORS)
def test_values_are_in_their_range(prepared: pipeline.Run, code: str) -> None:
    factor = next(f for f in prepared.factors() if f.code == code)
    values = read(prepared, code)
    known = values[np.isfinite(values)]
    assert known.min() < known.max()
    if factor.kind in RANGES:
        low, high = RANGES[factor.kind]
        assert low <= known.min() <= known.max() < high
    if factor.kind == "categorical":
        assert (known == np.round(known)).all()
        assert not factor.legend or set(np.unique(known)) <= set(factor.legend)


@pytest.fixture(scope="module", params=[48, 256])
def other_tiles(
    request: pytest.FixtureRequest, study: Path, tmp_path_factory: pytest.TempPathFactory
) -> pipeline.Run:
    out = tmp_path_factory.mktemp("tiles") / "run"
    run = open_run(study, out, f"grid.tile={request.param}")
    pipeline.prepare(run)
    return run


def test_values_do_not_depend_on_the_tiles(
    prepared: pipeline.Run, other_tiles: pipeline.Run
) -> None:
    for code in FACTORS:
        a, b = read(prepared, code), read(other_tiles, code)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, err_msg=code)


@pytest.mark.parametrize("code", FACTORS)
def test_a_factors_own_halo_is_enough(prepared: pipeline.Run, code: str) -> None:
    """Each alone: together, the widest halo of all would hide one that is too narrow."""
    factor = next(f for f in prepared.factors() if f.code == code)
    tile = Tile((1, 1), 40, 97, 33, 150)
    alone = factor.compute(TileInputs(prepared.grid(), tile, prepared.dem(), factor.halo))
    expected = read(prepared, code)[40:97, 33:150]
    np.testing.assert_allclose(alone, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_bytes_do_not_depend_on_the_workers(
    prepared: pipeline.Run, study: Path, tmp_path: Path, workers: int
) -> None:
    run = open_run(study, tmp_path / "run", workers=workers)
    pipeline.prepare(run)
    for code in FACTORS:
        ours, theirs = (
            hashlib.sha256((r.out / "factors" / f"{code}.tif").read_bytes()).hexdigest()
            for r in (run, prepared)
        )
        assert ours == theirs, code


def test_what_is_made_once_is_made_once(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shakeslide.factors import hydrology

    calls: list[int] = []
    real = hydrology._directions
    monkeypatch.setattr(hydrology, "_directions", lambda *a: calls.append(1) or real(*a))
    run = open_run(study, tmp_path / "run")
    pipeline.prepare(run)
    assert len(calls) == 2  # water, and ridges
    folder = run.ledger.work / "whole"
    # Area (for several factors), height, rivers; height and lines of ridges.
    assert len(list(folder.iterdir())) == 5
    again = open_run(study, tmp_path / "run", "factors.HEI.min_area=0.08")
    pipeline.prepare(again)
    assert len(calls) == 3
    assert len(list(folder.iterdir())) == 6


# ------------------------------------------------------------------ values of single functions


def test_units_are_converted(prepared: pipeline.Run) -> None:
    values = read(prepared, "VAL")
    assert values[0, 0] == pytest.approx(0.05)
    assert np.nanmax(values) < 0.9


def centres() -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(site.COLS) + 0.5, np.arange(site.ROWS) + 0.5)
    x, y = site.point(cols, rows)
    return x, y


def test_distance_to_the_epicentre(prepared: pipeline.Run) -> None:
    to_map = Transformer.from_crs("EPSG:4326", site.CRS, always_xy=True)
    ex, ey = to_map.transform(73.30, 34.66)
    x, y = centres()
    np.testing.assert_allclose(read(prepared, "DISE"), np.hypot(x - ex, y - ey), rtol=1e-6)


def test_distance_to_points(study: Path, prepared: pipeline.Run) -> None:
    table = pd.read_csv(study.parent / "aftershocks.csv")
    to_map = Transformer.from_crs("EPSG:4326", site.CRS, always_xy=True)
    px, py = to_map.transform(table.longitude.to_numpy(), table.latitude.to_numpy())
    x, y = centres()
    expected = np.hypot(x[..., None] - px, y[..., None] - py).min(axis=2)
    np.testing.assert_allclose(read(prepared, "DISP"), expected, rtol=1e-5, atol=1e-2)


def test_distance_to_lines(prepared: pipeline.Run) -> None:
    import geopandas as gpd

    rivers = gpd.read_file(next(iter(prepared.study.layers.values())).path.parent / "rivers.gpkg")
    x, y = centres()
    expected = shapely.distance(shapely.points(x, y), rivers.union_all())
    np.testing.assert_allclose(read(prepared, "DIS"), expected, rtol=1e-5, atol=1e-2)


def test_exposure(prepared: pipeline.Run) -> None:
    aspect, slope = read(prepared, "ASP"), np.radians(read(prepared, "SLO1").astype(float))
    flat = aspect == -1
    assert flat.any()
    north = np.where(flat, 0, np.cos(np.radians(aspect.astype(float))))
    east = np.where(flat, 0, np.sin(np.radians(aspect.astype(float)))) * np.sin(slope)
    np.testing.assert_allclose(read(prepared, "NOR"), north, atol=1e-6)
    np.testing.assert_allclose(read(prepared, "EAS"), east, atol=1e-6)


def test_level_ground_does_not_bend(prepared: pipeline.Run) -> None:
    for code in ("CUR", "CURP", "CURH"):
        assert (read(prepared, code)[102:113, 22:38] == 0).all()


def test_roughness_is_the_range_of_nine_cells(prepared: pipeline.Run) -> None:
    from scipy import ndimage

    z = read(prepared, "ELE").astype(float)
    inside = np.s_[30:55, 80:120]
    expected = ndimage.maximum_filter(z, 3)[inside] - ndimage.minimum_filter(z, 3)[inside]
    np.testing.assert_allclose(read(prepared, "ROU")[inside], expected, atol=1e-3)
