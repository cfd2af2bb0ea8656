"""Draws of shaking for a grid: as wide and as alike as they should be, at nodes and beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from shakeslide.geo.grid import Tile
from shakeslide.rapid import draws
from shakeslide.rapid.tiles import among
from shakeslide.shaking import fields
from shakeslide.shaking.ground_motion import GroundMotion, Measure

DRAWS, NODES, STEP = 3000, 10, 0.1
TAU, PHI, TOTAL = 0.3, 0.5, 0.4


def motion(total: float = TOTAL) -> GroundMotion:
    """Even shaking on a square of nodes."""

    def even(value: float) -> np.ndarray:
        return np.full((NODES, NODES), value)

    def measure(median: float) -> Measure:
        return Measure(even(median), even(total), even(TAU), even(PHI))

    return GroundMotion(
        source="", id="", version="", title="", scenario=True, magnitude=7.0, depth=10.0,
        epicentre=None, time="", grid=GeoBox(
            (NODES, NODES), Affine(STEP, 0, 86.5, 0, -STEP, 30.5), "EPSG:4326"
        ),
        pga=measure(0.2), pgv=measure(20.0), mmi=even(7.0), vs30=None, uncertainty_ratio=None,
        finite_rupture=None, notes=(),
    )  # fmt: skip


INSIDE = GeoBox((30, 40), Affine(1000, 0, 480_000, 0, -1000, 3_335_000), "EPSG:32645")
"""Around 87° E, 30° N."""
EVERY = Tile((0, 0), 0, 30, 0, 40)


@pytest.mark.parametrize(
    ("between", "shared"),
    [("scaled", TAU**2 / (TAU**2 + PHI**2)), ("full", TAU**2 / TOTAL**2), ("none", 0.0)],
)
def test_draws_vary_and_go_together_as_asked(between, shared):
    made = draws.drawn(
        motion(), INSIDE, ("PGV", "PGA"), count=DRAWS, seed=2, between=between,
        event=draws.EventTerm(mean=0.5, sd=1.1),
    )  # fmt: skip
    z = made.draws.nodes
    assert z.std(axis=-1) == pytest.approx(np.ones(z.shape[:3]), abs=0.06)
    assert z.std(axis=-1).mean() == pytest.approx(1, abs=0.03)
    # One row of nodes down, in km.
    apart = fields.correlation(np.array([STEP * 111.195]))[1, 1, 0]
    beside = np.mean([np.corrcoef(z[0, 1, c], z[0, 2, c])[0, 1] for c in range(z.shape[2])])
    assert beside == pytest.approx(shared + (1 - shared) * apart, abs=0.04)
    both = np.mean([np.corrcoef(z[0, r, r], z[1, r, r])[0, 1] for r in range(z.shape[1])])
    together = fields.correlation(np.zeros(1))[0, 1, 0]
    assert both == pytest.approx(shared * 0.733 + (1 - shared) * together, abs=0.04)
    event = made.draws.event
    assert (event.mean(), event.std()) == pytest.approx((0.5, 1.1), abs=0.08)


def test_between_nodes_the_deviation_is_that_of_the_nodes():
    made = draws.drawn(
        motion(), INSIDE, ("PGV",), count=DRAWS, seed=2, between="scaled", event=draws.EventTerm()
    )
    row, col = made.places(INSIDE, EVERY)
    r, c = row.astype(int), col.astype(int)
    y, x = (row - r)[:, None], (col - c)[:, None]
    z = made.draws.nodes[0]
    upper = z[r, c] * (1 - x) + z[r, c + 1] * x
    lower = z[r + 1, c] * (1 - x) + z[r + 1, c + 1] * x
    plain = upper * (1 - y) + lower * y
    sd = (plain * made.gain(row, col)[0][:, None]).std(axis=1)
    assert sd == pytest.approx(np.ones(sd.size), abs=0.06)
    assert plain.std(axis=1).min() < 0.9
    assert made.sd_at(row, col)[0] == pytest.approx(np.full(row.size, TOTAL), rel=1e-5)


@pytest.mark.parametrize(("median", "cut"), [(20.0, False), (450.0, True)])
def test_what_is_cut_at_physical_limits_is_counted(median, cut):
    even = motion()
    strong = replace(even, pgv=replace(even.pgv, median=np.full((NODES, NODES), median)))
    made = draws.drawn(
        strong, INSIDE, ("PGV",), count=20, seed=2, between="none", event=draws.EventTerm()
    )
    most = np.float32(np.log(500.0) - np.log(median)) / TOTAL
    at_limit = np.isclose(made.draws.nodes[0], most, atol=1e-4)
    assert at_limit.any() == cut
    assert made.cut.nodes == at_limit.any(axis=-1).sum()
    assert made.cut.share == pytest.approx(at_limit.mean())


def test_cells_beyond_the_outermost_nodes_vary_as_these():
    # Most of it lies east of the last node.
    grid = GeoBox((30, 40), INSIDE.affine * Affine.translation(45, 0), INSIDE.crs)
    made = draws.drawn(
        motion(), grid, ("PGV",), count=20, seed=2, between="scaled", event=draws.EventTerm()
    )
    row, col = made.places(grid, EVERY)
    beyond = among(made.grid, grid, EVERY)[1] > made.grid.shape[1] - 1
    assert 0.3 < beyond.mean() < 1
    assert (col[beyond] == made.grid.shape[1] - 1).all()
    whole = np.round(row[beyond])
    assert made.gain(whole, col[beyond])[0] == pytest.approx(np.ones(beyond.sum()), rel=1e-6)
