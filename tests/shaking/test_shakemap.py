"""Ground motion from ShakeMaps: values, deviations, repairs that are reported, refused files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.shaking import bssa14, conversion, shakemap_motion

from .shakemaps import COLS, EVENT, LON, PARTS, PGA, PGV, PRODUCT, ROWS, STEP, write, write_parts


def test_medians_parts_and_event(tmp_path: Path) -> None:
    write_parts(tmp_path)
    motion = shakemap_motion.read(write(tmp_path, {}))
    np.testing.assert_allclose(motion.pga.median, PGA / 100, rtol=1e-6)
    np.testing.assert_allclose(motion.pgv.median, PGV, rtol=1e-6)
    for measure, name in ((motion.pga, "PGA"), (motion.pgv, "PGV")):
        parts = (measure.total, measure.between, measure.within)
        for values, kind in zip(parts, ("STD", "GMPE_INTER_STD", "GMPE_INTRA_STD"), strict=True):
            np.testing.assert_allclose(values, PARTS[kind + name], rtol=1e-6)
    assert (motion.id, motion.version, motion.title) == ("us1", "3", "Somewhere")
    assert (motion.magnitude, motion.depth, motion.epicentre) == (6.9, 18.0, (85.1, 28.1))
    assert motion.time == "1989-10-18T00:04:15Z"
    assert not motion.scenario
    assert motion.vs30 is None
    assert motion.notes == ()
    assert motion.grid.affine.c == pytest.approx(LON - STEP / 2)
    assert motion.spacing == pytest.approx((5.56, 4.91), abs=0.01)
    # Prior deviations are larger than those that stations leave.
    assert motion.uncertainty_ratio == pytest.approx(0.4 / np.hypot(0.27, 0.49), rel=1e-6)
    assert motion.finite_rupture


def test_no_parts_are_split_as_bssa14(tmp_path: Path) -> None:
    write_parts(tmp_path, {"STDPGA": 0.3, "STDPGV": 0.5})
    motion = shakemap_motion.read(write(tmp_path, {}))
    for measure, name, total in ((motion.pga, "PGA", 0.3), (motion.pgv, "PGV", 0.5)):
        tau, phi = bssa14.deviations(name, 6.9)
        np.testing.assert_allclose(measure.total, total, rtol=1e-6)
        np.testing.assert_allclose(measure.between / measure.within, tau / phi)
        np.testing.assert_allclose(np.hypot(measure.between, measure.within), total, rtol=1e-6)
        assert any(name in note and "BSSA14" in note for note in motion.notes)
    assert motion.uncertainty_ratio is None
    assert motion.finite_rupture is None


def test_no_uncertainty_is_that_of_bssa14(tmp_path: Path) -> None:
    motion = shakemap_motion.read(write(tmp_path, {}))
    np.testing.assert_allclose(motion.pgv.between, 0.346)
    np.testing.assert_allclose(motion.pgv.total, np.hypot(0.346, 0.552))
    np.testing.assert_allclose(motion.pga.within, 0.495)
    assert len([n for n in motion.notes if "BSSA14" in n]) == 2


def test_one_measure_s_uncertainty_serves_the_other(tmp_path: Path) -> None:
    std = (np.full((ROWS, COLS), 0.3), "")
    usual = {name: np.hypot(*bssa14.deviations(name, 6.9)) for name in ("PGA", "PGV")}
    ratio = 0.3 / usual["PGA"]
    motion = shakemap_motion.read(write(tmp_path, {"STDPGA": std}))
    np.testing.assert_allclose(motion.pgv.total, usual["PGV"] * ratio, rtol=1e-6)
    assert any("PGV" in n and "PGA" in n for n in motion.notes)
    # Made from PGA, PGV has the part that PGA does not explain on top.
    motion = shakemap_motion.read(write(tmp_path, {"STDPGA": std, "PGV": None}))
    wanted = usual["PGV"] * np.sqrt(0.733**2 * ratio**2 + 1 - 0.733**2)
    np.testing.assert_allclose(motion.pgv.total, wanted, rtol=1e-6)
    np.testing.assert_allclose(motion.pga.total, 0.3, rtol=1e-6)


def test_parts_alone_make_the_total(tmp_path: Path) -> None:
    write_parts(tmp_path, {k: v for k, v in PARTS.items() if "GMPE" in k})
    motion = shakemap_motion.read(write(tmp_path, {}))
    np.testing.assert_allclose(motion.pga.total, np.hypot(0.27, 0.49), rtol=1e-6)
    assert [n.count("parts") for n in motion.notes] == [1, 1]


def test_bssa14_is_wider_for_small_earthquakes() -> None:
    assert bssa14.deviations("PGA", 4.0) == (0.398, 0.695)
    assert bssa14.deviations("PGV", 5.0) == pytest.approx((0.3735, 0.598))
    assert bssa14.deviations("PGA", 7.5) == bssa14.deviations("PGA", None) == (0.348, 0.495)


def test_deviations_that_lack_are_filled(tmp_path: Path) -> None:
    std = np.full((ROWS, COLS), 0.3)
    std[1, 2] = np.nan
    motion = shakemap_motion.read(write(tmp_path, {"STDPGA": (std, "ln(g)")}))
    assert motion.pga.total[1, 2] == pytest.approx(np.hypot(0.348, 0.495))
    assert np.isfinite(motion.pga.total).all()
    assert any("1 node" in n for n in motion.notes)


def test_no_scatter_at_a_station_is_a_little(tmp_path: Path) -> None:
    std = np.full((ROWS, COLS), 0.3)
    std[0, 0] = 0.0
    motion = shakemap_motion.read(write(tmp_path, {"STDPGA": (std, ""), "STDPGV": (std, "")}))
    for measure in (motion.pga, motion.pgv):
        assert measure.total[0, 0] == 0.01
        assert np.hypot(measure.between, measure.within)[0, 0] == pytest.approx(0.01)


def test_log10_deviations_become_natural(tmp_path: Path) -> None:
    motion = shakemap_motion.read(
        write(tmp_path, {"STDPGA": (np.full((ROWS, COLS), 0.2), "log10(g)")})
    )
    np.testing.assert_allclose(motion.pga.total, 0.2 * np.log(10), rtol=1e-6)


def test_nodes_in_another_order_and_across_180_degrees(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(ROWS * COLS).tolist()
    motion = shakemap_motion.read(write(tmp_path, {}, lon=179.9, order=order))
    np.testing.assert_allclose(motion.pga.median, PGA / 100, rtol=1e-6)
    assert motion.grid.affine.c == pytest.approx(179.9 - STEP / 2)


@pytest.mark.parametrize(
    ("unit", "gain"), [("g", 0.01), ("m/s2", 0.0980665), ("cm/s**2", 9.80665), ("pctg", 1.0)]
)
def test_units_of_acceleration(tmp_path: Path, unit: str, gain: float) -> None:
    motion = shakemap_motion.read(write(tmp_path, {"PGA": (PGA * gain, unit)}))
    np.testing.assert_allclose(motion.pga.median, PGA / 100, rtol=1e-5)


def test_logarithms_and_metres_are_reported(tmp_path: Path) -> None:
    changed = {"PGA": (np.log(PGA / 100), "ln(g)"), "PGV": (PGV / 100, "m/s")}
    motion = shakemap_motion.read(write(tmp_path, changed))
    np.testing.assert_allclose(motion.pga.median, PGA / 100, rtol=1e-4)
    np.testing.assert_allclose(motion.pgv.median, PGV, rtol=1e-4)
    assert sum("ln(g)" in n or "m/s" in n for n in motion.notes) == 2


def test_missing_measures_come_by_way_of_intensity(tmp_path: Path) -> None:
    motion = shakemap_motion.read(write(tmp_path, {"PGV": None}))
    np.testing.assert_allclose(motion.pgv.median, conversion.pgv_of_pga(motion.pga.median))
    assert any("no PGV" in n and "Worden" in n for n in motion.notes)
    motion = shakemap_motion.read(write(tmp_path, {"PGA": None, "MMI": None}))
    np.testing.assert_allclose(motion.pga.median, conversion.pga_of_pgv(motion.pgv.median))
    np.testing.assert_allclose(motion.mmi, conversion.intensity_of_pgv(motion.pgv.median))
    motion = shakemap_motion.read(write(tmp_path, {"PGA": None, "PGV": None}))
    np.testing.assert_allclose(motion.pgv.median, conversion.pgv_of_intensity(motion.mmi))


def test_unknown_and_zero_motion_is_reported(tmp_path: Path) -> None:
    pga, pgv = PGA.copy(), PGV.copy()
    pga[0, :2], pgv[0, 0] = np.nan, 0.0
    motion = shakemap_motion.read(write(tmp_path, {"PGA": (pga, "%g"), "PGV": (pgv, "cm/s")}))
    assert np.isnan(motion.pga.median).sum() == 2
    assert motion.pgv.median[0, 0] == 0.01
    assert any("2 nodes" in n for n in motion.notes)
    assert any("1 node" in n for n in motion.notes)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"PGA": (PGA * 10, "%g")}, "4 g"),
        ({"PGA": (-PGA, "%g")}, "negative"),
        ({"PGA": (PGA * np.nan, "%g")}, "PGA"),
        ({"PGA": (PGA * 0, "%g")}, "PGA is 0"),
        ({"PGA": (PGA, "furlong")}, "furlong"),
        ({"PGA": (PGA / 100, "%g")}, "unit"),
        ({"PGV": (PGV / 100, "cm/s")}, "unit"),
        ({"PGA": (PGA / 100, "%g"), "MMI": None}, "unit"),
        ({"PGV": (PGV / 100, "cm/s"), "MMI": None}, "unit"),
        ({"PGV": (PGV * 10, "cm/s")}, "500 cm/s"),
        ({"MMI": (PGA, "intensity")}, "MMI"),
        ({"STDPGV": (PGV, "")}, "natural logarithm"),
        ({"STDPGV": (-PGV / 100, "")}, "natural logarithm"),
        ({"PGA": None, "PGV": None, "MMI": None, "SVEL": (PGV, "m/s")}, "neither PGA nor PGV"),
    ],
)
def test_what_cannot_be_true_is_refused(tmp_path: Path, changed: dict, said: str) -> None:
    path = write(tmp_path, changed)
    with pytest.raises(InputError) as refused:
        shakemap_motion.read(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"event": {"magnitude": "seven"}}, "seven"),
        ({"event": {"lat": "nan", "lon": "85.1"}}, "lat"),
        ({"product": {"shakemap_event_type": "EXERCISE"}}, "EXERCISE"),
    ],
)
def test_what_is_left_out_or_assumed_of_the_earthquake_is_said(
    tmp_path: Path, how: dict, said: str
) -> None:
    motion = shakemap_motion.read(write(tmp_path, {}, **how))
    assert any(said in note for note in motion.notes)
    assert not motion.scenario


def test_repaired_and_summed_deviations_are_said(tmp_path: Path) -> None:
    write_parts(tmp_path, {**PARTS, "STDPGA": 0.0})
    motion = shakemap_motion.read(write(tmp_path, {}))
    assert any("PGA at 20 nodes is raised to 0.01" in note for note in motion.notes)
    write_parts(tmp_path, {k: v for k, v in PARTS.items() if k != "STDPGV"})
    motion = shakemap_motion.read(write(tmp_path, {}))
    np.testing.assert_allclose(motion.pgv.total, np.hypot(0.24, 0.51), rtol=1e-6)
    assert any("PGV" in note and "parts" in note for note in motion.notes)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text()[:-200])
    with pytest.raises(InputError, match=r"grid\.xml"):
        shakemap_motion.read(path)


def test_uncertainty_of_another_grid_earthquake_or_version(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    write_parts(tmp_path, lon=LON + STEP)
    with pytest.raises(InputError, match=r"uncertainty\.xml.*nodes"):
        shakemap_motion.read(path)
    write_parts(tmp_path, product={**PRODUCT, "shakemap_id": "us2"})
    with pytest.raises(InputError, match="us2"):
        shakemap_motion.read(path)
    write_parts(tmp_path, product={"event_id": "us2"})
    write(tmp_path, {}, product={"event_id": "us1"})
    with pytest.raises(InputError, match="us2"):
        shakemap_motion.read(path)
    write(tmp_path, {})
    write_parts(tmp_path, product={**PRODUCT, "shakemap_version": "2"})
    assert any("version 2" in n and "version 3" in n for n in shakemap_motion.read(path).notes)


def test_uncertainty_of_that_name_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path = path.rename(tmp_path / "us1_grid.xml")
    write_parts(tmp_path).rename(tmp_path / "us1_uncertainty.xml")
    assert shakemap_motion.read(path).pga.total[0, 0] == pytest.approx(0.4)
    other = (tmp_path / "us1_uncertainty.xml").rename(tmp_path / "sigma.xml")
    assert shakemap_motion.read(path).pga.total[0, 0] != pytest.approx(0.4)
    assert shakemap_motion.read(path, other).pga.total[0, 0] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("ratio", "stated", "rupture", "finite"),
    [
        (0.99, None, None, False),
        (0.979, None, None, True),
        (0.5, "True", None, False),
        (0.99, "False", None, True),
        (0.99, None, "MultiPolygon", True),
        (0.5, None, "Point", False),
    ],
)
def test_finite_rupture(
    tmp_path: Path, ratio: float, stated: str | None, rupture: str | None, finite: bool
) -> None:
    event = EVENT if stated is None else {**EVENT, "point_source": stated}
    if rupture is not None:
        feature = {"geometry": {"type": rupture}}
        (tmp_path / "rupture.json").write_text(json.dumps({"features": [feature]}))
    path = write(tmp_path, {"URAT": (np.full((ROWS, COLS), ratio), "")}, event=event)
    motion = shakemap_motion.read(path)
    assert motion.uncertainty_ratio == pytest.approx(ratio)
    assert motion.finite_rupture is finite


def test_a_damaged_rupture_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "rupture.json").write_text("[" * 100_000)
    assert shakemap_motion.read(write(tmp_path, {})).finite_rupture is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2005-10-08T03:50:40.000Z", "2005-10-08T03:50:40Z"),
        ("2008-05-12 06:28:01 GMT", "2008-05-12T06:28:01Z"),
        ("2008-05-12T14:28:01+08:00", "2008-05-12T06:28:01Z"),
        ("yesterday", ""),
    ],
)
def test_time_is_utc(tmp_path: Path, text: str, time: str) -> None:
    path = write(tmp_path, {}, event={**EVENT, "event_timestamp": text, "depth": "?"})
    motion = shakemap_motion.read(path)
    assert motion.time == time
    assert motion.depth is None


def test_a_scenario(tmp_path: Path) -> None:
    path = write(tmp_path, {}, product={**PRODUCT, "shakemap_event_type": "SCENARIO"})
    assert shakemap_motion.read(path).scenario


def test_hdf_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "shake_result.hdf"
    about = {"xmin": LON, "xmax": LON + 4 * STEP, "ymin": 28.0 - 3 * STEP, "ymax": 28.0}
    information = {
        "input": {"event_information": {
            "event_id": "us1_se", "event_type": "SCENARIO", "fault_ref": "Origin",
            "magnitude": "6.9", "depth": "18", "latitude": "28.1", "longitude": "85.1",
            "origin_time": "1989-10-18T00:04:15Z", "location": "Somewhere",
        }},
        "processing": {"shakemap_versions": {"map_version": 3}},
        "output": {"uncertainty": {"mean_uncertainty_ratio": "1.01"}},
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, median, unit in (("PGA", PGA / 100, "g"), ("PGV", PGV, "cm/s")):
            group = file.create_group(f"arrays/imts/GREATER_OF_TWO_HORIZONTAL/{name}")
            for kind, value in (("mean", np.log(median)), ("std", 0.4), ("tau", 0.2), ("phi", 0.5)):
                data = group.create_dataset(kind, data=np.broadcast_to(value, median.shape))
                data.attrs.update(about | {"units": f"ln({unit})"})
        # Newer versions add what conditions intensity on stations: no grids of nodes.
        group = file.create_group("arrays/imts/GREATER_OF_TWO_HORIZONTAL/MMI")
        for kind, value in (("mean", 7.0), ("std", 0.3)):
            data = group.create_dataset(kind, data=np.full(PGA.shape, value))
            data.attrs.update(about | {"units": "intensity"})
        group["C"], group["sta_phi"] = np.zeros((PGA.size, 3)), np.zeros((3, 1))
        file["dictionaries/info.json"] = json.dumps(information)
    motion = shakemap_motion.read(path)
    np.testing.assert_allclose(motion.pga.median, PGA / 100, rtol=1e-6)
    np.testing.assert_allclose(motion.pgv.median, PGV, rtol=1e-6)
    for measure in (motion.pga, motion.pgv):
        parts = (measure.total[0, 0], measure.between[0, 0], measure.within[0, 0])
        assert parts == pytest.approx((0.4, 0.2, 0.5))
    assert (motion.mmi == 7.0).all()
    assert (motion.id, motion.version, motion.title) == ("us1_se", "3", "Somewhere")
    assert motion.scenario
    assert motion.finite_rupture is False
    assert motion.uncertainty_ratio == 1.01
    assert motion.time == "1989-10-18T00:04:15Z"
