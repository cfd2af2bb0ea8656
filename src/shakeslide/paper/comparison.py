"""T1, T2, T5 and F9: four models on the same splits, their errors, scores and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from shakeslide.core.progress import Advance
from shakeslide.evaluation import audit
from shakeslide.paper import claims, outcomes, plots, printed_figures, scale, summaries
from shakeslide.paper import published as table5
from shakeslide.paper.bench import MODELS, THRESHOLD, Bench, measured
from shakeslide.paper.outcomes import Told
from shakeslide.report import charts
from shakeslide.results.evaluation_document import (
    ModelConfusion,
    ModelRoc,
    Spread,
    Summary,
    summary_of,
)
from shakeslide.results.evaluation_file import Result, mean_curve

COUNTS = ("tp", "fp", "fn", "tn")


def fits(bench: Bench) -> int:
    """Return how many fits the comparison takes."""
    return len(MODELS) * len(bench.splits)


def compared(bench: Bench, advance: Advance) -> dict[str, list[Result]]:
    """Return the results of the paper's four models on all splits."""
    # F10 looks into the autoencoders of the same fits.
    return {
        m: bench.results(bench.recipe(m), bench.splits, advance, keep=m == "sae") for m in MODELS
    }


def _told(bench: Bench, results: Mapping[str, Sequence[Result]], **said: Any) -> Told:
    """Return what the experiments of the comparison have in common."""
    recipes = [bench.recipe(m) for m in MODELS]
    reductions = [
        *scale.repeats_told(len(bench.splits)),
        *scale.steps_told(bench.scale),
    ]
    return Told(
        reductions=reductions,
        settings={"models": outcomes.described(recipes), "threshold": THRESHOLD},
        fits=[bench.mark(r, s) for r in recipes for s in bench.splits],
        records=[row for m in MODELS for row in outcomes.records_of(results[m])],
        **said,
    )


def confusion(bench: Bench, advance: Advance) -> Told:
    """T1: confusion matrices, all splits added up."""
    results = compared(bench, advance)
    rows, drawn = [], []
    for m in MODELS:
        found = [r.judgement.confusion for r in results[m]]
        added = {k: sum(int(getattr(one, k)) for one in found) for k in COUNTS}
        matrix = ModelConfusion(bench.protocol, m, **added)
        oa = (matrix.tp + matrix.tn) / sum(added.values())
        rows.append({"model": m, "splits": len(bench.splits), **added, "oa": oa})
        drawn.append(matrix)
    return _told(
        bench,
        results,
        title="Confusion matrices",
        table=pd.DataFrame(rows),
        figure=plots.confusion(drawn),
        caption="Confusion matrices of the test cells, added up over the splits (Table 1 defines "
        "them; no counts are published). Share of each mapped class in percent.",
    )


def counts(bench: Bench, advance: Advance) -> Told:
    """T2: how many cells are drawn, trained on and tested."""
    label = bench.samples.label
    split = bench.splits[0]
    rows = []
    # Of whole outlines a positive cell is no source.
    said = {"source": bench.samples.positives.cell.removesuffix(" cell")}
    for name, which in (("source", label == 1), ("clear", label == 0), ("total", label >= 0)):
        paper = printed_figures.SAMPLES[name]
        own = int(which.sum()), int(which[split.train].sum()), int(which[split.test].sum())
        names = ("cells", "training", "testing")
        rows.append(
            {"category": said.get(name, name), **dict(zip(names, own, strict=True))}
            | {f"published_{k}": v for k, v in zip(names, paper, strict=True)}
        )
    advance(1)
    table = pd.DataFrame(rows)
    return Told(
        title="Samples",
        table=table,
        figure=plots.counts(table),
        caption="Samples of the first split and the published ones (Table 2; its test cells sum to "
        "1,311,024, not 1,211,024).",
        settings={
            "counts": bench.samples.counts.to_dict(),
            "prevalence": bench.samples.prevalence,
            "train_share": bench.plan.train_share,
        },
    )


def scores(bench: Bench, advance: Advance) -> Told:
    """T5: scores of the four models, beside the published ones."""
    results = compared(bench, advance)
    rows = []
    for m in MODELS:
        row = summaries.summary(results[m], bench.splits, table5.SCORES[m])
        rows.append({"model": m, **row})
    return _told(
        bench,
        results,
        title="Scores of the four models",
        table=pd.DataFrame(rows),
        figure=plots.scores([_summary(bench, m, results[m]) for m in MODELS]),
        caption=f"Scores of four models, mean ± sd of {len(bench.splits)} splits, and the "
        "published ones (Table 5, section 4.2), which a balanced test set cannot give: precision "
        "and recall imply OA " + ", ".join(f"{100 * v:.1f}" for v in implied().values()) + ".",
        claim=claims.lead(bench, results),
    )


def implied() -> dict[str, float]:
    """Return the OA that the published precision and recall imply on a balanced test set."""
    told = {}
    for m in MODELS:
        p, r = table5.SCORES[m]["precision"].mean, table5.SCORES[m]["recall"].mean
        # One half: the test cells of Table 2 are balanced.
        told[m] = float(audit.implied_oa(p, r, 0.5))
    return told


def _summary(bench: Bench, model: str, results: Sequence[Result]) -> Summary:
    """Return what the charts of the report need of a model."""
    measures = {}
    for m in summaries.MEASURES:
        mean, sd = summaries.spread(measured(results, m))
        measures[m] = Spread(mean, None if np.isnan(sd) else sd)
    share = float(bench.samples.label.mean())
    return summary_of(bench.protocol, model, len(results), share, measures)


def roc(bench: Bench, advance: Advance) -> Told:
    """F9: ROC curves and the areas under them."""
    results = compared(bench, advance)
    rows, curves = [], []
    for m in MODELS:
        areas = summaries.summary(results[m], bench.splits, table5.SCORES[m], ("roc_auc",))
        rows.append({"model": m, **areas})
        told = [r.judgement.roc for r in results[m]]
        # All curves are given at the same false positive rates.
        fpr, tpr = mean_curve([t.fpr for t in told]), mean_curve([t.tpr for t in told])
        curves.append(ModelRoc(bench.protocol, m, fpr, tpr))
    drawn = [_summary(bench, m, results[m]) for m in MODELS]
    points = [pd.DataFrame({"model": c.model, "fpr": c.fpr, "tpr": c.tpr}) for c in curves]
    return _told(
        bench,
        results,
        title="ROC curves",
        table=pd.DataFrame(rows),
        figure=charts.roc(curves, drawn, [bench.protocol]),
        caption=f"ROC curves, mean of {len(bench.splits)} splits. Published AUC: LR 0.88, SVM "
        "0.88, RF 0.89; the autoencoder's is not given.",
        further={"_curve": pd.concat(points)},
    )
