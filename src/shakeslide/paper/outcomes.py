"""What an experiment leaves: values as CSV, every setting as JSON, a figure as PNG and SVG."""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from shakeslide._version import __version__
from shakeslide.core import documents
from shakeslide.core.files import replacing
from shakeslide.learning.training import Recipe
from shakeslide.paper.bench import THRESHOLD, Bench
from shakeslide.paper.scale import SCALES
from shakeslide.pipeline.reporting import LIBRARIES
from shakeslide.report import figures
from shakeslide.report.published import CITATION, DOI
from shakeslide.results.evaluation_file import Result

CAPTION_SIZE = 6.5
# A letter is 0.53 of its size wide, on average.
LETTERS_PER_INCH = 72 / (0.53 * CAPTION_SIZE)


@dataclass(frozen=True)
class Told:
    """What came of an experiment.

    Attributes
    ----------
    title : str
        What it is, in a few words.
    table : DataFrame
        Its values.
    figure : Figure
        Drawn in the report's style, without caption.
    caption : str
        What the figure shows.
    reductions : sequence of str
        Where it computes less than the paper did.
    settings : mapping
        All that was set.
    fits : sequence of str
        Fingerprints of the fits it rests on.
    records : sequence of mapping
        One per fit.
    claim : mapping
        The verdict on a claim of the paper, where it tests one.
    further : mapping of str to DataFrame
        Further tables by the suffix of their names.
    further_figures : mapping of str to (Figure, str)
        Further figures and what they show, by the suffix of their names.
    """

    title: str
    table: pd.DataFrame
    figure: Figure
    caption: str
    reductions: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    fits: Sequence[str] = ()
    records: Sequence[Mapping[str, Any]] = ()
    claim: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    further_figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)


def write(folder: Path, name: str, told: Told, bench: Bench, seconds: float) -> list[Path]:
    """Write an experiment's files; the JSON comes last.

    Parameters
    ----------
    folder : Path
        Where to.
    name : str
        Of the experiment: "T4".
    told : Told
        What came of it.
    bench : Bench
        On what.
    seconds : float
        Taken, without the fits of earlier runs.
    """
    paths = []
    under = _circumstances(bench, told.reductions)
    caption = f"{name}. {told.caption} {under}"
    for suffix, table in {"": told.table, **told.further}.items():
        path = folder / f"{name}{suffix}.csv"
        same = {"protocol": bench.protocol, "scale": bench.scale.name}
        # A table that is copied away still says how it was made.
        stated = table.assign(**same, reduced="; ".join(told.reductions))
        with replacing(path) as temporary:
            stated.to_csv(temporary, index=False)
        paths.append(path)
    paths += draw(told.figure, folder / name, caption)
    for suffix, (figure, said) in told.further_figures.items():
        paths += draw(figure, folder / f"{name}{suffix}", f"{name}. {said} {under}")
    # Last, for it is by this file that `paper_page` finds an experiment.
    path = folder / f"{name}.json"
    text = {
        "id": name,
        "title": told.title,
        "caption": caption,
        **circumstances(bench),
        "reductions": list(told.reductions),
        "settings": dict(told.settings),
        "fits": list(told.fits),
        "seconds": round(seconds, 3),
        # With the fits of earlier runs, which `seconds` leaves out.
        "fit_seconds": sum(float(r.get("fit_s", 0.0)) for r in told.records),
        "claim": dict(told.claim) or None,
        "records": [dict(r) for r in told.records],
    }
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(documents.finite(text), indent=1, ensure_ascii=False), encoding="utf-8"
        )
    return [*paths, path]


def circumstances(bench: Bench) -> dict[str, Any]:
    """Return under what an experiment was made: study, protocol, scale, seed, versions."""
    run = bench.run
    return {
        "study": run.study.study.name,
        "after": f"{CITATION} {DOI}",
        "protocol": bench.protocol,
        "scale": bench.scale.name,
        "splits": [
            {"repeat": s.repeat, "fold": s.fold, "n_train": len(s.train), "n_test": len(s.test)}
            for s in bench.splits
        ],
        "threshold": THRESHOLD,
        "seed": run.study.study.seed,
        "samples": run.sample_mark,
        "factors": bench.codes,
        "block_size": bench.plan.block_size,
        "buffer": bench.plan.buffer,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "shakeslide": __version__,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _circumstances(bench: Bench, reductions: Sequence[str]) -> str:
    less = f" Reduced: {'; '.join(reductions)}." if reductions else ""
    scale = "" if bench.scale.name not in SCALES else f"; scale {bench.scale.name}"
    return f"{bench.run.study.study.name}; protocol {bench.protocol}{scale}.{less}"


def draw(figure: Figure, stem: Path, caption: str) -> list[Path]:
    """Write a figure with its caption as PNG (300 dpi) and SVG."""
    with_caption(figure, caption)
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    figures.write(figure, png)
    # The same bytes every time: no random ids, no date.
    with replacing(svg) as temporary, mpl.rc_context({"svg.hashsalt": "shakeslide"}):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    return [png, svg]


def with_caption(figure: Figure, caption: str) -> None:
    """Add room under a figure and write its caption there."""
    width, height = (float(v) for v in figure.get_size_inches())
    # What the font cannot write would be boxes.
    shown = "".join(c if figures.drawable(c) else "?" for c in caption)
    lines = textwrap.wrap(shown, int((width - 0.16) * LETTERS_PER_INCH))
    room = 0.08 + len(lines) * 1.35 * CAPTION_SIZE / 72
    figure.set_size_inches(width, height + room)
    for axes in figure.axes:
        # As placed, before an equal aspect shrank the axes.
        box = axes.get_position(original=True)
        bottom = (box.y0 * height + room) / (height + room)
        tall = box.height * height / (height + room)
        axes.set_position((box.x0, bottom, box.width, tall))
    figure.text(
        0.08 / width,
        (room - 0.02) / (height + room),
        "\n".join(lines),
        fontsize=CAPTION_SIZE,
        va="top",
        color="#4a525b",
        linespacing=1.3,
    )


def described(recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Return all settings of some models, by name."""
    return {
        r.name: {
            "angles": r.angles,
            "calibration": r.calibration,
            "params": _plain(r.make(0).get_params()),
        }
        for r in recipes
    }


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in params.items()}


def records_of(results: Sequence[Result], **said: Any) -> list[dict[str, Any]]:
    """Return the records of results at the balance of the samples, with what tells them apart."""
    return [{**said, **asdict(r.judgement.balanced)} for r in results]
