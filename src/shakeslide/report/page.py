"""The page: the facts that its templates put into words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from pydantic import JsonValue

from shakeslide.core.files import replacing
from shakeslide.evaluation.collinearity import CLOSE
from shakeslide.geo import grid as grids
from shakeslide.io.style import class_colours
from shakeslide.report import (
    findings,
    interactive,
    places,
    score_tables,
    words,
)
from shakeslide.report.artefacts import Artefacts, ClassShare, MapFiles, class_shares
from shakeslide.report.drawing import Pictures
from shakeslide.report.findings import Lead
from shakeslide.report.study_facts import StudyFacts
from shakeslide.results.evaluation_document import Summary
from shakeslide.sources.separation import WHOLE
from shakeslide.sources.source_files import METHOD_WORDS
from shakeslide.study.settings import Inventory

NAME = "report.html"
MOST_PLATES = 4
"""Models whose maps the page shows as pictures; those of more would make it too large to send."""


def write(run: Artefacts, study: StudyFacts, pictures: Pictures) -> Path:
    """Write `report.html`, one file that loads nothing from elsewhere."""
    path = run.out / NAME
    text = html(run, study, pictures)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@cache
def environment() -> jinja2.Environment:
    """Return the templates; texts that are put into those of HTML are escaped."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("shakeslide.report", "templates"),
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt.j2",), default=True),
        # A name that the page lacks is an error, not an empty space.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Records are JSON objects of their fields.
    templates.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": vars}
    templates.globals |= {
        "CLOSE": CLOSE,
        "nbsp": words.NBSP,
        "tables": score_tables,
        "CITATION": words.CITATION,
        "DOI": words.DOI,
    }
    named = (
        words.area,
        words.cell_size,
        words.count,
        words.earthquake,
        words.heading,
        words.joined,
        words.of_hundred,
        words.part_of,
        words.plain,
        words.seconds,
        words.sentence,
        words.share,
        words.signed,
        words.unit,
        words.whole_percent,
        places.hectares,
        score_tables.area_interval,
        score_tables.difference,
        score_tables.interval,
        score_tables.loss,
        score_tables.spread,
        score_tables.vif,
    )
    templates.filters |= {function.__name__: function for function in named} | {
        "length_of": words.length,
        "named": words.within_sentence,
        "protocol_words": lambda p: words.PROTOCOLS.get(p, p),
        "score": _score,
        "title_of": words.model_title,
    }
    return templates


def _score(mean: float | None, measure: str, digits: int = 2, sd: float | None = None) -> str:
    return words.score(measure, mean, sd, digits)


def html(run: Artefacts, study: StudyFacts, pictures: Pictures) -> str:
    """Return the page as text."""
    strictest = findings.strictest(run)
    best = judged(run, strictest, "roc_auc")
    inventory = _inventory(run)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            counts=run.samples.counts,
            provenance=run.provenance,
            positives=run.positives,
            layers=study.layers,
            event=study.event,
            cell=grids.cell_size(run.grid),
            threshold=run.evaluation.threshold,
            train_share=run.provenance.train_share,
            inventory=inventory,
            whole=WHOLE,
            method_words=METHOD_WORDS,
            pictures=pictures,
            interactive=interactive.interactive_map(run, study),
            places=places.find(run),
            maps=[(files, coloured_classes(run, files)) for files in findings.ranked(run)],
            most_plates=MOST_PLATES,
            strictest=strictest,
            best=best,
            judged=[judged(run, p) for p in run.protocols],
            fits={p: score_tables.fits(run, p) for p in run.protocols},
            optimism=findings.optimism(run),
            alarms=findings.alarms(run, best.summary.model),
            differences=findings.differences(run),
            truth=findings.truth(run),
            names={f.info.code: f.info.name for f in run.factors},
            settings=settings(run, inventory),
        )
    )


@dataclass(frozen=True)
class Judged:
    """The best model under one protocol.

    Attributes
    ----------
    protocol : str
        The protocol.
    summary : Summary
        Of the best model.
    lead : Lead
        Whether it is significantly better than the others.
    """

    protocol: str
    summary: Summary
    lead: Lead


def judged(run: Artefacts, protocol: str, measure: str = "") -> Judged:
    """Return the best model under a protocol: of `pixel` by accuracy, else by AUC."""
    measure = measure or ("oa" if protocol == "pixel" else "roc_auc")
    best = run.evaluation.best(protocol, measure)
    return Judged(protocol, best, findings.lead(run, protocol, best.model, measure))


def coloured_classes(run: Artefacts, files: MapFiles) -> list[tuple[ClassShare, str]]:
    """Return the shares of a model's classes with their colours."""
    shares = class_shares(run, files)
    return list(zip(shares, class_colours(len(shares)), strict=True))


# ------------------------------------------------------------------ settings


def _inventory(run: Artefacts) -> dict[str, JsonValue]:
    """Return the table [inventory] of the study as written, with all defaults."""
    defaults: dict[str, JsonValue] = {k: f.default for k, f in Inventory.model_fields.items()}
    return {**defaults, **run.provenance.study.get("inventory", {})}


def settings(run: Artefacts, inventory: dict[str, JsonValue]) -> list[tuple[str, str]]:
    """Return all settings as `--set` names them; layers as written, the models' as were used."""
    given = {
        **run.provenance.settings,
        "layers": run.provenance.study.get("layers", {}),
        "inventory": inventory,
        "models": {n: {"angles": m.angles, **m.params} for n, m in run.provenance.models.items()},
    }
    return words.flat(given)
