"""Models fitted on the training rows of a split and tested on its test rows."""

from __future__ import annotations

import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import splits
from shakeslide.evaluation.calibration import Calibration, Platt, fit_isotonic, fit_platt
from shakeslide.factors.stack import FactorInfo
from shakeslide.io import units
from shakeslide.learning import context, stacking
from shakeslide.learning.bundle import FittedModel, TrainedOn
from shakeslide.learning.context import Context
from shakeslide.learning.recipe import LEAST, Method, Recipe
from shakeslide.learning.stacking import Weights
from shakeslide.models.base import Model
from shakeslide.models.blend import Member, ModelBlend
from shakeslide.models.formulas.raw import RawModel
from shakeslide.models.registry import entry
from shakeslide.models.sae.autoencoder import StackedAutoencoder, fit_members
from shakeslide.sampling import encoding
from shakeslide.sampling.encoding import Angles, Encoder, Scaling
from shakeslide.sampling.sample_table import Samples

Item = TypeVar("Item")

CALIBRATION_FOLDS = 3
"""Parts of the training rows, by landslide, on which calibrations are fitted."""
TOGETHER = ("sae",)
"""Models whose fits are trained side by side."""
ROWS_TOGETHER = 4_000_000
"""Samples of all fits that are trained side by side: each holds its own encoded rows."""


def batches(name: str, fits: Sequence[Item], rows: int) -> list[Sequence[Item]]:
    """Return successive fits of a model, of at most so many rows each, in the batches to train."""
    each = max(1, ROWS_TOGETHER // max(1, rows)) if name in TOGETHER else 1
    return [fits[i : i + each] for i in range(0, len(fits), each)]


def seed_of(seed: int, model: str, protocol: str, repeat: int, fold: int) -> int:
    """Return the seed of one fit, from the study's seed and what is fitted."""
    # crc32, because `hash` gives a text another number in each process.
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
    identity: bool = False,
    shrink: float = 0.0,
    scaling: Scaling = "percentile",
) -> encoding.Encoder:
    """Fit the encoder on some rows of the samples and the class areas of their region.

    Parameters
    ----------
    samples : Samples
        All samples.
    rows : array, (n,) int64
        Numbers of the training rows.
    angles, areas, shrink, scaling
        As for `encoding.fit`.
    identity : bool
        As for `Encoder`.
    """
    factors = [(f.code, f.kind) for f in samples.factors]
    raw, label = samples.raw[rows], samples.label[rows]
    fitted = encoding.fit(raw, label, factors, areas, angles=angles, shrink=shrink, scaling=scaling)
    return replace(fitted, identity=identity)


def described(model: Model, samples: Samples) -> Model:
    """Tell a model of raw factors what the columns of the samples are; others are left alone."""
    if isinstance(model, RawModel):
        present = {
            f.code: np.unique(samples.table[f.code].to_numpy(np.int64)).tolist()
            for f in samples.factors
            if f.kind == "categorical"
        }
        factors: tuple[FactorInfo, ...] = samples.factors
        model.describe(factors, units.conversion, present)
    return model


def fit(
    recipe: Recipe,
    samples: Samples,
    rows: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    areas: Sequence[Mapping[str, Mapping[int, float]]] | None = None,
    advance: Advance = silent,
    shrink: float = 0.0,
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
    rows : sequence of arrays, (n,) int64 each
        Numbers of the training rows of each fit.
    seeds : sequence of int
        Of each fit.
    areas : sequence of mappings, optional
        Class areas of each fit's training region; default: the whole mapped extent.
    advance : callable
        Called with the number of fits done, in fractions.
    shrink : float
        Draws the frequency ratios of rare classes towards 1, see `encoding.frequency_ratios`.

    Returns
    -------
    list of Fit
        In the order of `rows`.
    """
    regions = [samples.class_areas] * len(rows) if areas is None else areas
    if recipe.members:
        return _fit_blends(recipe, samples, rows, seeds, regions, advance=advance, shrink=shrink)
    calibrations: list[Calibration | None] = [None] * len(rows)
    spent = 0.0
    if recipe.calibration != "none":
        start = time.perf_counter()
        # So many fits for the calibration, and one more for the model itself.
        share = CALIBRATION_FOLDS / (CALIBRATION_FOLDS + 1)
        calibrations = _calibrations(recipe, samples, rows, seeds, regions, _part(advance, share))
        advance = _part(advance, 1 - share)
        spent = (time.perf_counter() - start) / len(rows)
    given = [
        _given(recipe, samples, r, a, seed, shrink)
        for r, a, seed in zip(rows, regions, seeds, strict=True)
    ]
    label = samples.label
    estimators = [described(recipe.make(s), samples) for s in seeds]
    seconds = _fit_all(estimators, [g.features for g in given], [g.labels for g in given], advance)
    return [
        Fit(
            FittedModel(
                recipe.name,
                m,
                g.encoder,
                samples.factors,
                TrainedOn(
                    seed=seed,
                    rows=len(r),
                    # A formula's output knows nothing of the sample's balance: as if trained on
                    # the area as it is, so that nothing is corrected for the balance
                    sample_share=samples.prevalence if recipe.static else float(label[r].mean()),
                    prevalence=samples.prevalence,
                    static=recipe.static,
                    angles=recipe.angles,
                    calibration=recipe.calibration,
                ),
                calibration=c,
                context=g.context,
            ),
            s + spent,
        )
        for m, g, c, r, seed, s in zip(
            estimators, given, calibrations, rows, seeds, seconds, strict=True
        )
    ]


@dataclass(frozen=True)
class _Given:
    """What an estimator is fitted on, and what makes the same of other rows.

    Attributes
    ----------
    encoder : Encoder
        Of the factors.
    context : Context or None
        Of the training rows.
    features : array, (n, features) float32
        Encoded factors, then the context.
    labels : array, (n,) int64
        0 or 1.
    """

    encoder: Encoder
    context: Context | None
    features: NDArray[np.float32]
    labels: NDArray[np.int64]


def _given(
    recipe: Recipe,
    samples: Samples,
    rows: NDArray[np.int64],
    areas: Mapping[str, Mapping[int, float]],
    seed: int,
    shrink: float,
) -> _Given:
    """Fit the encoder and the context of one fit, and apply both to its training rows."""
    encoder = fit_encoder(
        samples, rows, recipe.angles, areas,
        identity=entry(recipe.name).raw, shrink=shrink, scaling=recipe.scaling,
    )  # fmt: skip
    features, labels = encoder.transform(samples.raw[rows]), samples.label[rows]
    if not recipe.context:
        return _Given(encoder, None, features, labels)
    known = context.fit(recipe.context, samples, rows, seed)
    around = context.training_inputs(known, samples, rows, recipe.exclusion)
    times = len(recipe.exclusion)
    features = np.concatenate([np.tile(features, (times, 1)), around], axis=1)
    return _Given(encoder, known, features, np.tile(labels, times))


def _fit_blends(
    recipe: Recipe,
    samples: Samples,
    rows: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    regions: Sequence[Mapping[str, Mapping[int, float]]],
    *,
    advance: Advance,
    shrink: float,
) -> list[Fit]:
    """Fit a blend on several sets of training rows; nothing beyond each set is looked at."""
    start = time.perf_counter()
    # Of each member so many inner fits and one more; in all each blend counts as one fit.
    step = _part(advance, 1 / (len(recipe.present) * (stacking.FOLDS + 1)))
    weights = _weights(recipe, samples, rows, seeds, regions, advance=step, shrink=shrink)
    fitted: list[dict[str, FittedModel]] = [{} for _ in rows]
    for k, member in enumerate(recipe.present):
        used = [i for i, w in enumerate(weights) if w.weight[k] > 0]
        fits = (
            fit(
                member,
                samples,
                [rows[i] for i in used],
                [_member_seed(seeds[i], member) for i in used],
                [regions[i] for i in used],
                advance=step,
                shrink=shrink,
            )
            if used
            else []
        )
        step(len(rows) - len(used))
        for i, done in zip(used, fits, strict=True):
            fitted[i][member.name] = done.model
    seconds = (time.perf_counter() - start) / max(len(rows), 1)
    return [
        Fit(_blended(recipe, models, w, seed), seconds)
        for models, w, seed in zip(fitted, weights, seeds, strict=True)
    ]


def _weights(
    recipe: Recipe,
    samples: Samples,
    rows: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    regions: Sequence[Mapping[str, Mapping[int, float]]],
    *,
    advance: Advance,
    shrink: float,
) -> list[Weights]:
    """Choose the weights of blends, on parts of their training rows that members have not seen."""
    parts = [
        stacking.parts(samples, r, s, recipe.held_out) for r, s in zip(rows, seeds, strict=True)
    ]
    inner = [(i, cut) for i, of in enumerate(parts) for cut in of.splits]
    predicted: list[list[NDArray[np.float32]]] = [[] for _ in recipe.present]
    for member, told in zip(recipe.present, predicted, strict=True):
        if inner:
            fits = fit(
                member,
                samples,
                [rows[i][cut.train] for i, cut in inner],
                [_member_seed(seeds[i], member, cut.fold + 1) for i, cut in inner],
                [regions[i] for i, _ in inner],
                advance=advance,
                shrink=shrink,
            )
            for done, (i, cut) in zip(fits, inner, strict=True):
                told.append(done.model.predict(done.model.rows_of(samples, rows[i][cut.test])))
        advance(stacking.FOLDS * len(rows) - len(inner))
    out = []
    for i, r in enumerate(rows):
        mine = [at for at, (of, _) in enumerate(inner) if of == i]
        if not mine:
            out.append(stacking.equal(len(predicted)))
            continue
        y = samples.label[r[np.concatenate([inner[at][1].test for at in mine])]]
        told_here = [np.concatenate([told[at] for at in mine]) for told in predicted]
        out.append(stacking.weigh(y, told_here, parts[i].groups, recipe.calibration))
    return out


def _member_seed(seed: int, member: Recipe, part: int = 0) -> int:
    """Return the seed of a member's fit on all training rows of a blend, or without one part."""
    return seed_of(seed, member.name, "member of a blend", 0, part)


def _blended(
    recipe: Recipe, models: Mapping[str, FittedModel], weights: Weights, seed: int
) -> FittedModel:
    """Return members that are fitted on the same rows as one model.

    Parameters
    ----------
    recipe : Recipe
        Of the blend.
    models : mapping
        The members with a weight, by name.
    weights : Weights
        Of all members.
    seed : int
        Of the fit.
    """
    # Members that encode alike share their features.
    encoders: dict[tuple[Angles, Scaling], encoding.Encoder] = {}
    for known in models.values():
        encoders.setdefault((known.encoder.angles, known.encoder.scaling), known.encoder)
    starts, at = {}, 0
    for key, encoder in encoders.items():
        starts[key] = at
        at += len(encoder.features)
    members = []
    for member, w, a, b in zip(
        recipe.present, weights.weight, weights.slope, weights.intercept, strict=True
    ):
        if member.name not in models:
            members.append(Member(0.0))
            continue
        model = models[member.name]
        first = starts[model.encoder.angles, model.encoder.scaling]
        columns = tuple(range(first, first + len(model.encoder.features)))
        members.append(Member(w, a, b, model.estimator, columns))
    blend = recipe.make(seed)
    assert isinstance(blend, ModelBlend)
    one, *further = encoders.values()
    method: Method = "isotonic" if recipe.calibration == "isotonic" else "platt"
    some = next(iter(models.values()))
    return FittedModel(
        recipe.name,
        blend.joined(members, at, chosen=weights.chosen),
        replace(one, further=tuple(further)),
        some.factors,
        replace(
            some.about,
            seed=seed,
            angles=recipe.angles,
            calibration=method if weights.calibration is not None else "none",
        ),
        weights.calibration,
    )


def _part(advance: Advance, share: float) -> Advance:
    """Let a part of the work count for its share of the whole."""
    return lambda done: advance(share * done)


def require_calibrating(
    calibration: Method, samples: Samples, rows: Sequence[NDArray[np.int64]]
) -> None:
    """Raise `InputError` if training rows have too few source cells for a calibration.

    Parameters
    ----------
    calibration : {"none", "platt", "isotonic"}
    samples : Samples
    rows : sequence of arrays, (n,) int64
        Training rows of each fit.
    """
    least = LEAST.get(calibration, 0)
    fewest = min((int(samples.label[r].sum()) for r in rows), default=least)
    if fewest < least:
        raise InputError(
            f'[models] calibration = "{calibration}" (which [study] preset = "recommended" sets) '
            f"needs at least {least:,} source cells for training, but a split has {fewest:,}; add "
            '[models] calibration = "none" to the study file'
        )


def _calibrations(
    recipe: Recipe,
    samples: Samples,
    rows: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    regions: Sequence[Mapping[str, Mapping[int, float]]],
    advance: Advance,
) -> list[Calibration | None]:
    """Fit a calibration for each fit, on predictions for landslides that they had not seen.

    The training rows are dealt to folds by landslide: cells of one landslide on both sides would
    make the model look surer than it can be elsewhere.
    """
    require_calibrating(recipe.calibration, samples, rows)
    inner, inner_seeds, inner_regions = [], [], []
    for r, seed, region in zip(rows, seeds, regions, strict=True):
        fold = _landslide_folds(samples, r, seed)
        for k in range(CALIBRATION_FOLDS):
            inner.append((r[fold != k], r[fold == k]))
            inner_seeds.append(int(np.random.SeedSequence([seed, k]).generate_state(1)[0]))
            inner_regions.append(region)
    # Else each of these fits would be calibrated in turn.
    plain = replace(recipe, calibration="none")
    train = [i[0] for i in inner]
    # So many inner fits for each one that is counted.
    fits = fit(
        plain, samples, train, inner_seeds, inner_regions, _part(advance, 1 / CALIBRATION_FOLDS)
    )
    told = [
        f.model.predict(f.model.rows_of(samples, i[1])) for f, i in zip(fits, inner, strict=True)
    ]
    fitter = fit_platt if recipe.calibration == "platt" else fit_isotonic
    out: list[Calibration | None] = []
    for first in range(0, len(inner), CALIBRATION_FOLDS):
        part = slice(first, first + CALIBRATION_FOLDS)
        y = samples.label[np.concatenate([i[1] for i in inner[part]])]
        # All parts together, each predicted by a model that has not seen it (Platt 1999).
        fitted = fitter(y, np.concatenate(told[part]).astype(np.float64))
        # A falling calibration would turn the order of the cells round.
        if isinstance(fitted, Platt) and fitted.slope <= 0:
            raise InputError(
                f"[models] calibration: {recipe.name} is not better than chance on unseen "
                f"landslides; remove {recipe.name} from [models] use, or set "
                'calibration = "none"'
            )
        out.append(fitted)
    return out


def _landslide_folds(samples: Samples, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    y, groups = samples.label[rows], samples.landslide_groups(rows)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 31]))
    return splits.balanced_folds(y, groups, CALIBRATION_FOLDS, rng, "landslides")


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


def fitted_formula(
    recipe: Recipe,
    factors: Sequence[FactorInfo],
    present: Mapping[str, Collection[int]],
    study: str,
) -> FittedModel:
    """Return a published formula as a model of raw factors; it learns nothing.

    Parameters
    ----------
    recipe : Recipe
        Of the formula.
    factors : sequence of FactorInfo
        The columns of raw factors.
    present : mapping
        Per categorical factor, the codes of the classes that occur.
    study : str
        Name of the study.
    """
    made = recipe.make(0)
    if not isinstance(made, RawModel):
        raise ValueError(f"{recipe.name} is no formula")
    made.describe(factors, units.conversion, present)
    # Labels of both classes for the form's sake: a formula does not look at them.
    made.fit(np.zeros((2, len(factors)), np.float32), np.array([0, 1]))
    columns = tuple(encoding.Column(f.code, f.kind) for f in factors)
    about = TrainedOn(seed=0, rows=0, sample_share=0.5, prevalence=0.5, static=True, study=study)
    return FittedModel(
        recipe.name, made, encoding.Encoder(columns, "raw", True), tuple(factors), about
    )
