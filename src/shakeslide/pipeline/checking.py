"""A look at every layer of a study before any long work; once per run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shakeslide import checks
from shakeslide.core.failures import guarded
from shakeslide.geo import grid as grids
from shakeslide.io import vector
from shakeslide.pipeline.memory import is_known, once
from shakeslide.pipeline.run import Run
from shakeslide.sources.image_pairs import images

LayerRow = checks.LayerRow
"""What is said of a layer."""


def grid_line(run: Run) -> str:
    """Return a run's grid in a line: rows, columns, cells, CRS."""
    g = run.grid()
    return (
        f"Grid: {g.shape[0]:,} rows x {g.shape[1]:,} columns, cells of "
        f"{abs(g.resolution.x):.6g} x {abs(g.resolution.y):.6g} m, {grids.crs_name(g.crs)}"
    )


@guarded("check")
@once
def check(run: Run) -> list[checks.LayerRow]:
    """Look at every layer and make every factor ready, before any long work; once per run."""
    with only_looking(run) as looking, vector.remembering():
        rows = _layers(looking)
        # The last one is that of the landslides.
        return [*rows, *_models(looking, rows[-1].cells)]


def is_checked(run: Run) -> bool:
    """Whether `check` has looked at the layers of a run."""
    return is_known(check, run)


@contextmanager
def only_looking(run: Run) -> Iterator[Run]:
    """Give a run that leaves nothing behind: where it has no folder yet, one in a temporary one."""
    if run.out.exists():
        yield run
        return
    with tempfile.TemporaryDirectory() as folder:
        yield replace(run, out=Path(folder))


def mapped(run: Run) -> checks.Mapped:
    """Return the landslides as checks look at them; read once per run."""
    return checks.Mapped(run.study.inventory, run.study.masks, run.mapped)


def _layers(run: Run) -> list[checks.LayerRow]:
    """Look at the layers, the event, the masks and the landslides."""
    study = run.study
    checks.require_all(
        study.layers, study.active_factors, study.inventory, study.masks, study.evaluation
    )
    reading = checks.Reading(run.engine.threads)
    # First, for the grid comes from the elevation.
    checks.check_dem(study.layers)
    checks.check_evaluation(study.evaluation, run.grid(), reading)
    least = checks.needs(
        study.samples,
        study.evaluation,
        study.models.calibration,
        [run.models.recipe(n) for n in study.models.use],
    )
    layers = checks.factor_rows(
        study.layers, study.active_factors, run.grid(), study.event, reading
    )
    rows = layers + checks.landslide_rows(
        mapped(run),
        run.grid(),
        study.event,
        least=least,
        asked=checks.Asked(study.samples, study.evaluation, study.study.seed, study.sources),
        reading=reading,
    )
    _, remarks = images(study.sources, run.grid())
    rows[-1] = replace(rows[-1], warnings=[*rows[-1].warnings, *remarks])
    # Making the factors reads what they need, which finds the rest of the errors.
    return checks.with_factors(rows, run.factors())


def _models(run: Run, sources: int) -> list[checks.LayerRow]:
    """Return a row on the models, if there is something to say of them.

    `sources` are the source cells that are to be sampled.
    """
    study, models = run.study, run.models
    models.require_maps()
    used, remarks = models.usable()
    recipes = [models.recipe(name) for name in used]
    drawn = _sampled_rows(run, sources)
    effort = checks.effort(recipes, len(run.factors()), study.evaluation, study.map, drawn)
    remarks = [*remarks, *effort]
    return [checks.models_row(used, remarks)] if remarks else []


def _sampled_rows(run: Run, sources: int) -> checks.Rows:
    """Return how many samples models will be fitted on, from the source cells to be sampled."""
    asked = run.study.samples
    rows = round(sources * (1 + asked.negatives_per_positive))
    judged = max(1, round(rows * asked.train_share))
    return checks.Rows(judged, rows if run.models.maps_all else judged)
