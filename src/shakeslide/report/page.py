"""The page: what the templates need, in the words and numbers they print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from shakeslide import grid as grids
from shakeslide.io.raster import replacing
from shakeslide.io.style import class_colours
from shakeslide.report import (
    importance,
    interactive,
    judgement,
    places,
    published,
    score_tables,
    uncertainty,
    words,
)
from shakeslide.report.artefacts import Artefacts, ClassShare, class_shares
from shakeslide.report.drawing import Pictures
from shakeslide.report.score_tables import best_of, fits, interval, rows_of


def write(run: Artefacts, inputs: Mapping[str, Any], pictures: Pictures) -> Path:
    """Write `report.html`, one file that loads nothing from elsewhere."""
    path = run.out / "report.html"
    text = environment().get_template("report.html.j2").render(context(run, inputs, pictures))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def environment() -> jinja2.Environment:
    """Return the templates; whatever text is put into them is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("shakeslide.report", "templates"),
        autoescape=True,
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
    study = run.settings["study"]
    return {
        "study": study,
        "event": event_line(inputs["event"]),
        "facts": facts(run),
        "summary": summary(run),
        "warnings": [(row["name"], text) for row in inputs["layers"] for text in row["warnings"]],
        "layers": inputs["layers"],
        "run": run,
        "pictures": pictures,
        "scores": [score_tables.of_protocol(run, p) for p in run.protocols],
        "side_by_side": score_tables.side_by_side(run),
        "optimism": judgement.optimism(run),
        "area_tables": judgement.area_tables(run),
        "alarms": judgement.alarms(run),
        "differences": judgement.differences(run),
        "by_chance": judgement.by_chance(run),
        "truth": judgement.truth(run),
        "calibration": judgement.calibration(run),
        "spreads": uncertainty.spreads(run),
        "applicability": uncertainty.applicability(run),
        "importance": importance.importance(run),
        "collinear": importance.collinear(run),
        "captured": score_tables.captured(run),
        "compared": score_tables.compared(run),
        "published": published,
        "interactive": interactive.interactive_map(run, inputs),
        "maps": [model_map(run, f.model) for f in run.maps],
        "plates": plates(run),
        "places": places.told(run, inputs),
        "confusion": [score_tables.confusion(run, p) for p in run.protocols],
        "threshold": run.evaluation["threshold"],
        "counts": run.samples.counts,
        "clear_drawn": _clear(run),
        "sources_drawn": int(run.sources.sum()),
        "test_share": 1 - float(run.settings["samples"]["train_share"]),
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
    protocol = judgement.strictest(run)
    best = best_of(run, protocol, "roc_auc")
    return [
        Fact(words.area(counts["mapped_cells"] * dx * dy), "mapped area with all factors"),
        Fact(_cell(dx, dy), f"cells, {counts['mapped_cells']:,} of them"),
        Fact(words.count(counts["landslides"]), "mapped landslides"),
        Fact(words.share(run.samples.prevalence), "of the cells are landslide source"),
        Fact(
            words.score("roc_auc", best["roc_auc"]["mean"]),
            f"best AUC, {words.PROTOCOLS.get(protocol, protocol)} ({best['model'].upper()})",
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
    counts = run.samples.counts
    names = words.joined([words.model_title(m).lower() for m in run.models])
    text = [
        f"{_drawn_sources(run)} source cells of {counts['landslides']:,} mapped landslides "
        f"and {_clear(run):,} cells clear of landslides were sampled; {len(run.factors)} factors "
        f"describe each of them. From these, {names} were trained and judged."
    ]
    for protocol in run.protocols:
        told = _pixel(run) if protocol == "pixel" else _held_out(run, protocol)
        if protocol == "block" == judgement.strictest(run) and len(run.protocols) > 1:
            told += " The blocks tell best what to expect where no landslide has been mapped."
        text.append(told)
    if alarms := judgement.alarms(run):
        text.append(alarms)
    if (unlike := uncertainty.applicability(run)) is not None:
        text.append(
            f"Of the area {words.share(unlike.outside)} is unlike anything the models were trained "
            "on."
        )
    return text


def _drawn_sources(run: Artefacts) -> str:
    """Return how many source cells were sampled, and of how many if not of all."""
    drawn, there = int(run.sources.sum()), int(run.samples.counts["source_cells"])
    return f"{drawn:,}" if drawn == there else f"{drawn:,} of {there:,}"


def _pixel(run: Artefacts) -> str:
    best, train = best_of(run, "pixel", "oa"), float(run.settings["samples"]["train_share"])
    oa = words.score("oa", best["oa"]["mean"], best["oa"]["sd"], 1)
    text = [
        f"On cells drawn at random, {words.share(train)} for training and {words.share(1 - train)} "
        f"for testing ({fits(run, 'pixel')}), {words.model_title(best['model']).lower()} "
        f"classified the most rightly: {oa} at a threshold of {run.evaluation['threshold']:g}, "
        f"with an AUC of {words.score('roc_auc', best['roc_auc']['mean'])}."
    ]
    sae = next((r for r in rows_of(run, "pixel") if r["model"] == "sae"), None)
    if sae is best:
        text.append("That is the model of the paper.")
    elif sae is not None:
        own = words.score("oa", sae["oa"]["mean"], sae["oa"]["sd"], 1)
        text.append(f"The paper's own model, the stacked sparse autoencoder, reached {own}.")
    text.append(
        "This is the paper's way and it flatters: training and test cells come from the same "
        "landslides."
    )
    return " ".join(text)


def _held_out(run: Artefacts, protocol: str) -> str:
    best = best_of(run, protocol, "roc_auc")
    value, bounds = interval(best, "roc_auc")
    return (
        f"With {words.PROTOCOLS.get(protocol, protocol)} ({fits(run, protocol)}), "
        f"{words.model_title(best['model']).lower()} ranks best, with an AUC of {value}"
        + (f" (95{words.NBSP}% interval {bounds})." if bounds else ".")
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
    mapped = [files.model for files in run.maps]
    if len(mapped) <= MOST_PLATES:
        return mapped
    rows = rows_of(run, judgement.strictest(run))
    auc = {str(r["model"]): r["roc_auc"]["mean"] or 0.0 for r in rows}
    best = sorted(mapped, key=lambda m: -auc[m])[:MOST_PLATES]
    return [m for m in mapped if m in best]


def model_map(run: Artefacts, model: str) -> ModelMap:
    """Return the shares of a model's classes with their colours."""
    files = next(f for f in run.maps if f.model == model)
    shares = class_shares(run, files)
    return ModelMap(model, files.shows, list(zip(shares, class_colours(len(shares)), strict=True)))


# ------------------------------------------------------------------ record


def settings(run: Artefacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all settings table by table; the models' as they were used."""
    tables = [
        (str(name), words.flat(values))
        for name, values in run.settings.items()
        if isinstance(values, Mapping) and name not in ("models", "factors")
    ]
    for code, values in (run.settings.get("factors") or {}).items():
        tables.append((f"factors.{code}", words.flat(values)))
    for name, values in run.provenance["models"].items():
        params = {"angles": values["angles"], **values["params"]}
        tables.append((f"models.{name}", words.flat(params)))
    return [(name, rows) for name, rows in tables if rows]


def citation(run: Artefacts) -> str:
    """Return how to cite the software."""
    year = str(run.provenance["written"])[:4]
    return (
        f"The shakeslide developers ({year}): shakeslide {run.provenance['shakeslide']}, software "
        "for predicting earthquake-induced landslides."
    )
