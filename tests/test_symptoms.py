"""Signs of trouble in arrays: each is found where it is, and not where it is not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from shakeslide.checks import symptoms
from shakeslide.io import units
from shakeslide.io.summary import Summary, full_byte, untagged_nodata
from shakeslide.layers.positives import Positive

from .lines import lacks

DATA = Path(os.environ.get("SHAKESLIDE_DATA", Path(__file__).parents[2] / "shared" / "data"))
KASHMIR = DATA / "kashmir2005" / "dem_aw3d30_28p55m.tif"


def ground(seed: int = 1, rows: int = 220, cols: int = 260) -> np.ndarray:
    """Rough natural-looking ground in metres: a random surface with a power spectrum k^-3.6."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :]
    power = np.hypot(fy, fx)
    power[0, 0] = np.inf
    noise = rng.standard_normal((rows, fx.size)) + 1j * rng.standard_normal((rows, fx.size))
    z = np.fft.irfft2(noise * power**-1.8, (rows, cols))
    return (1500 + 400 * z / z.std()).astype(np.float32)


# ------------------------------------------------------------------ nodata


def seen(values: np.ndarray) -> Summary:
    return Summary.of(np.asarray(values), symptoms.MOST_CLASSES)


FILLS = [-9999, -32768, 32767, 65535, -3.4028234663852886e38, 3.4e38, 1e20, 9.969e36, 1e35]


@pytest.mark.parametrize("number", FILLS)
def test_untagged_nodata(number: float) -> None:
    values = ground().ravel()
    assert untagged_nodata(seen(values)) == ""
    values[:13] = number
    said = untagged_nodata(seen(values))
    assert f"set nodata = {np.float32(number):.8g}" in said
    # A second number of this kind at the other end does not hide the first.
    other = -32767 if number > 0 else 65535
    values[20:25] = other
    assert "set nodata = " in untagged_nodata(seen(values))
    assert dict(seen(values).apart) == {float(np.float32(number)): 13, other: 5}


def test_numbers_that_belong_to_the_data_are_no_nodata() -> None:
    assert untagged_nodata(seen(np.linspace(-40_000, -9999, 5000))) == ""
    assert untagged_nodata(seen(np.full(10, -9999.0))) == ""
    assert untagged_nodata(seen(np.array([1.0, 2, 3, 255, 254]))) == ""
    assert untagged_nodata(seen(np.array([1.0, 2, 3, 255]))) == ""


def test_a_full_byte_may_mean_nodata() -> None:
    assert "nodata = 255" in full_byte(seen(np.array([1, 2, 3, 255], np.uint8)), "uint8")
    assert "nodata = -128" in full_byte(seen(np.array([1, 2, 3, -128], np.int8)), "int8")
    assert full_byte(seen(np.array([1, 2, 3, 127], np.int8)), "int8") == ""
    assert full_byte(seen(np.array([1, 2, 3, 255], np.int16)), "int16") == ""
    assert full_byte(seen(np.arange(256)), "uint8") == ""
    assert full_byte(seen(np.array([254, 255], np.uint8)), "uint8") == ""
    assert full_byte(seen(np.array([-127, -128], np.int8)), "int8") == ""


def test_zeros_far_below_the_rest() -> None:
    z = ground() + 1000
    assert symptoms.zero_plateau(seen(z)) == ""
    z[10:20, 10:20] = 0
    assert "set nodata = 0" in symptoms.zero_plateau(seen(z))
    coast = np.maximum(ground() - 1600, 0)
    assert symptoms.zero_plateau(seen(coast)) == ""


def test_elevations_not_on_land() -> None:
    z = ground().ravel()
    assert symptoms.not_elevations(seen(z)) == ""
    assert "scale = 0.3048" in symptoms.not_elevations(seen(z / 0.3048 + 9000))
    assert "nodata" in symptoms.not_elevations(seen(np.append(z, -600)))
    assert symptoms.not_elevations(seen(np.array([-430.0, 8849.0]))) == ""


def test_cells_much_finer_than_the_elevation_model() -> None:
    assert symptoms.interpolated(28.6, 25.0) == symptoms.interpolated(30.0, 90.0) == ""
    assert "set [grid] resolution = 29" in symptoms.interpolated(28.6, 10.0)


def test_probabilities_lie_between_0_and_1() -> None:
    assert symptoms.not_probabilities(seen(np.array([0.0, 0.5, 1.0]))) == ""
    assert "scale (0.01" in symptoms.not_probabilities(seen(np.array([0.0, 55.0])))


def test_feet() -> None:
    assert symptoms.not_metres(["m", ""]) == symptoms.not_metres(["", "metre"]) == ""
    assert "scale = 0.3048 " in symptoms.not_metres(["ft", ""])
    assert "scale = 0.3048006 " in symptoms.not_metres(["", "US survey foot"])
    # A stated scale replaces the file's own scale and offset.
    assert "scale = 0.03048 " in symptoms.not_metres(["ft"], 0.1)
    assert "scale =" not in symptoms.not_metres(["ft"], 0.1, -500.0)


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        *((u, 0.3048) for u in ("ft", "Feet", "[ft_i]", "international foot", "feet above MSL")),
        *(
            (u, 1200 / 3937)
            for u in ("us-ft", "ftUS", "foot_us", "U.S. survey feet", "ft (US)", "US survey foot")
        ),
        *((u, 1.0) for u in ("m", "metre", "Meters")),
        *((u, None) for u in ("", "unknown", "ft/s", "m/s", "%", "degree", "custom", "usage")),
        ("dm", 0.1), ("centimetre", 0.01), ("km", 1000.0),
    ],
)  # fmt: skip
def test_units_of_heights(unit: str, metres: float | None) -> None:
    assert units.metres(unit) == metres


def test_voids_are_holes_not_edges() -> None:
    z = ground()
    z[:, :5] = np.nan
    z[-3:] = np.nan
    assert symptoms.voids(z) == ""
    z[50:60, 50:60] = np.nan
    z[100, 100] = np.nan
    assert symptoms.voids(z).startswith("has 2 voids inside")


# ------------------------------------------------------------------ classes and units


def test_whole_numbers_without_a_unit() -> None:
    codes = seen(np.arange(10_000) % 7)
    assert 'set function = "category"' in symptoms.undeclared_classes(codes, "int16", "", False)
    assert "has a colour table" in symptoms.undeclared_classes(codes, "uint8", "", True)
    assert symptoms.undeclared_classes(codes, "int16", "MMI", False) == ""
    assert symptoms.undeclared_classes(codes, "float32", "", False) == ""
    assert symptoms.undeclared_classes(seen(np.arange(900)), "int16", "", False) == ""


@pytest.mark.parametrize(
    ("highest", "unit", "words"),
    [
        (75.0, "g", "more than ever measured"),
        (0.75, "g", ""),
        (75.0, "%g", ""),
        (0.75, "%g", "is it in g?"),
        (0.75, "pctg", "is it in g?"),
        (700.0, "m/s2", "more than ever measured"),
        (7.0, "m/s2", ""),
        (75.0, "cm/s", ""),
        (8.0, "MMI", ""),
        (1e6, "", ""),
    ],
)
def test_accelerations_fit_their_unit(highest: float, unit: str, words: str) -> None:
    said = symptoms.unlikely_unit(seen(np.linspace(0, highest, 50)), unit)
    assert words in said
    assert bool(words) == bool(said)


# ------------------------------------------------------------------ elevation models


def test_whole_metres_at_fine_cells() -> None:
    z = np.round(ground())
    assert "steps of 1 m at cells of 12.5 m" in symptoms.stepped(z, 12.5)
    assert symptoms.stepped(z, 30.0) == ""
    assert symptoms.stepped(ground(), 12.5) == ""
    assert "steps of 5 m" in symptoms.stepped(np.round(ground() / 5) * 5, 30.0)
    assert symptoms.stepped(np.round(ground() * 100) / 100, 0.5) == ""


def test_elevations_in_kilometres_or_in_feet_make_unlikely_slopes() -> None:
    z = ground()
    relief = float(np.ptp(z))
    assert symptoms.unlikely_slopes(z, 30.0, relief) == ""
    assert "scale = 1000" in symptoms.unlikely_slopes(z / 1000, 30.0, relief / 1000)
    # A plain in the middle of mountains is a plain.
    assert symptoms.unlikely_slopes(z / 1000, 30.0, relief) == ""
    assert "0.3048" in symptoms.unlikely_slopes(z * 40, 30.0, relief * 40)
    # Half of the slopes are above 51 degrees: no landscape in cells of 30 m, a cliff in those of 5.
    steep = np.add.outer(np.arange(40.0), np.arange(40.0)) * 30 * 0.9
    assert "0.3048" in symptoms.unlikely_slopes(steep, 30.0, 2000.0)
    assert symptoms.unlikely_slopes(steep / 6, 5.0, 2000.0) == ""
    # At 43 degrees, which feet would have made steeper.
    assert symptoms.unlikely_slopes(steep * 0.74, 30.0, 2000.0) == ""
    assert symptoms.unlikely_slopes(np.full((9, 9), np.nan, np.float32), 30.0, 0.0) == ""
    assert symptoms.unlikely_slopes(z[:2], 30.0, relief) == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stripes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = ground(seed)
    assert symptoms.striped(z) == ""
    rows = z + 3 * rng.standard_normal(z.shape[0])[:, None].astype(np.float32)
    assert "is striped (rows shifted by about" in symptoms.striped(rows)
    columns = z + np.where(np.arange(z.shape[1]) % 6 == 0, 10, 0).astype(np.float32)
    assert "is striped (columns shifted by about" in symptoms.striped(columns)
    blocks = np.repeat(np.repeat(z, 2, axis=0), 2, axis=1)
    assert "repeats its cells in blocks" in symptoms.striped(blocks)


def test_voids_do_not_look_like_stripes() -> None:
    z = ground()
    z[60:90, 100:160] = np.nan
    z[:, :20] = np.nan
    assert symptoms.striped(z) == ""


@pytest.mark.skipif(not KASHMIR.is_file(), reason=f"{KASHMIR} is not there")
def test_a_real_dem_is_sound() -> None:
    with rasterio.open(KASHMIR) as src:
        z = src.read(1)
    assert symptoms.striped(z) == symptoms.stepped(z, 28.55) == symptoms.voids(z) == ""
    assert untagged_nodata(seen(z)) == symptoms.zero_plateau(seen(z)) == ""
    assert symptoms.not_elevations(seen(z)) == ""


# ------------------------------------------------------------------ inventories


def test_landslides_mapped_twice() -> None:
    shapes = np.array([shapely.box(100 * i, 0, 100 * i + 50, 60) for i in range(6)], object)
    assert symptoms.repeated(shapes) == symptoms.nearly_the_same(shapes) == ""
    turned = shapely.Polygon(np.roll(shapely.get_coordinates(shapes[0])[:-1], 2, axis=0))
    twice = np.append(shapes, turned)
    assert symptoms.repeated(twice).startswith("1 of 7 landslides appear twice")
    assert symptoms.nearly_the_same(twice) == ""
    nearly = np.append(shapes, shapely.box(101, 1, 150, 60))
    assert symptoms.repeated(nearly) == ""
    assert symptoms.nearly_the_same(nearly).startswith("1 pairs of landslides")
    inside = np.append(shapes, shapely.box(110, 10, 120, 20))
    assert symptoms.nearly_the_same(inside) == ""


EVENT = datetime(2005, 10, 8, 3, 50, tzinfo=UTC)


def dates(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), utc=True, format="ISO8601"))


def test_dates_outside_the_event() -> None:
    assert list(symptoms.undated(dates("2005-10-08", "2005-10-20"), EVENT)) == []
    early, late = symptoms.undated(dates("2001-03-01", "2005-10-20", "2010-02-02"), EVENT)
    assert not lacks(early, "1 of 3 landslides", "before", "2001-03-01")
    assert not lacks(late, "1 of 3 landslides", "2 years after")
    assert symptoms.undated(dates("", ""), EVENT) == ["none of its landslides has a date"]


def test_years_are_compared_as_years() -> None:
    assert list(symptoms.undated(dates("2005-01-01", "2006-01-01"), EVENT)) == []
    assert len(symptoms.undated(dates("2005-01-01", "2001-01-01"), EVENT)) == 1
    assert list(symptoms.undated(dates("2005-11-01"), datetime(2005, 10, 8))) == []


def test_only_whole_outlines_are_warned_of() -> None:
    assert "positives_from" in symptoms.run_out_learnt(Positive.OUTLINES)
    assert not any(map(symptoms.run_out_learnt, set(Positive) - {Positive.OUTLINES}))
