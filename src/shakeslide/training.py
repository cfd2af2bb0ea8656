"""Models fitted on the training rows of a split, and judged on its test rows."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide import encoding
from shakeslide.bundle import FittedModel
from shakeslide.encoding import Angles
from shakeslide.models.autoencoder import StackedAutoencoder, fit_members
from shakeslide.models.base import Model
from shakeslide.models.registry import entry
from shakeslide.progress import Advance, silent
from shakeslide.sampling import Samples


@dataclass(frozen=True)
class Recipe:
    """A model to be trained: its name, how angles are given to it, and its parameters."""

    name: str
    angles: Angles
    params: Mapping[str, Any]

    def make(self, seed: int) -> Model:
        """Return the unfitted estimator."""
        made = entry(self.name).make(**self.params)
        return made.set_params(random_state=seed) if "random_state" in made.get_params() else made


TOGETHER = ("sae",)
"""Models whose fits are trained side by side."""


def modern_params() -> dict[str, Any]:
    """Return the parameters of the autoencoder's present-day settings."""
    params = dict(StackedAutoencoder.modern().get_params())
    del params["random_state"]
    return params


def seed_of(seed: int, model: str, protocol: str, repeat: int, fold: int) -> int:
    """Return the seed of one fit, from the study's seed and what is fitted."""
    parts = [seed, zlib.crc32(model.encode()), zlib.crc32(protocol.encode()), repeat, fold]
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@dataclass(frozen=True)
class Fit:
    """A fitted model and how long the fit took."""

    model: FittedModel
    seconds: float


def fit_encoder(
    samples: Samples,
    rows: NDArray[np.int64],
    angles: Angles,
    areas: Mapping[str, Mapping[int, float]],
) -> encoding.Encoder:
    """Fit the encoder on some rows of the samples and the class areas of their region."""
    factors = [(f.code, f.kind) for f in samples.factors]
    return encoding.fit(samples.raw[rows], samples.label[rows], factors, areas, angles)


def fit(
    recipe: Recipe,
    samples: Samples,
    rows: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    areas: Sequence[Mapping[str, Mapping[int, float]]] | None = None,
    advance: Advance = silent,
) -> list[Fit]:
    """Fit a model on several sets of training rows.

    Autoencoders are trained together in one batch, which gives the same weights as one by one and
    is much faster; the time of each is then its share.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        All samples.
    rows : sequence of int arrays
        Training rows of each fit.
    seeds : sequence of int
        Of each fit.
    areas : sequence of mappings, optional
        Class areas of each fit's training region; default: the whole mapped extent.
    advance : callable
        Called with the number of fits done, in fractions.
    """
    regions = [samples.class_areas] * len(rows) if areas is None else areas
    encoders = [
        fit_encoder(samples, r, recipe.angles, a) for r, a in zip(rows, regions, strict=True)
    ]
    raw, label = samples.raw, samples.label
    features = [e.transform(raw[r]) for e, r in zip(encoders, rows, strict=True)]
    labels = [label[r] for r in rows]
    estimators = [recipe.make(s) for s in seeds]
    seconds = _fit_all(estimators, features, labels, advance)
    return [
        Fit(
            FittedModel(
                recipe.name,
                m,
                e,
                samples.factors,
                {
                    "seed": seed,
                    "rows": len(r),
                    "sample_share": float(label[r].mean()),
                    "prevalence": samples.prevalence,
                    "angles": recipe.angles,
                },
            ),
            s,
        )
        for m, e, r, seed, s in zip(estimators, encoders, rows, seeds, seconds, strict=True)
    ]


def _fit_all(
    estimators: Sequence[Model],
    features: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.int64]],
    advance: Advance,
) -> list[float]:
    start = time.perf_counter()
    if all(isinstance(m, StackedAutoencoder) for m in estimators):
        done = 0.0

        def callback(step: int, total: int) -> None:
            nonlocal done
            now = len(estimators) * step / total
            advance(now - done)
            done = now

        fit_members(list(estimators), list(features), list(labels), callback=callback)
        return [(time.perf_counter() - start) / len(estimators)] * len(estimators)
    seconds = []
    for model, x, y in zip(estimators, features, labels, strict=True):
        start = time.perf_counter()
        model.fit(x, y)
        seconds.append(time.perf_counter() - start)
        advance(1)
    return seconds
