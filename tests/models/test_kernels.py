"""Compiled code gives the same bits whoever compiled it."""

import hashlib
import importlib
import os
import pkgutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
from numba.core.dispatcher import Dispatcher

import shakeslide.models


def dispatchers():
    for info in pkgutil.walk_packages(shakeslide.models.__path__, "shakeslide.models."):
        if info.name.endswith("autoencoder_torch") and find_spec("torch") is None:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                yield pytest.param(value, id=f"{info.name.rsplit('.', 1)[-1]}.{name}")


@pytest.mark.parametrize("function", list(dispatchers()))
def test_kernels_are_serial_release_the_lock_and_keep_to_ieee(function):
    options = function.targetoptions
    assert options.get("nogil")
    assert not options.get("parallel")
    assert not options.get("fastmath")  # see shakeslide.models.intrinsics


SCRIPT = """
import numpy as np, sys
from shakeslide.models import SupportVectorMachine, products
rng = np.random.default_rng(0)
w, h = rng.random((40, 48), np.float32), rng.random((48, 64), np.float32)
out, turned, sums = (np.zeros(n, np.float32) for n in ((40, 64), (64, 48), 48))
products.product(w, h, out, False)
products.transpose(h, turned)
products.row_sums(h, sums, False)
X = rng.random((2000, 4)).astype(np.float32)
y = (X[:, 0] + 0.3 * rng.random(2000) > X[:, 1]).astype(int)
p = SupportVectorMachine(random_state=0).fit(X, y).predict_proba(X)
for values in (out, turned, sums, p):
    sys.stdout.buffer.write(values.tobytes())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)  # compiles kernels from nothing
def test_code_from_the_cache_gives_the_bits_of_code_just_compiled(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    digests = []
    for _ in range(2):
        run = [sys.executable, "-c", SCRIPT]
        out = subprocess.run(run, env=environment, check=True, capture_output=True).stdout
        assert out
        digests.append(hashlib.sha256(out).hexdigest())
    assert digests[0] == digests[1]
