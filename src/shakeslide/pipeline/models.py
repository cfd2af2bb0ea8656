"""Models: trained, judged, tuned, explained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core import spreadsheets
from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.failures import guarded
from shakeslide.core.files import Steps, replacing
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Advance
from shakeslide.evaluation import splits
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.layers.readers import raster_source
from shakeslide.learning import bundle, explanation, final_model, plans, training, validation
from shakeslide.pipeline.inputs import ground_of, samples_of
from shakeslide.pipeline.place import cell_at
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import Artefact, Stage, Work, need, timed
from shakeslide.results import evaluation_file, importance_document
from shakeslide.results.importance_document import Importance
from shakeslide.sampling import events, sample_table, sampling

if TYPE_CHECKING:
    from shakeslide.learning import tuning


class Train(Stage[Run]):
    """The trained models: `models/<model>/`.

    Where the mapped models are fitted on all samples, those that are judged are trained too, on the
    first split: `models/<model>/judged/`.
    """

    name = "train"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return all models that are stored."""
        return run.marks.models()

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the samples."""
        return [run.marks.samples()]

    def holds(self, run: Run, artefact: Artefact) -> bool:
        """Whether a model can be read."""
        return is_readable(run, artefact)

    def summary(self, run: Run) -> str:
        """Return the names of the models."""
        return f"{', '.join(run.models.stored())} are"

    def rename(self, work: Work[Run]) -> None:
        """Write the names of study and factors into models anew where these alone have changed."""
        run, now = work.run, {f.code: f for f in work.run.factors()}
        for one in work.renamed:
            folder = run.models.folder(one.item)
            model = bundle.load(folder)
            named = tuple(info.named_as(now[info.code]) for info in model.factors)
            about = replace(model.about, study=run.study.study.name)
            bundle.save(replace(model, factors=named, about=about), folder)
            work.relabel(one)

    def make(self, work: Work[Run]) -> None:
        """Fit and store one model after the other."""
        run, samples = work.run, samples_of(work.run)
        if run.study.models.calibration != "none":
            _require_calibrating(run, samples)
        levelled = any(
            run.models.is_final(a.item) and run.models.recipe(a.name).calibrates for a in work.stale
        )
        ground = ground_of(run, samples) if levelled else None
        with run.reporter.task("train", len(work.stale)) as on:
            for one in work.stale:
                folder = run.models.folder(one.item)
                with work.making(one) as made:
                    bundle.save(_fitted(run, one, samples, ground, on), folder)
                    # Without the folder of an ensemble's members, recorded by themselves.
                    made[one] = [p for p in folder.iterdir() if p.is_file()]


def _require_calibrating(run: Run, samples: sample_table.Samples) -> None:
    """Raise `InputError` before the first fit if a later split cannot be calibrated."""
    rows = []
    for protocol in run.study.evaluation.protocols:
        if protocol != "event":
            # What cannot be split is for the evaluation to report.
            with suppress(InputError):
                found = plans.chosen_splits(samples, protocol, run.plan(samples))
                rows += [split.train for split in found]
    training.require_calibrating(run.study.models.calibration, samples, rows)


train = Train()
"""Train the models that are not up to date: `models/<model>/`."""


def is_readable(run: Run, model: Artefact) -> bool:
    """Whether a trained model that is recorded as made can be read; report it if not."""
    try:
        bundle.load(run.models.folder(model.item))
    except InputError as error:
        run.reporter.say(f"train: {error}; {model.name} is trained again")
        return False
    return True


def _fitted(
    run: Run,
    one: Artefact,
    samples: sample_table.Samples,
    ground: sample_table.Samples | None,
    on: Advance,
) -> bundle.FittedModel:
    """Fit a model on all samples where it is mapped so, else on the first split's training rows."""
    recipe, final = run.models.recipe(one.name), run.models.is_final(one.item)
    if final:
        fit = final_model.fit(recipe, samples, run.study.study.seed, ground, on)
    else:
        plan = replace(run.plan(samples), repeats=1)
        (fit,) = validation.fit(recipe, samples, [first_split(run, samples)], plan, on)
    about = replace(
        fit.model.about,
        study=run.study.study.name,
        fit_s=fit.seconds,
        data=run.marks.sample(),
        positives=samples.positives,
        fitted_on="all" if final else "training",
    )
    return replace(fit.model, about=about)


class Evaluate(Stage[Run]):
    """The scores under the study's protocols: `evaluation.json`, `evaluation.csv`."""

    name = "evaluate"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the evaluation."""
        return [run.marks.evaluation()]

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the samples and the models that are judged."""
        return [run.marks.samples(), *run.marks.judged_models(run.models.stored())]

    def summary(self, run: Run) -> str:
        """Return its file."""
        return "evaluation.json is"

    def make(self, work: Work[Run]) -> None:
        """Fit and judge the models on all splits; fits of an earlier run are kept."""
        run, samples = work.run, samples_of(work.run)
        plan, asked = run.plan(samples), run.study.evaluation
        truth = known_truth(run, samples)
        events = [run.study.study.name, *map(str, asked.events)]
        with work.making(*work.stale) as made:
            outcomes = [_outcome(run, samples, p, plan) for p in asked.protocols]
            made[work.stale[0]] = evaluation_file.write(
                run.out,
                outcomes,
                samples,
                evaluation_file.Conditions(
                    plan=plan,
                    threshold=asked.threshold,
                    calibration=run.study.models.calibration,
                    events=events if "event" in asked.protocols else (),
                ),
                truth,
            )


evaluate = Evaluate()
"""Judge the models under the study's protocols: `evaluation.json`, `evaluation.csv`."""


def _outcome(
    run: Run, samples: sample_table.Samples, protocol: str, plan: plans.Plan
) -> evaluation_file.Outcome:
    """Fit and judge all models under a protocol."""
    together = _events(run, samples) if protocol == "event" else None
    if together is None:
        chosen = plans.chosen_splits(samples, protocol, plan)
        groups = validation.groups(samples, protocol, plan)
        others = None
    else:
        chosen = list(splits.event(together.samples.label, together.event))
        groups, others = validation.groups(together.samples, protocol, plan), together.samples
    names = run.models.used()
    with run.reporter.task(f"evaluate by {protocol}", len(names) * len(chosen)) as on:
        trials = _Trials(run=run, samples=samples, plan=plan, chosen=chosen, on=on, events=together)
        results = {name: trials.of(name) for name in names}
    return evaluation_file.Outcome(protocol, chosen, groups, results, others)


def _events(run: Run, samples: sample_table.Samples) -> events.Events:
    folders = run.study.evaluation.events
    if not folders:
        raise InputError(
            '[evaluation] protocols names "event", but events is empty: give the folders of '
            "results of other earthquakes' runs"
        )
    for folder in folders:
        if folder.resolve() == run.out.resolve():
            raise InputError(
                f"{folder} (evaluation.events): is this run's own folder; give those of other "
                "earthquakes"
            )
    return events.load(samples, run.study.study.name or "this study", folders)


def known_truth(run: Run, samples: sample_table.Samples) -> NDArray[np.float32] | None:
    """Return the known failure probability of each sample, (samples,), where the study has it."""
    layer = run.study.evaluation.truth
    if layer is None:
        return None
    return sampling.values_at(samples, raster_source(layer), run.grid(), run.tile())


@dataclass(frozen=True, kw_only=True)
class _Trials:
    """Fits of models on the splits of a protocol, and how they are judged.

    Attributes
    ----------
    run : Run
        The study in its folder.
    samples : Samples
        Its samples.
    plan : Plan
        Of the splits.
    chosen : sequence of Split
        The splits, all of one protocol.
    on : callable
        Called with the number of fits done.
    events : Events, optional
        The samples of all earthquakes, where whole earthquakes are held out.
    """

    run: Run
    samples: sample_table.Samples
    plan: plans.Plan
    chosen: Sequence[splits.Split]
    on: Advance
    events: events.Events | None

    def of(self, name: str) -> list[evaluation_file.Result]:
        """Return a model's result on each split, those of an earlier run from its files."""
        folder = self.run.ledger.work / "evaluate"
        mark = self.run.marks.trial(name, self.chosen[0].protocol, self.plan)
        files = [
            folder / f"{name}-{s.protocol}-{s.repeat}-{s.fold}-{mark}.npz" for s in self.chosen
        ]
        found = {i: self._kept(i, path) for i, path in enumerate(files)}
        known = {i: result for i, result in found.items() if result}
        todo = [i for i in range(len(files)) if i not in known]
        self.on(len(files) - len(todo))
        for batch in training.batches(name, todo, len(self.samples.table)):
            fits = self._fits(name, [self.chosen[i] for i in batch])
            for i, fit in zip(batch, fits, strict=True):
                told, p = validation.judge(
                    fit.model, fit.seconds, self._judged(i), self.chosen[i], self._threshold
                )
                known[i] = evaluation_file.save_result(files[i], evaluation_file.Result(told, p))
        return [known[i] for i in range(len(files))]

    @property
    def _threshold(self) -> float:
        return self.run.study.evaluation.threshold

    def _judged(self, i: int) -> sample_table.Samples:
        """Return the samples whose rows the split of this number holds out."""
        return self.samples if self.events is None else self.events.tested(self.chosen[i])

    def _kept(self, i: int, path: Path) -> evaluation_file.Result | None:
        """Return what an earlier run has found on a split, at the threshold of now."""
        kept = evaluation_file.known_result(path)
        if kept is None or kept.judgement.threshold == self._threshold:
            return kept
        # Probabilities are kept: another threshold needs no new fit.
        told = validation.at_threshold(
            kept.judgement, kept.probability, self._judged(i), self.chosen[i], self._threshold
        )
        return evaluation_file.save_result(path, evaluation_file.Result(told, kept.probability))

    def _fits(self, name: str, chosen: Sequence[splits.Split]) -> list[training.Fit]:
        """Fit the splits; the first of `pixel` is the model of `train`, judged as it was stored."""
        kept = name in self.run.models.stored()
        stored = [s for s in chosen if kept and s.protocol == "pixel" and s.repeat == 0]
        fits: list[training.Fit] = []
        for _ in stored:
            model = judged_model(self.run, name)
            fits.append(training.Fit(model, model.about.fit_s or 0.0))
            self.on(1)
        # What is stored is the first of `chosen`, so that the order holds.
        others = [s for s in chosen if s not in stored]
        if others:
            joined = self.samples if self.events is None else self.events.samples
            recipe = self.run.models.recipe(name)
            fits += validation.fit(recipe, joined, others, self.plan, self.on, self.events)
        return fits


@guarded("tune")
def tune(run: Run, name: str, protocol: str, count: int) -> tuning.Tuned:
    """Search better settings of a model on its training rows: `tune/<model>_<protocol>.*`."""
    with extra("tune", "tune"):
        from shakeslide.learning import tuning
    with extra("report", "tune"):
        from shakeslide.report import charts

    if name not in run.models.used():
        raise InputError(f"--model {name}: the study uses {', '.join(run.models.used())}")
    if protocol not in ("pixel", "landslide", "block"):
        raise InputError(f"--protocol {protocol}: one of pixel, landslide, block")
    need(run, [run.marks.samples()])
    samples = samples_of(run)
    plan, folder = run.plan(samples), run.out / "tune"
    mark = fingerprint(run.marks.judged_fit(name), run.marks.trial(name, protocol, plan), "tune")
    # By its mark: trials of other settings do not count as earlier ones.
    journal = run.ledger.work / "tune" / f"{name}-{protocol}-{mark}.journal"
    with timed(f"tune {name}"), run.reporter.task(f"tune {name}", count) as on:
        told = tuning.tune(
            run.models.recipe(name),
            samples,
            protocol,
            plan,
            count=count,
            journal=journal,
            advance=on,
        )
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}_{protocol}"
    spreadsheets.write(stem.with_suffix(".csv"), pd.DataFrame([t.row for t in told.trials]))
    with replacing(stem.with_suffix(".toml")) as temporary:
        temporary.write_text(tuning.as_toml(told) + "\n", encoding="utf-8")
    charts.write_history(name, [t.log_loss for t in told.trials], stem.with_suffix(".png"))
    return told


class Explain(Stage[Run]):
    """Which factors matter, and how: `importance.json`."""

    name = "explain"
    result = "importance.json"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return what is computed of the factors."""
        return [run.marks.importance()]

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the samples and the models that are judged."""
        return [run.marks.samples(), *run.marks.judged_models(run.models.stored())]

    def parts(self, run: Run, stale: Sequence[Artefact]) -> list[str]:
        """Return the marks of the models: their shuffles stay where another model is added."""
        # A shuffle of a million samples takes minutes with some models.
        return [run.marks.judged_fit(n) for n in run.models.stored()] if stale else []

    def summary(self, run: Run) -> str:
        """Return its file."""
        return "importance.json is"

    def make(self, work: Work[Run]) -> None:
        """Shuffle groups of factors for each model, and compare the factors with each other."""
        run, samples, models = work.run, samples_of(work.run), work.run.models.stored()
        split, seed, told = first_split(run, samples), run.study.study.seed, []
        with work.making(*work.stale) as made:
            with run.reporter.task("explain", len(models)) as on:
                for name, folder in zip(models, work.parts, strict=True):
                    model = judged_model(run, name)
                    told.append(explanation.explain(model, samples, split, seed, Steps(folder)))
                    on(1)
            together = explanation.collinearity(samples)
            gain = explanation.information_gain(samples, split.train)
            path = importance_document.save(run.out, Importance(gain, together, tuple(told)))
            made[work.stale[0]] = [path]
        if together.remarks:
            count, first = len(together.remarks), together.remarks[0]
            work.say(first + (f" (1 of {count}: see the report)" * (count > 1)))


explain = Explain()
"""Compute which factors matter, and how: `importance.json`."""


@guarded("explain")
def explain_place(run: Run, name: str, x: float, y: float) -> explanation.Attribution:
    """Return why a model gives a place's cell its probability.

    Parameters
    ----------
    run : Run
        Its models trained.
    name : str
        Of the model.
    x, y : float
        In the grid's CRS, or longitude and latitude in degrees.

    Raises
    ------
    InputError
        A place off the grid, under a mask, or without a value of some factor.
    """
    if name not in run.models.stored():
        raise InputError(f"--model {name}: the study has {', '.join(run.models.stored())}")
    need(run, [*run.marks.factors(), run.marks.samples(), *run.marks.mapped_models([name])])
    row, col = cell_at(run, x, y)
    masks, cell = run.masks(), Tile((0, 0), row, row + 1, col, col + 1)
    if masks is not None and masks.covers(cell).any():
        raise InputError(f"--at {x:.10g} {y:.10g}: is masked ([[masks]]): no prediction there")
    values = run.stack()[:, row, col].values.astype(np.float32)
    east, north = grids.cell_centres(run.grid(), cell)
    place = float(east[0]), float(north[0])
    samples = samples_of(run)
    model = bundle.load(run.out / "models" / name)
    try:
        return explanation.attribute(model, values, place, samples, run.study.study.seed)
    except InputError as error:
        raise InputError(f"--at {x:.10g} {y:.10g}: {error}") from error


def first_split(run: Run, samples: sample_table.Samples) -> splits.Split:
    """Return the split on whose training rows `train` fits the models that are judged."""
    return plans.chosen_splits(samples, "pixel", replace(run.plan(samples), repeats=1))[0]


def mapped_rows(run: Run, samples: sample_table.Samples) -> NDArray[np.int64]:
    """Return the numbers of the rows that the mapped models are fitted on, (n,) int64."""
    if run.models.maps_all:
        return np.arange(len(samples.table))
    return first_split(run, samples).train


def judged_model(run: Run, name: str) -> bundle.FittedModel:
    """Return a model as it was fitted on the training rows of the first split."""
    return bundle.load(run.models.folder(run.models.judged(name)))
