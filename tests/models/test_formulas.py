"""Published formulas against values worked by hand."""

from __future__ import annotations

from dataclasses import replace
from math import cos, exp, log, log10, radians, sin, tan

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.models import (
    MODELS,
    Jessee2018,
    Jessee2022,
    Kritikos2015,
    Newmark,
    RawModel,
    SlopePGA,
    SlopePGV,
)
from shakeslide.models.formulas import kritikos, newmark
from shakeslide.models.formulas.jessee import LAND_COVER, LITHOLOGY, areal_coverage

from ..lines import lacks
from . import described
from .described import FACTORS, PRESENT, STRENGTH, conversion


def predict(model: RawModel, row: list[float]) -> float:
    X = np.array([row, row], np.float32)
    return float(model.fit(X, [0, 1]).predict_proba(X)[0, 1])


def told(model: RawModel, factors=FACTORS, present=PRESENT) -> RawModel:
    return model.describe(factors, conversion, present)


def critical_from_factor_of_safety(slope, c, phi, gamma, t, m):
    """FS and a_c as they are published, with divisions by sin and tan of the slope."""
    a = radians(slope)
    fs = c / (gamma * t * sin(a)) + tan(radians(phi)) / tan(a)
    fs -= m * 9.81 * tan(radians(phi)) / (gamma * tan(a))
    return (fs - 1) * sin(a)


@pytest.mark.parametrize("slope", [5.0, 25.0, 50.0])
@pytest.mark.parametrize("m", [0.0, 0.7])
def test_critical_acceleration_is_that_of_the_factor_of_safety(slope, m):
    strength = np.array([[12.0, 32.0, 19.0]])
    got = newmark.critical_acceleration(np.array([slope]), strength, 2.4, m)
    assert got[0] == pytest.approx(critical_from_factor_of_safety(slope, 12, 32, 19, 2.4, m))


def test_level_ground_has_friction_and_cohesion():
    got = newmark.critical_acceleration(np.zeros(1), np.array([[24.0, 45.0, 20.0]]), 2.0, 0.0)
    assert got[0] == pytest.approx(24 / 40 + 1)


def test_displacements_by_hand():
    # r = 0.1: 10^(0.215 + 2.341 log 0.9 + 1.438) = 35.1 cm
    d = newmark.displacement_pga(np.array([0.05]), np.array([0.5]), False, 0.0)
    assert log10(d[0]) == pytest.approx(0.215 + 2.341 * log10(0.9) + 1.438)
    assert d[0] == pytest.approx(35.14, abs=0.01)
    d = newmark.displacement_pga(np.array([0.05]), np.array([0.5]), True, 7.6)
    assert log10(d[0]) == pytest.approx(-2.71 + 2.335 * log10(0.9) + 1.478 + 0.424 * 7.6)
    # Arias 4 m/s, a_c 0.1 g: 10^(0.9157 + 1.993 - 1.546)
    d = newmark.displacement_arias(np.array([0.1]), np.array([4.0]))
    assert log10(d[0]) == pytest.approx(1.521 * log10(4) + 1.993 - 1.546)
    assert d[0] == pytest.approx(23.06, abs=0.01)


def test_no_displacement_where_the_shaking_stays_below_the_strength():
    critical, pga = np.array([0.3, 0.31, 5.0, -0.2, 0.1]), np.array([0.3, 0.3, 0.3, 0.3, 0.0])
    d = newmark.displacement_pga(critical, pga, False, 0.0)
    assert (d == 0).tolist() == [True, True, True, False, True]
    assert np.isfinite(d).all()


def test_probability_of_failure():
    # 5^1.565 = 12.413, 0.048 of it 0.59584, 0.335 (1 - 0.55110) = 0.15038
    p = newmark.failure_probability(np.array([0.0, 1.0, 5.0, 1e9]))
    np.testing.assert_allclose(p, [0, 0.335 * (1 - exp(-0.048)), 0.15038, 0.335], atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"form": "jibson2007_magnitude", "magnitude": 7.6}, {"form": "jibson2000"}]
)
def test_newmark_from_the_raw_factors(settings):
    model = told(Newmark(STRENGTH, t=2.0, m=0.25, **settings))
    row = [28.0, 0.6, 50.0, 8.0, 3.0, 2.0, 1.0]
    ac = critical_from_factor_of_safety(28.0, 8, 30, 18, 2.0, 0.25)
    r = ac / 0.6
    d = {
        "jibson2007": 0.215 + 2.341 * log10(1 - r) - 1.438 * log10(r),
        "jibson2007_magnitude": -2.71
        + 2.335 * log10(1 - r)
        - 1.478 * log10(r)
        + 0.424 * (model.magnitude or 0),
        "jibson2000": 1.521 * log10(3.0) - 1.993 * log10(ac) - 1.546,
    }[model.form]
    wanted = 0.335 * (1 - exp(-0.048 * (10**d) ** 1.565))
    assert 0.001 < wanted < 0.334
    assert predict(model, row) == pytest.approx(wanted, rel=1e-5)


ROW = [30.0, 0.5, 40.0, 6.0, 1.0, 1.0, 2.0]


def x_of(pgv, slope, cti, lithology, cover):
    x = -6.30 + 1.65 * log(pgv) + 0.06 * slope + 0.03 * cti + 0.01 * log(pgv) * slope
    return x + lithology + cover


def test_jessee_2018_by_hand():
    # -6.3 + 6.0867 + 1.8 + 0.18 + 1.1067 - 1.54 + 1.13 = 2.4633
    wanted = x_of(40, 30, 6, LITHOLOGY["va"], LAND_COVER[120])
    assert wanted == pytest.approx(2.4633, abs=1e-4)
    p = predict(told(Jessee2018()), ROW)
    assert p == pytest.approx(1 / (1 + exp(-wanted)))
    assert p == pytest.approx(0.92153, abs=1e-5)
    coverage = predict(told(Jessee2018(output="coverage")), ROW)
    assert coverage == pytest.approx(exp(-7.592 + 5.237 * p - 3.042 * p**2 + 4.035 * p**3))
    assert coverage == pytest.approx(0.11174, abs=1e-5)


def test_coverage_of_no_and_of_certain_landslides():
    np.testing.assert_allclose(areal_coverage(np.array([0.0, 1.0])), np.exp([-7.592, -1.362]))


def test_jessee_2022_limits_shaking_and_wetness_and_gentle_or_quiet_ground():
    model = told(Jessee2022())
    p = predict(model, [30.0, 0.5, 300.0, 25.0, 1.0, 2.0, 2.0])
    assert p == pytest.approx(1 / (1 + exp(-x_of(211, 30, 19, -1.36, 1.13))))
    assert predict(model, ROW) == pytest.approx(predict(told(Jessee2018()), ROW))
    assert predict(model, [1.99, *ROW[1:]]) == 0
    assert predict(model, [2.0, *ROW[1:]]) > 0
    assert predict(model, [30.0, 0.0199, *ROW[2:]]) == 0
    assert predict(model, [30.0, 0.0201, *ROW[2:]]) > 0


@pytest.mark.parametrize("output", ["probability", "coverage"])
def test_deviation_follows_the_derivative(output):
    model = told(Jessee2022(output=output))
    X = np.array([ROW, [12.0, 0.2, 9.0, 8.0, 1.0, 3.0, 1.0]], np.float32)
    model.fit(X, [0, 1])
    step = 1e-3
    more, less = X.copy(), X.copy()
    more[:, 2] *= exp(step)
    less[:, 2] *= exp(-step)
    slope = (model.predict_proba(more)[:, 1] - model.predict_proba(less)[:, 1]) / (2 * step)
    ln_pgv = np.array([0.5, 0.3])
    np.testing.assert_allclose(model.deviation(X, ln_pgv, 0.0), slope * ln_pgv, rtol=2e-4)
    # σ of X of 0.4 beside (1.65 + 0.01 slope) σ of ln PGV.
    ratio = model.deviation(X, ln_pgv, 0.4) / model.deviation(X, ln_pgv, 0.0)
    by_hand = np.hypot(1, 0.4 / ((1.65 + 0.01 * X[:, 0]) * ln_pgv))
    np.testing.assert_allclose(ratio, by_hand)


def test_deviation_of_gentle_and_of_unknown_ground():
    model = told(Jessee2022(output="coverage"))
    X = np.array([[1.0, *ROW[1:]], [*ROW[:6], 9.0]], np.float32)
    sd = model.fit(X, [0, 1]).deviation(X, np.full(2, 0.5))
    assert sd[0] > 0
    assert np.isnan(sd[1])
    assert model.predict_proba(X)[0, 1] == 0


def test_kritikos_by_hand():
    # MMI 7.25 and slope 25 lie halfway between points, 6.25 km between 5 and 7.5.
    memberships = [(0.277 + 0.495) / 2, (0.452 + 0.682) / 2, (0.864 + 0.712) / 2, 0.915]
    fuzzy_sum = 1 - np.prod([1 - m for m in memberships])
    wanted = fuzzy_sum**0.9 * np.prod(memberships) ** 0.1
    row = [25.0, 0.5, 40.0, 6.0, 1.0, 1.0, 2.0, 7.25, 6_250.0, 22.0]
    assert predict(told(Kritikos2015()), row) == pytest.approx(wanted, rel=1e-6)
    assert predict(told(Kritikos2015(step=23)), row) < wanted
    with pytest.raises(InputError, match="step 0"):
        Kritikos2015(step=0).quantities()


def test_positions_on_the_slope():
    position, slope = np.array([5.0, -5.0, 4.9, -4.9, 30.0]), np.array([30.0, 30, 30, 4.9, 0])
    got = kritikos.position_membership(position, slope, 5.0)
    assert got.tolist() == [0.915, 0.342, 0.751, 0.025, 0.915]


def test_memberships_end_at_their_last_points():
    low, high = [0.0, 0.0, 0.0, 6.0, 1.0, 1.0, 2.0], [80.0, 1.0, 90.0, 6.0, 1.0, 1.0, 2.0]
    model = told(Kritikos2015())
    last = [0.92, 0.884, 1.0, 0.915]
    wanted = (1 - np.prod([1 - m for m in last])) ** 0.9 * np.prod(last) ** 0.1
    assert predict(model, [*high, 11.0, 0.0, 39.0]) == pytest.approx(wanted, rel=1e-6)
    last = [0.01, 0.02, 0.011, 0.025]
    wanted = (1 - np.prod([1 - m for m in last])) ** 0.9 * np.prod(last) ** 0.1
    assert predict(model, [*low, 2.0, 1e6, 0.0]) == pytest.approx(wanted, rel=1e-6)


def test_slope_times_shaking():
    x = tan(radians(30)) * 0.5
    assert predict(told(SlopePGA()), ROW) == pytest.approx(x / (1 + x))
    x = tan(radians(30)) * 0.4
    assert predict(told(SlopePGV()), ROW) == pytest.approx(x / (1 + x))
    for model in (SlopePGA(), SlopePGV()):
        assert predict(told(model), [0.0, *ROW[1:]]) == 0
        assert predict(told(model), [90.0, *ROW[1:]]) < 1


def test_no_shaking_no_landslides():
    assert predict(told(Jessee2018()), [0.0, 0.0, 0.0, 6.0, 0.0, 1.0, 1.0]) == 0


def test_units_are_turned_into_those_of_the_formula():
    metres = [replace(f, unit="m/s") if f.code == "PGV" else f for f in FACTORS]
    row = [*ROW[:2], 0.4, *ROW[3:]]
    assert predict(told(Jessee2018(), metres), row) == pytest.approx(
        predict(told(Jessee2018()), ROW), rel=1e-6
    )
    percent = [replace(f, unit="%g") if f.code == "PGA" else f for f in FACTORS]
    wanted = predict(told(Newmark(STRENGTH)), [45.0, 0.9, *ROW[2:]])
    assert wanted > 0.01
    got = predict(told(Newmark(STRENGTH), percent), [45.0, 90.0, *ROW[2:]])
    assert got == pytest.approx(wanted, rel=1e-5)


def test_classes_of_the_study_are_mapped():
    own = [
        replace(f, legend={1: "Andesite", 2: "Gravel"}) if f.code == "LITH" else f for f in FACTORS
    ]
    codes = [replace(f, legend={}) if f.code == "LC" else f for f in own]
    names = {"Andesite": "va", "Gravel": "su"}
    model = told(
        Jessee2018(lithology_classes=names, land_cover_classes={"7": 120}),
        codes,
        {"LITH": [1], "LC": [7, 40]},
    )
    assert predict(model, [*ROW[:6], 7.0]) == predict(told(Jessee2018()), ROW)


def test_ground_of_a_class_that_is_not_known_has_no_probability():
    model = told(Jessee2018())
    X = np.array([ROW, [*ROW[:6], 9.0], [*ROW[:5], 0.0, 2.0]], np.float32)
    p = model.fit(X[:2], [0, 1]).predict_proba(X)[:, 1]
    assert np.isnan(p).tolist() == [False, True, True]


def without(code):
    return [f for f in FACTORS if f.code != code]


@pytest.mark.parametrize(
    ("name", "factors", "settings", "said"),
    [
        ("jessee2018", without("PGV"), {}, "peak ground velocity in cm/s (no factor PGV)"),
        ("jessee2018", without("CTI"), {}, "topographic wetness (no factor CTI)"),
        ("jessee2022", without("PGA"), {}, "peak ground acceleration in g (no factor PGA)"),
        ("jessee2018", FACTORS, {"pgv": "PGA"}, "in cm/s (factor PGA is in 'g')"),
        ("jessee2018", FACTORS, {"lithology": "SLO"}, "lithology (factor SLO has no classes)"),
        ("jessee2018", FACTORS, {"slope": "LITH"}, "slope in deg (factor LITH is without a unit)"),
        ("kritikos2015", without("DFA"), {}, "distance to active faults in m (no factor DFA)"),
        ("slope_pgv", without("PGV"), {}, "peak ground velocity in cm/s (no factor PGV)"),
        ("newmark", FACTORS, {"strength": None}, "[models.newmark.strength.<class>]"),
        ("newmark", FACTORS, {"strength": {"x": STRENGTH["va"]}}, "strength.<class>"),
        ("newmark", without("ARIAS"), {"form": "jibson2000"}, "Arias intensity in m/s"),
        ("newmark", FACTORS, {"form": "jibson2007_magnitude"}, "magnitude ([event] magnitude)"),
    ],
)
def test_what_is_missing_is_named_and_nothing_guessed(name, factors, settings, said):
    model = MODELS[name].make(**{**described.SETTINGS.get(name, {}), **settings})
    lacks = model.lacks(factors, conversion)
    assert len(lacks) == 1
    assert said in lacks[0]
    with pytest.raises(InputError, match="lacks"):
        told(model, factors)


def test_nothing_is_missing_of_the_whole_set():
    for name, entry in MODELS.items():
        if entry.raw:
            model = entry.make(**described.SETTINGS.get(name, {}))
            assert model.lacks(FACTORS, conversion) == []


def test_an_acceleration_without_a_unit_is_not_taken_for_g():
    plain = [replace(f, unit="") if f.code == "PGA" else f for f in FACTORS]
    assert "without a unit" in Newmark(STRENGTH).lacks(plain, conversion)[0]


def test_classes_that_occur_and_are_not_given_are_named():
    part = {k: v for k, v in STRENGTH.items() if k != "mt"}
    with pytest.raises(InputError, match=r"strength.<class>\] lacks 'mt', which LITH"):
        told(Newmark(part))
    told(Newmark(part), present={"LITH": [1, 2]})
    with pytest.raises(InputError, match="'va' = 'xx', but the formula has no such class"):
        told(Jessee2018(lithology_classes={"va": "xx"}))
    with pytest.raises(InputError, match="form 'jibson'"):
        Newmark(STRENGTH, form="jibson").quantities()
    with pytest.raises(InputError, match="output 'share'"):
        Jessee2018(output="share").quantities()


def test_a_magnitude_beyond_the_regressions_is_told():
    form = {"form": "jibson2007_magnitude"}
    (line,) = Newmark(STRENGTH, magnitude=7.9, **form).remarks()
    assert "7.9 lies beyond 5.3 to 7.6" in line
    assert Newmark(STRENGTH, magnitude=7.6, **form).remarks() == []
    assert Newmark(STRENGTH, magnitude=7.9).remarks() == []


def test_where_classes_are_mapped_is_told():
    own = [replace(f, legend={1: "Andesite"}) if f.code == "LITH" else f for f in FACTORS]
    for cls in (Jessee2018, Jessee2022):
        (line,) = cls().lacks(own, conversion)
        assert not lacks(line, f"[models.{cls.__name__.lower()}]", "lithology_classes", "LITH")


def test_a_slope_at_its_limit_of_equilibrium():
    assert cos(radians(60)) == pytest.approx(0.5)
    strength = np.array([[0.0, 30.0, 20.0]])
    assert newmark.critical_acceleration(np.array([30.0]), strength, 2.0, 0.0)[0] == pytest.approx(
        0.0, abs=1e-15
    )


@pytest.mark.parametrize("output", ["probability", "coverage"])
def test_sensitivity_is_the_derivative_of_the_output(output):
    x = np.linspace(-9, 5, 200)

    def made(x: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-x))
        return p if output == "probability" else areal_coverage(p)

    slope = (made(x + 1e-4) - made(x - 1e-4)) / 2e-4
    assert Jessee2022(output).sensitivity(made(x)) == pytest.approx(slope, rel=1e-3, abs=1e-7)
