"""The page: the facts that its templates put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from shakeslide.core.files import replacing
from shakeslide.evaluation.collinearity import CLOSE
from shakeslide.geo import grid as grids
from shakeslide.io.style import class_colours
from shakeslide.report import (
    findings,
    importance_text,
    interactive,
    places,
    published,
    score_tables,
    uncertainty_text,
    words,
)
from shakeslide.report.artefacts import Artefacts, ClassShare, class_shares
from shakeslide.report.drawing import Pictures
from shakeslide.report.score_tables import fits, interval
from shakeslide.sources.separation import WHOLE
from shakeslide.sources.source_files import METHOD_WORDS, SourcesRecord
from shakeslide.study.settings import Inventory

NAME = "report.html"


def write(run: Artefacts, inputs: Mapping[str, Any], pictures: Pictures) -> Path:
    """Write `report.html`, one file that loads nothing from elsewhere."""
    path = run.out / NAME
    text = environment().get_template("report.html.j2").render(context(run, inputs, pictures))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def environment() -> jinja2.Environment:
    """Return the templates; whatever text is put into them is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("shakeslide.report", "templates"),
        autoescape=True,
        # A name that the page lacks is an error, not an empty space.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "count": words.count,
        "hectares": places.hectares,
        "share": words.share,
        "unit": words.unit,
        "length_of": words.length,
        "seconds": words.seconds,
        "plain": words.plain,
        "title_of": words.model_title,
        "named": words.within_sentence,
        "joined": words.joined,
        "protocol_words": lambda p: words.PROTOCOLS.get(p, p),
    }
    return templates


def context(run: Artefacts, inputs: Mapping[str, Any], pictures: Pictures) -> dict[str, Any]:
    """Return everything the page prints."""
    means = uncertainty_text.means(run)
    return {
        "event": event_line(inputs["event"]),
        "facts": facts(run),
        "sampled": sampled(run),
        "judged": [judged(run, p) for p in run.protocols],
        "strictest": findings.strictest(run),
        "warnings": [(row["name"], text) for row in inputs["layers"] for text in row["warnings"]],
        "uncalibrated": uncertainty_text.uncalibrated(run, means),
        "means": uncertainty_text.means_text(means) if means else "",
        "positives": run.positives,
        "formulas": [f for f in findings.ranked(run) if f.formula],
        "balanced": next((f.balanced for f in run.maps if not f.formula), None),
        "trained": sorted(set(run.trained.values())),
        "layers": inputs["layers"],
        "run": run,
        "pictures": pictures,
        "scores": [score_tables.of_protocol(run, p) for p in run.protocols],
        "side_by_side": score_tables.side_by_side(run),
        "optimism": findings.optimism(run),
        "area_tables": findings.area_tables(run),
        "alarms": findings.alarms(run),
        "differences": findings.differences(run),
        "by_chance": findings.by_chance(run),
        "truth": findings.truth(run),
        "calibration": findings.calibration(run),
        "spreads": uncertainty_text.spreads(run),
        "applicability": uncertainty_text.applicability(run),
        "importance": importance_text.importance(run),
        "collinear": importance_text.collinear(run),
        "close": CLOSE,
        "captured": score_tables.captured(run),
        "compared": score_tables.compared(run),
        "published": published,
        "interactive": interactive.interactive_map(run, inputs),
        "maps": [model_map(run, f.model) for f in findings.ranked(run)],
        "plates": plates(run),
        "places": places.find(run),
        "best_map": places.best_map(run) if run.maps else None,
        "confusion": [score_tables.confusion(run, p) for p in run.protocols],
        "threshold": run.evaluation.threshold,
        "counts": run.samples.counts,
        "train_share": run.provenance.train_share,
        "settings": settings(run),
        "provenance": run.provenance,
        "citation": citation(run),
    }


# ------------------------------------------------------------------ summary


def event_line(event: Mapping[str, Any]) -> str:
    """Return the earthquake in one line."""
    parts = []
    if event.get("magnitude") is not None:
        parts.append(f"M {event['magnitude']:g}")
    if event.get("time"):
        parts.append(str(event["time"]).replace("T", " ").replace("Z", " UTC"))
    if event.get("epicentre"):
        x, y = event["epicentre"]
        if event.get("crs", "EPSG:4326") == "EPSG:4326":
            ew, ns = "E" if x >= 0 else "W", "N" if y >= 0 else "S"
            parts.append(f"epicentre {abs(y):.3f}° {ns}, {abs(x):.3f}° {ew}")
        else:
            parts.append(f"epicentre {x:g}, {y:g} ({event['crs']})")
    return " · ".join(parts)


@dataclass(frozen=True)
class Fact:
    """A key number of the study: what it is, its value and its label as printed."""

    name: str
    value: str
    label: str


def facts(run: Artefacts) -> list[Fact]:
    """Return the key numbers of the study."""
    counts = run.samples.counts
    dx, dy = grids.cell_size(run.grid)
    protocol = findings.strictest(run)
    best = run.evaluation.best(protocol, "roc_auc")
    level = findings.level_with(run, protocol, best.model)
    name = "; ".join(text for text in (best.model.upper(), level) if text)
    return [
        Fact("area", words.area(counts["mapped_cells"] * dx * dy), "mapped area with all factors"),
        Fact("cells", _cell(dx, dy), f"cells, {counts['mapped_cells']:,} of them"),
        Fact("landslides", words.count(counts["landslides"]), "mapped landslides"),
        Fact(
            "share",
            words.share(run.samples.prevalence),
            f"of the usable cells are {run.positives.cells}{run.positives.aside}",
        ),
        Fact(
            "auc",
            words.score("roc_auc", best.roc_auc.mean),
            f"best AUC, {words.PROTOCOLS.get(protocol, protocol)} ({name})",
        ),
    ]


def _cell(dx: float, dy: float) -> str:
    return (
        f"{dx:.4g}{words.NBSP}m"
        if abs(dx - dy) < 1e-6 * dx
        else f"{dx:.4g} × {dy:.4g}{words.NBSP}m"
    )


@dataclass(frozen=True)
class Sampled:
    """The samples of a run.

    Attributes
    ----------
    positives, of : int
        Positive cells drawn, and those that there are.
    clear : int
        Clear cells drawn.
    landslides, of_landslides : int
        Landslides with a drawn cell, and those mapped.
    buffer, ambiguous, small : bool
        Whether clear cells keep off the landslides' surroundings and off ambiguous ground, and
        whether a landslide without a cell centre has the cell that it covers most.
    extraction : Extraction or None
        How source areas were extracted, where the positives are such.
    """

    positives: int
    of: int
    clear: int
    landslides: int
    of_landslides: int
    buffer: bool
    ambiguous: bool
    small: bool
    extraction: Extraction | None


@dataclass(frozen=True)
class Extraction:
    """How source areas were extracted from outlines.

    Attributes
    ----------
    landslides, whole : int
        All landslides, and those of which the whole outline was kept.
    share : float
        Share of the outlined area that is source.
    methods : sequence of (str, int)
        Each method in words and its number of landslides.
    """

    landslides: int
    whole: int
    share: float
    methods: Sequence[tuple[str, int]]


def sampled(run: Artefacts) -> Sampled:
    """Return the numbers and definitions of the samples."""
    counts, inventory = run.samples.counts, run.provenance.study.get("inventory", {})
    return Sampled(
        int(run.sources.sum()),
        int(counts["source_cells"]),
        int((~run.sources).sum()),
        run.landslides_sampled,
        int(counts["landslides"]),
        bool(inventory.get("buffer")),
        bool(inventory.get("ambiguous")),
        inventory.get("small") == "most_covered",
        extraction(run.extraction) if run.extraction is not None else None,
    )


def extraction(told: SourcesRecord) -> Extraction:
    """Return how source areas were extracted from outlines."""
    methods = dict(told.methods)
    whole = methods.pop(WHOLE, 0)
    ways = [
        ("as mapped" if name == "S0" else f"by {METHOD_WORDS.get(name, name)}", n)
        for name, n in methods.items()
    ]
    return Extraction(told.landslides, whole, told.source_share, ways)


@dataclass(frozen=True)
class Judged:
    """The best model under one protocol.

    Attributes
    ----------
    protocol, fits, model : str
        The protocol, how often each model was fitted ("5 folds"), and the best model.
    oa, auc, bounds : str
        Its accuracy, its AUC and that one's 95 % interval, as printed.
    level : str
        Than which models it is not significantly better, "" if it is better than all.
    sae : str
        Accuracy of the paper's model where that is another one, else "".
    """

    protocol: str
    fits: str
    model: str
    oa: str
    auc: str
    bounds: str
    level: str
    sae: str


def judged(run: Artefacts, protocol: str) -> Judged:
    """Return the best model under a protocol: of `pixel` by accuracy, as in the paper, else AUC."""
    measure = "oa" if protocol == "pixel" else "roc_auc"
    best = run.evaluation.best(protocol, measure)
    value, bounds = interval(best.roc_auc, "roc_auc")
    sae = next((r for r in run.evaluation.of_protocol(protocol) if r.model == "sae"), best)
    return Judged(
        protocol,
        fits(run, protocol),
        best.model,
        words.score("oa", best.oa.mean, best.oa.sd, 1),
        value,
        bounds,
        findings.level_with(run, protocol, best.model, measure),
        "" if sae is best else words.score("oa", sae.oa.mean, sae.oa.sd, 1),
    )


# ------------------------------------------------------------------ maps


@dataclass(frozen=True)
class ModelMap:
    """The classes of a model's map with their colours."""

    model: str
    classes: Sequence[tuple[ClassShare, str]]


MOST_PLATES = 4
"""Models whose maps the page shows as pictures; those of more would make it too large to send."""


def plates(run: Artefacts) -> list[str]:
    """Return the models whose maps the page shows: those that rank best where it is hardest."""
    return [files.model for files in findings.ranked(run)][:MOST_PLATES]


def model_map(run: Artefacts, model: str) -> ModelMap:
    """Return the shares of a model's classes with their colours."""
    files = next(f for f in run.maps if f.model == model)
    shares = class_shares(run, files)
    return ModelMap(model, list(zip(shares, class_colours(len(shares)), strict=True)))


# ------------------------------------------------------------------ record


def settings(run: Artefacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all settings table by table; layers as written, the models' as they were used."""
    written, used = run.provenance.study, run.provenance.settings
    inventory = {k: f.default for k, f in Inventory.model_fields.items()}
    given = {
        **used,
        **{f"layers.{name}": values for name, values in written.get("layers", {}).items()},
        "inventory": inventory | written.get("inventory", {}),
    }
    tables: list[tuple[str, list[tuple[str, str]]]] = []
    # Factors and models follow as they were used, with all defaults.
    for name, values in given.items():
        if name not in ("models", "factors"):
            tables += _tables(str(name), values)
    for code, values in (used.get("factors") or {}).items():
        tables.append((f"factors.{code}", words.flat(values)))
    for name, model in run.provenance.models.items():
        params = {"angles": model.angles, **model.params}
        tables.append((f"models.{name}", words.flat(params)))
    return [(name, rows) for name, rows in tables if rows]


def _tables(name: str, values: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return a table, and those that it holds lists of, as (head, rows)."""
    if isinstance(values, list):
        return [(f"[{name}]", words.flat(v)) for v in values if isinstance(v, Mapping)]
    if not isinstance(values, Mapping):
        return []
    lists = {
        k: v for k, v in values.items() if isinstance(v, list) and v and isinstance(v[0], Mapping)
    }
    own = {k: v for k, v in values.items() if k not in lists}
    inner = [table for k, v in lists.items() for table in _tables(f"{name}.{k}", v)]
    return [(name, words.flat(own)), *inner]


def citation(run: Artefacts) -> str:
    """Return how to cite the software."""
    year = run.provenance.written[:4]
    return (
        f"The shakeslide developers ({year}): shakeslide {run.provenance.shakeslide}, software "
        "for predicting earthquake-induced landslides."
    )
