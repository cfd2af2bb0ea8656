"""Importance of factors, dependence of the probability on them, and explanation of one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Keep, anew
from shakeslide.evaluation import importance
from shakeslide.evaluation.collinearity import correlations
from shakeslide.evaluation.splits import Split
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning.bundle import FittedModel
from shakeslide.sampling.sampling import Samples

GROUP_CORRELATION = 0.7
"""Spearman correlation from which factors are shuffled together."""
SHUFFLES = 5
AVERAGED = 1000
"""Test rows over which a partial dependence is averaged."""
STEPS = 20
"""Points of a partial dependence, at equal shares of the rows."""
BACKGROUND = 100
"""Cells that a place is compared with."""
EPSILON = 1e-6
"""Keeps log-odds finite."""


def information_gain(samples: Samples, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the information gain of each factor on some rows, greatest first, in bits.

    Parameters
    ----------
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the rows to use.

    Returns
    -------
    list of dict
        `code` and `bits` of each factor.
    """
    y = samples.label[rows]
    told = [
        {
            "code": f.code,
            "bits": importance.information_gain(
                samples.raw[rows, i], y, categorical=f.kind == "categorical"
            ),
        }
        for i, f in enumerate(samples.factors)
    ]
    return sorted(told, key=lambda row: -float(row["bits"]))


def collinearity(samples: Samples) -> dict[str, Any]:
    """Return how far the factors repeat each other over the samples, see `Collinearity.to_dict`.

    Samples in which too few rows have all values give `codes` and `remarks` alone.
    """
    kinds: dict[str, Any] = {f.code: f.kind for f in samples.factors}
    try:
        told = correlations(samples.raw, list(kinds), kinds)
    except ValueError as error:
        return {"codes": list(kinds), "remarks": [f"collinearity is not known: {error}"]}
    return told.to_dict()


def groups(samples: Samples, rows: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Return groups of factors that are closely correlated on some rows, (n,) int64, by number."""
    return importance.correlated_groups(samples.raw[rows], threshold=GROUP_CORRELATION)


def explain(
    model: FittedModel, samples: Samples, split: Split, seed: int, keep: Keep = anew
) -> dict[str, Any]:
    """Return what the model makes of its factors, on rows that it was not trained on.

    Parameters
    ----------
    model : FittedModel
        Trained on `split.train`.
    samples : Samples
        All samples.
    split : Split
        Its split.
    seed : int
        Of the study.
    keep : callable
        Runs the steps; those of an earlier begin need not be run again.

    Returns
    -------
    dict
        `permutation`: fall of the ROC-AUC when a group of correlated factors is shuffled, mean and
        standard deviation; `dependence`: mean probability along each factor.
    """
    together = groups(samples, split.train)
    test = samples.raw[split.test]
    told = importance.permutation_importance(
        model.predict,
        test,
        samples.label[split.test],
        together,
        repeats=SHUFFLES,
        seed=seed,
        keep=keep,
    )
    rng = np.random.default_rng(np.random.SeedSequence([seed, 77]))
    # Each point of a curve predicts all of these rows anew.
    some = test[rng.permutation(len(test))[:AVERAGED]]
    return {
        "model": model.name,
        "roc_auc": told.baseline,
        "permutation": [
            {"codes": [samples.factors[i].code for i in g], "mean": float(m), "sd": float(s)}
            for g, m, s in zip(together, told.mean, told.sd, strict=True)
        ],
        "dependence": [
            keep(f"dependence-{i}", partial(_dependence, model, some, i, factor))
            for i, factor in enumerate(samples.factors)
        ],
    }


def _dependence(
    model: FittedModel, rows: NDArray[np.float32], i: int, factor: FactorInfo
) -> dict[str, Any]:
    if factor.kind == "categorical":
        values = np.unique(rows[:, i])
    else:
        # Not to the very ends, where hardly any rows lie.
        values = np.unique(np.quantile(rows[:, i], np.linspace(0.01, 0.99, STEPS)))
    p = importance.partial_dependence(model.predict, rows, [i], values.astype(np.float32))
    return {"code": factor.code, "values": values.tolist(), "probability": p.tolist()}


def attribute(
    model: FittedModel, row: NDArray[np.float32], samples: Samples, seed: int
) -> dict[str, Any]:
    """Return what each factor adds to the log-odds of one cell, against cells clear of landslides.

    Parameters
    ----------
    model : FittedModel
        Trained.
    row : array, (factors,) float32
        The cell's raw factors.
    samples : Samples
        Where the cells to compare with are drawn.
    seed : int
        Of the study.

    Returns
    -------
    dict
        `probability` of the cell and `background`, that of clear ground; `parts`: what each factor
        is called, its value there (of a class also its name), and what it adds in log-odds.
    """
    if not np.isfinite(row).all():
        missing = [f.code for f, v in zip(model.factors, row, strict=True) if not np.isfinite(v)]
        raise InputError(f"the cell has no value of {', '.join(missing)}, so no probability")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 78]))
    # The question is what sets the place apart from ground that did not fail.
    clear = np.nonzero(samples.label == 0)[0]
    background = samples.raw[rng.choice(clear, min(BACKGROUND, len(clear)), replace=False)]
    alone: Sequence[tuple[int, ...]] = [(i,) for i in range(len(model.factors))]

    def log_odds(raw: NDArray[np.float32]) -> NDArray[np.float64]:
        p = np.clip(model.predict(raw).astype(np.float64), EPSILON, 1 - EPSILON)
        return np.asarray(np.log(p / (1 - p)))

    told = importance.attribution(log_odds, row, background, alone, seed=seed)
    parts = [
        {
            "code": f.code,
            "name": f.name,
            "unit": f.unit,
            "value": float(v),
            "class": f.legend.get(int(v)) if f.kind == "categorical" else None,
            "log_odds": float(p),
            "error": float(e),
        }
        for f, v, p, e in zip(model.factors, row, told.parts, told.error, strict=True)
    ]
    return {
        "model": model.name,
        "probability": float(model.predict(row[None])[0]),
        # The base is a mean of log-odds.
        "background": 1 / (1 + float(np.exp(-told.base))),
        "parts": sorted(parts, key=lambda part: -abs(float(part["log_odds"]))),
    }


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return what `attribute` told as a small table, a factor to a line."""
    parts = told["parts"]
    values = [_value(part) for part in parts]
    name = max(len(part["name"]) for part in parts)
    value = max(map(len, values))
    here, there = told["probability"], told["background"]
    return [
        f"{told['model']}: {here:.3f} here, {there:.3f} on clear ground",
        *(
            f"{part['code']:<6} {part['name']:<{name}}  {text:<{value}}  log-odds "
            f"{part['log_odds']:+.2f} ± {part['error']:.2f}"
            for part, text in zip(parts, values, strict=True)
        ),
    ]


def _value(part: Mapping[str, Any]) -> str:
    """Return a factor's value with its unit; of a class its code and name, where it has one."""
    if part["class"] is None:
        return f"{part['value']:>8.4g} {part['unit']}".rstrip()
    code = f"{part['value']:.0f}"
    named = part["class"] != code
    return f"{code:>8}" + (f" = {part['class']}" if named else f" {part['unit']}")
