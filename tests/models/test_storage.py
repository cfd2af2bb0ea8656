"""Stored models: whole or not at all, and nothing in a file is trusted."""

import json
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shakeslide.core.errors import InputError
from shakeslide.models import MODELS, arrayfile, dump, read, restore, write

from . import described


def rows(n=300):
    rng = np.random.default_rng(0)
    X = rng.random((n, 4)).astype(np.float32)
    return X, (X[:, 0] > X[:, 1]).astype(int)


SMALL = {
    "best": {
        "members": ("tree", "sae"),
        "settings": {"sae": {"units": [3], "steps": 20, "pretrain_steps": 2}},
        "random_state": 0,
    },
    "sae": {"units": (5, 3), "steps": 20, "pretrain_steps": 5, "random_state": 0},
    "rf": {"n_estimators": 5, "max_depth": 4, "random_state": 0},
    "svm": {"random_state": 0},
    "mlp": {"units": (5, 3), "steps": 20, "random_state": 0},
    "hgb": {"max_iter": 3},
    "et": {"n_estimators": 10, "random_state": 0},
    "lgbm": {"n_estimators": 3, "random_state": 0},
    "adaboost": {"n_estimators": 3},
}


@pytest.fixture(scope="module")
def stored():
    X, y = rows()
    quantities = described.rows(np.random.default_rng(1).random((300, 7)))
    return {
        name: dump(described.make(name, **SMALL.get(name, {})).fit(quantities if e.raw else X, y))
        for name, e in MODELS.items()
    }


def header_of(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_description_is_plain_json(stored):
    for name, (description, _) in stored.items():
        assert json.loads(json.dumps(description)) == description
        assert description["model"] == name


@pytest.mark.parametrize("keep", [0, 5, 8, 40, 0.5, 0.999])
def test_truncated_file_is_refused(stored, tmp_path, keep):
    path = tmp_path / "weights.safetensors"
    write(path, stored["rf"][1])
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        read(path)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_pickle_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.safetensors"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Trap(), protocol=protocol))
        with pytest.raises(InputError, match="not a whole safetensors file"):
            read(path)
    np.save(tmp_path / "w.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    path.write_bytes((tmp_path / "w.npy").read_bytes())
    with pytest.raises(InputError):
        read(path)
    assert not (tmp_path / "sprung").exists()


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "weights.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [2**40, 2**40]}, "doesn't fill"),
        ({"shape": [-1]}, "no valid shape"),
        ({"shape": "all"}, "no valid shape"),
        ({"shape": [1.5]}, "no valid shape"),
        ({"dtype": "O"}, "unknown type"),
        ({"dtype": ["F32"]}, "unknown type"),
        ({"data_offsets": [0, 2**50]}, "no valid shape"),
        ({"data_offsets": [0, 2**40]}, "beyond the end"),
        ({"data_offsets": [8, 0]}, "beyond the end"),
        ({"data_offsets": [0]}, "no valid shape"),
    ],
)
def test_lying_header_is_refused_before_anything_is_allocated(tmp_path, change, said):
    path = tmp_path / "weights.safetensors"
    write(path, {"a": np.zeros(4, np.float32)})
    header, body = header_of(path.read_bytes())
    header["a"].update(change)
    path.write_bytes(with_header(header, body))
    with pytest.raises(InputError, match=said):
        read(path)


@pytest.mark.parametrize("header", [[], {"a": 3}, "text", {"a": {}}])
def test_header_of_another_kind_is_refused(tmp_path, header):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(with_header(header, b""))
    with pytest.raises(InputError):
        read(path)


def test_missing_and_too_large_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        read(tmp_path / "w.safetensors")
    write(tmp_path / "w.safetensors", {"a": np.zeros(100)})
    with pytest.raises(InputError, match="more than"):
        read(tmp_path / "w.safetensors", max_bytes=100)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    write(path, {"a": np.arange(3)})
    old = path.read_bytes()

    def fail(handle):
        raise OSError("disk full")

    monkeypatch.setattr(arrayfile.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, {"a": np.arange(5)})
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_arrays_that_are_not_contiguous_are_stored_right(tmp_path):
    a = np.arange(12).reshape(3, 4)
    write(tmp_path / "w.safetensors", {"t": a.T, "s": a[:, ::2]})
    back = read(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(back["t"], a.T)
    np.testing.assert_array_equal(back["s"], a[:, ::2])


@pytest.mark.parametrize("name", MODELS)
def test_every_array_is_needed_and_checked(stored, name):
    description, arrays = stored[name]
    params = description["params"]
    for key, array in arrays.items():
        optional = "curve_" in key
        without = {k: v for k, v in arrays.items() if k != key}
        if not optional:
            with pytest.raises(InputError, match=r"missing|has shape"):
                restore(name, params, without)
        with pytest.raises(InputError):
            restore(name, params, {**arrays, key: array[np.newaxis]})
        with pytest.raises(InputError):
            restore(name, params, {**arrays, key: array.astype(complex)})
        if array.dtype.kind == "f":
            bad = array.copy()
            bad.flat[0] = np.nan
            with pytest.raises(InputError):
                restore(name, params, {**arrays, key: bad})
    with pytest.raises(InputError, match="unknown arrays: extra"):
        restore(name, params, {**arrays, "extra": np.zeros(1)})


def test_lying_description_is_refused(stored):
    description, arrays = stored["rf"]
    params = description["params"]
    with pytest.raises(InputError, match="Did you mean 'rf'"):
        restore("rff", params, arrays)
    with pytest.raises(InputError, match=r"unknown parameter 'max_dept'.*max_depth"):
        restore("rf", {**params, "max_dept": 3}, arrays)
    with pytest.raises(InputError):
        restore("lr", params, arrays)
    with pytest.raises(InputError, match="table"):
        restore("rf", [1, 2], arrays)
    with pytest.raises(InputError):
        restore({"a": 1}, params, arrays)
    description, arrays = stored["sae"]
    for change in ({"units": [4, 3]}, {"units": [10**9] * 3}, {"members": 2}, {"units": "many"}):
        with pytest.raises(InputError):
            restore("sae", {**description["params"], **change}, arrays)


@pytest.mark.parametrize(
    ("array", "index", "value"),
    [
        ("child", 0, 10**6),
        ("child", 0, -5),
        ("feature", 0, 4),
        ("feature", 0, -1),
        ("root", 1, 10**9),
        ("root", 1, 0),
        ("value", -1, 1.5),
        ("classes", 0, 1),
    ],
)
def test_tree_indices_out_of_bounds_are_refused(stored, array, index, value):
    description, arrays = stored["rf"]
    changed = arrays[array].copy()
    changed[index] = value
    with pytest.raises(InputError, match=array):
        restore("rf", description["params"], {**arrays, array: changed})


def test_tree_that_points_back_or_into_its_neighbour_is_refused(stored):
    description, arrays = stored["rf"]
    child, root = arrays["child"], arrays["root"]
    inner = np.flatnonzero(child[: root[1]] != np.arange(root[1]))
    leaf = np.flatnonzero(child[: root[1]] == np.arange(root[1]))
    for node, target in ((inner[-1], 0), (inner[0], root[1] - 1), (inner[0], root[1])):
        changed = child.copy()
        changed[node] = target
        with pytest.raises(InputError, match="child"):
            restore("rf", description["params"], {**arrays, "child": changed})
    threshold = arrays["threshold"].copy()
    threshold[leaf[-1]] = 0.5
    with pytest.raises(InputError, match="threshold"):
        restore("rf", description["params"], {**arrays, "threshold": threshold})


def test_what_was_loaded_does_not_change_with_its_source(stored):
    description, arrays = stored["lr"]
    arrays = {k: v.copy() for k, v in arrays.items()}
    model = restore("lr", description["params"], arrays)
    before = model.predict_proba(rows()[0])
    arrays["coef"][:] = 0
    np.testing.assert_array_equal(model.predict_proba(rows()[0]), before)
