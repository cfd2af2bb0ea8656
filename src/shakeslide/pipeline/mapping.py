"""Maps of the models, and of how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.progress import Advance
from shakeslide.factors import stack as stacks
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.learning import bundle, training
from shakeslide.learning.bundle import FittedModel
from shakeslide.maps import prediction, spread
from shakeslide.pipeline.inputs import samples_of
from shakeslide.pipeline.models import is_readable, mapped_rows
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import Artefact, Group, Stage, Work
from shakeslide.sampling.sample_table import Samples


class Maps(Stage[Run]):
    """Maps of each model: `maps/<model>_probability.tif`, `maps/<model>_class.tif` and styles."""

    name = "map"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the maps of all models that are mapped."""
        return run.marks.maps(run.models.mapped())

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the factors and the models."""
        return [*run.marks.factors(), *run.marks.mapped_models([a.name for a in stale])]

    def summary(self, run: Run) -> str:
        """Return the names of the models."""
        return f"{', '.join(run.models.mapped())} are"

    def rename(self, work: Work[Run]) -> None:
        """Map classes anew where their limits alone have changed.

        Classes are of susceptibility: where the maps show something else they cannot tell it.
        """
        run, asked = work.run, work.run.study.map
        if asked.shows != "susceptibility":
            work.stale += work.renamed
            return
        for one in work.renamed:
            folder = run.out / "maps"
            prediction.reclassify(one.name, run.grid(), run.tile(), asked.breaks, folder)
            work.relabel(one)

    def make(self, work: Work[Run]) -> None:
        """Predict every cell with each model."""
        run, asked = work.run, work.run.study.map
        stack, looked = run.stack(), False
        infos = [stacks.file_info(run.out / "factors" / f"{c}.tif") for c in run.codes]
        per_model = prediction.tile_count(run.grid(), run.tile()) + 2
        with run.reporter.task("map", per_model * len(work.stale)) as on:
            for one, part in zip(work.stale, work.parts, strict=True):
                model = bundle.load(run.out / "models" / one.name)
                bundle.require_factors(model, infos)
                if not looked and not model.about.static:
                    # All models are fitted on the same rows: one tells for all
                    looked = True
                    for line in bundle.range_warnings(model, prediction.some_cells(model, stack)):
                        run.reporter.say(f"warning: map: {line}")
                with work.making(one, part=part) as made:
                    paths = prediction.write_maps(
                        model,
                        stack,
                        _job(run, part, on),
                        breaks=asked.breaks,
                        shows=asked.shows,
                        masks=run.masks(),
                    )
                    styles = [p.with_suffix(s) for p in paths for s in (".qml", ".sld")]
                    made[one] = [*paths, *styles]


class Spread(Stage[Run]):
    """Mean and standard deviation of each model's ensemble: `maps/<model>_mean.tif`, `_sd.tif`."""

    name = "spread"
    command = "map"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the maps of all ensembles."""
        return run.marks.spreads(run.models.with_spread())

    def require(self, run: Run) -> None:
        """Warn where the spread of the best model is asked for before it is known which it is."""
        if run.models.waits_for_scores():
            run.reporter.say(
                'warning: map: [map] spread = "best" is not mapped yet, as no scores show which '
                "model is best; run `shakeslide evaluate`, then `shakeslide map` again"
            )

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the factors and the samples."""
        return [*run.marks.factors(), run.marks.samples()]

    def make(self, work: Work[Run]) -> None:
        """Train the members of each ensemble, and map them."""
        run, samples = work.run, samples_of(work.run)
        rows, members = mapped_rows(run, samples), run.study.map.members
        tiles = prediction.tile_count(run.grid(), run.tile())
        with run.reporter.task("spread", (members + tiles + 1) * len(work.stale)) as on:
            for one, part in zip(work.stale, work.parts, strict=True):
                with work.making(one, part=part) as made:
                    made[one] = spread.write_spread(
                        _members(run, one.name, samples, rows, on),
                        run.stack(),
                        _job(run, part, on),
                        shows=run.study.map.shows,
                        masks=run.masks(),
                    )


class Applicability(Stage[Run]):
    """Where the training data hold: `maps/applicability.tif`."""

    name = "applicability"
    command = "map"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the area of applicability, where the study asks for it."""
        return run.marks.applicability()

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the factors and the samples."""
        return [*run.marks.factors(), run.marks.samples()]

    def make(self, work: Work[Run]) -> None:
        """Learn the area from the samples, and map it."""
        run, samples, (part,) = work.run, samples_of(work.run), work.parts
        total = prediction.tile_count(run.grid(), run.tile()) + 1
        with work.making(*work.stale) as made, run.reporter.task("applicability", total) as on:
            area = spread.fit_area(samples, mapped_rows(run, samples), run.study.study.seed)
            paths = spread.save_area(area, run.out / "models" / "applicability")
            path = spread.write_area(area, run.stack(), _job(run, part, on), run.masks())
            made[work.stale[0]] = [*paths, path]


map_ = Group("map", (Maps(), Spread(), Applicability()))
"""Map each model that is not up to date, and how sure the maps are: `maps/*.tif`."""


def _job(run: Run, shards: Path, on: Advance) -> TileJob:
    """Return how maps are made whose tiles wait in a folder."""
    return TileJob(
        grid=run.grid(),
        folder=run.out / "maps",
        shards=Shards(shards),
        engine=run.engine,
        advance=on,
    )


def _members(
    run: Run, name: str, samples: Samples, rows: NDArray[np.int64], on: Advance
) -> list[FittedModel]:
    """Return the members of a model's ensemble as stored; train those that are not there yet."""
    members = run.marks.members(name)
    work = Work(run, f"members of {name}", members, lambda a: is_readable(run, a))
    # Models are small: those with other names are trained again.
    todo = [k for k, one in enumerate(members) if one in (*work.stale, *work.renamed)]
    on(len(members) - len(todo))
    folders = [run.models.folder(one.item) for one in members]
    # Networks train side by side; other members are stored one by one, so that a stop loses one.
    for batch in training.batches(name, todo, len(rows)):
        with work.making(*(members[k] for k in batch)) as made:
            fitted = spread.fit_members(
                run.models.recipe(name),
                samples,
                rows,
                len(members),
                run.study.study.seed,
                advance=on,
                chosen=batch,
            )
            for k, model in zip(batch, fitted, strict=True):
                bundle.save(model, folders[k])
                made[members[k]] = list(folders[k].iterdir())
    return [bundle.load(folder) for folder in folders]
