"""Fits for the experiments: made as `evaluate` makes them, kept, and never made twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shakeslide import load_model
from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation.splits import Split
from shakeslide.learning import bundle, plans, training, validation
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.judgement import Curve
from shakeslide.learning.recipe import Recipe
from shakeslide.models.base import ModelParameter
from shakeslide.models.sae.autoencoder import fit_members
from shakeslide.paper.scale import Scale
from shakeslide.pipeline.inputs import samples_of
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import need
from shakeslide.results import evaluation_file
from shakeslide.results.evaluation_file import Result
from shakeslide.sampling.sample_table import Samples

MODELS = ("lr", "svm", "rf", "sae")
"""The paper's four models, in its order."""
PROTOCOLS = ("pixel", "landslide", "block")
THRESHOLD = 0.5
"""Probability from which the paper calls a cell a landslide."""
TOGETHER = 8
"""Networks trained at once: a stop loses no more than these, and memory is bounded."""


@dataclass(frozen=True)
class TrainingCurve(Document):
    """Loss and accuracy of a network on training and test rows while it is trained, by step."""

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "reproduce"

    step: Curve
    train_loss: Curve
    train_oa: Curve
    test_loss: Curve
    test_oa: Curve


@dataclass(frozen=True)
class Bench:
    """A study's samples, split by a protocol, and the fits made on them so far.

    Attributes
    ----------
    run : Run
        The study in its folder.
    samples : Samples
        Its samples.
    plan : Plan
        Of the splits.
    protocol : {"pixel", "landslide", "block"}
        How rows are split.
    scale : Scale
        How much is computed.
    splits : tuple of Split
        The splits of the experiments.
    """

    run: Run
    samples: Samples
    plan: plans.Plan
    protocol: str
    scale: Scale
    splits: tuple[Split, ...]

    @property
    def sweep(self) -> tuple[Split, ...]:
        """The splits of F6 and F7."""
        return self.splits[: self.scale.sweep_repeats]

    @property
    def cache(self) -> Path:
        """Folder of the fits."""
        return self.run.ledger.work / "reproduce"

    def recipe(self, name: str, **changes: ModelParameter) -> Recipe:
        """Return how a model is trained: as the study says, but not calibrated.

        The autoencoder is trained as long as the scale says. The paper calibrates nothing, and a
        network that has learnt nothing, as some of its learning rates give, cannot be. Nor does it
        give models any context.

        Parameters
        ----------
        name : str
            Of the model.
        **changes
            Parameters that the experiment sets.
        """
        asked = self.run.models.recipe(name)
        if name == "sae":
            length = {"steps": self.scale.steps, "pretrain_steps": self.scale.pretrain_steps}
            changes = {**length, **changes}
        return replace(asked, params={**asked.params, **changes}, calibration="none", context=())

    def mark(self, recipe: Recipe, split: Split, codes: Sequence[str] | None = None) -> str:
        """Return the fingerprint of one fit: of all that its result depends on."""
        # A split does not depend on how many there are: larger scales find the fits of smaller
        # ones.
        plan = {k: v for k, v in asdict(self.plan).items() if k != "repeats"}
        rows = [hashlib.blake2b(r.tobytes(), digest_size=12) for r in (split.train, split.test)]
        # With all defaults: where one changes, so does the fit.
        params = recipe.make(0).get_params()
        parts = (
            self.run.marks.sample(),
            [recipe.name, recipe.angles, params, recipe.calibration],
            list(codes or self.codes),
            [split.protocol, split.repeat, split.fold],
            [r.hexdigest() for r in rows],
            plan,
            THRESHOLD,
        )
        return fingerprint(*parts)

    @property
    def codes(self) -> list[str]:
        """Codes of all factors."""
        return [f.code for f in self.samples.factors]

    def results(
        self,
        recipe: Recipe,
        splits: Sequence[Split],
        advance: Advance = silent,
        codes: Sequence[str] | None = None,
        keep: bool = False,
    ) -> list[Result]:
        """Return what came of a model on each split, judged on the test rows.

        Parameters
        ----------
        recipe : Recipe
            The model.
        splits : sequence of Split
            Where to fit and to judge.
        advance : callable
            Called with the number of fits done.
        codes : sequence of str, optional
            Factors to use, in the samples' order; default: all.
        keep : bool
            Keep the models as well, for `models`.
        """
        marks = [self.mark(recipe, s, codes) for s in splits]
        files = [self.cache / f"{m}.npz" for m in marks]
        known = {
            i: result for i, f in enumerate(files) if (result := evaluation_file.known_result(f))
        }
        # A result may be known from a fit whose model was not kept.
        todo = [i for i, m in enumerate(marks) if i not in known or (keep and not self._is_kept(m))]
        advance(len(splits) - len(todo))
        rows = self.samples if codes is None else with_factors(self.samples, codes)
        size = TOGETHER if recipe.name in training.TOGETHER else 1
        for first in range(0, len(todo), size):
            batch = todo[first : first + size]
            fits = validation.fit(recipe, rows, [splits[i] for i in batch], self.plan, advance)
            for i, fit in zip(batch, fits, strict=True):
                told, p = validation.judge(fit.model, fit.seconds, rows, splits[i], THRESHOLD)
                if keep:
                    bundle.save(fit.model, self.cache / marks[i])
                known[i] = evaluation_file.save_result(files[i], Result(told, p))
        return [known[i] for i in range(len(files))]

    def models(
        self, recipe: Recipe, splits: Sequence[Split], advance: Advance = silent
    ) -> list[FittedModel]:
        """Return the fitted models themselves; parameters as for `results`."""
        self.results(recipe, splits, advance, keep=True)
        return [load_model(self.cache / self.mark(recipe, s)) for s in splits]

    def _is_kept(self, mark: str) -> bool:
        try:
            load_model(self.cache / mark)
        except InputError:
            return False
        return True

    def curves(
        self, recipe: Recipe, splits: Sequence[Split], every: int, advance: Advance = silent
    ) -> list[TrainingCurve]:
        """Return accuracy and loss of an autoencoder while it is trained.

        Parameters
        ----------
        recipe : Recipe
            Of an autoencoder.
        splits : sequence of Split
            Where to fit and to look.
        every : int
            Steps between looks.
        advance : callable
            Called with the number of fits done.

        Returns
        -------
        list of TrainingCurve
            One per split.
        """
        # Stopping early would cut the curve off where it becomes interesting.
        plain = {"early_stopping": False, "members": 1, "check_every": every}
        recipe = replace(recipe, params={**recipe.params, **plain})
        told = []
        for split in splits:
            file = self.cache / f"curve-{self.mark(recipe, split)}.json"
            try:
                told.append(documents.read(file, TrainingCurve))
                advance(1)
            except InputError:
                curve = self._curve(recipe, split, advance)
                documents.write(file, curve)
                told.append(curve)
        return told

    def _curve(self, recipe: Recipe, split: Split, advance: Advance) -> TrainingCurve:
        """Train the same network twice, watched on its training rows and on its test rows."""
        seed = training.seed_of(
            self.plan.seed, recipe.name, split.protocol, split.repeat, split.fold
        )
        areas = validation.training_areas(self.samples, split, self.plan)
        encoder = training.fit_encoder(self.samples, split.train, recipe.angles, areas)
        x, y = encoder.transform(self.samples.raw), self.samples.label
        sides = [(x[rows], y[rows]) for rows in (split.train, split.test)]
        # A network is monitored on one set of rows: equal seeds make the two the same.
        pair: list[Any] = [recipe.make(seed) for _ in sides]
        done = 0.0

        def callback(step: int, total: int) -> None:
            nonlocal done
            advance(step / total - done)
            done = step / total

        fit_members(pair, [sides[0][0]] * 2, [sides[0][1]] * 2, callback, monitor=sides)
        seen = [m.curves_["monitor"] for m in pair]
        (step, train_loss, train_oa), (_, test_loss, test_oa) = (
            [tuple(column) for column in values[:, :3].T.tolist()] for values in seen
        )
        return TrainingCurve(step, train_loss, train_oa, test_loss, test_oa)


def open_bench(run: Run, protocol: str, scale: Scale) -> Bench:
    """Return the bench of a study that is finished as far as `sample`.

    Parameters
    ----------
    run : Run
        The study in its folder.
    protocol : {"pixel", "landslide", "block"}
        How rows are split. Protocols with folds use as many folds as the scale has repeats.
    scale : Scale
        How much is computed.

    Raises
    ------
    InputError
        An unknown protocol, or samples that are missing or stale.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"--protocol {protocol}: one of {', '.join(PROTOCOLS)}")
    need(run, [run.marks.samples()])
    samples = samples_of(run)
    plan = replace(run.plan(samples), repeats=scale.repeats)
    splits = plans.chosen_splits(samples, protocol, plan)[: scale.repeats]
    return Bench(run, samples, plan, protocol, scale, tuple(splits))


def with_factors(samples: Samples, codes: Sequence[str]) -> Samples:
    """Return the samples as if the study had these factors only, in the samples' order."""
    kept = tuple(f for f in samples.factors if f.code in set(codes))
    areas = samples.areas[samples.areas["factor"].isin([f.code for f in kept])]
    return replace(samples, factors=kept, areas=areas)


def measured(results: Sequence[Result], measure: str) -> NDArray[np.float64]:
    """Return a measure of each result at the balance of the samples, (splits,)."""
    return np.array([r.judgement.balanced.of(measure) for r in results], np.float64)
