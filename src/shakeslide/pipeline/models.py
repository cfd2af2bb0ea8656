"""Models: trained, judged, tuned, explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.failures import guarded
from shakeslide.core.files import Steps, replacing
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Advance
from shakeslide.evaluation import splits
from shakeslide.geo.grid import Tile
from shakeslide.layers.readers import raster_source
from shakeslide.learning import bundle, explanation, final_model, training, validation
from shakeslide.pipeline.inputs import ground_of, samples_of
from shakeslide.pipeline.place import cell_at
from shakeslide.pipeline.run import Run, need, timed
from shakeslide.results import evaluation_file, importance_document
from shakeslide.results.importance_document import Importance
from shakeslide.sampling import events, sampling

if TYPE_CHECKING:
    from shakeslide.learning import tuning


@guarded("train")
def train(run: Run) -> None:
    """Train each model: `models/<model>/`.

    Where the mapped models are fitted on all samples, those that are judged are trained too, on the
    first split: `models/<model>/judged/`.
    """
    wanted = run.wanted_trained
    stale = [item for item, mark in wanted.items() if not is_stored(run, item, mark)]
    _rename(run, [item for item in wanted if item not in stale])
    if not stale:
        run.reporter.say(f"train: {', '.join(run.stored_models)} are up to date")
        return
    need(run, {"samples": run.sample_mark})
    samples = samples_of(run)
    calibrated = run.study.models.calibration != "none"
    levelled = calibrated and any(map(run.is_final, stale))
    ground = ground_of(run, samples) if levelled else None
    with run.reporter.task("train", len(stale)) as on:
        for item in stale:
            with timed(f"train {item}") as taken:
                fit = _fitted(run, item, samples, ground, on)
                about = replace(
                    fit.model.about,
                    study=run.study.study.name,
                    fit_s=fit.seconds,
                    data=run.sample_mark,
                    positives=samples.positives,
                    fitted_on="all" if run.is_final(item) else "training",
                )
                folder = run.model_folder(item)
                bundle.save(replace(fit.model, about=about), folder)
            # Without the folder of an ensemble's members, which are recorded by themselves.
            files = [p for p in folder.iterdir() if p.is_file()]
            run.ledger.record(item, wanted[item], files, taken[0], run.model_labels)


def _fitted(
    run: Run, item: str, samples: sampling.Samples, ground: sampling.Samples | None, on: Advance
) -> training.Fit:
    """Fit a model on all samples where it is mapped so, else on the first split's training rows."""
    name = item.partition("-")[2]
    if run.is_final(item):
        return final_model.fit(run.recipe(name), samples, run.study.study.seed, ground, on)
    plan = replace(run.plan(samples), repeats=1)
    return validation.fit(run.recipe(name), samples, [first_split(run, samples)], plan, on)[0]


def _rename(run: Run, fresh: Sequence[str]) -> None:
    """Write the names of study and factors into models anew where these alone have changed."""
    now = {f.code: f for f in run.factors}
    for item in fresh:
        if run.ledger.is_fresh(item, run.wanted_trained[item], run.model_labels):
            continue
        folder = run.model_folder(item)
        model = bundle.load(folder)
        named = tuple(info.named_as(now[info.code]) for info in model.factors)
        about = replace(model.about, study=run.study.study.name)
        bundle.save(replace(model, factors=named, about=about), folder)
        run.ledger.relabel(item, run.model_labels)


def is_stored(run: Run, item: str, mark: str, labels: str | None = None) -> bool:
    """Tell whether a trained model is up to date and can be read."""
    if not run.ledger.is_fresh(item, mark, labels):
        return False
    try:
        bundle.load(run.model_folder(item))
    except InputError as error:
        run.reporter.say(f"train: {error}; {item.partition('-')[2]} is trained again")
        return False
    return True


@guarded("evaluate")
def evaluate(run: Run) -> None:
    """Judge the models under the study's protocols: `evaluation.json`, `evaluation.csv`."""
    if run.ledger.is_fresh("evaluation", run.evaluation_mark):
        run.reporter.say("evaluate: evaluation.json is up to date")
        return
    need(run, {"samples": run.sample_mark} | run.wanted_judged(run.stored_models))
    samples = samples_of(run)
    plan = run.plan(samples)
    truth = known_truth(run, samples)
    with timed("evaluate") as taken:
        outcomes = [_outcome(run, samples, p, plan) for p in run.study.evaluation.protocols]
        threshold = run.study.evaluation.threshold
        events = [run.study.study.name, *map(str, run.study.evaluation.events)]
        paths = evaluation_file.write(
            run.out,
            outcomes,
            samples,
            threshold,
            plan,
            calibration=run.study.models.calibration,
            truth=truth,
            events=events if "event" in run.study.evaluation.protocols else (),
        )
    run.ledger.record("evaluation", run.evaluation_mark, paths, taken[0])


def _outcome(
    run: Run, samples: sampling.Samples, protocol: str, plan: validation.Plan
) -> evaluation_file.Outcome:
    """Fit and judge all models under a protocol."""
    together = _events(run, samples) if protocol == "event" else None
    if together is None:
        chosen = validation.chosen_splits(samples, protocol, plan)
        groups = validation.groups(samples, protocol, plan)
        others = None
    else:
        chosen = list(splits.event(together.samples.label, together.event))
        groups, others = validation.groups(together.samples, protocol, plan), together.samples
    with run.reporter.task(f"evaluate by {protocol}", len(run.models) * len(chosen)) as on:
        results = {m: _try_model(run, m, samples, chosen, plan, on, together) for m in run.models}
    return evaluation_file.Outcome(protocol, chosen, groups, results, others)


def _events(run: Run, samples: sampling.Samples) -> events.Events:
    folders = run.study.evaluation.events
    if not folders:
        raise InputError(
            '[evaluation] protocols names "event", but events is empty: give the folders of '
            "results of other earthquakes' runs"
        )
    for folder in folders:
        if folder.resolve() == run.out.resolve():
            raise InputError(
                f"{folder} (evaluation.events): is this run's own folder; name those of other "
                "earthquakes"
            )
    return events.load(samples, run.study.study.name or "this study", folders)


def known_truth(run: Run, samples: sampling.Samples) -> NDArray[np.float32] | None:
    """Return the known failure probability of each sample, (samples,), where the study has it."""
    layer = run.study.evaluation.truth
    if layer is None:
        return None
    return sampling.values_at(samples, raster_source(layer), run.grid, run.tile)


def _try_model(
    run: Run,
    name: str,
    samples: sampling.Samples,
    chosen: Sequence[splits.Split],
    plan: validation.Plan,
    on: Callable[[float], None],
    together: events.Events | None,
) -> list[evaluation_file.Result]:
    """Return one result per split of a protocol, those of an earlier run from its files."""
    folder = run.ledger.work / "evaluate"
    mark = run.trial_mark(name, chosen[0].protocol, plan)
    files = [folder / f"{name}-{s.protocol}-{s.repeat}-{s.fold}-{mark}.npz" for s in chosen]
    threshold = run.study.evaluation.threshold

    def judged(i: int) -> sampling.Samples:
        return samples if together is None else together.tested(chosen[i])

    known = {i: result for i, p in enumerate(files) if (result := evaluation_file.known_result(p))}
    for i, kept in known.items():
        # Probabilities are kept: another threshold needs no new fit.
        if kept.judgement.threshold != threshold:
            p = kept.probability
            told = validation.at_threshold(kept.judgement, p, judged(i), chosen[i], threshold)
            known[i] = evaluation_file.save_result(files[i], evaluation_file.Result(told, p))
    todo = [i for i in range(len(files)) if i not in known]
    on(len(chosen) - len(todo))
    for batch in [todo] if name in training.TOGETHER else [[i] for i in todo]:
        fits = _fits(run, name, samples, [chosen[i] for i in batch], plan, on, together)
        for i, fit in zip(batch, fits, strict=True):
            told, p = validation.judge(fit.model, fit.seconds, judged(i), chosen[i], threshold)
            known[i] = evaluation_file.save_result(files[i], evaluation_file.Result(told, p))
    return [known[i] for i in range(len(files))]


def _fits(
    run: Run,
    name: str,
    samples: sampling.Samples,
    chosen: Sequence[splits.Split],
    plan: validation.Plan,
    on: Callable[[float], None],
    together: events.Events | None,
) -> list[training.Fit]:
    """Fit the splits; the first of `pixel` is the model of `train`, judged as it was stored."""
    kept = name in run.stored_models
    stored = [s for s in chosen if kept and s.protocol == "pixel" and s.repeat == 0]
    fits: list[training.Fit] = []
    for _ in stored:
        model = judged_model(run, name)
        fits.append(training.Fit(model, model.about.fit_s or 0.0))
        on(1)
    # What is stored is the first of `chosen`, so that the order holds.
    others = [s for s in chosen if s not in stored]
    if others:
        joined = samples if together is None else together.samples
        fits += validation.fit(run.recipe(name), joined, others, plan, on, together)
    return fits


@guarded("tune")
def tune(run: Run, name: str, protocol: str, count: int) -> tuning.Tuned:
    """Search better settings of a model on its training rows: `tune/<model>_<protocol>.*`."""
    with extra("tune", "tune"):
        from shakeslide.learning import tuning
    with extra("report", "tune"):
        from shakeslide.report import charts

    if name not in run.models:
        raise InputError(f"--model {name}: the study uses {', '.join(run.models)}")
    if protocol not in ("pixel", "landslide", "block"):
        raise InputError(f"--protocol {protocol}: one of pixel, landslide, block")
    need(run, {"samples": run.sample_mark})
    samples = samples_of(run)
    plan, folder = run.plan(samples), run.out / "tune"
    mark = fingerprint(run.train_mark(name), run.trial_mark(name, protocol, plan), "tune")
    # By its mark: trials of other settings do not count as earlier ones.
    journal = run.ledger.work / "tune" / f"{name}-{protocol}-{mark}.journal"
    with timed(f"tune {name}"), run.reporter.task(f"tune {name}", count) as on:
        told = tuning.tune(
            run.recipe(name), samples, protocol, plan, count=count, journal=journal, advance=on
        )
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}_{protocol}"
    with replacing(stem.with_suffix(".csv")) as temporary:
        pd.DataFrame([trial.row for trial in told.trials]).to_csv(temporary, index=False)
    with replacing(stem.with_suffix(".toml")) as temporary:
        temporary.write_text(tuning.as_toml(told) + "\n", encoding="utf-8")
    charts.write_history(name, [t.log_loss for t in told.trials], stem.with_suffix(".png"))
    return told


@guarded("explain")
def explain(run: Run) -> None:
    """Ask which factors matter, and how: `importance.json`."""
    mark = run.importance_mark
    if run.ledger.is_fresh("importance", mark):
        run.reporter.say("explain: importance.json is up to date")
        return
    need(run, {"samples": run.sample_mark} | run.wanted_judged(run.stored_models))
    samples = samples_of(run)
    split = first_split(run, samples)
    seed = run.study.study.seed
    told = []
    models = run.stored_models
    # A shuffle of a million samples takes minutes with some models.
    folders = run.ledger.shards("explain", list(map(run.train_mark, models)))
    with timed("explain") as taken, run.reporter.task("explain", len(models)) as on:
        for name, folder in zip(models, folders, strict=True):
            model = judged_model(run, name)
            told.append(explanation.explain(model, samples, split, seed, Steps(folder)))
            on(1)
    together = explanation.collinearity(samples)
    if together.remarks:
        count, first = len(together.remarks), together.remarks[0]
        run.reporter.say(f"explain: {first}" + (f" (1 of {count}: see the report)" * (count > 1)))
    gain = explanation.information_gain(samples, split.train)
    path = importance_document.save(run.out, Importance(gain, together, tuple(told)))
    run.ledger.record("importance", mark, [path], taken[0])
    # The parts are in importance.json now.
    run.ledger.shards("explain", [])


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
    if name not in run.stored_models:
        raise InputError(f"--model {name}: the study has {', '.join(run.stored_models)}")
    need(run, run.wanted_factors | {"samples": run.sample_mark})
    need(run, run.wanted_models([name]))
    row, col = cell_at(run, x, y)
    if run.masks is not None and run.masks.covers(Tile((0, 0), row, row + 1, col, col + 1)).any():
        raise InputError(f"--at {x:.10g} {y:.10g}: is masked ([[masks]]): no prediction there")
    values = run.stack()[:, row, col].values.astype(np.float32)
    samples = samples_of(run)
    model = bundle.load(run.out / "models" / name)
    try:
        return explanation.attribute(model, values, samples, run.study.study.seed)
    except InputError as error:
        raise InputError(f"--at {x:.10g} {y:.10g}: {error}") from error


def first_split(run: Run, samples: sampling.Samples) -> splits.Split:
    """Return the split on whose training rows `train` fits the models that are judged."""
    return validation.chosen_splits(samples, "pixel", replace(run.plan(samples), repeats=1))[0]


def mapped_rows(run: Run, samples: sampling.Samples) -> NDArray[np.int64]:
    """Return the numbers of the rows that the mapped models are fitted on, (n,) int64."""
    if run.maps_all:
        return np.arange(len(samples.table))
    return first_split(run, samples).train


def judged_model(run: Run, name: str) -> bundle.FittedModel:
    """Return a model as it was fitted on the training rows of the first split."""
    return bundle.load(run.model_folder(run.judged(name)))
