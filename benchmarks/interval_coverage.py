"""How often intervals of a learnt bundle hold the mapped area.

`python -m benchmarks.interval_coverage` makes synthetic earthquakes one by one on small grids, as
the command of the bundle that ships with the package does. The few-term model is fitted on all but
one, and each one's area is compared with the interval that the levels of the others give. The
slope of the blend is one of all of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from benchmarks.shipped_bundle import FACTORS, sampled
from shakeslide.core.engine import Engine
from shakeslide.learning.several import (
    blending,
    common_factors,
    held_out,
    joined_ground,
    past_runs,
)
from shakeslide.learning.several.blending import Blend, HeldOut
from shakeslide.learning.several.members import FEW

SEED, COUNT, SIZE = 7, 30, 160
PROBABILITIES = (0.5, 0.9)


@dataclass(frozen=True)
class Held:
    """An earthquake as the others predict it.

    Attributes
    ----------
    ratio : float
        Expected over mapped area.
    inside : tuple of bool
        Whether each interval of `PROBABILITIES` holds the mapped area.
    """

    ratio: float
    inside: tuple[bool, ...]


def judged(parts: Sequence[HeldOut], blend: Blend) -> list[Held]:
    """Return each earthquake by the levels of the others."""
    out = []
    for k, part in enumerate(parts):
        others = Blend(blend.coefficients, blend.levels[:k] + blend.levels[k + 1 :])
        mapped = float(part.weight[part.label == 1].sum())
        expected = float(np.sum(part.weight * expit(others.logit(part.logits))))
        # An area is in its interval where the level that gives it is in that of levels.
        away = abs(blend.levels[k] - others.intercept) / others.sd
        inside = tuple(bool(away <= norm.ppf((1 + p) / 2)) for p in PROBABILITIES)
        out.append(Held(expected / mapped, inside))
    return out


def suite(runs: Sequence[Path], waiting: Path) -> list[Held]:
    """Return the earthquakes of some runs, each held out from the others."""
    known = past_runs.read(runs)
    ground = joined_ground.join(known, common_factors.choose(known, FACTORS), 0)
    fits = held_out.Fits(ground, (FEW,), 0, waiting)
    parts = [
        fits.held_out([k for k in range(len(runs)) if k != event], event)
        for event in range(len(runs))
    ]
    return judged(parts, blending.fit(parts, (FEW,)))


def main() -> None:
    """Make the earthquakes, hold each out, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs") / "coverage")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--events", type=int, default=COUNT)
    parser.add_argument("--size", type=int, default=SIZE)
    asked = parser.parse_args()
    runs = list(sampled(asked.work, asked.seed, asked.events, asked.size))
    with tempfile.TemporaryDirectory() as waiting:
        found = Engine(1).map(lambda r: suite(r, Path(waiting)), [runs], lambda _: None)[0]
    print(f"earthquakes with enough source cells: {len(found)} of {asked.events}")
    for i, p in enumerate(PROBABILITIES):
        inside = sum(h.inside[i] for h in found)
        print(f"{p:.0%} interval holds the mapped area: {inside} ({inside / len(found):.0%})")
    for factor in (2, 3):
        near = sum(abs(np.log(h.ratio)) <= np.log(factor) for h in found)
        print(f"expected area within a factor of {factor}: {near} ({near / len(found):.0%})")
    print(f"{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
