"""Maps of the models, and of how sure they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.failures import guarded
from shakeslide.core.progress import Advance
from shakeslide.factors import stack as stacks
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.learning import bundle, training
from shakeslide.learning.bundle import FittedModel
from shakeslide.maps import prediction, spread
from shakeslide.pipeline.inputs import samples_of
from shakeslide.pipeline.models import is_stored, mapped_rows
from shakeslide.pipeline.run import Run, need, timed
from shakeslide.sampling.sampling import Samples


@guarded("map")
def map_(run: Run) -> None:
    """Map each model: `maps/<model>_probability.tif`, `maps/<model>_class.tif` and styles."""
    names = run.mapped_models
    stale = [m for m in names if not run.ledger.is_fresh(f"map-{m}", run.map_mark(m))]
    stale += _reclassify(run, [m for m in names if m not in stale])
    # Also where all is fresh: it clears what a stopped run with other settings left.
    places = dict(zip(stale, run.ledger.shards("map", list(map(run.map_mark, stale))), strict=True))
    if not stale:
        run.reporter.say(f"map: {', '.join(names)} are up to date")
        doubt(run)
        return
    need(run, run.wanted_factors | run.wanted_models(stale))
    stack = run.stack()
    infos = [stacks.file_info(run.out / "factors" / f"{c}.tif") for c in run.codes]
    per_model = prediction.tile_count(run.grid, run.tile) + 2
    looked = None
    with run.reporter.task("map", per_model * len(stale)) as on:
        for name in stale:
            model = bundle.load(run.out / "models" / name)
            bundle.require_factors(model, infos)
            if looked is None and not model.about.static:
                # All models are fitted on the same rows: one tells for all
                looked = prediction.some_cells(model, stack)
                for line in bundle.range_warnings(model, looked):
                    run.reporter.say(f"warning: map: {line}")
            with timed(f"map {name}") as taken:
                paths = prediction.write_maps(
                    model,
                    stack,
                    _job(run, places[name], on),
                    breaks=run.study.map.breaks,
                    shows=run.study.map.shows,
                    masks=run.masks,
                )
            styles = [p.with_suffix(s) for p in paths for s in (".qml", ".sld")]
            files, mark = [*paths, *styles], run.map_mark(name)
            run.ledger.record(f"map-{name}", mark, files, taken[0], run.class_labels)
            shutil.rmtree(places[name], ignore_errors=True)
    doubt(run)


def _job(run: Run, shards: Path, on: Advance) -> TileJob:
    """Return how maps are made whose tiles wait in a folder."""
    return TileJob(
        grid=run.grid,
        folder=run.out / "maps",
        shards=Shards(shards),
        engine=run.engine,
        advance=on,
    )


def _reclassify(run: Run, fresh: Sequence[str]) -> list[str]:
    """Map classes anew where their limits alone have changed; return what must be predicted anew.

    Classes are of susceptibility: where the maps show something else they cannot tell it.
    """
    labels = run.class_labels
    changed = [m for m in fresh if not run.ledger.is_fresh(f"map-{m}", run.map_mark(m), labels)]
    if run.study.map.shows != "susceptibility":
        return changed
    for name in changed:
        prediction.reclassify(name, run.grid, run.tile, run.study.map.breaks, run.out / "maps")
        run.ledger.relabel(f"map-{name}", labels)
    return []


def doubt(run: Run) -> None:
    """Map how sure the maps are: spread of ensembles, area of applicability."""
    _spread(run)
    if run.study.map.applicability:
        _applicability(run)


def _spread(run: Run) -> None:
    """Train the members of each model's ensemble and map their mean and standard deviation."""
    names, members = run.spread_models, run.study.map.members
    stale = [m for m in names if not run.ledger.is_fresh(f"spread-{m}", run.spread_mark(m))]
    marks = [run.spread_mark(m) for m in stale]
    places = dict(zip(stale, run.ledger.shards("spread", marks), strict=True))
    if not stale:
        return
    need(run, run.wanted_factors | {"samples": run.sample_mark})
    samples = samples_of(run)
    rows = mapped_rows(run, samples)
    tiles = prediction.tile_count(run.grid, run.tile)
    with run.reporter.task("spread", (members + tiles + 1) * len(stale)) as on:
        for name in stale:
            mark = run.spread_mark(name)
            with timed(f"spread {name}") as taken:
                paths = spread.write_spread(
                    _members(run, name, samples, rows, on),
                    run.stack(),
                    _job(run, places[name], on),
                    shows=run.study.map.shows,
                    masks=run.masks,
                )
            run.ledger.record(f"spread-{name}", mark, paths, taken[0])
            shutil.rmtree(places[name], ignore_errors=True)


def _members(
    run: Run, name: str, samples: Samples, rows: NDArray[np.int64], on: Advance
) -> list[FittedModel]:
    """Return the members of a model's ensemble as stored; train those that are not there yet."""
    count, mark, labels = run.study.map.members, run.member_mark(name), run.model_labels
    places = [Path(name, "members", f"{k:02d}") for k in range(count)]
    # Recorded in a folder of their own: in the list of what was made the ensemble is one thing.
    items = [f"member-{place.as_posix()}" for place in places]
    todo = [k for k in range(count) if not is_stored(run, items[k], mark, labels)]
    on(count - len(todo))
    # Networks train side by side; other members are stored one by one, so that a stop loses one.
    for batch in [todo] if todo and name in training.TOGETHER else [[k] for k in todo]:
        with timed(f"members of {name}") as taken:
            fitted = spread.fit_members(
                run.recipe(name), samples, rows, count, run.study.study.seed, on, batch
            )
            for k, model in zip(batch, fitted, strict=True):
                bundle.save(model, run.out / "models" / places[k])
        for k in batch:
            files = list((run.out / "models" / places[k]).iterdir())
            run.ledger.record(items[k], mark, files, taken[0] / len(batch), labels)
    return [bundle.load(run.out / "models" / place) for place in places]


def _applicability(run: Run) -> None:
    """Learn and map the area of applicability."""
    mark = run.area_mark
    shards = run.ledger.shards("applicability", [mark])[0]
    if run.ledger.is_fresh("applicability", mark):
        return
    need(run, run.wanted_factors | {"samples": run.sample_mark})
    samples = samples_of(run)
    total = prediction.tile_count(run.grid, run.tile) + 1
    with timed("applicability") as taken, run.reporter.task("applicability", total) as on:
        area = spread.fit_area(samples, mapped_rows(run, samples), run.study.study.seed)
        paths = spread.save_area(area, run.out / "models" / "applicability")
        path = spread.write_area(area, run.stack(), _job(run, shards, on), run.masks)
    run.ledger.record("applicability", mark, [*paths, path], taken[0])
    shutil.rmtree(shards, ignore_errors=True)
