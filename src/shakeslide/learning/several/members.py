"""The models of a bundle for new earthquakes, fitted on the rows of several past ones.

Each earthquake gives equally many rows. Its share of positives follows from that of its area, less
its own level: what slope and shaking do not explain of an earthquake's total is particular to it
(antecedent rain, mapping) and is no effect of its ground. It is removed before models learn, so
that strong shaking still means more landslides from one earthquake to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from shakeslide.core import random_streams
from shakeslide.learning import training
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.recipe import Recipe
from shakeslide.learning.several.common_factors import SLOPE
from shakeslide.learning.several.joined_ground import Ground
from shakeslide.models.base import ModelParameter
from shakeslide.models.formulas.few_terms import FewTerms, rising_logistic

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

FEW = "few"
"""The member that is always there."""
NAMES = (FEW, "monotone", "rf", "hgb", "sae")
"""All members, from the simplest to the most flexible."""
MODELS = {"monotone": "hgb"}
"""Models of members that have another name."""
SETTINGS: Mapping[str, Mapping[str, ModelParameter]] = {
    "monotone": {
        "additive": True, "max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 6,
        "min_samples_leaf": 100, "l2_regularization": 1.0,
    },
    "rf": {"n_estimators": 62, "max_depth": 8, "min_samples_leaf": 20},
    "hgb": {
        "max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 100,
        "l2_regularization": 1.0,
    },
    "sae": {
        "units": (64, 32), "init": "glorot4", "optimiser": "adamw", "schedule": "one_cycle",
        "learning_rate": 3e-3, "steps": 2_000, "pretrain_steps": 500,
    },
}  # fmt: skip
"""Settings of members: simpler than a model of one earthquake can be, because what is particular to
an earthquake must not be learnt."""
TRAINING_ROWS = 4_000
"""Rows of each earthquake that a model learns from."""
REPEATS = 10
"""How often a row may be repeated where an earthquake has fewer. One with a handful of landslides
therefore counts less: they say little."""
LEVEL_ROWS = 3_000
"""Rows of each class from which an earthquake's own level is found."""
SHRINK = 10.0
"""Landslide cells by which frequency ratios of rare classes are drawn towards 1."""
LEAST_SHARE = 0.1
"""Least share of either class among an earthquake's training rows."""


def recipe(name: str, ground: Ground) -> Recipe:
    """Return how a member is trained."""
    if name == FEW:
        return Recipe(FEW, "raw", {"slope": SLOPE, "shaking": ground.shaking})
    params = dict(SETTINGS[name])
    if MODELS.get(name, name) == "hgb":
        params["rising"] = _rising(ground)
    return Recipe(MODELS.get(name, name), "sincos", params)


def _rising(ground: Ground) -> tuple[int, ...]:
    """Return the numbers of the features slope and shaking."""
    features: list[str] = []
    for f in ground.samples.factors:
        # Angles are two features each, sine and cosine.
        features += [f.code] * (2 if f.kind in ("circular", "axial") else 1)
    return features.index(SLOPE), features.index(ground.shaking)


def fit(
    name: str, ground: Ground, trained: Sequence[int], seed: int, rows: Rows | None = None
) -> FittedModel:
    """Fit a member on some of the earthquakes; nothing of the others is looked at.

    Parameters
    ----------
    name : str
        Of the member.
    ground : Ground
        All rows.
    trained : sequence of int
        Places of the earthquakes to learn from.
    seed : int
        Of the bundle.
    rows : array, (n,) int64, optional
        `training_rows` of these earthquakes, where they are known.
    """
    rows = training_rows(ground, trained, seed) if rows is None else rows
    own = training.seed_of(seed, name, "learn", len(trained), int(sum(2**k for k in trained)) % 997)
    areas = class_areas(ground, trained, rows)
    (fitted,) = training.fit(
        recipe(name, ground), ground.samples, [rows], [own], [areas], shrink=SHRINK
    )
    return fitted.model


def logits(model: FittedModel, raw: NDArray[np.float32]) -> Array:
    """Return the log-odds of rows of raw factors, (rows,) float64; forests do predict 0 and 1."""
    p = model.predict(raw).astype(np.float64)
    return np.asarray(logit(np.clip(p, 1e-5, 1 - 1e-5)), np.float64)


def training_rows(ground: Ground, trained: Sequence[int], seed: int) -> Rows:
    """Return the numbers of the rows to learn from, (n,) int64: equally many of each earthquake.

    Fewer of one that has less than `TRAINING_ROWS` / `REPEATS` of a class.
    """
    label, chosen = ground.samples.label, []
    for k, share in zip(trained, _shares(ground, trained, seed), strict=True):
        rows = ground.rows_of(k)
        classes = rows[label[rows] == 1], rows[label[rows] == 0]
        capacity = min(classes[0].size / share, classes[1].size / (1 - share))
        count = int(min(TRAINING_ROWS, max(REPEATS * capacity, 2)))
        rng = random_streams.generator(seed, "training rows of a past earthquake", k)
        positives = min(max(round(count * share), 1), count - 1)
        for some, wanted in zip(classes, (positives, count - positives), strict=True):
            times = -(-wanted // some.size)
            chosen.append(np.concatenate([rng.permutation(some) for _ in range(times)])[:wanted])
    return np.concatenate(chosen)


def _shares(ground: Ground, trained: Sequence[int], seed: int) -> Array:
    """Return the share of positives among each earthquake's training rows, (events,)."""
    own = event_levels(ground, trained, seed)
    area = np.log([ground.odds(k) for k in trained])
    # The mean is balanced: one in two.
    free = area - own
    return np.asarray(np.clip(expit(free - free.mean()), LEAST_SHARE, 1 - LEAST_SHARE))


def event_levels(ground: Ground, trained: Sequence[int], seed: int) -> Array:
    """Return what slope and shaking leave unexplained of each earthquake's log-odds, (events,).

    They are intercepts of one regression on slope and shaking, whose slopes come from differences
    within earthquakes alone.
    """
    rows, group = [], []
    for at, k in enumerate(trained):
        rng = random_streams.generator(seed, "level of a past earthquake", k)
        mine = ground.rows_of(k)
        for label in (0, 1):
            some = mine[ground.samples.label[mine] == label]
            some = rng.permutation(some)[:LEVEL_ROWS]
            rows.append(some)
            group.append(np.full(some.size, at))
    chosen, groups = np.concatenate(rows), np.concatenate(group).astype(np.int64)
    label = ground.samples.label[chosen].astype(np.float64)
    few = FewTerms(SLOPE, ground.shaking)
    training.described(few, ground.samples)
    terms = few.terms(ground.samples.raw[chosen])
    beta = rising_logistic(terms, label, _even(ground, trained, groups, label), few.most, groups)
    return np.asarray(beta[: len(trained)])


def _even(ground: Ground, trained: Sequence[int], group: Rows, label: Array) -> Array:
    """Return weights, (rows,): each earthquake's positives sum to 1, its negatives to 1 / odds."""
    weight = np.empty(label.size)
    for at, k in enumerate(trained):
        for kind, total in ((1.0, 1.0), (0.0, 1.0 / ground.odds(k))):
            here = (group == at) & (label == kind)
            weight[here] = total / max(int(here.sum()), 1)
    return weight


def class_areas(
    ground: Ground, trained: Sequence[int], rows: Rows
) -> dict[str, Mapping[int, float]]:
    """Return the area of each class, each earthquake's in the proportion of its positive rows.

    Frequency ratios then compare classes within earthquakes.

    Parameters
    ----------
    ground : Ground
        All rows.
    trained : sequence of int
        Places of the earthquakes.
    rows : array, (n,) int64
        Numbers of the training rows.
    """
    event, label = ground.samples.event[rows], ground.samples.label[rows]
    out: dict[str, dict[int, float]] = {}
    for k in trained:
        positives = int(((event == k) & (label == 1)).sum())
        for code, cells in ground.own[k].class_areas.items():
            total = sum(cells.values())
            known = out.setdefault(code, {})
            for name, n in cells.items():
                known[name] = known.get(name, 0.0) + positives * n / total
    return dict(out)
