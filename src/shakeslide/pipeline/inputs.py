"""From raw layers to samples: factors, extracted source areas, samples."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

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
from shakeslide.pipeline.checking import is_checked, mapped
from shakeslide.pipeline.room import report_room
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import Artefact, Stage, Work, need, timed
from shakeslide.sampling import sample_table, sampling
from shakeslide.sources import extract, recipes, source_files
from shakeslide.sources.extraction import Extracted
from shakeslide.sources.image_pairs import images


class Prepare(Stage[Run]):
    """The factors: `factors/<CODE>.tif`.

    What was left out of their layers, and what to think about, is reported. Where nothing was
    checked before, masks and landslides are looked at too: what cannot be sampled is refused before
    the long work.
    """

    name = "prepare"
    reads_layers = True

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the factors in use."""
        return run.marks.factors()

    def parts(self, run: Run, stale: Sequence[Artefact]) -> list[str]:
        """Return one mark: tiles hold all factors together."""
        return [fingerprint({a.name: a.mark for a in stale})] if stale else []

    def summary(self, run: Run) -> str:
        """Return how many factors there are."""
        return f"{len(run.factors())} factors are"

    def rename(self, work: Work[Run]) -> None:
        """Write the names and sources of factors anew where these alone have changed."""
        run, folder = work.run, work.run.out / "factors"
        factors = {f.code: f for f in run.factors()}
        label = f"rename {len(work.renamed)} factors"
        with run.reporter.task(label, len(work.renamed)) as on:
            for one in work.renamed:
                stacks.retag(factors[one.name], run.grid(), run.tile(), folder, run.engine)
                work.relabel(one)
                on(1)

    def make(self, work: Work[Run]) -> None:
        """Look at the layers of the stale factors, and compute these tile by tile."""
        run, folder, (shards,) = work.run, work.run.out / "factors", work.parts
        codes = {a.name for a in work.stale}
        stale = [f for f in run.factors() if f.code in codes]
        report_room(run)
        _report(work, _look(run, stale))
        run.make_room()
        _make_whole(run, stale)
        total = prediction.tile_count(run.grid(), run.tile()) + len(stale)
        label = f"prepare {len(stale)} factors"
        with work.making(*work.stale) as made, run.reporter.task(label, total) as on:
            job = TileJob(
                grid=run.grid(), folder=folder, shards=Shards(shards), engine=run.engine, advance=on
            )
            stacks.write(stale, run.tile(), run.dem(), job)
            stacks.save_legends(run.factors(), folder / "legends.json")
            made |= {a: [folder / f"{a.name}.tif"] for a in work.stale}

    def __call__(self, run: Run) -> Path:
        """Make what is not up to date, as any stage."""
        # The look and the factors read the same layers.
        with vector.remembering():
            result = super().__call__(run)
            # It is of all factors together, so that no factor's record has it.
            path = run.out / "factors" / "legends.json"
            with guarded(self.name):
                anew = stacks.save_legends(run.factors(), path)
            if anew:
                run.reporter.say(f"prepare: {path} was not what this run writes; it is made anew")
            return result


prepare = Prepare()
"""Compute the factors that are not up to date: `factors/<CODE>.tif`."""


def _look(run: Run, factors: Sequence[Factor]) -> list[checks.LayerRow]:
    """Look at all cells of the layers of factors: what `check` refuses is refused here too.

    Where nothing was checked before, masks and landslides are looked at as well, if there are any:
    factors alone can be made without them.
    """
    study, active = run.study, run.study.active_factors
    reading = checks.Reading(run.engine.threads, thorough=True)
    chosen = {f.code: active[f.code] for f in factors}
    rows = checks.factor_rows(study.layers, chosen, run.grid(), study.event, reading)
    if not is_checked(run) and study.inventory.path is not None:
        rows += checks.landslide_rows(mapped(run), run.grid(), study.event, reading=reading)
    return checks.with_factors(rows, factors)


def _report(work: Work[Run], rows: Sequence[checks.LayerRow]) -> None:
    """Report what was found in layers and what to think about, unless it was reported before."""
    for row in rows:
        for note in row.notes:
            work.say(f"{row.name}: {note}")
        for text in row.warnings:
            work.run.reporter.warn(f"{row.name}: {text}")


def _make_whole(run: Run, factors: Sequence[Factor]) -> None:
    """Make what factors need over the whole grid, once, and delete what none needs now."""
    wanted = [whole for f in run.factors() for whole in f.whole]
    folder = run.ledger.work / "whole"
    # Their names hold fingerprints: what no factor names now is of other settings.
    for path in set(folder.glob("*")) - {whole.path for whole in wanted}:
        path.unlink()
    groups: dict[Hashable, list[Whole]] = {}
    for whole in (whole for f in factors for whole in f.whole):
        if not whole.path.exists():
            # Factors that need the same water are made in one pass.
            groups.setdefault(whole.group, []).append(whole)
    for together in groups.values():
        with timed("water over the whole grid"), run.reporter.task("water", 1) as on:
            together[0].make(together)
            on(1)


class ExtractSources(Stage[Run]):
    """Source areas, told from run-outs: `sources.gpkg`, `sources.json`, a figure."""

    name = "sources"
    result = "sources.gpkg"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the source areas."""
        return [run.marks.sources()]

    def require(self, run: Run) -> None:
        """Require the libraries that draw the figure."""
        _source_charts()

    def summary(self, run: Run) -> str:
        """Return their file."""
        return "sources.gpkg is"

    def make(self, work: Work[Run]) -> None:
        """Separate source and run-out of every outline."""
        run, settings = work.run, work.run.study.sources
        landslides = inventory.load(run.outlines, run.grid())
        if landslides.kind == "point":
            raise InputError(
                f"{run.outlines.path} (inventory): contains points; source areas can only be "
                "extracted from polygons of whole landslides"
            )
        pair, remarks = images(settings, run.grid())
        notes = [*landslides.notes, *remarks]
        label = "sources"
        with work.making(*work.stale) as made, run.reporter.task(label, landslides.count) as on:
            extracted = extract(
                landslides.shapes,
                run.grid(),
                run.dem().read,
                work.parts[0],
                recipe=recipes.recipe(settings),
                scaling=recipes.scaling(settings),
                mapped=landslides.sources,
                images=pair,
                engine=run.engine,
                advance=on,
            )
            made[work.stale[0]] = _write_sources(run, extracted, notes)
        for line in source_files.lines(extracted, notes):
            work.say(line)


extract_sources = ExtractSources()
"""Separate source areas from run-outs: `sources.gpkg`, `sources.json`, a figure."""


def _source_charts() -> ModuleType:
    with extra("report", "sources"):
        from shakeslide.report import charts
    return charts


def _write_sources(run: Run, extracted: Extracted, notes: Sequence[str]) -> list[Path]:
    """Write the source areas, their summary and the figure of their sizes."""
    if extracted.table.empty:
        raise InputError(
            f"{run.outlines.path} (inventory): no landslide can be separated: "
            f"{'; '.join(source_files.reasons(extracted))}"
        )
    # Names without folders: the file is the same wherever the study lies.
    about = run.study.sources.essence(lambda path: path.name)
    record = source_files.summary(extracted, about, notes)
    paths = source_files.write(extracted, run.grid(), run.out, record)
    figure = run.out / "figures" / "area_frequency.png"
    _source_charts().write_frequency(record.frequency, figure)
    return [*paths, figure]


SAMPLED_TILE = 1024
"""Side in cells of the largest tile that cells are drawn from: 60 MB of 14 factors."""


class Sample(Stage[Run]):
    """The samples: `samples.parquet`."""

    name = "sample"
    reads_layers = True

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the samples."""
        return [run.marks.samples()]

    def needs(self, run: Run, stale: Sequence[Artefact]) -> list[Artefact]:
        """Return the factors."""
        return run.marks.factors()

    def summary(self, run: Run) -> str:
        """Return their file."""
        return "samples.parquet is"

    def rename(self, work: Work[Run]) -> None:
        """Write names and blocks anew: they change without drawing anew."""
        sample_table.save(samples_of(work.run), _samples_file(work.run))
        work.relabel(*work.renamed)

    def make(self, work: Work[Run]) -> None:
        """Draw cells of landslides and clear cells."""
        run, asked = work.run, work.run.study.samples
        reading = checks.Reading(run.engine.threads, thorough=True)
        checks.check_masks(run.study.masks, run.grid(), reading)
        if run.study.inventory.positives_from == "extracted":
            extract_sources(run)
        with work.making(*work.stale) as made:
            drawn = _draw(run, asked.negatives_per_positive, asked.most)
            notes = run.landslides().notes
            run.make_room()
            drawn = _with_blocks(run, drawn)
            made[work.stale[0]] = sample_table.save(drawn, _samples_file(run))
        for line in [*_sample_lines(drawn), *notes]:
            work.say(line)


sample = Sample()
"""Draw the samples: `samples.parquet`."""


def _samples_file(run: Run) -> Path:
    return run.out / "samples.parquet"


def _draw(run: Run, ratio: float, most: int | None, label: str = "sample") -> sample_table.Samples:
    """Draw cells; `ratio` and `most` as in `sampling.Wanted`."""
    # The draw does not depend on tiles, so it takes small ones: a worker holds all factors of one.
    size = min(run.tile(), SAMPLED_TILE)
    landslides = run.landslides()
    run.make_room(keep_landslides=True)
    with run.reporter.task(label, prediction.tile_count(run.grid(), size)) as on:
        return sampling.draw(
            stacks.stored(run.out / "factors", run.codes, size),
            factor_infos(run),
            landslides,
            run.grid(),
            sampling.Wanted(ratio=ratio, most=most, seed=run.study.study.seed),
            engine=run.engine,
            advance=on,
        )


def ground_of(run: Run, samples: sample_table.Samples) -> sample_table.Samples:
    """Draw the cells on which calibrations are levelled: many source cells and clear cells."""
    need(run, run.marks.factors())
    clear = min(final_model.CLEAR_CELLS, samples.counts.clear_cells)
    sources = min(final_model.SOURCE_CELLS, samples.counts.source_cells)
    drawn = _draw(run, clear / sources, sources, "cells for calibration")
    run.make_room()
    return drawn


def factor_infos(run: Run) -> list[stacks.FactorInfo]:
    """Return what the factors' files say of themselves, by the names that the study gives now."""
    return [
        stacks.file_info(run.out / "factors" / f"{f.code}.tif").named_as(f) for f in run.factors()
    ]


def samples_of(run: Run) -> sample_table.Samples:
    """Read the samples, with the names and blocks of the study as it is now."""
    samples, now = sample_table.load(_samples_file(run)), run.marks.samples()
    if run.ledger.is_fresh(now.item, now.mark, now.label):
        return samples
    factors = {f.code: f for f in run.factors()}
    named = tuple(info.named_as(factors[info.code]) for info in samples.factors)
    return _with_blocks(run, replace(samples, factors=named))


def _with_blocks(run: Run, drawn: sample_table.Samples) -> sample_table.Samples:
    """Number the blocks of the samples, as large as asked or as their errors suggest."""
    asked = run.study.evaluation.block_size
    if asked != "auto":
        return sampling.with_blocks(drawn, run.grid(), asked)
    try:
        size = validation.block_size(drawn, run.study.study.seed).size
    except InputError as error:
        dx, dy = grids.cell_size(run.grid())
        size = blocks.fewest(drawn.counts.mapped_cells * dx * dy)
        run.reporter.say(
            f"warning: sample: the errors do not suggest how large blocks should be ({error}): "
            f"blocks of {size:g} m are taken; [evaluation] block_size sets another side"
        )
    return sampling.with_blocks(drawn, run.grid(), size)


def _sample_lines(drawn: sample_table.Samples) -> list[str]:
    c, positive = drawn.counts, drawn.label == 1
    sources, holding = int(positive.sum()), len({*drawn.landslide[positive].tolist()})
    part = "" if sources == c.source_cells else f" drawn from {c.source_cells:,}"
    lines = [
        f"{sources:,} source cells{part} in {holding:,} of {c.landslides:,} landslides "
        f"and {len(drawn.table) - sources:,} clear cells; "
        f"{100 * drawn.prevalence:.2f} % of the area is source"
    ]
    if c.landslides_without_cell:
        lines.append(f"{c.landslides_without_cell:,} landslides hold no cell centre")
    if c.source_cells_without_values:
        lines.append(f"{c.source_cells_without_values:,} source cells lack a value of some factor")
    return lines
