"""All figures of a report, drawn in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from shakeslide.io.records import Shapes
from shakeslide.report import (
    cartography,
    charts,
    colouring,
    factor_maps,
    figures,
    findings,
    findings_charts,
    importance_charts,
    map_figures,
    uncertainty_text,
    words,
)
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.cartography import Float, Line, View
from shakeslide.report.figures import Drawn
from shakeslide.report.study_facts import StudyFacts

LARGE, CARD = 2400, 1200
"""Most cells along the longer side of a large map and of a factor's map."""


@dataclass(frozen=True)
class Charts:
    """The charts of the evaluation; of ROC curves, reliability and rates one per protocol."""

    protocols: Drawn
    scores: Drawn | None
    roc: Mapping[str, Drawn]
    reliability: Mapping[str, Drawn]
    rates: Mapping[str, Drawn]
    optimism: Drawn | None
    balances: Drawn | None
    differences: Mapping[str, Drawn]


@dataclass(frozen=True)
class ImportanceCharts:
    """The charts of the factors' importance, those that the run can tell."""

    gain: Drawn | None = None
    permutation: Drawn | None = None
    dependence: Drawn | None = None
    collinearity: Drawn | None = None


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The figures by what they show: of factors and models by their names."""

    factors: Mapping[str, Drawn]
    samples: Drawn
    probability: Mapping[str, Drawn]
    classes: Mapping[str, Drawn]
    spread: Mapping[str, Drawn]
    applicability: Drawn | None
    charts: Charts
    importance: ImportanceCharts


def draw(run: Artefacts, study: StudyFacts, advance: Callable[[float], None]) -> Pictures:
    """Draw all figures into `figures/`; `advance` is told shares that add up to 1."""
    folder = run.out / "figures"
    steps = len(run.factors) + 2 * len(run.maps) + len(run.protocols) + 5

    def done() -> None:
        advance(1 / steps)

    with figures.style():
        factors = _factors(run, study.marks, folder, done)
        view = View(run.grid, LARGE)
        shade = cartography.relief(view, run.elevation)
        samples = _samples(run, view, shade, folder)
        done()
        # Simplified once for the maps of all models.
        rings = cartography.outline_rings(study.outlines, view)
        probability, classes = _maps(run, view, shade, rings, folder, done)
        spread = _spreads(run, view, shade, folder)
        applicability = _applicability(run, view, shade, folder)
        done()
        drawn = _charts(run, folder, done)
        importance = _importance(run, folder)
        done()
    return Pictures(
        factors=factors,
        samples=samples,
        probability=probability,
        classes=classes,
        spread=spread,
        applicability=applicability,
        charts=drawn,
        importance=importance,
    )


def _factors(
    run: Artefacts,
    marks: Mapping[str, Shapes],
    folder: Path,
    done: Callable[[], None],
) -> dict[str, Drawn]:
    view = View(run.grid, CARD)
    shade = cartography.relief(view, run.elevation)
    areas = run.samples.class_areas
    shown, cards = [], {}
    for factor in run.factors:
        code = factor.info.code
        one = colouring.show(factor, view, shade, areas.get(code), marks.get(code))
        shown.append(one)
        alt = f"Map of factor {code}: {factor.info.name}"
        cards[code] = _map(factor_maps.card(one, view), folder / f"factor_{code}.png", alt, 520)
        done()
    figures.save_alone(factor_maps.panel(shown, view), folder / "factors.png")
    done()
    return cards


def _samples(run: Artefacts, view: View, shade: Float | None, folder: Path) -> Drawn:
    table = run.samples.table
    x, y = (table[c].to_numpy(float) for c in ("x", "y"))
    figure = map_figures.samples(x, y, run.sources, view, shade, positive=run.positives.cell)
    alt = f"Map of the sampled {run.positives.cells} and clear cells over shaded relief"
    return _map(figure, folder / "samples.png", alt)


def _map(figure: Figure, path: Path, alt: str, width: int = 900) -> Drawn:
    return figures.save(figure, path, alt, embed_width=width, photo=True)


def _maps(
    run: Artefacts,
    view: View,
    shade: Float | None,
    rings: list[Line],
    folder: Path,
    done: Callable[[], None],
) -> tuple[dict[str, Drawn], dict[str, Drawn]]:
    probability, classes = {}, {}
    for files in run.maps:
        title = words.model_title(files.model)
        probability[files.model] = _map(
            map_figures.probability(files, view, shade, rings),
            folder / f"map_{files.model}.png",
            f"{files.title} by {title} as a map over shaded relief with the mapped landslides",
        )
        done()
        classes[files.model] = _map(
            map_figures.classes(files, view, shade),
            folder / f"class_{files.model}.png",
            f"{files.title_of_classes} by {title} as a map",
        )
        done()
    return probability, classes


def _spreads(run: Artefacts, view: View, shade: Float | None, folder: Path) -> dict[str, Drawn]:
    return {
        files.model: _map(
            map_figures.spread(files, view, shade),
            folder / f"spread_{files.model}.png",
            f"Map of the standard deviation of the probability by {words.model_title(files.model)}",
        )
        for files in run.maps
        if files.spread is not None
    }


def _applicability(run: Artefacts, view: View, shade: Float | None, folder: Path) -> Drawn | None:
    told = uncertainty_text.applicability(run)
    if told is None or run.applicability is None:
        return None
    return _map(
        map_figures.applicability(run.applicability, told.threshold, told.outside, view, shade),
        folder / "applicability.png",
        "Map of the area outside the training conditions",
    )


def _charts(run: Artefacts, folder: Path, done: Callable[[], None]) -> Charts:
    told = run.evaluation
    roc, reliability, rates = {}, {}, {}
    for protocol in run.protocols:
        roc[protocol] = figures.save(
            charts.roc(told.roc, told.of_protocol(protocol), protocol),
            folder / f"roc_{protocol}.png",
            f"ROC curves under the {protocol} protocol; the areas under them are in the tables",
        )
        if told.reliability:
            reliability[protocol] = figures.save(
                charts.reliability(told.reliability, protocol, run.positives),
                folder / f"reliability_{protocol}.png",
                f"Share of {run.positives.cells} by predicted probability, {protocol} protocol",
            )
        if told.rates:
            rates[protocol] = figures.save(
                charts.rates(told.rates, protocol, run.positives),
                folder / f"rates_{protocol}.png",
                f"Share of {run.positives.cells} found by share of the area, {protocol} protocol",
            )
        matrices = [matrix for matrix in told.confusion if matrix.protocol == protocol]
        figures.save_alone(charts.confusion(matrices), folder / f"confusion_{protocol}.png")
        done()
    protocols = figures.save(
        charts.protocols(told, run.protocols),
        folder / "protocols.png",
        "Accuracy and AUC of all models under all protocols; the values are in the table",
    )
    scores = None
    # The paper's own protocol: scores under others are not beside its figures.
    if "pixel" in run.protocols:
        scores = figures.save(
            charts.scores(told.of_protocol("pixel")),
            folder / "scores.png",
            "Scores of all models and the published ones; the values are in the table",
        )
    done()
    return Charts(protocols, scores, roc, reliability, rates, *_judgement(run, folder))


def _judgement(run: Artefacts, folder: Path) -> tuple[Drawn | None, Drawn | None, dict[str, Drawn]]:
    """Draw what the scores come to: optimism, the area's balance, differences by protocol."""
    told, optimism, balances = run.evaluation, None, None
    if findings.optimism(run):
        optimism = figures.save(
            findings_charts.optimism(told.optimism, run.models, run.protocols),
            folder / "optimism.png",
            "Optimism of random splits for each model; the values are in the table",
        )
    hardest = findings.strictest(run)
    if told.in_area(hardest):
        balances = figures.save(
            findings_charts.balances(told, hardest, run.positives),
            folder / "balances.png",
            "Precision and PR-AUC in the samples and in the area; the values are in the table",
        )
    differences = {
        table.protocol: figures.save(
            findings_charts.differences(told.pairs_of(table.protocol), run.models),
            folder / f"differences_{table.protocol}.png",
            f"Differences between the models, {table.protocol} protocol; values are in the table",
        )
        for table in findings.differences(run)
    }
    return optimism, balances, differences


def _importance(run: Artefacts, folder: Path) -> ImportanceCharts:
    told = run.importance
    if told is None:
        return ImportanceCharts()
    infos = {f.info.code: f.info for f in run.factors}

    def save(figure: Figure, name: str, alt: str, embed_width: int = 1200) -> Drawn:
        return figures.save(figure, folder / f"{name}.png", alt, embed_width=embed_width)

    about = "; the values are in the table"
    return ImportanceCharts(
        save(
            importance_charts.gain(told.information_gain, infos),
            "information_gain",
            f"Information gain of each factor{about}",
        ),
        save(
            importance_charts.permutation(told),
            "permutation",
            f"Loss of AUC of each model when groups of factors are shuffled{about}",
        ),
        save(
            importance_charts.dependence(told.models, infos),
            "dependence",
            "Mean predicted probability of each model along each factor",
            1600,
        ),
        save(
            importance_charts.collinearity(told.collinearity, infos),
            "collinearity",
            "Correlations between the factors, and their variance inflation",
            1400,
        )
        if told.collinearity.known
        else None,
    )
