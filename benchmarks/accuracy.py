"""How models compare on the same splits of a study's samples.

`python -m benchmarks.accuracy --run FOLDER` reads the samples of a run whose `sample` is done, fits
each model on the training rows of every split and prints a table of scores and of differences to
the random forest: paired by split, with the interval of Nadeau and Bengio. All models see the same
factors and the same rows; each encodes them in its usual way. By `block`, each split holds a fifth
of the blocks out, by `pixel` four fifths of the samples.

The splits of REPORTED_SEED are for the tables that are published. No setting is to be chosen by
them: `--explore SEED` draws others.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from shakeslide.evaluation import intervals, splits
from shakeslide.evaluation.scores import scores
from shakeslide.evaluation.splits import Split
from shakeslide.learning import model_recipes, training, validation
from shakeslide.learning.training import Recipe
from shakeslide.sampling import sampling
from shakeslide.sampling.sampling import Samples
from shakeslide.study.model_settings import Models, SaeSettings
from shakeslide.study.settings import Event

REPORTED_SEED = 20_261_130
"""Of the splits that are reported: not to be read for any choice."""
FOLDS = 5
TRAIN_SHARE = 0.2
BASE = "rf"
"""The model that the others are compared with."""
MEASURES = ("oa", "roc_auc", "brier")
TREES = 300
"""Of the extremely randomised trees, which are no model of the package."""


@dataclass(frozen=True)
class Ground:
    """Samples of a run and how they are split.

    Attributes
    ----------
    samples : Samples
        Of the run.
    plan : Plan
        Of the splits.
    """

    samples: Samples
    plan: validation.Plan

    @classmethod
    def of_run(cls, folder: Path, seed: int, buffer: float) -> Ground:
        """Read the samples of a run."""
        samples = sampling.load(folder / "samples.parquet")
        x, y = samples.places
        size = float(samples.counts["block_size"])
        # Blocks are laid from a corner that lies north-west of all samples.
        corner = float(np.floor(x.min() / size) * size), float(np.ceil(y.max() / size) * size)
        return cls(samples, validation.Plan(TRAIN_SHARE, 1, FOLDS, size, buffer, corner, seed))

    def splits(self, protocol: str, count: int) -> list[Split]:
        """Return so many independent splits."""
        y, plan = self.samples.label, self.plan
        if protocol == "pixel":
            return list(splits.pixel(y, plan.train_share, count, plan.seed))
        x, north = self.samples.places
        drawn = splits.block(
            y,
            x,
            north,
            plan.block_size,
            buffer=plan.buffer,
            folds=plan.folds,
            repeats=count,
            seed=plan.seed,
            origin=plan.origin,
            event=self.samples.event,
        )
        # One fold of each draw: folds of one draw share their training rows.
        return [s for s in drawn if s.fold == 0]


def recipes() -> dict[str, Recipe]:
    """Return how the package's own models are trained, by the name in the table."""
    named = {"lr": Models(), "rf": Models(), "hgb": Models()}
    named |= {f"sae-{v}": Models(sae=SaeSettings(settings=v)) for v in ("paper", "modern")}
    return {n: model_recipes.recipe(n.split("-")[0], m, Event()) for n, m in named.items()}


def extra_trees(ground: Ground, chosen: Sequence[Split]) -> list[NDArray[np.float32]]:
    """Return what extremely randomised trees predict for the test rows of each split."""
    told = []
    raw, label = ground.samples.raw, ground.samples.label
    for split in chosen:
        areas = validation.training_areas(ground.samples, split, ground.plan)
        encoder = training.fit_encoder(ground.samples, split.train, "sincos", areas)
        trees = ExtraTreesClassifier(TREES, random_state=split.repeat)
        trees.fit(encoder.transform(raw[split.train]), label[split.train])
        p = trees.predict_proba(encoder.transform(raw[split.test]))[:, 1]
        told.append(p.astype(np.float32))
    return told


def predictions(
    ground: Ground, name: str, chosen: Sequence[Split], known: dict[str, Recipe]
) -> list[NDArray[np.float32]]:
    """Return what a model predicts for the test rows of each split."""
    if name == "et":
        return extra_trees(ground, chosen)
    fits = validation.fit(known[name], ground.samples, chosen, ground.plan)
    raw = ground.samples.raw
    return [f.model.predict(raw[s.test]) for f, s in zip(fits, chosen, strict=True)]


def table(found: dict[str, NDArray[np.float64]], chosen: Sequence[Split]) -> list[str]:
    """Return the lines of a Markdown table: means over splits, and differences to the base.

    Parameters
    ----------
    found : dict
        Of each model, (splits, measures) in the order of `MEASURES`.
    chosen : sequence of Split
        The splits.
    """
    sizes = [len(s.train) for s in chosen], [len(s.test) for s in chosen]
    against = [f"{m} − {BASE}" for m in MEASURES]
    lines = [f"| model | {' | '.join([*MEASURES, *against])} |", "| --- |" + " --- |" * 6]
    for name, values in found.items():
        cells = [f"{v:.3f}" for v in values.mean(axis=0)]
        for k in range(len(MEASURES)):
            if name == BASE or BASE not in found:
                cells.append("")
                continue
            told = intervals.paired_difference(values[:, k], found[BASE][:, k], *sizes)
            cells.append(f"{told.estimate:+.3f} ({told.low:+.3f} to {told.high:+.3f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Fit, score and print."""
    known = recipes()
    names = ["rf", "et", "hgb", "sae-paper", "sae-modern"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--protocol", default="block", choices=["block", "pixel"])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=names, choices=["et", *known])
    parser.add_argument("--buffer", type=float, default=300.0)
    parser.add_argument("--explore", type=int, default=REPORTED_SEED, metavar="SEED")
    asked = parser.parse_args()
    ground = Ground.of_run(asked.run, asked.explore, asked.buffer)
    chosen = ground.splits(asked.protocol, asked.splits)
    found = {}
    for name in asked.models:
        start = sum(os.times()[:2])
        told = predictions(ground, name, chosen, known)
        rows = [
            [scores(ground.samples.label[s.test], p)[m] for m in MEASURES]
            for s, p in zip(chosen, told, strict=True)
        ]
        found[name] = np.array(rows)
        print(f"{name}: {sum(os.times()[:2]) - start:.0f} CPU s", flush=True)
    which = "reported" if asked.explore == REPORTED_SEED else f"exploration, seed {asked.explore}"
    print(f"\n{asked.protocol}, {len(chosen)} splits ({which}), {time.strftime('%Y-%m-%d')}\n")
    print("\n".join(table(found, chosen)))


if __name__ == "__main__":
    main()
