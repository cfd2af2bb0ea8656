"""Accuracy against the size of the smallest landslide that is kept.

`python -m benchmarks.landslide_size` leaves out landslides of fewer than 1, 4, 11 and 41 source
cells, keeps as many clear cells as source cells, fits each model on the training rows of splits
by pixel, landslide and block, and prints the mean overall accuracy. The larger
the landslides, the more cells of each test landslide a random split of cells leaves among the
training rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import ROOT, Ground, contenders, sampled
from shakeslide.evaluation import splits
from shakeslide.evaluation.scores import scores
from shakeslide.evaluation.splits import Split
from shakeslide.learning import validation
from shakeslide.sampling.sample_table import Samples

LEAST = (1, 4, 11, 41)
"""Source cells of the smallest landslide that is kept."""
MODELS = ("paper 14", "sae 14", "rf 14", "lgbm 14", "lr 14")
PROTOCOLS = ("pixel", "landslide", "block")
LANDSLIDES = 0.8
"""Share of the landslides that a split by landslide trains on."""


def kept(samples: Samples, least: int, seed: int) -> Samples:
    """Return the samples without small landslides, and with as many clear cells as are left."""
    number, count = np.unique(samples.landslide[samples.label == 1], return_counts=True)
    large = np.isin(samples.landslide, number[count >= least]) & (samples.label == 1)
    clear = np.random.default_rng(seed).permutation(np.flatnonzero(samples.label == 0))
    rows = np.sort(np.concatenate([np.flatnonzero(large), clear[: large.sum()]]))
    return replace(samples, table=samples.table.iloc[rows].reset_index(drop=True))


def drawn(ground: Ground, protocol: str, count: int) -> Sequence[Split]:
    """Return so many splits."""
    if protocol != "landslide":
        return ground.splits(protocol, count)
    s = ground.samples
    return list(
        splits.landslide(
            s.label, s.landslide, *s.places, train=LANDSLIDES, repeats=count, seed=ground.plan.seed
        )
    )


def table(ground: Ground, count: int) -> Iterator[str]:
    """Yield a Markdown table: a line per protocol and least size, a column per model."""
    known = contenders()
    yield f"| protocol | least size | source cells | {' | '.join(MODELS)} |"
    yield "|" + " --- |" * (3 + len(MODELS))
    for protocol in PROTOCOLS:
        for least in LEAST:
            some = replace(ground, samples=kept(ground.given("14"), least, ground.plan.seed))
            chosen, y = drawn(some, protocol, count), some.samples.label
            cells = []
            for label in MODELS:
                fits = validation.fit(known[label].recipe, some.samples, chosen, some.plan)
                told = [
                    f.model.predict(f.model.rows_of(some.samples, s.test))
                    for f, s in zip(fits, chosen, strict=True)
                ]
                each = [scores(y[s.test], p)["oa"] for s, p in zip(chosen, told, strict=True)]
                cells.append(f"{np.mean(each):.3f}")
            yield f"| {protocol} | {least} | {int(y.sum()):,} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table of a ground."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ground", default="kashmir", help="kashmir, or a synthetic seed")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "accuracy")
    asked = parser.parse_args()
    ground = Ground.of_run(sampled(asked.ground, asked.data, asked.out), asked.seed)
    for line in table(ground, asked.splits):
        print(line, flush=True)


if __name__ == "__main__":
    main()
