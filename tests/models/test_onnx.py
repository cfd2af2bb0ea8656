"""The autoencoder written as ONNX, read back by ONNX's own reference code."""

import errno
import sys
from pathlib import Path

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.models import StackedAutoencoder, write_onnx


def fitted(**changes):
    rng = np.random.default_rng(0)
    X = rng.random((700, 6)).astype(np.float32)
    y = ((X[:, 0] - 0.5) * (X[:, 1] - 0.5) > 0).astype(int)
    settings = {"units": (20, 10), "steps": 300, "pretrain_steps": 20, "learning_rate": 0.1}
    return X, StackedAutoencoder(**settings, random_state=0, **changes).fit(X, y)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"members": 3},
        {"activation": "tanh", "beta": 0},
        {"activation": "relu", "beta": 0},
        {"activation": "linear", "beta": 0},
        {"activation": "silu", "beta": 0, "members": 3, "average": "logit"},
    ],
)
def test_onnx_gives_the_same_probabilities(changes, tmp_path):
    reference = pytest.importorskip("onnx.reference", reason="needs the package onnx")
    X, model = fitted(**changes)
    write_onnx(model, tmp_path / "sae.onnx")
    got = reference.ReferenceEvaluator(str(tmp_path / "sae.onnx")).run(None, {"features": X})[0]
    np.testing.assert_allclose(got, model.predict_proba(X), atol=1e-6)


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="needs the package onnx")
    path, real = tmp_path / "sae.onnx", Path.write_bytes
    path.write_bytes(b"old")

    def broken(self, data):
        real(self, data[:100])
        raise OSError(errno.ENOSPC, "full", str(self))

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(InputError, match=r"sae\.onnx"):
        write_onnx(fitted()[1], path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="naive_bayes"):
        write_onnx(fitted(head="naive_bayes")[1], tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx"):
        write_onnx(fitted()[1], tmp_path / "a.onnx")
