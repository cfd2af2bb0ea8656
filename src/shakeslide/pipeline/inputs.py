"""From raw layers to samples: a look at the layers, factors, extracted source areas, samples."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shakeslide import checks
from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.failures import guarded
from shakeslide.core.fingerprints import fingerprint
from shakeslide.evaluation import blocks
from shakeslide.factors import stack as stacks
from shakeslide.factors.factor import Factor, Whole
from shakeslide.geo import grid as grids
from shakeslide.io import vector
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.layers import inventory
from shakeslide.learning import final_model, validation
from shakeslide.maps import prediction
from shakeslide.pipeline.run import Run, need, timed
from shakeslide.sampling import sampling
from shakeslide.sources import extract, recipes, source_files
from shakeslide.sources.image_pairs import images


@guarded("prepare")
def prepare(run: Run, told: Collection[str] | None = None) -> None:
    """Compute the factors that are not fresh: `factors/<CODE>.tif`.

    What was left out of their layers, and what to think about, is said unless it was `told` by
    `check`. Where nothing was checked before, masks and landslides are looked at too: what cannot
    be sampled is refused before the long work.
    """
    # The look and the factors read the same layers.
    with vector.remembering():
        stale = [
            f
            for f in run.factors
            if not run.ledger.is_fresh(f"factor-{f.code}", run.factor_marks[f.code])
        ]
        rows = _look(run, stale, alone=told is None) if stale else []
    _retag(run, [f for f in run.factors if f not in stale])
    marks = {f.code: run.factor_marks[f.code] for f in stale}
    # Also where all is fresh: it clears what a stopped run with other settings left.
    shards = run.ledger.shards("factors", [fingerprint(marks)])[0]
    if not stale:
        run.reporter.say(f"prepare: {len(run.factors)} factors are up to date")
        return
    _tell(run, rows, told or ())
    _make_whole(run, stale)
    total = prediction.tile_count(run.grid, run.tile) + len(stale)
    with (
        timed("prepare") as taken,
        run.reporter.task(f"prepare {len(stale)} factors", total) as on,
    ):
        folder = run.out / "factors"
        job = TileJob(
            grid=run.grid, folder=folder, shards=Shards(shards), engine=run.engine, advance=on
        )
        stacks.write(stale, run.tile, run.dem, job)
        stacks.save_legends(run.factors, folder / "legends.json")
    for f in stale:
        run.ledger.record(
            f"factor-{f.code}",
            marks[f.code],
            [run.out / "factors" / f"{f.code}.tif"],
            taken[0] / len(stale),
            run.factor_labels[f.code],
        )
    shutil.rmtree(shards, ignore_errors=True)


def _retag(run: Run, fresh: Sequence[Factor]) -> None:
    """Write the names and sources of factors anew where these alone have changed."""
    ledger, folder = run.ledger, run.out / "factors"
    marks, labels = run.factor_marks, run.factor_labels
    renamed = [
        f for f in fresh if not ledger.is_fresh(f"factor-{f.code}", marks[f.code], labels[f.code])
    ]
    if not renamed:
        return
    with run.reporter.task(f"rename {len(renamed)} factors", len(renamed)) as on:
        for f in renamed:
            stacks.retag(f, run.grid, run.tile, folder, run.engine)
            ledger.relabel(f"factor-{f.code}", labels[f.code])
            on(1)


def _look(run: Run, factors: Sequence[Factor], alone: bool) -> list[checks.LayerRow]:
    """Look at all cells of the layers of factors: what `check` refuses is refused here too.

    Where nothing was checked before, masks and landslides are looked at as well, if there are any:
    factors alone can be made without them.
    """
    study, active = run.study, run.study.active_factors
    reading = checks.Reading(run.engine.threads, thorough=True)
    chosen = {f.code: active[f.code] for f in factors}
    rows = checks.factor_rows(study.layers, chosen, run.grid, study.event, reading)
    if alone and study.inventory.path is not None:
        rows += checks.landslide_rows(
            study.inventory, study.masks, run.grid, study.event, reading=reading
        )
    return checks.with_factors(rows, factors)


def _tell(run: Run, rows: Sequence[checks.LayerRow], told: Collection[str]) -> None:
    """Say what was found in layers and what to think about, unless it was told before."""
    for row in rows:
        for note in row.notes:
            run.reporter.say(f"prepare: {row.name}: {note}")
        for text in row.warnings:
            if f"{row.name}: {text}" not in told:
                run.reporter.warn(f"{row.name}: {text}")


def _make_whole(run: Run, factors: Sequence[Factor]) -> None:
    """Make what factors need over the whole grid, once, and leave out what none needs now."""
    wanted = [f.whole for f in run.factors if f.whole is not None]
    folder = run.ledger.work / "whole"
    # Their names hold fingerprints: what no factor names now is of other settings.
    for path in set(folder.glob("*")) - {whole.path for whole in wanted}:
        path.unlink()
    groups: dict[Hashable, list[Whole]] = {}
    for whole in (f.whole for f in factors):
        if whole is not None and not whole.path.exists():
            # Factors that need the same water are made in one pass.
            groups.setdefault(whole.group, []).append(whole)
    for together in groups.values():
        with timed("water over the whole grid"), run.reporter.task("water", 1) as on:
            together[0].make(together)
            on(1)


@guarded("sources")
def extract_sources(run: Run) -> Path:
    """Tell source areas from run-outs: `sources.gpkg`, `sources.json`, a figure."""
    with extra("report", "sources"):
        from shakeslide.report import charts

    path = run.out / "sources.gpkg"
    if run.ledger.is_fresh("sources", run.sources_mark):
        run.reporter.say("sources: sources.gpkg is up to date")
        return path
    landslides = inventory.load(run.outlines, run.grid)
    if landslides.kind == "point":
        raise InputError(
            f"{run.outlines.path} (inventory): contains points; source areas can only be extracted "
            "from polygons of whole landslides"
        )
    work, settings = run.ledger.work / "sources", run.study.sources
    # Parts of other settings, left by a stopped run.
    for other in set(work.glob("*")) - {work / run.sources_mark}:
        shutil.rmtree(other, ignore_errors=True)
    pair, remarks = images(settings, run.grid)
    notes = [*landslides.notes, *remarks]
    with timed("sources") as taken, run.reporter.task("sources", landslides.count) as on:
        extracted = extract(
            landslides.shapes,
            run.grid,
            run.dem.read,
            work / run.sources_mark,
            recipe=recipes.recipe(settings),
            scaling=recipes.scaling(settings),
            mapped=landslides.sources,
            images=pair,
            engine=run.engine,
            advance=on,
        )
        if extracted.table.empty:
            raise InputError(
                f"{run.outlines.path} (inventory): no landslide can be separated: "
                f"{'; '.join(source_files.reasons(extracted))}"
            )
        # Names without folders: the file is the same wherever the study lies.
        about = settings.essence(lambda path: path.name)
        record = source_files.summary(extracted, about, notes)
        paths = source_files.write(extracted, run.grid, run.out, record)
        paths.append(run.out / "figures" / "area_frequency.png")
        charts.write_frequency(record.frequency, paths[-1])
    run.ledger.record("sources", run.sources_mark, paths, taken[0])
    shutil.rmtree(work, ignore_errors=True)
    for line in source_files.lines(extracted, notes):
        run.reporter.say(f"sources: {line}")
    return path


@guarded("sample")
def sample(run: Run) -> None:
    """Draw the samples: `samples.parquet`."""
    path = run.out / "samples.parquet"
    if run.ledger.is_fresh("samples", run.sample_mark):
        run.reporter.say("sample: samples.parquet is up to date")
        # Names and blocks are written beside the cells: they change without drawing anew.
        if not run.ledger.is_fresh("samples", run.sample_mark, run.sample_labels):
            sampling.save(samples_of(run), path)
            run.ledger.relabel("samples", run.sample_labels)
        return
    need(run, run.wanted_factors)
    checks.check_masks(run.study.masks, run.grid, checks.Reading(run.engine.threads, thorough=True))
    if run.study.inventory.positives_from == "extracted":
        extract_sources(run)
    with timed("sample") as taken:
        asked = run.study.samples
        drawn = _draw(run, asked.negatives_per_positive, asked.most)
        drawn = _with_blocks(run, drawn)
        paths = sampling.save(drawn, path)
    run.ledger.record("samples", run.sample_mark, paths, taken[0], run.sample_labels)
    for line in _sample_lines(drawn, run.landslides):
        run.reporter.say(line)


def _draw(run: Run, ratio: float, most: int | None, label: str = "sample") -> sampling.Samples:
    """Draw cells; `ratio` and `most` as in `sampling.Wanted`."""
    with run.reporter.task(label, prediction.tile_count(run.grid, run.tile)) as on:
        return sampling.draw(
            run.stack(),
            factor_infos(run),
            run.landslides,
            run.grid,
            sampling.Wanted(ratio=ratio, most=most, seed=run.study.study.seed),
            engine=run.engine,
            advance=on,
        )


def ground_of(run: Run, samples: sampling.Samples) -> sampling.Samples:
    """Draw the cells on which calibrations are levelled: all sources, and many clear cells."""
    need(run, run.wanted_factors)
    clear = min(final_model.CLEAR_CELLS, int(samples.counts["clear_cells"]))
    ratio = clear / samples.counts["source_cells"]
    return _draw(run, ratio, None, "cells for calibration")


def factor_infos(run: Run) -> list[stacks.FactorInfo]:
    """Return what the factors' files say of themselves, by the names that the study gives now."""
    return [
        stacks.file_info(run.out / "factors" / f"{f.code}.tif").named_as(f) for f in run.factors
    ]


def samples_of(run: Run) -> sampling.Samples:
    """Read the samples, with the names and blocks of the study as it is now."""
    samples = sampling.load(run.out / "samples.parquet")
    if run.ledger.is_fresh("samples", run.sample_mark, run.sample_labels):
        return samples
    now = {f.code: f for f in run.factors}
    named = tuple(info.named_as(now[info.code]) for info in samples.factors)
    return _with_blocks(run, replace(samples, factors=named))


def _with_blocks(run: Run, drawn: sampling.Samples) -> sampling.Samples:
    """Number the blocks of the samples, as large as asked or as their errors suggest."""
    asked = run.study.evaluation.block_size
    if asked != "auto":
        return sampling.with_blocks(drawn, run.grid, asked)
    try:
        size = validation.block_size(drawn, run.study.study.seed).size
    except InputError as error:
        dx, dy = grids.cell_size(run.grid)
        size = blocks.fewest(float(drawn.counts["mapped_cells"]) * dx * dy)
        run.reporter.say(
            f"warning: sample: the errors do not suggest how large blocks should be ({error}): "
            f"blocks of {size:g} m are taken; [evaluation] block_size sets another side"
        )
    return sampling.with_blocks(drawn, run.grid, size)


def _sample_lines(drawn: sampling.Samples, landslides: inventory.Inventory) -> list[str]:
    c, positive = drawn.counts, drawn.label == 1
    sources, holding = int(positive.sum()), drawn.table["landslide_id"][positive].nunique()
    part = "" if sources == c["source_cells"] else f" drawn from {c['source_cells']:,}"
    lines = [
        f"sample: {sources:,} source cells{part} in {holding:,} of {c['landslides']:,} landslides "
        f"and {len(drawn.table) - sources:,} clear cells; "
        f"{100 * drawn.prevalence:.2f} % of the area is source"
    ]
    if c["landslides_without_cell"]:
        lines.append(f"sample: {c['landslides_without_cell']:,} landslides hold no cell centre")
    if c["source_cells_without_values"]:
        lines.append(
            f"sample: {c['source_cells_without_values']:,} source cells lack a value of some factor"
        )
    return lines + [f"sample: {note}" for note in landslides.notes]


@guarded("check")
def check(run: Run) -> list[checks.LayerRow]:
    """Look at every layer and make every factor ready, before any long work."""
    with only_looking(run) as looking, vector.remembering():
        return _rows(looking)


@contextmanager
def only_looking(run: Run) -> Iterator[Run]:
    """Give a run that leaves nothing behind: where it has no folder yet, one in a temporary one."""
    if run.out.exists():
        yield run
        return
    with tempfile.TemporaryDirectory() as folder:
        yield replace(run, out=Path(folder))


def _rows(run: Run) -> list[checks.LayerRow]:
    study = run.study
    checks.require_all(
        study.layers, study.active_factors, study.inventory, study.masks, study.evaluation
    )
    reading = checks.Reading(run.engine.threads)
    # First, for the grid comes from the elevation.
    checks.check_dem(study.layers)
    checks.check_evaluation(study.evaluation, run.grid, reading)
    rows = checks.check_layers(
        study.layers,
        study.active_factors,
        study.inventory,
        run.grid,
        event=study.event,
        masks=study.masks,
        least=checks.needs(
            study.samples,
            study.evaluation,
            study.models.calibration,
            [run.recipe(n) for n in study.models.use],
        ),
        asked=checks.Asked(study.samples, study.evaluation, study.study.seed, study.sources),
        reading=reading,
    )
    cells = rows[-1].cells
    _, remarks = images(study.sources, run.grid)
    rows[-1] = replace(rows[-1], warnings=[*rows[-1].warnings, *remarks])
    # Making the factors reads what they need, which finds the rest of the errors.
    rows = checks.with_factors(rows, run.factors)
    run.require_maps()
    used, remarks = run.usable
    recipes = [run.recipe(name) for name in used]
    drawn = _sampled_rows(run, cells)
    effort = checks.effort(recipes, len(run.factors), study.evaluation, study.map, drawn)
    remarks = [*remarks, *effort]
    return [*rows, checks.models_row(used, remarks)] if remarks else rows


def _sampled_rows(run: Run, sources: int) -> checks.Rows:
    """Return how many samples models will be fitted on, from the source cells to be sampled."""
    asked = run.study.samples
    rows = round(sources * (1 + asked.negatives_per_positive))
    judged = max(1, round(rows * asked.train_share))
    return checks.Rows(judged, rows if run.maps_all else judged)
