"""Ground beside tested blocks, which class areas leave out."""

import numpy as np
import pytest

from shakeslide.evaluation import blocks
from shakeslide.learning import validation


@pytest.mark.parametrize("reach", [0.0, 90.0, 300.0, 800.0])
def test_ground_within_reach_of_a_block_is_found_however_far_that_is(reach: float) -> None:
    rng = np.random.default_rng(3)
    size, origin = 300.0, (1000.0, 9000.0)
    x, y = rng.uniform(1000, 5000, 3000), rng.uniform(5000, 9000, 3000)
    tested = blocks.block_id(x[:4], y[:4], size, origin)
    got = validation._near_blocks(x, y, tested, size, origin, reach)
    left = origin[0] + np.floor((x[:4] - origin[0]) / size) * size
    top = origin[1] - np.floor((origin[1] - y[:4]) / size) * size
    apart_x = np.maximum(np.maximum(left - x[:, None], x[:, None] - left - size), 0)
    apart_y = np.maximum(np.maximum(y[:, None] - top, top - size - y[:, None]), 0)
    near = (np.maximum(apart_x, apart_y) <= reach).any(axis=1)
    assert 0 < near.sum() < len(near)
    assert np.array_equal(got, near)
