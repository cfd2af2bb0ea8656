"""What extracted sources are worth: models trained on them, judged against the known ones.

`python -m benchmarks.sources_downstream` takes the frozen synthetic earthquake (made if it is not
there) and trains on its known source areas, on extracted ones and on whole outlines. All are
judged on the same blocks, against known sources and clear ground. With `--drawn "one cell too
wide"`, or another way of `sources_images.DRAWN`, outlines are drawn so, and sources are also
extracted with images of before and after.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import bench_files, sources_images
from shakeslide import pipeline
from shakeslide.evaluation import blocks, scores, splits
from shakeslide.learning import plans, training
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_table import Samples

SIZE = 4000
EXTRACTED = ["sources.mapped=false", 'inventory.positives_from="extracted"']
MODELS = ("lr", "rf")


def drawn(path: Path, out: Path, overrides: Sequence[str]) -> tuple[Samples, pipeline.Run]:
    """Prepare and sample a study."""
    overrides = ["evaluation.block_size=3000", "evaluation.folds=5", *overrides]
    run = bench_files.opened(path, out, *overrides)
    pipeline.prepare(run)
    pipeline.sample(run)
    return sample_table.load(out / "samples.parquet"), run


def elsewhere(samples: Samples, known: Samples, split: splits.Split, plan: plans.Plan) -> NDArray:
    """Return the rows that lie in none of the blocks on which a split of `known` tests."""
    tested = known.table.iloc[split.test]
    size, origin = plan.block_size, plan.origin
    held = np.unique(blocks.block_id(tested["x"].to_numpy(), tested["y"].to_numpy(), size, origin))
    own = blocks.block_id(
        samples.table["x"].to_numpy(), samples.table["y"].to_numpy(), size, origin
    )
    return np.flatnonzero(~np.isin(own, held))


def ways(folder: Path, how: str | None) -> dict[str, tuple[Path, list[str]]]:
    """Return by name how positives are had: a study file and what is changed of it."""
    path, outlines = folder / "study.toml", folder / "outlines.toml"
    text = path.read_text(encoding="utf-8")
    outlines.write_text(
        text.replace('[inventory.sources]\npath = "sources.gpkg"\n', ""), encoding="utf-8"
    )
    given_outlines = []
    told = {"known sources": (path, [])}
    if how is not None:
        given = sources_images.written(folder, how)
        given_outlines = [f'inventory.path="{given["outlines"]}"']
        pair = [f'sources.{n}.path="{given[n]}"' for n in ("before", "after")]
        told["extracted with images"] = (outlines, [*EXTRACTED, *given_outlines, *pair])
    told["extracted sources"] = (outlines, [*EXTRACTED, *given_outlines])
    told["whole outlines"] = (outlines, given_outlines)
    return told


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--drawn", choices=list(sources_images.DRAWN), help="how outlines are drawn"
    )
    asked = parser.parse_args()
    folder = bench_files.earthquake(SIZE).parent
    with tempfile.TemporaryDirectory() as work:
        taken = {}
        for way, (study, overrides) in ways(folder, asked.drawn).items():
            taken[way], run = drawn(study, Path(work) / way.replace(" ", "_"), overrides)
        known = taken["known sources"]
        plan = run.plan(known)
        chosen = plans.chosen_splits(known, "block", plan)
        print(f"{len(known.table):,} samples, {len(chosen)} folds of 3 km blocks")
        for name in MODELS:
            recipe = training.Recipe(name, "sincos", {})
            for way, samples in taken.items():
                rows = [elsewhere(samples, known, s, plan) for s in chosen]
                fits = training.fit(recipe, samples, rows, list(range(len(rows))))
                told = [
                    scores.scores(known.label[s.test], f.model.predict(known.raw[s.test]), 0.5)
                    for f, s in zip(fits, chosen, strict=True)
                ]
                auc, oa = (np.array([t[m] for t in told]) for m in ("roc_auc", "oa"))
                print(
                    f"{name}, trained on {way}: ROC-AUC {auc.mean():.3f} ± {auc.std(ddof=1):.3f}, "
                    f"OA {oa.mean():.3f} ± {oa.std(ddof=1):.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
