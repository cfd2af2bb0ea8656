"""The few-term model of `learn` on real earthquakes: `python -m benchmarks.real_events`.

It is fitted on two of Kashmir 2005, Loma Prieta 1989 and the window of Wenchuan 2008 as `learn`
fits it (each counts the same and has a level of its own), and ranks the third on the cells or
units of `benchmarks.blind`. Wenchuan has shares of slope units, of which no run has samples, and
the points of Loma Prieta have no area; so the model is fitted here instead of by `learn`, and its
total is not judged.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import blind
from shakeslide import pipeline
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.models.formulas.few_terms import MEASURES, rising_logistic
from shakeslide.rapid import new_earthquake

NAMES = ("rupture", "loma", "wenchuan")
UNITS = {"PGA": "g", "PGV": "cm/s"}


@dataclass(frozen=True)
class Ground:
    """What is ranked, with slope (degrees) and shaking of each cell or unit, (n,)."""

    frame: blind.Frame
    slope: NDArray[np.float64]
    shaking: dict[str, NDArray[np.float64]]

    def terms(self, measure: str) -> NDArray[np.float32]:
        """Return sin(slope), ln(shaking) above its least, and their product, (n, 3)."""
        low, high = MEASURES[UNITS[measure]]
        s = np.sin(np.radians(self.slope))
        u = np.log(np.clip(self.shaking[measure], low, high) / low)
        return np.stack([s, u, s * u], axis=1).astype(np.float32)


def ground(event: blind.Event, data: Path) -> Ground:
    """Return slope and shaking of an earthquake, as `rapid` prepares them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        event.made(data, folder)
        path = folder / "study.toml"
        path.write_text(event.study.replace("{made}", str(folder)))
        found = new_earthquake.opened(
            path, folder / "run", Engine(1), Reporter(quiet=True), data=data / event.folder
        )
        pipeline.run_stages(found.run, [pipeline.prepare])
        grid = blind.grid_of(event, data, folder, folder / "run")
        frame = event.frame(data, grid)
    return Ground(
        frame, frame.of(grid.slope), {"PGA": frame.of(grid.pga), "PGV": frame.of(grid.pgv)}
    )


def fitted(grounds: list[Ground], measure: str) -> NDArray[np.float64]:
    """Return the coefficients of the terms, (3,), from differences within earthquakes."""
    x, y, weight, group = [], [], [], []
    for k, one in enumerate(grounds):
        failed = one.frame.failed
        x.append(one.terms(measure))
        y.append(failed.astype(np.float64))
        # Each earthquake counts the same, and both of its classes as they lie on the ground.
        weight.append(np.full(failed.size, 1.0 / failed.sum()))
        group.append(np.full(failed.size, k))
    low, high = MEASURES[UNITS[measure]]
    beta = rising_logistic(
        np.concatenate(x), np.concatenate(y), np.concatenate(weight), float(np.log(high / low)),
        np.concatenate(group).astype(np.int64),
    )  # fmt: skip
    return beta[len(grounds) :]


def main() -> None:
    """Print a row per earthquake held out and measure of shaking."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=blind.DATA)
    asked = parser.parse_args()
    if not asked.data.is_dir():
        raise SystemExit(f"{asked.data}: is not there; give --data")
    grounds = {name: ground(blind.EVENTS[name], asked.data) for name in NAMES}
    print("| held out | shaking | coefficients | AUC | less tan(slope) × shaking | highest 20 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, one in grounds.items():
        blocks = one.frame.block.max() + 1
        drawn = np.random.default_rng(0).multinomial(
            blocks, np.full(blocks, 1 / blocks), blind.TRIALS
        )
        weights = np.vstack([np.ones(blocks), drawn])
        for measure in UNITS:
            slopes = fitted([g for other, g in grounds.items() if other != name], measure)
            values = one.terms(measure) @ slopes
            rule = np.tan(np.radians(one.slope)) * one.shaking[measure]
            auc, usual = (one.frame.aucs(v, weights) for v in (values, rule))
            apart = auc - usual
            numbers = ", ".join(f"{c:.2f}" for c in slopes)
            print(f"| {name} | {measure} | {numbers} | {auc[0]:.3f} | "
                  f"{apart[0]:+.3f} ± {apart[1:].std():.3f} | "
                  f"{100 * one.frame.captured(values)[2]:.0f} % |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
