"""The USGS's own map of an earthquake, rebuilt from the same files, where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks import usgs_golden

from shakeslide.hazard import aggregates, alerts

DATA = Path(os.environ.get("SHAKESLIDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDER = DATA / "shakemap_loma_prieta"


pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")


@pytest.fixture(scope="module")
def golden() -> usgs_golden.Golden:
    return usgs_golden.computed(FOLDER)


def test_coverage_and_deviation_are_those_of_the_usgs(golden: usgs_golden.Golden) -> None:
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


@pytest.mark.parametrize(("limits", "each"), [(alerts.AREA, None), (alerts.PEOPLE, 30.0)])
def test_alerts_are_those_of_the_map_of_the_usgs(
    golden: usgs_golden.Golden, limits: alerts.Limits, each: float | None
) -> None:
    # People: as many in every cell.
    weight = golden.area if each is None else each
    maps = (golden.coverage, golden.deviation), (golden.usgs_coverage, golden.usgs_deviation)
    ours, theirs = (aggregates.aggregate(p, sd, weight, golden.pga) for p, sd in maps)
    mine, usgs = (
        alerts.from_beta(alerts.Beta(t.mean, t.sd, t.most), limits) for t in (ours, theirs)
    )
    assert mine.level == usgs.level
    assert list(mine.p.values()) == pytest.approx(list(usgs.p.values()), abs=0.01)
    # The range of the correlation is fitted to either map.
    assert ours.sd == pytest.approx(theirs.sd, rel=0.2)
