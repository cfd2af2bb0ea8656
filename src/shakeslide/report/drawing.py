"""All figures of a report, drawn in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

from matplotlib.figure import Figure

from shakeslide.report import (
    cartography,
    charts,
    colouring,
    factor_maps,
    figures,
    importance_charts,
    map_figures,
    words,
)
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.cartography import Float, View
from shakeslide.report.colouring import Shown
from shakeslide.report.figures import Drawn
from shakeslide.report.study_facts import StudyFacts

LARGE, CARD = 2400, 1200
"""Most cells along the longer side of a large map and of a factor's map."""

Pictures = Mapping[str, Drawn]
"""The figures by the stems of their files: `map_rf`, `factor_DEM`, ..."""


@dataclass(frozen=True)
class Planned:
    """A figure to draw.

    Attributes
    ----------
    name : str
        Stem of its file.
    make : callable
        Returns it.
    alt : str
        What it shows; "" of one that the page does not carry.
    width : int
        Widest picture in the page, in pixels.
    photo : bool
        Whether it is a map with shading.
    """

    name: str
    make: Callable[[], Figure]
    alt: str = ""
    width: int = 900
    photo: bool = True


def draw(run: Artefacts, study: StudyFacts, advance: Callable[[float], None]) -> Pictures:
    """Draw all figures into `figures/`; `advance` is told shares that add up to 1."""
    folder = run.out / "figures"
    planned = [*_factors(run, study), *_maps(run, study), *_charts(run), *_importance(run)]
    with figures.style(), ThreadPoolExecutor(2) as pool:
        begun = {}
        for one in planned:
            path = folder / f"{one.name}.png"
            begun[one.name] = figures.begin(
                pool, one.make, path, one.alt, embed_width=one.width, photo=one.photo
            )
            advance(1 / len(planned))
        return {name: picture.result() for name, picture in begun.items()}


def _factors(run: Artefacts, study: StudyFacts) -> Iterator[Planned]:
    view, areas = View(run.grid, CARD), run.samples.class_areas
    by_code = {factor.info.code: factor for factor in run.pictured}

    @cache
    def shade() -> Float | None:
        return cartography.relief(view, run.elevation)

    @cache
    def shown(code: str) -> Shown:
        marks = study.marks.get(code)
        return colouring.show(by_code[code], view, shade(), areas.get(code), marks)

    for code, factor in by_code.items():
        alt = f"Map of factor {code}: {factor.info.name}"
        make = partial(lambda code: factor_maps.card(shown(code), view), code)
        yield Planned(f"factor_{code}", make, alt, 520)
    yield Planned("factors", lambda: factor_maps.panel([shown(c) for c in by_code], view))


def _maps(run: Artefacts, study: StudyFacts) -> Iterator[Planned]:
    view = View(run.grid, LARGE)
    # Read and simplified once for the maps of all models.
    shade = cache(partial(cartography.relief, view, run.elevation))
    rings = cache(partial(cartography.outline_rings, study.outlines, view))

    def over(make: Callable[..., Figure], *arguments: object) -> Callable[[], Figure]:
        return lambda: make(*arguments, view, shade())

    cell, (x, y) = run.positives.cell, run.samples.places
    alt = f"Map of the sampled {run.positives.cells} and clear cells over shaded relief"
    yield Planned("samples", over(map_figures.samples, x, y, run.sources, cell), alt)
    for files in run.maps:
        name, title = files.model, words.model_title(files.model)
        alt = f"{files.title} by {title} as a map over shaded relief with the mapped landslides"
        make = partial(lambda f: map_figures.probability(f, view, shade(), rings()), files)
        yield Planned(f"map_{name}", make, alt)
        yield Planned(f"class_{name}", over(map_figures.classes, files))
        if files.spread is not None:
            alt = f"Map of the standard deviation of the probability by {title}"
            yield Planned(f"spread_{name}", over(map_figures.spread, files), alt)
    if run.applicability is not None:
        alt = "Map of the area outside the training conditions"
        yield Planned("applicability", over(map_figures.applicability, run.applicability), alt)


def _charts(run: Artefacts) -> Iterator[Planned]:
    told, names = run.evaluation, run.protocols

    def chart(name: str, alt: str, make: Callable[[], Figure]) -> Planned:
        return Planned(name, make, f"{alt}, by protocol", 1600, photo=False)

    if len(names) > 1:
        text = "Accuracy and AUC of all models; the values are in the table"
        yield chart("protocols", text, lambda: charts.protocols(told, names))
    yield chart("roc", "ROC curves", lambda: charts.roc(told.roc, told.summary, names))
    if told.reliability:
        text = f"Share of {run.positives.cells} by predicted probability"
        make = partial(charts.reliability, told.reliability, names, run.positives)
        yield chart("reliability", text, make)
    if told.rates:
        text = f"Share of {run.positives.cells} found by share of the area"
        yield chart("rates", text, partial(charts.rates, told.rates, names, run.positives))


def _importance(run: Artefacts) -> Iterator[Planned]:
    told = run.importance
    if told is None:
        return
    infos = {f.info.code: f.info for f in run.pictured}
    for name, alt, make in (
        (
            "permutation",
            "Loss of AUC of each model when groups of factors are shuffled",
            partial(importance_charts.permutation, told),
        ),
        (
            "dependence",
            "Mean predicted probability of each model along each factor",
            partial(importance_charts.dependence, told.models, infos),
        ),
    ):
        yield Planned(name, make, alt, 1600, photo=False)
    if told.collinearity.known:
        make = partial(importance_charts.correlation, told.collinearity.of([*infos]), infos)
        yield Planned("correlation", make, "Correlations between the factors", 1400, photo=False)
