"""How models compare on the same splits, the same rows and the same inputs.

`make accuracy` (or `python -m benchmarks.accuracy`) prepares and samples a study with the 14
factors of the paper and those of several scales, fits each contender on the training rows of
every split and writes `build/accuracy/<protocol>.md`: mean scores, and differences to the random
forest on the 14 factors, paired by split. Every contender gets numbers as normal scores, classes
as logarithms of frequency ratios and angles as sine and cosine, except `paper`, which is the
paper's autoencoder with the paper's encoding. By `block`, each split holds a fifth of the blocks
out; by `pixel`, four fifths of the samples. What is done is kept: the same command goes on where
it was stopped.

The splits of REPORTED_SEED are for the tables that are published. No setting may be chosen by them:
`--explore SEED` draws others.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shakeslide import pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.files import replacing
from shakeslide.core.progress import Reporter
from shakeslide.evaluation import intervals, splits
from shakeslide.evaluation.scores import scores
from shakeslide.evaluation.splits import Split
from shakeslide.learning import model_recipes, plans, validation
from shakeslide.learning.training import Recipe
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_table import Samples
from shakeslide.study import settings as study
from shakeslide.study.factor_settings import PAPER_FACTORS
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Event

REPORTED_SEED = 20_261_130
"""Of the splits that are reported: not to be read for any choice."""
FOLDS = 5
TRAIN_SHARE = 0.2
BUFFER = 300.0
"""Metres around the held-out blocks from which nothing is trained on."""
MEASURES = ("oa", "roc_auc", "brier")
ROOT = Path(__file__).parents[1]
SCALES = ['factors.groups=["hydrology", "terrain", "shaking", "classes"]']
"""What a study gets beside the 14 factors."""
INPUTS: dict[str, object] = {"angles": "sincos", "scaling": "normal"}
"""How every contender is given its factors, so that none has an advantage of encoding."""
VOTES: dict[str, dict[str, object]] = {
    "KF": {"context": ["factors"]},
    "KF0": {"context": ["factors"], "exclusion": [0]},
    "K": {"context": ["place"]},
    "K0": {"context": ["place"], "exclusion": [0]},
}
"""Votes of training rows: like the row in their factors, around it, or around it without exclusion,
which suits maps of the mapped ground alone."""
Factors = Literal["14", "all"]


@dataclass(frozen=True)
class Contender:
    """A model with its settings and its inputs.

    Attributes
    ----------
    model : str
        Name in the registry.
    factors : {"14", "all"}
        Those of the paper, or all of the run.
    settings : mapping
        What its table of the study file would hold.
    label : str
        In the table; the name of its file.
    """

    label: str
    model: str
    factors: Factors
    settings: Mapping[str, object]

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        models = Models.model_validate({self.model: dict(self.settings)})
        return model_recipes.recipe(self.model, models, Event())


def contenders() -> dict[str, Contender]:
    """Return all contenders, by label; the first is the one that the others are compared with."""
    found = []
    modern: dict[str, dict[str, object]] = {"sae": {"settings": "modern"}}
    for factors in ("14", "all"):
        for model in ("rf", "et", "lgbm", "sae"):
            given = {**INPUTS, **modern.get(model, {})}
            found.append(Contender(f"{model} {factors}", model, factors, given))
            for name, votes in VOTES.items():
                found.append(Contender(f"{model} {factors} {name}", model, factors, given | votes))
        found.append(Contender(f"best {factors}", "best", factors, {}))
    found.append(Contender("lr 14", "lr", "14", INPUTS))
    found.append(Contender("paper 14", "sae", "14", {"settings": "paper"}))
    return {c.label: c for c in found}


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
    plan: plans.Plan

    @classmethod
    def of_run(cls, folder: Path, seed: int) -> Ground:
        """Read the samples of a run."""
        samples = sample_table.load(folder / "samples.parquet")
        x, y = samples.places
        size = samples.counts.block_size
        # Blocks are laid from a corner that lies north-west of all samples.
        corner = float(np.floor(x.min() / size) * size), float(np.ceil(y.max() / size) * size)
        return cls(samples, plans.Plan(TRAIN_SHARE, 1, FOLDS, size, BUFFER, corner, seed))

    def given(self, factors: Factors) -> Samples:
        """Return the samples with the factors of the paper alone, or all."""
        if factors == "all":
            return self.samples
        paper = set(PAPER_FACTORS)
        kept = tuple(f for f in self.samples.factors if f.code in paper)
        return replace(self.samples, factors=kept)

    def splits(self, protocol: str, count: int) -> list[Split]:
        """Return so many independent splits; of `halves` north to south, and back."""
        y, plan = self.samples.label, self.plan
        if protocol == "pixel":
            return list(splits.pixel(y, plan.train_share, count, plan.seed))
        x, north = self.samples.places
        if protocol == "halves":
            # As many landslide cells in one half as in the other.
            from_middle = north - np.median(north[y == 1])
            sides = [np.flatnonzero(s * from_middle > 0) for s in (1, -1)]
            clear = [np.flatnonzero(s * from_middle > BUFFER) for s in (1, -1)]
            return [
                Split("block", 0, 0, clear[0], sides[1]),
                Split("block", 0, 1, clear[1], sides[0]),
            ]
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


@dataclass(frozen=True)
class Trial:
    """What the contenders predict for the test rows of some splits.

    Attributes
    ----------
    ground : Ground
        Samples.
    protocol : str
        How they are split.
    chosen : sequence of Split
        The splits.
    folder : Path
        Where predictions are kept.
    """

    ground: Ground
    protocol: str
    chosen: Sequence[Split]
    folder: Path

    def predictions(self, one: Contender) -> list[NDArray[np.float32]]:
        """Return what a contender predicts, of each split; what was kept is read."""
        samples, recipe = self.ground.given(one.factors), one.recipe
        kept = []
        for k, split in enumerate(self.chosen):
            name = f"{one.label.replace(' ', '_')}-{k}.npz"
            path = self.folder / self.protocol / str(self.ground.plan.seed) / name
            mark = f"{recipe} {sample_table.essence(samples)} {len(split.train)} {len(split.test)}"
            if not path.is_file() or str(np.load(path)["mark"]) != mark:
                start = sum(os.times()[:4])
                (fit,) = validation.fit(recipe, samples, [split], self.ground.plan)
                p = fit.model.predict(fit.model.rows_of(samples, split.test))
                spent = sum(os.times()[:4]) - start
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as whole, whole.open("wb") as file:
                    np.savez(file, p=p.astype(np.float32), mark=mark, seconds=spent)
            kept.append(np.load(path)["p"])
        return kept

    def table(self, found: Mapping[str, list[NDArray[np.float32]]]) -> Iterator[str]:
        """Yield a Markdown table: means over splits, and differences to the first contender."""
        base = next(iter(found))
        measured = {name: self._scores(told) for name, told in found.items()}
        sizes = [len(s.train) for s in self.chosen], [len(s.test) for s in self.chosen]
        against = [f"{m} − {base}" for m in MEASURES[:2]]
        yield f"| model | {' | '.join([*MEASURES, *against])} |"
        yield "| --- |" + " --- |" * (len(MEASURES) + 2)
        for name, values in measured.items():
            cells = [f"{v:.3f}" for v in values.mean(axis=0)]
            for k in range(2):
                if name == base:
                    cells.append("")
                    continue
                split = intervals.paired_difference(values[:, k], measured[base][:, k], *sizes)
                low, high = self._resampled(found[name], found[base], MEASURES[k])
                cells.append(
                    f"{split.estimate:+.3f} [{split.low:+.3f}, {split.high:+.3f}] "
                    f"({low:+.3f}, {high:+.3f})"
                )
            yield f"| {name} | {' | '.join(cells)} |"

    def _scores(self, told: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Scores, (splits, measures)."""
        label = self.ground.samples.label
        each = [scores(label[s.test], p) for s, p in zip(self.chosen, told, strict=True)]
        return np.array([[row[m] for m in MEASURES] for row in each])

    def _resampled(
        self,
        told: Sequence[NDArray[np.float32]],
        base: Sequence[NDArray[np.float32]],
        measure: str,
    ) -> tuple[float, float]:
        """Ends of the interval of a difference from resampled blocks (pixel: landslides)."""
        samples = self.ground.samples
        groups = samples.blocks if self.protocol == "block" else samples.landslide_groups()
        rows = np.concatenate([s.test for s in self.chosen])
        part = np.repeat(np.arange(len(self.chosen)), [len(s.test) for s in self.chosen])
        label, group = samples.label[rows], groups[rows]
        first, second = np.concatenate(told), np.concatenate(base)
        drawn = intervals.bootstrap_difference(label, first, second, group, part, n=500)
        return drawn[measure].low, drawn[measure].high


LOMA = """[study]
name = "Loma Prieta 1989"
seed = 1
[event]
epicentre = [-121.88, 37.04]
magnitude = 6.9
[layers.dem]
path = "dem_srtm3_utm10n_80m.tif"
[layers.faults]
path = "faults_gem_clip_geometry_only.gpkg"
[layers.intensity]
path = "shakemap_mmi.tif"
[inventory]
path = "landslide_points_keefer_manson_1998.gpkg"
[factors.DR]
function = "river_distance"
""" + "".join(f"[factors.{code}]\nuse = false\n" for code in ("SRD", "AF", "LITH", "ST"))


def study_of(name: str, folder: Path) -> Path:
    """Write the study of a ground where it has none of its own, and return its path.

    Parameters
    ----------
    name : str
        kashmir, loma, or the seed of a synthetic earthquake.
    folder : Path
        For what is written.
    """
    if name == "kashmir":
        return ROOT / "examples" / "kashmir2005" / "study.toml"
    folder.mkdir(parents=True, exist_ok=True)
    if name == "loma":
        path = folder / "study.toml"
        path.write_text(LOMA)
        return path
    scenario = synthetic.Scenario(seed=int(name), rows=1000, cols=1000)
    made = folder / "study.toml"
    return made if made.is_file() else synthetic.write(synthetic.make(scenario), folder)


def sampled(name: str, data: Path, out: Path) -> Path:
    """Prepare and sample a ground with all factors, and return the run's folder."""
    folders = {"kashmir": data / "kashmir2005", "loma": data / "lomaprieta1989"}
    path = study_of(name, out / name)
    settings, document = study.load(path, data=folders.get(name), overrides=SCALES)
    run = pipeline.Run(settings, document, out / name / "run", Engine(), Reporter())
    for stage in (pipeline.prepare, pipeline.sample):
        stage(run)
    return run.out


def main() -> None:
    """Fit, score and print."""
    known = contenders()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ground", default="kashmir", help="kashmir, loma, or a synthetic seed")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--protocol", default="block", choices=["block", "pixel", "halves"])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=list(known), choices=list(known))
    parser.add_argument("--explore", type=int, default=REPORTED_SEED, metavar="SEED")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "accuracy")
    asked = parser.parse_args()
    ground = Ground.of_run(sampled(asked.ground, asked.data, asked.out), asked.explore)
    chosen = ground.splits(asked.protocol, asked.splits)
    trial = Trial(ground, asked.protocol, chosen, asked.out / asked.ground / "predicted")
    found = {}
    for label in asked.models:
        start = sum(os.times()[:4])
        found[label] = trial.predictions(known[label])
        print(f"{label}: {sum(os.times()[:4]) - start:.0f} CPU s", flush=True)
    which = "reported" if asked.explore == REPORTED_SEED else f"exploration, seed {asked.explore}"
    lines = [
        f"{asked.ground}, {asked.protocol}, {len(chosen)} splits ({which}), "
        f"{len(ground.samples.factors)} factors, {time.strftime('%Y-%m-%d')}",
        "",
        *trial.table(found),
    ]
    table = asked.out / f"{asked.ground}-{asked.protocol}-{asked.explore}.md"
    table.write_text("\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
