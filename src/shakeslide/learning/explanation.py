"""Importance of factors, dependence of the probability on them, and explanation of one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Keep, anew
from shakeslide.evaluation import importance
from shakeslide.evaluation.collinearity import Collinearity, Kind, Method, Pair, correlations
from shakeslide.evaluation.splits import Split
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.judgement import Curve
from shakeslide.sampling.sample_table import Samples

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


@dataclass(frozen=True)
class Gain:
    """Information gain of a factor in bits, None where it is not known."""

    code: str
    bits: float | None


@dataclass(frozen=True)
class Loss:
    """Fall of the ROC-AUC when a group of correlated factors is shuffled.

    Attributes
    ----------
    codes : tuple of str
        The factors.
    mean, sd : float or None
        Over the shuffles, as shares; None where it is not known.
    """

    codes: tuple[str, ...]
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Dependence:
    """Mean probability along the values of a factor, of equal length."""

    code: str
    values: tuple[float, ...]
    probability: Curve


@dataclass(frozen=True)
class ModelImportance:
    """What a model makes of its factors.

    Attributes
    ----------
    model : str
        Its name.
    roc_auc : float or None
        Of the rows as they are.
    permutation : tuple of Loss
        One per group of correlated factors.
    dependence : tuple of Dependence
        One per factor.
    """

    model: str
    roc_auc: float | None
    permutation: tuple[Loss, ...]
    dependence: tuple[Dependence, ...]

    @property
    def greatest(self) -> Loss | None:
        """The group of factors whose shuffling lowers the AUC most, None if not known."""
        known = [(loss.mean, loss) for loss in self.permutation if loss.mean is not None]
        return max(known, key=lambda pair: pair[0])[1] if known else None

    def dependence_on(self, code: str) -> Dependence | None:
        """Return the dependence on a factor, None where it is not known."""
        return next((curve for curve in self.dependence if curve.code == code), None)


@dataclass(frozen=True)
class Collinear:
    """How far the factors repeat each other (`evaluation.collinearity`), as it is stored.

    Attributes
    ----------
    codes : tuple of str
        The factors, in order.
    remarks : tuple of str
        What to think about, or why nothing is known.
    correlation : tuple of Curve
        A row per factor; empty where nothing is known.
    vif : mapping of str to float or None
        Variance inflation by code. None where it is infinite, or the factor does not vary.
    pairs : tuple of Pair
        Factors that go together.
    method : {"pearson", "spearman"}
        Of the correlation.
    rows : int
        Samples that it was made from.
    """

    codes: tuple[str, ...]
    remarks: tuple[str, ...]
    correlation: tuple[Curve, ...] = ()
    vif: Mapping[str, float | None] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    method: Method = "pearson"
    rows: int = 0

    @property
    def known(self) -> bool:
        """Whether the samples were enough for it."""
        return bool(self.correlation)

    def of(self, codes: Sequence[str]) -> Collinear:
        """Return the same for some of the factors; variance inflation is that among all."""
        places = [i for i, code in enumerate(self.codes) if code in codes]
        kept = [self.codes[i] for i in places]
        return replace(
            self,
            codes=tuple(kept),
            correlation=tuple(tuple(self.correlation[i][j] for j in places) for i in places),
            vif={code: self.vif[code] for code in kept},
            pairs=tuple(p for p in self.pairs if p.first in codes and p.second in codes),
        )

    def infinite(self, code: str) -> bool:
        """Tell whether the others give a factor away, so that its VIF is infinite."""
        # JSON has no infinity; only a factor that does not vary has no correlation with itself.
        i = self.codes.index(code)
        return self.vif[code] is None and self.correlation[i][i] is not None


def information_gain(samples: Samples, rows: NDArray[np.int64]) -> tuple[Gain, ...]:
    """Return the information gain of each factor on some rows, greatest first, in bits.

    Parameters
    ----------
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the rows to use.
    """
    y = samples.label[rows]
    bits = {
        f.code: importance.information_gain(
            samples.raw[rows, i], y, categorical=f.kind == "categorical"
        )
        for i, f in enumerate(samples.factors)
    }
    return tuple(Gain(code, bits[code]) for code in sorted(bits, key=lambda code: -bits[code]))


def collinearity(samples: Samples) -> Collinear:
    """Return how far the factors repeat each other over the samples.

    Samples in which too few rows have all values give `codes` and `remarks` alone.
    """
    kinds = {f.code: cast(Kind, f.kind) for f in samples.factors}
    try:
        told = correlations(samples.raw, list(kinds), kinds)
    except ValueError as error:
        return Collinear(tuple(kinds), (f"collinearity cannot be computed: {error}",))
    return stored(told)


def stored(told: Collinearity) -> Collinear:
    """Return a collinearity as it is stored."""

    def plain(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return Collinear(
        codes=told.codes,
        remarks=tuple(told.remarks()),
        correlation=tuple(tuple(map(plain, row)) for row in told.correlation),
        vif=dict(zip(told.codes, map(plain, told.vif), strict=True)),
        pairs=tuple(told.pairs()),
        method=told.method,
        rows=told.rows,
    )


def groups(samples: Samples, rows: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Return groups of factors that are closely correlated on some rows, (n,) int64, by number."""
    return importance.correlated_groups(samples.raw[rows], threshold=GROUP_CORRELATION)


def explain(
    model: FittedModel, samples: Samples, split: Split, seed: int, keep: Keep = anew
) -> ModelImportance:
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
    """
    together = groups(samples, split.train)
    test = model.rows_of(samples, split.test)
    told = importance.permutation_importance(
        model.remembering(len(test)).predict,
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
    quick = model.remembering(len(some))
    losses = [
        Loss(tuple(samples.factors[i].code for i in group), float(mean), float(sd))
        for group, mean, sd in zip(together, told.mean, told.sd, strict=True)
    ]
    curves = []
    for i, factor in enumerate(samples.factors):
        values = _values(some[:, i], factor)
        # A step keeps plain numbers, which JSON gives back as they were.
        p = keep(f"curve-{i}", partial(_mean_probability, quick, some, i, values))
        curves.append(Dependence(factor.code, tuple(values.tolist()), tuple(p)))
    return ModelImportance(model.name, told.baseline, tuple(losses), tuple(curves))


def _values(column: NDArray[np.float32], factor: FactorInfo) -> NDArray[np.floating[Any]]:
    """Return the values of a factor at which a dependence is computed."""
    if factor.kind == "categorical":
        return np.unique(column)
    # Not to the very ends, where hardly any rows lie.
    return np.unique(np.quantile(column, np.linspace(0.01, 0.99, STEPS)))


def _mean_probability(
    model: FittedModel, rows: NDArray[np.float32], i: int, values: NDArray[np.floating[Any]]
) -> list[float]:
    p = importance.partial_dependence(model.predict, rows, [i], values.astype(np.float32))
    return [float(v) for v in p]


@dataclass(frozen=True)
class Part:
    """What a factor adds to the log-odds of one cell.

    Attributes
    ----------
    code, name, unit : str
        Of the factor.
    value : float
        Of the cell.
    class_name : str or None
        Of its class, for a factor of classes.
    log_odds, error : float
        What it adds, and the standard error of that.
    """

    code: str
    name: str
    unit: str
    value: float
    class_name: str | None
    log_odds: float
    error: float


@dataclass(frozen=True)
class Attribution:
    """Why a model gives one cell its probability.

    Attributes
    ----------
    model : str
        Its name.
    probability, background : float
        Of the cell, and of clear ground.
    parts : tuple of Part
        One per factor, the strongest first.
    """

    model: str
    probability: float
    background: float
    parts: tuple[Part, ...]


def attribute(
    model: FittedModel,
    row: NDArray[np.float32],
    place: tuple[float, float],
    samples: Samples,
    seed: int,
) -> Attribution:
    """Return what each factor adds to the log-odds of one cell, against cells clear of landslides.

    Parameters
    ----------
    model : FittedModel
        Trained.
    row : array, (factors,) float32
        The cell's raw factors.
    place : (float, float)
        Its centre. What a model knows of the ground around it is no factor: the cells to compare
        with are given the same.
    samples : Samples
        Where the cells to compare with are drawn.
    seed : int
        Of the study.
    """
    if not np.isfinite(row).all():
        missing = [f.code for f, v in zip(model.factors, row, strict=True) if not np.isfinite(v)]
        raise InputError(f"the cell has no value of {', '.join(missing)}, so it has no probability")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 78]))
    # The question is what sets the place apart from ground that did not fail.
    clear = np.nonzero(samples.label == 0)[0]
    background = samples.raw[rng.choice(clear, min(BACKGROUND, len(clear)), replace=False)]
    x, y = (np.array([v], np.float64) for v in place)
    around = model.at_places(row[None], x, y)[:, len(row) :]
    alone: Sequence[tuple[int, ...]] = [(i,) for i in range(len(model.factors))]

    def log_odds(raw: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = np.concatenate([raw, np.repeat(around, len(raw), axis=0)], axis=1)
        p = np.clip(model.predict(rows).astype(np.float64), EPSILON, 1 - EPSILON)
        return np.asarray(np.log(p / (1 - p)))

    told = importance.attribution(log_odds, row, background, alone, seed=seed)
    parts = [
        Part(
            code=f.code,
            name=f.name,
            unit=f.unit,
            value=float(v),
            class_name=f.legend.get(int(v)) if f.kind == "categorical" else None,
            log_odds=float(p),
            error=float(e),
        )
        for f, v, p, e in zip(model.factors, row, told.parts, told.error, strict=True)
    ]
    return Attribution(
        model=model.name,
        probability=float(model.predict(np.concatenate([row[None], around], axis=1))[0]),
        # The base is a mean of log-odds.
        background=1 / (1 + float(np.exp(-told.base))),
        parts=tuple(sorted(parts, key=lambda part: -abs(part.log_odds))),
    )


def lines(told: Attribution) -> list[str]:
    """Return an attribution as a small table, a factor to a line."""
    values = [_value(part) for part in told.parts]
    name = max(len(part.name) for part in told.parts)
    value = max(map(len, values))
    return [
        f"{told.model}: {told.probability:.3f} here, {told.background:.3f} on clear ground",
        *(
            f"{part.code:<6} {part.name:<{name}}  {text:<{value}}  log-odds "
            f"{part.log_odds:+.2f} ± {part.error:.2f}"
            for part, text in zip(told.parts, values, strict=True)
        ),
    ]


def _value(part: Part) -> str:
    """Return a factor's value with its unit; of a class its code and name, where it has one."""
    if part.class_name is None:
        return f"{part.value:>8.4g} {part.unit}".rstrip()
    code = f"{part.value:.0f}"
    named = part.class_name != code
    return f"{code:>8}" + (f" = {part.class_name}" if named else f" {part.unit}")
