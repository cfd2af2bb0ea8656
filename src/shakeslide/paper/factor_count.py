"""F12: information gain of each factor, then every model on the best 1, 2, ... factors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from shakeslide.core.progress import Advance
from shakeslide.evaluation.splits import Split
from shakeslide.learning import explanation
from shakeslide.learning.recipe import Recipe
from shakeslide.learning.training import TOGETHER
from shakeslide.paper import claims, outcomes, plots, scale, summaries
from shakeslide.paper.bench import MODELS, Bench
from shakeslide.paper.outcomes import Told
from shakeslide.results.evaluation_file import Result


def fits(bench: Bench) -> int:
    """Return how many fits F12 takes."""
    return len(MODELS) * len(bench.scale.counts_of(len(bench.codes))) * len(bench.splits)


def rankings(bench: Bench, splits: Sequence[Split]) -> tuple[pd.DataFrame, list[list[str]]]:
    """Return the factors' information gain on the training rows of each split, and their order.

    Returns
    -------
    DataFrame
        code, name, gain_mean, gain_sd (bits), rank_mean, best first.
    list of list of str
        By split, codes from the greatest gain to the least.
    """
    told = [explanation.information_gain(bench.samples, s.train) for s in splits]
    orders = [[gain.code for gain in one] for one in told]
    bits = [{gain.code: gain.bits or 0.0 for gain in one} for one in told]
    rows = []
    for factor in bench.samples.factors:
        mean, sd = summaries.spread(np.array([b[factor.code] for b in bits]))
        rank = float(np.mean([o.index(factor.code) + 1 for o in orders]))
        rows.append((factor.code, factor.name, mean, sd, rank))
    rows.sort(key=lambda row: -row[2])
    columns = ["code", "name", "gain_mean", "gain_sd", "rank_mean"]
    return pd.DataFrame(rows, columns=columns), orders


def _best(bench: Bench, order: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the first `count` factors of an order, in the samples' order."""
    # One order for one set of factors, so that its fits are found whatever the ranking.
    return tuple(c for c in bench.codes if c in order[:count])


def _results(
    bench: Bench, recipe: Recipe, best: Sequence[tuple[str, ...]], advance: Advance
) -> list[Result]:
    """Return the results of a model, on the factors of each split."""
    together: dict[tuple[str, ...], list[int]] = {}
    for i, codes in enumerate(best):
        together.setdefault(codes, []).append(i)

    def fitted(codes: tuple[str, ...]) -> list[Result]:
        splits = [bench.splits[i] for i in together[codes]]
        whole = len(codes) == len(bench.codes)
        # As the comparison keeps it, for F10.
        keep = whole and recipe.name == "sae"
        return bench.results(recipe, splits, advance, None if whole else codes, keep)

    # One network keeps one processor busy; other models see to that themselves.
    threads = bench.run.engine.threads if recipe.name in TOGETHER else 1
    with ThreadPoolExecutor(threads) as pool:
        told = dict(zip(together, pool.map(fitted, together), strict=True))
    out: list[Result | None] = [None] * len(best)
    for codes, places in together.items():
        for i, result in zip(places, told[codes], strict=True):
            out[i] = result
    return [r for r in out if r is not None]


def growing(bench: Bench, advance: Advance) -> Told:
    """F12: accuracy of the models on the factors of most information."""
    gains, orders = rankings(bench, bench.splits)
    counts = bench.scale.counts_of(len(bench.codes))
    results: dict[str, dict[int, list[Result]]] = {}
    marks, records, rows = [], [], []
    for m in MODELS:
        recipe, results[m] = bench.recipe(m), {}
        for k in counts:
            best = [_best(bench, order, k) for order in orders]
            by = _results(bench, recipe, best, advance)
            marks += [bench.mark(recipe, s, b) for s, b in zip(bench.splits, best, strict=True)]
            results[m][k] = by
            records += outcomes.records_of(by, factors=k)
            scores = summaries.summary(by, bench.splits, measures=("oa", "roc_auc"))
            rows.append({"model": m, "factors": k, **scores})
    table = pd.DataFrame(rows)
    reductions = [
        *scale.repeats_told(len(bench.splits)),
        *scale.steps_told(bench.scale),
    ]
    if len(counts) < len(bench.codes):
        reductions.append(f"{', '.join(map(str, counts))} factors (paper: every number)")
    return Told(
        title="Factors by information gain",
        table=table,
        figure=plots.factor_count(gains, table),
        caption="Left: information gain of each factor on the training rows (10 classes of equal "
        "frequency, categories by class). Right: OA of each model on the k factors with the "
        f"highest gain, ranked on the training rows of each of {len(bench.splits)} splits, "
        "mean ± sd. The paper's Figure 12 prints no numbers.",
        reductions=reductions,
        settings={
            "models": outcomes.described([bench.recipe(m) for m in MODELS]),
            "counts": counts,
            "orders": orders,
        },
        fits=marks,
        records=records,
        claim=claims.factors(bench, results, len(bench.codes)),
        further={"_gain": gains},
    )
