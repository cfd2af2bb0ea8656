"""The USGS's own map of an earthquake, rebuilt from the same files, where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks import usgs_golden

DATA = Path(os.environ.get("SHAKESLIDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDER = DATA / "shakemap_loma_prieta"


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")
def test_coverage_and_deviation_are_those_of_the_usgs() -> None:
    found = usgs_golden.differences(usgs_golden.computed(FOLDER))
    assert found["cells"] > 100_000
    assert found["mean"] == pytest.approx(found["usgs_mean"], rel=1e-3)
    assert found["apart_99"] < 2e-3
    assert found["deviation_apart_99"] < 1e-3
