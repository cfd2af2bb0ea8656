"""A model's folder from a stranger: whatever was done to it is refused, and nothing runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shakeslide.core.errors import InputError
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import bundle
from shakeslide.learning.bundle import FittedModel, TrainedOn
from shakeslide.models import MODELS, dump, read, write
from shakeslide.sampling import encoding

from .lines import lacks
from .models import described

FACTORS = (
    FactorInfo(code="SLO", name="Slope", unit="deg", kind="continuous", legend={}),
    FactorInfo(code="SLOA", name="Aspect", unit="deg", kind="circular", legend={}),
    FactorInfo(
        code="LITH", name="Lithology", unit="", kind="categorical", legend={1: "granite", 2: "marl"}
    ),
)
ABOUT = TrainedOn(seed=1, rows=200, sample_share=0.5, prevalence=0.1)


def raw(n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    columns = [rng.uniform(0, 50, n), rng.uniform(0, 360, n), rng.integers(1, 3, n)]
    return np.column_stack(columns).astype(np.float32)


def model(name: str, **params: Any) -> FittedModel:
    X = raw()
    y = (X[:, 0] > 25).astype(int)
    kinds = [(f.code, f.kind) for f in FACTORS]
    encoder = encoding.fit(X, y, kinds, {"LITH": {1: 500, 2: 500}}, "sincos")
    fitted = MODELS[name].make(**params).fit(encoder.transform(X), y)
    return FittedModel(name, fitted, encoder, FACTORS, ABOUT)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    bundle.save(model("rf", n_estimators=5, max_depth=4, random_state=0), folder / "rf")
    bundle.save(model("lr"), folder / "lr")
    quantities = described.rows(np.random.default_rng(1).random((50, 7)))
    y = np.arange(50) % 2
    infos = tuple(
        FactorInfo(code=f.code, name=f.code, unit=f.unit, kind=f.kind, legend=f.legend)
        for f in described.FACTORS
    )
    areas = {"LITH": {1: 1, 2: 1, 3: 1}, "LC": {1: 1, 2: 1, 3: 1}}
    fitted = encoding.fit(quantities, y, [(f.code, f.kind) for f in infos], areas)
    encoder = replace(fitted, identity=True)
    newmark = described.make("newmark").fit(encoder.transform(quantities), y)
    bundle.save(FittedModel("newmark", newmark, encoder, infos, ABOUT), folder / "newmark")
    return folder


@pytest.fixture
def folder(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the models to tamper with; the working folder is where traps would spring."""
    shutil.copytree(originals, tmp_path / "models")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "models"


def change(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def assert_refused(folder: Path, said: str = "") -> None:
    with pytest.raises(InputError, match=said or None) as caught:
        bundle.load(folder)
    assert "\n" not in str(caught.value)
    assert list(Path().iterdir()) == []


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("name", ["rf", "lr", "newmark"])
def test_untouched_folders_are_read(folder: Path, name: str) -> None:
    again = bundle.load(folder / name)
    assert again.name == name
    X = raw() if name != "newmark" else described.rows(np.random.default_rng(2).random((99, 7)))
    assert np.isfinite(again.predict(X)).all()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("file", ["weights.safetensors", "manifest.json"])
def test_a_pickle_is_refused_and_runs_nothing(folder: Path, file: str, protocol: int) -> None:
    (folder / "rf" / file).write_bytes(pickle.dumps(Trap(), protocol=protocol))
    assert_refused(folder / "rf")


def test_a_pickle_beside_the_weights_is_never_opened(folder: Path) -> None:
    for name in ("model.pkl", "weights.pkl", "weights.pt", "estimator.joblib"):
        (folder / "rf" / name).write_bytes(pickle.dumps(Trap()))
    assert bundle.load(folder / "rf").name == "rf"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("file", ["weights.safetensors", "manifest.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_files_are_refused(folder: Path, file: str, share: float) -> None:
    path = folder / "rf" / file
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert_refused(folder / "rf", file)


@pytest.mark.parametrize("file", ["weights.safetensors", "manifest.json"])
def test_missing_files_are_named(folder: Path, file: str) -> None:
    (folder / "rf" / file).unlink()
    assert_refused(folder / "rf", file.split(".")[0])


@pytest.mark.parametrize(
    ("name", "array", "edit", "said"),
    [
        ("rf", "child", lambda a: a + 10**6, "child"),
        ("rf", "feature", lambda a: a + 50, "feature"),
        ("rf", "child", lambda a: a[:-1], "shape"),
        ("rf", "value", lambda a: a * np.nan, "not finite"),
        ("rf", "root", lambda a: a * 2**40, "root"),
        ("lr", "coef", lambda a: a * np.nan, "not finite"),
        ("lr", "coef", lambda a: np.append(a, 1.0), "the weights take 5 features"),
        ("lr", "coef", lambda a: a.astype(np.float32), "type"),
        ("newmark", "column", lambda a: a + 10, "column"),
        ("newmark", "column", lambda a: a - 10, "column"),
        ("newmark", "class_0", lambda a: a[::-1].copy(), "must rise"),
        ("newmark", "property_0", lambda a: a[:, :2].copy(), "shape"),
        ("newmark", "gain", lambda a: -a, "gain"),
        ("newmark", "width", lambda a: a * 2**40, "width"),
        ("newmark", "width", lambda a: a + 1, "the weights take 11 features"),
    ],
)
def test_tampered_arrays_are_refused(folder, name, array, edit, said) -> None:
    path = folder / name / "weights.safetensors"
    arrays = read(path)
    write(path, {**arrays, array: edit(arrays[array])})
    assert_refused(folder / name, said)


def test_weights_that_claim_terabytes_are_refused_before_anything_is_allocated(folder) -> None:
    path = folder / "lr" / "weights.safetensors"
    header = {"coef": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 64)
    assert_refused(folder / "lr", "beyond the end")


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


MANIFESTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("rf", lambda m: m.update(model="lr"), "unknown parameter"),
    ("rf", lambda m: m.update(model="tree", params={}), "more than one tree"),
    ("rf", lambda m: m.update(model="../../etc/passwd"), "no model"),
    ("rf", lambda m: m.update(model="os:system"), "no model"),
    ("rf", lambda m: m.update(model=["rf"]), "no model"),
    ("rf", lambda m: m.update(weights="../../elsewhere.safetensors"), "unknown keys"),
    ("rf", lambda m: m.update(format=99), "another version"),
    ("rf", lambda m: m.update(format=None), "another version"),
    ("rf", lambda m: m.pop("format"), "damaged"),
    ("rf", lambda m: m.pop("encoder"), "damaged"),
    ("rf", lambda m: m.update(factors=m["factors"][:2]), "not those of its encoder"),
    ("rf", lambda m: m["factors"].reverse(), "not those of its encoder"),
    ("rf", lambda m: m["factors"][0].update(code="DEM"), "not those of its encoder"),
    ("rf", lambda m: m["factors"][0].update(kind="categorical"), "not those of its encoder"),
    ("rf", lambda m: m["factors"][0].update(code=7), "not a text"),
    ("rf", lambda m: m["factors"][0].update(path="/etc/passwd"), "damaged"),
    ("rf", lambda m: m["factors"][2].update(legend={"x": "a"}), "damaged"),
    ("rf", lambda m: m.update(factors="SLO"), "damaged"),
    ("rf", lambda m: m["encoder"].update(angles="raw"), "the weights take 4 features"),
    ("rf", lambda m: m["encoder"].update(angles="exec"), "encoder is damaged"),
    ("rf", lambda m: m["encoder"].update(identity=True), "rf takes encoded factors"),
    ("rf", lambda m: m["encoder"].update(identity="yes"), "encoder is damaged"),
    ("rf", lambda m: m["encoder"]["columns"][0].update(low=float("nan")), "encoder is damaged"),
    ("rf", lambda m: m["encoder"]["columns"][0].update(low=9, high=-9), "the wrong order"),
    ("rf", lambda m: m["encoder"]["columns"][2]["ratios"].update({"1": 1e999}), "not finite"),
    ("rf", lambda m: m["encoder"]["columns"][2]["ratios"].update({"9" * 40: 1}), "not finite"),
    ("rf", lambda m: m["encoder"]["columns"][2].update(ratios=None), "don't fit its kind"),
    ("rf", lambda m: m["encoder"]["columns"][0].update(kind="odd"), "encoder is damaged"),
    ("rf", lambda m: m["encoder"].update(columns=[]), "not those of its encoder"),
    ("rf", lambda m: m.update(params=[1]), "table"),
    ("rf", lambda m: m["params"].update(__class__="os.system"), "unknown parameter"),
    ("rf", lambda m: m["about"].pop("prevalence"), "damaged"),
    ("rf", lambda m: m["about"].update(sample_share="half"), "sample_share"),
    ("rf", lambda m: m["about"].update(sample_share=7), "sample_share"),
    ("rf", lambda m: m["about"].update(positives="trees"), "positives"),
    ("rf", lambda m: m["about"].update(rows="many"), "rows"),
    ("rf", lambda m: m.update(about=3), "damaged"),
    ("rf", lambda m: m.update(calibration={"platt": [1, 2, 3]}), "calibration"),
    ("rf", lambda m: m.update(calibration={"eval": "1"}), ""),
    ("newmark", lambda m: m["params"].update(form="jibson2000; rm"), "form"),
    ("newmark", lambda m: m["params"].update(t=0), "don't fit together"),
    ("newmark", lambda m: m["params"].update(m="wet"), "don't fit together"),
    ("newmark", lambda m: m.update(model="jessee2018", params={}), ""),
    ("newmark", lambda m: m["encoder"].update(identity=False), "newmark takes raw factors"),
]


@pytest.mark.parametrize(("name", "edit", "said"), MANIFESTS)
def test_lying_manifests_are_refused(folder, name, edit, said) -> None:
    change(folder / name, edit)
    assert_refused(folder / name, said)


@pytest.mark.parametrize(
    "text", [nested(100_000), '{"format": ' + nested(100_000) + "}", "{}", "[]", "3", "null", ""]
)
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "rf" / "manifest.json").write_text(text)
    assert_refused(folder / "rf", "damaged")


def test_an_endless_manifest_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST_MANIFEST", 100)
    assert_refused(folder / "rf", "larger than")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_changed_byte_is_refused_or_does_no_harm(tmp_path_factory, originals, data) -> None:
    name = data.draw(st.sampled_from(["rf", "lr", "newmark"]))
    file = data.draw(st.sampled_from(["manifest.json", "weights.safetensors"]))
    copy = tmp_path_factory.mktemp("copy") / name
    shutil.copytree(originals / name, copy)
    content = bytearray((copy / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (copy / file).write_bytes(content)
    try:
        found = bundle.load(copy)
    except InputError:
        return
    width = len(found.factors)
    p = found.predict(np.ones((3, width), np.float32))
    assert p.shape == (3,)


def test_a_stack_must_have_the_models_factors() -> None:
    trained = model("lr")
    bundle.require_factors(trained, FACTORS)
    bundle.require_factors(trained, [*reversed(FACTORS), replace(FACTORS[0], code="DEM")])
    with pytest.raises(InputError, match=r"missing here: SLO, LITH"):
        bundle.require_factors(trained, [FACTORS[1]])
    renamed = [replace(FACTORS[0], code="SLOPE"), *FACTORS[1:]]
    with pytest.raises(InputError, match=r"missing here: SLO$"):
        bundle.require_factors(trained, renamed)
    percent = [replace(FACTORS[0], unit="%"), *FACTORS[1:]]
    with pytest.raises(InputError, match=r"SLO was in 'deg' in training, but is in '%' here"):
        bundle.require_factors(trained, percent)
    kind = [replace(FACTORS[0], kind="categorical"), *FACTORS[1:]]
    with pytest.raises(InputError, match=r"SLO was continuous in training, but is categorical"):
        bundle.require_factors(trained, kind)
    other = [*FACTORS[:2], replace(FACTORS[2], legend={1: "marl", 2: "granite"})]
    with pytest.raises(InputError, match=r"class 1 of factor LITH was 'granite' .* is 'marl'"):
        bundle.require_factors(trained, other)
    more = [*FACTORS[:2], replace(FACTORS[2], legend={2: "marl", 3: "till"})]
    bundle.require_factors(trained, more)


def test_cells_outside_the_training_range_are_counted() -> None:
    trained = model("lr")
    X = raw()
    assert bundle.out_of_range(trained, X) == {"SLO": pytest.approx(0.01), "LITH": 0.0}
    assert bundle.range_warnings(trained, X) == []
    X[:50, 0] = 80
    X[:20, 2] = 7
    X[100:, 1] = np.nan
    shares = bundle.out_of_range(trained, X)
    assert shares == {"SLO": pytest.approx(0.5, abs=0.02), "LITH": 0.2}
    lines = bundle.range_warnings(trained, X)
    assert not lacks(lines[1], "20 %", "LITH")
    assert len(lines) == 2
    assert bundle.out_of_range(replace(trained, about=replace(ABOUT, static=True)), X) == {}
    assert bundle.out_of_range(trained, np.full((4, 3), np.nan, np.float32)) == {}


def test_nothing_but_plain_types_is_stored() -> None:
    description, arrays = dump(model("rf", n_estimators=3).estimator)
    assert json.loads(json.dumps(description)) == description
    assert all(a.dtype.kind in "biuf" for a in arrays.values())


def test_a_factor_must_be_computed_as_in_training() -> None:
    coarse = {"function": "slope", "scale": 250.0, "layer": "dem"}

    def with_settings(settings: dict[str, Any]) -> list[FactorInfo]:
        return [replace(FACTORS[0], settings=settings), *FACTORS[1:]]

    trained = replace(model("lr"), factors=tuple(with_settings(coarse)))
    # Another layer, and what an older version wrote, contradict nothing.
    bundle.require_factors(trained, with_settings({**coarse, "layer": "dem2"}))
    bundle.require_factors(trained, FACTORS)
    with pytest.raises(InputError, match=r"SLO had scale = 250\.0 in training.*\[factors\.SLO\]"):
        bundle.require_factors(trained, with_settings({"function": "slope"}))
    # A key of its default is as good as none.
    ring = {"function": "tpi", "inner": 62.5}
    bundle.require_factors(
        replace(trained, factors=tuple(with_settings(ring))),
        with_settings({**ring, "divide_by_sd": False, "outer": 150.0}),
    )


def test_settings_of_factors_are_stored(tmp_path: Path) -> None:
    factors = (replace(FACTORS[0], settings={"function": "slope", "scale": 250.0}), *FACTORS[1:])
    bundle.save(replace(model("lr"), factors=factors), tmp_path / "lr")
    assert bundle.load(tmp_path / "lr").factors == factors
