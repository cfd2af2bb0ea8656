"""The USGS's own map of an earthquake, rebuilt from the same files, where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks import usgs_golden

from shakeslide.hazard import aggregates, alerts

DATA = Path(os.environ.get("SHAKESLIDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDER = DATA / "shakemap_loma_prieta"


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")
def test_coverage_and_deviation_are_those_of_the_usgs() -> None:
    golden = usgs_golden.computed(FOLDER)
    found = usgs_golden.differences(golden)
    assert found["cells"] > 100_000
    assert found["mean"] == pytest.approx(found["usgs_mean"], rel=1e-3)
    assert found["apart_99"] < 2e-3
    assert found["deviation_apart_99"] < 1e-3
    ours, theirs = (
        aggregates.total(p, golden.area, aggregates.counted(p, golden.pga))
        for p in (golden.coverage, golden.usgs_coverage)
    )
    # Cells on the shore have layers but no coverage by the USGS.
    assert ours == pytest.approx(theirs, rel=0.01)
    assert alerts.level(ours, alerts.AREA) == alerts.level(theirs, alerts.AREA) == "orange"
