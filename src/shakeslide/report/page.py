"""The page: what the templates need, in the words and numbers they print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from shakeslide.core.files import replacing
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
from shakeslide.sources.source_files import METHOD_WORDS
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
    }
    return templates


def context(run: Artefacts, inputs: Mapping[str, Any], pictures: Pictures) -> dict[str, Any]:
    """Return everything the page prints."""
    means = uncertainty_text.means(run)
    warnings = [(row["name"], text) for row in inputs["layers"] for text in row["warnings"]]
    if doubt := uncertainty_text.uncalibrated(run, means):
        warnings.append(("maps", doubt))
    return {
        "event": event_line(inputs["event"]),
        "facts": facts(run),
        "summary": summary(run),
        "warnings": warnings,
        "positives": run.positives,
        "means": bool(means),
        "formulas": words.joined([f.model.upper() for f in run.maps if f.formula] or [""]),
        "trained": trained(run),
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
        "captured": score_tables.captured(run),
        "compared": score_tables.compared(run),
        "published": published,
        "interactive": interactive.interactive_map(run, inputs),
        "colours": colours(run),
        "maps": [model_map(run, f.model) for f in findings.ranked(run)],
        "plates": plates(run),
        "places": places.told(run, inputs),
        "confusion": [score_tables.confusion(run, p) for p in run.protocols],
        "threshold": run.evaluation.threshold,
        "counts": run.samples.counts,
        "clear_drawn": _clear(run),
        "sources_drawn": int(run.sources.sum()),
        "test_share": 1 - run.provenance.train_share,
        "settings": settings(run),
        "provenance": run.provenance,
        "citation": citation(run),
    }


# ------------------------------------------------------------------ in words


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
    """A key number of the study."""

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
        Fact(words.area(counts["mapped_cells"] * dx * dy), "mapped area with all factors"),
        Fact(_cell(dx, dy), f"cells, {counts['mapped_cells']:,} of them"),
        Fact(words.count(counts["landslides"]), "mapped landslides"),
        Fact(
            words.share(run.samples.prevalence),
            f"of the usable cells are {run.positives.cells}{run.positives.aside}",
        ),
        Fact(
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


def summary(run: Artefacts) -> list[str]:
    """Return the run in a few sentences: what was done, then point by point what came of it."""
    names = words.joined([words.model_title(m).lower() for m in run.models])
    text: list[str] = [
        f"{_drawn_sources(run)} of {_landslides(run)} mapped landslides and {_clear(run):,} clear "
        f"cells were sampled. {definitions(run)} {len(run.factors)} factors describe each cell. "
        f"From these, {names} were trained and judged."
    ]
    if run.extraction:
        text.append(extraction(run.extraction))
    for protocol in run.protocols:
        told = _pixel(run) if protocol == "pixel" else _held_out(run, protocol)
        # Where `event` is there too, it is stricter than blocks.
        if protocol == "block" == findings.strictest(run) and len(run.protocols) > 1:
            told += " The blocks tell best what to expect where no landslide has been mapped."
        text.append(told)
    if alarms := findings.alarms(run):
        text.append(alarms)
    if (unlike := uncertainty_text.applicability(run)) is not None:
        text.append(
            f"Of the area {words.share(unlike.outside)} is unlike anything the models were trained "
            "on."
        )
    return text


def _drawn_sources(run: Artefacts) -> str:
    """Return how many positive cells were sampled, and of how many if not of all."""
    drawn, there = int(run.sources.sum()), int(run.samples.counts["source_cells"])
    count = f"{drawn:,}" if drawn == there else f"{drawn:,} of {there:,}"
    return f"{count} {run.positives.cells}{run.positives.aside}"


def _landslides(run: Artefacts) -> str:
    """Return how many landslides the sampled cells lie in, and of how many if not in all."""
    some, there = run.landslides_sampled, int(run.samples.counts["landslides"])
    return f"{there:,}" if some == there else f"{some:,} of {there:,}"


def definitions(run: Artefacts) -> str:
    """Return what a positive, a clear and a usable cell are."""
    inventory = run.provenance.study.get("inventory", {})
    around = [", the buffer around it"] if inventory.get("buffer") else []
    around += [" and all ground of unclear standing"] if inventory.get("ambiguous") else []
    small = (
        ", or that a landslide without a cell centre covers most"
        if inventory.get("small") == "most_covered"
        else ""
    )
    return (
        f"{run.positives.definition}{small}. A clear cell lies outside every mapped landslide"
        f"{''.join(around)}. Usable cells are all of both kinds, in the mapped area and with a "
        "value of every factor."
    )


def extraction(told: Mapping[str, Any]) -> str:
    """Return in a sentence how source areas were told from outlines.

    Parameters
    ----------
    told : mapping
        sources.json.
    """
    methods = dict(told["methods"])
    whole = methods.pop(WHOLE, 0)
    ways = [
        ("as mapped" if name == "S0" else f"by {METHOD_WORDS.get(name, name)}") + f" in {n:,}"
        for name, n in methods.items()
    ]
    share = 100 * told["source_m2"] / max(told["area_m2"], 1e-9)
    taken = f"they were taken {words.joined(ways)}" if ways else ""
    kept = f"{whole:,} were kept whole" if whole else ""
    return (
        "The source areas were told from the outlines by shakeslide sources: "
        f"{share:.0f}{words.NBSP}% of the outlined area is source. Of {told['landslides']:,} "
        f"landslides {'; '.join(text for text in (taken, kept) if text)}."
    )


def trained(run: Artefacts) -> str:
    """Return how many of the samples the mapped models were trained on; "" where not known."""
    rows = sorted(set(run.trained.values()))
    if not rows:
        return ""
    if run.fitted_on_all:
        return (
            f"The mapped models are fitted on all {len(run.samples.table):,} sampled cells. The "
            "scores are those of models that were fitted on training cells alone."
        )
    count = " to ".join(f"{n:,}" for n in dict.fromkeys((rows[0], rows[-1])))
    share = run.provenance.train_share
    return (
        f"The mapped models are trained on {count} of {len(run.samples.table):,} sampled cells, "
        f"the first random split (train_share = {share:g}), not on all of them."
    )


PAPER = Markup('the paper of <a href="#cite">Li et al. (2021)</a>')
"""Where the summary first speaks of it."""


def _pixel(run: Artefacts) -> Markup:
    best = run.evaluation.best("pixel", "oa")
    train = run.provenance.train_share
    oa = words.score("oa", best.oa.mean, best.oa.sd, 1)
    level = findings.level_with(run, "pixel", best.model, "oa")
    first = (
        f"On cells drawn at random, {words.share(train)} for training and {words.share(1 - train)} "
        f"for testing ({fits(run, 'pixel')}), {words.model_title(best.model).lower()} "
        f"was right most often: for {oa} of the cells at a threshold of "
        f"{run.evaluation.threshold:g}{f' ({level})' if level else ''}, "
        f"with an AUC of {words.score('roc_auc', best.roc_auc.mean)}."
    )
    sae = next((r for r in run.evaluation.of_protocol("pixel") if r.model == "sae"), None)
    # Markup escapes what is put into it.
    text, way = [Markup("{}").format(first)], Markup("the way of {}").format(PAPER)
    if sae is not None:
        own = words.score("oa", sae.oa.mean, sae.oa.sd, 1)
        told = "That is the model of {}."
        if sae is not best:
            told = "The model of {}, the stacked sparse autoencoder, reached {}."
        text.append(Markup(told).format(PAPER, own))
        way = Markup("that paper's way")
    last = "To split so is {}, and it flatters: training and test cells share landslides."
    text.append(Markup(last).format(way))
    return Markup(" ").join(text)


def _held_out(run: Artefacts, protocol: str) -> str:
    best = run.evaluation.best(protocol, "roc_auc")
    value, bounds = interval(best.roc_auc, "roc_auc")
    level = findings.level_with(run, protocol, best.model)
    return (
        f"With {words.PROTOCOLS.get(protocol, protocol)} ({fits(run, protocol)}), "
        f"{words.model_title(best.model).lower()} ranks best, with an AUC of {value}"
        + (f" (95{words.NBSP}% interval {bounds})" if bounds else "")
        + (f", {level}." if level else ".")
    )


def _clear(run: Artefacts) -> int:
    return int((~run.sources).sum())


# ------------------------------------------------------------------ maps


@dataclass(frozen=True)
class ModelMap:
    """What is said beside a model's maps."""

    model: str
    shows: str
    classes: Sequence[tuple[ClassShare, str]]


MOST_PLATES = 4
"""Models whose maps the page shows as pictures; those of more would make it too large to send."""


def plates(run: Artefacts) -> list[str]:
    """Return the models whose maps the page shows: those that rank best where it is hardest."""
    return [files.model for files in findings.ranked(run)][:MOST_PLATES]


def colours(run: Artefacts) -> list[str]:
    """Return what the maps show, in sentences: trained models' first, then each formula's."""
    learnt = [files for files in run.maps if not files.formula]
    text = [_shown(run, learnt[0].balanced)] if learnt else []
    for files in findings.ranked(run):
        if files.formula:
            name = words.model_title(files.model)
            text.append(f"The map of {name} shows the {files.meaning}.")
    return text


def _shown(run: Artefacts, balanced: bool) -> str:
    """Return what the maps of trained models show."""
    cell, share = f"{run.positives.cell}{run.positives.aside}", words.share(run.samples.prevalence)
    if balanced:
        return (
            f"Colours show susceptibility: the probability that a cell is a {cell} on the balance "
            f"of the training sample, where {words.share(run.samples.label.mean())} of the cells "
            f"are {run.positives.cells}. In the whole area {share} of the usable cells are, so "
            "these values are not the share of the ground that fails; they rank it."
        )
    means = uncertainty_text.means_text(uncertainty_text.means(run))
    return (
        f"Colours show the probability that a cell is a {cell}, corrected from the balance of the "
        f"sample to the area's own share of them: {share} of the usable cells. Were the "
        "probabilities right on average, the mean of a map would be about that share; it is "
        f"{means}."
    )


def model_map(run: Artefacts, model: str) -> ModelMap:
    """Return the shares of a model's classes with their colours."""
    files = next(f for f in run.maps if f.model == model)
    shares = class_shares(run, files)
    return ModelMap(model, files.shows, list(zip(shares, class_colours(len(shares)), strict=True)))


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
