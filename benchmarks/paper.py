"""The paper's experiments on both studies, and the page about them.

`python -m benchmarks.paper` (or `make reproduce`) runs the study of Kashmir 2005 and the frozen
synthetic earthquake as far as they are not done, repeats the experiments by `pixel` and `block`,
and writes docs/paper.md. `--scale paper` takes hours; what was stopped goes on at the next call.
Kashmir's data are looked for in `--data`, ../shared/data/kashmir2005 by default; without them its
part is left out and the page is not written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bench_files
from shakeslide import paper, pipeline, synthetic
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.study import settings

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "paper"
CLAIMS = ("T5", "F10", "F12")
"""The experiments that the claims rest on."""
SPLITS = {"quick": 5}
"""Splits in place of the scale's own: two tell no claim from its opposite."""


def kashmir(data: Path, scale: str) -> Path:
    """Run the study, repeat everything by `pixel` and what the claims need by `block`."""
    loaded, document = settings.load(ROOT / "examples" / "kashmir2005" / "study.toml", data)
    run = pipeline.Run(loaded, document, OUT / "kashmir2005", Engine(), Reporter())
    with run.ledger.locked():
        pipeline.run_all(run)
        folder = paper.run(run, scale=scale, repeats=SPLITS.get(scale))
        paper.run(run, CLAIMS, scale, "block", repeats=SPLITS.get(scale))
    return folder


def frozen(scale: str) -> Path:
    """Make the frozen earthquake if need be; repeat what the claims need, on samples alone."""
    path = bench_files.DATA / "4000" / "study.toml"
    if not path.exists():
        synthetic.write(synthetic.make(synthetic.BENCHMARK), path.parent)
    # Five folds of 3 km blocks, as in Kashmir.
    how = ["study.preset=paper", "evaluation.block_size=3000", "evaluation.folds=5"]
    loaded, document = settings.load(path, None, [*how, "samples.most=6000"])
    run = pipeline.Run(loaded, document, OUT / "frozen", Engine(), Reporter())
    with run.ledger.locked():
        for stage in (pipeline.prepare, pipeline.sample, pipeline.train):
            stage(run)
        folder = paper.run(run, CLAIMS, scale, repeats=SPLITS.get(scale))
        paper.run(run, CLAIMS, scale, "block", repeats=SPLITS.get(scale))
    return folder


def main() -> None:
    """Run what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="quick", choices=["quick", "paper"])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/kashmir2005")
    asked = parser.parse_args()
    folders = [frozen(asked.scale)]
    if not asked.data.is_dir():
        print(f"{asked.data} is not there: without Kashmir docs/paper.md stays as it is")
        return
    folders.insert(0, kashmir(asked.data, asked.scale))
    print(paper.write_page(folders, ROOT / "docs" / "paper.md"))


if __name__ == "__main__":
    main()
