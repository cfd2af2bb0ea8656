"""The stages of a study, from raw layers to report; each reads what earlier ones left on disk."""

from __future__ import annotations

import json
import logging
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from shakeslide import (
    bundle,
    checks,
    events,
    explanation,
    inventory,
    mapping,
    sampling,
    tables,
    training,
    trials,
    tuning,
    uncertainty,
)
from shakeslide import grid as grids
from shakeslide._version import __version__
from shakeslide.encoding import Angles
from shakeslide.engine import Engine
from shakeslide.errors import InputError
from shakeslide.evaluation import splits
from shakeslide.factor_settings import DensityFactor, LineDirectionFactor
from shakeslide.factors import stack as stacks
from shakeslide.factors.catalogue import build
from shakeslide.factors.layers import raster_source, vector_source
from shakeslide.factors.registry import Factor, Sources, Whole
from shakeslide.io import raster, vector
from shakeslide.ledger import Ledger, fingerprint
from shakeslide.masks import Masks
from shakeslide.masks import load as load_masks
from shakeslide.progress import Reporter
from shakeslide.sources import extract, files, recipes
from shakeslide.sources.layers import images
from shakeslide.study import Inventory, Layer, Study

log = logging.getLogger("shakeslide")

STAGES = ("prepare", "sample", "train", "evaluate", "explain", "map", "report")
SPREAD = ("mean", "sd")
"""Maps of an ensemble."""
LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "rasterio", "geopandas", "odc-geo", "dask")


@dataclass(frozen=True)
class Run:
    """A study in its folder of results.

    Attributes
    ----------
    study : Study
        All settings.
    document : mapping
        The study as written, for the record.
    out : Path
        Folder of results.
    engine : Engine
        Where tiles are computed.
    reporter : Reporter
        What the user sees.
    """

    study: Study
    document: Mapping[str, Any]
    out: Path
    engine: Engine
    reporter: Reporter

    @cached_property
    def ledger(self) -> Ledger:
        """The record of what has been made from what."""
        return Ledger(self.out)

    # --------------------------------------------------------------- inputs

    @cached_property
    def grid(self) -> GeoBox:
        """The grid of the study."""
        layer = self.study.layers.get("dem")
        if layer is None:
            raise InputError("[layers.dem] is missing: give path = the elevation raster")
        asked = self.study.grid
        dem = raster.info(layer.path, layer.crs, layer.band).grid
        return grids.choose(dem, asked.crs, asked.resolution, asked.bounds)

    @property
    def tile(self) -> int:
        """Side of a tile in cells."""
        return grids.tile_size(self.grid, self.study.grid.tile)

    @cached_property
    def dem(self) -> raster.RasterSource:
        """Elevation."""
        return raster_source(self.study.layers["dem"])

    @cached_property
    def factors(self) -> list[Factor]:
        """The factors of the study, ready to be computed."""
        work, digest = self.ledger.work / "whole", self.ledger.content
        sources = Sources(self.grid, self.study.layers, self.study.event, work, digest)
        active = self.study.active_factors
        if not active:
            raise InputError("[factors] none is in use")
        with ThreadPoolExecutor(self.engine.threads) as pool:
            return list(pool.map(lambda code: build(code, active[code], sources), active))

    @cached_property
    def masks(self) -> Masks | None:
        """Ground where no landslide can be."""
        return load_masks(self.study.masks, self.grid) if self.study.masks else None

    @cached_property
    def mask_mark(self) -> str:
        """Fingerprint of the masks' ground."""
        shown = {"path", "map_value", "name", "source"}
        layers = self.study.masks
        return fingerprint(
            [[m.model_dump(exclude=shown), self.ledger.content(m.path)] for m in layers]
        )

    @property
    def inventory(self) -> Inventory:
        """The inventory as sampled: with the extracted source areas where the study says so."""
        asked = self.study.inventory
        if asked.positives_from == "mapped":
            return asked
        made = Layer(path=self.out / "sources.gpkg", layer="source")
        return asked.model_copy(update={"sources": made, "source_where": None})

    @property
    def outlines(self) -> Inventory:
        """The inventory as `sources` reads it: every outline, and source areas where they count."""
        update: dict[str, Any] = {"small": "leave", "positives_from": "mapped", "buffer": 0.0}
        update |= {"ambiguous": [], "extent": None}
        if not self.study.sources.mapped:
            update |= {"sources": None, "source_where": None}
        return self.study.inventory.model_copy(update=update)

    @property
    def codes(self) -> list[str]:
        """Codes of the factors in use."""
        return list(self.study.active_factors)

    def stack(self) -> Any:
        """Return the lazy stack of the prepared factors."""
        return stacks.stored(self.out / "factors", self.codes, self.tile)

    # ---------------------------------------------------------- fingerprints

    @cached_property
    def factor_marks(self) -> dict[str, str]:
        """Fingerprint of each factor: its settings, the grid, the content of its layers."""
        where = [grids.describe(self.grid), self.tile, __version__]
        return {f.code: fingerprint(where, self._factor_inputs(f)) for f in self.factors}

    def _factor_inputs(self, factor: Factor) -> list[Any]:
        inputs: list[Any] = [factor.settings, factor.tags()]
        for name in sorted(factor.layers):
            layer = self.study.layers[name]
            inputs += [layer.model_dump(exclude={"path"}), self.ledger.content(layer.path)]
        return inputs

    @cached_property
    def sources_mark(self) -> str:
        """Fingerprint of the extracted source areas."""
        dem, outlines, settings = self.study.layers["dem"], self.outlines, self.study.sources
        files = [dem, outlines.sources, settings.before, settings.after]
        paths = [f.path for f in files if f is not None]
        paths += [outlines.path] if outlines.path is not None else []
        return fingerprint(
            grids.describe(self.grid),
            dem.model_dump(exclude={"path"}),
            outlines.model_dump(mode="json"),
            settings.model_dump(exclude={"before": {"path"}, "after": {"path"}}),
            [self.ledger.content(p) for p in paths],
            __version__,
        )

    @cached_property
    def sample_mark(self) -> str:
        """Fingerprint of the samples."""
        settings = self.study.inventory
        layers = [layer for layer in (settings.sources, settings.extent) if layer is not None]
        files = [layer.path for layer in [*layers, *settings.ambiguous]]
        if settings.path is not None:
            files.insert(0, settings.path)
        return fingerprint(
            self.factor_marks,
            settings.model_dump(mode="json"),
            [self.ledger.content(f) for f in files],
            self.mask_mark,
            [self.study.samples.negatives_per_positive, self.study.samples.most],
            self.study.evaluation.block_size,
            self.study.study.seed,
            self.sources_mark if settings.positives_from == "extracted" else "",
            __version__,
        )

    def train_mark(self, name: str) -> str:
        """Fingerprint of a trained model."""
        recipe = self.recipe(name)
        return fingerprint(
            self.sample_mark,
            name,
            recipe.angles,
            recipe.params,
            recipe.calibration,
            self.study.samples.train_share,
            *([recipe.origin] if recipe.origin else []),
        )

    def trial_mark(self, name: str, protocol: str, plan: trials.Plan) -> str:
        """Fingerprint of a model's trials under a protocol."""
        blocks = [plan.block_size, plan.buffer, plan.origin] if protocol == "block" else []
        folds = [plan.folds] if protocol in ("landslide", "block") else []
        others = self.event_marks if protocol == "event" else []
        return fingerprint(
            self.train_mark(name), protocol, folds, blocks, others, self.study.evaluation.threshold
        )

    @cached_property
    def event_marks(self) -> list[str]:
        """Fingerprints of the other earthquakes' samples."""
        paths = [folder / "samples.parquet" for folder in self.study.evaluation.events]
        return [self.ledger.content(p) for p in paths if p.is_file()]

    @property
    def evaluation_mark(self) -> str:
        """Fingerprint of the whole evaluation."""
        return fingerprint(
            {n: self.train_mark(n) for n in self.models},
            self.study.evaluation.model_dump(mode="json"),
            self.event_marks,
            self.study.evaluation.truth and self.ledger.content(self.study.evaluation.truth.path),
        )

    @property
    def importance_mark(self) -> str:
        """Fingerprint of what is told of the factors."""
        models = {n: self.train_mark(n) for n in self.stored_models}
        return fingerprint(models, "importance, collinearity")

    def plan(self, samples: sampling.Samples) -> trials.Plan:
        """Return how the samples are split."""
        asked = self.study.evaluation
        return trials.Plan(
            train_share=self.study.samples.train_share,
            repeats=asked.repeats,
            folds=asked.folds,
            block_size=float(samples.counts["block_size"]),
            buffer=asked.buffer,
            origin=trials.origin(self.grid),
            seed=self.study.study.seed,
        )

    @cached_property
    def models(self) -> list[str]:
        """Models in use: those whose inputs the study has. What is left out is said, once."""
        used = []
        for name in self.study.models.use:
            recipe = self.recipe(name)
            missing = recipe.lacks(self.factors)
            if missing:
                self.reporter.say(f"warning: {name} is left out, it lacks {'; '.join(missing)}")
                continue
            for line in recipe.remarks():
                self.reporter.say(f"warning: {line}")
            used.append(name)
        if not used:
            raise InputError("[models] use: none of the models has the inputs that it needs")
        return used

    @property
    def stored_models(self) -> list[str]:
        """Models in use that are stored; a package's own estimator may be unable to."""
        return [n for n in self.models if self.recipe(n).storable]

    @property
    def wanted_factors(self) -> dict[str, str]:
        """Artefacts of the factors in use and their fingerprints."""
        return {f"factor-{code}": mark for code, mark in self.factor_marks.items()}

    def wanted_models(self, names: Sequence[str]) -> dict[str, str]:
        """Artefacts of trained models and their fingerprints."""
        return {f"model-{n}": self.train_mark(n) for n in names}

    def map_mark(self, name: str) -> str:
        """Fingerprint of a model's maps."""
        return fingerprint(
            self.train_mark(name),
            self.study.map.breaks,
            self.study.map.shows,
            [m.map_value for m in self.study.masks],
            self.tile,
        )

    def recipe(self, name: str) -> training.Recipe:
        """Return how a model is trained: the preset's settings and what the study changes."""
        settings = self.study.models.settings_of(name)
        params = settings.model_dump(exclude={"angles", "settings"}, exclude_none=True)
        params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
        if name == "newmark" and self.study.event.magnitude is not None:
            params.setdefault("magnitude", self.study.event.magnitude)
        modern = getattr(settings, "settings", "paper") == "modern"
        if modern:
            params = training.modern_params() | params
        angles: Angles = getattr(settings, "angles", None) or ("sincos" if modern else "raw")
        return training.Recipe(name, angles, params, self.study.models.calibration)

    @property
    def spread_models(self) -> list[str]:
        """Models with an ensemble."""
        if self.study.map.members == 0:
            return []
        if self.study.map.members == 1:
            raise InputError("[map] members = 1 has no spread; give 2 at least, 10 are better")
        chosen = self.study.map.spread
        for name in chosen or []:
            if name not in self.study.models.use:
                raise InputError(
                    f"[map] spread: '{name}' is not in [models] use = {self.study.models.use}"
                )
        if chosen is None:
            return [n for n in self.mapped_models if not self.recipe(n).static]
        return [n for n in chosen if n in self.models]

    def spread_mark(self, name: str) -> str:
        """Fingerprint of the maps of a model's ensemble."""
        return fingerprint(self.map_mark(name), self.study.map.members, "spread")

    @property
    def area_mark(self) -> str:
        """Fingerprint of the area of applicability."""
        masks = [m.map_value for m in self.study.masks]
        return fingerprint(self.sample_mark, self.study.samples.train_share, masks, self.tile)

    @property
    def mapped_models(self) -> list[str]:
        """Models to map."""
        chosen, asked = self.study.map.models, self.study.models.use
        for name in chosen or []:
            if name not in asked:
                raise InputError(f"[map] models: '{name}' is not in [models] use = {asked}")
        mapped = [n for n in self.models if n in chosen] if chosen is not None else self.models
        for name in mapped:
            if name not in self.stored_models:
                raise InputError(
                    f"[map] models: '{name}' can be evaluated but not mapped, as its class has no "
                    f"to_arrays() and from_arrays(); set [map] models = {self.stored_models}"
                )
        return mapped


# ------------------------------------------------------------------ stages


@contextmanager
def _timed(what: str) -> Any:
    start = time.perf_counter()
    log.info("%s: begin", what)
    taken: list[float] = []
    yield taken
    taken.append(time.perf_counter() - start)
    log.info("%s: %.1f s", what, taken[0])


def prepare(run: Run) -> None:
    """Compute the factors that are not fresh: `factors/<CODE>.tif`."""
    stale = [
        f
        for f in run.factors
        if not run.ledger.is_fresh(f"factor-{f.code}", run.factor_marks[f.code])
    ]
    if not stale:
        run.reporter.say(f"prepare: {len(run.factors)} factors are up to date")
        return
    _make_whole(run, stale)
    marks = {f.code: run.factor_marks[f.code] for f in stale}
    shards = run.ledger.work / "shards" / f"factors-{fingerprint(marks)}"
    total = mapping.tile_count(run.grid, run.tile) + len(stale)
    with (
        _timed("prepare") as taken,
        run.reporter.task(f"prepare {len(stale)} factors", total) as on,
    ):
        folder = run.out / "factors"
        stacks.write(stale, run.grid, run.tile, run.dem, folder, shards, run.engine, on)
        stacks.save_legends(run.factors, folder / "legends.json")
    for f in stale:
        run.ledger.record(
            f"factor-{f.code}",
            marks[f.code],
            [run.out / "factors" / f"{f.code}.tif"],
            taken[0] / len(stale),
        )
    shutil.rmtree(shards, ignore_errors=True)


def _make_whole(run: Run, factors: Sequence[Factor]) -> None:
    """Make what factors need over the whole grid, once, and leave out what none needs now."""
    wanted = [f.whole for f in run.factors if f.whole is not None]
    folder = run.ledger.work / "whole"
    for path in set(folder.glob("*")) - {whole.path for whole in wanted}:
        path.unlink()
    groups: dict[Hashable, list[Whole]] = {}
    for whole in (f.whole for f in factors):
        if whole is not None and not whole.path.exists():
            groups.setdefault(whole.group, []).append(whole)
    for together in groups.values():
        with _timed("water over the whole grid"), run.reporter.task("water", 1) as on:
            together[0].make(together)
            on(1)


def extract_sources(run: Run) -> Path:
    """Tell source areas from run-outs: `sources.gpkg`, `sources.json`, a figure."""
    from shakeslide.report import source_charts

    path = run.out / "sources.gpkg"
    if run.ledger.is_fresh("sources", run.sources_mark):
        run.reporter.say("sources: sources.gpkg is up to date")
        return path
    landslides = inventory.load(run.outlines, run.grid)
    if landslides.kind == "point":
        raise InputError(
            f"{run.outlines.path} (inventory): holds points; source areas can only be told from "
            "polygons of whole landslides"
        )
    work, settings = run.ledger.work / "sources", run.study.sources
    pair, remarks = images(settings, run.grid)
    notes = [*landslides.notes, *remarks]
    with _timed("sources") as taken, run.reporter.task("sources", landslides.count) as on:
        extracted = extract(
            landslides.shapes,
            run.grid,
            run.dem.read,
            work / run.sources_mark,
            recipes.recipe(settings),
            recipes.scaling(settings),
            landslides.sources,
            pair,
            run.engine,
            on,
        )
        if extracted.table.empty:
            raise InputError(
                f"{run.outlines.path} (inventory): no landslide can be separated: "
                f"{'; '.join(files.reasons(extracted))}"
            )
        about = settings.model_dump(mode="json")
        paths = files.write(extracted, run.grid, run.out, about, notes)
        told = json.loads((run.out / "sources.json").read_text(encoding="utf-8"))
        paths.append(run.out / "figures" / "area_frequency.png")
        source_charts.write_frequency(told["frequency"], paths[-1])
    run.ledger.record("sources", run.sources_mark, paths, taken[0])
    shutil.rmtree(work, ignore_errors=True)
    for line in files.lines(extracted, notes):
        run.reporter.say(f"sources: {line}")
    return path


def sample(run: Run) -> None:
    """Draw the samples: `samples.parquet`."""
    path = run.out / "samples.parquet"
    if run.ledger.is_fresh("samples", run.sample_mark):
        run.reporter.say("sample: samples.parquet is up to date")
        return
    _need(run, run.wanted_factors)
    if run.study.inventory.positives_from == "extracted":
        extract_sources(run)
    with _timed("sample") as taken:
        landslides = inventory.load(run.inventory, run.grid, run.masks)
        infos = [stacks.file_info(run.out / "factors" / f"{c}.tif") for c in run.codes]
        with run.reporter.task("sample", mapping.tile_count(run.grid, run.tile)) as on:
            drawn = sampling.draw(
                run.stack(),
                infos,
                landslides,
                run.grid,
                run.study.samples.negatives_per_positive,
                run.study.samples.most,
                run.study.study.seed,
                run.engine,
                on,
            )
        drawn = _with_blocks(run, drawn)
        paths = sampling.save(drawn, path)
    run.ledger.record("samples", run.sample_mark, paths, taken[0])
    for line in _sample_lines(drawn, landslides):
        run.reporter.say(line)


def _with_blocks(run: Run, drawn: sampling.Samples) -> sampling.Samples:
    """Number the blocks of the samples, as large as asked or as their errors suggest."""
    asked = run.study.evaluation.block_size
    if asked == "auto":
        size = trials.block_size(drawn, run.study.study.seed).size
    else:
        size = asked
    return sampling.with_blocks(drawn, run.grid, size)


def _sample_lines(drawn: sampling.Samples, landslides: inventory.Inventory) -> list[str]:
    c, sources = drawn.counts, int((drawn.label == 1).sum())
    part = "" if sources == c["source_cells"] else f" drawn from {c['source_cells']:,}"
    lines = [
        f"sample: {sources:,} source cells{part} of {c['landslides']:,} landslides and "
        f"{len(drawn.table) - sources:,} clear cells; "
        f"{100 * drawn.prevalence:.2f} % of the area is source"
    ]
    if c["landslides_without_cell"]:
        lines.append(f"sample: {c['landslides_without_cell']:,} landslides hold no cell centre")
    if c["source_cells_without_values"]:
        lines.append(
            f"sample: {c['source_cells_without_values']:,} source cells lack a value of some factor"
        )
    return lines + [f"sample: {note}" for note in landslides.notes]


MADE_BY = {
    "factor": "prepare",
    "samples": "sample",
    "model": "train",
    "evaluation": "evaluate",
    "importance": "explain",
    "map": "map",
    "spread": "map",
    "applicability": "map",
    "sources": "sources",
}
"""The command that makes an artefact."""


def _need(run: Run, wanted: Mapping[str, str]) -> None:
    """Raise `InputError` unless these artefacts are there and made with the study as it is now."""
    for item, mark in wanted.items():
        if run.ledger.is_fresh(item, mark):
            continue
        known = run.ledger.made(item)
        if not known:
            what = "is not made yet"
        elif known.get("fingerprint") != mark:
            what = "was made with other settings or layers"
        else:
            what = "has changed since it was made, or was copied without its time (use cp -a)"
        stage = MADE_BY[item.split("-")[0]]
        raise InputError(
            f"{run.out}: {item} {what}; run `shakeslide {stage}` first, or `shakeslide run`, which "
            "redoes what has changed"
        )


def train(run: Run) -> None:
    """Train each model on the first split: `models/<model>/`."""
    names = run.stored_models
    stale = [m for m in names if not run.ledger.is_fresh(f"model-{m}", run.train_mark(m))]
    if not stale:
        run.reporter.say(f"train: {', '.join(names)} are up to date")
        return
    _need(run, {"samples": run.sample_mark})
    samples = sampling.load(run.out / "samples.parquet")
    plan = replace(run.plan(samples), repeats=1)
    first = trials.chosen_splits(samples, "pixel", plan)
    with run.reporter.task("train", len(stale)) as on:
        for name in stale:
            with _timed(f"train {name}") as taken:
                fit = trials.fit(run.recipe(name), samples, first, plan, on)[0]
                about = {
                    **fit.model.about,
                    "study": run.study.study.name,
                    "fit_s": fit.seconds,
                    "data": run.sample_mark,
                }
                folder = run.out / "models" / name
                bundle.save(replace(fit.model, about=about), folder)
            files = [p for p in folder.iterdir() if p.is_file()]
            run.ledger.record(f"model-{name}", run.train_mark(name), files, taken[0])


def evaluate(run: Run) -> None:
    """Judge the models under the study's protocols: `evaluation.json`, `evaluation.csv`."""
    if run.ledger.is_fresh("evaluation", run.evaluation_mark):
        run.reporter.say("evaluate: evaluation.json is up to date")
        return
    _need(run, {"samples": run.sample_mark} | run.wanted_models(run.stored_models))
    samples = sampling.load(run.out / "samples.parquet")
    plan = run.plan(samples)
    truth = _truth(run, samples)
    with _timed("evaluate") as taken:
        outcomes = [_outcome(run, samples, p, plan) for p in run.study.evaluation.protocols]
        threshold = run.study.evaluation.threshold
        about: dict[str, Any] = {"calibration": run.study.models.calibration}
        if "event" in run.study.evaluation.protocols:
            about["events"] = [run.study.study.name, *map(str, run.study.evaluation.events)]
        paths = tables.write(run.out, outcomes, samples, threshold, plan, truth, about)
    run.ledger.record("evaluation", run.evaluation_mark, paths, taken[0])


def _outcome(
    run: Run, samples: sampling.Samples, protocol: str, plan: trials.Plan
) -> tables.Outcome:
    """Fit and judge all models under a protocol."""
    together = _events(run, samples) if protocol == "event" else None
    if together is None:
        chosen = trials.chosen_splits(samples, protocol, plan)
        groups = trials.groups(samples, protocol, plan)
        others = None
    else:
        chosen = list(splits.event(together.samples.label, together.event))
        groups, others = trials.groups(together.samples, protocol, plan), together.samples
    with run.reporter.task(f"evaluate by {protocol}", len(run.models) * len(chosen)) as on:
        results = {m: _try_model(run, m, samples, chosen, plan, on, together) for m in run.models}
    return tables.Outcome(protocol, chosen, groups, results, others)


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


def _truth(run: Run, samples: sampling.Samples) -> Any:
    """Return the known failure probability of each sample, where the study has it."""
    layer = run.study.evaluation.truth
    if layer is None:
        return None
    return sampling.values_at(samples, raster_source(layer), run.grid, run.tile)


def _try_model(
    run: Run,
    name: str,
    samples: sampling.Samples,
    chosen: Sequence[splits.Split],
    plan: trials.Plan,
    on: Callable[[float], None],
    together: events.Events | None,
) -> list[tables.Result]:
    """Return one result per split of a protocol, those of an earlier run from its files."""
    folder = run.ledger.work / "evaluate"
    mark = run.trial_mark(name, chosen[0].protocol, plan)
    files = [folder / f"{name}-{s.protocol}-{s.repeat}-{s.fold}-{mark}.npz" for s in chosen]
    todo = [i for i, p in enumerate(files) if not p.exists()]
    on(len(chosen) - len(todo))
    for batch in [todo] if name in training.TOGETHER else [[i] for i in todo]:
        fits = _fits(run, name, samples, [chosen[i] for i in batch], plan, on, together)
        for i, fit in zip(batch, fits, strict=True):
            threshold = run.study.evaluation.threshold
            judged = samples if together is None else together.tested(chosen[i])
            told, p = trials.judge(fit.model, fit.seconds, judged, chosen[i], threshold)
            tables.save_result(files[i], tables.Result(told, p))
    return [tables.load_result(p) for p in files]


def _fits(
    run: Run,
    name: str,
    samples: sampling.Samples,
    chosen: Sequence[splits.Split],
    plan: trials.Plan,
    on: Callable[[float], None],
    together: events.Events | None,
) -> list[training.Fit]:
    """Fit the splits; the first of `pixel` is the model of `train`, judged as it was stored."""
    kept = name in run.stored_models
    stored = [s for s in chosen if kept and s.protocol == "pixel" and s.repeat == 0]
    fits: list[training.Fit] = []
    for _ in stored:
        model = bundle.load(run.out / "models" / name)
        fits.append(training.Fit(model, float(model.about["fit_s"])))
        on(1)
    others = [s for s in chosen if s not in stored]
    if others:
        joined = samples if together is None else together.samples
        fits += trials.fit(run.recipe(name), joined, others, plan, on, together)
    return fits


def tune(run: Run, name: str, protocol: str, count: int) -> tuning.Tuned:
    """Search better settings of a model on its training rows: `tune/<model>_<protocol>.*`."""
    from shakeslide.report import tuning_charts

    if name not in run.models:
        raise InputError(f"--model {name}: the study uses {', '.join(run.models)}")
    if protocol not in ("pixel", "landslide", "block"):
        raise InputError(f"--protocol {protocol}: one of pixel, landslide, block")
    _need(run, {"samples": run.sample_mark})
    samples = sampling.load(run.out / "samples.parquet")
    plan, folder = run.plan(samples), run.out / "tune"
    mark = fingerprint(run.train_mark(name), run.trial_mark(name, protocol, plan), "tune")
    journal = run.ledger.work / "tune" / f"{name}-{protocol}-{mark}.journal"
    with _timed(f"tune {name}"), run.reporter.task(f"tune {name}", count) as on:
        told = tuning.tune(run.recipe(name), samples, protocol, plan, count, journal, on)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}_{protocol}"
    with raster.replacing(stem.with_suffix(".csv")) as temporary:
        pd.DataFrame(told.trials).to_csv(temporary, index=False)
    with raster.replacing(stem.with_suffix(".toml")) as temporary:
        temporary.write_text(tuning.as_toml(told) + "\n", encoding="utf-8")
    tuning_charts.write_history(name, told.trials, stem.with_suffix(".png"))
    return told


def explain(run: Run) -> None:
    """Ask which factors matter, and how: `importance.json`."""
    mark = run.importance_mark
    if run.ledger.is_fresh("importance", mark):
        run.reporter.say("explain: importance.json is up to date")
        return
    _need(run, {"samples": run.sample_mark} | run.wanted_models(run.stored_models))
    samples = sampling.load(run.out / "samples.parquet")
    split = _first_split(run, samples)
    seed = run.study.study.seed
    told = []
    models = run.stored_models
    with _timed("explain") as taken, run.reporter.task("explain", len(models)) as on:
        for name in models:
            model = bundle.load(run.out / "models" / name)
            told.append(explanation.explain(model, samples, split, seed))
            on(1)
    together = explanation.collinearity(samples)
    if together["remarks"]:
        count, first = len(together["remarks"]), together["remarks"][0]
        run.reporter.say(f"explain: {first}" + (f" (1 of {count}: see the report)" * (count > 1)))
    text = {
        "information_gain": explanation.information_gain(samples, split.train),
        "collinearity": together,
        "models": told,
    }
    path = run.out / "importance.json"
    with raster.replacing(path) as temporary:
        temporary.write_text(json.dumps(tables.finite(text), indent=1), encoding="utf-8")
    run.ledger.record("importance", mark, [path], taken[0])


def explain_place(run: Run, name: str, x: float, y: float) -> dict[str, Any]:
    """Return why a model gives the cell at (x, y), in the grid's CRS, its probability."""
    if name not in run.stored_models:
        raise InputError(f"--model {name}: the study has {', '.join(run.stored_models)}")
    _need(run, run.wanted_factors | {"samples": run.sample_mark})
    _need(run, run.wanted_models([name]))
    if not np.isfinite([x, y]).all():
        raise InputError(f"--at {x:g} {y:g}: give two numbers, x and y in the grid's CRS")
    a = run.grid.affine
    col, row = int((x - a.c) // a.a), int((y - a.f) // a.e)
    if not (0 <= row < run.grid.shape[0] and 0 <= col < run.grid.shape[1]):
        raise InputError(
            f"--at {x:g} {y:g}: lies off the grid, whose bounds in {grids.crs_name(run.grid.crs)} "
            f"are {', '.join(f'{v:.0f}' for v in grids.bounds(run.grid))}"
        )
    values = run.stack()[:, row, col].values.astype(np.float32)
    samples = sampling.load(run.out / "samples.parquet")
    model = bundle.load(run.out / "models" / name)
    return explanation.attribute(model, values, samples, run.study.study.seed)


def map_(run: Run) -> None:
    """Map each model: `maps/<model>_probability.tif`, `maps/<model>_class.tif` and styles."""
    names = run.mapped_models
    stale = [m for m in names if not run.ledger.is_fresh(f"map-{m}", run.map_mark(m))]
    if not stale:
        run.reporter.say(f"map: {', '.join(names)} are up to date")
        doubt(run)
        return
    _need(run, run.wanted_factors | run.wanted_models(stale))
    stack = run.stack()
    infos = [stacks.file_info(run.out / "factors" / f"{c}.tif") for c in run.codes]
    per_model = mapping.tile_count(run.grid, run.tile) + 2
    looked = None
    with run.reporter.task("map", per_model * len(stale)) as on:
        for name in stale:
            model = bundle.load(run.out / "models" / name)
            bundle.require_factors(model, infos)
            if looked is None and not model.about.get("static"):
                # All models are fitted on the same rows: one tells for all
                looked = mapping.some_cells(model, stack)
                for line in bundle.range_warnings(model, looked):
                    run.reporter.say(f"warning: map: {line}")
            shards = run.ledger.work / "shards" / f"map-{run.map_mark(name)}"
            with _timed(f"map {name}") as taken:
                paths = mapping.write_maps(
                    model,
                    stack,
                    run.grid,
                    run.study.map.breaks,
                    run.study.map.shows,
                    run.out / "maps",
                    shards,
                    run.engine,
                    on,
                    run.masks,
                )
            styles = [p.with_suffix(s) for p in paths for s in (".qml", ".sld")]
            run.ledger.record(f"map-{name}", run.map_mark(name), [*paths, *styles], taken[0])
            shutil.rmtree(shards, ignore_errors=True)
    doubt(run)


def doubt(run: Run) -> None:
    """Map how sure the maps are: spread of ensembles, area of applicability."""
    _spread(run)
    if run.study.map.applicability:
        _applicability(run)


def _spread(run: Run) -> None:
    """Train the members of each model's ensemble and map their mean and standard deviation."""
    names, members = run.spread_models, run.study.map.members
    stale = [m for m in names if not run.ledger.is_fresh(f"spread-{m}", run.spread_mark(m))]
    if not stale:
        return
    _need(run, run.wanted_factors | {"samples": run.sample_mark})
    samples = sampling.load(run.out / "samples.parquet")
    train = _first_split(run, samples).train
    tiles = mapping.tile_count(run.grid, run.tile)
    with run.reporter.task("spread", (members + tiles + 1) * len(stale)) as on:
        for name in stale:
            folder = run.out / "models" / name / "members"
            mark = run.spread_mark(name)
            with _timed(f"spread {name}") as taken:
                fitted = uncertainty.fit_members(
                    run.recipe(name), samples, train, members, run.study.study.seed, on
                )
                for k, model in enumerate(fitted):
                    bundle.save(model, folder / f"{k:02d}")
                shards = run.ledger.work / "shards" / f"spread-{mark}"
                paths = uncertainty.write_spread(
                    fitted,
                    run.stack(),
                    run.grid,
                    run.study.map.shows,
                    run.out / "maps",
                    shards,
                    run.engine,
                    on,
                    run.masks,
                )
            run.ledger.record(f"spread-{name}", mark, paths, taken[0])
            shutil.rmtree(shards, ignore_errors=True)


def _applicability(run: Run) -> None:
    """Learn and map the area of applicability."""
    mark = run.area_mark
    if run.ledger.is_fresh("applicability", mark):
        return
    _need(run, run.wanted_factors | {"samples": run.sample_mark})
    samples = sampling.load(run.out / "samples.parquet")
    shards = run.ledger.work / "shards" / f"applicability-{mark}"
    total = mapping.tile_count(run.grid, run.tile) + 1
    with _timed("applicability") as taken, run.reporter.task("applicability", total) as on:
        area = uncertainty.fit_area(samples, _first_split(run, samples).train, run.study.study.seed)
        paths = uncertainty.save_area(area, run.out / "models" / "applicability")
        path = uncertainty.write_area(
            area, run.stack(), run.grid, run.out / "maps", shards, run.engine, on, run.masks
        )
    run.ledger.record("applicability", mark, [*paths, path], taken[0])
    shutil.rmtree(shards, ignore_errors=True)


def _first_split(run: Run, samples: sampling.Samples) -> splits.Split:
    """Return the split on which `train` fits the models that are mapped."""
    return trials.chosen_splits(samples, "pixel", replace(run.plan(samples), repeats=1))[0]


def provenance(run: Run) -> Path:
    """Write `provenance.json`: study, versions, seeds, hashes of the inputs, timings."""
    made = run.ledger.all_made()
    inputs = {
        name: {"file": layer.path.name, "content": run.ledger.content(layer.path)}
        for name, layer in run.study.layers.items()
    }
    if run.study.inventory.path is not None:
        path = run.study.inventory.path
        inputs["inventory"] = {"file": path.name, "content": run.ledger.content(path)}
    text = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "shakeslide": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "seed": run.study.study.seed,
        "study": run.document,
        "settings": run.study.model_dump(mode="json", exclude={"layers", "inventory"}),
        "models": {
            n: {"angles": (r := run.recipe(n)).angles, "params": r.make(0).get_params()}
            for n in run.models
        },
        "grid": grids.describe(run.grid) | {"tile": run.tile},
        "inputs": inputs,
        "hash": "blake2b, 96 bits",
        "seconds": {k: v.get("seconds") for k, v in made.items()},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    path = run.out / "provenance.json"
    with raster.replacing(path) as temporary:
        temporary.write_text(
            json.dumps(text, indent=1, ensure_ascii=False, default=str), encoding="utf-8"
        )
    return path


def report(run: Run) -> Path:
    """Write `figures/*.png`, `report.html`, `summary.pdf` and the QGIS project of the run."""
    from shakeslide import report as reports

    wanted = {"samples": run.sample_mark, "evaluation": run.evaluation_mark}
    wanted |= {f"map-{n}": run.map_mark(n) for n in run.mapped_models}
    wanted |= {f"spread-{n}": run.spread_mark(n) for n in run.spread_models}
    if run.study.map.applicability:
        wanted["applicability"] = run.area_mark
    _need(run, wanted | {"importance": run.importance_mark})
    _remove_stale(run)
    provenance(run)
    with _timed("report"), run.reporter.task("report", 1) as on:
        return reports.write(run.out, report_inputs(run), on)


def _remove_stale(run: Run) -> None:
    """Remove maps that earlier settings asked for and these do not: the report would show them."""
    maps = run.out / "maps"
    stale = [maps / f"{n}_{w}" for n in set(run.models) - set(run.spread_models) for w in SPREAD]
    if not run.study.map.applicability:
        stale.append(maps / "applicability")
    for path in stale:
        for suffix in (".tif", ".qml", ".sld"):
            path.with_suffix(suffix).unlink(missing_ok=True)


def report_inputs(run: Run) -> dict[str, Any]:
    """Return what the report needs beside the artefacts.

    Layers as checked, the event, the landslides' outlines, and the lines and points that factors
    are made from, to be drawn over their maps.
    """
    return {
        "layers": [row.to_dict() for row in check(run)],
        "event": run.study.event.model_dump(mode="json"),
        "inventory": {
            "path": str(run.study.inventory.path),
            "layer": run.study.inventory.layer,
            "where": run.study.inventory.where,
            "crs": vector.crs_of(inventory.layer_of(run.study.inventory)),
        },
        "outlines": inventory.load(run.study.inventory, run.grid, run.masks).shapes,
        "marks": {
            code: vector.read(
                vector_source(run.study.layers[f.layer], f.layer), grids.crs_of(run.grid)
            ).geometry
            for code, f in run.study.active_factors.items()
            if isinstance(f, LineDirectionFactor | DensityFactor)
        },
    }


def check(run: Run) -> list[checks.LayerRow]:
    """Look at every layer and make every factor ready, before any long work."""
    study = run.study
    if not run.out.exists():
        # A look leaves nothing behind.
        with tempfile.TemporaryDirectory() as folder:
            return check(replace(run, out=Path(folder)))
    checks.check_evaluation(study.evaluation)
    checks.check_dem(study.layers)
    rows = checks.check_layers(
        study.layers,
        study.active_factors,
        study.inventory,
        run.grid,
        study.event,
        study.masks,
    )
    _, remarks = images(study.sources, run.grid)
    rows[-1] = replace(rows[-1], warnings=[*rows[-1].warnings, *remarks])
    # Making the factors reads what they need, which finds the rest of the errors.
    return checks.with_factors(rows, run.factors)


def run_all(run: Run) -> Path:
    """Look at the layers, walk all stages and return the report's path."""
    for row in check(run):
        for warning in row.warnings:
            run.reporter.say(f"warning: {row.name}: {warning}")
    for stage in (prepare, sample, train, evaluate, explain, map_):
        stage(run)
    return report(run)
