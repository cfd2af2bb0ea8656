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
from shakeslide.report import published, words
from shakeslide.report.artefacts import Artefacts, ClassShare, class_shares
from shakeslide.report.drawing import Pictures

SHOWN = ("oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "ece")
"""Measures in the table of scores."""


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
        "share": words.share,
        "unit": words.unit,
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
        "scores": [protocol_scores(run, p) for p in run.protocols],
        "compared": compared(run),
        "published": published,
        "maps": [model_map(run, f.model) for f in run.maps],
        "confusion": [confusion(run, p) for p in run.protocols],
        "threshold": run.evaluation["threshold"],
        "counts": run.samples.counts,
        "clear_drawn": _clear(run),
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
    best = _best(run, run.protocols[0], "roc_auc")
    return [
        Fact(words.area(counts["mapped_cells"] * dx * dy), "mapped area with all factors"),
        Fact(_cell(dx, dy), f"cells, {counts['mapped_cells']:,} of them"),
        Fact(words.count(counts["landslides"]), "mapped landslides"),
        Fact(words.share(run.samples.prevalence), "of the cells are landslide source"),
        Fact(
            words.score("roc_auc", best["roc_auc"]["mean"]),
            f"best AUC ({best['model'].upper()}, {run.protocols[0]} protocol)",
        ),
    ]


def _cell(dx: float, dy: float) -> str:
    return (
        f"{dx:.4g}{words.NBSP}m"
        if abs(dx - dy) < 1e-6 * dx
        else f"{dx:.4g} × {dy:.4g}{words.NBSP}m"
    )


def _best(run: Artefacts, protocol: str, measure: str) -> Mapping[str, Any]:
    rows = [r for r in run.evaluation["summary"] if r["protocol"] == protocol]
    best: Mapping[str, Any] = max(rows, key=lambda r: r[measure]["mean"] or 0.0)
    return best


def summary(run: Artefacts) -> list[str]:
    """Return the run in a few sentences."""
    counts, protocol = run.samples.counts, run.protocols[0]
    best, repeats = _best(run, protocol, "oa"), run.settings["evaluation"]["repeats"]
    rows = [r for r in run.evaluation["summary"] if r["protocol"] == protocol]
    names = words.joined([words.model_title(r["model"]).lower() for r in rows])
    train = float(run.settings["samples"]["train_share"])
    text = [
        f"{counts['source_cells']:,} source cells of {counts['landslides']:,} mapped landslides "
        f"and {_clear(run):,} cells clear of landslides were sampled; {len(run.factors)} factors "
        "describe each of them.",
        f"Trained on {words.share(train)} of these cells and judged on the other "
        f"{words.share(1 - train)} ({repeats} {'repeats' if repeats > 1 else 'repeat'}), "
        f"{names} were compared. {words.model_title(best['model'])} classified the most cells "
        f"rightly: {words.score('oa', best['oa']['mean'], best['oa']['sd'], 1)} at a threshold of "
        f"{run.evaluation['threshold']:g}, with an AUC of "
        f"{words.score('roc_auc', best['roc_auc']['mean'])}.",
    ]
    sae = next((r for r in rows if r["model"] == "sae"), None)
    if sae is not None:
        text.append(_sae_sentence(sae, best))
    if protocol == "pixel":
        text.append(
            "These figures flatter: training and test cells come from the same landslides. Expect "
            "less where no landslide has been mapped."
        )
    return text + [_held_out(run, p) for p in run.protocols[1:]]


def _held_out(run: Artefacts, protocol: str) -> str:
    best = _best(run, protocol, "roc_auc")
    return (
        f"With {words.PROTOCOLS.get(protocol, protocol)}, "
        f"{words.model_title(best['model']).lower()} does best with an AUC of "
        f"{words.score('roc_auc', best['roc_auc']['mean'], best['roc_auc']['sd'])}."
    )


def _clear(run: Artefacts) -> int:
    return int((~run.sources).sum())


def _sae_sentence(sae: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    own = words.score("oa", sae["oa"]["mean"], sae["oa"]["sd"], 1)
    if sae is best:
        return "That is the model of the paper, in its own settings."
    return f"The paper's own model, the stacked sparse autoencoder, reached {own}."


# ------------------------------------------------------------------ tables


Cell = tuple[str, str]
"""A score and its spread, as printed."""


@dataclass(frozen=True)
class ScoreRow:
    """One line of a table of scores: the model and a cell per measure."""

    model: str
    cells: Sequence[Cell]
    best: Sequence[bool]


@dataclass(frozen=True)
class ScoreTable:
    """Scores of all models under one protocol."""

    protocol: str
    explanation: str
    measures: Sequence[str]
    rows: Sequence[ScoreRow]
    repeats: int
    n_train: int
    n_test: int
    prevalence: float


def protocol_scores(run: Artefacts, protocol: str) -> ScoreTable:
    """Return the table of scores of a protocol."""
    rows = [r for r in run.evaluation["summary"] if r["protocol"] == protocol]
    records = [r for r in run.evaluation["records"] if r["protocol"] == protocol]
    top = {m: _top([r[m]["mean"] for r in rows], m) for m in SHOWN}
    return ScoreTable(
        protocol,
        words.PROTOCOLS.get(protocol, ""),
        [words.heading(m) for m in SHOWN],
        [
            ScoreRow(
                r["model"],
                [_cell_of(r, m) for m in SHOWN],
                [r[m]["mean"] is not None and r[m]["mean"] == top[m] for m in SHOWN],
            )
            for r in rows
        ],
        max(int(r["n"]) for r in rows),
        int(records[0]["n_train"]),
        int(records[0]["n_test"]),
        float(records[0]["prevalence"]),
    )


def _cell_of(row: Mapping[str, Any], measure: str) -> Cell:
    return words.score_parts(measure, row[measure]["mean"], row[measure]["sd"])


def _top(values: Sequence[float | None], measure: str) -> float | None:
    known = [v for v in values if v is not None]
    if not known:
        return None
    return min(known) if measure in ("brier", "ece") else max(known)


@dataclass(frozen=True)
class Comparison:
    """A model's scores and the published ones, as printed."""

    model: str
    own: Sequence[Cell]
    paper: Sequence[Cell]


COMPARED = ("oa", "precision", "recall", "roc_auc")


def compared(run: Artefacts) -> list[Comparison]:
    """Return the scores under the paper's protocol beside the published ones."""
    rows = [r for r in run.evaluation["summary"] if r["protocol"] == "pixel"]
    return [
        Comparison(
            r["model"],
            [_cell_of(r, m) for m in COMPARED],
            [_published(r["model"], m) for m in COMPARED],
        )
        for r in rows
        if r["model"] in published.SCORES
    ]


def _published(model: str, measure: str) -> Cell:
    value = published.SCORES[model].get(measure)
    if value is None:
        return "–", ""
    if measure == "roc_auc":
        return f"{value.mean:.2f}", ""
    return words.score_parts(measure, value.mean, value.sd)


@dataclass(frozen=True)
class ModelMap:
    """What is said beside a model's maps."""

    model: str
    shows: str
    classes: Sequence[tuple[ClassShare, str]]


def model_map(run: Artefacts, model: str) -> ModelMap:
    """Return the shares of a model's classes with their colours."""
    files = next(f for f in run.maps if f.model == model)
    shares = class_shares(run, files)
    return ModelMap(model, files.shows, list(zip(shares, class_colours(len(shares)), strict=True)))


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts and shares of each mapped class in percent."""

    model: str
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]


def confusion(run: Artefacts, protocol: str) -> tuple[str, list[Matrix]]:
    """Return the confusion matrices of a protocol."""
    out = []
    for r in run.evaluation["confusion"]:
        if r["protocol"] == protocol:
            mapped = r["tp"] + r["fn"], r["fp"] + r["tn"]
            rows = [
                ("landslide", [_part(r["tp"], mapped[0]), _part(r["fn"], mapped[0])]),
                ("clear", [_part(r["fp"], mapped[1]), _part(r["tn"], mapped[1])]),
            ]
            out.append(Matrix(r["model"], rows))
    return protocol, out


def _part(count: float, whole: float) -> tuple[int, float]:
    return int(count), 100 * count / whole if whole else 0.0


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
