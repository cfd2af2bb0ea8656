"""T4, F6 and F7: what learning rate, width, depth and length of training do to the autoencoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core.progress import Advance
from shakeslide.evaluation.splits import Split
from shakeslide.learning.recipe import Recipe
from shakeslide.paper import outcomes, plots, printed_figures, scale, summaries
from shakeslide.paper.bench import Bench
from shakeslide.paper.outcomes import Told
from shakeslide.paper.scale import PAPER


def rate_fits(bench: Bench) -> int:
    """Return how many fits T4 takes."""
    return len(printed_figures.LEARNING_RATES) * len(bench.splits)


def learning_rates(bench: Bench, advance: Advance) -> Told:
    """T4: learning rates of fine-tuning and pre-training."""
    recipes = {v: bench.recipe("sae", learning_rate=v) for v in printed_figures.LEARNING_RATES}
    results = {v: bench.results(r, bench.splits, advance) for v, r in recipes.items()}
    rows = [
        {"learning_rate": v}
        | summaries.summary(results[v], bench.splits, paper, ("oa", "precision", "recall"))
        for v, paper in printed_figures.LEARNING_RATES.items()
    ]
    table = pd.DataFrame(rows)
    return Told(
        title="Learning rates",
        table=table,
        figure=plots.learning_rates(table),
        caption="Autoencoder by learning rate of fine-tuning (and of pre-training, unless the "
        f"study sets it), mean ± sd of {len(bench.splits)} splits, and the published scores (Table "
        "4). With a fixed number of steps, training at a low rate does not converge.",
        reductions=[*scale.repeats_told(len(bench.splits)), *scale.steps_told(bench.scale)],
        settings={
            "models": outcomes.described([bench.recipe("sae")]),
            "tried": {"learning_rate": list(recipes)},
        },
        fits=_marks(bench, recipes.values(), bench.splits),
        records=[row for v in recipes for row in outcomes.records_of(results[v], learning_rate=v)],
    )


def _marks(bench: Bench, recipes: Iterable[Recipe], splits: Sequence[Split]) -> list[str]:
    """Return the fingerprints of the fits of a sweep."""
    return [bench.mark(r, s) for r in recipes for s in splits]


def structure_fits(bench: Bench) -> int:
    """Return how many fits F6 takes."""
    return (len(bench.scale.units) + len(bench.scale.depths)) * len(bench.sweep)


def structure(bench: Bench, advance: Advance) -> Told:
    """F6: hidden units per layer at the study's depth, and depth at its width."""
    units: tuple[int, ...] = tuple(bench.recipe("sae").make(0).get_params()["units"])
    # F6 tries networks as wide in all layers: the study's first one says how wide.
    width, high = units[0], len(units)
    shapes = {("units", n): (n,) * high for n in bench.scale.units}
    shapes |= {("depth", d): (width,) * d for d in bench.scale.depths}
    recipes = {k: bench.recipe("sae", units=shape) for k, shape in shapes.items()}
    # A shape that is in both sweeps is fitted once, by its mark.
    results = {k: bench.results(r, bench.sweep, advance) for k, r in recipes.items()}
    scores = {k: summaries.summary(results[k], bench.sweep, measures=("oa",)) for k in shapes}
    table = pd.DataFrame(
        [
            {"sweep": k[0], "value": k[1], "units": " ".join(map(str, shapes[k])), **row}
            for k, row in scores.items()
        ]
    )
    reductions = [*scale.sweep_told(len(bench.sweep)), *scale.steps_told(bench.scale)]
    if bench.scale.units != PAPER.units:
        reductions.append(f"{len(bench.scale.units)} widths (paper: steps of 2)")
    best = {
        sweep: max((k for k in shapes if k[0] == sweep), key=lambda k: scores[k]["oa_mean"])[1]
        for sweep in ("units", "depth")
    }
    return Told(
        title="Hidden units and layers",
        table=table,
        figure=plots.structure(table, (width, high)),
        caption=f"OA of the autoencoder by hidden units ({high} layers) and by layers ({width} "
        f"units), mean ± sd of {len(bench.sweep)} splits; best here: "
        f"{best['units']} and {best['depth']}; published: 110 and 3 (Figure 6, which prints no "
        "numbers). Scored on test rows, as in the paper; no setting is chosen from it here.",
        reductions=reductions,
        settings={
            "models": outcomes.described([bench.recipe("sae")]),
            "tried": {"units": bench.scale.units, "depth": bench.scale.depths},
            "best": best,
        },
        fits=_marks(bench, recipes.values(), bench.sweep),
        records=[row for k in recipes for row in outcomes.records_of(results[k], sweep=k)],
    )


def iteration_fits(bench: Bench) -> int:
    """Return how many fits F7 takes."""
    return len(bench.sweep)


def iterations(bench: Bench, advance: Advance) -> Told:
    """F7: accuracy on training and test rows while the autoencoder is trained."""
    steps = bench.scale.curve_steps
    every = max(1, steps // bench.scale.looks)
    recipe = bench.recipe("sae", steps=steps)
    curves = bench.curves(recipe, bench.sweep, every, advance)
    rows: dict[str, NDArray[np.float64] | float] = {"step": np.array(curves[0].step, np.float64)}
    sides = {
        "train": [(c.train_oa, c.train_loss) for c in curves],
        "test": [(c.test_oa, c.test_loss) for c in curves],
    }
    for side, pairs in sides.items():
        values = np.array([oa for oa, _ in pairs], float)
        rows[f"{side}_oa_mean"] = values.mean(axis=0)
        rows[f"{side}_oa_sd"] = values.std(axis=0, ddof=1) if len(values) > 1 else np.nan
        rows[f"{side}_loss_mean"] = np.mean(np.array([v for _, v in pairs], float), axis=0)
    table = pd.DataFrame(rows)
    reductions = scale.sweep_told(len(bench.sweep))
    if steps < PAPER.curve_steps:
        reductions += [
            f"{steps:,} steps (paper scale: {PAPER.curve_steps:,})",
            f"{bench.scale.pretrain_steps:,} steps of pre-training per layer (paper scale: "
            f"{PAPER.pretrain_steps:,})",
        ]
    return Told(
        title="Accuracy against iterations",
        table=table,
        figure=plots.iterations(table),
        caption=f"OA of the autoencoder on training and test rows while it is fine-tuned, mean ± "
        f"sd of {len(curves)} splits; one iteration is one step on a batch. The paper names 20,000 "
        "and 30,000 (Figure 7, which prints no numbers).",
        reductions=reductions,
        settings={
            "models": outcomes.described([recipe]),
            "overridden": {"early_stopping": False, "members": 1, "check_every": every},
        },
        fits=[bench.mark(recipe, s) for s in bench.sweep],
        records=[
            {"repeat": s.repeat, "fold": s.fold, **asdict(c)}
            for s, c in zip(bench.sweep, curves, strict=True)
        ],
    )
