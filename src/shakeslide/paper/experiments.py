"""Which experiments there are, and how they are walked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance
from shakeslide.learning import model_recipes
from shakeslide.paper import (
    claims,
    comparison,
    factor_count,
    features,
    model_maps,
    network_settings,
    outcomes,
    parts_of_map,
)
from shakeslide.paper.bench import MODELS, Bench, open_bench
from shakeslide.paper.outcomes import Told
from shakeslide.paper.scale import Scale, scale_of
from shakeslide.pipeline import Run
from shakeslide.report import figures

log = logging.getLogger("shakeslide")


@dataclass(frozen=True)
class Experiment:
    """One of the paper's tables or figures.

    Attributes
    ----------
    title : str
        What it is.
    tell : callable
        (bench, advance) -> Told.
    units : callable
        bench -> how many units of work it advances.
    needs : callable
        Raises `InputError` unless the run has what is needed beside the samples.
    """

    title: str
    tell: Callable[[Bench, Advance], Told]
    units: Callable[[Bench], int]
    needs: Callable[[Bench], None] = lambda _: None


def _one(_: Bench) -> int:
    return 1


EXPERIMENTS: Mapping[str, Experiment] = {
    "T1": Experiment("confusion matrices", comparison.confusion, comparison.fits),
    "T2": Experiment("samples", comparison.counts, _one),
    "T4": Experiment("learning rates", network_settings.learning_rates, network_settings.rate_fits),
    "T5": Experiment("four models", comparison.scores, comparison.fits),
    "F5": Experiment(
        "factors", model_maps.panel, lambda bench: len(bench.codes), model_maps.needs_factors
    ),
    "F6": Experiment("units, layers", network_settings.structure, network_settings.structure_fits),
    "F7": Experiment("iterations", network_settings.iterations, network_settings.iteration_fits),
    "F8": Experiment(
        "maps",
        model_maps.predicted,
        lambda bench: len(model_maps.mapped(bench)),
        model_maps.needs_maps,
    ),
    "F9": Experiment("ROC curves", comparison.roc, comparison.fits),
    "F10": Experiment(
        "features", partial(features.extraction, tile=None), features.fits, features.needs
    ),
    "F11": Experiment(
        "one area", partial(model_maps.area, path=None), lambda _: 2, model_maps.needs_models
    ),
    "F12": Experiment("factors, best first", factor_count.growing, factor_count.fits),
}
"""By the number of the paper's table or figure."""


def chosen(only: Sequence[str]) -> list[str]:
    """Return the experiments that are asked for, in the paper's order; all if none.

    Parameters
    ----------
    only : sequence of str
        Names, several with commas between them; upper or lower case.

    Raises
    ------
    InputError
        An unknown name.
    """
    asked = [name.strip().upper() for text in only for name in text.split(",") if name.strip()]
    for name in asked:
        if name not in EXPERIMENTS:
            raise InputError(
                f"--only {name}: no such experiment; there are {', '.join(EXPERIMENTS)}"
            )
    return [name for name in EXPERIMENTS if not asked or name in asked]


def _possible(bench: Bench, names: Sequence[str], asked: bool) -> list[str]:
    """Return the experiments for which the run has all; of those asked for none may lack any."""
    possible = []
    for name in names:
        try:
            EXPERIMENTS[name].needs(bench)
        except InputError as error:
            if asked:
                raise
            bench.run.reporter.say(f"reproduce: {name} is left out: {error}")
        else:
            possible.append(name)
    return possible


def folder_of(out: Path, protocol: str) -> Path:
    """Return where results lie: `reproduce`, of other protocols than `pixel` a folder in it."""
    return out / "reproduce" if protocol == "pixel" else out / "reproduce" / protocol


def run(
    run: Run,
    only: Sequence[str] = (),
    scale: Scale | str = "quick",
    protocol: str = "pixel",
    tile: str | None = None,
    area: Path | None = None,
    repeats: int | None = None,
) -> Path:
    """Repeat the paper's experiments on a study that is finished through `sample`.

    Leaves `<ID>.csv`, `<ID>.json`, `<ID>.png` and `<ID>.svg` of each and `claims.json`. Fits are
    kept in `.work/reproduce`: what was stopped goes on from there.

    Parameters
    ----------
    run : Run
        The study in its folder. F5, F10 and F11 need its factors, F8 its maps, F10 and F11 under
        `pixel` its autoencoder; what lacks them is left out with a word, unless asked for.
    only : sequence of str
        Experiments; default: all.
    scale : Scale or {"quick", "paper"}
        How much is computed.
    protocol : {"pixel", "landslide", "block"}
        How rows are split; the paper's is `pixel`.
    tile : str, optional
        "row,col" of F10's tile.
    area : Path, optional
        Polygon of F11.
    repeats : int, optional
        Splits, in place of the scale's.

    Returns
    -------
    Path
        The folder of results.

    Raises
    ------
    InputError
        An unknown experiment, scale or protocol, or artefacts that are missing or stale.
    """
    names = chosen(only)
    asked = scale_of(scale) if isinstance(scale, str) else scale
    if repeats is not None:
        # Fewer splits hold for the sweeps too, but more would multiply their many fits.
        sweep = min(asked.sweep_repeats, repeats)
        asked = replace(asked, repeats=repeats, sweep_repeats=sweep)
    bench = open_bench(run, protocol, asked)
    folder = folder_of(run.out, protocol)
    folder.mkdir(parents=True, exist_ok=True)
    bench.cache.mkdir(parents=True, exist_ok=True)
    given: dict[str, Callable[[Bench, Advance], Told]] = {
        "F10": partial(features.extraction, tile=tile),
        "F11": partial(model_maps.area, path=area),
    }
    names = _possible(bench, names, bool(only))
    if unlike := model_recipes.unlike_the_paper(MODELS, run.study.models, run.study.event):
        run.reporter.warn(
            f"reproduce: {', '.join(unlike)}: trained with the study's settings, which are not the "
            'paper\'s; [study] preset = "paper" takes those'
        )
    # A tile or area that is not there is refused before the long fits.
    if "F10" in names:
        parts_of_map.chosen_tile(run.grid(), run.tile(), bench.samples, tile)
    if "F11" in names:
        parts_of_map.chosen_area(run.grid(), bench.samples, area)
    for name in names:
        experiment = EXPERIMENTS[name]
        label = f"{name} {experiment.title}"
        start = time.perf_counter()
        with run.reporter.task(label, experiment.units(bench)) as on, figures.style():
            told = given.get(name, experiment.tell)(bench, on)
            outcomes.write(folder, name, told, bench, time.perf_counter() - start)
        log.info("reproduce %s: %.1f s", name, time.perf_counter() - start)
    tested = outcomes.tested_claims(folder)
    claims.write(folder, tested)
    for claim in tested:
        run.reporter.say(f"reproduce: {claims.verdict_line(claim)}")
    return folder
